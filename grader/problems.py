"""What a person is told about a submission that was not simply run and scored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing that was not in order.

    Attributes:
        text: what it was and what was done about it, in a sentence.
        is_fatal: whether the submission could not be graded at all and got 0.
    """

    text: str
    is_fatal: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for a notebook's metadata."""
        return asdict(self)


class Unreadable(Exception):  # noqa: N818 - a submission's fault, not the program's
    """A submission that cannot be read as this assignment's notebook; the text says why."""
