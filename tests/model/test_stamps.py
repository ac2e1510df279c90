"""Time stamps: what is read, what is asked, and what is never guessed."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wattcast.model.clean import ENDS_DOUBTED, check_readings, settle, stamp_cells
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.stamps import find_form, read_stamps
from wattcast.tasks.data.simulate import simulate

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


@pytest.mark.parametrize("sign", ".-/")
def test_years_of_two_digits_may_stand_first(sign: str) -> None:
    cells = written(MARCH, f"%y{sign}%m{sign}%d %H:%M")
    with pytest.raises(InputError, match=r"can be read as 21 March 2001 .* or as 1 March 2021"):
        find_form(cells)
    whole = written(pd.date_range("2032-03-01", "2032-03-31", freq="h"), f"%y{sign}%m{sign}%d %H:%M")
    assert find_form(whole).form == f"%y{sign}%m{sign}%d %H:%M"  # there is no 32 March


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
    assert read_stamps(counts, form).equals(pd.date_range("2021-03-01", periods=2, freq="h", tz="UTC"))
    assert read_stamps(counts, None) is None


def test_stamps_that_look_like_numbers_are_read_in_a_format_that_is_said() -> None:
    numbers = pd.Index(MARCH.strftime("%Y%m%d%H%M").astype("int64"))
    read = read_stamps(numbers, "%Y%m%d%H%M")
    assert read is not None
    assert read.equals(MARCH)
    assert read_stamps(numbers, None) is None


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
    with pytest.raises(InputError, match=r"written as '%d/%m/%Y %H:%M', received '2021-03-06 00:00' in row 0"):
        check_readings(pd.DataFrame({"date": ["2021-03-06 00:00"], "Appliances": 1.0}), trained)
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


@pytest.mark.parametrize(
    ("form", "ends", "found"),
    [
        ("%d.%m.%Y %H:%M", " - %d.%m.%Y %H:%M", "%d.%m.%Y %H:%M - ..."),
        ("%d/%m/%Y %H:%M:%S", " - %d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S - ..."),
        ("%d.%m.%Y %H:%M", "-%H:%M", "%d.%m.%Y %H:%M-..."),
        ("%Y-%m-%d %H:%M", " bis %Y-%m-%d %H:%M", "ISO8601 bis ..."),
        ("%Y-%m-%dT%H:%M", "/%Y-%m-%dT%H:%M", "ISO8601/..."),
    ],
)
def test_an_interval_stands_for_its_beginning(form: str, ends: str, found: str) -> None:
    starts = ALL_MARCH[:-4]
    cells = pd.Index(
        [f"{start:{form}}{end:{ends}}" for start, end in zip(starts, starts + pd.Timedelta("15min"), strict=True)]
    )
    stamps = find_form(cells)
    assert stamps.form == found
    assert "are intervals, and stand for their beginning" in stamps.found
    assert read_stamps(cells, stamps.form).equals(starts)


def test_an_interval_that_ends_before_it_begins_is_refused() -> None:
    cells = pd.Index([f"2021-03-01 {hour:02d}:30 - 2021-03-01 {hour:02d}:00" for hour in range(24)])
    with pytest.raises(InputError, match="'2021-03-01 00:30 - 2021-03-01 00:00' ends before it begins"):
        find_form(cells)


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M:%S "])
def test_offsets_that_change_make_one_time_line(form: str) -> None:
    """An offset such as `-05:00` is not the end of an interval."""
    for zone in ("Europe/Berlin", "America/New_York"):
        times = pd.date_range("2021-10-01", "2021-11-30", freq="h", tz=zone)
        cells = pd.Index([f"{time:{form}}{f'{time:%z}'[:3]}:00" for time in times])
        read = read_stamps(cells, find_form(cells).form)
        assert (read == times).all()


def test_stamps_with_an_offset_among_others_without_are_refused() -> None:
    assert read_stamps(pd.Index(["2021-03-01T00:00Z", "2021-03-01T01:00"]), None) is None


def test_offsets_ask_for_the_place_whose_calendar_counts() -> None:
    times = pd.date_range("2021-03-01", periods=48, freq="h", tz="UTC")
    frame = pd.DataFrame({"date": times.strftime("%Y-%m-%dT%H:%M:%SZ"), "load": 1.0})
    asked = ReadingsConfig(targets="load", cadence_minutes=60)
    with pytest.raises(InputError, match=r'say which, such as readings.timezone = "Europe/London", or "UTC"'):
        check_readings(frame, asked)
    read = check_readings(frame, asked.model_copy(update={"timezone": "America/New_York"}))
    assert str(read.index[0]) == "2021-02-28 19:00:00-05:00"
    typed, found = settle(frame.assign(date=times.tz_convert("Europe/Paris")), asked)
    assert (typed.timezone, found) == ("Europe/Paris", ("time stamps are of the zone Europe/Paris, as the file says",))


@pytest.mark.parametrize(
    "times",
    [
        ["00:15", "00:30", "24:00"],
        ["0:15", "0:30", "24:00"],
        ["12:15 AM", "12:30 AM", "11:45 PM"],
    ],
)
def test_a_date_and_a_time_in_two_columns_are_one_stamp(times: list[str]) -> None:
    frame = pd.DataFrame({"Date": "31/03/2021", "Time": times, "load": 1.0})
    settled, found = settle(frame, ReadingsConfig(timestamp="Date", targets="load", cadence_minutes=15))
    assert settled.time_of_day == "Time"
    assert found[0] == "column 'Date' has dates; the times of day are those of column 'Time', the only one"
    read = read_stamps(stamp_cells(frame, settled), settled.time_format)
    assert read[:2].tolist() == [pd.Timestamp("2021-03-31 00:15"), pd.Timestamp("2021-03-31 00:30")]


@pytest.mark.parametrize("label", ["start", "end"])
def test_the_end_of_a_day_is_no_start_without_a_word(label: str) -> None:
    frame = pd.DataFrame({"date": ["2021-03-01 23:45", "2021-03-01 24:00", "2021-03-02 00:15"], "load": 1.0})
    _, found = settle(frame, ReadingsConfig(targets="load", cadence_minutes=15, label=label))
    assert found == ((ENDS_DOUBTED,) if label == "start" else ())


@pytest.mark.parametrize("hours", [[1, 2, 24], [1.0, 2.0, 24.0], ["1", "2", "24"]])
def test_hours_of_the_day_in_a_column_are_declared(hours: list[object]) -> None:
    frame = pd.DataFrame({"Date": pd.Timestamp("2021-03-31"), "Hour": hours, "load": 1.0})
    config = ReadingsConfig(timestamp="Date", time_of_day="Hour", targets="load", cadence_minutes=60, label="end")
    read = read_stamps(stamp_cells(frame, config), None)
    assert [f"{time:%d %H:%M}" for time in read] == ["31 01:00", "31 02:00", "01 00:00"]
    with pytest.raises(InputError, match="column 'Hour' must hold times of day such as 17:00, or hours from 0 to 24"):
        check_readings(frame.assign(Hour=["1", "2", "noon"]), config)


@pytest.mark.parametrize("piece", ["1", "x", "2016-01-01 ", "12:", "(", " "])
def test_a_text_without_end_is_no_time_stamp_and_takes_no_time(piece: str) -> None:
    """Ten megabytes in place of a date were searched a hundred times."""
    frame = simulate(40).astype({"date": object})
    frame.loc[30, "date"] = "2016-01-11 17:00" + piece * (10_000_000 // len(piece)) + "!"
    began = time.perf_counter()
    with pytest.raises(InputError, match="1 time stamps are missing or cannot be read, first in row 30") as refused:
        check_readings(frame, ReadingsConfig(features=()))
    assert time.perf_counter() - began < 2
    assert len(str(refused.value)) < 1000
