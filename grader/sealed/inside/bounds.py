"""What both sides of a sandbox know: how much is kept of what a cell shows, and a few signs."""

OUTPUT_LIMIT = 90_000
"""Characters of text."""

PICTURE_LIMIT = 4_000_000
"""Characters of all that is displayed; pictures are base64."""

DISPLAY_LIMIT = 200
"""Outputs."""

CANNOT_START = 97
"""The exit code of a process that could not be set apart."""

START, END, ENDED = b"s", b"e", b"d"
"""What the trusted side asks of the warm server; see `server`."""
