"""Losses and their gradients with respect to what the network gives.

Regression and yes-or-no targets (`mse`, `mae`, `huber`, `bce_with_logits`): prediction and target
have one shape, and the loss is the mean over all N entries. One right class of several
(`cross_entropy`, `nll`): one row for each of B samples and one label for each row, and the loss is
the mean over the samples. The gradients carry the factor 1/N or 1/B.
"""

from __future__ import annotations

import math
from types import ModuleType

from array_api_compat import array_namespace

from course._arrays import Array, kind_of, namespace, require_like
from course._numbers import as_number
from course.activations import log_softmax, sigmoid, softmax

__all__ = [
    "bce_with_logits",
    "bce_with_logits_grad",
    "cross_entropy",
    "cross_entropy_grad",
    "huber",
    "huber_grad",
    "mae",
    "mae_grad",
    "mse",
    "mse_grad",
    "nll",
    "nll_grad",
]


def mse(prediction: Array, target: Array) -> Array:
    r"""Mean squared error: the loss of a regression.

    .. math:: L = \frac{1}{N} \sum_{i=1}^N (\hat y_i - y_i)^2

    Up to constants it is the negative log-likelihood of normal errors of equal variance.

    Args:
        prediction: ŷ, any shape but empty, floating.
        target: y, shape and dtype of ``prediction``.

    Returns:
        L, an array of shape () and the dtype of ``prediction``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: shapes or dtypes differ, or the arrays are empty.

    Example:
        >>> import numpy as np
        >>> mse(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
        np.float64(2.5)

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 5.5.

    Who differs:
        ``torch.nn.functional.mse_loss`` is this function. Many texts take half of it, so that the 2
        of the gradient goes; others sum over the outputs and take the mean over the samples only.
        NumPy would let (n, 1) against (n,) pass as (n, n); here it is an error.
    """
    xp, _ = _checked_pair("mse", prediction, target)
    return xp.mean((prediction - target) ** 2)


def mse_grad(prediction: Array, target: Array) -> Array:
    r"""Gradient of `mse` with respect to the prediction.

    .. math:: \frac{∂L}{∂\hat y_i} = \frac{2}{N} (\hat y_i - y_i)

    Args:
        prediction: ŷ, any shape but empty, floating.
        target: y, shape and dtype of ``prediction``.

    Returns:
        ∂L/∂ŷ, shape and dtype of ``prediction``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: shapes or dtypes differ, or the arrays are empty.

    Example:
        >>> import numpy as np
        >>> mse_grad(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
        array([[ 1., -2.]])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 5.5.

    Who differs:
        Texts that start from half the squared error have no 2.
    """
    _, n = _checked_pair("mse_grad", prediction, target)
    return 2 * (prediction - target) / n


def mae(prediction: Array, target: Array) -> Array:
    r"""Mean absolute error: a regression that outliers hardly move.

    .. math:: L = \frac{1}{N} \sum_{i=1}^N |\hat y_i - y_i|

    The best constant prediction is the median, that of `mse` the mean.

    Args:
        prediction: ŷ, any shape but empty, floating.
        target: y, shape and dtype of ``prediction``.

    Returns:
        L, an array of shape () and the dtype of ``prediction``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: shapes or dtypes differ, or the arrays are empty.

    Example:
        >>> import numpy as np
        >>> mae(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
        np.float64(1.5)

    References:
        Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2009, section 10.6.

    Who differs:
        Nobody: ``torch.nn.functional.l1_loss`` is this function.
    """
    xp, _ = _checked_pair("mae", prediction, target)
    return xp.mean(xp.abs(prediction - target))


def mae_grad(prediction: Array, target: Array) -> Array:
    r"""Gradient of `mae` with respect to the prediction: its size says nothing of the error's.

    .. math:: \frac{∂L}{∂\hat y_i} = \frac{1}{N} \operatorname{sign}(\hat y_i - y_i)

    Where the error is 0 there is no derivative; 0 is taken.

    Args:
        prediction: ŷ, any shape but empty, floating.
        target: y, shape and dtype of ``prediction``.

    Returns:
        ∂L/∂ŷ, shape and dtype of ``prediction``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: shapes or dtypes differ, or the arrays are empty.

    Example:
        >>> import numpy as np
        >>> mae_grad(np.array([1.0, 2.0, 3.0, 5.0]), np.array([0.0, 4.0, 3.0, 0.0]))
        array([ 0.25, -0.25,  0.  ,  0.25])

    References:
        Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2009, section 10.6.

    Who differs:
        Nobody: torch takes 0 at 0 as well.
    """
    xp, n = _checked_pair("mae_grad", prediction, target)
    return xp.sign(prediction - target) / n


def huber(prediction: Array, target: Array, *, delta: float = 1.0) -> Array:
    r"""Huber's loss: squared for small errors, absolute for large ones.

    .. math::

        L = \frac{1}{N} \sum_{i=1}^N \begin{cases}
        \frac{1}{2} e_i^2 & |e_i| ≤ δ \\ δ (|e_i| - \frac{1}{2} δ) & |e_i| > δ
        \end{cases}, \qquad e = \hat y - y

    Both cases in one: c (e - c/2) where c is e clipped to [-δ, δ].

    Args:
        prediction: ŷ, any shape but empty, floating.
        target: y, shape and dtype of ``prediction``.
        delta: δ, where an error starts to be large; finite, above 0, in units of the target.

    Returns:
        L, an array of shape () and the dtype of ``prediction``.

    Raises:
        TypeError: an array is not one of a floating dtype, they are of two libraries, or ``delta``
            is no number.
        ValueError: shapes or dtypes differ, the arrays are empty, or ``delta`` is not above 0 or
            not finite.

    Example:
        >>> import numpy as np
        >>> huber(np.array([0.5, 4.0]), np.array([0.0, 0.0]))    # the mean of 1/8 and 7/2
        np.float64(1.8125)

    References:
        Huber, *Robust Estimation of a Location Parameter*, 1964, doi:10.1214/aoms/1177703732.

    Who differs:
        ``torch.nn.functional.huber_loss`` is this function. Its ``smooth_l1_loss`` with β = δ is
        this one divided by δ.
    """
    xp, _ = _checked_pair("huber", prediction, target)
    delta = as_number("huber", "delta", delta, _DELTA)
    error = prediction - target
    clipped = xp.clip(error, -delta, delta)
    return xp.mean(clipped * (error - clipped / 2))


def huber_grad(prediction: Array, target: Array, *, delta: float = 1.0) -> Array:
    r"""Gradient of `huber` with respect to the prediction: the error itself, clipped.

    .. math:: \frac{∂L}{∂\hat y_i} = \frac{1}{N} \max(-δ, \min(δ, \hat y_i - y_i))

    Args:
        prediction: ŷ, any shape but empty, floating.
        target: y, shape and dtype of ``prediction``.
        delta: δ, where an error starts to be large; finite, above 0, in units of the target.

    Returns:
        ∂L/∂ŷ, shape and dtype of ``prediction``.

    Raises:
        TypeError: an array is not one of a floating dtype, they are of two libraries, or ``delta``
            is no number.
        ValueError: shapes or dtypes differ, the arrays are empty, or ``delta`` is not above 0 or
            not finite.

    Example:
        >>> import numpy as np
        >>> huber_grad(np.array([0.5, 4.0]), np.array([0.0, 0.0]))
        array([0.25, 0.5 ])

    References:
        Huber, *Robust Estimation of a Location Parameter*, 1964, doi:10.1214/aoms/1177703732.

    Who differs:
        Nobody: torch's autograd gives the same numbers.
    """
    xp, n = _checked_pair("huber_grad", prediction, target)
    delta = as_number("huber_grad", "delta", delta, _DELTA)
    return xp.clip(prediction - target, -delta, delta) / n


def bce_with_logits(logits: Array, targets: Array) -> Array:
    r"""Binary cross-entropy of independent yes-or-no questions, from the logits.

    .. math::

        L = -\frac{1}{N} \sum_{i=1}^N \bigl( y_i \ln σ(z_i) + (1 - y_i) \ln σ(-z_i) \bigr), \qquad
        -\ln σ(z) = \max(-z, 0) + \ln(1 + e^{-|z|})

    σ(-z) is 1 - σ(z). In the form on the right nothing overflows, and small losses keep their
    digits. With several columns it is the loss of a multi-label problem.

    Args:
        logits: z, any shape but empty, floating.
        targets: y, the probability of "yes", from 0 to 1; shape and dtype of ``logits``.

    Returns:
        L, an array of shape () and the dtype of ``logits``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: shapes or dtypes differ, the arrays are empty, or a target lies outside [0, 1].

    Example:
        >>> import numpy as np
        >>> bce_with_logits(np.array([0.0, 1e4]), np.array([1.0, 1.0])).round(6)   # half of ln 2
        np.float64(0.346574)

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.

    Who differs:
        ``torch.nn.functional.binary_cross_entropy_with_logits`` is this function, but NaN for a
        logit of ±∞. Keras's default expects probabilities; pass ``from_logits=True`` there. With
        classes -1 and +1 the same loss reads ln(1 + exp(-yz)).
    """
    xp, _ = _checked_pair("bce_with_logits", logits, targets)
    _require_probabilities(xp, "bce_with_logits", targets)
    yes, no = _minus_log_sigmoid(xp, logits), _minus_log_sigmoid(xp, -logits)
    return xp.mean(_times(xp, targets, yes) + _times(xp, 1 - targets, no))


def bce_with_logits_grad(logits: Array, targets: Array) -> Array:
    r"""Gradient of `bce_with_logits` with respect to the logits.

    .. math::

        \frac{∂L}{∂z_i} = \frac{1}{N} (σ(z_i) - y_i)
        = \frac{1}{N} \bigl( (1 - y_i) σ(z_i) - y_i σ(-z_i) \bigr)

    The last form keeps its digits where σ(z) is close to y.

    Args:
        logits: z, any shape but empty, floating.
        targets: y, the probability of "yes", from 0 to 1; shape and dtype of ``logits``.

    Returns:
        ∂L/∂z, shape and dtype of ``logits``.

    Raises:
        TypeError: an array is not one of a floating dtype, or they are of two libraries.
        ValueError: shapes or dtypes differ, the arrays are empty, or a target lies outside [0, 1].

    Example:
        >>> import numpy as np
        >>> bce_with_logits_grad(np.array([0.0, 1e4]), np.array([1.0, 0.0]))
        array([-0.25,  0.5 ])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.

    Who differs:
        torch computes σ(z) - y, which is 0 from about z = 37 on where y = 1; the gradient there is
        -e⁻³⁷/N.
    """
    xp, n = _checked_pair("bce_with_logits_grad", logits, targets)
    _require_probabilities(xp, "bce_with_logits_grad", targets)
    return ((1 - targets) * sigmoid(logits) - targets * sigmoid(-logits)) / n


def cross_entropy(logits: Array, labels: Array) -> Array:
    r"""Mean negative log-likelihood of the right classes under the softmax of the logits.

    .. math::

        L = -\frac{1}{B} \sum_{n=1}^B \log p_{n y_n}, \qquad
        \log p_{nk} = z_{nk} - \log \sum_j e^{z_{nj}}

    It is `nll` after `course.activations.log_softmax`.

    Args:
        logits: z, shape (B, classes), floating.
        labels: y, integers from 0 to classes - 1, shape (B,).

    Returns:
        L, an array of shape () and the dtype of ``logits``.

    Raises:
        TypeError: an array is none, ``logits`` is not floating or ``labels`` not integer.
        ValueError: shapes do not fit, the batch is empty, or a label has no column.

    Example:
        >>> import numpy as np
        >>> cross_entropy(np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([0, 0])).round(6)
        np.float64(0.346574)

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.

    Who differs:
        ``torch.nn.functional.cross_entropy`` is this function. Keras's default expects
        probabilities; pass ``from_logits=True`` there.
    """
    xp, right = _checked_classes("cross_entropy", "logits", logits, labels)
    return _mean_loss(xp, log_softmax(logits, axis=1), right)


def cross_entropy_grad(logits: Array, labels: Array) -> Array:
    r"""Gradient of `cross_entropy` with respect to the logits.

    .. math:: \frac{∂L}{∂z_{nk}} = \frac{1}{B} (p_{nk} - [k = y_n])

    Args:
        logits: z, shape (B, classes), floating.
        labels: y, integers from 0 to classes - 1, shape (B,).

    Returns:
        ∂L/∂z, shape and dtype of ``logits``; each row adds up to 0.

    Raises:
        TypeError: an array is none, ``logits`` is not floating or ``labels`` not integer.
        ValueError: shapes do not fit, the batch is empty, or a label has no column.

    Example:
        >>> import numpy as np
        >>> cross_entropy_grad(np.array([[0.0, 0.0]]), np.array([1]))
        array([[ 0.5, -0.5]])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.

    Who differs:
        Texts that sum over the batch instead of taking the mean have no 1/B here.
    """
    xp, right = _checked_classes("cross_entropy_grad", "logits", logits, labels)
    p = softmax(logits, axis=1)
    return (p - xp.astype(right, p.dtype)) / logits.shape[0]


def nll(log_p: Array, labels: Array) -> Array:
    r"""Mean negative log-likelihood of the right classes, from log-probabilities.

    .. math:: L = -\frac{1}{B} \sum_{n=1}^B \ln p_{n y_n}

    Args:
        log_p: ln p, shape (B, classes), floating, as `course.activations.log_softmax` gives it.
        labels: y, integers from 0 to classes - 1, shape (B,).

    Returns:
        L, an array of shape () and the dtype of ``log_p``.

    Raises:
        TypeError: an array is none, ``log_p`` is not floating or ``labels`` not integer.
        ValueError: shapes do not fit, the batch is empty, or a label has no column.

    Example:
        >>> import numpy as np
        >>> nll(np.log(np.array([[0.25, 0.75], [1.0, 0.0 + 1e-300]])), np.array([0, 0])).round(6)
        np.float64(0.693147)

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 5.5.

    Who differs:
        ``torch.nn.functional.nll_loss`` is this function, and like it takes *log*-probabilities.
        Neither can tell when it is given probabilities or logits: the number is then wrong.
    """
    xp, right = _checked_classes("nll", "log_p", log_p, labels)
    return _mean_loss(xp, log_p, right)


def nll_grad(log_p: Array, labels: Array) -> Array:
    r"""Gradient of `nll` with respect to the log-probabilities.

    .. math:: \frac{∂L}{∂\ln p_{nk}} = -\frac{1}{B} [k = y_n]

    Args:
        log_p: ln p, shape (B, classes), floating.
        labels: y, integers from 0 to classes - 1, shape (B,).

    Returns:
        ∂L/∂(ln p), shape and dtype of ``log_p``.

    Raises:
        TypeError: an array is none, ``log_p`` is not floating or ``labels`` not integer.
        ValueError: shapes do not fit, the batch is empty, or a label has no column.

    Example:
        >>> import numpy as np
        >>> nll_grad(np.log(np.array([[0.25, 0.75], [0.5, 0.5]])), np.array([0, 1])) + 0.0
        array([[-0.5,  0. ],
               [ 0. , -0.5]])

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 5.5.

    Who differs:
        Nobody: torch's autograd gives the same numbers.
    """
    xp, right = _checked_classes("nll_grad", "log_p", log_p, labels)
    return -xp.astype(right, log_p.dtype) / log_p.shape[0]


_DELTA = "(0, inf)"


def _mean_loss(xp: ModuleType, log_p: Array, right: Array) -> Array:
    return -xp.sum(xp.where(right, log_p, 0.0)) / log_p.shape[0]


def _minus_log_sigmoid(xp: ModuleType, z: Array) -> Array:
    small = xp.exp(xp.where(z < 0, z, -z))  # not -|z|: at 0 autograd takes 0 for its derivative
    return xp.where(z < 0, -z, 0.0) + xp.log1p(small)


def _times(xp: ModuleType, share: Array, surprise: Array) -> Array:
    """Return the product; 0 where the share is 0, also of an infinite surprise -ln p."""
    return share * xp.where(share == 0, 0.0, surprise)


def _checked_pair(name: str, prediction: Array, target: Array) -> tuple[ModuleType, int]:
    """Return the arrays' library and their number of entries, N."""
    first, second = _NAMES.get(name.removesuffix("_grad"), ("prediction", "target"))
    xp = namespace(name, **{first: prediction, second: target})
    require_like(name, first, prediction, second, target)
    n = math.prod(prediction.shape)
    if n == 0:
        raise ValueError(
            f"{name}: {first} has shape {tuple(prediction.shape)}; nothing has no mean. "
            "Give at least one entry."
        )
    return xp, n


_NAMES = {"bce_with_logits": ("logits", "targets")}


def _require_probabilities(xp: ModuleType, name: str, targets: Array) -> None:
    if xp.any((targets < 0) | (targets > 1)):
        raise ValueError(
            f"{name}: targets run from {float(xp.min(targets)):g} to {float(xp.max(targets)):g}, "
            "they must lie in [0, 1]. Turn classes -1 and +1 into (y + 1) / 2."
        )


def _checked_classes(name: str, key: str, scores: Array, labels: Array) -> tuple[ModuleType, Array]:
    """Return the arrays' library and the mask of the right classes, of the shape of the scores."""
    xp = namespace(name, **{key: scores})
    if not hasattr(labels, "dtype"):
        raise TypeError(f"{name}: labels must be an array of integers, got a {kind_of(labels)}.")
    if array_namespace(labels) is not xp:
        raise TypeError(
            f"{name}: {key} are a {kind_of(scores)} but labels a {kind_of(labels)}. "
            "Pass arrays of one library."
        )
    if not xp.isdtype(labels.dtype, "integral"):
        raise TypeError(f"{name}: labels must be an array of integers, got {labels.dtype}.")
    if scores.ndim != 2 or scores.shape[0] == 0 or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"{name}: {key} have shape {tuple(scores.shape)} and labels {tuple(labels.shape)}. "
            f"Give {key} of shape (samples, classes) and one label for each sample."
        )
    lowest, highest = int(xp.min(labels)), int(xp.max(labels))
    if lowest < 0 or highest >= scores.shape[1]:
        raise ValueError(
            f"{name}: labels run from {lowest} to {highest}, but {key} have columns 0 to "
            f"{scores.shape[1] - 1}."
        )
    classes = xp.arange(scores.shape[1], dtype=labels.dtype, device=labels.device)
    return xp, classes[None, :] == labels[:, None]
