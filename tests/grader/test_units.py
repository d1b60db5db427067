"""For every unit: the solution earns all points, the untouched release none on any graded cell."""

from pathlib import Path

import pytest
from rich.console import Console

from course.exercises import units
from grader.class_folder import make_class
from grader.execute import Settings
from grader.release import release
from grader.work import grade_submission

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(seed=20261121, cell_timeout=60)


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """The released notebook of every unit of the catalogue."""
    klass = make_class(tmp_path_factory.mktemp("units") / "class", ROOT)
    release(klass, list(units()), Console(quiet=True))
    return {unit.key: klass.release(unit).read_bytes() for unit in units()}


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.key)
def test_the_solution_earns_all_points(unit, releases):
    solution = (ROOT / unit.assignment).read_bytes()
    graded = grade_submission(solution, releases[unit.key], SETTINGS)
    assert graded.problems == ()
    asked = {f"test_{exercise.name}": exercise.points for exercise in unit.exercises}
    earned = {name: score.points for name, score in graded.scores.items() if name in asked}
    assert earned == asked
    by_hand = {name for name, score in graded.scores.items() if score.points is None}
    assert by_hand == set(graded.scores) - set(asked)
    assert by_hand


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.key)
def test_the_untouched_release_earns_nothing(unit, releases):
    graded = grade_submission(releases[unit.key], releases[unit.key], SETTINGS)
    assert graded.scores
    assert {score.points for score in graded.scores.values()} == {0.0}
    assert {verdict["status"] for verdict in graded.verdicts.values()} == {"not_attempted"}
