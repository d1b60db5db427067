"""Text tables line up, whatever is in them."""

import pytest

from course.tables import text_table


def test_columns_line_up():
    lines = text_table(["a", "long header"], [["longer", 1], ["β₁", "0.25"]]).splitlines()
    assert lines == [
        "a       long header",
        "-------------------",
        "longer            1",
        "β₁             0.25",
    ]


def test_empty_cells_leave_no_spaces_at_the_end():
    assert all(line == line.rstrip() for line in text_table(["a", "b"], [["x", ""]]).splitlines())


def test_no_rows_is_a_header():
    assert text_table(["a", "b"], []) == "a  b\n----"


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="has 1 values for 2 columns"):
        text_table(["a", "b"], [["x"]])
