"""What the course costs in time: a check, a live figure's redraw, a submission's grading.

``make bench`` prints medians measured on this machine, in this run. Nothing here is a test.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from browsing import find_browser, lab_page, run_notebook
from course.checking import judge
from course.exercises import units
from live_figures import code_cells, in_use, makers, positions

ROOT = Path(__file__).resolve().parents[1]

# Presses an arrow key on the first slider and resolves when the new picture is on the page.
REDRAW = """
async presses => {
  const picture = document.querySelector('.jp-OutputArea-output .jupyter-widgets img');
  const all = document.querySelectorAll('.jp-OutputArea-output .jupyter-widgets .noUi-handle');
  const handle = [...all].find(one => one.offsetParent !== null);  // a choice hides some
  const times = [];
  for (let press = 0; press < presses; press++) {
    const shown = new Promise(done => picture.addEventListener('load', done, {once: true}));
    const key = press % 20 < 10 ? 'ArrowRight' : 'ArrowLeft';
    const start = performance.now();
    const given_up = new Promise(rest => setTimeout(() => rest(true), 1000));  // at a slider's end
    handle.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    if (await Promise.race([shown, given_up]) !== true) times.push(performance.now() - start);
    await new Promise(rest => setTimeout(rest, 100));
  }
  return times;
}
"""


Row = tuple[str, list[float], str]
"""What was timed, the seconds that it took each time, and what it may take."""


def main() -> None:
    """Measure everything and print each line as it comes."""
    print(f"{'measured on this machine':<52}{'median':>10}{'largest':>10}{'target':>10}")
    for what, times, target in (row for part in (checks, redraws, redraws_seen) for row in part()):
        middle, largest = _ms(statistics.median(times)), _ms(max(times))
        print(f"{what:<52}{middle:>10}{largest:>10}{target:>10}", flush=True)
    grading()


def checks() -> Iterator[Row]:
    """Time a right answer, and a wrong one that is named, over all exercises and fresh seeds."""
    right, named = [], []
    for unit in units():
        for exercise in unit.exercises:
            for seed in range(1000, 1005):
                right.append(_timed(lambda e=exercise, s=seed: judge(e, e.honest[0], s)))
                wrong = exercise.mistakes[-1].variant
                named.append(_timed(lambda e=exercise, s=seed, w=wrong: judge(e, w, s)))
    yield "check, right answer", right, "100 ms"
    yield "check, mistake named", named, "100 ms"


def redraws() -> Iterator[Row]:
    """Time each live figure from a control's change to the new picture, over all its controls.

    What the machine spent, not what went by: other programs do not count. Each control goes through
    its range, and back.
    """
    for name, make in makers().items():
        live, times = make(), []
        for control, shown in in_use(live).items():
            live.reset()
            there = positions(shown, 11)
            for value in [*there, *there[::-1]]:
                start = time.process_time()
                live.update(**{control: value})
                times.append(time.process_time() - start)
        yield f"redraw, {name}", times, "50 ms"


def redraws_seen() -> Iterator[Row]:
    """Time from a key on the first slider of each lesson to the new picture in the browser."""
    if find_browser() is None:
        print("no Chromium or Chrome here: the live figures are not measured in a browser")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "lessons"
        shutil.copytree(ROOT / "lessons", folder)
        with lab_page(folder, Path(scratch)) as page:
            for unit in units():
                code, figures = code_cells(ROOT / unit.lesson)
                cells = [code[0], figures[0]]
                with run_notebook(page, str(Path(unit.lesson).relative_to("lessons")), cells):
                    times = [t / 1000 for t in page.evaluate(REDRAW, 40)]
                yield f"seen in the browser, {unit.key}", times[5:], "50 ms"


def grading() -> None:
    """Time the demo: release, grading of the sample class, feedback and report."""
    start = time.perf_counter()
    command = [str(Path(sys.executable).parent / "grader"), "demo", "--into", "build/bench"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    print(f"demo, from release to report: {time.perf_counter() - start:.0f} s")


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


if __name__ == "__main__":
    main()
