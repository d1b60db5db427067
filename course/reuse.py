"""What was learned once, used again: freeze layers, transplant them, learn them without labels.

`freeze` and `unfreeze` say which layers of a `Sequential` learn, `transplant` builds a new network
on copies of the lower layers of another. Such layers come from a network for another task, from
autoencoders (`pretrain`), or from the discriminator of a small GAN (`discriminator_step`,
`generator_step`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from types import ModuleType

import numpy as np

from course import activations
from course._arrays import Array, namespace
from course._numbers import as_count
from course.data import batches
from course.initializers import xavier_normal
from course.layers import Activation, Layer, Linear, Sequential
from course.losses import (
    bce_with_logits,
    bce_with_logits_grad,
    mse,
    mse_grad,
)
from course.optimizers import Optimizer, adam

__all__ = [
    "autoencoder_loss",
    "autoencoder_loss_grad",
    "discriminator_step",
    "freeze",
    "generator_step",
    "pretrain",
    "transplant",
    "unfreeze",
]


def freeze(network: Sequential, layers: Iterable[int] | None = None) -> None:
    r"""Stop layers from learning: not a bit of them changes until `unfreeze`.

    .. math:: \frac{∂L}{∂θ_l} := \text{none} \quad \text{for each frozen layer } l

    Their gradients in ``network.grads`` are ``None``, which an `Optimizer` leaves alone: no step,
    no weight decay, no change of state. They run as at inference, so running moments stay, too, and
    dropout is off. Gradients still pass through them to the layers below.

    Args:
        network: a `Sequential`.
        layers: indices into ``network.layers``, negative ones from the end; ``None`` for all.

    Returns:
        Nothing; ``network.frozen`` has these indices added.

    Raises:
        IndexError: the network has no such layer.
        TypeError: ``network`` is no `Sequential`, or an index no integer.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> network = Sequential(Linear(4, 3, rng), Linear(3, 2, rng))
        >>> freeze(network, [0])
        >>> y, dx = network.forward(np.ones((1, 4))), network.backward(np.ones((1, 2)))
        >>> [grad is None for grad in network.grads]
        [True, True, False, False]

    References:
        Yosinski, Clune, Bengio and Lipson, *How transferable are features in deep neural
        networks?*, NIPS 2014, arXiv:1411.1792.

    Who differs:
        In torch one sets ``requires_grad_(False)`` for each parameter; batch normalization's
        running moments then still follow the batches, unless its ``eval()`` is called as well.
        Keras's ``trainable = False`` is like ours; it leaves dropout on.
    """
    chosen = _indices("freeze", network, layers)
    network.frozen |= chosen


def unfreeze(network: Sequential, layers: Iterable[int] | None = None) -> None:
    r"""Let frozen layers learn again, usually from the top down and with a lower rate.

    .. math:: \frac{∂L}{∂θ_l} \text{ is back for each of these layers } l

    An `Optimizer` goes on from the state it had when they were frozen.

    Args:
        network: a `Sequential`.
        layers: indices into ``network.layers``, negative ones from the end; ``None`` for all.

    Returns:
        Nothing; ``network.frozen`` has these indices removed.

    Raises:
        IndexError: the network has no such layer.
        TypeError: ``network`` is no `Sequential`, or an index no integer.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> network = Sequential(Linear(4, 3, rng), Linear(3, 3, rng), Linear(3, 2, rng))
        >>> freeze(network)
        >>> unfreeze(network, [-1])
        >>> sorted(network.frozen)
        [0, 1]

    References:
        Howard and Ruder, *Universal Language Model Fine-tuning for Text Classification*, ACL 2018,
        arXiv:1801.06146.

    Who differs:
        In torch the optimizer must have been given the parameters from the start, as here.
    """
    chosen = _indices("unfreeze", network, layers)
    network.frozen -= chosen


def transplant(network: Sequential, count: int, *head: Layer) -> Sequential:
    r"""Build a network from copies of another's first layers and a new head.

    .. math:: f_{new} = h_m ∘ ... ∘ h_1 ∘ \operatorname{copy}(f_k) ∘ ... ∘ \operatorname{copy}(f_1)

    Whatever happens to one network, the other stays as it is. Nothing is frozen.

    Args:
        network: the donor, a `Sequential`.
        count: k, how many of its layers are copied, from 1 to all; activations count as layers.
        *head: the new layers in order, used as they are; none gives the copies alone.

    Returns:
        A `Sequential` of k + m layers. Running moments are copied along, and generators in the
        state they are in.

    Raises:
        TypeError: ``network`` is no `Sequential`, or ``count`` no whole number.
        ValueError: the network has less layers than that, or ``count`` is below 1.

    Example:
        >>> from course.layers import ReLU
        >>> rng = np.random.default_rng(0)
        >>> donor = Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng))
        >>> network = transplant(donor, 2, Linear(32, 2, rng))
        >>> [param.shape for param in network.params]
        [(64, 32), (32,), (32, 2), (2,)]
        >>> bool(np.shares_memory(network.params[0], donor.params[0]))
        False

    References:
        Yosinski, Clune, Bengio and Lipson, *How transferable are features in deep neural
        networks?*, NIPS 2014, arXiv:1411.1792.

    Who differs:
        Slicing a ``torch.nn.Sequential`` shares the parameters: training the new network then
        changes the old one.
    """
    _indices("transplant", network, ())
    count = as_count("transplant", "count", count)
    if count > len(network.layers):
        raise ValueError(
            f"transplant: the network has {len(network.layers)} layers, {count} were asked for."
        )
    return Sequential(*(copy.deepcopy(layer) for layer in network.layers[:count]), *head)


def autoencoder_loss(x: Array, W: Array, b: Array, c: Array, V: Array | None = None) -> Array:
    r"""How far an autoencoder's output is from its input, through a code of tanh units.

    .. math:: h = \tanh(xW + b), \qquad \hat x = hV + c, \qquad L = \operatorname{mse}(\hat x, x)

    Tied weights mean V = Wᵀ: half the numbers to learn, and W cannot grow small and V large.

    Args:
        x: the inputs, shape (samples, features), floating.
        W: the encoder's weights, shape (features, units).
        b: its bias, shape (units,).
        c: the decoder's bias, shape (features,).
        V: the decoder's weights, shape (units, features); ``None`` ties them, V = Wᵀ.

    Returns:
        L, an array of shape () and the dtype of ``x``.

    Raises:
        TypeError: an array is not one of a floating dtype, or libraries are mixed.
        ValueError: shapes do not fit, or the batch is empty.

    Example:
        >>> x = np.array([[0.3, -0.2]])
        >>> autoencoder_loss(x, np.zeros((2, 1)), np.zeros(1), np.zeros(2)).round(6)  # mean x²
        np.float64(0.065)

    References:
        Bengio, Lamblin, Popovici and Larochelle, *Greedy Layer-Wise Training of Deep Networks*,
        NIPS 2006.

    Who differs:
        That paper has sigmoids and the cross-entropy of inputs in [0, 1]; standardised inputs are
        not bounded, so the output is linear here and the loss the squared error.
    """
    xp = _checked_autoencoder("autoencoder_loss", x, W, b, c, V)
    return mse(_through(xp, x, W, b, c, V)[1], x)


def autoencoder_loss_grad(
    x: Array, W: Array, b: Array, c: Array, V: Array | None = None
) -> list[Array]:
    r"""Gradients of `autoencoder_loss` with respect to the parameters.

    .. math::

        g = \frac{2}{BD} (\hat x - x), \quad d = (g V^T) (1 - h^2), \qquad
        \frac{∂L}{∂V} = h^T g, \quad \frac{∂L}{∂c} = \sum_n g_n, \quad
        \frac{∂L}{∂W} = x^T d, \quad \frac{∂L}{∂b} = \sum_n d_n

    A tied W acts twice, so it gets both terms: xᵀd + (hᵀg)ᵀ.

    Args:
        x: the inputs, shape (samples, features), floating.
        W: the encoder's weights, shape (features, units).
        b: its bias, shape (units,).
        c: the decoder's bias, shape (features,).
        V: the decoder's weights, shape (units, features); ``None`` ties them, V = Wᵀ.

    Returns:
        [∂L/∂W, ∂L/∂b, ∂L/∂c], and ∂L/∂V as a fourth where V is given.

    Raises:
        TypeError: an array is not one of a floating dtype, or libraries are mixed.
        ValueError: shapes do not fit, or the batch is empty.

    Example:
        >>> x = np.array([[0.3, -0.2]])
        >>> grads = autoencoder_loss_grad(x, np.zeros((2, 1)), np.zeros(1), np.zeros(2))
        >>> grads[2]                                          # 2 (x̂ - x) / 2
        array([-0.3,  0.2])

    References:
        Bengio, Lamblin, Popovici and Larochelle, *Greedy Layer-Wise Training of Deep Networks*,
        NIPS 2006.

    Who differs:
        Nobody: torch's autograd gives the same numbers.
    """
    xp = _checked_autoencoder("autoencoder_loss_grad", x, W, b, c, V)
    h, x_hat = _through(xp, x, W, b, c, V)
    g = mse_grad(x_hat, x)
    d = (g @ (W if V is None else V.T)) * (1 - h**2)
    encoder, decoder = x.T @ d, h.T @ g
    biases = [xp.sum(d, axis=0), xp.sum(g, axis=0)]
    return [encoder + decoder.T, *biases] if V is None else [encoder, *biases, decoder]


def pretrain(
    x: Array,
    sizes: Sequence[int],
    rng: np.random.Generator,
    *,
    epochs: int,
    batch_size: int = 32,
    lr: float = 1e-3,
    tied: bool = True,
) -> Sequential:
    r"""Learn layers one by one without labels, each as the autoencoder of the one below.

    .. math:: h_0 = x, \qquad h_l = \tanh(h_{l-1} W_l + b_l), \qquad
        W_l, b_l \text{ from the autoencoder of } h_{l-1}

    The decoders are thrown away. Put a head on top with `transplant`, and train on what labels
    there are. For the end-to-end alternative train a `Sequential` with encoder and decoder on
    ``Split(x, x, ...)`` and the loss ``(mse, mse_grad)``.

    Args:
        x: the inputs, shape (samples, features), float64.
        sizes: the number of units of each layer.
        rng: the source of weights and batches.
        epochs: how often each autoencoder sees each sample, at least 0.
        batch_size: samples in a batch, at least 1.
        lr: the rate of Adam.
        tied: whether each decoder uses its encoder's weights.

    Returns:
        A `Sequential` of one `Linear` and one tanh layer for each size.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or a size no whole number.
        ValueError: there is no size, or a number is out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> encoder = pretrain(rng.standard_normal((50, 8)), [4, 2], rng, epochs=1)
        >>> encoder.forward(np.zeros((3, 8))).shape
        (3, 2)

    References:
        Bengio, Lamblin, Popovici and Larochelle, *Greedy Layer-Wise Training of Deep Networks*,
        NIPS 2006. Hinton and Salakhutdinov, *Reducing the Dimensionality of Data with Neural
        Networks*, 2006, doi:10.1126/science.1127647.

    Who differs:
        Hinton and Salakhutdinov stack restricted Boltzmann machines, and fine-tune the whole
        autoencoder afterwards.
    """
    namespace("pretrain", x=x)
    if len(sizes) == 0:
        raise ValueError("pretrain: sizes is empty; give the number of units of each layer.")
    epochs = as_count("pretrain", "epochs", epochs, 0)
    layers: list[Layer] = []
    for units in sizes:
        linear = Linear(x.shape[1], units, rng, initializer=xavier_normal, like=x)
        decoder = Linear(units, x.shape[1], rng, initializer=xavier_normal, like=x)
        params = [*linear.params, decoder.params[1], *([] if tied else decoder.params[:1])]
        optimizer = Optimizer(adam, params, lr=lr)
        for _ in range(epochs):
            for batch in batches(len(x), batch_size, rng):
                optimizer.step(autoencoder_loss_grad(x[batch], *params))
        layer = Sequential(linear, Activation(activations.tanh))
        layers += layer.layers
        x = layer.forward(x)
    return Sequential(*layers)


def discriminator_step(
    generator: Layer, discriminator: Layer, optimizer: Optimizer, real: Array, z: Array
) -> float:
    r"""Teach a GAN's discriminator once to tell real samples from generated ones.

    .. math:: L_D = -\frac{1}{B} \sum_n \ln σ(D(x_n)) - \frac{1}{B'} \sum_n \ln σ(-D(G(z_n)))

    Args:
        generator: G, from noise to samples; its parameters stay.
        discriminator: D, from samples to one logit each, shape (samples, 1); its parameters change.
        optimizer: an `Optimizer` over ``discriminator.params``.
        real: x, real samples, shape (B, features).
        z: noise, shape (B', inputs of G).

    Returns:
        L_D before the step. 2 ln 2 = 1.386 means that D guesses.

    Raises:
        TypeError: an array is not one of a floating dtype.
        ValueError: shapes do not fit.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> G, D = Linear(2, 3, rng), Linear(3, 1, rng)
        >>> optimizer = Optimizer(adam, D.params, lr=0.01)
        >>> real, z = rng.standard_normal((8, 3)) + 2, rng.standard_normal((8, 2))
        >>> first = discriminator_step(G, D, optimizer, real, z)
        >>> discriminator_step(G, D, optimizer, real, z) < first
        True

    References:
        Goodfellow et al., *Generative Adversarial Nets*, NIPS 2014, arXiv:1406.2661, algorithm 1.

    Who differs:
        Many programs put half of both terms, and some labels of 0.9 for real samples.
    """
    loss, total = 0.0, None
    for samples, is_real in ((real, 1.0), (generator.forward(z, training=True), 0.0)):
        term, grads = _judged(discriminator, samples, is_real)
        loss += term
        total = grads if total is None else [_sum(a, b) for a, b in zip(total, grads, strict=True)]
    optimizer.step(total)
    return loss


def generator_step(generator: Layer, discriminator: Layer, optimizer: Optimizer, z: Array) -> float:
    r"""Teach a GAN's generator once to make what its discriminator takes for real.

    .. math:: L_G = -\frac{1}{B} \sum_n \ln σ(D(G(z_n)))

    This is the non-saturating loss: where D is sure that a sample is generated, σ(D) ≈ 0, its slope
    in the logit is -1, while that of the minimax game's ln(1 - σ(D)) is 0 and nothing is learned.

    Args:
        generator: G, from noise to samples; its parameters change.
        discriminator: D, from samples to one logit each, shape (samples, 1); its parameters stay.
        optimizer: an `Optimizer` over ``generator.params``.
        z: noise, shape (B, inputs of G).

    Returns:
        L_G before the step.

    Raises:
        TypeError: an array is not one of a floating dtype.
        ValueError: shapes do not fit.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> G, D = Linear(2, 3, rng), Linear(3, 1, rng)
        >>> optimizer, z = Optimizer(adam, G.params, lr=0.01), rng.standard_normal((8, 2))
        >>> first = generator_step(G, D, optimizer, z)
        >>> generator_step(G, D, optimizer, z) < first
        True

    References:
        Goodfellow et al., *Generative Adversarial Nets*, NIPS 2014, arXiv:1406.2661, section 3.

    Who differs:
        The paper's equation (1) is the minimax game; it recommends this loss for the practice.
    """
    logits = discriminator.forward(generator.forward(z, training=True), training=True)
    xp = namespace("generator_step", logits=logits)
    wanted = xp.ones_like(logits)
    loss = float(bce_with_logits(logits, wanted))
    generator.backward(discriminator.backward(bce_with_logits_grad(logits, wanted)))
    optimizer.step(generator.grads)
    return loss


def _judged(
    discriminator: Layer, samples: Array, is_real: float
) -> tuple[float, list[Array | None]]:
    logits = discriminator.forward(samples, training=True)
    wanted = is_real * namespace("discriminator_step", logits=logits).ones_like(logits)
    discriminator.backward(bce_with_logits_grad(logits, wanted))
    return float(bce_with_logits(logits, wanted)), list(discriminator.grads)


def _sum(one: Array | None, other: Array | None) -> Array | None:
    return None if one is None else one + other


def _through(
    xp: ModuleType, x: Array, W: Array, b: Array, c: Array, V: Array | None
) -> tuple[Array, Array]:
    """Return the code and the reconstruction."""
    h = xp.tanh(x @ W + b)
    return h, h @ (W.T if V is None else V) + c


def _checked_autoencoder(
    name: str, x: Array, W: Array, b: Array, c: Array, V: Array | None
) -> ModuleType:
    arrays = {"x": x, "W": W, "b": b, "c": c} | ({} if V is None else {"V": V})
    xp = namespace(name, **arrays)
    features, units = W.shape if W.ndim == 2 else (None, None)
    wanted = {"W": (features, units), "b": (units,), "c": (features,), "V": (units, features)}
    fits = x.ndim == 2 and x.shape[1] == features
    if not fits or any(tuple(a.shape) != wanted[k] for k, a in arrays.items() if k != "x"):
        shapes = ", ".join(f"{key} {tuple(array.shape)}" for key, array in arrays.items())
        raise ValueError(
            f"{name}: the shapes do not fit: {shapes}. Give x (samples, features), W (features, "
            "units), b (units,), c (features,) and V (units, features)."
        )
    return xp


def _indices(name: str, network: Sequential, layers: Iterable[int] | None) -> set[int]:
    if not isinstance(network, Sequential):
        raise TypeError(
            f"{name}: network is a {type(network).__name__}. Pass a course.layers.Sequential."
        )
    count = len(network.layers)
    chosen = range(count) if layers is None else layers
    found = set()
    for index in chosen:
        if not isinstance(index, int | np.integer):
            raise TypeError(f"{name}: a layer is named by its index, got {index!r}.")
        if not -count <= index < count:
            raise IndexError(
                f"{name}: there is no layer {index}; the network has layers 0 to {count - 1}."
            )
        found.add(int(index) % count)
    return found
