"""Shapes of networks over many seeds, written to `data/` for the lesson.

`make experiments` runs it (about two minutes on one core). First: four shapes with about the same
number of parameters classify the digits; each shape's rate is chosen on a part of the training data
that is held back. Then: networks of several widths and depths learn a sine.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from course import optimizers
from course.data import Split, digits
from course.layers import Linear, ReLU, Sequential
from course.losses import mse_grad
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train

SHAPES = {
    "one hidden layer": (64, 37, 10),
    "funnel": (64, 32, 16, 10),
    "rectangle": (64, 27, 27, 10),
    "widening": (64, 22, 40, 10),
}
RATES = (0.03, 0.1, 0.3, 1.0)
CHOICE_SEEDS, SEEDS = range(100, 105), range(20)
EPOCHS, BATCH_SIZE = 20, 32

SINES = {
    "wide": [(1, width, 1) for width in (2, 4, 8, 16, 32, 64)],
    "narrow": [(1, *[6] * depth, 1) for depth in (1, 2, 4, 8)],
}
SINE_SEEDS, SINE_STEPS, SINE_RATE, SINE_POINTS = range(10), 2000, 0.01, 101
DATA = Path(__file__).parent / "data"


def network_of(shape: Sequence[int], rng: np.random.Generator) -> Sequential:
    """Return dense layers of these sizes with ReLU between them, He normal."""
    layers = [
        layer
        for fan_in, fan_out in itertools.pairwise(shape)
        for layer in (Linear(fan_in, fan_out, rng), ReLU())
    ]
    return Sequential(*layers[:-1])


def run(shape: Sequence[int], lr: float, data: Split, seed: int) -> History:
    """Train one network with mini-batches; the seed fixes the weights and the order."""
    rng = np.random.default_rng(seed)
    network = network_of(shape, rng)
    optimizer = Optimizer(optimizers.sgd, network.params, lr=lr)
    return train(network, optimizer, data, epochs=EPOCHS, batch_size=BATCH_SIZE, rng=rng)


def choose_rate(shape: Sequence[int]) -> float:
    """Return the rate of lowest mean validation loss."""

    def score(lr: float) -> float:
        parts = [(digits(seed).hold_back(), seed) for seed in CHOICE_SEEDS]
        return float(np.mean([run(shape, lr, part, seed).test_loss[-1] for part, seed in parts]))

    return min(RATES, key=score)


def compare_shapes() -> list[tuple[object, ...]]:
    """Return what each shape scored at its rate, after each epoch of every seed."""
    rows: list[tuple[object, ...]] = []
    for name, shape in SHAPES.items():
        lr = choose_rate(shape)
        for seed in SEEDS:
            seen = run(shape, lr, digits(seed), seed)
            for epoch in range(EPOCHS + 1):
                scores = (seen.train_loss[epoch], seen.test_loss[epoch], seen.test_accuracy[epoch])
                rows.append((name, _written(shape), lr, seed, epoch, *map(float, scores)))
    return rows


def learn_sine(shape: Sequence[int], seed: int) -> tuple[float, float]:
    """Return the root mean square and the largest error of a network that has learnt a sine."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1.0, 1.0, SINE_POINTS)[:, None]
    y = np.sin(2 * np.pi * x)
    network = network_of(shape, rng)
    network.params[1][:] = rng.uniform(-1.0, 1.0, network.params[1].shape)  # kinks all over
    optimizer = Optimizer(optimizers.adam, network.params, lr=SINE_RATE)
    for _ in range(SINE_STEPS):
        network.backward(mse_grad(network.forward(x), y))
        optimizer.step(network.grads)
    fine = np.linspace(-1.0, 1.0, 2001)[:, None]
    error = network.forward(fine) - np.sin(2 * np.pi * fine)
    return float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())


def learn_sines() -> list[tuple[object, ...]]:
    """Return the errors of every shape and seed."""
    return [
        (kind, _written(shape), seed, *learn_sine(shape, seed))
        for kind, shapes in SINES.items()
        for shape in shapes
        for seed in SINE_SEEDS
    ]


def _written(shape: Sequence[int]) -> str:
    return "-".join(map(str, shape))


def write_shapes() -> None:
    """Compare the shapes and write their table."""
    write_study(
        DATA / "shapes.csv",
        (
            f"Digits: scores by epoch, seeds {SEEDS[0]} to {SEEDS[-1]}.",
            f"gradient descent, batches of {BATCH_SIZE}, ReLU, He normal; the rate chosen from "
            f"{RATES} by the validation loss of seeds {CHOICE_SEEDS[0]} to {CHOICE_SEEDS[-1]}",
        ),
        ("name", "shape", "lr", "seed", "epoch", "train_loss", "test_loss", "test_accuracy"),
        compare_shapes(),
    )


def write_sines() -> None:
    """Learn the sines and write their table."""
    write_study(
        DATA / "sines.csv",
        (
            f"sin(2 pi x) on [-1, 1]: errors on 2001 points, seeds {SINE_SEEDS[0]} to "
            f"{SINE_SEEDS[-1]}.",
            f"Adam, rate {SINE_RATE}, {SINE_STEPS} steps on {SINE_POINTS} points, ReLU, He normal, "
            "first biases uniform on [-1, 1]",
        ),
        ("kind", "shape", "seed", "rms_error", "largest_error"),
        learn_sines(),
    )


if __name__ == "__main__":
    write_shapes()
    write_sines()
