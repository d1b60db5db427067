"""Nothing that a student made acts in the browser of a person who looks at it."""

import copy

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_notebook
from nbgrader.server_extensions.formgrader import handlers

from browsing import browser_page
from course.exercises import find_unit
from grader.class_folder import make_class
from grader.clean import clean_notebook
from grader.feedback import Order, page
from grader.problems import Problem
from grader.report import render
from grader.results import Question, Result, Results
from grader.stock import _config
from nasty import HACK, nasty_notebook

pytestmark = pytest.mark.browser
NAME = f"<img src=x onerror={HACK}>"


def visit(html, tmp_path):
    """Open a page, click all its links; return whether it was hacked, and what it asked for."""
    place = tmp_path / "page.html"
    place.write_text(html)
    asked = set()

    def answer(route):
        if route.request.url.startswith("file:") and "page.html" in route.request.url:
            return route.continue_()
        asked.add(route.request.url.split("?")[0])
        return route.abort()

    with browser_page() as browser:
        browser.route("**/*", answer)
        browser.goto(place.as_uri())
        browser.wait_for_load_state("load")
        browser.evaluate(
            "document.querySelectorAll('a').forEach(a => {"
            " if (!a.href.startsWith('http') && !a.href.startsWith('file')) a.click() })"
        )
        browser.wait_for_timeout(300)
        return browser.evaluate("window.hacked === 1"), asked, browser.inner_text("body")


def formgrader(notebook, config):
    """The page that formgrader's exporter makes, as its server extension sets it up."""
    config = config.copy()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    told = dict.fromkeys(("assignment_id", "notebook_id", "submission_id", "student"), "x")
    told |= {"index": 0, "total": 1, "base_url": "", "notebook_path": "", "first_name": "x"}
    told |= {"last_name": "x"}
    return HTMLExporter(config=config).from_notebook_node(notebook, resources=told)[0]


@pytest.fixture
def config(tmp_path):
    klass = make_class(tmp_path / "class", tmp_path)
    return _config(klass.root)


def without_preprocessor(config):
    config = copy.deepcopy(config)
    del config.HTMLExporter.preprocessors
    return config


def cleaned():
    notebook = nasty_notebook()
    clean_notebook(notebook)
    return notebook


def test_formgrader_shows_a_cleaned_notebook_as_quietly_as_an_empty_one(config, tmp_path):
    bare = without_preprocessor(config)
    _, usual, _ = visit(formgrader(new_notebook(), bare), tmp_path)
    hacked, asked, text = visit(formgrader(cleaned(), bare), tmp_path)
    assert not hacked
    assert asked <= usual
    assert "<script>" in text


def test_formgrader_itself_cleans_what_another_program_graded(config, tmp_path):
    _, usual, _ = visit(formgrader(new_notebook(), config), tmp_path)
    hacked, asked, _ = visit(formgrader(nasty_notebook(), config), tmp_path)
    assert not hacked
    assert asked <= usual


@pytest.mark.filterwarnings("ignore:Your element with mimetype")
def test_without_cleaning_the_same_notebook_does_act(config, tmp_path):
    notebook = nasty_notebook()
    # Of these nbconvert makes no page at all.
    del notebook.metadata["widgets"], notebook.cells[-1]
    leaving = ("missing.png", "http-equiv", "<base")  # the last two lead to another page
    notebook.cells = [c for c in notebook.cells if not any(x in c.source for x in leaving)]
    hacked, asked, _ = visit(formgrader(notebook, without_preprocessor(config)), tmp_path)
    assert hacked
    assert "https://evil.example/track.png" in asked


@pytest.mark.parametrize("clean", [True, False])
def test_a_feedback_page_asks_for_nothing_and_hides_nothing(clean, tmp_path):
    notebook = cleaned() if clean else nasty_notebook()
    questions = (Question("test_f", "f", 2.0),)
    result = Result(NAME, {"test_f": 1.0}, {}, (Problem(NAME),), comments={"c0": NAME})
    content = nbformat.writes(notebook).encode()
    html = page(Order(NAME, questions, result, content, ()))
    hacked, asked, text = visit(html, tmp_path)
    assert not hacked
    assert asked == set()
    assert "1 of 2 points" in text
    assert NAME in text


def test_a_report_asks_for_nothing(tmp_path):
    unit = find_unit("03_optimizers")
    klass = make_class(tmp_path / "class", tmp_path)
    questions = (Question("test_f", NAME, 2.0),)
    students = (Result(NAME, {"test_f": 1.0}, {}, (Problem(NAME),)),)
    hacked, asked, text = visit(render(klass, Results(unit, questions, students)), tmp_path)
    assert not hacked
    assert asked == set()
    assert NAME in text


def test_the_wide_table_of_a_report_scrolls_under_the_names(tmp_path):
    unit = find_unit("03_optimizers")
    klass = make_class(tmp_path / "class", tmp_path)
    questions = tuple(Question(f"q{n}", f"a question {n}", 2.0) for n in range(40))
    points = {question.grade_id: 1.0 for question in questions}
    students = (Result("1003", points, {}, (), name="Ada Lovelace"),)
    place = tmp_path / "page.html"
    place.write_text(render(klass, Results(unit, questions, students)))
    with browser_page() as browser:
        browser.set_viewport_size({"width": 1000, "height": 700})
        browser.goto(place.as_uri())
        name = browser.get_by_role("cell", name="1003 Ada Lovelace")
        status = browser.get_by_role("cell", name="graded")
        before = name.bounding_box()["x"]
        assert status.bounding_box()["x"] > 1000
        browser.evaluate("document.querySelector('.students').parentElement.scrollLeft = 9999")
        assert name.bounding_box()["x"] == before
        assert status.bounding_box()["x"] < 1000
        assert browser.evaluate("document.documentElement.scrollWidth") <= 1000


def test_formulas_need_no_script(tmp_path):
    unit = find_unit("03_optimizers")
    content = nbformat.writes(
        new_notebook(cells=[nbformat.v4.new_markdown_cell(r"$$\frac{a}{b}$$", id="m")])
    ).encode()
    result = Result("ada", {}, {}, ())
    place = tmp_path / "page.html"
    place.write_text(page(Order(unit.title, (), result, content, ())))
    with browser_page() as browser:
        browser.goto(place.as_uri())
        box = browser.locator("mfrac").bounding_box()
    assert box["height"] > box["width"] > 0
