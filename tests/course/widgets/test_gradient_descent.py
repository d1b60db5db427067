"""Every live figure of unit 02 draws over its whole range, and its predictions are true."""

import inspect
import itertools

import ipywidgets
import numpy as np
import pytest

from course.data import diabetes
from course.diagnostics import check_gradient, numerical_gradient
from course.optimizers import sgd
from course.surfaces import BARRIER, descend
from course.widgets import gradient_descent as unit
from course.widgets._live import LiveFigure

FIGURES = [
    unit.rate_and_curvature,
    unit.batch_noise,
    unit.noise_and_barrier,
    unit.wolfe_conditions,
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


def test_every_position_of_every_control_draws_another_picture(live):
    for name, control in live.controls.items():
        pictures = set()
        for value in positions(control):
            text = live.update(**{name: value})
            assert text.endswith(".")
            assert "nan" not in text
            assert "inf" not in text
            assert control.value == pytest.approx(value) if name != "how" else value
            pictures.add(bytes(live.image.value))
        live.reset()
        assert len(pictures) == len(positions(control)), f"{name} does not change the picture"


def test_extremes_together_draw(live):
    for end in (0, -1):
        text = live.update(**{name: positions(c)[end] for name, c in live.controls.items()})
        assert "nan" not in text
        assert live.pixels().std() > 0


def test_reset_brings_the_first_picture_back(live):
    first = bytes(live.image.value)
    live.update(**{name: positions(control)[0] for name, control in live.controls.items()})
    live.reset_button.click()
    assert bytes(live.image.value) == first


def test_nothing_is_clipped_at_the_edge(live):
    picture = live.pixels()
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()


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
            (line.get_linestyle(), line.get_linewidth(), line.get_marker(), line.get_markersize())
            for line in axes.lines
        ]
        assert len(set(looks)) == len(looks)


def test_every_figure_is_exported_and_tested():
    offered = [getattr(unit, name) for name in unit.__all__]
    figures = [
        f
        for f in offered
        if inspect.isfunction(f) and inspect.signature(f).return_annotation == "LiveFigure"
    ]
    assert set(figures) == set(FIGURES)
    assert all(isinstance(figure(), LiveFigure) for figure in FIGURES)


# --- rate and curvature ----------------------------------------------------------------------


@pytest.mark.parametrize("turned", [0, 30, 45])
@pytest.mark.parametrize("condition", [1, 45, 100])
def test_the_quadratic_has_its_curvatures_and_its_gradient(condition, turned):
    surface = unit.quadratic(condition, turned)
    hessian = np.column_stack([surface.gradient(axis) for axis in np.eye(2)])
    values = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose(values, [unit.STEEPEST / condition, unit.STEEPEST])
    steep = np.array([-np.sin(np.radians(turned)), np.cos(np.radians(turned))])
    np.testing.assert_allclose(hessian @ steep, unit.STEEPEST * steep, atol=1e-12)
    assert check_gradient(lambda t: surface.value(*t), surface.gradient, np.array([1.0, 2])).passed


@pytest.mark.parametrize("turned", [0, 45])
@pytest.mark.parametrize(("share", "diverges"), [(0.99, False), (1.01, True)])
def test_the_walk_diverges_beyond_the_predicted_limit(share, diverges, turned):
    surface = unit.quadratic(45, turned)
    rate = share * 2 / unit.STEEPEST
    walk = descend(sgd, surface, surface.start, 2000, lr=rate)
    assert walk.diverged == diverges
    assert diverges or surface.distance(walk.points[-1]) < 1e-3


def test_the_read_out_passes_from_creeping_to_diverging():
    live = unit.rate_and_curvature()
    said = {lr: live.update(lr=lr) for lr in (0.01, 0.2, 0.4, 0.5)}
    assert "Steep: 0.955, creeping" in said[0.01]
    assert "Steep: 0.100, converging" in said[0.2]
    assert "Steep: -0.800, oscillating" in said[0.4]
    assert "Steep: -1.250, diverging" in said[0.5]
    assert "diverged after" in live.update(lr=1.0)
    assert "diverged after" not in live.update(step=1)


# --- batches ---------------------------------------------------------------------------------


def test_batches_without_replacement_hold_no_sample_twice():
    rng = np.random.default_rng(0)
    identity = np.eye(6)
    means = unit.batch_means(identity, 4, False, 50, rng)
    assert set(np.unique(means)) == {0.0, 0.25}
    whole = unit.batch_means(identity, 6, False, 3, rng)
    np.testing.assert_allclose(whole, 1 / 6)


def test_batches_with_replacement_hold_some_sample_twice():
    means = unit.batch_means(np.eye(6), 4, True, 50, np.random.default_rng(0))
    assert means.max() > 0.25


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("size", [1, 5, 100, 354])
def test_drawn_batches_vary_as_theory_says(size, replacement):
    grads = unit.gradients_of_two_weights()
    drawn = unit.batch_means(grads, size, replacement, 5000, np.random.default_rng(size))
    np.testing.assert_allclose(drawn.mean(axis=0), grads.mean(axis=0), atol=0.08 / size**0.5)
    theory = unit.variance_of_batches(grads, size, replacement)
    np.testing.assert_allclose(drawn.var(axis=0).sum(), theory, rtol=0.1, atol=1e-20)


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_the_variance_is_that_over_all_batches_there_are(size):
    grads = np.random.default_rng(0).normal(size=(5, 2))
    for replacement in (True, False):
        every = itertools.combinations(range(5), size)
        if replacement:
            every = itertools.product(range(5), repeat=size)
        means = np.array([grads[list(batch)].mean(axis=0) for batch in every])
        theory = unit.variance_of_batches(grads, size, replacement)
        np.testing.assert_allclose(means.var(axis=0).sum(), theory, rtol=1e-12, atol=1e-30)


def test_the_gradients_are_those_of_half_the_squared_error():
    data = diabetes()
    x, y = data.x_train[:, [2, 8]], data.y_train[:, 0]
    central = numerical_gradient(lambda theta: np.mean((x @ theta - y) ** 2) / 2, np.zeros(2))
    np.testing.assert_allclose(unit.gradients_of_two_weights().mean(axis=0), central, atol=1e-8)


# --- noise -----------------------------------------------------------------------------------


def test_the_ridge_lies_where_the_barrier_is_highest():
    x = np.linspace(1.2, 1.9, 7001)
    heights = BARRIER.value(x, np.zeros_like(x))
    assert x[np.argmax(heights)] == pytest.approx(unit.RIDGE, abs=1e-3)


def test_without_noise_no_walk_gets_over_and_all_are_the_same():
    points = unit.crowd(0.0, 0.1)
    alone = descend(sgd, BARRIER, BARRIER.start, len(points) - 1, lr=0.1).points
    np.testing.assert_allclose(points[:, :, 7], alone, atol=1e-12)
    assert (points[-1, 0] > unit.RIDGE).all()


def test_noise_gets_walks_over_the_ridge_and_has_mean_0():
    points = unit.crowd(2.0, 0.1)
    assert (points[-1, 0] < unit.RIDGE).mean() > 0.95
    np.testing.assert_allclose(points[-1].mean(axis=1), 0, atol=0.3)


# --- the Wolfe conditions --------------------------------------------------------------------


def test_the_slope_along_the_line_is_its_derivative():
    steps, h = np.linspace(0, 8, 50), 1e-6
    central = (unit.line(steps + h)[0] - unit.line(steps - h)[0]) / (2 * h)
    np.testing.assert_allclose(unit.line(steps)[1], central, atol=1e-8)


@pytest.mark.parametrize(("c1", "c2"), [(1e-4, 0.9), (0.3, 0.5)])
def test_the_figure_agrees_with_the_library_on_the_conditions(c1, c2):
    from course.line_search import wolfe

    steps = np.linspace(0.05, 8, 80)
    shown = np.transpose(unit.line_conditions(steps, c1, c2))
    for step, marks in zip(steps, shown, strict=True):
        met = wolfe(
            lambda x: unit.line(x[0])[0],
            lambda x: unit.line(x)[1],
            np.zeros(1),
            np.ones(1),
            float(step),
            c1=c1,
            c2=c2,
        )
        assert tuple(marks) == tuple(met)
    assert 0 < shown[:, 0].sum() < len(steps)
    assert shown[:, 2].sum() < shown[:, 1].sum()


def test_the_read_out_says_what_holds():
    live = unit.wolfe_conditions()
    assert "Sufficient decrease: yes, curvature: no, strong curvature: no." in live.update(step=0.1)
    assert "Sufficient decrease: no, curvature: yes, strong curvature: no." in live.update(step=8.0)
