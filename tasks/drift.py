"""How the newest readings differ from those that a model was trained on, column by column, and a likely cause.

N: readings of one column in one span, in the order of time. S: readings of a day. B: bins.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE
from scipy.special import kolmogorov
from scipy.stats import ks_2samp

from model.readings import nearest

Floats = npt.NDArray[np.float64]
Level = Literal["stable", "moderate", "major"]

MODERATE, MAJOR = 0.1, 0.25
SIGNIFICANCE = 0.05
OUTSIDE = 0.05
"""The share of values that training never saw from which on a column is not called stable."""
_PSI_BINS, _BARS = 10, 24
_MOST_STEPS = 200  # a column of fewer different places is drawn in whole steps: Appliances has multiples of 10 Wh
_SHIFT_SD, _SPREAD = 0.5, 1.5
_STUCK_SHARE, _STUCK_TIMES = 0.01, 3
_PROFILE_DAYS, _PROFILE_HOURS, _PROFILE_GAIN = 7, 3, 0.05


@dataclass(frozen=True)
class ColumnDrift:
    """One column in both spans. Numbers are NaN, and the bars empty, where a span holds no reading."""

    column: str
    read: bool  # by the model
    ks: float
    p_value: float
    psi: float
    level: Level
    cause: str  # empty where the column is stable
    reference_mean: float
    newest_mean: float
    edges: tuple[float, ...] = ()  # [B + 1], of equal bins; the outermost ones hold the tails
    reference_shares: tuple[float, ...] = ()  # [B]
    newest_shares: tuple[float, ...] = ()  # [B]


@dataclass(frozen=True)
class Drift:
    """All columns, the largest PSI first, and before them those that lack readings; first and last times of spans."""

    reference_from: pd.Timestamp
    reference_to: pd.Timestamp
    newest_from: pd.Timestamp
    newest_to: pd.Timestamp
    columns: tuple[ColumnDrift, ...]

    @property
    def alarms(self) -> tuple[ColumnDrift, ...]:
        """The columns of level "major"."""
        return tuple(column for column in self.columns if column.level == "major")

    @property
    def sentence(self) -> str:
        """What there is to know first, in one sentence."""
        span = f"the readings from {self.newest_from:%Y-%m-%d %H:%M} to {self.newest_to:%Y-%m-%d %H:%M}"
        named = self.alarms or tuple(column for column in self.columns if column.level == "moderate")
        if not named:
            return f"No drift: {span} differ in none of {len(self.columns)} columns from training beyond chance."
        read = [column for column in named if column.read]
        first = (read or named)[0]
        reads = f"{len(read)} of them" if read else "none of them"
        return (
            f"{'Drift' if self.alarms else 'Moderate drift'}: {span} differ from training in {len(named)} of "
            f"{len(self.columns)} columns, the model reads {reads}; {first.column} is first: {first.cause}."
        )


def measure_drift(frame: pd.DataFrame, reference: range, newest: range, *, read: Collection[str], target: str) -> Drift:
    """Compare the rows `newest` of `frame` with the rows `reference`, which a model was trained on.

    A column is moderate or major when its PSI says so and the difference is not one of chance (p < 0.05): of a slow
    reading any two weeks differ much, so that one may have a high PSI and be stable. What no test sees is named without
    one: a sensor that is stuck is major; 5 % of values that training never saw, or a daily profile that came to lie at
    another time, are moderate at least.

    Args:
        frame: a DatetimeIndex and float columns. Values that are not finite are left out; it is not changed.
        reference: rows of the training span.
        newest: rows of the newest span.
        read: the columns that the model reads, its targets among them.
        target: the column whose daily profile is compared.

    Raises:
        ValueError: a span that is empty or lies outside the frame; a column that is not there.
    """
    for name, rows in {"reference": reference, "newest": newest}.items():
        if not 0 <= rows.start < rows.stop <= len(frame):
            raise ValueError(f"{name} must be rows within 0..{len(frame)}, at least one, received {rows}")
    for name in (*read, target):
        if name not in frame:
            raise ValueError(f"column {name!r} is missing{nearest(name, frame.columns)}")
    spans = [frame.iloc[rows.start : rows.stop] for rows in (reference, newest)]
    moved = _moved_minutes(*(span[target] for span in spans))
    hour_rows = max(1, round(pd.Timedelta(hours=1) / _step(frame.index)))
    columns = [
        _column(
            str(name),
            *(_finite(span[name]) for span in spans),
            read=name in read,
            moved=moved if name == target else 0,
            hour_rows=hour_rows,
        )
        for name in frame.columns
    ]
    columns.sort(key=lambda column: math.inf if math.isnan(column.psi) else column.psi, reverse=True)
    (old_from, old_to), (new_from, new_to) = ((span.index[0], span.index[-1]) for span in spans)
    return Drift(old_from, old_to, new_from, new_to, tuple(columns))


drift_task = task(name="drift", cache_policy=NO_CACHE)(measure_drift)


def psi(reference: Floats, newest: Floats, *, bins: int = _PSI_BINS) -> float:
    """The population stability index: the sum of (q - p) ln(q / p) over the bins, p and q their shares of either span.

    Jeffreys' divergence (Kullback and Leibler 1951), known in credit scoring (Siddiqi 2006) with 0.1 and 0.25 as rules
    of thumb for a moderate and a major change. Bins are quantiles of `reference`; a value that spans a whole bin, such
    as the 77 % zeros of `lights`, has one to itself, and a bin that one span leaves empty counts as half a reading.
    """
    cuts = np.quantile(reference, np.arange(1, bins) / bins, method="inverted_cdf")  # values that occur
    values, times = np.unique(cuts, return_counts=True)
    cuts = np.union1d(values, np.nextafter(values[times > 1], -np.inf))
    counts = [np.bincount(np.searchsorted(cuts, span), minlength=len(cuts) + 1) for span in (reference, newest)]
    used = counts[0] + counts[1] > 0
    p, q = (np.maximum(count[used], 0.5) / count.sum() for count in counts)
    return float(((q - p) * np.log(q / p)).sum())


def effective_size(values: Floats) -> float:
    """How many independent readings say as much as these: n (1 - r) / (1 + r), r the autocorrelation at lag 1.

    For a first-order process (Bayley and Hammersley 1946, doi:10.2307/2983560). At least 2 and at most n: two weeks of
    a slow reading, such as the weather's, are worth hardly more than two.
    """
    centred = values - values.mean()
    power = float(centred @ centred)
    lag1 = float(centred[1:] @ centred[:-1]) / power if power else 1.0
    return min(len(values), max(2.0, len(values) * (1 - lag1) / (1 + lag1)))


def kolmogorov_smirnov(reference: Floats, newest: Floats) -> tuple[float, float]:
    """The two-sample statistic D, and its p-value for readings that depend on each other.

    The usual p-value takes all readings for independent: of readings ten minutes apart it calls any two weeks
    different. Here Kolmogorov's distribution (Smirnov 1948) gets sqrt(mn / (m + n)) D with the effective sizes m and
    n. Of 300 simulated first-order series without drift, 14,000 and 2,016 readings long, at most 5 % had p < 0.05 for
    each autocorrelation from 0.75 to 0.999.
    """
    with np.errstate(divide="ignore"):  # in scipy's own p-value for two single readings
        distance = float(ks_2samp(reference, newest, method="asymp").statistic)
    m, n = effective_size(reference), effective_size(newest)
    return distance, float(kolmogorov(math.sqrt(m * n / (m + n)) * distance))


def _finite(column: pd.Series) -> Floats:
    values: Floats = column.to_numpy(np.float64)
    return values[np.isfinite(values)]


def _step(index: pd.Index) -> pd.Timedelta:
    """Most readings lie so far apart."""
    return pd.Timedelta(pd.Series(index).diff().median()) if len(index) > 1 else pd.Timedelta(hours=1)


def _column(name: str, reference: Floats, newest: Floats, *, read: bool, moved: int, hour_rows: int) -> ColumnDrift:
    old, new = (float(span.mean()) if len(span) else math.nan for span in (reference, newest))
    if not len(reference) or not len(newest):
        places = {"in training": reference, "among the newest": newest}
        cause = f"no readings {' and '.join(place for place, span in places.items() if not len(span))}"
        return ColumnDrift(name, read, math.nan, math.nan, math.nan, "major", cause, old, new)
    (distance, p_value), index = kolmogorov_smirnov(reference, newest), psi(reference, newest)
    stuck, (outside, beyond) = _stuck(reference, newest, hour_rows), _outside(reference, newest)
    tested = index if p_value < SIGNIFICANCE else 0.0
    level: Level = "stable"
    if stuck or tested >= MAJOR:
        level = "major"
    elif moved or outside >= OUTSIDE or tested >= MODERATE:
        level = "moderate"
    words = [*stuck, *beyond] if stuck else [*beyond, *_moved_words(moved), *_moments(reference, newest)]
    if not words:
        words = [f"the values lie in another way, though mean ({_show(new)} against {_show(old)}) and spread are close"]
    cause = "" if level == "stable" else "; ".join(words)
    return ColumnDrift(name, read, distance, p_value, index, level, cause, old, new, *_bars(reference, newest))


def _stuck(reference: Floats, newest: Floats, hour_rows: int) -> list[str]:
    """Words on a value that the newest readings keep to and training did not, or none.

    Four hours on end are enough where nothing beyond was ever read, as at the floor or ceiling of a sensor. Elsewhere a
    whole day is needed, as a room may well keep its temperature for a night.
    """
    values, times = np.unique(newest, return_counts=True)
    value = values[times.argmax()]
    share, before = float((newest == value).mean()), float((reference == value).mean())
    if share < max(before + _STUCK_SHARE, _STUCK_TIMES * before):
        return []
    at_the_end = value in (values[0], values[-1]) and not reference.min() < value < reference.max()
    if _longest_run(newest == value) < (4 if at_the_end else 24) * hour_rows:
        return []
    shares = f"{_percent(share)} of the newest readings, in training {_percent(before)}"
    return [f"stuck at {_show(value)} in {shares} (a sensor fault?)"]


def _longest_run(same: npt.NDArray[np.bool_]) -> int:
    """The length of the longest stretch of True."""
    ends = np.flatnonzero(np.diff(same.astype(np.int8), prepend=0, append=0))
    return int((ends[1::2] - ends[::2]).max())


def _outside(reference: Floats, newest: Floats) -> tuple[float, list[str]]:
    """The share of the newest readings that training never saw the like of, and words on it where it is 1 % or more."""
    low, high = float(reference.min()), float(reference.max())
    below, above = float((newest < low).mean()), float((newest > high).mean())
    parts = [f"{_percent(share)} {side}" for share, side in ((below, "below"), (above, "above")) if share >= 0.01]
    words = f"{' and '.join(parts)} the range seen in training, {_show(low)} to {_show(high)}"
    return below + above, [words] if parts else []


def _moments(reference: Floats, newest: Floats) -> list[str]:
    """Words on another mean and another spread."""
    old, new, sd, new_sd = reference.mean(), newest.mean(), reference.std(), newest.std()
    words: list[str] = []
    if np.ptp(reference) == 0:  # its standard deviation may be a rounding error
        return words
    if abs(new - old) >= _SHIFT_SD * sd:
        by = f"{abs(new - old) / sd:.1f} standard deviations {'higher' if new > old else 'lower'}"
        words.append(f"mean {_show(new)} against {_show(old)}: {by}")
    if not sd / _SPREAD < new_sd < sd * _SPREAD:
        way = "wider" if new_sd > sd else "narrower"
        words.append(f"spread {way}: standard deviation {_show(new_sd)} against {_show(sd)}")
    return words


def _moved_words(minutes: int) -> list[str]:
    if not minutes:
        return []
    way = "earlier" if minutes < 0 else "later"
    return [f"the day's profile lies {abs(minutes)} minutes {way} than in training (did the clock change?)"]


def _moved_minutes(reference: pd.Series, newest: pd.Series) -> int:
    """By how many minutes the mean of each time of day came to lie later (below 0: earlier); 0 where it did not.

    The shift of the training profile that goes best with the newest one, where it is half an hour or more and the
    correlation gains 0.05 by it. Both spans need a week. In the UCI data, the newest one to four weeks against all
    before, every three and a half days: none of 67 comparisons within the winter finds a shift, 61 of 67 with all
    newest days behind the change to summer time find one, of 30 to 70 minutes earlier.
    """
    step = _step(reference.index)
    rows, rest = divmod(pd.Timedelta(days=1), step)
    if rest or rows < 24 or min(len(reference), len(newest)) < _PROFILE_DAYS * rows:
        return 0
    old, new = (_profile(span, step, rows) for span in (reference, newest))  # [S] each
    if not all(np.ptp(profile) > 1e-9 * np.abs(profile).max() for profile in (old, new)):
        return 0  # constant but for rounding, or a time of day is never read
    most = _PROFILE_HOURS * rows // 24
    fits = {shift: float(np.corrcoef(np.roll(old, shift), new)[0, 1]) for shift in range(-most, most + 1)}
    best = max(fits, key=fits.__getitem__)
    minutes = round(best * step / pd.Timedelta(minutes=1))
    return minutes if abs(minutes) >= 30 and fits[best] - fits[0] >= _PROFILE_GAIN else 0


def _profile(values: pd.Series, step: pd.Timedelta, rows: int) -> Floats:
    """The mean by time of day `[S]`, smoothed over an hour; going round at midnight."""
    times = pd.DatetimeIndex(values.index)
    slots = (times - times.normalize()) // step
    means: Floats = values.groupby(slots).mean().reindex(range(rows)).to_numpy(np.float64)
    half = max(1, rows // 48)
    return np.convolve(np.pad(means, half, mode="wrap"), np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")


def _bars(reference: Floats, newest: Floats) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Edges of equal bins, and the share of either span in each; for the eye alone, the PSI has its own bins."""
    spans = (reference, newest)
    low = min(float(np.quantile(span, 0.005, method="inverted_cdf")) for span in spans)
    high = max(float(np.quantile(span, 0.995, method="inverted_cdf")) for span in spans)
    values = np.unique(np.concatenate([span.clip(low, high) for span in spans]))
    step = float(np.diff(values).min()) if len(values) > 1 else 1.0
    steps = (high - low) / step + 1
    if steps <= _MOST_STEPS:
        width = math.ceil(round(steps) / _BARS)
        edges = low + step * (width * np.arange(math.ceil(round(steps) / width) + 1) - 0.5)
    else:
        edges = np.linspace(low, high, _BARS + 1)
    shares = [np.histogram(span.clip(low, high), edges)[0] / len(span) for span in spans]
    return tuple(edges.tolist()), tuple(shares[0].tolist()), tuple(shares[1].tolist())


def _show(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "less than 1 %"
