"""The studies of unit 12, written to `data/` for the lesson.

`make experiments` runs them (some minutes): how far the batch can grow and what the rate must do
then, how many steps a loss takes at each batch size, and how long messages and whole steps take
between real processes on this machine.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from course import optimizers, parallel, schedulers
from course.data import Split, batches, digits
from course.layers import Layer, Linear, ReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad
from course.optimizers import Optimizer
from course.studies import write_study
from course.training import History, train

SAMPLES = 1024  # a power of two: every batch is full
BATCH_SIZES, FIRST_BATCH = (32, 128, 256, 512, 1024), 32
LAYERS, WIDTH, EPOCHS, WARM_EPOCHS = 3, 64, 20, 4
RATES = {
    "momentum": tuple(2.0**power for power in range(-7, 1)),
    "adam": tuple(2.0**power for power in range(-11, -3)),
}
CHOICE_SEEDS, SEEDS = range(100, 102), range(8)
SCALINGS = {"kept": 0.0, "sqrt": 0.5, "linear": 1.0}
WIDTHS, SIZES, SPEED_BATCH, REPEATS = (32, 128, 512, 1024), (1, 2, 4), 1024, 15
ROUNDS = 4
MESSAGES = (64, 1_000, 10_000, 100_000, 1_000_000, 4_000_000)
STEP_BATCHES, TARGET, MOST_STEPS = tuple(2**k for k in range(3, 11)), 0.1, 1500
STEP_RATES, STEP_CHOICE_SEEDS = tuple(2.0**power for power in range(-9, 1)), range(100, 105)
DATA = Path(__file__).parent / "data"
NETWORK = f"64-{'-'.join([str(WIDTH)] * LAYERS)}-10; ReLU; He normal"


def network_of(rng: np.random.Generator) -> Sequential:
    """Return the network of all studies here: that of the warm-up study of unit 04."""
    layers: list[Layer] = [Linear(64, WIDTH, rng), ReLU()]
    for _ in range(LAYERS - 1):
        layers += [Linear(WIDTH, WIDTH, rng), ReLU()]
    return Sequential(*layers, Linear(WIDTH, 10, rng))


def training_part(seed: int, held_back: bool) -> Split:
    """Return the first `SAMPLES` of a split's training part, with the others or the test part."""
    data = digits(seed)
    x, y = data.x_train, data.y_train
    if held_back:
        return Split(x[:SAMPLES], y[:SAMPLES], x[SAMPLES:], y[SAMPLES:])
    return Split(x[:SAMPLES], y[:SAMPLES], data.x_test, data.y_test)


# --- the batch and the rate ------------------------------------------------------------------


def run(rule: str, batch: int, lr: float, warm: int, seed: int, held_back: bool = False) -> History:
    """Train one network, the rate raised evenly over so many epochs at the start."""
    rng = np.random.default_rng(seed)
    network = network_of(rng)

    def flat(t: float) -> float:
        return lr

    return train(
        network,
        Optimizer(getattr(optimizers, rule), network.params, lr=lr),
        training_part(seed, held_back),
        epochs=EPOCHS,
        batch_size=batch,
        rng=rng,
        schedule=schedulers.warmup(flat, steps=warm * SAMPLES // batch) if warm else flat,
    )


def choose(rule: str, batch: int, warm: int) -> float:
    """Return the rate of lowest mean loss on data held back."""

    def score(lr: float) -> float:
        seen = (run(rule, batch, lr, warm, seed, held_back=True) for seed in CHOICE_SEEDS)
        return float(np.mean([history.test_loss[-1] for history in seen]))

    return min(RATES[rule], key=score)


def compare_batches() -> Iterator[tuple[object, ...]]:
    """Yield the final scores for every optimizer, batch size, way to set the rate, and seed."""
    for rule in RATES:
        first = choose(rule, FIRST_BATCH, 0)
        for batch in BATCH_SIZES:
            times = batch / FIRST_BATCH
            scaled = {name: first * times**power for name, power in SCALINGS.items() if times > 1}
            for warm in (0, WARM_EPOCHS):
                for name, lr in (scaled | {"chosen": choose(rule, batch, warm)}).items():
                    for seed in SEEDS:
                        seen = run(rule, batch, lr, warm, seed)
                        end = (seen.train_loss[-1], seen.test_accuracy[-1])
                        yield rule, batch, name, warm, lr, seed, *end
            print(rule, batch, flush=True)


# --- steps to a loss -------------------------------------------------------------------------


def steps_needed(batch: int, lr: float, seed: int) -> int:
    """Return after how many steps the training loss is at most `TARGET`, or `MOST_STEPS`."""
    rng = np.random.default_rng(seed)
    network, data = network_of(rng), training_part(seed, held_back=True)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)
    every, done = max(1, 64 // batch), 0  # the small batches need many steps: look less often
    with np.errstate(over="ignore", invalid="ignore"):
        while done < MOST_STEPS:
            for chosen in batches(SAMPLES, batch, rng):
                output = network.forward(data.x_train[chosen])
                network.backward(cross_entropy_grad(output, data.y_train[chosen]))
                optimizer.step(network.grads)
                done += 1
                if done % every == 0:
                    loss = cross_entropy(network.forward(data.x_train), data.y_train)
                    if loss <= TARGET:
                        return done
                    if not np.isfinite(loss):
                        return MOST_STEPS
    return MOST_STEPS


def compare_steps() -> Iterator[tuple[object, ...]]:
    """Yield the steps that each batch size takes at its own best rate, and each seed."""
    for batch in STEP_BATCHES:
        needed = {
            lr: np.mean([steps_needed(batch, lr, seed) for seed in STEP_CHOICE_SEEDS])
            for lr in STEP_RATES
        }
        lr = min(needed, key=needed.__getitem__)
        for seed in SEEDS:
            yield batch, lr, seed, steps_needed(batch, lr, seed)
        print(batch, lr, needed[lr], flush=True)


# --- messages and steps between real processes -----------------------------------------------


def messages(channel: parallel.Channel) -> dict[int, float]:
    """Return the seconds that a message of so many bytes takes: half of there and back."""
    seconds = {}
    for n_bytes in MESSAGES:
        x, taken = np.zeros(n_bytes // 4, np.float32), []
        for _ in range(REPEATS):
            start = time.perf_counter()
            if channel.rank == 0:
                channel.send(x, 1)
                channel.recv(1)
            else:
                channel.send(channel.recv(0), 0)
            taken.append((time.perf_counter() - start) / 2)
        seconds[n_bytes] = min(taken)
    return seconds


def steps(channel: parallel.Channel, width: int, collective: str) -> tuple[float, float]:
    """Return the seconds of a whole step and of its computing alone, the least of all repeats."""
    rng = np.random.default_rng(0)
    like = np.zeros(0, np.float32)
    layers: list[Layer] = [
        Linear(64, width, rng, like=like),
        ReLU(),
        Linear(width, width, rng, like=like),
    ]
    network = Sequential(*layers, ReLU(), Linear(width, 10, rng, like=like))
    data = digits()
    x = parallel.shard(data.x_train[:SPEED_BATCH], channel.rank, channel.size).astype(np.float32)
    y = parallel.shard(data.y_train[:SPEED_BATCH], channel.rank, channel.size)
    optimizer = Optimizer(optimizers.sgd, network.params, lr=0.01)
    all_reduce = ALL_REDUCES[collective]
    whole, computing = [], []
    for _ in range(REPEATS):
        parallel.ring_all_reduce(channel, np.zeros(channel.size))  # all begin together
        start = time.perf_counter()
        network.backward(cross_entropy_grad(network.forward(x), y))
        grads = [grad for grad in network.grads if grad is not None]
        computed = time.perf_counter()
        if channel.size > 1:
            grads = parallel.average_gradients(channel, grads, len(x), all_reduce)
        optimizer.step(grads)
        whole.append(time.perf_counter() - start)
        computing.append(computed - start)
    return min(whole), min(computing)


def gloo_all_reduce(channel: parallel.Channel, x: Any) -> Any:
    """Let torch.distributed add up."""
    import torch
    from torch import distributed

    total = torch.from_numpy(x.copy())
    distributed.all_reduce(total)
    return total.numpy()


ALL_REDUCES: dict[str, Any] = {
    "ring": parallel.ring_all_reduce,
    "central": parallel.central_all_reduce,
    "gloo": gloo_all_reduce,
}


def as_rank(rank: int, size: int, folder: str) -> None:
    """Be one of the processes; rank 0 writes down what it has measured."""
    import torch

    torch.set_num_threads(1)
    seen: dict[str, Any] = {"steps": {}}
    where = f"file://{folder}-{size}.meet"
    with parallel.connect(rank=rank, size=size, backend="gloo", init_method=where) as channel:
        if size == 2:
            seen["messages"] = messages(channel)
        for width in WIDTHS:
            for collective in ALL_REDUCES if size > 1 else ("ring",):
                seen["steps"][f"{width} {collective}"] = steps(channel, width, collective)
    if rank == 0:
        Path(f"{folder}-{size}.json").write_text(json.dumps(seen))


def measure() -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return the rows of both tables: the least of all rounds, as other work only adds to it."""
    import torch.multiprocessing as processes

    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # NumPy's, in new processes
    links: dict[int, float] = {}
    rows: dict[tuple[int, int, str], tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn, size in product(range(ROUNDS), SIZES):
            processes.spawn(as_rank, (size, f"{folder}/{turn}"), nprocs=size)
            seen = json.loads(Path(f"{folder}/{turn}-{size}.json").read_text())
            for n_bytes, taken in seen.get("messages", {}).items():
                links[int(n_bytes)] = min(taken, links.get(int(n_bytes), np.inf))
            for name, times in seen["steps"].items():
                width, collective = name.split()
                key = int(width), size, collective
                rows[key] = min(tuple(times), rows.get(key, (np.inf, np.inf)))
    return (
        [(n_bytes, 1e6 * taken) for n_bytes, taken in links.items()],
        [
            (width, network_bytes(width), size, collective, 1e3 * whole, 1e3 * computing)
            for (width, size, collective), (whole, computing) in rows.items()
        ],
    )


def network_bytes(width: int) -> int:
    """Return the bytes of all gradients of the network that `steps` trains, in float32."""
    return 4 * (65 * width + (width + 1) * (width + 10))


def write_speed() -> None:
    """Measure messages and steps between processes of this machine, and write both tables."""
    links, rows = measure()
    machine = (
        f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}; torch "
        f"{version('torch')}, gloo; one thread a process; the least of {ROUNDS * REPEATS} repeats"
    )
    write_study(
        DATA / "messages.csv",
        (
            "Microseconds of a message between two processes over a TorchChannel: half of there and "
            "back, float32 arrays of NumPy.",
            machine,
        ),
        ("n_bytes", "microseconds"),
        links,
    )
    write_study(
        DATA / "speed.csv",
        (
            "Milliseconds of a data-parallel step, and of its computing alone, on rank 0.",
            f"digits, batch of {SPEED_BATCH} shared by all ranks, network 64-width-width-10 in "
            "float32; n_bytes: the gradients'; gloo: torch.distributed's own all_reduce",
            machine,
        ),
        ("width", "n_bytes", "size", "collective", "milliseconds", "computing"),
        rows,
    )


# --- writing ---------------------------------------------------------------------------------


def write_batches() -> None:
    """Compare batch sizes and rates, and write their table."""
    rates = {rule: (tried[0], tried[-1]) for rule, tried in RATES.items()}
    write_study(
        DATA / "batches.csv",
        (
            f"The batch size and the rate, seeds {SEEDS[0]} to {SEEDS[-1]}.",
            f"digits, {SAMPLES} samples to train on; network {NETWORK}; {EPOCHS} epochs; warm: epochs "
            "over which the rate is raised evenly",
            f"kept, sqrt, linear: the rate chosen for {FIRST_BATCH} samples, scaled; chosen: the rate "
            f"of lowest mean loss on the 414 samples held back, seeds {CHOICE_SEEDS[0]} to "
            f"{CHOICE_SEEDS[-1]}, of the powers of two between these: {rates}",
        ),
        ("rule", "batch", "rate", "warm", "lr", "seed", "train_loss", "test_accuracy"),
        list(compare_batches()),
    )


def write_steps() -> None:
    """Count the steps to a loss and write their table."""
    write_study(
        DATA / "steps.csv",
        (
            f"Steps until the training loss is {TARGET}, seeds {SEEDS[0]} to {SEEDS[-1]}.",
            f"digits, {SAMPLES} samples; network {NETWORK}; momentum 0.9; the rate of fewest steps on "
            f"average, seeds {STEP_CHOICE_SEEDS[0]} to {STEP_CHOICE_SEEDS[-1]}, of the powers of two "
            f"from {STEP_RATES[0]:g} to {STEP_RATES[-1]:g}; {MOST_STEPS}: not reached",
        ),
        ("batch", "lr", "seed", "steps"),
        list(compare_steps()),
    )


if __name__ == "__main__":
    write_batches()
    write_steps()
    write_speed()
