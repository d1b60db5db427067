"""Many machines at once: the same work on the workers of a running dask.distributed cluster.

Tasks and results travel as pickles: who can reach the scheduler can run code on its workers and
read submissions. Keep it on a network of your own, or use dask's ``tls://``.
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import course
import grader
from grader.errors import GraderError, UsageError
from grader.pool import AHEAD, Lost, Outcomes, Task, flow, outcome

Result = TypeVar("Result")

CONNECT = 10
"""Seconds to wait for the scheduler."""

FIRST_WORKER = 30
"""Seconds to wait for the first worker: it may be starting."""


def run_on_cluster(
    tasks: Iterable[Task[Result]], address: str
) -> Generator[Outcomes[Result], None, None]:
    """Run tasks on a cluster; yield names and results, all that have come since the last.

    dask runs a killed worker's tasks again on another. What fails all the same is tried once more
    at the end, one by one.

    Args:
        tasks: what to do; at most two for each worker are under way.
        address: the scheduler's, such as ``tcp://host:8786``.

    Raises:
        UsageError: dask is not installed, or the address is none.
        GraderError: no scheduler or no worker is there, a worker has another version of this
            course, or the cluster goes away.
    """
    with _client(address) as client:
        _require_workers(client, address)
        executor = client.get_executor(pure=False, retries=1)
        suspects: list[Task[Result]] = []
        for done in _flow(iter(tasks), client, executor, address):
            finished = []
            for task, future in done:
                result = _outcome(future, address)
                if isinstance(result, Lost):
                    suspects.append(task)
                else:
                    finished.append((task.name, result))
            if finished:
                yield finished
        for task in suspects:
            for done in _flow(iter([task]), client, executor, address):
                for _, future in done:
                    result = _outcome(future, address)
                    yield [(task.name, result)]


def _flow(
    tasks: Iterator[Task[Result]], client: Any, executor: Executor, address: str
) -> Iterator[list[tuple[Task[Result], Future[Result]]]]:
    """Keep all workers busy, also those that join later.

    Raises:
        GraderError: nothing comes, and no worker is left or the scheduler has gone away.
    """

    def submit(task: Task[Result]) -> Future[Result]:
        return executor.submit(task.function, *task.arguments)

    for done in flow(tasks, submit, lambda: max(1, AHEAD * len(_threads(client, address)))):
        if not done and not _threads(client, address):
            raise GraderError(
                "No worker of the cluster is left. Start some and run the command again; what is "
                "done is kept."
            )
        yield done


def _outcome(future: Future[Result], address: str) -> Result | Lost:
    try:
        return outcome(future.result)
    except CancelledError:
        raise _gone(address) from None


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        distributed = import_module("distributed")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--cluster needs {error.name}, which is not installed: install this course's extra "
            "named cluster, here and where the workers run."
        ) from None
    # dask would try for long to close what it never opened
    if not re.fullmatch(r"((tcp|tls|ucx|ws|wss)://)?[^/]+:\d+", address):
        raise UsageError(f"{address} is no address of a cluster. Write it like tcp://HOST:8786.")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # A submission of many megabytes is what it is.
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        try:
            client = distributed.Client(address, timeout=CONNECT, set_as_default=False)
        except ValueError as error:
            raise UsageError(
                f"{address} is no address of a cluster: {error}. Write it like tcp://HOST:8786."
            ) from None
        except OSError:
            raise GraderError(
                f"No scheduler answers at {address}. Start one with dask scheduler, and workers "
                "with dask worker ADDRESS --nthreads 1."
            ) from None
        with client:
            yield client


def _require_workers(client: Any, address: str) -> None:
    """See that there are workers, that each does one thing at a time, and has this course.

    Raises:
        GraderError: it is not so.
    """
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER)
    except TimeoutError:
        raise GraderError(
            f"The scheduler at {address} has no workers. Start some: "
            f"dask worker {address} --nthreads 1."
        ) from None
    for worker, threads in _threads(client, address).items():
        if threads != 1:
            raise GraderError(
                f"The worker {worker} runs {threads} tasks in one process. Submissions are graded "
                "one in a process: start it with --nthreads 1."
            )
    here = _version()
    for worker, version in client.run(_version, on_error="return").items():
        if version != here:
            raise GraderError(
                f"The worker {worker} has another version of this course ({version}) than this "
                f"machine ({here}). Install the same there, or grades would depend on the worker."
            )


def _threads(client: Any, address: str) -> dict[str, int]:
    """Return how many threads each worker has."""
    try:
        return dict(client.nthreads())
    except OSError:
        raise _gone(address) from None


def _version() -> str:
    """Return the course's version and a digest of all its code, which decides on grades."""
    code = hashlib.sha256()
    for package in (course, grader):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            code.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return f"{course.__version__}, code {code.hexdigest()[:12]}"


def _gone(address: str) -> GraderError:
    return GraderError(
        f"The scheduler at {address} has gone away. Start it and run the command again; what is "
        "done is kept."
    )
