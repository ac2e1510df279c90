"""Public holidays of a place, such as BE or DE-BY, as the package `holidays` knows them: of any year, past or to come.

S: rows.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wattcast.model.arrays import Array
from wattcast.model.clock import on_the_clock

if TYPE_CHECKING:
    from holidays import HolidayBase


def holiday_flags(times: pd.DatetimeIndex, place: str) -> Array:
    """`[S]`: 1 where the day that the clock of `times` shows is a public holiday of `place`, else 0."""
    days, of = np.unique(on_the_clock(times).normalize().to_numpy(), return_inverse=True)
    off = [date(day.year, day.month, day.day) in _holidays(place) for day in pd.DatetimeIndex(days)]
    flags: Array = np.array(off, np.float32)[of]
    return flags


@cache
def places() -> frozenset[str]:
    """The countries and regions that there are."""
    from holidays.utils import list_supported_countries

    countries = list_supported_countries()
    return frozenset({*countries, *(f"{country}-{region}" for country, of in countries.items() for region in of)})


def code_of(name: str) -> str:
    """The code of a country of this name; the name as it is where it is of none."""
    from holidays.registry import COUNTRIES

    country = COUNTRIES.get(name.strip().lower().replace(" ", "_"))
    return str(country[1]) if country else name


@cache
def _holidays(place: str) -> HolidayBase:
    import holidays

    country, _, region = place.partition("-")
    return holidays.country_holidays(country, subdiv=region or None)
