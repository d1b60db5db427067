"""Unit 01_backpropagation: neurons, losses, and how a gradient finds its way back.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from course import activations, diagnostics, losses
from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, item, unpack
from course.layers import perceptron_step

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


def as_float32(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return these inputs with every floating array in float32."""
    return {
        key: value.astype(np.float32)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        else value
        for key, value in inputs.items()
    }


def some_labels(rng: np.random.Generator, samples: int, classes: int) -> Array:
    """Return labels in random order; one class comes twice, and one never where it can."""
    return rng.permutation(np.arange(samples) % max(2, min(classes, samples) - 1))


# --- perceptron ------------------------------------------------------------------------------


def play_samples(step: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Show the samples one after another, each to the weights that the one before has left."""
    w, b = inputs["w"], inputs["b"]
    for number, (x, y) in enumerate(inputs["samples"], start=1):
        w, b = unpack(step(w, b, x, y, lr=inputs["lr"]), "w", "b")
        yield f"w after sample {number}", w
        yield f"b after sample {number}", b


def perceptron_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(*plan: str) -> dict[str, Any]:
        w = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.5, 1.5, 3)
        b = np.array(rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.5))
        lr = float(rng.choice([0.1, 0.3, 0.5]))
        samples: list[tuple[Array, int]] = []
        given = {"w": w, "b": b, "lr": lr, "samples": samples}
        for kind in plan:
            x, y = _sample(rng, w, b, kind)
            samples.append((x, y))
            w, b = perceptron_step(w, b, x, y, lr=lr)
        return given

    yield Case("boundary", "from weights of 0, two samples on the boundary", _boundary(rng))
    rest = inputs("right +1") | {"w": np.zeros(3), "b": np.array(0.0)}
    rest["samples"] = [(rng.normal(size=3), 1)]
    yield Case("boundary", "from weights of 0, a sample of class +1", rest)
    yield Case("update", "a sample of class +1, classified wrong", inputs("wrong +1"))
    yield Case("update", "a sample of class -1, classified wrong", inputs("wrong -1"))
    mixed = ("bias decides", "wrong -1", "right +1", "wrong +1", "right -1")
    yield Case("several", "five samples, two of them classified wrong", inputs(*mixed))
    narrow = as_float32(inputs("wrong +1", "wrong -1"))
    narrow["samples"] = [(x.astype(np.float32), y) for x, y in narrow["samples"]]
    yield Case("dtype", "two samples in float32", narrow)


def _boundary(rng: np.random.Generator) -> dict[str, Any]:
    """Return weights of 0 and one sample of each class that meets w·x + b = 0.

    The first step leaves w = -x/2 and b = -1/2, and the second sample has the product -1 with the
    first. All numbers are small integers or their halves, so that no rounding blurs the 0.
    """
    first, second = rng.choice([-3.0, -2.0, 2.0, 3.0], (2, 3))
    first[2] = rng.choice([-1.0, 1.0])
    second[2] = -first[2] * (1.0 + first[:2] @ second[:2])
    samples = [(first, -1), (second, 1)]
    return {"w": np.zeros(3), "b": np.array(0.0), "lr": 0.5, "samples": samples}


def _sample(rng: np.random.Generator, w: Array, b: Array, kind: str) -> tuple[Array, int]:
    """Return a sample with a chosen w·x + b and label; the weights shall find it right or wrong."""
    if kind == "bias decides":  # w·x alone has the other sign
        activation = float(b) / 2
        label = int(np.sign(activation))
    else:
        label = int(kind.split()[1])
        activation = rng.uniform(0.4, 1.2) * (label if kind.startswith("right") else -label)
    x = rng.normal(size=3)
    return x - (w @ x + b - activation) / (w @ w) * w, label


def learns_from_every_sample(w, b, x, y, *, lr=1.0):
    return w + lr * y * x, b + lr * y


def learns_from_the_right_ones(w, b, x, y, *, lr=1.0):
    if y * (w @ x + b) >= 0:
        return w + lr * y * x, b + lr * y
    return w, b


def boundary_counts_as_right(w, b, x, y, *, lr=1.0):
    if y * (w @ x + b) < 0:
        return w + lr * y * x, b + lr * y
    return w, b


def boundary_belongs_to_plus_one(w, b, x, y, *, lr=1.0):
    predicted = 1 if w @ x + b >= 0 else -1
    if predicted != y:
        return w + lr * y * x, b + lr * y
    return w, b


def boundary_belongs_to_minus_one(w, b, x, y, *, lr=1.0):
    predicted = 1 if w @ x + b > 0 else -1
    if predicted != y:
        return w + lr * y * x, b + lr * y
    return w, b


def step_turned_around(w, b, x, y, *, lr=1.0):
    if np.sign(w @ x + b) != y:
        return w - lr * y * x, b - lr * y
    return w, b


def label_left_out(w, b, x, y, *, lr=1.0):
    if np.sign(w @ x + b) != y:
        return w + lr * x, b + lr
    return w, b


def error_as_the_factor(w, b, x, y, *, lr=1.0):
    error = y - np.sign(w @ x + b)
    return w + lr * error * x, b + lr * error


def classes_of_the_heaviside_step(w, b, x, y, *, lr=1.0):
    predicted = 1 if w @ x + b > 0 else 0
    return w + lr * (y - predicted) * x, b + lr * (y - predicted)


def bias_never_learns(w, b, x, y, *, lr=1.0):
    if np.sign(w @ x + b) != y:
        return w + lr * y * x, b
    return w, b


def bias_left_out_of_the_decision(w, b, x, y, *, lr=1.0):
    if np.sign(w @ x) != y:
        return w + lr * y * x, b + lr * y
    return w, b


def rate_left_out(w, b, x, y, *, lr=1.0):
    if np.sign(w @ x + b) != y:
        return w + y * x, b + y
    return w, b


def perceptron_with_a_product(w, b, x, y, *, lr=1.0):
    if y * (np.sum(w * x) + b) <= 0:
        return w + lr * y * x, b + lr * y
    return w.copy(), b


def perceptron_in_place_on_a_copy(w, b, x, y, *, lr=1.0):
    w, b = w.copy(), b.copy()
    if np.sign(np.dot(w, x) + b) != y:
        w += lr * y * x
        b += lr * y
    return w, b


def perceptron_entry_by_entry(w, b, x, y, *, lr=1.0):
    z = b
    for i in range(len(w)):
        z = z + w[i] * x[i]
    mistaken = 0 if (z > 0 and y == 1) or (z < 0 and y == -1) else 1
    new = np.empty_like(w)
    for i in range(len(w)):
        new[i] = w[i] + mistaken * lr * y * x[i]
    return new, b + mistaken * lr * y


PERCEPTRON = Exercise(
    reference=perceptron_step,
    summary="one step of the perceptron with classes -1 and +1",
    parts=(
        Part("update", 1, "a sample that is classified wrong"),
        Part("boundary", 1, "samples on the boundary"),
        Part("several", 1, "several samples, right ones among them"),
        DTYPE,
        INPUTS,
    ),
    cases=perceptron_cases,
    run=play_samples,
    mistakes=(
        Mistake(
            "learns from every sample",
            learns_from_every_sample,
            "Every sample moves the weights. The perceptron learns from its mistakes only: where "
            "sign(w·x + b) equals y, return w and b as they are.",
        ),
        Mistake(
            "learns from the right ones",
            learns_from_the_right_ones,
            "The test is the wrong way round: weights move when sign(w·x + b) differs from y, and "
            "stay when it equals y.",
        ),
        Mistake(
            "boundary counts as right",
            boundary_counts_as_right,
            "A sample with w·x + b = 0 is left alone. sign(0) = 0 is neither class, so it counts "
            "as a mistake; otherwise weights of 0 never start to learn.",
        ),
        Mistake(
            "boundary belongs to +1",
            boundary_belongs_to_plus_one,
            "Where w·x + b = 0 you predict +1, so a sample of class +1 on the boundary counts as "
            "right. sign(0) = 0 is neither class: there both classes count as a mistake.",
        ),
        Mistake(
            "boundary belongs to −1",
            boundary_belongs_to_minus_one,
            "Where w·x + b = 0 you predict −1, so a sample of class −1 on the boundary counts as "
            "right. sign(0) = 0 is neither class: there both classes count as a mistake.",
        ),
        Mistake(
            "step turned around",
            step_turned_around,
            "The step goes away from the sample's class. Add γyx to w and γy to b: then "
            "y(w·x + b) grows.",
        ),
        Mistake(
            "label left out",
            label_left_out,
            "The step does not depend on the class: it is γ·y·x, towards x for y = +1 and away "
            "from it for y = -1.",
        ),
        Mistake(
            "error as the factor",
            error_as_the_factor,
            "The factor is y − ŷ, which is ±2 for classes −1 and +1: the step is twice too long. "
            "The factor here is y.",
        ),
        Mistake(
            "classes of the Heaviside step",
            classes_of_the_heaviside_step,
            "y − ŷ with ŷ from the Heaviside step is the rule for classes 0 and 1. Here the "
            "classes are −1 and +1: compare sign(w·x + b) with y.",
        ),
        Mistake(
            "bias never learns",
            bias_never_learns,
            "b stays as it is. It is the weight of an input that is always 1, and learns by γ·y·1.",
        ),
        Mistake(
            "bias left out of the decision",
            bias_left_out_of_the_decision,
            "The decision is made by w·x alone. The bias belongs to it: sign(w·x + b).",
        ),
        Mistake(
            "rate left out",
            rate_left_out,
            "lr is not used: the step is γ·y·x for w and γ·y for b.",
        ),
    ),
    honest=(
        perceptron_with_a_product,
        perceptron_in_place_on_a_copy,
        perceptron_entry_by_entry,
    ),
)


# --- softmax ---------------------------------------------------------------------------------


def softmax(x: Array, *, temperature: float = 1.0) -> Array:
    """Probabilities of the classes, which lie along the last axis."""
    return activations.softmax(x, temperature=temperature)


def softmax_cases(rng: np.random.Generator) -> Iterator[Case]:
    def logits(*shape: int) -> Array:
        return rng.normal(0.0, 1.5, shape)

    warm, cold = float(rng.choice([2.0, 3.0])), float(rng.choice([0.25, 0.5]))
    apart = logits(2, 3) + np.array([[0.0], [float(rng.integers(1500, 2500))]])
    yield Case("vector", "one sample", {"x": logits(4)})
    yield Case("batch", "three samples", {"x": logits(3, 4)})
    yield Case("batch", "as many samples as classes", {"x": logits(3, 3)})
    yield Case("temperature", "a high temperature", {"x": logits(2, 4), "temperature": warm})
    yield Case("temperature", "a low temperature", {"x": logits(4), "temperature": cold})
    low = logits(4) - 1200
    low[rng.integers(4)] -= 600
    title = "logits near -1200 and -1800, a high temperature"
    yield Case("temperature", title, {"x": low, "temperature": 3.0})
    yield Case("large", "logits near 1000", {"x": 1000 + logits(4)})
    yield Case("large", "two samples, logits near 0 and near 2000", {"x": apart})
    ahead = logits(4)
    ahead[rng.integers(4)] += float(rng.integers(3500, 4500))
    yield Case("large", "one logit thousands above the others", {"x": ahead})
    yield Case("dtype", "two samples in float32", as_float32({"x": logits(2, 4)}))


def softmax_overflows(x, *, temperature=1.0):
    powers = np.exp(x / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def one_maximum_for_all_rows(x, *, temperature=1.0):
    powers = np.exp((x - x.max()) / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def one_sum_for_all_rows(x, *, temperature=1.0):
    powers = np.exp((x - x.max(axis=-1, keepdims=True)) / temperature)
    return powers / powers.sum()


def softmax_over_the_whole_batch(x, *, temperature=1.0):
    powers = np.exp((x - x.max()) / temperature)
    return powers / powers.sum()


def powers_over_the_sum_of_all(x, *, temperature=1.0):
    powers = np.exp(x / temperature)
    return powers / powers.sum()


def maximum_not_divided(x, *, temperature=1.0):
    powers = np.exp(x / temperature - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def columns_add_up_to_1(x, *, temperature=1.0):
    powers = np.exp((x - x.max(axis=0)) / temperature)
    return powers / powers.sum(axis=0)


def never_divided_by_the_sum(x, *, temperature=1.0):
    return np.exp((x - x.max(axis=-1, keepdims=True)) / temperature)


def temperature_ignored(x, *, temperature=1.0):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def temperature_multiplies(x, *, temperature=1.0):
    powers = np.exp((x - x.max(axis=-1, keepdims=True)) * temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def temperature_divides_the_probabilities(x, *, temperature=1.0):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True) / temperature


def softmax_through_logarithms(x, *, temperature=1.0):
    z = x / temperature
    top = np.max(z, axis=-1, keepdims=True)
    total = top + np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True))
    return np.exp(z - total)


def softmax_row_by_row(x, *, temperature=1.0):
    if x.ndim == 1:
        powers = np.array([np.exp((value - max(x)) / temperature) for value in x], dtype=x.dtype)
        return powers / sum(powers)
    p = np.zeros_like(x)
    for i, row in enumerate(x):
        powers = np.exp((row - np.max(row)) / temperature)
        p[i] = powers / np.sum(powers)
    return p


def softmax_by_pairs(x, *, temperature=1.0):
    differences = (x[..., None, :] - x[..., :, None]) / temperature
    with np.errstate(over="ignore"):
        return 1 / np.sum(np.exp(differences), axis=-1)


SOFTMAX = Exercise(
    reference=softmax,
    summary="the softmax with temperature",
    parts=(
        Part("vector", 1, "the logits of one sample"),
        Part("batch", 1, "a batch, one sample a row"),
        Part("temperature", 1, "a temperature other than 1"),
        Part("large", 1, "large logits, without overflow"),
        DTYPE,
        INPUTS,
    ),
    cases=softmax_cases,
    mistakes=(
        Mistake(
            "overflow",
            softmax_overflows,
            "exp(1000) overflows, and ∞/∞ is NaN. Subtract each sample's largest logit first: the "
            "probabilities stay the same, and every power is at most 1.",
        ),
        Mistake(
            "one maximum for all rows",
            one_maximum_for_all_rows,
            "One maximum is subtracted from all samples. A sample whose logits lie far below it "
            "becomes 0/0. Every row needs its own: max along the last axis, with keepdims=True.",
        ),
        Mistake(
            "one sum for all rows",
            one_sum_for_all_rows,
            "The whole batch adds up to 1. Every sample is a distribution of its own: sum along "
            "the last axis, with keepdims=True.",
        ),
        Mistake(
            "one softmax for the whole batch",
            softmax_over_the_whole_batch,
            "Maximum and sum are those of the whole batch, which adds up to 1 as a whole. Every "
            "sample is a distribution of its own: max and sum along the last axis, with "
            "keepdims=True.",
        ),
        Mistake(
            "sum of all, and overflow",
            powers_over_the_sum_of_all,
            "Two things. The whole batch adds up to 1: sum along the last axis, with "
            "keepdims=True, so that every sample is a distribution of its own. And exp(1000) "
            "overflows: subtract each sample's largest logit first.",
        ),
        Mistake(
            "maximum not divided by T",
            maximum_not_divided,
            "The maximum is subtracted after the division by T, and is not divided itself. Large "
            "logits overflow then, or all powers become 0: exp((x − max)/T), with brackets.",
        ),
        Mistake(
            "columns add up to 1",
            columns_add_up_to_1,
            "The columns add up to 1, so samples compete with each other. The classes lie along "
            "the last axis: axis=-1.",
        ),
        Mistake(
            "never divided by the sum",
            never_divided_by_the_sum,
            "These are powers of e, not probabilities: divide by their sum.",
        ),
        Mistake(
            "temperature ignored",
            temperature_ignored,
            "The temperature has no effect. The logits are divided by T before the exponential; "
            "divided afterwards, above and below, it cancels.",
        ),
        Mistake(
            "temperature multiplies",
            temperature_multiplies,
            "The logits are multiplied by T, so heat makes the choice sharper. Divide: a high "
            "temperature brings all classes together.",
        ),
        Mistake(
            "temperature divides the probabilities",
            temperature_divides_the_probabilities,
            "The probabilities are divided by T and no longer add up to 1. T divides the logits, "
            "before the exponential.",
        ),
    ),
    honest=(softmax_through_logarithms, softmax_row_by_row, softmax_by_pairs),
)


# --- cross-entropy ---------------------------------------------------------------------------


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Mean negative log-likelihood of the right classes under the softmax of the logits."""
    return losses.cross_entropy(logits, labels)


def cross_entropy_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield from logits_cases(rng)
    apart = rng.normal(size=(3, 3)) - 10.0
    labels = rng.permutation(3)
    apart[np.arange(3), labels] -= float(rng.integers(1000, 2000))
    title = "right classes whose probability is too small for a float"
    yield Case("large", title, {"logits": apart, "labels": labels})
    far = rng.normal(0.0, 1.5, (2, 3)) + np.array([[0.0], [float(rng.integers(800, 1000))]])
    title = "two samples, logits near 0 and near 900"
    yield Case("large", title, {"logits": far, "labels": rng.permutation(3)[:2]})


def logits_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(samples: int, classes: int) -> dict[str, Any]:
        logits = rng.normal(0.0, 1.5, (samples, classes))
        return {"logits": logits, "labels": some_labels(rng, samples, classes)}

    yield Case("one", "one sample", inputs(1, 3))
    yield Case("batch", "five samples", inputs(5, 4))
    yield Case("batch", "as many samples as classes", inputs(4, 4))
    high = inputs(3, 3)
    yield Case("large", "logits near 1000", high | {"logits": 1000 + high["logits"]})
    yield Case("dtype", "four samples in float32", as_float32(inputs(4, 3)))


CLASS_PARTS = (
    Part("one", 1, "one sample"),
    Part("batch", 1, "a batch"),
    Part("large", 1, "large logits"),
    DTYPE,
    INPUTS,
)


def loss_as_a_sum(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].sum()


def mean_over_all_entries(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return -np.mean(one_hot * log_p)


def minus_left_out(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return log_p[np.arange(len(labels)), labels].mean()


def logits_taken_for_log_probabilities(logits, labels):
    return -logits[np.arange(len(labels)), labels].mean()


def probability_without_the_logarithm(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    return -p[np.arange(len(labels)), labels].mean()


def logarithm_of_a_sum_that_overflows(logits, labels):
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def one_maximum_for_all_samples(logits, labels):
    z = logits - logits.max()
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def maximum_not_added_back(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    log_p = logits - np.log(powers.sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def logarithm_of_0(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


def every_label_for_every_row(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[:, labels].mean()


def binary_cross_entropies(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    y = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return -np.sum(y * log_p + (1 - y) * np.log(1 - np.exp(log_p))) / len(labels)


def cross_entropy_with_one_hot(logits, labels):
    top = np.max(logits, axis=1, keepdims=True)
    log_sum = top + np.log(np.sum(np.exp(logits - top), axis=1, keepdims=True))
    one_hot = np.zeros_like(logits)
    one_hot[np.arange(len(labels)), labels] = 1
    return np.sum(one_hot * (log_sum - logits)) / len(labels)


def cross_entropy_sample_by_sample(logits, labels):
    total = logits.dtype.type(0)
    for n in range(len(labels)):
        z = logits[n] - np.max(logits[n])
        total = total + np.log(np.sum(np.exp(z))) - z[labels[n]]
    return total / len(labels)


def cross_entropy_with_logaddexp(logits, labels):
    right = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return np.mean(np.logaddexp.reduce(logits, axis=1) - right)


CROSS_ENTROPY = Exercise(
    reference=cross_entropy,
    summary="the cross-entropy of logits and labels",
    parts=CLASS_PARTS,
    cases=cross_entropy_cases,
    scale=1.0,  # a loss near 0 of logits near 1000 carries the rounding of 1000
    mistakes=(
        Mistake(
            "sum over the batch",
            loss_as_a_sum,
            "The loss is a sum over the samples. Here it is their mean, so that it does not grow "
            "with the batch: divide by B.",
        ),
        Mistake(
            "mean over all entries",
            mean_over_all_entries,
            "The mean runs over all entries, B samples times K classes. Each sample gives one "
            "number, −ln p of its right class: sum over the classes, then divide by B.",
        ),
        Mistake(
            "minus left out",
            minus_left_out,
            "The sign is missing: ln p is at most 0, a loss is −ln p.",
        ),
        Mistake(
            "logits taken for log-probabilities",
            logits_taken_for_log_probabilities,
            "The logits are used as if they were ln p. Subtract ln Σ exp(z) of each sample first.",
        ),
        Mistake(
            "probability without the logarithm",
            probability_without_the_logarithm,
            "This is −p, not −ln p. The logarithm makes a product of probabilities a sum, and a "
            "confident error expensive.",
        ),
        Mistake(
            "overflow",
            logarithm_of_a_sum_that_overflows,
            "exp(1000) overflows. Take each sample's largest logit m out of the sum: "
            "ln Σ exp(z) = m + ln Σ exp(z − m).",
        ),
        Mistake(
            "one maximum for all samples",
            one_maximum_for_all_samples,
            "One maximum is subtracted from all samples. Where a sample's logits lie far below "
            "it, all its powers are 0, and ln 0 = −∞. Every row needs its own: max along axis=1, "
            "with keepdims=True.",
        ),
        Mistake(
            "maximum not added back",
            maximum_not_added_back,
            "The largest logit m is taken out of the sum and never put back: "
            "ln Σ exp(z) = m + ln Σ exp(z − m).",
        ),
        Mistake(
            "logarithm of 0",
            logarithm_of_0,
            "The probability is computed first and rounds to 0 where the right class lies far "
            "behind; its logarithm is −∞. Stay with logarithms: "
            "ln p = z − m − ln Σ exp(z − m), m the sample's largest logit.",
        ),
        Mistake(
            "every label for every row",
            every_label_for_every_row,
            "log_p[:, labels] takes the labels of all samples from every row, B × B numbers. One "
            "entry a row: log_p[np.arange(B), labels].",
        ),
        Mistake(
            "binary cross-entropies",
            binary_cross_entropies,
            "This adds −ln(1 − p) of the wrong classes: the loss of K yes-or-no questions. Under "
            "a softmax the classes share one probability, so −ln p of the right class says it all.",
        ),
    ),
    honest=(
        cross_entropy_with_one_hot,
        cross_entropy_sample_by_sample,
        cross_entropy_with_logaddexp,
    ),
)


# --- gradient of the cross-entropy -----------------------------------------------------------


def cross_entropy_grad(logits: Array, labels: Array) -> Array:
    """Gradient of the cross-entropy with respect to the logits."""
    return losses.cross_entropy_grad(logits, labels)


def grad_not_divided_by_the_batch(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p


def grad_divided_by_all_entries(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p / logits.size


def labels_minus_probabilities(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return (one_hot - p) / len(labels)


def labels_left_out(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    return p / len(labels)


def only_the_right_class(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return one_hot * (p - 1) / len(labels)


def stops_at_the_probabilities(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return -one_hot / p / len(labels)


def through_the_softmax_twice(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return (p - one_hot) * p * (1 - p) / len(labels)


def softmax_of_the_whole_batch(logits, labels):
    powers = np.exp(logits - logits.max())
    p = powers / powers.sum()
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return (p - one_hot) / len(labels)


def labels_as_numbers(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    return ((p - labels[:, None]) / len(labels)).astype(logits.dtype)


def only_the_label_divided(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return p - one_hot / len(labels)


def every_label_in_every_row(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    p[:, labels] -= 1
    return p / len(labels)


def grad_overflows(logits, labels):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)


def grad_with_one_hot(logits, labels):
    one_hot = (np.arange(logits.shape[1]) == labels[:, None]).astype(logits.dtype)
    powers = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return powers / (np.sum(powers, axis=1, keepdims=True) * len(labels)) - one_hot / len(labels)


def grad_entry_by_entry(logits, labels):
    samples, classes = logits.shape
    grad = np.zeros_like(logits)
    for n in range(samples):
        powers = [np.exp(z - max(logits[n])) for z in logits[n]]
        for k in range(classes):
            grad[n, k] = (powers[k] / sum(powers) - (k == labels[n])) / samples
    return grad


def grad_through_the_jacobian(logits, labels):
    grad = np.zeros_like(logits)
    for n, label in enumerate(labels):
        powers = np.exp(logits[n] - np.max(logits[n]))
        p = powers / np.sum(powers)
        jacobian = np.diag(p) - np.outer(p, p)
        upstream = np.zeros_like(p)
        upstream[label] = -1 / p[label]
        grad[n] = jacobian @ upstream / len(labels)
    return grad


CROSS_ENTROPY_GRAD = Exercise(
    reference=cross_entropy_grad,
    summary="the gradient of the cross-entropy with respect to the logits",
    parts=CLASS_PARTS,
    cases=logits_cases,
    mistakes=(
        Mistake(
            "not divided by the batch",
            grad_not_divided_by_the_batch,
            "The loss is a mean over B samples, so every sample's gradient counts 1/B: divide by "
            "the number of samples.",
        ),
        Mistake(
            "divided by all entries",
            grad_divided_by_all_entries,
            "You divide by the number of entries, B·K. The loss is a mean over the B samples only.",
        ),
        Mistake(
            "labels minus probabilities",
            labels_minus_probabilities,
            "The sign is turned: it is p − y. A class that gets too much probability has a "
            "positive gradient, and descent lowers its logit.",
        ),
        Mistake(
            "labels left out",
            labels_left_out,
            "This is p alone: it pushes every logit down. Subtract 1 at the right class.",
        ),
        Mistake(
            "only the right class",
            only_the_right_class,
            "Only the right class gets a gradient. The wrong ones take part in the sum of the "
            "softmax: their gradient is p, and each row adds up to 0.",
        ),
        Mistake(
            "stops at the probabilities",
            stops_at_the_probabilities,
            "−1/p is the gradient with respect to the probability. Go on through the softmax to "
            "the logits: the two together give p − y.",
        ),
        Mistake(
            "through the softmax twice",
            through_the_softmax_twice,
            "p − y has the derivative of the softmax in it already. Do not multiply by p(1 − p) "
            "again.",
        ),
        Mistake(
            "softmax of the whole batch",
            softmax_of_the_whole_batch,
            "The probabilities of all samples together add up to 1. Every row needs its own "
            "softmax: maximum and sum along axis=1, with keepdims=True.",
        ),
        Mistake(
            "labels as numbers",
            labels_as_numbers,
            "You subtract the label itself, a number such as 2, from every p of the row. y stands "
            "for a row with a 1 at the right class and 0 elsewhere: subtract 1 there.",
        ),
        Mistake(
            "only the label divided by the batch",
            only_the_label_divided,
            "1/B divides the label's part only. It stands before the bracket: (p − y)/B.",
        ),
        Mistake(
            "every label in every row",
            every_label_in_every_row,
            "p[:, labels] subtracts 1 at the labels of all samples in every row. One entry a row: "
            "p[np.arange(B), labels].",
        ),
        Mistake(
            "overflow",
            grad_overflows,
            "exp(1000) overflows, and ∞/∞ is NaN. Subtract each sample's largest logit first.",
        ),
    ),
    honest=(grad_with_one_hot, grad_entry_by_entry, grad_through_the_jacobian),
)


# --- a dense layer, forward ------------------------------------------------------------------


def linear_forward(x: Array, w: Array, b: Array) -> Array:
    """Return the output of a dense layer for a batch, one sample a row."""
    return x @ w + b


def forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(samples: int, fan_in: int, fan_out: int) -> dict[str, Any]:
        shapes = {"x": (samples, fan_in), "w": (fan_in, fan_out), "b": (fan_out,)}
        return {key: rng.normal(0.0, 1.5, shape) for key, shape in shapes.items()}

    yield Case("one", "one sample, three inputs, two units", inputs(1, 3, 2))
    yield Case("batch", "five samples, two inputs, four units", inputs(5, 2, 4))
    yield Case("batch", "three samples, three inputs, three units", inputs(3, 3, 3))
    yield Case("dtype", "four samples in float32", as_float32(inputs(4, 3, 2)))


def bias_left_out(x, w, b):
    return x @ w


def activation_included(x, w, b):
    return np.maximum(x @ w + b, 0)


def samples_in_the_columns(x, w, b):
    return w.T @ x.T + b[:, None]


def forward_with_einsum(x, w, b):
    return b + np.einsum("ni,io->no", x, w)


def forward_unit_by_unit(x, w, b):
    y = np.empty((len(x), w.shape[1]), dtype=x.dtype)
    for n in range(len(x)):
        for unit in range(w.shape[1]):
            y[n, unit] = np.sum(x[n] * w[:, unit]) + b[unit]
    return y


def forward_with_a_column_of_ones(x, w, b):
    ones = np.ones((len(x), 1), dtype=x.dtype)
    return np.hstack([x, ones]) @ np.vstack([w, b])


LINEAR_FORWARD = Exercise(
    reference=linear_forward,
    summary="the forward pass of a dense layer",
    parts=(Part("one", 1, "one sample"), Part("batch", 1, "a batch"), DTYPE, INPUTS),
    cases=forward_cases,
    mistakes=(
        Mistake(
            "bias left out",
            bias_left_out,
            "The bias is missing: without it every unit's boundary passes through the origin. "
            "y = xW + b; NumPy adds b to every row.",
        ),
        Mistake(
            "activation included",
            activation_included,
            "Negative outputs are cut off. This layer is linear; the activation is a layer of its "
            "own and comes after it.",
        ),
        Mistake(
            "samples in the columns",
            samples_in_the_columns,
            "Your samples lie in the columns. Here each sample is a row, in and out: x @ w + b of "
            "shape (samples, units).",
        ),
    ),
    honest=(forward_with_einsum, forward_unit_by_unit, forward_with_a_column_of_ones),
)


# --- a dense layer, backward -----------------------------------------------------------------


def linear_backward(grad: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Return ∂L/∂x, ∂L/∂w and ∂L/∂b of a dense layer from ∂L/∂y."""
    return grad @ w.T, x.T @ grad, grad.sum(axis=0)


def look_at_the_gradients(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at its three results."""
    names = ("grad_x", "grad_w", "grad_b")
    yield from zip(names, unpack(function(**inputs), *names), strict=True)


def backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(samples: int, fan_in: int, fan_out: int) -> dict[str, Any]:
        shapes = {"grad": (samples, fan_out), "x": (samples, fan_in), "w": (fan_in, fan_out)}
        return {key: rng.normal(0.0, 1.5, shape) for key, shape in shapes.items()}

    yield Case("one", "one sample, three inputs, two units", inputs(1, 3, 2))
    yield Case("batch", "five samples, two inputs, four units", inputs(5, 2, 4))
    yield Case("batch", "three samples, three inputs, three units", inputs(3, 3, 3))
    yield Case("dtype", "four samples in float32", as_float32(inputs(4, 3, 2)))


def averaged_over_the_batch_again(grad, x, w):
    return grad @ w.T, x.T @ grad / len(x), grad.mean(axis=0)


def weight_gradient_averaged(grad, x, w):
    return grad @ w.T, x.T @ grad / len(x), grad.sum(axis=0)


def all_three_averaged(grad, x, w):
    return grad @ w.T / len(x), x.T @ grad / len(x), grad.mean(axis=0)


def bias_gradient_averaged(grad, x, w):
    return grad @ w.T, x.T @ grad, grad.mean(axis=0)


def bias_gradient_not_summed(grad, x, w):
    return grad @ w.T, x.T @ grad, grad


def bias_gradient_summed_over_the_units(grad, x, w):
    return grad @ w.T, x.T @ grad, grad.sum(axis=1)


def weight_gradient_transposed(grad, x, w):
    return grad @ w.T, grad.T @ x, grad.sum(axis=0)


def gradient_passed_on_unchanged(grad, x, w):
    return grad, x.T @ grad, grad.sum(axis=0)


def parameters_first(grad, x, w):
    return x.T @ grad, grad.sum(axis=0), grad @ w.T


def backward_with_einsum(grad, x, w):
    return (
        np.einsum("no,io->ni", grad, w),
        np.einsum("ni,no->io", x, grad),
        np.einsum("no->o", grad),
    )


def backward_sample_by_sample(grad, x, w):
    grad_x, grad_w, grad_b = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[0])
    for n in range(len(x)):
        grad_x[n] = w @ grad[n]
        grad_w += np.outer(x[n], grad[n])
        grad_b += grad[n]
    return grad_x, grad_w, grad_b


def backward_with_ones(grad, x, w):
    ones = np.ones(len(x), dtype=grad.dtype)
    return (w @ grad.T).T, (grad.T @ x).T, ones @ grad


LINEAR_BACKWARD = Exercise(
    reference=linear_backward,
    summary="the backward pass of a dense layer",
    parts=(Part("one", 1, "one sample"), Part("batch", 2, "a batch"), DTYPE, INPUTS),
    cases=backward_cases,
    run=look_at_the_gradients,
    mistakes=(
        Mistake(
            "averaged over the batch again",
            averaged_over_the_batch_again,
            "The gradients of w and b are divided by the batch size. The 1/B of the loss is in "
            "grad already: here the samples add up.",
        ),
        Mistake(
            "weight gradient averaged",
            weight_gradient_averaged,
            "grad_w is divided by the batch size. The 1/B of the loss is in grad already: here "
            "the samples add up, as xᵀ @ grad does.",
        ),
        Mistake(
            "all three averaged",
            all_three_averaged,
            "All three gradients are divided by the batch size. The 1/B of the loss is in grad "
            "already: nothing is divided here.",
        ),
        Mistake(
            "bias gradient averaged",
            bias_gradient_averaged,
            "The bias acts on every sample, so its gradients add up: sum(axis=0), not the mean.",
        ),
        Mistake(
            "bias gradient not summed",
            bias_gradient_not_summed,
            "grad_b has one row a sample, but the layer has one bias a unit. A value that is used "
            "B times gets the sum of its B gradients: sum(axis=0).",
        ),
        Mistake(
            "bias gradient summed over the units",
            bias_gradient_summed_over_the_units,
            "The sum runs over the units. There is one bias a unit: sum over the samples, axis=0.",
        ),
        Mistake(
            "weight gradient transposed",
            weight_gradient_transposed,
            "grad_w is transposed. A gradient has the shape of what it belongs to, here "
            "(fan_in, fan_out): xᵀ @ grad.",
        ),
        Mistake(
            "gradient passed on unchanged",
            gradient_passed_on_unchanged,
            "grad_x is grad itself. On its way back the gradient passes the same weights as the "
            "signal did, transposed: grad @ wᵀ.",
        ),
        Mistake(
            "parameters first",
            parameters_first,
            "The three gradients are right but in another order: (grad_x, grad_w, grad_b).",
        ),
    ),
    honest=(backward_with_einsum, backward_sample_by_sample, backward_with_ones),
)


# --- numerical gradient ----------------------------------------------------------------------


def numerical_gradient(f: Callable[[Array], Any], x: Array, *, h: float = 1e-5) -> Array:
    """Estimate the gradient of f at x by central differences."""
    return diagnostics.numerical_gradient(f, x, h=h)


def waves(x):
    """Sum of sines of different frequencies: no derivative of it is 0."""
    return float(np.sum(np.sin(x) * np.cos(x / 2)))


def cubic(x):
    """Neighbours multiply each other, and the third derivative is not 0."""
    flat = x.ravel()
    return float(np.sum(flat**3) / 3 + np.sum(flat[1:] * flat[:-1]))


def growth(x):
    """Logarithm of a sum of powers, as in a softmax."""
    return float(np.log(np.sum(np.exp(x))))


def difference_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(f: Callable[[Any], Any], *shape: int) -> dict[str, Any]:
        h = float(rng.choice([0.05, 0.1, 0.2]))
        return {"f": f, "x": rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 1.5, shape), "h": h}

    yield Case("vector", "Σ sin(x) cos(x/2), one variable", inputs(waves, 1))
    yield Case("vector", "Σ x³/3 + Σ xᵢ xᵢ₊₁, three variables", inputs(cubic, 3))
    yield Case("matrix", "Σ x³/3 + Σ xᵢ xᵢ₊₁ over all entries of a 2×2 matrix", inputs(cubic, 2, 2))
    yield Case("matrix", "ln Σ exp(x) over a 2×3 matrix", inputs(growth, 2, 3))
    yield Case(
        "dtype", "Σ sin(x) cos(x/2), three variables in float32", as_float32(inputs(waves, 3))
    )


def forward_difference(f, x, *, h=1e-5):
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above = x.copy()
        above[index] += h
        grad[index] = (f(above) - f(x)) / h
    return grad


def divided_by_h(f, x, *, h=1e-5):
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        grad[index] = (f(above) - f(below)) / h
    return grad


def brackets_left_out(f, x, *, h=1e-5):
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        grad[index] = (f(above) - f(below)) / 2 * h
    return grad


def all_entries_moved_at_once(f, x, *, h=1e-5):
    return np.full_like(x, (f(x + h) - f(x - h)) / (2 * h))


def one_number_for_all_entries(f, x, *, h=1e-5):
    return (f(x + h) - f(x - h)) / (2 * h)


def whole_rows_moved(f, x, *, h=1e-5):
    grad = np.zeros_like(x)
    for i in range(len(x)):
        above, below = x.copy(), x.copy()
        above[i] += h
        below[i] -= h
        grad[i] = (f(above) - f(below)) / (2 * h)
    return grad


def back_to_x_instead_of_below(f, x, *, h=1e-5):
    x = x.copy()
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += h
        above = f(x)
        x[index] -= h
        below = f(x)
        grad[index] = (above - below) / (2 * h)
    return grad


def entries_never_put_back(f, x, *, h=1e-5):
    x = x.copy()
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += h
        above = f(x)
        x[index] -= 2 * h
        below = f(x)
        grad[index] = (above - below) / (2 * h)
    return grad


def below_minus_above(f, x, *, h=1e-5):
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        grad[index] = (f(below) - f(above)) / (2 * h)
    return grad


def an_h_of_its_own(f, x, *, h=1e-5):
    h = 1e-5
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        grad[index] = (f(above) - f(below)) / (2 * h)
    return grad


def differences_with_a_direction(f, x, *, h=1e-5):
    grad = np.empty_like(x)
    for i in range(x.size):
        direction = np.zeros(x.size, dtype=x.dtype)
        direction[i] = h
        direction = direction.reshape(x.shape)
        grad.flat[i] = (f(x + direction) - f(x - direction)) / (2 * h)
    return grad


def differences_with_entries_put_back(f, x, *, h=1e-5):
    x = x.copy()
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + h
        above = f(x)
        x[index] = kept - h
        below = f(x)
        x[index] = kept
        grad[index] = (above - below) / (2 * h)
    return grad


def differences_from_a_list(f, x, *, h=1e-5):
    steps = h * np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    slopes = [(f(x + step) - f(x - step)) / 2 / h for step in steps]
    return np.array(slopes, dtype=x.dtype).reshape(x.shape)


NUMERICAL_GRADIENT = Exercise(
    reference=numerical_gradient,
    summary="a gradient by central differences",
    parts=(
        Part("vector", 1.5, "a function of a vector"),
        Part("matrix", 1.5, "a function of a matrix"),
        DTYPE,
        INPUTS,
    ),
    cases=difference_cases,
    mistakes=(
        Mistake(
            "forward difference",
            forward_difference,
            "This is the forward difference, off by h/2 times the second derivative. The central "
            "one, (f(x + h) − f(x − h))/2h, is off by h²/6 times the third.",
        ),
        Mistake(
            "divided by h",
            divided_by_h,
            "The two points are 2h apart: divide by 2h. Your gradient is twice too large.",
        ),
        Mistake(
            "brackets left out",
            brackets_left_out,
            "a / 2 * h is (a/2)·h in Python. Divide by (2 * h), with brackets.",
        ),
        Mistake(
            "all entries moved at once",
            all_entries_moved_at_once,
            "All entries move together, which gives the sum of all partial derivatives. Move one "
            "entry at a time and hold the others.",
        ),
        Mistake(
            "one number for all entries",
            one_number_for_all_entries,
            "x + h moves all entries together, and you return one number. A gradient has a slope "
            "for each entry, in the shape of x: move one entry at a time and hold the others.",
        ),
        Mistake(
            "whole rows moved",
            whole_rows_moved,
            "For a matrix, x[i] is a whole row, and all its entries move together. Go through all "
            "entries, for example with np.ndindex(x.shape).",
        ),
        Mistake(
            "back to x instead of below",
            back_to_x_instead_of_below,
            "After the step up by h, a step down by h is back at x, not at x − h. Step down by "
            "2h, or start both from a copy of x.",
        ),
        Mistake(
            "entries never put back",
            entries_never_put_back,
            "An entry stays at x − h when the next one moves. Put it back first, or work on fresh "
            "copies.",
        ),
        Mistake(
            "below minus above",
            below_minus_above,
            "The difference is the wrong way round: f(x + h) − f(x − h).",
        ),
        Mistake(
            "an h of its own",
            an_h_of_its_own,
            "The h that is given is not used. Which h is good depends on f and on the dtype, so "
            "the caller chooses it.",
        ),
    ),
    honest=(
        differences_with_a_direction,
        differences_with_entries_put_back,
        differences_from_a_list,
    ),
)


# --- two layers ------------------------------------------------------------------------------


def mlp_gradients(
    x: Array, labels: Array, w1: Array, b1: Array, w2: Array, b2: Array
) -> tuple[Array, dict[str, Array]]:
    """Return the loss of a network with one hidden ReLU layer, and all its gradients."""
    h = activations.relu(linear_forward(x, w1, b1))
    logits = linear_forward(h, w2, b2)
    grad_h, grad_w2, grad_b2 = linear_backward(losses.cross_entropy_grad(logits, labels), h, w2)
    _, grad_w1, grad_b1 = linear_backward(grad_h * (h > 0), x, w1)
    grads = {"w1": grad_w1, "b1": grad_b1, "w2": grad_w2, "b2": grad_b2}
    return losses.cross_entropy(logits, labels), grads


def look_at_loss_and_gradients(
    function: Callable[..., Any], inputs: Mapping[str, Any]
) -> Observations:
    """Call the function once and look at the loss and at each gradient."""
    loss, grads = unpack(function(**inputs), "loss", "grads")
    yield "loss", loss
    for key in ("w2", "b2", "w1", "b1"):
        yield f"grads[{key!r}]", item(grads, "grads", key)


def mlp_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        samples: int, features: int, hidden: int, classes: int, zero: tuple[int, ...] = ()
    ) -> dict[str, Any]:
        x = rng.normal(size=(samples, features))
        w1 = rng.normal(size=(features, hidden))
        z = np.delete(x @ w1, zero, axis=1)
        # Between a unit's pre-activations: half of the hidden units are on, half are off.
        middle = np.sort(z, axis=None)[z.size // 2 - 1 : z.size // 2 + 1].mean()
        b1 = np.full(hidden, -middle)
        b1[list(zero)] = w1[:, list(zero)] = 0.0
        return {
            "x": x,
            "labels": some_labels(rng, samples, classes),
            "w1": w1,
            "b1": b1,
            "w2": rng.normal(size=(hidden, classes)),
            "b2": rng.normal(size=classes),
        }

    yield Case("one", "one sample, 3-4-3 units", inputs(1, 3, 4, 3))
    yield Case("batch", "six samples, 3-5-4 units", inputs(6, 3, 5, 4))
    yield Case("batch", "four samples, 4-4-4 units", inputs(4, 4, 4, 4))
    kink = inputs(4, 3, 4, 3, zero=(1,))
    yield Case("batch", "four samples, z1 of the second unit is exactly 0", kink)
    yield Case("dtype", "five samples in float32", as_float32(inputs(5, 3, 4, 3)))


def relu_left_out_on_the_way_back(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_h = grad @ w2.T
    return loss, {
        "w1": x.T @ grad_h,
        "b1": grad_h.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def mask_of_the_gradient(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_z = np.maximum(grad @ w2.T, 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def value_in_the_place_of_the_slope(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_z = grad @ w2.T * h
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def slope_1_at_the_kink(x, labels, w1, b1, w2, b2):
    z1 = x @ w1 + b1
    h = np.maximum(z1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_z = grad @ w2.T * (z1 >= 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def a_softmax_too_many(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    for _ in range(2):
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        z = powers / powers.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(z[rows, labels]).mean()
    grad = z
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_z = grad @ w2.T * (h > 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def values_before_the_relu(x, labels, w1, b1, w2, b2):
    z1 = x @ w1 + b1
    z = np.maximum(z1, 0) @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_z = grad @ w2.T * (z1 > 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": z1.T @ grad,
        "b2": grad.sum(axis=0),
    }


def hidden_layer_without_relu(x, labels, w1, b1, w2, b2):
    h = x @ w1 + b1
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_h = grad @ w2.T
    return loss, {
        "w1": x.T @ grad_h,
        "b1": grad_h.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def mean_loss_with_gradients_of_the_sum(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad_z = grad @ w2.T * (h > 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def loss_and_gradients_of_the_sum(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].sum()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad_z = grad @ w2.T * (h > 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def gradients_uphill(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = -np.exp(log_p)
    grad[rows, labels] += 1
    grad /= len(labels)
    grad_z = grad @ w2.T * (h > 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad,
        "b2": grad.sum(axis=0),
    }


def bias_gradients_averaged(x, labels, w1, b1, w2, b2):
    h = np.maximum(x @ w1 + b1, 0)
    z = h @ w2 + b2
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)
    grad[rows, labels] -= 1
    grad /= len(labels)
    grad_z = grad @ w2.T * (h > 0)
    return loss, {
        "w1": x.T @ grad_z,
        "b1": grad_z.mean(axis=0),
        "w2": h.T @ grad,
        "b2": grad.mean(axis=0),
    }


def mlp_with_one_hot(x, labels, w1, b1, w2, b2):
    z1 = x @ w1 + b1
    h = z1 * (z1 > 0)
    logits = h @ w2 + b2
    powers = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    p = powers / np.sum(powers, axis=1, keepdims=True)
    y = np.eye(len(b2), dtype=x.dtype)[labels]
    delta2 = (p - y) / len(x)
    delta1 = (delta2 @ w2.T) * (z1 > 0)
    grads = {
        "w1": x.T @ delta1,
        "b1": np.sum(delta1, axis=0),
        "w2": h.T @ delta2,
        "b2": np.sum(delta2, axis=0),
    }
    return -np.sum(y * np.log(p)) / len(x), grads


def mlp_sample_by_sample(x, labels, w1, b1, w2, b2):
    loss = x.dtype.type(0)
    grads = {"w1": w1, "b1": b1, "w2": w2, "b2": b2}
    grads = {name: np.zeros_like(param) for name, param in grads.items()}
    for sample, label in [(x[n], labels[n]) for n in range(len(x))]:
        z1 = sample @ w1 + b1
        h = np.where(z1 > 0, z1, 0)
        z2 = h @ w2 + b2
        log_p = z2 - z2.max() - np.log(np.sum(np.exp(z2 - z2.max())))
        loss = loss - log_p[label] / len(x)
        d2 = np.exp(log_p) / len(x)
        d2[label] -= 1 / len(x)
        d1 = np.where(z1 > 0, w2 @ d2, 0)
        grads["w2"] += np.outer(h, d2)
        grads["b2"] += d2
        grads["w1"] += np.outer(sample, d1)
        grads["b1"] += d1
    return loss, grads


def mlp_with_samples_in_columns(x, labels, w1, b1, w2, b2):
    z1 = w1.T @ x.T + b1[:, None]
    h = np.maximum(z1, 0)
    z2 = w2.T @ h + b2[:, None]
    z2 = z2 - z2.max(axis=0)
    p = np.exp(z2) / np.exp(z2).sum(axis=0)
    columns = np.arange(len(labels))
    loss = -np.mean(np.log(p[labels, columns]))
    d2 = p.copy()
    d2[labels, columns] -= 1
    d1 = w2 @ d2
    d1[z1 <= 0] = 0
    m = len(labels)
    grads = {"w2": h @ d2.T / m, "b2": d2.mean(axis=1), "w1": (d1 @ x).T / m, "b1": d1.mean(axis=1)}
    return loss, grads


MLP_GRADIENTS = Exercise(
    reference=mlp_gradients,
    summary="loss and gradients of a network with one hidden ReLU layer",
    parts=(Part("one", 2, "one sample"), Part("batch", 3, "a batch"), DTYPE, INPUTS),
    cases=mlp_cases,
    run=look_at_loss_and_gradients,
    mistakes=(
        Mistake(
            "ReLU left out on the way back",
            relu_left_out_on_the_way_back,
            "The gradient passes the ReLU as if it were not there. Where z ≤ 0 the unit was off: "
            "its slope is 0. Multiply by (z > 0).",
        ),
        Mistake(
            "mask of the gradient",
            mask_of_the_gradient,
            "The gradient is sent through the ReLU itself, which cuts off its negative entries. "
            "The mask comes from the forward pass: multiply by (z > 0).",
        ),
        Mistake(
            "value in the place of the slope",
            value_in_the_place_of_the_slope,
            "The gradient is multiplied by the ReLU's value. The chain rule wants its slope: 1 "
            "where z > 0, else 0.",
        ),
        Mistake(
            "slope 1 at the kink",
            slope_1_at_the_kink,
            "At z = 0 your ReLU passes the gradient on. Here it does so only where z > 0, so that "
            "a unit that is 0 for every sample is left alone: multiply by (z > 0).",
        ),
        Mistake(
            "a softmax too many",
            a_softmax_too_many,
            "The cross-entropy gets probabilities and applies the softmax a second time. It takes "
            "the logits: hand z₂ to it and to its gradient as it is.",
        ),
        Mistake(
            "values before the ReLU",
            values_before_the_relu,
            "The gradient of w2 uses the hidden layer's values before the ReLU. w2 was multiplied "
            "by h = ReLU(z), so its gradient is hᵀ @ grad.",
        ),
        Mistake(
            "hidden layer without ReLU",
            hidden_layer_without_relu,
            "The hidden layer has no activation. Two linear layers in a row are one linear layer: "
            "h = np.maximum(x @ w1 + b1, 0).",
        ),
        Mistake(
            "gradients of the sum",
            mean_loss_with_gradients_of_the_sum,
            "The loss is the mean over the batch, the gradients are those of the sum: divide by B "
            "where the backward pass starts.",
        ),
        Mistake(
            "sum in the place of the mean",
            loss_and_gradients_of_the_sum,
            "Loss and gradients are sums over the samples. Here the loss is the mean: divide both "
            "by B.",
        ),
        Mistake(
            "gradients uphill",
            gradients_uphill,
            "All gradients have the wrong sign: the backward pass starts with p − y, divided by B. "
            "The minus of the descent comes later, in the step.",
        ),
        Mistake(
            "bias gradients averaged",
            bias_gradients_averaged,
            "The gradients of the biases are averaged over the batch. The 1/B is in the gradient "
            "already: sum(axis=0).",
        ),
    ),
    honest=(mlp_with_one_hot, mlp_sample_by_sample, mlp_with_samples_in_columns),
)


UNIT = Unit(
    key="01_backpropagation",
    title="Backpropagation",
    exercises=(
        PERCEPTRON,
        SOFTMAX,
        CROSS_ENTROPY,
        CROSS_ENTROPY_GRAD,
        LINEAR_FORWARD,
        LINEAR_BACKWARD,
        NUMERICAL_GRADIENT,
        MLP_GRADIENTS,
    ),
)
