"""Calling a student's function: guarded copies in, plain copies out, its own traceback on a crash.

Everything that judges an answer meets it only through `Guarded`. The grading engine puts a proxy
to another process in the place of the function; there `guarded_call` does the same work.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
import traceback
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from course._ranks import Deadlock, Line, Outcome, Stuck, ThreadChannel, Turns, run_together
from course.checking.compare import WrongKind, describe, plain
from course.checking.libraries import INSTALLED

_FRAMES_SHOWN, _CHARACTERS_SHOWN = 5, 1000
_RANK_SECONDS, _RANK_SECONDS_AGAIN = 20.0, 1.0
_STUCK: weakref.WeakSet[Any] = weakref.WeakSet()
"""Functions of which a rank was stuck once: in later cases nobody waits so long for them again."""


class NotAttempted(Exception):  # noqa: N818 - an answer's fault, not the program's
    """The function still raises NotImplementedError, as it was handed out."""


class Crashed(Exception):  # noqa: N818 - an answer's fault, not the program's
    """The function raised; the text is the student's own part of the traceback.

    Attributes:
        kept_back: the text without what the function could have put into it.
        where: which one of several calls it was, if there are several.
    """

    def __init__(
        self, text: str, kept_back: str = "the function raised an error", where: str = ""
    ) -> None:
        super().__init__(text)
        self.kept_back, self.where = kept_back, where


class Deadlocked(Exception):  # noqa: N818 - an answer's fault, not the program's
    """No rank can go on; the text names those that wait, and holds nothing else of the answer's."""

    where = "all ranks"

    def __init__(self, waits: Mapping[int, int]) -> None:
        super().__init__(str(Deadlock(waits)))
        self.waits = dict(waits)


class Stopped(KeyboardInterrupt):
    """The student interrupted the kernel while the function ran; shown without our own frames."""

    def _render_traceback_(self) -> list[str]:
        return [f"Stopped while your function ran. Is there a loop that never ends?\n{self}"]


@dataclass(frozen=True)
class Answer:
    """What a call gave: its result as plain values, what it changed of its arguments, warnings."""

    result: Any
    changed: frozenset[str]
    warned: tuple[str, ...]


Fault = NotAttempted | Crashed | WrongKind | Deadlocked
"""What a rank may give instead of an answer."""


class Guarded:
    """A student's function, called on copies and heard out with care.

    Attributes:
        changed: the names of the arguments that some call has changed in place.
        warned: the texts of the warnings that the calls raised, each once.
    """

    def __init__(self, function: Callable[..., Any], names: tuple[str, ...]) -> None:
        here = functools.partial(guarded_call, function)
        all_here = functools.partial(guarded_calls, function)
        self._call = getattr(function, "guarded_call", here)
        self._calls = getattr(function, "guarded_calls", all_here)
        self._names = names
        self.changed: set[str] = set()
        self.warned: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function and return its result as plain values; errors as `guarded_call`."""
        return self._heard(self._call(self._names, args, kwargs))

    def together(self, calls: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Call the function once for each rank, all at the same time, and return their results.

        Args:
            calls: each rank's arguments by name; a `Line` among them becomes its channel.

        Raises:
            NotAttempted, Crashed, WrongKind, Deadlocked: the gravest of what ranks gave instead of
                an answer, in this order; of two alike the one of the first rank.
        """
        answers = self._calls(self._names, calls)
        for kind in (NotAttempted, Crashed, WrongKind, Deadlocked):
            for rank, answer in enumerate(answers):
                if isinstance(answer, kind):
                    raise _of_rank(rank, answer)
        return [self._heard(answer) for answer in answers if isinstance(answer, Answer)]

    def _heard(self, answer: Answer) -> Any:
        self.warned += [text for text in answer.warned if text not in self.warned]
        self.changed |= answer.changed
        return answer.result


def _of_rank(rank: int, fault: Fault) -> Fault:
    if isinstance(fault, Crashed):
        return Crashed(str(fault), fault.kept_back, f"rank {rank}")
    if isinstance(fault, WrongKind):
        return WrongKind(str(fault), f"the result on rank {rank}")
    return fault


def guarded_call(
    function: Callable[..., Any],
    names: tuple[str, ...],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Answer:
    """Call a function on copies of its arguments.

    Args:
        function: what a student wrote.
        names: what the exercise calls the arguments, in their order.
        args: the arguments by place.
        kwargs: the arguments by name.

    Raises:
        NotAttempted: it raised NotImplementedError.
        Crashed: it raised anything else.
        WrongKind: the result is not made of plain values.
        Stopped: the kernel was interrupted.
    """
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    handed = {key: _copy(value) for key, value in given.items()}
    positional = [handed[name] for name in names[: len(args)]]
    named = {key: handed[key] for key in kwargs}
    with _untouched_surroundings() as warned:
        try:
            result = function(*positional, **named)
            texts = [_readable(str(warning.message)) for warning in warned]
        except NotImplementedError:
            raise NotAttempted from None
        except KeyboardInterrupt as stop:
            raise Stopped(own_traceback(stop)) from None
        except BaseException as error:  # SystemExit too: a student's quit() is a crash
            raise Crashed(own_traceback(error)) from None
    changed = {key for key, value in given.items() if _changed(value, handed[key])}
    return Answer(plain(result), frozenset(changed), tuple(dict.fromkeys(texts)))


def guarded_calls(
    function: Callable[..., Any], names: tuple[str, ...], calls: Sequence[Mapping[str, Any]]
) -> list[Answer | Fault]:
    """Call a function once for each rank, all at the same time, on copies of its arguments.

    Args:
        function: what a student wrote.
        names: what the exercise calls the arguments; here they are all passed by name.
        calls: each rank's arguments by name; a `Line` among them becomes its channel.

    Returns:
        What each rank gave: its answer, or what it gave instead.

    Raises:
        Stopped: the kernel was interrupted.
    """
    turns = Turns(len(calls))
    handed = [
        {
            key: ThreadChannel(value, turns) if isinstance(value, Line) else _copy(value)
            for key, value in given.items()
        }
        for given in calls
    ]
    with _untouched_surroundings() as warned:
        try:
            outcomes = run_together(
                [functools.partial(function, **each) for each in handed], turns, _patience(function)
            )
        except KeyboardInterrupt:
            raise Stopped(f"It was rank {turns.now}'s turn.") from None
        texts = tuple(dict.fromkeys(_readable(str(warning.message)) for warning in warned))
    if any(isinstance(outcome.error, Stuck) for outcome in outcomes):
        with contextlib.suppress(TypeError):  # what cannot be remembered is waited for again
            _STUCK.add(function)
    return [
        _rank_answer(outcome, given, own, texts)
        for outcome, given, own in zip(outcomes, calls, handed, strict=True)
    ]


def _patience(function: Callable[..., Any]) -> float:
    try:
        return _RANK_SECONDS_AGAIN if function in _STUCK else _RANK_SECONDS
    except TypeError:  # it has no hash
        return _RANK_SECONDS


def _rank_answer(
    outcome: Outcome, given: Mapping[str, Any], handed: Mapping[str, Any], warned: tuple[str, ...]
) -> Answer | Fault:
    match outcome.error:
        case None:
            pass
        case NotImplementedError():
            return NotAttempted()
        case Deadlock(waits=waits):
            return Deadlocked(waits)
        case Stuck() as stuck:
            return Crashed(str(stuck))
        case error:
            return Crashed(own_traceback(error))
    try:
        result = plain(outcome.value)
    except WrongKind as wrong:
        return wrong
    changed = {key for key, value in given.items() if _changed(value, handed[key])}
    return Answer(result, frozenset(changed), warned)


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
    if type(value) is np.random.Generator:
        return copy.deepcopy(value)
    return plain(value)


def _changed(before: Any, after: Any) -> bool:
    if type(before) in (np.random.Generator, Line):  # to draw from, to send through it
        return False
    try:
        return not _same(before, after)
    except Exception:  # what was put into it may refuse to be compared
        return True


def _same(before: Any, after: Any) -> bool:
    """Compare plain values of any nesting with what became of their copies; types must agree."""
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        return _same_array(before, after)
    if isinstance(before, dict):
        plain([*after])  # a key must not be asked whether it is another's equal
        return before.keys() == after.keys() and all(_same(before[k], after[k]) for k in before)
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_same, before, after))
    return bool(before is after or before == after)


def _same_array(before: Any, after: Any) -> bool:
    if before.dtype != after.dtype or before.shape != after.shape:
        return False
    # Most often nothing was touched, and bytes are compared fast; a 0 may have lost its sign.
    same_bytes = before.tobytes() == after.tobytes()
    return same_bytes or bool(np.array_equal(before, after, equal_nan=True))
