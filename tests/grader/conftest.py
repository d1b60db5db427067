"""A class folder with the model unit released in it, made once and copied for each test."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from course.exercises import find_unit
from grader.class_folder import ClassFolder, make_class, open_class
from grader.release import release

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def console():
    return Console(quiet=True)


@pytest.fixture(scope="session")
def unit():
    return find_unit("03_optimizers")


@pytest.fixture(scope="session")
def released_class(tmp_path_factory, console, unit) -> ClassFolder:
    """Do not change this one: `klass` is a copy for each test."""
    klass = make_class(tmp_path_factory.mktemp("released") / "class", ROOT, cell_timeout=20)
    release(klass, [unit], console)
    return klass


@pytest.fixture
def klass(released_class, tmp_path) -> ClassFolder:
    shutil.copytree(released_class.root, tmp_path / "class")
    return open_class(tmp_path / "class")
