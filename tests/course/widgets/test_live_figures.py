"""What holds for every live figure of every unit: it draws, reads well, and comes back."""

import inspect
import itertools
import re

import matplotlib as mpl
import numpy as np
import pytest

from course.widgets._live import LiveFigure
from course.widgets.style import STYLE
from live_figures import in_use, makers, modules, positions, returns_a_figure

FEWER_PICTURES = {  # controls whose ends may look alike, and why
    ("early_stopping_explorer", "min_delta"): "a δ may be too small to change what is kept",
}


MAKERS = makers()


@pytest.fixture(scope="module", params=MAKERS.values(), ids=MAKERS)
def live(request):
    figure = request.param()
    figure.name = request.param.__name__
    return figure


@pytest.fixture(autouse=True)
def _as_it_was_at_first(request):
    if "live" in request.fixturenames:
        request.getfixturevalue("live").reset()


def turn(live, name):
    """Turn a control to each of its positions and return the pictures."""
    pictures = []
    for value in positions(live.controls[name]):
        text = live.update(**{name: value})
        assert text
        assert not re.search(r"\b(nan|inf)\b", text)
        pictures.append(bytes(live.image.value))
    return pictures


def edges(live):
    picture = live.pixels()
    return picture[0], picture[-1], picture[:, 0], picture[:, -1]


def test_every_unit_has_figures():
    assert len(MAKERS) >= 19
    assert all(isinstance(maker(), LiveFigure) for maker in list(MAKERS.values())[:2])


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_a_module_offers_all_its_figures(module):
    """One that `__all__` does not name would be tested by nobody."""
    made = {
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and returns_a_figure(value)
    }
    hidden = sorted(made - set(module.__all__))
    assert not hidden, f"name {hidden} in __all__ of {module.__name__}"


def test_every_position_of_every_control_draws(live):
    for name in in_use(live):
        pictures = turn(live, name)
        live.reset()
        different = len(set(pictures))
        if (live.name, name) in FEWER_PICTURES:
            assert different >= 2, f"{name} does not change the picture"
        else:
            assert different == len(pictures), f"{name} does not change the picture"


def test_every_slider_draws_under_every_choice(live):
    choices = [name for name, control in in_use(live).items() if hasattr(control, "options")]
    for choice in choices:
        for value in positions(live.controls[choice]):
            live.reset()
            live.update(**{choice: value})
            for name in set(in_use(live)).difference(choices):
                first = live.controls[name].value
                turn(live, name)
                live.update(**{name: first})


def test_extremes_together_draw(live):
    for end in (0, -1):
        text = live.update(**{name: positions(c)[end] for name, c in live.controls.items()})
        assert not re.search(r"\b(nan|inf)\b", text)
        assert live.pixels().std() > 0


def test_nothing_is_clipped_at_the_edge(live):
    for choice in [None, *(name for name, c in in_use(live).items() if hasattr(c, "options"))]:
        for value in positions(live.controls[choice]) if choice else [None]:
            live.reset()
            live.update(**({choice: value} if choice else {}))
            for edge in edges(live):
                assert (edge == 255).all(), f"something is cut off with {choice} = {value}"


def test_a_new_scene_is_what_a_whole_drawing_shows(live):
    for name in live._scene_needs:
        for value in positions(live.controls[name]):
            live.update(**{name: value})
            shown = live._background
            with mpl.rc_context(STYLE):
                live._agg.draw()
            assert np.array_equal(shown, live._canvas), f"{name} = {value} leaves something old"


def test_axes_have_room_for_every_scene(live):
    for name in live._scene_needs or [None]:
        for value in positions(live.controls[name]) if name else [None]:
            live.update(**({name: value} if name else {}))
            boxes = sorted((axes.get_tightbbox() for axes in live.figure.axes), key=lambda b: b.x0)
            for one, other in itertools.pairwise(boxes):
                assert one.x1 <= other.x0, f"axes overlap with {name} = {value}"


def test_controls_have_labels_and_live_sliders(live):
    assert live.controls, "a live figure without a control is a picture"
    for name, control in live.controls.items():
        assert control.description, f"{name} has no label"
        assert getattr(control, "continuous_update", True), f"{name} waits for the mouse"


def test_a_turn_of_a_control_redraws_once(live, monkeypatch):
    drawn = []
    monkeypatch.setattr(live, "_picture", lambda: drawn.append(1) or live.image.value)
    name, control = next(iter(in_use(live).items()))
    control.value = next(v for v in positions(control) if v != control.value)
    assert len(drawn) == 1, f"{name} redraws {len(drawn)} times"


def test_reset_brings_the_first_picture_back(live):
    first = bytes(live.image.value)
    for name, control in in_use(live).items():
        live.update(**{name: positions(control)[0]})
    live.reset_button.click()
    assert bytes(live.image.value) == first


def test_text_is_large_enough_to_read_and_axes_are_named(live):
    for axes in live.figure.axes:
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        texts += axes.get_xticklabels() + axes.get_yticklabels()
        texts += axes.get_legend().get_texts() if axes.get_legend() else []
        assert all(text.get_fontsize() >= 10 for text in texts)
        assert axes.get_xlabel()
        assert axes.get_ylabel()


def test_lines_that_share_axes_differ_in_more_than_colour(live):
    for axes in live.figure.axes:
        looks = [
            (
                line.get_linestyle(),
                line.get_linewidth(),
                line.get_marker(),
                line.get_markersize(),
                line.get_fillstyle(),
            )
            for line in axes.lines
        ]
        assert len(set(looks)) == len(looks)


def test_it_stands_for_itself_in_one_stable_line(live):
    shown = live._repr_mimebundle_()
    assert shown["text/plain"] == repr(live) == f"<live figure: {live.title}>"


def test_an_unknown_control_is_refused(live):
    with pytest.raises(TypeError, match="has no control 'colour'"):
        live.update(colour="red")
