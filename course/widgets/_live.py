"""Live figures: what stays is drawn once, what moves is drawn on top at each turn of a control.

A unit's module makes a figure with `canvas`, its controls with `slider`, `log_slider` and `choice`,
and hands both to `LiveFigure` with a function that moves the artists.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import ipywidgets as widgets
import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from course.widgets.style import STYLE

__all__ = ["LiveFigure", "canvas", "choice", "log_slider", "set_range", "slider"]

CSS_DPI = 96
PIXELS_PER_CSS_PIXEL = 1.25  # sharp on a dense screen, and still fast to encode


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

    Args:
        title: a few words that say what the figure is.
        figure: made by `canvas`.
        moving: the artists that ``draw`` changes.
        controls: the controls by the names of the arguments that they feed.
        draw: ``draw(**values)`` moves the artists and returns the line of text.
        scene: ``scene(**values)`` draws what stays; run again only when one of the controls that
            its parameters name has changed. It may set other controls.
        play: the name of an integer control that a play button shall run through.
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
    ) -> None:
        self.title = title
        self.figure = figure
        self.controls = dict(controls)
        self._moving = tuple(moving)
        self._draw = draw
        self._scene = scene or (lambda: None)
        self._scene_needs = tuple(inspect.signature(self._scene).parameters)
        self._scene_shown: dict[str, Any] | None = None
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
            [*self.controls.values(), *self._players(play), self.reset_button],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        # As wide as the page lets it be: the picture shrinks with a narrow window.
        whole = widgets.Layout(width="100%", overflow="hidden")
        super().__init__([self.image, self.readout, panel], layout=whole)
        self.update()
        self._defaults = {name: control.value for name, control in self.controls.items()}

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

    def pixels(self) -> np.ndarray[Any, Any]:
        """Return the picture as an array of shape (rows, columns, 3)."""
        with Image.open(BytesIO(self.image.value)) as picture:
            return np.asarray(picture)

    def _players(self, name: str | None) -> list[widgets.Widget]:
        if name is None:
            return []
        control = self.controls[name]
        player = widgets.Play(
            value=control.value, min=control.min, max=control.max, step=control.step, interval=80
        )
        self._link = widgets.jslink((player, "value"), (control, "value"))
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
        if values == self._scene_shown:
            return
        with mpl.rc_context(STYLE):
            self._scene(**values)
            self._agg.draw()
        self._background = self._agg.copy_from_bbox(self.figure.bbox)
        self._scene_shown = values

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let a scene or a drawing change controls without being called again for it."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _picture(self) -> bytes:
        self._agg.restore_region(self._background)
        for artist in self._moving:
            (artist.axes or self.figure).draw_artist(artist)
        file = BytesIO()
        Image.fromarray(np.asarray(self._agg.buffer_rgba())).convert("RGB").save(
            file, "PNG", compress_level=1
        )
        return file.getvalue()

    @property
    def _agg(self) -> Any:
        return self.figure.canvas

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


def _decimals(step: float) -> int:
    return max(0, -int(np.floor(np.log10(step))))


def _picture_layout(figure: Figure) -> widgets.Layout:
    width = figure.get_figwidth() * CSS_DPI
    return widgets.Layout(width=f"{width:.0f}px", max_width="100%", object_fit="contain")
