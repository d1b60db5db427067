"""Layers: forward against torch, backward against finite differences and autograd."""

import numpy as np
import pytest
import torch

from course.data import digits
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad
from course.optimizers import Optimizer, adam, momentum


def small_network(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(4, 6, rng), ReLU(), Linear(6, 5, rng), ReLU(), Linear(5, 3, rng))


LAYERS = {
    "linear": lambda: Linear(4, 3, np.random.default_rng(0)),
    "one input, one output": lambda: Sequential(Linear(4, 1, np.random.default_rng(0))),
    "relu": ReLU,
    "network": small_network,
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]()


def slope(function, array, h=1e-6):
    """Return the derivative of a number with respect to an array, by central differences."""
    slopes = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + h
        above = function()
        array[index] = kept - h
        slopes[index] = (above - function()) / (2 * h)
        array[index] = kept
    return slopes


def test_backward_gives_the_slopes(layer):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((8, 4))
    for param in layer.params:  # biases of 0 may put a sample exactly on ReLU's kink
        param += 0.1 * rng.standard_normal(param.shape)
    weights = rng.standard_normal(layer.forward(x).shape)

    def loss():
        return np.sum(weights * layer.forward(x))

    loss()
    grad_x = layer.backward(weights)
    grads = [grad.copy() for grad in layer.grads]
    np.testing.assert_allclose(grad_x, slope(loss, x), rtol=1e-6, atol=1e-6)
    for param, grad in zip(layer.params, grads, strict=True):
        assert grad.shape == param.shape
        np.testing.assert_allclose(grad, slope(loss, param), rtol=1e-6, atol=1e-6)


def test_backward_speaks_of_the_last_forward_and_does_not_add_up():
    layer = small_network()
    x, other = np.random.default_rng(2).standard_normal((2, 5, 4))
    ones = np.ones((5, 3))
    layer.forward(x)
    layer.backward(ones)
    first = [grad.copy() for grad in layer.grads]
    layer.forward(other)
    layer.backward(ones)
    layer.forward(x)
    layer.backward(ones)
    for grad, expected in zip(layer.grads, first, strict=True):
        np.testing.assert_array_equal(grad, expected)


def test_a_network_agrees_with_torch():
    network = small_network()
    x = np.random.default_rng(3).standard_normal((16, 4))
    labels = np.random.default_rng(4).integers(0, 3, 16)
    twin = torch.nn.Sequential(
        *(torch.nn.ReLU() if isinstance(layer, ReLU) else _twin(layer) for layer in network.layers)
    )
    loss = torch.nn.functional.cross_entropy(twin(torch.tensor(x)), torch.tensor(labels))
    loss.backward()
    logits = network.forward(x)
    network.backward(cross_entropy_grad(logits, labels))
    np.testing.assert_allclose(cross_entropy(logits, labels), loss.item(), rtol=1e-12)
    for grad, param in zip(network.grads, twin.parameters(), strict=True):
        np.testing.assert_allclose(grad, param.grad.numpy().T, rtol=1e-9, atol=1e-12)


def _twin(layer):
    linear = torch.nn.Linear(*layer.params[0].shape, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(layer.params[0].T))
        linear.bias.copy_(torch.tensor(layer.params[1]))
    return linear


def test_weights_start_as_he_normal_and_biases_at_0():
    weights, bias = Linear(400, 300, np.random.default_rng(0)).params
    assert weights.shape == (400, 300)
    assert weights.dtype == bias.dtype == np.float64
    np.testing.assert_array_equal(bias, np.zeros(300))
    count = weights.size
    np.testing.assert_allclose(weights.mean(), 0, atol=5 * (2 / 400 / count) ** 0.5)
    np.testing.assert_allclose(weights.var(), 2 / 400, rtol=5 * (2 / count) ** 0.5)


def test_relu_takes_slope_0_at_0():
    layer = ReLU()
    np.testing.assert_array_equal(layer.forward(np.array([[-0.0, 0.0, 1e-300]])), [[0, 0, 1e-300]])
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3))), [[0, 0, 1]])


def test_layers_leave_their_input_alone(layer):
    x = np.random.default_rng(5).standard_normal((3, 4))
    kept = x.copy()
    output = layer.forward(x)
    grad = np.ones_like(output)
    layer.backward(grad)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(grad, np.ones_like(output))


def test_params_and_grads_of_a_network_are_in_the_same_order():
    network = small_network()
    assert [p.shape for p in network.params] == [(4, 6), (6,), (6, 5), (5,), (5, 3), (3,)]
    assert network.grads == []
    network.forward(np.zeros((2, 4)))
    network.backward(np.ones((2, 3)))
    assert [g.shape for g in network.grads] == [p.shape for p in network.params]


@pytest.mark.parametrize(("rule", "lr"), [(momentum, 0.03), (adam, 0.01)])
def test_an_optimizer_trains_a_network_through_its_params(rule, lr):
    data, rng = digits(), np.random.default_rng(0)
    network = Sequential(Linear(64, 16, rng), ReLU(), Linear(16, 10, rng))
    before = [param.copy() for param in network.params]
    optimizer = Optimizer(rule, network.params, lr=lr)
    losses = []
    for _ in range(60):
        logits = network.forward(data.x_train)
        losses.append(cross_entropy(logits, data.y_train))
        network.backward(cross_entropy_grad(logits, data.y_train))
        optimizer.step(network.grads)
    assert losses[-1] < 0.3 * losses[0]
    assert all(np.any(old != new) for old, new in zip(before, network.params, strict=True))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_backward_before_forward_is_refused(make):
    with pytest.raises(RuntimeError, match="call forward first"):
        make().backward(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda rng: Linear(0, 3, rng), ValueError, "fan_in = 0, fan_out = 3"),
        (lambda rng: Linear(3, -1, rng), ValueError, "fan_in = 3, fan_out = -1"),
        (lambda _: Sequential(), ValueError, "at least one layer"),
        (
            lambda rng: Linear(3, 2, rng).forward(np.ones((5, 4))),
            ValueError,
            r"shape \(5, 4\), expected \(samples, 3\)",
        ),
        (lambda rng: Linear(3, 2, rng).forward(np.ones(3)), ValueError, r"shape \(3,\)"),
        (lambda rng: Linear(3, 2, rng).forward([[1.0] * 3]), TypeError, "x is a list"),
        (lambda rng: Linear(3, 2, rng).forward(np.ones((1, 3), int)), TypeError, "int64"),
        (lambda _: ReLU().forward("x"), TypeError, "x is a str"),
    ],
)
def test_bad_input_is_named(act, error, message):
    with pytest.raises(error, match=message):
        act(np.random.default_rng(0))
