"""The chronological split, by fractions and by dates."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wattcast.model.errors import InputError
from wattcast.model.split import Split, SplitConfig, rows_until, split_rows


def ten_minutes(rows: int, start: str = "2016-01-11 17:00") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=rows, freq="10min")


def test_protocol_rows_and_dates_of_the_uci_house():
    times = ten_minutes(19_735)
    parts = split_rows(times, SplitConfig())
    assert parts == Split(range(11_841), range(11_841, 15_788), range(15_788, 19_735))
    assert times[parts.validation.start] == pd.Timestamp("2016-04-02 22:30")
    assert times[parts.test.start] == pd.Timestamp("2016-04-30 08:20")


def test_dates_give_the_same_parts_as_the_fractions_they_stand_for():
    config = SplitConfig(validation_from="2016-04-02 22:30", test_from="2016-04-30 08:20")
    times = ten_minutes(19_735)
    assert split_rows(times, config) == split_rows(times, SplitConfig())


def test_a_date_between_two_readings_starts_the_part_at_the_later_one():
    config = SplitConfig(validation_from="2016-01-11 17:25", test_from="2016-01-11 17:40")
    assert split_rows(ten_minutes(6), config) == Split(range(3), range(3, 4), range(4, 6))


def test_a_date_within_a_gap_starts_the_part_behind_the_gap():
    times = ten_minutes(10).delete([4, 5, 6])  # 17:40, 17:50 and 18:00 are missing
    config = SplitConfig(validation_from="2016-01-11 17:50", test_from="2016-01-11 18:20")
    assert split_rows(times, config) == Split(range(4), range(4, 5), range(5, 7))


@pytest.mark.parametrize(
    ("rows", "train", "validation", "starts"),
    [
        (3, 0.6, 0.2, (1, 2)),
        (10, 0.6, 0.2, (6, 8)),
        (10, 0.7, 0.1, (7, 8)),
        (1000, 0.29, 0.28, (290, 570)),
        (7, 0.6, 0.2, (4, 5)),
    ],
)
def test_fractions_by_hand(rows, train, validation, starts):
    """0.6 + 0.2 and 0.29 * 1000 fall a hair below 0.8 and 290 in binary."""
    parts = split_rows(ten_minutes(rows), SplitConfig(train=train, validation=validation))
    assert (parts.validation.start, parts.test.start) == starts


@given(st.integers(1, 3000), st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_parts_follow_each_other_without_a_hole(rows, train, validation):
    times = ten_minutes(rows)
    try:
        config = SplitConfig(train=train, validation=validation)
        parts = split_rows(times, config)
    except ValueError:
        # refused: no row is left for some part
        assert min(int(rows * train), int(rows * validation), int(rows * (1 - train - validation))) < 2
        return
    assert [*parts.train, *parts.validation, *parts.test] == list(range(rows))
    assert all(len(part) > 0 for _, part in parts.items())
    assert abs(len(parts.train) - rows * train) <= 1
    assert abs(len(parts.validation) - rows * validation) <= 1 + 1e-3


@pytest.mark.parametrize(
    ("rows", "config", "ranges"),
    [
        (0, {}, r"test \[0, 0\) of no row"),
        (
            2,
            {},
            r"train \[0, 1\), validation \[1, 1\), test \[1, 2\) of 2 rows from 2016-01-11 17:00",
        ),
        (9, {"validation_from": "2016-01-11 17:00", "test_from": "2016-01-11 17:30"}, r"train \[0, 0\)"),
        (9, {"validation_from": "2016-01-11 17:30", "test_from": "2017-01-01"}, r"test \[9, 9\)"),
    ],
)
def test_an_empty_part_is_refused_with_the_rows_of_all_parts(rows, config, ranges):
    with pytest.raises(InputError, match=rf"leaves a part empty.*{ranges}.*choose other fractions or dates"):
        split_rows(ten_minutes(rows), SplitConfig(**config))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0.8, "validation": 0.2}, r"must leave rows for the test part, received 0\.8 \+ 0\.2"),
        ({"validation_from": "2016-04-01"}, "go together, received only one"),
        ({"test_from": "2016-04-01"}, "go together, received only one"),
        (
            {"validation_from": "2016-04-02", "test_from": "2016-04-02"},
            "must lie before test_from, received 2016-04-02",
        ),
        ({"train": 0}, "train"),
        ({"validation": 1}, "validation"),
        ({"test": 0.2}, "test"),
    ],
)
def test_config_names_what_is_wrong(options, message):
    with pytest.raises(ValidationError, match=message):
        SplitConfig(**options)


@pytest.mark.parametrize("test_from", ["2016-05-01T00:00:00Z", "2016-05-01T00:00:00"])
def test_a_date_with_a_time_zone_is_refused_by_name(test_from):
    """The readings' clock has none, so the two cannot be compared."""
    with pytest.raises(ValidationError, match="validation_from"):
        SplitConfig(validation_from="2016-04-30T08:20:00Z", test_from=test_from)


def test_map_and_items_keep_the_parts_in_place():
    parts = Split(1, 2, 3)
    assert parts.map(lambda part: part * 10) == Split(train=10, validation=20, test=30)
    assert parts.items() == (("train", 1), ("validation", 2), ("test", 3))


@pytest.mark.parametrize(
    ("until", "rows"),
    [
        ("2016-01-11 17:00", 1),
        ("2016-01-11 17:30", 4),
        ("2016-01-11 17:39:59", 4),
        ("2016-01-11 18:30", 10),
        (None, 10),
    ],
)
def test_the_data_ends_with_the_last_reading_up_to_a_date(until, rows):
    assert rows_until(ten_minutes(10), SplitConfig(until=until)) == rows


def test_a_date_within_a_gap_ends_the_data_before_the_gap():
    times = ten_minutes(10).delete([4, 5, 6])  # 17:40, 17:50 and 18:00
    assert rows_until(times, SplitConfig(until="2016-01-11 17:50")) == 4


def test_what_comes_after_the_date_is_as_if_it_had_never_been():
    config = SplitConfig(until="2016-01-11 18:30")
    assert split_rows(ten_minutes(40), config) == split_rows(ten_minutes(10), SplitConfig())


@pytest.mark.parametrize("until", ["2016-01-11 16:59:59", "2016-01-11 18:30:01", "2017-01-01"])
def test_an_end_outside_the_data_is_refused_with_the_data_s_own(until):
    words = f"split.until must lie within the data, from 2016-01-11 17:00:00 to 2016-01-11 18:30:00, received {until}"
    with pytest.raises(InputError, match=words):
        split_rows(ten_minutes(10), SplitConfig(until=until))


def test_an_end_before_the_test_part_is_refused():
    dates = {"validation_from": "2016-04-01", "test_from": "2016-04-02"}
    with pytest.raises(ValidationError, match="until must not lie before test_from, received 2016-04-01 23:50"):
        SplitConfig(**dates, until="2016-04-01 23:50")
    assert SplitConfig(**dates, until="2016-04-02").until == pd.Timestamp("2016-04-02")


def test_an_end_with_a_time_zone_is_refused_by_name():
    with pytest.raises(ValidationError, match="until"):
        SplitConfig(until="2016-04-30T08:20:00Z")
