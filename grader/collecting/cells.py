"""Text in a table that a spreadsheet program must not take for a formula."""

from __future__ import annotations

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Return a text with an apostrophe before what a spreadsheet would compute."""
    return f"'{text}" if text.startswith(FORMULA) and not _is_harmless(text) else text


def plain_cell(text: str) -> str:
    """Return the text that ``safe_cell`` was given."""
    return text[1:] if text.startswith("'") and safe_cell(text[1:]) == text else text


def _is_harmless(text: str) -> bool:
    """Tell whether a text is a number or only signs, as the "-" for "nothing" in worksheets."""
    if not text.strip("".join(FORMULA)):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
