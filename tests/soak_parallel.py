"""Train in processes again and again: every run must end well, and give the same to the last bit.

``make soak`` runs it. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import sys
import time

from course.parallel.lab.errors import ParallelError
from course.parallel.lab.processes import Place, train
from course.parallel.lab.settings import Settings

COLLECTIVES = ("ddp", "ring", "central")


def main() -> None:
    """Print a line a run and a summary; end with status 1 if a run failed or gave another result.

    Raises:
        SystemExit: always.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50, help="how many (default: 50)")
    parser.add_argument("--nproc", type=int, default=4, help="ranks in each (default: 4)")
    asked = parser.parse_args()
    first: dict[str, float] = {}
    failed = 0
    began = time.perf_counter()
    for run in range(asked.runs):
        collective = COLLECTIVES[run % len(COLLECTIVES)]
        start = time.perf_counter()
        outcome = one(collective, asked.nproc, first)
        failed += outcome != "ok"
        seconds = time.perf_counter() - start
        say(f"run {run + 1:3} of {asked.runs}: {collective:8} {seconds:5.1f} s  {outcome}")
    well, seconds = asked.runs - failed, time.perf_counter() - began
    say(f"{well} of {asked.runs} runs with {asked.nproc} ranks ended well, in {seconds:.0f} s")
    sys.exit(failed > 0)


def one(collective: str, nproc: int, first: dict[str, float]) -> str:
    """Make one run and say how it went."""
    settings = Settings(collective=collective, epochs=1)
    try:
        report = train(settings, Place(nproc))
    except ParallelError as error:
        return str(error)
    if report is None:
        return "no report"
    loss = report.epochs[-1].train_loss
    if first.setdefault(collective, loss) != loss:
        return f"the training loss is {loss!r}, at first it was {first[collective]!r}"
    return "ok"


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
