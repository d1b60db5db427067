"""Attempts to gain points, and to see or change what is not theirs."""

from handed_in.making import ALL, HEAD, NOTHING, answer, blank, body, cheat, more, of, without

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

FORGE = """
import gc, sys
program = next(o for o in gc.get_objects() if type(o).__name__ == "Program")
connection = program._channel._connection
send = program._channel.send
"""
PATCH_INSIDE = """
import course._inside.program as program
from course.checking import call
def lie(function, names, args, kwargs):
    return call.Answer((args[0], {"u": args[0]}), frozenset(), ())
program.guarded_call = call.guarded_call = lie
program.plain = lambda value: value
"""
SEARCH = f"""
import gc, sys
{HEAD}
    seen = [o for o in gc.get_objects() if isinstance(o, np.ndarray) and o.shape == theta.shape]
    frame = sys._getframe()
    while frame:
        seen += [v for v in frame.f_locals.values() if isinstance(v, np.ndarray)]
        frame = frame.f_back
    seen += [o for k in list(sys.modules.values()) for o in vars(k).values()
             if isinstance(o, np.ndarray)]
    return seen[-1], {{"u": seen[-1]}}
"""
ONCE = f"""
calls = 0
{HEAD}
    global calls
    calls += 1
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return (theta + u, {{"u": u}}) if calls == 1 else (theta, {{"u": u}})
"""
DISGUISE = f"""
class Array:
    __class__ = np.ndarray
    dtype, shape, ndim = np.dtype(float), (3,), 1
    def __array__(self, *a, **k): return np.zeros(3)
    __array_priority__ = 1e9
{HEAD}
    return Array(), {{"u": Array()}}
"""
FILES = """
import os
found = []
for place, folders, files in os.walk("/"):
    # Python itself and the packages that may be used are for all to see.
    folders[:] = [f for f in folders if f not in ("usr", "proc", "sys", "lib", "lib64", "bin")]
    found += [f"{place}/{f}" for f in files if f.endswith((".db", ".toml", ".ipynb"))
              or "_exercises" in f or f in ("optimizers.py", "_rules.py", "activations.py")]
import course
for place, folders, files in os.walk(os.path.dirname(course.__file__)):
    found += [f for f in files if f in ("optimizers.py", "_rules.py", "losses.py")]
"""
DATABASE = """
import glob, sqlite3
found = [p for n in range(6) for p in glob.glob("../" * n + "gradebook.db")]
for path in ["../../../gradebook.db", *found]:
    try:
        db = sqlite3.connect(path)
        db.execute("update grade set auto_score = 5, manual_score = 5, needs_manual_grade = 0")
        db.commit()
    except Exception as error:
        print(type(error).__name__)
"""
OTHERS = """
import glob
found = glob.glob("../../*/*/*.ipynb") + glob.glob("../../../s*/**/*.ipynb", recursive=True)
"""
SECRETS = """
import os
found = [k for k in os.environ if any(w in k.upper() for w in ("SECRET", "TOKEN", "SEED", "KEY"))]
found += [f for f in os.listdir(os.path.expanduser("~")) if f != "matplotlib"]
"""
NETWORK = """
import socket
found = []
for family, address in ((socket.AF_INET, ("127.0.0.1", 22)), (socket.AF_INET, ("1.1.1.1", 53))):
    try:
        socket.create_connection(address, timeout=1)
        found.append(address)
    except OSError:
        pass
found += [name for _, name in socket.if_nameindex() if name != "lo"]
"""
MOUNTS = """
import os
found = []
for place in ("/root", "/home", "/mnt", "/media", "/srv", "/var", "/proc/1/root", "/sys", "/run"):
    try:
        found += [f"{place}/{name}" for name in os.listdir(place)]
    except OSError:
        pass
allowed = os.path.realpath(os.path.dirname(np.__file__))
found = [p for p in found if not allowed.startswith(p)
         and not os.path.realpath(__import__("sys").prefix).startswith(p)
         and not os.path.realpath(__import__("sys").base_prefix).startswith(p)]
"""
LINKS = """
import os
for number, target in enumerate(("/proc/1/root", "/etc/shadow", "/", "../..", "/dev/mem")):
    os.symlink(target, f"link{number}")
    os.symlink(target, f"../link{number}")
found = []
for number in range(5):
    for name in (f"link{number}", f"link{number}/root/.ssh", f"link{number}/gradebook.db"):
        try:
            found.append(open(name).read())
        except OSError:
            pass
"""
PARENT = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
found = [pid for pid in {os.getppid(), 1, 2, 3} - {0, os.getpid()}
         if libc.ptrace(16, pid, 0, 0) == 0]
for pid in (1, os.getppid()):
    try:
        found += [open(f"/proc/{pid}/mem", "r+b"), open(f"/proc/{pid}/environ").read()]
    except OSError:
        pass
"""
SHADOW = """
from pathlib import Path
for name in ("course", "json", "numpy", "ipykernel", "sitecustomize", "signal", "typing"):
    Path(name + ".py").write_text("raise SystemExit('shadowed')")
Path("nbgrader_config.py").write_text("raise SystemExit")
"""


def looks(source):
    """Return a submission whose right answer is right only where a look around found nothing."""
    return of_two(source, body("assert found == [], found"))


def of_two(source, momentum, points=None, said=""):
    return more(source, points, said, momentum=momentum)


def forged(message, said="the program was ended", points=None):
    """Return a submission that writes a message of its own to the grader, in an answer.

    It looks for the connection there, where the check for foreign libraries cannot see it.
    """
    return answer(body(f"{FORGE.strip()}\n{message}\nreturn theta, {{'u': theta}}"), points, said)


GROUPS = {
    "transformers that rewrite cells": {
        "asserts stripped": cheat(STRIP_ASSERTS, said="is still reached"),
    },
    "hooks and exception handlers": {
        "hooks around every cell": cheat(HOOKS, said="is still reached"),
    },
    "points shown from inside the tested function": {
        "a display of points in the function": answer(
            f"{HEAD}\n    get_ipython().displayhook(5.0)\n    return theta, {{}}",
            said="it uses IPython",
        ),
        "a display of points that never comes back": of(
            blank(plain="def plain():\n    get_ipython().displayhook(2.0)\n    return 0"),
            NOTHING,
            "is still reached",
        ),
        "too many points": of(
            blank(plain="def plain():\n    get_ipython().displayhook(200.0)\n    return 1"),
            NOTHING,
            "did not end in a number",
        ),
        "negative points": of(
            blank(plain="def plain():\n    get_ipython().displayhook(-1.0)\n    return 1"),
            NOTHING,
            "did not end in a number",
        ),
        "points that are no number": of(
            blank(plain="def plain():\n    get_ipython().displayhook(float('nan'))\n    quit()"),
            NOTHING,
            "is still reached",
        ),
    },
    "objects that always agree": {
        "an object that always agrees": answer(
            f"{YES}\n{HEAD}\n    return Yes(), {{'u': Yes()}}", said="not of the kind"
        ),
        "an object in disguise": answer(DISGUISE, said="not of the kind"),
        "an array of objects": answer(
            f"{YES}\n{HEAD}\n    a = np.array([Yes()] * theta.size, dtype=object)\n"
            "    return a.reshape(theta.shape), {'u': a.reshape(theta.shape)}",
            said="ValueError",
        ),
        "an array that always agrees": answer(
            "class A(np.ndarray):\n    def __eq__(self, other): return True\n"
            "    def __array_ufunc__(self, *a, **k): return True\n"
            f"{HEAD}\n    return theta.view(A), {{'u': theta.view(A)}}",
            said="not of the kind",
        ),
        "a dict that has all keys": answer(
            "class D(dict):\n    def __getitem__(self, key): return self\n"
            f"    def __contains__(self, key): return True\n{HEAD}\n    return theta, D()",
            said="not of the kind",
        ),
        "right once": answer(ONCE, ALL | {"test_momentum": 1.0}, "not right"),
    },
    "patched libraries": {
        "patched comparisons": cheat(PATCH, said="is still reached"),
        "patched, and something wrong returned": more(
            PATCH,
            without("momentum"),
            "not right",
            momentum=f"{HEAD}\n    return 0 * theta, {{'u': theta}}",
        ),
        "check replaced": cheat(
            "class V:\n    def award(s): return 5.0\ncheck = lambda *a: V()",
            said="is still reached",
        ),
        "the grader's own code patched": more(
            PATCH_INSIDE, without("momentum", "nesterov"), "not right"
        ),
    },
    "the reference, or a library, called": {
        "the reference called": answer(
            f"from course.optimizers import momentum as right\n{HEAD}\n"
            "    return right(theta, grad, state, lr=lr, momentum=momentum)",
            said="it uses course",
        ),
        "the reference called under another name": answer(
            f"{HEAD}\n    import importlib\n"
            "    rule = importlib.import_module('course.' + 'optimizers').momentum\n"
            "    return rule(theta, grad, state, lr=lr, momentum=momentum)",
            said="KeptOut",
        ),
        "torch called": answer(body("import torch\nx = torch.tensor(theta)"), said="it uses torch"),
        "torch called in a cell": more("import torch\ntorch.set_default_dtype(torch.float64)"),
        "torch.optim computes": answer(
            f"{HEAD}\n    import torch\n    p = torch.nn.Parameter(torch.tensor(theta))\n"
            "    p.grad = torch.tensor(grad)\n"
            "    torch.optim.SGD([p], lr=lr, momentum=momentum).step()\n"
            "    return p.detach().numpy(), {'u': -lr * grad}",
            said="it uses torch",
        ),
        "scipy called": answer(
            body("from scipy.special import softmax\nsoftmax(theta)"), said="it uses scipy"
        ),
        "a search for what is expected": answer(SEARCH, said="theta after step 1"),
    },
    "the gradebook changed": {
        "SQL on the gradebook": cheat(DATABASE, said="is still reached"),
    },
    "other people's files read": {
        "looks for the gradebook and the course's secrets": looks(FILES),
        "looks for others' notebooks": looks(OTHERS),
        "looks at other places": looks(MOUNTS),
        "links to other places": looks(LINKS),
    },
    "modules shadowed": {
        "shadows modules": more(SHADOW),
    },
    "environment and home read": {
        "looks for secrets": looks(SECRETS),
    },
    "the network": {
        "looks for the network": looks(NETWORK),
        "listens": more("import socket\ns = socket.socket()\ns.bind(('', 0))\ns.listen()"),
        "downloads": more("!curl -s -m 2 https://example.org\n%pip install nothing-of-that-name"),
    },
    "the grader's process attacked": {
        "reads and traces its parent": looks(PARENT),
        "signals to all": more(
            "import os\nfor pid in (1, -1):\n    try: os.kill(pid, 9)\n    except OSError: pass"
        ),
        "a signal to its group": more("import os\nos.kill(0, 9)"),
        "its own memory overwritten": answer(
            body("import ctypes\nctypes.memset(id(theta), 255, 64)\ntheta + 1"),
            said="a segmentation fault",
        ),
        "None overwritten": answer(
            body("import ctypes\nctypes.memset(id(None), 0, 16)\nx = None"), said="momentum"
        ),
        "/proc/self/mem written": more(
            "with open('/proc/self/mem', 'r+b') as f:\n    f.seek(id(None))\n    f.write(b'x' * 64)"
        ),
        "a reply forged": forged(
            "send(['reply', ['answer', [theta, {'u': theta}], [], []]])",
            "wrong_value",
        ),
        "an early end": forged(
            "send(['reply', ['granted', 5.0]])\n__import__('os')._exit(0)",
            "sent what no answer can be",
        ),
        "a call of nothing": forged("send(['callback', 99, (), {}])"),
        "a thousand messages": forged(
            "[send(['reply', k]) for k in range(1000)]", "sent what no answer can be"
        ),
        "sixty megabytes of lists": forged(
            "text = b'[' + b'[],' * 20_000_000 + b'0]'\n"
            "connection.sendall(len(text).to_bytes(8, 'big') * 2 + text)"
        ),
        "nonsense": forged("connection.sendall(b'x' * 100)"),
        "a message that never ends": forged(
            "connection.sendall((1000).to_bytes(8, 'big') * 2)", "did not stop when"
        ),
        "the connection closed": forged("connection.close()", "ended itself"),
        "all files closed": more("import os\nos.closerange(0, 256)", said="the cells after it"),
    },
}
