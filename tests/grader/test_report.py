"""The class report: what it counts, and that a name in it is only a name."""

import json

import pytest

from graded_class import give_by_hand, graded, hand_in_late, record, verdict_of
from grader.collecting.rosters import Student, write_students
from grader.feedback import feedback
from grader.report import as_data, grading_time, part_rates, render, status_counts, waiting
from grader.results import read_results
from nasty import HACK
from pages import Page

NASTY = f"<img src=x onerror={HACK}>"


@pytest.fixture(autouse=True)
def known(klass):
    """Two students have names, one of them a nasty one."""
    known = [Student("bob", "Bob B."), Student("eve", f"Eve {NASTY}")]
    write_students(klass, known)


@pytest.fixture
def results(klass, unit, console):
    """Two who are right, one with a mistake in adam, one with a nasty name and nothing right."""
    release = klass.require_release(unit)
    right = {e.name: verdict_of(e) for e in unit.exercises}
    adam = next(e for e in unit.exercises if e.name == "adam")
    wrong = right | {"adam": verdict_of(adam, adam.mistakes[0])}
    made = {
        "ada": graded(release, unit, right, seconds=1.0),
        "bob": graded(release, unit, right, seconds=2.0, not_tamper_resistant=["test_adam"]),
        "eve": graded(release, unit, wrong, seconds=6.0),
        NASTY: graded(release, unit, {}, problems=[NASTY]),
    }
    record(klass, unit, made)
    hand_in_late(klass, unit, "bob", 2, 3.0)
    give_by_hand(klass, unit, "ada", "in_your_own_words", 6.0)
    feedback(klass, [unit], console)
    return read_results(klass, unit)


def test_what_is_counted(results, unit):
    by_student = {result.student: result for result in results.students}
    assert by_student["ada"].total == by_student["ada"].final == 40
    assert (by_student["bob"].total, by_student["bob"].final) == (34, 31)
    assert by_student["bob"].late_by.total_seconds() == 7200
    assert [(q.title, count) for q, count in waiting(results)] == [("in your own words", 3)]
    assert {rate.earned for rate in part_rates(results) if rate.exercise == "adam"} == {2}
    assert status_counts(results)["adam"][0] == 2
    assert [q.title for q in results.not_tamper_resistant] == ["adam"]
    time = grading_time(results)
    assert (time.total, time.median, time.longest, time.slowest) == (10.0, 1.5, 6.0, "eve")


def test_the_page_says_it(results, klass, unit):
    words = Page(render(klass, results)).words
    adam = next(e for e in unit.exercises if e.name == "adam")
    assert adam.mistakes[0].name in words
    assert "In your own words: 3 answers wait for a person" in words
    assert "could have forged the points of adam" in words
    assert "the slowest was eve with 6 s" in words
    assert "Bob B. (bob)2 hours3" in words
    assert "bob Bob B.5" in words
    assert "1 late" in words


def test_a_name_in_the_page_is_only_a_name(results, klass):
    html = render(klass, results)
    page = Page(html)
    assert page.errors == []
    assert NASTY in "".join(page.text)
    assert f"eve Eve {NASTY}" in "".join(page.text)
    assert {"script", "iframe", "link"}.isdisjoint(tag for tag, _ in page.tags)
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert all((attrs.get("src") or "data:").startswith("data:") for _, attrs in page.tags)
    assert "default-src 'none'" in html
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert len(links) == len(results.students)
    assert all(link.startswith("../feedback/") for link in links)


def test_the_similarity_report_is_linked_where_there_is_one(results, klass, unit):
    name = f"{unit.key}-similarity.html"
    assert name not in render(klass, results)
    klass.report(unit).parent.mkdir(exist_ok=True)
    klass.report(unit).with_name(name).write_text("")
    assert f'href="{name}"' in render(klass, results)


def test_the_data_is_plain(results):
    data = json.loads(json.dumps(as_data(results)))
    bob = next(student for student in data["students"] if student["student"] == "bob")
    assert (bob["final"], bob["penalty"], bob["late_seconds"]) == (31, 3, 7200)
    assert data["waiting"] == {"in your own words": 3}
    assert data["statuses"]["adam"]["right"] == 2
    assert data["mistakes"][0]["count"] == 1
