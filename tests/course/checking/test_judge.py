"""Answers of every kind: each gets the status, the points and the sentence that it deserves."""

import dataclasses
import json

import numpy as np
import pytest

from course.checking import Case, Exercise, Mistake, Part, judge
from course.checking.compare import describe
from course.checking.judge import award_parts, draw_cases, play, reference_runs, short
from course.exercises import find_exercise
from student import answer, run_cell

SEED = 0
MOMENTUM = find_exercise("momentum")
RULES = ["momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam", "adamw"]
HEAD = "def momentum(theta, grad, state=None, *, lr, momentum=0.9):\n"
STEP = """
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    theta = theta + u
"""


def body(text):
    """Return an answer to MOMENTUM whose last lines these are; theta and u are right by then."""
    return answer(f"{HEAD}{STEP}    {text}")


def whole(text):
    """Return an answer to MOMENTUM that consists of these lines."""
    return answer(f"{HEAD}    {text}")


def earned(verdict):
    return {part.name for part in verdict.parts if part.earned}


ALL = {"start", "steps", "changing_rate", "resume", "dtype", "inputs"}


def test_a_right_answer():
    verdict = judge(MOMENTUM, body('return theta, {"u": u}'), SEED)
    assert (verdict.status, verdict.points, verdict.max_points) == ("right", 5, 5)
    assert (verdict.failure, verdict.mistake, verdict.notes) == (None, None, ())


RIGHT = {
    "list for the pair": 'return [theta, {"u": u}]',
    "more in the state": 'return theta, {"u": u, "steps": [1], "why": "because", "old": theta}',
    "aliases": 'state = {"u": u, "v": u, "theta": theta, "given": grad}; return theta, state',
    "float64 inside": 'return theta.astype("f8").astype(theta.dtype), {"u": u}',
    "prints": 'print("theta", theta); return theta, {"u": u}',
    "Fortran order": 'return np.asfortranarray(theta), {"u": u}',
    "read-only": 'theta.flags.writeable = False; return theta, {"u": u}',
    "NumPy's errors set": 'np.seterr(all="raise"); return theta, {"u": u}',
    "global seed set": 'np.random.seed(0); return theta, {"u": u}',
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_honest_habits_do_no_harm(text):
    verdict = judge(MOMENTUM, body(text), SEED)
    assert verdict.status == "right", str(verdict)
    assert verdict.notes == ()


def test_a_warning_is_a_note():
    verdict = judge(
        MOMENTUM, body('import warnings; warnings.warn("old way"); return theta, {"u": u}'), SEED
    )
    assert verdict.status == "right"
    assert verdict.notes == ("A warning was raised: old way.",)


YES = """class Yes:
        shape, dtype, ndim = (3,), np.dtype(float), 1
        __eq__ = lambda self, other: True
        __array__ = lambda self, *a, **k: theta
        __array_ufunc__ = lambda self, *a, **k: theta
        __len__ = lambda self: 3
        __getattr__ = lambda self, name: getattr(theta, name)
        __{}__ = lambda self, *a: theta
    return Yes(), {{"u": u}}"""

WRONG_TYPE = {
    "column": ('return theta[..., None], {"u": u}', "the shape (3,), got the shape (3, 1)"),
    "row": ('return theta[None], {"u": u}', "the shape (3,), got the shape (1, 3)"),
    "list": ('return theta.tolist(), {"u": u}', "dtype float64, got a list of 3"),
    "number": ('return float(theta.flat[0]), {"u": u}', "the shape (3,), got the shape ()"),
    "NumPy number": ('return theta.sum(), {"u": u}', "the shape (3,), got the shape ()"),
    "text": ('return str(theta), {"u": u}', "got the str '[-0.938"),
    "None": ("return None", "the tuple (theta, state), got None"),
    "nothing": ("pass", "the tuple (theta, state), got None"),
    "only theta": ("return theta", "the tuple (theta, state), got an array"),
    "only the state": ('return {"u": u}', "got a dict with the keys 'u'"),
    "three": ('return theta, {"u": u}, 1', "the tuple (theta, state), got a tuple of 3"),
    "changed places": ('return {"u": u}, theta', "got a dict with the keys 'u'"),
    "matrix": ('return np.atleast_2d(theta).view(np.matrix), {"u": u}', "numpy.matrix"),
    "object array": ('return theta.astype(object), {"u": u}', "dtype object"),
    "complex": ('return theta + 0j, {"u": u}', "dtype complex128"),
    "tensor": ('return __import__("torch").from_numpy(theta), {"u": u}', "torch.Tensor"),
    "object in the state": ('return theta, {"u": u, "o": object()}', "an object of type object"),
    "generator": ("yield theta", "generator"),
    "function": ('return (lambda: theta), {"u": u}', "function"),
    "object that says yes": (YES.format("float"), "Yes"),
    "object that equals all differences": (YES.format("rsub"), "Yes"),
    "state in itself": ('s = {"u": u}; s["s"] = s; return theta, s', "contains itself"),
    "huge integer": ("return 10**5000, None", "an integer of 16610 bits"),
}


@pytest.mark.parametrize(("text", "said"), WRONG_TYPE.values(), ids=WRONG_TYPE)
def test_a_wrong_type_or_shape(text, said):
    verdict = judge(MOMENTUM, body(text), SEED)
    assert (verdict.status, verdict.points, verdict.mistake) == ("wrong_type", 0, None)
    assert said in verdict.failure.text
    assert verdict.failure.what == "theta after step 1"


WRONG_VALUE = {
    "constant": ('return np.zeros(theta.shape), {"u": u}', "off by "),
    "NaN": ('return theta * np.nan, {"u": u}', "it is nan at index [0]"),
    "one NaN": ('theta.flat[-1] = np.nan; return theta, {"u": u}', "it is nan at index [2]"),
    "infinity": ('return theta - np.inf, {"u": u}', "it is -inf at index [0]"),
    "integers": ('return theta.astype(int), {"u": u}', "off by "),
    "bools": ('return theta > 0, {"u": u}', "off by "),
    "six digits": ('return theta.round(6), {"u": u}', "off by "),
    "float32": ('return theta.astype(np.float32), {"u": u}', "off by "),
}


@pytest.mark.parametrize(("text", "said"), WRONG_VALUE.values(), ids=WRONG_VALUE)
def test_a_wrong_value(text, said):
    verdict = judge(MOMENTUM, body(text), SEED)
    assert (verdict.status, verdict.points, verdict.mistake) == ("wrong_value", 0, None)
    assert verdict.failure.text.startswith(said)
    assert (verdict.failure.expected, verdict.failure.got) != ("", "")


CRASHES = {
    "name": ("return theta, velocity", "NameError: name 'velocity' is not defined"),
    "attribute": ("return theta.shap", "'numpy.ndarray' object has no attribute 'shap'"),
    "quit": ("raise SystemExit", "SystemExit"),
    "text that fails": (
        "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})",
        "Mute: <exception str() failed>",
    ),
    "error of NumPy": ("return theta @ np.ones(5)", "matmul: Input operand 1 has a mismatch"),
}


@pytest.mark.parametrize(("line", "said"), CRASHES.values(), ids=CRASHES)
def test_a_crash_shows_the_line_and_no_internals(line, said):
    verdict = judge(MOMENTUM, body(line), SEED)
    lines = verdict.failure.text.splitlines()
    assert (verdict.status, verdict.points, verdict.failure.kind) == ("crashed", 0, "crashed")
    assert lines[:2] == ["line 6, in momentum", f"    {line}"]
    assert said in lines[2]
    assert len(lines) == 3


def test_a_wrong_signature_is_a_crash():
    verdict = judge(MOMENTUM, answer("def momentum(theta, grad):\n    return theta"), SEED)
    assert verdict.status == "crashed"
    assert verdict.failure.text.startswith("TypeError: momentum() got an unexpected keyword")


def test_keyboard_interrupt_stops_the_check():
    with pytest.raises(KeyboardInterrupt):
        judge(MOMENTUM, body("raise KeyboardInterrupt"), SEED)


def test_the_untouched_answer():
    verdict = judge(MOMENTUM, whole("raise NotImplementedError"), SEED)
    assert (verdict.status, verdict.points) == ("not_attempted", 0)
    assert verdict.failure.text.startswith("raise NotImplementedError() is still reached")


def test_a_foreign_library():
    verdict = judge(MOMENTUM, whole("import torch; raise NotImplementedError"), SEED)
    assert (verdict.status, verdict.points) == ("not_allowed", 0)
    said = "it uses torch; this exercise allows numpy and Python's standard library"
    assert verdict.failure.text == said


IN_PLACE = {
    "theta": ("theta += u; return theta, {'u': u}", "theta"),
    "grad": ("grad *= lr; return theta + u, {'u': u}", "grad"),
    "theta and grad": ("grad *= lr; theta += u; return theta, {'u': u}", "grad, theta"),
}


@pytest.mark.parametrize(("text", "names"), IN_PLACE.values(), ids=IN_PLACE)
def test_right_values_in_place_lose_one_part(text, names):
    function = whole(
        'u = np.zeros_like(theta) if state is None else state["u"]\n'
        f"    u = momentum * u - lr * grad\n    {text}"
    )
    verdict = judge(MOMENTUM, function, SEED)
    assert (verdict.status, verdict.points) == ("changed_inputs", 4.5)
    assert earned(verdict) == ALL - {"inputs"}
    assert verdict.notes[0].startswith(f"It changes what it is given ({names}).")


@pytest.mark.parametrize(
    "text",
    [
        'state["u"] *= momentum; state["u"] -= lr * grad; return theta + state["u"], state',
        'u = momentum * state["u"] - lr * grad; state["u"] = u; return theta + u, {"u": u}',
        'u = momentum * state["u"] - lr * grad; state.clear(); return theta + u, {"u": u}',
    ],
)
def test_a_state_changed_in_place_loses_one_part(text):
    function = whole(f'state = {{"u": theta * 0}} if state is None else state\n    {text}')
    verdict = judge(MOMENTUM, function, SEED)
    assert (verdict.status, verdict.points) == ("changed_inputs", 4.5)
    assert verdict.notes[0].startswith("It changes what it is given (state).")


@pytest.mark.parametrize("zeros", ["np.zeros(theta.shape)", "np.zeros_like(theta, dtype=float)"])
def test_a_widened_result_loses_one_part(zeros):
    function = whole(
        f'u = {zeros} if state is None else state["u"]\n'
        '    u = momentum * u - lr * grad\n    return theta + u, {"u": u}'
    )
    verdict = judge(MOMENTUM, function, SEED)
    assert (verdict.status, verdict.points) == ("partly_right", 4.5)
    assert earned(verdict) == ALL - {"dtype"}
    assert verdict.failure is verdict.mistake is None
    assert verdict.notes[0].startswith("Float32 in must be float32 out")


def test_a_widened_result_in_place_loses_two_parts():
    function = whole(
        'u = np.zeros(theta.shape) if state is None else state["u"]\n'
        "    grad *= 1\n    grad -= 1; u = momentum * u - lr * (grad + 1); grad *= 2\n"
        '    return theta + u, {"u": u}'
    )
    verdict = judge(MOMENTUM, function, SEED)
    assert earned(verdict) == ALL - {"dtype", "inputs"}
    assert len(verdict.notes) == 2


PARTLY = {
    "state not passed on": ("return theta, {}", {"start", "inputs"}),
    "state is None": ("return theta, None", {"start", "inputs"}),
    "other key": (
        "return theta, {'v': u}",
        {"start", "inputs"},
    ),
    "crash at the second step": (
        "return (theta, {'u': u}) if state is None else 1 / 0",
        {"start", "inputs"},
    ),
    "not written at the second step": (
        "if state: raise NotImplementedError\n    return theta, {'u': u}",
        {"start", "inputs"},
    ),
    "wrong for a matrix": (
        "return theta + (theta.ndim - 1), {'u': u}",
        ALL - {"steps"},
    ),
    "wrong in float32": (
        "return theta + (theta.dtype == 'f4'), {'u': u}",
        ALL - {"dtype"},
    ),
}


@pytest.mark.parametrize(("text", "parts"), PARTLY.values(), ids=PARTLY)
def test_a_partly_right_answer_keeps_what_it_earned(text, parts):
    verdict = judge(MOMENTUM, body(text), SEED)
    assert verdict.status == "partly_right"
    assert earned(verdict) == parts
    assert verdict.failure is not None
    assert verdict.mistake is None


def test_own_keys_in_the_state_lose_only_the_documented_state():
    function = whole(
        'u = (state or {}).get("v", (state or {}).get("u", 0 * theta))\n'
        '    u = momentum * u - lr * grad\n    return theta + u, {"v": u}'
    )
    verdict = judge(MOMENTUM, function, SEED)
    assert earned(verdict) == ALL - {"resume"}
    said = "expected the state to be a dict with the key 'u', got a dict with the keys 'v'"
    assert verdict.failure.text == said
    assert verdict.failure.what == "state['u'] after the last step"


def test_an_unwritten_branch_is_said():
    verdict = judge(
        MOMENTUM, body("if state: raise NotImplementedError\n    return theta, {'u': u}"), SEED
    )
    assert verdict.failure.text == "it raises NotImplementedError here"


def test_what_an_answer_keeps_and_changes_later_cannot_spoil_the_cases():
    function = answer(
        "kept = []\n"
        f"{HEAD}    for array in kept:\n        array += 1\n"
        f"{STEP}    kept.extend([theta, grad, u])\n    return theta, {{'u': u}}"
    )
    assert judge(MOMENTUM, function, SEED).status == "right"
    assert judge(MOMENTUM, body("return theta, {'u': u}"), SEED).status == "right"


def same(value, *_):
    return value


def nudged(name, *, hyper=same, grad=same, theta=same):
    """Return a right answer whose hyper-parameters, gradients or results are made a bit wrong."""
    right = find_exercise(name).honest[0]

    def rule(old, gradient, state=None, **given):
        new, state = right(old, grad(gradient), state, **hyper(given))
        return theta(new, old), state

    return Trusted(rule)


NUDGES = {
    "gradient through tanh": {"grad": np.tanh},
    "gradient clipped": {"grad": lambda g: np.clip(g, -1, 1)},
    "gradient's sign": {"grad": np.sign},
    "gradient rounded": {"grad": lambda g: g.round(4)},
    "gradient a little larger": {"grad": lambda g: 1.0001 * g},
    "theta turned around": {"theta": lambda new, old: -new},
    "theta shrunk": {"theta": lambda new, old: 0.999 * new},
    "theta half way": {"theta": lambda new, old: (new + old) / 2},
    "theta does not move": {"theta": lambda new, old: old},
    "one column does not move": {"theta": lambda new, old: np.where(np.arange(len(old)), new, old)},
}


@pytest.mark.parametrize("nudge", NUDGES)
@pytest.mark.parametrize("name", RULES)
def test_an_unknown_mistake_gets_the_facts_only(name, nudge):
    expect_facts_only(name, nudged(name, **NUDGES[nudge]))


@pytest.mark.parametrize("factor", [1.01, 0.99, 1 + 1e-9])
@pytest.mark.parametrize("name", RULES)
def test_a_nudged_hyper_parameter_gets_the_facts_only(name, factor):
    for key in draw_cases(find_exercise(name), SEED)[0].inputs["hyper"]:

        def change(hyper, key=key):
            return hyper | {key: factor * hyper[key]}

        expect_facts_only(name, nudged(name, hyper=change))


def expect_facts_only(name, function):
    verdict = judge(find_exercise(name), function, SEED)
    assert verdict.failure.kind == "wrong_value"
    assert verdict.mistake is None
    assert verdict.failure.expected != verdict.failure.got


class Trusted:
    """A function whose libraries are not looked at."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def foreign_libraries(self, allowed):
        return []


TWO_AT_ONCE = {
    "uphill with an averaged gradient": (
        "momentum",
        'u = np.zeros_like(theta) if state is None else state["u"]\n'
        "    u = momentum * u + (1 - momentum) * lr * grad\n"
        '    return theta + u, {"u": u}',
    ),
    "rate outside, velocity never kept": (
        "momentum",
        'return theta - lr * grad, {"u": grad}',
    ),
    "eps inside a root of a sum": (
        "rmsprop",
        'r = np.zeros_like(theta) if state is None else state["r"]\n'
        "    r = rho * r + grad**2\n"
        '    return theta - lr * grad / np.sqrt(r + eps), {"r": r}',
    ),
    "eps inside, no bias correction": (
        "adam",
        'state = state or {"t": 0, "s": 0 * theta, "r": 0 * theta}\n'
        '    s = beta1 * state["s"] + (1 - beta1) * grad\n'
        '    r = beta2 * state["r"] + (1 - beta2) * grad**2\n'
        '    return theta - lr * s / np.sqrt(r + eps), {"t": state["t"] + 1, "s": s, "r": r}',
    ),
    "betas swapped, never counted": (
        "adam",
        'state = state or {"t": 0, "s": 0 * theta, "r": 0 * theta}\n'
        '    s = beta2 * state["s"] + (1 - beta2) * grad\n'
        '    r = beta1 * state["r"] + (1 - beta1) * grad**2\n'
        "    step = s / (1 - beta2) / (eps + np.sqrt(r / (1 - beta1)))\n"
        '    return theta - lr * step, {"t": state["t"], "s": s, "r": r}',
    ),
    "no correction at all": (
        "nadam",
        'state = state or {"t": 0, "s": 0 * theta, "r": 0 * theta}\n'
        '    s = beta1 * state["s"] + (1 - beta1) * grad\n'
        '    r = beta2 * state["r"] + (1 - beta2) * grad**2\n'
        "    ahead = beta1 * s + (1 - beta1) * grad\n"
        "    theta = theta - lr * ahead / (eps + np.sqrt(r))\n"
        '    return theta, {"t": state["t"] + 1, "s": s, "r": r}',
    ),
    "decay of the wrong sign without the rate": (
        "adamw",
        'state = state or {"t": 0, "s": 0 * theta, "r": 0 * theta}\n'
        '    t = state["t"] + 1\n'
        '    s = beta1 * state["s"] + (1 - beta1) * grad\n'
        '    r = beta2 * state["r"] + (1 - beta2) * grad**2\n'
        "    step = lr * (s / (1 - beta1**t)) / (eps + np.sqrt(r / (1 - beta2**t)))\n"
        '    return theta + weight_decay * theta - step, {"t": t, "s": s, "r": r}',
    ),
}
HYPER = {
    "momentum": "lr, momentum=0.9",
    "rmsprop": "lr, rho, eps",
    "adam": "lr, beta1, beta2, eps",
    "nadam": "lr, beta1, beta2, eps",
    "adamw": "lr, beta1, beta2, eps, weight_decay",
}


@pytest.mark.parametrize(("name", "text"), TWO_AT_ONCE.values(), ids=TWO_AT_ONCE)
def test_two_mistakes_at_once_are_not_taken_for_one(name, text):
    function = answer(f"def {name}(theta, grad, state=None, *, {HYPER[name]}):\n    {text}")
    verdict = judge(find_exercise(name), function, SEED)
    assert verdict.failure.kind == "wrong_value", str(verdict)
    assert verdict.mistake is None


@pytest.mark.parametrize("name", RULES[:2])
def test_torchs_form_is_right_only_while_the_rate_stays(name):
    exercise = find_exercise(name)
    mistake = next(m for m in exercise.mistakes if m.name == "rate outside the velocity")
    verdict = judge(exercise, mistake.variant, SEED)
    assert earned(verdict) == {"start", "steps", "dtype", "inputs"}


def test_a_known_mistake_in_other_words_is_named():
    function = whole(
        'old = 0 if state is None else state["u"]\n'
        "    new = lr * grad + momentum * old\n"
        '    return theta + new, {"u": new}'
    )
    verdict = judge(MOMENTUM, function, SEED)
    assert verdict.mistake.name == "uphill"
    assert verdict.mistake.sentence == MOMENTUM.mistakes[1].sentence


def test_a_known_mistake_that_also_changes_its_inputs_or_widens_is_named():
    function = whole(
        'u = np.zeros(theta.shape) if state is None else state["u"]\n'
        "    u *= momentum\n    u += lr * grad\n"
        '    return theta + u, {"u": u}'
    )
    verdict = judge(MOMENTUM, function, SEED)
    assert verdict.mistake.name == "uphill"
    assert [note[:26] for note in verdict.notes] == ["It changes what it is give"]
    assert [part.judged for part in verdict.parts] == [True] * 4 + [False] * 2


def test_a_known_mistake_that_keeps_float32_where_its_variant_widens_is_named():
    function = answer(
        "def leaky_relu(x, *, negative_slope=0.01):\n"
        "    y = np.where(x > 0, x, -negative_slope * x)\n"
        "    return y, np.where(x > 0, 1, -negative_slope).astype(x.dtype)"
    )
    verdict = judge(find_exercise("leaky_relu"), function, SEED)
    assert verdict.mistake.name == "leak turned around"


def test_float32_rounding_in_the_place_of_float64_is_no_known_mistake():
    """The slip of this name is smaller than what float32 rounds away."""
    function = answer(
        "def clip_by_global_norm(grads, *, max_norm):\n"
        "    grads = [grad.astype(np.float32) for grad in grads]\n"
        "    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))\n"
        "    return [grad * (max_norm / max(norm, max_norm)) for grad in grads], norm"
    )
    verdict = judge(find_exercise("clip_by_global_norm"), function, SEED)
    assert (verdict.failure.kind, verdict.mistake) == ("wrong_value", None)


def test_a_note_about_float32_needs_right_values():
    right = (
        'u = np.zeros(theta.shape) if state is None else state["u"]\n    u = momentum * u - lr * '
    )
    ends = 'grad\n    return theta + u, {"u": u}'
    assert "Float32" in " ".join(judge(MOMENTUM, whole(right + ends), SEED).notes)
    assert judge(MOMENTUM, whole(right + "2 * " + ends), SEED).notes == ()


def test_a_warning_is_told_beside_the_case_that_raised_it():
    later = 'if state: np.sqrt(-1.0 * np.ones(1))\n    return theta, {"u": theta}'
    first = 'np.sqrt(-1.0 * np.ones(1))\n    return theta, {"u": theta}'
    assert judge(MOMENTUM, whole(later), SEED).notes == ()
    assert "invalid value" in judge(MOMENTUM, whole(first), SEED).notes[0]


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_a_seed_fixes_everything(seed):
    function = MOMENTUM.mistakes[0].variant
    assert judge(MOMENTUM, function, seed) == judge(MOMENTUM, function, seed)
    assert judge(MOMENTUM, function, seed) != judge(MOMENTUM, function, seed + 1)


def test_exercises_with_the_same_cases_draw_other_numbers():
    one, other = (draw_cases(find_exercise(name), SEED)[0].inputs for name in RULES[:2])
    assert not np.array_equal(one["theta"], other["theta"])


TELLING = """import warnings
    said = ", ".join(f"{x:.4f}" for x in theta.ravel())
    warnings.warn(said)
    %s
"""
HIDDEN = {
    "wrong value": (body("return 2 * theta, {'u': u}"), "it is not right at index [1]"),
    "NaN": (body("return np.nan * theta, {'u': u}"), "it is not right at index [0]"),
    "later": (body("return theta, None"), "it is not right at index"),
    "named": (MOMENTUM.mistakes[0].variant, "it is not right at index"),
    "told in an error": (whole(TELLING % "raise ValueError(said)"), "the function raised an error"),
    "told in an error's lines": (
        whole(TELLING % "exec(f'raise ValueError # {said}')"),
        "the function raised an error",
    ),
    "told in a text": (whole(TELLING % "return said"), "the result is not of the kind"),
    "told in a text in the right place": (
        whole(TELLING % "return said, {'u': theta}"),
        "expected an array of shape (3,) and dtype float64, got a str",
    ),
    "told in a key": (whole(TELLING % "return theta, {said: 1}"), "it is not right at index"),
    "told in a number": (
        whole(TELLING % "return float(theta[0]), {'u': theta}"),
        "expected an array of shape (3,) and dtype float64, got a number",
    ),
    "one number for all": (body("return 0 * theta, {'u': u}"), "it is not right at index"),
}


@pytest.mark.parametrize(("function", "text"), HIDDEN.values(), ids=HIDDEN)
def test_a_grading_run_keeps_its_numbers_back(function, text):
    shown = judge(MOMENTUM, function, SEED)
    hidden = judge(MOMENTUM, function, SEED, reveal=False)
    assert shown.failure.inputs
    assert text in hidden.failure.text
    same = ("exercise", "status", "parts", "mistake")
    assert [getattr(hidden, name) for name in same] == [getattr(shown, name) for name in same]
    assert (hidden.failure.case, hidden.failure.what) == (shown.failure.case, shown.failure.what)
    numbers = {text for case in draw_cases(MOMENTUM, SEED) for text in _digits(case)}
    everything = json.dumps(hidden._repr_mimebundle_()) + str(hidden)
    assert not {number for number in numbers if number in everything}
    assert len(numbers) > 50
    assert {number for number in numbers if number in str(shown)}


def _digits(case):
    arrays = [case.inputs["theta"], *case.inputs["grads"]]
    return [f"{abs(number):.4f}"[:-1] for array in arrays for number in np.ravel(array)]


# --- an exercise made for what the real ones do not reach ------------------------------------


def evens(upto):
    """Return the even numbers below a bound."""
    return list(range(0, upto, 2))


def watch(function, inputs):
    for number in function(inputs["upto"]):
        yield f"number {number}", number


EVENS = Exercise(
    reference=evens,
    summary="even numbers",
    parts=(Part("few", 1, "a few"), Part("many", 1, "many")),
    cases=lambda rng: [
        Case("few", "below 5", {"upto": 5}),
        Case("many", "below 100", {"upto": int(rng.integers(60, 100))}),
    ],
    mistakes=(Mistake("odd", lambda upto: list(range(1, upto, 2)), "These are odd."),),
    honest=(),
    run=watch,
)


def test_nothing_is_right_because_it_ends_early():
    verdict = judge(EVENS, lambda upto: [], SEED)
    assert (verdict.status, verdict.points) == ("wrong_type", 0)
    assert verdict.failure.text == "it is missing"


def test_nothing_is_right_because_it_begins_right():
    verdict = judge(EVENS, lambda upto: [*range(0, upto, 2), 1000], SEED)
    assert (verdict.status, verdict.points) == ("wrong_type", 0)
    assert verdict.failure.text == "nothing more is expected, got the int 1000"


def test_a_mistake_matched_only_in_part_is_not_named():
    assert judge(EVENS, EVENS.mistakes[0].variant, SEED).mistake.name == "odd"
    verdict = judge(EVENS, lambda upto: list(range(1, upto, 2)) if upto < 9 else [], SEED)
    assert verdict.mistake is None


def test_two_mistakes_that_fit_are_not_named():
    twice = dataclasses.replace(
        EVENS, mistakes=(*EVENS.mistakes, Mistake("other", EVENS.mistakes[0].variant, "Odd."))
    )
    verdict = judge(twice, EVENS.mistakes[0].variant, SEED)
    assert (verdict.status, verdict.mistake) == ("wrong_value", None)


def odd_later(upto):
    return list(range(upto > 9, upto, 2))


ODD_LATER = Mistake("odd later", odd_later, "They are odd where the bound is above 9.")


def test_of_two_mistakes_that_fit_the_one_that_explains_more_is_named():
    both = dataclasses.replace(EVENS, mistakes=(ODD_LATER, *EVENS.mistakes))
    assert judge(both, odd_later, SEED).mistake.name == "odd later"
    assert judge(both, EVENS.mistakes[0].variant, SEED).mistake.name == "odd"


def test_a_mistake_that_does_not_explain_the_first_failure_is_not_named():
    exercise = dataclasses.replace(EVENS, mistakes=(ODD_LATER,))

    def fails_before_it(upto):
        return odd_later(upto) if upto > 9 else [1, 3, 5]

    def crashes_before_it(upto):
        return odd_later(upto) if upto > 9 else 1 / 0

    verdict = judge(exercise, fails_before_it, SEED)
    assert (verdict.status, verdict.mistake) == ("wrong_value", None)
    assert judge(exercise, crashes_before_it, SEED).mistake.name == "odd later"


def test_a_mistake_that_returns_nothing_is_named():
    nothing = Mistake("nothing", lambda upto: [None] * len(evens(upto)), "None.")
    exercise = dataclasses.replace(EVENS, mistakes=(nothing, *EVENS.mistakes))
    assert judge(exercise, nothing.variant, SEED).mistake.name == "nothing"
    assert judge(exercise, EVENS.mistakes[0].variant, SEED).mistake.name == "odd"


def test_the_first_failing_case_is_shown():
    verdict = judge(EVENS, lambda upto: list(range(0, min(upto, 50), 2)), SEED)
    assert earned(verdict) == {"few"}
    assert (verdict.failure.case, verdict.failure.what) == ("below 100", "number 50")


def test_courtesies_alone_earn_nothing():
    parts = (
        Part("value", 1, "the value"),
        Part("dtype", 1, "the dtype", kind="dtype"),
        Part("inputs", 1, "the inputs", kind="inputs"),
    )
    exercise = dataclasses.replace(
        EVENS,
        parts=parts,
        cases=lambda rng: [
            Case("value", "below 9", {"upto": 9}),
            Case("dtype", "below 1", {"upto": 1}),
        ],
    )
    assert judge(exercise, lambda upto: [0], SEED).points == 0
    assert judge(exercise, evens_again, SEED).points == 3


def evens_again(upto):
    return [number for number in range(upto) if number % 2 == 0]


def test_parts_are_awarded_from_runs():
    cases, expected = draw_cases(EVENS, SEED), reference_runs(EVENS, SEED)
    runs = [play(EVENS, evens_again, case) for case in cases]
    parts = award_parts(EVENS, cases, expected, runs, [None, None])
    assert [part.earned for part in parts] == [True, True]


SHORT = {
    "None": (None, "None"),
    "number": (0.1, "0.1"),
    "array": (np.array([0.123456789, -2.0]), "[ 0.123457, -2.      ]"),
    "another dtype is said": (np.ones(2, np.float32), "[1., 1.] (float32)"),
    "large array": (np.zeros(100), "[0., 0., 0., ..., 0., 0., 0.]"),
    "dict": ({"t": 1, "u": [np.zeros(1)]}, "{'t': 1, 'u': [[0.]]}"),
    "function": (evens, "evens"),
    "text": ("x", "'x'"),
}


@pytest.mark.parametrize(("value", "text"), SHORT.values(), ids=SHORT)
def test_values_are_shown_in_short(value, text):
    assert short(value) == text


@pytest.mark.parametrize("value", [list(range(10**5)), "x" * 10**6, np.zeros((9, 9, 9, 9))])
def test_a_long_value_is_cut(value):
    assert len(short(value)) < 700
    assert short(value).endswith(" ...")


def test_a_notebooks_function_is_judged_as_it_stands():
    cell = run_cell(
        "def half(x):\n    return x / 2\n\n" + HEAD + STEP + '    return theta, {"u": u}'
    )
    assert judge(MOMENTUM, cell["momentum"], SEED).status == "right"
    assert describe(cell["half"]) == "an object of type function"
