"""The figures of unit 07 show what they say."""

from itertools import pairwise

import numpy as np
import pytest

from course import activations
from course.diagnostics import numerical_gradient
from course.widgets import initialization as unit


@pytest.mark.parametrize("activation", ["identity", "tanh", "relu", "gelu"])
def test_the_way_back_is_the_gradient(activation):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in pairwise((3, 5, 4, 2))]
    x, back = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    seen = unit.send_through(weights, activation, x, lambda _: back)
    phi = getattr(activations, activation)

    def loss_from_the_first_z(z):
        return float(np.sum(back * (phi(phi(z) @ weights[1]) @ weights[2])))

    expected = numerical_gradient(loss_from_the_first_z, seen.z[0])
    np.testing.assert_allclose(seen.grad[0], expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(seen.h[-1], seen.z[-1])
    np.testing.assert_array_equal(seen.grad[-1], back)


@pytest.mark.parametrize("start", unit.STARTS)
def test_every_start_has_the_variance_that_is_predicted_from(start):
    for fans in ((300, 200), (200, 300)):
        w = unit.STARTS[start][1](fans, np.random.default_rng(0))
        assert np.var(w) == pytest.approx(unit._variance_of(start, *fans), rel=0.03)


def test_predicted_and_measured_agree_with_wide_layers():
    live = unit.signal_explorer()
    pairs = [(start, "tanh") for start in ("lecun", "xavier", "he", "orthogonal")]
    for start, activation in [*pairs, ("lecun", "selu")]:
        live.update(start=start, activation=activation, shape="equal")
        for axes in live.figure.axes:
            predicted, measured = (line.get_ydata() for line in axes.lines)
            assert len(predicted) == len(measured) == 20
            np.testing.assert_array_less(np.abs(np.log(measured / predicted)), np.log(2))


def test_units_that_start_alike_stay_alike_and_zeros_do_not_move():
    path, losses = unit.equal_units(0.4, 0.0)
    np.testing.assert_array_equal(path.max(axis=2), path.min(axis=2))
    assert losses[-1] < losses[0]
    path, losses = unit.equal_units(0.0, 0.0)
    assert not path.any()
    assert losses[-1] == pytest.approx(np.log(2), abs=1e-3)


def test_with_a_spread_the_units_part_and_do_better():
    alike, parted = (unit.equal_units(0.5, spread)[1][-1] for spread in (0.0, 0.7))
    assert parted < alike / 5


def test_orthogonal_layers_keep_every_length_and_the_jacobian_is_that_of_the_network():
    values = unit.jacobian_singular_values("orthogonal", "identity", 32, 30, 1.0)
    np.testing.assert_allclose(values, 1)
    values = unit.jacobian_singular_values("gaussian", "identity", 32, 1, 1.0)
    w = unit._square_matrices("gaussian", 32, 0)[0]
    np.testing.assert_allclose(values, np.linalg.svd(w, compute_uv=False))


def test_the_histograms_hold_every_value_once():
    live = unit.histogram_explorer()
    for scale in (0.2, 1.0, 5.0):
        live.update(start="normal", scale=scale)
        for axes in live.figure.axes:
            for line in axes.lines:
                assert np.sum(line.get_ydata()) == pytest.approx(1, abs=1e-6)
