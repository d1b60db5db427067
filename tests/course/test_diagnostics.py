"""Diagnostics against theory, torch and simulation."""

import math
import re
from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
import scipy.integrate
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course import activations
from course.diagnostics import (
    check_gradient,
    dead_fraction,
    layer_norms,
    numerical_gradient,
    predicted_variance,
    spectral_radius,
)
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad
from course.surfaces import SURFACES

LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
each_library = pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def to(xp, values, dtype="float64"):
    return xp.asarray(np.asarray(values).tolist(), dtype=getattr(xp, dtype))


def numbers(array):
    return array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


# Numerical gradient


def smooth(xp):
    return lambda x: xp.sum(xp.sin(x) * x + xp.exp(-x * x))


def smooth_grad(xp):
    return lambda x: xp.cos(x) * x + xp.sin(x) - 2 * x * xp.exp(-x * x)


@each_library
@each_dtype
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 1, 2)], ids=str)
def test_central_differences_come_as_close_as_the_dtype_lets_them(xp, dtype, shape):
    x = to(xp, np.random.default_rng(0).normal(size=shape), dtype)
    x = xp.reshape(x, shape)
    estimate = numerical_gradient(smooth(xp), x)
    assert estimate.dtype == x.dtype
    assert tuple(estimate.shape) == shape
    bound = 20 * float(np.finfo(dtype).eps) ** (2 / 3)
    expected = numbers(smooth_grad(xp)(x))
    np.testing.assert_allclose(numbers(estimate), expected, rtol=0, atol=bound)


@pytest.mark.parametrize("name", SURFACES)
def test_the_surfaces_and_their_gradients_agree(name):
    surface = SURFACES[name]
    for theta in np.random.default_rng(1).uniform(-2, 2, size=(20, 2)):
        seen = check_gradient(
            lambda theta: surface.value(*theta), surface.gradient, theta, tolerance=1e-7
        )
        assert seen.passed, seen


def test_the_error_is_of_order_two():
    x = np.array([0.7])
    errors = [
        abs(numerical_gradient(lambda x: np.exp(x[0]), x, h=h)[0] - np.exp(0.7))
        for h in (1e-1, 1e-2, 1e-3)
    ]
    np.testing.assert_allclose(errors, np.exp(0.7) / 6 * np.array([1e-2, 1e-4, 1e-6]), rtol=2e-3)


def test_the_default_h_beats_larger_and_smaller_ones():
    def worst(h):
        x = np.random.default_rng(2).uniform(1, 3, size=50)
        return np.max(np.abs(numerical_gradient(smooth(np), x, h=h) - smooth_grad(np)(x)))

    assert worst(None) < 0.1 * worst(1e-3)
    assert worst(None) < 0.1 * worst(1e-9)


def test_h_grows_with_x():
    x = np.array([3e8, -1e-8, 0.0])
    estimate = numerical_gradient(lambda x: np.sum(x * x), x)
    np.testing.assert_allclose(estimate[0], 6e8, rtol=1e-9)


def test_at_a_kink_it_is_the_mean_of_both_slopes():
    assert numerical_gradient(lambda x: max(x[0], 0.0), np.array([0.0]))[0] == 0.5


def test_f_never_sees_the_same_memory_and_x_stays():
    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    seen = []

    def f(x):
        seen.append(x)
        x[0] += 0.0  # an f that writes into its input must not spoil the rest
        return x @ x

    numerical_gradient(f, x)
    assert len(seen) == 4
    assert not any(np.shares_memory(a, x) for a in seen)


def test_views_and_torch_leaves_are_taken():
    whole = np.random.default_rng(3).normal(size=(4, 6))
    view = whole[::2, 1::3].T
    np.testing.assert_array_equal(
        numerical_gradient(smooth(np), view), numerical_gradient(smooth(np), view.copy())
    )
    leaf = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    smooth(torch)(leaf).backward()
    weight = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    estimate = numerical_gradient(lambda x: weight * smooth(torch)(x), leaf)
    torch.testing.assert_close(estimate, leaf.grad, rtol=1e-9, atol=1e-9)


def test_nan_stays_where_it_is():
    estimate = numerical_gradient(lambda x: x[0] ** 2 + np.log(x[1]), np.array([3.0, np.nan]))
    assert np.all(np.isnan(estimate))  # f is NaN for every entry
    estimate = numerical_gradient(lambda x: x[0] ** 2, np.array([3.0, np.nan]))
    assert estimate[0] == pytest.approx(6)


# Check of a gradient


def network_loss(theta):
    """Give a small network's loss as a function of all its parameters, and its gradient."""
    rng = np.random.default_rng(4)
    network = Sequential(Linear(3, 5, rng), ReLU(), Linear(5, 4, rng))
    x, labels = rng.normal(size=(7, 3)), rng.integers(0, 4, size=7)
    start = 0
    for param in network.params:
        param[...] = theta[start : start + param.size].reshape(param.shape)
        start += param.size
    logits = network.forward(x)
    network.backward(cross_entropy_grad(logits, labels))
    return cross_entropy(logits, labels), np.concatenate([g.ravel() for g in network.grads])


@pytest.mark.parametrize("seed", range(10))
def test_a_network_passes_and_any_wrong_entry_fails(seed):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=3 * 5 + 5 + 5 * 4 + 4)

    def f(theta):
        return network_loss(theta)[0]

    seen = check_gradient(f, lambda theta: network_loss(theta)[1], theta)
    assert seen.passed, seen
    assert seen.worst == np.max(seen.errors) <= 1.5e-8
    entry = int(rng.integers(theta.size))
    size = float(np.max(np.abs(network_loss(theta)[1])))

    def wrong(theta):
        grad = network_loss(theta)[1]
        grad[entry] += 1e-5 * size
        return grad

    seen = check_gradient(f, wrong, theta)
    assert not seen.passed
    assert seen.entry == (entry,)
    assert seen.given - seen.expected == pytest.approx(1e-5 * size, rel=1e-2)


@each_library
@each_dtype
def test_every_library_passes_and_names_the_worst_entry(xp, dtype):
    x = to(xp, np.random.default_rng(5).normal(size=(2, 3)), dtype)
    assert check_gradient(smooth(xp), smooth_grad(xp), x).passed
    mask = to(xp, [[0, 0, 0], [0, 1, 0]], dtype)
    seen = check_gradient(smooth(xp), lambda x: smooth_grad(xp)(x) + mask, x)
    expected = float(smooth_grad(xp)(x)[1, 1])
    assert not seen.passed
    assert seen.entry == (1, 1)
    assert (type(seen.passed), type(seen.worst), type(seen.given)) == (bool, float, float)
    assert seen.given == pytest.approx(expected + 1, rel=1e-6)
    assert seen.expected == pytest.approx(expected, rel=1e-3)
    if dtype == "float64":  # in float32 the rounding of f is larger than this gradient
        assert seen.worst == pytest.approx(1 / max(abs(expected), abs(expected + 1)), rel=1e-3)
    assert tuple(seen.errors.shape) == (2, 3)


def test_an_entry_that_is_zero_does_not_fail_for_rounding():
    """e^x e^-x leaves 1e5 and its rounding: the difference is pure noise."""
    x = np.random.default_rng(6).normal(size=20)

    def f(x):
        return np.sum(np.sin(x[:10])) + 1e5 * np.exp(np.sum(x[10:])) * np.exp(-np.sum(x[10:]))

    noise = numerical_gradient(f, x)[10:]
    assert np.any(noise != 0)
    seen = check_gradient(f, lambda x: np.concatenate([np.cos(x[:10]), np.zeros(10)]), x)
    assert seen.passed, seen


def test_the_sign_the_factor_and_a_missing_entry_are_found():
    x = np.array([1.0, 2.0, 3.0])
    for wrong in (-2 * x, 2.0001 * x, 2 * x * np.array([1, 1, 0]), 2 * x[::-1]):
        assert not check_gradient(lambda x: x @ x, lambda x, wrong=wrong: wrong, x).passed
    almost = {"f": lambda x: x @ x, "grad_f": lambda x: 2 * (1 + 1e-7) * x, "x": x}
    assert not check_gradient(**almost).passed
    assert check_gradient(**almost, tolerance=1e-6).passed
    zero = check_gradient(lambda x: 0.0 * x[0], lambda x: 0 * x, x)
    assert zero.passed
    assert zero.worst == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_fails(value):
    seen = check_gradient(lambda x: x @ x, lambda x: np.array([2.0, value]), np.array([1.0, 1.0]))
    assert (seen.passed, seen.worst, seen.entry) == (False, math.inf, (1,))


# Spectral radius


@each_library
def test_the_radius_of_matrices_known_by_hand(xp):
    turn = [[0.0, -2.0], [2.0, 0.0]]  # eigenvalues ±2i
    for matrix, radius in [
        ([[3.0]], 3),
        ([[-3.0]], 3),
        (turn, 2),
        ([[0.0, 1.0], [0.0, 0.0]], 0),
        ([[0.5, 1e4], [0.0, -0.25]], 0.5),
        (np.diag([1e4, -1e-4]), 1e4),
    ]:
        found = spectral_radius(to(xp, matrix))
        assert type(found) is float
        assert found == pytest.approx(radius, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_root_of_a_high_powers_norm_and_torch_agrees(seed):
    J = np.random.default_rng(seed).normal(size=(6, 6))
    radius = spectral_radius(J)
    theirs = torch.linalg.eigvals(torch.from_numpy(J)).abs().max().item()
    assert radius == pytest.approx(theirs, rel=1e-12)
    assert spectral_radius(J.T) == pytest.approx(radius, rel=1e-12)
    root = np.linalg.norm(np.linalg.matrix_power(J / radius, 2**14), 2) ** (1 / 2**14)
    assert root == pytest.approx(1, rel=1e-3)
    assert radius <= np.linalg.norm(J, 2)


def test_a_normal_matrix_grows_like_its_radius_and_another_may_jump_first():
    symmetric = np.array([[0.5, 0.3], [0.3, -0.2]])
    jumping = np.array([[0.5, 100.0], [0.0, 0.5]])
    for k in (1, 2, 7):
        norm = np.linalg.norm(np.linalg.matrix_power(symmetric, k), 2)
        assert norm == pytest.approx(spectral_radius(symmetric) ** k)
    norms = [np.linalg.norm(np.linalg.matrix_power(jumping, k), 2) for k in range(60)]
    assert norms[1] > 100
    assert norms[-1] < 1e-10
    np.testing.assert_allclose(spectral_radius(jumping), 0.5)


def test_a_radius_of_what_is_not_finite_is_nan():
    assert math.isnan(spectral_radius(np.array([[1.0, np.nan], [0.0, 1.0]])))
    assert math.isnan(spectral_radius(torch.tensor([[math.inf]])))


def test_a_torch_matrix_with_a_graph_is_taken():
    assert spectral_radius(torch.eye(3, requires_grad=True)) == 1


# Norms of a network's layers


def test_the_norms_are_those_torchs_autograd_sees():
    rng = np.random.default_rng(7)
    network = Sequential(Linear(4, 6, rng), ReLU(), Linear(6, 5, rng), ReLU(), Linear(5, 3, rng))
    x, labels = rng.normal(size=(8, 4)), rng.integers(0, 3, size=8)
    kept = [param.copy() for param in network.params]
    seen = layer_norms(network, x, lambda logits: cross_entropy_grad(logits, labels))

    leaves = [torch.tensor(param, requires_grad=True) for param in kept]
    outputs, h = [], torch.from_numpy(x)
    for i in range(3):
        h = h @ leaves[2 * i] + leaves[2 * i + 1]
        outputs.append(h)
        if i < 2:
            h = torch.relu(h)
            outputs.append(h)
    for output in outputs:
        output.retain_grad()
    torch.nn.functional.cross_entropy(h, torch.from_numpy(labels)).backward()

    def norm(*tensors):
        return math.sqrt(sum(float((t.detach() ** 2).sum()) for t in tensors))

    np.testing.assert_allclose(seen.activations, [norm(o) for o in outputs], rtol=1e-12)
    np.testing.assert_allclose(seen.gradients, [norm(o.grad) for o in outputs], rtol=1e-12)
    grads = [norm(leaves[2 * i].grad, leaves[2 * i + 1].grad) for i in range(3)]
    np.testing.assert_allclose(
        seen.parameters, [grads[0], 0, grads[1], 0, grads[2]], rtol=1e-12, atol=0
    )
    for param, before in zip(network.params, kept, strict=True):
        np.testing.assert_array_equal(param, before)


def test_a_linear_stack_shows_its_radius():
    """Through layers 2I everything doubles on the way forward and on the way back."""
    rng = np.random.default_rng(8)
    network = Sequential(*(Linear(3, 3, rng) for _ in range(5)))
    for layer in network.layers:
        layer.params[0][:] = 2 * np.eye(3)
    seen = layer_norms(network, np.ones((1, 3)), lambda y: np.ones_like(y))
    np.testing.assert_allclose(seen.activations, math.sqrt(3) * 2.0 ** np.arange(1, 6))
    np.testing.assert_allclose(seen.gradients, math.sqrt(3) * 2.0 ** np.arange(4, -1, -1))


def test_a_network_in_a_network_is_one_layer():
    rng = np.random.default_rng(9)
    inner = Sequential(Linear(4, 3, rng), ReLU())
    seen = layer_norms(Sequential(inner, Linear(3, 2, rng)), np.ones((2, 4)), lambda y: y)
    assert [values.shape for values in seen] == [(2,), (2,), (2,)]


# Dead units


@each_library
@each_dtype
def test_a_unit_is_dead_when_it_is_zero_for_all_samples(xp, dtype):
    h = to(xp, [[0, 1, 0, -0.0], [0, 0, 2, 0], [0, 3, 0, 0]], dtype)
    assert dead_fraction(h) == 0.5
    assert dead_fraction(h[:1, :]) == 0.75
    assert dead_fraction(h[:, 1:3]) == 0
    assert type(dead_fraction(h)) is float


def test_every_entry_of_a_sample_is_a_unit():
    h = np.zeros((5, 2, 3))
    h[4, 1, 2] = 1e-300
    assert dead_fraction(h) == pytest.approx(5 / 6)


def test_nan_is_not_dead():
    assert dead_fraction(np.array([[np.nan, 0.0], [0.0, 0.0]])) == 0.5


def test_a_large_negative_bias_kills_units_that_zeros_alone_do_not():
    rng = np.random.default_rng(10)
    linear, relu = Linear(10, 40, rng), ReLU()
    x = rng.normal(size=(500, 10))
    before = relu.forward(linear.forward(x))
    assert dead_fraction(before) == 0
    assert 0.4 < np.mean(before == 0) < 0.6
    linear.params[1][:10] = -100.0
    assert dead_fraction(relu.forward(linear.forward(x))) == 0.25


# Variance through random layers

ACTIVATIONS = {"linear": (torch.nn.Identity(), 1.0), "relu": (torch.nn.ReLU(), 2.0)}
ACTIVATIONS["tanh"] = (torch.nn.Tanh(), 2.5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_prediction_is_what_random_networks_show(activation):
    """Average over 40 torch networks of width about 300: both ways, layer by layer."""
    phi, gain = ACTIVATIONS[activation]
    widths = [200, 300, 400, 250, 300]
    variances = [gain / fan_in for fan_in in widths[:-1]]
    seen = predicted_variance(
        widths,
        variances,
        activation=activation,
        input_mean_square=1.5,
        output_gradient_variance=0.7,
    )
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    forward, backward = np.zeros(4), np.zeros(4)
    runs = 40
    for _ in range(runs):
        h, zs = math.sqrt(0.5) + normal(20, widths[0]), []
        for fan_in, fan_out, variance in zip(widths[:-1], widths[1:], variances, strict=True):
            z = h @ (math.sqrt(variance) * normal(fan_in, fan_out)).requires_grad_()
            z.retain_grad()
            zs.append(z)
            h = phi(z)
        zs[-1].backward(math.sqrt(0.7) * normal(*zs[-1].shape))
        forward += [float(z.detach().square().mean()) / runs for z in zs]
        backward += [float(z.grad.square().mean()) / runs for z in zs]
    np.testing.assert_allclose(seen.forward, forward, rtol=0.04)
    np.testing.assert_allclose(seen.backward, backward, rtol=0.04)


def test_what_the_recipes_keep_constant():
    widths = [30, 70, 50, 20]
    lecun = predicted_variance(widths, [1 / n for n in widths[:-1]])
    np.testing.assert_allclose(lecun.forward, 1)
    he = predicted_variance(widths, [2 / n for n in widths[:-1]], activation="relu")
    np.testing.assert_allclose(he.forward, 2)
    fan_out = predicted_variance(widths, [1 / n for n in widths[1:]])
    np.testing.assert_allclose(fan_out.backward, 1)
    np.testing.assert_allclose(fan_out.forward, np.cumprod([n / m for n, m in pairwise(widths)]))


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.floats(-6, 6))
def test_tanhs_moments_are_the_integrals(exponent):
    variance = 10.0**exponent
    seen = predicted_variance([1, 1, 1], [1.0, 1.0], activation="tanh", input_mean_square=variance)

    def mean(of):
        scale = math.sqrt(variance)
        points = [min(10.0, c / scale) for c in (0.3, 1, 3, 10, 30)]
        value, _ = scipy.integrate.quad(
            lambda t: of(math.tanh(scale * t)) * math.exp(-t * t / 2),
            0,
            10,
            points=sorted(set(points)),
            limit=400,
            epsabs=0,
            epsrel=1e-11,
        )
        return 2 * value / math.sqrt(2 * math.pi)

    assert seen.forward[1] == pytest.approx(mean(lambda h: h * h), rel=1e-10)
    assert seen.backward[0] == pytest.approx(mean(lambda h: (1 - h * h) ** 2), rel=1e-10)


def test_tanh_with_small_and_without_signals():
    seen = predicted_variance([1, 1, 1], [1e-4, 1.0], activation="tanh")
    assert seen.forward[1] == pytest.approx(1e-4 - 2e-8, rel=1e-7)
    assert seen.backward[0] == pytest.approx(1 - 2e-4, rel=1e-6)
    dead = predicted_variance([5, 5, 5], [0.0, 1.0], activation="tanh")
    np.testing.assert_array_equal(dead.forward, [0, 0])
    np.testing.assert_array_equal(dead.backward, [5, 1])


@pytest.mark.parametrize(
    "name", ["elu", "gelu", "leaky_relu", "mish", "selu", "sigmoid", "silu", "tanh"]
)
@pytest.mark.parametrize("variance", [0.01, 1.0, 60.0])
def test_moments_are_the_integrals(name, variance):
    seen = predicted_variance([1, 1, 1], [1.0, 1.0], activation=name, input_mean_square=variance)
    function, slope = getattr(activations, name), getattr(activations, f"{name}_grad")
    scale = math.sqrt(variance)

    def mean(of):
        def term(t):
            return float(of(np.array(scale * t))) ** 2 * math.exp(-t * t / 2)

        halves = [scipy.integrate.quad(term, *ends, limit=200)[0] for ends in ((-9, 0), (0, 9))]
        return sum(halves) / math.sqrt(2 * math.pi)

    assert seen.forward[1] == pytest.approx(mean(function), rel=2e-4)
    assert seen.backward[0] == pytest.approx(mean(slope), rel=2e-4)


def test_selu_keeps_a_variance_of_1_and_a_leaky_relu_its_share():
    selu = predicted_variance([1] * 9, [1.0] * 8, activation="selu")
    np.testing.assert_allclose(selu.forward, 1, rtol=1e-4)
    leaky = predicted_variance([1, 1, 1], [1.0, 1.0], activation="leaky_relu")
    assert leaky.forward[1] == pytest.approx((1 + 0.01**2) / 2, rel=1e-5)
    assert leaky.backward[0] == pytest.approx((1 + 0.01**2) / 2, rel=1e-5)


def test_the_mean_of_relus_output_counts():
    """Var(h) = (1 - 1/π) v/2 in place of E[h²] = v/2 would lose a third a layer."""
    rng = np.random.default_rng(11)
    h = np.maximum(rng.normal(size=100_000), 0)
    assert np.var(h) == pytest.approx((1 - 1 / math.pi) / 2, rel=0.02)
    seen = predicted_variance([1, 1, 1], [1.0, 1.0], activation="relu")
    assert seen.forward[1] == 0.5 == pytest.approx(np.mean(h * h), rel=0.02)


# Bad input


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: numerical_gradient(lambda x: x, np.ones(2)),
            TypeError,
            "numerical_gradient: f(x) must be one number, got a numpy.ndarray of shape (2,).",
        ),
        (lambda: numerical_gradient(sum, [1.0]), TypeError, "numerical_gradient: x is a list."),
        (lambda: numerical_gradient(sum, np.array([1])), TypeError, "x has dtype int64."),
        (
            lambda: numerical_gradient(sum, np.ones(1), h=0),
            ValueError,
            "numerical_gradient: h must lie in (0, inf), got 0.0.",
        ),
        (
            lambda: numerical_gradient(sum, np.array([1e20]), h=1e-3),
            ValueError,
            "numerical_gradient: h = 0.001 is lost beside x = 1e+20 in float64.",
        ),
        (
            lambda: check_gradient(sum, lambda x: x[:1], np.ones(2)),
            ValueError,
            "check_gradient: x has shape (2,) but grad_f(x) has shape (1,).",
        ),
        (
            lambda: check_gradient(sum, lambda x: x[:, None], np.ones(2)),
            ValueError,
            "check_gradient: x has shape (2,) but grad_f(x) has shape (2, 1).",
        ),
        (
            lambda: check_gradient(sum, lambda x: [1.0, 1.0], np.ones(2)),
            TypeError,
            "check_gradient: x is a numpy.ndarray and grad_f(x) is a list.",
        ),
        (
            lambda: check_gradient(sum, lambda x: x, np.ones((2, 0))),
            ValueError,
            "check_gradient: x has shape (2, 0); there is no entry to compare.",
        ),
        (
            lambda: check_gradient(sum, lambda x: x, np.ones(2), tolerance=0),
            ValueError,
            "check_gradient: tolerance must lie in (0, inf), got 0.0.",
        ),
        (lambda: spectral_radius(np.ones((2, 3))), ValueError, "J has shape (2, 3). Give a square"),
        (lambda: spectral_radius(np.ones(2)), ValueError, "spectral_radius: J has shape (2,)."),
        (lambda: spectral_radius(np.ones((0, 0))), ValueError, "J has shape (0, 0)."),
        (lambda: spectral_radius([[1.0]]), TypeError, "spectral_radius: J is a list."),
        (
            lambda: layer_norms(ReLU(), np.ones((1, 1)), lambda y: y),
            TypeError,
            "layer_norms: network is a ReLU without layers.",
        ),
        (
            lambda: layer_norms(Sequential(ReLU()), np.ones((1, 1)), np.ones((1, 1))),
            TypeError,
            "layer_norms: loss_grad must be a function from the network's output to ∂L/∂output",
        ),
        (
            lambda: layer_norms(Sequential(ReLU()), np.ones((2, 1)), lambda y: y[:1]),
            ValueError,
            "layer_norms: the output has shape (2, 1) but loss_grad(output) has shape (1, 1).",
        ),
        (lambda: dead_fraction(np.ones(3)), ValueError, "activations have shape (3,). Give at"),
        (lambda: dead_fraction(np.ones((0, 3))), ValueError, "activations have shape (0, 3)."),
        (lambda: dead_fraction(np.ones((3, 0))), ValueError, "activations have shape (3, 0)."),
        (lambda: dead_fraction(np.ones((3, 1), int)), TypeError, "activations has dtype int64."),
        (
            lambda: predicted_variance([2, 2], [1.0], activation="step"),
            ValueError,
            "unknown activation 'step'; it takes linear, relu, elu, gelu,",
        ),
        (
            lambda: predicted_variance([2, 2], [1.0, 1.0]),
            ValueError,
            "2 weight variances for 2 widths. Give one variance for each layer",
        ),
        (lambda: predicted_variance([2], []), ValueError, "0 weight variances for 1 widths."),
        (lambda: predicted_variance([2, 0], [1.0]), ValueError, "each of widths must be at least"),
        (lambda: predicted_variance([2, 1.5], [1.0]), TypeError, "each of widths must be a whole"),
        (
            lambda: predicted_variance([2, 2], [-1.0]),
            ValueError,
            "each weight_variance must lie in",
        ),
        (
            lambda: predicted_variance([2, 2], [1.0], input_mean_square=math.inf),
            ValueError,
            "predicted_variance: input_mean_square must lie in [0, inf), got inf.",
        ),
        (
            lambda: predicted_variance([2, 2], [1.0], output_gradient_variance=-1),
            ValueError,
            "predicted_variance: output_gradient_variance must lie in [0, inf), got -1.0.",
        ),
    ],
)
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()
