"""Who handed in which file, told by the names that Canvas and Moodle give to downloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.collecting.archives import Entry
from grader.errors import GraderError, UsageError

# "lovelaceada_LATE_4711_8301_optimizers-1.ipynb": name, lateness, user, upload, the file's own
# name. Canvas takes "_digits_" out of names and all but letters, digits and "_"; where grading is
# anonymous there is no name, and "anon_" and some letters stand for the user.
CANVAS = re.compile(
    r"(?:(?P<name>(?!LATE_)\w+?)_)?(?:(?P<late>LATE)_)?(?P<user>\d+|anon_[A-Za-z0-9]+)"
    r"_(?P<upload>\d+)_(?P<file>.+)",
    re.DOTALL,
)
# "Ada Lovelace_1234567_assignsubmission_file_", a folder, or the same before the file's own name.
# The number is the participant's in this one assignment.
MOODLE = re.compile(
    r"(?P<name>[^_]*)_(?P<user>\d+)_assignsubmission_(?P<plugin>[a-z]+)(?:_(?P<file>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Upload:
    """A file that a student handed in.

    Attributes:
        entry: the file in the download.
        user: the platform's number for the student; Moodle's holds for one assignment.
        name: the student's name as the download writes it.
        file: the file's own name.
        order: what is greater is newer.
        is_late: whether the platform says that it is late.
    """

    entry: Entry
    user: str
    name: str
    file: str
    order: tuple[int, float]
    is_late: bool = False


def read_uploads(entries: Sequence[Entry], platform: str) -> tuple[str, list[Upload], list[Entry]]:
    """Return the platform, the files handed in, and the notebooks that belong to nobody.

    Args:
        entries: the files of the download.
        platform: ``canvas`` or ``moodle``, or ``auto`` to find out.

    Raises:
        UsageError: there is no such platform.
        GraderError: the download is from none.
    """
    if platform != "auto" and platform not in PLATFORMS:
        raise UsageError(f"--from is {platform!r}; it can be auto, {', '.join(PLATFORMS)}.")
    files = [entry for entry in entries if entry.is_notebook or entry.is_archive]
    tried = PLATFORMS if platform == "auto" else {platform: PLATFORMS[platform]}
    read = {name: [upload(entry) for entry in files] for name, upload in tried.items()}
    best = max(read, key=lambda name: sum(found is not None for found in read[name]))
    uploads = [found for found in read[best] if found]
    if not uploads:
        seen = ", ".join(repr(str(entry.path)) for entry in files[:3]) or "no notebook at all"
        wanted = " or ".join(f"{name} ({EXAMPLES[name]})" for name in tried)
        raise GraderError(
            f"No file is named as in a download from {wanted}. Found: {seen}. "
            "Name the file as it was downloaded, or put the notebooks into submitted/ by hand."
        )
    belonging = {id(entry) for entry in files}
    rest = [entry for entry in entries if id(entry) not in belonging and not entry.is_clutter]
    uploads += [found for entry in rest if (found := PLATFORMS[best](entry))]
    others = [e for e, found in zip(files, read[best], strict=True) if not found and e.is_notebook]
    return best, uploads, others


def _from_canvas(entry: Entry) -> Upload | None:
    match = CANVAS.fullmatch(entry.path.name)
    if not match:
        return None
    return Upload(
        entry,
        match["user"],
        match["name"] or "",
        match["file"],
        (int(match["upload"]), 0.0),
        is_late=bool(match["late"]),
    )


def _from_moodle(entry: Entry) -> Upload | None:
    for part in entry.path.parts:
        match = MOODLE.fullmatch(part)
        if match and match["plugin"] == "file":
            own = match["file"] if part == entry.path.name else entry.path.name
            return Upload(
                entry, match["user"], match["name"].strip(), own, (0, entry.time.timestamp())
            )
    return None


PLATFORMS: dict[str, Callable[[Entry], Upload | None]] = {
    "canvas": _from_canvas,
    "moodle": _from_moodle,
}
EXAMPLES = {
    "canvas": "lovelaceada_4711_8301_NAME.ipynb",
    "moodle": "Ada Lovelace_1234567_assignsubmission_file_/NAME.ipynb",
}
