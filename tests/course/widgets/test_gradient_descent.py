"""The figures of unit 02 show what they say, and their predictions are true."""

import itertools

import numpy as np
import pytest

from course.data import diabetes
from course.diagnostics import check_gradient, numerical_gradient
from course.optimizers import sgd
from course.surfaces import BARRIER, descend
from course.widgets import gradient_descent as unit

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
