"""Whole submissions that are the same: what no single exercise shows, all of them together do.

Close to a known answer two students may well write the same once. To write the same in every
exercise takes as many coincidences as there are exercises that their classmates answer otherwise.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from grader.similar.fingerprints import Fingerprints
from grader.similar.references import kind

MARGIN = 7.0
"""The bits beyond the number of pairs: chance makes twins in fewer than one class of a hundred."""


class Twins:
    """Finds them, exercise by exercise."""

    def __init__(self) -> None:
        self._forms: dict[str, list[int]] = defaultdict(list)
        self._bits: dict[str, float] = defaultdict(float)

    def add(self, answers: Mapping[str, Fingerprints], course: Sequence[Fingerprints]) -> None:
        """Take in an exercise's answers by student, and the texts that the course itself has.

        An answer that is one of the course's own, or is empty, says nothing.
        """
        counts = Counter(answer for answer in answers.values() if answer)
        others = max(1, counts.total() + len(course) - 1)
        bits = {
            answer: -math.log2(max(1, count - 1) / others)
            for answer, count in counts.items()
            if not any(_is_copy(answer, text) for text in course)
        }
        for student, answer in answers.items():
            self._forms[student].append(hash(answer))
            self._bits[student] += bits.get(answer, 0.0)

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Return the students whose submissions are the same in all exercises."""
        same: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for student, forms in sorted(self._forms.items()):
            same[tuple(forms)].append(student)
        count = len(self._forms)
        enough = MARGIN + math.log2(max(1, count * (count - 1) / 2))
        found = (group for group in same.values() if len(group) > 1)
        return tuple(tuple(group) for group in found if self._bits[group[0]] >= enough)


def _is_copy(answer: Fingerprints, text: Fingerprints) -> bool:
    """Tell whether an answer is a text of the course, with or without its comments."""
    said, known = ({p for p in pieces if kind(p) == "text"} for pieces in (answer, text))
    return said <= known and answer - said == text - known
