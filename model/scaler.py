"""Readings to the numbers a network likes, and exactly back.

S rows, C columns. Every column is scaled by itself: `scaled = (g(reading) - offset) / scale`, with `g` the identity or
`log(1 + reading / knee)`. Knee, offset and scale come from the training rows alone, so that a load in Wh, kWh or MWh
becomes the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from wattcast.model.arrays import Floats
from wattcast.model.config import Config
from wattcast.model.errors import InputError

_TOLD_APART = 0.5  # of the changes of a column
KNEE = 0.01
"""The share of its mean up to which a target's logarithm is nearly a straight line."""


class ScaleConfig(Config):
    """How readings are brought to one range."""

    features: Literal["minmax", "standard"] = Field(
        "standard", description="features: minmax to 0..1 over the training rows, or standard (mean 0, deviation 1)"
    )
    targets: Literal["minmax", "standard", "log"] = Field(
        "standard",
        description="targets, as input and as output: minmax, standard, or log(1 + value / a hundredth of the training "
        "rows' mean) then standard",
    )


@dataclass(frozen=True)
class Scaler:
    """A fitted scaling of named columns."""

    columns: tuple[str, ...]
    log: npt.NDArray[np.bool_]  # [C]
    offset: Floats  # [C]
    scale: Floats  # [C]
    knee: Floats  # [C] in the column's unit; 1 where no logarithm is taken

    def transform(self, frame: pd.DataFrame) -> npt.NDArray[np.float32]:
        """The columns of `frame`, scaled, `[S, C]`; `frame` is not changed.

        Raises:
            InputError: a reading whose logarithm is needed is below zero.
        """
        chosen = frame if tuple(frame.columns) == self.columns else frame.loc[:, list(self.columns)]
        values = chosen.to_numpy(np.float64, copy=True)
        _take_logarithms(values, self.columns, self.log, self.knee)
        values -= self.offset
        values /= self.scale
        return values.astype(np.float32)

    def part(self, names: tuple[str, ...]) -> Scaler:
        """The scaling of some of its columns."""
        places = [self.columns.index(name) for name in names]
        return Scaler(names, self.log[places], self.offset[places], self.scale[places], self.knee[places])

    def inverse(self, scaled: npt.NDArray[Any], *, first: int) -> Floats:
        """Back to readings: `scaled[..., i]` is the i-th of the `first` columns of this scaler."""
        values = scaled.astype(np.float64) * self.scale[:first] + self.offset[:first]
        np.expm1(values, out=values, where=self.log[:first])
        values *= self.knee[:first]
        return values

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON, exact to the last bit."""
        return {
            "columns": list(self.columns),
            "log": self.log.tolist(),
            "offset": self.offset.tolist(),
            "scale": self.scale.tolist(),
            "knee": self.knee.tolist(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Scaler:
        """What `to_json` gave; an earlier version took the logarithm of 1 + the reading in its own unit."""
        columns = tuple(record["columns"])
        return cls(
            columns=columns,
            log=np.array(record["log"], bool),
            offset=np.array(record["offset"], np.float64),
            scale=np.array(record["scale"], np.float64),
            knee=np.array(record.get("knee", [1.0] * len(columns)), np.float64),
        )


def fit_scaler(train: pd.DataFrame, targets: tuple[str, ...], features: tuple[str, ...], config: ScaleConfig) -> Scaler:
    """A scaler for `targets` then `features`, from the training rows alone. A constant column is only shifted.

    Raises:
        InputError: a target below zero is to be scaled by its logarithm; a column reaches so far that float32 cannot
            tell most of its readings apart.
    """
    columns = targets + features
    log = np.array([config.targets == "log"] * len(targets) + [False] * len(features))
    values = train.loc[:, list(columns)].to_numpy(np.float64, copy=True)  # [S, C]
    mean = values.mean(axis=0)
    knee = np.where(log & (mean > 0), KNEE * mean, 1.0)
    _take_logarithms(values, columns, log, knee)
    methods = np.array([config.targets] * len(targets) + [config.features] * len(features))
    minmax = methods == "minmax"
    offset = np.where(minmax, values.min(axis=0), values.mean(axis=0))
    scale = np.where(minmax, np.ptp(values, axis=0), values.std(axis=0))
    constant = np.ptp(values, axis=0) == 0  # the deviation of equal numbers may round to a hair above zero
    scaler = Scaler(columns, log, offset, np.where(constant, 1.0, scale), knee)
    _require_told_apart(train, values, scaler)
    return scaler


def _require_told_apart(train: pd.DataFrame, values: Floats, scaler: Scaler) -> None:
    """Refuse columns of `values` `[S, C]` most of whose changes vanish once a network reads them as float32."""
    for place, name in enumerate(scaler.columns):
        column = values[:, place]
        scaled = ((column - scaler.offset[place]) / scaler.scale[place]).astype(np.float32)
        changes = np.count_nonzero(np.diff(column))
        if np.count_nonzero(np.diff(scaled)) < _TOLD_APART * changes:
            far = int(np.abs(column - np.median(column)).argmax())
            raise InputError(
                f"column {name!r} reaches from {train[name].min():g} to {train[name].max():g} in the training part, so "
                f"far that most of its readings are one and the same number to a network; farthest lies "
                f"{train[name].iloc[far]:g} at {train.index[far]}: mend that reading, choose another training part in "
                "[split], or leave the column out"
            )


def _take_logarithms(values: Floats, columns: tuple[str, ...], log: npt.NDArray[np.bool_], knee: Floats) -> None:
    """Replace the `log` columns of `values` `[S, C]` by `log(1 + value / knee)`; rows to come may be NaN."""
    low = np.asarray((values < 0).any(axis=0) & log)
    negative = [name for name, is_low in zip(columns, low, strict=True) if is_low]
    if negative:
        raise InputError(
            f"scale.targets = 'log' needs readings of zero or more, {negative} fall below; use 'standard' or 'minmax'"
        )
    values /= knee
    np.log1p(values, out=values, where=log)
