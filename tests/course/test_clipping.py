"""Clipping against torch, by its properties, and with zero, huge, infinite and NaN gradients."""

import math
import re

import array_api_strict
import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from course import clipping
from course.clipping import clip_by_global_norm, clip_by_norm, clip_by_value

LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
SHAPES = [(), (0,), (3,), (1, 3), (2, 0), (2, 3, 4)]


def alone(grad, *, max_norm):
    """Clip one array by the global norm of itself."""
    (clipped,), _ = clip_by_global_norm([grad], max_norm=max_norm)
    return clipped


CLIPS = {  # name: (function of one array, its limit)
    "clip_by_value": (clip_by_value, "clip_value"),
    "clip_by_norm": (clip_by_norm, "max_norm"),
    "clip_by_global_norm": (alone, "max_norm"),
}
BY_NORM = [clip_by_norm, alone]

each_clip = pytest.mark.parametrize(("clip", "limit"), CLIPS.values(), ids=CLIPS)
each_norm_clip = pytest.mark.parametrize("clip", BY_NORM, ids=["norm", "global norm"])
each_library = pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
several = settings(max_examples=50, derandomize=True, deadline=None)

sizes = st.floats(min_value=1e-6, max_value=1e6)
entries = st.floats(min_value=-1e6, max_value=1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)
gradients = arrays(np.float64, st.integers(1, 6), elements=entries)


def to(xp, values, dtype="float64"):
    values = np.array(values, dtype=dtype)
    return torch.from_numpy(values) if xp is torch else xp.asarray(values)


def numbers(array):
    return array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape) * 3


def parameters_with(grads):
    params = [torch.nn.Parameter(torch.zeros(grad.shape, dtype=torch.float64)) for grad in grads]
    for param, grad in zip(params, grads, strict=True):
        param.grad = torch.tensor(grad)
    return params


def test_every_clip_has_a_row():
    assert set(CLIPS) == set(clipping.__all__)


# Against torch and by hand


def test_by_value_is_torchs():
    grad = draw(10_000)
    params = parameters_with([grad])
    torch.nn.utils.clip_grad_value_(params, 1.5)
    ours = clip_by_value(grad, clip_value=1.5)
    np.testing.assert_array_equal(ours, params[0].grad.numpy())
    assert 0.3 < np.mean(ours == grad) < 0.7


def test_the_global_norm_is_torchs_and_the_factor_differs_by_its_1e_minus_6():
    """Torch scales by c / (‖g‖ + 1e-6): ours is longer by the factor (‖g‖ + 1e-6) / ‖g‖."""
    grads = [draw(50, 100), draw(4999, seed=1), draw(1, 1, 1, seed=2)]
    ours, norm = clip_by_global_norm(grads, max_norm=1e-3)
    params = parameters_with(grads)
    theirs = torch.nn.utils.clip_grad_norm_(params, 1e-3)
    np.testing.assert_allclose(norm, theirs.numpy(), rtol=1e-13)
    np.testing.assert_allclose(norm, np.linalg.norm(np.concatenate([g.ravel() for g in grads])))
    for mine, param in zip(ours, params, strict=True):
        factor = (norm + 1e-6) / norm
        np.testing.assert_allclose(mine, param.grad.numpy() * factor, rtol=1e-12)


@each_norm_clip
def test_torch_shortens_a_little_too_far(clip):
    grad = np.array([3e-6, 4e-6])
    (param,) = parameters_with([grad])
    torch.nn.utils.clip_grad_norm_([param], 1e-6)
    np.testing.assert_allclose(np.linalg.norm(clip(grad, max_norm=1e-6)), 1e-6, rtol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(param.grad.numpy()), 1e-6 * 5 / 6, rtol=1e-12)


@each_norm_clip
def test_torchs_float32_norm_overflows_and_ours_does_not(clip):
    param = torch.nn.Parameter(torch.zeros(2))
    param.grad = torch.tensor([3e20, -4e20])
    ours = clip(param.grad.clone(), max_norm=1.0)
    torch.nn.utils.clip_grad_norm_([param], 1.0)
    assert param.grad.tolist() == [0, 0]
    np.testing.assert_allclose(ours.numpy(), [0.6, -0.8], rtol=1e-6)


@each_norm_clip
@each_library
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e4, 1e160, 1e300])
def test_a_norm_of_any_size_is_measured(clip, xp, scale):
    grad = np.array([[3.0, 0.0], [0.0, -4.0]]) * scale
    clipped = numbers(clip(to(xp, grad), max_norm=2.5 * scale))
    np.testing.assert_allclose(clipped, grad / 2, rtol=1e-14)
    np.testing.assert_array_equal(numbers(clip(to(xp, grad), max_norm=6 * scale)), grad)


def test_clipping_each_alone_turns_the_whole_step():
    grads = [np.array([30.0]), np.array([4.0])]
    (a, b), norm = clip_by_global_norm(grads, max_norm=1.0)
    np.testing.assert_allclose(a / b, 30 / 4)
    np.testing.assert_allclose(norm, math.hypot(30, 4))
    np.testing.assert_allclose(math.hypot(*a, *b), 1)
    assert [clip_by_norm(g, max_norm=1.0).tolist() for g in grads] == [[1.0], [1.0]]


# Properties


@several
@given(grad=gradients, c=sizes)
@pytest.mark.parametrize("clip", BY_NORM, ids=["norm", "global norm"])
def test_by_norm_keeps_the_direction_and_never_lengthens(clip, grad, c):
    clipped, norm = clip(grad, max_norm=c), np.linalg.norm(grad)
    assert np.linalg.norm(clipped) <= min(c, norm) * (1 + 1e-14)
    cosine_gap = clipped * norm - grad * np.linalg.norm(clipped)
    assert np.all(np.abs(cosine_gap) <= 1e-14 * norm * norm)
    if norm <= c:
        np.testing.assert_array_equal(clipped, grad)
    else:
        np.testing.assert_allclose(np.linalg.norm(clipped), c, rtol=1e-14)


@several
@given(grad=gradients, c=sizes)
def test_by_value_bounds_entries_and_leaves_those_inside(grad, c):
    clipped = clip_by_value(grad, clip_value=c)
    assert np.all(np.abs(clipped) <= c)
    inside = np.abs(grad) <= c
    np.testing.assert_array_equal(clipped[inside], grad[inside])
    np.testing.assert_array_equal(np.sign(clipped), np.sign(grad))


@several
@given(small=st.floats(0.1, 0.9), large=st.floats(2.0, 1e6))
def test_by_value_turns_a_gradient_and_by_norm_does_not(small, large):
    grad = np.array([small, large])

    def slope(g):
        return g[0] / g[1]

    assert slope(clip_by_value(grad, clip_value=1.0)) >= 1.999 * slope(grad)
    np.testing.assert_allclose(slope(clip_by_norm(grad, max_norm=1.0)), slope(grad), rtol=1e-14)


@several
@given(grad=gradients, c=sizes)
@pytest.mark.parametrize(("clip", "limit"), CLIPS.values(), ids=CLIPS)
def test_clipping_twice_is_clipping_once(clip, limit, grad, c):
    once = clip(grad, **{limit: c})
    np.testing.assert_allclose(clip(once, **{limit: c}), once, rtol=1e-14)


# Zero, infinite and NaN gradients


@each_library
@each_clip
def test_zeros_stay_and_give_numbers(clip, limit, xp):
    for c in (1.0, math.inf):
        assert numbers(clip(to(xp, np.zeros(3)), **{limit: c})).tolist() == [0, 0, 0]


@each_library
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@each_norm_clip
def test_without_a_direction_all_is_nan(clip, bad, xp):
    for c in (1.0, math.inf):
        clipped = numbers(clip(to(xp, [1.0, bad, 0.0]), max_norm=c))
        assert np.isnan(clipped).all()


def test_torch_keeps_zeros_where_an_entry_is_infinite():
    (param,) = parameters_with([np.array([1.0, math.inf])])
    torch.nn.utils.clip_grad_norm_([param], 1.0)
    assert np.isnan(param.grad.numpy()).tolist() == [False, True]


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_the_global_norm_tells_of_infinity_and_nan_anywhere(bad):
    clipped, norm = clip_by_global_norm([np.ones(2), np.array(bad), np.ones(1)], max_norm=1.0)
    np.testing.assert_array_equal(norm, bad)
    assert all(np.isnan(grad).all() for grad in clipped)


@each_library
def test_by_value_takes_infinity_to_the_limit_and_keeps_nan(xp):
    clipped = numbers(clip_by_value(to(xp, [math.inf, -math.inf, math.nan]), clip_value=2.0))
    np.testing.assert_array_equal(clipped, [2, -2, math.nan])


@each_library
@each_clip
def test_an_infinite_limit_clips_nothing(clip, limit, xp):
    grad = draw(2, 3) * 1e4
    np.testing.assert_array_equal(numbers(clip(to(xp, grad), **{limit: math.inf})), grad)


# What each does with every array


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@each_dtype
@each_library
@each_clip
def test_library_shape_dtype_and_inputs_are_kept(clip, limit, xp, dtype, shape):
    grad = to(xp, draw(*shape), dtype)
    before = numbers(grad).copy()
    for c in (0.5, np.float64(0.5), 1e6):
        clipped = clip(grad, **{limit: c})
        assert array_namespace(clipped) is array_namespace(grad)
        assert (clipped.shape, clipped.dtype) == (grad.shape, grad.dtype)
        assert not np.shares_memory(numbers(clipped), numbers(grad))
    np.testing.assert_array_equal(numbers(grad), before)


@each_dtype
@each_clip
def test_all_libraries_give_the_same_numbers(clip, limit, dtype):
    ours, *others = (
        numbers(clip(to(xp, draw(4, 5), dtype), **{limit: 0.7})) for xp in LIBRARIES.values()
    )
    for other in others:
        np.testing.assert_allclose(other, ours, rtol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
@each_clip
def test_views_give_what_their_copies_give(clip, limit, xp):
    whole = to(xp, draw(4, 6))
    for view in (whole[::2], whole[1:, ::3], whole.T):
        copy = to(xp, numbers(view).copy())
        np.testing.assert_allclose(
            numbers(clip(view, **{limit: 0.7})), numbers(clip(copy, **{limit: 0.7})), rtol=1e-15
        )


@each_library
def test_a_list_of_several_shapes_and_dtypes_keeps_them(xp):
    grads = [
        to(xp, [3.0, 0.0], "float32"),
        to(xp, np.zeros((2, 0))),
        to(xp, -4.0),
        to(xp, [[12.0]], "float32"),
    ]
    clipped, norm = clip_by_global_norm(iter(grads), max_norm=6.5)
    assert float(norm) == 13
    assert [(g.shape, g.dtype) for g in clipped] == [(g.shape, g.dtype) for g in grads]
    for mine, grad in zip(clipped, grads, strict=True):
        np.testing.assert_allclose(numbers(mine), numbers(grad) / 2, rtol=1e-7)


@each_library
def test_lists_without_any_number_have_norm_0(xp):
    clipped, norm = clip_by_global_norm([to(xp, np.zeros((0, 2)))] * 2, max_norm=1.0)
    assert float(norm) == 0
    assert [grad.shape for grad in clipped] == [(0, 2), (0, 2)]


@pytest.mark.parametrize("c", [0.5, 100.0])
@each_clip
def test_gradients_flow_through(clip, limit, c):
    grad = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g: clip(g, **{limit: c}), grad)


@each_clip
def test_at_zero_the_derivative_is_that_of_the_identity(clip, limit):
    grad = torch.zeros(3, requires_grad=True)
    clip(grad, **{limit: 1.0}).sum().backward()
    assert grad.grad.tolist() == [1, 1, 1]


# Bad input


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, -math.inf])
@pytest.mark.parametrize("name", CLIPS)
def test_a_limit_that_is_not_above_0_is_named(name, value):
    clip, limit = CLIPS[name]
    text = f"{name}: {limit} must lie in (0, inf], got {value}."
    with pytest.raises(ValueError, match=re.escape(text)):
        clip(np.ones(2), **{limit: value})


@pytest.mark.parametrize("name", CLIPS)
def test_a_limit_that_is_no_number_is_named(name):
    clip, limit = CLIPS[name]
    with pytest.raises(TypeError, match=f"{name}: {limit} must be one number, got a str"):
        clip(np.ones(2), **{limit: "1"})


@pytest.mark.parametrize(
    ("grad", "text"),
    [
        ([1.0], "is a list. Pass arrays of one library"),
        (np.array([1]), "has dtype int64. Use a floating dtype"),
        (np.array([1j]), "has dtype complex128."),
        (None, "is a NoneType."),
    ],
    ids=["list", "integers", "complex", "none"],
)
@pytest.mark.parametrize("name", CLIPS)
def test_a_bad_gradient_is_named(name, grad, text):
    clip, limit = CLIPS[name]
    with pytest.raises(TypeError, match=re.escape(text)) as caught:
        clip(grad, **{limit: 1.0})
    start = f"{name}: grads[0] " if name == "clip_by_global_norm" else f"{name}: grad "
    assert str(caught.value).startswith(start)


@pytest.mark.parametrize(
    ("grads", "text"),
    [
        (np.ones(2), "grads is one array; pass a list, for example [grad]."),
        ([], "grads is empty. Pass the gradient of each parameter."),
        (
            [np.ones(2), torch.ones(2)],
            "grads[0] is a numpy.ndarray and grads[1] is a torch.Tensor. Pass arrays of one",
        ),
    ],
    ids=["array", "empty", "libraries"],
)
def test_a_bad_list_is_named(grads, text):
    with pytest.raises(TypeError, match=re.escape(f"clip_by_global_norm: {text}")):
        clip_by_global_norm(grads, max_norm=1.0)
