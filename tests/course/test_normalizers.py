"""Normalizers and their backward passes against torch, finite differences and their invariances."""

import copy
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import array_api_strict
import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from course import normalizers
from course.normalizers import (
    batch_norm,
    batch_norm_backward,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
    rms_norm,
    rms_norm_backward,
    standardize,
)

LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
EPS = 0.02  # large, so that a misplaced one is seen


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape) * 3 + 1


def to(xp, values, dtype="float64"):
    values = np.array(values, dtype=dtype)
    return torch.from_numpy(values) if xp is torch else xp.asarray(values)


def numbers(array):
    return array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


def in_training(x, gamma, beta, **hyper):
    y, _, cache = batch_norm(x, gamma, beta, training=True, **hyper)
    return y, cache


def running_for(x, seed=5):
    """Give moments that are not those of x."""
    xp, dtype = array_namespace(x), str(x.dtype).rpartition(".")[2]
    source = np.random.default_rng(seed)
    channels = x.shape[1]
    mean, var = source.normal(size=channels), source.uniform(0.5, 2, size=channels)
    return {"mean": to(xp, mean, dtype), "var": to(xp, var, dtype)}


def at_inference(x, gamma, beta, **hyper):
    y, _, cache = batch_norm(x, gamma, beta, running_for(x), training=False, **hyper)
    return y, cache


def torch_batch_norm(x, gamma, beta, eps):
    return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


def torch_inference(x, gamma, beta, eps):
    running = running_for(x)
    return functional.batch_norm(x, running["mean"], running["var"], gamma, beta, eps=eps)


def torch_layer_norm(x, gamma, beta, eps):
    return functional.layer_norm(x, x.shape[-1:], gamma, beta, eps)


def torch_rms_norm(x, gamma, eps):
    return functional.rms_norm(x, x.shape[-1:], gamma, eps)


def torch_group_norm(x, gamma, beta, eps):
    return functional.group_norm(x, 2, gamma, beta, eps)


def torch_instance_norm(x, gamma, beta, eps):
    return functional.instance_norm(x, weight=gamma, bias=beta, eps=eps)


@dataclass(frozen=True)
class Row:
    """A normalizer, its backward pass, torch's function, shapes of x, and what shares moments."""

    forward: Callable
    backward: Callable
    torch_forward: Callable
    shapes: tuple[tuple[int, ...], ...]
    large: tuple[int, ...]
    empty: tuple[int, ...] | None
    axes: tuple[int, ...]  # of the largest of the shapes: along these go mean and variance
    channel_axis: int = 1
    arity: int = 2

    def parameters(self, x, xp=np, dtype="float64", seed=10):
        size = x.shape[self.channel_axis]
        return [to(xp, draw(size, seed=seed + k), dtype) for k in range(self.arity)]

    def plain(self, x, **hyper):
        """Normalize with γ = 1 and β = 0."""
        ones = np.ones(x.shape[self.channel_axis], dtype=x.dtype)
        return self.forward(x, *[ones, 0 * ones][: self.arity], **hyper)[0]


ROWS = {
    "batch_norm": Row(
        in_training,
        batch_norm_backward,
        torch_batch_norm,
        shapes=((2, 1), (7, 4), (3, 4, 5), (2, 4, 3, 2)),
        large=(250, 4, 10),
        empty=None,
        axes=(0, 2, 3),
    ),
    "batch_norm at inference": Row(
        at_inference,
        batch_norm_backward,
        torch_inference,
        shapes=((1, 1), (7, 4), (3, 4, 5), (2, 4, 3, 2)),
        large=(250, 4, 10),
        empty=(0, 4),
        axes=(),
    ),
    "layer_norm": Row(
        layer_norm,
        layer_norm_backward,
        torch_layer_norm,
        shapes=((4,), (1, 2), (7, 4), (3, 5, 4)),
        large=(250, 40),
        empty=(0, 4),
        axes=(2,),
        channel_axis=-1,
    ),
    "rms_norm": Row(
        rms_norm,
        rms_norm_backward,
        torch_rms_norm,
        shapes=((4,), (1, 1), (7, 4), (3, 5, 4)),
        large=(250, 40),
        empty=(0, 4),
        axes=(2,),
        channel_axis=-1,
        arity=1,
    ),
    "group_norm": Row(
        partial(group_norm, groups=2),
        group_norm_backward,
        torch_group_norm,
        shapes=((1, 4), (7, 4), (3, 2, 5), (2, 4, 3, 2)),
        large=(50, 20, 10),
        empty=(0, 4, 3),
        axes=(),
    ),
    "instance_norm": Row(
        instance_norm,
        instance_norm_backward,
        torch_instance_norm,
        shapes=((1, 1, 2), (3, 4, 5), (2, 4, 3, 2)),
        large=(50, 20, 10),
        empty=(0, 4, 3),
        axes=(2, 3),
    ),
}
CASES = [
    pytest.param(row, shape, id=f"{name}-{shape}")
    for name, row in ROWS.items()
    for shape in row.shapes
]

each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
each_case = pytest.mark.parametrize(("row", "shape"), CASES)
each_library = pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
several = settings(max_examples=40, derandomize=True, deadline=None)


def assert_close(ours, theirs, tolerance=1e-12):
    ours, theirs = numbers(ours), numbers(theirs)
    assert ours.shape == theirs.shape
    scale = np.max(np.abs(theirs), initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def test_every_normalizer_has_a_row():
    named = {name.split()[0] for name in ROWS}
    assert set(normalizers.__all__) == named | {f"{n}_backward" for n in named} | {"standardize"}


# Against torch and finite differences


@pytest.mark.parametrize(
    ("row", "shape"),
    [*CASES, *(pytest.param(r, r.large, id=f"{n}-large") for n, r in ROWS.items())],
)
def test_output_and_gradients_are_torchs(row, shape):
    x, grad = draw(*shape), draw(*shape, seed=1)
    parameters = row.parameters(x)
    y, cache = row.forward(x, *parameters, eps=EPS)
    gradients = row.backward(grad, cache)
    leaves = [torch.tensor(array, requires_grad=True) for array in (x, *parameters)]
    theirs = row.torch_forward(*leaves, eps=EPS)
    theirs.backward(torch.tensor(grad))
    assert_close(y, theirs)
    assert len(gradients) == len(leaves)
    largest = max(np.max(np.abs(g)) for g in gradients)
    for ours, leaf in zip(gradients, leaves, strict=True):
        assert ours.shape == tuple(leaf.shape)
        np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=0, atol=1e-12 * largest)


@each_case
def test_backward_is_the_autograd_of_our_own_forward(row, shape):
    leaves = [torch.tensor(draw(*shape), requires_grad=True)]
    leaves += [p.requires_grad_() for p in row.parameters(leaves[0], torch)]
    grad = torch.tensor(draw(*shape, seed=1))
    y, cache = row.forward(*leaves, eps=EPS)
    theirs = torch.autograd.grad(y, leaves, grad)
    largest = max(float(g.abs().max()) for g in theirs)
    for ours, known in zip(row.backward(grad, cache), theirs, strict=True):
        torch.testing.assert_close(ours.detach(), known, rtol=0, atol=1e-12 * largest)


@each_case
def test_backward_is_the_slope_of_the_loss(row, shape):
    """Central differences of L = Σ g y: error h² plus rounding over h, about 1e-9 here."""
    x, grad, h = draw(*shape), draw(*shape, seed=1), 1e-5
    inputs = [x, *row.parameters(x)]
    _, cache = row.forward(*inputs, eps=EPS)
    for which, ours in enumerate(row.backward(grad, cache)):
        slopes = np.zeros(ours.shape)
        for index in np.ndindex(ours.shape):
            sides = []
            for step in (h, -h):
                moved = [array.copy() for array in inputs]
                moved[which][index] += step
                sides.append(np.sum(grad * row.forward(*moved, eps=EPS)[0]))
            slopes[index] = (sides[0] - sides[1]) / (2 * h)
        np.testing.assert_allclose(ours, slopes, atol=1e-6)


@each_row
def test_gradients_of_gradients_exist(row):
    x = torch.tensor(draw(*row.shapes[-1]), requires_grad=True)
    parameters = row.parameters(x, torch)

    def backward(x, grad):
        return row.backward(grad, row.forward(x, *parameters, eps=EPS)[1])[0]

    grad = torch.tensor(draw(*x.shape, seed=1), requires_grad=True)
    assert torch.autograd.gradcheck(backward, (x, grad))


# Where conventions differ, the difference itself is tested


def test_torchs_running_variance_is_the_unbiased_one_and_its_momentum_the_new_share():
    x, gamma, beta = draw(8, 3), np.ones(3), np.zeros(3)
    mean, var = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    functional.batch_norm(torch.tensor(x), mean, var, training=True, momentum=0.25)
    _, running, _ = batch_norm(x, gamma, beta, training=True, momentum=0.75)
    np.testing.assert_allclose(running["mean"], mean.numpy(), rtol=1e-13)
    np.testing.assert_allclose(running["mean"], 0.25 * x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(running["var"], 0.75 + 0.25 * x.var(axis=0), rtol=1e-13)
    np.testing.assert_allclose(
        var.numpy() - running["var"], 0.25 * x.var(axis=0) * (8 / 7 - 1), rtol=1e-12
    )
    assert np.all(np.abs(var.numpy() - running["var"]) > 0.01)


def test_eps_stands_under_the_root_and_not_beside_it():
    """Slides that divide by σ + ε shrink the output by σ/(σ + ε), the paper by σ/√(σ² + ε)."""
    x = draw(8, 3) * np.array([0.01, 0.1, 1.0])
    sigma = x.std(axis=0)
    y, _, _ = batch_norm(x, np.ones(3), np.zeros(3), training=True, eps=EPS)
    beside = (x - x.mean(axis=0)) / (sigma + EPS)
    np.testing.assert_allclose(y * np.sqrt(sigma**2 + EPS), beside * (sigma + EPS), atol=1e-14)
    assert np.all(np.abs(y.std(axis=0) - beside.std(axis=0)) > 0.003)


def test_eps_is_there_at_inference_too():
    x, running = np.array([[3.0]]), {"mean": np.array([1.0]), "var": np.array([0.0])}
    y, _, _ = batch_norm(x, np.ones(1), np.zeros(1), running, training=False, eps=0.25)
    assert y.tolist() == [[(3 - 1) / 0.5]]


def test_torchs_rms_norm_takes_machine_epsilon_by_default():
    x = np.full((1, 4), 1e-3)
    ours, _ = rms_norm(x, np.ones(4))
    theirs = functional.rms_norm(torch.tensor(x), (4,))
    np.testing.assert_allclose(ours, 1e-3 / math.sqrt(1e-6 + 1e-5), rtol=1e-13)
    np.testing.assert_allclose(theirs.numpy(), 1e-3 / math.sqrt(1e-6 + 2.0**-52), rtol=1e-12)


def test_torch_lets_a_single_feature_pass():
    theirs = functional.layer_norm(torch.tensor([[7.0], [8.0]]), (1,))
    assert theirs.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm", "instance_norm"])
def test_default_eps_is_torchs(name):
    row = ROWS[name]
    x = draw(*row.shapes[-1]) * 1e-3
    theirs = row.torch_forward(torch.tensor(x), None, None, eps=1e-5)
    assert_close(row.plain(x), theirs)
    assert np.max(np.abs(row.plain(x) - row.plain(x, eps=1e-6))) > 0.1


def test_the_default_momentum_is_the_rest_of_torchs():
    x = draw(8, 3)
    _, running, _ = batch_norm(x, np.ones(3), np.zeros(3), training=True)
    theirs = torch.nn.BatchNorm1d(3, dtype=torch.float64)
    theirs(torch.tensor(x))
    np.testing.assert_allclose(running["mean"], theirs.running_mean.numpy(), rtol=1e-13)


# Batch norm over time


def test_running_moments_are_averages_with_decaying_weights():
    batches, momentum, running = draw(20, 6, 3), 0.8, None
    gamma, beta = np.ones(3), np.zeros(3)
    for x in batches:
        _, running, _ = batch_norm(x, gamma, beta, running, training=True, momentum=momentum)
    weights = (1 - momentum) * momentum ** np.arange(20)[::-1]
    start = momentum**20
    np.testing.assert_allclose(running["mean"], weights @ batches.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(running["var"], start + weights @ batches.var(axis=1), rtol=1e-12)


def test_training_looks_at_the_batch_only_and_inference_at_the_running_moments_only():
    x, gamma, beta = draw(6, 3), *draw(2, 3, seed=1)
    running, other = running_for(x), running_for(x, seed=6)
    train = [batch_norm(x, gamma, beta, r, training=True)[0] for r in (None, running, other)]
    np.testing.assert_array_equal(train[0], train[1])
    np.testing.assert_array_equal(train[0], train[2])
    together, kept, _ = batch_norm(x, gamma, beta, running, training=False)
    alone = [batch_norm(x[n : n + 1], gamma, beta, running, training=False)[0] for n in range(6)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    for key in ("mean", "var"):
        np.testing.assert_array_equal(kept[key], running[key])


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4)])
def test_inference_with_the_moments_of_the_batch_is_training(shape):
    x, gamma, beta = draw(*shape), *draw(2, 3, seed=1)
    trained, running, _ = batch_norm(x, gamma, beta, training=True, momentum=0.0)
    inferred, _, _ = batch_norm(x, gamma, beta, running, training=False)
    np.testing.assert_allclose(inferred, trained, rtol=1e-13)


# Properties


@pytest.mark.parametrize(
    ("name", "grouped"),
    [
        ("batch_norm", lambda y: np.moveaxis(y, 1, 0).reshape(4, -1)),
        ("layer_norm", lambda y: y),
        ("group_norm", lambda y: y.reshape(2, 2, -1)),
        ("instance_norm", lambda y: y.reshape(2, 4, -1)),
    ],
)
def test_what_shares_moments_has_mean_0_and_deviation_1(name, grouped):
    row = ROWS[name]
    y = grouped(row.plain(50 * draw(*row.shapes[-1])))
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-13)
    np.testing.assert_allclose(y.std(axis=-1), 1, rtol=1e-6)


scales = st.floats(1e-3, 1e3)
shifts = st.floats(-100, 100)


@several
@given(scale=scales, shift=shifts, seed=st.integers(0, 1000))
@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm", "instance_norm"])
def test_a_shift_and_a_scale_of_x_change_nothing_but_the_meaning_of_eps(name, scale, shift, seed):
    """σ² grows by scale²; an ε that grows with it leaves every digit but for rounding."""
    row = ROWS[name]
    x = draw(*row.shapes[-1], seed=seed)
    moved = row.plain(scale * x + scale * shift, eps=scale**2 * 1e-5)
    np.testing.assert_allclose(moved, row.plain(x, eps=1e-5), atol=1e-9)
    np.testing.assert_allclose(row.plain(-x), -row.plain(x), atol=1e-13)


@several
@given(scale=scales, seed=st.integers(0, 1000))
def test_rms_norm_ignores_the_scale_but_not_the_shift(scale, seed):
    row, x = ROWS["rms_norm"], draw(3, 5, seed=seed)
    scaled = row.plain(scale * x, eps=scale**2 * 1e-5)
    np.testing.assert_allclose(scaled, row.plain(x, eps=1e-5), rtol=1e-12)
    assert np.max(np.abs(row.plain(x + 1) - row.plain(x))) > 0.01


@several
@given(seed=st.integers(0, 1000))
def test_samples_see_each_other_in_batch_norm_only(seed):
    for name, row in ROWS.items():
        x = draw(4, *row.shapes[-1][1:], seed=seed)
        changed = x.copy()
        changed[3] += 5 * np.arange(x[3].size).reshape(x[3].shape)
        same = np.allclose(row.plain(x)[:3], row.plain(changed)[:3], rtol=0, atol=0)
        assert same == (name != "batch_norm"), name


def test_the_neighbours_meet_in_their_corners():
    x = draw(6, 4, 5)
    gamma, beta = draw(2, 4, seed=1)
    each, _ = group_norm(x, gamma, beta, groups=4)
    np.testing.assert_allclose(each, instance_norm(x, gamma, beta)[0], rtol=1e-12, atol=1e-12)
    flat = x[:, :, 0]
    one, _ = group_norm(flat, gamma, beta, groups=1)
    np.testing.assert_allclose(one, layer_norm(flat, gamma, beta)[0], rtol=1e-12, atol=1e-12)
    across = ROWS["batch_norm"].plain(np.ascontiguousarray(flat.T)).T
    np.testing.assert_allclose(across, ROWS["layer_norm"].plain(flat), rtol=1e-12, atol=1e-12)
    centred = flat - flat.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        ROWS["rms_norm"].plain(centred), ROWS["layer_norm"].plain(flat), rtol=1e-12, atol=1e-12
    )


def test_groups_are_neighbouring_channels():
    x = np.array([[0.0, 2.0, 100.0, 300.0, -5.0, 5.0]])
    y, _ = group_norm(x, np.ones(6), np.zeros(6), groups=3, eps=0.0)
    np.testing.assert_allclose(y, [[-1, 1, -1, 1, -1, 1]], rtol=1e-13)


# What each does with every array


def run(row, xp, dtype, shape, view=lambda a: a):
    """Give the output and the gradients for the same numbers in any library."""
    x, grad = (view(to(xp, draw(*shape, seed=seed), dtype)) for seed in (0, 1))
    y, cache = row.forward(x, *row.parameters(x, xp, dtype), eps=EPS)
    return [y, *row.backward(grad, cache)]


@pytest.mark.parametrize("xp", [array_api_strict, torch], ids=["strict", "torch"])
@each_dtype
@each_case
def test_all_libraries_give_the_same_numbers(row, shape, dtype, xp):
    tolerance = 100 * np.finfo(dtype).eps
    for ours, expected in zip(run(row, xp, dtype, shape), run(row, np, dtype, shape), strict=True):
        scale = max(1, np.max(np.abs(expected)))
        np.testing.assert_allclose(numbers(ours), expected, rtol=0, atol=tolerance * scale)


@each_dtype
@each_library
@each_case
def test_library_shape_and_dtype_are_kept(row, shape, xp, dtype):
    x = to(xp, draw(*shape), dtype)
    parameters = row.parameters(x, xp, dtype)
    for eps in (1e-5, np.float64(1e-5)):
        y, cache = row.forward(x, *parameters, eps=eps)
        outputs = [y, *row.backward(y, cache)]
        for output, given_array in zip(outputs, [x, x, *parameters], strict=True):
            assert array_namespace(output) is array_namespace(x)
            assert output.shape == given_array.shape
            assert output.dtype == x.dtype


@each_library
def test_running_moments_keep_shape_and_dtype(xp):
    x = to(xp, draw(4, 3, 2), "float32")
    gamma, beta = ROWS["batch_norm"].parameters(x, xp, "float32")
    running = None
    for training in (True, True, False):
        _, running, _ = batch_norm(
            x, gamma, beta, running, training=training, momentum=np.float64(0.5)
        )
        assert {key: (m.shape, m.dtype) for key, m in running.items()} == {
            "mean": (gamma.shape, x.dtype),
            "var": (gamma.shape, x.dtype),
        }


@each_library
@each_row
def test_inputs_are_left_as_they_are(row, xp):
    x, grad = (to(xp, draw(*row.shapes[-1], seed=seed)) for seed in (0, 1))
    parameters = row.parameters(x, xp)
    arrays = [x, grad, *parameters]
    before = [numbers(array).copy() for array in arrays]
    y, cache = row.forward(x, *parameters)
    kept = copy.deepcopy(cache)
    outputs = [y, *row.backward(grad, cache)]
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(numbers(array), old)
    for key, value in kept.items():
        np.testing.assert_array_equal(numbers(cache[key]), numbers(value))
    for output in outputs:
        assert not any(np.shares_memory(numbers(output), numbers(array)) for array in arrays)


@each_library
def test_the_running_moments_given_are_left_as_they_are(xp):
    x = to(xp, draw(4, 3))
    running = running_for(x)
    before = {key: numbers(value).copy() for key, value in running.items()}
    _, new, _ = batch_norm(x, *ROWS["batch_norm"].parameters(x, xp), running, training=True)
    assert new is not running
    for key, old in before.items():
        np.testing.assert_array_equal(numbers(running[key]), old)
        assert np.all(numbers(new[key]) != old)


@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
@each_row
def test_views_give_what_their_copies_give(row, xp):
    shape = (8, 6, 4, 4)

    def every_second(array):
        return array[::2, ::3, :, 1:] if row.channel_axis == 1 else array[::2, :, :, ::2]

    def copied(array):
        return to(xp, numbers(every_second(array)).copy())

    for ours, expected in zip(
        run(row, xp, "float64", shape, every_second),
        run(row, xp, "float64", shape, copied),
        strict=True,
    ):
        np.testing.assert_allclose(numbers(ours), numbers(expected), rtol=1e-13, atol=1e-13)


@each_library
@pytest.mark.parametrize(
    "row", [r for r in ROWS.values() if r.empty], ids=[n for n, r in ROWS.items() if r.empty]
)
def test_no_sample_gives_no_output_and_zero_gradients(row, xp):
    y, dx, *gradients = run(row, xp, "float64", row.empty)
    assert y.shape == dx.shape == row.empty
    for gradient in gradients:
        assert numbers(gradient).tolist() == [0] * 4


@each_dtype
@each_row
def test_large_and_constant_inputs_give_numbers_without_a_warning(row, dtype):
    shape = row.shapes[-1]
    large = np.where(draw(*shape, seed=3) > 1, 1e4, -1e4)
    for x in (large, np.full(shape, 1e4), np.zeros(shape)):
        x = x.astype(dtype)
        y, cache = row.forward(x, *row.parameters(x, dtype=dtype))
        for array in (y, *row.backward(x, cache)):
            assert np.all(np.isfinite(array))


@each_library
@each_row
def test_nan_stays_among_those_that_share_its_moments(row, xp):
    shape = row.shapes[-1]
    x = draw(*shape)
    x[(0,) * len(shape)] = math.nan
    y = numbers(row.forward(to(xp, x), *row.parameters(x, xp))[0])
    reached = np.zeros(shape, dtype=bool)
    reached[tuple(slice(None) if axis in row.axes else 0 for axis in range(len(shape)))] = True
    if row is ROWS["group_norm"]:
        reached[0, :2] = True
    np.testing.assert_array_equal(np.isnan(y), reached)


# Standardizing data


def test_standardize_is_scikit_learns_scaler():
    train, test = draw(1000, 10), draw(50, 10, seed=1)
    train[:, 3] *= 1e4
    scaler = StandardScaler().fit(train)
    ours, moments = standardize(train)
    np.testing.assert_allclose(ours, scaler.transform(train), rtol=0, atol=1e-12)
    np.testing.assert_allclose(standardize(test, moments)[0], scaler.transform(test), atol=1e-12)
    np.testing.assert_allclose(moments["mean"], scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(moments["std"], scaler.scale_, rtol=1e-12)


def test_the_test_set_is_measured_with_the_training_sets_moments():
    _, moments = standardize(np.array([[0.0], [4.0]]))
    z, same = standardize(np.array([[4.0], [4.0], [10.0]]), moments)
    assert z.tolist() == [[1], [1], [4]]
    assert {key: value.tolist() for key, value in same.items()} == {"mean": [2], "std": [2]}


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4 / 3, 1e-30, -1e30])
@each_dtype
def test_a_constant_feature_becomes_exactly_0(value, dtype):
    """Seven tenths add up to less than 0.7: the plain formula for the mean is off by a bit."""
    x = np.stack([np.full(7, value), np.arange(7.0)], axis=1).astype(dtype)
    z, moments = standardize(x)
    assert z[:, 0].tolist() == [0] * 7
    assert moments["std"][0] == 0
    np.testing.assert_allclose(z[:, 1].std(), 1, rtol=1e-6)


def test_a_feature_that_was_constant_is_divided_by_1():
    _, moments = standardize(np.full((3, 1), 5.0))
    assert standardize(np.array([[7.5]]), moments)[0].tolist() == [[2.5]]


@several
@given(scale=scales, shift=shifts, seed=st.integers(0, 1000))
def test_units_do_not_matter_to_standardize(scale, shift, seed):
    x = draw(9, 3, seed=seed)
    np.testing.assert_allclose(standardize(scale * (x + shift))[0], standardize(x)[0], atol=1e-9)


@pytest.mark.parametrize("shape", [(5,), (5, 3), (1, 3), (5, 2, 3), (5, 0)], ids=str)
@each_dtype
@each_library
def test_standardize_keeps_library_shape_dtype_and_inputs(xp, dtype, shape):
    x = to(xp, draw(*shape), dtype)
    before = numbers(x).copy()
    z, moments = standardize(x)
    again, _ = standardize(x, moments)
    for array, expected in ((z, shape), *((m, shape[1:]) for m in moments.values())):
        assert array_namespace(array) is array_namespace(x)
        assert tuple(array.shape) == expected
        assert array.dtype == x.dtype
    np.testing.assert_array_equal(numbers(again), numbers(z))
    np.testing.assert_array_equal(numbers(x), before)
    expected, _ = standardize(to(np, draw(*shape), dtype))
    np.testing.assert_allclose(numbers(z), expected, rtol=0, atol=100 * np.finfo(dtype).eps)


def test_no_sample_can_be_standardized_with_moments():
    _, moments = standardize(draw(5, 3))
    assert standardize(np.zeros((0, 3)), moments)[0].shape == (0, 3)


@each_library
def test_nan_spoils_its_feature_only(xp):
    x = draw(5, 3)
    x[2, 1] = math.nan
    z = numbers(standardize(to(xp, x))[0])
    assert np.isnan(z).tolist() == [[False, True, False]] * 5


@pytest.mark.parametrize("constant", [False, True])
def test_gradients_flow_through_standardize(constant):
    x = torch.tensor(draw(4, 2), requires_grad=True)
    moments = standardize(x.detach())[1]
    if constant:
        moments["std"] = torch.zeros(2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: standardize(x, moments)[0], x)


BAD_MOMENTS = {
    "no sample": (np.zeros((0, 3)), None, ValueError, "x has shape (0, 3), so there is no sample"),
    "a number": (np.array(1.0), None, ValueError, "x has shape (), so there is no sample"),
    "a list": ([[1.0]], None, TypeError, "x is a list. Pass arrays of one library"),
    "integers": (np.ones((2, 3), dtype=int), None, TypeError, "x has dtype int64."),
    "a tuple": (
        np.ones((2, 3)),
        (np.ones(3), np.ones(3)),
        TypeError,
        "the moments must be a dict of 'mean' and 'std', got a tuple. Pass what the call on the",
    ),
    "other keys": (
        np.ones((2, 3)),
        {"mean": np.ones(3), "var": np.ones(3)},
        ValueError,
        "the moments must be a dict of 'mean' and 'std', got ['mean', 'var'].",
    ),
    "another shape": (
        np.ones((2, 3)),
        {"mean": np.ones(3), "std": np.ones(1)},
        ValueError,
        "x of shape (2, 3) needs 'std' of shape (3,), got shape (1,). Pass what was measured on",
    ),
    "another dtype": (
        np.ones((2, 3)),
        {"mean": np.ones(3, dtype=np.float32), "std": np.ones(3)},
        ValueError,
        "x has dtype float64 but mean has dtype float32. Convert mean to the dtype of x.",
    ),
    "another library": (
        np.ones((2, 3)),
        {"mean": torch.ones(3), "std": torch.ones(3)},
        TypeError,
        "x is a numpy.ndarray and mean is a torch.Tensor",
    ),
}


@pytest.mark.parametrize("case", BAD_MOMENTS.values(), ids=BAD_MOMENTS)
def test_bad_input_of_standardize_is_named(case):
    x, moments, error, text = case
    with pytest.raises(error, match=re.escape(f"standardize: {text}")):
        standardize(x, moments)


# Bad input

FORWARD = {
    "batch_norm": partial(batch_norm, training=True),
    "layer_norm": layer_norm,
    "rms_norm": lambda x, gamma, beta=None, **hyper: rms_norm(x, gamma, **hyper),
    "group_norm": partial(group_norm, groups=1),
    "instance_norm": instance_norm,
}
GOOD = {"x": draw(3, 4, 4), "gamma": np.ones(4), "beta": np.zeros(4)}
LAST, SECOND = ("layer_norm", "rms_norm"), ("batch_norm", "group_norm", "instance_norm")
EVERY = (*LAST, *SECOND)

BAD = [
    (EVERY, {"x": [1.0]}, TypeError, "x is a list"),
    (EVERY, {"x": np.ones((3, 4, 4), dtype=int)}, TypeError, "x has dtype int64."),
    (EVERY, {"gamma": torch.ones(4)}, TypeError, "and gamma is a torch.Tensor"),
    (LAST, {"x": np.array(1.0)}, ValueError, "x has shape (). Give shape (..., features)."),
    (SECOND, {"x": np.ones(4)}, ValueError, "x has shape (4,). Give shape (samples, channels,"),
    (
        LAST,
        {"gamma": np.ones(3)},
        ValueError,
        "x of shape (3, 4, 4) has 4 features but gamma has shape (3,). Give gamma of shape (4,).",
    ),
    (
        SECOND,
        {"gamma": np.ones((4, 1))},
        ValueError,
        "x of shape (3, 4, 4) has 4 channels but gamma has shape (4, 1). Give gamma of shape (4,).",
    ),
    (
        SECOND,
        {"beta": np.ones(1)},
        ValueError,
        "x of shape (3, 4, 4) has 4 channels but beta has shape (1,). Give beta of shape (4,).",
    ),
    (
        EVERY,
        {"gamma": np.ones(4, dtype=np.float32)},
        ValueError,
        "x has dtype float64 but gamma has dtype float32. Convert gamma to the dtype of x.",
    ),
    (EVERY, {"eps": -1e-5}, ValueError, "eps must lie in [0, inf), got -1e-05."),
    (EVERY, {"eps": math.nan}, ValueError, "eps must lie in [0, inf), got nan."),
    (EVERY, {"eps": "1e-5"}, TypeError, "eps must be one number, got a str: '1e-5'."),
    (("batch_norm",), {"momentum": 1.0}, ValueError, "momentum must lie in [0, 1), got 1.0."),
    (("batch_norm",), {"momentum": -0.1}, ValueError, "momentum must lie in [0, 1), got -0.1."),
    (
        ("batch_norm",),
        {"x": np.ones((1, 4))},
        ValueError,
        "each channel has 1 of at least 2 values to normalize. Minus its own mean a single value",
    ),
    (("batch_norm",), {"x": np.ones((0, 4))}, ValueError, "each channel has 0 of at least 2 val"),
    (
        ("batch_norm",),
        {"training": False},
        ValueError,
        "at inference there is no batch to measure. Pass running, the moments that training",
    ),
    (
        ("batch_norm",),
        {"running": [np.zeros(4), np.ones(4)]},
        TypeError,
        "the moments must be a dict of 'mean' and 'var', got a list.",
    ),
    (
        ("batch_norm",),
        {"running": {"mean": np.zeros(4)}},
        ValueError,
        "the moments must be a dict of 'mean' and 'var', got ['mean'].",
    ),
    (
        ("batch_norm",),
        {"running": {"mean": np.zeros(4), "var": np.ones(1)}},
        ValueError,
        "x of shape (3, 4, 4) needs 'var' of shape (4,), got shape (1,).",
    ),
    (
        ("layer_norm",),
        {"x": np.ones((3, 1)), "gamma": np.ones(1), "beta": np.ones(1)},
        ValueError,
        "each sample has 1 of at least 2 values to normalize.",
    ),
    (
        ("rms_norm",),
        {"x": np.ones((3, 0)), "gamma": np.ones(0)},
        ValueError,
        "x has shape (3, 0). Give at least one feature.",
    ),
    (
        ("group_norm",),
        {"groups": 3},
        ValueError,
        "4 channels do not split into 3 equal groups. Choose a divisor of the number of channels.",
    ),
    (("group_norm",), {"groups": 0}, ValueError, "groups must be at least 1, got 0."),
    (("group_norm",), {"groups": 2.0}, TypeError, "groups must be a whole number, got a float"),
    (
        ("group_norm",),
        {"x": np.ones((3, 4)), "groups": 4},
        ValueError,
        "each group has 1 of at least 2 values to normalize.",
    ),
    (
        ("instance_norm",),
        {"x": np.ones((3, 4))},
        ValueError,
        "each channel of a sample has 1 of at least 2 values to normalize.",
    ),
    (
        ("instance_norm",),
        {"x": np.ones((3, 4, 1))},
        ValueError,
        "each channel of a sample has 1 of at least 2 values to normalize.",
    ),
]


@pytest.mark.parametrize(
    ("name", "bad", "error", "text"),
    [
        pytest.param(name, bad, error, text, id=f"{name}-{number}")
        for number, (names, bad, error, text) in enumerate(BAD)
        for name in names
    ],
)
def test_bad_input_is_named(name, bad, error, text):
    with pytest.raises(error, match=re.escape(f"{name}: ") + ".*" + re.escape(text)):
        FORWARD[name](**GOOD | bad)


BACKWARD = {name.split()[0]: row for name, row in ROWS.items() if "inference" not in name}


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda grad, cache: (grad[:1], cache), ValueError, "but grad has shape (1, 4, 3, 4)"),
        (
            lambda grad, cache: (grad.astype(np.float32), cache),
            ValueError,
            "x has dtype float64 but grad has dtype float32",
        ),
        (lambda grad, cache: (grad.tolist(), cache), TypeError, "grad is a list"),
        (lambda grad, cache: (torch.tensor(grad), cache), TypeError, "grad is a torch.Tensor"),
        (lambda grad, cache: (grad, None), TypeError, "cache is a NoneType. Pass the dict that "),
        (
            lambda grad, cache: (grad, {}),
            ValueError,
            "the cache is that of None, not of ",
        ),
    ],
    ids=["shape", "dtype", "list", "library", "no cache", "an empty cache"],
)
@pytest.mark.parametrize("name", BACKWARD)
def test_bad_input_of_a_backward_pass_is_named(name, change, error, text):
    row, x = BACKWARD[name], draw(2, 4, 3, 4)
    y, cache = row.forward(x, *row.parameters(x))
    with pytest.raises(error, match=re.escape(f"{name}_backward: ") + ".*" + re.escape(text)):
        row.backward(*change(y, cache))


@pytest.mark.parametrize(("name", "other"), [(a, b) for a in BACKWARD for b in BACKWARD if a != b])
def test_the_cache_of_another_normalizer_is_refused(name, other):
    x = draw(2, 4, 3, 4)
    y, cache = BACKWARD[other].forward(x, *BACKWARD[other].parameters(x))
    text = f"{name}_backward: the cache is that of {other}, not of {name}."
    with pytest.raises(ValueError, match=re.escape(text)):
        BACKWARD[name].backward(y, cache)
