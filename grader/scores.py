"""Reading the points off a graded cell's outputs: a number between 0 and all, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from course.checking import MIME

_NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Score:
    """The points of one graded cell; None where a person has to give them."""

    points: float | None
    max_points: float
    note: str = ""


def read_score(cell: NotebookNode, released: NotebookNode) -> Score:
    """Return the score of a graded cell.

    A test cell earns what its last line says, a bare number from 0 to all of its points. It earns
    nothing if it failed, says nothing, or says anything else. Free text waits for a person, but
    for an answer that was left as released.
    """
    told = released.metadata.nbgrader
    most = float(told.points)
    if told.solution:
        untouched = cell.source.strip() == released.source.strip()
        return Score(0.0 if untouched else None, most)
    if any(output.output_type == "error" for output in cell.outputs):
        return Score(0.0, most)
    results = [o.data.get("text/plain", "") for o in cell.outputs if o.output_type == _RESULT]
    if len(results) != 1:
        return Score(0.0, most, f"The cell {told.grade_id} did not end in a number of points.")
    text = str(results[0]).strip()
    points = float(text) if _NUMBER.fullmatch(text) else -1.0
    if not 0.0 <= points <= most:
        return Score(
            0.0,
            most,
            f"The cell {told.grade_id} ended in {text!r:.30}, not in 0 to {most:g} points.",
        )
    return Score(points, most)


def read_verdict(cell: NotebookNode) -> dict[str, Any] | None:
    """Return the verdict that a test cell has shown, if it is in order."""
    for output in cell.get("outputs", []):
        verdict = output.get("data", {}).get(MIME)
        if isinstance(verdict, Mapping) and _in_order(verdict):
            return dict(verdict)
    return None


def _in_order(verdict: Mapping[str, Any]) -> bool:
    mistake = verdict.get("mistake")
    parts = verdict.get("parts")
    return (
        isinstance(verdict.get("exercise"), str)
        and isinstance(verdict.get("status"), str)
        and isinstance(parts, list)
        and all(isinstance(p, Mapping) and {"name", "earned"} <= p.keys() for p in parts)
        and (
            mistake is None
            or (isinstance(mistake, Mapping) and {"name", "sentence"} <= mistake.keys())
        )
    )


_RESULT = "execute_result"
