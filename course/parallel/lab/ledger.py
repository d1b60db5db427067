"""The ledger of a run: what each rank was last seen doing, on pages that all processes share.

A rank that is killed or stopped can no longer say where it was; what it has written stays.
"""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

_BEAT_SECONDS = 0.2
_RECORD = np.dtype(
    {
        "names": ["pid", "rank", "state", "other", "epoch", "step", "since", "beat"],
        "formats": ["i8"] * 6 + ["f8"] * 2,
    }
)


class State(IntEnum):
    """What a rank is doing."""

    ABSENT = 0
    START = 1
    RUN = 2
    RECV = 3
    SEND = 4
    ALL = 5
    DONE = 6


WAITS = (State.RECV, State.SEND, State.ALL)


@dataclass(frozen=True)
class Entry:
    """What one rank was last seen doing.

    Attributes:
        rank: its number among all ranks, on whatever machine.
        pid: its process; 0 while it is absent.
        state: what it was doing.
        other: the rank it waited for, or -1.
        epoch: counted from 1; 0 before the first.
        step: counted from 1 in each epoch.
        since: when it began that, in seconds of the machine's steady clock.
        beat: when it was last alive.
    """

    rank: int
    pid: int
    state: State
    other: int
    epoch: int
    step: int
    since: float
    beat: float

    @property
    def where(self) -> str:
        """Where it was, in words."""
        return _where(self.epoch, self.step)


@dataclass(frozen=True)
class Failure:
    """What a rank has said before it ended.

    Attributes:
        rank: which one.
        text: what happened.
        kind: "own" for a fault of its own, "gone" where the connection to another rank was lost,
            "silent" where nothing came from one in time, "run" for what concerns all ranks alike.
        at: when, as in `Entry`.
        other: the rank that was gone or silent, or -1.
    """

    rank: int
    text: str
    kind: str
    at: float
    other: int = -1


class Journal:
    """What a training run tells about itself; this one only remembers where it is."""

    def __init__(self) -> None:
        self.epoch = self.step = 0

    @property
    def where(self) -> str:
        """Where it is, in words."""
        return _where(self.epoch, self.step)

    def at(self, epoch: int, step: int) -> None:
        """Begin a step."""
        self.epoch, self.step = epoch, step

    def note(self, what: str, other: int = -1) -> None:
        """Begin to wait ("recv", "send", "all") or go on ("run")."""

    def ended(self, epoch: Mapping[str, Any]) -> None:
        """Take what rank 0 says of an epoch."""


class LedgerJournal(Journal):
    """A journal in the ledger's file.

    Args:
        folder: the run's folder.
        local_rank: the rank's number on this machine.
        launcher: the process that has started this one; it may already be gone.
        alone: called once it is.
    """

    def __init__(
        self, folder: Path, local_rank: int, launcher: int, alone: Callable[[], None]
    ) -> None:
        super().__init__()
        self._folder = folder
        self._row = _pages(folder)[local_rank : local_rank + 1]
        self._row["pid"] = os.getpid()
        self._launcher, self._alone = launcher, alone
        self._row["beat"] = time.monotonic()
        self.note("start")
        threading.Thread(target=self._beat, daemon=True, name="beat").start()

    def at(self, epoch: int, step: int) -> None:
        """Begin a step."""
        super().at(epoch, step)
        self._row["epoch"], self._row["step"] = epoch, step
        self.note("run")

    def note(self, what: str, other: int = -1) -> None:
        """Begin to wait ("recv", "send", "all") or go on ("run")."""
        state = State[what.upper()]
        self._row["other"] = other
        if not state == self._row["state"][0] == State.RECV:  # else it tries again after an error
            self._row["since"] = time.monotonic()
        self._row["state"] = state

    def ended(self, epoch: Mapping[str, Any]) -> None:
        """Take what rank 0 says of an epoch."""
        with (self._folder / "epochs.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(epoch) + "\n")

    def _beat(self) -> None:
        while True:
            self._row["beat"] = time.monotonic()
            if os.name == "posix" and os.getppid() != self._launcher:
                self._alone()
            time.sleep(_BEAT_SECONDS)


def open_ledger(folder: Path, ranks: Sequence[int]) -> None:
    """Make the ledger of a run with these ranks on this machine."""
    rows = np.zeros(len(ranks), _RECORD)
    rows["rank"] = ranks
    rows.tofile(folder / "ledger")


def entries(folder: Path) -> list[Entry]:
    """Return what each rank on this machine was last seen doing."""
    return [
        Entry(
            rank=int(row["rank"]),
            pid=int(row["pid"]),
            state=State(int(row["state"])),
            other=int(row["other"]),
            epoch=int(row["epoch"]),
            step=int(row["step"]),
            since=float(row["since"]),
            beat=float(row["beat"]),
        )
        for row in np.fromfile(folder / "ledger", _RECORD)
    ]


def say(folder: Path, failure: Failure) -> None:
    """Leave word of a failure."""
    path = folder / f"failure-{failure.rank}.json"
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(failure)), encoding="utf-8")
    unfinished.replace(path)


def failures(folder: Path) -> list[Failure]:
    """Return what the ranks on this machine have said, by their numbers."""
    said = [
        Failure(**json.loads(path.read_text(encoding="utf-8")))
        for path in folder.glob("failure-*.json")
    ]
    return sorted(said, key=lambda failure: failure.rank)


def epochs(folder: Path) -> list[dict[str, Any]]:
    """Return what rank 0 has said of the epochs so far."""
    path = folder / "epochs.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def describe(error: BaseException, source: str = "") -> str:
    """Say on one line what was raised and where, for a student's file only if it was there.

    Args:
        error: what was raised.
        source: the student's file, if there is one.
    """
    begin = str(Path(source)) if source else ""  # as its code is compiled: ./own.py is own.py
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(begin)
    ]
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if not frames:
        return said
    frame = frames[-1]
    file, cell = frame.filename.partition(", cell ")[::2]
    place = f"{Path(file).name}, cell {cell}," if cell else Path(file).name
    return f"{said} ({place} line {frame.lineno})"


def _where(epoch: int, step: int) -> str:
    return f"in epoch {epoch}, step {step}" if epoch else "before the first step"


def _pages(folder: Path) -> Any:
    return np.memmap(folder / "ledger", _RECORD, "r+")
