"""What `wattcast replay` prints when it is done: tables for people, a record for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table

from wattcast.flows.cli.output import show_banner
from wattcast.flows.scores import outcome_rows
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.stages import say

if TYPE_CHECKING:
    from wattcast.flows.replay import Replayed
    from wattcast.tasks.backtest.worth import Outcome


def replayed_record(replayed: Replayed) -> dict[str, Any]:
    """One JSON object for a replay."""
    worth = replayed.worth
    return {
        "run_id": replayed.run_id,
        "data_source": replayed.data_source,
        "unit": worth.unit,
        "recommended": worth.recommended.name,
        "sentence": worth.sentence,
        "gate": worth.gate_sentence,
        "intervals": worth.interval_sentence,
        **asdict(worth),
        "report": replayed.report,
    }


def show_replayed(replayed: Replayed) -> None:
    """What to do, the scores and costs behind it, what the gate did at each cut, and where everything is."""
    console, worth = Console(), replayed.worth
    policies = (*worth.policies, *worth.baselines)
    lowest = min(worth.policies, key=lambda outcome: outcome.rmse)
    rows = outcome_rows("policy", policies, worth.policies[0])
    console.print(_table(rows, lowest, "Policies; seconds of training, difference of RMSE from never"))
    rows = outcome_rows("retrained", worth.cadences, worth.best)
    console.print(_table(rows, worth.recommended, "Cadences; seconds of training, difference of RMSE from the best"))
    if worth.levels:
        console.print(_interval_table((*policies, *worth.cadences[:-1]), worth.levels, worth.unit))
    for cut in worth.cuts:
        outcome = "promoted" if cut.promoted else "refused"
        say(console, f"{cut.at}  {outcome}: {cut.reason}")
    for sentence in (worth.sentence, worth.gate_sentence, worth.interval_sentence, replayed.scored):
        if sentence:
            say(console, sentence)
    show_banner(console, replayed.data_source)
    console.print(f"run     {replayed.run_id}\nreport  {replayed.report}", soft_wrap=True)


def _table(rows: Sequence[Mapping[str, str]], marked: Outcome, title: str) -> Table:
    first, *others = rows[0]
    table = Table(Column(first, overflow="fold"), *others, title=title, title_justify="left")
    table.columns[-1].no_wrap = True
    for row in rows:
        table.add_row(*row.values(), style="bold" if row[first] == marked.name else None)
    return table


def _interval_table(outcomes: Sequence[Outcome], levels: Sequence[float], unit: str | None) -> Table:
    """What the intervals of each level hold of the readings, and their Winkler score."""
    head = (f"{100 * level:g} % {name}" for level in levels for name in ("hold", with_unit("Winkler", unit)))
    table = Table("policy or cadence", *head, title="Intervals", title_justify="left")
    for outcome in outcomes:
        found = {each.level: (f"{100 * each.coverage:.1f} %", readable(each.winkler, 2)) for each in outcome.intervals}
        table.add_row(outcome.name, *(cell for level in levels for cell in found.get(level, ("-", "-"))))
    return table
