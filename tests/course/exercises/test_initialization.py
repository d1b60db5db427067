"""Unit 07: how random weights are judged, and the references against the library."""

import numpy as np
import pytest

from course import initializers
from course.checking import judge
from course.diagnostics import predicted_variance
from course.exercises import initialization as unit
from student import answer, run_cell

WIDTHS, VARIANCES = [30, 50, 20, 40], [0.05, 0.03, 0.07]


@pytest.mark.parametrize(("slope", "activation"), [(1.0, "linear"), (0.0, "relu")])
def test_the_predictors_agree_with_the_librarys(slope, activation):
    expected = predicted_variance(
        WIDTHS,
        VARIANCES,
        activation=activation,
        input_mean_square=1.7,
        output_gradient_variance=0.6,
    )
    forward = unit.forward_variance(WIDTHS, VARIANCES, slope=slope, input_mean_square=1.7)
    backward = unit.backward_variance(WIDTHS, VARIANCES, slope=slope, output_variance=0.6)
    np.testing.assert_allclose(forward, expected.forward)
    np.testing.assert_allclose(backward, expected.backward)


def test_a_leaky_relus_factor_is_the_librarys():
    expected = predicted_variance(WIDTHS, VARIANCES, activation="leaky_relu")
    forward = unit.forward_variance(WIDTHS, VARIANCES, slope=0.01)
    np.testing.assert_allclose(forward, expected.forward, rtol=1e-4)


@pytest.mark.parametrize("shape", [(30, 20), (3, 2, 8, 5)])
def test_the_normal_draws_are_the_librarys(shape):
    def rng():
        return np.random.default_rng(5)

    np.testing.assert_allclose(unit.lecun(shape, rng()), initializers.lecun_normal(shape, rng()))
    np.testing.assert_allclose(
        unit.xavier(shape, rng(), gain=1.5), initializers.xavier_normal(shape, rng(), gain=1.5)
    )
    for mode in ("fan_in", "fan_out", "fan_avg"):
        np.testing.assert_allclose(
            unit.he(shape, rng(), mode=mode), initializers.he_normal(shape, rng(), mode=mode)
        )


def test_lsuv_on_one_batch_again_and_again_is_the_librarys():
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=shape) for shape in ((6, 4), (4, 7), (7, 3))]
    x = rng.normal(size=(20, 6)) + 0.5
    ours = unit.lsuv(weights, unit.relu, [x] * 10)
    for w, expected in zip(ours, initializers.lsuv(weights, unit.relu, x), strict=True):
        np.testing.assert_allclose(w, expected, rtol=1e-9, atol=1e-12)


KINDS = {
    "a list": "return rng.normal(0, shape[0] ** -0.5, shape).tolist()",
    "whole numbers": "return np.ones(shape, int)",
    "turned round": "return rng.normal(0, shape[0] ** -0.5, shape[::-1])",
    "one number": "return rng.normal()",
    "not finite": "return rng.normal(size=shape) / np.zeros(shape)",
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("line", KINDS.values(), ids=KINDS)
def test_weights_of_another_kind_are_a_wrong_type(line):
    text = f"def lecun(shape, rng, *, distribution='normal'):\n    {line}"
    verdict = judge(unit.LECUN, answer(text), 0)
    assert (verdict.status, verdict.points) == ("wrong_type", 0)
    assert "expected" in verdict.failure.text


DULL = {
    "one number for all": "return np.full(shape, s)",
    "one row for all": "return np.tile(rng.normal(0, s, shape[-1]), (*shape[:-1], 1))",
    "two values only": "return s * rng.choice([-1.0, 1.0], shape)",
    "twice as wide": "return rng.normal(0, 2 * s, shape)",
}


@pytest.mark.parametrize("line", DULL.values(), ids=DULL)
def test_draws_that_are_not_asked_for_lose_the_normal_part(line):
    text = f"""
    def lecun(shape, rng, *, distribution="normal"):
        s = np.prod(shape[:-1]) ** -0.5
        {line}
    """
    verdict = judge(unit.LECUN, answer(text), 0)
    assert not verdict.parts[0].earned


def test_a_deviation_within_chance_is_said_to_be_chance():
    text = """
    def lecun(shape, rng, *, distribution="normal"):
        return rng.normal(0, 1.2 * np.prod(shape[:-1]) ** -0.5, shape)
    """
    verdict = judge(unit.LECUN, answer(text), 0)
    assert "chance would explain up to 0.05" in verdict.failure.text


def test_a_variance_off_by_three_percent_is_within_chance_and_one_of_ten_is_not():
    for factor, share in ((1.03, 1.0), (1.1, 0.5 / unit.LECUN.points)):
        text = """
        def lecun(shape, rng, *, distribution="normal"):
            s = (FACTOR / np.prod(shape[:-1])) ** 0.5
            if distribution == "normal":
                return rng.normal(0, s, shape)
            return rng.uniform(-(3**0.5) * s, 3**0.5 * s, shape)
        """
        verdict = judge(unit.LECUN, answer(text, FACTOR=factor), 0)
        assert verdict.points == share * unit.LECUN.points


@pytest.mark.parametrize("seed", range(100, 115))
def test_a_right_draw_never_fails_by_chance(seed):
    text = """
    def orthogonal(shape, rng, *, gain=1.0):
        if shape[0] < shape[1]:
            return orthogonal(shape[::-1], rng, gain=gain).T
        u, _, vt = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        return gain * u @ vt
    """
    assert judge(unit.ORTHOGONAL, answer(text), seed).status == "right"
    assert judge(unit.HE, answer(HE), seed).status == "right"


HE = """
def he(shape, rng, *, distribution="normal", mode="fan_in"):
    inputs, outputs = np.prod(shape[:-1]), np.prod(shape[:-2]) * shape[-1]
    n = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
    if distribution == "normal":
        return (2 / n) ** 0.5 * rng.standard_normal(shape)
    return (6 / n) ** 0.5 * (1 - 2 * rng.random(shape))
"""


OTHER_DRAWS = {
    "without the two": "return n**-0.5 * rng.standard_normal(shape), 3**0.5",
    "standard deviation as bound": "return (2 / n) ** 0.5 * rng.standard_normal(shape), 2**0.5",
    "root of two only": "return 2**0.5 / n * rng.standard_normal(shape), 6**0.5 / n**0.5",
}


@pytest.mark.parametrize("name", OTHER_DRAWS)
@pytest.mark.parametrize("seed", range(5))
def test_a_mistake_is_named_however_the_numbers_are_drawn(name, seed):
    text = f"""
    def draw(shape, rng, n):
        {OTHER_DRAWS[name]}

    def he(shape, rng, *, distribution="normal", mode="fan_in"):
        inputs, outputs = np.prod(shape[:-1]), np.prod(shape[:-2]) * shape[-1]
        n = {{"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}}[mode]
        normal, factor = draw(shape, rng, n)
        if distribution == "normal":
            return normal
        return factor / n**0.5 * (2 * rng.random(shape[::-1]).T - 1)
    """
    verdict = judge(unit.HE, run_cell(text)["he"], seed)
    assert verdict.mistake.name == name
