"""The studies of unit 09 over many seeds, written to `data/` for the lesson.

`make experiments` runs them (a few minutes on one core): networks of 4 to 64 layers with and without
skip connections, and skip connections beside the other remedies for unstable gradients.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from course import activations, optimizers
from course.data import Split, digits
from course.initializers import he_normal, xavier_normal
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train
from course.widgets.residual_networks import deep_network

EPOCHS, BATCH_SIZE = 16, 128
LAYERS = (4, 8, 16, 32, 64)
KINDS = ("plain", "unscaled", "scaled")
RATES = (0.003, 0.01, 0.03, 0.1)
SMALL_RATES = (0.0003, 0.001)  # tried in addition where the signal is so large at the start
CHOICE_SEEDS, SEEDS = range(100, 102), range(6)
REMEDY_LAYERS, REMEDY_RATES, REMEDY_SEEDS = 16, (0.01, 0.03, 0.1), range(5)
DATA = Path(__file__).parent / "data"


def narrow_start(
    shape: tuple[int, ...], rng: np.random.Generator, *, like: Any = None
) -> np.ndarray[Any, Any]:
    """Draw weights as torch's Linear does by default: uniform with the variance 1/(3 fan_in)."""
    edge = shape[0] ** -0.5
    return rng.uniform(-edge, edge, shape)


FROM_OLD = {"activation": activations.sigmoid, "initializer": narrow_start}
REMEDIES: dict[str, dict[str, Any]] = {
    "none": FROM_OLD | {"skip": False},
    "clipping": FROM_OLD | {"skip": False, "max_norm": 1.0},
    "initialization": FROM_OLD | {"skip": False, "initializer": xavier_normal},
    "activation": FROM_OLD | {"skip": False, "activation": activations.relu},
    "normalization": FROM_OLD | {"skip": False, "normalize": True},
    "skip": FROM_OLD,
    "activation+initialization": {"skip": False, "initializer": he_normal},
    "activation+initialization+skip": {"scale": (REMEDY_LAYERS / 2) ** -0.5},
    "activation+initialization+normalization": {"skip": False, "normalize": True},
    "all": {"normalize": True, "max_norm": 1.0},
}


def settings(kind: str, layers: int) -> dict[str, Any]:
    """Return what `deep_network` needs for one of the kinds that are compared by depth."""
    if kind == "plain":
        return {"skip": False}
    return {"scale": (layers / 2) ** -0.5 if kind == "scaled" else 1.0}


def run(layers: int, how: dict[str, Any], lr: float, data: Split, seed: int) -> History:
    """Train one network with momentum."""
    rng = np.random.default_rng(seed)
    how = dict(how)
    max_norm = how.pop("max_norm", None)
    network = deep_network(layers, rng, **how)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)
    return train(
        network,
        optimizer,
        data,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        rng=rng,
        max_norm=max_norm,
    )


def choose(layers: int, how: dict[str, Any], rates: tuple[float, ...]) -> float:
    """Return the rate with the highest mean accuracy on data held back."""

    def score(lr: float) -> float:
        held = (
            run(layers, how, lr, digits(seed).hold_back(), seed).test_accuracy[-1]
            for seed in CHOICE_SEEDS
        )
        return float(np.mean(list(held)))

    return max(rates, key=score)


def compare_depths() -> list[tuple[object, ...]]:
    """Return the final scores for every kind, depth and seed, at each one's chosen rate."""
    rows: list[tuple[object, ...]] = []
    for kind in KINDS:
        for layers in LAYERS:
            how = settings(kind, layers)
            lr = choose(layers, how, SMALL_RATES + RATES if kind == "unscaled" else RATES)
            for seed in SEEDS:
                seen = run(layers, how, lr, digits(seed), seed)
                rows.append((kind, layers, lr, seed, seen.train_loss[-1], seen.test_accuracy[-1]))
    return rows


def compare_remedies() -> list[tuple[object, ...]]:
    """Return the final scores for every remedy and seed, at each one's chosen rate."""
    rows: list[tuple[object, ...]] = []
    for remedy, how in REMEDIES.items():
        lr = choose(REMEDY_LAYERS, how, REMEDY_RATES)
        for seed in REMEDY_SEEDS:
            seen = run(REMEDY_LAYERS, how, lr, digits(seed), seed)
            rows.append((remedy, lr, seed, seen.train_loss[-1], seen.test_accuracy[-1]))
    return rows


def about(rates: tuple[float, ...]) -> str:
    """Return how the networks of a study were trained."""
    return (
        f"digits; width 32, momentum 0.9, batches of {BATCH_SIZE}, {EPOCHS} epochs; each rate chosen "
        f"from {rates} by the accuracy on a fifth of the training part, seeds {CHOICE_SEEDS[0]} to "
        f"{CHOICE_SEEDS[-1]}"
    )


def write_depths() -> None:
    """Compare the depths and write their table."""
    write_study(
        DATA / "depths.csv",
        (
            f"Plain and residual networks by depth, seeds {SEEDS[0]} to {SEEDS[-1]}.",
            about(RATES) + f"; unscaled: also from {SMALL_RATES}",
            "ReLU, He normal; scaled: the last weights of each branch start 1/sqrt(blocks) times "
            "as large",
        ),
        ("kind", "layers", "lr", "seed", "train_loss", "test_accuracy"),
        compare_depths(),
    )


def write_remedies() -> None:
    """Compare the remedies and write their table."""
    write_study(
        DATA / "remedies.csv",
        (
            f"Remedies for unstable gradients, {REMEDY_LAYERS} layers, seeds {REMEDY_SEEDS[0]} to "
            f"{REMEDY_SEEDS[-1]}.",
            about(REMEDY_RATES),
            "none: sigmoid and uniform weights of variance 1/(3 fan_in); initialization: Xavier "
            "normal, with ReLU He normal; normalization: batch norm before each activation; "
            "clipping: all gradients together to the norm 1; all: with unscaled skips",
        ),
        ("remedy", "lr", "seed", "train_loss", "test_accuracy"),
        compare_remedies(),
    )


if __name__ == "__main__":
    write_depths()
    write_remedies()
