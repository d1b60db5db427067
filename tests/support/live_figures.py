"""The live figures of all units, and their controls: which are shown, and where each can stand."""

import importlib
import inspect
import pkgutil
import re

import ipywidgets
import nbformat
import numpy as np

import course.widgets


def modules():
    """Load all modules of live figures."""
    return [
        importlib.import_module(f"course.widgets.{module.name}")
        for module in pkgutil.iter_modules(course.widgets.__path__)
    ]


def makers():
    """Find the functions without arguments that make a live figure, in all modules."""
    found = {}
    for module in modules():
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) and returns_a_figure(value):
                found[f"{module.__name__.rpartition('.')[2]}.{name}"] = value
    return found


def returns_a_figure(function):
    signature = inspect.signature(function)
    return not signature.parameters and signature.return_annotation == "LiveFigure"


def positions(control, count=3):
    """Return so many positions from end to end of a control's range, or all of its options."""
    if hasattr(control, "options"):
        return [value for _, value in control.options]
    if isinstance(control, ipywidgets.Checkbox):
        return [False, True]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [float(10**power) for power in np.linspace(control.min, control.max, count)]
    kind = int if isinstance(control, ipywidgets.IntSlider) else float
    return [kind(value) for value in np.linspace(control.min, control.max, count)]


def in_use(live):
    """Return the controls that are shown: a choice may hide those that it does not need."""
    return {
        name: control for name, control in live.controls.items() if control.layout.display != "none"
    }


def code_cells(lesson):
    """Return the indices of the code cells, and of those that are a live figure: `figure()`."""
    cells = list(enumerate(nbformat.read(lesson, as_version=4).cells))
    code = [index for index, cell in cells if cell.cell_type == "code"]
    last = {index: cells[index][1].source.strip().splitlines()[-1] for index in code[1:]}
    return code, [index for index, line in last.items() if re.fullmatch(r"\w+\(\)", line)]
