"""The corpus of submissions that a grader must survive: each has its grade and its reason."""

import json

import nbformat
import pytest

from faults import FAULTS
from grader.execute import Settings
from grader.work import grade_submission
from judged_release import as_file, release

SETTINGS = Settings(seed=11, cell_timeout=2.0, memory=512, disk=16)


def outputs_of_extras(notebook):
    return [
        o
        for cell in notebook.cells
        if cell.id.startswith("extra")
        for o in cell.get("outputs", [])
    ]


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
