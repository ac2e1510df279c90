"""What a meter's numbers are - energy, a counter or power - and how they become energy a step, in Wh.

S readings, NaN where one is missing. How a counter's differences are taken stands in `wattcast.model.counter`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from wattcast.model.arrays import Floats
from wattcast.model.config import Config

Unit = Literal["Wh", "kWh", "MWh", "GWh", "J", "MJ", "W", "kW", "MW"]

FACTORS: dict[str, tuple[float, float]] = {
    "Wh": (1, 1),
    "kWh": (1e3, 1),
    "MWh": (1e6, 1),
    "GWh": (1e9, 1),
    "J": (1, 3600),
    "MJ": (1e6, 3600),
    "W": (1, 1),
    "kW": (1e3, 1),
    "MW": (1e6, 1),
}
"""Times the first and by the second is Wh or W: each a number that a float holds exactly."""

POWERS = ("W", "kW", "MW")
ENERGIES = tuple(unit for unit in FACTORS if unit not in POWERS)


class Quantity(Config):
    """What the numbers of a column mean."""

    kind: Literal["energy", "counter", "power"] = Field(
        "energy",
        description="energy: used in each step; counter: a register that only rises, whose differences are energy; "
        "power: mean over each step",
    )
    unit: Unit = Field("Wh", description="of energies and counters Wh, kWh, MWh, GWh, J or MJ; of powers W, kW or MW")
    signed: bool = Field(False, description="whether the load may be negative, as one net of solar is")

    @model_validator(mode="after")
    def _the_unit_suits_the_kind(self) -> Quantity:
        allowed = POWERS if self.kind == "power" else ENERGIES
        if self.unit not in allowed:
            raise ValueError(
                f"readings of kind {self.kind!r} are given in {', '.join(allowed)}, received unit {self.unit!r}: "
                "name the unit or the kind that they have"
            )
        return self


def to_base_unit(values: Floats, unit: Unit) -> Floats:
    """`values` in Wh, or in W where `unit` is one of power."""
    factor, divisor = FACTORS[unit]
    return values * factor / divisor


def power_to_energy(watts: Floats, *, minutes: float) -> Floats:
    """Energy in Wh of steps of so many `minutes` over which the mean power was `watts`."""
    return watts * minutes / 60


def negative_faults(values: Floats, name: str, *, signed: bool) -> list[str]:
    """What is wrong with `values` `[S]` that lie below zero: a sentence, or none where a load may be negative."""
    with np.errstate(invalid="ignore"):
        below = np.flatnonzero(values < 0)
    if signed or not len(below):
        return []
    more = f" and in {len(below) - 1} rows more" if len(below) > 1 else ""
    return [
        f"column {name!r} must not be negative, received {values[below[0]]:g} in row {below[0]}{more}; a load that may "
        "be, as one net of solar, is declared with readings.signed = true"
    ]
