"""``grader init``: a folder for a class."""

from __future__ import annotations

from pathlib import Path

from grader.class_folder import ClassFolder, make_class
from grader.content import find_content


def init(folder: Path, course: Path | None, db: str | None = None) -> ClassFolder:
    """Make a class folder for the course that is named or found from here.

    Raises:
        UsageError: no course is found, or the folder cannot be used.
    """
    return make_class(folder, find_content(course), db=db)
