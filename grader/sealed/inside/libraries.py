"""Libraries that an exercise does not allow: they can be named, and then say that they cannot help.

The sandbox does not hold their files. This only turns a bare ModuleNotFoundError into a sentence,
and lets the check see what an answer reaches for.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import types
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class KeptOut(ImportError):  # noqa: N818 - it reads as a sentence in a traceback
    """A library was used that the exercises do not allow."""


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules that are kept out, by the names of their packages."""

    def __init__(self, kept_out: Iterable[str]) -> None:
        self._names = frozenset(kept_out)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how to make a module that is kept out, or None for all others."""
        parts = fullname.split(".")
        roots = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
        if not roots & self._names:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Return the module that stands in the place of the library's."""
        return _Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Run nothing: there is no code."""


def absent(library: str, name: str) -> Any:
    """Return what stands in the place of a library's function: it says that it cannot help.

    Raises:
        AttributeError: Python itself asks for one of its own names.
    """
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise KeptOut(f"{library} cannot be used here: it is not among the allowed libraries")

    refuse.__module__, refuse.__name__ = library, name
    return refuse


class _Absent(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        return absent(self.__name__, name)
