"""Feedback pages: what a student is told, and what nobody may read or run there."""

import datetime
import sys

import pytest
from nbformat.v4 import new_output

from graded_class import comment_on, give_by_hand, graded, hand_in_late, record, verdict_of
from grader import feedback as module
from grader.collecting.rosters import Student, write_students
from grader.errors import GraderError
from grader.feedback import feedback, in_words
from nasty import HACK, MARKUP, OUTPUTS
from pages import Page


@pytest.fixture
def release(klass, unit):
    return klass.require_release(unit)


def verdicts(unit, **mistakes):
    """Right verdicts for all exercises but those whose mistake is given by its number."""
    return {
        e.name: verdict_of(e, e.mistakes[mistakes[e.name]] if e.name in mistakes else None)
        for e in unit.exercises
    }


def page_of(klass, unit, student):
    return klass.feedback(unit, student).read_text()


def test_a_page_says_what_was_found_and_why(klass, unit, release, console):
    mistake = next(e for e in unit.exercises if e.name == "adam").mistakes[0]
    answers = {"in_your_own_words": r"Because $\frac{a}{b} < 1$."}
    made = graded(
        release, unit, verdicts(unit, adam=0), answers=answers, problems=["A cell was moved."]
    )
    record(klass, unit, {"ada": made})
    comment_on(klass, unit, "ada", "in_your_own_words", "Why **not** more?")
    hand_in_late(klass, unit, "ada", 49.5, 3.0)
    feedback(klass, [unit], console)
    html = page_of(klass, unit, "ada")
    page = Page(html)
    assert page.errors == []
    points = sum(e.points for e in unit.exercises if e.name != "adam")
    assert f"{points - 3:g} of 40 points so far" in page.words
    assert f"✗ Wrong value : {mistake.name}" in page.words.replace("value:", "value :")
    assert " ".join(mistake.sentence.split()) in page.words
    assert "First case that fails: two steps" in page.words
    assert "About this submission A cell was moved." in page.words
    assert f"2 days 1 hour after the due date: 3 of the {points:g} points are" in page.words
    assert "in your own words: a person reads this" in page.words
    assert "Why not more?" in page.words
    assert "<mfrac><mi>a</mi><mi>b</mi></mfrac>" in html
    assert "\\frac" not in html


def test_a_page_runs_no_script_and_asks_for_nothing(klass, unit, release, console):
    record(klass, unit, {"ada": graded(release, unit, verdicts(unit))})
    feedback(klass, [unit], console)
    html = page_of(klass, unit, "ada")
    assert "default-src 'none'" in html
    tags = Page(html).tags
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    assert all((attrs.get("src") or "data:").startswith("data:") for _, attrs in tags)


def test_a_page_is_for_somebody_with_a_name(klass, unit, release, console):
    record(klass, unit, dict.fromkeys(["1003", "1004"], graded(release, unit, verdicts(unit))))
    feedback(klass, [unit], console)
    write_students(klass, [Student("1003", "Ada <b>Lovelace"), Student("1004", "Bob")])
    feedback(klass, [unit], console)
    page = page_of(klass, unit, "1003")
    assert "Feedback for Ada <b>Lovelace (1003)" in Page(page).words
    assert "Bob" not in page


def test_points_given_by_hand_are_shown(klass, unit, release, console):
    record(klass, unit, {"ada": graded(release, unit, verdicts(unit, adam=0))})
    give_by_hand(klass, unit, "ada", "test_adam", 2.5)
    give_by_hand(klass, unit, "ada", "in_your_own_words", 5.5)
    feedback(klass, [unit], console)
    words = Page(page_of(klass, unit, "ada")).words
    assert "2.5 of 6 points" in words
    assert "A person has changed the points" in words
    assert "so far" not in words


def test_an_answer_in_words_that_was_left_out_was_read_by_nobody(klass, unit, release, console):
    made = graded(release, unit, {}, answers={"in_your_own_words": "YOUR ANSWER HERE"})
    record(klass, unit, {"ada": made})
    give_by_hand(klass, unit, "ada", "in_your_own_words", 0)
    feedback(klass, [unit], console)
    words = Page(page_of(klass, unit, "ada")).words
    assert "in your own wordsNot answered0 of 6" in words
    assert "Read by a person" not in words


def test_what_a_check_let_the_answer_print_is_not_shown(klass, unit, release, console):
    silent = {n: v for n, v in verdicts(unit).items() if n != "adam"}
    told = {
        "test_adam": [
            new_output("stream", text="theta = 0.123456"),
            new_output("error", ename="ValueError", evalue="0.654321", traceback=["0.654321"]),
        ],
        "test_nadam": [new_output("error", ename="Stopped", evalue="after 3 s", traceback=[""])],
        "adam": [new_output("stream", text=f"in {sys.prefix}/lib and {klass.root}/class.toml")],
    }
    silent.pop("nadam")
    record(klass, unit, {"ada": graded(release, unit, silent, outputs=told)})
    feedback(klass, [unit], console)
    html = page_of(klass, unit, "ada")
    for hidden in ("0.123456", "0.654321", str(klass.root), sys.prefix):
        assert hidden not in html
    assert "in …/lib and …/class.toml" in html
    assert "Not judged: the code that it needs ended in ValueError." in html
    assert "Not judged: after 3 s." in html


def test_nothing_of_a_nasty_submission_acts(klass, unit, release, console):
    answers = {"in_your_own_words": "\n\n".join(MARKUP.values()), "adam": f"# <script>{HACK}"}
    made = graded(
        release,
        unit,
        {},
        answers=answers,
        outputs={"adam": list(OUTPUTS.values())},
        problems=[f"<script>{HACK}</script>"],
    )
    record(klass, unit, {f"<img src=x onerror={HACK}>": made})
    feedback(klass, [unit], console)
    (path,) = (klass.root / "feedback").rglob("*.html")
    for tag, attrs in Page(path.read_text()).tags:
        assert tag not in {"script", "iframe", "object", "embed", "svg", "form", "base", "link"}
        assert not [name for name in attrs if name.startswith("on")]
        assert not (attrs.get("href") or "").lower().startswith(("javascript", "data"))


def test_only_what_has_changed_is_written_again(klass, unit, release, console):
    record(klass, unit, {name: graded(release, unit, verdicts(unit)) for name in ("ada", "bob")})
    (pages,) = feedback(klass, [unit], console)
    assert (pages.written, pages.kept) == (2, 0)
    before = klass.feedback(unit, "ada").stat().st_mtime_ns
    comment_on(klass, unit, "bob", "adam", "Look again.")
    (pages,) = feedback(klass, [unit], console)
    assert (pages.written, pages.kept) == (1, 1)
    assert klass.feedback(unit, "ada").stat().st_mtime_ns == before
    assert "Look again." in page_of(klass, unit, "bob")
    klass.feedback(unit, "ada").write_text("<html>")
    record(klass, unit, {"bob": graded(release, unit, verdicts(unit, adam=0))})
    assert [(p.written, p.kept) for p in feedback(klass, [unit], console)] == [(2, 0)]
    assert [p.written for p in feedback(klass, [unit], console, force=True)] == [2]


def test_many_pages_are_made_by_workers(klass, unit, release, console, monkeypatch):
    monkeypatch.setattr(module, "FEW", 1)
    record(klass, unit, {name: graded(release, unit, verdicts(unit)) for name in ("ada", "bob")})
    (pages,) = feedback(klass, [unit], console, jobs=1)
    assert pages.written == 2
    assert "Feedback for bob" in Page(page_of(klass, unit, "bob")).words


def test_a_page_that_cannot_be_made_is_named_and_the_others_are_written(
    klass, unit, release, console
):
    record(klass, unit, {name: graded(release, unit, verdicts(unit)) for name in ("ada", "bob")})
    klass.autograded(unit, "ada").write_text("{")
    with pytest.raises(GraderError, match="could be made for ada"):
        feedback(klass, [unit], console)
    assert klass.feedback(unit, "bob").is_file()


def test_nothing_graded_is_said(klass, unit, console):
    with pytest.raises(GraderError, match="Nothing of 03_optimizers is graded"):
        feedback(klass, [unit], console)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, ""),
        (1, "1 minute"),
        (3600, "1 hour"),
        (3660, "1 hour 1 minute"),
        (86400 + 7200, "1 day 2 hours"),
        (3 * 86400 + 60, "3 days"),
    ],
)
def test_times_in_words(seconds, words):
    assert in_words(datetime.timedelta(seconds=seconds)) == words
