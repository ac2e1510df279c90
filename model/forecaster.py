"""The product: raw readings in, forecasts out, in the unit of energy of the readings. What is scored is what is served.

N: forecasts. L: output length. K: targets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.clean import Habits, clean, raise_faults
from wattcast.model.clock import instants
from wattcast.model.drawn import Drawn
from wattcast.model.errors import InputError
from wattcast.model.gru import GRUConfig, Shape
from wattcast.model.history import days_before, too_few_days, too_few_readings, unbroken_history
from wattcast.model.intervals import Intervals, value_columns
from wattcast.model.readings import MADE_AT, ReadingsConfig
from wattcast.model.revisions import Revisions
from wattcast.model.scaler import Scaler
from wattcast.model.windows import (
    WindowConfig,
    Windows,
    ahead_columns,
    make_series,
    make_windows,
    steps_behind,
    unbroken_rows,
)

if TYPE_CHECKING:
    import keras

NETWORK_FILE = "network.keras"
RECORD_FILE = "forecaster.json"
INTERVALS_FILE = "intervals.npz"


@dataclass(frozen=True)
class Forecaster:
    """A trained network with all that leads from readings to its inputs and from its outputs to forecasts.

    Forecasts are in `readings.energy_unit`.
    """

    readings: ReadingsConfig
    window: WindowConfig
    scaler: Scaler
    model: GRUConfig
    network: keras.Model
    habits: Habits = field(default_factory=Habits)
    intervals: Intervals | None = None

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]` forecasts for all `windows`, which were made with this scaler."""
        from wattcast.model.network.scoring import forecast_scaled

        one = len(windows) == 1
        scaled = self._single(windows) if one else forecast_scaled(self.model, self._members, windows)
        readings = self.scaler.inverse(scaled, first=len(self.readings.targets))
        return np.maximum(readings, self.readings.lowest)

    def forecast(self, readings: pd.DataFrame, *, every: bool = False) -> pd.DataFrame:
        """Forecasts from raw readings: the newest one, or with `every` one from each moment that has enough history.

        With `every`, a moment whose forecast would fall into a gap of the readings is left out, one within a gap that a
        line closes, and one of whose steps a known column is not given.

        `readings` has a column (or index) of time stamps and before the moment of the forecast at least
        `window.min_history` rows without a gap, `window.lookback` where that is not set; where the model reads the same
        time days before, the rows reach back so many days, gaps aside. Where it reads known columns, the rows behind
        the newest reading hold these, and nothing else. One row of the result is one step: `made_at` (time stamp of the
        newest reading that was used), the time stamp that is forecast, and each target, with intervals also its
        quantiles, such as `load_p05`.

        Raises:
            InputError: missing columns, values that are no finite numbers, time stamps off the grid, too few rows or
                days, a step of the forecast of which a known column is not given.
        """
        cleaned = clean(readings, self.readings, self.habits)
        raise_faults((*cleaned.faults, *cleaned.to_come.doubts))
        drawn = cleaned.drawn.moments_alone if every and cleaned.drawn else None
        return self._forecast(cleaned.frame, cleaned.to_come.known, cleaned.revisions, drawn, every=every)

    def _forecast(
        self,
        frame: pd.DataFrame,
        known: pd.DataFrame,
        revisions: Revisions | None,
        drawn: Drawn | None,
        *,
        every: bool,
    ) -> pd.DataFrame:
        """`forecast` from a clean frame, and what is `known` of the steps behind it, by `revisions` where there are."""
        unbroken = self._require_history(pd.DatetimeIndex(frame.index), every=every)
        if not every:
            frame = self._newest(frame, unbroken)
        later = self.window.rows - self.window.lookback
        to_come = known.reindex(steps_behind(pd.DatetimeIndex(frame.index), later, self.readings.cadence))
        series = make_series(
            frame, self.readings, self.scaler, self.window, to_come=to_come, revisions=revisions, drawn=drawn
        )
        rows = len(series.times)
        forecast = range(rows) if every else range(rows - self.window.output_length, rows)
        windows = make_windows(series, forecast, self.readings.cadence, self.window, unknown=True)
        windows = self._require_known(self._require_seasons(windows))
        values = self.predict(windows)  # [N, L, K]
        times = series.times
        made_at = times[np.repeat(windows.newest_row, self.window.output_length)]
        quantiles: tuple[float, ...] = ()
        values = values[..., None]  # [N, L, K, 1]
        if self.intervals is not None:
            bounds, quantiles = self.intervals.around(values[..., 0], windows), self.intervals.quantiles
            values = np.concatenate([values, bounds], axis=-1)  # [N, L, K, 1 + Q]
        names = value_columns(self.readings.targets, quantiles)
        columns = dict(zip(names, values.reshape(len(made_at), -1).T, strict=True))
        return pd.DataFrame({MADE_AT: made_at, self.readings.timestamp: times[windows.target_rows.ravel()], **columns})

    def warm_up(self) -> None:
        """Compile what forecasts the newest moment, so that the first forecast is as quick as the next ones."""
        zone, cadence = self.readings.timezone, self.readings.cadence
        rows = self.window.reach(self.readings)
        later = self.window.rows - self.window.lookback
        times = pd.date_range("2016-01-11", periods=rows + later, freq=cadence, tz=zone)
        frame = pd.DataFrame(1.0, index=times, columns=list(self.readings.columns))
        known = frame[list(self.readings.known)]
        revisions = Revisions.from_the_start(known) if self.readings.available_at else None
        self._forecast(frame.iloc[:rows], known.iloc[rows:], revisions, None, every=False)

    def save(self, folder: Path) -> None:
        """Write a plain Keras file and a small JSON into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.network.save(folder / NETWORK_FILE)
        record = {
            "readings": self.readings.model_dump(mode="json"),
            "window": self.window.model_dump(mode="json"),
            "scaler": self.scaler.to_json(),
            "model": self.model.model_dump(mode="json"),
            "habits": self.habits.to_json(),
            "quantiles": self.intervals.quantiles if self.intervals else (),
        }
        if self.intervals is not None:
            np.savez(folder / INTERVALS_FILE, **self.intervals.to_arrays())  # type: ignore[arg-type]
        (folder / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Forecaster:
        """What `save` wrote.

        Raises:
            InputError: an earlier version wrote it, which did not keep all that is needed.
        """
        from wattcast.model.network.build import load_network

        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        if missing := {"readings", "window", "scaler", "model"} - set(record):
            raise InputError(f"the model in {folder} lacks {', '.join(sorted(missing))}: train it anew")
        return cls(
            readings=ReadingsConfig.model_validate(record["readings"]),
            window=WindowConfig.model_validate(record["window"]),
            scaler=Scaler.from_json(record["scaler"]),
            model=GRUConfig.model_validate(record["model"]),
            habits=Habits.from_json(record["habits"]) if "habits" in record else Habits(),
            network=load_network(folder / NETWORK_FILE),
            intervals=_load_intervals(folder / INTERVALS_FILE),
        )

    @cached_property
    def _members(self) -> list[tuple[Any, ...]]:
        from wattcast.model.network.build import members_of
        from wattcast.model.network.scoring import resident

        return resident(members_of(self.network, self.model))

    @cached_property
    def _single(self) -> Callable[[Windows], npt.NDArray[np.float32]]:
        from wattcast.model.network.scoring import compile_single

        inputs = self.network.inputs[0].shape[-1]
        ahead = len(ahead_columns(self.readings, self.window))
        shape = Shape.fitting(self.window, inputs, len(self.readings.targets), ahead)
        return compile_single(self.model, self._members, shape)

    def _require_history(self, times: pd.DatetimeIndex, *, every: bool) -> int:
        """How many of the newest readings have no gap between them, which are enough; with `every` those of any moment.

        Raises:
            InputError: they are too few.
        """
        lacking = too_few_readings(times, self.readings, self.window)
        if lacking and not (every and self._has_history(times)):
            alone = ", and rows to come that hold the known columns alone" if self.readings.known else ""
            raise InputError(f"{lacking}; bring more readings{alone}")
        return unbroken_history(times, self.readings.cadence)

    def _has_history(self, times: pd.DatetimeIndex) -> bool:
        """Some of the readings have enough before them without a gap."""
        return bool((unbroken_rows(instants(times), self.readings.cadence) >= self.window.shortest).any())

    def _newest(self, frame: pd.DataFrame, unbroken: int) -> pd.DataFrame:
        """The rows of `frame` that its newest forecast reads, of which the last `unbroken` have no gap between them."""
        rows = min(unbroken, self.window.lookback)
        if days := self.window.seasons(self.readings.cadence).days:
            times = instants(pd.DatetimeIndex(frame.index))
            first = (
                times[-1] + self.window.steps_ahead * self.readings.cadence.to_timedelta64() - np.timedelta64(days, "D")
            )
            rows = max(rows, len(times) + 1 - int(np.searchsorted(times, first, side="right")))  # no later than that
        return frame.iloc[-rows:]

    def _require_seasons(self, windows: Windows) -> Windows:
        """Those of `windows` whose series reaches back to all the same times before that they read, gaps aside.

        Where a history may be short, all of them: what is not known is read as the mean.

        Raises:
            InputError: there is none.
        """
        days, times = days_before(self.readings, self.window), instants(windows.series.times)
        if not days:
            return windows
        reaches = times[windows.target_rows[:, 0]] - np.timedelta64(days, "D") >= times[0]  # [N]
        if not reaches.any():
            known = windows.series.times[: int(windows.newest_row[-1]) + 1]
            raise InputError(too_few_days(known, self.readings, self.window))
        return windows if reaches.all() else windows.take(np.flatnonzero(reaches))

    def _require_known(self, windows: Windows) -> Windows:
        """Those of `windows` of whose steps all known columns are given, and were at the moment of the forecast.

        Raises:
            InputError: there is none.
        """
        if not self.readings.known:
            return windows
        names = self.readings.known
        first = ahead_columns(self.readings, self.window).index(names[0])
        lacking = np.isnan(windows.series.ahead[:, first : first + len(names)])  # [V, A]
        ahead = windows.ahead_rows  # [N, L]
        whole = ~lacking[ahead].any(axis=(1, 2))  # [N]
        if whole.all():
            return windows
        if whole.any():
            return windows.take(np.flatnonzero(whole))
        rows, times = windows.target_rows[-1], windows.series.times
        step, column = np.argwhere(lacking[ahead[-1]])[0]
        count = int(lacking[ahead[-1]].any(axis=1).sum())
        issued = self.readings.available_at
        until, beside = (f" by then (column {issued!r})", f" and {issued!r}") if issued else ("", "")
        raise InputError(
            f"column {names[column]!r} is not given{until} of step {self.window.steps_ahead + step} ahead, "
            f"{times[rows[step]]} ({count:,} of {len(rows):,} steps lack known values): behind the newest reading, "
            f"{times[windows.newest_row[-1]]}, bring rows that hold the known columns alone "
            f"({', '.join(map(repr, names))}{beside})"
        )


def _load_intervals(file: Path) -> Intervals | None:
    """Those that were saved, if any were."""
    if not file.exists():
        return None
    with np.load(file) as arrays:
        return Intervals.from_arrays(dict(arrays))
