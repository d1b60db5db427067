"""A student's all-reduce from a file or a notebook."""

import json

import numpy as np
import pytest

from course.parallel import run_ranks
from course.parallel.lab.errors import UsageError
from course.parallel.lab.student_file import load_all_reduce

torch = pytest.importorskip("torch", reason="torch is not installed")

SUM = """
import numpy as np
from math import prod

def total(channel, x):
    for other in range(channel.size):
        if other != channel.rank:
            channel.send(x, other)
    return FACTOR * x + sum(channel.recv(o) for o in range(channel.size) if o != channel.rank)
"""


def notebook(path, *cells):
    cells = [{"cell_type": "markdown", "source": ["# Mine"]}] + [
        {"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells
    ]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}))
    return path


def summed(place):
    function = load_all_reduce(place)
    return run_ranks(function, [torch.ones(2), torch.tensor([1.0, 5.0])]).values


@pytest.mark.parametrize("factor", ["FACTOR = 1", "FACTOR: float = 1.0 + 0"])
def test_a_function_for_numpy_sums_tensors(tmp_path, factor):
    file = tmp_path / "own.py"
    file.write_text(f"{factor}\n{SUM}")
    for value in summed(f"{file}:total"):
        assert isinstance(value, torch.Tensor)
        assert value.dtype == torch.float32
        assert value.tolist() == [2, 6]


def test_of_a_notebook_only_definitions_run(tmp_path):
    path = notebook(
        tmp_path / "own.ipynb",
        "%pip install nothing\n!ls\nFACTOR = 1",
        "%%time\nraise SystemExit",
        SUM,
        "total(None, None)\nFACTOR = total(1, 2)\nfor i in range(3):\n    1 / 0",
        "this is not\nfinished (",
    )
    assert summed(f"{path}:total")[0].tolist() == [2, 6]


def test_a_file_beside_it_can_be_imported_and_hides_nothing(tmp_path):
    (tmp_path / "random.py").write_text("raise SystemExit")
    (tmp_path / "my_factor_beside.py").write_text("FACTOR = 1")
    (tmp_path / "own.py").write_text(f"import random\nfrom my_factor_beside import FACTOR\n{SUM}")
    assert summed(f"{tmp_path / 'own.py'}:total")[0].tolist() == [2, 6]


def test_the_input_may_be_changed_in_place(tmp_path):
    (tmp_path / "own.py").write_text("def own(channel, x):\n    x *= 2\n    return x\n")
    x = torch.ones(2)
    assert load_all_reduce(f"{tmp_path / 'own.py'}:own")(None, x).tolist() == [2, 2]
    assert x.tolist() == [1, 1]
    assert load_all_reduce(f"{tmp_path / 'own.py'}:own")(None, np.ones(1)).tolist() == [2]


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        ("pass", TypeError, r"own returned None; it must return the sum, an array of shape \(2,\)"),
        ("return [1.0, 2.0]", TypeError, "own returned a list; it"),
        ("return x[:1]", ValueError, r"an array of shape \(1,\) and dtype float32; it must"),
        ("return x.astype('f8')", ValueError, r"shape \(2,\) and dtype float64; it must return"),
    ],
)
def test_what_is_no_sum_is_named(tmp_path, body, error, text):
    (tmp_path / "own.py").write_text(f"def own(channel, x):\n    {body}\n")
    with pytest.raises(error, match=text):
        load_all_reduce(f"{tmp_path / 'own.py'}:own")(None, torch.ones(2))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("none.py:own", r"there is no file .*none.py \(looked for from"),
        ("own.txt:own", "is no FILE.py:NAME or FILE.ipynb:NAME"),
        ("own.py:", "is no FILE.py:NAME"),
        ("own.py:other", "own.py has no 'other': it has first, second. Give FILE:NAME"),
        ("own.py:value", "'value' in .*own.py is a int, not a function"),
        ("empty.py:own", "empty.py has no 'own': it has no functions at all"),
        ("broken.py:own", "broken.py, line 2: SyntaxError: "),
        ("raises.py:own", "raises.py, line 3: ZeroDivisionError: division by zero"),
        ("lacks.py:own", "lacks.py, line 1: ModuleNotFoundError: No module named 'not_there'"),
        ("broken.ipynb:own", "broken.ipynb, cell 2, line 2: SyntaxError: "),
        ("lacks.ipynb:own", "lacks.ipynb, cell 2, line 1: ModuleNotFoundError: No module named"),
        ("text.ipynb:own", "text.ipynb is no notebook that can be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, place, text):
    for name, content in {
        "own.py": "import os\nvalue = 3\ndef first(): pass\ndef second(): pass\n",
        "own.txt": "",
        "empty.py": "",
        "broken.py": "def own(channel, x):\n    return x +\n",
        "raises.py": "import os\n\n1 / 0\n",
        "lacks.py": "import not_there\n",
        "text.ipynb": "hello",
    }.items():
        (tmp_path / name).write_text(content)
    notebook(tmp_path / "broken.ipynb", "def own(channel, x):\n    return x +")
    notebook(tmp_path / "lacks.ipynb", "import not_there")
    with pytest.raises(UsageError, match=text):
        load_all_reduce(f"{tmp_path}/{place}")
