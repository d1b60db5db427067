"""The references of unit 10 against torch, the layers and closed forms; its cases reach them."""

import numpy as np
import pytest
import torch

from course import optimizers
from course.activations import softmax
from course.checking.judge import draw_cases, play
from course.exercises import PUBLIC_SEED
from course.exercises import regularization as unit
from course.layers import Dropout, Linear, ReLU, Sequential, mc_dropout

SEEDS = (PUBLIC_SEED, 3, 2026)


def inputs_of(exercise, seed=PUBLIC_SEED, part=None):
    """Return the inputs of all cases in float64, or of those of one part."""
    return [
        case.inputs
        for case in draw_cases(exercise, seed)
        if case.part != "dtype" and part in (None, case.part)
    ]


# --- dropout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.7])
def test_dropout_is_the_librarys_layer(rate):
    x = np.random.default_rng(0).normal(size=(40, 7))
    layer = Dropout(rate, np.random.default_rng(5))
    y, kept = unit.dropout_forward(x, rate=rate, rng=np.random.default_rng(5))
    np.testing.assert_allclose(layer.forward(x, training=True), y, rtol=1e-15)
    grad = np.random.default_rng(1).normal(size=x.shape)
    np.testing.assert_allclose(
        layer.backward(grad), unit.dropout_backward(grad, kept, rate=rate), rtol=1e-15
    )


def test_dropout_keeps_the_mean_and_multiplies_the_mean_square():
    x, rate = np.full((1, 200_000), 3.0), 0.4
    y, kept = unit.dropout_forward(x, rate=rate, rng=np.random.default_rng(0))
    np.testing.assert_allclose(kept.mean(), 1 - rate, atol=0.005)
    np.testing.assert_allclose(y.mean(), 3.0, rtol=0.01)
    np.testing.assert_allclose(np.mean(y**2), 9.0 / (1 - rate), rtol=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rate_itself_is_drawn_once_and_kept(seed):
    (given,) = inputs_of(unit.DROPOUT_FORWARD, seed, "border")
    drawn = np.random.default_rng(given["seed"]).random(given["x"].shape)
    _, kept = unit.dropout_forward(
        given["x"], rate=given["rate"], rng=np.random.default_rng(given["seed"])
    )
    assert np.sum(drawn == given["rate"]) == 1
    assert kept[drawn == given["rate"]].all()


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_of_the_cases_drop_some_and_keep_some(seed):
    for given in inputs_of(unit.DROPOUT_FORWARD, seed, "training"):
        _, kept = unit.dropout_forward(
            given["x"], rate=given["rate"], rng=np.random.default_rng(given["seed"])
        )
        assert kept.any()
        assert given["rate"] == 0 or not kept.all()
    for given in inputs_of(unit.DROPOUT_BACKWARD, seed, "training"):
        assert 0 < given["kept"].mean() < 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kept_entry_may_be_0_so_that_y_does_not_give_the_mask_away(seed):
    assert any(
        (kept & (y == 0)).any()
        for given in inputs_of(unit.DROPOUT_FORWARD, seed, "training")
        for y, kept in [
            unit.dropout_forward(
                given["x"], rate=given["rate"], rng=np.random.default_rng(given["seed"])
            )
        ]
    )


@pytest.mark.parametrize("name", ["DROPOUT_FORWARD", "DROPOUT_BACKWARD", "DROPOUT_NETWORK"])
def test_the_float32_case_sees_both_modes(name):
    exercise = getattr(unit, name)
    for case in draw_cases(exercise, PUBLIC_SEED):
        if case.part == "dtype":
            seen = dict(play(exercise, exercise.reference, case).seen)
            assert next(reversed(seen)).endswith("inference")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_network_agrees_with_torch(seed):
    for given in inputs_of(unit.DROPOUT_NETWORK, seed):
        h = torch.tensor(given["x"])
        layers = zip(given["weights"], given["biases"], strict=True)
        for k, (w, b) in enumerate(layers):
            if given["masks"] is not None:
                h = h * torch.tensor(given["masks"][k]) / (1 - given["rates"][k])
            h = torch.nn.functional.linear(h, torch.tensor(w.T), torch.tensor(b))
            if k < len(given["weights"]) - 1:
                h = torch.relu(h)
        np.testing.assert_allclose(unit.dropout_network(**given), h, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_hidden_units_and_logits_of_the_network_have_both_signs(seed):
    for given in inputs_of(unit.DROPOUT_NETWORK, seed, "rates"):
        z = given["x"] @ given["weights"][0] + given["biases"][0]
        assert 0 < np.mean(z > 0) < 1
        assert (unit.dropout_network(**given) < 0).any()
        assert len(set(given["rates"])) == len(given["rates"])


def test_the_moments_are_the_librarys():
    rng = np.random.default_rng(0)
    dropout = Dropout(0.4, np.random.default_rng(7))
    network = Sequential(Linear(3, 8, rng), ReLU(), dropout, Linear(8, 4, rng))
    x = rng.normal(size=(5, 3))
    mean, variance = mc_dropout(network, x, samples=9, output=softmax)
    dropout.rng = np.random.default_rng(7)
    dropout.drops_at_inference = True
    logits = np.array([network.forward(x) for _ in range(9)])
    ours = unit.mc_dropout_moments(logits)
    np.testing.assert_allclose(ours[0], mean, rtol=1e-12)
    np.testing.assert_allclose(ours[1], variance, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(ours[0].sum(axis=1), 1.0)


def test_large_logits_are_large():
    (given,) = inputs_of(unit.MC_DROPOUT_MOMENTS, part="large")
    with np.errstate(over="ignore"):
        assert np.isinf(np.exp(given["logits"])).any()
    assert given["logits"].max() - given["logits"].min(axis=-1).min() > 1900
    within = given["logits"].max(axis=-1) - given["logits"].min(axis=-1)
    assert (within > 1900).any()
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = np.exp(given["logits"] - given["logits"].mean(axis=-1, keepdims=True))
    assert np.isinf(shifted).any()


# --- decay -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_penaltys_gradient_is_that_of_the_penalised_loss(seed):
    for given in inputs_of(unit.L2_PENALTY, seed):
        leaves = [torch.tensor(param, requires_grad=True) for param in given["params"]]
        linear = sum(
            (leaf * torch.tensor(grad)).sum()
            for leaf, grad in zip(leaves, given["grads"], strict=True)
        )
        squares = sum((leaf**2).sum() for leaf in leaves if leaf.ndim == 2)
        penalised = given["weight_decay"] / 2 * squares
        (linear + penalised).backward()
        loss, grads = unit.l2_penalty(**given)
        np.testing.assert_allclose(loss, given["loss"] + penalised.item(), rtol=1e-12)
        for ours, leaf in zip(grads, leaves, strict=True):
            np.testing.assert_allclose(ours, leaf.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_momentum_of_the_cases_is_not_its_own_complement(seed):
    for given in inputs_of(unit.MOMENTUM_WITH_DECAY, seed):
        assert abs(given["momentum"] - (1 - given["momentum"])) > 0.1


def test_momentum_with_l2_is_torchs_sgd_at_a_constant_rate():
    rng = np.random.default_rng(0)
    theta, u = rng.normal(size=4), np.zeros(4)
    leaf = torch.tensor(theta, requires_grad=True)
    theirs = torch.optim.SGD([leaf], lr=0.1, momentum=0.8, weight_decay=0.3)
    for _ in range(6):
        grad = rng.normal(size=4)
        theta, u = unit.momentum_with_decay(theta, grad, u, lr=0.1, momentum=0.8, weight_decay=0.3)
        leaf.grad = torch.tensor(grad)
        theirs.step()
    np.testing.assert_allclose(theta, leaf.detach(), rtol=1e-12)


def test_without_momentum_both_kinds_are_one():
    rng = np.random.default_rng(1)
    theta, grad, u = rng.normal(size=(3, 5))
    hyper = {"lr": 0.2, "momentum": 0.0, "weight_decay": 0.4}
    kinds = [
        unit.momentum_with_decay(theta, grad, u, decoupled=kind, **hyper)[0]
        for kind in (False, True)
    ]
    np.testing.assert_allclose(*kinds, rtol=1e-12)


def test_decoupled_decay_by_the_librarys_momentum():
    rng = np.random.default_rng(2)
    theta, grad, u = rng.normal(size=(3, 5))
    ours, _ = unit.momentum_with_decay(
        theta, grad, u, lr=0.2, momentum=0.7, weight_decay=0.4, decoupled=True
    )
    stepped, _ = optimizers.momentum(theta, grad, {"u": u}, lr=0.2, momentum=0.7)
    np.testing.assert_allclose(ours, stepped - 0.2 * 0.4 * theta, rtol=1e-12)


# --- counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_counts_are_those_of_the_layers(seed):
    for given in inputs_of(unit.COUNT_PARAMETERS, seed):
        sizes, rng = given["sizes"], np.random.default_rng(0)
        params = [
            param
            for k in range(len(sizes) - 1)
            for param in Linear(sizes[k], sizes[k + 1], rng).params
        ]
        assert unit.count_parameters(sizes) == sum(param.size for param in params)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_next_width_is_over_the_budget(seed):
    met = 0
    for given in inputs_of(unit.WIDTH_FOR_BUDGET, seed):
        sizes = {key: given[key] for key in ("inputs", "outputs", "layers")}
        for budget in given["budgets"]:
            width = unit.width_for_budget(budget, **sizes)
            assert width > 1
            costs = [
                unit.count_parameters([given["inputs"], *given["layers"] * [w], given["outputs"]])
                for w in (width, width + 1)
            ]
            assert costs[0] <= budget < costs[1]
            met += costs[0] == budget
    assert met == 4
