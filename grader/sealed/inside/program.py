"""A submission's process: it runs the cells it is sent and calls the functions it is asked for."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from typing import Any

from course.checking.call import (
    Answer,
    Crashed,
    Deadlocked,
    Fault,
    NotAttempted,
    guarded_call,
    guarded_calls,
)
from course.checking.compare import WrongKind, describe, plain
from course.checking.libraries import foreign_libraries

from .shell import OUTPUTS, Shell, _fresh_streams, time_limit
from .wire import BadMessage, Channel, Closed


class Program:
    """Serves one submission until the other side closes the channel."""

    def __init__(self, channel: Channel, shell: Shell) -> None:
        self._channel = channel
        self._shell = shell
        self._found: list[Callable[..., Any]] = []

    def serve(self) -> None:
        """Answer one request after the other."""
        requests: dict[str, Callable[..., Any]] = {
            "run": self._shell.run,
            "find": self.find,
            "call": self.call,
            "together": self.together,
        }
        own = os.getpid()
        while True:
            try:
                what, *arguments = self._channel.receive(function=self._callback)
                reply = requests[what](*arguments)
                if os.getpid() != own:  # a student's fork got here: one process answers
                    return
                try:
                    self._channel.send(["reply", reply])
                except (BadMessage, MemoryError) as error:
                    self._channel.send(["reply", _too_large(reply, error)])
            except Closed:
                return

    def find(self, name: str, allowed: list[str]) -> list[Any]:
        """Look a function up by the name that the notebook gave it.

        Returns:
            Its number, None where there is no such function, and what stands there instead; the
            libraries it uses beyond the allowed.
        """
        if name not in self._shell.user_ns:
            return [None, "nothing of that name", []]
        function = self._shell.user_ns[name]
        if not callable(function):
            return [None, describe(function), []]
        try:
            foreign = foreign_libraries(function, tuple(allowed))
        except Exception:  # a student's object may refuse to be looked at
            foreign = []
        self._found.append(function)
        return [len(self._found) - 1, "", foreign]

    def call(
        self,
        number: int,
        names: tuple[str, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        seconds: float,
    ) -> list[Any]:
        """Call a function that was found and return what came of it."""
        return self._timed(
            seconds, lambda: _told(guarded_call(self._found[number], names, args, kwargs))
        )

    def together(
        self, number: int, names: tuple[str, ...], calls: list[dict[str, Any]], seconds: float
    ) -> list[Any]:
        """Call a function that was found once for each rank and return what came of each."""

        def call_all() -> list[Any]:
            return ["ranks", [_told(it) for it in guarded_calls(self._found[number], names, calls)]]

        return self._timed(seconds, call_all)

    def _timed(self, seconds: float, call: Callable[[], list[Any]]) -> list[Any]:
        OUTPUTS.start()
        with _fresh_streams():
            try:
                with time_limit(seconds):
                    return call()
            except (NotAttempted, Crashed, WrongKind) as fault:
                return _told(fault)
            except KeyboardInterrupt as late:  # `Stopped` is one, too
                return ["stopped", str(late)]

    def _callback(self, number: int) -> Callable[..., Any]:
        def callback(*args: Any, **kwargs: Any) -> Any:
            try:
                self._channel.send(["callback", number, plain(args), plain(kwargs)])
            except (WrongKind, BadMessage) as error:
                raise TypeError(f"this function takes numbers and arrays: {error}") from None
            what, content = self._channel.receive()
            if what == "value":
                return content
            kind, text = content
            found = getattr(builtins, kind, RuntimeError)
            is_error = isinstance(found, type) and issubclass(found, Exception)
            raised: type[Exception] = found if is_error else RuntimeError
            raise raised(text)

        return callback


def _told(given: Answer | Fault) -> list[Any]:
    """Return an answer, or what came instead, as plain values."""
    match given:
        case Answer():
            return ["answer", given.result, sorted(given.changed), list(given.warned)]
        case NotAttempted():
            return ["not_attempted"]
        case Crashed():
            return ["crashed", str(given)]
        case Deadlocked():
            return ["deadlock", given.waits]
    return ["wrong_kind", str(given)]


def _too_large(reply: list[Any], error: BadMessage | MemoryError) -> list[Any]:
    """Return what is said in the place of a reply that cannot be sent."""
    instead = ["wrong_kind", f"the result is too large: {str(error) or 'it needs too much memory'}"]
    return ["ranks", [instead for _ in reply[1]]] if reply[0] == "ranks" else instead
