"""The warm server inside the sandbox: it has imported the libraries and forks for each submission.

It runs no student's code itself. On its control connection come requests of one letter: START with
the connection of a new submission's process, and END, which kills that process and all it started;
ENDED does the same where the process is expected to have ended by itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import isolate
from .bounds import CANNOT_START, ENDED, START
from .isolate import Limits
from .libraries import Finder
from .program import Program
from .shell import Shell, make_shell
from .wire import Channel

_PATIENCE = 2.0


@dataclass(frozen=True)
class Plan:
    """How this server works; the trusted side decides it.

    Attributes:
        libraries: what to import beforehand.
        kept_out: the modules that may not be used.
        limits: what a submission may use.
        separate: whether each submission gets namespaces of its own.
        uid: the user that a submission becomes, where the server is root.
    """

    libraries: list[str]
    kept_out: list[str]
    limits: Limits
    separate: bool
    uid: int | None


def main(control_number: int, plan: Plan) -> None:
    """Get warm, say so, and serve until the control connection closes."""
    control = socket.socket(fileno=control_number)
    os.set_inheritable(control_number, False)
    answers = Channel(control)
    for library in ("numpy.random", *plan.libraries):
        importlib.import_module(library)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    shell = make_shell()
    sys.meta_path.insert(0, Finder(plan.kept_out))
    gc.collect()
    gc.freeze()  # a collection in a submission's process would copy all pages that it looks at
    answers.send("ready")
    process, folder = 0, f"{plan.limits.scratch}/submission"
    while True:
        request, numbers, _, _ = socket.recv_fds(control, 1, 1)
        if not request:
            return
        if request == START:
            if not plan.separate:
                folder = tempfile.mkdtemp(prefix="submission-")
            process = os.fork()
            if process == 0:
                control.close()
                _submission(Channel(socket.socket(fileno=numbers[0])), shell, plan, folder)
            os.close(numbers[0])
            answers.send("started")
        else:
            answers.send(_end(process, plan, _PATIENCE if request == ENDED else 0.0))
            if not plan.separate:
                shutil.rmtree(folder, ignore_errors=True)


def _submission(channel: Channel, shell: Shell, plan: Plan, folder: str) -> NoReturn:
    """Be a submission's process, or the one that watches over its namespaces."""
    try:
        if not plan.separate:
            os.setsid()
            isolate.limit_resources(plan.limits, isolate.address_space())
            _run(channel, shell, folder)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        isolate.separate(plan.limits, plan.uid)
        inner = os.fork()
        if inner == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            isolate.surrender(plan.limits, plan.uid)
            _run(channel, shell, folder)
        channel.close()
        # The first process of a namespace takes all others with it, and is gone when they are.
        signal.signal(signal.SIGTERM, lambda *_: os.kill(inner, signal.SIGKILL))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        _, status = os.waitpid(inner, 0)
        os._exit(_code(status))
    except BaseException as error:  # nothing may get back into the server's loop
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(CANNOT_START)


def _run(channel: Channel, shell: Shell, folder: str) -> NoReturn:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    Path(folder).mkdir(exist_ok=True)
    os.chdir(folder)
    os.environ["HOME"] = os.environ["TMPDIR"] = folder
    try:
        Program(channel, shell).serve()
    except BaseException:
        os._exit(1)
    os._exit(0)


def _end(process: int, plan: Plan, patience: float) -> list[Any]:
    """End a submission with all it started; say with which code it had ended by itself, if so."""
    ended, status = os.waitpid(process, os.WNOHANG)
    until = time.monotonic() + patience
    while not ended and time.monotonic() < until:
        time.sleep(0.002)
        ended, status = os.waitpid(process, os.WNOHANG)
    if not plan.separate:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
    if ended:
        return ["ended", _code(status)]
    os.kill(process, signal.SIGTERM if plan.separate else signal.SIGKILL)
    os.waitpid(process, 0)
    return ["killed", 0]


def _code(status: int) -> int:
    """Return an exit code as a shell has it: 128 and the number for a signal."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    main(int(sys.argv[1]), Plan(**given | {"limits": Limits(**given["limits"])}))
