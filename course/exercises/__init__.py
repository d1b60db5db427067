"""The catalogue of units and exercises, and `check`, which students call.

A unit is one module of this package that defines ``UNIT``; adding the module adds the unit.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any

from course.checking import Exercise, MistakeTable, Unit, Verdict, judge

PUBLIC_SEED = 0
"""Students' cases come from this seed; a grading run judges from outside, with one of its own."""


def check(function: Callable[..., Any], exercise: str | None = None) -> Verdict:
    """Check an answer and say what is right, what is not and, where it is known, which mistake.

    Args:
        function: the answer, under the exercise's name: ``check(adam)``.
        exercise: the exercise's name, where the function has another one.

    Returns:
        The verdict; in a notebook it shows itself, ``.award()`` gives the points.

    Raises:
        TypeError: what is passed is no function (``check(adam(...))`` passes its result).
        LookupError: no exercise has this name.
    """
    if not callable(function):
        raise TypeError(
            f"check needs the function itself, such as check(adam), got {type(function).__name__}."
        )
    name = exercise or str(getattr(function, "__name__", type(function).__name__))
    try:
        asked = find_exercise(name)
    except LookupError as error:
        if exercise:
            raise
        hint = (
            "Write an answer with def, under the exercise's name; "
            "or say which exercise it answers: check(function, 'adam')."
        )
        raise LookupError(f"{error} {hint}") from None
    return judge(asked, function, PUBLIC_SEED)


@functools.cache
def units() -> tuple[Unit, ...]:
    """Return all units in the order of their keys."""
    modules = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    ]
    return tuple(sorted((module.UNIT for module in modules), key=lambda unit: unit.key))


def find_unit(key: str) -> Unit:
    """Return the unit with this key or slug.

    Raises:
        LookupError: there is none; the text names the one that begins so or is nearest, or else
            those that exist.
    """
    for unit in units():
        if key in (unit.key, unit.slug):
            return unit
    near = _near_unit(key)
    hint = f"Did you mean {near!r}?" if near else f"There are: {_names(u.key for u in units())}."
    raise LookupError(f"no unit is called {key!r}. {hint}")


def _near_unit(name: str) -> str | None:
    keys = {known: unit.key for unit in units() for known in (unit.key, unit.slug)}
    begun = {unit for known, unit in keys.items() if name and known.startswith(name)}
    if len(begun) == 1:
        return begun.pop()
    near = difflib.get_close_matches(name, keys, n=1)
    return keys[near[0]] if near else None


def find_exercise(name: str) -> Exercise:
    """Return the exercise with this name.

    Raises:
        LookupError: there is none; the text names the nearest.
    """
    exercises = {exercise.name: exercise for unit in units() for exercise in unit.exercises}
    if name in exercises:
        return exercises[name]
    near = difflib.get_close_matches(name, exercises, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" There are: {_names(exercises)}."
    raise LookupError(f"no exercise is called {name!r}.{hint}")


def common_mistakes(unit: str) -> MistakeTable:
    """Return a unit's known mistakes as a table: the same that its checks name."""
    return MistakeTable(find_unit(unit))


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
