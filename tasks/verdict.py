"""Whether tuning helped: fresh seeds of the tuned and of the untuned configuration, scored on the test part.

K: seeds. N: windows of the test part. L: output length. R: resamples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.metrics import mae, rmse

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

RESAMPLES = 10_000
LEVEL = 0.95
_MOST_GATHERED = 1_000_000  # sums of blocks that are held at once


@dataclass(frozen=True)
class Arm:
    """One configuration, trained once with each seed; RMSE and MAE on the test part, Wh."""

    rmse: tuple[float, ...]
    mae: tuple[float, ...]

    @classmethod
    def of(cls, actual: Floats, forecasts: Floats) -> Arm:
        """`actual` `[N, L]` and `forecasts` `[K, N, L]`, Wh."""
        return cls(tuple(rmse(actual, row) for row in forecasts), tuple(mae(actual, row) for row in forecasts))

    @property
    def mean_rmse(self) -> float:
        """The mean over the seeds, Wh."""
        return float(np.mean(self.rmse))

    @property
    def mean_mae(self) -> float:
        """The mean over the seeds, Wh."""
        return float(np.mean(self.mae))

    @property
    def spread(self) -> float:
        """The sample standard deviation of the RMSE over the seeds, Wh; NaN for a single one."""
        return float(np.std(self.rmse, ddof=1)) if len(self.rmse) > 1 else math.nan


@dataclass(frozen=True)
class Verdict:
    """The two configurations side by side. Differences are tuned minus untuned RMSE in Wh: below 0 tuning helped."""

    seeds: tuple[int, ...]
    untuned: Arm
    tuned: Arm | None  # None: the search found nothing better than the untuned configuration
    baselines: dict[str, tuple[float, float]]  # RMSE and MAE, Wh
    over_seeds: Interval | None = None
    over_seeds_and_days: Interval | None = None

    @property
    def difference(self) -> float:
        """Mean paired difference over the seeds, Wh."""
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
        change = (
            f"the test RMSE changes by {self.difference:+.2f} Wh over {len(self.seeds)} fresh seeds "
            f"(95 % interval {low:+.2f} to {high:+.2f})"
        )
        if low > 0:
            return f"Tuning hurt: {change}; keep the untuned configuration."
        if not self.helped:
            return f"Tuning did not help beyond seed noise: {change}."
        low, high = self.over_seeds_and_days
        holds = "holds" if high < 0 else "does not hold"
        return (
            f"Tuning helped beyond seed noise: {change}; this {holds} when days are resampled, too "
            f"({low:+.2f} to {high:+.2f})."
        )


def judge(
    actual: Floats,
    untuned: Floats,
    tuned: Floats | None,
    *,
    seeds: tuple[int, ...],
    baselines: dict[str, Floats],
    block: int,
) -> Verdict:
    """Compare forecasts `[K, N, L]` of `actual` `[N, L]` from the same seeds, all in Wh; `block` windows make a day.

    The intervals are percentile bootstraps of the mean paired difference of RMSE. One resamples seeds alone: would
    other seeds say the same? The other resamples seeds and, by a circular block bootstrap (Politis and Romano 1992),
    whole days of the test part: would other days? Both are widened by sqrt(K / (K - 1)), as the percentile interval of
    few values is too narrow (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).
    """
    scores = {name: (rmse(actual, forecast), mae(actual, forecast)) for name, forecast in baselines.items()}
    if tuned is None:
        return Verdict(seeds, Arm.of(actual, untuned), None, scores)
    errors = [((forecast - actual) ** 2).mean(axis=-1) for forecast in (untuned, tuned)]  # [K, N]
    return Verdict(
        seeds,
        Arm.of(actual, untuned),
        Arm.of(actual, tuned),
        scores,
        over_seeds=_interval(*errors, block=None),
        over_seeds_and_days=_interval(*errors, block=min(block, len(actual))),
    )


def _interval(untuned: Floats, tuned: Floats, *, block: int | None) -> Interval:
    """Squared errors `[K, N]` -> interval of the mean paired difference of RMSE; `block` None resamples seeds alone."""
    draws = np.random.default_rng(0)
    seeds, windows = untuned.shape
    places = draws.integers(seeds, size=(RESAMPLES, seeds))  # [R, K]
    if block is None:
        paired = np.sqrt(tuned.mean(axis=1)) - np.sqrt(untuned.mean(axis=1))  # [K]
        means = paired[places].mean(axis=1)  # [R]
    else:
        blocks = -(-windows // block)
        sums = [_block_sums(errors, block) for errors in (untuned, tuned)]  # [K, N] each
        means = np.empty(RESAMPLES)
        step = max(1, _MOST_GATHERED // (seeds * blocks))
        for first in range(0, RESAMPLES, step):
            part = slice(first, first + step)
            starts = draws.integers(windows, size=(len(means[part]), blocks))  # shared by all seeds
            of_untuned, of_tuned = (np.sqrt(each[:, starts].mean(axis=-1).T / block) for each in sums)  # [step, K]
            means[part] = np.take_along_axis(of_tuned - of_untuned, places[part], axis=1).mean(axis=1)
    centre = float((np.sqrt(tuned.mean(axis=1)) - np.sqrt(untuned.mean(axis=1))).mean())
    widening = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return centre + widening * (float(low) - centre), centre + widening * (float(high) - centre)


def _block_sums(errors: Floats, block: int) -> Floats:
    """`[K, N]` -> the sum of the `block` errors from each window on, going round at the end."""
    round_trip = np.concatenate([errors, errors[:, : block - 1]], axis=1) if block > 1 else errors
    sums = np.cumsum(np.pad(round_trip, ((0, 0), (1, 0))), axis=1)
    result: Floats = sums[:, block:] - sums[:, :-block]
    return result
