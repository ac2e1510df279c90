"""What the past of a file of forecasts teaches about its intervals: how wide new ones are to be, and each step there.

N: moments at which forecasts were made. L: steps ahead. Q: quantiles. P: intervals, the outermost first.

The file alone is asked, anew each time: nothing is kept that could be lost or say something else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.adaptive import gammas, needed_stretch, next_alphas, stretched, stretches
from wattcast.model.arrays import Floats, Rows, Times
from wattcast.model.clock import instants
from wattcast.model.intervals import interval_levels, value_columns
from wattcast.model.readings import MADE_AT
from wattcast.tasks.monitoring.past import ACTUAL
from wattcast.tasks.registry.contract import Contract

_POOL, _PRIOR = np.timedelta64(14, "D"), np.timedelta64(2, "D")  # of stretches that are known, and that are expected
_LEAST_PRIOR = 20


def stretch_columns(contract: Contract, target: str) -> list[str]:
    """The columns that hold by what the intervals of a row were stretched, the outermost first: `load_stretch_90`."""
    return [f"{target}_stretch_{100 * level:g}" for level in interval_levels(contract.quantiles)]


def adapt(
    frame: pd.DataFrame, new: npt.NDArray[np.bool_], contract: Contract, *, lowest: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The forecasts of one version with the intervals of the `new` rows adjusted, and all adjustments up to now.

    Each new forecast is adjusted by the actuals that were known when it was made, in whichever order they came here.
    `frame` has a row for each step of a forecast, and its actual where it is known; it is not changed.
    """
    frame, trail = frame.copy(), []
    ahead = _Ahead.of(frame, new, contract)
    for target in contract.targets:
        bounds, stretch = value_columns([target], contract.quantiles)[1:], stretch_columns(contract, target)
        walked = _walk(ahead, frame[[target + ACTUAL, *bounds, *stretch]].to_numpy(np.float64), contract, lowest)
        frame[bounds], frame[stretch] = walked.bounds, walked.stretch
        trail.append(walked.adjustments.assign(target=target))
    adjustments = pd.concat(trail, ignore_index=True)
    return frame, adjustments[["target", "level", "step_ahead", "moment", "held", "alpha"]]


@dataclass(frozen=True)
class _Ahead:
    """Where each row stands among moments and steps, and when its actual comes."""

    made: Times  # [N] ascending
    new: npt.NDArray[np.bool_]  # [N]
    place: Rows  # of each row, its moment
    step: Rows  # of each row, its step
    leads: npt.NDArray[np.timedelta64]  # [L] from the moment to what is forecast
    moments: pd.DatetimeIndex  # of each row, the time that is forecast

    @classmethod
    def of(cls, frame: pd.DataFrame, new: npt.NDArray[np.bool_], contract: Contract) -> _Ahead:
        made, place = np.unique(instants(pd.DatetimeIndex(frame[MADE_AT])), return_inverse=True)
        moments, cadence = pd.DatetimeIndex(frame[contract.timestamp]), np.timedelta64(contract.cadence_minutes, "m")
        step = ((instants(moments) - made[place]) // cadence).astype(np.int64) - contract.steps_ahead
        is_new = np.zeros(len(made), bool)
        is_new[place[new]] = True
        leads = (contract.steps_ahead + np.arange(contract.output_length)) * cadence
        return cls(made, is_new, place, step, leads, moments)

    @property
    def apart(self) -> np.timedelta64:
        """From one forecast to the next, as a rule; as far as it looks where there is no second one."""
        between = np.diff(self.made)
        return np.median(between) if len(between) else self.leads[0]


@dataclass(frozen=True)
class _Walked:
    bounds: Floats  # [rows, Q]
    stretch: Floats  # [rows, P]
    adjustments: pd.DataFrame


def _walk(ahead: _Ahead, values: Floats, contract: Contract, lowest: float) -> _Walked:
    """Go through moments and arrivals in the order of time; `values` are those of each row: actual, bounds, stretch."""
    levels = np.array(interval_levels(contract.quantiles))[:, None]  # [P, 1]
    count, pairs = len(contract.quantiles), len(levels)
    shape = (len(ahead.made), len(ahead.leads))
    known = np.full((*shape, 1 + count + pairs), np.nan)
    known[ahead.place, ahead.step] = values
    actual, bounds, stretch = known[..., 0], known[..., 1 : 1 + count], known[..., 1 + count :]
    stretch[np.isnan(stretch)] = 1.0
    median, arrives = bounds[..., pairs], ahead.made[:, None] + ahead.leads  # [N, L]
    told = np.where(stretch > 0, stretch, np.nan)  # what has no width any more says nothing of what it was
    sides = np.concatenate([told, np.ones_like(median)[..., None], told[..., ::-1]], axis=-1)
    raw = median[..., None] + (bounds - median[..., None]) / sides
    raw = np.where((bounds <= lowest) & (sides > 1), lowest, raw)  # how far below it one would have lain is not told
    needed = np.stack(
        [needed_stretch(actual, raw[..., p], median, raw[..., count - 1 - p]) for p in range(pairs)]
    )  # [P, N, L]
    gamma, prior = gammas(ahead.leads / ahead.apart), max(_LEAST_PRIOR, round(_PRIOR / ahead.apart))
    alphas = np.repeat(1 - levels, shape[1], axis=1)  # [P, L]
    trail: list[tuple[Rows, Rows, Floats, Floats]] = []
    came = ~np.isnan(actual) & ~np.isnan(median)
    where = np.argwhere(came)
    where = where[np.argsort(arrives[came], kind="stable")]
    times = arrives[where[:, 0], where[:, 1]]
    done = 0
    for now in np.unique(np.concatenate([times, ahead.made[ahead.new]])):
        until = int(np.searchsorted(times, now, side="right"))
        if until > done:
            places, steps = where[done:until].T
            held = np.full_like(alphas, np.nan)
            held[:, steps] = _held(actual[places, steps], bounds[places, steps], pairs)
            alphas, done = next_alphas(alphas, held, levels, gamma), until
            trail.append((places, steps, held[:, steps], alphas[:, steps]))
        place = int(np.searchsorted(ahead.made, now))
        if place < shape[0] and ahead.made[place] == now and ahead.new[place]:
            some = slice(int(np.searchsorted(ahead.made, now - _POOL - ahead.leads[-1])), place)
            recent = came[some] & (arrives[some] <= now) & (arrives[some] > now - _POOL)
            pool = np.where(recent, needed[:, some], np.nan)
            found = [stretches(*each, prior) for each in zip(alphas, pool, levels[:, 0], strict=True)]
            stretch[place] = np.stack(found, axis=-1)
            bounds[place] = stretched(raw[place], stretch[place], lowest)
    rows = ahead.place, ahead.step
    return _Walked(bounds[rows], stretch[rows], _adjustments(trail, ahead, levels[:, 0], contract))


def _held(actual: Floats, bounds: Floats, pairs: int) -> Floats:
    """`[P, rows]`: 1 where an interval holds the actual, else 0."""
    low, high = bounds[:, :pairs], bounds[:, : -pairs - 1 : -1]
    return ((actual[:, None] >= low) & (actual[:, None] <= high)).T.astype(np.float64)


def _adjustments(
    told: list[tuple[Rows, Rows, Floats, Floats]], ahead: _Ahead, levels: Floats, contract: Contract
) -> pd.DataFrame:
    """One row for each level and actual, in the order in which these came."""
    pairs = len(levels)
    nothing = np.empty(0, np.int64), np.empty(0, np.int64), np.empty((pairs, 0)), np.empty((pairs, 0))
    places, steps, held, alpha = (np.concatenate(each, axis=-1) for each in zip(nothing, *told, strict=True))
    row_of = np.zeros((len(ahead.made), len(ahead.leads)), np.int64)
    row_of[ahead.place, ahead.step] = np.arange(len(ahead.place))
    return pd.DataFrame(
        {
            "level": np.tile(levels, len(places)),
            "step_ahead": np.repeat(steps + contract.steps_ahead, pairs),
            "moment": ahead.moments[np.repeat(row_of[places, steps], pairs)],
            "held": held.T.ravel().astype(bool),
            "alpha": alpha.T.ravel(),
        }
    )
