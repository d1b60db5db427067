"""Live figures of unit 03: what each update rule does, seen on surfaces of two parameters."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np

from course import optimizers
from course._arrays import Array
from course._rules import Rule
from course.surfaces import BOWL, SURFACES, Descent, Surface, descend, noisy
from course.widgets._live import LiveFigure, canvas, choice, log_slider, set_range, slider
from course.widgets.contours import draw_surface
from course.widgets.style import COLORS, STYLE, line_style

__all__ = [
    "RACERS",
    "RATES",
    "RULES",
    "best_rate",
    "bias_correction",
    "noisy_gradients",
    "path_explorer",
    "race",
    "terminal_velocity",
]

RULES = {
    "sgd": "gradient descent",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adam": "Adam",
    "nadam": "Nadam",
    "adamw": "AdamW",
}
RACERS = tuple(name for name in RULES if name != "adamw")  # its decay moves the minimum
SURFACE_TITLES = {name: surface.title for name, surface in SURFACES.items()}
STEPS = 150
RATES = tuple(float(f"{rate:.0e}") for rate in np.logspace(-4, 0, 9))
"""The grid that best rates are chosen from: about three times the one before."""

_DEEP = 1e-10  # losses are shown down to this share of the highest one


def best_rate(rule: str, surface: str, steps: int = STEPS) -> float:
    """Return the rate of `RATES` with which a rule comes, and stays, lowest on a surface.

    What counts is the highest loss in the last tenth of the steps: crossing the minimum once by
    luck is not enough.
    """
    return min(RATES, key=lambda rate: _loss_at_the_end(rule, surface, steps, rate))


@lru_cache(maxsize=4096)
def _loss_at_the_end(rule: str, surface: str, steps: int, rate: float) -> float:
    hill = SURFACES[surface]
    walk = descend(_rule(rule), hill, hill.start, steps, lr=rate)
    last = walk.points[-max(1, steps // 10) :]
    return np.inf if walk.diverged else float(hill.value(*last.T).max())


@mpl.rc_context(STYLE)
def path_explorer() -> LiveFigure:
    """One rule on one surface, with all its numbers in your hands."""
    figure, (map_axes, loss_axes) = canvas(9.4, 3.9, (1.15, 1.0))
    (path,) = map_axes.plot([], [], color=COLORS[1], marker="o", markersize=3.5, linewidth=1.5)
    (start,) = map_axes.plot([], [], color="black", marker="o", markersize=8, fillstyle="none")
    (end,) = map_axes.plot([], [], color="black", marker="X", markersize=9)
    (loss,) = loss_axes.plot([], [], color=COLORS[1])
    (now,) = loss_axes.plot([], [], color="black", marker="X", markersize=9)
    controls = {
        "surface": choice("surface", "valley", SURFACE_TITLES),
        "rule": choice("optimizer", "momentum", RULES),
        "x": slider("start x", 0.0, -4.0, 4.0, 0.01),
        "y": slider("start y", 0.0, -3.0, 3.0, 0.01),
        "step": slider("steps shown", STEPS, 0, STEPS, 1),
        "lr": log_slider("rate γ", 0.01, 1e-4, 10.0),
        "momentum": slider("momentum α", 0.9, 0.0, 0.99, 0.01),
        "rho": slider("ρ, of g²", 0.9, 0.0, 0.999, 0.001),
        "beta1": slider("β₁, of g", 0.9, 0.0, 0.99, 0.01),
        "beta2": slider("β₂, of g²", 0.999, 0.0, 0.999, 0.001),
        "weight_decay": slider("decay λ", 0.01, 0.0, 1.0, 0.01),
    }

    def scene(surface: str) -> None:
        hill = SURFACES[surface]
        x_min, x_max, y_min, y_max = hill.view
        set_range(controls["x"], x_min, x_max, hill.start[0])
        set_range(controls["y"], y_min, y_max, hill.start[1])
        draw_surface(map_axes, hill)
        _loss_axes(loss_axes, hill)

    def draw(surface: str, rule: str, x: float, y: float, step: int, **hyper: float) -> str:
        taken = _hyper(rule, hyper)
        for name in hyper:
            controls[name].layout.display = None if name in taken else "none"
        walk = _walk(rule, surface, (x, y), tuple(taken.items()))
        shown = walk.points[: step + 1]
        heights = _above_lowest(SURFACES[surface], shown)
        path.set_data(*shown.T)
        start.set_data([x], [y])
        end.set_data(*shown[-1:].T)
        loss.set_data(np.arange(len(shown)), heights)
        now.set_data([len(shown) - 1], heights[-1:])
        return _read_out(SURFACES[surface], shown, walk.diverged, step)

    return LiveFigure(
        "path explorer",
        figure=figure,
        moving=(path, start, end, loss, now),
        controls=controls,
        draw=draw,
        scene=scene,
        play="step",
    )


@mpl.rc_context(STYLE)
def race() -> LiveFigure:
    """All rules on one surface, each at the best rate of a grid."""
    best = {  # of all surfaces at once: a menu shall not wait for it
        surface: {name: best_rate(name, surface) for name in RACERS} for surface in SURFACES
    }
    figure, (map_axes, loss_axes) = canvas(9.4, 4.5, (1.15, 1.0))
    paths, losses = [], []
    for index, name in enumerate(RACERS):
        style = line_style(index) | {"markersize": 7, "markevery": [-1]}
        paths += map_axes.plot([], [], **style)
        losses += loss_axes.plot([], [], **style, label=RULES[name])
    legend = figure.legend(handles=losses, loc="outside lower center", ncols=4, handlelength=3.6)
    controls = {
        "surface": choice("surface", "valley", SURFACE_TITLES),
        "step": slider("step", 40, 0, STEPS, 1),
    }

    def scene(surface: str) -> None:
        draw_surface(map_axes, SURFACES[surface])
        _loss_axes(loss_axes, SURFACES[surface])
        for name, text in zip(RACERS, legend.get_texts(), strict=True):
            text.set_text(f"{RULES[name]}, γ = {best[surface][name]:g}")

    def draw(surface: str, step: int) -> str:
        hill, reached = SURFACES[surface], {}
        for name, path, loss in zip(RACERS, paths, losses, strict=True):
            rate = best[surface][name]
            points = _walk(name, surface, hill.start, (("lr", rate),)).points[: step + 1]
            heights = _above_lowest(hill, points)
            path.set_data(*points.T)
            loss.set_data(np.arange(len(points)), heights)
            reached[name] = heights[-1]
        if step == 0:
            return "All start at the same point."
        lowest = min(reached, key=lambda name: reached[name])
        return (
            f"After {step} steps {RULES[lowest]} is lowest: "
            f"{reached[lowest]:.2g} above the minimum."
        )

    return LiveFigure(
        "race of the optimizers",
        figure=figure,
        moving=(*paths, *losses),
        controls=controls,
        draw=draw,
        scene=scene,
        play="step",
    )


@mpl.rc_context(STYLE)
def terminal_velocity() -> LiveFigure:
    """The velocity of momentum under a constant gradient, against what the formula predicts."""
    steps = 300
    figure, (speed_axes, share_axes) = canvas(9.4, 3.5, (1.0, 1.0))
    times = np.arange(1, steps + 1)
    (speed,) = speed_axes.plot([], [], color=COLORS[0], linewidth=3)
    (limit,) = speed_axes.plot([], [], color=COLORS[1], linestyle="--")
    (share,) = share_axes.plot([], [], color=COLORS[0], linewidth=3)
    (law,) = share_axes.plot([], [], color=COLORS[1], linestyle="--")
    speed_axes.set(
        xlim=(0, steps),
        ylim=(1e-3, 1e3),
        yscale="log",
        xlabel="step t",
        ylabel="speed |u| (log)",
    )
    speed_axes.legend([speed, limit], ["measured", "γ g / (1 − α)"], loc="lower right")
    share_axes.set(
        xlim=(0, steps), ylim=(0, 1.08), xlabel="step t", ylabel="share of the terminal speed"
    )
    share_axes.legend([share, law], ["measured", "1 − αᵗ"], loc="lower right")

    def draw(momentum: float, lr: float) -> str:
        speeds = np.abs(_velocities(steps, lr, momentum))
        terminal = lr / (1 - momentum)
        speed.set_data(times, speeds)
        limit.set_data([0, steps], [terminal, terminal])
        share.set_data(times, speeds / terminal)
        law.set_data(times, 1 - momentum**times)
        near = np.flatnonzero(speeds >= 0.9 * terminal)
        when = f"90 % reached at step {near[0] + 1}" if near.size else "90 % not reached yet"
        return (
            f"g = 1. After {steps} steps u = −{speeds[-1]:.4g}; −γ g/(1 − α) = −{terminal:.4g}; "
            f"{when}. A plain step is γ g = {lr:.3g}."
        )

    return LiveFigure(
        "terminal velocity of momentum",
        figure=figure,
        moving=(speed, limit, share, law),
        controls={
            "momentum": slider("momentum α", 0.9, 0.0, 0.99, 0.01),
            "lr": log_slider("rate γ", 0.1, 0.01, 1.0),
        },
        draw=draw,
    )


@mpl.rc_context(STYLE)
def bias_correction() -> LiveFigure:
    """Adam's averages in the first steps under a constant gradient, as they are and corrected."""
    steps = 60
    figure, (average_axes, step_axes) = canvas(9.4, 3.7, (1.0, 1.0))
    times = np.arange(1, steps + 1)
    averages = [
        average_axes.plot([], [], label=label, **style)[0]
        for label, style in (
            ("s", {"color": COLORS[0], "marker": "o", "markersize": 3.5}),
            ("r", {"color": COLORS[2], "marker": "s", "markersize": 3.5}),
            ("ŝ", {"color": COLORS[1], "linewidth": 3.5}),
            ("r̂", {"color": COLORS[6], "linestyle": "--"}),
        )
    ]
    average_axes.set(xlim=(0, steps), ylim=(0, 1.12), xlabel="step t", ylabel="average, for g = 1")
    average_axes.legend(loc="center right")
    lengths = [
        step_axes.plot([], [], label=label, **style)[0]
        for label, style in (
            ("corrected", {"color": COLORS[1], "linewidth": 3.5}),
            ("not corrected", {"color": COLORS[0], "marker": "o", "markersize": 3.5}),
        )
    ]
    step_axes.set(
        xlim=(0, steps),
        ylim=(0.005, 200),
        yscale="log",
        xlabel="step t",
        ylabel="length of the step / γ (log)",
    )
    step_axes.legend(loc="lower right")

    def draw(beta1: float, beta2: float) -> str:
        s, r, step = _adam_states(steps, beta1, beta2)
        s_hat, r_hat = s / (1 - beta1**times), r / (1 - beta2**times)
        for line, values in zip(averages, (s, r, s_hat, r_hat), strict=True):
            line.set_data(times, values)
        plain = s / np.sqrt(r)
        for line, values in zip(lengths, (step, plain), strict=True):
            line.set_data(times, values)
        return (
            f"Step 1: s = {s[0]:.3g}, r = {r[0]:.3g}; corrected both are 1 and the step is "
            f"{step[0]:.3f} γ. Without correction it would be {plain[0]:.3g} γ, "
            f"at its longest {plain.max():.3g} γ."
        )

    return LiveFigure(
        "bias correction of Adam",
        figure=figure,
        moving=(*averages, *lengths),
        controls={
            "beta1": slider("β₁, of g", 0.9, 0.0, 0.99, 0.01),
            "beta2": slider("β₂, of g²", 0.999, 0.0, 0.999, 0.001),
        },
        draw=draw,
    )


@mpl.rc_context(STYLE)
def noisy_gradients() -> LiveFigure:
    """A rule in a bowl whose gradients carry noise of mean 0."""
    steps = 300
    figure, (map_axes, loss_axes) = canvas(9.4, 3.9, (1.15, 1.0))
    (path,) = map_axes.plot([], [], color=COLORS[1], linewidth=1)
    (loss,) = loss_axes.plot([], [], color=COLORS[1], linewidth=1.2)
    (floor,) = loss_axes.plot([], [], color=COLORS[0], linestyle="--")
    names = ("sgd", "momentum", "rmsprop", "adam")
    controls = {
        "rule": choice("optimizer", "momentum", {name: RULES[name] for name in names}),
        "noise": slider("noise σ", 1.0, 0.0, 3.0, 0.05),
        "lr": log_slider("rate γ", 0.1, 1e-3, 1.0),
        "momentum": slider("momentum α", 0.9, 0.0, 0.99, 0.01),
        "rho": slider("ρ, of g²", 0.9, 0.0, 0.999, 0.001),
        "beta1": slider("β₁, of g", 0.9, 0.0, 0.99, 0.01),
        "beta2": slider("β₂, of g²", 0.999, 0.0, 0.999, 0.001),
        "seed": slider("draw no.", 0, 0, 20, 1),
    }

    def scene() -> None:
        draw_surface(map_axes, BOWL)
        _loss_axes(loss_axes, BOWL, steps, deepest=1e-5)
        loss_axes.legend([loss, floor], ["loss", "predicted mean"], loc="lower left")

    def draw(rule: str, noise: float, lr: float, seed: int, **hyper: float) -> str:
        taken = _hyper(rule, hyper | {"lr": lr})
        for name in hyper:
            controls[name].layout.display = None if name in taken else "none"
        gradient = noisy(BOWL, noise, np.random.default_rng(seed))
        walk = descend(_rule(rule), gradient, BOWL.start, steps, **taken)
        heights = _above_lowest(BOWL, walk.points)
        path.set_data(*walk.points.T)
        loss.set_data(np.arange(len(heights)), heights)
        if walk.diverged:
            floor.set_data([], [])
            return f"Diverged after {len(heights)} steps."
        text = f"Mean loss over the last 200 steps: {heights[-200:].mean():.3g}"
        if rule in ("rmsprop", "adam"):
            floor.set_data([], [])
            return text + "."
        predicted = stationary_loss(noise, lr, taken.get("momentum", 0.0))
        floor.set_data([0, steps], [predicted, predicted])
        text += f"; the formula predicts {predicted:.3g} in the long run."
        # The start is forgotten like exp(-2γt/(1 - α)): 200 steps of it may still be the way there.
        on_the_way = 2 * lr / (1 - taken.get("momentum", 0.0)) * (steps - 200) < 5
        return text + (" The walk has not arrived yet." if on_the_way else "")

    return LiveFigure(
        "noisy gradients",
        figure=figure,
        moving=(path, loss, floor),
        controls=controls,
        draw=draw,
        scene=scene,
    )


def stationary_loss(noise: float, lr: float, momentum: float = 0.0) -> float:
    """Return the mean loss in `BOWL` after many noisy steps: σ²γ(1+α) / ((1−α)(2(1+α) − γ))."""
    return noise**2 * lr * (1 + momentum) / ((1 - momentum) * (2 * (1 + momentum) - lr))


def _rule(name: str) -> Rule:
    rule: Rule = getattr(optimizers, name)
    return rule


def _hyper(rule: str, values: dict[str, float]) -> dict[str, float]:
    """Keep of these values those that the rule takes."""
    takes = inspect.signature(_rule(rule)).parameters
    return {name: value for name, value in values.items() if name in takes}


@lru_cache(maxsize=256)
def _walk(
    rule: str, surface: str, start: tuple[float, float], hyper: tuple[tuple[str, float], ...]
) -> Descent:
    return descend(_rule(rule), SURFACES[surface], start, STEPS, **dict(hyper))


def _above_lowest(surface: Surface, points: Array) -> Array:
    """Return the heights of these points above the minimum, none so small that a log axis ends."""
    return np.maximum(surface.value(*points.T) - surface.lowest, 1e-300)


def _loss_axes(axes: Any, surface: Surface, steps: int = STEPS, deepest: float = _DEEP) -> None:
    x_min, x_max, y_min, y_max = surface.view
    corners = surface.value(
        np.array([x_min, x_max, x_min, x_max]), np.array([y_min, y_min, y_max, y_max])
    )
    highest = float(corners.max()) - surface.lowest
    axes.set(
        xlim=(-0.02 * steps, 1.02 * steps),
        ylim=(deepest * highest, 2 * highest),
        yscale="log",
        xlabel="step t",
        ylabel="loss above the minimum (log)",
        title="loss",
    )


def _read_out(surface: Surface, points: Array, diverged: bool, step: int) -> str:
    if diverged and step >= len(points):
        return f"Diverged after {len(points)} steps: the rate is too large here."
    height = float(surface.value(*points[-1])) - surface.lowest
    distance = surface.distance(points[-1])
    if height < 1e-100:
        return f"After {len(points) - 1} steps: exactly at the minimum."
    return (
        f"After {len(points) - 1} steps: loss {height:.3g} above the minimum, "
        f"{distance:.3g} away from it."
    )


@lru_cache(maxsize=64)
def _velocities(steps: int, lr: float, momentum: float) -> Array:
    theta, state, velocities = np.array([0.0]), None, []
    for _ in range(steps):
        theta, state = optimizers.momentum(theta, np.array([1.0]), state, lr=lr, momentum=momentum)
        velocities.append(state["u"][0])
    return np.array(velocities)


@lru_cache(maxsize=64)
def _adam_states(steps: int, beta1: float, beta2: float) -> tuple[Array, Array, Array]:
    """Return s, r and the length of the step in units of γ, for g = 1 at every step."""
    theta, state, s, r, lengths = np.array([0.0]), None, [], [], []
    for _ in range(steps):
        new, state = optimizers.adam(
            theta, np.array([1.0]), state, lr=1.0, beta1=beta1, beta2=beta2
        )
        s.append(state["s"][0])
        r.append(state["r"][0])
        lengths.append(abs(new - theta)[0])
        theta = new
    return np.array(s), np.array(r), np.array(lengths)
