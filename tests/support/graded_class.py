"""A graded class made without running anything: what the engine would have written."""

import datetime

import numpy as np
from nbformat.v4 import new_output

from course.checking import MIME
from course.checking.verdict import Failure, NamedMistake, PartResult, Verdict
from grader.files import as_bytes
from grader.gradebook import Entry, open_writer
from grader.problems import Problem
from grader.stock import open_gradebook
from grader.work import METADATA_KEY, Graded, Score, graded_cells, read_notebook

DUE = datetime.datetime(2026, 3, 2, 12)


def verdict_of(exercise, mistake=None, *, crashed=False):
    """The verdict on a right answer, on one with a mistake, or on one that crashed."""
    wrong = mistake is not None or crashed
    parts = tuple(
        PartResult(part.name, part.title, part.points, not wrong, not wrong or part == first)
        for first in exercise.parts[:1]
        for part in exercise.parts
    )
    if crashed:
        failure = Failure("crashed", "one step", "", "ZeroDivisionError: division by zero")
        return Verdict(exercise.name, "crashed", parts, failure)
    if mistake:
        failure = Failure("wrong_value", "two steps", "theta after step 2", "it is off by 0.1")
        named = NamedMistake(mistake.name, mistake.sentence)
        return Verdict(exercise.name, "wrong_value", parts, failure, named)
    return Verdict(exercise.name, "right", parts)


def graded(
    release, unit, verdicts, *, answers=None, outputs=None, problems=(), seconds=1.0, **noted
):
    """What grading gives for these verdicts (by exercise), answers and outputs (by cell)."""
    notebook = read_notebook(release)
    for cell in notebook.cells:
        cell.source = (answers or {}).get(cell.id, cell.source)
        if cell.cell_type == "code":
            cell.outputs = list((outputs or {}).get(cell.id, []))
    scores = {}
    for grade_id, cell in graded_cells(notebook).items():
        most = float(cell.metadata.nbgrader.points)
        verdict = verdicts.get(grade_id.removeprefix("test_"))
        points = verdict.points if verdict else 0.0
        scores[grade_id] = Score(None if cell.metadata.nbgrader.solution else points, most)
        if verdict:
            cell.outputs = [
                new_output("display_data", data={"text/plain": "", MIME: verdict.as_dict()}),
                new_output("execute_result", data={"text/plain": repr(points)}, execution_count=1),
            ]
    problems = tuple(Problem(text) for text in problems)
    noted = {"problems": [problem.as_dict() for problem in problems], **noted}
    notebook.metadata[METADATA_KEY] = noted
    return Graded(as_bytes(notebook), scores, {}, problems, seconds)


def record(klass, unit, made):
    """Write what grading gave, by student, as the grader does."""
    with open_writer(klass, unit) as writer:
        writer.record([Entry(student, result, "mark") for student, result in made.items()])


def record_many(klass, unit, size, seed=0):
    """Write a class of this size in which everything happens now and then."""
    rng = np.random.default_rng(seed)
    release = klass.require_release(unit)
    made = {}
    for number in range(size):
        verdicts = {}
        skill = rng.beta(3, 2)
        for exercise in unit.exercises:
            if rng.random() < 0.03:
                continue
            mistake = None
            if rng.random() > skill:
                mistake = exercise.mistakes[int(len(exercise.mistakes) * rng.random() ** 3)]
            verdicts[exercise.name] = verdict_of(exercise, mistake, crashed=rng.random() < 0.05)
        problems = ["The cell test_adamw was missing; it stands as it was released."]
        answers = {"in_your_own_words": f"Because of {number}: $m_t < v_t$."}
        made[f"student-{number:04}"] = graded(
            release,
            unit,
            verdicts,
            answers=answers,
            problems=problems[: int(rng.random() < 0.08)],
            seconds=float(rng.gamma(4, 0.5)),
        )
    record(klass, unit, made)


def hand_in_late(klass, unit, student, hours, penalty):
    """Have a student hand in after the due date, and let it cost points."""
    with open_gradebook(klass.gradebook_url) as book:
        book.find_assignment(unit.key).duedate = DUE
        submission = book.find_submission(unit.key, student)
        submission.timestamp = DUE + datetime.timedelta(hours=hours)
        submission.notebooks[0].late_submission_penalty = penalty
        book.db.commit()


def give_by_hand(klass, unit, student, name, points):
    """Give points in formgrader's way."""
    with open_gradebook(klass.gradebook_url) as book:
        notebook = unit.assignment.rsplit("/", 1)[1].removesuffix(".ipynb")
        grade = book.find_grade(name, notebook, unit.key, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()


def comment_on(klass, unit, student, name, text):
    """Write a comment in formgrader's way."""
    with open_gradebook(klass.gradebook_url) as book:
        notebook = unit.assignment.rsplit("/", 1)[1].removesuffix(".ipynb")
        book.find_comment(name, notebook, unit.key, student).manual_comment = text
        book.db.commit()
