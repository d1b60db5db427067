"""What a grading run is asked to do, and what it says that it has done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.execute import Settings
from grader.sealed import Mode, Protection


@dataclass(frozen=True)
class Request:
    """What the user asked for; see `grader.grade.grade`.

    Attributes:
        protection: what was found to protect this machine; None where others grade.
    """

    jobs: int | None = None
    force: bool = False
    exercises: tuple[str, ...] = ()
    students: tuple[str, ...] = ()
    sandbox: Mode | None = None
    cluster: str | None = None
    protection: Protection | None = None

    def settings(self, klass: ClassFolder) -> Settings:
        """Return what a worker needs to know besides the notebooks."""
        settings = Settings(klass.seed, klass.cell_timeout, protection=self.protection)
        return replace(settings, sandbox=self.sandbox) if self.sandbox else settings

    def chosen(self, klass: ClassFolder, unit: Unit) -> list[str]:
        """Return the students whose work is asked for."""
        return [s for s in klass.students(unit) if not self.students or s in self.students]


@dataclass(frozen=True)
class Summary:
    """What a run did to a unit.

    Attributes:
        unit: the unit.
        graded: how many submissions were graded.
        kept: how many had been graded before.
        lost: whose submissions could not be graded through no fault of theirs, and why; the next
            run tries them again.
    """

    unit: Unit
    graded: int
    kept: int
    lost: Mapping[str, str] = field(default_factory=dict)
