"""A class folder: where one class's releases, submissions, grades and reports lie."""

from __future__ import annotations

import math
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course.checking import Unit
from grader.content import find_content, is_content
from grader.errors import GraderError, UsageError
from grader.files import write_atomically
from grader.schedule import Schedule, read_schedule

MARK = "class.toml"
CELL_TIMEOUT = 60

_CLASS = """\
# A class of the course "Training neural networks", made by: grader init
# Keep this file to yourself: whoever knows the seed knows the cases that grading tries.
course = {course}
grading_seed = {seed}
# Seconds that one cell of a submission may run.
cell_timeout = {timeout}
demo = {demo}
{db}
# When the units are due, who has longer, and what lateness costs. Change a date and run
# "grader late": the penalties follow without grading again.
#
# timezone = "Europe/Berlin"  # of times that name no zone, as in Moodle's worksheet
#
# [late]               # each day begun costs 10 % of the maximum; after 3 days all is lost
# grace_minutes = 15
# per_day = 10
# max_days = 3
#
# [units.03_optimizers]
# due = 2026-11-20T23:59:00+01:00
# late = "none"        # or {{ grace_minutes = 15, per_day = 10 }}: for this unit only
#
# [extensions.STUDENT]
# 03_optimizers = 2026-11-27T23:59:00+01:00
"""

COURSE_ID = "training-neural-networks"
"""The course's name in nbgrader's database and exchange."""

_NBGRADER = '''\
"""Settings for nbgrader's own commands and formgrader in this class folder."""

import tomllib
from pathlib import Path

c = get_config()  # noqa: F821 - nbgrader provides it

root = Path(__file__).resolve().parent
settings = root / "class.toml"
written = tomllib.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {{}}
c.CourseDirectory.course_id = "{course_id}"
c.CourseDirectory.root = str(root)
c.CourseDirectory.db_url = written.get("db", f"sqlite:///{{root / 'gradebook.db'}}")
# The text beside a notebook holds the solutions: it never leaves the source folder.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.py"]
c.ClearSolutions.begin_solution_delimeter = "BEGIN SOLUTION"
c.ClearSolutions.end_solution_delimeter = "END SOLUTION"
c.Exchange.root = str(root / "exchange")
c.ExecutePreprocessor.timeout = 60
c.HTMLExporter.exclude_anchor_links = True
# Formgrader shows what students made: nothing of it may act in the browser.
c.HTMLExporter.preprocessors = ["grader.formgrader.CleanNotebook"]
'''


@dataclass(frozen=True)
class ClassFolder:
    """A class folder and its settings.

    Attributes:
        root: the folder itself.
        course: the root of the course's content.
        seed: from which grading draws the cases that students do not see.
        cell_timeout: the seconds that a cell of a submission may run.
        demo: whether `grader demo` made it and may replace it.
        db: the address of the gradebook's database, where it is not a file in the folder.
        schedule: when the units are due, and what lateness costs.
    """

    root: Path
    course: Path
    seed: int
    cell_timeout: float
    demo: bool
    db: str | None = field(default=None, repr=False)
    schedule: Schedule = field(default_factory=Schedule, hash=False)

    @property
    def gradebook_url(self) -> str:
        """The address of nbgrader's database; it may hold a password."""
        return self.db or f"sqlite:///{self.root / 'gradebook.db'}"

    def source(self, unit: Unit) -> Path:
        """The assignment's notebook with its solutions."""
        return self.root / "source" / unit.key / notebook_name(unit)

    def release(self, unit: Unit) -> Path:
        """The assignment's notebook as students get it."""
        return self.root / "release" / unit.key / notebook_name(unit)

    def submitted(self, unit: Unit, student: str) -> Path:
        """The folder with what a student handed in."""
        return self.root / "submitted" / student / unit.key

    def autograded(self, unit: Unit, student: str) -> Path:
        """A student's graded notebook."""
        return self.root / "autograded" / student / unit.key / notebook_name(unit)

    def feedback(self, unit: Unit, student: str) -> Path:
        """A student's feedback page."""
        name = Path(notebook_name(unit)).with_suffix(".html")
        return self.root / "feedback" / student / unit.key / name

    def report(self, unit: Unit) -> Path:
        """The class report of a unit."""
        return self.root / "reports" / f"{unit.key}.html"

    def students(self, unit: Unit) -> list[str]:
        """The students with a folder for this unit among the submissions."""
        folders = sorted((self.root / "submitted").glob(f"*/{unit.key}"))
        return [f.parent.name for f in folders if f.is_dir() and not f.parent.name.startswith(".")]

    def is_released(self, unit: Unit) -> bool:
        """Tell whether the unit has been released in this class."""
        return self.release(unit).is_file()

    def require_release(self, unit: Unit) -> bytes:
        """Return the released notebook.

        Raises:
            GraderError: there is none yet.
        """
        if not self.is_released(unit):
            raise GraderError(
                f"{unit.key} has not been released in {self.root}. "
                f"Run grader release {unit.key} first."
            )
        return self.release(unit).read_bytes()


def notebook_name(unit: Unit) -> str:
    """Return the file name that a unit's assignment has at every step."""
    return Path(unit.assignment).name


def make_class(
    root: Path,
    course: Path,
    *,
    cell_timeout: float = CELL_TIMEOUT,
    demo: bool = False,
    db: str | None = None,
) -> ClassFolder:
    """Make a class folder with a random grading seed of its own.

    Raises:
        UsageError: the folder is in use, or lies among the course's sources.
    """
    root = root.resolve()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} exists and is not an empty folder. Choose another name.")
    _refuse_source_tree(root)
    text = _CLASS.format(
        course=_toml_text(str(course)),
        seed=secrets.randbits(62),
        timeout=cell_timeout,
        demo=str(demo).lower(),
        db=f"db = {_toml_text(db)}" if db else '# db = "postgresql://..." for another gradebook',
    )
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in ("submitted", "exchange"):  # nbgrader's commands look for both
            (root / folder).mkdir()
    except OSError as error:
        raise UsageError(
            f"{root} cannot be made: {error.strerror}. Choose a folder that you may write to."
        ) from None
    write_atomically(root / "nbgrader_config.py", _NBGRADER.format(course_id=COURSE_ID).encode())
    write_atomically(root / MARK, text.encode(), mode=0o600)
    return open_class(root)


def open_class(
    folder: Path | None = None, course: Path | None = None, db: str | None = None
) -> ClassFolder:
    """Open the class folder that is named, or else the one that holds the current folder.

    Args:
        folder: the class folder.
        course: the course's root, where it is not the one written in the class folder.
        db: the address of the gradebook's database, where it is not the one written there.

    Raises:
        UsageError: there is no class folder, or it is damaged.
    """
    try:
        root = _find(folder)
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be read: {error.strerror}. See who may read it."
        ) from None
    path = root / MARK
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        _require_settings(written)
        return ClassFolder(
            root=root,
            course=find_content(course) if course else Path(written["course"]),
            seed=written["grading_seed"],
            cell_timeout=float(written.get("cell_timeout", CELL_TIMEOUT)),
            demo=written.get("demo", False),
            db=db or written.get("db"),
            schedule=read_schedule(written),
        )
    except KeyError as error:
        raise UsageError(f"{path} has no line {error.args[0]} = .... Add it.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}. Correct it.") from None


def require_content(klass: ClassFolder) -> Path:
    """Return the root of the course's content.

    Raises:
        UsageError: it is not where the class folder says.
    """
    if not is_content(klass.course):
        raise UsageError(
            f"{klass.root / MARK} says that the course lies in {klass.course}, and it does not. "
            "Correct the line course = ... or name the folder with --course DIR."
        )
    return klass.course


_SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "course": (lambda value: isinstance(value, str), 'a text in quotes, as "/home/me/course"'),
    "grading_seed": (
        lambda value: type(value) is int and value >= 0,
        "a whole number of at least 0",
    ),
    "cell_timeout": (
        lambda value: type(value) in (int, float) and 0 < value < math.inf,
        "a number of seconds above 0",
    ),
    "demo": (lambda value: isinstance(value, bool), "true or false, without quotes"),
    "db": (lambda value: isinstance(value, str), 'a text in quotes, as "postgresql://..."'),
}
_SCHEDULE = ("timezone", "late", "units", "extensions")


def _require_settings(written: Mapping[str, Any]) -> None:
    """Refuse settings that are not known, or that are of the wrong kind.

    Raises:
        ValueError: there is one; the text says which.
    """
    known = [*_SETTINGS, *_SCHEDULE]
    others = sorted(set(written) - set(known))
    if others:
        raise ValueError(f"it has {others[0]}; known are {', '.join(known)}")
    for name, (fits, wanted) in _SETTINGS.items():
        if name in written and not fits(written[name]):
            raise ValueError(f"{name} is {written[name]!r}, not {wanted}")


def _find(folder: Path | None) -> Path:
    if folder is not None:
        root = folder.resolve()
        if not root.is_dir():
            raise UsageError(f"There is no folder {folder}. Make a class with grader init DIR.")
        if not (root / MARK).is_file():
            raise UsageError(
                f"{folder} is not a class folder: it has no {MARK}. Make one with grader init DIR."
            )
        return root
    here = Path.cwd().resolve()
    for root in (here, *here.parents):
        if (root / MARK).is_file():
            return root
    raise UsageError(
        f"No class folder in {here} or above. Name one with --class DIR, "
        "or make one with grader init DIR."
    )


def _refuse_source_tree(root: Path) -> None:
    for parent in root.parents:
        if is_content(parent) and not root.is_relative_to(parent / "build"):
            raise UsageError(
                f"{root} lies among the course's sources in {parent}, where grades do not belong. "
                f"Choose a folder outside, or below {parent / 'build'}."
            )


def _toml_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
