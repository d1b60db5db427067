"""A unit's mistakes as a table."""

import pytest

from course.checking import MistakeTable
from course.exercises import common_mistakes, units
from pages import Page


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.key)
def test_every_mistake_is_in_the_table_with_its_sentence(unit):
    table = common_mistakes(unit.key)
    html, text = table._repr_html_(), str(table)
    page = Page(html)
    assert page.errors == []
    assert {name for _, given in page.tags for name in given} == {"style"}
    assert repr(table) == text
    mistakes = [mistake for exercise in unit.exercises for mistake in exercise.mistakes]
    assert sum(tag == "tr" for tag, _ in page.tags) == len(mistakes) + 1
    assert sum(tag == "code" for tag, _ in page.tags) == len(unit.exercises)
    for mistake in mistakes:
        assert f"  {mistake.name}: {mistake.sentence}" in text.splitlines()
        assert f"{mistake.name}{mistake.sentence}" in "".join(page.text)
    for exercise in unit.exercises:
        assert exercise.name in text.splitlines()


def test_the_table_is_made_from_the_unit_alone():
    unit = units()[0]
    assert common_mistakes(unit.slug) == MistakeTable(unit)
