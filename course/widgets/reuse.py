"""Live figures of unit 11, and what its lesson trains: donors, encoders, heads on few labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
from sklearn import datasets

from course import activations
from course._arrays import Array
from course.data import Split, batches, digits
from course.initializers import xavier_normal
from course.layers import Activation, Layer, Linear, ReLU, Sequential
from course.losses import cross_entropy_grad, mse_grad
from course.optimizers import Optimizer, adam
from course.reuse import discriminator_step, generator_step, pretrain, transplant
from course.widgets._live import LiveFigure, canvas, choice, log_slider, slider
from course.widgets.style import COLORS, STYLE, line_style

__all__ = [
    "DEPTH",
    "PRETRAINING",
    "TASKS",
    "WIDTH",
    "accuracy",
    "autoencoder_explorer",
    "body",
    "dense",
    "few_labels",
    "fit",
    "gan_explorer",
    "new_network",
    "odd_or_even",
    "other_digits",
    "part",
    "probe_explorer",
    "release_explorer",
    "schedule_explorer",
    "shifted",
    "shifted_digits",
    "train_donor",
    "turned",
]

WIDTH, DEPTH = 64, 3
"""The hidden layers of every network of this unit: three of 64 tanh units."""

SIDE, NOISE_INPUTS, CORRUPTION = 8, 16, 0.3
_RATE, _EPOCHS, _BATCH = 2e-3, 40, 32  # of every pretraining


# --- networks and data -----------------------------------------------------------------------


def dense(units: int, rng: np.random.Generator) -> Linear:
    """Return a linear layer on top of the hidden ones, a head for example."""
    return Linear(WIDTH, units, rng, initializer=xavier_normal)


def body(rng: np.random.Generator, count: int = DEPTH) -> list[Layer]:
    """Return so many hidden layers, each a `Linear` and a tanh."""
    pairs = ((dense(WIDTH, rng), Activation(activations.tanh)) for _ in range(count))
    return [layer for pair in pairs for layer in pair]


def new_network(
    donor: Sequential, copied: int, classes: int, rng: np.random.Generator
) -> Sequential:
    """Return copies of a donor's lowest hidden layers, with new ones and a new head above."""
    fresh = [*body(rng, DEPTH - copied), dense(classes, rng)]
    return transplant(donor, 2 * copied, *fresh) if copied else Sequential(*fresh)


def fit(
    network: Sequential,
    x: Array,
    y: Array,
    *,
    lr: float,
    steps: int,
    rng: np.random.Generator,
    batch_size: int = _BATCH,
) -> None:
    """Train what is not frozen with Adam.

    What the frozen layers at the bottom make of ``x`` never changes: it is computed once.
    """
    first = min(set(range(len(network.layers))) - network.frozen)
    top = Sequential(*network.layers[first:])
    top.frozen = {index - first for index in network.frozen if index > first}
    if first:
        x = Sequential(*network.layers[:first]).forward(x)
    optimizer = Optimizer(adam, top.params, lr=lr)
    for _, batch in zip(range(steps), _forever(len(x), batch_size, rng), strict=False):
        top.backward(cross_entropy_grad(top.forward(x[batch], training=True), y[batch]))
        optimizer.step(top.grads)


def accuracy(network: Sequential, x: Array, y: Array) -> float:
    """Return the share that is classified right."""
    return float(np.mean(network.forward(x).argmax(axis=1) == y))


def few_labels(y: Array, count: int, rng: np.random.Generator) -> Array:
    """Return the indices of ``count`` samples, the same number of each class."""
    classes = np.unique(y)
    each = count // len(classes)
    return np.concatenate([rng.permutation(np.flatnonzero(y == c))[:each] for c in classes])


def part(data: Split, low: int, high: int) -> Split:
    """Return the samples of the digits from ``low`` to ``high`` - 1, their labels from 0."""
    kept = [(low <= y) & (y < high) for y in (data.y_train, data.y_test)]
    (x, y), (x_test, y_test) = (
        (x[k], y[k] - low)
        for x, y, k in (
            (data.x_train, data.y_train, kept[0]),
            (data.x_test, data.y_test, kept[1]),
        )
    )
    return Split(x, y, x_test, y_test)


def shifted(x: Array) -> Array:
    """Return images moved by one pixel to the right; the last column comes back on the left."""
    return np.roll(x.reshape(-1, SIDE, SIDE), 1, axis=2).reshape(x.shape)


def other_digits(data: Split) -> tuple[Split, Split]:
    """Return the donor's task, the digits 0 to 4, and the new one, 5 to 9."""
    return part(data, 0, 5), part(data, 5, 10)


def halved(data: Split) -> tuple[Split, Split]:
    """Return two tasks on different halves of the training part, with the same test part."""
    half = len(data.x_train) // 2
    test = data.x_test, data.y_test
    return (
        Split(data.x_train[:half], data.y_train[:half], *test),
        Split(data.x_train[half:], data.y_train[half:], *test),
    )


def shifted_digits(data: Split) -> tuple[Split, Split]:
    """Return the donor's task, half of the digits, and the new one: the other half, moved."""
    old, new = halved(data)
    return old, Split(shifted(new.x_train), new.y_train, shifted(new.x_test), new.y_test)


def odd_or_even(data: Split) -> tuple[Split, Split]:
    """Return the donor's task, half of the digits, and the new one: is a digit of the rest odd?"""
    old, new = halved(data)
    return old, Split(new.x_train, new.y_train % 2, new.x_test, new.y_test % 2)


TASKS: Mapping[str, Callable[[Split], tuple[Split, Split]]] = {
    "odd": odd_or_even,
    "shifted": shifted_digits,
    "other": other_digits,
}
"""The donor's task and the new one, made from a data set; from the nearest to the farthest."""


def train_donor(data: Split, rng: np.random.Generator) -> Sequential:
    """Return a network trained on all labels of a training part."""
    network = Sequential(*body(rng), dense(int(data.y_train.max()) + 1, rng))
    fit(network, data.x_train, data.y_train, lr=3e-3, steps=600, rng=rng)
    return network


# --- learning without labels -----------------------------------------------------------------


def greedy(x: Array, rng: np.random.Generator) -> Sequential:
    """Each layer as the autoencoder of the one below."""
    return pretrain(x, [WIDTH] * DEPTH, rng, epochs=_EPOCHS, batch_size=_BATCH, lr=_RATE)


def end_to_end(x: Array, rng: np.random.Generator, rate: float = 0.0) -> Sequential:
    """Three layers down and three up again, trained together; a share of the pixels erased."""
    network = Sequential(*body(rng), *body(rng, DEPTH - 1), dense(x.shape[1], rng))
    optimizer = Optimizer(adam, network.params, lr=_RATE)
    for batch in _epochs(len(x), rng):
        seen = x[batch] * (rng.random((len(batch), x.shape[1])) >= rate)
        network.backward(mse_grad(network.forward(seen, training=True), x[batch]))
        optimizer.step(network.grads)
    return transplant(network, 2 * DEPTH)


def denoising(x: Array, rng: np.random.Generator) -> Sequential:
    """The same, and what is to be restored has lost three pixels in ten."""
    return end_to_end(x, rng, CORRUPTION)


def turned(x: Array) -> tuple[Array, Array]:
    """Return all images in all four rotations, and how many quarter turns each has made."""
    images = x.reshape(-1, SIDE, SIDE)
    rotations = [np.rot90(images, turns, axes=(1, 2)) for turns in range(4)]
    return np.concatenate(rotations).reshape(-1, x.shape[1]), np.repeat(np.arange(4), len(x))


def rotations(x: Array, rng: np.random.Generator) -> Sequential:
    """By how many quarter turns was the image rotated?"""
    network = Sequential(*body(rng), dense(4, rng))
    inputs, turns = turned(x)
    optimizer = Optimizer(adam, network.params, lr=_RATE)
    for batch in _epochs(len(x), rng):
        chosen = batch + len(x) * rng.integers(0, 4, len(batch))
        logits = network.forward(inputs[chosen], training=True)
        network.backward(cross_entropy_grad(logits, turns[chosen]))
        optimizer.step(network.grads)
    return transplant(network, 2 * DEPTH)


def halves(x: Array, rng: np.random.Generator) -> Sequential:
    """Do the upper and the lower half belong to one image, or to two?"""
    network, cut = Sequential(*body(rng), dense(2, rng)), x.shape[1] // 2
    optimizer = Optimizer(adam, network.params, lr=_RATE)
    for batch in _epochs(len(x), rng):
        together = rng.integers(0, 2, len(batch))
        lower = np.where(together == 1, batch, rng.integers(0, len(x), len(batch)))
        images = np.hstack([x[batch, :cut], x[lower, cut:]])
        network.backward(cross_entropy_grad(network.forward(images, training=True), together))
        optimizer.step(network.grads)
    return transplant(network, 2 * DEPTH)


def adversarial(x: Array, rng: np.random.Generator) -> Sequential:
    """The discriminator of a small GAN: is the image real, or made by the generator?"""
    judge, maker, steps = _players(x.shape[1], rng)
    for batch in _epochs(len(x), rng):
        _play(judge, maker, steps, x[batch], rng)
    return transplant(judge, 2 * DEPTH)


def _players(
    features: int, rng: np.random.Generator
) -> tuple[Sequential, Sequential, list[Optimizer]]:
    """Return a discriminator, a generator and an optimizer for each."""
    judge = Sequential(*body(rng), dense(1, rng))
    maker = Sequential(
        Linear(NOISE_INPUTS, WIDTH, rng), ReLU(), dense(WIDTH, rng), ReLU(), dense(features, rng)
    )
    steps = [Optimizer(adam, p.params, lr=_RATE / 2, beta1=0.5) for p in (judge, maker)]
    return judge, maker, steps


def _play(
    judge: Sequential,
    maker: Sequential,
    steps: list[Optimizer],
    real: Array,
    rng: np.random.Generator,
    *,
    judge_only: bool = False,
) -> None:
    """Let both players of a GAN make a step."""
    noise = rng.standard_normal((2, len(real), NOISE_INPUTS))
    discriminator_step(maker, judge, steps[0], real, noise[0])
    if not judge_only:
        generator_step(maker, judge, steps[1], noise[1])


PRETRAINING: Mapping[str, Callable[[Array, np.random.Generator], Sequential]] = {
    "greedy": greedy,
    "end-to-end": end_to_end,
    "denoising": denoising,
    "rotations": rotations,
    "halves": halves,
    "gan": adversarial,
}
"""Ways to learn three layers from images alone: 40 epochs, where it is greedy for each layer."""


def _forever(n: int, batch_size: int, rng: np.random.Generator) -> Any:
    while True:
        yield from batches(n, batch_size, rng)


def _epochs(n: int, rng: np.random.Generator) -> Any:
    for _ in range(_EPOCHS):
        yield from batches(n, _BATCH, rng)


# --- what the figures show -------------------------------------------------------------------

_NEW = {"odd": "odd or even", "shifted": "moved by one pixel", "other": "digits 5 to 9"}
_COUNTS = (10, 20, 40, 80, 160, 320)
_RIDGE = 10.0
_JUDGED = 60  # test images on which an autoencoder is looked at
_TESTED = (0, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 35, 40)
SHOWN, SNAPSHOTS, _GAN_EPOCHS = 6, 15, 12


@lru_cache(maxsize=8)
def task_of(name: str) -> tuple[Sequential, Split]:
    """Return the donor of a new task, trained, and the new task's data, of seed 0."""
    old, new = TASKS[name](digits())
    return train_donor(old, np.random.default_rng([0, 2])), new


@lru_cache(maxsize=32)
def features(name: str, is_taught: bool) -> tuple[tuple[Array, Array], ...]:
    """Return what each level makes of the new task's training and test inputs; level 0: pixels."""
    donor, new = task_of(name)
    network = donor if is_taught else Sequential(*body(np.random.default_rng([0, 3])))
    levels = [(new.x_train, new.x_test)]
    for level in range(DEPTH):
        layer = Sequential(*network.layers[2 * level : 2 * level + 2])
        levels.append((layer.forward(levels[-1][0]), layer.forward(levels[-1][1])))
    return tuple(levels)


def probe(x: Array, y: Array, x_test: Array, y_test: Array) -> float:
    """Return the test accuracy of a linear head: regularised least squares, in closed form."""
    mean = x.mean(axis=0)
    targets = (y[:, None] == np.arange(y_test.max() + 1)) - 0.0
    centred = x - mean
    gram = centred.T @ centred + _RIDGE * np.eye(x.shape[1])
    head = np.linalg.solve(gram, centred.T @ (targets - targets.mean(axis=0)))
    scores = (x_test - mean) @ head + targets.mean(axis=0)
    return float(np.mean(scores.argmax(axis=1) == y_test))


@lru_cache(maxsize=4096)
def probed(name: str, is_taught: bool, level: int, labels: int, seed: int) -> float:
    """Return the accuracy of a linear head on a level, from so many labels."""
    new = task_of(name)[1]
    chosen = few_labels(new.y_train, labels, np.random.default_rng([seed, labels]))
    x, x_test = features(name, is_taught)[level]
    return probe(x[chosen], new.y_train[chosen], x_test, new.y_test)


class _Flat:
    """Three hidden layers and a head in one array, trained by Adam without any ceremony."""

    def __init__(self, donor: Sequential, classes: int, rng: np.random.Generator) -> None:
        head = dense(classes, rng)
        arrays = [*donor.params[: 2 * DEPTH], *head.params]
        self.flat = np.concatenate([array.ravel() for array in arrays])
        self.first = sum(array.size for array in arrays[:-2])
        self.slope = np.zeros_like(self.flat)
        self.params, self.grads = (
            _views(flat, [array.shape for array in arrays]) for flat in (self.flat, self.slope)
        )

    def levels(self, x: Array) -> list[Array]:
        levels = [x]
        for w, b in zip(self.params[:-2:2], self.params[1:-2:2], strict=True):
            levels.append(np.tanh(levels[-1] @ w + b))
        return [*levels, levels[-1] @ self.params[-2] + self.params[-1]]

    def train(self, x: Array, y: Array, lr: float, steps: int, *, head_only: bool) -> Any:
        """Yield after each step; the gradient is the whole batch's."""
        lowest = self.first if head_only else 0
        theta, slope = self.flat[lowest:], self.slope[lowest:]
        mean, square = np.zeros_like(theta), np.zeros_like(theta)
        for t in range(1, steps + 1):
            self._backward(x, y, head_only)
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            root = np.sqrt(square / (1 - 0.999**t)) + 1e-8
            theta -= lr / (1 - 0.9**t) * mean / root
            yield

    def _backward(self, x: Array, y: Array, head_only: bool) -> None:
        levels = self.levels(x)
        grad = np.exp(levels[-1] - levels[-1].max(axis=1, keepdims=True))
        grad /= grad.sum(axis=1, keepdims=True)
        grad[np.arange(len(y)), y] -= 1
        grad /= len(y)
        for k in range(DEPTH, -1, -1):
            if k < DEPTH:
                grad = grad * (1 - levels[k + 1] ** 2)
            np.matmul(levels[k].T, grad, out=self.grads[2 * k])
            grad.sum(axis=0, out=self.grads[2 * k + 1])
            if head_only:
                return
            grad = grad @ self.params[2 * k].T


def _views(flat: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    pieces = np.split(flat, ends[:-1])
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]


@lru_cache(maxsize=64)
def released(lr: float, head_steps: int, labels: int, seed: int) -> tuple[Array, Array]:
    """Train on odd or even: the new head alone for some steps, then everything with this rate.

    Returns:
        Accuracy on a half of the test part, and how far its top features are from the donor's in
        units of their length, at the steps that are looked at.
    """
    donor, new = task_of("odd")
    rng = np.random.default_rng([seed, labels])
    chosen = few_labels(new.y_train, labels, rng)
    x, y = new.x_train[chosen], new.y_train[chosen]
    network = _Flat(donor, 2, rng)
    before = features("odd", True)[DEPTH][1][::2]
    size, seen = np.linalg.norm(before), []

    def look() -> None:
        *_, top, logits = network.levels(new.x_test[::2])
        right = np.mean(logits.argmax(axis=1) == new.y_test[::2])
        seen.append((right, np.linalg.norm(top - before) / size))

    look()
    step = 0
    for is_head, rate, steps in ((True, 0.01, head_steps), (False, lr, _TESTED[-1] - head_steps)):
        for _ in network.train(x, y, rate, steps, head_only=is_head):
            step += 1
            if step in _TESTED:
                look()
    return np.array(seen).T[0], np.array(seen).T[1]


@lru_cache(maxsize=4)
def learned_autoencoders(rate: float, units: int = 32) -> tuple[list[list[Array]], Array]:
    """Return a tied autoencoder's parameters before and after each epoch, and its losses.

    It learns to restore the whole image from one that has lost this share of its pixels.
    """
    data, rng = digits(), np.random.default_rng(0)
    x, x_test = data.x_train, data.x_test[:_JUDGED]
    linear = Linear(x.shape[1], units, rng, initializer=xavier_normal)
    params = [*linear.params, np.zeros(x.shape[1])]
    optimizer = Optimizer(adam, params, lr=3e-3)
    kept, losses = [[p.copy() for p in params]], []
    for epoch in range(SNAPSHOTS + 1):
        losses.append(float(np.mean((restored(x_test, params) - x_test) ** 2)))
        if epoch == SNAPSHOTS:
            break
        for batch in batches(len(x), _BATCH, rng):
            keep = rng.random((len(batch), x.shape[1])) >= rate
            optimizer.step(denoising_grads(x[batch], keep, params))
        kept.append([p.copy() for p in params])
    return kept, np.array(losses)


def denoising_grads(x: Array, keep: Array, params: list[Array]) -> list[Array]:
    """Return the gradients of W, b and c for an autoencoder that is shown ``x * keep``."""
    w, b, c = params
    seen = x * keep
    h = np.tanh(seen @ w + b)
    g = 2 * (h @ w.T + c - x) / x.size
    d = (g @ w) * (1 - h**2)
    return [seen.T @ d + g.T @ h, d.sum(axis=0), g.sum(axis=0)]


def restored(x: Array, params: list[Array]) -> Array:
    """Return what a tied autoencoder makes of its input."""
    w, b, c = params
    return np.tanh(x @ w + b) @ w.T + c


@lru_cache(maxsize=1)
def played_gan() -> list[tuple[list[Array], float, float]]:
    """Play a small GAN: the maker's parameters and what the judge says of real and made images.

    It is looked at before the first and after each epoch. In the first one only the judge learns.
    """
    x, rng = digits().x_train, np.random.default_rng(0)
    judge, maker, steps = _players(x.shape[1], rng)
    fixed, seen = np.random.default_rng(1).standard_normal((200, NOISE_INPUTS)), []
    for epoch in range(_GAN_EPOCHS + 1):
        real, made = (
            float(np.mean(judge.forward(samples))) for samples in (x[:200], maker.forward(fixed))
        )
        seen.append(([param.copy() for param in maker.params], real, made))
        if epoch == _GAN_EPOCHS:
            break
        for batch in batches(len(x), _BATCH, rng):
            _play(judge, maker, steps, x[batch], rng, judge_only=epoch == 0)
    return seen


# --- the figures -----------------------------------------------------------------------------


@mpl.rc_context(STYLE)
def probe_explorer() -> LiveFigure:
    """What a linear head makes of each level of a donor, for three new tasks."""
    figure, (count_axes, level_axes) = canvas(9.4, 3.8, (1.15, 1.0))
    curves = [
        axes.plot([], [], **line_style(index), label=label)[0]
        for axes in (count_axes, level_axes)
        for index, label in ((0, "the donor's layers"), (1, "layers never taught"))
    ]
    (pixels,) = count_axes.plot([], [], color=COLORS[6], linestyle=":", label="pixels")
    here = [
        axes.plot([], [], color=COLORS[2], marker="D", markersize=10, fillstyle="none", ls="")[0]
        for axes in (count_axes, level_axes)
    ]
    count_axes.set(xscale="log", xlim=(9, 360), ylim=(0.2, 1.02))
    count_axes.set(xlabel="labels (log)", ylabel="test accuracy of a linear head")
    count_axes.set_xticks(_COUNTS, map(str, _COUNTS))
    count_axes.minorticks_off()
    count_axes.legend(loc="lower right")
    level_axes.set(
        xlim=(-0.2, DEPTH + 0.2), ylim=(0.2, 1.02), xlabel="hidden layers below the head"
    )
    level_axes.set(ylabel="test accuracy of a linear head")
    level_axes.set_xticks(range(DEPTH + 1))
    for name in TASKS:  # now, so that a choice shows at once
        features(name, True)

    def draw(task: str, level: int, count: str, seed: int) -> str:
        labels, levels = int(count), range(DEPTH + 1)
        by_count = [[probed(task, t, level, n, seed) for n in _COUNTS] for t in (True, False)]
        by_level = [[probed(task, t, k, labels, seed) for k in levels] for t in (True, False)]
        for curve, values in zip(curves, (*by_count, *by_level), strict=True):
            curve.set_data(_COUNTS if len(values) == len(_COUNTS) else levels, values)
        pixels.set_data(_COUNTS, [probed(task, True, 0, n, seed) for n in _COUNTS])
        now = by_level[0][level]
        here[0].set_data([labels], [now])
        here[1].set_data([level], [now])
        best = int(np.argmax(by_level[0]))
        return (
            f"{_NEW[task]}, {labels} labels, a head on {level} hidden layers: the donor's give "
            f"{now:.3f}, untaught ones {by_level[1][level]:.3f}. Best on {best}: "
            f"{by_level[0][best]:.3f}."
        )

    return LiveFigure(
        "what the layers of a donor know",
        figure=figure,
        moving=(*curves, pixels, *here),
        controls={
            "task": choice("new task", "odd", _NEW),
            "level": slider("hidden layers", 3, 0, DEPTH, 1),
            "count": choice("labels", "40", {str(n): str(n) for n in _COUNTS}),
            "seed": slider("labels, draw", 0, 0, 20, 1),
        },
        draw=draw,
    )


@mpl.rc_context(STYLE)
def release_explorer() -> LiveFigure:
    """A new head on a donor: everything at once, or the head first."""
    figure, (right_axes, moved_axes) = canvas(9.4, 3.8, (1.0, 1.0))
    names = ("all at once", "head first")
    curves = [
        axes.plot([], [], **line_style(index), label=name)[0]
        for axes in (right_axes, moved_axes)
        for index, name in enumerate(names)
    ]
    lines = [
        axes.plot([], [], color=COLORS[6], ls=":", lw=1.5, label="release")[0]
        for axes in (right_axes, moved_axes)
    ]
    for axes in (right_axes, moved_axes):
        axes.set(xlim=(-1, _TESTED[-1] + 1), xlabel="step of Adam")
    right_axes.set(ylim=(0.3, 1.02), ylabel="test accuracy, odd or even")
    moved_axes.set(ylim=(-0.05, 1.65), ylabel="change of the features / their length")
    right_axes.legend(loc="lower right")

    def draw(lr: float, head_steps: int, labels: int, seed: int) -> str:
        runs = [released(lr, steps, labels, seed) for steps in (0, head_steps)]
        for curve, values in zip(
            curves, (*(r[0] for r in runs), *(r[1] for r in runs)), strict=True
        ):
            curve.set_data(_TESTED, values)
        for line in lines:
            line.set_data([head_steps] * 2, [-0.05, 1.65])
        (once, once_moved), (first, first_moved) = ((r[0][-1], r[1][-1]) for r in runs)
        return (
            f"After {_TESTED[-1]} steps: all at once {once:.3f}, features moved by "
            f"{once_moved:.2f}; head first {first:.3f}, moved by {first_moved:.2f}."
        )

    return LiveFigure(
        "releasing layers under a new head",
        figure=figure,
        moving=(*curves, *lines),
        controls={
            "lr": log_slider("rate of all", 0.003, 0.0001, 0.1),
            "head_steps": slider("head alone", 20, 1, 40, 1),
            "labels": slider("labels", 30, 10, 50, 10),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


@mpl.rc_context(STYLE)
def schedule_explorer() -> LiveFigure:
    """A rate for each layer: released from the top down, lower the further down."""
    figure, (time_axes, layer_axes) = canvas(9.4, 3.8, (1.3, 1.0))
    most, epochs = 6, 24
    curves = [
        time_axes.plot([], [], **line_style(k) | {"drawstyle": "steps-post"}, markevery=3)[0]
        for k in range(most)
    ]
    for k, curve in enumerate(curves):
        curve.set_label("head" if k == 0 else f"{k} below")
    (now,) = time_axes.plot([], [], color=COLORS[6], linestyle=":", linewidth=1.5)
    (bars,) = layer_axes.plot([], [], color=COLORS[0], marker="o", markersize=9, linestyle="-")
    (still,) = layer_axes.plot([], [], color=COLORS[1], marker="x", markersize=10, linestyle="")
    bars.set_label("learns")
    still.set_label("frozen")
    floor = 1e-6
    time_axes.set(yscale="log", xlim=(-0.5, epochs + 0.5), ylim=(floor / 2, 0.2))
    time_axes.set(xlabel="epoch", ylabel="rate (log)")
    time_axes.legend(loc="lower right", ncols=2)
    layer_axes.set(yscale="log", xlim=(-0.5, most - 0.5), ylim=(floor / 2, 0.2))
    layer_axes.set(xlabel="layer, 0 is the lowest", ylabel="rate in this epoch (log)")
    layer_axes.legend(loc="lower right")

    def draw(layers: int, factor: float, every: int, epoch: int) -> str:
        shown = np.arange(epochs + 1)
        for depth, curve in enumerate(curves):
            rates = np.where(shown >= depth * every, 0.1 / factor**depth, np.nan)
            curve.set_data(shown, rates if depth < layers else np.full(len(shown), np.nan))
        below_head = np.arange(layers)[::-1]
        learns = epoch >= below_head * every
        bars.set_data(np.arange(layers)[learns], (0.1 / factor**below_head)[learns])
        still.set_data(np.arange(layers)[~learns], np.full(int((~learns).sum()), floor))
        now.set_data([epoch, epoch], [floor / 2, 0.2])
        return (
            f"Epoch {epoch}: {int(learns.sum())} of {layers} layers learn, the lowest of them at "
            f"{0.1 / factor ** (int(learns.sum()) - 1):.2g}, the head at 0.1."
        )

    return LiveFigure(
        "rates by layer and epoch",
        figure=figure,
        moving=(*curves, now, bars, still),
        controls={
            "layers": slider("layers", 4, 2, most, 1),
            "factor": slider("factor", 2.6, 1.0, 5.0, 0.1),
            "every": slider("epochs each", 4, 1, 8, 1),
            "epoch": slider("epoch", 5, 0, epochs, 1),
        },
        draw=draw,
        play="epoch",
    )


@mpl.rc_context(STYLE)
def autoencoder_explorer() -> LiveFigure:
    """What an autoencoder makes of whole and of damaged digits, epoch by epoch."""
    figure, (picture_axes, loss_axes) = canvas(9.4, 3.8, (1.7, 1.0))
    picture = _empty_picture(picture_axes, 3, SHOWN)
    picture_axes.set_yticks([3.5, 12.5, 21.5], ["whole", "shown", "restored"])
    picture_axes.set(xlabel="digits of the test part", ylabel="image")
    curves = [
        loss_axes.plot([], [], **line_style(index), label=label)[0]
        for index, label in ((0, "shown whole"), (1, "shown as here"))
    ]
    (now,) = loss_axes.plot([], [], color=COLORS[2], marker="D", markersize=10, fillstyle="none")
    loss_axes.set(xlim=(-0.5, SNAPSHOTS + 0.5), ylim=(0, 1.3), xlabel="epoch")
    loss_axes.set(ylabel=f"mean squared error, {_JUDGED} test images")
    loss_axes.legend(loc="upper right")
    taught = {"plain": 0.0, "denoising": 0.5}
    for rate in taught.values():  # now, so that a choice shows at once
        learned_autoencoders(rate)

    def draw(kind: str, epoch: int, erased: float, first: int) -> str:
        snapshots, whole = learned_autoencoders(taught[kind])
        images = digits().x_test[:_JUDGED]
        shown = images * (np.random.default_rng(0).random(images.shape) >= erased)
        learned_from = "half erased" if taught[kind] else "whole"
        errors = [np.mean((restored(shown, params) - images) ** 2) for params in snapshots]
        some = slice(SHOWN * first, SHOWN * first + SHOWN)
        rows = (images[some], shown[some], restored(shown[some], snapshots[epoch]))
        picture.set_data(_mosaic(np.concatenate(rows), 3))
        for curve, values in zip(curves, (whole, errors), strict=True):
            curve.set_data(np.arange(SNAPSHOTS + 1), np.minimum(values, 1.25))
        now.set_data([epoch], [min(errors[epoch], 1.25)])
        return (
            f"Learned from {learned_from} images, {_epochs_long(epoch)}. {100 * erased:.0f} % of "
            f"the pixels erased: error {errors[epoch]:.3f}; each pixel's mean would give "
            f"{np.mean(images**2):.3f}."
        )

    return LiveFigure(
        "an autoencoder at work",
        figure=figure,
        moving=(picture, *curves, now),
        controls={
            "kind": choice("learned from", "plain", {"plain": "whole", "denoising": "half erased"}),
            "epoch": slider("epoch", SNAPSHOTS, 0, SNAPSHOTS, 1),
            "erased": slider("erased now", 0.0, 0.0, 0.9, 0.05),
            "first": slider("digits", 0, 0, _JUDGED // SHOWN - 1, 1),
        },
        draw=draw,
        play="epoch",
    )


@mpl.rc_context(STYLE)
def gan_explorer() -> LiveFigure:
    """What a generator makes, and with which slope two losses would pull it there."""
    figure, (picture_axes, slope_axes) = canvas(9.4, 3.8, (1.25, 1.0))
    picture = _empty_picture(picture_axes, 3, SHOWN)
    picture_axes.set_yticks([])
    picture_axes.set(xlabel="made from noise", ylabel="18 samples")
    logits = np.linspace(-8, 8, 161)
    slope_axes.plot(logits, _sigmoid(-logits), **line_style(0), markevery=20)
    slope_axes.plot(logits, _sigmoid(logits), **line_style(1), markevery=20)
    slope_axes.lines[0].set_label("−ln σ(D)")
    slope_axes.lines[1].set_label("ln(1 − σ(D))")
    (made,) = slope_axes.plot([], [], color=COLORS[2], linestyle=":", label="made", linewidth=2.5)
    (real,) = slope_axes.plot([], [], color=COLORS[3], linestyle="-.", label="real", linewidth=1.5)
    slope_axes.set(xlim=(-8, 8), ylim=(-0.03, 1.03), xlabel="D's logit")
    slope_axes.set(ylabel="size of the slope for the generator")
    slope_axes.legend(loc="center right")

    def draw(epoch: int, seed: int) -> str:
        params, of_real, of_made = played_gan()[epoch]
        z = np.random.default_rng(seed).standard_normal((3 * SHOWN, NOISE_INPUTS))
        picture.set_data(_mosaic(_generated(z, params), 3))
        for line, logit in ((made, of_made), (real, of_real)):
            line.set_data([np.clip(logit, -8, 8)] * 2, [0, 1])
        return (
            f"After {_epochs_long(epoch)} D gives made images the logit {of_made:.1f}, real ones "
            f"{of_real:.1f}. Slope of −ln σ(D): {_sigmoid(-of_made):.3f}, of ln(1 − σ(D)): "
            f"{_sigmoid(of_made):.3f}."
        )

    return LiveFigure(
        "a small GAN",
        figure=figure,
        moving=(picture, made, real),
        controls={
            "epoch": slider("epoch", 1, 0, _GAN_EPOCHS, 1),
            "seed": slider("noise, draw", 0, 0, 20, 1),
        },
        draw=draw,
        play="epoch",
    )


def _epochs_long(count: int) -> str:
    return f"{count} epoch{'s' if count != 1 else ''}"


def _sigmoid(z: Any) -> Any:
    return activations.sigmoid(np.asarray(z, dtype=float))


def _generated(z: Array, params: list[Array]) -> Array:
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        z = np.maximum(z @ w + b, 0)
    return z @ params[-2] + params[-1]


@lru_cache(maxsize=1)
def _ink() -> tuple[Array, Array]:
    """Return each pixel's mean and deviation, to show standardised images as ink on paper."""
    pixels = datasets.load_digits().data
    return pixels.mean(axis=0), pixels.std(axis=0)


def _mosaic(images: Array, rows: int) -> Array:
    """Lay images out in rows, with a free line between them."""
    mean, deviation = _ink()
    squares = (mean + deviation * images).reshape(rows, -1, SIDE, SIDE)
    page = np.zeros((rows, squares.shape[1], SIDE + 1, SIDE + 1))
    page[:, :, :SIDE, :SIDE] = squares
    return page.swapaxes(1, 2).reshape(rows * (SIDE + 1), -1)[:-1, :-1]


def _empty_picture(axes: Any, rows: int, columns: int) -> Any:
    height, width = rows * (SIDE + 1) - 1, columns * (SIDE + 1) - 1
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    page = np.zeros((height, width))
    return axes.imshow(page, cmap="gray_r", vmin=0, vmax=16, interpolation="nearest")
