"""Grade thousands of submissions in one run and watch the memory and the pace.

``make soak`` prints what was measured on this machine, in this run. Nothing here is a test.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from course.checking import Unit
from course.exercises import find_unit
from grader.class_folder import ClassFolder, make_class, notebook_name
from grader.release import release
from grader.sample import sample_class
from grader.work import read_notebook

ROOT = Path(__file__).resolve().parents[1]
UNIT = "03_optimizers"
STUDENTS = 2000
STEP = 200
CELL_TIMEOUT = 15
MEGABYTE = 1e6

Sample = tuple[int, float, float, float]
"""Submissions done, seconds, and the megabytes of the controller and of all its workers."""


def main(students: int = STUDENTS) -> None:
    """Make a class, grade it, and print one table and the growth of memory."""
    console = Console(quiet=True)
    unit = find_unit(UNIT)
    with tempfile.TemporaryDirectory() as scratch:
        klass = make_class(Path(scratch) / "class", ROOT, cell_timeout=CELL_TIMEOUT)
        release(klass, [unit], console)
        hand_in(klass, unit, students)
        samples = watch(klass, unit)
    show(samples)


def hand_in(klass: ClassFolder, unit: Unit, students: int) -> None:
    """Fill the class with submissions of the sample class's variety."""
    samples = sample_class(unit, read_notebook(klass.require_release(unit)), students)
    for number, sample in enumerate(samples):
        folder = klass.submitted(unit, f"{number:05}-{sample.student}")
        folder.mkdir(parents=True)
        if sample.content is not None:
            (folder / (sample.filename or notebook_name(unit))).write_bytes(sample.content)


def watch(klass: ClassFolder, unit: Unit) -> list[Sample]:
    """Grade the class and look at it twice a second.

    Raises:
        SystemExit: grading failed.
    """
    samples: list[Sample] = []
    start = time.perf_counter()
    command = [sys.executable, "-m", "grader", "grade", unit.key, "--class", str(klass.root)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        controller = psutil.Process(run.pid)
        while run.poll() is None:
            done = sum(1 for _ in klass.root.glob(f"autograded/*/{unit.key}/*.ipynb"))
            memory = megabytes([controller]), megabytes(workers(controller))
            samples.append((done, time.perf_counter() - start, *memory))
            time.sleep(0.5)
    if run.returncode:
        sys.exit(f"grader grade ended with {run.returncode}")
    return samples


def workers(controller: psutil.Process) -> list[psutil.Process]:
    """Return all that the controller has started."""
    try:
        return controller.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def megabytes(processes: list[psutil.Process]) -> float:
    """Return the memory of some processes; what they share counts once for each."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / MEGABYTE


def show(samples: list[Sample]) -> None:
    """Print a row for every few submissions, and the last fifth's memory against the first's."""
    at_work = [sample for sample in samples if sample[0]]
    table = Table("graded", "a minute", "controller", "workers", title="Measured on this machine")
    before = samples[0]
    for least in range(STEP, at_work[-1][0] + STEP, STEP):
        part = [s for s in at_work if least - STEP < s[0] <= least]
        if part:
            done, seconds, _, _ = part[-1]
            pace = 60 * (done - before[0]) / (seconds - before[1])
            middle = [statistics.median(s[kind] for s in part) for kind in (2, 3)]
            table.add_row(str(done), f"{pace:.0f}", *(f"{value:.0f} MB" for value in middle))
            before = part[-1]
    console = Console()
    console.print(table)
    fifth = max(1, len(at_work) // 5)
    for kind, name in ((2, "controller"), (3, "workers")):
        first, last = (
            statistics.median(s[kind] for s in part) for part in (at_work[:fifth], at_work[-fifth:])
        )
        console.print(f"{name}: the last fifth uses {last / first:.2f} times the first's memory")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
