"""Which libraries a function reaches for: what its code imports, and where the names it uses lead.

This looks at the function without running it. It tells an honest student early; it is no lock:
the grading engine keeps foreign libraries out of reach while it grades.
"""

from __future__ import annotations

import dis
import functools
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

INSTALLED = tuple(
    f"{folder}{os.sep}"
    for folder in (Path(__file__).resolve().parents[1], sys.prefix, sys.base_prefix)
)
"""Where the files lie that no student wrote: the course, the environment, Python."""

_STUDENT_LIKE = "course.exercises"
"""The catalogue's mistakes and honest answers are written as a student's own code."""


def foreign_libraries(function: Callable[..., Any], allowed: tuple[str, ...]) -> list[str]:
    """Return the libraries that a function uses, and the ones it defines use, beyond the allowed.

    Python's standard library is always allowed. A class or function of a library counts as the
    library; so does a function of the course, whose references would be the answer. A proxy for
    a function in another process is asked instead: it has a method of this name.
    """
    if hasattr(function, "foreign_libraries"):
        return sorted(function.foreign_libraries(allowed))
    home = _module(_core(function))
    found = {_root(home)} if _is_installed(home) else set()
    seen: dict[int, Any] = {}
    waiting: list[Any] = [function]
    while waiting:
        value = waiting.pop()
        if id(value) not in seen:
            seen[id(value)] = value
            libraries, reached = _look_at(value, home)
            found |= {_root(library) for library in libraries}
            waiting += reached
    return sorted(found - set(allowed) - set(sys.stdlib_module_names) - {"__main__", ""})


def _look_at(value: Any, home: str) -> tuple[list[str], list[Any]]:
    """Return the libraries that a value names itself, and the values to look at next."""
    if isinstance(value, types.ModuleType):
        return [value.__name__], []
    if isinstance(value, functools.partial):
        return [], [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, (types.MethodType, staticmethod, classmethod)):
        return [], [value.__func__, getattr(value, "__self__", None)]
    if isinstance(value, (types.FunctionType, type)) and _module(value) != home:
        return [_module(value)], []
    if isinstance(value, types.FunctionType):
        return _imports(value.__code__), [*_globals(value), *_cells(value), *_defaults(value)]
    if isinstance(value, type):
        return [], [*vars(value).values(), *value.__bases__]
    if isinstance(value, types.BuiltinFunctionType):
        return [_module(value) or _module(value.__self__)], []
    if isinstance(value, np.ufunc):
        return [_home_of(value)], []
    return [], [type(value), inspect.getattr_static(value, "__wrapped__", None)]


def _core(function: Any) -> Any:
    """Return what a student wrote: the function under a partial, a method or a cache."""
    if isinstance(function, functools.partial):
        return _core(function.func)
    if isinstance(function, types.MethodType):
        return _core(function.__func__)
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType, type)):
        return function
    wrapped = inspect.getattr_static(function, "__wrapped__", None)
    return type(function) if wrapped is None else _core(wrapped)


def _is_installed(module: str) -> bool:
    """Tell whether a module comes with the course or an installation, not from the student."""
    if module.startswith(_STUDENT_LIKE):
        return False
    return (getattr(sys.modules.get(module), "__file__", None) or "").startswith(INSTALLED)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _named(code: types.CodeType, *operations: str) -> list[str]:
    """Return the names that these operations use; a mere attribute's name is not among them."""
    return [name for operation, name in _names(code) if operation in operations]


@functools.lru_cache(maxsize=64)
def _names(code: types.CodeType) -> tuple[tuple[str, str], ...]:
    """Return the operations of a function and those inside it, each with the name it uses."""
    return tuple(
        (instruction.opname, str(instruction.argval))
        for inner in _codes(code)
        for instruction in dis.get_instructions(inner)
    )


def _imports(code: types.CodeType) -> list[str]:
    return _named(code, "IMPORT_NAME")


def _globals(function: types.FunctionType) -> list[Any]:
    names = _named(function.__code__, "LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    return [function.__globals__.get(name) for name in names]


def _defaults(function: types.FunctionType) -> list[Any]:
    return [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _cells(function: types.FunctionType) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def _home_of(ufunc: np.ufunc) -> str:
    """Return the library a ufunc comes from; it does not know that itself."""
    libraries = ("numpy", "scipy.special")
    return next((it for it in libraries if _has(sys.modules.get(it), ufunc)), "")


def _has(module: Any, ufunc: np.ufunc) -> bool:
    return getattr(module, ufunc.__name__, None) is ufunc


def _module(value: Any) -> str:
    return str(getattr(value, "__module__", None) or "")


def _root(module: str) -> str:
    return module.split(".", 1)[0]
