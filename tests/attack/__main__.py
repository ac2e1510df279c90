"""The long attack, `make attack`: a table of what came of it, and each failure with the seed that repeats it."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

COUNTS = {"files": 7500, "frames to clean readings": 4000, "frames to a forecast": 4000, "configurations": 6000}
_MOST_TOLD = 20


def main(
    seed: Annotated[int, typer.Option(help="Number of the first attempt.")] = 0,
    share: Annotated[float, typer.Option(min=0, help="Share of the usual number of attempts.")] = 1.0,
) -> None:
    """Attack each entrance; exit code 1 where anything but a result or clear words came of it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from entrances import attack

    console, failures = Console(), []
    table = Table("entrance", "attempts", "results", "refused in words", "failures", "longest message", "minutes")
    for name, count in COUNTS.items():
        began = time.monotonic()
        tally = attack(name, seed, max(1, round(count * share)))
        counts = (tally.attempts, tally.results, tally.refused, len(tally.failures), tally.longest)
        table.add_row(name, *(f"{each:,}" for each in counts), f"{(time.monotonic() - began) / 60:.1f}")
        failures += tally.failures
    console.print(table)
    for words in failures[:_MOST_TOLD]:
        console.print(escape(words), soft_wrap=True, highlight=False)
    raise typer.Exit(1 if failures else 0)


if __name__ == "__main__":
    typer.run(main)
