"""The compiled step of an `Optimizer`: torch.compile writes one loop from a rule's own lines."""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from array_api_compat import is_torch_array

from course._arrays import Array, kind_of
from course._rules import Rule, State, checked_input


class CompiledRule:
    """One rule over many torch parameters, as one loop that writes into θ and the states."""

    def __init__(self, rule: Rule, params: Sequence[Array]) -> None:
        self._formula = inspect.unwrap(rule)
        self._is_checked = self._formula is not rule
        self._device = _common_device(params)
        self._write = _compile(self._formula)
        self._has_run = False
        self._numbers: dict[str, tuple[float, Array]] = {}

    def __call__(
        self, inputs: list[tuple[Array, Array, State]], hyper: dict[str, Any]
    ) -> list[State]:
        """Step every θ and its state in place, given (θ, gradient, state); check all input first.

        Return the states, with tensors for the numbers in them.
        """
        import torch

        if self._is_checked:
            for theta, grad, state in inputs:
                hyper = checked_input(self._formula, theta, grad, state, hyper)
        hyper = {key: self._kept_tensor(key, value) for key, value in hyper.items()}
        inputs = [
            (theta, grad, {key: self._tensor(value) for key, value in state.items()})
            for theta, grad, state in inputs
        ]
        with torch.no_grad():
            returned = self._write(inputs, hyper) if self._has_run else self._first(inputs, hyper)
        self._has_run = True
        states = []
        for (theta, _, state), (new, numbers) in zip(inputs, returned, strict=True):
            if new is not None:
                theta.copy_(new)
            states.append(state | {key: n for key, n in numbers.items() if n is not None})
        return states

    def _first(self, inputs: list[tuple[Array, Array, State]], hyper: dict[str, Any]) -> Any:
        """Compile and run, without torch's harmless warning of the cache inside array_namespace."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")
            try:
                return self._write(inputs, hyper)
            except Exception as error:
                if "InvalidCxxCompiler" not in f"{type(error).__name__}: {error}":
                    raise
                raise RuntimeError(
                    "Optimizer: compile=True needs a C++ compiler and torch found none. Install "
                    "one (Debian, Ubuntu: apt install g++; macOS: xcode-select --install; "
                    "Windows: Visual Studio's Build Tools), or leave compile=True out."
                ) from None

    def _kept_tensor(self, key: str, value: Any) -> Any:
        """Return a float as a tensor, the same one while it does not change."""
        if not isinstance(value, float):
            return value
        if key not in self._numbers or self._numbers[key][0] != value:
            self._numbers[key] = value, self._tensor(value)
        return self._numbers[key][1]

    def _tensor(self, value: Any) -> Array:
        """Return a number as a 0-d tensor: a plain one would be compiled in as a constant."""
        import torch

        if is_torch_array(value):
            return value
        return torch.tensor(float(value), dtype=torch.float64, device=self._device)


def _compile(formula: Rule) -> Callable[..., Any]:
    import torch

    def write(inputs: list[tuple[Array, Array, State]], hyper: dict[str, Any]) -> list[Any]:
        returned = []
        for theta, grad, state in inputs:
            new, entries = formula(theta, grad, state, **hyper)
            numbers = {key: _written(state[key], entry) for key, entry in entries.items()}
            returned.append((_written(theta, new), numbers))
        return returned

    # torch counts compilations by code object: with its own, no other Optimizer uses up the limit.
    own = types.FunctionType(write.__code__.replace(), globals(), closure=write.__closure__)
    return torch.compile(
        own,
        fullgraph=True,
        dynamic=False,
        # 1 - β₂ᵗ is one number: without this it is computed anew inside the loop, at each entry.
        options={"realize_opcount_threshold": 0},
    )


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
