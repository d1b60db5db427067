"""Losses over a batch and their gradients.

z ``logits`` has shape (samples, classes), y ``labels`` holds the right class of each sample. Losses
are means over the samples, so their gradients carry the factor 1/B.
"""

from __future__ import annotations

from types import ModuleType

from course._arrays import Array, namespace

__all__ = ["cross_entropy", "cross_entropy_grad"]


def cross_entropy(logits: Array, labels: Array) -> Array:
    r"""Mean negative log-likelihood of the right classes under the softmax of the logits.

    .. math::

        L = -\frac{1}{B} \sum_{n=1}^B \log p_{n y_n}, \qquad
        \log p_{nk} = z_{nk} - \log \sum_j e^{z_{nj}}

    The largest logit of each sample is subtracted first: the result is the same, and nothing
    overflows.

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
    xp, right = _checked("cross_entropy", logits, labels)
    log_p = _log_softmax(xp, logits)
    return -xp.sum(xp.where(right, log_p, xp.zeros_like(log_p))) / logits.shape[0]


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
    xp, right = _checked("cross_entropy_grad", logits, labels)
    p = xp.exp(_log_softmax(xp, logits))
    return (p - xp.astype(right, p.dtype)) / logits.shape[0]


def _log_softmax(xp: ModuleType, logits: Array) -> Array:
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


def _checked(name: str, logits: Array, labels: Array) -> tuple[ModuleType, Array]:
    """Return the arrays' library and the mask of the right classes, of the shape of logits."""
    xp = namespace(name, logits=logits)
    if not hasattr(labels, "dtype") or not xp.isdtype(labels.dtype, "integral"):
        kind = getattr(labels, "dtype", type(labels).__name__)
        raise TypeError(f"{name}: labels must be an array of integers, got {kind}.")
    if logits.ndim != 2 or logits.shape[0] == 0 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"{name}: logits have shape {tuple(logits.shape)} and labels {tuple(labels.shape)}. "
            "Give logits of shape (samples, classes) and one label for each sample."
        )
    lowest, highest = int(xp.min(labels)), int(xp.max(labels))
    if lowest < 0 or highest >= logits.shape[1]:
        raise ValueError(
            f"{name}: labels run from {lowest} to {highest}, but logits have columns 0 to "
            f"{logits.shape[1] - 1}."
        )
    classes = xp.arange(logits.shape[1], dtype=labels.dtype, device=labels.device)
    return xp, classes[None, :] == labels[:, None]
