"""Layers with an explicit forward and backward pass, and `Sequential`, which chains them.

Every layer has ``forward(x)``, ``backward(grad)``, ``params`` and ``grads``, two lists in the same
order. ``backward`` takes ∂L/∂output, fills ``grads`` with ∂L/∂params and returns ∂L/∂input; it
speaks of the last ``forward``. Batches come first: x has shape (samples, features).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from array_api_compat import array_namespace

from course._arrays import Array, namespace

__all__ = ["Layer", "Linear", "ReLU", "Sequential"]


class Layer(Protocol):
    r"""What `Sequential` asks of a layer.

    .. math:: y = f(x; θ), \qquad \frac{∂L}{∂x} = \left(\frac{∂y}{∂x}\right)^T \frac{∂L}{∂y}

    Args:
        x: of ``forward``: the layer's input.
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
        torch records the graph and derives the backward pass; here it is written out.
    """

    @property
    def params(self) -> list[Array]:
        """The arrays to train."""

    @property
    def grads(self) -> list[Array]:
        """The gradients of ``params`` from the last backward pass, in the same order."""

    def forward(self, x: Array) -> Array:
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

    W starts as He normal, variance 2/fan_in; b starts at 0.

    Args:
        fan_in: the number of inputs, at least 1.
        fan_out: the number of outputs, at least 1.
        rng: the source of the weights.

    Returns:
        A layer whose ``params`` are [W, b] of shapes (fan_in, fan_out) and (fan_out,), float64.

    Raises:
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

    def __init__(self, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        if fan_in < 1 or fan_out < 1:
            raise ValueError(
                f"Linear: sizes must be at least 1, got fan_in = {fan_in}, fan_out = {fan_out}."
            )
        weights = rng.standard_normal((fan_in, fan_out)) * np.sqrt(2.0 / fan_in)
        self.params: list[Array] = [weights, np.zeros(fan_out)]
        self.grads: list[Array] = []
        self._x: Array | None = None

    def forward(self, x: Array) -> Array:
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
        if self._x is None:
            raise RuntimeError("Linear: backward needs the input; call forward first.")
        xp = array_namespace(grad)
        self.grads = [self._x.T @ grad, xp.sum(grad, axis=0)]
        return grad @ self.params[0].T


class ReLU:
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
        self.params: list[Array] = []
        self.grads: list[Array] = []
        self._positive: Array | None = None

    def forward(self, x: Array) -> Array:
        """Return max(x, 0)."""
        xp = namespace("ReLU", x=x)
        self._positive = x > 0
        return xp.where(self._positive, x, xp.zeros_like(x))

    def backward(self, grad: Array) -> Array:
        """Return ∂L/∂x: the gradient where x was positive, else 0."""
        if self._positive is None:
            raise RuntimeError("ReLU: backward needs the input; call forward first.")
        xp = array_namespace(grad)
        return xp.where(self._positive, grad, xp.zeros_like(grad))


class Sequential:
    r"""Layers one after another: a small network.

    .. math::

        y = f_L(... f_2(f_1(x))), \qquad
        \frac{∂L}{∂x} = J_1^T J_2^T ... J_L^T \frac{∂L}{∂y}, \quad J_l = f_l'

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

    @property
    def params(self) -> list[Array]:
        """The arrays to train, of all layers in order."""
        return [param for layer in self.layers for param in layer.params]

    @property
    def grads(self) -> list[Array]:
        """The gradients of ``params`` from the last backward pass, in the same order."""
        return [grad for layer in self.layers for grad in layer.grads]

    def forward(self, x: Array) -> Array:
        """Return the last layer's output."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad: Array) -> Array:
        """Pass the gradient from the last layer to the first and return ∂L/∂input."""
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad
