"""The reference of unit 00 against other libraries, and the toy that shows every verdict."""

import statistics

import numpy as np
import pytest
import torch

from course.checking import answer_text, judge
from course.checking.judge import draw_cases
from course.exercises import PUBLIC_SEED, check, units
from course.exercises import start as unit
from course.normalizers import standardize
from student import answer, run_cell

SEEDS = (PUBLIC_SEED, 3, 2026)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_moments_agree_with_torch_with_python_and_with_standardize(seed):
    for case in draw_cases(unit.MEAN_AND_VARIANCE, seed):
        x = case.inputs["x"]
        mean, variance = unit.mean_and_variance(x)
        loose = {"rtol": 1e-5} if x.dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-15}
        theirs = torch.var_mean(torch.tensor(x), dim=0, correction=0)
        np.testing.assert_allclose(variance, theirs[0], **loose)
        np.testing.assert_allclose(mean, theirs[1], **loose)
        columns = [column.astype(float).tolist() for column in x.T]
        np.testing.assert_allclose(variance, [*map(statistics.pvariance, columns)], **loose)
        np.testing.assert_allclose(standardize(x)[1]["mean"], mean, **loose)


@pytest.mark.parametrize("seed", range(20))
def test_no_batch_hides_a_mistake(seed):
    """Spreads are far from 0 and 1, but for the constant feature, and so are the means."""
    for case in draw_cases(unit.MEAN_AND_VARIANCE, seed):
        x = case.inputs["x"]
        mean, variance = unit.mean_and_variance(x)
        if len(x) > 1:
            constant = int("constant" in case.title)
            assert (variance > 1.2).sum() == x.shape[1] - constant
            assert np.abs(mean).min() > 1.2


def test_one_batch_has_a_single_sample():
    sizes = [len(case.inputs["x"]) for case in draw_cases(unit.MEAN_AND_VARIANCE, PUBLIC_SEED)]
    assert sizes.count(1) == 1


def test_a_mistake_whose_result_cancels_to_0_is_named_whatever_its_rounding():
    text = """
    def mean_and_variance(x):
        mean = sum(x) / len(x)
        return mean, sum(sample - mean for sample in x[::-1]) / len(x)
    """
    assert check(answer(text)).mistake.name == "deviations not squared"


def test_a_part_can_be_earned_before_the_other():
    for text, earned in {
        "x.mean(axis=0), x.var(axis=0, ddof=1)": ["mean", "inputs"],
        "x.mean(axis=1), x.var(axis=0)": ["variance", "inputs"],
    }.items():
        verdict = check(answer(f"def mean_and_variance(x):\n    return {text}"))
        assert verdict.status == "partly_right"
        assert [part.name for part in verdict.parts if part.earned] == earned


def test_subtracting_in_place_loses_the_inputs_part_only():
    text = """
    def mean_and_variance(x):
        mean = x.mean(axis=0)
        x -= mean
        return mean, (x**2).mean(axis=0)
    """
    verdict = check(answer(text))
    assert (verdict.status, verdict.points) == ("changed_inputs", 2.5)


def test_the_result_must_be_a_pair():
    verdict = check(answer("def mean_and_variance(x):\n    return x.mean(axis=0)"))
    assert (verdict.status, verdict.points) == ("wrong_type", 0)
    assert "expected the tuple (mean, variance)" in verdict.failure.text


# --- the toy ---------------------------------------------------------------------------------

TOYS = {
    "raise NotImplementedError()": ("not_attempted", 0),
    "return 2 * x.numbers": ("crashed", 0),
    "return [2 * number for number in x]": ("wrong_type", 0),
    "return 2 * x[:, None]": ("wrong_type", 0),
    "return 2 * x + 1": ("wrong_value", 0),
    "return np.maximum(2 * x, 0)": ("partly_right", 2),
    "x *= 2\n    return x": ("changed_inputs", 2.5),
    "import scipy\n    return scipy": ("not_allowed", 0),
    "return 2 * x.astype(float)": ("partly_right", 2.5),
    "return x + x": ("right", 3),
}


@pytest.mark.parametrize(("body", "expected"), TOYS.items(), ids=range(len(TOYS)))
def test_the_toy_gets_every_kind_of_verdict(body, expected):
    verdict = judge(unit.DOUBLED, answer(f"def doubled(x):\n    {body}"), PUBLIC_SEED)
    assert (verdict.status, verdict.points) == expected
    assert verdict.mistake is None


@pytest.mark.parametrize("mistake", unit.DOUBLED.mistakes, ids=lambda mistake: mistake.name)
def test_the_toys_mistakes_are_named(mistake):
    function = run_cell(answer_text(mistake.variant, "doubled"))["doubled"]
    for seed in SEEDS:
        named = judge(unit.DOUBLED, function, seed).mistake
        assert (named.name, named.sentence) == (mistake.name, mistake.sentence)


def test_the_toy_is_in_no_unit():
    assert unit.DOUBLED not in [exercise for known in units() for exercise in known.exercises]


def test_the_unit_is_worth_3_points():
    assert sum(exercise.points for exercise in unit.UNIT.exercises) == 3
