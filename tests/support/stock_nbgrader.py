"""Stock nbgrader on one submission: `nbgrader autograde` as it comes, in a class folder of its own.

So that a fork bomb or a full disk costs this machine nothing, it runs in a sandbox with limits;
inside, nbgrader and the submission share one user, one folder and the network, as they always do.
nbgrader is imported once and forked for each submission: its import takes longer than its work.
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from grader.sealed.inside import isolate
from grader.sealed.protection import submission_uid, system_folders, way_to
from grader.stock import open_gradebook
from judged_release import release
from small_release import cell_of

ROOT = Path(__file__).resolve().parents[2]
LOST, ABORTED = "lost", "lost, and the whole batch aborted"
CELL_TIMEOUT, LONGEST = 10, 120
LIMITS = isolate.Limits(memory=4 * 2**30, disk=400 * 2**20, files=20_000, processes=200)
_TESTS = ("test_momentum", "test_nesterov", "test_plain")
_CONFIG = f"""
c = get_config()
c.CourseDirectory.course_id = "training-neural-networks"
c.ExecutePreprocessor.timeout = {CELL_TIMEOUT}
"""


class Stock:
    """A class folder and a warm nbgrader for it; close it at the end."""

    def __init__(self, folder):
        self._uid = submission_uid()
        self._class = _make_class(folder / "class")
        self._out = folder / "out"
        self._out.mkdir()
        arguments = [sys.executable, str(Path(__file__)), str(self._uid or 0)]
        self._process = subprocess.Popen(
            [*self._sandbox(), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "errors").open("wb"),
            env=_environment() | {"HOME": "/tmp", "PYTHONPATH": str(ROOT)},
            text=True,
        )

    def outcome(self, content):
        """Say what stock nbgrader gives for a submission: points, or that there are none."""
        # Behind it waits a submission that fails at once: whether its turn comes is in the log.
        for student, handed_in in (("ada", content), ("zoe", b"{")):
            notebook = self._class / "submitted" / student / "ps1" / "problem.ipynb"
            notebook.parent.mkdir(parents=True, exist_ok=True)
            notebook.write_bytes(handed_in)
        for left in self._out.iterdir():
            left.unlink()
        self._process.stdin.write("next\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"
        points = _points(self._out / "gradebook.db")
        if points is not None:
            return " + ".join(f"{p:g}" for p in points)
        log = (self._out / "log").read_text(errors="replace")
        return LOST if "submitted/zoe/ps1" in log else ABORTED

    def close(self):
        self._process.kill()
        self._process.communicate()

    def _sandbox(self):
        command = ["bwrap", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--new-session"]
        command += ["--cap-add", "ALL", *([] if self._uid else ["--unshare-user"])]
        command += [*system_folders(), "--ro-bind", "/etc", "/etc"]
        own = (str(ROOT / name) for name in ("course", "grader", "tests/support"))
        for folder in dict.fromkeys((sys.base_prefix, sys.prefix, *own)):
            command += [*way_to(folder), "--ro-bind", folder, folder]
        command += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
        return [*command, "--ro-bind", str(self._class), "/class", "--bind", str(self._out), "/out"]


def _make_class(root):
    """Release the small notebook with nbgrader, and return the class folder."""
    notebook = release()
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code":
            head = cell.source.splitlines()[0]
            cell.source = f"{head}\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION"
    source = root / "source" / "ps1" / "problem.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps(notebook))
    (root / "nbgrader_config.py").write_text(_CONFIG)
    subprocess.run(
        ["nbgrader", "generate_assignment", "ps1"],
        cwd=root,
        env=_environment(),
        check=True,
        capture_output=True,
    )
    made = nbformat.read(root / "release" / "ps1" / "problem.ipynb", as_version=4)
    assert all(cell_of(made, cell.id).source == cell.source for cell in release().cells)
    return root


def _environment():
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _points(database):
    """Return the points of the three tests; None where there is no score."""
    if not database.is_file():
        return None
    with open_gradebook(f"sqlite:///{database}") as book:
        found = [s for s in book.assignment_submissions("ps1") if s.student.id == "ada"]
        notebooks = found[0].notebooks if found else []
        grades = [grade for notebook in notebooks for grade in notebook.grades]
        scores = {g.name: g.score for g in grades if g.auto_score is not None or g.manual_score}
    return [scores[name] for name in _TESTS] if scores.keys() >= set(_TESTS) else None


def _serve(uid):
    """Grade what lies in the class folder each time that a line comes."""
    import nbgrader.apps.autogradeapp  # noqa: F401
    from nbgrader.apps import NbGraderApp

    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _in_namespaces(NbGraderApp, uid)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        sys.stdout.write("done\n")
        sys.stdout.flush()


def _in_namespaces(app, uid):
    isolate.separate(LIMITS, uid)
    first = os.fork()
    if first == 0:  # with it all others end that the submission has left behind
        grading = os.fork()
        if grading == 0:
            try:
                _autograde(app, uid)
            finally:
                os._exit(1)
        until = time.monotonic() + LONGEST
        while not os.waitpid(grading, os.WNOHANG)[0] and time.monotonic() < until:
            time.sleep(0.05)
        os._exit(0)
    os.waitpid(first, 0)
    for name in ("gradebook.db", "log"):
        with contextlib.suppress(OSError):
            shutil.copy(f"/tmp/class/{name}", f"/out/{name}")


def _autograde(app, uid):
    shutil.copytree("/class", "/tmp/class")
    if uid:
        for path in (Path("/tmp/class"), *Path("/tmp/class").rglob("*")):
            os.chown(path, uid, uid)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    resource.setrlimit(resource.RLIMIT_AS, (LIMITS.memory, LIMITS.memory))
    resource.setrlimit(resource.RLIMIT_NPROC, (LIMITS.processes, LIMITS.processes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir("/tmp/class")
    log = os.open("log", os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv[:] = ["nbgrader", "autograde", "ps1"]
    app.launch_instance()


def record(names):
    """Measure some submissions of the corpus, or all, and write down what came of them."""
    from faults import FAULTS, STOCK

    found = {name: fault.stock for name, fault in FAULTS.items() if fault.stock}
    with tempfile.TemporaryDirectory() as folder:
        stock = Stock(Path(folder))
        for name in names or FAULTS:
            found[name] = stock.outcome(FAULTS[name].content)
            sys.stderr.write(f"{name} | {found[name]}\n")
        stock.close()
    ordered = {name: found[name] for name in FAULTS if name in found}
    STOCK.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        record(sys.argv[2:])
    else:
        _serve(int(sys.argv[1]) or None)
