"""The figures of unit 04 show what they say."""

import numpy as np
import pytest

from course import schedulers
from course.widgets import schedules as unit
from live_figures import in_use


@pytest.fixture(scope="module")
def explorer():
    return unit.schedule_explorer()


@pytest.fixture(autouse=True)
def _as_it_was_at_first(request):
    if "explorer" in request.fixturenames:
        request.getfixturevalue("explorer").reset()


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
