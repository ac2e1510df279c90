"""Public holidays as numbers, on the day that the clock shows."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from wattcast.model.public_holidays import holiday_flags
from wattcast.model.readings import ReadingsConfig


@pytest.mark.parametrize(
    ("place", "off"),
    [
        ("BE", ["2016-01-01", "2016-03-28", "2016-05-01", "2016-07-21"]),
        ("DE-BY", ["2016-01-01", "2016-01-06", "2016-03-28", "2016-05-01"]),
        ("DE", ["2016-01-01", "2016-03-28", "2016-05-01"]),
    ],
)
def test_days_by_hand(place: str, off: list[str]) -> None:
    days = ["2016-01-01", "2016-01-06", "2016-02-01", "2016-03-28", "2016-05-01", "2016-07-21", "2016-12-27"]
    flags = holiday_flags(pd.DatetimeIndex(days) + pd.Timedelta(hours=13), place)
    assert flags.dtype == np.float32
    assert flags.tolist() == [float(day in off) for day in days]


def test_the_day_is_that_of_the_clock_from_midnight_to_midnight() -> None:
    naive = pd.DatetimeIndex(["2015-12-31 23:50", "2016-01-01 00:00", "2016-01-01 23:50", "2016-01-02 00:00"])
    assert holiday_flags(naive, "BE").tolist() == [0, 1, 1, 0]
    aware = pd.DatetimeIndex(["2015-12-31 22:50", "2015-12-31 23:00", "2016-01-01 22:50", "2016-01-01 23:00"], tz="UTC")
    assert holiday_flags(aware.tz_convert("Europe/Brussels"), "BE").tolist() == [0, 1, 1, 0]


def test_years_to_come_are_known() -> None:
    assert holiday_flags(pd.DatetimeIndex(["2049-12-25", "2049-12-24"]), "BE").tolist() == [1, 0]


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("be", "did you mean 'BE'?"),
        ("Belgium", "did you mean 'BE'?"),
        ("united kingdom", "did you mean 'GB'?"),
        ("DE-by", "did you mean 'DE-BY'?"),
        ("DE-", "did you mean 'DE'?"),
        ("", "received ''"),
        ("Atlantis", "received 'Atlantis'"),
    ],
)
def test_a_place_that_is_unknown_is_told_with_the_nearest(place: str, hint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ReadingsConfig(holidays=place)
    (fault,) = refused.value.errors()
    assert fault["msg"].startswith("Value error, must be a country such as BE, or one of its regions such as DE-BY")
    assert hint in fault["msg"]
