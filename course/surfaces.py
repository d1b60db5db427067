"""Surfaces over two parameters that can be seen whole, and `descend`, which walks down one.

Each surface is a `Surface`: its height, its gradient, where a walk starts, where it should end and
which part to look at. θ = (x, y). `SURFACES` lists them by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from course._arrays import Array
from course._rules import Rule, State

__all__ = [
    "BARRIER",
    "BEALE",
    "BOWL",
    "RAVINE",
    "ROSENBROCK",
    "SADDLE",
    "SURFACES",
    "VALLEY",
    "Descent",
    "Surface",
    "descend",
    "noisy",
]

GradientFunction = Callable[[Array], Array]

FAR_AWAY = 1e6
"""A walk that comes so far from the origin has diverged; nothing has overflowed yet."""


@dataclass(frozen=True)
class Surface:
    r"""A loss over two parameters, small enough to be drawn.

    .. math:: L(θ) = L(x, y), \qquad ∇L(θ) = (∂L/∂x, ∂L/∂y)

    Args:
        name: a short key, such as ``"valley"``.
        title: how a figure calls it.
        value: L(x, y) of two arrays of one shape, element by element.
        gradient: ∇L of one θ of shape (2,); returns shape (2,).
        start: where walks start by default, (x, y).
        minima: the points of lowest height, ((x, y), ...).
        view: the part worth looking at, (x_min, x_max, y_min, y_max).

    Returns:
        A surface; its fields are the arguments, and ``lowest`` is the height of the minima.

    Raises:
        ValueError: there is no minimum, or the start lies outside the view.

    Example:
        >>> VALLEY.value(1.0, 1.0)
        25.5
        >>> VALLEY.gradient(np.array([1.0, 1.0]))
        array([ 1., 50.])
        >>> VALLEY.distance(np.array([3.0, 4.0]))     # to the minimum at (0, 0)
        5.0

    References:
        Beale's and Rosenbrock's functions: Moré, Garbow and Hillstrom, *Testing Unconstrained
        Optimization Software*, 1981, doi:10.1145/355934.355936.

    Who differs:
        The loss of a network has millions of parameters: two show a difficulty, not its size.
    """

    name: str
    title: str
    value: Callable[[Array, Array], Array]
    gradient: GradientFunction
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    view: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if not self.minima:
            raise ValueError(f"Surface {self.name!r}: give at least one point in minima.")
        x_min, x_max, y_min, y_max = self.view
        if not (x_min <= self.start[0] <= x_max and y_min <= self.start[1] <= y_max):
            raise ValueError(
                f"Surface {self.name!r}: the start {self.start} lies outside the view {self.view}."
            )

    @property
    def lowest(self) -> float:
        """The height of the minima."""
        return float(self.value(*self.minima[0]))

    def distance(self, theta: Array) -> float:
        """Return the distance from θ to the nearest minimum."""
        return min(math.dist(theta, minimum) for minimum in self.minima)


def _quadratic(
    name: str, title: str, curvatures: tuple[float, float], turned_by: float, **where: Any
) -> Surface:
    """Make ½ θᵀHθ, whose H has these eigenvalues and axes turned by this angle in degrees."""
    cos, sin = math.cos(math.radians(turned_by)), math.sin(math.radians(turned_by))
    axes = np.array([[cos, -sin], [sin, cos]])
    hessian = axes @ np.diag(curvatures) @ axes.T
    (a, b), (_, c) = hessian.tolist()
    return Surface(
        name,
        title,
        value=lambda x, y: 0.5 * (a * x * x + 2 * b * x * y + c * y * y),
        gradient=lambda theta: hessian @ theta,
        minima=((0.0, 0.0),),
        **where,
    )


BOWL = _quadratic(
    "bowl", "easy bowl", (1.0, 1.0), 0.0, start=(-3.0, 2.0), view=(-4.0, 4.0, -3.0, 3.0)
)
"""L = ½(x² + y²): the same curvature in every direction, condition number 1."""

VALLEY = _quadratic(
    "valley",
    "ill-conditioned valley",
    (1.0, 50.0),
    0.0,
    start=(-3.5, 1.0),
    view=(-4.0, 4.0, -3.0, 3.0),
)
"""L = ½(x² + 50 y²): a long floor along x between steep walls, condition number 50."""

RAVINE = _quadratic(
    "ravine",
    "ravine (the valley, turned by 30°)",
    (1.0, 50.0),
    30.0,
    start=(-3.5, -1.0),
    view=(-4.0, 4.0, -3.0, 3.0),
)
"""L = ½ θᵀHθ, H = R diag(1, 50) Rᵀ, R the rotation by 30°: a valley that follows no axis."""


def _saddle(x: Array, y: Array) -> Array:
    return 0.5 * x * x - 0.5 * y * y + 0.25 * y**4


def _saddle_gradient(theta: Array) -> Array:
    x, y = theta
    return np.array([x, y**3 - y])


SADDLE = Surface(
    "saddle",
    "saddle between two minima",
    _saddle,
    _saddle_gradient,
    start=(-2.5, 0.01),
    minima=((0.0, 1.0), (0.0, -1.0)),
    view=(-3.0, 3.0, -2.0, 2.0),
)
"""L = ½x² - ½y² + ¼y⁴: a saddle at (0, 0) between minima at (0, ±1), which lie at -¼."""


def _beale(x: Array, y: Array) -> Array:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _beale_gradient(theta: Array) -> Array:
    x, y = theta
    powers = np.array([y, y**2, y**3])
    terms = np.array([1.5, 2.25, 2.625]) - x + x * powers
    slopes = x * np.array([1.0, 2 * y, 3 * y**2])
    return 2 * np.array([terms @ (powers - 1), terms @ slopes])


BEALE = Surface(
    "beale",
    "Beale's function",
    _beale,
    _beale_gradient,
    start=(1.0, 1.5),
    minima=((3.0, 0.5),),
    view=(-1.0, 4.5, -1.5, 2.0),
)
"""L = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²: cliffs beside a flat plain."""


def _rosenbrock(x: Array, y: Array) -> Array:
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def _rosenbrock_gradient(theta: Array) -> Array:
    x, y = theta
    return np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


ROSENBROCK = Surface(
    "rosenbrock",
    "Rosenbrock's banana",
    _rosenbrock,
    _rosenbrock_gradient,
    start=(-1.2, 1.0),
    minima=((1.0, 1.0),),
    view=(-2.0, 2.0, -0.75, 2.25),
)
"""L = (1 - x)² + 100(y - x²)²: a curved valley with a floor that hardly falls."""

_RIDGE_AT, _RIDGE_HALF_WIDTH, _RIDGE_HEIGHT = 1.5, 0.6, 0.6


def _barrier(x: Array, y: Array) -> Array:
    from_ridge = np.clip((x - _RIDGE_AT) / _RIDGE_HALF_WIDTH, -1.0, 1.0)
    ridge = _RIDGE_HEIGHT * (1 + np.cos(np.pi * from_ridge)) / 2
    return 0.25 * x * x + 0.5 * y * y + ridge


def _barrier_gradient(theta: Array) -> Array:
    x, y = theta
    from_ridge = np.clip((x - _RIDGE_AT) / _RIDGE_HALF_WIDTH, -1.0, 1.0)
    slope = -_RIDGE_HEIGHT * np.pi / (2 * _RIDGE_HALF_WIDTH) * np.sin(np.pi * from_ridge)
    return np.array([0.5 * x + slope, y])


BARRIER = Surface(
    "barrier",
    "bowl with a small barrier",
    _barrier,
    _barrier_gradient,
    start=(3.5, 1.0),
    minima=((0.0, 0.0),),
    view=(-3.0, 4.0, -2.6, 2.6),
)
"""L = ¼x² + ½y² + 0.3(1 + cos(π(x - 1.5)/0.6)) for |x - 1.5| < 0.6: a ridge that can hold a walk.

Outside that strip there is no ridge and L = ¼x² + ½y².
"""

SURFACES = {
    surface.name: surface for surface in (BOWL, VALLEY, RAVINE, SADDLE, BEALE, ROSENBROCK, BARRIER)
}


def noisy(surface: Surface, scale: float, rng: np.random.Generator) -> GradientFunction:
    r"""Return the gradient of a surface with noise on it, as a mini-batch would give it.

    .. math:: \tilde g(θ) = ∇L(θ) + σ z, \qquad z \sim \mathcal{N}(0, I)

    The noise has mean 0: on average the gradient is right.

    Args:
        surface: the surface L.
        scale: σ, the standard deviation of the noise on each component, at least 0.
        rng: the source of the draws; each call of the result draws anew.

    Returns:
        A function from θ of shape (2,) to a noisy gradient of shape (2,).

    Raises:
        ValueError: ``scale`` is negative.

    Example:
        >>> gradient = noisy(BOWL, 0.5, np.random.default_rng(0))
        >>> draws = [gradient(np.array([2.0, 0.0])) for _ in range(10_000)]
        >>> np.mean(draws, axis=0).round(1) + 0.0     # the truth is (2, 0)
        array([2., 0.])

    References:
        Robbins and Monro, *A Stochastic Approximation Method*, 1951, doi:10.1214/aoms/1177729586.

    Who differs:
        Some animations draw their noise with mean 1; they show a descent that drifts. The noise of
        real mini-batches also depends on θ and is rarely normal.
    """
    if not scale >= 0:
        raise ValueError(f"noisy: scale must be at least 0, got {scale}.")
    return lambda theta: surface.gradient(theta) + scale * rng.standard_normal(2)


class Descent(NamedTuple):
    """What `descend` returns: the points visited, and whether the walk ran away."""

    points: Array
    diverged: bool


def descend(
    rule: Rule,
    surface: Surface | GradientFunction,
    start: Sequence[float],
    steps: int,
    **hyper: float,
) -> Descent:
    r"""Walk down a surface with one update rule.

    .. math:: θ_0 = \text{start}, \qquad (θ_{t+1}, m_{t+1}) = \text{rule}(θ_t, ∇L(θ_t), m_t)

    m is the state, what the rule remembers. A walk that comes further than 10⁶ from the origin has
    diverged: it ends there, so no point is ever infinite or NaN.

    Args:
        rule: a rule of `course.optimizers` that takes a gradient, or a function of that form.
        surface: a `Surface`, or a function from θ of shape (2,) to a gradient of shape (2,).
        start: θ₀, two numbers.
        steps: how many steps to make, at least 0.
        **hyper: the rule's hyper-parameters, such as ``lr``.

    Returns:
        ``Descent(points, diverged)``: the points θ₀, θ₁, ... of shape (steps + 1, 2), fewer rows
        when ``diverged`` is true.

    Raises:
        ValueError: ``start`` is not two finite numbers, or ``steps`` is negative; and what the
            rule raises.

    Example:
        >>> from course.optimizers import sgd
        >>> points, diverged = descend(sgd, BOWL, (1.0, 2.0), steps=2, lr=0.5)
        >>> points
        array([[1.  , 2.  ],
               [0.5 , 1.  ],
               [0.25, 0.5 ]])
        >>> descend(sgd, BOWL, (1.0, 2.0), steps=100, lr=3.0).diverged
        True

    References:
        Cauchy, *Méthode générale pour la résolution des systèmes d'équations simultanées*, 1847.

    Who differs:
        Optimizers of libraries also stop when the gradient is small; here the number of steps is
        given, so that walks can be compared step by step.
    """
    theta = np.asarray(start, dtype=np.float64)
    if theta.shape != (2,) or not np.isfinite(theta).all():
        raise ValueError(f"descend: start must be two finite numbers, got {start!r}.")
    if steps < 0:
        raise ValueError(f"descend: steps must be at least 0, got {steps}.")
    gradient = surface.gradient if isinstance(surface, Surface) else surface
    points: list[Array] = [theta]
    state: State | None = None
    for _ in range(steps):
        theta, state = rule(theta, gradient(theta), state, **hyper)
        if not np.abs(theta).max() <= FAR_AWAY:
            return Descent(np.array(points), diverged=True)
        points.append(theta)
    return Descent(np.array(points), diverged=False)
