"""Days and the order of errors, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wattcast.tasks.report.training_days import autocorrelation, day_table, day_totals, order_panels, whole_days


def hourly(first: str, hours: int, zone: str | None = None, **columns: object) -> pd.DataFrame:
    times = pd.date_range(first, periods=hours, freq="h", tz=zone)
    values = {"actual": 500.0, "gru": 510.0, "ridge": 490.0, "persistence": 500.0}
    return pd.DataFrame({"time": times, **values, **columns})


def test_days_that_are_not_whole_are_left_out() -> None:
    first = hourly("2016-03-01 05:00", 72).drop(index=40)  # the 2nd has a gap, the 1st and the 4th are cut
    assert whole_days(first)["day"].unique().tolist() == [pd.Timestamp("2016-03-03")]


def test_days_on_which_a_clock_is_put_forward_or_back_are_whole() -> None:
    for start, hours in (("2016-03-27", 23), ("2016-10-30", 25)):
        assert len(whole_days(hourly(start, hours, "Europe/Brussels"))) == hours
        assert whole_days(hourly(start, hours - 1, "Europe/Brussels")).empty


@pytest.mark.parametrize(
    ("unit", "larger", "total"), [("Wh", "kWh", 12.0), ("kWh", "kWh", 12_000), (None, None, 12_000)]
)
def test_totals_are_in_kwh_where_readings_are_in_wh(unit: str | None, larger: str | None, total: float) -> None:
    totals, told = day_totals(hourly("2016-03-01", 48), unit)
    assert told == larger
    assert totals["actual"].tolist() == [pytest.approx(total)] * 2


def test_the_hour_of_the_peak_is_hit_where_it_is_one_off() -> None:
    hours = np.tile(np.arange(24), 2)
    columns = {
        "actual": 100.0 + 900 * (hours == 18),
        "gru": 100.0 + 900 * (hours == 19),
        "ridge": 100.0 + 900 * (hours == 9),
        "persistence": 110.0 + 990 * (hours == 18),
    }
    table = day_table(hourly("2016-03-01", 48, **columns), "Wh")
    assert table is not None
    assert table.head == ["model", "total of a day off by, kWh", "all days together", "peak hour hit"]
    assert table.rows == [
        ["GRU", "0.0", "0.0 %", "2 of 2"],
        ["ridge on lags", "0.0", "0.0 %", "0 of 2"],
        ["persistence", "0.330", "10.0 %", "2 of 2"],
    ]


def test_without_a_whole_day_there_is_no_table() -> None:
    assert day_table(hourly("2016-03-01 05:00", 20), "Wh") is None
    assert day_table(hourly("2016-03-01 05:00", 1), "Wh") is None
    assert order_panels(hourly("2016-03-01 05:00", 1), "Wh") == []


def test_autocorrelation_is_that_worked_out_by_hand() -> None:
    """Errors of +1 and -1 by turns: what was one step before is the opposite, two steps before the same."""
    times = pd.date_range("2016-03-01", periods=200, freq="h")
    found = autocorrelation(pd.Series(np.tile([1.0, -1.0], 100), times), 4)
    np.testing.assert_allclose(found, [-1, 1, -1, 1])


def test_autocorrelation_goes_by_time_and_not_by_rows() -> None:
    """Where each third reading is missing, the row before is not the step before."""
    times = pd.date_range("2016-03-01", periods=300, freq="h")
    series = pd.Series(np.tile([1.0, -1.0], 150), times)
    kept = series[np.arange(300) % 3 != 0]
    np.testing.assert_allclose(autocorrelation(kept, 3), [-1, 1, -1], atol=0.02)


def test_few_pairs_give_no_number() -> None:
    times = pd.date_range("2016-03-01", periods=40, freq="h")
    found = autocorrelation(pd.Series(np.tile([1.0, -1.0], 20), times), 20)
    assert np.isfinite(found[:10]).all()
    assert np.isnan(found[10:]).all()
