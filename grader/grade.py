"""``grader grade``: from what was handed in to grades in the gradebook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder, notebook_name
from grader.errors import GraderError
from grader.execute import Settings
from grader.gradebook import Writer, digest, open_writer
from grader.pool import Lost, Task, run_all
from grader.problems import Unreadable
from grader.progress import progress
from grader.rebuild import SIZE_LIMIT
from grader.work import Graded, grade_submission, zero


@dataclass(frozen=True)
class Summary:
    """How many submissions of a unit were graded in this run, and how many had been before."""

    unit: Unit
    graded: int
    kept: int


def grade(
    klass: ClassFolder,
    units: list[Unit],
    console: Console,
    *,
    jobs: int | None = None,
    force: bool = False,
) -> list[Summary]:
    """Grade all submissions of some units; what is graded already is kept.

    Args:
        klass: the class.
        units: which units; each must have been released.
        console: where the progress is shown.
        jobs: how many submissions at once; all cores if not given.
        force: grade again what is graded already.

    Raises:
        GraderError: a unit is not released, or nothing was handed in.
    """
    for unit in units:
        klass.require_release(unit)
        if not klass.students(unit):
            raise GraderError(
                f"Nobody has handed in {unit.key}: there is no submitted/STUDENT/{unit.key}/ "
                f"in {klass.root}. Put each student's {notebook_name(unit)} there."
            )
    return [_grade_unit(klass, unit, console, jobs, force) for unit in units]


def _grade_unit(
    klass: ClassFolder, unit: Unit, console: Console, jobs: int | None, force: bool
) -> Summary:
    release = klass.require_release(unit)
    settings = Settings(klass.seed, klass.cell_timeout)
    students = klass.students(unit)
    graded = 0
    with (
        open_writer(klass, unit) as writer,
        progress(console, f"grading {unit.key}", len(students)) as advance,
    ):
        marks: dict[str, str] = {}
        tasks: list[Task[Graded]] = []
        for student in students:
            task, mark = _prepare(klass.submitted(unit, student), student, unit, release, settings)
            if not force and writer.is_graded(student, mark):
                advance()
                continue
            marks[student] = mark
            tasks.append(task)
        for student, result in run_all(tasks, jobs):
            _record(writer, student, result, release, marks[student])
            graded += 1
            advance()
    return Summary(unit, graded, len(students) - graded)


def _prepare(
    folder: Path, student: str, unit: Unit, release: bytes, settings: Settings
) -> tuple[Task[Graded], str]:
    """Return the work on one submission, and the mark by which it is known again."""
    try:
        submission = read_submission(folder, notebook_name(unit))
    except Unreadable as error:
        reason = str(error)
        task = Task(student, zero, (release, reason))
        return task, digest(reason.encode(), release, settings)
    task = Task(student, grade_submission, (submission, release, settings))
    return task, digest(submission, release, settings)


def _record(writer: Writer, student: str, result: Graded | Lost, release: bytes, mark: str) -> None:
    if isinstance(result, Lost):
        result = zero(release, f"The submission could not be graded: {result.reason}.")
        mark = ""  # it may have been the machine's fault: the next run tries again
    writer.record(student, result, mark)


def read_submission(folder: Path, name: str) -> bytes:
    """Return the notebook that a student handed in.

    Raises:
        Unreadable: it is not there under its name, or is no plain file of a sensible size.
    """
    path = folder / name
    if folder.is_symlink() or path.is_symlink():
        raise Unreadable(f"{name} is a link to another place; hand in the file itself.")
    if not path.is_file():
        raise Unreadable(_what_is_there(folder, name))
    if path.stat().st_size > SIZE_LIMIT:
        size = path.stat().st_size / 1e6
        raise Unreadable(f"{name} has {size:.0f} MB; up to {SIZE_LIMIT / 1e6:.0f} MB are read.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}.") from None


def _what_is_there(folder: Path, name: str) -> str:
    found = list(_notebooks(folder))
    if not found:
        return f"{name} was not handed in: the folder holds no notebook."
    shown = ", ".join(re.sub(r"[^\w\-.() /]", "?", name) for name in found)
    return (
        f"{name} was not handed in, but {shown} was. "
        "If that is the one, give it the right name and place, and grade again."
    )


def _notebooks(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.ipynb"))[:5]:
        if ".ipynb_checkpoints" not in path.parts:
            yield str(path.relative_to(folder))
