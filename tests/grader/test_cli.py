"""The command: bad input gets one clear line, the right status, and nothing is half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader.class_folder import open_class
from grader.cli import main

ROOT = Path(__file__).parents[2]
VERBS = ("init", "release", "grade", "feedback", "report", "export", "demo", "notebooks")


def run(capsys, *arguments):
    """Return the exit status and the two streams of a command."""
    status = 0
    try:
        main(list(map(str, arguments)))
    except SystemExit as ended:
        status = ended.code
    out, err = capsys.readouterr()
    return status, out, err


def tree(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.fixture
def place(klass, tmp_path, monkeypatch):
    """Stand beside a class folder `class` and a folder `plain`, outside the course."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/file.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["grade", "--class", "nowhere"], 2, "There is no folder nowhere. Make a class with"),
        (["grade", "--class", "plain"], 2, "plain is not a class folder: it has no class.toml"),
        (["grade"], 2, "No class folder in "),
        (["grade", "04_nothing", "--class", "class"], 2, "No unit is called '04_nothing'. There"),
        (["release", "04_nothing", "--class", "class"], 2, "No unit is called '04_nothing'"),
        (["release", "--class", "class", "--course", "plain"], 2, "No course found in "),
        (["grade", "--class", "class"], 1, "Nobody has handed in 03_optimizers"),
        (["feedback", "--class", "class"], 1, "Nothing of 03_optimizers is graded yet"),
        (["report", "--class", "class"], 1, "Nothing of 03_optimizers is graded yet"),
        (["export", "--class", "class"], 1, "Nothing of 03_optimizers is graded yet"),
        (
            ["export", "--class", "class", "--format", "xml"],
            2,
            "'xml' is not known. There are: csv",
        ),
        (["init", "plain", "--course", ROOT], 2, "plain exists and is not an empty folder"),
        (["init", "plain/file.txt", "--course", ROOT], 2, "exists and is not an empty folder"),
        (["init", "new"], 2, "No course found in "),
        (["init", ROOT / "classes", "--course", ROOT], 2, "lies among the course's sources"),
        (["demo", "--into", "plain", "--course", ROOT], 2, "exists and is not an empty folder"),
        (["demo", "--into", "class", "--course", ROOT], 2, "is a real class. Name another folder"),
        (["notebooks"], 2, "No course found in "),
        (["grade", "--class", "class", "--jobs", "0"], 2, "Invalid value for '--jobs'"),
        (["degrade"], 2, "No such command 'degrade'"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(place, capsys, arguments, status, said):
    before = tree(place)
    code, out, err = run(capsys, *arguments)
    assert said in err.replace("\n", " ")
    assert code == status
    assert "Traceback" not in out + err
    assert tree(place) == before
    if err.startswith("grader: "):
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("grading_seed", "seed"), "has no line grading_seed = ..."),
        (lambda text: text + "=", "cannot be read"),
        (lambda text: text.replace("cell_timeout = 20", 'cell_timeout = "x"'), "cannot be read"),
        (lambda text: text.replace("course = ", "course = '/nowhere' # "), "lies in /nowhere, and"),
    ],
)
def test_a_damaged_class_folder_says_where(place, capsys, change, said):
    path = place / "class/class.toml"
    path.write_text(change(path.read_text()))
    code, _, err = run(capsys, "release", "--class", "class")
    assert said in err
    assert code == 2


def test_a_class_without_a_release_says_so(place, capsys):
    assert run(capsys, "init", "new", "--course", ROOT)[0] == 0
    for verb in ("grade", "feedback", "report", "export"):
        code, _, err = run(capsys, verb, "--class", "new")
        assert (code, "No unit is released in" in err) == (2, True)
    code, _, err = run(capsys, "grade", "03_optimizers", "--class", "new")
    assert (code, "has not been released" in err) == (1, True)


def test_init_makes_a_private_class_with_a_seed_of_its_own(place, capsys, monkeypatch):
    for name in ("one", "two"):
        code, out, _ = run(capsys, "init", name, "--course", ROOT / "lessons")
        assert code == 0
        assert f"{place / name}" in out
    assert (place / "one").stat().st_mode & 0o777 == 0o700
    assert (place / "one/class.toml").stat().st_mode & 0o777 == 0o600
    one, two = open_class(place / "one"), open_class(place / "two")
    assert one.seed != two.seed
    assert one.course == ROOT
    monkeypatch.chdir(place / "one/submitted")
    assert open_class().root == place / "one"


def test_a_class_may_lie_in_the_course_s_build_folder(capsys, tmp_path):
    course = tmp_path / "course"
    for folder in ("lessons", "solutions"):
        (course / folder).mkdir(parents=True)
    (course / "pyproject.toml").touch()
    assert run(capsys, "init", course / "build/class", "--course", course)[0] == 0


def test_each_verb_has_help(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert [verb for verb in VERBS if verb not in out] == []


def test_the_command_is_installed_and_fails_like_a_command(tmp_path):
    command = shutil.which("grader", path=f"{Path(sys.executable).parent}{os.pathsep}")
    for call in ([command], [sys.executable, "-m", "grader"]):
        done = subprocess.run(
            [*call, "grade"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.startswith("grader: No class folder in ")
