"""``grader grade``: from what was handed in to grades in the gradebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder, notebook_name
from grader.cluster import run_on_cluster
from grader.errors import GraderError, UsageError
from grader.execute import Settings
from grader.gradebook import Entry, Writer, digest, open_writer
from grader.late import apply_late_policy
from grader.lock import only_one
from grader.pool import Lost, Outcomes, Task, run_in_batches
from grader.problems import Unreadable
from grader.progress import progress
from grader.rebuild import SIZE_LIMIT
from grader.sealed import Mode, Protection, examine
from grader.work import Graded, grade_submission, zero

ID_LIMIT = 128
"""Characters of a student's id that the gradebook has room for."""

LOST_IN_A_ROW = 10
"""After so many failures without a success it is the machine, not the submissions."""

NOT_GRADED = "It could not be graded, through no fault of its own; it will be tried again."
"""What a student reads; why it was so is nothing but the instructor's concern."""


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


@dataclass(frozen=True)
class _Wanted:
    """What the user asked for."""

    jobs: int | None
    force: bool
    exercises: tuple[str, ...]
    students: tuple[str, ...]
    sandbox: Mode | None
    cluster: str | None
    protection: Protection | None = None

    def run(self, tasks: Iterator[Task[Graded]]) -> Generator[Outcomes[Graded], None, None]:
        return (
            run_on_cluster(tasks, self.cluster)
            if self.cluster
            else run_in_batches(tasks, self.jobs)
        )


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
    wanted = _Wanted(jobs, force, tuple(exercises), tuple(students), sandbox, cluster)
    for unit in units:
        klass.require_release(unit)
        if not klass.students(unit):
            raise GraderError(
                f"Nobody has handed in {unit.key}: there is no submitted/STUDENT/{unit.key}/ "
                f"in {klass.root}. Put each student's {notebook_name(unit)} there."
            )
    _require_known(klass, units, wanted)
    if not cluster:  # its workers look at their own machines
        protection = examine(sandbox or Settings.sandbox)
        wanted = replace(wanted, protection=protection)
        for line in protection.missing:
            console.print(line, style="yellow")
    with only_one(klass.root):
        return [_Run(klass, unit, wanted).grade(console) for unit in units]


def _require_known(klass: ClassFolder, units: list[Unit], wanted: _Wanted) -> None:
    known = {exercise.name for unit in units for exercise in unit.exercises}
    keys = ", ".join(unit.key for unit in units)
    for name in wanted.exercises:
        if name not in known:
            raise UsageError(f"{keys} has no exercise {name}. It has {', '.join(sorted(known))}.")
    present = {student for unit in units for student in klass.students(unit)}
    for student in wanted.students:
        if student not in present:
            raise UsageError(f"{student} has not handed in {keys}: see {klass.root / 'submitted'}.")
    for student in sorted(present):
        shown = student.encode(errors="replace").decode()
        if len(student) > ID_LIMIT or shown != student:
            raise GraderError(
                f"The gradebook cannot hold the student {shown[:ID_LIMIT]}: an id has up to "
                f"{ID_LIMIT} characters, in UTF-8. Rename the folder in {klass.root / 'submitted'}."
            )


@dataclass
class _Run:
    """The grading of one unit."""

    klass: ClassFolder
    unit: Unit
    wanted: _Wanted
    marks: dict[str, str] = field(default_factory=dict)
    graded: int = 0
    kept: int = 0
    lost: dict[str, str] = field(default_factory=dict)
    lost_in_a_row: int = 0

    def grade(self, console: Console) -> Summary:
        """Grade what is not graded yet, and bring the penalties up to date."""
        chosen = self.wanted.students
        students = [s for s in self.klass.students(self.unit) if not chosen or s in chosen]
        with (
            open_writer(self.klass, self.unit) as writer,
            progress(console, f"grading {self.unit.key}", len(students)) as advance,
            closing(self.wanted.run(self._tasks(writer, students, advance))) as batches,
        ):
            for batch in batches:
                self._record(writer, batch)
                for _ in batch:
                    advance()
            apply_late_policy(writer.gradebook, self.klass, self.unit)
        return Summary(self.unit, self.graded, self.kept, self.lost)

    def _tasks(
        self, writer: Writer, students: Sequence[str], advance: Callable[[], None]
    ) -> Iterator[Task[Graded]]:
        """Yield the work that is to be done, and read a submission only when its turn has come."""
        release = self.klass.require_release(self.unit)
        settings = _settings(self.klass, self.wanted)
        for student in students:
            task, mark = self._prepare(student, release, settings)
            is_graded = writer.is_graded(student, mark)
            if is_graded and not self.wanted.force and not self.wanted.exercises:
                self.kept += 1
                advance()
                continue
            if is_graded and self.wanted.exercises and task.function is grade_submission:
                earlier = self.klass.autograded(self.unit, student).read_bytes()
                only = self.wanted.exercises
                task = replace(task, arguments=(*task.arguments, only, earlier))
            self.marks[student] = mark
            yield task

    def _prepare(
        self, student: str, release: bytes, settings: Settings
    ) -> tuple[Task[Graded], str]:
        """Return the work on one submission, and the mark by which it is known again."""
        folder = self.klass.submitted(self.unit, student)
        try:
            submission = read_submission(folder, notebook_name(self.unit))
        except Unreadable as error:
            reason = str(error)
            task = Task(student, zero, (release, reason))
            return task, digest(reason.encode(), release, settings)
        task = Task(student, grade_submission, (submission, release, settings))
        return task, digest(submission, release, settings)

    def _record(self, writer: Writer, batch: Outcomes[Graded]) -> None:
        """Write what came; of what was lost a score that stands for the same work is kept."""
        release = self.klass.require_release(self.unit)
        entries = []
        for student, result in batch:
            mark = self.marks.pop(student)
            if not isinstance(result, Lost):
                self.lost_in_a_row = 0
                entries.append(Entry(student, result, mark))
                continue
            self.lost[student] = result.reason
            self.lost_in_a_row += 1
            if not writer.is_graded(student, mark):
                entries.append(Entry(student, zero(release, NOT_GRADED), mark=""))
            if self.lost_in_a_row == LOST_IN_A_ROW:
                raise GraderError(
                    f"{LOST_IN_A_ROW} submissions in a row could not be graded: {result.reason}. "
                    "Something is wrong with this machine or the course: mend it, and run the "
                    "command again. It grades them then; what is done is kept."
                )
        writer.record(entries)
        self.graded += sum(not isinstance(result, Lost) for _, result in batch)


def _settings(klass: ClassFolder, wanted: _Wanted) -> Settings:
    settings = Settings(klass.seed, klass.cell_timeout, protection=wanted.protection)
    return replace(settings, sandbox=wanted.sandbox) if wanted.sandbox else settings


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
