"""Grades on a terminal: by student where they fit on a screen, else by question."""

import io
import re

import pytest
from rich.console import Console

from course.exercises import find_unit
from grader.problems import Problem
from grader.results import Question, Result, Results
from grader.tables import MANY_STUDENTS, show_grades

UNIT = find_unit("03_optimizers")
QUESTIONS = (Question("test_adam", "adam", 6.0), Question("why", "why", 4.0))


def shown(students, name="", width=100):
    points = {"test_adam": 6.0, "why": None}
    problems = (Problem("It is odd."),)
    results = tuple(
        Result(f"student-{n}", points | {"test_adam": 6.0 * (n % 2)}, {}, problems[n:], name=name)
        for n in range(students)
    )
    console = Console(record=True, width=width, file=io.StringIO())
    show_grades(console, Results(UNIT, QUESTIONS, results))
    return console.export_text()


@pytest.mark.parametrize("students", [1, MANY_STUDENTS])
def test_a_small_class_is_shown_by_student(students):
    text = shown(students)
    assert all(f"student-{n} " in text for n in range(students))
    assert "hand grading" in text


def test_names_stand_beside_the_ids_where_there_is_room():
    wide, narrow = shown(2, "Ada Lovelace"), shown(2, "Ada Lovelace", 50)
    assert re.search("student-1 +Ada Lovelace ", wide)
    assert "Ada Lovelace (student-0)" in wide
    assert re.search("student-1 +6 ", narrow)


def test_the_total_is_there_on_a_narrow_terminal():
    questions = tuple(Question(f"q{n}", f"question {n}", 2.0) for n in range(15))
    points = {question.grade_id: 2.0 for question in questions}
    console = Console(record=True, width=80, file=io.StringIO())
    student = Result("student-0000", points | {"q14": None}, {}, ())
    show_grades(console, Results(UNIT, questions, (student,)))
    text = console.export_text()
    assert "total" in text
    assert re.search(r"2 +2 +\? +28 +hand", text)


def test_a_large_class_is_shown_by_question():
    text = shown(MANY_STUDENTS + 2)
    assert "student-1 " not in text
    adam = next(line for line in text.splitlines() if "adam" in line).split()
    assert adam == ["adam", "6", "3.00", "31", "31", "0"]
    why = next(line for line in text.splitlines() if "why" in line).split()
    assert why == ["why", "4", "-", "0", "0", "62"]
    assert "Mean total 3.00 of 10. Each student's grades: grader export." in text
    assert "? waits for a person" in text
