"""Live figures of unit 06: curves and slopes, what saturates, SELU's fixed point, dead ReLUs."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import matplotlib as mpl
import numpy as np
from scipy.stats import norm  # type: ignore[import-untyped]

from course import activations, initializers, optimizers
from course._arrays import Array
from course.data import Split, batches, digits
from course.layers import Activation, Layer, Linear, PReLU, RReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad
from course.optimizers import Optimizer
from course.widgets._live import LiveFigure, canvas, choice, slider
from course.widgets.style import COLORS, STYLE

__all__ = [
    "ACTIVATIONS",
    "activation_explorer",
    "activation_layer",
    "dead_relu_explorer",
    "dying_run",
    "fixed_point_explorer",
    "initializer_of",
    "moments_of",
    "network_after_large_rate",
    "network_with",
    "saturation_explorer",
    "signal_through",
    "silent_share",
]

ACTIVATIONS = {
    "identity": "identity",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "prelu": "PReLU",
    "rrelu": "RReLU",
    "elu": "ELU",
    "selu": "SELU",
    "silu": "SiLU",
    "gelu": "GELU",
    "mish": "Mish",
}
"""The activations that networks of this unit are built with, and how they are written."""


def activation_layer(name: str, width: int, rng: np.random.Generator) -> Layer:
    """Return an activation as a layer; learned and random slopes have layers of their own."""
    if name == "prelu":
        return PReLU(width)
    if name == "rrelu":
        return RReLU(rng)
    return Activation(getattr(activations, name))


def initializer_of(name: str) -> Callable[..., Array]:
    """Return the initializer that goes with an activation: He but for those that are named here."""
    if name in ("identity", "sigmoid", "tanh"):
        return initializers.xavier_normal
    return initializers.lecun_normal if name == "selu" else initializers.he_normal


def network_with(
    name: str,
    widths: Sequence[int],
    rng: np.random.Generator,
    initializer: Callable[..., Array] | None = None,
) -> Sequential:
    """Return dense layers of these widths with an activation after each but the last."""
    draw = initializer or initializer_of(name)
    layers: list[Layer] = []
    for fan_in, fan_out in itertools.pairwise(widths[:-1]):
        layers += [
            Linear(fan_in, fan_out, rng, initializer=draw),
            activation_layer(name, fan_out, rng),
        ]
    return Sequential(*layers, Linear(widths[-2], widths[-1], rng, initializer=draw))


def silent_share(network: Sequential, x: Array) -> list[float]:
    """Return, for each hidden layer, the share of units whose pre-activation is never above 0."""
    shares = []
    for layer, above in zip(network.layers[:-1], network.layers[1:], strict=True):
        x = layer.forward(x)
        if isinstance(layer, Linear) and not isinstance(above, Linear):
            shares.append(float(np.mean(np.all(x <= 0, axis=0))))
    return shares


# --- dead ReLUs ------------------------------------------------------------------------------

Health: TypeAlias = tuple[float, float, float]
"""The share of silent units, the training loss, the test accuracy."""

_LARGE_EPOCHS, _CALM_EPOCHS, _CALM_RATE = 10, 10, 0.01


class Dying(NamedTuple):
    """A run at a large rate, then at a small one, with one entry before and after each epoch.

    Attributes:
        silent: the share of hidden units whose pre-activation is never above 0.
        loss: the training loss.
        accuracy: the test accuracy.
        switch: the entry at which the rate falls and the activation changes.
    """

    silent: Array
    loss: Array
    accuracy: Array
    switch: int


def dying_run(lr: float, after: str, seed: int) -> Dying:
    """Train ReLUs on the digits at a large rate; go on at a small one, with another activation.

    Args:
        lr: the rate of the first ten epochs; the next ten have 0.01.
        after: the activation of those: "relu", or one that lets a gradient through on the left.
        seed: fixes the split, the weights and the order.
    """
    data, (network, rng, seen) = digits(seed), copy.deepcopy(_large_rate(lr, seed))
    network = _with_another(network, after)
    seen = [*seen, *_epochs(network, data, _CALM_RATE, _CALM_EPOCHS, rng)]
    silent, loss, accuracy = np.transpose(seen)
    return Dying(silent, loss, accuracy, _LARGE_EPOCHS)


def network_after_large_rate(lr: float, seed: int) -> Sequential:
    """Return the network of `dying_run` as it is at the switch."""
    return copy.deepcopy(_large_rate(lr, seed)[0])


@lru_cache(maxsize=8)
def _large_rate(lr: float, seed: int) -> tuple[Sequential, np.random.Generator, list[Health]]:
    """Return the network after the epochs at the large rate, and what was seen on the way."""
    data, rng = digits(seed), np.random.default_rng(seed)
    network = network_with("relu", (64, 32, 32, 10), rng)
    start = _health(network, data)
    return network, rng, [start, *_epochs(network, data, lr, _LARGE_EPOCHS, rng)]


def _epochs(
    network: Sequential, data: Split, lr: float, epochs: int, rng: np.random.Generator
) -> list[Health]:
    """Train for some epochs with momentum and return what is seen after each."""
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)
    seen = []
    for _ in range(epochs):
        for batch in batches(len(data.x_train), 64, rng):
            with np.errstate(over="ignore", invalid="ignore"):
                output = network.forward(data.x_train[batch])
                network.backward(cross_entropy_grad(output, data.y_train[batch]))
                optimizer.step(network.grads)
        seen.append(_health(network, data))
    return seen


def _with_another(network: Sequential, name: str) -> Sequential:
    """Return a network of the same weights with another activation."""
    return Sequential(
        *(
            layer if isinstance(layer, Linear) else Activation(getattr(activations, name))
            for layer in network.layers
        )
    )


def _health(network: Sequential, data: Split) -> Health:
    with np.errstate(over="ignore", invalid="ignore"):
        silent = float(np.mean(silent_share(network, data.x_train)))
        loss = float(cross_entropy(network.forward(data.x_train), data.y_train))
        right = network.forward(data.x_test).argmax(axis=1) == data.y_test
    return silent, loss, float(np.mean(right))


# --- the curves ------------------------------------------------------------------------------

_CURVES = {
    "identity": "identity",
    "heaviside": "Heaviside",
    "sign": "sign",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU, PReLU",
    "rrelu": "RReLU at test",
    "elu": "ELU",
    "selu": "SELU",
    "silu": "SiLU, Swish",
    "gelu": "GELU",
    "mish": "Mish",
}
_X = np.linspace(-6.0, 6.0, 601)
_NORMAL = np.exp(-(_X**2) / 2) / np.sum(np.exp(-(_X**2) / 2))
_FLAT = 0.05
_NONE = "none"


@mpl.rc_context(STYLE)
def activation_explorer() -> LiveFigure:
    """Every activation beside its derivative, with where it saturates and where it is dead."""
    figure, panels = canvas(9.4, 4.2, (1.0, 1.0))
    curve_axes, slope_axes = panels
    curves, others, points, flats, deads = [], [], [], [], []
    for axes in panels:
        curves += axes.plot([], [], color=COLORS[0], linewidth=3)
        others += axes.plot([], [], color=COLORS[1], linestyle="--", linewidth=2.5)
        points += axes.plot([], [], color="black", marker="o", markersize=9, linestyle="none")
        flats += axes.plot([], [], color=COLORS[4], linewidth=8, solid_capstyle="butt")
        deads += axes.plot([], [], color="black", linewidth=4, solid_capstyle="butt")
        axes.set(xlim=(-6, 6), xlabel="x")
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.axvline(0, color="#888888", linewidth=0.9)
    (tangent,) = curve_axes.plot([], [], color=COLORS[2], linestyle=":", linewidth=2.2)
    curve_axes.set(ylim=(-2.6, 5.0), ylabel="f(x)", title="the value")
    slope_axes.set(ylim=(-0.45, 2.1), ylabel="f'(x)", title="the derivative")
    curve_axes.legend(
        [curves[0], others[0], tangent],
        ["this one", "compared with", "slope at the point"],
        loc="upper left",
    )
    slope_axes.legend(
        [flats[1], deads[1]], [f"flat: |f'| < {_FLAT}", "dead: f' = 0"], loc="upper left"
    )
    controls = {
        "name": choice("activation", "relu", _CURVES),
        "other": choice("compare with", _NONE, {_NONE: "nothing"} | _CURVES),
        "negative_slope": slider("slope α", 0.1, 0.0, 1.5, 0.01),
        "alpha": slider("α", 1.0, 0.0, 2.0, 0.05),
        "beta": slider("β", 1.0, 0.1, 10.0, 0.1),
        "x": slider("point x", -1.5, -6.0, 6.0, 0.1),
    }

    def draw(name: str, other: str, x: float, **hyper: float) -> str:
        taken = _takes(name)
        for key in hyper:
            controls[key].layout.display = None if key in taken else "none"
        chosen = {key: hyper[key] for key in taken}
        y, slope = _curve(name, _X, **chosen)
        at, rise = (float(values[0]) for values in _curve(name, np.array([x]), **chosen))
        compared = _curve(other, _X) if other != _NONE else (np.full_like(_X, np.nan),) * 2
        flat = (np.abs(slope) < _FLAT) & (slope != 0)
        for index, (values, height) in enumerate(((y, -2.45), (slope, -0.4))):
            curves[index].set_data(_X, values)
            others[index].set_data(_X, compared[index])
            flats[index].set_data(_X, np.where(flat, height, np.nan))
            deads[index].set_data(_X, np.where(slope == 0, height, np.nan))
            points[index].set_data([x], [(at, rise)[index]])
        tangent.set_data([x - 1.5, x + 1.5], [at - 1.5 * rise, at + 1.5 * rise])
        shares = [100 * float(_NORMAL @ where) for where in (flat, slope == 0)]
        return (
            f"f({x:.1f}) = {at:.3f}, f'({x:.1f}) = {rise:.3f}; ten such layers multiply a gradient "
            f"by {rise**10:.2g}. Of standard normal inputs {shares[0]:.0f} % are flat, "
            f"{shares[1]:.0f} % dead."
        )

    return LiveFigure(
        "activations",
        figure=figure,
        moving=(*flats, *deads, *others, *curves, tangent, *points),
        controls=controls,
        draw=draw,
    )


def _curve(name: str, x: Array, **hyper: float) -> tuple[Array, Array]:
    function = getattr(activations, name)
    return function(x, **hyper), getattr(activations, f"{name}_grad")(x, **hyper)


@functools.cache
def _takes(name: str) -> tuple[str, ...]:
    """Return which controls an activation has."""
    asked = inspect.signature(getattr(activations, name)).parameters
    return tuple(key for key in ("negative_slope", "alpha", "beta") if key in asked)


# --- what goes in, what comes out ------------------------------------------------------------

_GRID = (np.arange(1600) + 0.5) / 100 - 8.0  # the middles of cells: no point lies on a kink
_WEIGHTS = np.exp(-(_GRID**2) / 2) / np.sum(np.exp(-(_GRID**2) / 2))


class Moments(NamedTuple):
    """What an activation makes of normal inputs.

    Attributes:
        mean: E[f].
        variance: the variance of f.
        slope_square: E[f'²]: what a layer multiplies a gradient's variance by, before the weights.
    """

    mean: float
    variance: float
    slope_square: float


def moments_of(name: str, mean: float = 0.0, variance: float = 1.0) -> Moments:
    """Return the moments of an activation's output for normal inputs, by a fine sum."""
    y, slope = _curve(name, mean + np.sqrt(variance) * _GRID)
    out = float(_WEIGHTS @ y)
    return Moments(out, float(_WEIGHTS @ (y - out) ** 2), float(_WEIGHTS @ slope**2))


_SAMPLES = norm.ppf((np.arange(10_000) + 0.5) / 10_000)


@mpl.rc_context(STYLE)
def saturation_explorer() -> LiveFigure:
    """Pre-activations meet the derivative: what comes out, and how much gradient comes back."""
    figure, (in_axes, out_axes) = canvas(9.4, 3.9, (1.0, 1.0))
    (density,) = in_axes.plot([], [], color=COLORS[0], linewidth=3)
    (slopes,) = in_axes.plot([], [], color=COLORS[1], linestyle="--", linewidth=2.5)
    (bars,) = out_axes.plot([], [], color=COLORS[0], linewidth=2, drawstyle="steps-mid")
    (middle,) = out_axes.plot([], [], color=COLORS[2], linestyle="-.", linewidth=2.5)
    in_axes.set(
        xlim=(-10, 10), ylim=(-0.2, 2.0), xlabel="pre-activation z", ylabel="density, slope"
    )
    in_axes.set_title("what goes in")
    in_axes.legend([density, slopes], ["density of z, top at 1", "f'(z)"], loc="upper left")
    out_axes.set(xlim=(-3, 6), ylim=(1e-3, 20), yscale="log", xlabel="f(z)", ylabel="density (log)")
    out_axes.set_title("what comes out")
    out_axes.legend([bars, middle], ["outputs", "their mean"], loc="upper right")
    edges = np.linspace(-3, 6, 91)
    names = {name: _CURVES[name] for name in _CURVES if name not in ("heaviside", "sign")}

    def draw(name: str, mean: float, deviation: float) -> str:
        z = np.linspace(-10, 10, 401)
        density.set_data(z, np.exp(-(((z - mean) / deviation) ** 2) / 2))
        slopes.set_data(z, _curve(name, z)[1])
        y = _curve(name, mean + deviation * _SAMPLES)[0]
        heights, _ = np.histogram(y, edges)
        bars.set_data((edges[:-1] + edges[1:]) / 2, np.maximum(heights / len(y) / 0.1, 1e-4))
        seen = moments_of(name, mean, deviation**2)
        middle.set_data([seen.mean, seen.mean], [1e-3, 20])
        return (
            f"Out: mean {round(seen.mean, 2) + 0.0:.2f}, variance {seen.variance:.3f}. Back: a "
            f"gradient's variance is multiplied by E[f'²] = {seen.slope_square:.3f}, in ten layers "
            f"by {seen.slope_square**10:.1g}."
        )

    return LiveFigure(
        "saturation",
        figure=figure,
        moving=(density, slopes, bars, middle),
        controls={
            "name": choice("activation", "sigmoid", names),
            "mean": slider("mean of z", 0.0, -4.0, 4.0, 0.1),
            "deviation": slider("deviation of z", 1.0, 0.2, 5.0, 0.1),
        },
        draw=draw,
    )


# --- the fixed point -------------------------------------------------------------------------

_DEPTH, _WIDTH = 50, 100
_STACKED = ("selu", "elu", "tanh", "sigmoid", "relu", "leaky_relu", "silu", "gelu", "identity")


def signal_through(
    name: str, gain: float, variance: float, depth: int = _DEPTH
) -> tuple[list[Moments], list[Moments]]:
    """Follow mean and variance through dense layers with weights of variance gain/fan_in.

    A sum of many products is normal, so layer after layer is one normal integral: that is the
    prediction. The second list is measured in a network of 100 units a layer on 100 samples; its
    third field is left at 0.

    Args:
        name: the activation.
        gain: fan_in times the variance of the weights: 1 for LeCun, 2 for He.
        variance: that of the inputs, whose mean is 0.
        depth: the number of layers.
    """
    seen = Moments(0.0, variance, 0.0)
    x = np.sqrt(variance) * _inputs()
    predicted, measured = [seen], [Moments(float(x.mean()), float(x.var()), 0.0)]
    function = getattr(activations, name)
    for weights in _stack()[:depth]:
        seen = moments_of(name, 0.0, gain * (seen.variance + seen.mean**2))
        predicted.append(seen)
        x = function(np.sqrt(gain) * (x @ weights))
        measured.append(Moments(float(x.mean()), float(x.var()), 0.0))
    return predicted, measured


@lru_cache(maxsize=1)
def _stack() -> Array:
    draws = np.random.default_rng(1).standard_normal((_DEPTH, _WIDTH, _WIDTH))
    return draws / np.sqrt(_WIDTH)


@lru_cache(maxsize=1)
def _inputs() -> Array:
    return np.random.default_rng(2).standard_normal((100, _WIDTH))


@mpl.rc_context(STYLE)
def fixed_point_explorer() -> LiveFigure:
    """The mean square from layer to layer: the map with its fixed point, and fifty layers of it."""
    figure, (map_axes, depth_axes) = canvas(9.4, 4.2, (1.0, 1.2))
    (curve,) = map_axes.plot([], [], color=COLORS[0], linewidth=3)
    (stairs,) = map_axes.plot([], [], color=COLORS[1], linestyle="--", linewidth=1.5)
    (start,) = map_axes.plot([], [], color=COLORS[1], marker="o", markersize=8, linestyle="none")
    low, high = 1e-3, 1e3
    map_axes.plot([low, high], [low, high], color="#888888", linewidth=1)
    map_axes.set(xlim=(low, high), ylim=(low, high), xscale="log", yscale="log")
    map_axes.set(xlabel="E[h²] of a layer (log)", ylabel="E[h²] of the next (log)", title="the map")
    map_axes.legend([curve, stairs], ["the map", "layer by layer"], loc="upper left")
    (variances,) = depth_axes.plot([], [], color=COLORS[0], linewidth=3)
    (means,) = depth_axes.plot([], [], color=COLORS[1], linestyle="--", linewidth=2.5)
    (spreads,) = depth_axes.plot([], [], color="black", marker="o", markersize=4, linestyle="none")
    (centres,) = depth_axes.plot([], [], color="black", marker="x", markersize=6, linestyle="none")
    depth_axes.set(xlim=(0, _DEPTH), xlabel="layer", ylabel="mean, variance", ylim=(-1.7, 3.0))
    depth_axes.set_title("fifty layers")
    depth_axes.legend(
        [variances, spreads, means, centres],
        ["variance, predicted", "measured", "mean, predicted", "measured"],
        loc="lower right",
        ncols=2,
    )
    squares = np.geomspace(low, high, 61)

    def draw(name: str, gain: float, variance: float) -> str:
        maps = [moments_of(name, 0.0, gain * q) for q in squares]
        curve.set_data(squares, _positive([m.variance + m.mean**2 for m in maps]))
        predicted, measured = signal_through(name, gain, variance)
        walk = _positive([m.variance + m.mean**2 for m in predicted])
        stairs.set_data(np.repeat(walk, 2)[:-1], np.repeat(walk, 2)[1:])
        start.set_data(walk[:1], walk[1:2])
        layers = np.arange(_DEPTH + 1)
        for line, moments, field in (
            (variances, predicted, "variance"),
            (spreads, measured, "variance"),
            (means, predicted, "mean"),
            (centres, measured, "mean"),
        ):
            line.set_data(layers, np.clip([getattr(m, field) for m in moments], -50, 50))
        told = (
            f"mean {round(seen.mean, 2) + 0.0:.2f}, variance {seen.variance:.2g}"
            for seen in (predicted[-1], measured[-1])
        )
        return f"After {_DEPTH} layers, predicted: {next(told)}; measured: {next(told)}."

    return LiveFigure(
        "fixed point",
        figure=figure,
        moving=(curve, stairs, start, variances, means, spreads, centres),
        controls={
            "name": choice("activation", "selu", {name: _CURVES[name] for name in _STACKED}),
            "gain": slider("fan_in · Var(w)", 1.0, 0.25, 3.0, 0.05),
            "variance": slider("input variance", 1.0, 0.1, 3.0, 0.1),
        },
        draw=draw,
    )


def _positive(values: Sequence[float]) -> Array:
    return np.clip(values, 1e-12, 1e12)


# --- dead ReLUs, live ------------------------------------------------------------------------

_AFTER = {
    "relu": "stay with ReLU",
    "leaky_relu": "switch to leaky ReLU",
    "elu": "switch to ELU",
    "mish": "switch to Mish",
}
_DEAD_RATES = {"0.05": "0.05", "0.2": "0.2", "0.3": "0.3", "0.5": "0.5"}


@mpl.rc_context(STYLE)
def dead_relu_explorer() -> LiveFigure:
    """Ten epochs with ReLU at a large rate, ten at a small one: who dies, and who comes back."""
    figure, (dead_axes, loss_axes) = canvas(9.4, 3.9, (1.0, 1.0))
    (silent,) = dead_axes.plot([], [], color=COLORS[0], marker="o", markersize=5)
    (accuracy,) = loss_axes.plot([], [], color=COLORS[2], marker="s", markersize=5)
    last = _LARGE_EPOCHS + _CALM_EPOCHS
    for axes in (dead_axes, loss_axes):
        axes.axvline(_LARGE_EPOCHS, color="black", linestyle=":", linewidth=1.8)
        axes.set(xlim=(0, last + 0.3), ylim=(-2, 102), xlabel="epoch")
        axes.set_xticks(range(0, last + 1, 5))
    dead_axes.set(ylabel="% of the hidden units", title="never above 0 on the training part")
    loss_axes.set(ylabel="% of the test part", title="classified right")
    loss_axes.text(9.7, 50, "large rate", ha="right", va="center", fontsize=10)
    loss_axes.text(10.3, 50, "0.01", ha="left", va="center", fontsize=10)
    runs = {
        (rate, after): dying_run(float(rate), after, seed=0)
        for rate in _DEAD_RATES
        for after in _AFTER
    }

    def draw(rate: str, after: str) -> str:
        seen = runs[rate, after]
        epochs = np.arange(len(seen.silent))
        silent.set_data(epochs, 100 * seen.silent)
        accuracy.set_data(epochs, 100 * seen.accuracy)
        before, end = seen.switch, -1
        return (
            f"After ten epochs at {rate}: {100 * seen.silent[before]:.0f} % silent, "
            f"{100 * seen.accuracy[before]:.0f} % right. Ten epochs at 0.01 later: "
            f"{100 * seen.silent[end]:.0f} % silent, {100 * seen.accuracy[end]:.0f} % right."
        )

    return LiveFigure(
        "dead ReLUs",
        figure=figure,
        moving=(silent, accuracy),
        controls={
            "rate": choice("large rate", "0.3", _DEAD_RATES),
            "after": choice("then", "relu", _AFTER),
        },
        draw=draw,
    )
