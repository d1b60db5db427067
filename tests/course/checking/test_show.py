"""Every look of a verdict: whole HTML that nothing can get into, and legible on any page."""

import re

import pytest

from course.checking import judge
from course.checking.show import as_html, as_text, render
from course.checking.verdict import Failure, NamedMistake, PartResult, Verdict
from course.exercises import find_exercise
from pages import Page
from student import answer

MOMENTUM = find_exercise("momentum")
HEAD = "def momentum(theta, grad, state=None, *, lr, momentum=0.9):\n"
STEP = "    u = {} if state is None else state['u']\n    u = momentum * u - lr * grad\n"
FACES = {
    "not_attempted": "    raise NotImplementedError",
    "not_allowed": "    import torch",
    "crashed": "    return velocity",
    "wrong_type": "    return theta",
    "changed_inputs": STEP.format("0 * theta") + "    theta += u\n    return theta, {'u': u}",
    "wrong_value": "    return theta + lr * theta, {}",
    "partly_right": STEP.format("np.zeros(theta.shape)") + "    return theta + u, {'u': u}",
    "right": STEP.format("0 * theta") + "    return theta + u, {'u': u}",
}
TITLES = {
    "not_attempted": "○ Not attempted yet",
    "not_allowed": "✗ Not allowed here",
    "crashed": "✗ It crashed",
    "wrong_type": "✗ Wrong type or shape",
    "changed_inputs": "◐ Right values, but it changes its inputs",
    "wrong_value": "✗ Wrong value",
    "partly_right": "◐ Partly right",
    "right": "✓ Right",
}


def verdict(status):
    return judge(MOMENTUM, answer(HEAD + FACES[status]), 0)


def named():
    return judge(MOMENTUM, MOMENTUM.mistakes[0].variant, 0)


@pytest.mark.parametrize("status", FACES)
def test_every_status_has_its_look(status):
    found = verdict(status)
    data = found.as_dict()
    points = f"{found.points:g} of 5 points"
    assert found.status == status
    assert Page(as_html(data)).words.startswith(f"{TITLES[status]} momentum {points}")
    sign, title = TITLES[status].split(" ", 1)
    assert as_text(data).startswith(f"{sign} momentum: {title} ({points})")


@pytest.mark.parametrize("status", FACES)
def test_html_and_text_say_the_same(status):
    found = verdict(status)
    page, text = Page(as_html(found.as_dict())).words, " ".join(as_text(found.as_dict()).split())
    facts = [*found.notes]
    if found.failure:
        facts += [found.failure.case, found.failure.what, *found.failure.inputs.values()]
        facts += [found.failure.text[1:], found.failure.expected, found.failure.got]
    for fact in facts:
        assert " ".join(fact.split()) in page
        assert " ".join(fact.split()) in text
    assert ("[x] 0.5 changes nothing that it is given" in text) == any(
        part.name == "inputs" and part.earned for part in found.parts
    )


def test_a_named_mistake_comes_first():
    mistake = MOMENTUM.mistakes[0]
    page = Page(as_html(named().as_dict())).words
    assert f"The mistake: {mistake.name}. {mistake.sentence} First case that fails" in page
    text = as_text(named().as_dict())
    assert text.splitlines()[1:3] == [f"  Mistake: {mistake.name}", f"  {mistake.sentence}"]


@pytest.mark.parametrize("found", [*map(verdict, FACES), named()], ids=[*FACES, "named"])
def test_html_is_whole_and_needs_nothing_from_outside(found):
    page = Page(as_html(found.as_dict()))
    assert page.errors == []
    attributes = {name for _, given in page.tags for name in given}
    assert attributes <= {"style"}
    assert not re.search(r"url\(|@import|expression", as_html(found.as_dict()))


EVIL = '</pre></table><script>alert(\'&amp;"1")</script><img src=x onerror=y>{{ 7 * 7 }}'


def spoiled(**failure):
    return Verdict(
        EVIL,
        "wrong_value",
        (PartResult("p", EVIL, 1, earned=False, judged=True),),
        Failure(**{"kind": "wrong_value", "case": EVIL, "what": EVIL, "text": EVIL} | failure),
        NamedMistake(EVIL, EVIL),
        (EVIL,),
    )


@pytest.mark.parametrize(
    ("found", "times"),
    [
        (spoiled(inputs={EVIL: EVIL}, expected=EVIL, got=EVIL), 12),
        (spoiled(kind="crashed"), 8),
    ],
)
def test_nothing_that_is_shown_becomes_markup(found, times):
    page = Page(as_html(found.as_dict()))
    assert page.errors == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    text = "".join(page.text)
    assert text.count(EVIL) == times


def test_a_students_exception_cannot_write_into_the_page():
    line = "    raise ValueError('<script>alert(1)</script>')"
    html = as_html(judge(MOMENTUM, answer(HEAD + line), 0).as_dict())
    page = Page(html)
    assert "<script" not in html
    assert "ValueError: <script>alert(1)</script>" in page.words


def luminance(colour):
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("status", FACES)
def test_colours_are_legible_on_a_light_and_a_dark_page(status):
    """WCAG AA: letters 4.5 to 1 on their ground, signs 3 to 1 beside the page."""
    html = as_html(verdict(status).as_dict())
    (badge,) = re.findall(r"background:(#\w{6});color:(#\w{3,6})", html)
    ground, letters = badge[0], badge[1] if len(badge[1]) == 7 else "#" + 2 * badge[1][1:]
    (border,) = re.findall(r"border-left:5px solid (#\w{6})", html)
    assert contrast(letters, ground) >= 4.5
    for page in ("#ffffff", "#111111"):
        assert contrast(ground, page) >= 3
        assert contrast(border, page) >= 3
    assert len(re.findall(r"(?:background|color):", html)) == 2, "all other text is the page's own"


def test_points_are_short_numbers():
    parts = (
        PartResult("p", "part", 1.0, earned=True, judged=True),
        PartResult("q", "quarter", 0.25, earned=False, judged=True),
        PartResult("l", "last", 0.5, earned=False, judged=False),
    )
    text = as_text(Verdict("rule", "partly_right", parts).as_dict())
    assert text == (
        "◐ rule: Partly right (1 of 1.75 points)\n  [x] 1  part\n  [ ] 0.25  quarter\n"
        "  [-] 0.5  last (judged once a value is right)"
    )


def test_long_values_stay_aligned_in_text():
    failure = Failure(
        "wrong_value", "a case", "theta", "off", {"x": "[[1],\n [2]]"}, "[1,\n 2]", "[3,\n 4]"
    )
    text = as_text(Verdict("rule", "wrong_value", (), failure).as_dict())
    assert "    x = [[1],\n         [2]]\n" in text
    assert "    expected [1,\n              2]\n    got      [3,\n              4]" in text


def test_a_template_that_lacks_a_value_fails():
    with pytest.raises(Exception, match="'unit' is undefined"):
        render("mistakes.txt")
