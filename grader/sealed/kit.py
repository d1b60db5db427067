"""The folder that a sandbox imports from: the process inside, and the course without references."""

from __future__ import annotations

import functools
import inspect
import shutil
from pathlib import Path

import numpy as np

import course
from grader.files import write_atomically

_HERE = Path(__file__).parent
_COURSE = Path(course.__file__).parent
_TOOLS = ("__init__.py", "_arrays.py", "_numbers.py", "_ranks.py")
_CHECKING = ("call.py", "compare.py", "libraries.py")
"""How to call a function and to look at what it gives; nothing of what is right."""

_RANKS = "channel.py"
"""How to run ranks in one process, for students' own trials; nothing of what they shall write."""


def make_kit(folder: Path, *, with_data: bool = False) -> Path:
    """Fill a folder with all that a sandbox needs to import, and return it.

    Args:
        folder: where to make it.
        with_data: whether the course's data sets are wanted; it takes seconds to make them.
    """
    package = folder / "course"
    for name in ("checking", "exercises", "parallel"):
        (package / name).mkdir(parents=True)
    for name in _TOOLS:
        shutil.copy(_COURSE / name, package)
    for name in _CHECKING:
        shutil.copy(_COURSE / "checking" / name, package / "checking")
    (package / "checking" / "__init__.py").touch()
    shutil.copy(_COURSE / "parallel" / _RANKS, package / "parallel")
    for name in ("exercises", "parallel"):
        shutil.copy(_HERE / "stand_ins" / f"{name}.py", package / name / "__init__.py")
    if with_data:
        shutil.copy(_HERE / "stand_ins" / "data.py", package)
        write_atomically(package / "data.npz", _data_sets())
    shutil.copytree(
        _HERE / "inside", package / "_inside", ignore=shutil.ignore_patterns("__pycache__")
    )
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def course_modules() -> list[str]:
    """Return the course's modules that a sandbox does not have."""
    names = {path.stem for path in _COURSE.iterdir() if not path.name.startswith("__")}
    there = {"checking", "exercises", "data", "parallel", *(Path(name).stem for name in _TOOLS)}
    return sorted(f"course.{name}" for name in names - there)


@functools.cache
def _data_sets() -> bytes:
    """Return the course's data sets, as they come by default, as an npz file's content."""
    import io

    from course import data

    arrays = {}
    for name in data.__all__:
        function = getattr(data, name)
        if inspect.signature(function).return_annotation == "Split" and name != "Split":
            split = function()
            for part in ("x_train", "y_train", "x_test", "y_test"):
                arrays[f"{name}.{part}"] = getattr(split, part)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
