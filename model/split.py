"""Which rows teach, which choose and which judge: the chronological split.

S: rows of the clean frame. A split is three half-open row ranges that follow each other; it copies no data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import pandas as pd
from pydantic import Field, model_validator

from wattcast.model.clock import moment_of
from wattcast.model.config import ClockTime, Config
from wattcast.model.errors import InputError

A = TypeVar("A")
B = TypeVar("B")


class SplitConfig(Config):
    """Where training ends and where the test part starts: by fractions of the rows, or by dates."""

    train: float = Field(0.6, gt=0, lt=1, description="fraction of the rows that trains, the oldest ones")
    validation: float = Field(0.2, gt=0, lt=1, description="fraction of the rows after them that every choice uses")
    validation_from: ClockTime | None = Field(None, description="first time stamp of validation, in place of fractions")
    test_from: ClockTime | None = Field(None, description="first time stamp of the test part, in place of fractions")
    until: ClockTime | None = Field(
        None, description="last time stamp that is used, as if the data ended there; all of it unless given"
    )

    leakage: Literal["warn", "error"] = Field(
        "warn",
        description="what a feature that seems to know the future of a target, or a stretch of readings that stands "
        "twice, is taken for: a warning, or an error",
    )

    @model_validator(mode="after")
    def _parts_exist(self) -> SplitConfig:
        if (self.validation_from is None) != (self.test_from is None):
            raise ValueError("validation_from and test_from go together, received only one of them")
        if self.validation_from and self.test_from and self.validation_from >= self.test_from:
            raise ValueError(
                f"validation_from must lie before test_from, received {self.validation_from} and {self.test_from}"
            )
        if self.train + self.validation >= 1:
            raise ValueError(
                f"train + validation must leave rows for the test part, received {self.train} + {self.validation}"
            )
        if self.until and self.test_from and self.until < self.test_from:
            raise ValueError(f"until must not lie before test_from, received {self.until} and {self.test_from}")
        return self


@dataclass(frozen=True)
class Split(Generic[A]):
    """One thing for each part of the data."""

    train: A
    validation: A
    test: A

    def map(self, function: Callable[[A], B]) -> Split[B]:
        """`function` of each part."""
        return Split(function(self.train), function(self.validation), function(self.test))

    def items(self) -> tuple[tuple[str, A], ...]:
        """The parts with their names, in the order of time."""
        return (("train", self.train), ("validation", self.validation), ("test", self.test))


def rows_until(times: pd.DatetimeIndex, config: SplitConfig) -> int:
    """How many of the rows are used: those up to `config.until`, or all of them.

    Raises:
        InputError: it lies outside the data.
    """
    if config.until is None:
        return len(times)
    until = moment_of(config.until, times)
    if not times[0] <= until <= times[-1]:
        raise InputError(f"split.until must lie within the data, from {times[0]} to {times[-1]}, received {until}")
    return int(times.searchsorted(until, side="right"))


def split_rows(times: pd.DatetimeIndex, config: SplitConfig) -> Split[range]:
    """The rows of each part: `[0, a)`, `[a, b)` and `[b, c)` with `a < b < c` inside the data; c is `rows_until`.

    Raises:
        InputError: a part would be empty.
    """
    rows = rows_until(times, config)
    if config.validation_from and config.test_from:
        first = int(times.searchsorted(moment_of(config.validation_from, times)))
        second = int(times.searchsorted(moment_of(config.test_from, times)))
    else:
        first = int(rows * config.train + _ROUNDING)
        second = int(rows * (config.train + config.validation) + _ROUNDING)
    if not 0 < first < second < rows:
        span = f"{rows} rows from {times[0]} to {times[rows - 1]}" if rows else "no row"
        raise InputError(
            f"the split leaves a part empty: train [0, {first}), validation [{first}, {second}), test [{second}, "
            f"{rows}) of {span}; choose other fractions or dates in [split]"
        )
    return Split(range(first), range(first, second), range(second, rows))


def parts_of_known(known: range, train: float, validation: float) -> tuple[range, range]:
    """What is known in two parts, as large as the two numbers are to each other: choices use the newer one."""
    choosing = known.start + int(len(known) * train / (train + validation))
    return range(known.start, choosing), range(choosing, known.stop)


_ROUNDING = 1e-6  # 0.6 + 0.2 is a hair below 0.8 in binary
