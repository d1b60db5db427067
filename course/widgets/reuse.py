"""Live figures of unit 11, and what its lesson trains: donors, encoders, and heads on few labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from course import activations
from course._arrays import Array
from course.data import Split, batches, digits
from course.initializers import xavier_normal
from course.layers import Activation, Layer, Linear, ReLU, Sequential
from course.losses import cross_entropy_grad, mse_grad
from course.optimizers import Optimizer, adam
from course.reuse import (
    discriminator_step,
    freeze,
    generator_step,
    pretrain,
    transplant,
    unfreeze,
)

__all__ = [
    "DEPTH",
    "PRETRAINING",
    "TASKS",
    "WIDTH",
    "accuracy",
    "body",
    "dense",
    "few_labels",
    "fit",
    "new_network",
    "odd_or_even",
    "other_digits",
    "part",
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
    judge = Sequential(*body(rng), dense(1, rng))
    maker = Sequential(
        Linear(NOISE_INPUTS, WIDTH, rng), ReLU(), dense(WIDTH, rng), ReLU(), dense(x.shape[1], rng)
    )
    steps = {
        player: Optimizer(adam, player.params, lr=_RATE / 2, beta1=0.5) for player in (judge, maker)
    }
    for batch in _epochs(len(x), rng):
        noise = rng.standard_normal((2, len(batch), NOISE_INPUTS))
        discriminator_step(maker, judge, steps[judge], x[batch], noise[0])
        generator_step(maker, judge, steps[maker], noise[1])
    return transplant(judge, 2 * DEPTH)


PRETRAINING: Mapping[str, Callable[[Array, np.random.Generator], Sequential]] = {
    "greedy": greedy,
    "end-to-end": end_to_end,
    "denoising": denoising,
    "rotations": rotations,
    "halves": halves,
    "gan": adversarial,
}
"""Ways to learn three layers from images alone, each with the same number of batches."""


def _forever(n: int, batch_size: int, rng: np.random.Generator) -> Any:
    while True:
        yield from batches(n, batch_size, rng)


def _epochs(n: int, rng: np.random.Generator) -> Any:
    for _ in range(_EPOCHS):
        yield from batches(n, _BATCH, rng)
