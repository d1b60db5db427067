"""The references of unit 09 against torch and the layers; its cases reach what they say."""

import numpy as np
import pytest
import torch

from course.checking import judge
from course.checking.judge import draw_cases
from course.exercises import PUBLIC_SEED
from course.exercises import residual_networks as unit
from course.layers import Linear, ReLU, Residual

SEEDS = (PUBLIC_SEED, 3, 2026)
NAMES = ("x", "w1", "b1", "w2", "b2")
BRANCHES = (
    (unit.mixing_branch, unit.mixing_backward),
    (unit.rolling_branch, unit.rolling_backward),
)


def inputs_of(exercise, seed=PUBLIC_SEED):
    """Return the inputs of all cases in float64, without what only the run looks at."""
    return [
        {key: value for key, value in case.inputs.items() if key != "looked at"}
        for case in draw_cases(exercise, seed)
        if case.part != "dtype"
    ]


def leaf(array):
    return torch.tensor(array, requires_grad=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_block_agrees_with_torch(seed):
    for given in inputs_of(unit.RESIDUAL_BACKWARD, seed):
        leaves = {name: leaf(given[name]) for name in NAMES}
        x, w1, b1, w2, b2 = leaves.values()
        y = x + given.get("scale", 1.0) * (torch.relu(x @ w1 + b1) @ w2 + b2)
        y.backward(torch.tensor(given["grad"]))
        forward = {key: value for key, value in given.items() if key != "grad"}
        np.testing.assert_allclose(unit.residual_forward(**forward), y.detach(), rtol=1e-12)
        grad_x, grads = unit.residual_backward(**given)
        for name, ours in {"x": grad_x, **grads}.items():
            np.testing.assert_allclose(ours, leaves[name].grad, rtol=1e-9, atol=1e-12)


def test_a_block_agrees_with_the_librarys_layer():
    given = inputs_of(unit.RESIDUAL_BACKWARD)[1]
    rng = np.random.default_rng(0)
    block = Residual(Linear(*given["w1"].shape, rng), ReLU(), Linear(*given["w2"].shape, rng))
    for param, name in zip(block.params, NAMES[1:], strict=True):
        param[...] = given[name]
    grad = given.pop("grad")
    np.testing.assert_allclose(block.forward(given["x"]), unit.residual_forward(**given))
    grad_x, grads = unit.residual_backward(grad, **given)
    np.testing.assert_allclose(block.backward(grad), grad_x)
    for ours, name in zip(block.grads, NAMES[1:], strict=True):
        np.testing.assert_allclose(ours, grads[name])


def test_half_of_a_batchs_hidden_units_are_on():
    for given in inputs_of(unit.RESIDUAL_FORWARD):
        on = given["x"] @ given["w1"] + given["b1"] > 0
        assert on.mean() == 0.5


def torch_branch(branch, k, z, theta):
    if branch is unit.mixing_branch:
        return torch.tanh(z @ theta)
    return torch.sin(theta * torch.roll(z, 1, dims=-1))


def parameter(branch, k, z):
    if branch is unit.mixing_branch:
        return unit.mixing_weights(k, z)
    return np.full(z.shape[-1], (k + 1) / 2)


@pytest.mark.parametrize(("branch", "branch_backward"), BRANCHES)
@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_a_stack_agrees_with_torch(branch, branch_backward, scale):
    rng = np.random.default_rng(1)
    z, grad = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    levels = unit.residual_stack(z, branch, first=0, last=4, scale=scale)
    start, thetas = leaf(z), [leaf(parameter(branch, k, z)) for k in range(4)]
    top = start
    for k, theta in enumerate(thetas):
        top = top + scale * torch_branch(branch, k, top, theta)
    top.backward(torch.tensor(grad))
    np.testing.assert_allclose(levels[-1], top.detach(), rtol=1e-12)
    grad_z, grads = unit.stack_backward(grad, levels, branch_backward, scale=scale)
    np.testing.assert_allclose(grad_z, start.grad, rtol=1e-9, atol=1e-12)
    for ours, theta in zip(grads, thetas, strict=True):
        np.testing.assert_allclose(ours, theta.grad, rtol=1e-9, atol=1e-12)


def test_a_stack_can_be_entered_in_the_middle():
    z = np.random.default_rng(2).normal(size=(2, 3))
    whole = unit.residual_stack(z, unit.rolling_branch, first=0, last=5)
    upper = unit.residual_stack(whole[2], unit.rolling_branch, first=2, last=5)
    np.testing.assert_array_equal(upper[-1], whole[-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_both_terms_make_the_gradient_of_the_whole_matrix(seed):
    for given in inputs_of(unit.SPLIT_GRADIENT, seed):
        direct, rest = unit.split_gradient(**given)
        width = len(given["grad"])
        matrix = np.eye(width)
        for jacobian in given["jacobians"][given["first"] :]:
            matrix = (np.eye(width) + jacobian) @ matrix
        np.testing.assert_array_equal(direct, given["grad"])
        np.testing.assert_allclose(direct + rest, matrix.T @ given["grad"], rtol=1e-12)


def test_variances_are_those_of_random_numbers():
    rng = np.random.default_rng(3)
    gains, settings = [0.5, 1.5, 0.8], {"shortcut": 0.9, "scale": 0.6}
    z = rng.normal(0, 1.3, 400_000)
    seen = [np.var(z)]
    for gain in gains:
        branch = rng.normal(0, np.sqrt(gain * seen[-1]), len(z))
        z = settings["shortcut"] * z + settings["scale"] * branch
        seen.append(np.var(z))
    np.testing.assert_allclose(unit.stack_variances(seen[0], gains, **settings), seen, rtol=0.01)


@pytest.mark.parametrize("blocks", [1, 7, 64])
def test_the_scale_gives_the_growth(blocks):
    scale = unit.branch_scale(blocks, gain=0.6, growth=3.0)
    grown = unit.stack_variances(1.0, [0.6] * blocks, scale=scale)[-1]
    np.testing.assert_allclose(grown, 3.0, rtol=1e-12)


def test_a_list_of_other_things_is_no_list_of_variances():
    def texts(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
        return ["1", *(str(gain) for gain in gains)]

    verdict = judge(unit.STACK_VARIANCES, texts, PUBLIC_SEED)
    assert (verdict.status, verdict.points) == ("wrong_type", 0)
    assert "expected numbers" in str(verdict)
