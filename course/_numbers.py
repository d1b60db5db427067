"""Numbers as plain Python floats or clear errors, and arrays outside torch's graph."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from array_api_compat import is_torch_array

from course._arrays import Array, kind_of


def as_scalar(name: str, key: str, value: Any) -> float:
    """Return a number, or an array of shape (), as a Python float; NaN and infinity pass."""
    if not isinstance(value, Real) and getattr(value, "shape", None) != ():
        shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else f": {value!r}"
        raise TypeError(f"{name}: {key} must be one number, got a {kind_of(value)}{shape}.")
    return float(values_of(value))


def as_number(name: str, key: str, value: Any, interval: str) -> float:
    """Return a number as a Python float, where it lies in an interval such as ``"[0, 1)"``."""
    number = as_scalar(name, key, value)
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    if not (above and below):
        raise ValueError(f"{name}: {key} must lie in {interval}, got {number}.")
    return number


def as_count(name: str, key: str, value: Any, at_least: int = 1) -> int:
    """Return a whole number as a Python int, where it is large enough."""
    if not isinstance(value, Integral):
        raise TypeError(f"{name}: {key} must be a whole number, got a {kind_of(value)}: {value!r}.")
    if value < at_least:
        raise ValueError(f"{name}: {key} must be at least {at_least}, got {value}.")
    return int(value)


def as_rank(name: str, key: str, value: Any, size: int) -> int:
    """Return the number of one of so many ranks as a Python int."""
    rank = as_count(name, key, value, 0)
    if rank >= size:
        raise ValueError(f"{name}: there is no rank {rank} of {size}; they are 0 to {size - 1}.")
    return rank


def values_of(array: Array) -> Array:
    """Return the numbers of an array, outside torch's graph but in the same memory."""
    return array.detach() if is_torch_array(array) else array
