"""`TorchChannel` and `connect`: alone in this process, and between three that torch joins."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from course.parallel import TorchChannel, connect, ring_all_reduce
from course.parallel.torch_channel import device_for

torch = pytest.importorskip("torch", reason="torch is not installed")

DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
ARRAYS = {
    **{f"NumPy's {dtype}": np.array([[0, 1], [1, 0]], dtype) for dtype in DTYPES},
    **{f"torch's {dtype}": torch.ones(3, dtype=getattr(torch, dtype)) for dtype in DTYPES},
    "bfloat16": torch.ones(2, dtype=torch.bfloat16),
    "of shape ()": np.array(2.5),
    "a scalar of NumPy's": np.float64(2.5),
    "empty": np.zeros((2, 0)),
    "torch's empty": torch.zeros(0, 3),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "of nine axes": np.ones((1,) * 9),
    "a parameter": torch.nn.Parameter(torch.arange(2.0)),
}


@pytest.fixture
def alone(tmp_path):
    with connect(rank=0, size=1, init_method=f"file://{tmp_path}/meet") as channel:
        yield channel


def test_a_rank_alone(alone):
    assert (alone.rank, alone.size, alone.bytes_sent) == (0, 1, 0)
    assert repr(alone) == "TorchChannel(rank=0, size=1, device='cpu')"
    alone.meet()
    alone.flush()
    assert ring_all_reduce(alone, torch.ones(2)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("array", "to", "error", "text"),
    [
        (np.ones(2), 0, ValueError, "rank 0 cannot send to itself"),
        (np.ones(2), 1, ValueError, "rank 0 cannot send to rank 1: there is only 0"),
        (np.ones(2), 1.0, TypeError, "rank 0 cannot send to 1.0: a rank is a whole number"),
    ],
)
def test_there_is_nobody_to_send_to(alone, array, to, error, text):
    with pytest.raises(error, match=text):
        alone.send(array, to)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1.0], "send takes an array, got a list"),
        (torch.ones(2, dtype=torch.complex64), "got complex64 and 1 axes"),
        (np.ones((1,) * 10), "got float64 and 10 axes"),
    ],
)
def test_what_cannot_be_sent_is_named(alone, value, text):
    with pytest.raises(TypeError, match=text):
        alone._packed(value)


def test_a_channel_needs_a_group():
    with pytest.raises(RuntimeError, match=r"joined no group. Use connect\(\)"):
        TorchChannel()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"backend": "mpi"}, "backend must be 'auto', 'gloo' or 'nccl', got 'mpi'"),
        ({"timeout": 0}, r"timeout must lie in \(0, inf\), got 0"),
    ],
)
def test_connect_says_what_is_wrong(arguments, text):
    with pytest.raises(ValueError, match=text), connect(rank=0, size=1, **arguments):
        pass
    assert not torch.distributed.is_initialized()


def test_the_group_is_left_after_an_error(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        connect(rank=0, size=1, init_method=f"file://{tmp_path}/meet"),
    ):
        1 / 0  # noqa: B018
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("gpus", "backend", "ranks", "device"),
    [
        (0, "auto", 2, "cpu"),
        (0, "gloo", 2, "cpu"),
        (2, "auto", 2, "cuda:1"),
        (2, "nccl", 2, "cuda:1"),
        (2, "gloo", 2, "cpu"),
        (1, "auto", 2, "cpu"),
    ],
)
def test_each_rank_has_a_gpu_of_its_own_or_none_has(monkeypatch, gpus, backend, ranks, device):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert device_for(backend, 1, ranks) == device


def test_nccl_wants_a_gpu_for_each_rank(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="a GPU for each rank: 2 ranks, 1 GPUs here"):
        device_for("nccl", 0, 2)


# Between processes: this file is what each of them runs, and rank 0 tells what it saw.


def same(sent, received):
    kind = np.ndarray if isinstance(sent, np.ndarray | np.generic) else torch.Tensor
    return (
        isinstance(received, kind)
        and received.dtype == sent.dtype
        and tuple(received.shape) == tuple(sent.shape)
        and not getattr(received, "requires_grad", False)
        and bool((received == sent).all())
    )


def echo(channel):
    """Send back what comes, and change it once it is sent: a copy must travel."""
    for _ in ARRAYS:
        array = channel.recv(0)
        channel.send(array, 0)
        if array.ndim:
            array[...] = 0
    channel.flush()


def tell(channel, notes):
    wrong = []
    for name, array in ARRAYS.items():
        channel.send(array, 1)
        if not same(array, channel.recv(1)):
            wrong.append(name)
    seen = {"wrong": wrong, "bytes": channel.bytes_sent}
    channel.flush()
    notes.clear()
    seen["first"] = channel.recv(1).tolist()
    seen["second"] = channel.recv(1).tolist()
    seen["notes"] = list(notes)
    for other in (2, 1):
        try:
            channel.recv(other)
        except RuntimeError as error:
            lost = [type(error).__name__, error.other, error.seconds >= 3, str(error)]
            seen[f"lost {other}"] = lost
    return seen


def be_rank(rank, folder):
    notes = []
    meet = f"file://{folder}/meet"
    with connect(
        rank=rank, size=3, init_method=meet, timeout=3, note=lambda *what: notes.append(what)
    ) as channel:
        if rank == 2:
            os._exit(0)
        if rank == 1:
            echo(channel)
            channel.send(np.array([1]), 0)
            channel.send(np.array([2]), 0)
            channel.flush()
            sys.stdin.read()  # alive and mute, until rank 0 has had enough of it
            os._exit(0)
        seen = tell(channel, notes)
    sys.stdout.write(json.dumps(seen))


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    try:
        return json.loads(ranks[0].communicate(timeout=120)[0])
    finally:
        for process in ranks:
            process.kill()
            process.communicate()


def test_all_kinds_of_arrays_arrive_as_they_were(seen):
    assert seen["wrong"] == []


def test_the_bytes_of_arrays_are_counted(seen):
    assert seen["bytes"] == sum(array.nbytes for array in ARRAYS.values())


def test_arrays_come_in_the_order_in_which_they_were_sent(seen):
    assert (seen["first"], seen["second"]) == ([1], [2])


def test_who_waits_for_whom_is_noted(seen):
    assert seen["notes"] == [["recv", 1], ["run", -1], ["recv", 1], ["run", -1]]


def test_a_rank_that_has_gone_is_named(seen):
    *facts, text = seen["lost 2"]
    assert facts == ["Unreachable", 2, False]
    assert text.startswith("rank 2 is gone, or was silent for too long")


def test_a_rank_from_which_nothing_comes_is_named_after_the_timeout(seen):
    assert seen["lost 1"][:3] == ["Unreachable", 1, True]


if __name__ == "__main__":
    be_rank(int(sys.argv[1]), sys.argv[2])
