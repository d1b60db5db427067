"""When a unit is due, who has longer, and what lateness costs: read from ``class.toml``."""

from __future__ import annotations

import datetime
import math
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from course.exercises import find_unit

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Policy:
    """What a late submission costs.

    Attributes:
        grace: how late is still in time.
        per_day: the percentage of the unit's maximum that each day begun costs.
        max_days: after so many days nothing is earned; None for no such limit.
    """

    grace: datetime.timedelta = datetime.timedelta()
    per_day: float = 0.0
    max_days: int | None = None


@dataclass(frozen=True)
class Schedule:
    """The dates and policies of a class.

    Attributes:
        due: by the unit's key, when it is due.
        extensions: by student and the unit's key, when it is due for that student.
        policies: by the unit's key, what lateness costs where it is not the class's policy.
        policy: the class's policy; None if lateness costs nothing.
        zone: the time zone of times that name none, as in a grading worksheet.
    """

    due: Mapping[str, datetime.datetime] = field(default_factory=dict)
    extensions: Mapping[tuple[str, str], datetime.datetime] = field(default_factory=dict)
    policies: Mapping[str, Policy | None] = field(default_factory=dict)
    policy: Policy | None = None
    zone: datetime.tzinfo | None = None

    def due_for(self, unit_key: str, student: str) -> datetime.datetime | None:
        """Return when a unit is due for a student; None if it is never due."""
        return self.extensions.get((student, unit_key), self.due.get(unit_key))

    def policy_for(self, unit_key: str) -> Policy | None:
        """Return what lateness costs in a unit."""
        return self.policies.get(unit_key, self.policy)


def penalty(
    points: float,
    max_points: float,
    submitted: datetime.datetime | None,
    due: datetime.datetime | None,
    policy: Policy | None,
) -> float:
    """Return the points that lateness costs: never more than were earned.

    Args:
        points: the points earned.
        max_points: the unit's maximum, of which the policy takes percents.
        submitted: when it was handed in; None if that is not known.
        due: when it was due; None if never.
        policy: what lateness costs; None for nothing.
    """
    if submitted is None or due is None or policy is None or submitted - due <= policy.grace:
        return 0.0
    days = math.ceil((submitted - due) / DAY)
    if policy.max_days is not None and days > policy.max_days:
        return points
    return min(points, round(days * policy.per_day / 100 * max_points, 4))


def read_schedule(written: Mapping[str, Any]) -> Schedule:
    """Return the schedule in the tables of a ``class.toml``.

    Raises:
        ValueError: a date, a policy or a unit's name is none; the text says which.
    """
    tables = {_key(name): table for name, table in _table(written, "units").items()}
    due = {
        key: _time(table["due"], f"units.{key}.due")
        for key, table in tables.items()
        if "due" in table
    }
    for key, table in tables.items():
        _refuse_others(table, {"due", "late"}, f"units.{key}")
    policies = {
        key: _policy(table["late"], f"units.{key}.late")
        for key, table in tables.items()
        if "late" in table
    }
    extensions = {
        (student, _key(name)): _time(time, f"extensions.{student}.{name}")
        for student, dates in _table(written, "extensions").items()
        for name, time in dates.items()
    }
    for student, key in extensions:
        if key not in due:
            raise ValueError(f"extensions.{student} names {key}, and units.{key} has no due date")
    policy = _policy(written["late"], "late") if "late" in written else None
    return Schedule(due, extensions, policies, policy, _zone(written.get("timezone")))


def _key(name: str) -> str:
    try:
        return find_unit(name).key
    except LookupError as error:
        raise ValueError(str(error.args[0]).rstrip(".?")) from None


def _table(written: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    table = written.get(name, {})
    if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
        raise ValueError(f"{name} must be a table of tables, as in [{name}.NAME]")
    return table


def _time(value: object, name: str) -> datetime.datetime:
    if not isinstance(value, datetime.datetime):
        raise ValueError(f"{name} is {value}, not a date with a time as 2026-11-20T23:59:00+01:00")
    if value.tzinfo is None:
        raise ValueError(f"{name} is {value} without a time zone; add one, as +01:00 or Z")
    return value


def _policy(value: object, name: str) -> Policy | None:
    if value == "none":
        return None
    if not isinstance(value, dict):
        raise ValueError(f'{name} is {value!r}; it must be "none" or a table with per_day')
    _refuse_others(value, {"grace_minutes", "per_day", "max_days"}, name)
    days = value.get("max_days")
    if days is not None and not isinstance(days, int):
        raise ValueError(f"{name}.max_days is {days!r}, not a whole number")
    return Policy(
        datetime.timedelta(minutes=_number(value, "grace_minutes", name, 60 * 24 * 365)),
        _number(value, "per_day", name, 100),
        None if days is None else int(_number(value, "max_days", name, 365)),
    )


def _number(table: Mapping[str, Any], key: str, name: str, most: int) -> float:
    value = table.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name}.{key} is {value!r}, not a number")
    if not 0 <= value <= most:
        raise ValueError(f"{name}.{key} is {value}, not between 0 and {most}")
    return float(value)


def _refuse_others(table: Mapping[str, Any], known: set[str], name: str) -> None:
    others = sorted(set(table) - known)
    if others:
        raise ValueError(f"{name} has {others[0]}; known are {', '.join(sorted(known))}")


def _zone(name: object) -> datetime.tzinfo | None:
    if name is None:
        return None
    try:
        return zoneinfo.ZoneInfo(str(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone is {name!r}, no name like 'Europe/Berlin'") from None
