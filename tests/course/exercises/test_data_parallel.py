"""The references of unit 12 on all ranks; its cases reach what they say; how deadlocks are told."""

import functools

import numpy as np
import pytest

from course import parallel
from course.checking import judge
from course.checking.call import Guarded
from course.checking.judge import draw_cases
from course.exercises import PUBLIC_SEED
from course.exercises import data_parallel as unit

SEEDS = (PUBLIC_SEED, 3, 2026)
COLLECTIVES = (
    unit.CENTRAL_ALL_REDUCE,
    unit.TREE_BROADCAST,
    unit.RING_REDUCE_SCATTER,
    unit.RING_ALL_GATHER,
)


def cases(exercise, seed=PUBLIC_SEED, **wanted):
    return [
        case.inputs
        for case in draw_cases(exercise, seed)
        if all(case.inputs.get(key) == value for key, value in wanted.items())
    ]


def sizes(exercise):
    given = [inputs["each rank's"] for inputs in cases(exercise)]
    return {len(next(iter(own.values()))) for own in given}


def verdict(exercise, function):
    return judge(exercise, function, PUBLIC_SEED)


@pytest.mark.parametrize("exercise", COLLECTIVES, ids=lambda exercise: exercise.name)
def test_a_collective_is_tried_on_one_two_three_four_and_eight_ranks(exercise):
    assert sizes(exercise) >= {1, 2, 3, 4, 8}


@pytest.mark.parametrize("exercise", COLLECTIVES, ids=lambda exercise: exercise.name)
def test_the_counted_bytes_are_those_of_theory(exercise):
    for inputs in cases(exercise):
        if "traffic" not in inputs.get("looked at", ""):
            continue
        (values,) = inputs["each rank's"].values()
        run = parallel.run_ranks(exercise.reference, values)
        size, elements = len(values), values[0].size
        if exercise is unit.TREE_BROADCAST:
            theory = [parallel.bytes_sent("tree", r, size, elements) for r in range(size)]
        elif exercise is unit.CENTRAL_ALL_REDUCE:
            theory = [parallel.bytes_sent("central", r, size, elements) for r in range(size)]
        else:
            chunks = [c.nbytes for c in np.array_split(values[0], size)]
            if exercise is unit.RING_ALL_GATHER:
                chunks = [c.nbytes for c in values]
            shift = 0 if exercise is unit.RING_REDUCE_SCATTER else 1
            theory = [sum(chunks) - chunks[(r + shift) % size] for r in range(size)]
        assert run.bytes_sent == theory


def test_uneven_chunks_and_empty_ones_occur():
    lengths = [
        {len(chunk) for chunk in inputs["each rank's"]["chunk"]}
        for inputs in cases(unit.RING_ALL_GATHER)
    ]
    assert any(len(found) == 2 for found in lengths)
    assert any(0 in found for found in lengths)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_step_is_that_of_the_whole_batch(seed):
    """In float64 it agrees to 1e-12, with even and uneven shards."""
    seen = set()
    for inputs in cases(unit.DATA_PARALLEL_STEP, seed):
        if "steps" not in inputs or inputs["w"].dtype != np.float64:
            continue
        shards, w, lr = inputs["each rank's (x, y)"], inputs["w"], inputs["lr"]
        seen.add(len(shards))
        x, y = (np.concatenate(parts) for parts in zip(*shards, strict=True))
        got = [w] * len(shards)
        for _ in range(inputs["steps"]):
            w = w - lr * 2 / len(x) * x.T @ (x @ w - y)
            step = functools.partial(unit.data_parallel_step, samples=len(x), lr=lr)
            run = parallel.run_ranks(
                step,
                got,
                [x for x, _ in shards],
                [y for _, y in shards],
            )
            got = run.values
        for each in got:
            np.testing.assert_allclose(each, w, rtol=1e-12, atol=1e-12)
            np.testing.assert_array_equal(each, got[0])
    assert seen >= {1, 2, 3, 4, 8}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_combined_gradient_is_numpys_weighted_average(seed):
    for inputs in cases(unit.FULL_BATCH_GRADIENT, seed):
        kept = [(g, n) for g, n in zip(inputs["grads"], inputs["counts"], strict=True) if n]
        expected = np.average([g for g, _ in kept], axis=0, weights=[n for _, n in kept])
        got = unit.full_batch_gradient(**inputs)
        tolerance = 1e-13 if got.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def waits_for_the_next(channel, x):
    return channel.recv((channel.rank + 1) % channel.size)


def test_a_deadlock_is_a_verdict_that_names_the_waiting_ranks():
    found = verdict(unit.RING_REDUCE_SCATTER, waits_for_the_next)
    assert (found.status, found.points) == ("deadlock", 0)
    text = "No rank can go on: rank 0 waits for rank 1, rank 1 waits for rank 0"
    assert found.failure.text == text
    assert text in str(found)


def rank_1_is_missing(channel, x):
    if channel.rank == 1:
        return x
    if channel.rank == 0:
        return x + sum(channel.recv(r) for r in range(1, channel.size))
    channel.send(x, 0)
    return channel.recv(0)


def test_a_missing_rank_is_a_verdict_that_names_it():
    found = verdict(unit.CENTRAL_ALL_REDUCE, rank_1_is_missing)
    assert found.status == "deadlock"
    assert found.failure.what == "all ranks"
    assert found.failure.text == "No rank can go on: rank 0 waits for rank 1, rank 1 has returned"


def test_a_crash_on_one_rank_is_told_and_not_the_waiting_of_the_others():
    def crashes(channel, x):
        if channel.rank == 1:
            raise ValueError("here")
        return channel.recv(1)

    found = verdict(unit.CENTRAL_ALL_REDUCE, crashes)
    assert found.status == "crashed"
    assert found.failure.what == "rank 1"
    assert found.failure.text.endswith("ValueError: here")


def test_a_result_of_another_kind_names_its_rank():
    found = verdict(
        unit.CENTRAL_ALL_REDUCE, lambda channel, x: x if channel.rank == 0 else object()
    )
    assert found.failure.what == "the result on rank 1"
    assert found.failure.text.startswith("got an object")


def test_not_attempted_on_all_ranks():
    def untouched(channel, x):
        raise NotImplementedError

    assert verdict(unit.CENTRAL_ALL_REDUCE, untouched).status == "not_attempted"


def through_a_back_door():
    """Return an answer that adds up in a shared list and sends messages only for show."""
    shared = {}

    def central_all_reduce(channel, x):
        shared.setdefault(channel.size, {})[channel.rank] = x
        if channel.rank > 0:
            channel.send(x, 0)
            channel.recv(0)
        else:
            for rank in range(1, channel.size):
                channel.recv(rank)
            for rank in range(1, channel.size):
                channel.send(x, rank)
        total = 0
        for rank in range(channel.size):
            total = total + shared[channel.size][rank]
        return total

    return central_all_reduce


def test_a_result_must_have_come_by_message():
    found = verdict(unit.CENTRAL_ALL_REDUCE, through_a_back_door())
    assert "sum" in [part.name for part in found.parts if not part.earned]
    assert found.failure.what == "rank 0 uses what comes from rank 2"


def test_a_step_s_gradients_must_have_come_by_message():
    collective = through_a_back_door()

    def step(channel, w, x, y, *, samples, lr):
        return w - lr * 2 / samples * collective(channel, x.T @ (x @ w - y))

    found = verdict(unit.DATA_PARALLEL_STEP, step)
    assert [part.name for part in found.parts if not part.earned] == ["uneven"]
    assert found.failure.what == "rank 0 uses what comes from rank 2"


def test_messages_that_nobody_receives_cost_points():
    def generous(channel, x):
        if channel.rank == 0:
            total = x + sum(channel.recv(rank) for rank in range(1, channel.size))
            for rank in range(1, channel.size):
                channel.send(total, rank)
            return total
        channel.send(x, 0)
        if channel.rank == 1:
            channel.send(x[:0], 0)
        return channel.recv(0)

    found = verdict(unit.CENTRAL_ALL_REDUCE, generous)
    assert [part.name for part in found.parts if not part.earned] == ["bytes"]
    assert found.failure.what == "messages that nobody has received"


def test_an_endless_sender_is_stopped_by_the_office():
    def floods(channel, x):
        while True:
            channel.send(x, (channel.rank + 1) % channel.size)

    found = verdict(unit.CENTRAL_ALL_REDUCE, floods)
    assert found.status == "crashed"
    assert f"more than {unit.MOST_BYTES} bytes" in found.failure.text


def test_in_place_work_on_what_arrived_is_no_fault():
    def in_place(channel, x):
        if channel.rank > 0:
            channel.send(x, 0)
            return channel.recv(0)
        total = x.copy()
        for rank in range(1, channel.size):
            received = channel.recv(rank)
            received += total
            total = received
        for rank in range(1, channel.size):
            channel.send(total, rank)
            total = total.copy()
        return total

    assert verdict(unit.CENTRAL_ALL_REDUCE, in_place).points == unit.CENTRAL_ALL_REDUCE.points


def test_nine_ranks_tell_a_fixed_number_of_rounds():
    def three_rounds(channel, x):
        for i in range(3):
            if channel.rank < 2**i and channel.rank + 2**i < channel.size:
                channel.send(x, channel.rank + 2**i)
            elif 2**i <= channel.rank < 2 ** (i + 1):
                x = channel.recv(channel.rank - 2**i)
        return x

    found = verdict(unit.TREE_BROADCAST, three_rounds)
    assert [part.name for part in found.parts if not part.earned] == ["others"]


def test_means_over_an_empty_shard_keep_their_name_in_the_step():
    def mean_of_weights(channel, w, x, y, *, samples, lr):
        own = w - lr * 2 * x.T @ (x @ w - y) / len(x)
        if channel.rank > 0:
            channel.send(own, 0)
            return channel.recv(0)
        total = own + sum(channel.recv(r) for r in range(1, channel.size))
        for r in range(1, channel.size):
            channel.send(total / channel.size, r)
        return total / channel.size

    assert verdict(unit.DATA_PARALLEL_STEP, mean_of_weights).mistake.name == (
        "mean of means in the step"
    )


def test_gathering_the_samples_loses_the_exchange_alone_although_an_empty_shard_has_no_bytes():
    def on_rank_0(channel, w, x, y, *, samples, lr):
        if channel.rank > 0:
            channel.send(x, 0)
            channel.send(y, 0)
            return channel.recv(0)
        for r in range(1, channel.size):
            x = np.concatenate([x, channel.recv(r)])
            y = np.concatenate([y, channel.recv(r)])
        w = w - 2 * lr / samples * x.T @ (x @ w - y)
        for r in range(1, channel.size):
            channel.send(w, r)
        return w

    found = verdict(unit.DATA_PARALLEL_STEP, on_rank_0)
    assert [part.name for part in found.parts if not part.earned] == ["exchange"]
    assert found.mistake.name == "samples sent"


def test_children_of_another_tree_are_not_called_ranks_that_do_not_exist():
    def heap(collective, rank, size, elements, itemsize):
        if collective != "tree":
            return parallel.bytes_sent(collective, rank, size, elements, itemsize)
        return elements * itemsize * sum(c < size for c in (2 * rank + 1, 2 * rank + 2))

    assert verdict(unit.BYTES_SENT, heap).mistake is None


@pytest.mark.parametrize(
    "message",
    [np.array(2.0), np.array([-0.0, 1.0]), np.array(["a"]), np.zeros(2, [("w", "f8")])],
    ids=["a number", "a negative zero", "texts", "records"],
)
def test_a_message_arrives_as_it_was_sent(message):
    def hands_it_on(channel, x):
        if channel.rank == 0:
            channel.send(message, 1)
            return x
        arrived = channel.recv(0)
        alike = isinstance(arrived, np.ndarray) and arrived.tobytes() == message.tobytes()
        return x + alike

    inputs = unit.ranks("results", x=[np.zeros(1), np.zeros(1)])
    seen = dict(unit.on_all_ranks(Guarded(hands_it_on, ("channel", "x")), inputs))
    assert seen["the result on rank 1"] == [1]


@pytest.mark.parametrize("hide", [np.nansum, lambda x, axis: np.nan_to_num(x).sum(axis)])
def test_a_rank_that_has_diverged_may_not_be_hidden(hide):
    def hidden(grads, counts):
        with np.errstate(invalid="ignore"):
            parts = [count * grad for grad, count in zip(grads, counts, strict=True)]
        return hide(np.stack(parts), axis=0) / sum(counts)

    found = verdict(unit.FULL_BATCH_GRADIENT, hidden)
    assert [part.name for part in found.parts if not part.earned] == ["empty"]
    assert found.mistake.name == "NaN counts as 0"
