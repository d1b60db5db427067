"""Unit 06_activations: each activation with its derivative, SELU's constants, units that died.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from course import activations as reference
from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, unpack
from course.diagnostics import dead_fraction

# --- how an activation is tried --------------------------------------------------------------

BOTH = "value and derivative"
DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


def play_activation(activation: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call an activation and look at what the case asks for: a right value counts on its own."""
    y, slope = unpack(activation(inputs["x"], **inputs["hyper"]), "y", "slope")
    for name, seen in (("value", y), ("derivative", slope)):
        if name in inputs["asked"]:
            yield f"the {name}", seen


def activation_parts(value: float, derivative: float, *more: Part) -> tuple[Part, ...]:
    """Return the parts that every activation has, and those of one activation only."""
    return (
        Part("value", value, "the value"),
        Part("derivative", derivative, "the derivative"),
        *more,
        DTYPE,
        INPUTS,
    )


def kink(points: float) -> Part:
    """Return the part about x = 0."""
    return Part("kink", points, "at x = 0")


def large(points: float) -> Part:
    """Return the part about numbers that make exponentials overflow."""
    return Part("large", points, "large |x|, without NaN")


def mixed(rng: np.random.Generator, *shape: int) -> Array:
    """Return numbers of both signs, none of them near 0."""
    size = math.prod(shape)
    signs = rng.permutation(np.resize([-1.0, 1.0], size))
    return (signs * rng.uniform(0.2, 3.0, size)).reshape(shape)


def activation_cases(
    hyper: Mapping[str, tuple[float, ...]] | None = None,
    *,
    at_kink: bool = False,
    at_large: bool = False,
) -> Callable[[np.random.Generator], Iterator[Case]]:
    """Return what draws the cases of an activation.

    Args:
        hyper: for each hyper-parameter the values to draw from; none is the default.
        at_kink: whether to ask at x = 0.
        at_large: whether to ask where exponentials overflow.
    """

    def cases(rng: np.random.Generator) -> Iterator[Case]:
        def case(part: str, title: str, asked: str, x: Array, **chosen: float) -> Case:
            return Case(part, title, {"x": x, "hyper": chosen, "asked": asked})

        def settings() -> dict[str, float]:
            return {key: float(rng.choice(values)) for key, values in (hyper or {}).items()}

        for asked in ("value", "derivative"):
            yield case(asked, f"a vector, the {asked}", asked, mixed(rng, 6))
            yield case(asked, f"a matrix, the {asked}", asked, mixed(rng, 2, 3), **settings())
        if at_kink:
            x = np.array([0.0, *mixed(rng, 2), 0.0])
            yield case("kink", "two entries are 0", BOTH, x, **settings())
        if at_large:
            x = np.array([-1.0, 1.0, -1.0, 1.0]) * rng.uniform(1500.0, 3000.0, 4)
            yield case("large", "|x| near 2000", BOTH, np.append(x, mixed(rng, 2)), **settings())
        x = mixed(rng, 4).astype(np.float32)
        yield case("dtype", "a vector in float32", BOTH, x, **settings())

    return cases


# --- Heaviside -------------------------------------------------------------------------------


def heaviside(x: Array) -> tuple[Array, Array]:
    """Return the step and its derivative."""
    return reference.heaviside(x), reference.heaviside_grad(x)


def one_at_the_threshold(x):
    return np.where(x >= 0, 1.0, 0.0), np.zeros_like(x)


def half_at_the_threshold(x):
    return np.heaviside(x, 0.5), np.zeros_like(x)


def gap_up_to_one(x):
    return np.where(x >= 1, 1.0, 0.0), np.zeros_like(x)


def classes_of_the_sign(x):
    return np.sign(x), np.zeros_like(x)


def slope_at_the_jump(x):
    return np.where(x > 0, 1.0, 0.0), np.where(x == 0, 1.0, 0.0)


def step_as_its_own_slope(x):
    y = np.where(x > 0, 1.0, 0.0)
    return y, y


def rectified_in_the_place_of_stepped(x):
    return np.maximum(x, 0), np.where(x > 0, 1.0, 0.0)


def step_from_a_comparison(x):
    return (x > 0).astype(x.dtype), np.zeros_like(x)


def step_from_the_sign(x):
    return np.maximum(np.sign(x), 0), 0 * x


def step_entry_by_entry(x):
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        if x[index] > 0:
            y[index] = 1
    return y, np.zeros(x.shape, x.dtype)


def heaviside_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, asked: str, x: Array) -> Case:
        return Case(part, title, {"x": x, "hyper": {}, "asked": asked})

    def between() -> Array:
        return np.append(mixed(rng, 4), rng.uniform(0.2, 0.8))

    yield case("value", "a vector, one entry between 0 and 1", "value", between())
    yield case("value", "a matrix", "value", mixed(rng, 2, 3))
    yield case("threshold", "two entries are 0", "value", np.array([0.0, *mixed(rng, 2), 0.0]))
    yield case("derivative", "the derivative", "derivative", np.append(between(), 0.0))
    yield case("dtype", "a vector in float32", BOTH, between().astype(np.float32))


HEAVISIDE = Exercise(
    reference=heaviside,
    summary="the Heaviside step and its derivative",
    parts=(
        Part("value", 0.5, "the value away from 0"),
        Part("threshold", 1, "the value at 0"),
        Part("derivative", 0.5, "the derivative"),
        DTYPE,
        INPUTS,
    ),
    cases=heaviside_cases,
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "one at the threshold",
            one_at_the_threshold,
            "At x = 0 you have 1. In this course H(0) = 0, so that H is the derivative of the "
            "ReLU: compare with >, not with >=.",
        ),
        Mistake(
            "half at the threshold",
            half_at_the_threshold,
            "At x = 0 you have ½, as signal theory does. In this course H(0) = 0.",
        ),
        Mistake(
            "a gap up to 1",
            gap_up_to_one,
            "Between 0 and 1 you have 0. The step is at 0: everything above it gives 1. One of "
            "the slides says z ≥ 1, which is a slip.",
        ),
        Mistake(
            "classes of the sign",
            classes_of_the_sign,
            "This is the sign, with −1 on the left. Heaviside's step goes from 0 to 1.",
        ),
        Mistake(
            "a slope at the jump",
            slope_at_the_jump,
            "At the jump there is no derivative; a finite number there is no better than another, "
            "and 0 is taken. No gradient passes a step.",
        ),
        Mistake(
            "the step as its own slope",
            step_as_its_own_slope,
            "You return H as the derivative: H is the derivative of the ReLU. H itself is flat on "
            "both sides, so its derivative is 0.",
        ),
        Mistake(
            "the ReLU",
            rectified_in_the_place_of_stepped,
            "This is the ReLU, which keeps the size of x. The step only says whether x is above 0.",
        ),
    ),
    honest=(step_from_a_comparison, step_from_the_sign, step_entry_by_entry),
)


# --- sigmoid ---------------------------------------------------------------------------------


def sigmoid(x: Array) -> tuple[Array, Array]:
    """Return the logistic sigmoid and its derivative."""
    return reference.sigmoid(x), reference.sigmoid_grad(x)


def sigmoid_overflows(x):
    y = np.exp(x) / (1 + np.exp(x))
    return y, y * (1 - y)


def sigmoid_slope_overflows(x):
    small = np.exp(-x)
    return 1 / (1 + small), small / (1 + small) ** 2


def sigmoid_falls(x):
    y = 1 / (1 + np.exp(np.minimum(x, 700)))
    return y, y * (1 - y)


def sigmoid_slope_of_x(x):
    y = 1 / (1 + np.exp(-np.maximum(x, -700)))
    return y, x * (1 - x)


def sigmoid_applied_twice(x):
    y = 1 / (1 + np.exp(-np.maximum(x, -700)))
    again = 1 / (1 + np.exp(-y))
    return y, again * (1 - again)


def sigmoid_with_the_slope_of_tanh(x):
    y = 1 / (1 + np.exp(-np.maximum(x, -700)))
    return y, 1 - y**2


def sigmoid_slope_of_the_power_only(x):
    small = np.exp(-np.maximum(x, -700))
    y = 1 / (1 + small)
    return y, -(y**2)


def sigmoid_clipped(x):
    y = 1 / (1 + np.exp(-np.clip(x, -20, 20)))
    return y, y * (1 - y)


def sigmoid_slope_first(x):
    y = 1 / (1 + np.exp(-np.maximum(x, -700)))
    return y * (1 - y), y


def sigmoid_from_two_sides(x):
    small = np.exp(-np.abs(x))
    y = np.where(x >= 0, 1, small) / (1 + small)
    return y, y * (1 - y)


def sigmoid_through_tanh(x):
    y = (1 + np.tanh(x / 2)) / 2
    return y, (1 - np.tanh(x / 2) ** 2) / 4


def sigmoid_through_logarithms(x):
    y = np.exp(-np.logaddexp(0, -x))
    return y, y * np.exp(-np.logaddexp(0, x))


def sigmoid_entry_by_entry(x):
    import math

    y, slope = np.zeros_like(x), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        value = float(x[index])
        s = 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
        y[index], slope[index] = s, s * (1 - s)
    return y, slope


SIGMOID = Exercise(
    reference=sigmoid,
    summary="the sigmoid and its derivative",
    parts=activation_parts(1, 1, large(1)),
    cases=activation_cases(at_large=True),
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "overflow",
            sigmoid_overflows,
            "For large x this is ∞/∞, which is NaN. Where x is positive use 1/(1 + e⁻ˣ): its "
            "exponential only gets small.",
        ),
        Mistake(
            "overflow in the derivative",
            sigmoid_slope_overflows,
            "On paper e⁻ˣ/(1 + e⁻ˣ)² is the derivative, but for very negative x it is ∞/∞, NaN. "
            "y(1 − y), from the y that you have, cannot overflow.",
        ),
        Mistake(
            "falling",
            sigmoid_falls,
            "Your sigmoid falls: 1/(1 + eˣ) is σ(−x). The exponent is −x.",
        ),
        Mistake(
            "x in the derivative",
            sigmoid_slope_of_x,
            "The derivative σ(1 − σ) is taken with x in the place of σ. Compute y = σ(x) first, "
            "then y(1 − y).",
        ),
        Mistake(
            "sigmoid twice",
            sigmoid_applied_twice,
            "For the derivative the sigmoid is applied to y once more. y is σ(x) already: the "
            "derivative is y(1 − y).",
        ),
        Mistake(
            "derivative of tanh",
            sigmoid_with_the_slope_of_tanh,
            "1 − y² is the derivative of tanh. For the sigmoid it is y(1 − y), at most ¼.",
        ),
        Mistake(
            "chain rule left out",
            sigmoid_slope_of_the_power_only,
            "You differentiate 1/u to −1/u² and stop there. The chain rule goes on with the "
            "derivative of u = 1 + e⁻ˣ, which is −e⁻ˣ: together y(1 − y), which is positive.",
        ),
        Mistake(
            "clipped",
            sigmoid_clipped,
            "x is clipped so tightly that the result is no longer σ(x): at x = −2000 it is 0 to "
            "every digit, not e⁻²⁰. Use the form whose exponential cannot overflow instead.",
        ),
        Mistake(
            "derivative first",
            sigmoid_slope_first,
            "The two results have changed places: first the value, then the derivative.",
        ),
    ),
    honest=(
        sigmoid_from_two_sides,
        sigmoid_through_tanh,
        sigmoid_through_logarithms,
        sigmoid_entry_by_entry,
    ),
)


# --- tanh ------------------------------------------------------------------------------------


def tanh(x: Array) -> tuple[Array, Array]:
    """Return the hyperbolic tangent and its derivative."""
    return reference.tanh(x), reference.tanh_grad(x)


def tanh_overflows(x):
    y = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    return y, 1 - y**2


def tanh_of_half(x):
    y = np.tanh(x / 2)
    return y, 1 - y**2


def tanh_slope_of_half_chain(x):
    y = np.tanh(x)
    return y, (1 - y**2) / 2


def tanh_not_squared(x):
    y = np.tanh(x)
    return y, 1 - y


def tanh_slope_of_x(x):
    return np.tanh(x), 1 - x**2


def tanh_applied_twice(x):
    y = np.tanh(x)
    return y, 1 - np.tanh(y) ** 2


def tanh_with_the_slope_of_the_sigmoid(x):
    y = np.tanh(x)
    return y, y * (1 - y)


def tanh_by_numpy(x):
    return np.tanh(x), 1 / np.cosh(np.clip(x, -80, 80)) ** 2


def tanh_through_a_small_power(x):
    small = np.exp(-2 * np.abs(x))
    y = np.sign(x) * (1 - small) / (1 + small)
    return y, (1 - y) * (1 + y)


def tanh_through_the_sigmoid(x):
    small = np.exp(-2 * np.abs(x))
    s = np.where(x >= 0, 1, small) / (1 + small)
    return 2 * s - 1, 4 * s * (1 - s)


def tanh_entry_by_entry(x):
    import math

    y = np.array([math.tanh(value) for value in x.flat], dtype=x.dtype).reshape(x.shape)
    return y, 1 - y * y


TANH = Exercise(
    reference=tanh,
    summary="the hyperbolic tangent and its derivative",
    parts=activation_parts(1, 1, large(1)),
    cases=activation_cases(at_large=True),
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "overflow",
            tanh_overflows,
            "For large |x| this is ∞/∞, which is NaN. np.tanh takes care of it; or divide above "
            "and below by the larger power.",
        ),
        Mistake(
            "sigmoid not stretched",
            tanh_of_half,
            "This is 2σ(x) − 1, which is tanh(x/2). The argument is doubled too: "
            "tanh x = 2σ(2x) − 1.",
        ),
        Mistake(
            "derivative halved",
            tanh_slope_of_half_chain,
            "The derivative is half of the right one: at 0 the slope of tanh is 1.",
        ),
        Mistake(
            "not squared",
            tanh_not_squared,
            "1 − y falls below 0 nowhere and is 2 on the far left, where tanh is flat. Square y: "
            "the derivative is 1 − y².",
        ),
        Mistake(
            "x in the derivative",
            tanh_slope_of_x,
            "The derivative is 1 − y² with y = tanh(x), not 1 − x².",
        ),
        Mistake(
            "tanh twice",
            tanh_applied_twice,
            "For the derivative tanh is applied to y once more. y is tanh(x) already: 1 − y².",
        ),
        Mistake(
            "derivative of the sigmoid",
            tanh_with_the_slope_of_the_sigmoid,
            "y(1 − y) is the derivative of the sigmoid. For tanh it is 1 − y², which is 1 at 0.",
        ),
    ),
    honest=(
        tanh_by_numpy,
        tanh_through_a_small_power,
        tanh_through_the_sigmoid,
        tanh_entry_by_entry,
    ),
)


# --- ReLU ------------------------------------------------------------------------------------


def relu(x: Array) -> tuple[Array, Array]:
    """Return the rectifier and its derivative."""
    return reference.relu(x), reference.relu_grad(x)


def relu_slope_one_at_the_kink(x):
    return np.maximum(x, 0), np.where(x >= 0, 1.0, 0.0)


def relu_slope_half_at_the_kink(x):
    return np.maximum(x, 0), np.heaviside(x, 0.5)


def relu_slope_after_the_change(x):
    y = x.copy()
    y[y < 0] = 0
    return y, np.where(y >= 0, 1.0, 0.0)


def relu_keeps_the_negative_side(x):
    return np.minimum(x, 0), np.where(x < 0, 1.0, 0.0)


def relu_as_the_size(x):
    return np.abs(x), np.sign(x)


def relu_slope_of_the_size(x):
    return np.maximum(x, 0), np.sign(x)


def relu_value_as_slope(x):
    y = np.maximum(x, 0)
    return y, y


def relu_with_maximum(x):
    return np.maximum(0, x), (x > 0).astype(x.dtype)


def relu_with_a_mask(x):
    mask = np.where(x > 0, np.ones_like(x), np.zeros_like(x))
    return x * mask, mask


def relu_from_the_size(x):
    return (x + np.abs(x)) / 2, np.maximum(np.sign(x), 0)


def relu_entry_by_entry(x):
    y, slope = np.zeros_like(x), np.zeros_like(x)
    for index, value in np.ndenumerate(x):
        if value > 0:
            y[index], slope[index] = value, 1
    return y, slope


def relu_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield from activation_cases(at_kink=True)(rng)
    for asked in ("value", "derivative"):
        inputs = {"x": 10 * mixed(rng, 4), "hyper": {}, "asked": asked}
        yield Case(asked, f"numbers ten times as large, the {asked}", inputs)


RELU = Exercise(
    reference=relu,
    summary="the rectifier and its derivative",
    parts=activation_parts(0.5, 0.5, kink(1)),
    cases=relu_cases,
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "slope 1 at the kink",
            relu_slope_one_at_the_kink,
            "At x = 0 your derivative is 1. There is none there; this course, torch and TensorFlow "
            "take 0: compare with >, not with >=.",
        ),
        Mistake(
            "slope ½ at the kink",
            relu_slope_half_at_the_kink,
            "At x = 0 your derivative is ½. Any number from 0 to 1 would do in theory; this course "
            "and the frameworks take 0.",
        ),
        Mistake(
            "slope 1 everywhere",
            relu_slope_after_the_change,
            "Your derivative is 1 everywhere. On the left the ReLU is flat: 0 there. If you ask "
            "y >= 0: y is never below 0. Ask x > 0.",
        ),
        Mistake(
            "the negative side",
            relu_keeps_the_negative_side,
            "You keep what is negative. The ReLU is the larger of 0 and x, entry by entry: "
            "np.maximum.",
        ),
        Mistake(
            "the size of x",
            relu_as_the_size,
            "This is |x|: the negative side comes back up. The ReLU is 0 there.",
        ),
        Mistake(
            "slope of |x|",
            relu_slope_of_the_size,
            "On the negative side your derivative is −1. The ReLU is flat there: 0.",
        ),
        Mistake(
            "the value as slope",
            relu_value_as_slope,
            "You return y as the derivative. On the positive side y = x rises by 1 for each 1: "
            "the derivative is 1, not x.",
        ),
    ),
    honest=(relu_with_maximum, relu_with_a_mask, relu_from_the_size, relu_entry_by_entry),
)


# --- leaky ReLU ------------------------------------------------------------------------------


def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> tuple[Array, Array]:
    """Return the leaky ReLU and its derivative."""
    y = reference.leaky_relu(x, negative_slope=negative_slope)
    return y, reference.leaky_relu_grad(x, negative_slope=negative_slope)


def leaky_as_a_maximum(x, *, negative_slope=0.01):
    return np.maximum(negative_slope * x, x), np.where(x > 0, 1.0, negative_slope)


def leaky_slope_one_at_the_kink(x, *, negative_slope=0.01):
    y = np.where(x > 0, x, negative_slope * x)
    return y, np.where(x >= 0, 1.0, negative_slope)


def leak_typed_in(x, *, negative_slope=0.01):
    return np.where(x > 0, x, 0.01 * x), np.where(x > 0, 1.0, 0.01)


def leak_on_both_sides(x, *, negative_slope=0.01):
    y = np.maximum(x, 0) + negative_slope * x
    return y, np.where(x > 0, 1.0, 0.0) + negative_slope


def leak_turned_around(x, *, negative_slope=0.01):
    return np.where(x > 0, x, -negative_slope * x), np.where(x > 0, 1.0, -negative_slope)


def leaky_with_the_slope_of_relu(x, *, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope * x), np.where(x > 0, 1.0, 0.0)


def leak_in_the_place_of_the_line(x, *, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope), np.where(x > 0, 1.0, 0.0)


def leak_squared_in_the_slope(x, *, negative_slope=0.01):
    y = np.where(x > 0, x, negative_slope * x)
    return y, np.where(x > 0, 1.0, negative_slope * x)


def leaky_with_where(x, *, negative_slope=0.01):
    slope = np.where(x > 0, 1, negative_slope).astype(x.dtype)
    return x * slope, slope


def leaky_in_two_halves(x, *, negative_slope=0.01):
    y = np.maximum(x, 0) + negative_slope * np.minimum(x, 0)
    slope = np.ones_like(x)
    slope[x <= 0] = negative_slope
    return y, slope


def leaky_entry_by_entry(x, *, negative_slope=0.01):
    y, slope = np.zeros_like(x), np.zeros_like(x)
    for index, value in np.ndenumerate(x):
        slope[index] = 1 if value > 0 else negative_slope
        y[index] = slope[index] * value
    return y, slope


def leaky_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield from activation_cases({"negative_slope": (0.05, 0.2, 0.3)}, at_kink=True)(rng)
    steep = {"negative_slope": float(rng.choice([1.5, 2.0]))}
    inputs = {"x": mixed(rng, 4), "hyper": steep, "asked": BOTH}
    yield Case("steep", "a slope above 1", inputs)


LEAKY_RELU = Exercise(
    reference=leaky_relu,
    summary="the leaky ReLU and its derivative",
    parts=activation_parts(1, 1, kink(0.5), Part("steep", 0.5, "a slope above 1")),
    cases=leaky_cases,
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "as a maximum",
            leaky_as_a_maximum,
            "max(αx, x) is the leaky ReLU only for α ≤ 1. Above 1 the larger one is αx on the "
            "positive side, and the bend goes the other way. Choose by the sign of x.",
        ),
        Mistake(
            "slope 1 at the kink",
            leaky_slope_one_at_the_kink,
            "At x = 0 your derivative is 1. The rule says x > 0, so 0 belongs to the leaky "
            "side: α.",
        ),
        Mistake(
            "0.01 typed in",
            leak_typed_in,
            "The slope is always 0.01. Use negative_slope: 0.01 is only its default.",
        ),
        Mistake(
            "leak on both sides",
            leak_on_both_sides,
            "αx is added on the positive side too, where the slope becomes 1 + α. There it is 1: "
            "αx belongs to the negative side alone.",
        ),
        Mistake(
            "leak turned around",
            leak_turned_around,
            "On the negative side your line goes up again. αx is negative there: the leak keeps "
            "the sign of x.",
        ),
        Mistake(
            "derivative of the ReLU",
            leaky_with_the_slope_of_relu,
            "The value leaks but the derivative does not: on the negative side it is α, and that "
            "is what keeps the unit alive.",
        ),
        Mistake(
            "a constant on the left",
            leak_in_the_place_of_the_line,
            "On the negative side you return α itself. It is a slope: αx.",
        ),
        Mistake(
            "value as derivative on the left",
            leak_squared_in_the_slope,
            "On the negative side you return αx as the derivative. The derivative of αx is α.",
        ),
    ),
    honest=(leaky_with_where, leaky_in_two_halves, leaky_entry_by_entry),
)


# --- PReLU -----------------------------------------------------------------------------------


def prelu_gradients(grad: Array, x: Array, alpha: Array) -> tuple[Array, Array]:
    """Return the gradients of the loss with respect to PReLU's input and slopes."""
    grad_x = grad * reference.prelu_grad(x, alpha)
    return grad_x, reference.prelu_alpha_grad(grad, x, alpha)


def play_prelu(gradients: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Look at one of the two gradients, or at both."""
    given = {key: inputs[key] for key in ("grad", "x", "alpha")}
    both = unpack(gradients(**given), "grad_x", "grad_alpha")
    for name, seen in zip(("grad_x", "grad_alpha"), both, strict=True):
        if name in inputs["asked"]:
            yield name, seen


def prelu_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(
        part: str, title: str, asked: str, alpha: tuple[int, ...], *shape: int, dtype: str = "f8"
    ) -> Case:
        arrays = {
            "grad": rng.normal(size=shape),
            "x": mixed(rng, *shape),
            "alpha": rng.uniform(0.1, 0.6, alpha),
        }
        return Case(
            part, title, {key: a.astype(dtype) for key, a in arrays.items()} | {"asked": asked}
        )

    yield case("input", "the input's, a slope for each feature", "grad_x", (3,), 4, 3)
    flat = case("input", "the input's, one slope, two entries are 0", "grad_x", (), 2, 4)
    flat.inputs["x"][:, 1] = 0.0
    yield flat
    yield case("one", "one slope for all entries", "grad_alpha", (), 4, 3)
    yield case("features", "a slope for each of three features", "grad_alpha", (3,), 4, 3)
    yield case("features", "a slope for each of four features", "grad_alpha", (4,), 2, 4)
    title = "a slope for each feature, float32"
    yield case("dtype", title, "grad_x and grad_alpha", (3,), 4, 3, dtype="f4")


def prelu_gradient_from_above_left_out(grad, x, alpha):
    terms = np.minimum(x, 0)
    axes = 0 if alpha.ndim else None
    return grad * np.where(x > 0, 1, alpha), terms.sum(axis=axes)


def prelu_passes_the_slope_on(grad, x, alpha):
    terms = grad * np.minimum(x, 0)
    axes = 0 if alpha.ndim else None
    return np.where(x > 0, 1, alpha), terms.sum(axis=axes)


def prelu_averaged(grad, x, alpha):
    terms = grad * np.minimum(x, 0)
    axes = 0 if alpha.ndim else None
    return grad * np.where(x > 0, 1, alpha), terms.mean(axis=axes)


def prelu_not_summed(grad, x, alpha):
    return grad * np.where(x > 0, 1, alpha), grad * np.minimum(x, 0)


def prelu_always_summed_over_the_samples(grad, x, alpha):
    return grad * np.where(x > 0, 1, alpha), (grad * np.minimum(x, 0)).sum(axis=0)


def prelu_one_sum_for_all(grad, x, alpha):
    total = np.sum(grad * np.minimum(x, 0))
    return grad * np.where(x > 0, 1, alpha), np.full_like(alpha, total)


def prelu_summed_over_the_features(grad, x, alpha):
    terms = grad * np.minimum(x, 0)
    axes = 1 if alpha.ndim else None
    return grad * np.where(x > 0, 1, alpha), terms.sum(axis=axes)


def prelu_both_sides_counted(grad, x, alpha):
    terms = grad * x
    axes = 0 if alpha.ndim else None
    return grad * np.where(x > 0, 1, alpha), terms.sum(axis=axes)


def prelu_slope_left_in(grad, x, alpha):
    terms = grad * alpha * np.minimum(x, 0)
    axes = 0 if alpha.ndim else None
    return grad * np.where(x > 0, 1, alpha), terms.sum(axis=axes)


def prelu_only_the_sign_counted(grad, x, alpha):
    terms = grad * (x <= 0)
    axes = 0 if alpha.ndim else None
    return grad * np.where(x > 0, 1, alpha), terms.sum(axis=axes)


def prelu_slope_one_at_the_kink(grad, x, alpha):
    terms = grad * np.minimum(x, 0)
    axes = 0 if alpha.ndim else None
    return grad * np.where(x >= 0, 1, alpha), terms.sum(axis=axes)


def prelu_with_where(grad, x, alpha):
    slope = np.where(x > 0, np.ones_like(x), alpha)
    by_entry = np.where(x > 0, np.zeros_like(x), grad * x)
    grad_alpha = by_entry.sum(axis=0) if alpha.ndim == 1 else by_entry.sum()
    return grad * slope, grad_alpha


def prelu_with_masks(grad, x, alpha):
    negative = (x <= 0).astype(x.dtype)
    grad_x = grad * (1 - negative) + grad * negative * alpha
    if alpha.shape == ():
        return grad_x, np.sum(grad * x * negative)
    return grad_x, np.einsum("nf,nf,nf->f", grad, x, negative)


def prelu_entry_by_entry(grad, x, alpha):
    grad_x, grad_alpha = np.zeros_like(x), np.zeros_like(alpha)
    for n in range(x.shape[0]):
        for f in range(x.shape[1]):
            place = (f,) if alpha.ndim else ()
            if x[n, f] > 0:
                grad_x[n, f] = grad[n, f]
            else:
                grad_x[n, f] = grad[n, f] * alpha[place]
                grad_alpha[place] += grad[n, f] * x[n, f]
    return grad_x, grad_alpha


PRELU = Exercise(
    reference=prelu_gradients,
    summary="the gradients of PReLU's input and slopes",
    parts=(
        Part("input", 1, "the gradient of the input"),
        Part("one", 1, "the gradient of one common slope"),
        Part("features", 2, "the gradient of a slope for each feature"),
        DTYPE,
        INPUTS,
    ),
    cases=prelu_cases,
    run=play_prelu,
    scale=1.0,
    mistakes=(
        Mistake(
            "gradient from above left out",
            prelu_gradient_from_above_left_out,
            "The gradient of α is the sum of min(x, 0): that is ∂y/∂α. The chain rule multiplies "
            "each entry by grad, ∂L/∂y, before the sum.",
        ),
        Mistake(
            "slope passed on",
            prelu_passes_the_slope_on,
            "The gradient of the input is the slope alone, ∂y/∂x. Multiply it by grad, which "
            "comes from above.",
        ),
        Mistake(
            "averaged",
            prelu_averaged,
            "The gradient of α is averaged. α acts on every entry, so their shares add up: a sum. "
            "The 1/B of a mean loss is in grad already.",
        ),
        Mistake(
            "not summed",
            prelu_not_summed,
            "The gradient of α has the shape of x. A parameter's gradient has the shape of the "
            "parameter: sum over all entries that share a slope.",
        ),
        Mistake(
            "one common slope not seen",
            prelu_always_summed_over_the_samples,
            "With one slope for everything you still return a number for each feature. Here all "
            "entries share the slope: where alpha has the shape (), sum over both axes.",
        ),
        Mistake(
            "one sum for all features",
            prelu_one_sum_for_all,
            "Every feature gets the sum over all features. Each has a slope of its own: sum over "
            "the samples only, axis=0.",
        ),
        Mistake(
            "summed over the features",
            prelu_summed_over_the_features,
            "You sum along the features, which leaves one number a sample. The samples share a "
            "slope: sum along axis 0.",
        ),
        Mistake(
            "both sides counted",
            prelu_both_sides_counted,
            "Positive entries count too. There y = x, which does not depend on α: only min(x, 0) "
            "enters.",
        ),
        Mistake(
            "α left in",
            prelu_slope_left_in,
            "The gradient of α still holds the factor α. The derivative of αx with respect to α "
            "is x.",
        ),
        Mistake(
            "size of x left out",
            prelu_only_the_sign_counted,
            "You add up grad where x is negative. The derivative of αx with respect to α is x "
            "itself: add up grad · x there.",
        ),
        Mistake(
            "slope 1 at the kink",
            prelu_slope_one_at_the_kink,
            "Where x = 0 the gradient passes whole. The rule says x > 0, so 0 belongs to the leaky "
            "side: α.",
        ),
    ),
    honest=(prelu_with_where, prelu_with_masks, prelu_entry_by_entry),
)


# --- RReLU -----------------------------------------------------------------------------------


def rrelu(
    x: Array, *, rng: np.random.Generator | None = None, lower: float = 1 / 8, upper: float = 1 / 3
) -> tuple[Array, Array]:
    """Return the randomized leaky ReLU and its derivative for the same slopes."""
    slopes = (lower + upper) / 2 if rng is None else rng.uniform(lower, upper, x.shape)
    slopes = np.broadcast_to(slopes, x.shape).astype(x.dtype)
    return reference.prelu(x, slopes), reference.prelu_grad(x, slopes)


def play_rrelu(activation: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call it at test, or in training with a generator of the given seed."""
    rng = None if inputs["seed"] is None else np.random.default_rng(inputs["seed"])
    y, slope = unpack(activation(inputs["x"], rng=rng, **inputs["hyper"]), "y", "slope")
    for name, seen in (("value", y), ("derivative", slope)):
        if name in inputs["asked"]:
            yield f"the {name}", seen


def rrelu_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, asked: str, seed: int | None, x: Array, **hyper: float) -> Case:
        return Case(part, title, {"x": x, "seed": seed, "hyper": hyper, "asked": asked})

    def seed() -> int:
        return int(rng.integers(1000))

    bounds = {"lower": float(rng.choice([0.1, 0.2])), "upper": float(rng.choice([0.5, 0.7]))}
    yield case("test", "at test, a vector", BOTH, None, mixed(rng, 6))
    yield case("test", "at test, bounds of its own", BOTH, None, mixed(rng, 2, 3), **bounds)
    yield case("training", "in training, a vector", "value", seed(), mixed(rng, 6))
    title = "in training, bounds of its own"
    yield case("training", title, "value", seed(), mixed(rng, 3, 2), **bounds)
    title = "in training, the derivative"
    yield case("derivative", title, BOTH, seed(), mixed(rng, 2, 3), **bounds)
    x = mixed(rng, 4).astype(np.float32)
    yield case("dtype", "in training, float32", BOTH, seed(), x, **bounds)


def one_slope_for_the_array(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    a = (lower + upper) / 2 if rng is None else rng.uniform(lower, upper)
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, a)


def one_slope_for_each_column(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    a = (lower + upper) / 2 if rng is None else rng.uniform(lower, upper, x.shape[-1])
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, a)


def mean_slope_in_training(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    a = (lower + upper) / 2
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, a)


def half_the_width_at_test(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    a = (upper - lower) / 2 if rng is None else rng.uniform(lower, upper, x.shape)
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, a)


def mean_divisor_at_test(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    a = 2 / (1 / lower + 1 / upper) if rng is None else rng.uniform(lower, upper, x.shape)
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, a)


def bounds_ignored(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    a = (lower + upper) / 2 if rng is None else rng.random(x.shape)
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, a)


def derivative_draws_anew(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    if rng is None:
        a = again = (lower + upper) / 2
    else:
        a = rng.uniform(lower, upper, x.shape)
        again = rng.uniform(lower, upper, x.shape)
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, again)


def derivative_with_the_mean_slope(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    mean = (lower + upper) / 2
    a = mean if rng is None else rng.uniform(lower, upper, x.shape)
    return np.where(x > 0, x, a * x), np.where(x > 0, 1, mean)


def drawn_for_the_negative_entries_only(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    slope = np.ones_like(x)
    negative = x <= 0
    slope[negative] = (
        (lower + upper) / 2 if rng is None else rng.uniform(lower, upper, negative.sum())
    )
    return slope * x, slope


def slopes_on_both_sides(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    a = (lower + upper) / 2 if rng is None else rng.uniform(lower, upper, x.shape)
    return a * x, a * np.ones_like(x)


def rrelu_with_a_slope_array(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    slope = np.full(x.shape, (lower + upper) / 2)
    if rng is not None:
        slope = rng.uniform(lower, upper, size=x.shape)
    slope[x > 0] = 1
    slope = slope.astype(x.dtype)
    return x * slope, slope


def rrelu_stretched(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    share = 0.5 * np.ones(x.shape) if rng is None else rng.random(x.shape)
    a = (lower + (upper - lower) * share).astype(x.dtype)
    return np.maximum(x, 0) + a * np.minimum(x, 0), np.where(x > 0, np.ones_like(x), a)


def rrelu_entry_by_entry(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    y, slope = np.zeros_like(x), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        a = (lower + upper) / 2 if rng is None else rng.uniform(lower, upper)
        slope[index] = 1 if x[index] > 0 else a
        y[index] = x[index] * slope[index]
    return y, slope


RRELU = Exercise(
    reference=rrelu,
    summary="the randomized leaky ReLU in training and at test",
    parts=(
        Part("test", 1, "at test: the mean slope"),
        Part("training", 1.5, "in training: random slopes"),
        Part("derivative", 1.5, "the derivative in training"),
        DTYPE,
        INPUTS,
    ),
    cases=rrelu_cases,
    run=play_rrelu,
    scale=1.0,
    mistakes=(
        Mistake(
            "one slope for the array",
            one_slope_for_the_array,
            "One slope is drawn for the whole array. Each entry gets its own: "
            "rng.uniform(lower, upper, size=x.shape).",
        ),
        Mistake(
            "one slope for each column",
            one_slope_for_each_column,
            "One slope is drawn for each column, and all samples share it. Each entry gets its "
            "own: size=x.shape.",
        ),
        Mistake(
            "mean slope in training",
            mean_slope_in_training,
            "In training you use the mean slope too. It is for the test; with a generator given, "
            "draw.",
        ),
        Mistake(
            "half the width",
            half_the_width_at_test,
            "At test the slope is (u − l)/2, half the width of the interval. Its middle is "
            "(l + u)/2.",
        ),
        Mistake(
            "the mean of the divisor",
            mean_divisor_at_test,
            "At test you take the slope 2/(1/l + 1/u), as the paper does, which draws a divisor. "
            "Here the slope itself is uniform, so its mean is (l + u)/2.",
        ),
        Mistake(
            "bounds ignored",
            bounds_ignored,
            "The slopes are drawn from 0 to 1. Draw them from lower to upper.",
        ),
        Mistake(
            "derivative draws anew",
            derivative_draws_anew,
            "The derivative uses other slopes than the value. It belongs to the function that was "
            "just evaluated: draw once, use the slopes twice.",
        ),
        Mistake(
            "derivative with the mean slope",
            derivative_with_the_mean_slope,
            "The derivative uses the mean slope where the value used the drawn ones. In training "
            "both use the slopes that were drawn.",
        ),
        Mistake(
            "drawn for the negative entries only",
            drawn_for_the_negative_entries_only,
            "You draw only as many slopes as there are negative entries. Draw one for each entry, "
            "whatever its sign: then a seed gives the same slopes for every x.",
        ),
        Mistake(
            "slopes on both sides",
            slopes_on_both_sides,
            "Positive entries are multiplied as well. There the slope is 1.",
        ),
    ),
    honest=(rrelu_with_a_slope_array, rrelu_stretched, rrelu_entry_by_entry),
)


# --- ELU -------------------------------------------------------------------------------------


def elu(x: Array, *, alpha: float = 1.0) -> tuple[Array, Array]:
    """Return the exponential linear unit and its derivative."""
    return reference.elu(x, alpha=alpha), reference.elu_grad(x, alpha=alpha)


def elu_alpha_ignored(x, *, alpha=1.0):
    power = np.exp(np.minimum(x, 0))
    return np.where(x > 0, x, power - 1), np.where(x > 0, 1, power)


def elu_as_celu(x, *, alpha=1.0):
    power = np.exp(np.minimum(x, 0) / alpha)
    return np.where(x > 0, x, alpha * (power - 1)), np.where(x > 0, 1, power)


def elu_without_the_brackets(x, *, alpha=1.0):
    power = np.exp(np.minimum(x, 0))
    return np.where(x > 0, x, alpha * power - 1), np.where(x > 0, 1, alpha * power)


def elu_minus_one_left_out(x, *, alpha=1.0):
    power = np.exp(np.minimum(x, 0))
    return np.where(x > 0, x, alpha * power), np.where(x > 0, 1, alpha * power)


def elu_slope_from_the_value_plus_one(x, *, alpha=1.0):
    y = np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    return y, np.where(x > 0, 1, y + 1)


def elu_slope_without_alpha(x, *, alpha=1.0):
    power = np.exp(np.minimum(x, 0))
    return np.where(x > 0, x, alpha * (power - 1)), np.where(x > 0, 1, power)


def elu_value_as_slope(x, *, alpha=1.0):
    y = np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    return y, np.where(x > 0, 1, y)


def elu_slope_one_at_the_kink(x, *, alpha=1.0):
    power = np.exp(np.minimum(x, 0))
    return np.where(x > 0, x, alpha * (power - 1)), np.where(x >= 0, 1, alpha * power)


def elu_masked_by_multiplying(x, *, alpha=1.0):
    positive = (x > 0).astype(x.dtype)
    power = np.exp(x)
    y = positive * x + (1 - positive) * alpha * (power - 1)
    return y, positive + (1 - positive) * alpha * power


def elu_with_expm1(x, *, alpha=1.0):
    negative = np.minimum(x, 0)
    y = np.maximum(x, 0) + alpha * np.expm1(negative)
    return y, np.where(x > 0, np.ones_like(x), alpha * np.exp(negative))


def elu_slope_from_the_value(x, *, alpha=1.0):
    y = np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    return y, np.where(x > 0, np.ones_like(x), y + alpha)


def elu_in_place_on_a_copy(x, *, alpha=1.0):
    y, slope, left = x.copy(), np.ones_like(x), x <= 0
    y[left] = alpha * (np.exp(x[left]) - 1)
    slope[left] = alpha * np.exp(x[left])
    return y, slope


def elu_entry_by_entry(x, *, alpha=1.0):
    import math

    y, slope = np.array(x), np.ones_like(x)
    for index, value in np.ndenumerate(x):
        if value <= 0:
            y[index] = alpha * math.expm1(value)
            slope[index] = alpha * math.exp(value)
    return y, slope


ELU = Exercise(
    reference=elu,
    summary="the exponential linear unit and its derivative",
    parts=activation_parts(1, 1, kink(0.5), large(0.5)),
    cases=activation_cases({"alpha": (0.5, 1.5, 2.0)}, at_kink=True, at_large=True),
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "α ignored",
            elu_alpha_ignored,
            "α has no effect. It multiplies the left side: α(eˣ − 1), which goes to −α.",
        ),
        Mistake(
            "CELU",
            elu_as_celu,
            "x is divided by α in the exponent: that is CELU, which is smooth for every α. ELU "
            "has α(eˣ − 1).",
        ),
        Mistake(
            "without the brackets",
            elu_without_the_brackets,
            "This is αeˣ − 1: α multiplies the exponential only. With brackets, α(eˣ − 1), the "
            "value is 0 at x = 0 for every α.",
        ),
        Mistake(
            "−1 left out",
            elu_minus_one_left_out,
            "On the left you have αeˣ, which is positive and jumps at 0. Subtract 1 first: "
            "α(eˣ − 1).",
        ),
        Mistake(
            "value plus 1",
            elu_slope_from_the_value_plus_one,
            "On the left your derivative is y + 1. That holds for α = 1 only; in general it is "
            "y + α = αeˣ.",
        ),
        Mistake(
            "derivative without α",
            elu_slope_without_alpha,
            "The derivative on the left is eˣ. The factor α stays: αeˣ.",
        ),
        Mistake(
            "value as derivative",
            elu_value_as_slope,
            "On the left you return the value as the derivative. The −1 vanishes when you "
            "differentiate: αeˣ.",
        ),
        Mistake(
            "slope 1 at the kink",
            elu_slope_one_at_the_kink,
            "At x = 0 your derivative is 1. The rule says x > 0, so 0 belongs to the left side: α.",
        ),
        Mistake(
            "0 times ∞",
            elu_masked_by_multiplying,
            "For large x the side that is not wanted is multiplied by 0, but eˣ has overflowed and "
            "0 · ∞ is NaN. Choose with np.where, and give the exponential min(x, 0).",
        ),
    ),
    honest=(elu_with_expm1, elu_slope_from_the_value, elu_in_place_on_a_copy, elu_entry_by_entry),
)


# --- SELU's constants ------------------------------------------------------------------------


def selu_constants(*, variance: float = 1.0) -> tuple[float, float]:
    """Return α and λ for which SELU keeps mean 0 and this variance of a normal input."""
    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * _normal_below(-s) - 0.5
    m2 = math.exp(2 * variance) * _normal_below(-2 * s) - 2 * m1 - 0.5
    alpha = -s / math.sqrt(2 * math.pi) / m1
    return alpha, math.sqrt(variance / (variance / 2 + alpha**2 * m2))


def _normal_below(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def play_constants(constants: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Ask for the two constants."""
    alpha, scale = unpack(constants(**inputs), "alpha", "scale")
    yield "alpha", alpha
    yield "scale", scale


def constants_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("standard", "variance 1, the default", {})
    for kind, low, high in (("below 1", 0.4, 0.8), ("above 1", 1.3, 2.0)):
        yield Case(
            "variance", f"a variance {kind}", {"variance": round(float(rng.uniform(low, high)), 3)}
        )


def constants_typed_in(*, variance=1.0):
    return 1.6732632423543772848, 1.0507009873554804934


def constants_rounded(*, variance=1.0):
    return 1.6733, 1.0507


def scale_first(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z / math.sqrt(2))) / 2

    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = -s / (math.sqrt(2 * math.pi) * m1)
    scale = math.sqrt(variance / (variance / 2 + alpha**2 * m2))
    return scale, alpha


def scale_without_the_root(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z / math.sqrt(2))) / 2

    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = -s / (math.sqrt(2 * math.pi) * m1)
    return alpha, variance / (variance / 2 + alpha**2 * m2)


def alpha_not_squared(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z / math.sqrt(2))) / 2

    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = -s / (math.sqrt(2 * math.pi) * m1)
    return alpha, math.sqrt(variance / (variance / 2 + alpha * m2))


def alpha_negative(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z / math.sqrt(2))) / 2

    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = s / (math.sqrt(2 * math.pi) * m1)
    return alpha, math.sqrt(variance / (variance / 2 + alpha**2 * m2))


def variance_in_the_place_of_the_deviation(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z / math.sqrt(2))) / 2

    s = variance
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = -s / (math.sqrt(2 * math.pi) * m1)
    return alpha, math.sqrt(variance / (variance / 2 + alpha**2 * m2))


def output_variance_one(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z / math.sqrt(2))) / 2

    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = -s / (math.sqrt(2 * math.pi) * m1)
    return alpha, math.sqrt(1 / (variance / 2 + alpha**2 * m2))


def equations_of_variance_one(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z / math.sqrt(2))) / 2

    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = -1 / (math.sqrt(2 * math.pi) * m1)
    return alpha, 1 / math.sqrt(1 / 2 + alpha**2 * m2)


def erf_of_z(*, variance=1.0):
    import math

    def below(z):
        return (1 + math.erf(z)) / 2

    s = math.sqrt(variance)
    m1 = math.exp(variance / 2) * below(-s) - 1 / 2
    m2 = math.exp(2 * variance) * below(-2 * s) - 2 * math.exp(variance / 2) * below(-s) + 1 / 2
    alpha = -s / (math.sqrt(2 * math.pi) * m1)
    return alpha, math.sqrt(variance / (variance / 2 + alpha**2 * m2))


def constants_from_erfc(*, variance=1.0):
    import math

    s = math.sqrt(variance)
    a = math.exp(variance / 2) * math.erfc(s / math.sqrt(2)) / 2
    b = math.exp(2 * variance) * math.erfc(2 * s / math.sqrt(2)) / 2
    alpha = s / math.sqrt(2 * math.pi) / (0.5 - a)
    second = variance / 2 + alpha**2 * (b - 2 * a + 0.5)
    return alpha, (variance / second) ** 0.5


def constants_by_quadrature(*, variance=1.0):
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = 6 * (nodes - 1)  # from -12 to 0, in standard deviations
    density = 6 * weights * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    s = np.sqrt(variance)
    left = np.expm1(s * z)
    alpha = -s / np.sqrt(2 * np.pi) / (density @ left)
    return alpha, np.sqrt(variance / (variance / 2 + alpha**2 * (density @ left**2)))


def constants_by_bisection(*, variance=1.0):
    z = np.linspace(-12, 0, 200_001)
    weights = np.full(len(z), 2.0)
    weights[1::2] = 4
    weights[[0, -1]] = 1
    weights = weights * (z[1] - z[0]) / 3 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)  # Simpson
    s = variance**0.5
    left = np.exp(s * z) - 1
    low, high = 0.0, 10.0
    while high - low > 1e-13:
        alpha = (low + high) / 2
        if s / np.sqrt(2 * np.pi) + alpha * np.sum(weights * left) > 0:
            low = alpha
        else:
            high = alpha
    second = variance / 2 + alpha**2 * np.sum(weights * left**2)
    return float(alpha), float(np.sqrt(variance / second))


SELU_CONSTANTS = Exercise(
    reference=selu_constants,
    summary="SELU's α and λ from its fixed point",
    parts=(
        Part("standard", 2, "the fixed point of variance 1"),
        Part("variance", 2, "another variance"),
    ),
    cases=constants_cases,
    run=play_constants,
    ulps=10_000_000,  # a numerical integral is as good an answer as the formula
    mistakes=(
        Mistake(
            "digits typed in",
            constants_typed_in,
            "The constants are those of variance 1 whatever is asked. Compute them from the two "
            "equations: they depend on the variance that is to be kept.",
        ),
        Mistake(
            "rounded digits",
            constants_rounded,
            "1.6733 and 1.0507 are four digits that somebody has rounded, and those of variance 1. "
            "Compute them from the two equations.",
        ),
        Mistake(
            "scale first",
            scale_first,
            "The two results have changed places: first α, which is above 1.5, then λ.",
        ),
        Mistake(
            "root left out",
            scale_without_the_root,
            "You return λ². The second equation holds λ² (½ν + α² m₂) = ν: take the root.",
        ),
        Mistake(
            "α not squared",
            alpha_not_squared,
            "In the second equation α stands squared: it comes from E[f²]. λ² (½ν + α² m₂) = ν.",
        ),
        Mistake(
            "α negative",
            alpha_negative,
            "Your α is negative. m₁ is negative too, for the left side lies below 0: with "
            "√(ν/2π) + α m₁ = 0 the α that balances the right side is positive.",
        ),
        Mistake(
            "variance for deviation",
            variance_in_the_place_of_the_deviation,
            "Where the standard deviation √ν belongs you put the variance ν: in Φ(−√ν), "
            "Φ(−2√ν) and √(ν/2π). At ν = 1 the two look alike.",
        ),
        Mistake(
            "output of variance 1",
            output_variance_one,
            "The output gets variance 1, not ν. At a fixed point what comes out is what went in: "
            "λ² (½ν + α² m₂) = ν.",
        ),
        Mistake(
            "the equations of variance 1",
            equations_of_variance_one,
            "You solve the lesson's two equations, which are those of ν = 1. For another variance "
            "the right side has the mean √(ν/2π) and the mean square ν/2, and the output ν.",
        ),
        Mistake(
            "erf of z",
            erf_of_z,
            "Φ(z) is ½(1 + erf(z/√2)). Without the √2 it belongs to a normal distribution of "
            "variance ½.",
        ),
    ),
    honest=(constants_from_erfc, constants_by_quadrature, constants_by_bisection),
)


# --- SELU ------------------------------------------------------------------------------------


def selu(x: Array) -> tuple[Array, Array]:
    """Return the scaled exponential linear unit and its derivative."""
    return reference.selu(x), reference.selu_grad(x)


def selu_rounded(x):
    alpha, scale = 1.6733, 1.0507
    power = np.exp(np.minimum(x, 0))
    return scale * np.where(x > 0, x, alpha * (power - 1)), scale * np.where(
        x > 0, 1, alpha * power
    )


def selu_without_the_scale(x):
    alpha = 1.6732632423543772848
    power = np.exp(np.minimum(x, 0))
    return np.where(x > 0, x, alpha * (power - 1)), np.where(x > 0, 1, alpha * power)


def selu_scale_on_the_left_only(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    power = np.exp(np.minimum(x, 0))
    y = np.where(x > 0, x, scale * alpha * (power - 1))
    return y, np.where(x > 0, 1, scale * alpha * power)


def selu_scale_on_the_right_only(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    power = np.exp(np.minimum(x, 0))
    y = np.where(x > 0, scale * x, alpha * (power - 1))
    return y, np.where(x > 0, scale, alpha * power)


def selu_slope_without_the_scale(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    power = np.exp(np.minimum(x, 0))
    y = scale * np.where(x > 0, x, alpha * (power - 1))
    return y, np.where(x > 0, 1, alpha * power)


def selu_slope_one_on_the_right(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    power = np.exp(np.minimum(x, 0))
    y = scale * np.where(x > 0, x, alpha * (power - 1))
    return y, np.where(x > 0, 1, scale * alpha * power)


def selu_slope_from_the_value_plus_alpha(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    y = scale * np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    return y, np.where(x > 0, scale, y + alpha)


def selu_constants_swapped(x):
    scale, alpha = 1.6732632423543772848, 1.0507009873554804934
    power = np.exp(np.minimum(x, 0))
    y = scale * np.where(x > 0, x, alpha * (power - 1))
    return y, scale * np.where(x > 0, 1, alpha * power)


def selu_with_alpha_one(x):
    scale = 1.0507009873554804934
    power = np.exp(np.minimum(x, 0))
    y = scale * np.where(x > 0, x, power - 1)
    return y, scale * np.where(x > 0, 1, power)


def selu_slope_of_the_right_at_the_kink(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    power = np.exp(np.minimum(x, 0))
    y = scale * np.where(x > 0, x, alpha * (power - 1))
    return y, scale * np.where(x >= 0, 1, alpha * power)


def selu_masked_by_multiplying(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    positive = (x > 0).astype(x.dtype)
    power = np.exp(x)
    y = scale * (positive * x + (1 - positive) * alpha * (power - 1))
    return y, scale * (positive + (1 - positive) * alpha * power)


def selu_in_two_halves(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    negative = np.minimum(x, 0)
    y = scale * np.maximum(x, 0) + scale * alpha * np.expm1(negative)
    return y, np.where(x > 0, scale * np.ones_like(x), scale * alpha * np.exp(negative))


def selu_from_its_value(x):
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    y = scale * np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    return y, np.where(x > 0, scale * np.ones_like(x), y + scale * alpha)


def selu_entry_by_entry(x):
    import math

    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    y, slope = scale * x, scale * np.ones_like(x)
    for index, value in np.ndenumerate(x):
        if value <= 0:
            y[index] = scale * alpha * math.expm1(value)
            slope[index] = scale * alpha * math.exp(value)
    return y, slope


SELU = Exercise(
    reference=selu,
    summary="the scaled exponential linear unit and its derivative",
    parts=activation_parts(1, 1, kink(0.5), large(0.5)),
    cases=activation_cases(at_kink=True, at_large=True),
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "rounded constants",
            selu_rounded,
            "The constants have four digits. Each layer passes the error on: take all the digits "
            "that selu_constants gives.",
        ),
        Mistake(
            "λ left out",
            selu_without_the_scale,
            "This is ELU with SELU's α. λ multiplies both sides, the value and the derivative; "
            "without it the variance shrinks from layer to layer.",
        ),
        Mistake(
            "λ on the left only",
            selu_scale_on_the_left_only,
            "λ multiplies the left side only. The right side is λx: a slope above 1 is what lets "
            "SELU raise a variance that has become too small.",
        ),
        Mistake(
            "λ on the right only",
            selu_scale_on_the_right_only,
            "λ multiplies the right side only. The left side is λα(eˣ − 1).",
        ),
        Mistake(
            "derivative without λ",
            selu_slope_without_the_scale,
            "The value is right but its derivative lacks the factor λ.",
        ),
        Mistake(
            "derivative 1 on the right",
            selu_slope_one_on_the_right,
            "On the right your derivative is 1. The value there is λx: its derivative is λ.",
        ),
        Mistake(
            "value plus α",
            selu_slope_from_the_value_plus_alpha,
            "On the left your derivative is y + α, as for ELU. Here y = λα(eˣ − 1), so that "
            "λαeˣ is y + λα.",
        ),
        Mistake(
            "α and λ swapped",
            selu_constants_swapped,
            "α and λ have changed places: λ ≈ 1.05 multiplies all, α ≈ 1.67 only the left side.",
        ),
        Mistake(
            "α left out",
            selu_with_alpha_one,
            "α is 1 here. With SELU's α the left side goes down to −λα ≈ −1.758.",
        ),
        Mistake(
            "slope of the right at the kink",
            selu_slope_of_the_right_at_the_kink,
            "At x = 0 your derivative is λ. The rule says x > 0, so 0 belongs to the left side: "
            "λα.",
        ),
        Mistake(
            "0 times ∞",
            selu_masked_by_multiplying,
            "For large x the side that is not wanted is multiplied by 0, but eˣ has overflowed and "
            "0 · ∞ is NaN. Choose with np.where, and give the exponential min(x, 0).",
        ),
    ),
    honest=(selu_in_two_halves, selu_from_its_value, selu_entry_by_entry),
)


# --- SiLU ------------------------------------------------------------------------------------


def silu(x: Array, *, beta: float = 1.0) -> tuple[Array, Array]:
    """Return SiLU (Swish for another β) and its derivative."""
    return reference.silu(x, beta=beta), reference.silu_grad(x, beta=beta)


def silu_beta_ignored(x, *, beta=1.0):
    s = (1 + np.tanh(x / 2)) / 2
    return x * s, s + x * s * (1 - s)


def silu_beta_outside(x, *, beta=1.0):
    s = (1 + np.tanh(beta * x / 2)) / 2
    return beta * x * s, beta * (s + beta * x * s * (1 - s))


def silu_product_rule_forgotten(x, *, beta=1.0):
    s = (1 + np.tanh(beta * x / 2)) / 2
    return x * s, s


def silu_only_the_second_term(x, *, beta=1.0):
    s = (1 + np.tanh(beta * x / 2)) / 2
    return x * s, beta * x * s * (1 - s)


def silu_slope_without_beta(x, *, beta=1.0):
    s = (1 + np.tanh(beta * x / 2)) / 2
    return x * s, s + x * s * (1 - s)


def silu_x_left_out_of_the_second_term(x, *, beta=1.0):
    s = (1 + np.tanh(beta * x / 2)) / 2
    return x * s, s + beta * s * (1 - s)


def silu_slope_as_of_a_sigmoid(x, *, beta=1.0):
    s = (1 + np.tanh(beta * x / 2)) / 2
    y = x * s
    return y, y * (1 - y)


def silu_overflows(x, *, beta=1.0):
    power = np.exp(beta * x)
    s = power / (1 + power)
    return x * s, s + beta * x * s * (1 - s)


def silu_from_two_sides(x, *, beta=1.0):
    small = np.exp(-np.abs(beta * x))
    s = np.where(x >= 0, 1, small) / (1 + small)
    return x * s, s * (1 + beta * x * (1 - s))


def silu_from_its_value(x, *, beta=1.0):
    s = (1 + np.tanh(beta * x / 2)) / 2
    y = x * s
    return y, s + beta * y * (1 - s)


def silu_through_logarithms(x, *, beta=1.0):
    s = np.exp(-np.logaddexp(0, -beta * x))
    other = np.exp(-np.logaddexp(0, beta * x))
    return x * s, s + beta * x * s * other


def silu_entry_by_entry(x, *, beta=1.0):
    import math

    y, slope = np.zeros_like(x), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        z = beta * float(x[index])
        s = 1 / (1 + math.exp(-z)) if z > -700 else 0.0
        y[index] = x[index] * s
        slope[index] = s + z * s * (1 - s)
    return y, slope


SILU = Exercise(
    reference=silu,
    summary="SiLU with β (Swish) and its derivative",
    parts=activation_parts(1, 2, large(1)),
    cases=activation_cases({"beta": (0.5, 1.5, 2.0)}, at_large=True),
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "β ignored",
            silu_beta_ignored,
            "β has no effect. It stands in the gate: x σ(βx).",
        ),
        Mistake(
            "β outside",
            silu_beta_outside,
            "The value is multiplied by β. β belongs in the gate only: x σ(βx).",
        ),
        Mistake(
            "product rule forgotten",
            silu_product_rule_forgotten,
            "Your derivative is the gate σ(βx) alone. x stands twice in x σ(βx): the product rule "
            "adds βx σ(βx)(1 − σ(βx)).",
        ),
        Mistake(
            "only the second term",
            silu_only_the_second_term,
            "Your derivative is x times that of the gate. The product rule has a first term, the "
            "derivative of x times the gate: σ(βx).",
        ),
        Mistake(
            "derivative without β",
            silu_slope_without_beta,
            "The chain rule brings β out of σ(βx): the second term is βx σ(1 − σ). The form "
            "y + σ(1 − y) hides the same slip; at β = 1 you cannot see it.",
        ),
        Mistake(
            "x left out",
            silu_x_left_out_of_the_second_term,
            "In the second term x is missing: it is x times the derivative of the gate, "
            "βx σ(1 − σ).",
        ),
        Mistake(
            "as for a sigmoid",
            silu_slope_as_of_a_sigmoid,
            "y(1 − y) is the derivative where y is a sigmoid. Here y = x σ(βx): use the product "
            "rule.",
        ),
        Mistake(
            "overflow",
            silu_overflows,
            "For large x the gate is ∞/∞, which is NaN. Use a sigmoid whose exponential cannot "
            "overflow.",
        ),
    ),
    honest=(
        silu_from_two_sides,
        silu_from_its_value,
        silu_through_logarithms,
        silu_entry_by_entry,
    ),
)


# --- GELU ------------------------------------------------------------------------------------


def gelu(x: Array, *, approximate: str = "none") -> tuple[Array, Array]:
    """Return the Gaussian error linear unit and its derivative."""
    y = reference.gelu(x, approximate=approximate)
    return y, reference.gelu_grad(x, approximate=approximate)


def gelu_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, asked: str, x: Array, **hyper: str) -> Case:
        return Case(part, title, {"x": x, "hyper": hyper, "asked": asked})

    tanh_form = {"approximate": "tanh"}
    for asked in ("value", "derivative"):
        yield case(asked, f"a vector, the {asked}", asked, mixed(rng, 6))
        yield case(asked, f"a matrix, the {asked}", asked, mixed(rng, 2, 3), approximate="none")
    yield case("approximate", "the tanh form, the value", "value", mixed(rng, 6), **tanh_form)
    title = "the tanh form, the derivative"
    yield case("approximate", title, "derivative", mixed(rng, 2, 3), **tanh_form)
    for form, hyper in (("exact", {}), ("tanh form", tanh_form)):
        far = np.array([-1.0, 1.0]) * rng.uniform(300.0, 2000.0, 2)
        yield case("large", f"|x| near 1000, {form}", BOTH, np.append(far, mixed(rng, 2)), **hyper)
    x = mixed(rng, 4).astype(np.float32)
    yield case("dtype", "a vector in float32", BOTH, x)
    yield case("dtype", "a vector in float32, the tanh form", BOTH, x, **tanh_form)


def gelu_always_exact(x, *, approximate="none"):
    import math

    gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_always_tanh(x, *, approximate="none"):
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return x * (1 + t) / 2, (1 + t) / 2 + x * (1 - t**2) / 2 * inner


def gelu_erf_of_x(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return x * (1 + t) / 2, (1 + t) / 2 + x * (1 - t**2) / 2 * inner
    gate = (1 + np.vectorize(math.erf)(x)) / 2
    return x * gate, gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_gate_not_halved(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return x * (1 + t), 1 + t + x * (1 - t**2) * inner
    gate = 1 + np.vectorize(math.erf)(x / math.sqrt(2))
    return x * gate, gate + 2 * x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_product_rule_forgotten(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        gate = (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    else:
        gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate


def gelu_density_not_normalised(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return x * (1 + t) / 2, (1 + t) / 2 + x * (1 - t**2) / 2 * inner
    gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate + x * np.exp(-x * x / 2)


def gelu_x_left_out_of_the_second_term(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return x * (1 + t) / 2, (1 + t) / 2 + (1 - t**2) / 2 * inner
    gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate + np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_exact_slope_for_both(x, *, approximate="none"):
    import math

    gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    slope = gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    if approximate == "tanh":
        gate = (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    return x * gate, slope


def gelu_density_for_both(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        gate = (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    else:
        gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_inner_derivative_forgotten(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        return x * (1 + t) / 2, (1 + t) / 2 + x * (1 - t**2) / 2
    gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_cube_not_tripled(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        inner = np.sqrt(2 / np.pi) * (1 + 0.044715 * x**2)
        return x * (1 + t) / 2, (1 + t) / 2 + x * (1 - t**2) / 2 * inner
    gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_quick(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        s = (1 + np.tanh(1.702 * x / 2)) / 2
        return x * s, s + 1.702 * x * s * (1 - s)
    gate = (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x * gate, gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_with_vectorize(x, *, approximate="none"):
    import math

    if approximate == "tanh":
        k = math.sqrt(2 / math.pi)
        t = np.tanh(k * (x + 0.044715 * x**3))
        return x * (1 + t) / 2, (1 + t) / 2 + x * (1 - t * t) / 2 * k * (1 + 0.134145 * x * x)
    gate = np.vectorize(math.erf)(x / math.sqrt(2)).astype(x.dtype) / 2 + 0.5
    return x * gate, gate + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_in_float64_and_back(x, *, approximate="none"):
    import math

    z = x.astype(np.float64)
    if approximate == "tanh":
        u = np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)
        slope_of_u = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)
        gate = 0.5 * (1 + np.tanh(u))
        density = 2 * gate * (1 - gate) * slope_of_u
    else:
        gate = 0.5 * np.array([math.erfc(-v / math.sqrt(2)) for v in z.flat]).reshape(z.shape)
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return (z * gate).astype(x.dtype), (gate + z * density).astype(x.dtype)


def gelu_entry_by_entry(x, *, approximate="none"):
    import math

    y, slope = np.zeros_like(x), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        z = float(x[index])
        if approximate == "none":
            gate = 0.5 * (1 + math.erf(z / math.sqrt(2)))
            density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        else:
            t = math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))
            gate = 0.5 * (1 + t)
            density = 0.5 * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z * z)
        y[index], slope[index] = z * gate, gate + z * density
    return y, slope


GELU = Exercise(
    reference=gelu,
    summary="GELU, exact and by tanh, and its derivative",
    parts=activation_parts(1, 1.5, Part("approximate", 1.5, "the tanh form"), large(1)),
    cases=gelu_cases,
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "always exact",
            gelu_always_exact,
            'approximate has no effect. With "tanh" the gate is '
            "½(1 + tanh(√(2/π)(x + 0.044715 x³))).",
        ),
        Mistake(
            "always tanh",
            gelu_always_tanh,
            "You use the tanh form always. It is off by up to 0.0005; the default asks for Φ "
            "itself, from math.erf.",
        ),
        Mistake(
            "erf of x",
            gelu_erf_of_x,
            "Φ(x) is ½(1 + erf(x/√2)). Without the √2 it belongs to a normal distribution of "
            "variance ½.",
        ),
        Mistake(
            "½ left out",
            gelu_gate_not_halved,
            "The gate goes from 0 to 2. A probability ends at 1: ½(1 + ...).",
        ),
        Mistake(
            "product rule forgotten",
            gelu_product_rule_forgotten,
            "Your derivative is the gate alone. The product rule adds x times the derivative of "
            "the gate, xφ(x).",
        ),
        Mistake(
            "density not normalised",
            gelu_density_not_normalised,
            "The density φ lacks its factor 1/√(2π).",
        ),
        Mistake(
            "x left out",
            gelu_x_left_out_of_the_second_term,
            "In the second term of the derivative x is missing: Φ(x) + xφ(x).",
        ),
        Mistake(
            "exact derivative for both",
            gelu_exact_slope_for_both,
            "With the tanh form you return the derivative of the exact one. A derivative belongs "
            "to the function that is used: differentiate the tanh form.",
        ),
        Mistake(
            "density for both",
            gelu_density_for_both,
            "With the tanh form your derivative is G(x) + xφ(x). φ is the derivative of Φ, and G "
            "is only near it: G' is ½(1 − tanh²) times the derivative of what is inside.",
        ),
        Mistake(
            "inner derivative forgotten",
            gelu_inner_derivative_forgotten,
            "In the tanh form the chain rule stops at 1 − tanh². Multiply by the derivative of "
            "what is inside, √(2/π)(1 + 3 · 0.044715 x²).",
        ),
        Mistake(
            "3 left out",
            gelu_cube_not_tripled,
            "The derivative of 0.044715 x³ is 3 · 0.044715 x².",
        ),
        Mistake(
            "the quick form",
            gelu_quick,
            "For the tanh form you take x σ(1.702 x), the paper's other approximation. It is off "
            "by up to 0.02.",
        ),
    ),
    honest=(gelu_with_vectorize, gelu_in_float64_and_back, gelu_entry_by_entry),
)


# --- Mish ------------------------------------------------------------------------------------


def mish(x: Array) -> tuple[Array, Array]:
    """Return Mish and its derivative."""
    return reference.mish(x), reference.mish_grad(x)


def mish_overflows(x):
    power = (1 + np.exp(x)) ** 2
    t = (power - 1) / (power + 1)
    s = 1 / (1 + np.exp(-x))
    return x * t, t + x * (1 - t**2) * s


def mish_slope_overflows(x):
    t = np.tanh(np.logaddexp(0, x))
    power = np.exp(x)
    return x * t, t + x * (1 - t**2) * power / (1 + power)


def mish_without_tanh(x):
    softplus = np.logaddexp(0, x)
    s = np.exp(x - softplus)
    return x * softplus, softplus + x * s


def mish_tanh_outside(x):
    softplus = np.logaddexp(0, x)
    y = np.tanh(x * softplus)
    return y, (1 - y**2) * (softplus + x * np.exp(x - softplus))


def mish_sigmoid_for_tanh(x):
    softplus = np.logaddexp(0, x)
    t = 1 / (1 + np.exp(-softplus))
    return x * t, t + x * t * (1 - t) * np.exp(x - softplus)


def mish_product_rule_forgotten(x):
    t = np.tanh(np.logaddexp(0, x))
    return x * t, t


def mish_inner_derivative_forgotten(x):
    t = np.tanh(np.logaddexp(0, x))
    return x * t, t + x * (1 - t**2)


def mish_not_squared(x):
    softplus = np.logaddexp(0, x)
    t = np.tanh(softplus)
    return x * t, t + x * (1 - t) * np.exp(x - softplus)


def mish_x_left_out_of_the_second_term(x):
    softplus = np.logaddexp(0, x)
    t = np.tanh(softplus)
    return x * t, t + (1 - t**2) * np.exp(x - softplus)


def mish_slope_of_the_sigmoid(x):
    softplus = np.logaddexp(0, x)
    t = np.tanh(softplus)
    s = np.exp(x - softplus)
    return x * t, t + x * (1 - t**2) * s * (1 - s)


def mish_with_logaddexp(x):
    softplus = np.logaddexp(np.zeros_like(x), x)
    t = np.tanh(softplus)
    return x * t, t + x * (1 - t * t) * np.exp(x - softplus)


def mish_with_log1p(x):
    small = np.exp(-np.abs(x))
    t = np.tanh(np.maximum(x, 0) + np.log1p(small))
    s = np.where(x >= 0, 1, small) / (1 + small)
    return x * t, t + x * (1 - t) * (1 + t) * s


def mish_without_tanh_at_all(x):
    small = np.exp(-np.abs(x))  # tanh(ln u) = (u² - 1)/(u² + 1), divided by the larger power
    above = np.where(x >= 0, 1 + 2 * small, small * (small + 2))
    below = np.where(x >= 0, 1 + 2 * small + 2 * small**2, small * (small + 2) + 2)
    t = above / below
    s = np.where(x >= 0, 1, small) / (1 + small)
    return x * t, t + x * (1 - t**2) * s


def mish_entry_by_entry(x):
    import math

    y, slope = np.zeros_like(x), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        z = float(x[index])
        small = math.exp(-abs(z))
        t = math.tanh(max(z, 0) + math.log1p(small))
        s = 1 / (1 + small) if z >= 0 else small / (1 + small)
        y[index], slope[index] = z * t, t + z * (1 - t * t) * s
    return y, slope


MISH = Exercise(
    reference=mish,
    summary="Mish and its derivative",
    parts=activation_parts(1, 2, large(1)),
    cases=activation_cases(at_large=True),
    run=play_activation,
    scale=1.0,
    mistakes=(
        Mistake(
            "overflow",
            mish_overflows,
            "For large x this is ∞/∞, which is NaN. np.logaddexp(0, x) is ln(1 + eˣ) without the "
            "overflow.",
        ),
        Mistake(
            "overflow in the derivative",
            mish_slope_overflows,
            "The value is right, but eˣ/(1 + eˣ) in the derivative is ∞/∞ for large x. 1/(1 + e⁻ˣ) "
            "is the same number, and your own sigmoid overflows nowhere.",
        ),
        Mistake(
            "tanh left out",
            mish_without_tanh,
            "The gate is the softplus itself, which has no upper end: for large x you get x². "
            "Its tanh is the gate, between 0 and 1.",
        ),
        Mistake(
            "tanh outside",
            mish_tanh_outside,
            "tanh surrounds the whole product, so the value saturates at 1. Only the softplus is "
            "inside: x · tanh(ln(1 + eˣ)).",
        ),
        Mistake(
            "sigmoid for tanh",
            mish_sigmoid_for_tanh,
            "The gate is the sigmoid of the softplus, which never closes: it is ½ on the far "
            "left. Mish has the tanh of it.",
        ),
        Mistake(
            "product rule forgotten",
            mish_product_rule_forgotten,
            "Your derivative is the gate alone. The product rule adds x times the derivative of "
            "the gate, x(1 − t²)σ(x).",
        ),
        Mistake(
            "inner derivative forgotten",
            mish_inner_derivative_forgotten,
            "The chain rule stops at 1 − t². The derivative of the softplus comes after it: σ(x).",
        ),
        Mistake(
            "not squared",
            mish_not_squared,
            "The derivative of tanh is 1 − t², not 1 − t.",
        ),
        Mistake(
            "x left out",
            mish_x_left_out_of_the_second_term,
            "In the second term x is missing: t + x(1 − t²)σ(x).",
        ),
        Mistake(
            "one derivative too many",
            mish_slope_of_the_sigmoid,
            "The derivative of the softplus is σ(x); you use σ(1 − σ), which is the derivative "
            "of that.",
        ),
    ),
    honest=(
        mish_with_logaddexp,
        mish_with_log1p,
        mish_without_tanh_at_all,
        mish_entry_by_entry,
    ),
)


# --- dead units ------------------------------------------------------------------------------


def dead_cases(rng: np.random.Generator) -> Iterator[Case]:
    def outputs(samples: int, units: int, dead: int, *, silent: bool = False) -> Array:
        """Draw outputs of ReLUs: the first units are dead, one of the others fires always."""
        h = rng.uniform(0.1, 2.0, (samples, units))
        h[:, :dead] = 0.0
        h[np.arange(samples), dead + np.arange(samples) % (units - dead - 1)] = 0.0
        if silent:
            h[1] = 0.0
        return h

    def case(part: str, title: str, h: Array) -> Case:
        return Case(part, title, {"activations": h[:, rng.permutation(h.shape[1])]})

    title = "two of seven units are dead, one sample is 0 everywhere"
    yield case("relu", title, outputs(5, 7, 2, silent=True))
    yield case("relu", "one of four units is dead", outputs(8, 4, 1))
    leaky = outputs(6, 6, 1)
    leaky[:, -2:] = -rng.uniform(0.01, 0.05, (6, 2))
    yield case("leaky", "a leaky layer: one unit is dead, two are always negative", leaky)
    odd = rng.uniform(0.1, 2.0, (6, 8))
    odd[:, 0] = 0.0
    odd[::2, 1] = -odd[1::2, 1]
    odd[:, 2:4] = odd[0, 2:4]
    odd[:, 4:7] *= 1e-9
    yield case("leaky", "one of eight units is dead; the others add up to 0 or hardly move", odd)


def share_of_zeros(activations):
    return np.mean(activations == 0)


def share_of_dead_samples(activations):
    return np.mean(np.all(activations == 0, axis=1))


def any_zero_counts(activations):
    return np.mean(np.any(activations == 0, axis=0))


def dead_counted(activations):
    return int(np.sum(np.all(activations == 0, axis=0)))


def dead_divided_by_the_samples(activations):
    return np.sum(np.all(activations == 0, axis=0)) / len(activations)


def share_alive(activations):
    return np.mean(np.any(activations != 0, axis=0))


def first_sample_only(activations):
    return np.mean(activations[0] == 0)


def negative_counts_as_dead(activations):
    return np.mean(np.all(activations <= 0, axis=0))


def sum_of_zero(activations):
    return np.mean(activations.sum(axis=0) == 0)


def same_for_every_sample(activations):
    return np.mean(np.ptp(activations, axis=0) == 0)


def nearly_zero(activations):
    return np.mean(np.all(np.isclose(activations, 0), axis=0))


def dead_by_the_largest_size(activations):
    return float(np.mean(np.abs(activations).max(axis=0) == 0))


def dead_by_counting(activations):
    dead = 0
    for unit in activations.T:
        if all(value == 0 for value in unit):
            dead += 1
    return dead / activations.shape[1]


def dead_as_the_rest(activations):
    alive = np.count_nonzero(np.count_nonzero(activations, axis=0))
    return 1 - alive / activations.shape[1]


DEAD_FRACTION = Exercise(
    reference=dead_fraction,
    summary="the share of units that are 0 for every sample",
    ulps=1_000_000_000,  # a share in float32 is as good
    parts=(
        Part("relu", 2, "a layer of ReLUs"),
        Part("leaky", 0.5, "a layer of leaky ReLUs"),
        INPUTS,
    ),
    cases=dead_cases,
    mistakes=(
        Mistake(
            "share of zeros",
            share_of_zeros,
            "This is the share of zeros, the sparsity. A healthy ReLU is 0 for about half of the "
            "samples; a dead one is 0 for all of them.",
        ),
        Mistake(
            "share of samples",
            share_of_dead_samples,
            "You look along the units and count samples. A unit is a column: all along axis 0.",
        ),
        Mistake(
            "any zero counts",
            any_zero_counts,
            "One zero is enough for you to call a unit dead. It must be 0 for every sample: all, "
            "not any.",
        ),
        Mistake(
            "counted",
            dead_counted,
            "You return how many units are dead. Asked is their share: divide by the number of "
            "units.",
        ),
        Mistake(
            "divided by the samples",
            dead_divided_by_the_samples,
            "The number of dead units is divided by the number of samples. len gives the rows; "
            "the units are activations.shape[1].",
        ),
        Mistake(
            "the share alive",
            share_alive,
            "This is the share of units that are alive.",
        ),
        Mistake(
            "first sample only",
            first_sample_only,
            "Only the first sample is looked at. A unit that is silent there may fire for another "
            "one.",
        ),
        Mistake(
            "negative counts as dead",
            negative_counts_as_dead,
            "A unit that is always negative counts as dead. In a leaky layer it passes a gradient "
            "and can come back: only 0 is dead.",
        ),
        Mistake(
            "outputs that add up to 0",
            sum_of_zero,
            "A unit counts as dead where its outputs add up to 0. Positive and negative ones may "
            "cancel: ask each entry whether it is 0.",
        ),
        Mistake(
            "the same for every sample",
            same_for_every_sample,
            "A unit counts as dead where it gives the same number for every sample. Dead is only "
            "the one whose number is 0.",
        ),
        Mistake(
            "nearly 0",
            nearly_zero,
            "Units whose outputs are tiny count as dead, as np.isclose has it. They pass a "
            "gradient: dead is exactly 0.",
        ),
    ),
    honest=(dead_by_the_largest_size, dead_by_counting, dead_as_the_rest),
)


UNIT = Unit(
    key="06_activations",
    title="Activations",
    exercises=(
        HEAVISIDE,
        SIGMOID,
        TANH,
        RELU,
        LEAKY_RELU,
        PRELU,
        RRELU,
        ELU,
        SELU_CONSTANTS,
        SELU,
        SILU,
        GELU,
        MISH,
        DEAD_FRACTION,
    ),
)
