"""Who ended a run: sentences from ledgers, as crashes of all kinds leave them."""

import pytest

from course.parallel.lab.blame import explain
from course.parallel.lab.ledger import Entry, Failure, State

T = 10.0
"""The timeout; the clock stands at 100 when the run ends."""


def entry(rank, state=State.RECV, other=-1, *, since=90.0, beat=99.9, epoch=1, step=7):
    return Entry(rank, 1000 + rank, state, other, epoch, step, since, beat)


def silent(rank, other, at=100.0):
    return Failure(rank, f"rank {other} was silent", "silent", at, other)


def gone(rank, other, at=100.0):
    return Failure(rank, f"rank {other} is gone", "gone", at, other)


def own(rank, at=100.0):
    return Failure(rank, "ValueError: no (own.py line 3)", "own", at)


RUN, RECV, SEND, ALL, DONE = State.RUN, State.RECV, State.SEND, State.ALL, State.DONE
CASES = {
    "killed, and missed by one that waited": (
        [entry(0, RECV, 1), entry(1, RUN), entry(2, RECV, 0)],
        [gone(0, 1)],
        {0: 1, 1: -9, 2: -15},
        "Rank 1 was killed (SIGKILL) in epoch 1, step 7.",
    ),
    "killed while it waited": (
        [entry(0, RECV, 1), entry(1, RECV, 0)],
        [gone(0, 1)],
        {1: -9, 0: 1},
        "Rank 1 was killed (SIGKILL) in epoch 1, step 7.",
    ),
    "crashed in C": (
        [entry(0, RECV, 1), entry(1, RUN)],
        [],
        {1: -11, 0: -15},
        "Rank 1 was killed (SIGSEGV) in epoch 1, step 7.",
    ),
    "killed before it could say anything": (
        [entry(0, State.START, epoch=0), entry(1, State.ABSENT, since=0, beat=0, epoch=0)],
        [],
        {1: -9, 0: -15},
        "Rank 1 was killed (SIGKILL) before the first step.",
    ),
    "stopped before it could say anything": (
        [entry(0, ALL, epoch=0), entry(1, State.ABSENT, since=0, beat=0, epoch=0)],
        [],
        {},
        "Rank 1 hangs: its process has started and said nothing yet.",
    ),
    "ended by SIGTERM from outside, missed by one": (
        [entry(0, RECV, 1), entry(1, RUN), entry(2, RECV, 1)],
        [gone(0, 1)],
        {0: 1, 1: -15, 2: -15},
        "Rank 1 was killed (SIGTERM) in epoch 1, step 7.",
    ),
    "ended by SIGTERM from outside, missed by nobody": (
        [entry(0, RUN), entry(1, RUN)],
        [],
        {1: -15, 0: -15},
        "Rank 1 was killed (SIGTERM) in epoch 1, step 7.",
    ),
    "an error, and torchrun's SIGTERM for the others": (
        [entry(0, RECV, 2), entry(1, RUN), entry(2, RECV, 1)],
        [gone(0, 2, at=100.2), own(1, at=100.0)],
        {1: 1, 2: -15, 0: 1},
        "Rank 1 failed in epoch 1, step 7: ValueError: no (own.py line 3)",
    ),
    "an error on every rank": (
        [entry(0, RUN), entry(1, RUN)],
        [own(0, at=100.1), own(1, at=100.0)],
        {1: 1, 0: -15},
        "Rank 0 failed in epoch 1, step 7: ValueError: no (own.py line 3)",
    ),
    "what concerns all ranks": (
        [entry(0, RUN), entry(1, RUN)],
        [Failure(1, "The ranks differ.", "run", 100.0)],
        {1: 1, 0: -15},
        "The ranks differ.",
    ),
    "left with a status and without a word": (
        [entry(0, RECV, 1), entry(1, RUN)],
        [gone(0, 1)],
        {1: 3, 0: 1},
        "Rank 1 ended with status 3 in epoch 1, step 7.",
    ),
    "left with status 0": (
        [entry(0, RECV, 1), entry(1, RUN, since=99.9, beat=99.8)],
        [gone(0, 1)],
        {0: 1},
        "Rank 1 ended in epoch 1, step 7, without an error, while rank 0 still needed it.",
    ),
    "computes for ever": (
        [entry(0, RECV, 1), entry(1, RUN, since=89.0), entry(2, RECV, 0)],
        [silent(0, 1)],
        {0: 1, 1: -15, 2: -15},
        "Rank 1 hangs: nothing from it for 11 s; last seen in epoch 1, step 7.",
    ),
    "stopped while it waited: no deadlock": (
        [entry(0, RECV, 1), entry(1, RECV, 0, beat=90.2)],
        [silent(0, 1)],
        {0: 1},
        "Rank 1 hangs: nothing from it for 10 s; last seen in epoch 1, step 7.",
    ),
    "stopped while it loaded": (
        [entry(0, ALL, epoch=0), entry(1, State.START, epoch=0, beat=80.0)],
        [],
        {},
        "Rank 1 hangs: nothing from it for 20 s; last seen before the first step.",
    ),
    "all wait for one in DDP": (
        [entry(0, ALL), entry(1, RUN, since=88.0), entry(2, ALL)],
        [],
        {},
        "Rank 1 hangs: nothing from it for 12 s; last seen in epoch 1, step 7.",
    ),
    "NCCL ends those who wait": (
        [entry(0, ALL), entry(1, RUN, since=88.0), entry(2, ALL)],
        [],
        {0: -6, 2: -6, 1: -15},
        "Rank 1 hangs: nothing from it for 12 s; last seen in epoch 1, step 7.",
    ),
    "a ring of waiting ranks": (
        [entry(0, RECV, 3), entry(1, RECV, 0), entry(2, RECV, 1), entry(3, RECV, 2)],
        [silent(2, 1)],
        {2: 1, 0: -15, 1: -15, 3: -15},
        "Deadlock in epoch 1, step 7: rank 0 waits for rank 3, rank 3 waits for rank 2, "
        "rank 2 waits for rank 1, rank 1 waits for rank 0.",
    ),
    "a ring beside one that only waits for it": (
        [entry(0, RECV, 1), entry(1, SEND, 2), entry(2, RECV, 1)],
        [silent(0, 1)],
        {0: 1, 1: -15, 2: -15},
        "Deadlock in epoch 1, step 7: rank 1 waits until rank 2 receives, rank 2 waits for rank 1.",
    ),
    "waits for one that is done": (
        [entry(0, RECV, 1), entry(1, DONE, since=80.0, beat=80.0, epoch=2, step=3)],
        [silent(0, 1)],
        {0: 1},
        "Rank 0 waited in vain for rank 1 in epoch 1, step 7; rank 1 has ended.",
    ),
    "waits for one that has just gone on": (
        [entry(0, RECV, 1), entry(1, RUN, since=99.0)],
        [silent(0, 1)],
        {0: 1, 1: -15},
        "Rank 0 waited in vain for rank 1 in epoch 1, step 7; rank 1 was last seen in epoch 1, "
        "step 7.",
    ),
    "on another machine": (
        [entry(0, RECV, 4), entry(1, RECV, 0)],
        [gone(0, 4)],
        {0: 1, 1: -15},
        "Rank 0 lost rank 4 in epoch 1, step 7, which runs on another machine: what happened is "
        "said there.",
    ),
    "nothing is known": ([], [], {}, "The run ended, and no rank has said why."),
}


@pytest.mark.parametrize("case", CASES)
def test_the_culprit_is_named(case):
    ranks, said, ended, sentence = CASES[case]
    assert explain(ranks, said, ended, T, now=100.0) == sentence


def test_the_end_is_when_somebody_was_last_alive():
    """Those that the launcher has not given up on have just died, whatever the clock says now."""
    ranks = [entry(0, RECV, 1), entry(1, RECV, 0)]
    assert explain(ranks, [silent(0, 1)], {0: 1, 1: -15}, T).startswith("Deadlock")
