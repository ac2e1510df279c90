"""The folds of a sweep: stretches of a part, each forecast by a network that knows all that lies before it.

Those that judge a trial are cut from validation, those of the verdict from the test part.

N: windows of the part. L: output length.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from wattcast.model.arrays import Rows
from wattcast.model.errors import InputError
from wattcast.model.split import Split, parts_of_known
from wattcast.model.windows import Windows


@dataclass(frozen=True)
class FoldScore:
    """How a trial has done in a fold. RMSE of the first target, in its unit."""

    number: int  # from 1
    rmse: float
    mean: float  # over the folds up to this one


def folds_of(rows: Split[range], validation: Windows, count: int, *, least: int) -> tuple[Split[range], ...]:
    """`rows` in so many folds: validation is cut into equal stretches, and each is judged by what trains before it.

    One fold is `rows` as they are. `validation` `[N]` holds their windows; each fold keeps at least so many of them,
    whose whole target lies in its stretch. The rows of the test part are in none.

    Raises:
        InputError: there are too few forecasts for so many folds.
    """
    if count == 1:
        return (rows,)
    targets = validation.target_rows  # [N, L]
    ends, name = (targets[:, 0], targets[:, -1]), "validation"
    stretches = _cut_evenly(rows.validation, count, ends, least=least, name=name, windows=validation)
    return tuple(Split(range(rows.train.start, each.start), each, rows.test) for each in stretches)


def verdict_folds_of(rows: Split[range], test: Windows, count: int, *, least: int) -> tuple[Split[range], ...]:
    """`rows` in so many folds of a rolling origin: the test part is cut into equal stretches, each with all before it.

    A fold forecasts what begins in its stretch and may end behind it, so that each of `test` `[N]`, the windows of the
    test part, is a forecast of one fold; it has at least so many. How much of what it knows is validation is as `rows`
    have it: one fold is `rows` as they are.

    Raises:
        InputError: there are too few forecasts for so many folds.
    """
    if count == 1:
        return (rows,)
    begins, more = test.target_rows[:, 0], test.config.output_length - 1
    part = range(rows.test.start, rows.test.stop - more)
    stretches = _cut_evenly(part, count, (begins, begins), least=least, name="the test part", windows=test)
    shares = len(rows.train), len(rows.validation)
    return tuple(
        Split(*parts_of_known(range(rows.train.start, each.start), *shares), range(each.start, each.stop + more))
        for each in stretches
    )


def _cut_evenly(
    part: range, count: int, ends: tuple[Rows, Rows], *, least: int, name: str, windows: Windows
) -> list[range]:
    """Stretches of `part`, in each of which lie both `ends` `[N]` of at least so many windows."""
    if not _fit(part, ends, count, least):
        begin, end = windows.series.times[windows.target_rows[[0, -1], [0, -1]]]
        possible = range(min(count - 1, len(windows) // least), 1, -1)
        most = next((fewer for fewer in possible if _fit(part, ends, fewer, least)), 1)
        raise InputError(
            f"{count} folds leave one of them less than a day of forecasts to be judged by: {name} has "
            f"{len(windows):,} forecasts of {begin} to {end}; folds may be at most {most}, or enlarge {name} in [split]"
        )
    return _cut(part, count)


def _cut(part: range, count: int) -> list[range]:
    ends = [part.start + len(part) * number // count for number in range(count + 1)]
    return [range(first, last) for first, last in pairwise(ends)]


def _fit(part: range, ends: tuple[Rows, Rows], count: int, least: int) -> bool:
    first, last = ends
    return count * least <= len(first) and all(
        last.searchsorted(stretch.stop) - first.searchsorted(stretch.start) >= least for stretch in _cut(part, count)
    )
