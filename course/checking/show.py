"""How a verdict and other findings are shown: one look for notebooks, one for terminals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

# Colour is never alone: a sign and words say the same. Each is dark enough under white letters
# and light enough beside a dark page.
_LOOKS = {
    "right": ("✓", "#0072b2", "Right"),
    "partly_right": ("◐", "#b35900", "Partly right"),
    "changed_inputs": ("◐", "#b35900", "Right values, but it changes its inputs"),
    "wrong_value": ("✗", "#c2185b", "Wrong value"),
    "wrong_type": ("✗", "#c2185b", "Wrong type or shape"),
    "deadlock": ("✗", "#c2185b", "Deadlock: no rank can go on"),
    "crashed": ("✗", "#c2185b", "It crashed"),
    "not_allowed": ("✗", "#c2185b", "Not allowed here"),
    "not_attempted": ("○", "#6b6b6b", "Not attempted yet"),
}

_ENVIRONMENT = Environment(
    loader=PackageLoader("course.checking"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["points"] = lambda number: f"{number:g}"


def as_html(verdict: Mapping[str, Any]) -> str:
    """Return a verdict, as plain data, as a piece of HTML without scripts or outside links."""
    return _look("verdict.html", verdict)


def as_text(verdict: Mapping[str, Any]) -> str:
    """Return a verdict, as plain data, as lines of text."""
    return _look("verdict.txt", verdict)


def title(verdict: Mapping[str, Any]) -> str:
    """Return a verdict's status as a sign and words."""
    sign, _, words = _LOOKS[verdict["status"]]
    return f"{sign} {words}"


def render(template: str, **values: Any) -> str:
    """Return a template of this package filled with values, escaped where it is HTML."""
    return _ENVIRONMENT.get_template(template).render(**values).strip()


def _look(template: str, verdict: Mapping[str, Any]) -> str:
    sign, colour, title = _LOOKS[verdict["status"]]
    return render(template, v=verdict, sign=sign, colour=colour, title=title)
