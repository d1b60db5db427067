"""The training loop of the lessons: mini-batches, epochs, and what was seen on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from rich.progress import Progress

from course import _checkpoint
from course._arrays import Array
from course._numbers import values_of
from course._tensorboard import TensorBoard
from course.clipping import clip_by_global_norm
from course.data import Split, batches
from course.layers import Layer, TorchModule, walk
from course.losses import cross_entropy, cross_entropy_grad
from course.optimizers import Optimizer
from course.schedulers import EarlyStopping, Plateau

__all__ = ["History", "TensorBoard", "train"]

Scores = tuple[float, float, float]
LossFunction = Callable[[Array, Array], Array]


@dataclass(frozen=True, eq=False)
class History:
    r"""What a network scored before training and after each epoch.

    .. math:: \text{train\_loss}_e = L(θ_e; \text{training part}), \qquad e = 0, 1, ...

    Args:
        train_loss: mean loss on the training part, shape (epochs + 1,).
        test_loss: the same on the test part.
        test_accuracy: the share of the test part that is classified right; NaN for a regression.

    Returns:
        The record; its fields are the arguments.

    Raises:
        ValueError: the three have different lengths.

    Example:
        >>> seen = History(np.array([2.3, 0.5]), np.array([2.3, 0.6]), np.array([0.1, 0.9]))
        >>> seen.diverged, seen.best_epoch
        (False, 1)

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

    @property
    def best_epoch(self) -> int:
        """The first epoch of lowest test loss; early stopping brings its parameters back."""
        return int(np.argmin(self.test_loss))


def train(
    network: Layer,
    optimizer: Optimizer,
    data: Split,
    *,
    epochs: int,
    batch_size: int,
    rng: np.random.Generator,
    loss: tuple[LossFunction, LossFunction] = (cross_entropy, cross_entropy_grad),
    schedule: Callable[[float], float] | Plateau | None = None,
    max_norm: float | None = None,
    patience: int | None = None,
    progress: bool = False,
    log: TensorBoard | None = None,
    checkpoint: str | Path | None = None,
) -> History:
    r"""Train a network with mini-batches: forward, loss, backward, step.

    .. math:: g = \frac{1}{|B|} \sum_{n \in B} ∇ℓ(x_n, y_n; θ), \qquad θ ← \text{rule}(θ, g)

    Training ends early when the loss overflows; it then stands as infinity.

    Args:
        network: a layer; by default it gives logits, shape (samples, classes). Its parameters
            change. Torch modules: `course.layers.TorchModule`. The data moves to the library,
            dtype and device of its parameters.
        optimizer: an `Optimizer` over ``network.params``.
        data: a `Split`. Its test part only scores, unless ``patience`` or a `Plateau` chooses by
            it: then hand over a part of the training data in its place.
        epochs: how often each training sample is visited, at least 0.
        batch_size: B, samples in a batch, at least 1.
        rng: the source of the order of the samples.
        loss: a loss of the network's output and the labels, and its gradient, for example
            ``(mse, mse_grad)``.
        schedule: the rate as a function of the steps done, as in `course.schedulers`, or a fresh
            `Plateau`, which sees the test loss of each epoch; ``None`` leaves ``optimizer.hyper``.
        max_norm: the largest norm of all gradients together; longer ones are shortened.
        patience: stop after so many epochs in a row without a lower test loss, and in any case
            bring back the parameters (and buffers) of the lowest; ``None`` keeps the last ones.
        progress: show a bar.
        log: a `TensorBoard` for losses, accuracy and rate, histograms of parameters and gradients,
            and, of a torch module, the graph. It stays open.
        checkpoint: a file to write after each epoch. Where it exists, training continues from it,
            as if it had never stopped: the network, optimizer and ``rng`` must be made the same way
            as for the first run, and ``epochs`` counts from the very beginning.

    Returns:
        A `History` of ``epochs + 1`` entries, fewer if training diverged or stopped early.

    Raises:
        ValueError: ``epochs`` is negative, the checkpoint does not fit, a `Plateau` that is not
            fresh is to continue; and what the parts raise.

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
    data = _moved(data, network.params[0])
    run = _Run(network, optimizer, rng, schedule, patience)
    steps = -(-len(data.x_train) // batch_size) if batch_size > 0 else 0
    with np.errstate(over="ignore", invalid="ignore"), _bar(progress, epochs * steps) as advance:
        meta = {
            "rule": optimizer.rule.__name__,
            "batch_size": batch_size,
            "early stopping": patience is not None,
        }
        if checkpoint is not None and Path(checkpoint).exists():
            run.load(Path(checkpoint), meta)
        else:
            run.observe(_scores(network, data, loss[0]))
        if log is not None and isinstance(network, TorchModule):
            log.graph(network.module, data.x_train[:1])
        advance(run, run.epoch * steps)
        while run.epoch < epochs and not run.stopped:
            for step, batch in enumerate(batches(len(data.x_train), batch_size, rng)):
                if callable(schedule):
                    optimizer.hyper["lr"] = schedule(run.epoch * steps + step)
                output = network.forward(data.x_train[batch], training=True)
                network.backward(loss[1](output, data.y_train[batch]))
                optimizer.step(_clipped(network.grads, max_norm))
                advance(run, 1)
            run.observe(_scores(network, data, loss[0]))
            if log is not None:
                _write_log(log, run)
            if checkpoint is not None:
                run.save(Path(checkpoint), meta)
    run.restore_best()
    return History(*np.array(run.scores).T)


class _Run:
    """What a run knows at the end of an epoch, on disk and back."""

    def __init__(
        self,
        network: Layer,
        optimizer: Optimizer,
        rng: np.random.Generator,
        schedule: Any,
        patience: int | None,
    ) -> None:
        self.network, self.optimizer = network, optimizer
        self.plateau = schedule if isinstance(schedule, Plateau) else None
        self.generators = _checkpoint.generators_of(network, rng)
        buffers = [b for layer in walk(network) for b in getattr(layer, "buffers", ())]
        self.arrays = [*network.params, *buffers]
        self.stopping = None if patience is None else EarlyStopping(self.arrays, patience=patience)
        self.scores: list[Scores] = []
        self.stopped = False

    @property
    def epoch(self) -> int:
        return len(self.scores) - 1

    def observe(self, scores: Scores) -> None:
        """Take the scores of an epoch, and let the schedule and early stopping see them."""
        self.scores.append(scores)
        train_loss, test_loss, _ = scores
        self.stopped = self.epoch > 0 and not np.isfinite(train_loss)
        if self.plateau is not None:
            self.optimizer.hyper["lr"] = self.plateau.update(test_loss)
        if self.stopping is not None:
            self.stopped = self.stopping.update(test_loss) or self.stopped

    def restore_best(self) -> None:
        """Bring back the parameters of the lowest test loss, if early stopping kept them."""
        if self.stopping is not None and self.stopping.best is not None:
            self.stopping.restore()

    def save(self, path: Path, meta: dict[str, Any]) -> None:
        now = [_checkpoint.to_numpy(array) for array in self.arrays]
        groups = {"arrays": now}
        if self.stopping is not None:
            self.restore_best()
            groups["best"] = [_checkpoint.to_numpy(array) for array in self.arrays]
            _checkpoint.write_into(self.arrays, now)
        meta = meta | {"scores": self.scores}
        _checkpoint.save(path, meta, self.optimizer, self.generators, groups)

    def load(self, path: Path, meta: dict[str, Any]) -> None:
        """Bring everything back; what only counts sees all scores again."""
        if self.plateau is not None and self.plateau.best is not None:
            raise ValueError(
                "train: the Plateau has seen a run already. To continue from a checkpoint make "
                "a new one with the same arguments."
            )
        names = ["arrays"] if self.stopping is None else ["arrays", "best"]
        groups = dict.fromkeys(names, self.arrays)
        read, arrays = _checkpoint.load(path, meta, self.optimizer, self.generators, groups)
        _checkpoint.write_into(self.arrays, arrays[names[-1]])  # for early stopping to keep
        for scores in read["scores"]:
            self.observe(tuple(scores))
        _checkpoint.write_into(self.arrays, arrays["arrays"])


def _moved(data: Split, like: Array) -> Split:
    """Bring data to the library and device of the parameters, floating data to their dtype."""
    xp = array_namespace(like)

    def moved(array: Array) -> Array:
        floating = array_namespace(array).isdtype(array.dtype, "real floating")
        return xp.asarray(array, dtype=like.dtype if floating else None, device=device(like))

    return Split(*(moved(a) for a in (data.x_train, data.y_train, data.x_test, data.y_test)))


def _clipped(grads: list[Array | None], max_norm: float | None) -> list[Array | None]:
    present = [grad for grad in grads if grad is not None]
    if max_norm is None or not present:
        return grads
    clipped = iter(clip_by_global_norm(present, max_norm=max_norm)[0])
    return [None if grad is None else next(clipped) for grad in grads]


def _scores(network: Layer, data: Split, loss: LossFunction) -> Scores:
    test_output = network.forward(data.x_test)
    xp = array_namespace(test_output)
    accuracy = float("nan")
    if not xp.isdtype(data.y_test.dtype, "real floating"):
        right = xp.argmax(test_output, axis=1) == data.y_test
        accuracy = int(xp.sum(xp.astype(right, xp.int64))) / len(data.y_test)
    return (
        _finite_or_infinity(loss(network.forward(data.x_train), data.y_train)),
        _finite_or_infinity(loss(test_output, data.y_test)),
        accuracy,
    )


def _finite_or_infinity(loss: Array) -> float:
    number = float(values_of(loss))
    return number if np.isfinite(number) else float("inf")


def _write_log(log: TensorBoard, run: _Run) -> None:
    names = ("loss/train", "loss/test", "accuracy/test")
    for name, value in zip(names, run.scores[-1], strict=True):
        log.scalar(name, value, run.epoch)
    if "lr" in run.optimizer.hyper:
        log.scalar("lr", run.optimizer.hyper["lr"], run.epoch)
    for kind, arrays in (("params", run.network.params), ("grads", run.network.grads)):
        for index, array in enumerate(arrays):
            if array is not None:
                log.histogram(f"{kind}/{index}", array, run.epoch)


@contextmanager
def _bar(shown: bool, total: int) -> Iterator[Callable[[_Run, int], None]]:
    """Give a function that moves the bar on, or one that does nothing."""
    if not shown:
        yield lambda run, steps: None
        return
    with Progress() as bar:
        task = bar.add_task("", total=total)

        def advance(run: _Run, steps: int) -> None:
            what = f"epoch {run.epoch}, test loss {run.scores[-1][1]:.4g}"
            bar.update(task, advance=steps, description=what)

        yield advance
