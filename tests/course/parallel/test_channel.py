"""K ranks in one kernel: results and traffic, and errors that name the rank."""

import numpy as np
import pytest
import torch

from course.parallel import ring_all_reduce, run_ranks


def double(channel, x):
    return 2 * x


def test_each_rank_has_its_own_arguments():
    run = run_ranks(lambda c, x, y: (c.rank, c.size, x + y), [1, 2], [10, 20])
    assert run.values == [(0, 2, 11), (1, 2, 22)]
    assert run.bytes_sent == [0, 0]
    assert run.messages == []


def test_there_need_not_be_arguments():
    assert run_ranks(lambda c: c.rank, size=3).values == [0, 1, 2]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_torch_tensors_travel_too(dtype):
    xs = [torch.full((5,), float(r), dtype=dtype, requires_grad=True) for r in range(3)]
    for value in run_ranks(ring_all_reduce, xs).values:
        assert value.dtype == dtype
        assert value.tolist() == [3.0] * 5


def test_what_arrives_belongs_to_the_receiver():
    def function(channel, x):
        if channel.rank == 0:
            channel.send(x, 1)
            return x
        received = channel.recv(0)
        received += 1
        return received

    for array in (np.zeros(2), torch.zeros(2)):
        run = run_ranks(function, [array, None])
        assert run.values[0].tolist() == [0, 0]
        assert run.values[1].tolist() == [1, 1]


def raises(channel, x):
    if channel.rank == 1:
        raise KeyError("mine")
    return channel.recv(1)


BAD = {
    "no argument and no size": (lambda: run_ranks(double), ValueError, "each rank, or size=K"),
    "uneven": (lambda: run_ranks(double, [1, 2], [1]), ValueError, r"have \[1, 2\] entries"),
    "another size": (lambda: run_ranks(double, [1], size=2), ValueError, r"\[1, 2\] entries"),
    "no rank": (lambda: run_ranks(double, []), ValueError, "size must be at least 1, got 0"),
    "size": (lambda: run_ranks(double, size=2.0), TypeError, "size must be a whole number"),
    "timeout": (lambda: run_ranks(double, [1], timeout=0), ValueError, "timeout must lie in"),
    "deadlock": (
        lambda: run_ranks(lambda c: c.recv(1 - c.rank), size=2),
        RuntimeError,
        "rank 0 waits for rank 1, rank 1 waits for rank 0",
    ),
    "never received": (
        lambda: run_ranks(lambda c: c.send(np.zeros(1), 1 - c.rank), size=2),
        RuntimeError,
        "2 of 2 messages were never received",
    ),
}


@pytest.mark.parametrize(("call", "error", "text"), BAD.values(), ids=BAD)
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_an_error_is_the_ranks_own_and_says_which():
    with pytest.raises(KeyError, match="mine") as caught:
        run_ranks(raises, [0, 0, 0])
    assert caught.value.__notes__ == ["This happened on rank 1 of 3."]


def test_a_rank_may_compute_for_so_long_only():
    def forever(channel):
        while channel.rank == 0:
            pass

    with pytest.raises(TimeoutError, match="Rank 0 has neither sent, received nor returned"):
        run_ranks(forever, size=2, timeout=0.2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="replicas on streams need a GPU")
def test_replicas_on_one_gpu_have_streams_of_their_own():
    xs = [torch.full((1000,), float(r), device="cuda") for r in range(4)]
    run = run_ranks(
        lambda c, x: (torch.cuda.current_stream().cuda_stream, ring_all_reduce(c, x)),
        xs,
        streams=True,
    )
    assert len({stream for stream, _ in run.values}) == 4
    assert all(value.cpu().eq(6).all() for _, value in run.values)
