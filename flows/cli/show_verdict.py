"""What `wattcast backtest` prints of its verdict: tables for people, a record for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

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
    _show_tables(console, verdict)
    for fault in verdict.failed:
        say(console, f"{fault.name} failed in fold {fault.fold}: {fault.reason}")
    _show_sentences(console, verdict)
    for other in verdict.others:
        _show_tables(console, other)
        _show_sentences(console, other)


def _show_tables(console: Console, verdict: Verdict) -> None:
    """Of one target: its scores, and of intervals where somebody gives them."""
    console.print(_scores(verdict))
    if any(standing.overall.coverage for standing in verdict.standings):
        console.print(_intervals(verdict))


def _show_sentences(console: Console, verdict: Verdict) -> None:
    for sentence in verdict.sentences:
        say(console, sentence)


def _scores(verdict: Verdict) -> Table:
    title = (
        f"{_of_target(verdict)}{len(verdict.folds)} folds, {verdict.days:.0f} days; "
        "difference of RMSE from the lowest, 95 % over days"
    )
    rows, chosen = contest_rows(verdict), verdict.recommended
    name, *heads = rows[0]
    table = Table(Column("contestant", overflow="fold"), title=title, title_justify="left")
    for head in heads:
        table.add_column(head, no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row.values()), style="bold" if chosen and row[name] == chosen.name else None)
    return table


def _intervals(verdict: Verdict) -> Table:
    """Level by level a row for each contestant: the names keep their place however many levels there are."""
    title = f"{_of_target(verdict)}intervals; Winkler and pinball scores{f', {verdict.unit}' if verdict.unit else ''}"
    table = Table("level", Column("contestant", overflow="fold"), title=title, title_justify="left")
    for head in ("held", "Winkler", "pinball"):
        table.add_column(head, no_wrap=True)
    for place, level in enumerate(verdict.levels):
        for standing in verdict.standings:
            score = standing.overall
            if score.pinball is not None:
                held, figures = f"{100 * score.coverage[place]:.1f} %", (score.winkler[place], score.pinball)
                name = escape(standing.name)
                table.add_row(f"{100 * level:g} %", name, held, *(readable(figure, 2) for figure in figures))
    return table


def _of_target(verdict: Verdict) -> str:
    return f"{verdict.target}: " if verdict.is_one_of else ""
