"""Files as meters, utilities and grids write them: read as written, or asked about."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import itertools
import tracemalloc
import zipfile
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dialects import ENCODINGS, NUMERALS, SEPARATORS, Moment, Writer, cells_of, gzipped, workbook, write_dialect, zipped
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wattcast.model.errors import InputError
from wattcast.tasks.data import memory as memory_module
from wattcast.tasks.data import table as table_module
from wattcast.tasks.data.dialect import Dialect, find_dialect
from wattcast.tasks.data.layout import COLUMNS_CAP
from wattcast.tasks.data.numerals import find_numerals, to_numbers
from wattcast.tasks.data.simulate import simulate
from wattcast.tasks.data.table import Table, read_table, read_table_file

ANY = Dialect()
LITTLE = Dialect(most_mib=1)
NAMES = ("Zeit", "Wärme", "T [°C]")
STAMPS = [f"{day:02d}.03.2021 {hour:02d}:00" for day in range(1, 5) for hour in range(24)]
LOADS = [round(7.25 * row, 2) + 1000 * (row % 5 == 0) for row in range(96)]
DEGREES = [None if row % 7 == 3 else round(1.5 * row - 20, 1) for row in range(96)]


def read(content, given=ANY, name="meter.csv"):
    return read_table(content.encode() if isinstance(content, str) else content, name, given)


def rows_of(table: Table):
    return table.frame.to_numpy().tolist()


def arrow(*cells):
    return pa.chunked_array([pa.array(cells, pa.large_string())])


# --- every dialect


def writers():
    before = ((), ("Export",), ("Zaehler;DE0001", "", "von 01.03.2021"))
    yield from (
        Writer(separator, decimal, thousands, encoding)
        for separator, (decimal, thousands), encoding in itertools.product(SEPARATORS, NUMERALS, ENCODINGS)
    )
    yield from (
        Writer(separator, ",", before=lines, heading=heading, units=units, total=total, trailing=trailing)
        for separator, lines, heading, units, total, trailing in itertools.product(
            SEPARATORS, before, (True, False), ((), ("", "kWh", "°C")), (True, False), ("", "rows", "all")
        )
    )
    yield from (
        Writer(separator, quote=quote, quote_all=quote_all, spaced=spaced, line_end=end, last_line_ends=last)
        for separator, quote, quote_all, spaced, end, last in itertools.product(
            SEPARATORS, "\"'", (True, False), (True, False), ("\n", "\r\n", "\r"), (True, False)
        )
    )


def test_every_dialect_is_read_as_it_was_written_or_asked_about():
    asked = 0
    for writer in writers():
        rows = cells_of(writer, STAMPS, (LOADS, DEGREES), 2)
        content = write_dialect(writer, NAMES, rows, ("Summe", "1", ""))
        try:
            table = read(content)
        except InputError as fault:
            if "file.heading = false" not in str(fault) or writer.heading or not writer.before:
                raise
            asked += 1
            continue
        assert strip(rows_of(table), writer) == rows, writer
        assert list(table.frame) == (list(NAMES) if writer.heading else ["column 1", "column 2", "column 3"]), writer
        numbers = [to_numbers(arrow(*table.frame[name]), *signs_of(table)) for name in list(table.frame)[1:]]
        np.testing.assert_allclose(numbers[0], LOADS)
        np.testing.assert_allclose(numbers[1], np.array(DEGREES, float))
        if writer.units and writer.heading:
            assert table.units == {"Wärme": "kWh", "T [°C]": "°C"}
    assert asked == 96


def strip(rows, writer):
    """A space after a separator is the cell's, where the cell is not quoted."""
    return [[cell.strip(" ") for cell in row] for row in rows] if writer.spaced else rows


def signs_of(table):
    dialect = table.found.dialect
    return dialect.decimal, dialect.thousands


text = st.text(st.characters(codec="cp1252", exclude_categories=("Cc", "Zs")), min_size=1, max_size=6)
numbers = st.one_of(st.none(), st.floats(-1e7, 1e7), st.sampled_from([0.0, 1.0, 1234.0, 1000000.0]))
signs = st.sampled_from(NUMERALS)
writer_strategy = st.builds(
    Writer,
    separator=st.sampled_from(SEPARATORS),
    encoding=st.sampled_from(ENCODINGS),
    quote=st.sampled_from("\"'"),
    quote_all=st.booleans(),
    spaced=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    before=st.lists(text, max_size=3).map(tuple),
    heading=st.booleans(),
    units=st.sampled_from([(), ("", "kWh", "°C", "")]),
    total=st.booleans(),
    trailing=st.sampled_from(["", "rows", "all"]),
    last_line_ends=st.booleans(),
)


@settings(deadline=None, max_examples=300)
@given(
    st.builds(lambda writer, signs: replace(writer, decimal=signs[0], thousands=signs[1]), writer_strategy, signs),
    st.lists(st.tuples(numbers, numbers, st.one_of(st.just(""), text)), min_size=1, max_size=12),
    st.integers(0, 3),
    st.lists(text, min_size=3, max_size=3, unique=True),
    st.sampled_from(["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%d/%m/%Y", "%d-%b-%y %H:%M"]),
)
def test_any_frame_in_any_dialect_is_read_as_it_was_written_or_asked_about(writer, rows, decimals, names, form):
    """The same cells and the same numbers, or an error: never another frame."""
    stamps = pd.date_range("2021-03-01", periods=len(rows), freq="h").strftime(form)
    one, two, notes = zip(*rows, strict=True)
    cells = [[*line, note] for line, note in zip(cells_of(writer, stamps, (one, two), decimals), notes, strict=True)]
    assume(not any(any(mark in name for mark in "\"'") for name in (*names, *notes, *writer.before)))
    try:
        content = write_dialect(writer, ["time", *names], cells, ["Total", "1", "", ""])
    except UnicodeEncodeError:
        assume(False)
    if writer.encoding == "cp1252" and not content.isascii():  # letters that are other letters in UTF-8: nothing tells
        with contextlib.suppress(UnicodeDecodeError):
            assume(not content.decode("utf-8"))
    try:
        table = read(content)
    except InputError:
        return
    while not writer.heading and not any(row[-1] for row in cells):  # nor name nor content
        cells = [row[:-1] for row in cells]
    assert rows_of(table) == cells or strip(rows_of(table), writer) == strip(cells, writer)
    if writer.heading:
        assert list(table.frame) == ["time", *names]
    for name, wanted in zip(list(table.frame)[1:3], (one, two), strict=False):
        got = to_numbers(arrow(*table.frame[name]), *signs_of(table))
        expected = np.array([np.nan if value is None else round(value, decimals) for value in wanted], float)
        np.testing.assert_allclose(got, expected, atol=0.5 * 10.0**-decimals + 1e-9, rtol=1e-12)


def test_a_first_row_may_lack_one_of_several_time_stamps():
    """Measured rows need none of what says when a forecast of the weather was issued."""
    revised = "time,load,outdoor,issued\n{0}-01,1,,\n{0}-01,,7.5,{0}-01\n{0}-02,2,,\n{0}-02,,6.9,{0}-01\n"
    table = read(revised.format("2021-03"))
    assert (list(table.frame), len(table.frame)) == (["time", "load", "outdoor", "issued"], 4)


@settings(deadline=None, max_examples=300)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b\x08\0", b"PAR1", b"\xff\xfe", b"a;b\n1;2\n"])
)
def test_any_bytes_give_a_table_or_one_error(tail, head):
    with contextlib.suppress(InputError):
        assert isinstance(read(head + tail), Table)


# --- what is asked


@pytest.mark.parametrize(
    ("cells", "given", "value"),
    [
        (("1,234", "5,678"), {"decimal": ","}, 1.234),
        (("1,234", "5,678"), {"decimal": "."}, 1234.0),
        (("1.234", "-5.678"), {"decimal": "."}, 1.234),
        (("1.234", "5.678"), {"thousands": "."}, 1234.0),
        (("1.234", "5.678"), {"thousands": ""}, 1.234),
    ],
)
def test_numbers_that_fit_two_readings_are_asked_about(cells, given, value):
    content = "time;load\n" + "".join(f"2021-03-0{day};{cell}\n" for day, cell in enumerate(cells, 1))
    with pytest.raises(InputError, match=r"column 'load' can be read in two ways: '1[.,]234' is .*file\.decimal = "):
        read(content)
    table = read(content, Dialect(**given))
    assert to_numbers(arrow(*table.frame["load"]), *signs_of(table))[0] == value


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"a": ("1,234", "2,5")}, (",", "")),
        ({"a": ("1.234", "0.500")}, (".", "")),
        ({"a": ("1,234", "2,345"), "b": ("1.5", "2")}, (".", ",")),
        ({"a": ("1.234", "2.345"), "b": ("1,5", "nan")}, (",", ".")),
        ({"a": ("1 234", "2 345,5")}, (",", " ")),
        ({"a": ("1'234.5", "?")}, (".", "'")),
        ({"a": ("1\u2019234.5", "\u22122")}, (".", "'")),
        ({"a": ("1.234.567", "1")}, (",", ".")),
        ({"a": ("12", "13"), "b": ("2021-03-01", "2021-03-02")}, (".", "")),
        ({"a": ("01.03.2021", "02.03.2021"), "b": ("1,5", "2,5")}, (",", "")),
        ({"a": ("1.5e3", "-2E-4", "+7", ".5")}, (".", "")),
    ],
)
def test_signs_are_found_over_whole_columns(columns, found):
    numerals = find_numerals({name: arrow(*cells) for name, cells in columns.items()}, None, None)
    assert (numerals.decimal, numerals.thousands) == found


def test_the_signs_of_a_typesetter_are_those_of_a_keyboard():
    cells = arrow("1\u2019234,5", "\u221212", "+3", "4\u2212", "\u22121\u20195,2")
    np.testing.assert_array_equal(to_numbers(cells, ",", "'"), [1234.5, -12, 3, np.nan, np.nan])


@pytest.mark.parametrize("columns", [{"a": ("1,5", "1.5")}, {"a": ("1,5", "2"), "b": ("1.5", "2")}])
def test_numbers_written_in_two_ways_are_refused(columns):
    columns = {name: arrow(*cells) for name, cells in columns.items()}
    with pytest.raises(InputError, match=r"more than one way: column 'a' holds '1[.,]5'.*'1[.,]5'"):
        find_numerals(columns, None, None)
    assert find_numerals(columns, ",", None).decimal == ","


def test_one_number_late_in_a_long_column_decides():
    cells = ["1,234"] * 9000 + ["1,2"]
    numerals = find_numerals({"a": arrow(*cells)}, None, None)
    assert (numerals.decimal, numerals.thousands) == (",", "")
    assert numerals.decimal_evidence == (
        "decimal sign ',': all 9,001 numbers of column 'a' fit it and no other reading"
    )


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        ("MTU,Area,Load (MW)\n01/03/2021 00:00,BZN|DE-LU,5\n01/03/2021 01:00,BZN|DE-LU,6\n", ","),
        ("Start;Usage\nMar 3, 2021 1:00 AM;5\nMar 3, 2021 2:00 AM;6\n", ";"),
    ],
)
def test_a_separator_that_parts_the_heading_wins_over_one_that_stands_in_cells_alone(content, separator):
    table = read(content)
    assert table.found.dialect.separator == separator
    assert len(table.frame) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no rows: it is empty"),
        ("  \n\n", "holds no rows: it is empty"),
        ("time;kWh\n", r"no column holds numbers or time stamps"),
        ("no table\nat all\n", r"no line is parted by"),
        (
            "time,kWh\n2021-03-01 00:00,1,5\n2021-03-01 01:00,2,5\n",
            "the heading names 2 columns.*rows have 3|cannot be told",
        ),
        ("time;kWh;kWh\n2021-03-01;1;2\n2021-03-02;1;2\n", "2 columns are named 'kWh': columns 2 and 3"),
        ("time;\x1b[2Jload\n2021-03-01;1\n2021-03-02;2\n", r"name of column 2 holds signs .*, '.x1b\[2Jload': rename"),
        ("time;\u202eload\n2021-03-01;1\n2021-03-02;2\n", r"name of column 2 holds signs .*, '.u202eload': rename"),
        ("a,b,b,b\n1,2,3,4\n2,2,3,4\n", "3 columns are named 'b': columns 2, 3 and 4"),
        ("a;b\n1;2\n3;4;5\n6;7\n", "a row has 3 fields where the others have 2: '3;4;5'"),
        ("a;b\n1;2\n3;4\n6", "the last line has 1 of 2 fields: '6'.*file.drop_rows = 1"),
        ("t;b\n2021-03-01;2\n2021-03-02;4\n;8\n", "a last row has no time stamp, and is no sum.*file.drop_rows = 1"),
        ("time;a|b\n2021;1|2\n2022;1|2\n", "the separator cannot be told.*file.separator"),
        ("0;\n2021-03-01,,,;\n", "the separator cannot be told.*file.separator"),
        ("'a',\"b\"\n'1',\"2\"\n", "cells are quoted in two ways"),
        ("t,0,1\n2021-03-01,5,6\n2021-03-02,5,6\n", "half a heading and half data.*file.heading"),
        ('a;b\n1;"2\n3;4\n', "never closed"),
        ("t;b\0\n1;2\n", "holds NUL bytes"),
        (b"\xd0\xcf\x11\xe0abc", "Excel file of the old kind"),
        (
            "<!DOCTYPE html>\n<html>please, log in; or register</html>\n",
            "a web page.*not a table: save the readings as CSV",
        ),
        ('[{"time": "2021-03-01", "kWh": 3}]', "it is JSON, not a table"),
        ('\ufeff<?xml version="1.0"?><feed>1,2;3</feed>', "it is XML, not a table"),
        (b"%PDF-1.4\n%\xe2\xe3\n1 0 obj", "it is a PDF, not a table"),
        ("Zähler;kWh\n1;2\n".encode("cp850"), "letters .*file.encoding"),
        ("måler;kWh\n1;2\n".encode("cp1252"), "'måler' in cp1252, or 'mĺler' in cp1250"),
        ("Время;Энергия\n1;2\n".encode("cp1251"), "'Время' in cp1251.*file.encoding"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_way_out(content, message):
    with pytest.raises(InputError, match=rf"(?s)^'meter.csv' cannot be read: .*(?:{message})"):
        read(content)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"encoding": "nosuch"}, "file.encoding must be one that Python knows"),
        ({"encoding": "base64"}, "file.encoding must be one that Python knows"),
        ({"encoding": "utf-16"}, "not of the encoding utf-16"),
        ({"skip_lines": 99}, "file.skip_lines must be less than the 3 lines"),
        ({"drop_rows": 2}, "no rows under its heading"),
        ({"drop_rows": 9}, "only 2 lines"),
        ({"separator": "|"}, r"no line is parted by '\|'"),
        ({"decimal": ",", "thousands": ","}, "must differ"),
    ],
)
def test_options_that_do_not_fit_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        read("t;b\n2021-03-01;2\n2021-03-02;4", Dialect(**given))


# --- shapes


def test_a_german_export_with_everything_is_read_with_its_evidence():
    writer = Writer(
        ";", ",", ".", "cp1252", before=("Zähler;DE0001", "", "Zeitraum;März"), units=("", "kWh", "°C"), total=True
    )
    rows = cells_of(writer, STAMPS, (LOADS, DEGREES), 2)
    table = read(write_dialect(writer, NAMES, rows, ("Summe", "5.000,00", "")))
    assert rows_of(table) == rows
    assert table.units == {"Wärme": "kWh", "T [°C]": "°C"}
    assert table.found.dialect == Dialect(
        encoding="cp1252", separator=";", decimal=",", thousands=".", quote='"', skip_lines=3, heading=True, units=True,
        drop_rows=1,
    )  # fmt: skip
    assert dict(table.found.evidence) == {
        "encoding": "encoding cp1252: not valid in utf-8, and reads as 'Zähler'",
        "separator": "separator ';': 96 of 96 rows have 3 fields",
        "decimal": "decimal sign ',': all 96 numbers of column 'Wärme' fit it and no other reading, and 1 more columns",
        "thousands": "thousands sign '.': all 96 numbers of column 'Wärme' fit it and no other reading",
        "quote": 'quote ": no cell is quoted',
        "skip_lines": "3 lines skipped: the first begins 'Zähler | DE0001'",
        "heading": "heading: 'Zeit | Wärme | T [°C]' stands above rows of other kinds",
        "units": "units under the heading: ' | kWh | °C'",
        "drop_rows": "1 rows dropped at the end: the last is 'Summe | 5.000,00'",
    }
    assert read(write_dialect(writer, NAMES, rows, ("Summe", "1", "")), table.found.dialect).frame.equals(table.frame)


def test_cells_stay_as_they_are_written():
    table = read('t, n ,note\n2021-03-01,"  007","a ""b"", c"\n2021-03-02,,\n2021-03-03,nan,"two\nlines"\n')
    assert rows_of(table) == [
        ["2021-03-01", "  007", 'a "b", c'],
        ["2021-03-02", "", ""],
        ["2021-03-03", "nan", "two\nlines"],
    ]
    assert list(table.frame) == ["t", "n", "note"]
    assert all(isinstance(dtype, pd.StringDtype) for dtype in table.frame.dtypes)


def test_a_column_without_a_name_is_called_by_its_place():
    table = read(",kWh\n2021-03-01,1\n2021-03-02,2\n")
    assert list(table.frame) == ["column 1", "kWh"]
    assert "called by their place: column 1" in table.found.evidence["heading"]


def test_two_columns_of_one_name_are_read_by_place_where_the_heading_is_left_out():
    table = read("t;kWh;kWh\n2021-03-01;1;2\n2021-03-02;1;2\n", Dialect(skip_lines=1, heading=False))
    assert list(table.frame) == ["column 1", "column 2", "column 3"]
    assert len(table.frame) == 2


def test_a_last_row_without_a_stamp_is_left_out_if_it_is_a_sum():
    table = read("t;b\n2021-03-01;2\n2021-03-02;4\n;6\n")
    assert (len(table.frame), table.found.dialect.drop_rows) == (2, 1)
    assert len(read("t;b\n2021-03-01;2\n2021-03-02;4\n;9\n", Dialect(drop_rows=1)).frame) == 2


def test_a_meter_called_total_is_no_sum():
    table = read("id,t,b\nTotal,2021-03-01,2\nTotal,2021-03-02,4\n")
    assert len(table.frame) == 2


@pytest.mark.parametrize("mark", SEPARATORS)
def test_a_first_line_that_declares_the_separator_is_taken(mark):
    dialect = read(f"sep={mark}\n2021-03-01{mark}2\n2021-03-02{mark}4\n").found.dialect
    assert (dialect.separator, dialect.skip_lines, dialect.heading) == (mark, 1, False)


def test_utf_16_without_a_mark_is_read():
    assert find_dialect("t;b\n2021-03-01;2\n".encode("utf-16-le"), ANY).dialect.encoding == "utf-16-le"


def test_a_given_dialect_is_taken_as_a_table_of_toml_writes_it():
    assert Dialect.model_validate({"separator": "tab"}).separator == "\t"
    with pytest.raises(ValueError, match="extra"):
        Dialect.model_validate({"seperator": ";"})
    assert all(field.description for field in Dialect.model_fields.values())


# --- archives

CSV = b"t;b\n2021-03-01;2,5\n2021-03-02;4\n"


def test_one_table_of_any_kind_in_an_archive_is_read():
    wanted = rows_of(read(CSV))
    for name in ("a.csv", "x/a.TXT", "a.tsv"):
        table = read(zipped({"__MACOSX/._a.csv": b"?", "readme.md": b"#", name: CSV}))
        assert (rows_of(table), table.found.dialect.table) == (wanted, name)
    for packed in (gzipped(CSV), zipped({"a.csv.gz": gzipped(CSV)}), gzipped(zipped({"a.csv": CSV}))):
        assert rows_of(read(packed)) == wanted
    assert len(read(zipped({"a.xlsx": BOOK})).frame) == 20


def test_several_tables_in_an_archive_are_asked_about():
    archive = zipped({"a.csv": CSV, "b.txt": b"t;b\n2021-03-01;7\n"})
    with pytest.raises(InputError, match=r"holds 2 tables, 'a.csv', 'b.txt': say which with file.table"):
        read(archive)
    assert rows_of(read(archive, Dialect(table="b.txt"))) == [["2021-03-01", "7"]]
    with pytest.raises(InputError, match=r"no table 'c.csv'.*it has 'a.csv', 'b.txt'"):
        read(archive, Dialect(table="c.csv"))
    with pytest.raises(InputError, match="holds no table"):
        read(zipped({"a.pdf": b""}))


def test_a_file_is_read_as_it_is(tmp_path):
    path, large = tmp_path / "meter.csv.gz", tmp_path / "large.csv"
    path.write_bytes(gzipped(CSV))
    content, table = read_table_file(path, ANY)
    assert (content, rows_of(table)) == (path.read_bytes(), rows_of(read(CSV)))
    large.write_bytes(bytes(2**20 + 1))
    told = "more than 1,048,576 bytes. Leave some out, or raise file.most_mib, which is 1"
    for missing, message in ((large, told), (tmp_path, "a folder"), (tmp_path / "x", "No such file")):
        with pytest.raises(InputError, match=message):
            read_table_file(missing, LITTLE)


def test_what_a_file_may_unfold_to_follows_the_memory_there_is(monkeypatch):
    for memory, most in ((2**40, 1024), (2**29, 64), (0, 1)):
        monkeypatch.setattr(memory_module, "memory_bytes", lambda memory=memory: memory)
        assert (ANY.cap_bytes, Dialect(most_mib=4096).cap_bytes) == (most * 2**20, 2**32)
    monkeypatch.undo()
    limits = memory_module.resource.getrlimit
    monkeypatch.setattr(memory_module.resource, "getrlimit", lambda which: (2**30, limits(which)[1]))
    assert memory_module.memory_bytes() <= 2**30


def test_a_table_beyond_the_memory_is_one_message(monkeypatch):
    def too_much(*_):
        raise MemoryError

    monkeypatch.setattr(table_module, "read_cells", too_much)
    with pytest.raises(InputError, match=r"'meter.csv' cannot be read: it needs more memory than there is"):
        read(CSV)


def test_numbers_are_those_that_pandas_reads():
    house = simulate(500).reset_index()
    table = read(house.to_csv(index=False))
    for name in house.select_dtypes("number"):
        assert to_numbers(arrow(*table.frame[name]), *signs_of(table)).tolist() == house[name].astype(float).tolist()


def test_archives_that_never_end_are_refused():
    nested = CSV
    for _ in range(5):
        nested = gzipped(nested)
    with pytest.raises(InputError, match="archive in an archive"):
        read(nested)
    for bomb in (gzipped(bytes(2**24)), zipped({"a.csv": bytes(2**24)})):
        with pytest.raises(InputError, match=r"more than 1,048,576 bytes. Leave some out, or raise file.most_mib"):
            read(bomb, LITTLE)


# --- parquet


def parquet(frame, **options):
    file = io.BytesIO()
    if isinstance(frame, pa.Table):
        pq.write_table(frame, file, **options)
    else:
        frame.to_parquet(file, **options)
    return file.getvalue()


def test_parquet_keeps_zones_and_makes_numbers_and_moments_of_decimals_and_days():
    index = pd.date_range("2021-03-28", periods=3, freq="30min", tz="Europe/London", name="when")
    frame = pd.DataFrame(
        {"kWh": [Decimal("1.25"), None, Decimal("2.50")], "day": [dt.date(2021, 3, 28)] * 3, "n": ["a", "b", None]},
        index,
    )
    table = read(parquet(frame), name="meter.parquet").frame
    assert list(table) == ["kWh", "day", "n", "when"]
    assert str(table["when"].dt.tz) == "Europe/London"
    assert (table["when"] == index).all()
    assert table["kWh"].dtype == "float64"
    assert table["kWh"].sum() == 3.75
    assert table["day"].dtype.kind == "M"
    assert isinstance(table["n"].dtype, pd.StringDtype)


@pytest.mark.parametrize(("name", "called"), [(None, "index"), ("ts", "ts")])
def test_an_index_of_parquet_is_a_column(name, called):
    frame = pd.DataFrame({"kWh": [1.0, 2.0]}, pd.date_range("2021-03-28", periods=2, freq="h", name=name))
    assert list(read(parquet(frame)).frame) == ["kWh", called]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pa.table({"a": [[1, 2]], "b": [1]}), r"'a' \(list"),
        (pa.table({"a": [{"x": 1}], "b": [1]}), r"'a' \(struct"),
        (pa.table([pa.array([1]), pa.array([2])], ["a", "a"]), "2 columns are named 'a'"),
        (pa.table({"a\x07": [1], "b": [1]}), r"name of column 1 holds signs that cannot be seen, 'a.x07'"),
        (
            pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])),
            "names of several levels",
        ),
        (pa.table({"a": pa.array([], pa.int64())}), "holds no rows"),
        (pa.table({f"c{at}": [1] for at in range(COLUMNS_CAP + 1)}), "10,001 columns"),
    ],
)
def test_parquet_that_is_no_plain_table_is_refused_by_name(frame, message):
    with pytest.raises(InputError, match=message):
        read(parquet(frame))


def test_parquet_that_unfolds_is_refused_before_it_is_read():
    bomb = parquet(pa.table({"a": pa.array(np.zeros(2_000_000, np.int8))}))
    text = parquet(pa.table({"a": pa.array(["x" * 100_000] * 3000)}))
    assert len(bomb) + len(text) < 300_000
    raised = "at most 104,857 cells are read. Leave some out, or raise file.most_mib, which is 1"
    with pytest.raises(InputError, match=f"declares 2,000,000 rows of 1 columns, {raised}"):
        read(bomb, LITTLE)
    assert len(read(bomb, Dialect(most_mib=64)).frame) == 2_000_000
    with pytest.raises(InputError, match="unfolds to 300,000,000 bytes of text"):
        read(text, LITTLE)


def test_an_index_of_several_levels_is_columns_if_they_have_names():
    levels = [["a", "b"], pd.date_range("2021", periods=3, freq="h")]
    frame = pd.DataFrame({"load": range(6)}, index=pd.MultiIndex.from_product(levels, names=["meter", "date"]))
    assert list(read(parquet(frame)).frame) == ["load", "meter", "date"]
    with pytest.raises(InputError, match="the index has 2 levels without a name: give each level one"):
        read(parquet(frame.rename_axis([None, None])))


@pytest.mark.parametrize(
    "told", [b"", b"\xff", b"[]", b"7", b'{"column_indexes": 3}', b"[" * 9999, b'{"index_columns": 1}']
)
def test_what_other_programs_write_in_the_place_of_pandas_metadata_is_passed_over(told):
    table = pa.table({"date": ["2021-01-01", "2021-01-02"], "load": [1, 2]}).replace_schema_metadata({b"pandas": told})
    assert list(read(parquet(table)).frame) == ["date", "load"]


# --- workbooks

SHEET = [
    ["Zähler", 12.0],
    [],
    ["Zeit", "kWh", "Notiz"],
    ["", "kWh", ""],
    *[[Moment(44256 + hour / 24), 1.5 * hour, "a"] for hour in range(20)],
    ["Summe", 285.0],
]
BOOK = workbook({"Info": [["von", "mir"]], "Daten": SHEET})


def test_a_workbook_is_read_with_its_types():
    table = read(BOOK, name="meter.xlsx")
    assert list(table.frame) == ["Zeit", "kWh", "Notiz"]
    assert table.frame["Zeit"].tolist() == pd.date_range("2021-03-01", periods=20, freq="h").tolist()
    assert table.frame["kWh"].tolist() == [1.5 * hour for hour in range(20)]
    assert table.units == {"kWh": "kWh"}
    dialect = table.found.dialect
    assert (dialect.table, dialect.skip_lines, dialect.drop_rows, dialect.units) == ("Daten", 2, 1, True)


def test_several_sheets_are_asked_about():
    book = workbook({"2020": SHEET, "2021": SHEET})
    with pytest.raises(InputError, match=r"2 sheets with a table: '2020', '2021'; say which with file.table"):
        read(book)
    assert len(read(book, Dialect(table="2021")).frame) == 20
    with pytest.raises(InputError, match="no sheet '2022': did you mean '202"):
        read(book, Dialect(table="2022"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["t", "kWh", "kWh"], [1.0, 2.0, 3.0], [2.0, 2.0, 3.0]], "2 columns are named 'kWh'"),
        (
            [["t", "kWh"], [Moment(44256), 2.0], [Moment(44257), 2.0], ["note", ""]],
            "last row of the sheet.*file.drop_rows",
        ),
        ([["t"]], "no sheet with a table"),
    ],
)
def test_sheets_that_are_no_table_are_refused(rows, message):
    with pytest.raises(InputError, match=message):
        read(workbook({"A": rows}))


def test_a_workbook_that_unfolds_is_refused():
    far = workbook({"A": [["t", "b"], [1.0, 2.0]]})
    with zipfile.ZipFile(io.BytesIO(far)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    vast = parts[sheet].replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')
    with pytest.raises(InputError, match="reaches over 1,048,576 rows and 16,384 columns"):
        read(zipped({**parts, sheet: vast}))
    with pytest.raises(
        InputError, match=r"unfolds to more than 1,048,576 bytes. Leave some out, or raise file.most_mib"
    ):
        read(zipped({**parts, "xl/sharedStrings.xml": bytes(2**24)}), LITTLE)
    with pytest.raises(InputError, match="cannot be read"):
        read(zipped({**parts, sheet: b"<worksheet><oops"}))


# --- limits


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (",".join(f"c{at}" for at in range(100_000)) + "\n" + ",".join("1" * 100_000) + "\n", "holds 100,000 columns"),
        ("t,b\n1,2\n" + "x" * 2**25, "longer than 1,048,576 bytes"),
        ("x" * 2**25, "longer than 1,048,576 bytes"),
        ("t,b\n1,2\n" + "3" * 2**25 + ",1\n" + "1,2\n" * 9999, "longer than 1,048,576 bytes"),
        ("," * 2**25, "columns|longer"),
        ("t,b\n" + "1,2\n" * 100_000 + "3" * 2**25 + ",1\n" + "1,2\n" * 600_000, "longer than 1,048,576 bytes"),
        ("t,b\n" + "1,2\n" * 100_000 + '3,"' + "1\n" * 2**23, "never closed|cut off"),
    ],
    ids=["columns", "last line", "only line", "early line", "commas", "middle line", "quote"],
)
def test_what_is_beyond_all_measure_is_refused_in_bounded_memory(content, message):
    content = content.encode()
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message):
            read(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**28
