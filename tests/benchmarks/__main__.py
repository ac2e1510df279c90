"""The speed of wattcast beside stock Keras and PyTorch: `python -m tests.benchmarks [--quick] [--markdown]`.

No test: nothing here is asserted. A whole run takes about ten minutes on two cores that do nothing else meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from tests.benchmarks.backtests import backtest_table
from tests.benchmarks.contest import contest_table
from tests.benchmarks.growth import growth_table
from tests.benchmarks.members import members_table
from tests.benchmarks.scoring import scoring_table, single_table
from tests.benchmarks.serving import serving_table
from tests.benchmarks.settings import FULL, QUICK, Size
from tests.benchmarks.sweeps import sweep_table
from tests.benchmarks.table import Table
from tests.benchmarks.trials import memory_table, second_trial_table


class Section(StrEnum):
    """What can be measured by itself."""

    CONTEST = "contest"
    SECOND_TRIAL = "second-trial"
    MEMBERS = "members"
    SCORING = "scoring"
    SINGLE = "single"
    SERVING = "serving"
    SWEEP = "sweep"
    BACKTEST = "backtest"
    MEMORY = "memory"
    GROWTH = "growth"


TABLES: dict[Section, Callable[[Size], Table]] = {
    Section.CONTEST: contest_table,
    Section.SECOND_TRIAL: second_trial_table,
    Section.MEMBERS: members_table,
    Section.SCORING: scoring_table,
    Section.SINGLE: single_table,
    Section.SERVING: serving_table,
    Section.SWEEP: sweep_table,
    Section.BACKTEST: backtest_table,
    Section.MEMORY: memory_table,
    Section.GROWTH: growth_table,
}


def main(
    section: Annotated[list[Section] | None, typer.Option(help="Only this section; may stand more than once.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less of everything: a look, not a measurement.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables for a README.")] = False,
) -> None:
    """Measure the speed and the memory of wattcast beside stock Keras and PyTorch."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # for the processes to come
    console, progress = Console(), Console(stderr=True)
    for name in section or Section:
        progress.print(f"measuring: {name}")  # no spinner, whose turning would be measured too
        table = TABLES[name](QUICK if quick else FULL)
        if markdown:
            console.out(table.markdown(), highlight=False)
        else:
            console.print(table.rendered())


if __name__ == "__main__":
    typer.run(main)
