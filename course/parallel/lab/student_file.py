"""A student's own collective, taken from a Python file or a notebook."""

from __future__ import annotations

import ast
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from array_api_compat import is_torch_array

from course._arrays import Array, kind_of
from course.parallel.channel import Channel
from course.parallel.lab.errors import UsageError
from course.parallel.steps import AllReduce

_KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
_ASSIGNED = (ast.Assign, ast.AnnAssign)
_NOT_SIMPLE = (ast.Call, ast.Await, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def load_all_reduce(place: str) -> AllReduce:
    """Return the function at ``FILE.py:NAME`` or ``FILE.ipynb:NAME``, ready for torch tensors.

    Raises:
        UsageError: there is no such file or function, or the file cannot be run.
    """
    path, name = _split(place)
    namespace = _run(path)
    if name not in namespace:
        functions = [key for key, value in namespace.items() if _is_own(value, path)]
        has = f"it has {', '.join(functions)}" if functions else "it has no functions at all"
        raise UsageError(f"{path} has no {name!r}: {has}. Give FILE:NAME of an all-reduce.")
    function = namespace[name]
    if not callable(function):
        raise UsageError(
            f"{name!r} in {path} is a {kind_of(function)}, not a function. "
            "Define it with def: it takes a channel and an array."
        )
    return _on_numpy(function, name)


def _split(place: str) -> tuple[Path, str]:
    file, _, name = place.rpartition(":")
    path = Path(file)
    if path.suffix not in (".py", ".ipynb") or not name.isidentifier():
        raise UsageError(f"{place!r} is no FILE.py:NAME or FILE.ipynb:NAME.")
    if not path.is_file():
        raise UsageError(f"there is no file {path} (looked for from {Path.cwd()}).")
    return path, name


def _run(path: Path) -> dict[str, Any]:
    """Run a file's definitions and return its names."""
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a file there that is called random.py hides nothing
    label = str(path)
    try:
        for label, tree in _trees(path):
            exec(compile(tree, label, "exec"), namespace)  # noqa: S102 - the user's own file
    except SyntaxError as error:
        raise UsageError(
            f"{error.filename}, line {error.lineno}: SyntaxError: {error.msg}"
        ) from error
    except UsageError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == label), 1)
        raise UsageError(f"{label}, line {line}: {type(error).__name__}: {error}") from error
    return namespace


def _trees(path: Path) -> Iterator[tuple[str, ast.Module]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield str(path), ast.parse(text, str(path))
        return
    for number, source in _code_cells(path, text):
        label = f"{path}, cell {number}"
        try:
            tree = ast.parse(_without_magics(source), label)
        except SyntaxError:
            if "def " in source:
                raise
            continue  # notes, or a cell that is not finished yet
        kept: list[ast.stmt] = [node for node in tree.body if _is_definition(node)]
        yield label, ast.Module(kept, type_ignores=[])


def _code_cells(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Number a notebook's cells from 1, Markdown too, and give those of code."""
    try:
        cells = json.loads(text)["cells"]
        for number, cell in enumerate(cells, 1):
            if cell["cell_type"] == "code":
                yield number, "".join(cell["source"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is no notebook that can be read; save it again.") from None


def _without_magics(source: str) -> str:
    """Empty the lines that only IPython understands; the others keep their numbers."""
    if source.lstrip().startswith("%%"):
        return ""
    lines = source.split("\n")
    return "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)


def _is_definition(node: ast.stmt) -> bool:
    """Whether a statement only makes a name known: training runs and plots are left out."""
    if isinstance(node, _ASSIGNED):
        return not any(isinstance(part, _NOT_SIMPLE) for part in ast.walk(node))
    return isinstance(node, _KEPT)


def _is_own(value: Any, path: Path) -> bool:
    code = getattr(value, "__code__", None)
    return code is not None and code.co_filename.startswith(str(path))


def _on_numpy(function: Callable[..., Any], name: str) -> AllReduce:
    """Let a function that knows NumPy arrays sum torch tensors."""

    def all_reduce(channel: Channel, x: Array) -> Array:
        if not is_torch_array(x):
            return function(channel, x)
        import torch

        total = function(channel, x.detach().cpu().numpy().copy())
        _require_sum(name, total, x)
        return torch.from_numpy(np.array(total)).to(x)

    return all_reduce


def _require_sum(name: str, total: Any, x: Array) -> None:
    wanted = f"an array of shape {tuple(x.shape)} and dtype {str(x.dtype).removeprefix('torch.')}"
    if not isinstance(total, np.ndarray):
        raise TypeError(f"{name} returned {_what(total)}; it must return the sum, {wanted}")
    if total.shape != tuple(x.shape) or str(total.dtype) != str(x.dtype).removeprefix("torch."):
        raise ValueError(
            f"{name} returned an array of shape {total.shape} and dtype {total.dtype}; "
            f"it must return the sum, {wanted}"
        )


def _what(value: Any) -> str:
    return "None" if value is None else f"a {kind_of(value)}"
