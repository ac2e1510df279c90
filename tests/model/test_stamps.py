"""Time stamps: what is read, what is asked, and what is never guessed."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wattcast.model.clean import check_readings, settle
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.stamps import find_form, read_stamps

MARCH = pd.date_range("2021-03-01", "2021-03-12 23:45", freq="15min")  # of which each day may be a month
ALL_MARCH = pd.date_range("2021-03-01", "2021-03-31 23:45", freq="15min")


def written(times: pd.DatetimeIndex, form: str) -> pd.Index:
    return pd.Index(times.strftime(form))


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%m-%d-%y %I:%M %p"])
def test_days_that_may_be_months_are_asked(form: str) -> None:
    with pytest.raises(InputError, match=r"can be read as .* or as .* in every row: say which is meant, such as"):
        find_form(written(MARCH, form))


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%b-%Y %H:%M:%S", "%d.%m.%y %H:%M"])
def test_a_format_that_alone_reads_the_whole_column_is_found_and_told(form: str) -> None:
    stamps = find_form(written(ALL_MARCH, form))
    assert stamps.form == form
    assert "the only way to read all of them" in stamps.found
    assert (read_stamps(written(ALL_MARCH, form), form) == ALL_MARCH).all()


def test_the_declared_format_is_the_one_that_counts() -> None:
    column = written(MARCH, "%d.%m.%Y %H:%M")
    read = read_stamps(column, "%d.%m.%Y %H:%M")
    assert (read.size, read.month.unique().tolist()) == (1152, [3])
    assert (read.day_of_week >= 5).mean() == pytest.approx(2 / 12)
    other = read_stamps(column, "%m.%d.%Y %H:%M")
    assert other.month.nunique() == 12  # as declared, however odd


def test_without_a_declaration_only_year_month_day_is_read() -> None:
    iso = pd.Index(["2021-02-01", "2021-02-01 01:00:00", "20210201T0200", "2021/02/01 03:00"])
    assert read_stamps(iso, None).tolist() == list(pd.date_range("2021-02-01", periods=4, freq="h"))
    assert read_stamps(written(MARCH, "%d.%m.%Y %H:%M"), None) is None
    assert find_form(iso).form is None


@pytest.mark.parametrize("cells", [["00:00", "00:15"], ["7", "8"], ["2021", "2022"], ["soon", "later"], ["Mo", "Di"]])
def test_what_holds_no_date_is_no_time_stamp(cells: list[str]) -> None:
    assert read_stamps(pd.Index(cells), None) is None
    assert find_form(pd.Index(cells)).form is None


def test_midnight_may_be_the_end_of_a_day() -> None:
    cells = pd.Index(["2021-03-01 23:45", "2021-03-01 24:00", "2021-03-02 00:15"])
    assert read_stamps(cells, None).tolist() == list(pd.date_range("2021-03-01 23:45", periods=3, freq="15min"))
    late = read_stamps(pd.Index(["31.03.2021 24:00:00"]), "%d.%m.%Y %H:%M:%S")
    assert late.tolist() == [pd.Timestamp("2021-04-01")]


@pytest.mark.parametrize(("form", "unit"), [("s", 1), ("ms", 1000)])
def test_counts_since_1970_are_declared(form: str, unit: int) -> None:
    counts = pd.Index([1_614_556_800 * unit, 1_614_560_400 * unit])
    assert read_stamps(counts, form).tolist() == [pd.Timestamp("2021-03-01"), pd.Timestamp("2021-03-01 01:00")]
    assert read_stamps(counts, None) is None


def test_a_model_reads_what_comes_later_in_the_format_that_it_was_trained_with() -> None:
    """A request in another one is refused, not turned into another day."""
    config, _ = settle(pd.DataFrame({"date": MARCH.strftime("%Y-%m-%d %H:%M"), "Appliances": 1.0}), ReadingsConfig())
    later = pd.date_range("2021-03-06", periods=4, freq="10min").strftime("%d/%m/%Y %H:%M")
    with pytest.raises(InputError, match="'date' must hold time stamps like"):
        check_readings(pd.DataFrame({"date": later, "Appliances": 1.0}), config)
    trained, found = settle(
        pd.DataFrame({"date": ALL_MARCH.strftime("%d/%m/%Y %H:%M"), "Appliances": 1.0}), ReadingsConfig()
    )
    assert trained.time_format == "%d/%m/%Y %H:%M"
    assert len(found) == 1
    clean = check_readings(pd.DataFrame({"date": later, "Appliances": 1.0}), trained)
    assert clean.index[0] == pd.Timestamp("2021-03-06")
    with pytest.raises(InputError):
        check_readings(pd.DataFrame({"date": ["2021-03-06 00:00"], "Appliances": 1.0}), trained)


@given(
    start=st.datetimes(pd.Timestamp("1990-01-01").to_pydatetime(), pd.Timestamp("2060-01-01").to_pydatetime()),
    form=st.sampled_from(["%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%y %H:%M", "%Y-%m-%d %H:%M", "%d %b %Y %H:%M"]),
    rows=st.integers(1, 600),
)
def test_a_column_is_read_as_it_was_written_or_asked_about(start: pd.Timestamp, form: str, rows: int) -> None:
    times = pd.date_range(pd.Timestamp(start).floor("min"), periods=rows, freq="47min")
    assume(times[-1].year < 2060)
    column = written(times, form)
    try:
        found = find_form(column).form
    except InputError:
        return
    read = read_stamps(column, found)
    assert (read == times).all()
