"""Starting values of weights: fixed, random with a variance that fits the layer, and orthogonal.

Every initializer but `lsuv` has the form ``initializer(shape, rng, *, ..., like=None)``. It draws
from a ``numpy.random.Generator`` in float64 and then moves the result to the library, dtype and
device of ``like``: one seed gives the same weights in NumPy and in torch. Without ``like`` the
result is a NumPy array of float64.

Orientation: a dense layer computes xW + b with W of shape (fan_in, fan_out). A convolution's shape
is (*kernel, channels_in, channels_out), for example (3, 3, 16, 32), so that the last two axes mean
the same; every number of the kernel counts: fan_in = 3·3·16, fan_out = 3·3·32. torch keeps the
opposite order, (fan_out, fan_in) and (channels_out, channels_in, *kernel): draw in our order and
bring the last two axes to the front, swapped, for example
``he_normal((3, 3, 16, 32), rng, like=weight).permute(3, 2, 0, 1)``.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, ParamSpec

import numpy as np
from array_api_compat import device

from course._arrays import Array, kind_of, namespace
from course._numbers import as_count, as_number

__all__ = [
    "constant",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "lsuv",
    "normal",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]

_P = ParamSpec("_P")
_MODES = ("fan_in", "fan_out", "fan_avg")
_INTERVALS = {
    "value": "[-inf, inf]",
    "mean": "(-inf, inf)",
    "low": "(-inf, inf)",
    "high": "(-inf, inf)",
    "std": "[0, inf)",
    "gain": "[0, inf)",
    "cutoff": "[0.1, inf)",
}


def _initializer(draw: Callable[_P, Array]) -> Callable[_P, Array]:
    """Check the input before the formula runs, and move what it drew to the library of `like`."""
    name, signature = draw.__name__, inspect.signature(draw)

    @functools.wraps(draw)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> Array:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(
                f"{name}: {error}; it takes {', '.join(signature.parameters)}."
            ) from None
        given.apply_defaults()
        inputs = given.arguments
        _require_shape(name, inputs["shape"], dimensions=2 if "gain" in inputs else 0)
        if name != "constant":
            _require_generator(name, inputs["rng"])
        _require_mode(name, inputs.get("mode", _MODES[0]))
        for key in _INTERVALS.keys() & inputs.keys():
            inputs[key] = as_number(name, key, inputs[key], _INTERVALS[key])
        like = np.empty(0) if inputs["like"] is None else inputs["like"]
        xp = namespace(name, like=like)
        drawn = np.asarray(draw(*given.args, **given.kwargs))
        return xp.asarray(drawn, dtype=like.dtype, device=device(like))

    return checked


@_initializer
def constant(
    shape: Sequence[int],
    rng: np.random.Generator | None = None,
    *,
    value: float = 0.0,
    like: Array | None = None,
) -> Array:
    r"""The same value everywhere: right for biases, a trap for weights.

    .. math:: w_i = c

    Units that start with equal weights get equal gradients and stay equal for ever: a layer of
    them is worth one unit. Weights need different values to break that symmetry.

    Args:
        shape: the shape of the result, a tuple of integers.
        rng: not used; there so that all initializers can be called alike.
        value: c.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``value`` no number or ``like`` no floating
            array.
        ValueError: a size is negative.

    Example:
        >>> constant((2, 3), value=0.5)
        array([[0.5, 0.5, 0.5],
               [0.5, 0.5, 0.5]])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 8.4.

    Who differs:
        Nobody: ``torch.nn.init.constant_`` is this function, in place.
    """
    return np.full(shape, value)


@_initializer
def normal(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""Normal random numbers.

    .. math:: w_i \sim N(μ, σ^2)

    With σ = 1 each layer multiplies the variance of its input by fan_in: deep networks blow up.
    `lecun_normal`, `xavier_normal` and `he_normal` choose σ to prevent that.

    Args:
        shape: the shape of the result, a tuple of integers.
        rng: the source of the draws.
        mean: μ.
        std: σ, the standard deviation, at least 0.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, a hyper-parameter no
            number or ``like`` no floating array.
        ValueError: a size or ``std`` is negative.

    Example:
        >>> normal((3,), np.random.default_rng(0), std=0.1).round(4)
        array([ 0.0126, -0.0132,  0.064 ])

    References:
        Krizhevsky, Sutskever and Hinton, *ImageNet Classification with Deep Convolutional Neural
        Networks*, NIPS 2012: N(0, 0.01²) for every layer.

    Who differs:
        ``torch.nn.init.normal_`` has these defaults; Keras's ``RandomNormal`` has σ = 0.05.
    """
    return mean + std * rng.standard_normal(shape)


@_initializer
def uniform(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    low: float = -1.0,
    high: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""Random numbers spread evenly between two bounds.

    .. math:: w_i \sim U(a, b), \qquad E[w] = \frac{a + b}{2}, \quad V[w] = \frac{(b - a)^2}{12}

    Args:
        shape: the shape of the result, a tuple of integers.
        rng: the source of the draws.
        low: a.
        high: b, at least a.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, a bound no number or
            ``like`` no floating array.
        ValueError: a size is negative, ``high`` lies below ``low``, or one is infinite.

    Example:
        >>> uniform((3,), np.random.default_rng(0), low=-0.1, high=0.1).round(4)
        array([ 0.0274, -0.046 , -0.0918])

    References:
        LeCun et al., *Efficient BackProp*, 1998, doi:10.1007/3-540-49430-8_2.

    Who differs:
        ``torch.nn.init.uniform_`` has the defaults 0 and 1, whose mean is not 0; Keras's
        ``RandomUniform`` has ±0.05.
    """
    if low > high:
        raise ValueError(f"uniform: low must not exceed high, got low = {low} and high = {high}.")
    return low + (high - low) * rng.random(shape)


@_initializer
def truncated_normal(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    cutoff: float = 2.0,
    like: Array | None = None,
) -> Array:
    r"""Normal random numbers without tails, and with the standard deviation asked for.

    .. math::

        w_i = μ + σ \frac{z_i}{s}, \quad z_i \sim N(0, 1) \text{ drawn again while } |z_i| > k,
        \qquad s^2 = 1 - \frac{2 k φ(k)}{2 Φ(k) - 1}

    Cutting the tails lowers the variance of z to s², 0.774 at k = 2; dividing by s restores it.
    The result lies within μ ± σk/s, that is μ ± 2.27σ at k = 2. φ is the density of N(0, 1) and Φ
    its distribution function.

    Args:
        shape: the shape of the result, a tuple of integers.
        rng: the source of the draws.
        mean: μ.
        std: σ, the standard deviation after truncation, at least 0.
        cutoff: k, where z is cut, at least 0.1: below, the density is flat, use `uniform`.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, a hyper-parameter no
            number or ``like`` no floating array.
        ValueError: a size or ``std`` is negative, or ``cutoff`` is below 0.1 or infinite.

    Example:
        >>> weights = truncated_normal((100_000,), np.random.default_rng(0), std=0.5)
        >>> weights.std().round(2), abs(weights).max().round(2)
        (np.float64(0.5), np.float64(1.14))

    References:
        Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 1994,
        chapter 13.

    Who differs:
        ``torch.nn.init.trunc_normal_`` does not divide by s: at k = 2 its standard deviation is
        0.88σ, and its bounds a and b are values, not multiples of σ. Neither does Keras's
        ``TruncatedNormal``; Keras's ``VarianceScaling``, and with it its ``he_normal`` and
        ``lecun_normal``, draws from the truncated normal and does divide.
    """
    z = rng.standard_normal(shape)
    while np.any(outside := np.abs(z) > cutoff):
        z[outside] = rng.standard_normal(np.count_nonzero(outside))
    density = math.exp(-(cutoff**2) / 2) / math.sqrt(2 * math.pi)
    inside = math.erf(cutoff / math.sqrt(2))
    return mean + std * z / math.sqrt(1 - 2 * cutoff * density / inside)


@_initializer
def lecun_normal(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mode: str = "fan_in",
    gain: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""LeCun's initialization, normal: a layer keeps the variance of its input.

    .. math:: w_{ij} \sim N(0, σ^2), \qquad σ = \frac{\mathrm{gain}}{\sqrt{n}}, \quad n = n_{in}

    An output is a sum of n_in products, each of variance σ² V[x]: with σ² = 1/n_in the sum has the
    variance of x. For linear layers, tanh near 0, and SELU.

    Args:
        shape: (fan_in, fan_out), or (*kernel, channels_in, channels_out).
        rng: the source of the draws.
        mode: what n is: ``"fan_in"`` n_in, LeCun's own; ``"fan_out"`` n_out; ``"fan_avg"``
            (n_in + n_out) / 2, which makes it `xavier_normal`.
        gain: a factor, at least 0.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, ``gain`` no number or
            ``like`` no floating array.
        ValueError: ``shape`` has less than two dimensions, a size or ``gain`` is negative, or
            ``mode`` is unknown.

    Example:
        >>> lecun_normal((400, 300), np.random.default_rng(0)).std().round(3)  # 1 / √400
        np.float64(0.05)

    References:
        LeCun et al., *Efficient BackProp*, 1998, doi:10.1007/3-540-49430-8_2. Klambauer et al.,
        *Self-Normalizing Neural Networks*, 2017, arXiv:1706.02515.

    Who differs:
        Keras's ``lecun_normal`` draws from the truncated normal, with the same variance. torch has
        no such initializer: use ``kaiming_normal_`` with ``nonlinearity="linear"``. Some notes
        present 1/n as the case n_in = n_out; it is 1/n_in always.
    """
    return gain * math.sqrt(1 / _fan(shape, mode)) * rng.standard_normal(shape)


@_initializer
def lecun_uniform(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mode: str = "fan_in",
    gain: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""LeCun's initialization, uniform: the variance of `lecun_normal`, and bounded.

    .. math:: w_{ij} \sim U(-a, a), \qquad a = \mathrm{gain} \sqrt{\frac{3}{n}}, \quad n = n_{in}

    The variance of U(-a, a) is a²/3: that is where the 3 comes from.

    Args:
        shape: (fan_in, fan_out), or (*kernel, channels_in, channels_out).
        rng: the source of the draws.
        mode: what n is: ``"fan_in"`` n_in, LeCun's own; ``"fan_out"`` n_out; ``"fan_avg"``
            (n_in + n_out) / 2, which makes it `xavier_uniform`.
        gain: a factor, at least 0.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, ``gain`` no number or
            ``like`` no floating array.
        ValueError: ``shape`` has less than two dimensions, a size or ``gain`` is negative, or
            ``mode`` is unknown.

    Example:
        >>> abs(lecun_uniform((300, 300), np.random.default_rng(0))).max().round(3)  # √(3 / 300)
        np.float64(0.1)

    References:
        LeCun et al., *Efficient BackProp*, 1998, doi:10.1007/3-540-49430-8_2.

    Who differs:
        ``torch.nn.Linear`` by default draws from U(-a, a) with a = 1/√n_in: a third of this
        variance.
    """
    return gain * math.sqrt(3 / _fan(shape, mode)) * (2 * rng.random(shape) - 1)


@_initializer
def xavier_normal(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mode: str = "fan_avg",
    gain: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""Xavier Glorot's initialization, normal: a compromise between the two directions.

    .. math::

        w_{ij} \sim N(0, σ^2), \qquad σ = \frac{\mathrm{gain}}{\sqrt{n}}, \quad
        n = \frac{n_{in} + n_{out}}{2}

    Forward the variance is kept by 1/n_in, backward by 1/n_out; their mean fan takes both half
    into account. For tanh and other activations that are odd and have slope 1 at 0.

    Args:
        shape: (fan_in, fan_out), or (*kernel, channels_in, channels_out).
        rng: the source of the draws.
        mode: what n is: ``"fan_avg"`` (n_in + n_out) / 2, Glorot's own; ``"fan_in"`` n_in, which
            makes it `lecun_normal`; ``"fan_out"`` n_out.
        gain: a factor, at least 0.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, ``gain`` no number or
            ``like`` no floating array.
        ValueError: ``shape`` has less than two dimensions, a size or ``gain`` is negative, or
            ``mode`` is unknown.

    Example:
        >>> xavier_normal((500, 300), np.random.default_rng(0)).std().round(3)  # 1 / √400
        np.float64(0.05)

    References:
        Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural
        networks*, AISTATS 2010.

    Who differs:
        The variance is written 1/fan_avg here and 2/(n_in + n_out) elsewhere: the same number.
        ``torch.nn.init.xavier_normal_`` has no mode. Keras's ``glorot_normal`` draws from the
        truncated normal, with the same variance.
    """
    return gain * math.sqrt(1 / _fan(shape, mode)) * rng.standard_normal(shape)


@_initializer
def xavier_uniform(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mode: str = "fan_avg",
    gain: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""Xavier Glorot's initialization, uniform: the variance of `xavier_normal`, and bounded.

    .. math::

        w_{ij} \sim U(-a, a), \qquad a = \mathrm{gain} \sqrt{\frac{3}{n}}, \quad
        n = \frac{n_{in} + n_{out}}{2}

    Args:
        shape: (fan_in, fan_out), or (*kernel, channels_in, channels_out).
        rng: the source of the draws.
        mode: what n is: ``"fan_avg"`` (n_in + n_out) / 2, Glorot's own; ``"fan_in"`` n_in, which
            makes it `lecun_uniform`; ``"fan_out"`` n_out.
        gain: a factor, at least 0.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, ``gain`` no number or
            ``like`` no floating array.
        ValueError: ``shape`` has less than two dimensions, a size or ``gain`` is negative, or
            ``mode`` is unknown.

    Example:
        >>> abs(xavier_uniform((200, 400), np.random.default_rng(0))).max().round(3)  # √(6 / 600)
        np.float64(0.1)

    References:
        Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural
        networks*, AISTATS 2010.

    Who differs:
        The bound is usually written √(6 / (n_in + n_out)): the same number.
        ``torch.nn.init.xavier_uniform_`` has no mode.
    """
    return gain * math.sqrt(3 / _fan(shape, mode)) * (2 * rng.random(shape) - 1)


@_initializer
def he_normal(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mode: str = "fan_in",
    gain: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""Kaiming He's initialization, normal: LeCun's, corrected for the half that ReLU removes.

    .. math::

        w_{ij} \sim N(0, σ^2), \qquad σ = \mathrm{gain} \sqrt{\frac{2}{n}}, \quad n = n_{in}

    A ReLU halves the mean square of a symmetric input; the factor 2 makes up for it.

    Args:
        shape: (fan_in, fan_out), or (*kernel, channels_in, channels_out).
        rng: the source of the draws.
        mode: what n is: ``"fan_in"`` n_in keeps the variance forward; ``"fan_out"`` n_out keeps it
            backward; ``"fan_avg"`` (n_in + n_out) / 2 lies between.
        gain: a factor, at least 0; for a leaky ReLU of slope a it is 1/√(1 + a²).
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, ``gain`` no number or
            ``like`` no floating array.
        ValueError: ``shape`` has less than two dimensions, a size or ``gain`` is negative, or
            ``mode`` is unknown.

    Example:
        >>> he_normal((200, 300), np.random.default_rng(0)).std().round(3)  # √(2 / 200)
        np.float64(0.1)

    References:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015, arXiv:1502.01852.

    Who differs:
        ``torch.nn.init.kaiming_normal_`` takes √2 from its ``nonlinearity`` and a slope; its gain
        is √2 times ours. Keras's ``he_normal`` draws from the truncated normal, with the same
        variance. Some slides have n = fan_avg as the definition, and some call it "Hue".
    """
    return gain * math.sqrt(2 / _fan(shape, mode)) * rng.standard_normal(shape)


@_initializer
def he_uniform(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    mode: str = "fan_in",
    gain: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""Kaiming He's initialization, uniform: the variance of `he_normal`, and bounded.

    .. math:: w_{ij} \sim U(-a, a), \qquad a = \mathrm{gain} \sqrt{\frac{6}{n}}, \quad n = n_{in}

    Args:
        shape: (fan_in, fan_out), or (*kernel, channels_in, channels_out).
        rng: the source of the draws.
        mode: what n is: ``"fan_in"`` n_in keeps the variance forward; ``"fan_out"`` n_out keeps it
            backward; ``"fan_avg"`` (n_in + n_out) / 2 lies between.
        gain: a factor, at least 0; for a leaky ReLU of slope a it is 1/√(1 + a²).
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, ``gain`` no number or
            ``like`` no floating array.
        ValueError: ``shape`` has less than two dimensions, a size or ``gain`` is negative, or
            ``mode`` is unknown.

    Example:
        >>> abs(he_uniform((600, 300), np.random.default_rng(0))).max().round(3)  # √(6 / 600)
        np.float64(0.1)

    References:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015, arXiv:1502.01852.

    Who differs:
        ``torch.nn.init.kaiming_uniform_`` has a leaky slope 0 too, but ``torch.nn.Linear`` calls
        it with slope √5: U(-1/√n_in, 1/√n_in), a sixth of this variance.
    """
    return gain * math.sqrt(6 / _fan(shape, mode)) * (2 * rng.random(shape) - 1)


@_initializer
def orthogonal(
    shape: Sequence[int],
    rng: np.random.Generator,
    *,
    gain: float = 1.0,
    like: Array | None = None,
) -> Array:
    r"""A random matrix that keeps lengths: columns, or rows where those are fewer, orthonormal.

    .. math::

        A_{ij} \sim N(0, 1), \qquad A = QR, \qquad
        W = \mathrm{gain} \; Q \; \mathrm{diag}(\mathrm{sign}(r_{11}), \mathrm{sign}(r_{22}), ...)

    QR leaves the sign of each column of Q open, and a library's choice depends on A. Fixing the
    diagonal of R to be positive makes Q unique, and W uniform over all orthogonal matrices.
    A wide matrix is drawn as its transpose; a kernel's axes are joined to the inputs.

    Args:
        shape: (fan_in, fan_out), or (*kernel, channels_in, channels_out).
        rng: the source of the draws.
        gain: the length of each column (each row of a wide matrix), at least 0.
        like: an array whose library, dtype and device the result takes.

    Returns:
        An array of this shape: WᵀW = gain² I where fan_in ≥ fan_out, else WWᵀ = gain² I.

    Raises:
        TypeError: ``shape`` is no tuple of integers, ``rng`` no generator, ``gain`` no number or
            ``like`` no floating array.
        ValueError: ``shape`` has less than two dimensions, or a size or ``gain`` is negative.

    Example:
        >>> weights = orthogonal((4, 3), np.random.default_rng(0))
        >>> np.allclose(weights.T @ weights, np.eye(3))
        True

    References:
        Saxe, McClelland and Ganguli, *Exact solutions to the nonlinear dynamics of learning in
        deep linear neural networks*, ICLR 2014, arXiv:1312.6120. Mezzadri, *How to generate random
        matrices from the classical compact groups*, 2007, arXiv:math-ph/0609050.

    Who differs:
        ``torch.nn.init.orthogonal_`` joins a kernel's axes to the inputs as well, in its transposed
        order. Code without the sign fix gives orthogonal matrices that are not uniform: with
        LAPACK the first entry is then never positive.
    """
    return gain * _orthonormal_kernel(np, rng.standard_normal(shape))


def lsuv(
    weights: Sequence[Array],
    activation: Callable[[Array], Array],
    x: Array,
    *,
    forward: Sequence[Callable[[Array, Array], Array]] | None = None,
    tol: float = 0.01,
    max_steps: int = 10,
) -> list[Array]:
    r"""Layer-sequential unit variance: let a batch of data set the scale of each layer.

    .. math::

        W_l ← Q(W_l), \qquad
        \text{while } |V[z_l] - 1| > τ: \; W_l ← \frac{W_l}{\sqrt{V[z_l]}}, \qquad
        z_l = h_{l-1} * W_l, \quad h_l = f(z_l), \quad h_0 = x

    Q is the orthonormal factor of `orthogonal`, a kernel's axes joined to the inputs as there;
    weights drawn there keep their values until they are rescaled. The star is the layer's product:
    that of matrices, or a convolution. V is the variance over all samples, positions and units of
    z, the output *before* the non-linearity. Layers are set from the first to the last, each on
    what those before it pass on. These products are linear in W, so on a single batch one step
    reaches V = 1 but for rounding.

    Args:
        weights: W_l, a list, the first layer first; for example of normal draws. Of shape (fan_in,
            fan_out), or (*kernel, channels_in, channels_out) with ``forward``. Biases are taken to
            be 0.
        activation: f, from an array to an array of the same shape.
        x: a batch of inputs of shape (samples, fan_in), or what the first ``forward`` takes; of the
            library and dtype of the weights.
        forward: for each layer a function from h and W, in the orientation given, to z, with the
            layer's padding, stride and whatever comes between (pooling, flattening). Without,
            every layer is dense, h @ W.
        tol: τ, how far from 1 the variance may be, at least 0.
        max_steps: how often a layer is rescaled at most, at least 1.

    Returns:
        The new weights, a list; those given stay as they are.

    Raises:
        TypeError: ``weights`` is one array or empty, an entry, ``x`` or a layer's output is not a
            floating array, libraries are mixed, ``activation`` is no function or ``forward`` no
            list of them.
        ValueError: shapes or dtypes do not fit, ``forward`` has not one function for each layer, a
            layer's output does not vary over the batch (or is NaN or infinite), ``tol`` is
            negative, ``max_steps`` is below 1.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, weights = rng.normal(size=(100, 8)), [rng.normal(size=(8, 8)) for _ in range(3)]
        >>> first, second, third = lsuv(weights, np.tanh, x)
        >>> np.var(np.tanh(np.tanh(x @ first) @ second) @ third).round(2)
        np.float64(1.0)
        >>> import torch                              # whose kernels have the opposite order
        >>> def convolution(h, w):
        ...     return torch.conv2d(h, w.permute(3, 2, 0, 1), padding="same")
        >>> images = torch.tensor(rng.normal(size=(20, 3, 8, 8)))
        >>> kernel = he_normal((3, 3, 3, 16), rng, like=images)
        >>> (kernel,) = lsuv([kernel], torch.relu, images, forward=[convolution])
        >>> round(convolution(images, kernel).var(correction=0).item(), 2)
        1.0

    References:
        Mishkin and Matas, *All you need is a good init*, ICLR 2016, arXiv:1511.06422.

    Who differs:
        The paper measures each step on a new mini-batch, so it needs several; here all steps see
        x. Summaries that look at the variance after the activation, or rescale only once, describe
        something else.
    """
    xp = _checked_network(weights, activation, x, forward)
    tol = as_number("lsuv", "tol", tol, "[0, inf)")
    max_steps = as_count("lsuv", "max_steps", max_steps)
    h, rescaled = x, []
    for layer, given in enumerate(weights):
        _require_chain(layer, given, h, is_dense=forward is None)
        product = forward[layer] if forward else operator.matmul
        w = _orthonormal_kernel(xp, given)
        for _ in range(max_steps):
            variance = _variance(xp, product(h, w), layer)
            if abs(variance - 1) <= tol:
                break
            w = w / xp.sqrt(variance)
        rescaled.append(w)
        h = activation(product(h, w))
    return rescaled


def _fan(shape: Sequence[int], mode: str) -> float:
    """Return n: how many inputs an output sums up, how many outputs an input reaches, or between.

    At least 1: an array without entries has nothing to scale.
    """
    *kernel, channels_in, channels_out = shape
    fan_in, fan_out = math.prod(kernel) * channels_in, math.prod(kernel) * channels_out
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    return max(fans[mode], 1)


def _orthonormal_kernel(xp: ModuleType, kernel: Array) -> Array:
    """Join a kernel's axes to the inputs, take the orthonormal factor and split them again."""
    shape = tuple(kernel.shape)
    matrix = xp.reshape(kernel, (math.prod(shape[:-1]), shape[-1]))
    return xp.reshape(_orthonormal(xp, matrix), shape)


def _orthonormal(xp: ModuleType, matrix: Array) -> Array:
    """Return Q of the QR decomposition whose R has a positive diagonal; of the tall side."""
    if matrix.shape[0] < matrix.shape[1]:
        return _orthonormal(xp, matrix.T).T
    q, r = xp.linalg.qr(matrix)
    negative = xp.linalg.diagonal(r) < 0
    return xp.where(negative, -q, q)


def _variance(xp: ModuleType, z: Array, layer: int) -> Array:
    """Return the variance over all entries, 1/N as everywhere in the course."""
    if namespace("lsuv", **{f"the output of layer {layer}": z}) is not xp:
        raise TypeError(
            f"lsuv: the output of layer {layer} is a {kind_of(z)}. "
            "Return an array of the library of x from its forward function."
        )
    variance = xp.mean((z - xp.mean(z)) ** 2)
    if not 0 < variance < math.inf:
        raise ValueError(
            f"lsuv: the output of layer {layer} has variance {float(variance)} on this batch; no "
            "factor makes it 1. Give inputs that differ, are finite, and survive the activation."
        )
    return variance


def _require_shape(name: str, shape: Any, dimensions: int) -> None:
    if not isinstance(shape, tuple | list) or not all(
        isinstance(size, int | np.integer) for size in shape
    ):
        raise TypeError(
            f"{name}: shape must be a tuple of integers, for example (64, 32), got {shape!r}."
        )
    if any(size < 0 for size in shape):
        raise ValueError(f"{name}: sizes must be at least 0, got shape {tuple(shape)}.")
    if len(shape) < dimensions:
        raise ValueError(
            f"{name}: shape {tuple(shape)} has {len(shape)} of at least 2 dimensions. Give "
            "(fan_in, fan_out), or (*kernel, channels_in, channels_out); for a bias use constant."
        )


def _require_generator(name: str, rng: Any) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{name}: rng must be a numpy.random.Generator, got a {kind_of(rng)}. "
            "Make one with numpy.random.default_rng(seed)."
        )


def _require_mode(name: str, mode: Any) -> None:
    if mode not in _MODES:
        raise ValueError(f"{name}: unknown mode {mode!r}. Choose one of {', '.join(_MODES)}.")


def _checked_network(weights: Any, activation: Any, x: Array, forward: Any) -> ModuleType:
    if hasattr(weights, "shape") or not weights:
        what = "one array" if hasattr(weights, "shape") else "empty"
        raise TypeError(f"lsuv: weights is {what}; pass a list, one array for each layer.")
    xp = namespace("lsuv", x=x, **{f"weights[{layer}]": w for layer, w in enumerate(weights)})
    if not callable(activation):
        raise TypeError(
            f"lsuv: activation must be a function, got a {kind_of(activation)}. "
            "For a linear network pass lambda z: z."
        )
    if forward is not None:
        _require_functions(forward, len(weights))
    return xp


def _require_functions(forward: Any, layers: int) -> None:
    if not isinstance(forward, list | tuple) or not all(map(callable, forward)):
        raise TypeError(
            "lsuv: forward must be a list of functions of h and W, one for each layer, got "
            f"{forward!r}."
        )
    if len(forward) != layers:
        raise ValueError(
            f"lsuv: forward has {len(forward)} functions for {layers} layers. Give one for each; "
            "for a dense layer operator.matmul."
        )


def _require_chain(layer: int, weights: Array, h: Array, *, is_dense: bool) -> None:
    if is_dense and (h.ndim != 2 or weights.ndim != 2 or h.shape[1] != weights.shape[0]):
        raise ValueError(
            f"lsuv: the input of layer {layer} has shape {tuple(h.shape)} but weights[{layer}] has "
            f"shape {tuple(weights.shape)}. Give (samples, fan_in) and (fan_in, fan_out); for "
            "convolutions say with forward how each layer computes its output."
        )
    if weights.ndim < 2:
        raise ValueError(
            f"lsuv: weights[{layer}] has shape {tuple(weights.shape)}. Give (fan_in, fan_out), or "
            "(*kernel, channels_in, channels_out)."
        )
    if h.dtype != weights.dtype:
        raise ValueError(
            f"lsuv: the input of layer {layer} has dtype {h.dtype} but weights[{layer}] has dtype "
            f"{weights.dtype}. Convert one to the dtype of the other."
        )
