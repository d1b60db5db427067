"""Unit 10_regularization: dropout and its spread, L2 against decoupled decay, equal budgets.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, unpack
from course.checking.compare import WrongKind, describe

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


def as_float32(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return these inputs with every floating array, also those in lists, in float32."""

    def narrow(value: Any) -> Any:
        if isinstance(value, list):
            return [narrow(entry) for entry in value]
        floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        return value.astype(np.float32) if floating else value

    return {key: narrow(value) for key, value in inputs.items()}


def away_from_zero(rng: np.random.Generator, *shape: int) -> Array:
    """Draw numbers of both signs, none near 0: a dropped entry can be told from a small one."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 2.0, shape)


# --- dropout, forward ------------------------------------------------------------------------


def dropout_forward(
    x: Array, *, rate: float, rng: np.random.Generator | None = None
) -> tuple[Array, Array]:
    """Return x after inverted dropout, and which entries were kept; without rng, x itself."""
    if rng is None:
        return x.copy(), np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate), kept


def play_dropout(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call it at inference, or in training with a generator of the given seed; float32 in both.

    Two faults at once, one in each mode, can be told from either alone only by a case with both.
    """
    x, rate = inputs["x"], inputs["rate"]
    rng = None if inputs["seed"] is None else np.random.default_rng(inputs["seed"])
    y, kept = unpack(function(x, rate=rate, rng=rng), "y", "kept")
    yield "y", y
    yield "kept", kept
    if x.dtype == np.float32:
        yield "whether kept is Boolean", isinstance(kept, np.ndarray) and kept.dtype == bool
        y, kept = unpack(function(x, rate=rate), "y", "kept")
        yield "y at inference", y
        yield "kept at inference", kept
        boolean = isinstance(kept, np.ndarray) and kept.dtype == bool
        yield "whether kept is Boolean at inference", boolean


def dropout_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(samples: int, features: int, rate: float, training: bool = True) -> dict[str, Any]:
        seed = int(rng.integers(1, 1000)) if training else None
        return {"x": away_from_zero(rng, samples, features), "rate": rate, "seed": seed}

    small, large = float(rng.choice([0.2, 0.25, 0.3])), float(rng.choice([0.6, 0.7, 0.75]))
    yield Case("training", "in training, half of a batch", inputs(4, 6, 0.5))
    yield Case("training", "in training, a small rate", inputs(6, 5, small))
    rectified = inputs(5, 8, large)
    rectified["x"] = np.maximum(rectified["x"], 0)
    yield Case("training", "in training, a large rate, after a ReLU", rectified)
    yield Case("training", "in training, the rate 0", inputs(2, 3, 0.0))
    border = inputs(4, 6, 0.5)
    drawn = np.random.default_rng(border["seed"]).random((4, 6))
    border["rate"] = float(np.sort(drawn, axis=None)[4])
    yield Case("border", "in training, the rate is one of the numbers drawn", border)
    yield Case("inference", "at inference, a small rate", inputs(3, 4, small, training=False))
    yield Case("inference", "at inference, a large rate", inputs(2, 5, large, training=False))
    both = as_float32(inputs(4, 6, small))
    yield Case("dtype", "float32, in training and at inference", both)


def factor_forgotten(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept, kept


def multiplied_in_the_place_of_divided(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept * (1 - rate), kept


def divided_by_the_rate(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept / rate, kept


def scaled_at_inference_too(x, *, rate, rng=None):
    if rng is None:
        return x * (1 - rate), np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate), kept


def divided_at_inference_too(x, *, rate, rng=None):
    if rng is None:
        return x / (1 - rate), np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate), kept


def rate_as_the_share_that_is_kept(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) < rate
    return x * kept / rate, kept


def mask_turned_round(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) < rate
    return x * kept / (1 - rate), kept


def kept_below_one_minus_the_rate(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) < 1 - rate
    return x * kept / (1 - rate), kept


def one_mask_for_all_samples(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = np.broadcast_to(rng.random(x.shape[1]) >= rate, x.shape)
    return x * kept / (1 - rate), kept.copy()


def whole_samples_dropped(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = np.broadcast_to(rng.random((len(x), 1)) >= rate, x.shape)
    return x * kept / (1 - rate), kept.copy()


def a_generator_of_its_own(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = np.random.default_rng(0).random(x.shape) >= rate
    return x * kept / (1 - rate), kept


def drawn_twice(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    y = x * (rng.random(x.shape) >= rate) / (1 - rate)
    return y, rng.random(x.shape) >= rate


def dropped_entries_returned(x, *, rate, rng=None):
    if rng is None:
        return x, np.zeros(x.shape, dtype=bool)
    dropped = rng.random(x.shape) < rate
    return x * ~dropped / (1 - rate), dropped


def factors_in_the_place_of_the_mask(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape)
    factors = (rng.random(x.shape) >= rate) / (1 - rate)
    return x * factors, factors


def never_dropped(x, *, rate, rng=None):
    return x.copy(), np.ones(x.shape, dtype=bool)


def the_first_papers_way(x, *, rate, rng=None):
    if rng is None:
        return x * (1 - rate), np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept, kept


def mask_never_used(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x / (1 - rate), kept


def dropped_entries_left_as_they_are(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return np.where(kept, x / (1 - rate), x), kept


def divided_by_the_share_that_stayed(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept / kept.mean(dtype=x.dtype), kept


def kept_above_one_minus_the_rate(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= 1 - rate
    return x * kept / (1 - rate), kept


def drawn_in_float32(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape, dtype=x.dtype) >= rate
    return x * kept / (1 - rate), kept


def one_number_for_all(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = np.full(x.shape, rng.random() >= rate)
    return x * kept / (1 - rate), kept


def mask_of_numbers(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, x.dtype)
    kept = (rng.random(x.shape) >= rate).astype(x.dtype)
    return x * kept / (1 - rate), kept


def mask_of_numbers_at_inference(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones_like(x)
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate), kept


def no_mask_at_inference(x, *, rate, rng=None):
    if rng is None:
        return x, None
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate), kept


def drawn_as_binomial(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.binomial(1, 1 - rate, x.shape) == 1
    return x * kept / (1 - rate), kept


def kept_above_the_rate_only(x, *, rate, rng=None):
    if rng is None:
        return x, np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) > rate
    return x * kept / (1 - rate), kept


def mask_read_off_the_output(x, *, rate, rng=None):
    if rng is None:
        return x, x != 0
    y = np.where(rng.random(x.shape) >= rate, x / (1 - rate), np.zeros_like(x))
    return y, y != 0


def dropout_with_where(x, *, rate, rng=None):
    if rng is None:
        return x, np.full(x.shape, True)
    dropped = rng.random(x.shape) < rate
    return np.where(dropped, np.zeros_like(x), x / (1 - rate)), ~dropped


def dropout_in_place_on_a_copy(x, *, rate, rng=None):
    y, kept = x.copy(), np.ones_like(x, dtype=bool)
    if rng is not None:
        u = rng.random(x.shape)
        kept[u < rate] = False
        y[~kept] = 0
        y /= 1 - rate
    return y, kept


def dropout_entry_by_entry(x, *, rate, rng=None):
    y, kept = x.copy(), np.ones(x.shape, dtype=bool)
    if rng is None:
        return y, kept
    for index in np.ndindex(x.shape):
        kept[index] = rng.random() >= rate
        y[index] = x[index] / (1 - rate) if kept[index] else 0.0
    return y, kept


DROPOUT_FORWARD = Exercise(
    reference=dropout_forward,
    summary="inverted dropout, in training and at inference",
    parts=(
        Part("training", 1.5, "in training: entries dropped, the others enlarged"),
        Part("border", 0.5, "kept where u is the rate itself"),
        Part("inference", 1, "at inference: x as it is"),
        Part("dtype", 0.5, "float32 in, float32 out, a Boolean mask", kind="dtype"),
        INPUTS,
    ),
    cases=dropout_cases,
    run=play_dropout,
    scale=1.0,
    mistakes=(
        Mistake(
            "factor forgotten",
            factor_forgotten,
            "What is kept is not divided by 1 − p. Each entry then has the mean (1 − p)x in "
            "training and x at inference. The first paper repairs that at inference; inverted "
            "dropout does in training what is needed, and nothing later.",
        ),
        Mistake(
            "multiplied in the place of divided",
            multiplied_in_the_place_of_divided,
            "You multiply what is kept by 1 − p. That makes it even smaller: to make up for the "
            "dropped entries the others must grow, so divide.",
        ),
        Mistake(
            "divided by the rate",
            divided_by_the_rate,
            "You divide by p. The share that stays is 1 − p, so its mean is right only after "
            "dividing by 1 − p.",
        ),
        Mistake(
            "scaled at inference too",
            scaled_at_inference_too,
            "Training is right, and at inference you multiply by 1 − p as well. Inverted dropout "
            "has made up for it already: return x as it is.",
        ),
        Mistake(
            "divided at inference too",
            divided_at_inference_too,
            "At inference x is divided by 1 − p although nothing is dropped. The factor belongs to "
            "training only: return x as it is.",
        ),
        Mistake(
            "rate as the share that is kept",
            rate_as_the_share_that_is_kept,
            "You keep the share p. That is the first paper's p; here, as in torch, the rate is the "
            "share that is dropped.",
        ),
        Mistake(
            "mask turned round",
            mask_turned_round,
            "You keep what should be dropped: an entry stays where u >= rate.",
        ),
        Mistake(
            "kept below 1 minus the rate",
            kept_below_one_minus_the_rate,
            "You keep where u < 1 − p. That is dropout with the right rate, but another draw than "
            "the one asked for: keep where u >= p, so that the same generator gives the same mask.",
        ),
        Mistake(
            "one mask for all samples",
            one_mask_for_all_samples,
            "All samples share one mask. Each entry of the batch is dropped on its own: "
            "rng.random(x.shape).",
        ),
        Mistake(
            "whole samples dropped",
            whole_samples_dropped,
            "One number is drawn for each sample, so a sample is kept or lost as a whole. Each "
            "entry is dropped on its own: rng.random(x.shape).",
        ),
        Mistake(
            "a generator of its own",
            a_generator_of_its_own,
            "The mask comes from a generator that starts anew at each call: the same units would "
            "be dropped for ever. Draw from the one you are given.",
        ),
        Mistake(
            "drawn twice",
            drawn_twice,
            "y is right, but the mask that you return comes from a second draw. The backward pass "
            "needs the one that was used.",
        ),
        Mistake(
            "dropped entries returned",
            dropped_entries_returned,
            "y is right, but the mask says where an entry was dropped. Return where it was kept.",
        ),
        Mistake(
            "never dropped",
            never_dropped,
            "Nothing is ever dropped: every call is as at inference. With a generator it is "
            "training: draw a mask.",
        ),
        Mistake(
            "factors in the place of the mask",
            factors_in_the_place_of_the_mask,
            "y is right, but you return the factors 0 and 1/(1 − p). Return the mask, True where "
            "an entry was kept.",
        ),
        Mistake(
            "the first paper's way",
            the_first_papers_way,
            "Nothing is divided in training, and at inference you multiply by 1 − p. That is the "
            "first paper's dropout, and it fits together; asked for is the inverted one: divide by "
            "1 − p in training, return x as it is at inference.",
        ),
        Mistake(
            "mask never used",
            mask_never_used,
            "The mask is drawn and returned, but y does not use it: nothing is dropped, and all "
            "entries are divided by 1 − p. Multiply by the mask.",
        ),
        Mistake(
            "dropped entries left as they are",
            dropped_entries_left_as_they_are,
            "Where an entry is dropped you leave x as it is. Dropped means 0.",
        ),
        Mistake(
            "divided by the share that stayed",
            divided_by_the_share_that_stayed,
            "You divide by the share that this mask has kept. It differs from draw to draw; the "
            "factor is fixed, 1/(1 − p).",
        ),
        Mistake(
            "kept above 1 minus the rate",
            kept_above_one_minus_the_rate,
            "You keep where u >= 1 − p, which is the share p. rate is the share that is dropped: "
            "keep where u >= p.",
        ),
        Mistake(
            "drawn in float32",
            drawn_in_float32,
            "In float32 the mask is another: rng.random with a dtype draws other numbers. Draw u "
            "as ever, u = rng.random(x.shape); the mask is Boolean and widens nothing.",
        ),
        Mistake(
            "one number for all",
            one_number_for_all,
            "rng.random() gives one number, so the whole batch is kept or lost at once. Draw one "
            "for each entry: rng.random(x.shape).",
        ),
        Mistake(
            "mask of numbers",
            mask_of_numbers,
            "The values are right, but the mask is an array of numbers. A Boolean array was asked "
            "for: ~kept and x[kept] need one.",
        ),
        Mistake(
            "mask of numbers at inference",
            mask_of_numbers_at_inference,
            "At inference the mask is an array of numbers. It is Boolean there, too: "
            "np.ones(x.shape, dtype=bool).",
        ),
        Mistake(
            "no mask at inference",
            no_mask_at_inference,
            "At inference you return None in the place of the mask. Nothing is dropped, so "
            "everything is kept: np.ones(x.shape, dtype=bool).",
        ),
        Mistake(
            "kept above the rate only",
            kept_above_the_rate_only,
            "You keep where u > p. Where u is p itself the entry stays, too: u >= rate.",
        ),
        Mistake(
            "drawn as binomial",
            drawn_as_binomial,
            "rng.binomial is dropout with the right rate, but another draw than the one asked for: "
            "keep where rng.random(x.shape) >= rate, so that the same generator gives the same "
            "mask.",
        ),
        Mistake(
            "mask read off the output",
            mask_read_off_the_output,
            "You take for dropped what is 0 in y. An x that is 0 (after a ReLU about half of them "
            "are) can be kept as well: return the mask that was drawn.",
        ),
    ),
    honest=(dropout_with_where, dropout_in_place_on_a_copy, dropout_entry_by_entry),
)


# --- dropout, backward -----------------------------------------------------------------------


def dropout_backward(grad: Array, kept: Array | None, *, rate: float) -> Array:
    """Return ∂L/∂x of inverted dropout; kept is None where the forward pass was inference."""
    return grad.copy() if kept is None else grad * kept / (1 - rate)


def play_dropout_backward(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call it after a pass in training or at inference; float32 after both, as `play_dropout`."""
    yield "the result", function(**inputs)
    if inputs["grad"].dtype == np.float32:
        yield "the result after inference", function(**{**inputs, "kept": None})


def dropout_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(samples: int, features: int, rate: float, training: bool = True) -> dict[str, Any]:
        grad = away_from_zero(rng, samples, features)
        kept = rng.permutation(np.arange(grad.size) % 3 > 0).reshape(grad.shape)
        return {"grad": grad, "kept": kept if training else None, "rate": rate}

    rate, other = float(rng.choice([0.2, 0.3, 0.4])), float(rng.choice([0.6, 0.7, 0.8]))
    yield Case("training", "a batch of four", inputs(4, 3, rate))
    yield Case("training", "one sample, a large rate", inputs(1, 6, other))
    nothing = inputs(2, 3, rate)
    nothing["kept"][1] = False
    yield Case("training", "a sample of which nothing was kept", nothing)
    yield Case("modes", "after inference", inputs(3, 4, rate, training=False))
    yield Case("modes", "after training, the rate 0.5", inputs(3, 4, 0.5))
    both = as_float32(inputs(3, 5, rate))
    yield Case("dtype", "float32, after training and after inference", both)


def backward_without_the_factor(grad, kept, *, rate):
    return grad if kept is None else grad * kept


def backward_multiplied(grad, kept, *, rate):
    return grad if kept is None else grad * kept * (1 - rate)


def backward_divided_by_the_rate(grad, kept, *, rate):
    return grad if kept is None else grad * kept / rate


def mask_ignored(grad, kept, *, rate):
    return grad if kept is None else grad / (1 - rate)


def through_the_dropped_entries(grad, kept, *, rate):
    return grad if kept is None else grad * ~kept / (1 - rate)


def backward_scaled_at_inference(grad, kept, *, rate):
    return grad / (1 - rate) if kept is None else grad * kept / (1 - rate)


def backward_shrunk_at_inference(grad, kept, *, rate):
    return grad * (1 - rate) if kept is None else grad * kept / (1 - rate)


def factor_used_twice(grad, kept, *, rate):
    return grad if kept is None else grad * kept / (1 - rate) ** 2


def derivative_alone(grad, kept, *, rate):
    return np.ones_like(grad) if kept is None else kept / np.asarray(1 - rate, grad.dtype)


def backward_of_the_first_papers_way(grad, kept, *, rate):
    return grad * (1 - rate) if kept is None else grad * kept


def mask_used_nowhere(grad, kept, *, rate):
    return grad / (1 - rate)


def backward_with_dropped_entries_left(grad, kept, *, rate):
    return grad if kept is None else np.where(kept, grad / (1 - rate), grad)


def backward_by_the_share_that_stayed(grad, kept, *, rate):
    return grad if kept is None else grad * kept / kept.mean(dtype=grad.dtype)


def nothing_after_inference(grad, kept, *, rate):
    return np.zeros_like(grad) if kept is None else grad * kept / (1 - rate)


def backward_averaged_over_the_samples(grad, kept, *, rate):
    return grad if kept is None else grad * kept / (1 - rate) / len(grad)


def backward_with_where(grad, kept, *, rate):
    if kept is None:
        return grad
    return np.where(kept, grad / (1 - rate), np.zeros_like(grad))


def backward_with_factors(grad, kept, *, rate):
    factors = np.ones_like(grad)
    if kept is not None:
        factors[...] = kept
        factors /= 1 - rate
    return factors * grad


def backward_entry_by_entry(grad, kept, *, rate):
    grad_x = grad.copy()
    if kept is not None:
        for index in np.ndindex(grad.shape):
            grad_x[index] = grad[index] / (1 - rate) if kept[index] else 0.0
    return grad_x


DROPOUT_BACKWARD = Exercise(
    reference=dropout_backward,
    summary="the gradient through inverted dropout",
    parts=(
        Part("training", 1, "after a pass in training"),
        Part("modes", 1, "after training and after inference"),
        DTYPE,
        INPUTS,
    ),
    cases=dropout_backward_cases,
    run=play_dropout_backward,
    scale=1.0,
    mistakes=(
        Mistake(
            "factor forgotten",
            backward_without_the_factor,
            "The factor is missing. y = x/(1 − p) where an entry was kept, so its derivative is "
            "1/(1 − p), too.",
        ),
        Mistake(
            "multiplied in the place of divided",
            backward_multiplied,
            "The gradient is multiplied by 1 − p. The forward pass divided by it, and so does "
            "the derivative.",
        ),
        Mistake(
            "divided by the rate",
            backward_divided_by_the_rate,
            "You divide by p. On the way forward x was divided by 1 − p.",
        ),
        Mistake(
            "mask ignored",
            mask_ignored,
            "The gradient passes dropped entries, too. They did not reach the output, so their "
            "gradient is 0: multiply by the mask.",
        ),
        Mistake(
            "through the dropped entries",
            through_the_dropped_entries,
            "The mask is turned round: kept is True where the gradient passes.",
        ),
        Mistake(
            "scaled at inference",
            backward_scaled_at_inference,
            "After inference the gradient is divided by 1 − p. There y = x, so it passes as it is.",
        ),
        Mistake(
            "shrunk at inference",
            backward_shrunk_at_inference,
            "After inference the gradient is multiplied by 1 − p. There y = x, so it passes as it "
            "is.",
        ),
        Mistake(
            "derivative alone",
            derivative_alone,
            "This is ∂y/∂x, the factors alone. Multiply by the gradient that arrives: ∂L/∂x = "
            "∂L/∂y · kept / (1 − p).",
        ),
        Mistake(
            "factor used twice",
            factor_used_twice,
            "The factor stands there twice. The gradient passes the layer once: grad · kept / "
            "(1 − p).",
        ),
        Mistake(
            "the first paper's way",
            backward_of_the_first_papers_way,
            "Nothing is divided after training, and after inference you multiply by 1 − p. That "
            "belongs to the first paper's dropout. Inverted dropout has the factor 1/(1 − p) in "
            "training and none at inference.",
        ),
        Mistake(
            "mask used nowhere",
            mask_used_nowhere,
            "kept is never used: every gradient is divided by 1 − p, after inference, too. In "
            "training multiply by the mask as well; after inference grad passes as it is.",
        ),
        Mistake(
            "dropped entries left as they are",
            backward_with_dropped_entries_left,
            "Where an entry was dropped you leave the gradient as it is. y does not depend on that "
            "entry: its gradient is 0.",
        ),
        Mistake(
            "divided by the share that stayed",
            backward_by_the_share_that_stayed,
            "You divide by the share that this mask has kept. The forward pass divided by 1 − p, "
            "whatever was drawn.",
        ),
        Mistake(
            "nothing after inference",
            nothing_after_inference,
            "kept is None means that nothing was dropped, not everything: after inference grad "
            "passes as it is.",
        ),
        Mistake(
            "averaged over the samples",
            backward_averaged_over_the_samples,
            "You divide by the number of samples, too. That belongs to the loss; a layer hands on "
            "each sample's own gradient.",
        ),
    ),
    honest=(backward_with_where, backward_with_factors, backward_entry_by_entry),
)


# --- a network with a rate for each layer ----------------------------------------------------


def dropout_network(
    x: Array,
    weights: Sequence[Array],
    biases: Sequence[Array],
    *,
    rates: Sequence[float],
    masks: Sequence[Array] | None = None,
) -> Array:
    """Return the logits of a dense ReLU network whose layers' inputs pass inverted dropout."""
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def play_network(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call it in training or at inference; float32 in both, as `play_dropout`."""
    yield "the result", function(**inputs)
    if inputs["x"].dtype == np.float32:
        yield "the result at inference", function(**{**inputs, "masks": None})


def network_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        samples: int, sizes: tuple[int, ...], rates: list[float], training: bool = True
    ) -> dict[str, Any]:
        shapes = [*pairwise(sizes)]
        masks = [rng.permutation(np.arange(samples * n) % 4 > 0) for n in sizes[:-1]]
        masks = [mask.reshape(samples, -1) for mask in masks]
        return {
            "x": away_from_zero(rng, samples, sizes[0]),
            "weights": [rng.normal(size=shape) for shape in shapes],
            "biases": [rng.uniform(-1.0, 1.0, size=n) for n in sizes[1:]],
            "rates": rates,
            "masks": masks if training else None,
        }

    three = [float(rate) for rate in rng.permutation([0.1, 0.3, 0.6])]
    yield Case("training", "one hidden layer, one rate", inputs(4, (3, 8, 2), [0.25, 0.25]))
    yield Case("training", "a dense layer alone", inputs(3, (5, 2), [0.4]))
    yield Case("rates", "two hidden layers, three rates", inputs(4, (4, 8, 6, 3), three))
    off = inputs(3, (4, 6, 5, 2), [0.0, 0.5, 0.2])
    off["masks"][0][...] = True
    yield Case("rates", "no dropout of the inputs", off)
    deep = inputs(2, (3, 8, 8, 8, 2), [0.2, *three])
    yield Case("rates", "three hidden layers, four rates", deep)
    yield Case("inference", "at inference", inputs(4, (4, 8, 6, 3), three, training=False))
    one = inputs(3, (3, 6, 2), [0.5, 0.25], training=False)
    yield Case("inference", "at inference, one hidden layer", one)
    both = as_float32(inputs(3, (4, 6, 5, 2), three))
    yield Case("dtype", "float32, in training and at inference", both)


def masks_never_used(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_without_factors(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k]
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def first_rate_everywhere(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[0])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def rates_one_layer_late(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[k - 1])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_divided_by_the_rates(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / rates[k]
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def inputs_never_dropped(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None and k > 0:
            h = h * masks[k] / (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def factor_on_the_bias_too(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h @ w + b if masks is None else ((h * masks[k]) @ w + b) / (1 - rates[k])
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_scaled_at_inference(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h * (1 - rates[k]) if masks is None else h * masks[k] / (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_divided_at_inference(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k]
        h = h / (1 - rates[k]) @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_with_the_masks_turned_round(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * ~masks[k] / (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def rectified_outputs(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[k])
        h = np.maximum(h @ w + b, 0)
    return h


def never_rectified(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[k])
        h = h @ w + b
    return h


def rectified_inputs(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = np.maximum(h, 0)
        if masks is not None:
            h = h * masks[k] / (1 - rates[k])
        h = h @ w + b
    return h


def last_layer_never_dropped(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None and k < len(weights) - 1:
            h = h * masks[k] / (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def probabilities_returned(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def network_the_first_papers_way(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h * (1 - rates[k]) if masks is None else h * masks[k]
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_multiplied(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] * (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def factors_without_masks(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h / (1 - rates[k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_with_dropped_entries_left(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = np.where(masks[k], h / (1 - rates[k]), h)
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def last_rate_everywhere(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[-1])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def rates_turned_round(x, weights, biases, *, rates, masks=None):
    h = x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[-1 - k])
        h = h @ w + b
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_without_biases(x, weights, biases, *, rates, masks=None):
    h = x
    for k, w in enumerate(weights):
        if masks is not None:
            h = h * masks[k] / (1 - rates[k])
        h = h @ w
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h


def network_dropping_before_the_relu(x, weights, biases, *, rates, masks=None):
    if masks is not None:
        x = x * masks[0] / (1 - rates[0])
    for k in range(len(weights) - 1):
        x = x @ weights[k] + biases[k]
        if masks is not None:
            x = x * masks[k + 1] / (1 - rates[k + 1])
        x = np.maximum(x, 0)
    return x @ weights[-1] + biases[-1]


def network_with_the_factor_on_the_weights(x, weights, biases, *, rates, masks=None):
    h = x
    for k in range(len(weights)):
        if k > 0:
            h = h * (h > 0)
        w = weights[k]
        if masks is not None:
            h, w = np.where(masks[k], h, np.zeros_like(h)), w / (1 - rates[k])
        h = np.einsum("ni,ij->nj", h, w) + biases[k]
    return h


def network_sample_by_sample(x, weights, biases, *, rates, masks=None):
    rows = []
    for n in range(len(x)):
        h = x[n]
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            if k > 0:
                h = np.maximum(h, 0)
            if masks is not None:
                h = h * masks[k][n] / (1 - rates[k])
            h = w.T @ h + b
        rows.append(h)
    return np.array(rows)


DROPOUT_NETWORK = Exercise(
    reference=dropout_network,
    summary="a dense network with a dropout rate for each layer",
    parts=(
        Part("training", 1.5, "in training, one rate"),
        Part("rates", 1.5, "in training, another rate for each layer"),
        Part("inference", 1, "at inference"),
        DTYPE,
        INPUTS,
    ),
    cases=network_cases,
    run=play_network,
    scale=1.0,
    mistakes=(
        Mistake(
            "masks never used",
            masks_never_used,
            "The masks are never used, so training is as inference. Where there are masks, "
            "multiply each layer's input by its mask and divide by 1 − p.",
        ),
        Mistake(
            "factor forgotten",
            network_without_factors,
            "What is kept is not divided by 1 − p. Every layer then gets less in training than at "
            "inference: h · mask / (1 − rates[k]).",
        ),
        Mistake(
            "first rate everywhere",
            first_rate_everywhere,
            "Every layer takes rates[0]. Layer k has a rate of its own, rates[k].",
        ),
        Mistake(
            "rates one layer late",
            rates_one_layer_late,
            "The rates are shifted by one layer. rates[k] and masks[k] belong to the input of "
            "dense layer k; rates[0] is that of x.",
        ),
        Mistake(
            "divided by the rates",
            network_divided_by_the_rates,
            "You divide by p. The share that stays is 1 − p: divide by 1 − rates[k].",
        ),
        Mistake(
            "inputs never dropped",
            inputs_never_dropped,
            "x passes whole. masks[0] and rates[0] are those of the inputs: every dense layer's "
            "input is dropped from, also that of the first.",
        ),
        Mistake(
            "last layer never dropped",
            last_layer_never_dropped,
            "The input of the last dense layer passes whole. It is the outputs that are never "
            "dropped; the last hidden layer is, with rates[-1].",
        ),
        Mistake(
            "probabilities returned",
            probabilities_returned,
            "You return the softmax. The logits are asked for, the last dense layer's output.",
        ),
        Mistake(
            "factor on the bias too",
            factor_on_the_bias_too,
            "The division by 1 − p comes after the dense layer, so it enlarges the bias, which "
            "nothing was dropped from. Divide before: (h · mask / (1 − p)) @ w + b.",
        ),
        Mistake(
            "scaled at inference too",
            network_scaled_at_inference,
            "At inference the activations are multiplied by 1 − p. With inverted dropout nothing "
            "is left to do there.",
        ),
        Mistake(
            "divided at inference too",
            network_divided_at_inference,
            "At inference the activations are divided by 1 − p although nothing was dropped. The "
            "factor belongs to the mask: only in training.",
        ),
        Mistake(
            "masks turned round",
            network_with_the_masks_turned_round,
            "What should be dropped is kept: a mask is True where an entry stays.",
        ),
        Mistake(
            "outputs rectified",
            rectified_outputs,
            "The last layer has a ReLU, too. Logits may be negative: no ReLU after the last dense "
            "layer.",
        ),
        Mistake(
            "never rectified",
            never_rectified,
            "There is no ReLU, so the whole network is one linear map. It stands between the dense "
            "layers: max(h @ w + b, 0), but for the last.",
        ),
        Mistake(
            "inputs rectified",
            rectified_inputs,
            "x itself passes a ReLU and loses its negative entries. The ReLU comes after a dense "
            "layer, not before the first.",
        ),
        Mistake(
            "the first paper's way",
            network_the_first_papers_way,
            "Nothing is divided in training, and at inference each layer's input is multiplied by "
            "1 − p. That is the first paper's dropout; asked for is the inverted one: h · mask / "
            "(1 − rates[k]) in training, nothing at inference.",
        ),
        Mistake(
            "multiplied in the place of divided",
            network_multiplied,
            "What is kept is multiplied by 1 − p. To make up for the dropped entries it must grow: "
            "divide.",
        ),
        Mistake(
            "factors without masks",
            factors_without_masks,
            "Each layer's input is divided by 1 − p, but nothing is dropped. Multiply by masks[k], "
            "too.",
        ),
        Mistake(
            "dropped entries left as they are",
            network_with_dropped_entries_left,
            "Where an entry is dropped you leave it as it is. Dropped means 0: h · mask / (1 − "
            "rates[k]).",
        ),
        Mistake(
            "last rate everywhere",
            last_rate_everywhere,
            "Every layer takes rates[-1]. Layer k has a rate of its own, rates[k].",
        ),
        Mistake(
            "rates turned round",
            rates_turned_round,
            "The rates are taken from the end. rates[0] is that of x, rates[k] that of the input "
            "of layer k.",
        ),
        Mistake(
            "biases forgotten",
            network_without_biases,
            "The biases are missing: a dense layer is h @ w + b.",
        ),
    ),
    honest=(
        network_dropping_before_the_relu,
        network_with_the_factor_on_the_weights,
        network_sample_by_sample,
    ),
)


# --- MC dropout ------------------------------------------------------------------------------


def mc_dropout_moments(logits: Array) -> tuple[Array, Array]:
    """Return mean and variance of the classes' probabilities over the passes."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities.mean(axis=0), probabilities.var(axis=0)


def look_at_the_moments(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at what this case asks for."""
    mean, variance = unpack(function(inputs["logits"]), "mean", "variance")
    if inputs["looked at"] != "variance":
        yield "the mean", mean
    if inputs["looked at"] != "mean":
        yield "the variance", variance


def moment_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        looked_at: str, passes: int, samples: int, classes: int, size: float = 2.0
    ) -> dict[str, Any]:
        logits = rng.normal(0, size, (passes, samples, classes))
        return {"logits": logits, "looked at": looked_at}

    yield Case("mean", "mean of five passes", inputs("mean", 5, 3, 4))
    yield Case("mean", "mean, as many of each", inputs("mean", 3, 3, 3))
    yield Case("mean", "mean, two classes", inputs("mean", 4, 1, 2))
    yield Case("variance", "variance of five passes", inputs("variance", 5, 3, 4))
    yield Case("variance", "variance, as many of each", inputs("variance", 3, 3, 3))
    yield Case("variance", "variance of two passes", inputs("variance", 2, 4, 3))
    large = inputs("both", 4, 3, 3)
    far = 1000.0 * rng.permutation([-1.0, 0.0, 1.0])
    large["logits"] += far[:, None]
    large["logits"][:, far == 0] += far  # a row with both, where only its largest can be subtracted
    yield Case("large", "logits near 1000 and near −1000", large)
    yield Case("dtype", "in float32", as_float32(inputs("both", 6, 3, 4)))


def softmax_of_the_mean(logits):
    def softmax(z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    return softmax(logits.mean(axis=0)), softmax(logits).var(axis=0)


def moments_of_the_logits(logits):
    return logits.mean(axis=0), logits.var(axis=0)


def moments_with_n_minus_1(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), p.var(axis=0, ddof=1)


def standard_deviation(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), p.std(axis=0)


def mean_not_subtracted(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), (p**2).mean(axis=0)


def moments_over_the_samples(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=1), p.var(axis=1)


def softmax_over_the_samples(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p.mean(axis=0), p.var(axis=0)


def softmax_over_the_passes(logits):
    e = np.exp(logits - logits.max(axis=0, keepdims=True))
    p = e / e.sum(axis=0, keepdims=True)
    return p.mean(axis=0), p.var(axis=0)


def one_variance_for_each_sample(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), p.var(axis=0).mean(axis=-1)


def variance_of_the_binary_answer(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    mean = (e / e.sum(axis=-1, keepdims=True)).mean(axis=0)
    return mean, mean * (1 - mean)


def variance_of_the_mean(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), p.var(axis=0) / len(p)


def squares_added_up(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), ((p - p.mean(axis=0)) ** 2).sum(axis=0)


def overflowing_softmax(logits):
    e = np.exp(logits)
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), p.var(axis=0)


def one_maximum_for_all(logits):
    e = np.exp(logits - logits.max())
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), p.var(axis=0)


def moments_before_the_softmax(logits):
    z = logits.mean(axis=0)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True), logits.var(axis=0)


def not_normalised(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e.mean(axis=0), e.var(axis=0)


def one_sum_for_all(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum()
    return p.mean(axis=0), p.var(axis=0)


def smallest_subtracted(logits):
    e = np.exp(logits - logits.min(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.mean(axis=0), p.var(axis=0)


def moments_in_the_other_order(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p.var(axis=0), p.mean(axis=0)


def moments_by_squares(logits):
    e = np.exp(logits - np.max(logits, axis=2)[:, :, None])
    p = e / np.sum(e, axis=2)[:, :, None]
    mean = p.sum(axis=0) / len(p)
    return mean, (p**2).sum(axis=0) / len(p) - mean**2


def moments_pass_by_pass(logits):
    mean, squares = np.zeros_like(logits[0]), np.zeros_like(logits[0])
    for count, z in enumerate(logits, start=1):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        p = e / e.sum(axis=-1, keepdims=True)
        step = p - mean
        mean = mean + step / count
        squares = squares + step * (p - mean)
    return mean, squares / len(logits)


def moments_sample_by_sample(logits):
    passes, samples, classes = logits.shape
    mean = np.zeros((samples, classes), dtype=logits.dtype)
    variance = np.zeros_like(mean)
    for n in range(samples):
        p = np.zeros((passes, classes), dtype=logits.dtype)
        for s in range(passes):
            e = np.exp(logits[s, n] - max(logits[s, n]))
            p[s] = e / e.sum()
        mean[n] = sum(p) / passes
        variance[n] = sum((p - mean[n]) ** 2) / passes
    return mean, variance


MC_DROPOUT_MOMENTS = Exercise(
    reference=mc_dropout_moments,
    summary="mean and variance of many predictions with dropout on",
    parts=(
        Part("mean", 1, "the mean of the probabilities"),
        Part("variance", 1.5, "their variance"),
        Part("large", 0.5, "large logits"),
        DTYPE,
        INPUTS,
    ),
    cases=moment_cases,
    run=look_at_the_moments,
    scale=1.0,
    mistakes=(
        Mistake(
            "softmax of the mean",
            softmax_of_the_mean,
            "You average the logits and take the softmax of that. Each pass is a prediction of its "
            "own: first the softmax of each, then the mean of the probabilities.",
        ),
        Mistake(
            "moments of the logits",
            moments_of_the_logits,
            "These are mean and variance of the logits. Logits have no fixed scale; take the "
            "softmax of each pass first.",
        ),
        Mistake(
            "divided by S − 1",
            moments_with_n_minus_1,
            "The variance is divided by the number of passes less 1 (ddof=1). Here it is the mean "
            "squared deviation, divided by S.",
        ),
        Mistake(
            "standard deviation",
            standard_deviation,
            "This is the standard deviation. The variance is asked for: its square.",
        ),
        Mistake(
            "mean not subtracted",
            mean_not_subtracted,
            "This is the mean of the squares. For the variance subtract the mean before you "
            "square, or the squared mean after.",
        ),
        Mistake(
            "over the samples",
            moments_over_the_samples,
            "The moments are taken over the samples. It is the passes, axis 0, that are averaged; "
            "each sample keeps its own prediction.",
        ),
        Mistake(
            "softmax over the samples",
            softmax_over_the_samples,
            "The softmax runs over axis 1, the samples. It is the classes, axis −1, whose "
            "probabilities add up to 1.",
        ),
        Mistake(
            "softmax over the passes",
            softmax_over_the_passes,
            "The softmax runs over axis 0, the passes. It is the classes, axis −1, whose "
            "probabilities add up to 1.",
        ),
        Mistake(
            "one variance for each sample",
            one_variance_for_each_sample,
            "The variances of the classes are averaged. Return one for each sample and class, of "
            "the shape of the mean.",
        ),
        Mistake(
            "variance of a yes or no",
            variance_of_the_binary_answer,
            "p(1 − p) is the variance of a yes or no with this probability. Asked for is how far "
            "the probability itself varies between the passes.",
        ),
        Mistake(
            "variance of the mean",
            variance_of_the_mean,
            "The variance is divided by the number of passes once more: that is the variance of "
            "their mean. How far single passes lie apart does not shrink with their number.",
        ),
        Mistake(
            "squares added up",
            squares_added_up,
            "The squared deviations are added up. The variance is their mean: divide by the number "
            "of passes.",
        ),
        Mistake(
            "overflowing softmax",
            overflowing_softmax,
            "exp overflows for large logits. Subtract each row's largest logit first: it changes "
            "no probability.",
        ),
        Mistake(
            "one maximum for all",
            one_maximum_for_all,
            "One maximum is subtracted from all logits; rows far below it become 0/0. Each row "
            "needs its own: max(axis=-1, keepdims=True).",
        ),
        Mistake(
            "moments before the softmax",
            moments_before_the_softmax,
            "Both moments are taken of the logits, and only then comes a softmax, for the mean. "
            "Each pass is a prediction of its own: first the softmax of each, then mean and "
            "variance of the probabilities.",
        ),
        Mistake(
            "not normalised",
            not_normalised,
            "exp alone gives no probabilities: divide each row by its sum over the classes.",
        ),
        Mistake(
            "one sum for all",
            one_sum_for_all,
            "You divide by the sum of everything. Each row has its own sum: e.sum(axis=-1, "
            "keepdims=True).",
        ),
        Mistake(
            "another number than the largest subtracted",
            smallest_subtracted,
            "What you subtract is not each row's largest logit. In a row with 1000 and −1000 the "
            "exponential still overflows; after the largest no exponent is above 0.",
        ),
        Mistake(
            "in the other order",
            moments_in_the_other_order,
            "You return (variance, mean). Asked for is (mean, variance).",
        ),
    ),
    honest=(moments_by_squares, moments_pass_by_pass, moments_sample_by_sample),
)


# --- an L2 penalty ---------------------------------------------------------------------------


def l2_penalty(
    loss: Any, params: Sequence[Array], grads: Sequence[Array], *, weight_decay: float
) -> tuple[Any, list[Array]]:
    """Return the loss and its gradients with an L2 penalty on the matrices among the params."""
    matrices = [param for param in params if param.ndim == 2]
    penalty = weight_decay / 2 * sum(np.sum(w**2) for w in matrices)
    return loss + penalty, [
        grad + weight_decay * param if param.ndim == 2 else grad.copy()
        for param, grad in zip(params, grads, strict=True)
    ]


def look_at_loss_and_grads(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at the loss and at each gradient."""
    loss, grads = unpack(function(**inputs), "loss", "grads")
    if inputs["params"][0].dtype == np.float64:
        yield "the loss", loss
    if type(grads) not in (list, tuple):
        raise WrongKind(f"expected a list of gradients, got {describe(grads)}")
    yield "the number of gradients", len(grads)
    for index, grad in enumerate(grads):
        yield f"grads[{index}]", grad


def penalty_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(*shapes: tuple[int, ...], weight_decay: float) -> dict[str, Any]:
        return {
            "loss": float(rng.uniform(0.5, 2.0)),
            "params": [away_from_zero(rng, *shape) for shape in shapes],
            "grads": [rng.normal(size=shape) for shape in shapes],
            "weight_decay": weight_decay,
        }

    decay = float(rng.choice([0.2, 0.3, 0.4]))
    yield Case("matrix", "one matrix", inputs((3, 2), weight_decay=decay))
    yield Case("matrix", "two matrices", inputs((2, 4), (4, 1), weight_decay=0.05))
    yield Case("network", "two layers", inputs((3, 4), (4,), (4, 2), (2,), weight_decay=decay))
    first = inputs((3,), (3, 3), (1, 3), weight_decay=2 * decay)
    yield Case("network", "a bias first, and a matrix of one row", first)
    yield Case("network", "no penalty", inputs((3, 2), (2,), weight_decay=0.0))
    narrow = as_float32(inputs((3, 4), (4,), (4, 2), (2,), weight_decay=decay))
    yield Case("dtype", "two layers in float32", narrow)


def half_forgotten_in_the_loss(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay * np.sum(w**2)
    return loss, [g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)]


def twice_the_penaltys_gradient(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(w**2)
    return loss, [
        g + 2 * weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)
    ]


def half_in_the_gradients(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(w**2)
    return loss, [
        g + weight_decay / 2 * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)
    ]


def penalty_without_the_half(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay * np.sum(w**2)
    return loss, [
        g + 2 * weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)
    ]


def biases_penalised_too(loss, params, grads, *, weight_decay):
    loss = loss + weight_decay / 2 * sum(np.sum(p**2) for p in params)
    return loss, [g + weight_decay * p for p, g in zip(params, grads, strict=True)]


def norm_not_squared(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.linalg.norm(w)
    return loss, [g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)]


def mean_of_the_squares(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.mean(w**2)
    return loss, [
        g + weight_decay * p * (p.ndim == 2) / p.size for p, g in zip(params, grads, strict=True)
    ]


def penalty_subtracted_from_the_gradients(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(w**2)
    return loss, [g - weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)]


def loss_left_as_it_is(loss, params, grads, *, weight_decay):
    return loss, [g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)]


def gradients_left_as_they_are(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(w**2)
    return loss, [g.copy() for g in grads]


def penalty_of_the_gradients(loss, params, grads, *, weight_decay):
    for g in grads:
        if g.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(g**2)
    return loss, [g + weight_decay * g * (g.ndim == 2) for g in grads]


def penalty_of_absolute_values(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay * np.sum(np.abs(w))
    return loss, [
        g + weight_decay * np.sign(p) * (p.ndim == 2) for p, g in zip(params, grads, strict=True)
    ]


def first_matrix_only(loss, params, grads, *, weight_decay):
    new, seen = [], False
    for p, g in zip(params, grads, strict=True):
        if p.ndim == 2 and not seen:
            loss = loss + weight_decay / 2 * np.sum(p**2)
            g = g + weight_decay * p
            seen = True
        new.append(g)
    return loss, new


def penalty_overwritten_in_the_loop(loss, params, grads, *, weight_decay):
    penalty = 0.0
    for w in params:
        if w.ndim == 2:
            penalty = weight_decay / 2 * np.sum(w**2)
    return loss + penalty, [
        g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)
    ]


def spectral_norm_in_the_loss(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.linalg.norm(w, 2) ** 2
    return loss, [g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)]


def biases_in_the_loss(loss, params, grads, *, weight_decay):
    loss = loss + weight_decay / 2 * sum(np.sum(p**2) for p in params)
    return loss, [g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)]


def biases_in_the_gradients(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(w**2)
    return loss, [g + weight_decay * p for p, g in zip(params, grads, strict=True)]


def mean_in_the_loss(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.mean(w**2)
    return loss, [g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)]


def penalty_alone(loss, params, grads, *, weight_decay):
    penalty = weight_decay / 2 * sum(np.sum(w**2) for w in params if w.ndim == 2)
    return penalty, [
        g + weight_decay * p * (p.ndim == 2) for p, g in zip(params, grads, strict=True)
    ]


def gradient_of_the_penalty_alone(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(w**2)
    return loss, [
        weight_decay * p if p.ndim == 2 else g for p, g in zip(params, grads, strict=True)
    ]


def gradients_of_the_biases_lost(loss, params, grads, *, weight_decay):
    for w in params:
        if w.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(w**2)
    return loss, [
        g + weight_decay * p if p.ndim == 2 else np.zeros_like(g)
        for p, g in zip(params, grads, strict=True)
    ]


def every_second_array(loss, params, grads, *, weight_decay):
    new = []
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        if k % 2 == 0:
            loss = loss + weight_decay / 2 * np.sum(p**2)
            g = g + weight_decay * p
        new.append(g)
    return loss, new


def penalty_in_a_loop(loss, params, grads, *, weight_decay):
    new = []
    for p, g in zip(params, grads, strict=True):
        if len(p.shape) == 2:
            loss = loss + 0.5 * weight_decay * float((p * p).sum())
            new.append(g + weight_decay * p)
        else:
            new.append(g)
    return loss, new


def penalty_by_norms(loss, params, grads, *, weight_decay):
    total = sum(np.linalg.norm(p) ** 2 for p in params if p.ndim > 1)
    decays = [weight_decay if p.ndim > 1 else 0.0 for p in params]
    return loss + total * weight_decay / 2, [
        d * p + g for d, p, g in zip(decays, params, grads, strict=True)
    ]


def penalty_in_place_on_copies(loss, params, grads, *, weight_decay):
    new = [g.copy() for g in grads]
    for i in range(len(params)):
        if params[i].ndim == 2:
            loss = loss + weight_decay * np.vdot(params[i], params[i]) / 2
            new[i] += weight_decay * params[i]
    return loss, new


L2_PENALTY = Exercise(
    reference=l2_penalty,
    summary="a loss and its gradients with an L2 penalty",
    parts=(
        Part("matrix", 1.5, "matrices"),
        Part("network", 1.5, "matrices and biases"),
        DTYPE,
        INPUTS,
    ),
    cases=penalty_cases,
    run=look_at_loss_and_grads,
    scale=1.0,
    mistakes=(
        Mistake(
            "half forgotten in the loss",
            half_forgotten_in_the_loss,
            "The gradients are right, but the loss adds λ‖W‖². Its gradient would be 2λW: the "
            "penalty is (λ/2)‖W‖².",
        ),
        Mistake(
            "twice the penalty's gradient",
            twice_the_penaltys_gradient,
            "The loss is right, but the gradients add 2λW. The ½ in (λ/2)‖W‖² is there to cancel "
            "the 2: λW.",
        ),
        Mistake(
            "half in the gradients",
            half_in_the_gradients,
            "The loss is right, but the gradients add λW/2. The derivative of W² brings a 2 that "
            "cancels the ½: λW.",
        ),
        Mistake(
            "penalty without the half",
            penalty_without_the_half,
            "This is the penalty λ‖W‖² with its gradient 2λW: some texts define it so. Here it is "
            "(λ/2)‖W‖² with the gradient λW.",
        ),
        Mistake(
            "biases penalised too",
            biases_penalised_too,
            "The biases are penalised, too. They only shift, and few numbers overfit little: "
            "here only arrays with two axes are.",
        ),
        Mistake(
            "norm not squared",
            norm_not_squared,
            "The loss adds the norm, not its square. λW is the gradient of (λ/2)‖W‖², the sum of "
            "squares.",
        ),
        Mistake(
            "mean of the squares",
            mean_of_the_squares,
            "The squares are averaged over the entries. The penalty is their sum: a large layer "
            "pays for all its weights.",
        ),
        Mistake(
            "penalty subtracted from the gradients",
            penalty_subtracted_from_the_gradients,
            "λW is subtracted from the gradients, so a step would make the weights grow. The "
            "gradient of a term that is added is added.",
        ),
        Mistake(
            "loss left as it is",
            loss_left_as_it_is,
            "The gradients have the penalty, the loss has not. Then they are not the gradients of "
            "this loss: add (λ/2)‖W‖² to it.",
        ),
        Mistake(
            "gradients left as they are",
            gradients_left_as_they_are,
            "The loss has the penalty, the gradients have not: training would never see it. Add "
            "λW.",
        ),
        Mistake(
            "penalty of the gradients",
            penalty_of_the_gradients,
            "It is the gradients that are penalised. The penalty is about the parameters: "
            "(λ/2)‖W‖² and λW.",
        ),
        Mistake(
            "penalty of absolute values",
            penalty_of_absolute_values,
            "This is an L1 penalty, λΣ|w| with the gradient λ sign(W). L2 squares the weights.",
        ),
        Mistake(
            "first matrix only",
            first_matrix_only,
            "Only the first matrix is penalised. Add up over all of them.",
        ),
        Mistake(
            "penalty overwritten in the loop",
            penalty_overwritten_in_the_loop,
            "The gradients are right, but the loss has the penalty of the last matrix alone: the "
            "loop overwrites it each time. Add up: +=, not =.",
        ),
        Mistake(
            "spectral norm",
            spectral_norm_in_the_loss,
            "The gradients are right, but np.linalg.norm(W, 2) is the spectral norm, the largest "
            "stretch. ‖W‖² is the sum of all squares: np.sum(W**2).",
        ),
        Mistake(
            "biases in the loss",
            biases_in_the_loss,
            "The gradients are right, but the loss adds the squares of the biases, too. The "
            "penalty is on the matrices only.",
        ),
        Mistake(
            "biases in the gradients",
            biases_in_the_gradients,
            "The loss is right, but the gradients of the biases get λb. The penalty is on the "
            "matrices only.",
        ),
        Mistake(
            "mean in the loss",
            mean_in_the_loss,
            "The gradients are right, but the loss averages the squares (np.mean). λW is the "
            "gradient of (λ/2) times their sum.",
        ),
        Mistake(
            "penalty alone",
            penalty_alone,
            "The gradients are right, but the penalty alone is returned as the loss. Add it to the "
            "loss that you were given.",
        ),
        Mistake(
            "gradient of the penalty alone",
            gradient_of_the_penalty_alone,
            "The loss is right, but λW stands in the place of the matrices' gradients. It is added "
            "to them: ∂L/∂W + λW.",
        ),
        Mistake(
            "gradients of the biases lost",
            gradients_of_the_biases_lost,
            "The gradients of the biases become 0, and the biases would never learn. They stay as "
            "they were.",
        ),
        Mistake(
            "every second array",
            every_second_array,
            "You penalise every second array. Matrices and biases need not take turns: look at how "
            "many axes each has.",
        ),
    ),
    honest=(penalty_in_a_loop, penalty_by_norms, penalty_in_place_on_copies),
)


# --- momentum with decay ---------------------------------------------------------------------


def momentum_with_decay(
    theta: Array,
    grad: Array,
    u: Array,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.01,
    decoupled: bool = False,
) -> tuple[Array, Array]:
    """Return θ and u after a step of momentum with an L2 penalty, or with decoupled decay."""
    if decoupled:
        u = momentum * u - lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta + u, u


def play_decay_steps(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Follow the rule along the given gradients; the kind of decay may change on the way."""
    theta, u = inputs["theta"], inputs["u"]
    hyper = {key: inputs[key] for key in ("lr", "momentum", "weight_decay")}
    pairs = zip(inputs["grads"], inputs["decoupled"], strict=True)
    for step, (grad, decoupled) in enumerate(pairs, start=1):
        result = function(theta, grad, u, **hyper, decoupled=decoupled)
        theta, u = unpack(result, "theta", "u")
        yield f"theta after step {step}", theta
        yield f"u after step {step}", u


def decay_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(shape: tuple[int, ...], decoupled: list[bool], rest: bool = False) -> dict[str, Any]:
        return {
            "theta": away_from_zero(rng, *shape),
            "u": np.zeros(shape) if rest else away_from_zero(rng, *shape),
            "grads": [away_from_zero(rng, *shape) for _ in decoupled],
            "decoupled": decoupled,
            "lr": float(rng.choice([0.1, 0.2, 0.3])),
            "momentum": float(rng.choice([0.6, 0.7, 0.8])),  # not 0.5: α and 1 − α must differ
            "weight_decay": float(rng.choice([0.2, 0.4, 0.6])),
        }

    yield Case("l2", "L2, one step from rest", inputs((3,), [False], rest=True))
    yield Case("l2", "L2, four steps", inputs((2, 2), 4 * [False]))
    yield Case("decoupled", "decoupled, one step from rest", inputs((3,), [True], rest=True))
    yield Case("decoupled", "decoupled, four steps", inputs((2, 2), 4 * [True]))
    both = [True, False, False, True]
    yield Case("both", "four steps, the kind of decay changes", inputs((3,), both))
    yield Case("dtype", "three steps in float32", as_float32(inputs((3,), [False, True, True])))


def always_l2(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta + u, u


def always_decoupled(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    u = momentum * u - lr * grad
    return theta - lr * weight_decay * theta + u, u


def kinds_swapped(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * (grad + weight_decay * theta)
        return theta + u, u
    u = momentum * u - lr * grad
    return theta - lr * weight_decay * theta + u, u


def decayed_twice(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    u = momentum * u - lr * (grad + weight_decay * theta)
    if decoupled:
        return theta - lr * weight_decay * theta + u, u
    return theta + u, u


def never_decayed(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    u = momentum * u - lr * grad
    return theta + u, u


def decay_makes_it_grow(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * grad
        return theta + lr * weight_decay * theta + u, u
    u = momentum * u - lr * (grad - weight_decay * theta)
    return theta + u, u


def l2_makes_it_grow(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = momentum * u - lr * (grad - weight_decay * theta)
    return theta + u, u


def decoupled_decay_makes_it_grow(
    theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False
):
    if decoupled:
        u = momentum * u - lr * grad
        return theta + lr * weight_decay * theta + u, u
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta + u, u


def brackets_forgotten(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = momentum * u - lr * grad + weight_decay * theta
    return theta + u, u


def l2_without_the_rate(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = momentum * u - lr * grad - weight_decay * theta
    return theta + u, u


def momentum_never_used(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = u - lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = u - lr * (grad + weight_decay * theta)
    return theta + u, u


def velocity_turned_round(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u + lr * grad
        return theta - lr * weight_decay * theta - u, u
    u = momentum * u + lr * (grad + weight_decay * theta)
    return theta - u, u


def average_of_the_gradients(
    theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False
):
    if decoupled:
        u = momentum * u + (1 - momentum) * grad
        return theta - lr * weight_decay * theta - lr * u, u
    u = momentum * u + (1 - momentum) * (grad + weight_decay * theta)
    return theta - lr * u, u


def old_velocity(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        return theta - lr * weight_decay * theta + u, momentum * u - lr * grad
    return theta + u, momentum * u - lr * (grad + weight_decay * theta)


def given_velocity_returned(
    theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False
):
    if decoupled:
        return theta - lr * weight_decay * theta + momentum * u - lr * grad, u
    return theta + momentum * u - lr * (grad + weight_decay * theta), u


def both_kinds_at_once(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta - lr * weight_decay * theta + u, u


def step_in_the_other_order(
    theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False
):
    if decoupled:
        u = momentum * u - lr * grad
        return u, theta - lr * weight_decay * theta + u
    u = momentum * u - lr * (grad + weight_decay * theta)
    return u, theta + u


def decay_without_the_rate(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * grad
        return theta - weight_decay * theta + u, u
    u = momentum * u - lr * grad - weight_decay * theta
    return theta + u, u


def decoupled_decay_without_the_rate(
    theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False
):
    if decoupled:
        u = momentum * u - lr * grad
        return theta - weight_decay * theta + u, u
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta + u, u


def decay_after_the_step(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * grad
        return (theta + u) * (1 - lr * weight_decay), u
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta + u, u


def velocity_decayed(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - lr * grad
        return theta + u * (1 - lr * weight_decay), u
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta + u, u


def velocity_averaged(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u - (1 - momentum) * lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = momentum * u - (1 - momentum) * lr * (grad + weight_decay * theta)
    return theta + u, u


def decay_uphill(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u + lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = momentum * u + lr * (grad + weight_decay * theta)
    return theta + u, u


def l2_left_out(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    u = momentum * u - lr * grad
    if decoupled:
        return theta - lr * weight_decay * theta + u, u
    return theta + u, u


def decoupled_left_out(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    u = momentum * u - lr * (grad if decoupled else grad + weight_decay * theta)
    return theta + u, u


def rate_outside(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    if decoupled:
        u = momentum * u + grad
        return theta - lr * weight_decay * theta - lr * u, u
    u = momentum * u + grad + weight_decay * theta
    return theta - lr * u, u


def decay_by_shrinking_first(
    theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False
):
    shrunk = theta * (1 - lr * weight_decay) if decoupled else theta
    pull = grad if decoupled else grad + weight_decay * theta
    u = momentum * u - lr * pull
    return shrunk + u, u


def decay_in_place_on_copies(
    theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False
):
    new, u = theta.copy(), u.copy()
    u *= momentum
    u -= lr * grad
    if not decoupled:
        u -= lr * weight_decay * theta
    new += u
    if decoupled:
        new -= lr * weight_decay * theta
    return new, u


def decay_entry_by_entry(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    new, u = theta.copy(), u.copy()
    for index, g in np.ndenumerate(grad):
        pull = weight_decay * theta[index]
        u[index] = momentum * u[index] - lr * (g + (0.0 if decoupled else pull))
        new[index] = theta[index] + u[index] - (lr * pull if decoupled else 0.0)
    return new, u


MOMENTUM_WITH_DECAY = Exercise(
    reference=momentum_with_decay,
    summary="a step of momentum with an L2 penalty or with decoupled decay",
    parts=(
        Part("l2", 1.5, "an L2 penalty"),
        Part("decoupled", 1.5, "decoupled decay"),
        Part("both", 1, "both kinds in one run"),
        DTYPE,
        INPUTS,
    ),
    cases=decay_cases,
    run=play_decay_steps,
    scale=1.0,
    mistakes=(
        Mistake(
            "always L2",
            always_l2,
            "The decay ends up in the velocity in both cases, where it goes on acting. Where "
            "decoupled is True, leave u to the gradients alone and take γλθ off θ.",
        ),
        Mistake(
            "always decoupled",
            always_decoupled,
            "decoupled is never asked for: the decay stays out of the velocity in both cases. "
            "Where it is False, λθ is added to the gradient.",
        ),
        Mistake(
            "kinds swapped",
            kinds_swapped,
            "The two kinds are swapped. With an L2 penalty λθ joins the gradient and so the "
            "velocity; decoupled decay goes past it.",
        ),
        Mistake(
            "decayed twice",
            decayed_twice,
            "With decoupled=True the weights decay twice, through the gradient and directly. Only "
            "one of the two.",
        ),
        Mistake(
            "never decayed",
            never_decayed,
            "weight_decay is not used: this is momentum alone.",
        ),
        Mistake(
            "no decay with L2",
            l2_left_out,
            "The decoupled kind is right, but with decoupled=False nothing decays. There λθ is "
            "added to the gradient.",
        ),
        Mistake(
            "no decay when decoupled",
            decoupled_left_out,
            "L2 is right, but with decoupled=True nothing decays. There γλθ is taken off θ.",
        ),
        Mistake(
            "rate outside the velocity",
            rate_outside,
            "This is torch's form, u = αu + g and θ − γu. Here, as in unit 03, the rate is inside "
            "the velocity: u = αu − γg and θ + u.",
        ),
        Mistake(
            "decay makes it grow",
            decay_makes_it_grow,
            "The sign of the decay is wrong: θ grows. Both kinds pull towards 0.",
        ),
        Mistake(
            "decay without the rate",
            decay_without_the_rate,
            "The decay is λθ in both kinds. Here the rate scales it, too: γλθ.",
        ),
        Mistake(
            "decoupled decay without the rate",
            decoupled_decay_without_the_rate,
            "L2 is right. The decoupled decay is λθ, without the rate: here, as in torch, it is "
            "γλθ.",
        ),
        Mistake(
            "decay after the step",
            decay_after_the_step,
            "L2 is right. The decoupled decay shrinks θ after the step. It acts on the θ that you "
            "were given: θ − γλθ + u.",
        ),
        Mistake(
            "velocity decayed",
            velocity_decayed,
            "L2 is right. With decoupled=True it is the velocity that shrinks. Weight decay "
            "shrinks the weights: θ − γλθ + u.",
        ),
        Mistake(
            "velocity averaged",
            velocity_averaged,
            "The gradient is weighted by 1 − α. Here, as in unit 03, the velocity is a sum: "
            "u = αu − γg.",
        ),
        Mistake(
            "uphill",
            decay_uphill,
            "The step goes up the gradient. u = αu − γg, with a minus.",
        ),
        Mistake(
            "L2 makes it grow",
            l2_makes_it_grow,
            "The decoupled kind is right. With an L2 penalty θ grows: the penalty is added to the "
            "gradient, u' = αu − γ(g + λθ).",
        ),
        Mistake(
            "decoupled decay makes it grow",
            decoupled_decay_makes_it_grow,
            "L2 is right. The decoupled decay makes θ grow: it is taken off, θ − γλθ + u.",
        ),
        Mistake(
            "brackets forgotten",
            brackets_forgotten,
            "The decoupled kind is right. With an L2 penalty −γ reaches only the gradient, and λθ "
            "is added: put both into brackets, −γ(g + λθ).",
        ),
        Mistake(
            "L2 without the rate",
            l2_without_the_rate,
            "The decoupled kind is right. With an L2 penalty the decay is λθ, without the rate: it "
            "is a part of the gradient, −γ(g + λθ).",
        ),
        Mistake(
            "momentum never used",
            momentum_never_used,
            "momentum is never used: the old velocity stays whole. It shrinks by α in each step: "
            "αu.",
        ),
        Mistake(
            "velocity turned round",
            velocity_turned_round,
            "Your velocity has the other sign: u = αu + γg and θ − u. Here, as in unit 03, it "
            "points where θ goes: u = αu − γg and θ + u.",
        ),
        Mistake(
            "average of the gradients",
            average_of_the_gradients,
            "Your u is a running average of the gradients, αu + (1 − α)g. Here, as in unit 03, it "
            "is a sum of steps: αu − γg.",
        ),
        Mistake(
            "old velocity",
            old_velocity,
            "θ moves by the velocity from before the step. First the new velocity, then θ moves by "
            "that: θ' = θ + u'.",
        ),
        Mistake(
            "given velocity returned",
            given_velocity_returned,
            "The step is right, but the velocity that you return is the one you were given. The "
            "next step needs the new one.",
        ),
        Mistake(
            "both kinds at once",
            both_kinds_at_once,
            "θ decays twice in every step, through the gradient and directly. decoupled says which "
            "of the two.",
        ),
        Mistake(
            "in the other order",
            step_in_the_other_order,
            "You return (u, theta). Asked for is (theta, u).",
        ),
    ),
    honest=(decay_by_shrinking_first, decay_in_place_on_copies, decay_entry_by_entry),
)


# --- equal budgets ---------------------------------------------------------------------------


def count_parameters(sizes: Sequence[int]) -> int:
    """Return how many weights and biases a dense network with these layers has."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def count_cases(rng: np.random.Generator) -> Iterator[Case]:
    def draw(count: int) -> list[int]:
        return [int(n) for n in rng.choice(np.arange(2, 60), count, replace=False)]

    yield Case("shallow", "one dense layer", {"sizes": draw(2)})
    yield Case("shallow", "one hidden layer", {"sizes": draw(3)})
    yield Case("deep", "three hidden layers", {"sizes": draw(5)})
    inputs, width, outputs = draw(3)
    yield Case("deep", "six equal layers", {"sizes": [inputs, *6 * [width], outputs]})


def biases_forgotten(sizes):
    return sum(sizes[k] * sizes[k + 1] for k in range(len(sizes) - 1))


def a_bias_for_each_input(sizes):
    return sum(sizes[k] * sizes[k + 1] + sizes[k] for k in range(len(sizes) - 1))


def inputs_with_biases_too(sizes):
    return sum(sizes[k] * sizes[k + 1] for k in range(len(sizes) - 1)) + sum(sizes)


def one_bias_a_layer(sizes):
    return sum(sizes[k] * sizes[k + 1] + 1 for k in range(len(sizes) - 1))


def units_counted(sizes):
    return sum(sizes)


def output_without_biases(sizes):
    weights = sum(sizes[k] * sizes[k + 1] for k in range(len(sizes) - 1))
    return weights + sum(sizes[1:-1])


def last_layer_left_out(sizes):
    return sum((sizes[k] + 1) * sizes[k + 1] for k in range(len(sizes) - 2))


def first_layer_left_out(sizes):
    return sum((sizes[k] + 1) * sizes[k + 1] for k in range(1, len(sizes) - 1))


def a_bias_on_both_sides(sizes):
    return sum((sizes[k] + 1) * (sizes[k + 1] + 1) for k in range(len(sizes) - 1))


def first_layer_alone(sizes):
    total = 0
    for k in range(len(sizes) - 1):
        total += (sizes[k] + 1) * sizes[k + 1]
        break
    return total


def last_layer_alone(sizes):
    for k in range(len(sizes) - 1):
        total = (sizes[k] + 1) * sizes[k + 1]
    return total


def count_by_index(sizes):
    total = 0
    for k in range(1, len(sizes)):
        total += sizes[k - 1] * sizes[k] + sizes[k]
    return total


def count_of_arrays(sizes):
    return sum(
        np.zeros((sizes[k], sizes[k + 1])).size + np.zeros(sizes[k + 1]).size
        for k in range(len(sizes) - 1)
    )


def count_with_numpy(sizes):
    n = np.array(sizes)
    return int((n[:-1] * n[1:]).sum() + n[1:].sum())


COUNT_PARAMETERS = Exercise(
    reference=count_parameters,
    summary="how many parameters a dense network has",
    parts=(
        Part("shallow", 1, "no or one hidden layer"),
        Part("deep", 1, "several hidden layers"),
    ),
    cases=count_cases,
    mistakes=(
        Mistake(
            "biases forgotten",
            biases_forgotten,
            "Only the weights are counted. Each unit of a dense layer has a bias: n_in · n_out + "
            "n_out.",
        ),
        Mistake(
            "a bias for each input",
            a_bias_for_each_input,
            "There is a bias for each input of a layer. It is each output that has one: n_in · "
            "n_out + n_out.",
        ),
        Mistake(
            "inputs with biases too",
            inputs_with_biases_too,
            "The inputs of the network have biases, too. They are numbers that come in; only units "
            "of a dense layer have one.",
        ),
        Mistake(
            "one bias a layer",
            one_bias_a_layer,
            "Each layer has a single bias. Each of its units has one of its own.",
        ),
        Mistake(
            "units counted",
            units_counted,
            "These are the units. The parameters are what lies between them: a weight for each "
            "pair of neighbours, and a bias for each unit.",
        ),
        Mistake(
            "output without biases",
            output_without_biases,
            "The output layer's biases are missing. It is a dense layer like the others.",
        ),
        Mistake(
            "last layer left out",
            last_layer_left_out,
            "The layer to the outputs is missing. n + 1 sizes make n dense layers.",
        ),
        Mistake(
            "first layer left out",
            first_layer_left_out,
            "The layer from the inputs is missing. n + 1 sizes make n dense layers.",
        ),
        Mistake(
            "a bias on both sides",
            a_bias_on_both_sides,
            "You add 1 on both sides of each matrix. A bias is one more input, not one more "
            "output: (n_in + 1) · n_out.",
        ),
        Mistake(
            "first layer alone",
            first_layer_alone,
            "Only the first dense layer is counted. The return comes after the loop, not inside.",
        ),
        Mistake(
            "last layer alone",
            last_layer_alone,
            "Only the last dense layer is counted. Add each layer to the total: +=, not =.",
        ),
    ),
    honest=(count_by_index, count_of_arrays, count_with_numpy),
)


def width_for_budget(budget: int, inputs: int, outputs: int, *, layers: int = 1) -> int:
    """Return the largest width of so many equal hidden layers that keeps to the budget."""
    width = 1
    while count_parameters([inputs, *layers * [width + 1], outputs]) <= budget:
        width += 1
    return width


def play_budgets(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Ask for the width within each of the budgets."""
    sizes = {key: inputs[key] for key in ("inputs", "outputs", "layers")}
    for budget in inputs["budgets"]:
        yield f"the width for the budget {budget}", function(budget, **sizes)


def width_cases(rng: np.random.Generator) -> Iterator[Case]:
    def draw(
        layers: int, *spares: float, fan_in: int | None = None, times: int = 1
    ) -> dict[str, Any]:
        """Draw sizes, and budgets at these shares of the way from a width to the next."""
        width, inputs, outputs = (int(n) for n in rng.integers((12, 25, 5), (40, 70, 12)))
        inputs, width = fan_in or inputs, times * width
        low, high = (count_parameters([inputs, *layers * [w], outputs]) for w in (width, width + 1))
        budgets = [low + round(spare * (high - low)) for spare in spares]
        return {"budgets": budgets, "inputs": inputs, "outputs": outputs, "layers": layers}

    yield Case("one", "one hidden layer", draw(1, 0.3, 0.9))
    yield Case("one", "three inputs, one hidden layer", draw(1, 0.3, 0.8, fan_in=3))
    yield Case("one", "a budget for thousands of units", draw(1, 0.4, times=100))
    yield Case("several", "two hidden layers", draw(2, 0.2, 0.9))
    yield Case("several", "three hidden layers", draw(3, 0.4, 0.95))
    yield Case("several", "six hidden layers", draw(6, 0.1, 0.6))
    yield Case("exact", "a budget that is met exactly, one layer", draw(1, 0.0, 0.4, 1.0))
    yield Case("exact", "a budget that is met exactly, four layers", draw(4, 0.0, 0.3, 1.0))
    missed = draw(3, 0.0, 0.3)
    missed["budgets"][0] -= 1
    yield Case("exact", "a budget that is one too small", missed)


def budget_undercut(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * outputs

    w = 1
    while count(w + 1) < budget:
        w += 1
    return w


def widths_up_to_1000(budget, inputs, outputs, *, layers=1):
    best = 1
    for w in range(1, 1001):
        if (inputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * outputs <= budget:
            best = w
    return best


def width_one_too_large(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * outputs

    w = 1
    while count(w) <= budget:
        w += 1
    return w


def width_one_too_small(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * outputs

    w = 1
    while count(w + 1) <= budget:
        w += 1
    return w - 1


def width_to_the_nearest(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * outputs

    return min(range(1, budget), key=lambda w: abs(count(w) - budget))


def width_without_biases(budget, inputs, outputs, *, layers=1):
    def count(w):
        return inputs * w + (layers - 1) * w * w + w * outputs

    w = 1
    while count(w + 1) <= budget:
        w += 1
    return w


def always_one_layer(budget, inputs, outputs, *, layers=1):
    return (budget - outputs) // (inputs + 1 + outputs)


def one_hidden_matrix_too_many(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + layers * (w + 1) * w + (w + 1) * outputs

    w = 1
    while count(w + 1) <= budget:
        w += 1
    return w


def every_layer_sees_the_inputs(budget, inputs, outputs, *, layers=1):
    def count(w):
        return layers * (inputs + 1) * w + (w + 1) * outputs

    w = 1
    while count(w + 1) <= budget:
        w += 1
    return w


def width_rounded_up(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * outputs

    w = 1
    while count(w) < budget:
        w += 1
    return w


def width_without_output_biases(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + (layers - 1) * (w + 1) * w + w * outputs

    w = 1
    while count(w + 1) <= budget:
        w += 1
    return w


def one_hidden_matrix_too_few(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (inputs + 1) * w + max(layers - 2, 0) * (w + 1) * w + (w + 1) * outputs

    w = 1
    while count(w + 1) <= budget:
        w += 1
    return w


def biases_on_the_wrong_side(budget, inputs, outputs, *, layers=1):
    def count(w):
        return (outputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * inputs

    w = 1
    while count(w + 1) <= budget:
        w += 1
    return w


def budget_shared_out(budget, inputs, outputs, *, layers=1):
    return (budget // layers - outputs) // (inputs + 1 + outputs)


def width_by_the_quadratic_formula(budget, inputs, outputs, *, layers=1):
    from math import isqrt

    a, b, c = layers - 1, inputs + 1 + (layers - 1) + outputs, outputs - budget
    if a == 0:
        return -c // b
    return (isqrt(b * b - 4 * a * c) - b) // (2 * a)


def width_by_halving(budget, inputs, outputs, *, layers=1):
    low, high = 1, budget
    while high - low > 1:
        w = (low + high) // 2
        sizes = [inputs] + layers * [w] + [outputs]
        cost = sum((sizes[k] + 1) * sizes[k + 1] for k in range(len(sizes) - 1))
        low, high = (w, high) if cost <= budget else (low, w)
    return low


def width_from_a_table(budget, inputs, outputs, *, layers=1):
    w = np.arange(1, budget)
    cost = (inputs + 1) * w + (layers - 1) * (w + 1) * w + (w + 1) * outputs
    return int(w[cost <= budget].max())


WIDTH_FOR_BUDGET = Exercise(
    reference=width_for_budget,
    summary="the widest equal hidden layers within a budget of parameters",
    parts=(
        Part("one", 1, "one hidden layer"),
        Part("several", 1, "several hidden layers"),
        Part("exact", 1, "a budget that is met exactly, or missed by one"),
    ),
    cases=width_cases,
    run=play_budgets,
    mistakes=(
        Mistake(
            "budget undercut",
            budget_undercut,
            "A network with exactly the budget's number of parameters is refused. At most means "
            "<=, not <.",
        ),
        Mistake(
            "one too large",
            width_one_too_large,
            "You return the first width that is over the budget. Go one back.",
        ),
        Mistake(
            "one too small",
            width_one_too_small,
            "The width is one too small: one more would still keep to the budget.",
        ),
        Mistake(
            "widths tried up to 1000",
            widths_up_to_1000,
            "The loop ends at a width of 1000. Budgets have no limit: go on until one is exceeded.",
        ),
        Mistake(
            "to the nearest",
            width_to_the_nearest,
            "You return the width whose number of parameters is nearest to the budget, also from "
            "above. The budget must not be exceeded.",
        ),
        Mistake(
            "biases forgotten",
            width_without_biases,
            "Biases are missing in your count, so the network comes out a little too large. Each "
            "dense layer has n_in · n_out + n_out parameters.",
        ),
        Mistake(
            "always one hidden layer",
            always_one_layer,
            "layers is never used: this is the width of a single hidden layer. Between L hidden "
            "layers there are L − 1 more matrices.",
        ),
        Mistake(
            "one hidden matrix too many",
            one_hidden_matrix_too_many,
            "You count L matrices between the hidden layers. L layers have L − 1 gaps.",
        ),
        Mistake(
            "every layer sees the inputs",
            every_layer_sees_the_inputs,
            "Every hidden layer is counted as if it saw the inputs. Only the first does; each "
            "other one has (width + 1) · width parameters.",
        ),
        Mistake(
            "rounded up",
            width_rounded_up,
            "You return the first width that reaches the budget. Where it does not meet it exactly "
            "that is one too many: at most the budget.",
        ),
        Mistake(
            "output biases forgotten",
            width_without_output_biases,
            "The output layer's biases are not counted, so the width is now and then one too "
            "large.",
        ),
        Mistake(
            "one hidden matrix too few",
            one_hidden_matrix_too_few,
            "You count L − 2 matrices between the hidden layers. L layers have L − 1 gaps.",
        ),
        Mistake(
            "biases on the wrong side",
            biases_on_the_wrong_side,
            "A layer's biases are counted for its inputs, or inputs and outputs are swapped, which "
            "comes to the same. It is each output that has one: n_in · n_out + n_out.",
        ),
        Mistake(
            "budget shared out",
            budget_shared_out,
            "The budget is divided by the number of layers. Layers do not cost the same: between "
            "hidden layers it is (w + 1) · w. Count the whole network.",
        ),
    ),
    honest=(width_by_the_quadratic_formula, width_by_halving, width_from_a_table),
)


UNIT = Unit(
    key="10_regularization",
    title="Regularization",
    exercises=(
        DROPOUT_FORWARD,
        DROPOUT_BACKWARD,
        DROPOUT_NETWORK,
        MC_DROPOUT_MOMENTS,
        L2_PENALTY,
        MOMENTUM_WITH_DECAY,
        COUNT_PARAMETERS,
        WIDTH_FOR_BUDGET,
    ),
)
