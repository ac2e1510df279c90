"""Readings -> clean frame, or every fault at once.

What every use of a model asks of its readings stands in `wattcast.model.readings`; here is what training data must
satisfy too: plausible values, targets that vary, and at least one stretch that is long enough for a window.
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pandera.pandas as pa

from wattcast.model.readings import ReadingsConfig, inspect_readings, raise_faults
from wattcast.tasks.data.uci import ENERGY_COLUMNS, ROOM_COLUMNS
from wattcast.tasks.step import step

log = logging.getLogger(__name__)

HUMIDITY_COLUMNS = frozenset({*ROOM_COLUMNS[1::2], "RH_out"})
TEMPERATURE_COLUMNS = frozenset({*ROOM_COLUMNS[::2], "T_out", "Tdewpoint"})
NOT_NEGATIVE = pa.Check.ge(0, error="must not be negative")
PERCENT = pa.Check.in_range(0, 100, error="must lie within 0..100 %")
DEGREES = pa.Check.in_range(-60, 80, error="must lie within -60..80 °C")
VARYING = pa.Check(lambda values: bool(values.min() != values.max()), error="is a target and must vary")


def validate(frame: pd.DataFrame, config: ReadingsConfig, *, window_rows: int) -> pd.DataFrame:
    """As `trainable`, and gaps are logged."""
    clean = trainable(frame, config, window_rows=window_rows)
    times = pd.DatetimeIndex(clean.index)
    stretches = _stretches(times, config.cadence)
    if len(stretches) > 1:
        end, start = times[stretches[0] - 1 : stretches[0] + 1]
        log.warning("gaps in time: %d, first from %s to %s; no window crosses one", len(stretches) - 1, end, start)
    return clean


validate_task = step(validate)


def trainable(frame: pd.DataFrame, config: ReadingsConfig, *, window_rows: int) -> pd.DataFrame:
    """The readings of `config` out of `frame` as a clean frame that a model can be trained on.

    Nothing is repaired and `frame` is not changed. A gap of whole steps is allowed: it starts a new segment.

    Args:
        frame: readings, with time stamps in the column `config.timestamp` or as the index.
        config: the columns and the cadence wanted.
        window_rows: rows that one window spans, its inputs and its targets together.

    Raises:
        InputError: with every fault at once: what `check_readings` finds, negative energy, a constant target,
            impossible temperatures and humidities, no stretch of `window_rows` rows without a gap.
    """
    clean, faults = inspect_readings(frame, config)
    faults += _value_faults(clean, config.targets)
    times = clean.index
    stretches = _stretches(times, config.cadence) if isinstance(times, pd.DatetimeIndex) else [len(frame)]
    if max(stretches) < window_rows:
        faults.append(
            f"one window needs {window_rows} rows without a gap, the longest stretch has {max(stretches)} of "
            f"{len(frame)} rows: give more readings, or shorten lookback or horizon{_other_cadence(times, stretches)}"
        )
    raise_faults(faults)
    return clean


def _other_cadence(times: pd.Index, stretches: list[int]) -> str:
    """What to look at first where not even two readings lie one step apart."""
    if max(stretches) > 1 or len(stretches) < 2:
        return ""
    minutes = np.median(np.diff(times)) / np.timedelta64(1, "m")
    return f"; most readings lie {minutes:g} minutes apart: is that what readings.cadence_minutes says?"


def _schema(targets: tuple[str, ...], columns: list[str]) -> pa.DataFrameSchema:
    energy = frozenset({*ENERGY_COLUMNS, *targets})
    kinds = ((HUMIDITY_COLUMNS, PERCENT), (TEMPERATURE_COLUMNS, DEGREES), (energy, NOT_NEGATIVE))

    def checks(name: str) -> list[pa.Check]:
        plausible = [check for names, check in kinds if name in names][:1]
        return [*plausible, VARYING] if name in targets else plausible

    return pa.DataFrameSchema({name: pa.Column(checks=checks(name), nullable=True) for name in columns})


def _value_faults(clean: pd.DataFrame, targets: tuple[str, ...]) -> list[str]:
    """One sentence for each check that a column fails; values that are not finite are reported elsewhere."""
    values = clean.reset_index(drop=True).replace([np.inf, -np.inf], np.nan)
    try:
        _schema(targets, values.columns.to_list()).validate(values, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases.groupby(["column", "check"], sort=False)
        return [_sentence(column, check, values[column], found["index"]) for (column, check), found in cases]
    return []


def _sentence(name: str, rule: str, values: pd.Series, rows: pd.Series) -> str:
    if rows.isna().all():  # a check of the column as a whole
        return f"column {name!r} {rule}, received {values.max():g} in all {len(values)} rows"
    row = int(rows.min())
    more = f" and in {len(rows) - 1} rows more" if len(rows) > 1 else ""
    return f"column {name!r} {rule}, received {values[row]:g} in row {row}{more}"


def _stretches(times: pd.DatetimeIndex, cadence: pd.Timedelta) -> list[int]:
    """Rows of each stretch without a gap; of faulty time stamps those that are left when sorted and unique."""
    sound = times[times.notna()].unique().sort_values()
    gaps = np.flatnonzero(np.diff(sound) > cadence.to_timedelta64()) + 1
    lengths: list[int] = np.diff(gaps, prepend=0, append=len(sound)).tolist()
    return lengths
