"""The answers of unit 06 that the library has in another form, and its drawn cases."""

import math

import numpy as np
import pytest

from course import activations
from course.checking.judge import draw_cases
from course.diagnostics import dead_fraction
from course.exercises import activations as unit

SEEDS = range(20)
ALONE = (
    "heaviside",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "silu",
    "gelu",
    "mish",
)


@pytest.mark.parametrize("name", ALONE)
def test_the_second_result_is_the_derivative_of_the_first(name):
    x = np.concatenate([np.linspace(-4, -0.1, 40), np.linspace(0.1, 4, 40)])
    function = getattr(unit, name)
    rise = (function(x + 1e-5)[0] - function(x - 1e-5)[0]) / 2e-5
    np.testing.assert_allclose(function(x)[1], rise, atol=1e-8)


def test_the_constants_are_the_librarys_at_variance_1():
    assert unit.selu_constants() == pytest.approx(activations.selu_constants(), rel=1e-12)


@pytest.mark.parametrize("variance", [0.4, 1.0, 1.7])
def test_the_constants_hold_a_fixed_point_at_any_variance(variance):
    alpha, scale = unit.selu_constants(variance=variance)
    z = np.linspace(-10, 10, 200_001)
    weights = np.exp(-(z**2) / 2)
    y = scale * activations.elu(math.sqrt(variance) * z, alpha=alpha)
    mean = weights @ y / weights.sum()
    assert mean == pytest.approx(0, abs=1e-8)
    assert weights @ y**2 / weights.sum() == pytest.approx(variance, rel=1e-8)


def test_random_slopes_are_the_librarys():
    x = np.random.default_rng(0).normal(size=(3, 4))
    y, slope = unit.rrelu(x, rng=np.random.default_rng(5), lower=0.2, upper=0.6)
    same = np.random.default_rng(5)
    np.testing.assert_array_equal(y, activations.rrelu(x, rng=same, lower=0.2, upper=0.6))
    np.testing.assert_allclose(slope, np.where(x > 0, 1, y / x))
    np.testing.assert_allclose(unit.rrelu(x)[0], activations.rrelu(x))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", unit.UNIT.exercises, ids=lambda exercise: exercise.name)
def test_every_array_of_numbers_has_both_signs(exercise, seed):
    for case in draw_cases(exercise, seed):
        if "x" in case.inputs:
            x = case.inputs["x"]
            assert (x < 0).any()
            assert (x > 0).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shares_of_dead_units_are_those_of_the_titles(seed):
    shares = [dead_fraction(c.inputs["activations"]) for c in draw_cases(unit.DEAD_FRACTION, seed)]
    assert shares == [2 / 7, 1 / 4, 1 / 6, 1 / 8]


@pytest.mark.parametrize("seed", SEEDS)
def test_large_numbers_overflow_the_exponential_in_every_case(seed):
    for exercise in (unit.SIGMOID, unit.TANH, unit.ELU, unit.SELU, unit.SILU, unit.MISH):
        case = next(c for c in draw_cases(exercise, seed) if c.part == "large")
        x = case.inputs["x"] * case.inputs["hyper"].get("beta", 1.0)
        with np.errstate(over="ignore"):
            assert np.isinf(np.exp(x)).any()
            assert np.isinf(np.exp(-x)).any()
