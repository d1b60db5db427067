"""Running a rebuilt submission: every cell gets its chance, none can hold up the rest for long.

This runs student code in an ordinary kernel. The sealed engine will take its place behind
`run_notebook`; nothing else knows how a submission is run.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

from course.exercises import GRADING_SEED
from grader.kernel import QUIET_START, TimeLimit, started_kernel
from grader.problems import Problem

GRACE = 3.0
"""Seconds between the interrupt of a cell and the end of its kernel."""

OUTPUT_LIMIT = 100_000
"""Characters of output that are kept of a cell."""

DISPLAY_LIMIT = 200
"""Displays that are kept of a cell."""

_FILE_FRAME = re.compile(r"(\s|\x1b\[[0-9;]*m)*File ")
_PASSED_ON = ("LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Settings:
    """What a run needs to know besides the notebook.

    Attributes:
        seed: from which checks draw the cases that students do not see.
        cell_timeout: the seconds that one cell may run.
    """

    seed: int
    cell_timeout: float


def run_notebook(notebook: NotebookNode, settings: Settings) -> list[Problem]:
    """Run the code cells in order and store their outputs in the notebook.

    A cell that fails or takes too long is left behind; when the process dies, the cells after
    it are marked as not run, and all outputs so far are kept.
    """
    cells = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    problems: list[Problem] = []
    with (
        tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as folder,
        started_kernel(
            notebook,
            Path(folder),
            _environment(folder, settings.seed),
            client_class=_LimitedClient,
            allow_errors=True,
            timeout=None,
            iopub_timeout=max(1, int(settings.cell_timeout)),
        ) as client,
    ):
        for number, (index, cell) in enumerate(cells, start=1):
            limit = TimeLimit(client, settings.cell_timeout, GRACE)
            try:
                with limit:
                    client.execute_cell(cell, index, execution_count=number)
                _keep_own_frames(cell)
            except DeadKernelError:
                problems.append(_end(cell, limit, settings))
                for _, later in cells[number:]:
                    _add_error(later, "NotRun", "the program had ended in an earlier cell")
                break
            if limit.reached:
                problems.append(_stop(cell, settings))
    return problems


class _LimitedClient(NotebookClient):
    """Keeps a bounded part of what a cell outputs, so that endless printing fills no memory."""

    def output(
        self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        """Add an output, unless the cell has printed or shown enough; a result always counts."""
        if msg["msg_type"] == "stream":
            room = OUTPUT_LIMIT - sum(len(o.text) for o in outs if o.output_type == "stream")
            text = msg["content"]["text"]
            if len(text) > room > 0:
                msg["content"]["text"] = f"{text[:room]}\n[the rest of the output was cut]\n"
            if room <= 0:
                return None
        elif msg["msg_type"] == "display_data" and len(outs) >= DISPLAY_LIMIT:
            return None
        return super().output(outs, msg, display_id, cell_index)


def _environment(folder: str, seed: int) -> dict[str, str]:
    """Return the kernel's environment: nothing of the instructor's but the language."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed_on | {
        **QUIET_START,
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": folder,
        "TMPDIR": folder,
        # The list of fonts takes seconds to make: it is shared.
        "MPLCONFIGDIR": matplotlib.get_configdir(),
        GRADING_SEED: str(seed),
    }


def _keep_own_frames(cell: NotebookNode) -> None:
    """Cut tracebacks to the student's own cells: the rest is the inside of libraries and checks."""
    for output in cell.outputs:
        if output.output_type == "error":
            output.traceback = [f for f in output.traceback if not _FILE_FRAME.match(f)]


def _stop(cell: NotebookNode, settings: Settings) -> Problem:
    text = f"this cell was stopped after {settings.cell_timeout:g} s; is there an endless loop?"
    _add_error(cell, "Stopped", text)
    return Problem(f"The cell {_title(cell)} was stopped after {settings.cell_timeout:g} s.")


def _end(cell: NotebookNode, limit: TimeLimit, settings: Settings) -> Problem:
    why = (
        f"could not be stopped after {settings.cell_timeout:g} s"
        if limit.reached
        else "ended the whole program"
    )
    _add_error(cell, "ProgramEnded", f"this cell {why}; the cells after it were not run")
    return Problem(f"The cell {_title(cell)} {why}; the cells after it were not run.")


def _add_error(cell: NotebookNode, name: str, text: str) -> None:
    line = f"{name}: {text}"
    cell.outputs.append(new_output("error", ename=name, evalue=text, traceback=[line]))


def _title(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id") or cell.id)
