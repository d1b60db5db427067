"""Unit 02_gradient_descent: batches, steps, the variance of a gradient, and line searches.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from course import line_search
from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, unpack
from course.checking.compare import WrongKind, describe

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


# --- minibatches -----------------------------------------------------------------------------


def minibatches(n: int, batch_size: int, rng: np.random.Generator) -> list[Array]:
    """Return the index arrays of one epoch: each sample once, in random order."""
    order = rng.permutation(n)
    return [order[first : first + batch_size] for first in range(0, n, batch_size)]


def look_at_batches(draw: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Draw an epoch from each of two generators, and look at what any order must fulfil."""
    n, size = inputs["n"], inputs["batch_size"]
    orders = []
    for which, seed in zip(("an epoch", "another epoch"), inputs["seeds"], strict=True):
        batches = _drawn(draw, n, size, seed)
        order = np.concatenate(batches)
        orders.append(order)
        yield f"the sizes of the batches of {which}", np.array([len(b) for b in batches])
        yield f"{which}: all indices lie in 0 ... n - 1", bool(np.all((order >= 0) & (order < n)))
        once = len(order) == n and len(set(order.tolist())) == n
        yield f"{which}: each sample comes exactly once", once
        alone = all(len(set(batch.tolist())) == len(batch) for batch in batches)
        yield f"{which}: no sample comes twice in one batch", alone
    if inputs["random"]:
        runs = [bool(np.all(np.diff(orders[0][i : i + size]) == 1)) for i in range(0, n, size)]
        yield "the samples of a batch come from all over the data", not any(runs)
        yield "another generator gives another order", not np.array_equal(orders[0], orders[1])
        again = np.concatenate(_drawn(draw, n, size, inputs["seeds"][0]))
        yield "the same generator gives the same order", np.array_equal(orders[0], again)


def _drawn(draw: Callable[..., Any], n: int, size: int, seed: int) -> list[Array]:
    try:
        return _index_arrays(draw(n, size, np.random.default_rng(seed)))
    except WrongKind as error:
        if str(error).startswith("expected"):
            raise
        raise WrongKind(f"expected a list of index arrays, {error}") from None


def _index_arrays(result: Any) -> list[Array]:
    if type(result) not in (list, tuple) or not result:
        raise WrongKind(f"expected a list of index arrays, got {describe(result)}")
    return [_index_array(batch) for batch in result]


def _index_array(given: Any) -> Array:
    batch = np.asarray(given) if type(given) in (np.ndarray, list, tuple) else np.zeros(())
    # An empty batch has no integers in it; its size says what is wrong.
    if batch.ndim != 1 or (batch.size and batch.dtype.kind not in "iu"):
        said = describe(given)
        raise WrongKind(f"expected each batch to be a 1-D array of integers, got {said}")
    return batch


def batch_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Draw epochs: sizes that divide, that do not, that are larger than the data."""

    def epoch(n: int, size: int, random: bool = False) -> dict[str, Any]:
        seeds = rng.choice(10_000, 2, replace=False).tolist()
        return {"n": n, "batch_size": size, "seeds": seeds, "random": random}

    size = int(rng.integers(25, 30))
    yield Case("once", "batches that fill the epoch", epoch(3 * size, size))
    short = int(rng.integers(3, 9))
    yield Case("last", "a last batch that is shorter", epoch(2 * size + short, size))
    yield Case("last", "a batch larger than the data", epoch(size, size + short))
    few = int(rng.integers(4, 7))
    yield Case("random", "the order", epoch(12 * few, few, random=True))


def with_replacement(n, batch_size, rng):
    batches = []
    for first in range(0, n, batch_size):
        size = min(batch_size, n - first)
        batches.append(rng.integers(0, n, size))
    return batches


def full_batches_with_replacement(n, batch_size, rng):
    batches = []
    for _ in range(0, n, batch_size):
        batches.append(rng.choice(n, batch_size))
    return batches


def each_batch_on_its_own(n, batch_size, rng):
    batches = []
    for first in range(0, n, batch_size):
        size = min(batch_size, n - first)
        batches.append(rng.choice(n, size, replace=False))
    return batches


def last_batch_dropped(n, batch_size, rng):
    order = rng.permutation(n)
    batches = []
    for b in range(max(1, n // batch_size)):
        batches.append(order[b * batch_size : (b + 1) * batch_size])
    return batches


def parts_of_equal_size(n, batch_size, rng):
    order = rng.permutation(n)
    return np.array_split(order, -(-n // batch_size))


def too_few_parts(n, batch_size, rng):
    order = rng.permutation(n)
    return np.array_split(order, max(1, n // batch_size))


def last_batch_filled_up(n, batch_size, rng):
    order = rng.permutation(n)
    batches = []
    for first in range(0, n, batch_size):
        batch = order[first : first + batch_size]
        missing = batch_size - len(batch)
        batches.append(np.concatenate([batch, order[:missing]]))
    return batches


def empty_batch_at_the_end(n, batch_size, rng):
    order = rng.permutation(n)
    return [order[first : first + batch_size] for first in range(0, n + 1, batch_size)]


def never_shuffled(n, batch_size, rng):
    order = np.arange(n)
    return [order[first : first + batch_size] for first in range(0, n, batch_size)]


def only_the_batches_shuffled(n, batch_size, rng):
    starts = np.arange(0, n - batch_size + 1, batch_size)
    rng.shuffle(starts)
    batches = [np.arange(start, start + batch_size) for start in starts]
    used = len(starts) * batch_size
    if used < n:
        batches.append(np.arange(used, n))
    return batches


def a_generator_of_its_own(n, batch_size, rng):
    order = np.random.default_rng(0).permutation(n)
    return [order[first : first + batch_size] for first in range(0, n, batch_size)]


def a_generator_that_nobody_can_repeat(n, batch_size, rng):
    order = np.random.default_rng().permutation(n)
    return [order[first : first + batch_size] for first in range(0, n, batch_size)]


def counted_from_one(n, batch_size, rng):
    order = rng.permutation(n) + 1
    return [order[first : first + batch_size] for first in range(0, n, batch_size)]


def batches_by_shuffling(n, batch_size, rng):
    order = list(range(n))
    rng.shuffle(order)
    batches = []
    while order:
        batches.append(np.array(order[:batch_size]))
        order = order[batch_size:]
    return batches


def batches_by_sorting_noise(n, batch_size, rng):
    order = np.argsort(rng.random(n))
    return np.split(order, range(batch_size, n, batch_size))


def batches_by_drawing_once(n, batch_size, rng):
    order = rng.choice(n, size=n, replace=False)
    batches = []
    for b in range(-(-n // batch_size)):
        batches.append(list(map(int, order[b * batch_size : (b + 1) * batch_size])))
    return tuple(batches)


MINIBATCHES = Exercise(
    reference=minibatches,
    summary="one epoch's mini-batches: each sample once, in random order",
    parts=(
        Part("once", 2, "each sample once an epoch"),
        Part("last", 1, "the last batch takes what is left"),
        Part("random", 2, "an order that comes from the generator"),
    ),
    cases=batch_cases,
    run=look_at_batches,
    mistakes=(
        Mistake(
            "drawn with replacement",
            with_replacement,
            "Each index is drawn afresh, so that some samples come twice and about a third of them "
            "not at all. Shuffle all indices once, then cut them into batches.",
        ),
        Mistake(
            "full batches with replacement",
            full_batches_with_replacement,
            "Each index is drawn afresh, and every batch is full. Some samples come twice, others "
            "not at all. Shuffle all indices once, then cut them: the last batch takes what is "
            "left.",
        ),
        Mistake(
            "each batch drawn on its own",
            each_batch_on_its_own,
            "Inside a batch no sample comes twice, but the next batch starts again from all of "
            "them. Shuffle once an epoch, then cut: what is used up stays used up.",
        ),
        Mistake(
            "last batch dropped",
            last_batch_dropped,
            "n // batch_size counts the full batches only; what is left over is never visited in "
            "this epoch. The last batch may be shorter.",
        ),
        Mistake(
            "parts of equal size",
            parts_of_equal_size,
            "The epoch is cut into parts of nearly equal size. Here each batch has batch_size "
            "samples and only the last one is shorter: order[first : first + batch_size].",
        ),
        Mistake(
            "too few parts",
            too_few_parts,
            "n // batch_size parts share all samples, so the batches become larger than "
            "batch_size. What is left over makes a last, shorter batch of its own.",
        ),
        Mistake(
            "last batch filled up",
            last_batch_filled_up,
            "The last batch is filled up with samples that had their turn. Leave it shorter: each "
            "sample comes once an epoch.",
        ),
        Mistake(
            "empty batch at the end",
            empty_batch_at_the_end,
            "Where batch_size divides n, an empty batch follows, and its mean is NaN. The starts "
            "of the batches are range(0, n, batch_size): n itself is not one of them.",
        ),
        Mistake(
            "never shuffled",
            never_shuffled,
            "The samples come in the order of the data. If that is sorted, by class for instance, "
            "each batch tells one side of the story: shuffle with rng.permutation(n).",
        ),
        Mistake(
            "only the batches shuffled",
            only_the_batches_shuffled,
            "The batches come in random order, but each is a run of neighbours, the same ones in "
            "every epoch. Shuffle the samples, then cut.",
        ),
        Mistake(
            "a generator of its own",
            a_generator_of_its_own,
            "The order does not come from rng: your own generator starts anew each time, so that "
            "it is the same in every epoch. Draw from the generator that you are given.",
        ),
        Mistake(
            "not from the generator",
            a_generator_that_nobody_can_repeat,
            "The order is random, but it does not come from rng, so that nobody can repeat this "
            "training. Draw from the generator that you are given: rng.permutation(n).",
        ),
        Mistake(
            "counted from one",
            counted_from_one,
            "The indices run from 1 to n. NumPy counts from 0: sample 0 is never visited and n "
            "lies behind the last one.",
        ),
    ),
    honest=(batches_by_shuffling, batches_by_sorting_noise, batches_by_drawing_once),
)


# --- a step of gradient descent --------------------------------------------------------------


def gd_step(theta: Array, x: Array, y: Array, *, lr: float) -> Array:
    """Return θ after one step of batch gradient descent on L = Σ(xₙᵀθ - yₙ)²/(2N)."""
    return theta - lr * (x.T @ (x @ theta - y) / len(x))


def play_full_steps(step: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Make some steps on the same data."""
    theta = inputs["theta"]
    for number in range(1, inputs["steps"] + 1):
        theta = step(theta, inputs["x"], inputs["y"], lr=inputs["lr"])
        yield f"theta after step {number}", theta
        _require_array(theta)


def _require_array(theta: Any) -> None:
    if type(theta) is not np.ndarray:
        raise WrongKind(f"expected an array, got {describe(theta)}")


def least_squares(rng: np.random.Generator, samples: int, features: int) -> dict[str, Any]:
    """Draw a regression whose gradient is far from 0."""
    return {
        "theta": rng.normal(size=features),
        "x": rng.normal(size=(samples, features)) + 0.5,
        "y": 3 * rng.normal(size=samples) + 2,
    }


def as_float32(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with float32 in the place of float64."""
    return {
        key: value.astype(np.float32) if getattr(value, "dtype", None) == np.float64 else value
        for key, value in inputs.items()
    }


def full_step_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Draw regressions with more samples than features, and one with fewer."""

    def inputs(samples: int, features: int, steps: int) -> dict[str, Any]:
        lr = float(rng.choice([0.03, 0.05, 0.1]))
        return least_squares(rng, samples, features) | {"lr": lr, "steps": steps}

    yield Case("step", "one step, 7 samples of 3 features", inputs(7, 3, 1))
    yield Case("step", "one step, 3 samples of 5 features", inputs(3, 5, 1))
    yield Case("walk", "three steps, 6 samples of 2 features", inputs(6, 2, 3))
    yield Case("dtype", "two steps in float32", as_float32(inputs(5, 3, 2)))


def summed_gradients(theta, x, y, *, lr):
    grad = x.T @ (x @ theta - y)
    return theta - lr * grad


def climbing(theta, x, y, *, lr):
    grad = x.T @ (x @ theta - y) / len(x)
    return theta + lr * grad


def factor_of_two(theta, x, y, *, lr):
    grad = 2 * x.T @ (x @ theta - y) / len(x)
    return theta - lr * grad


def divided_by_the_features(theta, x, y, *, lr):
    grad = x.T @ (x @ theta - y) / len(theta)
    return theta - lr * grad


def one_sample_only(theta, x, y, *, lr):
    grad = (x[0] @ theta - y[0]) * x[0]
    return theta - lr * grad


def a_step_after_every_sample(theta, x, y, *, lr):
    for x_n, y_n in zip(x, y, strict=True):
        theta = theta - lr * (x_n @ theta - y_n) * x_n
    return theta


def one_slope_for_all(theta, x, y, *, lr):
    residual = x @ theta - y
    grad = np.mean(residual[:, None] * x)
    return theta - lr * grad


def mean_before_the_product(theta, x, y, *, lr):
    grad = np.mean(x @ theta - y) * x.mean(axis=0)
    return theta - lr * grad


def rate_left_out(theta, x, y, *, lr):
    grad = x.T @ (x @ theta - y) / len(x)
    return theta - grad


def gd_sample_by_sample(theta, x, y, *, lr):
    grad = np.zeros_like(theta)
    for x_n, y_n in zip(x, y, strict=True):
        grad += (x_n @ theta - y_n) * x_n
    return theta - lr * grad / len(y)


def gd_with_means(theta, x, y, *, lr):
    error = (x * theta).sum(axis=1) - y
    return theta - lr * np.mean(error[:, None] * x, axis=0)


def gd_through_the_normal_equations(theta, x, y, *, lr):
    n = x.shape[0]
    a = np.einsum("ni,nj->ij", x, x) / n
    b = np.einsum("ni,n->i", x, y) / n
    theta = theta.copy()
    theta += lr * (b - a @ theta)
    return theta


GD_STEP = Exercise(
    reference=gd_step,
    summary="one step of batch gradient descent on a linear regression",
    parts=(
        Part("step", 1.5, "one step over all samples"),
        Part("walk", 1.5, "several steps, each from where the last one led"),
        DTYPE,
        INPUTS,
    ),
    cases=full_step_cases,
    run=play_full_steps,
    mistakes=(
        Mistake(
            "summed gradients",
            summed_gradients,
            "The gradients of all samples are added up but not divided by N. The loss is a mean, "
            "and so is its gradient; with a sum the step grows with the data set.",
        ),
        Mistake(
            "uphill",
            climbing,
            "The step goes up the slope. With the residual x·θ − y the gradient points uphill and "
            "is subtracted; with y − x·θ it would be added.",
        ),
        Mistake(
            "factor of two",
            factor_of_two,
            "The gradient is twice too large. The loss of a sample is half the squared residual, "
            "and the half cancels the 2 of the derivative.",
        ),
        Mistake(
            "divided by the features",
            divided_by_the_features,
            "The sum is divided by the number of parameters. Divide by the number of samples: "
            "len(x) or x.shape[0].",
        ),
        Mistake(
            "one sample only",
            one_sample_only,
            "Only the first sample is used. That is a step of stochastic gradient descent; batch "
            "gradient descent takes the mean over all samples.",
        ),
        Mistake(
            "a step after every sample",
            a_step_after_every_sample,
            "θ moves after each sample: that is an epoch of stochastic gradient descent. Add up "
            "the gradients of all samples at the same θ, divide by N, and make one step.",
        ),
        Mistake(
            "one slope for all",
            one_slope_for_all,
            "Every parameter moves by the same amount: the mean runs over samples and features. "
            "Average over the samples only, axis=0.",
        ),
        Mistake(
            "mean before the product",
            mean_before_the_product,
            "The mean residual is multiplied by the mean input. The mean of a product is not the "
            "product of the means: multiply sample by sample, then average.",
        ),
        Mistake(
            "rate left out",
            rate_left_out,
            "The learning rate is not used: the step is −γ times the gradient.",
        ),
    ),
    honest=(gd_sample_by_sample, gd_with_means, gd_through_the_normal_equations),
)


# --- an epoch of stochastic gradient descent -------------------------------------------------


def sgd_epoch(theta: Array, x: Array, y: Array, batches: list[Array], *, lr: float) -> Array:
    """Return θ after one epoch: a step after every batch, along the mean gradient over it."""
    for batch in batches:
        theta = theta - lr * (x[batch].T @ (x[batch] @ theta - y[batch]) / len(batch))
    return theta


def epoch_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Draw epochs of single samples, of equal batches and of uneven ones."""

    def inputs(sizes: list[int]) -> dict[str, Any]:
        order = rng.permutation(sum(sizes))
        while np.array_equal(np.sort(order[: sizes[0]]), np.arange(sizes[0])):
            order = rng.permutation(sum(sizes))
        batches = np.split(order, np.cumsum(sizes)[:-1])
        lr = float(rng.choice([0.03, 0.05, 0.1]))
        return least_squares(rng, sum(sizes), 3) | {"batches": batches, "lr": lr}

    yield Case("single", "five batches of one sample", inputs([1, 1, 1, 1, 1]))
    yield Case("batches", "three batches of four samples", inputs([4, 4, 4]))
    yield Case("uneven", "a last batch that is shorter", inputs([4, 4, 1]))
    yield Case("uneven", "batches of many sizes", inputs([2, 5, 3]))
    yield Case("dtype", "an epoch in float32", as_float32(inputs([3, 3, 2])))


def play_epoch(epoch: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Run one epoch; the inputs are handed over by place, as in the text."""
    data = (inputs["theta"], inputs["x"], inputs["y"], inputs["batches"])
    yield "theta after the epoch", epoch(*data, lr=inputs["lr"])


def all_at_the_old_parameters(theta, x, y, batches, *, lr):
    new = theta.copy()
    for batch in batches:
        xb, yb = x[batch], y[batch]
        new = new - lr * xb.T @ (xb @ theta - yb) / len(batch)
    return new


def every_step_from_the_start(theta, x, y, batches, *, lr):
    for batch in batches:
        xb, yb = x[batch], y[batch]
        new = theta - lr * xb.T @ (xb @ theta - yb) / len(batch)
    return new


def a_step_after_every_sample_of_a_batch(theta, x, y, batches, *, lr):
    for batch in batches:
        for n in batch:
            theta = theta - lr * (x[n] @ theta - y[n]) * x[n]
    return theta


def one_step_an_epoch(theta, x, y, batches, *, lr):
    grad = np.zeros_like(theta)
    for batch in batches:
        xb, yb = x[batch], y[batch]
        grad = grad + xb.T @ (xb @ theta - yb) / len(batch)
    return theta - lr * grad / len(batches)


def divided_by_all_samples(theta, x, y, batches, *, lr):
    for batch in batches:
        xb, yb = x[batch], y[batch]
        theta = theta - lr * xb.T @ (xb @ theta - yb) / len(x)
    return theta


def summed_over_the_batch(theta, x, y, batches, *, lr):
    for batch in batches:
        xb, yb = x[batch], y[batch]
        theta = theta - lr * xb.T @ (xb @ theta - yb)
    return theta


def one_size_for_all_batches(theta, x, y, batches, *, lr):
    batch_size = len(batches[0])
    for batch in batches:
        xb, yb = x[batch], y[batch]
        theta = theta - lr * xb.T @ (xb @ theta - yb) / batch_size
    return theta


def epoch_uphill(theta, x, y, batches, *, lr):
    for batch in batches:
        xb, yb = x[batch], y[batch]
        theta = theta + lr * xb.T @ (xb @ theta - yb) / len(batch)
    return theta


def returned_inside_the_loop(theta, x, y, batches, *, lr):
    for batch in batches:
        xb, yb = x[batch], y[batch]
        grad = xb.T @ (xb @ theta - yb) / len(batch)
        return theta - lr * grad
    return theta


def indices_not_used(theta, x, y, batches, *, lr):
    first = 0
    for batch in batches:
        xb, yb = x[first : first + len(batch)], y[first : first + len(batch)]
        theta = theta - lr * xb.T @ (xb @ theta - yb) / len(batch)
        first += len(batch)
    return theta


def epoch_with_a_factor_of_two(theta, x, y, batches, *, lr):
    for batch in batches:
        xb, yb = x[batch], y[batch]
        theta = theta - 2 * lr * xb.T @ (xb @ theta - yb) / len(batch)
    return theta


def short_batch_skipped(theta, x, y, batches, *, lr):
    for batch in batches:
        if len(batch) < len(batches[0]):
            continue
        xb, yb = x[batch], y[batch]
        theta = theta - lr * xb.T @ (xb @ theta - yb) / len(batch)
    return theta


def epoch_in_place_on_a_copy(theta, x, y, batches, *, lr):
    theta = theta.copy()
    for batch in batches:
        residual = x[batch] @ theta - y[batch]
        theta -= lr * np.mean(residual[:, None] * x[batch], axis=0)
    return theta


def epoch_sample_by_sample(theta, x, y, batches, *, lr):
    for batch in batches:
        grad = np.zeros_like(theta)
        for n in batch:
            grad = grad + (x[n] @ theta - y[n]) * x[n]
        theta = theta - lr * grad / len(batch)
    return theta


def epoch_with_helpers(theta, x, y, batches, *, lr):
    def gradient(theta, x, y):
        return np.einsum("ni,n->i", x, x @ theta - y) / y.shape[0]

    parts = ((np.take(x, batch, axis=0), np.take(y, batch)) for batch in batches)
    for xb, yb in parts:
        theta = theta - lr * gradient(theta, xb, yb)
    return theta


SGD_EPOCH = Exercise(
    reference=sgd_epoch,
    summary="one epoch of mini-batch SGD on a linear regression",
    parts=(
        Part("single", 1, "a step after every sample"),
        Part("batches", 1.5, "a step after every mini-batch"),
        Part("uneven", 1.5, "batches of different sizes"),
        DTYPE,
        INPUTS,
    ),
    cases=epoch_cases,
    run=play_epoch,
    mistakes=(
        Mistake(
            "all at the old parameters",
            all_at_the_old_parameters,
            "Every gradient is taken at the θ of the epoch's beginning. SGD moves after each batch "
            "and looks again: use the θ that the last step led to.",
        ),
        Mistake(
            "every step from the start",
            every_step_from_the_start,
            "Each step starts from the θ of the epoch's beginning, so only the last batch counts. "
            "The new θ is where the next step begins: theta = theta − γ g.",
        ),
        Mistake(
            "a step after every sample",
            a_step_after_every_sample_of_a_batch,
            "θ moves after each sample of a batch. A batch makes one step, along the mean of its "
            "samples' gradients, all taken at the same θ.",
        ),
        Mistake(
            "one step an epoch",
            one_step_an_epoch,
            "The batches' gradients are averaged, and θ moves once. SGD makes a step after every "
            "batch, and the next gradient is taken where that step led.",
        ),
        Mistake(
            "divided by all samples",
            divided_by_all_samples,
            "The sum over a batch is divided by N. The estimate of the mean gradient is the mean "
            "over the batch: divide by the batch's own size.",
        ),
        Mistake(
            "summed over the batch",
            summed_over_the_batch,
            "The gradients of a batch are added up but not averaged, so that the step grows with "
            "the batch. Divide by the batch's size.",
        ),
        Mistake(
            "one size for all batches",
            one_size_for_all_batches,
            "Every sum is divided by the size of the first batch. The others may be shorter or "
            "longer: divide by len(batch).",
        ),
        Mistake(
            "uphill",
            epoch_uphill,
            "The steps go up the slope. With the residual x·θ − y the gradient is subtracted.",
        ),
        Mistake(
            "returned inside the loop",
            returned_inside_the_loop,
            "Only the first batch is used: the return stands inside the loop. Move it to the left "
            "by one level.",
        ),
        Mistake(
            "indices not used",
            indices_not_used,
            "The data are cut in the order in which they lie. A batch is a list of indices: "
            "its samples are x[batch] and y[batch].",
        ),
        Mistake(
            "factor of two",
            epoch_with_a_factor_of_two,
            "Each step is twice too long. The loss of a sample is half the squared residual, and "
            "the half cancels the 2 of the derivative.",
        ),
        Mistake(
            "short batch skipped",
            short_batch_skipped,
            "Batches that are shorter than the first are left out. Their samples count as well: "
            "divide by their own size and make the step.",
        ),
    ),
    honest=(epoch_in_place_on_a_copy, epoch_sample_by_sample, epoch_with_helpers),
)


# --- the variance of a mini-batch gradient ---------------------------------------------------


def batch_variance(grads: Array, batch_size: int, *, replacement: bool) -> Array:
    """Return the variance of each entry of the mean of a random batch of these gradients."""
    n = len(grads)
    variance = ((grads - grads.mean(axis=0)) ** 2).mean(axis=0) / batch_size
    return variance if replacement else variance * ((n - batch_size) / (n - 1))


def variance_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Draw gradients and batch sizes, up to the whole data set."""

    def inputs(n: int, size: int, replacement: bool) -> dict[str, Any]:
        grads = rng.normal(rng.uniform(-1, 1, 3), rng.uniform(0.5, 2.0, 3), (n, 3))
        return {"grads": grads, "batch_size": size, "replacement": replacement}

    n, size = int(rng.integers(8, 12)), int(rng.integers(3, 6))
    yield Case("with", "drawn with replacement", inputs(n, size, True))
    yield Case("with", "a batch of one", inputs(n, 1, True))
    yield Case("without", "drawn without replacement", inputs(n, size, False))
    yield Case("without", "all but one sample", inputs(n, n - 1, False))
    yield Case("whole", "the whole data set, each sample once", inputs(n, n, False))
    yield Case("whole", "as many draws as samples, with replacement", inputs(n, n, True))
    yield Case("dtype", "gradients in float32", as_float32(inputs(n, size, False)))


def look_at_variance(variance: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Ask once, the gradients and the size by place."""
    how = {"replacement": inputs["replacement"]}
    yield "the variance", variance(inputs["grads"], inputs["batch_size"], **how)


def replacement_ignored(grads, batch_size, *, replacement):
    return grads.var(axis=0) / batch_size


def never_replaced(grads, batch_size, *, replacement):
    n = len(grads)
    return grads.var(axis=0) / batch_size * (n - batch_size) / (n - 1)


def sample_variance(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.var(axis=0, ddof=1) / batch_size
    return variance if replacement else variance * (n - batch_size) / (n - 1)


def factor_over_n(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.var(axis=0) / batch_size
    return variance if replacement else variance * (n - batch_size) / n


def not_divided_by_the_batch(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.var(axis=0)
    return variance if replacement else variance * (n - batch_size) / (n - 1)


def divided_by_the_root(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.var(axis=0) / batch_size**0.5
    return variance if replacement else variance * (n - batch_size) / (n - 1)


def standard_deviation_over_the_batch(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.std(axis=0) / batch_size
    return variance if replacement else variance * (n - batch_size) / (n - 1)


def one_variance_for_all_entries(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.var() / batch_size
    return variance if replacement else variance * (n - batch_size) / (n - 1)


def one_variance_a_sample(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.var(axis=1) / batch_size
    return variance if replacement else variance * (n - batch_size) / (n - 1)


def standard_deviation(grads, batch_size, *, replacement):
    n = len(grads)
    variance = grads.var(axis=0) / batch_size
    if not replacement:
        variance = variance * (n - batch_size) / (n - 1)
    return np.sqrt(variance)


def mean_of_squares(grads, batch_size, *, replacement):
    n = len(grads)
    variance = (grads**2).mean(axis=0) / batch_size
    return variance if replacement else variance * (n - batch_size) / (n - 1)


def variance_in_loops(grads, batch_size, *, replacement):
    n, d = grads.shape
    result = np.zeros_like(grads[0])
    for j in range(d):
        mean = sum(grads[:, j]) / n
        result[j] = sum((g - mean) ** 2 for g in grads[:, j]) / n / batch_size
        if not replacement:
            result[j] *= (n - batch_size) / (n - 1)
    return result


def variance_from_the_sample_variance(grads, batch_size, *, replacement):
    n = grads.shape[0]
    if replacement:
        return np.var(grads, axis=0) / batch_size
    return np.var(grads, axis=0, ddof=1) * (1 / batch_size - 1 / n)


def variance_through_the_covariances(grads, batch_size, *, replacement):
    n = len(grads)
    centred = grads - grads.mean(axis=0)
    own = np.mean(centred * centred, axis=0)
    between = 0 * own if replacement else -own / (n - 1)
    return (batch_size * own + batch_size * (batch_size - 1) * between) / batch_size**2


BATCH_VARIANCE = Exercise(
    reference=batch_variance,
    summary="the variance of a mini-batch gradient, drawn with or without replacement",
    parts=(
        Part("with", 1, "drawn with replacement"),
        Part("without", 1, "drawn without replacement"),
        Part("whole", 1, "as many draws as samples"),
        DTYPE,
        INPUTS,
    ),
    cases=variance_cases,
    run=look_at_variance,
    scale=1.0,
    mistakes=(
        Mistake(
            "replacement ignored",
            replacement_ignored,
            "The formula is that of draws with replacement in both cases. Without replacement the "
            "draws make up for each other: multiply by (N − B)/(N − 1).",
        ),
        Mistake(
            "never replaced",
            never_replaced,
            "The factor (N − B)/(N − 1) stands in both cases. With replacement the draws know "
            "nothing of each other: there the variance is σ²/B.",
        ),
        Mistake(
            "sample variance",
            sample_variance,
            "The variance of the gradients is divided by N − 1. They are all there is, not a "
            "sample of something larger: σ² is the mean squared deviation, with 1/N.",
        ),
        Mistake(
            "factor over N",
            factor_over_n,
            "The factor is (N − B)/N. With σ² divided by N it is (N − B)/(N − 1): a batch of one "
            "must have the variance σ².",
        ),
        Mistake(
            "not divided by the batch",
            not_divided_by_the_batch,
            "This is the variance of one gradient. The mean of B gradients varies less: divide by "
            "B.",
        ),
        Mistake(
            "divided by the root",
            divided_by_the_root,
            "The variance is divided by √B. That is how the standard deviation shrinks; the "
            "variance shrinks by B.",
        ),
        Mistake(
            "standard deviation in the place of the variance",
            standard_deviation_over_the_batch,
            "σ stands where σ² belongs: np.std is the root of the variance. Use np.var(axis=0).",
        ),
        Mistake(
            "one variance for all entries",
            one_variance_for_all_entries,
            "One variance is taken over all samples and all entries. Each entry of the gradient "
            "has its own: along the samples, axis=0.",
        ),
        Mistake(
            "one variance a sample",
            one_variance_a_sample,
            "The variance runs over the entries of each gradient. It is the samples that vary: "
            "axis=0, one number for each column.",
        ),
        Mistake(
            "standard deviation",
            standard_deviation,
            "This is the standard deviation. Asked for is the variance: leave out the root.",
        ),
        Mistake(
            "mean of squares",
            mean_of_squares,
            "This is the mean square. Variance is the mean squared distance from the mean: "
            "subtract the mean gradient first.",
        ),
    ),
    honest=(
        variance_in_loops,
        variance_from_the_sample_variance,
        variance_through_the_covariances,
    ),
)


# --- functions to search along ---------------------------------------------------------------

_BENDS = np.array([10.0, 12.0, 16.0])


def valley(x: Array) -> float:
    """½(10x₁² + 12x₂² + 16x₃²): along any line the function is a parabola."""
    return float(0.5 * np.sum(_BENDS * x * x))


def valley_grad(x: Array) -> Array:
    """Return the gradient of `valley`."""
    return _BENDS * x


def walled(x: Array) -> float:
    """Return -Σ ln(1 - xᵢ²): infinite where some |xᵢ| = 1, NaN beyond."""
    with np.errstate(all="ignore"):
        return float(-np.sum(np.log(1 - x * x)))


def walled_grad(x: Array) -> Array:
    """Return the gradient of `walled`."""
    with np.errstate(all="ignore"):
        return 2 * x / (1 - x * x)


def wavy(x: Array) -> float:
    """Return Σ (xᵢ²/20 + 1 - cos xᵢ): a bowl with bumps."""
    return float(np.sum(x * x / 20 + 1 - np.cos(x)))


def wavy_grad(x: Array) -> Array:
    """Return the gradient of `wavy`."""
    return x / 10 + np.sin(x)


def across_the_valley(rng: np.random.Generator) -> tuple[dict[str, Any], float]:
    """Draw a point of `valley` and a descent direction; return with them the best step.

    The direction is no multiple of the gradient: the slope along it is not -‖∇f‖².
    """
    x = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.5, 2.0, 3)
    grad = valley_grad(x)
    p = -rng.uniform(0.3, 0.4, 3) * grad
    best = -float(p @ grad) / float(p @ valley_grad(p))
    return {"f": valley, "grad_f": valley_grad, "x": x, "p": p}, best


# --- the Wolfe conditions --------------------------------------------------------------------


def wolfe(
    f: Callable[[Array], float],
    grad_f: Callable[[Array], Array],
    x: Array,
    p: Array,
    step: float,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[bool, bool, bool]:
    """Tell whether a step meets sufficient decrease, the curvature condition and the strong one."""
    decrease, curvature, strong = line_search.wolfe(f, grad_f, x, p, step, c1=c1, c2=c2)
    return decrease, curvature, strong


def judge_steps(conditions: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Ask about each step of a case."""
    line = (inputs["f"], inputs["grad_f"], inputs["x"], inputs["p"])
    for step in inputs["steps"]:
        told = unpack(conditions(*line, step, **inputs["hyper"]), "decrease", "curvature", "strong")
        for name, value in zip(("decrease", "curvature", "strong"), told, strict=True):
            yield f"{name} at step {step:.3g}", value


def wolfe_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Draw steps on both sides of every condition's limits, as multiples of the best step.

    On a parabola with its minimum at 1 the first condition asks for a step of at most 2(1 - c1),
    the second for one of at least 1 - c2, the third for one between 1 - c2 and 1 + c2.
    """

    def inputs(*shares: float, **hyper: float) -> dict[str, Any]:
        line, best = across_the_valley(rng)
        steps = [float(best * share * rng.uniform(0.99, 1.01)) for share in shares]
        return line | {"steps": steps, "hyper": hyper}

    yield Case("short", "a step too short, and one that will do", inputs(0.05, 0.2))
    yield Case("long", "a step too long, and one that will do", inputs(1.3, 2.1))
    steps = (np.array([0.5, 4.9]) * rng.uniform(0.99, 1.01, 2)).tolist()
    bump = {"f": wavy, "grad_f": wavy_grad, "x": rng.uniform(2.85, 2.92, 1), "p": -np.ones(1)}
    title = "from a bump, where f falls faster than its slope, to the far side"
    yield Case("long", title, bump | {"steps": steps, "hyper": {}})
    yield Case("far", "steps that end on the rising side", inputs(1.94, 1.5))
    constants = {"c1": 0.2, "c2": 0.5}
    yield Case("constants", "other constants", inputs(1.7, 1.3, 0.4, 0.7, 2.2, **constants))
    yield Case("constants", "constants close together", inputs(1.2, 0.8, 2.4, c1=0.45, c2=0.5))
    slow = inputs(1.5, 0.6, c1=0.45, c2=0.5)
    slow |= {"p": slow["p"] / 20, "steps": [20 * step for step in slow["steps"]]}
    yield Case("constants", "a short direction, so that the steps are above 1", slow)


def decrease_without_the_step(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) + c1 * slope,
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )


def decrease_without_c1(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) + step * slope,
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )


def any_decrease_will_do(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) < f(x),
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )


def decrease_with_the_wrong_sign(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) - c1 * step * slope,
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )


def curvature_turned_around(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) + c1 * step * slope,
        new_slope <= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )


def curvature_in_magnitude(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    strong = abs(new_slope) <= c2 * abs(slope)
    return f(x + step * p) <= f(x) + c1 * step * slope, strong, strong


def strong_without_magnitudes(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    curvature = new_slope >= c2 * slope
    return f(x + step * p) <= f(x) + c1 * step * slope, curvature, curvature


def magnitude_of_the_old_slope_only(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) + c1 * step * slope,
        new_slope >= c2 * slope,
        new_slope <= c2 * abs(slope),
    )


def magnitude_of_the_new_slope_only(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) + c1 * step * slope,
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * slope,
    )


def both_slopes_at_the_start(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x)
    return (
        f(x + step * p) <= f(x) + c1 * step * slope,
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )


def squared_gradient_for_the_slope(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = -grad_f(x) @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) + c1 * step * slope,
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )


def strong_condition_also_asks_for_decrease(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    new_slope = p @ grad_f(x + step * p)
    decrease = f(x + step * p) <= f(x) + c1 * step * slope
    curvature = decrease and new_slope >= c2 * slope
    return decrease, curvature, decrease and abs(new_slope) <= c2 * abs(slope)


def wolfe_with_numpy_truths(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    x_new = x + step * p
    before, after = np.dot(grad_f(x), p), np.dot(grad_f(x_new), p)
    decrease = np.less_equal(f(x_new) - f(x), c1 * step * before)
    curvature = np.greater_equal(after, c2 * before)
    return decrease, curvature, np.abs(after) <= -c2 * before


def wolfe_with_ifs(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    slope = sum(a * b for a, b in zip(p, grad_f(x), strict=True))
    new_slope = sum(a * b for a, b in zip(p, grad_f(x + p * step), strict=True))
    decrease = curvature = strong = True
    if f(x + p * step) > f(x) + c1 * step * slope:
        decrease = False
    if new_slope < c2 * slope:
        curvature = False
    if not (c2 * slope <= new_slope <= -c2 * slope):
        strong = False
    return decrease, curvature, strong


def wolfe_along_the_line(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    def phi(t):
        return f(x + t * p)

    def dphi(t):
        return np.sum(grad_f(x + t * p) * p)

    return (
        bool(phi(0) + c1 * step * dphi(0) - phi(step) >= 0),
        bool(dphi(step) - c2 * dphi(0) >= 0),
        bool(dphi(step) ** 2 <= (c2 * dphi(0)) ** 2),
    )


WOLFE = Exercise(
    reference=wolfe,
    summary="whether a step meets the Wolfe conditions",
    parts=(
        Part("short", 1, "steps that are too short"),
        Part("long", 1, "steps that are too long"),
        Part("far", 1, "steps that end on the rising side"),
        Part("constants", 1.5, "other constants than the usual ones"),
        INPUTS,
    ),
    cases=wolfe_cases,
    run=judge_steps,
    mistakes=(
        Mistake(
            "decrease without the step",
            decrease_without_the_step,
            "The step is missing in the first condition: the decrease that is asked for grows with "
            "the step, f(x) + c₁·γ·pᵀ∇f(x).",
        ),
        Mistake(
            "decrease without c₁",
            decrease_without_c1,
            "c₁ is missing in the first condition. All that the slope promises, γ·pᵀ∇f(x), is "
            "hardly ever reached; asked for is a share of it, c₁·γ·pᵀ∇f(x).",
        ),
        Mistake(
            "any decrease will do",
            any_decrease_will_do,
            "Every step that lowers f passes the first condition. It asks for a share of what the "
            "slope promises: f(x + γp) ≤ f(x) + c₁·γ·pᵀ∇f(x).",
        ),
        Mistake(
            "decrease with the wrong sign",
            decrease_with_the_wrong_sign,
            "The line of the first condition rises. The slope pᵀ∇f(x) is negative already: add "
            "c₁·γ times it.",
        ),
        Mistake(
            "curvature turned around",
            curvature_turned_around,
            "The second condition is the wrong way round. The slope at the new point must be "
            "flatter, that is larger: pᵀ∇f(x + γp) ≥ c₂·pᵀ∇f(x).",
        ),
        Mistake(
            "curvature in magnitude",
            curvature_in_magnitude,
            "The second answer is the strong condition. The curvature condition has no "
            "magnitudes: on the rising side, where the slope is positive, it holds.",
        ),
        Mistake(
            "strong without magnitudes",
            strong_without_magnitudes,
            "The third answer repeats the second. The strong condition compares magnitudes: "
            "|pᵀ∇f(x + γp)| ≤ c₂·|pᵀ∇f(x)|.",
        ),
        Mistake(
            "magnitude of the old slope only",
            magnitude_of_the_old_slope_only,
            "In the third condition the new slope has no magnitude, so that a step on which f "
            "still falls steeply passes. Both sides have one: |pᵀ∇f(x + γp)| ≤ c₂·|pᵀ∇f(x)|.",
        ),
        Mistake(
            "magnitude of the new slope only",
            magnitude_of_the_new_slope_only,
            "The third condition can never hold: pᵀ∇f(x) is negative, and a magnitude is not "
            "below it. Both sides have one: |pᵀ∇f(x + γp)| ≤ c₂·|pᵀ∇f(x)|.",
        ),
        Mistake(
            "both slopes at the start",
            both_slopes_at_the_start,
            "The slope at the new point is taken at the old one. It is pᵀ∇f(x + γp).",
        ),
        Mistake(
            "squared gradient for the slope",
            squared_gradient_for_the_slope,
            "The slope at the start is −‖∇f‖² only when p = −∇f. For any direction it is pᵀ∇f(x).",
        ),
        Mistake(
            "curvature only after a decrease",
            strong_condition_also_asks_for_decrease,
            "The two curvature conditions are false wherever the first one is. Each of the three "
            "answers stands for itself.",
        ),
    ),
    honest=(wolfe_with_numpy_truths, wolfe_with_ifs, wolfe_along_the_line),
)


# --- backtracking ----------------------------------------------------------------------------


def search(line_search: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Search once along the line of a case."""
    line = (inputs["f"], inputs["grad_f"], inputs["x"], inputs["p"])
    yield "the step", line_search(*line, step=inputs["step"], **inputs["hyper"])


def backtracking_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Draw first trials that will do, are much too long, or leave the function's domain."""

    def inputs(low: float, high: float, **hyper: float) -> dict[str, Any]:
        line, best = across_the_valley(rng)
        return line | {"step": float(best * rng.uniform(low, high)), "hyper": hyper}

    yield Case("accept", "a first trial that will do", inputs(0.5, 1.2))
    over = {"f": wavy, "grad_f": wavy_grad, "x": rng.uniform(2.85, 2.92, 1), "p": -np.ones(1)}
    over |= {"step": float(rng.uniform(8.55, 8.65)), "hyper": {"factor": 0.75}}
    yield Case("accept", "a first trial beyond a bump that will do", over)
    yield Case("shorten", "a first trial much too long", inputs(12, 30))
    constants = {"c1": 0.3, "factor": 0.8}
    yield Case("constants", "other constants", inputs(8, 20, **constants))
    yield Case("constants", "a cautious factor", inputs(3, 5, c1=0.3, factor=0.9))
    x = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.4, 0.8, 3)
    outside = {"f": walled, "grad_f": walled_grad, "x": x, "p": -x, "hyper": {}}
    yield Case("edge", "where f is NaN", outside | {"step": float(rng.uniform(20, 60))})


def takes_any_decrease(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    while not f(x + step * p) < f(x):
        step = step * factor
    return step


def backtracking_with_the_wrong_sign(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = p @ grad_f(x)
    while not f(x + step * p) <= f(x) - c1 * step * slope:
        step = step * factor
    return step


def slope_of_steepest_descent(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = -np.sum(grad_f(x) ** 2)
    while not f(x + step * p) <= f(x) + c1 * step * slope:
        step = step * factor
    return step


def shortened_once_more(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = p @ grad_f(x)
    for _ in range(100):
        good = f(x + step * p) <= f(x) + c1 * step * slope
        step = step * factor
        if good:
            break
    return step


def first_trial_skipped(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = p @ grad_f(x)
    while True:
        step = step * factor
        if f(x + step * p) <= f(x) + c1 * step * slope:
            return step


def nan_accepted(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = p @ grad_f(x)
    while f(x + step * p) > f(x) + c1 * step * slope:
        step = step * factor
    return step


def always_halved(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = p @ grad_f(x)
    while not f(x + step * p) <= f(x) + c1 * step * slope:
        step = step / 2
    return step


def own_first_trial(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = p @ grad_f(x)
    step = 1.0
    while not f(x + step * p) <= f(x) + c1 * step * slope:
        step = step * factor
    return step


def slope_at_the_trial(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    while not f(x + step * p) <= f(x) + c1 * step * (p @ grad_f(x + step * p)):
        step = step * factor
    return step


def backtracking_with_a_power(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    start, slope = f(x), np.dot(grad_f(x), p)
    for k in range(1000):
        gamma = step * factor**k
        if f(x + gamma * p) <= start + c1 * gamma * slope:
            return gamma
    return None


def backtracking_by_recursion(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    slope = np.sum(p * grad_f(x))

    def shorten(step):
        if f(x + step * p) - f(x) <= c1 * step * slope:
            return step
        return shorten(step * factor)

    return shorten(step)


def backtracking_in_a_loop(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    f_x, slope = f(x), float(grad_f(x) @ p)
    while True:
        value = f(x + step * p)
        if np.isfinite(value) and value <= f_x + c1 * step * slope:
            return np.float64(step)
        step *= factor


BACKTRACKING = Exercise(
    reference=line_search.backtracking,
    summary="a line search that shortens the step until the function falls enough",
    parts=(
        Part("accept", 0.5, "a first trial that will do"),
        Part("shorten", 1, "a first trial that is too long"),
        Part("constants", 1, "other constants"),
        Part("edge", 1, "a function that is not defined everywhere"),
        INPUTS,
    ),
    cases=backtracking_cases,
    run=search,
    mistakes=(
        Mistake(
            "takes any decrease",
            takes_any_decrease,
            "The search stops at the first step that lowers f at all. Armijo's rule asks for more: "
            "f(x + γp) ≤ f(x) + c₁·γ·pᵀ∇f(x).",
        ),
        Mistake(
            "wrong sign",
            backtracking_with_the_wrong_sign,
            "The slope is subtracted, so that the bar is higher than f(x) itself. pᵀ∇f(x) is "
            "negative already: add c₁·γ times it.",
        ),
        Mistake(
            "slope of steepest descent",
            slope_of_steepest_descent,
            "The slope is taken as −‖∇f‖². That holds for p = −∇f only; in general it is pᵀ∇f(x).",
        ),
        Mistake(
            "shortened once more",
            shortened_once_more,
            "The step is shortened once more after it was good enough. Test first, and return the "
            "step that has passed.",
        ),
        Mistake(
            "first trial skipped",
            first_trial_skipped,
            "The step is shortened before it is tried for the first time. Start with the step "
            "that you are given.",
        ),
        Mistake(
            "NaN accepted",
            nan_accepted,
            "Every comparison with NaN is false, so `while f(...) > ...` stops there and keeps the "
            "step. Turn it around: go on while not f(...) <= ....",
        ),
        Mistake(
            "always halved",
            always_halved,
            "The step is always halved. It is multiplied by `factor`, whatever that is.",
        ),
        Mistake(
            "own first trial",
            own_first_trial,
            "The search starts at 1, not at the step that it is given.",
        ),
        Mistake(
            "slope at the trial",
            slope_at_the_trial,
            "The slope is taken at the trial. The line that f must get below starts at x with the "
            "slope pᵀ∇f(x), the same for every trial.",
        ),
    ),
    honest=(backtracking_with_a_power, backtracking_by_recursion, backtracking_in_a_loop),
)


# --- a line search for the strong Wolfe conditions -------------------------------------------


def verify_search(search: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Search once, and test the step that comes back: many steps are right."""
    line = (inputs["f"], inputs["grad_f"], inputs["x"], inputs["p"])
    step = _as_step(search(*line, step=inputs["step"], **inputs["hyper"]))
    met = line_search.wolfe(*line, step, **inputs["hyper"])
    yield "the step meets sufficient decrease", met.sufficient_decrease
    yield "the step meets the curvature condition", met.curvature
    yield "the step meets the strong curvature condition", met.strong_curvature


def _as_step(value: Any) -> float:
    if type(value) is np.ndarray and value.shape == ():
        value = value.item()
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise WrongKind(f"expected a step, a finite number above 0, got {describe(value)}")
    return float(value)


def strong_wolfe_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Draw first trials that fail each in another way; a step of 1 fails in all."""

    def inputs(low: float, high: float, **hyper: float) -> dict[str, Any]:
        line, best = across_the_valley(rng)
        return line | {"step": float(best * rng.uniform(low, high)), "hyper": hyper}

    yield Case("short", "a first trial much too short", inputs(0.01, 0.03))
    yield Case("long", "a first trial much too long", inputs(12, 30))
    x = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.4, 0.8, 3)
    outside = {"f": walled, "grad_f": walled_grad, "x": x, "p": -x, "hyper": {}}
    yield Case(
        "long", "a first trial where f is NaN", outside | {"step": float(rng.uniform(20, 60))}
    )
    yield Case("far", "a first trial on the rising side", inputs(1.93, 1.97))
    yield Case("tight", "a small c2, from a short trial", inputs(0.08, 0.11, c2=0.05))
    yield Case("tight", "a small c2, from a long trial", inputs(2.6, 3.4, c1=0.01, c2=0.02))
    yield Case("tight", "constants close together", inputs(1.5, 1.8, c1=0.4, c2=0.45))
    x, away = rng.uniform(1.8, 2.0, 1), rng.uniform(3.3, 3.8, 1)
    bumpy = {"f": wavy, "grad_f": wavy_grad, "x": x, "p": -away, "hyper": {}}
    to_the_top = float(((x + 3.49) / away)[0])
    yield Case("bumps", "a first trial on top of a bump", bumpy | {"step": to_the_top})


def armijo_only(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    while not f(x + step * p) <= f(x) + c1 * step * slope:
        step = step / 2
    return step


def rising_side_accepted(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    low, high = 0.0, np.inf
    for _ in range(100):
        if not f(x + step * p) <= f(x) + c1 * step * slope:
            high = step
        elif p @ grad_f(x + step * p) < c2 * slope:
            low = step
        else:
            return step
        step = 2 * step if high == np.inf else (low + high) / 2
    return step


def decrease_not_tested(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    low, high = 0.0, np.inf
    for _ in range(100):
        new_slope = p @ grad_f(x + step * p)
        if new_slope < c2 * slope:
            low = step
        elif new_slope > -c2 * slope:
            high = step
        else:
            return step
        step = 2 * step if high == np.inf else (low + high) / 2
    return step


def constants_of_its_own(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    c1, c2 = 1e-4, 0.9
    slope = p @ grad_f(x)
    low, high = 0.0, np.inf
    for _ in range(100):
        new_slope = p @ grad_f(x + step * p)
        if not f(x + step * p) <= f(x) + c1 * step * slope:
            high = step
        elif new_slope < c2 * slope:
            low = step
        elif new_slope > -c2 * slope:
            high = step
        else:
            return step
        step = 2 * step if high == np.inf else (low + high) / 2
    return step


def bracket_forgotten(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    slope = p @ grad_f(x)
    for _ in range(100):
        new_slope = p @ grad_f(x + step * p)
        if not f(x + step * p) <= f(x) + c1 * step * slope or new_slope > -c2 * slope:
            step = step / 2
        elif new_slope < c2 * slope:
            step = 2 * step
        else:
            return step
    return step


def wolfe_by_bisection(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    f0, slope0 = f(x), grad_f(x) @ p
    low, high = 0.0, None
    for _ in range(100):
        slope = grad_f(x + step * p) @ p
        if not f(x + step * p) <= f0 + c1 * step * slope0 or slope > c2 * abs(slope0):
            high = step
        elif abs(slope) <= c2 * abs(slope0):
            return step
        else:
            low = step
        step = 2 * low if high is None else 0.5 * (low + high)
    raise RuntimeError("no step found")


def wolfe_in_two_loops(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    def phi(t):
        return f(x + t * p)

    def dphi(t):
        return np.dot(grad_f(x + t * p), p)

    def falls(t):
        return phi(t) <= phi(0) + c1 * t * dphi(0)

    low, high = 0.0, step
    while falls(high) and dphi(high) < c2 * dphi(0):
        low, high = high, 3 * high
    step = high
    while not (falls(step) and abs(dphi(step)) <= -c2 * dphi(0)):
        if falls(step) and dphi(step) < 0:
            low = step
        else:
            high = step
        step = low + 0.4 * (high - low)
    return step


def wolfe_by_the_slope_of_a_share(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    start, slope = f(x), float(np.sum(p * grad_f(x)))
    bounds = [0.0, float("inf")]
    while True:
        here = x + step * p
        new = float(np.sum(p * grad_f(here)))
        fallen_enough = f(here) - start <= c1 * step * slope
        if fallen_enough and -c2 * abs(slope) <= new <= c2 * abs(slope):
            return np.array(step)
        bounds[0 if fallen_enough and new < 0 else 1] = step
        step = 10 * step if bounds[1] == float("inf") else sum(bounds) / 2


STRONG_WOLFE = Exercise(
    reference=line_search.strong_wolfe,
    summary="a line search that meets the strong Wolfe conditions",
    parts=(
        Part("short", 1, "a first trial that is too short"),
        Part("long", 1, "a first trial that is too long"),
        Part("far", 1, "a first trial on the rising side"),
        Part("tight", 1.5, "a slope that must become small"),
        Part("bumps", 1, "a function with bumps"),
        INPUTS,
    ),
    cases=strong_wolfe_cases,
    run=verify_search,
    mistakes=(
        Mistake(
            "sufficient decrease only",
            armijo_only,
            "This is backtracking: the step falls enough, but it may stop where f still falls "
            "steeply. Test the slope at the new point too, and lengthen a step that is too short.",
        ),
        Mistake(
            "rising side accepted",
            rising_side_accepted,
            "Steps are accepted that end on the far, rising side. The strong condition compares "
            "magnitudes: where the slope is above c₂·|slope at 0|, the step is too long.",
        ),
        Mistake(
            "decrease not tested",
            decrease_not_tested,
            "Only the slope is tested. It is flat on top of a bump as well: a step that has not "
            "fallen enough is too long, whatever its slope.",
        ),
        Mistake(
            "constants of its own",
            constants_of_its_own,
            "The search uses 10⁻⁴ and 0.9 whatever it is given. Use c1 and c2.",
        ),
        Mistake(
            "bracket forgotten",
            bracket_forgotten,
            "The step is doubled and halved without memory, so that it can jump to and fro between "
            "two bad steps. Keep the largest one that was too short and the smallest one that was "
            "too long, and try the middle.",
        ),
    ),
    honest=(wolfe_by_bisection, wolfe_in_two_loops, wolfe_by_the_slope_of_a_share),
)


UNIT = Unit(
    key="02_gradient_descent",
    title="Gradient descent",
    exercises=(
        MINIBATCHES,
        GD_STEP,
        SGD_EPOCH,
        BATCH_VARIANCE,
        WOLFE,
        BACKTRACKING,
        STRONG_WOLFE,
    ),
)
