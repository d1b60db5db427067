"""What ``course parallel run`` is told to do, and what it reports."""

from __future__ import annotations

import functools
import sys
from dataclasses import asdict, dataclass
from typing import Any

from course import optimizers
from course._arrays import Array
from course.parallel.collectives import central_all_reduce, ring_all_reduce
from course.parallel.lab.errors import UsageError, require_at_least, require_at_most
from course.parallel.lab.student_file import load_all_reduce
from course.parallel.steps import AllReduce

COLLECTIVES: dict[str, AllReduce] = {"ring": ring_all_reduce, "central": central_all_reduce}
FAULTS = ("kill", "hang", "fail", "differ")
MOST_SECONDS = 7 * 86400
"""The longest timeout; torch knows none that is infinite."""

_LARGEST_SEED = 2**63 - 1
"""What torch takes."""

_NO_RULES = ("Optimizer", "nesterov_lookahead")


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
    require_at_least("--epochs", settings.epochs, 1)
    require_at_least("--batch-size", settings.batch_size, 1)
    require_at_least("--hidden", settings.hidden, 1)
    require_at_least("--seed", settings.seed, 0)
    require_at_most("--seed", settings.seed, _LARGEST_SEED)
    require_at_least("--lr", settings.lr or 0, 0)
    require_at_most("--lr", settings.lr or 0, sys.float_info.max)
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
    all_reduce_of(settings.collective)


@functools.cache
def all_reduce_of(collective: str) -> AllReduce | None:
    """Return a collective by its name or place; ``None`` for DDP, which has its own."""
    if collective == "ddp":
        return None
    if collective in COLLECTIVES:
        return COLLECTIVES[collective]
    if collective.endswith((".py", ".ipynb")):
        raise UsageError(f"{collective} alone names no function: give {collective}:NAME.")
    if ":" not in collective:
        raise UsageError(
            f"there is no collective {collective!r}; there are {', '.join(COLLECTIVES)}, ddp, "
            "and your own as FILE.py:NAME or FILE.ipynb:NAME."
        )
    return load_all_reduce(collective)
