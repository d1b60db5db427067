"""What a fixed number of samples buys, over many seeds, written to `data/` for the lesson.

`make experiments` runs it (some minutes on one core). Five ways of training the same network may
look at the same number of samples. What counts as one: a sample goes through the network once,
forward and back, and gives its loss and its gradient. A line search pays for every trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from course.data import Split, batches, digits
from course.line_search import strong_wolfe
from course.studies import write_study

INPUTS, HIDDEN, CLASSES = 64, 32, 10
PASSES = (1, 2, 5, 10, 20, 50)
CHOICE_PASSES, CHOICE_SEEDS, SEEDS = 20, range(100, 103), range(10)
RATES = {
    "sgd": (0.003, 0.01, 0.03, 0.1),
    "mini-batch": (0.03, 0.1, 0.3, 1.0),
    "batch": (0.1, 0.3, 1.0, 3.0),
}
BATCH_SIZES = tuple(2**k for k in range(11))
DATA = Path(__file__).parent / "data"
NETWORK = f"digits; network {INPUTS}-{HIDDEN}-{CLASSES}, ReLU, He normal, float64"

Visited = Iterator[tuple[int, Any]]
"""Pairs of the samples processed so far and the parameters they led to."""


_W1, _B1, _W2, _B2 = np.cumsum([INPUTS * HIDDEN, HIDDEN, HIDDEN * CLASSES, CLASSES]).tolist()


def parts(theta: Any) -> tuple[Any, Any, Any, Any]:
    """Return the weights and biases of both layers: views of the vector, or of a gradient."""
    return (
        theta[:_W1].reshape(INPUTS, HIDDEN),
        theta[_W1:_B1],
        theta[_B1:_W2].reshape(HIDDEN, CLASSES),
        theta[_W2:_B2],
    )


def first_weights(rng: np.random.Generator) -> Any:
    """Return the parameters of a 64-32-10 network in one vector: He normal, biases 0."""
    theta = np.zeros(_B2)
    for weights in parts(theta)[::2]:
        weights[:] = rng.normal(0, np.sqrt(2 / len(weights)), weights.shape)
    return theta


def forward(theta: Any, x: Any) -> tuple[Any, Any]:
    """Return the hidden units and the log-probabilities."""
    w1, b1, w2, b2 = parts(theta)
    hidden = np.maximum(x @ w1 + b1, 0.0)
    logits = hidden @ w2 + b2
    logits -= logits.max(axis=1, keepdims=True)
    return hidden, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def loss_and_grad(theta: Any, x: Any, y: Any) -> tuple[float, Any]:
    """Return the mean cross-entropy of a batch and its gradient."""
    hidden, log_p = forward(theta, x)
    rows = np.arange(len(y))
    loss = -log_p[rows, y].mean()
    error = np.exp(log_p)
    error[rows, y] -= 1.0
    error /= len(y)
    back = (error @ parts(theta)[2].T) * (hidden > 0)
    grad = np.empty_like(theta)
    w1, b1, w2, b2 = parts(grad)
    w1[:], w2[:] = x.T @ back, hidden.T @ error
    b1[:], b2[:] = back.sum(axis=0), error.sum(axis=0)
    return float(loss), grad


def scores(theta: Any, data: Split) -> tuple[float, float, float]:
    """Return training loss, test loss and test accuracy."""
    _, train = forward(theta, data.x_train)
    _, test = forward(theta, data.x_test)
    return (
        float(-train[np.arange(len(data.y_train)), data.y_train].mean()),
        float(-test[np.arange(len(data.y_test)), data.y_test].mean()),
        float((test.argmax(axis=1) == data.y_test).mean()),
    )


def stochastic(theta: Any, data: Split, rng: np.random.Generator, lr: float, size: int) -> Visited:
    """Walk with mini-batches, shuffled anew in each epoch."""
    seen = 0
    while True:
        for batch in batches(len(data.x_train), size, rng):
            theta = theta - lr * loss_and_grad(theta, data.x_train[batch], data.y_train[batch])[1]
            seen += len(batch)
            yield seen, theta


class Counted:
    """The loss of all samples and its gradient; a point that is still known costs nothing."""

    def __init__(self, data: Split) -> None:
        self.data, self.seen = data, 0
        self._known: dict[bytes, tuple[float, Any]] = {}

    def both(self, theta: Any) -> tuple[float, Any]:
        """Return loss and gradient; counts every sample once."""
        key = theta.tobytes()
        if key not in self._known:
            self.seen += len(self.data.x_train)
            self._known = dict(list(self._known.items())[-2:])
            self._known[key] = loss_and_grad(theta, self.data.x_train, self.data.y_train)
        return self._known[key]

    def loss(self, theta: Any) -> float:
        """Return the loss."""
        return self.both(theta)[0]

    def grad(self, theta: Any) -> Any:
        """Return the gradient."""
        return self.both(theta)[1]


def line_search(theta: Any, data: Split) -> Visited:
    """Walk down the gradient of all samples, each step found by a strong Wolfe search."""
    counted, step = Counted(data), 1.0
    while True:
        p = -counted.grad(theta)
        step = strong_wolfe(counted.loss, counted.grad, theta, p, step=step)
        theta = theta + step * p
        yield counted.seen, theta


def lbfgs(theta: Any, data: Split, budget: int) -> Visited:
    """Walk with L-BFGS, a method of second order, in SciPy's implementation."""
    counted = Counted(data)
    visited: list[tuple[int, Any]] = []
    minimize(
        counted.both,
        theta,
        jac=True,
        method="L-BFGS-B",
        callback=lambda now: visited.append((counted.seen, now.copy())),
        options={"maxfun": budget // len(data.x_train), "maxiter": 10_000, "gtol": 0, "ftol": 0},
    )
    yield from visited
    yield budget + 1, visited[-1][1]


def walk(method: str, lr: float, data: Split, seed: int, budget: int) -> Visited:
    """Start a method: the seed fixes the first weights and the order of the samples."""
    rng = np.random.default_rng(seed)
    theta = first_weights(rng)
    if method == "L-BFGS":
        return lbfgs(theta, data, budget)
    if method == "line search":
        return line_search(theta, data)
    size = {"sgd": 1, "mini-batch": 32, "batch": len(data.x_train)}[method]
    return stochastic(theta, data, rng, lr, size)


def at_budgets(visited: Visited, start: Any, budgets: Sequence[int]) -> list[Any]:
    """Return the parameters that were reached within each number of samples."""
    reached, now, left = [], start, list(budgets)
    for seen, theta in visited:
        while left and seen > left[0]:
            reached.append(now)
            left.pop(0)
        if not left:
            break
        now = theta
    return reached


def run(method: str, lr: float, data: Split, seed: int, passes: Sequence[int]) -> list[Any]:
    """Return the scores of a method after so many passes over the training data."""
    budgets = [count * len(data.x_train) for count in passes]
    start = first_weights(np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        visited = walk(method, lr, data, seed, budgets[-1])
        return [scores(theta, data) for theta in at_budgets(visited, start, budgets)]


def choose_rates() -> tuple[dict[str, float], list[tuple[object, ...]]]:
    """Return each method's rate of lowest mean validation loss, and all the losses."""
    rows: list[tuple[object, ...]] = []
    best = {}
    for method, rates in RATES.items():
        means = {}
        for lr in rates:
            losses = []
            for seed in CHOICE_SEEDS:
                held = digits(seed).hold_back()
                loss = run(method, lr, held, seed, (CHOICE_PASSES,))[0][1]
                losses.append(loss if np.isfinite(loss) else np.inf)
                rows.append((method, lr, seed, losses[-1]))
            means[lr] = np.mean(losses)
        best[method] = min(rates, key=means.__getitem__)
    return best, rows


def compare(rates: dict[str, float]) -> list[tuple[object, ...]]:
    """Return what every method scored within every budget, for every seed."""
    rows: list[tuple[object, ...]] = []
    for method in (*RATES, "line search", "L-BFGS"):
        lr = rates.get(method, 0.0)
        for seed in SEEDS:
            seen = run(method, lr, digits(seed), seed, PASSES)
            rows += [(method, lr, seed, p, *values) for p, values in zip(PASSES, seen, strict=True)]
    return rows


def throughput() -> list[tuple[object, ...]]:
    """Return the time that a sample takes in batches of several sizes, best of 300."""
    data = digits(0)
    theta = first_weights(np.random.default_rng(0))
    rows: list[tuple[object, ...]] = []
    for size in BATCH_SIZES:
        x, y = data.x_train[:size], data.y_train[:size]
        calls = max(3, 50 // size)  # short runs, many of them: one will meet a quiet moment
        best = min(_seconds(lambda x=x, y=y: loss_and_grad(theta, x, y), calls) for _ in range(300))
        rows.append((size, 1e6 * best / (calls * size)))
    return rows


def _seconds(call: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return time.perf_counter() - start


def main() -> None:
    """Measure the throughput, choose the rates, compare the methods, write the tables."""
    write_study(
        DATA / "throughput.csv",
        ("Time a sample, loss and gradient, by batch size; one core, best of 300.", NETWORK),
        ("batch_size", "microseconds"),
        throughput(),
    )
    rates, choice_rows = choose_rates()
    write_study(
        DATA / "rates.csv",
        (
            f"Validation loss after {CHOICE_PASSES} passes by rate, seeds {CHOICE_SEEDS[0]} to "
            f"{CHOICE_SEEDS[-1]}.",
            NETWORK,
        ),
        ("method", "lr", "seed", "validation_loss"),
        choice_rows,
    )
    write_study(
        DATA / "budget.csv",
        (
            f"Scores within a budget of so many passes over the training data, seeds {SEEDS[0]} to "
            f"{SEEDS[-1]}.",
            NETWORK,
        ),
        ("method", "lr", "seed", "passes", "train_loss", "test_loss", "test_accuracy"),
        compare(rates),
    )


if __name__ == "__main__":
    main()
