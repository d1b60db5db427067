"""Live figures of unit 09: signals, gradients and variances in stacks of residual blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import matplotlib as mpl
import numpy as np

from course import activations
from course._arrays import Array
from course.data import digits
from course.initializers import he_normal
from course.layers import Activation, BatchNorm, Layer, Linear, Residual, Sequential
from course.normalizers import layer_norm, layer_norm_backward
from course.widgets._live import LiveFigure, canvas, choice, slider
from course.widgets.style import COLORS, STYLE, line_style

__all__ = [
    "RECIPES",
    "WIDTH",
    "Recipe",
    "Signals",
    "deep_network",
    "path_explorer",
    "path_terms",
    "play_stack",
    "predicted_mean_squares",
    "signal_explorer",
    "variance_explorer",
]

WIDTH = 64
"""The width of the random stacks: that of the digits."""

SAMPLES = 64
ACTIVATIONS = {"relu": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}
_START = {"relu": 2.0, "tanh": 1.0, "sigmoid": 1.0}  # fan-in times the weights' variance


# --- networks to train -----------------------------------------------------------------------


def deep_network(
    layers: int,
    rng: np.random.Generator,
    *,
    skip: bool = True,
    scale: float = 1.0,
    normalize: bool = False,
    activation: Callable[..., Array] = activations.relu,
    initializer: Callable[..., Array] = he_normal,
    width: int = 32,
) -> Sequential:
    """Return a network for the digits whose hidden layers come in pairs, with or without skips.

    A pair is activation, linear, activation, linear. Without ``skip`` the same layers stand in the
    same order, and no input is added.

    Args:
        layers: hidden dense layers after the first one, an even number.
        rng: the source of the weights; skips change nothing of what is drawn.
        skip: whether each pair becomes a residual block.
        scale: what the start of each pair's last weights is multiplied by.
        normalize: whether a batch norm stands before each activation.
        activation: one of `course.activations`.
        initializer: one of `course.initializers`.
        width: units of a hidden layer.
    """

    def before(fan_out: int, times: float) -> list[Layer]:
        start = partial(_scaled_start, scale=times, initializer=initializer)
        norm: list[Layer] = [BatchNorm(width)] if normalize else []
        return [*norm, Activation(activation), Linear(width, fan_out, rng, initializer=start)]

    body: list[Layer] = [Linear(64, width, rng, initializer=initializer)]
    for _ in range(layers // 2):
        pair = [*before(width, 1.0), *before(width, scale)]
        body.append(Residual(*pair) if skip else Sequential(*pair))
    return Sequential(*body, *before(10, 1.0))


def _scaled_start(
    shape: tuple[int, ...],
    rng: np.random.Generator,
    *,
    scale: float,
    initializer: Callable[..., Array],
    like: Array | None = None,
) -> Array:
    return scale * initializer(shape, rng, like=like)


# --- stacks at random weights ----------------------------------------------------------------


@dataclass(frozen=True)
class Signals:
    """Mean squares at the levels 0, ..., L of a stack.

    Attributes:
        values: of the activations.
        gradients: of the gradient, divided by that at the output.
        direct: the part of ``gradients`` that the direct path alone brings.
        alike: mean cosine between the activations of two samples.
    """

    values: Array
    gradients: Array
    direct: Array
    alike: Array


@dataclass(frozen=True)
class Recipe:
    """How a stack adds: z ← shortcut · z + scale · F(z), and what is normalized."""

    title: str
    shortcut: Callable[[int], float]
    scale: Callable[[int], float]
    norm: str = ""


RECIPES: Mapping[str, Recipe] = {
    "unscaled": Recipe("z + F(z)", lambda _: 1.0, lambda _: 1.0),
    "branch": Recipe("z + F(z)/√L", lambda _: 1.0, lambda blocks: blocks**-0.5),
    "half": Recipe("(z + F(z))/√2", lambda _: 0.5**0.5, lambda _: 0.5**0.5),
    "pre": Recipe("z + F(norm z)", lambda _: 1.0, lambda _: 1.0, "branch"),
    "post": Recipe("norm(z + F(z))", lambda _: 1.0, lambda _: 1.0, "sum"),
    "plain": Recipe("F(z), no skip", lambda _: 0.0, lambda _: 1.0),
}
"""Ways to build a stack of L blocks."""


def play_stack(
    blocks: int,
    seed: int,
    *,
    activation: str = "relu",
    gain: float = 1.0,
    shortcut: float = 1.0,
    scale: float = 1.0,
    norm: str = "",
) -> Signals:
    """Send digits up a stack with random weights, and a random gradient back down.

    A branch is activation, linear, activation, linear. Its weights have the variance
    gain² · 2/n with ReLU, gain² · 1/n otherwise.
    """
    function = getattr(activations, activation)
    slope = getattr(activations, f"{activation}_grad")
    weights = _normal_weights(seed, 2 * blocks) * (gain * np.sqrt(_START[activation] / WIDTH))
    levels, kept = [_first_level(seed)], []
    for first, second in zip(weights[::2], weights[1::2], strict=True):
        z = levels[-1]
        seen, own = layer_norm(z, *_NO_SHIFT) if norm == "branch" else (z, None)
        middle = function(seen) @ first
        total = shortcut * z + scale * (function(middle) @ second)
        y, after = layer_norm(total, *_NO_SHIFT) if norm == "sum" else (total, None)
        levels.append(y)
        kept.append((seen, own, middle, after))
    whole = direct = np.random.default_rng([seed, 2]).normal(size=levels[-1].shape)
    gradients, directs = [_mean_square(whole)], [_mean_square(direct)]
    for k in range(blocks - 1, -1, -1):
        seen, own, middle, after = kept[k]
        if after is not None:
            whole, direct = (layer_norm_backward(g, after)[0] for g in (whole, direct))
        back = (scale * whole @ weights[2 * k + 1].T) * slope(middle)
        back = (back @ weights[2 * k].T) * slope(seen)
        back = back if own is None else layer_norm_backward(back, own)[0]
        whole, direct = shortcut * whole + back, shortcut * direct
        gradients.append(_mean_square(whole))
        directs.append(_mean_square(direct))
    return Signals(
        np.array([_mean_square(z) for z in levels]),
        np.array(gradients[::-1]) / gradients[0],
        np.array(directs[::-1]) / directs[0],
        np.array([_alike(z) for z in levels]),
    )


def predicted_mean_squares(
    blocks: int, *, gain: float, shortcut: float, scale: float, norm: str
) -> Array:
    """Return the mean square of each level of a ReLU stack that starts at 1.

    Two layers of weights with gain² · 2/n keep gain⁴ of the mean square that enters the branch.
    """
    squares = [1.0]
    for _ in range(blocks):
        branch = gain**4 * (1.0 if norm == "branch" else squares[-1])
        total = shortcut**2 * squares[-1] + scale**2 * branch
        squares.append(1.0 if norm == "sum" else total)
    return np.array(squares)


def path_terms(blocks: int, scale: float, seed: int, width: int = WIDTH) -> Array:
    """Return the parts of a gradient at level 0 by the number of branches they have passed.

    The Jacobians are random, with entries of variance 1/width; g_L has length 1. Row m is the sum
    over all paths through exactly m branches, so row 0 is the direct term and all rows together
    are the gradient.
    """
    rng = np.random.default_rng(seed)
    grad = rng.normal(size=width)
    terms = np.zeros((blocks + 1, width))
    terms[0] = grad / np.linalg.norm(grad)
    for passed in range(1, blocks + 1):
        jacobian = rng.normal(0.0, scale / np.sqrt(width), (width, width))
        terms[1 : passed + 1] += terms[:passed] @ jacobian
    return terms


# --- the figures -----------------------------------------------------------------------------


@mpl.rc_context(STYLE)
def signal_explorer() -> LiveFigure:
    """The signal up and the gradient down, with the same weights, with and without skips."""
    figure, (up_axes, down_axes) = canvas(9.4, 3.8, (1.0, 1.0))
    names = ("plain", "residual")
    ups = [up_axes.plot([], [], **line_style(i), markevery=4, label=n)[0] for i, n in _count(names)]
    downs = [down_axes.plot([], [], **line_style(i), markevery=4)[0] for i, _ in _count(names)]
    (direct,) = down_axes.plot([], [], color=COLORS[6], linestyle=":", label="direct term")
    up_axes.set(yscale="log", xlim=(-1, 65), ylim=(1e-10, 1e8))
    up_axes.set(xlabel="level, in layers", ylabel="size of the activations (log)")
    up_axes.legend(loc="lower left")
    down_axes.set(yscale="log", xlim=(-1, 65), ylim=(1e-10, 1e8))
    down_axes.set(xlabel="level, in layers", ylabel="gradient / that at the output (log)")
    down_axes.legend(loc="lower right")

    def draw(activation: str, layers: int, gain: float, scale: float, seed: int) -> str:
        blocks = layers // 2
        common: dict[str, Any] = {"activation": activation, "gain": gain}
        plain = play_stack(blocks, seed, shortcut=0.0, scale=1.0, **common)
        residual = play_stack(blocks, seed, shortcut=1.0, scale=scale, **common)
        levels = 2 * np.arange(blocks + 1)
        for signals, up, down in zip((plain, residual), ups, downs, strict=True):
            up.set_data(levels, _root(signals.values))
            down.set_data(levels, _root(signals.gradients))
        direct.set_data(levels, _root(residual.direct))
        return (
            f"Of a gradient of size 1 at the output {_size(plain.gradients[0])} arrives at level 0 "
            f"of the plain stack, {_size(residual.gradients[0])} of the residual one; its direct "
            "term is 1."
        )

    return LiveFigure(
        "signals and gradients of a stack",
        figure=figure,
        moving=(*ups, *downs, direct),
        controls={
            "activation": choice("activation", "relu", ACTIVATIONS),
            "layers": slider("layers", 48, 4, 64, 2),
            "gain": slider("weights ×", 1.0, 0.4, 1.6, 0.05),
            "scale": slider("scale s", 1.0, 0.0, 1.0, 0.02),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


@mpl.rc_context(STYLE)
def path_explorer() -> LiveFigure:
    """The gradient of a stack at level 0, sorted by how many branches it came through."""
    figure, (term_axes, depth_axes) = canvas(9.4, 3.8, (1.15, 1.0))
    most = 64
    (terms,) = term_axes.plot([], [], **line_style(0), label="paths through m branches")
    (law,) = term_axes.plot([], [], color=COLORS[1], linestyle="--", label="√(C(L, m)) sᵐ")
    (flat,) = depth_axes.plot([], [], color=COLORS[6], linestyle=":", label="direct term")
    (rest,) = depth_axes.plot([], [], **line_style(1), markevery=4, label="the rest")
    (here,) = depth_axes.plot([], [], color=COLORS[2], marker="D", markersize=9, linestyle="")
    term_axes.set(yscale="log", xlim=(-1, most + 1), ylim=(1e-6, 1e10))
    term_axes.set(xlabel="branches passed, m", ylabel="length of the part (log)")
    term_axes.legend(loc="upper right")
    depth_axes.set(yscale="log", xlim=(-1, most + 1), ylim=(1e-2, 1e10))
    depth_axes.set(xlabel="blocks L", ylabel="length at level 0 (log)")
    depth_axes.legend(loc="upper left")

    def draw(blocks: int, scale: float, seed: int) -> str:
        parts = path_terms(blocks, scale, seed)
        lengths = np.maximum(np.linalg.norm(parts, axis=1), 1e-300)
        passed = np.arange(blocks + 1)
        terms.set_data(passed, lengths)
        law.set_data(passed, np.maximum(_path_law(blocks, scale), 1e-300))
        rests = np.maximum(_rests(most, scale, seed), 1e-300)
        rest.set_data(np.arange(1, most + 1), rests)
        flat.set_data([0, most], [1, 1])
        here.set_data([blocks], rests[blocks - 1 : blocks])
        likely = int(np.argmax(lengths))
        return (
            f"Direct term 1, the rest {rests[blocks - 1]:.3g}. The longest part comes through "
            f"m = {likely} of {blocks} branches."
        )

    return LiveFigure(
        "paths of a gradient",
        figure=figure,
        moving=(terms, law, flat, rest, here),
        controls={
            "blocks": slider("blocks L", 24, 1, most, 1),
            "scale": slider("scale s", 1.0, 0.02, 1.0, 0.02),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
        play="blocks",
    )


@mpl.rc_context(STYLE)
def variance_explorer() -> LiveFigure:
    """Six ways to stack blocks: the variance on the way up, the gradient on the way down."""
    figure, (up_axes, down_axes) = canvas(9.4, 3.8, (1.0, 1.0))
    most = 48
    (measured,) = up_axes.plot([], [], linestyle="", marker="o", color=COLORS[0], label="measured")
    (law,) = up_axes.plot([], [], color=COLORS[1], linestyle="--", label="predicted")
    (whole,) = down_axes.plot([], [], linestyle="", marker="s", color=COLORS[2], label="gradient")
    (direct,) = down_axes.plot([], [], color=COLORS[6], linestyle=":", label="direct path alone")
    up_axes.set(yscale="log", xlim=(-1, most + 1), ylim=(1e-8, 1e16))
    up_axes.set(xlabel="level k", ylabel="mean square of z (log)")
    up_axes.legend(loc="upper left")
    down_axes.set(yscale="log", xlim=(-1, most + 1), ylim=(1e-16, 1e16))
    down_axes.set(xlabel="level k", ylabel="mean square of ∂L/∂z / output's (log)")
    down_axes.legend(loc="lower right")

    def draw(recipe: str, blocks: int, gain: float, seed: int) -> str:
        how = RECIPES[recipe]
        numbers: dict[str, Any] = {
            "gain": gain,
            "shortcut": how.shortcut(blocks),
            "scale": how.scale(blocks),
            "norm": how.norm,
        }
        seen = play_stack(blocks, seed, **numbers)
        levels = np.arange(blocks + 1)
        measured.set_data(levels, np.maximum(seen.values, 1e-300))
        law.set_data(levels, predicted_mean_squares(blocks, **numbers))
        whole.set_data(levels, np.maximum(seen.gradients, 1e-300))
        direct.set_data(levels, np.maximum(seen.direct, 1e-300))
        grown = seen.values[-1] / seen.values[0]
        return (
            f"{how.title}: mean square × {grown ** (1 / blocks):.2f} a block, × {grown:.3g} in "
            f"all. Gradient at level 0, mean square: {seen.gradients[0]:.3g}, by the direct path "
            f"alone {seen.direct[0]:.2g}."
        )

    return LiveFigure(
        "variance of a stack",
        figure=figure,
        moving=(measured, law, whole, direct),
        controls={
            "recipe": choice("block", "unscaled", {key: r.title for key, r in RECIPES.items()}),
            "blocks": slider("blocks L", 24, 2, most, 1),
            "gain": slider("weights ×", 1.0, 0.6, 1.3, 0.02),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


_NO_SHIFT = (np.ones(WIDTH), np.zeros(WIDTH))


@lru_cache(maxsize=4)
def _normal_weights(seed: int, layers: int) -> Array:
    return np.random.default_rng([seed, 1]).standard_normal((layers, WIDTH, WIDTH))


@lru_cache(maxsize=32)
def _first_level(seed: int) -> Array:
    """Return digits through a first random layer, with the mean square 1."""
    x = digits().x_train[:SAMPLES]
    z = x @ np.random.default_rng([seed, 0]).standard_normal((WIDTH, WIDTH))
    return z / np.sqrt(_mean_square(z))


@lru_cache(maxsize=64)
def _rests(most: int, scale: float, seed: int) -> Array:
    """Return the length of all but the direct term at level 0, for stacks of 1, 2, ... blocks."""
    rng = np.random.default_rng(seed)
    direct = rng.normal(size=WIDTH)
    direct /= np.linalg.norm(direct)
    whole, rests = direct, []
    for _ in range(most):
        whole = whole + whole @ rng.normal(0.0, scale / np.sqrt(WIDTH), (WIDTH, WIDTH))
        rests.append(np.linalg.norm(whole - direct))
    return np.array(rests)


def _path_law(blocks: int, scale: float) -> Array:
    """Return √(C(L, m)) sᵐ: the C(L, m) paths are uncorrelated and each has the length sᵐ."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, blocks + 1)))])
    ways = logs[-1] - logs - logs[::-1]
    return np.exp(ways / 2 + np.arange(blocks + 1) * np.log(scale))


def _count(names: tuple[str, ...]) -> list[tuple[int, str]]:
    return list(enumerate(names))


def _root(mean_squares: Array) -> Array:
    """Return the roots of mean squares, none so small that a log axis ends."""
    return np.sqrt(np.maximum(mean_squares, 1e-300))


def _size(mean_square: float) -> str:
    return f"{np.sqrt(mean_square):.2g}"


def _mean_square(z: Array) -> float:
    return float(np.mean(z * z))


def _alike(z: Array) -> float:
    """Return the mean cosine between the rows of two different samples."""
    unit = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-300)
    count = len(unit)
    return float((np.sum(unit.sum(axis=0) ** 2) - np.sum(unit * unit)) / (count * (count - 1)))
