"""What each process of ``course parallel`` runs; torchrun has told it its rank."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from course.parallel.lab.errors import ParallelError
from course.parallel.lab.ledger import Failure, LedgerJournal, describe, say
from course.parallel.lab.settings import Fault, Settings
from course.parallel.torch_channel import TorchChannel, Unreachable, connect


def main() -> None:
    """Run this rank's part of the job in the folder that the command line names.

    Whatever goes wrong ends the process at once: an orderly end would wait for the others.
    """
    folder = Path(sys.argv[1])
    rank = int(os.environ["RANK"])
    os.dup2(2, 1)  # what a student's function prints must not get into the command's JSON
    sys.stdout = sys.stderr  # line by line: a rank that is killed flushes nothing
    try:
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    except FileNotFoundError:  # the launcher is gone, and another rank has tidied up
        _leave()

    def tidy() -> NoReturn:
        shutil.rmtree(folder, ignore_errors=True)
        _leave()

    journal = LedgerJournal(folder, int(os.environ["LOCAL_RANK"]), job["launcher"], tidy)
    try:
        work = _prepared(job, journal)
        journal.note("all")
        with connect(backend=job["backend"], timeout=job["timeout"], note=journal.note) as channel:
            result = work(channel)
        if result is not None:
            _hand_in(folder, result)
        journal.note("done")
    except BaseException as error:  # also SystemExit and KeyboardInterrupt from a student's file
        say(folder, _failure(rank, error, job))
        _leave()


def _prepared(job: dict[str, Any], journal: LedgerJournal) -> Callable[[TorchChannel], Any]:
    """Load all that the job needs, and return what is left to do once the ranks have met."""
    from course.parallel.lab import links, training

    if job["kind"] == "links":
        return lambda channel: links.measure_link(channel, *_means(channel))
    settings = Settings(**job["settings"])
    if job["settings"]["fault"] is not None:
        settings = replace(settings, fault=Fault(**job["settings"]["fault"]))
    training.prepare(settings)

    def train(channel: TorchChannel) -> Any:
        device, backend = _means(channel)
        return training.train_rank(
            channel, replace(settings, device=device, backend=backend), journal
        )

    return train


def _means(channel: TorchChannel) -> tuple[str, str]:
    """Return the device of a channel's tensors and the backend that carries them."""
    return str(channel.device), "gloo" if channel.device.type == "cpu" else "nccl"


def _hand_in(folder: Path, result: Any) -> None:
    """Write the result for the launcher, which looks once all processes have ended."""
    if hasattr(result, "parameters"):
        np.savez(folder / "parameters.npz", *result.parameters)
    (folder / "result.json").write_text(json.dumps(result.as_dict()), encoding="utf-8")


def _failure(rank: int, error: BaseException, job: dict[str, Any]) -> Failure:
    now = time.monotonic()
    lost = _unreachable(error)
    if lost is not None:
        kind = "silent" if lost.seconds > job["timeout"] / 2 else "gone"
        return Failure(rank, str(lost), kind, now, lost.other)
    if isinstance(error, ParallelError):
        return Failure(rank, str(error), "run", now)
    return Failure(rank, describe(error, job["source"]), "own", now)


def _unreachable(error: BaseException | None) -> Unreachable | None:
    """Return the lost connection behind an error, which a student's function may have wrapped."""
    while error is not None:
        if isinstance(error, Unreachable):
            return error
        error = error.__cause__ or error.__context__
    return None


def _leave() -> NoReturn:
    sys.stderr.flush()
    os._exit(1)
