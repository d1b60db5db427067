"""Live figures of unit 04: rates beside the loss they produce, range tests, early stopping."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np

from course import optimizers, schedulers
from course._arrays import Array
from course.data import Split, diabetes, digits
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad, mse, mse_grad
from course.optimizers import Optimizer
from course.schedulers import EarlyStopping, Plateau, RangeTest, range_test
from course.training import History, train
from course.widgets._live import LiveFigure, canvas, choice, log_slider, slider
from course.widgets.style import COLORS, STYLE

__all__ = [
    "CURVATURES",
    "SCHEDULES",
    "early_stopping_explorer",
    "expected_losses",
    "noisy_losses",
    "overfitting_run",
    "range_test_explorer",
    "schedule_explorer",
    "stopping_point",
]

SCHEDULES = {
    "constant": "constant",
    "step": "step",
    "piecewise_constant": "piecewise constant",
    "exponential": "exponential",
    "inverse_time": "1/t",
    "power": "power",
    "cosine": "cosine",
    "cosine_restarts": "cosine with restarts",
    "one_cycle": "1cycle",
    "plateau": "plateau",
}
CURVATURES = np.array([1.0, 20.0])
"""The two curvatures h of the quadratic that the schedules are tried on."""

_STEPS, _START, _EPOCH = 300, np.array([3.0, 1.0]), 10


def expected_losses(
    rates: Array, noise: float, curvatures: Array = CURVATURES, start: Array = _START
) -> Array:
    """Return the mean loss before each of these steps and after the last one, exactly.

    The loss is Σ ½ h θ² and each gradient entry carries noise of standard deviation σ, so the mean
    of θ² follows m ← (1 − γh)² m + γ²σ².
    """
    squares, losses = np.asarray(start, float) ** 2, []
    for rate in rates:
        losses.append(0.5 * curvatures @ squares)
        squares = (1 - rate * curvatures) ** 2 * squares + (rate * noise) ** 2
    return np.array([*losses, 0.5 * curvatures @ squares])


def noisy_losses(
    rate_at: Callable[[int, float], float],
    noise: float,
    rng: np.random.Generator,
    steps: int = _STEPS,
) -> tuple[Array, Array]:
    """Walk down the quadratic with noisy gradients; return the rates and the losses.

    Args:
        rate_at: gives the rate from the step and the loss there.
        noise: σ, the standard deviation of each gradient entry.
        rng: draws the noise.
        steps: how many.
    """
    draws = noise * rng.standard_normal((steps, len(_START)))
    theta, rates, losses = _START, [], []
    for t, draw in enumerate(draws):
        losses.append(float(0.5 * CURVATURES @ theta**2))
        rates.append(rate_at(t, losses[-1]))
        theta = np.clip(theta - rates[-1] * (CURVATURES * theta + draw), -1e6, 1e6)
    return np.array(rates), np.array([*losses, float(0.5 * CURVATURES @ theta**2)])


@mpl.rc_context(STYLE)
def schedule_explorer() -> LiveFigure:
    """A schedule beside the loss that it produces on a noisy valley."""
    figure, (rate_axes, loss_axes) = canvas(9.4, 3.9, (1.0, 1.15))
    (rate,) = rate_axes.plot([], [], color=COLORS[0], linewidth=3)
    (edge,) = rate_axes.plot([], [], color="black", linestyle=":", linewidth=1.5)
    (draw_line,) = loss_axes.plot([], [], color=COLORS[0], linewidth=1)
    (mean,) = loss_axes.plot([], [], color=COLORS[1], linestyle="--", linewidth=2.5)
    (still,) = loss_axes.plot([], [], color="black", linestyle=":", linewidth=1.5)
    rate_axes.set(
        xlim=(0, _STEPS), ylim=(1e-4, 3), yscale="log", xlabel="step t", ylabel="rate γ (log)"
    )
    rate_axes.legend([rate, edge], ["rate", "2/h: beyond it diverges"], loc="upper right")
    loss_axes.set(
        xlim=(0, _STEPS), ylim=(1e-4, 100), yscale="log", xlabel="step t", ylabel="loss (log)"
    )
    labels = ["this run", "mean of all runs", "mean at constant γ₀"]
    loss_axes.legend([draw_line, mean, still], labels, loc="upper right")
    edge.set_data([0, _STEPS], [2 / CURVATURES.max()] * 2)
    controls = {
        "schedule": choice("schedule", "step", SCHEDULES),
        "lr": log_slider("rate γ₀", 0.05, 1e-3, 0.2),
        "every": slider("n, every", 100, 10, 300, 5),
        "factor": slider("factor f", 0.3, 0.05, 1.0, 0.05),
        "k": log_slider("decay k", 0.01, 1e-4, 1.0),
        "s": slider("s, steps", 30, 5, 300, 5),
        "c": slider("power c", 1.0, 0.0, 3.0, 0.1),
        "steps": slider("T, steps", _STEPS, 20, _STEPS, 10),
        "cycle": slider("first cycle", 75, 25, _STEPS, 5),
        "growth": slider("growth g", 1.0, 1.0, 3.0, 0.1),
        "rise": slider("rise r", 0.3, 0.05, 0.45, 0.05),
        "div_factor": slider("d, peak/first", 10.0, 1.0, 50.0, 1.0),
        "patience": slider("patience", 2, 1, 10, 1),
        "warm": slider("warm-up steps", 0, 0, 150, 5),
        "noise": slider("noise σ", 1.0, 0.0, 3.0, 0.1),
        "seed": slider("draw no.", 0, 0, 20, 1),
    }

    def draw(schedule: str, lr: float, warm: int, noise: float, seed: int, **hyper: Any) -> str:
        taken = _takes(schedule)
        for name in hyper:
            controls[name].layout.display = None if name in taken else "none"
        rate_at = _rate_at(schedule, lr, warm, {name: hyper[name] for name in taken})
        rates, losses = noisy_losses(rate_at, noise, np.random.default_rng(seed))
        exact = expected_losses(rates, noise)
        held = expected_losses(np.full(_STEPS, lr), noise)
        times = np.arange(_STEPS + 1)
        rate.set_data(times[:-1], np.maximum(rates, 1e-9))
        draw_line.set_data(times, _shown(losses))
        reacts = schedule == "plateau"  # its rates depend on the run, which the formula cannot
        mean.set_data(times, _shown(exact) if not reacts else np.full(len(times), np.nan))
        still.set_data(times, _shown(held))
        end = losses[-30:].mean() if reacts else exact[-1]
        about = "this run's last 30 steps" if reacts else "mean after the last step"
        return (
            f"Sum of all rates {rates.sum():.3g}, of their squares {(rates**2).sum():.3g}. "
            f"Loss, {about}: {end:.3g}; at the constant γ₀: {held[-1]:.3g}."
        )

    return LiveFigure(
        "schedules",
        figure=figure,
        moving=(rate, edge, draw_line, mean, still),
        controls=controls,
        draw=draw,
    )


RANGE_RULES = {"sgd": "gradient descent", "momentum": "momentum", "adam": "Adam"}
_BATCHES = {"8": "8", "64": "64", "256": "256"}
_TRIED, _TRIAL_STEPS = 60, 40
_TRIAL_RATES = tuple(float(f"{rate:.0e}") for rate in np.logspace(-4, 0.5, 10))


@mpl.rc_context(STYLE)
def range_test_explorer() -> LiveFigure:
    """A range test on the digits beside what each rate really does from new weights."""
    figure, (test_axes, train_axes) = canvas(9.4, 3.9, (1.0, 1.0))
    (curve,) = test_axes.plot([], [], color=COLORS[0], marker="o", markersize=3.5)
    (low,) = test_axes.plot([], [], color=COLORS[1], marker="v", markersize=10, linestyle="none")
    (mark,) = test_axes.plot([], [], color=COLORS[2], linestyle="-.")
    (after,) = train_axes.plot([], [], color=COLORS[6], marker="s", linewidth=1.5)
    (same,) = train_axes.plot([], [], color=COLORS[2], linestyle="-.")
    for axes in (test_axes, train_axes):
        axes.set(xlim=(1e-6, 20), ylim=(0.05, 30), xscale="log", yscale="log")
        axes.set(xlabel="rate γ (log)", ylabel="loss (log)")
    test_axes.set_title("one run, the rate growing")
    test_axes.legend([curve, low, mark], ["range test", "lowest", "chosen"], loc="upper left")
    train_axes.set_title("many runs, each from new weights")
    shown = [f"after {_TRIAL_STEPS} steps at this rate", "chosen"]
    train_axes.legend([after, same], shown, loc="upper left")
    pairs = [(rule, batch) for rule in RANGE_RULES for batch in _BATCHES]
    tests = {pair: _range_test(pair[0], int(pair[1])) for pair in pairs}
    ends = {rule: [_trial(rule, rate) for rate in _TRIAL_RATES] for rule in RANGE_RULES}

    def draw(rule: str, batch: str, divide: float) -> str:
        seen = tests[rule, batch]
        lowest = int(np.argmin(np.nan_to_num(seen.losses, nan=np.inf)))
        rate = float(seen.rates[lowest]) / divide
        curve.set_data(seen.rates, _shown(seen.losses))
        low.set_data(seen.rates[[lowest]], seen.losses[[lowest]])
        after.set_data(_TRIAL_RATES, _shown(np.array(ends[rule])))
        for line in (mark, same):
            line.set_data([rate, rate], [0.05, 30])
        best = _TRIAL_RATES[int(np.argmin(ends[rule]))]
        return (
            f"Lowest at γ = {seen.rates[lowest]:.2g}, divided by {divide:g}: γ = {rate:.2g}. "
            f"Of the rates at the right, {best:g} is the best after {_TRIAL_STEPS} steps."
        )

    return LiveFigure(
        "range test",
        figure=figure,
        moving=(curve, low, mark, after, same),
        controls={
            "rule": choice("optimizer", "momentum", RANGE_RULES),
            "batch": choice("batch size", "64", _BATCHES),
            "divide": slider("divide by", 10.0, 1.0, 100.0, 1.0),
        },
        draw=draw,
    )


_RUNS, _EPOCHS = 4, 60


@mpl.rc_context(STYLE)
def early_stopping_explorer() -> LiveFigure:
    """Where early stopping ends a training that overfits, and which parameters it brings back."""
    figure, (loss_axes,) = canvas(9.4, 3.9, (1.0,))
    (training,) = loss_axes.plot([], [], color=COLORS[0])
    (held_out,) = loss_axes.plot([], [], color=COLORS[1], linewidth=2.5, linestyle="--")
    (unseen,) = loss_axes.plot([], [], color="#888888", linewidth=1, linestyle=":")
    (best,) = loss_axes.plot([], [], color=COLORS[2], marker="*", markersize=16, linestyle="none")
    (end,) = loss_axes.plot([], [], color="black", linestyle="-.")
    loss_axes.set(xlim=(0, _EPOCHS), ylim=(0.0, 1.6), xlabel="epoch", ylabel="mean squared error")
    loss_axes.legend(
        [training, held_out, unseen, best, end],
        ["training part", "validation part", "never seen", "brought back", "stopped"],
        loc="upper right",
        ncols=2,
    )
    histories = [overfitting_run(seed)[0] for seed in range(_RUNS)]

    def draw(patience: int, min_delta: float, run: int) -> str:
        seen = histories[run]
        stop, kept = stopping_point(seen.test_loss, patience, min_delta)
        epochs = np.arange(len(seen.test_loss))
        training.set_data(epochs[: stop + 1], seen.train_loss[: stop + 1])
        held_out.set_data(epochs[: stop + 1], seen.test_loss[: stop + 1])
        unseen.set_data(epochs[stop:], seen.test_loss[stop:])
        best.set_data([kept], [seen.test_loss[kept]])
        end.set_data([stop, stop], [0.0, 1.6])
        how = "stopped" if stop < epochs[-1] else "trained to the end"
        return (
            f"{how.capitalize()} after {stop} epochs, brought back those of epoch {kept}. "
            f"Validation loss {seen.test_loss[kept]:.3f} there, {seen.test_loss[stop]:.3f} at the "
            f"stop; the lowest of all {_EPOCHS} epochs is {seen.test_loss.min():.3f}."
        )

    return LiveFigure(
        "early stopping",
        figure=figure,
        moving=(training, held_out, unseen, best, end),
        controls={
            "patience": slider("patience", 10, 1, 40, 1),
            "min_delta": slider("min_delta δ", 0.0, 0.0, 0.1, 0.005),
            "run": slider("run no.", 1, 0, _RUNS - 1, 1),
        },
        draw=draw,
    )


def stopping_point(losses: Array, patience: int, min_delta: float = 0.0) -> tuple[int, int]:
    """Return after which epoch early stopping ends and which one it brings back."""
    stopping = EarlyStopping([np.zeros(1)], patience=patience, min_delta=min_delta)
    last = len(losses) - 1
    for epoch, loss in enumerate(losses):
        if stopping.update(float(loss)):
            last = epoch
            break
    return last, stopping.best_update or 0


def overfitting_run(
    seed: int, patience: int | None = None, epochs: int = _EPOCHS
) -> tuple[History, Sequential, Split]:
    """Train a network that is too large for the diabetes data.

    A quarter of the training part is held back: the history's test loss is that of this validation
    part. The split that comes back has the true test part.
    """
    data = diabetes(seed)
    rng = np.random.default_rng(seed)
    network = Sequential(Linear(10, 64, rng), ReLU(), Linear(64, 1, rng))
    optimizer = Optimizer(optimizers.momentum, network.params, lr=0.01)
    seen = train(
        network,
        optimizer,
        data.hold_back(0.25),
        epochs=epochs,
        batch_size=32,
        rng=rng,
        loss=(mse, mse_grad),
        patience=patience,
    )
    return seen, network, data


def _takes(schedule: str) -> tuple[str, ...]:
    """Return which controls a schedule has, besides the rate."""
    if schedule == "plateau":
        return ("factor", "patience")
    if schedule == "piecewise_constant":
        return ("factor", "every")
    if schedule == "cosine_restarts":
        return ("cycle", "growth")
    asked = inspect.signature(getattr(schedulers, schedule)).parameters
    return tuple(name for name in asked if name not in ("t", "lr", "lr_min", "final_div_factor"))


def _rate_at(
    schedule: str, lr: float, warm: int, hyper: dict[str, Any]
) -> Callable[[int, float], float]:
    if schedule == "plateau":
        return _plateau(lr, warm, hyper)
    rule = getattr(schedulers, schedule)
    if schedule == "piecewise_constant":
        factor, end = hyper["factor"], hyper["every"]
        lrs = [lr, factor * lr, factor**2 * lr]
        hyper = {"lrs": lrs, "boundaries": [end, 1.5 * end]}
    elif schedule == "cosine_restarts":
        hyper = {"lr": lr, "steps": hyper["cycle"], "growth": hyper["growth"]}
    else:
        hyper = hyper | {"lr": lr}

    def plain(t: float) -> float:
        return float(rule(t, **hyper))

    warmed = schedulers.warmup(plain, steps=warm) if warm else plain
    return lambda t, loss: warmed(t)


def _plateau(lr: float, warm: int, hyper: dict[str, Any]) -> Callable[[int, float], float]:
    """React to the mean loss of each ten steps, once the warm-up is over."""
    plateau, recent = Plateau(lr, **hyper), []

    def rate_at(t: int, loss: float) -> float:
        recent.append(loss)
        if len(recent) == _EPOCH:
            if t >= warm:
                plateau.update(float(np.mean(recent)))
            recent.clear()
        return plateau.lr * min(1.0, t / warm) if warm else plateau.lr

    return rate_at


def _shown(losses: Array) -> Array:
    """Return losses that a log axis can show: what overflows leaves the picture at its top."""
    return np.clip(np.nan_to_num(losses, nan=1e9, posinf=1e9), 1e-9, 1e9)


def _network(seed: int) -> Sequential:
    rng = np.random.default_rng(seed)
    return Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng))


def _trainer(rule: str, batch: int) -> tuple[Callable[[float], None], Callable[[], float]]:
    """Return what makes one training step at a rate, and what measures the loss."""
    data, network, rng = _digits(), _network(0), np.random.default_rng(0)
    optimizer = Optimizer(getattr(optimizers, rule), network.params, lr=0.0)

    def step(lr: float) -> None:
        chosen = rng.integers(len(data.x_train), size=batch)
        output = network.forward(data.x_train[chosen])
        network.backward(cross_entropy_grad(output, data.y_train[chosen]))
        optimizer.hyper["lr"] = lr
        optimizer.step(network.grads)

    return step, lambda: float(cross_entropy(network.forward(data.x_test), data.y_test))


@lru_cache(maxsize=1)
def _digits() -> Split:
    """Return the digits' training part, 200 samples of it in the place of the test part."""
    data = digits(seed=0)
    x, y = data.x_train, data.y_train
    return Split(x[200:], y[200:], x[:200], y[:200])


@lru_cache(maxsize=16)
def _range_test(rule: str, batch: int) -> RangeTest:
    step, loss = _trainer(rule, batch)

    def train_step(lr: float) -> float:
        step(lr)
        return loss()

    with np.errstate(over="ignore", invalid="ignore"):
        return range_test(train_step, lr_min=1e-6, lr_max=10.0, steps=_TRIED)


@lru_cache(maxsize=64)
def _trial(rule: str, lr: float) -> float:
    step, loss = _trainer(rule, 64)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_TRIAL_STEPS):
            step(lr)
        end = loss()
    return end if np.isfinite(end) else np.inf
