"""Ranks in one kernel: whose turn it is, what is counted, and how every run ends."""

import contextlib
import functools
import itertools
import threading
import time
import traceback

import numpy as np
import pytest

from course._ranks import (
    Deadlock,
    Message,
    Office,
    Stuck,
    ThreadChannel,
    Turns,
    require_other,
    run_together,
)


def run(function, size, timeout=None, office=None):
    """Run a function of a channel on all ranks and return the outcomes."""
    office, turns = office or Office(size), Turns(size)
    channels = [ThreadChannel(line, turns) for line in office.lines()]
    return run_together([functools.partial(function, c) for c in channels], turns, timeout)


def errors(outcomes):
    return [type(outcome.error) for outcome in outcomes]


def around(channel, x):
    channel.send(x, (channel.rank + 1) % channel.size)
    return channel.recv((channel.rank - 1) % channel.size)


@pytest.mark.parametrize("size", [2, 3, 8])
def test_messages_arrive(size):
    outcomes = run(lambda c: float(around(c, np.array(float(c.rank)))), size)
    assert [outcome.value for outcome in outcomes] == [(r - 1) % size for r in range(size)]
    assert errors(outcomes) == [type(None)] * size


def test_one_rank_alone_needs_nobody():
    assert run(lambda c: (c.rank, c.size), 1)[0].value == (0, 1)


def test_messages_of_one_rank_arrive_in_order():
    def function(channel):
        if channel.rank == 0:
            for number in range(4):
                channel.send(np.array(number), 1)
            return None
        return [int(channel.recv(0)) for _ in range(4)]

    assert run(function, 2)[1].value == [0, 1, 2, 3]


def test_only_one_rank_runs_at_a_time_and_every_run_is_the_same():
    def trace():
        seen = []

        def function(channel):
            seen.append(("start", channel.rank))
            around(channel, np.zeros(1))
            seen.append(("end", channel.rank))

        run(function, 4)
        return seen

    first = trace()
    # Rank 0 waits for rank 3; what rank 1 waits for is there when it has its turn.
    assert first[:3] == [("start", 0), ("start", 1), ("end", 1)]
    assert first[-1] == ("end", 0)
    assert all(trace() == first for _ in range(20))


def test_what_is_sent_is_a_copy():
    def function(channel):
        if channel.rank == 0:
            x = np.zeros(2)
            channel.send(x, 1)
            x += 1
            return x
        return channel.recv(0)

    assert run(function, 2)[1].value.tolist() == [0, 0]


def test_an_office_counts_bytes_and_remembers_messages():
    office = Office(3)
    run(lambda c: around(c, np.zeros((2, c.rank), dtype="f4")), 3, office=office)
    assert office.bytes_sent() == [0, 8, 16]
    assert office.messages == [Message(0, 1, 0), Message(1, 2, 8), Message(2, 0, 16)]
    assert office.left_over() == 0


def test_what_nobody_receives_is_left_over():
    office = Office(2)
    run(lambda c: c.send(np.zeros(3), 1 - c.rank), 2, office=office)
    assert office.left_over() == 2


DEADLOCKS = {
    "everyone receives first": (
        lambda c: c.recv((c.rank - 1) % c.size),
        3,
        {0: 2, 1: 0, 2: 1},
        "No rank can go on: rank 0 waits for rank 2, rank 1 waits for rank 0, "
        "rank 2 waits for rank 1",
    ),
    "a rank is missing": (
        lambda c: None if c.rank == 1 else around(c, np.zeros(1)),
        3,
        {2: 1},
        "No rank can go on: rank 2 waits for rank 1, rank 1 has returned",
    ),
    "two of four": (
        lambda c: c.recv(c.rank ^ 1) if c.rank < 2 else None,
        4,
        {0: 1, 1: 0},
        "No rank can go on: rank 0 waits for rank 1, rank 1 waits for rank 0",
    ),
}


@pytest.mark.parametrize(("function", "size", "waits", "text"), DEADLOCKS.values(), ids=DEADLOCKS)
def test_a_deadlock_is_found_at_once_and_names_who_waits(function, size, waits, text):
    outcomes = run(function, size)
    found = [outcome.error for outcome in outcomes if outcome.error]
    assert len(found) == len(waits)
    assert all(isinstance(error, Deadlock) for error in found)
    assert found[0].waits == waits
    assert str(found[0]) == text


def test_who_swallows_a_deadlock_meets_it_again():
    def function(channel):
        for _ in range(3):
            with contextlib.suppress(Deadlock):
                channel.recv(1 - channel.rank)
        channel.recv(1 - channel.rank)

    assert errors(run(function, 2)) == [Deadlock, Deadlock]


def test_an_error_leaves_the_others_waiting_and_all_end():
    outcomes = run(lambda c: 1 / 0 if c.rank == 1 else c.recv(1), 3)
    assert errors(outcomes) == [Deadlock, ZeroDivisionError, Deadlock]
    assert outcomes[0].error.waits == {0: 1, 2: 1}


def test_even_a_rank_that_quits_ends_the_run():
    def function(channel):
        raise SystemExit(3)

    assert errors(run(function, 2)) == [SystemExit, SystemExit]


def test_a_rank_that_never_returns_is_named_and_stopped():
    def function(channel):
        while channel.rank == 1:
            pass
        return channel.recv(1)

    before = threading.active_count()
    outcomes = run(function, 3, timeout=0.2)
    assert errors(outcomes)[1] is Stuck
    assert "Rank 1 has neither sent, received nor returned for 0.2 s" in str(outcomes[1].error)
    assert errors(outcomes)[0] is Deadlock
    assert threading.active_count() == before


def test_all_ranks_that_never_return_are_stopped():
    def function(channel):
        while channel.rank > 0:
            pass

    before = threading.active_count()
    outcomes = run(function, 4, timeout=0.2)
    assert errors(outcomes)[1:] == [Stuck] * 3
    assert threading.active_count() == before


def test_a_deadlock_met_again_is_a_new_error():
    def function(channel):
        for _ in range(50):
            with contextlib.suppress(Deadlock):
                channel.recv(1 - channel.rank)
        channel.recv(1 - channel.rank)

    for outcome in run(function, 2):
        assert len(traceback.extract_tb(outcome.error.__traceback__)) < 10


def again_and_again(call, caught):
    """Return an answer that catches whatever a call raises and tries again, and its counter."""
    tries = itertools.count()

    def function(channel):
        while True:
            next(tries)
            with contextlib.suppress(caught):
                return call(channel)

    return function, tries


def assert_nothing_goes_on(tries):
    so_far = next(tries)
    time.sleep(0.2)
    assert next(tries) == so_far + 1


@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_a_deadlock_that_is_caught_for_ever_is_one(caught):
    function, tries = again_and_again(lambda c: c.recv((c.rank + 1) % c.size), caught)
    before = threading.active_count()
    for outcome in run(function, 3):
        assert isinstance(outcome.error, Deadlock)
        assert outcome.error.waits == {0: 1, 1: 2, 2: 0}
    if caught is Exception:
        assert threading.active_count() == before
    assert_nothing_goes_on(tries)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it may hit the gc
@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_one_who_sends_in_vain_for_ever_is_stopped(caught):
    function, tries = again_and_again(lambda c: c.send(0.0, 1 - c.rank), caught)
    before = threading.active_count()
    assert errors(run(function, 2, timeout=0.2)) == [Stuck] * 2
    if caught is Exception:
        assert threading.active_count() == before
    assert_nothing_goes_on(tries)


def test_a_rank_that_works_on_is_not_stuck():
    def function(channel):
        for _ in range(3):
            threading.Event().wait(0.1)
            around(channel, np.zeros(1))
        return "done"

    assert [o.value for o in run(function, 2, timeout=0.25)] == ["done", "done"]


BAD_POSTS = {
    "no array": (3.0, 1, TypeError, "send takes an array, got a float: 3.0"),
    "a list": ([1.0], 1, TypeError, r"send takes an array, got a list: \[1.0\]"),
    "itself": (np.zeros(1), 0, ValueError, "rank 0 cannot send to itself"),
    "too high": (np.zeros(1), 2, ValueError, "rank 0 cannot send to rank 2: with 2 ranks they are"),
    "negative": (np.zeros(1), -1, ValueError, "rank 0 cannot send to rank -1"),
    "swapped": (1, np.zeros(2), TypeError, r"rank 0 cannot send to an array: .*send\(array, to\)"),
    "no number": (np.zeros(1), "1", TypeError, "rank 0 cannot send to '1': a rank is a whole numb"),
    "a fraction": (np.zeros(1), 1.0, TypeError, "rank 0 cannot send to 1.0: a rank is a whole num"),
}


@pytest.mark.parametrize(("array", "to", "error", "text"), BAD_POSTS.values(), ids=BAD_POSTS)
def test_what_cannot_be_sent_is_said(array, to, error, text):
    outcomes = run(lambda c: c.send(array, to) if c.rank == 0 else None, 2)
    with pytest.raises(error, match=text):
        raise outcomes[0].error


def test_an_office_takes_so_much_and_no_more():
    def function(channel):
        while True:
            channel.send(np.zeros(0), 1 - channel.rank)

    office = Office(2, limit=5000)
    outcomes = run(function, 2, office=office)
    assert errors(outcomes) == [ValueError, ValueError]
    assert "more than 5000 bytes" in str(outcomes[0].error)
    assert len(office.messages) == 50


def test_an_office_refuses_a_rank_that_there_is_not():
    (line, _) = Office(2).lines()
    with pytest.raises(ValueError, match="there is no rank 7"):
        line.post(np.zeros(1), 7)


@pytest.mark.parametrize("number", [0, np.int64(0), np.array(0)])
def test_a_rank_may_be_any_whole_number(number):
    assert require_other(1, 2, "send to", number) == 0


def test_a_rank_alone_is_told_that_there_is_nobody():
    with pytest.raises(ValueError, match="rank 0 cannot receive from rank 1: there is only 0"):
        require_other(0, 1, "receive from", 1)
