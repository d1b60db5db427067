"""The class report's figures, as pictures that a page can hold in itself."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from grader.results import Results

# From the palette of Okabe and Ito, which colour-blind readers can tell apart; each bar also
# carries its number, and the order is that of the legend.
FULL, PART, NONE, OPEN = "#0072b2", "#e69f00", "#a3004f", "#bbbbbb"
_INK = "#222222"


def distribution(results: Results) -> str:
    """Return a histogram of the students' points as an address for an ``img`` element."""
    totals = [result.final for result in results.students]
    figure, axes = _figure(3.2)
    counts, edges = np.histogram(totals, bins=10, range=(0, results.max_points))
    bars = axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=FULL, edgecolor="white")
    axes.bar_label(bars, [str(count) if count else "" for count in counts], padding=2)
    middle = float(np.median(totals))
    axes.axvline(middle, color=_INK, linestyle="--")
    axes.annotate(
        f" median {middle:g}", (middle, 1.02), xycoords=("data", "axes fraction"), ha="center"
    )
    axes.set_xlabel(f"points of {results.max_points:g}")
    axes.set_ylabel("students")
    axes.set_xticks(edges)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.15 * float(counts.max()))
    return _address(figure)


def success(results: Results) -> str:
    """Return, for each question, how many students earned all, some or no points."""
    kinds = {"all points": FULL, "some points": PART, "no points": NONE, "not graded yet": OPEN}
    counts = {kind: [0] * len(results.questions) for kind in kinds}
    for row, question in enumerate(results.questions):
        for result in results.students:
            counts[_kind(result.points[question.grade_id], question.max_points)][row] += 1
    figure, axes = _figure(0.9 + 0.38 * len(results.questions))
    names = [question.title for question in results.questions]
    left = np.zeros(len(names))
    for kind, colour in kinds.items():
        bars = axes.barh(names, counts[kind], left=left, color=colour, label=kind, height=0.75)
        ink = _INK if colour in (PART, OPEN) else "white"
        labels = [str(count) if count else "" for count in counts[kind]]
        axes.bar_label(bars, labels, label_type="center", color=ink)
        left += counts[kind]
    axes.invert_yaxis()
    axes.set_xlim(0, len(results.students))
    axes.set_xlabel("students")
    axes.tick_params(axis="y", length=0)
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.45, 1.0), frameon=False)
    return _address(figure)


def _kind(points: float | None, most: float) -> str:
    if points is None:
        return "not graded yet"
    if points >= most:
        return "all points"
    return "some points" if points > 0 else "no points"


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.6, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _address(figure: Figure) -> str:
    picture = io.BytesIO()
    figure.savefig(picture, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.getvalue()).decode()}"
