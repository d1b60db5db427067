"""What comes from a submission and what does not: rows of the list of faults."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from grader.problems import Unreadable
from grader.rebuild import SIZE_LIMIT, rebuild
from small_release import SETUP, STUB, answered, as_file, cell_of, release, told

RELEASED = [cell.id for cell in release().cells]


def rebuilt(notebook):
    return rebuild(as_file(notebook), release())


def test_an_honest_submission_keeps_its_answers_and_has_no_problems():
    notebook, problems = rebuilt(answered())
    assert notebook == answered()
    assert problems == []


def tagged(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "raises-exception"]
        cell.metadata["jupyter"] = {"source_hidden": True}


def flipped(notebook):
    for cell in notebook.cells:
        for key in ("grade", "solution", "locked"):
            if "nbgrader" in cell.metadata:
                cell.metadata.nbgrader[key] = not cell.metadata.nbgrader[key]


def more_points(notebook):
    cell_of(notebook, "test_f").metadata.nbgrader.points = 100


def new_schema(notebook):
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = 99


def without_metadata(notebook):
    for cell in notebook.cells:
        cell.metadata = {}


def without_ids(notebook):
    for cell in notebook.cells:
        del cell["id"]
    notebook.nbformat_minor = 4


def same_ids(notebook):
    for cell in notebook.cells:
        cell.id = "same"


def other_kernel(notebook):
    notebook.metadata = {"kernelspec": {"name": "julia-1.10", "language": "julia"}}


def answer_as_markdown(notebook):
    cell = cell_of(notebook, "f")
    cell.cell_type = "markdown"
    del cell["outputs"], cell["execution_count"]
    cell["attachments"] = {"picture.png": {"image/png": "AAAA"}}


def text_as_code(notebook):
    cell_of(notebook, "why").cell_type = "code"


def source_as_lines(notebook):
    for cell in notebook.cells:
        cell.source = cell.source.splitlines(keepends=True)


@pytest.mark.parametrize(
    "change",
    [
        tagged,
        flipped,
        more_points,
        new_schema,
        without_metadata,
        without_ids,
        same_ids,
        other_kernel,
        answer_as_markdown,
        text_as_code,
        source_as_lines,
    ],
)
def test_what_is_around_the_answers_comes_from_the_release(change):
    notebook = answered()
    change(notebook)
    assert rebuilt(notebook)[0] == answered()


def with_extra(notebook, position, *cells):
    at = [cell.id for cell in notebook.cells].index(position)
    notebook.cells[at:at] = cells
    return notebook


def remove(notebook, *ids):
    notebook.cells = [cell for cell in notebook.cells if cell.id not in ids]
    return notebook


def test_a_helper_cell_stays_before_the_answer_that_needs_it():
    helper = new_code_cell("def helper():\n    return 2.0", metadata={"tags": ["skip-execution"]})
    notebook, problems = rebuilt(with_extra(answered(), "f", helper))
    sources = [cell.source for cell in notebook.cells]
    assert sources.index(helper.source) == sources.index(cell_of(answered(), "f").source) - 1
    extra = next(cell for cell in notebook.cells if cell.source == helper.source)
    assert extra.metadata == {}
    assert problems == []


def test_cells_after_the_last_one_stay_there():
    notebook = answered()
    notebook.cells += [new_code_cell("1 + 1"), new_markdown_cell("done"), new_raw_cell("x")]
    assert [cell.source for cell in rebuilt(notebook)[0].cells[-3:]] == ["1 + 1", "done", "x"]


def test_an_answer_that_lost_its_name_still_runs_after_the_stub():
    notebook = answered()
    anonymous = cell_of(notebook, "f")
    anonymous.metadata, anonymous.id = {}, "something"
    made, problems = rebuilt(notebook)
    sources = [cell.source for cell in made.cells]
    assert sources.index(STUB) < sources.index(anonymous.source) < sources.index("f()")
    assert [problem.text for problem in problems] == [
        "The cell f was missing; it stands as it was released."
    ]


@pytest.mark.parametrize("gone", ["f", "test_f", "why", "setup"])
def test_a_deleted_cell_is_put_back_as_released(gone):
    notebook, problems = rebuilt(remove(answered(), gone))
    assert cell_of(notebook, gone) == cell_of(release(), gone)
    assert [cell.id for cell in notebook.cells] == RELEASED
    assert gone in problems[0].text


@pytest.mark.parametrize(
    ("name", "text"), [("test_f", "2.0"), ("setup", "base = 5"), ("test_f", "")]
)
def test_a_changed_locked_cell_is_the_released_one(name, text):
    notebook = answered()
    cell_of(notebook, name).source = text
    made, problems = rebuilt(notebook)
    assert made == answered()
    assert name in problems[0].text


def test_changes_of_a_free_cell_run_after_the_released_cell():
    notebook = answered()
    cell_of(notebook, "free").source = "import cmath"
    sources = [cell.source for cell in rebuilt(notebook)[0].cells]
    assert sources[1:4] == [SETUP, "import math", "import cmath"]


def test_a_copied_test_cell_counts_once():
    copied = new_code_cell("f()", metadata=told("test_f", grade=True, locked=True, points=2))
    notebook, problems = rebuilt(with_extra(answered(), "g", copied))
    assert notebook == answered()
    assert problems == []


def test_of_several_answers_the_first_that_was_worked_on_counts():
    meta = told("f", solution=True)
    copies = [new_code_cell(STUB, metadata=meta), new_code_cell("def f(): ...", metadata=meta)]
    notebook, problems = rebuilt(with_extra(answered(), "test_f", *copies))
    assert cell_of(notebook, "f").source == cell_of(answered(), "f").source
    shown = [cell for cell in notebook.cells if cell.source == "def f(): ..."]
    assert [cell.cell_type for cell in shown] == ["raw"]
    assert "stood there 2 times" in problems[0].text


def test_moved_cells_go_back():
    notebook = answered()
    notebook.cells.reverse()
    made, problems = rebuilt(notebook)
    assert made == answered()
    assert "moved" in problems[0].text


def test_an_added_graded_cell_earns_nothing():
    bonus = new_code_cell("100.0", metadata=told("bonus", grade=True, locked=True, points=100))
    notebook, _ = rebuilt(with_extra(answered(), "f", bonus))
    assert [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "bonus"
    ] == []


def test_pictures_in_a_written_answer_are_kept():
    notebook = answered()
    cell_of(notebook, "why")["attachments"] = {"a.png": {"image/png": "AAAA", "x": 1}, "b": 2}
    made, _ = rebuilt(notebook)
    assert cell_of(made, "why").attachments == {"a.png": {"image/png": "AAAA"}}


def test_the_result_is_a_valid_notebook_and_the_same_each_time():
    notebook = answered()
    notebook.cells[0:0] = [new_code_cell("a"), new_code_cell("b"), new_raw_cell("c")]
    first, _ = rebuilt(notebook)
    nbformat.validate(first)
    assert first == rebuilt(notebook)[0]


def test_format_3_is_read():
    cells = []
    for cell in answered().cells:
        text = {"input": cell.source, "language": "python", "outputs": [], "collapsed": False}
        body = text if cell.cell_type == "code" else {"source": cell.source}
        cells.append({"cell_type": cell.cell_type, "metadata": cell.metadata, **body})
    sheets = [{"cells": cells, "metadata": {}}]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": sheets}
    notebook, _ = rebuild(json.dumps(old).encode(), release())
    assert notebook == answered()


def damaged(**changes):
    return json.dumps({**answered(), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[1, 2]", "format None"),
        (b"def f():\n    return 2.0\n", "not valid JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * SIZE_LIMIT + b"{}", "20 MB"),
        (damaged(nbformat=99), "format 99"),
        (damaged(nbformat=3), "damaged"),
        (damaged(nbformat="4"), "format '4'"),
        (damaged(cells=None), "without cells"),
        (damaged(cells=[]), "none of this assignment's"),
        (damaged(cells=[1, None, "x", {"cell_type": "code", "source": 5}]), "none of this"),
        (damaged(cells=[new_code_cell("x = 1")]), "none of this assignment's"),
        (damaged(cells=[cell_of(answered(), "setup"), cell_of(answered(), "why")]), "none of this"),
    ],
)
def test_what_is_no_notebook_of_the_assignment_says_why(content, why):
    with pytest.raises(Unreadable, match=why):
        rebuild(content, release())


@pytest.mark.parametrize("junk", [5, None, [], {"nbgrader": 7}, {"nbgrader": {"grade_id": []}}])
def test_metadata_of_any_kind_is_survived(junk):
    notebook = json.loads(as_file(answered()))
    for cell in notebook["cells"]:
        cell["metadata"] = junk
    assert rebuilt(notebook)[0] == answered()


def test_half_characters_are_survived():
    notebook = answered(f='def f():\n    return "\ud800"')
    made, _ = rebuilt(notebook)
    nbformat.writes(made).encode()
