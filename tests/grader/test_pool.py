"""Workers that die or fail cost their own task and no other."""

import math
import signal
import time

import pytest

from grader.pool import Lost, Task, run_all


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
