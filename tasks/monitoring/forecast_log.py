"""The file of forecasts that grows with each of them, and how good the past ones were once the actuals have arrived.

One row is one step of one forecast: `made_at`, the time stamp that is forecast, then for each target the forecast
and, in columns with these endings, what persistence said at that moment and what was measured; last the version. Where
a naive forecast may stand in for it, `made_by` says behind it which has made the row. Where intervals are adaptive,
those of a row are as they were given, and columns such as `load_stretch_90` say by what they had been stretched; each
adjustment of theirs that the newest two weeks have brought stands in a file beside this one, which nothing reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock

from wattcast.model.cells import read_numbers, shown
from wattcast.model.errors import InputError
from wattcast.model.fallback import MODEL
from wattcast.model.grid import Label
from wattcast.model.intervals import value_columns
from wattcast.model.readings import MADE_AT, MADE_BY
from wattcast.model.stamps import read_stamps
from wattcast.tasks.data.files import check_writable, parse, read_file, write_frame
from wattcast.tasks.learning.interval_scores import IntervalScore
from wattcast.tasks.monitoring.adaptation import adapt, stretch_columns
from wattcast.tasks.monitoring.past import (
    ACTUAL,
    PERSISTENCE,
    VERSION,
    PastScore,
    made_by,
    score_past,
    score_past_intervals,
)
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.step import step

_ADJUSTMENTS_KEPT = pd.Timedelta(days=14)


@dataclass(frozen=True)
class Forecasts:
    """All that a file of forecasts holds by now, what was added just now, and how good those were that are past."""

    frame: pd.DataFrame
    made: pd.DataFrame
    scores: tuple[PastScore, ...]
    intervals: tuple[IntervalScore, ...]  # of past ones, by version: over all, by step ahead and by hour of the day
    unit: str | None
    label: Label  # where in its step a time stamp stands
    numbers: tuple[tuple[str, ...], ...]  # of each target, the columns of its forecast and quantiles

    @property
    def sentence(self) -> str:
        """What came out, in one line."""
        return f"{len(self.made):,} forecasts added, {len(self.frame):,} in the file"


def add_forecasts(
    path: Path,
    made: pd.DataFrame,
    readings: pd.DataFrame,
    contract: Contract,
    *,
    version: str,
    trained_to: Mapping[str, pd.Timestamp] = MappingProxyType({}),
    units: Mapping[str, str] = MappingProxyType({}),
    adaptive: bool = False,
    lowest: float = -math.inf,
) -> Forecasts:
    """Add the forecasts `made` by `version` to the file `path`, and the actuals out of `readings` to all in it.

    A forecast that the same version made of the same moment before is replaced. The file is written whole or not at
    all, by one process at a time. `readings` has the time stamps as its index; `contract` is that of the version, and
    `trained_to` is what `score_past` takes; `units` are those of the versions, where they are known. Where intervals
    are `adaptive`, those `made` now are adjusted by what those before have held, no lower than `lowest`, below which no
    target can be.

    Raises:
        InputError: the file is there and holds no forecasts of this kind or some in another unit, or cannot be written.
    """
    check_writable(path)
    timestamp, targets = contract.timestamp, contract.targets
    key = [MADE_AT, timestamp, VERSION]
    with FileLock(path.with_name(f".{path.name}.lock")):
        fresh = made.assign(**{VERSION: version})
        frame = fresh
        if (earlier := read_forecasts(path, contract, version)) is not None:
            _require_one_unit(earlier, contract, units, path)
            frame = pd.concat([earlier, fresh])
        if MADE_BY in frame:  # of rows from before it was asked for, too
            frame[MADE_BY] = frame[MADE_BY].fillna(MODEL)
        frame = frame.drop_duplicates(key, keep="last").sort_values(key, ignore_index=True)
        for target in targets:
            for suffix, moments in ((PERSISTENCE, frame[MADE_AT]), (ACTUAL, frame[timestamp])):
                found = readings[target].reindex(pd.DatetimeIndex(moments)).set_axis(frame.index)
                frame[target + suffix] = found.fillna(frame[target + suffix]) if target + suffix in frame else found
        values = [
            name
            for target in targets
            for name in (*value_columns([target], contract.quantiles), target + PERSISTENCE, target + ACTUAL)
        ]
        if adaptive and contract.quantiles:
            frame = _adapted(frame, fresh, contract, path, lowest, trained_to.get(version))
            made = frame[_among(frame, fresh, key)][list(made)].reset_index(drop=True)
        frame = frame[[MADE_AT, timestamp, *values, *_stretches(frame, contract), VERSION, *made_by(frame)]]
        write_frame(frame, path, replace=True)
    return Forecasts(
        frame=frame,
        made=made,
        scores=score_past(frame, contract, trained_to),
        intervals=score_past_intervals(frame, contract, trained_to),
        unit=contract.unit,
        label=contract.label,
        numbers=tuple(tuple(value_columns([target], contract.quantiles)) for target in contract.targets),
    )


add_forecasts_task = step(add_forecasts)


def read_forecasts(path: Path, contract: Contract, version: str) -> pd.DataFrame | None:
    """What a file of forecasts holds, those of `version` as its `contract` says; None where there is no such file.

    Raises:
        InputError: it holds no forecasts of this kind.
    """
    if not path.exists():
        return None
    frame = _earlier(path, contract)
    _require_steps(frame, contract, version, path)
    return frame


def adjustments_file(path: Path) -> Path:
    """Where the adjustments of intervals in a file of forecasts are written down: `forecasts.adjustments.csv`."""
    return path.with_name(f"{path.stem}.adjustments{path.suffix}")


def _adapted(  # noqa: PLR0917
    frame: pd.DataFrame,
    fresh: pd.DataFrame,
    contract: Contract,
    path: Path,
    lowest: float,
    trained_to: pd.Timestamp | None,
) -> pd.DataFrame:
    """`frame` with the intervals of its `fresh` rows adjusted, if a model made them; what was adjusted is written.

    What the model was trained on teaches nothing of how it forecasts.
    """
    stretch = [name for target in contract.targets for name in stretch_columns(contract, target)]
    frame = frame.assign(**{name: frame[name].fillna(1.0) if name in frame else 1.0 for name in stretch})
    version = fresh[VERSION].iloc[0]
    ours = (frame[VERSION] == version) & (frame[MADE_BY] == MODEL if MADE_BY in frame else True)
    if not ours.any():
        return frame
    rows = frame[ours]
    if trained_to is not None:
        seen = rows[contract.timestamp] <= trained_to
        rows = rows.assign(**{target + ACTUAL: rows[target + ACTUAL].mask(seen) for target in contract.targets})
    new = _among(rows, fresh, [MADE_AT, contract.timestamp])
    adapted, adjustments = adapt(rows, new, contract, lowest=lowest)
    frame.loc[ours, [*contract.numbers, *stretch]] = adapted[[*contract.numbers, *stretch]]
    if len(adjustments):
        file = adjustments_file(path)
        told = adjustments.assign(**{VERSION: version})[[VERSION, *adjustments]]
        if file.exists():
            before = parse(read_file(file), str(file))
            if list(before) != list(told):
                raise InputError(
                    f"{str(file)!r} holds no adjustments of intervals, as its columns are "
                    f"{', '.join(map(str, before))}, expected {', '.join(map(str, told))}: move it away"
                )
            before = before.assign(moment=_moments(before["moment"], contract, file))
            told = pd.concat([before[before[VERSION].astype(str) != version], told])
        recent = told["moment"] > told["moment"].max() - _ADJUSTMENTS_KEPT
        write_frame(told[recent], file, replace=True)
    return frame


def _among(frame: pd.DataFrame, others: pd.DataFrame, key: list[str]) -> npt.NDArray[np.bool_]:
    """Which rows of `frame` have the `key` of one of the `others`."""
    return pd.MultiIndex.from_frame(frame[key]).isin(pd.MultiIndex.from_frame(others[key]))


def _stretches(frame: pd.DataFrame, contract: Contract) -> list[str]:
    """The columns that say by what intervals were stretched, as far as there are."""
    return [name for target in contract.targets for name in stretch_columns(contract, target) if name in frame]


def _earlier(path: Path, contract: Contract) -> pd.DataFrame:
    frame = parse(read_file(path), str(path))
    columns = [MADE_AT, contract.timestamp, *contract.numbers, VERSION]
    kept = {
        *columns,
        MADE_BY,
        *_stretches(frame, contract),
        *(f"{target}{suffix}" for target in contract.targets for suffix in (PERSISTENCE, ACTUAL)),
    }
    missing = [name for name in columns if name not in frame]
    others = [str(name) for name in frame if name not in kept]  # they would be lost
    if missing or others:
        found = f"lacks {', '.join(missing)}" if missing else f"also holds {', '.join(others)}"
        raise InputError(f"{str(path)!r} holds no forecasts of this kind, as it {found}: name another file")
    moments = {name: _moments(frame[name], contract, path) for name in (MADE_AT, contract.timestamp)}
    numbers = {name: read_numbers(frame[name]) for name in frame if name not in {*moments, VERSION, MADE_BY}}
    if faults := [fault for each in numbers.values() for fault in each.faults]:
        raise InputError(f"{str(path)!r} holds no forecasts of this kind: {faults[0]}; name another file")
    values = {str(name): each.array for name, each in numbers.items() if frame[name].dtype.kind not in "iuf"}
    return frame.assign(**moments, **values, **{VERSION: _versions(frame[VERSION], path)})


def _versions(cells: pd.Series, path: Path) -> pd.Series:
    """Numbers of versions as text, whether a file has them as text, as whole numbers or, where a cell is empty, not."""
    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = np.asarray(numbers.isna() | (numbers % 1 != 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{str(path)!r} holds no forecasts of this kind: column {VERSION!r} must hold whole numbers, first "
            f"{shown(str(cells.iloc[row]))} in row {row}; name another file"
        )
    return numbers.astype(np.int64).astype(str)


def _require_steps(frame: pd.DataFrame, contract: Contract, version: str, path: Path) -> None:
    """Each row of `version` is one of the steps that its forecasts have."""
    rows, first, count = frame[frame[VERSION] == version], contract.steps_ahead, contract.output_length
    between = pd.DatetimeIndex(rows[contract.timestamp]) - pd.DatetimeIndex(rows[MADE_AT])
    steps = np.asarray(between / pd.Timedelta(minutes=contract.cadence_minutes))
    wrong = ~np.isin(steps, first + np.arange(count))
    if wrong.any():
        row = rows.iloc[int(wrong.argmax())]
        last = f" to {first + count - 1}" if count > 1 else ""
        raise InputError(
            f"{str(path)!r} holds no forecasts of version {version}: that forecasts {first}{last} steps of "
            f"{contract.cadence_minutes} minutes ahead, received one of {row[contract.timestamp]} made at "
            f"{row[MADE_AT]}; name another file"
        )


def _require_one_unit(frame: pd.DataFrame, contract: Contract, units: Mapping[str, str], path: Path) -> None:
    """All versions forecast in the unit of `contract`, as what was measured stands beside each in one unit."""
    others = [version for version in frame[VERSION].unique() if units.get(version, contract.unit) != contract.unit]
    if contract.unit and others:
        raise InputError(
            f"{str(path)!r} holds forecasts of version {others[0]} in {units[others[0]]}, where this model's are in "
            f"{contract.unit}: name another file"
        )


def _moments(cells: pd.Series, contract: Contract, path: Path) -> pd.DatetimeIndex:
    """Time stamps as they were written: of a zone with their offset from UTC, of a fixed clock without one."""
    times = read_stamps(pd.Index(cells), None)
    if times is None or times.isna().any():
        raise InputError(
            f"{str(path)!r} holds no forecasts of this kind: column {cells.name!r} has cells that are no time stamps; "
            "name another file"
        )
    if (times.tz is None) != (contract.timezone is None):
        clock = contract.timezone or "one fixed clock"
        raise InputError(
            f"{str(path)!r} holds forecasts of another clock than this model's, which is {clock}: name another file"
        )
    return times if contract.timezone is None else times.tz_convert(contract.timezone)
