"""The ``grader`` command, and ``python -m grader``."""


def main() -> None:
    """Run the command."""
    # Not above: worker processes import the program they were started from, and need no verbs.
    from grader.cli import main as run

    run()


if __name__ == "__main__":
    main()
