"""The ``grader`` command: one verb a module, one place that shows errors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder, open_class
from grader.content import choose_units, find_content
from grader.errors import GraderError, UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
out = Console(soft_wrap=True, highlight=False)

CourseOption = Annotated[
    Path | None,
    typer.Option("--course", metavar="DIR", help="The course's folder, if not here or above."),
]
ClassOption = Annotated[
    Path | None,
    typer.Option("--class", metavar="DIR", help="The class folder, if not here or above."),
]
Units = Annotated[
    list[str] | None, typer.Argument(metavar="[UNIT]...", help="Units; all of them if none.")
]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="How many submissions at once; all cores if not given.")
]


@app.callback()
def grader() -> None:
    """Release assignments, grade what comes back, and see what to teach again."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new class folder.")],
    course: CourseOption = None,
) -> None:
    """Make a folder for a class: its releases, submissions, grades and reports."""
    from grader.init import init as run

    klass = run(folder, course)
    out.print(f"A class folder is in {klass.root}. Next: cd there and run grader release.")


@app.command()
def release(units: Units = None, klass: ClassOption = None, course: CourseOption = None) -> None:
    """Make what students get: assignments without solutions, lessons, the course to install."""
    from grader.release import release as run

    packed = run(open_class(klass, course), choose_units(units or []), out)
    out.print(f"For students: {packed}")


@app.command()
def grade(
    units: Units = None,
    klass: ClassOption = None,
    jobs: Jobs = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade again what is graded already.")
    ] = False,
) -> None:
    """Grade what was handed in; what is graded already is kept."""
    from grader.grade import grade as run
    from grader.results import read_results
    from grader.tables import show_grades

    opened = open_class(klass)
    chosen = _chosen(opened, units, lambda unit: bool(opened.students(unit)))
    for summary in run(opened, chosen, out, jobs=jobs, force=force):
        show_grades(out, read_results(opened, summary.unit))
        out.print(f"{summary.graded} graded now, {summary.kept} kept from before.")


@app.command()
def feedback(units: Units = None, klass: ClassOption = None) -> None:
    """Write a feedback page for every student, with nbgrader."""
    from grader.feedback import feedback as run

    opened = open_class(klass)
    pages = run(opened, _graded(opened, units), out)
    out.print(f"{pages} pages in {opened.root / 'feedback'}")


@app.command()
def report(units: Units = None, klass: ClassOption = None) -> None:
    """Write a page a unit: how it went, and what to teach again."""
    from grader.report import report as run

    opened = open_class(klass)
    for page in run(opened, _graded(opened, units), out):
        out.print(f"Report: {page}")


@app.command()
def export(
    units: Units = None,
    klass: ClassOption = None,
    form: Annotated[str, typer.Option("--format", help="The file's format.")] = "csv",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file, if not below exports/.")
    ] = None,
) -> None:
    """Write the grades to a file for another program."""
    from grader.export import export as run

    opened = open_class(klass)
    for path in run(opened, _graded(opened, units), form, output):
        out.print(f"Grades: {path}")


@app.command()
def demo(
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The class folder, if not build/demo.")
    ] = None,
    students: Annotated[
        int | None, typer.Option(min=2, help="How many submissions the sample class has.")
    ] = None,
    jobs: Jobs = None,
    course: CourseOption = None,
) -> None:
    """Try everything on a sample class: release, grade, feedback, report."""
    from grader.demo import UNIT
    from grader.demo import demo as run
    from grader.sample import SIZE

    unit = choose_units([UNIT])[0]
    run(unit, out, course=course, into=into, students=students or SIZE, jobs=jobs)


@app.command()
def notebooks(
    course: CourseOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Build nothing; name stale notebooks and fail.")
    ] = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Run every lesson again, changed or not.")
    ] = False,
) -> None:
    """Build the lessons' and assignments' notebooks from the texts beside them."""
    from grader.notebooks import build_all, check_all

    root = find_content(course)
    for line in check_all(root) if check else build_all(root, execute=execute):
        out.print(line)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and end with its exit status; an error is one line on stderr."""
    try:
        app(arguments, prog_name="grader")
    except GraderError as error:
        typer.echo(f"grader: {error}", err=True)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        typer.echo("grader: stopped. What is done is kept; the same command goes on.", err=True)
        sys.exit(130)


def _graded(klass: ClassFolder, names: list[str] | None) -> list[Unit]:
    return _chosen(klass, names, lambda unit: any(klass.root.glob(f"autograded/*/{unit.key}")))


def _chosen(
    klass: ClassFolder, names: list[str] | None, is_ready: Callable[[Unit], bool]
) -> list[Unit]:
    """Return the units that are named, or else those that are released and ready for the verb.

    Where none is ready they are all returned: the verb says what is missing.

    Raises:
        UsageError: nothing has been released.
    """
    if names:
        return choose_units(names)
    released = [unit for unit in choose_units([]) if klass.is_released(unit)]
    if not released:
        raise UsageError(f"No unit is released in {klass.root}. Run grader release UNIT first.")
    return [unit for unit in released if is_ready(unit)] or released
