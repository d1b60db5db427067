"""What one step of each optimizer costs: our rule on NumPy and on torch, and torch's own loops.

Prints ratios to torch's single-tensor path, all measured in this run, on a GPU too where there is
one. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from course import optimizers
from course._rules import Rule
from course.optimizers import Optimizer

SGD = torch.optim.SGD


def muon_in_float32(params: list[torch.Tensor], **hyper: Any) -> torch.optim.Optimizer:
    """Give torch's Muon, but without its step down to bfloat16, which decides its time."""
    optimizer = torch.optim.Muon(params, **hyper)
    step = optimizer.step

    def float32_step() -> None:
        with patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
            step()

    optimizer.step = float32_step  # type: ignore[method-assign, assignment]
    return optimizer


RULES: dict[str, tuple[dict[str, Any], Callable[..., torch.optim.Optimizer] | None]] = {
    "sgd": ({"lr": 1e-3}, SGD),
    "momentum": ({"lr": 1e-3}, partial(SGD, momentum=0.9)),
    "nesterov": ({"lr": 1e-3}, partial(SGD, momentum=0.9, nesterov=True)),
    "adagrad": ({}, torch.optim.Adagrad),
    "rmsprop": ({}, torch.optim.RMSprop),
    "adam": ({}, torch.optim.Adam),
    "nadam": ({"momentum_decay": 0.004}, torch.optim.NAdam),
    "adamw": ({}, torch.optim.AdamW),
    "amsgrad": ({}, partial(torch.optim.Adam, amsgrad=True)),
    "adamax": ({}, torch.optim.Adamax),
    "adadelta": ({}, torch.optim.Adadelta),
    "lion": ({}, None),
    "muon": ({}, torch.optim.Muon),
    "muon, torch's in float32": ({}, muon_in_float32),
}


def main() -> None:
    """Measure every rule at every size and print one table a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--threads", type=int, help="threads of torch on the CPU")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        for size in arguments.sizes:
            Console().print(table(device, size, arguments.rules))


def table(device: str, size: int, rules: list[str]) -> Table:
    """Give the time of torch's single-tensor step, and all others as multiples of it.

    Where torch has no such rule, the times themselves.
    """
    threads = f"CPU, threads: {torch.get_num_threads()}"
    where = threads if device == "cpu" else torch.cuda.get_device_name()
    title = f"One step on {size:,} float32 ({where}; torch {torch.__version__})"
    ways = ["our NumPy", "our torch eager", "our torch compiled", "torch fused"]
    shown = Table("rule", "torch single", *ways, title=title)
    for name in rules:
        times = measured(name, size, device)
        base = times.get("torch single")
        shown.add_row(name, _cell(base), *(_cell(times.get(way), base) for way in ways))
    return shown


def _cell(seconds: float | None, base: float | None = None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds / base:.2f} ×" if base else f"{1000 * seconds:.2f} ms"


def measured(name: str, size: int, device: str) -> dict[str, float]:
    """Time all ways to make one step of a rule, one after the other."""
    hyper, theirs = RULES[name]
    name = name.partition(",")[0]
    rule: Rule = getattr(optimizers, name)
    rows = 1000 if name == "muon" else 1
    values = np.random.default_rng(0).normal(size=(rows, size // rows)).astype(np.float32)

    def tensor() -> torch.nn.Parameter:
        param = torch.nn.Parameter(torch.tensor(values, device=device))
        param.grad = param.detach().clone()
        return param

    steps: dict[str, Callable[[], object]] = {}
    if device == "cpu":
        on_numpy = Optimizer(rule, [values.copy()], **hyper)
        steps["our NumPy"] = lambda: on_numpy.step([values])
    steps["our torch eager"] = Optimizer(rule, [tensor()], **hyper).step
    steps["our torch compiled"] = Optimizer(rule, [tensor()], compile=True, **hyper).step
    if theirs:
        single = {} if name == "muon" else {"foreach": False}  # Muon has no other path
        steps["torch single"] = theirs([tensor()], lr=1e-3, **single).step
        with suppress(TypeError, RuntimeError):  # not every rule has a fused loop
            steps["torch fused"] = theirs([tensor()], lr=1e-3, fused=True).step
    return best(steps, device)


def best(
    steps: dict[str, Callable[[], object]], device: str, seconds: float = 1.0
) -> dict[str, float]:
    """Return the shortest of many steps of each way, after three that compile and fill caches.

    The shortest, because others' work on the machine only ever makes a step longer; and in turns,
    so that it meets all ways alike.
    """
    for step in steps.values():
        for _ in range(3):
            step()
    shortest = dict.fromkeys(steps, float("inf"))
    for _ in range(10):
        for way, step in steps.items():
            shortest[way] = min(shortest[way], _shortest(step, device, seconds / 10))
    return shortest


def _shortest(step: Callable[[], object], device: str, seconds: float) -> float:
    """Return the shortest of the steps that fit into these seconds, of one at least."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    while not times or time.perf_counter() < until:
        _wait(device)
        start = time.perf_counter()
        step()
        _wait(device)
        times.append(time.perf_counter() - start)
    return min(times)


def _wait(device: str) -> None:
    """Let the GPU finish what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
