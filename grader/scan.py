"""Looking for solution text in what students are about to get."""

from __future__ import annotations

import io
import keyword
import re
import token
import tokenize
from collections.abc import Iterator

from nbformat import NotebookNode

from grader.notebooks import BEGIN, END

HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS", BEGIN, END)


def find_leaks(source: NotebookNode, release: NotebookNode) -> list[str]:
    """Return, as sentences, what a released notebook gives away of its source.

    Looked for are lines of the solutions, marks of solutions and hidden tests, and outputs.
    """
    secret = set(solution_lines(source))
    leaks = []
    for number, cell in enumerate(release.cells, start=1):
        lines = {_normal(line) for line in cell.source.splitlines()}
        leaks += [f"cell {number} holds the solution's line {line!r}" for line in lines & secret]
        leaks += [f"cell {number} holds the mark {mark}" for mark in HIDDEN if mark in cell.source]
        if cell.get("outputs"):
            leaks.append(f"cell {number} has outputs")
    return leaks


def solution_lines(source: NotebookNode) -> Iterator[str]:
    """Yield the lines of all solutions that say something, in one spelling of their blanks."""
    for cell in source.cells:
        if not cell.metadata.get("nbgrader", {}).get("solution"):
            continue
        for line in _region(cell.source):
            if _tells(line):
                yield _normal(line)


def _region(text: str) -> Iterator[str]:
    lines = text.splitlines()
    inside = BEGIN not in text  # without marks the whole cell is the solution
    for line in lines:
        if BEGIN in line or END in line:
            inside = BEGIN in line
        elif inside:
            yield line


def _tells(line: str) -> bool:
    """Tell whether a line has at least two words, numbers or signs of its own.

    ``else:`` and ``)`` say nothing; ``u = momentum * u`` does.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line.strip()).readline))
    except (tokenize.TokenError, SyntaxError):
        return len(re.findall(r"\w+", line)) >= 2
    words = [t for t in tokens if t.type in (token.NAME, token.NUMBER, token.STRING)]
    return len([t for t in words if not keyword.iskeyword(t.string)]) >= 2


def _normal(line: str) -> str:
    return " ".join(line.split())
