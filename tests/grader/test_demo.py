"""A small class from release to report, as an instructor runs it; each test looks at one thing."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from grader.class_folder import open_class
from grader.demo import demo, surprises
from grader.errors import UsageError
from grader.export import export
from grader.grade import grade
from grader.report import part_rates, render, status_counts
from grader.results import read_results
from grader.sample import SIZE, sample_class
from grader.stock import open_gradebook
from grader.tables import show_grades
from grader.work import read_notebook

ROOT = Path(__file__).parents[2]
SMALL = 8


@pytest.fixture(scope="module")
def small(tmp_path_factory, unit):
    """A class of a few submissions, graded; do not change it."""
    console = Console(record=True, width=80, file=io.StringIO())
    into = tmp_path_factory.mktemp("demo") / "class"
    made = demo(unit, console, course=ROOT, into=into, students=SMALL)
    return made, console.export_text()


@pytest.fixture
def again(small, tmp_path):
    """A copy of the small class to work on."""
    shutil.copytree(small[0].klass.root, tmp_path / "class")
    return open_class(tmp_path / "class")


def test_the_sample_class_got_the_grades_it_must(small):
    made, _ = small
    assert len(made.samples) == SMALL
    assert surprises(made.samples, made.results) == []


def test_a_wrong_grade_would_be_noticed(small):
    made, _ = small
    results = [
        replace(r, points=dict.fromkeys(r.points, 1.0), verdicts={}) for r in made.results.students
    ]
    found = " ".join(surprises(made.samples, replace(made.results, students=tuple(results))))
    assert "all-right has 1.0 points for adam, not 6" in found
    assert "blank has 1.0 points for adam, not 0" in found
    assert "mistakes-1's mistake in adam is named None" in found
    nobody = replace(made.results, students=())
    assert "blank has no grade" in surprises(made.samples, nobody)


def test_it_tells_the_grades_the_mistakes_and_where_everything_is(small):
    made, told = small
    for sample in made.samples:
        assert sample.student in told
    assert "Most common mistakes" in told
    named = next(sample for sample in made.samples if sample.student == "mistakes-1").named
    assert named["adam"] in told
    plain = "".join(told.split())
    for path in ("gradebook.db", "handout.zip", f"reports/{made.unit.key}.html"):
        assert str(made.klass.root / path) in plain
        assert (made.klass.root / path).is_file()


def test_grading_again_keeps_what_is_graded(again, unit, console):
    (summary,) = grade(again, [unit], console)
    assert (summary.graded, summary.kept) == (0, SMALL)


def test_a_new_submission_is_graded_and_the_old_score_is_gone(again, unit, console):
    place = again.submitted(unit, "all-right") / again.release(unit).name
    place.write_text("{")
    (summary,) = grade(again, [unit], console)
    assert (summary.graded, summary.kept) == (1, SMALL - 1)
    student = next(r for r in read_results(again, unit).students if r.student == "all-right")
    assert (student.total, student.status) == (0, "not gradable")


def test_hostile_names_and_links_are_survived(again, unit, console):
    name = again.release(unit).name
    folder = again.root / "submitted" / "<b>[red]eve" / unit.key
    folder.mkdir(parents=True)
    (folder / name).symlink_to(again.root / "class.toml")
    other = again.root / "submitted" / "link" / unit.key
    other.parent.mkdir()
    other.symlink_to(again.submitted(unit, "all-right"))
    grade(again, [unit], console)
    results = read_results(again, unit)
    students = {result.student: result for result in results.students}
    for student in ("<b>[red]eve", "link"):
        assert students[student].total == 0
        assert "is a link to another place" in students[student].problems[0].text
    page = render(again, results)
    assert "&lt;b&gt;[red]eve" in page
    assert "<b>[red]eve" not in page
    console = Console(record=True, width=200, file=io.StringIO())
    show_grades(console, results)
    assert "<b>[red]eve" in console.export_text()


def test_the_verdicts_keep_the_cases_to_themselves(small):
    made, _ = small
    seed = str(made.klass.seed)
    for student in ("mistakes-1", "crashing", "all-right"):
        text = made.klass.autograded(made.unit, student).read_text()
        assert seed not in text
        page = made.klass.feedback(made.unit, student).read_text()
        assert seed not in page
    verdicts = next(r for r in made.results.students if r.student == "mistakes-1").verdicts
    assert len(verdicts) == len(made.unit.exercises)
    assert {json.dumps(v["failure"]["inputs"]) for v in verdicts.values()} == {"{}"}
    assert {v["failure"]["expected"] for v in verdicts.values()} == {""}


def test_a_feedback_page_shows_the_verdict(small):
    made, _ = small
    page = made.klass.feedback(made.unit, "mistakes-1").read_text()
    named = next(sample for sample in made.samples if sample.student == "mistakes-1").named
    assert f"The mistake: {named['adam']}." in page
    malformed = made.klass.feedback(made.unit, "malformed-json").read_text()
    assert "not valid JSON" in malformed


def test_the_report_needs_no_other_file_and_says_what_to_teach(small):
    made, _ = small
    page = made.klass.report(made.unit).read_text()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "<script" not in page
    for mistake in made.results.common_mistakes():
        assert mistake.name in page
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == SMALL
    for link in links:
        assert (made.klass.report(made.unit).parent / link).is_file()
    assert "While adamw was checked, the program took all the time it may" in page


def test_the_report_s_numbers_are_those_of_the_class(small):
    made, _ = small
    full = sum("adam" in sample.full for sample in made.samples)
    rates = [rate for rate in part_rates(made.results) if rate.exercise == "adam"]
    assert [rate.earned for rate in rates] == [full] * len(rates)
    counts = status_counts(made.results)
    assert counts["adam"][0] == full
    assert {sum(row) for row in counts.values()} == {SMALL}
    assert sum(m.count for m in made.results.common_mistakes()) == len(made.unit.exercises)


def test_the_export_has_a_row_a_student(again, unit):
    (made,) = export(again, [unit], "csv")
    rows = list(csv.DictReader(made.path.read_text().splitlines()))
    assert [row["student"] for row in rows] == again.students(unit)
    right = next(row for row in rows if row["student"] == "all-right")
    assert (right["adam"], right["in_your_own_words"], right["max"]) == ("6", "", "40")
    assert (right["status"], right["problem"]) == ("hand grading", "")
    broken = next(row for row in rows if row["student"] == "malformed-json")
    assert (broken["total"], broken["status"]) == ("0", "not gradable")
    assert "not valid JSON" in broken["problem"]


def test_an_export_goes_where_it_is_told(again, unit, tmp_path):
    (made,) = export(again, [unit], "csv", tmp_path / "grades.csv")
    assert made.path == tmp_path / "grades.csv"
    assert made.path.is_file()
    with pytest.raises(UsageError, match="there are 2 units"):
        export(again, [unit, unit], "csv", tmp_path / "grades.csv")


def test_points_given_in_formgrader_reach_the_export(again, unit):
    notebook = again.release(unit).stem
    with open_gradebook(again.gradebook_url) as book:
        given = book.find_grade("in_your_own_words", notebook, unit.key, "all-right")
        given.manual_score, given.needs_manual_grade = 5.5, False
        book.db.commit()
    result = next(r for r in read_results(again, unit).students if r.student == "all-right")
    assert (result.points["in_your_own_words"], result.status) == (5.5, "graded")


def test_nbgrader_s_own_commands_work_on_the_class_folder(again, unit, console):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": str(again.root / "none"),
    }
    for command in (["list"], ["autograde", unit.key, "--student", "all-right", "--force"]):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command],
            cwd=again.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    with open_gradebook(again.gradebook_url) as book:
        points = sum(exercise.points for exercise in unit.exercises)
        assert book.find_submission(unit.key, "all-right").score == points
    (summary,) = grade(again, [unit], console)
    assert (summary.graded, summary.kept) == (1, SMALL - 1)


def test_the_demo_replaces_only_what_it_made(small, unit, console, tmp_path):
    made, _ = small
    place = made.klass.root / "class.toml"
    text = place.read_text()
    place.write_text(text.replace("demo = true", "demo = false"))
    with pytest.raises(UsageError, match="is a real class"):
        demo(unit, console, course=ROOT, into=made.klass.root)
    place.write_text(text)
    assert (made.klass.root / "gradebook.db").is_file()


def test_the_full_sample_class_shows_every_kind(klass, unit):
    release = read_notebook(klass.require_release(unit))
    samples = sample_class(unit, release)
    assert len(samples) == SIZE >= 20
    assert len({sample.student for sample in samples}) == SIZE
    exercises = {exercise.name for exercise in unit.exercises}
    assert exercises == {name for sample in samples for name in sample.named}
    for sample in samples:
        if sample.content and sample.student != "malformed-json":
            nbformat.validate(nbformat.reads(sample.content.decode(), as_version=4))
    assert sample_class(unit, release) == samples
