"""Live figures: what stays is drawn once, what moves is drawn on top at each turn of a control.

A unit's module makes a figure with `canvas`, its controls with `slider`, `log_slider` and `choice`,
and hands both to `LiveFigure` with a function that moves the artists.
"""

from __future__ import annotations

import inspect
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise, product
from typing import Any

import ipywidgets as widgets
import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from course.widgets.style import STYLE

__all__ = ["LiveFigure", "canvas", "choice", "log_slider", "set_range", "slider"]

CSS_DPI = 96
PIXELS_PER_CSS_PIXEL = 1.25  # sharp on a dense screen, and still fast to encode
KEPT_SCENES = 12  # 2 MB each

Pixels = np.ndarray[Any, Any]


def canvas(width: float, height: float, columns: Sequence[float]) -> tuple[Figure, list[Any]]:
    """Return a figure of this size in inches and its axes in a row, of these relative widths."""
    with mpl.rc_context(STYLE):
        figure = Figure((width, height), dpi=CSS_DPI * PIXELS_PER_CSS_PIXEL, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(columns), width_ratios=list(columns), squeeze=False)
    return figure, list(axes[0])


def slider(label: str, value: float, low: float, high: float, step: float) -> widgets.Widget:
    """Return a slider for a number, an integer where all its values are integers."""
    whole = all(isinstance(number, int) for number in (value, low, high, step))
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    digits = {} if whole else {"readout_format": f".{_decimals(step)}f"}
    return kind(value=value, min=low, max=high, step=step, description=label, **digits, **_LABELLED)


def log_slider(label: str, value: float, low: float, high: float) -> widgets.Widget:
    """Return a slider over powers of ten, in steps of a twentieth, for a rate."""
    return widgets.FloatLogSlider(
        value=value,
        min=np.log10(low),
        max=np.log10(high),
        step=0.05,
        description=label,
        readout_format=".3g",
        **_LABELLED,
    )


def choice(label: str, value: str, options: Mapping[str, str]) -> widgets.Widget:
    """Return a menu that shows the values of ``options`` and stands for their keys."""
    return widgets.Dropdown(
        value=value,
        options=[(shown, key) for key, shown in options.items()],
        description=label,
        **_LABELLED,
    )


class LiveFigure(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A picture, a line of text that reads it out, its controls and a button that resets them.

    Where the axes stand is settled once, with room for every scene. Of a new scene only the axes
    that it changed are drawn, and the last few scenes are kept.

    Args:
        title: a few words that say what the figure is.
        figure: made by `canvas`.
        moving: the artists that ``draw`` changes.
        controls: the controls by the names of the arguments that they feed.
        draw: ``draw(**values)`` moves the artists and returns the line of text.
        scene: ``scene(**values)`` draws what stays; run again only when one of the controls that
            its parameters name has changed. It may set other controls.
        play: the name of an integer control that a play button shall run through.
        pace: the milliseconds that the play button leaves between two pictures.
    """

    def __init__(
        self,
        title: str,
        *,
        figure: Figure,
        moving: Iterable[Artist],
        controls: Mapping[str, widgets.Widget],
        draw: Callable[..., str],
        scene: Callable[..., None] | None = None,
        play: str | None = None,
        pace: int = 80,
    ) -> None:
        self.title = title
        self.figure = figure
        self.controls = dict(controls)
        self._moving = tuple(moving)
        self._draw = draw
        self._scene = scene or (lambda: None)
        self._scene_needs = tuple(inspect.signature(self._scene).parameters)
        self._scene_shown: tuple[Any, ...] | None = None
        self._backgrounds: dict[tuple[Any, ...], Any] = {}
        self._quiet = False
        for artist in self._moving:
            artist.set_animated(True)

        self.image = widgets.Image(format="png", layout=_picture_layout(figure))
        self.readout = widgets.HTML(layout=widgets.Layout(min_height="1.6em", margin="0 0 4px 0"))
        self.reset_button = widgets.Button(
            description="Reset", icon="undo", tooltip="Put every control back where it was"
        )
        self.reset_button.on_click(lambda _: self.reset())
        for control in self.controls.values():
            control.observe(self._on_change, names="value")
        panel = widgets.HBox(
            [*self.controls.values(), *self._players(play, pace), self.reset_button],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        # As wide as the page lets it be: the picture shrinks with a narrow window.
        whole = widgets.Layout(width="100%", overflow="hidden")
        super().__init__([self.image, self.readout, panel], layout=whole)
        self._settle()
        self.update()
        self._defaults = {name: control.value for name, control in self.controls.items()}
        self._draw_ahead()

    def update(self, **values: Any) -> str:
        """Set these controls, draw once, and return the line of text."""
        unknown = sorted(set(values) - set(self.controls))
        if unknown:
            raise TypeError(f"{self!r} has no control {unknown[0]!r}.")
        scene_first = sorted(values, key=lambda name: name not in self._scene_needs)
        with self._quietly():
            for name in scene_first:
                if name not in self._scene_needs:
                    self._show_scene()
                self.controls[name].value = values[name]
        return self._refresh()

    def reset(self) -> None:
        """Put every control back to where it was at first."""
        self.update(**self._defaults)

    def pixels(self) -> Pixels:
        """Return the picture as an array of shape (rows, columns, 3)."""
        with Image.open(BytesIO(self.image.value)) as picture:
            return np.asarray(picture)

    def _players(self, name: str | None, pace: int) -> list[widgets.Widget]:
        if name is None:
            return []
        control = self.controls[name]
        player = widgets.Play(
            value=control.value, min=control.min, max=control.max, step=control.step, interval=pace
        )
        self._links = (
            widgets.jslink((player, "value"), (control, "value")),
            widgets.dlink((control, "max"), (player, "max")),  # a scene may change the range
        )
        return [player]

    def _on_change(self, _: Any) -> None:
        if not self._quiet:
            self._refresh()

    def _refresh(self) -> str:
        with self._quietly():
            self._show_scene()
            text = self._draw(**{name: control.value for name, control in self.controls.items()})
        self.image.value = self._picture()
        self.readout.value = f"<span style='font-size: 14px'>{text}</span>"
        return text

    def _show_scene(self) -> None:
        values = {name: self.controls[name].value for name in self._scene_needs}
        shown = tuple(values.values())
        if shown == self._scene_shown:
            return
        with mpl.rc_context(STYLE):
            self._scene(**values)
            known = self._backgrounds.pop(shown, None)
            self._background = self._drawn() if known is None else known
        self._scene_shown, self._backgrounds[shown] = shown, self._background
        if len(self._backgrounds) > KEPT_SCENES:
            del self._backgrounds[next(iter(self._backgrounds))]  # the one not seen for longest

    def _settle(self) -> None:
        """Give each axes the place that it can have in every scene, and columns of its own."""
        scenes = product(*(_extremes(self.controls[name]) for name in self._scene_needs))
        with mpl.rc_context(STYLE), self._quietly():
            rooms = np.array([self._rooms(*values) for values in scenes])
        self.figure.set_layout_engine("none")
        low, high = rooms[:, :, 0, :2].max(axis=0), rooms[:, :, 0, 2:].min(axis=0)
        for axes, place in zip(self.figure.axes, np.hstack([low, high]), strict=True):
            axes.set_position(Bbox.from_extents(*place / np.tile(self.figure.bbox.size, 2)))
        reach = rooms[:, :, 1].max(axis=0)
        self._strips = _strips(self.figure, low[:, 0] - reach[:, 0], high[:, 0] + reach[:, 2])

    def _rooms(self, *scene: Any) -> list[Any]:
        """Lay a scene out; return each axes' place in pixels and how far its labels reach out."""
        self._scene(*scene)
        layout: Any = self.figure.get_layout_engine()
        layout.execute(self.figure)
        size = np.tile(self.figure.bbox.size, 2)
        rooms = []
        for axes in self.figure.axes:
            place = np.asarray(axes.get_position(original=True).extents) * size
            with_labels: Any = axes.get_tightbbox()
            rooms.append((place, (with_labels.extents - place) * (-1, -1, 1, 1)))
        return rooms

    def _draw_ahead(self) -> None:
        """Draw now what a menu can choose, where that is little: a choice shows at once then."""
        controls = [self.controls[name] for name in self._scene_needs]
        menus = [[value for _, value in getattr(c, "options", ())] for c in controls]
        if not 1 < math.prod(map(len, menus)) <= KEPT_SCENES:
            return
        for chosen in product(*menus):
            with self._quietly():
                for control, value in zip(controls, chosen, strict=True):
                    control.value = value
                self._show_scene()
        self.reset()

    def _drawn(self) -> Pixels:
        """Draw what stays, all of it at first and then what the scene has changed."""
        changed = [axes for axes in self.figure.axes if axes.stale]
        if self._scene_shown is not None and all(axes in self._strips for axes in changed):
            self._canvas[:] = self._background
            for axes in changed:
                self._canvas[:, self._strips[axes]] = 255
                axes.draw(self._agg.renderer)
        else:
            self._agg.draw()
        return self._canvas.copy()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let a scene or a drawing change controls without being called again for it."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _picture(self) -> bytes:
        self._canvas[:] = self._background
        for artist in self._moving:
            (artist.axes or self.figure).draw_artist(artist)
        return _png(self._canvas[:, :, :3])

    @property
    def _agg(self) -> Any:
        return self.figure.canvas

    @property
    def _canvas(self) -> Pixels:
        """What is drawn on, to be read and written, of shape (rows, columns, 4)."""
        return np.asarray(self._agg.buffer_rgba())

    def __repr__(self) -> str:
        """Return one short line: it stands for the figure where widgets cannot be shown."""
        return f"<live figure: {self.title}>"


_LABELLED: dict[str, Any] = {
    "style": {"description_width": "110px"},
    "layout": {"width": "400px", "margin": "2px 12px 2px 0"},
}


def set_range(control: widgets.Widget, low: float, high: float, value: float) -> None:
    """Give a slider another range and value."""
    control.min = min(low, control.min)  # the ends may never cross on the way
    control.max = high
    control.min = low
    control.value = value


def _extremes(control: widgets.Widget) -> list[Any]:
    """Return where a control can stand: all that a menu offers, the ends of a slider."""
    if isinstance(control, widgets.FloatLogSlider):
        return [control.base**control.min, control.base**control.max]
    if hasattr(control, "options"):
        return [value for _, value in control.options]
    return [control.min, control.max] if hasattr(control, "min") else [False, True]


def _strips(figure: Figure, left: Any, right: Any) -> dict[Any, slice]:
    """Return the columns of pixels that belong to each axes alone; nothing where axes overlap."""
    row = np.argsort(left)
    gaps = [(right[one], left[other]) for one, other in pairwise(row)]
    if figure.legends or figure.texts or any(end > start for end, start in gaps):
        return {}
    edges = [0, *(round((end + start) / 2) for end, start in gaps), None]
    columns = [slice(*edge) for edge in pairwise(edges)]
    return {figure.axes[index]: strip for index, strip in zip(row, columns, strict=True)}


def _png(pixels: Pixels) -> bytes:
    """Encode at once, without the filters that make a smaller file at twice the time."""
    rows, columns, _ = pixels.shape
    lines = np.zeros((rows, 1 + 3 * columns), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(rows, -1)
    header = struct.pack(">2I5B", columns, rows, 8, 2, 0, 0, 0)  # 8 bits, three colours
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _decimals(step: float) -> int:
    return max(0, -int(np.floor(np.log10(step))))


def _picture_layout(figure: Figure) -> widgets.Layout:
    width = figure.get_figwidth() * CSS_DPI
    return widgets.Layout(width=f"{width:.0f}px", max_width="100%", object_fit="contain")
