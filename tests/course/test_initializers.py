"""Initializers by their moments on large draws, bounds, orthogonality, torch's fans and bad input.

Tolerances of moments are five standard errors: of the mean σ/√N, of the standard deviation at most
σ/√(2N), the value for normal draws (uniform and truncated ones have shorter tails).
"""

import inspect
import itertools
import math
import operator
import re
from dataclasses import dataclass
from functools import partial

import array_api_strict
import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from scipy import stats

from course import initializers
from course.initializers import (
    constant,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    lsuv,
    normal,
    orthogonal,
    truncated_normal,
    uniform,
    xavier_normal,
    xavier_uniform,
)
from course.layers import Linear

LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
NAMES = sorted(set(initializers.__all__) - {"lsuv"})
FUNCTIONS = {name: getattr(initializers, name) for name in NAMES}
RANDOM = {name: function for name, function in FUNCTIONS.items() if name != "constant"}
DENSE, KERNEL = (400, 250), (3, 5, 40, 80)


@dataclass(frozen=True)
class Family:
    """An initializer with fans: the factor of 1/n in its variance, its default n, its shape."""

    function: object
    factor: float
    default_mode: str
    is_uniform: bool


FAMILIES = {
    "lecun_normal": Family(lecun_normal, 1, "fan_in", is_uniform=False),
    "lecun_uniform": Family(lecun_uniform, 1, "fan_in", is_uniform=True),
    "xavier_normal": Family(xavier_normal, 1, "fan_avg", is_uniform=False),
    "xavier_uniform": Family(xavier_uniform, 1, "fan_avg", is_uniform=True),
    "he_normal": Family(he_normal, 2, "fan_in", is_uniform=False),
    "he_uniform": Family(he_uniform, 2, "fan_in", is_uniform=True),
}
FANS = {
    DENSE: {"fan_in": 400, "fan_out": 250, "fan_avg": 325},
    KERNEL: {"fan_in": 3 * 5 * 40, "fan_out": 3 * 5 * 80, "fan_avg": 3 * 5 * 60},
}

each_function = pytest.mark.parametrize("name", NAMES)
each_random = pytest.mark.parametrize("name", RANDOM)
each_family = pytest.mark.parametrize("name", FAMILIES)
each_library = pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)


def rng(seed=0):
    return np.random.default_rng(seed)


def numbers(array):
    return array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


def empty(xp, dtype):
    return xp.zeros((0,), dtype=getattr(xp, dtype))


def assert_moments(draws, mean, std):
    assert abs(np.mean(draws) - mean) <= 5 * std / math.sqrt(draws.size)
    assert abs(np.std(draws) - std) <= 5 * std / math.sqrt(2 * draws.size)


def test_every_initializer_has_its_test():
    plain = {"constant", "normal", "uniform", "truncated_normal", "orthogonal", "lsuv"}
    assert plain | FAMILIES.keys() == set(initializers.__all__)


# Moments, bounds and distributions


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("mode", [None, "fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("shape", FANS, ids=["dense", "kernel"])
@each_family
def test_the_variance_is_the_factor_over_the_fan(name, shape, mode, gain):
    family = FAMILIES[name]
    given = {} if mode is None else {"mode": mode}
    weights = family.function(shape, rng(), gain=gain, **given)
    fan = FANS[shape][mode or family.default_mode]
    std = gain * math.sqrt(family.factor / fan)
    assert weights.shape == shape
    assert_moments(weights, 0, std)
    bound = math.sqrt(3) * std
    if family.is_uniform:
        assert bound * (1 - 1e-3) < np.max(np.abs(weights)) <= bound
    else:
        assert np.max(np.abs(weights)) > 2 * bound


@pytest.mark.parametrize("shape", FANS, ids=["dense", "kernel"])
def test_modes_make_one_family_of_three(shape):
    for a, b in ((lecun_normal, xavier_normal), (lecun_uniform, xavier_uniform)):
        for mode in ("fan_in", "fan_out", "fan_avg"):
            np.testing.assert_array_equal(a(shape, rng(), mode=mode), b(shape, rng(), mode=mode))
    he = he_normal(shape, rng(), mode="fan_out")
    lecun = lecun_normal(shape, rng(), mode="fan_out", gain=math.sqrt(2))
    np.testing.assert_allclose(he, lecun, rtol=1e-14)


def test_the_linear_layer_starts_as_he_normal():
    np.testing.assert_array_equal(Linear(30, 20, rng(3)).params[0], he_normal((30, 20), rng(3)))


def test_normal_and_uniform_have_the_moments_asked_for():
    assert_moments(normal(DENSE, rng()), 0, 1)
    assert_moments(normal(DENSE, rng(), mean=-2.0, std=0.3), -2, 0.3)
    draws = uniform(DENSE, rng(), low=2.0, high=5.0)
    assert_moments(draws, 3.5, 3 / math.sqrt(12))
    assert 2 <= draws.min() < 2.001
    assert 4.999 < draws.max() <= 5
    assert_moments(uniform(DENSE, rng()), 0, 1 / math.sqrt(3))


@pytest.mark.parametrize(
    ("draws", "distribution"),
    [
        (normal(DENSE, rng(), mean=1.0, std=2.0), stats.norm(1, 2)),
        (uniform(DENSE, rng(), low=-3.0, high=1.0), stats.uniform(-3, 4)),
        (he_normal(DENSE, rng()), stats.norm(0, math.sqrt(2 / 400))),
        (truncated_normal(DENSE, rng(), cutoff=1.0), stats.truncnorm(-1, 1, scale=1 / 0.5396205)),
        (truncated_normal(DENSE, rng()), stats.truncnorm(-2, 2, scale=1 / 0.8796257)),
    ],
    ids=["normal", "uniform", "he", "truncated at 1", "truncated at 2"],
)
def test_draws_follow_the_distribution(draws, distribution):
    """Kolmogorov and Smirnov: √N times the distance stays below 2 but once in 1,500 seeds."""
    distance = stats.kstest(draws.ravel(), distribution.cdf).statistic
    assert distance * math.sqrt(draws.size) < 2


@pytest.mark.parametrize("cutoff", [0.1, 0.5, 1.0, 2.0, 3.0, 40.0])
def test_truncation_keeps_the_standard_deviation_and_the_bound(cutoff):
    draws = truncated_normal(DENSE, rng(), mean=3.0, std=0.5, cutoff=cutoff)
    assert_moments(draws, 3, 0.5)
    bound = 0.5 * cutoff / stats.truncnorm(-cutoff, cutoff).std()
    assert np.max(np.abs(draws - 3)) <= bound * (1 + 1e-9)
    if cutoff <= 2:
        assert np.max(np.abs(draws - 3)) > 0.999 * bound


def test_torchs_truncated_normal_does_not_rescale():
    theirs = torch.nn.init.trunc_normal_(
        torch.empty(DENSE, dtype=torch.float64), generator=torch.Generator().manual_seed(0)
    ).numpy()
    assert_moments(theirs, 0, 0.8796257)
    assert abs(np.std(theirs) - np.std(truncated_normal(DENSE, rng()))) > 0.1


def test_constant_is_the_value_and_needs_no_generator():
    assert constant((2, 3), value=-0.5).tolist() == [[-0.5] * 3] * 2
    assert constant((4,), rng()).tolist() == [0] * 4


# Orientation: torch's shapes are ours reversed


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("shape", FANS, ids=["dense", "kernel"])
def test_torch_swaps_the_last_two_axes_and_puts_them_first(shape, mode):
    *kernel, channels_in, channels_out = shape
    theirs = torch.empty((channels_out, channels_in, *kernel), dtype=torch.float64)
    torch.nn.init.kaiming_uniform_(
        theirs, mode=mode, nonlinearity="relu", generator=torch.Generator().manual_seed(0)
    )
    ours = numbers(he_uniform(shape, rng(), mode=mode))
    bound = math.sqrt(6 / FANS[shape][mode])
    for weights in (ours, theirs.numpy()):
        assert bound * (1 - 1e-3) < np.max(np.abs(weights)) <= bound


def test_a_torch_convolution_takes_our_kernel_transposed():
    layer = torch.nn.Conv2d(16, 32, 3)
    drawn = he_normal((3, 3, 16, 32), rng(), like=layer.weight).permute(3, 2, 0, 1)
    assert drawn.shape == layer.weight.shape
    assert_moments(drawn.numpy(), 0, math.sqrt(2 / (3 * 3 * 16)))


def test_torchs_linear_starts_with_a_third_of_lecuns_variance_and_a_sixth_of_hes():
    theirs = torch.nn.Linear(400, 250).weight.detach().numpy()
    ours = lecun_uniform((400, 250), rng())
    # two estimates with a relative standard error of √(0.8 / 100,000) each
    np.testing.assert_allclose(np.var(ours) / np.var(theirs), 3, rtol=0.02)
    np.testing.assert_allclose(np.var(he_uniform(DENSE, rng())) / np.var(theirs), 6, rtol=0.02)


# Orthogonal


@pytest.mark.parametrize(
    "shape", [(1, 1), (40, 40), (60, 25), (25, 60), (1, 9), (3, 3, 8, 20), (2, 2, 3, 30)], ids=str
)
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_columns_or_rows_are_orthonormal(shape, gain):
    weights = orthogonal(shape, rng(), gain=gain)
    assert weights.shape == shape
    flat = weights.reshape(-1, shape[-1])
    short = flat if flat.shape[0] >= flat.shape[1] else flat.T
    expected = gain**2 * np.eye(short.shape[1])
    np.testing.assert_allclose(short.T @ short, expected, rtol=0, atol=1e-12)


def test_lengths_are_kept():
    x = rng(1).normal(size=(5, 30))
    kept = x @ orthogonal((30, 30), rng())
    np.testing.assert_allclose(np.linalg.norm(kept, axis=1), np.linalg.norm(x, axis=1), rtol=1e-13)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)], ids=str)
def test_orthogonal_is_uniform_over_all_orthogonal_matrices(shape):
    """Turning by a fixed rotation changes no moment: means are 0, and entries do not correlate."""
    source, draws = rng(), 4000
    matrices = np.stack([orthogonal(shape, source) for _ in range(draws)])
    entries = matrices.reshape(draws, -1)
    side = max(shape)
    error = 5 / math.sqrt(draws * side)
    assert np.max(np.abs(entries.mean(axis=0))) < error
    second = entries.T @ entries / draws
    # an entry's square has a standard deviation below √2 / side
    np.testing.assert_allclose(
        second, np.eye(entries.shape[1]) / side, atol=5 * math.sqrt(2 / draws) / side
    )


def test_rotations_and_reflections_are_equally_likely():
    source = rng()
    signs = [np.linalg.det(orthogonal((3, 3), source)) for _ in range(4000)]
    np.testing.assert_allclose(np.abs(signs), 1, rtol=1e-12)
    assert abs(np.mean(signs)) < 5 / math.sqrt(4000)


def test_without_the_sign_fix_lapacks_first_entry_is_never_positive():
    source = rng()
    unfixed = [np.linalg.qr(source.standard_normal((3, 3)))[0][0, 0] for _ in range(200)]
    fixed = [orthogonal((3, 3), source)[0, 0] for _ in range(200)]
    assert max(unfixed) <= 0
    assert 60 < np.sum(np.array(fixed) > 0) < 140


# What every initializer does


@each_random
def test_one_seed_gives_the_same_draws_everywhere(name):
    shape = (6, 4)
    ours = RANDOM[name](shape, rng(7))
    for xp in LIBRARIES.values():
        same = RANDOM[name](shape, rng(7), like=empty(xp, "float64"))
        np.testing.assert_array_equal(numbers(same), ours)
        single = RANDOM[name](shape, rng(7), like=empty(xp, "float32"))
        np.testing.assert_array_equal(numbers(single), ours.astype(np.float32))
    assert not np.array_equal(RANDOM[name](shape, rng(8)), ours)


@each_random
def test_the_generator_moves_on(name):
    source = rng(7)
    first, second = (RANDOM[name]((6, 4), source) for _ in range(2))
    assert not np.any(first == second)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 3, 4), (3, 2), [3, 2], (2, 2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_library
@each_function
def test_shape_library_and_dtype_are_those_asked_for(name, xp, dtype, shape):
    like = empty(xp, dtype)
    weights = FUNCTIONS[name](shape, rng(), like=like)
    assert array_namespace(weights) is array_namespace(like)
    assert tuple(weights.shape) == tuple(shape)
    assert weights.dtype == like.dtype


@pytest.mark.parametrize("shape", [(), (0,), (5,)])
@pytest.mark.parametrize("name", ["constant", "normal", "uniform", "truncated_normal"])
def test_biases_and_numbers_can_be_drawn_without_fans(name, shape):
    weights = FUNCTIONS[name](shape, rng())
    assert isinstance(weights, np.ndarray)
    assert weights.shape == shape
    assert weights.dtype == np.float64


@each_function
def test_numpy_sizes_and_numbers_are_taken(name):
    shape = (np.int64(3), np.int32(2))
    keys = inspect.signature(FUNCTIONS[name]).parameters
    hyper = {key: np.float64(0.5) for key in ("gain", "std", "value", "low") if key in keys}
    weights = FUNCTIONS[name](shape, rng(), **hyper, like=np.empty(0, dtype=np.float32))
    assert (weights.shape, weights.dtype) == ((3, 2), np.float32)


@each_function
def test_a_parameter_that_torch_trains_can_be_the_model(name):
    weight = torch.nn.Parameter(torch.ones(3, 2))
    drawn = FUNCTIONS[name](tuple(weight.shape), rng(), like=weight)
    assert (drawn.dtype, drawn.device) == (weight.dtype, weight.device)
    assert not drawn.requires_grad
    assert weight.tolist() == [[1, 1]] * 3


@pytest.mark.parametrize("key", ["std", "gain"])
def test_without_width_nothing_is_random(key):
    for function in RANDOM.values():
        if key in inspect.signature(function).parameters:
            assert not np.any(function((3, 2), rng(), **{key: 0.0}))


# Bad input

BAD = {
    "one dimension": (
        {"shape": (3,)},
        ValueError,
        "shape (3,) has 1 of at least 2 dimensions. Give (fan_in, fan_out), or (*kernel,",
    ),
    "a number as shape": (
        {"shape": 3},
        TypeError,
        "shape must be a tuple of integers, for example (64, 32), got 3.",
    ),
    "a fraction in the shape": (
        {"shape": (3, 2.0)},
        TypeError,
        "shape must be a tuple of integers, for example (64, 32), got (3, 2.0).",
    ),
    "a negative size": (
        {"shape": (3, -2)},
        ValueError,
        "sizes must be at least 0, got shape (3, -2).",
    ),
    "a seed": (
        {"rng": 0},
        TypeError,
        "rng must be a numpy.random.Generator, got a int. Make one with numpy.random.default_rng",
    ),
    "an old generator": (
        {"rng": np.random.RandomState(0)},
        TypeError,
        "got a numpy.random.mtrand.RandomState.",
    ),
    "a torch generator": (
        {"rng": torch.Generator()},
        TypeError,
        "got a torch._C.Generator.",
    ),
    "an unknown mode": (
        {"mode": "fan_both"},
        ValueError,
        "unknown mode 'fan_both'. Choose one of fan_in, fan_out, fan_avg.",
    ),
    "a mode that is no text": ({"mode": ["fan_in"]}, ValueError, "unknown mode ['fan_in']."),
    "a negative gain": ({"gain": -1.0}, ValueError, "gain must lie in [0, inf), got -1.0."),
    "a NaN gain": ({"gain": math.nan}, ValueError, "gain must lie in [0, inf), got nan."),
    "a text as gain": ({"gain": "relu"}, TypeError, "gain must be one number, got a str: 'relu'."),
    "a negative std": ({"std": -0.1}, ValueError, "std must lie in [0, inf), got -0.1."),
    "an infinite std": ({"std": math.inf}, ValueError, "std must lie in [0, inf), got inf."),
    "an infinite mean": ({"mean": math.inf}, ValueError, "mean must lie in (-inf, inf), got inf."),
    "no cutoff": ({"cutoff": 0.0}, ValueError, "cutoff must lie in [0.1, inf), got 0.0."),
    "an infinite cutoff": (
        {"cutoff": math.inf},
        ValueError,
        "cutoff must lie in [0.1, inf), got inf.",
    ),
    "an infinite bound": ({"low": -math.inf}, ValueError, "low must lie in (-inf, inf), got -inf."),
    "crossed bounds": (
        {"low": 2.0},
        ValueError,
        "low must not exceed high, got low = 2.0 and high = 1.0.",
    ),
    "a list as value": ({"value": [1.0]}, TypeError, "value must be one number, got a list: [1."),
    "a list to be like": ({"like": [1.0]}, TypeError, "like is a list. Pass arrays of one library"),
    "integers to be like": (
        {"like": np.arange(3)},
        TypeError,
        "like has dtype int64. Use a floating dtype such as float64.",
    ),
    "an unknown word": ({"a": 1}, TypeError, "got an unexpected keyword argument 'a'; it takes sh"),
}


def takes(name, key):
    """Say where the bad value is bad: a bias may have one dimension, a constant any generator."""
    return key == "a" or (
        key in inspect.signature(FUNCTIONS[name]).parameters
        and not (name == "constant" and key == "rng")
    )


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{title}")
        for title, case in BAD.items()
        for name in NAMES
        if all(takes(name, key) for key in case[0])
        and (title != "one dimension" or takes(name, "gain"))
    ],
)
def test_bad_input_is_named(name, case):
    bad, error, text = case
    inputs = {"shape": (3, 2), "rng": rng()} | bad
    with pytest.raises(error, match=re.escape(f"{name}: ") + ".*" + re.escape(text)):
        FUNCTIONS[name](**inputs)


# LSUV


def relu(z):
    return array_namespace(z).clip(z, 0)


def batch(samples=500, features=20, seed=1):
    return rng(seed).normal(size=(samples, features)) * 3 + 0.5


def random_weights(*sizes, seed=2):
    source = rng(seed)
    return [source.normal(size=pair) for pair in itertools.pairwise(sizes)]


SIZES = (20, 50, 50, 10, 10, 30)
ACTIVATIONS = {"tanh": np.tanh, "relu": relu, "identity": lambda z: z}


def outputs(weights, activation, x):
    """Give what each layer puts out before its non-linearity."""
    given = []
    for w in weights:
        given.append(x @ w)
        x = activation(given[-1])
    return given


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_each_layer_puts_out_variance_1_before_its_non_linearity(activation):
    weights, x = random_weights(*SIZES), batch()
    rescaled = lsuv(weights, activation, x, tol=1e-12)
    variances = [np.var(z) for z in outputs(rescaled, activation, x)]
    np.testing.assert_allclose(variances, 1, rtol=1e-12)
    if activation is not ACTIVATIONS["identity"]:
        after = [np.var(activation(z)) for z in outputs(rescaled, activation, x)]
        assert np.max(after) < 0.75


def test_lsuv_only_rescales_an_orthonormal_start():
    weights = random_weights(*SIZES)
    for w, given in zip(lsuv(weights, np.tanh, batch()), weights, strict=True):
        assert w.shape == given.shape
        short = w if w.shape[0] >= w.shape[1] else w.T
        gram = short.T @ short
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-12 * gram[0, 0])


def test_orthogonal_weights_only_change_their_scale():
    source = rng()
    weights = [orthogonal((20, 40), source), orthogonal((40, 5), source)]
    for w, given in zip(lsuv(weights, np.tanh, batch()), weights, strict=True):
        ratio = np.linalg.norm(w) / np.linalg.norm(given)
        np.testing.assert_allclose(w, ratio * given, atol=1e-13)
        assert abs(ratio - 1) > 0.1


def test_a_layer_within_the_tolerance_is_left_alone():
    weight = orthogonal((20, 20), rng())
    x = batch()
    x = x / np.std(x @ weight) * math.sqrt(1.05)
    loose, tight = (lsuv([weight], np.tanh, x, tol=tol)[0] for tol in (0.06, 0.04))
    np.testing.assert_allclose(loose, weight, atol=1e-14)
    np.testing.assert_allclose(tight, weight / math.sqrt(1.05), atol=1e-14)


def test_lsuv_goes_on_until_the_variance_fits():
    """Inputs this small have squares of few digits: the first factor misses."""
    x = rng().normal(size=(50, 4)) * 1e-161
    weights = random_weights(4, 4)
    once, more = (
        np.var(x @ lsuv(weights, np.tanh, x, tol=1e-12, max_steps=steps)[0]) for steps in (1, 10)
    )
    assert abs(once - 1) > 1e-6
    assert abs(more - 1) <= 1e-12


@each_library
@pytest.mark.parametrize(("dtype", "tol"), [("float32", 1e-4), ("float64", 1e-11)])
def test_lsuv_gives_the_same_weights_everywhere(xp, dtype, tol):
    as_dtype = getattr(xp, dtype)
    x = xp.asarray(batch(), dtype=as_dtype)
    weights = [xp.asarray(w, dtype=as_dtype) for w in random_weights(*SIZES)]
    before = [numbers(w).copy() for w in weights]
    expected = lsuv(random_weights(*SIZES), relu, batch())
    for w, known, given, old in zip(lsuv(weights, relu, x), expected, weights, before, strict=True):
        assert array_namespace(w) is array_namespace(given)
        assert w.dtype == as_dtype
        np.testing.assert_allclose(numbers(w), known, atol=tol)
        np.testing.assert_array_equal(numbers(given), old)


def test_lsuv_takes_weights_that_torch_trains():
    weights = [torch.tensor(w, requires_grad=True) for w in random_weights(*SIZES)]
    x = torch.tensor(batch())
    for w, known in zip(
        lsuv(weights, torch.tanh, x), lsuv(random_weights(*SIZES), np.tanh, batch()), strict=True
    ):
        np.testing.assert_allclose(numbers(w), known, atol=1e-12)


# LSUV of kernels, with torch's convolutions as the layers


def convolution(h, w, **options):
    return torch.conv2d(h, w.permute(3, 2, 0, 1), **options)


CNN = {  # every layer that a network of images may have: its weights' shape and its product
    (3, 3, 3, 8): convolution,
    (3, 5, 8, 16): partial(convolution, stride=2, padding=(1, 2)),
    (1, 1, 16, 4): convolution,
    (4 * 5 * 5, 10): lambda h, w: h.flatten(1) @ w,
}


def images(samples=30, seed=1):
    return torch.tensor(rng(seed).normal(size=(samples, 3, 12, 12)) * 4 + 1)


def kernels(seed=2):
    source = rng(seed)
    return [torch.tensor(source.normal(size=shape)) for shape in CNN]


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_kernels_reach_variance_1_in_torchs_own_convolutions(activation):
    rescaled = lsuv(kernels(), activation, images(), forward=[*CNN.values()], tol=1e-12)
    first, second, third = (
        torch.nn.Conv2d(w.shape[2], w.shape[3], w.shape[:2], bias=False, **options)
        for w, options in zip(rescaled, ({}, {"stride": 2, "padding": (1, 2)}, {}), strict=False)
    )
    dense = torch.nn.Linear(100, 10, bias=False)
    h, variances = images(), []
    with torch.no_grad():
        for layer, w in zip((first, second, third, dense), rescaled, strict=True):
            layer.weight = torch.nn.Parameter(w.permute(3, 2, 0, 1) if w.ndim == 4 else w.T)
            z = layer(h.flatten(1) if layer is dense else h)
            variances.append(z.var(correction=0).item())
            h = activation(z)
    np.testing.assert_allclose(variances, 1, rtol=1e-12)


def test_lsuv_only_rescales_an_orthonormal_start_of_kernels():
    weights = lsuv(kernels(), torch.relu, images(), forward=[*CNN.values()])
    source = rng(2)  # `orthogonal` draws the same numbers and takes the same factor
    for w, shape in zip(weights, CNN, strict=True):
        start = orthogonal(shape, source)
        ratio = np.linalg.norm(numbers(w)) / np.linalg.norm(start)
        assert abs(ratio - 1) > 0.01
        np.testing.assert_allclose(numbers(w), ratio * start, atol=1e-12)


def test_a_kernel_of_one_pixel_is_a_matrix():
    weights = random_weights(*SIZES)
    as_kernels = [torch.tensor(w).reshape(1, 1, *w.shape) for w in weights]
    x = torch.tensor(batch())[:, :, None, None]
    found = lsuv(as_kernels, torch.tanh, x, forward=[convolution] * len(weights))
    for kernel, w in zip(found, lsuv(weights, np.tanh, batch()), strict=True):
        assert kernel.shape == (1, 1, *w.shape)
        np.testing.assert_allclose(kernel[0, 0], w, atol=1e-12)


def test_a_convolution_in_numpy_gives_torchs_weights():
    def windows(h, w):
        rows = np.lib.stride_tricks.sliding_window_view(h, w.shape[:2], axis=(2, 3))
        return np.einsum("nchwij,ijco->nohw", rows, w)

    shapes = [(3, 3, 3, 8), (2, 4, 8, 5)]
    source = rng()
    weights = [source.normal(size=shape) for shape in shapes]
    ours = lsuv(weights, np.tanh, numbers(images()), forward=[windows] * 2)
    theirs = lsuv([*map(torch.tensor, weights)], torch.tanh, images(), forward=[convolution] * 2)
    for w, known in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(w, known, atol=1e-12)


def test_matmul_as_forward_is_the_dense_layer():
    weights, x = random_weights(*SIZES), batch()
    given = lsuv(weights, np.tanh, x, forward=[operator.matmul] * len(weights))
    for w, known in zip(given, lsuv(weights, np.tanh, x), strict=True):
        np.testing.assert_array_equal(w, known)


BAD_LSUV = {
    "one array": (
        {"weights": np.eye(3)},
        TypeError,
        "weights is one array; pass a list, one array for each layer.",
    ),
    "no layer": ({"weights": []}, TypeError, "weights is empty; pass a list"),
    "a list of numbers": ({"weights": [[1.0]]}, TypeError, "and weights[0] is a list."),
    "another library": (
        {"weights": [torch.eye(3)]},
        TypeError,
        "x is a numpy.ndarray and weights[0] is a torch.Tensor.",
    ),
    "integers": ({"weights": [np.eye(3, dtype=int)]}, TypeError, "weights[0] has dtype int64."),
    "no function": (
        {"activation": "tanh"},
        TypeError,
        "activation must be a function, got a str. For a linear network pass lambda z: z.",
    ),
    "layers that do not chain": (
        {"weights": [np.eye(3), np.ones((4, 2))]},
        ValueError,
        "the input of layer 1 has shape (5, 3) but weights[1] has shape (4, 2).",
    ),
    "a bias": (
        {"weights": [np.ones(3)]},
        ValueError,
        "the input of layer 0 has shape (5, 3) but weights[0] has shape (3,).",
    ),
    "a kernel without its forward": (
        {"weights": [np.ones((2, 2, 3, 4))]},
        ValueError,
        "weights[0] has shape (2, 2, 3, 4). Give (samples, fan_in) and (fan_in, fan_out); for "
        "convolutions say with forward how",
    ),
    "a bias with its forward": (
        {"weights": [np.ones(3)], "forward": [np.multiply]},
        ValueError,
        "weights[0] has shape (3,). Give (fan_in, fan_out), or (*kernel, channels_in, channels_out",
    ),
    "one function as forward": (
        {"forward": np.matmul},
        TypeError,
        "forward must be a list of functions of h and W, one for each layer, got <ufunc 'matmul'>.",
    ),
    "a text in forward": ({"forward": ["same"]}, TypeError, "one for each layer, got ['same']."),
    "too many functions": (
        {"forward": [np.matmul] * 2},
        ValueError,
        "forward has 2 functions for 1 layers. Give one for each; for a dense layer operator.mat",
    ),
    "no function at all": ({"forward": []}, ValueError, "forward has 0 functions for 1 layers."),
    "a forward that returns a list": (
        {"forward": [lambda h, w: (h @ w).tolist()]},
        TypeError,
        "the output of layer 0 is a list. Pass arrays of one library",
    ),
    "a forward into another library": (
        {"forward": [lambda h, w: torch.tensor(h @ w)]},
        TypeError,
        "the output of layer 0 is a torch.Tensor. Return an array of the library of x from its",
    ),
    "one sample": (
        {"x": np.ones(3)},
        ValueError,
        "the input of layer 0 has shape (3,) but weights[0] has shape (3, 3).",
    ),
    "another dtype": (
        {"x": np.ones((5, 3), dtype=np.float32)},
        ValueError,
        "the input of layer 0 has dtype float32 but weights[0] has dtype float64.",
    ),
    "inputs of zeros": (
        {"x": np.zeros((5, 3))},
        ValueError,
        "the output of layer 0 has variance 0.0 on this batch; no factor makes it 1.",
    ),
    "a dead layer": (
        {"weights": [np.eye(3)] * 2, "activation": lambda z: 0 * z},
        ValueError,
        "the output of layer 1 has variance 0.0",
    ),
    "NaN": (
        {"x": np.full((5, 3), math.nan)},
        ValueError,
        "the output of layer 0 has variance nan",
    ),
    "a negative tolerance": ({"tol": -0.1}, ValueError, "tol must lie in [0, inf), got -0.1."),
    "no step": ({"max_steps": 0}, ValueError, "max_steps must be at least 1, got 0."),
    "half a step": ({"max_steps": 1.5}, TypeError, "max_steps must be a whole number, got a float"),
}


@pytest.mark.parametrize("case", BAD_LSUV.values(), ids=BAD_LSUV)
def test_bad_input_of_lsuv_is_named(case):
    bad, error, text = case
    inputs = {"weights": [np.eye(3)], "activation": np.tanh, "x": batch(5, 3)} | bad
    with pytest.raises(error, match=re.escape("lsuv: ") + ".*" + re.escape(text)):
        lsuv(**inputs)
