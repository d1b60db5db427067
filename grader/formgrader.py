"""What nbgrader's formgrader loads from this program, by its name in nbgrader_config.py."""

from __future__ import annotations

import re
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from grader.clean import clean_notebook

_NAME = re.compile(r"[\w.-]+")


class CleanNotebook(Preprocessor):
    """Cleans each notebook that formgrader shows, whoever graded it."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean a notebook before it becomes a page."""
        clean_notebook(nb)
        for cell in nb.cells:
            told = cell.metadata.get("nbgrader", {})
            named = _NAME.fullmatch(str(told.get("grade_id", "")))
            cell.metadata = NotebookNode(nbgrader=told) if named else NotebookNode()
        return nb, resources
