"""What `wattcast backtest` prints of its verdict: tables for people, a record for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wattcast.flows.cli.output import finite
from wattcast.flows.scores import contest_rows
from wattcast.tasks.numbers import readable
from wattcast.tasks.stages import say

if TYPE_CHECKING:
    from wattcast.tasks.backtest.verdict import Verdict


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """What a JSON object says of a verdict."""
    record: dict[str, Any] = _plain(asdict(verdict))
    recommended = verdict.recommended
    return {
        "recommended": recommended.name if recommended else None,
        "sentence": verdict.sentence,
        "mae": verdict.mae_sentence,
        "useful": verdict.useful_sentence,
        "useful_steps": verdict.useful_steps,
        **record,
        "others": [verdict_record(other) for other in verdict.others],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return finite(value) if isinstance(value, float) else value


def show_verdict(console: Console, verdict: Verdict) -> None:
    """All contestants, the best first, those that failed with their reasons, and whom to use."""
    console.print(_scores(verdict))
    if any(standing.overall.coverage for standing in verdict.standings):
        console.print(_intervals(verdict))
    for fault in verdict.failed:
        say(console, f"{fault.name} failed in fold {fault.fold}: {fault.reason}")
    for sentence in verdict.sentences:
        say(console, sentence)
    for other in verdict.others:
        console.print(_scores(other))
        for sentence in other.sentences:
            say(console, sentence)


def _scores(verdict: Verdict) -> Table:
    of = f"{verdict.target}: " if verdict.is_one_of else ""
    title = (
        f"{of}{len(verdict.folds)} folds, {verdict.days:.0f} days; difference of RMSE from the lowest, 95 % over days"
    )
    rows, chosen = contest_rows(verdict), verdict.recommended
    name, *heads = rows[0]
    table = _empty(title, *heads)
    for row in rows:
        table.add_row(*map(escape, row.values()), style="bold" if chosen and row[name] == chosen.name else None)
    return table


def _intervals(verdict: Verdict) -> Table:
    heads = [f"{what} {100 * level:g} %" for level in verdict.levels for what in ("in", "Winkler")]
    unit = f", {verdict.unit}" if verdict.unit else ""
    table = _empty(f"Share of readings in intervals of each level; Winkler and pinball scores{unit}", *heads, "pinball")
    for standing in verdict.standings:
        score = standing.overall
        if score.pinball is not None:
            pairs = zip(score.coverage, score.winkler, strict=True)
            cells = (cell for share, width in pairs for cell in (f"{100 * share:.1f} %", readable(width, 2)))
            table.add_row(standing.name, *cells, readable(score.pinball, 2))
    return table


def _empty(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("contestant", overflow="fold")
    for head in heads:
        table.add_column(head, no_wrap=True)
    return table
