"""What the environment's check says of packages that are there, missing, too old or elsewhere."""

import re
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from course import environment
from course.environment import Environment, _Part, check_environment

ROOT = Path(__file__).resolve().parents[2]


def part(found, tested="2.0", *, optional=False):
    return _Part("numpy", found, SpecifierSet(">=1.5"), tested, optional)


@pytest.mark.parametrize(
    ("given", "verdict", "advice"),
    [
        (part("2.0"), "fits", ""),
        (part("2.0+cpu"), "fits", ""),
        (part("2.0", None), "fits", ""),
        (part("2.1"), "fits, other than tested", ""),
        (part("1.5.dev1+git"), "does not fit", "numpy 1.5.dev1+git is here; >=1.5 is needed"),
        (part("2.0rc1"), "fits, other than tested", ""),
        (part("1.4"), "does not fit", 'numpy 1.4 is here; >=1.5 is needed: %pip install "numpy>='),
        (part(None), "missing", "numpy is not installed; >=1.5 is needed: %pip install"),
        (part(None, optional=True), "not installed, optional", "for the parts that use it: %pip"),
    ],
)
def test_a_part_says_whether_it_fits_and_what_to_do(given, verdict, advice):
    assert given.verdict == verdict
    assert advice in given.advice
    assert bool(given.advice) is bool(advice)


@pytest.mark.parametrize(
    ("parts", "misplaced", "ready"),
    [
        ((part("2.0"), part(None, optional=True)), None, True),
        ((part("2.0"), part("1.0", optional=True)), None, True),
        ((part("2.0"), part(None)), None, False),
        ((part("1.0"),), None, False),
        ((part("2.0"),), Path("elsewhere"), False),
    ],
)
def test_ready_means_all_that_is_needed_in_the_right_place(parts, misplaced, ready):
    seen = Environment(parts, misplaced)
    fitting = sum(each.fits for each in parts)
    assert seen.ready is ready
    first = f"{'Ready' if ready else 'Not ready'}: {fitting} of {len(parts)} parts fit."
    assert str(seen).splitlines()[0] == repr(seen).splitlines()[0] == first
    assert len(seen.advice) == len(parts) - fitting + bool(misplaced)
    assert seen._repr_html_().count("<tr>") == len(parts) + 1


def test_the_page_is_escaped():
    odd = _Part("<b>", None, SpecifierSet(), "<i>")
    shown = Environment((odd,), Path("<u>"))._repr_html_()
    assert not re.search("<[biu]>(?!Not ready)", shown)


def test_this_environment_is_ready_and_every_part_was_tested():
    seen = check_environment(ROOT)
    assert seen.ready, str(seen)
    names = [each.name for each in seen.parts]
    assert names[0] == "Python"
    assert {"numpy", "ipywidgets", "jupyterlab", "torch", "tensorboard"} <= set(names)
    assert not {"nbgrader", "mypy"} & set(names)
    assert all(each.tested for each in seen.parts[1:])
    optional = {each.name for each in seen.parts if each.optional}
    assert optional == {"jupyterlab", "torch", "tensorboard"}


def test_python_itself_may_be_too_old(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 1))
    seen = check_environment(ROOT)
    assert not seen.ready
    assert seen.advice[0].startswith("Python 3.8.1 is here, >=3.11 is needed")


def test_a_missing_package_is_said_with_its_command(monkeypatch):
    found = environment._found
    monkeypatch.setattr(environment, "_found", lambda n: None if n == "torch" else found(n))
    seen = check_environment(ROOT)
    assert seen.ready
    assert re.fullmatch(r'torch is not installed; .*: %pip install "torch>=[\d.]+"', seen.advice[0])


def test_the_tested_versions_lie_in_the_package_or_beside_it(monkeypatch, tmp_path):
    package = tmp_path / "course"
    package.mkdir()
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    assert environment._tested_versions() == {}
    (tmp_path / "constraints.txt").write_text("# a==1\nScikit_Learn==1.0\n\n")
    assert environment._tested_versions() == {"scikit-learn": "1.0"}
    (package / "constraints.txt").write_text("jinja2==3.0\n")
    assert environment._tested_versions() == {"jinja2": "3.0"}


def test_another_environment_than_the_folders_is_noticed(tmp_path):
    folder = tmp_path / "lessons/00_start"
    folder.mkdir(parents=True)
    assert check_environment(folder).misplaced is None
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").touch()
    seen = check_environment(folder)
    assert seen.misplaced == (tmp_path / ".venv").resolve()
    assert not seen.ready
    assert sys.prefix in seen.advice[0]


def test_the_folders_own_environment_is_the_right_one(tmp_path, monkeypatch):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert check_environment(tmp_path).misplaced is None
