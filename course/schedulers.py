"""Schedules: the learning rate as a function of the step; and what reacts to a metric instead.

Every schedule has the form ``name(t, *, lr, ...) -> float``: t counts the steps already done, so
training starts at t = 0. It remembers nothing and any t can be asked for, also fractions (t may
count epochs). `warmup` takes such a function of t and returns another. Set the rate before each
step: ``optimizer.hyper["lr"] = cosine(t, lr=0.1, steps=1000)``.

`Plateau` and `EarlyStopping` hold state, for they react to what training shows; `range_test` finds
a rate to start from. Symbols: γ₀ ``lr``, γ_min ``lr_min``, T ``steps``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import count, pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from array_api_compat import array_namespace

from course._arrays import Array
from course._numbers import as_count, as_number, as_scalar, values_of

__all__ = [
    "EarlyStopping",
    "Plateau",
    "RangeTest",
    "constant",
    "cosine",
    "cosine_restarts",
    "exponential",
    "inverse_time",
    "one_cycle",
    "piecewise_constant",
    "power",
    "range_test",
    "step",
    "warmup",
]

Schedule: TypeAlias = Callable[[float], float]
Mode: TypeAlias = Literal["min", "max"]

_NOT_NEGATIVE, _POSITIVE = "[0, inf)", "(0, inf)"
_INTERVALS = {
    "t": _NOT_NEGATIVE,
    "lr": _NOT_NEGATIVE,
    "lr_min": _NOT_NEGATIVE,
    "lr_start": _NOT_NEGATIVE,
    "k": _NOT_NEGATIVE,
    "c": _NOT_NEGATIVE,
    "s": _POSITIVE,
    "steps": _POSITIVE,
    "every": _POSITIVE,
    "factor": "(0, 1]",
    "growth": "[1, inf)",
    "rise": "(0, 0.5)",
    "div_factor": "[1, inf)",
    "final_div_factor": "[1, inf)",
    "min_delta": _NOT_NEGATIVE,
}


def constant(t: float, *, lr: float) -> float:
    r"""Keep the rate: the schedule that the others are measured against.

    .. math:: γ_t = γ_0

    Args:
        t: steps already done, at least 0.
        lr: γ₀, at least 0.

    Returns:
        γ_t.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> constant(500, lr=0.1)
        0.1

    References:
        Cauchy, *Méthode générale pour la résolution des systèmes d'équations simultanées*, 1847.

    Who differs:
        ``torch.optim.lr_scheduler.ConstantLR`` is something else: it multiplies the rate by 1/3
        for its first 5 steps.
    """
    _, lr = _checked("constant", t=t, lr=lr)
    return lr


def step(t: float, *, lr: float, factor: float = 0.5, every: float) -> float:
    r"""Multiply the rate by one factor every so many steps.

    .. math:: γ_t = γ_0 f^{⌊t / n⌋}

    Args:
        t: steps already done, at least 0.
        lr: γ₀, at least 0.
        factor: f, in (0, 1].
        every: n, the steps between two cuts, above 0.

    Returns:
        γ_t; the first reduced rate is that of t = n.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> [step(t, lr=0.8, every=10) for t in (0, 9, 10, 20)]     # by half every ten
        [0.8, 0.8, 0.4, 0.2]

    References:
        He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016, arXiv:1512.03385.

    Who differs:
        Nobody: ``torch.optim.lr_scheduler.StepLR`` gives the same, with f called ``gamma``.
    """
    t, lr, factor, every = _checked("step", t=t, lr=lr, factor=factor, every=every)
    return float(lr * factor ** (t // every))


def piecewise_constant(t: float, *, lrs: Sequence[float], boundaries: Sequence[float]) -> float:
    r"""Take each rate of a list for its own stretch of steps.

    .. math:: γ_t = γ^{(i)} \quad \text{for } b_i ≤ t < b_{i+1}, \qquad b_0 = 0

    Args:
        t: steps already done, at least 0.
        lrs: γ⁽⁰⁾, γ⁽¹⁾, ..., each at least 0; one more than there are boundaries.
        boundaries: b₁, b₂, ..., above 0 and growing.

    Returns:
        γ_t; at a boundary the new rate holds already.

    Raises:
        TypeError: a rate, a boundary or ``t`` is not a number.
        ValueError: the numbers of rates and boundaries do not fit, the boundaries do not grow, or
            an argument is out of range.

    Example:
        >>> rates = {"lrs": [0.1, 0.03, 0.01], "boundaries": [100, 150]}
        >>> [piecewise_constant(t, **rates) for t in (0, 99, 100, 150)]
        [0.1, 0.1, 0.03, 0.01]

    References:
        He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016, arXiv:1512.03385.

    Who differs:
        ``torch.optim.lr_scheduler.MultiStepLR`` changes at the same steps, by one factor for all.
        Keras's ``PiecewiseConstantDecay`` still has the old rate at the boundary itself.
    """
    (t,) = _checked("piecewise_constant", t=t)
    rates = [as_number("piecewise_constant", "each of lrs", lr, _NOT_NEGATIVE) for lr in lrs]
    ends = [as_number("piecewise_constant", "each boundary", b, _POSITIVE) for b in boundaries]
    if len(rates) != len(ends) + 1:
        raise ValueError(
            f"piecewise_constant: {len(rates)} rates for {len(ends)} boundaries. "
            "Give one rate more than boundaries."
        )
    if any(later <= earlier for earlier, later in pairwise(ends)):
        raise ValueError(f"piecewise_constant: the boundaries must grow, got {ends}.")
    return rates[bisect_right(ends, t)]


def exponential(t: float, *, lr: float, k: float) -> float:
    r"""Let the rate decay by the same share at each step.

    .. math:: γ_t = γ_0 e^{-kt}

    Args:
        t: steps already done, at least 0.
        lr: γ₀, at least 0.
        k: the decay a step, at least 0; the rate halves every ln(2)/k steps.

    Returns:
        γ_t.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> round(exponential(100, lr=0.1, k=math.log(2) / 50), 6)     # two halvings
        0.025

    References:
        Senior et al., *An Empirical Study of Learning Rates in Deep Neural Networks for Speech
        Recognition*, ICASSP 2013, doi:10.1109/ICASSP.2013.6638963.

    Who differs:
        ``torch.optim.lr_scheduler.ExponentialLR`` takes the factor a step, ``gamma`` = e⁻ᵏ. Others
        write γ₀ · 0.1^(t/s), which is k = ln(10)/s.
    """
    t, lr, k = _checked("exponential", t=t, lr=lr, k=k)
    return lr * math.exp(-k * t)


def inverse_time(t: float, *, lr: float, k: float) -> float:
    r"""Let the rate fall like 1/t: fast at first, then ever slower.

    .. math:: γ_t = \frac{γ_0}{1 + kt}

    Its sum over all steps is infinite and the sum of its squares is not: such steps can go any
    distance, and yet the noise of the gradients dies away.

    Args:
        t: steps already done, at least 0.
        lr: γ₀, at least 0.
        k: the decay, at least 0; after 1/k steps the rate is half of γ₀.

    Returns:
        γ_t.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> [inverse_time(t, lr=0.6, k=0.01) for t in (0, 100, 200)]
        [0.6, 0.3, 0.19999999999999998]

    References:
        Robbins and Monro, *A Stochastic Approximation Method*, 1951, doi:10.1214/aoms/1177729586.

    Who differs:
        It is `power` with c = 1 and s = 1/k. Keras's ``InverseTimeDecay`` writes k as
        ``decay_rate / decay_steps``; torch has no such schedule.
    """
    t, lr, k = _checked("inverse_time", t=t, lr=lr, k=k)
    return lr / (1 + k * t)


def power(t: float, *, lr: float, s: float, c: float = 1.0) -> float:
    r"""Let the rate fall like a power of the step.

    .. math:: γ_t = \frac{γ_0}{(1 + t/s)^c}

    Args:
        t: steps already done, at least 0.
        lr: γ₀, at least 0.
        s: the steps after which 1 + t/s is 2, above 0.
        c: the power, at least 0; Robbins and Monro's conditions hold for ½ < c ≤ 1.

    Returns:
        γ_t.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> [power(t, lr=0.8, s=100, c=2) for t in (0, 100, 300)]
        [0.8, 0.2, 0.05]

    References:
        Senior et al., *An Empirical Study of Learning Rates in Deep Neural Networks for Speech
        Recognition*, ICASSP 2013, doi:10.1109/ICASSP.2013.6638963.

    Who differs:
        ``torch.optim.lr_scheduler.PolynomialLR`` is something else: γ₀ (1 - t/T)^c, which is 0
        after T steps.
    """
    t, lr, s, c = _checked("power", t=t, lr=lr, s=s, c=c)
    return float(lr * (1 + t / s) ** -c)


def cosine(t: float, *, lr: float, steps: float, lr_min: float = 0.0) -> float:
    r"""Lower the rate along half a cosine: slowly, then fast, then slowly again.

    .. math:: γ_t = γ_{min} + \frac{γ_0 - γ_{min}}{2} \left( 1 + \cos\frac{π t}{T} \right)

    Args:
        t: steps already done, at least 0.
        lr: γ₀, the rate at t = 0, at least ``lr_min``.
        steps: T, when γ_min is reached, above 0; afterwards the rate stays there.
        lr_min: γ_min, at least 0.

    Returns:
        γ_t, from ``lr_min`` to ``lr``.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range, or ``lr_min`` is larger than ``lr``.

    Example:
        >>> [round(cosine(t, lr=0.1, steps=100), 6) for t in (0, 25, 50, 100, 101)]
        [0.1, 0.085355, 0.05, 0.0, 0.0]

    References:
        Loshchilov and Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR 2017,
        arXiv:1608.03983.

    Who differs:
        ``torch.optim.lr_scheduler.CosineAnnealingLR`` is the same up to T; after T it rises again.
    """
    t, lr, steps, lr_min = _checked("cosine", t=t, lr=lr, steps=steps, lr_min=lr_min)
    return _half_cosine("cosine", min(t / steps, 1.0), lr, lr_min)


def cosine_restarts(
    t: float, *, lr: float, steps: float, growth: float = 1.0, lr_min: float = 0.0
) -> float:
    r"""Lower the rate along half a cosine, then start again from the top.

    .. math::

        γ_t = γ_{min} + \frac{γ_0 - γ_{min}}{2} \left( 1 + \cos\frac{π t_i}{T_i} \right),
        \qquad T_i = T g^i, \quad t_i = t - \sum_{j<i} T_j

    i is the number of the cycle that t falls into.

    Args:
        t: steps already done, at least 0.
        lr: γ₀, the rate at each restart, at least ``lr_min``.
        steps: T, the length of the first cycle, above 0.
        growth: g, how much longer each cycle is than the one before, at least 1.
        lr_min: γ_min, at least 0.

    Returns:
        γ_t, from ``lr_min`` to ``lr``; γ_min itself is skipped, for its step is a restart.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range, or ``lr_min`` is larger than ``lr``.

    Example:
        >>> rates = [cosine_restarts(t, lr=0.4, steps=2, growth=2) for t in range(7)]
        >>> [round(rate, 6) for rate in rates]                # cycles of 2, 4, ... steps
        [0.4, 0.2, 0.4, 0.341421, 0.2, 0.058579, 0.4]

    References:
        Loshchilov and Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR 2017,
        arXiv:1608.03983.

    Who differs:
        ``torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`` is the same; it calls T ``T_0``
        and g ``T_mult``, a whole number.
    """
    name = "cosine_restarts"
    t, lr, steps, growth, lr_min = _checked(
        name, t=t, lr=lr, steps=steps, growth=growth, lr_min=lr_min
    )
    if growth == 1:
        t %= steps
    while t >= steps:
        t -= steps
        steps *= growth
    return _half_cosine(name, t / steps, lr, lr_min)


def warmup(schedule: Schedule, *, steps: float, lr_start: float = 0.0) -> Schedule:
    r"""Raise the rate evenly to where a schedule begins, then follow the schedule.

    .. math::

        γ_t = \begin{cases}
            γ_{start} + (s(0) - γ_{start}) \, t / T & t < T \\
            s(t - T) & t ≥ T
        \end{cases}

    Large batches want large rates, which the first steps from random weights do not bear.

    Args:
        schedule: s, a function of the step, such as ``lambda t: cosine(t, lr=0.1, steps=900)``.
        steps: T, the length of the warm-up, above 0.
        lr_start: γ_start, the rate at t = 0, at least 0. At 0 the very first step moves nothing.

    Returns:
        The new schedule, a function of t; there is no jump at t = T.

    Raises:
        TypeError: ``schedule`` cannot be called (a rate instead of a function, say), or another
            argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> warm = warmup(lambda t: constant(t, lr=0.4), steps=4)
        >>> [round(warm(t), 6) for t in range(6)]
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.4]

    References:
        Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017,
        arXiv:1706.02677.

    Who differs:
        torch chains ``LinearLR`` and a schedule in ``SequentialLR``; it starts at a third of the
        rate unless told otherwise. In Goyal's paper the schedule's own clock runs during the
        warm-up too; here it starts after it. Some code has (t + 1)/T, so that the first step moves.
    """
    if not callable(schedule):
        raise TypeError(
            f"warmup: schedule must be a function of the step, got {schedule!r}. "
            "For a constant rate pass lambda t: constant(t, lr=0.1)."
        )
    length, start = _checked("warmup", steps=steps, lr_start=lr_start)

    def warmed(t: float) -> float:
        (t,) = _checked("warmup", t=t)
        if t >= length:
            return schedule(t - length)
        return start + (schedule(0) - start) * t / length

    return warmed


def one_cycle(
    t: float,
    *,
    lr: float,
    steps: float,
    rise: float = 0.45,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> float:
    r"""Raise the rate to a high peak, bring it back, and end far below: three straight lines.

    .. math::

        γ: \quad \frac{γ_0}{d} \;\xrightarrow{rT \text{ steps}}\; γ_0
        \;\xrightarrow{rT}\; \frac{γ_0}{d} \;\xrightarrow{(1 - 2r) T}\; \frac{γ_0}{d e}

    The high rates in the middle keep the weights out of sharp minima; the last phase settles.

    Args:
        t: steps already done, at least 0.
        lr: γ₀, the *peak*, at least 0; a range test tells how high it may be.
        steps: T, when the lowest rate is reached, above 0; afterwards the rate stays there.
        rise: r, the share of the steps that the way up takes, in (0, 0.5); the way down takes as
            long.
        div_factor: d, the peak over the first rate, at least 1.
        final_div_factor: e, the first rate over the last one, at least 1.

    Returns:
        γ_t.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> cycle = {"lr": 0.5, "steps": 100, "rise": 0.4, "div_factor": 10}
        >>> [round(one_cycle(t, **cycle), 6) for t in (0, 20, 40, 80, 90, 100)]
        [0.05, 0.275, 0.5, 0.05, 0.025003, 5e-06]

    References:
        Smith, *A Disciplined Approach to Neural Network Hyper-parameters: Part 1*, 2018,
        arXiv:1803.09820.

    Who differs:
        ``torch.optim.lr_scheduler.OneCycleLR`` by default has two phases, up for 30 % of the steps
        and down for the rest, both along a cosine. With ``three_phase=True`` and
        ``anneal_strategy="linear"`` it is this function, but its last rate is that of t = T - 1
        and its peak that of t = rT - 1. Like Smith it also lowers the momentum while the rate is
        high; here that is left to the caller.
    """
    t, peak, steps, rise, div_factor, final_div_factor = _checked(
        "one_cycle",
        t=t,
        lr=lr,
        steps=steps,
        rise=rise,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
    )
    first = peak / div_factor
    corners = [0.0, rise * steps, 2 * rise * steps, steps]
    return float(np.interp(t, corners, [first, peak, first, first / final_div_factor]))


class Plateau:
    r"""Lower the rate whenever a metric has stopped improving (performance scheduling).

    .. math::

        γ ← \max(γ f, γ_{min}) \quad
        \text{after } p \text{ updates in a row with } m ≥ m_{best} - δ

    An update improves if m < m_best - δ, for ``mode="max"`` if m > m_best + δ; NaN never does. The
    count of bad updates starts again after an improvement and after each cut.

    Args:
        lr: γ at the start, at least 0.
        factor: f, in (0, 1].
        patience: p, at least 1.
        min_delta: δ, at least 0, in units of the metric.
        mode: ``"min"`` where small is good (a loss), ``"max"`` where large is (an accuracy).
        lr_min: γ_min, at least 0.

    Attributes:
        lr: the rate now.
        best: the best metric so far, ``None`` before there is one.

    Raises:
        TypeError: a number or a metric is none.
        ValueError: an argument is out of range, or ``lr_min`` is larger than ``lr``.

    Example:
        >>> plateau = Plateau(0.1, factor=0.5, patience=2)
        >>> [plateau.update(loss) for loss in (1.0, 0.8, 0.9, 0.8, 0.85, 0.7)]
        [0.1, 0.1, 0.1, 0.05, 0.05, 0.05]

    References:
        Senior et al., *An Empirical Study of Learning Rates in Deep Neural Networks for Speech
        Recognition*, ICASSP 2013, doi:10.1109/ICASSP.2013.6638963.

    Who differs:
        ``torch.optim.lr_scheduler.ReduceLROnPlateau`` cuts after patience + 1 bad updates, and by
        default measures δ as a share of the best metric (``threshold_mode="rel"``). Keras counts
        as we do.
    """

    def __init__(
        self,
        lr: float,
        *,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Mode = "min",
        lr_min: float = 0.0,
    ) -> None:
        self.lr, self.factor, self.lr_min = _checked("Plateau", lr=lr, factor=factor, lr_min=lr_min)
        _require_order("Plateau", self.lr_min, self.lr)
        self._watch = _Watch("Plateau", patience, min_delta, mode)

    @property
    def best(self) -> float | None:
        """The best metric so far."""
        return self._watch.best

    def update(self, metric: Any) -> float:
        """Take the newest metric and return the rate to go on with."""
        self._watch.improved(metric)
        if self._watch.patience_is_over:
            self.lr = max(self.lr * self.factor, self.lr_min)
            self._watch.bad_in_a_row = 0
        return self.lr


class EarlyStopping:
    r"""Stop when a metric no longer improves, and bring back the parameters of its best value.

    .. math:: \text{stop after } p \text{ updates in a row with } m ≥ m_{best} - δ

    An update improves if m < m_best - δ, for ``mode="max"`` if m > m_best + δ; NaN never does. At
    each improvement the parameters are copied. Measure the metric on data that training does not
    see, or there is nothing to stop early for.

    Args:
        params: the arrays that are trained, torch parameters too; only `restore` changes them.
        patience: p, at least 1.
        min_delta: δ, at least 0, in units of the metric.
        mode: ``"min"`` where small is good (a loss), ``"max"`` where large is (an accuracy).

    Attributes:
        best: the best metric so far, ``None`` before there is one.
        best_update: which update it came with, counted from 0.

    Raises:
        TypeError: ``params`` is empty or a single array; a number or a metric is none.
        ValueError: an argument is out of range.
        RuntimeError: `restore` is called before any update was an improvement.

    Example:
        >>> weights = np.zeros(2)
        >>> stopping = EarlyStopping([weights], patience=2)
        >>> for loss in (0.9, 0.5, 0.6, 0.7, 0.4):
        ...     weights += 1.0                                # a step of training
        ...     if stopping.update(loss):
        ...         break
        >>> stopping.restore()
        >>> weights, stopping.best_update
        (array([2., 2.]), 1)

    References:
        Prechelt, *Early Stopping - But When?*, 1998, doi:10.1007/3-540-49430-8_3. Goodfellow,
        Bengio and Courville, *Deep Learning*, 2016, algorithm 7.1.

    Who differs:
        Keras's ``EarlyStopping`` counts the same way, but keeps the last parameters unless
        ``restore_best_weights=True``. Torch has none of its own.
    """

    def __init__(
        self,
        params: Iterable[Array],
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Mode = "min",
    ) -> None:
        if hasattr(params, "shape"):
            raise TypeError("EarlyStopping: params is one array; pass a list, for example [theta].")
        self.params = list(params)
        if not self.params:
            raise TypeError("EarlyStopping: params is empty; there is nothing to bring back.")
        self._watch = _Watch("EarlyStopping", patience, min_delta, mode)
        self._kept: list[Array] = []

    @property
    def best(self) -> float | None:
        """The best metric so far."""
        return self._watch.best

    @property
    def best_update(self) -> int | None:
        """Which update the best metric came with, counted from 0."""
        return self._watch.best_update

    def update(self, metric: Any) -> bool:
        """Take the newest metric and return whether to stop."""
        if self._watch.improved(metric):
            self._kept = [_copy(values_of(param)) for param in self.params]
        return self._watch.patience_is_over

    def restore(self) -> None:
        """Write the parameters of the best update back, into the same arrays."""
        if not self._kept:
            raise RuntimeError(
                "EarlyStopping: no update was an improvement yet, so nothing was kept. "
                "Call update(metric) with a metric that is a number first."
            )
        for param, kept in zip(self.params, self._kept, strict=True):
            values_of(param)[...] = kept


class RangeTest(NamedTuple):
    r"""What `range_test` saw.

    .. math:: ℓ_i = \text{loss at the rate } γ_i, \qquad i = 0, 1, ...

    Args:
        rates: γ_i, shape (n,).
        losses: ℓ_i, shape (n,); where the test diverged, the last one is what showed it.
        suggested: a rate to train with.
        diverged: whether the loss ran away; if not, try a larger ``lr_max``.

    Raises:
        TypeError: a field is missing.

    Example:
        >>> RangeTest(np.array([0.1, 1.0]), np.array([2.0, 1.0]), 0.1, diverged=False).suggested
        0.1

    References:
        Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017, arXiv:1506.01186.

    Who differs:
        Libraries plot the curve and leave the choice to the eye; look at it here too.
    """

    rates: Array
    losses: Array
    suggested: float
    diverged: bool


def range_test(
    train_step: Callable[[float], Any],
    *,
    lr_min: float = 1e-6,
    lr_max: float = 10.0,
    factor: float = 10.0,
    steps: int | None = None,
    diverged: float = 4.0,
) -> RangeTest:
    r"""Train at ever larger rates until the loss runs away, and suggest a rate well below.

    .. math::

        γ_i = γ_{min} q^i ≤ γ_{max}, \qquad
        γ_{suggested} = \frac{1}{10} γ_j, \quad j = \arg\min_i ℓ_i

    The loss falls while the rate can be borne and still a little beyond, for what grows there was
    tiny at first. So its lowest point lies past the edge, and a tenth of that rate is safe and
    still fast. The coarse form has q = 10 and trains a few epochs at each rate; the fine form takes
    a few hundred rates, one step each, with q = (γ_max/γ_min)^(1/(steps - 1)). The loss has run
    away when it is no longer finite or above ``diverged`` times the lowest one.

    Afterwards the parameters are spoiled: initialise them again, then train.

    Args:
        train_step: trains at the rate it is given, for one step or a few epochs, and returns the
            loss, at least 0. If that is the loss *before* the step, the curve lags by one rate. The
            noise of a single small batch blurs the choice.
        lr_min: γ_min, the first rate, above 0.
        lr_max: γ_max, where to give up, above ``lr_min``.
        factor: q of the coarse form, above 1; not used where ``steps`` is given.
        steps: the number of rates of the fine form, at least 2; ``None`` for the coarse form.
        diverged: how many times the lowest loss is too much, above 1.

    Returns:
        ``RangeTest(rates, losses, suggested, diverged)``.

    Raises:
        TypeError: ``train_step`` cannot be called or returns no number, or a number is none.
        ValueError: an argument is out of range, or a loss is negative.
        RuntimeError: the loss was lowest at the first rate: no rate made it fall.

    Example:
        >>> weights = np.array([1.0, 1.0])
        >>> def train_step(lr):                               # on ½ (w₁² + 50 w₂²)
        ...     weights[:] -= lr * np.array([1.0, 50.0]) * weights
        ...     return 0.5 * np.array([1.0, 50.0]) @ weights**2
        >>> seen = range_test(train_step, steps=200)
        >>> seen.diverged, bool(0.004 < seen.suggested < 0.04)    # beyond 2/50 it cannot go
        (True, True)

    References:
        Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017, arXiv:1506.01186.

    Who differs:
        Smith raises the rate evenly, not by a factor. fastai smooths the losses first and suggests
        where the curve falls fastest; others take the rate just before the curve turns up.
    """
    if not callable(train_step):
        raise TypeError(
            "range_test: train_step must be a function that trains at a rate and returns the "
            f"loss, got {train_step!r}."
        )
    tried: list[float] = []
    losses: list[float] = []
    too_much = as_number("range_test", "diverged", diverged, "(1, inf)")
    ran_away = False
    for rate in _growing_rates(lr_min, lr_max, factor, steps):
        with np.errstate(over="ignore", invalid="ignore"):
            loss = as_scalar("range_test", "the loss", train_step(rate))
        if loss < 0:
            raise ValueError(
                f"range_test: the loss at the rate {rate:g} is {loss:g}. Multiples of the lowest "
                "loss say nothing below 0: add a constant to the loss."
            )
        tried.append(rate)
        losses.append(loss)
        ran_away = not (math.isfinite(loss) and loss <= too_much * min(losses))
        if ran_away:
            break
    lowest = int(np.argmin(np.nan_to_num(losses, nan=math.inf)))
    if lowest == 0:
        raise RuntimeError(
            f"range_test: no rate made the loss fall: it was lowest at the first rate {tried[0]:g} "
            f"({losses[0]:g}) and ended at {tried[-1]:g} ({losses[-1]:g}). Take a smaller lr_min, "
            "or check the gradient."
        )
    return RangeTest(np.array(tried), np.array(losses), tried[lowest] / 10, ran_away)


def _growing_rates(
    lr_min: float, lr_max: float, factor: float, steps: int | None
) -> Iterable[float]:
    low = as_number("range_test", "lr_min", lr_min, _POSITIVE)
    high = as_number("range_test", "lr_max", lr_max, _POSITIVE)
    factor = as_number("range_test", "factor", factor, "(1, inf)")
    if low >= high:
        raise ValueError(f"range_test: lr_min {low:g} must be below lr_max {high:g}.")
    if steps is not None:
        return [
            float(r) for r in np.geomspace(low, high, as_count("range_test", "steps", steps, 2))
        ]
    number = math.floor(math.log(high / low) / math.log(factor) + 1e-9) + 1
    return [low * factor**i for i in range(number)]


class _Watch:
    """Tell whether a metric improved, and count the updates in a row without improvement."""

    def __init__(self, name: str, patience: int, min_delta: float, mode: Mode) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'{name}: mode must be "min" or "max", got {mode!r}.')
        self.name = name
        self.patience = as_count(name, "patience", patience)
        (self.min_delta,) = _checked(name, min_delta=min_delta)
        self.sign = 1 if mode == "min" else -1
        self.best: float | None = None
        self.best_update: int | None = None
        self.bad_in_a_row = 0
        self._numbers = count()

    @property
    def patience_is_over(self) -> bool:
        return self.bad_in_a_row >= self.patience

    def improved(self, metric: Any) -> bool:
        value, number = as_scalar(self.name, "metric", metric), next(self._numbers)
        best = math.inf if self.best is None else self.sign * self.best
        if self.sign * value < best - self.min_delta:
            self.best, self.best_update, self.bad_in_a_row = value, number, 0
            return True
        self.bad_in_a_row += 1
        return False


def _checked(name: str, **numbers: float) -> list[float]:
    return [as_number(name, key, value, _INTERVALS[key]) for key, value in numbers.items()]


def _require_order(name: str, lr_min: float, lr: float) -> None:
    if lr_min > lr:
        raise ValueError(f"{name}: lr_min {lr_min:g} must not be larger than lr {lr:g}.")


def _half_cosine(name: str, share: float, lr: float, lr_min: float) -> float:
    """Return the rate when this share of the way from lr to lr_min is done."""
    _require_order(name, lr_min, lr)
    return lr_min + (lr - lr_min) * (1 + math.cos(math.pi * share)) / 2


def _copy(array: Array) -> Array:
    return array_namespace(array).asarray(array, copy=True)
