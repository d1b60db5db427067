"""Unit 04_schedules: the rate as a function of the step, the range test's choice, early stopping.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from course import schedulers as reference
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, item, unpack

# --- how a schedule is tried -----------------------------------------------------------------


def play_rates(schedule: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Ask a schedule for its rate at each of these steps."""
    for t in inputs["t"]:
        yield f"the rate at t = {t}", schedule(t, **inputs["hyper"])


def rates_case(part: str, title: str, t: Sequence[float], /, **hyper: Any) -> Case:
    """Return a case that asks for the rate at each of these steps."""
    return Case(part, title, {"t": list(t), "hyper": hyper})


def one_of(rng: np.random.Generator, *values: float) -> float:
    """Draw one of these numbers, as a plain Python number."""
    return float(rng.choice(values))


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw a whole number from low to high, both included."""
    return int(rng.integers(low, high + 1))


INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")
FRACTIONS = Part("fractions", 1, "a t that counts epochs, with fractions")
WHOLE_STEPS = Part("steps", 2, "the rate at several steps")


# --- step ------------------------------------------------------------------------------------


def step_without_the_floor(t, *, lr, factor=0.5, every):
    return lr * factor ** (t / every)


def step_cut_one_step_late(t, *, lr, factor=0.5, every):
    cuts = 0
    while t > (cuts + 1) * every:
        cuts += 1
    return lr * factor**cuts


def step_cut_one_step_early(t, *, lr, factor=0.5, every):
    return lr * factor ** ((t + 1) // every)


def step_cut_only_once(t, *, lr, factor=0.5, every):
    return lr if t < every else lr * factor


def step_at_the_multiples_only(t, *, lr, factor=0.5, every):
    if t % every == 0:
        lr = lr * factor
    return lr


def step_share_taken_away(t, *, lr, factor=0.5, every):
    return lr * (1 - factor) ** (t // every)


def step_factor_times_the_count(t, *, lr, factor=0.5, every):
    cuts = t // every
    return lr if cuts == 0 else lr * factor * cuts


def step_rounded(t, *, lr, factor=0.5, every):
    return lr * factor ** round(t / every)


def step_growing(t, *, lr, factor=0.5, every):
    return lr / factor ** (t // every)


def step_by_a_loop(t, *, lr, factor=0.5, every):
    rate = lr
    while t >= every:
        rate = rate * factor
        t = t - every
    return rate


def step_with_numpy(t, *, lr, factor=0.5, every):
    return lr * np.power(factor, np.floor(t / every))


def step_by_logarithms(t, *, lr, factor=0.5, every):
    return np.exp(np.log(lr) + int(t // every) * np.log(factor))


def step_cases(rng: np.random.Generator) -> Iterator[Case]:
    lr, n = one_of(rng, 0.2, 0.4, 0.8), whole(rng, 6, 12)
    factor = one_of(rng, 0.2, 0.3, 0.7)
    first = (0, n // 2 + 1, n - 1, n, n + 1)
    yield rates_case("first", "around the first cut", first, lr=lr, factor=factor, every=n)
    later = (2 * n - 1, 2 * n, 3 * n + 1, 5 * n)
    yield rates_case("later", "around later cuts", later, lr=lr, factor=factor, every=n)
    yield rates_case("later", "the factor left at its default", (n, 4 * n), lr=lr, every=n)
    length = one_of(rng, 1.5, 2.5)
    spots = (0.25, length - 0.25, length, 1.75 * length, 3 * length + 0.5)
    yield rates_case(
        "fractions", "t and every in epochs", spots, lr=lr, factor=factor, every=length
    )


STEP = Exercise(
    reference=reference.step,
    summary="the rate of step decay at step t",
    parts=(
        Part("first", 1.5, "up to the first cut and just after it"),
        Part("later", 1.5, "the later cuts"),
        FRACTIONS,
    ),
    cases=step_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "without the floor",
            step_without_the_floor,
            "The rate falls at every step: t/n is not rounded down. Between two cuts the number of "
            "cuts stays the same, ⌊t/n⌋, in code t // every.",
        ),
        Mistake(
            "cut one step late",
            step_cut_one_step_late,
            "At t = n the old rate still holds. The first n steps are t = 0 to n − 1, so the cut "
            "comes at t = n: compare with >=, or use t // every.",
        ),
        Mistake(
            "cut one step early",
            step_cut_one_step_early,
            "The cut comes at t = n − 1. t counts the steps already done and starts at 0: use "
            "⌊t/n⌋, without + 1.",
        ),
        Mistake(
            "cut only once",
            step_cut_only_once,
            "The rate is cut once and then stays. Every n steps it is multiplied again: the factor "
            "is raised to the number of cuts, ⌊t/n⌋.",
        ),
        Mistake(
            "cut at the multiples only",
            step_at_the_multiples_only,
            "Only where t is a multiple of n is the rate smaller; one step later it is γ₀ again. A "
            "schedule remembers nothing: count all cuts up to t, ⌊t/n⌋.",
        ),
        Mistake(
            "share taken away",
            step_share_taken_away,
            "You multiply by 1 − f. The factor says what is kept: with f = 0.3 a cut leaves 30 %. "
            "At f = 0.5 the two look alike.",
        ),
        Mistake(
            "factor times the count",
            step_factor_times_the_count,
            "The factor is multiplied by the number of cuts, so after the first cut the rate grows "
            "again. Several cuts multiply: f · f · ..., that is f to the power ⌊t/n⌋.",
        ),
        Mistake(
            "rounded",
            step_rounded,
            "t/n is rounded to the nearest whole number, so the first cut comes after half of the "
            "n steps. Round down: ⌊t/n⌋.",
        ),
        Mistake(
            "growing",
            step_growing,
            "The rate grows at each cut: it is divided by the factor. f lies below 1 and "
            "multiplies.",
        ),
    ),
    honest=(step_by_a_loop, step_with_numpy, step_by_logarithms),
)


# --- piecewise constant ----------------------------------------------------------------------


def old_rate_at_the_boundary(t, *, lrs, boundaries):
    for lr, boundary in zip(lrs, boundaries, strict=False):
        if t <= boundary:
            return lr
    return lrs[-1]


def boundaries_as_lengths(t, *, lrs, boundaries):
    end = 0
    for lr, length in zip(lrs, boundaries, strict=False):
        end = end + length
        if t < end:
            return lr
    return lrs[-1]


def rates_as_factors(t, *, lrs, boundaries):
    rate = lrs[0]
    for factor, boundary in zip(lrs[1:], boundaries, strict=True):
        if t >= boundary:
            rate = rate * factor
    return rate


def last_rate_never_used(t, *, lrs, boundaries):
    rate = lrs[0]
    for lr, boundary in zip(lrs, boundaries, strict=False):
        rate = lr
        if t < boundary:
            break
    return rate


def last_match_wins(t, *, lrs, boundaries):
    rate = lrs[-1]
    for i, boundary in enumerate(boundaries):
        if t < boundary:
            rate = lrs[i]
    return rate


def one_stretch_late(t, *, lrs, boundaries):
    rate = lrs[0]
    for lr, boundary in zip(lrs, boundaries, strict=False):
        if t >= boundary:
            rate = lr
    return rate


def piecewise_interpolated(t, *, lrs, boundaries):
    return float(np.interp(t, [0, *boundaries], lrs))


def piecewise_by_counting(t, *, lrs, boundaries):
    return lrs[sum(1 for boundary in boundaries if boundary <= t)]


def piecewise_by_searchsorted(t, *, lrs, boundaries):
    return lrs[int(np.searchsorted(boundaries, t, side="right"))]


def piecewise_from_the_end(t, *, lrs, boundaries):
    for i in reversed(range(len(boundaries))):
        if t >= boundaries[i]:
            return lrs[i + 1]
    return lrs[0]


def piecewise_by_select(t, *, lrs, boundaries):
    ends = np.append(np.asarray(boundaries, float), np.inf)
    return np.asarray(lrs)[np.argmax(t < ends)]


def piecewise_cases(rng: np.random.Generator) -> Iterator[Case]:
    ends = np.cumsum(rng.integers(6, 12, 3)).tolist()
    lrs = rng.permutation([0.5, 0.2, 0.1, 0.02]).tolist()
    middles = (0, ends[0] - 1, ends[0] + 2, ends[1] - 2, ends[1] + 3, ends[2] + 1, 4 * ends[2])
    yield rates_case("stretches", "inside four stretches", middles, lrs=lrs, boundaries=ends)
    one = {"lrs": lrs[:2], "boundaries": ends[:1]}
    yield rates_case("stretches", "a single boundary", (ends[0] - 3, ends[0] + 3), **one)
    spots = (ends[0], ends[0] + 1, ends[1], ends[2])
    yield rates_case("boundaries", "at each boundary", spots, lrs=lrs, boundaries=ends)


PIECEWISE = Exercise(
    reference=reference.piecewise_constant,
    summary="the rate of a piecewise constant schedule at step t",
    parts=(
        Part("stretches", 2, "inside the stretches"),
        Part("boundaries", 1.5, "at the boundaries"),
        INPUTS,
    ),
    cases=piecewise_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "old rate at the boundary",
            old_rate_at_the_boundary,
            "At a boundary you still have the old rate, as Keras does. Here the new rate holds "
            "from t = b on: the old one only while t < b.",
        ),
        Mistake(
            "boundaries as lengths",
            boundaries_as_lengths,
            "The boundaries are added up. They are steps counted from the start already, not the "
            "lengths of the stretches.",
        ),
        Mistake(
            "rates as factors",
            rates_as_factors,
            "The later rates are multiplied onto the first. They are rates, not factors: return "
            "the one of the stretch as it is.",
        ),
        Mistake(
            "last rate never used",
            last_rate_never_used,
            "After the last boundary the rate before it stays. There is one rate more than there "
            "are boundaries, and zip stops at the shorter list: the last one falls out.",
        ),
        Mistake(
            "last match wins",
            last_match_wins,
            "Your loop goes on after it has found the stretch, and a later boundary overwrites it. "
            "Return at the first boundary with t < b.",
        ),
        Mistake(
            "one stretch late",
            one_stretch_late,
            "The rates come one stretch late: from boundary number i on, counted from 0, the rate "
            "is lrs[i + 1]. The first rate holds before the first boundary.",
        ),
        Mistake(
            "interpolated",
            piecewise_interpolated,
            "The rate slides from one value to the next. Piecewise constant means that it stays "
            "until a boundary and jumps there.",
        ),
    ),
    honest=(
        piecewise_by_counting,
        piecewise_by_searchsorted,
        piecewise_from_the_end,
        piecewise_by_select,
    ),
)


# --- exponential -----------------------------------------------------------------------------


def exponential_to_base_ten(t, *, lr, k):
    return lr * 10 ** (-k * t)


def exponential_to_base_two(t, *, lr, k):
    return lr * 2 ** (-k * t)


def decay_as_the_factor(t, *, lr, k):
    return lr * k**t


def share_lost_at_each_step(t, *, lr, k):
    return lr * (1 - k) ** t


def exponential_growing(t, *, lr, k):
    return lr * np.exp(k * t)


def exponential_divided_by_k(t, *, lr, k):
    return lr * np.exp(-t / k)


def exponential_as_a_line(t, *, lr, k):
    return lr * (1 - k * t)


def exponential_with_math(t, *, lr, k):
    import math

    return lr * math.exp(-k * t)


def exponential_as_a_power(t, *, lr, k):
    return lr * np.exp(-k) ** t


def exponential_as_a_quotient(t, *, lr, k):
    return lr / np.exp(t * k)


def exponential_in_float32(t, *, lr, k):
    scale = np.float64(np.float32(1.0))
    return np.exp(np.log(lr * scale) - k * t)


def exponential_cases(rng: np.random.Generator) -> Iterator[Case]:
    lr, k = one_of(rng, 0.1, 0.3, 0.6), one_of(rng, 0.02, 0.03, 0.05)
    steps = (0, 1, whole(rng, 5, 20), whole(rng, 30, 60), 100)
    yield rates_case("steps", "along the way", steps, lr=lr, k=k)
    spots = (0.5, 1.25, 2 + one_of(rng, 0.25, 0.75), 6.5)
    yield rates_case("fractions", "t in epochs", spots, lr=lr, k=10 * k)


EXPONENTIAL = Exercise(
    reference=reference.exponential,
    summary="the rate of exponential decay at step t",
    parts=(WHOLE_STEPS, FRACTIONS),
    cases=exponential_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "to base ten",
            exponential_to_base_ten,
            "Your base is 10, as in the form γ₀ · 0.1^(t/s). With e the rate falls to a tenth "
            "after ln(10)/k steps, not after 1/k.",
        ),
        Mistake(
            "to base two",
            exponential_to_base_two,
            "Your base is 2: the rate halves every 1/k steps. With e it halves every ln(2)/k "
            "steps.",
        ),
        Mistake(
            "decay as the factor",
            decay_as_the_factor,
            "k is taken for the factor of a step. The factor is e⁻ᵏ, close to 1 for a small k; "
            "torch's ExponentialLR asks for that factor, this exercise for k.",
        ),
        Mistake(
            "share lost at each step",
            share_lost_at_each_step,
            "You multiply by 1 − k at each step. That is close to e⁻ᵏ for a small k, and the "
            "difference adds up: after t steps the rate is γ₀ e⁻ᵏᵗ.",
        ),
        Mistake(
            "growing",
            exponential_growing,
            "The rate grows: the minus sign in e⁻ᵏᵗ is missing.",
        ),
        Mistake(
            "divided by k",
            exponential_divided_by_k,
            "You divide t by k. k is a decay a step and multiplies t; what divides t would be a "
            "time, 1/k.",
        ),
        Mistake(
            "as a line",
            exponential_as_a_line,
            "The rate falls along a line, which crosses 0 after 1/k steps. 1 − kt is only the "
            "beginning of e⁻ᵏᵗ.",
        ),
    ),
    honest=(
        exponential_with_math,
        exponential_as_a_power,
        exponential_as_a_quotient,
        exponential_in_float32,
    ),
)


# --- 1/t -------------------------------------------------------------------------------------


def inverse_without_parentheses(t, *, lr, k):
    return lr / 1 + k * t


def inverse_without_k(t, *, lr, k):
    return lr / (1 + t)


def inverse_divided_by_k(t, *, lr, k):
    return lr / (1 + t / k)


def inverse_of_the_root(t, *, lr, k):
    return lr / np.sqrt(1 + k * t)


def inverse_as_a_line(t, *, lr, k):
    return lr * (1 - k * t)


def decay_on_the_decayed_rate(t, *, lr, k):
    for i in range(1, int(t) + 1):
        lr = lr / (1 + k * i)
    return lr


def inverse_of_a_power(t, *, lr, k):
    return lr / (1 + k) ** t


def inverse_with_a_power(t, *, lr, k):
    return lr * (1 + k * t) ** -1


def inverse_by_its_reciprocal(t, *, lr, k):
    slowness = 1 / lr + k * t / lr
    return 1 / slowness


def inverse_with_numpy(t, *, lr, k):
    return np.divide(lr, np.add(1.0, np.multiply(k, t)))


def inverse_times_k(t, *, lr, k):
    return (lr / k) / (1 / k + t)


def inverse_cases(rng: np.random.Generator) -> Iterator[Case]:
    lr, k = one_of(rng, 0.1, 0.3, 0.6), one_of(rng, 0.02, 0.05, 0.1)
    steps = (0, 1, whole(rng, 4, 12), whole(rng, 30, 60), 200)
    yield rates_case("steps", "along the way", steps, lr=lr, k=k)
    spots = (0.5, 1.25, 2 + one_of(rng, 0.25, 0.75), 6.5)
    yield rates_case("fractions", "t in epochs", spots, lr=lr, k=10 * k)


INVERSE_TIME = Exercise(
    reference=reference.inverse_time,
    summary="the rate of 1/t decay at step t",
    parts=(WHOLE_STEPS, FRACTIONS),
    cases=inverse_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "without parentheses",
            inverse_without_parentheses,
            "lr / 1 + k * t adds kt to the rate, which then grows. The whole 1 + kt stands below "
            "the line: put it in parentheses.",
        ),
        Mistake(
            "without k",
            inverse_without_k,
            "k is missing: with 1 + t the rate is halved after the very first step. Here it is "
            "halved after 1/k steps.",
        ),
        Mistake(
            "divided by k",
            inverse_divided_by_k,
            "You divide t by k. k is a decay a step and multiplies t: 1 + kt.",
        ),
        Mistake(
            "of the root",
            inverse_of_the_root,
            "A root is taken of 1 + kt, so the rate falls like 1/√t. 1/t decay divides by "
            "1 + kt itself.",
        ),
        Mistake(
            "as a line",
            inverse_as_a_line,
            "The rate falls along a line and crosses 0 after 1/k steps. 1/(1 + kt) falls fast at "
            "first, then ever slower, and never reaches 0.",
        ),
        Mistake(
            "decay on the decayed rate",
            decay_on_the_decayed_rate,
            "Each step divides the rate that was already divided before. γ₀ is the rate at the "
            "start: divide it once, by 1 + kt.",
        ),
        Mistake(
            "of a power",
            inverse_of_a_power,
            "(1 + k)ᵗ in the denominator is exponential decay in disguise. In 1/t decay k "
            "multiplies t: 1 + kt.",
        ),
    ),
    honest=(
        inverse_with_a_power,
        inverse_by_its_reciprocal,
        inverse_with_numpy,
        inverse_times_k,
    ),
)


# --- power -----------------------------------------------------------------------------------


def power_of_t_over_s_only(t, *, lr, s, c=1.0):
    return lr / (1 + (t / s) ** c)


def power_to_the_end(t, *, lr, s, c=1.0):
    return lr * max(0.0, 1 - t / s) ** c


def power_as_a_product(t, *, lr, s, c=1.0):
    return lr / ((1 + t / s) * c)


def power_ignored(t, *, lr, s, c=1.0):
    return lr / (1 + t / s)


def power_with_s_as_a_decay(t, *, lr, s, c=1.0):
    return lr / (1 + s * t) ** c


def power_growing(t, *, lr, s, c=1.0):
    return lr * (1 + t / s) ** c


def power_in_stairs(t, *, lr, s, c=1.0):
    return lr / (1 + t // s) ** c


def power_with_a_negative_exponent(t, *, lr, s, c=1.0):
    return lr * (1 + t / s) ** -c


def power_by_logarithms(t, *, lr, s, c=1.0):
    return lr * np.exp(-c * np.log1p(t / s))


def power_by_scaling(t, *, lr, s, c=1.0):
    return lr * (s / (s + t)) ** c


def power_with_numpy(t, *, lr, s, c=1.0):
    return np.divide(lr, np.power(1 + t / s, c))


def power_cases(rng: np.random.Generator) -> Iterator[Case]:
    lr, s = one_of(rng, 0.2, 0.4, 0.8), whole(rng, 12, 30)
    steps = (0, 1, s // 2, s, 2 * s + whole(rng, 3, 7), 8 * s)
    yield rates_case("steps", "along the way", steps, lr=lr, s=s, c=one_of(rng, 0.5, 0.7, 2.0))
    spots = (0.5, 1.25, 2 + one_of(rng, 0.25, 0.75), 7.5)
    yield rates_case("fractions", "t and s in epochs, c at its default", spots, lr=lr, s=1.5)


POWER = Exercise(
    reference=reference.power,
    summary="the rate of a power schedule at step t",
    parts=(WHOLE_STEPS, FRACTIONS),
    cases=power_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "power of t/s only",
            power_of_t_over_s_only,
            "Only t/s is raised to the power. The whole bracket is: (1 + t/s)ᶜ. With c = 1 the two "
            "look alike.",
        ),
        Mistake(
            "to the end",
            power_to_the_end,
            "This is torch's PolynomialLR, γ₀(1 − t/s)ᶜ, which is 0 after s steps. The power "
            "schedule divides by (1 + t/s)ᶜ and never ends.",
        ),
        Mistake(
            "as a product",
            power_as_a_product,
            "c is multiplied. It is the exponent: (1 + t/s) ** c.",
        ),
        Mistake(
            "ignored",
            power_ignored,
            "c is never used: this is 1/t decay with k = 1/s. Raise 1 + t/s to the power c.",
        ),
        Mistake(
            "s as a decay",
            power_with_s_as_a_decay,
            "s multiplies t. It is a time, counted in steps, and divides t: after s steps 1 + t/s "
            "is 2.",
        ),
        Mistake(
            "growing",
            power_growing,
            "The rate grows: divide by (1 + t/s)ᶜ, or use the exponent −c.",
        ),
        Mistake(
            "in stairs",
            power_in_stairs,
            "The rate falls in stairs, because t // s rounds down. The schedule is smooth: t / s.",
        ),
    ),
    honest=(
        power_with_a_negative_exponent,
        power_by_logarithms,
        power_by_scaling,
        power_with_numpy,
    ),
)


# --- cosine ----------------------------------------------------------------------------------


def cosine_of_a_full_period(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return lr_min + (lr - lr_min) * (1 + np.cos(2 * np.pi * t / steps)) / 2


def cosine_not_halved(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return lr_min + (lr - lr_min) * (1 + np.cos(np.pi * t / steps))


def cosine_rising_again(t, *, lr, steps, lr_min=0.0):
    return lr_min + (lr - lr_min) * (1 + np.cos(np.pi * t / steps)) / 2


def cosine_on_top_of_the_floor(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return lr_min + lr * (1 + np.cos(np.pi * t / steps)) / 2


def cosine_without_the_floor(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return lr * (1 + np.cos(np.pi * t / steps)) / 2


def cosine_cut_off_at_the_floor(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return max(lr_min, lr * (1 + np.cos(np.pi * t / steps)) / 2)


def cosine_upwards(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return lr_min + (lr - lr_min) * (1 - np.cos(np.pi * t / steps)) / 2


def quarter_of_a_cosine(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return lr_min + (lr - lr_min) * np.cos(np.pi * t / (2 * steps))


def cosine_zero_at_the_end(t, *, lr, steps, lr_min=0.0):
    if t > steps:
        return 0.0
    return lr_min + (lr - lr_min) * (1 + np.cos(np.pi * t / steps)) / 2


def cosine_in_degrees(t, *, lr, steps, lr_min=0.0):
    t = min(t, steps)
    return lr_min + (lr - lr_min) * (1 + np.cos(180 * t / steps)) / 2


def cosine_with_math(t, *, lr, steps, lr_min=0.0):
    import math

    if t >= steps:
        return lr_min
    return lr_min + 0.5 * (lr - lr_min) * (1 + math.cos(math.pi * t / steps))


def cosine_as_a_square(t, *, lr, steps, lr_min=0.0):
    share = min(t / steps, 1)
    return lr_min + (lr - lr_min) * np.cos(np.pi * share / 2) ** 2


def cosine_around_the_middle(t, *, lr, steps, lr_min=0.0):
    share = np.clip(t / steps, 0.0, 1.0)
    return (lr + lr_min) / 2 + (lr - lr_min) / 2 * np.cos(np.pi * share)


def cosine_by_mixing(t, *, lr, steps, lr_min=0.0):
    share = (1 + np.cos(np.pi * min(t, steps) / steps)) / 2
    return share * lr + (1 - share) * lr_min


def cosine_cases(rng: np.random.Generator) -> Iterator[Case]:
    lr, lr_min = one_of(rng, 0.2, 0.4, 0.8), one_of(rng, 0.02, 0.05)
    n = 4 * whole(rng, 8, 20)
    way = (0, 1, n // 4, n // 2, 3 * n // 4, n)
    yield rates_case("way", "down to 0", way, lr=lr, steps=n)
    floor = (0, n // 8, n // 2, n - 3, n)
    yield rates_case("floor", "down to lr_min", floor, lr=lr, steps=n, lr_min=lr_min)
    after = (n, n + 1, n + n // 2, 2 * n)
    yield rates_case("after", "after the last step", after, lr=lr, steps=n, lr_min=lr_min)


COSINE = Exercise(
    reference=reference.cosine,
    summary="the rate of cosine decay at step t",
    parts=(
        Part("way", 1.5, "the way down, with γ_min = 0"),
        Part("floor", 1.5, "the way down to another γ_min"),
        Part("after", 1, "what holds after T steps"),
    ),
    cases=cosine_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "a full period",
            cosine_of_a_full_period,
            "2πt/T runs through a whole period: the rate is lowest at half time and ends where it "
            "began. Half a period is enough: πt/T.",
        ),
        Mistake(
            "not halved",
            cosine_not_halved,
            "1 + cos runs from 2 to 0, so you start at twice the rate. Halve it: (1 + cos)/2 runs "
            "from 1 to 0.",
        ),
        Mistake(
            "rising again",
            cosine_rising_again,
            "After T steps the cosine turns up again, as in torch. Here the rate stays at γ_min: "
            "stop the share t/T at 1.",
        ),
        Mistake(
            "on top of the floor",
            cosine_on_top_of_the_floor,
            "The whole γ₀ is put on top of γ_min: you start at γ₀ + γ_min. What falls is only the "
            "part above the floor, γ₀ − γ_min.",
        ),
        Mistake(
            "without the floor",
            cosine_without_the_floor,
            "γ_min is never used: the rate falls to 0. Scale the cosine to γ₀ − γ_min and add "
            "γ_min.",
        ),
        Mistake(
            "cut off at the floor",
            cosine_cut_off_at_the_floor,
            "The rate falls towards 0 and is cut off at γ_min. The curve is to end at γ_min "
            "smoothly: scale it to γ₀ − γ_min and add γ_min.",
        ),
        Mistake(
            "upwards",
            cosine_upwards,
            "The rate rises from γ_min to γ₀: it is 1 + cos, not 1 − cos.",
        ),
        Mistake(
            "a quarter of a cosine",
            quarter_of_a_cosine,
            "This is a quarter of a period, cos(πt/2T): it falls fastest at the end. Half a "
            "cosine, (1 + cos(πt/T))/2, is flat at both ends.",
        ),
        Mistake(
            "zero at the end",
            cosine_zero_at_the_end,
            "After T steps your rate is 0, and training stands still. It stays at γ_min.",
        ),
        Mistake(
            "in degrees",
            cosine_in_degrees,
            "np.cos takes radians, not degrees: half a turn is π, not 180.",
        ),
    ),
    honest=(cosine_with_math, cosine_as_a_square, cosine_around_the_middle, cosine_by_mixing),
    scale=0.1,
)


# --- warm-up ---------------------------------------------------------------------------------


def warmup(t, schedule, *, steps, lr_start=0.0):
    """Return the rate at step t of a schedule with a warm-up before it."""
    return reference.warmup(schedule, steps=steps, lr_start=lr_start)(t)


def one_over_one_plus_t_over_ten(t):
    """Halve the rate 0.8 in ten steps, like 1/t."""
    return 0.8 / (1 + t / 10)


def six_tenths_minus_a_hundredth_of_t(t):
    """Fall from 0.6 along a line."""
    return max(0.6 - 0.01 * t, 0.1)


def clock_of_the_schedule_runs(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + (schedule(0) - lr_start) * t / steps
    return schedule(t)


def schedule_scaled(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + (schedule(t) - lr_start) * t / steps
    return schedule(t)


def ramp_to_a_moving_rate(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + (schedule(t) - lr_start) * t / steps
    return schedule(t - steps)


def joined_by_the_schedules_clock(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + (schedule(steps) - lr_start) * t / steps
    return schedule(t)


def share_of_the_schedule(t, schedule, *, steps, lr_start=0.0):
    return schedule(t) * min(1, t / steps)


def ramp_over_too_few_steps(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + (schedule(0) - lr_start) * t / (steps - 1)
    return schedule(t - steps)


def ramp_on_top_of_the_start(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + schedule(0) * t / steps
    return schedule(t - steps)


def ramp_from_zero(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return schedule(0) * t / steps
    return schedule(t - steps)


def ramp_one_step_ahead(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + (schedule(0) - lr_start) * (t + 1) / steps
    return schedule(t - steps)


def peak_held_for_ever(t, schedule, *, steps, lr_start=0.0):
    return lr_start + (schedule(0) - lr_start) * min(t / steps, 1)


def no_ramp(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start
    return schedule(t - steps)


def ramp_to_a_later_rate(t, schedule, *, steps, lr_start=0.0):
    if t < steps:
        return lr_start + (schedule(steps) - lr_start) * t / steps
    return schedule(t - steps)


def warmup_by_mixing(t, schedule, *, steps, lr_start=0.0):
    share = min(t / steps, 1.0)
    return (1 - share) * lr_start + share * schedule(max(t - steps, 0))


def warmup_with_interp(t, schedule, *, steps, lr_start=0.0):
    if t > steps:
        return schedule(t - steps)
    return np.interp(t, [0, steps], [lr_start, schedule(0)])


def warmup_as_a_new_schedule(t, schedule, *, steps, lr_start=0.0):
    def warmed(now):
        left = steps - now
        if left <= 0:
            return schedule(-left)
        return schedule(0) - (schedule(0) - lr_start) * left / steps

    return warmed(t)


def warmup_cases(rng: np.random.Generator) -> Iterator[Case]:
    first, second = one_over_one_plus_t_over_ten, six_tenths_minus_a_hundredth_of_t
    if rng.random() < 0.5:
        first, second = second, first
    n, start = whole(rng, 8, 16), one_of(rng, 0.12, 0.17, 0.22)

    ramp = (0, 1, n // 2, n - 1)
    yield rates_case("ramp", "during the warm-up", ramp, schedule=first, steps=n)
    hyper = {"schedule": second, "steps": n, "lr_start": start}
    yield rates_case("start", "a warm-up from lr_start", ramp, **hyper)
    after = (n, n + 1, n + whole(rng, 4, 9), 4 * n)
    yield rates_case("after", "after the warm-up", after, schedule=first, steps=n)
    across = (n - 2, n, n + 3, 3 * n)
    yield rates_case("after", "across its end, another schedule", across, schedule=second, steps=n)


WARMUP = Exercise(
    reference=warmup,
    summary="the rate at step t of a schedule with a linear warm-up before it",
    parts=(
        Part("ramp", 1.5, "the warm-up from 0"),
        Part("start", 1.5, "the warm-up from another first rate"),
        Part("after", 2, "the schedule after the warm-up"),
    ),
    cases=warmup_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "the schedule's clock runs",
            clock_of_the_schedule_runs,
            "After the warm-up you ask for s(t), so the rate jumps at t = T. The schedule starts "
            "when the warm-up is over: s(t − T).",
        ),
        Mistake(
            "the schedule scaled",
            schedule_scaled,
            "The schedule runs during the warm-up, and the ramp leads to its rate at that moment. "
            "Ramp up to s(0), and start the schedule's own clock after T steps: s(t − T).",
        ),
        Mistake(
            "ramp to a moving rate",
            ramp_to_a_moving_rate,
            "The ramp leads to s(t), which falls on the way. The schedule's clock has not started "
            "yet: the ramp climbs evenly to where the schedule begins, s(0).",
        ),
        Mistake(
            "joined by the schedule's clock",
            joined_by_the_schedules_clock,
            "The rate does not jump, but the schedule has run during the warm-up: the ramp leads "
            "to s(T), and s(t) follows. Ramp up to s(0), then go on with s(t − T).",
        ),
        Mistake(
            "share of the schedule",
            share_of_the_schedule,
            "The schedule runs from the start, multiplied by a growing share, and lr_start is "
            "never used. Ramp from γ_start to s(0), then let the schedule begin: s(t − T).",
        ),
        Mistake(
            "ramp over T − 1 steps",
            ramp_over_too_few_steps,
            "The ramp divides by T − 1 and arrives one step early. At t = T − 1 one step of the "
            "climb is left: divide by T.",
        ),
        Mistake(
            "ramp on top of the start",
            ramp_on_top_of_the_start,
            "The ramp climbs by all of s(0) on top of γ_start, and overshoots. What is left to "
            "climb is s(0) − γ_start.",
        ),
        Mistake(
            "ramp from zero",
            ramp_from_zero,
            "lr_start is never used. The ramp begins at γ_start: γ_start + (s(0) − γ_start) t/T.",
        ),
        Mistake(
            "ramp one step ahead",
            ramp_one_step_ahead,
            "The ramp uses (t + 1)/T, as some code does so that the very first step moves. Here "
            "the rate at t = 0 is γ_start: use t/T.",
        ),
        Mistake(
            "peak held for ever",
            peak_held_for_ever,
            "After the warm-up the rate stays at s(0). From there on the schedule decides: "
            "s(t − T).",
        ),
        Mistake(
            "no ramp",
            no_ramp,
            "The rate waits at γ_start and then jumps. A warm-up rises evenly: γ_start + "
            "(s(0) − γ_start) t/T.",
        ),
        Mistake(
            "ramp to a later rate",
            ramp_to_a_later_rate,
            "The ramp leads to s(T). The schedule's clock has not started yet: the ramp ends "
            "where the schedule begins, at s(0).",
        ),
    ),
    honest=(warmup_by_mixing, warmup_with_interp, warmup_as_a_new_schedule),
    scale=0.1,
)


# --- 1cycle ----------------------------------------------------------------------------------


def one_cycle_lr_as_the_first_rate(
    t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4
):
    rates = [lr, lr * div_factor, lr, lr / final_div_factor]
    return np.interp(t, [0, rise * steps, 2 * rise * steps, steps], rates)


def one_cycle_last_rate_from_the_peak(
    t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4
):
    first = lr / div_factor
    rates = [first, lr, first, lr / final_div_factor]
    return np.interp(t, [0, rise * steps, 2 * rise * steps, steps], rates)


def one_cycle_down_to_the_very_end(
    t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4
):
    first = lr / div_factor
    return np.interp(t, [0, rise * steps, steps], [first, lr, first / final_div_factor])


def one_cycle_without_the_last_phase(
    t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4
):
    first = lr / div_factor
    return np.interp(t, [0, rise * steps, 2 * rise * steps], [first, lr, first])


def one_cycle_falling_on(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first, top, bottom = lr / div_factor, rise * steps, 2 * rise * steps
    if t < bottom:
        return first + (lr - first) * (1 - abs(t - top) / top)
    last = first / final_div_factor
    return first + (last - first) * (t - bottom) / (steps - bottom)


def one_cycle_along_cosines(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first = lr / div_factor
    corners = [0, rise * steps, 2 * rise * steps, steps]
    rates = [first, lr, first, first / final_div_factor]
    for i in range(3):
        if t < corners[i + 1]:
            share = (t - corners[i]) / (corners[i + 1] - corners[i])
            return rates[i] + (rates[i + 1] - rates[i]) * (1 - np.cos(np.pi * share)) / 2
    return rates[-1]


def one_cycle_peak_in_the_middle(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first = lr / div_factor
    return np.interp(t, [0, steps / 2, steps], [first, lr, first / final_div_factor])


def one_cycle_jumping_back(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first, top = lr / div_factor, rise * steps
    if t < top:
        return first + (lr - first) * t / top
    if t < 2 * top:
        return lr + (first - lr) * (t - top) / top
    return first / final_div_factor


def one_cycle_last_phase_cut_off(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first, top = lr / div_factor, rise * steps
    last = first / final_div_factor
    if t < 2 * top:
        return first + (lr - first) * (1 - abs(t - top) / top)
    if t < steps:
        return first + (last - first) * (t - 2 * top) / top
    return last


def one_cycle_up_from_zero(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first = lr / div_factor
    rates = [0, lr, first, first / final_div_factor]
    return np.interp(t, [0, rise * steps, 2 * rise * steps, steps], rates)


def one_cycle_by_phases(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first = lr / div_factor
    last = first / final_div_factor
    top, bottom = rise * steps, 2 * rise * steps
    if t < top:
        return first + (lr - first) * t / top
    if t < bottom:
        return lr - (lr - first) * (t - top) / top
    if t < steps:
        return first - (first - last) * (t - bottom) / (steps - bottom)
    return last


def one_cycle_with_interp(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    corners = np.array([0.0, rise, 2 * rise, 1.0]) * steps
    shares = np.array([1.0, div_factor, 1.0, 1.0 / final_div_factor])
    return np.interp(t, corners, shares * lr / div_factor)


def one_cycle_as_a_tent(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    first, share = lr / div_factor, min(t / steps, 1.0)
    if share <= 2 * rise:
        return first + (lr - first) * (1 - abs(share - rise) / rise)
    left = (1 - share) / (1 - 2 * rise)
    return first * (left + (1 - left) / final_div_factor)


def one_cycle_cases(rng: np.random.Generator) -> Iterator[Case]:
    n, lr = 100 * whole(rng, 1, 3), one_of(rng, 0.5, 1.0, 2.0)
    rise = one_of(rng, 0.2, 0.3, 0.4)
    hyper = {"lr": lr, "steps": n, "rise": rise}
    hyper |= {"div_factor": one_of(rng, 5.0, 10.0), "final_div_factor": one_of(rng, 20.0, 50.0)}
    top = round(rise * n)
    yield rates_case("up", "on the way up", (0, top // 3, top // 2, top), **hyper)
    plain = {"lr": lr, "steps": n}
    yield rates_case("up", "on the way up, with the defaults", (0, 9 * n // 40), **plain)
    down = (top + 5, top + top // 2, 2 * top - 4, 2 * top)
    yield rates_case("down", "on the way down", down, **hyper)
    last = (2 * top + 5, n - 7, n)
    yield rates_case("last", "in the last phase", last, **hyper)
    yield rates_case("last", "in the last phase, with the defaults", (n - n // 20, n), **plain)
    yield rates_case("after", "after the last step", (n + 1, n + 20, 2 * n), **hyper)


ONE_CYCLE = Exercise(
    reference=reference.one_cycle,
    summary="the rate of the 1cycle schedule at step t",
    parts=(
        Part("up", 1.5, "the way up to the peak"),
        Part("down", 1.5, "the way back"),
        Part("last", 2, "the last phase"),
        Part("after", 1, "what holds after T steps"),
    ),
    cases=one_cycle_cases,
    run=play_rates,
    mistakes=(
        Mistake(
            "lr as the first rate",
            one_cycle_lr_as_the_first_rate,
            "You start at γ₀ and climb to d times γ₀. Here γ₀ is the peak, the rate that a range "
            "test finds: start at γ₀/d.",
        ),
        Mistake(
            "last rate from the peak",
            one_cycle_last_rate_from_the_peak,
            "The last rate is the peak divided by e. It is the first rate divided by e: γ₀/(de).",
        ),
        Mistake(
            "down to the very end",
            one_cycle_down_to_the_very_end,
            "The way down takes all the steps that are left: that is torch's default, two phases. "
            "Here there are three: down to γ₀/d in rT steps, then to γ₀/(de).",
        ),
        Mistake(
            "without the last phase",
            one_cycle_without_the_last_phase,
            "After the way down the rate stays at γ₀/d. A third phase takes it from there to "
            "γ₀/(de), evenly, in the (1 − 2r)T steps that are left.",
        ),
        Mistake(
            "falling on",
            one_cycle_falling_on,
            "After T steps your line goes on falling, below 0 in the end. The rate stays at its "
            "last value, γ₀/(de).",
        ),
        Mistake(
            "along cosines",
            one_cycle_along_cosines,
            "You join the corners by half cosines, as torch does by default. Here they are joined "
            "by straight lines.",
        ),
        Mistake(
            "peak in the middle",
            one_cycle_peak_in_the_middle,
            "Your peak is at half time, and rise is never used. The peak comes after rT steps, the "
            "way back takes as long, and the rest is the last phase.",
        ),
        Mistake(
            "jumping back",
            one_cycle_jumping_back,
            "After the way down your rate drops to γ₀/(de) at once. The last phase goes there "
            "evenly, along a line.",
        ),
        Mistake(
            "last phase as long as the others",
            one_cycle_last_phase_cut_off,
            "Your last line is made for rT steps, as the first two are. What is left is "
            "(1 − 2r)T steps: divide by that.",
        ),
        Mistake(
            "up from zero",
            one_cycle_up_from_zero,
            "The way up starts at 0. It starts at γ₀/d, where the way back ends too.",
        ),
    ),
    honest=(one_cycle_by_phases, one_cycle_with_interp, one_cycle_as_a_tent),
    scale=0.1,
)


# --- plateau ---------------------------------------------------------------------------------


def metrics(rng: np.random.Generator, pattern: str) -> list[float]:
    """Return metrics that improve (<), equal the best (=), improve a little (-) or are worse (>).

    In a row of worse ones each is better than the one before, and none better than the best.
    """
    best, height, values = float(rng.uniform(4, 5)), 0.0, []
    for kind in pattern:
        if kind == ">":
            height = height * float(rng.uniform(0.7, 0.9)) or float(rng.uniform(0.6, 0.9))
            values.append(best + height)
            continue
        height = 0.0
        if kind == "<":
            best -= float(rng.uniform(0.2, 0.3))
        values.append(best - float(rng.uniform(0.01, 0.02)) if kind == "-" else best)
    return [round(value, 4) for value in values]


def play_metrics(rule: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Show a rule one metric after the other, handing on its state; end with a look at that."""
    state = inputs["state"]
    for number, metric in enumerate(inputs["metrics"], start=1):
        rate, state = unpack(rule(metric, state, **inputs["hyper"]), "rate", "state")
        yield f"the rate after update {number}", rate
    for key in ("lr", "best", "bad"):
        yield f"state[{key!r}] after the last update", item(state, "the state", key)


def plateau(metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0):
    """Return the rate to go on with, and the state, after one more metric."""
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def plateau_against_the_last(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    bad = 0 if metric < best - min_delta else bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": metric, "bad": bad}


def plateau_one_update_late(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad > patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def count_kept_after_a_cut(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
        if bad >= patience:
            rate = max(rate * factor, lr_min)
    return rate, {"lr": rate, "best": best, "bad": bad}


def count_kept_after_an_improvement(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best = metric
    else:
        bad = bad + 1
        if bad >= patience:
            rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def equal_counts_as_better(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric <= best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def plateau_without_min_delta(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def plateau_without_a_floor(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = rate * factor, 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def best_forgotten_at_a_cut(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, best, bad = max(rate * factor, lr_min), float("inf"), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def cut_from_the_first_rate(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(lr * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def min_delta_on_the_wrong_side(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best + min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def plateau_with_a_relative_min_delta(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best * (1 - min_delta):
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def plateau_with_a_creeping_best(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    bad = 0 if metric < best - min_delta else bad + 1
    best = min(best, metric)
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def the_first_rate_again(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = lr, state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def plateau_first_metric_as_bad(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        state = {"lr": lr, "best": metric, "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}


def plateau_on_a_copy_of_the_state(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    state = {"lr": lr, "best": np.inf, "bad": 0} if state is None else dict(state)
    state["bad"] += 1
    if state["best"] - metric > min_delta:
        state["best"] = metric
        state["bad"] = 0
    elif state["bad"] == patience:
        state["lr"] = max(lr_min, factor * state["lr"])
        state["bad"] = 0
    return state["lr"], state


def plateau_without_a_best_at_first(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    if state is None:
        return lr, {"lr": lr, "best": metric, "bad": 0}
    if metric < state["best"] - min_delta:
        return state["lr"], {**state, "best": metric, "bad": 0}
    if state["bad"] + 1 < patience:
        return state["lr"], {**state, "bad": state["bad"] + 1}
    rate = np.maximum(state["lr"] * factor, lr_min)
    return rate, {**state, "lr": rate, "bad": 0}


def plateau_counting_down(
    metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0
):
    rate, best, left = lr, float("inf"), patience
    if state is not None:
        rate, best, left = state["lr"], state["best"], patience - state["bad"]
    better = metric < best - min_delta
    best = metric if better else best
    left = patience if better else left - 1
    if left == 0:
        rate, left = max(rate * factor, lr_min), patience
    return rate, {"lr": rate, "best": best, "bad": patience - left}


def plateau_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, pattern: str, state: Any = None, **hyper: Any) -> Case:
        hyper = {"lr": lr, "factor": factor, "patience": patience} | hyper
        inputs = {"metrics": metrics(rng, pattern), "state": state, "hyper": hyper}
        return Case(part, title, inputs)

    lr, factor, patience = one_of(rng, 0.1, 0.2, 0.4), one_of(rng, 0.3, 0.5), whole(rng, 2, 3)
    row = ">" * patience
    yield case("cuts", "two cuts", "<<" + row[:-1] + "<" + row + row + ">")
    yield case("cuts", "an improvement between bad updates", "<" + row[:-1] + "<" + row[:-1] + "<>")
    yield case("cuts", "bad updates from the start", "<" + row)
    yield case("cuts", "metrics that equal the best", "<" + "=" * (patience + 1))
    state = {"lr": lr * factor, "best": 4.0, "bad": patience - 1}
    yield case("resume", "going on, with one more bad update", ">", state | {"best": 3.5})
    yield case("resume", "going on, with an improvement", "<" + row, state | {"best": 6.0})
    yield case(
        "limits", "improvements below min_delta", "<-" + "=" * patience + ">", min_delta=0.05
    )
    yield case("limits", "min_delta and metrics near the best", "<==<=<", min_delta=0.05)
    large = {"metrics": [7.0, 6.9, 6.8], "state": {"lr": lr, "best": 8.0, "bad": 0}}
    large["hyper"] = {"lr": lr, "factor": factor, "patience": patience, "min_delta": 0.05}
    yield Case("limits", "large metrics: min_delta is no share of them", large)
    floor = lr * factor * one_of(rng, 0.6, 0.8)
    yield case("limits", "down to lr_min", "<" + row + row + row, lr_min=floor)


PLATEAU = Exercise(
    reference=plateau,
    summary="the rate of a plateau schedule after one more metric",
    parts=(
        Part("cuts", 2.5, "counting and cutting"),
        Part("resume", 1.5, "going on from a state in mid-training"),
        Part("limits", 1.5, "min_delta and lr_min"),
        INPUTS,
    ),
    cases=plateau_cases,
    run=play_metrics,
    mistakes=(
        Mistake(
            "against the last",
            plateau_against_the_last,
            "Each metric is compared with the one before. A loss that jumps up and creeps back "
            "then looks like progress: compare with the best so far, and change that only when it "
            "is beaten.",
        ),
        Mistake(
            "one update late",
            plateau_one_update_late,
            "The cut comes after patience + 1 bad updates, as in torch. Here patience is the "
            "number of bad updates that is enough: bad >= patience.",
        ),
        Mistake(
            "count kept after a cut",
            count_kept_after_a_cut,
            "The count goes on after a cut, so every further bad update cuts again. Set it to 0: "
            "the new rate deserves as much patience as the old one.",
        ),
        Mistake(
            "count kept after an improvement",
            count_kept_after_an_improvement,
            "An improvement does not set the count back to 0. Patience is about bad updates in a "
            "row.",
        ),
        Mistake(
            "equal counts as better",
            equal_counts_as_better,
            "A metric that equals the best counts as an improvement, so on a perfect plateau the "
            "rate is never cut. It must be lower: <, not <=.",
        ),
        Mistake(
            "without min_delta",
            plateau_without_min_delta,
            "Every improvement counts, however small. It must beat the best by more than "
            "min_delta: m < best − δ.",
        ),
        Mistake(
            "without a floor",
            plateau_without_a_floor,
            "The rate falls below lr_min. Take the larger of the two: max(γf, γ_min).",
        ),
        Mistake(
            "best forgotten at a cut",
            best_forgotten_at_a_cut,
            "A cut forgets the best metric, so the next one counts as an improvement whatever it "
            "is. Only the count starts again.",
        ),
        Mistake(
            "cut from the first rate",
            cut_from_the_first_rate,
            "Each cut takes the first rate times the factor, so the second cut changes nothing. "
            'Cut the rate of now, state["lr"].',
        ),
        Mistake(
            "min_delta on the wrong side",
            min_delta_on_the_wrong_side,
            "δ is added to the best, so even a slightly worse metric counts as an improvement. An "
            "improvement must go below best − δ.",
        ),
        Mistake(
            "the first metric as bad",
            plateau_first_metric_as_bad,
            "The first metric is compared with itself and counts as bad. It is an improvement: "
            "begin with a best of infinity, or return early.",
        ),
        Mistake(
            "min_delta as a share",
            plateau_with_a_relative_min_delta,
            "δ is taken as a share of the best, best·(1 − δ), as torch does by default. Here it is "
            "an amount: m < best − δ.",
        ),
        Mistake(
            "best without an improvement",
            plateau_with_a_creeping_best,
            "A metric that is lower by less than δ becomes the best, although it does not improve. "
            "Small steps then never add up to an improvement: change the best only with one.",
        ),
        Mistake(
            "the first rate again",
            the_first_rate_again,
            "Every update starts from lr, the rate to begin with, so a cut is forgotten at the "
            'next metric. After the first metric the rate of now is state["lr"].',
        ),
    ),
    honest=(
        plateau_on_a_copy_of_the_state,
        plateau_without_a_best_at_first,
        plateau_counting_down,
    ),
)


# --- the range test's choice -----------------------------------------------------------------


def choose_rate(rates, losses):
    """Return a tenth of the rate with the lowest finite loss."""
    return float(rates[int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))]) / 10


def rate_of_the_lowest_loss(rates, losses):
    return rates[np.nanargmin(losses)]


def steepest_fall(rates, losses):
    good = np.isfinite(losses)
    return rates[np.argmin(np.diff(losses[good]))]


def last_rate_before_divergence(rates, losses):
    good = np.flatnonzero(losses <= losses[0])
    return rates[good[-1]]


def nan_taken_for_the_lowest(rates, losses):
    return rates[np.argmin(losses)] / 10


def first_turn(rates, losses):
    for i in range(len(losses) - 1):
        if losses[i + 1] > losses[i]:
            return rates[i] / 10
    return rates[-1] / 10


def ten_places_before(rates, losses):
    return rates[np.nanargmin(losses) - 10]


def one_place_before(rates, losses):
    return rates[np.nanargmin(losses) - 1]


def tenth_of_the_last_rate(rates, losses):
    return rates[-1] / 10


def choice_by_a_loop(rates, losses):
    best, lowest = None, float("inf")
    for rate, loss in zip(rates, losses, strict=True):
        if loss < lowest:
            best, lowest = rate, loss
    return best / 10


def choice_by_nanargmin(rates, losses):
    return 0.1 * rates[np.nanargmin(losses)]


def choice_by_sorting(rates, losses):
    return rates[np.argsort(losses)[0]] / 10


def choice_of_finite_losses(rates, losses):
    finite = np.isfinite(losses)
    return rates[finite][losses[finite].argmin()] / 10


def play_choice(choose: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Ask for the rate that these curves suggest, one after the other."""
    for number, (rates, losses) in enumerate(inputs["curves"], start=1):
        yield f"the rate chosen from curve {number}", choose(rates, losses)


def range_curve(rng: np.random.Generator, end: Sequence[float]) -> tuple[Any, Any]:
    """Return rates and losses: level with a bump, a fall, a lowest point, then up and this end."""
    level = 2.3 + 0.01 * np.arange(8)[::-1] + np.where(np.arange(8) == 3, 0.1, 0.0)
    fall = 2.2 - np.cumsum(rng.permutation([0.1, 0.2, 0.5, 0.3, 0.2, 0.1, 0.05]))
    rise = fall[-1] + np.cumsum(rng.uniform(0.05, 0.1, 2))
    losses = np.concatenate([level, fall, rise, [5.0], end])
    factor = rng.uniform(1.5, 2.2)
    return 1e-4 * factor ** np.arange(len(losses)), losses


def choice_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, *ends: Sequence[float]) -> Case:
        return Case(part, title, {"curves": [range_curve(rng, end) for end in ends]})

    nan = float("nan")
    yield case("choice", "curves that go up at the end", (9.0, 30.0), (11.0,))
    yield case(
        "diverged", "curves that end in infinity or NaN", (np.inf, nan, nan), (40.0, nan, nan)
    )


CHOOSE_RATE = Exercise(
    reference=choose_rate,
    summary="the rate that a range test suggests",
    parts=(
        Part("choice", 2, "the choice from a curve"),
        Part("diverged", 1.5, "a curve that ends in infinity or NaN"),
        INPUTS,
    ),
    cases=choice_cases,
    run=play_choice,
    mistakes=(
        Mistake(
            "the rate of the lowest loss",
            rate_of_the_lowest_loss,
            "You return the rate of the lowest loss itself. It lies past the edge already: what "
            "grows there was tiny at first. Take a tenth of it.",
        ),
        Mistake(
            "the steepest fall",
            steepest_fall,
            "You take the rate at which the loss falls fastest, as fastai does. Here it is a tenth "
            "of the rate with the lowest loss.",
        ),
        Mistake(
            "the last rate before divergence",
            last_rate_before_divergence,
            "You take the last rate before the loss runs away. Trained with it from the start, the "
            "network diverges: take a tenth of the rate with the lowest loss.",
        ),
        Mistake(
            "NaN taken for the lowest",
            nan_taken_for_the_lowest,
            "np.argmin takes NaN for the lowest number. Leave out losses that are not finite, for "
            "example with np.nanargmin.",
        ),
        Mistake(
            "the first turn",
            first_turn,
            "You stop where the loss rises for the first time. A range test is noisy: look for the "
            "lowest loss of the whole curve.",
        ),
        Mistake(
            "ten places before",
            ten_places_before,
            "You go ten places back in the list. A tenth of the rate is meant: neighbours differ "
            "by any factor, so divide the rate by 10.",
        ),
        Mistake(
            "one place before",
            one_place_before,
            "You go one place back in the list. That is a tenth only where the rates grow by 10; "
            "they grow by any factor, so divide the rate by 10.",
        ),
        Mistake(
            "a tenth of the last rate",
            tenth_of_the_last_rate,
            "You take a tenth of the rate at which the test ended. How far it goes beyond the edge "
            "is chance: start from the rate with the lowest loss.",
        ),
    ),
    honest=(choice_by_a_loop, choice_by_nanargmin, choice_by_sorting, choice_of_finite_losses),
)


# --- early stopping --------------------------------------------------------------------------


def play_epochs(rule: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Show a rule each epoch's metric and parameters, handing on its state; end with the state."""
    state = inputs["state"]
    for number, (metric, theta) in enumerate(inputs["epochs"], start=1):
        stop, state = unpack(rule(metric, theta, state, **inputs["hyper"]), "stop", "state")
        yield f"stop after update {number}", stop
    for key in ("best", "theta", "bad"):
        yield f"state[{key!r}] after the last update", item(state, "the state", key)


def early_stopping(metric, theta, state=None, *, patience=10, min_delta=0.0):
    """Return whether to stop, and the state, after one more epoch."""
    if state is None or metric < state["best"] - min_delta:
        return False, {"best": metric, "theta": np.array(theta), "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {**state, "bad": bad}


def last_parameters_kept(metric, theta, state=None, *, patience=10, min_delta=0.0):
    state = state or {"best": float("inf"), "theta": theta, "bad": 0}
    best, bad = state["best"], state["bad"] + 1
    if metric < best - min_delta:
        best, bad = metric, 0
    return bad >= patience, {"best": best, "theta": theta, "bad": bad}


def first_parameters_kept(metric, theta, state=None, *, patience=10, min_delta=0.0):
    state = state or {"best": float("inf"), "theta": theta, "bad": 0}
    best, bad = state["best"], state["bad"] + 1
    if metric < best - min_delta:
        best, bad = metric, 0
    return bad >= patience, {"best": best, "theta": state["theta"], "bad": bad}


def stopping_against_the_last(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None or metric < state["best"] - min_delta:
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": metric, "theta": state["theta"], "bad": bad}


def stopping_one_epoch_late(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None or metric < state["best"] - min_delta:
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad > patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def stopping_never_forgives(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None:
        return False, {"best": metric, "theta": theta, "bad": 0}
    if metric < state["best"] - min_delta:
        return False, {"best": metric, "theta": theta, "bad": state["bad"]}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def stopping_with_equal_as_better(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None or metric <= state["best"] - min_delta:
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def stopping_without_min_delta(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None or metric < state["best"]:
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def stopping_with_min_delta_on_the_wrong_side(
    metric, theta, state=None, *, patience=10, min_delta=0.0
):
    if state is None or metric < state["best"] + min_delta:
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def stopping_with_a_relative_min_delta(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None or metric < state["best"] * (1 - min_delta):
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def stopping_with_a_creeping_best(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None or metric < state["best"] - min_delta:
        return False, {"best": metric, "theta": theta, "bad": 0}
    best, bad = min(metric, state["best"]), state["bad"] + 1
    return bad >= patience, {"best": best, "theta": state["theta"], "bad": bad}


def watching_for_the_highest(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None or metric > state["best"] + min_delta:
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def first_epoch_as_bad(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None:
        state = {"best": metric, "theta": theta, "bad": 0}
    if metric < state["best"] - min_delta:
        return False, {"best": metric, "theta": theta, "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}


def stopping_with_infinity_at_first(metric, theta, state=None, *, patience=10, min_delta=0.0):
    if state is None:
        state = {"best": float("inf"), "theta": None, "bad": 0}
    best, kept, bad = state["best"], state["theta"], state["bad"]
    if metric < best - min_delta:
        best, kept, bad = metric, theta.copy(), 0
    else:
        bad = bad + 1
    stop = bad >= patience
    return stop, {"best": best, "theta": kept, "bad": bad}


def stopping_on_a_copy(metric, theta, state=None, *, patience=10, min_delta=0.0):
    import copy

    state = copy.deepcopy(state) or {"best": np.inf, "bad": 0}
    state["bad"] += 1
    if state["best"] - metric > min_delta:
        state.update(best=metric, theta=theta, bad=0)
    return state["bad"] == patience, state


def stopping_in_one_expression(metric, theta, state=None, *, patience=10, min_delta=0.0):
    better = state is None or metric + min_delta < state["best"]
    new = {
        "best": metric if better else state["best"],
        "theta": np.copy(theta if better else state["theta"]),
        "bad": 0 if better else 1 + state["bad"],
    }
    return bool(new["bad"] >= patience), new


def stopping_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, pattern: str, state: Any = None, **hyper: Any) -> Case:
        seen = [(metric, rng.normal(size=3)) for metric in metrics(rng, pattern)]
        hyper = {"patience": patience} | hyper
        return Case(part, title, {"epochs": seen, "state": state, "hyper": hyper})

    patience = whole(rng, 2, 3)
    row = ">" * patience
    yield case("stop", "a pause, then an end", "<<" + row[:-1] + "<" + row)
    yield case("stop", "bad epochs from the start", "<" + row)
    yield case("stop", "metrics that equal the best", "<<" + "=" * patience)
    yield case("keep", "the best in the middle", "<<>")
    small = "<-" + "=" * (patience - 1)
    yield case("keep", "improvements below min_delta", small, min_delta=0.05)
    equal = "<" + "=" * (patience - 1) + "<="
    yield case("keep", "min_delta and metrics that equal the best", equal, min_delta=0.05)
    large = {"best": 8.0, "theta": rng.normal(size=3), "bad": 0}
    epochs = [(metric, rng.normal(size=3)) for metric in (7.0, 6.9, 6.8)]
    hyper = {"patience": patience, "min_delta": 0.05}
    title = "large metrics: min_delta is no share of them"
    yield Case("keep", title, {"epochs": epochs, "state": large, "hyper": hyper})
    state = {"best": 3.0, "theta": rng.normal(size=3), "bad": patience - 1}
    yield case("resume", "going on, with one more bad epoch", ">", state)
    yield case("resume", "going on, with an improvement", "<>", state | {"best": 6.0})


EARLY_STOPPING = Exercise(
    reference=early_stopping,
    summary="whether to stop after one more epoch, and what to remember",
    parts=(
        Part("stop", 2, "when it stops"),
        Part("keep", 1.5, "which parameters it keeps"),
        Part("resume", 1, "going on from a state in mid-training"),
        INPUTS,
    ),
    cases=stopping_cases,
    run=play_epochs,
    mistakes=(
        Mistake(
            "the last parameters kept",
            last_parameters_kept,
            "The parameters of every epoch are kept, so at the end you have the last ones. Keep "
            "them only when the metric is a new best.",
        ),
        Mistake(
            "the first parameters kept",
            first_parameters_kept,
            "The kept parameters are those of the first epoch: an improvement must replace them "
            "together with the best metric.",
        ),
        Mistake(
            "against the last",
            stopping_against_the_last,
            "Each metric is compared with the one before. Compare it with the best so far, and "
            "change that only when it is beaten.",
        ),
        Mistake(
            "one epoch late",
            stopping_one_epoch_late,
            "It stops after patience + 1 bad epochs. Patience is the number that is enough: "
            "bad >= patience.",
        ),
        Mistake(
            "never forgives",
            stopping_never_forgives,
            "An improvement does not set the count back to 0. Patience is about bad epochs in a "
            "row, not in all.",
        ),
        Mistake(
            "equal counts as better",
            stopping_with_equal_as_better,
            "A metric that equals the best counts as an improvement, so on a perfect plateau "
            "training never stops. It must be lower: <, not <=.",
        ),
        Mistake(
            "without min_delta",
            stopping_without_min_delta,
            "Every improvement counts, however small. It must beat the best by more than "
            "min_delta: m < best − δ.",
        ),
        Mistake(
            "watching for the highest",
            watching_for_the_highest,
            "You wait for the metric to rise. That fits an accuracy; here it is a loss, and lower "
            "is better.",
        ),
        Mistake(
            "the first epoch as bad",
            first_epoch_as_bad,
            "The first metric is compared with itself and counts as bad. It is an improvement: "
            "begin with a best of infinity, or return early.",
        ),
        Mistake(
            "min_delta on the wrong side",
            stopping_with_min_delta_on_the_wrong_side,
            "δ is added to the best, so even a slightly worse metric counts as an improvement. An "
            "improvement must go below best − δ.",
        ),
        Mistake(
            "min_delta as a share",
            stopping_with_a_relative_min_delta,
            "δ is taken as a share of the best, best·(1 − δ). Here it is an amount: m < best − δ.",
        ),
        Mistake(
            "best without an improvement",
            stopping_with_a_creeping_best,
            "A metric that is lower by less than δ becomes the best, although its parameters are "
            "not kept. Change best and theta together, and only with an improvement.",
        ),
    ),
    honest=(
        stopping_with_infinity_at_first,
        stopping_on_a_copy,
        stopping_in_one_expression,
    ),
)


# --- the loop that brings the best weights back ----------------------------------------------


def best_weights(theta, updates, losses, *, patience):
    """Return the parameters of the lowest loss before early stopping, and the epochs trained."""
    state, epochs = None, 0
    for update, loss in zip(updates, losses, strict=True):
        theta, epochs = theta + update, epochs + 1
        stop, state = early_stopping(loss, theta, state, patience=patience)
        if stop:
            break
    return (theta if state is None else state["theta"]), epochs


def weights_remembered_by_reference(theta, updates, losses, *, patience):
    theta = theta.copy()
    best, bad, epochs = float("inf"), 0, 0
    for update, loss in zip(updates, losses, strict=True):
        theta += update
        epochs += 1
        if loss < best:
            best, best_theta, bad = loss, theta, 0
        else:
            bad += 1
        if bad >= patience:
            break
    return best_theta, epochs


def weights_before_the_update(theta, updates, losses, *, patience):
    best, bad, epochs = float("inf"), 0, 0
    for update, loss in zip(updates, losses, strict=True):
        epochs += 1
        if loss < best:
            best, best_theta, bad = loss, theta, 0
        else:
            bad += 1
        if bad >= patience:
            break
        theta = theta + update
    return best_theta, epochs


def trained_to_the_end(theta, updates, losses, *, patience):
    best, epochs = float("inf"), 0
    for update, loss in zip(updates, losses, strict=True):
        theta, epochs = theta + update, epochs + 1
        if loss < best:
            best, best_theta = loss, theta
    return best_theta, epochs


def weights_with_equal_as_better(theta, updates, losses, *, patience):
    best, bad, epochs = float("inf"), 0, 0
    for update, loss in zip(updates, losses, strict=True):
        theta, epochs = theta + update, epochs + 1
        if loss <= best:
            best, best_theta, bad = loss, theta, 0
        else:
            bad += 1
        if bad >= patience:
            break
    return best_theta, epochs


def weights_never_forgiven(theta, updates, losses, *, patience):
    best, bad, epochs = float("inf"), 0, 0
    for update, loss in zip(updates, losses, strict=True):
        theta, epochs = theta + update, epochs + 1
        if loss < best:
            best, best_theta = loss, theta
        else:
            bad += 1
        if bad >= patience:
            break
    return best_theta, epochs


def stopped_an_epoch_late(theta, updates, losses, *, patience):
    best, bad, epochs = float("inf"), 0, 0
    for update, loss in zip(updates, losses, strict=True):
        theta, epochs = theta + update, epochs + 1
        if loss < best:
            best, best_theta, bad = loss, theta, 0
        else:
            bad += 1
        if bad > patience:
            break
    return best_theta, epochs


def epochs_of_the_best(theta, updates, losses, *, patience):
    best, bad, epochs = float("inf"), 0, 0
    for i, (update, loss) in enumerate(zip(updates, losses, strict=True), start=1):
        theta = theta + update
        if loss < best:
            best, best_theta, bad, epochs = loss, theta, 0, i
        else:
            bad += 1
        if bad >= patience:
            break
    return best_theta, epochs


def epochs_counted_from_zero(theta, updates, losses, *, patience):
    best, bad = float("inf"), 0
    for epoch, (update, loss) in enumerate(zip(updates, losses, strict=True)):  # noqa: B007
        theta = theta + update
        if loss < best:
            best, best_theta, bad = loss, theta, 0
        else:
            bad += 1
        if bad >= patience:
            break
    return best_theta, epoch


def weights_copied(theta, updates, losses, *, patience):
    theta = np.array(theta)
    best, bad, epochs = np.inf, 0, 0
    for update, loss in zip(updates, losses, strict=True):
        theta += update
        epochs += 1
        if loss < best:
            best, best_theta, bad = loss, theta.copy(), 0
        else:
            bad += 1
            if bad == patience:
                break
    return best_theta, epochs


def weights_by_index(theta, updates, losses, *, patience):
    best = 0
    epochs = len(losses)
    for i in range(1, len(losses)):
        if losses[i] < losses[best]:
            best = i
        if i - best == patience:
            epochs = i + 1
            break
    return theta + np.sum(updates[: best + 1], axis=0), epochs


def weights_of_every_epoch(theta, updates, losses, *, patience):
    history = theta + np.cumsum(updates, axis=0)
    lows = [int(np.argmin(losses[: i + 1])) for i in range(len(losses))]
    late = [i for i, low in enumerate(lows) if i - low >= patience]
    last = late[0] if late else len(losses) - 1
    return history[lows[last]], last + 1


def play_training(train: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Run one training and look at what it brings back."""
    theta, epochs = unpack(train(**inputs), "theta", "epochs")
    yield "theta, of the best epoch", theta
    yield "the number of epochs trained", epochs


def training_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, pattern: str, **dtype: Any) -> Case:
        losses = metrics(rng, pattern)
        inputs = {
            "theta": rng.normal(size=3).astype(**dtype),
            "updates": rng.normal(size=(len(losses), 3)).astype(**dtype),
            "losses": losses,
            "patience": patience,
        }
        return Case(part, title, inputs)

    patience = whole(rng, 2, 3)
    row, number = ">" * patience, {"dtype": np.float64}
    pauses = 2 * ("<" + row[:-1])
    yield case("restore", "a stop after the best", "<" + pauses + "<" + row + "><<", **number)
    yield case("restore", "a stop, and a better one too late", "<<" + row + "<" + row, **number)
    title = "losses that equal the best, and a lower one too late"
    yield case("restore", title, "<<" + "=" * patience + row + "<", **number)
    yield case("end", "no stop: all epochs", "<<>" + "<" * patience + ">", **number)
    yield case("dtype", "in float32", "<<" + row + ">", dtype=np.float32)


BEST_WEIGHTS = Exercise(
    reference=best_weights,
    summary="training that stops early and brings the best parameters back",
    parts=(
        Part("restore", 2, "stops, and returns the best parameters"),
        Part("end", 1, "no stop before the last epoch"),
        Part("dtype", 0.5, "float32 in, float32 out", kind="dtype"),
        INPUTS,
    ),
    cases=training_cases,
    run=play_training,
    mistakes=(
        Mistake(
            "the last parameters brought back",
            weights_remembered_by_reference,
            "You return the parameters of the last epoch, not those of the best. If you did keep "
            "the best: best = theta gives the array a second name and copies nothing, so that the "
            "next theta += ... changes both. Keep theta.copy().",
        ),
        Mistake(
            "the parameters before the update",
            weights_before_the_update,
            "You remember the parameters of one epoch too early. losses[e] is measured after "
            "updates[e]: add first, then compare.",
        ),
        Mistake(
            "trained to the end",
            trained_to_the_end,
            "patience is never used: training goes through all epochs. Stop after so many bad "
            "epochs in a row; a lower loss later is never seen.",
        ),
        Mistake(
            "equal counts as better",
            weights_with_equal_as_better,
            "A loss that equals the best counts as an improvement. It must be lower: <, not <=.",
        ),
        Mistake(
            "never forgives",
            weights_never_forgiven,
            "An improvement does not set the count back to 0. Patience is about bad epochs in a "
            "row, not in all.",
        ),
        Mistake(
            "stopped an epoch late",
            stopped_an_epoch_late,
            "It stops after patience + 1 bad epochs. Patience is the number that is enough: "
            "bad >= patience.",
        ),
        Mistake(
            "the epochs of the best",
            epochs_of_the_best,
            "You return the epoch of the best loss. Asked is how many epochs were trained: it was "
            "patience epochs more before you could know.",
        ),
        Mistake(
            "epochs counted from zero",
            epochs_counted_from_zero,
            "The number of epochs is one too small: after the loop's first turn one epoch is "
            "trained.",
        ),
    ),
    honest=(weights_copied, weights_by_index, weights_of_every_epoch),
)


UNIT = Unit(
    key="04_schedules",
    title="Schedules",
    exercises=(
        STEP,
        PIECEWISE,
        EXPONENTIAL,
        INVERSE_TIME,
        POWER,
        COSINE,
        WARMUP,
        ONE_CYCLE,
        PLATEAU,
        CHOOSE_RATE,
        EARLY_STOPPING,
        BEST_WEIGHTS,
    ),
)
