"""Submissions that a grader must survive: what each is, what it earns, and what is said of it.

Every one is a file handed in for `judged_release`: momentum and nesterov earn 5 points each,
judged from outside; plain earns 2, judged in the student's process, as an instructor's own asserts
are; why earns up to 4, given by hand (None until then).
"""

import json
from dataclasses import replace
from pathlib import Path

from handed_in import answers, cheats, files
from handed_in.making import ALL

STOCK_VERSION = "0.9.6"
STOCK = Path(__file__).with_name("faults_stock.json")
"""What stock nbgrader made of each, as measured by `stock_nbgrader.py`."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
_HEAD = f"""\
# Submissions that a grader must survive

Each row is a file that a student could hand in. The columns say which points it got for its three
tests, of 5 + 5 + 2: here, and from stock nbgrader {STOCK_VERSION}. Both are measured: the first by
`pytest tests/grader/test_faults.py`, the second by

```
STOCK_NBGRADER=1 .venv/bin/pytest tests/grader/test_faults_stock.py
```

which runs `nbgrader autograde` for each file, three seconds on a quiet machine, in a sandbox with
limits, so that a fork bomb can do no harm. To measure anew, and to write this page:

```
export PYTHONPATH=.
.venv/bin/python tests/support/stock_nbgrader.py record
.venv/bin/python tests/support/faults.py
```

*Lost* means that there is no score at all. **Bold** is what differs: points that nobody earned,
right answers that do not count, and what is lost.

The third test, of 2 points, is an instructor's own assert. It runs in the student's process, here
as there, and can be forged; the graded notebook says so.

Links, pipes, renamed files and folders, bad times and resubmissions are in
`tests/grader/test_faults_folders.py`; kills, full disks and held databases in `test_kill.py` and
`test_grade.py`.
"""

_stock = json.loads(STOCK.read_text(encoding="utf-8")) if STOCK.is_file() else {}
FAULTS = {
    name: replace(fault, row=row, stock=_stock.get(name, ""))
    for groups in (files.GROUPS, cheats.GROUPS, answers.GROUPS)
    for row, faults in groups.items()
    for name, fault in faults.items()
}


def page():
    """Return docs/faults.md: the corpus as a table."""
    lines, row = [_HEAD.rstrip()], ""
    for name, fault in FAULTS.items():
        if fault.row != row:
            row = fault.row
            head = "| submission | here | stock nbgrader |\n|---|---|---|"
            lines.append(f"\n## {row[0].upper()}{row[1:]}\n\n{head}")
        ours = points_of(fault)
        stock = fault.stock if fault.stock == ours else f"**{fault.stock}**"
        lines.append(f"| {name.replace('|', '/')} | {ours} | {stock} |")
    return "\n".join(lines) + "\n"


def points_of(fault):
    """Return a submission's points as they are recorded of stock nbgrader."""
    return " + ".join(f"{fault.points[name]:g}" for name in ALL if name.startswith("test_"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
