"""One unit's rows in nbgrader's tables, read and written for many submissions at once.

nbgrader's own methods look up and commit a row at a time: some 150 statements and 25 flushes of
the disk a submission. This does a handful for all submissions together, in one transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from sqlalchemy import insert, select, update

from course.checking import Unit
from grader.class_folder import notebook_name

EARLIER = "(About an earlier answer:) "
"""Stands before a comment by hand when the answer under it has changed."""


@dataclass(frozen=True)
class Marks:
    """What is to be written about one submission.

    Attributes:
        student: the student's id.
        timestamp: when it was handed in, in UTC, if that is known.
        scores: by graded cell; a cell that is not named keeps what it has.
        untouched: the cells whose answer was left as released.
        changed: the cells whose answer is not the one graded before; None if that is not known.
    """

    student: str
    timestamp: datetime.datetime | None
    scores: Mapping[str, float | None]
    untouched: frozenset[str]
    changed: frozenset[str] | None


class UnitRows:
    """The rows of a unit's submissions.

    Attributes:
        graded: the names of the unit's graded cells.
    """

    def __init__(self, gradebook: Gradebook, unit: Unit) -> None:
        """Look up the unit's cells.

        Raises:
            nbgrader.api.MissingEntry: the gradebook does not know the unit.
        """
        notebook = gradebook.find_notebook(Path(notebook_name(unit)).stem, unit.key)
        self._db = gradebook.db
        self._assignment = notebook.assignment_id
        self._notebook = notebook.id
        self._graded = {c.id: c.name for c in (*notebook.grade_cells, *notebook.task_cells)}
        self.graded = tuple(self._graded.values())
        self._commented = {c.id: c.name for c in (*notebook.solution_cells, *notebook.task_cells)}

    def scores(self) -> dict[str, dict[str, float | None]]:
        """Return the automatic scores of all submissions, by student and graded cell."""
        rows = self._db.execute(
            select(SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .join(BaseCell, BaseCell.id == Grade.cell_id)
            .where(SubmittedAssignment.assignment_id == self._assignment)
        )
        scores: dict[str, dict[str, float | None]] = {}
        for student, name, points in rows:
            scores.setdefault(student, {})[name] = points
        return scores

    def write(self, marks: Sequence[Marks]) -> None:
        """Write all of it, or nothing."""
        self._hold()
        self._add_students([mark.student for mark in marks])
        submissions = self._submissions(marks)
        notebooks = self._notebooks(submissions.values())
        by_notebook = {notebooks[submissions[mark.student]]: mark for mark in marks}
        self._write(Grade, _grade, self._graded, by_notebook)
        self._write(Comment, _comment, self._commented, by_notebook)
        self._db.commit()

    def _hold(self) -> None:
        """Keep SQLite's other writers out from here on: a person may be grading by hand meanwhile.

        PostgreSQL holds the single rows when they are read for update.
        """
        unit = update(Assignment).where(Assignment.id == self._assignment)
        self._db.execute(unit.values(id=self._assignment))

    def _add_students(self, students: Sequence[str]) -> None:
        known = set(self._db.scalars(select(Student.id).where(Student.id.in_(students))))
        self._insert(Student, [{"id": student} for student in students if student not in known])

    def _submissions(self, marks: Sequence[Marks]) -> dict[str, str]:
        """Return the submissions' ids by student."""
        rows = self._db.execute(
            select(SubmittedAssignment.student_id, SubmittedAssignment.id).where(
                SubmittedAssignment.assignment_id == self._assignment,
                SubmittedAssignment.student_id.in_([mark.student for mark in marks]),
            )
        )
        ids: dict[str, str] = dict(rows.all())
        old = [
            {"id": ids[mark.student], "timestamp": mark.timestamp}
            for mark in marks
            if mark.student in ids
        ]
        new = [
            {
                "id": new_uuid(),
                "assignment_id": self._assignment,
                "student_id": mark.student,
                "timestamp": mark.timestamp,
            }
            for mark in marks
            if mark.student not in ids
        ]
        self._update(SubmittedAssignment, old)
        self._insert(SubmittedAssignment, new)
        return ids | {row["student_id"]: row["id"] for row in new}

    def _notebooks(self, submissions: Iterable[str]) -> dict[str, str]:
        """Return the ids of the submitted notebooks by the submission's."""
        wanted = list(submissions)
        rows = self._db.execute(
            select(SubmittedNotebook.assignment_id, SubmittedNotebook.id).where(
                SubmittedNotebook.notebook_id == self._notebook,
                SubmittedNotebook.assignment_id.in_(wanted),
            )
        )
        ids: dict[str, str] = dict(rows.all())
        new = [
            {"id": new_uuid(), "notebook_id": self._notebook, "assignment_id": submission}
            for submission in wanted
            if submission not in ids
        ]
        self._insert(SubmittedNotebook, new)
        return ids | {row["assignment_id"]: row["id"] for row in new}

    def _write(
        self, kind: Any, change: Any, cells: Mapping[str, str], by_notebook: Mapping[str, Marks]
    ) -> None:
        """Write the row of every cell of every submission; ``change`` says what is new in it."""
        found = self._db.execute(
            select(kind.__table__).where(kind.notebook_id.in_(list(by_notebook))).with_for_update()
        ).mappings()
        old = {(row["notebook_id"], row["cell_id"]): row for row in found}
        updates, inserts = [], []
        for notebook, mark in by_notebook.items():
            for cell, name in cells.items():
                row = old.get((notebook, cell))
                values = change(name, mark, row or {})
                if row is None:
                    key = {"id": new_uuid(), "notebook_id": notebook, "cell_id": cell}
                    inserts.append(key | values)
                else:
                    updates.append({"id": row["id"]} | values)
        self._update(kind, updates)
        self._insert(kind, inserts)

    def _insert(self, kind: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._db.execute(insert(kind), rows)

    def _update(self, kind: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._db.execute(update(kind), rows)


def _grade(name: str, mark: Marks, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a grade's new values; points by hand stay only with the answer they were given for."""
    auto = mark.scores.get(name, row.get("auto_score"))
    manual, extra = row.get("manual_score"), row.get("extra_credit")
    if mark.changed is not None and name in mark.changed:
        manual = extra = None
    unseen = manual is None and auto is None
    unsure = manual is not None and mark.changed is None
    return {
        "auto_score": auto,
        "manual_score": manual,
        "extra_credit": extra,
        "needs_manual_grade": unseen or unsure,
    }


def _comment(name: str, mark: Marks, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comment's new values; what a person wrote stays, and says if it has grown old."""
    manual = row.get("manual_comment")
    if manual and name in (mark.changed or ()) and not manual.startswith(EARLIER):
        manual = EARLIER + manual
    auto = "No response." if name in mark.untouched else None
    return {"auto_comment": auto, "manual_comment": manual}
