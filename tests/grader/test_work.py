"""Grading one submission in a real kernel: it ends, and earns what it earned."""

import nbformat
import pytest
from nbconvert.filters import strip_ansi

from grader.execute import OUTPUT_LIMIT, Settings
from grader.work import METADATA_KEY, grade_submission, zero
from small_release import STUB, answered, as_file, cell_of, release

PATIENT = Settings(seed=7, cell_timeout=60)
HASTY = Settings(seed=7, cell_timeout=3)
LOOP = "def f():\n    while True:\n        pass"
STUBBORN = """
def f():
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pass
"""
ENVIRONMENT = """
def f():
    import os
    assert not [name for name in os.environ if "SECRET" in name]
    assert os.environ["COURSE_GRADING_SEED"] == "7"
    assert os.environ["HOME"] == os.getcwd()
    return 2.0
"""


def graded(settings=PATIENT, **answers):
    return grade_submission(as_file(answered(**answers)), as_file(release()), settings)


@pytest.mark.parametrize(
    ("f", "points", "g_points", "problem"),
    [
        ("def f():\n    return 2.0", 2.0, 3.0, None),
        (STUB, 0.0, 3.0, None),
        ("def f(:", 0.0, 3.0, None),
        ("def f():\n    raise SystemExit", 0.0, 3.0, None),
        ("def f():\n    return input()", 0.0, 3.0, None),
        ("def f():\n    print('x' * 10_000_000)\n    return 2.0", 2.0, 3.0, None),
        ("import warnings\ndef f():\n    warnings.warn('x')\n    return 2.0", 2.0, 3.0, None),
        (ENVIRONMENT, 2.0, 3.0, None),
        ("def f():\n    return 2.0\nraise ValueError", 2.0, 3.0, None),
        (LOOP, 0.0, 3.0, "The cell test_f was stopped after 3 s"),
        (STUBBORN, 0.0, 0.0, "The cell test_f could not be stopped after 3 s"),
        ("import os\ndef f():\n    os._exit(0)", 0.0, 0.0, "test_f ended the whole program"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 0.0, 0.0, "The cell f ended"),
    ],
)
def test_each_cell_gets_its_chance(monkeypatch, f, points, g_points, problem):
    monkeypatch.setenv("MY_SECRET_TOKEN", "hush")
    result = graded(HASTY if f in (LOOP, STUBBORN) else PATIENT, f=f)
    assert result.scores["test_f"].points == points
    assert result.scores["test_g"].points == g_points
    assert result.scores["why"].points is None
    texts = [p.text for p in result.problems]
    assert [problem in text for text in texts] == ([True] if problem else [])


def test_the_graded_notebook_has_the_release_s_cells_and_bounded_outputs():
    result = graded(f="def f():\n    print('x' * 10_000_000)\n    return 2.0")
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    nbformat.validate(notebook)
    stream, points = cell_of(notebook, "test_f").outputs
    assert len(stream.text) < OUTPUT_LIMIT + 100
    assert "the rest of the output was cut" in stream.text
    assert points.data == {"text/plain": "2.0"}
    assert "secret" not in notebook.metadata


def test_a_traceback_shows_the_student_s_own_lines_only():
    result = graded(f="import json\n\ndef f():\n    return json.loads('{')")
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    (error,) = cell_of(notebook, "test_f").outputs
    text = strip_ansi("\n".join(error.traceback))
    assert "return json.loads('{')" in text
    assert "JSONDecodeError: Expecting property name" in text
    assert "File " not in text


def test_outputs_before_the_end_are_kept():
    result = graded(f="print('before')\ndef f():\n    return 2.0", g="import os\nos._exit(1)")
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    assert cell_of(notebook, "f").outputs[0].text == "before\n"
    assert result.scores["test_f"].points == 2.0
    assert cell_of(notebook, "test_g").outputs[0].ename == "NotRun"
    assert notebook.cells[0].source.startswith("**About this submission**")


def test_an_unreadable_submission_gets_a_zero_with_its_reason():
    result = grade_submission(b"{", as_file(release()), PATIENT)
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    assert {score.points for score in result.scores.values()} == {0.0}
    assert "not valid JSON" in notebook.cells[0].source
    assert notebook.metadata[METADATA_KEY]["problems"] == [p.as_dict() for p in result.problems]
    assert [cell.id for cell in notebook.cells[1:]] == [cell.id for cell in release().cells]


def test_zero_gives_nothing_for_anything():
    result = zero(as_file(release()), "It was not there.")
    assert {(s.points, s.max_points) for s in result.scores.values()} == {(0, 2), (0, 3), (0, 4)}
    assert [problem.is_fatal for problem in result.problems] == [True]
