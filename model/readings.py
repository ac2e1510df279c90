"""Which readings a model uses, and how they must lie in time.

How they become a clean frame stands in `wattcast.model.clean`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pandas as pd
from pydantic import Field, create_model, field_validator, model_validator

from wattcast.model import public_holidays
from wattcast.model.cells import shown
from wattcast.model.config import Config
from wattcast.model.stamps import ENDS

MADE_AT = "made_at"
"""The column of a forecast that holds the time stamp of the newest reading it knew."""
MADE_BY = "made_by"
"""The column that names what made a forecast, where that need not be the model."""
_POWER = re.compile("[kMGT]?W")
_NO_UNIT = re.compile(r"""[][<>(){}&$"'`\\]""")  # what pages and tables would read as something else


class _MeterColumn(Config):
    """Which rows of a file of several meters are read."""

    column: str = Field(min_length=1, description="name of the column that says which meter a row is of")

    @property
    def name(self) -> str:
        """The meter, as that column writes it."""
        return str(getattr(self, _IS))


_IS = "is"  # no name that a class could give a field
_MEANT = Field(min_length=1, coerce_numbers_to_str=True, description="the meter, as that column writes it")
_fields: Any = {_IS: (str, _MEANT)}
Meter = create_model("Meter", __base__=_MeterColumn, __doc__=_MeterColumn.__doc__, **_fields)


class ReadingsConfig(Config):
    """What is read from a file: the time stamp, what is forecast, and what may help to forecast it."""

    timestamp: str = Field("date", min_length=1, description="name of the time stamp column")
    time_of_day: str | None = Field(
        None, min_length=1, description="name of the column of the time of day, where the time stamp column has dates"
    )
    timezone: str | None = Field(
        None,
        description="where the readings were taken, such as Europe/London, whose clock the time stamps without an "
        "offset follow, through its changes; one fixed clock unless given",
    )
    meter: Meter | None = Field(None, description="which meter is read, of a file that holds several one below another")
    cadence_minutes: int = Field(10, gt=0, le=525_600, description="minutes between two readings")
    targets: tuple[str, ...] = Field(
        ("Appliances",), min_length=1, description="columns to forecast, all in the same unit"
    )
    kind: Literal["energy", "counter", "power"] = Field(
        "energy",
        description="what the targets are: energy of each step; a counter, whose differences are energy; or power, "
        "whose mean over a step times its hours is energy",
    )
    unit: str | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="unit of the targets as the file writes them, such as Wh or kWh, of power W or kW; figures are in "
        "that unit of energy; where the file itself states it, it need not be given",
    )
    signed: bool = Field(
        False, description="targets may be negative, as a load net of solar is; no forecast is below zero otherwise"
    )
    features: tuple[str, ...] = Field(
        (),
        description="further columns that the network reads; the targets' own past is always read",
    )
    known: tuple[str, ...] = Field(
        (),
        description="further columns whose values are known of rows to come, as those of a tariff or a plan are: the "
        "network reads their past and, at each step that it forecasts, what they will be",
    )
    available_at: str | None = Field(
        None,
        min_length=1,
        description="column that says from when on the known columns of a row were known, as a weather forecast has a "
        "time of issue; a time stamp may stand in several rows, of which a forecast reads the newest that was there at "
        "its moment",
    )
    holidays: str | None = Field(
        None,
        description="country, such as BE, or region, such as DE-BY, whose public holidays the network reads, past and "
        "to come; none unless given",
    )
    time_format: str | None = Field(
        None,
        description="how time stamps are written: a format such as %d.%m.%Y %H:%M, or s or ms since 1970; "
        "year-month-day (ISO 8601), or the only format that reads the whole column, unless given",
    )
    decimal: Literal[".", ","] = Field(".", description="the decimal sign of numbers that are text")
    thousands: Literal["", ".", ",", " ", "'", "_"] = Field("", description="the sign between thousands, or none")
    label: Literal["start", "end"] = Field("start", description="where in its step a time stamp stands")
    coverage: float = Field(
        0.75, gt=0, le=1, description="share of a step that finer readings must cover for the step to count"
    )
    gaps: Literal["segment", "interpolate", "error"] = Field(
        "segment",
        description="missing readings of targets: start a new segment, are closed by a straight line, or are refused",
    )
    feature_gaps: Literal["segment", "interpolate", "last", "error"] = Field(
        "segment", description="missing readings of features and known columns; last holds the reading before"
    )
    longest_gap: int = Field(
        3, ge=1, le=100_000, description="steps of the longest gap that interpolate and last close"
    )
    completeness: float = Field(0.9, ge=0, le=1, description="share of its steps that each part must hold at least")
    time: Literal["none", "calendar"] = Field(
        "none", description="time as input: none, or sine and cosine of the day and the week and a weekend flag"
    )

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str | None) -> str | None:
        try:
            return zone and ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            hint = nearest(str(zone), available_timezones())
            raise ValueError(f"must be a name such as Europe/London or UTC, received {shown(zone)}{hint}") from None

    @field_validator("holidays")
    @classmethod
    def _place_exists(cls, place: str | None) -> str | None:
        if place is not None and place not in (places := public_holidays.places()):
            hint = nearest(public_holidays.code_of(place), places)
            raise ValueError(
                f"must be a country such as BE, or one of its regions such as DE-BY, received {shown(place)}{hint}"
            )
        return place

    @field_validator("unit")
    @classmethod
    def _unit_is_one(cls, unit: str | None) -> str | None:
        if unit is not None and (unit != unit.strip() or not unit.isprintable() or _NO_UNIT.search(unit)):
            raise ValueError(f"must be a unit such as Wh or kWh, without brackets or quotes, received {shown(unit)}")
        return unit

    @field_validator("targets", "features", "known", mode="before")
    @classmethod
    def _one_name_is_a_list_of_one(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @model_validator(mode="after")
    def _columns_differ(self) -> ReadingsConfig:
        names = self.cells
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"each column may stand once in timestamp, time_of_day, meter, available_at, targets, features and "
                f"known, received twice: {twice}"
            )
        if self.available_at is not None and not self.known:
            raise ValueError(
                f"available_at says when known columns became known, received {self.available_at!r} and no known "
                "column: name some in readings.known"
            )
        if self.label == "end" and (self.time_format or "").endswith(ENDS):
            raise ValueError("time stamps that are intervals stand for their beginning: label must be start")
        if taken := {MADE_AT, MADE_BY}.intersection(names):
            raise ValueError(
                f"{min(taken)!r} is the name of a column of every forecast: rename the column of the readings"
            )
        return self

    @model_validator(mode="after")
    def _unit_is_of_the_kind(self) -> ReadingsConfig:
        if self.unit is not None and is_power(self.unit) != (self.kind == "power"):
            watts = "power (W, kW, MW, GW or TW)"
            wanted, other = (watts, "energy") if self.kind == "power" else ("energy", "power")
            raise ValueError(
                f"unit must be one of {wanted} where kind is {self.kind!r}, received {self.unit!r}; of readings that "
                f"are {other} say readings.kind = {other!r}"
            )
        return self

    @property
    def energy_unit(self) -> str | None:
        """The unit of energy in which forecasts and scores are; None where that of the targets is not known."""
        return f"{self.unit}h" if self.unit and self.kind == "power" else self.unit

    @property
    def columns(self) -> tuple[str, ...]:
        """The readings that a model of this configuration needs: targets first, then features, then known ones."""
        return self.targets + self.features + self.known

    @property
    def past(self) -> tuple[str, ...]:
        """Those of them that no row to come has."""
        return self.targets + self.features

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of a file that a row is read from: those that place it, then the readings."""
        beside = (self.time_of_day, self.meter.column if self.meter else None, self.available_at)
        return (self.timestamp, *(name for name in beside if name), *self.columns)

    @property
    def lowest(self) -> float:
        """The value below which no target can be."""
        return -math.inf if self.signed else 0.0

    @property
    def cadence(self) -> pd.Timedelta:
        """The step of the grid."""
        return pd.Timedelta(minutes=self.cadence_minutes)

    @property
    def behind(self) -> pd.Timedelta:
        """How far a time stamp lies behind the beginning of its step, which says of which hour and day it is."""
        return self.cadence if self.label == "end" else pd.Timedelta(0)

    @property
    def steps_a_day(self) -> int:
        """How many steps make a day, at least one: what resamples days takes as many on end."""
        return max(1, 1440 // self.cadence_minutes)

    def steps_of(self, days: int) -> int:
        """How many steps reach over so many days, where they do not divide a day, too."""
        return -(-1440 * days // self.cadence_minutes)


def is_power(unit: str) -> bool:
    """Whether `unit` is one of power: W, kW, MW, GW or TW."""
    return bool(_POWER.fullmatch(unit))


def nearest(name: str, names: Iterable[str]) -> str:
    """`": did you mean 'x'?"` for the closest of `names` to `name`, or an empty string where none is close."""
    folded = {str(candidate).lower(): str(candidate) for candidate in names}
    import difflib  # for messages alone

    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return f": did you mean {folded[close[0]]!r}?" if close else ""
