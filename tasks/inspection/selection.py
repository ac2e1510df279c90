"""The rows of one meter out of a table, and the text of their moments: what comes before any reading of time stamps.

S: rows of the table.
"""

from __future__ import annotations

import pandas as pd

from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.inspection.columns import interval_begins


def selected(frame: pd.DataFrame, readings: ReadingsConfig, *, intervals: bool = False) -> pd.DataFrame:
    """The rows of the meter of `readings`, with date and time of day as one text in the column of the time stamps.

    Args:
        frame: a table as it came; it is not changed.
        readings: what is known so far; what is not, is passed over.
        intervals: the column of the time stamps holds two moments a cell, of which the first is taken.
    """
    meter = readings.meter.model_dump() if readings.meter is not None else {}
    if meter and meter["column"] in frame:
        frame = frame[meter_names(frame[meter["column"]]) == meter["is"]]
    if readings.timestamp not in frame:
        return frame
    if readings.time_of_day is not None and readings.time_of_day in frame:
        dates = frame[readings.timestamp]
        days = dates.dt.strftime("%Y-%m-%d") if dates.dtype.kind == "M" else dates.astype("str").str.strip()
        times = frame[readings.time_of_day].astype("str").str.strip()
        return frame.assign(**{readings.timestamp: (days + " " + times).astype("str")})
    if intervals:
        return frame.assign(**{readings.timestamp: interval_begins(frame[readings.timestamp])})
    return frame


def meter_names(column: pd.Series) -> pd.Series:
    """The meter of each row `[S]` as it is written: a number that is whole without its point."""
    if column.dtype.kind == "f" and not (column.dropna() % 1).any():
        return column.astype("Int64").astype("str")
    return column.astype("str").str.strip()
