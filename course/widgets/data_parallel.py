"""Live figures of unit 12: what ranks send each other, uneven shards, batches and speed."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from course._arrays import Array
from course.data import diabetes
from course.parallel import (
    Channel,
    Link,
    central_all_reduce,
    ring_all_reduce,
    run_ranks,
    shard,
    step_seconds,
    tree_broadcast,
)
from course.widgets._live import LiveFigure, canvas, choice, log_slider, set_range, slider
from course.widgets.schedules import expected_losses
from course.widgets.style import COLORS, STYLE

__all__ = [
    "COLLECTIVES",
    "Delivery",
    "batch_explorer",
    "collective_explorer",
    "deliveries",
    "draw_deliveries",
    "draw_two_ways",
    "reached",
    "shard_explorer",
    "speed_explorer",
    "two_weights",
    "walk_in_parallel",
]

Collective = Callable[[Channel, Any], Array]

MOST_RANKS, ELEMENTS = 8, 8


# --- what a collective sends -----------------------------------------------------------------


@dataclass(frozen=True)
class Delivery:
    """One message of a collective, and when it travels if all ranks work at once.

    Attributes:
        round: from 1; in a round each rank sends one message at most and receives one at most.
        source: the rank that sends.
        to: the rank that receives.
        nbytes: the bytes of the message.
        holds: which ranks' numbers are summed in each element that it carries.
    """

    round: int
    source: int
    to: int
    nbytes: int
    holds: Mapping[int, frozenset[int]]


class _Watched:
    """A channel that notes what passes through it."""

    def __init__(self, channel: Channel, log: list[tuple[str, int, int, Array]]) -> None:
        self._channel, self._log = channel, log
        self.rank, self.size = channel.rank, channel.size

    def send(self, array: Array, to: int) -> None:
        self._channel.send(array, to)
        self._log.append(("send", self.rank, to, np.array(array)))

    def recv(self, source: int) -> Array:
        array = self._channel.recv(source)
        self._log.append(("recv", self.rank, source, array))
        return array


def deliveries(
    collective: Collective, size: int, elements: int = ELEMENTS, *, only_root: bool = False
) -> list[Delivery]:
    """Run a collective of one's own or of the library and return what was sent.

    Args:
        collective: a function of a channel and a vector, which only adds what it gets and passes
            it on.
        size: K, the number of ranks, 8 at most.
        elements: how long each rank's vector is.
        only_root: hand a vector to rank 0 alone, as a broadcast needs it.

    Raises:
        ValueError: there are more ranks.
    """
    if size > MOST_RANKS:
        raise ValueError(f"deliveries: {MOST_RANKS} ranks at most, got {size}.")
    log: list[tuple[str, int, int, Array]] = []
    own = [_marked(rank, elements) if rank == 0 or not only_root else None for rank in range(size)]
    run_ranks(lambda channel, x: collective(_Watched(channel, log), x), own)
    return _timed(log)


def reached(
    sent: Sequence[Delivery], rounds: int, size: int, elements: int, *, only_root: bool = False
) -> list[list[frozenset[int]]]:
    """Return whose numbers have reached each rank, element by element, after so many rounds."""
    own = [{rank} if rank == 0 or not only_root else set() for rank in range(size)]
    table = [[frozenset(mine)] * elements for mine in own]
    for delivery in sent:
        if delivery.round <= rounds:
            for element, ranks in delivery.holds.items():
                table[delivery.to][element] |= ranks
    return table


_ELEMENT = 2**16


def _marked(rank: int, elements: int) -> Array:
    """Return a vector that can be recognised in any sum: whose numbers, and which elements."""
    return 2.0**rank + _ELEMENT * np.arange(1.0, elements + 1)


def _read(array: Array) -> dict[int, frozenset[int]]:
    """Read off a sum of marked vectors which ranks' numbers each element holds."""
    holds = {}
    for value in np.ravel(array):
        high, low = divmod(int(value), _ELEMENT)
        ranks = frozenset(rank for rank in range(MOST_RANKS) if low >> rank & 1)
        holds[high // max(len(ranks), 1) - 1] = ranks
    return holds


def _timed(log: Sequence[tuple[str, int, int, Array]]) -> list[Delivery]:
    """Give each message the earliest round: after what its sender has received by then."""
    knows: dict[int, int] = defaultdict(int)
    busy: dict[tuple[str, int], int] = defaultdict(int)
    underway: dict[tuple[int, int], deque[int]] = defaultdict(deque)
    sent = []
    for what, rank, other, array in log:
        if what == "send":
            turn = 1 + max(knows[rank], busy["send", rank], busy["recv", other])
            busy["send", rank] = busy["recv", other] = turn
            underway[rank, other].append(turn)
            sent.append(Delivery(turn, rank, other, array.nbytes, _read(array)))
        else:
            knows[rank] = max(knows[rank], underway[other, rank].popleft())
    return sent


COLLECTIVES = {
    "central": "central sum, sent back",
    "ring": "ring all-reduce",
    "tree": "tree broadcast from rank 0",
}
_FUNCTIONS: dict[str, Collective] = {
    "central": central_all_reduce,
    "ring": ring_all_reduce,
    "tree": tree_broadcast,
}


@lru_cache(maxsize=32)
def _trace(collective: str, size: int) -> tuple[Delivery, ...]:
    only_root = collective == "tree"
    return tuple(deliveries(_FUNCTIONS[collective], size, only_root=only_root))


def _shown(ranks: frozenset[int], size: int, complete: int) -> str:
    """Write a set of ranks in a few signs: Σ for all, 5–1 for 5, 6, 7, 0, 1."""
    if len(ranks) == complete > 1:
        return "Σ"
    starts = [rank for rank in ranks if (rank - 1) % size not in ranks]
    if len(starts) != 1:
        return f"{len(ranks)} of" if ranks else ""
    sign = "–" if len(ranks) > 2 else "+"
    last = (starts[0] + len(ranks) - 1) % size
    return f"{starts[0]}" if len(ranks) == 1 else f"{starts[0]}{sign}{last}"


def _places(collective: str, size: int) -> Array:
    """Return where the ranks stand: in a ring, or with rank 0 in the middle."""
    on_circle = size - 1 if collective == "central" else size
    angles = np.pi / 2 - 2 * np.pi * np.arange(on_circle) / on_circle
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.vstack([[0.0, 0.0], circle]) if collective == "central" else circle


_BLUES = mpl.colormaps["Blues"](np.linspace(0, 0.75, 76))[:, :3]


class _Picture:
    """Who sends to whom, whose numbers are where, and how much was sent: three axes."""

    def __init__(self, axes: Sequence[Axes]) -> None:
        self.who, self.table, self.bars = axes
        blank: dict[str, Any] = {
            "arrowstyle": "-|>",
            "mutation_scale": 16,
            "shrinkA": 13,
            "shrinkB": 13,
        }
        arrows = [FancyArrowPatch((0, 0), (0, 1), linewidth=2, **blank) for _ in range(MOST_RANKS)]
        self.arrows: list[Any] = [self.who.add_patch(arrow) for arrow in arrows]
        middle: dict[str, Any] = {"ha": "center", "va": "center"}
        box: dict[str, Any] = {
            "boxstyle": "circle,pad=0.35",
            "facecolor": "white",
            "edgecolor": "black",
        }
        self.ranks = [
            self.who.text(0, 0, str(rank), fontsize=11, bbox=dict(box), **middle)
            for rank in range(MOST_RANKS)
        ]
        self.image = self.table.imshow(
            np.ones((MOST_RANKS, ELEMENTS, 3)),
            aspect="auto",
            extent=(-0.5, ELEMENTS - 0.5, MOST_RANKS - 0.5, -0.5),
            interpolation="nearest",
        )
        self.fresh: Any = self.table.add_collection(
            PolyCollection([], facecolors="none", edgecolors=COLORS[1], linewidths=2.6)
        )
        self.signs: Any = PathCollection([], offsets=[], offset_transform=self.table.transData)
        self.signs.set_transform(Affine2D().scale(1 / 72) + self.table.figure.dpi_scale_trans)
        self.table.add_collection(self.signs)
        self.lengths = self.bars.barh(range(MOST_RANKS), [0] * MOST_RANKS, 0.62, color=COLORS[0])
        (self.ends,) = self.bars.plot(
            [], [], linestyle="", marker="|", markersize=18, markeredgewidth=2.5, color="black"
        )
        self.who.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal", xticks=[], yticks=[])
        self.who.set(ylabel="who sends to whom", title="this round")
        self.who.set_xlabel("solid: partial sums\ndashed: complete")
        self.who.spines[:].set_visible(False)
        self.table.set(xlim=(-0.5, ELEMENTS - 0.5), xticks=range(ELEMENTS))
        self.table.set(
            xlabel="element of the array", ylabel="rank", title="whose numbers are in it"
        )
        self.bars.set(
            xlim=(0, 7.4), xlabel="arrays sent (| in the end)", ylabel="rank", title="traffic"
        )
        for axes_ in (self.table, self.bars):
            axes_.grid(visible=False)

    def moving(self) -> tuple[Any, ...]:
        """Return all artists that `show` changes, in the order in which they are drawn."""
        return (
            *self.arrows,
            *self.ranks,
            self.image,
            self.fresh,
            self.signs,
            *self.lengths,
            self.ends,
        )

    def fit(self, size: int) -> None:
        """Make room for so many ranks."""
        for axes in (self.table, self.bars):
            axes.set(ylim=(size - 0.5, -0.5), yticks=range(size))

    def show(
        self, sent: Sequence[Delivery], turn: int, size: int, places: Array, *, only_root: bool
    ) -> None:
        """Show a round."""
        complete = 1 if only_root else size
        now = [delivery for delivery in sent if delivery.round == turn]
        for arrow, text in zip(self.arrows, self.ranks, strict=True):
            arrow.set_visible(False)
            text.set_visible(False)
        for rank, place in enumerate(places):
            self.ranks[rank].set(position=place, visible=True)
        for arrow, delivery in zip(self.arrows, now, strict=False):
            done = all(len(ranks) == complete for ranks in delivery.holds.values())
            arrow.set_positions(places[delivery.source], places[delivery.to])
            arrow.set(visible=True, color=COLORS[2 if done else 1], linestyle="--" if done else "-")
        self._show_cells(sent, turn, size, complete, only_root)
        share = 1 / (8 * ELEMENTS)
        for rank, bar in enumerate(self.lengths):
            bar.set_width(
                share * sum(d.nbytes for d in sent if d.source == rank and d.round <= turn)
            )
        totals = [share * sum(d.nbytes for d in sent if d.source == rank) for rank in range(size)]
        self.ends.set_data(totals, range(size))

    def _show_cells(
        self, sent: Sequence[Delivery], turn: int, size: int, complete: int, only_root: bool
    ) -> None:
        table = reached(sent, turn, size, ELEMENTS, only_root=only_root)
        shares = np.array([[len(ranks) / complete for ranks in row] for row in table])
        self.image.set_data(_BLUES[np.round(75 * shares).astype(int)])
        self.image.set_extent((-0.5, ELEMENTS - 0.5, size - 0.5, -0.5))
        fresh = {(d.to, element) for d in sent if d.round == turn for element in d.holds}
        self.fresh.set_verts([_square(*cell) for cell in sorted(fresh)])
        cells = [(rank, element) for rank in range(size) for element in range(ELEMENTS)]
        signs = [_sign(_shown(table[rank][element], size, complete)) for rank, element in cells]
        self.signs.set(paths=signs, offsets=[(element, rank) for rank, element in cells])
        self.signs.set_facecolor(["white" if shares[cell] > 0.7 else "black" for cell in cells])


@lru_cache(maxsize=256)
def _sign(text: str) -> Path:
    """Return a few signs as a path about its middle: many of them draw faster than texts."""
    if not text:
        return Path(np.zeros((1, 2)))
    path = TextPath((0, 0), text, size=10, prop=FontProperties(family="DejaVu Sans"))
    low, high = path.get_extents().get_points()
    middle = [-(low[0] + high[0]) / 2, -3.6]  # on one line, whatever the signs
    return path.transformed(Affine2D().translate(*middle))


def _square(rank: int, element: int) -> Array:
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    return corners + np.array([element, rank])


def draw_deliveries(axes: Sequence[Axes], sent: Sequence[Delivery], turn: int, size: int) -> None:
    """Draw one round of a collective of one's own into three axes, the ranks in a ring."""
    picture = _Picture(axes)
    picture.fit(size)
    picture.show(sent, turn, size, _places("ring", size), only_root=False)


@mpl.rc_context(STYLE)
def collective_explorer() -> LiveFigure:
    """A collective round by round: who sends what to whom, and what it adds up to."""
    figure, axes = canvas(9.6, 4.1, (1.0, 1.25, 0.75))
    picture = _Picture(axes)
    controls = {
        "collective": choice("collective", "ring", COLLECTIVES),
        "size": slider("ranks K", 4, 2, MOST_RANKS, 1),
        "round": slider("round", 2, 0, 6, 1),
    }

    def scene(collective: str, size: int) -> None:
        picture.fit(size)
        rounds = max(delivery.round for delivery in _trace(collective, size))
        set_range(controls["round"], 0, rounds, min(2, rounds))

    def draw(collective: str, size: int, round: int) -> str:  # noqa: A002 - the figure's word
        sent = _trace(collective, size)
        places = _places(collective, size)
        picture.show(sent, round, size, places, only_root=collective == "tree")
        return _told(sent, round, size, complete=1 if collective == "tree" else size)

    return LiveFigure(
        "a collective, round by round",
        figure=figure,
        moving=picture.moving(),
        controls=controls,
        draw=draw,
        scene=scene,
        play="round",
        pace=900,
    )


def _told(sent: Sequence[Delivery], turn: int, size: int, complete: int) -> str:
    """Put a round into words."""
    rounds = max(delivery.round for delivery in sent)
    totals = [sum(d.nbytes for d in sent if d.source == rank) for rank in range(size)]
    end = f"In the end the busiest rank has sent {max(totals)} bytes, an array has {8 * ELEMENTS}."
    now = [delivery for delivery in sent if delivery.round == turn]
    if not now:
        return f"Before the first of {rounds} rounds. {end}"
    first = now[0]
    held = sorted(first.holds)
    where = f"elements {held[0]} to {held[-1]}" if len(held) > 1 else f"element {held[0]}"
    whose = _shown(first.holds[held[0]], size, complete)
    what = {"Σ": "complete"}.get(
        whose, f"{'of rank' if whose.isdigit() else 'summed over'} {whose}"
    )
    others = f"; {len(now)} messages in all" if len(now) > 1 else ""
    return (
        f"Round {turn} of {rounds}: rank {first.source} sends {where}, {what}, to rank {first.to}"
        f"{others}. {end}"
    )


# --- two ways to use several machines --------------------------------------------------------


def draw_two_ways(model_axes: Axes, data_axes: Axes) -> None:
    """Draw a network cut into machines, and whole networks with a part of the batch each."""
    for axes, title in ((model_axes, "model parallelism"), (data_axes, "data parallelism")):
        axes.set(xlim=(-0.9, 6.3), ylim=(-0.3, 4.4), xticks=[], yticks=[], title=title)
        axes.spines[:].set_visible(False)
    for machine in range(3):
        left = 0.35 + 2 * machine
        _machine(model_axes, left - 0.3, 0.35, 1.5, 3.5, machine)
        for layer in range(2):
            _layer(model_axes, left + 0.65 * layer, 0.75, 2.4, COLORS[machine])
        if machine:
            here, there = left - 0.72, left - 0.02
            _arrow(model_axes, (here, 2.4), (there, 2.4), COLORS[1])
            _arrow(model_axes, (there, 1.5), (here, 1.5), COLORS[3])
    model_axes.text(-0.75, 1.95, "whole\nbatch", ha="center", va="center", fontsize=10)
    model_axes.set_xlabel("activations forward, gradients back,\nat each border, for each batch")
    for machine in range(3):
        bottom = 0.1 + 1.4 * machine
        _machine(data_axes, 0.9, bottom, 2.9, 1.15, 2 - machine)
        for layer in range(6):
            _layer(data_axes, 1.05 + 0.32 * layer, bottom + 0.15, 0.85, COLORS[layer // 2])
        data_axes.text(-0.05, bottom + 0.55, f"shard {2 - machine}", ha="center", fontsize=10)
        _arrow(data_axes, (3.85, bottom + 0.55), (4.65, 2.05), COLORS[3], both=True)
    data_axes.text(5.4, 2.05, "sum of the\ngradients", ha="center", va="center", fontsize=10)
    data_axes.set_xlabel("the gradient of all parameters,\nonce a step")


def _machine(axes: Axes, left: float, bottom: float, width: float, height: float, k: int) -> None:
    box = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.12",
        facecolor="0.95", edgecolor="0.3", linewidth=1.2,
    )  # fmt: skip
    axes.add_patch(box)
    name = f"rank {k}"
    if height > width:
        axes.text(left + width / 2, bottom + height - 0.32, name, ha="center", fontsize=10)
    else:
        axes.text(left + width - 0.1, bottom + 0.1, name, ha="right", fontsize=10)


def _layer(axes: Axes, left: float, bottom: float, height: float, color: str) -> None:
    axes.add_patch(Rectangle((left, bottom), 0.26, height, facecolor=color, edgecolor="black"))


def _arrow(axes: Axes, start: Any, end: Any, color: str, both: bool = False) -> None:
    style = "<|-|>" if both else "-|>"
    look: dict[str, Any] = {
        "arrowstyle": style,
        "mutation_scale": 13,
        "linewidth": 2,
        "color": color,
    }
    axes.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, zorder=3, **look))


# --- sum or mean, even or uneven -------------------------------------------------------------

SUMS = {
    "weighted": "Σ nᵣ gᵣ / N, weighted",
    "mean": "mean of the means",
    "sum": "sum of the means",
}
ORDERS = {"drawn": "as they come", "sorted": "sorted by target"}
_PARALLEL_STEPS, _PARALLEL_START = 40, np.array([-0.55, 0.75])


@lru_cache(maxsize=2)
def two_weights(order: str) -> tuple[Array, Array]:
    """Return two inputs of the diabetes patients and the target, as they come or sorted by it."""
    data = diabetes()
    x, y = data.x_train[:, [2, 8]], data.y_train[:, 0]
    places = np.argsort(y, kind="stable") if order == "sorted" else np.arange(len(y))
    return x[places], y[places]


def _quadratic(x: Array, y: Array) -> tuple[Array, Array]:
    """Return H and b of ½ mean (x·w - y)², whose gradient is H w - b."""
    return x.T @ x / len(x), x.T @ y / len(x)


def walk_in_parallel(x: Array, y: Array, counts: Sequence[int], how: str, lr: float) -> Array:
    """Return the parameters before each step and after the last, the shards of these sizes.

    Args:
        x: inputs, shape (N, 2); neighbours go to the same rank.
        y: targets, shape (N,).
        counts: how many samples each rank has; N together.
        how: one of `SUMS`.
        lr: the rate.
    """
    ends = np.cumsum(counts)[:-1]
    parts = [_quadratic(*part) for part in zip(np.split(x, ends), np.split(y, ends), strict=True)]
    weights = _weights(counts, how)
    h = sum(weight * part[0] for weight, part in zip(weights, parts, strict=True))
    b = sum(weight * part[1] for weight, part in zip(weights, parts, strict=True))
    path = [_PARALLEL_START]
    for _ in range(_PARALLEL_STEPS):
        path.append(np.clip(path[-1] - lr * (h @ path[-1] - b), -1e6, 1e6))
    return np.array(path)


def _weights(counts: Sequence[int], how: str) -> Array:
    """Return what each rank's mean gradient is multiplied by."""
    n = np.asarray(counts, float)
    return {"weighted": n / n.sum(), "mean": np.full(len(n), 1 / len(n)), "sum": np.ones(len(n))}[
        how
    ]


@mpl.rc_context(STYLE)
def shard_explorer() -> LiveFigure:
    """Gradients of uneven shards put together in three ways, beside the whole batch."""
    figure, (map_axes, weight_axes) = canvas(9.4, 4.1, (1.2, 1.0))
    (whole,) = map_axes.plot([], [], color="black", marker="o", markersize=4, linewidth=1)
    (path,) = map_axes.plot(
        [], [], color=COLORS[1], marker="s", markersize=5, linewidth=1.5, fillstyle="none"
    )
    (own,) = map_axes.plot(
        [], [], color=COLORS[0], marker="D", markersize=7, linestyle="", fillstyle="none"
    )
    (goal,) = map_axes.plot([], [], color="black", marker="*", markersize=15, linestyle="")
    map_axes.set(xlim=(-1.3, 1.5), ylim=(-1.3, 1.5), xlabel="weight 1", ylabel="weight 2")
    map_axes.legend(
        [whole, path, own, goal],
        ["one machine", "K ranks", "minima of the shards", "minimum"],
        loc="lower right",
        ncols=2,
        columnspacing=1.0,
    )
    bars = weight_axes.bar(range(MOST_RANKS), [0.0] * MOST_RANKS, 0.7, color=COLORS[1])
    weight_axes.axhline(1, color="black", linestyle="--", linewidth=1.5)
    weight_axes.set(xlim=(-0.6, MOST_RANKS - 0.4), ylim=(0.05, 60), yscale="log")
    weight_axes.set(xlabel="rank", ylabel="what one sample counts, in 1/N (log)")
    weight_axes.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    weight_axes.set_xticks(range(MOST_RANKS))

    def scene(order: str) -> None:
        for old in list(map_axes.collections):
            old.remove()
        x, y = two_weights(order)
        side = np.linspace(-1.3, 1.5, 60)
        first, second = np.meshgrid(side, side)
        loss = 0.5 * np.mean((np.stack([first, second], axis=-1) @ x.T - y) ** 2, axis=-1)
        map_axes.contour(first, second, loss, 12, colors="0.75", linewidths=0.8)
        goal.set_data(*np.linalg.solve(*_quadratic(x, y))[:, None])

    def draw(how: str, order: str, size: int, share: float, lr: float) -> str:
        x, y = two_weights(order)
        counts = _shares(len(x), size, share)
        seen = walk_in_parallel(x, y, counts, how, lr)
        alone = walk_in_parallel(x, y, [len(x)], "weighted", lr)
        whole.set_data(*alone.T)
        path.set_data(*np.clip(seen, -50, 50).T)
        ends = np.cumsum(counts)[:-1]
        parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
        minima = [np.linalg.lstsq(*_quadratic(*part))[0] for part in parts]
        own.set_data(*np.transpose(minima))
        for rank, bar in enumerate(bars):
            each = _weights(counts, how)[rank] / counts[rank] if rank < size else 0.0
            bar.set(visible=rank < size, height=max(each * len(x), 0.05))
        apart = np.linalg.norm(seen[-1] - alone[-1])
        far = f"{apart:.2g}" if apart < 100 else "more than 100: it diverges"
        return (
            f"Shards of {_listed(counts)} samples. After {_PARALLEL_STEPS} steps the two are apart "
            f"by {far}."
        )

    return LiveFigure(
        "uneven shards",
        figure=figure,
        moving=(whole, path, own, goal, *bars),
        controls={
            "how": choice("put together", "mean", SUMS),
            "order": choice("samples", "sorted", ORDERS),
            "size": slider("ranks K", 3, 2, MOST_RANKS, 1),
            "share": slider("rank 0 has, %", 10, 2, 90, 1),
            "lr": slider("rate γ", 0.2, 0.02, 0.9, 0.02),
        },
        draw=draw,
        scene=scene,
    )


def _shares(samples: int, size: int, percent: float) -> list[int]:
    """Return how many samples each rank has if the others share evenly what rank 0 leaves."""
    first = max(1, round(samples * percent / 100))
    rest = np.empty(samples - first)
    return [first, *(len(shard(rest, rank, size - 1)) for rank in range(size - 1))]


def _listed(counts: Sequence[int]) -> str:
    return f"{', '.join(map(str, counts[:-1]))} and {counts[-1]}"


# --- the batch and the rate ------------------------------------------------------------------

BATCH_RULES = {"linear": "× k", "sqrt": "× √k", "kept": "kept"}
_SEEN, _BATCH = 16384, 16
_CURVES = np.array([0.05, 1.0])


def _batch_losses(times: int, lr: float, noise: float, warm: float) -> tuple[Array, Array, Array]:
    """Return the samples seen, rates and mean losses of a batch so many times the first one."""
    batch = _BATCH * times
    steps = _SEEN // batch
    ramp = max(1.0, warm * steps)
    rates = lr * np.minimum(1.0, np.arange(1, steps + 1) / ramp)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = expected_losses(rates, noise / np.sqrt(batch), _CURVES, np.array([3.0, 1.0]))
    return batch * np.arange(steps + 1), rates, np.nan_to_num(losses, nan=1e9, posinf=1e9)


@mpl.rc_context(STYLE)
def batch_explorer() -> LiveFigure:
    """A batch k times as large on a noisy valley: the rate kept, or raised with it."""
    figure, (rate_axes, loss_axes) = canvas(9.4, 3.9, (0.8, 1.2))
    (small_rate,) = rate_axes.plot([], [], color="black", linewidth=1.5)
    (rate,) = rate_axes.plot([], [], color=COLORS[1], linestyle="--", linewidth=2.5)
    (edge,) = rate_axes.plot([], [], color=COLORS[0], linestyle=":", linewidth=2)
    (small,) = loss_axes.plot([], [], color="black", linewidth=1.5)
    (large,) = loss_axes.plot([], [], color=COLORS[1], linestyle="--", linewidth=2.5)
    rate_axes.set(xlim=(0, _SEEN), ylim=(1e-3, 100), yscale="log", ylabel="rate γ (log)")
    loss_axes.set(xlim=(0, _SEEN), ylim=(1e-4, 10), yscale="log", ylabel="mean loss (log)")
    for axes in (rate_axes, loss_axes):
        axes.set(xlabel="samples seen")
        axes.set_xticks([0, 8000, 16000])
    rate_axes.legend(
        [small_rate, rate, edge], [f"{_BATCH} a batch", "k times as many", "2/h: the limit"],
        loc="upper right",
    )  # fmt: skip
    loss_axes.legend([small, large], [f"{_BATCH} a batch", "k times as many"], loc="upper right")

    def draw(how: str, power: int, lr: float, noise: float, warm: int) -> str:
        times = 2**power
        scaled = lr * times ** {"linear": 1.0, "sqrt": 0.5, "kept": 0.0}[how]
        for (curve, rates), numbers in {
            (small, small_rate): (1, lr, noise, 0.0),
            (large, rate): (times, scaled, noise, warm / 100),
        }.items():
            seen, tried, losses = _batch_losses(*numbers)
            curve.set_data(seen, np.clip(losses, 1e-9, 1e9))
            rates.set_data(seen[:-1], tried)
        edge.set_data([0, _SEEN], [2 / _CURVES.max()] * 2)
        ends = [line.get_ydata()[-1] for line in (small, large)]
        shown = [f"{end:.3g}" if end < 1e6 else "beyond all bounds" for end in ends]
        return (
            f"k = {times}: {_SEEN // (_BATCH * times)} steps of {_BATCH * times} samples at γ = "
            f"{scaled:.3g} instead of {_SEEN // _BATCH} at {lr:.3g}. Loss in the end: {shown[1]} "
            f"instead of {shown[0]}."
        )

    return LiveFigure(
        "a larger batch",
        figure=figure,
        moving=(small_rate, rate, edge, small, large),
        controls={
            "how": choice("the rate is", "linear", BATCH_RULES),
            "power": slider("k = 2 to the", 3, 0, 8, 1),
            "lr": log_slider("rate γ₀", 0.05, 0.005, 0.5),
            "noise": slider("noise σ", 2.0, 0.0, 5.0, 0.25),
            "warm": slider("warm-up, %", 0, 0, 60, 5),
        },
        draw=draw,
    )


# --- speed -----------------------------------------------------------------------------------

_FREE = Link(latency=0.0, bandwidth=float("inf"))
_RANKS = np.arange(1, 65)


@mpl.rc_context(STYLE)
def speed_explorer() -> LiveFigure:
    """Seconds of a step by the number of ranks, and the speed-up that they leave."""
    figure, (time_axes, speed_axes) = canvas(9.4, 4.1, (1.0, 1.0))
    names = ("computing", "bytes", "latency")
    looks = zip(names, (COLORS[0], COLORS[1], COLORS[4]), strict=True)
    bands = {
        name: time_axes.fill_between(_RANKS, 0, 1, color=color, edgecolor="0.2", linewidth=0.5)
        for name, color in looks
    }
    (ideal,) = speed_axes.plot(_RANKS, _RANKS, color="black", linestyle=":", linewidth=1.5)
    (ring,) = speed_axes.plot([], [], color=COLORS[0], linewidth=3)
    (central,) = speed_axes.plot([], [], color=COLORS[3], linestyle="--", linewidth=2)
    (best,) = speed_axes.plot([], [], color=COLORS[1], marker="*", markersize=15, linestyle="")
    (here,) = speed_axes.plot([], [], color="black", marker="o", markersize=8, linestyle="")
    (there,) = time_axes.plot([], [], color="black", linestyle="-.", linewidth=1.5)
    time_axes.set(xlim=(1, 64), ylim=(0, 1.6), xscale="log")
    time_axes.set(xlabel="ranks K (log)", ylabel="time of a step, in that of one rank")
    time_axes.legend(list(bands.values()), names, loc="upper right")
    speed_axes.set(xlim=(1, 64), ylim=(0.1, 100), xscale="log", yscale="log")
    speed_axes.set(xlabel="ranks K (log)", ylabel="speed-up (log)")
    speed_axes.legend(
        [ideal, ring, central, best], ["ideal: K", "ring", "central", "best K"],
        loc="lower left", ncols=2,
    )  # fmt: skip
    for axes in (time_axes, speed_axes):
        axes.set_xticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
        axes.minorticks_off()
    speed_axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])

    def draw(
        collective: str, grow: str, compute: float, megabytes: float,
        latency: float, bandwidth: float, size: int,
    ) -> str:  # fmt: skip
        link = Link(latency * 1e-6, bandwidth * 1e9)
        n_bytes = megabytes * 1e6
        work = np.where(grow == "kept", 1, _RANKS) * compute / 1e3
        parts, ups = {}, {}
        for kind in ("ring", "central"):
            fixed = {"n_bytes": n_bytes, "collective": kind}
            parts[kind] = _parts(work, fixed, link)
            total = np.sum(list(parts[kind].values()), axis=0)
            ups[kind] = (_RANKS if grow == "grown" else 1) * total[0] / total
        below = np.zeros(len(_RANKS))
        for name, band in bands.items():
            above = below + parts[collective][name] / (compute / 1e3)
            band.set_verts([np.column_stack([[*_RANKS, *_RANKS[::-1]], [*below, *above[::-1]]])])
            below = above
        up = ups[collective]
        ring.set_data(_RANKS, ups["ring"])
        central.set_data(_RANKS, ups["central"])
        top = int(np.argmax(up))
        best.set_data([_RANKS[top]], [up[top]])
        here.set_data([size], [up[size - 1]])
        there.set_data([size, size], [0, 1.6])
        spent = sum(parts[collective][name][size - 1] for name in ("bytes", "latency"))
        share = spent / below[size - 1] / (compute / 1e3)
        return (
            f"K = {size}: {below[size - 1] * compute:.3g} ms a step, {share:.0%} of it "
            f"spent on sending; speed-up {up[size - 1]:.3g}. The best of these K is "
            f"{_RANKS[top]}, with {up[top]:.3g}."
        )

    return LiveFigure(
        "speed-up",
        figure=figure,
        moving=(*bands.values(), there, ideal, ring, central, best, here),
        controls={
            "collective": choice("collective", "ring", {"ring": "ring", "central": "central"}),
            "grow": choice("the batch", "kept", {"kept": "is kept", "grown": "grows with K"}),
            "compute": log_slider("computing, ms", 100.0, 1.0, 1000.0),
            "megabytes": log_slider("gradients, MB", 10.0, 0.01, 1000.0),
            "latency": log_slider("latency, µs", 10**1.5, 1.0, 10**3.5),
            "bandwidth": log_slider("bandwidth, GB/s", 1.0, 0.1, 100.0),
            "size": slider("ranks K", 8, 1, 64, 1),
        },
        draw=draw,
    )


def _parts(work: Array, fixed: dict[str, Any], link: Link) -> dict[str, Array]:
    """Return the seconds of computing, bytes and latency for each number of ranks."""

    def seconds(compute: Sequence[float] | Array, link: Link) -> Array:
        pairs = zip(_RANKS.tolist(), compute, strict=True)
        return np.array([step_seconds(k, compute=c, link=link, **fixed) for k, c in pairs])

    nothing = np.zeros(len(_RANKS))
    return {
        "computing": seconds(work, _FREE),
        "bytes": seconds(nothing, link._replace(latency=0.0)),
        "latency": seconds(nothing, link._replace(bandwidth=float("inf"))),
    }
