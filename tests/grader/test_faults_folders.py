"""Faults that lie in folders and in what was graded before; full disks and kills: test_kill.py."""

import json
import os
import shutil

import pytest

from grader.class_folder import ClassFolder, notebook_name, open_class
from grader.collecting.collect import strays
from grader.grade import grade
from grader.gradebook import read_graded
from grader.results import read_results
from grader.stock import open_gradebook
from judged_release import MOMENTUM

ANSWER = "momentum"
SECRET = "the instructor's own file"
FULL, NONE = 5.0, 0.0


def notebook(klass, unit, source):
    """Return the release with one answer in it."""
    content = json.loads(klass.require_release(unit))
    for cell in content["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == ANSWER:
            cell["source"] = source
    return json.dumps(content).encode()


def as_link_to_a_file(folder, name, content):
    secret = folder.parents[2] / "secret.ipynb"
    secret.write_text(SECRET)
    (folder / name).symlink_to(secret)


def as_link_to_a_folder(folder, name, content):
    real = folder.parents[2] / "elsewhere"
    real.mkdir()
    (real / name).write_bytes(content)
    folder.rmdir()
    folder.symlink_to(real, target_is_directory=True)


def as_link_to_another_student(folder, name, content):
    (folder / name).symlink_to(folder.parents[1] / "right" / folder.name / name)


def as_link_to_itself(folder, name, content):
    (folder / name).symlink_to(name)


def as_pipe(folder, name, content):
    os.mkfifo(folder / name)


def as_folder(folder, name, content):
    (folder / name).mkdir()
    (folder / name / "x.txt").write_text("x")


def at(*places):
    """Return how to hand in a notebook in other places than its own."""

    def put(folder, name, content):
        for place in places:
            path = folder / place.format(name=name, stem=name.removesuffix(".ipynb"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return put


def stamped(text):
    """Return how to hand in a notebook with this for its time."""

    def put(folder, name, content):
        (folder / name).write_bytes(content)
        (folder / "timestamp.txt").write_bytes(text)

    return put


def with_stamp_folder(folder, name, content):
    (folder / name).write_bytes(content)
    (folder / "timestamp.txt").mkdir()


def with_thousands_of_files(folder, name, content):
    (folder / name).write_bytes(content)
    for number in range(3000):
        (folder / f"data-{number}.csv").write_text("1,2\n")


PUT = {
    "right": (at("{name}"), FULL, ""),
    "link-to-a-file": (as_link_to_a_file, NONE, "is a link to another place"),
    "link-to-a-folder": (as_link_to_a_folder, NONE, "is a link to another place"),
    "link-to-another": (as_link_to_another_student, NONE, "is a link to another place"),
    "link-to-itself": (as_link_to_itself, NONE, "is a link to another place"),
    "pipe": (as_pipe, NONE, "was not handed in"),
    "folder": (as_folder, NONE, "was not handed in"),
    "empty": (at(), NONE, "the folder holds no notebook"),
    "renamed": (at("my homework.ipynb"), NONE, "but my homework.ipynb was"),
    "copy": (at("{stem} (1).ipynb"), NONE, "(1).ipynb was"),
    "two-copies": (at("{name}", "{stem} (1).ipynb"), FULL, ""),
    "sub-folder": (at("unit/{name}"), NONE, "but unit/"),
    "checkpoint": (at(".ipynb_checkpoints/{name}"), NONE, "the folder holds no notebook"),
    "hostile-name": (at("\x1b[2J<b>.ipynb"), NONE, "??2J?b?.ipynb was"),
    "other-case": (at("{stem}.IPYNB"), NONE, "was not handed in"),
    "time-of-nothing": (stamped(b""), FULL, ""),
    "time-of-nonsense": (stamped(b"yesterday, I think"), FULL, ""),
    "time-of-bytes": (stamped(b"\xff\xfe\x00"), FULL, ""),
    "time-of-the-far-future": (stamped(b"99999-01-01 00:00:00 UTC"), FULL, ""),
    "time-in-a-folder": (with_stamp_folder, FULL, ""),
    "thousands-of-files": (with_thousands_of_files, FULL, ""),
    "Zoë's “ü”": (at("{name}"), FULL, ""),
}


@pytest.fixture(scope="module")
def graded(released_class, tmp_path_factory, unit, console) -> ClassFolder:
    """A class in which everybody has handed in differently, graded; do not change it."""
    root = tmp_path_factory.mktemp("folders") / "class"
    shutil.copytree(released_class.root, root)
    klass = open_class(root)
    content = notebook(klass, unit, MOMENTUM)
    for student, (put, _, _) in PUT.items():
        folder = klass.submitted(unit, student)
        folder.mkdir(parents=True)
        put(folder, notebook_name(unit), content)
    (summary,) = grade(klass, [unit], console, jobs=1)
    assert (summary.graded, dict(summary.lost)) == (len(PUT), {})
    return klass


@pytest.mark.parametrize(("student", "row"), PUT.items(), ids=PUT)
def test_each_has_a_grade_and_a_reason(graded, unit, student, row):
    _, points, said = row
    result = next(r for r in read_results(graded, unit).students if r.student == student)
    assert result.points[f"test_{ANSWER}"] == points
    assert sum(result.points.values()) == points
    assert said in " ".join(problem.text for problem in result.problems)
    made = graded.autograded(unit, student)
    assert SECRET not in made.read_text(encoding="utf-8")
    assert {path.name for path in made.parent.iterdir()} == {made.name}
    assert not made.is_symlink()


def test_notebooks_that_are_in_no_student_s_folder_are_named(klass, unit):
    for place in ("loose.ipynb", "ada/loose.ipynb", "ada/ps99/x.ipynb"):
        path = klass.root / "submitted" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(notebook(klass, unit, MOMENTUM))
    assert len(strays(klass)) == 3


CRASHES = {
    "it ends the program": (MOMENTUM + "\nimport os\nos._exit(3)", "exit code 3"),
    "it never ends": ("while True: pass\n" + MOMENTUM, ""),
    "it is no notebook any more": (None, "not valid JSON"),
    "it is a link now": (as_link_to_itself, "is a link to another place"),
    "it is gone": (at(), "the folder holds no notebook"),
}


@pytest.mark.parametrize(("crash", "said"), CRASHES.values(), ids=CRASHES)
def test_a_resubmission_that_fails_keeps_no_old_score(klass, unit, console, crash, said):
    place = klass.submitted(unit, "ada") / notebook_name(unit)
    place.parent.mkdir(parents=True)
    place.write_bytes(notebook(klass, unit, MOMENTUM))
    other = klass.submitted(unit, "ben") / notebook_name(unit)
    other.parent.mkdir(parents=True)
    other.write_bytes(notebook(klass, unit, MOMENTUM))
    klass = ClassFolder(**{**vars(klass), "cell_timeout": 2.0})
    grade(klass, [unit], console, jobs=1)
    assert score(klass, unit, "ada") == score(klass, unit, "ben") == FULL
    if callable(crash):
        place.unlink()
        crash(place.parent, place.name, b"")
    else:
        place.write_bytes(b"{" if crash is None else notebook(klass, unit, crash))
    (summary,) = grade(klass, [unit], console, jobs=1)
    assert (summary.graded, summary.kept, dict(summary.lost)) == (1, 1, {})
    assert (score(klass, unit, "ada"), score(klass, unit, "ben")) == (NONE, FULL)
    about = read_graded(klass.autograded(unit, "ada")).cells[0].source
    assert said in about


def score(klass, unit, student):
    """Return what the gradebook has on the one answer."""
    with open_gradebook(klass.gradebook_url) as book:
        stem = notebook_name(unit).removesuffix(".ipynb")
        return book.find_grade(f"test_{ANSWER}", stem, unit.key, student).score
