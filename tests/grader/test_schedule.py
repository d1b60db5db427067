"""Due dates, extensions and what lateness costs: read strictly, computed plainly."""

import datetime
import tomllib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.schedule import Policy, penalty, read_schedule

DUE = datetime.datetime(2026, 11, 20, 22, 59, tzinfo=datetime.UTC)
POLICY = Policy(grace=timedelta(minutes=15), per_day=10, max_days=3)
GOOD = """
timezone = "Europe/Berlin"
[late]
grace_minutes = 15
per_day = 10
max_days = 3
[units.optimizers]
due = 2026-11-20T23:59:00+01:00
[extensions.ada]
03_optimizers = 2026-11-22T22:59:00Z
"""


@pytest.mark.parametrize(
    ("late", "points", "cost"),
    [
        (timedelta(hours=-1), 30, 0),
        (timedelta(), 30, 0),
        (timedelta(minutes=15), 30, 0),
        (timedelta(minutes=15, seconds=1), 30, 4),
        (timedelta(days=1), 30, 4),
        (timedelta(days=1, seconds=1), 30, 8),
        (timedelta(days=3), 30, 12),
        (timedelta(days=3), 7, 7),
        (timedelta(days=3, seconds=1), 30, 30),
        (timedelta(days=300), 30, 30),
        (timedelta(days=300), 0, 0),
    ],
)
def test_what_a_day_costs(late, points, cost):
    assert penalty(points, 40, DUE + late, DUE, POLICY) == cost


def test_other_time_zones_are_the_same_moment():
    tokyo = datetime.timezone(timedelta(hours=9))
    late = (DUE + timedelta(hours=2)).astimezone(tokyo)
    assert penalty(30, 40, late, DUE, POLICY) == penalty(
        30, 40, DUE + timedelta(hours=2), DUE, POLICY
    )


@pytest.mark.parametrize(
    ("submitted", "due", "policy"),
    [(None, DUE, POLICY), (DUE + timedelta(9), None, POLICY), (DUE + timedelta(9), DUE, None)],
)
def test_what_is_not_known_costs_nothing(submitted, due, policy):
    assert penalty(30, 40, submitted, due, policy) == 0


def test_without_a_last_day_the_percents_go_on():
    policy = Policy(per_day=10)
    assert penalty(40, 40, DUE + timedelta(days=9), DUE, policy) == 36
    assert penalty(40, 40, DUE + timedelta(days=11), DUE, policy) == 40


@given(
    st.floats(0, 40),
    st.integers(-100_000, 1_000_000),
    st.integers(0, 500_000),
    st.builds(
        Policy,
        st.timedeltas(timedelta(), timedelta(days=2)),
        st.floats(0, 100),
        st.none() | st.integers(0, 10),
    ),
)
def test_later_never_costs_less_nor_more_than_was_earned(points, seconds, more, policy):
    costs = [
        penalty(points, 40, DUE + timedelta(seconds=s), DUE, policy)
        for s in (seconds, seconds + more)
    ]
    assert 0 <= costs[0] <= costs[1] <= points


def test_a_schedule_is_read():
    schedule = read_schedule(tomllib.loads(GOOD))
    assert schedule.due_for("03_optimizers", "grace") == DUE
    assert schedule.due_for("03_optimizers", "ada") == DUE + timedelta(days=2)
    assert schedule.due_for("04_other", "ada") is None
    assert schedule.policy_for("03_optimizers") == POLICY
    assert DUE.astimezone(schedule.zone).utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    ("line", "policy"),
    [
        ('late = "none"', None),
        ("late = {per_day = 50}", Policy(per_day=50)),
    ],
)
def test_a_unit_may_have_its_own_policy(line, policy):
    text = GOOD.replace("+01:00\n", f"+01:00\n{line}\n")
    assert read_schedule(tomllib.loads(text)).policy_for("03_optimizers") == policy


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("23:59:00+01:00", "23:59:00", "units.03_optimizers.due is .* without a time zone"),
        ("2026-11-20T23:59:00+01:00", "2026-11-20", "not a date with a time"),
        ("2026-11-20T23:59:00+01:00", '"friday"', "is friday, not a date with a time"),
        ("units.optimizers", "units.optimisers", "no unit is called 'optimisers'"),
        ("due =", "deadline =", "units.03_optimizers has deadline; known are due, late"),
        ("due = 2026-11-20T23:59:00+01:00", "", "and units.03_optimizers has no due date"),
        ("22:59:00Z", "22:59:00", "extensions.ada.03_optimizers is .* without a time zone"),
        ("per_day = 10", "per_day = 110", "late.per_day is 110, not between 0 and 100"),
        ("per_day = 10", "per_day = -1", "late.per_day is -1, not between"),
        ("per_day = 10", 'per_day = "10 %"', "late.per_day is '10 %', not a number"),
        ("per_day = 10", "percent = 10", "late has percent; known are grace_minutes, max_days"),
        ("max_days = 3", "max_days = 1.5", "late.max_days is 1.5, not a whole number"),
        ("grace_minutes = 15", "grace_minutes = true", "late.grace_minutes is True, not a number"),
        ("Europe/Berlin", "Berlin", "timezone is 'Berlin', no name like"),
        ("[extensions.ada]", "[extensions]", "extensions must be a table of tables"),
        ("[late]\n", "late = 10\n[other]\n", 'late is 10; it must be "none" or a table'),
    ],
)
def test_a_mistake_in_the_schedule_is_named(old, new, said):
    assert old in GOOD
    with pytest.raises(ValueError, match=said):
        read_schedule(tomllib.loads(GOOD.replace(old, new)))
