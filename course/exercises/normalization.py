"""Unit 08_normalization: standardizing, batch norm and layer norm with their gradients, RMS norm.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from course import normalizers
from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, item, unpack

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")
EPS = (0.05, 0.1, 0.3)
"""Large enough that one in the wrong place shows."""


def as_float32(value: Any) -> Any:
    """Return the same with every floating array in float32, inside dicts and lists too."""
    if isinstance(value, Mapping):
        return {key: as_float32(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_float32(item) for item in value]
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(np.float32) if floating else value


def some_batch(rng: np.random.Generator, *shape: int) -> Array:
    """Return numbers of which every row and every column has its own mean and spread."""
    mean = rng.choice([-1.0, 1.0], shape[-1]) * rng.uniform(0.8, 2.0, shape[-1])
    spread = rng.uniform(0.6, 2.0, shape[-1])
    return mean + spread * rng.normal(size=shape)


def some_signed(rng: np.random.Generator, count: int) -> Array:
    """Return numbers of either sign, none near 0 or 1."""
    return rng.permutation(np.linspace(1.3, 2.4, count) * (-1.0) ** np.arange(count))


# --- standardizing ---------------------------------------------------------------------------


def play_standardize(standardize: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Measure and scale a training set, or scale a test set with moments that are given."""
    z, moments = unpack(standardize(inputs["x"], inputs["moments"]), "z", "moments")
    for name in inputs["look_at"]:
        yield name, z if name == "z" else item(moments, "the moments", name)


def standardize_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(x: Array, *look_at: str, moments: Any = None) -> dict[str, Any]:
        return {"x": x, "moments": moments, "look_at": list(look_at)}

    def given() -> dict[str, Array]:
        return {"mean": rng.uniform(-2.0, 2.0, 3), "std": rng.uniform(1.5, 3.0, 3)}

    yield Case("train", "a training set of 6 samples", inputs(some_batch(rng, 6, 3), "z"))
    measured = inputs(some_batch(rng, 5, 3), "mean", "std")
    yield Case("train", "the moments of 5 samples", measured)
    several = inputs(some_batch(rng, 4, 3), "z", "mean", "std", moments=given())
    yield Case("test", "a test set of 4 samples, with given moments", several)
    single = inputs(some_batch(rng, 1, 3), "z", moments=given())
    yield Case("test", "a single test sample, with given moments", single)
    flat = some_batch(rng, 4, 3)
    flat[:, 1] = 1.5
    yield Case("constant", "4 samples, one feature constant", inputs(flat, "z", "std"))
    tiny = some_batch(rng, 5, 3)
    tiny[:, 2] *= 1e-10
    yield Case("constant", "5 samples, one feature tiny but not constant", inputs(tiny, "z"))
    never = given()
    never["std"][2] = 0.0
    new = inputs(some_batch(rng, 4, 3), "z", moments=never)
    yield Case("constant", "a test set, one feature was constant in training", new)
    narrow = as_float32(inputs(some_batch(rng, 6, 2), "z", "mean", "std"))
    yield Case("dtype", "a training set in float32", narrow)
    narrow = as_float32(inputs(some_batch(rng, 5, 3), "z", moments=given()))
    yield Case("dtype", "a test set in float32", narrow)


def measured_again_on_the_test_set(x, moments=None):
    mean, std = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / np.where(std == 0, 1, std)
    return z, {"mean": mean, "std": std}


def divided_by_n_minus_1(x, moments=None):
    if moments is None:
        moments = {"mean": x.mean(axis=0), "std": x.std(axis=0, ddof=1)}
    std = np.where(moments["std"] == 0, 1, moments["std"])
    return (x - moments["mean"]) / std, moments


def each_sample_on_its_own(x, moments=None):
    if moments is None:
        mean, std = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
        return (x - mean) / std, {"mean": mean, "std": std}
    std = np.where(moments["std"] == 0, 1, moments["std"])
    return (x - moments["mean"]) / std, moments


def one_scale_for_all(x, moments=None):
    if moments is None:
        moments = {"mean": x.mean(), "std": x.std()}
    std = np.where(moments["std"] == 0, 1, moments["std"])
    return (x - moments["mean"]) / std, moments


def a_1_in_the_moments(x, moments=None):
    if moments is None:
        std = x.std(axis=0)
        moments = {"mean": x.mean(axis=0), "std": std + (std == 0)}
    std = np.where(moments["std"] == 0, 1, moments["std"])
    return (x - moments["mean"]) / std.astype(x.dtype), moments


def divided_by_zero(x, moments=None):
    if moments is None:
        moments = {"mean": x.mean(axis=0), "std": x.std(axis=0)}
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x - moments["mean"]) / moments["std"], moments


def divided_by_the_variance(x, moments=None):
    if moments is None:
        moments = {"mean": x.mean(axis=0), "std": x.var(axis=0)}
    std = np.where(moments["std"] == 0, 1, moments["std"])
    return (x - moments["mean"]) / std, moments


def a_little_added_to_std(x, moments=None):
    if moments is None:
        moments = {"mean": x.mean(axis=0), "std": x.std(axis=0)}
    return (x - moments["mean"]) / (moments["std"] + 1e-8), moments


def mean_left_in(x, moments=None):
    if moments is None:
        moments = {"mean": x.mean(axis=0), "std": x.std(axis=0)}
    return x / np.where(moments["std"] == 0, 1, moments["std"]), moments


def squeezed_between_0_and_1(x, moments=None):
    if moments is None:
        moments = {"mean": x.min(axis=0), "std": x.max(axis=0) - x.min(axis=0)}
    std = np.where(moments["std"] == 0, 1, moments["std"])
    return (x - moments["mean"]) / std, moments


def standardized_through_the_root(x, moments=None):
    if moments is None:
        mean = x.mean(axis=0)
        moments = {"mean": mean, "std": np.sqrt(((x - mean) ** 2).mean(axis=0))}
    std = moments["std"]
    return (x - moments["mean"]) / (std + (std == 0)), {**moments}


def standardized_by_columns(x, moments=None):
    if moments is None:
        mean, std = np.zeros_like(x[0]), np.zeros_like(x[0])
        for j in range(x.shape[1]):
            mean[j] = np.mean(x[:, j])
            std[j] = np.std(x[:, j])
        moments = {"mean": mean, "std": std}
    z = np.zeros_like(x)
    for j in range(x.shape[1]):
        z[:, j] = x[:, j] - moments["mean"][j]
        if moments["std"][j] > 0:
            z[:, j] /= moments["std"][j]
    return z, moments


def standardized_by_squares(x, moments=None):
    if moments is None:
        mean = np.sum(x, axis=0) / len(x)
        moments = {"mean": mean, "std": np.sqrt(np.sum(x**2, axis=0) / len(x) - mean**2)}
    scale = moments["std"].copy()
    scale[scale == 0] = 1
    return x / scale - moments["mean"] / scale, moments


STANDARDIZE = Exercise(
    reference=normalizers.standardize,
    summary="bring every feature to mean 0 and standard deviation 1, or to given moments",
    parts=(
        Part("train", 1.5, "measuring and scaling a training set"),
        Part("test", 1.5, "a test set, with the moments of the training set"),
        Part("constant", 1, "a feature that is constant"),
        DTYPE,
        INPUTS,
    ),
    cases=standardize_cases,
    run=play_standardize,
    scale=1.0,  # a constant feature becomes 0
    mistakes=(
        Mistake(
            "measured again on the test set",
            measured_again_on_the_test_set,
            "The moments that are given are not used: the test set is measured anew. It must be "
            "scaled with the mean and std of the training set, or the same patient has other "
            "numbers in other company. Measure only when moments is None.",
        ),
        Mistake(
            "divided by N − 1",
            divided_by_n_minus_1,
            "The standard deviation is the one with 1/(N − 1). Here, as in every normalization of "
            "this unit, it is the 1/N one: leave ddof at 0.",
        ),
        Mistake(
            "each sample on its own",
            each_sample_on_its_own,
            "Mean and std are taken along each sample. A column is a feature: go down the "
            "columns, axis=0, so that metres meet metres.",
        ),
        Mistake(
            "one scale for all features",
            one_scale_for_all,
            "One mean and one std for the whole array leave the features as unequal as they were. "
            "Every feature needs its own: axis=0.",
        ),
        Mistake(
            "a 1 in the moments",
            a_1_in_the_moments,
            "The moments say that the constant feature has std 1. They tell what was measured, and "
            "that was 0: put the 1 only where you divide.",
        ),
        Mistake(
            "divided by zero",
            divided_by_zero,
            "A feature that was constant has std 0, and 0/0 is NaN. Divide it by 1 instead: "
            "np.where(std == 0, 1, std).",
        ),
        Mistake(
            "divided by the variance",
            divided_by_the_variance,
            "You divide by the variance. Its unit is the square of the feature's: take the root, "
            "the standard deviation.",
        ),
        Mistake(
            "a little added to std",
            a_little_added_to_std,
            "A small number is added to std against a division by 0. It changes every feature a "
            "little, and blows a once constant one up a hundred million times on new data. Divide "
            "only those with std 0, and by 1.",
        ),
        Mistake(
            "mean left in",
            mean_left_in,
            "The mean is never subtracted: the features have std 1 now but not mean 0.",
        ),
        Mistake(
            "squeezed between 0 and 1",
            squeezed_between_0_and_1,
            "This is min-max scaling, which puts the smallest value at 0 and the largest at 1. "
            "Standardizing subtracts the mean and divides by the standard deviation.",
        ),
    ),
    honest=(
        standardized_through_the_root,
        standardized_by_columns,
        standardized_by_squares,
    ),
)


# --- batch norm in training ------------------------------------------------------------------


def batch_norm_train(
    x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return the batch normalized, and the mean and 1/N variance that did it."""
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def play_batch(train: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Look at the output, the moments or both, as the case asks."""
    asked = {key: value for key, value in inputs.items() if key != "look_at"}
    seen = dict(zip(("y", "mean", "var"), unpack(train(**asked), "y", "mean", "var"), strict=True))
    for name in inputs["look_at"]:
        yield name, seen[name]


def batch_norm_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(x: Array, *look_at: str, **hyper: float) -> dict[str, Any]:
        gamma, beta = some_signed(rng, x.shape[1]), some_signed(rng, x.shape[1])
        return {"x": x, "gamma": gamma, "beta": beta, **hyper, "look_at": list(look_at)}

    def large() -> float:
        return float(rng.choice(EPS))

    several = inputs(some_batch(rng, 6, 3), "y", eps=large())
    yield Case("output", "6 samples of 3 features", several)
    plain = inputs(some_batch(rng, 5, 4), "y")
    yield Case("output", "5 samples of 4 features, ε as it stands", plain)
    pair = inputs(some_batch(rng, 2, 3), "y", eps=large())
    yield Case("output", "a batch of two", pair)
    yield Case("moments", "the moments of 5 samples", inputs(some_batch(rng, 5, 3), "mean", "var"))
    flat = inputs(some_batch(rng, 4, 3), "y", eps=large())
    flat["x"][:, 1] = 1.5
    yield Case("constant", "4 samples, one feature constant", flat)
    narrow = as_float32(inputs(some_batch(rng, 6, 2), "y", "mean", "var", eps=large()))
    yield Case("dtype", "a batch in float32", narrow)


def over_the_features(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=1), x.var(axis=1)
    y = gamma * (x - mean[:, None]) / np.sqrt(var[:, None] + eps) + beta
    return y, mean, var


def over_everything(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(), x.var()
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def eps_outside_the_root(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / (np.sqrt(var) + eps) + beta, mean, var


def eps_left_out(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return gamma * (x - mean) / np.sqrt(var) + beta, mean, var


def eps_written_as_a_number(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(var + 1e-5) + beta, mean, var


def eps_squared(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(var + eps**2) + beta, mean, var


def batch_variance_with_n_minus_1(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0, ddof=1)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def another_variance_returned(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    y = gamma * (x - mean) / np.sqrt(var + eps) + beta
    return y, mean, x.var(axis=0, ddof=1)


def standard_deviation_returned(x, gamma, beta, *, eps=1e-5):
    mean, std = x.mean(axis=0), np.sqrt(x.var(axis=0) + eps)
    return gamma * (x - mean) / std + beta, mean, std


def root_of_the_variance_returned(x, gamma, beta, *, eps=1e-5):
    mean, std = x.mean(axis=0), x.std(axis=0)
    return gamma * (x - mean) / np.sqrt(std**2 + eps) + beta, mean, std


def eps_in_the_variance_returned(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0) + eps
    return gamma * (x - mean) / np.sqrt(var) + beta, mean, var


def batch_divided_by_the_variance(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / (var + eps) + beta, mean, var


def never_scaled_again(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return (x - mean) / np.sqrt(var + eps), mean, var


def shifted_before_scaling(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * ((x - mean) / np.sqrt(var + eps) + beta), mean, var


def batch_norm_step_by_step(x, gamma, beta, *, eps=1e-5):
    centred = x - x.mean(axis=0)
    var = (centred**2).mean(axis=0)
    x_hat = centred / (var + eps) ** 0.5
    return x_hat * gamma + beta, x.mean(axis=0), var


def batch_norm_by_loops(x, gamma, beta, *, eps=1e-5):
    samples, features = x.shape
    y, mean, var = np.zeros_like(x), np.zeros_like(gamma), np.zeros_like(gamma)
    for j in range(features):
        for n in range(samples):
            mean[j] += x[n, j] / samples
        for n in range(samples):
            var[j] += (x[n, j] - mean[j]) ** 2 / samples
        for n in range(samples):
            y[n, j] = gamma[j] * (x[n, j] - mean[j]) / np.sqrt(var[j] + eps) + beta[j]
    return y, mean, var


def batch_norm_as_one_line_of_slope_and_height(x, gamma, beta, *, eps=1e-5):
    mean = np.sum(x, axis=0) / len(x)
    var = np.sum(x * x, axis=0) / len(x) - mean * mean
    slope = gamma / np.sqrt(var + eps)
    return slope * x + (beta - slope * mean), mean, var


BATCH_NORM_TRAIN = Exercise(
    reference=batch_norm_train,
    summary="batch normalization of a training batch",
    parts=(
        Part("output", 2, "the normalized batch"),
        Part("moments", 1, "the mean and variance of the batch"),
        Part("constant", 1, "a feature that is constant in the batch"),
        DTYPE,
        INPUTS,
    ),
    cases=batch_norm_cases,
    run=play_batch,
    scale=1.0,
    mistakes=(
        Mistake(
            "over the features",
            over_the_features,
            "Mean and variance are taken along each sample: that is layer norm. Batch norm goes "
            "down the batch, axis=0, one mean and variance a feature.",
        ),
        Mistake(
            "over everything",
            over_everything,
            "One mean and one variance for the whole array. Every feature has its own, over the "
            "batch: axis=0.",
        ),
        Mistake(
            "eps outside the root",
            eps_outside_the_root,
            "You divide by σ + ε. The paper and the frameworks add ε to the variance, inside the "
            "root: √(σ² + ε). Where σ is small that is a different number.",
        ),
        Mistake(
            "eps left out",
            eps_left_out,
            "ε is not used. A feature that is constant in the batch has σ² = 0, and 0/0 is NaN: "
            "divide by √(σ² + ε).",
        ),
        Mistake(
            "eps written as a number",
            eps_written_as_a_number,
            "ε is written into the code as 1e-5, so the argument eps does nothing. Use eps.",
        ),
        Mistake(
            "eps squared",
            eps_squared,
            "Under the root stands σ² + ε, not σ² + ε²: ε is added to a variance as it is.",
        ),
        Mistake(
            "divided by N − 1",
            batch_variance_with_n_minus_1,
            "The variance is the one with 1/(N − 1). Batch norm divides by N: the batch itself "
            "then has variance 1. In NumPy leave ddof at 0.",
        ),
        Mistake(
            "another variance returned",
            another_variance_returned,
            "The output is right, the variance you return is the one with 1/(N − 1). That is what "
            "torch puts into its running moments; here it is the one that normalized the batch, "
            "with 1/N.",
        ),
        Mistake(
            "standard deviation returned",
            standard_deviation_returned,
            "The output is right, but the third result is √(σ² + ε). Asked is σ² itself, without "
            "ε and without the root: it is what the running moments average.",
        ),
        Mistake(
            "root of the variance returned",
            root_of_the_variance_returned,
            "The output is right, but the third result is σ. Asked is the variance σ²: it is what "
            "the running moments average.",
        ),
        Mistake(
            "eps in the variance returned",
            eps_in_the_variance_returned,
            "The output is right, but the variance you return has ε in it. Add ε only under the "
            "root: what the running moments average is σ² as it was measured.",
        ),
        Mistake(
            "divided by the variance",
            batch_divided_by_the_variance,
            "The root is missing: x − μ has the unit of x, so divide by √(σ² + ε).",
        ),
        Mistake(
            "never scaled again",
            never_scaled_again,
            "This is x̂. Batch norm goes on with γ x̂ + β, the scale and shift that are trained.",
        ),
        Mistake(
            "shifted before scaling",
            shifted_before_scaling,
            "β is added before γ multiplies, so it is scaled as well. The order is γ x̂ + β.",
        ),
    ),
    honest=(
        batch_norm_step_by_step,
        batch_norm_by_loops,
        batch_norm_as_one_line_of_slope_and_height,
    ),
)


# --- running moments -------------------------------------------------------------------------


def running_moments(
    x: Array,
    running: dict[str, Array] | None = None,
    *,
    training: bool,
    momentum: float = 0.9,
) -> dict[str, Array]:
    """Return the running moments after one more batch; a batch at inference leaves them alone."""
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    return {
        "mean": momentum * running["mean"] + (1 - momentum) * x.mean(axis=0),
        "var": momentum * running["var"] + (1 - momentum) * x.var(axis=0),
    }


def play_running(follow: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Show the batches one after another, each with what the one before has left."""
    running = inputs["running"]
    hyper = {key: inputs[key] for key in ("momentum",) if key in inputs}
    for number, (x, training) in enumerate(inputs["batches"], start=1):
        running = follow(x, running, training=training, **hyper)
        for name in ("mean", "var"):
            yield f"the {name} after batch {number}", item(running, "the running moments", name)


def running_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(plan: str, **more: Any) -> dict[str, Any]:
        batches = [[some_batch(rng, 5, 3), letter == "T"] for letter in plan]
        return {"batches": batches, "running": None, **more}

    def share() -> float:
        return float(rng.choice([0.6, 0.7, 0.8]))

    def middle() -> dict[str, Array]:
        return {"mean": some_signed(rng, 3), "var": rng.uniform(1.5, 3.0, 3)}

    yield Case("first", "the first batch", inputs("T", momentum=share()))
    yield Case("first", "the first batch, α as it stands", inputs("T"))
    yield Case("several", "four batches", inputs("TTTT", momentum=share()))
    resumed = inputs("TT", momentum=share(), running=middle())
    yield Case("several", "two batches, from moments in mid-training", resumed)
    tested = inputs("TTIT", momentum=share())
    yield Case("inference", "training, a test batch, training", tested)
    narrow = as_float32(inputs("TTT", momentum=share()))
    narrow["batches"] = [[x.astype(np.float32), training] for x, training in narrow["batches"]]
    yield Case("dtype", "three batches in float32", narrow)


def momentum_the_other_way_round(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    mean = (1 - momentum) * running["mean"] + momentum * x.mean(axis=0)
    var = (1 - momentum) * running["var"] + momentum * x.var(axis=0)
    return {"mean": mean, "var": var}


def learns_from_test_batches(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    mean = momentum * running["mean"] + (1 - momentum) * x.mean(axis=0)
    var = momentum * running["var"] + (1 - momentum) * x.var(axis=0)
    return {"mean": mean, "var": var}


def running_variance_with_n_minus_1(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    mean = momentum * running["mean"] + (1 - momentum) * x.mean(axis=0)
    var = momentum * running["var"] + (1 - momentum) * x.var(axis=0, ddof=1)
    return {"mean": mean, "var": var}


def standard_deviations_averaged(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    mean = momentum * running["mean"] + (1 - momentum) * x.mean(axis=0)
    var = momentum * running["var"] + (1 - momentum) * x.std(axis=0)
    return {"mean": mean, "var": var}


def starts_with_variance_0(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.zeros_like(x[0])}
    if not training:
        return running
    mean = momentum * running["mean"] + (1 - momentum) * x.mean(axis=0)
    var = momentum * running["var"] + (1 - momentum) * x.var(axis=0)
    return {"mean": mean, "var": var}


def starts_with_the_first_batch(x, running=None, *, training, momentum=0.9):
    if running is None:
        return {"mean": x.mean(axis=0), "var": x.var(axis=0)}
    if not training:
        return running
    mean = momentum * running["mean"] + (1 - momentum) * x.mean(axis=0)
    var = momentum * running["var"] + (1 - momentum) * x.var(axis=0)
    return {"mean": mean, "var": var}


def only_the_last_batch(x, running=None, *, training, momentum=0.9):
    if not training:
        return running
    return {"mean": x.mean(axis=0), "var": x.var(axis=0)}


def never_forgets_nor_weighs(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    mean = momentum * running["mean"] + x.mean(axis=0)
    var = momentum * running["var"] + x.var(axis=0)
    return {"mean": mean, "var": var}


def spread_about_the_running_mean(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    mean = momentum * running["mean"] + (1 - momentum) * x.mean(axis=0)
    spread = ((x - mean) ** 2).mean(axis=0)
    return {"mean": mean, "var": momentum * running["var"] + (1 - momentum) * spread}


def running_as_a_step_towards_the_batch(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    batch = {"mean": x.mean(axis=0), "var": x.var(axis=0)}
    return {k: running[k] + (1 - momentum) * (batch[k] - running[k]) for k in batch}


def running_in_place_on_copies(x, running=None, *, training, momentum=0.9):
    samples, features = x.shape
    if running is None:
        mean, var = np.zeros(features, x.dtype), np.ones(features, x.dtype)
    else:
        mean, var = running["mean"].copy(), running["var"].copy()
    if training:
        mean *= momentum
        mean += (1 - momentum) * x.sum(axis=0) / samples
        var *= momentum
        var += (1 - momentum) * ((x - x.mean(axis=0)) ** 2).sum(axis=0) / samples
    return {"mean": mean, "var": var}


def running_by_squares(x, running=None, *, training, momentum=0.9):
    if running is None:
        running = {"mean": 0 * x[0], "var": 0 * x[0] + 1}
    keep = momentum if training else 1
    mean = np.mean(x, axis=0)
    var = np.mean(x**2, axis=0) - mean**2
    new_mean = keep * running["mean"] + (1 - keep) * mean
    return {"mean": new_mean, "var": keep * running["var"] + (1 - keep) * var}


RUNNING_MOMENTS = Exercise(
    reference=running_moments,
    summary="the running mean and variance after one more batch",
    parts=(
        Part("first", 0.5, "the first batch, from 0 and 1"),
        Part("several", 1.5, "several batches"),
        Part("inference", 1, "a batch at inference in between"),
        DTYPE,
        INPUTS,
    ),
    cases=running_cases,
    run=play_running,
    scale=1.0,
    mistakes=(
        Mistake(
            "momentum the other way round",
            momentum_the_other_way_round,
            "α weighs the new batch: that is torch's convention, whose momentum 0.1 means 0.9 "
            "here. In this course α is the share that is kept: α·running + (1 − α)·batch.",
        ),
        Mistake(
            "learns from test batches",
            learns_from_test_batches,
            "The moments also follow a batch at inference. Then a prediction depends on what was "
            "predicted before. With training=False return them as they are.",
        ),
        Mistake(
            "divided by N − 1",
            running_variance_with_n_minus_1,
            "The batch's variance is the one with 1/(N − 1). Torch does that in its running "
            "variance; here it is the 1/N one, the same that normalized the batch.",
        ),
        Mistake(
            "standard deviations averaged",
            standard_deviations_averaged,
            "You average standard deviations. The running moment is a variance: x.var(axis=0). "
            "The root is taken only when it is used, with ε.",
        ),
        Mistake(
            "starts with variance 0",
            starts_with_variance_0,
            "The running variance starts at 0. It starts at 1, so that a network that has seen "
            "little divides by about 1 and not by almost nothing.",
        ),
        Mistake(
            "starts with the first batch",
            starts_with_the_first_batch,
            "The first batch becomes the running moments whole. Start from mean 0 and variance 1 "
            "and let it count 1 − α, as every other batch.",
        ),
        Mistake(
            "only the last batch",
            only_the_last_batch,
            "These are the moments of the last batch alone. Keep the share α of what was there: "
            "α·running + (1 − α)·batch.",
        ),
        Mistake(
            "batch not weighted",
            never_forgets_nor_weighs,
            "The new batch is added whole. α and its own share must add up to 1, or the running "
            "moments grow to 1/(1 − α) times the batch's: weigh it with 1 − α.",
        ),
        Mistake(
            "spread about the running mean",
            spread_about_the_running_mean,
            "The variance is taken about the running mean. It is the batch's own, about the "
            "batch's own mean: x.var(axis=0).",
        ),
    ),
    honest=(
        running_as_a_step_towards_the_batch,
        running_in_place_on_copies,
        running_by_squares,
    ),
)


# --- batch norm at inference -----------------------------------------------------------------


def batch_norm_inference(
    x: Array, gamma: Array, beta: Array, running: dict[str, Array], *, eps: float = 1e-5
) -> Array:
    """Return each sample normalized with the running moments."""
    return gamma * (x - running["mean"]) / np.sqrt(running["var"] + eps) + beta


def inference_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(samples: int, features: int, **hyper: float) -> dict[str, Any]:
        return {
            "x": some_batch(rng, samples, features),
            "gamma": some_signed(rng, features),
            "beta": some_signed(rng, features),
            "running": {
                "mean": some_signed(rng, features),
                "var": rng.permutation(np.linspace(0.3, 2.5, features)),
            },
            **hyper,
        }

    def large() -> float:
        return float(rng.choice(EPS))

    yield Case("several", "5 samples of 3 features", inputs(5, 3, eps=large()))
    yield Case("several", "4 samples of 2 features, ε as it stands", inputs(4, 2))
    yield Case("alone", "a single sample", inputs(1, 3, eps=large()))
    yield Case("dtype", "3 samples in float32", as_float32(inputs(3, 2, eps=large())))


def moments_of_the_test_batch(x, gamma, beta, running, *, eps=1e-5):
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


def variance_of_the_test_batch(x, gamma, beta, running, *, eps=1e-5):
    return gamma * (x - running["mean"]) / np.sqrt(x.var(axis=0) + eps) + beta


def inference_without_eps(x, gamma, beta, running, *, eps=1e-5):
    return gamma * (x - running["mean"]) / np.sqrt(running["var"]) + beta


def inference_eps_outside(x, gamma, beta, running, *, eps=1e-5):
    return gamma * (x - running["mean"]) / (np.sqrt(running["var"]) + eps) + beta


def running_variance_as_std(x, gamma, beta, running, *, eps=1e-5):
    return gamma * (x - running["mean"]) / (running["var"] + eps) + beta


def inference_never_scaled_again(x, gamma, beta, running, *, eps=1e-5):
    return (x - running["mean"]) / np.sqrt(running["var"] + eps)


def running_mean_left_in(x, gamma, beta, running, *, eps=1e-5):
    return gamma * x / np.sqrt(running["var"] + eps) + beta


def inference_by_samples(x, gamma, beta, running, *, eps=1e-5):
    y = np.empty_like(x)
    for n, sample in enumerate(x):
        x_hat = (sample - running["mean"]) / np.sqrt(running["var"] + eps)
        y[n] = gamma * x_hat + beta
    return y


def inference_folded(x, gamma, beta, running, *, eps=1e-5):
    slope = gamma / np.sqrt(running["var"] + eps)
    height = beta - running["mean"] * slope
    return x * slope + height


def inference_by_powers(x, gamma, beta, running, *, eps=1e-5):
    x_hat = (x - running["mean"]) * (running["var"] + eps) ** -0.5
    return np.add(np.multiply(x_hat, gamma), beta)


BATCH_NORM_INFERENCE = Exercise(
    reference=batch_norm_inference,
    summary="batch normalization at inference, with the running moments",
    parts=(
        Part("several", 1.5, "several samples"),
        Part("alone", 0.5, "a single sample"),
        DTYPE,
        INPUTS,
    ),
    cases=inference_cases,
    scale=1.0,
    mistakes=(
        Mistake(
            "moments of the test batch",
            moments_of_the_test_batch,
            "You normalize with the mean and variance of the batch you were given. At inference a "
            "sample's result must not depend on its company: take the running moments. A single "
            "sample would be nothing but β.",
        ),
        Mistake(
            "variance of the test batch",
            variance_of_the_test_batch,
            "The mean is the running one, the variance is still the batch's. Take both from "
            "running.",
        ),
        Mistake(
            "eps left out",
            inference_without_eps,
            "You divide by the running σ alone. The slides write it so, but training divides by "
            "√(σ² + ε): inference must do the same, or the two do not fit together.",
        ),
        Mistake(
            "eps outside the root",
            inference_eps_outside,
            "You divide by σ + ε. As in training, ε is added to the variance, inside the root: "
            "√(σ² + ε).",
        ),
        Mistake(
            "running variance as std",
            running_variance_as_std,
            'running["var"] is a variance. Take the root before you divide.',
        ),
        Mistake(
            "never scaled again",
            inference_never_scaled_again,
            "This is x̂. γ and β act at inference too: γ x̂ + β.",
        ),
        Mistake(
            "running mean left in",
            running_mean_left_in,
            "The running mean is never subtracted.",
        ),
    ),
    honest=(inference_by_samples, inference_folded, inference_by_powers),
)


# --- the gradients of batch norm and layer norm ----------------------------------------------


def play_gradients(backward: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Look at those of the three gradients that the case asks for."""
    names = ("dx", "dgamma", "dbeta")
    asked = {key: value for key, value in inputs.items() if key != "look_at"}
    seen = dict(zip(names, unpack(backward(**asked), *names), strict=True))
    for name in inputs["look_at"]:
        yield name, seen[name]


def gradient_inputs(
    rng: np.random.Generator, shape: tuple[int, ...], *look_at: str, **hyper: float
) -> dict[str, Any]:
    """Return a batch, γ and a gradient whose every sum along an axis is far from 0."""
    grad = rng.uniform(0.3, 2.0, shape) * rng.choice([-1.0, 1.0, 1.0], shape)
    x, gamma = some_batch(rng, *shape), some_signed(rng, shape[-1])
    return {"grad": grad, "x": x, "gamma": gamma, **hyper, "look_at": list(look_at)}


def batch_norm_backward(
    grad: Array, x: Array, gamma: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, γ and β through batch norm in training."""
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def batch_norm_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def large() -> float:
        return float(rng.choice(EPS))

    yield Case("dbeta", "∂L/∂β of 5 samples", gradient_inputs(rng, (5, 3), "dbeta", eps=large()))
    scaled = gradient_inputs(rng, (5, 3), "dgamma", eps=large())
    yield Case("dgamma", "∂L/∂γ of 5 samples", scaled)
    several = gradient_inputs(rng, (6, 3), "dx", eps=large())
    yield Case("dx", "∂L/∂x of 6 samples", several)
    default = gradient_inputs(rng, (5, 4), "dx")
    yield Case("dx", "∂L/∂x of 5 samples, ε as it stands", default)
    lone = gradient_inputs(rng, (5, 3), "dx", eps=large())
    lone["grad"][1:] = 0.0
    yield Case("dx", "the loss looks at the first sample only", lone)
    even = gradient_inputs(rng, (5, 3), "dx", eps=large())
    even["grad"][:] = 1.0
    yield Case("cancel", "the same gradient for all samples", even)
    pair = gradient_inputs(rng, (2, 3), "dx", eps=1e-12)
    pair["x"] = some_signed(rng, 3) + np.array([[-1.0], [1.0]]) * rng.uniform(0.7, 1.5, 3)
    yield Case("cancel", "a batch of two", pair)
    narrow = gradient_inputs(rng, (6, 2), "dx", "dgamma", "dbeta", eps=large())
    yield Case("dtype", "6 samples in float32", as_float32(narrow))


def moments_as_constants(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    return grad * gamma / std, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def variance_as_a_constant(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def mean_as_a_constant(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def gamma_left_out_of_dx(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0)) / std
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def std_left_out_of_dx(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma * (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def sums_in_the_place_of_means(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.sum(axis=0) - x_hat * (grad * x_hat).sum(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def part_along_x_hat_added(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0) + x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def half_of_the_part_along_x_hat(grad, x, gamma, *, eps=1e-5):
    centred = x - x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    dvar = -0.5 * (grad * gamma * centred).sum(axis=0) / std**3
    dx = gamma / std * (grad - grad.mean(axis=0)) + dvar * centred / len(x)
    return dx, (grad * centred / std).sum(axis=0), grad.sum(axis=0)


def centred_in_the_place_of_x_hat(grad, x, gamma, *, eps=1e-5):
    centred = x - x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    dx = gamma / std * (grad - grad.mean(axis=0) - centred * (grad * centred).mean(axis=0))
    return dx, (grad * centred / std).sum(axis=0), grad.sum(axis=0)


def x_not_normalized_in_dgamma(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x).sum(axis=0), grad.sum(axis=0)


def averaged_parameter_gradients(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).mean(axis=0), grad.mean(axis=0)


def gradients_along_the_features(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=1, keepdims=True)) / std
    g = grad * gamma
    along = (g * x_hat).mean(axis=1, keepdims=True)
    dx = (g - g.mean(axis=1, keepdims=True) - x_hat * along) / std
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def backward_eps_outside_the_root(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0)) + eps
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def backward_without_eps(grad, x, gamma, *, eps=1e-5):
    std = x.std(axis=0)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def backward_with_n_minus_1(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0, ddof=1) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    dx = gamma / std * (grad - grad.mean(axis=0) - x_hat * (grad * x_hat).mean(axis=0))
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def batch_backward_node_by_node(grad, x, gamma, *, eps=1e-5):
    n = len(x)
    centred = x - x.mean(axis=0)
    var = (centred**2).mean(axis=0)
    std = np.sqrt(var + eps)
    dx_hat = grad * gamma
    dvar = (dx_hat * centred).sum(axis=0) * -0.5 * std**-3
    dmean = -(dx_hat / std).sum(axis=0) + dvar * (-2 * centred).mean(axis=0)
    dx = dx_hat / std + dvar * 2 * centred / n + dmean / n
    return dx, (grad * centred / std).sum(axis=0), grad.sum(axis=0)


def batch_backward_by_the_jacobian(grad, x, gamma, *, eps=1e-5):
    n, features = x.shape
    dx, dgamma = np.zeros_like(x), np.zeros_like(gamma)
    for j in range(features):
        std = np.sqrt(np.var(x[:, j]) + eps)
        x_hat = (x[:, j] - np.mean(x[:, j])) / std
        jacobian = (np.eye(n, dtype=x.dtype) - 1 / n - np.outer(x_hat, x_hat) / n) / std
        dx[:, j] = jacobian @ grad[:, j] * gamma[j]
        dgamma[j] = grad[:, j] @ x_hat
    return dx, dgamma, np.sum(grad, axis=0)


def batch_backward_with_the_sums_outside(grad, x, gamma, *, eps=1e-5):
    n = x.shape[0]
    std = (x.var(axis=0) + eps) ** 0.5
    x_hat = (x - x.mean(axis=0)) / std
    dbeta, dgamma = np.sum(grad, axis=0), np.einsum("nj,nj->j", grad, x_hat)
    return gamma * (n * grad - dbeta - x_hat * dgamma) / (n * std), dgamma, dbeta


BATCH_NORM_BACKWARD = Exercise(
    reference=batch_norm_backward,
    summary="the gradients of x, γ and β through batch norm in training",
    parts=(
        Part("dbeta", 0.5, "∂L/∂β"),
        Part("dgamma", 1, "∂L/∂γ"),
        Part("dx", 3.5, "∂L/∂x: directly, through the mean and through the variance"),
        Part("cancel", 1, "gradients of which nothing is left"),
        DTYPE,
        INPUTS,
    ),
    cases=batch_norm_backward_cases,
    run=play_gradients,
    scale=4.0,  # what cancels to 0 comes from numbers of this size
    mistakes=(
        Mistake(
            "moments as constants",
            moments_as_constants,
            "This treats μ and σ as fixed numbers, which is right at inference only. In training "
            "each x moves both, and through them every x̂ of the batch: two more terms.",
        ),
        Mistake(
            "variance as a constant",
            variance_as_a_constant,
            "The path through the variance is missing. x_n also changes σ², and with it every x̂: "
            "subtract x̂_n times the mean of g x̂.",
        ),
        Mistake(
            "mean as a constant",
            mean_as_a_constant,
            "The path through the mean is missing. x_n shifts μ, and with it every x̂: subtract "
            "the mean of g. Check: the sum of ∂L/∂x over the batch must be 0.",
        ),
        Mistake(
            "gamma left out of dx",
            gamma_left_out_of_dx,
            "γ is missing in ∂L/∂x. The gradient meets γ on its way back: that of x̂ is γ g.",
        ),
        Mistake(
            "std left out of dx",
            std_left_out_of_dx,
            "∂L/∂x is not divided by √(σ² + ε). x̂ changes by 1/√(σ² + ε) for each unit of x.",
        ),
        Mistake(
            "sums in the place of means",
            sums_in_the_place_of_means,
            "The sums over the batch in ∂L/∂x are not divided by N. One x moves the mean by only "
            "1/N, and so the variance: they are means of g and of g x̂.",
        ),
        Mistake(
            "part along x̂ added",
            part_along_x_hat_added,
            "The term through the variance has the wrong sign. A larger σ makes x̂ smaller: it is "
            "subtracted.",
        ),
        Mistake(
            "half of the part along x̂",
            half_of_the_part_along_x_hat,
            "The term through the variance is half of what it should be. σ² holds (x − μ)², whose "
            "derivative has a factor 2; it cancels the ½ that the root brings.",
        ),
        Mistake(
            "centred in the place of x̂",
            centred_in_the_place_of_x_hat,
            "In the term through the variance stands x − μ where x̂ belongs, twice. Its unit gives "
            "it away: g is subtracted from g times a square of x. Divide both by √(σ² + ε).",
        ),
        Mistake(
            "x not normalized in dgamma",
            x_not_normalized_in_dgamma,
            "∂L/∂γ is the sum of g x̂: γ multiplies the normalized x, not x itself.",
        ),
        Mistake(
            "parameter gradients averaged",
            averaged_parameter_gradients,
            "∂L/∂γ and ∂L/∂β are means over the batch. All samples use the same γ and β, and "
            "gradients from several places add up: take sums. The 1/N of the loss is in g already.",
        ),
        Mistake(
            "along the features",
            gradients_along_the_features,
            "Everything is taken along each sample: these are layer norm's gradients. Here the "
            "samples of a batch share a mean and a variance, feature by feature: axis=0.",
        ),
        Mistake(
            "eps outside the root",
            backward_eps_outside_the_root,
            "You divide by σ + ε. Forward and backward, it is √(σ² + ε).",
        ),
        Mistake(
            "eps left out",
            backward_without_eps,
            "ε is not used. The backward pass must belong to the forward pass that was made: "
            "there it was √(σ² + ε).",
        ),
        Mistake(
            "divided by N − 1",
            backward_with_n_minus_1,
            "The variance is the one with 1/(N − 1). Batch norm divides by N: leave ddof at 0.",
        ),
    ),
    honest=(
        batch_backward_node_by_node,
        batch_backward_by_the_jacobian,
        batch_backward_with_the_sums_outside,
    ),
)


# --- layer norm ------------------------------------------------------------------------------


def layer_norm(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
    """Return every sample standardized over its own features, scaled and shifted."""
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def sample_cases(*parameters: str) -> Callable[[np.random.Generator], Iterator[Case]]:
    """Return what draws the cases of a norm along each sample that has these parameters."""

    def cases(rng: np.random.Generator) -> Iterator[Case]:
        def inputs(*shape: int, **hyper: float) -> dict[str, Any]:
            given = {name: some_signed(rng, shape[-1]) for name in parameters}
            return {"x": some_batch(rng, *shape), **given, **hyper}

        def large() -> float:
            return float(rng.choice(EPS))

        yield Case("samples", "4 samples of 5 features", inputs(4, 5, eps=large()))
        yield Case("samples", "3 samples of 4 features, ε as it stands", inputs(3, 4))
        yield Case("samples", "a single sample", inputs(1, 6, eps=large()))
        deep = inputs(3, 2, 4, eps=large())
        yield Case("positions", "3 samples, 2 positions, 4 features", deep)
        yield Case("dtype", "4 samples in float32", as_float32(inputs(4, 6, eps=large())))

    return cases


def layer_norm_over_the_batch(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def layer_norm_along_axis_1(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def layer_norm_over_everything(x, gamma, beta, *, eps=1e-5):
    return gamma * (x - x.mean()) / np.sqrt(x.var() + eps) + beta


def layer_norm_eps_outside(x, gamma, beta, *, eps=1e-5):
    mean, std = x.mean(axis=-1, keepdims=True), x.std(axis=-1, keepdims=True)
    return gamma * (x - mean) / (std + eps) + beta


def layer_norm_without_eps(x, gamma, beta, *, eps=1e-5):
    mean, std = x.mean(axis=-1, keepdims=True), x.std(axis=-1, keepdims=True)
    return gamma * (x - mean) / std + beta


def layer_norm_with_d_minus_1(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, ddof=1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def layer_norm_never_scaled_again(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


def layer_norm_with_the_mean_left_in(x, gamma, beta, *, eps=1e-5):
    return gamma * x / np.sqrt(x.var(axis=-1, keepdims=True) + eps) + beta


def layer_norm_divided_by_the_variance(x, gamma, beta, *, eps=1e-5):
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return gamma * (x - mean) / (var + eps) + beta


def layer_norm_by_samples(x, gamma, beta, *, eps=1e-5):
    y = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        sample = x[index]
        y[index] = gamma * (sample - sample.mean()) / np.sqrt(sample.var() + eps) + beta
    return y


def layer_norm_turned_over(x, gamma, beta, *, eps=1e-5):
    columns = x.reshape(-1, x.shape[-1]).T
    centred = columns - columns.mean(axis=0)
    x_hat = centred / np.sqrt((centred * centred).mean(axis=0) + eps)
    return (gamma[:, None] * x_hat + beta[:, None]).T.reshape(x.shape)


def layer_norm_by_squares(x, gamma, beta, *, eps=1e-5):
    d = x.shape[-1]
    mean = np.einsum("...i->...", x)[..., None] / d
    var = np.einsum("...i,...i->...", x, x)[..., None] / d - mean**2
    return (x - mean) * (gamma / np.sqrt(var + eps)) + beta


LAYER_NORM = Exercise(
    reference=layer_norm,
    summary="layer normalization of every sample over its own features",
    parts=(
        Part("samples", 2, "samples of several features, alone and in a batch"),
        Part("positions", 1, "one more axis: the last one is normalized"),
        DTYPE,
        INPUTS,
    ),
    cases=sample_cases("gamma", "beta"),
    scale=1.0,
    mistakes=(
        Mistake(
            "over the batch",
            layer_norm_over_the_batch,
            "Mean and variance are taken over the batch: that is batch norm. Layer norm goes "
            "along each sample's features, axis=-1.",
        ),
        Mistake(
            "along axis 1",
            layer_norm_along_axis_1,
            "axis=1 is the last axis only while x has two. With positions in between it mixes "
            "them: say axis=-1.",
        ),
        Mistake(
            "over everything",
            layer_norm_over_everything,
            "One mean and one variance for the whole array, so that samples influence each other. "
            "Each sample has its own: axis=-1, with keepdims=True.",
        ),
        Mistake(
            "eps outside the root",
            layer_norm_eps_outside,
            "You divide by σ + ε. ε is added to the variance, inside the root: √(σ² + ε).",
        ),
        Mistake(
            "eps left out",
            layer_norm_without_eps,
            "ε is not used: divide by √(σ² + ε), or a sample whose features are all alike is 0/0.",
        ),
        Mistake(
            "divided by D − 1",
            layer_norm_with_d_minus_1,
            "The variance is the one with 1/(D − 1). It is 1/D here: leave ddof at 0.",
        ),
        Mistake(
            "never scaled again",
            layer_norm_never_scaled_again,
            "This is x̂. Layer norm goes on with γ x̂ + β, one γ and one β a feature.",
        ),
        Mistake(
            "mean left in",
            layer_norm_with_the_mean_left_in,
            "The sample's mean is never subtracted from it.",
        ),
        Mistake(
            "divided by the variance",
            layer_norm_divided_by_the_variance,
            "The root is missing: divide by √(σ² + ε).",
        ),
    ),
    honest=(layer_norm_by_samples, layer_norm_turned_over, layer_norm_by_squares),
)


# --- layer norm, backward --------------------------------------------------------------------


def layer_norm_backward(
    grad: Array, x: Array, gamma: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, γ and β through layer norm."""
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    along = (g * x_hat).mean(axis=-1, keepdims=True)
    dx = (g - g.mean(axis=-1, keepdims=True) - x_hat * along) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def layer_norm_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def large() -> float:
        return float(rng.choice(EPS))

    yield Case("dbeta", "∂L/∂β of 4 samples", gradient_inputs(rng, (4, 5), "dbeta", eps=large()))
    scaled = gradient_inputs(rng, (4, 5), "dgamma", eps=large())
    yield Case("dgamma", "∂L/∂γ of 4 samples", scaled)
    several = gradient_inputs(rng, (4, 5), "dx", eps=large())
    yield Case("dx", "∂L/∂x of 4 samples", several)
    default = gradient_inputs(rng, (1, 6), "dx")
    yield Case("dx", "∂L/∂x of a single sample, ε as it stands", default)
    everything = ("dx", "dgamma", "dbeta")
    deep = gradient_inputs(rng, (3, 2, 4), *everything, eps=large())
    yield Case("positions", "3 samples, 2 positions, 4 features", deep)
    narrow = gradient_inputs(rng, (4, 6), *everything, eps=large())
    yield Case("dtype", "4 samples in float32", as_float32(narrow))


def gamma_outside_the_means(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    along = (grad * x_hat).mean(axis=-1, keepdims=True)
    dx = gamma / std * (grad - grad.mean(axis=-1, keepdims=True) - x_hat * along)
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def layer_gamma_left_out(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    along = (grad * x_hat).mean(axis=-1, keepdims=True)
    dx = (grad - grad.mean(axis=-1, keepdims=True) - x_hat * along) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def layer_moments_as_constants(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    samples = tuple(range(x.ndim - 1))
    return grad * gamma / std, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def layer_variance_as_a_constant(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    dx = (g - g.mean(axis=-1, keepdims=True)) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def layer_mean_as_a_constant(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    dx = (g - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def gradients_over_the_batch(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    g = grad * gamma
    dx = (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0)) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def parameters_along_the_features(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    along = (g * x_hat).mean(axis=-1, keepdims=True)
    dx = (g - g.mean(axis=-1, keepdims=True) - x_hat * along) / std
    return dx, (grad * x_hat).sum(axis=-1), grad.sum(axis=-1)


def positions_never_summed(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    along = (g * x_hat).mean(axis=-1, keepdims=True)
    dx = (g - g.mean(axis=-1, keepdims=True) - x_hat * along) / std
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)


def gamma_in_its_own_gradient(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    along = (g * x_hat).mean(axis=-1, keepdims=True)
    dx = (g - g.mean(axis=-1, keepdims=True) - x_hat * along) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (g * x_hat).sum(axis=samples), g.sum(axis=samples)


def layer_sums_in_the_place_of_means(grad, x, gamma, *, eps=1e-5):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    along = (g * x_hat).sum(axis=-1, keepdims=True)
    dx = (g - g.sum(axis=-1, keepdims=True) - x_hat * along) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def layer_backward_with_n_of_the_batch(grad, x, gamma, *, eps=1e-5):
    n = len(x)
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    along = (g * x_hat).sum(axis=-1, keepdims=True) / n
    dx = (g - g.sum(axis=-1, keepdims=True) / n - x_hat * along) / std
    samples = tuple(range(x.ndim - 1))
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)


def layer_backward_sample_by_sample(grad, x, gamma, *, eps=1e-5):
    dx, dgamma, dbeta = np.empty_like(x), np.zeros_like(gamma), np.zeros_like(gamma)
    for index in np.ndindex(x.shape[:-1]):
        sample, upstream = x[index], grad[index]
        std = np.sqrt(sample.var() + eps)
        x_hat = (sample - sample.mean()) / std
        g = gamma * upstream
        dx[index] = (g - g.mean() - x_hat * (g * x_hat).mean()) / std
        dgamma += upstream * x_hat
        dbeta += upstream
    return dx, dgamma, dbeta


def layer_backward_node_by_node(grad, x, gamma, *, eps=1e-5):
    d = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    dx_hat = grad * gamma
    dvar = -0.5 * (dx_hat * centred).sum(axis=-1, keepdims=True) / std**3
    dcentred = dx_hat / std + 2 * dvar * centred / d
    dx = dcentred - dcentred.sum(axis=-1, keepdims=True) / d
    flat = (grad * centred / std).reshape(-1, d)
    return dx, flat.sum(axis=0), grad.reshape(-1, d).sum(axis=0)


def layer_backward_by_einsum(grad, x, gamma, *, eps=1e-5):
    rows, g = x.reshape(-1, x.shape[-1]), grad.reshape(-1, x.shape[-1])
    d = x.shape[-1]
    std = (rows.var(axis=1) + eps) ** 0.5
    x_hat = (rows - rows.mean(axis=1)[:, None]) / std[:, None]
    first = np.einsum("ni,i->n", g, gamma) / d
    second = np.einsum("ni,ni,i->n", g, x_hat, gamma) / d
    dx = (g * gamma - first[:, None] - x_hat * second[:, None]) / std[:, None]
    return dx.reshape(x.shape), np.einsum("ni,ni->i", g, x_hat), np.einsum("ni->i", g)


LAYER_NORM_BACKWARD = Exercise(
    reference=layer_norm_backward,
    summary="the gradients of x, γ and β through layer norm",
    parts=(
        Part("dbeta", 0.5, "∂L/∂β"),
        Part("dgamma", 0.5, "∂L/∂γ"),
        Part("dx", 3, "∂L/∂x"),
        Part("positions", 1, "one more axis"),
        DTYPE,
        INPUTS,
    ),
    cases=layer_norm_backward_cases,
    run=play_gradients,
    scale=4.0,
    mistakes=(
        Mistake(
            "gamma outside the means",
            gamma_outside_the_means,
            "γ stands in front of the bracket, as in batch norm. There it is the same number for "
            "all that share a mean; along a sample it differs from feature to feature, so it must "
            "be in g before the means are taken: γ g.",
        ),
        Mistake(
            "gamma left out of dx",
            layer_gamma_left_out,
            "γ is missing in ∂L/∂x: the gradient of x̂ is γ g.",
        ),
        Mistake(
            "moments as constants",
            layer_moments_as_constants,
            "This treats μ and σ as fixed numbers. Every feature moves the mean and the variance "
            "of its sample, at inference too: two more terms.",
        ),
        Mistake(
            "variance as a constant",
            layer_variance_as_a_constant,
            "The path through the variance is missing: subtract x̂ times the mean of γ g x̂ along "
            "the sample.",
        ),
        Mistake(
            "mean as a constant",
            layer_mean_as_a_constant,
            "The path through the mean is missing: subtract the mean of γ g along the sample. "
            "Check: each sample's ∂L/∂x must add up to 0.",
        ),
        Mistake(
            "over the batch",
            gradients_over_the_batch,
            "Everything is taken over the batch: these are batch norm's gradients. Here a "
            "sample's features share a mean and a variance: axis=-1.",
        ),
        Mistake(
            "parameter gradients along the features",
            parameters_along_the_features,
            "∂L/∂γ and ∂L/∂β are summed along the features. There is one γ and one β a feature, "
            "used by all samples: sum over the samples.",
        ),
        Mistake(
            "positions never summed",
            positions_never_summed,
            "With positions in between, axis=0 leaves one gradient for each of them. γ has the "
            "shape (features,): sum over every axis but the last.",
        ),
        Mistake(
            "gamma in its own gradient",
            gamma_in_its_own_gradient,
            "∂L/∂γ and ∂L/∂β contain γ. They are sums of g x̂ and of g, the gradient of the output "
            "as it comes; γ belongs only into the way back to x.",
        ),
        Mistake(
            "sums in the place of means",
            layer_sums_in_the_place_of_means,
            "The sums along the sample in ∂L/∂x are not divided by D, the number of features.",
        ),
        Mistake(
            "divided by the batch size",
            layer_backward_with_n_of_the_batch,
            "The sums in ∂L/∂x are divided by the number of samples. They run along the features: "
            "divide by D, x.shape[-1].",
        ),
    ),
    honest=(
        layer_backward_sample_by_sample,
        layer_backward_node_by_node,
        layer_backward_by_einsum,
    ),
)


# --- RMS norm --------------------------------------------------------------------------------


def rms_norm(x: Array, gamma: Array, *, eps: float = 1e-5) -> Array:
    """Return every sample divided by the root of its mean square, and scaled."""
    return gamma * x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)


def mean_subtracted(x, gamma, *, eps=1e-5):
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps)


def divided_by_the_length(x, gamma, *, eps=1e-5):
    return gamma * x / np.sqrt((x**2).sum(axis=-1, keepdims=True) + eps)


def divided_by_the_standard_deviation(x, gamma, *, eps=1e-5):
    return gamma * x / np.sqrt(x.var(axis=-1, keepdims=True) + eps)


def rms_eps_outside(x, gamma, *, eps=1e-5):
    return gamma * x / (np.sqrt((x**2).mean(axis=-1, keepdims=True)) + eps)


def rms_without_eps(x, gamma, *, eps=1e-5):
    return gamma * x / np.sqrt((x**2).mean(axis=-1, keepdims=True))


def divided_by_the_mean_square(x, gamma, *, eps=1e-5):
    return gamma * x / ((x**2).mean(axis=-1, keepdims=True) + eps)


def rms_over_the_batch(x, gamma, *, eps=1e-5):
    return gamma * x / np.sqrt((x**2).mean(axis=0) + eps)


def rms_of_everything(x, gamma, *, eps=1e-5):
    return gamma * x / np.sqrt(np.mean(x**2) + eps)


def rms_along_axis_1(x, gamma, *, eps=1e-5):
    return gamma * x / np.sqrt((x**2).mean(axis=1, keepdims=True) + eps)


def rms_never_scaled_again(x, gamma, *, eps=1e-5):
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)


def rms_by_samples(x, gamma, *, eps=1e-5):
    y = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        y[index] = gamma * x[index] / np.sqrt(np.mean(x[index] ** 2) + eps)
    return y


def rms_by_the_length(x, gamma, *, eps=1e-5):
    d = x.shape[-1]
    squares = np.einsum("...i,...i->...", x, x)
    return x * gamma * (d / (squares + d * eps))[..., None] ** 0.5


def rms_by_mean_and_variance(x, gamma, *, eps=1e-5):
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x / np.sqrt(mean**2 + var + eps)) * gamma


RMS_NORM = Exercise(
    reference=rms_norm,
    summary="RMS normalization of every sample",
    parts=(
        Part("samples", 2, "samples of several features, alone and in a batch"),
        Part("positions", 1, "one more axis: the last one is normalized"),
        DTYPE,
        INPUTS,
    ),
    cases=sample_cases("gamma"),
    scale=1.0,
    mistakes=(
        Mistake(
            "mean subtracted",
            mean_subtracted,
            "This is layer norm without β. RMS norm subtracts nothing: divide x by the root of "
            "the mean of x².",
        ),
        Mistake(
            "divided by the length",
            divided_by_the_length,
            "You divide by the length of the sample, the root of the sum of squares. It is the "
            "root of the mean: else the entries shrink as features are added.",
        ),
        Mistake(
            "divided by the standard deviation",
            divided_by_the_standard_deviation,
            "You divide by the standard deviation, which measures about the mean. The mean square "
            "measures about 0: (x**2).mean(axis=-1).",
        ),
        Mistake(
            "eps outside the root",
            rms_eps_outside,
            "ε is added to the root. It belongs under it, to the mean square.",
        ),
        Mistake(
            "eps left out",
            rms_without_eps,
            "ε is not used: add it to the mean square, or a sample of zeros is 0/0.",
        ),
        Mistake(
            "divided by the mean square",
            divided_by_the_mean_square,
            "The root is missing: divide by √(mean of x² + ε).",
        ),
        Mistake(
            "over the batch",
            rms_over_the_batch,
            "The mean square is taken over the batch. Each sample has its own: axis=-1, with "
            "keepdims=True.",
        ),
        Mistake(
            "one mean for everything",
            rms_of_everything,
            "There is a single mean square for all entries. Each sample has its own: axis=-1, "
            "with keepdims=True.",
        ),
        Mistake(
            "along axis 1",
            rms_along_axis_1,
            "axis=1 is the last axis only while x has two. With positions in between it mixes "
            "them: say axis=-1.",
        ),
        Mistake(
            "never scaled again",
            rms_never_scaled_again,
            "γ is missing: the result is γ times x over the root.",
        ),
    ),
    honest=(rms_by_samples, rms_by_the_length, rms_by_mean_and_variance),
)


UNIT = Unit(
    key="08_normalization",
    title="Normalization",
    exercises=(
        STANDARDIZE,
        BATCH_NORM_TRAIN,
        RUNNING_MOMENTS,
        BATCH_NORM_INFERENCE,
        BATCH_NORM_BACKWARD,
        LAYER_NORM,
        LAYER_NORM_BACKWARD,
        RMS_NORM,
    ),
)
