"""Readings -> clean frame, or every fault at once.

What every use of a model asks of its readings stands in `wattcast.model.readings`; here is what training data must
satisfy too: plausible values, targets that vary, and at least one stretch that is long enough for a window.
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from wattcast.model.clean import Cleaned, clean, raise_faults
from wattcast.model.counter import looks_like_counter
from wattcast.model.errors import InputError
from wattcast.model.gaps import completeness
from wattcast.model.limits import NOT_NEGATIVE, Limit
from wattcast.model.readings import ReadingsConfig
from wattcast.model.split import Split
from wattcast.tasks.data.uci import ENERGY_COLUMNS, ROOM_COLUMNS
from wattcast.tasks.step import step

log = logging.getLogger(__name__)

HUMIDITY_COLUMNS = frozenset({*ROOM_COLUMNS[1::2], "RH_out"})
TEMPERATURE_COLUMNS = frozenset({*ROOM_COLUMNS[::2], "T_out", "Tdewpoint"})
UCI_LIMITS = {
    **dict.fromkeys(HUMIDITY_COLUMNS, Limit(0.0, 100.0, "must lie within 0..100 %")),
    **dict.fromkeys(TEMPERATURE_COLUMNS, Limit(-60.0, 80.0, "must lie within -60..80 °C")),
    **dict.fromkeys(ENERGY_COLUMNS, NOT_NEGATIVE),
}
"""What is known of columns by their names holds for the UCI file alone: T1 may be a tariff's register elsewhere."""


def validate(frame: pd.DataFrame, config: ReadingsConfig, *, window_rows: int, uci: bool = False) -> Cleaned:
    """As `trainable`; what was found on the way, and gaps, are logged."""
    cleaned = trainable(frame, config, window_rows=window_rows, uci=uci)
    for note in cleaned.notes:
        log.warning("%s", note)
    times = pd.DatetimeIndex(cleaned.frame.index)
    stretches = _stretches(times, config.cadence)
    if len(stretches) > 1:
        end, start = times[stretches[0] - 1 : stretches[0] + 1]
        log.warning("gaps in time: %d, first from %s to %s; no window crosses one", len(stretches) - 1, end, start)
    return cleaned


validate_task = step(validate)


def trainable(frame: pd.DataFrame, config: ReadingsConfig, *, window_rows: int, uci: bool = False) -> Cleaned:
    """The readings of `config` out of `frame`, cleaned, and such that a model can be trained on them.

    `frame` is not changed. A gap of whole steps is allowed: it starts a new segment.

    Args:
        frame: readings, with time stamps in the column `config.timestamp` or as the index.
        config: the columns and the cadence wanted.
        window_rows: rows that the shortest window spans, its inputs and its targets together.
        uci: the columns are those of the UCI file: its temperatures and humidities must be possible ones.

    Raises:
        InputError: with every fault at once: what `check_readings` finds, a target that is negative or constant,
            impossible values of the UCI file, no stretch of `window_rows` rows without a gap.
    """
    limits = {name: limit for name, limit in UCI_LIMITS.items() if uci and name in config.columns}
    cleaned = clean(frame, config, limits=limits)
    faults, times = [*cleaned.faults, *_constant(cleaned.frame, config)], cleaned.frame.index
    if config.kind == "energy" and not cleaned.faults:
        evidence = {name: looks_like_counter(cleaned.frame[name].to_numpy()) for name in config.targets}
        faults += [f"column {name!r}: {words}" for name, words in evidence.items() if words]
    stretches = _stretches(times, config.cadence) if isinstance(times, pd.DatetimeIndex) else [len(frame)]
    if max(stretches) < window_rows:
        faults.append(
            f"one window needs {window_rows} rows without a gap, the longest stretch has {max(stretches)} of "
            f"{len(frame)} rows: give more readings, or shorten lookback or horizon{_other_cadence(times, stretches)}"
        )
    raise_faults(tuple(faults))
    return cleaned


def check_parts(frame: pd.DataFrame, rows: Split[range], config: ReadingsConfig) -> None:
    """Each part of a clean frame is whole enough, and what a network learns from varies.

    Raises:
        InputError: a part lacks too many steps, or a target is the same in all rows that train.
    """
    for name, each in rows.items():
        times = pd.DatetimeIndex(frame.index[each.start : each.stop])
        found = completeness(times, config.cadence, part=f"the {name} part", floor=config.completeness)
        if not found.enough:
            raise InputError(f"{found.sentence}; readings.completeness is the share that is asked for")
    part = frame.iloc[rows.train.start : rows.train.stop][list(config.targets)]
    for name in config.targets:
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


def _constant(clean: pd.DataFrame, config: ReadingsConfig) -> list[str]:
    """One sentence for each target that is the same in all rows."""
    return [
        f"column {name!r} is a target and must vary, received {clean[name].max():g} in all {len(clean)} rows"
        for name in config.targets
        if name in clean and clean[name].min() == clean[name].max()
    ]


def _stretches(times: pd.DatetimeIndex, cadence: pd.Timedelta) -> list[int]:
    """Rows of each stretch without a gap; of faulty time stamps those that are left when sorted and unique."""
    sound = times[times.notna()].unique().sort_values()
    gaps = np.flatnonzero(np.diff(sound) > cadence.to_timedelta64()) + 1
    lengths: list[int] = np.diff(gaps, prepend=0, append=len(sound)).tolist()
    return lengths
