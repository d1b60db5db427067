"""Frozen layers keep every bit, transplants are copies, autoencoders and GANs learn."""

import numpy as np
import pytest
import torch

from course import reuse
from course.data import Split, digits
from course.layers import BatchNorm, Dropout, Linear, ReLU, Sequential, walk
from course.losses import bce_with_logits, bce_with_logits_grad, mse
from course.optimizers import Optimizer, adam, adamw, momentum
from course.reuse import (
    autoencoder_loss,
    autoencoder_loss_grad,
    discriminator_step,
    freeze,
    generator_step,
    pretrain,
    transplant,
    unfreeze,
)
from course.training import train


def rng(seed=0):
    return np.random.default_rng(seed)


def network():
    return Sequential(
        Linear(64, 8, rng()), BatchNorm(8), Dropout(0.2, rng(1)), ReLU(), Linear(8, 10, rng(2))
    )


def state(layer):
    """Copy all that a layer knows: parameters, running moments, generators."""
    parts = list(walk(layer))
    arrays = [a for part in parts for a in (*part.params, *getattr(part, "buffers", ()))]
    draws = [part.rng.bit_generator.state for part in parts if hasattr(part, "rng")]
    return [array.copy() for array in arrays], draws


def same(one, other):
    return one[1] == other[1] and all(map(np.array_equal, one[0], other[0]))


def teach(model, rule=adam, epochs=1, optimizer=None):
    data = digits()
    data = Split(data.x_train[:200], data.y_train[:200], data.x_test[:50], data.y_test[:50])
    optimizer = optimizer or Optimizer(rule, model.params, lr=0.01)
    train(model, optimizer, data, epochs=epochs, batch_size=50, rng=rng())
    return optimizer


@pytest.mark.parametrize("rule", [adam, adamw, momentum], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("frozen", [[], [0], [0, 1, 2], [-1], [4, 1], None])
def test_frozen_layers_keep_every_bit_and_the_others_learn(frozen, rule):
    model = network()
    before = [state(layer) for layer in model.layers]
    freeze(model, frozen)
    teach(model, rule) if frozen is not None else model.forward(np.ones((2, 64)), training=True)
    still = {index % 5 for index in (range(5) if frozen is None else frozen)} | {3}
    for index, layer in enumerate(model.layers):
        assert same(before[index], state(layer)) == (index in still)


def test_unfrozen_layers_learn_again_and_go_on_from_their_state():
    model = network()
    optimizer = teach(model)
    kept = optimizer.states[0]["t"]
    freeze(model, [0, 1])
    teach(model, optimizer=optimizer)
    assert optimizer.states[0]["t"] == kept < optimizer.states[-1]["t"]
    before = state(model.layers[0])
    unfreeze(model, [0])
    assert model.frozen == {1}
    teach(model, optimizer=optimizer)
    assert not same(before, state(model.layers[0]))
    assert optimizer.states[0]["t"] == 2 * kept
    unfreeze(model)
    assert model.frozen == set()


def test_freezing_twice_and_unfreezing_what_is_free_changes_nothing():
    model = network()
    freeze(model, [1, -4])
    freeze(model, [1])
    unfreeze(model, [0])
    assert model.frozen == {1}


def test_a_transplant_computes_the_same_and_shares_nothing():
    donor = network()
    teach(donor)
    head = Linear(8, 3, rng(7))
    model = transplant(donor, 4, head)
    x = rng(3).standard_normal((6, 64))
    h = x
    for layer in donor.layers[:4]:
        h = layer.forward(h)
    np.testing.assert_array_equal(model.forward(x), head.forward(h))
    assert model.layers[4] is head
    assert model.frozen == set()
    for copied, own in zip(model.layers[:4], donor.layers[:4], strict=True):
        assert copied is not own
        assert same(state(copied), state(own))
        for one, other in zip(copied.params, own.params, strict=True):
            assert not np.shares_memory(one, other)
    before = state(donor)
    data = digits()
    optimizer = Optimizer(adam, model.params, lr=0.1)
    labels = data.y_train % 3
    split = Split(data.x_train, labels, data.x_train, labels)
    train(model, optimizer, split, epochs=1, batch_size=100, rng=rng())
    assert same(before, state(donor))


def test_a_transplant_of_all_layers_is_a_copy():
    donor = network()
    copied = transplant(donor, len(donor.layers))
    assert same(state(donor), state(copied))


# Autoencoders.


def parameters(features=5, units=3, tied=False):
    draw = rng(4)
    shapes = [(features, units), (units,), (features,), (units, features)]
    return [0.5 * draw.standard_normal(shape) for shape in shapes[: 3 if tied else 4]]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("sizes", [(7, 5, 3), (1, 2, 4), (4, 1, 1)])
def test_the_autoencoders_gradient_is_torchs_through_the_same_lines(sizes, tied):
    samples, features, units = sizes
    x, params = rng().standard_normal((samples, features)), parameters(features, units, tied)
    leaves = [torch.tensor(param, requires_grad=True) for param in params]
    autoencoder_loss(torch.tensor(x), *leaves).backward()
    grads = autoencoder_loss_grad(x, *params)
    tensors = autoencoder_loss_grad(torch.tensor(x), *[leaf.detach() for leaf in leaves])
    assert len(grads) == len(params)
    for grad, tensor, leaf in zip(grads, tensors, leaves, strict=True):
        np.testing.assert_allclose(grad, leaf.grad, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(tensor, leaf.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("tied", [True, False])
def test_the_autoencoders_gradient_is_the_slope(tied):
    x, params = rng().standard_normal((6, 5)), parameters(tied=tied)
    grads, h = autoencoder_loss_grad(x, *params), 1e-6
    for which, grad in enumerate(grads):
        slopes = np.zeros_like(grad)
        for index in np.ndindex(grad.shape):
            losses = []
            for sign in (1, -1):
                moved = [param.copy() for param in params]
                moved[which][index] += sign * h
                losses.append(autoencoder_loss(x, *moved))
            slopes[index] = (losses[0] - losses[1]) / (2 * h)
        np.testing.assert_allclose(grad, slopes, rtol=1e-6, atol=1e-9)


def test_tied_weights_are_the_case_of_a_transposed_decoder():
    x, (w, b, c) = rng().standard_normal((6, 5)), parameters(tied=True)
    np.testing.assert_allclose(
        autoencoder_loss(x, w, b, c), autoencoder_loss(x, w, b, c, w.T), rtol=1e-14
    )
    dw, *_ = autoencoder_loss_grad(x, w, b, c)
    untied, _, _, dv = autoencoder_loss_grad(x, w, b, c, w.T)
    np.testing.assert_allclose(dw, untied + dv.T, rtol=1e-12)


@pytest.mark.parametrize("tied", [True, False])
def test_float32_autoencoders_stay_float32(tied):
    x = rng().standard_normal((6, 5)).astype(np.float32)
    params = [param.astype(np.float32) for param in parameters(tied=tied)]
    arrays = [autoencoder_loss(x, *params), *autoencoder_loss_grad(x, *params)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize("tied", [True, False])
def test_pretraining_learns_codes_that_reconstruct(tied):
    """The layer's own best linear decoder does better after pretraining than before."""
    x = digits().x_train[:600]
    first, learned = (
        pretrain(x, [16, 8], rng(), epochs=epochs, lr=3e-3, tied=tied) for epochs in (0, 15)
    )

    def lost(encoder, count):
        code = transplant(encoder, count).forward(x)
        code = np.c_[code, np.ones(len(code))]
        return mse(code @ np.linalg.lstsq(code, x)[0], x)

    assert [param.shape for param in learned.params] == [(64, 16), (16,), (16, 8), (8,)]
    for count in (2, 4):
        assert lost(learned, count) < 0.85 * lost(first, count)


def test_pretraining_is_greedy():
    """The first layer does not know of the second."""
    x = digits().x_train[:100]
    one, two = (pretrain(x, sizes, rng(), epochs=2) for sizes in ([6], [6, 4]))
    np.testing.assert_array_equal(one.params[0], two.params[0])
    np.testing.assert_array_equal(one.params[1], two.params[1])


# The GAN.


def two_players():
    generator = Sequential(Linear(2, 16, rng()), ReLU(), Linear(16, 2, rng(1)))
    discriminator = Sequential(Linear(2, 16, rng(2)), ReLU(), Linear(16, 1, rng(3)))
    return generator, discriminator


def test_a_step_of_the_discriminator_is_the_gradient_of_both_terms():
    generator, discriminator = two_players()
    real, z = rng(4).standard_normal((5, 2)), rng(5).standard_normal((7, 2))
    leaves = [torch.tensor(param, requires_grad=True) for param in discriminator.params]

    def judge(samples):
        hidden = torch.relu(torch.tensor(samples) @ leaves[0] + leaves[1])
        return hidden @ leaves[2] + leaves[3]

    on_real, on_fake = judge(real), judge(generator.forward(z))
    log_sigmoid = torch.nn.functional.logsigmoid
    loss = -log_sigmoid(on_real).mean() - log_sigmoid(-on_fake).mean()
    loss.backward()
    before = [param.copy() for param in discriminator.params]
    kept = state(generator)
    optimizer = Optimizer(momentum, discriminator.params, lr=1.0)
    found = discriminator_step(generator, discriminator, optimizer, real, z)
    assert found == pytest.approx(loss.item(), rel=1e-12)
    for old, new, leaf in zip(before, discriminator.params, leaves, strict=True):
        np.testing.assert_allclose(old - new, leaf.grad, rtol=1e-9, atol=1e-12)
    assert same(kept, state(generator))


def test_a_step_of_the_generator_goes_through_the_discriminator():
    generator, discriminator = two_players()
    z = rng(5).standard_normal((7, 2))
    leaves = [torch.tensor(param, requires_grad=True) for param in generator.params]
    w1, b1, w2, b2 = (torch.tensor(param) for param in discriminator.params)
    fake = torch.relu(torch.tensor(z) @ leaves[0] + leaves[1]) @ leaves[2] + leaves[3]
    logits = torch.relu(fake @ w1 + b1) @ w2 + b2
    loss = -torch.nn.functional.logsigmoid(logits).mean()
    loss.backward()
    before, kept = [param.copy() for param in generator.params], state(discriminator)
    optimizer = Optimizer(momentum, generator.params, lr=1.0)
    assert generator_step(generator, discriminator, optimizer, z) == pytest.approx(loss.item())
    for old, new, leaf in zip(before, generator.params, leaves, strict=True):
        np.testing.assert_allclose(old - new, leaf.grad, rtol=1e-9, atol=1e-12)
    assert same(kept, state(discriminator))


def test_a_sure_discriminator_still_teaches_the_generator():
    """Where D is sure, the minimax game's slope is gone; the non-saturating one is -1."""
    logit, real, fake = np.array([[-50.0]]), np.ones((1, 1)), np.zeros((1, 1))
    assert bce_with_logits_grad(logit, real) == -1
    assert 0 < bce_with_logits_grad(logit, fake) < 1e-20
    assert bce_with_logits(logit, real) == pytest.approx(50)


def test_the_game_moves_generated_samples_to_the_real_ones():
    players = generator, discriminator = two_players()
    steps = [Optimizer(adam, each.params, lr=0.01, beta1=0.5) for each in players]
    draw, centre = rng(6), np.array([3.0, -2.0])
    z = draw.standard_normal((500, 2))
    before = np.linalg.norm(generator.forward(z).mean(axis=0) - centre)
    for _ in range(400):
        real = centre + 0.3 * draw.standard_normal((32, 2))
        discriminator_step(generator, discriminator, steps[1], real, draw.standard_normal((32, 2)))
        generator_step(generator, discriminator, steps[0], draw.standard_normal((32, 2)))
    after = np.linalg.norm(generator.forward(z).mean(axis=0) - centre)
    assert after < 0.25 * before
    features = transplant(discriminator, 2, Linear(16, 3, rng(7)))
    assert features.forward(centre[None]).shape == (1, 3)


def test_a_discriminator_may_have_frozen_layers():
    generator, discriminator = two_players()
    freeze(discriminator, [0])
    kept = state(discriminator.layers[0])
    optimizer = Optimizer(adam, discriminator.params, lr=0.1)
    real, z = rng(4).standard_normal((5, 2)), rng(5).standard_normal((7, 2))
    discriminator_step(generator, discriminator, optimizer, real, z)
    assert same(kept, state(discriminator.layers[0]))
    assert optimizer.states[2] is not None


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: freeze(network(), [5]), IndexError, "freeze: there is no layer 5; .* 0 to 4"),
        (lambda: unfreeze(network(), [-6]), IndexError, "unfreeze: there is no layer -6"),
        (lambda: freeze(network(), ["head"]), TypeError, "named by its index, got 'head'"),
        (lambda: freeze(ReLU(), [0]), TypeError, "freeze: network is a ReLU"),
        (lambda: transplant(ReLU(), 1), TypeError, "transplant: network is a ReLU"),
        (lambda: transplant(network(), 6), ValueError, "has 5 layers, 6 were asked for"),
        (lambda: transplant(network(), 0), ValueError, "count must be at least 1, got 0"),
        (lambda: pretrain(np.ones((4, 2)), [], rng(), epochs=1), ValueError, "sizes is empty"),
        (lambda: pretrain(np.ones((4, 2)), [2], rng(), epochs=-1), ValueError, "at least 0"),
        (lambda: pretrain([[1.0]], [2], rng(), epochs=1), TypeError, "x is a list"),
    ],
)
def test_bad_input_is_named(act, error, message):
    with pytest.raises(error, match=message):
        act()


@pytest.mark.parametrize("function", [autoencoder_loss, autoencoder_loss_grad])
@pytest.mark.parametrize(
    ("which", "shape"),
    [("x", (4, 6)), ("x", (5,)), ("W", (5,)), ("b", (1, 3)), ("c", (1,)), ("V", (5, 3))],
)
def test_shapes_that_do_not_fit_are_named(function, which, shape):
    arrays = {"x": np.ones((4, 5)), **dict(zip("WbcV", parameters(), strict=True))}
    arrays[which] = np.ones(shape)
    with pytest.raises(ValueError, match=f"^{function.__name__}: the shapes do not fit: x "):
        function(**arrays)
    with pytest.raises(TypeError, match="is a list"):
        function([[1.0]], *parameters())


def test_everything_public_is_tested_here():
    assert set(reuse.__all__) <= set(globals())
