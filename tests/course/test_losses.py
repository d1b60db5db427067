"""Cross-entropy and its gradient against torch, finite differences and closed forms."""

import array_api_strict
import numpy as np
import pytest
import torch
from torch.nn import functional

from course.losses import cross_entropy, cross_entropy_grad

SHAPES = [(1, 2), (5, 3), (64, 10), (4, 1)]


def batch(shape, seed=0, scale=3.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    logits = (scale * rng.standard_normal(shape)).astype(dtype)
    return logits, rng.integers(0, shape[1], shape[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_agrees_with_torch(shape, dtype, rtol):
    logits, labels = batch(shape, dtype=dtype)
    leaf = torch.tensor(logits, requires_grad=True)
    expected = functional.cross_entropy(leaf, torch.tensor(labels))
    expected.backward()
    loss, grad = cross_entropy(logits, labels), cross_entropy_grad(logits, labels)
    np.testing.assert_allclose(loss, expected.detach(), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(grad, leaf.grad, rtol=rtol, atol=rtol)
    assert loss.dtype == grad.dtype == dtype
    assert loss.shape == ()


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_the_slope_of_the_loss(shape):
    logits, labels = batch(shape, seed=1)
    h = 1e-6
    slopes = np.zeros(shape)
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = h
        slopes[index] = cross_entropy(logits + step, labels) - cross_entropy(logits - step, labels)
    np.testing.assert_allclose(cross_entropy_grad(logits, labels), slopes / (2 * h), atol=1e-8)


def test_torch_tensors_pass_through_with_autograd():
    logits = torch.tensor([[1.0, 2.0, -1.0]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([2])
    cross_entropy(logits, labels).backward()
    np.testing.assert_allclose(logits.grad, cross_entropy_grad(logits.detach(), labels), rtol=1e-12)


def test_only_the_array_api_is_used():
    logits, labels = batch((6, 4))
    strict = [array_api_strict.asarray(array) for array in (logits, labels)]
    assert float(cross_entropy(*strict)) == pytest.approx(float(cross_entropy(logits, labels)))
    np.testing.assert_allclose(
        np.asarray(cross_entropy_grad(*strict)), cross_entropy_grad(logits, labels), rtol=1e-12
    )


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


@pytest.mark.parametrize("function", [cross_entropy, cross_entropy_grad])
@pytest.mark.parametrize(
    ("logits", "labels", "error", "message"),
    [
        ([[1.0, 2.0]], np.array([0]), TypeError, "logits is a list"),
        (np.array([[1, 2]]), np.array([0]), TypeError, "logits has dtype int64"),
        (np.zeros((1, 2)), [0], TypeError, "labels must be an array of integers, got a list"),
        (np.zeros((1, 2)), np.array([0.0]), TypeError, "got float64"),
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
