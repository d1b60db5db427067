"""A channel between processes: the same `send` and `recv` over ``torch.distributed``."""

from __future__ import annotations

import contextlib
import datetime
import gc
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from course._arrays import Array
from course._numbers import as_number
from course._ranks import require_other

_DTYPES = (
    *("float64", "float32", "float16", "bfloat16"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)
_HEADER = 12  # whether NumPy's, the dtype's number, the number of axes, and up to 9 lengths
_MEET_SECONDS = 120.0
"""Processes that start together import torch at different speeds: no reason to give up."""

Note = Callable[[str, int], None]
"""Takes what a rank is about to do: wait in "recv" or "send" and for which rank, or for "all" and
-1, or "run" and -1."""


class Unreachable(RuntimeError):  # noqa: N818 - it reads as a sentence in a traceback
    """Another rank is gone, or nothing came from it within the channel's timeout.

    Attributes:
        other: that rank; -1 where it may be any.
        seconds: how long it was waited for.
    """

    def __init__(self, error: Exception, other: int, seconds: float) -> None:
        who = f"rank {other}" if other >= 0 else "another rank"
        super().__init__(f"{who} is gone, or was silent for too long: {error}")
        self.other, self.seconds = other, seconds


class TorchChannel:
    r"""A rank's `Channel` to other processes; `connect` makes it.

    .. math:: \text{bytes sent} = \sum_{\text{messages}} \text{nbytes}

    Torch tensors go as the backend does it: gloo from and to a CPU's memory, NCCL from GPU to GPU.
    NumPy arrays always go over gloo. Ahead of each message a few numbers say its shape and dtype;
    they are not counted.

    Args:
        device: where torch tensors arrive, such as ``"cpu"`` or ``"cuda:0"``.
        note: called whenever this rank begins to wait or goes on.
        timeout: the seconds after which a rank that waits gives up, above 0.

    Attributes:
        bytes_sent: the bytes that this rank has sent so far.
        device: as given.
        timeout: as given.

    Raises:
        RuntimeError: the process has joined no group (use `connect`), another rank is gone, or
            nothing came from it within the timeout.
        TypeError: what is sent is no array, or one of a dtype that torch lacks.
        ValueError: there is no such rank, or it is this one.

    Example:
        >>> import torch, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with connect(rank=0, size=1, init_method=f"file://{folder}/meet") as channel:
        ...         channel.rank, channel.size, channel.bytes_sent
        (0, 1, 0)

    References:
        Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, 2020,
        arXiv:2006.15704.

    Who differs:
        With NCCL a send waits for its receiver, and what is posted first runs first: a ring in
        which everyone sends first would stand still. So sends are kept back there until this rank
        receives, and are then posted together with the receive, or until `flush`.
    """

    def __init__(
        self,
        device: str = "cpu",
        note: Note = lambda what, rank: None,
        timeout: float = 30.0,
    ) -> None:
        import torch
        from torch import distributed

        if not distributed.is_initialized():
            raise RuntimeError("TorchChannel: this process has joined no group. Use connect().")
        self._torch, self._distributed = torch, distributed
        self.device = torch.device(device)
        self.timeout = as_number("TorchChannel", "timeout", timeout, "(0, inf)")
        self._note = note
        self._on_its_way: list[tuple[int, Any, Any]] = []
        self._kept_back: list[Any] = []
        self.bytes_sent = 0

    @property
    def rank(self) -> int:
        """The number of this rank."""
        return int(self._distributed.get_rank())

    @property
    def size(self) -> int:
        """The number of ranks."""
        return int(self._distributed.get_world_size())

    def send(self, array: Array, to: int) -> None:
        """Send a copy of an array to another rank."""
        to = require_other(self.rank, self.size, "send to", to)
        header, payload = self._packed(array)
        self.bytes_sent += payload.nbytes
        self._post(header, to)
        if payload.is_cuda and payload.numel() > 0:
            operation = self._distributed.P2POp(self._distributed.isend, payload, to)
            self._kept_back.append(operation)
        elif payload.numel() > 0:
            self._post(payload, to)

    def recv(self, source: int) -> Array:
        """Return the next array from another rank."""
        source = require_other(self.rank, self.size, "receive from", source)
        self._note("recv", source)
        header = self._torch.empty(_HEADER, dtype=self._torch.int64)
        self._take(header, source)
        of_numpy, code, axes, *lengths = header.tolist()
        place = "cpu" if of_numpy else self.device
        dtype = getattr(self._torch, _DTYPES[code])
        payload = self._torch.empty(lengths[:axes], dtype=dtype, device=place)
        if payload.numel() > 0:
            self._take(payload, source)
        self._note("run", -1)
        return payload.numpy() if of_numpy else payload

    def flush(self) -> None:
        """Wait until all that this rank has sent is received: to be called after a collective."""
        with telling():
            self._release([])
        for to, work, _ in self._on_its_way:
            self._note("send", to)
            self._wait(work, to)
        self._on_its_way = []
        self._note("run", -1)

    def meet(self) -> None:
        """Wait until all ranks are here: with patience, as they may still be loading things."""
        self._note("all", -1)
        with telling():
            self._distributed.all_reduce(self._torch.zeros(1))
        self._note("run", -1)

    def gather(self, value: Any) -> list[Any]:
        """Return what each rank gives, on every rank: for words about the work, not for arrays."""
        found: list[Any] = [None] * self.size
        self._note("all", -1)
        with telling():
            self._distributed.all_gather_object(found, value)
        self._note("run", -1)
        return found

    def __repr__(self) -> str:
        return f"TorchChannel(rank={self.rank}, size={self.size}, device={str(self.device)!r})"

    def _packed(self, array: Array) -> tuple[Any, Any]:
        of_numpy = isinstance(array, np.ndarray | np.generic)
        if not of_numpy and not isinstance(array, self._torch.Tensor):
            raise TypeError(f"send takes an array, got a {type(array).__name__}: {array!r:.80}")
        if of_numpy:
            payload = self._torch.from_numpy(np.array(array, order="C"))
        else:
            payload = array.detach().to(self.device).contiguous().clone()
        name = str(payload.dtype).removeprefix("torch.")
        if name not in _DTYPES or payload.ndim > _HEADER - 3:
            raise TypeError(
                f"send takes arrays of up to {_HEADER - 3} axes and of the dtypes "
                f"{', '.join(_DTYPES)}; got {name} and {payload.ndim} axes."
            )
        numbers = [int(of_numpy), _DTYPES.index(name), payload.ndim, *payload.shape]
        header = self._torch.zeros(_HEADER, dtype=self._torch.int64)
        header[: len(numbers)] = self._torch.tensor(numbers)
        return header, payload

    def _post(self, tensor: Any, to: int) -> None:
        with telling(to):
            self._on_its_way.append((to, self._distributed.isend(tensor, to), tensor))

    def _take(self, tensor: Any, source: int) -> None:
        with telling(source):
            if tensor.is_cuda:
                self._release([self._distributed.P2POp(self._distributed.irecv, tensor, source)])
            else:
                self._wait(self._distributed.irecv(tensor, source), source)

    def _wait(self, work: Any, other: int) -> None:
        with telling(other):
            work.wait(datetime.timedelta(seconds=self.timeout))

    def _release(self, operations: list[Any]) -> None:
        """Post what is kept back, together with these."""
        operations = [*self._kept_back, *operations]
        self._kept_back = []
        if operations:
            for work in self._distributed.batch_isend_irecv(operations):
                work.wait()


@contextlib.contextmanager
def telling(other: int = -1) -> Iterator[None]:
    """Say which rank is gone or silent: torch says only what happened to a socket."""
    began = time.monotonic()
    try:
        yield
    except Unreachable:
        raise
    except RuntimeError as error:
        raise Unreachable(error, other, time.monotonic() - began) from None


@contextlib.contextmanager
def connect(
    *,
    rank: int | None = None,
    size: int | None = None,
    backend: str = "auto",
    timeout: float = 30.0,
    init_method: str | None = None,
    note: Note = lambda what, rank: None,
) -> Iterator[TorchChannel]:
    r"""Join the other processes of a run, and leave them in good order.

    .. math:: \text{process } r ↔ \text{rank } r, \qquad r = 0, ..., K - 1

    Args:
        rank: this process's number; ``None`` for what torchrun has set.
        size: K, the number of processes; ``None`` for what torchrun has set.
        backend: "gloo" for CPUs, "nccl" for one GPU a rank; "auto" takes NCCL where every rank of
            this machine can have a GPU of its own.
        timeout: the seconds after which a rank that waits for another's message gives up, above
            0; until all have joined, at least two minutes.
        init_method: where the processes meet, as ``torch.distributed`` understands it.
        note: called whenever this rank begins to wait or goes on.

    Returns:
        A context in which the `TorchChannel` is open.

    Raises:
        ValueError: there is no such backend, no GPU for each rank, or a number is out of range.
        RuntimeError: the processes did not meet.

    Example:
        >>> import torch, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     meet = f"file://{folder}/meet"
        ...     with connect(rank=0, size=1, init_method=meet) as channel:
        ...         ring_all_reduce(channel, torch.ones(2))
        tensor([1., 1.])

    References:
        Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, 2020,
        arXiv:2006.15704.

    Who differs:
        ``init_process_group`` waits ten or thirty minutes for a rank that is gone.
    """
    import torch
    from torch import distributed

    timeout = as_number("connect", "timeout", timeout, "(0, inf)")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", size or 1))
    device = device_for(backend, int(os.environ.get("LOCAL_RANK", rank or 0)), here)
    if device != "cpu":
        torch.cuda.set_device(torch.device(device))
    distributed.init_process_group(
        "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl",
        init_method=init_method,
        rank=-1 if rank is None else rank,
        world_size=-1 if size is None else size,
        timeout=datetime.timedelta(seconds=max(timeout, _MEET_SECONDS)),
    )
    try:
        channel = TorchChannel(device, note, timeout)
        yield channel
        channel.flush()
    finally:
        gc.collect()  # what still holds the group, such as a DDP module, must be gone before it
        distributed.destroy_process_group()


def device_for(backend: str, local_rank: int, local_size: int) -> str:
    """Return the device of a rank among the ranks of this machine.

    Raises:
        ValueError: there is no such backend, or no GPU for each rank.
    """
    import torch

    gpus = torch.cuda.device_count()
    if backend not in ("auto", "gloo", "nccl"):
        raise ValueError(f"backend must be 'auto', 'gloo' or 'nccl', got {backend!r}.")
    if backend == "nccl" and gpus < local_size:
        raise ValueError(
            f"backend 'nccl' needs a GPU for each rank: {local_size} ranks, {gpus} GPUs here. "
            "Use fewer ranks, or backend 'gloo'."
        )
    return f"cuda:{local_rank}" if backend != "gloo" and gpus >= local_size else "cpu"
