"""A study's table says how it came about, and comes back as it was written."""

import numpy as np
import pytest

from course.studies import mean_and_error, read_study, where, write_study

HEADER = ("rule", "lr", "seed")
ROWS = [("sgd", 0.1, 0), ("adam", np.float64(1 / 3), 1), ("adam", 1e-6, 2)]


@pytest.fixture
def table(tmp_path):
    write_study(tmp_path / "data" / "study.csv", ["Loss by rate.", "seeds 0 to 2"], HEADER, ROWS)
    return tmp_path / "data" / "study.csv"


def test_a_table_comes_back(table):
    read = read_study(table)
    assert read.dtype.names == HEADER
    assert read["rule"].tolist() == ["sgd", "adam", "adam"]
    np.testing.assert_allclose(read["lr"], [0.1, 0.33333, 1e-6])
    assert read["seed"].dtype.kind == "i"


def test_its_first_lines_say_how_it_came_about(table):
    first, second, made, header, *_ = table.read_text(encoding="utf-8").splitlines()
    assert (first, second) == ("# Loss by rate.", "# seeds 0 to 2")
    assert made.startswith("# made on 2")
    assert "by test_studies.py with Python 3." in made
    assert f"numpy {np.__version__}" in made
    assert header == "rule,lr,seed"


def test_one_row_is_a_table_too(tmp_path):
    write_study(tmp_path / "one.csv", [], ["a", "b"], [[1, 2]])
    assert read_study(tmp_path / "one.csv")["b"].tolist() == [2]


def test_a_row_that_does_not_fit_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match=r"\['x'\] has 1 values for 2 columns"):
        write_study(tmp_path / "bad.csv", [], ["a", "b"], [["x"]])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["a, b", 'a "b"', "a\nb", "a # b"])
def test_a_text_that_would_not_come_back_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="a sign that parts a table"):
        write_study(tmp_path / "bad.csv", [], ["a"], [[text]])
    assert not list(tmp_path.iterdir())


def test_a_missing_table_is_said_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="make experiments"):
        read_study(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("wanted", "seeds"),
    [({}, [0, 1, 2]), ({"rule": "adam"}, [1, 2]), ({"rule": "adam", "seed": 2}, [2])],
)
def test_rows_are_chosen_by_their_columns(table, wanted, seeds):
    assert where(read_study(table), **wanted)["seed"].tolist() == seeds
    assert len(where(read_study(table), rule="lion")) == 0


def test_an_unknown_column_is_named(table):
    with pytest.raises(KeyError, match="no column 'rate'; there are rule, lr, seed"):
        where(read_study(table), rate=0.1)


def test_mean_and_standard_error():
    values = np.random.default_rng(0).normal(3, 2, 10_000)
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / 100)
    with pytest.raises(ValueError, match="two values or more, got 1"):
        mean_and_error([1.0])
