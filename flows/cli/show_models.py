"""What the commands about registered models print: tables for people, records for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from wattcast.flows.cli.output import finite, show_banner
from wattcast.model.readings import MADE_AT
from wattcast.tasks.learning.interval_scores import ALL, HOUR, STEP, IntervalScore
from wattcast.tasks.numbers import decimals, readable, with_unit
from wattcast.tasks.registry.versions import DATA_FROM, DATA_TO, DECISION, HOLDOUT_FROM, HOLDOUT_TO

if TYPE_CHECKING:
    import pandas as pd

    from wattcast.flows.retrain import Retrained
    from wattcast.flows.service.doctor import Finding
    from wattcast.flows.watch import Watched
    from wattcast.tasks.monitoring.forecast_log import Forecasts
    from wattcast.tasks.registry.ledger import Entry
from wattcast.tasks.registry.versions import Version
from wattcast.tasks.stages import say


def show_retrained(retrained: Retrained) -> None:
    """The decision, the drift, and where everything is."""
    console, number = Console(), retrained.version
    outcome = ("promoted", "bold green") if retrained.promoted else ("refused", "bold yellow")
    again = " (decided before, on the same readings)" if retrained.repeated else ""
    say(console, f"version {number} of {retrained.model}: ", outcome, f"{again}: {retrained.why}")
    say(console, retrained.drift)
    show_banner(console, retrained.data_source)
    champion = f"version {retrained.champion}" if retrained.champion else "none"
    console.print(f"champion {champion}\nrun      {retrained.run_id}\nreport   {retrained.report}", soft_wrap=True)


def forecasts_record(forecasts: Forecasts, output: Path) -> dict[str, Any]:
    """One JSON object for a forecast."""
    scores, held = ([_finite(asdict(score)) for score in found] for found in (forecasts.scores, forecasts.intervals))
    newest = [{name: _plain(value) for name, value in row.items()} for row in forecasts.made.to_dict("records")]
    said = {"unit": forecasts.unit, "label": forecasts.label}
    return {"output": str(output), **said, "forecasts": newest, "made": len(newest), "past": scores, "held": held}


def show_forecasts(forecasts: Forecasts, output: Path) -> None:
    """The newest forecasts, and how good the past ones were."""
    console = Console()
    made = forecasts.made
    moment = made[MADE_AT].iloc[-1]
    newest = made[made[MADE_AT] == moment].drop(columns=MADE_AT)
    title = f"Newest forecast, {forecasts.unit}" if forecasts.unit else "Newest forecast"
    title += f"; made at {moment}; time stamps are the {forecasts.label} of their step"
    say(console, (title, "italic"))
    several = forecasts.numbers if len(forecasts.numbers[0]) > 1 else [()]  # intervals of several would be too wide
    for columns in several:
        others = [name for each in several if each != columns for name in each]
        short = {name: name.removeprefix(f"{columns[0]}_") for name in columns}
        console.print(_table(newest.drop(columns=others).rename(columns=short)))
    if forecasts.scores:
        rmse, mae = (with_unit(metric, forecasts.unit) for metric in ("RMSE", "MAE"))
        head = ("version", "target", "forecasts", rmse, mae, "persistence RMSE", "skill")
        past = Table(
            *head, title="Past forecasts of times after its training, whose actuals are known", title_justify="left"
        )
        for score in forecasts.scores:
            numbers = (*map(readable, (score.rmse, score.mae, score.persistence_rmse)), decimals(score.skill))
            past.add_row(score.version, escape(score.target), str(score.forecasts), *numbers)
        console.print(past)
    if held := held_rows(forecasts.intervals, forecasts.unit):
        table = Table(*held[0], title="What their intervals have held", title_justify="left")
        for each in held:
            table.add_row(*map(escape, each.values()))
        console.print(table)
    console.print(f"{len(forecasts.made):,} forecasts added, {len(forecasts.frame):,} in {output}", soft_wrap=True)


def _table(frame: pd.DataFrame) -> Table:
    table = Table()
    for name, values in frame.items():
        table.add_column(escape(str(name)), no_wrap=values.dtype != float, overflow="fold")  # no time is cut off
    for row in frame.itertuples(index=False):
        table.add_row(*(readable(value) if isinstance(value, float) else str(value) for value in row))
    return table


def held_rows(scores: Sequence[IntervalScore], unit: str | None) -> list[dict[str, str]]:
    """Of each version, target and level what was held over all, and at the step ahead and the hour that held least."""
    found, several = [], len({score.target for score in scores}) > 1
    for overall in (score for score in scores if score.by == ALL):
        same = (overall.model, overall.target, overall.level)
        row = {
            "version": overall.model,
            **({"target": overall.target} if several else {}),
            "level": f"{100 * overall.level:g} %",
            "held": f"{100 * overall.coverage:.1f} %",
            with_unit("width", unit): readable(overall.width),
        }
        for by, title in ((STEP, "least, ahead"), (HOUR, "least, hour")):
            alike = [each for each in scores if (each.by, each.model, each.target, each.level) == (by, *same)]
            if alike:
                least = min(alike, key=lambda score: score.coverage)
                row[title] = f"{100 * least.coverage:.1f} % ({least.group})"
        found.append(row)
    return found


def models_record(versions: Sequence[Version], entries: Sequence[Entry]) -> dict[str, Any]:
    """One JSON object for all versions."""
    listed = [{**asdict(version), "unit": version.unit, "created": version.created.isoformat()} for version in versions]
    return {"versions": listed, "ledger": [asdict(entry) for entry in entries]}


def show_models(versions: Sequence[Version], *, name: str, entries: Sequence[Entry]) -> None:
    """Each version with aliases, scores and spans, then the ledger."""
    console = Console()
    if not versions:
        console.print(f"{name} has no version yet: `wattcast retrain` makes the first one")
        return
    head = ("version", "aliases", "RMSE", "MAE", "trained on", "judged on", "outcome")
    table = Table(*head, title=f"{escape(name)}; scores on the span that judged it", title_justify="left")
    for version in versions:
        tags, style = version.tags, "bold" if "champion" in version.aliases else None
        scores = [_score(version, metric) for metric in ("rmse", "mae")]
        spans = [_span(tags, *span) for span in ((DATA_FROM, DATA_TO), (HOLDOUT_FROM, HOLDOUT_TO))]
        outcome = tags.get(DECISION, "not judged")
        table.add_row(str(version.number), ", ".join(version.aliases), *scores, *spans, outcome, style=style)
    console.print(table)
    if figures := _intervals(versions):
        intervals = Table("version", *figures, title="Intervals on the span that judged it", title_justify="left")
        for version in versions:
            intervals.add_row(str(version.number), *(_score(version, name) for name in figures.values()))
        console.print(intervals)
    decisions = Table(
        "when", "who", "decision", Column("champion", no_wrap=True), "why", title="Ledger", title_justify="left"
    )
    for entry in entries:
        change = f"{entry.old or '-'} -> {entry.new or '-'}"
        decisions.add_row(entry.moment, escape(entry.who), f"{entry.version} {entry.action}", change, escape(entry.why))
    console.print(decisions)


def show_story(story: dict[str, dict[str, str]]) -> None:
    """Chapter by chapter."""
    console = Console()
    for title, facts in story.items():
        console.print(f"[bold]{title}[/]")
        for name, value in facts.items():
            say(console, f"  {name}: {value}")


def show_findings(findings: Sequence[Finding]) -> None:
    """Each finding, and what to do about it."""
    console = Console()
    for finding in findings:
        mark = ("ok     ", "green") if finding.ok else ("problem", "bold red")
        say(console, mark, f"  {finding.name}: {finding.found}")
        if finding.fix:
            say(console, f"         -> {finding.fix}")


def watched_record(watched: Watched) -> dict[str, Any]:
    """One JSON object for what was looked at."""
    said = {"model": watched.model, "version": watched.version, "event": watched.told}
    return {**said, "wrong": [sign.name for sign in watched.wrong], "signs": [asdict(sign) for sign in watched.signs]}


def show_watched(watched: Watched) -> None:
    """One line for each thing that was looked at."""
    console = Console()
    for sign in watched.signs:
        mark = ("wrong", "bold red") if sign.wrong else ("ok   ", "green")
        say(console, mark, f"  {sign.name}: {sign.found}")


def _intervals(versions: Sequence[Version]) -> dict[str, str]:
    """Headings and names of what intervals hold and lose, of all levels that some version has."""
    tags = {tag for version in versions for tag in version.tags if tag.startswith("holdout.coverage_")}
    levels = sorted((tag.removeprefix("holdout.coverage_") for tag in tags), key=float)
    names = {"hold": "coverage", "Winkler": "winkler"}
    return {f"{level} % {title}": f"{name}_{level}" for level in levels for title, name in names.items()}


def _score(version: Version, metric: str) -> str:
    value = float(version.tags.get(f"holdout.{metric}", "nan"))
    if not math.isfinite(value):
        return "-"
    if metric.startswith("coverage"):
        return f"{100 * value:.1f} %"
    return with_unit(readable(value), version.unit)


def _span(tags: dict[str, str], first: str, last: str) -> str:
    return f"{tags[first][:10]} to {tags[last][:10]}" if {first, last} <= set(tags) else ""


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    return {name: finite(value) if isinstance(value, float) else value for name, value in record.items()}


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)
