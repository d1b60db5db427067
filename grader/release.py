"""``grader release``: what students get, without what they must not get."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from course.checking import Unit
from course.exercises import units as all_units
from grader.class_folder import ClassFolder, require_content
from grader.errors import GraderError
from grader.files import write_atomically
from grader.handout import build_handout
from grader.progress import progress
from grader.scan import find_leaks
from grader.stock import generate_assignment, open_gradebook
from grader.work import read_notebook, told_cells


def release(klass: ClassFolder, units: list[Unit], console: Console) -> Path:
    """Release units to students and build the handout of all released so far.

    Returns:
        The handout as a zip file.

    Raises:
        GraderError: a notebook is missing, its release would give solutions away, or the disk is
            full.
    """
    content = require_content(klass)
    sources = {unit.key: _read_source(content, unit) for unit in units}
    for unit in units:
        _refuse_other_questions(klass, unit, sources[unit.key])
    try:
        return _release(klass, units, sources, console)
    except OSError as error:
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        raise GraderError(
            f"The release cannot be written to {klass.root}: {reason}. Free space on its disk or "
            "see who may write there, and run the command again."
        ) from None


def _release(
    klass: ClassFolder, units: list[Unit], sources: Mapping[str, bytes], console: Console
) -> Path:
    with progress(console, "releasing", 2 * len(units) + 1) as advance:
        for unit in units:
            _rehearse(klass, unit, sources[unit.key])
            advance()
        for unit in units:
            write_atomically(klass.source(unit), sources[unit.key])
            generate_assignment(klass.root, unit.key)
            advance()
        packed = build_handout(klass, [unit for unit in all_units() if klass.is_released(unit)])
        advance()
    return packed


def _read_source(content: Path, unit: Unit) -> bytes:
    path = content / unit.assignment
    if not path.is_file():
        text = path.with_suffix(".py")
        what = (
            "Build it with grader notebooks" if text.is_file() else f"Write its text, {text.name}"
        )
        raise GraderError(f"{path} is missing. {what}.")
    return path.read_bytes()


def _refuse_other_questions(klass: ClassFolder, unit: Unit, source: bytes) -> None:
    """Refuse to take away the cells that submissions in the gradebook have been graded by."""
    if not klass.is_released(unit):
        return
    new = {cell.metadata.nbgrader.grade_id for cell in told_cells(read_notebook(source))}
    old = {
        cell.metadata.nbgrader.grade_id
        for cell in told_cells(read_notebook(klass.require_release(unit)))
    }
    with open_gradebook(klass.gradebook_url) as gradebook:
        count = len(gradebook.assignment_submissions(unit.key))
    if count and new != old:
        raise GraderError(
            f"{unit.key} has {count} graded submissions, and its cells "
            f"{', '.join(sorted(new ^ old))} are new or gone. Release it in a new class, "
            "or leave these cells as they were."
        )


def _rehearse(klass: ClassFolder, unit: Unit, source: bytes) -> None:
    """Release into a folder that is thrown away, and look whether solutions come through."""
    with tempfile.TemporaryDirectory(dir=klass.root, prefix=".release-") as scratch:
        rehearsal = ClassFolder(Path(scratch), klass.course, klass.seed, klass.cell_timeout, True)
        config = (klass.root / "nbgrader_config.py").read_bytes()
        write_atomically(rehearsal.root / "nbgrader_config.py", config)
        write_atomically(rehearsal.source(unit), source)
        generate_assignment(rehearsal.root, unit.key)
        released = rehearsal.release(unit).read_bytes()
    leaks = find_leaks(read_notebook(source), read_notebook(released))
    if str(klass.seed).encode() in released:
        leaks.append("it holds the grading seed")
    if leaks:
        raise GraderError(
            f"{unit.key} is not released, because it would give solutions away: "
            f"{'; '.join(leaks[:3])}. Correct {Path(unit.assignment).with_suffix('.py')}."
        )
