"""Rows to come: those behind the newest reading, of which known columns alone are given, such as a tariff.

S: rows in the order of time. U: steps to come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from wattcast.model.gaps import close_gaps
from wattcast.model.grid import to_grid
from wattcast.model.order import Rhythm, length, snap, times_of, to_ticks
from wattcast.model.readings import ReadingsConfig


@dataclass(frozen=True)
class ToCome:
    """What is known of the steps behind the newest reading, and whether that one is beyond doubt.

    A training asks for neither, so that doubts are no faults to it.
    """

    known: pd.DataFrame = field(default_factory=pd.DataFrame)  # [U, known columns] NaN where one is not given
    doubts: tuple[str, ...] = ()


def apart(frame: pd.DataFrame, config: ReadingsConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The readings of `frame`, sorted and unique, and the rows behind the newest of them, which hold no other columns.

    A model that knows nothing of rows to come has none.
    """
    if not config.known:
        return frame, frame.iloc[:0]
    held = np.flatnonzero(_past(frame, config).notna().any(axis=1))
    end = int(held[-1]) + 1 if len(held) else 0
    return frame.iloc[:end], frame.iloc[end:]


def look_ahead(
    frame: pd.DataFrame, laid: pd.DataFrame, newest: pd.Timestamp, config: ReadingsConfig, beat: Rhythm | None
) -> ToCome:
    """What is known of the steps behind `newest`, the newest whole one of `laid`, on the same grid.

    Of finer readings a step that is not over yet holds the mean of what is given of it.

    Args:
        frame: what `apart` takes, `[S, C]`.
        laid: the steps of the readings, with NaN where one is missing.
        newest: the newest step that counts.
        config: how readings are read.
        beat: how far readings lie apart.
    """
    known = [name for name in config.known if name in frame]
    readings, to_come = apart(frame, config)
    doubts = _unfinished(readings, laid, newest, config)
    if beat is not None and beat.is_finer(config.cadence):
        steps = to_grid(frame[known], config.cadence, sums=(), label=config.label, coverage=0, known=beat).frame
    else:
        grid = int(to_ticks(pd.DatetimeIndex([newest]))[0]) % length(config.cadence)
        snapped = snap(to_come[known], config.cadence, phase=grid)
        doubts += [f"rows to come: {fault}" for fault in snapped.faults]
        steps = laid[known].combine_first(snapped.frame)
    steps = steps[times_of(steps) > newest - (config.longest_gap + 1) * config.cadence]
    policy = config.feature_gaps
    if policy in {"interpolate", "last"}:
        closed = {
            name: close_gaps(steps[[name]], config.cadence, policies={name: policy}, longest=config.longest_gap).frame
            for name in known
        }
        steps = pd.concat(closed.values(), axis=1, sort=True)
    return ToCome(steps[times_of(steps) > newest], tuple(doubts))


def told_of(readings: pd.DataFrame, to_come: pd.DataFrame) -> tuple[str, ...]:
    """A note on what `apart` set aside, if it did."""
    if not len(to_come) or not len(readings):
        return ()
    return (
        f"{len(to_come):,} rows behind the newest reading, {readings.index[-1]}, hold neither targets nor features: "
        "they are rows to come, of which a training reads nothing",
    )


def _past(frame: pd.DataFrame, config: ReadingsConfig) -> pd.DataFrame:
    """The columns that no row to come holds."""
    return frame[[name for name in config.past if name in frame]]


def _unfinished(readings: pd.DataFrame, laid: pd.DataFrame, newest: pd.Timestamp, config: ReadingsConfig) -> list[str]:
    """A sentence on rows behind the newest whole one that hold a part of a reading: are they read, or to come?"""
    held = _past(readings, config).notna()
    whole = np.flatnonzero(held.all(axis=1))
    behind = held.iloc[int(whole[-1]) + 1 if len(whole) else 0 :]
    behind = behind[behind.any(axis=1)]
    if not len(behind) or times_of(laid)[-1] <= newest:
        return []
    first = behind.iloc[0]
    given, lacking = (", ".join(map(repr, first.index[first == is_held])) for is_held in (True, False))
    alone = ", ".join(map(repr, config.known))
    return [
        f"{len(behind):,} rows behind the newest whole reading hold a part of one, first {behind.index[0]} with "
        f"{given} and without {lacking}: a row to come holds known columns alone ({alone}), any other row all columns; "
        "complete or empty them"
    ]
