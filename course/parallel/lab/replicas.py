"""Train with K replicas in one kernel: the same `train_rank`, each rank a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from course._ranks import Deadlock, Stuck
from course.parallel.channel import Channel, run_ranks
from course.parallel.lab.errors import ParallelError, UsageError, require_at_least, require_at_most
from course.parallel.lab.ledger import Journal, describe
from course.parallel.lab.settings import MOST_SECONDS, Report, Settings, require_settings
from course.parallel.lab.training import train_rank

_LEAST_SECONDS = 0.1


def train(
    settings: Settings,
    replicas: int,
    *,
    backend: str = "auto",
    timeout: float = 30.0,
    seen: Callable[[Mapping[str, Any]], None] = lambda epoch: None,
) -> Report:
    """Train with replicas in this process: on its GPU if there is one, each on its own stream.

    Args:
        settings: what and how; backend and device are found out here.
        replicas: K.
        backend: "gloo" keeps to the CPU, "nccl" insists on a GPU, "auto" takes one if it is there.
        timeout: the seconds that a rank may compute between two messages.
        seen: told of each epoch as it ends.

    Raises:
        UsageError: a setting does not fit.
        ParallelError: a rank failed, hangs, or all wait for each other.
    """
    require_at_least("--replicas", replicas, 1)
    require_at_least("--timeout", timeout, _LEAST_SECONDS)
    require_at_most("--timeout", timeout, MOST_SECONDS)
    device = _device(backend)
    settings = replace(settings, backend="threads", device=device)
    require_settings(settings, replicas)
    if settings.fault is not None and settings.fault.kind == "kill":
        raise UsageError("--fault kill would end all replicas: they are one process. Use --nproc.")
    source = settings.collective.rpartition(":")[0]
    journals = [_Listener(seen) for _ in range(replicas)]

    def rank(channel: Channel) -> Report | None:
        journal = journals[channel.rank]
        try:
            return train_rank(channel, settings, journal)
        except (Deadlock, ParallelError):
            raise
        except (Exception, SystemExit) as error:  # a sys.exit() would end all ranks, and well
            raise ParallelError(
                f"Rank {channel.rank} failed {journal.where}: {describe(error, source)}"
            ) from error

    try:
        run = run_ranks(rank, size=replicas, timeout=timeout, streams=device != "cpu")
    except Stuck as error:
        raise ParallelError(str(error)) from error
    except RuntimeError as error:
        raise ParallelError(str(error)) from error
    report: Report = run.values[0]
    return report


class _Listener(Journal):
    def __init__(self, seen: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._seen = seen

    def ended(self, epoch: Mapping[str, Any]) -> None:
        self._seen(epoch)


def _device(backend: str) -> str:
    import torch

    if backend == "nccl" and not torch.cuda.is_available():
        raise UsageError("backend 'nccl' needs a GPU, and there is none here. Use 'gloo'.")
    return "cuda" if backend != "gloo" and torch.cuda.is_available() else "cpu"
