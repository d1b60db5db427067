"""Which installed packages a sandbox may see: the allowed ones, what they need, and no other."""

from __future__ import annotations

import functools
import re
import site
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ALWAYS = ("array-api-compat", "ipython", "matplotlib", "matplotlib-inline", "numpy", "ipywidgets")
"""What a notebook needs whatever its exercises allow: to run, to draw, to show."""

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


@functools.cache
def visible_packages(libraries: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files and folders below site-packages that a sandbox may see.

    Args:
        libraries: the libraries, by the names they are imported under, that the exercises allow.
    """
    entries = set()
    for found in _with_requirements([*ALWAYS, *(_DISTRIBUTIONS.get(n, n) for n in libraries)]):
        root = Path(str(found.locate_file("")))
        entries |= {root / top for top in _tops(found) - {"__pycache__", ".."}}
    return tuple(sorted(entry for entry in entries if entry.exists()))


@functools.cache
def hidden_modules(libraries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the modules that are installed here and not visible in a sandbox."""
    visible = {_module(path) for path in visible_packages(libraries)}
    installed = {_module(path) for folder in package_folders() for path in folder.iterdir()}
    return tuple(sorted(name for name in installed - visible - {"course"} if name.isidentifier()))


def package_folders() -> list[Path]:
    """Return the folders in which packages are installed."""
    named = [*site.getsitepackages([sys.prefix, sys.base_prefix]), site.getusersitepackages()]
    on_path = [path for path in sys.path if Path(path).name.endswith("-packages")]
    return sorted({Path(path) for path in (*named, *on_path) if Path(path).is_dir()})


def _module(path: Path) -> str:
    return path.name.partition(".")[0]


def _tops(found: Distribution) -> set[str]:
    """Return the files and folders of a package that lie in the folder of packages itself."""
    record = found.read_text("RECORD")
    if record is None:
        return {file.parts[0] for file in found.files or ()}
    # Its lines are read as text: of a large package they are so many that parsing takes longer
    # than all else at a sandbox's start.
    return {re.split("[/,]", line.lstrip('"'), maxsplit=1)[0] for line in record.splitlines()}


def _with_requirements(names: Iterable[str]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found.values())
