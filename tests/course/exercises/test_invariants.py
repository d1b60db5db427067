"""What holds for every exercise of every unit: a new unit is tested by being there.

Answers are judged as students hand them in: their text alone, under the exercise's name.
"""

import copy
import functools
import inspect
import keyword
import re
import statistics

import numpy as np
import pytest

from course.checking import answer_text, judge
from course.checking.call import Crashed
from course.checking.judge import (
    draw_cases,
    find_failure,
    known_mistakes,
    matching_mistakes,
    name_mistake,
    play,
    reference_runs,
)
from course.checking.verdict import NamedMistake
from course.exercises import PUBLIC_SEED, units
from student import run_cell

SEEDS = (PUBLIC_SEED, 1, 2, 77, 4096, 20_240_607)
UNITS = units()
EXERCISES = {exercise.name: exercise for unit in UNITS for exercise in unit.exercises}
MISTAKES = {
    f"{exercise.name}-{mistake.name}": (exercise, mistake)
    for exercise in EXERCISES.values()
    for mistake in exercise.mistakes
}
HONEST = {
    f"{exercise.name}-{variant.__name__}": (exercise, variant)
    for exercise in EXERCISES.values()
    for variant in exercise.honest
}

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.key)
each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@functools.cache
def handed_in(variant, name):
    """Return a variant as a notebook would define it: from its text, with NumPy as np."""
    return run_cell(answer_text(variant, name))[name]


class Trusted:
    """A function whose libraries are not looked at: the reference uses more than NumPy."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def foreign_libraries(self, allowed):
        return []


class Spoiled(Trusted):
    """A right answer whose last result in every case of one part is spoiled."""

    def __init__(self, exercise, seed, spoil, part):
        super().__init__(exercise.reference)
        self._spoil = spoil
        self._last_calls = set()
        self._calls = 0
        for case in draw_cases(exercise, seed):
            play(exercise, lambda *a, **k: self._count(exercise.reference(*a, **k)), case)
            if case.part == part:
                self._last_calls.add(self._calls)
        self._calls = 0

    def _count(self, result):
        self._calls += 1
        return result

    def __call__(self, *args, **kwargs):
        result = self._count(self.function(*args, **kwargs))
        return self._spoil(result) if self._calls in self._last_calls else result


def shifted(value):
    """Return a value of the same structure and dtype whose numbers are all wrong."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(shifted, value))
    if isinstance(value, dict):
        return {key: shifted(item) for key, item in value.items()}
    if isinstance(value, (bool, np.bool_)):
        return not value
    if isinstance(value, np.ndarray):
        return ~value if value.dtype == bool else (value + 1).astype(value.dtype)
    return value + 1 if isinstance(value, (int, float)) else "another"


def widened(value):
    """Return a value of the same structure with float64 in the place of every narrower float."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(widened, value))
    if isinstance(value, dict):
        return {key: widened(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f":
        return np.asarray(value, np.float64)
    return value


def lost(verdict):
    return [part.name for part in verdict.parts if not part.earned]


# --- the catalogue ---------------------------------------------------------------------------


def test_names_are_unique_over_the_catalogue():
    names = [exercise.name for unit in UNITS for exercise in unit.exercises]
    assert sorted(names) == sorted(set(names))
    assert len({unit.slug for unit in UNITS}) == len({unit.key[:2] for unit in UNITS}) == len(UNITS)


@each_unit
def test_a_units_key_can_name_its_folder_and_its_module(unit):
    assert re.fullmatch(r"\d\d_[a-z][a-z0-9_]*", unit.key)
    assert unit.title
    assert unit.exercises


@each_unit
def test_a_unit_knows_five_mistakes_an_exercise_on_average(unit):
    counts = [len(exercise.mistakes) for exercise in unit.exercises]
    assert min(counts) >= 2, "every exercise needs two mistakes or more"
    assert statistics.mean(counts) >= 5, "the unit needs five mistakes an exercise, on average"


@each_exercise
def test_an_exercise_is_well_described(exercise):
    assert exercise.name.isidentifier()
    assert not keyword.iskeyword(exercise.name)
    assert exercise.summary
    assert not exercise.summary.endswith(".")
    assert len(exercise.honest) >= 3, "write at least three honest variants"
    assert len(set(exercise.honest)) == len(exercise.honest)
    assert "numpy" in exercise.libraries


@each_exercise
def test_every_part_has_points_and_a_case(exercise):
    names = [part.name for part in exercise.parts]
    assert len(set(names)) == len(names)
    assert all(part.points > 0 and part.title for part in exercise.parts)
    with_cases = {part.name for part in exercise.parts if part.kind != "inputs"}
    assert {case.part for case in draw_cases(exercise, PUBLIC_SEED)} == with_cases


@each_exercise
def test_where_courtesies_count_there_are_two_parts_of_values(exercise):
    """With one alone, whoever loses it would lose the courtesies' points as well."""
    kinds = [part.kind for part in exercise.parts]
    assert set(kinds) == {"values"} or kinds.count("values") >= 2, (
        "dtype and inputs count only beside a part of values that is right: "
        "share the values out over two parts or more"
    )


@each_exercise
def test_every_mistake_has_a_name_and_a_whole_sentence_of_its_own(exercise):
    names = [mistake.name for mistake in exercise.mistakes]
    sentences = [mistake.sentence for mistake in exercise.mistakes]
    assert len(set(names)) == len(set(sentences)) == len(names)
    for name, sentence in zip(names, sentences, strict=True):
        assert sentence.endswith("."), name
        assert sentence == " ".join(sentence.split()), name
        assert name == name.strip(" .") != "", name


# --- the reference and the cases -------------------------------------------------------------


@each_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_is_right_and_quiet(exercise, seed):
    verdict = judge(exercise, Trusted(exercise.reference), seed)
    assert verdict.status == "right", str(verdict)
    assert verdict.points == exercise.points
    assert verdict.notes == ()
    for case, run in zip(draw_cases(exercise, seed), reference_runs(exercise, seed), strict=True):
        assert run.fault is None, f"{case.title}: {run.fault}"
        assert run.seen, f"{case.title}: nothing is looked at"


@each_exercise
def test_a_seed_fixes_the_cases_and_another_draws_others(exercise):
    def text(seed):
        draw_cases.cache_clear()
        return [(case.part, case.title, repr(case.inputs)) for case in draw_cases(exercise, seed)]

    assert text(1) == text(1)
    assert text(1) != text(2)


@each_exercise
def test_titles_tell_cases_apart(exercise):
    titles = [case.title for case in draw_cases(exercise, PUBLIC_SEED)]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize(
    ("exercise", "part"),
    [(exercise, part) for exercise in EXERCISES.values() for part in exercise.parts],
    ids=lambda value: value.name,
)
def test_every_part_can_be_lost_on_its_own(exercise, part, seed):
    if part.kind == "inputs":
        function = Trusted(changing(exercise.reference))
    else:
        function = Spoiled(exercise, seed, widened if part.kind == "dtype" else shifted, part.name)
    verdict = judge(exercise, function, seed)
    assert lost(verdict) == [part.name]
    assert verdict.points == exercise.points - part.points


def changing(function):
    """Return a function whose results are right and whose arrays are changed afterwards."""

    def change(value):
        if isinstance(value, np.ndarray):
            value[...] = shifted(value)
        elif isinstance(value, dict):
            value["new"] = 1
        elif isinstance(value, list):
            value.append(1)

    def changer(*args, **kwargs):
        result = copy.deepcopy(function(*args, **kwargs))  # it may be a view of what is changed
        for value in (*args, *kwargs.values()):
            change(value)
        return result

    return changer


# --- mistakes and honest answers -------------------------------------------------------------


def why_unnamed(matching, runs):
    """Say why a mistake is not named as itself, and what to do."""
    crashed = [str(run.fault).splitlines()[-1] for run in runs if isinstance(run.fault, Crashed)]
    if crashed:
        return f"crashes ({crashed[0]}): it must give a wrong result wherever it shows."
    if not matching:
        return "is right in every case: add one in which it shows."
    return f"behaves like {matching}: add a case that tells them apart, or drop one."


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_fails_and_is_named_as_itself(exercise, mistake):
    """A verdict names a mistake only where exactly one matches."""
    function = handed_in(mistake.variant, exercise.name)
    for seed in SEEDS:
        runs = [play(exercise, function, case) for case in draw_cases(exercise, seed)]
        matching = [exercise.mistakes[i].name for i in matching_mistakes(exercise, seed, runs)]
        assert matching == [mistake.name], (
            f"seed {seed}: {mistake.name!r} {why_unnamed(matching, runs)}"
        )
        verdict = judge(exercise, function, seed)
        assert verdict.mistake == NamedMistake(mistake.name, mistake.sentence)
        assert verdict.points < exercise.points
        assert verdict.status in ("wrong_value", "wrong_type", "deadlock", "partly_right")


@each_exercise
def test_a_name_explains_the_first_failing_case(exercise):
    """A known mistake beside another error, in the first case, is not what that case shows."""
    cases, known = draw_cases(exercise, PUBLIC_SEED), known_mistakes(exercise, PUBLIC_SEED)
    right = reference_runs(exercise, PUBLIC_SEED)[0]
    explains = {m.name for index, m in enumerate(exercise.mistakes) if known.shows(index, 0)}
    for index, mistake in enumerate(exercise.mistakes):
        spoiled = play(exercise, lambda *a, f=mistake.variant, **k: shifted(f(*a, **k)), cases[0])
        if isinstance(spoiled.fault, Crashed):
            continue
        if find_failure(exercise, cases[0], right, spoiled):
            runs = [spoiled, *(known.run(index, case) for case in range(1, len(cases)))]
            named = name_mistake(exercise, PUBLIC_SEED, runs, 0)
            assert named is None or named.name in explains, mistake.name


@pytest.mark.parametrize(("exercise", "variant"), HONEST.values(), ids=HONEST)
def test_an_honest_answer_earns_all_points(exercise, variant):
    function = handed_in(variant, exercise.name)
    for seed in SEEDS:
        verdict = judge(exercise, function, seed)
        assert verdict.status == "right", f"seed {seed}: {verdict}"
        assert verdict.points == exercise.points
        assert verdict.notes == ()


@each_exercise
def test_a_variant_has_the_parameters_of_the_reference(exercise):
    asked = inspect.signature(exercise.reference).parameters
    for variant in (*exercise.honest, *(mistake.variant for mistake in exercise.mistakes)):
        for name, parameter in inspect.signature(variant).parameters.items():
            if name in asked:
                assert parameter.kind == asked[name].kind, variant.__name__
                assert parameter.default == asked[name].default, variant.__name__


# --- what earns nothing ----------------------------------------------------------------------

IDLE = {
    "None": lambda *given: None,
    "an empty tuple": lambda *given: (),
    "an empty dict": lambda *given: {},
    "an empty list": lambda *given: [],
    "an empty array": lambda *given: np.zeros(0),
    "zero": lambda *given: 0.0,
    "one": lambda *given: 1.0,
    "True": lambda *given: True,
    "False": lambda *given: False,
    "NaN": lambda *given: float("nan"),
    "a text": lambda *given: "right",
    "the first input": lambda *given: given[0],
    "all inputs": lambda *given: given,
    "the first and the third": lambda *given: (given[0], given[2] if len(given) > 2 else None),
    "the first and nothing": lambda *given: (given[0], {}),
    "the first and None": lambda *given: (given[0], None),
    "zeros like the first": lambda *given: np.zeros_like(given[0], dtype=float),
    "ones like the first": lambda *given: np.ones_like(given[0], dtype=float),
    "two zeros": lambda *given: (0.0, 0.0),
    "an object": lambda *given: object(),
    "the function": lambda *given: max,
}  # fmt: skip


@each_exercise
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_an_untouched_answer_is_not_attempted(exercise, seed):
    stub = run_cell(f"def {exercise.name}(*args, **kwargs):\n    raise NotImplementedError")
    verdict = judge(exercise, stub[exercise.name], seed)
    assert (verdict.status, verdict.points) == ("not_attempted", 0)
    assert lost(verdict) == [part.name for part in exercise.parts]


@each_exercise
@pytest.mark.parametrize("idle", IDLE)
def test_an_idle_answer_earns_nothing(exercise, idle):
    def answered(*args, **kwargs):
        return IDLE[idle](*args, *kwargs.values())

    for seed in SEEDS[:2]:
        verdict = judge(exercise, Trusted(answered), seed)
        assert verdict.points == 0, str(verdict)
        assert verdict.mistake is None, str(verdict)
