"""A small released notebook and what students make of it."""

import json

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

STUB = "def f():\n    # YOUR CODE HERE\n    raise NotImplementedError()"
SETUP = "base = 1.0"


def told(grade_id, *, grade=False, solution=False, locked=False, points=None):
    flags = {"grade": grade, "solution": solution, "locked": locked, "task": False}
    data = {"grade_id": grade_id, "schema_version": 3, **flags}
    return {"nbgrader": data | ({} if points is None else {"points": points})}


def release():
    return new_notebook(
        metadata={},
        cells=[
            new_markdown_cell("# Title", id="title"),
            new_code_cell(SETUP, id="setup", metadata=told("setup", locked=True)),
            new_code_cell("import math", id="free"),
            new_code_cell(STUB, id="f", metadata=told("f", solution=True)),
            new_code_cell(
                "f()", id="test_f", metadata=told("test_f", grade=True, locked=True, points=2)
            ),
            new_code_cell(
                STUB.replace("def f", "def g"),
                id="g",
                metadata=told("g", solution=True),
            ),
            new_code_cell(
                "g()", id="test_g", metadata=told("test_g", grade=True, locked=True, points=3)
            ),
            new_markdown_cell(
                "YOUR ANSWER HERE",
                id="why",
                metadata=told("why", grade=True, solution=True, points=4),
            ),
        ],
    )


def answered(f="def f():\n    return 2.0", g="def g():\n    return 3.0", why="Because."):
    notebook = release()
    for cell in notebook.cells:
        cell.source = {"f": f, "g": g, "why": why}.get(cell.id, cell.source)
    return notebook


def cell_of(notebook, cell_id):
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def as_file(notebook):
    return json.dumps(notebook).encode()
