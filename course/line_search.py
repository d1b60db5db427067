"""Line search: how far to go along a direction, decided by looking at the function itself.

From x along p the function is φ(γ) = f(x + γp), with the slope φ'(γ) = pᵀ∇f(x + γp). p is a descent
direction if φ'(0) < 0. Symbols: γ ``step``, c₁ ``c1``, c₂ ``c2``.

Deep learning does without: each trial costs a pass over all the data, and on a mini-batch a line
search finds the minimum of that batch's noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from course._arrays import Array, namespace, require_like
from course._numbers import as_count, as_number, as_scalar

__all__ = ["Wolfe", "backtracking", "strong_wolfe", "wolfe"]


class Wolfe(NamedTuple):
    r"""Which of the Wolfe conditions a step meets; `wolfe` gives their formulas.

    .. math:: \text{Wolfe} = (1) ∧ (2), \qquad \text{strong Wolfe} = (1) ∧ (3)

    Args:
        sufficient_decrease: (1), the function has fallen enough.
        curvature: (2), the slope has risen enough.
        strong_curvature: (3), the slope has shrunk enough in magnitude; it implies (2).

    Raises:
        TypeError: a field is missing.

    Example:
        >>> Wolfe(sufficient_decrease=True, curvature=True, strong_curvature=False)
        Wolfe(sufficient_decrease=True, curvature=True, strong_curvature=False)

    References:
        Wolfe, *Convergence Conditions for Ascent Methods*, 1969, doi:10.1137/1011036.

    Who differs:
        Texts that say "the Wolfe conditions" may mean the pair (1), (2) or the pair (1), (3).
    """

    sufficient_decrease: bool
    curvature: bool
    strong_curvature: bool


def wolfe(
    f: Callable[[Array], Any],
    grad_f: Callable[[Array], Array],
    x: Array,
    p: Array,
    step: float,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> Wolfe:
    r"""Tell which of the Wolfe conditions a step along a descent direction meets.

    .. math::

        (1) \quad & f(x + γp) ≤ f(x) + c_1 γ \, p^T ∇f(x) \\
        (2) \quad & p^T ∇f(x + γp) ≥ c_2 \, p^T ∇f(x) \\
        (3) \quad & |p^T ∇f(x + γp)| ≤ c_2 \, |p^T ∇f(x)|

    (1) rules out steps that are too long for what they gain, (2) steps that stop where the
    function still falls steeply. (3) also rules out steps that end on the far, rising side. Both
    sides are compared as computed: close to a minimum, rounding in f can decide (1).

    Args:
        f: the function; takes an array like x and returns one number.
        grad_f: ∇f; takes an array like x and returns one of the same shape and dtype.
        x: where the step starts; any shape, floating.
        p: the direction, shape and dtype of ``x``, with pᵀ∇f(x) < 0.
        step: γ, above 0.
        c1: c₁, the share of the first slope that the decrease must reach, 0 < c₁ < c₂.
        c2: c₂, the share of the first slope that may be left, c₁ < c₂ < 1.

    Returns:
        ``Wolfe(sufficient_decrease, curvature, strong_curvature)``.

    Raises:
        TypeError: ``x`` or ``p`` is not an array of a floating dtype, or ``f`` returns more than
            one number.
        ValueError: p is no descent direction, f(x) is not finite, shapes or dtypes differ, or a
            number is out of range.

    Example:
        >>> def f(x):
        ...     return x @ x
        >>> x, p = np.array([1.0]), np.array([-2.0])          # the minimum is at γ = ½
        >>> wolfe(f, lambda x: 2 * x, x, p, 0.98)
        Wolfe(sufficient_decrease=True, curvature=True, strong_curvature=False)

    References:
        Wolfe, *Convergence Conditions for Ascent Methods*, 1969, doi:10.1137/1011036. Nocedal and
        Wright, *Numerical Optimization*, 2nd ed. 2006, section 3.1,
        doi:10.1007/978-0-387-40065-5.

    Who differs:
        Lecture notes that state (2) and then explain that the slope shrinks "in magnitude"
        describe (3): under (2) alone the slope may turn positive and as steep as it likes.
    """
    step, c1, c2 = _constants("wolfe", step, c1, c2)
    line = _Line("wolfe", f, grad_f, x, p)
    slope = line.slope(step)
    return Wolfe(
        sufficient_decrease=line.falls_enough(step, line.value(step), c1),
        curvature=slope >= c2 * line.slope0,
        strong_curvature=abs(slope) <= c2 * abs(line.slope0),
    )


def backtracking(
    f: Callable[[Array], Any],
    grad_f: Callable[[Array], Array],
    x: Array,
    p: Array,
    *,
    step: float = 1.0,
    c1: float = 1e-4,
    factor: float = 0.5,
    max_iterations: int = 50,
) -> float:
    r"""Shorten a step until the function falls enough (Armijo's rule).

    .. math::

        γ = γ_0 q^k \quad \text{with the smallest } k ≥ 0 \text{ such that} \quad
        f(x + γp) ≤ f(x) + c_1 γ \, p^T ∇f(x)

    It starts long, so no curvature condition is needed against steps that are too short. Where f
    is NaN or infinite the step is too long as well.

    Args:
        f: the function; takes an array like x and returns one number.
        grad_f: ∇f; takes an array like x and returns one of the same shape and dtype.
        x: where the step starts; any shape, floating.
        p: the direction, shape and dtype of ``x``, with pᵀ∇f(x) < 0.
        step: γ₀, the first trial, above 0.
        c1: c₁, the share of the first slope that the decrease must reach, in (0, 1).
        factor: q, by which a step that is too long is multiplied, in (0, 1).
        max_iterations: how many steps to try, at least 1.

    Returns:
        γ, a Python float.

    Raises:
        TypeError: ``x`` or ``p`` is not an array of a floating dtype, or ``f`` returns more than
            one number.
        ValueError: p is no descent direction, f(x) is not finite, shapes or dtypes differ, or a
            number is out of range.
        RuntimeError: no step was found within ``max_iterations``.

    Example:
        >>> def f(x):
        ...     return 50 * (x @ x)
        >>> x = np.array([1.0])
        >>> backtracking(f, lambda x: 100 * x, x, -100 * x)   # below 1/50 the function falls
        0.015625

    References:
        Armijo, *Minimization of functions having Lipschitz continuous first partial derivatives*,
        1966, doi:10.2140/pjm.1966.16.1.

    Who differs:
        Some versions choose q anew each time, from a parabola through the values seen.
    """
    name = "backtracking"
    step = as_number(name, "step", step, "(0, inf)")
    c1 = as_number(name, "c1", c1, "(0, 1)")
    factor = as_number(name, "factor", factor, "(0, 1)")
    line = _Line(name, f, grad_f, x, p)
    for _ in range(as_count(name, "max_iterations", max_iterations)):
        if line.falls_enough(step, line.value(step), c1):
            return step
        step *= factor
    raise _nothing_found(name, max_iterations, 0.0, step / factor)


def strong_wolfe(
    f: Callable[[Array], Any],
    grad_f: Callable[[Array], Array],
    x: Array,
    p: Array,
    *,
    step: float = 1.0,
    c1: float = 1e-4,
    c2: float = 0.9,
    max_iterations: int = 50,
) -> float:
    r"""Find a step that meets the strong Wolfe conditions: bracket one, then zoom in.

    .. math::

        f(x + γp) ≤ f(x) + c_1 γ \, p^T ∇f(x), \qquad
        |p^T ∇f(x + γp)| ≤ c_2 \, |p^T ∇f(x)|

    The bracket [low, high] always holds such steps: low is the best step that falls enough, and
    from low the function falls towards high. While high is infinite the trial doubles. Then it is
    the minimum of the parabola through φ(low), φ'(low) and φ(high), or the middle where that lies
    within a tenth of an end. A trial takes the place of high where f has not fallen enough or is
    not below φ(low), and else of low; where the function rises at the new low, the old low becomes
    high.

    Args:
        f: the function; takes an array like x and returns one number.
        grad_f: ∇f; takes an array like x and returns one of the same shape and dtype.
        x: where the step starts; any shape, floating.
        p: the direction, shape and dtype of ``x``, with pᵀ∇f(x) < 0.
        step: the first trial, above 0; 1 suits Newton's direction.
        c1: c₁, the share of the first slope that the decrease must reach, 0 < c₁ < c₂.
        c2: c₂, the share of the first slope that may be left, c₁ < c₂ < 1.
        max_iterations: how many steps to try, at least 1.

    Returns:
        γ, a Python float.

    Raises:
        TypeError: ``x`` or ``p`` is not an array of a floating dtype, or ``f`` returns more than
            one number.
        ValueError: p is no descent direction, f(x) is not finite, shapes or dtypes differ, or a
            number is out of range.
        RuntimeError: no step was found within ``max_iterations``: f falls without end along p, or
            rounding hides the decrease.

    Example:
        >>> def f(x):
        ...     return 50 * (x @ x)
        >>> x = np.array([1.0])
        >>> round(strong_wolfe(f, lambda x: 100 * x, x, -100 * x, c2=0.1), 6)    # the minimum
        0.01

    References:
        Nocedal and Wright, *Numerical Optimization*, 2nd ed. 2006, algorithms 3.5 and 3.6,
        doi:10.1007/978-0-387-40065-5.

    Who differs:
        The book has two loops; with high = ∞ at first they are one. ``scipy.optimize.line_search``
        interpolates by cubics, may return another step that meets the same conditions, and on
        failure returns ``None`` with a warning.
    """
    name = "strong_wolfe"
    trial, c1, c2 = _constants(name, step, c1, c2)
    line = _Line(name, f, grad_f, x, p)
    low, value_low, slope_low = 0.0, line.value0, line.slope0
    high, value_high = math.inf, math.inf
    for _ in range(as_count(name, "max_iterations", max_iterations)):
        value = line.value(trial)
        if not (line.falls_enough(trial, value, c1) and value < value_low):
            high, value_high = trial, value
        else:
            slope = line.slope(trial)
            if abs(slope) <= c2 * abs(line.slope0):
                return trial
            if (slope > 0) == (high > low):
                high, value_high = low, value_low
            low, value_low, slope_low = trial, value, slope
        if high == math.inf:
            trial = 2 * low
        else:
            trial = low + (high - low) * _share(slope_low * (high - low), value_high - value_low)
    raise _nothing_found(name, max_iterations, *sorted((low, high)))


class _Line:
    """The function along one direction: φ(γ) = f(x + γp) and its slope."""

    def __init__(
        self,
        name: str,
        f: Callable[[Array], Any],
        grad_f: Callable[[Array], Array],
        x: Array,
        p: Array,
    ) -> None:
        self._xp = namespace(name, x=x, p=p)
        require_like(name, "x", x, "p", p)
        self._name, self._f, self._grad_f, self._x, self._p = name, f, grad_f, x, p
        self.value0, self.slope0 = self.value(0.0), self.slope(0.0)
        if not math.isfinite(self.value0):
            raise ValueError(f"{name}: f(x) is {self.value0}. Start where f is finite.")
        if not self.slope0 < 0:
            raise ValueError(
                f"{name}: p is no descent direction: pᵀ∇f(x) is {self.slope0:g} and must be below "
                "0. Take p = -∇f(x), for example."
            )

    def value(self, step: float) -> float:
        with np.errstate(all="ignore"):  # too long a step may well overflow
            return as_scalar(self._name, "f(x)", self._f(self._x + step * self._p))

    def slope(self, step: float) -> float:
        with np.errstate(all="ignore"):
            grad = self._grad_f(self._x + step * self._p)
            namespace(self._name, x=self._x, **{"grad_f(x)": grad})
            require_like(self._name, "x", self._x, "grad_f(x)", grad)
            return as_scalar(self._name, "the slope", self._xp.sum(self._p * grad))

    def falls_enough(self, step: float, value: float, c1: float) -> bool:
        return value <= self.value0 + c1 * step * self.slope0


def _share(slope: float, rise: float) -> float:
    """Return where a parabola on [0, 1] has its minimum, or the middle where that is of no use.

    It starts at 0 with this slope and ends at this height.
    """
    bend = 2 * (rise - slope)
    share = -slope / bend if bend > 0 else 0.5
    return share if 0.1 <= share <= 0.9 else 0.5


def _constants(name: str, step: float, c1: float, c2: float) -> tuple[float, float, float]:
    step = as_number(name, "step", step, "(0, inf)")
    c1, c2 = as_scalar(name, "c1", c1), as_scalar(name, "c2", c2)
    if not 0 < c1 < c2 < 1:
        raise ValueError(
            f"{name}: 0 < c1 < c2 < 1 must hold, got c1 = {c1} and c2 = {c2}. "
            "Usual are c1 = 1e-4 and c2 = 0.9."
        )
    return step, c1, c2


def _nothing_found(name: str, max_iterations: int, low: float, high: float) -> RuntimeError:
    return RuntimeError(
        f"{name}: no step found in {max_iterations} trials; the last bracket is "
        f"[{low:g}, {high:g}]. Check that grad_f is the gradient of f and that f has a minimum "
        "along p; else allow more trials."
    )
