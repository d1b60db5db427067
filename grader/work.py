"""One submission from bytes to a graded notebook and scores: pure, and the same anywhere."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from grader.clean import clean_notebook
from grader.execute import Settings, checked_exercise, run_notebook
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
        seconds: how long it took.
    """

    notebook: bytes
    scores: dict[str, Score]
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0


def grade_submission(
    submission: bytes,
    release: bytes,
    settings: Settings,
    only: Collection[str] = (),
    earlier: bytes | None = None,
) -> Graded:
    """Grade one submission.

    Args:
        submission: the notebook that was handed in.
        release: the notebook that students were given.
        settings: the seed and the limits.
        only: the exercises to judge again; all of them if none is named.
        earlier: the notebook graded before, from which the other exercises' verdicts are kept.
    """
    start = time.perf_counter()
    released = _read_release(release)
    try:
        notebook, problems = rebuild(submission, released)
    except Unreadable as error:
        return zero(release, f"The submission cannot be graded: {error}.")
    found = run_notebook(notebook, settings, only)
    problems += found.problems
    verdicts = {grade_id: verdict.as_dict() for grade_id, verdict in found.verdicts.items()}
    if only and earlier:
        verdicts |= _keep_verdicts(notebook, read_notebook(earlier), verdicts)
    scores = {}
    cells = graded_cells(notebook)
    for grade_id, original in graded_cells(released).items():
        score = read_score(cells[grade_id], original)
        scores[grade_id] = score
        if score.note:
            problems.append(Problem(score.note))
    seconds = time.perf_counter() - start
    return Graded(
        _finish(notebook, problems, _texts(released)), scores, verdicts, tuple(problems), seconds
    )


def _keep_verdicts(
    notebook: NotebookNode, earlier: NotebookNode, again: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Take over what an earlier grading found on the exercises that were not judged again."""
    before = graded_cells(earlier)
    kept = {}
    for grade_id, cell in graded_cells(notebook).items():
        if checked_exercise(cell) and grade_id in before and grade_id not in again:
            cell.outputs = before[grade_id].outputs
            verdict = read_verdict(cell)
            if verdict:
                kept[grade_id] = verdict
    return kept


def zero(release: bytes, reason: str) -> Graded:
    """Return the grade 0 for what cannot be graded, with the reason in the notebook."""
    released = read_notebook(release)
    problems = [Problem(reason, is_fatal=True)]
    scores = {
        grade_id: Score(0.0, float(cell.metadata.nbgrader.points))
        for grade_id, cell in graded_cells(released).items()
    }
    return Graded(_finish(released, problems, _texts(released)), scores, {}, tuple(problems))


def read_notebook(content: bytes) -> NotebookNode:
    """Return the notebook that a file of this program or of nbgrader holds."""
    notebook: NotebookNode = nbformat.reads(content.decode("utf-8"), as_version=4)
    return notebook


@functools.lru_cache(maxsize=4)
def _read_release(content: bytes) -> NotebookNode:
    """Return a release, the same for all its submissions: it must not be changed."""
    return read_notebook(content)


def graded_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Return the cells that earn points, by their ``grade_id``."""
    cells = [cell for cell in told_cells(notebook) if cell.metadata.nbgrader.grade]
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells}


def told_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that nbgrader is told something about."""
    return [cell for cell in notebook.cells if "nbgrader" in cell.metadata]


def unsealed_cells(notebook: NotebookNode) -> list[str]:
    """Return the graded cells whose points student code could forge: they run in its process."""
    return [
        grade_id
        for grade_id, cell in graded_cells(notebook).items()
        if cell.cell_type == "code"
        and not cell.metadata.nbgrader.solution
        and checked_exercise(cell) is None
    ]


def _texts(released: NotebookNode) -> frozenset[str]:
    return frozenset(cell.source for cell in released.cells if cell.cell_type == "markdown")


def _finish(notebook: NotebookNode, problems: list[Problem], released: frozenset[str]) -> bytes:
    """Return the notebook as a file, in which nothing that the student wrote can act."""
    if problems:
        lines = "\n".join(f"- {problem.text}" for problem in problems)
        cell = new_markdown_cell(f"**About this submission**\n\n{lines}", id="about")
        notebook.cells.insert(0, cell)
    clean_notebook(notebook, released)
    notebook.metadata[METADATA_KEY] = {
        "problems": [problem.as_dict() for problem in problems],
        "not_tamper_resistant": unsealed_cells(notebook),
    }
    return json.dumps(notebook, ensure_ascii=False, sort_keys=True).encode()
