"""A surface as a map: its heights in light shades, its start and its minima."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np

from course.surfaces import Surface

__all__ = ["draw_surface"]


def draw_surface(axes: Any, surface: Surface, points_a_side: int = 160) -> None:
    """Draw the map of a surface into these axes, over whatever map was there before."""
    for old in [*axes.collections, *axes.texts]:
        old.remove()
    x_min, x_max, y_min, y_max = surface.view
    x, y = np.meshgrid(
        np.linspace(x_min, x_max, points_a_side), np.linspace(y_min, y_max, points_a_side)
    )
    height = surface.value(x, y)
    levels = np.unique(np.quantile(height, np.linspace(0, 1, 16) ** 1.5))
    shades = mpl.colormaps["Blues"](np.linspace(0.02, 0.45, len(levels) - 1))
    axes.contourf(x, y, height, levels, colors=shades)
    axes.contour(x, y, height, levels[1:-1], colors="#5b6b7b", linewidths=0.6, linestyles="solid")
    axes.scatter(
        *np.transpose(surface.minima), marker="*", s=220, color="white", edgecolor="black", zorder=4
    )
    axes.set(xlim=(x_min, x_max), ylim=(y_min, y_max), xlabel="x", ylabel="y", title=surface.title)
    axes.grid(visible=False)
