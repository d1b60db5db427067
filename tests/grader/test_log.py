"""The log: one line an event, bounded in size, and silent before a class is open."""

import pytest

from grader import log
from grader.class_folder import make_class


@pytest.fixture
def opened(klass):
    log.open_log(klass)
    yield klass.root / "grader.log"
    log.close_log()


def test_an_event_is_one_line(opened):
    log.note("two\nlines\x1b[0m\u2028here")
    text = opened.read_text()
    assert text.count("\n") == 1
    assert text.endswith("UTC INFO    two lines [0m here\n")


def test_the_log_is_made_with_the_first_event(opened):
    assert not opened.exists()
    log.note("first")
    assert opened.exists()


def test_without_an_open_log_an_event_goes_nowhere(opened):
    log.close_log()
    log.note("to nobody")
    assert not opened.exists()


def test_a_log_that_cannot_be_written_stops_nothing_and_says_nothing(opened, capsys):
    opened.mkdir()
    log.note("to nobody")
    assert capsys.readouterr().err == ""


def test_the_log_does_not_grow_forever(klass, monkeypatch):
    monkeypatch.setattr(log, "SIZE", 500)
    log.open_log(klass)
    for number in range(200):
        log.note(f"event {number}")
    log.close_log()
    files = sorted(path.name for path in klass.root.glob("grader.log*"))
    assert files == ["grader.log", "grader.log.1", "grader.log.2", "grader.log.3"]
    assert all((klass.root / name).stat().st_size <= 500 for name in files)
    assert "event 199" in (klass.root / "grader.log").read_text()


def test_a_log_is_of_one_class(klass, tmp_path):
    other = make_class(tmp_path / "other", klass.course)
    log.open_log(klass)
    log.open_log(other)
    log.note("here")
    log.close_log()
    assert not (klass.root / "grader.log").exists()
    assert "here" in (other.root / "grader.log").read_text()
