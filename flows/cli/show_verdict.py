"""What `wattcast backtest` prints of its verdict: tables for people, a record for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from wattcast.flows.cli.output import finite
from wattcast.tasks.numbers import decimals, readable, with_unit

if TYPE_CHECKING:
    from wattcast.tasks.backtest.scores import Score
    from wattcast.tasks.backtest.verdict import Verdict


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """What a JSON object says of a verdict."""
    record: dict[str, Any] = _plain(asdict(verdict))
    recommended = verdict.recommended
    return {
        "recommended": recommended.name if recommended else None,
        "sentence": verdict.sentence,
        "useful": verdict.useful_sentence,
        "useful_steps": verdict.useful_steps,
        **record,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return finite(value) if isinstance(value, float) else value


def show_verdict(console: Console, verdict: Verdict) -> None:
    """All contestants, the best first, those that failed with their reasons, and whom to use."""
    console.print(_table(verdict))
    for fault in verdict.failed:
        words = f"{fault.name} failed in fold {fault.fold}: {fault.reason}"
        console.print(words, soft_wrap=True, highlight=False, markup=False)
    for sentence in (verdict.sentence, verdict.useful_sentence):
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)


def _table(verdict: Verdict) -> Table:
    title = f"{len(verdict.folds)} folds, {verdict.days:.0f} days; differences of RMSE from the lowest, 95 % over days"
    scored = (with_unit(metric, verdict.unit) for metric in ("RMSE", "MAE"))
    table = Table("contestant", *scored, "skill", "spread", title=title, title_justify="left")
    intervals = any(standing.overall.coverage for standing in verdict.standings)
    if intervals:
        for level in verdict.levels:
            table.add_column(f"in {100 * level:g} %")
            table.add_column(f"Winkler {100 * level:g} %")
    for name in ("seconds", "difference"):
        table.add_column(name, no_wrap=True)
    for standing in verdict.standings:
        overall = standing.overall
        skill = f"{decimals(100 * overall.skill, 1)} %"
        spread = readable(standing.spread, 2, like=overall.rmse, nothing="-")
        table.add_row(
            standing.name,
            *(readable(overall.rmse, 2), readable(overall.mae, 2), skill, spread),
            *(_of_intervals(verdict, overall) if intervals else ()),
            f"{standing.seconds:.0f}",
            _behind(verdict, standing.name),
            style="bold" if standing is verdict.recommended else None,
        )
    for fault in verdict.failed:
        table.add_row(fault.name, f"failed in fold {fault.fold}")
    return table


def _of_intervals(verdict: Verdict, score: Score) -> list[str]:
    if not score.coverage:
        return ["-"] * 2 * len(verdict.levels)
    pairs = zip(score.coverage, score.winkler, strict=True)
    return [cell for covered, width in pairs for cell in (f"{100 * covered:.1f} %", readable(width, 2))]


def _behind(verdict: Verdict, name: str) -> str:
    """How far behind the best one."""
    best = verdict.best
    if best is None or best.name == name:
        return "-"
    pair = verdict.between(best.name, name)
    change, low, high = (
        readable(each, 2, like=best.overall.rmse, sign=True) for each in (pair.difference, pair.low, pair.high)
    )
    return f"{change} ({low} to {high})"
