"""The sandbox as an ordinary user has it: where the tests run as root, they run again as nobody."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from grader.sealed.protection import way_to

NOBODY = "65534"
TESTS = Path(__file__).with_name("test_sandbox.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0,
    reason="an ordinary user runs these tests already, as itself",
)
def test_the_sandbox_holds_for_an_ordinary_user():
    with tempfile.TemporaryDirectory(prefix="nobody-") as folder:
        Path(folder).chmod(0o777)
        done = run_as_nobody(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert re.search(r"\d{2} passed", done.stdout), done.stdout
    assert "skipped" not in done.stdout


def run_as_nobody(folder):
    # Whoever is not root cannot pass /root: what is needed of it is put where everybody can.
    needed = {sys.base_prefix, sys.prefix, str(ROOT)}
    below_root = [path for path in needed if path.startswith("/root/")]
    binds = [w for path in sorted(below_root) for w in (*way_to(path), "--ro-bind", path, path)]
    view = ["--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--bind", "/proc", "/proc"]
    become = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    settings = [f"HOME={folder}", f"TMPDIR={folder}", "PYTHONDONTWRITEBYTECODE=1"]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not together"]
    return subprocess.run(
        [
            *("bwrap", *view, "--perms", "0755", "--tmpfs", "/root", *binds),
            *(*become, "env", *settings, f"PATH={os.environ['PATH']}"),
            *(*run, f"--basetemp={folder}/base", str(TESTS)),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
