"""Which rank ended a run, and how: one sentence from what all ranks have left behind.

When one rank is gone, the others soon lose their connection to it or wait in vain. So what counts
is not who complained first, but in this order: a death by a signal, an error of a rank's own, a
rank that is silent while others wait, and a ring of ranks that wait for each other.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from course.parallel.lab.ledger import WAITS, Entry, Failure, State

_ABORTED = 6
"""How NCCL ends a rank that has waited in vain, where a signal of the user's looks the same."""


def explain(
    ranks: Sequence[Entry],
    said: Sequence[Failure],
    ended: Mapping[int, int],
    timeout: float,
    now: float = 0.0,
) -> str:
    """Say what ended a run.

    Args:
        ranks: the ledger of this machine.
        said: what ranks told before they ended.
        ended: exit statuses by rank, in the order of their deaths, without those whom the launcher
            has killed; negative ones are signals.
        timeout: the seconds that a rank may be silent.
        now: when the run was given up, if the launcher did that.
    """
    now = max([now, *(entry.beat for entry in ranks), *(failure.at for failure in said)])
    return (
        _killed(ranks, said, ended)
        or _own_error(ranks, said)
        or _left(ranks, said, ended)
        or _absent(ranks, ended)
        or _hanging(ranks, said, ended, timeout, now)
        or _deadlock(ranks)
        or _lost(ranks, said)
        or "The run ended, and no rank has said why."
    )


def _killed(ranks: Sequence[Entry], said: Sequence[Failure], ended: Mapping[int, int]) -> str:
    """Name the first rank that a signal has ended.

    torchrun ends the others by SIGTERM once one has failed; so that signal counts only for the
    rank with which it began.
    """
    signalled = {rank: -code for rank, code in ended.items() if code < 0}
    waited = {entry.rank for entry in ranks if entry.state in WAITS}
    blamed = [
        rank
        for rank, number in signalled.items()
        if number != signal.SIGTERM and not (number == _ABORTED and rank in waited)
    ]
    first = min(said, key=lambda failure: failure.at, default=None)
    suspect = next(iter(ended), -1)
    if first is not None:
        suspect = first.other if first.kind == "gone" else -1
    if signalled.get(suspect) == signal.SIGTERM:
        blamed.append(suspect)
    if not blamed:
        return ""
    name = signal.Signals(signalled[blamed[0]]).name
    return f"Rank {blamed[0]} was killed ({name}) {_where(ranks, blamed[0])}."


def _own_error(ranks: Sequence[Entry], said: Sequence[Failure]) -> str:
    for failure in said:
        if failure.kind == "run":
            return failure.text
    for failure in said:
        if failure.kind == "own":
            return f"Rank {failure.rank} failed {_where(ranks, failure.rank)}: {failure.text}"
    return ""


def _left(ranks: Sequence[Entry], said: Sequence[Failure], ended: Mapping[int, int]) -> str:
    """Name a rank that ended without a word, by os._exit for instance."""
    told = {failure.rank for failure in said}
    for rank, code in ended.items():
        if code > 0 and rank not in told:
            return f"Rank {rank} ended with status {code} {_where(ranks, rank)}."
    here = {entry.rank for entry in ranks}
    for failure in said:
        if failure.kind == "gone" and failure.other in here - told - ended.keys():
            return (
                f"Rank {failure.other} ended {_where(ranks, failure.other)}, without an error, "
                f"while rank {failure.rank} still needed it."
            )
    return ""


def _absent(ranks: Sequence[Entry], ended: Mapping[int, int]) -> str:
    for entry in ranks:
        if entry.state is State.ABSENT and entry.rank not in ended:
            return f"Rank {entry.rank} hangs: its process has started and said nothing yet."
    return ""


def _hanging(
    ranks: Sequence[Entry],
    said: Sequence[Failure],
    ended: Mapping[int, int],
    timeout: float,
    now: float,
) -> str:
    """Name a rank that is stopped, or computes while others wait."""
    told = {failure.rank for failure in said}
    mute = [entry for entry in ranks if entry.rank not in told and entry.state is not State.DONE]
    silences = [
        (now - entry.beat, entry)
        for entry in mute
        if entry.rank not in ended and now - entry.beat > timeout / 2
    ] + [
        (now - entry.since, entry)
        for entry in mute
        if entry.state in (State.START, State.RUN) and now - entry.since > timeout / 2
    ]
    for seconds, entry in silences:
        return (
            f"Rank {entry.rank} hangs: nothing from it for {seconds:.0f} s; "
            f"last seen {entry.where}."
        )
    return ""


def _deadlock(ranks: Sequence[Entry]) -> str:
    waits = {entry.rank: entry for entry in ranks if entry.state in (State.RECV, State.SEND)}
    ring = _ring({rank: entry.other for rank, entry in waits.items()})
    if not ring:
        return ""
    return f"Deadlock {waits[ring[0]].where}: {', '.join(_wait(waits[r]) for r in ring)}."


def _ring(waits: Mapping[int, int]) -> list[int]:
    """Return ranks that wait for each other in a ring, from the lowest; none without one."""
    for first in sorted(waits):
        rank, seen = waits[first], [first]
        while rank in waits and rank not in seen:
            seen.append(rank)
            rank = waits[rank]
        if rank == first:
            return seen
    return []


def _wait(entry: Entry) -> str:
    if entry.state is State.SEND:
        return f"rank {entry.rank} waits until rank {entry.other} receives"
    return f"rank {entry.rank} waits for rank {entry.other}"


def _lost(ranks: Sequence[Entry], said: Sequence[Failure]) -> str:
    here = {entry.rank: entry for entry in ranks}
    for failure in said:
        if failure.kind not in ("gone", "silent"):
            continue
        place = _where(ranks, failure.rank)
        if failure.other < 0:
            return f"Rank {failure.rank} lost the others {place}: {failure.text}"
        other = here.get(failure.other)
        if other is None:
            return (
                f"Rank {failure.rank} lost rank {failure.other} {place}, which runs on another "
                "machine: what happened is said there."
            )
        done = "has ended" if other.state is State.DONE else f"was last seen {other.where}"
        return (
            f"Rank {failure.rank} waited in vain for rank {failure.other} {place}; "
            f"rank {failure.other} {done}."
        )
    return ""


def _where(ranks: Sequence[Entry], rank: int) -> str:
    return next((entry.where for entry in ranks if entry.rank == rank), "on another machine")
