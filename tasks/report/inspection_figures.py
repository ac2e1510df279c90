"""The figures of an inspection: a series from end to end, its whole days, its habits and its values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.tasks.inspection.clock import by_day
from wattcast.tasks.inspection.habits import DAYS, Habits, correlogram
from wattcast.tasks.report.figure import COLOURS, GREY, TRIAL, TUNED, Panel, canvas, number, percent, plain, short

BINS = 1500
"""Spans of time that a series is drawn with; each shows its lowest, its mean and its highest reading."""
_HISTOGRAM_BINS = 60
_MOST_LAGS = 800
_WEEK_S = 7 * 86_400
_SHORT = [day[:3] for day in DAYS]


def envelope(values: Floats, times: pd.DatetimeIndex, bins: int = BINS) -> pd.DataFrame:
    """Lowest, mean and highest of `values` `[V]` in each of `bins` equal spans of time, by the spans' first moments.

    Where there are no more readings than spans, each stands for itself. A span without a reading is NaN.
    """
    if len(values) <= bins:
        return pd.DataFrame({"low": values, "mean": values, "high": values}, index=times)
    first, last = times[0], times[-1]
    width = (last - first) / bins
    places = np.minimum(((times - first) / width).to_numpy().astype(np.int64), bins - 1)
    grouped = pd.Series(values).groupby(places).agg(["min", "mean", "max"]).reindex(range(bins))
    return grouped.set_axis(["low", "mean", "high"], axis=1).set_axis(first + np.arange(bins) * width, axis=0)


def series_panel(name: str, values: Floats, times: pd.DatetimeIndex, unit: str) -> Panel:
    """The whole series: all readings, or what lies between the lowest and the highest of each span."""
    drawn = envelope(values, times)
    stamps = drawn.index.to_numpy("datetime64[ms]").astype(np.float64)
    figure = canvas(x={"type": "date"}, y=_axis(unit), height=420, hovermode="x unified", margin={"b": 56})
    if len(drawn) < len(values):
        band = {"marker": {"color": TRIAL, "opacity": 0.4, "line": {"width": 0}}, "name": "lowest to highest"}
        width_ms = float(np.diff(stamps[:2])[0])
        height = short(drawn["high"] - drawn["low"])
        figure.add_bar(x=stamps, base=short(drawn["low"]), y=height, width=width_ms, offset=0, hoverinfo="skip", **band)
        line = {"color": TUNED, "width": 1}
        figure.add_scatter(x=stamps + width_ms / 2, y=short(drawn["mean"]), name="mean", mode="lines", line=line)
        width = (times[-1] - times[0]) / BINS
        note = (
            f"{len(values):,} readings in {BINS:,} spans of {width.total_seconds() / 3600:.3g} hours: the band reaches "
            "from the lowest to the highest reading of each, the line is their mean."
        )
    else:
        figure.add_scatter(x=stamps, y=short(drawn["mean"]), name=plain(name), mode="lines", line={"color": TRIAL})
        note = f"All {len(values):,} readings."
    return Panel("From end to end", note, figure, wide=True)


def completeness_panel(values: Floats, times: pd.DatetimeIndex, step_s: float, *, utc: bool = False) -> Panel:
    """A strip in which each day is a cell, coloured by the share of its steps that have a reading.

    The days are those of an even clock, so that none has 23 hours; `utc` says that it is UTC.
    """
    counts = by_day(times, values)
    a_day = max(1.0, 86_400 / step_s)
    shares = np.minimum(counts.to_numpy(np.float64) / a_day, 1.0)
    if len(shares) > 1:  # the first and the last day are rarely whole, and lack nothing by that
        begin, end = times[0] - times[0].normalize(), times[-1] - times[-1].normalize()
        for place, part in ((0, 1 - begin / pd.Timedelta(days=1)), (-1, end / pd.Timedelta(days=1) + 1 / a_day)):
            shares[place] = min(1.0, counts.iloc[place] / max(1.0, round(a_day * part)))
    days = pd.DatetimeIndex(counts.index)
    figure = canvas(x={"type": "date"}, y={"visible": False, "fixedrange": True}, height=170, margin={"b": 40})
    figure.add_heatmap(
        x=days.to_numpy("datetime64[ms]").astype(np.float64),
        y=[0],
        z=[np.round(100 * shares, 1)],
        zmin=0,
        zmax=100,
        xgap=1 if len(days) <= 100 else 0,
        colorscale=[[0.0, TUNED], [0.9, "#e8d9b5"], [1.0, COLOURS["persistence"]]],
        colorbar={"title": "%", "thickness": 12},
        hovertemplate="%{x|%-d %B %Y}: %{z:.1f} %<extra></extra>",
    )
    whole = int((shares >= 0.999).sum())
    worst = int(shares.argmin())
    note = f"Share of each day's steps that have a reading: {whole:,} of {len(days):,} days are whole"
    note += f"; {days[worst]:%-d %B %Y} has {percent(float(shares[worst]))}." if whole < len(days) else "."
    note += " Days are those of UTC." if utc else ""
    return Panel("Completeness by day", note, figure, wide=True)


def habit_panels(
    habits: Habits, values: Floats, moments: pd.DatetimeIndex, step_s: float | None, unit: str
) -> list[Panel]:
    """The hours, the weekdays, the correlation with later readings, and how the values lie."""
    panels = [_hours_panel(habits, unit), _weekdays_panel(habits, unit)]
    if step_s is not None and (panel := _correlation_panel(values, moments, step_s)):
        panels.append(panel)
    return [*panels, _histogram_panel(values, unit)]


def _hours_panel(habits: Habits, unit: str) -> Panel:
    hours = [f"{hour:02d}:00" for hour in range(24)]
    figure = canvas(
        x={"title": "hour of the day", "dtick": 4}, y={**_axis(unit), "rangemode": "tozero"}, margin={"b": 56}
    )
    figure.add_scatter(x=hours, y=_none(habits.by_hour), mode="lines+markers", line={"color": TRIAL}, name="mean")
    return Panel("The day", _extremes(habits.by_hour, hours, unit), figure)


def _weekdays_panel(habits: Habits, unit: str) -> Panel:
    figure = canvas(x={}, y={**_axis(unit), "rangemode": "tozero"}, margin={"b": 56})
    figure.add_bar(x=_SHORT, y=_none(habits.by_weekday), marker_color=TRIAL, name="mean")
    return Panel("The week", _extremes(habits.by_weekday, DAYS, unit), figure)


def _correlation_panel(values: Floats, moments: pd.DatetimeIndex, step_s: float) -> Panel | None:
    longest = min(round(1.1 * _WEEK_S / step_s), (len(values) - 1) // 2)
    if longest < 2:
        return None
    found = correlogram(values, moments, step_s, longest)
    drawn = np.unique(np.round(np.linspace(0, longest - 1, min(longest, _MOST_LAGS))).astype(np.int64))
    hours = (drawn + 1) * step_s / 3600
    figure = canvas(x={"title": "hours later", "rangemode": "tozero"}, y={"range": [-1, 1]}, margin={"b": 56})
    figure.add_scatter(x=hours, y=_none(np.round(found[drawn], 3)), mode="lines", line={"color": TRIAL})
    for day in range(1, 8):
        if 24 * day <= hours[-1]:
            figure.add_vline(x=24 * day, line={"color": GREY, "dash": "dot", "width": 1})
    figure.update_layout(showlegend=False)
    return Panel("How much a reading says of later ones", "Correlation by the time between two; dotted: days.", figure)


def _histogram_panel(values: Floats, unit: str) -> Panel:
    known = values[np.isfinite(values)]
    figure = canvas(x=_axis(unit), y={"title": "share of readings, %"}, bargap=0.04, margin={"b": 56})
    if not len(known):
        return Panel("Values", "There are none.", figure)
    low, high = np.quantile(known, [0.001, 0.999])
    shares, edges = np.histogram(
        known.clip(low, high), bins=_HISTOGRAM_BINS, weights=np.full(len(known), 100 / len(known))
    )
    figure.add_bar(x=(edges[1:] + edges[:-1]) / 2, y=np.round(shares, 3), marker_color=TRIAL, name="share")
    quartiles = [number(float(each)) for each in np.quantile(known, [0.25, 0.75])]
    note = (
        f"Half of all lie from {' to '.join(quartiles)}{' ' + unit if unit else ''}; the outermost bars hold the tails."
    )
    return Panel("Values", note, figure)


def _axis(unit: str) -> dict[str, Any]:
    return {"title": plain(unit), "hoverformat": ".4~g"} if unit else {"hoverformat": ".4~g"}


def _none(values: Any) -> list[float | None]:
    """NaN as plotly leaves it out."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _extremes(values: tuple[float, ...], names: Any, unit: str) -> str:
    known = {name: value for name, value in zip(names, values, strict=True) if math.isfinite(value)}
    if not known:
        return ""
    low, high = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    of = f" {unit}" if unit else ""
    return f"On average lowest: {low} ({number(known[low])}{of}), highest: {high} ({number(known[high])}{of})."
