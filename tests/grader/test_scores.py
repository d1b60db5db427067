"""Which outputs are points: a bare number in range and nothing else."""

import pytest
from nbformat.v4 import new_output

from course.checking import MIME
from grader.scores import read_score, read_verdict
from small_release import answered, cell_of, release

TEST = cell_of(release(), "test_f")
WORDS = cell_of(release(), "why")


def result(text):
    return new_output("execute_result", data={"text/plain": text})


def shown(text, **data):
    return new_output("display_data", data={"text/plain": text, **data})


def said(text, stream="stdout"):
    return new_output("stream", name=stream, text=text)


FAILED = new_output("error", ename="NothingEarned", evalue="no points", traceback=[])


@pytest.mark.parametrize(
    ("outputs", "points"),
    [
        ([result("2.0")], 2.0),
        ([result("2")], 2.0),
        ([result("0.5")], 0.5),
        ([result("0.0")], 0.0),
        ([said("hello"), said("careful", "stderr"), shown("verdict"), result("1.5")], 1.5),
        ([], 0.0),
        ([FAILED], 0.0),
        ([result("2.0"), FAILED], 0.0),
        ([said("2.0")], 0.0),
        ([shown("2.0")], 0.0),
        ([shown("✗ adam: wrong value")], 0.0),
        ([result("2.0"), result("2.0")], 0.0),
        ([result("nan")], 0.0),
        ([result("inf")], 0.0),
        ([result("-1.0")], 0.0),
        ([result("2.5")], 0.0),
        ([result("True")], 0.0),
        ([result("'2.0'")], 0.0),
        ([result("np.float64(2.0)")], 0.0),
        ([result("")], 0.0),
        ([new_output("execute_result", data={"image/png": "2.0"})], 0.0),
    ],
)
def test_a_test_cell_earns_the_number_it_ends_in(outputs, points):
    cell = cell_of(answered(), "test_f")
    cell.outputs = outputs
    score = read_score(cell, TEST)
    assert (score.points, score.max_points) == (points, 2.0)


def test_a_number_out_of_range_is_reported():
    cell = cell_of(answered(), "test_f")
    cell.outputs = [result("2.5")]
    assert "ended in '2.5', not in 0 to 2 points" in read_score(cell, TEST).note


@pytest.mark.parametrize(
    ("text", "points"), [("Because.", None), ("YOUR ANSWER HERE", 0.0), ("YOUR ANSWER HERE\n", 0.0)]
)
def test_words_wait_for_a_person_unless_there_are_none(text, points):
    assert read_score(cell_of(answered(why=text), "why"), WORDS).points == points


VERDICT = {"exercise": "f", "status": "right", "parts": [{"name": "a", "earned": True}]}


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (VERDICT, VERDICT),
        ({**VERDICT, "mistake": None}, {**VERDICT, "mistake": None}),
        ({**VERDICT, "mistake": {"name": "m", "sentence": "s"}},) * 2,
        ({**VERDICT, "mistake": "m"}, None),
        ({**VERDICT, "parts": "all"}, None),
        ({**VERDICT, "parts": [5]}, None),
        ({"exercise": "f"}, None),
        ("right", None),
        (None, None),
    ],
)
def test_only_a_verdict_in_order_is_read(verdict, expected):
    cell = cell_of(answered(), "test_f")
    cell.outputs = [shown("text", **{MIME: verdict}), result("2.0")]
    assert read_verdict(cell) == expected
