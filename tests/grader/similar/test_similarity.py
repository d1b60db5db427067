"""Answers that share more than chance are found; common code and the honest are left alone."""

import inspect
import json
import re

import pytest

from course.checking import answer_text
from course.exercises import find_unit, units
from grader.errors import GraderError
from grader.files import as_bytes, write_atomically
from grader.rebuild import rebuild
from grader.sample import sample_class
from grader.similar.alike import find_alike
from grader.similar.answers import read_sheet
from grader.similar.fingerprints import LIMIT, Given, fingerprints, given_by
from grader.similar.references import PASTED, known_answers, pasted_reference
from grader.similar.similarity import as_data, compare, similarity
from grader.work import METADATA_KEY, read_notebook
from pages import Page

GIVEN = Given("rule", ("theta", "grad", "lr"))
PLAIN = """
def rule(theta, grad, lr):
    first = np.sqrt(theta) * 0.25
    second = grad ** 2
    return first - lr * second
"""


def code(text, given=GIVEN):
    return {piece for piece in fingerprints([text], given) if piece.startswith("code:")}


SAME = {
    "new names": PLAIN.replace("first", "avg").replace("second", "sq"),
    "a renamed parameter": PLAIN.replace("theta", "p"),
    "comments": PLAIN.replace("0.25", "0.25  # a quarter"),
    "a docstring": PLAIN.replace("lr):", 'lr):\n    """Explain it."""'),
    "layout": PLAIN.replace(" * ", "*").replace("    ", "\t").replace("grad ** 2", "(grad\n** 2)"),
    "annotations": PLAIN.replace("grad, lr)", "grad: float, lr=1.0) -> float"),
    "another order": PLAIN.replace("    second = grad ** 2\n", "").replace(
        "    first", "    second = grad ** 2\n    first"
    ),
    "a text": PLAIN.replace("    second", "    'a text'\n    second"),
}
OTHER = {
    "another operator": PLAIN.replace("first -", "first +"),
    "another number": PLAIN.replace("0.25", "0.5"),
    "another function": PLAIN.replace("np.sqrt", "np.exp"),
    "exchanged variables": PLAIN.replace("first - lr * second", "second - lr * second"),
    "exchanged parameters": PLAIN.replace("sqrt(theta)", "sqrt(grad)"),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_what_does_not_change_the_program_leaves_its_pieces(text):
    assert text != PLAIN
    assert code(text) == code(PLAIN)


@pytest.mark.parametrize("text", OTHER.values(), ids=OTHER)
def test_what_changes_the_program_changes_its_pieces(text):
    assert code(text) != code(PLAIN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1\nx += y", "x = 1\nx = x + y"),
        ("x: int = 1", "x = 1"),
        ("import numpy as n\nn.exp(1)", "import numpy\nnp.exp(1)"),
        ("from math import tau as t\nt", "from math import tau\ntau"),
        ("def helper(a):\n    return a", "def other(b: int) -> int:\n    return b"),
    ],
)
def test_ways_to_write_the_same_have_the_same_pieces(one, other):
    assert code(one) == code(other)


def test_chosen_names_and_prose_are_pieces_of_their_own():
    text = "rate = 1\nx = 2  # Halve it, then double!\ntheta = 3"
    pieces = {piece for piece in fingerprints([text], GIVEN) if not piece.startswith("code:")}
    assert pieces == {"name:rate", "text:halve it then double"}


UNREADABLE = {
    "unfinished": PLAIN.replace("(theta)", "((theta)"),
    "null": "x = 1\0",
    "magic": "%matplotlib inline\nx = 1",
    "deep": "(" * 9000,
    "many signs": "-" * 15000 + "1",
    "surrogate": "x = '\ud800'",
    "long": "x = 1\n" * LIMIT,
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_any_text_can_be_compared(text):
    assert code(text)


def test_an_unfinished_answer_still_resembles_the_finished_one():
    shared = code(UNREADABLE["unfinished"]) & code(PLAIN)
    assert len(shared) > 0.6 * len(code(PLAIN))


# --- who shares what ---

KNOWN = [
    code(f"def rule(theta, grad, lr):\n    step = lr * {change}\n    return theta - step")
    for change in ("grad", "grad ** 2", "np.sqrt(grad)", "abs(grad)", "grad / 2", "(grad + theta)")
]
COMMON = "def rule(theta, grad, lr):\n    step = lr * grad\n    return theta - step"
RARE = """
def rule(theta, grad, lr):
    odd = np.cumsum(grad[::-1], axis=0)[::-1] * 0.731
    even = np.where(odd > 17, np.tanh(odd), theta % 3)
    parts = [a * b - 5 for a, b in zip(odd, even)]
    return np.asarray(parts).reshape(theta.shape) @ even
"""


def groups(answers, known=KNOWN):
    prints = {student: fingerprints([text], GIVEN) for student, text in answers.items()}
    return [group.students for group in find_alike(prints, known).groups]


def class_of(size, **answers):
    return {f"s{number:03}": COMMON for number in range(size)} | answers


COPIES = {
    "as it is": RARE,
    "renamed": RARE.replace("odd", "u").replace("even", "w").replace("parts", "out"),
    "commented": RARE.replace("    even", "    # now comes the even part\n    even"),
    "with a line more": RARE.replace("    even", "    theta = theta + 0\n    even"),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("size", [0, 10, 300])
def test_two_who_share_rare_code_are_reported_and_nobody_else(copy, size):
    assert groups(class_of(size, ann=RARE, bob=copy)) == [("ann", "bob")]


def test_who_copied_from_the_same_student_are_one_group():
    copies = dict(zip("bcd", COPIES.values(), strict=False))
    assert groups(class_of(30, a=RARE, **copies)) == [("a", "b", "c", "d")]


def test_common_code_is_no_reason_to_look_however_equal():
    assert groups(class_of(40)) == []


def test_code_that_the_course_knows_is_one_choice():
    """Two of fifty take a long way that a known variant takes as well."""
    twice = class_of(50, ann=RARE, bob=COPIES["renamed"])
    assert groups(twice, [*KNOWN, code(RARE)]) == []


def test_a_popular_way_is_one_choice():
    """Everyone in a twentieth of the class writes the same long answer."""
    many = {f"m{number}": RARE for number in range(6)}
    assert groups(class_of(90, **many)) == []
    few = dict(list(many.items())[:4])
    assert groups(class_of(90, **few)) == [tuple(few)]


def test_a_shared_comment_brings_together_what_the_code_alone_does_not():
    said = "\n".join(f"    # remark number {n} {'again ' * n}" for n in range(4))
    one = COMMON.replace("lr):", f"lr):\n{said}").replace("lr * grad", "lr * grad + 0 * theta[0]")
    other = COMMON.replace("lr):", f"lr):\n{said}").replace("lr * grad", "np.multiply(lr, grad)")
    assert groups(class_of(40, ann=one, bob=other)) == [("ann", "bob")]
    silent = {"ann": one.replace(said, ""), "bob": other.replace(said, "")}
    assert groups(class_of(40, **silent)) == []


def test_a_short_piece_inside_rare_code_is_no_copy():
    part = "\n".join([*RARE.splitlines()[:3], "    return theta + lr * np.sign(grad) ** 3 - 0.1"])
    assert groups(class_of(30, ann=RARE, bob=part)) == []


@pytest.mark.parametrize("answers", [{}, {"ann": RARE}, {"ann": RARE, "bob": ""}])
def test_there_is_nothing_to_compare_with_fewer_than_two_answers(answers):
    assert groups(answers) == []


def test_of_more_pairs_more_must_be_shared():
    few, many = (
        find_alike({s: fingerprints([t], GIVEN) for s, t in class_of(n).items()}, KNOWN)
        for n in (10, 1000)
    )
    assert many.threshold > few.threshold + 10


# --- the reference ---

EXERCISES = {exercise.name: exercise for unit in units() for exercise in unit.exercises}


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_no_two_of_the_courses_own_variants_are_reported(exercise):
    answers = {str(number): known for number, known in enumerate(known_answers(exercise))}
    assert find_alike(answers, known_answers(exercise)).groups == ()


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_honest_and_the_mistaken_are_not_called_the_reference(exercise):
    for variant in (*exercise.honest, *(mistake.variant for mistake in exercise.mistakes)):
        share = pasted_reference(exercise, answer_text(variant, exercise.name))
        assert share < PASTED, variant.__name__


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_a_pasted_reference_is_recognised_whole_or_nothing_is_claimed(exercise):
    share = pasted_reference(exercise, inspect.getsource(inspect.unwrap(exercise.reference)))
    assert share == 0 or share > 0.99


@pytest.mark.parametrize("exercise", find_unit("03_optimizers").exercises, ids=lambda e: e.name)
def test_a_pasted_reference_with_the_courses_machinery_is_recognised(exercise):
    source = inspect.getsource(inspect.unwrap(exercise.reference))
    assert pasted_reference(exercise, f"import numpy as np\n\n{source}") > 0.99
    assert pasted_reference(exercise, "") == 0


@pytest.mark.parametrize("name", ["momentum", "nesterov", "adagrad", "rmsprop", "adam"])
def test_a_bare_formula_that_anyone_may_write_is_not_called_the_reference(name):
    text = inspect.getsource(inspect.unwrap(EXERCISES[name].reference))
    text = re.sub(r'r?""".*?"""', "", text, flags=re.DOTALL).replace("@update_rule\n", "")
    text = re.sub(r"xp = .*\n", "\n", text).replace("xp.", "np.")
    assert pasted_reference(EXERCISES[name], text) < PASTED


@pytest.mark.parametrize("name", ["nadam", "adamw"])
def test_a_reference_with_code_of_its_own_is_recognised_without_its_text(name):
    text = inspect.getsource(inspect.unwrap(EXERCISES[name].reference))
    text = re.sub(r'r?""".*?"""', "", text, flags=re.DOTALL).replace("@update_rule\n", "")
    text = re.sub(r"\bs_hat\b", "corrected", text).replace("xp.", "np.")
    assert pasted_reference(EXERCISES[name], text) >= PASTED


def test_a_solution_at_hand_is_recognised_like_a_reference():
    solution = RARE.replace("rule", "momentum")
    exercise = EXERCISES["momentum"]
    assert pasted_reference(exercise, solution) < PASTED
    assert pasted_reference(exercise, solution, solution) > 0.99


# --- the class folder ---

ODD = """
def momentum(theta, grad, state=None, *, lr, momentum=0.9):
    # </pre><script>alert(1)</script> my very own remark \u202e
    fudge = 1.000731
    kept = dict(state) if state else dict(u=theta * 0)
    moved = kept.pop("u") * momentum * fudge - np.multiply(lr, grad) / fudge ** 2
    return np.add(theta, moved), dict(u=moved)
"""
HOSTILE = "<b>mallory"


def hand_in(klass, unit, student, content):
    """Write what grading leaves of a submission, without its long way."""
    notebook, _ = rebuild(content, read_notebook(klass.require_release(unit)))
    notebook.metadata[METADATA_KEY] = {"problems": []}
    write_atomically(klass.autograded(unit, student), as_bytes(notebook))


def with_answer(content, answer, *, extra=None):
    notebook = json.loads(content)
    place = next(
        index
        for index, cell in enumerate(notebook["cells"])
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "momentum"
    )
    notebook["cells"][place]["source"] = answer
    if extra:
        cell = {"cell_type": "code", "source": extra, "metadata": {}, "outputs": []}
        notebook["cells"].insert(place, cell | {"execution_count": None})
    return json.dumps(notebook).encode()


@pytest.fixture
def handed_in(klass, unit):
    samples = sample_class(unit, read_notebook(klass.require_release(unit)), 12)
    whole = next(s.content for s in samples if s.student == "all-right")
    blank = next(s.content for s in samples if s.student == "blank")
    for number in range(4):
        hand_in(klass, unit, f"student-{number}", whole)
    hand_in(klass, unit, "blank", blank)
    hand_in(klass, unit, HOSTILE, with_answer(whole, ODD))
    hand_in(klass, unit, "nancy", with_answer(whole, ODD.replace("moved", "walked")))
    source = inspect.getsource(inspect.unwrap(EXERCISES["momentum"].reference))
    hand_in(klass, unit, "paul", with_answer(whole, source))
    return klass


def by_exercise(klass, unit, console):
    data = json.loads(json.dumps(as_data(compare(klass, unit, console))))
    assert data["unit"] == unit.key
    return {row["exercise"]: row for row in data["exercises"]}


def test_a_class_is_compared_exercise_by_exercise(handed_in, unit, console):
    found = by_exercise(handed_in, unit, console)
    assert list(found) == [exercise.name for exercise in unit.exercises]
    assert [group["students"] for group in found["momentum"]["groups"]] == [[HOSTILE, "nancy"]]
    assert [row["student"] for row in found["momentum"]["pasted_reference"]] == ["paul"]
    assert found["momentum"]["compared"] == 7
    others = [row for name, row in found.items() if name != "momentum"]
    assert [row["groups"] for row in others] == [[]] * len(others)
    assert [row["pasted_reference"] for row in others] == [[]] * len(others)


def test_cells_that_a_student_added_count_with_the_exercise_below_them(handed_in, unit, console):
    whole = sample_class(unit, read_notebook(handed_in.require_release(unit)), 1)[0].content
    called = ODD.replace("def momentum", "def helper")
    for student, other in {"olga": "helper", "peter": "assist"}.items():
        answer = f"momentum = {other}"
        extra = called.replace("helper", other)
        hand_in(handed_in, unit, student, with_answer(whole, answer, extra=extra))
    groups = by_exercise(handed_in, unit, console)["momentum"]["groups"]
    assert {"olga", "peter"} <= set(groups[0]["students"])


def test_released_text_is_not_counted(klass, unit):
    sheet = read_sheet(unit, klass.require_release(unit))
    odd = "return 5 // 7"
    for exercise in unit.exercises:
        stub = sheet.released[exercise.name]
        assert stub
        assert sheet.own(exercise, stub) == frozenset()
        worked = tuple(cell.replace("raise NotImplementedError()", odd) for cell in stub)
        pieces = sheet.own(exercise, worked)
        assert pieces == fingerprints([odd], given_by(exercise.reference))


def test_who_stands_out_together_in_several_exercises_comes_first(klass, unit, console):
    samples = sample_class(unit, read_notebook(klass.require_release(unit)), 1)
    for number in range(4):
        hand_in(klass, unit, f"student-{number}", samples[0].content)
    odd = json.loads(with_answer(samples[0].content, ODD))
    nesterov = next(cell for cell in odd["cells"] if cell["id"] == "nesterov")
    nesterov["source"] = ODD.replace("def momentum", "def nesterov").replace("fudge", "trick")
    for student in ("ann", "bob"):
        hand_in(klass, unit, student, json.dumps(odd).encode())
    found = compare(klass, unit, console)
    assert found.together() == [(("ann", "bob"), ["momentum", "nesterov"])]


def renamed(content, name, exercises):
    """Return a submission in which these exercises' answers say one thing of their own."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if cell.get("id") in exercises:
            text = "".join(cell["source"])
            cell["source"] = text.replace("\n    return", f"\n    {name} = 0\n    return", 1)
    return json.dumps(notebook).encode()


def test_submissions_that_are_the_same_throughout_are_listed_however_common_each_answer_is(
    klass, unit, console
):
    whole = sample_class(unit, read_notebook(klass.require_release(unit)), 1)[0].content
    names = [exercise.name for exercise in unit.exercises]
    for number in range(20):
        hand_in(klass, unit, f"s{number:02}", whole)
        hand_in(klass, unit, f"t{number:02}", renamed(whole, f"spare_{number}", names))
    assert compare(klass, unit, console).identical == ()
    for student in ("ann", HOSTILE):
        hand_in(klass, unit, student, renamed(whole, "spare", names))
    found = compare(klass, unit, console)
    assert found.identical == ((HOSTILE, "ann"),)
    assert not any(compared.alike.groups for compared in found.exercises)
    assert as_data(found)["identical"] == [[HOSTILE, "ann"]]
    (page,) = similarity(klass, [unit], console)
    assert f"{HOSTILE}, ann" in Page(page.read_text(encoding="utf-8")).words


def test_the_same_in_one_exercise_only_makes_no_twins(klass, unit, console):
    whole = sample_class(unit, read_notebook(klass.require_release(unit)), 1)[0].content
    for number in range(20):
        hand_in(klass, unit, f"s{number:02}", whole)
    for student in ("ann", "bob"):
        hand_in(klass, unit, student, renamed(whole, "spare", ["adam"]))
    assert compare(klass, unit, console).identical == ()


def test_the_page_is_whole_and_shows_hostile_code_as_text(handed_in, unit, console):
    (page,) = similarity(handed_in, [unit], console)
    assert page == handed_in.root / "reports" / f"{unit.key}-similarity.html"
    data = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert data == as_data(compare(handed_in, unit, console))
    html = page.read_text(encoding="utf-8")
    shown = Page(html)
    assert shown.errors == []
    assert {"script", "b>mallory", "link"}.isdisjoint(tag for tag, _ in shown.tags)
    assert not any({"src", "href"} & attributes.keys() for _, attributes in shown.tags)
    assert "\u202e" not in html
    for words in (
        "alert(1)",
        HOSTILE,
        "nancy",
        "paul: 100 %",
        "never a verdict",
        "fudge = 1.000731",
    ):
        assert words in shown.words


def test_marked_lines_are_those_that_both_have(handed_in, unit, console):
    (page,) = similarity(handed_in, [unit], console)
    marked = re.findall(r'<span class="shared">(.*?)\n</span>', page.read_text(encoding="utf-8"))
    assert sum("fudge = 1.000731" in line for line in marked) == 2
    assert sum("walked = " in line for line in marked) == 1
    assert not any("One step of gradient descent" in line for line in marked)


def test_a_unit_that_is_not_graded_has_no_page(klass, unit, console):
    with pytest.raises(GraderError, match="Nothing of 03_optimizers is graded yet"):
        similarity(klass, [unit], console)
    assert not (klass.root / "reports").exists()


def test_a_notebook_that_grading_did_not_write_is_not_compared(handed_in, unit, console):
    place = handed_in.autograded(unit, "student-0")
    for content in (b"", b"{", b'{"cells": [], "metadata": {}}'):
        place.write_bytes(content)
        assert by_exercise(handed_in, unit, console)["momentum"]["compared"] == 6
