"""What a student made, cleaned: nothing of it can act in the browser of the person who looks.

Formgrader shows a graded notebook through nbconvert, which passes HTML, scripts and SVG of outputs
and texts on to the page as they are. So the graded notebook holds none: outputs keep plain text
and pictures, texts keep what Markdown and formulas can say.
"""

from __future__ import annotations

import base64
import binascii
import functools
import io
import re
import warnings
from collections.abc import Collection, Container, Iterator, Mapping
from typing import Any

from jinja2 import TemplateError
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from PIL import Image

from course.checking import MIME
from course.checking.show import as_html, as_text
from grader.outputs import new_output
from grader.scores import read_verdict

TEXT_LIMIT = 100_000
"""Characters that are kept of one output or one text."""

MARKDOWN_LIMIT = 20_000
"""Characters of the longest text read as Markdown: the parser takes long over hostile ones."""

FORMULA_LIMIT = 200
"""Displayed formulas in one text, for the same reason."""

OUTPUT_LIMIT = 200
"""Outputs that are kept of a cell."""

PIXEL_LIMIT = 40_000_000
"""Pixels of the largest picture: more would only make a browser hang."""

PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG"}

_HARMLESS = frozenset(
    """
    blank_line block_code block_math block_quote block_text codespan def_list def_list_head
    def_list_item emphasis heading image inline_math latex_environment linebreak link list
    list_item paragraph softbreak strikethrough strong table table_body table_cell
    table_head table_row task_list_item text thematic_break
    """.split()  # noqa: SIM905 - a list would be four times as long
)
_VERBATIM = frozenset({"codespan", "block_code", "inline_math", "block_math", "latex_environment"})
_SCHEMES = ("http", "https", "mailto")
_PASTED = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_MARK = re.compile("\ue000(\\d+)\ue001")
_MARKS = {0xE000: None, 0xE001: None}
_OUTSIDE_PICTURE = re.compile(r"!(?=\[[^\]]*\](?!\((attachment:|data:image/(png|jpeg);base64,)))")
_FORMULA = re.compile(r"\\\\\[|\\\\\(|\\begin\{")
_KIND = re.compile(r"[\w/+.-]+")
_PLAIN = re.compile(r"[^<>&\[\]`$\\!:{]*")
"""A text without any sign that could make more of it than paragraphs and lists."""


def clean_notebook(notebook: NotebookNode, released: Container[str] = ()) -> None:
    """Take everything out of a graded notebook that could act in a browser.

    Raw cells become blocks of code, which every page shows as they were typed.

    Args:
        notebook: the graded notebook.
        released: the texts of the release, which need no cleaning.
    """
    notebook.metadata.pop("widgets", None)
    notebook.cells = [
        cell
        if cell.cell_type == "markdown" and "attachments" not in cell and cell.source in released
        else _clean_cell(cell)
        for cell in notebook.cells
    ]


@functools.lru_cache(maxsize=512)
def clean_markdown(source: str, attachments: frozenset[str] = frozenset()) -> str:
    """Return a text whose Markdown makes no HTML but Markdown's own.

    A harmless text stays as it is. Else its HTML is escaped and foreign pictures become links;
    what is still not harmless, such as a link that runs a script, is shown as a block of code.

    Args:
        source: the text.
        attachments: the names of the pictures pasted into it.
    """
    source = _cut(source)
    if len(source) <= MARKDOWN_LIMIT and _PLAIN.fullmatch(source):
        return source
    if len(source) > MARKDOWN_LIMIT or len(_FORMULA.findall(source)) > FORMULA_LIMIT:
        return _as_code(source)
    for tried in (source, _OUTSIDE_PICTURE.sub(r"\\!", _escape_tags(source))):
        if _is_harmless(tried, attachments):
            return tried
    return _as_code(source)


def show_verdict(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a verdict's bundle made anew from its data, or None if that is none.

    A bundle's own HTML is never taken over: a student's program may have written it.
    """
    try:
        return {"text/plain": as_text(data), "text/html": as_html(data), MIME: dict(data)}
    except (TemplateError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError):
        return None


def _clean_cell(cell: NotebookNode) -> NotebookNode:
    if cell.cell_type == "code":
        cell.outputs = [kept for o in cell.outputs[:OUTPUT_LIMIT] if (kept := _output(o, cell))]
    elif cell.cell_type == "raw":
        source = _as_code(_cut(cell.source))
        cell = new_markdown_cell(source, id=cell.id, metadata=cell.metadata)
    elif cell.cell_type == "markdown":
        attachments = _attachments(cell.pop("attachments", {}))
        if attachments:
            cell.attachments = attachments
        cell.source = clean_markdown(cell.source, frozenset(attachments))
    return cell


def _output(output: NotebookNode, cell: NotebookNode) -> NotebookNode | None:
    """Return an output with its text and pictures only, and without its metadata.

    nbconvert writes a picture's width from the metadata into the page as it stands.
    """
    made: dict[str, Any]
    match output.output_type:
        case "stream":
            name = "stderr" if output.name == "stderr" else "stdout"
            made = {"name": name, "text": _cut(output.text)}
        case "error":
            lines = _cut("\n".join(map(str, output.traceback))).split("\n")
            made = {"ename": _cut(output.ename), "evalue": _cut(output.evalue), "traceback": lines}
        case "display_data":
            made = {"data": _data(output, cell)}
        case "execute_result":
            count = output.get("execution_count")
            made = {"data": _data(output, cell)}
            made["execution_count"] = count if isinstance(count, int) else None
        case _:
            return None
    if "data" in made:
        made["metadata"] = {}
    return new_output(output.output_type, **made)


def _data(output: NotebookNode, cell: NotebookNode) -> dict[str, Any]:
    told = cell.metadata.get("nbgrader", {})
    verdict = read_verdict(NotebookNode(outputs=[output]))
    if verdict and told.get("grade") and not told.get("solution"):
        shown = show_verdict(verdict)
        if shown:
            return shown
    kept: dict[str, Any] = {k: v for k, v in output.data.items() if _is_picture(k, v)}
    if "text/plain" in output.data:
        kept["text/plain"] = _cut(output.data["text/plain"])
    elif not kept:
        kinds = ", ".join(
            kind for kind in map(str, output.data) if re.fullmatch(r"[\w/+.-]+", kind)
        )
        kept["text/plain"] = f"[an output that is not shown here: {_cut(kinds)[:100]}]"
    return kept


def _attachments(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the pictures among the attachments that a text can show."""
    kept = {
        name: {kind: data for kind, data in bundle.items() if _is_picture(kind, data)}
        for name, bundle in given.items()
    }
    return {name: bundle for name, bundle in kept.items() if bundle}


def _is_picture(kind: str, data: Any) -> bool:
    """Tell whether this is the base64 of a picture of this kind that a browser can well show."""
    if kind not in PICTURES or not isinstance(data, str):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            content = io.BytesIO(base64.b64decode(data.replace("\n", ""), validate=True))
            picture = Image.open(content, formats=[PICTURES[kind]])
    except (OSError, ValueError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        return False
    return picture.width * picture.height <= PIXEL_LIMIT


def _is_harmless(source: str, attachments: Collection[str]) -> bool:
    """Tell whether nbconvert's own reading of a text finds nothing that could act."""
    try:
        return all(_is_harmless_token(token, attachments) for token in _tokens(source))
    except Exception:  # what its parser cannot read is not shown through it
        return False


def _is_harmless_token(token: Mapping[str, Any], attachments: Collection[str]) -> bool:
    kind, attributes = token["type"], token.get("attrs", {})
    if kind == "image":
        url = attributes["url"]
        name = url.removeprefix("attachment:")
        return bool(_PASTED.fullmatch(url)) or (url != name and name in attachments)
    if kind == "link":
        return _is_harmless_link(attributes["url"])
    if kind == "block_code":  # nbconvert does not escape this one language
        return "mermaid" not in (attributes.get("info") or "")
    return kind in _HARMLESS


def _is_harmless_link(url: str) -> bool:
    shown = re.sub(r"[\x00-\x20]", "", url).lower()
    scheme, colon, _ = shown.partition(":")
    return scheme in _SCHEMES if colon and not re.search("[/?#]", scheme) else "&" not in scheme


def _escape_tags(source: str) -> str:
    """Escape each "<" that could begin a tag, but not in code and formulas.

    With every such sign replaced by a numbered mark nothing is HTML any more, and the parser
    tells which of the marks lie in code and formulas.
    """
    numbers = iter(range(len(source)))
    marked = _TAG.sub(lambda _: f"\ue000{next(numbers)}\ue001", source.translate(_MARKS))
    try:
        verbatim = {
            number
            for token in _tokens(marked)
            if token["type"] in _VERBATIM
            for number in _MARK.findall(f"{token.get('raw')} {token.get('attrs')}")
        }
    except Exception:  # as above: the caller will find that it is not harmless
        verbatim = set()
    return _MARK.sub(lambda mark: "<" if mark[1] in verbatim else "&lt;", marked)


def _tokens(source: str) -> Iterator[dict[str, Any]]:
    """Yield what nbconvert's Markdown parser reads, from the outside in."""
    from nbconvert.filters.markdown_mistune import MarkdownWithMath  # it takes long to import

    parser = MarkdownWithMath(renderer=None)  # type: ignore[arg-type]
    waiting: list[Any] = list(parser.parse(source)[0])
    while waiting:
        token = waiting.pop()
        yield token
        waiting += token.get("children", [])


def _as_code(source: str) -> str:
    longest = max(map(len, re.findall("`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{source}\n{fence}"


def _cut(given: Any) -> str:
    text = "".join(map(str, given)) if isinstance(given, list) else str(given)
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}\n[the rest is not shown]"
