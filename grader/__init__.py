"""What instructors run: release, grade, feedback, report. Grades live in nbgrader's gradebook."""

import sys

# jsonschema, which nbformat imports, would parse the grammar of web addresses at every start of
# every process: three seconds for a check that notebooks have no use for. It does without.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
