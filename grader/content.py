"""Where the course's content lies: the folder with ``lessons/`` and ``solutions/``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from course.checking import Unit
from course.exercises import find_unit, units
from grader.errors import UsageError

UNIT_FOLDER = re.compile(r"\d\d_(?P<slug>\w+)")


def find_content(start: Path | None = None) -> Path:
    """Return the course's root folder, found from a folder or one of its parents.

    Raises:
        UsageError: no folder on the way up holds lessons, solutions and pyproject.toml.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if is_content(folder):
            return folder
    raise UsageError(
        f"No course found in {start} or above (a folder with lessons/, solutions/ and "
        "pyproject.toml). Run this inside the course's folder or name it with --course DIR."
    )


def is_content(folder: Path) -> bool:
    """Tell whether a folder is a course's root."""
    return (
        (folder / "lessons").is_dir()
        and (folder / "solutions").is_dir()
        and (folder / "pyproject.toml").is_file()
    )


def unit_folders(parent: Path) -> Iterator[tuple[Path, str]]:
    """Yield each unit's folder in ``lessons`` or ``solutions`` with the unit's slug."""
    for folder in sorted(parent.iterdir()):
        match = UNIT_FOLDER.fullmatch(folder.name)
        if match and folder.is_dir():
            yield folder, match["slug"]


def choose_units(names: list[str]) -> list[Unit]:
    """Return the units with these keys or slugs; all of them when none is named.

    Raises:
        UsageError: a name is none of a unit's.
    """
    try:
        return [find_unit(name.strip("/")) for name in names] or list(units())
    except LookupError as error:
        text = str(error.args[0])
        raise UsageError(text[0].upper() + text[1:]) from None
