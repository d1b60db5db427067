"""Update rules as pure functions, and the `Optimizer` that applies one to a list of parameters.

Every rule has the form ``rule(theta, grad, state=None, *, lr, ...) -> (theta, state)``. It takes
one array of any array-API library (NumPy, torch on any device, ...) and changes nothing in place:
the new parameters and the new state come back. The state is a plain dict; pass ``None`` to start.

Symbols: θ ``theta``, g ``grad``, γ ``lr``, α ``momentum``, ρ ``rho``, β₁ ``beta1``, β₂ ``beta2``,
δ ``eps``, λ ``weight_decay``, t the number of the step, starting at 1; u, s, r name the state's
arrays. Products, quotients and roots of arrays are element by element.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from array_api_compat import array_namespace, is_torch_array

from course._arrays import Array, namespace
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
    "adagrad",
    "adam",
    "adamw",
    "momentum",
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
        eps: δ, added to the root, at least 0, in units of the gradient.

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
        eps: δ, added to the root, at least 0, in units of the gradient.

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
        eps: δ, added to the root, at least 0, in units of the gradient.

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
        eps: δ, added to the root, at least 0, in units of the gradient.
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
        ``torch.optim.NAdam`` always uses Dozat's schedule, ψ = 0.004: pass ``momentum_decay``.
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
        eps: δ, added to the root, at least 0, in units of the gradient.
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


class Optimizer:
    r"""Apply one rule to a list of parameters, in place: the bridge from formula to training loop.

    .. math:: (θ^{(i)}, \text{state}^{(i)}) ← \text{rule}(θ^{(i)}, g^{(i)}, \text{state}^{(i)})

    Args:
        rule: one of this module's rules, or any function of the same form.
        params: the arrays to train, of one or more shapes; torch parameters too. They keep their
            identity: new values are written into them.
        **hyper: the rule's hyper-parameters, such as ``lr``.

    Attributes:
        hyper: the hyper-parameters as a dict; ``optimizer.hyper["lr"] = ...`` is how a schedule
            sets the rate.
        states: the state of each parameter, ``None`` before its first step.

    Raises:
        TypeError: ``params`` is empty or a single array.
        ValueError: ``step`` gets another number of gradients than there are parameters, or no
            gradients at all; and what the rule raises.

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
        plotted without any parameters to train.
    """

    def __init__(self, rule: Rule, params: Iterable[Array], **hyper: Any) -> None:
        if hasattr(params, "shape"):
            raise TypeError("Optimizer: params is one array; pass a list, for example [theta].")
        self.rule = rule
        self.params = list(params)
        if not self.params:
            raise TypeError("Optimizer: params is empty; there is nothing to train.")
        self.hyper = hyper
        self.states: list[State | None] = [None] * len(self.params)

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
        new: list[tuple[Array, State] | None] = [
            None if grad is None else self.rule(_values(param), _values(grad), state, **self.hyper)
            for param, grad, state in zip(self.params, given, self.states, strict=True)
        ]
        for index, result in enumerate(new):
            if result is not None:
                _values(self.params[index])[...], self.states[index] = result

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


def _values(param: Array) -> Array:
    """Return the numbers of a parameter, outside torch's graph but in the same memory."""
    return param.detach() if is_torch_array(param) else param
