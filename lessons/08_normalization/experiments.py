"""The studies of unit 08 over many seeds, written to `data/` for the lesson.

`make experiments` runs them (a few minutes on one core): batch norm against the batch size, before
and after the activation, as the first layer in the place of standardizing, and what it costs at
inference. Rates are chosen on a part of the training data.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn import datasets

from course import optimizers
from course.data import Split, digits
from course.layers import BatchNorm, Layer, LayerNorm, Linear, ReLU, Sequential
from course.losses import cross_entropy
from course.normalizers import standardize
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train

Rows = list[tuple[object, ...]]

CHOICE_SEEDS, SEEDS = range(100, 103), range(10)
NORMS: dict[str, Callable[[int], list[Layer]]] = {
    "none": lambda width: [],
    "batch": lambda width: [BatchNorm(width)],
    "layer": lambda width: [LayerNorm(width)],
}
BATCH_SIZES, WIDTH, EPOCHS = (2, 4, 8, 16, 64, 256), 32, 5
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
LARGE_BATCH_RATES = (0.1, 0.3, 1.0, 3.0)  # from 64 samples on
SMALL_BATCHES = {2: 0.01, 4: 0.1, 8: 0.1}  # with the rates chosen for them
SAMPLES = 1280  # every batch is full: a last batch of one sample has no variance

DEPTH, DEEP_BATCH, DEEP_EPOCHS = 8, 64, 5
DEEP_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DEEP_SEEDS, DEEP_CHOICE_SEEDS = range(20), range(100, 105)

INPUT_EPOCHS, INPUT_SEEDS = 30, range(20)
INPUT_RATES = (0.000001, 0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
INPUTS, INPUT_CHOICE_SEEDS = ("raw", "standardized", "batch norm first"), range(100, 110)
DATA = Path(__file__).parent / "data"


def fit(network: Sequential, data: Split, lr: float, batch: int, epochs: int, seed: int) -> History:
    """Train with plain stochastic gradient descent."""
    optimizer = Optimizer(optimizers.sgd, network.params, lr=lr)
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore", invalid="ignore"):
        return train(network, optimizer, data, epochs=epochs, batch_size=batch, rng=rng)


def end(history: History, epochs: int) -> tuple[float, float, float]:
    """Return training loss, test loss and test accuracy of the last epoch; infinity if it broke."""
    if len(history.train_loss) <= epochs or history.diverged:
        return np.inf, np.inf, float(history.test_accuracy[-1])
    scores = history.train_loss, history.test_loss, history.test_accuracy
    return tuple(float(score[-1]) for score in scores)  # type: ignore[return-value]


def best_rate(losses: dict[float, list[float]]) -> float:
    """Return the rate of the lowest mean loss."""
    return min(losses, key=lambda lr: float(np.mean(losses[lr])))


def first(data: Split, samples: int) -> Split:
    """Return the data with so many training samples."""
    return Split(data.x_train[:samples], data.y_train[:samples], data.x_test, data.y_test)


# --- the batch size --------------------------------------------------------------------------


def shallow(norm: str, seed: int) -> Sequential:
    """Return a network of two hidden layers, normalized before the activation."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    for inputs in (64, WIDTH):
        layers += [Linear(inputs, WIDTH, rng), *NORMS[norm](WIDTH), ReLU()]
    return Sequential(*layers, Linear(WIDTH, 10, rng))


def batch_sizes() -> Iterator[tuple[object, ...]]:
    """Yield, for each norm, batch size and seed, the scores at the rate chosen for that pair."""
    for norm in NORMS:
        for batch in BATCH_SIZES:
            tried: dict[float, list[float]] = {
                lr: [] for lr in (LARGE_BATCH_RATES if batch >= 64 else RATES)
            }
            for lr in tried:
                for seed in CHOICE_SEEDS:
                    data = first(digits(seed).hold_back(), 1024)
                    seen = fit(shallow(norm, seed), data, lr, batch, EPOCHS, seed)
                    tried[lr].append(end(seen, EPOCHS)[1])
            lr = best_rate(tried)
            for seed in SEEDS:
                data = first(digits(seed), SAMPLES)
                seen = fit(shallow(norm, seed), data, lr, batch, EPOCHS, seed)
                yield norm, batch, lr, seed, *end(seen, EPOCHS)


def running_variances() -> Iterator[tuple[object, ...]]:
    """Yield the test scores with running variances of 1/N, and of 1/(N - 1) as torch has them.

    Every batch is full, so the second ones are the first ones times N / (N - 1).
    """
    for batch, lr in SMALL_BATCHES.items():
        for seed in SEEDS:
            data, network = first(digits(seed), SAMPLES), shallow("batch", seed)
            fit(network, data, lr, batch, EPOCHS, seed)
            for divide, factor in (("N", 1.0), ("N - 1", batch / (batch - 1))):
                for layer in network.layers:
                    if isinstance(layer, BatchNorm):
                        layer.buffers[1] *= factor
                logits = network.forward(data.x_test)
                right = float(np.mean(logits.argmax(axis=1) == data.y_test))
                yield batch, divide, seed, float(cross_entropy(logits, data.y_test)), right


# --- before or after the activation ----------------------------------------------------------


def deep(place: str, seed: int) -> Sequential:
    """Return a network of eight hidden layers; batch norm before or after each activation."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    for number in range(DEPTH):
        layers.append(Linear(WIDTH if number else 64, WIDTH, rng))
        layers += [BatchNorm(WIDTH)] if place == "before" else []
        layers.append(ReLU())
        layers += [BatchNorm(WIDTH)] if place == "after" else []
    return Sequential(*layers, Linear(WIDTH, 10, rng))


def places() -> tuple[Rows, Rows]:
    """Return the validation losses by place and rate, and the scores at the chosen rates."""
    by_rate: Rows = []
    scores: Rows = []
    for place in ("none", "before", "after"):
        tried: dict[float, list[float]] = {lr: [] for lr in DEEP_RATES}
        for lr in DEEP_RATES:
            for seed in DEEP_CHOICE_SEEDS:
                data = digits(seed).hold_back()
                seen = fit(deep(place, seed), data, lr, DEEP_BATCH, DEEP_EPOCHS, seed)
                train_loss, loss, accuracy = end(seen, DEEP_EPOCHS)
                tried[lr].append(loss)
                by_rate.append((place, lr, seed, train_loss, loss, accuracy))
        lr = best_rate(tried)
        for seed in DEEP_SEEDS:
            seen = fit(deep(place, seed), digits(seed), lr, DEEP_BATCH, DEEP_EPOCHS, seed)
            scores.append((place, lr, seed, *end(seen, DEEP_EPOCHS)))
    return by_rate, scores


# --- as the first layer ----------------------------------------------------------------------


def raw_wine(seed: int) -> Split:
    """Return the wines in their own units, a fifth of them for testing."""
    x, y = datasets.load_wine(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    test, rest = order[:36], order[36:]
    return Split(x[rest], y[rest], x[test], y[test])


def prepared(kind: str, data: Split) -> Split:
    """Return the data standardized with the moments of its training part, or as it is."""
    if kind != "standardized":
        return data
    x_train, moments = standardize(data.x_train)
    return Split(x_train, data.y_train, standardize(data.x_test, moments)[0], data.y_test)


def wine_network(kind: str, seed: int) -> Sequential:
    """Return a small network, with batch norm as its first layer where the kind says so."""
    rng = np.random.default_rng(seed)
    scaler: list[Layer] = [BatchNorm(13)] if kind == "batch norm first" else []
    return Sequential(*scaler, Linear(13, 16, rng), ReLU(), Linear(16, 3, rng))


def inputs() -> Rows:
    """Return the scores for every way to prepare the inputs, at its chosen rate."""
    rows: Rows = []
    for kind in INPUTS:
        tried: dict[float, list[float]] = {lr: [] for lr in INPUT_RATES}
        for lr in INPUT_RATES:
            for seed in INPUT_CHOICE_SEEDS:
                data = prepared(kind, raw_wine(seed).hold_back())
                seen = fit(wine_network(kind, seed), data, lr, 16, INPUT_EPOCHS, seed)
                tried[lr].append(end(seen, INPUT_EPOCHS)[1])
        lr = best_rate(tried)
        for seed in INPUT_SEEDS:
            data = prepared(kind, raw_wine(seed))
            seen = fit(wine_network(kind, seed), data, lr, 16, INPUT_EPOCHS, seed)
            rows.append((kind, lr, seed, *end(seen, INPUT_EPOCHS)))
    return rows


# --- what it costs at inference --------------------------------------------------------------


def inference_times() -> Rows:
    """Return the median time of a forward pass of ten layers, with and without batch norm."""
    rows: Rows = []
    rng = np.random.default_rng(0)
    for width in (64, 512):
        plain: list[Layer] = [
            layer for _ in range(10) for layer in (Linear(width, width, rng), ReLU())
        ]
        normed = [
            layer
            for one in plain
            for layer in ((one, BatchNorm(width)) if isinstance(one, Linear) else (one,))
        ]
        for samples in (1, 256):
            x = rng.normal(size=(samples, width))
            networks = {"plain": Sequential(*plain), "batch norm": Sequential(*normed)}
            times: dict[str, list[float]] = {name: [] for name in networks}
            for _ in range(60):
                for name, network in networks.items():
                    start = time.perf_counter()
                    network.forward(x)
                    times[name].append(time.perf_counter() - start)
            for name, measured in times.items():
                rows.append((name, width, samples, 1e6 * statistics.median(measured)))
    return rows


# --- writing ---------------------------------------------------------------------------------


SCORES = ("seed", "train_loss", "test_loss", "test_accuracy")


def write_inference() -> None:
    """Write what batch norm costs at inference."""
    write_study(
        DATA / "inference.csv",
        [
            "Median time of a forward pass in microseconds, with and without batch norm.",
            "ten linear layers with ReLU; 60 passes; one core of one machine: compare ratios only",
        ],
        ("network", "width", "samples", "microseconds"),
        inference_times(),
    )


def write_inputs() -> None:
    """Write how the wines are learned with inputs prepared in several ways."""
    write_study(
        DATA / "inputs.csv",
        [
            f"The wines with inputs prepared in several ways, {len(INPUT_SEEDS)} seeds.",
            f"network 13-16-3, ReLU; SGD, batches of 16, {INPUT_EPOCHS} epochs; rate of the lowest "
            "validation loss",
        ],
        ("kind", "lr", *SCORES),
        inputs(),
    )


def write_places() -> None:
    """Write both tables on batch norm before and after the activation."""
    by_rate, compared = places()
    how = f"digits, {DEPTH} hidden layers of {WIDTH}, ReLU; SGD, batches of {DEEP_BATCH}, "
    write_study(
        DATA / "rates.csv",
        [
            f"Batch norm before or after the activation, by rate, {len(DEEP_CHOICE_SEEDS)} seeds.",
            how + f"{DEEP_EPOCHS} epochs; scored on a fifth of the training part",
        ],
        ("place", "lr", *SCORES),
        by_rate,
    )
    write_study(
        DATA / "places.csv",
        [
            f"Batch norm before or after the activation, {len(DEEP_SEEDS)} seeds.",
            how + f"{DEEP_EPOCHS} epochs; rate of the lowest validation loss",
        ],
        ("place", "lr", *SCORES),
        compared,
    )


def write_batch_sizes() -> None:
    """Write the scores by batch size."""
    how = f"digits, {SAMPLES} for training, network 64-{WIDTH}-{WIDTH}-10, norm before ReLU; SGD, "
    write_study(
        DATA / "batch_sizes.csv",
        [
            f"No norm, batch norm and layer norm by batch size, {len(SEEDS)} seeds.",
            how + f"{EPOCHS} epochs; rate of the lowest validation loss for each pair",
        ],
        ("norm", "batch", "lr", *SCORES),
        batch_sizes(),
    )


def write_running_variances() -> None:
    """Write the scores with both kinds of running variance."""
    write_study(
        DATA / "running_variances.csv",
        [
            f"Batch norm at inference with two running variances, {len(SEEDS)} seeds.",
            f"digits, {SAMPLES} for training, network 64-{WIDTH}-{WIDTH}-10; SGD, {EPOCHS} epochs",
        ],
        ("batch", "divide", "seed", "test_loss", "test_accuracy"),
        running_variances(),
    )


STUDIES = {
    "inference": write_inference,
    "inputs": write_inputs,
    "places": write_places,
    "running_variances": write_running_variances,
    "batch_sizes": write_batch_sizes,
}


def main() -> None:
    """Run the studies that the command line names, or all, and write their tables."""
    for name in sys.argv[1:] or STUDIES:
        STUDIES[name]()


if __name__ == "__main__":
    main()
