"""Every live figure of unit 04 really draws over the whole range of each of its controls."""

import inspect

import ipywidgets
import numpy as np
import pytest

from course import schedulers
from course.widgets import schedules as unit
from course.widgets._live import LiveFigure

FIGURES = [unit.schedule_explorer, unit.range_test_explorer, unit.early_stopping_explorer]


@pytest.fixture(scope="module", params=FIGURES, ids=lambda figure: figure.__name__)
def live(request):
    return request.param()


@pytest.fixture(scope="module")
def explorer():
    return unit.schedule_explorer()


@pytest.fixture(autouse=True)
def _as_it_was_at_first(request):
    for name in ("live", "explorer"):
        if name in request.fixturenames:
            request.getfixturevalue(name).reset()


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


def turn(live, name):
    """Turn a control to each of its positions and return the pictures."""
    pictures = set()
    for value in positions(live.controls[name]):
        text = live.update(**{name: value})
        assert text
        assert "nan" not in text
        pictures.add(bytes(live.image.value))
    return pictures


def test_every_position_of_every_control_draws(live):
    for name, control in in_use(live).items():
        # A δ may be too small to change what is kept: two pictures show that it is heard.
        least = 2 if name == "min_delta" else len(positions(control))
        assert len(turn(live, name)) >= least, f"{name} does not change the picture"
        live.reset()


@pytest.mark.parametrize("schedule", unit.SCHEDULES)
def test_every_control_of_every_schedule_draws(explorer, schedule):
    explorer.update(schedule=schedule)
    for name in set(in_use(explorer)) - {"schedule"}:
        explorer.reset()
        explorer.update(schedule=schedule)
        assert len(turn(explorer, name)) >= 2, f"{name} does not change the picture"


def test_extremes_together_draw(live):
    for end in (0, -1):
        text = live.update(**{name: positions(c)[end] for name, c in live.controls.items()})
        assert "nan" not in text
        assert live.pixels().std() > 0


def test_controls_have_labels_and_live_sliders(live):
    for name, control in live.controls.items():
        assert control.description, f"{name} has no label"
        assert getattr(control, "continuous_update", True), f"{name} waits for the mouse"


def test_reset_brings_the_first_picture_back(live):
    first = bytes(live.image.value)
    for name, control in in_use(live).items():
        live.update(**{name: positions(control)[0]})
    live.reset_button.click()
    assert bytes(live.image.value) == first


def test_nothing_is_clipped_at_the_edge(live):
    picture = live.pixels()
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()


def test_text_is_large_enough_to_read(live):
    axes = live.figure.axes
    legends = [legend for a in axes if (legend := a.get_legend())]
    texts = [text for a in axes for text in (a.title, a.xaxis.label, a.yaxis.label)]
    texts += [tick for a in axes for tick in a.get_xticklabels() + a.get_yticklabels()]
    texts += [text for legend in legends for text in legend.get_texts()]
    assert all(text.get_fontsize() >= 10 for text in texts)
    assert all(a.get_xlabel() and a.get_ylabel() for a in axes)


def test_lines_that_share_axes_differ_in_more_than_colour(live):
    for axes in live.figure.axes:
        looks = [
            (line.get_linestyle(), line.get_linewidth(), line.get_marker(), line.get_markersize())
            for line in axes.lines
        ]
        assert len(set(looks)) == len(looks)


def test_only_the_controls_of_the_chosen_schedule_are_shown(explorer):
    for schedule, shown in {
        "constant": set(),
        "step": {"factor", "every"},
        "piecewise_constant": {"factor", "every"},
        "exponential": {"k"},
        "power": {"s", "c"},
        "one_cycle": {"steps", "rise", "div_factor"},
        "cosine_restarts": {"cycle", "growth"},
        "plateau": {"factor", "patience"},
    }.items():
        explorer.update(schedule=schedule)
        assert set(in_use(explorer)) == {"schedule", "lr", "warm", "noise", "seed"} | shown


def shown_rates(explorer):
    return explorer.figure.axes[0].lines[0].get_ydata()


def test_the_rates_shown_are_the_librarys(explorer):
    explorer.update(schedule="step", lr=0.1, every=50, factor=0.5)
    expected = [schedulers.step(t, lr=0.1, factor=0.5, every=50) for t in range(300)]
    np.testing.assert_allclose(shown_rates(explorer), expected)
    explorer.update(schedule="cosine", lr=0.05, steps=200, warm=50)
    plain = [schedulers.cosine(t, lr=0.05, steps=200) for t in range(250)]
    np.testing.assert_allclose(shown_rates(explorer)[50:], np.maximum(plain, 1e-9))
    np.testing.assert_allclose(shown_rates(explorer)[25], 0.025)


def test_a_plateau_cuts_its_rate_and_waits_for_the_warm_up(explorer):
    explorer.update(schedule="plateau", factor=0.5, patience=1)
    rates = shown_rates(explorer)
    assert rates[0] == 0.05
    assert rates[-1] < 0.03
    halvings = -np.log2(rates[rates > 1e-8] / 0.05)
    np.testing.assert_allclose(halvings, np.round(halvings), atol=1e-9)
    assert len(np.unique(np.round(halvings))) > 3
    explorer.update(warm=150, noise=3.0)
    np.testing.assert_allclose(shown_rates(explorer)[:150], 0.05 * np.arange(150) / 150, atol=1e-8)


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_expected_losses_are_the_mean_of_many_runs(noise):
    rates = np.array([schedulers.inverse_time(t, lr=0.08, k=0.05) for t in range(60)])
    exact = unit.expected_losses(rates, noise)
    runs = [
        unit.noisy_losses(
            lambda t, loss: rates[t], noise, np.random.default_rng(seed), steps=len(rates)
        )[1]
        for seed in range(400)
    ]
    np.testing.assert_allclose(np.mean(runs, axis=0), exact, rtol=0.25 if noise else 1e-9)


def test_the_floor_of_a_constant_rate_is_the_formulas():
    lr, noise = 0.05, 1.5
    floors = lr * noise**2 / (unit.CURVATURES * (2 - lr * unit.CURVATURES))
    exact = unit.expected_losses(np.full(2000, lr), noise)[-1]
    assert exact == pytest.approx(0.5 * unit.CURVATURES @ floors)


def test_beyond_the_edge_the_loss_leaves_the_picture(explorer):
    text = explorer.update(schedule="constant", lr=0.2)
    assert float(text.rsplit(" ", 1)[1].rstrip(".")) > 100


def test_the_range_test_marks_the_rate_it_names():
    live = unit.range_test_explorer()
    for rule in unit.RANGE_RULES:
        live.update(rule=rule, divide=10.0)
        curve, low, mark = live.figure.axes[0].lines
        lowest = curve.get_xdata()[np.argmin(curve.get_ydata())]
        assert low.get_xdata()[0] == lowest
        assert mark.get_xdata()[0] == pytest.approx(lowest / 10)
        assert live.figure.axes[1].lines[1].get_xdata()[0] == mark.get_xdata()[0]


@pytest.mark.parametrize(
    ("patience", "min_delta", "expected"),
    [
        (1, 0.0, (2, 1)),
        (2, 0.0, (3, 1)),
        (3, 0.0, (6, 4)),
        (9, 0.0, (6, 4)),
        (2, 0.3, (3, 1)),
        (9, 0.9, (6, 0)),
    ],
)
def test_the_stopping_point_is_where_patience_ends(patience, min_delta, expected):
    losses = np.array([1.0, 0.6, 0.7, 0.65, 0.5, 0.8, 0.9])
    assert unit.stopping_point(losses, patience, min_delta) == expected


def test_every_figure_is_exported_and_tested():
    offered = [getattr(unit, name) for name in unit.__all__]
    makers = [f for f in offered if inspect.isfunction(f) and not inspect.signature(f).parameters]
    assert set(makers) == set(FIGURES)
    assert all(isinstance(figure(), LiveFigure) for figure in FIGURES)
