"""Bytes by theory, and the model of a step's time."""

import numpy as np
import pytest

from course.parallel import Link, bytes_sent, fit_link, step_seconds

LINK = Link(latency=1e-3, bandwidth=1e9)
USUAL = {"compute": 0.1, "n_bytes": 4e6, "link": LINK}

BAD = {
    "a collective": (lambda: bytes_sent("star", 0, 2, 3), ValueError, "got 'star'"),
    "a rank": (lambda: bytes_sent("ring", 2, 2, 3), ValueError, "there is no rank 2 of 2"),
    "elements": (lambda: bytes_sent("ring", 0, 2, -1), ValueError, "elements must be at least 0"),
    "an itemsize": (lambda: bytes_sent("ring", 0, 2, 3, 0), ValueError, "itemsize must be at"),
    "half a rank": (lambda: bytes_sent("ring", 0.5, 2, 3), TypeError, "rank must be a whole"),
    "shapes": (lambda: fit_link([1.0, 2.0], [1.0]), ValueError, r"\(2,\), seconds \(1,\)"),
    "one size": (lambda: fit_link([5.0, 5.0], [1.0, 2.0]), ValueError, "at least two sizes"),
    "no time": (lambda: fit_link([1.0, 2.0], [0.0, 2.0]), ValueError, "the least is 0.0"),
    "no ranks": (lambda: step_seconds(0, **USUAL), ValueError, "size must be at least 1"),
    "a tree": (lambda: step_seconds(2, **USUAL, collective="tree"), ValueError, "got 'tree'"),
    "less than no work": (
        lambda: step_seconds(2, **USUAL | {"compute": -1.0}),
        ValueError,
        r"compute must lie in \[0, inf\), got -1.0",
    ),
}


@pytest.mark.parametrize(("call", "error", "text"), BAD.values(), ids=BAD)
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("collective", ["central", "ring", "tree"])
def test_one_rank_sends_nothing(collective):
    assert bytes_sent(collective, 0, 1, 1000) == 0


def test_the_ring_sends_less_than_the_root_and_all_together_the_same():
    for size in (2, 3, 4, 8, 64):
        ring = [bytes_sent("ring", rank, size, 1001) for rank in range(size)]
        central = [bytes_sent("central", rank, size, 1001) for rank in range(size)]
        assert sum(ring) == sum(central) == 2 * (size - 1) * 1001 * 8
        assert max(ring) <= max(central)
        assert max(ring) - min(ring) <= 16


def test_no_rank_of_a_ring_sends_more_than_twice_the_array():
    assert bytes_sent("ring", 0, 10_000, 1_000_000, 4) < 2 * 4_000_000


@pytest.mark.parametrize("link", [Link(2e-5, 1e9), Link(0.0, 1e6), Link(1e-3, 5e8)])
def test_a_link_is_found_again(link):
    n_bytes = np.geomspace(1e2, 1e8, 13)
    found = fit_link(n_bytes, link.latency + n_bytes / link.bandwidth)
    assert found.latency == pytest.approx(link.latency, rel=1e-9, abs=1e-12)
    assert found.bandwidth == pytest.approx(link.bandwidth, rel=1e-9)


def test_where_longer_messages_take_no_longer_the_bandwidth_is_infinite():
    assert fit_link([1.0, 1e6], [0.5, 0.5]) == Link(0.5, float("inf"))


def test_one_rank_computes_and_sends_nothing():
    assert step_seconds(1, **USUAL) == 0.1


@pytest.mark.parametrize("size", [2, 5, 64])
@pytest.mark.parametrize("collective", ["ring", "central"])
def test_a_step_is_the_work_and_the_busiest_ranks_messages(size, collective):
    seconds = step_seconds(size, **USUAL, collective=collective)
    elements = 500_000 * size  # so that size divides them
    sent = max(bytes_sent(collective, rank, size, elements) for rank in range(size))
    both_ways = 1 if collective == "ring" else 2  # the root receives as many, one after the other
    moved = both_ways * sent * 4e6 / (elements * 8)
    expected = 0.1 / size + 2 * (size - 1) * LINK.latency + moved / LINK.bandwidth
    assert seconds == pytest.approx(expected, rel=1e-12)


def test_more_ranks_help_up_to_a_point():
    seconds = [step_seconds(size, **USUAL) for size in range(1, 65)]
    best = int(np.argmin(seconds))
    assert 2 < best < 40
    assert seconds[-1] > seconds[best]
