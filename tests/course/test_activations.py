"""Every activation and derivative against torch, finite differences, limits and bad input."""

import itertools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import torch
import torch.nn.functional as F  # noqa: N812
from array_api_compat import array_namespace
from hypothesis import given, settings
from hypothesis import strategies as st

from course import activations
from course.activations import (
    elu,
    elu_grad,
    gelu,
    gelu_grad,
    heaviside,
    heaviside_grad,
    identity,
    identity_grad,
    leaky_relu,
    leaky_relu_grad,
    log_softmax,
    log_softmax_grad,
    mish,
    mish_grad,
    prelu,
    prelu_alpha_grad,
    prelu_grad,
    relu,
    relu_grad,
    rrelu,
    rrelu_grad,
    selu,
    selu_constants,
    selu_grad,
    sigmoid,
    sigmoid_grad,
    sign,
    sign_grad,
    silu,
    silu_grad,
    softmax,
    softmax_grad,
    tanh,
    tanh_grad,
)

LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
DTYPES = ["float32", "float64"]
SHAPES = [(), (0,), (3,), (1, 3), (3, 1), (2, 3), (2, 0), (0, 2), (2, 3, 4)]
INF = math.inf
ALPHA, LAMBDA = selu_constants()


def draw(*shape, seed=0):
    """Draw numbers of both signs whose sizes span four powers of ten."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * 10 ** rng.uniform(-2, 2, size=shape)


def to(xp, values, dtype="float64"):
    values = np.array(values, dtype=dtype)
    return torch.from_numpy(values) if xp is torch else xp.asarray(values)


def numbers(array):
    return array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


def like(x, value):
    """Give an array of shape () of the library and dtype of x."""
    return array_namespace(x).asarray(value, dtype=x.dtype)


def ramp(x):
    """Give other numbers of the library, shape and dtype of x: a gradient from above."""
    values = np.linspace(-1.5, 2, math.prod(x.shape)).reshape(tuple(x.shape))
    return array_namespace(x).asarray(values, dtype=x.dtype)


def autograd(f, x, grad=None):
    """Differentiate f at x with torch, weighted by the gradient from above."""
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = f(x)
    y.backward(torch.ones_like(y) if grad is None else torch.as_tensor(grad))
    return x.grad.numpy()


def central_difference(f, x):
    step = np.finfo(np.float64).eps ** (1 / 3) * np.maximum(1, np.abs(x))
    return (f(x + step) - f(x - step)) / (2 * step)


def a_slope(x):
    """Give the slopes that seed 3 draws, as torch numbers."""
    return torch.from_numpy(np.random.default_rng(3).uniform(1 / 8, 1 / 3, size=tuple(x.shape)))


@dataclass(frozen=True)
class Row:
    """An activation with its derivative, torch's own, and what both do at -∞, 0 and ∞."""

    f: Callable[[Any], Any]
    grad: Callable[[Any], Any]
    oracle: Callable[[torch.Tensor], torch.Tensor]
    limits: tuple[float, float]
    slopes: tuple[float, float, float]
    smooth: bool = False
    torch_lacks_limits: bool = False


def row(f, grad, oracle, limits, slopes, smooth=False, lacks=False, **hyper):
    return Row(partial(f, **hyper), partial(grad, **hyper), oracle, limits, slopes, smooth, lacks)


ROWS = {
    "identity": row(identity, identity_grad, torch.nn.Identity(), (-INF, INF), (1, 1, 1), True),
    "heaviside": row(
        heaviside,
        heaviside_grad,
        lambda x: torch.relu(torch.sign(x)),
        (0, 1),
        (0, 0, 0),
    ),
    "sign": row(sign, sign_grad, torch.sign, (-1, 1), (0, 0, 0)),
    "sigmoid": row(sigmoid, sigmoid_grad, torch.sigmoid, (0, 1), (0, 0.25, 0), True),
    "tanh": row(tanh, tanh_grad, torch.tanh, (-1, 1), (0, 1, 0), True),
    "relu": row(relu, relu_grad, torch.relu, (0, INF), (0, 0, 1)),
    "leaky_relu": row(leaky_relu, leaky_relu_grad, F.leaky_relu, (-INF, INF), (0.01, 0.01, 1)),
    "leaky_relu-slope": row(
        leaky_relu,
        leaky_relu_grad,
        lambda x: F.leaky_relu(x, negative_slope=1.5),
        (-INF, INF),
        (1.5, 1.5, 1),
        negative_slope=1.5,
    ),
    "leaky_relu-zero": row(
        leaky_relu, leaky_relu_grad, torch.relu, (0, INF), (0, 0, 1), negative_slope=0
    ),
    "prelu": row(
        lambda x: prelu(x, like(x, 0.3)),
        lambda x: prelu_grad(x, like(x, 0.3)),
        lambda x: F.prelu(x, torch.tensor(0.3, dtype=x.dtype)),
        (-INF, INF),
        (0.3, 0.3, 1),
    ),
    "rrelu-test": row(
        rrelu,
        rrelu_grad,
        lambda x: F.rrelu(x, training=False),
        (-INF, INF),
        (11 / 48, 11 / 48, 1),
    ),
    "rrelu-bounds": row(
        rrelu,
        rrelu_grad,
        lambda x: F.rrelu(x, 0.5, 1.0, training=False),
        (-INF, INF),
        (0.75, 0.75, 1),
        lower=0.5,
        upper=1.0,
    ),
    "rrelu-training": Row(
        lambda x: rrelu(x, rng=np.random.default_rng(3)),
        lambda x: rrelu_grad(x, rng=np.random.default_rng(3)),
        lambda x: torch.where(x > 0, x, a_slope(x) * x),
        (-INF, INF),
        tuple(np.random.default_rng(3).uniform(1 / 8, 1 / 3, size=3) * [1, 1, 0] + [0, 0, 1]),
    ),
    "elu": row(elu, elu_grad, F.elu, (-1, INF), (0, 1, 1), True),
    "elu-alpha": row(
        elu, elu_grad, lambda x: F.elu(x, alpha=0.3), (-0.3, INF), (0, 0.3, 1), alpha=0.3
    ),
    "selu": row(selu, selu_grad, F.selu, (-LAMBDA * ALPHA, INF), (0, LAMBDA * ALPHA, LAMBDA)),
    "silu": row(silu, silu_grad, F.silu, (0, INF), (0, 0.5, 1), True, True),
    "silu-beta": row(
        silu,
        silu_grad,
        lambda x: x * torch.sigmoid(0.3 * x),
        (0, INF),
        (0, 0.5, 1),
        True,
        True,
        beta=0.3,
    ),
    "gelu": row(gelu, gelu_grad, F.gelu, (0, INF), (0, 0.5, 1), True, True),
    "gelu-tanh": row(
        gelu,
        gelu_grad,
        lambda x: F.gelu(x, approximate="tanh"),
        (0, INF),
        (0, 0.5, 1),
        True,
        True,
        approximate="tanh",
    ),
    "mish": row(mish, mish_grad, F.mish, (0, INF), (0, 0.6, 1), True, True),
}


@dataclass(frozen=True)
class Soft:
    """A softmax with its product, and torch's own."""

    f: Callable[..., Any]
    grad: Callable[..., Any]
    oracle: Callable[..., torch.Tensor]


SOFT = {
    "softmax": Soft(softmax, softmax_grad, torch.softmax),
    "log_softmax": Soft(log_softmax, log_softmax_grad, torch.log_softmax),
}

# Every public function as a function of one array that gives an array of the same shape
CALLS = (
    {name: row.f for name, row in ROWS.items()}
    | {f"{name} derivative": row.grad for name, row in ROWS.items()}
    | {
        "prelu features": lambda x: prelu(x, ramp(x)),
        "prelu_alpha_grad": lambda x: prelu_alpha_grad(ramp(x), x, ramp(x)),
        "softmax": softmax,
        "softmax temperature": partial(softmax, temperature=0.5),
        "softmax_grad": lambda x: softmax_grad(ramp(x), x, temperature=2.0),
        "log_softmax": partial(log_softmax, temperature=0.5),
        "log_softmax_grad": lambda x: log_softmax_grad(ramp(x), x, temperature=2.0),
    }
)

each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
each_soft = pytest.mark.parametrize("soft", SOFT.values(), ids=SOFT)
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
each_library = pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
few_examples = settings(max_examples=50, derandomize=True, deadline=None)


def test_every_public_function_is_called():
    called = {name.split()[0].split("-")[0] for name in CALLS}
    called |= {f"{name.split('-')[0]}_grad" for name in ROWS}
    assert called | {"selu_constants"} == set(activations.__all__)


# Values and derivatives


@each_row
def test_ten_thousand_values_are_torchs(row):
    x = draw(10_000)
    theirs = row.oracle(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(row.f(x), theirs, rtol=1e-12, atol=1e-14)


@each_row
def test_ten_thousand_derivatives_are_torchs(row):
    x = np.append(draw(10_000, seed=1), 0.0)
    np.testing.assert_allclose(row.grad(x), autograd(row.oracle, x), rtol=1e-12, atol=1e-14)


@each_row
def test_the_derivative_is_what_autograd_finds_in_our_formula(row):
    x = np.concatenate([draw(1000, seed=2), [0.0, -0.0, 1e4, -1e4]])
    np.testing.assert_allclose(autograd(row.f, x), row.grad(x), rtol=1e-12, atol=1e-14)


@each_row
def test_the_derivative_is_the_central_difference(row):
    x = np.random.default_rng(4).uniform(-6, 6, size=1000)
    x = x[np.abs(x) > 1e-3]  # kinks and jumps are at 0
    np.testing.assert_allclose(row.grad(x), central_difference(row.f, x), rtol=0, atol=2e-9)


@each_row
def test_the_derivative_at_zero_is_that_from_the_left(row):
    assert row.grad(np.zeros(3))[1] == pytest.approx(row.slopes[1], abs=1e-15)
    left, right = row.grad(np.array([0.0, -1e-9, 1e-9]))[1:]
    assert left == pytest.approx(row.slopes[1], abs=1e-8)
    assert (right == pytest.approx(left, abs=1e-8)) == (row.smooth or right == 0)


@each_dtype
@each_row
def test_infinity_gives_the_limits_without_a_warning(row, dtype):
    x = np.array([-INF, 0.0, INF], dtype=dtype)
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(row.f(x)[[0, 2]], row.limits, rtol=tolerance)
    np.testing.assert_allclose(row.grad(x)[[0, 2]], np.array(row.slopes)[[0, 2]], rtol=tolerance)


@each_row
def test_autograd_has_the_limits_too(row):
    x = [-INF, 0.0, INF]
    np.testing.assert_allclose(autograd(row.f, x), row.slopes, rtol=1e-15, atol=1e-15)


@each_row
def test_where_torch_is_nan_at_infinity_ours_is_the_limit(row):
    x = torch.tensor([-INF, INF], dtype=torch.float64)
    y, slopes = row.oracle(x).numpy(), autograd(row.oracle, x.numpy())
    assert np.isnan(y).tolist() == [row.torch_lacks_limits, False]
    assert np.isnan(slopes).tolist() == [row.torch_lacks_limits, row.torch_lacks_limits]


@each_library
@each_row
def test_nan_passes_through_where_it_is_and_nowhere_else(row, xp):
    for function in (row.f, row.grad):
        y = numbers(function(to(xp, [1.0, np.nan, -2.0])))
        assert np.isnan(y).tolist() == [False, True, False]
        np.testing.assert_allclose(
            y[[0, 2]], numbers(function(to(xp, [1.0, 0.0, -2.0])))[[0, 2]], rtol=1e-15
        )


# What every function does with every array


@pytest.mark.parametrize("xp", [array_api_strict, torch], ids=["strict", "torch"])
@each_call
def test_all_libraries_give_the_same_numbers(call, xp):
    for dtype in DTYPES:
        x = draw(20, 30)
        ours, expected = numbers(call(to(xp, x, dtype))), call(to(np, x, dtype))
        tolerance = 30 * np.finfo(dtype).eps
        np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


@each_library
@each_call
def test_library_shape_and_dtype_are_kept(call, xp):
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        x = to(xp, draw(*shape), dtype)
        y = call(x)
        assert array_namespace(y) is array_namespace(x)
        assert y.shape == x.shape
        assert y.dtype == x.dtype


@pytest.mark.parametrize(
    "call",
    [
        partial(leaky_relu, negative_slope=np.float64(0.5)),
        partial(leaky_relu_grad, negative_slope=np.asarray(0.5)),
        partial(elu, alpha=np.float64(0.5)),
        partial(elu_grad, alpha=np.asarray(0.5)),
        partial(silu, beta=np.float64(0.5)),
        partial(silu_grad, beta=np.asarray(0.5)),
        partial(rrelu, lower=np.float64(0.5), upper=np.float64(1)),
        partial(rrelu_grad, lower=np.asarray(0.5), upper=np.float64(1)),
        partial(softmax, temperature=np.float64(0.5)),
        partial(log_softmax, temperature=np.asarray(0.5)),
        lambda x: softmax_grad(x, x, temperature=np.float64(0.5)),
        lambda x: log_softmax_grad(x, x, temperature=np.float64(0.5)),
    ],
)
def test_a_numpy_number_does_not_widen(call):
    assert call(np.ones(3, dtype=np.float32)).dtype == np.float32


@each_call
def test_the_input_is_left_as_it_is_and_the_result_is_new_memory(call):
    x = draw(3, 4)
    before = x.copy()
    x.flags.writeable = False
    y = call(x)
    np.testing.assert_array_equal(x, before)
    assert call is CALLS["identity"] or not np.shares_memory(x, y)


@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
@each_call
def test_a_view_gives_what_its_copy_gives(call, xp):
    whole = to(xp, draw(4, 6))
    for view in (whole[::2], whole[1:, ::3], whole.T, whole[:, 1]):
        copy = to(xp, numbers(view).copy())
        np.testing.assert_allclose(numbers(call(view)), numbers(call(copy)), rtol=1e-14, atol=1e-15)


@each_call
def test_huge_numbers_give_numbers_without_a_warning(call):
    for dtype in DTYPES:
        assert np.all(np.isfinite(call(np.array([1e4, -1e4, 0.0, 1.0, -1e4], dtype=dtype))))


@each_call
def test_autograd_is_finite_at_huge_numbers_and_at_zero(call):
    assert np.all(np.isfinite(autograd(call, [1e4, -1e4, 0.0, 1.0, -1e4])))


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
def test_torch_compiles_the_formulas_without_a_break():
    def all_values(x):
        return [call(x) for name, call in CALLS.items() if not name.startswith("rrelu-training")]

    torch.compiler.reset()
    x = torch.from_numpy(draw(4, 5))
    compiled = torch.compile(all_values, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), all_values(x), rtol=1e-13, atol=1e-13)


# What the docstrings say


def test_selus_constants_are_the_published_digits():
    published = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)
    assert selu_constants() == pytest.approx(published, rel=1e-14)


@pytest.mark.parametrize(("power", "moment"), [(1, 0.0), (2, 1.0)])
def test_selu_keeps_mean_0_and_variance_1(power, moment):
    def weighted(z):
        return float(selu(np.array(z))) ** power * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    both_sides = [
        scipy.integrate.quad(weighted, *ends, epsabs=1e-14)[0] for ends in ((-12, 0), (0, 12))
    ]
    assert sum(both_sides) == pytest.approx(moment, abs=1e-12)


@pytest.mark.parametrize(
    ("derivative", "root"), [(silu_grad, -1.278), (mish_grad, -1.192)], ids=["swish", "mish"]
)
def test_the_derivatives_of_swish_and_mish_do_vanish(derivative, root):
    def at(x):
        return float(derivative(np.array(x)))

    assert scipy.optimize.brentq(at, -2, -1) == pytest.approx(root, abs=5e-4)
    assert at(-3.0) < -0.01
    falling = np.abs(derivative(-np.array([5.0, 10.0, 20.0, 40.0])))
    assert np.all(falling[1:] < 0.05 * falling[:-1])
    assert derivative(np.array([-1e4, -INF])).tolist() == [0, 0]


@pytest.mark.parametrize("beta", [0.5, 1.702, 4.0])
def test_swish_has_its_minimum_at_beta_x(beta):
    root = scipy.optimize.brentq(lambda x: float(silu_grad(np.array(x), beta=beta)), -4, 0)
    assert beta * root == pytest.approx(-1.2784645, abs=1e-6)


def test_swish_goes_to_half_x_and_to_relu():
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(silu(x, beta=1e-9), x / 2, rtol=0, atol=1e-8)
    np.testing.assert_allclose(silu(x, beta=1e9), relu(x), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("alpha", "jump"), [(1.0, 0.0), (0.5, 0.5), (2.0, -1.0)])
def test_elu_is_smooth_for_alpha_1_only_and_celu_for_all(alpha, jump):
    left, right = elu_grad(np.array([0.0, 1e-12]), alpha=alpha)
    assert right - left == pytest.approx(jump, abs=1e-11)
    left, right = autograd(lambda x: F.celu(x, alpha=alpha), [-1e-12, 1e-12])
    assert right - left == pytest.approx(0, abs=1e-11)
    x = np.linspace(-3, -0.1, 30)
    celu = F.celu(torch.from_numpy(x), alpha=alpha).numpy()
    difference = alpha * (np.exp(x) - np.exp(x / alpha))
    np.testing.assert_allclose(elu(x, alpha=alpha) - celu, difference, rtol=0, atol=1e-15)
    assert (np.abs(difference).max() > 0.05) == (alpha != 1)


@pytest.mark.parametrize(
    ("approximation", "least", "most"),
    [(partial(gelu, approximate="tanh"), 4e-4, 5e-4), (partial(silu, beta=1.702), 0.02, 0.021)],
    ids=["tanh", "sigmoid"],
)
def test_gelus_approximations_are_off_by_so_much(approximation, least, most):
    x = np.linspace(-8, 8, 4001)
    assert least < np.max(np.abs(gelu(x) - approximation(x))) < most


def test_gelu_keeps_the_digits_of_the_left_tail():
    """Torch takes 1 + erf, which cancels: its values at -9 are 0."""
    x = np.array([-9.0, -20.0, -30.0])
    tail = x * np.array([math.erfc(-z / math.sqrt(2)) / 2 for z in x])
    np.testing.assert_allclose(gelu(x), tail, rtol=1e-13)
    assert F.gelu(torch.from_numpy(x)).numpy().tolist() == [0, 0, 0]


def test_the_sigmoid_and_its_derivative_keep_the_digits_of_both_tails():
    x = np.array([40.0, 300.0, 700.0])
    np.testing.assert_allclose(sigmoid(-x), np.exp(-x), rtol=1e-14)
    for tail in (x, -x):
        np.testing.assert_allclose(sigmoid_grad(tail), np.exp(-x), rtol=1e-14)
    assert autograd(torch.sigmoid, x).tolist() == [0, 0, 0]


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_heaviside_at_zero_is_a_convention(at_zero):
    x = np.array([-1.0, 0.0, 1.0])
    difference = np.heaviside(x, at_zero) - heaviside(x)
    assert difference.tolist() == [0, at_zero, 0]


def test_sign_differs_at_zero_from_the_step_of_two_values():
    x = np.array([-1.0, 0.0, 1.0])
    assert (sign(x) - (2 * heaviside(x) - 1)).tolist() == [0, 1, 0]


def test_a_steep_leak_is_no_maximum():
    x = np.array([-2.0, 3.0])
    np.testing.assert_allclose(leaky_relu(x, negative_slope=0.5), np.maximum(0.5 * x, x))
    assert np.maximum(1.5 * x, x).tolist() == [-2.0, 4.5]
    assert leaky_relu(x, negative_slope=1.5).tolist() == [-3.0, 3.0]


# PReLU's slopes

PRELU_SHAPES = [
    ((5,), ()),
    ((5,), (1,)),
    ((4, 3), (3,)),
    ((4, 3), (1, 3)),
    ((4, 3), (4, 1)),
    ((4, 3), (4, 3)),
    ((2, 3, 4, 5), (3, 1, 1)),
    ((0, 3), (3,)),
    ((), ()),
]


@each_library
@pytest.mark.parametrize(("shape", "slopes"), PRELU_SHAPES, ids=str)
def test_prelus_slopes_broadcast_and_their_gradient_has_their_shape(shape, slopes, xp):
    x, alpha, grad = draw(*shape), draw(*slopes, seed=1), draw(*shape, seed=2)
    arrays = [to(xp, values) for values in (grad, x, alpha)]
    ours = prelu_alpha_grad(*arrays)
    known = torch.tensor(alpha, requires_grad=True)
    y = torch.where(torch.tensor(x) > 0, torch.tensor(x), known * torch.tensor(x))
    y.backward(torch.tensor(grad))
    assert tuple(ours.shape) == slopes
    np.testing.assert_allclose(numbers(prelu(*arrays[1:])), y.detach().numpy(), rtol=1e-15)
    np.testing.assert_allclose(numbers(ours), known.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_torchs_prelu_has_flat_slopes_along_axis_1():
    x, alpha, grad = draw(2, 3, 4), np.array([0.1, 0.2, 0.3]), draw(2, 3, 4, seed=1)
    known = torch.tensor(alpha, requires_grad=True)
    y = F.prelu(torch.tensor(x), known)
    y.backward(torch.tensor(grad))
    np.testing.assert_allclose(prelu(x, alpha[:, None]), y.detach().numpy(), rtol=1e-15)
    ours = prelu_alpha_grad(grad, x, alpha[:, None])
    np.testing.assert_allclose(ours[:, 0], known.grad.numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match=re.escape("alpha has shape (3,), which does not")):
        prelu(x, alpha)


def test_prelus_alpha_gradient_is_the_central_difference():
    x, alpha, grad = draw(4, 3), np.array([0.1, 0.2, 0.3]), draw(4, 3, seed=1)
    ours = prelu_alpha_grad(grad, x, alpha)
    for index in range(3):
        step = np.zeros(3)
        step[index] = 1e-4
        change = np.sum(grad * (prelu(x, alpha + step) - prelu(x, alpha - step))) / 2e-4
        assert ours[index] == pytest.approx(change, rel=1e-9, abs=1e-9)


def test_prelus_gradients_are_what_autograd_finds_in_our_formula():
    x, alpha, grad = draw(4, 3), draw(3, seed=1), draw(4, 3, seed=2)
    leaves = [torch.tensor(values, requires_grad=True) for values in (x, alpha)]
    prelu(*leaves).backward(torch.tensor(grad))
    np.testing.assert_allclose(grad * prelu_grad(x, alpha), leaves[0].grad.numpy(), rtol=1e-14)
    ours = prelu_alpha_grad(grad, x, alpha)
    np.testing.assert_allclose(ours, leaves[1].grad.numpy(), rtol=1e-12)


def test_torch_starts_prelu_at_a_quarter():
    assert torch.nn.PReLU().weight.item() == 0.25


# RReLU's draws


def slopes_of(x, y):
    return numbers(y) / numbers(x)


@each_dtype
@pytest.mark.parametrize("xp", [array_api_strict, torch], ids=["strict", "torch"])
def test_one_seed_draws_the_same_slopes_on_every_library(xp, dtype):
    x = -np.ones((3, 4))
    expected = rrelu(to(np, x, dtype), rng=np.random.default_rng(1))
    ours = rrelu(to(xp, x, dtype), rng=np.random.default_rng(1))
    np.testing.assert_array_equal(numbers(ours), expected)


def test_a_generator_goes_on_and_draws_new_slopes():
    rng, x = np.random.default_rng(0), -np.ones(5)
    first, second = rrelu(x, rng=rng), rrelu(x, rng=rng)
    assert not np.any(first == second)


def test_the_slopes_do_not_depend_on_the_signs():
    x = np.array([-1.0, 1.0, -1.0, -1.0])
    ours = rrelu(x, rng=np.random.default_rng(0))
    all_negative = rrelu(-np.ones(4), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(ours, np.where(x > 0, x, all_negative))


def test_rrelus_slopes_are_uniform_and_their_mean_is_the_test_slope():
    x = -np.ones(100_000)
    slopes = -rrelu(x, rng=np.random.default_rng(0))
    standard_error = (1 / 3 - 1 / 8) / math.sqrt(12 * x.size)
    at_test = -float(rrelu(np.array(-1.0)))
    assert at_test == pytest.approx(11 / 48, rel=1e-15)
    assert abs(slopes.mean() - at_test) < 4 * standard_error
    deciles = np.histogram(slopes, bins=10, range=(1 / 8, 1 / 3))[0]
    assert deciles.sum() == x.size
    assert np.all(np.abs(deciles - 10_000) < 5 * math.sqrt(9_000))


def test_the_papers_divisor_has_the_range_of_ours_but_not_its_mean():
    paper = 1 / np.random.default_rng(0).uniform(3, 8, size=100_000)
    assert 1 / 8 <= paper.min() < 0.126
    assert 0.332 < paper.max() <= 1 / 3
    assert paper.mean() == pytest.approx(math.log(8 / 3) / 5, abs=0.001)
    assert 1 / 5.5 < paper.mean() < 11 / 48


@few_examples
@given(
    bounds=st.lists(st.floats(0, 2), min_size=2, max_size=2).map(sorted),
    values=st.lists(st.floats(-1e4, -1e-4), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_rrelu_stays_between_its_bounds(bounds, values, seed):
    x, (lower, upper) = np.array(values), bounds
    hyper = {"lower": lower, "upper": upper}
    slopes = rrelu_grad(x, rng=np.random.default_rng(seed), **hyper)
    assert np.all((lower <= slopes) & (slopes <= upper))
    np.testing.assert_array_equal(rrelu(x, rng=np.random.default_rng(seed), **hyper), slopes * x)


# Softmax

SOFT_CASES = [((5,), -1), ((5,), 0), ((4, 3), 1), ((4, 3), 0), ((2, 3, 4), -2), ((2, 3, 4), 0)]


@each_library
@pytest.mark.parametrize("temperature", [0.3, 7.0])
@pytest.mark.parametrize(("shape", "axis"), SOFT_CASES)
@each_soft
def test_softmax_and_its_product_are_torchs(soft, shape, axis, temperature, xp):
    x, grad = draw(*shape), draw(*shape, seed=1)
    hyper = {"temperature": temperature, "axis": axis}
    known = torch.tensor(x, requires_grad=True)
    theirs = soft.oracle(known / temperature, axis)
    theirs.backward(torch.tensor(grad))
    y, product = soft.f(to(xp, x), **hyper), soft.grad(to(xp, grad), to(xp, x), **hyper)
    np.testing.assert_allclose(numbers(y), theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
    tolerance = 1e-12 * known.grad.abs().max().item()
    np.testing.assert_allclose(numbers(product), known.grad.numpy(), rtol=0, atol=tolerance)


@each_soft
def test_ten_thousand_rows_are_torchs(soft):
    x = draw(10_000, 10)
    theirs = soft.oracle(torch.from_numpy(x), -1).numpy()
    np.testing.assert_allclose(soft.f(x), theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@each_soft
def test_the_product_is_the_jacobians_by_central_differences(soft, temperature):
    x, grad = np.random.default_rng(0).normal(size=5), draw(5, seed=1)
    f = partial(soft.f, temperature=temperature)
    steps = 1e-5 * np.eye(5)
    jacobian = np.stack([(f(x + step) - f(x - step)) / 2e-5 for step in steps], axis=1)
    ours = soft.grad(grad, x, temperature=temperature)
    np.testing.assert_allclose(ours, grad @ jacobian, rtol=0, atol=1e-8 * np.abs(grad).max())


@pytest.mark.parametrize(
    "x",
    [draw(4, 3), np.zeros((2, 3)), np.array([[1e4, -1e4, 1e4], [0.0, 1e4, -INF]])],
    ids=["drawn", "ties", "extreme"],
)
@each_soft
def test_the_product_is_what_autograd_finds_in_our_formula(soft, x):
    grad = draw(*x.shape, seed=1)
    found = autograd(partial(soft.f, temperature=0.7), x, grad)
    ours = soft.grad(grad, x, temperature=0.7)
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-12 * np.abs(ours).max())


def test_softmaxs_jacobian_is_symmetric():
    x = draw(4)
    jacobian = np.stack([softmax_grad(row, x) for row in np.eye(4)])
    np.testing.assert_allclose(jacobian, jacobian.T, rtol=0, atol=1e-16)
    p = softmax(x)
    np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), rtol=0, atol=1e-15)


INFINITE_LOGITS = {
    "one": ([INF, 0.0, 5.0], [1, 0, 0]),
    "two": ([INF, 0.0, INF], [0.5, 0, 0.5]),
    "against": ([INF, -INF, 3.0], [1, 0, 0]),
    "all below": ([-INF, -INF], [0.5, 0.5]),
}


@each_library
@pytest.mark.parametrize(("x", "p"), INFINITE_LOGITS.values(), ids=INFINITE_LOGITS)
def test_equal_infinite_logits_share_and_torch_is_nan(x, p, xp):
    np.testing.assert_array_equal(numbers(softmax(to(xp, x))), p)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(numbers(log_softmax(to(xp, x))), np.log(p), rtol=1e-15)
    for theirs in (torch.softmax, torch.log_softmax):
        assert theirs(torch.tensor(x), -1).isnan().any()
    assert np.all(np.isfinite(autograd(softmax, x)))


def test_a_class_of_logit_minus_infinity_is_out_as_in_torch():
    x = [0.0, -INF, 1.0]
    for ours, theirs in ((softmax, torch.softmax), (log_softmax, torch.log_softmax)):
        expected = theirs(torch.tensor(x, dtype=torch.float64), -1).numpy()
        np.testing.assert_allclose(ours(np.array(x)), expected, rtol=1e-15)


@each_soft
def test_nan_spoils_its_row_only(soft):
    x = np.array([[1.0, np.nan], [1.0, 2.0]])
    assert np.isnan(soft.f(x)).tolist() == [[True, True], [False, False]]
    assert np.isnan(soft.grad(np.ones((2, 2)), x)).tolist() == [[True, True], [False, False]]


@each_library
def test_a_single_number_has_probability_1(xp):
    for axis in (0, -1):
        assert float(softmax(to(xp, 3.0), axis=axis)) == 1
        assert float(log_softmax(to(xp, 3.0), axis=axis)) == 0


def test_log_softmax_keeps_the_digits_that_the_softmax_loses():
    x = np.array([0.0, -1000.0])
    assert softmax(x).tolist() == [1, 0]
    assert log_softmax(x).tolist() == [0, -1000]


def test_log_softmaxs_product_is_the_gradient_of_the_cross_entropy():
    x = draw(3)
    right = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(log_softmax_grad(-right, x), softmax(x) - right, rtol=0, atol=1e-15)


logits = st.lists(st.floats(-50, 50), min_size=1, max_size=8).map(np.array)


@few_examples
@given(x=logits, shift=st.floats(-1e4, 1e4), temperature=st.floats(0.1, 10))
def test_softmax_does_not_see_a_shift(x, shift, temperature):
    p = softmax(x, temperature=temperature)
    assert np.sum(p) == pytest.approx(1, rel=1e-14)
    assert np.all((p >= 0) & (p <= 1))
    np.testing.assert_allclose(softmax(x + shift, temperature=temperature), p, rtol=0, atol=1e-10)


@few_examples
@given(x=logits, grad=st.floats(-5, 5), seed=st.integers(0, 99))
def test_the_products_have_no_part_along_a_shift(x, grad, seed):
    g = grad + np.random.default_rng(seed).normal(size=x.size)
    for product in (softmax_grad, log_softmax_grad):
        assert np.sum(product(g, x)) == pytest.approx(0, abs=1e-13 * np.sum(np.abs(g)))


@few_examples
@given(x=st.lists(st.integers(-9, 9), min_size=2, max_size=6, unique=True).map(np.array))
def test_a_low_temperature_gives_all_to_the_largest_and_a_high_one_the_same_to_each(x):
    x = x.astype(np.float64)
    np.testing.assert_allclose(softmax(x, temperature=0.01), x == x.max(), rtol=0, atol=1e-15)
    np.testing.assert_allclose(softmax(x, temperature=1e9), 1 / x.size, rtol=1e-7)


# Bad input

WRAPPED = {
    "prelu": lambda x: prelu(x, np.array(0.25)),
    "prelu_grad": lambda x: prelu_grad(x, np.array(0.25)),
    "prelu_alpha_grad": lambda x: prelu_alpha_grad(np.ones(2), x, np.array(0.25)),
    "softmax_grad": lambda x: softmax_grad(np.ones(2), x),
    "log_softmax_grad": lambda x: log_softmax_grad(np.ones(2), x),
}
TAKES_AN_ARRAY = sorted(set(activations.__all__) - {"selu_constants"})


@pytest.mark.parametrize("name", TAKES_AN_ARRAY)
def test_what_is_no_floating_array_is_named(name):
    function = WRAPPED.get(name, getattr(activations, name))
    for x, text in (
        (np.array([1, 2]), f"{name}: x has dtype int64. Use a floating dtype such as float64."),
        (np.array([1j, 2j]), f"{name}: x has dtype complex128."),
        (np.array([True, False]), f"{name}: x has dtype bool."),
    ):
        with pytest.raises(TypeError, match="^" + re.escape(text)):
            function(x)
    with pytest.raises(TypeError, match=rf"^{name}: .*x is a list"):
        function([1.0, 2.0])


def bad_numbers(call, name, key, interval):
    lowest = [0.0, -0.1] if interval == "(0, inf)" else [-0.1]
    for value in (*lowest, math.nan, INF, -INF):
        text = f"{name}: {key} must lie in {interval}, got {value}."
        yield partial(call, **{key: value}), ValueError, text
    yield partial(call, **{key: "much"}), TypeError, f"{name}: {key} must be one number, got a str"
    yield partial(call, **{key: np.ones(2)}), TypeError, f"{name}: {key} must be one number, got"


X = np.ones((2, 3))
BAD = [
    *bad_numbers(partial(leaky_relu, X), "leaky_relu", "negative_slope", "[0, inf)"),
    *bad_numbers(partial(leaky_relu_grad, X), "leaky_relu_grad", "negative_slope", "[0, inf)"),
    *bad_numbers(partial(elu, X), "elu", "alpha", "[0, inf)"),
    *bad_numbers(partial(elu_grad, X), "elu_grad", "alpha", "[0, inf)"),
    *bad_numbers(partial(silu, X), "silu", "beta", "(0, inf)"),
    *bad_numbers(partial(silu_grad, X), "silu_grad", "beta", "(0, inf)"),
    *bad_numbers(partial(rrelu, X), "rrelu", "lower", "[0, inf)"),
    *bad_numbers(partial(rrelu, X), "rrelu", "upper", "[0, inf)"),
    *bad_numbers(partial(rrelu_grad, X), "rrelu_grad", "lower", "[0, inf)"),
    *bad_numbers(partial(rrelu_grad, X), "rrelu_grad", "upper", "[0, inf)"),
    *bad_numbers(partial(softmax, X), "softmax", "temperature", "(0, inf)"),
    *bad_numbers(partial(log_softmax, X), "log_softmax", "temperature", "(0, inf)"),
    *bad_numbers(partial(softmax_grad, X, X), "softmax_grad", "temperature", "(0, inf)"),
    *bad_numbers(partial(log_softmax_grad, X, X), "log_softmax_grad", "temperature", "(0, inf)"),
    *(
        (
            partial(function, X, lower=0.5, upper=0.25),
            ValueError,
            f"{function.__name__}: lower = 0.5 is above upper = 0.25. Swap them.",
        )
        for function in (rrelu, rrelu_grad)
    ),
    *(
        (
            partial(function, X, rng=7),
            TypeError,
            f"{function.__name__}: rng is a int. Pass numpy.random.default_rng(seed), or None at",
        )
        for function in (rrelu, rrelu_grad)
    ),
    *(
        (
            partial(function, X, approximate=word),
            ValueError,
            f'{function.__name__}: approximate must be "none" (exact) or "tanh", got {word!r}.',
        )
        for function in (gelu, gelu_grad)
        for word in ("erf", True)
    ),
    *(
        (
            lambda f=function: f(X, np.ones(2)),
            ValueError,
            f"{function.__name__}: alpha has shape (2,), which does not broadcast to x's shape "
            "(2, 3).",
        )
        for function in (prelu, prelu_grad)
    ),
    (lambda: prelu(X, np.ones((1, 2, 3))), ValueError, "prelu: alpha has shape (1, 2, 3), which"),
    (
        lambda: prelu(X, np.ones(3, dtype=np.float32)),
        ValueError,
        "prelu: x has dtype float64 but alpha has dtype float32. Convert alpha to the dtype of x.",
    ),
    (lambda: prelu(X, 0.25), TypeError, "prelu: x is a numpy.ndarray and alpha is a float."),
    (lambda: prelu(X, torch.ones(3)), TypeError, "prelu: x is a numpy.ndarray and alpha is a"),
    (
        lambda: prelu_alpha_grad(np.ones((3, 2)), X, np.ones(3)),
        ValueError,
        "prelu_alpha_grad: x has shape (2, 3) but grad has shape (3, 2).",
    ),
    *(
        (
            lambda f=function: f(np.ones(3), X),
            ValueError,
            f"{function.__name__}: x has shape (2, 3) but grad has shape (3,).",
        )
        for function in (softmax_grad, log_softmax_grad)
    ),
    *(
        (
            partial(function, X, axis=2),
            ValueError,
            f"{function.__name__}: x has shape (2, 3) and no axis 2. Choose one from -2 to 1.",
        )
        for function in (softmax, log_softmax)
    ),
    (lambda: softmax_grad(X, X, axis=-3), ValueError, "softmax_grad: x has shape (2, 3) and no"),
    (lambda: softmax(X, axis=None), TypeError, "softmax: axis must be an integer, got None."),
    (lambda: softmax(X, axis=(0, 1)), TypeError, "softmax: axis must be an integer, got (0, 1)."),
    (lambda: softmax(np.array(1.0), axis=1), ValueError, "softmax: x has shape () and no axis 1."),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text for _, _, text in BAD])
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match="^" + re.escape(text)):
        call()
