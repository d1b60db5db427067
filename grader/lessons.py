"""A lesson's stored outputs: text only, the same on every machine, compared by nbval."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from grader.errors import GraderError
from grader.kernel import plain_environment, started_kernel

CELL_TIMEOUT = 120
RAISES = "raises-exception"
IGNORED = "nbval-ignore-output"
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")


def keep_outputs(notebook: NotebookNode, built: Path) -> bool:
    """Take over the outputs of the notebook built last, if its code cells are the same.

    Returns:
        Whether it was so; otherwise nothing changed.
    """
    try:
        old = nbformat.reads(built.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError):
        return False
    old_cells, cells = _code_cells(old), _code_cells(notebook)
    if [cell.source for cell in old_cells] != [cell.source for cell in cells]:
        return False
    if any(cell.execution_count is None for cell in old_cells):
        return False
    for number, (cell, before) in enumerate(zip(cells, old_cells, strict=True), start=1):
        _store(cell, number, before.outputs)
    return True


def run_lesson(notebook: NotebookNode, text: Path) -> None:
    """Run a lesson's cells in its folder and store what they output.

    Raises:
        GraderError: a cell fails, warns, or outputs what another machine cannot reproduce.
    """
    env = plain_environment()
    with started_kernel(notebook, text.parent, env, timeout=CELL_TIMEOUT) as client:
        number = 0
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            number += 1
            try:
                # As nbval runs them: without history, so a trailing semicolon hides nothing.
                client.execute_cell(cell, index, store_history=False)
            except CellExecutionError as error:
                first = next(iter(error.evalue.strip().splitlines()), "")
                what = f"it fails when run: {error.ename}: {first}"
                raise _error(text, index, cell, what) from None
            except (CellTimeoutError, DeadKernelError):
                what = f"it ran longer than {CELL_TIMEOUT} s or ended its kernel"
                raise _error(text, index, cell, what) from None
            _store(cell, number, cell.outputs)
            _check_reproducible(text, index, cell)


def text_only(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs without pictures, widgets, timings and paths of this machine."""
    kept: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output.output_type == "stream":
            stream = streams.get(output.name)
            if stream:
                stream.text += output.text
                continue
            new = nbformat.v4.new_output("stream", name=output.name, text=output.text)
            streams[output.name] = new
        elif output.output_type == "error":
            line = f"{output.ename}: {output.evalue}"
            new = nbformat.v4.new_output(
                "error", ename=output.ename, evalue=output.evalue, traceback=[line]
            )
        else:
            text = {key: output.data[key] for key in ("text/plain",) if key in output.data}
            new = nbformat.v4.new_output(output.output_type, data=text)
        kept.append(new)
    return kept


def _store(cell: NotebookNode, number: int, outputs: list[NotebookNode]) -> None:
    cell.outputs = text_only(outputs)
    cell.execution_count = number  # nbval compares only cells that have one
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = number
    cell.metadata.pop("execution", None)


def _check_reproducible(text: Path, index: int, cell: NotebookNode) -> None:
    tags = cell.metadata.get("tags", [])
    if IGNORED in tags:
        return
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            raise _error(text, index, cell, f"it writes to stderr: {output.text.strip():.200}")
        shown = output.get("text", "") or output.get("data", {}).get("text/plain", "")
        found = _ADDRESS.search(shown)
        if found:
            raise _error(
                text,
                index,
                cell,
                f"its output holds a memory address ({found[0]}), which differs on every run; "
                "end the cell with another value or assign the result to _",
            )


def _error(text: Path, index: int, cell: NotebookNode, what: str) -> GraderError:
    title = next(iter(cell.source.splitlines()), "")
    return GraderError(f"{text.name}, cell {index + 1} ({title:.40}): {what}.")


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
