"""What stops a run and what does not: full disks, held locks, lost workers, a part of the work."""

import errno
import sqlite3

import pytest

from grader.errors import GraderError, UsageError
from grader.grade import grade
from grader.gradebook import read_graded
from grader.lock import only_one
from grader.results import read_results
from grader.run import LOST_IN_A_ROW
from stand_in import DEADLY, Runs, hand_in, points

STUDENTS = ["ada", "ben", "cleo", "dan"]


@pytest.fixture
def runs(monkeypatch):
    return Runs(monkeypatch)


@pytest.fixture
def handed_in(klass, unit):
    for student in STUDENTS:
        hand_in(klass, unit, student, f"# {student}")
    return klass


def totals(klass, unit):
    return {r.student: sum(r.points.values()) for r in read_results(klass, unit).students}


def given(klass, unit, student):
    name = klass.release(unit).name
    return points((klass.submitted(unit, student) / name).read_bytes())


def assert_the_rest_is_done(klass, unit, runs):
    told = runs.finish(klass)
    assert told["graded"] + told["kept"] == len(STUDENTS)
    assert totals(klass, unit) == {s: sum(given(klass, unit, s).values()) for s in STUDENTS}


@pytest.mark.parametrize("nth", [1, 2])
def test_a_full_disk_stops_the_run_and_loses_nothing(handed_in, unit, runs, nth):
    trap = {"place": "grader.files:os.fsync", "nth": nth, "error": errno.ENOSPC}
    told = runs.finish(handed_in, trap=trap)
    assert "cannot be written: No space left on device" in told["error"]
    assert list(handed_in.root.glob("autograded/*/*/.*.part")) == []
    assert_the_rest_is_done(handed_in, unit, runs)


def test_a_database_that_cannot_grow_stops_the_run_and_loses_nothing(handed_in, unit, runs):
    size = (handed_in.root / "gradebook.db").stat().st_size
    told = runs.finish(handed_in, file_limit=size // 2)
    assert "The gradebook sqlite:///" in told["error"]
    assert "see that its disk is not full" in told["error"]
    assert_the_rest_is_done(handed_in, unit, runs)


def test_a_held_database_stops_the_run_and_loses_nothing(handed_in, unit, runs):
    other = sqlite3.connect(handed_in.root / "gradebook.db")
    other.execute("BEGIN EXCLUSIVE")
    told = runs.finish(handed_in)
    assert "database is locked" in told["error"]
    other.close()
    assert_the_rest_is_done(handed_in, unit, runs)


def test_only_one_run_at_a_time(handed_in, unit, runs):
    with only_one(handed_in.root):
        told = runs.finish(handed_in)
    assert "Another grader grade is at work" in told["error"]
    assert_the_rest_is_done(handed_in, unit, runs)


def test_what_kills_its_worker_gets_nothing_and_is_tried_again(handed_in, unit, runs):
    runs.finish(handed_in)
    hand_in(handed_in, unit, "ben", DEADLY)
    told = runs.finish(handed_in)
    assert (told["graded"], told["kept"]) == (0, len(STUDENTS) - 1)
    assert told["lost"] == {"ben": "the process that worked on it was killed, twice"}
    assert totals(handed_in, unit)["ben"] == 0
    assert "tried again" in read_graded(handed_in.autograded(unit, "ben")).cells[0].source
    assert list(runs.finish(handed_in)["lost"]) == ["ben"]
    hand_in(handed_in, unit, "ben", "# harmless")
    assert runs.finish(handed_in)["graded"] == 1
    assert_the_rest_is_done(handed_in, unit, runs)


def test_a_machine_that_loses_everything_stops(handed_in, unit, runs):
    for number in range(LOST_IN_A_ROW):
        hand_in(handed_in, unit, f"lost{number:02}", DEADLY)
    told = runs.finish(handed_in)
    assert f"{LOST_IN_A_ROW} submissions in a row could not be graded" in told["error"]


def test_one_exercise_is_graded_again_and_the_others_keep_their_points(handed_in, unit, runs):
    runs.finish(handed_in)
    before = {r.student: r.points for r in read_results(handed_in, unit).students}
    hand_in(handed_in, unit, "cleo", "# a new one is graded whole")
    told = runs.finish(handed_in, options={"exercises": ("adam",), "students": ("ada", "cleo")})
    assert (told["graded"], told["kept"]) == (2, 0)
    after = {r.student: r.points for r in read_results(handed_in, unit).students}
    wanted = before | {"cleo": given(handed_in, unit, "cleo")}
    assert after == wanted
    assert runs.finish(handed_in)["kept"] == len(STUDENTS)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"exercises": ("adamm",)}, UsageError, "has no exercise adamm. It has adagrad, adam,"),
        ({"students": ("nobody",)}, UsageError, "nobody has not handed in 03_optimizers"),
        ({"cluster": "tcp//x"}, UsageError, "no address of a cluster"),
        ({"cluster": "tcp://127.0.0.1:1"}, GraderError, "No scheduler answers at"),
    ],
)
def test_what_cannot_be_done_is_said(handed_in, unit, console, options, error, text):
    with pytest.raises(error, match=text):
        grade(handed_in, [unit], console, **options)


def test_an_id_that_the_gradebook_has_no_room_for_is_refused(handed_in, unit, console):
    hand_in(handed_in, unit, "x" * 129, "# long")
    with pytest.raises(GraderError, match="an id has up to 128 characters"):
        grade(handed_in, [unit], console)
