"""What students get, and that no solution is in it."""

import errno
import shutil
import zipfile

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grader.class_folder import open_class
from grader.errors import GraderError
from grader.files import as_bytes
from grader.release import release
from grader.scan import find_leaks, solution_lines
from grader.stock import open_gradebook
from grader.work import read_notebook
from small_release import told

SOLUTION = """\
def f(x):
    ### BEGIN SOLUTION
    total = x + 1
    if total:
        total = 2 * total
    else:
        pass
    return total
    ### END SOLUTION
"""
SOURCE = new_notebook(
    cells=[
        new_code_cell(SOLUTION, metadata=told("f", solution=True)),
        new_markdown_cell(
            "The rate is\ntoo large.", metadata=told("why", grade=True, solution=True, points=1)
        ),
    ]
)


def test_telling_lines_are_those_with_two_words_of_their_own():
    assert list(solution_lines(SOURCE)) == [
        "total = x + 1",
        "total = 2 * total",
        "The rate is",
        "too large.",
    ]


@pytest.mark.parametrize(
    ("cell", "leak"),
    [
        (new_code_cell("def f(x):\n    return total"), None),
        (new_code_cell("def f(x):\n  total  =  x + 1"), "the solution's line 'total = x + 1'"),
        (new_markdown_cell("Note:\n\ntoo large."), "the solution's line 'too large.'"),
        (new_code_cell("### BEGIN SOLUTION"), "the mark BEGIN SOLUTION"),
        (new_code_cell("### END HIDDEN TESTS"), "the mark END HIDDEN TESTS"),
        (new_code_cell("f", outputs=[new_output("stream", text="3")]), "outputs"),
    ],
)
def test_the_scan_finds_what_is_given_away(cell, leak):
    leaks = find_leaks(SOURCE, new_notebook(cells=[cell]))
    assert [leak in found for found in leaks] == ([True] if leak else [])


def test_the_release_gives_nothing_away_and_keeps_what_students_need(klass, unit):
    source = read_notebook(klass.source(unit).read_bytes())
    released = read_notebook(klass.require_release(unit))
    assert find_leaks(source, released) == []
    assert len(list(solution_lines(source))) > 20
    assert [cell.id for cell in released.cells] == [cell.id for cell in source.cells]
    for exercise in unit.exercises:
        stub = next(cell for cell in released.cells if f"def {exercise.name}(" in cell.source)
        assert "raise NotImplementedError()" in stub.source


def test_the_handout_holds_what_a_student_needs_and_nothing_else(klass, unit):
    names = zipfile.ZipFile(klass.root / "handout.zip").namelist()
    wheel = next(name for name in names if name.endswith(".whl"))
    assignment = klass.release(unit).name
    expected = {
        "handout/README.md",
        "handout/requirements.txt",
        wheel,
        f"handout/{unit.lesson}",
        f"handout/assignments/{unit.key}/{assignment}",
    }
    assert expected <= set(names)
    texts = [name for name in names if "solution" in name or name.endswith(".py")]
    assert texts == [f"handout/lessons/{unit.key}/experiments.py"]
    requirements = (klass.root / "handout/requirements.txt").read_text()
    assert requirements.strip() == f"./{wheel.removeprefix('handout/')}[lab,tensorboard,torch]"
    packed = zipfile.ZipFile(klass.root / wheel).namelist()
    assert {name.split("/")[0] for name in packed if ".dist-info" not in name} == {
        "course",
        "grader",
    }
    seed = str(klass.seed).encode()
    files = [path for path in (klass.root / "handout").rglob("*") if path.is_file()]
    assert not [path for path in files if seed in path.read_bytes()]


def test_a_release_that_would_leak_is_refused_and_leaves_no_trace(klass, unit, console, tmp_path):
    content = tmp_path / "content"
    (content / unit.assignment).parent.mkdir(parents=True)
    (content / "lessons").mkdir()
    (content / "pyproject.toml").touch()
    source = read_notebook(klass.source(unit).read_bytes())
    line = next(solution_lines(source))
    source.cells.append(new_markdown_cell(f"Hint:\n\n{line}", id="hint"))
    (content / unit.assignment).write_bytes(as_bytes(source))
    before = klass.require_release(unit), klass.source(unit).read_bytes()
    with pytest.raises(GraderError, match="would give solutions away"):
        release(open_class(klass.root, content), [unit], console)
    assert (klass.require_release(unit), klass.source(unit).read_bytes()) == before
    assert not [path.name for path in klass.root.iterdir() if path.name.startswith(".")]


def test_a_release_without_a_notebook_names_it(klass, unit, console, tmp_path):
    for folder in ("lessons", "solutions"):
        (tmp_path / "content" / folder).mkdir(parents=True)
    (tmp_path / "content/pyproject.toml").touch()
    built_from = (tmp_path / "content" / unit.assignment).with_suffix(".py")
    with pytest.raises(GraderError, match=rf"Write its text, {built_from.name}\."):
        release(open_class(klass.root, tmp_path / "content"), [unit], console)
    built_from.parent.mkdir(parents=True)
    built_from.touch()
    with pytest.raises(GraderError, match="Build it with grader notebooks"):
        release(open_class(klass.root, tmp_path / "content"), [unit], console)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        shutil.Error([("lesson.py", "there/lesson.py", "[Errno 28] No space left on device")]),
    ],
)
def test_a_full_disk_is_said(klass, unit, console, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("grader.release.build_handout", fail)
    monkeypatch.setattr("grader.release._rehearse", lambda *_: None)
    monkeypatch.setattr("grader.release.generate_assignment", lambda *_: None)
    with pytest.raises(GraderError, match=r"cannot be written to .*No space left.* Free space"):
        release(klass, [unit], console)


# nbgrader's order of filling new rows; SQLAlchemy 2 remarks on it, the rows are right.
@pytest.mark.filterwarnings("ignore:.* not in session")
def test_a_release_with_other_questions_is_refused_once_there_are_grades(
    klass, unit, console, tmp_path
):
    content = tmp_path / "content"
    (content / unit.assignment).parent.mkdir(parents=True)
    (content / "lessons").mkdir()
    (content / "pyproject.toml").touch()
    source = read_notebook(klass.source(unit).read_bytes())
    source.cells = [cell for cell in source.cells if cell.id not in ("adam", "test_adam")]
    (content / unit.assignment).write_bytes(as_bytes(source))
    with open_gradebook(klass.gradebook_url) as book:
        book.add_student("ada")
        book.add_submission(unit.key, "ada")
    before = klass.source(unit).read_bytes()
    with pytest.raises(GraderError, match="1 graded submissions, and its cells adam, test_adam"):
        release(open_class(klass.root, content), [unit], console)
    assert klass.source(unit).read_bytes() == before


@pytest.mark.filterwarnings("ignore:.* not in session")
def test_releasing_again_keeps_the_grades(klass, unit, console):
    with open_gradebook(klass.gradebook_url) as book:
        book.add_student("ada")
        book.add_submission(unit.key, "ada")
    before = klass.require_release(unit)
    release(klass, [unit], console)
    assert klass.require_release(unit) == before
    with open_gradebook(klass.gradebook_url) as book:
        assert len(book.assignment_submissions(unit.key)) == 1
