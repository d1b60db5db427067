"""One look for everything that takes a while: what is done, how far, and how long it will take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[], None]

ESTIMATE_FROM = 120
"""Seconds whose speed gives the time that is left: submissions take from 0.1 to many seconds."""


@contextmanager
def progress(console: Console, title: str, total: int) -> Iterator[Advance]:
    """Show a bar while the block works and yield what moves it on by one."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("passed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, speed_estimate_period=ESTIMATE_FROM) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
