"""Gradient clipping: three ways to keep one exploding gradient from throwing the weights away.

g ``grad``, c ``clip_value`` or ``max_norm``, ‖g‖ the Euclidean norm over all entries. Nothing is
changed in place: the clipped gradients come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from course._arrays import Array, namespace
from course._numbers import as_number

__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value"]


def clip_by_value(grad: Array, *, clip_value: float) -> Array:
    r"""Cut every entry of a gradient to an interval around 0.

    .. math:: g_i ← \min(c, \max(-c, g_i))

    Large entries shrink and small ones stay, so the direction turns: (0.9, 100) and (0.9, 1) look
    nearly alike at c = 1, though the first points almost along one axis.

    Args:
        grad: g, the gradient; any shape, floating.
        clip_value: c, the largest size of an entry, above 0; infinity cuts nothing.

    Returns:
        The clipped gradient, shape and dtype of ``grad``. ±inf becomes ±c; NaN stays NaN.

    Raises:
        TypeError: ``grad`` is not a floating array, or ``clip_value`` no number.
        ValueError: ``clip_value`` is not above 0.

    Example:
        >>> import numpy as np
        >>> clip_by_value(np.array([0.9, -100.0]), clip_value=1.0)
        array([ 0.9, -1. ])

    References:
        Mikolov, *Statistical Language Models Based on Neural Networks*, PhD thesis, 2012.

    Who differs:
        ``torch.nn.utils.clip_grad_value_`` is this function, in place. Some texts introduce
        clipping by norm and then cut by value: those are two algorithms.
    """
    xp = namespace("clip_by_value", grad=grad)
    clip_value = as_number("clip_by_value", "clip_value", clip_value, "(0, inf]")
    return xp.clip(grad, -clip_value, clip_value)


def clip_by_norm(grad: Array, *, max_norm: float) -> Array:
    r"""Shorten a gradient to a largest length and keep its direction.

    .. math:: g ← g \, \min\left(1, \frac{c}{‖g‖}\right)

    A gradient of zeros has nothing to shorten and stays. When the norm is infinite or NaN no
    direction is left, and every entry becomes NaN: a zero would look like a converged layer.

    Args:
        grad: g, the gradient; any shape, floating.
        max_norm: c, the largest norm, above 0; infinity shortens nothing.

    Returns:
        The clipped gradient, shape and dtype of ``grad``; bit for bit ``grad`` where ‖g‖ ≤ c.

    Raises:
        TypeError: ``grad`` is not a floating array, or ``max_norm`` no number.
        ValueError: ``max_norm`` is not above 0.

    Example:
        >>> import numpy as np
        >>> clip_by_norm(np.array([3.0, 4.0]), max_norm=1.0)
        array([0.6, 0.8])

    References:
        Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*,
        ICML 2013, arXiv:1211.5063.

    Who differs:
        ``torch.nn.utils.clip_grad_norm_`` scales by c / (‖g‖ + 1e-6), a little too far, and takes
        one norm over all parameters: that is `clip_by_global_norm`. In float32 its norm overflows
        from entries of about 1e19 on and the gradient becomes 0; here it is measured in units of
        the largest entry. Where an entry is infinite torch returns NaN there and 0 elsewhere.
    """
    xp = namespace("clip_by_norm", grad=grad)
    max_norm = as_number("clip_by_norm", "max_norm", max_norm, "(0, inf]")
    return grad * _shrinkage(xp, _norm(xp, [grad]), max_norm)


def clip_by_global_norm(grads: Iterable[Array], *, max_norm: float) -> tuple[list[Array], Array]:
    r"""Shorten the gradients of all parameters together, as if they were one long vector.

    .. math::

        ‖g‖ = \sqrt{\sum_k ‖g_k‖^2}, \qquad g_k ← g_k \, \min\left(1, \frac{c}{‖g‖}\right)

    One factor serves all, so layers keep their proportions: the direction of the whole step
    stays. Clipping each array by its own norm would turn it.

    Args:
        grads: the gradients g_k, a list of floating arrays of one library; shapes may differ.
        max_norm: c, the largest norm of all together, above 0; infinity only measures.

    Returns:
        The clipped gradients as a list, and ‖g‖ before clipping, an array of shape (). Zero,
        infinite and NaN norms are treated as in `clip_by_norm`.

    Raises:
        TypeError: ``grads`` is one array or empty, an entry is not a floating array, libraries
            are mixed, or ``max_norm`` is no number.
        ValueError: ``max_norm`` is not above 0.

    Example:
        >>> import numpy as np
        >>> clipped, norm = clip_by_global_norm([np.array([3.0]), np.array([4.0])], max_norm=1.0)
        >>> clipped, float(norm)
        ([array([0.6]), array([0.8])], 5.0)

    References:
        Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*,
        ICML 2013, arXiv:1211.5063.

    Who differs:
        ``torch.nn.utils.clip_grad_norm_`` scales by c / (‖g‖ + 1e-6) and changes the gradients in
        place; it returns the same norm.
    """
    name = "clip_by_global_norm"
    xp, grads = _checked_list(name, grads)
    max_norm = as_number(name, "max_norm", max_norm, "(0, inf]")
    norm = _norm(xp, grads)
    shrinkage = _shrinkage(xp, norm, max_norm)
    return [grad * xp.astype(shrinkage, grad.dtype) for grad in grads], norm


def _norm(xp: ModuleType, grads: list[Array]) -> Array:
    """Return the norm of all entries; in units of the largest, so that no square overflows."""
    filled = [grad for grad in grads if math.prod(grad.shape)]
    if not filled:
        return xp.sum(grads[0])
    largest = _total(xp.maximum, [xp.max(xp.abs(grad)) for grad in filled])
    usable = xp.isfinite(largest) & (largest > 0)
    unit = xp.where(usable, largest, 1.0)
    squares = _total(xp.add, [xp.sum((grad / unit) ** 2) for grad in filled])
    return xp.where(usable, largest * xp.sqrt(xp.where(usable, squares, 1.0)), largest)


def _total(combine: Any, values: list[Array]) -> Array:
    total = values[0]
    for value in values[1:]:
        total = combine(total, value)
    return total


def _shrinkage(xp: ModuleType, norm: Array, max_norm: float) -> Array:
    """Return min(1, c / ‖g‖); 1 for a norm of 0, NaN where the norm is infinite or NaN."""
    too_long = norm > max_norm
    shrinkage = xp.where(too_long, max_norm / xp.where(too_long, norm, 1.0), 1.0)
    return xp.where(xp.isfinite(norm), shrinkage, math.nan)


def _checked_list(name: str, grads: Iterable[Array]) -> tuple[ModuleType, list[Array]]:
    if hasattr(grads, "shape"):
        raise TypeError(f"{name}: grads is one array; pass a list, for example [grad].")
    grads = list(grads)
    if not grads:
        raise TypeError(f"{name}: grads is empty. Pass the gradient of each parameter.")
    return namespace(name, **{f"grads[{k}]": grad for k, grad in enumerate(grads)}), grads
