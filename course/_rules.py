"""What every update rule shares: checked input, clear errors, hyper-parameters as plain numbers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from numbers import Real
from types import ModuleType
from typing import Any, TypeAlias

from array_api_compat import array_namespace

Array: TypeAlias = Any
"""An array of any library that follows the array API: NumPy, torch, array-api-strict and others."""

State: TypeAlias = dict[str, Any]
"""What a rule remembers between steps: a plain dict of arrays and numbers."""

Rule: TypeAlias = Callable[..., tuple[Array, State]]

_AT_LEAST_ZERO = {"lr", "eps", "weight_decay", "momentum_decay"}
_SHARE_KEPT = {"momentum", "rho", "beta1", "beta2"}


def update_rule(rule: Rule) -> Rule:
    """Check the input of a rule before its formula runs, so that the formula stays a formula."""
    name = rule.__name__
    defaults = {
        parameter.name: parameter.default
        for parameter in inspect.signature(rule).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }

    @functools.wraps(rule)
    def checked(
        theta: Array, grad: Array, state: State | None = None, **hyper: Any
    ) -> tuple[Array, State]:
        unknown = sorted(set(hyper) - set(defaults))
        if unknown:
            raise TypeError(f"{name}: unknown {unknown[0]!r}; it takes {', '.join(defaults)}.")
        hyper = {key: as_hyper(name, key, value) for key, value in hyper.items()}
        require_match(name, theta, grad)
        try:
            return rule(theta, grad, state, **hyper)
        except KeyError as missing:
            raise ValueError(
                f"{name}: the state has no {missing}, it has {list(state or {})}. "
                "Pass the state that the last step returned, or None to start."
            ) from None

    return checked


def as_hyper(name: str, key: str, value: Any) -> Any:
    """Return a hyper-parameter as a Python number (a NumPy float64 would widen float32 arrays).

    A 0-d tensor passes unchanged: a compiled step wants its rate as one.
    """
    if not isinstance(value, Real):
        return value
    number = float(value)
    if key in _AT_LEAST_ZERO and not number >= 0:
        raise ValueError(f"{name}: {key} must be at least 0, got {number}.")
    if key in _SHARE_KEPT and not 0 <= number < 1:
        raise ValueError(
            f"{name}: {key} must lie in [0, 1), got {number}. It is the share of the old value "
            "that is kept at each step; at 1 nothing new would ever be added."
        )
    return number


def require_match(name: str, theta: Array, grad: Array) -> None:
    """Raise where theta and grad are not arrays of one library, shape and floating dtype."""
    namespace(name, theta=theta, grad=grad)
    if theta.shape != grad.shape:
        raise ValueError(
            f"{name}: theta has shape {tuple(theta.shape)} but grad has shape {tuple(grad.shape)}. "
            "Give one gradient entry for each parameter."
        )
    if theta.dtype != grad.dtype:
        raise ValueError(
            f"{name}: theta has dtype {theta.dtype} but grad has dtype {grad.dtype}. "
            "Convert the gradient to the dtype of theta."
        )


def namespace(name: str, **arrays: Array) -> ModuleType:
    """Return the library that all these arrays of real floating numbers belong to."""
    try:
        xp: ModuleType = array_namespace(*arrays.values())
    except TypeError:
        raise TypeError(
            f"{name}: {_listed(f'{key} is a {_kind(a)}' for key, a in arrays.items())}. "
            "Pass arrays of one library, for example numpy.asarray(...)."
        ) from None
    for key, array in arrays.items():
        if not xp.isdtype(array.dtype, "real floating"):
            raise TypeError(
                f"{name}: {key} has dtype {array.dtype}. "
                "Use a floating dtype such as float64: steps are fractions."
            )
    return xp


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _listed(words: Iterable[str]) -> str:
    return " and ".join(words)
