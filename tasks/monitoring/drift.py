"""How the newest readings differ from those that a model was trained on, column by column, and a likely cause.

N: readings of one column in one span, in the order of time. S: readings of a day. B: bins.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.readings import nearest
from wattcast.tasks.monitoring import drift_causes as causes
from wattcast.tasks.monitoring.drift_statistics import kolmogorov_smirnov, psi
from wattcast.tasks.step import step

Level = Literal["none", "moderate", "major"]
LEVELS: tuple[Level, ...] = ("major", "moderate", "none")

MODERATE, MAJOR = 0.1, 0.25
SIGNIFICANCE = 0.05
OUTSIDE = 0.05
"""The share of values that training never saw from which on a column's drift is moderate at least."""
_BARS = 24
_MOST_STEPS = 200  # a column of fewer different places is drawn in whole steps: Appliances has multiples of 10 Wh


@dataclass(frozen=True)
class ColumnDrift:
    """One column in both spans. Numbers are NaN, and the bars empty, where a span holds no reading."""

    column: str
    read: bool  # by the model
    ks: float
    p_value: float
    psi: float
    level: Level
    cause: str  # empty where the level is none
    reference_mean: float
    newest_mean: float
    edges: tuple[float, ...] = ()  # [B + 1], of equal bins; the outermost ones hold the tails
    reference_shares: tuple[float, ...] = ()  # [B]
    newest_shares: tuple[float, ...] = ()  # [B]


@dataclass(frozen=True)
class Drift:
    """All columns, and the first and last times of both spans.

    What the model reads comes first, and of that what lacks readings, then the largest PSI.
    """

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
        drifted = self.drifted
        if not drifted:
            return f"No drift: {span} differ in none of {len(self.columns)} columns from training beyond chance."
        first, read = drifted[0], [column for column in drifted if column.read]
        where = "Drift in what the model reads: " if read else "No drift in what the model reads. Elsewhere, "
        others = len(read or drifted) - 1
        more = f"; and {others} more column{'s' if others > 1 else ''}" if others else ""
        return (
            f"{where}{first.column} ({first.level}), {first.cause}{more}. "
            f"In {span}, {self.counts} of {len(self.columns)} columns."
        )

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns whose level is not none: what the model reads first, then by level."""
        found = [column for column in self.columns if column.level != "none"]
        return tuple(sorted(found, key=lambda column: (not column.read, LEVELS.index(column.level))))

    @property
    def counts(self) -> str:
        """How many columns have which level: `4 major, 1 moderate, 21 none`."""
        levels = [column.level for column in self.columns]
        return ", ".join(f"{levels.count(level)} {level}" for level in LEVELS)


def measure_drift(frame: pd.DataFrame, reference: range, newest: range, *, read: Collection[str], target: str) -> Drift:
    """Compare the rows `newest` of `frame` with the rows `reference`, which a model was trained on.

    A column is moderate or major when its PSI says so and the difference is not one of chance (p < 0.05): of a slow
    reading any two weeks differ much, so that one may have a high PSI and the level none. What no test sees is named
    without one: a sensor that is stuck is major; 5 % of values that training never saw, or a daily profile that came to
    lie at another time, are moderate at least.

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
    moved = causes.moved_minutes(*(span[target] for span in spans))
    hour_rows = max(1, round(pd.Timedelta(hours=1) / causes.usual_step(frame.index)))
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
    columns.sort(key=lambda column: (not column.read, -math.inf if math.isnan(column.psi) else -column.psi))
    (old_from, old_to), (new_from, new_to) = ((span.index[0], span.index[-1]) for span in spans)
    return Drift(old_from, old_to, new_from, new_to, tuple(columns))


drift_task = step(measure_drift)


def _finite(column: pd.Series) -> Floats:
    values: Floats = column.to_numpy(np.float64)
    return values[np.isfinite(values)]


def _column(name: str, reference: Floats, newest: Floats, *, read: bool, moved: int, hour_rows: int) -> ColumnDrift:
    old, new = (float(span.mean()) if len(span) else math.nan for span in (reference, newest))
    if not len(reference) or not len(newest):
        places = {"in training": reference, "among the newest": newest}
        cause = f"no readings {' and '.join(place for place, span in places.items() if not len(span))}"
        return ColumnDrift(name, read, math.nan, math.nan, math.nan, "major", cause, old, new)
    (distance, p_value), index = kolmogorov_smirnov(reference, newest), psi(reference, newest)
    stuck = causes.stuck(reference, newest, hour_rows)
    outside, beyond = causes.outside(reference, newest)
    tested = index if p_value < SIGNIFICANCE else 0.0
    level: Level = "none"
    if stuck or tested >= MAJOR:
        level = "major"
    elif moved or outside >= OUTSIDE or tested >= MODERATE:
        level = "moderate"
    words = [*stuck, *beyond] if stuck else [*beyond, *causes.moved_words(moved), *causes.moments(reference, newest)]
    if not words:
        means = f"{causes.show(new)} against {causes.show(old)}"
        words = [f"the values lie in another way, though mean ({means}) and spread are close"]
    cause = "" if level == "none" else "; ".join(words)
    return ColumnDrift(name, read, distance, p_value, index, level, cause, old, new, *_bars(reference, newest))


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
