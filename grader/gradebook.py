"""The one place that writes grades: nbgrader's gradebook and the graded notebooks beside it.

The gradebook is committed first and the notebook, which carries the mark of what was graded, moved
into its place last. A run that is killed in between has no mark, and grades that submission again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import parse_utc

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.errors import GraderError
from grader.execute import Settings
from grader.files import PART, write_atomically
from grader.rows import Marks, UnitRows
from grader.stock import hide_password, open_gradebook
from grader.work import METADATA_KEY, Graded

TIMESTAMP = "timestamp.txt"


@dataclass(frozen=True)
class Entry:
    """A grade to write.

    Attributes:
        student: the student's id.
        graded: what grading gave; a cell without a score there keeps the one it has.
        mark: the digest of the work that was graded; empty if the next run shall grade it again.
    """

    student: str
    graded: Graded
    mark: str


def digest(submission: bytes, release: bytes, settings: Settings) -> str:
    """Return a mark that is the same only for the same work under the same conditions."""
    whole = hashlib.sha256()
    for part in (submission, release, repr(settings).encode()):
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


class Writer:
    """Writes the grades of one unit of a class."""

    def __init__(self, gradebook: Gradebook, klass: ClassFolder, unit: Unit) -> None:
        self.gradebook = gradebook
        self._class = klass
        self._unit = unit
        self._rows = UnitRows(gradebook, unit)
        self._known = self._rows.scores()
        self._released = _answers(json.loads(klass.require_release(unit)))

    def is_graded(self, student: str, mark: str) -> bool:
        """Tell whether exactly this work has been graded, here and in the gradebook."""
        noted = _noted(_read(self._class.autograded(self._unit, student)))
        return (
            student in self._known
            and noted.get("mark") == mark
            and noted.get("scores") == self._known[student]
        )

    def record(self, entries: Sequence[Entry]) -> None:
        """Write students' grades over any older ones."""
        drafts = [self._draft(entry) for entry in entries]
        self._rows.write([draft.marks for draft in drafts])
        for draft in drafts:
            draft.save()
            self._known[draft.marks.student] = draft.notebook["metadata"][METADATA_KEY]["scores"]

    def _draft(self, entry: Entry) -> _Draft:
        place = self._class.autograded(self._unit, entry.student)
        stamp = read_timestamp(self._class.submitted(self._unit, entry.student))
        notebook, before = json.loads(entry.graded.notebook), _read(place)
        answers = _answers(notebook)
        changed = None if before is None else _differing(answers, _answers(before))
        untouched = frozenset(answers) - _differing(answers, self._released)
        scores = {grade_id: score.points for grade_id, score in entry.graded.scores.items()}
        known = self._known.get(entry.student, {})
        notebook["metadata"][METADATA_KEY] |= {
            "mark": entry.mark,
            "seconds": round(entry.graded.seconds, 3),
            "scores": {name: scores.get(name, known.get(name)) for name in self._rows.graded},
        }
        marks = Marks(entry.student, stamp, scores, untouched, changed)
        return _Draft(marks, notebook, place)


@dataclass(frozen=True)
class _Draft:
    """One submission's row in the gradebook and file, ready to be written."""

    marks: Marks
    notebook: dict[str, Any]
    place: Path

    def save(self) -> None:
        """Write the graded notebook; it counts as graded from the last line on."""
        for left_behind in self.place.parent.glob(f".*{PART}"):
            left_behind.unlink()
        stamp = self.place.parent / TIMESTAMP
        if self.marks.timestamp:
            write_atomically(stamp, f"{self.marks.timestamp} UTC\n".encode())
        else:
            stamp.unlink(missing_ok=True)
        write_atomically(self.place, json.dumps(self.notebook, sort_keys=True).encode())


@contextmanager
def open_writer(klass: ClassFolder, unit: Unit) -> Iterator[Writer]:
    """Open the gradebook of a class to write a unit's grades."""
    with open_gradebook(klass.gradebook_url) as gradebook:
        try:
            writer = Writer(gradebook, klass, unit)
        except MissingEntry:
            raise GraderError(
                f"The gradebook {hide_password(klass.gradebook_url)} does not know {unit.key}. "
                f"Run grader release {unit.key} again; another database than the class folder's "
                "own must stand in class.toml for that."
            ) from None
        yield writer


def read_graded(place: Path) -> NotebookNode | None:
    """Return a graded notebook, or None if there is none that this program has written whole."""
    try:
        notebook: NotebookNode = nbformat.reads(place.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError):
        return None
    return notebook if METADATA_KEY in notebook.metadata else None


def read_timestamp(folder: Path) -> datetime.datetime | None:
    """Return when a submission was handed in, in UTC, if it says so legibly."""
    try:
        stamp: datetime.datetime | None = parse_utc((folder / TIMESTAMP).read_text().strip())
    except (OSError, ValueError, OverflowError):
        return None
    return stamp


def _read(place: Path) -> dict[str, Any] | None:
    """Return a notebook's plain data, if it is one: without nbformat, which takes longer."""
    try:
        found = json.loads(place.read_bytes())
    except (OSError, ValueError):
        return None
    in_order = (
        isinstance(found, dict)
        and isinstance(found.get("cells"), list)
        and isinstance(found.get("metadata"), dict)
    )
    return found if in_order else None


def _noted(notebook: dict[str, Any] | None) -> dict[str, Any]:
    """Return what this program has noted in a graded notebook."""
    noted = notebook["metadata"].get(METADATA_KEY) if notebook else None
    return noted if isinstance(noted, dict) else {}


def _answers(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Return, for each graded or answered cell, the text that a grading by hand looked at.

    For the points of code that is all code, for anything else the cell's own text.
    """
    code = json.dumps([_text(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"])
    answers = {}
    for cell in notebook["cells"]:
        told = cell.get("metadata", {}).get("nbgrader", {})
        if told.get("grade") and cell["cell_type"] == "code":
            answers[told["grade_id"]] = code
        elif told.get("grade") or told.get("solution"):
            answers[told["grade_id"]] = _text(cell)
    return answers


def _text(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])


def _differing(answers: Mapping[str, str], others: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name for name, text in answers.items() if others.get(name) != text)
