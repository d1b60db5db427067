"""The figures of unit 01 show what they say."""

import numpy as np
import pytest

from course.activations import relu
from course.diagnostics import numerical_gradient
from course.layers import perceptron_step
from course.widgets import backpropagation as unit


def read_out(text, *names):
    """Return the numbers that follow these words in a line of text."""
    return [float(text.split(name)[1].split()[0].rstrip(",;:").replace("−", "-")) for name in names]


# --- the perceptron --------------------------------------------------------------------------


@pytest.mark.parametrize("which", unit.SPECIES)
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_the_walk_is_the_perceptrons_sample_by_sample(which, shift):
    x, y = unit.two_species(which)
    x = x + shift
    walk = unit.perceptron_walk(x, y, updates=30)
    w, b, seen = np.zeros(2), np.zeros(()), 0
    for turn in range(100 * len(x)):
        new_w, new_b = perceptron_step(w, b, x[turn % len(x)], int(y[turn % len(x)]))
        if not (np.array_equal(new_w, w) and new_b == b):
            w, b, seen = new_w, new_b, seen + 1
            np.testing.assert_array_equal(walk.weights[seen], w)
            assert walk.biases[seen] == b
        if seen == len(walk.weights) - 1:
            break
    assert seen == len(walk.weights) - 1 > 0
    wrong = np.sum(np.sign(x @ w + b) != y)
    assert walk.finished == (wrong == 0)


def test_the_perceptron_says_when_it_is_done():
    live = unit.perceptron()
    assert "0 of 80 samples wrong. All right" in live.update(update=100)
    assert "All right" not in live.update(bias="no")
    assert "b = 0" in live.update(bias="no")
    live.reset()
    assert "After 3 updates" in live.update(shift=0.0, update=100)
    assert "All right" not in live.update(which="virginica", update=100)


@pytest.mark.parametrize(("w", "b"), [((2.0, 1.0), -3.0), ((-1.0, 0.5), 2.0), ((0.0, 1.0), 0.0)])
def test_the_boundary_is_drawn_where_the_activation_is_0(w, b):
    w = np.array(w)
    np.testing.assert_allclose(w @ unit._boundary(w, b) + b, 0, atol=1e-12)
    foot, end = unit._normal(w, b).T
    assert w @ foot + b == pytest.approx(0, abs=1e-12)
    assert w @ end + b == pytest.approx(np.linalg.norm(w))
    assert unit._boundary(np.zeros(2), 0.0).shape == unit._normal(np.zeros(2), 0.0).shape == (2, 0)


# --- softmax, outputs, differences -----------------------------------------------------------


def test_the_pulls_are_the_gradient_of_the_loss():
    live = unit.softmax_and_gradient()
    text = live.update(a=0.0, b=0.0, c=0.0, temperature=1.0, right="b")
    assert "p = (0.333, 0.333, 0.333)" in text
    assert "(+0.333, -0.667, +0.333)" in text
    heights = [bar.get_height() for bar in live.figure.axes[1].patches]
    np.testing.assert_allclose(heights, [1 / 3, -2 / 3, 1 / 3])

    def loss(z):
        return read_out(live.update(a=z[0], b=z[1], c=z[2], temperature=2.0), "class b = ")[0]

    z = np.array([1.0, -1.0, 2.0])
    expected = 2 * numerical_gradient(loss, z, h=0.5)
    live.update(a=z[0], b=z[1], c=z[2])
    heights = [bar.get_height() for bar in live.figure.axes[1].patches]
    np.testing.assert_allclose(heights, expected, atol=0.02)


@pytest.mark.parametrize("pair", unit.PAIRS)
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_every_slope_is_that_of_its_loss(pair, target):
    for z in np.linspace(-6, 6, 13):
        _, _, slope = unit.loss_and_gradient(pair, np.array([z]), target)

        def loss(value, target=target):
            return unit.loss_and_gradient(pair, value, target)[1][0]

        estimate = numerical_gradient(loss, np.array([z]))
        np.testing.assert_allclose(slope, estimate, rtol=1e-6, atol=1e-9)


def test_a_tanh_stays_above_what_it_cannot_reach():
    live = unit.output_and_loss()
    (lowest,) = read_out(live.update(pair="tanh_mse", target=2.0), "in sight is")
    assert lowest == pytest.approx(1.0, rel=1e-2)
    (lowest,) = read_out(live.update(pair="linear", target=2.0), "in sight is")
    assert lowest == 0


@pytest.mark.parametrize("pair", unit.PAIRS)
def test_the_target_has_the_range_of_the_pair(pair):
    live = unit.output_and_loss()
    live.update(pair=pair)
    target = live.controls["target"]
    assert (target.min, target.max) == ((0, 1) if pair.startswith("sigmoid") else (-2, 2))


def test_the_central_difference_is_of_second_order():
    truth = unit._slope(0.4)
    forward, central = (
        [abs(quotient(0.4, h) - truth) for h in (1e-2, 1e-3)]
        for quotient in (unit.forward_difference, unit.central_difference)
    )
    assert forward[0] / forward[1] == pytest.approx(10, rel=0.05)
    assert central[0] / central[1] == pytest.approx(100, rel=0.05)


# --- networks built by hand ------------------------------------------------------------------


@pytest.mark.parametrize("name", unit.TARGETS)
@pytest.mark.parametrize("units", [1, 2, 7, 64])
def test_the_network_passes_through_its_knots(name, units):
    knots = np.linspace(-1.0, 1.0, units + 1)
    heights = unit._target(name, knots)
    w, b, b_out = unit.interpolating_network(knots, heights)
    assert len(w) == len(b) == units
    np.testing.assert_allclose(relu(knots[:, None] + b) @ w + b_out, heights, atol=1e-12)
    between = (knots[:-1] + knots[1:]) / 2
    middle = (heights[:-1] + heights[1:]) / 2
    np.testing.assert_allclose(relu(between[:, None] + b) @ w + b_out, middle, atol=1e-12)


def test_errors_fall_where_the_target_is_continuous_and_not_at_a_jump():
    sine, jump = unit._largest_errors("sine"), unit._largest_errors("jump")
    assert sine[31] / sine[63] == pytest.approx(4, rel=0.1)
    assert jump.min() >= 0.99
    live = unit.hat_network()
    (outside,) = read_out(live.update(reach=3.0, units=64), "in sight: ")
    assert outside > 1
    assert "beyond" not in live.update(reach=1.0)
