"""Collectives against plain sums, on every number of ranks, with their bytes."""

import numpy as np
import pytest
import torch

from course.parallel import (
    bytes_sent,
    central_all_reduce,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
    run_ranks,
    shard,
    tree_broadcast,
)

SIZES = (1, 2, 3, 4, 5, 8)
SHAPES = {"even": (24,), "uneven": (7,), "few": (3,), "matrix": (4, 5), "number": ()}
ALL_REDUCES = {"central": central_all_reduce, "ring": ring_all_reduce}

each_size = pytest.mark.parametrize("size", SIZES)
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
each_all_reduce = pytest.mark.parametrize("name", ALL_REDUCES)
each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def arrays(size, shape, dtype=np.float64):
    rng = np.random.default_rng([size, *shape])
    return [rng.normal(size=shape).astype(dtype) for _ in range(size)]


def array(shape):
    return arrays(1, shape)[0]


@each_size
@pytest.mark.parametrize("rows", [0, 1, 6, 7, 24])
def test_shards_are_those_of_array_split(size, rows):
    x = np.arange(2 * rows).reshape(rows, 2)
    for rank, expected in enumerate(np.array_split(x, size)):
        for given in (x, torch.tensor(x)):
            np.testing.assert_array_equal(np.asarray(shard(given, rank, size)), expected)


BAD_SHARDS = {
    "rank too high": ((np.zeros(3), 2, 2), ValueError, "there is no rank 2 of 2; they are 0 to 1"),
    "negative rank": ((np.zeros(3), -1, 2), ValueError, "rank must be at least 0, got -1"),
    "no ranks": ((np.zeros(3), 0, 0), ValueError, "size must be at least 1, got 0"),
    "half a rank": ((np.zeros(3), 0.5, 2), TypeError, "rank must be a whole number"),
}


@pytest.mark.parametrize(("args", "error", "text"), BAD_SHARDS.values(), ids=BAD_SHARDS)
def test_a_shard_that_there_is_not(args, error, text):
    with pytest.raises(error, match=text):
        shard(*args)


@each_all_reduce
@each_size
@each_shape
@each_dtype
def test_an_all_reduce_sums_and_all_ranks_have_the_same_bits(name, size, shape, dtype):
    xs = arrays(size, shape, dtype)
    copies = [x.copy() for x in xs]
    run = run_ranks(ALL_REDUCES[name], xs)
    rtol = 100 * np.finfo(dtype).eps
    exact = np.sum(np.asarray(xs, np.float64), axis=0)
    for value in run.values:
        assert value.dtype == dtype
        np.testing.assert_allclose(value, exact, rtol=rtol, atol=rtol)
        np.testing.assert_array_equal(value, run.values[0])
    np.testing.assert_array_equal(xs, copies)
    elements, itemsize = xs[0].size, xs[0].itemsize
    theory = [bytes_sent(name, rank, size, elements, itemsize) for rank in range(size)]
    assert run.bytes_sent == theory


@each_all_reduce
def test_an_all_reduce_of_torch_tensors(name):
    xs = [torch.tensor(x) for x in arrays(3, (4, 5))]
    for value in run_ranks(ALL_REDUCES[name], xs).values:
        torch.testing.assert_close(value, xs[0] + xs[1] + xs[2])


@each_size
def test_bytes_of_an_even_ring_are_those_of_the_formula(size):
    n = 24 * 5
    run = run_ranks(ring_all_reduce, arrays(size, (n,)))
    assert run.bytes_sent == [2 * (size - 1) * n * 8 // size] * size


@each_size
@pytest.mark.parametrize("root", [0, 1])
def test_another_root(size, root):
    if root < size:
        xs = arrays(size, (5,))
        run = run_ranks(lambda c, x: central_all_reduce(c, x, root), xs)
        np.testing.assert_allclose(run.values[-1], np.sum(xs, axis=0), rtol=1e-13)
        assert run.bytes_sent[root] == (size - 1) * 40
        spread = run_ranks(lambda c, x: tree_broadcast(c, x, root), xs).values
        assert all(np.array_equal(value, xs[root]) for value in spread)


@each_size
def test_a_tree_takes_as_many_rounds_as_there_are_doublings(size):
    run = run_ranks(tree_broadcast, [np.arange(3.0), *[None] * (size - 1)])
    assert all(value.tolist() == [0, 1, 2] for value in run.values)
    assert run.bytes_sent == [bytes_sent("tree", rank, size, 3) for rank in range(size)]
    has_it = {0: 0}  # rank -> the round after which it has the array
    busy = dict.fromkeys(range(size), 0)
    for message in run.messages:
        busy[message.source] = max(busy[message.source], has_it[message.source]) + 1
        has_it[message.to] = busy[message.source]
    assert max(has_it.values()) == (size - 1).bit_length()


@each_size
@each_shape
def test_a_rank_ends_up_with_its_own_chunk(size, shape):
    xs = [x.reshape(-1) for x in arrays(size, shape)]
    total = np.sum(xs, axis=0)
    for rank, chunk in enumerate(run_ranks(ring_reduce_scatter, xs).values):
        np.testing.assert_allclose(chunk, shard(total, rank, size), rtol=1e-13, atol=1e-14)


@each_size
def test_chunks_are_joined_in_order(size):
    x = np.arange(11.0)
    run = run_ranks(ring_all_gather, np.array_split(x, size))
    assert all(np.array_equal(value, x) for value in run.values)


@pytest.mark.parametrize("collective", [central_all_reduce, tree_broadcast])
@pytest.mark.parametrize(
    ("root", "error", "text"),
    [
        (3, ValueError, "there is no rank 3 of 3; they are 0 to 2"),
        (-1, ValueError, "root must be at least 0, got -1"),
        (1.0, TypeError, "root must be a whole number"),
    ],
)
def test_a_root_that_there_is_not(collective, root, error, text):
    with pytest.raises(error, match=f"{collective.__name__}: {text}"):
        run_ranks(lambda channel, x: collective(channel, x, root), arrays(3, (4,)))


@pytest.mark.parametrize("size", [3, 8])
def test_in_a_ring_one_sends_to_the_next_only(size):
    run = run_ranks(ring_all_reduce, arrays(size, (24,)))
    assert {(m.to - m.source) % size for m in run.messages} == {1}
    assert len(run.messages) == size * 2 * (size - 1)


@pytest.mark.parametrize("collective", [central_all_reduce, ring_reduce_scatter])
@pytest.mark.parametrize("other", [np.zeros(1), np.zeros(6, "f4")], ids=["shape", "dtype"])
def test_arrays_that_differ_are_a_fault(collective, other):
    text = "All ranks need arrays of one shape and dtype"
    with pytest.raises(ValueError, match=f"{collective.__name__}: here the array is of.*{text}"):
        run_ranks(collective, [np.zeros(6), other])


def test_the_order_of_summation_differs_between_collectives():
    xs = arrays(8, (1000,), np.float32)
    central, ring = (run_ranks(f, xs).values[0] for f in (central_all_reduce, ring_all_reduce))
    assert not np.array_equal(central, ring)
    np.testing.assert_allclose(central, ring, rtol=1e-4, atol=1e-5)
