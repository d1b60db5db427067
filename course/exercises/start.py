"""Unit 00_start: the mean and the variance of a batch, and a toy to try the checks on.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, unpack

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


# --- the mean and the variance of a batch ----------------------------------------------------


def mean_and_variance(x: Array) -> tuple[Array, Array]:
    """Return the mean and the 1/N variance of each feature of a batch."""
    return x.mean(axis=0), x.var(axis=0)


def play_moments(moments: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Look at the mean, the variance or both, as the case asks."""
    seen = dict(
        zip(("mean", "variance"), unpack(moments(inputs["x"]), "mean", "variance"), strict=True)
    )
    for name in inputs["look_at"]:
        yield f"the {name}", seen[name]


def moments_cases(rng: np.random.Generator) -> Iterator[Case]:
    def batch(samples: int, features: int) -> Array:
        means = rng.choice([-1.0, 1.0], features) * rng.uniform(1.5, 3.0, features)
        spread = np.tile(np.linspace(-2.0, 2.0, samples), (features, 1))
        rows = rng.permuted(spread, axis=1).T + rng.uniform(-0.2, 0.2, (samples, features))
        return means + rng.uniform(1.0, 2.0, features) * rows

    def inputs(x: Array, *look_at: str) -> dict[str, Any]:
        return {"x": x, "look_at": list(look_at)}

    yield Case("mean", "the means of 5 samples", inputs(batch(5, 3), "mean"))
    yield Case("mean", "the means of as many samples as features", inputs(batch(4, 4), "mean"))
    yield Case("variance", "the variances of 5 samples", inputs(batch(5, 3), "variance"))
    square = batch(4, 4)
    square[:, 1] = 1.5
    yield Case("variance", "4 samples, one feature constant", inputs(square, "variance"))
    yield Case("variance", "a batch of one sample", inputs(batch(1, 2), "variance"))
    narrow = batch(6, 2).astype(np.float32)
    yield Case("dtype", "a batch in float32", inputs(narrow, "mean", "variance"))


def divided_by_n_minus_1(x):
    return x.mean(axis=0), x.var(axis=0, ddof=1)


def one_pair_per_sample(x):
    return x.mean(axis=1), x.var(axis=1)


def one_pair_for_all(x):
    return x.mean(), x.var()


def an_axis_too_many(x):
    return x.mean(axis=0, keepdims=True), x.var(axis=0, keepdims=True)


def standard_deviation(x):
    return x.mean(axis=0), x.std(axis=0)


def mean_never_taken_away(x):
    return x.mean(axis=0), (x**2).mean(axis=0)


def mean_not_squared(x):
    mean = x.mean(axis=0)
    return mean, (x**2).mean(axis=0) - mean


def deviations_not_squared(x):
    mean = x.mean(axis=0)
    return mean, (x - mean).mean(axis=0)


def deviations_without_their_sign(x):
    mean = x.mean(axis=0)
    return mean, np.abs(x - mean).mean(axis=0)


def squares_only_added_up(x):
    mean = x.mean(axis=0)
    return mean, ((x - mean) ** 2).sum(axis=0)


def divided_by_the_features(x):
    features = x.shape[1]
    mean = x.sum(axis=0) / features
    return mean, ((x - mean) ** 2).sum(axis=0) / features


def variance_first(x):
    return x.var(axis=0), x.mean(axis=0)


def deviations_from_one_mean(x):
    return x.mean(axis=0), ((x - x.mean()) ** 2).mean(axis=0)


def mean_of_what_is_left(x):
    x = x - x.mean(axis=0)
    return x.mean(axis=0), x.var(axis=0)


def moments_from_deviations(x):
    mean = x.mean(axis=0)
    centred = x - mean
    return mean, (centred * centred).mean(axis=0)


def moments_by_loops(x):
    samples, features = x.shape
    mean, variance = np.zeros(features, x.dtype), np.zeros(features, x.dtype)
    for j in range(features):
        for i in range(samples):
            mean[j] += x[i, j] / samples
        for i in range(samples):
            variance[j] += (x[i, j] - mean[j]) ** 2 / samples
    return mean, variance


def moments_by_squares(x):
    mean = np.sum(x, axis=0) / len(x)
    return mean, np.sum(x**2, axis=0) / len(x) - mean**2


def moments_by_einsum(x):
    mean = np.einsum("ij->j", x) / x.shape[0]
    return mean, np.einsum("ij,ij->j", x - mean, x - mean) / x.shape[0]


def moments_sample_by_sample(x):
    mean, squares = np.zeros_like(x[0]), np.zeros_like(x[0])
    for count, sample in enumerate(x, start=1):
        away = sample - mean
        mean = mean + away / count
        squares = squares + away * (sample - mean)
    return mean, squares / len(x)


MEAN_AND_VARIANCE = Exercise(
    reference=mean_and_variance,
    summary="the mean and the 1/N variance of each feature of a batch",
    parts=(
        Part("mean", 1, "the mean of each feature"),
        Part("variance", 1, "the variance of each feature, with 1/N"),
        DTYPE,
        INPUTS,
    ),
    cases=moments_cases,
    run=play_moments,
    scale=1.0,  # a constant feature has the variance 0
    mistakes=(
        Mistake(
            "divided by N − 1",
            divided_by_n_minus_1,
            "The sum of squares is divided by N − 1. That is the estimate for a whole population "
            "from a sample; a network divides by N, and a batch of one then has the variance 0. "
            "In NumPy leave ddof at 0.",
        ),
        Mistake(
            "one pair per sample",
            one_pair_per_sample,
            "You average over the features of each sample. A row is a sample: go down the "
            "columns, axis=0, and get one number per feature.",
        ),
        Mistake(
            "one pair for everything",
            one_pair_for_all,
            "One mean and one variance for the whole array: features of different size are mixed. "
            "Say axis=0 to get one of each per feature.",
        ),
        Mistake(
            "an axis too many",
            an_axis_too_many,
            "The numbers are right, in the shape (1, features). Asked is (features,): leave out "
            "keepdims=True. Subtracting from x works without it as well.",
        ),
        Mistake(
            "standard deviation",
            standard_deviation,
            "This is the standard deviation, the root of the variance. Leave the root out.",
        ),
        Mistake(
            "mean never taken away",
            mean_never_taken_away,
            "This is the mean of the squares. The variance is the mean of the squared distances "
            "from the mean: subtract the mean before you square, or its square afterwards.",
        ),
        Mistake(
            "mean not squared",
            mean_not_squared,
            "You subtract the mean from the mean of the squares. It is its square that belongs "
            "there: the mean of x², minus (the mean of x)². The units tell: m² minus m cannot be.",
        ),
        Mistake(
            "deviations not squared",
            deviations_not_squared,
            "The distances from the mean are averaged without squares. Those above and below "
            "cancel, always, so the result is 0. Square first.",
        ),
        Mistake(
            "deviations without their sign",
            deviations_without_their_sign,
            "This is the mean absolute deviation. The variance squares the distances: far samples "
            "count more than near ones.",
        ),
        Mistake(
            "squares only added up",
            squares_only_added_up,
            "The squared distances are added up but never divided by N, so a larger batch has a "
            "larger result.",
        ),
        Mistake(
            "divided by the features",
            divided_by_the_features,
            "You divide by the number of features. N is the number of samples: x.shape[0], "
            "or len(x).",
        ),
        Mistake(
            "variance first",
            variance_first,
            "The two results have changed places: return the mean first, then the variance.",
        ),
        Mistake(
            "deviations from one mean",
            deviations_from_one_mean,
            "The distances are taken from one mean of the whole array. Every feature has its own: "
            "x.mean(axis=0).",
        ),
        Mistake(
            "mean of what is left",
            mean_of_what_is_left,
            "The mean is subtracted first and computed again: the mean of what is left is 0. "
            "Keep the first one in a variable and return that.",
        ),
    ),
    honest=(
        moments_from_deviations,
        moments_by_loops,
        moments_by_squares,
        moments_by_einsum,
        moments_sample_by_sample,
    ),
)


# --- a toy to try the checks on --------------------------------------------------------------


def doubled(x: Array) -> Array:
    """Return twice every number of an array."""
    return 2 * x


def doubled_cases(rng: np.random.Generator) -> Iterator[Case]:
    def sizes(count: int) -> Array:
        return np.round(rng.uniform(2.5, 9.5, count), 1)

    yield Case("above", "three numbers above 0", {"x": sizes(3)})
    yield Case("below", "two numbers below 0", {"x": -sizes(2)})
    yield Case("dtype", "two numbers in float32", {"x": sizes(2).astype(np.float32)})


def squared(x):
    return x**2


def two_added(x):
    return x + 2


DOUBLED = Exercise(
    reference=doubled,
    summary="twice every number of an array",
    parts=(
        Part("above", 1, "numbers above 0"),
        Part("below", 1, "numbers below 0"),
        DTYPE,
        INPUTS,
    ),
    cases=doubled_cases,
    mistakes=(
        Mistake(
            "squared",
            squared,
            "You square x. Twice x is 2x; the two agree only at 0 and at 2.",
        ),
        Mistake(
            "two added",
            two_added,
            "You add 2 to x. Twice x is 2x; the two agree only at 2.",
        ),
    ),
    honest=(),
)
"""Not graded and in no unit: the lesson shows every kind of verdict on it."""


UNIT = Unit(key="00_start", title="Start here", exercises=(MEAN_AND_VARIANCE,))
