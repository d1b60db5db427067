"""A PostgreSQL server of its own for a test: a new cluster in a new folder, on a socket only."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "p@ss/word:1"
QUOTED = "p%40ss%2Fword%3A1"


def find_binaries():
    """Return the folder with the server's programs, or None where it is not installed."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).resolve().parent if found else (debian[-1].parent if debian else None)


@contextmanager
def server():
    """Start a server, and yield what makes a new database and returns its address."""
    binaries = find_binaries()
    # Its own folder below /tmp: a socket's path is short, and the server's user must get there.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = {}
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "nobody")
        user = {"user": "nobody", "extra_groups": []}
    word, data, log = folder / "word", folder / "data", folder / "log"
    word.write_text(PASSWORD)
    word.chmod(0o644)
    name = {"env": os.environ | {"PGPASSWORD": PASSWORD, "PGHOST": str(folder), "LC_ALL": "C"}}

    def call(program, *arguments):
        subprocess.run(
            [binaries / program, *map(str, arguments)],
            check=True, cwd=folder, stdout=subprocess.DEVNULL, **user, **name,
        )  # fmt: skip

    def database(title, template="template0"):
        call("createdb", "-U", "teacher", "-E", "UTF8", "-T", template, title)
        return f"postgresql://teacher:{QUOTED}@/{title}?host={folder}"

    settings = f"-F -k {folder} -c listen_addresses= -c max_connections=20"
    try:
        call("initdb", "-D", data, "-U", "teacher", "-A", "scram-sha-256", f"--pwfile={word}", "-N")
        call("pg_ctl", "-D", data, "-w", "-l", log, "-o", settings, "start")
        try:
            yield database
        finally:
            call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
