"""The figures of unit 12 show what they say."""

import numpy as np
import pytest

from course.data import diabetes
from course.parallel import (
    Link,
    average_gradients,
    bytes_sent,
    central_all_reduce,
    ring_all_reduce,
    run_ranks,
    shard,
    step_seconds,
    tree_broadcast,
)
from course.widgets import data_parallel as unit

RANKS = range(2, 9)


@pytest.mark.parametrize("size", RANKS)
@pytest.mark.parametrize("elements", [8, 5, 1])
@pytest.mark.parametrize(
    ("name", "collective"), [("central", central_all_reduce), ("ring", ring_all_reduce)]
)
def test_after_the_last_round_all_ranks_have_all_numbers(name, collective, size, elements):
    sent = unit.deliveries(collective, size, elements)
    rounds = max(delivery.round for delivery in sent)
    assert rounds == 2 * (size - 1)
    table = unit.reached(sent, rounds, size, elements)
    assert all(ranks == set(range(size)) for row in table for ranks in row)
    before = unit.reached(sent, rounds - 1, size, elements)
    assert any(ranks != set(range(size)) for row in before for ranks in row)
    for rank in range(size):
        own = sum(delivery.nbytes for delivery in sent if delivery.source == rank)
        assert own == bytes_sent(name, rank, size, elements)


@pytest.mark.parametrize("size", RANKS)
def test_a_tree_doubles_those_who_have_it(size):
    sent = unit.deliveries(tree_broadcast, size, only_root=True)
    for turn in range((size - 1).bit_length() + 1):
        table = unit.reached(sent, turn, size, unit.ELEMENTS, only_root=True)
        assert sum(row[0] == {0} for row in table) == min(2**turn, size)
    assert max(delivery.round for delivery in sent) == (size - 1).bit_length()


@pytest.mark.parametrize("size", RANKS)
def test_a_rank_sends_and_receives_one_message_a_round_and_only_what_it_has(size):
    for collective in (central_all_reduce, ring_all_reduce):
        sent = unit.deliveries(collective, size)
        for end in ("source", "to"):
            turns = [(delivery.round, getattr(delivery, end)) for delivery in sent]
            assert len(set(turns)) == len(turns)
        for delivery in sent:
            had = unit.reached(sent, delivery.round - 1, size, unit.ELEMENTS)[delivery.source]
            for element, ranks in delivery.holds.items():
                assert ranks == had[element]


def test_a_ring_moves_chunks_as_its_formula_says():
    size = 5
    sent = unit.deliveries(ring_all_reduce, size)
    for delivery in sent:
        step, rank = delivery.round - 1, delivery.source
        chunk = (rank - step - 1) if step < size - 1 else rank - (step - (size - 1))
        assert delivery.to == (rank + 1) % size
        assert sorted(delivery.holds) == shard(np.arange(8), chunk % size, size).tolist()


@pytest.mark.parametrize(
    ("ranks", "shown"),
    [
        ((), ""),
        ((3,), "3"),
        ((2, 3), "2+3"),
        ((7, 0), "7+0"),
        ((5, 6, 7, 0, 1), "5–1"),
        ((0, 2), "2 of"),
        (range(8), "Σ"),
    ],
)
def test_a_set_of_ranks_is_written_in_a_few_signs(ranks, shown):
    assert unit._shown(frozenset(ranks), 8, 8) == shown


def test_the_picture_can_be_drawn_of_a_collective_of_ones_own():
    figure, axes = unit.canvas(9, 4, (1, 1, 1))

    def own(channel, x):
        return ring_all_reduce(channel, x)

    unit.draw_deliveries(axes, unit.deliveries(own, 3), 2, 3)
    figure.canvas.draw()
    assert len(axes[0].patches) == unit.MOST_RANKS


def test_a_walk_of_one_rank_is_gradient_descent_and_even_shards_agree_with_it():
    x, y = unit.two_weights("drawn")
    alone = unit.walk_in_parallel(x, y, [len(x)], "weighted", 0.1)
    w = alone[0]
    for step in alone[1:4]:
        w = w - 0.1 * x.T @ (x @ w - y) / len(x)
        np.testing.assert_allclose(step, w)
    for how in ("weighted", "mean"):
        even = unit.walk_in_parallel(x[:352], y[:352], [88] * 4, how, 0.1)
        whole = unit.walk_in_parallel(x[:352], y[:352], [352], how, 0.1)
        np.testing.assert_allclose(even, whole, atol=1e-12)


@pytest.mark.parametrize("counts", [(10, 100, 244), (344, 5, 5)])
def test_the_walk_is_what_ranks_do_with_the_reference(counts):
    x, y = unit.two_weights("sorted")
    ends = np.cumsum(counts)[:-1]
    assert sum(counts) == len(x)

    def descend(channel, own_x, own_y):
        w = unit._PARALLEL_START
        for _ in range(5):
            grad = own_x.T @ (own_x @ w - own_y) / len(own_x)
            w = w - 0.2 * average_gradients(channel, [grad], len(own_x))[0]
        return w

    ranks = run_ranks(descend, np.split(x, ends), np.split(y, ends)).values
    np.testing.assert_allclose(
        ranks[0], unit.walk_in_parallel(x, y, counts, "weighted", 0.2)[5], rtol=1e-10
    )


def test_sums_of_means_make_steps_as_many_times_too_long():
    x, y = unit.two_weights("drawn")
    paths = {how: unit.walk_in_parallel(x[:352], y[:352], [88] * 4, how, 0.01) for how in unit.SUMS}
    first = {how: path[1] - path[0] for how, path in paths.items()}
    np.testing.assert_allclose(first["sum"], 4 * first["weighted"])


def test_sorting_keeps_the_samples_together():
    data = diabetes()
    x, y = unit.two_weights("sorted")
    assert (np.diff(y) >= 0).all()
    np.testing.assert_allclose(x.T @ y, data.x_train[:, [2, 8]].T @ data.y_train[:, 0])


@pytest.mark.parametrize(("size", "share"), [(2, 2), (8, 90), (5, 33)])
def test_shares_are_of_all_samples(size, share):
    counts = unit._shares(354, size, share)
    assert len(counts) == size
    assert sum(counts) == 354
    assert max(counts[1:]) - min(counts[1:]) <= 1


def test_twice_the_batch_at_twice_the_rate_is_alike_where_the_rate_is_small():
    seen, rates, small = unit._batch_losses(1, 0.01, 2.0, 0.0)
    _, double, large = unit._batch_losses(2, 0.02, 2.0, 0.0)
    assert seen[-1] == unit._SEEN
    assert double[0] == 2 * rates[0]
    np.testing.assert_allclose(large[-1], small[-1], rtol=0.05)
    _, ramp, _ = unit._batch_losses(4, 0.1, 2.0, 0.5)
    assert ramp[0] < ramp[-1] == 0.1


@pytest.mark.parametrize("collective", ["ring", "central"])
def test_the_parts_of_a_step_add_up(collective):
    link = Link(1e-4, 1e9)
    fixed = {"n_bytes": 1e7, "collective": collective}
    parts = unit._parts(np.full(64, 0.1), fixed, link)
    total = sum(parts.values())
    for size in (1, 2, 17, 64):
        expected = step_seconds(size, compute=0.1, link=link, **fixed)
        np.testing.assert_allclose(total[size - 1], expected)


def test_the_star_stands_at_the_best_number_of_ranks():
    live = unit.speed_explorer()
    live.update(collective="central")
    lines = {line.get_label(): line for line in live.figure.axes[1].lines}
    star = next(line for line in lines.values() if line.get_marker() == "*")
    times = [
        step_seconds(
            k, compute=0.1, n_bytes=1e7, link=Link(10**1.5 * 1e-6, 1e9), collective="central"
        )
        for k in range(1, 65)
    ]
    assert star.get_xdata()[0] == 1 + int(np.argmin(times))
    np.testing.assert_allclose(star.get_ydata()[0], times[0] / min(times))


def test_a_larger_number_of_ranks_has_a_longer_play():
    live = unit.collective_explorer()
    player = live._links[1].target[0]
    live.update(size=8)
    assert live.controls["round"].max == player.max == 14
    live.update(collective="tree")
    assert live.controls["round"].max == player.max == 3


def test_more_ranks_than_can_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="deliveries: 8 ranks at most, got 9"):
        unit.deliveries(central_all_reduce, 9)
