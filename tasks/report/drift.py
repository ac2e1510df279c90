"""What a page shows of drift: the stability of every column, the values of those that drifted most, and a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from wattcast.tasks.monitoring.drift import LEVELS, MAJOR, MODERATE, ColumnDrift, Drift
from wattcast.tasks.report.figure import GREY, TRIAL, TUNED, Panel, canvas, plain
from wattcast.tasks.report.page import Table

_MOST = 6
_LEAST_PSI = 0.01  # where the axis begins
_READ = {True: "read by the model", False: "not read"}
_FADED = 0.4  # bars of the level none


def drift_panels(drift: Drift) -> list[Panel]:
    """The PSI of all columns, and the values of up to six that drifted most."""
    compared = [column for column in drift.columns if not math.isnan(column.psi)]
    panels = [_psi_panel(compared, drift)] if compared else []
    return [*panels, *(_values_panel(column) for column in _most_drifted(compared))]


def drift_table(drift: Drift) -> Table:
    """A row a column, in the order of `drift`; the first one that drifted is marked."""
    head = ["column", "read by the model", "PSI", "KS", "p", "level", "cause"]
    rows = [
        [
            column.column,
            "yes" if column.read else "no",
            _digits(column.psi, 2),
            _digits(column.ks, 2),
            _digits(column.p_value, 3),
            column.level,
            column.cause,
        ]
        for column in drift.columns
    ]
    first = drift.drifted[0] if drift.drifted else None
    return Table(head, rows, marked=drift.columns.index(first) if first else None)


def _most_drifted(columns: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    """What the model reads, then by level and PSI; none whose values lie as they did in training."""
    drifted = [column for column in columns if column.level != "none" or column.psi >= MODERATE]
    return sorted(drifted, key=lambda column: (not column.read, LEVELS.index(column.level), -column.psi))[:_MOST]


def _psi_panel(columns: Sequence[ColumnDrift], drift: Drift) -> Panel:
    order = {column.column: place for place, column in enumerate(reversed(columns))}
    ends = [_LEAST_PSI, 2.5 * max(1.0, *(column.psi for column in columns))]
    ticks = [0.01, MODERATE, MAJOR, 1, 10]
    x = {
        "title": "population stability index",
        "type": "log",
        "range": [math.log10(end) for end in ends],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
        "zeroline": False,
    }
    names = [f"{plain(name)} " for name in order]
    y = {"tickvals": [*range(len(order))], "ticktext": names, "range": [-0.6, len(order) - 0.4], "showgrid": False}
    figure = canvas(x=x, y={**y, "zeroline": False}, height=150 + 22 * len(order), bargap=0.3, barmode="overlay")
    for read, colour in ((True, TUNED), (False, GREY)):
        figure.add_traces(_psi_bars([column for column in columns if column.read is read], order, _READ[read], colour))
    for threshold, dash in ((MODERATE, "dot"), (MAJOR, "dash")):
        figure.add_vline(x=threshold, line={"color": TRIAL, "dash": dash, "width": 1.5})
    return Panel("Stability of every column", _psi_note(columns, drift), figure, wide=True)


def _psi_bars(columns: Sequence[ColumnDrift], order: dict[str, int], name: str, colour: str) -> list[go.Bar]:
    if not columns:
        return []
    bars = go.Bar(
        x=[max(column.psi, _LEAST_PSI) for column in columns],
        y=[order[column.column] for column in columns],
        orientation="h",
        name=name,
        marker={"color": colour, "opacity": [_FADED if column.level == "none" else 1.0 for column in columns]},
        text=[_digits(column.psi, 2) for column in columns],
        textposition="outside",
        cliponaxis=False,
        hovertext=[_told(column) for column in columns],
        hoverinfo="text",
    )
    return [bars]


def _told(column: ColumnDrift) -> str:
    """What is read when the pointer is on a bar."""
    numbers = f"PSI {_digits(column.psi, 2)}, KS {_digits(column.ks, 2)}, p {_digits(column.p_value, 3)}"
    lines = [f"<b>{plain(column.column)}</b>, {column.level}", numbers, *filter(None, column.cause.split("; "))]
    return "<br>".join(lines)


def _psi_note(columns: Sequence[ColumnDrift], drift: Drift) -> str:
    spans = (drift.newest_from, drift.newest_to, drift.reference_from, drift.reference_to)
    first, last, old_first, old_last = (f"{moment:%Y-%m-%d %H:%M}" for moment in spans)
    note = (
        f"{first} to {last} against training, {old_first} to {old_last}: {drift.counts}. The axis is logarithmic. From "
        f"{MODERATE} (dotted) a change counts as moderate, from {MAJOR} (dashed) as major, where it is not one of "
        f"chance; a faint bar is of the level none, as readings that change slowly differ as much between any two such "
        f"spans. What is stuck, out of range or at another time of day counts whatever its index."
    )
    lacking = [column.column for column in drift.columns if column not in columns]
    return f"{note} Without readings to compare: {', '.join(lacking)}." if lacking else note


def _values_panel(column: ColumnDrift) -> Panel:
    edges = np.array(column.edges)  # [B + 1]
    place = {"x": (edges[1:] + edges[:-1]) / 2, "width": np.diff(edges)}
    x, y = {"title": plain(column.column), "zeroline": False}, {"title": "share of readings, %", "hoverformat": ".1f"}
    figure = canvas(x=x, y=y, barmode="overlay", hovermode="x unified", margin={"b": 84})
    for name, shares, colour in (
        ("training", column.reference_shares, GREY),
        ("newest", column.newest_shares, TUNED),
    ):
        bars = {"name": name, "marker_color": colour, "opacity": 0.6}
        figure.add_bar(y=100 * np.array(shares), **place, **bars)
    cause = f": {column.cause}" if column.cause else ", the difference may be one of chance"
    note = f"{column.level.capitalize()}{cause}. The outermost bars hold the tails; {_READ[column.read]}."
    return Panel(column.column, note, figure)


def _digits(value: float, digits: int) -> str:
    """So many decimals, or a dash for what is no number."""
    if math.isnan(value):
        return "–"
    least = 10.0**-digits
    return f"< {least:.{digits}f}" if 0 < value < least else f"{value:.{digits}f}"
