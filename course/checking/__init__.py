"""An exercise, a case, a mistake, a verdict, and how a verdict is shown."""

from course.checking.call import item, unpack
from course.checking.exercise import Case, Exercise, Mistake, Observations, Part, Unit, answer_text
from course.checking.judge import judge, no_points
from course.checking.mistakes import MistakeTable
from course.checking.verdict import MIME, Verdict

__all__ = [
    "MIME",
    "Case",
    "Exercise",
    "Mistake",
    "MistakeTable",
    "Observations",
    "Part",
    "Unit",
    "Verdict",
    "answer_text",
    "item",
    "judge",
    "no_points",
    "unpack",
]
