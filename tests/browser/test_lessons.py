"""The lessons in JupyterLab: no error is shown, and every live figure follows its controls.

The first lesson runs whole, as a student would run it. Of the others, whose cells nbval runs one
and all, those run that only a browser can judge: the live figures, after the imports.
"""

import re
import shutil
from pathlib import Path

import pytest

from browsing import lab_page, run_notebook
from course.exercises import units
from live_figures import code_cells

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ".jp-OutputArea-output .jupyter-widgets.widget-vbox"
TROUBLE = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'],"
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
)
UNITS = list(units())

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One JupyterLab and one browser for all lessons: starting both takes longer than a lesson."""
    scratch = tmp_path_factory.mktemp("lab")
    folder, unwanted = scratch / "lessons", shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(ROOT / "lessons", folder, ignore=unwanted)
    with lab_page(folder, scratch, width=1000, height=700) as page:
        yield page


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.key)
def test_lesson_shows_no_error_and_its_figures_follow_their_controls(unit, lab):
    code, figures = code_cells(ROOT / unit.lesson)
    cells = None if unit is UNITS[0] else [code[0], *figures]
    assert figures
    with run_notebook(lab, str(Path(unit.lesson).relative_to("lessons")), cells):
        numbers = lab.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        assert sum(bool(re.search(r"\[\d+\]", n)) for n in numbers) == len(cells or code)
        assert lab.locator(TROUBLE).all_inner_texts() == []
        assert lab.get_by_text("Would you like to get notified").count() == 0
        for number in range(len(figures)):
            assert_follows(lab, lab.locator(FIGURES).nth(number))


def assert_follows(lab, figure):
    picture = figure.locator("img")
    before = picture.get_attribute("src")
    sliders, menus = figure.locator(".noUi-handle:visible"), figure.locator("select:visible")
    if sliders.count():
        for key in ("ArrowLeft", "ArrowRight"):  # one of them does nothing at an end
            sliders.first.press(key)
    else:
        chosen = menus.first.evaluate("menu => menu.selectedIndex")
        menus.first.select_option(index=0 if chosen else 1)
    lab.wait_for_function(
        "([picture, before]) => picture.complete && picture.src !== before",
        arg=[picture.element_handle(), before],
    )
