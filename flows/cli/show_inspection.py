"""What `wattcast inspect` prints: tables for people, a record for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from wattcast.tasks.numbers import readable
from wattcast.tasks.stages import say

if TYPE_CHECKING:
    from wattcast.tasks.inspection import columns as cells
    from wattcast.tasks.inspection.findings import Inspection
    from wattcast.tasks.inspection.habits import Habits

MOST_COLUMNS = 40
"""Columns of a file that the table lists."""
_MOST_TARGETS = 4
_BARS = "▁▂▃▄▅▆▇█"
_STYLES = {"asked": "bold red", "guessed": "yellow", "given": "cyan", "found": ""}


def inspected_record(found: Inspection) -> dict[str, Any]:
    """One JSON object for an inspection."""
    return found.to_json()


def show_inspected(found: Inspection) -> None:
    """What the file is, what is asked, its columns, what was found on which evidence, and what its readings do."""
    console = Console()
    console.print(f"[bold]{escape(found.headline)}[/]", highlight=False)
    _show(console, _questions(found))
    _show(console, _columns(found))
    _show(console, _found(found))
    _show(console, _time(found))
    _show(console, _meters(found))
    _show(console, _values(found))
    _show(console, _habits(found))
    for name, words in _remarks(found):
        say(console, f"{name}  {words}")


def _show(console: Console, table: Table) -> None:
    if table.row_count:
        console.print(table)


def _table(title: str, *columns: Column | str) -> Table:
    return Table(*columns, title=title, title_justify="left", show_edge=False)


def _add(table: Table, *cells: str, style: str = "") -> None:
    table.add_row(*map(escape, cells), style=style)


def _wide(name: str) -> Column:
    return Column(name, overflow="fold", ratio=1)


def _questions(found: Inspection) -> Table:
    table = _table("To be answered", Column("option", no_wrap=True), _wide("question"))
    for answer in found.questions:
        _add(table, answer.option, answer.why)
    return table


def _columns(found: Inspection) -> Table:
    title = f"{len(found.columns):,} columns"
    title += f", the first {MOST_COLUMNS}" if len(found.columns) > MOST_COLUMNS else ""
    right = [Column(name, justify="right", no_wrap=True) for name in ("missing", "low", "median", "high")]
    table = _table(title, Column("column", overflow="fold"), "kind", *right, "unit", Column("first", overflow="fold"))
    for column in found.columns[:MOST_COLUMNS]:
        _add(table, column.name, column.kind, _missing(column), *_spread(column), column.unit, column.example)
    return table


def _missing(column: cells.Column) -> str:
    return _share(column.missing_share) if column.missing else ""


def _spread(column: cells.Column) -> tuple[str, str, str]:
    numbers = column.numbers
    if numbers is None:
        return "", "", ""
    return readable(numbers.low), readable(numbers.quantiles["50"]), readable(numbers.high)


def _found(found: Inspection) -> Table:
    table = _table("What it says", Column("option", overflow="fold", max_width=40), "basis", _wide("evidence"))
    for answer in found.answers:
        if not answer.asked:
            value = "not set" if answer.value is None else _toml(answer.value)
            _add(table, f"{answer.option} = {value}", answer.basis, answer.why, style=_STYLES[answer.basis])
    return table


def _toml(value: Any) -> str:
    from wattcast.tasks.inspection.draft import value_toml

    return value_toml(value)


def _time(found: Inspection) -> Table:
    table = _table("Time", "", _wide(""))
    table.show_header = False
    for name, words in found.time_words.items():
        _add(table, name, words)
    return table


def _meters(found: Inspection) -> Table:
    table = _table(f"{len(found.meter_rows):,} meters", "meter", Column("rows", justify="right"))
    for name, rows in list(found.meter_rows.items())[:MOST_COLUMNS]:
        _add(table, name, f"{rows:,}")
    return table


def _values(found: Inspection) -> Table:
    """A column for each target: what its readings are, as they are written."""
    by_name = {column.name: column for column in found.columns}
    held = [(habits, numbers) for habits in found.habits if (numbers := by_name[habits.column].numbers)][:_MOST_TARGETS]
    names = (Column(habits.column.replace("[", r"\["), justify="right", overflow="fold") for habits, _ in held)
    table = _table("Readings", "", *names)
    rows: list[tuple[str, list[str]]] = [("lowest", [readable(numbers.low) for _, numbers in held])]
    shares = held[0][1].quantiles if held else ()
    rows += [
        *((f"{share} % are no higher than", [readable(each.quantiles[share]) for _, each in held]) for share in shares),
        ("highest", [readable(numbers.high) for _, numbers in held]),
        ("zeros", [f"{numbers.zeros:,}" for _, numbers in held]),
        ("negative", [f"{numbers.negative:,}" for _, numbers in held]),
        ("longest flat stretch", [_run(habits) for habits, _ in held]),
        ("in flat stretches of 12 readings or more", [_share(habits.flat_share) for habits, _ in held]),
    ]
    for name, cells in rows if held else ():
        _add(table, name, *cells)
    return table


def _run(habits: Habits) -> str:
    return f"{habits.runs[0].readings:,} of {habits.runs[0].value:g}" if habits.runs else "none"


def _habits(found: Inspection) -> Table:
    from wattcast.tasks.inspection.habits import DAYS

    table = _table("Habits", Column("column", overflow="fold"), "of", _wide("course"))
    for habits in found.habits:
        hours = [f"{hour:02d}:00" for hour in range(24)]
        _add(table, habits.column, "the hours, mean", _course(habits.by_hour, hours))
        _add(table, habits.column, "the weekdays, mean", _course(habits.by_weekday, DAYS))
        told = ", ".join(
            f"{after} later {value:z.2f}" for after, value in habits.correlation.items() if math.isfinite(value)
        )
        if told:
            _add(table, habits.column, "correlation with", told)
    return table


def _course(values: Sequence[float], names: Sequence[str]) -> str:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "-"
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    bars = "".join(_BARS[int(7 * (value - low) / span)] if math.isfinite(value) else " " for value in values)
    least, most = names[list(values).index(low)], names[list(values).index(high)]
    return f"{bars} lowest {readable(low)} ({least}), highest {readable(high)} ({most})"


def _remarks(found: Inspection) -> Iterable[tuple[str, str]]:
    for counted in found.counted.values():
        yield from (("counter", note) for note in counted.notes)
    yield from (("column ", column.fault) for column in found.columns if column.fault)
    yield from (("note   ", note) for note in found.trial.notes)
    yield from (("fault  ", fault) for fault in found.trial.faults)


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"
