"""How the submissions of the corpus are made: from the right answers, by one change."""

import base64
import copy
import json
import struct
import zlib
from dataclasses import dataclass

from nbformat.v4 import new_code_cell, new_markdown_cell

from judged_release import MOMENTUM, answered, release
from small_release import cell_of

ALL = {"test_momentum": 5.0, "test_nesterov": 5.0, "test_plain": 2.0, "why": None}
NOTHING = dict.fromkeys(ALL, 0.0)
HEAD = MOMENTUM.splitlines()[0]


@dataclass(frozen=True)
class Fault:
    """A submission that a grader must survive.

    Attributes:
        content: the file that is handed in.
        points: what each cell must earn.
        said: words that its problems or verdicts must hold.
        row: what is the matter with it; many submissions share a row.
        stock: what stock nbgrader makes of it, as measured.
    """

    content: bytes
    points: dict
    said: str = ""
    row: str = ""
    stock: str = ""


def without(*names):
    """Return all points but those of some cells."""
    return ALL | {f"test_{name}": 0.0 for name in names}


def of(notebook, points, said=""):
    return Fault(json.dumps(notebook).encode(), points, said)


def answer(momentum, points=None, said=""):
    """Return a submission in which only one answer is special."""
    return of(answered(momentum=momentum), without("momentum") if points is None else points, said)


def blank(**answers):
    """Return a release with only these answers filled in."""
    notebook = release()
    for name, source in answers.items():
        cell_of(notebook, name).source = source
    return notebook


def edited(edit, notebook=None):
    notebook = answered() if notebook is None else notebook
    edit(notebook)
    return notebook


def body(text, ending=True):
    """Return momentum with these lines first; the right ones follow."""
    lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
    rest = "\n".join(MOMENTUM.splitlines()[1:]) if ending else "    return theta, {}"
    return f"{HEAD}\n{lines}{rest}"


def told(cell_id, **changes):
    return lambda nb: cell_of(nb, cell_id).metadata.nbgrader.update(changes)


def drop(*cell_ids):
    def edit(notebook):
        notebook.cells = [cell for cell in notebook.cells if cell.id not in cell_ids]

    return edit


def repeat(cell_id):
    def edit(notebook):
        place = next(i for i, cell in enumerate(notebook.cells) if cell.id == cell_id)
        notebook.cells.insert(place, copy.deepcopy(notebook.cells[place]))

    return edit


def tests_first(notebook):
    notebook.cells.sort(key=lambda cell: not cell.id.startswith("test_"))


def as_markdown(cell_id, attachments=None):
    def edit(notebook):
        place = next(i for i, cell in enumerate(notebook.cells) if cell.id == cell_id)
        old = notebook.cells[place]
        made = new_markdown_cell(old.source, id=old.id, metadata=old.metadata)
        if attachments:
            made.attachments = attachments
        notebook.cells[place] = made

    return edit


def tag_all(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "raises-exception", "remove-cell"]


def insert(place, cell):
    return lambda notebook: notebook.cells.insert(place, cell)


def more(source, points=None, said="", place=2, **answers):
    """Return a submission with an extra code cell before the answers."""
    notebook = edited(insert(place, new_code_cell(source)), answered(**answers))
    return of(notebook, ALL if points is None else points, said)


def cheat(source, points=None, said=""):
    """Return a blank submission with an extra cell that tries to gain points."""
    return of(edited(insert(2, new_code_cell(source)), blank()), points or NOTHING, said)


def big_png(side):
    """Return a picture of many pixels and few bytes, as base64."""
    rows = zlib.compress(b"".join(b"\0" + b"\0" * side for _ in range(side)), 9)

    def chunk(kind, content):
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()
