"""Every assignment's text agrees with the catalogue, and its worked examples come out."""

import doctest
import re
from pathlib import Path

import jupytext
import numpy as np
import pytest

from course.checking import judge
from course.exercises import PUBLIC_SEED, units

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENTS = {unit.key: unit for unit in units()}


def answers(unit):
    """Run the given and the answer cells of an assignment's text and return their namespace."""
    namespace = {"np": np, "__name__": "__main__"}
    for cell in read(unit).cells:
        if cell.cell_type == "code" and cell.metadata.get("role") in ("readonly", "answer"):
            exec(compile(cell.source, f"{unit.key} {cell.metadata['grade_id']}", "exec"), namespace)
    return namespace


def read(unit):
    return jupytext.read((ROOT / unit.assignment).with_suffix(".py"))


@pytest.mark.parametrize("key", ASSIGNMENTS)
def test_every_exercise_has_its_answer_and_test_cell(key):
    unit = ASSIGNMENTS[key]
    cells = [
        (cell.metadata.get("grade_id"), cell.metadata.get("role")) for cell in read(unit).cells
    ]
    needed = [
        cell
        for exercise in unit.exercises
        for cell in ((exercise.name, "answer"), (f"test_{exercise.name}", "test"))
    ]
    missing = [cell for cell in needed if cell not in cells]
    assert not missing, f"the assignment lacks the cells (grade_id, role) {missing}"
    assert any(role == "manual" for _, role in cells), "no free-text question for manual grading"


@pytest.mark.parametrize("key", ASSIGNMENTS)
def test_every_answer_is_right(key):
    unit = ASSIGNMENTS[key]
    namespace = answers(unit)
    for exercise in unit.exercises:
        verdict = judge(exercise, namespace[exercise.name], PUBLIC_SEED)
        assert verdict.status == "right", str(verdict)


@pytest.mark.parametrize("key", ASSIGNMENTS)
def test_worked_examples_come_out(key):
    unit = ASSIGNMENTS[key]
    namespace = answers(unit)
    for exercise in unit.exercises:
        text = namespace[exercise.name].__doc__
        example = doctest.DocTestParser().get_doctest(text, namespace, exercise.name, None, 0)
        assert example.examples, f"{exercise.name} has no worked example"
        assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


@pytest.mark.parametrize("key", ASSIGNMENTS)
def test_points_in_the_text_are_those_of_the_catalogue(key):
    unit = ASSIGNMENTS[key]
    text = "\n".join(cell.source for cell in read(unit).cells if cell.cell_type == "markdown")
    said = [float(points) for points in re.findall(r"^## \d+\. .* \((\d+) points\)$", text, re.M)]
    asked = [exercise.points for exercise in unit.exercises]
    asked += [
        cell.metadata["points"]
        for cell in read(unit).cells
        if cell.metadata.get("role") == "manual"
    ]
    assert said == asked, f"the headings say {said} points, the catalogue {asked}"
