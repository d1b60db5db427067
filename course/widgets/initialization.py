"""Live figures of unit 07: what a start does to the signals of a deep network, both ways."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import matplotlib as mpl
import numpy as np

from course import activations, initializers
from course._arrays import Array
from course.data import digits, two_moons
from course.diagnostics import predicted_variance
from course.losses import cross_entropy_grad
from course.widgets._live import LiveFigure, canvas, choice, log_slider, slider
from course.widgets.style import COLORS, STYLE, line_style

__all__ = [
    "ACTIVATIONS",
    "STARTS",
    "Signals",
    "equal_units",
    "histogram_explorer",
    "jacobian_singular_values",
    "send_through",
    "signal_explorer",
    "spectrum_explorer",
    "symmetry_explorer",
]

STARTS: dict[str, tuple[str, Callable[..., Array]]] = {
    "normal": ("N(0, 1)", initializers.normal),
    "small": ("N(0, 0.01²)", functools.partial(initializers.normal, std=0.01)),
    "old": (
        "uniform, ±1/√fan-in",
        functools.partial(initializers.lecun_uniform, gain=1 / np.sqrt(3)),
    ),
    "lecun": ("LeCun, normal", initializers.lecun_normal),
    "xavier": ("Xavier, normal", initializers.xavier_normal),
    "he": ("He, normal", initializers.he_normal),
    "he_out": ("He, fan-out", functools.partial(initializers.he_normal, mode="fan_out")),
    "orthogonal": ("orthogonal", initializers.orthogonal),
}
"""What the figures offer: a title and how to draw a matrix."""

ACTIVATIONS = {
    "identity": "none",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "selu": "SELU",
    "gelu": "GELU",
}

SHAPES: dict[str, tuple[str, tuple[int, ...]]] = {
    "equal": ("equal, 128", (128,) * 21),
    "funnel": ("narrowing, 256 to 36", tuple(range(256, 35, -11))),
    "growing": ("widening, 36 to 256", tuple(range(36, 257, 11))),
    "waist": (
        "hourglass, 256-36-256",
        (*range(256, 36, -22), *range(36, 257, 22)),
    ),
}


class Signals(NamedTuple):
    """What goes through a network: z and h on the way forward, ∂L/∂z on the way back, by layer."""

    z: list[Array]
    h: list[Array]
    grad: list[Array]


def send_through(
    weights: Sequence[Array], activation: str, x: Array, output_grad: Callable[[Array], Array]
) -> Signals:
    """Send a batch through dense layers without biases, and the loss's gradient back.

    Args:
        weights: W_l of shape (fan_in, fan_out), the first layer first.
        activation: the name of what stands between the layers; the last layer is linear.
        x: the batch.
        output_grad: from the network's output to ∂L/∂output.
    """
    phi, slope = getattr(activations, activation), getattr(activations, f"{activation}_grad")
    zs, hs, h = [], [], x
    for w in weights:
        zs.append(h @ w)
        h = phi(zs[-1])
        hs.append(h)
    hs[-1] = zs[-1]
    grads = [output_grad(zs[-1])]
    for z, w in zip(zs[-2::-1], weights[:0:-1], strict=True):
        grads.append((grads[-1] @ w.T) * slope(z))
    return Signals(zs, hs, grads[::-1])


# --- how large the signals are, layer by layer -----------------------------------------------


@mpl.rc_context(STYLE)
def signal_explorer() -> LiveFigure:
    """The variance of each layer's signal and gradient, predicted and measured."""
    figure, both = canvas(9.4, 3.9, (1.0, 1.0))
    layers = np.arange(1, 21)
    predicted, measured = [], []
    for axes, name, color in zip(both, ("Var(z)", "Var(∂L/∂z)"), COLORS, strict=False):
        predicted += axes.plot([], [], color="black", linestyle="--", label="predicted")
        style = {"color": color, "marker": "o", "markersize": 6, "linestyle": ""}
        measured += axes.plot([], [], **style, label="measured")
        axes.set(
            xlim=(0, 21),
            ylim=(1e-9, 1e9),
            yscale="log",
            xlabel="layer l",
            ylabel=f"{name} (log)",
        )
        axes.set_xticks(range(0, 21, 5))
        axes.legend(loc="upper left")
    both[0].set_title("forward")
    both[1].set_title("backward, from the right")
    controls = {
        "start": choice("weights", "xavier", {key: title for key, (title, _) in STARTS.items()}),
        "activation": choice("activation", "relu", ACTIVATIONS),
        "shape": choice("widths", "funnel", {key: title for key, (title, _) in SHAPES.items()}),
        "scale": log_slider("weights times", 1.0, 0.1, 10.0),
        "seed": slider("draw no.", 0, 0, 20, 1),
    }

    def draw(start: str, activation: str, shape: str, scale: float, seed: int) -> str:
        widths = SHAPES[shape][1]
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((64, widths[0]))
        back = rng.standard_normal((64, widths[-1]))
        weights = [scale * w for w in _matrices(start, widths, seed)]
        seen = send_through(weights, activation, x, lambda _: back)
        expected = predicted_variance(
            widths,
            [scale**2 * _variance_of(start, *fans) for fans in pairwise(widths)],
            activation="linear" if activation == "identity" else activation,
        )
        for line, values in zip(predicted, (expected.forward, expected.backward), strict=True):
            line.set_data(layers, values)
        forward = np.array([np.var(z) for z in seen.z])
        backward = np.array([np.mean(g * g) for g in seen.grad])
        for line, values in zip(measured, (forward, backward), strict=True):
            line.set_data(layers, values)
        return (
            f"Var(z): {forward[0]:.2g} in layer 1, {forward[-1]:.2g} in layer 20. "
            f"Var(∂L/∂z): {backward[-1]:.2g} in layer 20, {backward[0]:.2g} in layer 1."
        )

    return LiveFigure(
        "signals through twenty layers",
        figure=figure,
        moving=(*predicted, *measured),
        controls=controls,
        draw=draw,
    )


@lru_cache(maxsize=16)
def _matrices(start: str, widths: tuple[int, ...], seed: int) -> tuple[Array, ...]:
    rng = np.random.default_rng([seed, 7])
    return tuple(STARTS[start][1](fans, rng) for fans in pairwise(widths))


def _variance_of(start: str, fan_in: int, fan_out: int) -> float:
    """Return the variance of an entry of a matrix that this start draws."""
    return {
        "normal": 1.0,
        "small": 1e-4,
        "old": 1 / (3 * fan_in),
        "lecun": 1 / fan_in,
        "xavier": 2 / (fan_in + fan_out),
        "he": 2 / fan_in,
        "he_out": 2 / fan_out,
        "orthogonal": 1 / max(fan_in, fan_out),
    }[start]


# --- Glorot and Bengio's two figures ---------------------------------------------------------

HIDDEN_LAYERS, HIDDEN_UNITS, SAMPLES = 5, 200, 200


@lru_cache(maxsize=1)
def _images() -> tuple[Array, Array]:
    data = digits(0)
    return data.x_train[:SAMPLES], data.y_train[:SAMPLES]


@mpl.rc_context(STYLE)
def histogram_explorer() -> LiveFigure:
    """How activations and gradients are spread in five hidden layers, before any training."""
    figure, (h_axes, g_axes) = canvas(9.4, 4.3, (1.0, 1.0))
    names = [f"layer {layer}" for layer in range(1, HIDDEN_LAYERS + 1)]
    styles = [
        line_style(index) | {"markersize": 6, "markevery": 8} for index in range(HIDDEN_LAYERS)
    ]
    h_lines = [h_axes.plot([], [], **style)[0] for style in styles]
    g_lines = [g_axes.plot([], [], **style)[0] for style in styles]
    h_axes.set(
        xlim=(-2.1, 2.1),
        ylim=(5e-4, 1.5),
        yscale="log",
        xlabel="output h of a unit",
        ylabel="share of the values (log)",
        title="forward",
    )
    g_axes.set(
        xlim=(-4.2, 4.2),
        ylim=(5e-4, 1.5),
        yscale="log",
        xlabel="∂L/∂z, in standard deviations of layer 5",
        ylabel="share of the values (log)",
        title="backward",
    )
    figure.legend(handles=h_lines, labels=names, loc="outside lower center", ncols=5)

    def draw(start: str, activation: str, scale: float) -> str:
        x, labels = _images()
        widths = (64, *[HIDDEN_UNITS] * HIDDEN_LAYERS, 10)
        weights = [scale * w for w in _matrices(start, widths, 0)]
        seen = send_through(weights, activation, x, lambda out: cross_entropy_grad(out, labels))
        unit = float(np.std(seen.grad[-2]))
        for line, h in zip(h_lines, seen.h, strict=False):
            line.set_data(*_shares(h, 2.0))
        for line, grad in zip(g_lines, seen.grad, strict=False):
            line.set_data(*_shares(grad / (unit or 1.0), 4.0))
        first, last = float(np.std(seen.h[0])), float(np.std(seen.h[-2]))
        below = float(np.std(seen.grad[0])) / (unit or 1.0)
        return (
            f"Standard deviation of h: {first:.3g} in layer 1, {last:.3g} in layer 5. "
            f"Of the gradient: {below:.3g} times as large in layer 1 as in layer 5."
        )

    return LiveFigure(
        "activations and gradients in five layers",
        figure=figure,
        moving=(*h_lines, *g_lines),
        controls={
            "start": choice("weights", "old", {key: title for key, (title, _) in STARTS.items()}),
            "activation": choice("activation", "tanh", ACTIVATIONS),
            "scale": log_slider("weights times", 1.0, 0.1, 10.0),
        },
        draw=draw,
    )


def _shares(values: Array, end: float) -> tuple[Array, Array]:
    """Return the middles of 41 bins and the share of the values in each, the outer ones open."""
    edges = np.linspace(-end, end, 42)
    counts, _ = np.histogram(np.clip(values, -end, end), edges)
    return (edges[1:] + edges[:-1]) / 2, np.maximum(counts / values.size, 1e-9)


# --- symmetry --------------------------------------------------------------------------------

UNITS, SYMMETRY_STEPS = 4, 400


def equal_units(common: float, spread: float) -> tuple[Array, Array]:
    """Train a network 2-4-1 from weights that are all alike but for a spread.

    Args:
        common: c, what all weights start from.
        spread: the standard deviation of what is added to each.

    Returns:
        The input weights after each step, shape (steps + 1, 2, units), and the losses.
    """
    data = two_moons(0)
    x, y = data.x_train, np.asarray(data.y_train, float)[:, None]
    rng = np.random.default_rng(3)
    w = common + spread * rng.standard_normal((2, UNITS))
    v = common + spread * rng.standard_normal((UNITS, 1))
    b, c = np.zeros(UNITS), np.zeros(1)
    path, losses = [w], []
    for _ in range(SYMMETRY_STEPS + 1):
        h = np.tanh(x @ w + b)
        p = activations.sigmoid(h @ v + c)
        losses.append(float(np.mean(-np.log(np.where(y == 1, p, 1 - p)))))
        delta = (p - y) / len(x)
        back = (delta @ v.T) * (1 - h * h)
        w, b = w - x.T @ back, b - back.sum(axis=0)
        v, c = v - h.T @ delta, c - delta.sum(axis=0)
        path.append(w)
    return np.array(path[:-1]), np.array(losses)


_cached_units = lru_cache(maxsize=64)(equal_units)


@mpl.rc_context(STYLE)
def symmetry_explorer() -> LiveFigure:
    """Units that start alike stay alike; a small difference grows, after a while."""
    figure, (plane, loss_axes) = canvas(9.4, 4.0, (1.0, 1.15))
    paths, ends = [], []
    for index in range(UNITS):
        look = {"color": COLORS[index], "linewidth": 4 - index * 0.9}
        paths += plane.plot([], [], **look)
        marker = line_style(index)["marker"]
        size = 17 - 4 * index
        ends += plane.plot(
            [], [], color=COLORS[index], marker=marker, markersize=size, linestyle=""
        )
    (loss,) = loss_axes.plot([], [], color=COLORS[0])
    (now,) = loss_axes.plot([], [], color="black", marker="X", markersize=9)
    plane.set(
        xlim=(-5, 5),
        ylim=(-5, 5),
        xlabel="weight from input 1",
        ylabel="weight from input 2",
        title="the four hidden units",
    )
    loss_axes.set(
        xlim=(-8, SYMMETRY_STEPS + 8),
        ylim=(0, 0.9),
        xlabel="step",
        ylabel="training loss",
    )
    names = [f"unit {index + 1}" for index in range(UNITS)]
    plane.legend(ends, names, loc="upper left", ncols=2, markerscale=0.6)

    def draw(common: float, spread: str, step: int) -> str:
        seen, losses = _cached_units(common, float(spread))
        for index, (path, end) in enumerate(zip(paths, ends, strict=True)):
            path.set_data(*seen[: step + 1, :, index].T)
            end.set_data(*seen[step : step + 1, :, index].T)
        loss.set_data(np.arange(step + 1), losses[: step + 1])
        now.set_data([step], losses[step : step + 1])
        apart = float(np.ptp(seen[step], axis=1).max())
        return f"Step {step}: loss {losses[step]:.3f}; the units' weights lie {apart:.2g} apart."

    return LiveFigure(
        "units that start alike",
        figure=figure,
        moving=(*paths, *ends, loss, now),
        controls={
            "common": slider("all start at", 0.5, 0.0, 1.0, 0.1),
            "spread": choice(
                "spread",
                "0",
                {
                    "0": "0: all alike",
                    "1e-6": "0.000001",
                    "1e-3": "0.001",
                    "0.1": "0.1",
                    "0.7": "0.7, about Xavier's",
                },
            ),
            "step": slider("step", SYMMETRY_STEPS, 0, SYMMETRY_STEPS, 1),
        },
        draw=draw,
        play="step",
    )


# --- every direction, not only their mean ----------------------------------------------------


def jacobian_singular_values(
    kind: str, activation: str, size: int, depth: int, strength: float, seed: int = 0
) -> Array:
    """Return the singular values of ∂h_L/∂x of a network at one random input, the largest first.

    Args:
        kind: "gaussian", entries of variance 1/size, or "orthogonal".
        activation: "identity", "tanh" or "relu"; with ReLU all weights are multiplied by √2.
        size: the width of every layer.
        depth: the number of layers.
        strength: the standard deviation of the input's entries.
        seed: which draw.
    """
    phi, slope = getattr(activations, activation), getattr(activations, f"{activation}_grad")
    gain = np.sqrt(2.0) if activation == "relu" else 1.0
    h = strength * np.random.default_rng([seed, 1]).standard_normal(size)
    jacobian = np.eye(size)
    for w in _square_matrices(kind, size, seed)[:depth]:
        z = h @ (gain * w)
        jacobian = (jacobian @ (gain * w)) * slope(z)
        h = phi(z)
    values: Array = np.linalg.svd(jacobian, compute_uv=False)
    return values


MOST_LAYERS = 40


@lru_cache(maxsize=32)
def _square_matrices(kind: str, size: int, seed: int) -> tuple[Array, ...]:
    rng = np.random.default_rng([seed, size])
    draw = initializers.orthogonal if kind == "orthogonal" else initializers.lecun_normal
    return tuple(draw((size, size), rng) for _ in range(MOST_LAYERS))


@mpl.rc_context(STYLE)
def spectrum_explorer() -> LiveFigure:
    """By how much each direction is stretched on its way through many layers."""
    figure, (axes,) = canvas(8.0, 3.9, (1.0,))
    kinds = {"gaussian": "Gaussian, variance 1/n", "orthogonal": "orthogonal"}
    lines = [
        axes.plot([], [], **line_style(index) | {"linestyle": ""}, label=title)[0]
        for index, title in enumerate(kinds.values())
    ]
    (keep,) = axes.plot([], [], color="black", linestyle=":", linewidth=1.5, label="length kept")
    keep.set_data([0, 1], [1, 1])
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(1e-8, 1e3),
        yscale="log",
        xlabel="direction, the most stretched one first (share of n)",
        ylabel="singular value of ∂h/∂x (log)",
    )
    axes.legend(loc="lower left")
    controls = {
        "activation": choice(
            "activation", "tanh", {"identity": "none", "tanh": "tanh", "relu": "ReLU"}
        ),
        "depth": slider("layers L", 10, 1, MOST_LAYERS, 1),
        "size": slider("width n", 64, 16, 128, 16),
        "strength": log_slider("input σ", 0.1, 0.01, 10.0),
    }

    def draw(activation: str, depth: int, size: int, strength: float) -> str:
        # Without tanh nothing depends on the size of the input.
        controls["strength"].layout.display = None if activation == "tanh" else "none"
        told = []
        for line, (kind, title) in zip(lines, kinds.items(), strict=True):
            values = jacobian_singular_values(kind, activation, size, depth, strength)
            line.set_data(np.linspace(0, 1, size), np.maximum(values, 1e-30))
            told.append(
                f"{title}: mean square {np.mean(values**2):.2g}, "
                f"middle direction {np.median(values):.2g}"
            )
        return "; ".join(told) + "."

    return LiveFigure(
        "singular values of a deep network",
        figure=figure,
        moving=(*lines, keep),
        controls=controls,
        draw=draw,
    )
