"""What a class achieved in a unit: from the gradebook and the graded notebooks, for all to show."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry, SubmittedNotebook
from sqlalchemy.orm import selectinload

from course.checking import Unit
from grader.class_folder import ClassFolder, notebook_name
from grader.collecting.rosters import called, read_names
from grader.errors import GraderError
from grader.problems import Problem
from grader.scores import read_verdict
from grader.stock import open_gradebook
from grader.work import METADATA_KEY, graded_cells, read_notebook


@dataclass(frozen=True)
class Question:
    """A graded cell: its name, and the points it can earn."""

    grade_id: str
    title: str
    max_points: float


@dataclass(frozen=True)
class Result:
    """What one student achieved.

    Attributes:
        student: the student's id.
        points: by the question's ``grade_id``; None where a person has still to grade.
        verdicts: what the checks said, as plain data, by ``grade_id``.
        problems: what was not in order with the submission.
        penalty: the points that lateness costs.
        late_by: how long after the due date it was handed in.
        comments: what a person wrote about an answer, by the answer's ``grade_id``.
        seconds: how long grading took, if that was noted.
        not_tamper_resistant: the ``grade_id`` of the cells whose points the student's own program
            could have forged.
        name: the student's name; empty where the class knows none.
    """

    student: str
    points: dict[str, float | None]
    verdicts: dict[str, dict[str, Any]]
    problems: tuple[Problem, ...]
    penalty: float = 0.0
    late_by: datetime.timedelta = datetime.timedelta()
    comments: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    not_tamper_resistant: tuple[str, ...] = ()
    name: str = ""

    @property
    def called(self) -> str:
        """The student's name and id, or the id alone."""
        return called(self.student, self.name)

    @property
    def total(self) -> float:
        """The points so far, before what lateness costs."""
        return sum(points or 0.0 for points in self.points.values())

    @property
    def final(self) -> float:
        """The points so far, less what lateness costs."""
        return max(0.0, self.total - self.penalty)

    @property
    def status(self) -> str:
        """The state of the grading in a few words."""
        if any(problem.is_fatal for problem in self.problems):
            return "not gradable"
        if None in self.points.values():
            return "hand grading"
        return "graded"


@dataclass(frozen=True)
class NamedCount:
    """A named mistake and how many students made it."""

    exercise: str
    name: str
    sentence: str
    count: int


@dataclass(frozen=True)
class Results:
    """What a class achieved in a unit."""

    unit: Unit
    questions: tuple[Question, ...]
    students: tuple[Result, ...]

    @property
    def max_points(self) -> float:
        """All points of the unit."""
        return sum(question.max_points for question in self.questions)

    @property
    def not_tamper_resistant(self) -> tuple[Question, ...]:
        """The questions whose points a student's own program could have forged."""
        named = {name for result in self.students for name in result.not_tamper_resistant}
        return tuple(question for question in self.questions if question.grade_id in named)

    def common_mistakes(self) -> list[NamedCount]:
        """Return the named mistakes, the most frequent first."""
        made = Counter(
            (str(v["exercise"]), str(v["mistake"]["name"]), str(v["mistake"]["sentence"]))
            for result in self.students
            for v in result.verdicts.values()
            if v.get("mistake")
        )
        ordered = sorted(made.items(), key=lambda entry: (-entry[1], entry[0]))
        return [NamedCount(*mistake, count) for mistake, count in ordered]


def read_results(klass: ClassFolder, unit: Unit) -> Results:
    """Collect a unit's results.

    Raises:
        GraderError: nothing has been graded yet.
    """
    name = Path(notebook_name(unit)).stem
    with open_gradebook(klass.gradebook_url) as gradebook:
        name = Path(notebook_name(unit)).stem
        try:
            notebook = gradebook.find_notebook(name, unit.key)
        except MissingEntry:
            raise nothing_graded(unit) from None
        released = graded_cells(read_notebook(klass.require_release(unit)))
        points = {cell.name: float(cell.max_score) for cell in notebook.grade_cells}
        questions = tuple(
            Question(grade_id, grade_id.removeprefix("test_").replace("_", " "), points[grade_id])
            for grade_id in released
        )
        submissions = _submissions(gradebook, str(notebook.id))
        names = read_names(klass)
        students = tuple(_result(klass, unit, s, questions, names) for s in submissions)
    if not students:
        raise nothing_graded(unit)
    return Results(unit, questions, students)


def _submissions(gradebook: Gradebook, notebook: str) -> list[SubmittedNotebook]:
    """Return what was handed in, by student, with all its rows read at once."""
    rows = (
        gradebook.db.query(SubmittedNotebook)
        .filter(SubmittedNotebook.notebook_id == notebook)
        .options(
            selectinload(SubmittedNotebook.grades),
            selectinload(SubmittedNotebook.comments),
            selectinload(SubmittedNotebook.assignment),
        )
    )
    return sorted(rows, key=lambda row: str(row.assignment.student_id))


def _result(
    klass: ClassFolder,
    unit: Unit,
    submission: SubmittedNotebook,
    questions: tuple[Question, ...],
    names: dict[str, str],
) -> Result:
    student = str(submission.assignment.student_id)
    points = {
        grade.name: None if grade.needs_manual_grade else float(grade.score)
        for grade in submission.grades
    }
    graded = _read(klass.autograded(unit, student))
    noted: dict[str, Any] = graded.metadata[METADATA_KEY] if graded else {"problems": [_MISSING]}
    cells = graded_cells(graded) if graded else {}
    shown = {grade_id: read_verdict(cell) for grade_id, cell in cells.items()}
    return Result(
        student,
        {question.grade_id: points[question.grade_id] for question in questions},
        {grade_id: verdict for grade_id, verdict in shown.items() if verdict},
        tuple(Problem(**problem) for problem in noted["problems"]),
        penalty=float(submission.late_submission_penalty or 0.0),
        late_by=datetime.timedelta(seconds=submission.assignment.total_seconds_late),
        comments={c.name: str(c.comment) for c in submission.comments if c.comment},
        seconds=noted.get("seconds"),
        not_tamper_resistant=tuple(noted.get("not_tamper_resistant", ())),
        name=names.get(student, ""),
    )


_MISSING = {"text": "Its graded notebook is missing or not from grader grade: grade again."}


def _read(place: Path) -> NotebookNode | None:
    """Return a graded notebook; without nbformat's own reading, which takes ten times as long."""
    try:
        notebook: NotebookNode = nbformat.from_dict(json.loads(place.read_bytes()))
    except (OSError, ValueError):
        return None
    return notebook if METADATA_KEY in notebook.metadata else None


def nothing_graded(unit: Unit) -> GraderError:
    """Return the error that says what to do first."""
    return GraderError(f"Nothing of {unit.key} is graded yet. Run grader grade {unit.key} first.")
