"""The corpus of submissions that a grader must survive: each has its grade and its reason."""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from faults import FAULTS, PAGE, page
from grader.execute import Settings
from grader.work import grade_submission
from handed_in.making import ALL
from judged_release import as_file, release

SETTINGS = Settings(seed=11, cell_timeout=2.0, memory=512, disk=16)
MOST_MEMORY = 3 * 2**28
"""Bytes that the grader's own process may ever take beyond what it holds at the start."""


def memory(measure):
    """Return the bytes of this process's memory: VmRSS is what it holds, VmHWM the most so far."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"^{measure}:\s+(\d+) kB$", status, re.M)[1])


@pytest.fixture(scope="module", autouse=True)
def memory_before():
    """Forget how much memory other tests in this process have taken, and say what it holds."""
    if sys.platform != "linux":
        return 0
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch):
    monkeypatch.setattr("grader.sealed.sandbox.GRACE", 1.0)


def outputs_of_extras(notebook):
    extras = [cell for cell in notebook.cells if cell.id.startswith("extra")]
    return [output for cell in extras for output in cell.get("outputs", [])]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_it_has_a_grade_and_a_reason(fault):
    result = grade_submission(fault.content, as_file(release()), SETTINGS)
    points = {name: score.points for name, score in result.scores.items()}
    told = [problem.text for problem in result.problems] + [json.dumps(result.verdicts)]
    assert points == fault.points, told
    assert fault.said in "\n".join(told)
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    nbformat.validate(notebook)
    assert len(result.notebook) < 10_000_000
    shown = {kind for o in outputs_of_extras(notebook) for kind in o.get("data", {})}
    assert shown <= {"text/plain", "image/png", "image/jpeg"}


def test_whoever_loses_points_is_told_why():
    assert [name for name, f in FAULTS.items() if f.points != ALL and not f.said] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory so far")
def test_none_of_them_fills_the_grader_s_memory(memory_before):
    assert memory("VmHWM") - memory_before < MOST_MEMORY


def test_the_page_of_the_documentation_holds_just_this():
    assert all(fault.stock for fault in FAULTS.values())
    assert PAGE.read_text(encoding="utf-8") == page()
