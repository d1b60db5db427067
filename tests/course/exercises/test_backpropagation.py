"""The references of unit 01 against torch and differences; its cases reach what they say."""

import numpy as np
import pytest
import torch

from course.checking import judge
from course.checking.judge import draw_cases
from course.data import batches, digits
from course.diagnostics import check_gradient
from course.exercises import PUBLIC_SEED
from course.exercises import backpropagation as unit
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy_grad

SEEDS = (PUBLIC_SEED, 3, 2026)
NAMES = ("w1", "b1", "w2", "b2")


def inputs_of(exercise, part, seed=PUBLIC_SEED):
    return [case.inputs for case in draw_cases(exercise, seed) if case.part == part]


def leaf(array):
    return torch.tensor(array, requires_grad=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_layer_agrees_with_torch(seed):
    for given in inputs_of(unit.LINEAR_BACKWARD, "batch", seed):
        x, w = leaf(given["x"]), leaf(given["w"])
        b = torch.zeros(w.shape[1], dtype=torch.float64, requires_grad=True)
        (x @ w + b).backward(torch.tensor(given["grad"]))
        for ours, theirs in zip(unit.linear_backward(**given), (x, w, b), strict=True):
            np.testing.assert_allclose(ours, theirs.grad, rtol=1e-12)
    for given in inputs_of(unit.LINEAR_FORWARD, "batch", seed):
        theirs = torch.addmm(*(torch.tensor(given[key]) for key in ("b", "x", "w")))
        np.testing.assert_allclose(unit.linear_forward(**given), theirs, rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_network_agrees_with_torch_and_with_the_layers(seed):
    for part in ("one", "batch"):
        for given in inputs_of(unit.MLP_GRADIENTS, part, seed):
            loss, grads = unit.mlp_gradients(**given)
            leaves = {name: leaf(given[name]) for name in NAMES}
            hidden = torch.relu(torch.tensor(given["x"]) @ leaves["w1"] + leaves["b1"])
            theirs = torch.nn.functional.cross_entropy(
                hidden @ leaves["w2"] + leaves["b2"], torch.tensor(given["labels"])
            )
            theirs.backward()
            np.testing.assert_allclose(loss, theirs.detach(), rtol=1e-12)

            rng = np.random.default_rng(0)
            network = Sequential(
                Linear(*given["w1"].shape, rng), ReLU(), Linear(*given["w2"].shape, rng)
            )
            for param, name in zip(network.params, NAMES, strict=True):
                param[...] = given[name]
            network.backward(cross_entropy_grad(network.forward(given["x"]), given["labels"]))
            for name, layers in zip(NAMES, network.grads, strict=True):
                np.testing.assert_allclose(grads[name], leaves[name].grad, rtol=1e-9, atol=1e-13)
                np.testing.assert_allclose(grads[name], layers, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_the_networks_gradients_are_those_of_its_loss(name):
    given = dict(inputs_of(unit.MLP_GRADIENTS, "batch")[0])
    here = given.pop(name)
    seen = check_gradient(
        lambda value: unit.mlp_gradients(**given, **{name: value})[0],
        lambda value: unit.mlp_gradients(**given, **{name: value})[1][name],
        here,
        tolerance=1e-6,
    )
    assert seen.passed, seen


def test_softmax_and_cross_entropy_agree_with_torch():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 3, (5, 4)), rng.integers(0, 4, 5)
    theirs = leaf(logits)
    loss = torch.nn.functional.cross_entropy(theirs, torch.tensor(labels))
    loss.backward()
    np.testing.assert_allclose(unit.cross_entropy(logits, labels), loss.detach(), rtol=1e-12)
    np.testing.assert_allclose(
        unit.cross_entropy_grad(logits, labels), theirs.grad, rtol=1e-9, atol=1e-15
    )
    np.testing.assert_allclose(
        unit.softmax(logits, temperature=2.0),
        torch.softmax(theirs.detach() / 2, dim=-1),
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (unit.waves, lambda x: np.cos(x) * np.cos(x / 2) - np.sin(x) * np.sin(x / 2) / 2),
        (unit.growth, lambda x: np.exp(x) / np.exp(x).sum()),
        (unit.cubic, lambda x: x**2 + np.append(x[1:], 0) + np.append(0, x[:-1])),
    ],
)
def test_differences_find_the_derivative(f, slope):
    x = np.array([0.4, -1.1, 0.8])
    np.testing.assert_allclose(unit.numerical_gradient(f, x), slope(x), rtol=1e-8)
    assert (np.abs(slope(x)) > 0.05).all()


@pytest.mark.parametrize("seed", range(20))
def test_the_perceptrons_samples_are_what_they_are_called(seed):
    (given,) = inputs_of(unit.PERCEPTRON, "several", seed)
    w, b, updates = given["w"], given["b"], []
    for number, (x, y) in enumerate(given["samples"]):
        if number == 0:
            assert np.sign(w @ x) == -y == -np.sign(w @ x + b)
        assert abs(w @ x + b) > 0.2
        new_w, new_b = unit.perceptron_step(w, b, x, y, lr=given["lr"])
        updates.append(not np.array_equal(new_w, w))
        w, b = new_w, new_b
    assert updates == [False, True, False, True, False]


@pytest.mark.parametrize("seed", range(20))
def test_half_of_the_hidden_units_are_on(seed):
    for part in ("one", "batch", "dtype"):
        for given in inputs_of(unit.MLP_GRADIENTS, part, seed):
            z = given["x"] @ given["w1"] + given["b1"]
            z = z[:, np.any(z, axis=0)]  # without the unit that one case puts on its kink
            assert 0.4 < np.mean(z > 0) < 0.6
            assert np.abs(z).min() > 1e-6, "a unit on its kink"


@pytest.mark.parametrize("seed", range(20))
def test_one_unit_lies_exactly_on_its_kink(seed):
    (given,) = [
        case.inputs for case in draw_cases(unit.MLP_GRADIENTS, seed) if "exactly 0" in case.title
    ]
    z = given["x"] @ given["w1"] + given["b1"]
    assert not z[:, 1].any()
    assert unit.mlp_gradients(**given)[1]["b1"][1] == 0


@pytest.mark.parametrize("seed", range(20))
def test_samples_on_the_boundary_lie_on_it(seed):
    for given in inputs_of(unit.PERCEPTRON, "boundary", seed):
        w, b = given["w"], given["b"]
        for x, y in given["samples"]:
            assert w @ x + b == 0
            w, b = unit.perceptron_step(w, b, x, y, lr=given["lr"])


@pytest.mark.parametrize(("samples", "classes"), [(1, 3), (3, 3), (4, 4), (5, 4), (6, 4)])
def test_labels_repeat_and_differ(samples, classes):
    labels = unit.some_labels(np.random.default_rng(0), samples, classes)
    assert labels.shape == (samples,)
    assert labels.max() < classes
    if samples > 1:
        assert 1 < len(set(labels.tolist())) < samples


def test_the_network_reads_digits_with_these_functions_alone():
    data, rng = digits(), np.random.default_rng(0)
    params = {
        "w1": rng.normal(0.0, np.sqrt(2 / 64), (64, 32)),
        "b1": np.zeros(32),
        "w2": rng.normal(0.0, np.sqrt(2 / 32), (32, 10)),
        "b2": np.zeros(10),
    }
    for _ in range(12):
        for batch in batches(len(data.x_train), 32, rng):
            _, grads = unit.mlp_gradients(data.x_train[batch], data.y_train[batch], **params)
            params = {name: param - 0.3 * grads[name] for name, param in params.items()}
    h = np.maximum(unit.linear_forward(data.x_test, params["w1"], params["b1"]), 0)
    scores = unit.linear_forward(h, params["w2"], params["b2"])
    assert np.mean(scores.argmax(axis=1) == data.y_test) >= 0.95


def test_a_plain_number_for_the_bias_is_accepted():
    def perceptron_step(w, b, x, y, *, lr=1.0):
        if y * (np.dot(w, x) + float(b)) > 0:
            return w, b
        return w + lr * y * x, b + w.dtype.type(lr * y)

    verdict = judge(unit.PERCEPTRON, perceptron_step, PUBLIC_SEED)
    assert verdict.status == "right", str(verdict)


def test_the_unit_is_worth_34_points():
    assert sum(exercise.points for exercise in unit.UNIT.exercises) == 34
