"""A unit's known mistakes as a table for the lesson."""

from __future__ import annotations

from dataclasses import dataclass

from course.checking.exercise import Unit
from course.checking.show import render


@dataclass(frozen=True)
class MistakeTable:
    """The mistakes that a unit's checks can name, shown as HTML in a notebook or as text."""

    unit: Unit

    def __str__(self) -> str:
        return render("mistakes.txt", unit=self.unit)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return render("mistakes.html", unit=self.unit)
