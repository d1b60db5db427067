"""Plain values, and whether a value is the expected one within the arithmetic's rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


class WrongKind(Exception):  # noqa: N818 - an answer's fault, not the program's
    """A result is of another type, shape or structure than the exercise asks for."""


@dataclass(frozen=True)
class Difference:
    """The largest deviation between two arrays of numbers."""

    error: float
    tolerance: float
    place: tuple[int, ...]


def plain(value: Any) -> Any:
    """Return a copy made of exact plain types only, so that no object can judge itself.

    Raises:
        WrongKind: the value, or something inside it, is of another type.
    """
    kind = type(value)
    if kind in (bool, int, float, str, type(None)):
        return value
    if kind is np.ndarray and value.dtype.kind in "biuf":
        return np.array(value, order="C")
    if kind.__module__ == "numpy" and isinstance(value, np.generic):
        return np.array(value)
    if kind is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    if kind in (list, tuple):
        return kind(plain(item) for item in value)
    raise WrongKind(f"got {describe(value)}; arrays must be NumPy arrays of numbers")


def describe(value: Any) -> str:
    """Say in a few words what a value is: "an array of shape (3,) and dtype float64"."""
    kind = type(value)
    if value is None:
        return "None"
    if kind is np.ndarray:
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if kind in (tuple, list):
        return f"a {kind.__name__} of {len(value)}"
    if kind is dict:
        keys = ", ".join(map(repr, value))
        return f"a dict with the keys {keys}" if keys else "an empty dict"
    if kind in (bool, int, float, str):
        return f"the {kind.__name__} {value!r:.40}"
    return f"an object of type {kind.__module__}.{kind.__qualname__}"


def difference(expected: Any, got: Any, ulps: int) -> Difference | None:
    """Return how far a value is from the expected numbers, or None where rounding explains it.

    The tolerance is ``ulps`` units in the last place of the expected dtype, at the size of the
    largest expected entry. Shapes are compared first, so that broadcasting cannot hide them.

    Raises:
        WrongKind: ``got`` is no number or array, or has another shape.
    """
    expected = np.asarray(expected)
    if type(got) not in (np.ndarray, int, float, bool):
        raise WrongKind(f"expected {describe(expected)}, got {describe(got)}")
    got = np.asarray(got)
    if expected.shape != got.shape:
        raise WrongKind(f"expected the shape {expected.shape}, got the shape {got.shape}")
    if expected.size == 0:
        return None
    exact = expected.dtype.kind != "f"
    expected, epsilon = expected.astype(np.float64), 0 if exact else np.finfo(expected.dtype).eps
    got = got.astype(np.float64)
    finite = np.isfinite(expected)
    scale = np.max(np.abs(expected[finite]), initial=0.0)
    tolerance = float(ulps * epsilon * scale)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (expected == got) | (np.isnan(expected) & np.isnan(got))
        errors = np.where(same, 0.0, np.abs(expected - got))
    errors = np.where(np.isnan(errors), np.inf, errors)
    place = np.unravel_index(int(np.argmax(errors)), errors.shape)
    if errors[place] <= tolerance:
        return None
    return Difference(float(errors[place]), tolerance, tuple(map(int, place)))


def same_dtype(expected: Any, got: Any) -> bool:
    """Tell whether a result has the expected dtype; a plain number counts as float64."""
    return bool(np.asarray(expected).dtype == np.asarray(got).dtype)
