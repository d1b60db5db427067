"""Live figures of unit 01: a perceptron that learns, losses and outputs, gradients, hats."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from course import activations, losses
from course._arrays import Array
from course.data import iris
from course.layers import perceptron_step
from course.widgets._live import LiveFigure, canvas, choice, log_slider, set_range, slider
from course.widgets.style import COLORS, STYLE

__all__ = [
    "PAIRS",
    "TARGETS",
    "Walk",
    "central_difference",
    "forward_difference",
    "hat_network",
    "interpolating_network",
    "loss_and_gradient",
    "output_and_loss",
    "perceptron",
    "perceptron_walk",
    "secant",
    "softmax_and_gradient",
    "two_species",
]

# --- the perceptron --------------------------------------------------------------------------

SPECIES = {"setosa": "setosa | versicolor", "virginica": "virginica | versicolor"}
UPDATES = 100


class Walk(NamedTuple):
    """What a perceptron did: its weights and biases after each update, and whether it finished."""

    weights: Array
    biases: Array
    finished: bool


def two_species(which: str) -> tuple[Array, Array]:
    """Return sepal lengths and widths of versicolor (+1) and one other species (-1) of iris."""
    data = iris()
    other = {"setosa": 0, "virginica": 2}[which]
    kept = (data.y_train == 1) | (data.y_train == other)
    return data.x_train[kept, :2], np.where(data.y_train[kept] == 1, 1, -1)


def perceptron_walk(x: Array, y: Array, *, bias: bool = True, updates: int = UPDATES) -> Walk:
    """Show the samples in turn, again and again, until all are right or the updates are used up."""
    w, b, turn = np.zeros(x.shape[1]), np.zeros(()), 0
    weights, biases = [w], [b]
    while len(weights) <= updates:
        in_turn = np.roll(np.arange(len(x)), -turn)
        mistaken = in_turn[np.sign(x[in_turn] @ w + b) != y[in_turn]]
        if not mistaken.size:
            return Walk(np.array(weights), np.array(biases), finished=True)
        sample = int(mistaken[0])
        w, learnt = perceptron_step(w, b, x[sample], int(y[sample]))
        b = learnt if bias else b
        turn = (sample + 1) % len(x)
        weights.append(w)
        biases.append(b)
    return Walk(np.array(weights), np.array(biases), finished=False)


@lru_cache(maxsize=256)
def _walk(which: str, shift: float, bias: bool) -> tuple[Walk, Array]:
    """Return the walk and how many samples are classified wrong after each update."""
    x, y = two_species(which)
    walk = perceptron_walk(x + shift, y, bias=bias)
    sides = np.sign((x + shift) @ walk.weights.T + walk.biases)
    return walk, np.sum(sides != y[:, None], axis=0)


@mpl.rc_context(STYLE)
def perceptron() -> LiveFigure:
    """A perceptron on two species of iris, update by update."""
    figure, (map_axes, error_axes) = canvas(9.4, 4.0, (1.1, 1.0))
    (plus,) = map_axes.plot([], [], "^", color=COLORS[0], label="versicolor, +1")
    (minus,) = map_axes.plot([], [], "o", color=COLORS[1], fillstyle="none", label="other, −1")
    map_axes.plot([0], [0], "+", color="black", markersize=12, label="origin")
    (line,) = map_axes.plot([], [], color="black", label="w·x + b = 0")
    (normal,) = map_axes.plot([], [], ":", color="black", marker="D", markevery=[-1], label="w")
    map_axes.legend(loc="lower right", fontsize=10)
    (errors,) = error_axes.plot([], [], color=COLORS[0], drawstyle="steps-post")
    (now,) = error_axes.plot([], [], "X", color="black", markersize=9)
    error_axes.set(
        xlim=(-2, UPDATES + 2),
        ylim=(-3, 85),
        xlabel="update",
        ylabel="samples classified wrong",
    )

    def scene(which: str, shift: float) -> None:
        x, y = two_species(which)
        plus.set_data(*(x[y > 0] + shift).T)
        minus.set_data(*(x[y < 0] + shift).T)
        map_axes.set(
            xlim=(-2.8, 3.2 + shift),
            ylim=(-2.8, 3.2 + shift),
            xlabel="sepal length",
            ylabel="sepal width",
        )

    def draw(which: str, shift: float, bias: str, update: int) -> str:
        walk, wrong = _walk(which, shift, bias == "yes")
        last = min(update, len(wrong) - 1)
        w, b = walk.weights[last], float(walk.biases[last])
        line.set_data(*_boundary(w, b))
        normal.set_data(*_normal(w, b))
        errors.set_data(np.arange(last + 1), wrong[: last + 1])
        now.set_data([last], [wrong[last]])
        end = "All right: it learns no more. " if walk.finished and last == len(wrong) - 1 else ""
        return (
            f"After {last} updates: w = ({w[0]:.2f}, {w[1]:.2f}), b = {b:.0f}; "
            f"{wrong[last]} of 80 samples wrong. {end}"
        )

    return LiveFigure(
        "a perceptron learns",
        figure=figure,
        moving=(line, normal, errors, now),
        controls={
            "update": slider("updates", 40, 0, UPDATES, 1),
            "which": choice("species", "setosa", SPECIES),
            "bias": choice("bias", "yes", {"yes": "learns", "no": "stays 0"}),
            "shift": slider("data moved by", 3.0, 0.0, 3.0, 0.5),
        },
        draw=draw,
        scene=scene,
        play="update",
    )


def _boundary(w: Array, b: float) -> Array:
    """Return two far points of the line w·x + b = 0, as columns; none where w is 0."""
    if not w.any():
        return np.zeros((2, 0))
    along = 20 * np.array([-w[1], w[0]]) / np.linalg.norm(w)
    foot = -b * w / (w @ w)
    return np.array([foot - along, foot + along]).T


def _normal(w: Array, b: float) -> Array:
    """Return the direction of w, one long, from the point of the boundary next to the origin."""
    if not w.any():
        return np.zeros((2, 0))
    foot = -b * w / (w @ w)
    return np.array([foot, foot + w / np.linalg.norm(w)]).T


# --- softmax ---------------------------------------------------------------------------------

CLASSES = ("a", "b", "c")


@mpl.rc_context(STYLE)
def softmax_and_gradient() -> LiveFigure:
    """Three logits become probabilities; the loss pulls each logit by p − y."""
    figure, (share_axes, pull_axes) = canvas(9.4, 3.5, (1.0, 1.0))
    shares = share_axes.bar(CLASSES, np.zeros(3), color=COLORS[:3])
    pulls = pull_axes.bar(CLASSES, np.zeros(3), color=COLORS[:3])
    pull_axes.axhline(0, color="black", linewidth=1)
    share_axes.set(ylim=(0, 1.02), xlabel="class", ylabel="probability p")
    pull_axes.set(ylim=(-1.05, 1.05), xlabel="class", ylabel="T · ∂L/∂z = p − y")

    def draw(a: float, b: float, c: float, temperature: float, right: str) -> str:
        z = np.array([a, b, c])
        p = activations.softmax(z, temperature=temperature)
        label = CLASSES.index(right)
        pull = p - (np.arange(3) == label)
        for bars, heights in ((shares, p), (pulls, pull)):
            for bar, height in zip(bars, heights, strict=True):
                bar.set_height(height)
        surprise = float(losses.cross_entropy(z[None] / temperature, np.array([label])))
        return (
            f"p = ({p[0]:.3f}, {p[1]:.3f}, {p[2]:.3f}); "
            f"loss −ln p of class {right} = {surprise:.3f}; "
            f"p − y = ({pull[0]:+.3f}, {pull[1]:+.3f}, {pull[2]:+.3f})"
        )

    controls = {
        "a": slider("logit of a", 2.0, -6.0, 6.0, 0.1),
        "b": slider("logit of b", 1.0, -6.0, 6.0, 0.1),
        "c": slider("logit of c", -1.0, -6.0, 6.0, 0.1),
        "temperature": log_slider("temperature T", 1.0, 0.1, 10.0),
        "right": choice("right class", "a", {name: name for name in CLASSES}),
    }
    return LiveFigure(
        "softmax and its gradient",
        figure=figure,
        moving=(*shares, *pulls),
        controls=controls,
        draw=draw,
    )


# --- output and loss -------------------------------------------------------------------------

PAIRS = {
    "linear": "linear output, MSE",
    "sigmoid": "sigmoid output, binary cross-entropy",
    "sigmoid_mse": "sigmoid output, MSE",
    "tanh_mse": "tanh output, MSE",
}
REACH = 8.0


def loss_and_gradient(pair: str, z: Array, target: float) -> tuple[Array, Array, Array]:
    """Return the output, the loss of one sample and its derivative, at each pre-activation z."""
    if pair == "linear":
        return z, (z - target) ** 2, 2 * (z - target)
    if pair == "tanh_mse":
        output = np.tanh(z)
        return output, (output - target) ** 2, 2 * (output - target) * (1 - output**2)
    output = activations.sigmoid(z)
    if pair == "sigmoid_mse":
        slope = output * (1 - output)
        return output, (output - target) ** 2, 2 * (output - target) * slope
    surprise = target * np.logaddexp(0, -z) + (1 - target) * np.logaddexp(0, z)
    return output, surprise, output - target


@mpl.rc_context(STYLE)
def output_and_loss() -> LiveFigure:
    """The loss of one sample and its slope, against what the last layer gives."""
    figure, (loss_axes, slope_axes) = canvas(9.4, 3.7, (1.0, 1.0))
    z_shown = np.linspace(-REACH, REACH, 401)
    (loss,) = loss_axes.plot([], [], color=COLORS[0])
    (slope,) = slope_axes.plot([], [], color=COLORS[0])
    (tangent,) = loss_axes.plot([], [], "--", color=COLORS[1])
    (at_loss,) = loss_axes.plot([], [], "X", color="black", markersize=9)
    (at_slope,) = slope_axes.plot([], [], "X", color="black", markersize=9)
    slope_axes.axhline(0, color="black", linewidth=1)
    controls = {
        "z": slider("z", -5.0, -REACH, REACH, 0.1),
        "pair": choice("pair", "sigmoid_mse", PAIRS),
        "target": slider("target", 1.0, 0.0, 1.0, 0.1),
    }

    def scene(pair: str) -> None:
        if pair.startswith("sigmoid"):
            set_range(controls["target"], 0.0, 1.0, 1.0)
        else:
            set_range(controls["target"], -2.0, 2.0, 1.0)
        high = {"linear": 40.0, "sigmoid": 8.5, "sigmoid_mse": 1.08, "tanh_mse": 9.6}[pair]
        steep = {"linear": 22.0, "sigmoid": 1.2, "sigmoid_mse": 0.6, "tanh_mse": 5.0}[pair]
        loss_axes.set(
            xlim=(-REACH, REACH), ylim=(-0.04 * high, high), xlabel="z, before the activation"
        )
        slope_axes.set(
            xlim=(-REACH, REACH), ylim=(-steep, steep), xlabel="z, before the activation"
        )
        loss_axes.set(ylabel="loss")
        slope_axes.set(ylabel="∂L/∂z")

    def draw(z: float, pair: str, target: float) -> str:
        _, all_losses, all_slopes = loss_and_gradient(pair, z_shown, target)
        loss.set_data(z_shown, all_losses)
        slope.set_data(z_shown, all_slopes)
        output, here, steepness = (
            float(v[0]) for v in loss_and_gradient(pair, np.array([z]), target)
        )
        tangent.set_data([z - 2, z + 2], [here - 2 * steepness, here + 2 * steepness])
        at_loss.set_data([z], [here])
        at_slope.set_data([z], [steepness])
        return (
            f"output {output:.4f}, target {target:.1f}: loss {here:.4g}, slope {steepness:+.3g}; "
            f"the lowest loss in sight is {all_losses.min():.3g}"
        )

    return LiveFigure(
        "an output and its loss",
        figure=figure,
        moving=(loss, slope, tangent, at_loss, at_slope),
        controls=controls,
        draw=draw,
        scene=scene,
    )


# --- differences -----------------------------------------------------------------------------


def _curve(x: Any) -> Any:
    return np.sin(x) + np.sin(3 * x) / 2


def _slope(x: Any) -> Any:
    return np.cos(x) + 1.5 * np.cos(3 * x)


def forward_difference(x: float, h: Any) -> Any:
    """Return the forward difference of the figure's curve."""
    return (_curve(x + h) - _curve(x)) / h


def central_difference(x: float, h: Any) -> Any:
    """Return the central difference of the figure's curve."""
    return (_curve(x + h) - _curve(x - h)) / (2 * h)


@mpl.rc_context(STYLE)
def secant() -> LiveFigure:
    """Two difference quotients: their secants, and their errors against h."""
    figure, (curve_axes, error_axes) = canvas(9.4, 4.0, (1.0, 1.1))
    x_shown, distances = np.linspace(-2.5, 2.5, 300), np.logspace(-14, 0, 281)
    curve_axes.plot(x_shown, _curve(x_shown), color=COLORS[0])
    (forward,) = curve_axes.plot([], [], "--s", color=COLORS[1], label="forward")
    (central,) = curve_axes.plot([], [], "-.o", color=COLORS[2], label="central")
    curve_axes.legend(loc="upper left")
    curve_axes.set(xlim=(-2.5, 2.5), ylim=(-2.2, 2.2), xlabel="x", ylabel="f(x)")
    (forward_errors,) = error_axes.plot([], [], "--", color=COLORS[1], linewidth=1.2)
    (central_errors,) = error_axes.plot([], [], "-.", color=COLORS[2], linewidth=1.5)
    (forward_now,) = error_axes.plot([], [], "s", color=COLORS[1], markersize=9)
    (central_now,) = error_axes.plot([], [], "o", color=COLORS[2], markersize=9)
    error_axes.set(
        xlim=(1e-14, 1),
        ylim=(1e-13, 10),
        xscale="log",
        yscale="log",
        xlabel="h (log)",
        ylabel="error of the slope (log)",
    )

    def errors_of(quotient: Any, x: float, h: Any) -> Any:
        return np.maximum(np.abs(quotient(x, h) - _slope(x)), 2e-13)

    def draw(h: float, x: float) -> str:
        forward.set_data([x, x + h], [_curve(x), _curve(x + h)])
        central.set_data([x - h, x + h], [_curve(x - h), _curve(x + h)])
        forward_errors.set_data(distances, errors_of(forward_difference, x, distances))
        central_errors.set_data(distances, errors_of(central_difference, x, distances))
        forward_now.set_data([h], [errors_of(forward_difference, x, h)])
        central_now.set_data([h], [errors_of(central_difference, x, h)])
        return (
            f"h = {h:.1e}: true slope {_slope(x):+.6f}, forward {forward_difference(x, h):+.6f}, "
            f"central {central_difference(x, h):+.6f}"
        )

    return LiveFigure(
        "difference quotients",
        figure=figure,
        moving=(
            forward,
            central,
            forward_errors,
            central_errors,
            forward_now,
            central_now,
        ),
        controls={
            "h": log_slider("h", 0.5, 1e-14, 1.0),
            "x": slider("x", 0.3, -1.5, 1.5, 0.1),
        },
        draw=draw,
    )


# --- universal approximation -----------------------------------------------------------------

TARGETS = {"sine": "sin(2πx)", "kink": "|x − 0.3|", "root": "√|x|", "jump": "a jump at 0.3"}
UNITS = 64


def _target(name: str, x: Array) -> Array:
    if name == "sine":
        return np.sin(2 * np.pi * x)
    if name == "kink":
        return np.abs(x - 0.3)
    return np.sqrt(np.abs(x)) if name == "root" else np.where(x > 0.3, 1.0, -1.0)


def interpolating_network(knots: Array, heights: Array) -> tuple[Array, Array, float]:
    """Return w, bias and output bias of one hidden ReLU layer that passes through these points.

    Hidden unit i is ReLU(x − knot i) and changes the slope at its knot: w_i is that change.
    """
    slopes = np.diff(heights) / np.diff(knots)
    return np.diff(slopes, prepend=0.0), -knots[:-1], float(heights[0])


def _network(name: str, units: int, x: Array) -> Array:
    knots = np.linspace(-1.0, 1.0, units + 1)
    w, b, b_out = interpolating_network(knots, _target(name, knots))
    return activations.relu(x[:, None] + b) @ w + b_out


@lru_cache(maxsize=8)
def _largest_errors(name: str) -> Array:
    """Return the largest error on [-1, 1] for each width from 1 to `UNITS`."""
    x = np.linspace(-1.0, 1.0, 2001)
    return np.array(
        [np.abs(_network(name, n, x) - _target(name, x)).max() for n in range(1, UNITS + 1)]
    )


@mpl.rc_context(STYLE)
def hat_network() -> LiveFigure:
    """One hidden layer, built by hand to pass through points of a function."""
    figure, (curve_axes, error_axes) = canvas(9.4, 4.0, (1.2, 1.0))
    (target,) = curve_axes.plot([], [], color=COLORS[0], linewidth=4, alpha=0.5, label="target")
    (network,) = curve_axes.plot([], [], color=COLORS[1], label="network")
    (knots,) = curve_axes.plot([], [], "o", color=COLORS[1], label="where units switch on")
    curve_axes.vlines([-1, 1], -4, 4, color="black", linewidth=1, linestyle="--")
    curve_axes.legend(loc="lower left")
    (errors,) = error_axes.plot([], [], color=COLORS[0], marker=".", markersize=3, linewidth=1)
    (now,) = error_axes.plot([], [], "X", color="black", markersize=9)
    error_axes.set(
        xlim=(0.9, 1.1 * UNITS),
        ylim=(2e-4, 4),
        xscale="log",
        yscale="log",
        xlabel="hidden units (log)",
        ylabel="largest error on [−1, 1] (log)",
    )

    def scene(reach: float) -> None:
        curve_axes.set(xlim=(-reach, reach), ylim=(-2.6, 2.2), xlabel="x", ylabel="f(x)")

    def draw(name: str, units: int, reach: float) -> str:
        x = np.linspace(-reach, reach, 1201)
        target.set_data(x, _target(name, x))
        errors.set_data(np.arange(1, UNITS + 1), np.maximum(_largest_errors(name), 3e-4))
        network.set_data(x, _network(name, units, x))
        at = np.linspace(-1.0, 1.0, units + 1)
        knots.set_data(at[:-1], _target(name, at[:-1]))
        error = _largest_errors(name)[units - 1]
        now.set_data([units], [max(error, 3e-4)])
        outside = np.abs(_network(name, units, x) - _target(name, x))[np.abs(x) > 1]
        far = f"; beyond it, in sight: {outside.max():.2g}" if outside.size else ""
        return f"{units} hidden units: largest error on [−1, 1] {error:.2g}{far}"

    return LiveFigure(
        "a network built by hand",
        figure=figure,
        moving=(target, network, knots, errors, now),
        controls={
            "units": slider("hidden units", 6, 1, UNITS, 1),
            "name": choice("target", "sine", TARGETS),
            "reach": slider("shown up to ±", 1.2, 1.0, 3.0, 0.1),
        },
        draw=draw,
        scene=scene,
    )
