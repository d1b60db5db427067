"""A verdict as data, as points of a graded cell, and in a real IPython."""

import json

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade
from traitlets.config import Config

from course.checking import MIME, Verdict, judge
from course.checking.verdict import PartResult
from course.exercises import find_exercise
from student import answer

MOMENTUM = find_exercise("momentum")
HEAD = "def momentum(theta, grad, state=None, *, lr, momentum=0.9):\n"
RIGHT = f"""{HEAD}
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + u, {{"u": u}}
"""
ANSWERS = {
    "right": (RIGHT, 5),
    "NaN": (f"{HEAD}    return np.nan * theta, None", 0),
    "infinity": (f"{HEAD}    return np.inf * theta, {{1: float('nan')}}", 0),
    "half a character": (f"{HEAD}    raise ValueError('\\ud800')", 0),
    "untouched": (f"{HEAD}    raise NotImplementedError", 0),
    "first step only": (f"{HEAD}    return theta - lr * grad, {{'u': -lr * grad}}", 1),
}


@pytest.fixture
def shell(monkeypatch, tmp_path):
    """A real IPython shell that keeps nothing on disk."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    shell.run_cell("import numpy as np\nfrom course.exercises import check")
    yield shell
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(("source", "points"), ANSWERS.values(), ids=ANSWERS)
def test_a_verdict_is_strict_json(source, points):
    verdict = judge(MOMENTUM, answer(source), 0)
    data = verdict.as_dict()
    text = json.dumps(data, allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode()) == json.loads(json.dumps(data))
    assert (data["points"], data["max_points"]) == (points, 5)
    assert data["status"] == verdict.status
    assert [part["name"] for part in data["parts"]] == [part.name for part in verdict.parts]
    assert sum(part["points"] for part in data["parts"] if part["earned"]) == points


@pytest.mark.parametrize(("source", "points"), ANSWERS.values(), ids=ANSWERS)
def test_a_graded_cell_ends_in_its_points(source, points, capsys):
    verdict = judge(MOMENTUM, answer(source), 0)
    assert verdict.award() == points
    assert capsys.readouterr().out.strip() == str(verdict).strip()


def test_points_are_added_from_the_parts():
    parts = (
        PartResult("a", "first", 0.5, earned=True, judged=True),
        PartResult("b", "second", 2, earned=False, judged=True),
        PartResult("c", "third", 1.5, earned=True, judged=True),
    )
    verdict = Verdict("rule", "partly_right", parts)
    assert (verdict.points, verdict.max_points) == (2, 4)
    assert repr(verdict) == str(verdict)


def test_in_ipython_a_verdict_shows_itself_in_three_forms(shell):
    with capture_output() as captured:
        result = shell.run_cell(f"{RIGHT}\ncheck(momentum).award()")
    (output,) = captured.outputs
    assert result.result == 5.0
    assert type(result.result) is float
    verdict = judge(MOMENTUM, answer(RIGHT), 0)
    assert output.data["text/plain"] == str(verdict)
    assert output.data["text/html"].startswith("<div")
    assert output.data[MIME] == verdict.as_dict()


def test_in_ipython_nothing_earned_is_a_bare_0_and_the_cells_after_it_run(shell):
    with capture_output() as captured:
        result = shell.run_cell(f"{HEAD}    return None\ncheck(momentum).award()")
    assert result.success
    assert (type(result.result), result.result) == (float, 0.0)
    assert captured.outputs[0].data[MIME]["status"] == "wrong_type"


@pytest.mark.parametrize(("source", "points"), ANSWERS.values(), ids=ANSWERS)
def test_stock_nbgrader_reads_the_same_points(source, points):
    award = judge(MOMENTUM, answer(source), 0).award()
    told = {"grade": True, "solution": False, "points": 5, "grade_id": "a", "schema_version": 3}
    result = new_output("execute_result", data={"text/plain": repr(award)})
    cell = new_code_cell("", outputs=[result], metadata={"nbgrader": told})
    assert determine_grade(cell) == (points, 5)


def test_in_ipython_an_interrupt_shows_only_the_students_line(shell):
    loop = "    while True:\n        raise KeyboardInterrupt"
    with capture_output() as captured:
        result = shell.run_cell(f"{HEAD}{loop}\ncheck(momentum)")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert captured.stdout.startswith("Stopped while your function ran.")
    assert "line 3, in momentum" in captured.stdout
    assert "judge" not in captured.stdout


def test_in_ipython_a_crash_shows_the_cells_line(shell):
    with capture_output():
        shell.run_cell(f"{HEAD}    return velocity\nverdict = check(momentum)")
    assert shell.user_ns["verdict"].failure.text == (
        "line 2, in momentum\n    return velocity\nNameError: name 'velocity' is not defined"
    )


def test_in_ipython_the_last_line_shows_the_verdict(shell):
    with capture_output() as captured:
        shell.run_cell(f"{RIGHT}\ncheck(momentum)")
    assert "✓ momentum: Right (5 of 5 points)" in captured.stdout
