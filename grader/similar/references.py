"""Telling an answer that is the course's own reference: reported, never punished.

The references are open to everyone, and the same formula is the same few tokens whoever writes it.
So only what the exercise's mistakes and honest variants, which are written independently of it, do
not share speaks for a copy; where a reference has too little of that, nothing is claimed.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

from course.checking import Exercise, answer_text
from grader.similar.fingerprints import LENGTH, Fingerprints, fingerprints, given_by

PASTED = 0.75
"""From which share on an answer is called the reference: above all that is known to be honest."""

LEAST_BITS = 12.0
"""How much of its own a text must have to be recognised: the course's machinery, or its prose."""

PLAIN_BITS = 25.0
"""The same for plain NumPy, which a student may come to write alike: several rare statements."""

WEIGHT = {"code": 1 / LENGTH, "name": 0.5, "text": 1.0}
"""What a piece counts: one of code shares its tokens with its neighbours."""

MOST_COMMON = 0.5
"""A piece that more than this share of the answers has says nothing."""

_NAMESPACE = re.compile(r"^\s*(\w+) = (?:array_)?namespace\(.*\n", re.MULTILINE)


def kind(piece: str) -> str:
    """Return a piece's kind."""
    return piece.partition(":")[0]


@functools.cache
def known_answers(exercise: Exercise) -> tuple[Fingerprints, ...]:
    """Return the fingerprints of an exercise's honest variants and mistakes, each once."""
    given = given_by(exercise.reference)
    variants = [*exercise.honest, *(mistake.variant for mistake in exercise.mistakes)]
    texts = [answer_text(variant, exercise.name) for variant in variants]
    return tuple(dict.fromkeys(fingerprints([text], given) for text in texts))


def pasted_reference(exercise: Exercise, source: str, solution: str = "") -> float:
    """Return how much of what only the course's reference has stands in an answer, from 0 to 1.

    Args:
        exercise: the exercise that is answered.
        source: the answer's code.
        solution: the model answer of the assignment, where it is at hand.

    Returns:
        The share, the largest over the reference, what it calls in its module, and the solution;
        0 where these have nothing to be recognised by. From `PASTED` on, say so.
    """
    return reference_share(exercise, fingerprints([source], given_by(exercise.reference)), solution)


def reference_share(exercise: Exercise, answer: Fingerprints, solution: str = "") -> float:
    """Do what `pasted_reference` does, for an answer whose fingerprints are known."""
    own = [*_own(exercise), *_plain(solution, exercise)]
    shares = (
        sum(bits for piece, bits in weights.items() if piece in answer) / sum(weights.values())
        for weights in own
    )
    return max(shares, default=0.0)


def is_recognisable(exercise: Exercise, solution: str = "") -> bool:
    """Tell whether the reference's or the solution's bare formula could be told from others."""
    texts = [_adapted(_source(exercise.reference)), solution]
    return any(_plain(text, exercise) for text in texts)


def course_texts(exercise: Exercise, solution: str = "") -> list[Fingerprints]:
    """Return the fingerprints of all that the course itself has as an answer."""
    reference = _source(exercise.reference)
    given = given_by(exercise.reference)
    texts = [text for text in (reference, _adapted(reference), solution) if text]
    return [*known_answers(exercise), *(fingerprints([text], given) for text in texts)]


@functools.cache
def _own(exercise: Exercise) -> tuple[dict[str, float], ...]:
    """Return what the reference can be recognised by: as it stands, as NumPy, by its prose."""
    found = [*_plain(_adapted(_source(exercise.reference)), exercise)]
    for text in map(_source, _reached(exercise.reference)):
        code, prose = _weighed(text, exercise)
        found += [prose, *([code] if _adapted(text) != text else [])]
    return tuple(weights for weights in found if sum(weights.values()) >= LEAST_BITS)


@functools.cache
def _plain(text: str, exercise: Exercise) -> tuple[dict[str, float], ...]:
    code, _ = _weighed(text, exercise)
    return (code,) if sum(code.values()) >= PLAIN_BITS else ()


def _weighed(text: str, exercise: Exercise) -> tuple[dict[str, float], dict[str, float]]:
    """Return the bits of surprise in a text's pieces: of its code, and of its prose."""
    known = known_answers(exercise)
    pieces = fingerprints([text], given_by(exercise.reference))
    bits = {piece: _bits(piece, known) for piece in sorted(pieces)}
    code = {piece: value for piece, value in bits.items() if value and kind(piece) != "text"}
    return code, {piece: value for piece, value in bits.items() if kind(piece) == "text"}


def _bits(piece: str, known: tuple[Fingerprints, ...]) -> float:
    share = (sum(piece in answer for answer in known) + 1) / (len(known) + 2)
    return 0.0 if share > MOST_COMMON else -math.log2(share) * WEIGHT[kind(piece)]


def _source(function: Callable[..., Any]) -> str:
    return inspect.getsource(inspect.unwrap(function))


def _adapted(source: str) -> str:
    """Return a reference as it works in an answer: with NumPy, without the course's machinery."""
    for line in list(_NAMESPACE.finditer(source)):
        source = re.sub(rf"\b{line[1]}\.", "np.", source.replace(line[0], ""))
    return re.sub(r"^@\w+\n", "", source, flags=re.MULTILINE)


def _reached(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """Return a function and those of its own module that it calls, directly or not."""
    found: list[Callable[..., Any]] = []
    waiting = [inspect.unwrap(function)]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.append(one)
        called = (one.__globals__.get(name) for name in one.__code__.co_names)
        unwrapped = (inspect.unwrap(it) for it in called if inspect.isfunction(it))
        waiting += [it for it in unwrapped if it.__module__ == one.__module__]
    return found
