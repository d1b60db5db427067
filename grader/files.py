"""Writing files so that a reader sees the old content or the new, never a half."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from grader.errors import GraderError

NEW_CELL: dict[str, Callable[..., NotebookNode]] = {
    "code": new_code_cell,
    "markdown": new_markdown_cell,
    "raw": new_raw_cell,
}

PART = ".part"
"""How the name of a file ends that is being written; a killed program leaves it behind."""


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file beside its place, move it into its place, and have the disk keep both.

    Raises:
        GraderError: the disk is full, or the place cannot be written; what was there before is
            as it was.
    """
    try:
        _make_folder(path.parent)
        _write(path, content, mode)
        _sync_folder(path.parent)
    except (FileExistsError, NotADirectoryError):
        raise GraderError(
            f"{path} cannot be written: a file stands where its folder should be. "
            "Name another place."
        ) from None
    except OSError as error:
        raise GraderError(
            f"{path} cannot be written: {error.strerror}. Free space on its disk or see who may "
            "write there, and run the command again; what is done is kept."
        ) from None


def as_bytes(notebook: NotebookNode) -> bytes:
    """Return a notebook as the bytes of its file."""
    text: str = nbformat.writes(notebook)
    return (text.rstrip("\n") + "\n").encode()


def _write(path: Path, content: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder: a new name is lost with the power otherwise."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
