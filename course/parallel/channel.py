"""How ranks reach each other, and K of them in one kernel."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from array_api_compat import is_torch_array

from course._arrays import Array
from course._numbers import as_count, as_number
from course._ranks import (
    Deadlock,
    Line,
    Message,
    Office,
    Outcome,
    ThreadChannel,
    Turns,
    run_together,
)


class Channel(Protocol):
    r"""What a parallel algorithm needs: its rank, the number of ranks, send and receive.

    .. math:: \text{rank} \in \{0, ..., K - 1\}, \qquad K = \text{size}

    ``send(array, to)`` sends a copy and does not wait until it is received. ``recv(source)``
    returns the next array from that rank and waits until it comes; arrays from one rank come in the
    order in which they were sent. Shapes and dtypes travel along.

    Attributes:
        rank: the number of this rank, from 0.
        size: K, the number of ranks.

    Raises:
        ValueError: there is no such rank, or it is this one.
        TypeError: what is sent is no array.
        RuntimeError: no rank can go on, or nothing came within the channel's timeout.

    Example:
        >>> def hand_on(channel, x):
        ...     channel.send(x, (channel.rank + 1) % channel.size)
        ...     return channel.recv((channel.rank - 1) % channel.size)
        >>> run_ranks(hand_on, [np.zeros(1), np.ones(1)]).values
        [array([1.]), array([0.])]

    References:
        The Message Passing Interface Forum, *MPI: A Message-Passing Interface Standard*, 1994:
        its ``MPI_Bsend`` and ``MPI_Recv``.

    Who differs:
        In ``torch.distributed`` ``recv`` fills an array that the receiver must have made in the
        right shape, and with NCCL a send waits for its receiver: there a ring in which everyone
        sends first stands still, unless both are posted together.
    """

    @property
    def rank(self) -> int:
        """The number of this rank."""

    @property
    def size(self) -> int:
        """The number of ranks."""

    def send(self, array: Array, to: int) -> None:
        """Send a copy of an array to another rank."""

    def recv(self, source: int) -> Array:
        """Return the next array from another rank."""


@dataclass(frozen=True)
class Run:
    r"""What `run_ranks` gives: results, and the traffic that they took.

    .. math:: \text{bytes sent by rank } r = \sum_{\text{messages from } r} \text{nbytes}

    Args:
        values: what each rank returned.
        bytes_sent: how many bytes each rank sent.
        messages: all messages in the order of sending, each with ``source``, ``to``, ``nbytes``.

    Raises:
        Nothing.

    Example:
        >>> run = run_ranks(central_all_reduce, [np.ones(3), np.ones(3)])
        >>> run.bytes_sent, run.messages[0]
        ([24, 24], Message(source=1, to=0, nbytes=24))

    References:
        The course's own; 2026.

    Who differs:
        Nobody: a network's own headers are not counted, here or in textbooks.
    """

    values: list[Any]
    bytes_sent: list[int]
    messages: list[Message]


def run_ranks(
    function: Callable[..., Any],
    *arguments: Sequence[Any],
    size: int | None = None,
    timeout: float = 60.0,
    streams: bool = False,
) -> Run:
    r"""Run a parallel algorithm on K replicas in this kernel and return what each gives.

    .. math:: \text{values}_r = f(\text{channel}_r, a_r, b_r, ...), \qquad r = 0, ..., K - 1

    Each rank is a thread; one runs at a time, until it waits or returns, so every run is the same.
    Where none can go on, that is found at once.

    Args:
        function: what every rank runs; its first argument is the rank's `Channel`.
        *arguments: sequences with one entry for each rank: the function's further arguments.
        size: K, where there are no arguments to tell.
        timeout: the seconds that a rank may compute between two messages, above 0.
        streams: give each rank a CUDA stream of its own; its arrays are then torch tensors on a
            GPU, and the replicas' work on it may overlap.

    Returns:
        A `Run`.

    Raises:
        ValueError: the arguments have not one entry a rank, or ``timeout`` is out of range.
        TypeError: ``size`` is no whole number.
        RuntimeError: no rank can go on (the text names who waits for whom), or messages were sent
            that nobody received.
        TimeoutError: a rank computes for longer than ``timeout``.
        Exception: what a rank raised, with a note that names the rank.

    Example:
        >>> def largest(channel, x):
        ...     if channel.rank > 0:
        ...         channel.send(x, 0)
        ...         return None
        ...     return max([x, *(channel.recv(r) for r in range(1, channel.size))])
        >>> run_ranks(largest, [np.array(2.0), np.array(7.0), np.array(5.0)]).values
        [array(7.), None, None]

    References:
        Hillis and Steele, *Data Parallel Algorithms*, 1986, doi:10.1145/7902.7903.

    Who differs:
        ``torch.distributed`` has a backend of threads for its own tests; it cannot send and
        receive.
    """
    counts = {len(each) for each in arguments} | ({size} if size is not None else set())
    if len(counts) != 1:
        raise ValueError(
            f"run_ranks: the arguments have {sorted(counts)} entries; give each one for each rank, "
            "or size=K where there are none."
        )
    size = as_count("run_ranks", "size", counts.pop())
    timeout = as_number("run_ranks", "timeout", timeout, "(0, inf)")
    office, turns = Office(size, _sent), Turns(size)
    channels = [ThreadChannel(_arriving(line), turns) for line in office.lines()]
    calls = [
        functools.partial(function, channel, *(each[rank] for each in arguments))
        for rank, channel in enumerate(channels)
    ]
    outcomes = run_together(_on_streams(calls) if streams else calls, turns, timeout)
    _require_success(outcomes)
    if office.left_over():
        raise RuntimeError(
            f"run_ranks: {office.left_over()} of {len(office.messages)} messages were never "
            "received. Each send needs its recv."
        )
    return Run([outcome.value for outcome in outcomes], office.bytes_sent(), office.messages)


def _require_success(outcomes: Sequence[Outcome]) -> None:
    """Raise the first error that is no mere wait for a rank that failed."""
    errors = [(rank, it.error) for rank, it in enumerate(outcomes) if it.error is not None]
    errors.sort(key=lambda pair: isinstance(pair[1], Deadlock))
    for rank, error in errors:
        if not isinstance(error, Deadlock):
            error.add_note(f"This happened on rank {rank} of {len(outcomes)}.")
        raise error


def _sent(array: Array) -> tuple[Array, Any]:
    """Return a copy, and the event on the sender's stream after which a GPU has made it."""
    if not is_torch_array(array):
        return array.copy(), None
    copy = array.detach().clone()
    return copy, _current_stream().record_event() if copy.is_cuda else None


def _arriving(line: Line) -> Line:
    """Return a line whose messages are complete before the receiver's stream reads them."""

    def fetch(source: int) -> Array:
        copy, made = line.fetch(source)
        if made is not None:
            _current_stream().wait_event(made)
            copy.record_stream(_current_stream())
        return copy

    return replace(line, fetch=fetch)


def _on_streams(calls: Sequence[Callable[[], Any]]) -> list[Callable[[], Any]]:
    """Let each call put its work on a CUDA stream of its own."""
    import torch

    before = _current_stream()

    def on_stream(call: Callable[[], Any]) -> Any:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(before)
        with torch.cuda.stream(stream):
            result = call()
        before.wait_stream(stream)
        return result

    return [functools.partial(on_stream, call) for call in calls]


def _current_stream() -> Any:
    import torch

    return torch.cuda.current_stream()
