"""Which installed packages a sandbox may see: the allowed ones, what they need, and no other."""

from __future__ import annotations

import functools
import site
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.metadata import packages_distributions as top_level_modules
from pathlib import Path

from packaging.requirements import Requirement

ALWAYS = ("ipython", "matplotlib", "matplotlib-inline", "numpy", "ipywidgets")
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
        tops = {file.parts[0] for file in found.files or () if file.parts[0] != ".."}
        entries |= {root / top for top in tops - {"__pycache__"}}
    return tuple(sorted(entry for entry in entries if entry.exists()))


@functools.cache
def hidden_modules(libraries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the modules that are installed here and not visible in a sandbox."""
    visible = {path.name.partition(".")[0] for path in visible_packages(libraries)}
    return tuple(sorted(set(top_level_modules()) - visible - {"course"}))


def package_folders() -> list[Path]:
    """Return the folders in which packages are installed."""
    named = [*site.getsitepackages([sys.prefix, sys.base_prefix]), site.getusersitepackages()]
    on_path = [path for path in sys.path if Path(path).name.endswith("-packages")]
    return sorted({Path(path) for path in (*named, *on_path) if Path(path).is_dir()})


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
