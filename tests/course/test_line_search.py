"""Line searches: every step they return meets its conditions; SciPy agrees where comparable."""

import math
import re

import array_api_strict
import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.line_search import Wolfe, backtracking, strong_wolfe, wolfe
from course.surfaces import BEALE, ROSENBROCK

LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
SEARCHES = {"backtracking": backtracking, "strong_wolfe": strong_wolfe}
STARTS = 20


def quadratic():
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    hessian = rotation @ np.diag(np.geomspace(0.01, 100, 6)) @ rotation.T
    return (
        lambda x: 0.5 * x @ hessian @ x,
        lambda x: hessian @ x,
        lambda rng: 3 * rng.normal(size=6),
    )


def logistic():
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(40, 5))
    signs = np.sign(inputs @ rng.normal(size=5) + 0.5 * rng.normal(size=40))

    def f(w):
        return np.mean(np.logaddexp(0, -signs * (inputs @ w))) + 0.005 * w @ w

    def grad_f(w):
        doubts = 1 / (1 + np.exp(signs * (inputs @ w)))
        return -inputs.T @ (signs * doubts) / 40 + 0.01 * w

    return f, grad_f, lambda rng: 2 * rng.normal(size=5)


def surface(of, spread):
    return lambda: (
        lambda x: of.value(*x),
        of.gradient,
        lambda rng: rng.uniform(-spread, spread, 2),
    )


FUNCTIONS = {
    "quadratic": quadratic,
    "rosenbrock": surface(ROSENBROCK, 2.0),
    "beale": surface(BEALE, 3.0),
    "logistic": logistic,
}
each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
each_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
each_library = pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)


def descents(function):
    """Give starts with the steepest direction, and with another one less than 90° from it."""
    f, grad_f, draw = function()
    rng = np.random.default_rng(2)
    for _ in range(STARTS):
        x = draw(rng)
        steepest = -grad_f(x)
        yield f, grad_f, x, steepest
        tilted = rng.normal(size=x.shape) * np.linalg.norm(steepest)
        yield f, grad_f, x, tilted if tilted @ steepest > 0 else -tilted


def conditions(f, grad_f, x, p, step, c1, c2):
    """Evaluate the conditions anew, as they are printed."""
    slope, first = p @ grad_f(x + step * p), p @ grad_f(x)
    return (
        f(x + step * p) <= f(x) + c1 * step * first,
        slope >= c2 * first,
        abs(slope) <= c2 * abs(first),
    )


@each_function
@pytest.mark.parametrize(("c1", "c2"), [(1e-4, 0.9), (1e-4, 0.1), (0.1, 0.5)])
@pytest.mark.parametrize("first", [1e-3, 1.0, 50.0])
def test_every_step_of_strong_wolfe_meets_all_conditions(function, c1, c2, first):
    for f, grad_f, x, p in descents(function):
        step = strong_wolfe(f, grad_f, x, p, step=first, c1=c1, c2=c2)
        assert type(step) is float
        assert step > 0
        assert conditions(f, grad_f, x, p, step, c1, c2) == (True, True, True)


@each_function
@pytest.mark.parametrize(("c1", "factor"), [(1e-4, 0.5), (0.3, 0.8), (0.9, 0.1)])
def test_backtracking_gives_the_first_power_that_falls_enough(function, c1, factor):
    for f, grad_f, x, p in descents(function):
        step = backtracking(f, grad_f, x, p, step=4.0, c1=c1, factor=factor, max_iterations=200)
        powers = round(math.log(step / 4.0) / math.log(factor))
        assert step == pytest.approx(4.0 * factor**powers)
        assert conditions(f, grad_f, x, p, step, c1, 0.9)[0]
        longer = [4.0 * factor**k for k in range(powers)]
        assert not any(conditions(f, grad_f, x, p, long, c1, 0.9)[0] for long in longer)


@each_function
def test_wolfe_says_what_the_conditions_say(function):
    seen = set()
    for f, grad_f, x, p in descents(function):
        for step in 10.0 ** np.arange(-6, 3):
            for c1, c2 in [(1e-4, 0.9), (0.2, 0.3)]:
                said = wolfe(f, grad_f, x, p, step, c1=c1, c2=c2)
                assert said == conditions(f, grad_f, x, p, step, c1, c2)
                assert said.curvature or not said.strong_curvature
                seen.add(tuple(said))
    assert {(True, False, False), (True, True, True), (False, True, False)} <= seen


def test_wolfe_on_a_parabola_by_hand():
    """On x² from 1 along -1 the slope at γ is -2(1 - γ): c₂ = ½ asks for γ in [½, 3/2]."""
    one = np.array([1.0])

    def at(step):
        return wolfe(lambda x: x @ x, lambda x: 2 * x, one, -one, step, c1=0.25, c2=0.5)

    assert at(0.4) == Wolfe(True, False, False)
    assert at(0.5) == Wolfe(True, True, True)
    assert at(1.5) == Wolfe(True, True, True)  # with c₁ = ¼ the decrease lasts until γ = 2(1 - c₁)
    assert at(1.51) == Wolfe(False, True, False)


def test_the_curvature_condition_alone_lets_the_slope_turn_steeper_than_before():
    """What the remark "in magnitude" in lecture notes describes is the strong condition."""
    one = np.array([1.0])
    said = wolfe(lambda x: x @ x, lambda x: 2 * x, one, -one, 2.5)
    assert said.curvature
    assert not said.strong_curvature


# Against SciPy


@each_function
def test_scipys_steps_meet_the_conditions_too_and_both_take_a_first_step_that_does(function):
    agreed = 0
    for f, grad_f, x, p in descents(function):
        scipys, *_ = scipy.optimize.line_search(f, grad_f, x, p / np.linalg.norm(p), maxiter=50)
        ours = strong_wolfe(f, grad_f, x, p / np.linalg.norm(p))
        assert wolfe(f, grad_f, x, p / np.linalg.norm(p), scipys) == (True, True, True)
        if wolfe(f, grad_f, x, p / np.linalg.norm(p), 1.0) == (True, True, True):
            assert ours == scipys == 1.0
            agreed += 1
    assert agreed > 0


def test_both_come_as_close_to_the_minimum_of_a_parabola_as_c2_says():
    for f, grad_f, x, p in descents(quadratic):
        bend = (p @ (grad_f(x + p) - grad_f(x))).item()
        minimum = -(p @ grad_f(x)) / bend
        near = 1.7 * minimum * p  # from further away SciPy gives up after 10 interpolations
        scipys, *_ = scipy.optimize.line_search(f, grad_f, x, near, c2=0.1)
        assert abs(1.7 * scipys - 1) <= 0.1 + 1e-9
        assert abs(1.7 * strong_wolfe(f, grad_f, x, near, c2=0.1) - 1) <= 0.1 + 1e-9
        for c2 in (0.1, 1e-3, 2e-4):
            step = strong_wolfe(f, grad_f, x, p, c2=c2)
            assert abs(step / minimum - 1) <= c2 + 1e-9


def test_descent_with_the_search_solves_rosenbrock():
    """BFGS needs steps with the curvature condition: it gets them here and arrives."""
    x, inverse = np.array([-1.2, 1.0]), np.eye(2)
    for _ in range(60):
        grad = ROSENBROCK.gradient(x)
        if np.linalg.norm(grad) < 1e-8:
            break
        p = -inverse @ grad
        moved = strong_wolfe(lambda x: ROSENBROCK.value(*x), ROSENBROCK.gradient, x, p) * p
        change = ROSENBROCK.gradient(x + moved) - grad
        assert change @ moved > 0
        left = np.eye(2) - np.outer(moved, change) / (change @ moved)
        inverse = left @ inverse @ left.T + np.outer(moved, moved) / (change @ moved)
        x = x + moved
    np.testing.assert_allclose(x, [1, 1], atol=1e-7)


@pytest.mark.parametrize("first", [1.0, 10.0])
@pytest.mark.parametrize("seed", range(30))
def test_on_a_wavy_function_no_trial_that_falls_enough_lies_lower(seed, first):
    waves = np.random.default_rng(seed).uniform(2, 9, size=3)
    trials = []

    def f(x):
        trials.append(0.05 * x[0] ** 2 - x[0] + np.sum(np.sin(waves * x[0])))
        return trials[-1]

    def grad_f(x):
        return 0.1 * x - 1 + np.sum(waves * np.cos(waves * x)) * np.ones(1)

    x = np.array([math.pi / 5])
    p = -grad_f(x)
    step = strong_wolfe(f, grad_f, x, p, step=first / abs(p[0]), c2=0.01)
    assert trials[-1] == min(trials)
    assert conditions(f, grad_f, x, p, step, 1e-4, 0.01) == (True, True, True)


@pytest.mark.parametrize("first", [1.2, 2.0, 9.0])
def test_the_second_trial_on_a_parabola_is_its_minimum(first):
    trials = []

    def f(x):
        trials.append(x[0])
        return 3 * (x[0] - 1) ** 2

    x, p = np.array([0.0]), np.array([1.0])
    step = strong_wolfe(f, lambda x: 6 * (x - 1), x, p, step=first, c2=1e-3)
    assert step == pytest.approx(1)
    assert trials == [0, first, step]


# Any array


@each_library
@each_search
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_all_libraries_give_the_same_step_and_see_their_own_dtype(xp, search, dtype, shape):
    values = np.random.default_rng(3).normal(size=shape)
    x = xp.asarray(values.tolist(), dtype=getattr(xp, dtype))
    kept = xp.asarray(x, copy=True)
    seen = []

    def f(x):
        seen.append(x)
        return xp.sum(x * x * x * x) + xp.sum(x * x)

    def grad_f(x):
        return 4 * x * x * x + 2 * x

    step = search(f, grad_f, x, -grad_f(x))
    expected = search(
        lambda x: np.sum(x**4 + x**2),
        lambda x: 4 * x**3 + 2 * x,
        values,
        -4 * values**3 - 2 * values,
    )
    assert step == pytest.approx(expected, rel=1e-4 if dtype == "float32" else 1e-12)
    assert all(array.dtype == x.dtype and array.shape == x.shape for array in seen)
    assert bool(xp.all(x == kept))


def test_a_torch_loss_with_a_graph_may_be_searched():
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def f(x):
        return (x**4).sum()

    def grad_f(x):
        return torch.func.grad(f)(x)

    assert wolfe(f, grad_f, x, -grad_f(x), strong_wolfe(f, grad_f, x, -grad_f(x))).strong_curvature


@each_search
def test_where_f_is_not_a_number_the_step_is_too_long(search):
    """-log is NaN and the barrier infinite beyond 0: no warning, and a step that stays inside."""
    x, p = np.array([1.0]), np.array([-1.0])
    step = search(lambda x: -np.log(x[0]) + 3 * x[0], lambda x: 3 - 1 / x, x, p, step=4.0)
    assert 0 < step < 1


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(-8, 8))
def test_no_scale_of_f_or_x_and_no_first_trial_is_too_far_off(scale_f, scale_x, first):
    scale, stretch = 10.0**scale_f, 10.0**scale_x
    x = np.array([stretch])

    def f(x):
        return scale * (np.cosh(min(abs(x[0]) / stretch, 700.0)) - 1)

    def grad_f(x):
        return scale / stretch * np.sinh(np.clip(x / stretch, -700, 700))

    p = -grad_f(x)
    step = strong_wolfe(f, grad_f, x, p, step=10.0**first * stretch / abs(p[0]))
    assert conditions(f, grad_f, x, p, step, 1e-4, 0.9) == (True, True, True)


# Bad input


def bowl(x):
    return x @ x


def bowl_grad(x):
    return 2 * x


ONE = np.array([1.0, 1.0])
GOOD = {"f": bowl, "grad_f": bowl_grad, "x": ONE, "p": -ONE}
CALLS = {**SEARCHES, "wolfe": lambda **given: wolfe(**({"step": 1.0} | given))}
EVERYWHERE = [
    ({"p": ONE}, ValueError, "p is no descent direction: pᵀ∇f(x) is 4 and must be below 0."),
    ({"p": 0 * ONE}, ValueError, "p is no descent direction: pᵀ∇f(x) is 0 and must"),
    ({"x": np.nan * ONE}, ValueError, "f(x) is nan. Start where f is finite."),
    ({"p": np.ones(3)}, ValueError, "x has shape (2,) but p has shape (3,)."),
    ({"p": np.ones(2, dtype="float32")}, ValueError, "x has dtype float64 but p has dtype float32"),
    ({"x": [1.0, 1.0]}, TypeError, "x is a list and p is a numpy.ndarray."),
    ({"x": np.array([1, 1])}, TypeError, "x has dtype int64. Use a floating dtype"),
    ({"f": bowl_grad}, TypeError, "f(x) must be one number, got a numpy.ndarray of shape (2,)."),
    ({"grad_f": lambda x: [2.0, 2.0]}, TypeError, "x is a numpy.ndarray and grad_f(x) is a list."),
    ({"grad_f": lambda x: x[:1]}, ValueError, "x has shape (2,) but grad_f(x) has shape (1,)."),
    ({"step": 0}, ValueError, "step must lie in (0, inf), got 0.0."),
    ({"step": math.nan}, ValueError, "step must lie in (0, inf), got nan."),
]
ITS_OWN = {
    "wolfe": [
        ({"c1": 0.95}, ValueError, "0 < c1 < c2 < 1 must hold, got c1 = 0.95 and c2 = 0.9."),
        ({"c2": 1}, ValueError, "0 < c1 < c2 < 1 must hold, got c1 = 0.0001 and c2 = 1.0."),
        ({"c1": 0}, ValueError, "0 < c1 < c2 < 1 must hold, got c1 = 0.0 and c2 = 0.9."),
    ],
    "strong_wolfe": [
        (
            {"c1": 0.5, "c2": 0.5},
            ValueError,
            "0 < c1 < c2 < 1 must hold, got c1 = 0.5 and c2 = 0.5.",
        ),
        ({"c2": math.nan}, ValueError, "0 < c1 < c2 < 1 must hold, got c1 = 0.0001 and c2 = nan."),
        ({"max_iterations": 0}, ValueError, "max_iterations must be at least 1, got 0."),
    ],
    "backtracking": [
        ({"c1": 1}, ValueError, "c1 must lie in (0, 1), got 1.0."),
        ({"factor": 1}, ValueError, "factor must lie in (0, 1), got 1.0."),
        ({"max_iterations": 2.0}, TypeError, "max_iterations must be a whole number, got a float"),
    ],
}
BAD = [
    pytest.param(name, given, error, text, id=f"{name}-{text[:40]}")
    for name in CALLS
    for given, error, text in EVERYWHERE + ITS_OWN[name]
]


@pytest.mark.parametrize(("name", "given", "error", "text"), BAD)
def test_bad_input_is_named(name, given, error, text):
    with pytest.raises(error, match="^" + re.escape(f"{name}: {text}")):
        CALLS[name](**(GOOD | given))


def test_a_function_without_a_minimum_gives_the_last_bracket():
    text = "strong_wolfe: no step found in 5 trials; the last bracket is [16, inf]."
    with pytest.raises(RuntimeError, match=re.escape(text)):
        strong_wolfe(lambda x: -x.sum(), lambda x: -np.ones(2), ONE, ONE, max_iterations=5)


def test_a_wrong_gradient_gives_the_last_bracket():
    """The true function rises along p: the bracket closes on 0."""
    with pytest.raises(RuntimeError, match=r"in 4 trials; the last bracket is \[0, 0.\d+\]"):
        strong_wolfe(bowl, lambda x: -2 * x, ONE, ONE, max_iterations=4)
    text = "backtracking: no step found in 4 trials; the last bracket is [0, 0.125]."
    with pytest.raises(RuntimeError, match=re.escape(text)):
        backtracking(bowl, lambda x: -2 * x, ONE, ONE, max_iterations=4)
