"""The studies of unit 10 over many seeds, written to `data/` for the lesson.

`make experiments` runs them (about twelve minutes on one core): over- and underfitting, dropout by
rate, the forgotten factor, MC dropout on shifted digits, shapes at equal parameters, remedies
against overfitting, and L2 against decoupled decay. Rates are chosen on a part of the training data.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from course import activations, optimizers
from course.data import Split
from course.layers import Dropout, Sequential, mc_dropout
from course.losses import cross_entropy
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import train
from course.widgets.regularization import (
    UnscaledDropout,
    dense_network,
    digit_images,
    fit_steps,
    shifted,
    some_digits,
)

Rows = Iterator[tuple[object, ...]]

SEEDS, CHOICE_SEEDS = range(10), range(100, 103)
SCORES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
DATA = Path(__file__).parent / "data"


def scores(network: Sequential, data: Split) -> tuple[float, float, float, float]:
    """Return loss and accuracy on the training and on the test part, dropout off."""
    logits = network.forward(data.x_train), network.forward(data.x_test)
    labels = data.y_train, data.y_test
    losses = [float(cross_entropy(*pair)) for pair in zip(logits, labels, strict=True)]
    right = [float(np.mean(z.argmax(axis=1) == y)) for z, y in zip(logits, labels, strict=True)]
    return losses[0], losses[1], right[0], right[1]


def fit(
    hidden: Sequence[int], data: Split, seed: int, *, rates: Sequence[float] = (), **how: Any
) -> Sequential:
    """Build and train one network."""
    network = dense_network(hidden, np.random.default_rng(seed), rates=rates)
    fit_steps(network, data, rng=np.random.default_rng([seed, 2]), **how)
    return network


def best(options: Iterable[Any], score: Any) -> Any:
    """Return the option with the lowest mean score over the seeds for choosing."""
    means = {option: np.mean([score(option, seed) for seed in CHOICE_SEEDS]) for option in options}
    return min(means, key=lambda option: means[option])


# --- over- and underfitting ------------------------------------------------------------------

WIDTHS, WIDTH_SAMPLES, WIDTH_WRONG = (1, 2, 4, 8, 16, 32, 64, 128, 256), 300, 0.1
WIDTH_LRS, WIDTH_STEPS = (0.003, 0.01, 0.03), 600
SAMPLES, SAMPLE_LR = (50, 100, 200, 400, 800, 1438), 0.003


def capacity() -> Rows:
    """Yield the scores by width, each width with its own rate."""
    for width in WIDTHS:

        def held_back(lr: float, seed: int, width: int = width) -> float:
            data = some_digits(WIDTH_SAMPLES, seed, wrong=WIDTH_WRONG).hold_back()
            return scores(fit([width], data, seed, steps=WIDTH_STEPS, lr=lr), data)[1]

        lr = best(WIDTH_LRS, held_back)
        for seed in SEEDS:
            data = some_digits(WIDTH_SAMPLES, seed, wrong=WIDTH_WRONG)
            yield width, lr, seed, *scores(fit([width], data, seed, steps=WIDTH_STEPS, lr=lr), data)


def learning_curve() -> Rows:
    """Yield the scores by the number of training samples."""
    for samples in SAMPLES:
        for seed in SEEDS:
            data = some_digits(samples, seed)
            network = fit([64], data, seed, steps=WIDTH_STEPS, lr=SAMPLE_LR)
            yield samples, seed, *scores(network, data)


# --- dropout ---------------------------------------------------------------------------------

DROP_RATES, DROP_LRS, DROP_STEPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0.002, 0.006), 1000
CONDITIONS = {"all": (1438, 0.0), "few": (200, 0.0), "wrong": (400, 0.2)}
FACTOR_DEPTHS, FACTOR_RATES, FACTOR_LR = (1, 2, 4), (0.2, 0.5), 0.002


def dropout() -> Rows:
    """Yield the scores by dropout rate, each with its own learning rate."""
    for name, (samples, wrong) in CONDITIONS.items():
        for rate in DROP_RATES:
            how: dict[str, Any] = {"rates": (0.0, rate, rate), "steps": DROP_STEPS}

            def held_back(
                lr: float,
                seed: int,
                samples: int = samples,
                wrong: float = wrong,
                how: dict[str, Any] = how,
            ) -> float:
                data = some_digits(samples, seed, wrong=wrong).hold_back()
                return scores(fit([64, 64], data, seed, lr=lr, **how), data)[1]

            lr = best(DROP_LRS, held_back)
            for seed in SEEDS:
                data = some_digits(samples, seed, wrong=wrong)
                seen = scores(fit([64, 64], data, seed, lr=lr, **how), data)
                yield name, rate, lr, seed, *seen


def factor() -> Rows:
    """Yield test loss, accuracy and mean confidence with the factor, without it, and repaired."""
    for depth in FACTOR_DEPTHS:
        for rate in FACTOR_RATES:
            for seed in SEEDS:
                data = some_digits(1438, seed)
                rates = [0.0] + [rate] * depth
                for kind, layer in (("inverted", Dropout), ("forgotten", UnscaledDropout)):
                    network = dense_network(
                        [64] * depth, np.random.default_rng(seed), rates=rates, dropout=layer
                    )
                    rng = np.random.default_rng([seed, 2])
                    fit_steps(network, data, rng=rng, steps=DROP_STEPS, lr=FACTOR_LR)
                    yield depth, rate, kind, seed, *confidence(network, data)
                    if kind == "forgotten":
                        repair(network, rate)
                        yield depth, rate, "at inference", seed, *confidence(network, data)


def repair(network: Sequential, rate: float) -> None:
    """Multiply the weights behind each dropout layer by 1 - p, as the first paper does."""
    for layer, following in pairwise(network.layers):
        if isinstance(layer, Dropout):
            following.params[0][...] *= 1 - rate


def confidence(network: Sequential, data: Split) -> tuple[float, float, float]:
    """Return test loss, test accuracy and the mean probability of the class that is chosen."""
    logits = network.forward(data.x_test)
    sure = activations.softmax(logits).max(axis=1).mean()
    right = np.mean(logits.argmax(axis=1) == data.y_test)
    return float(cross_entropy(logits, data.y_test)), float(right), float(sure)


# --- MC dropout ------------------------------------------------------------------------------

SHIFTS = {
    "turned": (0, 15, 30, 45, 60, 90),
    "moved": (0, 0.5, 1, 1.5, 2, 3),
    "noisy": (0, 0.3, 0.6, 0.9, 1.2, 1.5),
}
PASSES, MC_RATE = 50, 0.3


def spread() -> Rows:
    """Yield how far the passes spread on shifted digits, and how well that finds the errors."""
    for seed in SEEDS:
        images = digit_images(seed)
        x, y, labels = images.x_train.reshape(-1, 64), images.y_train, images.y_test
        network = dense_network(
            [64, 64], np.random.default_rng(seed), rates=(0.0, MC_RATE, MC_RATE)
        )
        data = Split(x, y, images.x_test.reshape(-1, 64), labels)
        fit_steps(network, data, rng=np.random.default_rng([seed, 2]), steps=DROP_STEPS, lr=0.002)
        for kind, amounts in SHIFTS.items():
            for amount in amounts:
                inputs = shifted(images.x_test, kind, amount, seed).reshape(-1, 64)
                single = activations.softmax(network.forward(inputs))
                mean, variance = mc_dropout(
                    network, inputs, samples=PASSES, output=activations.softmax
                )
                chosen = mean.argmax(axis=1)
                deviation = np.sqrt(variance[np.arange(len(chosen)), chosen])
                wrong = chosen != labels
                yield (
                    kind,
                    amount,
                    seed,
                    float(np.mean(single.argmax(axis=1) == labels)),
                    float(np.mean(~wrong)),
                    float(deviation.mean()),
                    float(deviation[~wrong].mean()),
                    float(deviation[wrong].mean()),
                    found(wrong, deviation),
                    found(wrong, 1 - mean.max(axis=1)),
                    found(single.argmax(axis=1) != labels, 1 - single.max(axis=1)),
                    float(cross_entropy(np.log(single + 1e-12), labels)),
                    float(cross_entropy(np.log(mean + 1e-12), labels)),
                )


def found(wrong: Any, doubt: Any) -> float:
    """Return the chance that a wrong answer is doubted more than a right one: the AUROC."""
    return float(roc_auc_score(wrong, doubt))


# --- shapes at equal parameters --------------------------------------------------------------

BUDGET, SHAPE_LRS, SHAPE_STEPS = 6000, (0.002, 0.006, 0.02), 1000
SHAPE_CONDITIONS = {"all": 1438, "few": 200}


def parameters(hidden: Sequence[int]) -> int:
    """Count the weights and biases of a network for the digits."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise((64, *hidden, 10)))


def within(shape: Sequence[float]) -> tuple[int, ...]:
    """Return the widest network of this shape that has at most `BUDGET` parameters."""
    scale = 1.0
    while parameters([round(scale * part) for part in shape]) <= BUDGET:
        scale += 0.01
    return tuple(round((scale - 0.01) * part) for part in shape)


SHAPES = {
    "1 layer": within([1]),
    "2 layers": within([1, 1]),
    "3 layers": within([1, 1, 1]),
    "5 layers": within([1] * 5),
    "8 layers": within([1] * 8),
    "funnel": within([4, 2, 1]),
    "funnel turned round": within([1, 2, 4]),
}


def shapes() -> Rows:
    """Yield the scores of networks of different shapes with as many parameters."""
    for name, samples in SHAPE_CONDITIONS.items():
        for shape, hidden in SHAPES.items():

            def held_back(
                lr: float, seed: int, hidden: Sequence[int] = hidden, samples: int = samples
            ) -> float:
                data = some_digits(samples, seed).hold_back()
                return scores(fit(hidden, data, seed, steps=SHAPE_STEPS, lr=lr), data)[1]

            lr = best(SHAPE_LRS, held_back)
            for seed in SEEDS:
                data = some_digits(samples, seed)
                seen = scores(fit(hidden, data, seed, steps=SHAPE_STEPS, lr=lr), data)
                written = "-".join(map(str, (64, *hidden, 10)))
                yield name, shape, written, parameters(hidden), lr, seed, *seen


# --- stretch pants ---------------------------------------------------------------------------

STRETCH_WIDTHS, STRETCH_RATES, STRETCH_LR = (16, 32, 64, 128, 256), (0.0, 0.5), 0.002
STRETCH_SEEDS = range(6)


def stretch() -> Rows:
    """Yield the scores of wider and wider networks with and without dropout."""
    for width in STRETCH_WIDTHS:
        for rate in STRETCH_RATES:
            for seed in STRETCH_SEEDS:
                data = some_digits(1438, seed)
                how: dict[str, Any] = {"rates": (0.0, rate, rate), "steps": SHAPE_STEPS}
                network = fit([width, width], data, seed, lr=STRETCH_LR, **how)
                yield width, rate, seed, *scores(network, data)


# --- remedies --------------------------------------------------------------------------------

REMEDY_SAMPLES, REMEDY_WRONG, REMEDY_STEPS, PATIENCE = 400, 0.2, 800, 5
LARGE, REMEDY_LR = (128, 128), 0.002
REMEDIES: dict[str, list[dict[str, Any]]] = {
    "nothing": [{}],
    "smaller": [{"hidden": [width] * 2} for width in (8, 16, 32)],
    "dropout": [{"rate": rate} for rate in (0.4, 0.6, 0.8)],
    "L2": [{"penalty": penalty} for penalty in (0.01, 0.03, 0.1)],
    "decoupled": [{"weight_decay": decay} for decay in (1.0, 3.0, 10.0)],
    "decoupled 3": [{"weight_decay": 3.0}],  # not chosen: what a weaker decay would have given
    "dropout and decoupled": [
        {"rate": rate, "weight_decay": decay} for rate in (0.4, 0.6) for decay in (1.0, 3.0)
    ],
    "more data": [{"samples": 1200}],
}


def remedied(how: dict[str, Any], data: Split, seed: int) -> Sequential:
    """Train a network, by default large and without any remedy."""
    how = dict(how)
    rate, hidden = how.pop("rate", 0.0), how.pop("hidden", LARGE)
    how.pop("samples", None)
    if "weight_decay" in how:
        how["rule"] = decayed_matrices
    return fit(hidden, data, seed, rates=(0.0, rate, rate), steps=REMEDY_STEPS, lr=REMEDY_LR, **how)


def decayed_matrices(theta: Any, grad: Any, state: Any = None, **hyper: float) -> Any:
    """Adam with decoupled decay of matrices, and none of biases."""
    decay = hyper.pop("weight_decay") if theta.ndim == 2 else (hyper.pop("weight_decay"), 0.0)[1]
    return optimizers.adamw(theta, grad, state, weight_decay=decay, **hyper)


def remedies() -> Rows:
    """Yield the scores with each remedy, its strength chosen on data held back."""
    for name, options in REMEDIES.items():

        def held_back(index: int, seed: int, options: list[dict[str, Any]] = options) -> float:
            data = some_digits(REMEDY_SAMPLES, seed, wrong=REMEDY_WRONG).hold_back()
            return scores(remedied(options[index], data, seed), data)[1]

        chosen = options[best(range(len(options)), held_back) if len(options) > 1 else 0]
        written = {
            key: "-".join(map(str, value)) if key == "hidden" else value
            for key, value in chosen.items()
        }
        said = " ".join(f"{key}={value}" for key, value in written.items())
        for seed in SEEDS:
            samples = chosen.get("samples", REMEDY_SAMPLES)
            data = some_digits(samples, seed, wrong=REMEDY_WRONG)
            yield name, said or "-", seed, *scores(remedied(chosen, data, seed), data)
    for seed in SEEDS:
        yield "early stopping", f"patience={PATIENCE}", seed, *stopped_early(seed)


def stopped_early(seed: int) -> tuple[float, float, float, float]:
    """Train with a fifth of the training part held back to say when to stop."""
    data = some_digits(REMEDY_SAMPLES, seed, wrong=REMEDY_WRONG)
    network = dense_network(LARGE, np.random.default_rng(seed))
    optimizer = Optimizer(optimizers.adam, network.params, lr=REMEDY_LR)
    rng, epochs = np.random.default_rng([seed, 2]), REMEDY_STEPS * 32 // 320
    watched = data.hold_back()
    train(network, optimizer, watched, epochs=epochs, batch_size=32, rng=rng, patience=PATIENCE)
    return scores(network, data)


# --- L2 against decoupled decay --------------------------------------------------------------

GRID_LRS = (0.0005, 0.001, 0.002, 0.004, 0.008)
GRID = {"L2": (0.001, 0.003, 0.01, 0.03, 0.1), "decoupled": (0.1, 0.3, 1.0, 3.0, 10.0)}
GRID_SAMPLES, GRID_WRONG, GRID_STEPS, GRID_SEEDS = 400, 0.2, 600, range(2)


def decay_grid() -> Rows:
    """Yield the loss on data held back for pairs of learning rate and decay."""
    for kind, decays in GRID.items():
        for lr in GRID_LRS:
            for decay in decays:
                for seed in GRID_SEEDS:
                    data = some_digits(GRID_SAMPLES, seed, wrong=GRID_WRONG).hold_back()
                    how: dict[str, Any] = {"penalty": decay}
                    if kind == "decoupled":
                        how = {"weight_decay": decay, "rule": decayed_matrices}
                    seen = scores(fit([64, 64], data, seed, steps=GRID_STEPS, lr=lr, **how), data)
                    yield kind, lr, decay, seed, seen[1], seen[3]


NETWORK = "digits; He normal, ReLU, Adam, batches of 32"
CHOSEN = f"rates chosen by the loss on a fifth of the training part, seeds {[*CHOICE_SEEDS]}"
STUDIES: dict[str, tuple[Any, tuple[str, ...], tuple[str, ...]]] = {
    "capacity": (
        capacity,
        (
            f"{NETWORK}; one hidden layer, {WIDTH_SAMPLES} training samples, {WIDTH_WRONG:.0%} of "
            f"their labels wrong, {WIDTH_STEPS} steps",
            f"{CHOSEN}, from {WIDTH_LRS}",
        ),
        ("width", "lr", "seed", *SCORES),
    ),
    "samples": (
        learning_curve,
        (f"{NETWORK}; 64 hidden units, {WIDTH_STEPS} steps, lr {SAMPLE_LR}",),
        ("samples", "seed", *SCORES),
    ),
    "dropout": (
        dropout,
        (
            f"{NETWORK}; two hidden layers of 64, dropout behind both, {DROP_STEPS} steps",
            f"training samples and share of wrong labels: {CONDITIONS}",
            f"{CHOSEN}, from {DROP_LRS}",
        ),
        ("condition", "rate", "lr", "seed", *SCORES),
    ),
    "factor": (
        factor,
        (
            f"{NETWORK}; hidden layers of 64, dropout behind each, {DROP_STEPS} steps, lr "
            f"{FACTOR_LR}, all training samples",
            "forgotten: no factor anywhere; at inference: the same network, weights times 1 - p",
        ),
        ("depth", "rate", "kind", "seed", "test_loss", "test_accuracy", "confidence"),
    ),
    "spread": (
        spread,
        (
            f"{NETWORK}; two hidden layers of 64, dropout {MC_RATE} behind both, {DROP_STEPS} "
            f"steps, lr 0.002; {PASSES} passes",
            "turned by degrees, moved by pixels, noise of this deviation (images have deviation 1)",
            "found: AUROC of the errors, by the spread, by 1 - mean probability, by one pass",
        ),
        (
            "kind",
            "amount",
            "seed",
            "accuracy_once",
            "accuracy",
            "spread",
            "spread_right",
            "spread_wrong",
            "found_by_spread",
            "found_by_mean",
            "found_by_once",
            "loss_once",
            "loss_mean",
        ),
    ),
    "shapes": (
        shapes,
        (
            f"{NETWORK}; at most {BUDGET} parameters, {SHAPE_STEPS} steps",
            f"training samples: {SHAPE_CONDITIONS}",
            f"{CHOSEN}, from {SHAPE_LRS}",
        ),
        ("condition", "shape", "hidden", "parameters", "lr", "seed", *SCORES),
    ),
    "stretch": (
        stretch,
        (
            f"{NETWORK}; two hidden layers of this width, dropout of this rate behind both, all "
            f"training samples, {SHAPE_STEPS} steps, lr {STRETCH_LR}",
        ),
        ("width", "rate", "seed", *SCORES),
    ),
    "remedies": (
        remedies,
        (
            f"{NETWORK}; hidden layers {LARGE} unless smaller, {REMEDY_SAMPLES} training samples "
            f"unless more, {REMEDY_WRONG:.0%} of their labels wrong, {REMEDY_STEPS} steps, lr "
            f"{REMEDY_LR}",
            "strengths chosen by the loss on a fifth of the training part, seeds "
            f"{[*CHOICE_SEEDS]}",
        ),
        ("remedy", "chosen", "seed", *SCORES),
    ),
    "decay_grid": (
        decay_grid,
        (
            f"{NETWORK}; two hidden layers of 64, {GRID_SAMPLES} training samples less a fifth, "
            f"{GRID_WRONG:.0%} of the labels wrong, {GRID_STEPS} steps",
            "loss and accuracy on the fifth that is held back; biases do not decay",
        ),
        ("kind", "lr", "decay", "seed", "loss", "accuracy"),
    ),
}


if __name__ == "__main__":
    for name in sys.argv[1:] or STUDIES:
        study, about, header = STUDIES[name]
        write_study(DATA / f"{name}.csv", about, header, study())
