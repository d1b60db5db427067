"""``grader feedback``: a page for every student, made by nbgrader."""

from __future__ import annotations

from rich.console import Console

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.progress import progress
from grader.results import nothing_graded
from grader.stock import generate_feedback


def feedback(klass: ClassFolder, units: list[Unit], console: Console) -> int:
    """Write the feedback pages of some units.

    Returns:
        How many pages there are.

    Raises:
        GraderError: nothing has been graded yet.
    """
    pages = 0
    for unit in units:
        students = graded_students(klass, unit)
        with progress(console, f"feedback {unit.key}", len(students)) as advance:
            generate_feedback(klass.root, unit.key, advance)
        pages += len(students)
    return pages


def graded_students(klass: ClassFolder, unit: Unit) -> list[str]:
    """Return the students whose graded notebooks are there.

    Raises:
        GraderError: there is none.
    """
    paths = (klass.root / "autograded").glob(f"*/{unit.key}/*.ipynb")
    students = sorted({path.parent.parent.name for path in paths})
    if not students:
        raise nothing_graded(unit)
    return students
