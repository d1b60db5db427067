"""What an exercise is made of: parts worth points, cases, mistakes; and a unit of exercises."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Observations = Iterator[tuple[str, Any]]
"""Pairs of what was looked at ("theta after step 2") and the value that was seen."""

Kind = Literal["values", "dtype", "inputs"]


@dataclass(frozen=True)
class Part:
    """One thing an exercise asks for, with its share of the points.

    A part of kind "values" is earned when all its cases are right. The two others are courtesies
    of good code, and count only once a values part is earned: "dtype" when every result has the
    dtype of the input, "inputs" when no call changed what it was given.
    """

    name: str
    points: float
    title: str
    kind: Kind = "values"


@dataclass(frozen=True)
class Case:
    """One situation to try: the part it belongs to, its title and the inputs of the run."""

    part: str
    title: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A wrong variant that students really write, and what a good teacher would say about it."""

    name: str
    variant: Callable[..., Any]
    sentence: str


def one_call(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once with the inputs as keyword arguments: the simplest run."""
    yield "the result", function(**inputs)


@dataclass(frozen=True, eq=False)
class Exercise:
    """An exercise as data; `course.checking.judge` turns it and a function into a verdict.

    Attributes:
        reference: what is right; its name is the exercise's name.
        summary: the task in one line.
        parts: what earns points.
        cases: draws the cases from a generator, so that a seed fixes them.
        mistakes: wrong variants to recognise.
        honest: right answers in several styles; all must earn all points.
        run: plays one case against a function and yields what it sees.
        ulps: by how many units in the last place of the input's dtype honest code may differ.
        scale: the least size that results are measured by, where right ones may cancel to 0.
        slack: what explains a deviation within ``ulps``: "rounding"; "chance" for random draws.
        libraries: what an answer may import besides Python's standard library.
    """

    reference: Callable[..., Any]
    summary: str
    parts: tuple[Part, ...]
    cases: Callable[[np.random.Generator], Iterable[Case]]
    mistakes: tuple[Mistake, ...]
    honest: tuple[Callable[..., Any], ...]
    run: Callable[[Callable[..., Any], Mapping[str, Any]], Observations] = one_call
    ulps: int = 1000
    scale: float = 0.0
    slack: str = "rounding"
    libraries: tuple[str, ...] = ("numpy",)

    @property
    def name(self) -> str:
        """The name of the function that students write."""
        return self.reference.__name__

    @property
    def points(self) -> float:
        """All points that can be earned."""
        return sum(part.points for part in self.parts)

    @functools.cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names of the function's arguments, in their order."""
        return tuple(inspect.signature(self.reference).parameters)


@dataclass(frozen=True)
class Unit:
    """The exercises of one unit; its key is the name of its folders."""

    key: str
    title: str
    exercises: tuple[Exercise, ...]

    @property
    def slug(self) -> str:
        """The key without its number: the name of the lesson's file."""
        return self.key.split("_", 1)[1]

    @property
    def lesson(self) -> str:
        """Where the lesson's notebook lies, from the course's root."""
        return f"lessons/{self.key}/{self.slug}.ipynb"

    @property
    def assignment(self) -> str:
        """Where the assignment's notebook with solutions lies, from the course's root."""
        return f"solutions/{self.key}/{self.slug}_exercises.ipynb"

    def as_dict(self) -> dict[str, Any]:
        """Return what ``course units --json`` says about the unit."""
        return {
            "key": self.key,
            "title": self.title,
            "lesson": self.lesson,
            "assignment": self.assignment,
            "exercises": [
                {
                    "name": exercise.name,
                    "points": exercise.points,
                    "parts": [
                        {"name": part.name, "points": part.points, "title": part.title}
                        for part in exercise.parts
                    ],
                    "mistakes": [mistake.name for mistake in exercise.mistakes],
                }
                for exercise in self.exercises
            ],
        }


def answer_text(variant: Callable[..., Any], name: str) -> str:
    """Return the source of a variant as a student would hand it in, under the exercise's name."""
    source = textwrap.dedent(inspect.getsource(variant))
    return source.replace(f"def {variant.__name__}(", f"def {name}(", 1)
