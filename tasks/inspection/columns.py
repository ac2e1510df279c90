"""What each column of a table holds, told from its cells.

S: rows of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.cells import MISSING_MARKS, read_numbers, shown
from wattcast.model.stamps import is_text
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.kinds import kind as kind_of_cell

Kind = Literal["time stamps", "intervals", "dates", "times of day", "numbers", "constant", "flags", "text", "empty"]

SAMPLE = 2000
"""Cells that tell what a column of text holds."""
MOST = 0.95
"""Share of them that must be of a kind."""
EPOCHS = {"s": (3e8, 4e9), "ms": (3e11, 4e12)}
"""What whole numbers that count from 1970 lie between: 1979 and 2096."""

_TIME_OF_DAY = re.compile(r"\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?\s*(?:[ap]\.?m\.?)?\s*", re.IGNORECASE)
_CLOCK = re.compile(r"[0-9]:[0-9]{2}|[0-9]T[0-9]{2}|[0-9]{8} [0-9]{4}")
_INTERVAL = re.compile(
    r"^\s*(?P<begin>\S.*?[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)\s*(?:-|–|—|to|bis|/)\s*\S.*[0-9]:[0-9]{2}.*$"
)


@dataclass(frozen=True)
class Numbers:
    """How the numbers of a column lie."""

    low: float
    high: float
    mean: float
    quantiles: Mapping[str, float]
    """By their share in per cent: 5, 25, 50, 75, 95, 99."""
    zeros: int
    negative: int


@dataclass(frozen=True)
class Column:
    """What one column holds."""

    name: str
    kind: Kind
    rows: int
    missing: int
    example: str
    unit: str  # as a row of units or the heading writes it; empty where neither does
    unit_from: str
    numbers: Numbers | None = None
    fault: str = ""  # of cells that are none of its kind

    @property
    def missing_share(self) -> float:
        """Of the rows."""
        return self.missing / self.rows if self.rows else 0.0


QUANTILES = (5, 25, 50, 75, 95, 99)


def read_columns(frame: pd.DataFrame, units: Mapping[str, str], dialect: Dialect) -> tuple[Column, ...]:
    """What each column of `frame`, whose columns of numbers are float64, holds; `units` are those of a row of units."""
    return tuple(_read(str(name), frame[name], units.get(str(name), ""), dialect) for name in frame.columns)


def numbers_of(column: pd.Series, dialect: Dialect) -> Floats:
    """The numbers of `column` `[S]`, NaN where there is none."""
    return read_numbers(column, decimal=dialect.decimal or ".", thousands=dialect.thousands or "").array


def epoch_unit(values: Floats) -> str | None:
    """Whether it is s or ms that whole numbers `[S]` count from 1970, in equal steps; None elsewhere."""
    known = values[~np.isnan(values)]
    if len(known) < 3 or (known % 1).any():
        return None
    for unit, (low, high) in EPOCHS.items():
        second = 1 if unit == "s" else 1000
        if known.min() >= low and known.max() < high:
            steps = np.abs(np.diff(known))
            usual = np.median(steps)
            multiples = usual >= second and float(np.mean(steps % usual == 0)) >= MOST
            return unit if multiples and usual % second == 0 and (usual // second) % 5 == 0 else None
    return None


def _read(name: str, column: pd.Series, unit: str, dialect: Dialect) -> Column:
    known = column.notna().to_numpy(np.bool_)
    if is_text(column):
        known = known & ~column.isin(_marks_in(column)).to_numpy(np.bool_)
    rows, missing = len(column), int((~known).sum())
    first = "" if missing == rows else shown(column.iloc[int(known.argmax())])
    written, source = (unit, "the row of units") if unit else (unit_in(name), "the heading")
    numbers, fault = None, ""
    if missing == rows:
        kind: Kind = "empty"
    elif column.dtype.kind == "b":
        kind = "flags"
    elif column.dtype.kind in "fiu":
        values = column.to_numpy(np.float64, na_value=np.nan)
        numbers = _numbers(values[np.isfinite(values)])
        kind = "constant" if numbers is None or numbers.low == numbers.high else "numbers"
    elif column.dtype.kind == "M":
        kind = "time stamps"
    else:
        kind = _kind_of_text(column[known])
        if kind == "numbers":
            read = read_numbers(column, decimal=dialect.decimal or ".", thousands=dialect.thousands or "")
            numbers, fault = _numbers(read.array[np.isfinite(read.array)]), "".join(read.faults)
    return Column(name, kind, rows, missing, first, written, source if written else "", numbers, fault)


def _marks_in(column: pd.Series) -> list[str]:
    """Each way in which `column` writes that a reading is missing; looked for among its different short cells."""
    cells = pd.Series(column.unique()) if len(column) <= SAMPLE else _sampled(column)
    short = {str(cell) for cell in cells[cells.notna()] if len(str(cell)) < 16}
    found = [cell for cell in short if cell.strip().lower() in MISSING_MARKS]
    return [*{*found, *MISSING_MARKS}]


def _kind_of_text(cells: pd.Series) -> Kind:
    texts = _sampled(cells).astype(str)
    if (texts == texts.iloc[0]).all() and (cells == cells.iloc[0]).all():
        return "constant"
    stamps = [text for text in texts if kind_of_cell(text) == "stamp"]
    if 2 * sum(kind_of_cell(text) == "number" for text in texts) > len(texts):
        return "numbers"
    if len(stamps) < MOST * len(texts):
        return "text"
    tests = ((_TIME_OF_DAY.fullmatch, "times of day"), (_INTERVAL.match, "intervals"))
    for test, kind in tests:
        if sum(test(text) is not None for text in stamps) >= MOST * len(stamps):
            return kind  # type: ignore[return-value]  # one of the two above
    return "time stamps" if any(_CLOCK.search(text) for text in stamps) else "dates"


def _sampled(cells: pd.Series) -> pd.Series:
    """Up to `SAMPLE` cells, evenly from all rows."""
    return cells.iloc[np.linspace(0, len(cells) - 1, min(len(cells), SAMPLE)).astype(np.int64)]


def _numbers(values: Floats) -> Numbers | None:
    if not len(values):
        return None
    spread = np.percentile(values, QUANTILES)
    return Numbers(
        low=float(values.min()),
        high=float(values.max()),
        mean=float(values.mean()),
        quantiles={str(share): float(value) for share, value in zip(QUANTILES, spread, strict=True)},
        zeros=int((values == 0).sum()),
        negative=int((values < 0).sum()),
    )


_UNITS = "|".join(
    (
        *(r"[kMG]?Wh/h", r"[kMG]?Wh", r"[kMG]?W", r"[kM]?VAr?h?", r"[kMG]?J", "°C", "°F", "%", "hPa", "mbar", "m/s"),
        *("km/h", "W/m[2²]", "m[3³]", "l", "V", "A", "Hz", "ppm", "lux", "mm", "€/MWh", "EUR/MWh", "ct/kWh"),
    )
)
_BRACKETED = re.compile(rf"[\[(]\s*({_UNITS})\s*[\])]", re.IGNORECASE)
_AT_THE_END = re.compile(r"(?:^|[\s_./-])(?:in[ _])?([kmg]?wh/h|[kmg]?wh|[kmg]w|w|mj|gj)$", re.IGNORECASE)
_BEFORE = re.compile(r"(?:^|[\s_.(-])([kmg]?wh)(?=[\s_./-]|$)", re.IGNORECASE)
_SPELT = {
    **{unit.lower(): unit for unit in ("Wh", "kWh", "MWh", "GWh", "W", "kW", "MW", "GW", "MJ", "GJ")},
    **{unit.lower(): unit for unit in ("Wh/h", "kWh/h", "MWh/h", "GWh/h")},
}


def unit_in(name: str) -> str:
    """The unit that a heading such as `load [kWh]`, `load_wh` or `KWH/hh (per half hour)` writes, or an empty text."""
    for pattern in (_BRACKETED, _AT_THE_END, _BEFORE):
        if found := pattern.search(name):
            return spelt(found[1])
    return ""


def spelt(unit: str) -> str:
    """A unit of energy or power as it is usually written; any other one as it stands."""
    bare = unit.strip().strip("[]()").strip()
    return _SPELT.get(bare.lower(), bare)
