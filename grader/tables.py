"""A class's results on the terminal."""

from __future__ import annotations

import statistics

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.results import Results

MANY_STUDENTS = 60
"""A table of more rows is not read on a terminal: then there is one row a question."""


def show_grades(console: Console, results: Results) -> None:
    """Print the grades, and below them what was not in order.

    A class that fits on a screen is shown by student, a larger one by question.
    """
    if len(results.students) > MANY_STUDENTS:
        _show_by_question(console, results)
    else:
        _show_by_student(console, results)
    if any(None in result.points.values() for result in results.students):
        console.print("? waits for a person to grade it, for example in formgrader.")
    show_problems(console, results)


def _show_by_student(console: Console, results: Results) -> None:
    titles = [f"{q.title}\n({q.max_points:g})" for q in results.questions]
    numbers = [str(number) for number, _ in enumerate(titles, start=1)]
    known = max(cell_len(result.name) for result in results.students)
    shown = [(titles, known), (numbers, known), (titles, 0), (numbers, 0)]
    fitting = (each for each in shown if _width(results, *each) <= console.width)
    heads, known = next(fitting, shown[-1])
    table = _table(f"{results.unit.key}: grades")
    table.add_column("student", no_wrap=True)
    if known:
        table.add_column("name", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=heads is numbers)
    table.add_column(f"total\n({results.max_points:g})", justify="right", no_wrap=True)
    table.add_column("status")
    for result in results.students:
        points = [Text("?" if p is None else f"{p:g}") for p in result.points.values()]
        total = Text(f"{result.total:g}", style="bold")
        who = [Text(result.student), *([Text(result.name)] if known else [])]
        table.add_row(*who, *points, total, result.status)
    console.print(table)
    if heads is numbers:
        key = zip(heads, titles, strict=True)
        console.print(", ".join(f"{head} {title.replace(chr(10), ' ')}" for head, title in key))


def _show_by_question(console: Console, results: Results) -> None:
    table = _table(f"{results.unit.key}: {len(results.students)} students")
    table.add_column("question", no_wrap=True)
    for head in ("points", "mean", "all points", "none", "?"):
        table.add_column(head, justify="right")
    for question in results.questions:
        given = [result.points[question.grade_id] for result in results.students]
        points = [p for p in given if p is not None]
        table.add_row(
            Text(question.title),
            f"{question.max_points:g}",
            f"{statistics.fmean(points):.2f}" if points else "-",
            str(sum(p >= question.max_points for p in points)),
            str(points.count(0.0)),
            str(given.count(None)),
        )
    console.print(table)
    mean = statistics.fmean(result.total for result in results.students)
    console.print(
        f"Mean total {mean:.2f} of {results.max_points:g}. Each student's grades: grader export."
    )


def show_problems(console: Console, results: Results) -> None:
    """Print each submission's problems, one a line."""
    told = [(r.called, problem.text) for r in results.students for problem in r.problems]
    if not told:
        return
    table = _table("Not in order")
    table.add_column("student", no_wrap=True)
    table.add_column("what was found and done")
    for student, text in told:
        table.add_row(Text(student), Text(text))
    console.print(table)


def show_mistakes(console: Console, results: Results, most: int = 8) -> None:
    """Print the mistakes that were made most often."""
    table = _table("Most common mistakes")
    table.add_column("students", justify="right")
    table.add_column("exercise", no_wrap=True)
    table.add_column("mistake")
    for mistake in results.common_mistakes()[:most]:
        name = Text(f"{mistake.name}: ", style="bold").append(mistake.sentence, style="not bold")
        table.add_row(str(mistake.count), mistake.exercise, name)
    console.print(table)


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )


def _width(results: Results, heads: list[str], known: int) -> int:
    """Return the columns that the table of grades takes with these heads and students' names."""
    ids = max(cell_len(result.student) for result in results.students)
    status = max(len(result.status) for result in results.students)
    words = [max(map(len, [*head.split(), "0.25"])) for head in heads]
    names = known + 2 if known else 0
    return ids + names + status + len("total") + sum(words) + 2 * (len(words) + 3)
