"""``grader feedback``: a page for every student that says what was found, and why."""

from __future__ import annotations

import datetime
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markupsafe import Markup
from nbformat import NotebookNode
from rich.console import Console

import course
from course.checking import Unit
from course.checking.show import title
from grader import markup
from grader.class_folder import ClassFolder
from grader.clean import show_verdict
from grader.errors import GraderError
from grader.files import write_atomically
from grader.gradebook import TIMESTAMP
from grader.pages import render, source
from grader.pool import Lost, Task, run_all
from grader.progress import progress
from grader.results import Question, Result, nothing_graded, read_results
from grader.work import read_notebook

FEW = 40
"""Pages that are made here: more are worth the seconds that workers take to start."""

_MARK = re.compile(rb'<meta name="grader-mark" content="([0-9a-f]{64})">')
_UNTOUCHED = "YOUR ANSWER HERE"
_ENDED = ("NotRun", "ProgramEnded", "Stopped")
"""The errors that grading itself writes; the text of any other could tell a hidden case."""


@dataclass(frozen=True)
class Pages:
    """How many feedback pages of a unit were written, and how many were up to date."""

    unit: str
    written: int
    kept: int


@dataclass(frozen=True)
class Told:
    """A question as the page shows it."""

    grade_id: str
    title: str
    points: float | None
    most: float
    found: str
    mistake: str
    verdict: Markup
    is_changed: bool


@dataclass(frozen=True)
class Part:
    """A cell as the page shows it; kind is "text", "code" or "written"."""

    kind: str
    body: Markup
    outputs: tuple[Markup, ...] = ()
    is_answer: bool = False
    question: Told | None = None
    comment: Markup | None = None


@dataclass(frozen=True)
class Order:
    """What one page is made from."""

    title: str
    questions: tuple[Question, ...]
    result: Result
    notebook: bytes
    hidden_paths: tuple[str, ...]


def feedback(
    klass: ClassFolder,
    units: list[Unit],
    console: Console,
    *,
    jobs: int | None = None,
    force: bool = False,
) -> list[Pages]:
    """Write the feedback pages of some units; a page that is up to date is left alone.

    Args:
        klass: the class.
        units: which units.
        console: where the progress is shown.
        jobs: how many pages at once; all cores if not given.
        force: write every page.

    Raises:
        GraderError: nothing has been graded yet, or a page could not be made.
    """
    return [_feedback(klass, unit, console, jobs, force) for unit in units]


def page(order: Order) -> str:
    """Return a student's page."""
    notebook = read_notebook(order.notebook)
    result = order.result
    shown = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if _told(cell)}
    questions = {q.grade_id: _question(q, result, shown.get(q.grade_id)) for q in order.questions}
    made = render(
        "feedback.html",
        mark=_mark(order),
        title=order.title,
        result=result,
        most=sum(question.max_points for question in order.questions),
        waiting=[told.title for told in questions.values() if told.points is None],
        late_by=in_words(result.late_by),
        questions=list(questions.values()),
        parts=[_part(cell, questions, result) for cell in notebook.cells if cell.id != "about"],
        code_style=Markup(markup.code_style()),  # noqa: S704 - Pygments' own
    )
    for path in order.hidden_paths:
        made = made.replace(path, "…")
    return made


def in_words(time: datetime.timedelta) -> str:
    """Return a time in its two largest units, or nothing for none."""
    minutes = -(-int(time.total_seconds()) // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    counts = {"day": days, "hour": hours, "minute": 0 if days else minutes % 60}
    told = [f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count]
    return " ".join(told)


def _feedback(
    klass: ClassFolder, unit: Unit, console: Console, jobs: int | None, force: bool
) -> Pages:
    orders = list(_orders(klass, unit))
    if not orders:
        raise nothing_graded(unit)
    stale = [order for order in orders if force or not _is_fresh(klass, unit, order)]
    tasks = [Task(order.result.student, page, (order,)) for order in stale]
    lost = []
    with progress(console, f"feedback {unit.key}", len(tasks)) as advance:
        for student, made in _pages(tasks, jobs):
            if isinstance(made, Lost):
                lost.append(f"{student} ({made.reason})")
            else:
                _write(klass, unit, student, made)
            advance()
    if lost:
        raise GraderError(
            f"No feedback page of {unit.key} could be made for {', '.join(sorted(lost))}. Grade "
            f"again with grader grade {unit.key} --force; the other pages are written."
        )
    return Pages(unit.key, len(stale), len(orders) - len(stale))


def _pages(tasks: list[Task[str]], jobs: int | None) -> Iterator[tuple[str, str | Lost]]:
    """Make pages; a few are made sooner than workers start."""
    if len(tasks) > FEW:
        yield from run_all(tasks, jobs)
        return
    for task in tasks:
        try:
            yield task.name, task.function(*task.arguments)
        except Exception as error:  # as with workers: the others go on
            yield task.name, Lost(f"{type(error).__name__}: {error}")


def _write(klass: ClassFolder, unit: Unit, student: str, made: str) -> None:
    """Write a page and, for nbgrader's release of feedback, when the work was handed in."""
    place = klass.feedback(unit, student)
    stamp = klass.autograded(unit, student).parent / TIMESTAMP
    if stamp.is_file():
        write_atomically(place.parent / TIMESTAMP, stamp.read_bytes())
    write_atomically(place, made.encode())


def _orders(klass: ClassFolder, unit: Unit) -> Iterable[Order]:
    results = read_results(klass, unit)
    paths = {str(path) for path in (klass.root, klass.course, sys.prefix)}
    hidden = tuple(sorted(paths, key=len, reverse=True))  # one may lie in another
    for result in results.students:
        place = klass.autograded(unit, result.student)
        if place.is_file():
            yield Order(unit.title, results.questions, result, place.read_bytes(), hidden)


def _is_fresh(klass: ClassFolder, unit: Unit, order: Order) -> bool:
    try:
        with klass.feedback(unit, order.result.student).open("rb") as file:
            written = _MARK.search(file.read(500))
    except OSError:
        return False
    return bool(written and written[1].decode() == _mark(order))


def _mark(order: Order) -> str:
    """Return what changes with everything that a page shows."""
    whole = hashlib.sha256(order.notebook)
    look = (course.__version__, source("feedback.html"), source("head.html"))
    whole.update(repr((look, order.title, order.questions, order.result)).encode())
    return whole.hexdigest()


def _question(question: Question, result: Result, cell: NotebookNode | None) -> Told:
    points = result.points[question.grade_id]
    verdict = result.verdicts.get(question.grade_id)
    bundle = show_verdict(verdict) if verdict else None
    if verdict and bundle:
        found, mistake = title(verdict), verdict["mistake"]
        shown = Markup(bundle["text/html"])  # noqa: S704 - our own template's
    else:
        found, mistake = _silence(cell, points), None
        shown = Markup("<p>{}.</p>").format(found)
    return Told(
        grade_id=question.grade_id,
        title=question.title,
        points=points,
        most=question.max_points,
        found=found,
        mistake=mistake["name"] if mistake else "",
        verdict=shown,
        is_changed=bool(verdict and bundle) and points not in (None, (verdict or {})["points"]),
    )


def _silence(cell: NotebookNode | None, points: float | None) -> str:
    """Return what to say of a question about which no check has spoken."""
    if cell is None or cell.metadata.nbgrader.solution:
        if cell and points == 0 and cell.source.strip() == _UNTOUCHED:
            return "Not answered"
        return "Waits for a person to read it" if points is None else "Read by a person"
    for error in (o for o in cell.get("outputs", []) if o.output_type == "error"):
        if error.ename in _ENDED:
            return f"Not judged: {error.evalue}"
        return f"Not judged: the code that it needs ended in {error.ename}"
    return "Not judged"


def _part(cell: NotebookNode, questions: dict[str, Told], result: Result) -> Part:
    told = _told(cell)
    name = told.grade_id if told else ""
    is_answer = bool(told and told.solution)
    comment = result.comments.get(name)
    shown = markup.text(comment) if comment else None
    question = questions.get(name)
    if cell.cell_type != "code":
        body = markup.text(cell.source, cell.get("attachments"))
        return Part("written" if is_answer else "text", body, (), is_answer, question, shown)
    # What a check let the answer print could tell a hidden case: there is only its verdict.
    outputs = () if question else tuple(markup.output(output) for output in cell.outputs)
    return Part("code", markup.code(cell.source), outputs, is_answer, question, shown)


def _told(cell: NotebookNode) -> NotebookNode | None:
    told: NotebookNode | None = cell.metadata.get("nbgrader")
    return told
