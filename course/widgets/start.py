"""Live figures of unit 00: a batch with its mean and variance, and a real training run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import matplotlib as mpl
import numpy as np

from course._arrays import Array
from course.data import digits
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer, sgd
from course.training import train
from course.widgets._live import LiveFigure, canvas, choice, slider
from course.widgets.style import COLORS, STYLE

__all__ = [
    "EPOCHS",
    "RATES",
    "VARIANCES",
    "Snapshot",
    "batch_explorer",
    "digits_run",
    "run_explorer",
]

RATES = {"0.001": "0.001, too small", "0.1": "0.1, about right", "1.8": "1.8, too large"}
EPOCHS, HIDDEN, ACROSS = 12, 32, 4
"""Of the run: its epochs, its hidden units, and how many of these lie side by side in a picture."""

HISTOGRAMS = {
    "activations/hidden": "activations of the hidden layer",
    "weights/hidden": "weights of the hidden layer",
    "gradients/hidden": "gradients of these weights",
}
_MOST, _BINS = 40, 40
VARIANCES = (2.0, 0.5)
"""Of the two features in `batch_explorer`."""


# --- a batch ---------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _batch(seed: int) -> Array:
    """Return samples with two features; a smaller batch is the beginning of a larger one."""
    return np.random.default_rng(seed).standard_normal((_MOST, 2)) * np.sqrt(VARIANCES)


@mpl.rc_context(STYLE)
def batch_explorer() -> LiveFigure:
    """A batch of samples, its mean and its variance by 1/N and by 1/(N − 1)."""
    figure, (batch_axes, variance_axes) = canvas(9.4, 3.8, (1.3, 1.0))
    (dots,) = batch_axes.plot([], [], color=COLORS[0], marker="o", markersize=7, linestyle="")
    (moved,) = batch_axes.plot([], [], color="black", marker="D", markersize=9, linestyle="")
    (across,) = batch_axes.plot([], [], color=COLORS[1], linewidth=3)
    (up,) = batch_axes.plot([], [], color=COLORS[1], linewidth=3.5)
    batch_axes.set(
        xlim=(-9, 9), ylim=(-3.2, 5), xlabel="feature 1", ylabel="feature 2", title="the batch"
    )
    batch_axes.legend(
        [dots, moved, across],
        ["a sample", "the one you move", "mean ± √variance"],
        loc="upper left",
        ncols=2,
    )
    (by_n,) = variance_axes.plot([], [], color=COLORS[0])
    (by_less,) = variance_axes.plot([], [], color=COLORS[1], linestyle="--")
    (here,) = variance_axes.plot([], [], color="black", marker="o", markersize=9, linestyle="")
    variance_axes.plot([0, _MOST + 1], [VARIANCES[0]] * 2, color="0.5", linestyle=":")
    variance_axes.set(
        xlim=(0, _MOST + 1),
        ylim=(0.02, 100),
        yscale="log",
        xlabel="batch size N",
        ylabel="variance of feature 1 (log)",
        title="as the batch grows",
    )
    variance_axes.legend(
        [by_n, by_less, here, variance_axes.lines[-1]],
        ["1/N", "1/(N − 1)", "this batch, 1/N", "of all there is"],
        loc="upper right",
        ncols=2,
    )

    def draw(samples: int, shift: float, seed: int) -> str:
        x = _batch(seed).copy()
        x[0, 0] += shift  # the first sample, which a batch of any size has
        batch = x[:samples]
        mean, variance = batch.mean(axis=0), batch.var(axis=0)
        root = np.sqrt(variance)
        dots.set_data(*batch[1:].T)
        moved.set_data(*batch[:1].T)
        across.set_data([mean[0] - root[0], mean[0] + root[0]], [mean[1]] * 2)
        up.set_data([mean[0]] * 2, [mean[1] - root[1], mean[1] + root[1]])
        sizes = np.arange(2, _MOST + 1)
        grown = np.array([x[:size, 0].var() for size in sizes])
        by_n.set_data(sizes, grown)
        by_less.set_data(sizes, grown * sizes / (sizes - 1))
        here.set_data([samples], variance[:1])
        return (
            f"N = {samples}. Feature 1: mean {mean[0]:.2f}, variance {variance[0]:.2f} with 1/N, "
            f"{variance[0] * samples / (samples - 1):.2f} with 1/(N − 1). "
            f"Feature 2: mean {mean[1]:.2f}, variance {variance[1]:.2f}."
        )

    return LiveFigure(
        "a batch, its mean and its variance",
        figure=figure,
        moving=(dots, moved, across, up, by_n, by_less, here),
        controls={
            "samples": slider("batch size N", 8, 2, _MOST, 1),
            "shift": slider("move one by", 0.0, -6.0, 6.0, 0.5),
            "seed": slider("draw no.", 0, 0, 20, 1),
        },
        draw=draw,
    )


# --- a training run --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What is seen of a network after an epoch, by the tags that a log gives it.

    A tag stands for one kind of value: TensorBoard drops what comes under it as another kind.
    """

    scalars: dict[str, float]
    histograms: dict[str, Array]
    images: dict[str, Array]


def digits_run(
    lr: float, on_epoch: Callable[[int, Snapshot], None] | None = None
) -> tuple[Snapshot, ...]:
    """Train a small network on the digits and look at it before and after each epoch.

    Args:
        lr: the rate of gradient descent.
        on_epoch: is called at once with each epoch and what was seen, to log it.

    Returns:
        A snapshot of the network before training, and one for each of `EPOCHS` epochs.
    """
    data, rng = digits(), np.random.default_rng(0)
    hidden, relu = Linear(64, HIDDEN, rng), ReLU()
    network = Sequential(hidden, relu, Linear(HIDDEN, 10, rng))
    optimizer = Optimizer(sgd, network.params, lr=lr)
    at_first, seen = hidden.params[0].copy(), list[Snapshot]()
    for epoch in range(EPOCHS + 1):
        history = train(network, optimizer, data, epochs=min(epoch, 1), batch_size=32, rng=rng)
        with np.errstate(over="ignore", invalid="ignore"):
            logits = network.forward(data.x_train, training=True)
            network.backward(cross_entropy_grad(logits, data.y_train))
            activations = relu.forward(hidden.forward(data.x_test))
        weights = hidden.params[0].copy()
        snapshot = Snapshot(
            scalars={
                "loss/train": float(history.train_loss[-1]),
                "loss/test": float(history.test_loss[-1]),
                "accuracy/test": float(history.test_accuracy[-1]),
            },
            histograms={
                "activations/hidden": activations,
                "weights/hidden": weights,
                "gradients/hidden": hidden.grads[0],
            },
            images={"changes/hidden": side_by_side(weights - at_first)},
        )
        seen.append(snapshot)
        if on_epoch is not None:
            on_epoch(epoch, snapshot)
    return tuple(seen)


def side_by_side(weights: Array) -> Array:
    """Return the columns of weights as 8 x 8 pixels each, all in one picture with gaps of 0."""
    down = weights.shape[1] // ACROSS
    units = np.pad(weights.T.reshape(down, ACROSS, 8, 8), ((0, 0), (0, 0), (0, 1), (0, 1)))
    return units.transpose(0, 2, 1, 3).reshape(9 * down, 9 * ACROSS)[:-1, :-1]


@lru_cache(maxsize=len(RATES))
def _run(lr: str) -> tuple[Snapshot, ...]:
    return digits_run(float(lr))


@mpl.rc_context(STYLE)
def run_explorer() -> LiveFigure:
    """A training run by epochs: losses, a histogram, and what has changed in the weights."""
    for rate in RATES:
        _run(rate)  # a menu shall not wait for it
    figure, (loss_axes, count_axes, weight_axes) = canvas(9.8, 3.9, (1.0, 1.0, 0.55))
    (train_loss,) = loss_axes.plot([], [], color=COLORS[0], marker="o")
    (test_loss,) = loss_axes.plot([], [], color=COLORS[1], linestyle="--", marker="s")
    (before,) = count_axes.plot([], [], color="0.5", linestyle="--", drawstyle="steps-mid")
    (counts,) = count_axes.plot([], [], color=COLORS[2], drawstyle="steps-mid")
    picture = weight_axes.imshow(
        np.zeros((9 * HIDDEN // ACROSS - 1, 9 * ACROSS - 1)), cmap="PuOr", vmin=-1, vmax=1
    )
    count_axes.legend([before, counts], ["before", "now"], loc="upper right")
    weight_axes.grid(visible=False)
    weight_axes.set(
        xticks=[],
        yticks=[],
        xlabel="4 units across",
        ylabel="8 units down",
        title="changes",
    )

    def scene(lr: str, what: str) -> None:
        run = _run(lr)
        losses = [seen.scalars["loss/test"] for seen in run]
        losses += [seen.scalars["loss/train"] for seen in run]
        loss_axes.set(
            xlim=(-0.4, EPOCHS + 0.4),
            ylim=(min(losses) / 2, 8 * max(losses)),
            yscale="log",
            xlabel="epoch",
            ylabel="loss (log)",
            title="losses",
        )
        side = "left" if losses[-1] > losses[0] else "right"
        loss_axes.legend([train_loss, test_loss], ["training", "test"], loc=f"upper {side}")
        low, high = _range(lr, what)
        count_axes.set(
            xlim=(low, high),
            ylim=(0.5, 30 * run[0].histograms[what].size),
            yscale="log",
            xlabel=what.split("/")[0],
            ylabel="how many (log)",
            title="histogram",
        )
        count_axes.locator_params(axis="x", nbins=4)

    def draw(lr: str, what: str, epoch: int) -> str:
        run = _run(lr)
        seen, epochs = run[epoch], np.arange(epoch + 1)
        for curve, tag in ((train_loss, "loss/train"), (test_loss, "loss/test")):
            curve.set_data(epochs, [past.scalars[tag] for past in run[: epoch + 1]])
        for line, of in ((before, run[0]), (counts, seen)):
            line.set_data(*_counted(of.histograms[what], *_range(lr, what)))
        image, weights = seen.images["changes/hidden"], seen.histograms["weights/hidden"]
        picture.set_data(image / max(np.abs(image).max(), 1e-9))
        zeros = float(np.mean(seen.histograms["activations/hidden"] == 0))
        losses = ", ".join(
            f"{part} loss {seen.scalars[f'loss/{tag}']:.3g}"
            for part, tag in (("training", "train"), ("test", "test"))
        )
        return (
            f"Epoch {epoch}: {losses}, test accuracy {seen.scalars['accuracy/test']:.0%}. "
            f"{zeros:.0%} of the activations are 0; the largest weight is "
            f"{np.abs(weights).max():.2g}."
        )

    return LiveFigure(
        "a training run",
        figure=figure,
        moving=(train_loss, test_loss, before, counts, picture),
        controls={
            "lr": choice("rate", "0.1", RATES),
            "what": choice("histogram of", "activations/hidden", HISTOGRAMS),
            "epoch": slider("epoch", EPOCHS, 0, EPOCHS, 1),
        },
        draw=draw,
        scene=scene,
        play="epoch",
    )


@lru_cache(maxsize=len(RATES) * len(HISTOGRAMS))
def _range(lr: str, what: str) -> tuple[float, float]:
    """Return the range of the values in all epochs, and a little more."""
    values = [seen.histograms[what] for seen in _run(lr)]
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    edge = 0.05 * (high - low)
    return low - edge, high + edge


def _counted(values: Array, low: float, high: float) -> tuple[Array, Array]:
    """Return the middles of the bins and how many values each holds; none shows below the axis."""
    found, edges = np.histogram(values, bins=_BINS, range=(low, high))
    return (edges[1:] + edges[:-1]) / 2, np.maximum(found, 0.1)
