"""Calling a student's function: guarded copies in, plain copies out, its own traceback on a crash.

Everything that judges an answer meets it only through `Guarded`. The grading engine may put a
proxy to another process in the place of the function; nothing else changes.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from course.checking.compare import WrongKind, describe, plain
from course.checking.libraries import INSTALLED

_FRAMES_SHOWN, _CHARACTERS_SHOWN = 5, 1000


class NotAttempted(Exception):  # noqa: N818 - an answer's fault, not the program's
    """The function still raises NotImplementedError, as it was handed out."""


class Crashed(Exception):  # noqa: N818 - an answer's fault, not the program's
    """The function raised; the text is the student's own part of the traceback."""


class Stopped(KeyboardInterrupt):
    """The student interrupted the kernel while the function ran; shown without our own frames."""

    def _render_traceback_(self) -> list[str]:
        return [f"Stopped while your function ran. Is there a loop that never ends?\n{self}"]


class Guarded:
    """A student's function, called on copies and heard out with care.

    Attributes:
        changed: the names of the arguments that some call has changed in place.
        warned: the texts of the warnings that the calls raised, each once.
    """

    def __init__(self, function: Callable[..., Any], names: tuple[str, ...]) -> None:
        self._function = function
        self._names = names
        self.changed: set[str] = set()
        self.warned: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function and return its result as plain values.

        Raises:
            NotAttempted: it raised NotImplementedError.
            Crashed: it raised anything else.
            WrongKind: the result is not made of plain values.
            Stopped: the kernel was interrupted.
        """
        given = dict(zip(self._names, args, strict=False)) | kwargs
        handed = {key: _copy(value) for key, value in given.items()}
        positional = [handed[name] for name in self._names[: len(args)]]
        named = {key: handed[key] for key in kwargs}
        with _untouched_surroundings() as warned:
            try:
                result = self._function(*positional, **named)
                texts = [_readable(str(warning.message)) for warning in warned]
            except NotImplementedError:
                raise NotAttempted from None
            except KeyboardInterrupt as stop:
                raise Stopped(own_traceback(stop)) from None
            except BaseException as error:  # SystemExit too: a student's quit() is a crash
                raise Crashed(own_traceback(error)) from None
        self.warned += [text for text in dict.fromkeys(texts) if text not in self.warned]
        result = plain(result)
        self.changed |= {key for key, value in given.items() if _changed(value, handed[key])}
        return result


def own_traceback(error: BaseException) -> str:
    """Format an error with only the lines that the student wrote."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*INSTALLED, "<frozen"))
    ]
    lines = [
        f"line {frame.lineno}, in {frame.name}\n    {_readable(frame.line or '')}".rstrip()
        for frame in frames[-_FRAMES_SHOWN:]
    ]
    last = _readable("".join(traceback.format_exception_only(error)).strip())
    return "\n".join([*lines, last])


def unpack(value: Any, *names: str) -> tuple[Any, ...]:
    """Return the parts of a result that must be a tuple of these.

    Raises:
        WrongKind: it is no tuple (or list) of that length.
    """
    if type(value) not in (tuple, list) or len(value) != len(names):
        raise WrongKind(f"expected the tuple ({', '.join(names)}), got {describe(value)}")
    return tuple(value)


def item(value: Any, name: str, key: str) -> Any:
    """Return the entry of a dict that must have it.

    Raises:
        WrongKind: it is no dict, or has no such key.
    """
    if type(value) is not dict or key not in value:
        raise WrongKind(f"expected {name} to be a dict with the key {key!r}, got {describe(value)}")
    return value[key]


@contextlib.contextmanager
def _untouched_surroundings() -> Iterator[list[warnings.WarningMessage]]:
    """Undo what a call does to warnings, NumPy's error state and the standard streams."""
    with (
        warnings.catch_warnings(record=True) as caught,
        np.errstate(),
        contextlib.redirect_stdout(sys.stdout),
        contextlib.redirect_stderr(sys.stdout),
    ):
        warnings.simplefilter("always")
        yield caught


def _readable(text: str) -> str:
    """Shorten a student's text, and escape what no page could hold."""
    if len(text) > _CHARACTERS_SHOWN:
        text = f"{text[:_CHARACTERS_SHOWN]} ..."
    return text.encode("utf-8", "backslashreplace").decode()


def _copy(value: Any) -> Any:
    if isinstance(value, types.FunctionType):
        return value
    return plain(value)


def _changed(before: Any, after: Any) -> bool:
    try:
        return not _same(before, _copy(after))
    except WrongKind:
        return True


def _same(before: Any, after: Any) -> bool:
    """Compare plain values of any nesting; types must agree too."""
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        return before.dtype == after.dtype and np.array_equal(before, after, equal_nan=True)
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(before[k], after[k]) for k in before)
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_same, before, after))
    return bool(before is after or before == after)
