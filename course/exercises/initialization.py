"""Unit 07_initialization: fans, LeCun, Xavier, He, orthogonal matrices, variances, LSUV.

Random weights are judged by what every right way to draw them has in common: their moments within
what chance explains, their bounds, and that they come from the generator; never by the draws.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, unpack
from course.checking.compare import WrongKind, describe

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")

CHANCE = 0.05
"""What moments may be off by: six standard errors and more of the fewest weights drawn."""
CHANCE_IN_ULPS = round(CHANCE / np.finfo(np.float64).eps)


# --- fan-in and fan-out ----------------------------------------------------------------------


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many inputs feed an output, and how many outputs an input reaches."""
    *kernel, channels_in, channels_out = shape
    return math.prod(kernel) * channels_in, math.prod(kernel) * channels_out


def look_at_fans(count: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Look at both numbers."""
    fan_in, fan_out = unpack(count(inputs["shape"]), "fan_in", "fan_out")
    yield "fan_in", fan_in
    yield "fan_out", fan_out


def fan_cases(rng: np.random.Generator) -> Iterator[Case]:
    for part, title, kernel in (
        ("line", "a dense layer", ()),
        ("line", "a 1-D convolution", (5,)),
        ("kernel", "a 2-D convolution", (3, 2)),
        ("kernel", "a 1×1 convolution", (1, 1)),
        ("kernel", "a 3-D convolution", (2, 3, 4)),
    ):
        channels = rng.choice(np.arange(6, 40), 2, replace=False).tolist()
        yield Case(part, title, {"shape": (*kernel, *channels)})


def fans_swapped(shape):
    field = np.prod(shape[:-2], dtype=int)
    return shape[-1] * field, shape[-2] * field


def kernel_left_out(shape):
    return shape[-2], shape[-1]


def first_two_axes(shape):
    return shape[0], shape[1]


def kernel_for_the_inputs_only(shape):
    return np.prod(shape[:-1], dtype=int), shape[-1]


def order_of_torch(shape):
    field = np.prod(shape[2:], dtype=int)
    return shape[1] * field, shape[0] * field


def kernel_sizes_added(shape):
    field = sum(shape[:-2]) if len(shape) > 2 else 1
    return shape[-2] * field, shape[-1] * field


def kernel_taken_as_square(shape):
    field = shape[0] ** 2 if len(shape) > 2 else 1
    return shape[-2] * field, shape[-1] * field


def fans_by_products(shape):
    size = 1
    for k in shape[:-2]:
        size = size * k
    return size * shape[-2], size * shape[-1]


def fans_by_dividing(shape):
    entries = int(np.prod(shape))
    return entries // shape[-1], entries // shape[-2]


def fans_as_numpy_numbers(shape):
    return [np.prod(shape[:-1]), np.prod(shape[:-2] + shape[-1:])]


FANS = Exercise(
    reference=fans,
    summary="the fan-in and the fan-out of dense layers and of kernels",
    parts=(
        Part("line", 1.5, "dense layers and 1-D convolutions"),
        Part("kernel", 1.5, "2-D and 3-D convolutions"),
    ),
    cases=fan_cases,
    run=look_at_fans,
    mistakes=(
        Mistake(
            "fans swapped",
            fans_swapped,
            "The two numbers have changed places. In the course's order, (..., in, out), fan_in "
            "comes from the last axis but one and is returned first.",
        ),
        Mistake(
            "kernel left out",
            kernel_left_out,
            "The channels alone are counted. An output of a convolution sums over the whole "
            "kernel: multiply both numbers by the number of positions in it.",
        ),
        Mistake(
            "first two axes",
            first_two_axes,
            "The first two axes of a kernel are its height and width. The channels are the last "
            "two: shape[-2] and shape[-1], so that dense layers and kernels are read alike.",
        ),
        Mistake(
            "kernel for the inputs only",
            kernel_for_the_inputs_only,
            "fan_out lacks the kernel. An input lies under every position of the kernel once, and "
            "reaches channels_out outputs each time.",
        ),
        Mistake(
            "torch's order of axes",
            order_of_torch,
            "This is torch's order, (out, in, *kernel). Here the kernel comes first and the "
            "outputs last: (*kernel, in, out).",
        ),
        Mistake(
            "kernel sizes added",
            kernel_sizes_added,
            "The sizes of the kernel are added. A 3×2 kernel has 3 · 2 positions, not 3 + 2.",
        ),
        Mistake(
            "kernel taken as square",
            kernel_taken_as_square,
            "The kernel's first size is squared. Kernels may have one, two or three axes of "
            "different sizes: multiply what stands before the last two.",
        ),
    ),
    honest=(fans_by_products, fans_by_dividing, fans_as_numpy_numbers),
)


# --- how random weights are tried ------------------------------------------------------------


def drawn(
    draw: Callable[..., Any], shape: tuple[int, ...], seed: int, options: Mapping[str, Any]
) -> Array:
    """Draw weights from a fresh generator and insist on an array of that shape."""
    weights = draw(shape, np.random.default_rng(seed), **options)
    if type(weights) is not np.ndarray or weights.dtype.kind != "f":
        raise WrongKind(f"expected an array of floating numbers, got {describe(weights)}")
    if weights.shape != tuple(shape):
        raise WrongKind(f"expected the shape {tuple(shape)}, got the shape {weights.shape}")
    if not np.all(np.isfinite(weights)):
        raise WrongKind("expected finite numbers, got NaN or infinity among the weights")
    return weights


def near(measured: float, exact: float) -> float:
    """Return the exact number where chance explains the distance to it, else what was measured."""
    return exact if abs(measured - exact) <= CHANCE * (abs(exact) or 1) else measured


def look_at_moments(draw: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Draw once and look at the moments, or several times and look at where the draws come from."""
    shape, options = inputs["shape"], inputs["options"]
    if "seeds" in inputs:
        yield from _where_draws_come_from(draw, shape, inputs["seeds"], options)
        return
    weights = drawn(draw, shape, inputs["seed"], options).astype(np.float64)
    n_name, exact = inputs["variance_times"], inputs["should_be"]
    fan_in, fan_out = fans(shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[n_name]
    squares = (weights - weights.mean()) ** 2
    variance = float(np.mean(squares))
    deviation = math.sqrt(variance) or 1.0
    yield f"the variance times {n_name}", near(n * variance, exact)
    yield "the mean in standard deviations", near(float(weights.mean()) / deviation, 0.0)
    fourth = float(np.mean(squares**2)) / (variance**2 or 1.0)
    normal = options["distribution"] == "normal"
    text = "E[w⁴]/E[w²]², which is 3 for a normal and 1.8 for a uniform distribution"
    yield text, near(fourth, 3.0 if normal else 1.8)
    matrix = weights.reshape(-1, shape[-1])
    varied = len(np.unique(matrix[0])) > 0.9 * matrix.shape[1]
    varied = varied and len(np.unique(matrix[:, 0])) > 0.9 * matrix.shape[0]
    yield "each weight is drawn for itself", varied


def _where_draws_come_from(
    draw: Callable[..., Any], shape: tuple[int, ...], seeds: list[int], options: Mapping[str, Any]
) -> Observations:
    first, other = (drawn(draw, shape, seed, options) for seed in seeds)
    yield "another generator gives other weights", not np.array_equal(first, other)
    again = drawn(draw, shape, seeds[0], options)
    yield "an equal generator gives equal weights", np.array_equal(first, again)


class WeightCases:
    """Draws the shapes that an initializer is tried on; no two fans are alike."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def case(
        self,
        part: str,
        title: str,
        n_name: str,
        exact: float,
        *,
        kernel: tuple[int, ...] = (),
        **options: Any,
    ) -> Case:
        """Return a case judged by its variance times n, which must be this number."""
        if kernel:
            channels = int(self._rng.integers(60, 68)), int(self._rng.integers(85, 95))
        else:
            channels = int(self._rng.integers(400, 440)), int(self._rng.integers(104, 116))
        return Case(
            part,
            title,
            {
                "shape": (*kernel, *channels),
                "options": options,
                "seed": int(self._rng.integers(10_000)),
                "variance_times": n_name,
                "should_be": exact,
            },
        )

    def draws(self) -> Case:
        """Return the case that looks at where the draws come from."""
        shape = tuple(int(size) for size in self._rng.integers(3, 9, 2))
        seeds = self._rng.choice(10_000, 2, replace=False).tolist()
        inputs = {"shape": shape, "options": {"distribution": "normal"}, "seeds": seeds}
        return Case("random", "two generators, one of them twice", inputs)


RANDOM = Part("random", 0.5, "draws that come from the generator")


# --- LeCun -----------------------------------------------------------------------------------


def lecun(
    shape: tuple[int, ...], rng: np.random.Generator, *, distribution: str = "normal"
) -> Array:
    """Draw weights of variance 1/fan_in."""
    fan_in, _ = fans(shape)
    if distribution == "normal":
        return rng.standard_normal(shape) / math.sqrt(fan_in)
    bound = math.sqrt(3 / fan_in)
    return rng.uniform(-bound, bound, shape)


def lecun_cases(rng: np.random.Generator) -> Iterator[Case]:
    weights = WeightCases(rng)
    yield weights.case("normal", "a normal dense layer", "fan_in", 1.0, distribution="normal")
    yield weights.case("uniform", "a uniform dense layer", "fan_in", 1.0, distribution="uniform")
    for distribution in ("normal", "uniform"):
        yield weights.case(
            "kernel",
            f"a {distribution} 3×3 kernel",
            "fan_in",
            1.0,
            kernel=(3, 3),
            distribution=distribution,
        )
    yield weights.draws()


def variance_as_deviation(shape, rng, *, distribution="normal"):
    fan_in = np.prod(shape[:-1])
    if distribution == "normal":
        return rng.normal(0, 1 / fan_in, shape)
    a = np.sqrt(3 / fan_in)
    return rng.uniform(-a, a, shape)


def fan_out_instead(shape, rng, *, distribution="normal"):
    fan_out = np.prod(shape[:-2]) * shape[-1]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / fan_out), shape)
    a = np.sqrt(3 / fan_out)
    return rng.uniform(-a, a, shape)


def lecun_without_the_kernel(shape, rng, *, distribution="normal"):
    fan_in = shape[-2]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / fan_in), shape)
    a = np.sqrt(3 / fan_in)
    return rng.uniform(-a, a, shape)


def first_axis_as_inputs(shape, rng, *, distribution="normal"):
    fan_in = shape[0]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / fan_in), shape)
    a = np.sqrt(3 / fan_in)
    return rng.uniform(-a, a, shape)


def deviation_as_bound(shape, rng, *, distribution="normal"):
    sigma = np.sqrt(1 / np.prod(shape[:-1]))
    if distribution == "normal":
        return rng.normal(0, sigma, shape)
    return rng.uniform(-sigma, sigma, shape)


def only_positive(shape, rng, *, distribution="normal"):
    fan_in = np.prod(shape[:-1])
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / fan_in), shape)
    return np.sqrt(3 / fan_in) * rng.random(shape)


def twice_the_variance(shape, rng, *, distribution="normal"):
    fan_in = np.prod(shape[:-1])
    if distribution == "normal":
        return rng.normal(0, np.sqrt(2 / fan_in), shape)
    a = np.sqrt(6 / fan_in)
    return rng.uniform(-a, a, shape)


def average_of_the_fans(shape, rng, *, distribution="normal"):
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / n), shape)
    a = np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def never_scaled(shape, rng, *, distribution="normal"):
    if distribution == "normal":
        return rng.standard_normal(shape)
    return rng.uniform(-1, 1, shape)


def always_normal(shape, rng, *, distribution="normal"):
    return rng.normal(0, np.sqrt(1 / np.prod(shape[:-1])), shape)


def own_generator(shape, rng, *, distribution="normal"):
    rng = np.random.default_rng(42)
    fan_in = np.prod(shape[:-1])
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / fan_in), shape)
    a = np.sqrt(3 / fan_in)
    return rng.uniform(-a, a, shape)


def generator_without_a_seed(shape, rng, *, distribution="normal"):
    rng = np.random.default_rng()
    fan_in = np.prod(shape[:-1])
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / fan_in), shape)
    a = np.sqrt(3 / fan_in)
    return rng.uniform(-a, a, shape)


def lecun_row_by_row(shape, rng, *, distribution="normal"):
    fan_in = int(np.prod(shape[:-1]))
    rows = []
    for _ in range(fan_in):
        if distribution == "normal":
            rows.append(rng.normal(scale=fan_in**-0.5, size=shape[-1]))
        else:
            rows.append((3 / fan_in) ** 0.5 * (2 * rng.random(shape[-1]) - 1))
    return np.array(rows).reshape(shape)


def lecun_in_float32(shape, rng, *, distribution="normal"):
    fan_in = np.float32(np.prod(shape[:-1]))
    if distribution == "normal":
        return rng.standard_normal(shape, dtype=np.float32) / np.sqrt(fan_in)
    return np.sqrt(12 / fan_in) * (rng.random(shape, dtype=np.float32) - np.float32(0.5))


def lecun_the_other_way_round(shape, rng, *, distribution="normal"):
    fan_in = np.prod(shape) / shape[-1]
    if distribution == "uniform":
        a = np.sqrt(3) / np.sqrt(fan_in)
        return rng.uniform(-a, a, shape[::-1]).T
    return rng.normal(0, 1, shape[::-1]).T * np.sqrt(1 / fan_in)


def lecun_by_box_and_muller(shape, rng, *, distribution="normal"):
    fan_in = shape[-2]
    for k in shape[:-2]:
        fan_in *= k
    if distribution == "normal":
        radius = np.sqrt(-2 * np.log(1 - rng.random(shape)))
        return radius * np.cos(2 * np.pi * rng.random(shape)) / np.sqrt(fan_in)
    return (rng.random(shape) - 0.5) * np.sqrt(12 / fan_in)


OWN_GENERATOR = (
    "The draws do not come from rng: another generator gives the same weights, and in a network "
    "every layer of a shape would start alike. Draw from the generator that you are given."
)
NO_SEED = (
    "The draws come from np.random itself or from a new generator without a seed: an equal rng "
    "gives other weights, so that no run can be repeated. Draw from the generator you are given."
)

LECUN = Exercise(
    reference=lecun,
    summary="LeCun's initialization, normal and uniform",
    parts=(
        Part("normal", 2, "normal weights"),
        Part("uniform", 1.5, "uniform weights"),
        Part("kernel", 1, "kernels"),
        RANDOM,
    ),
    cases=lecun_cases,
    run=look_at_moments,
    ulps=CHANCE_IN_ULPS,
    slack="chance",
    mistakes=(
        Mistake(
            "variance as standard deviation",
            variance_as_deviation,
            "rng.normal takes the standard deviation. 1/fan_in is the variance: hand over its "
            "root. As it is, the signal shrinks by √fan_in at each layer.",
        ),
        Mistake(
            "fan-out instead",
            fan_out_instead,
            "The variance is 1/fan_out. An output sums over its inputs, so that LeCun's variance "
            "is 1/fan_in, also where the two are not equal.",
        ),
        Mistake(
            "kernel left out",
            lecun_without_the_kernel,
            "The kernel's positions are not counted. An output of a 3×3 convolution sums over "
            "9 · channels_in numbers: that is its fan_in.",
        ),
        Mistake(
            "first axis as inputs",
            first_axis_as_inputs,
            "shape[0] is the fan_in of a dense layer only. For a kernel it is its height: "
            "multiply all axes but the last.",
        ),
        Mistake(
            "standard deviation as bound",
            deviation_as_bound,
            "U(−σ, σ) has a third of the variance σ²: V[U(−a, a)] = a²/3. For the variance "
            "1/fan_in the bound is a = √(3/fan_in).",
        ),
        Mistake(
            "only positive weights",
            only_positive,
            "rng.random lies between 0 and 1, so that all weights are positive. Draw from both "
            "sides of 0: rng.uniform(−a, a).",
        ),
        Mistake(
            "twice the variance",
            twice_the_variance,
            "This is He's variance 2/fan_in, made for ReLU. LeCun's is 1/fan_in.",
        ),
        Mistake(
            "average of the fans",
            average_of_the_fans,
            "This is Xavier's variance 2/(fan_in + fan_out). LeCun's is 1/fan_in, however many "
            "outputs there are.",
        ),
        Mistake(
            "never scaled",
            never_scaled,
            "The weights are not scaled at all: each layer multiplies the variance by fan_in "
            "(uniform: by a third of it). Divide by √fan_in, with the bound √(3/fan_in).",
        ),
        Mistake(
            "always normal",
            always_normal,
            'Where distribution is "uniform" your weights are normal. Ask for it, and draw from '
            "U(−a, a) there.",
        ),
        Mistake("a generator of its own", own_generator, OWN_GENERATOR),
        Mistake("a generator without a seed", generator_without_a_seed, NO_SEED),
    ),
    honest=(
        lecun_row_by_row,
        lecun_in_float32,
        lecun_the_other_way_round,
        lecun_by_box_and_muller,
    ),
)


# --- Xavier Glorot ---------------------------------------------------------------------------


def xavier(
    shape: tuple[int, ...],
    rng: np.random.Generator,
    *,
    distribution: str = "normal",
    gain: float = 1.0,
) -> Array:
    """Draw weights of variance gain²·2/(fan_in + fan_out)."""
    if distribution == "normal":
        return gain * math.sqrt(2 / sum(fans(shape))) * rng.standard_normal(shape)
    bound = gain * math.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-bound, bound, shape)


def xavier_cases(rng: np.random.Generator) -> Iterator[Case]:
    weights = WeightCases(rng)
    both = ("normal", "uniform")
    for distribution in both:
        yield weights.case(
            distribution,
            f"a {distribution} dense layer",
            "fan_avg",
            1.0,
            distribution=distribution,
        )
    for distribution in both:
        gain = float(rng.choice([1.5, 5 / 3]))
        yield weights.case(
            "gain",
            f"a {distribution} dense layer with a gain",
            "fan_avg",
            gain**2,
            distribution=distribution,
            gain=gain,
        )
    for distribution in both:
        yield weights.case(
            "kernel",
            f"a {distribution} 3×3 kernel",
            "fan_avg",
            1.0,
            kernel=(3, 3),
            distribution=distribution,
        )
    yield weights.draws()


def fan_in_only(shape, rng, *, distribution="normal", gain=1.0):
    fan_in = np.prod(shape[:-1])
    if distribution == "normal":
        return gain * rng.normal(0, np.sqrt(1 / fan_in), shape)
    a = gain * np.sqrt(3 / fan_in)
    return rng.uniform(-a, a, shape)


def sum_instead_of_average(shape, rng, *, distribution="normal", gain=1.0):
    size = np.prod(shape[:-2])
    n = size * (shape[-2] + shape[-1])
    if distribution == "normal":
        return gain * rng.normal(0, np.sqrt(1 / n), shape)
    a = gain * np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def six_over_the_average(shape, rng, *, distribution="normal", gain=1.0):
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return gain * rng.normal(0, np.sqrt(1 / n), shape)
    a = gain * np.sqrt(6 / n)
    return rng.uniform(-a, a, shape)


def xavier_deviation_as_bound(shape, rng, *, distribution="normal", gain=1.0):
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    sigma = gain * np.sqrt(1 / n)
    if distribution == "normal":
        return rng.normal(0, sigma, shape)
    return rng.uniform(-sigma, sigma, shape)


def xavier_variance_as_deviation(shape, rng, *, distribution="normal", gain=1.0):
    total = np.prod(shape[:-2]) * (shape[-2] + shape[-1])
    if distribution == "normal":
        return gain * rng.normal(0, 2 / total, shape)
    a = gain * np.sqrt(6 / total)
    return rng.uniform(-a, a, shape)


def gain_left_out(shape, rng, *, distribution="normal", gain=1.0):
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / n), shape)
    a = np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def gain_under_the_root(shape, rng, *, distribution="normal", gain=1.0):
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return rng.normal(0, np.sqrt(gain / n), shape)
    a = np.sqrt(3 * gain / n)
    return rng.uniform(-a, a, shape)


def gain_squared(shape, rng, *, distribution="normal", gain=1.0):
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return gain**2 * rng.normal(0, np.sqrt(1 / n), shape)
    a = gain**2 * np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def xavier_without_the_kernel(shape, rng, *, distribution="normal", gain=1.0):
    n = (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return gain * rng.normal(0, np.sqrt(1 / n), shape)
    a = gain * np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def first_two_axes_as_fans(shape, rng, *, distribution="normal", gain=1.0):
    n = (shape[0] + shape[1]) / 2
    if distribution == "normal":
        return gain * rng.normal(0, np.sqrt(1 / n), shape)
    a = gain * np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def xavier_own_generator(shape, rng, *, distribution="normal", gain=1.0):
    rng = np.random.default_rng(0)
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return gain * rng.normal(0, np.sqrt(1 / n), shape)
    a = gain * np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def xavier_by_the_average(shape, rng, *, distribution="normal", gain=1.0):
    kernel = 1
    for size in shape[:-2]:
        kernel *= size
    average = kernel * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return rng.normal(0.0, gain / average**0.5, shape)
    bound = gain * (3 / average) ** 0.5
    return bound * (2 * rng.random(shape) - 1)


def xavier_flat_then_shaped(shape, rng, *, distribution="normal", gain=1.0):
    count = int(np.prod(shape))
    total = count / shape[-1] + count / shape[-2]
    draws = {
        "normal": lambda: rng.standard_normal(count),
        "uniform": lambda: np.sqrt(3) * rng.uniform(-1, 1, count),
    }[distribution]()
    return (gain * np.sqrt(2 / total) * draws).reshape(shape)


def xavier_entry_by_entry(shape, rng, *, distribution="normal", gain=1.0):
    total = int(np.prod(shape[:-2])) * (shape[-2] + shape[-1])
    weights = np.empty(shape)
    for row in weights.reshape(-1, shape[-1]):
        if distribution == "normal":
            row[:] = gain * np.sqrt(2) * rng.normal(size=len(row)) / np.sqrt(total)
        else:
            bound = np.sqrt(6 * gain**2 / total)
            row[:] = rng.uniform(-bound, bound, len(row))
    return weights


XAVIER = Exercise(
    reference=xavier,
    summary="Xavier Glorot's initialization, normal and uniform, with a gain",
    parts=(
        Part("normal", 1.5, "normal weights"),
        Part("uniform", 1.5, "uniform weights"),
        Part("gain", 1, "a gain"),
        Part("kernel", 0.5, "kernels"),
        RANDOM,
    ),
    cases=xavier_cases,
    run=look_at_moments,
    ulps=CHANCE_IN_ULPS,
    slack="chance",
    mistakes=(
        Mistake(
            "fan-in only",
            fan_in_only,
            "This is LeCun's 1/fan_in. Xavier's is the compromise between both directions: "
            "2/(fan_in + fan_out), which is 1/fan_avg.",
        ),
        Mistake(
            "sum instead of average",
            sum_instead_of_average,
            "1/(fan_in + fan_out) is half of Xavier's variance. The average of the fans is half of "
            "their sum: 2/(fan_in + fan_out).",
        ),
        Mistake(
            "six over the average",
            six_over_the_average,
            "The uniform bound is √(6/fan_avg), which doubles the variance. It is √(6/(fan_in + "
            "fan_out)), or √(3/fan_avg): the same number.",
        ),
        Mistake(
            "standard deviation as bound",
            xavier_deviation_as_bound,
            "U(−σ, σ) has a third of the variance σ². The bound is √3 times the standard "
            "deviation: √(6/(fan_in + fan_out)).",
        ),
        Mistake(
            "variance as standard deviation",
            xavier_variance_as_deviation,
            "rng.normal takes the standard deviation. 2/(fan_in + fan_out) is the variance: hand "
            "over its root.",
        ),
        Mistake(
            "gain left out",
            gain_left_out,
            "The gain is not used. It multiplies every weight, normal or uniform.",
        ),
        Mistake(
            "gain under the root",
            gain_under_the_root,
            "The gain multiplies the variance. It multiplies the weights, so that the variance "
            "grows by its square: keep it outside the root.",
        ),
        Mistake(
            "gain squared",
            gain_squared,
            "The weights are multiplied by the square of the gain, so their variance by its fourth "
            "power. g² stands in the variance; a weight gets g.",
        ),
        Mistake(
            "kernel left out",
            xavier_without_the_kernel,
            "The kernel's positions are not counted: both fans of a 3×3 convolution are 9 times "
            "their number of channels.",
        ),
        Mistake(
            "first two axes as fans",
            first_two_axes_as_fans,
            "The first two axes of a kernel are its height and width. Take the fans of exercise 1.",
        ),
        Mistake("a generator of its own", xavier_own_generator, OWN_GENERATOR),
    ),
    honest=(xavier_by_the_average, xavier_flat_then_shaped, xavier_entry_by_entry),
)


# --- Kaiming He ------------------------------------------------------------------------------


def he(
    shape: tuple[int, ...],
    rng: np.random.Generator,
    *,
    distribution: str = "normal",
    mode: str = "fan_in",
) -> Array:
    """Draw weights of variance 2/n, n after the mode."""
    fan_in, fan_out = fans(shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return math.sqrt(2 / n) * rng.standard_normal(shape)
    bound = math.sqrt(6 / n)
    return rng.uniform(-bound, bound, shape)


def he_cases(rng: np.random.Generator) -> Iterator[Case]:
    weights = WeightCases(rng)
    both = ("normal", "uniform")
    for distribution in both:
        yield weights.case(
            distribution,
            f"a {distribution} dense layer",
            "fan_in",
            2.0,
            distribution=distribution,
        )
    for mode in ("fan_out", "fan_avg"):
        for distribution in both:
            yield weights.case(
                "modes",
                f"a {distribution} dense layer with {mode}",
                mode,
                2.0,
                distribution=distribution,
                mode=mode,
            )
    for mode in ("fan_in", "fan_out"):
        yield weights.case(
            "kernel",
            f"a 3×3 kernel with {mode}",
            mode,
            2.0,
            kernel=(3, 3),
            distribution=str(rng.choice(both)),
            mode=mode,
        )
    yield weights.draws()


def always_the_average(shape, rng, *, distribution="normal", mode="fan_in"):
    n = np.prod(shape[:-2]) * (shape[-2] + shape[-1]) / 2
    if distribution == "normal":
        return rng.normal(0, np.sqrt(2 / n), shape)
    a = np.sqrt(6 / n)
    return rng.uniform(-a, a, shape)


def mode_ignored(shape, rng, *, distribution="normal", mode="fan_in"):
    n = np.prod(shape[:-1])
    if distribution == "normal":
        return rng.normal(0, np.sqrt(2 / n), shape)
    a = np.sqrt(6 / n)
    return rng.uniform(-a, a, shape)


def modes_swapped(shape, rng, *, distribution="normal", mode="fan_in"):
    size = np.prod(shape[:-2])
    fan_in, fan_out = size * shape[-1], size * shape[-2]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(2 / n), shape)
    a = np.sqrt(6 / n)
    return rng.uniform(-a, a, shape)


def without_the_two(shape, rng, *, distribution="normal", mode="fan_in"):
    size = np.prod(shape[:-2])
    fan_in, fan_out = size * shape[-2], size * shape[-1]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / n), shape)
    a = np.sqrt(3 / n)
    return rng.uniform(-a, a, shape)


def he_deviation_as_bound(shape, rng, *, distribution="normal", mode="fan_in"):
    size = np.prod(shape[:-2])
    fan_in, fan_out = size * shape[-2], size * shape[-1]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    sigma = np.sqrt(2 / n)
    if distribution == "normal":
        return rng.normal(0, sigma, shape)
    return rng.uniform(-sigma, sigma, shape)


def root_of_two_only(shape, rng, *, distribution="normal", mode="fan_in"):
    size = np.prod(shape[:-2])
    fan_in, fan_out = size * shape[-2], size * shape[-1]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return np.sqrt(2) / n * rng.standard_normal(shape)
    a = np.sqrt(6) / n
    return rng.uniform(-a, a, shape)


def he_variance_as_deviation(shape, rng, *, distribution="normal", mode="fan_in"):
    size = np.prod(shape[:-2])
    fan_in, fan_out = size * shape[-2], size * shape[-1]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return rng.normal(0, 2 / n, shape)
    a = np.sqrt(6 / n)
    return rng.uniform(-a, a, shape)


def he_without_the_kernel(shape, rng, *, distribution="normal", mode="fan_in"):
    fan_in, fan_out = shape[-2], shape[-1]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(2 / n), shape)
    a = np.sqrt(6 / n)
    return rng.uniform(-a, a, shape)


def he_own_generator(shape, rng, *, distribution="normal", mode="fan_in"):
    rng = np.random.default_rng(1)
    size = np.prod(shape[:-2])
    fan_in, fan_out = size * shape[-2], size * shape[-1]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(2 / n), shape)
    a = np.sqrt(6 / n)
    return rng.uniform(-a, a, shape)


def he_with_branches(shape, rng, *, distribution="normal", mode="fan_in"):
    size = np.prod(shape[:-2])
    if mode == "fan_in":
        n = size * shape[-2]
    elif mode == "fan_out":
        n = size * shape[-1]
    else:
        n = size * (shape[-2] + shape[-1]) / 2
    sigma = np.sqrt(2 / n)
    if distribution == "normal":
        return rng.normal(scale=sigma, size=shape)
    return rng.uniform(-np.sqrt(3) * sigma, np.sqrt(3) * sigma, size=shape)


def he_with_a_random_sign(shape, rng, *, distribution="normal", mode="fan_in"):
    entries = np.prod(shape)
    fan_in, fan_out = entries / shape[-1], entries / shape[-2]
    if mode == "fan_in":
        fan_out = fan_in
    if mode == "fan_out":
        fan_in = fan_out
    size = rng.random(shape) * np.sqrt(3)
    if distribution == "normal":
        size = np.abs(rng.normal(size=shape))
    return np.sqrt(4 / (fan_in + fan_out)) * rng.choice([-1.0, 1.0], shape) * size


def he_column_by_column(shape, rng, *, distribution="normal", mode="fan_in"):
    fan_in = int(np.prod(shape[:-1]))
    fan_out = fan_in // shape[-2] * shape[-1]
    share = {"fan_in": 1.0, "fan_avg": 0.5, "fan_out": 0.0}[mode]
    n = share * fan_in + (1 - share) * fan_out
    columns = []
    for _ in range(shape[-1]):
        if distribution == "normal":
            columns.append(rng.standard_normal(fan_in) * 2**0.5)
        else:
            columns.append(rng.uniform(-1, 1, fan_in) * 6**0.5)
    return np.stack(columns, axis=1).reshape(shape) / n**0.5


HE = Exercise(
    reference=he,
    summary="Kaiming He's initialization, normal and uniform, in three modes",
    parts=(
        Part("normal", 1, "normal weights"),
        Part("uniform", 1, "uniform weights"),
        Part("modes", 2, "fan-out and fan-avg"),
        Part("kernel", 0.5, "kernels"),
        RANDOM,
    ),
    cases=he_cases,
    run=look_at_moments,
    ulps=CHANCE_IN_ULPS,
    slack="chance",
    mistakes=(
        Mistake(
            "always the average",
            always_the_average,
            "n is the average of the fans whatever the mode, as some slides have it. He's paper "
            "has 2/fan_in, which is the default here; fan_avg is only one of the modes.",
        ),
        Mistake(
            "mode ignored",
            mode_ignored,
            'n is fan_in whatever the mode. With mode="fan_out" it is fan_out, with '
            '"fan_avg" the average of both.',
        ),
        Mistake(
            "fan-in and fan-out swapped",
            modes_swapped,
            "fan_in and fan_out have changed places. The shape is (..., in, out): fan_in comes "
            "from the last axis but one.",
        ),
        Mistake(
            "without the two",
            without_the_two,
            "The variance is 1/n. A ReLU removes half of the mean square, and He's factor 2 makes "
            "up for it: 2/n.",
        ),
        Mistake(
            "standard deviation as bound",
            he_deviation_as_bound,
            "U(−σ, σ) has a third of the variance σ². For the variance 2/n the bound is √(6/n).",
        ),
        Mistake(
            "root of two only",
            root_of_two_only,
            "√2/n is not √(2/n): the root goes over n as well.",
        ),
        Mistake(
            "variance as standard deviation",
            he_variance_as_deviation,
            "rng.normal takes the standard deviation. 2/n is the variance: hand over its root.",
        ),
        Mistake(
            "kernel left out",
            he_without_the_kernel,
            "The kernel's positions are not counted: both fans of a 3×3 convolution are 9 times "
            "their number of channels.",
        ),
        Mistake("a generator of its own", he_own_generator, OWN_GENERATOR),
    ),
    honest=(he_with_branches, he_with_a_random_sign, he_column_by_column),
)


# --- the variance on the way forward ---------------------------------------------------------


def forward_variance(
    widths: Sequence[int],
    weight_variance: Sequence[float],
    *,
    slope: float = 1.0,
    input_mean_square: float = 1.0,
) -> Array:
    """Return Var(z_l) of each layer of a network of leaky ReLUs with this slope."""
    square, variances = input_mean_square, []
    for fan_in, variance in zip(widths, weight_variance, strict=False):
        variances.append(fan_in * variance * square)
        square = (1 + slope**2) / 2 * variances[-1]
    return np.array(variances)


def variance_cases(
    scale: str,
) -> Callable[[np.random.Generator], Iterator[Case]]:
    """Return what draws networks; ``scale`` names the number that starts the recursion."""

    def cases(rng: np.random.Generator) -> Iterator[Case]:
        def network(layers: int, **options: float) -> dict[str, Any]:
            widths = rng.choice(np.arange(20, 400, 7), layers + 1, replace=False).tolist()
            variances = (rng.uniform(0.4, 3.0, layers) / np.array(widths[:-1])).tolist()
            return {"widths": widths, "weight_variance": variances} | options

        start = float(rng.uniform(1.5, 4.0))
        yield Case("linear", "two linear layers", network(2))
        yield Case("linear", "five linear layers", network(5, slope=1.0))
        yield Case("relu", "two layers with ReLU between them", network(2, slope=0.0))
        yield Case("relu", "six layers with ReLU between them", network(6, slope=0.0))
        slope = float(rng.choice([0.2, 0.3, 0.4]))
        yield Case("leaky", "four layers with a leaky ReLU", network(4, slope=slope))
        yield Case(
            "start", f"three layers with {scale} above 1", network(3, slope=0.0, **{scale: start})
        )

    return cases


def layer_by_itself(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    factor = (1 + slope**2) / 2
    result = []
    for layer, variance in enumerate(weight_variance):
        square = input_mean_square if layer == 0 else factor * input_mean_square
        result.append(widths[layer] * variance * square)
    return np.array(result)


def fan_out_forward(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    square, result = input_mean_square, []
    for n, variance in zip(widths[1:], weight_variance, strict=True):
        result.append(n * variance * square)
        square = (1 + slope**2) / 2 * result[-1]
    return np.array(result)


def one_activation_too_many(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    v, result = input_mean_square, []
    for n, variance in zip(widths, weight_variance, strict=False):
        v = n * variance * (1 + slope**2) / 2 * v
        result.append(v)
    return np.array(result)


def variance_of_the_output(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    square, result = input_mean_square, []
    for n, variance in zip(widths, weight_variance, strict=False):
        result.append(n * variance * square)
        mean = (1 - slope) / np.sqrt(2 * np.pi) * np.sqrt(result[-1])
        square = (1 + slope**2) / 2 * result[-1] - mean**2
    return np.array(result)


def slope_not_squared(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    square, result = input_mean_square, []
    for n, variance in zip(widths, weight_variance, strict=False):
        result.append(n * variance * square)
        square = (1 + slope) / 2 * result[-1]
    return np.array(result)


def half_forgotten(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    v, result = input_mean_square, []
    for n, variance in zip(widths, weight_variance, strict=False):
        v = n * variance * v
        result.append(v)
    return np.array(result)


def always_halved(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    square, result = input_mean_square, []
    for n, variance in zip(widths, weight_variance, strict=False):
        result.append(n * variance * square)
        square = result[-1] / 2
    return np.array(result)


def mean_square_of_the_activation(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    square, result = input_mean_square, []
    for n, variance in zip(widths, weight_variance, strict=False):
        square = (1 + slope**2) / 2 * n * variance * square
        result.append(square)
    result[-1] = result[-1] * 2 / (1 + slope**2)
    return np.array(result)


def input_always_one(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    square, result = 1.0, []
    for n, variance in zip(widths, weight_variance, strict=False):
        result.append(n * variance * square)
        square = (1 + slope**2) / 2 * result[-1]
    return np.array(result)


def deviations_returned(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    square, result = input_mean_square, []
    for n, variance in zip(widths, weight_variance, strict=False):
        v = n * variance * square
        result.append(np.sqrt(v))
        square = (1 + slope**2) / 2 * v
    return np.array(result)


def forward_by_cumulative_product(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    factors = np.array(widths[:-1]) * np.array(weight_variance)
    factors[1:] *= 0.5 + 0.5 * slope**2
    return input_mean_square * np.cumprod(factors)


def forward_by_recursion(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    first = widths[0] * weight_variance[0] * input_mean_square
    if len(weight_variance) == 1:
        return np.array([first])
    rest = forward_variance(
        widths[1:],
        weight_variance[1:],
        slope=slope,
        input_mean_square=(first + slope * slope * first) / 2,
    )
    return np.concatenate([[first], rest])


def forward_through_logarithms(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    total = np.log(input_mean_square)
    result = []
    for layer in range(len(weight_variance)):
        total += np.log(widths[layer]) + np.log(weight_variance[layer])
        result.append(np.exp(total))
        total += np.log1p(slope**2) - np.log(2)
    return np.array(result)


FORWARD_VARIANCE = Exercise(
    reference=forward_variance,
    summary="the variance of every layer's pre-activations, predicted",
    parts=(
        Part("linear", 1.5, "linear layers"),
        Part("relu", 1.5, "ReLU between the layers"),
        Part("leaky", 1, "a leaky ReLU"),
        Part("start", 0.5, "another mean square of the input"),
        INPUTS,
    ),
    cases=variance_cases("input_mean_square"),
    mistakes=(
        Mistake(
            "each layer by itself",
            layer_by_itself,
            "Every layer is computed from the network's input. What a layer sums up is the output "
            "of the layer before it: carry its mean square along.",
        ),
        Mistake(
            "fan-out forward",
            fan_out_forward,
            "The number of outputs is counted. z is a sum over the layer's inputs: layer l has "
            "n_{l−1} of them, so the first factor is widths[0].",
        ),
        Mistake(
            "one activation too many",
            one_activation_too_many,
            "Every layer has one factor (1 + a²)/2 too many: the input was put through the "
            "activation, or these are the E[h²] behind it. v₁ = n₀ σ₁² E[h₀²] has no such factor.",
        ),
        Mistake(
            "variance instead of mean square",
            variance_of_the_output,
            "The variance of h is passed on. A ReLU's output has a mean, and what counts in "
            "E[w²]·E[h²] is the mean square, mean included: (1 + a²)/2 times Var(z).",
        ),
        Mistake(
            "slope not squared",
            slope_not_squared,
            "The negative half is multiplied by a, so that its square is multiplied by a²: the "
            "factor is (1 + a²)/2.",
        ),
        Mistake(
            "half forgotten",
            half_forgotten,
            "The activation is left out: this is the network of linear layers. Multiply by "
            "(1 + a²)/2 on the way from z to h.",
        ),
        Mistake(
            "always halved",
            always_halved,
            "Every activation is treated as ReLU. The factor is (1 + a²)/2: ½ for ReLU (a = 0), "
            "1 for linear layers (a = 1).",
        ),
        Mistake(
            "mean square of the activation",
            mean_square_of_the_activation,
            "These are the mean squares of h, after the activation. Return the variance of z, "
            "before it.",
        ),
        Mistake(
            "input always one",
            input_always_one,
            "input_mean_square is not used: the recursion starts from it, not from 1.",
        ),
        Mistake(
            "standard deviations returned",
            deviations_returned,
            "These are standard deviations. The variances are asked for: no root at the end.",
        ),
    ),
    honest=(
        forward_by_cumulative_product,
        forward_by_recursion,
        forward_through_logarithms,
    ),
)


# --- the variance on the way back ------------------------------------------------------------


def backward_variance(
    widths: Sequence[int],
    weight_variance: Sequence[float],
    *,
    slope: float = 1.0,
    output_variance: float = 1.0,
) -> Array:
    """Return Var(∂L/∂z_l) of each layer of a network of leaky ReLUs with this slope."""
    variances = [output_variance]
    for fan_out, variance in zip(widths[:1:-1], weight_variance[:0:-1], strict=True):
        variances.append((1 + slope**2) / 2 * fan_out * variance * variances[-1])
    return np.array(variances[::-1])


def fan_in_backward(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        factor = (1 + slope**2) / 2
        d.insert(0, factor * widths[layer] * weight_variance[layer] * d[0])
    return np.array(d)


def weights_of_the_layer_itself(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        factor = (1 + slope**2) / 2
        d.insert(0, factor * widths[layer] * weight_variance[layer - 1] * d[0])
    return np.array(d)


def last_layer_first(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        factor = (1 + slope**2) / 2
        d.append(factor * widths[layer + 1] * weight_variance[layer] * d[-1])
    return np.array(d)


def walked_forward(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [output_variance]
    for layer in range(1, len(weight_variance)):
        factor = (1 + slope**2) / 2
        d.append(factor * widths[layer + 1] * weight_variance[layer] * d[-1])
    return np.array(d)


def slope_forgotten(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        d.insert(0, widths[layer + 1] * weight_variance[layer] * d[0])
    return np.array(d)


def slope_not_squared_backward(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        factor = (1 + slope) / 2
        d.insert(0, factor * widths[layer + 1] * weight_variance[layer] * d[0])
    return np.array(d)


def output_activated_too(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    factor = (1 + slope**2) / 2
    d = [factor * output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        d.insert(0, factor * widths[layer + 1] * weight_variance[layer] * d[0])
    return np.array(d)


def gradient_of_the_input_too(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, -1, -1):
        factor = (1 + slope**2) / 2
        d.insert(0, factor * widths[layer + 1] * weight_variance[layer] * d[0])
    return np.array(d)


def output_always_one(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    d = [1.0]
    for layer in range(len(weight_variance) - 1, 0, -1):
        factor = (1 + slope**2) / 2
        d.insert(0, factor * widths[layer + 1] * weight_variance[layer] * d[0])
    return np.array(d)


def gradients_of_the_outputs(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    factor = (1 + slope**2) / 2
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        d.insert(0, factor * widths[layer + 1] * weight_variance[layer] * d[0])
    return np.array([*(value / factor for value in d[:-1]), d[-1]])


def backward_by_cumulative_product(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    factors = np.array(widths[2:]) * np.array(weight_variance[1:]) * (1 + slope**2) / 2
    return output_variance * np.append(np.cumprod(factors[::-1])[::-1], 1.0)


def backward_by_recursion(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    if len(weight_variance) == 1:
        return np.array([output_variance])
    above = backward_variance(
        widths[1:], weight_variance[1:], slope=slope, output_variance=output_variance
    )
    passed = 0.5 * (widths[2] * weight_variance[1]) * above[0]
    return np.array([passed + slope * slope * passed, *above])


def backward_layer_by_layer(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    layers = len(weight_variance)
    d = np.zeros(layers)
    for layer in range(layers):
        d[layer] = output_variance
        for above in range(layer + 1, layers):
            d[layer] *= widths[above + 1] * weight_variance[above] * (0.5 + slope**2 / 2)
    return d


BACKWARD_VARIANCE = Exercise(
    reference=backward_variance,
    summary="the variance of every layer's gradient, predicted",
    parts=(
        Part("linear", 1.5, "linear layers"),
        Part("relu", 1.5, "ReLU between the layers"),
        Part("leaky", 1, "a leaky ReLU"),
        Part("start", 0.5, "another variance of the output's gradient"),
        INPUTS,
    ),
    cases=variance_cases("output_variance"),
    mistakes=(
        Mistake(
            "fan-in backward",
            fan_in_backward,
            "The number of inputs is counted. On the way back ∂L/∂h sums over the outputs of the "
            "layer above, n_l of them: widths[l], not widths[l − 1].",
        ),
        Mistake(
            "weights of the layer itself",
            weights_of_the_layer_itself,
            "The gradient of z_{l−1} passes through the weights of the layer above it, W_l, and "
            "not through those that made z_{l−1}.",
        ),
        Mistake(
            "last layer first",
            last_layer_first,
            "The numbers come from the last layer to the first. The walk goes that way, but the "
            "first entry of the result belongs to the first layer.",
        ),
        Mistake(
            "walked forward",
            walked_forward,
            "The walk starts at the first layer. The gradient is known at the output: start there, "
            "with output_variance, and go back.",
        ),
        Mistake(
            "half forgotten",
            slope_forgotten,
            "The derivative of the activation is left out: this is the network of linear layers. "
            "E[φ'²] = (1 + a²)/2 multiplies at every step back.",
        ),
        Mistake(
            "slope not squared",
            slope_not_squared_backward,
            "The derivative is a on the negative half, and its square a²: the factor is "
            "(1 + a²)/2.",
        ),
        Mistake(
            "output activated too",
            output_activated_too,
            "The last layer is linear: its gradient is given, d_L = output_variance, with no "
            "derivative before it.",
        ),
        Mistake(
            "gradient of the input too",
            gradient_of_the_input_too,
            "One number too many: the gradient of the network's input is there as well. Return one "
            "number for each layer, from z₁ on.",
        ),
        Mistake(
            "output always one",
            output_always_one,
            "output_variance is not used: the recursion starts from it, not from 1.",
        ),
        Mistake(
            "gradients after the activation",
            gradients_of_the_outputs,
            "These are the gradients of h, behind the activation. The derivative φ' brings them to "
            "z: multiply by (1 + a²)/2.",
        ),
    ),
    honest=(
        backward_by_cumulative_product,
        backward_by_recursion,
        backward_layer_by_layer,
    ),
)


# --- orthogonal matrices ---------------------------------------------------------------------


def orthogonal(shape: tuple[int, int], rng: np.random.Generator, *, gain: float = 1.0) -> Array:
    """Draw a matrix whose columns, or rows where those are fewer, are orthogonal."""
    rows, columns = shape
    if rows < columns:
        return orthogonal((columns, rows), rng, gain=gain).T
    q, r = np.linalg.qr(rng.standard_normal(shape))
    return gain * q * np.sign(np.diag(r))


DRAWS, FEWEST = 64, 12
"""An entry of the wrong sign in so few of the draws has a chance of 1 in 10 million."""


def look_at_products(draw: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Multiply the matrix by its transpose, or count signs over many draws."""
    shape, options = inputs["shape"], inputs["options"]
    if inputs["look_at"] == "products":
        w = drawn(draw, shape, inputs["seed"], options)
        tall = shape[0] >= shape[1]
        yield ("WᵀW" if tall else "WWᵀ"), w.T @ w if tall else w @ w.T
        return
    first = inputs["seed"]
    yield from _where_draws_come_from(draw, shape, [first, first + 1], options)
    if inputs["look_at"] == "draws":
        return
    draws = np.array([drawn(draw, shape, first + i, options) for i in range(DRAWS)])
    positive = np.sum(draws > 0, axis=0)
    usual = (positive >= FEWEST) & (positive <= DRAWS - FEWEST)
    text = f"the share of {DRAWS} draws whose first entry is positive, about"
    yield text, 0.5 if usual[0, 0] else float(positive[0, 0]) / DRAWS
    yield "every other entry is positive about as often", bool(np.all(usual.flat[1:]))
    alike = np.sum(draws[:, :, None, 0] * draws[:, None, :, 1] > 0, axis=0)
    paired = (alike >= FEWEST) & (alike <= DRAWS - FEWEST)
    yield "entries of two columns have the same sign in about half of them", bool(np.all(paired))
    yield "WᵀW of the last draw", draws[-1].T @ draws[-1]


def orthogonal_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(shape: tuple[int, int], look_at: str, **options: float) -> dict[str, Any]:
        seed = int(rng.integers(100_000))
        return {"shape": shape, "options": options, "look_at": look_at, "seed": seed}

    few, many = int(rng.integers(3, 6)), int(rng.integers(7, 12))
    yield Case("tall", "more inputs than outputs", inputs((many, few), "products"))
    yield Case("tall", "as many inputs as outputs", inputs((few, few), "products"))
    yield Case("wide", "fewer inputs than outputs", inputs((few, many), "products"))
    gain = float(rng.choice([1.5, 2.5]))
    yield Case("gain", "a tall matrix with a gain", inputs((many, few), "products", gain=gain))
    yield Case("gain", "a wide matrix with a gain", inputs((few, many), "products", gain=gain))
    yield Case("uniform", f"{DRAWS} small matrices", inputs((3, 2), "signs"))
    yield Case("uniform", "two generators, one of them twice", inputs((many, few), "draws"))


def signs_never_fixed(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.standard_normal((max(shape), min(shape)))
    q, _ = np.linalg.qr(a)
    return gain * (q if rows >= columns else q.T)


def one_sign_for_all(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.standard_normal((max(shape), min(shape)))
    q, _ = np.linalg.qr(a)
    return gain * rng.choice([-1.0, 1.0]) * (q if rows >= columns else q.T)


def wide_not_transposed(shape, rng, *, gain=1.0):
    q, r = np.linalg.qr(rng.standard_normal(shape))
    return gain * q * np.sign(np.diag(r))


def columns_only_of_length_one(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.standard_normal(shape)
    if rows < columns:
        return gain * a / np.linalg.norm(a, axis=1, keepdims=True)
    return gain * a / np.linalg.norm(a, axis=0)


def orthogonal_without_gain(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def root_of_the_gain(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(a)
    q = np.sqrt(gain) * q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def square_of_the_gain(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(a)
    q = gain**2 * q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def drawn_between_0_and_1(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.random((max(shape), min(shape)))
    q, r = np.linalg.qr(a)
    q = gain * q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def orthogonal_own_generator(shape, rng, *, gain=1.0):
    rows, columns = shape
    rng = np.random.default_rng(0)
    a = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(a)
    q = gain * q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def multiplied_by_the_diagonal(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(a)
    q = gain * q * np.diag(r)
    return q if rows >= columns else q.T


def orthogonal_by_gram_and_schmidt(shape, rng, *, gain=1.0):
    rows, columns = shape
    a = rng.normal(size=(max(shape), min(shape)))
    found = []
    for column in a.T:
        for _ in range(2):
            for q in found:
                column = column - (q @ column) * q
        found.append(column / np.sqrt(column @ column))
    q = np.array(found).T if rows >= columns else np.array(found)
    return gain * q


def orthogonal_by_singular_vectors(shape, rng, *, gain=1.0):
    u, _, vt = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    return gain * (u @ vt)


def orthogonal_with_random_signs(shape, rng, *, gain=1.0):
    a = rng.standard_normal(shape)
    if shape[0] < shape[1]:
        a = a.T
    q = np.linalg.qr(a)[0]
    q = q * rng.choice([-1.0, 1.0], q.shape[1])
    return gain * q if shape[0] >= shape[1] else gain * q.T


def orthogonal_with_where(shape, rng, *, gain=1.0):
    tall = shape[0] >= shape[1]
    a = rng.standard_normal(shape)
    q, r = np.linalg.qr(a if tall else a.T)
    for column in range(q.shape[1]):
        if r[column, column] < 0:
            q[:, column] = -q[:, column]
    return np.where(tall, gain, gain) * (q if tall else q.T)


ORTHOGONAL = Exercise(
    reference=orthogonal,
    summary="a random orthogonal matrix, uniform over all of them",
    parts=(
        Part("tall", 1.5, "orthonormal columns of a tall matrix"),
        Part("wide", 1.5, "orthonormal rows of a wide matrix"),
        Part("gain", 1, "a gain"),
        Part("uniform", 2, "uniform over all orthogonal matrices"),
    ),
    cases=orthogonal_cases,
    run=look_at_products,
    mistakes=(
        Mistake(
            "signs never fixed",
            signs_never_fixed,
            "Q comes from QR as it is. The signs of its columns are then the library's choice, the "
            "same in every draw. Multiply each column by the sign of its entry on R's diagonal.",
        ),
        Mistake(
            "one sign for all",
            one_sign_for_all,
            "One sign is drawn for the whole matrix, and how the columns lie to each other stays "
            "the library's choice. Each column has a sign of its own, that on R's diagonal.",
        ),
        Mistake(
            "wide matrix not transposed",
            wide_not_transposed,
            "QR of a wide matrix gives a square Q. Draw the transpose, a tall matrix, and turn "
            "the result back.",
        ),
        Mistake(
            "columns only of length 1",
            columns_only_of_length_one,
            "The vectors have length 1 but are not at right angles to each other. QR does both.",
        ),
        Mistake(
            "gain left out",
            orthogonal_without_gain,
            "The gain is not used. It multiplies the matrix, so that WᵀW = gain²·I.",
        ),
        Mistake(
            "root of the gain",
            root_of_the_gain,
            "The matrix is multiplied by the root of the gain. WᵀW = gain²·I: the gain itself "
            "multiplies W.",
        ),
        Mistake(
            "square of the gain",
            square_of_the_gain,
            "The matrix is multiplied by the square of the gain. gain² is the factor of WᵀW, which "
            "holds W twice: the gain itself multiplies W.",
        ),
        Mistake(
            "drawn between 0 and 1",
            drawn_between_0_and_1,
            "Some entries have the same sign in every draw, as from a matrix between 0 and 1 given "
            "to QR. Draw from N(0, 1), which prefers no direction, and take the signs of R's "
            "diagonal.",
        ),
        Mistake(
            "multiplied by the diagonal",
            multiplied_by_the_diagonal,
            "The columns are multiplied by R's diagonal itself. Only its signs are wanted: "
            "np.sign(np.diag(r)).",
        ),
        Mistake("a generator of its own", orthogonal_own_generator, OWN_GENERATOR),
    ),
    honest=(
        orthogonal_by_gram_and_schmidt,
        orthogonal_by_singular_vectors,
        orthogonal_with_random_signs,
        orthogonal_with_where,
    ),
)


# --- LSUV ------------------------------------------------------------------------------------


def relu(z):
    """Each entry where it is positive, else 0."""
    return np.maximum(z, 0)


def tanh(z):
    """The hyperbolic tangent of each entry."""
    return np.tanh(z)


def lsuv(
    weights: list[Array],
    activation: Callable[[Array], Array],
    batches: list[Array],
    *,
    tol: float = 0.01,
) -> list[Array]:
    """Return orthonormal weights, rescaled layer by layer until V[z] is within tol of 1."""
    finished: list[Array] = []
    for given in weights:
        tall = given if given.shape[0] >= given.shape[1] else given.T
        q, r = np.linalg.qr(tall)
        q = np.where(np.diag(r) < 0, -q, q)
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w)
            if abs(variance - 1) <= tol:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def look_at_weights(rescale: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Look at the new weights of each layer."""
    result = rescale(
        inputs["weights"], inputs["activation"], inputs["batches"], **inputs["options"]
    )
    if type(result) not in (list, tuple) or len(result) != len(inputs["weights"]):
        said = describe(result)
        raise WrongKind(f"expected a list of {len(inputs['weights'])} arrays, got {said}")
    for layer, w in enumerate(result):
        yield f"W of layer {layer + 1}", w


def lsuv_cases(rng: np.random.Generator) -> Iterator[Case]:
    def network(
        widths: tuple[int, ...], activation: Callable[[Array], Array], **options: float
    ) -> dict[str, Any]:
        weights = [
            _well_conditioned(rng, rows, columns) for rows, columns in itertools.pairwise(widths)
        ]
        batches = [_batch(rng, widths[0])]
        return {
            "weights": weights,
            "activation": activation,
            "batches": batches,
            "options": options,
        }

    yield Case("one", "one tall layer, one batch", network((5, 3), tanh))
    yield Case("one", "one wide layer, one batch", network((3, 5), relu))
    yield Case("sequence", "three layers with ReLU", network((5, 7, 4, 6), relu))
    yield Case("sequence", "three layers with tanh", network((6, 4, 5, 3), tanh))
    several = network((4, 6, 3), relu)
    several["batches"] = [_batch(rng, 4, scale) for scale in (3.0, 1.5, 0.5)]
    yield Case("repeat", "three batches of different scales", several)
    stopping = network((4, 5, 3), tanh, tol=0.25)
    first = stopping["batches"][0]
    # The second batch is the first again, so that the third must not be looked at any more.
    stopping["batches"] = [first, first, 5 * first]
    yield Case("repeat", "the variance is near enough after one step", stopping)
    inside = network((4, 5, 3), tanh, tol=0.25)
    first = inside["batches"][0]
    inside["batches"] = [scale * first for scale in (1.0, 1.07, 1.09, 1.09, 5.0)]
    yield Case("repeat", "the variance is about 1.14 after one step, the tolerance 0.25", inside)
    outside = network((4, 5, 3), relu, tol=0.25)
    first = outside["batches"][0]
    outside["batches"] = [scale * first for scale in (1.0, 2.0, 2.36, 2.36)]
    yield Case("repeat", "the variance is about 1.39 after two steps, the tolerance 0.25", outside)
    narrow = network((5, 4, 6), relu)
    narrow["weights"] = [w.astype(np.float32) for w in narrow["weights"]]
    narrow["batches"] = [batch.astype(np.float32) for batch in narrow["batches"]]
    yield Case("dtype", "two layers in float32", narrow)


def _batch(rng: np.random.Generator, features: int, scale: float = 3.0) -> Array:
    """Draw inputs whose mean is not 0."""
    return scale * (rng.normal(size=(11, features)) + 0.5)


def _well_conditioned(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Draw a matrix far from singular, whose Q LAPACK returns with its first column turned round.

    That happens where the first entry is positive.
    """
    size = max(rows, columns), min(rows, columns)
    q = np.linalg.qr(rng.normal(size=size))[0]
    upper = np.triu(rng.uniform(-0.5, 0.5, (size[1], size[1])), 1)
    matrix = q @ (upper + np.diag(rng.uniform(1.0, 2.0, size[1])))
    matrix[:, 0] *= np.sign(matrix[0, 0])
    return matrix if rows >= columns else matrix.T


def variance_after_the_activation(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(activation(h @ w))
            if abs(variance - 1) <= tol:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def divided_by_the_variance(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w)
            if abs(variance - 1) <= tol:
                break
            w = w / variance
        finished.append(w)
    return finished


def rescaled_once(weights, activation, batches, *, tol=0.01):
    h, finished = batches[0], []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        variance = np.var(h @ w)
        if abs(variance - 1) > tol:
            w = w / np.sqrt(variance)
        finished.append(w)
        h = activation(h @ w)
    return finished


def tolerance_ignored(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            w = w / np.sqrt(np.var(h @ w))
        finished.append(w)
    return finished


def tolerance_typed_in(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w)
            if abs(variance - 1) <= 0.01:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def rescaled_before_the_end(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w)
            w = w / np.sqrt(variance)
            if abs(variance - 1) <= tol:
                break
        finished.append(w)
    return finished


def tolerance_of_the_deviation(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w)
            if abs(np.sqrt(variance) - 1) <= tol:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def weights_left_as_they_are(weights, activation, batches, *, tol=0.01):
    finished = []
    for w in weights:
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w)
            if abs(variance - 1) <= tol:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def lsuv_signs_never_fixed(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)[0]
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w)
            if abs(variance - 1) <= tol:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def layers_not_in_sequence(weights, activation, batches, *, tol=0.01):
    start, finished = [], []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        start.append(q if given.shape[0] >= given.shape[1] else q.T)
    for layer, w in enumerate(start):
        for h in batches:
            for below in start[:layer]:
                h = activation(h @ below)
            variance = np.var(h @ w)
            if abs(variance - 1) <= tol:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def activation_left_out(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = h @ below
            variance = np.var(h @ w)
            if abs(variance - 1) <= tol:
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def mean_square_to_one(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            square = np.mean((h @ w) ** 2)
            if abs(square - 1) <= tol:
                break
            w = w / np.sqrt(square)
        finished.append(w)
    return finished


def each_unit_by_itself(weights, activation, batches, *, tol=0.01):
    finished = []
    for given in weights:
        q, r = np.linalg.qr(given if given.shape[0] >= given.shape[1] else given.T)
        q = q * np.sign(np.diag(r))
        w = q if given.shape[0] >= given.shape[1] else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            variance = np.var(h @ w, axis=0)
            if np.all(np.abs(variance - 1) <= tol):
                break
            w = w / np.sqrt(variance)
        finished.append(w)
    return finished


def lsuv_with_products(weights, activation, batches, *, tol=0.01):
    def orthonormal(a):
        if a.shape[0] < a.shape[1]:
            return orthonormal(a.T).T
        q, r = np.linalg.qr(a)
        return q @ np.diag(np.sign(np.diag(r)))

    signals = list(batches)
    result = []
    for given in weights:
        w = orthonormal(given)
        for h in signals:
            z = h @ w
            variance = np.mean(z * z) - np.mean(z) ** 2
            if not abs(variance - 1) > tol:
                break
            w = w * variance**-0.5
        signals = [activation(h @ w) for h in signals]
        result.append(w)
    return result


def lsuv_by_gram_and_schmidt(weights, activation, batches, *, tol=0.01):
    result = []
    for given in weights:
        wide = given.shape[0] < given.shape[1]
        found = []
        for column in given if wide else given.T:
            for _ in range(2):
                for q in found:
                    column = column - (q @ column) * q
            found.append(column / np.sqrt(column @ column))
        w = np.array(found) if wide else np.array(found).T
        step = 0
        while step < len(batches):
            h = batches[step]
            for below in result:
                h = activation(h @ below)
            deviation = (h @ w).std()
            if -tol <= deviation**2 - 1 <= tol:
                break
            w = w / deviation
            step += 1
        result.append(w)
    return tuple(result)


def lsuv_in_place_on_copies(weights, activation, batches, *, tol=0.01):
    result = []
    for given in weights:
        wide = given.shape[0] < given.shape[1]
        q, r = np.linalg.qr(given.T if wide else given)
        for column in range(len(r)):
            if r[column, column] < 0:
                q[:, column] *= -1
        w = q.T.copy() if wide else q
        for batch in batches:
            h = batch.copy()
            for below in result:
                h = activation(h @ below)
            z = h @ w
            variance = ((z - z.mean()) ** 2).sum() / z.size
            if abs(variance - 1) <= tol:
                break
            w /= np.sqrt(variance)
        result.append(w)
    return result


LSUV = Exercise(
    reference=lsuv,
    summary="layer-sequential unit variance, on several batches",
    parts=(
        Part("one", 2, "one layer, one batch"),
        Part("sequence", 2, "several layers, the first one first"),
        Part("repeat", 2, "several batches, and a tolerance"),
        DTYPE,
        INPUTS,
    ),
    cases=lsuv_cases,
    run=look_at_weights,
    mistakes=(
        Mistake(
            "variance after the activation",
            variance_after_the_activation,
            "The variance is measured after the activation, as some summaries have it. The paper "
            "looks at the layer's output before the non-linearity: V[h @ W].",
        ),
        Mistake(
            "divided by the variance",
            divided_by_the_variance,
            "W is divided by the variance. Dividing W by s divides the variance by s²: divide by "
            "the root.",
        ),
        Mistake(
            "rescaled once",
            rescaled_once,
            "Only the first batch is looked at. Measure again on the next batch, and go on until "
            "the variance is within tol of 1 or no batch is left.",
        ),
        Mistake(
            "tolerance ignored",
            tolerance_ignored,
            "Every batch rescales the weights. Where the variance is within tol of 1 the layer is "
            "done: leave its loop before you rescale.",
        ),
        Mistake(
            "0.01 typed in",
            tolerance_typed_in,
            "The tolerance is always 0.01. Use tol: 0.01 is only its default.",
        ),
        Mistake(
            "rescaled before the end",
            rescaled_before_the_end,
            "A layer whose variance is within tol of 1 is rescaled once more before it ends. Ask "
            "first: then it stays as it is.",
        ),
        Mistake(
            "tolerance of the deviation",
            tolerance_of_the_deviation,
            "You compare the standard deviation with 1. tol is for the variance: |v − 1| ≤ tol, "
            "before the root.",
        ),
        Mistake(
            "weights left as they are",
            weights_left_as_they_are,
            "The first step is missing: replace each matrix by its orthonormal factor Q before "
            "anything is measured.",
        ),
        Mistake(
            "signs never fixed",
            lsuv_signs_never_fixed,
            "The signs of Q's columns are left to the library. Multiply each column by the sign of "
            "its entry on R's diagonal, so that Q is the only one with a positive diagonal of R.",
        ),
        Mistake(
            "layers not in sequence",
            layers_not_in_sequence,
            "The layers below are used before they were rescaled. Go from the first to the last: "
            "each layer is measured on what the finished layers pass on.",
        ),
        Mistake(
            "activation left out",
            activation_left_out,
            "The layers below pass on z. What the next layer gets is h = f(z).",
        ),
        Mistake(
            "mean square to one",
            mean_square_to_one,
            "The mean square is brought to 1. The variance is E[z²] − E[z]²: take the mean away.",
        ),
        Mistake(
            "each unit by itself",
            each_unit_by_itself,
            "Each column is rescaled by its own unit's variance, and the columns are no longer of "
            "one length. One number a layer: the variance over all samples and units.",
        ),
    ),
    honest=(lsuv_with_products, lsuv_by_gram_and_schmidt, lsuv_in_place_on_copies),
)


UNIT = Unit(
    key="07_initialization",
    title="Initialization",
    exercises=(
        FANS,
        FORWARD_VARIANCE,
        BACKWARD_VARIANCE,
        LECUN,
        XAVIER,
        HE,
        ORTHOGONAL,
        LSUV,
    ),
)
