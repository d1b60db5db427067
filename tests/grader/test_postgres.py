"""The same gradebook on a real PostgreSQL server: formgrader's view, a second run, a password."""

import os
import shutil
from dataclasses import replace

import pytest
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import PyFileConfigLoader

import postgres
from grader.class_folder import MARK, open_class
from grader.errors import GraderError, UsageError
from grader.grade import grade
from grader.gradebook import Entry, open_writer
from grader.release import release
from grader.results import read_results
from grader.stock import hide_password, open_gradebook
from stand_in import Runs, hand_in, points, stand_in

STUDENTS = ["ada", "grace o'hara", "émilie"]


@pytest.fixture(scope="module")
def database():
    if postgres.find_binaries() is None and not os.environ.get("CI"):
        pytest.skip("no PostgreSQL server is installed here (Debian: apt install postgresql)")
    with postgres.server() as make:
        yield make


@pytest.fixture(scope="module")
def released_there(database, released_class, tmp_path_factory, unit, console):
    """A class with its gradebook in the database "model", where the unit is released."""
    root = tmp_path_factory.mktemp("server") / "class"
    shutil.copytree(released_class.root, root)
    (root / "gradebook.db").unlink()
    settings = (root / MARK).read_text()
    line = next(line for line in settings.splitlines() if line.startswith("demo"))
    address = database("model")
    (root / MARK).write_text(settings.replace(line, f'{line}\ndb = "{address}"', 1))
    release(open_class(root), [unit], console)
    return root


@pytest.fixture
def on_server(released_there, database, request, unit, tmp_path):
    """A copy of that class and of its database."""
    root = tmp_path / "class"
    shutil.copytree(released_there, root)
    address = database(request.node.name, template="model")
    settings = (root / MARK).read_text()
    (root / MARK).write_text(settings.replace("/model?", f"/{request.node.name}?"))
    opened = open_class(root)
    assert opened.gradebook_url == address
    for student in STUDENTS:
        hand_in(opened, unit, student, f"# {student}")
    return opened


@pytest.fixture(scope="module")
def any_address(database):
    return database("any")


def expected(klass, unit):
    name = klass.release(unit).name
    return {s: points((klass.submitted(unit, s) / name).read_bytes()) for s in STUDENTS}


def test_grading_feeds_formgrader_and_keeps_what_is_done(on_server, unit, monkeypatch):
    runs = Runs(monkeypatch)
    assert runs.finish(on_server)["graded"] == len(STUDENTS)
    assert runs.finish(on_server) == {"graded": 0, "kept": len(STUDENTS), "lost": {}}
    hand_in(on_server, unit, "ada", "# something else")
    assert runs.finish(on_server)["graded"] == 1
    wanted = {s: sum(given.values()) for s, given in expected(on_server, unit).items()}
    totals = {r.student: sum(r.points.values()) for r in read_results(on_server, unit).students}
    assert totals == wanted
    config = PyFileConfigLoader("nbgrader_config.py", path=str(on_server.root)).load_config()
    shown = NbGraderAPI(CourseDirectory(config=config)).get_submissions(unit.key)
    assert {row["student"]: row["score"] for row in shown} == wanted
    assert not (on_server.root / "gradebook.db").exists()


def test_killed_in_a_transaction_it_goes_on(on_server, unit, monkeypatch):
    runs = Runs(monkeypatch)
    for place in ("grader.rows:UnitRows._notebooks", "grader.gradebook:write_atomically"):
        hand_in(on_server, unit, "ada", f"# {place}")
        assert runs.finish(on_server, trap={"place": place, "nth": 1}) is None
        runs.finish(on_server)
        with open_gradebook(on_server.gradebook_url) as book:
            found = {
                s.student.id: {g.name: g.auto_score for g in s.notebooks[0].grades}
                for s in book.assignment_submissions(unit.key)
            }
        assert found == expected(on_server, unit)


def test_a_person_who_grades_meanwhile_loses_nothing(on_server, unit):
    name = on_server.release(unit).name
    content = (on_server.submitted(unit, "ada") / name).read_bytes()
    graded = stand_in(content, on_server.require_release(unit), None)
    with open_writer(on_server, unit) as writer:
        writer.record([Entry("ada", graded, "mark")])
        with open_gradebook(on_server.gradebook_url) as book:
            grade_row = book.find_grade("test_adam", name.removesuffix(".ipynb"), unit.key, "ada")
            grade_row.manual_score = 5.5
            book.db.commit()
        writer.record([Entry("ada", graded, "mark")])
    (result,) = read_results(on_server, unit).students
    assert result.points["test_adam"] == 5.5


def test_another_database_can_be_named_for_a_run(on_server, unit, database, console):
    elsewhere = replace(on_server, db=None)
    with pytest.raises(GraderError, match=r"does not know 03_optimizers.*class\.toml"):
        grade(elsewhere, [unit], console, db=database("empty"))


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (("teacher:", "teacher:wrong"), GraderError, "password authentication failed"),
        (("/any?", "/nowhere?"), GraderError, "does not exist"),
        (("postgresql:", "postgres:"), UsageError, "write postgresql://"),
        (("@/", "@host:99x/"), UsageError, "address cannot be read"),
    ],
)
def test_a_password_is_never_shown(any_address, change, error, text):
    url = any_address.replace(*change)
    with pytest.raises(error, match=text) as caught, open_gradebook(url):
        pass
    assert postgres.PASSWORD not in str(caught.value)
    assert postgres.QUOTED not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://ada:hush@host/grades", "postgresql://host/grades?user=ada&password=hush"],
)
def test_an_address_is_shown_without_its_password(url):
    assert "hush" not in hide_password(url)
    assert "grades" in hide_password(url)
