"""The page of an inspection: what is asked first, then what the file holds and on which evidence, then figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wattcast.tasks.inspection.draft import value_toml
from wattcast.tasks.inspection.findings import Inspection
from wattcast.tasks.inspection.inspect import Inspected
from wattcast.tasks.report.figure import Panel, number, percent
from wattcast.tasks.report.inspection_figures import completeness_panel, habit_panels, series_panel
from wattcast.tasks.report.page import Subject, Table, render

MOST_DRAWN = 4
"""Targets that have figures of their own."""
MOST_ROWS = 500
"""Columns and meters that a table lists."""


def inspection_page(inspected: Inspected, draft: str) -> str:
    """The page as HTML; `draft` is the configuration that it ends with. Nothing given is changed."""
    found, series = inspected.found, inspected.series
    by_target: dict[str, list[Panel]] = {}
    time: list[Panel] = []
    line, unit = found.timeline, str(found.value("readings.unit") or "")
    if line is not None:
        step_s = line.step_s if line.regular else None
        local = pd.DatetimeIndex(series.index)
        for habits in found.habits[:MOST_DRAWN]:
            values = series[habits.column].to_numpy(np.float64)
            figures = [series_panel(habits.column, values, local, unit)]
            figures += habit_panels(habits, values, inspected.moments, step_s, unit)
            by_target[f"Readings of {habits.column}"] = figures
        if found.habits and step_s is not None:
            first = series[found.habits[0].column].to_numpy(np.float64)
            utc = found.zone is not None and found.zone.name is not None
            time = [completeness_panel(first, inspected.moments, step_s, utc=utc)]
    return render(
        "inspection.html",
        Subject(found.file, _facts(found), simulated=False),
        {"time": time, **by_target},
        headlines=[found.headline],
        tiles=_tiles(found),
        questions=Table(["option", "question"], [[each.option, each.why] for each in found.questions]),
        faults=found.trial.faults if found.verdict != "ready" else (),
        notes=[*(note for each in found.counted.values() for note in each.notes), *found.trial.notes],
        columns=_columns(found),
        findings=_findings(found),
        time=_time(found),
        meters=Table(
            ["meter", "rows"], [[name, f"{rows:,}"] for name, rows in [*found.meter_rows.items()][:MOST_ROWS]]
        ),
        values=_values(found),
        config_toml=draft,
    )


def _tiles(found: Inspection) -> dict[str, str]:
    line = found.timeline
    tiles = {"rows": f"{found.rows:,}", "columns": f"{len(found.columns):,}"}
    if line is not None:
        tiles |= {"step": line.step if line.regular else "irregular", "complete": percent(line.complete, 1)}
    return {**tiles, "questions": str(len(found.questions))}


def _facts(found: Inspection) -> dict[str, str]:
    return {
        "file": str(found.value("data")),
        "size": f"{found.size_bytes:,} bytes",
        "rows": f"{found.rows:,}",
        "columns": f"{len(found.columns):,}",
    }


def _columns(found: Inspection) -> Table:
    rows = []
    for column in found.columns[:MOST_ROWS]:
        numbers = column.numbers
        spread = (numbers.low, numbers.quantiles["50"], numbers.high) if numbers else ()
        missing = percent(column.missing_share, 1) if column.missing else ""
        rows.append(
            [column.name, column.kind, missing, *([*map(number, spread)] or [""] * 3), column.unit, column.example]
        )
    return Table(["column", "kind", "missing", "lowest", "median", "highest", "unit", "first"], rows)


def _findings(found: Inspection) -> Table:
    rows = [
        [answer.option, "not set" if answer.value is None else value_toml(answer.value), answer.basis, answer.why]
        for answer in found.answers
        if not answer.asked
    ]
    return Table(["option", "value", "basis", "evidence"], rows)


def _time(found: Inspection) -> Table:
    return Table(["", ""], [[name, words] for name, words in found.time_words.items()])


def _values(found: Inspection) -> Table:
    by_name = {column.name: column for column in found.columns}
    rows = []
    for habits in found.habits:
        numbers = by_name[habits.column].numbers
        if numbers is None:
            continue
        spread = (numbers.low, *numbers.quantiles.values(), numbers.high)
        flat = f"{habits.runs[0].readings:,} × {number(habits.runs[0].value)}" if habits.runs else "–"
        cells = [
            *map(number, spread),
            f"{numbers.zeros:,}",
            f"{numbers.negative:,}",
            flat,
            percent(habits.flat_share, 1),
        ]
        rows.append([habits.column, *cells])
    shares = ("5 %", "25 %", "50 %", "75 %", "95 %", "99 %")
    tail = ("zeros", "negative", "longest flat", "in flats")
    return Table(["column", "lowest", *shares, "highest", *tail], rows)
