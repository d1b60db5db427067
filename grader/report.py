"""``grader report``: one page a unit that says what the class can and what to teach again."""

from __future__ import annotations

import datetime
import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.feedback import in_words
from grader.figures import distribution, success
from grader.files import write_atomically
from grader.pages import render as render_page
from grader.progress import progress
from grader.results import Question, Result, Results, read_results

STATUSES = (
    "right",
    "partly_right",
    "changed_inputs",
    "wrong_value",
    "wrong_type",
    "deadlock",
    "crashed",
    "not_allowed",
    "not_attempted",
)


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
    totals = [result.final for result in results.students]
    return render_page(
        "report.html",
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
        waiting=waiting(results),
        time=grading_time(results),
        late={r.student: in_words(r.late_by) for r in results.students if r.late_by},
        similarity=_similarity(klass, results),
        links={result.student: _link(klass, results, result) for result in results.students},
    )


def as_data(results: Results) -> dict[str, Any]:
    """Return what the report says as plain data, ready for JSON."""
    time = grading_time(results)
    return {
        "unit": results.unit.key,
        "max_points": results.max_points,
        "parts": [asdict(rate) for rate in part_rates(results)],
        "mistakes": [asdict(mistake) for mistake in results.common_mistakes()],
        "statuses": {
            exercise: dict(zip((*STATUSES, "not_run"), counts, strict=True))
            for exercise, counts in status_counts(results).items()
        },
        "waiting": {question.title: count for question, count in waiting(results)},
        "not_tamper_resistant": [question.title for question in results.not_tamper_resistant],
        "grading_seconds": asdict(time) if time else None,
        "students": [
            {
                "student": result.student,
                "points": result.points,
                "total": result.total,
                "penalty": result.penalty,
                "final": result.final,
                "late_seconds": result.late_by.total_seconds(),
                "status": result.status,
                "problems": [problem.text for problem in result.problems],
            }
            for result in results.students
        ],
    }


@dataclass(frozen=True)
class GradingTime:
    """How long grading took, in seconds: in all, for a typical submission, for the slowest."""

    total: float
    median: float
    longest: float
    slowest: str


def grading_time(results: Results) -> GradingTime | None:
    """Return how long grading took, if it was noted."""
    timed = [(r.seconds, r.student) for r in results.students if r.seconds is not None]
    if not timed:
        return None
    seconds = [taken for taken, _ in timed]
    longest, slowest = max(timed)
    return GradingTime(sum(seconds), statistics.median(seconds), longest, slowest)


def waiting(results: Results) -> list[tuple[Question, int]]:
    """Return the questions that a person has still to grade, and for how many students."""
    counts = Counter(
        name for result in results.students for name, p in result.points.items() if p is None
    )
    return [(q, counts[q.grade_id]) for q in results.questions if counts[q.grade_id]]


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


def _similarity(klass: ClassFolder, results: Results) -> str | None:
    page = klass.report(results.unit).with_name(f"{results.unit.key}-similarity.html")
    return quote(page.name) if page.is_file() else None
