"""The figures of unit 05 show what they say."""

import re

import numpy as np
import pytest

from course.clipping import clip_by_norm, clip_by_value
from course.data import digits
from course.diagnostics import layer_norms, spectral_radius
from course.losses import cross_entropy_grad
from course.widgets import unstable_gradients as unit


@pytest.mark.parametrize("kind", unit.KINDS)
def test_every_kind_of_jacobian_has_the_radius_1_and_is_normal_where_it_says_so(kind):
    for draw in range(5):
        J = unit.jacobian(kind, draw)
        assert spectral_radius(J) == pytest.approx(1.0)
        normal = np.allclose(J @ J.T, J.T @ J)
        assert normal == ("(normal)" in unit.KINDS[kind])
        norms = unit.power_norms(J, 30)
        assert norms[0] == 1
        assert norms[3] == pytest.approx(np.linalg.norm(J @ J @ J, 2))
        assert np.allclose(norms, 1) == normal


def test_the_circle_holds_all_eigenvalues_and_touches_one():
    live = unit.power_explorer()
    for kind in unit.KINDS:
        live.update(kind=kind, radius=1.2, draw_number=3)
        circle, points = live.figure.axes[0].lines[1:3]
        np.testing.assert_allclose(np.hypot(*circle.get_data()), 1.2)
        sizes = np.hypot(*points.get_data())
        assert sizes.max() == pytest.approx(1.2)
        assert len(sizes) == 12


def test_the_norms_shown_lie_between_the_rate_and_the_bound():
    live = unit.power_explorer()
    for kind in unit.KINDS:
        live.update(kind=kind)
        norms, rates, bound = (line.get_ydata() for line in live.figure.axes[1].lines)
        assert (rates <= norms * (1 + 1e-9)).all()
        assert (norms <= bound * (1 + 1e-9)).all()


@pytest.mark.parametrize("shear", [1.0, 2.5])
def test_a_turning_matrix_has_the_eigenvalues_asked_for(shear):
    for angle in (0.0, 0.4, 2.0, np.pi):
        J = unit.turning_matrix(0.9, angle, shear)
        expected = 0.9 * np.exp(1j * np.array([-angle, angle]))
        np.testing.assert_allclose(np.abs(np.linalg.eigvals(J)), np.abs(expected))
        np.testing.assert_allclose(np.trace(J), expected.sum().real)
    assert np.allclose(J @ J.T, J.T @ J) or shear > 1


def test_after_a_full_turn_the_gradient_is_back_on_its_line():
    live = unit.oscillation_explorer()
    live.update(radius=0.9, degrees=45, shear=2.0)
    x, y = live.figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose([x[8], y[8]], [0.9**8, 0.0], atol=1e-12)
    np.testing.assert_allclose([x[4], y[4]], [-(0.9**4), 0.0], atol=1e-12)


def test_a_measurement_is_the_librarys():
    data = digits()
    x, y = data.x_train[:50], data.y_train[:50]
    network = unit.deep_network("tanh", "xavier", 1.2, 3, 8, np.random.default_rng(0))
    assert len(network.layers) == 7
    seen = unit.measure(network, x, y)
    for layer in network.layers[::2]:
        layer.params[1][:] = 0
    norms = layer_norms(network, x, lambda out: cross_entropy_grad(out, y))
    biases = [np.linalg.norm(layer.grads[1]) for layer in network.layers[::2]]
    np.testing.assert_allclose(np.hypot(seen.gradients, biases), norms.parameters[::2])
    z = x @ network.layers[0].params[0]
    assert seen.variances[0] == pytest.approx(np.var(z))
    assert seen.slopes[0] == pytest.approx(np.mean(1 - np.tanh(z) ** 2))


def test_a_gain_scales_the_hidden_layers_only():
    plain, larger = (
        unit.deep_network("relu", "he", gain, 2, 8, np.random.default_rng(0)) for gain in (1.0, 2.0)
    )
    for layer, (a, b) in enumerate(zip(plain.params[::2], larger.params[::2], strict=True)):
        np.testing.assert_allclose(b, a if layer == 2 else 2 * a)


def test_both_clippings_are_drawn_and_only_one_leaves_the_line():
    live = unit.clipping_explorer()
    for angle in (5, 45, 75):
        text = live.update(angle=angle, length=3.0, limit=1.0)
        given, by_norm, by_value = (np.transpose(line.get_data())[1] for line in lines(live))
        np.testing.assert_allclose(by_norm, clip_by_norm(given, max_norm=1.0))
        np.testing.assert_allclose(by_value, clip_by_value(given, clip_value=1.0))
        turned = np.rad2deg(np.arctan2(*by_value[::-1])) - angle
        assert abs(turned) == pytest.approx(float(re.findall(r"(\d+)°", text)[-1]), abs=0.51)
        assert (abs(turned) < 1e-9) == (angle == 45)
        curve, _, here = live.figure.axes[1].lines
        assert here.get_ydata()[0] == pytest.approx(curve.get_ydata()[angle])


def lines(live):
    return live.figure.axes[0].lines[2:5]
