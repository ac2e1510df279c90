"""Cells of a file: numbers, missing readings and faults, and nothing that is guessed."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wattcast.model.cells import LONGEST_SHOWN, MISSING_MARKS, read_numbers, shown
from wattcast.model.errors import InputError

NAN = np.nan


def column(*cells: object, dtype: object = object) -> pd.Series:
    return pd.Series(list(cells), dtype=dtype, name="wh")


def read(*cells: object, **signs: str) -> list[float]:
    numbers = read_numbers(column(*cells), **signs)
    assert numbers.faults == ()
    assert numbers.array.dtype == np.float64
    return numbers.array.tolist()


def fault(*cells: object, **signs: str) -> str:
    (only,) = read_numbers(column(*cells), **signs).faults
    return only


# Numbers


def test_texts_and_numbers_of_every_kind_are_read():
    cells = ("1", " 2.5 ", "-3e2", "+.5", 5, 6.5, np.float32(0.25), np.int16(-8), Decimal("9.75"), "0007", "8.")
    assert read(*cells) == [1, 2.5, -300, 0.5, 5, 6.5, 0.25, -8, 9.75, 7, 8]


@pytest.mark.parametrize(
    "dtype", ["int16", "uint64", "float32", "float64", "Int64", "Float64", "str", "object", "category"]
)
def test_every_type_of_column_is_read(dtype):
    given_column = pd.Series([1, 2, 30], name="wh").astype(dtype)
    np.testing.assert_array_equal(read_numbers(given_column).array, [1, 2, 30])


@pytest.mark.parametrize("type_name", ["decimal128(9, 2)", "double", "int32", "string"])
def test_columns_of_parquet_are_read(type_name):
    pa = pytest.importorskip("pyarrow")
    types = {
        "decimal128(9, 2)": pa.decimal128(9, 2),
        "double": pa.float64(),
        "int32": pa.int32(),
        "string": pa.string(),
    }
    values = [Decimal(1), None, Decimal(30)] if "decimal" in type_name else [1, None, 30]
    values = ["1", None, "30"] if type_name == "string" else values
    given_column = pd.Series(pd.array(values, dtype=pd.ArrowDtype(types[type_name])), name="wh")
    numbers = read_numbers(given_column)
    np.testing.assert_array_equal(numbers.array, [1, NAN, 30])
    assert numbers.faults == ()


def test_signs_of_other_countries():
    assert read("1,5", "-0,25", "?", decimal=",") == [1.5, -0.25, pytest.approx(NAN, nan_ok=True)]
    assert read("1.234,5", "1.234.567", "12", "999,25", decimal=",", thousands=".") == [1234.5, 1234567, 12, 999.25]
    assert read("1,234.5", "12,34,567", "7", thousands=",") == [1234.5, 1234567, 7]
    assert read(" 1 234,5 ", "-1 234 567", decimal=",", thousands=" ") == [1234.5, -1234567]
    assert read("1\u00a0234,5", decimal=",", thousands="\u00a0") == [1234.5]
    assert read("1'234.5", "12", thousands="'") == [1234.5, 12]
    for sign in "'\u2019":
        assert read("1\u2019234.5", "1'234", "-\u0032", "\u22122.5", thousands=sign) == [1234.5, 1234, -2, -2.5]


@pytest.mark.parametrize(
    ("cell", "signs"),
    [
        ("1,5", {}),
        ("1,234", {}),
        ("1.5", {"decimal": ","}),
        ("12,5", {"thousands": ","}),
        ("1,2345", {"thousands": ","}),
        ("1234,567", {"thousands": ","}),
        (",567", {"thousands": ","}),
        ("1,234,", {"thousands": ","}),
        ("1,,234", {"thousands": ","}),
        ("1.5,234", {"thousands": ","}),
        ("1.5", {"decimal": ",", "thousands": "."}),
        ("1 5", {"thousands": " "}),
        ("1\0" + "5", {"decimal": ","}),
        ("1_000", {}),
        ("١٢", {}),
        ("0x10", {}),
        ("5 kWh", {}),
        ("5%", {}),
        ("1 2", {}),
        ("--5", {}),
        ("True", {}),
        ("false", {}),
        ("n.a.", {}),
        ("-nan", {}),
        (".", {}),
        ("1d5", {}),
        ("12:30", {}),
        ("2016-01-01", {}),
    ],
)
def test_what_is_no_number_of_these_signs_is_a_fault(cell, signs):
    numbers = read_numbers(column("1", "?", cell, "3"), **signs)
    np.testing.assert_array_equal(numbers.array, [1, NAN, NAN, 3])
    assert len(numbers.faults) == 1
    assert "1 of 4 values are not, first " in numbers.faults[0]
    assert "in row 2" in numbers.faults[0]


# Missing readings


def test_each_mark_in_any_case_and_every_null_is_a_missing_reading():
    marks = [written for mark in MISSING_MARKS for written in (mark, mark.upper(), f" {mark.title()}\t")]
    nothing = (None, np.nan, pd.NA, pd.NaT, float("nan"), Decimal("NaN"), Decimal("sNaN"), np.float32("nan"))
    assert np.isnan(read(*marks, *nothing, "Null ", "#N/A", "N/E")).all()
    assert np.isnan(read(*marks, decimal=",", thousands=".")).all()


@pytest.mark.parametrize("dtype", ["str", "object", "float64", "Int64", "boolean", "datetime64[ns]", "timedelta64[ns]"])
def test_a_column_without_one_reading(dtype):
    for cells in ([], [None, None]):
        numbers = read_numbers(pd.Series(cells, dtype=dtype, name="wh"))
        assert len(numbers.array) == len(cells)
        assert np.isnan(numbers.array).all()
        assert numbers.faults == ()


# Faults


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        ((1, True), "True"),
        ((1, np.False_), "False"),
        ((1, datetime.date(2016, 1, 31)), "datetime.date(2016, 1, 31)"),
        ((1, pd.Timestamp("2016")), "Timestamp('2016-01-01 00:00:00')"),
        ((1, datetime.timedelta(hours=1)), "datetime.timedelta(seconds=3600)"),
        ((1, 1j), "1j"),
        ((1, [1]), "[1]"),
        ((1, b"1"), "b'1'"),
        ((1, np.inf), "inf"),
        ((1, "-inf"), "'-inf'"),
        ((1, "Infinity"), "'Infinity'"),
        ((1, "1e999"), "'1e999'"),
        ((1, Decimal("1e999")), "Decimal('1E+999')"),
    ],
)
def test_what_is_no_finite_number_is_a_fault(cells, first):
    assert fault(*cells) == (f"column 'wh' must hold finite numbers, 1 of 2 values are not, first {first} in row 1")
    np.testing.assert_array_equal(read_numbers(column(*cells)).array, [1, NAN])


def test_a_whole_number_beyond_every_float_is_a_fault():
    assert "first 1000" in fault(1, 10**400)


@pytest.mark.parametrize(
    ("given_column", "first"),
    [
        (pd.Series([True, False]), "True"),
        (pd.Series([True, None], dtype="boolean"), "True"),
        (pd.Series(pd.to_datetime(["2016", "2017"])), "Timestamp('2016-01-01 00:00:00')"),
        (pd.Series(pd.to_timedelta([1, 2], unit="h")), "Timedelta('0 days 01:00:00')"),
        (pd.Series([1j, 2j]), "1j"),
        (pd.Series(pd.period_range("2016", periods=2, freq="M")), "Period('2016-01', 'M')"),
    ],
)
def test_columns_of_other_things_than_numbers_are_faults(given_column, first):
    numbers = read_numbers(given_column.rename("wh"))
    count = int(given_column.notna().sum())
    assert numbers.faults == (
        f"column 'wh' must hold finite numbers, {count} of 2 values are not, first {first} in row 0",
    )
    assert np.isnan(numbers.array).all()


def test_a_fault_counts_and_shows_the_first_cell_cut_short():
    assert fault("1", "much", "4", "more") == (
        "column 'wh' must hold finite numbers, 2 of 4 values are not, first 'much' in row 1"
    )
    long = fault("x" * 1_000_000)
    assert f"first '{'x' * (LONGEST_SHOWN - 4)}... in row 0" in long
    assert len(shown([1] * 1000)) == LONGEST_SHOWN


def test_a_fault_of_signs_says_with_which_signs_numbers_were_read():
    assert fault("1,5").endswith("; numbers were read with the decimal sign '.' and no thousands sign")
    assert fault("1.5", decimal=",", thousands=" ").endswith("the decimal sign ',' and the thousands sign ' '")


@pytest.mark.parametrize(
    "signs",
    [
        {"decimal": ";"},
        {"decimal": ""},
        {"thousands": "."},
        {"thousands": "5"},
        {"thousands": "-"},
        {"thousands": ",,"},
    ],
)
def test_signs_that_cannot_stand_in_a_number_are_refused(signs):
    with pytest.raises(InputError, match=r"the (decimal|thousands) sign must be"):
        read_numbers(column("1"), **signs)


def test_what_is_given_is_not_changed():
    given_column = column("1", None, "x", 4)
    before = given_column.copy(deep=True)
    numbers = read_numbers(given_column)
    numbers.array[:] = -1
    pd.testing.assert_series_equal(given_column, before)


# Whatever is written


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE))
def test_what_python_writes_is_read_to_the_last_bit(numbers):
    assert read(*map(repr, numbers)) == numbers
    assert read_numbers(column(*map(repr, numbers), dtype="str")).array.tolist() == numbers


@given(
    st.lists(st.one_of(st.decimals(-(10**12), 10**12, places=2), st.none()), min_size=1),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u202f"), (",", ""), (".", "")]),
)
def test_numbers_written_in_any_dialect_are_read_back(numbers, signs):
    decimal, thousands = signs
    swap = str.maketrans({",": thousands, ".": decimal})
    texts = ["?" if number is None else f"{number:,.2f}".translate(swap) for number in numbers]
    want = [NAN if number is None else float(number) for number in numbers]
    np.testing.assert_array_equal(read(*texts, decimal=decimal, thousands=thousands), want)


@given(st.lists(st.one_of(st.text(), st.from_regex(r"[-+0-9.,eE_ nai?]{1,8}", fullmatch=True))))
@example(["18446744073709551615", "-1"])
@example(["9" * 400])
def test_text_is_read_as_python_reads_it_or_not_at_all(texts):
    """Python takes more: underscores, digits of other scripts. Never is another number read."""
    numbers = read_numbers(column(*texts))
    for text, number in zip(texts, numbers.array.tolist(), strict=True):
        if np.isfinite(number):
            assert float(text) == number
        elif text.strip().lower() not in MISSING_MARKS:
            assert numbers.faults
