"""Penalties in the gradebook: they follow dates and points, and need no new grading."""

import datetime
from datetime import timedelta

import pytest

from grader.class_folder import open_class
from grader.collecting.collected import write_facts
from grader.errors import GraderError
from grader.late import late, late_lines
from grader.results import read_results
from grader.stock import open_gradebook
from platforms import grade_without_running, points_of

DUE = datetime.datetime(2026, 11, 20, 22, 59, tzinfo=datetime.UTC)
DATES = """
[late]
grace_minutes = 15
per_day = 10
max_days = 3
[units.03_optimizers]
due = 2026-11-20T23:59:00+01:00
"""
LATE = {"ada": timedelta(hours=-1), "bob": timedelta(hours=5), "cy": timedelta(days=4), "dot": None}


def with_dates(klass, text=DATES):
    path = klass.root / "class.toml"
    base = path.read_text().split("\n[late]")[0]
    path.write_text(base + text)
    return open_class(klass.root)


@pytest.fixture
def graded(klass, unit):
    for student, length in LATE.items():
        folder = klass.submitted(unit, student)
        folder.mkdir(parents=True)
        if length is not None:
            (folder / "timestamp.txt").write_text(f"{DUE + length:%Y-%m-%d %H:%M:%S} UTC\n")
    grade_without_running(klass, unit, LATE, share=0.5)
    return klass


def state(klass, unit):
    """Return due date, and by student time, extension, penalty and points, as nbgrader has them."""
    with open_gradebook(klass.gradebook_url) as book:
        assignment = book.find_assignment(unit.key)
        rows = {
            s.student.id: (s.timestamp, s.extension, s.late_submission_penalty, s.score)
            for s in assignment.submissions
        }
        return assignment.duedate, rows


def penalties(klass, unit):
    return {student: row[2] for student, row in state(klass, unit)[1].items()}


def test_penalties_stand_in_the_gradebook(graded, unit):
    klass = with_dates(graded)
    found = {entry.student: entry for entry in late(klass, [unit])[unit.key]}
    tests, essay = points_of(klass, unit)
    due, rows = state(klass, unit)
    assert due == DUE.replace(tzinfo=None)
    assert penalties(klass, unit) == {
        "ada": 0,
        "bob": pytest.approx((tests + essay) / 10),
        "cy": tests / 2,
        "dot": 0,
    }
    assert {s: e.penalty for s, e in found.items()} == pytest.approx(penalties(klass, unit))
    assert found["dot"].is_unknown
    assert found["bob"].late_by == timedelta(hours=5)
    assert rows["dot"][0] is None
    assert late(klass, [unit])[unit.key] == list(found.values())
    assert state(klass, unit) == (due, rows)


def test_a_penalty_is_in_the_results_and_outlives_a_new_grading(graded, unit):
    klass = with_dates(graded)
    late(klass, [unit])
    grade_without_running(klass, unit, ["bob"], share=1.0)
    late(klass, [unit])
    tests, essay = points_of(klass, unit)
    bob = next(r for r in read_results(klass, unit).students if r.student == "bob")
    assert (bob.total, bob.final) == (tests, pytest.approx(tests - (tests + essay) / 10))


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (DATES.replace("11-20T", "11-19T"), {"bob": "two days", "ada": "one day"}),
        (DATES.replace("11-20T", "11-29T"), {"bob": 0, "cy": 0}),
        (DATES + "[extensions.cy]\n03_optimizers = 2026-11-25T00:00:00Z\n", {"cy": 0}),
        (DATES.replace("grace_minutes = 15", "grace_minutes = 301"), {"bob": 0}),
        (DATES[DATES.index("[units") :], {"bob": 0, "cy": 0}),
        ("", {"bob": 0, "cy": 0}),
    ],
)
def test_new_dates_change_penalties_without_grading(graded, unit, text, changed):
    late(with_dates(graded), [unit])
    before = penalties(graded, unit)
    notebooks = {p: p.stat().st_mtime_ns for p in graded.root.glob("autograded/*/*/*.ipynb")}
    late(with_dates(graded, text), [unit])
    day = sum(points_of(graded, unit)) / 10
    numbers = {"one day": day, "two days": 2 * day}
    wanted = before | {student: numbers.get(cost, cost) for student, cost in changed.items()}
    assert penalties(graded, unit) == pytest.approx(wanted)
    assert {p: p.stat().st_mtime_ns for p in notebooks} == notebooks


def test_an_extension_is_nbgrader_s_own(graded, unit):
    extended = "[extensions.cy]\n03_optimizers = 2026-11-24T22:59:00Z\n"
    late(with_dates(graded, DATES + extended), [unit])
    assert {s: row[1] for s, row in state(graded, unit)[1].items()} == {
        "ada": None,
        "bob": None,
        "cy": timedelta(days=4),
        "dot": None,
    }
    late(with_dates(graded), [unit])
    assert state(graded, unit)[1]["cy"][1] is None


def test_an_extension_of_nobody_is_said(graded, unit):
    klass = with_dates(graded, DATES + "[extensions.cyy]\n03_optimizers = 2026-11-24T22:59:00Z\n")
    lines = late_lines(unit, klass.schedule, late(klass, [unit])[unit.key], {})
    assert "With an extension, and nothing graded (are the names right?): cyy." in lines


def test_a_time_written_later_counts(graded, unit):
    klass = with_dates(graded)
    late(klass, [unit])
    (klass.submitted(unit, "dot") / "timestamp.txt").write_text("2026-11-21 05:00:00 UTC")
    late(klass, [unit])
    assert penalties(klass, unit)["dot"] > 0


def test_points_given_by_hand_later_are_taken_too(graded, unit):
    klass = with_dates(graded)
    late(klass, [unit])
    grade_without_running(klass, unit, ["cy"], share=0.5, essay=2.0)
    late(klass, [unit])
    assert penalties(klass, unit)["cy"] == points_of(klass, unit)[0] / 2 + 2


def test_dates_that_a_person_gave_in_formgrader_stay(graded, unit):
    with open_gradebook(graded.gradebook_url) as book:
        book.find_assignment(unit.key).duedate = datetime.datetime(2026, 1, 1)
        book.db.commit()
    late(graded, [unit])
    assert state(graded, unit)[0] == datetime.datetime(2026, 1, 1)
    assert set(penalties(graded, unit).values()) == {0}


def test_who_is_late_reads_well(graded, unit):
    klass = with_dates(graded)
    names = {"bob": "Bob B."}
    write_facts(klass, unit, {"dot": {"late": True}, "ada": {"late": True}})
    lines = late_lines(unit, klass.schedule, late(klass, [unit])[unit.key], names)
    cost = sum(points_of(klass, unit)) / 10
    assert lines == [
        "03_optimizers: due 2026-11-20 23:59 +0100; 4 submissions.",
        "  ada: late by the platform's mark, and in time by its own date",
        f"  Bob B. (bob): 5:00 h late, -{cost:g} points",
        f"  cy: 4 days 0:00 h late, -{points_of(klass, unit)[0] / 2:g} points",
        "  dot: late by the platform's mark, nobody knows how much; no penalty",
        "1 without a timestamp.txt count as in time: dot.",
    ]


def test_who_earned_nothing_has_nothing_to_lose(graded, unit):
    grade_without_running(graded, unit, ["bob"], share=0.0)

    def bob(text):
        klass = with_dates(graded, text)
        lines = late_lines(unit, klass.schedule, late(klass, [unit])[unit.key], {})
        return next(line for line in lines if "bob" in line)

    assert bob(DATES) == "  bob: 5:00 h late, nothing to take off"
    assert bob(DATES.replace("grace_minutes = 15", "grace_minutes = 301")).endswith("no penalty")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "03_optimizers has no due date: class.toml has no [units.03_optimizers]"),
        (DATES[DATES.index("[units") :], "Lateness costs nothing: class.toml has no [late]."),
    ],
)
def test_a_missing_policy_is_said(graded, unit, text, said):
    klass = with_dates(graded, text)
    lines = late_lines(unit, klass.schedule, late(klass, [unit])[unit.key], {})
    assert any(line.startswith(said) for line in lines)


def test_a_unit_without_a_release_is_no_traceback(graded, unit):
    with open_gradebook(graded.gradebook_url) as book:
        for student in LATE:
            book.remove_submission(unit.key, student)
        book.remove_assignment(unit.key)
    with pytest.raises(GraderError, match="Nothing of 03_optimizers is graded yet"):
        late(graded, [unit])
