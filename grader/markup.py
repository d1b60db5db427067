"""Texts, code and outputs as HTML that needs no script: formulas are MathML, made here."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import nh3
from markupsafe import Markup
from math_core import LatexError, LatexToMathML
from mistune.plugins import import_plugin
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

_TEXT_TAGS = frozenset(
    """
    a blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr img li ol p pre span
    strong table tbody td th thead tr ul
    """.split()  # noqa: SIM905 - a list would be four times as long
)
_MATH_TAGS = frozenset(
    """
    math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts
    mroot mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder
    munderover
    """.split()  # noqa: SIM905 - a list would be four times as long
)
_MATH_ATTRIBUTES = frozenset(
    """
    accent accentunder columnspacing depth displaystyle fence form height largeop
    linethickness lspace mathvariant maxsize minsize movablelimits notation rspace
    scriptlevel separator stretchy style symmetric voffset width
    """.split()  # noqa: SIM905 - a list would be four times as long
)
_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: set(_MATH_ATTRIBUTES) for tag in _MATH_TAGS},
    "math": {"display"},
    "a": {"href", "title"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "span": {"class"},
    "div": {"class"},
    "td": {"style"},
    "th": {"style"},
}
_STYLES = {
    *("border", "border-left", "border-right", "border-top", "border-bottom"),
    *("justify-items", "padding", "padding-left", "padding-right", "text-align", "width"),
}
_PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+")


def text(source: str, attachments: Mapping[str, Mapping[str, str]] | None = None) -> Markup:
    """Return a text in Markdown with formulas as HTML in which nothing can act.

    Args:
        source: the text; HTML in it is shown, not obeyed.
        attachments: the pictures pasted into it, as a notebook has them.
    """
    # A list of tasks would need input elements: its marks are shown as they were typed.
    plugins = [import_plugin(p) for p in MarkdownWithMath.DEFAULT_PLUGINS if p != "task_lists"]
    made = MarkdownWithMath(renderer=_Renderer(attachments or {}), plugins=plugins).render(source)
    return Markup(_clean(made))  # noqa: S704 - cleaned


def code(source: str) -> Markup:
    """Return a cell's code as HTML with its syntax in colour."""
    highlight: Callable[[str], str] = Highlight2HTML()  # type: ignore[no-untyped-call]
    return Markup(highlight(source))  # noqa: S704 - Pygments escapes


def code_style() -> str:
    """Return the style sheet for the colours of code."""
    return str(HtmlFormatter(style="default").get_style_defs(".highlight"))


def output(given: Mapping[str, Any]) -> Markup:
    """Return an output of a student's cell: a picture, or else its text."""
    data = given.get("data", {})
    for kind in ("image/png", "image/jpeg"):
        address = f"data:{kind};base64,{data.get(kind, '')}".replace("\n", "")
        if _PICTURE.fullmatch(address):
            return Markup('<img class="output" alt="" src="{}">').format(address)
    if given["output_type"] == "error":
        shown = "\n".join(given["traceback"])
    else:
        shown = given.get("text", data.get("text/plain", ""))
    coloured = str(ansi2html(shown))  # type: ignore[no-untyped-call]
    return Markup('<pre class="output">{}</pre>').format(Markup(coloured))  # noqa: S704 - escaped


def formula(source: str, *, display: bool) -> str:
    """Return a formula in LaTeX as MathML, or its source where it cannot be read."""
    try:
        made = _converter().convert_with_local_state(source, displaystyle=display)
    except LatexError:
        return f"<code>{html.escape(source)}</code>"
    return f'<span class="formula">{made}</span>' if display else str(made)


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown, with formulas as MathML and without HTML from the text."""

    def __init__(self, attachments: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(
            escape=True,
            allow_harmful_protocols=False,
            exclude_anchor_links=True,
            attachments={name: dict(bundle) for name, bundle in attachments.items()},
        )

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Show a picture that was pasted; of any other only the text."""
        kept = self.attachments.get(url.removeprefix("attachment:"))
        return str(super().image(text, url, title)) if kept else f"[{text}]"

    def block_mermaidjs(self, code: str) -> str:
        """Show a diagram's text: drawing it takes a script."""
        return f"<pre>{html.escape(code)}</pre>"

    def block_math(self, body: str) -> str:
        """Set a formula on lines of its own."""
        return formula(body, display=True)

    def inline_math(self, body: str) -> str:
        """Set a formula in the line."""
        return formula(body, display=False)

    def latex_environment(self, name: str, body: str) -> str:
        r"""Set what stands between \begin and \end."""
        return formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", display=True)


def _clean(made: str) -> str:
    return nh3.clean(
        made,
        tags=set(_TEXT_TAGS | _MATH_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Keep pictures to those the page holds in itself, and links to those that lead elsewhere."""
    if (tag, name) == ("img", "src"):
        return value if _PICTURE.fullmatch(value) else None
    if (tag, name) == ("a", "href"):
        return None if value.strip().lower().startswith("data:") else value
    return value


@cache
def _converter() -> LatexToMathML:
    return LatexToMathML()
