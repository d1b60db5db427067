"""The compiled step of an `Optimizer`: torch's compiler writes one loop from a rule's own lines.

`torch.compile` itself stays outside: what it checks before each call, so that any Python may
change around it, takes as long as a step on a million numbers. A rule is a function of arrays and
numbers, so one key over these says whether a loop fits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from array_api_compat import is_torch_array

from course._arrays import Array, kind_of
from course._rules import (
    Rule,
    State,
    checked_hyper,
    missing_entry,
    require_match,
    require_state,
)

_Inputs: TypeAlias = list[tuple[Array, Array, State]]
"""Parameters, their gradients and their states."""

_Loop: TypeAlias = Callable[..., Sequence[Array | None]]


class CompiledRule:
    """One rule over many torch parameters, as one loop that writes into θ and the states."""

    def __init__(self, rule: Rule, params: Sequence[Array]) -> None:
        self._formula = inspect.unwrap(rule)
        self._is_checked = self._formula is not rule
        self._device = _common_device(params)
        self._loops: dict[Any, _Loop] = {}
        self._given: dict[str, Any] = {}
        self._numbers: dict[str, Any] = {}

    def __call__(self, inputs: _Inputs, hyper: dict[str, Any]) -> list[State]:
        """Step every θ and its state in place, given (θ, gradient, state); check all input first.

        Return the states, with tensors for the numbers in them.
        """
        hyper = {key: self._number(key, value) for key, value in hyper.items()}
        inputs = [(theta, grad, self._with_tensors(state)) for theta, grad, state in inputs]
        values = _values(inputs, hyper)
        key = _key(values, inputs, hyper)
        try:
            loop = self._loops.get(key)
        except TypeError:
            raise TypeError(
                "Optimizer: compile=True needs hyper-parameters that are numbers, tensors or "
                f"constants, got {hyper}. Pass arrays as torch tensors, lists as tuples."
            ) from None
        if loop is None:
            loop = self._loops[key] = self._new_loop(inputs, hyper)
        returned = iter(loop(*filter(is_torch_array, values)))
        for theta, _, state in inputs:
            new = next(returned)
            if new is not None:
                theta.copy_(new)
            for name in state:
                new = next(returned)
                if new is not None:
                    state[name] = new
        return [state for *_, state in inputs]

    def _new_loop(self, inputs: _Inputs, hyper: dict[str, Any]) -> _Loop:
        """Check arrays and states, whose key is new, and compile."""
        name = self._formula.__name__
        if self._is_checked:
            for theta, grad, state in inputs:
                require_match(name, theta, grad)
                require_state(name, theta, state)
        try:
            return _compile(self._formula, inputs, hyper)
        except Exception as error:
            if "InvalidCxxCompiler" not in f"{type(error).__name__}: {error}":
                raise
            raise RuntimeError(
                "Optimizer: compile=True needs a C++ compiler and torch found none. Install "
                "one (Debian, Ubuntu: apt install g++; macOS: xcode-select --install; "
                "Windows: Visual Studio's Build Tools), or leave compile=True out."
            ) from None

    def _number(self, key: str, value: Any) -> Any:
        """Return a hyper-parameter, checked, floats as tensors; the same one while it is equal."""
        if type(value) not in (float, int) or self._given.get(key) != value:
            number = checked_hyper(self._formula, {key: value})[key] if self._is_checked else value
            self._numbers[key] = self._tensor(number) if isinstance(number, float) else number
            self._given[key] = value
        return self._numbers[key]

    def _with_tensors(self, state: State) -> State:
        """Return a state with tensors for its numbers; what is no state is left to the check."""
        if not isinstance(state, dict):
            return state
        return {
            key: value if getattr(value, "shape", ()) else self._tensor(value)
            for key, value in state.items()
        }

    def _tensor(self, value: Any) -> Array:
        """Return a number as a 0-d tensor: a plain one would be compiled in as a constant."""
        import torch

        if is_torch_array(value):
            return value
        return torch.tensor(float(value), dtype=torch.float64, device=self._device)


def _values(inputs: _Inputs, hyper: dict[str, Any]) -> list[Any]:
    """List everything that a step is made of, in the order in which a loop takes it."""
    values = []
    for theta, grad, state in inputs:
        values += [theta, grad, *(state.values() if isinstance(state, dict) else [state])]
    return values + list(hyper.values())


def _key(values: list[Any], inputs: _Inputs, hyper: dict[str, Any]) -> Any:
    """Return what a loop takes for granted: all but the numbers inside the arrays."""
    kinds: list[Any] = []
    seen: dict[int, int] = {}
    for value in values:
        if is_torch_array(value):
            kinds += value.shape, value.stride(), value.dtype, value.device
            kinds.append(seen.setdefault(value.data_ptr(), len(seen)))  # is it one memory twice?
        else:
            kinds.append(type(value))
    constants = [(key, None if is_torch_array(value) else value) for key, value in hyper.items()]
    entries = [tuple(state) if isinstance(state, dict) else None for *_, state in inputs]
    return *kinds, *entries, *constants


def _compile(formula: Rule, inputs: _Inputs, hyper: dict[str, Any]) -> _Loop:
    """Trace the rule over these inputs and compile it, changing none of them."""
    import torch._inductor
    from torch.fx.experimental.proxy_tensor import make_fx

    def write(*tensors: Array) -> list[Array | None]:
        left = iter(tensors)

        def taken(values: dict[str, Any]) -> dict[str, Any]:
            return {key: next(left) if is_torch_array(v) else v for key, v in values.items()}

        steps = [(next(left), next(left), taken(state)) for _, _, state in inputs]
        numbers, pairs = taken(hyper), []
        for theta, grad, state in steps:
            try:
                new, entries = formula(theta, grad, state, **numbers)
            except KeyError as missing:
                raise missing_entry(formula.__name__, state, missing) from None
            pairs += [(theta, new), *((old, entries[key]) for key, old in state.items())]
        return [_written(old, new) for old, new in pairs]  # after all rules have read θ

    tensors: list[Any] = [*filter(is_torch_array, _values(inputs, hyper))]
    # 1 - β₂ᵗ is one number: without this it is computed anew inside the loop, at each entry.
    options = {"realize_opcount_threshold": 0}
    with torch.no_grad():
        graph = make_fx(write, tracing_mode="fake")(*tensors)
        loop: _Loop = torch._inductor.compile(graph, tensors, options=options)
    return loop


def _written(old: Array, new: Array) -> Array | None:
    """Write new into old; but return what is 0-d: torch 2.13 loses writes into 0-d float64."""
    if old.ndim == 0:
        return new.to(old.dtype)
    old.copy_(new)
    return None


def _common_device(params: Sequence[Array]) -> Any:
    for param in params:
        if not is_torch_array(param):
            raise TypeError(
                f"Optimizer: compile=True needs torch parameters, got a {kind_of(param)}. "
                "Leave compile=True out for other libraries."
            )
    devices = {param.device for param in params}
    if len(devices) > 1:
        names = ", ".join(sorted(map(str, devices)))
        raise ValueError(
            f"Optimizer: compile=True needs all parameters on one device, they are on {names}. "
            "Give each device its own Optimizer."
        )
    return devices.pop()
