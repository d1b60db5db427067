"""nbgrader's own steps, called through its classes on a class folder."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment, GenerateFeedback
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError, SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from grader.class_folder import COURSE_ID
from grader.errors import GraderError


def generate_assignment(root: Path, unit_key: str) -> None:
    """Turn ``source/UNIT`` into ``release/UNIT`` and write its cells into the gradebook."""
    _run(GenerateAssignment, root, unit_key)


def generate_feedback(root: Path, unit_key: str, advance: Callable[[], None]) -> None:
    """Turn all students' graded notebooks into pages; ``advance`` is called after each."""
    _run(GenerateFeedback, root, unit_key, post_convert_hook=lambda **_: advance())


@contextlib.contextmanager
def open_gradebook(url: str) -> Iterator[Gradebook]:
    """Open nbgrader's gradebook.

    Raises:
        GraderError: another program holds the database, or it cannot be written.
    """
    with _alembic_on_path(), warnings.catch_warnings():
        # nbgrader's order of filling new rows; SQLAlchemy 2 remarks on it, the rows are right.
        warnings.filterwarnings("ignore", ".* not in session", SAWarning)
        try:
            with Gradebook(url, COURSE_ID) as gradebook:
                yield gradebook
        except OperationalError as error:
            raise GraderError(
                f"The gradebook {url} cannot be used: {error.orig}. Close what else has it open, "
                "see that the disk is not full, and run the command again; nothing is lost."
            ) from None


def _run(kind: type[BaseConverter], root: Path, unit_key: str, **settings: Any) -> None:
    config = _config(root)
    config.CourseDirectory.assignment_id = unit_key
    log = logging.getLogger("grader.nbgrader")
    log.propagate = False
    said = _Memory()
    log.addHandler(said)
    try:
        with _alembic_on_path():
            directory = CourseDirectory(config=config, log=log)
            converter = kind(coursedir=directory, config=config, log=log, force=True, **settings)
            converter.start()
    except (NbGraderException, RuntimeError, OperationalError) as error:
        reason = said.reason or str(error)
        raise GraderError(f"nbgrader could not work on {unit_key} in {root}: {reason}") from None
    finally:
        log.removeHandler(said)


def _config(root: Path) -> Config:
    loaded = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config: Config = loaded
    return config


@contextlib.contextmanager
def _alembic_on_path() -> Iterator[None]:
    """Let nbgrader find ``alembic``, which it calls by name when it makes a new database."""
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


class _Memory(logging.Handler):
    """Remembers why nbgrader failed: the last line of the first traceback that it logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error's own line."""
        text = record.getMessage().strip()
        if not self.reason and "Traceback" in text:
            self.reason = text.splitlines()[-1]
