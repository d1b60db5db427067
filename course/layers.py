"""Layers with an explicit forward and backward pass, and `Sequential`, which chains them.

Every layer has ``forward(x, training=False)``, ``backward(grad)``, ``params`` and ``grads``, two
lists in the same order. ``backward`` takes ∂L/∂output, fills ``grads`` with ∂L/∂params and returns
∂L/∂input; it speaks of the last ``forward``. Batches come first: x has shape (samples, ...). Only
`Dropout`, `BatchNorm` and `RReLU` differ between training and inference.

What a layer remembers but does not train (running moments) is in its ``buffers``, and what it draws
from is its ``rng``; layers without them need not name them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace, device

from course import activations, normalizers
from course._arrays import Array, kind_of, namespace, require_like
from course._numbers import as_count, as_number, values_of
from course.initializers import constant, he_normal

__all__ = [
    "Activation",
    "BatchNorm",
    "Dropout",
    "GroupNorm",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "Linear",
    "PReLU",
    "RMSNorm",
    "RReLU",
    "ReLU",
    "Residual",
    "Sequential",
    "TorchModule",
    "mc_dropout",
    "perceptron_step",
    "walk",
]


def perceptron_step(
    w: Array, b: Array, x: Array, y: float, *, lr: float = 1.0
) -> tuple[Array, Array]:
    r"""One step of the perceptron: learn from a sample only if it is classified wrong.

    .. math::

        \hat y = \operatorname{sign}(w · x + b), \qquad
        (w, b) ← \begin{cases} (w + γ y x, \; b + γ y) & \hat y ≠ y \\ (w, b) & \hat y = y
        \end{cases}

    sign(0) = 0 is neither class, so a sample on the boundary counts as a mistake: weights of 0 can
    start to learn. If a plane separates the classes, the steps come to an end.

    Args:
        w: the weights, shape (features,), floating.
        b: the bias, shape (), dtype of ``w``.
        x: one sample, shape and dtype of ``w``.
        y: its class, -1 or +1.
        lr: γ, above 0. From weights of 0 it scales them and changes no decision.

    Returns:
        The new w and b, of the shapes and dtype given.

    Raises:
        TypeError: an array is not one of a floating dtype, libraries are mixed, or a number is
            none.
        ValueError: shapes or dtypes do not fit, y is not -1 or +1, or ``lr`` is not above 0.

    Example:
        >>> w, b = perceptron_step(np.zeros(2), np.zeros(()), np.array([3.0, 4.0]), -1)
        >>> w, b
        (array([-3., -4.]), array(-1.))
        >>> perceptron_step(w, b, np.array([3.0, 4.0]), -1)      # right now: nothing changes
        (array([-3., -4.]), array(-1.))

    References:
        Rosenblatt, *The Perceptron: a probabilistic model for information storage and organization
        in the brain*, 1958, doi:10.1037/h0042519.

    Who differs:
        With classes 0 and 1 and the Heaviside step the rule is w + γ (y - ŷ) x: the same steps,
        but for samples on the boundary. ``sklearn.linear_model.Perceptron`` is this rule in
        shuffled epochs; some texts have no bias.
    """
    name = "perceptron_step"
    xp = namespace(name, w=w, b=b, x=x)
    require_like(name, "w", w, "x", x)
    if w.ndim != 1 or b.shape != () or b.dtype != w.dtype:
        raise ValueError(
            f"{name}: w has shape {tuple(w.shape)} and dtype {w.dtype}, b has shape "
            f"{tuple(b.shape)} and dtype {b.dtype}. Give shapes (features,) and () of one dtype."
        )
    label = as_number(name, "y", y, "[-1, 1]")
    if label not in (-1.0, 1.0):
        raise ValueError(f"{name}: y must be -1 or +1, got {label:g}. Turn 0 and 1 into 2y - 1.")
    lr = as_number(name, "lr", lr, "(0, inf)")
    mistaken = activations.sign(xp.sum(w * x) + b) != label
    return xp.where(mistaken, w + lr * label * x, w), xp.where(mistaken, b + lr * label, b)


class Layer(Protocol):
    r"""What `Sequential` asks of a layer.

    .. math:: y = f(x; θ), \qquad \frac{∂L}{∂x} = \left(\frac{∂y}{∂x}\right)^T \frac{∂L}{∂y}

    Args:
        x: of ``forward``: the layer's input.
        training: of ``forward``: whether the pass belongs to a training step.
        grad: of ``backward``: ∂L/∂y, of the shape of the layer's output.

    Returns:
        ``forward`` the output y, ``backward`` the gradient ∂L/∂x.

    Raises:
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> layer: Layer = ReLU()
        >>> layer.forward(np.array([[-1.0, 2.0]]))
        array([[0., 2.]])

    References:
        Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*,
        1986, doi:10.1038/323533a0.

    Who differs:
        torch records the graph and derives the backward pass; here it is written out. There a
        module remembers its mode (``train()``, ``eval()``); here each call says it.
    """

    @property
    def params(self) -> list[Array]:
        """The arrays to train."""

    @property
    def grads(self) -> list[Array]:
        """The gradients of ``params`` from the last backward pass, in the same order."""

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the output for this input."""

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂input for this ∂L/∂output, and keep ∂L/∂params."""


class Linear:
    r"""A dense layer: every output is a weighted sum of all inputs and a bias.

    .. math::

        y = xW + b, \qquad
        \frac{∂L}{∂W} = x^T \frac{∂L}{∂y}, \quad
        \frac{∂L}{∂b} = \sum_n \frac{∂L}{∂y_n}, \quad
        \frac{∂L}{∂x} = \frac{∂L}{∂y} W^T

    W starts as He normal, variance 2/fan_in, unless another initializer is given; b starts at 0.

    Args:
        fan_in: the number of inputs, at least 1.
        fan_out: the number of outputs, at least 1.
        rng: the source of the weights.
        initializer: one of `course.initializers`, or any ``function(shape, rng, like=...)``; set
            its options with ``functools.partial``.
        like: an array whose library, dtype and device the parameters take; NumPy's float64 without.

    Returns:
        A layer whose ``params`` are [W, b] of shapes (fan_in, fan_out) and (fan_out,).

    Raises:
        TypeError: ``rng`` is no generator, or an input is no floating array of the library of W.
        ValueError: a size is below 1, or an input has another number of features than fan_in.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> layer = Linear(3, 2, np.random.default_rng(0))
        >>> layer.forward(np.ones((5, 3))).shape
        (5, 2)
        >>> layer.backward(np.ones((5, 2))).shape
        (5, 3)
        >>> layer.grads[1]                            # one from each of the five samples
        array([5., 5.])

    References:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015, arXiv:1502.01852.

    Who differs:
        ``torch.nn.Linear`` keeps Wᵀ, shape (fan_out, fan_in), and by default draws W and b
        uniformly with variance 1/(3 fan_in).
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        *,
        initializer: Callable[..., Array] = he_normal,
        like: Array | None = None,
    ) -> None:
        if fan_in < 1 or fan_out < 1:
            raise ValueError(
                f"Linear: sizes must be at least 1, got fan_in = {fan_in}, fan_out = {fan_out}."
            )
        self.params: list[Array] = [
            initializer((fan_in, fan_out), rng, like=like),
            constant((fan_out,), like=like),
        ]
        self.grads: list[Array] = []
        self._x: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return xW + b for x of shape (samples, fan_in)."""
        weights, bias = self.params
        namespace("Linear", x=x, W=weights)
        if x.ndim != 2 or x.shape[1] != weights.shape[0]:
            raise ValueError(
                f"Linear: the input has shape {tuple(x.shape)}, expected (samples, "
                f"{weights.shape[0]})."
            )
        self._x = x
        return x @ weights + bias

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x and keep ∂L/∂W and ∂L/∂b."""
        x = _remembered(self, self._x)
        xp = array_namespace(grad)
        self.grads = [x.T @ grad, xp.sum(grad, axis=0)]
        return grad @ self.params[0].T


class Activation:
    r"""A function of `course.activations` as a layer.

    .. math:: y = f(x), \qquad \frac{∂L}{∂x} = \frac{∂L}{∂y} \cdot f'(x)

    For `softmax` and `log_softmax`, which mix the classes, the backward pass is their
    vector-Jacobian product.

    Args:
        function: an activation without parameters and draws, such as
            ``course.activations.gelu``; `PReLU` and `RReLU` are layers of their own.
        **options: its options, such as ``negative_slope=0.2``.

    Returns:
        A layer without parameters.

    Raises:
        TypeError: ``function`` is none of `course.activations`, or needs a layer of its own.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> from course.activations import leaky_relu
        >>> layer = Activation(leaky_relu, negative_slope=0.5)
        >>> layer.forward(np.array([[-1.0, 2.0]]))
        array([[-0.5,  2. ]])
        >>> layer.backward(np.array([[10.0, 10.0]]))
        array([[ 5., 10.]])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.5.

    Who differs:
        torch and Keras have one class for each activation.
    """

    def __init__(self, function: Callable[..., Array], **options: Any) -> None:
        name = getattr(function, "__name__", "")
        if getattr(activations, name, None) is not function or name.endswith("_grad"):
            raise TypeError(
                f"Activation: {function!r} is no function of course.activations. "
                "Pass one, for example activations.tanh."
            )
        if function in (activations.prelu, activations.rrelu):
            own = {"prelu": "PReLU, which trains its slopes", "rrelu": "RReLU, which draws them"}
            raise TypeError(f"Activation: {name} has a layer of its own; use {own[name]}.")
        self.function, self.options = function, options
        self.params: list[Array] = []
        self.grads: list[Array] = []
        self._x: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return f(x)."""
        self._x = x
        return self.function(x, **self.options)

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x."""
        x, name = _remembered(self, self._x), self.function.__name__
        derivative = getattr(activations, f"{name}_grad")
        if name in ("softmax", "log_softmax"):
            return derivative(grad, x, **self.options)
        return grad * derivative(x, **self.options)


class ReLU(Activation):
    r"""The rectifier: what is negative becomes 0.

    .. math:: y = \max(x, 0), \qquad \frac{∂L}{∂x} = \frac{∂L}{∂y} \cdot [x > 0]

    At x = 0 there is no derivative; 0 is taken.

    Returns:
        A layer without parameters.

    Raises:
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> layer = ReLU()
        >>> layer.forward(np.array([[-1.0, 0.0, 2.0]]))
        array([[0., 0., 2.]])
        >>> layer.backward(np.array([[5.0, 5.0, 5.0]]))
        array([[0., 0., 5.]])

    References:
        Glorot, Bordes and Bengio, *Deep Sparse Rectifier Neural Networks*, AISTATS 2011.

    Who differs:
        Nobody: torch and TensorFlow take 0 at 0 as well.
    """

    def __init__(self) -> None:
        super().__init__(activations.relu)


class PReLU:
    r"""A leaky ReLU that trains its slopes.

    .. math::

        y = \max(x, 0) + α \min(x, 0), \qquad
        \frac{∂L}{∂α} = \sum \frac{∂L}{∂y} \min(x, 0)

    Args:
        features: the number of slopes, one for each feature; 1 for one slope in all.
        negative_slope: α at the start, finite, at least 0.
        like: an array whose library, dtype and device α takes; NumPy's float64 without.

    Returns:
        A layer whose ``params`` are [α], shape (features,).

    Raises:
        TypeError: a number is none.
        ValueError: ``features`` is below 1, the slope negative, or α does not fit the input.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> layer = PReLU(2)
        >>> layer.forward(np.array([[-4.0, 4.0]]))
        array([[-1.,  4.]])
        >>> layer.backward(np.array([[1.0, 1.0]]))
        array([[0.25, 1.  ]])
        >>> layer.grads
        [array([-4.,  0.])]

    References:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015, arXiv:1502.01852.

    Who differs:
        ``torch.nn.PReLU`` has one slope unless told otherwise. Weight decay pulls α to 0, that is
        to ReLU; the paper trains it without.
    """

    def __init__(
        self, features: int = 1, *, negative_slope: float = 0.25, like: Array | None = None
    ) -> None:
        features = as_count("PReLU", "features", features)
        slope = as_number("PReLU", "negative_slope", negative_slope, "[0, inf)")
        self.params: list[Array] = [constant((features,), value=slope, like=like)]
        self.grads: list[Array] = []
        self._x: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return x where it is positive, else αx."""
        self._x = x
        return activations.prelu(x, self.params[0])

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x and keep ∂L/∂α."""
        x, alpha = _remembered(self, self._x), self.params[0]
        self.grads = [activations.prelu_alpha_grad(grad, x, alpha)]
        return grad * activations.prelu_grad(x, alpha)


class RReLU:
    r"""A leaky ReLU with random slopes in training and their mean at inference.

    .. math::

        y = \max(x, 0) + a \min(x, 0), \qquad
        a \sim U(l, u) \text{ in training}, \quad a = \frac{l + u}{2} \text{ at inference}

    Args:
        rng: the source of the slopes.
        lower: l, at least 0.
        upper: u, finite, at least ``lower``.

    Returns:
        A layer without parameters.

    Raises:
        TypeError: ``rng`` is no generator or a bound no number.
        ValueError: a bound is out of range, or ``lower`` is above ``upper``.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> layer = RReLU(np.random.default_rng(0), lower=0.25, upper=0.5)
        >>> layer.forward(np.array([[-8.0, 8.0]]))            # inference: the slope is 0.375
        array([[-3.,  8.]])
        >>> y = layer.forward(np.array([[-8.0, 8.0]]), training=True)
        >>> bool(np.all(layer.backward(np.ones((1, 2))) == y / np.array([[-8.0, 8.0]])))
        True

    References:
        Xu et al., *Empirical Evaluation of Rectified Activations in Convolutional Network*, 2015,
        arXiv:1505.00853.

    Who differs:
        See `course.activations.rrelu`.
    """

    def __init__(
        self, rng: np.random.Generator, *, lower: float = 1 / 8, upper: float = 1 / 3
    ) -> None:
        _require_generator("RReLU", rng)
        self.rng = rng
        self.lower, self.upper = lower, upper
        activations.rrelu(np.zeros(0), lower=lower, upper=upper)  # names a wrong bound
        self.params: list[Array] = []
        self.grads: list[Array] = []
        self._before: np.random.Generator | None = None
        self._x: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return x where it is positive, else ax."""
        self._x, self._before = x, copy.deepcopy(self.rng) if training else None
        rng = self.rng if training else None
        return activations.rrelu(x, rng=rng, lower=self.lower, upper=self.upper)

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x, with the slopes that the forward pass drew."""
        x = _remembered(self, self._x)
        again = copy.deepcopy(self._before)
        return grad * activations.rrelu_grad(x, rng=again, lower=self.lower, upper=self.upper)


class Dropout:
    r"""In training, set a random share of the entries to 0 and enlarge the others to make up.

    .. math::

        y_i = \frac{m_i}{1 - p} x_i, \quad P(m_i = 0) = p \text{ in training}, \qquad
        y = x \text{ at inference}

    The factor 1/(1 - p) keeps the mean: E[y] = x. So nothing is left to do at inference (inverted
    dropout).

    Args:
        rate: p, the share that is dropped, in [0, 1).
        rng: the source of the masks.

    Returns:
        A layer without parameters.

    Raises:
        TypeError: ``rate`` is no number, ``rng`` no generator or an input no floating array.
        ValueError: ``rate`` does not lie in [0, 1).
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> layer = Dropout(0.5, np.random.default_rng(1))
        >>> layer.forward(np.ones((1, 6)), training=True)
        array([[2., 2., 0., 2., 0., 0.]])
        >>> layer.backward(np.ones((1, 6)))                   # through the same units
        array([[2., 2., 0., 2., 0., 0.]])
        >>> layer.forward(np.ones((1, 6)))
        array([[1., 1., 1., 1., 1., 1.]])

    References:
        Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*,
        JMLR 2014.

    Who differs:
        ``torch.nn.Dropout`` is this layer. The paper multiplies by 1 - p at inference instead of
        dividing in training, and its p is the share that is *kept*. One of the course's sources
        forgets the factor altogether.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        self.rate = as_number("Dropout", "rate", rate, "[0, 1)")
        _require_generator("Dropout", rng)
        self.rng = rng
        self.drops_at_inference = False
        self.params: list[Array] = []
        self.grads: list[Array] = []
        self._factors: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return x with random entries set to 0 in training, x itself at inference."""
        xp = namespace("Dropout", x=x)
        factors = np.ones(tuple(x.shape))
        if training or self.drops_at_inference:
            factors = (self.rng.random(tuple(x.shape)) >= self.rate) / (1 - self.rate)
        self._factors = xp.asarray(factors, dtype=x.dtype, device=device(x))
        return x * self._factors

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x, through the entries that the forward pass kept."""
        return grad * _remembered(self, self._factors)


def mc_dropout(
    network: Layer,
    x: Array,
    *,
    samples: int = 100,
    output: Callable[[Array], Array] = activations.identity,
) -> tuple[Array, Array]:
    r"""Predict many times with dropout on, and see how far the predictions agree.

    .. math::

        μ = \frac{1}{S} \sum_{s=1}^S f(x; m_s), \qquad
        σ^2 = \frac{1}{S} \sum_{s=1}^S (f(x; m_s) - μ)^2

    Each sample draws new masks m. The variance says where the network is unsure for want of data;
    the noise of the targets comes on top. Only `Dropout` layers are random; batch normalization
    stays at inference.

    Args:
        network: a layer, usually a `Sequential`, with `Dropout` in it.
        x: the inputs, shape (samples, features).
        samples: S, at least 1.
        output: what is averaged, as a function of the network's output. For a classifier take
            ``course.activations.softmax``: means of probabilities are probabilities.

    Returns:
        μ and σ², each of the shape of one prediction.

    Raises:
        TypeError: ``samples`` is no whole number.
        ValueError: ``samples`` is below 1, or the network has no `Dropout`.

    Example:
        >>> dropout = Dropout(0.5, np.random.default_rng(0))
        >>> mean, variance = mc_dropout(dropout, np.ones((1, 2)), samples=20_000)
        >>> mean.round(1), variance.round(1)                  # 0 or 2, each half of the time
        (array([[1., 1.]]), array([[1., 1.]]))

    References:
        Gal and Ghahramani, *Dropout as a Bayesian Approximation*, ICML 2016, arXiv:1506.02142.

    Who differs:
        The paper adds 1/τ, the variance of the targets, to σ². Switching a whole network to
        training mode also makes batch normalization mix the samples; that is not meant.
    """
    samples = as_count("mc_dropout", "samples", samples)
    dropouts = [layer for layer in walk(network) if isinstance(layer, Dropout)]
    if not dropouts:
        raise ValueError(
            "mc_dropout: the network has no Dropout layer, all its predictions would be the same. "
            "Put one in, for example Dropout(0.5, rng)."
        )
    before = [layer.drops_at_inference for layer in dropouts]
    try:
        for layer in dropouts:
            layer.drops_at_inference = True
        mean = squares = 0.0
        for count in range(1, samples + 1):
            prediction = output(network.forward(x))
            step = prediction - mean
            mean = mean + step / count
            squares = squares + step * (prediction - mean)
    finally:
        for layer, value in zip(dropouts, before, strict=True):
            layer.drops_at_inference = value
    return mean, squares / samples


class Residual:
    r"""A residual block: the input is added to what the branch makes of it.

    .. math::

        y = S(x) + F(x), \qquad
        \frac{∂L}{∂x} = J_S^T \frac{∂L}{∂y} + J_F^T \frac{∂L}{∂y}, \qquad S(x) = x, \; J_S = I

    The first term of the gradient reaches the input whatever the branch does: the direct path. A
    branch that changes the width needs a shortcut S that changes it too: a projection, trained
    like the branch.

    Args:
        *branch: the layers of F in order, at least one; the output must have the shape of S(x).
        shortcut: the layer S, for example ``Linear(fan_in, fan_out, rng)``; without, S(x) = x.

    Returns:
        A layer whose ``params`` are those of the branch, then those of the shortcut.

    Raises:
        ValueError: there is no layer, or F(x) has not the shape and dtype of S(x).
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> block = Residual(ReLU())
        >>> block.forward(np.array([[-1.0, 2.0]]))
        array([[-1.,  4.]])
        >>> block.backward(np.array([[1.0, 1.0]]))
        array([[1., 2.]])
        >>> rng = np.random.default_rng(0)
        >>> wider = Residual(Linear(2, 5, rng), ReLU(), shortcut=Linear(2, 5, rng))
        >>> wider.forward(np.ones((3, 2))).shape
        (3, 5)

    References:
        He et al., *Deep Residual Learning for Image Recognition*, 2015 (CVPR 2016),
        arXiv:1512.03385, section 3.2 and equation 2.

    Who differs:
        The paper puts a ReLU after the sum; *Identity Mappings in Deep Residual Networks*
        (2016, arXiv:1603.05027) found that the direct path should stay free, as here. The paper's
        projection W_s x has no bias, which the branch has already; a `Linear` brings one. Its
        option A instead pads x with zeros, which trains nothing.
    """

    def __init__(self, *branch: Layer, shortcut: Layer | None = None) -> None:
        if not branch:
            raise ValueError("Residual: give at least one layer for the branch.")
        self.branch = Sequential(*branch)
        self.shortcut = shortcut

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers inside: the branch as one, and the shortcut where there is one."""
        return (self.branch,) if self.shortcut is None else (self.branch, self.shortcut)

    @property
    def params(self) -> list[Array]:
        """The arrays to train, those of the branch first."""
        return [param for layer in self.layers for param in layer.params]

    @property
    def grads(self) -> list[Array | None]:
        """The gradients of ``params`` from the last backward pass, in the same order."""
        return [grad for layer in self.layers for grad in layer.grads]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return S(x) + F(x)."""
        change = self.branch.forward(x, training=training)
        if self.shortcut is not None:
            direct = self.shortcut.forward(x, training=training)
            require_like("Residual", "the shortcut's output", direct, "the branch's output", change)
            return direct + change
        if change.shape != x.shape:
            raise ValueError(
                f"Residual: the input has shape {tuple(x.shape)} but the branch's output has shape "
                f"{tuple(change.shape)}. Give a shortcut that changes the shape likewise, for "
                "example shortcut=Linear(fan_in, fan_out, rng)."
            )
        require_like("Residual", "the input", x, "the branch's output", change)
        return x + change

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x, the sum of the direct path and the branch."""
        through_branch = self.branch.backward(grad)
        return through_branch + (grad if self.shortcut is None else self.shortcut.backward(grad))


class _Normalizer:
    """What the normalizers share: γ and β to train, a cache between the passes."""

    def __init__(self, features: int, eps: float, like: Array | None, shift: bool = True) -> None:
        name = type(self).__name__
        features = as_count(name, "features", features)
        self.eps = as_number(name, "eps", eps, "[0, inf)")
        values = (1.0, 0.0) if shift else (1.0,)
        self.params: list[Array] = [constant((features,), value=v, like=like) for v in values]
        self.grads: list[Array] = []
        self._cache: normalizers.Cache | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the normalized x, scaled and shifted."""
        y, self._cache = self._normalized(x)
        return y

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x and keep the gradients of ``params``."""
        cache = _remembered(self, self._cache)
        dx, *self.grads = getattr(normalizers, f"{cache['of']}_backward")(grad, cache)
        return dx

    def _normalized(self, x: Array) -> tuple[Array, normalizers.Cache]:
        raise NotImplementedError


class BatchNorm(_Normalizer):
    r"""Batch normalization as a layer: it keeps the running moments.

    .. math:: y = γ \frac{x - μ}{\sqrt{σ^2 + ε}} + β

    μ and σ² are the batch's in training and the running ones at inference, which start as 0 and 1.

    Args:
        features: the number of channels, axis 1 of the input.
        momentum: the share of the running moments kept at each training step, in [0, 1).
        eps: ε, at least 0.
        like: an array whose library, dtype and device the parameters take; NumPy's float64 without.

    Returns:
        A layer whose ``params`` are [γ, β] and whose ``buffers`` are the running [mean, variance],
        which ``forward`` changes in place when training.

    Raises:
        TypeError: a number is none.
        ValueError: an argument is out of range, or an input does not fit or has one value a channel
            in training.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> layer = BatchNorm(1, eps=0.0)
        >>> layer.forward(np.array([[1.0], [3.0]]), training=True)
        array([[-1.],
               [ 1.]])
        >>> layer.buffers[0].round(6)
        array([0.2])

    References:
        Ioffe and Szegedy, *Batch Normalization*, ICML 2015, arXiv:1502.03167.

    Who differs:
        See `course.normalizers.batch_norm`.
    """

    def __init__(
        self,
        features: int,
        *,
        momentum: float = 0.9,
        eps: float = 1e-5,
        like: Array | None = None,
    ) -> None:
        super().__init__(features, eps, like)
        self.momentum = as_number("BatchNorm", "momentum", momentum, "[0, 1)")
        self.buffers: list[Array] = [constant((features,), value=v, like=like) for v in (0.0, 1.0)]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the normalized x, scaled and shifted; follow the moments when training."""
        y, running, self._cache = normalizers.batch_norm(
            x,
            self.params[0],
            self.params[1],
            {"mean": self.buffers[0], "var": self.buffers[1]},
            training=training,
            momentum=self.momentum,
            eps=self.eps,
        )
        for buffer, key in zip(self.buffers, ("mean", "var"), strict=True):
            buffer[...] = values_of(running[key])
        return y


class LayerNorm(_Normalizer):
    r"""Layer normalization as a layer: every sample over its own features.

    .. math:: y = γ \frac{x - μ}{\sqrt{σ^2 + ε}} + β

    Args:
        features: the number of features, the last axis of the input.
        eps: ε, at least 0.
        like: an array whose library, dtype and device the parameters take; NumPy's float64 without.

    Returns:
        A layer whose ``params`` are [γ, β]; training and inference are the same.

    Raises:
        TypeError: a number is none.
        ValueError: an argument is out of range, or an input does not fit.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> LayerNorm(2, eps=0.0).forward(np.array([[1.0, 3.0]]))
        array([[-1.,  1.]])

    References:
        Ba, Kiros and Hinton, *Layer Normalization*, 2016, arXiv:1607.06450.

    Who differs:
        See `course.normalizers.layer_norm`.
    """

    def __init__(self, features: int, *, eps: float = 1e-5, like: Array | None = None) -> None:
        super().__init__(features, eps, like)

    def _normalized(self, x: Array) -> tuple[Array, normalizers.Cache]:
        return normalizers.layer_norm(x, *self.params, eps=self.eps)


class RMSNorm(_Normalizer):
    r"""RMS normalization as a layer: every sample divided by the root of its mean square.

    .. math:: y = γ \frac{x}{\sqrt{\overline{x^2} + ε}}

    Args:
        features: the number of features, the last axis of the input.
        eps: ε, at least 0.
        like: an array whose library, dtype and device γ takes; NumPy's float64 without.

    Returns:
        A layer whose ``params`` are [γ]; training and inference are the same.

    Raises:
        TypeError: a number is none.
        ValueError: an argument is out of range, or an input does not fit.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> RMSNorm(2, eps=0.0).forward(np.array([[1.0, 7.0]]))
        array([[0.2, 1.4]])

    References:
        Zhang and Sennrich, *Root Mean Square Layer Normalization*, NeurIPS 2019, arXiv:1910.07467.

    Who differs:
        See `course.normalizers.rms_norm`.
    """

    def __init__(self, features: int, *, eps: float = 1e-5, like: Array | None = None) -> None:
        super().__init__(features, eps, like, shift=False)

    def _normalized(self, x: Array) -> tuple[Array, normalizers.Cache]:
        return normalizers.rms_norm(x, *self.params, eps=self.eps)


class GroupNorm(_Normalizer):
    r"""Group normalization as a layer: neighbouring channels of a sample together.

    .. math:: y = γ \frac{x - μ}{\sqrt{σ^2 + ε}} + β

    Args:
        features: the number of channels, axis 1 of the input.
        groups: into how many groups they split, a divisor of ``features``.
        eps: ε, at least 0.
        like: an array whose library, dtype and device the parameters take; NumPy's float64 without.

    Returns:
        A layer whose ``params`` are [γ, β]; training and inference are the same.

    Raises:
        TypeError: a number is none.
        ValueError: an argument is out of range, or an input does not fit.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> GroupNorm(4, groups=2).forward(np.array([[1.0, 3.0, 10.0, 30.0]])).round(4)
        array([[-1.,  1., -1.,  1.]])

    References:
        Wu and He, *Group Normalization*, ECCV 2018, arXiv:1803.08494.

    Who differs:
        See `course.normalizers.group_norm`.
    """

    def __init__(
        self, features: int, *, groups: int, eps: float = 1e-5, like: Array | None = None
    ) -> None:
        super().__init__(features, eps, like)
        self.groups = as_count("GroupNorm", "groups", groups)

    def _normalized(self, x: Array) -> tuple[Array, normalizers.Cache]:
        return normalizers.group_norm(x, *self.params, groups=self.groups, eps=self.eps)


class InstanceNorm(_Normalizer):
    r"""Instance normalization as a layer: every channel of every sample over its positions.

    .. math:: y = γ \frac{x - μ}{\sqrt{σ^2 + ε}} + β

    Args:
        features: the number of channels, axis 1 of an input (samples, channels, positions...).
        eps: ε, at least 0.
        like: an array whose library, dtype and device the parameters take; NumPy's float64 without.

    Returns:
        A layer whose ``params`` are [γ, β]; training and inference are the same.

    Raises:
        TypeError: a number is none.
        ValueError: an argument is out of range, or an input does not fit.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> InstanceNorm(1).forward(np.array([[[1.0, 3.0]]])).round(4)
        array([[[-1.,  1.]]])

    References:
        Ulyanov, Vedaldi and Lempitsky, *Instance Normalization*, 2016, arXiv:1607.08022.

    Who differs:
        See `course.normalizers.instance_norm`.
    """

    def __init__(self, features: int, *, eps: float = 1e-5, like: Array | None = None) -> None:
        super().__init__(features, eps, like)

    def _normalized(self, x: Array) -> tuple[Array, normalizers.Cache]:
        return normalizers.instance_norm(x, *self.params, eps=self.eps)


class Sequential:
    r"""Layers one after another: a small network.

    .. math::

        y = f_L(... f_2(f_1(x))), \qquad
        \frac{∂L}{∂x} = J_1^T J_2^T ... J_L^T \frac{∂L}{∂y}, \quad J_l = f_l'

    Layers whose index is in ``frozen`` do not learn: their gradients are ``None``, which an
    `Optimizer` leaves alone, and they run as at inference, so that no running moment moves.
    `course.reuse.freeze` and `course.reuse.unfreeze` fill and empty it.

    Args:
        *layers: the layers in the order in which the input passes them, at least one.

    Returns:
        A layer itself: ``params`` and ``grads`` list those of all layers in order.

    Raises:
        ValueError: there is no layer.
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> network = Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng))
        >>> network.forward(np.zeros((5, 64))).shape
        (5, 10)
        >>> [param.shape for param in network.params]
        [(64, 32), (32,), (32, 10), (10,)]

    References:
        Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*,
        1986, doi:10.1038/323533a0.

    Who differs:
        ``torch.nn.Sequential`` has no backward pass of its own; autograd provides it.
    """

    def __init__(self, *layers: Layer) -> None:
        if not layers:
            raise ValueError("Sequential: give at least one layer.")
        self.layers = layers
        self.frozen: set[int] = set()

    @property
    def params(self) -> list[Array]:
        """The arrays to train, of all layers in order, frozen ones too."""
        return [param for layer in self.layers for param in layer.params]

    @property
    def grads(self) -> list[Array | None]:
        """The gradients of ``params`` from the last backward pass; ``None`` for frozen layers."""
        return [
            grad
            for index, layer in enumerate(self.layers)
            for grad in (
                [None] * len(layer.params) if index in self.frozen and layer.grads else layer.grads
            )
        ]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the last layer's output."""
        for index, layer in enumerate(self.layers):
            x = layer.forward(x, training=training and index not in self.frozen)
        return x

    def backward(self, grad: Array) -> Array:
        """Pass the gradient from the last layer to the first and return ∂L/∂input."""
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class TorchModule:
    r"""A torch module as a layer: autograd does the backward pass.

    .. math:: y = f(x; θ), \qquad \frac{∂L}{∂x} = \left(\frac{∂y}{∂x}\right)^T \frac{∂L}{∂y}

    Args:
        module: a ``torch.nn.Module`` from one tensor to one tensor.

    Returns:
        A layer whose ``params`` are the module's own parameters and whose ``buffers`` are the
        module's; ``forward`` sets its mode, and returns a tensor outside the graph.

    Raises:
        RuntimeError: ``backward`` was called before ``forward``.

    Example:
        >>> import torch
        >>> layer = TorchModule(torch.nn.Linear(3, 2))
        >>> layer.forward(torch.ones(5, 3)).shape
        torch.Size([5, 2])
        >>> layer.backward(torch.ones(5, 2)).shape
        torch.Size([5, 3])
        >>> layer.grads[1]
        tensor([5., 5.])

    References:
        Paszke et al., *PyTorch: An Imperative Style, High-Performance Deep Learning Library*, 2019,
        arXiv:1912.01703.

    Who differs:
        torch adds a new gradient to the last one; here, as in the other layers, it replaces it.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self._x: Array | None = None
        self._y: Array | None = None

    @property
    def params(self) -> list[Array]:
        """The arrays to train."""
        return list(self.module.parameters())

    @property
    def grads(self) -> list[Array | None]:
        """The gradients of ``params`` from the last backward pass, ``None`` where there is none."""
        return [param.grad for param in self.module.parameters()]

    @property
    def buffers(self) -> list[Array]:
        """What the module remembers but does not train."""
        return list(self.module.buffers())

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return the module's output, outside torch's graph."""
        self.module.train(training)
        self._x = values_of(x)
        self._x.requires_grad_(self._x.is_floating_point())
        self._y = self.module(self._x)
        return values_of(self._y)

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x and fill the parameters' ``.grad``."""
        y, x = _remembered(self, self._y), _remembered(self, self._x)
        self.module.zero_grad()
        y.backward(grad)
        self._y = None
        return x.grad


def walk(network: Layer) -> Iterator[Layer]:
    r"""Visit a network and every layer inside it, from the first to the last.

    .. math:: \text{walk}(f) = f, \; \text{walk}(f_1), \; \text{walk}(f_2), ...

    Args:
        network: a layer; one with ``layers``, such as `Sequential`, holds others.

    Returns:
        An iterator over layers: each holder before what it holds.

    Raises:
        TypeError: never; what is no layer is visited as it is.

    Example:
        >>> network = Sequential(Residual(ReLU()), ReLU())
        >>> [type(layer).__name__ for layer in walk(network)]
        ['Sequential', 'Residual', 'Sequential', 'ReLU', 'ReLU']

    References:
        Gamma, Helm, Johnson and Vlissides, *Design Patterns*, 1994, chapter 4, Composite.

    Who differs:
        ``torch.nn.Module.modules`` visits a module that occurs twice only once.
    """
    yield network
    for layer in getattr(network, "layers", ()):
        yield from walk(layer)


def _remembered(layer: Any, value: Any) -> Any:
    """Return what the forward pass kept."""
    if value is None:
        raise RuntimeError(f"{type(layer).__name__}: backward needs the input; call forward first.")
    return value


def _require_generator(name: str, rng: Any) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{name}: rng must be a numpy.random.Generator, got a {kind_of(rng)}. "
            "Make one with numpy.random.default_rng(seed)."
        )
