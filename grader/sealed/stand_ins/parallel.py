"""Stands in for `course.parallel` in a sandbox: ranks can be run, and no collective is there."""

from importlib import import_module
from typing import Any

from course.parallel.channel import Channel, Run, run_ranks

__all__ = ["Channel", "Run", "run_ranks"]


def __getattr__(name: str) -> Any:
    return import_module("course._inside.libraries").absent(__name__, name)
