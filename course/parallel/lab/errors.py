"""Errors that a person who runs ``course parallel`` is meant to read, on one line."""


class ParallelError(Exception):
    """Something went wrong in a run; the text says on which rank, where and what.

    The command prints the text on one line and ends with the exit status.
    """

    exit_status = 1


class UsageError(ParallelError):
    """The command was called with something that does not exist or does not fit."""

    exit_status = 2


def require_at_least(option: str, value: float, least: float) -> None:
    """Raise where an option's number is too small, or none."""
    if not value >= least:
        raise UsageError(f"{option} must be at least {least:g}, got {value:g}.")


def require_at_most(option: str, value: float, most: float) -> None:
    """Raise where an option's number is too large, or none."""
    if not value <= most:
        raise UsageError(f"{option} must be at most {most:g}, got {value:g}.")
