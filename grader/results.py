"""What a class achieved in a unit: from the gradebook and the graded notebooks, for all to show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry, SubmittedNotebook

from course.checking import Unit
from grader.class_folder import ClassFolder, notebook_name
from grader.errors import GraderError
from grader.gradebook import read_graded
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
    """

    student: str
    points: dict[str, float | None]
    verdicts: dict[str, dict[str, Any]]
    problems: tuple[Problem, ...]

    @property
    def total(self) -> float:
        """The points so far."""
        return sum(points or 0.0 for points in self.points.values())

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
        students = tuple(
            _result(klass, unit, submission, questions)
            for submission in sorted(notebook.submissions, key=lambda s: str(s.student.id))
        )
    if not students:
        raise nothing_graded(unit)
    return Results(unit, questions, students)


def _result(
    klass: ClassFolder, unit: Unit, submission: SubmittedNotebook, questions: tuple[Question, ...]
) -> Result:
    student = str(submission.student.id)
    points = {
        grade.name: None if grade.needs_manual_grade else float(grade.score)
        for grade in submission.grades
    }
    graded = read_graded(klass.autograded(unit, student))
    if graded is None:
        text = "Its graded notebook is missing or not from grader grade: grade again."
        problems, verdicts = [Problem(text)], {}
    else:
        written = graded.metadata[METADATA_KEY]["problems"]
        problems = [Problem(**problem) for problem in written]
        shown = {grade_id: read_verdict(cell) for grade_id, cell in graded_cells(graded).items()}
        verdicts = {grade_id: verdict for grade_id, verdict in shown.items() if verdict}
    in_order = {question.grade_id: points[question.grade_id] for question in questions}
    return Result(student, in_order, verdicts, tuple(problems))


def nothing_graded(unit: Unit) -> GraderError:
    """Return the error that says what to do first."""
    return GraderError(f"Nothing of {unit.key} is graded yet. Run grader grade {unit.key} first.")
