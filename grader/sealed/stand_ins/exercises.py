"""`check` while a submission is graded: the grader checks from outside, so this says just that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_TEXT = "While grading, the answers are checked from outside; see the verdicts below the exercises."


class Elsewhere:
    """A verdict that is given elsewhere."""

    points = 0.0
    max_points = 0.0
    status = "elsewhere"

    def award(self) -> float:
        """Return no points: they are not given here."""
        return self.points

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {"status": self.status, "points": self.points, "max_points": self.max_points}

    def __repr__(self) -> str:
        return _TEXT


def check(function: Callable[..., Any], exercise: str | None = None) -> Elsewhere:
    """Say that checks are made elsewhere."""
    return Elsewhere()
