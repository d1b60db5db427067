"""One submission from bytes to a graded notebook and scores: pure, and the same anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from grader.execute import Settings, run_notebook
from grader.files import as_bytes
from grader.problems import Problem, Unreadable
from grader.rebuild import rebuild
from grader.scores import Score, read_score, read_verdict

METADATA_KEY = "grader"
"""Where a graded notebook keeps what the gradebook has no place for."""


@dataclass(frozen=True)
class Graded:
    """What grading a submission gives.

    Attributes:
        notebook: the graded notebook as a file's content.
        scores: by the ``grade_id`` of each graded cell.
        verdicts: by the ``grade_id`` of each test cell that showed one, as plain data.
        problems: what was not in order.
    """

    notebook: bytes
    scores: dict[str, Score]
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def grade_submission(submission: bytes, release: bytes, settings: Settings) -> Graded:
    """Grade one submission.

    Args:
        submission: the notebook that was handed in.
        release: the notebook that students were given.
        settings: the seed and the limits.
    """
    released = read_notebook(release)
    try:
        notebook, problems = rebuild(submission, released)
    except Unreadable as error:
        return zero(release, f"The submission cannot be graded: {error}.")
    problems += run_notebook(notebook, settings)
    scores, verdicts = {}, {}
    cells = graded_cells(notebook)
    for grade_id, original in graded_cells(released).items():
        score = read_score(cells[grade_id], original)
        scores[grade_id] = score
        if score.note:
            problems.append(Problem(score.note))
        verdict = read_verdict(cells[grade_id])
        if verdict:
            verdicts[grade_id] = verdict
    return Graded(_finish(notebook, problems), scores, verdicts, tuple(problems))


def zero(release: bytes, reason: str) -> Graded:
    """Return the grade 0 for what cannot be graded, with the reason in the notebook."""
    released = read_notebook(release)
    problems = [Problem(reason, is_fatal=True)]
    scores = {
        grade_id: Score(0.0, float(cell.metadata.nbgrader.points))
        for grade_id, cell in graded_cells(released).items()
    }
    return Graded(_finish(released, problems), scores, {}, tuple(problems))


def read_notebook(content: bytes) -> NotebookNode:
    """Return the notebook that a file of this program or of nbgrader holds."""
    notebook: NotebookNode = nbformat.reads(content.decode("utf-8"), as_version=4)
    return notebook


def graded_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Return the cells that earn points, by their ``grade_id``."""
    cells = [cell for cell in told_cells(notebook) if cell.metadata.nbgrader.grade]
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells}


def told_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that nbgrader is told something about."""
    return [cell for cell in notebook.cells if "nbgrader" in cell.metadata]


def _finish(notebook: NotebookNode, problems: list[Problem]) -> bytes:
    if problems:
        lines = "\n".join(f"- {problem.text}" for problem in problems)
        cell = new_markdown_cell(f"**About this submission**\n\n{lines}", id="about")
        notebook.cells.insert(0, cell)
    notebook.metadata[METADATA_KEY] = {"problems": [problem.as_dict() for problem in problems]}
    return as_bytes(notebook)
