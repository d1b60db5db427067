"""Every command of the README does what it says, in the order in which the README gives them."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from course.exercises import find_unit, units

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# CI runs these as they stand, after this test: they would run this test again.
RUN_BY_CI = ("make demo", "make test", "make lint")
SERVERS = (".venv/bin/jupyter lab", "make lab")
LINKS = re.compile(r"\]\((?!https?://)([^)#]+)\)")


def commands(heading):
    """Return the commands below a heading, without their comments."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0] if heading else README
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def run(command, cwd, home):
    done = subprocess.run(
        command, shell=True, cwd=cwd, env=environment(home), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def serve(command, cwd, home):
    """Start a server, wait until it answers, and stop it."""
    log = home / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            f"exec {command}" if not command.startswith("make") else command,
            shell=True,
            cwd=cwd,
            env=environment(home),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 60
        while not (there := answers(log)) and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert there, log.read_text()[-2000:]
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def answers(log):
    """Tell whether a server answers at the address in its log, which is there before it listens."""
    address = re.search(r"(http://127\.0\.0\.1:\d+)/lab", log.read_text())
    if address is None:
        return False
    try:
        with urllib.request.urlopen(f"{address[1]}/api", timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def environment(home):
    """Return the environment of a new user, whose settings lie in a folder of the test.

    This test's own virtual environment is not on it. JupyterLab serves root only when told to.
    """
    ours = ("VIRTUAL_ENV", "MAKE", "MFLAGS")
    config = home / "jupyter_server_config.json"
    config.write_text(json.dumps({"ServerApp": {"allow_root": True}}))
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        **dict.fromkeys(places, str(home)),
        "BROWSER": "true",
        # The tested versions: without them a student's pip takes the newest torch, of several GB.
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
    }


def test_no_command_is_left_out():
    sections = ("Students", "Instructors", "Maintainers", "What runs where")
    tested = [*RUN_BY_CI, *(command for section in sections for command in commands(section))]
    assert set(commands(None)) <= set(tested)
    script = (ROOT / ".ci" / "run").read_text()
    assert all(command in script for command in RUN_BY_CI)


def test_instructors_then_students(tmp_path):
    unit = find_unit("03_optimizers")
    klass = tmp_path / "my-class"
    given = [command.replace("../my-class", str(klass)) for command in commands("Instructors")]
    assert len(given) == 7
    for command in given:
        if " grade " in command:
            folder = klass / "submitted" / "ada" / unit.key
            folder.mkdir(parents=True)
            shutil.copy(ROOT / unit.assignment, folder)
        run(command, ROOT, tmp_path)
    assert (klass / "exports").is_dir()

    shutil.unpack_archive(klass / "handout.zip", tmp_path)
    student = tmp_path / "handout"
    lab = [command for command in commands("Students") if command not in ("make lab",)]
    assert lab[-1] in SERVERS
    for command in lab[:-1]:
        run(command, student, tmp_path)
    serve(lab[-1], student, tmp_path)


@pytest.mark.parametrize(
    "command", ["make lab", *commands("Maintainers"), *commands("What runs where")]
)
def test_in_the_checkout(command, tmp_path):
    if command in RUN_BY_CI:
        return
    (serve if command in SERVERS else run)(command, ROOT, tmp_path)


def test_links_and_units():
    for place in LINKS.findall(README):
        assert (ROOT / place).exists(), place
    for unit in units():
        row = re.search(rf"^\| `{unit.key}` \|.*$", README, re.M)
        assert row, f"no row for {unit.key} in the table of units"
        assert f"{sum(exercise.points for exercise in unit.exercises):g} points" in row[0]


@pytest.mark.parametrize("picture", re.findall(r"docs/images/\w+\.png", README))
def test_pictures_are_small(picture):
    assert (ROOT / picture).stat().st_size < 300_000
