"""The one place that writes grades: nbgrader's gradebook and the graded notebooks beside it.

The gradebook is committed first and the notebook, which carries the mark of what was graded, moved
into its place last. A run that is killed in between has no mark, and grades that submission again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import (
    Assignment,
    BaseCell,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.utils import compute_checksum, is_solution, parse_utc

from course.checking import Unit
from grader.class_folder import ClassFolder, notebook_name
from grader.errors import GraderError
from grader.execute import Settings
from grader.files import as_bytes, write_atomically
from grader.stock import open_gradebook
from grader.work import METADATA_KEY, Graded, graded_cells

TIMESTAMP = "timestamp.txt"


def digest(submission: bytes, release: bytes, settings: Settings) -> str:
    """Return a mark that is the same only for the same work under the same conditions."""
    whole = hashlib.sha256()
    for part in (submission, release, repr(settings).encode()):
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


class Writer:
    """Writes the grades of one unit of a class."""

    def __init__(self, gradebook: Gradebook, klass: ClassFolder, unit: Unit) -> None:
        self._gradebook = gradebook
        self._class = klass
        self._unit = unit
        self._known = self._scores()

    def is_graded(self, student: str, mark: str) -> bool:
        """Tell whether exactly this work has been graded, here and in the gradebook."""
        graded = read_graded(self._class.autograded(self._unit, student))
        if graded is None or student not in self._known:
            return False
        noted = graded.metadata[METADATA_KEY]
        return bool(noted.get("mark") == mark and noted.get("scores") == self._known[student])

    def record(self, student: str, graded: Graded, mark: str) -> None:
        """Write a student's grade over any older one."""
        place = self._class.autograded(self._unit, student)
        notebook = nbformat.reads(graded.notebook.decode("utf-8"), as_version=4)
        before = _read(place)
        stamp = read_timestamp(self._class.submitted(self._unit, student))
        self._gradebook.update_or_create_student(student)
        self._gradebook.update_or_create_submission(self._unit.key, student, timestamp=stamp)
        kept = self._gradebook.find_submission_notebook(
            Path(notebook_name(self._unit)).stem, self._unit.key, student
        )
        self._write_grades(kept, graded, notebook, before)
        self._write_comments(kept, notebook)
        self._gradebook.db.commit()
        scores = {grade_id: score.points for grade_id, score in graded.scores.items()}
        notebook.metadata[METADATA_KEY] |= {"mark": mark, "scores": scores}
        if stamp:
            write_atomically(place.parent / TIMESTAMP, f"{stamp} UTC\n".encode())
        write_atomically(place, as_bytes(notebook))
        self._known[student] = scores

    def _scores(self) -> dict[str, dict[str, float | None]]:
        """Return the scores in the gradebook, by student and graded cell."""
        rows = (
            self._gradebook.db.query(
                SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score
            )
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .join(BaseCell, BaseCell.id == Grade.cell_id)
            .filter(Assignment.name == self._unit.key)
        )
        scores: dict[str, dict[str, float | None]] = {}
        for student, name, points in rows:
            scores.setdefault(student, {})[name] = points
        return scores

    def _write_grades(
        self,
        kept: SubmittedNotebook,
        graded: Graded,
        notebook: NotebookNode,
        before: NotebookNode | None,
    ) -> None:
        """Write the scores; points given by hand stay only with the answer they were given for."""
        answers, earlier = _answers(notebook), _answers(before) if before else {}
        for grade in kept.grades:
            grade.auto_score = graded.scores[grade.name].points
            if before and answers[grade.name] != earlier.get(grade.name):
                grade.manual_score = grade.extra_credit = None
            unseen = grade.manual_score is None and grade.auto_score is None
            unsure = grade.manual_score is not None and not before
            grade.needs_manual_grade = unseen or unsure

    def _write_comments(self, kept: SubmittedNotebook, notebook: NotebookNode) -> None:
        told = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if is_solution(c)}
        for comment in kept.comments:
            cell = told[comment.name]
            untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
            comment.auto_comment = "No response." if untouched else None


@contextmanager
def open_writer(klass: ClassFolder, unit: Unit) -> Iterator[Writer]:
    """Open the gradebook of a class to write a unit's grades."""
    with open_gradebook(klass.gradebook_url) as gradebook:
        try:
            gradebook.find_assignment(unit.key)
        except MissingEntry:
            raise GraderError(
                f"The gradebook of {klass.root} does not know {unit.key}. "
                f"Run grader release {unit.key} again."
            ) from None
        yield Writer(gradebook, klass, unit)


def read_graded(place: Path) -> NotebookNode | None:
    """Return a graded notebook, or None if there is none that this program has written whole."""
    notebook = _read(place)
    return notebook if notebook and METADATA_KEY in notebook.metadata else None


def read_timestamp(folder: Path) -> datetime.datetime | None:
    """Return when a submission was handed in, in UTC, if it says so legibly."""
    try:
        stamp: datetime.datetime | None = parse_utc((folder / TIMESTAMP).read_text().strip())
    except (OSError, ValueError, OverflowError):
        return None
    return stamp


def _read(place: Path) -> NotebookNode | None:
    try:
        notebook: NotebookNode = nbformat.reads(place.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError):
        return None
    return notebook


def _answers(notebook: NotebookNode) -> dict[str, str]:
    """Return, for each graded cell, the text that a grading by hand looked at."""
    cells = graded_cells(notebook)
    code = json.dumps([cell.source for cell in notebook.cells if cell.cell_type == "code"])
    return {
        grade_id: cell.source if cell.cell_type == "markdown" else code
        for grade_id, cell in cells.items()
    }
