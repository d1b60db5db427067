"""The ``course`` command."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from course.exercises import units
from course.parallel.lab.command import INTERRUPTED, parallel

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.add_typer(parallel, name="parallel")


@app.callback()
def course() -> None:
    """Look into the course's units and their exercises, and train with many processes."""


@app.command("units")
def list_units(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the units with their exercises, points and named mistakes."""
    if as_json:
        typer.echo(json.dumps([unit.as_dict() for unit in units()], indent=2))
        return
    console = Console()
    for unit in units():
        table = Table(title=f"{unit.key}: {unit.title}", title_justify="left", expand=True)
        table.add_column("exercise", no_wrap=True)
        table.add_column("points", justify="right")
        table.add_column("mistakes its check names")
        for exercise in unit.exercises:
            mistakes = ", ".join(mistake.name for mistake in exercise.mistakes)
            table.add_row(exercise.name, f"{exercise.points:g}", mistakes)
        console.print(table)
        console.print(f"lesson {unit.lesson}\nassignment {unit.assignment}\n")


def main() -> None:
    """Run the command; Ctrl-C ends it without a traceback."""
    try:
        app(prog_name="course")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
