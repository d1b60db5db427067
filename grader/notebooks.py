"""Building each notebook from the text beside it: the text is what people edit and review.

An author writes only what a person decides: ``grade_id``, ``role`` and, where no exercise of the
catalogue fixes them, ``points``. The rest of nbgrader's metadata, the cell ids and the stored
outputs come from here, so that building again changes no byte.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jupytext
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from course.exercises import find_exercise
from grader.content import unit_folders
from grader.errors import GraderError
from grader.files import NEW_CELL, as_bytes, write_atomically
from grader.lessons import keep_outputs, run_lesson

SCHEMA_VERSION = 3
BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


@dataclass(frozen=True)
class Role:
    """What nbgrader is told about a cell that has this role."""

    grade: bool
    solution: bool
    locked: bool
    cell_types: tuple[str, ...]


ROLES = {
    "answer": Role(grade=False, solution=True, locked=False, cell_types=("code",)),
    "test": Role(grade=True, solution=False, locked=True, cell_types=("code",)),
    "manual": Role(grade=True, solution=True, locked=False, cell_types=("markdown",)),
    "readonly": Role(grade=False, solution=False, locked=True, cell_types=("code", "markdown")),
}
KEYS = {"grade_id", "role", "points", "exercise", "tags"}
JUPYTEXT_KEYS = {"lines_to_next_cell", "cell_marker"}


@dataclass(frozen=True)
class Source:
    """A notebook's text and the kind of notebook it becomes."""

    text: Path
    is_lesson: bool

    @property
    def notebook(self) -> Path:
        """Where the built notebook lies."""
        return self.text.with_suffix(".ipynb")

    @property
    def unit(self) -> str:
        """The key of the unit that it belongs to."""
        return self.text.parent.name


def find_sources(root: Path) -> list[Source]:
    """Return the texts of all lessons and assignments of a course, by the names of its folders."""
    lessons = [Source(f / f"{slug}.py", True) for f, slug in unit_folders(root / "lessons")]
    assignments = [
        Source(folder / f"{slug}_exercises.py", False)
        for folder, slug in unit_folders(root / "solutions")
    ]
    return lessons + assignments


def build_all(root: Path, *, execute: Collection[str] = ()) -> Iterator[str]:
    """Build all notebooks of a course and yield a line about each.

    Args:
        root: the course's folder.
        execute: the keys of the units whose lessons are run even if their code has not changed.

    Raises:
        GraderError: some could not be built; the others are.
    """
    failed = []
    for source in find_sources(root):
        name = source.notebook.relative_to(root)
        try:
            content = build(source, execute=source.unit in execute)
        except GraderError as error:
            failed.append(str(error))
            continue
        if source.notebook.is_file() and source.notebook.read_bytes() == content:
            yield f"unchanged {name}"
        else:
            write_atomically(source.notebook, content)
            yield f"built     {name}"
    if failed:
        raise GraderError("\n".join(failed))


def check_all(root: Path) -> Iterator[str]:
    """Compare all notebooks of a course with their texts and yield a line at the end.

    Raises:
        GraderError: some are not what their texts stand for.
    """
    sources = find_sources(root)
    stale = [str(s.notebook.relative_to(root)) for s in sources if not is_current(s)]
    if stale:
        raise GraderError(
            f"Not built from the text beside it: {', '.join(stale)}. Run grader notebooks."
        )
    yield f"{len(sources)} notebooks agree with their texts."


def build(source: Source, *, execute: bool = False) -> bytes:
    """Return the notebook that a text stands for; a lesson is run where its outputs are unknown.

    Args:
        source: the text.
        execute: run a lesson even if its code has not changed since it was built last.

    Raises:
        GraderError: the text, or a cell's run, is not in order; names the file and the cell.
    """
    notebook = read_text(source)
    if source.is_lesson and (execute or not keep_outputs(notebook, source.notebook)):
        run_lesson(notebook, source.text)
    return as_bytes(notebook)


def is_current(source: Source) -> bool:
    """Tell whether the built notebook is the one that its text stands for."""
    notebook = read_text(source)
    if source.is_lesson and not keep_outputs(notebook, source.notebook):
        return False
    return source.notebook.is_file() and source.notebook.read_bytes() == as_bytes(notebook)


def read_text(source: Source) -> NotebookNode:
    """Return the notebook without outputs that a text stands for.

    Raises:
        GraderError: a cell's role, id or code is not in order.
    """
    if not source.text.is_file():
        raise GraderError(
            f"{source.text} is missing: a unit's notebook is built from it. "
            "Write it, or remove the folder."
        )
    read = jupytext.reads(source.text.read_text(encoding="utf-8"), fmt="py:percent")
    authored = [_authored(source, i, cell) for i, cell in enumerate(read.cells, start=1)]
    for earlier, cell in _pairs(authored):
        for key in ("grade_id", "exercise"):
            value = getattr(cell, key)
            if value is not None and value == getattr(earlier, key):
                raise cell.error(
                    f"{key} {value!r} is taken by cell {earlier.number}; choose another"
                )
    ids = _ids(authored)
    cells = [cell.build(cell_id) for cell, cell_id in zip(authored, ids, strict=True)]
    notebook: NotebookNode = new_notebook(metadata=METADATA, cells=cells, nbformat_minor=5)
    return notebook


@dataclass(frozen=True)
class Authored:
    """A cell as its author wrote it."""

    file: Path
    number: int
    cell_type: str
    source: str
    grade_id: str | None = None
    role: str | None = None
    exercise: str | None = None
    points: float | None = None
    tags: tuple[str, ...] = ()

    def error(self, text: str) -> GraderError:
        """Return an error that names the file and the cell."""
        title = self.grade_id or next(iter(self.source.splitlines()), "")
        return GraderError(f"{self.file.name}, cell {self.number} ({title:.40}): {text}.")

    def build(self, cell_id: str) -> NotebookNode:
        """Return the notebook's cell."""
        metadata: dict[str, Any] = {}
        if self.role:
            metadata["nbgrader"] = self._nbgrader(ROLES[self.role])
        if self.tags:
            metadata["tags"] = list(self.tags)
        return NEW_CELL[self.cell_type](self.source, id=cell_id, metadata=metadata)

    def _nbgrader(self, role: Role) -> dict[str, Any]:
        told = {
            "cell_type": self.cell_type,
            "grade": role.grade,
            "grade_id": self.grade_id,
            "locked": role.locked,
            "schema_version": SCHEMA_VERSION,
            "solution": role.solution,
            "task": False,
        }
        if self.points is not None:
            told["points"] = int(self.points) if float(self.points).is_integer() else self.points
        return told


def _authored(source: Source, number: int, cell: NotebookNode) -> Authored:
    metadata = {k: v for k, v in cell.metadata.items() if k not in JUPYTEXT_KEYS}
    plain = Authored(source.text, number, cell.cell_type, cell.source)
    unknown = sorted(metadata.keys() - KEYS)
    if unknown:
        raise plain.error(
            f"{', '.join(unknown)} is not known beside '# %%'; write only "
            f'{", ".join(sorted(KEYS))}, with texts in quotes: grade_id="adam" role="answer"'
        )
    authored = replace(plain, **metadata | {"tags": tuple(metadata.get("tags", ()))})
    _check_code(authored)
    if source.is_lesson and metadata.keys() - {"tags"}:
        raise authored.error("a lesson is not graded; only tags can stand beside '# %%'")
    return authored if source.is_lesson else _with_role(authored)


def _with_role(cell: Authored) -> Authored:
    if cell.role is None:
        if cell.grade_id or cell.points is not None or cell.exercise:
            raise cell.error(f"it has no role; add role= with one of {', '.join(ROLES)}")
        return cell
    if cell.role not in ROLES:
        raise cell.error(f"role {cell.role!r} is not known; it is one of {', '.join(ROLES)}")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", cell.grade_id or ""):
        raise cell.error("it needs a grade_id of at most 64 letters, digits, - and _")
    kinds = ROLES[cell.role].cell_types
    if cell.cell_type not in kinds:
        told = f"the role {cell.role} is for {' and '.join(kinds)} cells"
        raise cell.error(f"{told}; this is a {cell.cell_type} cell")
    _check_marks(cell)
    if cell.role == "test":
        return _with_exercise(cell)
    if (cell.points is not None) != (cell.role == "manual"):
        raise cell.error("points= belongs to a manual cell, and only there")
    return cell


def _with_exercise(cell: Authored) -> Authored:
    if cell.points is not None:
        raise cell.error("a test cell's points come from its exercise; remove points=")
    name = cell.exercise or (cell.grade_id or "").removeprefix("test_")
    try:
        exercise = find_exercise(name)
    except LookupError as error:
        raise cell.error(f"{str(error.args[0]).rstrip('.')}") from None
    return replace(cell, exercise=name, points=exercise.points)


def _check_marks(cell: Authored) -> None:
    marks = re.findall(f"{BEGIN}|{END}", cell.source)
    if cell.role == "manual" and not marks and "SOLUTION" not in cell.source:
        return  # the whole cell is the model answer; nbgrader replaces all of it
    if cell.role in ("answer", "manual"):
        if not marks or marks != [BEGIN, END] * (len(marks) // 2):
            raise cell.error(
                f"mark the part that students write with {BEGIN} and {END}; it has "
                f"{', '.join(marks) if marks else 'neither'}"
            )
        left = [line for line in cell.source.rpartition(END)[2].splitlines() if line.strip()]
        if cell.role == "answer" and left:
            raise cell.error(
                f"what stands after {END} goes to students: {left[0].strip()!r}; "
                "move the mark below it"
            )
    elif re.search(r"\bSOLUTION\b", cell.source):
        raise cell.error(f"a {cell.role} cell cannot hold a solution; give it the role answer")


def _check_code(cell: Authored) -> None:
    """Find a cell that a ``# %%`` inside a text or a function has cut in two."""
    if cell.cell_type != "code":
        return
    try:
        ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError as error:
        raise cell.error(f"its code does not parse ({error.msg}, line {error.lineno})") from None


def _pairs(cells: list[Authored]) -> Iterator[tuple[Authored, Authored]]:
    return ((one, other) for i, other in enumerate(cells) for one in cells[:i])


def _ids(cells: list[Authored]) -> list[str]:
    ids: list[str] = []
    taken = {cell.grade_id for cell in cells}
    for cell in cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        copies = (f"{digest}-{count}" if count else digest for count in range(len(cells) + 1))
        ids.append(cell.grade_id or next(name for name in copies if name not in taken))
        taken.add(ids[-1])
    return ids
