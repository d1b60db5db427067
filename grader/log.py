"""``CLASS/grader.log``: what was done in a class and when, one line an event, for people."""

from __future__ import annotations

import logging
import time
from logging.handlers import RotatingFileHandler

from grader.class_folder import ClassFolder

NAME = "grader.log"
SIZE = 1_000_000
OLDER = 3

_events = logging.getLogger("grader.events")
_events.propagate = False
_events.setLevel(logging.INFO)
_events.addHandler(logging.NullHandler())


class _Log(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say nothing: where the log cannot be written a verb's own file cannot, and it says so."""


def open_log(klass: ClassFolder) -> None:
    """Write the events from now on into a class's log; it is made with the first event."""
    close_log()
    handler = _Log(
        klass.root / NAME, maxBytes=SIZE, backupCount=OLDER, encoding="utf-8", delay=True
    )
    form = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S UTC")
    form.converter = time.gmtime
    handler.setFormatter(form)
    _events.addHandler(handler)


def close_log() -> None:
    """Write no more events."""
    for handler in [h for h in _events.handlers if isinstance(h, RotatingFileHandler)]:
        _events.removeHandler(handler)
        handler.close()


def note(text: str) -> None:
    """Write an event; before a log is open, nowhere."""
    _events.info(one_line(text))


def note_error(text: str) -> None:
    """Write what went wrong; before a log is open, nowhere."""
    _events.error(one_line(text))


def one_line(text: str) -> str:
    """Return a text without what could break a line or command a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
