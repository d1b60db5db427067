"""The trusted side of a sandbox: a warm server, and sessions with a submission's process in it."""

from __future__ import annotations

import builtins
import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from course.checking.call import Answer, Crashed, Deadlocked, Fault, NotAttempted
from course.checking.compare import WrongKind, plain
from grader.errors import GraderError
from grader.sealed.environment import hidden_modules
from grader.sealed.inside import wire
from grader.sealed.inside.bounds import CANNOT_START, END, ENDED, START
from grader.sealed.inside.isolate import Limits
from grader.sealed.kit import course_modules, make_kit
from grader.sealed.protection import (
    KIT,
    MATPLOTLIB,
    SCRATCH,
    Protection,
    bubblewrap,
    python,
    submission_uid,
)

GRACE = 3.0
"""Seconds between the end of a cell's time, which can be caught, and the end of the process."""

_TOO_LONG = "took all the time it may (is there a loop that never ends?)"
_NO_STOP = "did not stop when its time was up"

_TOGETHER = 1.5
"""How much more memory several processes of a submission may use than each of them alone."""

_WARM_UP, _LOOK, _TEXT_LIMIT = 120.0, 0.25, 2000
_ERROR = re.compile(r"^(?:\w+\.)*(\w+)")
_ERRORS = frozenset(
    [*dir(builtins), *dir(np.exceptions), "LinAlgError", "_ArrayMemoryError", "KeptOut"]
)
_PLACES = frozenset({"module", "lambda", "listcomp", "genexpr", "dictcomp", "setcomp"})
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": SCRATCH,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


class Gone(Exception):  # noqa: N818 - a submission's fault, not the program's
    """A submission's process has ended, or was ended; the text says why."""


class Sandbox:
    """A warm process that forks one process for each session.

    Args:
        protection: what there is to protect the machine; see `examine`.
        libraries: what the exercises allow besides the standard library.
        limits: what one submission may use.
        with_data: whether the course's data sets are there.
    """

    def __init__(
        self,
        protection: Protection,
        libraries: tuple[str, ...],
        limits: Limits,
        *,
        with_data: bool = False,
    ) -> None:
        self._protection = protection
        self._libraries = libraries
        self._limits = limits
        self._with_data = with_data
        self._server: _Server | None = None

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """Start a submission's process and yield the session with it; end it afterwards."""
        if self._server is None or not self._server.is_alive():
            self.close()
            self._server = _Server(self._protection, self._libraries, self._limits, self._with_data)
        session = Session(self._server, self._limits)
        try:
            yield session
        finally:
            session.end()
            if not self._protection.nested and self._protection.sandbox:
                self.close()

    def memory(self) -> int:
        """Return the bytes of memory that the server holds and its sessions share."""
        return self._server.memory if self._server else 0

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.close()
        self._server = None


class Session:
    """One submission's process: it runs cells and calls functions, until it is gone.

    Attributes:
        reason: why it has ended; empty while it lives.
    """

    def __init__(self, server: _Server, limits: Limits) -> None:
        self._server = server
        self._memory = _TOGETHER * limits.memory
        self._channel = wire.Channel(server.start(), _LOOK, self._look)
        self.reason = ""

    def run(self, source: str, seconds: float, *, released: bool = False) -> list[Any]:
        """Run a cell and return its outputs as the process gives them: nothing to trust.

        Args:
            source: the cell's text.
            seconds: how long it may take.
            released: whether it is a cell of the release, to be run as it stands there.

        Raises:
            Gone: the process has ended in it, or took too long to stop.
        """
        outputs = self._ask(["run", source, seconds, released], time.monotonic() + seconds + GRACE)
        if not isinstance(outputs, list):
            raise self._gone("sent what no notebook can hold")
        return outputs

    def find(self, name: str, allowed: tuple[str, ...]) -> RemoteFunction:
        """Return a function that the cells have defined.

        Raises:
            LookupError: there is none of this name; the text says what there is.
            Gone: the process has ended.
        """
        reply = self._ask(["find", name, list(allowed)], time.monotonic() + GRACE)
        match reply:
            case [int(number), str(), list(foreign)] if all(isinstance(f, str) for f in foreign):
                return RemoteFunction(self, number, name, [_readable(f)[:80] for f in foreign])
            case [None, str(instead), _]:
                raise LookupError(_readable(instead))
        raise self._gone("sent what no answer can be")

    def call(
        self,
        number: int,
        names: tuple[str, ...],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        deadline: float,
    ) -> Answer:
        """Call a function that was found; the functions among its arguments stay here.

        Raises:
            NotAttempted, Crashed, WrongKind: as for a function in this process.
            Gone: the process has ended, or its time is up.
        """
        given = self._call(["call", number, names, args, dict(kwargs)], deadline)
        answer = self._received(given, {*names, *kwargs})
        if isinstance(answer, Answer):
            return answer
        raise answer

    def together(
        self,
        number: int,
        names: tuple[str, ...],
        calls: Sequence[Mapping[str, Any]],
        deadline: float,
    ) -> list[Answer | Fault]:
        """Call a function once for each rank; where messages lie, and all functions, stay here.

        Raises:
            Gone: the process has ended, or its time is up.
        """
        match self._call(["together", number, names, [dict(call) for call in calls]], deadline):
            case ["ranks", list(given)] if len(given) == len(calls):
                return [
                    self._received(each, {*names, *call}, len(calls))
                    for each, call in zip(given, calls, strict=True)
                ]
        raise self._gone("sent what no answer can be")

    def _call(self, request: list[Any], deadline: float) -> Any:
        seconds = max(0.01, deadline - time.monotonic())
        reply = self._ask([*request, seconds], deadline + GRACE, [])
        match reply:
            case ["stopped", str()]:
                raise self._gone(_TOO_LONG)
        return reply

    def _received(self, given: Any, known: set[str], size: int = 0) -> Answer | Fault:
        """Return what a call gave, read with care; known are its arguments, size its ranks."""
        match given:
            case ["answer", result, list(changed), list(warned)]:
                texts = [_readable(text) for text in warned if isinstance(text, str)]
                return Answer(result, frozenset(n for n in changed if n in known), tuple(texts))
            case ["not_attempted"]:
                return NotAttempted()
            case ["crashed", str(text)]:
                return Crashed(_readable(text))
            case ["wrong_kind", str(text)]:
                return WrongKind(_readable(text))
            case ["deadlock", dict(waits)] if all(
                type(rank) is int and 0 <= rank < size for pair in waits.items() for rank in pair
            ):
                return Deadlocked(waits)
        raise self._gone("sent what no answer can be")

    def end(self) -> None:
        """End the process and all it started."""
        if not self.reason:
            self._gone("was ended")

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return bool(self.reason)

    @property
    def is_late(self) -> bool:
        """Whether the process is gone because its time was up."""
        return self.reason in (_TOO_LONG, _NO_STOP)

    def _ask(
        self, request: list[Any], deadline: float, functions: list[Callable[..., Any]] | None = None
    ) -> Any:
        if self.reason:
            raise Gone(self.reason)
        functions = [] if functions is None else functions
        try:
            self._channel.send(request, functions, deadline=deadline)
            while True:
                match self._channel.receive(deadline=deadline):
                    case ["reply", reply]:
                        return reply
                    case ["callback", int(number), tuple(args), dict(kwargs)]:
                        answer = _called(functions, number, args, kwargs)
                        self._channel.send(answer, deadline=deadline)
                    case _:
                        raise wire.BadMessage("a message is neither reply nor call")
        except wire.Closed:
            raise self._gone("") from None
        except wire.TooLate:
            raise self._gone(_NO_STOP) from None
        except wire.BadMessage as error:
            raise self._gone(f"was ended: {error}") from None

    def _look(self) -> None:
        """See to it that a process that is at work does not use up the machine's memory."""
        if self._server.memory_in_use() > self._memory:
            raise self._gone("used more memory than a submission may")

    def _gone(self, why: str) -> Gone:
        """End the process, remember why, and return the error that says so."""
        self._channel.close()
        ended = self._server.end(END if why else ENDED)
        self.reason = why or _ending(ended)
        return Gone(self.reason)


class RemoteFunction:
    """A function in a submission's process, for `course.checking.judge` to call."""

    def __init__(self, session: Session, number: int, name: str, foreign: list[str]) -> None:
        self._session = session
        self._number = number
        self._foreign = foreign
        self._deadline = float("inf")
        self._lines: frozenset[str] = frozenset()
        self.__name__ = name

    def allow(self, seconds: float, lines: Iterable[str] = ()) -> RemoteFunction:
        """Start the clock, and say what may be told.

        Args:
            seconds: how long all calls together may take.
            lines: the lines of code that a traceback may show; all else in it is kept back.
        """
        self._deadline = time.monotonic() + seconds
        self._lines = frozenset(lines)
        return self

    def foreign_libraries(self, allowed: tuple[str, ...]) -> list[str]:
        """Return the libraries that the function uses beyond the allowed."""
        return self._foreign

    def guarded_call(
        self, names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Answer:
        """Call the function; see `course.checking.call.guarded_call`."""
        try:
            return self._session.call(self._number, names, args, kwargs, self._deadline)
        except Gone as gone:
            raise Crashed(f"the program {gone}", f"the program {gone}") from None
        except Crashed as error:
            raise self._kept_back(error) from None

    def guarded_calls(
        self, names: tuple[str, ...], calls: Sequence[Mapping[str, Any]]
    ) -> list[Answer | Fault]:
        """Call the function once for each rank; see `course.checking.call.guarded_calls`."""
        try:
            given = self._session.together(self._number, names, calls, self._deadline)
        except Gone as gone:
            raise Crashed(f"the program {gone}", f"the program {gone}") from None
        return [self._kept_back(each) if isinstance(each, Crashed) else each for each in given]

    def _kept_back(self, error: Crashed) -> Crashed:
        return Crashed(str(error), _without_values(str(error), self._lines))

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuse: a check calls `guarded_call`."""
        raise TypeError("a function in another process is called through guarded_call")


class _Server:
    def __init__(
        self, protection: Protection, libraries: tuple[str, ...], limits: Limits, with_data: bool
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="grader-"))
        self._folder.chmod(0o755)
        kit = make_kit(self._folder / "kit", with_data=with_data)
        control, inner = socket.socketpair()
        plan = {
            "libraries": [name for name in libraries if name != "numpy"],
            "kept_out": [*course_modules(), *hidden_modules(libraries)],
            "limits": asdict(limits) | {"scratch": SCRATCH},
            "separate": protection.nested,
            "uid": submission_uid() if protection.nested else None,
        }
        where = KIT if protection.sandbox else str(kit)
        sealed = bubblewrap(kit, libraries, protection.fonts) if protection.sandbox else []
        fonts = MATPLOTLIB if sealed else str(self._folder / "matplotlib")
        settings = _ENVIRONMENT | {"MPLCONFIGDIR": fonts}
        for name, value in settings.items() if sealed else ():
            sealed += ["--setenv", name, value]
        inside = ["course._inside.server", str(inner.fileno()), json.dumps(plan)]
        self._errors = (self._folder / "errors").open("w+b")
        self._process = subprocess.Popen(  # noqa: S603
            [*sealed, *python(inside, where)],
            pass_fds=[inner.fileno()],
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            cwd=self._folder,
        )
        inner.close()
        self._control, self._answers = control, wire.Channel(control, _LOOK)
        try:
            self._reply(_WARM_UP)
        except (wire.Closed, wire.TooLate):
            said = self._said()
            self.close()
            raise GraderError(f"The sandbox could not be started: {said}") from None
        self.memory = max(
            self._sizes(), default=psutil.Process(self._process.pid).memory_info().rss
        )

    def start(self) -> socket.socket:
        """Start a submission's process and return the connection to it."""
        connection, inner = socket.socketpair()
        with inner:
            socket.send_fds(self._control, [START], [inner.fileno()])
        self._reply(_WARM_UP)
        return connection

    def end(self, request: bytes) -> list[Any]:
        """End the submission's process and return how it had ended."""
        try:
            self._control.sendall(request)
            ended = self._reply(_WARM_UP)
        except (OSError, wire.Closed, wire.TooLate):
            self.close()
            return ["killed", 0]
        if ended == ["ended", CANNOT_START]:
            raise GraderError(f"A submission's process could not be started: {self._said()}")
        return list(ended)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def memory_in_use(self) -> int:
        """Return the memory that all processes in the sandbox use beyond what they share."""
        return sum(max(0, size - self.memory) for size in self._sizes())

    def _sizes(self) -> Iterator[int]:
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    yield process.memory_info().rss

    def close(self) -> None:
        """Kill the server, and with it all that lives in its sandbox."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _reply(self, seconds: float) -> Any:
        return self._answers.receive(deadline=time.monotonic() + seconds)

    def _said(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _called(
    functions: list[Callable[..., Any]], number: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    """Call one of the functions that stayed here with what a submission gives it."""
    if not 0 <= number < len(functions):
        raise wire.BadMessage("it calls a function that it was not given")
    try:
        return ["value", plain(functions[number](*args, **kwargs))]
    except Exception as error:  # a student's arguments may not fit: the student's code is told
        return ["error", [type(error).__name__, str(error)[:_TEXT_LIMIT]]]


def _without_values(text: str, lines: frozenset[str]) -> str:
    """Return a traceback with what the submission's text holds anyway, and nothing it has seen."""
    words = frozenset(re.findall(r"\w+", "\n".join(lines)))
    kept = []
    for line in text.splitlines():
        place = re.fullmatch(r"line \d{1,5}, in (\w+|<\w+>)", line)
        if (place and place[1].strip("<>") in words | _PLACES) or line.strip() in lines:
            kept.append(line)
    names = [name for name in _ERROR.findall(text.rpartition("\n")[2]) if name in _ERRORS | words]
    return "\n".join([*kept, names[0] if names else "an error"])


def _ending(ended: list[Any]) -> str:
    """Say how a process came to its end."""
    match ended:
        case ["ended", int(code)] if code > 128:
            with contextlib.suppress(ValueError):
                name = signal.Signals(code - 128).name
                known = {"SIGSEGV": ", a segmentation fault", "SIGKILL": ", perhaps for its memory"}
                return f"was ended by the signal {name}{known.get(name, '')}"
        case ["ended", int(code)]:
            return f"ended itself with the exit code {code}"
    return "has ended"


def _readable(text: str) -> str:
    """Shorten a text that a submission sent, and keep nothing that steers a terminal."""
    kept = "".join(c if c.isprintable() or c == "\n" else "?" for c in text[:_TEXT_LIMIT])
    return kept.encode("utf-8", "backslashreplace").decode()
