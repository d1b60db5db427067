"""Normalizing inputs, batches, layers and groups, each with its backward pass.

`standardize` prepares data. The others are layers of a network:
``NAME(x, gamma, beta, ...)`` returns the output and a ``cache``, and ``NAME_backward(grad, cache)``
returns the gradients of x, gamma and beta. They differ only in which numbers share one mean and
variance:

======================  ======================  =====================================
function                shape of x              one mean and variance for
======================  ======================  =====================================
`batch_norm`            (samples, channels, …)  each channel, over the batch
`layer_norm`            (…, features)           each sample, over its features
`group_norm`            (samples, channels, …)  each sample and group of channels
`instance_norm`         (samples, channels, …)  each sample and channel
`rms_norm`              (…, features)           each sample; a mean square, no mean
======================  ======================  =====================================

Symbols: γ ``gamma`` and β ``beta``, the scale and shift to train; ε ``eps``; x̂ the normalized x;
g ``grad``, the gradient ∂L/∂y of the output. Every variance is the 1/N one, and ε is added under
the root.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, TypeAlias

from course._arrays import Array, kind_of, namespace, require_like
from course._numbers import as_count, as_number

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "rms_norm",
    "rms_norm_backward",
    "standardize",
]

Moments: TypeAlias = dict[str, Array]
Cache: TypeAlias = dict[str, Any]

_EPS = "[0, inf)"


def standardize(x: Array, moments: Moments | None = None) -> tuple[Array, Moments]:
    r"""Bring every feature to mean 0 and standard deviation 1.

    .. math::

        μ = \frac{1}{N} \sum_n x_n, \qquad σ^2 = \frac{1}{N} \sum_n (x_n - μ)^2, \qquad
        z_n = \frac{x_n - μ}{σ}

    Call it on the training set alone, and hand the moments it returns to the call on the test
    set: both must be measured in the same units, and the test set must teach nothing. A feature
    that is constant has nothing to scale: it is divided by 1, and becomes 0.

    Args:
        x: samples first, shape (N, ...), floating; each further entry is a feature of its own.
        moments: ``{"mean": μ, "std": σ}`` as an earlier call returned them; ``None`` measures
            them on ``x``.

    Returns:
        z, shape and dtype of ``x``, and the moments, each of the shape of one sample. A feature
        with a NaN or an infinite entry is NaN throughout.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``moments`` is no dict.
        ValueError: ``x`` has no sample to measure, or the moments do not fit.

    Example:
        >>> import numpy as np
        >>> train, moments = standardize(np.array([[1.0, 7.0], [3.0, 7.0]]))
        >>> train
        array([[-1.,  0.],
               [ 1.,  0.]])
        >>> standardize(np.array([[4.0, 8.0]]), moments)[0]
        array([[2., 1.]])

    References:
        LeCun et al., *Efficient BackProp*, 1998, doi:10.1007/3-540-49430-8_2.

    Who differs:
        scikit-learn's ``StandardScaler`` is this function as a class. Code with 1/(N - 1), such as
        ``torch.std`` by default, gives a slightly larger σ.
    """
    name = "standardize"
    xp = namespace(name, x=x)
    if moments is None:
        if x.ndim == 0 or x.shape[0] == 0:
            raise ValueError(
                f"{name}: x has shape {tuple(x.shape)}, so there is no sample to measure. "
                "Give at least one, of shape (1, ...)."
            )
        first = x[0, ...]  # measured from here, a constant feature deviates by exactly 0
        mean = first + xp.mean(x - first, axis=0)
        std = xp.sqrt(xp.mean((x - mean) ** 2, axis=0))
        moments = {"mean": mean, "std": std}
    mean, std = _require_moments(name, moments, ("mean", "std"), x, x.shape[1:])
    return (x - mean) / xp.where(std == 0, 1.0, std), {"mean": mean, "std": std}


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    running: Moments | None = None,
    *,
    training: bool,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> tuple[Array, Moments, Cache]:
    r"""Batch normalization: every channel gets mean β and standard deviation γ over the batch.

    .. math::

        μ = \frac{1}{N} \sum_n x_n, \qquad σ^2 = \frac{1}{N} \sum_n (x_n - μ)^2, \qquad
        \hat x_n = \frac{x_n - μ}{\sqrt{σ^2 + ε}}, \qquad y_n = γ \hat x_n + β

    N counts all values of a channel: the samples, times the positions where x has more axes. In
    training the running moments follow those of the batches, at inference they replace them:

    .. math:: \bar μ ← α \bar μ + (1 - α) μ, \qquad \bar σ^2 ← α \bar σ^2 + (1 - α) σ^2

    Args:
        x: the batch, shape (samples, channels, ...), floating.
        gamma: γ, shape (channels,), dtype of ``x``.
        beta: β, shape (channels,), dtype of ``x``.
        running: ``{"mean": running mean, "var": running variance}``, each of shape (channels,);
            ``None`` starts with 0 and 1, in training only.
        training: normalize with the moments of the batch, or with the running ones.
        momentum: α, the share of the running moments kept at each step, in [0, 1).
        eps: ε, at least 0; with 0 a constant channel divides by zero.

    Returns:
        y, shape and dtype of ``x``; the running moments, new in training and as given at
        inference; and the cache for `batch_norm_backward`. Under torch's autograd detach the
        running moments after each step, or they keep the graphs of all steps.

    Raises:
        TypeError: an array is not one of a floating dtype, libraries are mixed, a hyper-parameter
            is no number, or ``running`` is no dict.
        ValueError: shapes or dtypes do not fit, a hyper-parameter is out of range, ``running`` is
            missing at inference, or a batch in training has one value (or none) a channel: minus
            its own mean it would be 0, whatever it was.

    Example:
        >>> import numpy as np
        >>> x, gamma, beta = np.array([[1.0], [3.0]]), np.array([2.0]), np.array([5.0])
        >>> y, running, cache = batch_norm(x, gamma, beta, training=True, eps=0.0)
        >>> y.T, running["mean"].round(6), running["var"]
        (array([[3., 7.]]), array([0.2]), array([1.]))

    References:
        Ioffe and Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing
        Internal Covariate Shift*, ICML 2015, arXiv:1502.03167.

    Who differs:
        The output is that of ``torch.nn.functional.batch_norm``. Torch's ``momentum`` is the share
        of what is new, 1 - α, and its running variance takes the 1/(N - 1) one of the batch. Some
        slides divide by σ + ε in training and by σ̄ alone at inference; the paper and the
        frameworks divide by √(σ² + ε) in both. Keras has channels last and ε = 1e-3.
    """
    name = "batch_norm"
    xp = _checked(name, x, 1, gamma=gamma, beta=beta)
    eps = as_number(name, "eps", eps, _EPS)
    momentum = as_number(name, "momentum", momentum, "[0, 1)")
    running = _running_moments(name, xp, running, x, training)
    axes = (0, *range(2, x.ndim))
    mean, variance = _of_channels(x, running["mean"]), _of_channels(x, running["var"])
    if training:
        _require_several(name, x, axes, "channel")
        mean, variance = _moments(xp, x, axes)
        running = {
            "mean": momentum * running["mean"] + (1 - momentum) * xp.reshape(mean, (-1,)),
            "var": momentum * running["var"] + (1 - momentum) * xp.reshape(variance, (-1,)),
        }
    std = xp.sqrt(variance + eps)
    x_hat = (x - mean) / std
    y = _of_channels(x, gamma) * x_hat + _of_channels(x, beta)
    cache = {"of": name, "x_hat": x_hat, "std": std, "gamma": gamma, "training": training}
    return y, running, cache


def batch_norm_backward(grad: Array, cache: Cache) -> tuple[Array, Array, Array]:
    r"""Gradients of `batch_norm`: each sample moves the mean and variance of all others.

    .. math::

        \frac{∂L}{∂γ} = \sum_n g_n \hat x_n, \quad \frac{∂L}{∂β} = \sum_n g_n, \quad
        \frac{∂L}{∂x_n} = \frac{γ}{\sqrt{σ^2 + ε}}
        \left(g_n - \frac{1}{N} \sum_m g_m - \hat x_n \frac{1}{N} \sum_m g_m \hat x_m\right)

    In steps, for one channel. The gradient of x̂ is ĝ = γ g. Through the numerator x_n reaches x̂_n
    directly, which gives ĝ_n/√(σ² + ε). Shifting all x changes no x̂, so the mean of ĝ drops out;
    stretching x about its mean changes none either (but for ε), so the part of ĝ along x̂ does too.
    At inference the moments are constants and only the first term is left.

    Args:
        grad: g, the gradient of the output, shape and dtype of x.
        cache: what `batch_norm` returned.

    Returns:
        ∂L/∂x, ∂L/∂γ and ∂L/∂β, of the shapes of x, gamma and beta.

    Raises:
        TypeError: ``grad`` is not a floating array of the library of x, or ``cache`` is no dict.
        ValueError: ``grad`` has another shape or dtype than x, or the cache is another function's.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0], [3.0], [8.0]])
        >>> _, _, cache = batch_norm(x, np.ones(1), np.zeros(1), training=True)
        >>> dx, dgamma, dbeta = batch_norm_backward(np.array([[1.0], [0.0], [0.0]]), cache)
        >>> dx.sum().round(6), dbeta                 # a shift of all x changes nothing
        (np.float64(0.0), array([1.]))

    References:
        Ioffe and Szegedy, *Batch Normalization*, ICML 2015, arXiv:1502.03167, section 3.

    Who differs:
        Nobody in the value. The paper passes the gradient through σ² and μ one after the other;
        put together, its three lines are the one above.
    """
    xp = _checked_cache("batch_norm", grad, cache)
    x_hat, std, gamma = cache["x_hat"], cache["std"], cache["gamma"]
    axes = (0, *range(2, grad.ndim))
    dx_hat = grad * _of_channels(grad, gamma)
    dx = _through_moments(xp, dx_hat, x_hat, std, axes) if cache["training"] else dx_hat / std
    return dx, xp.sum(grad * x_hat, axis=axes), xp.sum(grad, axis=axes)


def layer_norm(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> tuple[Array, Cache]:
    r"""Layer normalization: every sample is standardized over its own features.

    .. math::

        μ = \frac{1}{D} \sum_i x_i, \qquad σ^2 = \frac{1}{D} \sum_i (x_i - μ)^2, \qquad
        \hat x_i = \frac{x_i - μ}{\sqrt{σ^2 + ε}}, \qquad y_i = γ_i \hat x_i + β_i

    No sample sees another: training and inference are the same, and a batch of one will do.

    Args:
        x: shape (..., features), floating; the last axis is normalized.
        gamma: γ, shape (features,), dtype of ``x``.
        beta: β, shape (features,), dtype of ``x``.
        eps: ε, at least 0; with 0 a constant sample divides by zero.

    Returns:
        y, shape and dtype of ``x``, and the cache for `layer_norm_backward`.

    Raises:
        TypeError: an array is not one of a floating dtype, libraries are mixed, or ``eps`` is no
            number.
        ValueError: shapes or dtypes do not fit, there are less than two features, or ``eps`` is
            negative.

    Example:
        >>> import numpy as np
        >>> y, cache = layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), np.ones(2), np.zeros(2))
        >>> y.round(4)                               # the scale of a sample is gone
        array([[-1.,  1.],
               [-1.,  1.]])

    References:
        Ba, Kiros and Hinton, *Layer Normalization*, 2016, arXiv:1607.06450.

    Who differs:
        ``torch.nn.functional.layer_norm`` can normalize several last axes together, and lets a
        single feature pass: its output is then β, whatever x was.
    """
    name = "layer_norm"
    xp = _checked(name, x, -1, gamma=gamma, beta=beta)
    eps = as_number(name, "eps", eps, _EPS)
    _require_several(name, x, (-1,), "sample")
    mean, variance = _moments(xp, x, (-1,))
    std = xp.sqrt(variance + eps)
    x_hat = (x - mean) / std
    return gamma * x_hat + beta, {"of": name, "x_hat": x_hat, "std": std, "gamma": gamma}


def layer_norm_backward(grad: Array, cache: Cache) -> tuple[Array, Array, Array]:
    r"""Gradients of `layer_norm`: each feature moves the mean and variance of its sample.

    .. math::

        \frac{∂L}{∂γ_i} = \sum_n g_{ni} \hat x_{ni}, \quad \frac{∂L}{∂β_i} = \sum_n g_{ni}, \quad
        \frac{∂L}{∂x_i} = \frac{1}{\sqrt{σ^2 + ε}} \left(\hat g_i
        - \frac{1}{D} \sum_j \hat g_j - \hat x_i \frac{1}{D} \sum_j \hat g_j \hat x_j\right),
        \quad \hat g_i = γ_i g_i

    The steps are those of `batch_norm_backward`, along a sample instead of along the batch. γ
    stays inside the sums, for here it differs from one summand to the next.

    Args:
        grad: g, the gradient of the output, shape and dtype of x.
        cache: what `layer_norm` returned.

    Returns:
        ∂L/∂x, ∂L/∂γ and ∂L/∂β, of the shapes of x, gamma and beta.

    Raises:
        TypeError: ``grad`` is not a floating array of the library of x, or ``cache`` is no dict.
        ValueError: ``grad`` has another shape or dtype than x, or the cache is another function's.

    Example:
        >>> import numpy as np
        >>> _, cache = layer_norm(np.array([[1.0, 3.0, 8.0]]), np.ones(3), np.zeros(3))
        >>> dx, dgamma, dbeta = layer_norm_backward(np.array([[1.0, 0.0, 0.0]]), cache)
        >>> dx.sum().round(6), dbeta                 # a shift of all features changes nothing
        (np.float64(0.0), array([1., 0., 0.]))

    References:
        Ba, Kiros and Hinton, *Layer Normalization*, 2016, arXiv:1607.06450.

    Who differs:
        Nobody: torch's autograd gives the same numbers.
    """
    xp = _checked_cache("layer_norm", grad, cache)
    x_hat, std, gamma = cache["x_hat"], cache["std"], cache["gamma"]
    dx = _through_moments(xp, grad * gamma, x_hat, std, (-1,))
    samples = tuple(range(grad.ndim - 1))
    return dx, xp.sum(grad * x_hat, axis=samples), xp.sum(grad, axis=samples)


def rms_norm(x: Array, gamma: Array, *, eps: float = 1e-5) -> tuple[Array, Cache]:
    r"""RMS normalization: every sample is divided by the root of its mean square.

    .. math::

        r = \sqrt{\frac{1}{D} \sum_i x_i^2 + ε}, \qquad \hat x_i = \frac{x_i}{r}, \qquad
        y_i = γ_i \hat x_i

    `layer_norm` without the mean and the shift: cheaper, blind to the scale of a sample but not to
    a shift.

    Args:
        x: shape (..., features), floating; the last axis is normalized.
        gamma: γ, shape (features,), dtype of ``x``.
        eps: ε, at least 0; with 0 a sample of zeros divides by zero.

    Returns:
        y, shape and dtype of ``x``, and the cache for `rms_norm_backward`.

    Raises:
        TypeError: an array is not one of a floating dtype, libraries are mixed, or ``eps`` is no
            number.
        ValueError: shapes or dtypes do not fit, there is no feature, or ``eps`` is negative.

    Example:
        >>> import numpy as np
        >>> y, cache = rms_norm(np.array([[1.0, 7.0]]), np.ones(2), eps=0.0)
        >>> y                                        # (1² + 7²) / 2 = 5²
        array([[0.2, 1.4]])

    References:
        Zhang and Sennrich, *Root Mean Square Layer Normalization*, NeurIPS 2019,
        arXiv:1910.07467.

    Who differs:
        ``torch.nn.functional.rms_norm`` takes the machine epsilon of the dtype for ε by default;
        language models use 1e-5 or 1e-6.
    """
    name = "rms_norm"
    xp = _checked(name, x, -1, gamma=gamma)
    eps = as_number(name, "eps", eps, _EPS)
    if x.shape[-1] == 0:
        raise ValueError(f"{name}: x has shape {tuple(x.shape)}. Give at least one feature.")
    rms = xp.sqrt(xp.mean(x**2, axis=-1, keepdims=True) + eps)
    x_hat = x / rms
    return gamma * x_hat, {"of": name, "x_hat": x_hat, "rms": rms, "gamma": gamma}


def rms_norm_backward(grad: Array, cache: Cache) -> tuple[Array, Array]:
    r"""Gradients of `rms_norm`: there is no mean to pass through, and no β.

    .. math::

        \frac{∂L}{∂γ_i} = \sum_n g_{ni} \hat x_{ni}, \quad
        \frac{∂L}{∂x_i} = \frac{1}{r} \left(\hat g_i
        - \hat x_i \frac{1}{D} \sum_j \hat g_j \hat x_j\right), \quad \hat g_i = γ_i g_i

    Stretching a sample changes no x̂ (but for ε), so the part of ĝ along x̂ drops out.

    Args:
        grad: g, the gradient of the output, shape and dtype of x.
        cache: what `rms_norm` returned.

    Returns:
        ∂L/∂x and ∂L/∂γ, of the shapes of x and gamma.

    Raises:
        TypeError: ``grad`` is not a floating array of the library of x, or ``cache`` is no dict.
        ValueError: ``grad`` has another shape or dtype than x, or the cache is another function's.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 7.0]])
        >>> _, cache = rms_norm(x, np.ones(2), eps=0.0)
        >>> dx, dgamma = rms_norm_backward(np.array([[1.0, 0.0]]), cache)
        >>> (dx @ x.T).round(6), dgamma              # stretching x changes nothing
        (array([[0.]]), array([0.2, 0. ]))

    References:
        Zhang and Sennrich, *Root Mean Square Layer Normalization*, NeurIPS 2019,
        arXiv:1910.07467.

    Who differs:
        Nobody: torch's autograd gives the same numbers.
    """
    xp = _checked_cache("rms_norm", grad, cache)
    x_hat, rms, gamma = cache["x_hat"], cache["rms"], cache["gamma"]
    dx_hat = grad * gamma
    dx = (dx_hat - x_hat * xp.mean(dx_hat * x_hat, axis=-1, keepdims=True)) / rms
    return dx, xp.sum(grad * x_hat, axis=tuple(range(grad.ndim - 1)))


def group_norm(
    x: Array, gamma: Array, beta: Array, *, groups: int, eps: float = 1e-5
) -> tuple[Array, Cache]:
    r"""Group normalization: neighbouring channels of a sample share one mean and variance.

    .. math::

        \hat x_{nc} = \frac{x_{nc} - μ_{nk}}{\sqrt{σ_{nk}^2 + ε}}, \qquad
        y_{nc} = γ_c \hat x_{nc} + β_c, \qquad k = \left\lfloor \frac{c G}{C} \right\rfloor

    μ and σ² run over the C/G channels of group k and all their positions. With G = C it is
    `instance_norm`, with G = 1 a layer norm over all channels and positions. The batch plays no
    part, so small batches do no harm.

    Args:
        x: shape (samples, channels, ...), floating.
        gamma: γ, shape (channels,), dtype of ``x``.
        beta: β, shape (channels,), dtype of ``x``.
        groups: G, a divisor of the number of channels C.
        eps: ε, at least 0; with 0 a constant group divides by zero.

    Returns:
        y, shape and dtype of ``x``, and the cache for `group_norm_backward`.

    Raises:
        TypeError: an array is not one of a floating dtype, libraries are mixed, or a
            hyper-parameter is no number.
        ValueError: shapes or dtypes do not fit, ``groups`` does not divide the channels, a group
            has less than two values, or ``eps`` is negative.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
        >>> y, cache = group_norm(x, np.ones(4), np.zeros(4), groups=2)
        >>> y.round(4)
        array([[-1.,  1., -1.,  1.]])

    References:
        Wu and He, *Group Normalization*, ECCV 2018, arXiv:1803.08494.

    Who differs:
        ``torch.nn.functional.group_norm`` is this function; it calls G ``num_groups``. Keras has
        channels last and ε = 1e-3.
    """
    name = "group_norm"
    xp = _checked(name, x, 1, gamma=gamma, beta=beta)
    eps = as_number(name, "eps", eps, _EPS)
    groups = as_count(name, "groups", groups)
    if x.shape[1] % groups:
        raise ValueError(
            f"{name}: {x.shape[1]} channels do not split into {groups} equal groups. "
            "Choose a divisor of the number of channels."
        )
    grouped = _split(xp, x, groups)
    _require_several(name, grouped, (-1,), "group")
    mean, variance = _moments(xp, grouped, (-1,))
    std = xp.sqrt(variance + eps)
    x_hat = xp.reshape((grouped - mean) / std, x.shape)
    y = _of_channels(x, gamma) * x_hat + _of_channels(x, beta)
    return y, {"of": name, "x_hat": x_hat, "std": std, "gamma": gamma, "groups": groups}


def group_norm_backward(grad: Array, cache: Cache) -> tuple[Array, Array, Array]:
    r"""Gradients of `group_norm`: each value moves the mean and variance of its group.

    .. math::

        \frac{∂L}{∂γ_c} = \sum_n g_{nc} \hat x_{nc}, \quad
        \frac{∂L}{∂β_c} = \sum_n g_{nc}, \quad
        \frac{∂L}{∂x_i} = \frac{1}{\sqrt{σ^2 + ε}} \left(\hat g_i
        - \frac{1}{M} \sum_j \hat g_j - \hat x_i \frac{1}{M} \sum_j \hat g_j \hat x_j\right),
        \quad \hat g = γ g

    i and j run over the M values of one group of one sample. The steps are those of
    `batch_norm_backward`.

    Args:
        grad: g, the gradient of the output, shape and dtype of x.
        cache: what `group_norm` returned.

    Returns:
        ∂L/∂x, ∂L/∂γ and ∂L/∂β, of the shapes of x, gamma and beta.

    Raises:
        TypeError: ``grad`` is not a floating array of the library of x, or ``cache`` is no dict.
        ValueError: ``grad`` has another shape or dtype than x, or the cache is another function's.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
        >>> _, cache = group_norm(x, np.ones(4), np.zeros(4), groups=1)
        >>> dx, dgamma, dbeta = group_norm_backward(np.array([[1.0, 0.0, 0.0, 0.0]]), cache)
        >>> dx.sum().round(6), dbeta
        (np.float64(0.0), array([1., 0., 0., 0.]))

    References:
        Wu and He, *Group Normalization*, ECCV 2018, arXiv:1803.08494.

    Who differs:
        Nobody: torch's autograd gives the same numbers.
    """
    xp = _checked_cache("group_norm", grad, cache)
    x_hat, std, gamma, groups = cache["x_hat"], cache["std"], cache["gamma"], cache["groups"]
    dx_hat = _split(xp, grad * _of_channels(grad, gamma), groups)
    dx = _through_moments(xp, dx_hat, _split(xp, x_hat, groups), std, (-1,))
    axes = (0, *range(2, grad.ndim))
    return (
        xp.reshape(dx, grad.shape),
        xp.sum(grad * x_hat, axis=axes),
        xp.sum(grad, axis=axes),
    )


def instance_norm(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> tuple[Array, Cache]:
    r"""Instance normalization: every channel of every sample is standardized over its positions.

    .. math::

        μ_{nc} = \frac{1}{S} \sum_s x_{ncs}, \quad
        σ_{nc}^2 = \frac{1}{S} \sum_s (x_{ncs} - μ_{nc})^2, \quad
        \hat x_{ncs} = \frac{x_{ncs} - μ_{nc}}{\sqrt{σ_{nc}^2 + ε}}, \quad
        y_{ncs} = γ_c \hat x_{ncs} + β_c

    The contrast of an image is gone, channel by channel: made for style transfer.

    Args:
        x: shape (samples, channels, positions...), floating, at least two positions.
        gamma: γ, shape (channels,), dtype of ``x``.
        beta: β, shape (channels,), dtype of ``x``.
        eps: ε, at least 0; with 0 a constant channel divides by zero.

    Returns:
        y, shape and dtype of ``x``, and the cache for `instance_norm_backward`.

    Raises:
        TypeError: an array is not one of a floating dtype, libraries are mixed, or ``eps`` is no
            number.
        ValueError: shapes or dtypes do not fit, there are less than two positions, or ``eps`` is
            negative.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[1.0, 3.0], [10.0, 30.0]]])
        >>> y, cache = instance_norm(x, np.array([1.0, 2.0]), np.zeros(2))
        >>> y.round(4)
        array([[[-1.,  1.],
                [-2.,  2.]]])

    References:
        Ulyanov, Vedaldi and Lempitsky, *Instance Normalization: The Missing Ingredient for Fast
        Stylization*, 2016, arXiv:1607.08022.

    Who differs:
        ``torch.nn.InstanceNorm1d`` and its relatives have no γ and β unless asked for, and can keep
        running moments, which are not kept here.
    """
    name = "instance_norm"
    xp = _checked(name, x, 1, gamma=gamma, beta=beta)
    eps = as_number(name, "eps", eps, _EPS)
    positions = tuple(range(2, x.ndim))
    _require_several(name, x, positions, "channel of a sample")
    mean, variance = _moments(xp, x, positions)
    std = xp.sqrt(variance + eps)
    x_hat = (x - mean) / std
    y = _of_channels(x, gamma) * x_hat + _of_channels(x, beta)
    return y, {"of": name, "x_hat": x_hat, "std": std, "gamma": gamma}


def instance_norm_backward(grad: Array, cache: Cache) -> tuple[Array, Array, Array]:
    r"""Gradients of `instance_norm`: each value moves the mean and variance of its channel.

    .. math::

        \frac{∂L}{∂γ_c} = \sum_{ns} g_{ncs} \hat x_{ncs}, \quad
        \frac{∂L}{∂β_c} = \sum_{ns} g_{ncs}, \quad
        \frac{∂L}{∂x_{ncs}} = \frac{γ_c}{\sqrt{σ_{nc}^2 + ε}} \left(g_{ncs}
        - \frac{1}{S} \sum_t g_{nct} - \hat x_{ncs} \frac{1}{S} \sum_t g_{nct} \hat x_{nct}\right)

    The steps are those of `batch_norm_backward`, along the positions of one channel of one sample.

    Args:
        grad: g, the gradient of the output, shape and dtype of x.
        cache: what `instance_norm` returned.

    Returns:
        ∂L/∂x, ∂L/∂γ and ∂L/∂β, of the shapes of x, gamma and beta.

    Raises:
        TypeError: ``grad`` is not a floating array of the library of x, or ``cache`` is no dict.
        ValueError: ``grad`` has another shape or dtype than x, or the cache is another function's.

    Example:
        >>> import numpy as np
        >>> _, cache = instance_norm(np.array([[[1.0, 3.0, 8.0]]]), np.ones(1), np.zeros(1))
        >>> dx, dgamma, dbeta = instance_norm_backward(np.array([[[1.0, 0.0, 0.0]]]), cache)
        >>> dx.sum().round(6), dbeta
        (np.float64(0.0), array([1.]))

    References:
        Ulyanov, Vedaldi and Lempitsky, *Instance Normalization*, 2016, arXiv:1607.08022.

    Who differs:
        Nobody: torch's autograd gives the same numbers.
    """
    xp = _checked_cache("instance_norm", grad, cache)
    x_hat, std, gamma = cache["x_hat"], cache["std"], cache["gamma"]
    dx_hat = grad * _of_channels(grad, gamma)
    dx = _through_moments(xp, dx_hat, x_hat, std, tuple(range(2, grad.ndim)))
    axes = (0, *range(2, grad.ndim))
    return dx, xp.sum(grad * x_hat, axis=axes), xp.sum(grad, axis=axes)


def _moments(xp: ModuleType, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return mean and variance, 1/N (torch's own ``var`` would take 1/(N - 1))."""
    mean = xp.mean(x, axis=axes, keepdims=True)
    return mean, xp.mean((x - mean) ** 2, axis=axes, keepdims=True)


def _through_moments(
    xp: ModuleType, dx_hat: Array, x_hat: Array, std: Array, axes: tuple[int, ...]
) -> Array:
    """Return ∂L/∂x for x̂ = (x - mean) / std, both taken along these axes."""
    along_mean = xp.mean(dx_hat, axis=axes, keepdims=True)
    along_x_hat = x_hat * xp.mean(dx_hat * x_hat, axis=axes, keepdims=True)
    return (dx_hat - along_mean - along_x_hat) / std


def _of_channels(x: Array, values: Array) -> Array:
    """Return one value a channel, shaped so that it meets axis 1 of x."""
    return values[(slice(None), *(None for _ in x.shape[2:]))]


def _split(xp: ModuleType, x: Array, groups: int) -> Array:
    """Return x as (samples, groups, values of a group)."""
    samples, *rest = x.shape
    return xp.reshape(x, (samples, groups, math.prod(rest) // groups))


def _checked(name: str, x: Array, axis: int, **parameters: Array) -> ModuleType:
    """Return the arrays' library where each parameter has one entry for each along this axis."""
    xp = namespace(name, x=x, **parameters)
    what = "features" if axis == -1 else "channels"
    if x.ndim < (1 if axis == -1 else 2):
        form = "(..., features)" if axis == -1 else "(samples, channels, ...)"
        raise ValueError(f"{name}: x has shape {tuple(x.shape)}. Give shape {form}.")
    for key, value in parameters.items():
        if tuple(value.shape) != (x.shape[axis],):
            raise ValueError(
                f"{name}: x of shape {tuple(x.shape)} has {x.shape[axis]} {what} but {key} has "
                f"shape {tuple(value.shape)}. Give {key} of shape ({x.shape[axis]},)."
            )
        _require_dtype(name, x, key, value)
    return xp


def _require_dtype(name: str, x: Array, key: str, value: Array) -> None:
    if value.dtype != x.dtype:
        raise ValueError(
            f"{name}: x has dtype {x.dtype} but {key} has dtype {value.dtype}. "
            f"Convert {key} to the dtype of x."
        )


def _require_several(name: str, x: Array, axes: tuple[int, ...], unit: str) -> None:
    count = math.prod(x.shape[axis] for axis in axes)
    if count < 2:
        raise ValueError(
            f"{name}: each {unit} has {count} of at least 2 values to normalize. "
            "Minus its own mean a single value is 0, whatever it was: give more of them."
        )


def _require_moments(
    name: str, moments: Any, keys: tuple[str, str], x: Array, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return two moments of this shape, from a dict that an earlier call returned."""
    if not isinstance(moments, dict) or set(moments) != set(keys):
        found = list(moments) if isinstance(moments, dict) else f"a {kind_of(moments)}"
        error = ValueError if isinstance(moments, dict) else TypeError
        raise error(
            f"{name}: the moments must be a dict of {keys[0]!r} and {keys[1]!r}, got {found}. "
            "Pass what the call on the training data returned."
        )
    namespace(name, x=x, **moments)
    for key in keys:
        if moments[key].shape != shape:
            raise ValueError(
                f"{name}: x of shape {tuple(x.shape)} needs {key!r} of shape {tuple(shape)}, got "
                f"shape {tuple(moments[key].shape)}. Pass what was measured on the same features."
            )
        _require_dtype(name, x, key, moments[key])
    return moments[keys[0]], moments[keys[1]]


def _running_moments(
    name: str, xp: ModuleType, running: Moments | None, x: Array, training: bool
) -> Moments:
    channels = x.shape[1:2]
    if running is None and training:
        like_x = {"dtype": x.dtype, "device": x.device}
        return {"mean": xp.zeros(channels, **like_x), "var": xp.ones(channels, **like_x)}
    if running is None:
        raise ValueError(
            f"{name}: at inference there is no batch to measure. "
            "Pass running, the moments that training returned."
        )
    mean, variance = _require_moments(name, running, ("mean", "var"), x, channels)
    return {"mean": mean, "var": variance}


def _checked_cache(name: str, grad: Array, cache: Any) -> ModuleType:
    """Return the library where the cache is that of the forward pass, and grad fits it."""
    backward = f"{name}_backward"
    if not isinstance(cache, dict):
        raise TypeError(
            f"{backward}: cache is a {kind_of(cache)}. Pass the dict that {name} returned."
        )
    if cache.get("of") != name:
        raise ValueError(
            f"{backward}: the cache is that of {cache.get('of')}, not of {name}. "
            f"Pass the one that {name} returned."
        )
    xp = namespace(backward, x=cache["x_hat"], grad=grad)
    require_like(backward, "x", cache["x_hat"], "grad", grad)
    return xp
