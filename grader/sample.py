"""A sample class: right, wrong, broken and odd submissions, made from a unit's release."""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import random
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nbformat import NotebookNode

from course.checking import Exercise, Unit, answer_text
from grader.files import as_bytes

SIZE = 30
MANY_LINES = 200
ESSAY = "(The sample class's answer to the question above: a person reads and grades it.)"


@dataclass(frozen=True)
class Sample:
    """A submission of the sample class and what grading it must find.

    Attributes:
        student: an id that says what is special about it.
        content: the notebook's file, or None where nothing was handed in.
        full: the exercises that must earn all points.
        zero: the exercises that must earn none.
        named: by exercise, the mistake that the verdict must name.
        filename: the file's name, where it is not the assignment's own.
    """

    student: str
    content: bytes | None
    full: frozenset[str] = frozenset()
    zero: frozenset[str] = frozenset()
    named: Mapping[str, str] = field(default_factory=dict)
    filename: str | None = None


def sample_class(unit: Unit, release: NotebookNode, count: int = SIZE) -> list[Sample]:
    """Return the first so many submissions of the class; any number can be had."""
    return list(itertools.islice(_Maker(unit, release).samples(), count))


class _Maker:
    """Makes a unit's sample submissions."""

    def __init__(self, unit: Unit, release: NotebookNode) -> None:
        self.exercises = unit.exercises
        self.names = frozenset(exercise.name for exercise in unit.exercises)
        self.release = release
        self.right = {e.name: answer_text(e.honest[0], e.name) for e in unit.exercises}

    def samples(self) -> Iterator[Sample]:
        """Yield first what shows most, then what fills a class."""
        first, last = self.exercises[0], self.exercises[-1]
        whole = self.fill(self.right)
        yield Sample("all-right", whole, full=self.names)
        yield Sample("blank", self.fill({}, essay=False), zero=self.names)
        yield self.with_mistakes(1)
        yield self.broken("crashing", first, 'return {}["theta"]')
        yield self.broken("endless-loop", last, "while True:\n    pass")
        yield Sample("malformed-json", whole[: len(whole) // 2], zero=self.names)
        for style in range(1, max(len(exercise.honest) for exercise in self.exercises)):
            yield self.in_style(style)
        yield self.syntax_error(first)
        yield Sample("missing-notebook", None, zero=self.names)
        yield Sample("renamed-notebook", whole, zero=self.names, filename="homework (1).ipynb")
        yield self.broken("wrong-type", first, 'return "theta"')
        for exercise in [e for e in self.exercises if "torch" not in e.libraries][-1:]:
            yield self.broken("uses-torch", exercise, "import torch\nreturn torch.zeros(1), {}")
        yield self.broken("calls-reference", last, _call_of_reference(last))
        yield Sample("prints-a-lot", self.fill(_chatty(self.right)), full=self.names)
        yield self.changing_inputs(first)
        yield from map(self.with_mistakes, (2, 3, 4))
        for number in itertools.count(1):
            yield self.mixed(number)

    def fill(self, answers: Mapping[str, str], *, essay: bool = True) -> bytes:
        """Return the release with these answers in the places of its stubs."""
        notebook = copy.deepcopy(self.release)
        for cell in notebook.cells:
            told = cell.metadata.get("nbgrader", {})
            if told.get("solution") and told.get("grade") and essay:
                cell.source = ESSAY
            elif told.get("solution") and not told.get("grade"):
                asked = [name for name in answers if f"def {name}(" in cell.source]
                cell.source = answers[asked[0]] if asked else cell.source
        return as_bytes(notebook)

    def broken(self, student: str, exercise: Exercise, body: str) -> Sample:
        """Everything is right but one exercise, which has this body."""
        answer = self._stub(exercise).replace("raise NotImplementedError()", "pass")
        lines = answer.rstrip().splitlines()
        indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
        answer = "\n".join([*lines[:-1], textwrap.indent(body, indent)])
        return self._without(student, exercise, answer)

    def syntax_error(self, exercise: Exercise) -> Sample:
        """Everything is right but one exercise, which does not parse."""
        answer = self.right[exercise.name].replace("(", "((", 1)
        return self._without("syntax-error", exercise, answer)

    def in_style(self, style: int) -> Sample:
        """Everything is right, written in another way."""
        answers = {
            e.name: answer_text(e.honest[style % len(e.honest)], e.name) for e in self.exercises
        }
        return Sample(f"all-right-style-{style + 1}", self.fill(answers), full=self.names)

    def changing_inputs(self, exercise: Exercise) -> Sample:
        """Everything is right, but one answer changes its first argument."""
        name, first = exercise.name, next(iter(inspect.signature(exercise.reference).parameters))
        given = inspect.signature(exercise.reference)
        answer = (
            self.right[name].replace(f"def {name}(", "def compute(", 1)
            + f"\n\ndef {name}{_plain(given)}:\n    result = compute({_passed_on(given)})\n"
            + f"    {first} += 1\n    return result"
        )
        content = self.fill(self.right | {name: answer})
        return Sample("changes-inputs", content, full=self.names - {name})

    def with_mistakes(self, number: int) -> Sample:
        """Every exercise has one of its known mistakes."""
        made = {e.name: e.mistakes[(number - 1) % len(e.mistakes)] for e in self.exercises}
        content = self.fill({name: answer_text(m.variant, name) for name, m in made.items()})
        named = {name: mistake.name for name, mistake in made.items()}
        return Sample(f"mistakes-{number}", content, named=named)

    def mixed(self, number: int) -> Sample:
        """Some exercises are right, some have a common mistake, some are left out."""
        draw = random.Random(number)  # noqa: S311 - a sample class, not a secret
        answers, full, zero, named = dict(self.right), set(), set(), {}
        for exercise in self.exercises:
            kind = draw.choices(("right", "mistake", "left out"), (5, 4, 1))[0]
            if kind == "right":
                full.add(exercise.name)
            elif kind == "mistake":
                mistake = exercise.mistakes[min(draw.randrange(3), len(exercise.mistakes) - 1)]
                answers[exercise.name] = answer_text(mistake.variant, exercise.name)
                named[exercise.name] = mistake.name
            else:
                del answers[exercise.name]
                zero.add(exercise.name)
        return Sample(
            f"mixed-{number:02}", self.fill(answers), frozenset(full), frozenset(zero), named
        )

    def _without(self, student: str, exercise: Exercise, answer: str) -> Sample:
        content = self.fill(self.right | {exercise.name: answer})
        wrong = frozenset({exercise.name})
        return Sample(student, content, full=self.names - wrong, zero=wrong)

    def _stub(self, exercise: Exercise) -> str:
        texts = (cell.source for cell in self.release.cells if cell.cell_type == "code")
        return next(str(text) for text in texts if f"def {exercise.name}(" in text)


def _chatty(answers: Mapping[str, str]) -> dict[str, str]:
    """Let every answer print many lines before it works."""
    return {name: _at_the_start(text) for name, text in answers.items()}


def _at_the_start(text: str) -> str:
    function = next(n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef))
    at = function.body[0].lineno - 1
    lines = text.splitlines()
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    loud = [f"{indent}for line in range({MANY_LINES}):", f'{indent}    print("line", line)']
    return "\n".join([*lines[:at], *loud, *lines[at:]])


def _call_of_reference(exercise: Exercise) -> str:
    given = inspect.signature(exercise.reference)
    module = inspect.unwrap(exercise.reference).__module__
    return (
        f"from {module} import {exercise.name} as reference\nreturn reference({_passed_on(given)})"
    )


def _plain(given: inspect.Signature) -> str:
    """Return a signature as students write it: without annotations."""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in given.parameters.values()]
    return str(inspect.Signature(plain))


def _passed_on(given: inspect.Signature) -> str:
    return ", ".join(
        f"{name}={name}" if parameter.kind is parameter.KEYWORD_ONLY else name
        for name, parameter in given.parameters.items()
    )
