"""Whether a version in use still does what it did when it was judged: readings, drift, skill and intervals.

N: forecasts in the order of time. L: output length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.history import is_stuck, longest_run, newest_run
from wattcast.model.intervals import interval_levels, value_columns
from wattcast.model.metrics import skill
from wattcast.model.readings import MADE_AT, ReadingsConfig
from wattcast.tasks.bootstrap import Interval, of_each, of_few_days, statistic_interval
from wattcast.tasks.monitoring.drift import measure_drift
from wattcast.tasks.monitoring.past import ACTUAL, PERSISTENCE, past_rows
from wattcast.tasks.registry.contract import Contract

LATE, STUCK, DRIFT, SKILL, COVERAGE = "late", "stuck", "drift", "skill", "coverage"
OF_READINGS = (LATE, STUCK)
"""What no retraining mends: there is nothing right to learn from."""
_LEVEL = 0.99  # as it is looked at each hour of a year
_BAND = 0.05  # around a level, within which coverage may lie
_LEAST = pd.Timedelta(days=2)  # of forecasts, to say anything of them


@dataclass(frozen=True)
class Sign:
    """One thing that was looked at: whether it is wrong, and what was found, in one line."""

    name: str
    wrong: bool
    found: str


@dataclass(frozen=True)
class Skill:
    """A skill against persistence, and its interval by a bootstrap of whole days."""

    value: float
    low: float
    high: float


def judge_lateness(times: pd.DatetimeIndex, now: pd.Timestamp, allowed: pd.Timedelta) -> Sign:
    """Whether the newest of `times` lies further back than allowed; `now` is on their clock."""
    age = now - times[-1]
    found = f"the newest reading is of {times[-1]}, {_told(age)} ago, {_told(allowed)} are allowed"
    if age < pd.Timedelta(0):
        found = f"the newest reading is of {times[-1]}, which is {_told(-age)} ahead of now, {now}"
    return Sign(LATE, not -allowed <= age <= allowed, found)


def judge_stuck(frame: pd.DataFrame, readings: ReadingsConfig, known: Mapping[str, int]) -> Sign:
    """Whether a column that the model reads keeps to one value for longer than ever before.

    `known` are the longest runs in training; of a column that is not in there, the longest one of `frame` before it.
    """
    wrong = []
    for name in readings.columns:
        values = frame[name].to_numpy(np.float64)
        run = newest_run(values)
        before = longest_run(values[: len(values) - run + 1])
        if is_stuck(run, known.get(name, before), readings.cadence):
            wrong.append(f"{name} at {values[-1]:g} for {_told(run * readings.cadence)}")
    return Sign(STUCK, bool(wrong), "; ".join(wrong) or f"none of {len(readings.columns)} columns keeps to one value")


def judge_drift(
    frame: pd.DataFrame, readings: ReadingsConfig, trained: tuple[pd.Timestamp, pd.Timestamp] | None, days: float
) -> Sign:
    """Whether the newest `days` after training differ from it in what the model reads: levels and tests of `drift`."""
    times = pd.DatetimeIndex(frame.index)
    if trained is None:
        return Sign(DRIFT, False, "not looked at, as the version does not say what it was trained on")
    first, last = int(times.searchsorted(trained[0])), int(times.searchsorted(trained[1], side="right"))
    newest = max(last, int(times.searchsorted(times[-1] - pd.Timedelta(days=days), side="right")))
    rows = readings.steps_a_day
    if last - first < rows or len(times) - newest < rows:
        return Sign(DRIFT, False, "not looked at, as the readings lack a day of training or a day after it")
    found = measure_drift(
        frame, range(first, last), range(newest, len(times)), read=readings.columns, target=readings.targets[0]
    )
    return Sign(DRIFT, any(column.read for column in found.alarms), found.sentence)


def skill_of(squared: Floats, *, block: int) -> Skill:
    """From squared errors `[2, N]` of a model and of persistence; `block` forecasts make a day."""
    value = float(_skill(squared.mean(axis=1)[:, None])[0])
    interval = statistic_interval([squared], _skill, block=block, level=_LEVEL)
    return Skill(value, *of_few_days(interval, value, days=squared.shape[1] / block, level=_LEVEL))


def judge_skill(rows: pd.DataFrame, contract: Contract, judged: Skill | None, days: float) -> Sign:
    """Whether the skill of the newest `days` of logged forecasts lies below the one that the gate saw, beyond luck.

    Both have an interval; the difference counts where it is larger than both half intervals together, as those of
    independent figures.
    """
    target = contract.targets[0]
    newest = _newest(rows, contract, [target, target + ACTUAL, target + PERSISTENCE], days)
    if newest is None:
        return Sign(SKILL, False, _FEW)
    values, block = newest
    errors = values[..., [0, 2]] - values[..., 1, None]  # [N, L, 2]
    now = skill_of((errors**2).mean(axis=1).T, block=block)
    if not (math.isfinite(now.value) and math.isfinite(now.low)):
        return Sign(SKILL, False, "not looked at, as readings have hardly changed")
    of = f" of {target}" if len(contract.targets) > 1 else ""
    words = f"{now.value:.3f}{of} over the newest {len(values):,} forecasts ({_in_words((now.low, now.high), _LEVEL)})"
    if judged is None:
        return Sign(SKILL, False, f"{words}; not compared, as the gate of this version has kept no skill")
    luck = math.hypot(now.high - now.value, judged.value - judged.low)
    return Sign(SKILL, judged.value - now.value > luck, f"{words}, {judged.value:.3f} at the gate")


def judge_coverage(rows: pd.DataFrame, contract: Contract, days: float) -> Sign:
    """Whether the intervals of the newest `days` of logged forecasts hold another share than they say, beyond luck.

    The looks at levels and targets share the doubt that is left.
    """
    wrong, told = False, []
    sure = of_each(_LEVEL, max(1, len(contract.targets) * len(interval_levels(contract.quantiles))))
    for target in contract.targets if contract.quantiles else ():
        newest = _newest(rows, contract, [target + ACTUAL, *value_columns([target], contract.quantiles)[1:]], days)
        if newest is None:
            return Sign(COVERAGE, False, _FEW)
        values, block = newest
        for place, level in enumerate(interval_levels(contract.quantiles)):
            low, high = values[..., 1 + place], values[..., -1 - place]
            held = ((values[..., 0] >= low) & (values[..., 0] <= high)).mean(axis=1)  # [N]
            around = _luck_of(held, block, sure)
            wrong |= around[1] < level - _BAND or around[0] > level + _BAND
            name = f" of {target}" if len(contract.targets) > 1 else ""
            share = f"{100 * held.mean():.1f} % in those of {100 * level:g} %{name}"
            told.append(f"{share} ({_in_words(around, sure, 100)})")
    return Sign(COVERAGE, wrong, "; ".join(told) or "not looked at, as the version has no intervals")


def _luck_of(held: Floats, block: int, level: float) -> Interval:
    """The interval of the mean of shares `[N]`, over days.

    Where all forecasts hold everything or nothing, no resample differs: then what so many by themselves could be.
    """
    interval = statistic_interval([held[None]], lambda means: means[0], block=block, level=level)
    low, high = of_few_days(interval, float(held.mean()), days=len(held) / block, level=level)
    least = ((1 - level) / 2) ** (1 / len(held))  # Clopper and Pearson 1934, Biometrika 26
    return least if held.min() == 1 else max(low, 0.0), 1 - least if held.max() == 0 else min(high, 1.0)


_FEW = f"not looked at, as {_LEAST.days} days of forecasts whose actuals are known are not there yet"


def rows_of(
    frame: pd.DataFrame, contract: Contract, version: str, trained_to: Mapping[str, pd.Timestamp]
) -> pd.DataFrame:
    """The rows of a file of forecasts that the model of a version made, for times after its training."""
    return next((rows for name, rows in past_rows(frame, contract, trained_to) if name == version), frame.head(0))


def _newest(rows: pd.DataFrame, contract: Contract, columns: list[str], days: float) -> tuple[Floats, int] | None:
    """`[N, L, columns]` of the forecasts of the newest `days` all of whose steps are known, and how many make a day."""
    length, known = contract.output_length, rows.dropna(subset=columns)
    known = known[known.groupby(MADE_AT)[columns[0]].transform("size") == length].sort_values(
        [MADE_AT, contract.timestamp]
    )
    made = pd.DatetimeIndex(known[MADE_AT])[::length]
    kept = made > made[-1:].max() - pd.Timedelta(days=days)
    newest = made[kept]
    count = len(newest)
    if count < 2 or made[-1] - made[0] < _LEAST:
        return None
    if (newest[-1] - newest[0]) * count < _LEAST * (count - 1):  # each stands for the time to the next
        return None
    values = known[columns].to_numpy(np.float64).reshape(len(made), length, len(columns))[kept]
    spanned = (newest[-1] - newest[0]) / pd.Timedelta(days=1)
    return values, max(1, round(len(values) / max(spanned, 1)))


def _skill(means: Floats) -> Floats:
    """Of mean squared errors `[2, R]` of a model and of persistence."""
    roots = np.sqrt(means)
    return np.array([skill(float(own), float(reference)) for own, reference in roots.T])


def _in_words(interval: Interval, level: float, factor: float = 1) -> str:
    low, high = (factor * each for each in interval)
    return f"{100 * level:.4g} % interval {low:.3g} to {high:.3g}"


def _told(span: pd.Timedelta) -> str:
    minutes = span / pd.Timedelta(minutes=1)
    length, unit = (1440, "days") if minutes >= 2880 else (60, "hours") if minutes >= 120 else (1, "minutes")
    return f"{minutes / length:,.0f} {unit}" if minutes >= 100 * length else f"{minutes / length:.3g} {unit}"
