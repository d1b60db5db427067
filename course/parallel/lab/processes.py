"""Start the processes of a run with torchrun, watch over them, and say what went wrong."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from course.parallel.costs import Link
from course.parallel.lab import ledger
from course.parallel.lab.blame import explain
from course.parallel.lab.errors import ParallelError, UsageError, require_at_least, require_at_most
from course.parallel.lab.ledger import State
from course.parallel.lab.links import LinkReport
from course.parallel.lab.settings import MOST_SECONDS, Epoch, Report, Settings, require_settings
from course.parallel.torch_channel import device_for

INTERRUPTED = 130
_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 2.0
"""What other ranks get to end by themselves after one has failed."""

_START_SECONDS = 90.0
"""How long the first rank waits until all others on this machine have begun to work."""

_MEET_SECONDS = 300
"""How long the machines of a run wait for each other."""

_BOOT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.environ.setdefault('OMP_NUM_THREADS', '1'); "
    "os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR'); "
    "sys.path.insert(0, sys.argv.pop(1)); "
    "from course.parallel.lab.worker import main; main()"
)
"""Ctrl-C ends a worker that still imports without a traceback; K ranks share the processors."""


_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
]
"""Those that ask for the end; torchrun handles the same ones."""


@dataclass(frozen=True)
class Place:
    """Where the processes of a run are, and how they meet.

    Attributes:
        nproc: the processes on this machine.
        backend: "auto", "gloo" or "nccl".
        timeout: the seconds that a rank may be silent.
        nnodes: the number of machines, each with ``nproc`` processes.
        node_rank: this machine's number, from 0.
        endpoint: ``HOST:PORT`` of machine 0; empty where there is only one machine.
    """

    nproc: int
    backend: str = "auto"
    timeout: float = 30.0
    nnodes: int = 1
    node_rank: int = 0
    endpoint: str = ""

    @property
    def ranks(self) -> int:
        """K, over all machines."""
        return self.nproc * self.nnodes


def train(
    settings: Settings, place: Place, seen: Callable[[dict[str, Any]], None] = lambda epoch: None
) -> Report | None:
    """Train in processes.

    Args:
        settings: what and how; backend and device are found out here.
        place: where.
        seen: told of each epoch as it ends.

    Returns:
        The `Report`; ``None`` on a machine without rank 0.

    Raises:
        UsageError: a setting does not fit.
        ParallelError: a rank was killed, failed, hangs, or all wait for each other.
    """
    require_at_least("--nproc", place.nproc, 1)
    require_at_least("--nnodes", place.nnodes, 1)
    require_settings(settings, place.ranks)
    source = settings.collective.rpartition(":")[0]
    with _launched("train", {"settings": asdict(settings), "source": source}, place, seen) as made:
        if not made:
            return None
        with np.load(made / "parameters.npz") as arrays:
            parameters = [arrays[name] for name in arrays.files]
        result = json.loads((made / "result.json").read_text(encoding="utf-8"))
        epochs = [Epoch(**epoch) for epoch in result.pop("epochs")]
        return Report(**result, epochs=epochs, parameters=parameters)


def measure_link(place: Place) -> LinkReport | None:
    """Measure the link between ranks 0 and 1, which are processes.

    Raises:
        UsageError: there are fewer than two ranks.
        ParallelError: as for `train`.
    """
    if place.ranks < 2:
        raise UsageError(f"a link has two ends: give --nproc 2 or more, not {place.nproc}.")
    with _launched("links", {"source": ""}, place, lambda epoch: None) as made:
        if not made:
            return None
        result = json.loads((made / "result.json").read_text(encoding="utf-8"))
        latency = result["latency_seconds"]
        bandwidth = result["bandwidth_bytes_per_second"] or float("inf")
        return LinkReport(
            nproc=result["nproc"],
            backend=result["backend"],
            device=result["device"],
            n_bytes=[message["bytes"] for message in result["messages"]],
            seconds=[message["seconds"] for message in result["messages"]],
            link=Link(latency, bandwidth),
        )


@contextlib.contextmanager
def _launched(
    kind: str, job: dict[str, Any], place: Place, seen: Callable[[dict[str, Any]], None]
) -> Iterator[Path | None]:
    """Run a job in processes and give the folder with its result, if rank 0 was here."""
    _require_place(place)
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        job |= {"kind": kind, "backend": place.backend, "timeout": place.timeout}
        job |= {"launcher": os.getpid()}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        first = place.node_rank * place.nproc
        ledger.open_ledger(folder, range(first, first + place.nproc))
        with _Watch(folder, place.timeout, seen) as watch:
            _run(folder, place, watch)
        if place.node_rank > 0:
            yield None
        elif (folder / "result.json").exists():
            yield folder
        else:
            raise ParallelError("Rank 0 has ended without a result; something in it left early.")


def _require_place(place: Place) -> None:
    require_at_least("--timeout", place.timeout, 2)
    require_at_most("--timeout", place.timeout, MOST_SECONDS)
    require_at_least("--node-rank", place.node_rank, 0)
    try:
        device_for(place.backend, 0, place.nproc)
    except ValueError as error:
        raise UsageError(f"{error}") from None
    if place.nnodes == 1:
        if place.endpoint:
            raise UsageError("--rdzv-endpoint is for several machines: give --nnodes as well.")
        return
    if place.node_rank >= place.nnodes:
        raise UsageError(
            f"--node-rank {place.node_rank} of {place.nnodes} machines: they are "
            f"0 to {place.nnodes - 1}."
        )
    host, _, port = place.endpoint.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UsageError(
            f"--rdzv-endpoint must be HOST:PORT of machine 0, such as 192.168.0.5:29400, got "
            f"{place.endpoint!r}."
        )
    try:
        socket.getaddrinfo(host, int(port))
    except OSError as error:
        raise UsageError(f"--rdzv-endpoint: there is no machine {host!r}: {error}.") from None


def _run(folder: Path, place: Place, watch: _Watch) -> None:
    """Let torchrun start the processes and wait for their end."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    root = str(Path(__file__).resolve().parents[3])
    # With -P a random.py of the user's, where the command runs, is not taken for Python's.
    words = ["-P", "-c", _BOOT, root, str(folder)]
    try:
        elastic_launch(_config(folder, place), sys.executable)(*words)
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from None
    except ChildFailedError as error:
        if watch.signal:
            raise SystemExit(128 + watch.signal) from None
        statuses = {
            rank: failure.exitcode
            for rank, failure in error.failures.items()
            if failure.pid not in watch.killed
        }
        raise ParallelError(watch.explanation(statuses)) from None
    except (RuntimeError, OSError) as error:
        what = "torchrun could not start the processes"
        if place.nnodes > 1:
            what = (
                f"the {place.nnodes} machines did not meet at {place.endpoint}; the same command "
                f"must run on each within {_MEET_SECONDS} s"
            )
        raise ParallelError(f"{what}: {' '.join(str(error).split())}") from None


def _config(folder: Path, place: Place) -> Any:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    several = place.nnodes > 1
    return LaunchConfig(
        min_nodes=place.nnodes,
        max_nodes=place.nnodes,
        nproc_per_node=place.nproc,
        run_id="course",
        rdzv_backend="static" if several else "c10d",
        rdzv_endpoint=place.endpoint if several else "localhost:0",
        rdzv_configs={"rank": place.node_rank, "timeout": _MEET_SECONDS} if several else {},
        local_addr=None if several else "127.0.0.1",  # a laptop's own name may lead nowhere
        max_restarts=0,
        monitor_interval=_LOOK_SECONDS,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder)),
    )


class _Watch:
    """Looks after the processes from a thread while the main one waits inside torchrun.

    It ends a run in which a rank is silent for too long, ends those who do not end by themselves,
    and sees to it that Ctrl-C works while the main thread is deep in torch.

    Attributes:
        killed: the processes that it has killed.
        signal: the signal that asked for the end, or 0.
    """

    def __init__(
        self, folder: Path, timeout: float, seen: Callable[[dict[str, Any]], None]
    ) -> None:
        self.killed: set[int] = set()
        self.signal = 0
        self._over = threading.Event()
        self._folder, self._timeout, self._seen = folder, timeout, seen
        self._began_at = self._gave_up_at = 0.0
        self._signals, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._look, daemon=True, name="watch")

    def __enter__(self) -> _Watch:
        """Begin, and remember what torchrun changes in this process."""
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._logs_off = logging.root.manager.disable
        logging.disable()
        self._wake.setblocking(False)
        self._signals.settimeout(_LOOK_SECONDS)
        self._old_wake = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave no process behind."""
        self._over.set()
        self._thread.join()
        self._kill()
        signal.set_wakeup_fd(self._old_wake)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        logging.disable(self._logs_off)
        self._signals.close()
        self._wake.close()

    def explanation(self, statuses: dict[int, int]) -> str:
        """Say what ended the run."""
        said = [
            failure
            for failure in ledger.failures(self._folder)
            if not 0 < self._gave_up_at < failure.at  # it has only seen others being killed
        ]
        ranks = ledger.entries(self._folder)
        return explain(ranks, said, statuses, self._timeout, self._gave_up_at)

    def _look(self) -> None:
        told = 0
        while not self._over.is_set():
            number = self._signal()
            if number:
                self._end_by_signal(number)
            for epoch in ledger.epochs(self._folder)[told:]:
                self._seen(epoch)
                told += 1
            now = time.monotonic()
            said = ledger.failures(self._folder)
            if said and now - min(failure.at for failure in said) > _GRACE_SECONDS:
                self._kill()
            elif not said and self._is_silent(now):
                self._gave_up_at = self._gave_up_at or now
                self._kill()

    def _signal(self) -> int:
        """Wait a moment, and return the number of a signal that asks for the end, or 0."""
        try:
            numbers = self._signals.recv(16)
        except TimeoutError:
            return 0
        return next((number for number in numbers if number in _SIGNALS), 0)

    def _is_silent(self, now: float) -> bool:
        """Whether a rank computes for too long, is not even alive, or keeps the others waiting.

        A rank that waits gives up by itself, unless it catches that and tries again for ever.
        """
        ranks = ledger.entries(self._folder)
        began = [entry for entry in ranks if entry.state is not State.ABSENT]
        if began and not self._began_at:
            self._began_at = now
        if len(began) < len(ranks) and began and now - self._began_at > _START_SECONDS:
            return True
        patience = 2 * self._timeout + _GRACE_SECONDS  # a message comes in two parts
        return any(
            now - entry.beat > self._timeout
            or (entry.state is State.RUN and now - entry.since > self._timeout)
            or (entry.state is State.RECV and now - entry.since > patience)
            for entry in began
            if entry.state is not State.DONE
        )

    def _end_by_signal(self, number: int) -> None:
        self.signal = number
        self._kill()
        if not self._over.wait(_GRACE_SECONDS):  # the main thread is where no signal reaches it
            self._kill()
            shutil.rmtree(self._folder, ignore_errors=True)
            os._exit(128 + number)

    def _kill(self) -> None:
        for entry in ledger.entries(self._folder):
            if entry.state not in (State.ABSENT, State.DONE) and entry.pid not in self.killed:
                self.killed.add(entry.pid)
                _kill(entry.pid)


def _kill(pid: int) -> None:
    """End a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)  # torchrun has given each a session of its own
        else:
            os.kill(pid, signal.SIGTERM)
