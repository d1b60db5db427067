"""Answers that end, loop, print, leave a state behind, or are wrong in unusual ways."""

from handed_in.making import ALL, HEAD, answer, body, more, of, without
from judged_release import MOMENTUM, answered

RETURN = "return theta + u"
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
SCRIPT = "<script>window.hacked = true</script><iframe src='https://example.org'></iframe>"


CALLABLE = MOMENTUM.replace("def momentum(", "def step(")
CELL_MAGIC = """
%load_ext autoreload
%autoreload 2
%matplotlib inline
%config InlineBackend.figure_format = 'svg'
%timeit -n 1 -r 1 1 + 1
!echo shell
files = !ls
"""
PRINTS = """
import threading, time
def talk():
    while True:
        print("x" * 100)
        time.sleep(0.001)
threading.Thread(target=talk, daemon=True).start()
"""
ODD_DISPLAYS = """
from IPython.display import display
class Odd:
    def __repr__(self): raise OSError("no")
    def _repr_html_(self): return 7
    def _repr_png_(self): return b"no picture"
    def _repr_mimebundle_(self, **k): return {"text/plain": object(), "a/b": {1: float("nan")}}
display(Odd())
display({1: 2, "text/plain": Odd()}, raw=True)
Odd()
"""
ODD_TEXTS = """
print("\\ud800 \\x00 \\x1b[31m")
display({"text/plain": "\\udfff"}, raw=True)
raise type("\\ud800", (Exception,), {})("\\udc00")
"""
DELETE = """
import builtins
for name in ("len", "isinstance", "print", "type", "open", "__import__", "__build_class__"):
    delattr(builtins, name)
"""
LIES = "import builtins\nbuiltins.isinstance = builtins.callable = lambda *a: True"
TRACE = """
import gc, sys, threading
sys.settrace(lambda *a: None)
sys.setprofile(lambda *a: None)
threading.settrace(lambda *a: None)
gc.disable()
sys.setswitchinterval(100)
sys.excepthook = sys.unraisablehook = sys.displayhook = None
"""
SIGNALS = """
import signal
for number in signal.valid_signals():
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
"""
MODULES = "import sys\nsys.modules.clear()\nsys.path.clear()\nsys.meta_path.clear()"
JSON = "import json, struct, socket, numpy\njson.dumps = json.loads = struct.unpack = None"
DEEP = f"""
{HEAD}
    u = theta
    for _ in range(100_000):
        u = [u]
    return theta, {{"u": u}}
"""
ITSELF = f"{HEAD}\n    u = {{}}\n    u['u'] = u\n    return theta, u"


def returns(value, said="not of the kind", state="{'u': u}"):
    """Return a submission whose momentum returns this in the place of the new parameters."""
    return answer(
        MOMENTUM.replace('return theta + u, {"u": u}', f"return {value}, {state}"), said=said
    )


HALF = ALL | {"test_momentum": 1.5, "test_nesterov": 1.5}


GROUPS = {
    "processes that stay": {
        "a process that detaches": more(DETACH),
        "a fork that goes on": more("import os\nos.fork()"),
        "a fork in an answer": answer(body("import os\nos.fork()"), ALL),
        "a thread that prints for ever": more(PRINTS),
    },
    "the machine used up": {
        "a fork bomb": more("import os\nwhile True:\n    os.fork()", ALL),
        "a memory bomb": more("x = []\nwhile True:\n    x.append(bytearray(10**7))", ALL),
        "a disk bomb": more(
            "with open('x', 'wb') as f:\n    while True: f.write(b'x' * 10**6)", ALL
        ),
        "shared memory filled": more(
            "with open('/dev/shm/x', 'wb') as f:\n    while True: f.write(b'x' * 10**6)", ALL
        ),
        "thousands of files": more("for k in range(10**6): open(str(k), 'w').close()", ALL),
        "thousands of threads": more(
            "import threading, time\n"
            "while True: threading.Thread(target=time.sleep, args=(99,)).start()",
            ALL,
        ),
        "too much memory in an answer": answer(
            body("np.ones((10**6, 10**5))"), said="_ArrayMemoryError"
        ),
        "a small array of 80 GB": returns("np.broadcast_to(0.0, (10**5, 10**5))", "momentum"),
    },
    "the program ended": {
        "os._exit in an answer": answer(f"import os\n{HEAD}\n    os._exit(0)", said="exit code 0"),
        "os._exit in a cell": answer("import os\nos._exit(0)", said="exit code 0"),
        "a segmentation fault": answer(
            body("import ctypes\nctypes.string_at(0)"), said="a segmentation fault"
        ),
        "killed by itself": answer(body("import os\nos.abort()"), said="was ended by the signal"),
        "input": answer(body("input('?')"), said="EOFError"),
        "SystemExit": answer(body("raise SystemExit"), said="SystemExit"),
        "KeyboardInterrupt": answer(body("raise KeyboardInterrupt"), said="momentum"),
        "quit": answer(body("quit()"), said="momentum"),
        "recursion without end": answer(
            body("return momentum(theta, grad, lr=lr)"), said="momentum"
        ),
        "recursion without any limit": answer(
            body(
                "import sys\nsys.setrecursionlimit(10**9)\n"
                "x = eval('[' * 5 + ']' * 5)\nrepr_of = lambda x: repr_of([x]) + str([x])\n"
                "repr_of(x)"
            ),
            said="momentum",
        ),
    },
    "loops without end": {
        "an endless loop": answer(body("while True: pass"), said="a loop that never ends"),
        "an endless loop that will not stop": answer(
            body(
                "while True:\n    try:\n        import time; time.sleep(9)\n"
                "    except BaseException: pass"
            ),
            said="did not stop when its time was up",
        ),
        "an endless sleep": answer(body("import time\ntime.sleep(1e9)"), said="never ends"),
        "an endless loop in a cell": answer(
            "while True: pass\n" + MOMENTUM, said="no function momentum"
        ),
        "a very large number": answer(body("(10**8) ** (10**7)"), said="never ends"),
        "an expression for fools": answer(
            body("import re\nre.match('(a+)+$', 'a' * 99 + 'b')"), said="momentum"
        ),
    },
    "too much output": {
        "endless printing": more("while True: print('x' * 1000)", ALL),
        "one long line": more("print('x' * 5_000_000)", ALL),
        "a large picture": more(
            "from IPython.display import display\n"
            "display({'image/png': 'A' * 200_000_000}, raw=True)",
            ALL,
        ),
        "ten thousand displays": more("for k in range(10_000): display(k)", ALL),
        "printing in an answer": answer(
            body("print('x' * 10**6)\nimport sys\nsys.stdout.flush()\nsys.__stdout__.write('y')"),
            ALL,
        ),
        "a traceback of megabytes": more("raise ValueError('x' * 20_000_000)", ALL),
    },
    "output that is right, and more": {
        "writes to stderr": answer(body("import sys\nprint('careful', file=sys.stderr)"), ALL),
        "raises a warning": answer(body("import warnings\nwarnings.warn('careful')"), ALL),
        "a warning without end": answer(
            body("import warnings\n[warnings.warn('x' * 1000 + str(k)) for k in range(1000)]"),
            ALL,
        ),
    },
    "state left behind": {
        "global state": more(STATE),
        "tracing, hooks and collection": more(TRACE),
        "the recursion limit": more("import sys\nsys.setrecursionlimit(60)"),
        "signals blocked": more(SIGNALS),
        "modules forgotten": more(
            MODULES, without("momentum", "nesterov", "plain"), "nothing of that name"
        ),
        "builtins deleted": more(DELETE),
        "builtins that lie": more(LIES, said="the cells after it"),
        "the grader's libraries broken": more(JSON),
        "names taken": more("np = check = get_ipython = display = None", HALF, "AttributeError"),
        "names deleted": more("%reset -f", HALF, "NameError"),
        "time stopped": more("import time\ntime.time = time.monotonic = lambda: 0.0"),
        "an alarm": more("import signal\nsignal.alarm(1)\nsignal.setitimer(1, 0.5)"),
    },
    "cells that are no Python": {
        "magic": more(CELL_MAGIC),
        "a cell of another language": more("%%bash\necho $HOME\nexit 3"),
        "a program that waits": more("!cat"),
        "another file run": more("%run other.py"),
        "await": more("import asyncio\nawait asyncio.sleep(0)\nx = 1"),
        "a timed answer": answer("%%time\n" + MOMENTUM, ALL),
        "an answer written to a file": answer(
            "%%writefile answer.py\n" + MOMENTUM, said="no function momentum"
        ),
    },
    "functions of other kinds": {
        "a lambda": answer(
            "momentum = lambda theta, grad, state=None, *, lr, momentum=0.9: (lambda u: "
            "(theta + u, {'u': u}))(momentum * (0 if state is None else state['u']) - lr * grad)",
            ALL,
        ),
        "functools.partial": answer(
            f"import functools\n{CALLABLE}\nmomentum = functools.partial(step)", ALL
        ),
        "an object that can be called": answer(
            "class Momentum:\n    def __call__(self, theta, grad, state=None, *, lr, momentum=0.9):"
            "\n        u = 0 * theta if state is None else state['u']\n"
            "        u = momentum * u - lr * grad\n        return theta + u, {'u': u}\n"
            "momentum = Momentum()",
            ALL,
        ),
        "loops instead of vectors": answer(
            f"{HEAD}\n    u = np.zeros_like(theta) if state is None else state['u']\n"
            "    u = np.array([momentum * a - lr * b for a, b in zip(u.ravel(), grad.ravel())],"
            " dtype=theta.dtype).reshape(theta.shape)\n    return theta + u, {'u': u}",
            ALL,
        ),
        "a generator": answer(f"{HEAD}\n    yield theta\n    yield {{}}", said="not of the kind"),
        "a coroutine": answer("async " + MOMENTUM, said="not of the kind"),
        "no function": answer("momentum = 0.9", said="no function momentum to check, but"),
        "a class": answer("class momentum:\n    pass", said="TypeError"),
        "too few arguments": answer("def momentum(theta): return theta", said="TypeError"),
        "a callable that cannot be looked at": answer(
            "class M:\n    def __getattribute__(self, name): raise OSError(name)\n"
            "    def __call__(self, *a, **k): return 1\nmomentum = M()",
            said="not of the kind",
        ),
    },
    "arguments changed or returned": {
        "changes what it is given": answer(
            body("theta += 0.0 * grad + 1.0\ntheta -= 1.0\ngrad *= 1.0\ngrad[...] = 0 * grad"),
            said="not right",
        ),
        "returns what it is given": answer(
            f"{HEAD}\n    return theta, {{'u': theta}}", said="not right"
        ),
        "changes it after the return": answer(
            MOMENTUM.replace("return theta + u", "theta += u\n    return theta")
            + "\n# in place, as the exercise forbids",
            points=ALL | {"test_momentum": 4.5},
            said="changes what it is given",
        ),
        "changes an earlier result": answer(
            "given = []\n"
            + MOMENTUM.replace(
                RETURN,
                "for old in given:\n        old.fill(7.0)\n    result = theta + u\n"
                "    given[:] = [result, u]\n    return result",
            ),
            ALL,
        ),
    },
    "results of other kinds": {
        "returns float32": answer(
            MOMENTUM.replace(RETURN, "return (theta + u).astype('f4')"), said="momentum"
        ),
        "returns a list": answer(
            MOMENTUM.replace(RETURN, "return (theta + u).tolist()"), said="expected an array"
        ),
        "returns a number": answer(
            MOMENTUM.replace(RETURN, "return float((theta + u).sum())"), said="got a number"
        ),
        "returns a column": answer(
            MOMENTUM.replace(RETURN, "return (theta + u)[..., None]"),
            said="got an array of shape",
        ),
        "returns NaN": answer(MOMENTUM.replace(RETURN, "return np.nan * theta"), said="not right"),
        "returns nothing": answer(f"{HEAD}\n    theta + 1", said="not of the kind"),
        "returns something that fails when looked at": answer(
            f"class Lazy:\n    def __getattribute__(self, name): raise OSError(name)\n"
            f"{HEAD}\n    return Lazy(), Lazy()",
            said="not of the kind",
        ),
        "a larger precision": answer(
            MOMENTUM.replace(RETURN, "return (theta + u).astype(np.longdouble)"),
            ALL | {"test_momentum": 4.5},
            "float32 out",
        ),
        "complex numbers": returns("theta + u + 0j"),
        "a matrix": returns("np.asmatrix(theta + u)"),
        "a masked array": returns("np.ma.masked_array(theta + u)"),
        "a structured array": returns("np.zeros(theta.shape, [('a', 'f8')])"),
        "texts": returns("(theta + u).astype(str)"),
        "dates": returns("np.zeros(theta.shape, 'M8[s]')"),
        "a memoryview": returns("memoryview(theta + u)"),
        "its own frame": returns("__import__('sys')._getframe()"),
        "all it knows": returns("theta + u", state="{'u': u, 'all': globals()}"),
        "a function": returns("lambda: theta + u"),
        "an endless iterator": returns("iter(int, 1)"),
        "a dict with a million keys": returns(
            "theta + u", "momentum", "dict.fromkeys(range(10**6), 0.0)"
        ),
        "millions of lists": returns("[[]] * 3_000_000", "momentum"),
        "an integer of a million digits": returns("10**10**6"),
        "a result nested deeply": answer(DEEP, said="not of the kind"),
        "a result that contains itself": answer(ITSELF, said="not of the kind"),
        "half a character in a result": returns("'\\ud800'", "momentum"),
    },
    "what could act in a browser": {
        "a script in a text": of(answered(why=SCRIPT), ALL),
        "a script in an output": more(
            f"from IPython.display import HTML, display\ndisplay(HTML({SCRIPT!r}))", ALL
        ),
        "a script in an error": answer(
            f"{HEAD}\n    raise ValueError({SCRIPT!r})", said="ValueError"
        ),
        "displays of odd kinds": more(ODD_DISPLAYS),
        "texts that no file can hold": more(ODD_TEXTS),
    },
}
