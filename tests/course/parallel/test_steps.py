"""The data-parallel step is that of the whole batch, for every number of ranks and any shards."""

import numpy as np
import pytest
import torch

from course.data import digits
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer, adam, momentum
from course.parallel import (
    average_gradients,
    central_all_reduce,
    ring_all_reduce,
    run_ranks,
    same_everywhere,
    shard,
)

SIZES = (1, 2, 3, 4, 8)
DATA = digits()


def network():
    rng = np.random.default_rng(0)
    return Sequential(Linear(64, 8, rng), ReLU(), Linear(8, 10, rng))


def gradients(model, x, y):
    model.backward(cross_entropy_grad(model.forward(x), y))
    return model.grads


def full_batch(rows, steps):
    model = network()
    optimizer = Optimizer(adam, model.params, lr=0.01)
    for _ in range(steps):
        optimizer.step(gradients(model, DATA.x_train[:rows], DATA.y_train[:rows]))
    return model.params


def train_rank(channel, x, y, steps, all_reduce):
    model = network()
    optimizer = Optimizer(adam, model.params, lr=0.01)
    for _ in range(steps):
        grads = gradients(model, x, y) if len(x) else [np.zeros_like(p) for p in model.params]
        optimizer.step(average_gradients(channel, grads, len(x), all_reduce))
        assert same_everywhere(channel, model.params)
    return model.params


@pytest.mark.parametrize("all_reduce", [central_all_reduce, ring_all_reduce])
@pytest.mark.parametrize("rows", [24, 37, 5], ids=["even", "uneven", "some ranks have none"])
@pytest.mark.parametrize("size", SIZES)
def test_it_equals_the_large_batch(size, rows, all_reduce):
    x, y = DATA.x_train[:rows], DATA.y_train[:rows]
    run = run_ranks(
        train_rank,
        [shard(x, rank, size) for rank in range(size)],
        [shard(y, rank, size) for rank in range(size)],
        [3] * size,
        [all_reduce] * size,
    )
    for params in run.values:
        for ours, expected in zip(params, full_batch(rows, 3), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)
        for ours, first in zip(params, run.values[0], strict=True):
            np.testing.assert_array_equal(ours, first)


def test_a_mean_of_means_is_not_it():
    counts = (30, 7)
    grads = [gradients(network(), *part(0, 30)), gradients(network(), *part(30, 37))]
    ours = run_ranks(average_gradients, grads, list(counts)).values[0]
    whole = gradients(network(), *part(0, 37))
    np.testing.assert_allclose(ours[0], whole[0], rtol=1e-12, atol=1e-15)
    assert np.abs((grads[0][0] + grads[1][0]) / 2 - whole[0]).max() > 1e-3


def part(first, last):
    return DATA.x_train[first:last], DATA.y_train[first:last]


def test_torch_parameters_and_the_courses_optimizers():
    """Two ranks on torch tensors take the same steps as one."""
    x, y = torch.tensor(DATA.x_train[:10]), torch.tensor(DATA.y_train[:10])

    def rank(channel, size):
        w = torch.full((64, 10), 0.01, dtype=torch.float64, requires_grad=True)
        optimizer = Optimizer(momentum, [w], lr=0.1)
        mine = shard(x, channel.rank, size), shard(y, channel.rank, size)
        for _ in range(3):
            loss = torch.nn.functional.cross_entropy(mine[0] @ w, mine[1])
            (grad,) = torch.autograd.grad(loss, [w])
            optimizer.step(average_gradients(channel, [grad], len(mine[1])))
        return w.detach()

    (alone,) = run_ranks(rank, [1]).values
    for size in (2, 3):
        for w in run_ranks(rank, [size] * size).values:
            torch.testing.assert_close(w, alone, rtol=1e-12, atol=1e-14)


def test_an_empty_shards_gradient_is_not_looked_at():
    grads = [[np.array([np.nan])], [np.array([4.0])]]
    assert run_ranks(average_gradients, grads, [0, 3]).values[0][0] == [4.0]


def test_dtypes_and_shapes_are_kept():
    grads = [np.ones((2, 3), np.float32), np.ones((), np.float32)]
    for got in run_ranks(average_gradients, [grads, grads], [1, 2]).values:
        assert [g.shape for g in got] == [(2, 3), ()]
        assert {g.dtype for g in got} == {np.dtype(np.float32)}


BAD = {
    "no gradients": ([[], []], [1, 1], ValueError, "grads is empty"),
    "no samples": ([[np.ones(1)]] * 2, [0, 0], ValueError, "no rank has a sample"),
    "fewer than none": ([[np.ones(1)]] * 2, [1, -1], ValueError, "count must be at least 0"),
    "two dtypes": (
        [[np.ones(1), np.ones(1, "f4")]] * 2,
        [1, 1],
        ValueError,
        "grads have the dtypes float32, float64; give one",
    ),
    "half a sample": ([[np.ones(1)]] * 2, [1, 0.5], TypeError, "count must be a whole number"),
}


@pytest.mark.parametrize(("grads", "counts", "error", "text"), BAD.values(), ids=BAD)
def test_bad_input_is_named(grads, counts, error, text):
    with pytest.raises(error, match=text):
        run_ranks(average_gradients, grads, counts)


@pytest.mark.parametrize("size", SIZES)
def test_one_bit_on_one_rank_is_seen_everywhere(size):
    same = [[np.ones(3), np.zeros((2, 2))] for _ in range(size)]
    assert run_ranks(same_everywhere, same).values == [True] * size
    if size > 1:
        same[-1][0][1] = np.nextafter(1.0, 2.0)
        assert run_ranks(same_everywhere, same).values == [False] * size


def test_other_shapes_are_not_the_same():
    assert run_ranks(same_everywhere, [[np.ones(3)], [np.ones(2)]]).values == [False, False]


def test_nothing_cannot_be_compared():
    with pytest.raises(ValueError, match="arrays is empty"):
        run_ranks(same_everywhere, [[], []])


def test_arrays_of_another_dtype_are_not_the_same():
    given = [[np.ones(3)], [np.ones(3, np.float32)]]
    assert run_ranks(same_everywhere, given).values == [False, False]
