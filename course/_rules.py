"""What every update rule shares: checked input, clear errors, hyper-parameters as plain numbers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeAlias

from array_api_compat import is_numpy_array

from course._arrays import Array, kind_of, namespace, require_like

State: TypeAlias = dict[str, Any]
"""What a rule remembers between steps: a plain dict of arrays and numbers."""

Rule: TypeAlias = Callable[..., tuple[Array, State]]

_AT_LEAST_ZERO = {"lr", "eps", "weight_decay", "momentum_decay"}
_SHARE_KEPT = {"momentum", "rho", "beta1", "beta2"}
_COUNT = {"ns_steps"}


def update_rule(rule: Rule) -> Rule:
    """Check the input of a rule before its formula runs, so that the formula stays a formula."""

    @functools.wraps(rule)
    def checked(
        theta: Array, grad: Array, state: State | None = None, **hyper: Any
    ) -> tuple[Array, State]:
        hyper = checked_input(rule, theta, grad, state, hyper)
        try:
            return rule(theta, grad, state, **hyper)
        except KeyError as missing:
            raise missing_entry(rule.__name__, state, missing) from None

    return checked


def checked_input(
    rule: Rule, theta: Array, grad: Array, state: State | None, hyper: dict[str, Any]
) -> dict[str, Any]:
    """Raise where a rule's input is wrong; return its hyper-parameters as plain numbers."""
    numbers = checked_hyper(rule, hyper)
    require_match(rule.__name__, theta, grad)
    require_state(rule.__name__, theta, state)
    return numbers


def checked_hyper(rule: Rule, hyper: dict[str, Any]) -> dict[str, Any]:
    """Raise where a hyper-parameter is unknown or wrong; return them as plain numbers."""
    name, defaults = rule.__name__, _defaults(rule)
    unknown = sorted(set(hyper) - set(defaults))
    if unknown:
        raise TypeError(f"{name}: unknown {unknown[0]!r}; it takes {', '.join(defaults)}.")
    return {
        key: value if value is defaults[key] else as_hyper(name, key, value)
        for key, value in hyper.items()
    }


@functools.cache
def _defaults(rule: Rule) -> dict[str, Any]:
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(rule).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def as_hyper(name: str, key: str, value: Any) -> Any:
    """Return a hyper-parameter as a Python number (a NumPy float64 would widen float32 arrays).

    A 0-d tensor passes unchanged: a compiled step wants its rate as one.
    """
    if not isinstance(value, Real):
        if getattr(value, "shape", None) != ():
            raise TypeError(f"{name}: {key} must be a number, got a {kind_of(value)}: {value!r}.")
        if not is_numpy_array(value):
            return value
        value = value.item()
    number = float(value)
    if key in _AT_LEAST_ZERO and not number >= 0:
        raise ValueError(f"{name}: {key} must be at least 0, got {number}.")
    if key in _SHARE_KEPT and not 0 <= number < 1:
        raise ValueError(
            f"{name}: {key} must lie in [0, 1), got {number}. It is the share of the old value "
            "that is kept at each step; at 1 nothing new would ever be added."
        )
    if key in _COUNT:
        if not (number >= 1 and number.is_integer()):
            raise ValueError(f"{name}: {key} must be a whole number, at least 1, got {number}.")
        return int(number)
    return number


def require_match(name: str, theta: Array, grad: Array) -> None:
    """Raise where theta and grad are not arrays of one library, shape and floating dtype."""
    namespace(name, theta=theta, grad=grad)
    require_like(name, "theta", theta, "grad", grad)


def require_state(name: str, theta: Array, state: State | None) -> None:
    """Raise where the state is no dict, or holds an array that would broadcast or widen theta."""
    if state is None:
        return
    if not isinstance(state, dict):
        raise TypeError(
            f"{name}: state is a {kind_of(state)}. "
            "Pass the dict that the last step returned, or None to start."
        )
    for key, value in state.items():
        if getattr(value, "shape", ()) != ():
            require_like(name, "theta", theta, f"state[{key!r}]", value)


def missing_entry(name: str, state: State | None, missing: KeyError) -> ValueError:
    """Return the error for a state that lacks an entry the rule reads."""
    return ValueError(
        f"{name}: the state has no {missing}, it has {list(state or {})}. "
        "Pass the state that the last step returned, or None to start."
    )
