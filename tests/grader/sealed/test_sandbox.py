"""The sandbox: what a submission's process cannot see, reach, keep or use up."""

import socket
import sys
import time

import numpy as np
import psutil
import pytest

from course._ranks import Office
from course.checking.call import Crashed, Deadlocked, NotAttempted
from course.checking.compare import WrongKind
from course.data import digits
from grader.sealed import Gone, Limits, Sandbox, examine
from grader.sealed.protection import SCRATCH

SEALED = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
HOME = f"{SCRATCH}/submission"
LIMITS = Limits(memory=300 * 2**20, disk=4 * 2**20, files=50, processes=16)


@pytest.fixture(scope="module", name="sandbox")
def _sandbox():
    sandbox = Sandbox(examine("require"), ("numpy",), LIMITS)
    yield sandbox
    sandbox.close()


@pytest.fixture(name="session")
def _session(sandbox):
    with sandbox.session() as session:
        yield session


def shown(session, source, seconds=20):
    """Run a cell and return what it printed, or its error's last line."""
    texts = [o.get("text") or o["traceback"][-1] for o in session.run(source, seconds)]
    return "".join(texts).strip()


def own_processes():
    return len(psutil.Process().children(recursive=True))


SWALLOW = """
import ctypes, time
ctypes.CDLL(None).prctl(1, 0)
while True:
    try:
        time.sleep(600)
    except BaseException:
        pass
"""


def function(session, source, name="f"):
    assert session.run(source, 20) == []
    return session.find(name, ("numpy",)).allow(20)


@SEALED
def test_only_its_own_folder_can_be_written_to(session):
    tried = """
import os
def works(place):
    try:
        open(os.path.join(place, "x"), "w").close()
        return True
    except OSError:
        return False
print(sorted(folder for folder, _, _ in os.walk("/") if works(folder) and folder.count("/") < 3))
"""
    assert shown(session, tried) == str(sorted([SCRATCH, HOME, "/dev/shm"]))


@SEALED
def test_the_user_s_files_are_not_there(session, tmp_path):
    (tmp_path / "gradebook.db").write_text("secret")
    paths = [
        str(tmp_path / "gradebook.db"),
        __file__,
        "/etc/passwd",
        "/home",
        "/var",
        "/etc/shadow",
    ]
    assert shown(session, f"import os\nprint([p for p in {paths!r} if os.path.exists(p)])") == "[]"


@SEALED
def test_the_references_are_not_there(session):
    look = "import os, course\nprint(sorted(os.listdir(os.path.dirname(course.__file__))))"
    tools = {"__init__.py", "_arrays.py", "_numbers.py", "_ranks.py"}
    there = tools | {"_inside", "checking", "exercises", "parallel"}
    assert set(eval(shown(session, look))) - {"__pycache__"} == there
    search = """
found = []
for folder, _, files in os.walk("/"):
    for name in files:
        if name.endswith(".py"):
            try:
                text = open(os.path.join(folder, name)).read()
            except (OSError, UnicodeDecodeError):
                continue
            names = ("strong_" + "wolfe", "nesterov_" + "lookahead", "ring_" + "all_gather")
            if any("def " + name in text for name in names):
                found.append(name)
print(found)
"""
    assert shown(session, search, 60) == "[]"


def test_the_data_sets_are_there_where_they_are_wanted():
    sandbox = Sandbox(examine("best"), ("numpy",), LIMITS, with_data=True)
    with sandbox.session() as session:
        source = (
            "from course.data import digits\nprint(digits().x_train.shape, digits().y_test[:3])"
        )
        split = digits()
        assert shown(session, source) == f"{split.x_train.shape} {split.y_test[:3]}"
        assert "while grading" in shown(session, "digits(seed=3)")
        assert "has no batches" in shown(session, "import course.data\ncourse.data.batches")
    sandbox.close()


@SEALED
def test_the_environment_holds_no_secret(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hush")
    sandbox = Sandbox(examine("require"), ("numpy",), LIMITS)
    with sandbox.session() as session:
        text = shown(session, "import os\nprint(dict(os.environ), os.getlogin)")
    sandbox.close()
    assert "hush" not in text
    assert "SEED" not in text


@SEALED
def test_there_is_no_network(session):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        tried = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2)"
        assert "Error" in shown(session, tried)
    assert "Error" in shown(session, "socket.create_connection(('1.1.1.1', 53), timeout=2)")


@SEALED
def test_no_other_process_can_be_seen_or_reached(session):
    assert shown(session, "import os\nprint(os.listdir('/proc'))") == "[]"
    reach = """
reached = []
for pid in range(2, 400):
    try:
        os.kill(pid, 0)
        reached.append(pid)
    except (ProcessLookupError, PermissionError):
        pass
print(reached, os.getpid())
"""
    assert shown(session, reach) == "[] 1"


@SEALED
def test_no_right_is_left(session):
    tried = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.umount2(b"/dev/shm", 2), libc.mount(b"x", b"/usr", b"tmpfs", 0, b""), libc.setuid(0))
"""
    assert shown(session, tried) == "-1 -1 -1"


@SEALED
def test_nothing_outlives_a_session(sandbox):
    detach = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("there", "w").close()
        while True:
            pass
    os._exit(0)
time.sleep(0.3)
print(os.listdir())
"""
    with sandbox.session():
        pass  # now the server is there
    before = own_processes()
    with sandbox.session() as session:
        assert shown(session, detach) == "['there']"
        assert own_processes() > before + 2
        with pytest.raises(Gone):
            session.run(SWALLOW, 0.2)
    assert own_processes() == before
    with sandbox.session() as session:
        assert shown(session, "import os\nprint(os.listdir())") == "[]"


@SEALED
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import numpy as np\nx = np.ones(10**9)", "Unable to allocate"),
        ("x = ['x' * 10**6 for _ in range(10**6)]", "MemoryError"),
        ("import mmap\nmmap.mmap(-1, 2 * 10**9)", "Cannot allocate memory"),
        ("open('big', 'wb').write(b'x' * 10**8)", "Error"),
        ("for k in range(100): open(str(k), 'w').close()", "No space left on device"),
        (
            "import os\nfor _ in range(100):\n    if os.fork() == 0: import time; time.sleep(60)",
            "Resource temporarily unavailable",
        ),
        (
            "import threading, time\n"
            "for _ in range(100): threading.Thread(target=time.sleep, args=(60,)).start()",
            "can't start new thread",
        ),
        ("files = [open('/dev/null') for _ in range(1000)]", "Too many open files"),
    ],
)
def test_what_it_may_use_has_an_end(session, source, said):
    assert said in shown(session, source)


@SEALED
def test_memory_of_many_processes_together_has_an_end(session):
    many = """
import os, time
import numpy as np
for _ in range(8):
    if os.fork() == 0:
        x = np.ones(25 * 10**6)
        time.sleep(60)
time.sleep(60)
"""
    with pytest.raises(Gone, match="used more memory than a submission may"):
        session.run(many, 20)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os\nos._exit(7)", "ended itself with the exit code 7"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV, a segmentation fault"),
        (
            "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass",
            "did not stop when its time was up",
        ),
        (
            "import os\nfor n in range(3, 256):\n    try: os.close(n)\n    except OSError: pass",
            "ended",
        ),
        (
            "import os\nfor n in range(3, 20):\n    try: os.write(n, b'x' * 1000)\n"
            "    except OSError: pass\nimport time; time.sleep(5)",
            "was ended",
        ),
    ],
)
def test_an_end_is_told_and_the_next_session_works(sandbox, monkeypatch, source, reason):
    monkeypatch.setattr("grader.sealed.sandbox.GRACE", 0.5)
    with sandbox.session() as session, pytest.raises(Gone, match=reason):
        session.run(source, 1)
    with sandbox.session() as session:
        assert shown(session, "print(1)") == "1"


def test_an_endless_cell_is_stopped_and_the_program_lives_on(session):
    begin = time.monotonic()
    assert "stopped after 0.3 s" in shown(session, "kept = 1\nwhile True: pass", 0.3)
    assert "stopped after 0.3 s" in shown(session, "import time\ntime.sleep(1e6)", 0.3)
    assert time.monotonic() - begin < 20
    assert shown(session, "print(kept)") == "1"


def test_a_call_gives_values_changes_and_warnings(session):
    f = function(
        session,
        "import numpy as np, warnings\n"
        "def f(x, state):\n    warnings.warn('mind')\n    x += 1\n"
        "    return x, dict(state, n=(2,))",
    )
    given = np.ones((2, 2), dtype="f4")
    answer = f.guarded_call(("x", "state"), (given, {"t": 1}), {})
    np.testing.assert_array_equal(answer.result[0], np.full((2, 2), 2, dtype="f4"))
    assert answer.result[1] == {"t": 1, "n": (2,)}
    assert (answer.changed, answer.warned) == (frozenset({"x"}), ("mind",))
    np.testing.assert_array_equal(given, np.ones((2, 2)))


def test_functions_are_called_back(session):
    seen = []

    def square(x, power=2):
        seen.append(x)
        return x**power

    f = function(session, "def f(fun): return [fun(3), fun(2.0, power=3)]")
    assert f.guarded_call(("fun",), (square,), {}).result == [9, 8.0]
    assert seen == [3, 2.0]


def test_an_error_of_a_function_called_back_reaches_the_student(session):
    def picky(x):
        raise ValueError("shape (3,) expected")

    f = function(session, "def f(fun):\n    try: fun(1)\n    except ValueError as e: return str(e)")
    assert f.guarded_call(("fun",), (picky,), {}).result == "shape (3,) expected"
    g = function(session, "def f(fun): return fun(1)")
    with pytest.raises(Crashed, match=r"line 1, in f\n(.*\n)?ValueError: shape"):
        g.guarded_call(("fun",), (picky,), {})


LIES = {
    "an object": (
        "class Yes:\n    def __eq__(s, o): return True\ndef f(): return Yes()",
        WrongKind,
    ),
    "an array's subclass": (
        "import numpy as np\nclass A(np.ndarray): pass\ndef f(): return np.ones(2).view(A)",
        WrongKind,
    ),
    "objects in an array": ("import numpy as np\ndef f(): return np.array([object()])", WrongKind),
    "quit": ("def f(): quit()", Crashed),
    "exit": ("import sys\ndef f(): sys.exit(0)", Crashed),
    "not yet": ("def f(): raise KeyboardInterrupt", Crashed),
}


@pytest.mark.parametrize(("source", "error"), LIES.values(), ids=LIES)
def test_only_plain_values_come_back(session, source, error):
    f = function(session, source)
    with pytest.raises(error):
        f.guarded_call((), (), {})


@pytest.mark.parametrize("large", ["np.ones(9 * 10**6)", "[0.0] * (3 * 10**6)"])
def test_a_result_that_is_too_large_is_told_as_that(session, large):
    f = function(session, f"import numpy as np\ndef f(): return {large}")
    with pytest.raises(WrongKind, match=r"the result is too large: the values have \d+ MB; up to"):
        f.guarded_call((), (), {})
    assert function(session, "def f(): return 1").guarded_call((), (), {}).result == 1


FORGED = """
import gc
import os
from course._inside.program import Program
program = next(o for o in gc.get_objects() if type(o) is Program)
channel = program._channel
def f():
    {forgery}
"""
FORGERIES = {
    "another reply": 'channel.send(["reply", ["granted", 5.0]])',
    "an early reply": 'channel.send(["reply", ["answer", 1.0, [], []]]); os._exit(0)',
    "a call of nothing": 'channel.send(["callback", 99, (), {}])',
    "nonsense": 'channel._connection.sendall(b"x" * 100)',
    "points": 'channel.send(["points", 5.0])',
}


def forged(f):
    try:
        return f.guarded_call((), (), {}).result
    except Crashed as error:
        return str(error)[:11]


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_message_is_a_value_at_most(sandbox, forgery):
    with sandbox.session() as session:
        f = function(session, FORGED.format(forgery=forgery))
        assert forged(f) in (1.0, "the program")
    with sandbox.session() as session:
        assert shown(session, "print(1)") == "1"


def test_state_does_not_pass_from_one_session_to_the_next(sandbox):
    spoil = (
        "import numpy as np, warnings, os, builtins, sys\n"
        "np.random.seed(0); np.seterr(all='raise'); warnings.simplefilter('error')\n"
        "builtins.spoiled = True; np.spoiled = True; os.chdir('/'); sys.stdout.close()"
    )
    with sandbox.session() as session:
        session.run(spoil, 10)
    look = "import numpy as np\nprint('spoiled' in dir(__builtins__), hasattr(np, 'spoiled'))"
    with sandbox.session() as session:
        assert shown(session, look) == "False False"


def test_without_a_sandbox_sessions_work_too():
    sandbox = Sandbox(examine("off"), ("numpy",), LIMITS)
    with sandbox.session() as session:
        assert (
            shown(session, "import os\nprint(os.path.basename(os.getcwd())[:11])") == "submission-"
        )
        assert function(session, "def f(): return 1").guarded_call((), (), {}).result == 1
        assert "not among the allowed" in shown(session, "import torch\ntorch.zeros(1)")
    sandbox.close()


# --- ranks -----------------------------------------------------------------------------------

RANKS = "import numpy as np\ndef f(channel, x):\n    "


def on_ranks(session, body, size=3):
    """Run an answer on several ranks, and return what each gave and the office here."""
    office = Office(size, limit=10_000)
    f = function(session, RANKS + body)
    calls = [{"channel": line, "x": np.full(2, float(line.rank))} for line in office.lines()]
    return f.guarded_calls(("channel", "x"), calls), office


RING = (
    "channel.send(x, (channel.rank + 1) % channel.size)\n"
    "    return channel.recv((channel.rank - 1) % channel.size)"
)


def test_ranks_send_through_an_office_on_this_side(session):
    answers, office = on_ranks(session, RING)
    assert [answer.result.tolist() for answer in answers] == [[2, 2], [0, 0], [1, 1]]
    assert office.bytes_sent() == [16, 16, 16]
    assert office.left_over() == 0


def test_what_a_rank_changes_is_told_of_that_rank(session):
    answers, _ = on_ranks(session, "if channel.rank == 1: x += 1\n    return x")
    assert [answer.changed for answer in answers] == [frozenset(), {"x"}, frozenset()]


ENDS = {
    "a deadlock": ("return channel.recv((channel.rank + 1) % channel.size)", Deadlocked),
    "a crash": ("1 / 0", Crashed),
    "not attempted": ("raise NotImplementedError", NotAttempted),
    "no plain value": ("return channel", WrongKind),
    "a large value": ("return np.ones(3 * 10**6)", WrongKind),
    "too much": ("while True: channel.send(x, (channel.rank + 1) % channel.size)", Crashed),
}


@pytest.mark.parametrize(("body", "kind"), ENDS.values(), ids=ENDS)
def test_what_ranks_give_instead_of_an_answer(session, body, kind):
    answers, _ = on_ranks(session, body)
    assert all(isinstance(answer, kind) for answer in answers)


def test_a_deadlock_names_who_waits(session):
    answers, _ = on_ranks(session, ENDS["a deadlock"][0])
    assert answers[0].waits == {0: 1, 1: 2, 2: 0}


def test_a_rank_that_never_returns_is_ended_in_time(sandbox):
    with sandbox.session() as session:
        f = function(session, RANKS + "while channel.rank == 1: pass\n    return x").allow(0.5)
        lines = Office(2).lines()
        calls = [{"channel": line, "x": np.zeros(1)} for line in lines]
        with pytest.raises(Crashed, match="took all the time it may"):
            f.guarded_calls(("channel", "x"), calls)
        assert session.has_ended


FORGED_WAITS = {
    "too high": "{0: 7}",
    "no number": "{0: 'the answer is 4.25'}",
    "an unhashable": "{0: [1]}",
    "a fraction": "{0: 0.125}",
}


@pytest.mark.parametrize("waits", FORGED_WAITS.values(), ids=FORGED_WAITS)
def test_nothing_is_smuggled_out_as_a_deadlock(sandbox, waits):
    forgery = f'channel.send(["reply", ["ranks", [["deadlock", {waits}]] * 3]])'
    source = FORGED.replace("def f():", "def f(channel_, x):").format(forgery=forgery)
    with sandbox.session() as session:
        f = function(session, source)
        calls = [{"channel_": line, "x": np.zeros(1)} for line in Office(3).lines()]
        with pytest.raises(Crashed, match="sent what no answer can be"):
            f.guarded_calls(("channel_", "x"), calls)


def test_ranks_can_be_run_there_and_the_collectives_are_absent(session):
    trial = """
import numpy as np
from course.parallel import ring_all_reduce, run_ranks
def around(channel, x):
    channel.send(x, (channel.rank + 1) % channel.size)
    return channel.recv((channel.rank - 1) % channel.size)
print(run_ranks(around, [np.zeros(1), np.ones(1)]).values)
def f(channel, x): return ring_all_reduce(channel, x)
"""
    assert shown(session, trial) == "[array([1.]), array([0.])]"
    found = session.find("f", ("numpy",))
    assert found.foreign_libraries(("numpy",)) == ["course"]
    assert "KeptOut" in shown(session, "ring_all_reduce(None, np.zeros(1))")
