"""The comparison of optimizers on the digits over many seeds, written to `data/` for the lesson.

`make experiments` runs it (about a minute on one core). First each rule's rate is chosen on a part
of the training data that is held back; then each rule trains with it from fresh seeds, the same
for all rules, so that differences between rules can be taken seed by seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from course import optimizers
from course.data import Split, digits
from course.layers import Linear, ReLU, Sequential
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train

RULES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam", "adamw")
RATES = tuple(float(f"{rate:.0e}") for rate in np.logspace(-4, 0.5, 10))
CHOICE_SEEDS = range(100, 105)
SEEDS = range(20)
HIDDEN, EPOCHS, BATCH_SIZE = 32, 15, 32
DATA = Path(__file__).parent / "data"
NETWORK = (
    f"network 64-{HIDDEN}-10, ReLU, He normal; {EPOCHS} epochs, batches of {BATCH_SIZE}; every "
    "rule's other hyper-parameters at their defaults"
)


def run(rule: str, lr: float, data: Split, seed: int) -> History:
    """Train one network: the seed fixes the first weights and the order of the samples."""
    rng = np.random.default_rng(seed)
    network = Sequential(Linear(64, HIDDEN, rng), ReLU(), Linear(HIDDEN, 10, rng))
    optimizer = Optimizer(getattr(optimizers, rule), network.params, lr=lr)
    return train(network, optimizer, data, epochs=EPOCHS, batch_size=BATCH_SIZE, rng=rng)


def choose_rates() -> tuple[dict[str, float], list[tuple[object, ...]]]:
    """Return each rule's rate of lowest mean validation loss, and all the losses."""
    rows: list[tuple[object, ...]] = []
    best = {}
    for rule in RULES:
        means = {}
        for lr in RATES:
            losses = [
                run(rule, lr, digits(seed).hold_back(), seed).test_loss for seed in CHOICE_SEEDS
            ]
            means[lr] = np.mean([loss[-1] for loss in losses])
            rows += [
                (rule, lr, seed, loss[1], loss[-1])
                for seed, loss in zip(CHOICE_SEEDS, losses, strict=True)
            ]
        best[rule] = min(RATES, key=means.__getitem__)
    return best, rows


def compare(rates: dict[str, float]) -> list[tuple[object, ...]]:
    """Return what every rule scored after every epoch of every seed."""
    return [
        (rule, lr, seed, epoch, *scores)
        for rule, lr in rates.items()
        for seed in SEEDS
        for epoch, scores in enumerate(_by_epoch(run(rule, lr, digits(seed), seed)))
    ]


def _by_epoch(seen: History) -> Iterable[tuple[float, ...]]:
    return zip(seen.train_loss, seen.test_loss, seen.test_accuracy, strict=True)


def main() -> None:
    """Choose the rates, compare the rules, write both tables."""
    rates, choice_rows = choose_rates()
    write_study(
        DATA / "rates.csv",
        (f"Validation loss by rate, seeds {CHOICE_SEEDS[0]} to {CHOICE_SEEDS[-1]}.", NETWORK),
        ("rule", "lr", "seed", "after_1_epoch", "validation_loss"),
        choice_rows,
    )
    write_study(
        DATA / "digits.csv",
        (f"Scores by epoch at each rule's chosen rate, seeds {SEEDS[0]} to {SEEDS[-1]}.", NETWORK),
        ("rule", "lr", "seed", "epoch", "train_loss", "test_loss", "test_accuracy"),
        compare(rates),
    )


if __name__ == "__main__":
    main()
