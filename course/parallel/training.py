"""Data-parallel training of a small network on real data: one function for threads and processes.

Whoever runs it gives each rank a `Channel`; that is all it knows of threads, processes and
machines.
"""

from __future__ import annotations

import contextlib
import datetime
import inspect
import os
import signal
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from course import optimizers
from course._arrays import Array
from course.data import batches, digits
from course.layers import TorchModule
from course.losses import cross_entropy, cross_entropy_grad
from course.parallel.channel import Channel
from course.parallel.collectives import (
    central_all_reduce,
    ring_all_gather,
    ring_all_reduce,
    shard,
    tree_broadcast,
)
from course.parallel.costs import bytes_sent
from course.parallel.errors import ParallelError, UsageError
from course.parallel.ledger import Journal
from course.parallel.steps import AllReduce, average_gradients, same_everywhere
from course.parallel.student_file import load_all_reduce
from course.parallel.torch_channel import TorchChannel, Unreachable

COLLECTIVES: dict[str, AllReduce] = {"ring": ring_all_reduce, "central": central_all_reduce}
FAULTS = ("kill", "hang", "fail", "differ")
_NO_RULES = ("Optimizer", "nesterov_lookahead")
_WARM_UP = 3
_DEFAULT_LR = 0.1


@dataclass(frozen=True)
class Fault:
    """What shall go wrong, to see what happens then.

    Attributes:
        rank: on which rank.
        step: in which step, counted from 1 over all epochs.
        kind: one of `FAULTS`.
    """

    rank: int
    step: int
    kind: str


@dataclass(frozen=True)
class Settings:
    """What to train and how; it crosses to other processes as JSON.

    Attributes:
        collective: "ring", "central", "ddp", "FILE.py:NAME" or "FILE.ipynb:NAME".
        optimizer: the name of a rule of `course.optimizers`.
        lr: the learning rate; ``None`` for the rule's own, 0.1 where it has none.
        epochs: how often each sample is visited.
        batch_size: samples in a step, over all ranks.
        hidden: the units of the hidden layer.
        seed: of the parameters, the split and the order of samples.
        backend: how ranks reach each other: "gloo", "nccl" or "threads".
        device: where a rank's tensors are.
        fault: what shall go wrong.
    """

    collective: str = "ring"
    optimizer: str = "momentum"
    lr: float | None = None
    epochs: int = 3
    batch_size: int = 64
    hidden: int = 64
    seed: int = 0
    backend: str = "gloo"
    device: str = "cpu"
    fault: Fault | None = None


@dataclass(frozen=True)
class Epoch:
    """What an epoch has brought: the scores after it, and the seconds of its steps."""

    epoch: int
    train_loss: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Report:
    """What a run has brought; times are medians on rank 0 over the steps after the first three.

    Attributes:
        nproc: K, the number of ranks.
        collective: as in `Settings`; so are optimizer, backend, device and batch_size.
        n_params: the parameters of the network.
        n_bytes: those of what is summed over the ranks: all gradients and the count of samples.
        bytes_per_step: by rank, what each sent in a step's collective; ``None`` with DDP, which
            does not tell.
        bytes_expected: the same by `bytes_sent`; ``None`` where it does not know the collective.
        step_seconds: a whole step.
        compute_seconds: its part without the collective; ``None`` with DDP, where both overlap.
        communication_seconds: the collective, with the wait for slower ranks.
        samples_per_second: over all ranks.
        epochs: one entry each.
        parameters: the arrays of the trained network, as NumPy arrays.
    """

    nproc: int
    collective: str
    optimizer: str
    backend: str
    device: str
    batch_size: int
    n_params: int
    n_bytes: int
    bytes_per_step: list[int] | None
    bytes_expected: list[int] | None
    step_seconds: float
    compute_seconds: float | None
    communication_seconds: float | None
    samples_per_second: float
    epochs: list[Epoch]
    parameters: list[Array]

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the parameters as what JSON knows."""
        return {key: value for key, value in asdict(self).items() if key != "parameters"}


def rules() -> list[str]:
    """Return the names of the rules that `Settings.optimizer` may name."""
    return [name for name in optimizers.__all__ if name not in _NO_RULES]


def require_settings(settings: Settings, ranks: int) -> None:
    """Raise where a run cannot begin.

    Raises:
        UsageError: a setting names nothing, is out of range, or does not fit the number of ranks.
    """
    if settings.optimizer not in rules():
        raise UsageError(
            f"there is no optimizer {settings.optimizer!r}; there are {', '.join(rules())}."
        )
    if settings.collective == "ddp" and settings.backend == "threads":
        raise UsageError("DistributedDataParallel needs processes: give --nproc, not --replicas.")
    if ranks > settings.batch_size:
        raise UsageError(
            f"{ranks} ranks for a batch of {settings.batch_size} samples: some would have nothing "
            f"to do. Use at most {settings.batch_size} ranks, or a larger --batch-size."
        )
    if settings.fault is not None and settings.fault.rank >= ranks:
        raise UsageError(
            f"--fault names rank {settings.fault.rank}, but with {ranks} ranks they are "
            f"0 to {ranks - 1}."
        )
    _all_reduce_of(settings.collective)


def train_rank(
    channel: Channel, settings: Settings, journal: Journal | None = None
) -> Report | None:
    """Train as one rank among others; all ranks end with the same parameters.

    Args:
        channel: this rank's.
        settings: the same on all ranks.
        journal: told of each step, and on rank 0 of each epoch.

    Returns:
        A `Report` on rank 0, else ``None``.

    Raises:
        UsageError: there is no such collective.
        ParallelError: the ranks' parameters differ, or are no longer finite.
        RuntimeError: a rank is missing.
    """
    journal = journal or Journal()
    replica = _Replica(channel, settings, journal)
    rng = np.random.default_rng(settings.seed)
    seen = []
    for epoch in range(1, settings.epochs + 1):
        before = len(replica.times)
        for step, rows in enumerate(
            batches(len(replica.data.x_train), settings.batch_size, rng), 1
        ):
            journal.at(epoch, step)
            replica.step(rows)
        replica.require_same(epoch)
        if channel.rank == 0:
            seconds = sum(sum(parts) for parts in replica.times[before:])
            seen.append(Epoch(epoch, *replica.scores(), seconds))
            journal.ended(asdict(seen[-1]))
    return replica.report(seen)


class _Metered:
    """A channel that counts what a collective sends, whatever it is a channel of."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.rank, self.size = channel.rank, channel.size
        self.bytes_sent = 0

    def send(self, array: Array, to: int) -> None:
        self.bytes_sent += array.nbytes
        self._channel.send(array, to)

    def recv(self, source: int) -> Array:
        return self._channel.recv(source)


class _Replica:
    """A rank's copy of the network, its data and what its steps took."""

    def __init__(self, channel: Channel, settings: Settings, journal: Journal) -> None:
        import torch

        self.channel, self.settings, self.journal = channel, settings, journal
        self.device = torch.device(settings.device)
        self.data = digits(settings.seed)
        self.x = torch.as_tensor(self.data.x_train, device=self.device)
        self.y = torch.as_tensor(self.data.y_train, device=self.device)
        self.module = _network(self.x.shape[1], settings).to(self.device)
        self.network = TorchModule(self._wrapped())
        self.optimizer = _optimizer(settings, self.module.parameters())
        self.all_reduce = _all_reduce_of(settings.collective)
        self.times: list[tuple[float, float, float]] = []
        self.sent: list[int] = []

    def step(self, rows: Array) -> None:
        """Make a step with this rank's share of a batch, together with all others."""
        self._meet_fault()
        began = self._now()
        own = shard(rows, self.channel.rank, self.channel.size)
        count = len(own)
        with self._waiting_for_all():
            output = self.network.forward(self.x[own], training=True)
            if count:
                grad = cross_entropy_grad(output, self.y[own]) * self._weight(count, len(rows))
            else:
                grad = output  # has no rows, as the gradient: of no samples there is no mean
            self.network.backward(grad)
        computed = self._now()
        grads = self._averaged(self.network.grads, count)
        communicated = self._now()
        self.optimizer.step(grads)
        self.times.append((computed - began, communicated - computed, self._now() - communicated))
        self.journal.note("run")

    def require_same(self, epoch: int) -> None:
        """Raise where the ranks do not hold the same parameters, and name those that differ."""
        import torch

        flat = torch.cat([param.detach().flatten() for param in self.module.parameters()])
        if not bool(torch.isfinite(flat).all()):
            raise ParallelError(
                f"After epoch {epoch} the parameters are no longer finite: training has diverged. "
                "Try a smaller --lr."
            )
        same = same_everywhere(self.channel, [flat])
        if not same:
            apart = (flat - tree_broadcast(self.channel, flat)).abs().max().reshape(1)
            distances = ring_all_gather(self.channel, apart).tolist()
            others = [str(rank) for rank, distance in enumerate(distances) if distance > 0]
            raise ParallelError(
                f"After epoch {epoch} the parameters are not the same on all ranks: those of rank "
                f"{', '.join(others)} differ from rank 0's by up to {max(distances):.3g}. "
                "An all-reduce must give every rank the same sum."
            )
        _settle(self.channel)

    def scores(self) -> tuple[float, float]:
        """Return the loss on the whole training part and the accuracy on the test part."""
        import torch

        with torch.no_grad():
            loss = float(cross_entropy(self.module(self.x), self.y))
            output = self.module(torch.as_tensor(self.data.x_test, device=self.device))
            right = output.argmax(dim=1).cpu().numpy() == self.data.y_test
        return loss, float(right.mean())

    def report(self, seen: Sequence[Epoch]) -> Report | None:
        """Collect on rank 0 what all ranks have sent, and sum the run up there."""
        channel, settings = self.channel, self.settings
        sent = _collected(channel, statistics.median_low(self.sent) if self.sent else 0)
        if sent is None:
            return None
        params = [param.detach().cpu().numpy() for param in self.module.parameters()]
        n_params = sum(param.size for param in params)
        times = self.times[_WARM_UP:] or self.times
        steps = [sum(parts) for parts in times]
        is_ddp = settings.collective == "ddp"
        expected = None
        if settings.collective in COLLECTIVES:
            expected = [
                bytes_sent(settings.collective, rank, channel.size, n_params + 1)
                for rank in range(channel.size)
            ]
        step_seconds = statistics.median(steps)
        return Report(
            nproc=channel.size,
            collective=settings.collective,
            optimizer=settings.optimizer,
            backend=settings.backend,
            device=settings.device,
            batch_size=settings.batch_size,
            n_params=n_params,
            n_bytes=(n_params + (not is_ddp)) * params[0].itemsize,
            bytes_per_step=None if is_ddp else sent,
            bytes_expected=expected,
            step_seconds=step_seconds,
            compute_seconds=None if is_ddp else statistics.median(a + c for a, _, c in times),
            communication_seconds=None if is_ddp else statistics.median(b for _, b, _ in times),
            samples_per_second=min(settings.batch_size, len(self.x)) / step_seconds,
            epochs=list(seen),
            parameters=params,
        )

    def _wrapped(self) -> Any:
        if self.settings.collective != "ddp":
            return self.module
        if not isinstance(self.channel, TorchChannel):
            raise UsageError("DistributedDataParallel needs processes, not replicas in a kernel.")
        from torch import distributed
        from torch.nn.parallel import DistributedDataParallel

        # A group of its own: the one of connect() waits longer, until all have joined.
        patience = datetime.timedelta(seconds=self.channel.timeout)
        return DistributedDataParallel(
            self.module,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            process_group=distributed.new_group(timeout=patience),
        )

    def _weight(self, count: int, of: int) -> float:
        """Return what this shard's mean gradient is multiplied by before the backward pass.

        DDP sums over ranks and divides by K, which is right for equal shards only. With the weight
        K n_r / N of a shard the result is the mean over all samples, whatever the shards.
        """
        return self.channel.size * count / of if self.settings.collective == "ddp" else 1.0

    @contextlib.contextmanager
    def _waiting_for_all(self) -> Iterator[None]:
        """Note that the ranks wait for each other in here, as they do in DDP's backward pass."""
        if self.settings.collective != "ddp":
            yield
            return
        self.journal.note("all")
        try:
            yield
            self._now()
        except RuntimeError as error:
            raise Unreachable(f"the ranks do not meet in the backward pass: {error}") from error
        self.journal.note("run")

    def _averaged(self, grads: Sequence[Array], count: int) -> list[Array]:
        if self.all_reduce is None:
            return list(grads)
        metered = _Metered(self.channel)
        averaged = average_gradients(metered, grads, count, self.all_reduce)
        _settle(self.channel)
        self.sent.append(metered.bytes_sent)
        return averaged

    def _now(self) -> float:
        """Return the time once a GPU has done what it was told."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.current_stream(self.device).synchronize()
        return time.perf_counter()

    def _meet_fault(self) -> None:
        fault = self.settings.fault
        step = len(self.times) + 1
        if fault is None or (fault.rank, fault.step) != (self.channel.rank, step):
            return
        if fault.kind == "kill":
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        if fault.kind == "fail":
            raise RuntimeError("this was asked for by --fault")
        if fault.kind == "differ":
            next(self.module.parameters()).data += 1e-6
        while fault.kind == "hang":
            time.sleep(0.1)


def _all_reduce_of(collective: str) -> AllReduce | None:
    """Return a collective by its name or place; ``None`` for DDP, which has its own."""
    if collective == "ddp":
        return None
    if collective in COLLECTIVES:
        return COLLECTIVES[collective]
    if ":" not in collective:
        raise UsageError(
            f"there is no collective {collective!r}; there are {', '.join(COLLECTIVES)}, ddp, "
            "and your own as FILE.py:NAME or FILE.ipynb:NAME."
        )
    return load_all_reduce(collective)


def _network(features: int, settings: Settings) -> Any:
    """Return the network that every rank begins with."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return torch.nn.Sequential(
            torch.nn.Linear(features, settings.hidden, dtype=torch.float64),
            torch.nn.ReLU(),
            torch.nn.Linear(settings.hidden, 10, dtype=torch.float64),
        )


def _optimizer(settings: Settings, params: Iterable[Any]) -> optimizers.Optimizer:
    rule = getattr(optimizers, settings.optimizer)
    hyper: dict[str, Any] = {} if settings.lr is None else {"lr": settings.lr}
    if (
        settings.lr is None
        and inspect.signature(rule).parameters["lr"].default is inspect.Parameter.empty
    ):
        hyper = {"lr": _DEFAULT_LR}
    if rule is optimizers.muon:
        rule = _muon_for_matrices
    return optimizers.Optimizer(rule, params, **hyper)


def _muon_for_matrices(
    theta: Array, grad: Array, state: dict[str, Any] | None = None, **hyper: Any
) -> tuple[Array, dict[str, Any]]:
    """Take Muon's step for a matrix, AdamW's for a bias: Muon knows none."""
    rule = optimizers.muon if theta.ndim == 2 else optimizers.adamw
    return rule(theta, grad, state, **hyper)


def _settle(channel: Channel) -> None:
    """Wait until what this rank has sent is received, where that is not at once."""
    if isinstance(channel, TorchChannel):
        channel.flush()


def _collected(channel: Channel, number: int) -> list[int] | None:
    """Return all ranks' numbers on rank 0."""
    if channel.rank > 0:
        channel.send(np.array(number), 0)
        _settle(channel)
        return None
    return [number, *(int(channel.recv(rank)) for rank in range(1, channel.size))]
