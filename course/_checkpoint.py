"""A training run on disk: arrays and numbers in one npz file, without pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array

from course._arrays import Array
from course._numbers import values_of
from course.layers import Layer, walk
from course.optimizers import Optimizer

_META = "meta"


def save(
    path: Path,
    meta: dict[str, Any],
    optimizer: Optimizer,
    generators: Sequence[np.random.Generator],
    groups: dict[str, list[Array]],
) -> None:
    """Write everything, or nothing: a run killed while writing leaves the last file as it was."""
    arrays = {
        f"{name}/{index}": to_numpy(array)
        for name, group in groups.items()
        for index, array in enumerate(group)
    }
    numbers: list[dict[str, Any] | None] = []
    for index, state in enumerate(optimizer.states):
        numbers.append(None if state is None else {})
        for key, value in (state or {}).items():
            if hasattr(value, "shape"):
                arrays[f"state/{index}/{key}"] = to_numpy(value)
            else:
                numbers[index][key] = value  # type: ignore[index]
    for index, state in enumerate(_torch_states(optimizer)):
        arrays[f"torch/{index}"] = state.numpy()
    bits = [generator.bit_generator.state for generator in generators]
    meta = meta | {"numbers": numbers, "generators": bits}
    arrays[_META] = np.array(json.dumps(meta, default=np.ndarray.tolist))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def load(
    path: Path,
    expected: dict[str, Any],
    optimizer: Optimizer,
    generators: Sequence[np.random.Generator],
    groups: dict[str, list[Array]],
) -> tuple[dict[str, Any], dict[str, list[Array]]]:
    """Bring optimizer and generators back; return the other numbers and the arrays by group."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        meta: dict[str, Any] = json.loads(str(arrays.pop(_META)))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise ValueError(
            f"train: {path} is no checkpoint of train. Name another file, or delete it."
        ) from None
    shapes = {name: [list(array.shape) for array in group] for name, group in groups.items()}
    found = {name: [list(array.shape) for array in _group(arrays, name)] for name in groups}
    expected = expected | shapes | {"random generators": len(generators)}
    written = meta | found | {"random generators": len(meta["generators"])}
    for key, value in expected.items():
        if written.get(key) != value:
            raise ValueError(
                f"train: the checkpoint {path} was written with {key} = {written.get(key)}, this "
                f"run has {value}. Continue with what it was written with, or delete the file."
            )
    optimizer.states = [
        None if numbers is None else numbers | _state(arrays, index, optimizer.params[index])
        for index, numbers in enumerate(meta["numbers"])
    ]
    for generator, state in zip(generators, meta["generators"], strict=True):
        generator.bit_generator.state = state
    _restore_torch(optimizer, arrays)
    return meta, {name: _group(arrays, name) for name in groups}


def generators_of(network: Layer, rng: np.random.Generator) -> list[np.random.Generator]:
    """Return every generator that training draws from, each once."""
    found = [rng, *(layer.rng for layer in walk(network) if hasattr(layer, "rng"))]
    return list({id(generator): generator for generator in found}.values())


def write_into(targets: Sequence[Array], sources: Sequence[Array]) -> None:
    """Write NumPy arrays into arrays of any library, in place."""
    for target, source in zip(targets, sources, strict=True):
        values_of(target)[...] = _like(target, source)


def to_numpy(array: Array) -> Array:
    """Return a copy in NumPy, from a GPU too."""
    return np.array(values_of(array).cpu().numpy() if is_torch_array(array) else array)


def _like(target: Array, source: Array) -> Array:
    return array_namespace(target).asarray(source, device=device(target))


def _group(arrays: dict[str, Array], name: str) -> list[Array]:
    keys = [key for key in arrays if key.startswith(f"{name}/")]
    return [arrays[f"{name}/{index}"] for index in range(len(keys))]


def _state(arrays: dict[str, Array], index: int, param: Array) -> dict[str, Array]:
    prefix = f"state/{index}/"
    return {
        key.removeprefix(prefix): _like(param, array)
        for key, array in arrays.items()
        if key.startswith(prefix)
    }


def _torch_states(optimizer: Optimizer) -> list[Any]:
    """Return the states of torch's own generators, where torch trains."""
    devices = {param.device for param in optimizer.params if is_torch_array(param)}
    if not devices:
        return []
    import torch

    on_gpu = [torch.cuda.get_rng_state(d) for d in sorted(devices, key=str) if d.type == "cuda"]
    return [torch.get_rng_state(), *on_gpu]


def _restore_torch(optimizer: Optimizer, arrays: dict[str, Array]) -> None:
    states = _group(arrays, "torch")
    if not states:
        return
    import torch

    torch.set_rng_state(torch.from_numpy(states[0]))
    devices = {param.device for param in optimizer.params}
    gpus = [d for d in sorted(devices, key=str) if d.type == "cuda"]
    for gpu, state in zip(gpus, states[1:], strict=True):
        torch.cuda.set_rng_state(torch.from_numpy(state), gpu)
