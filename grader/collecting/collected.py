"""What collecting has found out about submissions, kept beside them for later commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from course.checking import Unit
from grader.class_folder import ClassFolder
from grader.files import write_atomically


def facts_path(klass: ClassFolder, unit: Unit) -> Path:
    """Where the facts about a unit's submissions lie."""
    return klass.root / "collected" / f"{unit.key}.json"


def read_facts(klass: ClassFolder, unit: Unit) -> dict[str, dict[str, Any]]:
    """Return what is known about each student's submission; nothing if none was collected."""
    try:
        facts: dict[str, dict[str, Any]] = json.loads(facts_path(klass, unit).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts


def write_facts(klass: ClassFolder, unit: Unit, facts: dict[str, dict[str, Any]]) -> None:
    """Keep the facts about a unit's submissions."""
    text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True)
    write_atomically(facts_path(klass, unit), f"{text}\n".encode())
