"""How the course's figures look: legible, and readable without telling red from green."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl

__all__ = ["COLORS", "DASHES", "MARKERS", "STYLE", "line_style", "use_style"]

COLORS = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # green
    "#CC79A7",  # purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#000000",  # black
    "#8B5A2B",  # brown
)
"""Okabe and Ito's palette for all kinds of colour vision (its pale yellow made a brown)."""

DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)), "-", "--")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 12,
    "axes.titley": 1.0,  # where it stands anyway; to find that out takes a tenth of a drawing
    "figure.dpi": 96,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "grid.alpha": 0.3,
    "legend.fontsize": 10,
    "legend.framealpha": 0.9,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}


def use_style() -> None:
    """Give every figure that is made from now on the course's look."""
    mpl.rcParams.update(STYLE)


def line_style(index: int) -> dict[str, Any]:
    """Return colour, dashes and marker of the line with this number: no two are alike."""
    return {
        "color": COLORS[index % len(COLORS)],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
    }
