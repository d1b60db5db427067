"""One grading at a time in a class folder: two would write over each other's files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from grader.errors import GraderError

LOCK = ".grading.lock"


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold a class folder's lock; the system gives it back whatever ends this process.

    Raises:
        GraderError: another process holds it, or the folder cannot be written.
    """
    lock = FileLock(root / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise GraderError(
            f"Another grader grade is at work in {root}. Wait until it is done, or stop it; then "
            "run this command again."
        ) from None
    except OSError as error:
        raise GraderError(
            f"{root / LOCK} cannot be written: {error.strerror}. See who may write there."
        ) from None
    try:
        yield
    finally:
        lock.release()
