"""Why a reading is no longer what a model was trained on: likely causes, in words.

N: readings of one column in one span, in the order of time. S: readings of a day.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.clock import on_the_clock

_SHIFT_SD, _SPREAD = 0.5, 1.5
_STUCK_SHARE, _STUCK_TIMES = 0.01, 3
_PROFILE_DAYS, _PROFILE_HOURS, _PROFILE_GAIN = 7, 3, 0.05


def stuck(reference: Floats, newest: Floats, hour_rows: int) -> list[str]:
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
    return [f"stuck at {show(value)} in {shares} (a sensor fault?)"]


def _longest_run(same: npt.NDArray[np.bool_]) -> int:
    """The length of the longest stretch of True."""
    ends = np.flatnonzero(np.diff(same.astype(np.int8), prepend=0, append=0))
    return int((ends[1::2] - ends[::2]).max())


def outside(reference: Floats, newest: Floats) -> tuple[float, list[str]]:
    """The share of the newest readings that training never saw the like of, and words on it where it is 1 % or more."""
    low, high = float(reference.min()), float(reference.max())
    below, above = float((newest < low).mean()), float((newest > high).mean())
    parts = [f"{_percent(share)} {side}" for share, side in ((below, "below"), (above, "above")) if share >= 0.01]
    words = f"{' and '.join(parts)} the range seen in training, {show(low)} to {show(high)}"
    return below + above, [words] if parts else []


def moments(reference: Floats, newest: Floats) -> list[str]:
    """Words on another mean and another spread."""
    old, new, sd, new_sd = reference.mean(), newest.mean(), reference.std(), newest.std()
    words: list[str] = []
    if np.ptp(reference) == 0:  # its standard deviation may be a rounding error
        return words
    if abs(new - old) >= _SHIFT_SD * sd:
        by = f"{abs(new - old) / sd:.1f} standard deviations {'higher' if new > old else 'lower'}"
        words.append(f"mean {show(new)} against {show(old)}: {by}")
    if not sd / _SPREAD < new_sd < sd * _SPREAD:
        way = "wider" if new_sd > sd else "narrower"
        words.append(f"spread {way}: standard deviation {show(new_sd)} against {show(sd)}")
    return words


def moved_words(minutes: int) -> list[str]:
    """Words on what `moved_minutes` found."""
    if not minutes:
        return []
    way = "earlier" if minutes < 0 else "later"
    return [f"the day's profile lies {abs(minutes)} minutes {way} than in training (did the clock change?)"]


def moved_minutes(reference: pd.Series, newest: pd.Series) -> int:
    """By how many minutes the mean of each time of day came to lie later (below 0: earlier); 0 where it did not.

    The shift of the training profile that goes best with the newest one, where it is half an hour or more and the
    correlation gains 0.05 by it. Both spans need a week. In the UCI data, the newest one to four weeks against all
    before, every three and a half days: none of 67 comparisons within the winter finds a shift, 61 of 67 with all
    newest days behind the change to summer time find one, of 30 to 70 minutes earlier.
    """
    step = usual_step(reference.index)
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
    times = on_the_clock(pd.DatetimeIndex(values.index))
    slots = (times - times.normalize()) // step
    means: Floats = values.groupby(slots).mean().reindex(range(rows)).to_numpy(np.float64)
    half = max(1, rows // 48)
    return np.convolve(np.pad(means, half, mode="wrap"), np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")


def usual_step(index: pd.Index) -> pd.Timedelta:
    """Most readings lie so far apart."""
    return pd.Timedelta(pd.Series(index).diff().median()) if len(index) > 1 else pd.Timedelta(hours=1)


def show(value: float) -> str:
    """A reading with four digits."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "less than 1 %"
