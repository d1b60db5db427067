"""Many submissions at once: a worker that is killed costs nobody else's work."""

from __future__ import annotations

import logging
import multiprocessing
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Task(Generic[Result]):
    """A call to make in another process, with a name to know it by."""

    name: str
    function: Callable[..., Result]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Lost:
    """What stands in the place of a result when the work on it failed twice."""

    reason: str


def run_all(
    tasks: Iterable[Task[Result]], jobs: int | None = None
) -> Iterator[tuple[str, Result | Lost]]:
    """Run tasks in worker processes and yield their names and results as they come.

    When a worker dies, the tasks that were under way are tried once more, each alone: the one
    that killed it is found, the others are done.

    Args:
        tasks: what to do.
        jobs: how many at once; all cores if not given.
    """
    waiting = deque(tasks)
    jobs = jobs or os.cpu_count() or 1
    while waiting:
        suspects: list[Task[Result]] = []
        yield from _until_broken(waiting, suspects, jobs)
        for task in suspects:
            outcome = _alone(task)
            yield task.name, outcome


def _until_broken(
    waiting: deque[Task[Result]], suspects: list[Task[Result]], jobs: int
) -> Iterator[tuple[str, Result | Lost]]:
    """Work until nothing waits or a worker dies; then say which tasks were under way."""
    running: dict[Future[Result], Task[Result]] = {}
    with _executor(min(jobs, len(waiting))) as executor:
        while (waiting and not suspects) or running:
            while waiting and not suspects and len(running) < jobs:
                task = waiting.popleft()
                try:
                    running[executor.submit(task.function, *task.arguments)] = task
                except BrokenProcessPool:
                    suspects.append(task)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                try:
                    yield task.name, future.result()
                except Exception:  # the worker died, or its work failed: once more, alone
                    suspects.append(task)


def _alone(task: Task[Result]) -> Result | Lost:
    with _executor(1) as executor:
        try:
            return executor.submit(task.function, *task.arguments).result()
        except BrokenProcessPool:
            return Lost("the process that worked on it was killed, twice")
        except Exception as error:  # whatever it is, the others go on
            return Lost(f"the work on it failed twice: {type(error).__name__}: {error}")


def _executor(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    )


def _start_worker() -> None:
    """Keep a worker's own chatter away from the progress on the screen."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
