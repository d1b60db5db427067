"""``grader export``: the grades as a file for another program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.collecting.cells import safe_cell
from grader.collecting.collect import absent, roster_path
from grader.collecting.rosters import Register, Roster, parse_roster, read_roster, read_students
from grader.errors import GraderError, UsageError
from grader.files import write_atomically
from grader.results import Result, Results, read_results


@dataclass
class Exported:
    """A file with grades, and sentences about what to know before it is used."""

    path: Path
    notes: list[str] = field(default_factory=list)


def export(
    klass: ClassFolder,
    units: list[Unit],
    form: str,
    output: Path | None = None,
    *,
    roster: Path | None = None,
    column: str | None = None,
) -> list[Exported]:
    """Write one file a unit with a row a student.

    Args:
        klass: the class.
        units: which units.
        form: the name of the format.
        output: the file; without it, one below ``exports``.
        roster: for ``canvas`` and ``moodle``, the list that the platform exported; without it, the
            one that was given to ``grader collect``.
        column: for ``canvas``, the column of the assignment, where its title is not the unit's.

    Raises:
        UsageError: the format is unknown, or something does not fit it.
        GraderError: a unit is not graded yet.
    """
    if form not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"The export format {form!r} is not known. There are: {known}.")
    for option, given in (("--output", output), ("--column", column)):
        if given and len(units) > 1:
            raise UsageError(
                f"{option} is for one unit, and there are {len(units)} units. Name one unit as "
                "well."
            )
    if output and output.is_dir():
        raise UsageError(f"--output is the file to write, and {output} is a folder. Name a file.")
    if (roster or column) and form not in PLATFORMS:
        raise UsageError(
            f"--roster and --column are for {' and '.join(PLATFORMS)}, and the format is {form}. "
            "Say --format as well, or leave them out."
        )
    made = []
    for unit in units:
        suffix = ".json" if form == "json" else ".csv"
        stem = f"{unit.key}-{form}" if form in PLATFORMS else unit.key
        exported = Exported(output or klass.root / "exports" / f"{stem}{suffix}")
        results = read_results(klass, unit)
        text = FORMATS[form](_Job(klass, results, roster, column, exported.notes))
        made.append((exported, text))
    for exported, text in made:
        write_atomically(exported.path, text.encode())
    return [exported for exported, _ in made]


@dataclass(frozen=True)
class _Job:
    klass: ClassFolder
    results: Results
    roster: Path | None
    column: str | None
    notes: list[str]


def _as_csv(job: _Job) -> str:
    """Return a row a student: each question, penalty, total, maximum, status, problems.

    Who has handed in nothing has one too, as in nbgrader's own export.
    """
    results = job.results
    most = results.max_points
    names = [question.grade_id.removeprefix("test_") for question in results.questions]
    head = ["student", *names, "late_penalty", "total", "max", "status", "problem"]
    rows = [_row(result, most) for result in results.students]
    known = {result.student for result in results.students}
    for student in absent(job.klass, results.unit).students:
        if student.student not in known:
            empty = [""] * len(names)
            rows.append([student.student, *empty, "0", "0", f"{most:g}", "nothing handed in", ""])
    return _table([head, *sorted(rows)])


def _row(result: Result, most: float) -> list[str]:
    points = ["" if p is None else f"{p:g}" for p in result.points.values()]
    problems = " ".join(problem.text for problem in result.problems)
    numbers = [f"{number:g}" for number in (result.penalty, result.final, most)]
    return [result.student, *points, *numbers, result.status, problems]


def _as_json(job: _Job) -> str:
    return json.dumps(as_data(job.klass, job.results), ensure_ascii=False, indent=1) + "\n"


def as_data(klass: ClassFolder, results: Results) -> dict[str, object]:
    """Return a unit's grades as plain data."""
    known = {student.student: student for student in read_students(klass)}
    graded = {result.student for result in results.students}
    return {
        "unit": results.unit.key,
        "max_points": results.max_points,
        "questions": {question.grade_id: question.max_points for question in results.questions},
        "students": [
            {
                "student": result.student,
                "name": known[result.student].full_name if result.student in known else None,
                "email": known[result.student].email if result.student in known else None,
                "points": result.points,
                "late_penalty": result.penalty,
                "total": result.final,
                "status": result.status,
                "problems": [problem.text for problem in result.problems],
            }
            for result in results.students
        ],
        "nothing_handed_in": [
            {"student": student.student, "name": student.full_name, "email": student.email}
            for student in absent(klass, results.unit).students
            if student.student not in graded
        ],
    }


def _as_canvas(job: _Job) -> str:
    """Return Canvas's gradebook with its columns about students, and the unit's column filled."""
    roster = _roster(job, "canvas")
    place = _assignment_column(roster, job)
    about = roster.columns.index("Section") + 1
    rows = _filled(roster, place, job)
    most = next((row[place] for row in roster.rows if "Points Possible" in row[0]), "").strip()
    if most and _number(most) != job.results.max_points:
        job.notes.append(
            f"{roster.columns[place]} has {most} points in Canvas, and {job.results.unit.key} has "
            f"{job.results.max_points:g}. Set the assignment's points in Canvas."
        )
    kept = [*range(about), place]
    lines = [roster.columns, *rows]
    return _table([[line[index] for index in kept] for line in lines], roster.delimiter)


def _as_moodle(job: _Job) -> str:
    """Return Moodle's grading worksheet with the grades filled in."""
    roster = _roster(job, "moodle")
    if not roster.is_worksheet:
        raise UsageError(
            "Moodle takes grades in its grading worksheet (columns Identifier, Grade, ...), and "
            f"the list given has {', '.join(roster.columns[:6])}. Download the grading worksheet "
            "of the assignment and give it with --roster FILE."
        )
    place = roster.columns.index("Grade")
    rows = _filled(roster, place, job)
    most = {roster.cell(row, "Maximum Grade") for row in roster.rows} - {""}
    wrong = sorted(text for text in most if _number(text) != job.results.max_points)
    if wrong:
        job.notes.append(
            f"The assignment has {wrong[0]} points in Moodle, and {job.results.unit.key} has "
            f"{job.results.max_points:g}. Set the assignment's maximum grade in Moodle."
        )
    return _table([roster.columns, *rows], roster.delimiter)


def _roster(job: _Job, platform: str) -> Roster:
    """Return the platform's list of students.

    Raises:
        UsageError: there is none, or it is another platform's.
    """
    kept = roster_path(job.klass, job.results.unit, platform)
    if job.roster:
        roster = read_roster(job.roster)
    elif kept.is_file():
        roster = parse_roster(kept.read_bytes(), str(kept))
    else:
        what = "gradebook (Export)" if platform == "canvas" else "grading worksheet"
        raise UsageError(
            f"For {platform}, its own list of students is needed. Download the {what} there and "
            "give it with --roster FILE."
        )
    if roster.platform != platform:
        raise UsageError(
            f"The roster is {roster.platform}'s, and the format is {platform}. Give the other one."
        )
    return roster


def _assignment_column(roster: Roster, job: _Job) -> int:
    """Return where the unit's assignment is among Canvas's columns.

    Raises:
        UsageError: no column, or more than one, is the unit's.
    """
    after = roster.columns.index("Section") + 1
    titles = {index: title for index, title in enumerate(roster.columns) if index >= after}
    wanted = (
        [job.column]
        if job.column
        else [job.results.unit.key, job.results.unit.slug, job.results.unit.title]
    )
    names = {name.casefold() for name in wanted}
    found = [
        index
        for index, title in titles.items()
        if title.casefold() in names or title.rsplit(" (", 1)[0].casefold() in names
    ]
    if len(found) != 1:
        shown = ", ".join(repr(title) for title in list(titles.values())[:12]) or "none"
        raise UsageError(
            f"{len(found)} of Canvas's columns are called {' or '.join(map(repr, wanted))}. "
            f"Name one with --column. There are: {shown}."
        )
    return found[0]


def _filled(roster: Roster, place: int, job: _Job) -> list[list[str]]:
    """Return the roster's rows with the grades in one column; others keep what is there."""
    register = Register(read_students(job.klass))
    by_student = {result.student: result for result in job.results.students}
    rows = [list(row) for row in roster.rows]
    places = {row: number for number, row in enumerate(roster.rows)}
    used = set()
    for row, told, _ in roster.people():
        student = register.find(told)
        result = by_student.get(student.student) if student else None
        if student and result:
            rows[places[row]][place] = f"{result.final:g}"
            used.add(student.student)
    missing = sorted(set(by_student) - used)
    if not used:
        raise GraderError(
            f"None of the {len(by_student)} graded students of {job.results.unit.key} is in the "
            "roster. Is it the list of this class?"
        )
    if missing:
        job.notes.append(f"Graded, and not in the roster: {', '.join(missing)}.")
    waiting = sorted(s for s in used if None in by_student[s].points.values())
    if waiting:
        job.notes.append(
            f"{len(waiting)} of the grades are not complete: answers wait for grading by hand."
        )
    return rows


def _table(lines: Iterable[Iterable[str]], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", delimiter=delimiter)
    for line in lines:
        writer.writerow([safe_cell(cell) for cell in line])
    return text.getvalue()


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


PLATFORMS = ("canvas", "moodle")
FORMATS: dict[str, Callable[[_Job], str]] = {
    "csv": _as_csv,
    "json": _as_json,
    "canvas": _as_canvas,
    "moodle": _as_moodle,
}
