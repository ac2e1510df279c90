"""Stretches of readings that stand twice: a part of the test that was copied into training makes its scores worthless.

Rows are compared by all columns in use, then by the targets alone. What repeats of itself is no copy: a night in which
nothing happens, a fridge, a schedule. So a copy is made of pieces that stand nowhere else, and is so long that chance
would not write it twice.

S: rows. A piece is `_PIECE` rows that follow each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.split import Split

_PIECE = 8
_RARE = 3  # times that a piece of a copy stands at most
_LEAST_RARE = 0.5  # of the pieces of a copy
_LEAST_BITS = 60.0  # beside those that name its two places; as if each row were drawn by itself, which it is not
_MOST_TOLD = 3
_ROUNDING = 1e-9  # of what a column holds

Codes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Copy:
    """Rows `[first, first + rows)` that stand again, later, from `again` on; of which columns, in words."""

    first: int
    again: int
    rows: int
    columns: str

    def told(self, times: pd.DatetimeIndex, parts: Split[range]) -> str:
        """What there is to say of it."""
        last = self.rows - 1
        places = [
            f"{times[start]} to {times[start + last]} ({_part(parts, start, start + last)})"
            for start in (self.first, self.again)
        ]
        return f"{self.rows} rows of {self.columns} stand twice, from {' and from '.join(places)}: is one a copy?"


def find_copies(frame: pd.DataFrame, targets: tuple[str, ...]) -> tuple[Copy, ...]:
    """The longest stretches of a clean `frame` that stand twice."""
    found = _find(frame.to_numpy(np.float64), "all columns" if frame.shape[1] > len(targets) else _names(targets))
    if not found and frame.shape[1] > len(targets):
        found = _find(frame[list(targets)].to_numpy(np.float64), _names(targets))
    return tuple(sorted(found, key=lambda copy: copy.rows, reverse=True)[:_MOST_TOLD])


def _names(targets: tuple[str, ...]) -> str:
    return " and ".join(map(repr, targets))


def _part(parts: Split[range], first: int, last: int) -> str:
    held = [name for name, rows in parts.items() if first < rows.stop and last >= rows.start]
    return " and ".join(held)


def _find(values: Floats, columns: str) -> list[Copy]:
    """All stretches of `values` `[S, C]` that stand twice."""
    rows = len(values)
    if rows < 2 * _PIECE:
        return []
    codes = _codes(values)
    pieces = _pieces(codes)  # [S - 7]
    order = np.argsort(pieces, kind="stable")
    same = pieces[order[1:]] == pieces[order[:-1]]
    ends = np.flatnonzero(np.concatenate([~same, [True]]))
    counts = np.repeat(np.diff(ends, prepend=-1), np.diff(ends, prepend=-1))  # of each in `order`
    pairs = np.flatnonzero(same & (counts[1:] <= _RARE))
    later, earlier = order[pairs + 1], order[pairs]
    by_offset = np.lexsort((later, later - earlier))
    later, offset = later[by_offset], (later - earlier)[by_offset]
    if not len(later):
        return []
    bits = np.concatenate([[0.0], np.cumsum(_bits(values))])
    breaks = np.flatnonzero((np.diff(offset) != 0) | (np.diff(later) > _PIECE)) + 1
    begins, stops = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(later)]])
    first, last, apart = later[begins], later[stops - 1], offset[begins]
    length = last - first + _PIECE
    rare = (stops - begins) / (length - _PIECE + 1)
    told = bits[last + _PIECE] - bits[first]
    is_copy = (apart >= length) & (rare >= _LEAST_RARE) & (told >= _LEAST_BITS + 2 * math.log2(rows))
    places = zip(*(each[is_copy].tolist() for each in (first, apart, length)), strict=True)
    return [Copy(again - before, again, count, columns) for again, before, count in places]


def _codes(values: Floats) -> Codes:
    """`[S]`: one number for each row of `values` `[S, C]`."""
    cells = np.ascontiguousarray(values + 0.0).view(np.uint64)  # which makes -0 and 0 one
    code: Codes = np.zeros(len(values), np.uint64)
    for column in range(cells.shape[1]):
        code = _mixed(code ^ cells[:, column])
    return code


def _pieces(codes: Codes) -> Codes:
    """`[S - 7]`: one number for each piece, by the row that it begins with."""
    pieces, width = codes, 1
    while width < _PIECE:
        pieces = _mixed(_mixed(pieces[:-width]) + pieces[width:])
        width *= 2
    return pieces


def _mixed(code: Any) -> Codes:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014): equal numbers stay equal, others differ in half of it."""
    code = code + np.uint64(0x9E3779B97F4A7C15)
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Codes = code ^ (code >> np.uint64(31))
    return mixed


def _bits(values: Floats) -> Floats:
    """`[S]`: how rare each row of `values` `[S, C]` is, or its change, or the change of that, whichever is least so.

    A straight line, as between the hours of a weather station, has one change. What stands twice, as a copy does, is
    as rare as what stands once.
    """
    rarest = np.full(len(values), np.inf)
    fine = _ROUNDING * (values.std(axis=0) + np.abs(values).mean(axis=0)) + np.finfo(float).tiny
    for _ in range(3):
        _, place, counts = np.unique(_codes(np.round(values / fine)), return_inverse=True, return_counts=True)
        rarest = np.minimum(rarest, -np.log2(np.maximum(counts - 1, 1) / len(values))[place])
        values = np.diff(values, axis=0, prepend=values[:1])
    return rarest
