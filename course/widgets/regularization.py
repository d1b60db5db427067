"""Live figures of unit 10: overfitting, dropout and its scale, its spread, weight decay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        self._factors = self._factors * (1 - self.rate)
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
    **hyper: float,
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
    """Return images turned by degrees, moved by pixels to the right, or with noise added."""
    paper = images.min()
    if kind == "turned":
        return ndimage.rotate(
            images, amount, axes=(2, 1), reshape=False, order=1, mode="constant", cval=paper
        )
    if kind == "moved":
        return ndimage.shift(images, (0, 0, amount), order=1, mode="constant", cval=paper)
    return images + amount * np.random.default_rng(seed).normal(size=images.shape)
