"""Instruments: is the gradient right, do signals grow or die on their way, which units are dead?

`numerical_gradient` and `check_gradient` test a derivative, `spectral_radius` and
`predicted_variance` say what a stack of layers should do, `layer_norms` and `dead_fraction` measure
what a network does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from course import activations as functions
from course._arrays import Array, namespace, require_like
from course._numbers import as_count, as_number, as_scalar, values_of
from course.layers import Sequential

__all__ = [
    "GradientCheck",
    "LayerNorms",
    "PredictedVariance",
    "check_gradient",
    "dead_fraction",
    "layer_norms",
    "numerical_gradient",
    "predicted_variance",
    "spectral_radius",
]


def numerical_gradient(f: Callable[[Array], Any], x: Array, *, h: float | None = None) -> Array:
    r"""Estimate a gradient by central differences: two values of f for each entry of x.

    .. math::

        \frac{∂f}{∂x_i} ≈ \frac{f(x + h_i e_i) - f(x - h_i e_i)}{2 h_i}, \qquad
        h_i = ε^{1/3} \max(1, |x_i|)

    The formula errs by h²/6 times the third derivative, so the order is 2, and rounding in f adds
    about ε|f|/h. The h above balances the two: the error is about ε^(2/3), 4e-11 in float64 and
    2e-5 in float32. ε is the spacing of floating numbers at 1.

    Args:
        f: a function that takes an array like x and returns one number.
        x: where the gradient is wanted; any shape, floating.
        h: the distance to each side, above 0, the same for all entries; ``None`` for the formula.

    Returns:
        The estimate, shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``f`` returns more than one number.
        ValueError: ``h`` is out of range, or so small that x + h is x.

    Example:
        >>> numerical_gradient(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0])).round(8)
        array([30.,  9.])

    References:
        Nocedal and Wright, *Numerical Optimization*, 2nd ed. 2006, section 8.1,
        doi:10.1007/978-0-387-40065-5.

    Who differs:
        Forward differences, ``scipy.optimize.approx_fprime`` among them, need half the values but
        err by h/2 times the second derivative.
    """
    xp = namespace("numerical_gradient", x=x)
    flat = xp.reshape(values_of(x), (-1,))
    entries = xp.arange(flat.shape[0], device=flat.device)
    slopes = []
    for i, h_i in enumerate(_distances("numerical_gradient", flat, h)):
        above = xp.where(entries == i, flat + h_i, flat)
        below = xp.where(entries == i, flat - h_i, flat)
        apart = float(above[i]) - float(below[i])  # not exactly 2h once rounded
        if apart == 0:
            raise ValueError(
                f"numerical_gradient: h = {h_i:g} is lost beside x = {float(flat[i]):g} in "
                f"{x.dtype}. Take a larger h, or None."
            )
        rise = _value(f, xp.reshape(above, x.shape)) - _value(f, xp.reshape(below, x.shape))
        slopes.append(rise / apart)
    return xp.reshape(xp.asarray(slopes, dtype=x.dtype, device=flat.device), x.shape)


class GradientCheck(NamedTuple):
    r"""What `check_gradient` found.

    .. math:: \text{passed} ⟺ \max_i e_i ≤ \text{tolerance}

    Args:
        passed: whether every entry agrees.
        worst: the largest relative error; infinite where an entry is NaN.
        entry: where in x that is.
        given: what ``grad_f`` says there.
        expected: what the central difference says there.
        errors: e, the relative error of each entry, shape of x.

    Raises:
        TypeError: a field is missing.

    Example:
        >>> check_gradient(lambda x: x @ x, lambda x: 2 * x, np.array([1.0, 2.0])).passed
        True

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 11.5.

    Who differs:
        ``torch.autograd.gradcheck`` returns true or raises.
    """

    passed: bool
    worst: float
    entry: tuple[int, ...]
    given: float
    expected: float
    errors: Array


def check_gradient(
    f: Callable[[Array], Any],
    grad_f: Callable[[Array], Array],
    x: Array,
    *,
    h: float | None = None,
    tolerance: float | None = None,
) -> GradientCheck:
    r"""Compare a gradient with central differences, entry by entry.

    .. math::

        e_i = \frac{|a_i - b_i|}{\max(|a_i|, |b_i|, s_i)}, \qquad
        s_i = \frac{10 ε |f(x)|}{h_i \, \text{tolerance}}

    a is ``grad_f(x)``, b the numerical gradient. s is the size below which an entry drowns in the
    rounding of f, so that an entry that is 0 does not fail for the noise of the difference. At a
    kink, such as ReLU's at 0, the difference gives the mean of the two slopes: move x.

    Args:
        f: a function that takes an array like x and returns one number.
        grad_f: its gradient; takes an array like x and returns one of the same shape and dtype.
        x: where to compare; any shape but empty, floating. Use float64.
        h: the distance to each side, above 0; ``None`` as in `numerical_gradient`.
        tolerance: the largest relative error that passes, above 0; ``None`` for √ε, 1.5e-8 in
            float64 and 3e-4 in float32. A strongly bent f needs a larger one.

    Returns:
        ``GradientCheck(passed, worst, entry, given, expected, errors)``.

    Raises:
        TypeError: ``x`` is not an array of a floating dtype, or ``f`` returns more than one number.
        ValueError: ``x`` is empty, the gradient has another shape or dtype, or ``h`` or
            ``tolerance`` is out of range.

    Example:
        >>> def wrong(x):
        ...     return np.array([2 * x[0], 3 * x[1]])         # the 3 should be a 2
        >>> seen = check_gradient(lambda x: x @ x, wrong, np.array([1.0, 2.0]))
        >>> seen.passed, round(seen.worst, 6), seen.entry, seen.given, round(seen.expected, 6)
        (False, 0.333333, (1,), 6.0, 4.0)

    References:
        Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 11.5.

    Who differs:
        ``torch.autograd.gradcheck`` takes |a - b| ≤ 1e-5 + 1e-3 |b| with h = 1e-6. Other texts
        divide by |a| + |b| without s; entries near 0 then fail by chance.
    """
    name = "check_gradient"
    xp = namespace(name, x=x)
    if math.prod(x.shape) == 0:
        raise ValueError(f"{name}: x has shape {tuple(x.shape)}; there is no entry to compare.")
    epsilon = float(xp.finfo(x.dtype).eps)
    if tolerance is None:
        tolerance = math.sqrt(epsilon)
    tolerance = as_number(name, "tolerance", tolerance, "(0, inf)")
    x, given = values_of(x), values_of(grad_f(x))
    namespace(name, x=x, **{"grad_f(x)": given})
    require_like(name, "x", x, "grad_f(x)", given)
    expected = numerical_gradient(f, x, h=h)
    apart = xp.asarray(_distances(name, xp.reshape(x, (-1,)), h), dtype=x.dtype, device=x.device)
    noise = 10 * epsilon * abs(_value(f, x)) / (xp.reshape(apart, x.shape) * tolerance)
    scale = xp.maximum(xp.maximum(xp.abs(given), xp.abs(expected)), noise)
    with np.errstate(invalid="ignore"):  # infinities give NaN, and NaN fails
        errors = xp.abs(given - expected) / xp.where(scale > 0, scale, xp.ones_like(scale))
    errors = xp.where(xp.isnan(errors), xp.full_like(errors, math.inf), errors)
    entry = tuple(int(i) for i in np.unravel_index(int(xp.argmax(errors)), x.shape))
    worst = float(errors[entry])
    return GradientCheck(
        worst <= tolerance, worst, entry, float(given[entry]), float(expected[entry]), errors
    )


def spectral_radius(J: Array) -> float:
    r"""Largest magnitude of a matrix's eigenvalues: the rate at which its powers finally grow.

    .. math:: ρ(J) = \max_i |λ_i(J)| = \lim_{k → ∞} \|J^k\|^{1/k}

    Through k equal layers a gradient becomes (Jᵀ)ᵏg. With ρ < 1 it vanishes in the end, with
    ρ > 1 almost every g explodes; a complex pair of eigenvalues makes it oscillate. "In the end"
    matters: only for a normal J, one with JJᵀ = JᵀJ, is ‖Jᵏ‖₂ = ρᵏ. Otherwise the norm can first
    grow by orders of magnitude although ρ < 1.

    Args:
        J: a square matrix of at least one row, floating.

    Returns:
        ρ, a Python float, at least 0; NaN where an entry is not finite.

    Raises:
        TypeError: ``J`` is not an array of a floating dtype.
        ValueError: ``J`` is not a square matrix, or has no rows.

    Example:
        >>> J = np.array([[0.5, 10.0], [0.0, 0.5]])
        >>> round(spectral_radius(J), 6)
        0.5
        >>> norms = [np.linalg.norm(np.linalg.matrix_power(J, k), 2) for k in (1, 2, 20)]
        >>> [round(float(norm), 4) for norm in norms]         # up first, then down
        [10.0249, 10.0062, 0.0004]

    References:
        Gelfand, *Normierte Ringe*, 1941. Pascanu, Mikolov and Bengio, *On the difficulty of
        training recurrent neural networks*, ICML 2013, arXiv:1211.5063.

    Who differs:
        Texts that pass a gradient back as J g mean Jᵀ g, or write gradients as rows, g J. The
        radius is the same, for J and Jᵀ have the same eigenvalues; the gradient is not. ``ord=2``
        norms give the largest *singular* value, which is at least ρ.
    """
    xp = namespace("spectral_radius", J=J)
    if J.ndim != 2 or J.shape[0] != J.shape[1] or J.shape[0] == 0:
        raise ValueError(
            f"spectral_radius: J has shape {tuple(J.shape)}. Give a square matrix of at least one "
            "row."
        )
    if not bool(xp.all(xp.isfinite(J))):
        return math.nan
    return float(xp.max(xp.abs(xp.linalg.eigvals(values_of(J)))))


class LayerNorms(NamedTuple):
    r"""What `layer_norms` measured, one entry a layer, from the first to the last.

    .. math:: \|A\| = \sqrt{\sum_i A_i^2} \quad \text{over all samples and units}

    Args:
        activations: ‖h_l‖, the layer's output, shape (layers,).
        gradients: ‖∂L/∂h_l‖, shape (layers,).
        parameters: ‖∂L/∂θ_l‖ over all of the layer's parameters, shape (layers,); 0 without any.

    Raises:
        TypeError: a field is missing.

    Example:
        >>> LayerNorms(np.ones(2), np.ones(2), np.zeros(2)).parameters
        array([0., 0.])

    References:
        Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural
        networks*, AISTATS 2010.

    Who differs:
        Glorot and Bengio plot histograms and standard deviations: for values of mean 0, divide a
        norm by the root of the number of entries.
    """

    activations: Array
    gradients: Array
    parameters: Array


def layer_norms(network: Sequential, x: Array, loss_grad: Callable[[Array], Array]) -> LayerNorms:
    r"""Measure how large the signals of each layer are, on the way forward and on the way back.

    .. math::

        h_l = f_l(h_{l-1}), \quad h_0 = x, \qquad
        \frac{∂L}{∂h_{l-1}} = J_l^T \frac{∂L}{∂h_l}

    Args:
        network: a `course.layers.Sequential`; a network in it counts as one layer. It makes one
            forward and one backward pass, which fill its ``grads``; parameters stay as they are.
        x: the input, a batch.
        loss_grad: from the network's output to ∂L/∂output, such as
            ``lambda logits: cross_entropy_grad(logits, labels)``.

    Returns:
        ``LayerNorms(activations, gradients, parameters)``, NumPy arrays of float64.

    Raises:
        TypeError: ``network`` has no layers, or ``loss_grad`` cannot be called.
        ValueError: ``loss_grad`` returns another shape or dtype than the output has; and what the
            layers raise.

    Example:
        >>> from course.layers import Linear, ReLU
        >>> rng = np.random.default_rng(0)
        >>> network = Sequential(Linear(4, 3, rng), ReLU())
        >>> network.layers[0].params[0][:] = 0.5
        >>> seen = layer_norms(network, np.ones((1, 4)), lambda y: y - 1.0)
        >>> seen.activations.round(4), seen.gradients.round(4), seen.parameters.round(4)
        (array([3.4641, 3.4641]), array([1.7321, 1.7321]), array([3.873, 0.   ]))

    References:
        Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural
        networks*, AISTATS 2010.

    Who differs:
        In torch the same is done with hooks on the modules.
    """
    if not hasattr(network, "layers"):
        raise TypeError(
            f"layer_norms: network is a {type(network).__name__} without layers. "
            "Pass a course.layers.Sequential."
        )
    if not callable(loss_grad):
        raise TypeError(
            "layer_norms: loss_grad must be a function from the network's output to ∂L/∂output, "
            f"got a {type(loss_grad).__name__}."
        )
    activations, gradients, parameters = [], [], []
    for layer in network.layers:
        x = layer.forward(x)
        activations.append(_norm(x))
    grad = loss_grad(x)
    require_like("layer_norms", "the output", x, "loss_grad(output)", grad)
    for layer in reversed(network.layers):
        gradients.append(_norm(grad))
        grad = layer.backward(grad)
        parameters.append(_norm(*layer.grads))
    return LayerNorms(np.array(activations), np.array(gradients[::-1]), np.array(parameters[::-1]))


def dead_fraction(activations: Array) -> float:
    r"""Share of a layer's units that are 0 for every sample.

    .. math:: \frac{1}{U} \sum_{u=1}^U [\, h_{nu} = 0 \text{ for all } n \,]

    A ReLU that is 0 for every sample passes no gradient, so nothing revives it. It counts as dead
    for these samples only: take many. NaN is not 0.

    Args:
        activations: h, the outputs of a ReLU, shape (samples, units, ...), floating; every entry
            of one sample is a unit.

    Returns:
        The share, a Python float in [0, 1].

    Raises:
        TypeError: ``activations`` is not an array of a floating dtype.
        ValueError: there is no axis of units, no sample or no unit.

    Example:
        >>> dead_fraction(np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]]))
        0.5

    References:
        Lu et al., *Dying ReLU and Initialization: Theory and Numerical Examples*, 2019,
        arXiv:1903.06733.

    Who differs:
        The share of *zeros*, also called sparsity, is another number: about one half at the start.
    """
    xp = namespace("dead_fraction", activations=activations)
    shape: tuple[int, ...] = tuple(activations.shape)
    if len(shape) < 2 or math.prod(shape) == 0:
        raise ValueError(
            f"dead_fraction: activations have shape {shape}. Give at least one sample and one "
            "unit, shape (samples, units)."
        )
    dead = xp.all(activations == 0, axis=0)
    return float(xp.sum(xp.astype(dead, xp.int64))) / math.prod(shape[1:])


class PredictedVariance(NamedTuple):
    r"""What `predicted_variance` expects of each layer l = 1, ..., L.

    .. math:: v_l = \mathrm{Var}(z_l), \qquad d_l = \mathrm{Var}(∂L/∂z_l)

    Args:
        forward: v, shape (L,).
        backward: d, shape (L,).

    Raises:
        TypeError: a field is missing.

    Example:
        >>> PredictedVariance(np.ones(3), np.ones(3)).forward
        array([1., 1., 1.])

    References:
        Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural
        networks*, AISTATS 2010.

    Who differs:
        Some texts follow the variance of the activations h = φ(z) instead.
    """

    forward: Array
    backward: Array


def predicted_variance(
    widths: Sequence[int],
    weight_variance: Sequence[float],
    *,
    activation: str = "linear",
    input_mean_square: float = 1.0,
    output_gradient_variance: float = 1.0,
) -> PredictedVariance:
    r"""Predict the variance in each layer of a dense network with random weights, both ways.

    .. math::

        v_l &= n_{l-1} \, σ_l^2 \, E[h_{l-1}^2], & E[h_l^2] &= E[φ(z)^2], \; z \sim N(0, v_l) \\
        d_{l-1} &= E[φ'(z)^2] \; n_l \, σ_l^2 \, d_l, & z &\sim N(0, v_{l-1})

    Where it comes from: z = Σ w h is a sum of n products. Weights are independent of h, of mean 0
    and of variance σ² = E[w²], so the products are uncorrelated and each has the mean square
    E[w²]·E[h²]. It is the mean *square* of h that counts, not its variance: a ReLU's output has a
    mean. On the way back ∂L/∂h = Wᵀ ∂L/∂z sums over the n_l outputs, and φ' scales the result.

    E[φ²] and E[φ'²] are v and 1 for "linear", v/2 and ½ for "relu"; for the others they are
    integrals, for "tanh" about v - 2v² and 1 - 2v while v is small.

    Biases are 0, the last layer is linear, z is taken as normal (which wide layers make true), and
    the weights on the way back as independent of those on the way there.

    Args:
        widths: n₀, n₁, ..., n_L, each at least 1; n₀ is the number of inputs.
        weight_variance: σ₁², ..., σ_L², each at least 0; one a layer.
        activation: φ, "linear", "relu", or "elu", "gelu", "leaky_relu", "mish", "selu", "sigmoid",
            "silu" and "tanh" of `course.activations` with their defaults.
        input_mean_square: E[h₀²], at least 0; 1 for standardised inputs.
        output_gradient_variance: d_L, at least 0.

    Returns:
        ``PredictedVariance(forward, backward)``, NumPy arrays of shape (L,).

    Raises:
        TypeError: a width is not a whole number, or another argument not a number.
        ValueError: there is not one variance a layer, the activation is unknown, or a number is
            out of range.

    Example:
        >>> he = predicted_variance([100] * 4, [2 / 100] * 3, activation="relu")
        >>> he.forward, he.backward                           # Var(z) stays 2, for E[h²] is 1
        (array([2., 2., 2.]), array([1., 1., 1.]))
        >>> predicted_variance([100] * 4, [1.0] * 3).forward  # N(0, 1) weights blow up
        array([1.e+02, 1.e+04, 1.e+06])

    References:
        Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural
        networks*, AISTATS 2010. He et al., *Delving Deep into Rectifiers*, ICCV 2015,
        arXiv:1502.01852. Poole et al., *Exponential expressivity in deep neural networks through
        transient chaos*, NIPS 2016, arXiv:1606.05340.

    Who differs:
        Some notes write E[w]²·E[x²], which would be 0 for weights of mean 0; E[w²]·E[x²] is
        meant. ``torch.nn.init.calculate_gain("tanh")`` is 5/3, a rule of thumb against the
        shrinking of tanh, not the moment used here.
    """
    name = "predicted_variance"
    if activation not in _MOMENTS:
        raise ValueError(
            f"{name}: unknown activation {activation!r}; it takes {', '.join(_MOMENTS)}."
        )
    widths = [as_count(name, "each of widths", width) for width in widths]
    variances = [as_number(name, "each weight_variance", v, "[0, inf)") for v in weight_variance]
    if not variances or len(widths) != len(variances) + 1:
        raise ValueError(
            f"{name}: {len(variances)} weight variances for {len(widths)} widths. "
            "Give one variance for each layer, one fewer than widths."
        )
    mean_square, slope_square = _MOMENTS[activation]
    square = as_number(name, "input_mean_square", input_mean_square, "[0, inf)")
    forward = []
    for fan_in, variance in zip(widths, variances, strict=False):
        forward.append(fan_in * variance * square)
        square = mean_square(forward[-1])
    backward = [as_number(name, "output_gradient_variance", output_gradient_variance, "[0, inf)")]
    for above in reversed(range(1, len(variances))):
        passed = slope_square(forward[above - 1])
        backward.append(passed * widths[above + 1] * variances[above] * backward[-1])
    return PredictedVariance(np.array(forward), np.array(backward[::-1]))


def _normal_mean(of: Callable[[Array], Array], variance: float) -> float:
    """Return E[of(z)], z ~ N(0, variance), by the trapezoidal rule.

    z = sinh(u) lets equal steps in u resolve both the bend of tanh near 0 and a wide density.
    """
    if variance == 0:
        return float(of(np.array(0.0)))
    end = math.asinh(10 * math.sqrt(variance))
    u = np.linspace(-end, end, 1000)  # an even number: no point on a kink at 0
    z = np.sinh(u)
    density = np.exp(-z * z / (2 * variance)) * np.cosh(u)
    return float(np.sum(of(z) * density) / np.sum(density))


def _integrals(name: str) -> tuple[Callable[[float], float], Callable[[float], float]]:
    function, slope = getattr(functions, name), getattr(functions, f"{name}_grad")
    return (
        lambda v: _normal_mean(lambda z: function(z) ** 2, v),
        lambda v: _normal_mean(lambda z: slope(z) ** 2, v),
    )


_INTEGRATED = ("elu", "gelu", "leaky_relu", "mish", "selu", "sigmoid", "silu", "tanh")
_MOMENTS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "linear": (lambda v: v, lambda v: 1.0),
    "relu": (lambda v: v / 2, lambda v: 0.5),
    **{name: _integrals(name) for name in _INTEGRATED},
}
"""E[φ(z)²] and E[φ'(z)²] of a normal z, from its variance."""


def _distances(name: str, flat: Array, h: float | None) -> list[float]:
    """Return how far to go to each side for each entry."""
    if h is not None:
        return [as_number(name, "h", h, "(0, inf)")] * flat.shape[0]
    xp = namespace(name, x=flat)
    cube_root = float(xp.finfo(flat.dtype).eps) ** (1 / 3)
    return [cube_root * max(1.0, abs(float(entry))) for entry in flat]


def _value(f: Callable[[Array], Any], x: Array) -> float:
    return as_scalar("numerical_gradient", "f(x)", f(x))


def _norm(*arrays: Array) -> float:
    """Return the square root of the sum of all squares."""
    squares = [float(values_of(namespace("layer_norms", values=a).sum(a * a))) for a in arrays]
    return math.sqrt(sum(squares))
