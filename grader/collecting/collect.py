"""``grader collect``: what Canvas or Moodle gives to download becomes submissions.

nbgrader's own ``zip_collect`` unpacks the archive as it is, knows students only by a regular
expression on file names, and overwrites; so the names, limits and kept versions are ours.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from nbgrader.api import Student as Row
from rich.console import Console

from course.checking import Unit
from course.exercises import units as all_units
from grader.class_folder import ClassFolder, notebook_name
from grader.collecting.archives import Entry, Refused, expand, read_download
from grader.collecting.assignments import Assignments
from grader.collecting.collected import read_facts, write_facts
from grader.collecting.downloads import Upload, read_uploads
from grader.collecting.rosters import (
    Register,
    Roster,
    Student,
    called,
    parse_roster,
    read_roster,
    read_students,
    split_name,
    write_students,
)
from grader.errors import GraderError, UsageError
from grader.files import write_atomically
from grader.gradebook import TIMESTAMP, read_timestamp
from grader.log import one_line
from grader.progress import progress
from grader.rebuild import SIZE_LIMIT
from grader.stock import open_gradebook

UTC = datetime.UTC
FEW = 5
"""So many names stand in a line."""
COPY = re.compile(r"(-\d+|\s*\(\d+\)|[ _-]+copy(\s*\d*)?)+$", re.IGNORECASE)
WORKSHEET_TIMES = ("%A, %d %B %Y, %I:%M %p", "%A, %d %B %Y, %H:%M")
ALIKE = datetime.timedelta(minutes=10)
"""Files of several students whose times are no further apart were stamped by the download."""


@dataclass
class Collected:
    """What a run of collecting did.

    Attributes:
        platform: from which platform the download was.
        new: the students whose first submission came in.
        replaced: the students with a newer submission; the older one is kept.
        unchanged: the students whose submission was there already.
        late: the students whom the platform calls late.
        notes: sentences about what is not as it should be, each with its student or file.
    """

    platform: str
    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Submission:
    """A notebook that is ready to be put into its place."""

    student: str
    content: bytes
    time: datetime.datetime | None


def collect(
    klass: ClassFolder,
    unit: Unit,
    sources: Sequence[Path],
    console: Console,
    *,
    platform: str = "auto",
    roster: Path | None = None,
) -> Collected:
    """Put what was downloaded into ``submitted/STUDENT/UNIT/``; older versions are kept.

    Who handed in what is clear before the first file is written. A run that is stopped can be
    repeated: what is in its place already is left as it is.

    Args:
        klass: the class.
        unit: the unit that was handed in; it must have been released.
        sources: zip files, or folders into which they were unpacked.
        console: where the progress is shown.
        platform: ``canvas``, ``moodle``, or ``auto`` to find out by the names.
        roster: the platform's list of students, for names, addresses and times.

    Raises:
        GraderError: the download cannot be read, or students cannot be told apart.
        UsageError: most of it is the assignment of another unit.
    """
    klass.require_release(unit)
    entries = [entry for source in sources for entry in read_download(source)]
    platform, uploads, others = read_uploads(entries, platform)
    done = Collected(platform)
    done.notes += [
        f"{e.path}: leads out of the download; left out." for e in entries if e.leads_out
    ]
    done.notes += [f"{entry.path}: belongs to no student; left where it is." for entry in others]
    listed = read_roster(roster) if roster else _kept_roster(klass, unit, platform)
    if listed and listed.platform != platform:
        raise GraderError(
            f"The download is from {platform}, and the roster {roster} from {listed.platform}. "
            "Give the roster that belongs to the download."
        )
    register = Register(read_students(klass))
    people = _people(register, listed, klass.schedule.zone)
    grouped = _by_student(register, people, uploads, platform)
    foreign = _of_other_units(klass, unit, grouped, sources)
    times = _entry_times(uploads, platform, klass.schedule.zone)
    before = read_facts(klass, unit)
    _keep_lists(klass, unit, register, listed, roster)
    timeless = False
    with progress(console, f"collecting {unit.key}", len(grouped)) as advance:
        for student, own in sorted(grouped.items()):
            found = _choose(unit, student, own, before.get(student, {}), foreign, done)
            if found:
                upload, content = found
                told = people[upload.user].time if upload.user in people else None
                time = told or times.get((upload.user, upload.order))
                _place(klass, unit, Submission(student, content, time), done)
                before[student] = _facts(upload, platform)
                timeless = timeless or time is None
                done.late += [student] if upload.is_late else []
            advance()
    write_facts(klass, unit, before)
    _name_in_gradebook(klass, register)
    done.notes += strays(klass)
    if timeless:
        done.notes.append(_NO_TIMES[platform])
    return done


def strays(klass: ClassFolder) -> list[str]:
    """Return a sentence for each notebook below ``submitted`` that grading will not see."""
    root = klass.root / "submitted"
    keys = {unit.key for unit in all_units()}
    found = []
    for path in sorted(root.rglob("*.ipynb")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") for part in parts) or (len(parts) > 2 and parts[1] in keys):
            continue
        found.append(
            f"submitted/{'/'.join(parts)}: is not in submitted/STUDENT/UNIT/ and is not graded."
        )
    return found


@dataclass(frozen=True)
class Absent:
    """Who is on the roster and has handed in nothing.

    Attributes:
        enrolled: how many are on the roster; 0 where none is known.
        students: those who have handed in nothing, in the order of their ids.
    """

    enrolled: int
    students: tuple[Student, ...]

    def line(self) -> str:
        """Return who is absent in one line, or nothing if nobody is."""
        if not self.students:
            return ""
        names = [called(student.student, one_line(student.full_name)) for student in self.students]
        more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
        have = "has" if len(names) == 1 else "have"
        return (
            f"{len(names)} of {self.enrolled} on the roster {have} handed in nothing: "
            f"{', '.join(names[:FEW])}{more}."
        )


def absent(klass: ClassFolder, unit: Unit) -> Absent:
    """Return who on the rosters that were collected with has handed in nothing of a unit."""
    register = Register(read_students(klass))
    rosters = (_kept_roster(klass, unit, platform) for platform in ("canvas", "moodle"))
    told = [told for roster in rosters if roster for _, told, _ in roster.people()]
    enrolled = {student.student: student for each in told if (student := register.find(each))}
    missing = sorted(enrolled.keys() - set(klass.students(unit)))
    return Absent(len(enrolled), tuple(enrolled[student] for student in missing))


@dataclass(frozen=True)
class _Person:
    student: Student
    time: datetime.datetime | None


def _people(
    register: Register, roster: Roster | None, zone: datetime.tzinfo | None
) -> dict[str, _Person]:
    """Note everybody in the roster, and return them by their number in the download.

    Raises:
        GraderError: two lines are the same student.
    """
    people: dict[str, _Person] = {}
    seen: set[str] = set()
    for row, told, number in roster.people() if roster else []:
        student = register.note(told)
        if student.student in seen:
            raise GraderError(
                f"The roster has {told.full_name!r} twice (as {student.student}). "
                "Remove one line, or use a roster with addresses or ID numbers."
            )
        seen.add(student.student)
        if number and roster:
            told_time = roster.cell(row, "Last modified (submission)")
            people[number] = _Person(student, _written_time(told_time, zone))
    return people


def _by_student(
    register: Register, people: dict[str, _Person], uploads: Iterable[Upload], platform: str
) -> dict[str, list[Upload]]:
    """Return each student's files.

    Raises:
        GraderError: two users of the platform would be one student.
    """
    users: dict[str, str] = {}
    grouped: dict[str, list[Upload]] = {}
    for upload in uploads:
        if upload.user in people:
            student = people[upload.user].student
        else:
            first, last = split_name(upload.name)
            number = upload.user if platform == "canvas" else ""
            told = Student("", upload.name, first, last, "", number)
            student = register.find(told) or register.note(told)
        other = users.setdefault(student.student, upload.user)
        if other != upload.user:
            raise GraderError(
                f"Two students are called {upload.name!r} ({platform} numbers {other} and "
                f"{upload.user}), and would both be {student.student!r}. Give {platform}'s list "
                "of students with --roster FILE."
            )
        grouped.setdefault(student.student, []).append(upload)
    return grouped


_Place = tuple[str, tuple[int, float], PurePosixPath]
"""Where a notebook is in the download: whose, in which upload, under which name."""


def _place_of(upload: Upload) -> _Place:
    return upload.user, upload.order, upload.entry.path


def _of_other_units(
    klass: ClassFolder, unit: Unit, grouped: dict[str, list[Upload]], sources: Sequence[Path]
) -> dict[_Place, str]:
    """Return which notebooks are another unit's, by their cells or else by their names, and whose.

    Raises:
        UsageError: most are.
    """
    assignments = Assignments(klass, unit)
    named = {notebook_name(other): other.key for other in all_units()}
    found: dict[_Place, str] = {}
    count = 0
    for student, own in grouped.items():
        files = [file for upload in own for file in _notebooks_of(upload, student, Collected(""))]
        count += len(files)
        for upload, entry in files:
            content = b""
            with contextlib.suppress(Refused):  # choosing says so
                content = entry.read(SIZE_LIMIT)
            key = assignments.unit_of(content) or named.get(_own_name(upload.file), unit.key)
            if key != unit.key:
                found[_place_of(upload)] = key
    if 2 * len(found) > count:
        [(key, most)] = Counter(found.values()).most_common(1)
        files_told = shlex.join(str(source) for source in sources)
        raise UsageError(
            f"This looks like the download of {key}: {most} of its {count} notebooks are that "
            f"unit's assignment and not that of {unit.key}. Nothing was collected. "
            f"Type grader collect {key} {files_told} instead, or name the other download."
        )
    return found


def _choose(
    unit: Unit,
    student: str,
    own: list[Upload],
    before: dict[str, Any],
    foreign: dict[_Place, str],
    done: Collected,
) -> tuple[Upload, bytes] | None:
    """Return the newest notebook that is meant for this unit, and say what was left out."""
    name = notebook_name(unit)
    files = [file for upload in own for file in _notebooks_of(upload, student, done)]
    for upload, _ in files:
        key = foreign.get(_place_of(upload))
        if key:
            done.notes.append(f"{student}: {upload.file} is the assignment of {key}; left out.")
    files = [file for file in files if _place_of(file[0]) not in foreign]
    named = [file for file in files if _own_name(file[0].file) == name]
    candidates = sorted(named or files, key=lambda file: file[0].order)
    while candidates:
        upload, entry = candidates.pop()
        if upload.order[0] < before.get("upload", 0):
            done.unchanged.append(student)
            done.notes.append(f"{student}: {upload.file} is older than what is there; left out.")
            return None
        try:
            content = entry.read(SIZE_LIMIT)
        except Refused as error:
            done.notes.append(f"{student}: {upload.file} {error}; left out.")
            continue
        if candidates:
            taken, *left = _told_apart([upload, *(file[0] for file in candidates)])
            done.notes.append(
                f"{student}: of {len(left) + 1} notebooks the newest is taken, {taken}; "
                f"left out: {', '.join(left)}."
            )
        if entry.path.name != name and upload.file != name:
            done.notes.append(f"{student}: {upload.file} is taken as {name}.")
        return upload, content
    if not any(note.startswith(f"{student}: ") for note in done.notes):
        files_told = ", ".join(upload.file for upload in own)
        done.notes.append(f"{student}: handed in no notebook, but {files_told}; nothing to grade.")
    return None


def _told_apart(uploads: Sequence[Upload]) -> list[str]:
    """Return the files' own names, and where these are the same, those of the download."""
    count = Counter(upload.file for upload in uploads)
    return [u.file if count[u.file] == 1 else str(u.entry.path) for u in uploads]


def _notebooks_of(upload: Upload, student: str, done: Collected) -> list[tuple[Upload, Entry]]:
    """Return the notebook that a file is, those in it if it is a zip file, or else nothing."""
    if upload.entry.is_notebook:
        return [(upload, upload.entry)]
    if not upload.entry.is_archive:
        return []
    try:
        inner = expand(upload.entry)
    except Refused as error:
        done.notes.append(f"{student}: {upload.file} {error}; left out.")
        return []
    if not inner:
        done.notes.append(f"{student}: {upload.file} has no notebook in it; left out.")
    entries = [
        replace(entry, path=upload.entry.path / entry.path)
        for entry in sorted(inner, key=lambda entry: entry.time)
    ]
    return [(replace(upload, entry=entry, file=entry.path.name), entry) for entry in entries]


def _own_name(file: str) -> str:
    """Return a file's name without what browsers and platforms append to copies."""
    stem = file.rsplit(".", 1)[0]
    return COPY.sub("", stem).strip() + ".ipynb"


def _facts(upload: Upload, platform: str) -> dict[str, Any]:
    return {
        "from": platform,
        "user": upload.user,
        "file": upload.file,
        "upload": upload.order[0],
        "late": upload.is_late,
    }


def _entry_times(
    uploads: list[Upload], platform: str, zone: datetime.tzinfo | None
) -> dict[tuple[str, tuple[int, float]], datetime.datetime]:
    """Return when files were handed in, as far as the archive tells it.

    Canvas stamps files with the moment of the download, and some versions of Moodle do.
    """
    times = {(u.user, u.order): _aware(u.entry, zone) for u in uploads}
    if platform == "canvas" or len({upload.user for upload in uploads}) < 2:
        return {}
    return times if max(times.values()) - min(times.values()) > ALIKE else {}


def _aware(entry: Entry, zone: datetime.tzinfo | None) -> datetime.datetime:
    return entry.time.replace(tzinfo=UTC) if entry.is_utc else _in_zone(entry.time, zone)


def _in_zone(time: datetime.datetime, zone: datetime.tzinfo | None) -> datetime.datetime:
    """Return a time of the class's zone, or else of this computer's, in UTC."""
    return time.replace(tzinfo=zone).astimezone(UTC)


def _written_time(text: str, zone: datetime.tzinfo | None) -> datetime.datetime | None:
    """Return a time as Moodle writes it, ``Friday, 20 November 2026, 11:58 PM``."""
    for form in WORKSHEET_TIMES:
        with contextlib.suppress(ValueError):
            return _in_zone(datetime.datetime.strptime(text, form), zone)
    return None


def _place(klass: ClassFolder, unit: Unit, submission: Submission, done: Collected) -> None:
    """Write a submission; what is there and differs is kept first."""
    folder = klass.submitted(unit, submission.student)
    path = folder / notebook_name(unit)
    if folder.is_symlink() or path.is_symlink():
        raise GraderError(f"{path} is a link to another place. Remove it and collect again.")
    if path.is_file() and path.read_bytes() == submission.content:
        done.unchanged.append(submission.student)
    elif path.is_file():
        known = read_timestamp(folder)
        if known and submission.time and submission.time < known.replace(tzinfo=UTC):
            done.unchanged.append(submission.student)
            done.notes.append(
                f"{submission.student}: handed in {submission.time:%Y-%m-%d %H:%M} UTC, before "
                f"what is there ({known:%Y-%m-%d %H:%M} UTC); left out."
            )
            return
        _keep_older(klass, unit, submission.student, path)
        done.replaced.append(submission.student)
        (folder / TIMESTAMP).unlink(missing_ok=True)
        write_atomically(path, submission.content)
    else:
        done.new.append(submission.student)
        write_atomically(path, submission.content)
    if submission.time:
        stamp = f"{submission.time:%Y-%m-%d %H:%M:%S} UTC\n".encode()
        write_atomically(folder / TIMESTAMP, stamp)


def _keep_older(klass: ClassFolder, unit: Unit, student: str, path: Path) -> None:
    changed = datetime.datetime.fromtimestamp(path.stat().st_mtime, UTC)
    kept = klass.root / "collected" / "older" / student / unit.key / f"{changed:%Y%m%dT%H%M%S.%fZ}"
    write_atomically(kept / path.name, path.read_bytes())
    stamp = path.parent / TIMESTAMP
    if stamp.is_file():
        write_atomically(kept / TIMESTAMP, stamp.read_bytes())


def roster_path(klass: ClassFolder, unit: Unit, platform: str) -> Path:
    """Where the roster is kept: Moodle's numbers hold for one assignment, Canvas's for all."""
    name = "canvas.csv" if platform == "canvas" else f"{unit.key}-{platform}.csv"
    return klass.root / "collected" / name


def _kept_roster(klass: ClassFolder, unit: Unit, platform: str) -> Roster | None:
    path = roster_path(klass, unit, platform)
    return parse_roster(path.read_bytes(), str(path)) if path.is_file() else None


def _keep_lists(
    klass: ClassFolder, unit: Unit, register: Register, listed: Roster | None, given: Path | None
) -> None:
    write_students(klass, register)
    if given and listed:
        path = roster_path(klass, unit, listed.platform)
        write_atomically(path, given.read_bytes(), mode=0o600)


def _name_in_gradebook(klass: ClassFolder, register: Register) -> None:
    """Give the gradebook's students their names; formgrader shows "None, None" without."""
    with open_gradebook(klass.gradebook_url) as gradebook:
        rows = {str(row.id): row for row in gradebook.students}
        for student in register:
            row = rows.get(student.student)
            if row is None:
                row = Row(id=student.student)
                gradebook.db.add(row)
            for name in ("first_name", "last_name", "email"):
                if getattr(student, name) and getattr(row, name) != getattr(student, name):
                    setattr(row, name, getattr(student, name))
        gradebook.db.commit()


_NO_TIMES = {
    "canvas": (
        "Canvas's download does not tell when files were handed in, only who is late. Where the "
        "time matters, write it into submitted/STUDENT/UNIT/timestamp.txt, as "
        "2026-11-20 22:59:00 UTC."
    ),
    "moodle": (
        "The download does not tell when all files were handed in. Moodle's grading worksheet "
        "does: give it with --roster FILE."
    ),
}
