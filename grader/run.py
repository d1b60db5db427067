"""The grading of one unit: what is not graded yet goes to workers, what comes back is written."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder, notebook_name
from grader.errors import GraderError
from grader.execute import Settings
from grader.gradebook import Entry, Writer, digest, open_writer
from grader.late import apply_late_policy
from grader.pool import Lost, Outcomes, Task
from grader.problems import Unreadable
from grader.progress import progress
from grader.rebuild import SIZE_LIMIT
from grader.request import Request, Summary
from grader.work import Graded, grade_submission, zero

LOST_IN_A_ROW = 10
"""After so many failures without a success it is the machine, not the submissions."""

TOGETHER, AT_LEAST_EVERY = 16, 0.5
"""So many grades are written at once; or those of so many seconds, if they come more slowly."""

NOT_GRADED = "It could not be graded, through no fault of its own; it will be tried again."
"""What a student reads; why it was so is nothing but the instructor's concern."""

Engine = Callable[[Iterator[Task[Graded]]], Generator[Outcomes[Graded], None, None]]
"""Runs tasks and yields what comes of them, in batches."""


@dataclass
class Run:
    """The grading of one unit."""

    klass: ClassFolder
    unit: Unit
    asked: Request
    engine: Engine
    marks: dict[str, str] = field(default_factory=dict)
    graded: int = 0
    kept: int = 0
    lost: dict[str, str] = field(default_factory=dict)
    lost_in_a_row: int = 0

    def grade(self, console: Console) -> Summary:
        """Grade what is not graded yet, and bring the penalties up to date."""
        students = self.asked.chosen(self.klass, self.unit)
        with (
            open_writer(self.klass, self.unit) as writer,
            progress(console, f"grading {self.unit.key}", len(students)) as advance,
            closing(self.engine(self._tasks(writer, students, advance))) as batches,
        ):
            for batch in _together(batches):
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
        settings = self.asked.settings(self.klass)
        for student in students:
            task, mark = self._prepare(student, release, settings)
            is_graded = writer.is_graded(student, mark)
            if is_graded and not self.asked.force and not self.asked.exercises:
                self.kept += 1
                advance()
                continue
            if is_graded and self.asked.exercises and task.function is grade_submission:
                earlier = self.klass.autograded(self.unit, student).read_bytes()
                only = self.asked.exercises
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
                break
        writer.record(entries)
        self.graded += sum(not isinstance(result, Lost) for _, result in batch)
        if self.lost_in_a_row == LOST_IN_A_ROW:
            raise GraderError(
                f"{LOST_IN_A_ROW} submissions in a row could not be graded: "
                f"{self.lost.popitem()[1]}. Something is wrong with this machine or the course: "
                "mend it, and run the command again. It grades them then; what is done is kept."
            )


def _together(
    batches: Iterable[Outcomes[Graded]],
) -> Iterator[Outcomes[Graded]]:
    """Gather what comes within a short time: a commit takes as long for one grade as for many."""
    gathered: list[tuple[str, Graded | Lost]] = []
    since = time.monotonic()
    for batch in batches:
        gathered += batch
        if len(gathered) >= TOGETHER or time.monotonic() - since >= AT_LEAST_EVERY:
            yield gathered
            gathered, since = [], time.monotonic()
    yield gathered


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
