"""Exercises and units as data."""

import dataclasses
import json

import numpy as np
import pytest

from course.checking import Case, Exercise, Mistake, Part, Unit, answer_text
from course.checking.exercise import one_call
from student import run_cell


def double(x):
    """Return twice x."""
    return 2 * x


def half_as_much(x):
    """double() it is not."""
    return x / 2


def forgets_itself(x):
    return forgets_itself(x - 1) if x else 0


DOUBLE = Exercise(
    reference=double,
    summary="twice a number",
    parts=(Part("small", 1, "small numbers"), Part("large", 2.5, "large numbers")),
    cases=lambda rng: [Case("small", "a small number", {"x": rng.uniform()})],
    mistakes=(Mistake("half", half_as_much, "Halved."),),
    honest=(),
)
UNIT = Unit("03_the_unit", "The unit", (DOUBLE,))


def test_an_exercise_is_called_as_its_reference_and_counts_its_points():
    assert (DOUBLE.name, DOUBLE.points) == ("double", 3.5)
    assert DOUBLE.libraries == ("numpy",)


def test_one_call_is_the_simplest_run():
    assert list(one_call(double, {"x": 3})) == [("the result", 6)]


def test_a_unit_knows_its_files():
    assert UNIT.slug == "the_unit"
    assert UNIT.lesson == "lessons/03_the_unit/the_unit.ipynb"
    assert UNIT.assignment == "solutions/03_the_unit/the_unit_exercises.ipynb"


def test_a_unit_as_plain_data():
    data = UNIT.as_dict()
    assert json.loads(json.dumps(data)) == data
    assert data == {
        "key": "03_the_unit",
        "title": "The unit",
        "lesson": UNIT.lesson,
        "assignment": UNIT.assignment,
        "exercises": [
            {
                "name": "double",
                "points": 3.5,
                "parts": [
                    {"name": "small", "points": 1, "title": "small numbers"},
                    {"name": "large", "points": 2.5, "title": "large numbers"},
                ],
                "mistakes": ["half"],
            }
        ],
    }


@pytest.mark.parametrize("value", [DOUBLE, UNIT, DOUBLE.parts[0], DOUBLE.mistakes[0]])
def test_data_does_not_change(value):
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, "other")


def test_an_answers_text_has_the_exercises_name_in_its_head_only():
    text = answer_text(half_as_much, "double")
    assert text == 'def double(x):\n    """double() it is not."""\n    return x / 2\n'
    assert run_cell(text)["double"](3) == 1.5


def test_a_text_of_a_function_inside_another_starts_at_the_margin():
    def inner(x):
        return np.abs(x)

    assert run_cell(answer_text(inner, "outer"))["outer"](-2) == 2
