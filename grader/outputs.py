"""What a submission's process says that its cells showed, made into a notebook's outputs.

Nothing in it is trusted: it is looked at piece by piece, and what is not in order is left out.
"""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode, from_dict

from grader.sealed.inside.bounds import DISPLAY_LIMIT, OUTPUT_LIMIT, PICTURE_LIMIT

_LENGTH = OUTPUT_LIMIT + PICTURE_LIMIT


def read_outputs(given: list[Any]) -> list[NotebookNode]:
    """Return those outputs that are in order, up to a bounded length in all."""
    outputs: list[NotebookNode] = []
    room = _LENGTH
    for one in given[: 2 * DISPLAY_LIMIT]:
        read, length = _read(one)
        room -= length
        if read is not None and room >= 0:
            outputs.append(read)
    return outputs


def new_output(kind: str, **content: Any) -> NotebookNode:
    """Return an output of a notebook; nbformat's own function validates each, which takes long."""
    made: NotebookNode = from_dict({"output_type": kind, **content})
    return made


def _read(given: Any) -> tuple[NotebookNode | None, int]:
    match given:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return new_output("stream", name=name, text=_clean(text)), len(text)
        case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
            texts = {k: _clean(v) for k, v in data.items() if type(k) is str and type(v) is str}
            made = new_output(kind, data=texts, metadata={})
            if kind == "execute_result":
                made.execution_count = None
            return made, sum(map(len, texts.values()))
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
