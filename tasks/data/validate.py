"""Readings -> clean frame, or every fault at once.

What every use of a model asks of its readings stands in `wattcast.model.readings`; here is what training data must
satisfy too: plausible values, targets that vary, and at least one stretch that is long enough for a window.
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pandera.pandas as pa

from wattcast.model.errors import InputError
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


def validate(frame: pd.DataFrame, config: ReadingsConfig, *, window_rows: int, uci: bool = False) -> pd.DataFrame:
    """As `trainable`, and gaps are logged."""
    clean = trainable(frame, config, window_rows=window_rows, uci=uci)
    times = pd.DatetimeIndex(clean.index)
    stretches = _stretches(times, config.cadence)
    if len(stretches) > 1:
        end, start = times[stretches[0] - 1 : stretches[0] + 1]
        log.warning("gaps in time: %d, first from %s to %s; no window crosses one", len(stretches) - 1, end, start)
    return clean


validate_task = step(validate)


def trainable(frame: pd.DataFrame, config: ReadingsConfig, *, window_rows: int, uci: bool = False) -> pd.DataFrame:
    """The readings of `config` out of `frame` as a clean frame that a model can be trained on.

    Nothing is repaired and `frame` is not changed. A gap of whole steps is allowed: it starts a new segment.

    Args:
        frame: readings, with time stamps in the column `config.timestamp` or as the index.
        config: the columns and the cadence wanted.
        window_rows: rows that one window spans, its inputs and its targets together.
        uci: the columns are those of the UCI file: its temperatures and humidities must be possible ones.

    Raises:
        InputError: with every fault at once: what `check_readings` finds, a target that is negative or constant,
            impossible values of the UCI file, no stretch of `window_rows` rows without a gap.
    """
    clean, faults = inspect_readings(frame, config)
    faults += _value_faults(clean, config, uci=uci)
    times = clean.index
    stretches = _stretches(times, config.cadence) if isinstance(times, pd.DatetimeIndex) else [len(frame)]
    if max(stretches) < window_rows:
        faults.append(
            f"one window needs {window_rows} rows without a gap, the longest stretch has {max(stretches)} of "
            f"{len(frame)} rows: give more readings, or shorten lookback or horizon{_other_cadence(times, stretches)}"
        )
    raise_faults(faults)
    return clean


def check_training_part(frame: pd.DataFrame, train: range, targets: tuple[str, ...]) -> None:
    """What a network learns from must vary; `frame` is clean, `train` its rows that train.

    Raises:
        InputError: a target is the same in all of them.
    """
    part = frame.iloc[train.start : train.stop][list(targets)]
    for name in targets:
        if part[name].min() == part[name].max():
            raise InputError(
                f"column {name!r} is a target and must vary in the training part, received {part[name].iloc[0]:g} in "
                f"all {len(part)} rows from {part.index[0]} to {part.index[-1]}: choose another part in [split], or "
                "bring readings from when it is in use"
            )


def _other_cadence(times: pd.Index, stretches: list[int]) -> str:
    """What to look at first where not even two readings lie one step apart."""
    if max(stretches) > 1 or len(stretches) < 2:
        return ""
    minutes = np.median(np.diff(times)) / np.timedelta64(1, "m")
    return f"; most readings lie {minutes:g} minutes apart: is that what readings.cadence_minutes says?"


def _schema(config: ReadingsConfig, columns: list[str], *, uci: bool) -> pa.DataFrameSchema:
    """What is known of columns by their names holds for the UCI file alone: T1 may be a tariff's register elsewhere."""
    energy = frozenset(() if config.signed else config.targets)
    kinds = [(energy, NOT_NEGATIVE)]
    if uci:
        kinds += [
            (HUMIDITY_COLUMNS, PERCENT),
            (TEMPERATURE_COLUMNS, DEGREES),
            (frozenset(ENERGY_COLUMNS), NOT_NEGATIVE),
        ]

    def checks(name: str) -> list[pa.Check]:
        plausible = [check for names, check in kinds if name in names][:1]
        return [*plausible, VARYING] if name in config.targets else plausible

    return pa.DataFrameSchema({name: pa.Column(checks=checks(name), nullable=True) for name in columns})


def _value_faults(clean: pd.DataFrame, config: ReadingsConfig, *, uci: bool) -> list[str]:
    """One sentence for each check that a column fails; values that are not finite are reported elsewhere."""
    values = clean.reset_index(drop=True).replace([np.inf, -np.inf], np.nan)
    try:
        _schema(config, values.columns.to_list(), uci=uci).validate(values, lazy=True)
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
