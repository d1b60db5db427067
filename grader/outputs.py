"""What a submission's process says that its cells showed, made into a notebook's outputs.

Nothing in it is trusted: it is looked at piece by piece, and what is not in order is left out.
"""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from grader.sealed.inside.shell import DISPLAY_LIMIT, OUTPUT_LIMIT, PICTURE_LIMIT

_LENGTH = OUTPUT_LIMIT + PICTURE_LIMIT


def read_outputs(given: list[Any]) -> list[NotebookNode]:
    """Return those outputs that are in order, up to a bounded length in all."""
    outputs: list[NotebookNode] = []
    room = _LENGTH
    for output in given[: 2 * DISPLAY_LIMIT]:
        read, length = _read(output)
        room -= length
        if read is not None and room >= 0:
            outputs.append(read)
    return outputs


def _read(output: Any) -> tuple[NotebookNode | None, int]:
    match output:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return new_output("stream", name=name, text=_clean(text)), len(text)
        case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
            texts = {k: _clean(v) for k, v in data.items() if type(k) is str and type(v) is str}
            return new_output(kind, data=texts), sum(map(len, texts.values()))
        case {
            "output_type": "error",
            "ename": str(name),
            "evalue": str(value),
            "traceback": list(lines),
        } if all(isinstance(line, str) for line in lines):
            own = [_clean(line) for line in lines if not line.lstrip().startswith("File ")]
            error = new_output("error", ename=_clean(name), evalue=_clean(value), traceback=own)
            return error, len(name) + len(value) + sum(map(len, own))
    return None, 0


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
