"""The students' handout: lessons, assignments without solutions, and the course to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from course.checking import Unit
from grader.class_folder import ClassFolder, require_content
from grader.errors import GraderError

_LEFT_OUT = ("__pycache__", ".ipynb_checkpoints", "*.pyc", "conftest.py", "runs")


def build_handout(klass: ClassFolder, units: list[Unit]) -> Path:
    """Build the folder ``handout`` and its zip file for all released units.

    Returns:
        The zip file.

    Raises:
        GraderError: the course cannot be packed, or the handout holds what it must not.
    """
    content = require_content(klass)
    with tempfile.TemporaryDirectory(dir=klass.root, prefix=".handout-") as scratch:
        handout = Path(scratch) / "handout"
        for unit in units:
            lesson, assignment = Path(unit.lesson), klass.release(unit)
            # The text that the lesson is built from stays; its experiments are for students too.
            left_out = shutil.ignore_patterns(*_LEFT_OUT, f"{unit.slug}.py")
            shutil.copytree(
                content / lesson.parent, handout / lesson.parent, ignore=left_out, symlinks=False
            )
            place = handout / "assignments" / unit.key / assignment.name
            place.parent.mkdir(parents=True)
            shutil.copyfile(assignment, place)
        wheel = _build_wheel(content, handout)
        needed = f"./{wheel.name}[lab,tensorboard,torch]\n"
        (handout / "requirements.txt").write_text(needed, encoding="utf-8")
        (handout / "README.md").write_text(_readme(units), encoding="utf-8")
        _refuse_secrets(handout, wheel, klass.seed)
        packed = shutil.make_archive(str(Path(scratch) / "handout"), "zip", scratch, "handout")
        shutil.rmtree(klass.root / "handout", ignore_errors=True)
        handout.replace(klass.root / "handout")
        return Path(packed).replace(klass.root / "handout.zip")


def _build_wheel(content: Path, folder: Path) -> Path:
    """Pack the course with the tools that are installed: it works without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(  # noqa: S603 - no part of the command comes from outside
        command, cwd=content, capture_output=True, text=True, check=False
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = (done.stderr or done.stdout).strip().splitlines()
        why = said[-1] if said else f"hatchling left {len(wheels)} wheels"
        raise GraderError(f"The course in {content} could not be packed: {why}")
    return wheels[0]


def _readme(units: list[Unit]) -> str:
    environment = Environment(
        loader=PackageLoader("grader"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - it makes Markdown
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("handout.md").render(units=units)


def _refuse_secrets(handout: Path, wheel: Path, seed: int) -> None:
    """Look once more at what leaves the class folder."""
    packed = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("solutions")]
    if packed:
        raise GraderError(f"The course's wheel holds {packed[0]}; correct pyproject.toml.")
    for path in (path for path in sorted(handout.rglob("*")) if path.is_file()):
        if str(seed).encode() in path.read_bytes():
            name = path.relative_to(handout)
            raise GraderError(f"The handout's file {name} holds the grading seed.")
