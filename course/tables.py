"""Numbers as small text tables: the same on every machine, so that a lesson's can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["text_table"]


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Set values in columns, each as wide as its widest entry.

    .. math:: \text{width}_j = \max_i \text{len}(\text{cell}_{ij})

    Args:
        header: the columns' names.
        rows: the values, one for each column; format numbers before, to digits that are sure.

    Returns:
        The table: the first column to the left, the others to the right, a rule under the header.

    Raises:
        ValueError: a row has another number of values than there are columns.

    Example:
        >>> print(text_table(["rule", "steps"], [["momentum", 64], ["Nesterov", 47]]))
        rule      steps
        ---------------
        momentum     64
        Nesterov     47

    References:
        Tufte, *The Visual Display of Quantitative Information*, 1983.

    Who differs:
        pandas shows frames; for a handful of numbers a line of text is enough.
    """
    lines = [[str(value) for value in row] for row in (header, *rows)]
    for line in lines:
        if len(line) != len(header):
            raise ValueError(
                f"text_table: the row {line} has {len(line)} values for {len(header)} columns."
            )
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    first, *others = (
        "  ".join(
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
    return "\n".join([first, "-" * (sum(widths) + 2 * (len(widths) - 1)), *others])
