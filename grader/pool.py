"""Many submissions at once: a worker that is killed costs nobody else's work.

Results come back as files, and only their names through the pool's pipe: a worker that is killed
in the middle of a large message would leave half of it there, and the pool would wait for the rest
for ever. A short one is written whole or not at all.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any, Generic, TypeVar

from grader.errors import GraderError

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

START = "spawn"
"""How workers start: fresh, for torch's threads do not survive a fork."""

AHEAD = 2
"""Tasks a worker has at hand, so that it need not wait for the writer."""

PATIENCE = 30.0
"""Seconds after which a caller hears that nothing has come."""

_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS}


@dataclass(frozen=True)
class Task(Generic[Result_co]):
    """A call to make in another process, with a name to know it by."""

    name: str
    function: Callable[..., Result_co]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Lost:
    """What stands in the place of a result when the work on it failed twice."""

    reason: str


Outcomes = Sequence[tuple[str, Result | Lost]]


def run_all(
    tasks: Iterable[Task[Result]], jobs: int | None = None
) -> Generator[tuple[str, Result | Lost], None, None]:
    """Run tasks in worker processes and yield their names and results as they come."""
    with Workers(jobs) as workers:
        for batch in workers.run(tasks):
            yield from batch


class Workers:
    """Worker processes that live as long as the block.

    Args:
        jobs: how many at once; all cores if not given.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self._jobs = jobs or os.cpu_count() or 1
        self._block = ExitStack()

    def __enter__(self) -> Workers:
        """Make room for workers; they start with their first task."""
        self._start()
        return self

    def __exit__(self, *error: Any) -> None:
        """End the workers; after an error or a Ctrl-C they are not waited for."""
        self._block.__exit__(*error)

    def get_ready(self, task: Task[Any]) -> None:
        """Let each worker do something that makes it warm; what comes of it is nobody's concern."""
        for _ in range(self._jobs):
            _submit(self._executor, _forget, task)

    def run(self, tasks: Iterable[Task[Result]]) -> Generator[Outcomes[Result], None, None]:
        """Run tasks and yield names and results, all that have come since the last.

        Tasks are taken from the iterable only as workers come free, so they need not all fit into
        memory. When a worker dies, the tasks that were under way are tried once more, each alone:
        the one that killed it is found, the others are done.

        Args:
            tasks: what to do.

        Raises:
            GraderError: the machine cannot go on, or a task says so.
        """
        waiting = iter(tasks)
        suspects: list[Task[Result]] = []
        while True:
            yield from self._until_broken(waiting, suspects)
            if not suspects:
                return
            self._block.close()
            for task in suspects:
                yield [(task.name, self._alone(task))]
            suspects.clear()
            self._start()

    def _start(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True)
        self._results = self._block.enter_context(folder)
        self._executor = self._block.enter_context(_executor(self._jobs))

    def _submit(self, task: Task[Any]) -> Future[str]:
        return _submit(self._executor, _work, task, self._results)

    def _alone(self, task: Task[Result]) -> Result | Lost:
        with (
            tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as folder,
            _executor(1) as executor,
        ):
            future = _submit(executor, _work, task, folder)
            return outcome(lambda: _fetch(future))

    def _until_broken(
        self, tasks: Iterator[Task[Result]], suspects: list[Task[Result]]
    ) -> Iterator[Outcomes[Result]]:
        """Work until nothing waits or a worker dies; then say which tasks were under way."""
        room = AHEAD * self._jobs
        for done in flow(tasks, self._submit, lambda: 0 if suspects else room):
            finished: list[tuple[str, Result | Lost]] = []
            for task, future in done:
                try:
                    finished.append((task.name, _fetch(future)))
                except GraderError:
                    raise
                except Exception:  # the worker died, or its work failed: once more, alone
                    suspects.append(task)
            if finished:
                yield finished


def flow(
    tasks: Iterator[Task[Result]],
    submit: Callable[[Task[Result]], Future[Any]],
    room: Callable[[], int],
) -> Iterator[list[tuple[Task[Result], Future[Any]]]]:
    """Keep workers busy and yield what is done in batches; an empty one says that time passes.

    Args:
        tasks: what to do; one is taken when there is room for it.
        submit: hands a task over.
        room: how many tasks may be under way just now.
    """
    running: dict[Future[Any], Task[Result]] = {}
    while True:
        while len(running) < room() and (task := next(tasks, None)):
            running[submit(task)] = task
        if not running:
            return
        done, _ = wait(running, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        yield [(running.pop(future), future) for future in done]


def outcome(fetch: Callable[[], Result]) -> Result | Lost:
    """Return what came of a task that was tried for the last time.

    Raises:
        GraderError: the task says that the work cannot go on, or the machine is at its end.
    """
    try:
        return fetch()
    except GraderError:
        raise
    except BrokenProcessPool:
        return Lost("the process that worked on it was killed, twice")
    except Exception as error:  # whatever it is, the others go on
        if isinstance(error, OSError) and error.errno in _MACHINE:
            raise GraderError(
                f"A worker cannot go on: {error}. Free what it lacks and run the command again; "
                "what is done is kept."
            ) from None
        return Lost(f"the work on it failed twice: {type(error).__name__}: {error}")


def _submit(
    executor: Executor, work: Callable[..., Any], task: Task[Any], *more: Any
) -> Future[Any]:
    try:
        return executor.submit(work, task, *more)
    except BrokenProcessPool as error:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return failed


def _forget(task: Task[Any]) -> None:
    """Do a task in a worker for what it leaves there."""
    task.function(*task.arguments)


def _work(task: Task[Any], folder: str) -> str:
    """Do a task in a worker, and return the name of the file that holds the result."""
    result = task.function(*task.arguments)
    number, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(number, "wb") as file:
        pickle.dump(result, file, pickle.HIGHEST_PROTOCOL)
    return name


def _fetch(future: Future[str]) -> Any:
    """Return the result of a task that is done, and remove its file."""
    place = Path(future.result())
    result = pickle.loads(place.read_bytes())  # noqa: S301 - our own worker wrote it
    place.unlink()
    return result


@contextmanager
def _executor(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Start workers; when the block ends by an error or a Ctrl-C they are not waited for."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context(START)
    executor = ProcessPoolExecutor(
        jobs,
        mp_context=context,
        initializer=_start_worker,
        initargs=(_cores_to_share(context, jobs),),
    )
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - others:
            worker.kill()
        raise
    finally:
        executor.shutdown()


def _cores_to_share(context: Any, jobs: int) -> Any:
    """Return a queue with a core for each worker where there is just one for each, else None.

    A worker and the sandbox it talks to take turns. On one core a turn costs a third less: neither
    has to be woken on another one.
    """
    cores = os.sched_getaffinity(0) if sys.platform == "linux" else set()
    if jobs != len(cores):
        return None
    queue = context.SimpleQueue()
    for core in cores:
        queue.put(core)
    return queue


def _start_worker(cores: Any) -> None:
    """Keep a worker's own chatter away from the progress on the screen, and end with the parent."""
    if cores is not None:
        with suppress(OSError):  # the machine may have taken the core away
            os.sched_setaffinity(0, {cores.get()})
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot end its workers, and they would wait for its next task forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
