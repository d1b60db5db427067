"""``grader grade``: from what was handed in to grades in the gradebook."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder, notebook_name
from grader.cluster import run_on_cluster
from grader.errors import GraderError, UsageError
from grader.execute import Settings
from grader.lock import only_one
from grader.pool import Task, Workers
from grader.request import Request, Summary
from grader.sealed import Mode, examine
from grader.work import grade_submission

if TYPE_CHECKING:
    from grader.run import Engine

ID_LIMIT = 128
"""Characters of a student's id that the gradebook has room for."""


def grade(
    klass: ClassFolder,
    units: list[Unit],
    console: Console,
    *,
    jobs: int | None = None,
    force: bool = False,
    exercises: Sequence[str] = (),
    students: Sequence[str] = (),
    sandbox: Mode | None = None,
    cluster: str | None = None,
    db: str | None = None,
) -> list[Summary]:
    """Grade submissions of some units; what is graded already is kept.

    A run may be stopped or killed at any moment: the same command goes on where it ended.

    Args:
        klass: the class.
        units: which units; each must have been released.
        console: where the progress is shown.
        jobs: how many submissions at once on this machine; all cores if not given.
        force: grade again what is graded already.
        exercises: grade again only these, and leave the points of the others as they are. What
            was not graded before is graded whole.
        students: whose submissions; all if none is named.
        sandbox: ``require``, ``best`` or ``off``; if not given, the default of `Settings`.
        cluster: the address of a dask scheduler, to grade there.
        db: the address of the gradebook's database, instead of the class's own.

    Raises:
        GraderError: a unit is not released, nothing was handed in, another run is at work on this
            class, or the machine cannot go on.
        UsageError: there is no such exercise or student.
    """
    klass = replace(klass, db=db) if db else klass
    asked = Request(jobs, force, tuple(exercises), tuple(students), sandbox, cluster)
    for unit in units:
        klass.require_release(unit)
        if not klass.students(unit):
            raise GraderError(
                f"Nobody has handed in {unit.key}: there is no submitted/STUDENT/{unit.key}/ "
                f"in {klass.root}. Put each student's {notebook_name(unit)} there."
            )
    _require_known(klass, units, asked)
    with only_one(klass.root), _engine(klass, units, asked, console) as (engine, asked):
        # nbgrader takes half a second to import: the workers get ready meanwhile.
        from grader.run import Run

        return [Run(klass, unit, asked, engine).grade(console) for unit in units]


@contextmanager
def _engine(
    klass: ClassFolder, units: list[Unit], asked: Request, console: Console
) -> Iterator[tuple[Engine, Request]]:
    """Start what does the work, and yield what hands it over, and the request with what it found.

    Each step begins what takes long in other processes before it does its own. Where all seem to
    be graded nothing is begun: a worker starts all the same with the first new submission.
    """
    if asked.cluster:  # its workers look at their own machines
        yield functools.partial(run_on_cluster, address=asked.cluster), asked
        return
    chosen = [(unit, student) for unit in units for student in asked.chosen(klass, unit)]
    again = asked.force or bool(asked.exercises)
    is_new = again or any(not klass.autograded(*one).exists() for one in chosen)
    with Workers(min(asked.jobs or os.cpu_count() or 1, max(1, len(chosen)))) as workers:
        if is_new:
            workers.get_ready(Task("imports", import_module, ("grader.work",)))
        asked = replace(asked, protection=examine(asked.sandbox or Settings.sandbox))
        for line in asked.protection.missing if asked.protection else ():
            console.print(line, style="yellow")
        if is_new:
            # A release is a submission like others: what grading one needs is warm after it.
            release = klass.require_release(units[0])
            settings = asked.settings(klass)
            workers.get_ready(Task("release", grade_submission, (release, release, settings)))
        yield workers.run, asked


def _require_known(klass: ClassFolder, units: list[Unit], asked: Request) -> None:
    known = {exercise.name for unit in units for exercise in unit.exercises}
    keys = ", ".join(unit.key for unit in units)
    for name in asked.exercises:
        if name not in known:
            raise UsageError(f"{keys} has no exercise {name}. It has {', '.join(sorted(known))}.")
    present = {student for unit in units for student in klass.students(unit)}
    for student in asked.students:
        if student not in present:
            raise UsageError(f"{student} has not handed in {keys}: see {klass.root / 'submitted'}.")
    for student in sorted(present):
        shown = student.encode(errors="replace").decode()
        if len(student) > ID_LIMIT or shown != student:
            raise GraderError(
                f"The gradebook cannot hold the student {shown[:ID_LIMIT]}: an id has up to "
                f"{ID_LIMIT} characters, in UTF-8. Rename the folder in {klass.root / 'submitted'}."
            )
