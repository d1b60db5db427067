"""Numbers that both sides of a sandbox know: how much is kept of what a cell shows."""

OUTPUT_LIMIT = 90_000
"""Characters of text."""

PICTURE_LIMIT = 4_000_000
"""Characters of all that is displayed; pictures are base64."""

DISPLAY_LIMIT = 200
"""Outputs."""

CANNOT_START = 97
"""The exit code of a process that could not be set apart."""
