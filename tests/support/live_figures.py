"""A live figure's controls: which are shown, and where each can stand."""

import ipywidgets
import numpy as np


def positions(control):
    """Return the ends and the middle of a control's range, or all of its options."""
    if hasattr(control, "options"):
        return [value for _, value in control.options]
    if isinstance(control, ipywidgets.Checkbox):
        return [False, True]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [float(10**power) for power in np.linspace(control.min, control.max, 3)]
    kind = int if isinstance(control, ipywidgets.IntSlider) else float
    return [kind(value) for value in np.linspace(control.min, control.max, 3)]


def in_use(live):
    """Return the controls that are shown: a choice may hide those that it does not need."""
    return {
        name: control for name, control in live.controls.items() if control.layout.display != "none"
    }
