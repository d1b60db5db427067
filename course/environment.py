"""Whether this environment is the one that the course needs: the first thing that a student asks.

What is needed stands in the course's own metadata, what was tested in ``constraints.txt``.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

__all__ = ["Environment", "check_environment"]

_COURSE = "training-neural-networks-course"
_EXTRAS = ("lab", "torch", "tensorboard")
"""What some lessons use; a notebook may also be open in another program than JupyterLab."""


@dataclass(frozen=True)
class _Part:
    """Python or a package: what is here, what the course accepts and what it was tested with."""

    name: str
    found: str | None
    accepted: SpecifierSet
    tested: str | None
    optional: bool = False

    @property
    def fits(self) -> bool:
        """Whether it is here in a version that the course accepts."""
        return self.found is not None and self.accepted.contains(self.found, prereleases=True)

    @property
    def verdict(self) -> str:
        """What to think of it, in a few words."""
        if self.found is None:
            return "not installed, optional" if self.optional else "missing"
        if not self.fits:
            return "does not fit"
        same = self.tested is None or Version(self.tested).public == Version(self.found).public
        return "fits" if same else "fits, other than tested"

    @property
    def advice(self) -> str:
        """What to do about it; empty where it fits."""
        if self.fits:
            return ""
        if self.name == "Python":
            return f"Python {self.found} is here, {self.accepted} is needed: make a new environment"
        here = "is not installed" if self.found is None else f"{self.found} is here"
        what = "for the parts that use it" if self.optional else f"{self.accepted} is needed"
        return f'{self.name} {here}; {what}: %pip install "{self.name}{self.accepted}"'


@dataclass(frozen=True)
class Environment:
    r"""What was found of Python and of the packages that the lessons use.

    .. math:: \text{ready} = \bigwedge_\text{needed} (\text{version} ∈ \text{accepted})

    In a notebook it shows itself as a table; as text it is one line, and one more for each fault.

    Args:
        parts: Python and the packages.
        misplaced: the environment of the folder, where another one runs; else ``None``.

    Raises:
        TypeError: an argument is missing.

    Example:
        >>> Environment(parts=(), misplaced=None).ready
        True

    References:
        PEP 440, *Version Identification and Dependency Specification*, 2013.

    Who differs:
        ``pip check`` finds packages that contradict each other, and does not know the notebook.
    """

    parts: tuple[_Part, ...]
    misplaced: Path | None = None

    @property
    def ready(self) -> bool:
        """Whether the lessons can run: all that is needed fits, in the folder's environment."""
        return self.misplaced is None and all(part.fits for part in self.parts if not part.optional)

    @cached_property
    def advice(self) -> tuple[str, ...]:
        """What to do, a line for each fault and each optional package that is not there."""
        moved = (
            f"This notebook runs in {sys.prefix}, the folder has {self.misplaced}: choose that "
            "kernel, or start JupyterLab from it"
        )
        lines = [part.advice for part in self.parts if part.advice]
        return tuple(([moved] if self.misplaced else []) + lines)

    def __str__(self) -> str:
        fitting = [part for part in self.parts if part.fits]
        head = "Ready" if self.ready else "Not ready"
        first = f"{head}: {len(fitting)} of {len(self.parts)} parts fit."
        return "\n".join([first, *(f"- {line}." for line in self.advice)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(c)}</td>" for c in row)
            for row in self._cells()
        )
        names = ("", "", "found", "accepted", "tested with", "")
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in names)
        said = "<br>".join(html.escape(line) for line in str(self).splitlines())
        return f"<p><b>{said}</b></p><table><tr>{head}</tr>{rows}</table>"

    def _cells(self) -> Iterator[tuple[str, ...]]:
        for part in self.parts:
            sign = "✓" if part.fits else "○" if part.optional else "✗"
            tested = part.tested or "–"
            yield sign, part.name, part.found or "–", str(part.accepted), tested, part.verdict


def check_environment(folder: str | Path = ".") -> Environment:
    r"""Look at this Python and its packages, beside what the course accepts and was tested with.

    .. math:: \text{fits} = (\text{version} ∈ \text{accepted})

    Args:
        folder: where the notebook lies. An environment ``.venv`` there or above it should be the
            one that runs.

    Returns:
        An `Environment`, which shows itself.

    Raises:
        PackageNotFoundError: the course itself is not installed.

    Example:
        >>> check_environment().ready
        True

    References:
        PEP 508, *Dependency specification for Python Software Packages*, 2015.

    Who differs:
        ``pip check`` looks at all packages of an environment, also those that no lesson uses.
    """
    tested = _tested_versions()
    python = metadata.metadata(_COURSE)["Requires-Python"]
    version = ".".join(map(str, sys.version_info[:3]))
    parts = [_Part("Python", version, SpecifierSet(python), None)]
    for requirement, optional in _requirements():
        name = requirement.name
        parts.append(
            _Part(name, _found(name), requirement.specifier, tested.get(_same(name)), optional)
        )
    return Environment(tuple(parts), _misplaced(Path(folder).resolve()))


def _requirements() -> Iterator[tuple[Requirement, bool]]:
    """Give what the lessons use, and whether they can do without it."""
    requirements = [Requirement(line) for line in metadata.requires(_COURSE) or ()]
    for extra in ("", *_EXTRAS):
        for requirement in requirements:
            marker = requirement.marker
            in_extra = marker is not None and "extra" in str(marker)
            if in_extra == bool(extra) and (not marker or marker.evaluate({"extra": extra})):
                yield requirement, bool(extra)


def _found(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _tested_versions() -> dict[str, str]:
    """Read the tested versions: in a wheel they lie inside the package, in a clone beside it."""
    here = Path(__file__).resolve().parent
    for path in (here / "constraints.txt", here.parent / "constraints.txt"):
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            pairs = (line.split("==") for line in lines if "==" in line and line[0] != "#")
            return {_same(name): version.strip() for name, version in pairs}
    return {}


def _same(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _misplaced(folder: Path) -> Path | None:
    """Return the nearest environment at or above a folder, if it is not the one that runs."""
    for place in (folder, *folder.parents):
        if (place / ".venv" / "pyvenv.cfg").is_file():
            near = (place / ".venv").resolve()
            return None if near == Path(sys.prefix).resolve() else near
    return None
