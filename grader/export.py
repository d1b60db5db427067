"""``grader export``: the grades as a file for another program."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.errors import UsageError
from grader.files import write_atomically
from grader.results import Result, Results, read_results


def export(
    klass: ClassFolder, units: list[Unit], form: str, output: Path | None = None
) -> list[Path]:
    """Write one file a unit with a row a student.

    Args:
        klass: the class.
        units: which units.
        form: the name of the format.
        output: the file; without it, one below ``exports``.

    Returns:
        The files.

    Raises:
        UsageError: the format is unknown, or one file is named for several units.
        GraderError: a unit is not graded yet.
    """
    if form not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"The export format {form!r} is not known. There are: {known}.")
    if output and len(units) > 1:
        raise UsageError(
            f"--output names one file, and there are {len(units)} units. Name one unit as well."
        )
    texts = [FORMATS[form](read_results(klass, unit)) for unit in units]
    paths = [output or klass.root / "exports" / f"{unit.key}.{form}" for unit in units]
    for path, text in zip(paths, texts, strict=True):
        write_atomically(path, text.encode())
    return paths


def as_csv(results: Results) -> str:
    """Return a row a student: the points of each question, total, maximum, status, problems."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [question.grade_id.removeprefix("test_") for question in results.questions]
    writer.writerow(["student", *names, "total", "max", "status", "problem"])
    for result in results.students:
        writer.writerow(_row(result, results.max_points))
    return text.getvalue()


def _row(result: Result, most: float) -> list[str]:
    points = ["" if p is None else f"{p:g}" for p in result.points.values()]
    problems = " ".join(problem.text for problem in result.problems)
    return [result.student, *points, f"{result.total:g}", f"{most:g}", result.status, problems]


FORMATS: dict[str, Callable[[Results], str]] = {"csv": as_csv}
