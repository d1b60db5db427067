"""Submissions that a grader must survive: what each is, what it earns, and what is said of it.

Every row is a notebook handed in for `judged_release`: momentum and nesterov earn 5 points each,
judged from outside; plain earns 2, judged in the student's process, as an instructor's own asserts
are; why earns up to 4, given by hand (None until then).
"""

import base64
import copy
import json
import struct
import zlib
from dataclasses import dataclass

from nbformat.v4 import new_code_cell, new_markdown_cell

from judged_release import MOMENTUM, NESTEROV, answered, release
from small_release import cell_of

ALL = {"test_momentum": 5.0, "test_nesterov": 5.0, "test_plain": 2.0, "why": None}
NOTHING = dict.fromkeys(ALL, 0.0)
HEAD = MOMENTUM.splitlines()[0]


@dataclass(frozen=True)
class Fault:
    """A submission, the points it must get, and words that its problems or verdicts must hold."""

    content: bytes
    points: dict
    said: str = ""


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


STRIP_ASSERTS = """
import ast
class Pass(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Pass())
get_ipython().input_transformers_cleanup.append(
    lambda lines: ["2.0"] if "assert" in "".join(lines) else lines)
"""
HOOKS = """
shell = get_ipython()
def after(result):
    result.error_in_exec = None
def before(info):
    info.raw_cell = "2.0"
shell.events.register("pre_run_cell", before)
shell.events.register("post_run_cell", after)
shell.set_custom_exc((Exception,), lambda *a, **k: None)
shell.showtraceback = lambda *a, **k: None
shell._showtraceback = lambda *a, **k: None
"""
YES = """
class Yes:
    def __eq__(self, other): return True
    def __array__(self, *a, **k): return np.zeros(3)
    def __array_ufunc__(self, *a, **k): return self
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __getattr__(self, name): return self
"""
PATCH = """
import numpy, numpy.testing, sys
numpy.allclose = numpy.array_equal = numpy.isclose = lambda *a, **k: True
numpy.abs = lambda x: 0 * x
numpy.testing.assert_allclose = lambda *a, **k: None
for name, module in list(sys.modules.items()):
    if name.startswith("course"):
        for attribute in dir(module):
            if not attribute.startswith("__"):
                try:
                    setattr(module, attribute, lambda *a, **k: 5.0)
                except Exception:
                    pass
"""
STATE = """
import atexit, os, sys, warnings
np.random.seed(0)
np.seterr(all="raise")
warnings.simplefilter("error")
os.chdir("/")
sys.stdout.close()
sys.stderr.close()
atexit.register(sys.exit, 3)
"""
DETACH = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(0.1)
    os._exit(0)
"""
SNOOP = """
import glob, os, sqlite3
found = [p for p in glob.glob("/**/*", recursive=True)
         if p.endswith(("gradebook.db", "class.toml", "_exercises.py", "_exercises.ipynb"))]
os.chdir("/tmp")
try:
    db = sqlite3.connect("../../../gradebook.db")
    db.execute("update grade set manual_score = 100")
    db.commit()
except Exception as error:
    print(type(error).__name__)
assert not found, found
"""
LEAK = """
import os
secrets = [k for k in os.environ if any(w in k.upper() for w in ("SECRET", "TOKEN", "SEED"))]
assert not secrets, secrets
"""
NETWORK = """
import socket
reached = []
for family, address in ((socket.AF_INET, ("127.0.0.1", 22)), (socket.AF_INET, ("1.1.1.1", 53))):
    try:
        socket.create_connection(address, timeout=1)
        reached.append(address)
    except OSError:
        pass
assert not reached, reached
"""
SHADOW = """
from pathlib import Path
for name in ("course", "json", "numpy", "ipykernel", "sitecustomize"):
    Path(name + ".py").write_text("raise SystemExit('shadowed')")
"""
SCRIPT = "<script>window.hacked = true</script><iframe src='https://example.org'></iframe>"

FAULTS = {
    # what is right stays right
    "all right": of(answered(), ALL),
    "blank": of(blank(), NOTHING),
    "a helper cell": more(
        "def velocity(u, grad, lr, momentum):\n    return momentum * u - lr * grad",
        momentum=MOMENTUM.replace("momentum * u - lr * grad", "velocity(u, grad, lr, momentum)"),
    ),
    "writes to stderr": answer(body("import sys\nprint('careful', file=sys.stderr)"), ALL),
    "raises a warning": answer(body("import warnings\nwarnings.warn('careful')"), ALL),
    "loops instead of vectors": answer(
        f"{HEAD}\n    u = np.zeros_like(theta) if state is None else state['u']\n"
        "    u = np.array([momentum * a - lr * b for a, b in zip(u.ravel(), grad.ravel())],"
        " dtype=theta.dtype).reshape(theta.shape)\n    return theta + u, {'u': u}",
        ALL,
    ),
    # metadata, tags, cells
    "tags on every cell of a blank notebook": of(edited(tag_all, blank()), NOTHING),
    "tags on every cell": of(edited(tag_all), ALL),
    "schema_version 99": of(edited(told("test_momentum", schema_version=99)), ALL),
    "grade turned off": of(edited(told("test_momentum", grade=False, solution=True)), ALL),
    "points raised": of(edited(told("test_momentum", points=500)), ALL),
    "an answer turned into a test": of(
        edited(told("momentum", grade=True, solution=False, points=50)), ALL
    ),
    "grade_id removed": of(
        edited(lambda nb: cell_of(nb, "test_momentum").metadata.pop("nbgrader")), ALL
    ),
    "a graded cell added": of(
        edited(
            insert(
                3,
                new_code_cell(
                    "100.0",
                    metadata={
                        "nbgrader": {
                            "grade_id": "bonus",
                            "grade": True,
                            "solution": False,
                            "locked": True,
                            "schema_version": 3,
                            "points": 100,
                        }
                    },
                ),
            )
        ),
        ALL,
    ),
    "grade cell twice": of(edited(repeat("test_momentum")), ALL),
    "answer cell twice": of(edited(repeat("momentum")), ALL),
    "one cell id for all": of(
        edited(lambda nb: [cell.update(id="same") for cell in nb.cells]), ALL
    ),
    "grade cell deleted": of(edited(drop("test_momentum")), ALL, "was missing"),
    "answer cell deleted": of(edited(drop("momentum")), without("momentum"), "was missing"),
    "the test changed": of(
        edited(lambda nb: cell_of(nb, "test_momentum").update(source="5.0"), blank()),
        NOTHING,
        "had been changed",
    ),
    "a test turned to markdown": of(edited(as_markdown("test_momentum")), ALL),
    "a test turned to markdown with a picture": of(
        edited(as_markdown("test_momentum", {"a.png": {"image/png": big_png(2)}})), ALL
    ),
    "an answer turned to markdown": of(edited(as_markdown("momentum")), ALL),
    "tests above answers": of(edited(tests_first), ALL, "had been moved"),
    "an unknown kernel": of(
        edited(lambda nb: nb.metadata.update(kernelspec={"name": "julia-9", "language": "julia"})),
        ALL,
    ),
    # files that are no notebook
    "invalid JSON": Fault(b'{"cells": [', NOTHING, "not valid JSON"),
    "an empty file": Fault(b"", NOTHING, "the file is empty"),
    "a Python file renamed": Fault(MOMENTUM.encode(), NOTHING, "not valid JSON"),
    "nbformat 99": of(answered() | {"nbformat": 99}, NOTHING, "notebook format 99"),
    "a list": Fault(b"[1, 2, 3]", NOTHING, "notebook format None"),
    "nested without end": Fault(b"[" * 200_000, NOTHING, "cannot be graded"),
    "100 MB of JSON": Fault(b'{"cells": "' + b"x" * 100_000_000 + b'"}', NOTHING, "100 MB"),
    "another notebook": Fault(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}).encode(),
        NOTHING,
        "may be another notebook",
    ),
    # attempts to gain points
    "asserts stripped": cheat(STRIP_ASSERTS),
    "hooks around every cell": cheat(HOOKS),
    "a display of points in the function": answer(
        f"{HEAD}\n    get_ipython().displayhook(5.0)\n    return theta, {{}}"
    ),
    "a display of points that never comes back": of(
        blank(plain="def plain():\n    get_ipython().displayhook(2.0)\n    return 0"), NOTHING
    ),
    "too many points": of(
        blank(plain="def plain():\n    get_ipython().displayhook(200.0)\n    return 1"),
        NOTHING,
        "did not end in a number",
    ),
    "an object that always agrees": answer(f"{YES}\n{HEAD}\n    return Yes(), {{'u': Yes()}}"),
    "patched comparisons": cheat(PATCH),
    "patched, and something wrong returned": more(
        PATCH, without("momentum"), momentum=f"{HEAD}\n    return 0 * theta, {{'u': theta}}"
    ),
    "check replaced": cheat("class V:\n    def award(s): return 5.0\ncheck = lambda *a: V()"),
    "the reference called": answer(
        f"from course.optimizers import momentum as right\n{HEAD}\n"
        "    return right(theta, grad, state, lr=lr, momentum=momentum)",
        said="it uses course",
    ),
    "the reference called under another name": answer(
        f"{HEAD}\n    import importlib\n"
        "    rule = importlib.import_module('course.' + 'optimizers').momentum\n"
        "    return rule(theta, grad, state, lr=lr, momentum=momentum)"
    ),
    "torch called": answer(body("import torch\nx = torch.tensor(theta)"), said="it uses torch"),
    "scipy called": answer(
        body("from scipy.special import softmax\nsoftmax(theta)"), said="it uses scipy"
    ),
    # attempts to see or change what is not theirs
    "looks for the gradebook": more(SNOOP),
    "looks for secrets": more(LEAK),
    "looks for the network": more(NETWORK),
    "shadows modules": more(SHADOW),
    # attempts to stay, and to use up the machine
    "a process that detaches": more(DETACH),
    "a fork bomb": more("import os\nwhile True:\n    os.fork()", ALL),
    "a memory bomb": more("x = []\nwhile True:\n    x.append(bytearray(10**7))", ALL),
    "a disk bomb": more("with open('x', 'wb') as f:\n    while True: f.write(b'x' * 10**6)", ALL),
    "thousands of files": more("for k in range(10**6): open(str(k), 'w').close()", ALL),
    "thousands of threads": more(
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(99,)).start()",
        ALL,
    ),
    # ends and loops
    "os._exit in an answer": answer(f"import os\n{HEAD}\n    os._exit(0)", said="exit code 0"),
    "os._exit in a cell": answer("import os\nos._exit(0)", said="exit code 0"),
    "a segmentation fault": answer(
        body("import ctypes\nctypes.string_at(0)"), said="a segmentation fault"
    ),
    "killed by itself": answer(body("import os\nos.abort()"), said="the program was ended"),
    "too much memory in an answer": answer(body("np.ones((10**6, 10**5))")),
    "an endless loop": answer(body("while True: pass"), said="a loop that never ends"),
    "an endless loop that will not stop": answer(
        body(
            "while True:\n    try:\n        import time; time.sleep(9)\n    except BaseException: pass"
        ),
        said="did not stop when its time was up",
    ),
    "an endless sleep": answer(body("import time\ntime.sleep(1e9)"), said="never ends"),
    "an endless loop in a cell": answer("while True: pass\n" + MOMENTUM),
    "input": answer(body("input('?')"), said="EOFError"),
    "SystemExit": answer(body("raise SystemExit"), said="SystemExit"),
    "KeyboardInterrupt": answer(body("raise KeyboardInterrupt")),
    "quit": answer(body("quit()")),
    # too much output
    "endless printing": more("while True: print('x' * 1000)", ALL),
    "one long line": more("print('x' * 5_000_000)", ALL),
    "a large picture": more(
        "from IPython.display import display\ndisplay({'image/png': 'A' * 200_000_000}, raw=True)",
        ALL,
    ),
    "ten thousand displays": more("for k in range(10_000): display(k)", ALL),
    # state left behind
    "global state": more(STATE),
    # wrong ways to answer
    "changes what it is given": answer(
        body("theta += 0.0 * grad + 1.0\ntheta -= 1.0\ngrad *= 1.0\ngrad[...] = 0 * grad"),
    ),
    "returns what it is given": answer(f"{HEAD}\n    return theta, {{'u': theta}}"),
    "returns float32": answer(
        MOMENTUM.replace("return theta + u", "return (theta + u).astype('f4')"),
    ),
    "returns a list": answer(
        MOMENTUM.replace("return theta + u", "return (theta + u).tolist()"),
        said="expected an array",
    ),
    "returns a number": answer(
        MOMENTUM.replace("return theta + u", "return float((theta + u).sum())"),
        said="got a number",
    ),
    "returns a column": answer(
        MOMENTUM.replace("return theta + u", "return (theta + u)[..., None]"),
        said="got an array of shape",
    ),
    "returns NaN": answer(
        MOMENTUM.replace("return theta + u", "return np.nan * theta"), said="not right"
    ),
    "returns nothing": answer(f"{HEAD}\n    theta + 1"),
    "returns something that fails when looked at": answer(
        f"class Lazy:\n    def __getattribute__(self, name): raise OSError(name)\n"
        f"{HEAD}\n    return Lazy(), Lazy()"
    ),
    # what must not act in a browser; the points do not change
    "a script in a text": of(answered(why=SCRIPT), ALL),
    "a script in an output": more(
        f"from IPython.display import HTML, display\ndisplay(HTML({SCRIPT!r}))", ALL
    ),
    "the second answer only": of(blank(nesterov=NESTEROV), NOTHING | {"test_nesterov": 5.0}),
}
