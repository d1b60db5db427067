"""Plain values, and whether a value is the expected one within the arithmetic's rounding."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np


def _ids(*kinds: type) -> frozenset[int]:
    """Return what `_is_a` compares: a type's own == is not to be asked."""
    return frozenset(map(id, kinds))


_NUMPY_NUMBERS = _ids(*(k for k in np.sctypeDict.values() if np.dtype(k).kind in "biuf"))
_INTEGER, _ARRAY, _DICT, _ROW = _ids(int), _ids(np.ndarray), _ids(dict), _ids(list, tuple)
_NUMBER = _ids(bool, int, float)
_SIMPLE = _NUMBER | _ids(str, type(None))
_DEEPEST, _BITS, _KEYS_SHOWN = 20, 63, 10


class WrongKind(Exception):  # noqa: N818 - an answer's fault, not the program's
    """A result is of another type, shape or structure than the exercise asks for.

    Attributes:
        where: which one of several calls gave it, if there are several.
    """

    def __init__(self, text: str, where: str = "") -> None:
        super().__init__(text)
        self.where = where


@dataclass(frozen=True)
class Difference:
    """The largest deviation between two arrays of numbers."""

    error: float
    tolerance: float
    place: tuple[int, ...]


def plain(value: Any, _around: tuple[int, ...] = ()) -> Any:
    """Return a copy made of exact plain types only, so that no object can judge itself.

    Raises:
        WrongKind: the value, or something inside it, is of another type, nested without end or
            an integer beyond 64 bits.
    """
    if len(_around) > _DEEPEST or id(value) in _around:
        raise WrongKind(f"got {describe(value)} that is nested too deeply or contains itself")
    if _is_a(value, _INTEGER) and value.bit_length() > _BITS:
        raise WrongKind(f"got an integer of {value.bit_length()} bits; up to {_BITS} can be shown")
    if _is_a(value, _SIMPLE):
        return value
    if _is_a(value, _ARRAY) and value.dtype.kind in "biuf":
        return np.array(value, order="C")
    if _is_a(value, _NUMPY_NUMBERS):
        return np.array(value)
    around = (*_around, id(value))
    if _is_a(value, _DICT):
        return {_plain_key(key): plain(item, around) for key, item in value.items()}
    if _is_a(value, _ROW):
        return type(value)(plain(item, around) for item in value)
    raise WrongKind(f"got {describe(value)}; arrays must be NumPy arrays of real numbers")


def _plain_key(key: Any) -> Any:
    if _is_a(key, _NUMPY_NUMBERS):
        key = key.item()
    if _is_a(key, _SIMPLE):
        return plain(key)
    raise WrongKind(f"got a dict with the key {describe(key)}; keys must be texts or numbers")


def _is_a(value: Any, kinds: frozenset[int]) -> bool:
    """Tell whether a value is exactly of one of these types."""
    return id(type(value)) in kinds


def describe(value: Any) -> str:
    """Say in a few words what a value is: "an array of shape (3,) and dtype float64"."""
    kind = type(value)
    if value is None:
        return "None"
    if kind is np.ndarray and value.ndim == 0:
        return "True or False" if value.dtype == bool else f"a number of dtype {value.dtype}"
    if kind is np.ndarray:
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if _is_a(value, _ROW):
        return f"a {kind.__name__} of {len(value)}"
    if kind is dict:
        keys = ", ".join(f"{key!r:.40}" for key in itertools.islice(value, _KEYS_SHOWN))
        more = ", ..." if len(value) > _KEYS_SHOWN else ""
        return f"a dict with the keys {keys}{more}" if keys else "an empty dict"
    if _is_a(value, _SIMPLE):
        return f"the {kind.__name__} {value!r:.40}"
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"an object of type {module}{kind.__qualname__}"


def kind_of(value: Any) -> str:
    """Say what kind of value it is, and nothing of its content."""
    if type(value) is np.ndarray:
        return describe(value)
    if _is_a(value, _NUMBER):
        return "a number"
    if _is_a(value, _ROW):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def difference(expected: Any, got: Any, ulps: int, scale: float = 0.0) -> Difference | None:
    """Return how far a value is from the expected numbers, or None where rounding explains it.

    The tolerance is ``ulps`` units in the last place of the expected dtype, at the size of the
    largest expected entry, and of ``scale`` at least. Shapes are compared first, so that
    broadcasting cannot hide them.

    Raises:
        WrongKind: ``got`` is no number or array, or has another shape.
    """
    expected = np.asarray(expected)
    if not _is_a(got, _ARRAY | _NUMBER):
        raise WrongKind(f"expected {describe(expected)}, got {describe(got)}")
    got = np.asarray(got)
    if expected.shape != got.shape:
        raise WrongKind(f"expected the shape {expected.shape}, got the shape {got.shape}")
    if expected.size == 0:
        return None
    epsilon = np.finfo(expected.dtype).eps if expected.dtype.kind == "f" else 0
    expected, got = expected.astype(np.float64), got.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.abs(expected - got)
    size = np.abs(expected)
    if not np.isfinite(errors).all():
        same = (expected == got) | (np.isnan(expected) & np.isnan(got))
        errors = np.where(same, 0.0, np.where(np.isnan(errors), np.inf, errors))
        size = size[np.isfinite(expected)]
    tolerance = float(ulps * epsilon * np.max(size, initial=scale))
    place = np.unravel_index(int(np.argmax(errors)), errors.shape)
    if errors[place] <= tolerance:
        return None
    return Difference(float(errors[place]), tolerance, tuple(map(int, place)))


def same_dtype(expected: Any, got: Any) -> bool:
    """Tell whether a result has the expected dtype; a plain number counts as float64."""
    return bool(np.asarray(expected).dtype == np.asarray(got).dtype)
