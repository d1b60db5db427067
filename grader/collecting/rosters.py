"""Lists of a class's students, as Canvas and Moodle export them, and the class's own list."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from grader.class_folder import ClassFolder
from grader.collecting.cells import plain_cell, safe_cell
from grader.errors import GraderError, UsageError
from grader.files import write_atomically
from grader.log import one_line

STUDENTS = "students.csv"
KEYS = ("canvas_id", "id_number", "email")
CANVAS_NAMES = (["Student"], ["LastName", "FirstName"])
LAST_NAME = ("Last name", "Surname")
IDENTIFIER = re.compile(r".*?(?P<number>\d+)")


@dataclass(frozen=True)
class Student:
    """A student as the class knows them; what is not known is empty.

    Attributes:
        student: the id under which submissions and grades are kept; it never changes.
        full_name: the name as the learning platform writes it.
        first_name: for nbgrader's gradebook.
        last_name: for nbgrader's gradebook.
        email: the address.
        canvas_id: Canvas's number of the user.
        id_number: Moodle's ID number.
    """

    student: str = ""
    full_name: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    canvas_id: str = ""
    id_number: str = ""


@dataclass(frozen=True)
class Roster:
    """A platform's list of students, with every column as it was.

    Attributes:
        platform: ``canvas`` or ``moodle``.
        columns: the names in the first line.
        rows: all other lines.
        delimiter: what stands between the columns.
    """

    platform: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    delimiter: str

    def cell(self, row: tuple[str, ...], *names: str) -> str:
        """Return a row's text in the first of these columns that there is."""
        for name in names:
            if name in self.columns:
                return row[self.columns.index(name)].strip()
        return ""

    @property
    def is_worksheet(self) -> bool:
        """Whether it is Moodle's grading worksheet of one assignment."""
        return {"Identifier", "Grade"} <= set(self.columns)

    def people(self) -> list[tuple[tuple[str, ...], Student, str]]:
        """Return for each student the row, what it tells, and the number in downloads, if any."""
        read = self._canvas if self.platform == "canvas" else self._moodle
        return [(row, *found) for row in self.rows if (found := read(row))]

    def _canvas(self, row: tuple[str, ...]) -> tuple[Student, str] | None:
        number = self.cell(row, "ID")
        if not number.isdigit():  # the lines "Points Possible" and "Manual Posting"
            return None
        last, _, first = self.cell(row, "Student").partition(",")
        first = self.cell(row, "FirstName") or first.strip()
        last = self.cell(row, "LastName") or last.strip()
        login = self.cell(row, "SIS Login ID")
        email = login if "@" in login else ""
        return Student("", f"{first} {last}".strip(), first, last, email, number), number

    def _moodle(self, row: tuple[str, ...]) -> tuple[Student, str] | None:
        first, last = self.cell(row, "First name"), self.cell(row, *LAST_NAME)
        full = self.cell(row, "Full name") or f"{first} {last}".strip()
        number = IDENTIFIER.fullmatch(self.cell(row, "Identifier"))
        email = self.cell(row, "Email address").casefold()
        if not (full or email):
            return None
        if not (first or last):
            first, last = split_name(full)
        known = Student("", full, first, last, email, "", self.cell(row, "ID number"))
        return known, number["number"] if number else ""


def read_roster(path: Path) -> Roster:
    """Read Canvas's gradebook, Moodle's grading worksheet or Moodle's list of participants.

    Raises:
        UsageError: the file is not there, or is none of these.
    """
    try:
        return parse_roster(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(
            f"The roster {path} cannot be read: {error.strerror}. Name the CSV file."
        ) from None


def parse_roster(content: bytes, name: str) -> Roster:
    """Return the roster in a file's content.

    Raises:
        UsageError: it is none that is known; the name says which.
    """
    text = _decode(content)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter) if any(line)]
    except csv.Error as error:
        raise UsageError(f"The roster {name} is no table: {error}.") from None
    columns = tuple(column.strip() for column in lines[0]) if lines else ()
    rows = tuple(tuple((line + [""] * len(columns))[: len(columns)]) for line in lines[1:])
    known = set(columns)
    if {"ID", "Section"} <= known and any(known.issuperset(names) for names in CANVAS_NAMES):
        return Roster("canvas", columns, rows, delimiter)
    has_name = "Full name" in known or ("First name" in known and known & set(LAST_NAME))
    if has_name and known & {"Identifier", "Email address"}:
        return Roster("moodle", columns, rows, delimiter)
    raise UsageError(
        f"The roster {name} is not known by its columns {', '.join(columns[:8])}. It can be "
        "Canvas's gradebook (Student, ID, ..., Section), Moodle's grading worksheet (Identifier, "
        "Full name, ...) or participants (First name, Last name, Email address), in English."
    )


def read_students(klass: ClassFolder) -> list[Student]:
    """Return the students that the class knows so far.

    Raises:
        GraderError: the class's list is damaged.
    """
    path = klass.root / STUDENTS
    if not path.is_file():
        return []
    names = [field.name for field in fields(Student)]
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if any(set(row) != set(names) or None in row.values() for row in rows):
        raise GraderError(f"{path} must have the columns {', '.join(names)}. Correct it.")
    return [Student(**{name: plain_cell(text) for name, text in row.items()}) for row in rows]


def read_names(klass: ClassFolder) -> dict[str, str]:
    """Return the names of the students that the class knows by one, each on one line.

    Raises:
        GraderError: the class's list is damaged.
    """
    known = read_students(klass)
    return {student.student: one_line(student.full_name) for student in known if student.full_name}


def called(student: str, name: str) -> str:
    """Return a student's name and id, or the id alone where there is no name."""
    return f"{name} ({student})" if name else student


def write_students(klass: ClassFolder, students: Iterable[Student]) -> None:
    """Keep the students that the class knows."""
    names = [field.name for field in fields(Student)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for student in sorted(students, key=lambda student: student.student):
        writer.writerow([safe_cell(getattr(student, name)) for name in names])
    write_atomically(klass.root / STUDENTS, text.getvalue().encode(), mode=0o600)


class Register:
    """The students of a class, found by a number, an address or a name."""

    def __init__(self, students: Iterable[Student] = ()) -> None:
        self._by_id: dict[str, Student] = {}
        self._by_key: dict[tuple[str, str], str] = {}
        self._by_name: dict[str, list[str]] = {}
        for student in students:
            self._keep(student)

    def __iter__(self) -> Iterator[Student]:
        return iter(self._by_id.values())

    def note(self, told: Student) -> Student:
        """Return the student that is meant, with what is newly told; a new one gets an id.

        Raises:
            GraderError: it cannot be told which student is meant.
        """
        known = self.find(told)
        if known is None:
            new = replace(told, student=as_id(next(filter(None, _keys(told)), told.full_name)))
            other = self._by_id.get(new.student)
            if other:
                raise _same(told, [other])
            return self._keep(new)
        if known.full_name:
            self._by_name[_plain(known.full_name)].remove(known.student)
        names = [field.name for field in fields(Student)]
        newer = {name: getattr(told, name) or getattr(known, name) for name in names}
        return self._keep(Student(**newer))

    def find(self, told: Student) -> Student | None:
        """Return the student that is meant, or None if the class does not know them.

        Raises:
            GraderError: several have this name, and nothing else tells them apart.
        """
        for key in zip(KEYS, _keys(told), strict=True):
            if key[1] and key in self._by_key:
                return self._by_id[self._by_key[key]]
        called = [self._by_id[name] for name in self._by_name.get(_plain(told.full_name), ())]
        fitting = [student for student in called if _fits(student, told)]
        if len(fitting) > 1:
            raise _same(told, fitting)
        return fitting[0] if fitting else None

    def _keep(self, student: Student) -> Student:
        self._by_id[student.student] = student
        for key in zip(KEYS, _keys(student), strict=True):
            if key[1]:
                self._by_key[key] = student.student
        if student.full_name:
            self._by_name.setdefault(_plain(student.full_name), []).append(student.student)
        return student


def as_id(text: str) -> str:
    """Return a text as a student's id: a name for a folder, whatever the text was.

    Raises:
        GraderError: nothing is left of it.
    """
    name = re.sub(r"[^\w.@-]+", "-", unicodedata.normalize("NFC", text).casefold())
    name = name.strip("-.")[:100]
    if not name:
        raise GraderError(f"A student is called {text!r}, which gives no id. Give --roster FILE.")
    return name


def split_name(full: str) -> tuple[str, str]:
    """Return first and last name, as well as a name in one piece allows."""
    first, _, last = full.rpartition(" ")
    return first, last


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").split())


def _keys(student: Student) -> list[str]:
    return [str(getattr(student, key)) for key in KEYS]


def _fits(known: Student, told: Student) -> bool:
    """Tell whether no number or address of the two differs."""
    return all(a == b for a, b in zip(_keys(known), _keys(told), strict=True) if a and b)


def _same(told: Student, others: list[Student]) -> GraderError:
    ids = ", ".join(repr(student.student) for student in others)
    return GraderError(
        f"It cannot be told apart who {told.full_name!r} is: the class knows {ids}. "
        "Give a roster that tells students apart with --roster FILE."
    )


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # as Excel saves it in western Europe
