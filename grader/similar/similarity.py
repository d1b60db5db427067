"""``grader similarity``: answers that share more than chance, for a person to look at."""

from __future__ import annotations

import datetime
import json
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Console

from course.checking import Exercise, Unit
from grader.class_folder import ClassFolder
from grader.files import write_atomically
from grader.pages import render
from grader.progress import progress
from grader.results import nothing_graded
from grader.similar.alike import LEAST_SHARE, POPULAR_COUNT, POPULAR_SHARE, Alike, Group, find_alike
from grader.similar.answers import Sheet, read_answers, read_sheet, read_solutions
from grader.similar.fingerprints import LIMIT, given_by, line_keys
from grader.similar.references import (
    PASTED,
    course_texts,
    is_recognisable,
    known_answers,
    reference_share,
)
from grader.similar.twins import Twins

MOST_GROUPS, MOST_PAIRS, MOST_LINES, MOST_COLUMNS = 30, 2, 80, 200
"""What a page shows of an exercise's groups, a group's pairs, and an answer's text."""

SMALL_GROUP = 10
"""Up to this size, everyone in a group is counted together with everyone else."""


@dataclass(frozen=True)
class Compared:
    """One exercise's answers, compared with each other and with the reference.

    Attributes:
        exercise: the exercise.
        alike: who shares what with whom.
        pasted: the students whose answer is the reference, with the share of it they have.
        is_recognisable: whether the reference's bare formula could be told from honest answers.
        texts: the code of the students who are named, one text a cell.
    """

    exercise: Exercise
    alike: Alike
    pasted: tuple[tuple[str, float], ...]
    is_recognisable: bool
    texts: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Similarity:
    """A unit's answers, compared exercise by exercise."""

    sheet: Sheet
    exercises: tuple[Compared, ...]
    identical: tuple[tuple[str, ...], ...] = ()

    def together(self) -> list[tuple[tuple[str, str], list[str]]]:
        """Return who stands out with whom in more than one exercise, the most frequent first."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for compared in self.exercises:
            pairs = {pair for group in compared.alike.groups for pair in _couples(group)}
            for pair in sorted(pairs):
                found[pair].append(compared.exercise.name)
        several = [(pair, names) for pair, names in found.items() if len(names) > 1]
        return sorted(several, key=lambda row: (-len(row[1]), row[0]))


def similarity(klass: ClassFolder, units: list[Unit], console: Console) -> list[Path]:
    """Write a page a unit about answers that share more than chance, and all pairs as JSON.

    Returns:
        The pages.

    Raises:
        GraderError: a unit is not released, or nothing of it is graded yet.
    """
    pages = []
    for unit in units:
        compared = compare(klass, unit, console)
        page = klass.root / "reports" / f"{unit.key}-similarity.html"
        data = json.dumps(as_data(compared), indent=1, ensure_ascii=False)
        write_atomically(page.with_suffix(".json"), data.encode())
        write_atomically(page, _page(compared).encode())
        pages.append(page)
    return pages


def compare(klass: ClassFolder, unit: Unit, console: Console) -> Similarity:
    """Compare the graded answers of a unit with each other and with the reference.

    Raises:
        GraderError: the unit is not released, or nothing of it is graded yet.
    """
    sheet = read_sheet(unit, klass.require_release(unit))
    answers = dict(read_answers(klass, sheet))
    if not answers:
        raise nothing_graded(unit)
    solutions = read_solutions(klass, sheet)
    exercises = list(sheet.tests.values())
    compared = []
    twins = Twins()
    with progress(console, f"comparing {unit.key}", len(exercises) * len(answers)) as advance:
        for exercise in exercises:
            prints = {}
            for student, cells in answers.items():
                prints[student] = sheet.own(exercise, cells[exercise.name])
                advance()
            given = sheet.prints[exercise.name]
            alike = find_alike(prints, [known - given for known in known_answers(exercise)])
            solution = solutions.get(exercise.name, "")
            twins.add(prints, [text - given for text in course_texts(exercise, solution)])
            shares = [(s, reference_share(exercise, prints[s], solution)) for s in sorted(prints)]
            pasted = tuple((student, share) for student, share in shares if share >= PASTED)
            named = {s for group in alike.groups for s in group.students} | dict(pasted).keys()
            texts = {s: sheet.changed(answers[s][exercise.name]) for s in sorted(named)}
            told = is_recognisable(exercise, solution)
            compared.append(Compared(exercise, alike, pasted, told, texts))
    return Similarity(sheet, tuple(compared), twins.groups())


def as_data(similarity: Similarity) -> dict[str, Any]:
    """Return what came out as plain data."""
    return {
        "unit": similarity.sheet.unit.key,
        "identical": [list(students) for students in similarity.identical],
        "together": [
            {"students": list(students), "exercises": names}
            for students, names in similarity.together()
        ],
        "exercises": [
            {
                "exercise": compared.exercise.name,
                "compared": compared.alike.compared,
                "threshold_bits": _finite(compared.alike.threshold),
                "groups": [_group_data(group) for group in compared.alike.groups],
                "pasted_reference": [
                    {"student": student, "share": round(share, 3)}
                    for student, share in compared.pasted
                ],
                "formula_is_recognisable": compared.is_recognisable,
            }
            for compared in similarity.exercises
        ],
    }


def _group_data(group: Group) -> dict[str, Any]:
    pairs = [
        {"students": list(p.students), "bits": round(p.bits, 1), "share": round(p.share, 3)}
        for p in group.pairs
    ]
    return {"students": list(group.students), "pairs": pairs}


def _finite(bits: float) -> float | None:
    return round(bits, 1) if bits < float("inf") else None


def _couples(group: Group) -> set[tuple[str, str]]:
    if len(group.students) <= SMALL_GROUP:
        return set(combinations(group.students, 2))
    return {(min(pair.students), max(pair.students)) for pair in group.pairs}


def _page(similarity: Similarity) -> str:
    return render(
        "similarity.html",
        unit=similarity.sheet.unit,
        exercises=similarity.exercises,
        identical=similarity.identical,
        together=similarity.together(),
        made=f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        most_groups=MOST_GROUPS,
        most_pairs=MOST_PAIRS,
        least_share=LEAST_SHARE,
        pasted=PASTED,
        popular_share=POPULAR_SHARE,
        popular_count=POPULAR_COUNT,
        known={c.exercise.name: len(known_answers(c.exercise)) for c in similarity.exercises},
        columns=lambda compared, students: _columns(compared, students, similarity.sheet),
    )


@dataclass(frozen=True)
class Line:
    """A line of code on the page: "shared", "own", "blank", or "given" as the release had it."""

    kind: str
    text: str


def _columns(
    compared: Compared, students: tuple[str, ...], sheet: Sheet
) -> list[tuple[str, list[Line]]]:
    """Return students' texts side by side, each line with whether the other has it too."""
    given = given_by(compared.exercise.reference)
    released = "\n".join(sheet.released[compared.exercise.name])
    boilerplate = {line.strip() for line in released.splitlines()}
    texts = ["\n\n".join(compared.texts[student])[:LIMIT] for student in students]
    keys = [line_keys(text, given) for text in texts]
    columns = []
    for number, student in enumerate(students):
        others = {key for at, found in enumerate(keys) if at != number for key in found}
        lines = zip(texts[number].splitlines(), keys[number], strict=True)
        shown = [Line(_kind(text, key, boilerplate, others), _visible(text)) for text, key in lines]
        columns.append((student, _folded(shown)))
    return columns


def _kind(text: str, key: str, boilerplate: set[str], others: set[str]) -> str:
    if not text.strip():
        return "blank"
    if text.strip() in boilerplate:
        return "given"
    return "shared" if key in others else "own"


def _folded(lines: list[Line]) -> list[Line]:
    """Show of released lines that follow each other only the first, and not more than fit."""
    kept: list[Line] = []
    for line in lines:
        if not (kept and kept[-1].kind == "given" and line.kind in ("given", "blank")):
            kept.append(line)
    if len(kept) <= MOST_LINES:
        return kept
    return [*kept[:MOST_LINES], Line("given", f"... {len(kept) - MOST_LINES} more lines")]


def _visible(text: str) -> str:
    """Return a line in which no character is invisible, turns the text around or runs on."""
    cut = text.expandtabs(4)
    cut = cut if len(cut) <= MOST_COLUMNS else f"{cut[:MOST_COLUMNS]} ..."
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_control(c) else c for c in cut)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")
