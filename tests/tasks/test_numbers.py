"""Numbers for people: the same digits in every unit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattcast.tasks.numbers import readable


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (57.44, 1, "57.4"),
        (57.44, 2, "57.44"),
        (1234.56, 1, "1234.6"),
        (5.744, 1, "5.74"),
        (0.05744, 1, "0.0574"),
        (0.05744, 2, "0.05744"),
        (0.00005744, 1, "5.74e-05"),
        (57_440_000.0, 1, "5.74e+07"),
        (0.0, 1, "0.0"),
        (-0.0, 2, "0.00"),
        (math.nan, 1, "–"),
        (math.inf, 1, "–"),
    ],
)
def test_a_number_has_three_digits_at_least(value: float, decimals: int, text: str) -> None:
    assert readable(value, decimals) == text


def test_a_difference_is_written_like_what_it_is_a_difference_of() -> None:
    assert [readable(value, 2, like=57.44, sign=True) for value in (0.21, -3.82, 0.0)] == ["+0.21", "-3.82", "+0.00"]
    assert readable(0.00021, 2, like=0.05744, sign=True) == "+0.00021"
    assert readable(21.0, 2, like=5.744e7, sign=True) == "+2.100e+01"


@given(st.floats(1e-300, 1e300), st.integers(1, 3))
def test_what_is_shown_is_the_number_to_half_a_percent(value: float, decimals: int) -> None:
    assert float(readable(value, decimals)) == pytest.approx(value, rel=0.00501)
