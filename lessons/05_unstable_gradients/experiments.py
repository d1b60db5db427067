"""The studies of unit 05 over many seeds, written to `data/` for the lesson.

`make experiments` runs them (about three minutes on one core): how far each layer of a deep network
moves, and which rates survive exploding gradients with and without clipping.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from course import clipping, optimizers
from course.data import Split, digits
from course.diagnostics import layer_norms
from course.layers import Sequential
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train
from course.widgets.unstable_gradients import deep_network

DEPTH, WIDTH = 8, 32
NETWORKS = {
    "sigmoid normal": ("sigmoid", "normal", 1.0),
    "sigmoid Xavier": ("sigmoid", "xavier", 1.0),
    "tanh Xavier": ("tanh", "xavier", 1.0),
    "ReLU He": ("relu", "he", 1.0),
}
SPEED_RATES, SPEED_EPOCHS, SPEED_BATCH = (0.01, 0.03, 0.1, 0.3, 1.0), 8, 64
GAIN, CLIP_EPOCHS, CLIP_BATCH = 1.3, 5, 32
CLIPPINGS = {"none": None, "norm 1": ("norm", 1.0), "value 1": ("value", 1.0)}
CLIPPINGS["value 0.03"] = ("value", 0.03)
CLIP_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
CHOICE_SEEDS, SEEDS = range(100, 103), range(10)
DATA = Path(__file__).parent / "data"


# --- how far each layer moves ----------------------------------------------------------------


def train_deep(name: str, lr: float, data: Split, seed: int) -> tuple[Sequential, History]:
    """Train a deep network with momentum and return it with its history."""
    rng = np.random.default_rng(seed)
    network = deep_network(*NETWORKS[name], DEPTH, WIDTH, rng)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)
    seen = train(network, optimizer, data, epochs=SPEED_EPOCHS, batch_size=SPEED_BATCH, rng=rng)
    return network, seen


def speeds() -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return each layer's gradient at the start and its way, and each training's scores."""
    layers: list[tuple[Any, ...]] = []
    scores: list[tuple[Any, ...]] = []
    for name in NETWORKS:
        lr = best_rate(
            SPEED_RATES,
            lambda lr, seed, name=name: train_deep(name, lr, digits(seed).hold_back(), seed)[1],
        )
        for seed in SEEDS:
            data = digits(seed)
            start = deep_network(*NETWORKS[name], DEPTH, WIDTH, np.random.default_rng(seed))
            norms = layer_norms(
                start, data.x_train, lambda y, data=data: cross_entropy_grad(y, data.y_train)
            ).parameters
            norms = norms[norms > 0]
            network, seen = train_deep(name, lr, data, seed)
            pairs = zip(network.params[::2], start.params[::2], strict=True)
            ways = [np.linalg.norm(end - first) / np.linalg.norm(first) for end, first in pairs]
            layers += [
                (name, seed, layer, norm / norms[-1], way)
                for layer, (norm, way) in enumerate(zip(norms, ways, strict=True), start=1)
            ]
            scores.append((name, lr, seed, seen.train_loss[-1], seen.test_accuracy[-1]))
    return layers, scores


def best_rate(rates: tuple[float, ...], run: Any) -> float:
    """Return the rate of lowest mean loss on held-back data."""
    losses = {lr: np.mean([run(lr, seed).test_loss[-1] for seed in CHOICE_SEEDS]) for lr in rates}
    return min(rates, key=lambda lr: losses[lr] if np.isfinite(losses[lr]) else np.inf)


# --- clipping --------------------------------------------------------------------------------


def sgd_clipped_by_value(
    theta: Any, grad: Any, state: Any = None, *, lr: float, clip_value: float
) -> Any:
    """Step along the gradient with every entry cut."""
    clipped = clipping.clip_by_value(grad, clip_value=clip_value)
    return optimizers.sgd(theta, clipped, state, lr=lr)


def train_clipped(how: str, lr: float, data: Split, seed: int) -> History:
    """Train a ReLU network whose first weights are too large, with one way of clipping."""
    rng = np.random.default_rng(seed)
    network = deep_network("relu", "he", GAIN, DEPTH, WIDTH, rng)
    kind, limit = CLIPPINGS[how] or ("none", None)
    if kind == "value":
        optimizer = Optimizer(sgd_clipped_by_value, network.params, lr=lr, clip_value=limit)
    else:
        optimizer = Optimizer(optimizers.sgd, network.params, lr=lr)
    return train(
        network,
        optimizer,
        data,
        epochs=CLIP_EPOCHS,
        batch_size=CLIP_BATCH,
        rng=rng,
        max_norm=limit if kind == "norm" else None,
    )


def clippings() -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the held-back loss at every rate, and the scores at each way's best rate."""
    rates: list[tuple[Any, ...]] = []
    scores: list[tuple[Any, ...]] = []
    for how in CLIPPINGS:
        means = {}
        for lr in CLIP_RATES:
            losses = [
                train_clipped(how, lr, digits(seed).hold_back(), seed).test_loss[-1]
                for seed in CHOICE_SEEDS
            ]
            rates += [
                (how, lr, seed, loss) for seed, loss in zip(CHOICE_SEEDS, losses, strict=True)
            ]
            means[lr] = np.mean(losses)
        best = min(means, key=means.__getitem__)
        for seed in SEEDS:
            seen = train_clipped(how, best, digits(seed), seed)
            scores.append((how, best, seed, seen.train_loss[-1], seen.test_accuracy[-1]))
    return rates, scores


def main() -> None:
    """Run both studies and write their tables."""
    layers, scores = speeds()
    about = (
        f"Deep networks on the digits, seeds {SEEDS[0]} to {SEEDS[-1]}: {DEPTH} hidden layers of "
        f"{WIDTH} units and a linear output.",
        f"momentum 0.9, {SPEED_EPOCHS} epochs, batches of {SPEED_BATCH}; the rate is the best of "
        f"{', '.join(f'{lr:g}' for lr in SPEED_RATES)} on held-back data, seeds {CHOICE_SEEDS[0]} "
        f"to {CHOICE_SEEDS[-1]}.",
    )
    ratio = "ratio: norm of the layer's first gradient, the last layer's is 1; way: |W - W0|/|W0|."
    header = ("network", "seed", "layer", "ratio", "way")
    write_study(DATA / "layers.csv", (*about, ratio), header, layers)
    header = ("network", "lr", "seed", "train_loss", "test_accuracy")
    write_study(DATA / "speeds.csv", about, header, scores)
    rates, scores = clippings()
    about = (
        f"ReLU network of {DEPTH} hidden layers of {WIDTH} units on the digits, He weights times "
        f"{GAIN}.",
        f"gradient descent, {CLIP_EPOCHS} epochs, batches of {CLIP_BATCH}.",
    )
    chosen = f"Loss on held-back data, seeds {CHOICE_SEEDS[0]} to {CHOICE_SEEDS[-1]}."
    header = ("clipping", "lr", "seed", "validation_loss")
    write_study(DATA / "clip_rates.csv", (*about, chosen), header, rates)
    fresh = f"At the best of these rates, seeds {SEEDS[0]} to {SEEDS[-1]}."
    header = ("clipping", "lr", "seed", "train_loss", "test_accuracy")
    write_study(DATA / "clipping.csv", (*about, fresh), header, scores)


if __name__ == "__main__":
    main()
