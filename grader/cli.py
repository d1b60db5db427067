"""The ``grader`` command: one verb a module, one place that shows results and errors.

Results go to stdout, all else to stderr; with ``--json`` stdout holds one JSON object.
"""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from course.checking import Unit
from grader import log
from grader.class_folder import ClassFolder, open_class
from grader.content import choose_units, find_content
from grader.errors import GraderError, UsageError

INTERRUPTED = 130
MANY_NOTES = 40

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
out = Console(soft_wrap=True, highlight=False, markup=False)
err = Console(soft_wrap=True, highlight=False, markup=False, stderr=True)

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
Jobs = Annotated[int | None, typer.Option(min=1, help="How many at once; all cores if not given.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")
]
Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        envvar="GRADER_DB",
        help="The gradebook's database, if not the one of class.toml.",
    ),
]
Sandbox = Annotated[
    Literal["require", "best", "off"] | None,
    typer.Option(
        help="Run submissions sealed off or not at all, as well as this machine can, or openly. "
        "Without it: require on Linux, best elsewhere."
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"grader {importlib.metadata.version('training-neural-networks-course')}")
        raise typer.Exit


@app.callback()
def grader(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Release assignments, grade what comes back, and see what to teach again."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new class folder.")],
    course: CourseOption = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Make a folder for a class: its releases, submissions, grades and reports."""
    from grader.init import init as run

    klass = run(folder, course, db)
    log.open_log(klass)
    following = _command(klass, "release", choose_units([])[:1])
    _finish(
        klass,
        "init",
        {"class": str(klass.root), "course": str(klass.course)},
        [f"A class folder is in {klass.root}. Its class.toml holds the due dates."],
        f"{following} (or another unit)",
        as_json,
    )


@app.command()
def release(
    units: Units = None,
    klass: ClassOption = None,
    course: CourseOption = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Make what students get: assignments without solutions, lessons, the course to install."""
    from grader.release import release as run

    opened = _open(klass, db, course)
    chosen = choose_units(units or [])
    packed = run(opened, chosen, err)
    _finish(
        opened,
        f"release {_names(chosen)}",
        {"units": [unit.key for unit in chosen], "handout": str(packed)},
        [f"For students: {packed}"],
        f"collect what comes back with {_command(opened, 'collect', chosen[:1])} DOWNLOAD.zip, "
        f"or put it into {opened.root / 'submitted'}/STUDENT/UNIT/",
        as_json,
    )


@app.command()
def collect(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="The unit that was handed in.")],
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...|DIR", help="What Canvas or Moodle gave to download."),
    ],
    klass: ClassOption = None,
    platform: Annotated[
        Literal["auto", "canvas", "moodle"],
        typer.Option("--from", help="Where it was downloaded; found out by the names if auto."),
    ] = "auto",
    roster: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Canvas's gradebook, or Moodle's grading worksheet or participants, as CSV.",
        ),
    ] = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Take submissions from a download of Canvas or Moodle; older versions are kept."""
    from grader.collecting.collect import collect as run

    opened = _open(klass, db)
    chosen = choose_units([unit])[0]
    done = run(opened, chosen, sources, err, platform=platform, roster=roster)
    _tell(done.notes)
    counts = (
        f"{len(done.new)} new, {len(done.replaced)} replaced, {len(done.unchanged)} unchanged; "
        f"{len(done.late)} late by {done.platform.title()}'s mark."
    )
    _finish(
        opened,
        f"collect {chosen.key} from {done.platform}",
        {"unit": chosen.key, **vars(done)},
        [counts],
        _command(opened, "grade", [chosen]),
        as_json,
    )


@app.command()
def grade(
    units: Units = None,
    klass: ClassOption = None,
    jobs: Jobs = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade again what is graded already.")
    ] = False,
    exercise: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Grade again only this exercise; can be repeated."),
    ] = None,
    student: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Grade only this student; can be repeated."),
    ] = None,
    sandbox: Sandbox = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Grade on a Dask cluster, as tcp://HOST:8786."),
    ] = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Grade what was handed in; what is graded already is kept."""
    from grader.grade import grade as run

    opened = _open(klass, db)
    chosen = _chosen(opened, units, lambda unit: bool(opened.students(unit)))
    log.note(f"grade {_names(chosen)}: started")
    summaries = run(
        opened,
        chosen,
        err,
        jobs=jobs,
        force=force,
        exercises=tuple(exercise or ()),
        students=tuple(student or ()),
        sandbox=sandbox or default_sandbox(),
        cluster=cluster,
    )
    # These import nbgrader, which takes half a second: `run` does so while its workers start.
    from grader.collecting.collect import absent, strays
    from grader.export import as_data
    from grader.results import read_results
    from grader.tables import show_grades

    outside = strays(opened)
    _tell(outside)
    found, lines = [], []
    for summary in summaries:
        results = read_results(opened, summary.unit)
        if not as_json:
            show_grades(out, results)
            missing = "" if student else absent(opened, summary.unit).line()
            if missing:  # not for the log: it names people
                out.print(missing)
        counts = {"graded": summary.graded, "kept": summary.kept, "lost": dict(summary.lost)}
        found.append(as_data(opened, results) | counts)
        lines.append(
            f"{summary.unit.key}: {summary.graded} graded now, {summary.kept} kept from before."
        )
        _tell([f"{student}: not graded: {reason}" for student, reason in summary.lost.items()])
    lost = sum(len(summary.lost) for summary in summaries)
    following = (
        "grade the free text in formgrader (jupyter lab in the class folder), then "
        f"{_command(opened, 'feedback', chosen)}"
    )
    if lost:
        lines.append(f"{lost} could not be graded, through no fault of theirs.")
        following = f"the same command tries them again: {_command(opened, 'grade', chosen)}"
    _finish(
        opened,
        f"grade {_names(chosen)}",
        {"units": found, "not_in_place": outside},
        lines,
        following,
        as_json,
    )
    if lost:
        raise typer.Exit(1)


@app.command()
def late(
    units: Units = None, klass: ClassOption = None, db: Db = None, as_json: Json = False
) -> None:
    """Show who was late and what it costs; new dates in class.toml take effect at once."""
    from grader.collecting.rosters import read_names
    from grader.late import late as run
    from grader.late import late_lines
    from grader.results import nothing_graded

    opened = _open(klass, db)
    chosen = _graded(opened, units)
    found = run(opened, chosen)
    for unit in chosen:
        if not found[unit.key]:
            raise nothing_graded(unit)
    if not as_json:
        names = read_names(opened)
        for unit in chosen:
            for line in late_lines(unit, opened.schedule, found[unit.key], names):
                out.print(line)
    costs = [entry.penalty for entries in found.values() for entry in entries if entry.penalty]
    _finish(
        opened,
        f"late {_names(chosen)}",
        {"units": {key: [entry.as_data() for entry in rows] for key, rows in found.items()}},
        [f"{len(costs)} penalties of together {sum(costs):g} points are in the gradebook."],
        _command(opened, "feedback", chosen),
        as_json,
    )


@app.command()
def feedback(
    units: Units = None,
    klass: ClassOption = None,
    jobs: Jobs = None,
    force: Annotated[bool, typer.Option("--force", help="Write again what is up to date.")] = False,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Write a feedback page for every student."""
    from grader.feedback import feedback as run

    opened = _open(klass, db)
    chosen = _up_to_date(opened, units)
    made = run(opened, chosen, err, jobs=jobs, force=force)
    _finish(
        opened,
        f"feedback {_names(chosen)}",
        {"units": [vars(pages) for pages in made]},
        [f"{p.unit}: {p.written} pages written, {p.kept} were up to date." for p in made]
        + [f"Pages: {opened.root / 'feedback'}"],
        _command(opened, "report", chosen),
        as_json,
    )


@app.command()
def report(
    units: Units = None, klass: ClassOption = None, db: Db = None, as_json: Json = False
) -> None:
    """Write a page a unit: how it went, and what to teach again."""
    from grader.report import report as run

    opened = _open(klass, db)
    chosen = _up_to_date(opened, units)
    pages = run(opened, chosen, err)
    _finish(
        opened,
        f"report {_names(chosen)}",
        {"reports": {unit.key: str(page) for unit, page in zip(chosen, pages, strict=True)}},
        [f"Report: {page}" for page in pages],
        f"open it in a browser; then {_command(opened, 'export', chosen)}",
        as_json,
    )


@app.command()
def similarity(
    units: Units = None, klass: ClassOption = None, db: Db = None, as_json: Json = False
) -> None:
    """Write a page a unit: which answers are alike, as a reason to look."""
    from grader.similar.similarity import similarity as run

    opened = _open(klass, db)
    chosen = _graded(opened, units)
    pages = run(opened, chosen, err)
    _finish(
        opened,
        f"similarity {_names(chosen)}",
        {"reports": {unit.key: str(page) for unit, page in zip(chosen, pages, strict=True)}},
        [f"Similar answers: {page}" for page in pages],
        "open it in a browser; it is a reason to look, never a verdict",
        as_json,
    )


@app.command()
def export(
    units: Units = None,
    klass: ClassOption = None,
    form: Annotated[
        str, typer.Option("--format", help="The file's format: csv, json, canvas or moodle.")
    ] = "csv",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file, if not below exports/.")
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For canvas and moodle, their own list, if not the one that was collected with.",
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="TITLE", help="For canvas, the assignment, if not called as the unit"),
    ] = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Write the grades to a file for another program.

    Who is on the roster and has handed in nothing has a total of 0 in csv, as with nbgrader, and
    stands apart in json; canvas and moodle keep what their own list says.
    """
    from grader.export import export as run

    opened = _open(klass, db)
    chosen = _up_to_date(opened, units)
    made = run(opened, chosen, form, output, roster=roster, column=column)
    notes = [note for exported in made for note in exported.notes]
    _tell(notes)
    _finish(
        opened,
        f"export {_names(chosen)} as {form}",
        {
            "files": {u.key: str(e.path) for u, e in zip(chosen, made, strict=True)},
            "notes": notes,
        },
        [f"Grades: {exported.path}" for exported in made],
        _IMPORT.get(form, "open it in the program that needs it"),
        as_json,
    )


@app.command()
def demo(
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The class folder, if not build/demo.")
    ] = None,
    students: Annotated[
        int | None, typer.Option(min=2, help="How many submissions the sample class has.")
    ] = None,
    jobs: Jobs = None,
    sandbox: Sandbox = "best",
    course: CourseOption = None,
    as_json: Json = False,
) -> None:
    """Try everything on a sample class: release, grade, feedback, report."""
    from grader.demo import UNIT
    from grader.demo import demo as run
    from grader.sample import SIZE

    unit = choose_units([UNIT])[0]
    screen = err if as_json else out
    done = run(
        unit,
        screen,
        course=course,
        into=into,
        students=students or SIZE,
        jobs=jobs,
        sandbox=sandbox or "best",
    )
    following = _command(done.klass, "export", [unit])
    data = {"class": str(done.klass.root), "unit": unit.key, "students": len(done.samples)}
    _finish(done.klass, "demo", data, [], f"look at these, or try {following}", as_json)


@app.command()
def notebooks(
    course: CourseOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Build nothing; name stale notebooks and fail.")
    ] = False,
    execute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UNIT", help="Run this unit's lesson again, changed or not; all for every one."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Build the lessons' and assignments' notebooks from the texts beside them."""
    from grader.notebooks import build_all, check_all

    root = find_content(course)
    again = choose_units([] if execute == ["all"] else execute) if execute else []
    lines = []
    for line in check_all(root) if check else build_all(root, execute=[u.key for u in again]):
        lines.append(line)
        if not as_json:
            out.print(line)
    if as_json:
        _print_json({"notebooks": lines})


def main(arguments: list[str] | None = None) -> None:
    """Run the command and end with its exit status; an error is one line on stderr."""
    try:
        app(arguments, prog_name="grader")
    except GraderError as error:
        text = log.one_line(str(error))
        log.note_error(text)
        typer.echo(f"grader: {text}", err=True)
        sys.exit(error.exit_status)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            log.note_error("stopped by the keyboard")
            text = "stopped. What is done is kept; the same command goes on."
            typer.echo(f"grader: {text}", err=True)
        raise
    finally:
        log.close_log()


def default_sandbox() -> Literal["require", "best"]:
    """Return how submissions run where nobody says it: sealed off where that can be had."""
    return "require" if sys.platform == "linux" else "best"


def _open(klass: Path | None, db: str | None = None, course: Path | None = None) -> ClassFolder:
    opened = open_class(klass, course, db)
    log.open_log(opened)
    return opened


def _finish(
    klass: ClassFolder,
    event: str,
    data: dict[str, Any],
    lines: Sequence[str],
    following: str,
    as_json: bool,
) -> None:
    """Show a verb's result, and what to do next as the last line."""
    log.note(" ".join([f"{event}: done.", *lines]))
    if as_json:
        _print_json({"class": str(klass.root), **data})
        return
    for line in lines:
        out.print(line)
    out.print(f"Next: {following}")


def _print_json(data: dict[str, Any]) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=1, default=str))


def _tell(notes: Sequence[str]) -> None:
    """Say what is not as it should be; the log has all of it."""
    for note in notes:
        log.note(note)
    for note in notes[:MANY_NOTES]:
        err.print(log.one_line(note))
    if len(notes) > MANY_NOTES:
        err.print(f"... and {len(notes) - MANY_NOTES} more in {log.NAME}.")


def _command(klass: ClassFolder, verb: str, units: Sequence[Unit]) -> str:
    """Return a whole command that works from where the user is."""
    words = ["grader", verb, *(unit.key for unit in units)]
    if not Path.cwd().resolve().is_relative_to(klass.root):
        words += ["--class", str(klass.root)]
    return shlex.join(words)


def _names(units: Sequence[Unit]) -> str:
    return " ".join(unit.key for unit in units)


def _up_to_date(klass: ClassFolder, names: list[str] | None) -> list[Unit]:
    """Return the graded units, with penalties as the dates and points of now want them."""
    from grader.late import late as run

    units = _graded(klass, names)
    run(klass, units)
    return units


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


_IMPORT = {
    "canvas": "in Canvas, Grades, Import",
    "moodle": "in Moodle, the assignment's submissions, Upload grading worksheet",
}
