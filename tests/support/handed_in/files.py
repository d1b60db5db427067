"""Files that are no notebooks, or notebooks of unusual shapes."""

import gzip
import json
import warnings

import nbformat
from nbformat.v4 import new_code_cell

from handed_in.making import (
    ALL,
    NOTHING,
    Fault,
    as_markdown,
    big_png,
    blank,
    drop,
    edited,
    insert,
    of,
    repeat,
    tag_all,
    tests_first,
    told,
    without,
)
from judged_release import MOMENTUM, NESTEROV, answered
from small_release import cell_of

PLAIN = "def plain():\n    return 1"
BONUS = {
    "grade_id": "bonus",
    "grade": True,
    "solution": False,
    "locked": True,
    "schema_version": 3,
    "points": 100,
}


def as_format_3(notebook):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nbformat.convert(notebook, 3)


def text(notebook):
    return json.dumps(notebook)


def sourced(cell_id, source):
    """Return a submission in which a cell's source is what no notebook should have."""
    notebook = json.loads(text(answered()))
    next(cell for cell in notebook["cells"] if cell["id"] == cell_id)["source"] = source
    return notebook


def nested(depth):
    """Return metadata that contain one another."""
    return "{" + '"a": {' * depth + "}" * depth + "}"


def extras(number, source):
    """Return a submission with many cells more."""

    def edit(notebook):
        notebook.cells[2:2] = [new_code_cell(source, id=f"own-{k}") for k in range(number)]

    return of(edited(edit), ALL)


def attached(attachments):
    return of(edited(lambda nb: cell_of(nb, "why").update(attachments=attachments)), ALL)


def bare(notebook):
    """Take away all by which Jupyter and nbgrader know a cell, but for nbgrader's names."""
    for cell in notebook.cells:
        del cell["id"]
    notebook.nbformat_minor = 0


GROUPS = {
    "nothing is the matter": {
        "all right": of(answered(), ALL),
        "blank": of(blank(), NOTHING, "NotImplementedError() is still reached"),
        "the second answer only": of(
            blank(nesterov=NESTEROV), NOTHING | {"test_nesterov": 5.0}, "is still reached"
        ),
    },
    "tags and metadata changed": {
        "tags on every cell of a blank notebook": of(
            edited(tag_all, blank()), NOTHING, "is still reached"
        ),
        "tags on every cell": of(edited(tag_all), ALL),
        "points raised": of(edited(told("test_momentum", points=500)), ALL),
        "metadata that are a list": Fault(
            text(answered()).replace('"metadata": {}', '"metadata": []').encode(), ALL
        ),
        "metadata nested deeply": Fault(
            text(answered()).replace('"metadata": {}', f'"metadata": {nested(400)}').encode(), ALL
        ),
    },
    "the schema's version changed": {
        "schema_version 99": of(edited(told("test_momentum", schema_version=99)), ALL),
        "schema_version 1": of(edited(told("test_momentum", schema_version=1)), ALL),
        "schema_version 'x'": of(edited(told("test_momentum", schema_version="x")), ALL),
    },
    "flags flipped, names removed, graded cells added": {
        "grade turned off": of(edited(told("test_momentum", grade=False, solution=True)), ALL),
        "an answer turned into a test": of(
            edited(told("momentum", grade=True, solution=False, points=50)), ALL
        ),
        "a test locked and an answer too": of(edited(told("momentum", locked=True)), ALL),
        "grade_id removed": of(
            edited(lambda nb: cell_of(nb, "test_momentum").metadata.pop("nbgrader")), ALL
        ),
        "two names exchanged": of(
            edited(told("momentum", grade_id="nesterov"), edited(told("nesterov", grade_id="x"))),
            without("momentum", "nesterov"),
            "stood there 2 times",
        ),
        "a name that is a number": of(edited(told("test_momentum", grade_id=7)), ALL),
        "a graded cell added": of(
            edited(insert(3, new_code_cell("100.0", metadata={"nbgrader": BONUS}))), ALL
        ),
    },
    "cells twice": {
        "grade cell twice": of(edited(repeat("test_momentum")), ALL),
        "answer cell twice": of(edited(repeat("momentum")), ALL),
        "two different answers": of(
            edited(
                lambda nb: cell_of(nb, "momentum").update(source="momentum = None"),
                edited(repeat("momentum")),
            ),
            without("momentum"),
            "stood there 2 times",
        ),
        "one cell id for all": of(
            edited(lambda nb: [cell.update(id="same") for cell in nb.cells]), ALL
        ),
    },
    "cells deleted": {
        "grade cell deleted": of(edited(drop("test_momentum")), ALL, "was missing"),
        "answer cell deleted": of(edited(drop("momentum")), without("momentum"), "was missing"),
        "all but the answers deleted": of(
            edited(drop("title", "setup", "test_momentum", "test_nesterov", "test_plain")),
            ALL,
            "was missing",
        ),
    },
    "a test's text changed": {
        "the test changed": of(
            edited(lambda nb: cell_of(nb, "test_momentum").update(source="5.0"), blank()),
            NOTHING,
            "had been changed",
        ),
        "the setup changed": of(
            edited(lambda nb: cell_of(nb, "setup").update(source="import os\nos._exit(1)")),
            ALL,
            "had been changed",
        ),
    },
    "code turned to text": {
        "a test turned to markdown": of(edited(as_markdown("test_momentum")), ALL),
        "a test turned to markdown with a picture": of(
            edited(as_markdown("test_momentum", {"a.png": {"image/png": big_png(2)}})), ALL
        ),
        "an answer turned to markdown": of(edited(as_markdown("momentum")), ALL),
    },
    "cells moved": {
        "tests above answers": of(edited(tests_first), ALL, "had been moved"),
        "the other way round": of(edited(lambda nb: nb.cells.reverse()), ALL, "had been moved"),
    },
    "helper cells": {
        "a helper cell": of(
            edited(
                insert(
                    2,
                    new_code_cell("def next_u(u, g, lr, m):\n    return m * u - lr * g"),
                ),
                answered(
                    momentum=MOMENTUM.replace(
                        "momentum * u - lr * grad", "next_u(u, grad, lr, momentum)"
                    )
                ),
            ),
            ALL,
        ),
        "a thousand cells more": extras(1000, "1 + 1"),
        "a cell of 1 MB": extras(1, "x = 1  # ok\n" * 85_000),
        "a line of 1 MB": extras(1, f"x = [{'1, ' * 300_000}]"),
        "a syntax error in it": extras(1, "def ("),
        "empty cells": extras(20, ""),
    },
    "another kernel": {
        "an unknown kernel": of(
            edited(
                lambda nb: nb.metadata.update(
                    kernelspec={"name": "julia-9", "language": "julia", "display_name": "Julia"},
                    language_info={"name": "julia"},
                )
            ),
            ALL,
        ),
    },
    "files that are no notebook": {
        "invalid JSON": Fault(b'{"cells": [', NOTHING, "not valid JSON"),
        "an empty file": Fault(b"", NOTHING, "the file is empty"),
        "only white space": Fault(b" \n\n", NOTHING, "the file is empty"),
        "a Python file renamed": Fault(MOMENTUM.encode(), NOTHING, "not valid JSON"),
        "a web page renamed": Fault(b"<!doctype html><p>Log in", NOTHING, "not valid JSON"),
        "packed": Fault(gzip.compress(b"{}", mtime=0), NOTHING, "not valid JSON"),
        "a list": Fault(b"[1, 2, 3]", NOTHING, "notebook format None"),
        "a number": Fault(b"7", NOTHING, "notebook format None"),
        "an integer of 10,000 digits": Fault(b"1" * 10_000, NOTHING, "cannot be graded"),
        "nested without end": Fault(b"[" * 200_000, NOTHING, "cannot be graded"),
        "100 MB of JSON": Fault(b'{"cells": "' + b"x" * 100_000_000 + b'"}', NOTHING, "100 MB"),
        "another notebook": of(
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []},
            NOTHING,
            "may be another notebook",
        ),
        "cells that are a dict": of(
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": {}},
            NOTHING,
            "a notebook without cells",
        ),
        "cells that are no cells": of(
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1, None, [], "x", {}]},
            NOTHING,
            "may be another notebook",
        ),
    },
    "other versions of the format": {
        "nbformat 3": of(as_format_3(answered()), ALL),
        "nbformat 3, damaged": of(
            {"nbformat": 3, "worksheets": [{"cells": [7]}]}, NOTHING, "format 3 and is damaged"
        ),
        "nbformat 4.0": of(edited(bare), ALL),
        "nbformat 99": of(answered() | {"nbformat": 99}, NOTHING, "notebook format 99"),
        "nbformat 4.99": of(answered() | {"nbformat_minor": 99}, ALL),
        "nbformat as a text": of(answered() | {"nbformat": "4"}, NOTHING, "notebook format '4'"),
    },
    "other encodings": {
        "a mark of the byte order": Fault(b"\xef\xbb\xbf" + text(answered()).encode(), ALL),
        "UTF-16": Fault(text(answered()).encode("utf-16"), ALL),
        "UTF-32": Fault(text(answered()).encode("utf-32"), ALL),
        "Latin-1": Fault(
            json.dumps(answered(why="Für\xa0mich."), ensure_ascii=False).encode("latin-1"),
            NOTHING,
            "not valid JSON",
        ),
        "lines that end as on Windows": Fault(
            json.dumps(
                edited(
                    lambda nb: cell_of(nb, "momentum").update(source=MOMENTUM.replace("\n", "\r\n"))
                ),
                indent=1,
            )
            .replace("\n", "\r\n")
            .encode(),
            ALL,
        ),
    },
    "odd sources": {
        "half a character": of(answered(momentum=f"s = '\ud83d'\n{MOMENTUM}  # \udc00"), ALL),
        "half a character in a text": of(answered(why="\ud800"), ALL),
        "a NUL": of(
            answered(momentum=f"{MOMENTUM}\n# \0"), without("momentum"), "no function momentum"
        ),
        "control characters": of(answered(momentum=f"{MOMENTUM}  # \x1b[2J\x07\u202e"), ALL),
        "a list of lines": of(sourced("momentum", MOMENTUM.splitlines(keepends=True)), ALL),
        "a list of numbers": of(
            sourced("momentum", [1, 2, None]), without("momentum"), "no function momentum"
        ),
        "a number for a source": of(sourced("momentum", 7), without("momentum"), "was missing"),
        "nothing for a source": of(sourced("momentum", None), without("momentum"), "was missing"),
    },
    "large attachments": {
        "a picture of 10 MB": attached({"a.png": {"image/png": "A" * 10_000_000}}),
        "a picture of few bytes and many pixels": attached(
            {"a.png": {"image/png": big_png(10_000)}}
        ),
        "half a character in a picture's name": attached({"\ud800": {"image/png": big_png(2)}}),
        "an attachment that is none": attached({"a": 7, "b": {"image/png": [1]}, "c": {"x": "y"}}),
    },
}
