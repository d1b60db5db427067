"""The figures of unit 06 show what they say."""

import numpy as np
import pytest

from course import activations
from course.data import digits
from course.widgets import activations as unit
from live_figures import in_use


@pytest.fixture(scope="module")
def explorer():
    return unit.activation_explorer()


@pytest.fixture(autouse=True)
def _as_it_was_at_first(request):
    if "explorer" in request.fixturenames:
        request.getfixturevalue("explorer").reset()


def test_only_the_controls_of_the_chosen_activation_are_shown(explorer):
    for name, shown in {
        "relu": set(),
        "leaky_relu": {"negative_slope"},
        "elu": {"alpha"},
        "silu": {"beta"},
        "gelu": set(),
    }.items():
        explorer.update(name=name)
        assert set(in_use(explorer)) == {"name", "other", "x"} | shown


def test_the_curves_are_the_librarys(explorer):
    explorer.update(name="elu", alpha=0.5, other="tanh")
    value, derivative = explorer.figure.axes
    x = value.lines[0].get_xdata()
    np.testing.assert_array_equal(value.lines[0].get_ydata(), activations.elu(x, alpha=0.5))
    np.testing.assert_array_equal(
        derivative.lines[0].get_ydata(), activations.elu_grad(x, alpha=0.5)
    )
    np.testing.assert_array_equal(value.lines[1].get_ydata(), activations.tanh(x))


def test_half_of_the_normal_inputs_are_dead_in_a_relu(explorer):
    assert explorer.update(name="relu").endswith("0 % are flat, 50 % dead.")
    assert explorer.update(name="leaky_relu").endswith("0 % are flat, 0 % dead.")
    assert explorer.update(name="heaviside").endswith("0 % are flat, 100 % dead.")


@pytest.mark.parametrize("name", ["relu", "tanh", "selu", "gelu"])
def test_moments_are_those_of_many_draws(name):
    z = 0.5 + 1.5 * np.random.default_rng(0).standard_normal(400_000)
    y, slope = getattr(activations, name)(z), getattr(activations, f"{name}_grad")(z)
    seen = unit.moments_of(name, 0.5, 1.5**2)
    np.testing.assert_allclose(seen, (y.mean(), y.var(), np.mean(slope**2)), rtol=0.01)


@pytest.mark.parametrize(("name", "gain"), [("selu", 1.0), ("relu", 2.0), ("tanh", 1.0)])
def test_prediction_and_measurement_agree_for_some_layers(name, gain):
    predicted, measured = unit.signal_through(name, gain, 0.5, depth=2)
    for one, other in zip(predicted, measured, strict=True):
        assert other.variance == pytest.approx(one.variance, rel=0.3)
        assert other.mean == pytest.approx(one.mean, abs=0.05)


def test_selus_fixed_point_draws_every_start_to_itself():
    for variance in (0.1, 3.0):
        last = unit.signal_through("selu", 1.0, variance)[0][-1]
        assert last.mean == pytest.approx(0, abs=1e-3)
        assert last.variance == pytest.approx(1, rel=1e-3)


def test_a_run_has_an_entry_before_and_after_each_epoch():
    seen = unit.dying_run(0.05, "leaky_relu", seed=0)
    assert len(seen.silent) == len(seen.loss) == len(seen.accuracy) == 21
    assert seen.accuracy[-1] > 0.9 > 0.3 > seen.accuracy[0]
    again = unit.dying_run(0.05, "leaky_relu", seed=0)
    np.testing.assert_array_equal(seen.loss, again.loss)


def test_a_layer_is_silent_where_its_bias_is_far_below_0():
    network = unit.network_with("relu", (64, 6, 4, 10), np.random.default_rng(0))
    x = digits(0).x_train
    assert unit.silent_share(network, x) == [0.0, 0.0]
    network.layers[0].params[1][:3] = -1e3
    assert unit.silent_share(network, x)[0] == 0.5


def test_every_activation_builds_a_network_that_passes_gradients_back():
    rng = np.random.default_rng(0)
    for name in unit.ACTIVATIONS:
        network = unit.network_with(name, (5, 4, 3), rng)
        assert network.forward(rng.normal(size=(2, 5)), training=True).shape == (2, 3)
        assert network.backward(np.ones((2, 3))).shape == (2, 5)
