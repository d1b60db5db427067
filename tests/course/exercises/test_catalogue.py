"""Finding units and exercises, and `check` as students call it."""

import functools
import re

import numpy as np
import pytest

from course import optimizers
from course.checking import judge
from course.exercises import (
    PUBLIC_SEED,
    check,
    common_mistakes,
    find_exercise,
    find_unit,
    units,
)
from student import answer, run_cell

HEAD = "def {}(theta, grad, state=None, *, lr, momentum=0.9):\n"
STEP = """
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + u, {"u": u}
"""
RIGHT = HEAD.format("momentum") + STEP


def test_units_come_in_the_order_of_their_keys():
    keys = [unit.key for unit in units()]
    assert keys == sorted(set(keys))
    assert "03_optimizers" in keys
    assert units() is units()


def test_a_unit_is_found_by_its_key_or_slug():
    for unit in units():
        assert find_unit(unit.key) is find_unit(unit.slug) is unit


def test_an_exercise_is_found_by_its_name():
    for unit in units():
        for exercise in unit.exercises:
            assert find_exercise(exercise.name) is exercise


def test_an_unknown_name_is_answered_with_those_that_exist():
    with pytest.raises(LookupError, match=r"no unit is called '99_x'\. There are: .*03_optimizers"):
        find_unit("99_x")
    with pytest.raises(LookupError, match="no unit is called '99_x'"):
        common_mistakes("99_x")
    with pytest.raises(LookupError, match=r"no exercise is called 'zzz'\. There are: .*momentum"):
        find_exercise("zzz")
    with pytest.raises(LookupError, match=r"is called 'momentun'\. Did you mean 'momentum'\?"):
        find_exercise("momentun")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("12", "12_data_parallel"),
        ("12_data", "12_data_parallel"),
        ("data", "12_data_parallel"),
        ("optimisers", "03_optimizers"),
    ],
)
def test_the_beginning_of_a_unit_s_name_suggests_it(name, meant):
    with pytest.raises(LookupError, match=f"'{name}'. Did you mean '{meant}'\\?$"):
        find_unit(name)


@pytest.mark.parametrize("name", ["", "0", "1"])
def test_what_begins_several_names_suggests_none(name):
    with pytest.raises(LookupError, match="There are: 00_start, "):
        find_unit(name)


def test_an_answer_is_checked_under_its_name():
    verdict = check(answer(RIGHT))
    assert (verdict.exercise, verdict.status) == ("momentum", "right")


OBJECT = """
class Rule:
    def __call__(self, *args, **hyper):
        return momentum(*args, **hyper)
mine = Rule()
"""
OTHER_NAMES = {
    "function": HEAD.format("mine") + STEP,
    "lambda": "mine = lambda theta, grad, state=None, *, lr, momentum=0.9: (theta, state)",
    "partial": RIGHT + "\nimport functools\nmine = functools.partial(momentum, momentum=0.9)",
    "object": RIGHT + OBJECT,
}


@pytest.mark.parametrize("source", OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_an_answer_under_another_name_is_checked_when_the_exercise_is_said(source):
    mine = run_cell(source)["mine"]
    said = r"no exercise is called .* say which exercise it answers: check\(function, 'adam'\)\."
    with pytest.raises(LookupError, match=said):
        check(mine)
    verdict = check(mine, exercise="momentum")
    assert (verdict.exercise, verdict.points) == ("momentum", 0 if "lambda" in source else 5)


@pytest.mark.parametrize(
    ("function", "status"),
    [
        (max, "crashed"),
        (np.add, "crashed"),
        (dict, "crashed"),
        (optimizers.momentum, "not_allowed"),
    ],
)
def test_anything_that_can_be_called_gets_a_verdict(function, status):
    verdict = check(function, exercise="momentum")
    assert (verdict.status, verdict.points) == (status, 0)


def test_the_courses_own_rule_is_no_answer():
    assert check(optimizers.momentum).status == "not_allowed"
    rule = functools.partial(optimizers.momentum)
    assert check(rule, exercise="momentum").status == "not_allowed"


@pytest.mark.parametrize("value", [None, 3, (np.zeros(3), {}), "momentum"])
def test_a_result_instead_of_the_function_is_said(value):
    said = f"check needs the function itself, such as check(adam), got {type(value).__name__}."
    with pytest.raises(TypeError, match=re.escape(said)):
        check(value)


def test_an_unknown_exercise_is_said_without_a_detour():
    with pytest.raises(LookupError) as caught:
        check(answer(RIGHT), exercise="adem")
    assert str(caught.value) == "no exercise is called 'adem'. Did you mean 'adam'?"


def test_students_see_the_public_cases():
    wrong = answer(HEAD.format("momentum") + "    return 2 * theta, {}")
    exercise = find_exercise("momentum")
    assert check(wrong) == judge(exercise, wrong, PUBLIC_SEED)
    assert check(wrong).failure.inputs
