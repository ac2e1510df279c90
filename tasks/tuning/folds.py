"""The folds that judge a trial: stretches of validation, each forecast by a network that knows all that lies before it.

N: windows of validation. L: output length.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from wattcast.model.errors import InputError
from wattcast.model.split import Split
from wattcast.model.windows import Windows


@dataclass(frozen=True)
class FoldScore:
    """How a trial has done in a fold. RMSE of the first target, in its unit."""

    number: int  # from 1
    rmse: float
    mean: float  # over the folds up to this one


def folds_of(rows: Split[range], validation: Windows, count: int, *, least: int) -> tuple[Split[range], ...]:
    """`rows` in so many folds: validation is cut into equal stretches, and each is judged by what trains before it.

    One fold is `rows` as they are. `validation` `[N]` holds their windows; each fold keeps at least so many of them.
    The rows of the test part are in none.

    Raises:
        InputError: there are too few forecasts for so many folds.
    """
    if count == 1:
        return (rows,)
    if not _fit(rows.validation, validation, count, least):
        times, part = validation.series.times, rows.validation
        first, last = times[part.start], times[part.stop - 1]
        possible = range(min(count - 1, len(validation) // least), 1, -1)
        most = next((fewer for fewer in possible if _fit(part, validation, fewer, least)), 1)
        raise InputError(
            f"{count} folds leave one of them less than a day of forecasts to be judged by: validation has "
            f"{len(validation):,} forecasts of {first} to {last}; folds may be at most {most}, or enlarge validation "
            f"in [split]"
        )
    return tuple(Split(range(rows.train.start, each.start), each, rows.test) for each in _cut(rows.validation, count))


def _cut(part: range, count: int) -> list[range]:
    ends = [part.start + len(part) * number // count for number in range(count + 1)]
    return [range(first, last) for first, last in pairwise(ends)]


def _fit(part: range, windows: Windows, count: int, least: int) -> bool:
    """Each stretch holds the whole target of at least so many windows."""
    if count * least > len(windows):
        return False
    targets = windows.target_rows  # [N, L]
    first, last = targets[:, 0], targets[:, -1]
    return all(
        last.searchsorted(stretch.stop) - first.searchsorted(stretch.start) >= least for stretch in _cut(part, count)
    )
