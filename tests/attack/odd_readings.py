"""Files and frames of readings, sound at first and then damaged at random: what meters and people send."""

from __future__ import annotations

import datetime as dt
import io
import warnings
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dialects import ENCODINGS, NUMERALS, SEPARATORS, Moment, Writer, cells_of, gzipped, workbook, write_dialect, zipped

from wattcast.tasks.data.simulate import simulate

HOUSE = simulate(300, seed=5)
NAMES = ("date", "Appliances", "lights")
LONG = "x" * 50_000
CELLS: tuple[Any, ...] = (
    *("", " ", "nan", "NULL", "-", "true", "FALSE", "inf", "-inf", "1e400", "1e39", "-5", "-0", "0x10", "1_000", "1,5"),
    *(
        "9999-12-31 23:50",
        "0001-01-01",
        "24:00",
        "2016-02-30 10:00",
        "2016-03-27 02:30",
        "11.01.2016 17:00",
        "now",
        "NaT",
    ),
    *(
        "=1+1",
        "<script>",
        "[bold]",
        "\0",
        "\ufeff",
        "\U0001f600",
        "\u202e",
        "'",
        '"',
        '""',
        "\\",
        "\n",
        "\r",
        "%s",
        "{}",
    ),
    *(LONG, "9" * 400, "1" * 5000, "1.2.3", "1 000", "12:30", "1e-400", "#DIV/0!", "unavailable", "\u0661\u0662"),
)
OBJECTS: tuple[Any, ...] = (
    *(
        None,
        pd.NA,
        pd.NaT,
        True,
        np.bool_(False),
        Decimal("NaN"),
        Decimal("1.5"),
        10**400,
        1 + 2j,
        b"12",
        [1, 2],
        {},
        (),
    ),
    *(
        dt.datetime(2016, 1, 11, 17),
        dt.date(9999, 12, 31),
        dt.timedelta(1),
        pd.Timestamp("2016-01-11", tz="UTC"),
        object,
    ),
    *(
        np.inf,
        -np.inf,
        np.nan,
        1e300,
        -1.0,
        5e-324,
        np.float16(3),
        np.int8(-1),
        np.datetime64("NaT"),
        Ellipsis,
        pd.Interval(0, 1),
    ),
)


def file(random: Random) -> tuple[str, bytes]:
    """The name of a file, and its bytes."""
    kind = random.choice((text, text, text, parquet, book))
    suffix, content = kind(random)
    if random.random() < 0.35:
        content = damaged(random, content)
    if random.random() < 0.1:
        inner = f"a{suffix}"
        suffix, content = random.choice(((".gz", gzipped(content)), (".zip", zipped({inner: content}))))
        content = damaged(random, content) if random.random() < 0.4 else content
    return f"attack{suffix}", content


def text(random: Random) -> tuple[str, bytes]:
    """A table of text in some dialect, some of whose cells are odd."""
    decimal, thousands = random.choice((NUMERALS[0], *NUMERALS))
    writer = Writer(
        separator=random.choice(SEPARATORS),
        decimal=decimal,
        thousands=thousands,
        encoding=random.choice(ENCODINGS),
        quote_all=random.random() < 0.3,
        line_end=random.choice(("\n", "\r\n", "\r")),
        before=random.choice(((), (), ("Export of a meter",))),
        heading=random.random() < 0.9,
        units=random.choice(((), (), ("", "Wh", "Wh"))),
        trailing=random.choice(("", "", "rows", "all")),
        last_line_ends=random.random() < 0.7,
    )
    rows = HOUSE.head(random.choice((1, 2, 30, 60, 300)))
    numbers = [rows[name].tolist() for name in NAMES[1:]]
    cells = cells_of(
        writer, rows["date"].dt.strftime(random.choice(_FORMS)).tolist(), numbers, random.choice((0, 1, 3))
    )
    for _ in range(random.choice((0, 0, 0, 1, 1, 20))):
        random.choice(cells)[random.randrange(3)] = str(random.choice(CELLS))
    for _ in range(random.choice((0, 0, 0, 2))):
        at = random.randrange(len(cells))
        cells[at:at] = random.choice(
            ([cells[at]] * 3, [cells[at][:2]], [[*cells[at], "1"]], [[]], list(reversed(cells[:5])))
        )
    names = [name if random.random() < 0.97 else str(random.choice(CELLS))[:300] for name in NAMES]
    try:
        return ".csv", write_dialect(writer, names, cells)
    except UnicodeEncodeError:
        return ".csv", write_dialect(Writer(), names, cells)


_FORMS = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%y %H:%M",
    "%Y%m%d%H%M",
    "%s",
)


def parquet(random: Random) -> tuple[str, bytes]:
    """A frame with some odd columns as parquet, with metadata that may be odd, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what makes it
        return ".parquet", _parquet(random)


def _parquet(random: Random) -> bytes:
    odd = frame(random)
    content = io.BytesIO()
    try:
        table = pa.Table.from_pandas(odd, preserve_index=random.choice((None, True, False)))
    except (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError, NotImplementedError):
        table = pa.Table.from_pandas(HOUSE[list(NAMES)])
    if random.random() < 0.2:
        told = random.choice(
            (b"", b"\xff\xfe", b"[]", b'{"column_indexes": 7}', b'{"index_columns": [{"kind": 3}]}', b"[" * 4000)
        )
        table = table.replace_schema_metadata({b"pandas": told})
    try:
        pq.write_table(
            table,
            content,
            compression=random.choice(("snappy", "gzip", "none")),
            row_group_size=random.choice((7, 1000)),
        )
    except (pa.ArrowException, ValueError, TypeError, NotImplementedError):
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(HOUSE[list(NAMES)]), content)
    return content.getvalue()


def book(random: Random) -> tuple[str, bytes]:
    """A workbook with some odd cells."""
    rows: list[list[Any]] = [list(NAMES)]
    count = random.choice((0, 2, 40))
    rows += [[Moment(42380 + place / 144), float(place % 7), 10.0 * (place % 3)] for place in range(count)]
    for _ in range(random.choice((0, 1, 5))):
        cell = random.choice((None, "", "true", -1.0, 1e300, "x" * 300, Moment(3e6), Moment(-5.0), "2016-01-11 17:00"))
        random.choice(rows)[random.randrange(3)] = cell
    return ".xlsx", workbook({"A": rows, **({"B": rows} if random.random() < 0.1 else {})})


def damaged(random: Random, content: bytes) -> bytes:
    """The same bytes with a few of them changed, lost, doubled or moved."""
    for _ in range(random.choice((1, 1, 2, 10))):
        at, count = random.randrange(len(content) + 1), random.choice((1, 1, 2, 8, 100))
        piece = content[at : at + count]
        content = random.choice(_DAMAGES)(random, content, at, piece)
        if not content:
            break
    return content


_Damage = Callable[[Random, bytes, int, bytes], bytes]
_DAMAGES: tuple[_Damage, ...] = (
    lambda random, content, at, piece: content[:at] + random.randbytes(len(piece)) + content[at + len(piece) :],
    lambda random, content, at, piece: content[:at] + content[at + len(piece) :],
    lambda random, content, at, piece: content[:at] + piece * 3 + content[at:],
    lambda random, content, at, piece: content[:at],
    lambda random, content, at, piece: content[at:],
    lambda random, content, at, piece: content[:at] + random.choice(CELLS).encode() + content[at:],
    lambda random, content, at, piece: (
        content[:at] + random.choice((b"\0", b'"', b"\n", b"\r", b",", b";", b"\xff")) + content[at:]
    ),
)


def frame(random: Random) -> pd.DataFrame:
    """A frame as a program may hand it to a model, odd in one to three ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what makes it
        return _frame(random)


def _frame(random: Random) -> pd.DataFrame:
    start = random.randrange(200)
    odd = HOUSE[list(NAMES)].iloc[start : start + random.choice((0, 1, 5, 12, 100))].reset_index(drop=True)
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        try:
            odd = random.choice(_ODDITIES)(random, odd)
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, NotImplementedError):
            continue  # two that do not go together
    return odd


def _cell(random: Random, odd: pd.DataFrame) -> pd.DataFrame:
    name, row = random.choice(list(odd.columns)), random.randrange(len(odd))
    column = list(odd[name])
    column[row] = random.choice((*CELLS, *OBJECTS))
    return odd.assign(**{str(name): pd.Series(column, index=odd.index, dtype=object)})


def _typed(random: Random, odd: pd.DataFrame) -> pd.DataFrame:
    name = random.choice(list(odd.columns))
    return odd.assign(**{str(name): odd[name].astype(random.choice(_TYPES))})


_TYPES: tuple[Any, ...] = (
    *("Int64", "boolean", "string", "str", object, "category", "float16", "int8", "bool", "complex128"),
    *(
        "datetime64[s]",
        "datetime64[ns]",
        "timedelta64[s]",
        pd.SparseDtype("float64", 0.0),
        pd.ArrowDtype(pa.decimal128(20, 4)),
    ),
    *(pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.float64()), pd.PeriodDtype("10min")),
)
_LABELS: tuple[Any, ...] = ("", None, 0, 1.5, ("a", "b"), LONG, "Appliances", "date", pd.NaT, "lights ", "DATE")


def _labelled(random: Random, odd: pd.DataFrame) -> pd.DataFrame:
    labels: list[Any] = list(odd.columns)
    labels[random.randrange(len(labels))] = random.choice(_LABELS)
    return odd.set_axis(pd.Index(labels, tupleize_cols=False), axis=1)


_ODDITIES: tuple[Callable[[Random, pd.DataFrame], pd.DataFrame], ...] = (
    _cell,
    _cell,
    _cell,
    _typed,
    _typed,
    _labelled,
    lambda random, odd: odd.drop(columns=random.choice(list(odd.columns))),
    lambda random, odd: odd.set_index("date"),
    lambda random, odd: odd.set_index(["date", "lights"]),
    lambda random, odd: odd.set_axis(pd.MultiIndex.from_product([["a"], odd.columns]), axis=1),
    lambda random, odd: odd.T,
    lambda random, odd: odd.iloc[::-1],
    lambda random, odd: pd.concat([odd, odd.tail(3)]),
    lambda random, odd: pd.concat([odd, odd[["lights"]]], axis=1),
    lambda random, odd: odd.sample(frac=0.9, random_state=random.randrange(99)),
    lambda random, odd: odd.assign(date=odd["date"].dt.tz_localize(random.choice(("UTC", "Europe/London")))),
    lambda random, odd: odd.assign(date=odd["date"] + pd.Timedelta(seconds=random.choice((1, 299, 86_400)))),
    lambda random, odd: odd.assign(date=odd["date"].dt.floor(random.choice(("h", "D")))),
    lambda random, odd: odd.assign(date=odd["date"].dt.strftime(random.choice(_FORMS))),
    lambda random, odd: odd.assign(date=odd["date"].astype("int64") // 10 ** random.choice((0, 3, 6, 9))),
    lambda random, odd: odd.set_axis(pd.period_range("2016", periods=len(odd), freq="10min"), axis=0),
    lambda random, odd: odd.set_axis([random.choice(OBJECTS[:9]) for _ in range(len(odd))], axis=0),
    lambda random, odd: odd.assign(Appliances=odd["Appliances"] * random.choice((-1, 1e12, 1e30, 1e-300, np.nan))),
    lambda random, odd: odd.assign(Appliances=odd["Appliances"].mask(odd.index % random.choice((2, 7)) == 1)),
)
