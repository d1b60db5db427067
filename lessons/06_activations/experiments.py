"""The studies of unit 06, written to `data/` for the lesson.

`make experiments` runs them (about four minutes on one core): activations compared at their own
best rates in a shallow and a deep network, dead ReLUs counted and revived, and what each costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from course import activations, optimizers
from course.data import Split, digits
from course.layers import Linear
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train
from course.widgets.activations import ACTIVATIONS, dying_run, network_with

EPOCHS, BATCH_SIZE = 15, 64
SHALLOW, DEEP = (64, 32, 32, 10), (64, *[32] * 8, 10)
RATES = {SHALLOW: (0.01, 0.03, 0.1, 0.3, 1.0), DEEP: (0.003, 0.01, 0.03, 0.1)}
CHOICE_SEEDS = {SHALLOW: range(100, 103), DEEP: range(100, 102)}
SEEDS = {SHALLOW: range(20), DEEP: range(12)}
NAMES = {SHALLOW: "shallow", DEEP: "deep"}
DEAD_RATES, DEAD_SEEDS = (0.1, 0.2, 0.3, 0.5), range(10)
SWITCHES = ("relu", "leaky_relu", "elu", "mish")
COST_SHAPE, COST_REPEATS = (128, 128), 201
DATA = Path(__file__).parent / "data"


# --- activations compared --------------------------------------------------------------------


def run(name: str, widths: tuple[int, ...], lr: float, data: Split, seed: int) -> History:
    """Train a network with one activation; the seed fixes weights, order and random slopes."""
    rng = np.random.default_rng(seed)
    network = network_with(name, widths, rng)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)
    return train(network, optimizer, data, epochs=EPOCHS, batch_size=BATCH_SIZE, rng=rng)


def choose_rates(
    widths: tuple[int, ...],
) -> tuple[dict[str, float], list[tuple[object, ...]]]:
    """Return each activation's rate of lowest mean validation loss, and all the losses."""
    rows: list[tuple[object, ...]] = []
    best = {}
    for name in ACTIVATIONS:
        means = {}
        for lr in RATES[widths]:
            losses = []
            for seed in CHOICE_SEEDS[widths]:
                losses.append(run(name, widths, lr, digits(seed).hold_back(), seed).test_loss[-1])
                rows.append((NAMES[widths], name, lr, seed, losses[-1]))
            means[lr] = np.mean(losses)
        best[name] = min(RATES[widths], key=means.__getitem__)
    return best, rows


def compare(widths: tuple[int, ...], rates: dict[str, float]) -> list[tuple[object, ...]]:
    """Return how every activation scored on the test part, for every seed."""
    rows: list[tuple[object, ...]] = []
    for name, lr in rates.items():
        for seed in SEEDS[widths]:
            seen = run(name, widths, lr, digits(seed), seed)
            scores = seen.train_loss[-1], seen.test_loss[-1], seen.test_accuracy[-1]
            rows.append((NAMES[widths], name, lr, seed, *scores))
    return rows


# --- dead ReLUs ------------------------------------------------------------------------------


def dead_units() -> list[tuple[object, ...]]:
    """Return the share of silent units and the scores at the switch and at the end."""
    rows: list[tuple[object, ...]] = []
    for lr in DEAD_RATES:
        for seed in DEAD_SEEDS:
            for after in SWITCHES:
                seen = dying_run(lr, after, seed)
                at, end = seen.switch, -1
                silent, accuracy = seen.silent[[at, end]], seen.accuracy[[at, end]]
                rows.append((lr, seed, after, *silent, *accuracy))
    return rows


# --- cost ------------------------------------------------------------------------------------


def microseconds(function: Callable[[], object]) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(COST_REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def costs() -> list[tuple[object, ...]]:
    """Return the times of the course's functions and of torch's, value alone and with gradient."""
    torch.set_num_threads(1)
    x = np.random.default_rng(0).standard_normal(COST_SHAPE).astype(np.float32)
    tensor = torch.tensor(x, requires_grad=True)
    ones = torch.ones_like(tensor)
    rows: list[tuple[object, ...]] = [dense_costs(x, tensor)]
    for name in ACTIVATIONS:
        if name in ("identity", "prelu", "rrelu"):
            continue
        own, own_grad = getattr(activations, name), getattr(activations, f"{name}_grad")
        theirs = getattr(torch, name, None) or getattr(torch.nn.functional, name)

        def value() -> object:
            with torch.no_grad():
                return theirs(tensor)  # noqa: B023 - called before the loop goes on

        def both() -> object:
            return torch.autograd.grad(theirs(tensor), tensor, ones)  # noqa: B023

        rows.append(
            (
                name,
                microseconds(lambda: own(x)),  # noqa: B023
                microseconds(lambda: (own(x), own_grad(x))),  # noqa: B023
                microseconds(value),
                microseconds(both),
            )
        )
    return rows


def dense_costs(x: np.ndarray, tensor: torch.Tensor) -> tuple[object, ...]:
    """Return the times of a dense layer as wide as the numbers, to compare with."""
    layer = Linear(x.shape[1], x.shape[1], np.random.default_rng(0), like=x)
    module = torch.nn.Linear(x.shape[1], x.shape[1])
    leaves = (tensor, *module.parameters())

    def value() -> object:
        with torch.no_grad():
            return module(tensor)

    return (
        "dense",
        microseconds(lambda: layer.forward(x)),
        microseconds(lambda: (layer.forward(x), layer.backward(x))),
        microseconds(value),
        microseconds(lambda: torch.autograd.grad(module(tensor), leaves, torch.ones_like(tensor))),
    )


# --- writing ---------------------------------------------------------------------------------


def _from_to(seeds: range) -> str:
    return f"{seeds[0]} to {seeds[-1]}"


def write_costs() -> None:
    """Measure the times: the only table that is another one on another machine."""
    write_study(
        DATA / "cost.csv",
        [
            f"Median time in µs of {COST_REPEATS} calls on float32 numbers of shape {COST_SHAPE}, "
            "one thread; dense: a dense layer 128-128, 128 samples.",
            f"numpy: course.activations; torch: torch {torch.__version__.split('+')[0]}; value "
            "alone, and value with derivative (backward pass).",
        ],
        ("activation", "numpy_value", "numpy_both", "torch_value", "torch_both"),
        costs(),
    )


def main() -> None:
    """Run all studies and write their tables."""
    write_costs()
    write_study(
        DATA / "dead.csv",
        [
            f"Silent units and test accuracy at a switch and at the end, digits, seeds "
            f"{_from_to(DEAD_SEEDS)}.",
            "network 64-32-32-10 with ReLU, momentum 0.9, batches of 64: 10 epochs at rate lr, then "
            "10 epochs at 0.01 with the activation named in after",
        ],
        ("lr", "seed", "after", "silent_before", "silent_end", "accuracy_before", "accuracy_end"),
        dead_units(),
    )
    rate_rows: list[tuple[object, ...]] = []
    score_rows: list[tuple[object, ...]] = []
    for widths in (SHALLOW, DEEP):
        rates, tried = choose_rates(widths)
        rate_rows += tried
        score_rows += compare(widths, rates)
    about = (
        f"digits; shallow {'-'.join(map(str, SHALLOW))}, deep {'-'.join(map(str, DEEP))}; Glorot "
        "for identity, sigmoid and tanh, LeCun for SELU, He for the others (normal); momentum 0.9, "
        f"batches of {BATCH_SIZE}, {EPOCHS} epochs"
    )
    write_study(
        DATA / "rates.csv",
        [
            f"Loss on a fifth of the training part held back, seeds {_from_to(CHOICE_SEEDS[SHALLOW])}"
            f" (shallow), {_from_to(CHOICE_SEEDS[DEEP])} (deep).",
            about,
        ],
        ("network", "activation", "lr", "seed", "validation_loss"),
        rate_rows,
    )
    write_study(
        DATA / "ranking.csv",
        [
            f"Scores on the test part at each activation's chosen rate, seeds "
            f"{_from_to(SEEDS[SHALLOW])} (shallow), {_from_to(SEEDS[DEEP])} (deep).",
            about,
        ],
        ("network", "activation", "lr", "seed", "train_loss", "test_loss", "test_accuracy"),
        score_rows,
    )


if __name__ == "__main__":
    main()
