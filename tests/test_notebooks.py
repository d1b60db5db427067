"""The committed notebooks are those that the texts beside them stand for."""

import copy
from pathlib import Path

import nbformat
import pytest

from course.exercises import common_mistakes, units
from grader.lessons import IGNORED, RAISES
from grader.notebooks import build, find_sources, is_current, read_text

ROOT = Path(__file__).parents[1]
SOURCES = find_sources(ROOT)
LESSONS = [source for source in SOURCES if source.is_lesson]

# The cells whose outputs nbval does not compare, by lesson and first line, each with its reason.
NOT_COMPARED: dict[tuple[str, str], str] = {}


def name_of(source):
    return source.notebook.stem


def committed(source):
    return nbformat.read(source.notebook, as_version=4)


def without_outputs(notebook):
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_text_metadata_and_ids_agree(source):
    assert without_outputs(committed(source)) == read_text(source)


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_building_again_changes_no_byte(source):
    assert is_current(source), "run grader notebooks"
    assert build(source) == source.notebook.read_bytes()


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_a_notebook_is_valid_and_holds_text_outputs_only(source):
    notebook = committed(source)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        for output in cell.outputs:
            assert set(output.get("data", {})) <= {"text/plain"}
        failed = [output for output in cell.outputs if output.output_type == "error"]
        assert not failed or RAISES in cell.metadata.tags
    assert source.is_lesson or not any(cell.outputs for cell in cells)


def test_every_cell_that_nbval_ignores_has_a_reason():
    ignored = {
        (name_of(source), cell.source.splitlines()[0])
        for source in LESSONS
        for cell in committed(source).cells
        if IGNORED in cell.metadata.get("tags", [])
    }
    assert ignored == set(NOT_COMPARED)


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.key)
def test_a_lesson_shows_the_mistakes_that_the_unit_has_now(unit):
    """Its record is made anew only when its own cells change, not with the unit's mistakes."""
    shown = [
        output.get("data", {}).get("text/plain", "")
        for cell in nbformat.read(ROOT / unit.lesson, as_version=4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    stale = f"run grader notebooks --execute {unit.key}"
    assert repr(common_mistakes(unit.key)) in shown, stale


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.key)
def test_every_exercise_of_a_unit_is_asked_and_tested_once(unit):
    source = next((s for s in SOURCES if s.notebook == ROOT / unit.assignment), None)
    assert source, f"write the assignment's text, {unit.assignment} with the ending .py"
    cells = committed(source).cells
    told = [cell.metadata.nbgrader for cell in cells if "nbgrader" in cell.metadata]
    tests = {t.grade_id: t.points for t in told if t.grade and not t.solution}
    assert tests == {f"test_{e.name}": e.points for e in unit.exercises}
    answers = [t.grade_id for t in told if t.solution and not t.grade]
    assert sorted(answers) == sorted(exercise.name for exercise in unit.exercises)
    assert [t for t in told if t.grade and t.solution], "a question to answer in words"
    assert (ROOT / unit.lesson).is_file()
