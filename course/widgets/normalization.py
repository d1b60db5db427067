"""Live figures of unit 08: outliers, one sample in many batches, the backward pass, who shares."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
from sklearn import datasets

from course._arrays import Array
from course.normalizers import batch_norm, batch_norm_backward, standardize
from course.widgets._live import LiveFigure, canvas, choice, log_slider, slider
from course.widgets.style import COLORS, STYLE

__all__ = [
    "NORMS",
    "PATTERNS",
    "SCALINGS",
    "backward_explorer",
    "batch_explorer",
    "gradient_pattern",
    "in_many_batches",
    "outlier_explorer",
    "running_explorer",
    "scaled",
    "shares_explorer",
    "shares_with",
    "tumour_areas",
]

# --- outliers --------------------------------------------------------------------------------

SCALINGS = {
    "standard": "mean and standard deviation",
    "robust": "median and quartiles",
    "log": "logarithm, then standardized",
}
_FACTORS = np.geomspace(1.0, 1000.0, 61)
_CELLS = np.linspace(-3.0, 4.0, 57)


@lru_cache(maxsize=1)
def tumour_areas() -> Array:
    """Return the mean area of the nuclei of 569 tumours, in the units of the data set."""
    x, _ = datasets.load_breast_cancer(return_X_y=True)
    areas: Array = x[:, 3]
    return areas


def scaled(x: Array, scaling: str) -> Array:
    """Return one feature scaled; 0.741 turns the distance of a normal's quartiles into its σ."""
    if scaling == "robust":
        low, middle, high = np.percentile(x, (25, 50, 75))
        robust: Array = (x - middle) / (0.741 * (high - low))
        return robust
    return standardize(np.log(x) if scaling == "log" else x)[0]


def _with_slip(factor: float) -> Array:
    """Return the areas, the first of which was typed in this many times too large."""
    areas = tumour_areas().copy()
    areas[0] *= factor
    return areas


@mpl.rc_context(STYLE)
def outlier_explorer() -> LiveFigure:
    """One value typed in wrong, and what the scaling makes of all the others."""
    figure, (bulk_axes, spread_axes) = canvas(9.4, 3.9, (1.2, 1.0))
    (before,) = bulk_axes.plot([], [], color="#777777", linestyle="--", linewidth=1.5)
    (bulk,) = bulk_axes.plot([], [], color=COLORS[0], drawstyle="steps-mid")
    bulk_axes.set(xlim=(-3, 4), ylim=(0, 1.1), xlabel="scaled area z")
    bulk_axes.set_ylabel("tumours (highest = 1)")
    bulk_axes.legend([bulk, before], ["with the slip", "without it"], loc="upper right")
    spreads = {}
    for index, (scaling, name) in enumerate(SCALINGS.items()):
        spreads[scaling] = [np.std(scaled(_with_slip(f), scaling)[1:]) for f in _FACTORS]
        style = {"color": COLORS[index], "linestyle": ("-", "--", "-.")[index]}
        spread_axes.plot(_FACTORS, spreads[scaling], label=name, **style)
    (mark,) = spread_axes.plot([], [], "o", color="black", markersize=9)
    spread_axes.set(xscale="log", yscale="log", xlim=(1, 1000), ylim=(0.01, 3))
    spread_axes.set(xlabel="slip: one value × this (log)", ylabel="spread of the others (log)")
    spread_axes.legend(loc="lower left")

    def draw(factor: float, scaling: str) -> str:
        z, clean = scaled(_with_slip(factor), scaling), scaled(tumour_areas(), scaling)
        for line, values in ((bulk, z), (before, clean)):
            counts, _ = np.histogram(values[1:], _CELLS)
            line.set_data((_CELLS[1:] + _CELLS[:-1]) / 2, counts / counts.max())
        spread = float(np.std(z[1:]))
        mark.set_data([factor], [spread])
        return (
            f"The slip lies at z = {z[0]:.1f}. The other 568 have mean {z[1:].mean():+.2f} and "
            f"standard deviation {spread:.3f}; without the slip {clean[1:].std():.3f}."
        )

    return LiveFigure(
        "outliers",
        figure=figure,
        moving=(before, bulk, mark),
        controls={
            "factor": log_slider("slip ×", 100.0, 1.0, 1000.0),
            "scaling": choice("scaling", "standard", SCALINGS),
        },
        draw=draw,
    )


# --- one sample in many batches --------------------------------------------------------------

_DRAWS, _SHOWN = 1500, 40


@lru_cache(maxsize=16)
def _companions(samples: int) -> tuple[Array, Array, Array]:
    """Return the others of many batches of a standard normal, their sums and sums of squares."""
    others = np.random.default_rng(8).standard_normal((_DRAWS, samples - 1))
    return others[:60], others.sum(axis=1), (others**2).sum(axis=1)


def in_many_batches(value: float, samples: int, eps: float = 1e-5) -> Array:
    """Return x̂ of one value in many batches of this size; the others are standard normal."""
    _, sums, squares = _companions(samples)
    mean = (sums + value) / samples
    variance = np.maximum((squares + value**2) / samples - mean**2, 0.0)
    normalized: Array = (value - mean) / np.sqrt(variance + eps)
    return normalized


@mpl.rc_context(STYLE)
def batch_explorer() -> LiveFigure:
    """The same sample in other company: what batch norm makes of it in training."""
    figure, (batch_axes, many_axes) = canvas(9.4, 3.9, (1.1, 1.0))
    (others,) = batch_axes.plot([], [], "o", color=COLORS[5], markersize=6)
    (own,) = batch_axes.plot([], [], "*", color=COLORS[1], markersize=17)
    (links,) = batch_axes.plot([], [], color="#999999", linewidth=0.7)
    (way,) = batch_axes.plot([], [], color=COLORS[1], linewidth=2)
    batch_axes.set(xlim=(-4, 4), ylim=(-0.35, 1.35), xlabel="value", ylabel="before and after")
    batch_axes.set_yticks([1.0, 0.0], ["x", "x̂"])
    batch_axes.set_title("one batch")
    cells = np.linspace(-4.0, 4.0, 81)
    (counted,) = many_axes.plot([], [], color=COLORS[0], drawstyle="steps-mid")
    (inference,) = many_axes.plot([], [], color=COLORS[1], linestyle="--")
    many_axes.set(xlim=(-4, 4), ylim=(0, 1.05), xlabel="x̂ of the starred sample")
    many_axes.set(ylabel="share of the batches (highest = 1)")
    many_axes.set_title(f"{_DRAWS} batches")
    many_axes.legend([counted, inference], ["in training", "at inference"], loc="upper left")

    def draw(power: int, value: float, draw_no: int) -> str:
        samples = 2**power
        x = np.append(_companions(samples)[0][draw_no], value)
        x_hat = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        shown = min(samples - 1, _SHOWN)
        high, low = x[:shown], x_hat[:shown]
        others.set_data(np.append(high, low), np.repeat([1.0, 0.0], shown))
        own.set_data([value, x_hat[-1]], [1.0, 0.0])
        way.set_data([value, x_hat[-1]], [1.0, 0.0])
        ways = np.stack([high, low, np.full(shown, np.nan)], axis=1).ravel()
        links.set_data(ways, np.tile([1.0, 0.0, np.nan], shown))
        seen = in_many_batches(value, samples)
        counts, _ = np.histogram(np.clip(seen, -3.99, 3.99), cells)
        counted.set_data((cells[1:] + cells[:-1]) / 2, counts / counts.max())
        inference.set_data([value, value], [0.0, 1.0])
        return (
            f"Batch of {samples}: x = {value:.1f} becomes {x_hat[-1]:.2f} in this one; over all "
            f"batches {seen.mean():.2f} ± {seen.std():.2f}. At inference it is {value:.1f}."
        )

    return LiveFigure(
        "one sample in many batches",
        figure=figure,
        moving=(links, others, way, own, counted, inference),
        controls={
            "power": slider("batch 2 to the", 3, 1, 8, 1),
            "value": slider("the sample x", 1.0, -3.0, 3.0, 0.1),
            "draw_no": slider("batch no.", 0, 0, 59, 1),
        },
        draw=draw,
    )


# --- the backward pass -----------------------------------------------------------------------

PATTERNS = {
    "one": "one sample only",
    "same": "the same for all",
    "along": "along x̂",
    "random": "random",
}


def gradient_pattern(pattern: str, x_hat: Array) -> Array:
    """Return a gradient of the outputs of a batch that has this pattern."""
    if pattern == "one":
        gradient = np.zeros_like(x_hat)
        gradient[len(x_hat) // 2] = 1.0
        return gradient
    if pattern == "same":
        return np.ones_like(x_hat)
    if pattern == "along":
        return x_hat.copy()
    drawn: Array = np.random.default_rng(len(x_hat)).uniform(-1.8, 1.8, x_hat.shape)
    return drawn


@mpl.rc_context(STYLE)
def backward_explorer() -> LiveFigure:
    """What is left of a gradient after the paths through the mean and the variance."""
    figure, axes = canvas(9.8, 3.9, (1.0, 1.0, 1.0))
    bars, dots = [], []
    titles = ("g, as it comes", "minus its mean", "and minus its part along x̂")
    for index, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        (bar,) = axis.plot([], [], color=COLORS[index], linewidth=3)
        (dot,) = axis.plot([], [], "os^"[index], color=COLORS[index], markersize=8)
        axis.axhline(0, color="black", linewidth=1)
        axis.set(xlim=(-2.2, 4.2), ylim=(-2.2, 4.2), xlabel="x̂ of the sample", title=title)
        bars.append(bar)
        dots.append(dot)
    for axis, label in zip(axes, ("gradient", "what is left", "what is left"), strict=True):
        axis.set_ylabel(label)

    def draw(pattern: str, samples: int, last: float, eps: float) -> str:
        x = np.append(np.linspace(-1.0, 1.0, samples - 1), last)[:, None]
        one = np.ones(1)
        _, _, cache = batch_norm(x, one, 0 * one, training=True, eps=eps)
        x_hat = cache["x_hat"]
        gradient = gradient_pattern(pattern, x_hat)
        dx, _, _ = batch_norm_backward(gradient, cache)
        left = (gradient, gradient - gradient.mean(), dx * cache["std"])
        gap = np.full(samples, np.nan)
        for bar, dot, values in zip(bars, dots, left, strict=True):
            bar.set_data(
                np.stack([x_hat[:, 0], x_hat[:, 0], gap], axis=1).ravel(),
                np.stack([np.zeros(samples), values[:, 0], gap], axis=1).ravel(),
            )
            dot.set_data(x_hat[:, 0], values[:, 0])
        share = float((left[2] ** 2).sum() / (gradient**2).sum())
        return (
            f"Left of |g|²: {100 * share:.3g} %. Sum over the batch: {left[0].sum():.2f}, then "
            f"{abs(left[2].sum()):.2f}; along x̂: {(left[0] * x_hat).sum():.2f}, then "
            f"{(left[2] * x_hat).sum():.2f}. ∂L/∂x is that over √(σ² + ε) = "
            f"{cache['std'].item():.2f}."
        )

    return LiveFigure(
        "the backward pass of batch norm",
        figure=figure,
        moving=(*bars, *dots),
        controls={
            "pattern": choice("gradient g", "one", PATTERNS),
            "samples": slider("samples N", 6, 2, 16, 1),
            "last": slider("last sample x", 1.5, -0.5, 6.0, 0.1),
            "eps": log_slider("ε", 1e-3, 1e-3, 3.0),
        },
        draw=draw,
    )


# --- running moments -------------------------------------------------------------------------

_STEPS = 300


@mpl.rc_context(STYLE)
def running_explorer() -> LiveFigure:
    """Running moments that follow a layer whose outputs drift while it learns."""
    figure, (mean_axes, var_axes) = canvas(9.4, 3.9, (1.0, 1.0))
    lines = []
    for axes in (mean_axes, var_axes):
        (batch,) = axes.plot([], [], ".", color="#999999", markersize=3)
        (true,) = axes.plot([], [], color="black", linestyle="--", linewidth=1.5)
        (running,) = axes.plot([], [], color=COLORS[1], linewidth=2.5)
        lines.append((batch, true, running))
        axes.set(xlim=(0, _STEPS), xlabel="training step")
    mean_axes.set(ylim=(-2.5, 4.5), ylabel="mean")
    var_axes.set(ylim=(0, 9), ylabel="variance")
    names = ["of the batch", "of all samples", "running"]
    var_axes.legend(lines[1], names, loc="upper left")

    def draw(keep: float, power: int, divide: str, drift: float, draw_no: int) -> str:
        samples, times = 2**power, np.arange(_STEPS)
        rng = np.random.default_rng([draw_no, samples])
        share = np.minimum(times / 150, 1.0)
        true_mean, true_var = drift * share, 1.0 + drift * share
        x = rng.standard_normal((_STEPS, samples))
        batch_mean = true_mean + np.sqrt(true_var) * x.mean(axis=1)
        batch_var = true_var * x.var(axis=1, ddof=int(divide))
        errors = []
        for (batch, true, running), seen, right, start in (
            (lines[0], batch_mean, true_mean, 0.0),
            (lines[1], batch_var, true_var, 1.0),
        ):
            followed = _followed(seen, keep, start)
            batch.set_data(times, seen)
            true.set_data(times, right)
            running.set_data(times, followed)
            errors.append(np.sqrt(np.mean((followed - right)[-100:] ** 2)))
        level = followed[-100:].mean() / right[-100:].mean()
        return (
            f"α = {keep:.3f} remembers about {1 / (1 - keep):.0f} steps. Over the last 100 steps: "
            f"running mean off by {errors[0]:.2f}, running variance by {errors[1]:.2f} (root mean "
            f"square); the variance is {level:.2f} times the true one on average."
        )

    return LiveFigure(
        "running moments",
        figure=figure,
        moving=[line for trio in lines for line in trio],
        controls={
            "keep": slider("α, kept", 0.9, 0.0, 0.995, 0.005),
            "power": slider("batch 2 to the", 3, 1, 8, 1),
            "divide": choice(
                "batch variance", "0", {"0": "1/N, as here", "1": "1/(N − 1), as torch"}
            ),
            "drift": slider("drift", 2.0, 0.0, 3.0, 0.1),
            "draw_no": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


def _followed(seen: Array, keep: float, start: float) -> Array:
    followed, value = np.empty_like(seen), start
    for t, new in enumerate(seen):
        value = keep * value + (1 - keep) * new
        followed[t] = value
    return followed


# --- who shares a mean with whom -------------------------------------------------------------

NORMS = {
    "batch": "batch norm",
    "layer": "layer norm",
    "instance": "instance norm",
    "group": "group norm",
    "positions": "layer norm, last axis only",
}
_SHAPE = (4, 6, 5)


def shares_with(
    norm: str, sample: int, channel: int, position: int, groups: int, shape: Any = _SHAPE
) -> Array:
    """Return which entries of x share their mean and variance with one of them.

    x has the axes (samples, channels, positions).
    """
    shared = np.zeros(shape, bool)
    size = shape[1] // groups
    first = channel // size * size
    where: dict[str, Any] = {
        "batch": (slice(None), channel),
        "layer": (sample,),
        "instance": (sample, channel),
        "group": (sample, slice(first, first + size)),
        "positions": (sample, slice(None), position),
    }
    shared[where[norm]] = True
    return shared


@mpl.rc_context(STYLE)
def shares_explorer() -> LiveFigure:
    """Which numbers of a batch share one mean and one variance with a chosen one."""
    samples, channels, positions = _SHAPE
    figure, (axes,) = canvas(9.4, 3.4, (1.0,))
    colors = mpl.colors.ListedColormap(["#e8e8e8", COLORS[5], COLORS[1]])
    image = axes.imshow(
        np.zeros((samples, channels * positions)), cmap=colors, vmin=0, vmax=2, aspect="auto"
    )
    axes.grid(visible=False)
    axes.set_xticks(np.arange(channels) * positions + 2, [f"channel {c}" for c in range(channels)])
    axes.set_yticks(range(samples), [f"sample {n}" for n in range(samples)])
    axes.set(xlabel=f"{channels} channels of {positions} positions each", ylabel="batch")
    height, width = (-0.5, samples - 0.5), channels * positions
    cells = [edge - 0.5 for edge in range(1, width) if edge % positions]
    borders = (
        axes.vlines(cells, *height, colors="white", linewidths=1),
        axes.hlines(np.arange(1, samples) - 0.5, -0.5, width - 0.5, colors="white", linewidths=2),
        axes.vlines(np.arange(1, channels) * positions - 0.5, *height, colors="black"),
    )
    controls = {
        "norm": choice("norm", "batch", NORMS),
        "sample": slider("sample", 1, 0, samples - 1, 1),
        "channel": slider("channel", 2, 0, channels - 1, 1),
        "position": slider("position", 3, 0, positions - 1, 1),
        "groups": choice("groups", "2", {"1": "1", "2": "2", "3": "3", "6": "6"}),
    }

    def draw(norm: str, sample: int, channel: int, position: int, groups: str) -> str:
        controls["groups"].layout.display = None if norm == "group" else "none"
        shared = shares_with(norm, sample, channel, position, int(groups))
        shown = shared.astype(int)
        shown[sample, channel, position] = 2
        image.set_data(shown.reshape(samples, -1))
        count = int(shared.sum())
        more = "" if norm == "batch" else " No other sample takes part."
        return (
            f"{NORMS[norm].capitalize()}: {count} numbers share one mean and one variance; the "
            f"batch has {shared.size // count} of each.{more}"
        )

    return LiveFigure(
        "who shares a mean with whom",
        figure=figure,
        moving=(image, *borders),
        controls=controls,
        draw=draw,
    )
