"""Live figures of unit 05: powers of a Jacobian, oscillation, deep networks, two ways to clip."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from course import activations, initializers
from course._arrays import Array
from course.clipping import clip_by_norm, clip_by_value
from course.data import digits
from course.diagnostics import spectral_radius
from course.layers import Activation, Linear, Sequential
from course.losses import cross_entropy_grad
from course.widgets._live import LiveFigure, canvas, choice, slider
from course.widgets.style import COLORS, STYLE

__all__ = [
    "INITIALIZERS",
    "KINDS",
    "Signals",
    "clipping_explorer",
    "deep_network",
    "depth_explorer",
    "jacobian",
    "measure",
    "oscillation_explorer",
    "power_explorer",
    "power_norms",
    "turning_matrix",
]

_UNITS, _LAYERS = 12, 80
_ABOVE: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3}

# --- powers of a Jacobian --------------------------------------------------------------------

KINDS = {
    "symmetric": "symmetric (normal)",
    "orthogonal": "a rotation (normal)",
    "gaussian": "independent entries",
    "triangular": "a chain: triangular",
}


def jacobian(kind: str, draw: int = 0, units: int = _UNITS) -> Array:
    """Return a random square matrix of one of the `KINDS` whose spectral radius is 1."""
    rng = np.random.default_rng([draw, *kind.encode()])
    entries = rng.normal(size=(units, units))
    if kind == "symmetric":
        matrix = entries + entries.T
    elif kind == "orthogonal":
        matrix = np.linalg.qr(entries)[0]
    elif kind == "triangular":
        matrix = np.diag(rng.uniform(0.4, 1.0, units)) + 0.5 * np.triu(entries, 1)
    else:
        matrix = entries
    return matrix / spectral_radius(matrix)


def power_norms(J: Array, layers: int) -> Array:
    """Return the spectral norms of J to the powers 0 to ``layers``."""
    power, norms = np.eye(len(J)), []
    for _ in range(layers + 1):
        norms.append(np.linalg.norm(power, 2))
        power = power @ J
    return np.array(norms)


@lru_cache(maxsize=64)
def _spectrum(kind: str, draw: int) -> tuple[Array, Array]:
    """Return the eigenvalues and the norms of the powers of a matrix of radius 1."""
    matrix = jacobian(kind, draw)
    return np.linalg.eigvals(matrix).astype(complex), power_norms(matrix, _LAYERS)


@mpl.rc_context(STYLE)
def power_explorer() -> LiveFigure:
    """Eigenvalues in the complex plane beside the norms of the powers and the radius's promise."""
    figure, (plane, growth) = canvas(9.4, 4.4, (1.0, 1.25))
    around = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    plane.plot(around.real, around.imag, color="black", linestyle=":", label="|λ| = 1")
    (reach,) = plane.plot([], [], color=COLORS[1], linestyle="--", label="|λ| = ρ")
    (points,) = plane.plot([], [], "o", color=COLORS[0], markersize=7, label="eigenvalues")
    plane.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
    plane.set(xlabel="real part", ylabel="imaginary part")
    plane.legend(columnspacing=1.0, **_ABOVE)
    layers = np.arange(_LAYERS + 1)
    (norms,) = growth.plot([], [], color=COLORS[0], marker="o", markevery=5, label="‖Jᵏ‖")
    (rates,) = growth.plot([], [], color=COLORS[1], linestyle="--", label="ρᵏ")
    (bound,) = growth.plot([], [], color="black", linestyle=":", linewidth=1.5, label="‖J‖ᵏ")
    growth.set(xlim=(0, _LAYERS), ylim=(1e-9, 1e12), yscale="log")
    growth.set(xlabel="layers k", ylabel="size (log)")
    growth.legend(**_ABOVE)

    def draw(kind: str, radius: float, draw_number: int) -> str:
        values, sizes = _spectrum(kind, draw_number)
        seen = sizes * radius**layers
        points.set_data(radius * values.real, radius * values.imag)
        reach.set_data(radius * around.real, radius * around.imag)
        norms.set_data(layers, seen)
        rates.set_data(layers, radius**layers)
        bound.set_data(layers, (radius * sizes[1]) ** layers)
        top = int(np.argmax(seen[:_LAYERS]))
        peak = f"The norm is largest at k = {top}: {seen[top]:.3g}."
        return (
            f"ρ = {radius:.2f}, ‖J‖ = {seen[1]:.2f}. {peak} "
            f"At k = {_LAYERS}: {seen[-1]:.2g}, and ρᵏ = {radius**_LAYERS:.2g}."
        )

    return LiveFigure(
        "powers of a Jacobian",
        figure=figure,
        moving=(reach, points, norms, rates, bound),
        controls={
            "kind": choice("J is", "gaussian", KINDS),
            "radius": slider("radius ρ", 0.9, 0.7, 1.3, 0.01),
            "draw_number": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


# --- oscillation -----------------------------------------------------------------------------


def turning_matrix(radius: float, angle: float, shear: float) -> Array:
    """Return a 2x2 matrix with the eigenvalues ρ exp(±iω); it is normal for a shear of 1."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return radius * np.array([[cosine, -shear * sine], [sine / shear, cosine]])


_SWINGS = 40


@mpl.rc_context(STYLE)
def oscillation_explorer() -> LiveFigure:
    """A gradient that a complex pair of eigenvalues turns on its way down."""
    figure, (plane, time) = canvas(9.4, 4.2, (1.0, 1.45))
    (path,) = plane.plot([], [], color=COLORS[0], marker="o", markersize=4, linewidth=1)
    (start,) = plane.plot([], [], color="black", marker="*", markersize=14, linestyle="none")
    plane.set(xlim=(-4.2, 4.2), ylim=(-4.2, 4.2), aspect="equal")
    plane.set(xlabel="first entry of g", ylabel="second entry of g")
    plane.legend([start, path], ["at the output", "layer by layer"], **_ABOVE)
    layers = np.arange(_SWINGS + 1)
    (entry,) = time.plot([], [], color=COLORS[0], marker="o")
    (length,) = time.plot([], [], color=COLORS[2], linestyle="-.")
    (above,) = time.plot([], [], color=COLORS[1], linestyle="--")
    (below,) = time.plot([], [], color=COLORS[1], linestyle="--", linewidth=1.9)
    time.set(xlim=(0, _SWINGS), ylim=(-4.2, 4.2))
    time.set(xlabel="layers below the output, k", ylabel="size")
    time.legend([entry, length, above], ["first entry", "length ‖g‖", "±ρᵏ"], **_ABOVE)
    time.axhline(0, color="black", linewidth=0.8)

    def draw(radius: float, degrees: int, shear: float) -> str:
        matrix = turning_matrix(radius, np.deg2rad(degrees), shear)
        gradients = [np.array([1.0, 0.0])]
        for _ in range(_SWINGS):
            gradients.append(matrix.T @ gradients[-1])
        x, y = np.array(gradients).T
        path.set_data(x, y)
        start.set_data(x[:1], y[:1])
        entry.set_data(layers, x)
        length.set_data(layers, np.hypot(x, y))
        above.set_data(layers, radius**layers)
        below.set_data(layers, -(radius**layers))
        turn = f"a full turn in {360 / degrees:.1f} layers" if degrees else "no turn"
        top = np.linalg.norm(matrix, 2)
        return (
            f"λ = {radius:.2f}·exp(±i·{degrees}°): {turn}. ‖J‖ = {top:.2f}; the gradient's "
            f"largest length is {np.hypot(x, y).max():.3g}, its last {np.hypot(x, y)[-1]:.2g}."
        )

    return LiveFigure(
        "oscillation",
        figure=figure,
        moving=(path, start, entry, length, above, below),
        controls={
            "radius": slider("radius ρ", 0.95, 0.8, 1.03, 0.01),
            "degrees": slider("angle ω, °", 30, 0, 180, 1),
            "shear": slider("shear", 1.0, 1.0, 3.0, 0.1),
        },
        draw=draw,
    )


# --- a deep network --------------------------------------------------------------------------

INITIALIZERS: dict[str, Any] = {
    "normal": initializers.normal,
    "xavier": initializers.xavier_normal,
    "he": initializers.he_normal,
}


def deep_network(
    activation: str,
    initializer: str,
    gain: float,
    depth: int,
    width: int,
    rng: np.random.Generator,
) -> Sequential:
    """Return a network of equal hidden layers for the digits, with a linear output layer.

    Args:
        activation: the name of one of `course.activations`.
        initializer: one of `INITIALIZERS`: "normal" is N(0, 1).
        gain: what the first weights of the hidden layers are multiplied by.
        depth: how many hidden layers.
        width: their units.
        rng: the source of the weights.
    """
    drawn = INITIALIZERS[initializer]
    scaled: Any = partial(_scaled, drawn, gain)
    layers: list[Any] = []
    for fan_in in [64] + [width] * (depth - 1):
        layers.append(Linear(fan_in, width, rng, initializer=scaled))
        layers.append(Activation(getattr(activations, activation)))
    return Sequential(*layers, Linear(width, 10, rng, initializer=drawn))


def _scaled(drawn: Any, gain: float, shape: Any, rng: np.random.Generator, like: Any) -> Array:
    return gain * drawn(shape, rng, like=like)


class Signals(NamedTuple):
    """What a network's layers see, from the first to the last; hidden layers but for gradients.

    Attributes:
        gradients: the norm of ∂L/∂W, of the output layer too.
        slopes: the mean of φ′(z) over samples and units.
        variances: the variance of z.
    """

    gradients: Array
    slopes: Array
    variances: Array


def measure(network: Sequential, x: Array, labels: Array) -> Signals:
    """Send a batch through a network and back, and measure every layer."""
    slopes, variances = [], []
    for layer in network.layers:
        if isinstance(layer, Activation):
            derivative = getattr(activations, f"{layer.function.__name__}_grad")
            slopes.append(float(np.mean(derivative(x))))
            variances.append(float(np.var(x)))
        x = layer.forward(x)
    network.backward(cross_entropy_grad(x, labels))
    weights = [layer.grads[0] for layer in network.layers if layer.params]
    norms = np.array([np.linalg.norm(grad) for grad in weights])
    return Signals(norms, np.array(slopes), np.array(variances))


_DEEPEST, _SAMPLES = 20, 100
_ACTIVATIONS = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU", "identity": "none (linear)"}
_STARTS = {"normal": "N(0, 1)", "xavier": "Xavier", "he": "He"}


@mpl.rc_context(STYLE)
def depth_explorer() -> LiveFigure:
    """Gradients and slopes of every layer of a network that has just been made."""
    figure, (norm_axes, slope_axes) = canvas(9.4, 4.0, (1.2, 1.0))
    (norms,) = norm_axes.plot([], [], color=COLORS[0], marker="o")
    norm_axes.axhline(1, color="black", linestyle=":", linewidth=1.5)
    norm_axes.set(xlim=(0, _DEEPEST + 2), ylim=(1e-14, 1e14), yscale="log")
    norm_axes.set(xlabel="layer", ylabel="norm of ∂L/∂W (log)", title="gradients")
    (slopes,) = slope_axes.plot([], [], color=COLORS[1], marker="s", linestyle="--")
    slope_axes.set(xlim=(0, _DEEPEST + 2), ylim=(-0.03, 1.08))
    slope_axes.set(xlabel="layer", ylabel="mean of φ′(z)", title="slopes")
    for axes in (norm_axes, slope_axes):
        axes.set_xticks(range(0, _DEEPEST + 1, 5))

    def draw(activation: str, start: str, gain: float, depth: int) -> str:
        seen = _seen(activation, start, gain, depth)
        layers = np.arange(1, depth + 2)
        norms.set_data(layers, np.clip(seen.gradients, 1e-300, 1e300))
        slopes.set_data(layers[:-1], seen.slopes)
        factor = (seen.gradients[0] / seen.gradients[-1]) ** (1 / depth)
        return (
            f"First layer / last layer: {seen.gradients[0] / seen.gradients[-1]:.2g}, a factor of "
            f"{factor:.2f} for each layer. Variance of z in the first hidden layer "
            f"{seen.variances[0]:.3g}, in the last {seen.variances[-1]:.3g}."
        )

    return LiveFigure(
        "a deep network",
        figure=figure,
        moving=(norms, slopes),
        controls={
            "activation": choice("activation φ", "sigmoid", _ACTIVATIONS),
            "start": choice("first weights", "xavier", _STARTS),
            "gain": slider("times", 1.0, 0.5, 2.0, 0.05),
            "depth": slider("hidden layers", 10, 1, _DEEPEST, 1),
        },
        draw=draw,
    )


@lru_cache(maxsize=256)
def _seen(activation: str, start: str, gain: float, depth: int) -> Signals:
    data = digits()
    network = deep_network(activation, start, gain, depth, 32, np.random.default_rng(0))
    return measure(network, data.x_train[:_SAMPLES], data.y_train[:_SAMPLES])


# --- clipping --------------------------------------------------------------------------------


@mpl.rc_context(STYLE)
def clipping_explorer() -> LiveFigure:
    """One gradient of two entries, clipped by norm and by value, and by how much each turns it."""
    figure, (plane, turns) = canvas(9.4, 4.6, (1.0, 1.0))
    (circle,) = plane.plot([], [], color=COLORS[2], linestyle="--", linewidth=1.5)
    (square,) = plane.plot([], [], color=COLORS[1], linestyle=":", linewidth=2)
    (given,) = plane.plot([], [], color="black", marker="o", markevery=[1], linewidth=1.5)
    (by_norm,) = plane.plot([], [], color=COLORS[2], marker="^", markevery=[1], markersize=10)
    (by_value,) = plane.plot([], [], color=COLORS[1], marker="s", markevery=[1], markersize=8)
    plane.set(xlim=(-0.4, 4.4), ylim=(-0.4, 5.6), aspect="equal")
    plane.set(xlabel="first entry of g", ylabel="second entry of g")
    names = ["g", "by norm: same direction", "by value: turned"]
    plane.legend([given, by_norm, by_value], names, loc="upper right")
    degrees = np.arange(91)
    (curve,) = turns.plot([], [], color=COLORS[1])
    (level,) = turns.plot([0, 90], [0, 0], color=COLORS[2], linestyle="--")
    (here,) = turns.plot([], [], color=COLORS[1], marker="s", markersize=9, linestyle="none")
    turns.set(xlim=(-2, 92), ylim=(-48, 62))
    turns.set_xticks(range(0, 91, 15))
    turns.set(xlabel="direction of g, degrees", ylabel="turned by, degrees")
    turns.legend([curve, level], ["by value", "by norm"], loc="upper right")
    around = np.linspace(0, np.pi / 2, 60)

    def draw(angle: int, length: float, limit: float) -> str:
        grad = length * _unit(angle)
        shortened = clip_by_norm(grad, max_norm=limit)
        cut = clip_by_value(grad, clip_value=limit)
        circle.set_data(limit * np.cos(around), limit * np.sin(around))
        square.set_data([limit, limit, 0], [0, limit, limit])
        for line, end in ((given, grad), (by_norm, shortened), (by_value, cut)):
            line.set_data([0, end[0]], [0, end[1]])
        all_cut = clip_by_value(length * _unit(degrees), clip_value=limit)
        curve.set_data(degrees, _direction(all_cut) - degrees)
        turn = float(_direction(cut)) - angle
        here.set_data([angle], [turn])
        return (
            f"g = ({grad[0]:.2f}, {grad[1]:.2f}). By norm: ({shortened[0]:.2f}, "
            f"{shortened[1]:.2f}), length {np.hypot(*shortened):.2f}, turned by 0°. By value: "
            f"({cut[0]:.2f}, {cut[1]:.2f}), length {np.hypot(*cut):.2f}, turned by "
            f"{abs(turn):.0f}°."
        )

    return LiveFigure(
        "two ways to clip",
        figure=figure,
        moving=(circle, square, given, by_norm, by_value, curve, level, here),
        controls={
            "angle": slider("direction of g", 75, 0, 90, 1),
            "length": slider("length of g", 3.5, 0.5, 4.0, 0.1),
            "limit": slider("limit c", 1.0, 0.2, 3.0, 0.1),
        },
        draw=draw,
    )


def _unit(degrees: Array) -> Array:
    return np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])


def _direction(vector: Array) -> Array:
    return np.rad2deg(np.arctan2(vector[1], vector[0]))
