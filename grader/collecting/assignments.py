"""Whose assignment a notebook is, whatever its file is called: told by its answer cells."""

from __future__ import annotations

import contextlib

from course.checking import Unit
from course.exercises import units
from grader.class_folder import ClassFolder
from grader.problems import Unreadable
from grader.rebuild import exercise_names, read_cells
from grader.work import read_notebook


class Assignments:
    """The names of all units' answer and test cells; no two units share one."""

    def __init__(self, klass: ClassFolder, unit: Unit) -> None:
        self._unit = unit.key
        self._names = {other.key: _names(klass, other) for other in units()}

    def unit_of(self, content: bytes) -> str | None:
        """Return the key of the unit that a notebook is of, or None where no cell tells it.

        One that holds any cell of the unit that is being collected is that unit's.
        """
        names: set[str] = set()
        with contextlib.suppress(Unreadable):  # grading says so
            names = {name for cell in read_cells(content) for name in cell.names}
        counts = {key: len(names & own) for key, own in self._names.items()}
        if counts[self._unit]:
            return self._unit
        most = max(counts, key=lambda key: counts[key])
        return most if counts[most] else None


def _names(klass: ClassFolder, unit: Unit) -> set[str]:
    """Return the names in a unit's release or, before there is one, in the course."""
    released = klass.release(unit)
    path = released if released.is_file() else klass.course / unit.assignment
    return exercise_names(read_notebook(path.read_bytes())) if path.is_file() else set()
