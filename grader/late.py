"""``grader late``: what lateness costs, written into the gradebook without grading again."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import func

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.collecting.collected import read_facts
from grader.collecting.rosters import called
from grader.gradebook import read_timestamp
from grader.results import nothing_graded
from grader.schedule import Schedule, penalty
from grader.stock import open_gradebook

UTC = datetime.UTC
MANY_NAMES = 20


@dataclass(frozen=True)
class Lateness:
    """When a student handed in, and what it costs.

    Attributes:
        student: the student's id.
        submitted: when it was handed in; None if that is not known.
        due: when it was due for this student; None if never.
        extended: whether the student has an extension.
        penalty: the points that lateness costs.
        has_nothing: whether it would cost some if there were any points to take off.
        marked_late: whether the learning platform said that it is late.
    """

    student: str
    submitted: datetime.datetime | None
    due: datetime.datetime | None
    extended: bool
    penalty: float
    has_nothing: bool
    marked_late: bool

    @property
    def late_by(self) -> datetime.timedelta:
        """How long after the due date it was handed in; zero if in time or not known."""
        if self.submitted is None or self.due is None:
            return datetime.timedelta()
        return max(self.submitted - self.due, datetime.timedelta())

    @property
    def is_unknown(self) -> bool:
        """Whether there is a due date, and nobody knows when it was handed in."""
        return self.due is not None and self.submitted is None

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "student": self.student,
            "submitted": self.submitted.isoformat() if self.submitted else None,
            "due": self.due.isoformat() if self.due else None,
            "extended": self.extended,
            "late_seconds": self.late_by.total_seconds(),
            "penalty": self.penalty,
            "marked_late": self.marked_late,
        }


def late(klass: ClassFolder, units: list[Unit]) -> dict[str, list[Lateness]]:
    """Bring the penalties of some units up to date, and return them by the unit's key.

    Raises:
        GraderError: a unit is not in the gradebook.
    """
    found = {}
    with open_gradebook(klass.gradebook_url) as gradebook:
        for unit in units:
            try:
                found[unit.key] = apply_late_policy(gradebook, klass, unit)
            except MissingEntry:
                raise nothing_graded(unit) from None
    return found


def apply_late_policy(gradebook: Gradebook, klass: ClassFolder, unit: Unit) -> list[Lateness]:
    """Write due date, extensions, times and penalties of a unit, and return who handed in when.

    It changes only what is not yet as it must be, and can be called at any time and any number of
    times: at the end of grading, and before grades are shown. A unit without a due date in
    ``class.toml`` keeps the dates that the gradebook has, and has no penalties.
    """
    assignment = gradebook.find_assignment(unit.key)
    due = klass.schedule.due.get(unit.key)
    if due is not None:
        _set(assignment, "duedate", _naive(due))
    policy = klass.schedule.policy_for(unit.key)
    marked = read_facts(klass, unit)
    points = _points(gradebook, assignment.id)
    found = []
    for submission, notebook in _submissions(gradebook, assignment.id):
        student = str(submission.student_id)
        stamp = read_timestamp(klass.submitted(unit, student))
        submitted = stamp.replace(tzinfo=UTC) if stamp else None
        own = klass.schedule.due_for(unit.key, student)
        earned, most = points.get(notebook.id, 0.0), assignment.max_score
        cost = penalty(earned, most, submitted, own, policy)
        has_nothing = not earned and penalty(most, most, submitted, own, policy) > 0
        _set(submission, "timestamp", stamp)
        if due is not None and own is not None:
            _set(submission, "extension", own - due if own != due else None)
        _set(notebook, "late_submission_penalty", cost or None)
        is_marked = bool(marked.get(student, {}).get("late"))
        found.append(Lateness(student, submitted, own, own != due, cost, has_nothing, is_marked))
    gradebook.db.commit()
    return sorted(found, key=lambda entry: entry.student)


def late_lines(
    unit: Unit, schedule: Schedule, found: list[Lateness], names: Mapping[str, str]
) -> list[str]:
    """Return, as lines to read, who was late in a unit and what it costs."""
    due = schedule.due.get(unit.key)
    if due is None:
        return [f"{unit.key} has no due date: class.toml has no [units.{unit.key}] with due = ..."]
    lines = [f"{unit.key}: due {due:%Y-%m-%d %H:%M %z}; {len(found)} submissions."]
    if schedule.policy_for(unit.key) is None:
        lines.append("Lateness costs nothing: class.toml has no [late].")
    lines += [
        f"  {called(entry.student, names.get(entry.student, ''))}: {_line(entry)}"
        for entry in found
        if entry.late_by or entry.marked_late
    ]
    there = {entry.student for entry in found}
    absent = [s for s, key in schedule.extensions if key == unit.key and s not in there]
    if absent:
        lines.append(
            f"With an extension, and nothing graded (are the names right?): {_some(absent)}."
        )
    unknown = [entry.student for entry in found if entry.is_unknown]
    if unknown:
        lines.append(f"{len(unknown)} without a timestamp.txt count as in time: {_some(unknown)}.")
    return lines


def _some(names: list[str]) -> str:
    more = len(names) - MANY_NAMES
    return ", ".join(names[:MANY_NAMES]) + (f" and {more} more" if more > 0 else "")


def _line(entry: Lateness) -> str:
    if entry.is_unknown:
        return "late by the platform's mark, nobody knows how much; no penalty"
    if not entry.late_by:
        return "late by the platform's mark, and in time by its own date"
    hours, minutes = divmod(math.ceil(entry.late_by.total_seconds() / 60), 60)
    days, hours = divmod(hours, 24)
    length = f"{hours}:{minutes:02} h"
    if days:
        length = f"{days} {'day' if days == 1 else 'days'} {length}"
    extended = ", after an extension" if entry.extended else ""
    free = "nothing to take off" if entry.has_nothing else "no penalty"
    cost = f"-{entry.penalty:g} points" if entry.penalty else free
    return f"{length} late{extended}, {cost}"


def _submissions(
    gradebook: Gradebook, assignment_id: str
) -> list[tuple[SubmittedAssignment, SubmittedNotebook]]:
    rows = (
        gradebook.db.query(SubmittedAssignment, SubmittedNotebook)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .filter(SubmittedAssignment.assignment_id == assignment_id)
    )
    return [(submission, notebook) for submission, notebook in rows]


def _points(gradebook: Gradebook, assignment_id: str) -> dict[str, float]:
    rows = (
        gradebook.db.query(Grade.notebook_id, func.sum(Grade.score))
        .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
        .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        .filter(SubmittedAssignment.assignment_id == assignment_id)
        .group_by(Grade.notebook_id)
    )
    return {str(notebook): float(points or 0.0) for notebook, points in rows}


def _naive(time: datetime.datetime) -> datetime.datetime:
    """Return a time as the gradebook keeps it: in UTC, without saying so."""
    return time.astimezone(UTC).replace(tzinfo=None)


def _set(row: object, name: str, value: object) -> None:
    if getattr(row, name) != value:
        setattr(row, name, value)
