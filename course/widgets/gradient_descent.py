"""Live figures of unit 02: the rate against the curvature, batches, noise, and line searches."""

from __future__ import annotations

import math
from functools import lru_cache

import matplotlib as mpl
import numpy as np

from course._arrays import Array
from course.data import diabetes
from course.optimizers import sgd
from course.surfaces import BARRIER, Descent, Surface, descend
from course.widgets._live import LiveFigure, canvas, choice, log_slider, slider
from course.widgets.contours import draw_surface
from course.widgets.style import COLORS, STYLE

__all__ = [
    "RIDGE",
    "STEEPEST",
    "batch_means",
    "batch_noise",
    "crowd",
    "gradients_of_two_weights",
    "line",
    "line_conditions",
    "noise_and_barrier",
    "quadratic",
    "rate_and_curvature",
    "variance_of_batches",
    "wolfe_conditions",
]

STEEPEST = 4.5
"""The largest curvature of `quadratic`: rates from 2/4.5 = 0.444... on diverge."""

STEPS = 100
VIEW = (-4.0, 4.0, -3.0, 3.0)


def quadratic(condition: float, turned_by: float = 0.0) -> Surface:
    """Return ½θᵀHθ with the curvatures `STEEPEST` / condition and `STEEPEST`, turned by degrees."""
    cos, sin = math.cos(math.radians(turned_by)), math.sin(math.radians(turned_by))
    axes = np.array([[cos, -sin], [sin, cos]])
    hessian = axes @ np.diag([STEEPEST / condition, STEEPEST]) @ axes.T
    a, b, c = hessian[0, 0], hessian[0, 1], hessian[1, 1]
    start = tuple((axes @ [-3.0, 1.2]).tolist())
    return Surface(
        "quadratic",
        "an easy bowl" if condition < 2 else f"a valley of condition number {condition:g}",
        value=lambda x, y: 0.5 * (a * x * x + 2 * b * x * y + c * y * y),
        gradient=lambda theta: hessian @ theta,
        start=(start[0], start[1]),
        minima=((0.0, 0.0),),
        view=VIEW,
    )


@mpl.rc_context(STYLE)
def rate_and_curvature() -> LiveFigure:
    """Gradient descent on a quadratic surface, and the factor a step in each direction."""
    figure, (map_axes, factor_axes) = canvas(9.4, 3.9, (1.15, 1.0))
    (path,) = map_axes.plot([], [], color=COLORS[1], marker="o", markersize=3.5, linewidth=1.2)
    (end,) = map_axes.plot([], [], color="black", marker="X", markersize=9, linestyle="")
    rates = np.geomspace(0.001, 1.0, 600)
    (flat,) = factor_axes.plot([], [], color=COLORS[0], linestyle="--", label="flat direction")
    (steep,) = factor_axes.plot([], [], color=COLORS[1], label="steep direction")
    (here,) = factor_axes.plot([], [], color="black", linewidth=1.2)
    (marks,) = factor_axes.plot([], [], color="black", marker="o", markersize=8, linestyle="")
    (limit,) = factor_axes.plot([], [], color="black", linestyle=":", linewidth=1.5)
    factor_axes.axhspan(1.0, 2.0, color="0.88", zorder=0)
    factor_axes.text(0.0013, 1.12, "grows: diverges", fontsize=10)
    factor_axes.text(0.0013, 0.08, "shrinks", fontsize=10)
    factor_axes.set(
        xlim=(0.001, 1.0),
        ylim=(0.0, 1.5),
        xscale="log",
        xlabel="rate γ (log)",
        ylabel="|1 − γλ|, factor a step",
        title="what a step does",
    )
    factor_axes.legend(loc="center left")

    def scene(condition: int, turned: int) -> None:
        draw_surface(map_axes, quadratic(condition, turned), points_a_side=80)

    def draw(condition: int, turned: int, lr: float, step: int) -> str:
        walk = _walk(condition, turned, lr)
        shown = walk.points[: step + 1]
        path.set_data(*shown.T)
        end.set_data(*shown[-1:].T)
        curvatures = np.array([STEEPEST / condition, STEEPEST])
        for curve, curvature in zip((flat, steep), curvatures, strict=True):
            curve.set_data(rates, np.abs(1 - rates * curvature))
        factors = 1 - lr * curvatures
        here.set_data([lr, lr], [0, 1.5])
        marks.set_data([lr, lr], np.abs(factors))
        limit.set_data([2 / STEEPEST] * 2, [0, 1.5])
        slow, fast = (_habit(factor) for factor in factors)
        end_said = (
            f"diverged after {len(walk.points) - 1} steps"
            if walk.diverged and step >= len(walk.points) - 1
            else f"{math.hypot(*shown[-1]):.2g} away after {len(shown) - 1} steps"
        )
        return (
            f"Flat direction: factor {factors[0]:.3f}, {slow}. Steep: {factors[1]:.3f}, {fast}. "
            f"{end_said}. Limit 2/λ = {2 / STEEPEST:.3f}."
        )

    return LiveFigure(
        "rate and curvature",
        figure=figure,
        moving=(path, end, flat, steep, here, marks, limit),
        controls={
            "lr": log_slider("rate γ", 0.1, 0.001, 1.0),
            "condition": slider("condition no. κ", 45, 1, 100, 1),
            "turned": slider("turned by, °", 0, 0, 45, 5),
            "step": slider("steps shown", STEPS, 0, STEPS, 1),
        },
        draw=draw,
        scene=scene,
        play="step",
    )


def _habit(factor: float) -> str:
    if abs(factor) > 1:
        return "diverging"
    if factor > 0.9:
        return "creeping"
    if factor < -0.5:
        return "oscillating"
    return "converging"


@lru_cache(maxsize=256)
def _walk(condition: int, turned: int, lr: float) -> Descent:
    surface = quadratic(condition, turned)
    return descend(sgd, surface, surface.start, STEPS, lr=lr)


# --- batches ---------------------------------------------------------------------------------

DRAWS = 400


@lru_cache(maxsize=1)
def gradients_of_two_weights() -> Array:
    """Return the gradient of each diabetes patient's loss at θ = 0, for two weights.

    The model predicts the illness from the body mass index and a blood value (column 8); the loss
    of a patient is half the squared error.
    """
    data = diabetes()
    return -data.y_train * data.x_train[:, [2, 8]]


def batch_means(
    grads: Array, batch_size: int, replacement: bool, draws: int, rng: np.random.Generator
) -> Array:
    """Draw many mini-batches and return their mean gradients, shape (draws, ...)."""
    n = len(grads)
    if replacement:
        chosen = rng.integers(0, n, (draws, batch_size))
    else:
        chosen = np.argsort(rng.random((draws, n)), axis=1)[:, :batch_size]
    return grads[chosen].mean(axis=1)


def variance_of_batches(grads: Array, batch_size: int | Array, replacement: bool) -> Array:
    """Return the variance of a mini-batch gradient, all entries added up, as theory has it."""
    n, variance = len(grads), grads.var(axis=0).sum()
    return variance / batch_size * (1 if replacement else (n - batch_size) / (n - 1))


@mpl.rc_context(STYLE)
def batch_noise() -> LiveFigure:
    """Mini-batch gradients of a real regression, around the gradient of all samples."""
    grads = gradients_of_two_weights()
    n = len(grads)
    figure, (cloud_axes, law_axes) = canvas(9.4, 4.1, (1.0, 1.05))
    cloud_axes.plot(*grads.T, color="0.75", marker="o", markersize=2.5, linestyle="")
    (means,) = cloud_axes.plot([], [], color=COLORS[1], marker="o", markersize=3, linestyle="")
    (true,) = cloud_axes.plot([], [], color="black", marker="*", markersize=14, linestyle="")
    cloud_axes.set(
        xlim=(-9, 2.6),
        ylim=(-6, 2.2),
        xlabel="gradient, weight 1",
        ylabel="gradient, weight 2",
        title=f"{DRAWS} mini-batches",
    )
    cloud_axes.legend(
        [cloud_axes.lines[0], means, true], ["a sample", "a mini-batch", "all"], loc="lower left"
    )
    sizes = np.arange(1, n + 1)
    law_axes.plot(sizes, variance_of_batches(grads, sizes, True), color=COLORS[0], linestyle="--")
    law_axes.plot(sizes[:-1], variance_of_batches(grads, sizes[:-1], False), color=COLORS[2])
    (seen,) = law_axes.plot([], [], color=COLORS[1], marker="D", markersize=9, linestyle="")
    law_axes.set(
        xscale="log",
        yscale="log",
        xlim=(0.8, 500),
        ylim=(1e-4, 10),
        xlabel="batch size B (log)",
        ylabel="variance of the gradient (log)",
        title="theory, and what was drawn",
    )
    law_axes.legend(
        [*law_axes.lines[:2], seen],
        ["with replacement: σ²/B", "without: (N − B)/(N − 1) · σ²/B", "measured"],
        loc="lower left",
    )

    def draw(batch_size: int, how: str, seed: int) -> str:
        drawn = _drawn(batch_size, how == "with", seed)
        means.set_data(*drawn.T)
        true.set_data(*grads.mean(axis=0)[:, None])
        measured = float(drawn.var(axis=0).sum())
        expected = float(variance_of_batches(grads, batch_size, how == "with"))
        seen.set_data([batch_size], [max(measured, 1e-300)])
        return (
            f"B = {batch_size} of N = {n}: measured variance {measured:.4f}, theory {expected:.4f}."
        )

    return LiveFigure(
        "noise of mini-batches",
        figure=figure,
        moving=(means, true, seen),
        controls={
            "batch_size": slider("batch size B", 8, 1, n, 1),
            "how": choice("draws", "with", {"with": "with replacement", "without": "without"}),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


@lru_cache(maxsize=256)
def _drawn(batch_size: int, replacement: bool, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return batch_means(gradients_of_two_weights(), batch_size, replacement, DRAWS, rng)


# --- noise and a poor minimum ----------------------------------------------------------------

WALKS, WALK_STEPS, RIDGE = 200, 300, 1.602
"""RIDGE is the x of the top of the ridge of `BARRIER`; the poor minimum behind it is at 1.971."""


@lru_cache(maxsize=64)
def crowd(noise: float, lr: float, seed: int = 0) -> Array:
    """Let many walks with noisy gradients start behind the ridge of `BARRIER`.

    Returns:
        The points of all walks, shape (steps + 1, 2, walks).
    """
    rng = np.random.default_rng(seed)
    points = np.empty((WALK_STEPS + 1, 2, WALKS))
    points[0] = np.array(BARRIER.start)[:, None]
    draws = noise * rng.standard_normal((WALK_STEPS, 2, WALKS))
    for step, draw in enumerate(draws):
        points[step + 1] = points[step] - lr * (BARRIER.gradient(points[step]) + draw)
    return points


@mpl.rc_context(STYLE)
def noise_and_barrier() -> LiveFigure:
    """Walks with noisy gradients that start before a poor minimum: how many leave it?"""
    figure, (map_axes, share_axes) = canvas(9.4, 3.9, (1.15, 1.0))
    (path,) = map_axes.plot([], [], color=COLORS[1], linewidth=1)
    (ends,) = map_axes.plot([], [], color=COLORS[0], marker="o", markersize=3, linestyle="")
    (share,) = share_axes.plot([], [], color=COLORS[0])
    share_axes.set(
        xlim=(-0.02 * WALK_STEPS, 1.02 * WALK_STEPS),
        ylim=(-0.03, 1.05),
        xlabel="step t",
        ylabel="share past the ridge",
        title=f"{WALKS} walks: who left the poor minimum",
    )

    def scene() -> None:
        draw_surface(map_axes, BARRIER)

    def draw(noise: float, lr: float, seed: int) -> str:
        points = crowd(noise, lr, seed)
        path.set_data(*points[:, :, 0].T)
        ends.set_data(*points[-1])
        past = (points[:, 0] < RIDGE).mean(axis=1)
        share.set_data(np.arange(WALK_STEPS + 1), past)
        height = BARRIER.value(*points[-1]).mean()
        return (
            f"After {WALK_STEPS} steps {past[-1]:.0%} of the walks are past the ridge. Mean loss "
            f"of all: {height:.2f} (the poor minimum has 1.04, the good one 0)."
        )

    return LiveFigure(
        "noise and a poor minimum",
        figure=figure,
        moving=(path, ends, share),
        controls={
            "noise": slider("noise σ", 1.5, 0.0, 10.0, 0.1),
            "lr": log_slider("rate γ", 0.1, 0.01, 0.2),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
        scene=scene,
    )


# --- the Wolfe conditions --------------------------------------------------------------------

LONGEST = 8.0


def line(step: Array) -> tuple[Array, Array]:
    """Return φ(γ) = 0.14(γ - 3.6)² + 0.45 cos(1.9γ + 1.2), and its slope."""
    angle = 1.9 * step + 1.2
    value = 0.14 * (step - 3.6) ** 2 + 0.45 * np.cos(angle)
    return value, 0.28 * (step - 3.6) - 0.855 * np.sin(angle)


def line_conditions(step: Array, c1: float, c2: float) -> tuple[Array, Array, Array]:
    """Return where sufficient decrease, curvature and the strong curvature condition hold."""
    (value, slope), (value0, slope0) = line(step), line(np.array(0.0))
    return (
        value <= value0 + c1 * step * slope0,
        slope >= c2 * slope0,
        np.abs(slope) <= c2 * np.abs(slope0),
    )


@mpl.rc_context(STYLE)
def wolfe_conditions() -> LiveFigure:
    """The Wolfe conditions along a line: which steps each of them allows."""
    figure, (value_axes, slope_axes) = canvas(9.4, 4.2, (1.0, 1.0))
    steps = np.linspace(0.0, LONGEST, 801)
    values, slopes = line(steps)
    value_axes.plot(steps, values, color="black", linewidth=2)
    (bar,) = value_axes.plot([], [], color=COLORS[1], linestyle="--")
    (here,) = value_axes.plot([], [], color="black", marker="o", markersize=9, linestyle="")
    heights = (-0.9, -1.2, -1.5)
    names = ("sufficient decrease", "curvature", "strong curvature")
    bands = [
        value_axes.plot([], [], color=COLORS[index], linewidth=8 - 2 * index, label=name)[0]
        for name, index in zip(names, (1, 0, 2), strict=True)
    ]
    value_axes.set(
        xlim=(-0.1, LONGEST),
        ylim=(-1.8, 4.4),
        xlabel="step γ",
        ylabel="φ(γ) = f(x + γp)",
        title="height, and which steps are allowed",
    )
    value_axes.legend(
        [value_axes.lines[0], bar, *bands],
        ["φ(γ)", "φ(0) + c₁ γ φ′(0)", *names],
        loc="upper right",
        ncols=2,
        columnspacing=1.0,
    )
    slope_axes.plot(steps, slopes, color="black", linewidth=2)
    (lower,) = slope_axes.plot([], [], color=COLORS[0], linestyle="--")
    (upper,) = slope_axes.plot([], [], color=COLORS[2], linestyle=":", linewidth=2.5)
    (slope_here,) = slope_axes.plot([], [], color="black", marker="o", markersize=9, linestyle="")
    slope_axes.set(
        xlim=(-0.1, LONGEST),
        ylim=(-2.2, 3.4),
        xlabel="step γ",
        ylabel="slope φ′(γ)",
        title="slope",
    )
    slope_axes.legend(
        [slope_axes.lines[0], lower, upper],
        ["φ′(γ)", "c₂ φ′(0)", "−c₂ φ′(0), strong condition"],
        loc="upper left",
    )

    def draw(step: float, c1: float, c2: float) -> str:
        met = line_conditions(steps, c1, c2)
        for band, holds, height in zip(bands, met, heights, strict=True):
            band.set_data(steps, np.where(holds, height, np.nan))
        value0, slope0 = (float(number) for number in line(np.array(0.0)))
        bar.set_data([0, LONGEST], [value0, value0 + c1 * LONGEST * slope0])
        lower.set_data([0, LONGEST], [c2 * slope0] * 2)
        upper.set_data([0, LONGEST], [-c2 * slope0] * 2)
        value, slope = (float(number) for number in line(np.array(step)))
        here.set_data([step], [value])
        slope_here.set_data([step], [slope])
        told = [bool(holds) for holds in line_conditions(np.array(step), c1, c2)]
        said = ", ".join(
            f"{name}: {'yes' if holds else 'no'}" for name, holds in zip(names, told, strict=True)
        )
        return f"γ = {step:.2f}: φ = {value:.3f}, slope {slope:.3f}. {said.capitalize()}."

    return LiveFigure(
        "the Wolfe conditions",
        figure=figure,
        moving=(bar, here, *bands, lower, upper, slope_here),
        controls={
            "step": slider("step γ", 1.0, 0.05, LONGEST, 0.05),
            "c1": log_slider("c₁", 1e-4, 1e-4, 0.5),
            "c2": slider("c₂", 0.9, 0.5, 0.99, 0.01),
        },
        draw=draw,
    )
