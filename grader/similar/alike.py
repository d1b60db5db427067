"""Which answers share more than chance explains: the statistics behind the similarity report.

What two answers share is weighed in bits: a piece that one answer in 2ⁿ has counts n. Pieces come
in company, though: whoever loops over entries writes ten lines alike. So a known way to answer, one
of the course's variants or one that many students take, counts as one choice and not as many.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array, vstack  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import CountVectorizer

from grader.similar.fingerprints import Fingerprints
from grader.similar.references import MOST_COMMON, WEIGHT, kind

BLOCK, BATCH = 256, 4096
"""Rows of the table of all pairs, and pairs, that are in memory at a time."""

MOST_PAIRS = 20_000
"""The pairs of different answers that are kept, those with the most bits."""

LEAST_SHARE = 0.9
"""How much of the shorter answer's code must stand in the other, unless prose and names do."""

POPULAR_SHARE, POPULAR_COUNT = 0.05, 5
"""An answer that this share of the class, and at least so many, give counts as a known way."""


@dataclass(frozen=True)
class Pair:
    """Two students whose answers stand out.

    Attributes:
        students: the two.
        bits: what they share beyond a known way to answer.
        share: how much of the shorter answer's code stands in the other, from 0 to 1.
    """

    students: tuple[str, str]
    bits: float
    share: float


@dataclass(frozen=True)
class Group:
    """Students who are connected by pairs; the pairs with the most bits come first."""

    students: tuple[str, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Alike:
    """What came out for one exercise.

    Attributes:
        compared: how many answers there were.
        threshold: the bits from which on a pair is reported.
        groups: those with the most bits first.
    """

    compared: int
    threshold: float
    groups: tuple[Group, ...]


def find_alike(answers: Mapping[str, Fingerprints], known: Sequence[Fingerprints]) -> Alike:
    """Find the students whose answers share more than chance and the known ways explain.

    Args:
        answers: by student, without what the task gave; an empty one is not compared.
        known: the fingerprints of answers that were written independently.
    """
    students: dict[Fingerprints, list[str]] = defaultdict(list)
    for student, answer in sorted(answers.items()):
        if answer:
            students[answer].append(student)
    count = sum(map(len, students.values()))
    if count < 2:
        return Alike(count, math.inf, ())
    population = _Population([*students], [*map(len, students.values())], known)
    threshold = population.chance() + math.log2(count * (count - 1) / 2)
    groups = _groups(list(students.values()), population.pairs(threshold))
    return Alike(count, threshold, tuple(groups))


class _Population:
    """The different answers, how often each was given, and what their pieces weigh."""

    def __init__(
        self, forms: list[Fingerprints], counts: list[int], known: Sequence[Fingerprints]
    ) -> None:
        vectorizer = CountVectorizer(analyzer=sorted, binary=True, dtype=np.float64)
        has = csr_array(vectorizer.fit_transform([*forms, *known]))
        pieces = vectorizer.get_feature_names_out()
        self.counts = np.array(counts)
        self.forms, self.known = has[: len(forms)], has[len(forms) :]
        self.is_code = np.array([kind(piece) == "code" for piece in pieces])
        self.code_size = self.forms @ self.is_code
        self.weights = self._weights(pieces)
        self.weighed = csr_array(self.forms.multiply(np.sqrt(self.weights)[None, :]))
        self.weighed.eliminate_zeros()
        self.own = self.forms @ self.weights
        total, variants = self.counts.sum(), len(known)
        popular = self.counts >= max(POPULAR_COUNT, POPULAR_SHARE * total)
        self.ways = csr_array(vstack([self.known, self.forms[popular]]).T)
        self.surprise = np.log2([*[variants + 1] * variants, *total / self.counts[popular]])

    def _weights(self, pieces: Any) -> Any:
        """Return each piece's bits; of two that share it, one is no surprise."""
        total, variants = self.counts.sum(), self.known.shape[0]
        by_known = self.known.sum(axis=0)
        others = np.maximum(self.counts @ self.forms + by_known - 1, 1)
        share = np.maximum(others / (total + variants - 1), by_known / (variants + 1))
        kinds = np.array([WEIGHT[kind(piece)] for piece in pieces])
        return np.where(share > MOST_COMMON, 0.0, -np.log2(np.minimum(share, 1.0)) * kinds)

    def chance(self) -> float:
        """Return the most that two known answers, written independently, share."""
        size = self.known.shape[0]
        one, other = np.triu_indices(size, 1)
        if not len(one):
            return 0.0
        shared = self.known[one].multiply(self.known[other])
        explained = (shared * self.weights[None, :]) @ self.known.T
        explained = explained.toarray() - math.log2(size + 1)
        pairs = np.arange(len(one))
        explained[pairs, one] = explained[pairs, other] = 0.0
        rest = shared @ self.weights - np.maximum(explained.max(axis=1), 0.0)
        return float(rest.max())

    def pairs(self, threshold: float) -> list[tuple[int, int, float, float]]:
        """Return the pairs of forms that stand out, their bits and their share, most bits first.

        A form that several students gave makes a pair with itself.
        """
        most: list[Any] = [np.empty(0, int), np.empty(0, int), np.empty(0), np.empty(0)]
        for candidates in self._candidates(threshold):
            found = zip(most, self._judged(*candidates, threshold), strict=True)
            columns = [np.concatenate(column) for column in found]
            order = np.argsort(-columns[2], kind="stable")[:MOST_PAIRS]
            most = [column[order] for column in columns]
        return list(zip(*(column.tolist() for column in most), strict=True))

    def _candidates(self, threshold: float) -> Iterator[tuple[Any, Any]]:
        """Yield pairs that share enough, before the known ways are counted; a block at a time."""
        twice = np.flatnonzero((self.counts > 1) & (self.own >= threshold))
        yield from ((twice[start : start + BATCH],) * 2 for start in range(0, len(twice), BATCH))
        transposed = csr_array(self.weighed.T)
        for start in range(0, self.forms.shape[0], BLOCK):
            block = coo_array(self.weighed[start : start + BLOCK] @ transposed)
            enough = (block.data >= threshold) & (block.row + start < block.col)
            one, other = block.row[enough] + start, block.col[enough]
            for first in range(0, max(1, len(one)), BATCH):
                yield one[first : first + BATCH], other[first : first + BATCH]

    def _judged(self, one: Any, other: Any, threshold: float) -> tuple[Any, Any, Any, Any]:
        """Return those pairs that share enough beyond the known way that explains most of it."""
        shared = csr_array(self.forms[one].multiply(self.forms[other]))
        weighed = csr_array(shared.multiply(self.weights[None, :]))
        explained = (weighed @ self.ways).toarray() - self.surprise[None, :]
        bits = weighed.sum(axis=1) - explained.max(axis=1, initial=0.0)
        smaller = np.minimum(self.code_size[one], self.code_size[other])
        share = (shared @ self.is_code) / np.maximum(smaller, 1)
        said = weighed @ ~self.is_code
        kept = (bits >= threshold) & ((share >= LEAST_SHARE) | (said >= threshold))
        return one[kept], other[kept], bits[kept], share[kept]


def _groups(
    students: list[list[str]], found: list[tuple[int, int, float, float]]
) -> Iterator[Group]:
    """Yield the connected students, those with the most bits first."""
    one, other = ([pair[end] for pair in found] for end in (0, 1))
    edges = coo_array((np.ones(len(found)), (one, other)), shape=(len(students),) * 2)
    _, labels = connected_components(edges, directed=False)
    together: dict[int, list[tuple[int, int, float, float]]] = defaultdict(list)
    for pair in found:
        together[int(labels[pair[0]])].append(pair)
    for pairs in together.values():
        forms = {form for pair in pairs for form in pair[:2]}
        names = sorted(name for form in forms for name in students[form])
        yield Group(tuple(names), tuple(_pair(students, *pair) for pair in pairs))


def _pair(students: list[list[str]], one: int, other: int, bits: float, share: float) -> Pair:
    return Pair((students[one][0], students[other][one == other]), bits, share)
