"""Workers that die or fail cost their own task and no other."""

import contextlib
import itertools
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from grader.content import find_content
from grader.errors import GraderError
from grader.pool import AHEAD, Lost, Task, run_all
from processes import still_alive


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_all_results_come(jobs):
    tasks = [Task(str(n), math.sqrt, (n,)) for n in (0, 1, 4, 9)]
    assert dict(run_all(tasks, jobs)) == {"0": 0.0, "1": 1.0, "4": 2.0, "9": 3.0}


def test_nothing_to_do_is_done():
    assert dict(run_all([])) == {}


def test_a_worker_that_is_killed_costs_only_its_task():
    tasks = [
        Task("sleeper", time.sleep, (0.5,)),
        Task("killer", signal.raise_signal, (signal.SIGKILL,)),
        *(Task(str(n), math.sqrt, (n,)) for n in (4, 9)),
    ]
    results = dict(run_all(tasks, 2))
    assert results.pop("killer") == Lost("the process that worked on it was killed, twice")
    assert results == {"sleeper": None, "4": 2.0, "9": 3.0}


def test_work_that_fails_says_how():
    results = dict(run_all([Task("bad", int, ("x",)), Task("good", int, ("7",))], 1))
    assert results["good"] == 7
    assert results["bad"].reason.startswith("the work on it failed twice: ValueError: invalid")


def test_tasks_are_taken_only_as_workers_come_free():
    taken = []

    def tasks():
        for number in itertools.count():
            taken.append(number)
            yield Task(str(number), math.sqrt, (number,))

    results = run_all(tasks(), 1)
    assert next(results) in [("0", 0.0), ("1", 1.0)]  # two are under way
    assert len(taken) <= AHEAD
    results.close()


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (Task("full", Path("/dev/full").write_text, ("x",)), "No space left on device"),
        (Task("own", find_content, (Path("/nowhere"),)), "/nowhere"),
    ],
)
def test_what_stops_one_would_stop_all(task, text):
    with pytest.raises(GraderError, match=text):
        dict(run_all([task], 1))


def test_workers_end_with_a_parent_that_is_killed():
    code = (
        "import time; from grader.pool import Task, run_all\n"
        "if __name__ == '__main__':\n"
        "    for name, _ in run_all([Task('a', abs, (1,)), Task('b', time.sleep, (600,))], 2):\n"
        "        print(name, flush=True)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "a\n"
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert workers
        parent.kill()
    assert still_alive(workers) == []


def test_a_worker_killed_while_it_hands_over_a_large_result_stops_nobody():
    draw = random.Random(2026)
    for _ in range(8):
        before = set(psutil.Process().children())
        tasks = [Task(str(n), bytes, (20_000_000,)) for n in range(8)]
        results = run_all(tasks, 2)
        name, first = next(results)
        time.sleep(draw.uniform(0, 0.05))
        for worker in set(psutil.Process().children()) - before:
            with contextlib.suppress(psutil.NoSuchProcess):
                if "spawn_main" in " ".join(worker.cmdline()):
                    worker.kill()
        found = {name: first, **dict(results)}
        assert {name: len(value) for name, value in found.items()} == {
            str(n): 20_000_000 for n in range(8)
        }
