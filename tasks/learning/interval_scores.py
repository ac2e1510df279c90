"""How good intervals are: beside two references that need no network, overall and by what they may depend on.

N: windows. L: output length. K: targets. Q: quantiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.baseline import Persistence
from wattcast.model.intervals import HOURS, IntervalConfig, Intervals, hours_of, interval_levels
from wattcast.model.metrics import coverage, pinball, winkler
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.learning.evaluate import GRU
from wattcast.tasks.metric_names import TEST, endings
from wattcast.tasks.step import step

HOURLY, PERSISTENCE = "hourly quantiles", "conformal persistence"
ALL, STEP, HOUR, LOAD = "all", "steps ahead", "hour of day", "load"
_PARTS_OF_LOAD = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")
_MOST_STEPS = 12


@dataclass(frozen=True)
class IntervalScore:
    """How well one model's intervals of one level hold what was measured, over one group of the test part's rows."""

    model: str
    target: str
    by: str  # what rows are grouped by
    group: str
    rows: int
    level: float
    coverage: float
    width: float  # as Winkler score and pinball loss, in the unit of the readings
    winkler: float
    pinball: float  # mean over all quantiles, of whatever level


@dataclass(frozen=True)
class Calibration:
    """How often readings lie below each quantile, as which they should."""

    model: str
    target: str
    quantiles: tuple[float, ...]
    below: tuple[float, ...]


@dataclass(frozen=True)
class IntervalEvaluation:
    """All scores of intervals, and the product's quantiles `[N, L, K, Q]` of the test part, in the readings' unit."""

    scores: tuple[IntervalScore, ...]
    calibrations: tuple[Calibration, ...]
    quantiles: tuple[float, ...]
    bounds: Floats
    calibrated_on: int  # forecasts of the validation part

    def overall(self, target: str) -> list[IntervalScore]:
        """The scores over all rows, level by level, the lowest Winkler score first."""
        chosen = [score for score in self.scores if (score.by, score.target) == (ALL, target)]
        return sorted(chosen, key=lambda score: (score.level, score.winkler))

    def metrics(self, judged: str = TEST) -> dict[str, float]:
        """The product's overall scores by the names they are logged under: `test_coverage_90`, `test_pinball`.

        Those of a second or later target have its name behind them; `judged` is what the test part is called.
        """
        behind, metrics = endings(score.target for score in self.scores), {}
        for score in self.scores:
            if (score.model, score.by) == (GRU, ALL):
                metrics[f"{judged}_pinball{behind[score.target]}"] = score.pinball
                for name in ("coverage", "width", "winkler"):
                    metrics[f"{judged}_{name}_{100 * score.level:g}{behind[score.target]}"] = getattr(score, name)
        return metrics


@dataclass(frozen=True)
class HourlyQuantiles:
    """The quantiles of the readings at each hour of the day."""

    values: Floats  # [24, K, Q]

    @classmethod
    def fit(cls, known: Windows, quantiles: tuple[float, ...]) -> HourlyQuantiles:
        """Over the rows that `known` forecasts, each once; of an hour without a reading those of all."""
        rows, places = np.unique(known.target_rows, return_index=True)
        hours = hours_of(known).ravel()[places].astype(np.int64)
        readings = known.series.readings[rows]  # [R, K]
        of_all = np.quantile(readings, quantiles, axis=0)
        by_hour = [
            np.quantile(readings[hours == hour], quantiles, axis=0) if (hours == hour).any() else of_all
            for hour in range(HOURS)
        ]
        return cls(np.stack(by_hour).transpose(0, 2, 1))

    def around(self, windows: Windows) -> Floats:
        """`[N, L, K, Q]`."""
        found: Floats = self.values[hours_of(windows).astype(np.int64)]
        return found


def score_intervals(
    intervals: Intervals,
    forecasts: Floats,
    windows: Split[Windows],
    config: IntervalConfig,
    *,
    known: Windows,
    targets: tuple[str, ...],
    behind: pd.Timedelta,
) -> IntervalEvaluation:
    """Score the `intervals` around the product's `forecasts` `[N, L, K]` of the test part, once.

    The references are the quantiles of each hour over the rows that the product was trained on (`known`), and the
    intervals that the same calibration puts around persistence. Time stamps lie so far `behind` the beginnings of their
    steps, which say of which hour these are.
    """
    test, persistence = windows.test, Persistence()
    plain = Intervals.fit(persistence.predict(windows.validation), windows.validation, config)
    bounds = {
        GRU: intervals.around(forecasts, test),
        PERSISTENCE: plain.around(persistence.predict(test), test),
        HOURLY: HourlyQuantiles.fit(known, intervals.quantiles).around(test),
    }
    groups = {target: list(_groups(test, forecasts[..., k], known, k, behind)) for k, target in enumerate(targets)}
    scores = tuple(
        score
        for k, target in enumerate(targets)
        for model, each in bounds.items()
        for by, group, chosen in groups[target]
        for score in scores_of(
            model, target, by, group, test.actual[..., k][chosen], each[..., k, :][chosen], intervals.quantiles
        )
    )
    calibrations = tuple(
        Calibration(
            model,
            target,
            intervals.quantiles,
            tuple((test.actual[..., k, None] <= each[..., k, :]).mean(axis=(0, 1)).tolist()),
        )
        for k, target in enumerate(targets)
        for model, each in bounds.items()
    )
    return IntervalEvaluation(scores, calibrations, intervals.quantiles, bounds[GRU], intervals.forecasts)


score_intervals_task = step(score_intervals)


def _groups(
    test: Windows, forecasts: Floats, known: Windows, k: int, behind: pd.Timedelta
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """What rows are grouped by, the group's name, and which `[N, L]` are in it."""
    shape = forecasts.shape
    yield ALL, ALL, np.ones(shape, bool)
    if shape[1] > 1:
        first = test.config.steps_ahead
        for step_ahead in np.unique(np.linspace(0, shape[1] - 1, min(shape[1], _MOST_STEPS)).astype(np.int64)):
            yield STEP, str(first + step_ahead), np.broadcast_to(np.arange(shape[1]) == step_ahead, shape)
    minutes = np.round(60 * hours_of(test)).astype(np.int64) - behind // pd.Timedelta(minutes=1)
    hours = minutes // 60 % HOURS
    for hour in np.unique(hours):
        yield HOUR, f"{hour:02d}:00", hours == hour
    edges = np.quantile(known.series.readings[np.unique(known.target_rows), k], [0.2, 0.4, 0.6, 0.8])
    parts = np.searchsorted(edges, forecasts)
    for part, name in enumerate(_PARTS_OF_LOAD):
        if (parts == part).any():
            yield LOAD, name, parts == part


def scores_of(  # noqa: PLR0917
    model: str, target: str, by: str, group: str, actual: Floats, bounds: Floats, quantiles: tuple[float, ...]
) -> Iterator[IntervalScore]:
    """Of readings `[R]` and their quantiles `[R, Q]`, level by level, the lowest first."""
    loss = pinball(actual[:, None], bounds, np.array(quantiles))
    for place, level in reversed([*enumerate(interval_levels(quantiles))]):
        low, high = bounds[:, place], bounds[:, len(quantiles) - 1 - place]
        yield IntervalScore(
            model=model,
            target=target,
            by=by,
            group=group,
            rows=len(actual),
            level=level,
            coverage=coverage(actual, low, high),
            width=float(np.mean(high - low)),
            winkler=winkler(actual, low, high, level),
            pinball=loss,
        )
