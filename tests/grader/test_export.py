"""Grades for other programs: the platforms' own columns, no formulas, and the same students."""

import csv
import io
import json

import pytest

from grader.class_folder import open_class
from grader.collecting.collect import collect
from grader.errors import GraderError, UsageError
from grader.export import export
from grader.late import late
from platforms import CANVAS_LIST, MOODLE_LIST, grade_without_running, points_of, zipped

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
CANVAS = [
    "lovelaceada_4711_1_optimizers_exercises.ipynb",
    "oharazoë_LATE_4712_2_optimizers_exercises.ipynb",
]
MOODLE = [
    "Ada Lovelace_901_assignsubmission_file_/optimizers_exercises.ipynb",
    "Zoë O'Hara_902_assignsubmission_file_/optimizers_exercises.ipynb",
]


@pytest.fixture
def graded(klass, unit, console, tmp_path):
    """Collect a platform's download with its roster, and grade it at half the points."""

    def run(files, roster, text=None):
        most = sum(points_of(klass, unit))
        path = tmp_path / "roster.csv"
        path.write_text((text or roster).format(most=most))
        (tmp_path / "d.zip").write_bytes(zipped([(file, NOTEBOOK) for file in files]))
        done = collect(klass, unit, [tmp_path / "d.zip"], console, roster=path)
        grade_without_running(klass, unit, done.new, share=0.5)
        return path

    return run


def rows(exported):
    return table(exported[0].path)


def table(path):
    return list(csv.reader(io.StringIO(path.read_text())))


def half(klass, unit):
    return f"{points_of(klass, unit)[0] / 2:g}"


def test_canvas_gets_its_own_columns_back(graded, klass, unit):
    path = graded(CANVAS, CANVAS_LIST)
    exported = export(klass, [unit], "canvas")
    assert exported[0].path == klass.root / "exports/03_optimizers-canvas.csv"
    given = table(path)
    made = rows(exported)
    assert [row[:5] for row in made] == [row[:5] for row in given]
    assert made[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Optimizers (71)"]
    assert [row[5] for row in made[1:]] == [
        "Manual Posting",
        f"{sum(points_of(klass, unit)):g}",
        half(klass, unit),
        half(klass, unit),
        "",
    ]
    assert exported[0].notes == [
        "2 of the grades are not complete: answers wait for grading by hand."
    ]


def test_moodle_gets_its_worksheet_back(graded, klass, unit):
    path = graded(MOODLE, MOODLE_LIST)
    made = rows(export(klass, [unit], "moodle"))
    given = table(path)
    place = given[0].index("Grade")
    assert [row[place] for row in made[1:]] == [half(klass, unit), half(klass, unit), ""]
    for row in (*given, *made):
        row.pop(place)
    assert made == given


@pytest.mark.parametrize(
    ("form", "files", "roster"), [("canvas", CANVAS, CANVAS_LIST), ("moodle", MOODLE, MOODLE_LIST)]
)
def test_what_was_exported_collects_to_the_same_students(
    graded, klass, unit, console, tmp_path, form, files, roster
):
    graded(files, roster)
    exported = export(klass, [unit], form)
    before = (klass.root / "students.csv").read_text()
    done = collect(klass, unit, [tmp_path / "d.zip"], console, roster=exported[0].path)
    assert (done.new, len(done.unchanged)) == ([], 2)
    assert (klass.root / "students.csv").read_text() == before
    again = export(klass, [unit], form, tmp_path / "again.csv")
    assert again[0].path.read_text() == exported[0].path.read_text()


def test_a_penalty_is_in_every_format(graded, klass, unit):
    graded(MOODLE, MOODLE_LIST)
    text = (klass.root / "class.toml").read_text()
    (klass.root / "class.toml").write_text(
        f"{text}\n[late]\nper_day = 10\n[units.03_optimizers]\ndue = 2026-11-01T00:00:00Z\n"
    )
    opened = open_class(klass.root)
    late(opened, [unit])
    for form in ("csv", "moodle", "json"):
        text = export(opened, [unit], form)[0].path.read_text()
        if form == "json":
            assert [s["total"] for s in json.loads(text)["students"]] == [0, 0]
        else:
            column = "Grade" if form == "moodle" else "total"
            found = list(csv.DictReader(io.StringIO(text)))
            assert [row[column] for row in found[:2]] == ["0", "0"]


def test_json_and_csv_say_the_same(graded, klass, unit):
    graded(CANVAS, CANVAS_LIST)
    data = json.loads(export(klass, [unit], "json")[0].path.read_text())
    found = list(csv.DictReader(io.StringIO(export(klass, [unit], "csv")[0].path.read_text())))
    assert [row["student"] for row in found[:2]] == [s["student"] for s in data["students"]]
    assert [float(row["total"]) for row in found[:2]] == [s["total"] for s in data["students"]]
    assert data["students"][1]["name"] == "Zoë O'Hara"
    assert data["students"][1]["points"]["in_your_own_words"] is None
    assert {row["max"] for row in found} == {f"{data['max_points']:g}"}


@pytest.mark.parametrize(
    ("files", "roster", "student"), [(CANVAS, CANVAS_LIST, "4713"), (MOODLE, MOODLE_LIST, "m-3")]
)
def test_who_has_handed_in_nothing_has_a_row(graded, klass, unit, files, roster, student):
    graded(files, roster)
    row = list(csv.DictReader(io.StringIO(export(klass, [unit], "csv")[0].path.read_text())))[-1]
    assert (row["student"], row["total"], row["status"]) == (student, "0", "nothing handed in")
    assert row["adam"] == ""
    data = json.loads(export(klass, [unit], "json")[0].path.read_text())
    assert data["nothing_handed_in"] == [
        {"student": student, "name": "Grace Hopper", "email": "grace@uni.example"}
    ]
    klass.submitted(unit, student).mkdir(parents=True)
    assert "nothing handed in" not in export(klass, [unit], "csv")[0].path.read_text()


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(graded, klass, unit, name):
    graded(CANVAS, CANVAS_LIST.replace('"Lovelace, Ada"', f'"{name}"'))
    cells = [row[0] for row in rows(export(klass, [unit], "canvas"))]
    assert f"'{name}" in cells or f"'{name.strip()}" in cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)


def test_no_student_s_folder_is_a_formula(klass, unit):
    grade_without_running(klass, unit, ["=1+1", "-x", "ok"])
    assert [row[0] for row in rows(export(klass, [unit], "csv"))] == [
        "student",
        "'-x",
        "'=1+1",
        "ok",
    ]


@pytest.mark.parametrize(
    ("form", "files", "roster", "old", "new", "options", "said"),
    [
        (
            "canvas",
            CANVAS,
            CANVAS_LIST,
            "Optimizers (71)",
            "Homework 3 (71)",
            {},
            "'optimizers' or 'Optimizers'. Name one with --column. There are: 'Introduction (70)'",
        ),
        (
            "canvas",
            CANVAS,
            CANVAS_LIST,
            "Introduction (70)",
            "optimizers (70)",
            {},
            "2 of Canvas's columns",
        ),
        (
            "canvas",
            CANVAS,
            CANVAS_LIST,
            "",
            "",
            {"column": "Nothing"},
            "0 of Canvas's columns are called 'Nothing'",
        ),
        (
            "moodle",
            CANVAS,
            CANVAS_LIST,
            "",
            "",
            {},
            "For moodle, its own list of students is needed",
        ),
        (
            "canvas",
            MOODLE,
            MOODLE_LIST,
            "",
            "",
            {},
            "For canvas, its own list of students is needed",
        ),
        (
            "moodle",
            MOODLE,
            MOODLE_LIST,
            ",Grade,",
            ",Mark,",
            {},
            "Moodle takes grades in its grading worksheet",
        ),
        (
            "canvas",
            MOODLE,
            MOODLE_LIST,
            "",
            "",
            {"roster": True},
            "The roster is moodle's, and the format is canvas",
        ),
        (
            "xml",
            CANVAS,
            CANVAS_LIST,
            "",
            "",
            {},
            "'xml' is not known. There are: csv, json, canvas, moodle.",
        ),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(
    graded, klass, unit, form, files, roster, old, new, options, said
):
    path = graded(files, roster, roster.replace(old, new, 1) if old else None)
    if "roster" in options:
        options = {"roster": path}
    with pytest.raises(UsageError) as caught:
        export(klass, [unit], form, **options)
    assert said in str(caught.value)
    assert not (klass.root / "exports").exists()


@pytest.mark.parametrize("column", ["Homework 3", "Homework 3 (71)"])
def test_a_column_can_be_named(graded, klass, unit, column):
    graded(CANVAS, CANVAS_LIST.replace("Optimizers (71)", "Homework 3 (71)"))
    assert rows(export(klass, [unit], "canvas", column=column))[0][-1] == "Homework 3 (71)"


@pytest.mark.parametrize(
    ("form", "files", "roster", "old", "said"),
    [
        ("canvas", CANVAS, CANVAS_LIST, "10,{most:g}", "Optimizers (71) has 100 points in Canvas"),
        ("moodle", MOODLE, MOODLE_LIST, "{most:.2f}", "The assignment has 100 points in Moodle"),
    ],
)
def test_other_maximum_points_are_said(graded, klass, unit, form, files, roster, old, said):
    graded(files, roster.replace(old, old.split("{")[0] + "100"))
    assert any(note.startswith(said) for note in export(klass, [unit], form)[0].notes)


def test_who_is_not_in_the_roster_is_said(graded, klass, unit, tmp_path):
    graded(CANVAS, CANVAS_LIST)
    grade_without_running(klass, unit, ["guest"])
    notes = export(klass, [unit], "canvas")[0].notes
    assert "Graded, and not in the roster: guest." in notes
    (tmp_path / "other.csv").write_text("Student,ID,Section,Optimizers\nX,1,A,\n")
    with pytest.raises(GraderError, match="None of the 3 graded students"):
        export(klass, [unit], "canvas", roster=tmp_path / "other.csv")
