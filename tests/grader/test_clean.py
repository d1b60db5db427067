"""What cleaning takes out of a graded notebook, and what it must leave."""

import copy

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from course.checking import MIME
from course.checking.verdict import PartResult, Verdict
from grader.clean import MARKDOWN_LIMIT, TEXT_LIMIT, clean_markdown, clean_notebook
from grader.formgrader import CleanNotebook
from nasty import DATA, HACK, MARKUP, OUTPUTS, nasty_notebook, picture
from pages import Page

TEST_CELL = {"nbgrader": {"grade": True, "solution": False, "grade_id": "test_f"}}
VERDICT = Verdict("f", "right", (PartResult("values", "The values", 2.0, True, True),))


def cleaned(*cells):
    notebook = new_notebook(cells=[copy.deepcopy(cell) for cell in cells])
    clean_notebook(notebook)
    nbformat.validate(notebook)
    return notebook.cells


def outputs_of(*outputs, **metadata):
    (cell,) = cleaned(new_code_cell("f()", outputs=list(outputs), metadata=metadata))
    return cell.outputs


def acting(html):
    """What in a piece of HTML could act in a browser."""
    harmless = "a blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr li ol p pre span"
    harmless = {*harmless.split(), "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
    found = [tag for tag, attrs in Page(html).tags if tag not in {*harmless, "img"}]
    for _, attrs in Page(html).tags:
        found += [name for name in attrs if name.startswith("on")]
        links = [attrs.get("href") or "#", attrs.get("src") or "data:image/png;"]
        found += [x for x in links if not x.startswith(("#", "http", "mailto", "data:image/png;"))]
        found += [x for x in links[1:] if x.startswith("http")]
    return found


def rendered(*cells):
    """The body of the page that nbconvert makes of cells."""
    exporter = HTMLExporter(template_name="basic")
    return exporter.from_notebook_node(new_notebook(cells=list(cells)))[0]


@pytest.mark.parametrize("name", MARKUP)
def test_nothing_of_a_text_acts_in_nbconvert_s_page(name):
    for kind in (new_markdown_cell, new_raw_cell):
        assert acting(rendered(*cleaned(kind(MARKUP[name])))) == []


def test_the_corpus_acts_where_nothing_is_cleaned():
    kinds = [n for n, text in MARKUP.items() if "formula" not in n and "missing" not in n]
    harmless = [n for n in kinds if not acting(rendered(new_markdown_cell(MARKUP[n])))]
    assert set(harmless) <= {
        "comment",
        "unclosed",
        "link in brackets",
        "handler after an open fence",
    }


@pytest.mark.parametrize(
    "text",
    [
        "a < b and b > c, 1<2",
        "**bold** `<b>` and $a<b$ and $$x <y$$",
        "| a | b |\n|---|--:|\n| 1 | `<c>` |",
        "```html\n<script>\n```",
        "    <indented code>",
        r"\begin{aligned}a&<b\\c&>d\end{aligned}",
        "[a](https://a.example/b?c=d&e) <https://a.example> [b](#top) <me@a.example>",
        "![p](attachment:p.png) ![q][x]\n\n[x]: attachment:p.png",
        "- one\n  1. two\n\n> three\n\n---\n\n~~four~~",
    ],
)
def test_a_harmless_text_stays_as_it_is(text):
    assert clean_markdown(text, frozenset({"p.png"})) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x <b>y</b> $a<b$ `<c>`", "x &lt;b>y&lt;/b> $a<b$ `<c>`"),
        ("```html\n<b>\n```\n<i>t</i>", "```html\n<b>\n```\n&lt;i>t&lt;/i>"),
        ("![p](https://a.example/p.png)", r"\![p](https://a.example/p.png)"),
        ("[x](javascript:y)", "```\n[x](javascript:y)\n```"),
        ("````\n<b>\n````\n[x](javascript:y)", "`````\n````\n<b>\n````\n[x](javascript:y)\n`````"),
        ("\ue0000\ue001<b>", "0&lt;b>"),
    ],
)
def test_what_is_shown_of_a_text_that_could_act(text, shown):
    assert clean_markdown(text) == shown


@pytest.mark.parametrize("piece", [r"\\[", r"\begin{a}", "<a ", "[a](<", "*a "])
def test_texts_that_take_a_parser_long_are_not_parsed(piece, monkeypatch):
    parsed = []
    monkeypatch.setattr("grader.clean._tokens", lambda source: parsed.append(source) or [])
    text = piece * (MARKDOWN_LIMIT // len(piece) + 1)
    assert clean_markdown(text) == f"```\n{text}\n```"
    assert clean_markdown(r"\\[x\\]" * 201).startswith("```\n")
    assert parsed == []


def test_a_raw_cell_is_shown_as_it_was_typed():
    (cell,) = cleaned(new_raw_cell("def f():\n    return '<b>'", id="extra-1"))
    assert (cell.cell_type, cell.id) == ("markdown", "extra-1")
    assert cell.source == "```\ndef f():\n    return '<b>'\n```"


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_keep_text_and_pictures_only(name):
    (output,) = outputs_of(OUTPUTS[name])
    assert set(output.get("data", {})) <= {"text/plain", "image/png", "image/jpeg"}
    assert output.get("metadata", {}) == {}
    assert acting(rendered(new_code_cell("x", outputs=[output]))) == []
    assert len(str(output)) < 2 * TEXT_LIMIT


def test_an_output_without_text_is_named():
    (output,) = outputs_of(OUTPUTS["text/html"])
    assert output.data == {"text/plain": "[an output that is not shown here: text/html]"}


@pytest.mark.parametrize(("kind", "made"), [("image/png", "PNG"), ("image/jpeg", "JPEG")])
def test_a_picture_is_kept_if_it_is_one_of_its_kind(kind, made):
    good = new_output("display_data", data={kind: picture(made), "text/plain": "<Figure>"})
    assert outputs_of(good)[0].data == good.data
    other = picture("JPEG" if made == "PNG" else "PNG")
    assert list(outputs_of(new_output("display_data", data={kind: other}))[0].data) == [
        "text/plain"
    ]


def test_a_huge_picture_is_not_kept(monkeypatch):
    monkeypatch.setattr("grader.clean.PIXEL_LIMIT", 3)
    output = new_output("display_data", data={"image/png": picture()})
    assert list(outputs_of(output)[0].data) == ["text/plain"]


def test_pasted_pictures_are_kept_and_other_attachments_not():
    good = {"p.png": {"image/png": picture()}}
    bad = {"q.svg": {"image/svg+xml": "x"}, "r.png": {"image/png": "x", "text/html": "y"}}
    text = "![p](attachment:p.png)"
    kept, without = cleaned(
        new_markdown_cell(text, attachments=good | bad), new_markdown_cell("x", attachments=bad)
    )
    assert (kept.source, kept.attachments) == (text, good)
    assert "attachments" not in without


def test_a_verdict_is_shown_by_its_data_and_only_in_a_test_cell():
    forged = new_output("display_data", data={**DATA, MIME: VERDICT.as_dict()})
    (shown,) = outputs_of(forged, **TEST_CELL)
    assert shown.data["text/html"] == VERDICT._repr_mimebundle_()["text/html"]
    assert shown.data[MIME]["points"] == 2.0
    assert HACK not in str(shown)
    (elsewhere,) = outputs_of(forged)
    assert list(elsewhere.data) == ["text/plain"]


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "hacked"},
        {"points": "<b>"},
        {"failure": {"kind": "x"}},
        {"parts": [{"name": 1, "earned": 1}]},
    ],
)
def test_a_verdict_that_cannot_be_shown_is_dropped(broken):
    data = VERDICT.as_dict() | {"status": "wrong_value"} | broken
    (output,) = outputs_of(new_output("display_data", data={MIME: data}), **TEST_CELL)
    assert list(output.data) == ["text/plain"]


def test_cleaning_twice_changes_nothing():
    notebook = nasty_notebook()
    clean_notebook(notebook)
    once = copy.deepcopy(notebook)
    clean_notebook(notebook)
    assert notebook == once


def test_formgrader_s_preprocessor_also_drops_what_nbgrader_does_not_need():
    good = new_markdown_cell("x", metadata=TEST_CELL | {"tags": ["<b>"]})
    bad = new_markdown_cell("x", metadata={"nbgrader": {"grade_id": '"><script>'}, "alt": "x"})
    notebook, _ = CleanNotebook().preprocess(new_notebook(cells=[good, bad]), {})
    assert [cell.metadata for cell in notebook.cells] == [TEST_CELL, {}]
