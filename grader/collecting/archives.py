"""The files in a download, zipped or unpacked: read one by one within limits, never unpacked.

Names from an archive are only looked at, and never become a path to write to.
"""

from __future__ import annotations

import datetime
import io
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.errors import GraderError, UsageError
from grader.rebuild import SIZE_LIMIT

MANY_FILES = 200_000
MANY_NESTED = 2_000
NESTED_LIMIT = 5 * SIZE_LIMIT
ENCRYPTED = 0x1
UTF8 = 0x800
UNIX_TIME = 0x5455


class Refused(Exception):  # noqa: N818 - a file's fault, not the program's
    """A file in a download that is not read; the text says why."""


@dataclass(frozen=True)
class Entry:
    """A file in a download.

    Attributes:
        path: its name with its folders, as the download tells it.
        time: when it was last changed, as the download tells it.
        is_utc: whether the time is in UTC; else it is in a time zone that nobody tells.
        read: returns the content, up to a size, or raises ``Refused``.
    """

    path: PurePosixPath
    time: datetime.datetime
    is_utc: bool
    read: Callable[[int], bytes]

    @property
    def is_notebook(self) -> bool:
        """Whether it is a notebook that a person made."""
        return self._has_suffix(".ipynb")

    @property
    def is_archive(self) -> bool:
        """Whether it is a zip file."""
        return self._has_suffix(".zip")

    @property
    def leads_out(self) -> bool:
        """Whether its name points to a place outside the download."""
        return self.path.is_absolute() or ".." in self.path.parts or ":" in self.path.parts[0]

    @property
    def is_clutter(self) -> bool:
        """Whether a program left it there, or its name points out of the download."""
        return self.leads_out or _is_clutter(self.path)

    def _has_suffix(self, suffix: str) -> bool:
        return self.path.suffix.lower() == suffix and not self.is_clutter


def read_download(source: Path) -> list[Entry]:
    """Return the files of a zip file, or of a folder into which one was unpacked.

    Raises:
        GraderError: it is neither, is damaged, or has far too many files.
    """
    if source.is_dir():
        found = list(_folder_entries(source))
    elif source.is_file():
        try:
            found = list(_zip_entries(zipfile.ZipFile(source)))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise GraderError(
                f"{source} cannot be read as a zip file: {error}. Download it again, "
                "or unpack it and name the folder."
            ) from None
    else:
        raise UsageError(
            f"There is no file or folder {source}. Name what Canvas or Moodle gave to download."
        )
    if len(found) > MANY_FILES:
        raise GraderError(
            f"{source} has {len(found)} files; up to {MANY_FILES} are read. Is it the right file?"
        )
    return found


def expand(entry: Entry) -> list[Entry]:
    """Return the notebooks in a zip file that a student handed in; one in it is left closed.

    Raises:
        Refused: it is damaged or larger than is read.
    """
    try:
        inner = list(_zip_entries(zipfile.ZipFile(io.BytesIO(entry.read(NESTED_LIMIT)))))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Refused(f"is no zip file that can be read: {error}") from None
    if len(inner) > MANY_NESTED:
        raise Refused(f"has {len(inner)} files; up to {MANY_NESTED} are looked at")
    return [file for file in inner if file.is_notebook]


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for info in archive.infolist():
        if info.is_dir():
            continue
        time, is_utc = _entry_time(info)
        yield Entry(PurePosixPath(_name(info) or "?"), time, is_utc, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise Refused("is a link to another place")
        if info.flag_bits & ENCRYPTED:
            raise Refused("is encrypted")
        if info.file_size > most:
            raise Refused(f"has {info.file_size / 1e6:.0f} MB; up to {most / 1e6:.0f} MB are read")
        try:
            with archive.open(info) as file:
                content = file.read(most + 1)  # a bomb declares less than it holds
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
            raise Refused(f"is damaged: {error}") from None
        if len(content) > most:
            raise Refused(f"holds more than it says, over {most / 1e6:.0f} MB")
        return content

    return read


def _folder_entries(root: Path) -> Iterator[Entry]:
    for folder, _, names in os.walk(root, followlinks=False):
        for name in sorted(names):
            path = Path(folder) / name
            time = datetime.datetime.fromtimestamp(path.lstat().st_mtime, datetime.UTC)
            shown = PurePosixPath(_composed(path.relative_to(root).as_posix()))
            yield Entry(shown, time.replace(tzinfo=None), True, _file_reader(path))


def _file_reader(path: Path) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        if path.is_symlink() or not path.is_file():
            raise Refused("is no plain file")
        size = path.stat().st_size
        if size > most:
            raise Refused(f"has {size / 1e6:.0f} MB; up to {most / 1e6:.0f} MB are read")
        try:
            return path.read_bytes()
        except OSError as error:
            raise Refused(f"cannot be read: {error.strerror}") from None

    return read


def _name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name; many programs write UTF-8 and do not say so."""
    name = info.filename
    if not info.flag_bits & UTF8:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    return _composed(name.replace("\\", "/"))


def _composed(name: str) -> str:
    """Return a name with its accents joined to their letters, as macOS does not write it."""
    return unicodedata.normalize("NFC", name)


def _entry_time(info: zipfile.ZipInfo) -> tuple[datetime.datetime, bool]:
    """Return when an entry was changed, and whether that is in UTC."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == UNIX_TIME and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            seconds = struct.unpack("<i", extra[5:9])[0]
            time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
            return time.replace(tzinfo=None), True
        extra = extra[4 + size :]
    try:
        return datetime.datetime(*info.date_time), False
    except ValueError:
        return datetime.datetime(1980, 1, 1), False


def _is_clutter(path: PurePosixPath) -> bool:
    """Tell whether a program left this: macOS's shadows, Jupyter's checkpoints, hidden files."""
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)
