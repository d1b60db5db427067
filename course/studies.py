"""Studies over many seeds: the tables that experiments write and lessons read, and error bars."""

from __future__ import annotations

import csv
import datetime
import inspect
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["mean_and_error", "read_study", "where", "write_study"]

Array = Any

_PACKAGES = ("numpy", "scipy", "scikit-learn")


def write_study(
    path: str | Path,
    about: Sequence[str],
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> None:
    r"""Write a study as CSV whose first lines say what it holds and how it came about.

    .. math:: \text{file} = (\text{about},\ \text{date and versions},\ \text{header},\ \text{rows})

    Args:
        path: the file; its folder is made if it is missing.
        about: lines on what was measured: the data, the network, the seeds.
        header: the columns' names.
        rows: the values, one for each column; floats are kept to five digits.

    Returns:
        Nothing.

    Raises:
        ValueError: a row has another number of values than there are columns, or a text holds a
            comma, a quote or a line break; nothing is written.

    Example:
        >>> from tempfile import mkdtemp
        >>> file = Path(mkdtemp(), "rates.csv")
        >>> write_study(file, ["Loss by rate, seeds 0 to 1."], ["lr", "seed"], [[0.1, 0], [0.1, 1]])
        >>> len(read_study(file))
        2

    References:
        Pineau et al., *Improving Reproducibility in Machine Learning Research*, 2020,
        arXiv:2003.12206.

    Who differs:
        A tracking server keeps more, for larger projects; a small table lies beside its lesson.
    """
    table = [[_short(value) for value in row] for row in rows]
    for line in table:
        if len(line) != len(header):
            raise ValueError(
                f"write_study: the row {line} has {len(line)} values for {len(header)} columns."
            )
        for value in line:
            if isinstance(value, str) and set(value) & set(',"#\n'):
                raise ValueError(
                    f"write_study: {value!r} holds a sign that parts a table: use no comma, quote, "
                    "# or line break."
                )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    made = (
        f"made on {datetime.date.today()} by {_caller()} with Python {platform.python_version()}, "
        f"{versions}"
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {line}\n" for line in (*about, made))
        csv.writer(file, lineterminator="\n").writerows([header, *table])


def read_study(path: str | Path) -> Array:
    r"""Return a study's table: a structured array whose fields are the columns.

    .. math:: \text{table}[\text{column}]_i = \text{cell}_{i,\,\text{column}}

    Args:
        path: a file that `write_study` has written.

    Returns:
        The structured array of shape (rows,): ``table["lr"]`` is a column, ``table[3]`` a row.

    Raises:
        FileNotFoundError: there is no such file; ``make experiments`` makes it.

    Example:
        >>> from tempfile import mkdtemp
        >>> file = Path(mkdtemp(), "losses.csv")
        >>> write_study(file, ["Losses."], ["rule", "loss"], [["sgd", 0.5], ["adam", 0.25]])
        >>> read_study(file)["loss"]
        array([0.5 , 0.25])

    References:
        Harris et al., *Array programming with NumPy*, 2020, doi:10.1038/s41586-020-2649-2.

    Who differs:
        pandas gives a frame; a structured array needs no other package.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"read_study: there is no {path}. `make experiments` writes the studies' tables; a "
            "notebook finds them in the folder it lies in."
        ) from None
    table = [line for line in lines if not line.startswith("#")]
    read = np.genfromtxt(table, delimiter=",", names=True, dtype=None, encoding="utf-8")
    return np.atleast_1d(read)


def where(table: Array, **wanted: object) -> Array:
    r"""Return the rows of a table in which these columns have these values.

    .. math:: \{ r : r_c = w_c \text{ for every } c \}

    Args:
        table: a structured array, as `read_study` returns.
        **wanted: the value of each column.

    Returns:
        The rows, in their order; none where nothing fits.

    Raises:
        KeyError: there is no such column; the text names those that exist.

    Example:
        >>> table = np.array([("a", 1), ("b", 2)], dtype=[("name", "U1"), ("value", int)])
        >>> where(table, name="b")["value"]
        array([2])

    References:
        Codd, *A Relational Model of Data for Large Shared Data Banks*, 1970,
        doi:10.1145/362384.362685: a selection.

    Who differs:
        pandas writes ``table[table.name == "b"]``.
    """
    keep = np.ones(len(table), dtype=bool)
    for column, value in wanted.items():
        if column not in table.dtype.names:
            raise KeyError(f"where: no column {column!r}; there are {', '.join(table.dtype.names)}")
        keep &= table[column] == value
    return table[keep]


def mean_and_error(values: Array) -> tuple[float, float]:
    r"""Return the mean over the seeds and its standard error.

    .. math:: \bar v = \frac1n \sum_i v_i, \qquad
              \text{error} = \frac{1}{\sqrt n}\sqrt{\frac{1}{n - 1}\sum_i (v_i - \bar v)^2}

    Args:
        values: one number for each seed, at least two.

    Returns:
        Mean and standard error.

    Raises:
        ValueError: there are fewer than two numbers: one alone has no spread.

    Example:
        >>> mean_and_error([1.0, 3.0])
        (2.0, 1.0)

    References:
        Bouthillier et al., *Accounting for Variance in Machine Learning Benchmarks*, 2021,
        arXiv:2103.03098.

    Who differs:
        Many papers show the standard deviation, which does not shrink with more seeds: say which.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ValueError(f"mean_and_error: needs two values or more, got {values.size}.")
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(values.size))


def _short(value: object) -> object:
    return f"{value:.5g}" if isinstance(value, (float, np.floating)) else value


def _caller() -> str:
    """Return the name of the script that writes: a reader of the table wants to find it."""
    names = (Path(frame.filename).name for frame in inspect.stack()[1:])
    return next((name for name in names if name != Path(__file__).name), "a script")
