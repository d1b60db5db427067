"""Pages for people: filled from templates, whole in one file, and without any script."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader("grader"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["points"] = lambda number: f"{number:.6g}"


def render(template: str, **values: Any) -> str:
    """Return a page; every value is escaped unless it is marked as HTML."""
    return _ENVIRONMENT.get_template(template).render(**values)


def source(template: str) -> str:
    """Return a template's own text."""
    text, _, _ = PackageLoader("grader").get_source(_ENVIRONMENT, template)
    return str(text)
