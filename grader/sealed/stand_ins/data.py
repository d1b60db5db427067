"""The course's data sets as they come by default, while a submission is graded.

They are read from a file: the library that makes them is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_FILE = Path(__file__).with_name("data.npz")


def _split(name: str) -> Callable[..., Any]:
    def load(**options: Any) -> Any:
        if options:
            given = ", ".join(options)
            raise NotImplementedError(f"while grading, {name}() comes without options, got {given}")
        with np.load(_FILE) as arrays:
            parts = ("x_train", "y_train", "x_test", "y_test")
            return SimpleNamespace(**{part: arrays[f"{name}.{part}"] for part in parts})

    load.__name__ = name
    return load


def __getattr__(name: str) -> Any:
    with np.load(_FILE) as arrays:
        known = {key.partition(".")[0] for key in arrays.files}
    if name not in known:
        raise AttributeError(f"course.data has no {name} while grading; it has {sorted(known)}")
    return _split(name)
