"""What the figures of unit 10 show is what the library says; their helpers do what they say."""

import numpy as np
import pytest

from course import optimizers
from course.data import Split
from course.layers import Dropout, Linear, Sequential
from course.losses import cross_entropy, cross_entropy_grad
from course.optimizers import Optimizer
from course.widgets import regularization as unit


def lines(figure, axes):
    return {line.get_label(): line for line in figure.figure.axes[axes].lines}


# --- networks and data -----------------------------------------------------------------------


def test_dropout_changes_no_weight_of_the_start():
    plain = unit.dense_network([8, 6], np.random.default_rng(0))
    dropped = unit.dense_network([8, 6], np.random.default_rng(0), rates=(0.2, 0.0, 0.5))
    assert [type(layer) for layer in dropped.layers].count(Dropout) == 2
    for one, other in zip(plain.params, dropped.params, strict=True):
        np.testing.assert_array_equal(one, other)


def test_dropout_without_its_factor():
    x = np.full((50, 40), 3.0)
    layer = unit.UnscaledDropout(0.4, np.random.default_rng(0))
    y = layer.forward(x, training=True)
    assert set(np.unique(y)) == {0.0, 3.0}
    np.testing.assert_allclose(layer.backward(np.ones_like(x)), y / 3)
    assert 0.3 < np.mean(y == 0) < 0.5
    np.testing.assert_array_equal(layer.forward(x), x)


def test_a_share_of_the_labels_is_wrong_and_the_test_part_is_not():
    right, wrong = unit.some_digits(200, 1), unit.some_digits(200, 1, wrong=0.3)
    assert np.sum(right.y_train != wrong.y_train) == 60
    assert 0 <= wrong.y_train.min() <= wrong.y_train.max() <= 9
    np.testing.assert_array_equal(right.y_test, wrong.y_test)
    np.testing.assert_array_equal(right.x_train, wrong.x_train)


def test_a_step_with_a_penalty_decays_matrices_only():
    x, y = np.zeros((4, 3)), np.zeros(4, dtype=int)
    network = Sequential(Linear(3, 2, np.random.default_rng(0)))
    weights, bias = (param.copy() for param in network.params)
    data = Split(x, y, x, y)
    rng = np.random.default_rng(0)
    unit.fit_steps(network, data, steps=1, rng=rng, penalty=0.5, rule=optimizers.sgd, lr=0.1)
    np.testing.assert_allclose(network.params[0], weights * (1 - 0.1 * 0.5))
    np.testing.assert_allclose(network.params[1], bias - 0.1 * np.array([-0.5, 0.5]))


def test_images_have_one_mean_and_one_deviation():
    images = unit.digit_images(3)
    np.testing.assert_allclose(images.x_train.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(images.x_train.std(), 1)
    assert images.x_test.shape == (359, 8, 8)


def test_images_move_turn_and_get_noise():
    images = unit.digit_images(0).x_test[:5]
    np.testing.assert_allclose(unit.shifted(images, "moved", 0), images)
    np.testing.assert_allclose(unit.shifted(images, "turned", 0), images)
    moved = unit.shifted(images, "moved", 2)
    np.testing.assert_allclose(moved[:, :, 2:], images[:, :, :-2])
    np.testing.assert_allclose(moved[:, :, :2], images.min())
    turned = unit.shifted(images, "turned", 90)
    np.testing.assert_allclose(turned, np.rot90(images, axes=(1, 2)), atol=1e-9)
    noise = unit.shifted(images, "noisy", 0.5) - images
    np.testing.assert_allclose(noise.std(), 0.5, rtol=0.1)


# --- the quick run ---------------------------------------------------------------------------


def test_the_quick_run_is_the_librarys_training():
    width, samples = 6, 40
    run = unit.quick_run(samples, width=width, wrong=0.1, seed=2)
    data = unit.some_digits(samples, 2, wrong=0.1)
    network = unit.dense_network([width], np.random.default_rng(0))
    rng = np.random.default_rng([2, 1])
    network.params[0][...] = rng.normal(0, (2 / 64) ** 0.5, (64, width))
    network.params[2][...] = rng.normal(0, (2 / width) ** 0.5, (width, 10))
    optimizer = Optimizer(optimizers.adam, network.params, lr=unit._LR, beta2=0.99)
    losses = []
    for step in range(13):
        logits = network.forward(data.x_train)
        if step % 4 == 0:
            losses.append(float(cross_entropy(logits, data.y_train)))
        network.backward(cross_entropy_grad(logits, data.y_train))
        optimizer.step(network.grads)
    np.testing.assert_allclose(run.train_loss[:4], losses, rtol=1e-3)
    np.testing.assert_array_equal(run.train_loss, run.noisy_loss)
    assert run.steps[-1] == 80


def test_with_dropout_on_the_loss_is_another():
    run = unit.quick_run(60, rate=0.5, input_rate=0.2)
    assert run.noisy_loss[-1] > run.train_loss[-1]


# --- the figures -----------------------------------------------------------------------------


def test_the_first_figure_marks_the_lowest_test_loss():
    live = unit.fit_explorer()
    live.update(width=20, samples=40, wrong=0.2)
    run = unit.quick_run(40, width=20, wrong=0.2)
    assert lines(live, 0)["lowest test loss"].get_xdata()[0] == run.steps[run.test_loss.argmin()]


def test_no_dropout_is_no_difference():
    live = unit.dropout_explorer()
    live.update(rate=0.0, input_rate=0.0)
    shown = lines(live, 0)
    np.testing.assert_array_equal(shown["test"].get_ydata(), shown["test, without"].get_ydata())


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.6])
def test_the_mean_is_kept_and_the_mean_square_grows(rate):
    at_inference, means, squares = unit._levels(rate, 0)
    slope = np.sum(means[0] * at_inference[0]) / np.sum(at_inference[0] ** 2)
    np.testing.assert_allclose(slope, 1, rtol=0.05)
    np.testing.assert_allclose(squares[0], 1 / (1 - rate), rtol=0.1)


def test_the_bars_are_the_deviation_of_the_passes():
    live = unit.spread_explorer()
    live.update(digit=7, kind="noisy", amount=0.6, passes=20)
    shown = lines(live, 1)
    mean = shown["mean"].get_ydata()
    np.testing.assert_allclose(mean.sum(), 1.0)
    bars = shown["± deviation"].get_ydata().reshape(10, 3)
    np.testing.assert_allclose((bars[:, 0] + bars[:, 1]) / 2, mean, atol=1e-12)
    again = live.update(passes=20)
    assert again == live.update(passes=20)


CURVATURES = np.array([1.0, 0.3])


def minimum(decay):
    return unit.TARGET * CURVATURES / (CURVATURES + decay)


@pytest.mark.parametrize("decay", [0.0, 0.4, 2.0])
def test_for_gradient_descent_both_kinds_of_decay_are_one(decay):
    l2, apart = unit.decay_paths("sgd", CURVATURES, lr=0.2, weight_decay=decay, steps=400)
    np.testing.assert_allclose(l2, apart, atol=1e-12)
    np.testing.assert_allclose(l2[-1], minimum(decay), atol=1e-6)


def test_momentum_needs_another_decay_and_adam_is_held_at_one_over_it():
    how = {"weight_decay": 0.4, "steps": 3000}
    l2, apart = unit.decay_paths("momentum", CURVATURES, lr=0.02, matched=True, **how)
    np.testing.assert_allclose([l2[-1], apart[-1]], [minimum(0.4)] * 2, atol=1e-6)
    _, apart = unit.decay_paths("momentum", CURVATURES, lr=0.02, **how)
    np.testing.assert_allclose(apart[-1], minimum(0.04), atol=1e-6)
    _, apart = unit.decay_paths("adam", CURVATURES, lr=0.01, weight_decay=2.0, steps=3000)
    np.testing.assert_allclose(apart[-1], 0.5, atol=0.02)


def test_the_choice_of_the_decoupled_decay_is_shown_for_momentum_only():
    live = unit.decay_explorer()
    shown = {}
    for rule in unit.RULES:
        live.update(rule=rule)
        shown[rule] = live.controls["matched"].layout.display != "none"
    assert shown == {"sgd": False, "momentum": True, "adam": False}
    live.update(rule="momentum", matched="no", steps=200)
    before = bytes(live.image.value)
    live.update(matched="yes")
    assert bytes(live.image.value) != before
