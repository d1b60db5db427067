"""The functions of unit 08 that the library has in another form are the same functions."""

import numpy as np
import pytest

from course import normalizers
from course.exercises import normalization as unit

SHAPES = [(6, 3), (2, 5), (40, 7)]
EPS = [1e-5, 0.1]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def drawn(rng, shape):
    x, grad = rng.normal(1.0, 2.0, shape), rng.normal(size=shape)
    return x, grad, rng.normal(size=shape[-1]), rng.normal(size=shape[-1])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", EPS)
def test_batch_norm_is_the_librarys(rng, shape, eps):
    x, grad, gamma, beta = drawn(rng, shape)
    y, mean, var = unit.batch_norm_train(x, gamma, beta, eps=eps)
    expected, running, cache = normalizers.batch_norm(x, gamma, beta, training=True, eps=eps)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose([mean, var], [x.mean(axis=0), x.var(axis=0)])
    ours = unit.running_moments(x, training=True)
    assert ours.keys() == running.keys()
    for name in running:
        np.testing.assert_allclose(ours[name], running[name])
    for derived, right in zip(
        unit.batch_norm_backward(grad, x, gamma, eps=eps),
        normalizers.batch_norm_backward(grad, cache),
        strict=True,
    ):
        np.testing.assert_allclose(derived, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("eps", EPS)
def test_inference_is_the_librarys(rng, eps):
    x, _, gamma, beta = drawn(rng, (4, 3))
    running = {"mean": rng.normal(size=3), "var": rng.uniform(0.2, 2.0, 3)}
    expected, _, _ = normalizers.batch_norm(x, gamma, beta, running, training=False, eps=eps)
    y = unit.batch_norm_inference(x, gamma, beta, running, eps=eps)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    assert unit.running_moments(x, running, training=False) is running


@pytest.mark.parametrize("shape", [*SHAPES, (3, 2, 4), (2, 3, 2, 5), (6,)])
@pytest.mark.parametrize("eps", EPS)
def test_the_norms_along_a_sample_are_the_librarys(rng, shape, eps):
    x, grad, gamma, beta = drawn(rng, shape)
    expected, cache = normalizers.layer_norm(x, gamma, beta, eps=eps)
    np.testing.assert_allclose(unit.layer_norm(x, gamma, beta, eps=eps), expected, rtol=1e-9)
    for derived, right in zip(
        unit.layer_norm_backward(grad, x, gamma, eps=eps),
        normalizers.layer_norm_backward(grad, cache),
        strict=True,
    ):
        np.testing.assert_allclose(derived, right, rtol=1e-9, atol=1e-9)
    expected, _ = normalizers.rms_norm(x, gamma, eps=eps)
    np.testing.assert_allclose(unit.rms_norm(x, gamma, eps=eps), expected, rtol=1e-9)


def test_drawn_parameters_are_told_from_0_and_1():
    for seed in range(50):
        values = np.abs(unit.some_signed(np.random.default_rng(seed), 4))
        assert values.min() >= 1.3
        assert len(set(values)) == 4
