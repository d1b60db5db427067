"""Losses and their gradients against torch, finite differences and closed forms."""

from functools import partial

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course import losses
from course.activations import log_softmax
from course.losses import cross_entropy, cross_entropy_grad


def numbers(rng, shape):
    return 3 * rng.standard_normal(shape), 3 * rng.standard_normal(shape)


def yes_or_no(rng, shape):
    return 5 * rng.standard_normal(shape), rng.uniform(size=shape)


def classes(rng, shape):
    return 3 * rng.standard_normal(shape), rng.integers(0, shape[-1], shape[0])


def log_probabilities(rng, shape):
    logits, labels = classes(rng, shape)
    return log_softmax(logits), labels


MATRICES = [(1, 2), (5, 3), (1000, 10)]
ANY = [(), (1,), (10_000,), (4, 3), (2, 3, 4)]
LOSSES = {  # name: torch's function, input, shapes, options of ours and of torch's
    "mse": (functional.mse_loss, numbers, ANY, {}),
    "mae": (functional.l1_loss, numbers, ANY, {}),
    "huber": (functional.huber_loss, numbers, ANY, {}),
    "huber delta 0.3": (functional.huber_loss, numbers, ANY, {"delta": 0.3}),
    "bce_with_logits": (functional.binary_cross_entropy_with_logits, yes_or_no, ANY, {}),
    "cross_entropy": (functional.cross_entropy, classes, MATRICES, {}),
    "nll": (functional.nll_loss, log_probabilities, MATRICES, {}),
}
CASES = [(name, shape) for name, row in LOSSES.items() for shape in row[2]]


def ours(name):
    name, options = name.partition(" ")[0], LOSSES[name][3]
    return partial(getattr(losses, name), **options), partial(
        getattr(losses, f"{name}_grad"), **options
    )


def inputs(name, shape, dtype=np.float64, seed=0):
    scores, targets = LOSSES[name][1](np.random.default_rng(seed), shape)
    scores, targets = np.asarray(scores, dtype), np.asarray(targets)
    return scores, targets.astype(dtype) if targets.dtype.kind == "f" else targets


@pytest.mark.parametrize(("name", "shape"), CASES)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_every_loss_is_torchs(name, shape, dtype, rtol):
    (loss, grad), (theirs, _, _, options) = ours(name), LOSSES[name]
    scores, targets = inputs(name, shape, dtype)
    kept = scores.copy(), targets.copy()
    leaf = torch.tensor(scores, requires_grad=True)
    expected = theirs(leaf, torch.tensor(targets), **options)
    expected.backward()
    value, slope = loss(scores, targets), grad(scores, targets)
    np.testing.assert_allclose(value, expected.detach(), rtol=rtol)
    np.testing.assert_allclose(slope, leaf.grad, rtol=0, atol=rtol * float(leaf.grad.abs().max()))
    assert value.dtype == slope.dtype == dtype
    assert (value.shape, slope.shape) == ((), shape)
    np.testing.assert_array_equal(scores, kept[0])
    np.testing.assert_array_equal(targets, kept[1])


@pytest.mark.parametrize("name", LOSSES)
def test_a_gradient_is_the_slope_of_its_loss(name):
    loss, grad = ours(name)
    shape = LOSSES[name][2][1]
    scores, targets = inputs(name, shape, seed=1)
    h, slopes = 1e-6, np.zeros(shape)
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = h
        slopes[index] = (loss(scores + step, targets) - loss(scores - step, targets)) / (2 * h)
    np.testing.assert_allclose(grad(scores, targets), slopes, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_autograd_through_our_own_lines_gives_our_gradient(name, scale):
    loss, grad = ours(name)
    scores, targets = inputs(name, LOSSES[name][2][-1], seed=2)
    leaf = torch.tensor(scale * scores, requires_grad=True)
    targets = torch.tensor(targets)
    loss(leaf, targets).backward()
    assert torch.isfinite(leaf.grad).all()
    np.testing.assert_allclose(leaf.grad, grad(leaf.detach(), targets), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_only_the_array_api_is_needed(name):
    arrays = inputs(name, LOSSES[name][2][-2])
    strict = [array_api_strict.asarray(array) for array in arrays]
    for function in ours(name):
        expected = function(*arrays)
        np.testing.assert_allclose(np.asarray(function(*strict)), expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", LOSSES)
def test_views_that_are_not_contiguous_will_do(name):
    scores, targets = inputs(name, LOSSES[name][2][-1])
    wide = np.repeat(scores, 2, axis=-1)[..., ::2]
    assert not wide.flags.c_contiguous
    for function in ours(name):
        np.testing.assert_array_equal(function(wide, targets), function(scores, targets))


@pytest.mark.parametrize("name", LOSSES)
def test_nan_passes_through(name):
    scores, targets = inputs(name, LOSSES[name][2][1])
    scores[0, ...] = np.nan
    targets[...] = 0
    loss, grad = ours(name)
    assert np.isnan(loss(scores, targets))
    assert name == "nll" or np.isnan(grad(scores, targets)).any()


@pytest.mark.parametrize(
    ("logit", "target", "value", "slope"),
    [
        (0.0, 0.25, np.log(2), 0.25),
        (1e4, 1.0, 0.0, 0.0),
        (1e4, 0.0, 1e4, 1.0),
        (-1e4, 1.0, 1e4, -1.0),
        (-1e4, 0.25, 2500.0, -0.25),
        (np.inf, 1.0, 0.0, 0.0),
        (np.inf, 0.0, np.inf, 1.0),
        (-np.inf, 0.0, 0.0, 0.0),
        (-np.inf, 1.0, np.inf, -1.0),
        (40.0, 1.0, np.exp(-40.0), -np.exp(-40.0)),
        (-40.0, 0.0, np.exp(-40.0), np.exp(-40.0)),
    ],
)
def test_binary_cross_entropy_has_its_limits_and_keeps_its_digits(logit, target, value, slope):
    z, y = np.array([logit]), np.array([target])
    np.testing.assert_allclose(losses.bce_with_logits(z, y), value, rtol=1e-12)
    np.testing.assert_allclose(losses.bce_with_logits_grad(z, y), [slope], rtol=1e-12)


def test_autograd_is_right_where_the_logit_is_0():
    z = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.25, 1.0], dtype=torch.float64)
    losses.bce_with_logits(z, y).backward()
    np.testing.assert_array_equal(z.grad, [0.125, -0.25])


def test_torch_loses_the_gradient_of_a_sure_answer():
    z = torch.tensor([40.0], dtype=torch.float64, requires_grad=True)
    y = torch.ones(1, dtype=torch.float64)
    functional.binary_cross_entropy_with_logits(z, y).backward()
    assert z.grad == 0
    assert losses.bce_with_logits_grad(z.detach(), y) < 0


@pytest.mark.parametrize("delta", [0.5, 1.0, 7.0])
def test_huber_is_smooth_l1_times_delta(delta):
    prediction, target = inputs("huber", (1000,))
    theirs = functional.smooth_l1_loss(torch.tensor(prediction), torch.tensor(target), beta=delta)
    ours = losses.huber(prediction, target, delta=delta)
    np.testing.assert_allclose(ours, delta * theirs, rtol=1e-12)


@pytest.mark.parametrize(
    ("error", "mse", "mae", "huber"),
    [(0.0, 0.0, 0.0, 0.0), (1e4, 1e8, 1e4, 9999.5), (-np.inf, np.inf, np.inf, np.inf)],
)
def test_regression_losses_at_large_errors(error, mse, mae, huber):
    prediction, target = np.array([error]), np.array([0.0])
    assert losses.mse(prediction, target) == mse
    assert losses.mae(prediction, target) == mae
    assert losses.huber(prediction, target) == huber
    assert losses.huber_grad(prediction, target) == np.clip(error, -1, 1)


def test_a_mean_over_all_entries_is_not_the_sum_over_outputs():
    prediction, target = inputs("mse", (4, 3))
    squares = (prediction - target) ** 2
    assert losses.mse(prediction, target) == pytest.approx(squares.sum(axis=1).mean() / 3)


def test_nll_after_log_softmax_is_cross_entropy():
    logits, labels = inputs("cross_entropy", (1000, 10))
    assert losses.nll(log_softmax(logits), labels) == cross_entropy(logits, labels)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.floats(-1e4, 1e4), st.floats(0, 1), st.floats(0.01, 100))
def test_losses_are_never_negative_and_huber_lies_below_both(z, y, delta):
    z, y = np.array([z]), np.array([y])
    assert losses.bce_with_logits(z, y) >= 0
    huber = losses.huber(z, y, delta=delta)
    assert 0 <= huber <= losses.mse(z, y) / 2 * (1 + 1e-12)
    assert huber <= delta * losses.mae(z, y) * (1 + 1e-12)


PAIRS = ["mse", "mae", "huber", "bce_with_logits"]


@pytest.mark.parametrize("name", [*PAIRS, *(f"{name}_grad" for name in PAIRS)])
@pytest.mark.parametrize(
    ("first", "second", "error", "message"),
    [
        ([0.5], np.array([0.5]), TypeError, "is a list"),
        (np.array([1]), np.array([1]), TypeError, "dtype int64"),
        (np.zeros(2), torch.zeros(2, dtype=torch.float64), TypeError, "one library"),
        (np.zeros((2, 1)), np.zeros(2), ValueError, r"shape \(2, 1\) but .* shape \(2,\)"),
        (np.zeros(2), np.zeros(2, np.float32), ValueError, "float64 but .* float32"),
        (np.zeros((0, 3)), np.zeros((0, 3)), ValueError, r"shape \(0, 3\); nothing has no mean"),
    ],
)
def test_bad_pairs_are_named(name, first, second, error, message):
    with pytest.raises(error, match=f"^{name}: .*{message}"):
        getattr(losses, name)(first, second)


@pytest.mark.parametrize("name", ["bce_with_logits", "bce_with_logits_grad"])
def test_classes_of_minus_and_plus_one_are_no_probabilities(name):
    with pytest.raises(ValueError, match=r"run from -1 to 1, .*\(y \+ 1\) / 2"):
        getattr(losses, name)(np.zeros(2), np.array([-1.0, 1.0]))


@pytest.mark.parametrize("name", ["huber", "huber_grad"])
@pytest.mark.parametrize("delta", [0.0, -1.0, np.inf, np.nan])
def test_delta_is_a_size(name, delta):
    with pytest.raises(ValueError, match=f"{name}: delta must lie in"):
        getattr(losses, name)(np.zeros(2), np.zeros(2), delta=delta)


SHAPES = [(1, 2), (5, 3), (64, 10), (4, 1)]


def batch(shape, seed=0, scale=3.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    logits = (scale * rng.standard_normal(shape)).astype(dtype)
    return logits, rng.integers(0, shape[1], shape[0])


# Cross-entropy in more detail.


@pytest.mark.parametrize("shift", [0.0, 1e3, -1e3, 1e8])
def test_a_shift_of_all_logits_changes_nothing(shift):
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 4.0]])
    labels = np.array([0, 1])
    loss = cross_entropy(logits + shift, labels)
    assert loss == pytest.approx(cross_entropy(logits, labels), rel=1e-7)


@pytest.mark.parametrize(
    ("logits", "label", "expected"),
    [
        ([0.0, 0.0], 0, np.log(2)),
        ([1e4, 0.0], 0, 0.0),
        ([1e4, 0.0], 1, 1e4),
        ([-1e4, -1e4, -1e4], 2, np.log(3)),
    ],
)
def test_extreme_logits_are_exact(logits, label, expected):
    loss = cross_entropy(np.array([logits]), np.array([label]))
    np.testing.assert_allclose(loss, expected, rtol=1e-12, atol=1e-300)
    assert np.isfinite(cross_entropy_grad(np.array([logits]), np.array([label]))).all()


def test_the_inputs_stay_as_they_were_and_rows_add_up_to_0():
    logits, labels = batch((7, 5))
    kept = logits.copy(), labels.copy()
    grad = cross_entropy_grad(logits, labels)
    cross_entropy(logits, labels)
    np.testing.assert_array_equal(logits, kept[0])
    np.testing.assert_array_equal(labels, kept[1])
    np.testing.assert_allclose(grad.sum(axis=1), 0, atol=1e-15)


@pytest.mark.parametrize(
    "function", [cross_entropy, cross_entropy_grad, losses.nll, losses.nll_grad]
)
@pytest.mark.parametrize(
    ("logits", "labels", "error", "message"),
    [
        ([[1.0, 2.0]], np.array([0]), TypeError, "is a list"),
        (np.array([[1, 2]]), np.array([0]), TypeError, "has dtype int64"),
        (np.zeros((1, 2)), [0], TypeError, "labels must be an array of integers, got a list"),
        (np.zeros((1, 2)), np.array([0.0]), TypeError, "got float64"),
        (np.zeros((1, 2)), torch.tensor([0]), TypeError, "labels a torch.Tensor"),
        (np.zeros(2), np.array([0, 1]), ValueError, r"shape \(2,\)"),
        (np.zeros((2, 3)), np.array([0]), ValueError, r"shape \(2, 3\) and labels \(1,\)"),
        (np.zeros((2, 3)), np.zeros((2, 1), dtype=int), ValueError, r"labels \(2, 1\)"),
        (np.zeros((0, 3)), np.zeros(0, dtype=int), ValueError, r"shape \(0, 3\)"),
        (np.zeros((2, 3)), np.array([0, 3]), ValueError, "run from 0 to 3.*columns 0 to 2"),
        (np.zeros((2, 3)), np.array([-1, 2]), ValueError, "run from -1 to 2"),
    ],
)
def test_bad_input_is_named(function, logits, labels, error, message):
    with pytest.raises(error, match=f"{function.__name__}: .*{message}"):
        function(logits, labels)
