"""From an exercise, a function and a seed to a verdict."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from course.checking.call import Crashed, Deadlocked, Guarded, NotAttempted
from course.checking.compare import Difference, WrongKind, describe, difference, kind_of, same_dtype
from course.checking.exercise import Case, Exercise, Part
from course.checking.libraries import foreign_libraries
from course.checking.verdict import Failure, NamedMistake, PartResult, Status, Verdict

_CHARACTERS_SHOWN, _DIGITS_SHOWN = 600, (6, 10, 17)


@dataclass(frozen=True)
class Run:
    """What was seen when a function played a case, and what ended the run early, if anything."""

    seen: tuple[tuple[str, Any], ...]
    fault: Exception | None
    changed: frozenset[str]
    warned: tuple[str, ...]


def judge(
    exercise: Exercise, function: Callable[..., Any], seed: int, *, reveal: bool = True
) -> Verdict:
    """Try a function on every case that the seed draws and return the verdict.

    Args:
        exercise: what is asked.
        function: the answer; it is called on copies, and only plain values come back.
        seed: fixes the cases.
        reveal: whether the verdict may hold what only this seed's cases show: inputs, expected
            values, results, and all texts that an answer could have put them into.
    """
    foreign = foreign_libraries(function, exercise.libraries)
    if foreign:
        text = f"it uses {', '.join(foreign)}; this exercise allows {_allowed(exercise)}"
        return no_points(exercise, "not_allowed", text)
    cases = draw_cases(exercise, seed)
    expected = reference_runs(exercise, seed)
    runs = [play(exercise, function, case) for case in cases]
    if isinstance(runs[0].fault, NotAttempted):
        text = "raise NotImplementedError() is still reached: when your code is there, delete it"
        return no_points(exercise, "not_attempted", text)
    failures = [
        find_failure(exercise, case, right, run, reveal=reveal)
        for case, right, run in zip(cases, expected, runs, strict=True)
    ]
    parts = award_parts(exercise, cases, expected, runs, failures)
    first = next((index for index, failure in enumerate(failures) if failure), None)
    failure = None if first is None else failures[first]
    return Verdict(
        exercise=exercise.name,
        status=_status(parts, failure, runs),
        parts=parts,
        failure=failure,
        mistake=None if first is None else name_mistake(exercise, seed, runs, first),
        notes=_notes(
            _widened(exercise, cases, expected, runs, failures), runs, failures, reveal=reveal
        ),
    )


def play(exercise: Exercise, function: Callable[..., Any], case: Case) -> Run:
    """Run one case against a function and write down what is seen."""
    guarded = Guarded(function, exercise.arguments)
    seen: list[tuple[str, Any]] = []
    fault: Exception | None = None
    try:
        seen.extend(exercise.run(guarded, case.inputs))
    except (NotAttempted, Crashed, WrongKind, Deadlocked) as error:
        fault = error
    return Run(tuple(seen), fault, frozenset(guarded.changed), tuple(guarded.warned))


@functools.lru_cache(maxsize=256)
def draw_cases(exercise: Exercise, seed: int) -> tuple[Case, ...]:
    """Return the cases that a seed draws; the exercise's name keeps exercises apart."""
    rng = np.random.default_rng([seed, *exercise.name.encode()])
    return tuple(exercise.cases(rng))


@functools.lru_cache(maxsize=256)
def reference_runs(exercise: Exercise, seed: int) -> tuple[Run, ...]:
    """Return the runs of the reference on a seed's cases."""
    return _runs(exercise, exercise.reference, seed)


class KnownMistakes:
    """The known mistakes of an exercise on a seed's cases; each is played when it is asked for."""

    def __init__(self, exercise: Exercise, seed: int) -> None:
        self._exercise = exercise
        self._cases, self._right = draw_cases(exercise, seed), reference_runs(exercise, seed)
        self._runs: dict[tuple[int, int], Run] = {}
        self._shows: dict[tuple[int, int], bool] = {}

    def run(self, mistake: int, case: int) -> Run:
        """Return a mistake's run on a case, both by their index."""
        key = mistake, case
        if key not in self._runs:
            variant = self._exercise.mistakes[mistake].variant
            self._runs[key] = play(self._exercise, variant, self._cases[case])
        return self._runs[key]

    def shows(self, mistake: int, case: int) -> bool:
        """Tell whether a mistake is not right in a case."""
        key = mistake, case
        if key not in self._shows:
            told = self._cases[case], self._right[case], self.run(mistake, case)
            self._shows[key] = find_failure(self._exercise, *told, reveal=False) is not None
        return self._shows[key]


@functools.lru_cache(maxsize=256)
def known_mistakes(exercise: Exercise, seed: int) -> KnownMistakes:
    """Return the known mistakes on a seed's cases; what was played is kept."""
    return KnownMistakes(exercise, seed)


def find_failure(
    exercise: Exercise, case: Case, right: Run, run: Run, *, reveal: bool = True
) -> Failure | None:
    """Return the first thing in a run that is not as the reference has it."""

    def failure(kind: Status, what: str, text: str, kept_back: str, *values: Any) -> Failure:
        if not reveal:
            return Failure(kind, case.title, what, kept_back)
        return Failure(kind, case.title, what, text, _inputs(case), *_told_apart(*values))

    for index, (what, expected) in enumerate(right.seen):
        if index == len(run.seen):
            what = getattr(run.fault, "where", "") or what
            if isinstance(run.fault, Crashed):
                return failure("crashed", what, str(run.fault), run.fault.kept_back)
            if isinstance(run.fault, Deadlocked):
                return failure("deadlock", what, str(run.fault), str(run.fault))
            return failure("wrong_type", what, *_ending(run.fault))
        got = run.seen[index][1]
        try:
            wrong = difference(expected, got, exercise.ulps, exercise.scale)
        except WrongKind as error:
            kinds = f"expected {kind_of(expected)}, got {kind_of(got)}"
            return failure("wrong_type", what, str(error), kinds, expected, got)
        if wrong:
            texts = _deviation(wrong, got, exercise.slack), _place(wrong)
            return failure("wrong_value", what, *texts, expected, got)
    if len(run.seen) > len(right.seen):
        what, got = run.seen[len(right.seen)]
        text, kept_back = (f"nothing more is expected, got {it(got)}" for it in (describe, kind_of))
        return failure("wrong_type", what, text, kept_back)
    return None


def _ending(fault: Exception | None) -> tuple[str, str]:
    """Say why a run showed less than the reference's; and the same without any values."""
    if fault is None:
        return "it is missing", "it is missing"
    if isinstance(fault, NotAttempted):
        text = "it raises NotImplementedError here"
        return text, text
    return str(fault), "the result is not of the kind that the exercise asks for"


def _deviation(wrong: Difference, got: Any, slack: str) -> str:
    where = f" at index {list(wrong.place)}" if wrong.place else ""
    if wrong.error == 1 and (value := np.asarray(got)[wrong.place]).dtype == bool:
        return f"it is {value}{where} and should be {not value}"
    if not math.isfinite(wrong.error):
        return f"it is {float(np.asarray(got)[wrong.place]):.3g}{where}"
    off = f"off by {wrong.error:.3g}{where}"
    if wrong.tolerance == 0:  # whole numbers, such as bytes
        return off
    return f"{off}; {slack} would explain up to {wrong.tolerance:.1g}"


def _place(wrong: Difference) -> str:
    return f"it is not right at index {list(wrong.place)}" if wrong.place else "it is not right"


def award_parts(
    exercise: Exercise,
    cases: tuple[Case, ...],
    expected: tuple[Run, ...],
    runs: list[Run],
    failures: list[Failure | None],
) -> tuple[PartResult, ...]:
    """Return each part with whether it is earned; courtesies are judged once a value is right."""

    def passed(part: Part) -> bool:
        own = [f for case, f in zip(cases, failures, strict=True) if case.part == part.name]
        return not any(own)

    some_values = any(passed(part) for part in exercise.parts if part.kind == "values")

    def earned(part: Part) -> bool:
        if part.kind == "inputs":
            return some_values and not any(run.changed for run in runs)
        if part.kind == "dtype":
            widened = _widened(exercise, cases, expected, runs, failures)
            return some_values and passed(part) and not widened
        return passed(part)

    return tuple(
        PartResult(
            part.name,
            part.title,
            part.points,
            earned=earned(part),
            judged=some_values or part.kind == "values",
        )
        for part in exercise.parts
    )


def name_mistake(exercise: Exercise, seed: int, runs: list[Run], first: int) -> NamedMistake | None:
    """Return the one known mistake that these runs match wherever it differs from what is right.

    In the first failing case, which is shown beside it, it must differ, too; unless the answer
    crashes there, which no known mistake does.
    """
    crashed = isinstance(runs[first].fault, Crashed)
    matching = matching_mistakes(exercise, seed, runs, None if crashed else first)
    if len(matching) != 1:
        return None
    mistake = exercise.mistakes[matching[0]]
    return NamedMistake(mistake.name, mistake.sentence)


def matching_mistakes(
    exercise: Exercise, seed: int, runs: list[Run], shown: int | None = None
) -> list[int]:
    """Return the indices of all mistakes that these runs match on every distinguishing case.

    One that is wrong in fewer cases than another is not among them: it leaves some unexplained.

    Args:
        exercise: what is asked.
        seed: fixes the cases.
        runs: what an answer did in each case.
        shown: a case in which a mistake must show.
    """
    known = known_mistakes(exercise, seed)
    dtypes = {part.name for part in exercise.parts if part.kind == "dtype"}
    narrow = [case.part in dtypes for case in draw_cases(exercise, seed)]

    def explained(mistake: int) -> frozenset[int]:
        """Return the cases in which a mistake shows, if the runs are like it in all of them."""
        if shown is not None and not known.shows(mistake, shown):
            return frozenset()
        cases = set()
        for case in sorted(range(len(runs)), key=lambda case: case != shown):
            if known.shows(mistake, case):
                wrong = known.run(mistake, case)
                if not _alike(exercise, wrong, runs[case], narrow=narrow[case]):
                    return frozenset()
                cases.add(case)
        return frozenset(cases)

    matching = {index: explained(index) for index in range(len(exercise.mistakes))}
    return [
        index
        for index, cases in matching.items()
        if cases and not any(cases < others for others in matching.values())
    ]


def short(value: Any, digits: int = _DIGITS_SHOWN[0]) -> str:
    """Return a value as text short enough for a verdict."""
    text = _written(value, digits)
    return text if len(text) <= _CHARACTERS_SHOWN else f"{text[:_CHARACTERS_SHOWN]} ..."


def _told_apart(*values: Any) -> tuple[str, ...]:
    """Return values in short, with as many digits as it takes to see how they differ."""
    texts: tuple[str, ...] = ()
    for digits in _DIGITS_SHOWN:
        texts = tuple(short(value, digits) for value in values)
        if len(set(texts)) == len(values):
            break
    return texts


def _written(value: Any, digits: int) -> str:
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=digits, threshold=12, separator=", ")
        return f"{text} ({value.dtype})" if value.dtype not in (np.float64, bool) else text
    if isinstance(value, Mapping):
        entries = (f"{key!r}: {_written(item, digits)}" for key, item in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_written(item, digits) for item in value) + "]"
    if isinstance(value, np.random.Generator):
        return "a numpy.random.Generator"
    return getattr(value, "__name__", None) or repr(value)


def _runs(exercise: Exercise, function: Callable[..., Any], seed: int) -> tuple[Run, ...]:
    return tuple(play(exercise, function, case) for case in draw_cases(exercise, seed))


def _alike(exercise: Exercise, wrong: Run, run: Run, *, narrow: bool) -> bool:
    if len(wrong.seen) != len(run.seen) or isinstance(run.fault, Crashed):
        return False
    if str(wrong.fault) != str(run.fault):
        return False
    try:
        return not any(
            _apart(exercise, theirs, mine, narrow=narrow)
            for (_, theirs), (_, mine) in zip(wrong.seen, run.seen, strict=True)
        )
    except WrongKind:
        return False


def _apart(exercise: Exercise, theirs: Any, mine: Any, *, narrow: bool) -> bool:
    """Tell whether two results differ by more than rounding; a mistake may have widened its own."""
    if theirs is None:
        return mine is not None
    if narrow and np.asarray(mine).dtype == np.float32:
        theirs, mine = mine, theirs
    return difference(theirs, mine, exercise.ulps, exercise.scale) is not None


def _widened(
    exercise: Exercise,
    cases: tuple[Case, ...],
    expected: tuple[Run, ...],
    runs: list[Run],
    failures: list[Failure | None],
) -> bool:
    """Tell whether a case about dtypes gave the right values in another dtype."""
    about_dtype = {part.name for part in exercise.parts if part.kind == "dtype"}
    return any(
        not same_dtype(value, got)
        for case, right, run, failure in zip(cases, expected, runs, failures, strict=True)
        if case.part in about_dtype and not failure
        for (_, value), (_, got) in zip(right.seen, run.seen, strict=True)
    )


def _status(parts: tuple[PartResult, ...], first: Failure | None, runs: list[Run]) -> Status:
    if all(part.earned for part in parts):
        return "right"
    if first and not any(part.earned for part in parts):
        return first.kind
    if not first and any(run.changed for run in runs):
        return "changed_inputs"
    return "partly_right"


def _notes(
    widened: bool, runs: list[Run], failures: list[Failure | None], *, reveal: bool
) -> tuple[str, ...]:
    changed = sorted(set().union(*(run.changed for run in runs)))
    # Beside a case that fails, only its own warnings help.
    telling = [run for run, failure in zip(runs, failures, strict=True) if failure][:1] or runs
    warned = list(dict.fromkeys(text for run in telling for text in run.warned))
    notes = []
    if changed:
        notes.append(
            f"It changes what it is given ({', '.join(changed)}). The caller still needs that: "
            "make new arrays and a new dict, or work on a copy."
        )
    if widened:
        notes.append(
            "Float32 in must be float32 out: an array made as float64, or a NumPy number such as "
            "np.sqrt(2.0), widens everything it touches; a result in float(...) is a float64."
        )
    if reveal:
        notes += [f"A warning was raised: {text}." for text in warned[:1]]
    return tuple(notes)


def no_points(exercise: Exercise, status: Status, text: str = "") -> Verdict:
    """Return the verdict on an answer that no case could be tried on."""
    parts = tuple(PartResult(p.name, p.title, p.points, False, False) for p in exercise.parts)
    failure = Failure(status, "", "", text) if text else None
    return Verdict(exercise.name, status, parts, failure)


def _allowed(exercise: Exercise) -> str:
    return " and ".join([*exercise.libraries, "Python's standard library"])


def _inputs(case: Case) -> dict[str, str]:
    return {key: short(value) for key, value in case.inputs.items()}
