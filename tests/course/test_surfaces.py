"""Surfaces: gradients are slopes, minima are minima; walks say when they ran away."""

import numpy as np
import pytest

from course import optimizers
from course.surfaces import BOWL, FAR_AWAY, RAVINE, SURFACES, VALLEY, Surface, descend, noisy

ALL = list(SURFACES.values())
NAMES = list(SURFACES)


def points_in_view(surface, rng, count=50):
    x_min, x_max, y_min, y_max = surface.view
    return np.column_stack([rng.uniform(x_min, x_max, count), rng.uniform(y_min, y_max, count)])


@pytest.mark.parametrize("surface", ALL, ids=NAMES)
def test_gradient_is_the_slope_of_the_value(surface):
    h = 1e-6
    for theta in [*points_in_view(surface, np.random.default_rng(0)), np.array(surface.start)]:
        slopes = [
            (surface.value(*(theta + step)) - surface.value(*(theta - step))) / (2 * h)
            for step in h * np.eye(2)
        ]
        gradient = surface.gradient(theta)
        assert gradient.shape == (2,)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("surface", ALL, ids=NAMES)
def test_nothing_in_view_is_lower_than_the_minima(surface):
    x_min, x_max, y_min, y_max = surface.view
    heights = surface.value(
        *np.meshgrid(np.linspace(x_min, x_max, 301), np.linspace(y_min, y_max, 301))
    )
    assert heights.shape == (301, 301)
    assert heights.min() >= surface.lowest - 1e-12
    for minimum in surface.minima:
        np.testing.assert_allclose(surface.gradient(np.array(minimum)), 0, atol=1e-12)
        assert surface.value(*minimum) == pytest.approx(surface.lowest, abs=1e-12)
        assert surface.distance(minimum) == 0


@pytest.mark.parametrize("surface", ALL, ids=NAMES)
def test_a_surface_is_known_by_its_name(surface):
    assert SURFACES[surface.name] is surface
    assert surface.title


def test_ravine_is_the_turned_valley():
    hessians = [
        np.column_stack([surface.gradient(unit) for unit in np.eye(2)])
        for surface in (VALLEY, RAVINE)
    ]
    np.testing.assert_allclose(
        np.linalg.eigvalsh(hessians[0]), np.linalg.eigvalsh(hessians[1]), rtol=1e-12
    )
    assert abs(hessians[1][0, 1]) > 1
    np.testing.assert_allclose(hessians[1], hessians[1].T, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minima": ()}, "at least one point in minima"),
        ({"start": (99.0, 0.0)}, "outside the view"),
    ],
)
def test_a_bad_surface_is_refused(change, message):
    fields = {
        "name": "flat",
        "title": "flat",
        "value": lambda x, y: 0 * x,
        "gradient": np.zeros_like,
        "start": (0.0, 0.0),
        "minima": ((0.0, 0.0),),
        "view": (-1.0, 1.0, -1.0, 1.0),
    }
    with pytest.raises(ValueError, match=message):
        Surface(**(fields | change))


def test_noise_has_mean_zero_and_the_given_size():
    gradient = noisy(BOWL, 0.5, np.random.default_rng(0))
    theta, count = np.array([2.0, -1.0]), 40_000
    noise = np.array([gradient(theta) for _ in range(count)]) - BOWL.gradient(theta)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=5 * 0.5 / count**0.5)
    np.testing.assert_allclose(noise.std(axis=0), 0.5, rtol=5 / (2 * count) ** 0.5)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 5 / count**0.5


def test_noise_repeats_with_the_seed_and_vanishes_at_scale_0():
    theta = np.array([1.0, 1.0])
    first, again = (noisy(VALLEY, 1.0, np.random.default_rng(3))(theta) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(
        noisy(VALLEY, 0.0, np.random.default_rng(3))(theta), VALLEY.gradient(theta)
    )


@pytest.mark.parametrize("scale", [-1.0, float("nan")])
def test_noise_of_no_size_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be at least 0"):
        noisy(BOWL, scale, np.random.default_rng(0))


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_descend_makes_the_steps_of_the_rule(steps):
    walk = descend(optimizers.momentum, VALLEY, (1, -1), steps, lr=0.01, momentum=0.5)
    theta, state = np.array([1.0, -1.0]), None
    expected = [theta]
    for _ in range(steps):
        theta, state = optimizers.momentum(
            theta, VALLEY.gradient(theta), state, lr=0.01, momentum=0.5
        )
        expected.append(theta)
    np.testing.assert_array_equal(walk.points, expected)
    assert walk.points.shape == (steps + 1, 2)
    assert not walk.diverged


def test_descend_takes_a_bare_gradient():
    of_surface = descend(optimizers.adam, BOWL, BOWL.start, 5, lr=0.1)
    of_gradient = descend(optimizers.adam, BOWL.gradient, BOWL.start, 5, lr=0.1)
    np.testing.assert_array_equal(of_surface.points, of_gradient.points)


@pytest.mark.parametrize("surface", ALL, ids=NAMES)
@pytest.mark.parametrize("rule", ["sgd", "momentum", "nesterov"])
def test_a_walk_that_runs_away_ends_and_says_so(rule, surface):
    walk = descend(getattr(optimizers, rule), surface, surface.start, 500, lr=10.0)
    assert walk.diverged or rule == "sgd"  # the saddle's y⁴ may throw plain steps back
    assert np.isfinite(walk.points).all()
    assert np.abs(walk.points).max() <= FAR_AWAY
    if walk.diverged:
        assert len(walk.points) <= 500


@pytest.mark.parametrize(
    ("start", "steps", "message"),
    [
        ((1.0,), 5, "start must be two finite numbers"),
        ((1.0, 2.0, 3.0), 5, "start must be two finite numbers"),
        ((1.0, float("inf")), 5, "start must be two finite numbers"),
        ((1.0, 2.0), -1, "steps must be at least 0, got -1"),
    ],
)
def test_descend_refuses_bad_input(start, steps, message):
    with pytest.raises(ValueError, match=message):
        descend(optimizers.sgd, BOWL, start, steps, lr=0.1)
