"""The studies of unit 11 over many seeds, written to `data/` for the lesson.

`make experiments` runs them (some minutes on one core): layers of a donor reused on a new task,
layers learned without labels, and what the rate does to reused layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from course._arrays import Array
from course.data import Split, digits
from course.layers import Sequential
from course.reuse import freeze, unfreeze
from course.studies import write_study
from course.widgets.reuse import (
    DEPTH,
    PRETRAINING,
    TASKS,
    accuracy,
    body,
    dense,
    few_labels,
    fit,
    new_network,
    train_donor,
)

LABELS = (10, 30, 100, 500)
STEPS = 250
RATES = (0.0003, 0.001, 0.003, 0.01)  # where everything learns from the start
HEAD_RATES = (0.003, 0.01, 0.03)
RELEASE_RATES = (0.0001, 0.0005, 0.002, 0.008)
CHOICE_SEEDS, SEEDS = range(100, 102), range(8)
DATA = Path(__file__).parent / "data"


class Way:
    """How a network is made from given layers, and which of them learn when.

    Args:
        copied: how many hidden layers come from the donor; the others are new.
        released: how many of those learn in the second half of the steps, from the top; ``None``
            lets everything learn from the start.
    """

    def __init__(self, copied: int, released: int | None) -> None:
        self.copied, self.released = copied, released

    @property
    def rates(self) -> Sequence[float]:
        """The rates to choose from; of released layers, the rate of the second half."""
        if self.released is None:
            return RATES
        return RELEASE_RATES if self.released else HEAD_RATES

    def play(
        self, donor: Sequential, data: Split, labels: int, lr: float, first: float, seed: int
    ) -> float:
        """Train on so many labels and return the accuracy on the test part."""
        rng = np.random.default_rng([seed, 1])
        chosen = few_labels(data.y_train, labels, np.random.default_rng([seed, labels]))
        x, y = data.x_train[chosen], data.y_train[chosen]
        network = new_network(donor, self.copied, int(data.y_train.max()) + 1, rng)
        if self.released is None:
            fit(network, x, y, lr=lr, steps=STEPS, rng=rng)
        else:
            freeze(network, range(2 * self.copied))
            if self.released:
                fit(network, x, y, lr=first, steps=STEPS // 2, rng=rng)
                unfreeze(network, range(2 * (self.copied - self.released), 2 * self.copied))
                fit(network, x, y, lr=lr, steps=STEPS // 2, rng=rng)
            else:
                fit(network, x, y, lr=lr, steps=STEPS, rng=rng)
        return accuracy(network, data.x_test, data.y_test)


def choose(way: Way, worlds: list[tuple[Sequential, Split]], labels: int, first: float) -> float:
    """Return the rate with the highest mean accuracy on data held back."""

    def score(lr: float) -> float:
        runs = zip(CHOICE_SEEDS, worlds, strict=True)
        return float(np.mean([way.play(*world, labels, lr, first, seed) for seed, world in runs]))

    return max(way.rates, key=score)


def compare(
    ways: dict[str, Way],
    choosing: list[tuple[Sequential, Split]],
    worlds: list[tuple[Sequential, Split]],
) -> Iterator[tuple[object, ...]]:
    """Yield way, labels, rate, seed and test accuracy; a way `released-k` starts as `frozen-k`."""
    for labels in LABELS:
        chosen: dict[int, float] = {}
        for name, way in ways.items():
            lr = choose(way, choosing, labels, chosen.get(way.copied, 0.0))
            if way.released == 0:
                chosen[way.copied] = lr
            for seed, world in zip(SEEDS, worlds, strict=True):
                seen = way.play(*world, labels, lr, chosen.get(way.copied, 0.0), seed)
                yield name, labels, lr, seed, seen


COPIED = range(1, DEPTH + 1)
REUSED = (
    {f"frozen-{k}": Way(k, 0) for k in COPIED}
    | {f"released-{k}": Way(k, k) for k in COPIED}
    | {f"top-{j}": Way(DEPTH, j) for j in range(1, DEPTH)}
    | {"at-once": Way(DEPTH, None)}
)
UNTAUGHT = {"scratch": Way(DEPTH, None)} | {f"random-{k}": Way(k, 0) for k in COPIED}


def random_body(seed: int) -> Sequential:
    """Return layers that have learned nothing."""
    return Sequential(*body(np.random.default_rng([seed, 3])))


def write_transfer() -> None:
    """Reuse a donor's layers on each new task and write the table."""
    rows: list[tuple[object, ...]] = []
    for task, split in TASKS.items():
        for ways, is_taught in ((UNTAUGHT, False), (REUSED, True)):
            worlds: list[list[tuple[Sequential, Split]]] = []
            for seeds, is_choice in ((CHOICE_SEEDS, True), (SEEDS, False)):
                worlds.append([])
                for seed in seeds:
                    data = digits(seed).hold_back() if is_choice else digits(seed)
                    old, new = split(data)
                    taught = np.random.default_rng([seed, 2])
                    donor = train_donor(old, taught) if is_taught else random_body(seed)
                    worlds[-1].append((donor, new))
            rows += [(task, *row) for row in compare(ways, *worlds)]
    write_study(
        DATA / "transfer.csv",
        (
            f"A donor's hidden layers on a new task by number of labels, seeds {SEEDS[0]} to "
            f"{SEEDS[-1]}.",
            "odd: donor on the ten digits of one half of the training part, new task odd or even on "
            "the other half; shifted: the same donor, new task the ten digits of the other half, "
            "moved by one pixel; other: donor on the digits 0 to 4, new task 5 to 9",
            "k hidden layers copied, the others new; frozen-k: they stay; released-k: all of them "
            "learn in the second half; top-j: three copied and the upper j released; at-once: "
            "three copied and everything learns from the start; random-k: frozen and never taught",
            about(),
        ),
        ("task", "way", "labels", "lr", "seed", "test_accuracy"),
        rows,
    )


def linear(data: Split, labels: int, lr: float, seed: int) -> float:
    """Return the test accuracy of a softmax regression on the pixels."""
    rng = np.random.default_rng([seed, 1])
    chosen = few_labels(data.y_train, labels, np.random.default_rng([seed, labels]))
    network = Sequential(dense(10, rng))
    fit(network, data.x_train[chosen], data.y_train[chosen], lr=lr, steps=STEPS, rng=rng)
    return accuracy(network, data.x_test, data.y_test)


def write_pretraining() -> None:
    """Learn layers without labels, use them with few, and write the table."""
    held = [digits(seed).hold_back() for seed in CHOICE_SEEDS]
    whole = [digits(seed) for seed in SEEDS]
    rows: list[tuple[object, ...]] = []
    for labels in LABELS:
        lr = max(
            HEAD_RATES,
            key=lambda lr: np.mean(
                [
                    linear(data, labels, lr, seed)
                    for seed, data in zip(CHOICE_SEEDS, held, strict=True)
                ]
            ),
        )
        for seed, data in zip(SEEDS, whole, strict=True):
            rows.append(("pixels", "frozen", labels, lr, seed, linear(data, labels, lr, seed)))
    taught = {"frozen": Way(DEPTH, 0), "released": Way(DEPTH, DEPTH)}
    for source in ("none", *PRETRAINING):
        worlds = [
            [
                (encoder(source, data.x_train, seed), data)
                for seed, data in zip(seeds, splits, strict=True)
            ]
            for seeds, splits in ((CHOICE_SEEDS, held), (SEEDS, whole))
        ]
        ways = (
            taught if source != "none" else {"frozen": Way(DEPTH, 0), "at-once": Way(DEPTH, None)}
        )
        rows += [(source, *row) for row in compare(ways, *worlds)]
    write_study(
        DATA / "pretraining.csv",
        (
            f"Hidden layers learned without labels, then used with few, seeds {SEEDS[0]} to "
            f"{SEEDS[-1]}.",
            "pretraining sees the images of the training part (of its kept part where a rate is "
            "chosen), no label, and nothing of the test part: 40 epochs of batches of 32",
            "frozen: only a new head learns; released: all layers in the second half; at-once: all "
            "from the start; pixels: a softmax regression without hidden layers",
            about(),
        ),
        ("source", "way", "labels", "lr", "seed", "test_accuracy"),
        rows,
    )


def encoder(source: str, x: Array, seed: int) -> Sequential:
    """Return the layers that a source gives."""
    if source == "none":
        return random_body(seed)
    return PRETRAINING[source](x, np.random.default_rng([seed, 2]))


def distance(network: Sequential, donor: Sequential, x: Array) -> float:
    """Return how far the features are from the donor's, in units of their length."""
    now, before = (Sequential(*n.layers[: 2 * DEPTH]).forward(x) for n in (network, donor))
    return float(np.linalg.norm(now - before) / np.linalg.norm(before))


DANGER_LABELS, DANGER_RATES = 30, (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)


def write_rates() -> None:
    """Train reused layers with rates from too small to too large and write the table."""
    rows: list[tuple[object, ...]] = []
    for seed in SEEDS:
        old, new = TASKS["odd"](digits(seed))
        donor = train_donor(old, np.random.default_rng([seed, 2]))
        chosen = few_labels(new.y_train, DANGER_LABELS, np.random.default_rng([seed, 0]))
        x, y = new.x_train[chosen], new.y_train[chosen]
        for way, head_steps in (("at-once", 0), ("head-first", STEPS // 2)):
            for lr in DANGER_RATES:
                moved = []
                for steps in (10, STEPS - head_steps):
                    rng = np.random.default_rng([seed, 1])
                    network = new_network(donor, DEPTH, 2, rng)
                    if head_steps:
                        freeze(network, range(2 * DEPTH))
                        fit(network, x, y, lr=0.01, steps=head_steps, rng=rng)
                        unfreeze(network)
                    fit(network, x, y, lr=lr, steps=steps, rng=rng)
                    moved.append(distance(network, donor, new.x_test))
                seen = accuracy(network, new.x_test, new.y_test)
                rows.append((way, lr, seed, *moved, seen))
    write_study(
        DATA / "rates.csv",
        (
            f"What the rate does to three reused layers, seeds {SEEDS[0]} to {SEEDS[-1]}.",
            f"odd or even, {DANGER_LABELS} labels, Adam, {STEPS} steps in all; "
            f"head-first: the first {STEPS // 2} for a new head alone, at 0.01",
            "moved: how far the features of the test part are from the donor's, in units of their "
            "length, 10 steps after the layers were released, and at the end",
        ),
        ("way", "lr", "seed", "moved_10", "moved", "test_accuracy"),
        rows,
    )


def about() -> str:
    """Return how the networks of a study were trained."""
    return (
        f"digits; three hidden layers of 64 tanh units, Adam, batches of at most 32, {STEPS} steps "
        f"in all; each rate chosen for each number of labels by the accuracy on a fifth of the "
        f"training part, seeds {CHOICE_SEEDS[0]} to {CHOICE_SEEDS[-1]}: from {RATES} where all "
        f"learns, {HEAD_RATES} where layers are frozen, {RELEASE_RATES} after a release"
    )


if __name__ == "__main__":
    write_rates()
    write_transfer()
    write_pretraining()
