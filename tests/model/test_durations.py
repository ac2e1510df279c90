"""Durations as they are written, and the steps that they are."""

import re

import pandas as pd
import pytest

from wattcast.model.durations import Lasting, duration


@pytest.mark.parametrize(("text", "hours"), [("7d", 168), ("36h", 36), (" 1.5 D ", 36), ("0.5h", 0.5), ("0h", 0)])
def test_a_duration_is_days_or_hours(text: str, hours: float) -> None:
    assert duration(text) == pd.Timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "6", "6 hours", "-1d", "1e3h", "d", "1d 6h", "30m", "9999999h", "٣h٣"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration(text) is None


@pytest.mark.parametrize(
    ("text", "minutes", "steps"),
    [
        ("6h", 10, 36),
        ("6h", 60, 6),
        ("1d", 10, 144),
        ("1d", 30, 48),
        ("1d", 1440, 1),
        ("1.5h", 30, 3),
        ("14d", 7, 2880),
    ],
)
def test_a_duration_is_steps_of_the_cadence(text: str, minutes: int, steps: int) -> None:
    assert Lasting(text, pd.Timedelta(minutes=minutes)).steps == steps


@pytest.mark.parametrize(
    ("text", "minutes", "message"),
    [
        ("1.5h", 60, "must be whole steps of 60 minutes, at least one, received '1.5h': the nearest is 1h or 2h"),
        ("0h", 60, "received '0h': the nearest is 1h"),
        ("6h", 1440, "received '6h': the nearest is 24h"),
        (
            "1d",
            50,
            "must be whole steps of 50 minutes, at least one, received '1d': the nearest is 28 steps or 29 steps",
        ),
        (
            "6 hours",
            10,
            "must be a number of steps, or a duration in days or hours such as 1d or 6h, received '6 hours'",
        ),
        ("-1d", 10, "received '-1d'"),
    ],
)
def test_what_is_no_whole_steps_is_refused_with_the_nearest_that_are(text: str, minutes: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        _ = Lasting(text, pd.Timedelta(minutes=minutes)).steps
