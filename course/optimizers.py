"""Update rules as pure functions, and the `Optimizer` that applies one to a list of parameters.

Every rule has the form ``rule(theta, grad, state=None, *, lr, ...) -> (theta, state)``. It takes
one array of any array-API library (NumPy, torch on any device, ...) and changes nothing in place:
the new parameters and the new state come back. The state is a plain dict; pass ``None`` to start.

Symbols: θ ``theta``, g ``grad``, γ ``lr``, α ``momentum``, ρ ``rho``, β₁ ``beta1``, β₂ ``beta2``,
δ ``eps``, λ ``weight_decay``, t the number of the step, starting at 1; u, s, r, v name the state's
arrays. Products, quotients, roots, signs and maxima of arrays are element by element.

Autograd passes through every rule. Where all gradients of an entry so far were exactly 0, the
rules with √r have no derivative with respect to them, and autograd gives NaN there.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

from array_api_compat import array_namespace, is_torch_array

from course._arrays import Array, namespace
from course._compiled import CompiledRule
from course._numbers import values_of
from course._rules import (
    Rule,
    State,
    as_hyper,
    missing_entry,
    require_match,
    require_state,
    update_rule,
)

__all__ = [
    "Optimizer",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "amsgrad",
    "lion",
    "momentum",
    "muon",
    "nadam",
    "nesterov",
    "nesterov_lookahead",
    "rmsprop",
    "sgd",
]


@update_rule
def sgd(theta: Array, grad: Array, state: State | None = None, *, lr: float) -> tuple[Array, State]:
    r"""Plain gradient descent: a step against the gradient.

    .. math:: θ_{t+1} = θ_t - γ g_t

    Fed with the gradient of all samples it is batch gradient descent, with that of one sample
    stochastic gradient descent, with the mean over a few mini-batch SGD: the rule is the same.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: nothing is remembered; ``None`` or ``{}``.
        lr: γ, the learning rate, at least 0, in units of θ²/loss.

    Returns:
        The new θ and the state ``{}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, or ``lr`` is negative.

    Example:
        >>> import numpy as np
        >>> theta, state = sgd(np.array([1.0, 2.0]), np.array([10.0, -10.0]), lr=0.1)
        >>> theta
        array([0., 3.])

    References:
        Robbins and Monro, *A Stochastic Approximation Method*, 1951, doi:10.1214/aoms/1177729586.

    Who differs:
        Nobody: ``torch.optim.SGD`` without momentum is this line.
    """
    return theta - lr * grad, {}


@update_rule
def momentum(
    theta: Array, grad: Array, state: State | None = None, *, lr: float, momentum: float = 0.9
) -> tuple[Array, State]:
    r"""Gradient descent with momentum: steps add up to a velocity that decays.

    .. math::

        u_t = α u_{t-1} - γ g_t, \qquad θ_{t+1} = θ_t + u_t

    The velocity is a decaying *sum*: its weights 1, α, α², ... add up to 1/(1 - α), so a constant
    gradient ends at the terminal velocity -γ g / (1 - α).

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"u": velocity}``, shape of ``theta``; ``None`` starts at rest.
        lr: γ, the learning rate, at least 0.
        momentum: α, the share of the velocity kept at each step, in [0, 1).

    Returns:
        The new θ and the state ``{"u": u}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = np.array([0.0]), None
        >>> for _ in range(3):
        ...     theta, state = momentum(theta, np.array([1.0]), state, lr=0.1, momentum=0.5)
        >>> state["u"].round(6)                       # on its way to -0.1 / (1 - 0.5)
        array([-0.175])

    References:
        Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964,
        doi:10.1016/0041-5553(64)90137-5.

    Who differs:
        ``torch.optim.SGD`` keeps v = α v + g and steps by -γ v. Both agree while γ is constant;
        when γ changes, torch rescales the whole past at once, this form only what is new.
        Some texts call u an average; for that g would have to be weighted by 1 - α.
    """
    xp = array_namespace(theta)
    state = state or {"u": xp.zeros_like(theta)}
    u = momentum * state["u"] - lr * grad
    return theta + u, {"u": u}


@update_rule
def nesterov(
    theta: Array, grad: Array, state: State | None = None, *, lr: float, momentum: float = 0.9
) -> tuple[Array, State]:
    r"""Nesterov momentum, written with the gradient at θ.

    .. math::

        u_t = α u_{t-1} - γ g_t, \qquad θ_{t+1} = θ_t + α u_t - γ g_t

    This is `nesterov_lookahead` followed through the shifted variable φ = θ + α u: what that form
    calls φ is the θ of this one. No gradient at a second point is needed, so any training loop
    can use it.

    Args:
        theta: θ, the (shifted) parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"u": velocity}``, shape of ``theta``; ``None`` starts at rest.
        lr: γ, the learning rate, at least 0.
        momentum: α, the share of the velocity kept at each step, in [0, 1).

    Returns:
        The new θ and the state ``{"u": u}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = nesterov(np.array([0.0]), np.array([1.0]), lr=0.1, momentum=0.5)
        >>> theta.round(6), state["u"]                # the step looks half a velocity ahead
        (array([-0.15]), array([-0.1]))

    References:
        Nesterov, *A method for solving the convex programming problem with convergence rate
        O(1/k²)*, 1983. Sutskever et al., *On the importance of initialization and momentum in deep
        learning*, ICML 2013.

    Who differs:
        ``torch.optim.SGD(nesterov=True)`` keeps v = α v + g and steps by -γ (g + α v): the same
        path while γ is constant.
    """
    xp = array_namespace(theta)
    state = state or {"u": xp.zeros_like(theta)}
    u = momentum * state["u"] - lr * grad
    return theta + momentum * u - lr * grad, {"u": u}


def nesterov_lookahead(
    theta: Array,
    grad_fn: Callable[[Array], Array],
    state: State | None = None,
    *,
    lr: float,
    momentum: float = 0.9,
) -> tuple[Array, State]:
    r"""Nesterov momentum as textbooks write it: the gradient is taken one velocity ahead.

    .. math::

        g_t = ∇L(θ_t + α u_{t-1}), \qquad u_t = α u_{t-1} - γ g_t, \qquad θ_{t+1} = θ_t + u_t

    Args:
        theta: θ, the parameters; any shape, floating.
        grad_fn: ∇L, a function from parameters to their gradient, of the same shape and dtype.
        state: ``{"u": velocity}``, shape of ``theta``; ``None`` starts at rest.
        lr: γ, the learning rate, at least 0.
        momentum: α, the share of the velocity kept at each step, in [0, 1).

    Returns:
        The new θ and the state ``{"u": u}``.

    Raises:
        TypeError: ``theta`` is not an array of a floating dtype, or ``grad_fn`` cannot be called.
        ValueError: ``grad_fn`` returns another shape or dtype, a hyper-parameter is out of range,
            or the state lacks a key.

    Example:
        >>> import numpy as np
        >>> theta, state = np.array([1.0]), {"u": np.array([-1.0])}
        >>> theta, state = nesterov_lookahead(theta, lambda x: 2 * x, state, lr=0.1, momentum=0.5)
        >>> theta.round(6)                            # the gradient was taken at 1 + 0.5 * (-1)
        array([0.4])

    References:
        Sutskever et al., *On the importance of initialization and momentum in deep learning*,
        ICML 2013.

    Who differs:
        Frameworks use `nesterov`, which follows θ + α u instead of θ.
    """
    if not callable(grad_fn):
        raise TypeError(
            "nesterov_lookahead: grad_fn must be a function from theta to its gradient, "
            f"got {type(grad_fn).__name__}. With a gradient at hand use nesterov."
        )
    name = "nesterov_lookahead"
    xp = namespace(name, theta=theta)
    require_state(name, theta, state)
    lr, momentum = as_hyper(name, "lr", lr), as_hyper(name, "momentum", momentum)
    try:
        carried = momentum * (state or {"u": xp.zeros_like(theta)})["u"]
    except KeyError as missing:
        raise missing_entry(name, state, missing) from None
    grad_ahead = grad_fn(theta + carried)
    require_match(name, theta, grad_ahead)
    u = carried - lr * grad_ahead
    return theta + u, {"u": u}


@update_rule
def adagrad(
    theta: Array, grad: Array, state: State | None = None, *, lr: float = 1e-2, eps: float = 1e-10
) -> tuple[Array, State]:
    r"""AdaGrad: each parameter's rate shrinks with the squared gradients it has seen.

    .. math::

        r_t = r_{t-1} + g_t^2, \qquad θ_{t+1} = θ_t - \frac{γ}{δ + \sqrt{r_t}} g_t

    r only grows, so under gradients of steady size the step shrinks like 1/√t.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"r": sum of squared gradients}``, shape of ``theta``; ``None`` starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ.
        eps: δ, added to the root, at least 0, in units of the gradient. With 0, an entry whose
            gradients were all 0 becomes NaN (0/0).

    Returns:
        The new θ and the state ``{"r": r}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = np.array([1.0, 1.0]), None
        >>> for _ in range(2):
        ...     theta, state = adagrad(theta, np.array([3.0, 0.5]), state, lr=0.1)
        >>> theta.round(4)                            # both moved by 0.1 + 0.1/√2, whatever g
        array([0.8293, 0.8293])

    References:
        Duchi, Hazan and Singer, *Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization*, JMLR 12, 2011.

    Who differs:
        ``torch.optim.Adagrad`` is this line and adds a decay of γ, 0 by default. Some older code
        has √(r + δ): the same where r is large against δ.
    """
    xp = array_namespace(theta)
    state = state or {"r": xp.zeros_like(theta)}
    r = state["r"] + grad * grad
    return theta - lr / (eps + xp.sqrt(r)) * grad, {"r": r}


@update_rule
def rmsprop(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 1e-2,
    rho: float = 0.9,
    eps: float = 1e-8,
) -> tuple[Array, State]:
    r"""RMSProp: AdaGrad with a decaying average in place of the sum, so the step does not die.

    .. math::

        r_t = ρ r_{t-1} + (1 - ρ) g_t^2, \qquad θ_{t+1} = θ_t - \frac{γ}{δ + \sqrt{r_t}} g_t

    r starts at 0 and is not corrected for it: the first steps are up to 1/√(1 - ρ) times longer.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"r": average of squared gradients}``, shape of ``theta``; ``None`` starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ.
        rho: ρ, the share of the old average that is kept, in [0, 1).
        eps: δ, added to the root, at least 0, in units of the gradient. With 0, an entry whose
            gradients were all 0 becomes NaN (0/0).

    Returns:
        The new θ and the state ``{"r": r}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = rmsprop(np.array([1.0]), np.array([5.0]), lr=0.1, rho=0.75)
        >>> theta.round(6), state["r"]                # 0.1 / √(1 - 0.75) = 0.2
        (array([0.8]), array([6.25]))

    References:
        Tieleman and Hinton, *Lecture 6.5: rmsprop*, Neural Networks for Machine Learning, 2012.

    Who differs:
        ``torch.optim.RMSprop`` calls ρ ``alpha`` and sets it to 0.99; its ``centered`` and
        ``momentum`` variants are other rules. Some older code has √(r + δ).
    """
    xp = array_namespace(theta)
    state = state or {"r": xp.zeros_like(theta)}
    r = rho * state["r"] + (1 - rho) * grad * grad
    return theta - lr / (eps + xp.sqrt(r)) * grad, {"r": r}


@update_rule
def adam(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, State]:
    r"""Adam: averages of the gradient and of its square, both corrected for starting at 0.

    .. math::

        s_t &= β_1 s_{t-1} + (1 - β_1) g_t, & \hat s_t &= s_t / (1 - β_1^t) \\
        r_t &= β_2 r_{t-1} + (1 - β_2) g_t^2, & \hat r_t &= r_t / (1 - β_2^t) \\
        θ_{t+1} &= θ_t - γ \frac{\hat s_t}{δ + \sqrt{\hat r_t}}

    The first step is γ g / (δ + |g|), about γ sign(g), for any β₁ and β₂.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"t": steps done, "s": average of g, "r": average of g²}``; ``None`` starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ.
        beta1: β₁, the share of the old average of g that is kept, in [0, 1).
        beta2: β₂, the share of the old average of g² that is kept, in [0, 1).
        eps: δ, added to the root, at least 0, in units of the gradient. With 0, an entry whose
            gradients were all 0 becomes NaN (0/0).

    Returns:
        The new θ and the state ``{"t": t, "s": s, "r": r}``, the averages uncorrected.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = adam(np.array([1.0, 1.0]), np.array([0.02, -300.0]), lr=0.1)
        >>> theta.round(6)                            # only the sign of g counts at first
        array([0.9, 1.1])

    References:
        Kingma and Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, arXiv:1412.6980.

    Who differs:
        The paper writes m, v for s, r. ``torch.optim.Adam`` is this rule. The paper's "efficient"
        variant adds δ before the correction of r: its δ acts like δ / √(1 - β₂ᵗ). TensorFlow
        follows that variant; some older code has √(r̂ + δ).
    """
    xp = array_namespace(theta)
    state = state or {"t": 0, "s": xp.zeros_like(theta), "r": xp.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad * grad
    s_hat = s / (1 - beta1**t)
    r_hat = r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + xp.sqrt(r_hat)), {"t": t, "s": s, "r": r}


_adam_formula = inspect.unwrap(adam)  # so that errors in adamw's input name adamw


@update_rule
def nadam(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    momentum_decay: float | None = None,
) -> tuple[Array, State]:
    r"""Nadam: Adam whose average of g is already one step further, in the spirit of Nesterov.

    With s, r, ŝ and r̂ as in `adam` and constant β₁ (``momentum_decay=None``):

    .. math::

        θ_{t+1} = θ_t - \frac{γ}{δ + \sqrt{\hat r_t}}
            \left( β_1 \hat s_t + \frac{1 - β_1}{1 - β_1^t} g_t \right)

    With ``momentum_decay`` ψ, Dozat's schedule μ_t = β₁ (1 - 0.96^{tψ} / 2) takes the place of β₁:

    .. math::

        θ_{t+1} = θ_t - \frac{γ}{δ + \sqrt{\hat r_t}} \left(
            \frac{μ_{t+1} s_t}{1 - \prod_{i=1}^{t+1} μ_i}
            + \frac{(1 - μ_t) g_t}{1 - \prod_{i=1}^t μ_i}
            \right)

    No gradient is taken ahead of θ: the look-ahead is in the average only.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"t": steps done, "s": average of g, "r": average of g²}``, with a schedule also
            ``"mu_product"``, the product of all μ so far; ``None`` starts.
        lr: γ, the learning rate, at least 0, in units of θ.
        beta1: β₁, the share of the old average of g that is kept, in [0, 1).
        beta2: β₂, the share of the old average of g² that is kept, in [0, 1).
        eps: δ, added to the root, at least 0, in units of the gradient. With 0, an entry whose
            gradients were all 0 becomes NaN (0/0).
        momentum_decay: ψ of Dozat's schedule, at least 0 (he used 0.004); ``None`` keeps β₁
            constant.

    Returns:
        The new θ and the state, with the keys above.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = nadam(np.array([1.0]), np.array([4.0]), lr=0.1, beta1=0.5)
        >>> theta.round(6)                            # 0.1 · (0.5 · 1 + 0.5 / 0.5 · 1)
        array([0.85])

    References:
        Dozat, *Incorporating Nesterov Momentum into Adam*, ICLR workshop 2016.

    Who differs:
        ``torch.optim.NAdam`` always uses Dozat's schedule, ψ = 0.004: pass ``momentum_decay``. It
        keeps the product of μ in torch's default dtype, float32 unless changed, here it is a Python
        float: float64 parameters then agree to about 1e-7 of a step only.
        With a constant β₁ its formula would still divide s by 1 - β₁ᵗ⁺¹; the constant form here
        divides by 1 - β₁ᵗ, as the short form of the rule does.
    """
    xp = array_namespace(theta)
    state = state or {
        "t": 0,
        "s": xp.zeros_like(theta),
        "r": xp.zeros_like(theta),
        "mu_product": 1.0,
    }
    t = state["t"] + 1
    r = beta2 * state["r"] + (1 - beta2) * grad * grad
    r_hat = r / (1 - beta2**t)
    s = beta1 * state["s"] + (1 - beta1) * grad
    new = {"t": t, "s": s, "r": r}
    if momentum_decay is None:
        ahead = beta1 * s / (1 - beta1**t) + (1 - beta1) * grad / (1 - beta1**t)
    else:
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        product = new["mu_product"] = state["mu_product"] * mu
        ahead = mu_next * s / (1 - product * mu_next) + (1 - mu) * grad / (1 - product)
    return theta - lr * ahead / (eps + xp.sqrt(r_hat)), new


@update_rule
def adamw(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> tuple[Array, State]:
    r"""AdamW: Adam, and apart from it a decay of the weights that no average rescales.

    With ŝ and r̂ as in `adam`:

    .. math::

        θ_{t+1} = θ_t - γ λ θ_t - γ \frac{\hat s_t}{δ + \sqrt{\hat r_t}}

    An L2 penalty would add λθ to g, where Adam divides it by √r̂: weights with large gradients
    would then decay less. Here all decay at the rate γλ.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ *without* a penalty; shape and dtype of ``theta``.
        state: ``{"t": steps done, "s": average of g, "r": average of g²}``; ``None`` starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ.
        beta1: β₁, the share of the old average of g that is kept, in [0, 1).
        beta2: β₂, the share of the old average of g² that is kept, in [0, 1).
        eps: δ, added to the root, at least 0, in units of the gradient. With 0, an entry whose
            gradients were all 0 becomes NaN (0/0).
        weight_decay: λ, at least 0; a step shrinks θ by the share γλ.

    Returns:
        The new θ and the state ``{"t": t, "s": s, "r": r}``, the averages uncorrected.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = adamw(np.array([2.0]), np.array([0.0]), lr=0.1, weight_decay=0.5)
        >>> theta                                     # no gradient, only decay: 2 - 0.1 · 0.5 · 2
        array([1.9])

    References:
        Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019,
        arXiv:1711.05101.

    Who differs:
        ``torch.optim.AdamW`` is this rule. The paper multiplies λ by the schedule's factor only,
        not by γ: its λ is γλ here.
    """
    stepped, new = _adam_formula(theta, grad, state, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    return stepped - lr * weight_decay * theta, new


@update_rule
def amsgrad(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, State]:
    r"""AMSGrad: Adam that never forgets the largest average of g².

    With s, ŝ and r as in `adam`:

    .. math::

        r^{\max}_t &= \max(r^{\max}_{t-1}, r_t),
            & \hat r_t &= r^{\max}_t / (1 - β_2^t) \\
        θ_{t+1} &= θ_t - γ \frac{\hat s_t}{δ + \sqrt{\hat r_t}}

    A rare large gradient keeps its say: the divisor does not fall when small ones follow.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"t": steps done, "s": average of g, "r": average of g², "r_max": its maximum}``;
            ``None`` starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ.
        beta1: β₁, the share of the old average of g that is kept, in [0, 1).
        beta2: β₂, the share of the old average of g² that is kept, in [0, 1).
        eps: δ, added to the root, at least 0, in units of the gradient. With 0, an entry whose
            gradients were all 0 becomes NaN (0/0).

    Returns:
        The new θ and the state, with the keys above, the averages uncorrected.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = np.array([1.0]), None
        >>> for grad in (8.0, 0.0):
        ...     theta, state = amsgrad(theta, np.array([grad]), state, beta2=0.5)
        >>> state["r"], state["r_max"]                # the average halves, its maximum stays
        (array([16.]), array([32.]))

    References:
        Reddi, Kale and Kumar, *On the Convergence of Adam and Beyond*, ICLR 2018,
        arXiv:1904.09237.

    Who differs:
        ``torch.optim.Adam(amsgrad=True)`` is this rule: it takes the maximum *before* the
        correction of r, and corrects the maximum by the newest 1 - β₂ᵗ. The maximum of the
        corrected r̂ would weigh the first steps more. The paper corrects neither s nor r.
    """
    xp = array_namespace(theta)
    zeros = xp.zeros_like(theta)
    state = state or {"t": 0, "s": zeros, "r": zeros, "r_max": zeros}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad * grad
    r_max = xp.maximum(state["r_max"], r)
    s_hat = s / (1 - beta1**t)
    r_hat = r_max / (1 - beta2**t)
    new = {"t": t, "s": s, "r": r, "r_max": r_max}
    return theta - lr * s_hat / (eps + xp.sqrt(r_hat)), new


@update_rule
def adamax(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, State]:
    r"""Adamax: Adam with a decaying maximum of |g| in place of the root of the average of g².

    .. math::

        s_t &= β_1 s_{t-1} + (1 - β_1) g_t, & \hat s_t &= s_t / (1 - β_1^t) \\
        r_t &= \max(β_2 r_{t-1}, |g_t| + δ), & θ_{t+1} &= θ_t - γ \frac{\hat s_t}{r_t}

    The first step is γ g / (δ + |g|), as Adam's. A maximum needs no correction for starting at 0.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"t": steps done, "s": average of g, "r": decaying maximum of |g|}``; ``None``
            starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ.
        beta1: β₁, the share of the old average of g that is kept, in [0, 1).
        beta2: β₂, the share of the old maximum that is kept, in [0, 1).
        eps: δ, added to |g|, at least 0, in units of the gradient. With 0, an entry whose
            gradients were all 0 becomes NaN (0/0).

    Returns:
        The new θ and the state ``{"t": t, "s": s, "r": r}``, the average uncorrected.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = np.array([1.0]), None
        >>> for grad in (8.0, 0.0):
        ...     theta, state = adamax(theta, np.array([grad]), state, beta2=0.75)
        >>> state["r"].round(6)                       # 8, then 0.75 · 8
        array([6.])

    References:
        Kingma and Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, arXiv:1412.6980,
        section 7.1.

    Who differs:
        The paper writes m, u for s, r. ``torch.optim.Adamax`` is this rule. The paper has no δ.
    """
    xp = array_namespace(theta)
    state = state or {"t": 0, "s": xp.zeros_like(theta), "r": xp.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = xp.maximum(beta2 * state["r"], xp.abs(grad) + eps)
    s_hat = s / (1 - beta1**t)
    return theta - lr * s_hat / r, {"t": t, "s": s, "r": r}


@update_rule
def adadelta(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
) -> tuple[Array, State]:
    r"""Adadelta: RMSProp whose rate is the size of its own past steps.

    .. math::

        r_t &= ρ r_{t-1} + (1 - ρ) g_t^2,
            & Δ_t &= \frac{\sqrt{v_{t-1} + δ}}{\sqrt{r_t + δ}} g_t \\
        v_t &= ρ v_{t-1} + (1 - ρ) Δ_t^2, & θ_{t+1} &= θ_t - γ Δ_t

    The first steps are about √δ: δ decides how fast it gets going.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ; shape and dtype of ``theta``.
        state: ``{"r": average of g², "v": average of Δ²}``; ``None`` starts at 0.
        lr: γ, a factor on the step, at least 0, without unit.
        rho: ρ, the share of both old averages that is kept, in [0, 1).
        eps: δ, added *under* both roots, at least 0. With 0 nothing ever moves, and an entry whose
            gradients were all 0 becomes NaN (0/0).

    Returns:
        The new θ and the state ``{"r": r, "v": v}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = adadelta(np.array([1.0]), np.array([0.2]), rho=0.75, eps=0.01)
        >>> theta.round(6)                            # 1 - √0.01 / √(0.25 · 0.04 + 0.01) · 0.2
        array([0.858579])

    References:
        Zeiler, *ADADELTA: An Adaptive Learning Rate Method*, 2012, arXiv:1212.5701.

    Who differs:
        ``torch.optim.Adadelta`` is this rule. The paper has no γ and uses ρ = 0.95; it writes
        E[g²] and E[Δx²] for r and v, and its Δx is -Δ.
    """
    xp = array_namespace(theta)
    state = state or {"r": xp.zeros_like(theta), "v": xp.zeros_like(theta)}
    r = rho * state["r"] + (1 - rho) * grad * grad
    delta = xp.sqrt(state["v"] + eps) / xp.sqrt(r + eps) * grad
    v = rho * state["v"] + (1 - rho) * delta * delta
    return theta - lr * delta, {"r": r, "v": v}


@update_rule
def lion(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
) -> tuple[Array, State]:
    r"""Lion: the sign of an average of the gradient, so that all entries step equally far.

    .. math::

        θ_{t+1} &= θ_t - γ λ θ_t - γ \, \text{sign}(β_1 s_{t-1} + (1 - β_1) g_t) \\
        s_t &= β_2 s_{t-1} + (1 - β_2) g_t

    The sign sees the new gradient with the weight 1 - β₁, the memory keeps it with 1 - β₂.

    Args:
        theta: θ, the parameters; any shape, floating.
        grad: g, the gradient at θ *without* a penalty; shape and dtype of ``theta``.
        state: ``{"s": average of g}``, shape of ``theta``; ``None`` starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ: the length of every entry's step.
        beta1: β₁, the share of the old average under the sign, in [0, 1).
        beta2: β₂, the share of the old average that is kept, in [0, 1).
        weight_decay: λ, at least 0; a step shrinks θ by the share γλ.

    Returns:
        The new θ and the state ``{"s": s}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, a hyper-parameter is out of range, or the state lacks
            a key.

    Example:
        >>> import numpy as np
        >>> theta, state = lion(np.zeros(3), np.array([0.002, -50.0, 0.0]), lr=0.1)
        >>> theta
        array([-0.1,  0.1,  0. ])

    References:
        Chen et al., *Symbolic Discovery of Optimization Algorithms*, NeurIPS 2023,
        arXiv:2302.06675.

    Who differs:
        The paper writes m for s and subtracts γ (sign + λθ): the same line. torch 2.13 has no Lion.
    """
    state = state or {"s": array_namespace(theta).zeros_like(theta)}
    direction = _sign(beta1 * state["s"] + (1 - beta1) * grad)
    s = beta2 * state["s"] + (1 - beta2) * grad
    return theta - lr * weight_decay * theta - lr * direction, {"s": s}


def _sign(array: Array) -> Array:
    """Return -1, 0, 1 or NaN: xp.sign, but for torch in a form that torch.compile can follow."""
    xp = array_namespace(array)
    ones = xp.ones_like(array)
    return xp.where(array > 0, ones, xp.where(array < 0, -ones, array))


@update_rule
def muon(
    theta: Array,
    grad: Array,
    state: State | None = None,
    *,
    lr: float = 1e-3,
    momentum: float = 0.95,
    weight_decay: float = 0.1,
    eps: float = 1e-7,
    ns_steps: int = 5,
) -> tuple[Array, State]:
    r"""Muon: momentum for a weight matrix, its singular values all brought close to 1.

    .. math::

        u_t &= α u_{t-1} + (1 - α) g_t, & X_0 &= \frac{m_t}{‖m_t‖_F + δ} \\
        m_t &= α u_t + (1 - α) g_t, & X_{j+1} &= a X_j + b X_j X_j^⊤ X_j + c (X_j X_j^⊤)^2 X_j \\
        θ_{t+1} &= θ_t - γ λ θ_t - γ \sqrt{\max(1, \text{rows} / \text{columns})} \, X_k

    With m = U S Vᵀ the Newton-Schulz iteration of X takes S towards 1 and keeps U and V. Its
    a, b, c = 3.4445, -4.775, 2.0315 give up exactness for speed: five rounds take singular values
    between 0.002 and 1 of ‖m‖ into 0.68 to 1.21. Products are matrix products here.

    Args:
        theta: θ, the weights of one layer; 2-d, floating. It matters which axis is which only for
            the factor: rows are outputs, columns inputs.
        grad: g, the gradient at θ *without* a penalty; shape and dtype of ``theta``.
        state: ``{"u": average of g}``, shape of ``theta``; ``None`` starts at 0.
        lr: γ, the learning rate, at least 0, in units of θ.
        momentum: α, the share of the old average that is kept, in [0, 1).
        weight_decay: λ, at least 0; a step shrinks θ by the share γλ.
        eps: δ, added to the norm, at least 0, in units of the gradient. With 0, a matrix whose
            gradients were all 0 becomes NaN (0/0).
        ns_steps: k, the rounds of Newton-Schulz, a whole number, at least 1.

    Returns:
        The new θ and the state ``{"u": u}``.

    Raises:
        TypeError: an array is not one of a floating dtype, or an unknown hyper-parameter is given.
        ValueError: shapes or dtypes differ, ``theta`` is not 2-d, a hyper-parameter is out of
            range, or the state lacks a key.

    Example:
        >>> import numpy as np
        >>> grad = np.diag([30.0, 2.0])
        >>> theta, state = muon(np.zeros((2, 2)), grad, lr=1.0)
        >>> np.diag(theta).round(2)                   # 15 times the gradient, about the same step
        array([-0.7 , -1.13])

    References:
        Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024,
        https://kellerjordan.github.io/posts/muon/. Higham, *Functions of Matrices*, 2008, chapter
        8 (Newton-Schulz).

    Who differs:
        ``torch.optim.Muon`` iterates in bfloat16, whatever the dtype of θ: its steps differ from
        these by about one part in a hundred. It divides by max(‖m‖, δ). Its ``nesterov=False``
        takes u for m. A sum α u + g instead of the average u scales m, which X forgets.
    """
    if theta.ndim != 2:
        raise ValueError(
            f"muon: theta has shape {tuple(theta.shape)}. Muon is for 2-d weights; "
            "give biases and all else to another rule, such as adamw."
        )
    xp = array_namespace(theta)
    state = state or {"u": xp.zeros_like(theta)}
    u = momentum * state["u"] + (1 - momentum) * grad
    ahead = momentum * u + (1 - momentum) * grad
    direction = _orthogonalized(ahead / (xp.linalg.matrix_norm(ahead) + eps), ns_steps)
    rows, columns = theta.shape
    factor = math.sqrt(max(rows, columns) / max(columns, 1))  # a matrix without columns may pass
    return theta - lr * weight_decay * theta - lr * factor * direction, {"u": u}


def _orthogonalized(matrix: Array, steps: int) -> Array:
    """Take singular values in (0, 1] to about 1 by Newton-Schulz, with Jordan's coefficients."""
    rows, columns = matrix.shape
    if rows > columns:
        return _orthogonalized(matrix.T, steps).T  # the product below is then the smaller one
    for _ in range(steps):
        gram = matrix @ matrix.T
        matrix = 3.4445 * matrix + (-4.775 * gram + 2.0315 * (gram @ gram)) @ matrix
    return matrix


class Optimizer:
    r"""Apply one rule to a list of parameters, in place: the bridge from formula to training loop.

    .. math:: (θ^{(i)}, \text{state}^{(i)}) ← \text{rule}(θ^{(i)}, g^{(i)}, \text{state}^{(i)})

    Args:
        rule: one of this module's rules, or any function of the same form.
        params: the arrays to train, of one or more shapes; torch parameters too. They keep their
            identity: new values are written into them.
        compile: let ``torch.compile`` write one loop for the rule over all parameters, which are
            then torch tensors on one device; needs a C++ compiler, on a GPU Triton. A first step is
            as without; the next one compiles, for seconds; all others are fast. A change of a
            hyper-parameter that is a float compiles nothing again; another choice of parameters
            with a gradient does, and so do other shapes, dtypes or memory layouts. What else a rule
            of one's own reads, a global variable say, is compiled in as it stands then.
        **hyper: the rule's hyper-parameters, such as ``lr``.

    Attributes:
        hyper: the hyper-parameters as a dict; ``optimizer.hyper["lr"] = ...`` is how a schedule
            sets the rate.
        states: the state of each parameter, ``None`` before its first step. A plain dict of what
            the rule returned; ``compile=True`` turns its numbers, such as t, into 0-d float64
            tensors and updates all entries in place. Either kind continues from the other's.

    Raises:
        TypeError: ``params`` is empty or a single array, or not all torch tensors with ``compile``.
        ValueError: ``step`` gets another number of gradients than there are parameters, or no
            gradients at all; with ``compile``, the parameters are not on one device; and what the
            rule raises.
        RuntimeError: a compiled step finds no C++ compiler.

    Example:
        >>> import numpy as np
        >>> weights, bias = np.ones((2, 2)), np.zeros(2)
        >>> optimizer = Optimizer(momentum, [weights, bias], lr=0.1)
        >>> optimizer.step([np.ones((2, 2)), np.ones(2)])
        >>> bias
        array([-0.1, -0.1])

    References:
        The interface follows ``torch.optim.Optimizer`` (Paszke et al., 2019, arXiv:1912.01703).

    Who differs:
        In torch the rule is a subclass; here it is a function that can be read, tested and
        plotted without any parameters to train. Torch writes its rules a second time for speed
        (``foreach``, ``fused``); here ``torch.compile`` does from the same lines.
    """

    def __init__(
        self,
        rule: Rule,
        params: Iterable[Array],
        *,
        compile: bool = False,  # noqa: A002 - the field's word
        **hyper: Any,
    ) -> None:
        if hasattr(params, "shape"):
            raise TypeError("Optimizer: params is one array; pass a list, for example [theta].")
        self.rule = rule
        self.params = list(params)
        if not self.params:
            raise TypeError("Optimizer: params is empty; there is nothing to train.")
        self.hyper = hyper
        self.states: list[State | None] = [None] * len(self.params)
        self._compiled = CompiledRule(rule, self.params) if compile else None

    def step(self, grads: Iterable[Array | None] | None = None) -> None:
        """Make one step with these gradients, or with each torch parameter's own ``.grad``.

        A parameter whose gradient is ``None`` is left alone, and so is its state.
        """
        given = self._own_grads() if grads is None else list(grads)
        if len(given) != len(self.params):
            raise ValueError(
                f"Optimizer: {len(given)} gradients for {len(self.params)} parameters. "
                "Give one for each, or None for a parameter to leave alone."
            )
        inputs: dict[int, tuple[Array, Array, Any]] = {
            index: (values_of(param), values_of(grad), state)
            for index, (param, grad, state) in enumerate(
                zip(self.params, given, self.states, strict=True)
            )
            if grad is not None
        }
        running = {i: each for i, each in inputs.items() if self._compiled and each[2] is not None}
        new = {i: self.rule(*each, **self.hyper) for i, each in inputs.items() if i not in running}
        if self._compiled and running:
            states = self._compiled(list(running.values()), self.hyper)
            for index, state in zip(running, states, strict=True):
                self.states[index] = state
        for index, result in new.items():
            values_of(self.params[index])[...], self.states[index] = result

    def zero_grad(self) -> None:
        """Forget the gradients that torch has accumulated in the parameters."""
        for param in self.params:
            if is_torch_array(param):
                param.grad = None

    def _own_grads(self) -> list[Array | None]:
        if not all(is_torch_array(param) for param in self.params):
            raise ValueError(
                "Optimizer: only torch parameters carry their own gradients. "
                "Pass them: optimizer.step([grad, ...])."
            )
        grads = [param.grad for param in self.params]
        if all(grad is None for grad in grads):
            raise ValueError("Optimizer: no parameter has a gradient. Call loss.backward() first.")
        return grads
