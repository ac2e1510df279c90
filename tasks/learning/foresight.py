"""Features that know the future of a target: a column shifted against its time stamps, a mean around each row.

A target's own past, its calendar and a feature's newest value forecast the target; so do past and calendar alone. Where
the feature takes nearly all of the error away, it says what nobody can know at that moment. A strong driver, such as
the temperature of a heated house, takes some of it away: what else goes on in the house it cannot know.

Looked at are the h-th step to come and the mean of the next h steps, for each lead h at which a window could show it.
Training rows fit, validation rows must agree; the test part is not looked at.

N: moments. H: leads. F: features. Q: columns of past and calendar.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

from wattcast.model.arrays import Floats, Rows
from wattcast.model.clock import instants
from wattcast.model.readings import ReadingsConfig
from wattcast.model.split import Split
from wattcast.model.windows import CALENDAR_COLUMNS, Series, WindowConfig, unbroken_rows

TAKEN = 0.9
"""The share of the squared error of a target's own past that no feature takes away which does not know the future."""
_LAGS = 12  # of the newest readings
_TIMES_A_DAY = 8  # at which yesterday is read
_HARMONICS = 4  # of the day
_MOST_LEADS = 288
_MOST_ROWS = 8_000  # moments of a part, evenly spaced
_LEAST_ROWS = 50
_NOTHING = 1e-7  # of a variance: rounding
_PENALTY = 1e-9  # of ridge, for columns that say the same


@dataclass(frozen=True)
class Foresight:
    """A feature whose newest value tells a target's future."""

    feature: str
    target: str
    lag: int  # steps that it lies ahead
    mean: bool  # the mean of so many next steps is told, not the last of them
    share: float  # of the error of the target's own past that it takes away, on the validation part

    def __str__(self) -> str:
        told = f"the mean of the next {self.lag} steps" if self.mean else f"the value {_steps(self.lag)} later"
        return (
            f"feature {self.feature!r} seems to know the future of {self.target!r}: its newest value tells {told} (lag "
            f"+{self.lag}) so well that {100 * self.share:.0f} % of the error of the target's own past are gone; is it "
            "known at the moment of its time stamp?"
        )


def find_foresight(
    series: Series, features: Floats, readings: ReadingsConfig, window: WindowConfig, rows: Split[range]
) -> tuple[Foresight, ...]:
    """The features among `features` `[S, F]`, in the order of `readings`, that know a target's future."""
    found = []
    for k, target in enumerate(readings.targets if readings.features else ()):
        case = _case(series, k, features, readings, window, rows=rows)
        found += [] if case is None else list(case.found(readings.features, target))
    return tuple(found)


@dataclass(frozen=True)
class _Part:
    """What is left of the future and of features once a target's past and calendar have told all they can."""

    future: Floats  # [N, H]
    features: Floats  # [N, F]

    def products(self, mean: bool) -> tuple[Floats, Floats, Floats]:
        """`[H]`, `[F, H]` and `[F]`: of the future with itself, of features with it, of features with themselves."""
        leads = np.arange(1, self.future.shape[1] + 1)
        future = np.cumsum(self.future, axis=1) / leads if mean else self.future
        return (future**2).sum(axis=0), self.features.T @ future, (self.features**2).sum(axis=0)


@dataclass(frozen=True)
class _Case:
    train: _Part
    validation: _Part
    told: Floats  # [F] variance of a feature in the training part
    varies: float  # variance of the target

    def found(self, names: tuple[str, ...], target: str) -> Iterator[Foresight]:
        shares = np.stack([self._shares(mean) for mean in (False, True)])  # [2, F, H]
        for place, name in enumerate(names):
            best = shares[:, place].max()
            if best >= TAKEN:
                near = shares[:, place] >= best - 0.02 * (1 - TAKEN)
                mean, lead = min(zip(*np.nonzero(near), strict=True), key=lambda each: (each[1], each[0]))
                share = float(shares[mean, place, lead])
                yield Foresight(name, target, int(lead) + 1, bool(mean), share)

    def _shares(self, mean: bool) -> Floats:
        """`[F, H]` of the error that each feature takes away, by the worse of both parts."""
        errors, crossed, own = self.train.products(mean)
        usable = own > _NOTHING * self.told * len(self.train.features)  # [F] not told by the past itself
        slope = crossed / np.where(usable, own, 1.0)[:, None]  # [F, H]
        worst = np.ones_like(slope)
        for part in (self.train, self.validation):
            errors, crossed, own = part.products(mean)
            open_to = errors > _NOTHING * self.varies * len(part.future)  # [H]
            left = errors - 2 * slope * crossed + slope**2 * own[:, None]
            taken = np.where(open_to, 1 - left / np.where(open_to, errors, 1.0), 0.0)
            worst = np.minimum(worst, np.where(usable[:, None], taken, 0.0))
        return worst


def _case(
    series: Series, k: int, features: Floats, readings: ReadingsConfig, window: WindowConfig, *, rows: Split[range]
) -> _Case | None:
    """Of the k-th target; None where there are too few moments to say anything."""
    target = series.readings[:, k]
    unbroken = unbroken_rows(instants(series.times), readings.cadence)
    day = readings.steps_a_day
    horizon = window.steps_ahead + window.output_length - 1
    leads = min(window.lookback + horizon - 1, _MOST_LEADS)
    for lags in (_offsets(day), np.arange(_LAGS)):
        past = int(lags.max()) + 1
        moments = [_moments(part, unbroken, past, leads) for part in (rows.train, rows.validation)]
        if min(map(len, moments)) >= max(_LEAST_ROWS, 3 * len(lags)):
            break
    else:
        return None
    train = moments[0]
    centred = (target - target[train].mean()) / (target[train].std() or 1.0)
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    scaled = [(features[at] - mean) / np.where(deviation > 0, deviation, 1.0) for at in moments]
    known = [_known(series, centred, at, lags, day) for at in moments]
    future = [centred[at[:, None] + np.arange(1, leads + 1)] for at in moments]
    products = known[0].T @ known[0]
    products[np.diag_indices_from(products)] += _PENALTY * len(train)
    weights = solve(products, known[0].T @ np.concatenate([future[0], scaled[0]], axis=1), assume_a="pos")
    parts = []
    for columns, ahead, own in zip(known, future, scaled, strict=True):
        left = np.concatenate([ahead, own], axis=1) - columns @ weights
        parts.append(_Part(left[:, :leads], left[:, leads:]))
    return _Case(parts[0], parts[1], (deviation > 0).astype(np.float64), float(centred[train].var()))


def _offsets(day: int) -> Rows:
    """The lags that are read: the newest ones, and some of yesterday, in steps."""
    yesterday = day - 1 - np.arange(_TIMES_A_DAY) * day // _TIMES_A_DAY
    near = day - 1 - np.arange(6)  # yesterday's values of the next steps
    return np.unique(np.concatenate([np.arange(_LAGS), yesterday, near]).clip(0))


def _moments(part: range, unbroken: Rows, past: int, leads: int) -> Rows:
    """Rows with a whole past and future around them, whose future lies in `part`."""
    first, last = max(part.start - 1, past - 1, 0), part.stop - leads
    rows = np.arange(first, max(last, first))
    whole = (unbroken[rows] >= past) & (unbroken[np.minimum(rows + leads, len(unbroken) - 1)] >= past + leads)
    rows = rows[whole]
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(np.int64)] if len(rows) else rows


def _known(series: Series, target: Floats, at: Rows, lags: Rows, day: int) -> Floats:
    """`[N, Q]`: what is known at these moments without any feature."""
    dates = series.ahead[at, : len(CALENDAR_COLUMNS)].astype(np.float64)  # [N, 5]
    angle = np.arctan2(dates[:, 0], dates[:, 1])[:, None] * np.arange(2, _HARMONICS + 1)
    shape = [np.sin(angle), np.cos(angle)] if day > 2 else []
    return np.concatenate([np.ones((len(at), 1)), target[at[:, None] - lags], dates, *shape], axis=1)


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"
