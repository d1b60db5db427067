"""Live figures of unit 10: overfitting, dropout and its scale, its spread, weight decay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from scipy import ndimage  # type: ignore[import-untyped]
from sklearn import datasets

from course import activations, optimizers
from course._arrays import Array
from course.data import Split, batches, digits
from course.layers import Activation, Dropout, Layer, Linear, Sequential, mc_dropout
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer
from course.widgets._live import LiveFigure, canvas, choice, slider
from course.widgets.style import COLORS, STYLE, line_style

__all__ = [
    "QuickRun",
    "UnscaledDropout",
    "decay_explorer",
    "decay_paths",
    "dense_network",
    "digit_images",
    "dropout_explorer",
    "fit_explorer",
    "fit_steps",
    "quick_run",
    "scale_explorer",
    "shifted",
    "some_digits",
    "spread_explorer",
]


# --- networks and data for the studies -------------------------------------------------------


class UnscaledDropout(Dropout):
    """Dropout that forgets the factor 1/(1 - p): what one of the sources describes."""

    def forward(self, x: Array, training: bool = False) -> Array:
        """Return x with random entries set to 0 in training, the others as they are."""
        y = super().forward(x, training)
        if not (training or self.drops_at_inference):
            return y
        factors: Array = self._factors
        self._factors = factors * (1 - self.rate)
        return x * self._factors


def dense_network(
    hidden: Sequence[int],
    rng: np.random.Generator,
    *,
    rates: Sequence[float] = (),
    activation: Callable[..., Array] = activations.relu,
    dropout: Callable[..., Dropout] = Dropout,
) -> Sequential:
    """Return a network for the digits with dropout before its dense layers.

    Args:
        hidden: the units of each hidden layer.
        rng: the source of the weights; masks come from a generator of their own, so that a network
            with dropout starts with the same weights as one without.
        rates: the dropout rate of the inputs, then of each hidden layer; 0 puts no layer there.
        activation: one of `course.activations`.
        dropout: the kind of dropout layer.
    """
    masks = rng.spawn(1)[0]
    rates = rates or [0.0] * (1 + len(hidden))
    layers: list[Layer] = []
    for rate, (fan_in, fan_out) in zip(rates, pairwise((64, *hidden, 10)), strict=True):
        layers += [dropout(rate, masks)] if rate else []
        layers += [Linear(fan_in, fan_out, rng), Activation(activation)]
    return Sequential(*layers[:-1])


def some_digits(samples: int, seed: int, *, wrong: float = 0.0) -> Split:
    """Return the digits with so many training samples, a share of whose labels is made wrong."""
    data, rng = digits(seed), np.random.default_rng([seed, 3])
    labels = data.y_train[:samples].copy()
    chosen = rng.permutation(samples)[: round(wrong * samples)]
    labels[chosen] = (labels[chosen] + rng.integers(1, 10, len(chosen))) % 10
    return Split(data.x_train[:samples], labels, data.x_test, data.y_test)


def fit_steps(
    network: Sequential,
    data: Split,
    *,
    steps: int,
    rng: np.random.Generator,
    penalty: float = 0.0,
    rule: Callable[..., Any] = optimizers.adam,
    batch_size: int = 32,
    **hyper: Any,
) -> None:
    """Train for so many steps, with an L2 penalty on the weight matrices, not on the biases."""
    optimizer = Optimizer(rule, network.params, **hyper)

    def endless() -> Any:
        while True:
            yield from batches(len(data.x_train), batch_size, rng)

    for batch in islice(endless(), steps):
        logits = network.forward(data.x_train[batch], training=True)
        network.backward(cross_entropy_grad(logits, data.y_train[batch]))
        optimizer.step(
            [
                grad + penalty * param if param.ndim == 2 else grad
                for param, grad in zip(network.params, network.grads, strict=True)
            ]
        )


def digit_images(seed: int) -> Split:
    """Return the digits as images of shape (samples, 8, 8), of mean 0 and variance 1 in all.

    Pixels are not standardised one by one, as `digits` does: a turned digit has ink where an
    upright one never has, and division by a tiny deviation would blow it up.
    """
    images, labels = datasets.load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[359:], order[:359]
    images = (images - images[train].mean()) / images[train].std()
    return Split(images[train], labels[train], images[test], labels[test])


def shifted(images: Array, kind: str, amount: float, seed: int = 0) -> Array:
    """Return images turned to the left by degrees, moved to the right by pixels, or with noise."""
    paper = images.min()
    if kind == "turned":
        return ndimage.rotate(
            images, amount, axes=(2, 1), reshape=False, order=1, mode="constant", cval=paper
        )
    if kind == "moved":
        return ndimage.shift(images, (0, 0, amount), order=1, mode="constant", cval=paper)
    return images + amount * np.random.default_rng(seed).normal(size=images.shape)


# --- a small training run, fast enough to follow a slider ------------------------------------

_STEPS, _EVERY, _LR, _TESTED = 80, 4, 0.01, 180
_WIDTH = 48


@dataclass(frozen=True)
class QuickRun:
    """What a run of `quick_run` has seen, at the steps 0, 4, 8, ...

    Attributes:
        steps: at which it looked.
        train_loss: on the training part, dropout off.
        noisy_loss: on the training part, dropout on, as training sees it.
        test_loss: on the test part.
        train_accuracy: dropout off.
        test_accuracy: the same.
    """

    steps: Array
    train_loss: Array
    noisy_loss: Array
    test_loss: Array
    train_accuracy: Array
    test_accuracy: Array


@lru_cache(maxsize=64)
def quick_run(
    samples: int,
    *,
    width: int = _WIDTH,
    wrong: float = 0.0,
    rate: float = 0.0,
    input_rate: float = 0.0,
    seed: int = 0,
) -> QuickRun:
    """Train one hidden layer on few digits: whole batches, Adam, float32, 80 steps.

    Args:
        samples: how many digits to train on.
        width: units of the hidden layer.
        wrong: the share of the training labels that is made wrong.
        rate: the dropout rate of the hidden layer.
        input_rate: the dropout rate of the inputs.
        seed: which split and start.
    """
    x, y, x_test, y_test = _few_digits(samples, wrong, seed)
    rng = np.random.default_rng([seed, 1])
    theta = np.zeros(64 * width + width + width * 10 + 10, np.float32)
    w1, b1, w2, b2 = _layers_of(theta, width)
    w1[...] = rng.normal(0, (2 / 64) ** 0.5, w1.shape)
    w2[...] = rng.normal(0, (2 / width) ** 0.5, w2.shape)
    grad = np.zeros_like(theta)
    dw1, db1, dw2, db2 = _layers_of(grad, width)
    state, seen = None, []
    targets = np.eye(10, dtype=np.float32)[y]
    for step in range(_STEPS + 1):
        x_in = x * _factors(rng, x.shape, input_rate)
        hidden = np.maximum(x_in @ w1 + b1, 0)
        factors = _factors(rng, hidden.shape, rate)
        dropped = hidden * factors
        probabilities = _softmax(dropped @ w2 + b2)
        if step % _EVERY == 0:
            off = _softmax(np.maximum(x @ w1 + b1, 0) @ w2 + b2)
            test = _softmax(np.maximum(x_test @ w1 + b1, 0) @ w2 + b2)
            losses = (_loss(off, y), _loss(probabilities, y), _loss(test, y_test))
            seen.append((step, *losses, _right(off, y), _right(test, y_test)))
        delta = (probabilities - targets) / np.float32(samples)
        np.matmul(dropped.T, delta, out=dw2)
        db2[...] = delta.sum(axis=0)
        back = delta @ w2.T
        back *= factors
        back *= hidden > 0
        np.matmul(x_in.T, back, out=dw1)
        db1[...] = back.sum(axis=0)
        new, state = optimizers.adam(theta, grad, state, lr=_LR, beta2=0.99)
        theta[...] = new
    return QuickRun(*np.array(seen).T)


def _layers_of(flat: Array, width: int) -> tuple[Array, Array, Array, Array]:
    """Return views of one long array: both weight matrices and both biases."""
    ends = np.cumsum((64 * width, width, width * 10))
    w1, b1, w2, b2 = np.split(flat, ends)
    return w1.reshape(64, width), b1, w2.reshape(width, 10), b2


@lru_cache(maxsize=64)
def _few_digits(samples: int, wrong: float, seed: int) -> tuple[Array, Array, Array, Array]:
    data = some_digits(samples, seed, wrong=wrong)
    x_train, x_test = (x.astype(np.float32) for x in (data.x_train, data.x_test[:_TESTED]))
    return x_train, data.y_train, x_test, data.y_test[:_TESTED]


def _factors(rng: np.random.Generator, shape: tuple[int, ...], rate: float) -> Array:
    """Return the factors of inverted dropout: 0 or 1/(1 - p)."""
    if rate == 0:
        return np.float32(1)
    return (rng.random(shape, np.float32) >= rate) * np.float32(1 / (1 - rate))


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _loss(probabilities: Array, labels: Array) -> float:
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def _right(probabilities: Array, labels: Array) -> float:
    return float(np.mean(probabilities.argmax(axis=1) == labels))


# --- over- and underfitting ------------------------------------------------------------------


def _loss_axes(axes: Any) -> None:
    axes.set(yscale="log", xlim=(-2, _STEPS + 2), ylim=(8e-5, 40))
    axes.set(xlabel="steps", ylabel="loss (log)")


@mpl.rc_context(STYLE)
def fit_explorer() -> LiveFigure:
    """Training and test curves of a network on few digits: too small, right, too large."""
    figure, (loss_axes, error_axes) = canvas(9.4, 4.1, (1.0, 1.0))
    names = ("training part", "test part")
    losses = [loss_axes.plot([], [], **line_style(i), label=n)[0] for i, n in enumerate(names)]
    errors = [error_axes.plot([], [], **line_style(i))[0] for i in range(len(names))]
    (best,) = loss_axes.plot([], [], color=COLORS[2], linestyle=":", label="lowest test loss")
    _loss_axes(loss_axes)
    error_axes.set(xlim=(-2, _STEPS + 2), ylim=(0, 1.03))
    error_axes.set(xlabel="steps", ylabel="share of right answers")
    figure.legend(handles=[*losses, best], loc="outside lower center", ncols=3)

    def draw(width: int, samples: int, wrong: float, seed: int) -> str:
        run = quick_run(samples, width=width, wrong=wrong, seed=seed)
        for line, loss in zip(losses, (run.train_loss, run.test_loss), strict=True):
            line.set_data(run.steps, loss)
        right = (run.train_accuracy, run.test_accuracy)
        for line, share in zip(errors, right, strict=True):
            line.set_data(run.steps, share)
        lowest = int(np.argmin(run.test_loss))
        best.set_data([run.steps[lowest]] * 2, [run.test_loss[lowest], 40])
        gap = run.test_loss[-1] - run.train_loss[-1]
        return (
            f"{75 * width + 10} parameters, {samples} samples. At the end: training loss "
            f"{run.train_loss[-1]:.3f}, test loss {run.test_loss[-1]:.2f}, gap {gap:.2f}. Lowest "
            f"test loss {run.test_loss[lowest]:.2f} at step {run.steps[lowest]:.0f}."
        )

    return LiveFigure(
        "over- and underfitting",
        figure=figure,
        moving=(*losses, *errors, best),
        controls={
            "width": slider("hidden units", 48, 1, 64, 1),
            "samples": slider("samples", 80, 20, 160, 10),
            "wrong": slider("wrong labels", 0.0, 0.0, 0.4, 0.05),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


# --- dropout ---------------------------------------------------------------------------------


@mpl.rc_context(STYLE)
def dropout_explorer() -> LiveFigure:
    """The same start with and without dropout: losses in training, with dropout off, on test."""
    figure, (loss_axes, right_axes) = canvas(9.4, 4.4, (1.25, 1.0))
    plain = {"color": COLORS[6], "linewidth": 1.2}
    (train_without,) = loss_axes.plot([], [], **plain, linestyle=":", label="training, without")
    (test_without,) = loss_axes.plot([], [], **plain, linestyle="--", label="test, without")
    names = ("training, dropout off", "test", "training, dropout on")
    with_it = [
        loss_axes.plot([], [], **line_style(i), markevery=2, label=n)[0]
        for i, n in enumerate(names)
    ]
    (share_without,) = right_axes.plot([], [], **plain, linestyle="--")
    (share_with,) = right_axes.plot([], [], **line_style(1), markevery=2)
    _loss_axes(loss_axes)
    right_axes.set(xlim=(-2, _STEPS + 2), ylim=(0, 1.03))
    right_axes.set(xlabel="steps", ylabel="share of right answers")
    lines = [*with_it, train_without, test_without]
    figure.legend(handles=lines, loc="outside lower center", ncols=3)

    def draw(rate: float, input_rate: float, samples: int, wrong: float, seed: int) -> str:
        common: dict[str, Any] = {"wrong": wrong, "seed": seed}
        without = quick_run(samples, **common)
        run = quick_run(samples, rate=rate, input_rate=input_rate, **common)
        train_without.set_data(without.steps, without.train_loss)
        test_without.set_data(without.steps, without.test_loss)
        for line, loss in zip(
            with_it, (run.train_loss, run.test_loss, run.noisy_loss), strict=True
        ):
            line.set_data(run.steps, loss)
        share_without.set_data(without.steps, without.test_accuracy)
        share_with.set_data(run.steps, run.test_accuracy)
        return (
            f"At the end, with dropout: training loss {run.train_loss[-1]:.3f} ("
            f"{run.noisy_loss[-1]:.3f} with dropout on), test loss {run.test_loss[-1]:.2f}, right "
            f"{run.test_accuracy[-1]:.1%}. Without: {without.train_loss[-1]:.3f}, "
            f"{without.test_loss[-1]:.2f}, {without.test_accuracy[-1]:.1%}."
        )

    return LiveFigure(
        "dropout in training",
        figure=figure,
        moving=(train_without, test_without, *with_it, share_without, share_with),
        controls={
            "rate": slider("rate, hidden", 0.5, 0.0, 0.9, 0.05),
            "input_rate": slider("rate, inputs", 0.0, 0.0, 0.9, 0.05),
            "samples": slider("samples", 120, 20, 160, 10),
            "wrong": slider("wrong labels", 0.2, 0.0, 0.4, 0.05),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


# --- the factor ------------------------------------------------------------------------------

_LAYERS, _SAMPLES, _PASSES = 6, 30, 30


@lru_cache(maxsize=64)
def _levels(rate: float, seed: int) -> tuple[Array, Array, Array]:
    """Send digits through random layers, once as at inference and often with inverted dropout.

    Returns:
        Pre-activations at inference, shape (layers, samples, 64); the means of those in training;
        and the ratio of mean squares, shape (layers,).
    """
    rng = np.random.default_rng([seed, 4])
    weights = rng.normal(0, (2 / 64) ** 0.5, (_LAYERS, 64, 64)).astype(np.float32)
    once = digits(0).x_train[:_SAMPLES].astype(np.float32)
    often = np.tile(once, (_PASSES, 1))
    at_inference, means, squares = [], [], []
    for w in weights:
        once = once @ w
        often = (often * _factors(rng, often.shape, rate)) @ w
        at_inference.append(once)
        means.append(often.reshape(_PASSES, _SAMPLES, 64).mean(axis=0))
        squares.append(np.mean(often**2) / np.mean(once**2))
        once, often = np.maximum(once, 0), np.maximum(often, 0)
    return np.array(at_inference), np.array(means), np.array(squares)


@mpl.rc_context(STYLE)
def scale_explorer() -> LiveFigure:
    """What a unit gets in training on average, beside what it gets at inference."""
    figure, (unit_axes, layer_axes) = canvas(9.4, 4.3, (1.0, 1.15))
    (forgotten,) = unit_axes.plot(
        [], [], linestyle="", marker="s", markersize=3, color=COLORS[1], label="factor forgotten"
    )
    (inverted,) = unit_axes.plot(
        [], [], linestyle="", marker="o", markersize=4, color=COLORS[0], label="inverted"
    )
    (equal,) = unit_axes.plot([-8, 8], [-8, 8], color=COLORS[6], linewidth=1, label="equal")
    unit_axes.set(xlim=(-8, 8), ylim=(-8, 8))
    unit_axes.set(xlabel="input of a unit at inference", ylabel="its mean in training")
    figure.legend(handles=[forgotten, inverted, equal], loc="outside lower left", ncols=3)
    levels = np.arange(1, _LAYERS + 1)
    names = ("mean, inverted", "mean, factor forgotten", "mean square, inverted")
    lines = [layer_axes.plot([], [], **line_style(i), label=n)[0] for i, n in enumerate(names)]
    (law,) = layer_axes.plot(
        [], [], color=COLORS[6], linestyle=":", linewidth=1.2, label="(1 − p)ˡ"
    )
    (inverse,) = layer_axes.plot([], [], color=COLORS[6], linewidth=1.0, label="(1 − p)⁻ˡ")
    layer_axes.set(yscale="log", xlim=(0.7, _LAYERS + 0.3), ylim=(2.0**-19, 2.0**12))
    layer_axes.set_yticks([2.0**k for k in (-8, -4, 0, 4, 8)], ["1/256", "1/16", "1", "16", "256"])
    layer_axes.minorticks_off()
    layer_axes.set(xlabel="layer l", ylabel="training / inference (log)")
    layer_axes.legend(loc="lower left", ncols=2, fontsize=10)

    def draw(rate: float, layer: int, seed: int) -> str:
        at_inference, means, squares = _levels(rate, seed)
        shrunk = (1 - rate) ** levels
        here = layer - 1
        inverted.set_data(at_inference[here].ravel(), means[here].ravel())
        forgotten.set_data(at_inference[here].ravel(), means[here].ravel() * shrunk[here])
        slopes = np.sum(means * at_inference, axis=(1, 2)) / np.sum(at_inference**2, axis=(1, 2))
        for line, values in zip(lines, (slopes, slopes * shrunk, squares), strict=True):
            line.set_data(levels, values)
        law.set_data(levels, shrunk)
        inverse.set_data(levels, 1 / shrunk)
        return (
            f"Layer {layer}: in training a unit gets {slopes[here]:.2f} times its input at "
            f"inference on average; without the factor {slopes[here] * shrunk[here]:.2g} times. "
            f"The mean square, inverted, is {squares[here]:.1f} times as large."
        )

    return LiveFigure(
        "the factor of dropout",
        figure=figure,
        moving=(forgotten, inverted, *lines, law, inverse),
        controls={
            "rate": slider("rate p", 0.5, 0.0, 0.7, 0.05),
            "layer": slider("layer", 1, 1, _LAYERS, 1),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


# --- MC dropout ------------------------------------------------------------------------------

SHIFTS = {"turned": ("turned by {:.0f}°", 90.0), "moved": ("moved by {:.2g} pixels", 3.0)}
SHIFTS |= {"noisy": ("with noise of deviation {:.2g}", 1.5)}
_AMOUNTS = 25


@lru_cache(maxsize=1)
def _spread_network() -> tuple[Sequential, Split]:
    """Return a network with dropout, trained on images, and the images."""
    images = digit_images(0)
    network = dense_network([64, 64], np.random.default_rng(0), rates=(0.0, 0.3, 0.3))
    flat = Split(
        images.x_train.reshape(-1, 64),
        images.y_train,
        images.x_test.reshape(-1, 64),
        images.y_test,
    )
    fit_steps(network, flat, steps=600, lr=0.003, rng=np.random.default_rng(1))
    return network, images


@mpl.rc_context(STYLE)
def spread_explorer() -> LiveFigure:
    """A digit that is turned, moved or made noisy, and what many passes with dropout say."""
    network, images = _spread_network()
    figure, (image_axes, class_axes, way_axes) = canvas(9.8, 3.7, (0.75, 1.1, 1.15))
    picture = image_axes.imshow(np.zeros((8, 8)), cmap="gray_r", vmin=-1, vmax=2)
    image_axes.grid(visible=False)
    image_axes.set(xlabel="pixel", ylabel="pixel")
    image_axes.set_xticks([0, 4, 7])
    image_axes.set_yticks([0, 4, 7])
    (means,) = class_axes.plot(
        [], [], linestyle="", marker="o", markersize=7, color=COLORS[0], label="mean"
    )
    (bars,) = class_axes.plot([], [], color=COLORS[0], linewidth=3, label="± deviation")
    (once,) = class_axes.plot(
        [], [], linestyle="", marker="_", markersize=13, color=COLORS[1], label="dropout off"
    )
    class_axes.set(xlim=(-0.6, 9.6), ylim=(-0.05, 1.45), xlabel="class", ylabel="probability")
    class_axes.set_xticks(range(10))
    class_axes.set_yticks([0, 0.5, 1])
    class_axes.legend(loc="upper left", ncols=2, fontsize=10, handlelength=1, columnspacing=0.8)
    (spread,) = way_axes.plot([], [], color=COLORS[0], label="deviation")
    (doubt,) = way_axes.plot([], [], color=COLORS[1], linestyle="--", label="1 − p, dropout off")
    (wrong,) = way_axes.plot(
        [], [], linestyle="", marker="X", markersize=7, color=COLORS[3], label="answer wrong"
    )
    (here,) = way_axes.plot([], [], color=COLORS[6], linestyle=":", linewidth=1.2)
    way_axes.set(xlim=(-0.03, 1.03), ylim=(-0.02, 1.45))
    way_axes.set_yticks([0, 0.5, 1])
    way_axes.set(xlabel="how far", ylabel="doubt about the answer")
    way_axes.legend(loc="upper left", fontsize=10, handlelength=1.6)

    def draw(digit: int, kind: str, amount: float, passes: int) -> str:
        shares = np.append(np.linspace(0, 1, _AMOUNTS), amount)
        title, most = SHIFTS[kind]
        image, label = images.x_test[digit : digit + 1], int(images.y_test[digit])
        changed = np.concatenate([shifted(image, kind, most * share, digit) for share in shares])
        flat = changed.reshape(-1, 64)
        for layer in network.layers:
            if isinstance(layer, Dropout):
                layer.rng = np.random.default_rng([passes, digit])
        mean, variance = mc_dropout(network, flat, samples=passes, output=activations.softmax)
        single, deviation = activations.softmax(network.forward(flat)), np.sqrt(variance)
        picture.set_data(changed[-1])
        classes = np.arange(10)
        means.set_data(classes, mean[-1])
        once.set_data(classes, single[-1])
        low, high = mean[-1] - deviation[-1], mean[-1] + deviation[-1]
        ends = np.stack([low, high, np.full(10, np.nan)], axis=1)
        bars.set_data(np.repeat(classes, 3), ends.ravel())
        chosen = mean.argmax(axis=1)
        doubts = deviation[np.arange(len(chosen)), chosen]
        spread.set_data(shares[:-1], doubts[:-1])
        doubt.set_data(shares[:-1], 1 - single[:-1].max(axis=1))
        mistaken = (chosen != label)[:-1]
        wrong.set_data(shares[:-1][mistaken], doubts[:-1][mistaken])
        here.set_data([amount, amount], [0, 1])
        return (
            f"A {label}, {title.format(most * amount)}: the passes say {chosen[-1]} with "
            f"{mean[-1].max():.2f} ± {doubts[-1]:.2f}; one pass without dropout says "
            f"{single[-1].argmax()} with {single[-1].max():.2f}."
        )

    return LiveFigure(
        "the spread of many passes",
        figure=figure,
        moving=(picture, bars, means, once, spread, doubt, wrong, here),
        controls={
            "digit": slider("digit no.", 4, 0, 40, 1),
            "kind": choice("change", "turned", {key: key for key in SHIFTS}),
            "amount": slider("how far", 0.3, 0.0, 1.0, 0.02),
            "passes": slider("passes", 30, 2, 60, 1),
        },
        draw=draw,
    )


# --- weight decay ----------------------------------------------------------------------------

RULES = {"sgd": "gradient descent", "momentum": "momentum 0.9", "adam": "Adam"}
TARGET, MOMENTUM = np.array([2.0, 1.5]), 0.9


def decay_paths(
    rule: str,
    curvatures: Array,
    *,
    lr: float,
    weight_decay: float,
    steps: int,
    matched: bool = False,
) -> tuple[Array, Array]:
    """Descend from 0 on a quadratic bowl with an L2 penalty and with decoupled decay.

    The loss is half the sum of h (θ - θ*)². Both paths have the shape (steps + 1, 2).

    Args:
        rule: a key of ``RULES``.
        curvatures: h, one number a direction.
        lr: γ.
        weight_decay: λ.
        steps: how many.
        matched: divide the decoupled decay by 1 - α, which makes up for momentum's longer steps.
    """
    hyper = {"momentum": {"momentum": MOMENTUM}, "adam": {"beta2": 0.99}}.get(rule, {})
    step = getattr(optimizers, rule)
    longer = 1 - MOMENTUM if matched and rule == "momentum" else 1.0
    paths = []
    for decoupled in (False, True):
        theta, state, path = np.zeros(2), None, [np.zeros(2)]
        for _ in range(steps):
            grad = curvatures * (theta - TARGET) + (0 if decoupled else weight_decay * theta)
            new, state = step(theta, grad, state, lr=lr, **hyper)
            theta = new - lr * weight_decay / longer * theta if decoupled else new
            path.append(theta)
        paths.append(np.array(path))
    return paths[0], paths[1]


@mpl.rc_context(STYLE)
def decay_explorer() -> LiveFigure:
    """L2 in the loss and decoupled decay on the same bowl, under three rules."""
    figure, (bowl_axes, length_axes) = canvas(9.4, 4.0, (1.1, 1.0))
    (l2,) = bowl_axes.plot([], [], color=COLORS[0], linewidth=2.5, label="L2 in the loss")
    (apart,) = bowl_axes.plot([], [], color=COLORS[1], linestyle="--", label="decoupled decay")
    (curve,) = bowl_axes.plot([], [], color=COLORS[2], linestyle=":", label="L2's minima, all λ")
    (lowest,) = bowl_axes.plot(
        [], [], linestyle="", marker="D", markersize=9, color=COLORS[2], label="L2's minimum"
    )
    bowl_axes.plot(*TARGET, linestyle="", marker="*", markersize=14, color=COLORS[6])
    bowl_axes.annotate("θ*", tuple(TARGET + 0.06))
    rings = [bowl_axes.plot([], [], color="0.7", linewidth=0.5 + 0.1 * k)[0] for k in range(5)]
    bowl_axes.set(xlim=(-0.25, 3.1), ylim=(-0.25, 3.1), xlabel="θ₁", ylabel="θ₂")
    bowl_axes.legend(loc="upper left", ncols=2, fontsize=10)
    (l2_length,) = length_axes.plot([], [], color=COLORS[0], linewidth=2.5, label="L2 in the loss")
    (apart_length,) = length_axes.plot(
        [], [], color=COLORS[1], linestyle="--", label="decoupled decay"
    )
    (end,) = length_axes.plot([], [], color=COLORS[2], linestyle=":", label="L2's minimum")
    length_axes.set(xlim=(-4, 204), ylim=(-0.1, 3.6), xlabel="steps", ylabel="length of θ")
    length_axes.legend(loc="upper right")

    controls = {
        "rule": choice("rule", "sgd", RULES),
        "weight_decay": slider("decay λ", 0.3, 0.0, 2.0, 0.05),
        "flat": slider("curvature h₂", 0.2, 0.05, 1.0, 0.05),
        "steps": slider("steps", 100, 1, 200, 1),
        "matched": choice("decoupled λ", "no", {"no": "λ", "yes": "λ/(1 − α)"}),
    }

    def draw(rule: str, weight_decay: float, flat: float, steps: int, matched: str) -> str:
        curvatures = np.array([1.0, flat])
        lr = {"sgd": 0.2, "momentum": 0.02, "adam": 0.05}[rule]
        paths = decay_paths(
            rule, curvatures, lr=lr, weight_decay=weight_decay, steps=200, matched=matched == "yes"
        )
        lengths = (l2_length, apart_length)
        for path, line, length in zip(paths, (l2, apart), lengths, strict=True):
            line.set_data(*path[: steps + 1].T)
            length.set_data(np.arange(steps + 1), np.linalg.norm(path[: steps + 1], axis=1))
        decays = np.concatenate([[0], np.geomspace(1e-3, 1e3, 60)])[:, None]
        curve.set_data(*(TARGET * curvatures / (curvatures + decays)).T)
        controls["matched"].layout.display = None if rule == "momentum" else "none"
        goal = TARGET * curvatures / (curvatures + weight_decay)
        lowest.set_data(goal[:1], goal[1:])
        end.set_data([0, 200], [np.linalg.norm(goal)] * 2)
        around = np.linspace(0, 2 * np.pi, 80)
        for ring, level in zip(rings, (0.05, 0.2, 0.5, 1.0, 2.0), strict=True):
            radii = np.sqrt(2 * level / curvatures)[:, None]
            x, y = TARGET[:, None] + radii * [np.cos(around), np.sin(around)]
            ring.set_data(x, np.where(y < 2.5, y, np.nan))  # above is the legend
        ends = [path[steps] for path in paths]
        return (
            f"Step {steps}: L2 ({ends[0][0]:.2f}, {ends[0][1]:.2f}), decoupled "
            f"({ends[1][0]:.2f}, {ends[1][1]:.2f}); the minimum with the penalty is at "
            f"({goal[0]:.2f}, {goal[1]:.2f})."
        )

    return LiveFigure(
        "L2 and decoupled decay",
        figure=figure,
        moving=(*rings, curve, l2, apart, lowest, l2_length, apart_length, end),
        controls=controls,
        draw=draw,
        play="steps",
    )
