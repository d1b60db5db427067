"""``grader report``: one page a unit that says what the class can and what to teach again."""

from __future__ import annotations

import datetime
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.figures import distribution, success
from grader.files import write_atomically
from grader.progress import progress
from grader.results import Result, Results, read_results

STATUSES = (
    "right",
    "partly_right",
    "changed_inputs",
    "wrong_value",
    "wrong_type",
    "crashed",
    "not_allowed",
    "not_attempted",
)

_ENVIRONMENT = Environment(
    loader=PackageLoader("grader"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["points"] = lambda number: f"{number:g}"


def report(klass: ClassFolder, units: list[Unit], console: Console) -> list[Path]:
    """Write the reports of some units.

    Returns:
        The pages.

    Raises:
        GraderError: a unit is not graded yet.
    """
    pages = []
    with progress(console, "reports", len(units)) as advance:
        for unit in units:
            results = read_results(klass, unit)
            write_atomically(klass.report(unit), render(klass, results).encode())
            pages.append(klass.report(unit))
            advance()
    return pages


def render(klass: ClassFolder, results: Results) -> str:
    """Return a unit's report as a page that needs no other file."""
    totals = [result.total for result in results.students]
    return _ENVIRONMENT.get_template("report.html").render(
        unit=results.unit,
        results=results,
        made=f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        mean=round(statistics.fmean(totals), 1),
        median=statistics.median(totals),
        distribution=distribution(results),
        success=success(results),
        parts=part_rates(results),
        statuses=status_counts(results),
        status_names=[status.replace("_", " ") for status in (*STATUSES, "not_run")],
        mistakes=results.common_mistakes(),
        links={result.student: _link(klass, results, result) for result in results.students},
    )


@dataclass(frozen=True)
class PartRate:
    """How many students earned a part of an exercise."""

    exercise: str
    title: str
    points: float
    earned: int
    share: float


def part_rates(results: Results) -> list[PartRate]:
    """Return, for each part of each exercise, how many students earned it."""
    earned = Counter(
        (str(verdict["exercise"]), str(part["name"]))
        for result in results.students
        for verdict in result.verdicts.values()
        for part in verdict["parts"]
        if part["earned"] is True
    )
    return [
        PartRate(
            exercise.name,
            part.title,
            part.points,
            earned[exercise.name, part.name],
            earned[exercise.name, part.name] / len(results.students),
        )
        for exercise in results.unit.exercises
        for part in exercise.parts
    ]


def status_counts(results: Results) -> dict[str, list[int]]:
    """Return, for each exercise, how many verdicts have each status, and how many have none."""
    counts = Counter(
        (str(verdict["exercise"]), str(verdict["status"]))
        for result in results.students
        for verdict in result.verdicts.values()
    )
    rows = {}
    for exercise in results.unit.exercises:
        row = [counts[exercise.name, status] for status in STATUSES]
        rows[exercise.name] = [*row, len(results.students) - sum(row)]
    return rows


def _link(klass: ClassFolder, results: Results, result: Result) -> str | None:
    page = klass.feedback(results.unit, result.student)
    if not page.is_file():
        return None
    return quote(f"../{page.relative_to(klass.root)}")
