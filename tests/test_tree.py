"""What lies in the repository is what is packed and checked."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this copy is no git repository")
def test_no_file_of_the_repository_is_ignored():
    """Wheels, linters and type checks leave out what .gitignore names."""
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout == ""
