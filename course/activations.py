"""Activations and their derivatives, element by element but for the softmax.

``NAME(x, ...)`` is y = f(x); ``NAME_grad(x, ...)`` takes the same arguments and is f'(x), the
derivative itself: multiply it by the gradient that comes from above. Where the derivative is no
array of the shape of x (`softmax_grad`, `log_softmax_grad`, `prelu_alpha_grad`), the function takes
that gradient first, ``NAME_grad(grad, x, ...)``, and returns the vector-Jacobian product.

Three conventions hold throughout. At a kink the derivative is that from the left; at a jump it
is 0. At ±∞ the value is the limit, also where the formula says ∞ · 0. NaN stays NaN.
"""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
from array_api_compat import device

from course._arrays import Array, kind_of, namespace, require_like
from course._numbers import as_number

__all__ = [
    "elu",
    "elu_grad",
    "gelu",
    "gelu_grad",
    "heaviside",
    "heaviside_grad",
    "identity",
    "identity_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "log_softmax",
    "log_softmax_grad",
    "mish",
    "mish_grad",
    "prelu",
    "prelu_alpha_grad",
    "prelu_grad",
    "relu",
    "relu_grad",
    "rrelu",
    "rrelu_grad",
    "selu",
    "selu_constants",
    "selu_grad",
    "sigmoid",
    "sigmoid_grad",
    "sign",
    "sign_grad",
    "silu",
    "silu_grad",
    "softmax",
    "softmax_grad",
    "tanh",
    "tanh_grad",
]


def identity(x: Array) -> Array:
    r"""The identity: a layer without an activation.

    .. math:: f(x) = x

    The output of a regression: the MSE loss goes with it.

    Args:
        x: any shape, floating.

    Returns:
        x itself, not a copy.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> identity(np.array([-2.0, 3.0]))
        array([-2.,  3.])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.

    Who differs:
        Nobody in the values: ``torch.nn.Identity`` and Keras's "linear" are this function.
    """
    namespace("identity", x=x)
    return x


def identity_grad(x: Array) -> Array:
    r"""Derivative of `identity`.

    .. math:: f'(x) = 1

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> identity_grad(np.array([-2.0, 3.0]))
        array([1., 1.])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.

    Who differs:
        torch's autograd says 1 at NaN too; here NaN stays NaN.
    """
    xp = namespace("identity_grad", x=x)
    return _keep_nan(xp, x, xp.ones_like(x))


def heaviside(x: Array) -> Array:
    r"""The step: a unit that fires above its threshold or does not.

    .. math:: H(x) = [x > 0]

    Args:
        x: any shape, floating.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> heaviside(np.array([-2.0, 0.0, 3.0]))
        array([0., 0., 1.])

    References:
        McCulloch and Pitts, *A logical calculus of the ideas immanent in nervous activity*, 1943,
        doi:10.1007/BF02478259.

    Who differs:
        H(0) is a convention: 0 here, so that ReLU's derivative is this function.
        ``torch.heaviside`` and ``numpy.heaviside`` ask for it as a second argument; signal theory
        takes 1/2. One of the course's sources has z ≤ 0 → 0 and z ≥ 1 → 1, which leaves the gap
        between 0 and 1 open.
    """
    xp = namespace("heaviside", x=x)
    return _keep_nan(xp, x, xp.astype(x > 0, x.dtype))


def heaviside_grad(x: Array) -> Array:
    r"""Derivative of `heaviside`: no gradient passes a step.

    .. math:: H'(x) = 0 \quad (x ≠ 0)

    This is why a perceptron cannot be trained by gradient descent.

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> heaviside_grad(np.array([-2.0, 0.0, 3.0]))
        array([0., 0., 0.])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.3.

    Who differs:
        At the jump there is no derivative; 0 is taken, as torch does for ``sign``. Networks that
        train through steps put another slope there (straight-through estimators).
    """
    xp = namespace("heaviside_grad", x=x)
    return _keep_nan(xp, x, xp.zeros_like(x))


def sign(x: Array) -> Array:
    r"""The sign: the step of a perceptron whose classes are -1 and +1.

    .. math:: \operatorname{sign}(x) = [x > 0] - [x < 0]

    Args:
        x: any shape, floating.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> sign(np.array([-2.0, 0.0, 3.0]))
        array([-1.,  0.,  1.])

    References:
        Rosenblatt, *The Perceptron: a probabilistic model for information storage and organization
        in the brain*, 1958, doi:10.1037/h0042519.

    Who differs:
        sign(0) = 0 as in NumPy and torch. 0 is neither class, so a sample on the boundary counts as
        a mistake and the perceptron learns from it. Texts with only two values pick one: 2 H(x) - 1
        is -1 at 0.
    """
    xp = namespace("sign", x=x)
    return xp.sign(x)


def sign_grad(x: Array) -> Array:
    r"""Derivative of `sign`: no gradient passes a step.

    .. math:: \operatorname{sign}'(x) = 0 \quad (x ≠ 0)

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> sign_grad(np.array([-2.0, 0.0, 3.0]))
        array([0., 0., 0.])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.3.

    Who differs:
        Nobody: at the jump there is no derivative, and torch takes 0 as well.
    """
    xp = namespace("sign_grad", x=x)
    return _keep_nan(xp, x, xp.zeros_like(x))


def sigmoid(x: Array) -> Array:
    r"""The logistic sigmoid: a number becomes a probability.

    .. math:: σ(x) = \frac{1}{1 + e^{-x}} = \frac{e^x}{1 + e^x}

    The first form is used where x ≥ 0, the second elsewhere: no exponential overflows, and small
    probabilities keep all their digits.

    Args:
        x: any shape, floating.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
        array([0. , 0.5, 1. ])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.3.

    Who differs:
        Nobody: ``torch.sigmoid`` and ``scipy.special.expit`` are this function.
    """
    xp = namespace("sigmoid", x=x)
    small = xp.exp(xp.where(x < 0, x, -x))  # not -|x|: at 0 autograd takes 0 for its derivative
    return xp.where(x < 0, small, 1.0) / (1 + small)


def sigmoid_grad(x: Array) -> Array:
    r"""Derivative of `sigmoid`: at most 1/4, and nothing where it saturates.

    .. math:: σ'(x) = σ(x) (1 - σ(x)) = σ(x) σ(-x)

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> sigmoid_grad(np.array([-1e4, 0.0, 1e4]))
        array([0.  , 0.25, 0.  ])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.3.

    Who differs:
        torch computes σ (1 - σ), which loses the digits of 1 - σ where σ is near 1: in float64 it
        is 0 from about x = 37 on, where the derivative is e⁻³⁷.
    """
    namespace("sigmoid_grad", x=x)
    return sigmoid(x) * sigmoid(-x)


def tanh(x: Array) -> Array:
    r"""The hyperbolic tangent: a sigmoid around 0, from -1 to 1.

    .. math:: \tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} = 2 σ(2x) - 1

    As an output it reaches targets inside (-1, 1) only.

    Args:
        x: any shape, floating.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> tanh(np.array([-1e4, 0.0, 1e4]))
        array([-1.,  0.,  1.])

    References:
        LeCun et al., *Efficient BackProp*, 1998, doi:10.1007/3-540-49430-8_2.

    Who differs:
        LeCun et al. advise 1.7159 tanh(2x/3), which maps ±1 to ±1; frameworks take the plain one.
    """
    xp = namespace("tanh", x=x)
    return xp.tanh(x)


def tanh_grad(x: Array) -> Array:
    r"""Derivative of `tanh`: 1 at 0, and nothing where it saturates.

    .. math:: \tanh'(x) = 1 - \tanh(x)^2

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> tanh_grad(np.array([-1e4, 0.0, 1e4]))
        array([0., 1., 0.])

    References:
        LeCun et al., *Efficient BackProp*, 1998, doi:10.1007/3-540-49430-8_2.

    Who differs:
        Nobody: torch's backward pass is this line.
    """
    xp = namespace("tanh_grad", x=x)
    return 1 - xp.tanh(x) ** 2


def relu(x: Array) -> Array:
    r"""The rectifier: what is negative becomes 0.

    .. math:: f(x) = \max(0, x)

    A unit that is negative for every sample passes no gradient and stays so: a dead ReLU.

    Args:
        x: any shape, floating.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> relu(np.array([-2.0, 0.0, 3.0]))
        array([0., 0., 3.])

    References:
        Glorot, Bordes and Bengio, *Deep Sparse Rectifier Neural Networks*, AISTATS 2011.

    Who differs:
        Nobody: ``torch.relu`` is this function.
    """
    xp = namespace("relu", x=x)
    return xp.where(x <= 0, 0.0, x)


def relu_grad(x: Array) -> Array:
    r"""Derivative of `relu`: the step, with 0 at the kink.

    .. math:: f'(x) = [x > 0] = H(x)

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> relu_grad(np.array([-2.0, 0.0, 3.0]))
        array([0., 0., 1.])

    References:
        Glorot, Bordes and Bengio, *Deep Sparse Rectifier Neural Networks*, AISTATS 2011.

    Who differs:
        Nobody in practice: torch and TensorFlow take 0 at 0 as well; any number from 0 to 1 is a
        subgradient there.
    """
    namespace("relu_grad", x=x)
    return heaviside(x)


def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Array:
    r"""Leaky ReLU: a small slope keeps the negative side alive.

    .. math:: f(x) = \begin{cases} x & x > 0 \\ αx & x ≤ 0 \end{cases}

    Args:
        x: any shape, floating.
        negative_slope: α, a finite number, at least 0.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``negative_slope`` is no number.
        ValueError: ``negative_slope`` is negative or not finite.

    Example:
        >>> import numpy as np
        >>> leaky_relu(np.array([-2.0, 0.0, 3.0]), negative_slope=0.1)
        array([-0.2,  0. ,  3. ])

    References:
        Maas, Hannun and Ng, *Rectifier Nonlinearities Improve Neural Network Acoustic Models*, ICML
        2013.

    Who differs:
        The slope: 0.01 in the paper, torch and JAX; Keras has 0.3 in its layer and 0.2 in its
        function. Texts that write max(αx, x) mean the same for α ≤ 1 only; above 1 it bends the
        other way.
    """
    xp = namespace("leaky_relu", x=x)
    slope = as_number("leaky_relu", "negative_slope", negative_slope, "[0, inf)") * xp.ones_like(x)
    return prelu(x, slope)


def leaky_relu_grad(x: Array, *, negative_slope: float = 0.01) -> Array:
    r"""Derivative of `leaky_relu`, with α at the kink.

    .. math:: f'(x) = \begin{cases} 1 & x > 0 \\ α & x ≤ 0 \end{cases}

    Args:
        x: any shape, floating.
        negative_slope: α, a finite number, at least 0.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``negative_slope`` is no number.
        ValueError: ``negative_slope`` is negative or not finite.

    Example:
        >>> import numpy as np
        >>> leaky_relu_grad(np.array([-2.0, 0.0, 3.0]), negative_slope=0.1)
        array([0.1, 0.1, 1. ])

    References:
        Maas, Hannun and Ng, *Rectifier Nonlinearities Improve Neural Network Acoustic Models*, ICML
        2013.

    Who differs:
        Nobody: torch takes α at 0 as well.
    """
    xp = namespace("leaky_relu_grad", x=x)
    slope = as_number(
        "leaky_relu_grad", "negative_slope", negative_slope, "[0, inf)"
    ) * xp.ones_like(x)
    return prelu_grad(x, slope)


def prelu(x: Array, alpha: Array) -> Array:
    r"""Parametric ReLU: a leaky ReLU that learns its slopes.

    .. math:: f(x) = \begin{cases} x & x > 0 \\ αx & x ≤ 0 \end{cases}

    Args:
        x: any shape, floating.
        alpha: α, the learned slopes, dtype of ``x``; a shape that broadcasts to that of ``x``: ()
            for one slope, (features,) for one a feature of (samples, features), (channels, 1, 1)
            for one a channel of (samples, channels, height, width).

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: the dtypes differ, or the shape of ``alpha`` does not broadcast to that of x.

    Example:
        >>> import numpy as np
        >>> prelu(np.array([[-2.0, -2.0], [1.0, -4.0]]), np.array([0.25, 0.5]))
        array([[-0.5, -1. ],
               [ 1. , -2. ]])

    References:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015, arXiv:1502.01852.

    Who differs:
        ``torch.nn.functional.prelu`` takes α as a flat array along axis 1; here shapes broadcast as
        they always do. The paper and torch start α at 0.25, Keras at 0. The paper trains α without
        weight decay, which would push it to ReLU. (Its author is He; a source writes "Hue".)
    """
    xp = _checked_prelu("prelu", x, alpha)
    unused = (x > 0) | ((alpha == 0) & xp.isinf(x))
    return xp.where(x > 0, x, alpha * xp.where(unused, 0.0, x))


def prelu_grad(x: Array, alpha: Array) -> Array:
    r"""Derivative of `prelu` with respect to x, with α at the kink.

    .. math:: f'(x) = \begin{cases} 1 & x > 0 \\ α & x ≤ 0 \end{cases}

    Args:
        x: any shape, floating.
        alpha: α, the learned slopes, dtype of ``x``; a shape that broadcasts to that of ``x``: ()
            for one slope, (features,) for one a feature of (samples, features), (channels, 1, 1)
            for one a channel of (samples, channels, height, width).

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: the dtypes differ, or the shape of ``alpha`` does not broadcast to that of x.

    Example:
        >>> import numpy as np
        >>> prelu_grad(np.array([-2.0, 0.0, 3.0]), np.array(0.25))
        array([0.25, 0.25, 1.  ])

    References:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015, arXiv:1502.01852.

    Who differs:
        Nobody: torch takes α at 0 as well.
    """
    xp = _checked_prelu("prelu_grad", x, alpha)
    return _keep_nan(xp, x, xp.where(x > 0, 1.0, alpha))


def prelu_alpha_grad(grad: Array, x: Array, alpha: Array) -> Array:
    r"""Gradient of the loss with respect to PReLU's slopes.

    .. math:: \frac{∂L}{∂α} = \sum \frac{∂L}{∂y} \min(x, 0)

    The sum runs over all entries that share a slope.

    Args:
        grad: ∂L/∂y, shape and dtype of ``x``.
        x: any shape, floating.
        alpha: α, the learned slopes, dtype of ``x``; a shape that broadcasts to that of ``x``: ()
            for one slope, (features,) for one a feature of (samples, features), (channels, 1, 1)
            for one a channel of (samples, channels, height, width).

    Returns:
        ∂L/∂α, shape and dtype of ``alpha``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: shapes or dtypes differ, or the shape of ``alpha`` does not broadcast to that
            of x.

    Example:
        >>> import numpy as np
        >>> x = np.array([[-2.0, -2.0], [1.0, -4.0]])
        >>> prelu_alpha_grad(np.ones((2, 2)), x, np.array([0.25, 0.5]))
        array([-2., -6.])

    References:
        He et al., *Delving Deep into Rectifiers*, ICCV 2015, arXiv:1502.01852.

    Who differs:
        Nobody in the values; torch wants α flat, see `prelu`.
    """
    name = "prelu_alpha_grad"
    xp = _checked_prelu(name, x, alpha)
    namespace(name, grad=grad, x=x)
    require_like(name, "x", x, "grad", grad)
    shared = (1,) * (x.ndim - alpha.ndim) + tuple(alpha.shape)
    axes = tuple(axis for axis, length in enumerate(shared) if length == 1)
    return xp.reshape(xp.sum(grad * xp.where(x > 0, 0.0, x), axis=axes), tuple(alpha.shape))


def rrelu(
    x: Array, *, rng: np.random.Generator | None = None, lower: float = 1 / 8, upper: float = 1 / 3
) -> Array:
    r"""Randomized leaky ReLU: random slopes in training, their mean at test.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ ax & x ≤ 0 \end{cases}, \qquad
        a \sim U(l, u) \text{ in training}, \quad a = \frac{l + u}{2} \text{ at test}

    The slopes depend on the generator's state alone: give `rrelu_grad` a generator of the same seed
    and it uses the same ones, on any library.

    Args:
        x: any shape, floating.
        rng: draws the slopes in training, one for each entry of x, whatever its sign; ``None`` at
            test.
        lower: l, at least 0.
        upper: u, finite, at least ``lower``.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, a bound is no number, or ``rng``
            is no generator.
        ValueError: a bound is negative or not finite, or ``lower`` is above ``upper``.

    Example:
        >>> import numpy as np
        >>> x = np.array([-12.0, -12.0, 6.0])
        >>> rrelu(x, lower=0.25, upper=0.5)           # test: the slope is 0.375
        array([-4.5, -4.5,  6. ])
        >>> y = rrelu(x, rng=np.random.default_rng(0), lower=0.25, upper=0.5)
        >>> bool(-6 <= y[0] <= -3), bool(y[0] == y[1])
        (True, False)

    References:
        Xu et al., *Empirical Evaluation of Rectified Activations in Convolutional Network*, 2015,
        arXiv:1505.00853.

    Who differs:
        torch draws the slope from U(1/8, 1/3), as here, so its mean is 11/48 = 0.229. The paper
        used a divisor from U(3, 8): the same range, but not a uniform slope, and at test x / 5.5, a
        slope of 0.182.
    """
    xp = namespace("rrelu", x=x)
    return prelu(x, _rrelu_slopes("rrelu", xp, x, rng, lower, upper))


def rrelu_grad(
    x: Array, *, rng: np.random.Generator | None = None, lower: float = 1 / 8, upper: float = 1 / 3
) -> Array:
    r"""Derivative of `rrelu` for the same slopes, with the slope at the kink.

    .. math:: f'(x) = \begin{cases} 1 & x > 0 \\ a & x ≤ 0 \end{cases}

    Args:
        x: any shape, floating.
        rng: in training a generator in the state that the one of `rrelu` was in: a new one of
            the same seed; ``None`` at test.
        lower: l, at least 0.
        upper: u, finite, at least ``lower``.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, a bound is no number, or ``rng``
            is no generator.
        ValueError: a bound is negative or not finite, or ``lower`` is above ``upper``.

    Example:
        >>> import numpy as np
        >>> x, seed = np.array([-2.0, 3.0]), 7
        >>> y = rrelu(x, rng=np.random.default_rng(seed))
        >>> slopes = rrelu_grad(x, rng=np.random.default_rng(seed))
        >>> bool(np.all(slopes * x == y))
        True

    References:
        Xu et al., *Empirical Evaluation of Rectified Activations in Convolutional Network*, 2015,
        arXiv:1505.00853.

    Who differs:
        torch's autograd keeps the slopes of the forward pass; here the seed keeps them.
    """
    xp = namespace("rrelu_grad", x=x)
    return prelu_grad(x, _rrelu_slopes("rrelu_grad", xp, x, rng, lower, upper))


def elu(x: Array, *, alpha: float = 1.0) -> Array:
    r"""Exponential linear unit: the negative side bends down to -α.

    .. math:: f(x) = \begin{cases} x & x > 0 \\ α (e^x - 1) & x ≤ 0 \end{cases}

    Smooth for α = 1 only: otherwise the slope jumps at 0 from α to 1.

    Args:
        x: any shape, floating.
        alpha: α, a finite number, at least 0; f goes to -α.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``alpha`` is no number.
        ValueError: ``alpha`` is negative or not finite.

    Example:
        >>> import numpy as np
        >>> elu(np.array([-1e4, 0.0, 3.0]))
        array([-1.,  0.,  3.])

    References:
        Clevert, Unterthiner and Hochreiter, *Fast and Accurate Deep Network Learning by Exponential
        Linear Units*, ICLR 2016, arXiv:1511.07289.

    Who differs:
        Sources that call ELU smooth mean α = 1. CELU, ``torch.nn.functional.celu``, has e^{x/α}
        instead: smooth for every α, and the same function at α = 1.
    """
    xp = namespace("elu", x=x)
    alpha = as_number("elu", "alpha", alpha, "[0, inf)")
    negative = xp.where(x > 0, 0.0, x)  # the exponential of a large x overflows, in autograd too
    return xp.where(x > 0, x, alpha * xp.expm1(negative))


def elu_grad(x: Array, *, alpha: float = 1.0) -> Array:
    r"""Derivative of `elu`, with α at 0.

    .. math:: f'(x) = \begin{cases} 1 & x > 0 \\ α e^x & x ≤ 0 \end{cases}

    Args:
        x: any shape, floating.
        alpha: α, a finite number, at least 0; f goes to -α.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``alpha`` is no number.
        ValueError: ``alpha`` is negative or not finite.

    Example:
        >>> import numpy as np
        >>> elu_grad(np.array([-1e4, 0.0, 3.0]), alpha=0.5)
        array([0. , 0.5, 1. ])

    References:
        Clevert, Unterthiner and Hochreiter, *Fast and Accurate Deep Network Learning by Exponential
        Linear Units*, ICLR 2016, arXiv:1511.07289.

    Who differs:
        Nobody: torch takes α at 0 as well.
    """
    xp = namespace("elu_grad", x=x)
    alpha = as_number("elu_grad", "alpha", alpha, "[0, inf)")
    negative = xp.where(x > 0, 0.0, x)
    return xp.where(x > 0, 1.0, alpha * xp.exp(negative))


def selu_constants() -> tuple[float, float]:
    r"""SELU's α and λ: what keeps mean 0 and variance 1 of a standard normal z.

    .. math::

        E[f(z)] = λ \left( \tfrac{1}{\sqrt{2π}} + α m_1 \right) = 0, \qquad
        E[f(z)^2] = λ^2 \left( \tfrac12 + α^2 m_2 \right) = 1

    with the moments of the negative side, Φ the normal distribution function:

    .. math::

        m_1 = E[(e^z - 1) [z < 0]] = \sqrt{e} \, Φ(-1) - \tfrac12, \qquad
        m_2 = E[(e^z - 1)^2 [z < 0]] = e^2 Φ(-2) - 2 \sqrt{e} \, Φ(-1) + \tfrac12

    The first equation gives α, the second then λ.

    Returns:
        (α, λ) = (1.67326..., 1.05070...).

    Raises:
        Nothing.

    Example:
        >>> alpha, scale = selu_constants()
        >>> round(alpha, 4), round(scale, 4)
        (1.6733, 1.0507)

    References:
        Klambauer et al., *Self-Normalizing Neural Networks*, NIPS 2017, arXiv:1706.02515.

    Who differs:
        Nobody: frameworks have the digits typed in.
    """
    m1 = math.sqrt(math.e) * _normal_below(-1) - 1 / 2
    m2 = math.e**2 * _normal_below(-2) - 2 * math.sqrt(math.e) * _normal_below(-1) + 1 / 2
    alpha = -1 / (math.sqrt(2 * math.pi) * m1)
    return alpha, 1 / math.sqrt(1 / 2 + alpha**2 * m2)


def selu(x: Array) -> Array:
    r"""Scaled ELU: its fixed point has mean 0 and variance 1.

    .. math:: f(x) = λ \begin{cases} x & x > 0 \\ α (e^x - 1) & x ≤ 0 \end{cases}

    α and λ come from `selu_constants`. As α is not 1, the slope jumps at 0 from λα to λ.

    Args:
        x: any shape, floating.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> selu(np.array([-1e4, 0.0, 1.0])).round(4)
        array([-1.7581,  0.    ,  1.0507])

    References:
        Klambauer et al., *Self-Normalizing Neural Networks*, NIPS 2017, arXiv:1706.02515.

    Who differs:
        Nobody. It needs weights of mean 0 and variance 1/fan_in (LeCun) and inputs that are
        standardised; dropout breaks the fixed point, alpha dropout keeps it.
    """
    namespace("selu", x=x)
    return _SELU_LAMBDA * elu(x, alpha=_SELU_ALPHA)


def selu_grad(x: Array) -> Array:
    r"""Derivative of `selu`, with λα at 0.

    .. math:: f'(x) = λ \begin{cases} 1 & x > 0 \\ α e^x & x ≤ 0 \end{cases}

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> selu_grad(np.array([-1e4, 0.0, 1.0])).round(4)
        array([0.    , 1.7581, 1.0507])

    References:
        Klambauer et al., *Self-Normalizing Neural Networks*, NIPS 2017, arXiv:1706.02515.

    Who differs:
        Nobody: torch takes λα at 0 as well.
    """
    namespace("selu_grad", x=x)
    return _SELU_LAMBDA * elu_grad(x, alpha=_SELU_ALPHA)


def silu(x: Array, *, beta: float = 1.0) -> Array:
    r"""SiLU, and Swish for another β: x gated by its own sigmoid.

    .. math:: f(x) = x σ(βx)

    It falls to a minimum at βx ≈ -1.278 before it rises. As β → 0 it becomes x/2, as β → ∞ ReLU.

    Args:
        x: any shape, floating.
        beta: β, a finite number above 0.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``beta`` is no number.
        ValueError: ``beta`` is not above 0 or not finite.

    Example:
        >>> import numpy as np
        >>> silu(np.array([-np.inf, 0.0, 1e4]))
        array([    0.,     0., 10000.])

    References:
        Elfwing, Uchibe and Doya, *Sigmoid-Weighted Linear Units*, 2018, arXiv:1702.03118 (SiLU).
        Ramachandran, Zoph and Le, *Searching for Activation Functions*, 2017, arXiv:1710.05941
        (Swish).

    Who differs:
        ``torch.nn.functional.silu`` has no β and is NaN at -∞, where the limit is 0. The name is
        Swish; a source that says "Switch" means this function. The paper also lets β be learned.
    """
    xp = namespace("silu", x=x)
    beta = as_number("silu", "beta", beta, "(0, inf)")
    finite = _finite(xp, x)
    return xp.where(xp.isinf(x), relu(x), finite * sigmoid(beta * finite))


def silu_grad(x: Array, *, beta: float = 1.0) -> Array:
    r"""Derivative of `silu`.

    .. math:: f'(x) = σ(βx) + βx σ(βx) σ(-βx)

    Args:
        x: any shape, floating.
        beta: β, a finite number above 0.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``beta`` is no number.
        ValueError: ``beta`` is not above 0 or not finite.

    Example:
        >>> import numpy as np
        >>> silu_grad(np.array([-1e4, -1.2784645, 0.0, 1e4])).round(6) + 0.0
        array([0. , 0. , 0.5, 1. ])

    References:
        Elfwing, Uchibe and Doya, *Sigmoid-Weighted Linear Units*, 2018, arXiv:1702.03118 (SiLU).
        Ramachandran, Zoph and Le, *Searching for Activation Functions*, 2017, arXiv:1710.05941
        (Swish).

    Who differs:
        torch is NaN at ±∞, where the limits are 0 and 1. A source says that Swish's gradient is
        never zero: it is 0 at βx ≈ -1.278, negative below, and vanishes for x → -∞.
    """
    xp = namespace("silu_grad", x=x)
    beta = as_number("silu_grad", "beta", beta, "(0, inf)")
    z = beta * _finite(xp, x)
    gate = sigmoid(z)
    return xp.where(xp.isinf(x), heaviside(x), gate + z * gate * sigmoid(-z))


def gelu(x: Array, *, approximate: str = "none") -> Array:
    r"""Gaussian error linear unit: x gated by the chance that a normal draw is below it.

    .. math::

        f(x) = x Φ(x), \qquad Φ(x) = \tfrac12 \operatorname{erfc} \left( -x / \sqrt2 \right)
        ≈ \tfrac12 \left( 1 + \tanh \left( \sqrt{2/π} \, (x + 0.044715 x^3) \right) \right)

    Args:
        x: any shape, floating.
        approximate: "none" for Φ itself, "tanh" for the approximation.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.
        ValueError: ``approximate`` is another word.

    Example:
        >>> import numpy as np
        >>> gelu(np.array([-np.inf, -1.0, 1.0])).round(6)
        array([ 0.      , -0.158655,  0.841345])
        >>> gelu(np.array([-np.inf, -1.0, 1.0]), approximate="tanh").round(6)
        array([ 0.      , -0.158808,  0.841192])

    References:
        Hendrycks and Gimpel, *Gaussian Error Linear Units (GELUs)*, 2016, arXiv:1606.08415.

    Who differs:
        ``torch.nn.functional.gelu`` is NaN at -∞, where the limit is 0. The default is the exact
        form in torch and in Keras's activation, the tanh form in JAX and ``keras.ops``; they differ
        by up to 0.0005. The paper's quick form x σ(1.702x), `silu` with β = 1.702, is off by up to
        0.02. torch's 1 + erf(x/√2) loses the left tail, 0 below about -8.4; erfc keeps it.
    """
    xp = namespace("gelu", x=x)
    near = xp.clip(x, -_GELU_FAR, _GELU_FAR)
    gate, _ = _gelu_gate("gelu", xp, near, approximate)
    return xp.where(xp.abs(x) > _GELU_FAR, relu(x), near * gate)


def gelu_grad(x: Array, *, approximate: str = "none") -> Array:
    r"""Derivative of `gelu`.

    .. math:: f'(x) = Φ(x) + x φ(x), \qquad φ(x) = Φ'(x) = \frac{1}{\sqrt{2π}} e^{-x^2/2}

    For the approximation Φ and φ are those of the approximation: the derivative fits the function.

    Args:
        x: any shape, floating.
        approximate: "none" for Φ itself, "tanh" for the approximation.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.
        ValueError: ``approximate`` is another word.

    Example:
        >>> import numpy as np
        >>> gelu_grad(np.array([-1e4, 0.0, 1e4]))
        array([0. , 0.5, 1. ])

    References:
        Hendrycks and Gimpel, *Gaussian Error Linear Units (GELUs)*, 2016, arXiv:1606.08415.

    Who differs:
        torch is NaN at ±∞, where the limits are 0 and 1.
    """
    xp = namespace("gelu_grad", x=x)
    near = xp.clip(x, -_GELU_FAR, _GELU_FAR)
    gate, slope = _gelu_gate("gelu_grad", xp, near, approximate)
    return xp.where(xp.abs(x) > _GELU_FAR, heaviside(x), gate + near * slope)


def mish(x: Array) -> Array:
    r"""Mish: x gated by the tanh of its softplus.

    .. math:: f(x) = x \tanh(\ln(1 + e^x))

    It falls to a minimum at x ≈ -1.192 before it rises.

    Args:
        x: any shape, floating.

    Returns:
        y, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> mish(np.array([-np.inf, 0.0, 1e4]))
        array([    0.,     0., 10000.])

    References:
        Misra, *Mish: A Self Regularized Non-Monotonic Activation Function*, 2019, arXiv:1908.08681.

    Who differs:
        ``torch.nn.functional.mish`` is NaN at -∞, where the limit is 0.
    """
    xp = namespace("mish", x=x)
    finite = _finite(xp, x)
    return xp.where(xp.isinf(x), relu(x), finite * _mish_gate(xp, finite))


def mish_grad(x: Array) -> Array:
    r"""Derivative of `mish`.

    .. math:: f'(x) = t + x (1 - t^2) σ(x), \qquad t = \tanh(\ln(1 + e^x))

    Args:
        x: any shape, floating.

    Returns:
        f'(x), shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype.

    Example:
        >>> import numpy as np
        >>> mish_grad(np.array([-1e4, -1.1924312, 0.0, 1e4])).round(6) + 0.0
        array([0. , 0. , 0.6, 1. ])

    References:
        Misra, *Mish: A Self Regularized Non-Monotonic Activation Function*, 2019, arXiv:1908.08681.

    Who differs:
        torch is NaN at ±∞, where the limits are 0 and 1. A source says that Mish's gradient does
        not vanish: it is 0 at x ≈ -1.192, negative below, and vanishes for x → -∞.
    """
    xp = namespace("mish_grad", x=x)
    finite = _finite(xp, x)
    t = _mish_gate(xp, finite)
    slope = t + finite * (1 - t**2) * sigmoid(finite)
    return xp.where(xp.isinf(x), heaviside(x), slope)


def softmax(x: Array, *, temperature: float = 1.0, axis: int = -1) -> Array:
    r"""Logits become probabilities that add up to 1.

    .. math:: p_k = \frac{e^{x_k / T}}{\sum_j e^{x_j / T}}

    The largest logit is subtracted first: the result is the same, and nothing overflows. T → 0
    gives all to the largest, T → ∞ the same to each. Logits of +∞ share everything equally.

    Args:
        x: the logits, floating; any shape, also () (one class, probability 1).
        temperature: T, a finite number above 0.
        axis: the axis of the classes, within ``x``.

    Returns:
        p, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, ``temperature`` no number or ``axis``
            no integer.
        ValueError: ``temperature`` is not above 0 or not finite, or x has no such axis.

    Example:
        >>> import numpy as np
        >>> softmax(np.array([1e4, 1e4, -1e4]))
        array([0.5, 0.5, 0. ])
        >>> softmax(np.array([0.0, 1.0]), temperature=0.1).round(4)
        array([0., 1.])

    References:
        Bridle, *Probabilistic Interpretation of Feedforward Classification Network Outputs*, 1990,
        doi:10.1007/978-3-642-76153-9_28.

    Who differs:
        ``torch.softmax`` and ``scipy.special.softmax`` have no T: they are softmax(x / T), and NaN
        where a logit is +∞.
    """
    xp, temperature = _checked_softmax("softmax", temperature, axis, x=x)
    powers = xp.exp(_below_top(xp, x, axis) / temperature)
    return powers / xp.sum(powers, axis=axis, keepdims=True)


def softmax_grad(grad: Array, x: Array, *, temperature: float = 1.0, axis: int = -1) -> Array:
    r"""Vector-Jacobian product of `softmax`: from ∂L/∂p to ∂L/∂x.

    .. math::

        \frac{∂L}{∂x_k} = \sum_j g_j \frac{∂p_j}{∂x_k}
        = \frac{p_k}{T} \left( g_k - \sum_j g_j p_j \right)

    The Jacobian (diag(p) - ppᵀ)/T is symmetric, so this is the Jacobian-vector product as well.

    Args:
        grad: g = ∂L/∂p, shape and dtype of ``x``.
        x: the logits, as in the forward pass.
        temperature: T, a finite number above 0.
        axis: the axis of the classes, within ``x``.

    Returns:
        ∂L/∂x, shape and dtype of ``x``; it adds up to 0 along ``axis``.

    Raises:
        TypeError: an array is not one of a floating dtype, they are of two libraries,
            ``temperature`` is no number or ``axis`` no integer.
        ValueError: shapes or dtypes differ, ``temperature`` is not above 0 or not finite, or x has
            no such axis.

    Example:
        >>> import numpy as np
        >>> softmax_grad(np.array([1.0, 0.0]), np.array([0.0, 0.0]))
        array([ 0.25, -0.25])

    References:
        Bridle, *Probabilistic Interpretation of Feedforward Classification Network Outputs*, 1990,
        doi:10.1007/978-3-642-76153-9_28.

    Who differs:
        torch's own backward function takes the output p where this one takes x.
    """
    xp, temperature = _checked_softmax("softmax_grad", temperature, axis, x=x, grad=grad)
    p = softmax(x, temperature=temperature, axis=axis)
    return p * (grad - xp.sum(grad * p, axis=axis, keepdims=True)) / temperature


def log_softmax(x: Array, *, temperature: float = 1.0, axis: int = -1) -> Array:
    r"""Logarithms of the softmax, with all their digits where p underflows.

    .. math:: \ln p_k = \frac{x_k}{T} - \ln \sum_j e^{x_j / T}

    Args:
        x: the logits, floating; any shape, also () (one class, probability 1).
        temperature: T, a finite number above 0.
        axis: the axis of the classes, within ``x``.

    Returns:
        ln p, shape and dtype of ``x``, at most 0.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, ``temperature`` no number or ``axis``
            no integer.
        ValueError: ``temperature`` is not above 0 or not finite, or x has no such axis.

    Example:
        >>> import numpy as np
        >>> log_softmax(np.array([1e4, 0.0]))
        array([     0., -10000.])

    References:
        Bridle, *Probabilistic Interpretation of Feedforward Classification Network Outputs*, 1990,
        doi:10.1007/978-3-642-76153-9_28.

    Who differs:
        ``torch.log_softmax`` has no T: it is log_softmax(x / T), and NaN where a logit is +∞.
    """
    xp, temperature = _checked_softmax("log_softmax", temperature, axis, x=x)
    z = _below_top(xp, x, axis) / temperature
    if 0 in x.shape:
        return z
    return z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True))


def log_softmax_grad(grad: Array, x: Array, *, temperature: float = 1.0, axis: int = -1) -> Array:
    r"""Vector-Jacobian product of `log_softmax`: from ∂L/∂(ln p) to ∂L/∂x.

    .. math:: \frac{∂L}{∂x_k} = \frac{1}{T} \left( g_k - p_k \sum_j g_j \right)

    With g = -1 at the right class and 0 elsewhere it is the gradient of the cross-entropy, p - y.

    Args:
        grad: g = ∂L/∂(ln p), shape and dtype of ``x``.
        x: the logits, as in the forward pass.
        temperature: T, a finite number above 0.
        axis: the axis of the classes, within ``x``.

    Returns:
        ∂L/∂x, shape and dtype of ``x``; it adds up to 0 along ``axis``.

    Raises:
        TypeError: an array is not one of a floating dtype, they are of two libraries,
            ``temperature`` is no number or ``axis`` no integer.
        ValueError: shapes or dtypes differ, ``temperature`` is not above 0 or not finite, or x has
            no such axis.

    Example:
        >>> import numpy as np
        >>> log_softmax_grad(np.array([-1.0, 0.0]), np.array([0.0, 0.0]))    # p - [k = 0]
        array([-0.5,  0.5])

    References:
        Bridle, *Probabilistic Interpretation of Feedforward Classification Network Outputs*, 1990,
        doi:10.1007/978-3-642-76153-9_28.

    Who differs:
        torch's own backward function takes the output ln p where this one takes x.
    """
    xp, temperature = _checked_softmax("log_softmax_grad", temperature, axis, x=x, grad=grad)
    p = softmax(x, temperature=temperature, axis=axis)
    return (grad - p * xp.sum(grad, axis=axis, keepdims=True)) / temperature


def _keep_nan(xp: ModuleType, x: Array, value: Array) -> Array:
    return xp.where(xp.isnan(x), x, value)


def _finite(xp: ModuleType, x: Array) -> Array:
    """Return x with 0 for ±∞, whose limits are put in afterwards: ∞ · 0 would be NaN."""
    return xp.where(xp.isinf(x), 0.0, x)


def _mish_gate(xp: ModuleType, x: Array) -> Array:
    small = xp.exp(xp.where(x < 0, x, -x))
    softplus = xp.where(x < 0, 0.0, x) + xp.log1p(small)  # logaddexp warns of NaN in NumPy
    return xp.tanh(softplus)


_GELU_FAR = 40.0  # further out Φ is 0 or 1 in float64, and x³ would overflow


def _gelu_gate(name: str, xp: ModuleType, x: Array, approximate: str) -> tuple[Array, Array]:
    """Return Φ(x), or its approximation, and its derivative."""
    if approximate == "none":
        density = xp.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return _erfc(xp, -x / math.sqrt(2)) / 2, density
    if approximate == "tanh":
        t = xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        return (1 + t) / 2, (1 - t**2) / 2 * inner
    raise ValueError(f'{name}: approximate must be "none" (exact) or "tanh", got {approximate!r}.')


def _erfc(xp: ModuleType, x: Array) -> Array:
    """Return 1 - erf(x), which the array API lacks: torch's own, else SciPy's through NumPy."""
    if hasattr(xp, "erfc"):
        return xp.erfc(x)
    from scipy.special import erfc  # type: ignore[import-untyped]  # slow to import, rarely used

    return xp.asarray(erfc(np.asarray(x)), dtype=x.dtype, device=device(x))


def _normal_below(x: float) -> float:
    """Return Φ(x), the share of a standard normal below x."""
    return math.erfc(-x / math.sqrt(2)) / 2


_SELU_ALPHA, _SELU_LAMBDA = selu_constants()


def _rrelu_slopes(
    name: str,
    xp: ModuleType,
    x: Array,
    rng: np.random.Generator | None,
    lower: float,
    upper: float,
) -> Array:
    lower, upper = (
        as_number(name, "lower", lower, "[0, inf)"),
        as_number(name, "upper", upper, "[0, inf)"),
    )
    if lower > upper:
        raise ValueError(f"{name}: lower = {lower} is above upper = {upper}. Swap them.")
    if rng is None:
        return (lower + upper) / 2 * xp.ones_like(x)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{name}: rng is a {kind_of(rng)}. Pass numpy.random.default_rng(seed), "
            "or None at test."
        )
    slopes = rng.uniform(lower, upper, size=tuple(x.shape))
    return xp.asarray(slopes, dtype=x.dtype, device=device(x))


def _checked_prelu(name: str, x: Array, alpha: Array) -> ModuleType:
    xp = namespace(name, x=x, alpha=alpha)
    if x.dtype != alpha.dtype:
        raise ValueError(
            f"{name}: x has dtype {x.dtype} but alpha has dtype {alpha.dtype}. "
            "Convert alpha to the dtype of x."
        )
    trailing = tuple(x.shape)[x.ndim - alpha.ndim :]
    if alpha.ndim > x.ndim or any(
        mine not in (1, length) for mine, length in zip(alpha.shape, trailing, strict=True)
    ):
        raise ValueError(
            f"{name}: alpha has shape {tuple(alpha.shape)}, which does not broadcast to x's shape "
            f"{tuple(x.shape)}. Give one slope, (), or one a feature along the last axes."
        )
    return xp


def _below_top(xp: ModuleType, x: Array, axis: int) -> Array:
    """Return x - max x, at most 0, so that no exponential overflows."""
    if 0 in x.shape:
        return x
    top = xp.max(x, axis=axis, keepdims=True)
    at_infinity = xp.where(x == top, xp.zeros_like(x), -math.inf)  # where ∞ - ∞ would be NaN
    return xp.where(xp.isinf(top), at_infinity, x - xp.where(xp.isinf(top), 0.0, top))


def _checked_softmax(
    name: str, temperature: float, axis: int, **arrays: Array
) -> tuple[ModuleType, float]:
    """Return the library and the temperature as a number."""
    xp, x = namespace(name, **arrays), arrays["x"]
    if "grad" in arrays:
        require_like(name, "x", x, "grad", arrays["grad"])
    if not isinstance(axis, int):
        raise TypeError(f"{name}: axis must be an integer, got {axis!r}.")
    axes = max(x.ndim, 1)  # a single number has one class, along axis 0
    if not -axes <= axis < axes:
        raise ValueError(
            f"{name}: x has shape {tuple(x.shape)} and no axis {axis}. "
            f"Choose one from {-axes} to {axes - 1}."
        )
    return xp, as_number(name, "temperature", temperature, "(0, inf)")
