"""The figures of unit 11 show what they say, and its lesson's tools do."""

import numpy as np
import pytest

from course.data import digits
from course.exercises.reuse import autoencoder_grads, layer_rates, rotation_batch
from course.layers import Sequential
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer, adam
from course.reuse import freeze
from course.widgets import reuse as unit


def test_what_is_frozen_keeps_every_bit_and_the_rest_learns():
    donor, new = unit.task_of("odd")
    network = unit.new_network(donor, 2, 2, np.random.default_rng(0))
    before = [param.copy() for param in network.params]
    freeze(network, range(4))
    rng = np.random.default_rng(0)
    unit.fit(network, new.x_train[:40], new.y_train[:40], lr=0.01, steps=20, rng=rng)
    same = [np.array_equal(old, now) for old, now in zip(before, network.params, strict=True)]
    assert same == [True] * 4 + [False] * 4
    np.testing.assert_array_equal(donor.params[0], network.params[0])


def test_computing_frozen_layers_once_changes_nothing():
    donor, new = unit.task_of("odd")
    x, y = new.x_train[:20], new.y_train[:20]
    fast, slow = (unit.new_network(donor, 2, 2, np.random.default_rng(0)) for _ in range(2))
    for network in (fast, slow):
        freeze(network, range(4))
    unit.fit(fast, x, y, lr=0.01, steps=10, rng=np.random.default_rng(0))
    optimizer, rng = Optimizer(adam, slow.params, lr=0.01), np.random.default_rng(0)
    for _ in range(10):
        batch = rng.permutation(20)
        slow.backward(cross_entropy_grad(slow.forward(x[batch], training=True), y[batch]))
        optimizer.step(slow.grads)
    for ours, theirs in zip(fast.params, slow.params, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("task", unit.TASKS)
def test_a_task_never_lends_its_test_part(task):
    data = digits()
    old, new = unit.TASKS[task](data)
    undo = unit.shifted if task == "shifted" else (lambda x: x)
    seen = {row.tobytes() for row in data.x_train}
    assert {row.tobytes() for row in old.x_train} <= seen
    moved = {row.tobytes() for row in undo(data.x_train)}
    assert {row.tobytes() for row in new.x_train} <= moved
    twice = {row.tobytes() for row in undo(old.x_train)} & {row.tobytes() for row in new.x_train}
    assert not twice, "donor and new task share images"


def test_few_labels_are_the_same_number_of_each_class():
    y = digits().y_train
    chosen = unit.few_labels(y, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(y[chosen]), [3] * 10)
    assert len(set(chosen)) == 30


@pytest.mark.parametrize("source", unit.PRETRAINING)
def test_every_source_gives_the_same_layers_with_other_numbers(source, monkeypatch):
    monkeypatch.setattr(unit, "_EPOCHS", 1)
    x = digits().x_train[:96]
    body = unit.PRETRAINING[source](x, np.random.default_rng(0))
    assert [p.shape for p in body.params] == [(64, 64), (64,)] * 3
    fresh = Sequential(*unit.body(np.random.default_rng(0)))
    assert not np.array_equal(body.params[0], fresh.params[0])
    again = unit.PRETRAINING[source](x, np.random.default_rng(0))
    np.testing.assert_array_equal(body.params[-2], again.params[-2])


def test_the_auxiliary_batch_is_the_exercises():
    x = digits().x_train[:5]
    for ours, theirs in zip(unit.turned(x), rotation_batch(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_autoencoders_gradients_are_the_exercises():
    rng = np.random.default_rng(0)
    params = [rng.normal(size=(6, 3)), rng.normal(size=3), rng.normal(size=6)]
    x, keep = rng.normal(size=(4, 6)), rng.random((4, 6)) > 0.5
    _, grads = autoencoder_grads(x, *params, keep=keep)
    for ours, key in zip(unit.denoising_grads(x, keep, params), "wbc", strict=True):
        np.testing.assert_allclose(ours, grads[key])


def test_the_bare_training_loop_is_the_librarys():
    donor, new = unit.task_of("odd")
    x, y = new.x_train[:30], new.y_train[:30]
    flat = unit._Flat(donor, 2, np.random.default_rng(0))
    network = unit.new_network(donor, unit.DEPTH, 2, np.random.default_rng(0))
    for _ in flat.train(x, y, 0.003, 5, head_only=False):
        pass
    optimizer = Optimizer(adam, network.params, lr=0.003)
    for _ in range(5):
        network.backward(cross_entropy_grad(network.forward(x, training=True), y))
        optimizer.step(network.grads)
    for ours, theirs in zip(flat.params, network.params, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_features_stay_until_the_release():
    _, moved = unit.released(0.01, 20, 30, 0)
    steps = np.array(unit._TESTED)
    assert (moved[steps <= 20] == 0).all()
    assert (moved[steps > 20] > 0).all()


def test_a_probe_on_no_layer_sees_the_pixels():
    assert unit.probed("odd", True, 0, 40, 0) == unit.probed("odd", False, 0, 40, 0)
    assert unit.probed("odd", True, 3, 40, 0) > unit.probed("odd", False, 3, 40, 0)


def test_the_schedules_rates_are_the_exercises():
    live = unit.schedule_explorer()
    live.update(layers=5, factor=2.0, every=3, epoch=7)
    learns, still = live.figure.axes[1].lines
    rates = np.array(layer_rates(5, 7, lr=0.1, factor=2.0, every=3))
    np.testing.assert_allclose(learns.get_ydata(), rates[rates > 0])
    np.testing.assert_array_equal(still.get_xdata(), np.flatnonzero(rates == 0))


def test_after_the_judges_head_start_only_one_loss_has_a_slope():
    live = unit.gan_explorer()
    text = live.update(epoch=1)
    made = unit.played_gan()[1][2]
    assert made < -3
    assert f"ln(1 − σ(D)): {1 / (1 + np.exp(-made)):.3f}" in text
