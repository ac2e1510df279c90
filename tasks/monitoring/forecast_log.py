"""The file of forecasts that grows with each of them, and how good the past ones were once the actuals have arrived.

One row is one step of one forecast: `made_at`, the time stamp that is forecast, then for each target the forecast
and, in columns with these endings, what persistence said at that moment and what was measured; last the version. Where
a naive forecast may stand in for it, `made_by` says behind it which has made the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from filelock import FileLock

from wattcast.model.cells import read_numbers
from wattcast.model.errors import InputError
from wattcast.model.fallback import MODEL
from wattcast.model.grid import Label
from wattcast.model.intervals import value_columns
from wattcast.model.metrics import mae, rmse, skill
from wattcast.model.readings import MADE_AT, MADE_BY
from wattcast.model.stamps import read_stamps
from wattcast.tasks.data.files import check_writable, parse, read_file, write_frame
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.step import step

PERSISTENCE, ACTUAL, VERSION = "_persistence", "_actual", "version"


@dataclass(frozen=True)
class PastScore:
    """How good the forecasts of one version were, of those whose actuals are known. Errors in `Forecasts.unit`."""

    version: str  # with what stood in for it, where something did: `3, daily_naive`
    target: str
    forecasts: int
    rmse: float
    mae: float
    persistence_rmse: float
    skill: float


@dataclass(frozen=True)
class Forecasts:
    """All that a file of forecasts holds by now, what was added just now, and how good those were that are past."""

    frame: pd.DataFrame
    made: pd.DataFrame
    scores: tuple[PastScore, ...]
    unit: str | None
    label: Label  # where in its step a time stamp stands

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
) -> Forecasts:
    """Add the forecasts `made` by `version` to the file `path`, and the actuals out of `readings` to all in it.

    A forecast that the same version made of the same moment before is replaced. The file is written whole or not at
    all, by one process at a time. `readings` has the time stamps as its index; `contract` is that of the version, and
    `trained_to` is what `score_past` takes.

    Raises:
        InputError: the file is there and holds no forecasts of this kind, or cannot be written.
    """
    check_writable(path)
    timestamp, targets = contract.timestamp, contract.targets
    key = [MADE_AT, timestamp, VERSION]
    with FileLock(path.with_name(f".{path.name}.lock")):
        fresh = made.assign(**{VERSION: version})
        frame = pd.concat([_earlier(path, contract), fresh]) if path.exists() else fresh
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
        frame = frame[[MADE_AT, timestamp, *values, VERSION, *_made_by(frame)]]
        write_frame(frame, path, replace=True)
    return Forecasts(frame, made, score_past(frame, contract, trained_to), contract.unit, contract.label)


add_forecasts_task = step(add_forecasts)


def score_past(
    frame: pd.DataFrame, contract: Contract, trained_to: Mapping[str, pd.Timestamp] = MappingProxyType({})
) -> tuple[PastScore, ...]:
    """The scores of each version on the rows whose actuals are known, beside persistence on the same rows.

    Of a version in `trained_to`, only what it forecast for times after that one counts: the rest it was trained on.

    Raises:
        InputError: of a version one of them is on the clock of a place and the other on none.
    """
    scores, timestamp = [], contract.timestamp
    for by, rows in frame.groupby([VERSION, *_made_by(frame)], sort=True):
        version, *others = map(str, by)
        known_to = trained_to.get(version)
        if known_to is not None and (known_to.tz is None) != (pd.DatetimeIndex(rows[timestamp]).tz is None):
            raise InputError(
                f"the file holds forecasts of version {version} on another clock than that of its training: name "
                "another file"
            )
        new = rows if known_to is None else rows[rows[timestamp] > known_to]
        for target in contract.targets:
            known = new[[target, target + ACTUAL, target + PERSISTENCE]].dropna().to_numpy(np.float64)
            if len(known):
                forecast, actual, persistence = known.T
                error, reference = rmse(actual, forecast), rmse(actual, persistence)
                gain = skill(error, reference)
                scores.append(
                    PastScore(
                        ", ".join([version, *(each for each in others if each != MODEL)]),
                        target,
                        len(known),
                        error,
                        mae(actual, forecast),
                        reference,
                        gain,
                    )
                )
    return tuple(scores)


def _made_by(frame: pd.DataFrame) -> list[str]:
    """The column that says what made a row, where there is one."""
    return [MADE_BY] if MADE_BY in frame else []


def _earlier(path: Path, contract: Contract) -> pd.DataFrame:
    frame = parse(read_file(path), str(path))
    columns = [MADE_AT, contract.timestamp, *contract.numbers, VERSION]
    kept = {
        *columns,
        MADE_BY,
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
    return frame.assign(**moments, **values, **{VERSION: frame[VERSION].astype(str)})


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
