"""Data for the lessons, ready to train on: split with a seed, standardised, without a network.

Inputs are standardised with the moments of the training part. Labels are integers, of shape
(samples,); the targets of a regression are floats, of shape (samples, 1) like a network's output,
and standardised too: a mean squared error of 1 is then that of guessing the mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import random_correlation  # type: ignore[import-untyped]
from sklearn import datasets

from course._arrays import Array
from course._numbers import as_count, as_number
from course.normalizers import standardize

__all__ = [
    "Split",
    "batches",
    "breast_cancer",
    "diabetes",
    "digits",
    "ill_conditioned_regression",
    "iris",
    "spirals",
    "two_moons",
    "wine",
]


@dataclass(frozen=True, eq=False)
class Split:
    r"""A data set in two parts: one to train on, one that training never sees.

    .. math:: \{(x_n, y_n)\}_\text{train} \cap \{(x_n, y_n)\}_\text{test} = \emptyset

    Args:
        x_train: inputs to train on, shape (samples, features).
        y_train: their labels, integers of shape (samples,), or targets, floats of shape
            (samples, outputs).
        x_test: inputs to test on.
        y_test: their labels or targets.

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
        Where numbers such as a rate are chosen by a score, a third part is needed for it:
        ``hold_back`` takes it from the training part.
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

    def hold_back(self, share: float = 0.2) -> Split:
        """Return the training part alone, its last ``share`` in the place of the test part.

        What is chosen by a score, such as a rate, is chosen on this: the test part stays unseen.
        """
        cut = round((1 - as_number("hold_back", "share", share, "(0, 1)")) * len(self.x_train))
        return Split(self.x_train[:cut], self.y_train[:cut], self.x_train[cut:], self.y_train[cut:])


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
        TypeError: ``test_share`` is no number.
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
    return _classification("digits", datasets.load_digits, seed, test_share)


def iris(seed: int = 0, test_share: float = 0.2) -> Split:
    r"""Load the 150 irises, 4 lengths of each, 3 species; split and standardised.

    .. math:: x'_j = (x_j - μ_j) / σ_j

    One species is linearly separable from the others, those two are not from each other: enough to
    see a decision boundary, too small to compare methods.

    Args:
        seed: which split; the same seed gives the same one.
        test_share: the share of each class that is kept for testing, in (0, 1).

    Returns:
        A `Split`: float64 inputs of shape (samples, 4), integer labels 0, 1 and 2, in random order.

    Raises:
        TypeError: ``test_share`` is no number.
        ValueError: ``test_share`` does not lie in (0, 1).

    Example:
        >>> data = iris()
        >>> data.x_train.shape, np.bincount(data.y_test)
        ((120, 4), array([10, 10, 10]))

    References:
        Fisher, *The use of multiple measurements in taxonomic problems*, 1936,
        doi:10.1111/j.1469-1809.1936.tb02137.x.

    Who differs:
        The copy of the UCI repository differs from Fisher's in two samples; scikit-learn's has
        Fisher's values.
    """
    return _classification("iris", datasets.load_iris, seed, test_share)


def wine(seed: int = 0, test_share: float = 0.2) -> Split:
    r"""Load 178 Italian wines, 13 chemical measurements, 3 cultivars; split and standardised.

    .. math:: x'_j = (x_j - μ_j) / σ_j

    The measurements differ in size by a factor of a thousand: without standardising, one of them
    decides alone.

    Args:
        seed: which split; the same seed gives the same one.
        test_share: the share of each class that is kept for testing, in (0, 1).

    Returns:
        A `Split`: float64 inputs of shape (samples, 13), integer labels 0, 1 and 2, in random
        order.

    Raises:
        TypeError: ``test_share`` is no number.
        ValueError: ``test_share`` does not lie in (0, 1).

    Example:
        >>> data = wine()
        >>> data.x_train.shape, np.bincount(data.y_test)
        ((142, 13), array([12, 14, 10]))

    References:
        Aeberhard and Forina, *Wine*, UCI Machine Learning Repository, 1991, doi:10.24432/C5PC7J.

    Who differs:
        scikit-learn gives the measurements in their own units.
    """
    return _classification("wine", datasets.load_wine, seed, test_share)


def breast_cancer(seed: int = 0, test_share: float = 0.2) -> Split:
    r"""Load 569 breast tumours, 30 measurements of cell nuclei, malignant or benign.

    .. math:: x'_j = (x_j - μ_j) / σ_j

    Split and standardised; two classes that a line separates almost.

    Args:
        seed: which split; the same seed gives the same one.
        test_share: the share of each class that is kept for testing, in (0, 1).

    Returns:
        A `Split`: float64 inputs of shape (samples, 30), integer labels, 0 for malignant and 1 for
        benign, in random order.

    Raises:
        TypeError: ``test_share`` is no number.
        ValueError: ``test_share`` does not lie in (0, 1).

    Example:
        >>> data = breast_cancer()
        >>> data.x_train.shape, np.bincount(data.y_test)
        ((456, 30), array([42, 71]))

    References:
        Wolberg, Mangasarian, Street and Street, *Breast Cancer Wisconsin (Diagnostic)*, UCI Machine
        Learning Repository, 1993, doi:10.24432/C5DW2B.

    Who differs:
        Elsewhere 1 is malignant, the class one looks for; scikit-learn has 1 for benign.
    """
    return _classification("breast_cancer", datasets.load_breast_cancer, seed, test_share)


def diabetes(seed: int = 0, test_share: float = 0.2) -> Split:
    r"""Load 442 diabetes patients, 10 measurements and the illness a year later: a regression.

    .. math:: x'_j = (x_j - μ_j) / σ_j

    Split and standardised, the targets too. Half of the variance cannot be explained by a line: an
    easy place to overfit.

    Args:
        seed: which split; the same seed gives the same one.
        test_share: the share of the samples that is kept for testing, in (0, 1).

    Returns:
        A `Split`: float64 inputs of shape (samples, 10), float64 targets of shape (samples, 1), in
        random order.

    Raises:
        TypeError: ``test_share`` is no number.
        ValueError: ``test_share`` does not lie in (0, 1).

    Example:
        >>> data = diabetes()
        >>> data.x_train.shape, data.y_test.shape
        ((354, 10), (88, 1))
        >>> float(data.y_train.var().round(12))
        1.0

    References:
        Efron, Hastie, Johnstone and Tibshirani, *Least Angle Regression*, 2004,
        doi:10.1214/009053604000000067.

    Who differs:
        scikit-learn scales the inputs with all samples, to a sum of squares of 1, and leaves the
        target, from 25 to 346, as it is.
    """
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    test = _shuffled_parts("diabetes", len(x), test_share, np.random.default_rng(seed))
    return _standardised(x, y[:, None], *test)


def two_moons(
    seed: int = 0, test_share: float = 0.2, *, samples: int = 500, noise: float = 0.15
) -> Split:
    r"""Draw two half circles that reach into each other: the smallest task no line solves.

    .. math::

        (\cos φ, \; \sin φ) \quad \text{and} \quad (1 - \cos φ, \; \tfrac{1}{2} - \sin φ), \qquad
        φ \in [0, π]

    Normal noise is added to each coordinate, and the result is standardised.

    Args:
        seed: which draw and split.
        test_share: the share of each moon that is kept for testing, in (0, 1).
        samples: how many points in all, at least 4.
        noise: the standard deviation of the noise, at least 0; the moons have radius 1.

    Returns:
        A `Split`: float64 inputs of shape (samples, 2), labels 0 and 1, in random order.

    Raises:
        TypeError: a number is none.
        ValueError: a number is out of range.

    Example:
        >>> data = two_moons(samples=100)
        >>> data.x_train.shape, np.bincount(data.y_test)
        ((80, 2), array([10, 10]))

    References:
        Pedregosa et al., *Scikit-learn: Machine Learning in Python*, JMLR 2011, ``make_moons``.

    Who differs:
        ``sklearn.datasets.make_moons``, which draws them, neither splits nor standardises.
    """
    samples = as_count("two_moons", "samples", samples, 4)
    noise = as_number("two_moons", "noise", noise, "[0, inf)")
    x, y = datasets.make_moons(samples, noise=noise, random_state=seed)
    return _split_by_class("two_moons", x, y, seed, test_share)


def spirals(
    seed: int = 0,
    test_share: float = 0.2,
    *,
    samples: int = 600,
    classes: int = 2,
    turns: float = 1.0,
    noise: float = 0.02,
) -> Split:
    r"""Draw spirals that wind around each other: a task for which depth and activation matter.

    .. math::

        x = r \, (\cos φ, \; \sin φ) + \text{noise}, \qquad
        φ = 2π \left( T r + \frac{k}{K} \right), \quad r \sim U(0.1, 1)

    Args:
        seed: which draw and split.
        test_share: the share of each spiral that is kept for testing, in (0, 1).
        samples: how many points in all, at least 2 for each spiral; what a division leaves over
            goes to the first ones.
        classes: K, the number of spirals, at least 2.
        turns: T, how often each winds around the middle, above 0; more is harder.
        noise: the standard deviation of the noise in each coordinate, at least 0.

    Returns:
        A `Split`: float64 inputs of shape (samples, 2), labels from 0 to K - 1, in random order.

    Raises:
        TypeError: a number is none.
        ValueError: a number is out of range.

    Example:
        >>> data = spirals(samples=90, classes=3)
        >>> data.x_train.shape, np.bincount(data.y_test)
        ((72, 2), array([6, 6, 6]))

    References:
        Lang and Witbrock, *Learning to Tell Two Spirals Apart*, 1988.

    Who differs:
        The original has 97 points on each of two spirals of three turns, without noise.
    """
    name = "spirals"
    classes = as_count(name, "classes", classes, 2)
    samples = as_count(name, "samples", samples, 2 * classes)
    turns = as_number(name, "turns", turns, "(0, inf)")
    noise = as_number(name, "noise", noise, "[0, inf)")
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % classes
    radius = rng.uniform(0.1, 1.0, samples)
    angle = 2 * np.pi * (turns * radius + labels / classes)
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x += noise * rng.standard_normal(x.shape)
    return _split_by_class(name, x, labels, seed, test_share)


def ill_conditioned_regression(
    seed: int = 0,
    test_share: float = 0.2,
    *,
    samples: int = 500,
    features: int = 10,
    condition: float = 1000.0,
    noise: float = 0.1,
) -> Split:
    r"""Draw a linear regression whose loss is a valley of a chosen condition number.

    .. math::

        \frac{1}{N} X^T X = C, \qquad κ(C) = \frac{λ_{max}}{λ_{min}}, \qquad C_{jj} = 1, \qquad
        y \sim X w + \text{noise}

    The features are standardised and still almost tell the same: what makes the valley narrow is
    their correlation, and that standardising does not cure. The eigenvalues λ of C, the correlation
    of the training part, are spread evenly in the logarithm. The Hessian of the mean squared error
    is 2C.

    Args:
        seed: which draw and split.
        test_share: the share of the samples that is kept for testing, in (0, 1).
        samples: how many in all; the training part needs more samples than there are features.
        features: their number, at least 2.
        condition: κ, at least 1 and at most 1e6.
        noise: the standard deviation of the noise, at least 0, in units of that of Xw.

    Returns:
        A `Split`: float64 inputs of shape (samples, features), float64 targets of shape
        (samples, 1), both standardised.

    Raises:
        TypeError: a number is none.
        ValueError: a number is out of range, or the training part is too small.

    Example:
        >>> x = ill_conditioned_regression(condition=100.0).x_train
        >>> float(np.linalg.cond(x.T @ x).round(6)), float(x.std(axis=0).round(12).max())
        (100.0, 1.0)

    References:
        Davies and Higham, *Numerically Stable Generation of Correlation Matrices and Their
        Factors*, BIT 2000, doi:10.1023/A:1022384216930.

    Who differs:
        ``sklearn.datasets.make_regression`` has ``effective_rank`` but no condition number.
        Examples that only stretch some axes become round again once standardised.
    """
    name = "ill_conditioned_regression"
    features = as_count(name, "features", features, 2)
    condition = as_number(name, "condition", condition, "[1, 1e6]")
    noise = as_number(name, "noise", noise, "[0, inf)")
    rng = np.random.default_rng(seed)
    train, test = _shuffled_parts(name, as_count(name, "samples", samples, 2), test_share, rng)
    if len(train) <= features:
        raise ValueError(
            f"{name}: the training part has {len(train)} samples for {features} features. "
            "Give more samples than features, or the valley has a flat floor."
        )
    values = np.geomspace(1.0, condition, features)
    values *= features / values.sum()
    values, axes = np.linalg.eigh(random_correlation.rvs(values, random_state=rng))
    root = np.sqrt(values)[:, None] * axes.T
    x = rng.standard_normal((len(train) + len(test), features))
    centred = x[train] - x[train].mean(axis=0)
    x[train] = np.sqrt(len(train)) * np.linalg.qr(centred)[0]
    x = x @ root
    signal = x @ rng.standard_normal((features, 1))
    y = signal + noise * signal[train].std() * rng.standard_normal(signal.shape)
    return _standardised(x, y, train, test)


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


def _classification(name: str, load: Any, seed: int, test_share: float) -> Split:
    x, y = load(return_X_y=True)
    return _split_by_class(name, x, y, seed, test_share)


def _split_by_class(name: str, x: Array, y: Array, seed: int, test_share: float) -> Split:
    """Keep the same share of each class for testing."""
    share = as_number(name, "test_share", test_share, "(0, 1)")
    return _standardised(x, y, *_stratified(y, share, np.random.default_rng(seed)))


def _standardised(x: Array, y: Array, train: Array, test: Array) -> Split:
    """Split, and standardise with the moments of the training part; floating targets too."""
    x_train, moments = standardize(x[train])
    x_test, _ = standardize(x[test], moments)
    y_train, y_test = y[train], y[test]
    if y.dtype.kind == "f":
        y_train, moments = standardize(y_train)
        y_test, _ = standardize(y_test, moments)
    return Split(x_train, y_train, x_test, y_test)


def _shuffled_parts(
    name: str, n: int, test_share: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    share = as_number(name, "test_share", test_share, "(0, 1)")
    order, cut = rng.permutation(n), round(share * n)
    return order[cut:], order[:cut]


def _stratified(labels: Array, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return indices of two parts, the second with this share of each label, both shuffled."""
    train, test = [], []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cut = round(share * len(members))
        test.append(members[:cut])
        train.append(members[cut:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))
