"""The long attack, `make attack`: a table of what came of it, and each failure with the seed that repeats it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

COUNTS = {"files": 7500, "frames to clean readings": 4000, "frames to a forecast": 4000, "configurations": 6000}
KILLS = 17  # of each kind of command
_MOST_TOLD = 20


def main(
    seed: Annotated[int, typer.Option(help="Number of the first attempt.")] = 0,
    share: Annotated[float, typer.Option(min=0, help="Share of the usual number of attempts.")] = 1.0,
    kills: Annotated[int | None, typer.Option(min=0, help="Number of kills of each kind; 17 times the share.")] = None,
) -> None:
    """Attack each entrance; exit code 1 where anything but a result or clear words came of it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import kills as killing
    from entrances import Tally, attack

    console, failures = Console(), []
    table = Table("entrance", "attempts", "results", "refused in words", "failures", "longest message", "minutes")

    def count(name: str, attacked: Callable[[], Tally]) -> None:
        began = time.monotonic()
        tally = attacked()
        counts = (tally.attempts, tally.results, tally.refused, len(tally.failures), tally.longest)
        table.add_row(name, *(f"{each:,}" for each in counts), f"{(time.monotonic() - began) / 60:.1f}")
        failures.extend(tally.failures)

    for name, attempts in COUNTS.items():
        count(name, partial(attack, name, seed, round(attempts * share)))
    dead = round(KILLS * share) if kills is None else kills
    for name, kind in killing.KINDS.items():
        count(f"{name} with {dead} kills", partial(killing.attack, kind, seed, dead))
    console.print(table)
    for words in failures[:_MOST_TOLD]:
        console.print(escape(words), soft_wrap=True, highlight=False)
    raise typer.Exit(1 if failures else 0)


if __name__ == "__main__":
    typer.run(main)
