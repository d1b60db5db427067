"""The ``course`` command."""

import json
import subprocess
import sys

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from course.cli import app
from course.exercises import units


def run(*arguments, **environment):
    result = CliRunner().invoke(app, arguments, env=environment)
    return result.exit_code, result.output


def test_units_as_json_are_the_catalogue():
    code, output = run("units", "--json")
    assert code == 0
    listed = json.loads(output)
    assert [unit["key"] for unit in listed] == [unit.key for unit in units()]
    for unit in listed:
        assert set(unit) == {"key", "title", "lesson", "assignment", "exercises"}
        for exercise in unit["exercises"]:
            assert set(exercise) == {"name", "points", "parts", "mistakes"}
            assert sum(part["points"] for part in exercise["parts"]) == exercise["points"]
            assert len(exercise["mistakes"]) >= 2


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_units_as_a_table_show_every_exercise_and_mistake(columns):
    code, output = run("units", COLUMNS=columns)
    assert code == 0
    assert max(map(cell_len, output.splitlines())) <= int(columns)  # an accent takes no room
    words = set(output.replace(",", " ").split())
    for unit in units():
        assert f"{unit.key}: {unit.title}" in output
        for exercise in unit.exercises:
            assert {exercise.name, f"{exercise.points:g}"} <= words
            for mistake in exercise.mistakes:
                assert set(mistake.name.replace(",", " ").split()) <= words
    if columns == "200":
        assert all(unit.lesson in output and unit.assignment in output for unit in units())


def test_without_a_verb_the_verbs_are_shown():
    assert "units" in run()[1]
    code, output = run("--help")
    assert code == 0
    assert "units" in output


def test_an_unknown_verb_fails():
    assert run("unit")[0] == 2


def test_the_module_is_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "course", "units", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(result.stdout) == json.loads(run("units", "--json")[1])
    assert result.stderr == ""
