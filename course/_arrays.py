"""What every reference shares: which library an array belongs to, and clear errors about arrays."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

from array_api_compat import array_namespace

Array: TypeAlias = Any
"""An array of any library that follows the array API: NumPy, torch, array-api-strict and others."""


def namespace(name: str, **arrays: Array) -> ModuleType:
    """Return the library that all these arrays of real floating numbers belong to."""
    try:
        xp: ModuleType = array_namespace(*arrays.values())
        dtypes = {key: array.dtype for key, array in arrays.items()}
    except (TypeError, AttributeError):  # Python numbers belong to every library, without a dtype
        raise TypeError(
            f"{name}: {' and '.join(f'{key} is a {kind_of(a)}' for key, a in arrays.items())}. "
            "Pass arrays of one library, for example numpy.asarray(...)."
        ) from None
    for key, dtype in dtypes.items():
        if not xp.isdtype(dtype, "real floating"):
            raise TypeError(
                f"{name}: {key} has dtype {dtype}. Use a floating dtype such as float64."
            )
    return xp


def require_like(name: str, first: str, one: Array, second: str, other: Array) -> None:
    """Raise where the second array has not the shape and dtype of the first."""
    if one.shape != other.shape:
        raise ValueError(
            f"{name}: {first} has shape {tuple(one.shape)} but {second} has shape "
            f"{tuple(other.shape)}. Give one entry of {second} for each of {first}."
        )
    if one.dtype != other.dtype:
        raise ValueError(
            f"{name}: {first} has dtype {one.dtype} but {second} has dtype {other.dtype}. "
            f"Convert {second} to the dtype of {first}."
        )


def kind_of(value: Any) -> str:
    """Return the name of a value's type, with its module where that says something."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
