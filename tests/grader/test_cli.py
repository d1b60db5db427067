"""The command: bad input gets one clear line, the right status, and nothing is half-written."""

import errno
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import course
from course.exercises import units
from grader.class_folder import open_class
from grader.cli import app, main
from grader.collecting.rosters import Student, write_students
from grader.request import Summary
from platforms import grade_without_running

ROOT = Path(__file__).parents[2]
VERBS = (
    "init",
    "release",
    "collect",
    "grade",
    "late",
    "feedback",
    "report",
    "similarity",
    "export",
    "demo",
    "notebooks",
)
NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


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
    """Return all files and folders but the log, which tells of failures too, and their times."""
    found = [path for path in sorted(folder.rglob("*")) if path.name != "grader.log"]
    return {path: path.stat().st_mtime_ns for path in found if not (path / "class.toml").exists()}


@pytest.fixture
def place(klass, tmp_path, monkeypatch):
    """Stand beside a class folder `class` and a folder `plain`, outside the course."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/file.txt").write_text("mine")
    (tmp_path / "zip").mkdir()
    (tmp_path / "zip/lovelaceada_4711_8301_optimizers_exercises.ipynb").write_bytes(NOTEBOOK)
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
        (["late", "--class", "class"], 1, "Nothing of 03_optimizers is graded yet"),
        (["export", "--class", "class", "--output", "plain"], 2, "and plain is a folder. Name a"),
        (["export", "--class", "class", "--roster", "x.csv"], 2, "are for canvas and moodle, and"),
        (["export", "--class", "class", "--column", "Homework"], 2, "and the format is csv. Say"),
        (
            ["export", "--class", "class", "--format", "xml"],
            2,
            "'xml' is not known. There are: csv",
        ),
        (["collect", "03_optimizers", "none.zip", "--class", "class"], 2, "no file or folder none"),
        (["collect", "03_optimizers", "plain", "--class", "class"], 1, "No file is named as in a"),
        (["collect", "03_optimizers", "--class", "class"], 2, "Missing argument"),
        (["collect", "04_no", "plain", "--class", "class"], 2, "No unit is called '04_no'"),
        (
            ["collect", "03_optimizers", "plain", "--from", "x", "--class", "class"],
            2,
            "Invalid value for '--from'",
        ),
        (
            ["collect", "03_optimizers", "zip", "--roster", "plain/file.txt", "--class", "class"],
            2,
            "is not known by its columns mine",
        ),
        (["grade", "--class", "class", "--sandbox", "x"], 2, "Invalid value for '--sandbox'"),
        (["init", "plain", "--course", ROOT], 2, "plain exists and is not an empty folder"),
        (["init", "plain/file.txt", "--course", ROOT], 2, "exists and is not an empty folder"),
        (["init", "plain/file.txt/x", "--course", ROOT], 2, "cannot be made: Not a directory."),
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
        (lambda text: text.replace("grading_seed", "# seed"), "has no line grading_seed = ..."),
        (lambda text: text.replace("grading_seed", "seed"), "it has seed; known are course, "),
        (lambda text: text + "[extension.ada]", "it has extension; known are course, "),
        (lambda text: "grading_seed = [1] #".join(text.split("grading_seed =")), "is [1], not a"),
        (lambda text: "grading_seed = -1 #".join(text.split("grading_seed =")), "is -1, not a who"),
        (lambda text: text.replace("demo = false", 'demo = "false"'), "demo is 'false', not true"),
        (lambda text: text.replace("cell_timeout = 20", "cell_timeout = 0"), "is 0, not a number"),
        (lambda text: text.replace("cell_timeout = 20", "cell_timeout = nan"), "is nan, not a nu"),
        (lambda text: text + "=", "cannot be read"),
        (lambda text: text.replace("cell_timeout = 20", 'cell_timeout = "x"'), "is 'x', not a"),
        (lambda text: text.replace("course = ", "course = '/nowhere' # "), "lies in /nowhere, and"),
        (
            lambda text: text + "[units.03_optimizers]\ndue = 2026-11-20T23:59:00",
            "without a time zone",
        ),
        (lambda text: text + "[late]\nper_week = 3", "late has per_week; known are grace_minutes"),
    ],
)
def test_a_damaged_class_folder_says_where(place, capsys, change, said):
    path = place / "class/class.toml"
    path.write_text(change(path.read_text()))
    code, _, err = run(capsys, "release", "--class", "class")
    assert said in err
    assert code == 2


def test_a_class_folder_of_somebody_else_says_so(place, capsys, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    code, _, err = run(capsys, "grade", "--class", "class")
    assert err.endswith("class.toml cannot be read: Permission denied. See who may read it.\n")
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


@pytest.fixture
def graded(place, klass, unit):
    grade_without_running(klass, unit, ["ada", "bob"], share=0.5)
    return place


JSON = {
    "init": (["init", "new", "--course", str(ROOT)], {"class", "course"}),
    "release": (["release", "03_optimizers", "--class", "class"], {"class", "units", "handout"}),
    "collect": (
        ["collect", "03_optimizers", "zip", "--class", "class"],
        {"class", "unit", "platform", "new", "replaced", "unchanged", "late", "notes"},
    ),
    "grade": (["grade", "--class", "class"], {"class", "units", "not_in_place"}),
    "late": (["late", "--class", "class"], {"class", "units"}),
    "feedback": (["feedback", "--class", "class"], {"class", "units"}),
    "report": (["report", "--class", "class"], {"class", "reports"}),
    "similarity": (["similarity", "--class", "class"], {"class", "reports"}),
    "export": (["export", "--class", "class"], {"class", "files", "notes"}),
    "notebooks": (["notebooks", "--check", "--course", str(ROOT)], {"notebooks"}),
}


@pytest.mark.parametrize("verb", [verb for verb in JSON if verb != "grade"])
def test_json_is_all_there_is_on_stdout(graded, capsys, monkeypatch, verb):
    monkeypatch.setattr("grader.notebooks.check_all", lambda root: iter(["one", "two"]))
    arguments, keys = JSON[verb]
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    assert set(json.loads(out)) == keys


def test_json_of_an_error_is_nothing_and_a_status(graded, capsys):
    code, out, err = run(capsys, "export", "--class", "class", "--format", "xml", "--json")
    assert (code, out) == (2, "")
    assert err.startswith("grader: ")


def test_every_verb_takes_json():
    without = {c.callback.__name__ for c in app.registered_commands if not takes_json(c.callback)}
    assert without == set()
    assert set(JSON) | {"demo"} == set(VERBS)


def takes_json(verb):
    return "as_json" in inspect.signature(verb).parameters


@pytest.mark.parametrize(
    ("verb", "following"),
    [
        ("init", f"grader release {units()[0].key} --class "),
        ("release", "grader collect 03_optimizers --class "),
        ("collect", "grader grade 03_optimizers --class "),
        ("late", "grader feedback 03_optimizers --class "),
        ("feedback", "grader report 03_optimizers --class "),
        ("report", "grader export 03_optimizers --class "),
    ],
)
def test_the_last_line_is_the_next_step(graded, capsys, verb, following):
    code, out, _ = run(capsys, *JSON[verb][0])
    last = out.strip().splitlines()[-1]
    assert code == 0
    assert last.startswith("Next: ")
    assert f"{following}{graded / ('new' if verb == 'init' else 'class')}" in last


def test_inside_the_class_the_next_step_needs_no_folder(graded, capsys, monkeypatch):
    monkeypatch.chdir(graded / "class/submitted")
    _, out, _ = run(capsys, "late")
    assert out.strip().splitlines()[-1] == "Next: grader feedback 03_optimizers"


def test_what_grade_is_asked_for_reaches_the_grading(place, klass, unit, capsys, monkeypatch):
    asked = {}
    folder = klass.submitted(unit, "ada")
    folder.mkdir(parents=True)
    (klass.root / "submitted/loose.ipynb").write_bytes(NOTEBOOK)

    def grade(opened, units, console, **options):
        asked.update(options, units=units, db=opened.db)
        grade_without_running(klass, unit, ["ada"])
        return [Summary(unit, 1, 0)]

    monkeypatch.setattr("grader.grade.grade", grade)
    arguments = ["--class", "class", "--jobs", "3", "--force", "--exercise", "adam"]
    arguments += ["--student", "ada", "--student", "bob", "--sandbox", "off"]
    code, out, err = run(capsys, "grade", *arguments, "--cluster", "tcp://a:1", "--json")
    assert code == 0, err
    assert asked == {
        "units": [unit],
        "jobs": 3,
        "force": True,
        "exercises": ("adam",),
        "students": ("ada", "bob"),
        "sandbox": "off",
        "cluster": "tcp://a:1",
        "db": None,
    }
    assert "submitted/loose.ipynb: is not in submitted/STUDENT/UNIT/" in err
    assert [row["student"] for row in json.loads(out)["units"][0]["students"]] == ["ada"]
    run(capsys, "grade", "--class", "class")
    assert asked["sandbox"] == ("require" if sys.platform == "linux" else "best")


def test_what_the_machine_lost_is_named_and_a_failure(graded, unit, capsys, monkeypatch):
    lost = Summary(unit, 1, 0, {"bob": "the worker was killed"})
    monkeypatch.setattr("grader.grade.grade", lambda *_, **__: [lost])
    code, out, err = run(capsys, "grade", "03_optimizers", "--class", "class")
    assert (code, "bob: not graded: the worker was killed" in err) == (1, True)
    assert "grader grade 03_optimizers" in out.strip().splitlines()[-1]


def test_who_on_the_roster_has_handed_in_nothing_is_said_and_not_logged(
    graded, klass, unit, capsys, monkeypatch
):
    roster = klass.root / "collected/canvas.csv"
    roster.parent.mkdir()
    roster.write_text('Student,ID,Section\n"Hopper, Grace",4713,Friday\n')
    write_students(klass, [Student("4713", "Grace Hopper", canvas_id="4713")])
    monkeypatch.setattr("grader.grade.grade", lambda *_, **__: [Summary(unit, 2, 0)])
    _, out, _ = run(capsys, "grade", "03_optimizers", "--class", "class")
    assert "1 of 1 on the roster has handed in nothing: Grace Hopper (4713)." in out
    assert "Hopper" not in (klass.root / "grader.log").read_text()


def test_another_database_is_named_once_and_its_password_shown_nowhere(place, capsys):
    url = "sqlite:///other.db?password=secret"
    code, out, err = run(capsys, "init", "new", "--course", ROOT, "--db", url)
    assert code == 0, err
    assert open_class(place / "new").gradebook_url == url
    assert open_class(place / "new", db="sqlite://").gradebook_url == "sqlite://"
    shown = out + err + repr(open_class(place / "new")) + (place / "new/grader.log").read_text()
    assert "secret" not in shown


def test_ctrl_c_is_one_line_and_130(graded, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("grader.late.late", stopped)
    code, out, err = run(capsys, "late", "--class", "class")
    assert (code, out) == (130, "")
    assert err == "grader: stopped. What is done is kept; the same command goes on.\n"
    assert "stopped by the keyboard" in (graded / "class/grader.log").read_text()


def test_the_log_tells_what_was_done(graded, capsys):
    run(capsys, "late", "--class", "class")
    run(capsys, "export", "--class", "class", "--format", "xml")
    lines = (graded / "class/grader.log").read_text().splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC "
    assert re.fullmatch(stamp + r"INFO    late 03_optimizers: done\..*", lines[0])
    assert re.fullmatch(stamp + r"ERROR   The export format 'xml' is not known.*", lines[1])
    assert len(lines) == 2


def test_what_students_wrote_cannot_command_the_terminal(place, capsys):
    name = "evil_1_1_\x1b[31mred\x1b]0;title\x07.ipynb"
    (place / "zip" / name).write_bytes(NOTEBOOK)
    code, out, err = run(capsys, "collect", "03_optimizers", "zip", "--class", "class")
    assert code == 0
    assert "red" in err
    assert "\x1b[31m" not in out + err
    assert "\x07" not in out + err + (place / "class/grader.log").read_text()


def test_many_notes_are_shortened_on_the_screen_only(place, capsys):
    for number in range(60):
        (place / f"zip/s_{number + 10}_1_odd.ipynb").write_bytes(NOTEBOOK)
    _, out, err = run(capsys, "collect", "03_optimizers", "zip", "--class", "class")
    assert "61 new" in out
    assert err.count("is taken as") == 40
    assert "more in grader.log" in err
    assert (place / "class/grader.log").read_text().count("is taken as") == 60


def test_the_version_is_the_package_s(capsys):
    assert run(capsys, "--version") == (0, f"grader {course.__version__}\n", "")


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
