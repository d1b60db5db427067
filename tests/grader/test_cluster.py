"""A small dask cluster of real processes: the same grades, also when a worker is killed."""

import itertools
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import course
import stand_in
from grader import cluster as module
from grader import grade as grading
from grader import run as running
from grader.cluster import run_on_cluster
from grader.errors import GraderError, UsageError
from grader.grade import grade
from grader.gradebook import Writer
from grader.pool import Task
from grader.results import read_results
from stand_in import hand_in, points

STUDENTS = [f"student{number}" for number in range(12)]
SUPPORT = str(Path(stand_in.__file__).parent)


@contextmanager
def dask(*arguments):
    """Run one of dask's programs while the block lasts."""
    path = os.pathsep.join([SUPPORT, os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def cluster(folder, workers=2, threads=1):
    """Yield the address of a new scheduler, and the processes of it and of its workers."""
    note = folder / "scheduler.json"
    known = ["--scheduler-file", str(note), "--no-dashboard"]
    worker = ["worker", *known, "--nthreads", str(threads), "--no-nanny"]
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            dask("scheduler", "--host", "127.0.0.1", "--port=0", *known)
        )
        while not note.exists():
            assert scheduler.poll() is None, "dask's scheduler did not start"
            time.sleep(0.05)
        started = [
            stack.enter_context(dask(*worker, "--local-directory", str(folder / f"scratch{n}")))
            for n in range(workers)
        ]
        yield json.loads(note.read_text())["address"], scheduler, started


@pytest.fixture
def handed_in(klass, unit, monkeypatch):
    for place in (grading, running):
        monkeypatch.setattr(place, "grade_submission", stand_in.stand_in)
    monkeypatch.setattr(running, "AT_LEAST_EVERY", 0.0)  # each batch alone: one is the second
    monkeypatch.setattr(module, "FIRST_WORKER", 120)
    for student in STUDENTS:
        hand_in(klass, unit, student, f"# {student}")
    return klass


def totals(klass, unit):
    return {r.student: sum(r.points.values()) for r in read_results(klass, unit).students}


def expected(klass, unit):
    name = klass.release(unit).name
    paths = {s: klass.submitted(unit, s) / name for s in STUDENTS}
    return {s: sum(points(path.read_bytes()).values()) for s, path in paths.items()}


def killing(worker, record, batch=2):
    """Return the writer's ``record`` that kills a worker when so many batches have come."""
    batches = itertools.count(1)

    def recording(writer, entries):
        if next(batches) == batch:
            worker.kill()
        record(writer, entries)

    return recording


def test_a_killed_worker_costs_nothing(handed_in, unit, console, tmp_path, monkeypatch):
    with cluster(tmp_path) as (address, _, (worker, _)):
        monkeypatch.setattr(Writer, "record", killing(worker, Writer.record))
        (summary,) = grade(handed_in, [unit], console, cluster=address)
        assert worker.wait(60) == -9
        assert (summary.graded, summary.kept, dict(summary.lost)) == (len(STUDENTS), 0, {})
        assert totals(handed_in, unit) == expected(handed_in, unit)
        (again,) = grade(handed_in, [unit], console, cluster=address)
        assert (again.graded, again.kept) == (0, len(STUDENTS))
        results = run_on_cluster([Task("bad", int, ("x",)), Task("good", int, ("7",))], address)
        found = dict(itertools.chain.from_iterable(results))
        assert found.pop("bad").reason.startswith("the work on it failed twice: ValueError")
        assert found == {"good": 7}
        monkeypatch.setattr(course, "__version__", "0.0.1")
        with pytest.raises(GraderError, match=r"than this machine \(0\.0\.1, code"):
            grade(handed_in, [unit], console, cluster=address, force=True)


@pytest.mark.parametrize("address", ["nonsense", "foo://bar:8786", "tcp://host:port"])
def test_what_is_no_address_is_said_at_once(address):
    with pytest.raises(UsageError, match=f"{address} is no address of a cluster. Write it like"):
        next(run_on_cluster([Task("never", int, ("1",))], address))


def test_a_cluster_that_goes_away_stops_the_run_and_loses_nothing(
    handed_in, unit, console, tmp_path, monkeypatch
):
    with cluster(tmp_path, workers=1) as (address, scheduler, _), monkeypatch.context() as patched:
        patched.setattr(Writer, "record", killing(scheduler, Writer.record))
        with pytest.raises(GraderError, match="has gone away"):
            grade(handed_in, [unit], console, cluster=address)
    (summary,) = grade(handed_in, [unit], console, jobs=1)
    assert summary.kept > 0
    assert totals(handed_in, unit) == expected(handed_in, unit)


@pytest.mark.parametrize(
    ("workers", "threads", "text"),
    [(0, 1, "has no workers. Start some: dask worker"), (1, 2, "start it with --nthreads 1")],
)
def test_a_cluster_that_does_not_fit_is_refused(
    handed_in, unit, console, tmp_path, monkeypatch, workers, threads, text
):
    if not workers:
        monkeypatch.setattr(module, "FIRST_WORKER", 1)
    with (
        cluster(tmp_path, workers, threads) as (address, *_),
        pytest.raises(GraderError, match=text),
    ):
        grade(handed_in, [unit], console, cluster=address)
