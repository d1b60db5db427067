"""Unit 02: what its runs look at, and the functions that its line searches are tried on."""

import re

import numpy as np
import pytest

from course.checking import judge
from course.diagnostics import check_gradient
from course.exercises import gradient_descent as unit
from student import answer

KINDS = {
    "a generator": "return (order[i : i + batch_size] for i in range(0, n, batch_size))",
    "one array": "return order",
    "numbers": "return [int(i) for i in order]",
    "no batch": "return []",
    "floats": "return [order[i : i + batch_size] / 1.0 for i in range(0, n, batch_size)]",
    "columns": "return [order[i : i + batch_size, None] for i in range(0, n, batch_size)]",
    "texts": "return [['a', 'b'] for i in range(0, n, batch_size)]",
}


@pytest.mark.parametrize("line", KINDS.values(), ids=KINDS)
def test_batches_of_another_kind_are_a_wrong_type(line):
    head = "def minibatches(n, batch_size, rng):\n    order = rng.permutation(n)\n    "
    verdict = judge(unit.MINIBATCHES, answer(head + line), 0)
    assert (verdict.status, verdict.points) == ("wrong_type", 0)
    assert re.search("expected|an object of type generator", verdict.failure.text)


def test_batches_may_be_lists_of_integers():
    text = """
    def minibatches(n, batch_size, rng):
        order = [int(i) for i in rng.permutation(n)]
        return [order[i : i + batch_size] for i in range(0, n, batch_size)]
    """
    assert judge(unit.MINIBATCHES, answer(text), 0).status == "right"


STEPS = {"None": "None", "0": "0", "negative": "-0.1", "infinite": "np.inf", "NaN": "np.nan"}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_step_that_is_none_is_a_wrong_type(step):
    text = f"def strong_wolfe(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):\n    return {step}"
    verdict = judge(unit.STRONG_WOLFE, answer(text), 0)
    assert (verdict.status, verdict.points) == ("wrong_type", 0)
    assert "a finite number above 0" in verdict.failure.text


def test_every_step_that_meets_the_conditions_is_right():
    """The same search with another way to shorten finds other steps, and all are right."""
    text = """
    def strong_wolfe(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
        slope = p @ grad_f(x)
        low, high = 0.0, np.inf
        while True:
            new = p @ grad_f(x + step * p)
            if not f(x + step * p) <= f(x) + c1 * step * slope or new > -c2 * slope:
                high = step
            elif new < c2 * slope:
                low = step
            else:
                return step
            step = 1.7 * step if high == np.inf else low + SHARE * (high - low)
    """
    for share in (0.2, 0.37, 0.61):
        assert judge(unit.STRONG_WOLFE, answer(text, SHARE=share), 3).status == "right"


@pytest.mark.parametrize(
    ("f", "grad_f"),
    [
        (unit.valley, unit.valley_grad),
        (unit.walled, unit.walled_grad),
        (unit.wavy, unit.wavy_grad),
    ],
    ids=lambda f: f.__name__,
)
def test_the_functions_have_their_gradients(f, grad_f):
    x = np.array([0.3, -0.7, 0.5])
    assert check_gradient(f, grad_f, x).passed


def test_the_walled_function_ends_at_its_walls_without_a_warning():
    assert unit.walled(np.array([1.0])) == np.inf
    assert np.isnan(unit.walled(np.array([1.5])))


def test_the_direction_across_the_valley_is_downhill_and_not_steepest():
    line, best = unit.across_the_valley(np.random.default_rng(0))
    x, p = line["x"], line["p"]
    grad = unit.valley_grad(x)
    assert p @ grad < 0
    assert abs(p @ grad + grad @ grad) > 0.5 * grad @ grad
    heights = [unit.valley(x + share * best * p) for share in (0.99, 1.0, 1.01)]
    assert np.argmin(heights) == 1


def test_the_verdict_on_a_search_can_be_repeated_by_the_student():
    """It names the function, and the text of the assignment says what it is."""
    text = "def backtracking(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):\n    return step"
    verdict = judge(unit.BACKTRACKING, answer(text), 0)
    assert verdict.failure.inputs["f"] == "valley"
    assert {"x", "p", "step"} <= set(verdict.failure.inputs)


@pytest.mark.parametrize(
    "draw",
    [
        "np.random.permutation(n)",
        "random.sample(range(n), n)",
        "np.random.default_rng(0).permutation(n)",
    ],
)
def test_an_order_that_does_not_come_from_the_generator_is_not_accepted(draw):
    text = f"""
    import random

    def minibatches(n, batch_size, rng):
        order = {draw}
        return [order[first : first + batch_size] for first in range(0, n, batch_size)]
    """
    verdict = judge(unit.MINIBATCHES, answer(text), 0)
    assert [part.name for part in verdict.parts if not part.earned] == ["random"]
    assert "generator" in verdict.mistake.name


def test_batches_that_come_one_by_one_are_not_a_list():
    text = """
    def minibatches(n, batch_size, rng):
        yield rng.permutation(n)
    """
    verdict = judge(unit.MINIBATCHES, answer(text), 0)
    assert verdict.failure.text.startswith("expected a list of index arrays, got an object")


WOLFE = """
def wolfe(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    before = p @ grad_f(x)
    MOVE
    after = p @ grad_f(new)
    decrease = f(new) <= f(x) + BOUND
    return decrease, after >= c2 * before, abs(after) <= c2 * abs(before)
"""


@pytest.mark.parametrize(
    ("move", "bound", "named"),
    [
        ("new = x + step * p", "c1 * before", "decrease without the step"),
        ("new = x + step * p", "step * before", "decrease without c₁"),
        ("x += step * p; new = x", "c1 * step * before", None),
    ],
)
def test_an_answer_of_yes_and_no_is_named_as_what_it_is(move, bound, named):
    """Few answers tell these apart: f(x) at a point that was moved in place is a third thing."""
    for seed in range(10):
        verdict = judge(
            unit.WOLFE, answer(WOLFE.replace("MOVE", move).replace("BOUND", bound)), seed
        )
        assert verdict.points < unit.WOLFE.points
        assert (verdict.mistake.name if verdict.mistake else None) == named


def test_a_wrong_truth_value_is_told_in_words():
    text = WOLFE.replace("MOVE", "new = x + step * p").replace("BOUND", "step * before")
    verdict = judge(unit.WOLFE, answer(text), 0)
    assert verdict.failure.text == "it is False and should be True"
    assert (verdict.failure.expected, verdict.failure.got) == ("True", "False")


def test_a_search_must_not_stop_where_the_function_is_nan():
    text = """
    def strong_wolfe(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
        start, slope = f(x), p @ grad_f(x)
        low, high = 0.0, np.inf
        for _ in range(50):
            new = p @ grad_f(x + step * p)
            if f(x + step * p) > start + c1 * step * slope or new > -c2 * slope:
                high = step
            elif new < c2 * slope:
                low = step
            else:
                break
            step = 2 * step if high == np.inf else (low + high) / 2
        return step
    """
    for seed in range(10):
        verdict = judge(unit.STRONG_WOLFE, answer(text), seed)
        assert [part.name for part in verdict.parts if not part.earned] == ["long"]
        assert verdict.mistake is None
