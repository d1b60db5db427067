"""The studies of unit 04 over many seeds, written to `data/` for the lesson.

`make experiments` runs them (a few minutes on one core): schedules compared at their own best
rates, a large batch with and without warm-up, three ways to read a range test, and early stopping.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from course import optimizers, schedulers
from course.data import Split, batches, digits
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad, mse
from course.optimizers import Optimizer
from course.schedulers import Plateau, range_test
from course.studies import write_study
from course.training import History, train
from course.widgets.schedules import overfitting_run

STEPS_AN_EPOCH, EPOCHS, BATCH_SIZE = 36, 15, 32
TOTAL = STEPS_AN_EPOCH * EPOCHS
SCHEDULES: dict[str, Callable[[float], Callable[[float], float] | Plateau]] = {
    "constant": lambda lr: lambda t: lr,
    "step": lambda lr: lambda t: schedulers.step(t, lr=lr, factor=0.2, every=TOTAL / 3),
    "exponential": lambda lr: lambda t: schedulers.exponential(t, lr=lr, k=np.log(100) / TOTAL),
    "inverse_time": lambda lr: lambda t: schedulers.inverse_time(t, lr=lr, k=99 / TOTAL),
    "power": lambda lr: lambda t: schedulers.power(t, lr=lr, s=TOTAL / 99, c=0.5),
    "cosine": lambda lr: lambda t: schedulers.cosine(t, lr=lr, steps=TOTAL),
    "one_cycle": lambda lr: lambda t: schedulers.one_cycle(t, lr=lr, steps=TOTAL),
    "plateau": lambda lr: Plateau(lr, factor=0.2, patience=2),
}
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
CHOICE_SEEDS, SEEDS = range(100, 104), range(20)
WARMUP_RATES, WARMUPS, WARMUP_SEEDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0, 30), range(10)
LARGE_BATCH, LARGE_EPOCHS, LAYERS, WIDTH = 512, 30, 3, 64
RANGE_RULES, RANGE_SEEDS, RANGE_EPOCHS = ("sgd", "momentum", "adam"), range(10), 10
STOP_SEEDS, STOP_EPOCHS, PATIENCES = range(20), 60, (3, 10)
DATA = Path(__file__).parent / "data"


def small_network(rng: np.random.Generator) -> Sequential:
    """Return the network of unit 03."""
    return Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng))


# --- schedules compared ----------------------------------------------------------------------


def run_schedule(name: str, lr: float, data: Split, seed: int) -> History:
    """Train the network of unit 03 with momentum under a schedule."""
    rng = np.random.default_rng(seed)
    network = small_network(rng)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)
    return train(
        network,
        optimizer,
        data,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        rng=rng,
        schedule=SCHEDULES[name](lr),
    )


def choose_rates() -> tuple[dict[str, float], list[tuple[object, ...]]]:
    """Return each schedule's rate of lowest mean validation loss, and all the losses."""
    rows: list[tuple[object, ...]] = []
    best = {}
    for name in SCHEDULES:
        means = {}
        for lr in RATES:
            losses = [
                run_schedule(name, lr, digits(seed).hold_back(), seed).test_loss[-1]
                for seed in CHOICE_SEEDS
            ]
            means[lr] = np.mean(losses)
            rows += [
                (name, lr, seed, loss) for seed, loss in zip(CHOICE_SEEDS, losses, strict=True)
            ]
        best[name] = min(RATES, key=means.__getitem__)
    return best, rows


def compare(rates: dict[str, float]) -> list[tuple[object, ...]]:
    """Return what every schedule scored after every epoch of every seed.

    A plateau reacts to the test loss in `train`: here it gets a part of the training data for it,
    and so do all the others, to be fair.
    """
    rows = []
    for name, lr in rates.items():
        for seed in SEEDS:
            seen = run_schedule(name, lr, digits(seed).hold_back(), seed)
            scores = zip(seen.train_loss, seen.test_loss, seen.test_accuracy, strict=True)
            rows += [(name, lr, seed, epoch, *values) for epoch, values in enumerate(scores)]
    return rows


# --- warm-up and a large batch ---------------------------------------------------------------


def run_large_batch(lr: float, warm: int, seed: int) -> History:
    """Train a deeper network with a large batch, with or without warm-up."""
    rng = np.random.default_rng(seed)
    layers = [Linear(64, WIDTH, rng), ReLU()]
    for _ in range(LAYERS - 1):
        layers += [Linear(WIDTH, WIDTH, rng), ReLU()]
    network = Sequential(*layers, Linear(WIDTH, 10, rng))
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)

    def flat(t: float) -> float:
        return lr

    return train(
        network,
        optimizer,
        digits(seed),
        epochs=LARGE_EPOCHS,
        batch_size=LARGE_BATCH,
        rng=rng,
        schedule=schedulers.warmup(flat, steps=warm) if warm else flat,
    )


def large_batches() -> list[tuple[object, ...]]:
    """Return the final scores for each rate, length of the warm-up and seed."""
    rows: list[tuple[object, ...]] = []
    for warm in WARMUPS:
        for lr in WARMUP_RATES:
            for seed in WARMUP_SEEDS:
                seen = run_large_batch(lr, warm, seed)
                rows.append((warm, lr, seed, seen.train_loss[-1], seen.test_accuracy[-1]))
    return rows


# --- reading a range test --------------------------------------------------------------------


def range_tests() -> list[tuple[object, ...]]:
    """Return, for each rule, seed and way to choose, the rate and where training with it ended."""
    rows: list[tuple[object, ...]] = []
    for rule in RANGE_RULES:
        for seed in RANGE_SEEDS:
            for way, lr in readings(rule, seed).items():
                rng = np.random.default_rng(seed)
                network = small_network(rng)
                optimizer = Optimizer(getattr(optimizers, rule), network.params, lr=lr)
                seen = train(
                    network, optimizer, digits(seed), epochs=RANGE_EPOCHS, batch_size=64, rng=rng
                )
                rows.append((rule, seed, way, lr, seen.train_loss[-1]))
    return rows


def readings(rule: str, seed: int) -> dict[str, float]:
    """Return the rates that three recipes read off one range test of a hundred single steps."""
    data, rng = digits(seed), np.random.default_rng(seed)
    network = small_network(rng)
    optimizer = Optimizer(getattr(optimizers, rule), network.params, lr=0.0)
    order = (batch for _ in range(100) for batch in batches(len(data.x_train), 64, rng))

    def train_step(lr: float) -> float:
        batch = next(order)
        x, y = data.x_train[batch], data.y_train[batch]
        network.backward(cross_entropy_grad(network.forward(x), y))
        optimizer.hyper["lr"] = lr
        optimizer.step(network.grads)
        return float(cross_entropy(network.forward(data.x_train), data.y_train))

    with np.errstate(over="ignore", invalid="ignore"):
        seen = range_test(train_step, steps=100)
    return {
        "tenth": seen.suggested,
        "lowest": 10 * seen.suggested,
        "edge": float(seen.rates[-2]),
    }


# --- early stopping --------------------------------------------------------------------------


def early_stops() -> list[tuple[object, ...]]:
    """Return the test loss of the last weights and of those that early stopping brings back."""
    rows: list[tuple[object, ...]] = []
    for seed in STOP_SEEDS:
        for patience in (None, *PATIENCES):
            seen, network, data = overfitting_run(seed, patience, STOP_EPOCHS)
            loss = float(mse(network.forward(data.x_test), data.y_test))
            epochs = len(seen.test_loss) - 1
            rows.append((seed, patience or 0, epochs, seen.best_epoch, loss))
    return rows


# --- writing ---------------------------------------------------------------------------------


def _from_to(seeds: range) -> str:
    return f"seeds {seeds[0]} to {seeds[-1]}"


def main() -> None:
    """Run all four studies and write their tables."""
    write_study(
        DATA / "early_stopping.csv",
        (
            "Test loss with and without early stopping on the diabetes data, "
            f"{_from_to(STOP_SEEDS)}.",
            f"network 10-64-1, ReLU; momentum 0.9, rate 0.01, batches of 32, {STOP_EPOCHS} epochs; "
            "a quarter of the training part held back; patience 0: trained to the end",
        ),
        ("seed", "patience", "epochs", "best_epoch", "test_loss"),
        early_stops(),
    )
    write_study(
        DATA / "range_test.csv",
        (
            f"Three readings of a range test, and training with them, {_from_to(RANGE_SEEDS)}.",
            f"network 64-32-10, ReLU, digits; batches of 64, {RANGE_EPOCHS} epochs at constant rate",
        ),
        ("rule", "seed", "way", "lr", "train_loss"),
        range_tests(),
    )
    write_study(
        DATA / "warmup.csv",
        (
            f"A large batch with and without warm-up on the digits, {_from_to(WARMUP_SEEDS)}.",
            f"network 64-{WIDTH}-{WIDTH}-{WIDTH}-10, ReLU; momentum 0.9, batches of {LARGE_BATCH}, "
            f"{LARGE_EPOCHS} epochs; warm: steps of linear warm-up",
        ),
        ("warm", "lr", "seed", "train_loss", "test_accuracy"),
        large_batches(),
    )
    rates, choice_rows = choose_rates()
    how = (
        f"network 64-32-10, ReLU, digits; momentum 0.9, batches of {BATCH_SIZE}, {EPOCHS} epochs; "
        "a fifth of the training part held back to score"
    )
    write_study(
        DATA / "rates.csv",
        (f"Validation loss by schedule and rate, {_from_to(CHOICE_SEEDS)}.", how),
        ("schedule", "lr", "seed", "validation_loss"),
        choice_rows,
    )
    write_study(
        DATA / "schedules.csv",
        (f"Scores by epoch at each schedule's chosen rate, {_from_to(SEEDS)}.", how),
        ("schedule", "lr", "seed", "epoch", "train_loss", "test_loss", "test_accuracy"),
        compare(rates),
    )


if __name__ == "__main__":
    main()
