"""Running a rebuilt submission: every cell gets its chance, every answer is judged from outside.

The cells run in a sandboxed process, one after the other. A cell that only checks an answer,
``check(adam).award()``, is not run there: the answer is judged here, by calling it from outside.
When the process ends, another one takes its place, runs the cells before again and goes on behind
the cell that ended it.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode

from course.checking import Exercise, Verdict, judge, no_points
from course.exercises import find_exercise
from grader.outputs import new_output, read_outputs
from grader.problems import Problem
from grader.sealed import Gone, Limits, Mode, Protection, Sandbox, Session, examine

MEGABYTE = 2**20


@dataclass(frozen=True)
class Settings:
    """What a run needs to know besides the notebook.

    Attributes:
        seed: from which checks draw the cases that students do not see.
        cell_timeout: the seconds that one cell may run, or one answer in all its cases.
        submission_timeout: the seconds that all cells of a submission may take together.
        memory: the megabytes that a submission's process may use.
        disk: the megabytes that it may write.
        sandbox: "require", "best" or "off"; it changes no grade.
        protection: what `examine` has found for this machine; found anew where it is not given.
    """

    seed: int
    cell_timeout: float
    submission_timeout: float = 600.0
    memory: int = 1024
    disk: int = 64
    sandbox: Mode = field(default="require", repr=False)
    protection: Protection | None = field(default=None, repr=False)


@dataclass
class Execution:
    """What a run found.

    Attributes:
        problems: what was not in order.
        verdicts: by the ``grade_id`` of each test cell that was judged from outside.
    """

    problems: list[Problem] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def run_notebook(
    notebook: NotebookNode, settings: Settings, only: Collection[str] = ()
) -> Execution:
    """Run the code cells in order and store their outputs in the notebook.

    Args:
        notebook: the rebuilt submission.
        settings: the seed and the limits.
        only: the exercises to judge; all of them if none is named.
    """
    asked = {
        cell.id: exercise
        for cell in notebook.cells
        if (exercise := checked_exercise(cell)) and (not only or exercise.name in only)
    }
    with_data = any("course.data" in cell.source for cell in notebook.cells)
    found = Execution()
    groups = sorted({e.libraries for e in asked.values()}, key=len, reverse=True) or [("numpy",)]
    together = tuple(sorted({name for group in groups for name in group}))
    if set(groups[0]) != set(together):
        groups.insert(0, together)
    for group in groups:
        # An answer may use only its own exercise's libraries: it runs where the others are absent.
        own = {name: e for name, e in asked.items() if set(e.libraries) == set(group)}
        run = _Run(notebook, settings, found, own, shows=group == groups[0])
        run.run(_sandbox(group, settings, with_data))
    return found


def checked_exercise(cell: NotebookNode) -> Exercise | None:
    """Return the exercise that a graded cell checks and does nothing else, or None."""
    if cell.cell_type != "code" or not cell.metadata.get("nbgrader", {}).get("grade"):
        return None
    names = _checked_names(cell.source)
    if names is None:
        return None
    with contextlib.suppress(LookupError):
        return find_exercise(names[-1])
    return None


@functools.lru_cache(maxsize=1024)
def _checked_names(source: str) -> tuple[str, ...] | None:
    """Return FUNCTION, and EXERCISE if given, in ``check(FUNCTION, "EXERCISE").award()``."""
    with contextlib.suppress(SyntaxError):
        match ast.parse(source).body:
            case [
                ast.Expr(
                    ast.Call(
                        ast.Attribute(ast.Call(ast.Name("check"), [function, *rest], []), "award"),
                        [],
                        [],
                    )
                )
            ]:
                match function, rest:
                    case ast.Name(name), []:
                        return (name,)
                    case ast.Name(name), [ast.Constant(str(exercise))]:
                        return name, exercise
    return None


class _Run:
    """One way through a notebook's cells, in as many processes as it takes."""

    def __init__(
        self,
        notebook: NotebookNode,
        settings: Settings,
        found: Execution,
        asked: dict[str, Exercise],
        *,
        shows: bool,
    ) -> None:
        self._cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self._settings = settings
        self._found = found
        self._asked = asked
        self._shows = shows
        self._effects: list[str] = []
        self._position = 0
        self._has_judged = False
        self._until = time.monotonic() + settings.submission_timeout

    def run(self, sandbox: Sandbox) -> None:
        """Run all cells; each ends or is left behind, so this comes to an end."""
        while self._position < len(self._cells):
            with sandbox.session() as session, contextlib.suppress(Gone):
                self._has_judged = False
                self._again(session)
                while self._position < len(self._cells):
                    self._position += 1
                    self._step(session, self._cells[self._position - 1], self._position)

    def _again(self, session: Session) -> None:
        """Run the cells before once more, for what they define."""
        for source in tuple(self._effects):
            try:
                session.run(source, self._seconds())
            except Gone:
                self._effects.remove(source)
                raise

    def _step(self, session: Session, cell: NotebookNode, number: int) -> None:
        if self._shows:
            cell.execution_count = number
        if cell.id in self._asked:
            self._judge(session, cell)
        elif checked_exercise(cell):
            return  # it is judged in another run, or was before
        elif self._is_late():
            self._show(cell, [_error("NotRun", "the submission had used up its time")])
        else:
            self._execute(session, cell)

    def _execute(self, session: Session, cell: NotebookNode) -> None:
        try:
            is_test = cell.metadata.get("nbgrader", {}).get("grade", False)
            outputs = session.run(cell.source, self._seconds(), released=is_test)
        except Gone as gone:
            text = f"this cell {gone}"
            self._show(cell, [_error("ProgramEnded", f"{text}; the cells after it ran without it")])
            self._problem(f"The cell {title(cell)} {gone}; the cells after it ran without it.")
            raise
        self._effects.append(cell.source)
        self._show(cell, read_outputs(outputs))

    def _judge(self, session: Session, cell: NotebookNode) -> None:
        exercise = self._asked[cell.id]
        names = _checked_names(cell.source) or (exercise.name,)
        try:
            verdict = self._verdict(session, exercise, names[0])
        except Gone as gone:
            verdict = no_points(exercise, "crashed", f"the program {gone}")
        if session.has_ended and self._has_judged and not session.is_late:
            # Threads, processes or memory that another exercise left behind may have ended it.
            self._position -= 1
            raise Gone(session.reason)
        self._has_judged = True
        self._found.verdicts[cell.metadata.nbgrader.grade_id] = verdict
        cell.execution_count = self._cells.index(cell) + 1
        cell.outputs = [
            new_output("display_data", data=verdict._repr_mimebundle_(), metadata={}),
            new_output(
                "execute_result",
                data={"text/plain": repr(float(verdict.points))},
                metadata={},
                execution_count=cell.execution_count,
            ),
        ]
        if session.has_ended:
            self._problem(
                f"While {names[0]} was checked, the program {session.reason}; "
                "the other exercises were checked without it."
            )
            raise Gone(session.reason)

    def _verdict(self, session: Session, exercise: Exercise, name: str) -> Verdict:
        if self._is_late():
            return no_points(exercise, "crashed", "the submission had used up its time before")
        try:
            function = session.find(name, exercise.libraries)
        except LookupError as error:
            text = f"there is no function {name} to check, but {error}: see the cells above"
            return no_points(exercise, "crashed", text)
        function.allow(self._seconds(), self._safe_lines())
        try:
            return judge(exercise, function, self._settings.seed, reveal=False)
        except Gone:
            raise
        except Exception as error:  # a check may stumble over an odd result; the others go on
            self._problem(f"The check of {name} failed itself: {type(error).__name__}: {error}.")
            return no_points(exercise, "crashed", "the check could not use what came back")

    def _safe_lines(self) -> frozenset[str]:
        """Return the lines that a traceback may show: those that the submission holds anyway."""
        return frozenset(line.strip() for cell in self._cells for line in cell.source.splitlines())

    def _seconds(self) -> float:
        return max(0.1, min(self._settings.cell_timeout, self._until - time.monotonic()))

    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    def _show(self, cell: NotebookNode, outputs: list[NotebookNode]) -> None:
        if self._shows:
            cell.outputs = outputs

    def _problem(self, text: str) -> None:
        problem = Problem(text)
        if problem not in self._found.problems:
            self._found.problems.append(problem)


def title(cell: NotebookNode) -> str:
    """Return the name by which people know a cell."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id") or cell.id)


def _error(name: str, text: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])


_KEPT_WARM = 3
_sandboxes: dict[Any, Sandbox] = {}
"""The warm sandboxes of this process; a submission's limits and libraries choose one."""


def _sandbox(libraries: tuple[str, ...], settings: Settings, with_data: bool) -> Sandbox:
    limits = Limits(memory=settings.memory * MEGABYTE, disk=settings.disk * MEGABYTE)
    protection = settings.protection or examine(settings.sandbox)
    key = libraries, limits, protection, with_data
    if key not in _sandboxes:
        if len(_sandboxes) == _KEPT_WARM:
            close_sandboxes()
        _sandboxes[key] = Sandbox(protection, libraries, limits, with_data=with_data)
    return _sandboxes[key]


@atexit.register
def close_sandboxes() -> None:
    """End the warm sandboxes of this process."""
    while _sandboxes:
        _sandboxes.popitem()[1].close()
