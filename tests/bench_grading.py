"""How fast a class is graded: stock nbgrader, this grader, and the floor below both.

One run grades the same class with ``nbgrader autograde`` and with ``grader grade`` (sandbox on,
answers judged from outside, notebooks and gradebook written), checks that both agree on every
honest answer, and ends with the ratio. The floor is a bare fork and ``exec`` of the same cells.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import psutil
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from rich.console import Console

from course.checking import judge
from course.exercises import PUBLIC_SEED, find_unit
from grader.class_folder import ClassFolder, make_class
from grader.release import release
from grader.sample import Sample, sample_class
from grader.work import read_notebook

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
UNIT = "03_optimizers"
STUDENTS = 200
KINDS = ("all-right", "mistakes", "mixed")
"""What both can grade in their ordinary way: no endless loops, no broken files."""


def main() -> None:
    """Grade the class in three ways and print how long each took."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        stock, ours = (_class(Path(scratch) / name) for name in ("stock", "ours"))
        samples = _hand_in(stock, ours)
        print(f"\n{len(samples)} submissions of {UNIT}, {os.cpu_count()} cores")
        slow = _timed([BIN / "nbgrader", "autograde", UNIT], stock.root)
        _show("stock nbgrader autograde", slow)
        with _watched() as memory:
            fast = _timed([BIN / "grader", "grade", UNIT], ours.root)
        _show("grader grade, start to end", fast)
        floor = _floor(ours, samples)
        _show("floor: fork and exec of the cells, one process", floor)
        for what, size in sorted(memory.items()):
            print(f"  {what:<50} {size / 2**20:7.0f} MB")
        _compare(stock, ours, samples)
    print(f"grading: {slow / fast:.1f} x stock nbgrader")


def _class(root: Path) -> ClassFolder:
    klass = make_class(root, ROOT)
    release(klass, [find_unit(UNIT)], Console(file=io.StringIO()))
    return klass


def _hand_in(*classes: ClassFolder) -> list[Sample]:
    unit = find_unit(UNIT)
    released = read_notebook(classes[0].require_release(unit))
    many = sample_class(unit, released, 3 * STUDENTS)
    samples = [sample for sample in many if sample.student.startswith(KINDS)][:STUDENTS]
    for klass in classes:
        for sample in samples:
            folder = klass.submitted(unit, sample.student)
            folder.mkdir(parents=True)
            (folder / Path(unit.assignment).name).write_bytes(sample.content or b"")
    return samples


def _timed(command: list[object], folder: Path) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return seconds


def _show(what: str, seconds: float) -> None:
    rate = 60 * STUDENTS / seconds
    print(f"  {what:<50} {seconds:7.1f} s {1000 * seconds / STUDENTS:7.0f} ms each, {rate:.0f}/min")


@contextlib.contextmanager
def _watched() -> Iterator[dict[str, int]]:
    """Measure the largest memory of each kind of process that this one starts."""
    largest: dict[str, int] = {}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.2):
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        line = " ".join(process.cmdline())
                        kind = "a sandbox's process" if "_inside" in line else "a grader's process"
                        size = process.memory_full_info().uss
                        largest[kind] = max(largest.get(kind, 0), size)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield largest
    finally:
        is_over.set()
        thread.join()


def _floor(klass: ClassFolder, samples: list[Sample]) -> float:
    """Time a fork for each submission that runs its cells and nothing else."""
    mpl.use("agg")
    import matplotlib.pyplot  # noqa: F401 - the cells may use it: it is paid beforehand

    unit = find_unit(UNIT)
    for exercise in unit.exercises:  # the cases and what is right are known beforehand, as above
        judge(exercise, exercise.honest[0], PUBLIC_SEED)
    notebooks = [
        read_notebook(klass.autograded(unit, sample.student).read_bytes()) for sample in samples
    ]
    start = time.perf_counter()
    for notebook in notebooks:
        process = os.fork()
        if process == 0:
            _run_cells(notebook)
        os.waitpid(process, 0)
    return time.perf_counter() - start


def _run_cells(notebook: NotebookNode) -> None:
    names: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                exec(cell.source, names)
    os._exit(0)


def _compare(stock: ClassFolder, ours: ClassFolder, samples: list[Sample]) -> None:
    """Fail unless both gave the same points for every answer that is right."""
    theirs, own = _points(stock), _points(ours)
    right = [(s.student, f"test_{name}") for s in samples for name in s.full]
    differing = [where for where in right if theirs[where] != own[where]]
    if differing:
        sys.exit(f"stock nbgrader and grader disagree on honest answers: {differing}")
    same = sum(theirs[where] == own[where] for where in theirs)
    print(f"  agree on all {len(right)} honest answers, and on {same} of all {len(theirs)}")


def _points(klass: ClassFolder) -> dict[tuple[str, str], float | None]:
    with Gradebook(klass.gradebook_url) as gradebook:
        return {
            (submission.student.id, grade.name): grade.auto_score
            for submission in gradebook.assignment_submissions(UNIT)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


if __name__ == "__main__":
    main()
