"""The code of a unit's answers, by exercise: what similarity is looked for in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.checking import Exercise, Unit
from grader.class_folder import ClassFolder
from grader.similar.fingerprints import Fingerprints, fingerprints, given_by
from grader.work import METADATA_KEY

Cells = dict[str, tuple[str, ...]]
"""The code cells that belong to each exercise."""


@dataclass(frozen=True)
class Sheet:
    """The release of a unit: which exercise each test cell ends, and what is boilerplate."""

    unit: Unit
    tests: dict[str, Exercise]
    texts: frozenset[str]
    prints: dict[str, Fingerprints]
    released: Cells

    def read(self, notebook: dict[str, Any]) -> Cells:
        """Return a student's code: the answers, and the cells added on the way to each test."""
        return _by_test(notebook, self.tests)

    def own(self, exercise: Exercise, cells: tuple[str, ...]) -> Fingerprints:
        """Return an answer's fingerprints without those of the release; empty for a stub."""
        found = fingerprints(self.changed(cells), given_by(exercise.reference))
        return found - self.prints[exercise.name]

    def changed(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        """Return the cells that are not as they were released."""
        return tuple(cell for cell in cells if cell.strip() and cell.strip() not in self.texts)


def read_sheet(unit: Unit, release: bytes) -> Sheet:
    """Return what a unit's release fixes."""
    notebook = json.loads(release)
    code = [_source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    remarks = [
        f"# {line}"
        for cell in notebook["cells"]
        if cell["cell_type"] == "markdown"
        for line in _source(cell).splitlines()
    ]
    tests = dict(_tests(notebook, unit))
    prints = {e.name: _prints([*code, *remarks], e) for e in tests.values()}
    texts = frozenset(text.strip() for text in code)
    return Sheet(unit, tests, texts, prints, _by_test(notebook, tests))


def _prints(texts: list[str], exercise: Exercise) -> Fingerprints:
    given = given_by(exercise.reference)
    return frozenset().union(*(fingerprints([text], given) for text in texts))


def read_answers(klass: ClassFolder, sheet: Sheet) -> Iterator[tuple[str, Cells]]:
    """Yield each student and their code, from the notebooks that have been graded."""
    for folder in sorted(klass.root.glob(f"autograded/*/{sheet.unit.key}")):
        notebook = _read(klass.autograded(sheet.unit, folder.parent.name))
        if notebook:
            yield folder.parent.name, sheet.read(notebook)


def read_solutions(klass: ClassFolder, sheet: Sheet) -> dict[str, str]:
    """Return the assignment's model answers, where the class folder has them."""
    path = klass.source(sheet.unit)
    if not path.is_file():
        return {}
    cells = sheet.read(json.loads(path.read_bytes()))
    return {name: "\n".join(sheet.changed(texts)) for name, texts in cells.items()}


def _tests(notebook: dict[str, Any], unit: Unit) -> Iterator[tuple[str, Exercise]]:
    """Yield each test cell's name and the exercise that the answers before it define."""
    passed = ""
    for cell in notebook["cells"]:
        told = cell["metadata"].get("nbgrader", {})
        if told.get("solution"):
            passed += f"\n{_source(cell)}"
        elif told.get("grade"):
            for exercise in unit.exercises:
                if f"def {exercise.name}(" in passed or f"class {exercise.name}" in passed:
                    yield str(told["grade_id"]), exercise
            passed = ""


def _by_test(notebook: dict[str, Any], tests: dict[str, Exercise]) -> Cells:
    found: dict[str, list[str]] = {exercise.name: [] for exercise in tests.values()}
    passed: list[str] = []
    last = ""
    for cell in notebook["cells"]:
        told = cell["metadata"].get("nbgrader", {})
        if told.get("grade_id") in tests:
            last = tests[told["grade_id"]].name
            found[last] += passed
            passed = []
        elif cell["cell_type"] == "code" and (told.get("solution") or not told):
            passed.append(_source(cell))
    if last:
        found[last] += passed
    return {name: tuple(cells) for name, cells in found.items()}


def _read(path: Path) -> dict[str, Any] | None:
    """Return a graded notebook as plain data, which is read in a tenth of nbformat's time."""
    try:
        notebook = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return notebook if METADATA_KEY in notebook["metadata"] else None


def _source(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)
