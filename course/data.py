"""Real data for the lessons, ready to train on: split, standardised, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from course._arrays import Array

__all__ = ["Split", "batches", "digits"]


@dataclass(frozen=True, eq=False)
class Split:
    r"""A data set in two parts: one to train on, one that training never sees.

    .. math:: \{(x_n, y_n)\}_\text{train} \cap \{(x_n, y_n)\}_\text{test} = \emptyset

    Args:
        x_train: inputs to train on, shape (samples, features).
        y_train: their labels, integers, shape (samples,).
        x_test: inputs to test on.
        y_test: their labels.

    Returns:
        The split; its fields are the arguments.

    Raises:
        ValueError: a part has not one label for each input.

    Example:
        >>> digits().x_train.shape
        (1438, 64)

    References:
        Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2009, chapter 7.

    Who differs:
        Where numbers such as a rate are chosen by a score, a third part is needed for it: split
        the training part once more.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array

    def __post_init__(self) -> None:
        for part, x, y in (
            ("train", self.x_train, self.y_train),
            ("test", self.x_test, self.y_test),
        ):
            if len(x) != len(y):
                raise ValueError(
                    f"Split: x_{part} has {len(x)} samples but y_{part} has {len(y)} labels. "
                    "Give one label for each sample."
                )


def digits(seed: int = 0, test_share: float = 0.2) -> Split:
    r"""Load scikit-learn's 1797 handwritten digits of 8 x 8 pixels, split and standardised.

    .. math:: x'_j = (x_j - μ_j) / σ_j

    μ and σ, of the 1/N kind, come from the training part only. A pixel that is constant there has
    σ = 0; it is divided by 1 instead and becomes 0.

    Args:
        seed: which split; the same seed gives the same one.
        test_share: the share of each digit's samples that is kept for testing, in (0, 1).

    Returns:
        A `Split`: float64 inputs of shape (samples, 64), integer labels from 0 to 9, in random
        order.

    Raises:
        ValueError: ``test_share`` does not lie in (0, 1).

    Example:
        >>> data = digits(seed=0)
        >>> np.bincount(data.y_test)                  # a fifth of each digit
        array([36, 36, 35, 37, 36, 36, 36, 36, 35, 36])
        >>> bool(abs(data.x_train.mean()) < 1e-12)
        True

    References:
        Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, 1998,
        doi:10.24432/C50P49.

    Who differs:
        scikit-learn gives the pixels as they are, from 0 to 16. MNIST has 70 000 digits of
        28 x 28 pixels and needs a download.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"digits: test_share must lie between 0 and 1, got {test_share}.")
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    train, test = _stratified(y, test_share, rng)
    mean, std = x[train].mean(axis=0), x[train].std(axis=0)
    scaled = (x - mean) / np.where(std > 0, std, 1.0)
    return Split(scaled[train], y[train], scaled[test], y[test])


def batches(n: int, batch_size: int, rng: np.random.Generator) -> Iterator[Array]:
    r"""Yield the indices of one epoch's mini-batches: each sample once, in random order.

    .. math:: \bigcup_b B_b = \{0, ..., n - 1\}, \qquad B_a \cap B_b = \emptyset

    Args:
        n: the number of samples, at least 1.
        batch_size: samples in a batch, at least 1; the last batch has what is left.
        rng: the source of the order.

    Returns:
        An iterator over integer arrays of shape (batch_size,), the last one possibly shorter.

    Raises:
        ValueError: ``n`` or ``batch_size`` is below 1.

    Example:
        >>> [len(batch) for batch in batches(10, 4, np.random.default_rng(0))]
        [4, 4, 2]

    References:
        Bottou, *Curiously Fast Convergence of some Stochastic Gradient Descent Algorithms*, 2009.

    Who differs:
        The theory of SGD draws with replacement; training loops, torch's ``DataLoader`` included,
        shuffle and visit each sample once an epoch.
    """
    if n < 1 or batch_size < 1:
        raise ValueError(
            f"batches: n and batch_size must be at least 1, got n = {n}, batch_size = {batch_size}."
        )
    return _slices(rng.permutation(n), batch_size)


def _slices(order: Array, size: int) -> Iterator[Array]:
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _stratified(labels: Array, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return indices of two parts, the second with this share of each label, both shuffled."""
    train, test = [], []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cut = round(share * len(members))
        test.append(members[:cut])
        train.append(members[cut:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))
