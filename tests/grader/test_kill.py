"""Killed at any moment, the same command goes on: all graded once, nothing lost, nothing half."""

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from subprocess import DEVNULL

import psutil
import pytest

from grader.class_folder import notebook_name
from grader.sample import sample_class
from grader.stock import open_gradebook
from grader.work import read_notebook
from processes import still_alive
from stand_in import Runs, end, hand_in, points

STUDENTS = [f"student{number}" for number in range(8)]
ROUNDS = 20
MOST_ROUNDS = 200
"""A run may be over before it is killed: such a round does not count."""
SEALED_ROUNDS = 5
QUICK = ("all-right", "mistakes", "mixed", "crashing")
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
    ("grader.run:apply_late_policy", 1, False),
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
    runs.finish(klass)  # the first run waits for the server that all later ones come from
    start = time.perf_counter()
    assert runs.finish(klass, options={"force": True})["graded"] == len(STUDENTS)
    whole = time.perf_counter() - start
    hits = 0
    for number in range(1, MOST_ROUNDS + 1):
        resubmit(klass, unit, draw.sample(STUDENTS, 6), number)
        process, receiver = runs.start(klass)
        time.sleep(draw.uniform(0.1, 0.8) * whole)
        workers = workers_of(process)
        dying = draw.choice([[], workers[:1], workers])
        if not dying:
            process.kill()
        for worker in dying:
            worker.kill()
        told = end(process, receiver)
        hits += told is None or bool(dying)
        assert still_alive(workers) == []  # nobody is left behind
        assert_it_goes_on(klass, unit, runs, told)
        if hits == ROUNDS:
            break
    assert hits == ROUNDS, f"only {hits} of {MOST_ROUNDS} kills came before the run was over"
    assert_nothing_is_left_to_do(klass, runs)


def test_killed_in_the_writer_it_goes_on(klass, unit, runs):
    resubmit(klass, unit, STUDENTS, 0)
    for version, (place, nth, after) in enumerate(KILLS):
        resubmit(klass, unit, STUDENTS[version % 3 :], version)
        trap = {"place": place, "nth": nth, "after": after}
        assert runs.finish(klass, trap=trap) is None, f"{place} was not reached"
        assert_it_goes_on(klass, unit, runs)
    assert_nothing_is_left_to_do(klass, runs)


@pytest.fixture
def command(klass, unit):
    """What grades a class of eight with the sandbox at work."""
    released = klass.require_release(unit)
    every = sample_class(unit, read_notebook(released), 30)
    for sample in [s for s in every if s.student.startswith(QUICK)][:8]:
        place = klass.submitted(unit, sample.student) / notebook_name(unit)
        place.parent.mkdir(parents=True)
        place.write_bytes(sample.content or b"")
    return [sys.executable, "-m", "grader", "grade", unit.key, "--class", str(klass.root)]


def test_killed_with_the_sandbox_at_work_it_goes_on(klass, unit, command):
    draw, killed, done = random.Random(2026), 0, 0
    while killed < SEALED_ROUNDS:
        with subprocess.Popen([*command, "--force"], stdout=DEVNULL, stderr=DEVNULL) as run:
            everything = wait_for_sandboxes(run)
            time.sleep(draw.uniform(0.0, 0.5))
            run.kill()
        killed += run.returncode == -signal.SIGKILL
        done += 1
        assert done < 10 * SEALED_ROUNDS
        assert still_alive(everything) == []  # no worker, no sandbox
    assert subprocess.run(command, stdout=DEVNULL, check=False).returncode == 0
    graded = scores(klass, unit)
    assert len(graded) == 8
    again = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert (again["units"][0]["graded"], again["units"][0]["kept"]) == (0, 8)
    assert scores(klass, unit) == graded


def test_stopped_by_the_keyboard_it_says_so_and_goes_on(klass, unit, command):
    # Whoever started these tests may ignore Ctrl-C, as a shell does for its background.
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    options = {"stdout": DEVNULL, "stderr": subprocess.PIPE, "text": True, "preexec_fn": heeding}
    # Ctrl-C reaches the whole group of processes; nobody else may be in it.
    with subprocess.Popen(command, process_group=0, **options) as run:
        everything = wait_for_sandboxes(run)
        os.killpg(run.pid, signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 130
    assert said.splitlines()[-1] == (
        "grader: stopped. What is done is kept; the same command goes on."
    )
    assert "Traceback" not in said
    assert still_alive(everything) == []
    assert "stopped by the keyboard" in (klass.root / "grader.log").read_text()
    assert subprocess.run(command, stdout=DEVNULL, check=False).returncode == 0
    assert len(scores(klass, unit)) == 8


def wait_for_sandboxes(run):
    """Wait until a run's sandboxes are there, and return all its processes."""
    while run.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            everything = psutil.Process(run.pid).children(recursive=True)
            inside = ["course._inside.server" in process.cmdline() for process in everything]
            if sum(inside) >= 2:
                return everything
        time.sleep(0.01)
    return []
