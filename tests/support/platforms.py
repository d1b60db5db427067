"""Downloads and lists of students as Canvas and Moodle make them, and grades without a run."""

import io
import struct
import zipfile

from grader.files import as_bytes
from grader.gradebook import Entry, open_writer
from grader.work import Graded, Score, graded_cells, read_notebook

CANVAS_LIST = """\
Student,ID,SIS User ID,SIS Login ID,Section,Introduction (70),Optimizers (71),Final Score
,,,,,,Manual Posting,
    Points Possible,,,,,10,{most:g},(read only)
"Lovelace, Ada",4711,S1,ada@uni.example,"Tuesday, early",9,,90
"O'Hara, Zoë",4712,S2,zoe@uni.example,Friday,,3,
"Hopper, Grace",4713,S3,grace@uni.example,Friday,8,,80
"""

MOODLE_LIST = """\
Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,\
Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments
Participant 901,Ada Lovelace,m-1,ada@uni.example,Submitted for grading,,{most:.2f},Yes,\
"Friday, 20 November 2026, 11:58 PM",-,
Participant 902,Zoë O'Hara,m-2,zoe@uni.example,Submitted for grading,,{most:.2f},Yes,\
"Saturday, 21 November 2026, 9:30 AM",-,
Participant 903,Grace Hopper,m-3,grace@uni.example,No submission,,{most:.2f},Yes,-,-,
"""


def zipped(files):
    """Return a zip file with these (name, content) or (ZipInfo, content)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


def stamped(name, time, utc=None):
    """Return a zip entry's description with its time, and one in UTC where it is given."""
    info = zipfile.ZipInfo(name, time)
    if utc is not None:
        info.extra = struct.pack("<HHBi", 0x5455, 5, 1, int(utc.timestamp()))
    return info


def grade_without_running(klass, unit, students, share=1.0, essay=None):
    """Write grades for some students: a share of each test's points, and the essay's."""
    release = klass.require_release(unit)
    notebook = read_notebook(release)
    notebook.metadata["grader"] = {"problems": []}
    scores = {
        name: Score(
            essay if cell.metadata.nbgrader.solution else share * cell.metadata.nbgrader.points,
            cell.metadata.nbgrader.points,
        )
        for name, cell in graded_cells(notebook).items()
    }
    graded = Graded(as_bytes(notebook), scores)
    with open_writer(klass, unit) as writer:
        writer.record([Entry(student, graded, "mark") for student in students])


def points_of(klass, unit):
    """Return the points of all tests, and those of the free text."""
    cells = graded_cells(read_notebook(klass.require_release(unit))).values()
    told = [cell.metadata.nbgrader for cell in cells]
    return sum(t.points for t in told if not t.solution), sum(t.points for t in told if t.solution)
