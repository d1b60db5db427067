"""Killed at any moment, the same command goes on: all graded once, nothing lost, nothing half."""

import json
import random
import time

import psutil
import pytest

from grader.stock import open_gradebook
from stand_in import Runs, end, hand_in, points

STUDENTS = [f"student{number}" for number in range(8)]
ROUNDS = 20
KILLS = [
    ("grader.rows:UnitRows._notebooks", 2, False),  # inside the transaction
    ("sqlalchemy.orm:Session.commit", 3, False),
    ("sqlalchemy.orm:Session.commit", 3, True),
    ("grader.gradebook:write_atomically", 1, False),  # between the commit and the first file
    ("grader.files:os.fsync", 1, False),  # the file beside its place is there, and not whole
    ("grader.files:Path.replace", 2, False),
    ("grader.files:Path.replace", 2, True),
    ("grader.files:_sync_folder", 3, True),
    ("grader.gradebook:_Draft.save", 4, True),
    ("grader.grade:apply_late_policy", 1, False),
]


@pytest.fixture
def runs(monkeypatch):
    return Runs(monkeypatch)


def resubmit(klass, unit, students, version):
    for student in students:
        hand_in(klass, unit, student, f"# {student}, version {version}")


def scores(klass, unit):
    """Return what the gradebook holds, by student; each has one submission."""
    with open_gradebook(klass.gradebook_url) as book:
        found = [
            (s.student.id, {g.name: g.auto_score for g in s.notebooks[0].grades})
            for s in book.assignment_submissions(unit.key)
        ]
    assert len(dict(found)) == len(found)
    return dict(found)


def expected(klass, unit):
    name = klass.release(unit).name
    return {s: points((klass.submitted(unit, s) / name).read_bytes()) for s in STUDENTS}


def noted(klass, unit):
    """Return the scores in the graded notebooks, each of which must be whole."""
    places = {s: klass.autograded(unit, s) for s in STUDENTS}
    return {
        student: json.loads(place.read_bytes())["metadata"]["grader"]["scores"]
        for student, place in places.items()
        if place.exists()
    }


def assert_it_goes_on(klass, unit, runs, told=None):
    """The same command ends what a killed one has left."""
    noted(klass, unit)
    told = told or runs.finish(klass)
    assert told["graded"] + told["kept"] == len(STUDENTS)
    assert told["lost"] == {}
    assert scores(klass, unit) == noted(klass, unit) == expected(klass, unit)
    assert list(klass.root.glob("autograded/*/*/.*.part")) == []


def assert_nothing_is_left_to_do(klass, runs):
    assert runs.finish(klass) == {"graded": 0, "kept": len(STUDENTS), "lost": {}}


def workers_of(process):
    try:
        return psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []


def test_killed_at_random_moments_it_goes_on(klass, unit, runs):
    draw = random.Random(2026)
    resubmit(klass, unit, STUDENTS, 0)
    runs.finish(klass)
    start = time.perf_counter()
    assert runs.finish(klass, options={"force": True})["graded"] == len(STUDENTS)
    whole = time.perf_counter() - start
    hits = 0
    for number in range(1, ROUNDS + 1):
        resubmit(klass, unit, draw.sample(STUDENTS, 6), number)
        process, receiver = runs.start(klass)
        time.sleep(draw.uniform(0.2, 0.9) * whole)
        workers = workers_of(process)
        if number % 2:
            process.kill()
        for worker in {0: [], 1: workers[:1], 2: workers}[number // 2 % 3 if not number % 2 else 0]:
            worker.kill()
        told = end(process, receiver)
        hits += told is None or (not number % 2 and bool(workers))
        assert psutil.wait_procs(workers, timeout=20)[1] == []  # nobody is left behind
        assert_it_goes_on(klass, unit, runs, told)
    assert hits > ROUNDS / 2
    assert_nothing_is_left_to_do(klass, runs)


def test_killed_in_the_writer_it_goes_on(klass, unit, runs):
    resubmit(klass, unit, STUDENTS, 0)
    for version, (place, nth, after) in enumerate(KILLS):
        resubmit(klass, unit, STUDENTS[version % 3 :], version)
        trap = {"place": place, "nth": nth, "after": after}
        assert runs.finish(klass, trap=trap) is None, f"{place} was not reached"
        assert_it_goes_on(klass, unit, runs)
    assert_nothing_is_left_to_do(klass, runs)
