"""The writer: what is written once, what an older grade may not survive, what a person gave."""

import datetime
from dataclasses import replace

import nbformat
import pytest

from grader import gradebook as module
from grader.execute import Settings
from grader.files import as_bytes
from grader.gradebook import Entry, digest, open_writer, read_graded
from grader.problems import Problem
from grader.rows import EARLIER
from grader.stock import open_gradebook
from grader.work import Graded, Score, graded_cells, read_notebook, zero

STUDENT = "ada"


@pytest.fixture
def release(klass, unit):
    return klass.require_release(unit)


def made(release, answers, share=1.0):
    """Return a graded notebook with these texts in its answers, without running it."""
    notebook = read_notebook(release)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    notebook.metadata["grader"] = {"problems": []}
    scores = {
        name: Score(None if c.metadata.nbgrader.solution else share * c.metadata.nbgrader.points, 1)
        for name, c in graded_cells(notebook).items()
    }
    return Graded(as_bytes(notebook), scores)


def written(klass, unit, student=STUDENT):
    with open_gradebook(klass.gradebook_url) as book:
        submission = book.find_submission(unit.key, student)
        notebook = submission.notebooks[0]
        return {
            "score": submission.score,
            "grades": {g.name: (g.auto_score, g.manual_score) for g in notebook.grades},
            "waiting": [g.name for g in notebook.grades if g.needs_manual_grade],
            "comments": {c.name: c.auto_comment for c in notebook.comments},
            "timestamp": submission.timestamp,
        }


def record(klass, unit, graded, mark="mark"):
    with open_writer(klass, unit) as writer:
        writer.record([Entry(STUDENT, graded, mark)])


def give_by_hand(klass, unit, name, points):
    with open_gradebook(klass.gradebook_url) as book:
        notebook = unit.assignment.rsplit("/", 1)[1].removesuffix(".ipynb")
        grade = book.find_grade(name, notebook, unit.key, STUDENT)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()


ESSAY = {"in_your_own_words": "Because."}


def test_a_grade_is_written_and_written_again_the_same(klass, unit, release):
    record(klass, unit, made(release, ESSAY))
    first = written(klass, unit)
    record(klass, unit, made(release, ESSAY))
    assert written(klass, unit) == first
    assert first["score"] == sum(exercise.points for exercise in unit.exercises)
    assert first["waiting"] == ["in_your_own_words"]
    assert first["comments"]["adam"] == "No response."
    assert first["comments"]["in_your_own_words"] is None
    with open_gradebook(klass.gradebook_url) as book:
        assert len(book.assignment_submissions(unit.key)) == 1


def test_an_older_score_does_not_survive_a_newer_submission(klass, unit, release):
    record(klass, unit, made(release, ESSAY))
    record(klass, unit, zero(release, "It cannot be read."), "newer")
    now = written(klass, unit)
    assert now["score"] == 0
    assert now["waiting"] == []
    notebook = read_graded(klass.autograded(unit, STUDENT))
    assert "It cannot be read." in notebook.cells[0].source


@pytest.mark.parametrize(
    ("newer", "kept", "waiting"),
    [({}, 4.0, []), ({"in_your_own_words": "Other."}, None, ["in_your_own_words"])],
)
def test_points_given_by_hand_stay_with_their_answer(klass, unit, release, newer, kept, waiting):
    record(klass, unit, made(release, ESSAY))
    give_by_hand(klass, unit, "in_your_own_words", 4.0)
    record(klass, unit, made(release, ESSAY | newer))
    now = written(klass, unit)
    assert now["grades"]["in_your_own_words"] == (None, kept)
    assert now["waiting"] == waiting


@pytest.mark.parametrize(("newer", "kept"), [({}, 3.0), ({"adam": "def adam(): ..."}, None)])
def test_a_test_overruled_by_hand_stays_with_the_code(klass, unit, release, newer, kept):
    record(klass, unit, made(release, ESSAY, share=0.0))
    give_by_hand(klass, unit, "test_adam", 3.0)
    record(klass, unit, made(release, ESSAY | newer, share=0.0))
    assert written(klass, unit)["grades"]["test_adam"] == (0.0, kept)


def test_points_given_by_hand_are_shown_again_when_the_answer_is_not_known(klass, unit, release):
    record(klass, unit, made(release, ESSAY))
    give_by_hand(klass, unit, "in_your_own_words", 4.0)
    klass.autograded(unit, STUDENT).unlink()
    record(klass, unit, made(release, ESSAY))
    now = written(klass, unit)
    assert now["grades"]["in_your_own_words"] == (None, 4.0)
    assert now["waiting"] == ["in_your_own_words"]


@pytest.mark.parametrize(("newer", "kept"), [({}, "Good."), ({"adam": "def adam(): ..."}, None)])
def test_a_comment_by_hand_stays_and_says_when_its_answer_has_changed(
    klass, unit, release, newer, kept
):
    record(klass, unit, made(release, ESSAY))
    with open_gradebook(klass.gradebook_url) as book:
        notebook = klass.release(unit).stem
        book.find_comment("adam", notebook, unit.key, STUDENT).manual_comment = "Good."
        book.db.commit()
    for _ in range(2):
        record(klass, unit, made(release, ESSAY | newer))
        with open_gradebook(klass.gradebook_url) as book:
            comment = book.find_comment("adam", notebook, unit.key, STUDENT)
            assert comment.manual_comment == (kept or f"{EARLIER}Good.")


def test_a_cell_that_was_not_graded_again_keeps_its_points(klass, unit, release):
    record(klass, unit, made(release, ESSAY, share=0.5))
    give_by_hand(klass, unit, "in_your_own_words", 4.0)
    before = written(klass, unit)["grades"]
    again = made(release, ESSAY)
    only = replace(again, scores={"test_adam": Score(1.25, 6.0)})
    record(klass, unit, only, "again")
    assert written(klass, unit)["grades"] == before | {"test_adam": (1.25, None)}
    with open_writer(klass, unit) as writer:
        assert writer.is_graded(STUDENT, "again")


def test_many_are_written_at_once(klass, unit, release):
    entries = [Entry(f"student{n}", made(release, ESSAY, share=n / 4), "m") for n in range(5)]
    with open_writer(klass, unit) as writer:
        writer.record(entries[:1])
        writer.record(entries)
    for n, entry in enumerate(entries):
        score = written(klass, unit, entry.student)["score"]
        assert score == n / 4 * sum(exercise.points for exercise in unit.exercises)


def test_only_the_same_work_counts_as_graded(klass, unit, release):
    record(klass, unit, made(release, ESSAY), "this")
    with open_writer(klass, unit) as writer:
        assert writer.is_graded(STUDENT, "this")
        assert not writer.is_graded(STUDENT, "other")
        assert not writer.is_graded("grace", "this")


def test_a_lost_gradebook_is_noticed(klass, unit, release):
    record(klass, unit, made(release, ESSAY), "this")
    with open_gradebook(klass.gradebook_url) as book:
        book.remove_submission(unit.key, STUDENT)
    with open_writer(klass, unit) as writer:
        assert not writer.is_graded(STUDENT, "this")


def test_a_run_killed_before_the_file_is_moved_grades_again(klass, unit, release, monkeypatch):
    record(klass, unit, made(release, ESSAY, share=0.0), "older")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            record(klass, unit, made(release, ESSAY), "newer")
    with open_writer(klass, unit) as writer:
        assert not writer.is_graded(STUDENT, "newer")
        assert not writer.is_graded(STUDENT, "older")
    record(klass, unit, made(release, ESSAY), "newer")
    assert written(klass, unit)["score"] > 0


@pytest.mark.parametrize(
    ("stamp", "read"),
    [
        ("2025-02-03 04:05:06 UTC", datetime.datetime(2025, 2, 3, 4, 5, 6)),
        ("2025-02-03 04:05:06 Europe/Berlin", datetime.datetime(2025, 2, 3, 3, 5, 6)),
        ("yesterday evening", None),
        ("", None),
        (None, None),
    ],
)
def test_when_it_was_handed_in(klass, unit, release, stamp, read):
    folder = klass.submitted(unit, STUDENT)
    folder.mkdir(parents=True)
    if stamp is not None:
        (folder / "timestamp.txt").write_text(stamp)
    record(klass, unit, made(release, ESSAY))
    assert written(klass, unit)["timestamp"] == read


def test_a_mark_changes_with_everything_that_could_change_a_grade():
    settings = Settings(seed=1, cell_timeout=2)
    marks = {
        digest(b"ab", b"c", settings),
        digest(b"a", b"bc", settings),
        digest(b"ab", b"d", settings),
        digest(b"ab", b"c", replace(settings, seed=2)),
        digest(b"ab", b"c", replace(settings, cell_timeout=3)),
    }
    assert len(marks) == 5
    assert digest(b"ab", b"c", Settings(1, 2)) in marks


def test_problems_are_kept_in_the_notebook(klass, unit, release):
    record(klass, unit, zero(release, "Why not."))
    kept = read_graded(klass.autograded(unit, STUDENT)).metadata["grader"]["problems"]
    assert [Problem(**problem) for problem in kept] == [Problem("Why not.", is_fatal=True)]


def test_another_notebook_in_the_place_is_not_taken_for_ours(klass, unit):
    place = klass.autograded(unit, STUDENT)
    assert read_graded(place) is None
    place.parent.mkdir(parents=True)
    place.write_text("{")
    assert read_graded(place) is None
    place.write_bytes(as_bytes(nbformat.v4.new_notebook()))
    assert read_graded(place) is None
