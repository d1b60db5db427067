"""``grader demo``: a whole class, from the release to the report, on a sample of submissions."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from course.checking import Unit
from grader.class_folder import MARK, ClassFolder, make_class, notebook_name, open_class
from grader.content import find_content
from grader.errors import GraderError, UsageError
from grader.feedback import feedback
from grader.files import write_atomically
from grader.grade import grade
from grader.gradebook import TIMESTAMP
from grader.release import release
from grader.report import report
from grader.results import Result, Results, read_results
from grader.sample import SIZE, Sample, sample_class
from grader.sealed.protection import Mode
from grader.tables import show_grades, show_mistakes
from grader.work import read_notebook

CELL_TIMEOUT = 15
"""Seconds that a cell may run: the sample class has an endless loop, and nobody likes to wait."""

UNIT = "03_optimizers"


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    klass: ClassFolder
    unit: Unit
    samples: list[Sample]
    results: Results


def demo(
    unit: Unit,
    console: Console,
    *,
    course: Path | None = None,
    into: Path | None = None,
    students: int = SIZE,
    jobs: int | None = None,
    sandbox: Mode = "best",
) -> Demo:
    """Make a class, let the sample class hand in, grade it, and show what came out.

    Raises:
        GraderError: a step fails, or the grades are not those that the sample class must get.
    """
    content = find_content(course)
    klass = _fresh_class(into or content / "build" / "demo", content)
    handout = release(klass, [unit], console)
    samples = sample_class(unit, read_notebook(klass.require_release(unit)), students)
    for sample in samples:
        _hand_in(klass, unit, sample)
    grade(klass, [unit], console, jobs=jobs, sandbox=sandbox)
    feedback(klass, [unit], console)
    page = report(klass, [unit], console)[0]
    results = read_results(klass, unit)
    show_grades(console, results)
    show_mistakes(console, results)
    _show_places(console, klass, unit, handout, page)
    wrong = surprises(samples, results)
    if wrong:
        raise GraderError(f"The sample class got other grades than it must: {'; '.join(wrong)}.")
    return Demo(klass, unit, samples, results)


def surprises(samples: list[Sample], results: Results) -> list[str]:
    """Return, as sentences, where grades or verdicts are not what a sample must get."""
    by_student = {result.student: result for result in results.students}
    most = {q.grade_id.removeprefix("test_"): q.max_points for q in results.questions}
    found = []
    for sample in samples:
        result = by_student.get(sample.student)
        if result is None:
            found.append(f"{sample.student} has no grade")
        else:
            found += _surprises(sample, result, most)
    return found


def _surprises(sample: Sample, result: Result, most: dict[str, float]) -> list[str]:
    points = {name.removeprefix("test_"): p for name, p in result.points.items()}
    verdicts = {str(v["exercise"]): v for v in result.verdicts.values()}
    expected = {name: most[name] for name in sample.full} | dict.fromkeys(sample.zero, 0.0)
    found = [
        f"{sample.student} has {points[name]} points for {name}, not {right:g}"
        for name, right in sorted(expected.items())
        if points[name] != right
    ]
    for name, mistake in sorted(sample.named.items()):
        named = (verdicts.get(name, {}).get("mistake") or {}).get("name")
        if named != mistake:
            found.append(
                f"{sample.student}'s mistake in {name} is named {named!r}, not {mistake!r}"
            )
        if points[name] == most[name]:
            found.append(f"{sample.student} has all points for {name} in spite of its mistake")
    return found


def _fresh_class(root: Path, content: Path) -> ClassFolder:
    """Make the class anew; only a folder that an earlier demo made is replaced.

    Raises:
        UsageError: something else lies there.
    """
    if (root / MARK).is_file():
        if not open_class(root).demo:
            raise UsageError(f"{root} is a real class. Name another folder with --into DIR.")
        shutil.rmtree(root)
    return make_class(root, content, cell_timeout=CELL_TIMEOUT, demo=True)


def _hand_in(klass: ClassFolder, unit: Unit, sample: Sample) -> None:
    folder = klass.submitted(unit, sample.student)
    folder.mkdir(parents=True)
    stamp = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC\n"
    write_atomically(folder / TIMESTAMP, stamp.encode())
    if sample.content is not None:
        write_atomically(folder / (sample.filename or notebook_name(unit)), sample.content)


def _show_places(
    console: Console, klass: ClassFolder, unit: Unit, handout: Path, page: Path
) -> None:
    student = next(s for s in klass.students(unit) if klass.feedback(unit, s).is_file())
    places = {
        "class folder": klass.root,
        "for students": handout,
        "gradebook": klass.root / "gradebook.db",
        "a feedback page": klass.feedback(unit, student),
        "class report": page,
    }
    for what, place in places.items():
        console.print(f"{what:<16} {place}", highlight=False)
    console.print(
        f"\nTo grade by hand: cd {klass.root} && jupyter lab\n"
        "and choose Formgrader in its menu Nbgrader.",
        highlight=False,
    )
