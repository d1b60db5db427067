"""The studies of unit 07 over many seeds, written to `data/` for the lesson.

`make experiments` runs them (a few minutes on one core): the variance of every layer, both ways, for
every initializer and activation; and a deep network trained from each of those starts.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from course import activations, initializers, optimizers
from course.data import Split, digits
from course.layers import Activation, Linear, Sequential
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train

Array = Any

DATA = Path(__file__).parent / "data"
SIZE, LAYERS, VARIANCE_SEEDS = 200, 10, range(10)
DRAWN: dict[str, Callable[..., Array]] = {
    "normal": initializers.normal,
    "lecun": initializers.lecun_normal,
    "xavier": initializers.xavier_normal,
    "he": initializers.he_normal,
    "orthogonal": initializers.orthogonal,
}
FUNCTIONS = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "silu",
    "gelu",
    "mish",
)

HIDDEN, WIDTH, EPOCHS, BATCH_SIZE = 8, 48, 4, 64
TRAINED = ("sigmoid", "tanh", "relu", "selu")
STARTS: dict[str, Callable[..., Array]] = {
    "small": functools.partial(initializers.normal, std=0.01),
    **DRAWN,
    "lsuv": initializers.orthogonal,
}
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
CHOICE_SEEDS, SEEDS = range(100, 102), range(8)


# --- the variance of every layer -------------------------------------------------------------


def variances(start: str, function: str, seed: int) -> tuple[Array, Array]:
    """Return Var(z) and Var(∂L/∂z) of each layer, for N(0, 1) inputs and output gradients."""
    rng = np.random.default_rng(seed)
    phi, slope = getattr(activations, function), getattr(activations, f"{function}_grad")
    weights = [DRAWN[start]((SIZE, SIZE), rng) for _ in range(LAYERS)]
    h, zs = rng.standard_normal((SIZE, SIZE)), []
    for w in weights:
        zs.append(h @ w)
        h = phi(zs[-1])
    grads = [rng.standard_normal((SIZE, SIZE))]
    for z, w in zip(zs[-2::-1], weights[:0:-1], strict=True):
        grads.insert(0, (grads[0] @ w.T) * slope(z))
    return np.var(zs, axis=(1, 2)), np.mean(np.square(grads), axis=(1, 2))


def all_variances() -> Iterator[tuple[object, ...]]:
    """Yield a row for each start, activation, seed and layer."""
    for start in DRAWN:
        for function in FUNCTIONS:
            for seed in VARIANCE_SEEDS:
                for layer, row in enumerate(zip(*variances(start, function, seed), strict=True)):
                    yield (start, function, seed, layer + 1, *row)


# --- training from every start ---------------------------------------------------------------


def network(start: str, function: str, x: Array, rng: np.random.Generator) -> Sequential:
    """Return a deep network; LSUV looks at the batch x."""
    phi = getattr(activations, function)
    sizes = [(x.shape[1], WIDTH)] + [(WIDTH, WIDTH)] * (HIDDEN - 1) + [(WIDTH, 10)]
    layers: list[Any] = []
    for fan_in, fan_out in sizes:
        layers += [Linear(fan_in, fan_out, rng, initializer=STARTS[start]), Activation(phi)]
    made = Sequential(*layers[:-1])
    if start == "lsuv":
        matrices = made.params[::2]
        forward = [operator.matmul] * len(matrices)
        rescaled = initializers.lsuv(matrices, phi, x, forward=forward)
        for given, w in zip(matrices, rescaled, strict=True):
            given[...] = w
    return made


def run(start: str, function: str, lr: float, data: Split, seed: int) -> History:
    """Train the deep network with momentum."""
    rng = np.random.default_rng(seed)
    made = network(start, function, data.x_train[:256], rng)
    optimizer = Optimizer(optimizers.momentum, made.params, lr=lr)
    return train(made, optimizer, data, epochs=EPOCHS, batch_size=BATCH_SIZE, rng=rng)


def choose_rates() -> tuple[dict[tuple[str, str], float], list[tuple[object, ...]]]:
    """Return each pair's rate of lowest mean validation loss, and all the losses."""
    best, rows = {}, []
    for start in STARTS:
        for function in TRAINED:
            means = {}
            for lr in RATES:
                losses = [
                    run(start, function, lr, digits(seed).hold_back(), seed).test_loss[-1]
                    for seed in CHOICE_SEEDS
                ]
                means[lr] = np.mean(losses)
                rows += [
                    (start, function, lr, seed, loss)
                    for seed, loss in zip(CHOICE_SEEDS, losses, strict=True)
                ]
            best[start, function] = min(RATES, key=means.__getitem__)
    return best, rows


def trainings(rates: dict[tuple[str, str], float]) -> Iterator[tuple[object, ...]]:
    """Yield what every pair scored at its rate, for every seed."""
    for (start, function), lr in rates.items():
        for seed in SEEDS:
            seen = run(start, function, lr, digits(seed), seed)
            scores = seen.train_loss[1], seen.train_loss[-1], seen.test_accuracy[-1]
            yield (start, function, lr, seed, *scores)


def main() -> None:
    """Run both studies and write their tables."""
    write_study(
        DATA / "variance.csv",
        [
            "Var(z) and Var(dL/dz) by layer, of one network each, over samples and units.",
            f"{LAYERS} layers of {SIZE} units, {SIZE} samples, N(0, 1) inputs and output gradients",
        ],
        ("start", "activation", "seed", "layer", "forward", "backward"),
        all_variances(),
    )
    how = (
        f"network 64, {HIDDEN} x {WIDTH}, 10; digits; momentum 0.9, batches of {BATCH_SIZE}, "
        f"{EPOCHS} epochs"
    )
    rates, rows = choose_rates()
    write_study(
        DATA / "rates.csv",
        ["Validation loss by start, activation and rate, a fifth of the training part.", how],
        ("start", "activation", "lr", "seed", "validation_loss"),
        rows,
    )
    write_study(
        DATA / "training.csv",
        ["Scores at each pair's chosen rate: training loss after one epoch and at the end.", how],
        ("start", "activation", "lr", "seed", "first_epoch", "train_loss", "test_accuracy"),
        trainings(rates),
    )


if __name__ == "__main__":
    main()
