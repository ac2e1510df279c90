"""How good past forecasts were, once their actuals are known: by version, and by what stood in for it.

R: rows of a file of forecasts, one for each step of a forecast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from wattcast.model.clock import on_the_clock
from wattcast.model.errors import InputError
from wattcast.model.fallback import MODEL
from wattcast.model.intervals import value_columns
from wattcast.model.metrics import mae, rmse, skill
from wattcast.model.readings import MADE_AT, MADE_BY
from wattcast.tasks.learning.interval_scores import ALL, HOUR, STEP, IntervalScore, scores_of
from wattcast.tasks.registry.contract import Contract

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


def made_by(frame: pd.DataFrame) -> list[str]:
    """The column that says what made a row, where there is one."""
    return [MADE_BY] if MADE_BY in frame else []


def past_rows(
    frame: pd.DataFrame, contract: Contract, trained_to: Mapping[str, pd.Timestamp] = MappingProxyType({})
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each version, by its number and the name of what stood in for it: `3, daily_naive`.

    Of a version in `trained_to`, only what it forecast for times after that one counts: the rest it was trained on.

    Raises:
        InputError: of a version one of them is on the clock of a place and the other on none.
    """
    for by, rows in frame.groupby([VERSION, *made_by(frame)], sort=True):
        version, *others = map(str, by)
        known_to = trained_to.get(version)
        if known_to is not None and (known_to.tz is None) != (pd.DatetimeIndex(rows[contract.timestamp]).tz is None):
            raise InputError(
                f"the file holds forecasts of version {version} on another clock than that of its training: name "
                "another file"
            )
        name = ", ".join([version, *(each for each in others if each != MODEL)])
        yield name, rows if known_to is None else rows[rows[contract.timestamp] > known_to]


def score_past(
    frame: pd.DataFrame, contract: Contract, trained_to: Mapping[str, pd.Timestamp] = MappingProxyType({})
) -> tuple[PastScore, ...]:
    """The scores of each version on the rows whose actuals are known, beside persistence on the same rows.

    Raises:
        InputError: as `past_rows`.
    """
    scores = []
    for version, rows in past_rows(frame, contract, trained_to):
        for target in contract.targets:
            known = rows[[target, target + ACTUAL, target + PERSISTENCE]].dropna().to_numpy(np.float64)
            if len(known):
                forecast, actual, persistence = known.T
                error, reference = rmse(actual, forecast), rmse(actual, persistence)
                gain = skill(error, reference)
                scores.append(PastScore(version, target, len(known), error, mae(actual, forecast), reference, gain))
    return tuple(scores)


def score_past_intervals(
    frame: pd.DataFrame, contract: Contract, trained_to: Mapping[str, pd.Timestamp] = MappingProxyType({})
) -> tuple[IntervalScore, ...]:
    """What intervals have held, of each version: of all rows whose actuals are known, by step ahead and by hour.

    Raises:
        InputError: as `past_rows`.
    """
    scores: list[IntervalScore] = []
    for version, rows in past_rows(frame, contract, trained_to) if contract.quantiles else ():
        for target in contract.targets:
            names = value_columns([target], contract.quantiles)[1:]
            known = rows.dropna(subset=[target + ACTUAL, *names])
            actual, bounds = known[target + ACTUAL].to_numpy(np.float64), known[names].to_numpy(np.float64)
            steps = steps_ahead(known, contract)
            hours = on_the_clock(pd.DatetimeIndex(known[contract.timestamp]) - contract.behind).hour
            for by, groups in ((ALL, pd.Index([ALL] * len(known))), (STEP, steps), (HOUR, hours)):
                for group in groups.unique().sort_values() if by != STEP or contract.output_length > 1 else ():
                    which = np.asarray(groups == group)
                    said = f"{group:02d}:00" if by == HOUR else str(group)
                    scores += scores_of(version, target, by, said, actual[which], bounds[which], contract.quantiles)
    return tuple(scores)


def steps_ahead(rows: pd.DataFrame, contract: Contract) -> pd.Index[int]:
    """`[R]` how many steps each row lies ahead of the newest reading that it knew."""
    ahead = pd.DatetimeIndex(rows[contract.timestamp]) - pd.DatetimeIndex(rows[MADE_AT])
    return pd.Index(ahead // pd.Timedelta(minutes=contract.cadence_minutes))
