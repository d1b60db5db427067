"""Data-parallel training of a small network on real data: one function for threads and processes.

Whoever runs it gives each rank a `Channel`; that is all it knows of threads, processes and
machines.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import signal
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from course import optimizers
from course._arrays import Array
from course.data import batches, digits
from course.layers import TorchModule
from course.losses import cross_entropy, cross_entropy_grad
from course.parallel.channel import Channel
from course.parallel.collectives import (
    central_all_reduce,
    ring_all_gather,
    shard,
    tree_broadcast,
)
from course.parallel.costs import bytes_sent
from course.parallel.lab.errors import ParallelError, UsageError
from course.parallel.lab.ledger import Journal
from course.parallel.lab.settings import COLLECTIVES, Epoch, Report, Settings, all_reduce_of
from course.parallel.steps import AllReduce, average_gradients, same_everywhere
from course.parallel.torch_channel import TorchChannel, telling

_WARM_UP = 3
_DEFAULT_LR = 0.1
_SUM_TOLERANCE = 1e-6
_ROUNDING = 1e-9


def prepare(settings: Settings) -> None:
    """Load what takes long, or may fail, before this rank keeps others waiting."""
    import torch

    all_reduce_of(settings.collective)
    digits(settings.seed)
    # A first backward pass makes torch import some 500 modules, among them all of SymPy.
    sample = torch.zeros(1, 1)
    network = TorchModule(torch.nn.Linear(1, 1))
    network.backward(array_namespace(sample).zeros_like(network.forward(sample)))


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
    if isinstance(channel, TorchChannel):
        channel.meet()
        _require_same_job(channel.gather(_job(settings)))
    _require_fault_to_come(settings, len(replica.data.x_train))
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


def _job(settings: Settings) -> dict[str, Any]:
    """Return what must be the same on all ranks; a student's file may lie elsewhere on each."""
    own = ("backend", "device", "fault")
    job = {key: value for key, value in asdict(settings).items() if key not in own}
    return job | {"collective": settings.collective.rpartition(":")[2]}


def _require_same_job(jobs: Sequence[dict[str, Any]]) -> None:
    for rank, job in enumerate(jobs):
        for key, value in job.items():
            if value != jobs[0][key]:
                raise ParallelError(
                    f"Rank {rank} was started with --{key.replace('_', '-')} {value}, rank 0 with "
                    f"{jobs[0][key]}. Give all machines the same options."
                )


def _require_fault_to_come(settings: Settings, samples: int) -> None:
    steps = settings.epochs * math.ceil(samples / settings.batch_size)
    if settings.fault is not None and settings.fault.step > steps:
        raise ParallelError(
            f"--fault asks for step {settings.fault.step}, and the training has {steps}."
        )


class _Metered:
    """A channel that counts what a collective sends, whatever it is a channel of."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.rank, self.size = channel.rank, channel.size
        self.bytes_sent = 0

    def send(self, array: Array, to: int) -> None:
        self._channel.send(array, to)  # first: it says what is no array, or no rank
        self.bytes_sent += array.nbytes

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
        self.all_reduce = all_reduce_of(settings.collective)
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
        if not same_everywhere(self.channel, [flat]):
            apart = (flat - tree_broadcast(self.channel, flat)).abs().max().reshape(1)
            distances = ring_all_gather(self.channel, apart).tolist()
            others = [str(rank) for rank, distance in enumerate(distances) if distance > 0]
            why = "An all-reduce must give every rank the same sum."
            if max(distances) < _ROUNDING:
                why = (
                    "That is rounding: each rank must get the same bits, so one place must add up "
                    "for all, or all in the same order."
                )
            raise ParallelError(
                f"After epoch {epoch} the parameters are not the same on all ranks: on rank "
                f"{', '.join(others)} they differ from rank 0's by up to {max(distances):.3g}. "
                + why
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
        from torch.nn.parallel import DistributedDataParallel

        device_ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(self.module, device_ids=device_ids)

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
        with telling():
            yield
            self._now()
        self.journal.note("run")

    def _averaged(self, grads: Sequence[Array], count: int) -> list[Array]:
        if self.all_reduce is None:
            return list(grads)
        metered = _Metered(self.channel)
        averaged = average_gradients(metered, grads, count, self._sum_of(self.all_reduce))
        _settle(self.channel)
        self.sent.append(metered.bytes_sent)
        return averaged

    def _sum_of(self, all_reduce: AllReduce) -> AllReduce:
        """Return an all-reduce that holds the first sum of a student's against the course's."""
        if self.sent or self.settings.collective in COLLECTIVES:
            return all_reduce

        def checked(channel: Channel, x: Array) -> Array:
            wanted = central_all_reduce(self.channel, x)
            _settle(self.channel)
            total = all_reduce(channel, x)
            distance = float(abs(total - wanted).max())
            if not distance <= _SUM_TOLERANCE * float(abs(wanted).max()):
                raise ParallelError(
                    f"{self.settings.collective} does not give the sum over all ranks: "
                    f"{self.journal.where}, the result on rank {channel.rank} differs by up to "
                    f"{distance:.3g}. Its last element counts the samples of all ranks: it is "
                    f"{float(total[-1]):.4g} and should be {float(wanted[-1]):.4g}."
                )
            return total

        return checked

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
