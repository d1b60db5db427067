"""A verdict: what a check found, as data that shows itself as HTML, text or JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from course.checking.show import as_html, as_text

MIME = "application/vnd.training-course.verdict+json"

Status = Literal[
    "not_attempted",
    "not_allowed",
    "crashed",
    "deadlock",
    "wrong_type",
    "changed_inputs",
    "wrong_value",
    "partly_right",
    "right",
]


@dataclass(frozen=True)
class PartResult:
    """One part of the exercise, whether it was earned, and whether it could be judged at all."""

    name: str
    title: str
    points: float
    earned: bool
    judged: bool


@dataclass(frozen=True)
class Failure:
    """The first case that went wrong.

    Attributes:
        kind: "crashed", "deadlock", "wrong_type" or "wrong_value".
        case: the case's title.
        what: what was looked at, such as "theta after step 2".
        text: the facts in a sentence, or the student's own lines of the traceback.
        inputs, expected, got: the values in short; empty when a grading run keeps them back.
    """

    kind: Status
    case: str
    what: str
    text: str
    inputs: dict[str, str] = field(default_factory=dict)
    expected: str = ""
    got: str = ""


@dataclass(frozen=True)
class NamedMistake:
    """A known mistake that the answer matches, with the teacher's sentence."""

    name: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What a check found out about one answer.

    In a notebook it shows itself; ``print(verdict)`` gives text, ``verdict.as_dict()`` plain data.
    """

    exercise: str
    status: Status
    parts: tuple[PartResult, ...]
    failure: Failure | None = None
    mistake: NamedMistake | None = None
    notes: tuple[str, ...] = ()

    @property
    def points(self) -> float:
        """The points earned."""
        return sum(part.points for part in self.parts if part.earned)

    @property
    def max_points(self) -> float:
        """The points that could be earned."""
        return sum(part.points for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data, ready for JSON."""
        return {
            "points": self.points,
            "max_points": self.max_points,
            "exercise": self.exercise,
            "status": self.status,
            "parts": [dict(vars(part)) for part in self.parts],
            "failure": vars(self.failure) | {"inputs": dict(self.failure.inputs)}
            if self.failure
            else None,
            "mistake": dict(vars(self.mistake)) if self.mistake else None,
            "notes": list(self.notes),
        }

    def award(self) -> float:
        """Show the verdict and return the points: the last line of a graded cell.

        The cell then ends in a bare number, from which stock nbgrader reads the points too. It
        does not fail where nothing is earned, so that "Run all cells" goes on.
        """
        from IPython.display import display

        display(self)
        return float(self.points)

    def __str__(self) -> str:
        return as_text(self.as_dict())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        data = self.as_dict()
        return {"text/plain": as_text(data), "text/html": as_html(data), MIME: data}
