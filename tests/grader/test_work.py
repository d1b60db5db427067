"""Grading one submission in the sandbox: it ends, and earns what it earned."""

import json

import nbformat
import pytest

import judged_release as judged
from grader.execute import Settings
from grader.scores import read_verdict
from grader.sealed.inside.bounds import OUTPUT_LIMIT
from grader.work import METADATA_KEY, grade_submission, zero
from small_release import STUB, answered, as_file, cell_of, release

PATIENT = Settings(seed=7, cell_timeout=60)
HASTY = Settings(seed=7, cell_timeout=1)
LOOP = "def f():\n    while True:\n        pass"
STUBBORN = """
def f():
    import signal
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        pass
"""
ENVIRONMENT = """
def f():
    import os
    assert not [name for name in os.environ if "SECRET" in name or "SEED" in name]
    assert os.environ["HOME"] == os.getcwd()
    return 2.0
"""


def graded(settings=PATIENT, **answers):
    return grade_submission(as_file(answered(**answers)), as_file(release()), settings)


def judged_as(settings=PATIENT, **answers):
    content, released = judged.answered(**answers), judged.release()
    return grade_submission(as_file(content), as_file(released), settings)


def as_json(data):
    return json.loads(json.dumps(data))


def notebook_of(result):
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.mark.parametrize(
    ("f", "points", "problem"),
    [
        ("def f():\n    return 2.0", 2.0, None),
        (STUB, 0.0, None),
        ("def f(:", 0.0, None),
        ("def f():\n    raise SystemExit", 0.0, None),
        ("def f():\n    return input()", 0.0, None),
        ("def f():\n    print('x' * 10_000_000)\n    return 2.0", 2.0, None),
        ("import warnings\ndef f():\n    warnings.warn('x')\n    return 2.0", 2.0, None),
        (ENVIRONMENT, 2.0, None),
        ("def f():\n    return 2.0\nraise ValueError", 2.0, None),
        (LOOP, 0.0, None),
        (STUBBORN, 0.0, "The cell test_f did not stop when its time was up"),
        ("import os\ndef f():\n    os._exit(3)", 0.0, "test_f ended itself with the exit code 3"),
        ("import os\nos._exit(0)", 0.0, "The cell f ended itself with the exit code 0"),
        ("import ctypes\nctypes.string_at(0)", 0.0, "The cell f was ended by the signal SIGSEGV"),
        ("def f():\n    return b'x' * 10**10", 0.0, None),
    ],
)
def test_each_cell_gets_its_chance(monkeypatch, f, points, problem):
    monkeypatch.setenv("MY_SECRET_TOKEN", "hush")
    result = graded(HASTY if f in (LOOP, STUBBORN) else PATIENT, f=f)
    assert result.scores["test_f"].points == points
    assert result.scores["test_g"].points == 3.0
    assert result.scores["why"].points is None
    texts = [p.text for p in result.problems]
    assert [problem in text for text in texts] == ([True] if problem else [])


def test_the_graded_notebook_has_the_release_s_cells_and_bounded_outputs():
    notebook = notebook_of(graded(f="def f():\n    print('x' * 10_000_000)\n    return 2.0"))
    stream, points = cell_of(notebook, "test_f").outputs
    assert len(stream.text) < OUTPUT_LIMIT + 100
    assert "the rest of the output was cut" in stream.text
    assert points.data == {"text/plain": "2.0"}
    assert "secret" not in notebook.metadata


def test_a_traceback_shows_the_student_s_own_lines_only():
    result = graded(f="import json\n\ndef f():\n    return json.loads('{')")
    (error,) = cell_of(notebook_of(result), "test_f").outputs
    text = "\n".join(error.traceback)
    assert "return json.loads('{')" in text
    assert "JSONDecodeError: Expecting property name" in text
    assert "File " not in text


def test_what_was_defined_before_the_end_is_there_after_it():
    own = "print('before')\nkept = 3.0\ndef f():\n    return 2.0"
    result = graded(f=own, g="def g():\n    import os\n    os._exit(1)")
    notebook = notebook_of(result)
    assert cell_of(notebook, "f").outputs[0].text == "before\n"
    assert [result.scores[name].points for name in ("test_f", "test_g")] == [2.0, 0.0]
    (error,) = cell_of(notebook, "test_g").outputs
    assert error.ename == "ProgramEnded"
    assert notebook.cells[0].source.startswith("**About this submission**")


def test_answers_are_judged_from_outside():
    result = judged_as(nesterov=judged.NESTEROV.replace("momentum * u - lr * grad,", "u,"))
    assert [score.points for score in result.scores.values()][:2] == [5.0, 0.0]
    cell = cell_of(notebook_of(result), "test_nesterov")
    verdict = read_verdict(cell)
    assert verdict == as_json(result.verdicts["test_nesterov"])
    assert verdict["mistake"]["name"] == "plain momentum"
    assert cell.outputs[-1].data == {"text/plain": "0.0"}


def test_what_is_judged_in_the_student_s_process_is_said():
    told = notebook_of(judged_as()).metadata[METADATA_KEY]
    assert told["not_tamper_resistant"] == ["test_plain"]


DIES = "    import os\n    os._exit(3)"
ENDS = {
    "exit": (DIES, "the program ended itself with the exit code 3"),
    "loop": ("    while True: pass", "the program took all the time it may"),
    "stubborn": (
        "    import signal\n    signal.signal(14, signal.SIG_IGN)\n    while True: pass",
        "the program did not stop when its time was up",
    ),
    "crash": ("    import ctypes; ctypes.string_at(0)", "ended by the signal SIGSEGV"),
    "memory": ("    return np.ones(10**10), {}", "return np.ones(10**10), {}\n_ArrayMemoryError"),
}


@pytest.mark.parametrize(("body", "text"), ENDS.values(), ids=ENDS)
def test_an_answer_that_ends_the_program_costs_its_own_question(body, text):
    head = judged.MOMENTUM.splitlines()[0]
    result = judged_as(HASTY, momentum=f"{head}\n{body}")
    assert [score.points for score in result.scores.values()][:3] == [0.0, 5.0, 2.0]
    assert result.verdicts["test_momentum"]["status"] == "crashed"
    assert text in result.verdicts["test_momentum"]["failure"]["text"]


def test_what_another_answer_has_left_behind_costs_no_points():
    head, rest = judged.MOMENTUM.split("\n", 1)
    leaves = f"import builtins\n{head}\n    builtins.left = True\n{rest}"
    head, rest = judged.NESTEROV.split("\n", 1)
    stumbles = f"import os\n{head}\n    if hasattr(builtins, 'left'): os._exit(3)\n{rest}"
    result = judged_as(momentum=leaves, nesterov=stumbles)
    assert [score.points for score in result.scores.values()][:2] == [5.0, 5.0]
    assert not result.problems


@pytest.mark.parametrize(
    ("momentum", "text"),
    [
        ("momentum = 3", "there is no function momentum to check, but the int 3"),
        ("def momentum(:", "there is no function momentum to check, but nothing of that name"),
    ],
)
def test_a_name_that_is_no_function_is_said(momentum, text):
    verdict = judged_as(momentum=momentum).verdicts["test_momentum"]
    assert verdict["status"] == "crashed"
    assert text in verdict["failure"]["text"]


@pytest.mark.parametrize(
    ("line", "library"),
    [
        ("import torch", "torch"),
        ("from torch import sqrt as torch", "torch"),
        ("import torch.nn as torch", "torch"),
        ("from scipy.special import softmax as torch", "scipy"),
        ("from course.optimizers import momentum as torch", "course"),
    ],
)
def test_a_library_that_is_not_allowed_is_named(line, library):
    own = judged.MOMENTUM.replace("return theta", "torch\n    return theta")
    verdict = judged_as(momentum=f"{line}\n{own}").verdicts["test_momentum"]
    assert verdict["status"] == "not_allowed"
    assert library in verdict["failure"]["text"]


def test_a_crash_tells_the_student_s_line_and_no_hidden_value():
    own = judged.MOMENTUM.replace("u = momentum * u", "raise ValueError(str(theta)) # here\n    u")
    failure = judged_as(momentum=own).verdicts["test_momentum"]["failure"]
    lines = failure["text"].splitlines()
    assert lines == [
        "line 3, in momentum",
        "    raise ValueError(str(theta)) # here",
        "ValueError",
    ]


def test_one_exercise_can_be_judged_again():
    first = judged_as(nesterov=judged.MOMENTUM.replace("def momentum", "def nesterov"))
    again = grade_submission(
        as_file(judged.answered()),
        as_file(judged.release()),
        PATIENT,
        only=("nesterov",),
        earlier=first.notebook,
    )
    assert [s.points for s in first.scores.values()] == [5.0, 0.0, 2.0, None]
    assert [s.points for s in again.scores.values()] == [5.0, 5.0, 2.0, None]
    assert again.verdicts["test_momentum"] == as_json(first.verdicts["test_momentum"])


def test_grading_is_the_same_each_time():
    one, other = judged_as(), judged_as()
    assert one.notebook == other.notebook
    assert one.seconds > 0


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
