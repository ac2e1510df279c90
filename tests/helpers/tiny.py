"""Small things to test with: a few rows of the simulated house, cut into windows for tiny networks."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from wattcast.model.clean import clean, raise_faults
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig, Scaler, fit_scaler
from wattcast.model.split import Split, SplitConfig, split_rows
from wattcast.model.windows import Series, WindowConfig, Windows, calendar, make_series, make_windows
from wattcast.tasks.data.simulate import simulate

READINGS = ReadingsConfig(features=("lights",))
WINDOW = WindowConfig(lookback=5, output_length=1, steps_ahead=2)


class Prepared(NamedTuple):
    frame: pd.DataFrame
    scaler: Scaler
    windows: Split[Windows]


def house(rows: int = 150, *, seed: int = 3) -> pd.DataFrame:
    """Raw readings as a file holds them."""
    return simulate(rows, seed=seed)


def prepare(
    raw: pd.DataFrame,
    *,
    readings: ReadingsConfig = READINGS,
    scale: ScaleConfig | None = None,
    window: WindowConfig = WINDOW,
) -> Prepared:
    """The project's own way from raw readings to windows."""
    cleaned = clean(raw, readings)
    raise_faults(cleaned.faults)
    frame = cleaned.frame
    parts = split_rows(pd.DatetimeIndex(frame.index), SplitConfig())
    rows = parts.train
    train, others = frame.iloc[rows.start : rows.stop], readings.features + readings.known
    scaler = fit_scaler(train, readings.targets, others, scale or ScaleConfig())
    series = make_series(frame, readings, scaler, window, revisions=cleaned.revisions, drawn=cleaned.drawn)
    return Prepared(frame, scaler, parts.map(lambda part: make_windows(series, part, readings.cadence, window)))


def counting_series(rows: int, *, missing: tuple[int, ...] = (), targets: int = 1) -> Series:
    """A series whose values are the numbers of its grid points, of which `missing` were never measured."""
    points = np.setdiff1d(np.arange(rows), missing)
    times = pd.date_range("2016-01-11 17:00", periods=rows, freq="10min")[points]
    values = np.stack([points + 1000 * k for k in range(targets)], axis=1).astype(np.float32)
    return Series(times=times, inputs=values, targets=values, readings=values, ahead=calendar(times))


def with_readings(windows: Windows, **arrays: np.ndarray) -> Windows:
    """The same windows over a series in which `arrays` stand in place of its own."""
    return replace(windows, series=replace(windows.series, **arrays))


def revised(
    raw: pd.DataFrame, column: str, *, leads: tuple[int, ...], noise: float, issued: str = "issued"
) -> pd.DataFrame:
    """Readings whose `column` was forecast so many steps before: the earlier, the noisier; each in a row of its own."""
    draws, steps = np.random.default_rng(5), pd.Timedelta(minutes=10)
    first = raw.assign(**{issued: raw["date"] - max(leads) * steps})
    past = [name for name in raw.columns if name not in {"date", column}]
    parts = [first.assign(**{column: raw[column] + noise * max(leads) * draws.normal(size=len(raw))})]
    for lead in sorted(leads)[:-1]:
        later = raw.assign(**{issued: raw["date"] - lead * steps})
        later[column] = raw[column] + noise * lead * draws.normal(size=len(raw))
        parts.append(later.assign(**dict.fromkeys(past, np.nan)))
    return pd.concat(parts, ignore_index=True)
