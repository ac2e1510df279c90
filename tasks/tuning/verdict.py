"""Whether tuning helped: fresh seeds of the tuned and of the untuned configuration, scored on the test part.

Of several folds of the test part all forecasts are compared together, and each fold beside itself.

K: seeds. N: windows of the test part. L: output length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from wattcast.model.arrays import Floats
from wattcast.model.metrics import mae, rmse
from wattcast.tasks.bootstrap import Interval, difference_interval
from wattcast.tasks.metric_names import TEST, of_baseline
from wattcast.tasks.numbers import readable, with_unit


@dataclass(frozen=True)
class Arm:
    """One configuration, trained once with each seed; RMSE and MAE on the test part."""

    rmse: tuple[float, ...]
    mae: tuple[float, ...]

    @classmethod
    def of(cls, actual: Floats, forecasts: Floats) -> Arm:
        """`actual` `[N, L]` and `forecasts` `[K, N, L]`."""
        return cls(tuple(rmse(actual, row) for row in forecasts), tuple(mae(actual, row) for row in forecasts))

    @property
    def mean_rmse(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.rmse))

    @property
    def mean_mae(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.mae))

    @property
    def spread(self) -> float:
        """The sample standard deviation of the RMSE over the seeds; NaN for a single one."""
        return float(np.std(self.rmse, ddof=1)) if len(self.rmse) > 1 else math.nan


@dataclass(frozen=True)
class InFold:
    """Both configurations in one fold: the mean RMSE over the seeds, beside the RMSE of the baselines."""

    number: int  # from 1
    cut: str  # the newest reading that it knows
    forecasts: int
    untuned: float
    tuned: float | None
    baselines: dict[str, float]

    @property
    def difference(self) -> float:
        """Tuned minus untuned."""
        return 0.0 if self.tuned is None else self.tuned - self.untuned

    @property
    def best_baseline(self) -> str:
        """The name of the one with the lowest RMSE."""
        return min(self.baselines, key=self.baselines.__getitem__)

    def metrics(self) -> dict[str, float]:
        """By the names under which a run has a point a fold."""
        arms = {"untuned_test_rmse": self.untuned, "test_rmse_difference": self.difference}
        if self.tuned is not None:
            arms["tuned_test_rmse"] = self.tuned
        baselines = {of_baseline(TEST, name, "rmse"): rmse for name, rmse in self.baselines.items()}
        return {f"{name}_by_fold": value for name, value in (arms | baselines).items()}


@dataclass(frozen=True)
class Verdict:
    """The two configurations side by side. Differences are tuned minus untuned RMSE: below 0 tuning helped.

    All figures are in `unit`; verdicts of earlier versions do not say in which.
    """

    seeds: tuple[int, ...]
    untuned: Arm
    tuned: Arm | None  # None: the search found nothing better than the untuned configuration
    baselines: dict[str, tuple[float, float]]  # RMSE and MAE
    over_seeds: Interval | None = None
    over_seeds_and_days: Interval | None = None
    unit: str | None = None
    folds: tuple[InFold, ...] = ()  # of the test part, where there are several

    @property
    def difference(self) -> float:
        """Mean paired difference over the seeds."""
        return self.tuned.mean_rmse - self.untuned.mean_rmse if self.tuned else 0.0

    @property
    def helped(self) -> bool:
        """The whole interval over the seeds lies below 0."""
        return self.over_seeds is not None and self.over_seeds[1] < 0

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.tuned is None or self.over_seeds is None or self.over_seeds_and_days is None:
            return "Tuning did not help: on validation no trial was better than the untuned configuration."
        low, high = self.over_seeds
        shown = partial(readable, decimals=2, like=self.untuned.mean_rmse, sign=True)
        by = with_unit(shown(self.difference), self.unit)
        change = (
            f"the test RMSE changes by {by} over {len(self.seeds)} fresh seeds"
            f"{f' in {len(self.folds)} folds' if self.folds else ''} (95 % interval {shown(low)} to {shown(high)})"
        )
        if low <= 0 and not self.helped:
            return f"Tuning did not help beyond seed noise: {change}."
        first, last = self.over_seeds_and_days
        holds = "holds" if (last < 0 if self.helped else first > 0) else "does not hold"
        days = f"this {holds} when days are resampled, too ({shown(first)} to {shown(last)})"
        if self.helped:
            return f"Tuning helped beyond seed noise: {change}; {days}."
        return f"Tuning hurt: {change}; {days}; keep the untuned configuration."


def compare_seeds(
    actual: Floats,
    untuned: Floats,
    tuned: Floats | None,
    *,
    seeds: tuple[int, ...],
    baselines: dict[str, Floats],
    block: int,
    unit: str | None,
) -> Verdict:
    """Compare forecasts `[K, N, L]` of `actual` `[N, L]` from the same seeds, in `unit`; `block` windows make a day.

    The intervals are bootstraps of the mean paired difference of RMSE (see `difference_interval`). One resamples seeds
    alone: would other seeds say the same? The other resamples seeds and whole days of the test part: would other days?
    """
    scores = {name: (rmse(actual, forecast), mae(actual, forecast)) for name, forecast in baselines.items()}
    if tuned is None:
        return Verdict(seeds, Arm.of(actual, untuned), None, scores, unit=unit)
    errors = [((forecast - actual) ** 2).mean(axis=-1) for forecast in (untuned, tuned)]  # [K, N]
    return Verdict(
        seeds,
        Arm.of(actual, untuned),
        Arm.of(actual, tuned),
        scores,
        over_seeds=difference_interval(*errors, block=None),
        over_seeds_and_days=difference_interval(*errors, block=block),
        unit=unit,
    )


@dataclass(frozen=True)
class Fold:
    """What was measured in a fold, and what was forecast of it by what knows nothing behind `cut`."""

    cut: str
    actual: Floats  # [N, L]
    untuned: Floats  # [K, N, L]
    tuned: Floats | None  # as `untuned`
    baselines: dict[str, Floats]  # [N, L] each


def compare_folds(folds: Sequence[Fold], *, seeds: tuple[int, ...], block: int, unit: str | None) -> Verdict:
    """Compare what `folds` have, one after another in time, as `compare_seeds` does with all their windows at once."""
    tuned = [fold.tuned for fold in folds if fold.tuned is not None]
    verdict = compare_seeds(
        np.concatenate([fold.actual for fold in folds]),
        np.concatenate([fold.untuned for fold in folds], axis=1),
        np.concatenate(tuned, axis=1) if tuned else None,
        seeds=seeds,
        baselines={name: np.concatenate([fold.baselines[name] for fold in folds]) for name in folds[0].baselines},
        block=block,
        unit=unit,
    )
    if len(folds) == 1:
        return verdict
    return replace(verdict, folds=tuple(_in_fold(number, fold) for number, fold in enumerate(folds, start=1)))


def _in_fold(number: int, fold: Fold) -> InFold:
    return InFold(
        number=number,
        cut=fold.cut,
        forecasts=len(fold.actual),
        untuned=Arm.of(fold.actual, fold.untuned).mean_rmse,
        tuned=None if fold.tuned is None else Arm.of(fold.actual, fold.tuned).mean_rmse,
        baselines={name: rmse(fold.actual, forecast) for name, forecast in fold.baselines.items()},
    )
