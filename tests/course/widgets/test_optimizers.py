"""Every live figure of unit 03 really draws over the whole range of each of its controls."""

import inspect

import ipywidgets
import numpy as np
import pytest

from course.surfaces import BOWL, SURFACES, descend
from course.widgets import optimizers as unit
from course.widgets._live import LiveFigure

FIGURES = [
    unit.path_explorer,
    unit.race,
    unit.terminal_velocity,
    unit.bias_correction,
    unit.noisy_gradients,
]


@pytest.fixture(scope="module", params=FIGURES, ids=lambda figure: figure.__name__)
def live(request):
    return request.param()


@pytest.fixture(autouse=True)
def _as_it_was_at_first(request):
    if "live" in request.fixturenames:
        request.getfixturevalue("live").reset()


def positions(control):
    """Return the ends and the middle of a control's range, or all of its options."""
    if isinstance(control, ipywidgets.Dropdown):
        return [value for _, value in control.options]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [float(10**power) for power in np.linspace(control.min, control.max, 3)]
    kind = int if isinstance(control, ipywidgets.IntSlider) else float
    return [kind(value) for value in np.linspace(control.min, control.max, 3)]


def in_use(live):
    return {
        name: control for name, control in live.controls.items() if control.layout.display != "none"
    }


def test_every_position_of_every_control_draws(live):
    for name, control in in_use(live).items():
        pictures = []
        for value in positions(control):
            text = live.update(**{name: value})
            assert text
            assert "nan" not in text
            assert control.value == pytest.approx(value) if name != "surface" else value
            pictures.append(bytes(live.image.value))
        live.reset()
        assert len(set(pictures)) == len(pictures), f"{name} does not change the picture"


def test_extremes_together_draw(live):
    """All controls at their low end, and all at their high end."""
    for end in (0, -1):
        text = live.update(**{name: positions(c)[end] for name, c in live.controls.items()})
        assert "nan" not in text
        assert live.pixels().std() > 0


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("rule", unit.RULES)
def test_the_explorer_draws_every_rule_on_every_surface(explorer, surface, rule):
    explorer.reset()
    before = bytes(explorer.image.value)
    for lr in (1e-4, 0.03, 10.0):
        text = explorer.update(surface=surface, rule=rule, lr=lr)
        assert text.startswith(("After", "Diverged"))
    assert bytes(explorer.image.value) != before


@pytest.fixture(scope="module")
def explorer():
    return unit.path_explorer()


def test_controls_have_labels_and_live_sliders(live):
    for name, control in live.controls.items():
        assert control.description, f"{name} has no label"
        assert getattr(control, "continuous_update", True), f"{name} waits for the mouse"
        assert any(control is child for child in live.children[-1].children)


def test_a_turn_of_a_control_redraws_once(live, monkeypatch):
    name, control = next((n, c) for n, c in in_use(live).items() if hasattr(c, "max"))
    drawn = []
    monkeypatch.setattr(live, "_draw", lambda **values: drawn.append(values) or "drawn")
    control.value = control.max if control.value != control.max else control.min
    assert len(drawn) == 1
    assert drawn[0][name] == control.value
    assert "drawn" in live.readout.value


def test_reset_brings_the_first_picture_back(live):
    first = bytes(live.image.value)
    for name, control in in_use(live).items():
        live.update(**{name: positions(control)[0]})
    live.reset_button.click()
    assert bytes(live.image.value) == first


def test_nothing_is_clipped_at_the_edge(live):
    """The outermost pixels are background: no text or line runs out of the picture."""
    picture = live.pixels()
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()


def test_text_is_large_enough_to_read(live):
    axes = live.figure.axes
    legends = [legend for a in axes if (legend := a.get_legend())] + live.figure.legends
    texts = [text for a in axes for text in (a.title, a.xaxis.label, a.yaxis.label)]
    texts += [tick for a in axes for tick in a.get_xticklabels() + a.get_yticklabels()]
    texts += [text for legend in legends for text in legend.get_texts()]
    assert all(text.get_fontsize() >= 10 for text in texts)
    for a in axes:
        assert a.get_xlabel()
        assert a.get_ylabel()


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
    with pytest.raises(TypeError, match="has no control 'speed'"):
        live.update(speed=1)


def test_only_the_controls_of_the_chosen_rule_are_shown(explorer):
    for rule, shown in {
        "sgd": {"lr"},
        "momentum": {"lr", "momentum"},
        "rmsprop": {"lr", "rho"},
        "adamw": {"lr", "beta1", "beta2", "weight_decay"},
    }.items():
        explorer.update(rule=rule)
        assert set(in_use(explorer)) == {"surface", "rule", "x", "y", "step"} | shown


def test_another_surface_moves_the_start(explorer):
    for name, surface in SURFACES.items():
        explorer.update(surface=name)
        assert (explorer.controls["x"].value, explorer.controls["y"].value) == surface.start
        explorer.update(surface=name, x=surface.view[1])
        assert explorer.controls["x"].value == surface.view[1]
        explorer.update(x=surface.start[0])


def test_the_scene_is_drawn_only_when_its_controls_turn(monkeypatch):
    explorer = unit.path_explorer()
    scenes = []
    scene = explorer._scene
    monkeypatch.setattr(explorer, "_scene", lambda **v: (scenes.append(v), scene(**v)))
    explorer.update(lr=0.02)
    explorer.update(x=1.0)
    assert scenes == []
    explorer.update(surface="beale")
    assert scenes == [{"surface": "beale"}]


def test_divergence_is_read_out(explorer):
    explorer.reset()
    assert "Diverged" in explorer.update(surface="valley", rule="sgd", lr=0.1)
    assert "After 150 steps" in explorer.update(lr=0.01)


def test_the_best_rate_is_the_best_of_the_grid():
    from course.optimizers import sgd

    valley = SURFACES["valley"]
    ends = {}
    for lr in unit.RATES:
        walk = descend(sgd, valley, valley.start, unit.STEPS, lr=lr)
        ends[lr] = np.inf if walk.diverged else valley.value(*walk.points[-15:].T).max()
    assert unit.best_rate("sgd", "valley") == min(ends, key=ends.get)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("lr", [0.05, 0.5])
def test_the_predicted_floor_is_where_noisy_walks_settle(lr, momentum):
    from course.optimizers import momentum as rule

    rng = np.random.default_rng(0)
    theta, state, seen = np.zeros(20_000), None, []
    for step in range(400):
        gradient = theta + 0.7 * rng.standard_normal(theta.shape)
        theta, state = rule(theta, gradient, state, lr=lr, momentum=momentum)
        if step >= 300:
            seen.append(np.mean(theta**2))
    # two coordinates with ½θ² each: the mean loss is the variance of one
    assert np.mean(seen) == pytest.approx(unit.stationary_loss(0.7, lr, momentum), rel=0.03)
    assert BOWL.value(1.0, 1.0) == 1.0


def test_every_figure_is_exported_and_tested():
    offered = [getattr(unit, name) for name in unit.__all__]
    makers = [f for f in offered if inspect.isfunction(f) and not inspect.signature(f).parameters]
    assert set(makers) == set(FIGURES)
    assert all(isinstance(figure(), LiveFigure) for figure in FIGURES)
