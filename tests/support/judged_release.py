"""A small release whose answers are judged from outside, and what students hand in for it."""

import json

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from small_release import told

STUB = """\
def {name}(theta, grad, state=None, *, lr, momentum=0.9):
    # YOUR CODE HERE
    raise NotImplementedError()"""
MOMENTUM = """\
def momentum(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + u, {"u": u}"""
NESTEROV = """\
def nesterov(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + momentum * u - lr * grad, {"u": u}"""


def release():
    def answer(name):
        return new_code_cell(STUB.format(name=name), id=name, metadata=told(name, solution=True))

    def test(name, points, source=None):
        return new_code_cell(
            source or f"check({name}).award()",
            id=f"test_{name}",
            metadata=told(f"test_{name}", grade=True, locked=True, points=points),
        )

    return new_notebook(
        metadata={},
        cells=[
            new_markdown_cell("# Title", id="title"),
            new_code_cell(
                "import numpy as np\n\nfrom course.exercises import check",
                id="setup",
                metadata=told("setup", locked=True),
            ),
            answer("momentum"),
            test("momentum", 5),
            answer("nesterov"),
            test("nesterov", 5),
            new_code_cell(
                "def plain():\n    # YOUR CODE HERE\n    raise NotImplementedError()",
                id="plain",
                metadata=told("plain", solution=True),
            ),
            test("plain", 2, "assert plain() == 1\n2.0"),
            new_markdown_cell(
                "YOUR ANSWER HERE",
                id="why",
                metadata=told("why", grade=True, solution=True, points=4),
            ),
        ],
    )


def answered(momentum=MOMENTUM, nesterov=NESTEROV, plain="def plain():\n    return 1", why="So."):
    notebook = release()
    answers = {"momentum": momentum, "nesterov": nesterov, "plain": plain, "why": why}
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    return notebook


def as_file(notebook):
    return json.dumps(notebook).encode()
