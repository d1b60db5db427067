"""The training loop of the lessons: mini-batches, epochs, and what was seen on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course._arrays import Array
from course.data import Split, batches
from course.layers import Layer
from course.losses import cross_entropy, cross_entropy_grad
from course.optimizers import Optimizer

__all__ = ["History", "train"]


@dataclass(frozen=True, eq=False)
class History:
    r"""What a network scored before training and after each epoch.

    .. math:: \text{train\_loss}_e = L(θ_e; \text{training part}), \qquad e = 0, 1, ...

    Args:
        train_loss: mean cross-entropy on the training part, shape (epochs + 1,).
        test_loss: the same on the test part.
        test_accuracy: the share of the test part that is classified right.

    Returns:
        The record; its fields are the arguments.

    Raises:
        ValueError: the three have different lengths.

    Example:
        >>> History(np.array([2.3, 0.5]), np.array([2.3, 0.6]), np.array([0.1, 0.9])).diverged
        False

    References:
        Prechelt, *Early Stopping - But When?*, 1998, doi:10.1007/3-540-49430-8_3.

    Who differs:
        Many training loops report the mean of the batch losses seen during an epoch; it mixes the
        parameters of the epoch's beginning with those of its end.
    """

    train_loss: Array
    test_loss: Array
    test_accuracy: Array

    def __post_init__(self) -> None:
        lengths = [len(self.train_loss), len(self.test_loss), len(self.test_accuracy)]
        if len(set(lengths)) != 1:
            raise ValueError(f"History: give one value an epoch for each record, got {lengths}.")

    @property
    def diverged(self) -> bool:
        """Whether the training loss stopped being a number."""
        return not np.isfinite(self.train_loss).all()


def train(
    network: Layer,
    optimizer: Optimizer,
    data: Split,
    *,
    epochs: int,
    batch_size: int,
    rng: np.random.Generator,
) -> History:
    r"""Train a classifier with mini-batches: forward, loss, backward, step.

    .. math:: g = \frac{1}{|B|} \sum_{n \in B} ∇ℓ(x_n, y_n; θ), \qquad θ ← \text{rule}(θ, g)

    Training ends early when the loss overflows; it then stands as infinity.

    Args:
        network: gives logits, shape (samples, classes); its parameters change.
        optimizer: an `Optimizer` over ``network.params``.
        data: a `Split`.
        epochs: how often each training sample is visited, at least 0.
        batch_size: B, samples in a batch, at least 1.
        rng: the source of the order of the samples.

    Returns:
        A `History` of ``epochs + 1`` entries, fewer if training diverged.

    Raises:
        ValueError: ``epochs`` is negative, and what the parts raise.

    Example:
        >>> from course.data import digits
        >>> from course.layers import Linear
        >>> from course.optimizers import adam
        >>> rng = np.random.default_rng(0)
        >>> network = Linear(64, 10, rng)
        >>> seen = train(network, Optimizer(adam, network.params, lr=0.01), digits(),
        ...              epochs=2, batch_size=32, rng=rng)
        >>> bool(seen.test_accuracy[-1] > 0.9)
        True

    References:
        Bottou, Curtis and Nocedal, *Optimization Methods for Large-Scale Machine Learning*, 2018,
        doi:10.1137/16M1080173.

    Who differs:
        Frameworks hide these lines in ``fit``; in torch the loop is written by hand, as here.
    """
    if epochs < 0:
        raise ValueError(f"train: epochs must be at least 0, got {epochs}.")
    with np.errstate(over="ignore", invalid="ignore"):
        scores = [_scores(network, data)]
        for _ in range(epochs):
            for batch in batches(len(data.x_train), batch_size, rng):
                logits = network.forward(data.x_train[batch])
                network.backward(cross_entropy_grad(logits, data.y_train[batch]))
                optimizer.step(network.grads)
            scores.append(_scores(network, data))
            if not np.isfinite(scores[-1][0]):
                break
    return History(*np.array(scores).T)


def _scores(network: Layer, data: Split) -> tuple[float, float, float]:
    test_logits = network.forward(data.x_test)
    return (
        _finite_or_infinity(cross_entropy(network.forward(data.x_train), data.y_train)),
        _finite_or_infinity(cross_entropy(test_logits, data.y_test)),
        float(np.mean(np.argmax(test_logits, axis=1) == data.y_test)),
    )


def _finite_or_infinity(loss: float) -> float:
    return float(loss) if np.isfinite(loss) else float("inf")
