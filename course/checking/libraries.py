"""Which libraries a function reaches for: what its code imports, and where the names it uses lead.

This looks at the function without running it. It tells an honest student early; it is no lock:
the grading engine keeps foreign libraries out of reach while it grades.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any


def foreign_libraries(function: Callable[..., Any], allowed: tuple[str, ...]) -> list[str]:
    """Return the libraries that a function uses, and the ones it defines use, beyond the allowed.

    Python's standard library is always allowed. A class or function of a library counts as the
    library; so does a function of the course, whose references would be the answer.
    """
    found: set[str] = set()
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, types.FunctionType) or id(current) in seen:
            continue
        seen.add(id(current))
        for code in _codes(current.__code__):
            found |= {_root(name) for name in _imports(code)}
            for value in (current.__globals__.get(name) for name in code.co_names):
                if isinstance(value, types.ModuleType):
                    found.add(_root(value.__name__))
                elif isinstance(value, types.FunctionType) and _same_home(value, current):
                    waiting.append(value)
                elif isinstance(value, (types.FunctionType, type)):
                    found.add(_root(value.__module__ or ""))
        waiting += [cell.cell_contents for cell in current.__closure__ or () if _filled(cell)]
    home = _root(function.__module__ or "") if isinstance(function, types.FunctionType) else ""
    return sorted(found - set(allowed) - set(sys.stdlib_module_names) - {"__main__", home, ""})


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _imports(code: types.CodeType) -> list[str]:
    return [str(i.argval) for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME"]


def _same_home(one: types.FunctionType, other: types.FunctionType) -> bool:
    return one.__module__ == other.__module__


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def _root(module: str) -> str:
    return module.split(".", 1)[0]
