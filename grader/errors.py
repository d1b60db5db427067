"""The one kind of error that a person using the command is meant to read."""


class GraderError(Exception):
    """Something the user can put right; its text says what was wrong and what to do.

    The command prints the text on one line and ends with the exit status.
    """

    exit_status = 1


class UsageError(GraderError):
    """The command was called with something that does not exist or does not fit."""

    exit_status = 2
