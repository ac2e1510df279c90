"""The data of every benchmark: windows over the simulated house with all of its 28 readings.

N: windows. T: lookback. F: input columns. K: targets.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattcast.model.arrays import Array
from wattcast.model.clean import check_readings
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig, Scaler, fit_scaler
from wattcast.model.split import Split
from wattcast.model.windows import WindowConfig, Windows, make_series, make_windows
from wattcast.tasks.data.simulate import simulate
from wattcast.tasks.data.uci import UCI_COLUMNS

READINGS = ReadingsConfig(targets=UCI_COLUMNS[:1], features=UCI_COLUMNS[1:])
VALIDATION = 256  # windows


@dataclass(frozen=True)
class House:
    """Scaled windows of readings; the test part, which nothing here reads, repeats the validation part."""

    windows: Split[Windows]
    scaler: Scaler


def make_house(windows: int, lookback: int) -> House:
    """So many training windows, one step ahead, and `VALIDATION` windows after them. Always the same ones."""
    train = range(windows + lookback)
    validation = range(train.stop, train.stop + VALIDATION)
    frame = check_readings(simulate(validation.stop), READINGS)
    scaler = fit_scaler(frame.iloc[: train.stop], READINGS.targets, READINGS.features, ScaleConfig())
    series = make_series(frame, READINGS, scaler)
    parts = Split(train, validation, validation)
    config = WindowConfig(lookback=lookback)
    return House(parts.map(lambda part: make_windows(series, part, READINGS.cadence, config)), scaler)


def arrays(windows: Windows) -> tuple[Array, Array]:
    """`[N, T, F]` and `[N, K]`, scaled: what a library that knows no windows wants."""
    return windows.series.inputs[windows.input_rows], windows.series.targets[windows.target_rows[:, 0]]
