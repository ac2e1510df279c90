"""Durations as they are written, `7d` or `36h`, and how many steps of the readings they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from wattcast.model.cells import shown

_DURATION = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*([dh])\s*", re.IGNORECASE)


_HOURS = {"d": 24.0, "h": 1.0}


def duration(text: str) -> pd.Timedelta | None:
    """`7d` or `36h`; None for what is no duration."""
    found = _DURATION.fullmatch(text)
    return pd.Timedelta(hours=float(found[1]) * _HOURS[found[2].lower()]) if found else None


@dataclass(frozen=True)
class Lasting:
    """A number of steps as it was written, by how long they last in readings of a cadence."""

    text: str
    cadence: pd.Timedelta

    @property
    def steps(self) -> int:
        """How many steps that is.

        Raises:
            ValueError: it is no duration, or no whole steps, at least one.
        """
        lasts = duration(self.text)
        if lasts is None:
            raise ValueError(
                f"must be a number of steps, or a duration in days or hours such as 1d or 6h, received "
                f"{shown(self.text)}"
            )
        steps = lasts // self.cadence
        if not self.fits:
            near = " or ".join(self._told(count) for count in (steps, steps + 1) if count)
            raise ValueError(
                f"must be whole steps of {self.cadence / pd.Timedelta(minutes=1):g} minutes, at least one, received "
                f"{shown(self.text)}: the nearest is {near}"
            )
        return int(steps)

    @property
    def fits(self) -> bool:
        """It is whole steps, at least one."""
        lasts = duration(self.text)
        return lasts is not None and lasts >= self.cadence and not lasts % self.cadence

    def _told(self, steps: int) -> str:
        lasts = steps * self.cadence
        hours = f"{lasts / pd.Timedelta(hours=1):g}h"
        return hours if duration(hours) == lasts else f"{steps} steps"
