"""The ``course parallel`` command: data-parallel training in processes, and the links between them.

Results go to stdout, all else to stderr; with ``--json`` stdout holds one JSON document.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from course.parallel.lab.links import LinkReport
    from course.parallel.lab.processes import Place
    from course.parallel.lab.settings import Fault, Report, Settings

INTERRUPTED = 130
NPROC = 2

parallel = typer.Typer(
    no_args_is_help=True, help="Train in many processes, and measure what it costs."
)

Backend = Annotated[
    Literal["auto", "gloo", "nccl"],
    typer.Option(
        help="gloo for CPUs, nccl for one GPU a rank; auto takes nccl where each rank can have one."
    ),
]
Timeout = Annotated[float, typer.Option(help="The seconds after which a silent rank is given up.")]
Nodes = Annotated[
    int, typer.Option(help="The number of machines; run the command on each of them.")
]
NodeRank = Annotated[int, typer.Option(help="This machine's number, from 0.")]
Endpoint = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where all machines reach machine 0.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@parallel.command()
def run(
    nproc: Annotated[
        int | None,
        typer.Option(help="Processes on this machine.", show_default=str(NPROC)),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(help="Replicas in one process instead; several can share a GPU."),
    ] = None,
    backend: Backend = "auto",
    collective: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="ring, central, ddp (torch's DistributedDataParallel), or an all_reduce(channel, "
            "x) of your own: FILE.py:NAME or FILE.ipynb:NAME.",
        ),
    ] = "ring",
    optimizer: Annotated[
        str, typer.Option(metavar="RULE", help="A rule of course.optimizers.")
    ] = "momentum",
    lr: Annotated[
        float | None, typer.Option(help="The learning rate.", show_default="the rule's own")
    ] = None,
    epochs: Annotated[int, typer.Option(help="How often each sample is visited.")] = 5,
    batch_size: Annotated[int, typer.Option(help="Samples in a step, of all ranks.")] = 64,
    hidden: Annotated[int, typer.Option(help="Units of the hidden layer.")] = 64,
    seed: Annotated[int, typer.Option(help="Of parameters, split and order.")] = 0,
    timeout: Timeout = 30.0,
    nnodes: Nodes = 1,
    node_rank: NodeRank = 0,
    rdzv_endpoint: Endpoint = "",
    fault: Annotated[
        str,
        typer.Option(
            metavar="RANK:STEP:KIND",
            help="See what happens when a rank fails: KIND is kill, hang, fail or differ.",
        ),
    ] = "",
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Write the trained parameters, arrays of NumPy."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a small network on the digits with K ranks, each with its share of every batch."""
    with _explained():
        from course.parallel.lab.errors import UsageError
        from course.parallel.lab.processes import Place
        from course.parallel.lab.settings import Settings

        settings = Settings(
            collective=collective,
            optimizer=optimizer,
            lr=lr,
            epochs=epochs,
            batch_size=batch_size,
            hidden=hidden,
            seed=seed,
            fault=_fault(fault),
        )
        place = Place(
            NPROC if nproc is None else nproc, backend, timeout, nnodes, node_rank, rdzv_endpoint
        )
        if replicas is not None and (nproc is not None or nnodes > 1):
            raise UsageError("give --nproc (processes) or --replicas (in one process), not both.")
        if save is not None and not save.parent.is_dir():
            raise UsageError(f"--save: there is no folder {save.parent}.")
        if save is not None and save.is_dir():
            raise UsageError(f"--save: {save} is a folder; give the name of a file.")
        with _status(epochs) as seen:
            report = _train(settings, place, replicas, seen)
        if report is not None and save is not None:
            _save(save, report)
    if report is None:
        typer.echo(f"Machine {node_rank} has done its part; machine 0 has the result.", err=True)
    elif as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _show_report(report, Console())


@parallel.command()
def links(
    nproc: Annotated[int, typer.Option(help="Processes on this machine.")] = NPROC,
    backend: Backend = "auto",
    timeout: Timeout = 30.0,
    nnodes: Nodes = 1,
    node_rank: NodeRank = 0,
    rdzv_endpoint: Endpoint = "",
    as_json: Json = False,
) -> None:
    """Measure messages between ranks 0 and 1: the latency and bandwidth of their link."""
    with _explained():
        from course.parallel.lab.processes import Place, measure_link

        report = measure_link(Place(nproc, backend, timeout, nnodes, node_rank, rdzv_endpoint))
    if report is None:
        typer.echo(f"Machine {node_rank} has done its part; machine 0 has the result.", err=True)
    elif as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _show_link(report, Console())


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn an error that a person is meant to read into one line and an exit status."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read as torch is imported
    try:
        import torch  # noqa: F401 - all of this needs it
    except ImportError:
        typer.echo("course: this needs PyTorch, which is not here: pip install torch", err=True)
        raise typer.Exit(1) from None
    from course.parallel.lab.errors import ParallelError

    try:
        yield
    except ParallelError as error:
        typer.echo(f"course: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(error.exit_status) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _train(
    settings: Settings,
    place: Place,
    replicas: int | None,
    seen: Callable[[Mapping[str, Any]], None],
) -> Report | None:
    if replicas is None:
        from course.parallel.lab import processes

        return processes.train(settings, place, seen)
    from course.parallel.lab import replicas as threads

    return threads.train(
        settings, replicas, backend=place.backend, timeout=place.timeout, seen=seen
    )


def _fault(text: str) -> Fault | None:
    from course.parallel.lab.errors import UsageError
    from course.parallel.lab.settings import FAULTS, Fault

    if not text:
        return None
    rank, _, rest = text.partition(":")
    step, _, kind = rest.partition(":")
    if not rank.isdecimal() or not step.isdecimal() or int(step) < 1 or kind not in FAULTS:
        raise UsageError(
            f"--fault must be RANK:STEP:KIND with KIND one of {', '.join(FAULTS)}, such as "
            f"1:7:kill; got {text!r}."
        )
    return Fault(int(rank), int(step), kind)


@contextlib.contextmanager
def _status(epochs: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Show on a terminal how far training is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda epoch: None
        return
    with console.status("starting") as status:

        def show(epoch: Mapping[str, Any]) -> None:
            status.update(f"epoch {epoch['epoch']} of {epochs}: loss {epoch['train_loss']:.4g}")

        yield show


def _save(path: Path, report: Report) -> None:
    import numpy as np

    from course.parallel.lab.errors import ParallelError

    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, *report.parameters)
        unfinished.replace(path)
    except OSError as error:
        raise ParallelError(f"--save: {path} cannot be written: {error.strerror}.") from None


def _show_report(report: Report, console: Console) -> None:
    kind = "replicas" if report.backend == "threads" else "processes"
    console.print(
        f"{report.nproc} {kind}, {report.collective}, {report.backend} on {report.device}: "
        f"{report.n_params:,} parameters, {report.optimizer}, batches of {report.batch_size}"
    )
    table = _table("epoch", "training loss", "test accuracy", "seconds")
    for epoch in report.epochs:
        table.add_row(
            f"{epoch.epoch}",
            f"{epoch.train_loss:.6f}",
            f"{epoch.test_accuracy:.1%}",
            f"{epoch.seconds:.2f}",
        )
    console.print(table)
    if report.bytes_per_step is not None and report.nproc > 1:
        expected: Sequence[int | str] = report.bytes_expected or ["-"] * report.nproc
        table = _table("rank", "bytes sent a step", "by bytes_sent")
        for rank, (sent, theory) in enumerate(zip(report.bytes_per_step, expected, strict=True)):
            table.add_row(f"{rank}", _count(sent), _count(theory))
        console.print(table)
    pace = f"{report.samples_per_second:,.0f} samples a second"
    console.print(f"{_step(report)}; {pace}", soft_wrap=True)


def _step(report: Report) -> str:
    step = f"a step takes {_milliseconds(report.step_seconds)} (median)"
    if report.compute_seconds is None or report.communication_seconds is None:
        return f"{step}; DDP computes and communicates at the same time"
    return (
        f"{step}: {_milliseconds(report.compute_seconds)} to compute, "
        f"{_milliseconds(report.communication_seconds)} to communicate and wait"
    )


def _show_link(report: LinkReport, console: Console) -> None:
    console.print(f"rank 0 to rank 1, {report.backend} on {report.device}, medians of one way")
    table = _table("bytes", "milliseconds", "MB/s")
    for n_bytes, seconds in zip(report.n_bytes, report.seconds, strict=True):
        table.add_row(f"{n_bytes:,}", f"{1e3 * seconds:.4f}", f"{n_bytes / seconds / 1e6:,.1f}")
    console.print(table)
    latency, bandwidth = report.link
    console.print(
        f"the line through them: latency {1e6 * latency:.0f} µs, "
        f"bandwidth {bandwidth / 1e6:,.0f} MB/s"
    )


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _count(number: int | str) -> str:
    return f"{number:,}" if isinstance(number, int) else number


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
