"""Putting a submission back into the shape of the release, so that only answers can differ.

Cells, their order, metadata and tests come from the release. From the submission come the text of
the answer cells and the cells that the student added or, where they are free to edit, changed.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbformat import NotebookNode

from grader.files import NEW_CELL
from grader.problems import Problem, Unreadable

SIZE_LIMIT = 20_000_000


@dataclass
class Cell:
    """A cell as the student handed it in, reduced to what is trusted to be looked at."""

    kind: str
    source: str
    names: tuple[str, ...]
    attachments: dict[str, Any] = field(default_factory=dict)


def rebuild(submission: bytes, release: NotebookNode) -> tuple[NotebookNode, list[Problem]]:
    """Return the release's notebook with the student's answers and extra cells in it.

    Args:
        submission: the file that was handed in.
        release: the notebook that students were given.

    Raises:
        Unreadable: the file is no notebook of this assignment.
    """
    cells = read_cells(submission)
    places = _places(cells, release)
    own = [place for place, cell in enumerate(release.cells) if _is_exercise(cell)]
    if own and not any(place in own for place in places):
        raise Unreadable(
            "it holds none of this assignment's answer or test cells; it may be another notebook"
        )
    versions: dict[int, list[Cell]] = defaultdict(list)
    extras: dict[int, list[Cell]] = defaultdict(list)
    for cell, place, anchor in zip(
        cells, places, _anchors(places, len(release.cells)), strict=True
    ):
        if place is None:
            extras[anchor].append(cell)
        else:
            versions[place].append(cell)

    problems: list[Problem] = []
    rebuilt: list[NotebookNode] = []
    for place, original in enumerate(release.cells):
        rebuilt += map(_extra, extras[place])
        rebuilt += _settle(original, versions[place], problems)
    rebuilt += map(_extra, extras[len(release.cells)])
    order = [place for place in places if place is not None]
    if order != sorted(order):
        problems.append(Problem("Cells had been moved; they are back in the release's order."))
    notebook = copy.copy(release)
    notebook.metadata = copy.deepcopy(release.metadata)
    notebook.cells = _with_ids(rebuilt, {cell.id for cell in release.cells})
    return notebook, problems


def read_cells(submission: bytes) -> list[Cell]:
    """Return the cells of a notebook file of any version that has been in use since 2013.

    Raises:
        Unreadable: it is no such file.
    """
    if not submission.strip():
        raise Unreadable("the file is empty")
    if len(submission) > SIZE_LIMIT:
        raise Unreadable(
            f"the file has {len(submission) / 1e6:.0f} MB; up to {SIZE_LIMIT / 1e6:.0f} MB are read"
        )
    try:
        read = json.loads(submission)  # of bytes: it reads UTF-16, and a byte order mark, too
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except ValueError:
        raise Unreadable("the file is not a notebook: its content is not valid JSON") from None
    version = read.get("nbformat") if isinstance(read, dict) else None
    if version == 3:
        read = _upgraded(read)
    elif version != 4:
        raise Unreadable(f"the file has the notebook format {version!r:.20}; 3 and 4 can be read")
    cells = read.get("cells")
    if not isinstance(cells, list):
        raise Unreadable("the file is a notebook without cells")
    return [cell for cell in map(_read_cell, cells) if cell]


def _upgraded(read: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about ids, which we set ourselves
        try:
            return nbformat.reads(json.dumps(read), as_version=4)
        except Exception as error:  # a damaged file breaks the conversion in many ways
            reason = type(error).__name__
            raise Unreadable(
                f"the file has the notebook format 3 and is damaged ({reason})"
            ) from None


def _read_cell(cell: Any) -> Cell | None:
    if not isinstance(cell, Mapping):
        return None
    source, kind = cell.get("source", ""), cell.get("cell_type")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if kind not in NEW_CELL or not isinstance(source, str):
        return None
    metadata = cell.get("metadata")
    told = metadata.get("nbgrader") if isinstance(metadata, Mapping) else None
    names = [told.get("grade_id") if isinstance(told, Mapping) else None, cell.get("id")]
    return Cell(
        kind=kind,
        source=_whole(source),
        names=tuple(name for name in names if isinstance(name, str)),
        attachments=_attachments(cell.get("attachments")),
    )


def _attachments(given: Any) -> dict[str, Any]:
    """Keep pictures pasted into a text, in the form that notebooks have them."""
    if not isinstance(given, Mapping):
        return {}
    return {
        _whole(name): {
            _whole(kind): _whole(data) for kind, data in bundle.items() if isinstance(data, str)
        }
        for name, bundle in given.items()
        if isinstance(bundle, Mapping)
    }


def _whole(text: str) -> str:
    """Replace halves of characters, which JSON can name and no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _settle(original: NotebookNode, versions: list[Cell], problems: list[Problem]) -> list[Any]:
    """Return what stands in the place of one of the release's cells."""
    name = original.metadata.get("nbgrader", {}).get("grade_id", "")
    role = _role(original)
    cell = copy.deepcopy(original)
    if role == "free":
        changed = [v for v in versions if v.source.strip() != original.source.strip()]
        return [cell, *map(_extra, changed)]
    if not versions:
        problems.append(Problem(f"The cell {name} was missing; it stands as it was released."))
        return [cell]
    if role == "locked":
        if any(v.source.rstrip() != original.source.rstrip() for v in versions):
            problems.append(
                Problem(f"The cell {name} had been changed; the released text was run.")
            )
        return [cell]
    texts: dict[str, Cell] = {}
    for version in versions:
        if version.source.strip() != original.source.strip():
            texts.setdefault(version.source.strip(), version)
    worked = list(texts.values())
    answer, *others = worked or versions[:1]
    cell.source = answer.source
    if cell.cell_type == "markdown" and answer.attachments:
        cell.attachments = answer.attachments
    if len(worked) > 1:
        problems.append(
            Problem(
                f"The cell {name} stood there {len(worked)} times with different answers; "
                "the first one counts. The others are shown, not run."
            )
        )
    return [cell, *(NEW_CELL["raw"](other.source) for other in others)]


def _role(cell: NotebookNode) -> str:
    """Return "answer", "locked" or, for a cell that nbgrader does not know, "free"."""
    told = cell.metadata.get("nbgrader", {})
    if told.get("solution"):
        return "answer"
    return "locked" if told.get("grade") or told.get("locked") else "free"


def _is_exercise(cell: NotebookNode) -> bool:
    """Tell whether a cell asks for code or tests it; other cells have one name in all units."""
    told = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(told.get("solution") or told.get("grade"))


def exercise_names(release: NotebookNode) -> set[str]:
    """Return the names of the cells that ask for code or test it: no two units share one."""
    return {name for cell in release.cells if _is_exercise(cell) for name in _names(cell)}


def _places(cells: list[Cell], release: NotebookNode) -> list[int | None]:
    """Return, for each cell, which of the release's it is: by its name, a free one by its text."""
    known = {name: place for place, cell in enumerate(release.cells) for name in _names(cell)}
    texts = {
        cell.source.strip(): place
        for place, cell in enumerate(release.cells)
        if _role(cell) == "free"
    }
    named = [next((known[n] for n in cell.names if n in known), None) for cell in cells]
    return [
        texts.get(cell.source.strip()) if place is None else place
        for cell, place in zip(cells, named, strict=True)
    ]


def _names(cell: NotebookNode) -> Iterator[str]:
    told = cell.metadata.get("nbgrader", {})
    yield from (name for name in (told.get("grade_id"), cell.get("id")) if name)


def _anchors(places: list[int | None], end: int) -> list[int]:
    """Return, for each cell, the place of the next cell that the release knows."""
    anchors: list[int] = []
    following = end
    for place in reversed(places):
        following = following if place is None else place
        anchors.append(following)
    return anchors[::-1]


def _extra(cell: Cell) -> NotebookNode:
    made = NEW_CELL[cell.kind](cell.source)
    if cell.kind == "markdown" and cell.attachments:
        made.attachments = cell.attachments
    return made


def _with_ids(cells: list[NotebookNode], released: set[str]) -> list[NotebookNode]:
    """Give the student's own cells ids that depend on nothing but their number."""
    own = (cell for cell in cells if cell.id not in released)
    for number, cell in enumerate(own, start=1):
        cell.id = f"extra-{number}"
    return cells
