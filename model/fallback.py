"""The naive forecast that answers where a model cannot: the best one of a span, with intervals of its own errors.

N: forecasts. L: output length. K: targets. Q: quantiles. S: rows of the readings.

It needs no network and no files of the model: all that it is, how it reads readings included, is one record.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model import gru
from wattcast.model.arrays import Floats, Rows
from wattcast.model.baseline import NAIVE, Predictor, SeasonalNaive
from wattcast.model.clean import Cleaned, Habits, clean, raise_faults
from wattcast.model.drawn import Drawn
from wattcast.model.errors import InputError
from wattcast.model.history import is_stuck, longest_run, newest_run, too_few_days, too_few_readings
from wattcast.model.intervals import value_columns
from wattcast.model.metrics import METRICS
from wattcast.model.readings import MADE_AT, MADE_BY, ReadingsConfig
from wattcast.model.windows import Series, WindowConfig, Windows, make_windows, steps_behind

Kind = Literal["naive"]
"""What may answer in a model's place."""
MODEL = gru.NAME
"""What a forecast of the model itself is made by."""
_MOST_STEPS = 12  # ahead, whose errors are kept: those of the steps between are interpolated
_DIGITS = 5


@dataclass(frozen=True)
class Fallback:
    """The naive forecasts of a model's targets, the best one first; errors and forecasts in the unit of the model's."""

    readings: ReadingsConfig
    window: WindowConfig  # the model's: how much history it needs and what it forecasts
    habits: Habits
    quantiles: tuple[float, ...]  # [Q]
    steps: tuple[int, ...]  # steps of the output whose errors are kept
    errors: Mapping[str, Floats]  # [steps, K, Q] of each naive forecast, the best one first
    longest: Mapping[str, int]  # readings on end that were the same, of each column

    @classmethod
    def fit(  # noqa: PLR0917
        cls,
        windows: Windows,
        frame: pd.DataFrame,
        readings: ReadingsConfig,
        habits: Habits,
        quantiles: tuple[float, ...],
        metric: str = "rmse",
    ) -> Fallback:
        """By the errors of `windows`; `frame` holds the clean readings that a stuck sensor is told from.

        The intervals of a seasonal forecast know none of what persistence, in its place, did where it has no reading.
        """
        actual, errors, scores = windows.actual, {}, {}
        steps = np.unique(np.linspace(0, actual.shape[1] - 1, min(actual.shape[1], _MOST_STEPS)).astype(int))
        for name, model in NAIVE.items():
            made = model.predict(windows)
            scores[name] = METRICS[metric](actual[..., 0], made[..., 0])
            own = _suits(model, windows)
            errors[name] = conformal_quantiles((actual - made)[own if own.any() else ~own][:, steps], quantiles)
        return cls(
            readings=readings,
            window=windows.config,
            habits=habits,
            quantiles=quantiles,
            steps=tuple(steps.tolist()),
            errors={name: errors[name] for name in sorted(errors, key=scores.__getitem__)},
            longest={name: longest_run(frame[name].to_numpy(np.float64)) for name in readings.columns},
        )

    @classmethod
    def of_readings(
        cls,
        frame: pd.DataFrame,
        readings: ReadingsConfig,
        habits: Habits,
        window: WindowConfig,
        quantiles: tuple[float, ...],
        *,
        drawn: Drawn | None = None,
    ) -> Fallback:
        """By the errors on the clean readings that are given, where no span has judged the model.

        Those of `drawn` are points of lines, which no error is known of.

        Raises:
            InputError: they are too few for one forecast whose steps have passed.
        """
        values = frame[list(readings.targets)].to_numpy(np.float64)
        runs = [(newest_run(of_one), of_one) for of_one in values.T]
        stuck = [run for run, of_one in runs if is_stuck(run, longest_run(of_one[:-run]), readings.cadence)]
        sound = frame.iloc[: len(frame) - max(stuck, default=1) + 1]  # errors of a sensor that is stuck are none
        sound = sound if len(sound) > window.least_rows else frame
        times = pd.DatetimeIndex(sound.index)
        windows = _windows(_series(sound, times, readings, drawn), range(len(times)), readings, window)
        return replace(cls.fit(windows, sound, readings, habits, quantiles), window=window)

    @property
    def best(self) -> str:
        """The name of the best naive forecast."""
        return next(iter(self.errors))

    def clean(self, readings: pd.DataFrame) -> Cleaned:
        """Raw readings, cleaned, with the frame that `lacks` and `forecast` take.

        Raises:
            InputError: they cannot be used.
        """
        cleaned = clean(readings, self.readings, self.habits)
        raise_faults((*cleaned.faults, *cleaned.to_come.doubts))
        if not len(cleaned.frame):
            raise InputError("a forecast needs at least one reading, received none")
        return cleaned

    def lacks(self, frame: pd.DataFrame) -> str:
        """Why the model should not forecast the newest moment of a clean frame: too short or stuck; else nothing."""
        times = pd.DatetimeIndex(frame.index)
        for name, run in self._stuck(frame).items():
            return f"{name} is stuck at {frame[name].iloc[-1]:g} since {times[-run]}, {run} readings"
        short = too_few_readings(times, self.readings, self.window) or too_few_days(times, self.readings, self.window)
        return short.partition("; bring")[0]

    def forecast(self, frame: pd.DataFrame, *, every: bool = False, drawn: Drawn | None = None) -> pd.DataFrame:
        """What a model of this window gives from a clean frame, and in a last column which naive forecast made it.

        Where readings do not reach back as far as the best one reads, the next one that they suffice for forecasts.
        Readings of a sensor that is stuck are none: the newest one before them is the newest that is known. The older
        that is, the less persistence is worth: those that read the same time of an earlier day go before it then. With
        `every` there is none of a moment that is among those `drawn`.

        Raises:
            InputError: with `every`, no step of a forecast would be free of a gap.
        """
        times = pd.DatetimeIndex(frame.index)
        stuck = 0 if every else max(self._stuck(frame).values(), default=1) - 1  # the first of them may be true
        to_come = steps_behind(times, self.window.rows - self.window.lookback, self.readings.cadence)
        within = drawn.moments_alone if every and drawn else None
        series = _series(frame, pd.DatetimeIndex(times.append(to_come)), self.readings, within)
        rows = len(series.times)
        part = range(rows) if every else range(rows - self.window.output_length, rows)
        windows = _windows(series, part, self.readings, self.window, behind=stuck)
        parts = [self._of(name, windows.take(which), stuck) for name, which in self._suited(windows, stuck)]
        return pd.concat(parts).sort_values([MADE_AT, self.readings.timestamp], ignore_index=True)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON, the numbers rounded."""
        return {
            "readings": self.readings.model_dump(mode="json"),
            "window": self.window.model_dump(mode="json"),
            "habits": self.habits.to_json(),
            "quantiles": self.quantiles,
            "steps": self.steps,
            "errors": [[name, _rounded(each)] for name, each in self.errors.items()],
            "longest": dict(self.longest),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Fallback:
        """What `to_json` gave; of one whose options are not known here, what is known of them."""
        readings = {name: each for name, each in record["readings"].items() if name in ReadingsConfig.model_fields}
        window = {name: each for name, each in record["window"].items() if name in WindowConfig.model_fields}
        quantiles, config = tuple(record["quantiles"]), ReadingsConfig.model_validate(readings)
        shape = (len(record["steps"]), len(config.targets), len(quantiles))
        return cls(
            readings=config,
            window=WindowConfig.model_validate(window),
            habits=Habits.from_json(record["habits"]),
            quantiles=quantiles,
            steps=tuple(record["steps"]),
            errors={name: np.array(each, np.float64).reshape(shape) for name, each in record["errors"]},
            longest=dict(record["longest"]),
        )

    def _stuck(self, frame: pd.DataFrame) -> dict[str, int]:
        """Of each target that is stuck, for how many of the newest readings."""
        runs = {name: newest_run(frame[name].to_numpy(np.float64)) for name in self.readings.targets}
        longest, cadence = self.longest, self.readings.cadence
        return {name: run for name, run in runs.items() if is_stuck(run, longest.get(name, len(frame)), cadence)}

    def _suited(self, windows: Windows, stuck: int) -> Iterator[tuple[str, Rows]]:
        """For each naive forecast, the best one first, which of the windows are left to it that it can forecast."""
        left = np.ones(len(windows), bool)
        for name in sorted(self.errors, key=lambda name: stuck > 0 and not isinstance(NAIVE[name], SeasonalNaive)):
            model = NAIVE[name]
            suits = left & _suits(model, windows)
            if suits.any():
                yield name, np.flatnonzero(suits)
            left = left & ~suits

    def _of(self, name: str, windows: Windows, stuck: int) -> pd.DataFrame:
        times, targets, length = windows.series.times, self.readings.targets, self.window.output_length
        made = NAIVE[name].predict(windows)[..., None]  # [N, L, K, 1]
        older = 0 if isinstance(NAIVE[name], SeasonalNaive) else stuck  # steps that it reaches farther ahead
        bounds = made + _between(self.errors[name], self.steps, older + np.arange(length))  # [N, L, K, Q]
        values = np.maximum(np.concatenate([made, bounds], axis=-1), self.readings.lowest)
        names = value_columns(targets, self.quantiles)
        columns = dict(zip(names, values.reshape(values.shape[0] * length, -1).T, strict=True))
        made_at = times[np.repeat(windows.newest_row + stuck, length)]
        ahead = times[windows.target_rows.ravel()]
        return pd.DataFrame({MADE_AT: made_at, self.readings.timestamp: ahead, **columns, MADE_BY: name})


def _suits(model: Predictor, windows: Windows) -> npt.NDArray[np.bool_]:
    """`[N]` which of the windows a naive forecast has the readings for."""
    if not isinstance(model, SeasonalNaive):
        return np.ones(len(windows), bool)
    return np.asarray((model.rows(windows) >= 0).all(axis=1))


def conformal_quantiles(errors: Floats, quantiles: Sequence[float]) -> Floats:
    """`[L, K, Q]` of errors `[N, L, K]` by the rule of split-conformal ones, no farther than the outermost error."""
    ascending, count = np.sort(errors, axis=0), len(errors)
    places = [
        math.ceil(quantile * (count + 1)) - 1 if quantile >= 0.5 else math.floor(quantile * (count + 1)) - 1
        for quantile in quantiles
    ]
    return np.moveaxis(ascending[np.clip(places, 0, count - 1)], 0, -1) if places else np.empty((*errors.shape[1:], 0))


def _between(errors: Floats, steps: Sequence[int], asked: Rows) -> Floats:
    """`[L, K, Q]` of the steps `asked` `[L]`, from the errors `[steps, K, Q]` of some; those of the last go on."""
    flat = errors.reshape(len(steps), -1)
    columns = [np.interp(asked, steps, column) for column in flat.T]
    shape = (len(asked), *errors.shape[1:])
    return np.stack(columns, axis=1).reshape(shape) if columns else np.empty(shape)


def _series(frame: pd.DataFrame, times: pd.DatetimeIndex, readings: ReadingsConfig, drawn: Drawn | None) -> Series:
    """The targets of a clean frame at `times`, which may go on behind it; a naive forecast reads nothing else."""
    values = frame[list(readings.targets)].to_numpy(np.float64)
    values = np.pad(values, [(0, len(times) - len(values)), (0, 0)], constant_values=np.nan)
    nothing = np.empty((len(times), 0), np.float32)
    rows = drawn.at(times) if drawn else None
    return Series(times, nothing, nothing, values, nothing, readings.lowest, drawn=rows)


def _windows(
    series: Series, part: range, readings: ReadingsConfig, window: WindowConfig, *, behind: int = 0
) -> Windows:
    """Those of a naive forecast, which needs one reading; the newest one that it knows lies so many rows `behind`."""
    one = WindowConfig(lookback=1, steps_ahead=window.steps_ahead + behind, output_length=window.output_length)
    return make_windows(series, part, readings.cadence, one)


def _rounded(values: Floats) -> list[Any]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.ravel()]
