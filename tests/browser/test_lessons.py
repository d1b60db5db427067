"""Every lesson runs in JupyterLab, shows no error, and its first live figure follows a control."""

import shutil
from pathlib import Path

import pytest

from browsing import browser_page, jupyter_lab, open_and_run
from course.exercises import units

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ".jp-OutputArea-output .jupyter-widgets img"
HANDLES = ".jp-OutputArea-output .jupyter-widgets .noUi-handle"
TROUBLE = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'],"
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
)

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.key)
def test_lesson_runs_and_a_control_changes_its_figure(unit, tmp_path):
    lesson = ROOT / unit.lesson
    folder = tmp_path / "lessons"
    shutil.copytree(lesson.parent, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with jupyter_lab(folder, tmp_path) as address, browser_page() as page:
        open_and_run(page, address, lesson.name)
        assert page.locator(TROUBLE).all_inner_texts() == []
        assert page.get_by_text("Would you like to get notified").count() == 0
        picture = page.locator(PICTURES).first
        picture.wait_for()
        before = picture.get_attribute("src")
        page.locator(HANDLES).first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "([selector, before]) => document.querySelector(selector).src !== before",
            arg=[PICTURES, before],
        )
