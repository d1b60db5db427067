"""Layers: forward against torch, backward against finite differences and autograd."""

from functools import partial

import numpy as np
import pytest
import torch

from course import activations, layers
from course.data import digits
from course.initializers import constant, orthogonal
from course.layers import (
    Activation,
    BatchNorm,
    Dropout,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Linear,
    PReLU,
    ReLU,
    Residual,
    RMSNorm,
    RReLU,
    Sequential,
    TorchModule,
    mc_dropout,
    perceptron_step,
    walk,
)
from course.losses import cross_entropy, cross_entropy_grad
from course.normalizers import batch_norm
from course.optimizers import Optimizer, adam, momentum


def small_network(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(4, 6, rng), ReLU(), Linear(6, 5, rng), ReLU(), Linear(5, 3, rng))


def rng(seed=0):
    return np.random.default_rng(seed)


SMOOTH_OR_BENT = ["identity", "sigmoid", "tanh", "leaky_relu", "elu", "selu", "silu", "mish"]
LAYERS = {
    "linear": lambda: Linear(4, 3, rng()),
    "one input, one output": lambda: Sequential(Linear(4, 1, rng())),
    "relu": ReLU,
    **{name: partial(Activation, getattr(activations, name)) for name in SMOOTH_OR_BENT},
    "gelu": lambda: Activation(activations.gelu, approximate="tanh"),
    "softmax": lambda: Activation(activations.softmax, temperature=0.5),
    "log_softmax": lambda: Activation(activations.log_softmax),
    "prelu": lambda: PReLU(4),
    "prelu, one slope": PReLU,
    "rrelu": lambda: RReLU(rng()),
    "dropout": lambda: Dropout(0.5, rng()),
    "batch norm": lambda: BatchNorm(4),
    "layer norm": lambda: LayerNorm(4),
    "rms norm": lambda: RMSNorm(4),
    "group norm": lambda: GroupNorm(4, groups=2),
    "residual": lambda: Residual(Linear(4, 6, rng()), ReLU(), Linear(6, 4, rng(1))),
    "residual, wider": lambda: Residual(
        Linear(4, 6, rng()), Activation(activations.tanh), shortcut=Linear(4, 6, rng(1))
    ),
    "residual, a deep shortcut": lambda: Residual(
        Linear(4, 2, rng()),
        shortcut=Sequential(BatchNorm(4), Linear(4, 2, rng(1)), Dropout(0.5, rng(2))),
    ),
    "network": small_network,
    "everything": lambda: Sequential(
        BatchNorm(4),
        Linear(4, 6, rng(), initializer=orthogonal),
        Residual(LayerNorm(6), Dropout(0.3, rng(1)), Activation(activations.gelu)),
        RReLU(rng(2)),
        Linear(6, 3, rng(3)),
    ),
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


def replayed(layer, x, training):
    """Pass forward with every generator in the same state, so that masks and slopes repeat."""
    for part in walk(layer):
        if hasattr(part, "rng"):
            part.rng.bit_generator.state = np.random.default_rng(9).bit_generator.state
    return layer.forward(x, training=training)


@pytest.mark.parametrize("training", [False, True])
def test_backward_gives_the_slopes(layer, training):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((8, 4))
    for param in layer.params:  # biases of 0 may put a sample exactly on ReLU's kink
        param += 0.1 * rng.standard_normal(param.shape)
    weights = rng.standard_normal(layer.forward(x).shape)

    def loss():
        return np.sum(weights * replayed(layer, x, training))

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


@pytest.mark.parametrize("training", [False, True])
def test_layers_leave_their_input_alone(layer, training):
    x = np.random.default_rng(5).standard_normal((3, 4))
    kept = x.copy()
    output = layer.forward(x, training=training)
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


ON_TORCH = {  # the same layers with torch's tensors for parameters
    "linear": lambda like: Linear(4, 3, rng(), like=like),
    "prelu": lambda like: PReLU(4, like=like),
    "rrelu": lambda like: RReLU(rng()),
    "dropout": lambda like: Dropout(0.5, rng()),
    "batch norm": lambda like: BatchNorm(4, like=like),
    "layer norm": lambda like: LayerNorm(4, like=like),
    "rms norm": lambda like: RMSNorm(4, like=like),
    "group norm": lambda like: GroupNorm(4, groups=2, like=like),
    "network": lambda like: Sequential(
        Linear(4, 6, rng(), like=like),
        Activation(activations.silu),
        Residual(LayerNorm(6, like=like), Linear(6, 6, rng(1), like=like)),
    ),
    "residual, wider": lambda like: Residual(
        Linear(4, 6, rng(), like=like),
        Activation(activations.silu),
        Linear(6, 5, rng(1), like=like),
        shortcut=Linear(4, 5, rng(2), like=like),
    ),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("make", ON_TORCH.values(), ids=ON_TORCH)
def test_torch_tensors_give_the_same_and_autograd_agrees(make, training):
    x = rng(6).standard_normal((8, 4))
    ours = make(None)
    theirs = make(torch.zeros(0, dtype=torch.float64))
    leaf = torch.tensor(x, requires_grad=True)
    for param in theirs.params:
        param.requires_grad_(True)
    y, theirs_y = ours.forward(x, training=training), theirs.forward(leaf, training=training)
    weights = rng(7).standard_normal(y.shape)
    (torch.tensor(weights) * theirs_y).sum().backward()
    np.testing.assert_allclose(y, theirs_y.detach(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours.backward(weights), leaf.grad, rtol=1e-9, atol=1e-12)
    for grad, param in zip(ours.grads, theirs.params, strict=True):
        np.testing.assert_allclose(grad, param.grad, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        theirs.backward(torch.tensor(weights))
    for grad, param in zip(theirs.grads, theirs.params, strict=True):
        np.testing.assert_allclose(grad, param.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", ON_TORCH.values(), ids=ON_TORCH)
def test_float32_stays_float32(make):
    like = np.zeros(0, np.float32)
    layer, x = make(like), rng(6).standard_normal((8, 4)).astype(np.float32)
    y = layer.forward(x, training=True)
    dx = layer.backward(np.ones_like(y))
    assert {a.dtype for a in (y, dx, *layer.params, *layer.grads)} == {np.dtype(np.float32)}


def test_instance_norm_needs_positions():
    layer, x = InstanceNorm(2), rng().standard_normal((3, 2, 5))
    y = layer.forward(x)
    np.testing.assert_allclose(y.mean(axis=2), 0, atol=1e-12)
    weights = rng(1).standard_normal(y.shape)
    grad = layer.backward(weights)
    expected = slope(lambda: np.sum(weights * layer.forward(x)), x)
    np.testing.assert_allclose(grad, expected, rtol=1e-6, atol=1e-6)


def test_linear_takes_any_initializer():
    square = Linear(5, 5, rng(), initializer=orthogonal).params[0]
    np.testing.assert_allclose(square @ square.T, np.eye(5), atol=1e-12)
    halves = Linear(2, 3, rng(), initializer=partial(constant, value=0.5)).params[0]
    np.testing.assert_array_equal(halves, np.full((2, 3), 0.5))


# The residual block.


def test_a_projection_adds_what_torchs_linear_layers_add():
    """y = xW_s + b_s + F(x), as in the paper's equation 2; autograd knows its gradients."""
    branch, shortcut = [Linear(4, 6, rng()), ReLU(), Linear(6, 5, rng(1))], Linear(4, 5, rng(2))
    block = Residual(*branch, shortcut=shortcut)
    first, second, projection = (_twin(layer) for layer in (branch[0], branch[2], shortcut))
    x = torch.tensor(rng(3).standard_normal((8, 4)), requires_grad=True)
    weights = rng(4).standard_normal((8, 5))
    y = projection(x) + second(torch.relu(first(x)))
    (torch.tensor(weights) * y).sum().backward()
    np.testing.assert_allclose(block.forward(x.detach().numpy()), y.detach(), rtol=1e-12)
    np.testing.assert_allclose(block.backward(weights), x.grad, rtol=1e-12)
    theirs = [p.grad.numpy().T for twin in (first, second, projection) for p in twin.parameters()]
    for grad, known in zip(block.grads, theirs, strict=True):
        np.testing.assert_allclose(grad, known, rtol=1e-12)


def test_the_shortcut_trains_with_the_branch():
    block = Residual(Linear(4, 3, rng()), shortcut=Linear(4, 3, rng(1)))
    before = [param.copy() for param in block.params]
    optimizer = Optimizer(momentum, block.params, lr=0.01)
    x, target = rng(2).standard_normal((20, 4)), rng(3).standard_normal((20, 3))
    losses = []
    for _ in range(40):
        error = block.forward(x, training=True) - target
        losses.append(np.mean(error**2))
        block.backward(error)
        optimizer.step(block.grads)
    assert losses[-1] < 0.7 * losses[0]
    assert [param.shape for param in block.params] == [(4, 3), (3,), (4, 3), (3,)]
    assert all(np.any(old != new) for old, new in zip(before, block.params, strict=True))


def test_a_shortcut_is_told_when_it_trains_and_can_be_walked():
    norm = BatchNorm(4)
    block = Residual(Linear(4, 4, rng()), shortcut=norm)
    block.forward(rng().standard_normal((5, 4)))
    np.testing.assert_array_equal(norm.buffers[0], np.zeros(4))
    block.forward(rng().standard_normal((5, 4)), training=True)
    assert (norm.buffers[0] != 0).all()
    assert list(walk(block)) == [block, block.branch, block.branch.layers[0], norm]


# The perceptron.


def test_a_perceptron_learns_from_mistakes_only():
    w, b = np.array([1.0, 0.0]), np.array(0.5)
    right, wrong, on_the_boundary = np.array([1.0, 3.0]), np.array([-2.0, 1.0]), np.array([-0.5, 0])
    for x, y, new in [
        (right, 1, ([1, 0], 0.5)),
        (right, -1, ([0.5, -1.5], 0)),
        (wrong, 1, ([0, 0.5], 1)),
        (on_the_boundary, 1, ([0.75, 0], 1)),
        (on_the_boundary, -1, ([1.25, 0], 0)),
    ]:
        found = perceptron_step(w, b, x, y, lr=0.5)
        np.testing.assert_array_equal(found[0], new[0])
        np.testing.assert_array_equal(found[1], new[1])
    np.testing.assert_array_equal(w, [1, 0])
    assert b == 0.5


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_perceptron_ends_where_a_plane_separates(library):
    """Novikoff: at most (R/γ)² mistakes, with R the longest sample and γ the margin."""
    samples = rng().standard_normal((100, 3))
    plane = np.array([1.0, -2.0, 0.5])
    samples = samples[np.abs(samples @ plane) > 0.3]
    labels = np.sign(samples @ plane)
    as_array = np.asarray if library == "numpy" else torch.tensor
    w, b = as_array(np.zeros(3)), as_array(np.zeros(()))
    mistakes = 0
    for _ in range(1000):
        before = mistakes
        for x, y in zip(samples, labels, strict=True):
            new, b = perceptron_step(w, b, as_array(x), y)
            mistakes += bool((new != w).any())
            w = new
        if mistakes == before:
            break
    extended = np.hstack([samples, np.ones((len(samples), 1))])
    margin = np.abs(samples @ plane).min() / np.linalg.norm(plane)
    assert 0 < mistakes <= (np.linalg.norm(extended, axis=1).max() / margin) ** 2
    np.testing.assert_array_equal(np.sign(samples @ np.asarray(w) + float(b)), labels)


# Dropout.


def test_dropout_keeps_the_mean_and_drops_the_share():
    layer, n = Dropout(0.3, rng()), 100_000
    y = layer.forward(np.full((n, 1), 2.0), training=True)
    assert set(np.unique(y)) == {0.0, 2.0 / 0.7}
    np.testing.assert_allclose((y == 0).mean(), 0.3, atol=5 * (0.21 / n) ** 0.5)
    np.testing.assert_allclose(y.mean(), 2.0, rtol=5 * (0.3 / 0.7 / n) ** 0.5)
    assert np.any(layer.forward(np.ones((n, 1)), training=True) != y / 2)


def test_dropout_of_rate_0_and_at_inference_changes_nothing():
    x = rng().standard_normal((5, 3))
    np.testing.assert_array_equal(Dropout(0.0, rng()).forward(x, training=True), x)
    layer = Dropout(0.9, rng())
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)
    assert layer.rng.bit_generator.state == rng().bit_generator.state


def test_one_seed_drops_the_same_on_torch():
    x = np.ones((4, 5))
    ours = Dropout(0.5, rng(3)).forward(x, training=True)
    theirs = Dropout(0.5, rng(3)).forward(torch.tensor(x), training=True)
    np.testing.assert_array_equal(ours, theirs)


def test_mc_dropout_gives_mean_and_variance_of_the_passes():
    network = Sequential(Linear(3, 8, rng()), Dropout(0.5, rng(1)), Linear(8, 2, rng(2)))
    x = rng(3).standard_normal((4, 3))
    mean, variance = mc_dropout(network, x, samples=7, output=activations.softmax)
    network.layers[1].rng = rng(1)
    passes = np.array([activations.softmax(network.forward(x, training=True)) for _ in range(7)])
    np.testing.assert_allclose(mean, passes.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, passes.var(axis=0), rtol=1e-9, atol=1e-15)
    assert (variance > 0).all()
    np.testing.assert_array_equal(network.forward(x), network.forward(x))


def test_mc_dropout_has_the_variance_of_theory():
    """For y = Σ mᵢ wᵢ xᵢ / (1 - p) the variance is p/(1 - p) Σ (wᵢ xᵢ)²."""
    linear = Linear(6, 1, rng())
    x, samples = rng(1).standard_normal((1, 6)), 20_000
    mean, variance = mc_dropout(Sequential(Dropout(0.2, rng(2)), linear), x, samples=samples)
    expected = 0.25 * np.sum((linear.params[0][:, 0] * x[0]) ** 2)
    np.testing.assert_allclose(variance, [[expected]], rtol=0.05)
    np.testing.assert_allclose(mean, linear.forward(x), atol=5 * (expected / samples) ** 0.5)


def test_mc_dropout_leaves_batch_norm_at_inference():
    norm = BatchNorm(2)
    network = Sequential(norm, Residual(Dropout(0.5, rng())))
    mc_dropout(network, rng(1).standard_normal((8, 2)), samples=3)
    np.testing.assert_array_equal(norm.buffers, [[0, 0], [1, 1]])
    assert not any(part.drops_at_inference for part in walk(network) if isinstance(part, Dropout))


# Running moments, frozen layers, torch modules.


def test_batch_norm_follows_the_batches_in_training_only():
    layer, running = BatchNorm(3, momentum=0.8), None
    buffers = list(layer.buffers)
    for seed in range(4):
        x = 2 + rng(seed).standard_normal((10, 3))
        y = layer.forward(x, training=True)
        expected, running, _ = batch_norm(
            x, np.ones(3), np.zeros(3), running, training=True, momentum=0.8
        )
        np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(layer.buffers, [running["mean"], running["var"]])
    assert all(a is b for a, b in zip(buffers, layer.buffers, strict=True))
    np.testing.assert_allclose(
        layer.forward(x), (x - running["mean"]) / np.sqrt(running["var"] + 1e-5), rtol=1e-12
    )
    np.testing.assert_array_equal(layer.buffers, [running["mean"], running["var"]])


def test_a_network_agrees_with_torch_over_steps_in_training_and_inference():
    ours = Sequential(Linear(4, 6, rng()), BatchNorm(6), Activation(activations.tanh), PReLU())
    modules = [torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.Tanh(), torch.nn.PReLU()]
    theirs = torch.nn.Sequential(*modules).double()
    with torch.no_grad():
        theirs[0].weight.copy_(torch.tensor(ours.params[0].T))
        theirs[0].bias.zero_()
    adapter = TorchModule(theirs)
    for seed in range(3):
        x, weights = rng(seed).standard_normal((2, 8, 4)), rng(seed).standard_normal((8, 6))
        y = ours.forward(x[0], training=True)
        their_y = adapter.forward(torch.tensor(x[0]), training=True)
        np.testing.assert_allclose(y, their_y, rtol=1e-9)
        dx, their_dx = ours.backward(weights), adapter.backward(torch.tensor(weights))
        np.testing.assert_allclose(dx, their_dx, rtol=1e-8, atol=1e-12)
        for grad, their_grad in zip(ours.grads, adapter.grads, strict=True):
            expected = their_grad.T if their_grad.ndim == 2 else their_grad
            np.testing.assert_allclose(grad, expected, rtol=1e-8, atol=1e-12)
    mean, variance = ours.layers[1].buffers
    np.testing.assert_allclose(mean, theirs[1].running_mean, rtol=1e-12)
    assert not np.allclose(variance, theirs[1].running_var)  # torch takes the 1/(N - 1) one
    assert len(adapter.buffers) == 3


def test_a_torch_module_is_told_when_it_trains():
    layer, x = TorchModule(torch.nn.Dropout(0.5)), torch.ones(100)
    assert (layer.forward(x, training=True) == 0).any()
    np.testing.assert_array_equal(layer.forward(x), x)
    assert not layer.forward(x).requires_grad


def test_running_moments_keep_no_graph():
    layer = BatchNorm(2, like=torch.zeros(0, dtype=torch.float64))
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    for _ in range(2):
        layer.forward(x, training=True).sum().backward()
    assert not any(buffer.requires_grad for buffer in layer.buffers)


def test_a_torch_module_takes_integers_too():
    layer = TorchModule(torch.nn.Embedding(5, 2))
    layer.forward(torch.tensor([1, 1, 3]))
    assert layer.backward(torch.ones(3, 2)) is None
    np.testing.assert_array_equal(layer.grads[0][:, 0], [0, 2, 0, 1, 0])


def test_frozen_layers_give_no_gradient_but_let_it_pass():
    network = small_network()
    x = rng().standard_normal((5, 4))
    network.forward(x)
    free = network.backward(np.ones((5, 3)))
    network.frozen = {0, 2}
    network.forward(x, training=True)
    np.testing.assert_array_equal(network.backward(np.ones((5, 3))), free)
    assert [grad is None for grad in network.grads] == [True] * 4 + [False] * 2


def test_walk_visits_holders_before_what_they_hold():
    inner = Dropout(0.5, rng())
    block = Residual(Sequential(inner))
    network = Sequential(block, ReLU())
    assert list(walk(network)) == [
        network,
        block,
        block.branch,
        block.branch.layers[0],
        inner,
        network.layers[1],
    ]


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_backward_before_forward_is_refused(make):
    with pytest.raises(RuntimeError, match="call forward first"):
        make().backward(np.ones((2, 3)))


def test_every_activation_is_a_layer():
    names = {name.removesuffix("_grad") for name in activations.__all__} - {
        "prelu",
        "prelu_alpha",
        "rrelu",
        "selu_constants",
    }
    x = rng().standard_normal((3, 4))
    for name in names:
        layer = Activation(getattr(activations, name))
        np.testing.assert_array_equal(layer.forward(x), getattr(activations, name)(x))
        assert layer.backward(np.ones((3, 4))).shape == (3, 4)
    assert len(names) >= 14


@pytest.mark.parametrize("make", [name for name in layers.__all__ if "Norm" in name])
def test_normalizers_start_with_scale_1_and_shift_0(make):
    options = {"groups": 2} if make == "GroupNorm" else {}
    values = [1, 0] if make != "RMSNorm" else [1]
    for param, value in zip(getattr(layers, make)(4, **options).params, values, strict=True):
        np.testing.assert_array_equal(param, np.full(4, value))


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
        (lambda _: Linear(3, 2, None), TypeError, "rng must be a numpy.random.Generator"),
        (lambda _: Activation(np.tanh), TypeError, "no function of course.activations"),
        (lambda _: Activation(activations.tanh_grad), TypeError, "no function of course.activ"),
        (lambda _: Activation(activations.prelu), TypeError, "use PReLU"),
        (lambda _: Activation(activations.rrelu), TypeError, "use RReLU"),
        (lambda _: PReLU(0), ValueError, "PReLU: features must be at least 1, got 0"),
        (lambda _: PReLU(negative_slope=-0.1), ValueError, "negative_slope must lie in"),
        (lambda _: RReLU(0), TypeError, "RReLU: rng must be a numpy.random.Generator, got a int"),
        (lambda rng: RReLU(rng, lower=0.5, upper=0.1), ValueError, "lower = 0.5 is above upper"),
        (lambda _: Dropout(0.5, 0), TypeError, "Dropout: rng must be a numpy.random.Generator"),
        (lambda rng: Dropout(1.0, rng), ValueError, r"rate must lie in \[0, 1\), got 1.0"),
        (lambda rng: Dropout("x", rng), TypeError, "rate must be one number"),
        (lambda rng: Dropout(0.5, rng).forward([1.0]), TypeError, "x is a list"),
        (lambda _: BatchNorm(0), ValueError, "BatchNorm: features must be at least 1"),
        (lambda _: BatchNorm(2, momentum=1.0), ValueError, "momentum must lie in"),
        (lambda _: LayerNorm(2, eps=-1.0), ValueError, "LayerNorm: eps must lie in"),
        (
            lambda _: BatchNorm(2).forward(np.ones((1, 2)), training=True),
            ValueError,
            "each channel has 1 of at least 2 values",
        ),
        (lambda _: Residual(), ValueError, "at least one layer for the branch"),
        (
            lambda rng: Residual(Linear(3, 2, rng)).forward(np.ones((5, 3))),
            ValueError,
            r"input has shape \(5, 3\) but the branch's output has shape \(5, 2\). Give a shortcut",
        ),
        (
            lambda rng: Residual(Linear(3, 2, rng), shortcut=Linear(3, 4, rng)).forward(
                np.ones((5, 3))
            ),
            ValueError,
            r"shortcut's output has shape \(5, 4\) but the branch's output has shape \(5, 2\)",
        ),
        (
            lambda rng: Residual(Activation(activations.tanh), shortcut=Linear(3, 3, rng)).forward(
                np.ones((5, 3), np.float32)
            ),
            ValueError,
            "shortcut's output has dtype float64 but the branch's output has dtype float32",
        ),
        (lambda _: mc_dropout(ReLU(), np.ones((1, 2))), ValueError, "has no Dropout layer"),
        (
            lambda rng: mc_dropout(Dropout(0.5, rng), np.ones((1, 2)), samples=0),
            ValueError,
            "samples must be at least 1, got 0",
        ),
        (
            lambda _: perceptron_step(np.ones(2), np.ones(()), np.ones(3), 1),
            ValueError,
            r"w has shape \(2,\) but x has shape \(3,\)",
        ),
        (
            lambda _: perceptron_step(np.ones(2), np.ones(1), np.ones(2), 1),
            ValueError,
            r"b has shape \(1,\)",
        ),
        (
            lambda _: perceptron_step(np.ones(2), np.ones(()), np.ones(2), 0),
            ValueError,
            "y must be -1 or \\+1, got 0",
        ),
        (
            lambda _: perceptron_step(np.ones(2), np.ones(()), np.ones(2), 1, lr=0.0),
            ValueError,
            "lr must lie in",
        ),
        (lambda _: perceptron_step([1.0], 0.0, [1.0], 1), TypeError, "w is a list"),
    ],
)
def test_bad_input_is_named(act, error, message):
    with pytest.raises(error, match=message):
        act(np.random.default_rng(0))
