"""What the report shows of days and of the order of errors: totals, daily peaks, and how residuals repeat themselves.

All of the first step of each forecast. L: lags.
"""

from __future__ import annotations

import math
from operator import itemgetter

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.clock import instants, on_the_clock
from wattcast.tasks.learning.evaluate import GRU
from wattcast.tasks.numbers import with_unit
from wattcast.tasks.report.figure import COLOURS, GREY, LABELS, Panel, canvas, labelled, number, percent
from wattcast.tasks.report.page import Table

_COMPARED = (GRU, "ridge", "persistence")
_PEAK_HOURS = 1  # by which the hour of a day's peak may be missed
_LAG_DAYS = 2
_MOST_LAGS = 600  # that are drawn
_FEWEST_PAIRS = 30
_LARGER = {"Wh": ("kWh", 1e-3), "kWh": ("kWh", 1.0)}
"""The unit of a day's total, and its share of the unit of readings, where that is another one."""


def order_panels(first: pd.DataFrame, unit: str | None) -> list[Panel]:
    """Those that there is enough to draw of."""
    return [panel for panel in (autocorrelation_panel(first), day_panel(first, unit)) if panel]


def whole_days(first: pd.DataFrame) -> pd.DataFrame:
    """Of the first steps of all forecasts those of days without a gap, by their time stamps, with the column `day`."""
    times = pd.DatetimeIndex(first["time"])
    day, step = times.normalize(), _step(times)
    if step is None:
        return first.assign(day=day).head(0)
    steps = (day + pd.DateOffset(days=1) - day) / step  # 23 or 25 hours where the clock is put forward or back
    counts = pd.Series(1, index=day).groupby(level=0).transform("size").to_numpy()
    whole: pd.DataFrame = first.assign(day=on_the_clock(day))[counts == steps.to_numpy()]
    return whole


def _step(times: pd.DatetimeIndex) -> pd.Timedelta | None:
    """The distance of forecasts that follow each other."""
    step = pd.Series(instants(times)).diff().min()
    return step if pd.notna(step) and step > pd.Timedelta(0) else None


def day_panel(first: pd.DataFrame, unit: str | None) -> Panel | None:
    """Measured and forecast totals of each whole day; None where there is none."""
    totals, larger = day_totals(first, unit)
    if totals.empty:
        return None
    y = {"title": labelled("energy of a day", larger), "rangemode": "tozero", "hoverformat": ".4~r"}
    figure = canvas(x={"type": "date"}, y=y, hovermode="x unified", barmode="group", height=360, margin={"b": 60})
    days = [f"{day:%Y-%m-%d}" for day in totals.index]
    for name in ("actual", GRU):
        figure.add_bar(x=days, y=totals[name].to_numpy(), name=LABELS[name], marker_color=COLOURS[name])
    off = (totals[GRU] - totals["actual"]).abs().mean()
    note = (
        f"{len(totals)} whole days of the test part, each forecast step by step. The sum of a day's forecasts misses "
        f"{with_unit(number(off), larger)} of {with_unit(number(totals['actual'].mean()), larger)} on average."
    )
    return Panel("Totals of days", note, figure, wide=True)


def day_totals(first: pd.DataFrame, unit: str | None) -> tuple[pd.DataFrame, str | None]:
    """What was measured and forecast in all of each whole day, and the unit of that: kWh where readings are in Wh."""
    larger, factor = _LARGER.get(unit or "", (unit, 1.0))
    names = ["actual", *_COMPARED]
    days = whole_days(first)
    return days[names].astype(np.float64).groupby(days["day"].to_numpy()).sum(min_count=1) * factor, larger


def day_table(first: pd.DataFrame, unit: str | None) -> Table | None:
    """For each model how far its days are off, and how often it has the hour of a day's peak; None without a day."""
    totals, larger = day_totals(first, unit)
    if totals.empty:
        return None
    days = whole_days(first)
    hours = on_the_clock(pd.DatetimeIndex(days["time"])).hour
    by_hour = days[["actual", *_COMPARED]].astype(np.float64).groupby([days["day"].to_numpy(), hours]).sum()
    peaks = by_hour.groupby(level=0).idxmax().map(itemgetter(1))  # the hour of the peak, a day a row
    rows = []
    for name in _COMPARED:
        off = totals[name] - totals["actual"]
        hit = (peaks[name] - peaks["actual"]).abs() <= _PEAK_HOURS
        bias = off.sum() / totals["actual"].sum() if totals["actual"].sum() else math.nan
        rows.append([LABELS[name], number(off.abs().mean()), percent(bias, 1), f"{int(hit.sum())} of {len(hit)}"])
    head = ["model", labelled("total of a day off by", larger), "all days together", "peak hour hit"]
    return Table(head, rows, marked=None)


def autocorrelation(residual: pd.Series, lags: int) -> Floats:
    """`[L]`: how residuals go with those of one to `lags` steps before, by their times; NaN of too few pairs."""
    steps = pd.Series(residual.to_numpy(np.float64), instants(pd.DatetimeIndex(residual.index)))
    steps = steps[~steps.index.duplicated()].dropna()
    step = _step(pd.DatetimeIndex(steps.index))
    if step is None:
        return np.full(lags, math.nan)
    places = np.round((steps.index - steps.index[0]) / step).astype(np.int64)
    grid = np.full(places[-1] + 1, math.nan)
    grid[places] = steps.to_numpy() - steps.mean()
    spread = float(np.nanmean(grid**2))
    found = np.full(lags, math.nan)
    for lag in range(1, min(lags, len(grid) - 1) + 1):
        products = grid[lag:] * grid[:-lag]
        if np.isfinite(products).sum() >= _FEWEST_PAIRS and spread > 0:
            found[lag - 1] = np.nanmean(products) / spread
    return found


def autocorrelation_panel(first: pd.DataFrame) -> Panel | None:
    """How residuals of the first step repeat themselves over two days; None where there are too few."""
    times = pd.DatetimeIndex(first["time"])
    step = _step(times)
    if step is None:
        return None
    residual = pd.Series((first["actual"] - first[GRU]).to_numpy(np.float64), times)
    found = autocorrelation(residual, min(_MOST_LAGS, round(_LAG_DAYS * pd.Timedelta(days=1) / step)))
    hours = np.arange(1, len(found) + 1) * (step / pd.Timedelta(hours=1))
    if not np.isfinite(found).any():
        return None
    band = 1.96 / math.sqrt(len(residual))
    x, y = {"title": "time between, hours", "zeroline": False, "hoverformat": ".3~r"}, {"title": "correlation"}
    figure = canvas(x=x, y={**y, "hoverformat": ".2f"}, height=340, margin={"b": 56})
    figure.add_bar(x=hours, y=found, marker_color=COLOURS[GRU], name=LABELS[GRU])
    for end in (-band, band):
        figure.add_hline(y=end, line={"color": GREY, "dash": "dash", "width": 1.5})
    day = round(pd.Timedelta(days=1) / step)
    at = {"the next step": found[0], "a day": found[day - 1] if day <= len(found) else math.nan}
    told = ", ".join(f"{value:.2f} after {name}" for name, value in at.items() if math.isfinite(value))
    note = (
        f"What the errors still know of those before: {told}. Between the dashed lines lies what chance makes of "
        f"{len(residual):,} errors (95 %); beyond them there is something left to learn."
    )
    return Panel("Residuals and those before", note, figure)
