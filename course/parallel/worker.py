"""What each process of ``course parallel`` runs; torchrun has told it its rank."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from course.parallel.errors import ParallelError
from course.parallel.ledger import Failure, LedgerJournal, describe, say
from course.parallel.torch_channel import TorchChannel, Unreachable, connect


def main() -> None:
    """Run this rank's part of the job in the folder that the command line names.

    Whatever goes wrong ends the process at once: an orderly end would wait for the others.
    """
    folder = Path(sys.argv[1])
    rank = int(os.environ["RANK"])
    os.dup2(2, 1)  # what a student's function prints must not get into the command's JSON
    journal = LedgerJournal(folder, int(os.environ["LOCAL_RANK"]), rank, _leave)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    try:
        with connect(backend=job["backend"], timeout=job["timeout"], note=journal.note) as channel:
            journal.note("run")
            result = _do(job, channel, journal)
            journal.note("run")
        if result is not None:
            _hand_in(folder, result)
        journal.note("done")
    except BaseException as error:  # also SystemExit and KeyboardInterrupt from a student's file
        say(folder, _failure(rank, error, job["source"], journal))
        _leave()


def _do(job: dict[str, Any], channel: TorchChannel, journal: LedgerJournal) -> Any:
    device = str(channel.device)
    backend = "gloo" if channel.device.type == "cpu" else "nccl"
    if job["kind"] == "links":
        from course.parallel.links import measure_link

        return measure_link(channel, device, backend)
    from course.parallel.training import Fault, Settings, train_rank

    settings = Settings(**job["settings"])
    if job["settings"]["fault"] is not None:
        settings = replace(settings, fault=Fault(**job["settings"]["fault"]))
    return train_rank(channel, replace(settings, device=device, backend=backend), journal)


def _hand_in(folder: Path, result: Any) -> None:
    """Write the result for the launcher, which looks once all processes have ended."""
    if hasattr(result, "parameters"):
        np.savez(folder / "parameters.npz", *result.parameters)
    (folder / "result.json").write_text(json.dumps(result.as_dict()), encoding="utf-8")


def _failure(rank: int, error: BaseException, source: str, journal: LedgerJournal) -> Failure:
    import time

    now = time.monotonic()
    lost = _unreachable(error)
    if lost is not None:
        return Failure(rank, str(lost), "lost", now, lost.other)
    if isinstance(error, ParallelError):
        return Failure(rank, str(error), "run", now)
    return Failure(rank, describe(error, source), "own", now)


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
