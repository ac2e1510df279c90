"""Each finding, on a small file that shows it."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dialects import Moment, gzipped, workbook

from wattcast.model.clean import settle
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import download
from wattcast.tasks.inspection.answers import Answer
from wattcast.tasks.inspection.findings import Inspection
from wattcast.tasks.inspection.inspect import inspect

LONDON = "Europe/London"


def load(rows: int) -> list[float]:
    """Wh of a house, up and down without a pattern that could be anything else."""
    return [round(float(value), 1) for value in np.random.default_rng(0).gamma(4, 80, rows)]


def stamps(rows: int, minutes: int = 60, start: str = "2021-03-01", form: str = "%Y-%m-%d %H:%M") -> list[str]:
    return pd.date_range(start, periods=rows, freq=f"{minutes}min").strftime(form).to_list()


def written(folder: Path, rows: Iterable[Sequence[object]], name: str = "meter.csv") -> Path:
    path = folder / name
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def looked_at(folder: Path, heading: Sequence[str], *columns: Sequence[object], **said: object) -> Inspection:
    path = written(folder, [heading, *zip(*columns, strict=True)])
    return inspect(path, None, ReadingsConfig.model_validate(said)).found


def answer(found: Inspection, option: str) -> Answer:
    (one,) = [each for each in found.answers if each.option == option]
    return one


def says(found: Inspection, option: str) -> tuple[object, str]:
    return answer(found, option).value, answer(found, option).basis


# --- columns


def test_each_column_is_told_by_its_cells(tmp_path: Path) -> None:
    rows = 50
    found = looked_at(
        tmp_path,
        ["time", "day", "clock", "load_wh", "tariff", "id", "nothing", "note"],
        stamps(rows),
        stamps(rows, form="%d.%m.%Y"),
        stamps(rows, form="%H:%M"),
        load(rows),
        [0.25] * rows,
        ["MAC1"] * rows,
        ["", "n/a"] * (rows // 2),
        ["fine", "", "late", "fine", "fine"] * (rows // 5),
    )
    kinds = {column.name: column.kind for column in found.columns}
    assert kinds == {
        "time": "time stamps",
        "day": "dates",
        "clock": "times of day",
        "load_wh": "numbers",
        "tariff": "constant",
        "id": "constant",
        "nothing": "empty",
        "note": "text",
    }
    assert {column.name: column.missing for column in found.columns if column.missing} == {"nothing": 50, "note": 10}
    assert [column.unit for column in found.columns if column.unit] == ["Wh"]


def test_the_numbers_of_a_column_are_summed_up(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(101), [-1.0, 0.0, *range(1, 100)])
    (numbers,) = [column.numbers for column in found.columns if column.numbers]
    assert (numbers.low, numbers.high, numbers.mean) == (-1.0, 99.0, pytest.approx(4949 / 101))
    assert (numbers.zeros, numbers.negative) == (1, 1)
    assert numbers.quantiles == {"5": 4.0, "25": 24.0, "50": 49.0, "75": 74.0, "95": 94.0, "99": 98.0}


def test_words_among_numbers_are_told(tmp_path: Path) -> None:
    values = load(40)
    found = looked_at(tmp_path, ["time", "kWh"], stamps(40), [*values[:39], "broken"])
    (column,) = [column for column in found.columns if column.name == "kWh"]
    assert column.kind == "numbers"
    assert column.fault == "column 'kWh' must hold finite numbers, 1 of 40 values are not, first 'broken' in row 39"


def test_the_evidence_for_the_dialect_is_that_of_the_reader(tmp_path: Path) -> None:
    lines = ["Zeit;kWh", *(f"{stamp};{value:.1f}".replace(".", ",") for stamp, value in zip(stamps(30), load(30)))]  # noqa: B905
    path = tmp_path / "meter.csv"
    path.write_bytes(gzipped("\n".join(lines).encode()))
    found = inspect(path).found
    assert says(found, "file.separator") == (";", "found")
    assert answer(found, "file.separator").why == "separator ';': 30 of 30 rows have 2 fields"
    assert says(found, "file.decimal") == (",", "found")
    given = inspect(path, Dialect(decimal=",")).found
    assert says(given, "file.decimal") == (",", "given")


# --- time stamps


@pytest.mark.parametrize(
    ("heading", "form", "wanted"),
    [
        ("time", "%Y-%m-%d %H:%M", None),
        ("time", "%Y-%m-%dT%H:%M:%S", None),
        ("time", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"),
        ("time", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"),
    ],
)
def test_a_format_that_leaves_no_doubt_is_found(tmp_path: Path, heading: str, form: str, wanted: str | None) -> None:
    found = looked_at(tmp_path, [heading, "kWh"], stamps(24 * 20, form=form), load(24 * 20))
    assert says(found, "readings.time_format") == (wanted, "found")
    assert says(found, "readings.timestamp") == ("time", "found")
    assert says(found, "readings.cadence_minutes") == (60, "found")
    assert found.verdict == "ready"
    assert found.timeline is not None
    assert (found.timeline.first, found.timeline.last) == (dt.datetime(2021, 3, 1), dt.datetime(2021, 3, 20, 23))


def test_a_date_that_can_be_read_in_two_ways_is_asked_and_looked_at_all_the_same(tmp_path: Path) -> None:
    rows = 12 * 96
    found = looked_at(tmp_path, ["Zeit", "kWh"], stamps(rows, 15, form="%d.%m.%Y %H:%M"), load(rows))
    asked = answer(found, "readings.time_format")
    assert asked.asked
    assert asked.why.startswith("%d.%m.%Y %H:%M or %m.%d.%Y %H:%M: both read every row, such as '01.03.2021 00:00' as")
    assert "1 March 2021 or 3 January 2021" in asked.why
    assert found.questions == (asked,)
    assert found.timeline is not None
    assert (found.timeline.step, found.timeline.last) == ("15 minutes", dt.datetime(2021, 3, 12, 23, 45))
    told = looked_at(
        tmp_path, ["Zeit", "kWh"], stamps(rows, 15, form="%d.%m.%Y %H:%M"), load(rows), time_format="%d.%m.%Y %H:%M"
    )
    assert (told.verdict, says(told, "readings.time_format")) == ("ready", ("%d.%m.%Y %H:%M", "given"))


@pytest.mark.parametrize(("unit", "size"), [("s", 1), ("ms", 1000)])
def test_seconds_and_milliseconds_since_1970_are_found(tmp_path: Path, unit: str, size: int) -> None:
    epochs = [(1_614_556_800 + 900 * row) * size for row in range(200)]
    found = looked_at(tmp_path, ["ts", "kWh"], epochs, load(200))
    assert says(found, "readings.timestamp") == ("ts", "found")
    assert says(found, "readings.time_format") == (unit, "found")
    assert found.timeline is not None
    assert found.timeline.first == dt.datetime(2021, 3, 1)
    assert says(found, "readings.cadence_minutes") == (15, "found")
    assert says(found, "readings.targets") == (["kWh"], "found")


def test_a_counter_in_large_whole_numbers_is_no_time(tmp_path: Path) -> None:
    register = (1_500_000_000 + np.cumsum(np.random.default_rng(1).integers(1, 900, 200))).tolist()
    found = looked_at(tmp_path, ["time", "register_wh"], stamps(200), register)
    assert says(found, "readings.timestamp") == ("time", "found")
    assert says(found, "readings.kind") == ("counter", "found")


def test_date_and_time_in_two_columns_are_one_stamp(tmp_path: Path) -> None:
    found = looked_at(
        tmp_path,
        ["Datum", "Uhrzeit", "kWh"],
        stamps(24 * 20, form="%d.%m.%Y"),
        stamps(24 * 20, form="%H:%M"),
        load(24 * 20),
    )
    assert says(found, "readings.timestamp") == ("Datum", "found")
    assert says(found, "readings.time_of_day") == ("Uhrzeit", "found")
    assert says(found, "readings.time_format") == ("%d.%m.%Y %H:%M", "found")
    assert found.timeline is not None
    assert (found.timeline.step, found.timeline.last) == ("1 hour", dt.datetime(2021, 3, 20, 23))


def test_start_and_end_of_each_step_in_two_columns(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["from", "to", "kWh"], stamps(60), stamps(60, start="2021-03-01 01:00"), load(60))
    assert says(found, "readings.timestamp") == ("from", "found")
    assert says(found, "readings.label") == ("start", "found")
    assert "'to' holds the end of the step that begins at 'from'" in answer(found, "readings.label").why


def test_an_interval_in_one_column_says_where_the_step_begins(tmp_path: Path) -> None:
    begins, ends = (stamps(24 * 20, start=start, form="%d.%m.%Y %H:%M") for start in ("2021-03-01", "2021-03-01 01:00"))
    found = looked_at(tmp_path, ["Zeitraum", "kWh"], [f"{one} - {two}" for one, two in zip(begins, ends)], load(480))  # noqa: B905
    assert {column.name: column.kind for column in found.columns} == {"Zeitraum": "intervals", "kWh": "numbers"}
    assert says(found, "readings.label") == ("start", "found")
    assert found.timeline is not None
    assert (found.timeline.first, found.timeline.step) == (dt.datetime(2021, 3, 1), "1 hour")


def test_two_columns_of_stamps_that_are_no_start_and_end_are_asked_about(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["read", "sent", "kWh"], stamps(60), stamps(60, start="2021-03-09 00:07"), load(60))
    assert answer(found, "readings.timestamp").asked
    assert answer(found, "readings.timestamp").why == "'read' or 'sent': each holds time stamps"


def test_a_file_without_stamps_is_looked_at_and_asked_about(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["kWh", "note"], load(50), ["a", "b"] * 25)
    assert answer(found, "readings.timestamp").asked
    assert found.timeline is None
    assert found.verdict == "questions"
    assert [column.kind for column in found.columns] == ["numbers", "text"]


def test_stamps_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    times = stamps(60)
    times[7] = "yesterday"
    found = looked_at(tmp_path, ["time", "kWh"], times, load(60))
    assert (found.unread_stamps, found.first_unread) == (1, "'yesterday'")
    assert found.verdict == "faults"
    assert found.trial.faults[0].startswith("1 time stamps are missing or cannot be read, first in row 7")


# --- how stamps lie


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (slice(None), "oldest first"),
        (slice(None, None, -1), "newest first"),
        ([*range(50, 100), *range(50)], "in 2 blocks, each in order"),
    ],
)
def test_the_order_of_the_rows_is_told(tmp_path: Path, order: object, words: str) -> None:
    times, values = (np.array(column)[order] for column in (stamps(100), load(100)))
    found = looked_at(tmp_path, ["time", "kWh"], times.tolist(), values.tolist())
    assert found.timeline is not None
    assert found.timeline.order == words
    assert found.verdict == "ready"


def test_gaps_are_counted_with_the_longest(tmp_path: Path) -> None:
    kept = [row for row in range(200) if row != 20 and not 50 <= row < 60]
    found = looked_at(tmp_path, ["time", "kWh"], [stamps(200)[row] for row in kept], [load(200)[row] for row in kept])
    line = found.timeline
    assert line is not None
    assert line.longest is not None
    assert (line.gaps, line.missing, line.longest.steps) == (2, 11, 10)
    assert (line.longest.after, line.longest.before) == (dt.datetime(2021, 3, 3, 1), dt.datetime(2021, 3, 3, 12))
    assert line.complete == 189 / 200
    assert found.time_words["gaps"] == (
        "2 gaps of 11 steps, the longest of 10 steps, between 2021-03-03 01:00:00 and 2021-03-03 12:00:00"
    )


def test_rows_twice_are_counted_and_those_that_contradict_each_other_stand_in_the_way(tmp_path: Path) -> None:
    times, values = stamps(60), load(60)
    found = looked_at(tmp_path, ["time", "kWh"], [*times, times[3]], [*values, values[3]])
    assert found.timeline is not None
    assert (found.timeline.duplicates, found.verdict) == (1, "ready")
    found = looked_at(tmp_path, ["time", "kWh"], [*times, times[3]], [*values, values[3] + 1])
    assert found.verdict == "faults"
    assert "1 time stamps stand more than once with different readings" in found.trial.faults[0]


def test_jitter_is_counted_with_its_farthest(tmp_path: Path) -> None:
    moments = pd.date_range("2021-03-01", periods=100, freq="15min") + pd.to_timedelta([0, 3, 0, 7] * 25, unit="s")
    found = looked_at(tmp_path, ["time", "kWh"], moments.strftime("%Y-%m-%d %H:%M:%S").to_list(), load(100))
    assert found.timeline is not None
    assert (found.timeline.jitter, found.timeline.jitter_s) == (50, 7.0)
    assert (found.timeline.step, found.timeline.missing) == ("15 minutes", 0)


def test_irregular_readings_have_no_cadence_but_a_guess(tmp_path: Path) -> None:
    seconds = np.cumsum(np.random.default_rng(0).integers(60, 400, 2000))
    moments = pd.Timestamp("2021-03-01") + pd.to_timedelta(seconds, unit="s")
    found = looked_at(tmp_path, ["time", "power_w"], moments.strftime("%Y-%m-%d %H:%M:%S").to_list(), load(2000))
    assert found.timeline is not None
    assert not found.timeline.regular
    assert says(found, "readings.cadence_minutes") == (10, "guessed")
    assert "at irregular times" in found.headline


def test_months_are_no_cadence(tmp_path: Path) -> None:
    months = pd.date_range("2010-01-01", periods=120, freq="MS").strftime("%Y-%m-%d").to_list()
    found = looked_at(tmp_path, ["date", "kWh"], months, load(120))
    assert answer(found, "readings.cadence_minutes").why == (
        "readings lie about 30 days apart, by the calendar: no cadence in minutes; bring finer ones"
    )


# --- the clock


def london(start: str, end: str, minutes: int = 30) -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq=f"{minutes}min", tz="UTC").tz_convert(LONDON)


def test_local_stamps_of_a_year_in_london_show_both_clock_changes(tmp_path: Path) -> None:
    times = london("2021-01-01", "2021-12-31 23:30")
    found = looked_at(tmp_path, ["time", "kWh"], times.strftime("%Y-%m-%d %H:%M").to_list(), load(len(times)))
    zone, line = found.zone, found.timeline
    assert zone is not None
    assert line is not None
    assert (zone.kind, zone.name) == ("local", LONDON)
    assert [(change.begin, change.end, change.skips) for change in zone.changes] == [
        (dt.datetime(2021, 3, 28, 1), dt.datetime(2021, 3, 28, 2), True),
        (dt.datetime(2021, 10, 31, 1), dt.datetime(2021, 10, 31, 2), False),
    ]
    assert {"Europe/Lisbon", "Europe/Dublin"} <= set(zone.alike)
    assert not {"Europe/Berlin", "America/New_York"} & set(zone.alike)
    assert says(found, "readings.timezone") == (LONDON, "guessed")
    assert (line.duplicates, line.gaps, line.order) == (0, 0, "oldest first")
    assert line.stamps == 365 * 48
    assert found.verdict == "ready"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/Helsinki"])
def test_other_clocks_are_told_apart_also_newest_first(tmp_path: Path, zone: str) -> None:
    times = pd.date_range("2021-01-01", "2021-12-31 23:00", freq="h", tz="UTC").tz_convert(zone)[::-1]
    found = looked_at(tmp_path, ["time", "kWh"], times.strftime("%Y-%m-%d %H:%M").to_list(), load(len(times)))
    assert found.zone is not None
    assert (found.zone.kind, found.zone.name, len(found.zone.changes)) == ("local", zone, 2)
    assert found.timeline is not None
    assert (found.timeline.gaps, found.timeline.duplicates, found.timeline.order) == (0, 0, "newest first")


def test_a_clock_that_runs_through_the_changes_is_fixed(tmp_path: Path) -> None:
    rows = 365 * 24
    found = looked_at(tmp_path, ["time", "kWh"], stamps(rows, start="2021-01-01"), load(rows))
    assert found.zone is not None
    assert (found.zone.kind, found.zone.name) == ("fixed", None)
    assert found.zone.why == (
        "the clock runs through 28 March 2021, 31 October 2021, when the clocks of Europe/London change, and those of "
        "America/New_York"
    )
    assert says(found, "readings.timezone") == (None, "found")


def test_where_no_change_lies_in_the_span_nothing_is_known(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(24 * 20, start="2021-06-01"), load(24 * 20))
    assert found.zone is not None
    assert (found.zone.kind, found.zone.why) == (
        "unknown",
        "no change of clocks lies between the first and the last reading",
    )


def test_a_doubled_hour_that_was_merged_is_told(tmp_path: Path) -> None:
    times = london("2021-01-01", "2021-12-31 23:30").strftime("%Y-%m-%d %H:%M").drop_duplicates()
    found = looked_at(tmp_path, ["time", "kWh"], times.to_list(), load(len(times)))
    assert found.zone is not None
    assert found.zone.name is None
    assert "skips 01:00 to 02:00 on 28 March 2021 as in Europe/London, but not at its other changes" in found.zone.why


def test_a_change_of_clocks_that_lies_in_a_gap_is_not_said_to_show(tmp_path: Path) -> None:
    times = pd.date_range("2022-06-01", "2023-04-14", freq="h", tz="UTC").tz_convert("America/New_York")
    kept = times[(times < "2022-11-04") | (times >= "2022-12-20")]
    found = looked_at(tmp_path, ["time", "Wh"], kept.strftime("%Y-%m-%d %H:%M"), load(len(kept)))
    assert found.zone is not None
    assert (found.zone.kind, found.zone.name) == ("local", "America/New_York")
    assert found.zone.why.startswith(
        "the clock skips 02:00 to 03:00 on 12 March 2023 (one change alone: look whether that hour is only missing), as"
    )


def test_offsets_that_change_name_the_zones_that_have_them(tmp_path: Path) -> None:
    times = london("2021-01-01", "2021-12-31 23:30")
    text = [time.isoformat() for time in times]
    found = looked_at(tmp_path, ["time", "kWh"], text, load(len(times)))
    assert found.zone is not None
    assert (found.zone.kind, found.zone.name) == ("offsets", LONDON)
    assert "Europe/Lisbon" in found.zone.alike
    assert found.zone.why.startswith("stamps have the offsets +00:00 and +01:00, as in Europe/London")
    assert [(change.begin, change.skips) for change in found.zone.changes] == [
        (dt.datetime(2021, 3, 28, 1), True),
        (dt.datetime(2021, 10, 31, 1), False),
    ]
    assert found.timeline is not None
    assert (found.timeline.step, found.timeline.gaps, found.timeline.stamps) == ("30 minutes", 0, 365 * 48)


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M %z", "%m/%d/%Y %H:%M:%S%z"])
def test_offsets_behind_stamps_of_any_format_are_read_as_a_training_reads_them(form: str, tmp_path: Path) -> None:
    times = london("2021-01-01", "2021-12-31 23:30")
    found = looked_at(tmp_path, ["time", "kWh"], list(times.strftime(form)), load(len(times)))
    assert says(found, "readings.time_format") == (form, "found")
    assert answer(found, "readings.timezone").value == LONDON
    assert (found.verdict, found.trial.rows) == ("ready", len(times))


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S UTC", "%d.%m.%Y %H:%M GMT"])
def test_stamps_that_end_in_the_word_utc_are_of_utc(form: str, tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(1000, form=form), load(1000))
    assert says(found, "readings.timezone") == ("UTC", "guessed")
    assert (found.verdict, found.trial.rows) == ("ready", 1000)


def test_the_first_and_last_reading_are_told_by_their_own_clock(tmp_path: Path) -> None:
    times = pd.date_range("2021-02-01", "2021-11-30 23:45", freq="15min", tz="Europe/Berlin")
    found = looked_at(tmp_path, ["time", "kWh"], list(times.strftime("%d.%m.%Y %H:%M")), load(len(times)))
    assert found.value("readings.timezone") == "Europe/Berlin"
    assert "from 1 February 2021 00:00 to 30 November 2021 23:45" in found.headline


def test_stamps_that_cannot_be_read_are_shown_with_the_option_that_helps(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(100, form="%a %d/%m/%Y %H:%M"), load(100))
    assert "such as 'Mon 01/03/2021 00:00': say how they are written, such as readings.time_format" in found.headline
    backwards = [f"2021-03-01 {hour:02d}:30 - 2021-03-01 {hour:02d}:00" for hour in range(24)]
    found = looked_at(tmp_path, ["time", "kWh"], backwards, load(24))
    assert "ends before it begins" in found.headline


@pytest.mark.parametrize(("first", "label"), [(0, "start"), (1, "end")])
def test_a_column_that_counts_the_hours_of_each_day_holds_no_meters(first: int, label: str, tmp_path: Path) -> None:
    times = pd.date_range("2021-03-01", periods=30 * 24, freq="h")
    rows = (list(times.strftime("%d/%m/%Y")), list(times.hour + first), load(len(times)))
    found = looked_at(tmp_path, ["Fecha", "Hora", "kWh"], *rows)
    assert says(found, "readings.time_of_day") == ("Hora", "found")
    assert found.value("readings.label") == label
    assert (found.verdict, found.trial.rows) == ("ready", len(times))
    raw = download(str(tmp_path / "meter.csv")).frame
    config, _ = settle(raw, ReadingsConfig(timestamp="Fecha", targets="kWh", cadence_minutes=60))
    assert config.time_of_day == "Hora"


def test_what_no_configuration_takes_is_a_fault_in_words(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "made_at"], stamps(100), load(100))
    assert found.trial.faults[0].startswith("'made_at' is the name of a column of every forecast: rename")
    starts = pd.date_range("2021-03-01", periods=500, freq="h")
    cells = [f"{start:%Y-%m-%d %H:%M} - {start + pd.Timedelta(hours=1):%Y-%m-%d %H:%M}" for start in starts]
    found = looked_at(tmp_path, ["time", "kWh"], cells, load(500), label="end")
    assert found.trial.faults == ("time stamps that are intervals stand for their beginning: label must be start",)


def test_stamps_that_end_in_z_are_of_utc(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(100, form="%Y-%m-%dT%H:%M:%SZ"), load(100))
    assert says(found, "readings.timezone") == ("UTC", "guessed")
    assert answer(found, "readings.timezone").why == "all stamps are of UTC (Z or +00:00): the place is not said"


def test_the_zone_of_a_typed_column_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "meter.parquet"
    times = london("2021-03-01", "2021-04-10")
    pd.DataFrame({"time": times, "load_kwh": load(len(times))}).to_parquet(path, index=False)
    found = inspect(path).found
    assert says(found, "readings.timezone") == (LONDON, "found")
    assert found.timeline is not None
    assert (found.timeline.gaps, found.verdict) == (0, "ready")


def test_an_offset_that_never_changes_is_a_fixed_clock(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(100, form="%Y-%m-%dT%H:%M:%S+01:00"), load(100))
    assert says(found, "readings.timezone") == ("Etc/GMT-1", "guessed")
    path = tmp_path / "meter.parquet"
    times = pd.date_range("2021-03-01", periods=100, freq="h", tz=dt.timezone(dt.timedelta(hours=-5)))
    pd.DataFrame({"time": times, "kWh": load(100)}).to_parquet(path, index=False)
    typed = inspect(path).found
    assert says(typed, "readings.timezone") == ("Etc/GMT+5", "guessed")
    assert typed.timeline is not None
    assert typed.timeline.first == dt.datetime(2021, 3, 1, 5)


def test_profiles_are_of_the_clock_on_the_wall(tmp_path: Path) -> None:
    times = london("2021-01-01", "2021-12-31 23:30")
    values = [10.0 + 100.0 * (time.hour == 18) for time in times]
    for text in (times.strftime("%Y-%m-%d %H:%M").to_list(), [time.isoformat() for time in times]):
        (habits,) = looked_at(tmp_path, ["time", "kWh"], text, values).habits
        assert habits.by_hour[18] == 110.0
        assert set(habits.by_hour[:18] + habits.by_hour[19:]) == {10.0}


# --- label


@pytest.mark.parametrize(
    ("start", "heading", "label", "basis"),
    [
        ("2021-03-01 00:00", "time", "start", "found"),
        ("2021-03-01 00:15", "time", "end", "found"),
        ("2021-03-01 07:00", "time", "start", "guessed"),
        ("2021-03-01 07:00", "Interval end", "end", "found"),
        ("2021-03-01 07:00", "Startzeit", "start", "found"),
    ],
)
def test_the_label_is_found_by_whole_days_or_the_heading(
    tmp_path: Path, start: str, heading: str, label: str, basis: str
) -> None:
    found = looked_at(tmp_path, [heading, "kWh"], stamps(288, 15, start), load(288))
    assert says(found, "readings.label") == (label, basis)


def test_24_o_clock_is_the_end_of_a_step(tmp_path: Path) -> None:
    times = [stamp.replace(" 00:00", " 24:00") for stamp in stamps(240, start="2021-03-01 07:00")]
    times = [stamp if "24:00" not in stamp else f"2021-03-{int(stamp[8:10]) - 1:02d} 24:00" for stamp in times]
    found = looked_at(tmp_path, ["time", "kWh"], times, load(240))
    assert says(found, "readings.label") == ("end", "found")


def test_24_minutes_past_are_no_midnight(tmp_path: Path) -> None:
    times = stamps(300, 1, "2021-03-01 17:24", form="%Y-%m-%d %H:%M:%S")
    found = looked_at(tmp_path, ["time", "kWh"], times, load(300))
    assert says(found, "readings.label") == ("start", "guessed")


def test_times_from_and_to_in_two_columns_beside_the_date(tmp_path: Path) -> None:
    days, begins, ends = (
        stamps(480, start=start, form=form)
        for start, form in (("2021-03-01", "%d.%m.%Y"), ("2021-03-01", "%H:%M"), ("2021-03-01 01:00", "%H:%M"))
    )
    found = looked_at(tmp_path, ["Datum", "von", "bis", "kWh"], days, begins, ends, load(480))
    assert says(found, "readings.time_of_day") == ("von", "found")
    assert answer(found, "readings.label").why == "'bis' holds the end of the step that begins at 'von'"


# --- quantities


@pytest.mark.parametrize(
    ("heading", "kind", "unit"),
    [
        ("kWh", ("energy", "found"), ("kWh", "found")),
        ("load [kWh]", ("energy", "found"), ("kWh", "found")),
        ("KWH/hh (per half hour)", ("energy", "found"), ("kWh", "found")),
        ("load_wh", ("energy", "found"), ("Wh", "found")),
        ("Leistung (kW)", ("power", "found"), ("kW", "found")),
        ("load [kWh/h]", ("power", "found"), ("kW", "found")),
        ("power", ("power", "guessed"), (None, "asked")),
        ("load", ("energy", "guessed"), (None, "asked")),
    ],
)
def test_kind_and_unit_are_told_by_the_heading_or_asked(
    tmp_path: Path, heading: str, kind: tuple[str, str], unit: tuple[str | None, str]
) -> None:
    found = looked_at(tmp_path, ["time", heading], stamps(240), load(240))
    assert says(found, "readings.kind") == kind
    assert says(found, "readings.unit") == unit


def test_the_unit_under_the_heading_counts(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "load"], ["YYYY-MM-DD hh:mm", *stamps(240)], ["MWh", *load(240)])
    assert says(found, "readings.unit") == ("MWh", "found")
    assert "the row of units of 'load' says MWh" in answer(found, "readings.unit").why
    assert "as a grid does" in answer(found, "readings.unit").why


def test_the_question_for_a_unit_says_what_the_magnitude_means(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "load"], stamps(241, 15), [100.0, 80.0, 120.0] * 80 + [100.0])
    assert answer(found, "readings.unit").why == (
        "which unit? Nothing in the file says it; the median step of 'load' is 400 W if Wh, 400 kW if kWh, 400 MW if "
        "MWh: a house draws 100 W to 5 kW, so Wh is likely; if it is of power, W or kW, say kind = 'power', too"
    )


def test_a_register_is_a_counter_with_its_resets_and_blips(tmp_path: Path) -> None:
    rises = np.random.default_rng(2).integers(1, 900, 400)
    register = 48_123_765 + np.cumsum(rises)
    register[300:] -= register[299]
    register[100] = 0
    found = looked_at(tmp_path, ["time", "kWh"], stamps(400), register.tolist())
    assert says(found, "readings.kind") == ("counter", "found")
    counted = found.counted["kWh"]
    assert (counted.resets, counted.blips, counted.corrections) == (1, 1, 0)
    assert "fell and began again from zero (first in row 300)" in counted.notes[0]


def test_a_few_readings_that_only_rise_are_doubtful(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(40), [100 + 3 * row for row in range(40)])
    assert answer(found, "readings.kind").asked
    assert answer(found, "readings.kind").why == (
        "counter or energy? 'kWh' never falls in 40 readings, which are too few to tell"
    )


def test_negative_readings_are_a_load_net_of_solar_or_a_guess(tmp_path: Path) -> None:
    many = [value if row % 3 else -value for row, value in enumerate(load(240))]
    assert says(looked_at(tmp_path, ["time", "kWh"], stamps(240), many), "readings.signed") == (True, "found")
    few = [*load(239), -1.5]
    found = looked_at(tmp_path, ["time", "kWh"], stamps(240), few)
    assert says(found, "readings.signed") == (True, "guessed")
    assert "1 of 240 readings of 'kWh' are negative, down to -1.5" in answer(found, "readings.signed").why


@pytest.mark.parametrize("mark", [-1, -99, -9999.0])
@pytest.mark.parametrize("rows", [1, 40])
def test_one_negative_number_that_repeats_may_mark_missing_readings(mark: float, rows: int, tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(240), [*load(240 - rows), *[mark] * rows])
    assert says(found, "readings.signed") == (True, "asked")
    assert f"{rows} of 240 readings of 'kWh' are {mark:g}" in answer(found, "readings.signed").why
    assert found.verdict == "questions"


def test_columns_that_may_be_the_steps_of_a_day_are_asked_about_as_such(tmp_path: Path) -> None:
    days = [f"2016-01-{day:02d}" for day in range(1, 29)]
    hours = [f"{hour:02d}:00" for hour in range(24)]
    why = answer(looked_at(tmp_path, ["date", *hours], days, *[load(28)] * 24), "readings.targets").why
    assert "If '00:00' to '23:00' are the steps of a day, in one row a day, write a file with one row" in why
    few = answer(looked_at(tmp_path, ["date", *hours[:12]], days, *[load(28)] * 12), "readings.targets").why
    assert "steps of a day" not in few


def test_which_of_several_loads_is_asked_and_weather_is_offered_as_features(tmp_path: Path) -> None:
    found = looked_at(
        tmp_path, ["time", "kitchen_kwh", "heat_kwh", "T_out", "RH_1"], stamps(100), *(load(100) for _ in range(4))
    )
    asked = answer(found, "readings.targets")
    assert asked.asked
    assert asked.why == (
        "which of these is to be forecast: 'kitchen_kwh', 'heat_kwh'? One or several (figures are of 'kitchen_kwh')"
    )
    assert answer(found, "readings.features").why == 'none; columns that may help: "heat_kwh", "T_out", "RH_1"'
    told = looked_at(
        tmp_path,
        ["time", "a_kwh", "T_out"],
        stamps(100),
        load(100),
        load(100)[::-1],
        targets=["a_kwh"],
        features=["T_out"],
    )
    assert says(told, "readings.targets") == (["a_kwh"], "given")
    assert says(told, "readings.features") == (["T_out"], "given")


def test_one_load_beside_weather_is_a_guess(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh", "T_out"], stamps(100), load(100), load(100)[::-1])
    assert says(found, "readings.targets") == (["kWh"], "guessed")


# --- several meters


def test_a_long_file_names_its_meters_and_asks_which(tmp_path: Path) -> None:
    rows = 100
    ids = ["MAC2"] * rows + ["MAC1"] * rows + ["<b>"] * 50
    values = load(2 * rows + 50)
    times = [*stamps(rows), *stamps(rows), *stamps(50)]
    found = looked_at(tmp_path, ["LCLid", "time", "kWh"], ids, times, values)
    assert found.meters.column == "LCLid"
    assert found.meters.rows == {"MAC2": 100, "MAC1": 100, "<b>": 50}
    asked = answer(found, "readings.meter")
    assert asked.asked
    assert asked.why == (
        "which meter? Column 'LCLid' names 3: 'MAC2', 'MAC1', '<b>'. Write such as { column = 'LCLid', is = 'MAC2' } "
        "(figures are of 'MAC2')"
    )
    assert found.timeline is not None
    assert (found.timeline.stamps, found.timeline.duplicates) == (100, 0)
    told = looked_at(tmp_path, ["LCLid", "time", "kWh"], ids, times, values, meter={"column": "LCLid", "is": "<b>"})
    assert told.timeline is not None
    assert (told.timeline.stamps, told.verdict) == (50, "ready")


def test_meters_may_be_numbers(tmp_path: Path) -> None:
    ids, times = [1001] * 60 + [1002] * 60, [*stamps(60), *stamps(60)]
    found = looked_at(tmp_path, ["meter", "time", "kWh"], ids, times, load(120))
    assert found.meters.rows == {"1001": 60, "1002": 60}
    assert says(found, "readings.targets") == (["kWh"], "found")


def test_what_is_given_and_not_there_is_asked_about(tmp_path: Path) -> None:
    ids, times = ["a"] * 60 + ["b"] * 60, [*stamps(60), *stamps(60)]
    columns = (["id", "time", "load"], ids, times, load(120))
    for said, option, why in (
        ({"timestamp": "tme"}, "readings.timestamp", "column 'tme' is missing: did you mean 'time'?"),
        ({"targets": "laod"}, "readings.targets", "column 'laod' is missing: did you mean 'load'?"),
        (
            {"meter": {"column": "id", "is": "c"}},
            "readings.meter",
            "which meter? Column 'id' has no meter 'c'; it has 'a', 'b'",
        ),
        (
            {"meter": {"column": "ids", "is": "a"}},
            "readings.meter",
            "which meter? Column 'ids', which says the meter, is missing: did you mean 'id'?",
        ),
    ):
        found = looked_at(tmp_path, *columns, **said)
        assert (answer(found, option).asked, answer(found, option).why) == (True, why)


# --- habits


def test_stuck_readings_are_told_with_their_share(tmp_path: Path) -> None:
    values = load(200)
    values[100:120] = [77.7] * 20
    (habits,) = looked_at(tmp_path, ["time", "kWh"], stamps(200), values).habits
    assert habits.flat_share == 0.1
    longest = habits.runs[0]
    assert (longest.value, longest.readings) == (77.7, 20)
    assert (longest.begin, longest.end) == (dt.datetime(2021, 3, 5, 4), dt.datetime(2021, 3, 5, 23))


def test_the_day_the_week_and_correlations(tmp_path: Path) -> None:
    moments = pd.date_range("2021-03-01", periods=24 * 28, freq="h")
    values = [10.0 * moment.hour + 1000.0 * (moment.day_of_week >= 5) for moment in moments]
    (habits,) = looked_at(tmp_path, ["time", "kWh"], moments.astype(str).to_list(), values).habits
    assert habits.by_hour == pytest.approx([10.0 * hour + 2000 / 7 for hour in range(24)])
    assert habits.by_weekday == pytest.approx([115.0] * 5 + [1115.0] * 2)
    assert set(habits.correlation) == {"a step", "a day", "a week"}
    assert habits.correlation["a week"] == pytest.approx(1.0)
    assert habits.correlation["a day"] == pytest.approx(pd.Series(values).autocorr(24))
    assert habits.correlation["a step"] == pytest.approx(pd.Series(values).autocorr(1))


def test_habits_of_a_counter_are_those_of_its_energy(tmp_path: Path) -> None:
    energy = [1 + row % 24 for row in range(24 * 14)]
    (habits,) = looked_at(tmp_path, ["time", "kWh"], stamps(24 * 14), np.cumsum(energy).tolist()).habits
    assert habits.by_hour == pytest.approx([1.0 + hour for hour in range(24)])


# --- other files


def test_a_workbook_is_inspected(tmp_path: Path) -> None:
    path = tmp_path / "meter.xlsx"
    rows = [["time", "load [kWh]"], *([Moment(44256 + row / 24), value] for row, value in enumerate(load(72)))]
    path.write_bytes(workbook({"data": rows}))
    found = inspect(path).found
    assert says(found, "file.table") == ("data", "found")
    assert says(found, "readings.unit") == ("kWh", "found")
    assert found.timeline is not None
    assert (found.timeline.first, found.timeline.step) == (dt.datetime(2021, 3, 1), "1 hour")


def test_what_cannot_be_read_is_refused_as_the_reader_does(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"c{at}" for at in range(100_000)) + "\n" + ",".join("1" * 100_000) + "\n")
    with pytest.raises(InputError, match="the file holds 100,000 columns, at most 10,000 are read"):
        inspect(wide)
    nested = tmp_path / "nested.parquet"
    pq.write_table(pa.table({"time": [1, 2], "readings": [[1.0], [2.0]]}), nested)
    with pytest.raises(
        InputError, match="columns must hold numbers, text, moments or true and false, received 'readings'"
    ):
        inspect(nested)
    bomb = tmp_path / "bomb.csv.gz"
    bomb.write_bytes(gzipped(b"0" * 2**22))
    with pytest.raises(InputError, match="longer than 1,048,576 bytes"):
        inspect(bomb)
    doubt = written(tmp_path, [["a", '"b"'], *([at, f'"{at % 9 + 1},234"'] for at in range(50))], "doubt.csv")
    with pytest.raises(InputError, match=r"file\.decimal"):
        inspect(doubt)
    with pytest.raises(InputError, match="No such file"):
        inspect(tmp_path / "nosuch.csv")


def test_an_ending_that_no_training_takes_is_asked_about(tmp_path: Path) -> None:
    path = written(tmp_path, [["time", "kWh"], *zip(stamps(50), load(50), strict=True)], "meter.dat")
    found = inspect(path).found
    assert answer(found, "data").why == (
        "rename 'meter.dat' to end in one of .csv, .txt, .tsv, .gz, .zip, .parquet, .xlsx"
    )


def test_one_row_and_no_reading_are_no_traceback(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], ["2021-03-01 00:00"], [1.5])
    assert found.verdict == "questions"
    found = looked_at(tmp_path, ["time", "kWh"], stamps(20), ["n/a"] * 20)
    assert answer(found, "readings.targets").why == "which column is to be forecast? No column holds numbers that vary"


def test_everything_is_plain_json(tmp_path: Path) -> None:
    found = looked_at(tmp_path, ["time", "kWh"], stamps(5), [1.0, 2.0, 1.5, 1.0, 2.5])
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["headline"] == found.headline
    assert told["verdict"] == found.verdict
    assert told["timeline"]["first"] == "2021-03-01 00:00:00"
    assert told["habits"][0]["by_hour"][10] is None
    assert math.isnan(found.habits[0].by_hour[10])
