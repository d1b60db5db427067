"""The builder: from an author's text to a notebook, the same on every build."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader.errors import GraderError
from grader.lessons import text_only
from grader.notebooks import Source, build, build_all, check_all, is_current, read_text

ANSWER = """\
# %% grade_id="adam" role="answer"
def adam():
    ### BEGIN SOLUTION
    return 1
    ### END SOLUTION
"""
TEST = """\
# %% grade_id="test_adam" role="test"
check(adam).award()
"""


def text_of(tmp_path, text, *, is_lesson=False):
    path = tmp_path / "tiny_exercises.py"
    path.write_text(text)
    return Source(path, is_lesson)


def cells_of(tmp_path, text):
    return read_text(text_of(tmp_path, text)).cells


def test_an_author_writes_roles_and_the_builder_the_rest(tmp_path):
    manual = '# %% [markdown] grade_id="why" role="manual" points=5\n# Because.\n'
    readonly = '# %% grade_id="setup" role="readonly"\nx = 1\n'
    cells = cells_of(tmp_path, "\n".join([readonly, ANSWER, TEST, manual]))
    told = [cell.metadata.nbgrader for cell in cells]
    flags = [(t.grade, t.solution, t.locked, t.task) for t in told]
    assert flags == [
        (False, False, True, False),
        (False, True, False, False),
        (True, False, True, False),
        (True, True, False, False),
    ]
    assert [t.get("points") for t in told] == [None, None, 6, 5]
    assert [t.cell_type for t in told] == ["code", "code", "code", "markdown"]
    assert {t.schema_version for t in told} == {3}
    assert [cell.id for cell in cells] == ["setup", "adam", "test_adam", "why"]


def test_an_exercise_can_be_named_apart_from_the_cell(tmp_path):
    text = '# %% grade_id="first" role="test" exercise="momentum"\ncheck(momentum).award()\n'
    assert cells_of(tmp_path, text)[0].metadata.nbgrader.points == 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ANSWER + "\n" + ANSWER, "cell 2 .adam.*: grade_id 'adam' is taken by cell 1"),
        (
            TEST + '\n# %% grade_id="b" role="test" exercise="adam"\nb',
            "exercise 'adam' is taken",
        ),
        ('# %% grade_id="test_adm" role="test"\nx', "no exercise is called 'adm'"),
        ('# %% grade_id="a" role="tests"\nx', "role 'tests' is not known"),
        ('# %% role="test"\nx', "needs a grade_id"),
        ('# %% grade_id="a b" role="readonly"\nx', "needs a grade_id"),
        ('# %% grade_id="a"\nx', "it has no role"),
        ("# %% points=3\nx", "it has no role"),
        ('# %% grade_id="a" role="readonly" points=3\nx', "points= belongs to a manual cell"),
        ('# %% [markdown] grade_id="a" role="manual"\n# x', "points= belongs to a manual cell"),
        ('# %% grade_id="test_adam" role="test" points=3\nx', "points come from its exercise"),
        ('# %% grade_id="a" role="manual" points=3\nx', "manual is for markdown cells; this"),
        ('# %% [markdown] grade_id="a" role="answer"\n# x', "answer is for code cells; this"),
        (ANSWER.replace("BEGIN", "BEGINN"), "it has END SOLUTION"),
        (ANSWER.replace("END SOLUTION", "END"), "it has BEGIN SOLUTION"),
        (
            ANSWER.replace("    ### END SOLUTION", "    ### END SOLUTION\n    return secret"),
            "what stands after END SOLUTION goes to students: 'return secret'",
        ),
        (ANSWER.replace("BEGIN", "END"), "it has END SOLUTION, END SOLUTION"),
        ('# %% grade_id="a" role="answer"\nx = 1', "it has neither"),
        (ANSWER.replace("answer", "readonly"), "cannot hold a solution"),
        ("# %% grade_id=adam role=answer\nx = 1", "texts in quotes"),
        ("# %% A title\nx = 1", "title is not known"),
        ("# %%\ndef f():\n# %%\n    return 1", "cell 1 .def f.*does not parse"),
    ],
)
def test_what_is_not_in_order_is_named_with_file_and_cell(tmp_path, text, why):
    with pytest.raises(GraderError, match=why) as caught:
        cells_of(tmp_path, text)
    assert "tiny_exercises.py, cell " in str(caught.value)


def test_a_lesson_has_no_roles(tmp_path):
    with pytest.raises(GraderError, match="a lesson is not graded"):
        read_text(text_of(tmp_path, ANSWER, is_lesson=True))


def test_a_header_that_filters_metadata_changes_nothing(tmp_path):
    header = "# ---\n# jupyter:\n#   jupytext:\n#     cell_metadata_filter: -all\n# ---\n\n"
    plain = read_text(text_of(tmp_path, ANSWER))
    assert read_text(text_of(tmp_path, header + ANSWER)) == plain
    assert "jupytext" not in plain.metadata


def test_ids_hang_on_the_text_and_equal_texts_are_counted(tmp_path):
    before = [cell.id for cell in cells_of(tmp_path, "# %%\nx\n\n# %%\nx\n\n# %%\ny\n")]
    after = [cell.id for cell in cells_of(tmp_path, "# %%\nnew\n\n# %%\nx\n\n# %%\nx\n\n# %%\ny\n")]
    assert after[1:] == before
    assert before[1] == f"{before[0]}-1"


LESSON = """\
# %% [markdown]
# # A lesson

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import ipywidgets
from IPython.display import HTML, display

print("one")
display(HTML("<b>two</b>"))
_ = plt.plot([1, 2])

# %%
print("three")
ipywidgets.IntSlider(value=4)

# %% tags=["raises-exception"]
1 / 0
"""


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "lessons" / "90_tiny"
    folder.mkdir(parents=True)
    source = Source(folder / "tiny.py", is_lesson=True)
    source.text.write_text(LESSON)
    source.notebook.write_bytes(build(source))
    return source


def test_a_lesson_s_outputs_are_text_and_counted(lesson):
    notebook = nbformat.read(lesson.notebook, as_version=4)
    nbformat.validate(notebook)
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    kinds = [[(o.output_type, sorted(o.get("data", {}))) for o in cell] for cell in outputs]
    assert kinds == [
        [("stream", []), ("display_data", ["text/plain"]), ("display_data", ["text/plain"])],
        [("stream", []), ("execute_result", ["text/plain"])],
        [("error", [])],
    ]
    assert outputs[2][0].traceback == ["ZeroDivisionError: division by zero"]
    assert [c.execution_count for c in notebook.cells if c.cell_type == "code"] == [1, 2, 3]
    assert "widgets" not in notebook.metadata


def test_nbval_agrees_with_the_stored_outputs(lesson):
    conftest = Path(__file__).parents[2] / "lessons" / "conftest.py"
    (lesson.text.parent / "conftest.py").write_bytes(conftest.read_bytes())
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(lesson.text.parent), str(lesson.notebook)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTEST_ADDOPTS": ""},
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout


def test_outputs_are_kept_while_the_code_is_the_same(lesson, tmp_path):
    copy = Source(tmp_path / "tiny.py", is_lesson=True)
    copy.text.write_text(LESSON.replace("A lesson", "The lesson"))
    stored = lesson.notebook.read_text().replace('"one\\n"', '"kept\\n"')
    copy.notebook.write_text(stored)
    assert not is_current(copy)
    copy.notebook.write_bytes(build(copy))
    assert '"kept\\n"' in copy.notebook.read_text()
    assert is_current(copy)
    assert build(copy) == copy.notebook.read_bytes()


@pytest.mark.parametrize(
    ("change", "current"),
    [
        (lambda text: text.replace('"three"', '"3"'), False),
        (lambda text: text.replace("# # A lesson", "# # Lesson"), False),
        (lambda text: text.replace('# %% tags=["raises-exception"]', "# %%"), False),
        (lambda text: text + "\n# %% [markdown]\n# More.\n", False),
        (lambda text: text, True),
    ],
)
def test_a_stale_notebook_is_noticed(lesson, tmp_path, change, current):
    copy = Source(tmp_path / "tiny.py", is_lesson=True)
    copy.text.write_text(change(LESSON))
    copy.notebook.write_bytes(lesson.notebook.read_bytes())
    assert is_current(copy) == current


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("1 / 0", "cell 1 .1 / 0.*ZeroDivisionError: division by zero"),
        ("import sys\nprint('x', file=sys.stderr)", "writes to stderr: x"),
        ("import warnings\nwarnings.warn('old')", "writes to stderr"),
        ("object()", "memory address"),
        ("import os\nos._exit(1)", "ended its kernel"),
    ],
)
def test_a_lesson_that_fails_or_differs_on_every_run_is_not_built(tmp_path, code, why):
    with pytest.raises(GraderError, match=why):
        build(text_of(tmp_path, f"# %%\n{code}\n", is_lesson=True))


def test_streams_are_joined_however_they_came():
    said = [nbformat.v4.new_output("stream", name=n, text=n) for n in ("stdout", "stderr") * 2]
    assert [output.text for output in text_only(said)] == ["stdoutstdout", "stderrstderr"]


def test_a_lesson_is_run_again_on_demand(tmp_path):
    """What it shows may have changed although its own cells have not."""
    for unit in ("90_one", "91_two"):
        folder = tmp_path / "lessons" / unit
        folder.mkdir(parents=True)
        shown = tmp_path / "shown.txt"
        code = f"from pathlib import Path\nPath({str(shown)!r}).read_text()"
        (folder / f"{unit[3:]}.py").write_text(f"# %%\n{code}\n")
    shown.write_text("before")
    (tmp_path / "solutions").mkdir()
    list(build_all(tmp_path))
    shown.write_text("after")
    assert [line.split()[0] for line in build_all(tmp_path)] == ["unchanged"] * 2
    assert [line.split()[0] for line in build_all(tmp_path, execute=["91_two"])] == [
        "unchanged",
        "built",
    ]


def test_a_course_is_built_as_far_as_it_goes(tmp_path):
    for folder in ("lessons/90_tiny", "lessons/91_gone", "lessons/notes", "solutions/90_tiny"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "lessons/90_tiny/tiny.py").write_text("# %% [markdown]\n# Hello.\n")
    (tmp_path / "solutions/90_tiny/tiny_exercises.py").write_text(ANSWER)
    built = []
    with pytest.raises(GraderError, match=r"gone\.py is missing"):
        built.extend(build_all(tmp_path))
    (tmp_path / "lessons/91_gone/gone.py").write_text("# %% [markdown]\n# Hello.\n")
    assert [line.split()[0] for line in build_all(tmp_path)] == ["unchanged", "built", "unchanged"]
    assert list(check_all(tmp_path)) == ["3 notebooks agree with their texts."]
    (tmp_path / "lessons/91_gone/gone.py").write_text("# %% [markdown]\n# Good bye.\n")
    with pytest.raises(GraderError, match=r"lessons/91_gone/gone\.ipynb"):
        list(check_all(tmp_path))
