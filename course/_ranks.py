"""Ranks in one kernel: a thread each, messages between them, and one at a time in a fixed order.

A rank gives its turn away where it waits for a message that is not there yet. So every run is the
same, and where no rank can go on, that is found at once and needs no clock.
"""

from __future__ import annotations

import contextlib
import ctypes
import operator
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_STACK = 2**20
"""Bytes; the system's usual 8 MB a thread would count as memory in use where that is limited."""

_MANY = 100
"""So often a rank may catch the deadlock that it is in, and wait again."""

_ENVELOPE = 100
"""Bytes; what a message counts for where there is a limit, besides its own."""


class Deadlock(RuntimeError):  # noqa: N818 - it reads as a sentence in a traceback
    """No rank can go on.

    Attributes:
        waits: for each rank that waits the rank that it waits for.
    """

    def __init__(self, waits: Mapping[int, int]) -> None:
        self.waits = dict(sorted(waits.items()))
        super().__init__(_who_waits(self.waits))


class Stuck(TimeoutError):  # noqa: N818 - as above
    """A rank has neither sent, received nor returned for too long."""

    def __init__(self, rank: int, seconds: float) -> None:
        self.rank, self.seconds = rank, seconds
        super().__init__(
            f"Rank {rank} has neither sent, received nor returned for {seconds:g} s. "
            "Is there a loop that never ends?"
        )


@dataclass(frozen=True)
class Line:
    """What leads from a rank to where messages lie: that may be in another process.

    Attributes:
        rank: whose line it is.
        size: the number of ranks.
        post: takes an array and the rank that shall have it.
        fetch: gives the next array from a rank, which must be there.
    """

    rank: int
    size: int
    post: Callable[[Any, int], Any]
    fetch: Callable[[int], Any]


@dataclass(frozen=True)
class Message:
    """Who has sent how many bytes to whom."""

    source: int
    to: int
    nbytes: int


class Office:
    """Where messages lie until they are fetched: it counts their bytes and remembers their order.

    Args:
        size: the number of ranks.
        copy: makes a copy of an array that nobody else holds.
        limit: the most bytes that may be sent in all; a message counts as 100 more.

    Attributes:
        messages: all that were sent, in order.
    """

    def __init__(
        self, size: int, copy: Callable[[Any], Any] = np.array, limit: int | None = None
    ) -> None:
        self.size = size
        self.messages: list[Message] = []
        self._copy, self._limit, self._total = copy, limit, 0
        self._boxes: dict[tuple[int, int], deque[Any]] = {}

    def lines(self) -> list[Line]:
        """Return each rank's line."""

        def line(rank: int) -> Line:
            def post(array: Any, to: int) -> None:
                self._post(rank, array, to)

            def fetch(source: int) -> Any:
                return self._boxes[source, rank].popleft()

            return Line(rank, self.size, post, fetch)

        return [line(rank) for rank in range(self.size)]

    def bytes_sent(self) -> list[int]:
        """Return how many bytes each rank has sent."""
        sent = Counter[int]()
        for message in self.messages:
            sent[message.source] += message.nbytes
        return [sent[rank] for rank in range(self.size)]

    def left_over(self) -> int:
        """Return how many messages nobody has received."""
        return sum(map(len, self._boxes.values()))

    def _post(self, rank: int, array: Any, to: int) -> None:
        nbytes = getattr(array, "nbytes", None)
        if not isinstance(nbytes, int) or not hasattr(array, "shape"):
            raise TypeError(f"send takes an array, got a {type(array).__name__}: {array!r:.80}")
        if not 0 <= to < self.size:
            raise ValueError(f"there is no rank {to}: with {self.size} ranks they are 0 to "
                             f"{self.size - 1}")  # fmt: skip
        self._total += nbytes + _ENVELOPE
        if self._limit is not None and self._total > self._limit:
            raise ValueError(f"the ranks have sent more than {self._limit} bytes: that is too much")
        self.messages.append(Message(rank, to, nbytes))
        self._boxes.setdefault((rank, to), deque()).append(self._copy(array))


class Turns:
    """Whose turn it is, who waits for whom, and what lies ready.

    Args:
        size: the number of ranks.

    Attributes:
        now: the rank whose turn it is.
        moves: how much has happened; where that stands still, a rank computes.
        waits: for each rank that waits the rank that it waits for.
        deadlock: the same at the moment when no rank could go on; None until then.
        asleep: the ranks that will never return.
        finished: set when all others have.
    """

    def __init__(self, size: int) -> None:
        self.moves = 0
        self.now = 0
        self.finished = threading.Event()
        self.waits: dict[int, int] = {}
        self._gates = [threading.Semaphore(0) for _ in range(size)]
        self._there = Counter[tuple[int, int]]()
        self._live = set(range(size))
        self.deadlock: dict[int, int] | None = None
        self.asleep: set[int] = set()
        self._caught = Counter[int]()
        self._interrupted: set[int] = set()
        self._over = False

    def begin(self) -> None:
        """Give the first rank its turn."""
        self._gates[0].release()

    def await_turn(self, rank: int) -> None:
        """Return when it is this rank's turn."""
        self._gates[rank].acquire()

    def sent(self, rank: int, to: int) -> None:
        """Note that a message lies ready."""
        self.moves += 1
        self._there[rank, to] += 1

    def await_message(self, rank: int, source: int) -> None:
        """Let others go on until a message from this source lies ready.

        Raises:
            Deadlock: there will be none.
        """
        # An answer that catches its deadlock and tries again for ever makes no move.
        self.moves += self.deadlock is None
        if not self._there[source, rank]:
            self.waits[rank] = source
            self._pass_on()
            self.await_turn(rank)
            if self.deadlock is not None:
                self._caught[rank] += 1
                if self._caught[rank] > _MANY:
                    self._stop(rank)
                raise Deadlock(self.deadlock)  # a new one: an old one keeps all its tracebacks
            del self.waits[rank]
        self._there[source, rank] -= 1

    def end(self, rank: int) -> None:
        """Note that a rank has returned."""
        self.moves += 1
        self._live.discard(rank)
        if self._live:
            self._pass_on()
        else:
            self.finished.set()

    def abandon(self) -> None:
        """Let every rank that waits end, whatever the others do."""
        if self.deadlock is None:
            self.deadlock = dict(self.waits)
        self._over = True
        for gate in self._gates:
            gate.release()

    def require_going_on(self, rank: int) -> None:
        """Stop a rank that goes on after the run is over.

        Raises:
            KeyboardInterrupt: it is.
        """
        if self._over:
            self._stop(rank)

    def _stop(self, rank: int) -> None:
        """Interrupt a rank; one that catches even that sleeps, or it would go on for ever."""
        if rank not in self._interrupted:
            self._interrupted.add(rank)
            raise KeyboardInterrupt
        self.asleep.add(rank)
        self.end(rank)
        threading.Event().wait()

    def _pass_on(self) -> None:
        size = len(self._gates)
        for rank in ((self.now + step) % size for step in range(1, size + 1)):
            if rank in self._live and self._can_go_on(rank):
                break
        else:
            self.deadlock = dict(self.waits)
            rank = min(self._live)
        self.now = rank
        self._gates[rank].release()

    def _can_go_on(self, rank: int) -> bool:
        ready = rank not in self.waits or self._there[self.waits[rank], rank] > 0
        return ready or self.deadlock is not None


class ThreadChannel:
    """A rank's channel to the others in one kernel; see `course.parallel.Channel`."""

    def __init__(self, line: Line, turns: Turns) -> None:
        self._line, self._turns = line, turns

    @property
    def rank(self) -> int:
        """The number of this rank, from 0."""
        return self._line.rank

    @property
    def size(self) -> int:
        """The number of ranks."""
        return self._line.size

    def send(self, array: Any, to: int) -> None:
        """Send a copy of an array to another rank; it does not wait until that receives it."""
        self._turns.require_going_on(self.rank)
        to = self._other("send to", to)
        self._line.post(array, to)
        self._turns.sent(self.rank, to)

    def recv(self, source: int) -> Any:
        """Return the next array that another rank has sent to this one, and wait until it comes."""
        self._turns.require_going_on(self.rank)
        source = self._other("receive from", source)
        self._turns.await_message(self.rank, source)
        return self._line.fetch(source)

    def __repr__(self) -> str:
        return f"Channel(rank={self.rank}, size={self.size})"

    def _other(self, what: str, number: int) -> int:
        return require_other(self.rank, self.size, what, number)


@dataclass(frozen=True)
class Outcome:
    """What a rank has returned, or the error that ended it."""

    value: Any = None
    error: BaseException | None = None


def require_other(rank: int, size: int, what: str, number: int) -> int:
    """Return the number of another rank as an int.

    Raises:
        TypeError: it is no whole number.
        ValueError: there is no such rank, or it is this one.
    """
    if getattr(number, "shape", ()):
        raise TypeError(
            f"rank {rank} cannot {what} an array: a rank is a whole number. The calls are "
            "send(array, to) and recv(source)."
        )
    try:
        other = operator.index(number)
    except TypeError:
        text = f"rank {rank} cannot {what} {number!r:.80}: a rank is a whole number."
        raise TypeError(text) from None
    if not 0 <= other < size:
        ranks = f"with {size} ranks they are 0 to {size - 1}" if size > 1 else "there is only 0"
        raise ValueError(f"rank {rank} cannot {what} rank {other}: {ranks}.")
    if other == rank:
        raise ValueError(f"rank {rank} cannot {what} itself.")
    return other


def run_together(
    calls: Sequence[Callable[[], Any]], turns: Turns, timeout: float | None = None
) -> list[Outcome]:
    """Make each call in a thread of its own, one at a time, and return what came of each.

    Args:
        calls: one for each rank.
        turns: what the ranks' channels share.
        timeout: the seconds that a rank may take between two messages.
    """
    # Until a rank has an outcome it counts as interrupted: one that catches all may never have any.
    outcomes = [Outcome(error=KeyboardInterrupt())] * len(calls)

    def be_rank(rank: int) -> None:
        turns.await_turn(rank)
        try:
            turns.require_going_on(rank)
            outcomes[rank] = Outcome(calls[rank]())
        except BaseException as error:
            outcomes[rank] = Outcome(error=error)
        finally:
            turns.end(rank)

    threads = _started(be_rank, len(calls))
    turns.begin()
    try:
        stuck = _watch(turns, timeout)
    except BaseException:
        _interrupt(threads, turns)
        raise
    if stuck:
        _interrupt(threads, turns)
        return [
            Outcome(error=Stuck(rank, stuck.seconds))
            if rank == stuck.rank or isinstance(outcome.error, KeyboardInterrupt)
            else outcome
            for rank, outcome in enumerate(outcomes)
        ]
    for rank, thread in enumerate(threads):
        if rank not in turns.asleep:
            thread.join()
    return [
        Outcome(error=Deadlock(turns.deadlock))
        if turns.deadlock is not None and isinstance(outcome.error, KeyboardInterrupt)
        else outcome
        for outcome in outcomes
    ]


def _started(target: Callable[[int], None], count: int) -> list[threading.Thread]:
    before = threading.stack_size(_STACK)
    try:
        threads = [
            threading.Thread(target=target, args=(rank,), name=f"rank {rank}", daemon=True)
            for rank in range(count)
        ]
        for thread in threads:
            thread.start()
    finally:
        threading.stack_size(before)
    return threads


def _watch(turns: Turns, timeout: float | None) -> Stuck | None:
    """Return when all ranks have, or one has made no move for too long."""
    moves = -1
    while not turns.finished.wait(timeout):
        if turns.moves == moves and timeout is not None:
            return Stuck(turns.now, timeout)
        moves = turns.moves
    return None


def _interrupt(threads: Sequence[threading.Thread], turns: Turns) -> None:
    """Stop the rank whose turn it is as Ctrl-C would, then all that do not end by themselves."""
    stop = ctypes.py_object(KeyboardInterrupt)
    late = [threads[turns.now]]
    for _ in range(3):  # more of them may never end, and would go on in the background
        for thread in late:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), stop)
        with contextlib.suppress(KeyboardInterrupt):
            turns.abandon()
        for thread in threads:
            thread.join(0.2)
        late = [thread for thread in threads if thread.is_alive()]


def _who_waits(waits: Mapping[int, int]) -> str:
    ranks = [f"rank {rank} waits for rank {source}" for rank, source in waits.items()]
    gone = sorted(set(waits.values()) - set(waits))
    ended = [f"rank {rank} has returned" for rank in gone]
    return f"No rank can go on: {', '.join(ranks + ended)}"
