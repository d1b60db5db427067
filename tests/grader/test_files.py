"""Files are written whole or not at all, and what stands in the way is named."""

import pytest

from grader.errors import GraderError
from grader.files import PART, write_atomically


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b.csv"
    write_atomically(path, b"1")
    write_atomically(path, b"2")
    assert path.read_bytes() == b"2"
    assert not list(tmp_path.rglob(f"*{PART}"))


@pytest.mark.parametrize("below", ["x.csv", "deeper/x.csv"])
def test_a_file_in_a_folders_place_is_named_as_such(tmp_path, below):
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(GraderError, match="a file stands where its folder should be"):
        write_atomically(tmp_path / "file" / below, b"1")
    assert (tmp_path / "file").read_bytes() == b"kept"
