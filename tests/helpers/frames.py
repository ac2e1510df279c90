"""Small frames over a morning of March 2021, and their stamps as text."""

import numpy as np
import pandas as pd


def at(*stamps: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.Timestamp(f"2021-03-01 {stamp}") for stamp in stamps], name="time")


def over(times: pd.DatetimeIndex, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({name: np.array(values, np.float64) for name, values in columns.items()}, index=times)


def every(minutes: int, rows: int, start: str = "2021-03-01 00:00") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=rows, freq=f"{minutes}min", name="time")


def stamps(frame: pd.DataFrame) -> list[str]:
    return [f"{stamp:%H:%M:%S}" if stamp.second else f"{stamp:%H:%M}" for stamp in frame.index]
