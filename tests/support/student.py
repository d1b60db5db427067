"""Students' code for tests, run as a notebook's kernel runs a cell."""

import itertools
import linecache
import re
import textwrap

import numpy as np

_cells = itertools.count(1)


def run_cell(source, **names):
    """Run a cell's text and return its namespace; tracebacks can show its lines."""
    text = textwrap.dedent(source).strip("\n") + "\n"
    file = f"ipykernel_1/{next(_cells)}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    namespace = {"np": np, "__name__": "__main__"} | names
    exec(compile(text, file, "exec"), namespace)
    return namespace


def answer(source, **names):
    """Run a cell's text and return the first function it defines at its margin."""
    text = textwrap.dedent(source)
    return run_cell(text, **names)[re.search(r"^(?:async )?def (\w+)", text, re.M)[1]]
