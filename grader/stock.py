"""nbgrader's own steps, called through its classes on a class folder."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, InvalidEntry
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from grader.class_folder import COURSE_ID
from grader.errors import GraderError, UsageError


def generate_assignment(root: Path, unit_key: str) -> None:
    """Turn ``source/UNIT`` into ``release/UNIT`` and write its cells into the gradebook."""
    _run(GenerateAssignment, root, unit_key)


@contextlib.contextmanager
def open_gradebook(url: str) -> Iterator[Gradebook]:
    """Open nbgrader's gradebook.

    Raises:
        GraderError: another program holds the database, or it cannot be written.
        UsageError: the address is none, or the driver for it is not installed.
    """
    shown = hide_password(url)
    try:
        with _connect(url, shown) as gradebook:
            yield gradebook
    except (DBAPIError, InvalidEntry) as error:
        raise GraderError(
            f"The gradebook {shown} cannot be used: {_reason(error)}. Close what else has it "
            "open, see that its disk is not full and that its server answers, and run the "
            "command again; nothing is lost."
        ) from None


def hide_password(url: str) -> str:
    """Return a database's address as it may be shown.

    Raises:
        UsageError: it is no such address.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(
            "The gradebook's address cannot be read (it is not repeated here, because it may hold "
            "a password). Write it like postgresql://USER:PASSWORD@HOST/DATABASE."
        ) from None
    if "password" in parsed.query:
        parsed = parsed.update_query_dict({"password": "***"})
    return parsed.render_as_string(hide_password=True)


def _connect(url: str, shown: str) -> Gradebook:
    with _alembic_on_path():
        try:
            return Gradebook(url, COURSE_ID)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise UsageError(
                f"The gradebook {shown} needs a driver that is not there: {error}. For PostgreSQL "
                "write postgresql://... and install this course's extra named postgres."
            ) from None


def _reason(error: DBAPIError | InvalidEntry) -> str:
    """Return what the database said, on one line and without the statement and its values."""
    told = str(error.orig if isinstance(error, DBAPIError) else error)
    return " ".join(told.split("\n[SQL:")[0].split())


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
    except (NbGraderException, RuntimeError, DBAPIError, InvalidEntry) as error:
        database = isinstance(error, DBAPIError | InvalidEntry)
        reason = said.reason or (_reason(error) if database else str(error))
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
