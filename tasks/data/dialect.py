"""How a file writes its table: what is given, and what reading the file shows, with the evidence for each.

Nothing is guessed: what fits two readings that give different tables is an InputError that names both and the option
that decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pydantic import Field, field_validator

from wattcast.model.config import Config
from wattcast.model.errors import InputError
from wattcast.model.telling import spelled
from wattcast.tasks.data.encoding import as_utf8, find_encoding
from wattcast.tasks.data.files import TooLargeError
from wattcast.tasks.data.heading import Asked
from wattcast.tasks.data.layout import LINE_CAP_BYTES, Layout, find_layout, read_records
from wattcast.tasks.data.memory import usual_most_mib
from wattcast.tasks.data.numerals import find_numerals, to_numbers

_CELL_BYTES = 10  # of a number, and what is needed beside it
BLOCK_BYTES = 4 * LINE_CAP_BYTES
ROWS_A_CHUNK = 50_000
_NEAR = 1e-3  # of a sum: what rounding of the rows leaves


class Dialect(Config):
    """How a file writes its table; what is left out is found by reading it."""

    encoding: str | None = Field(None, description="encoding of the text, such as utf-8, cp1252 or utf-16")
    separator: Literal[",", ";", "\t", "|"] | None = Field(None, description="what parts the columns of a line")
    decimal: Literal[".", ","] | None = Field(None, description="decimal sign of the numbers")
    thousands: Literal["", ",", ".", " ", "'"] | None = Field(
        None, description="sign between the thousands of the numbers, empty for none"
    )
    quote: Literal['"', "'", ""] | None = Field(None, description="mark around cells, empty for none")
    skip_lines: int | None = Field(None, ge=0, description="lines before the heading, or before the data without one")
    heading: bool | None = Field(None, description="whether a row above the data names the columns")
    units: bool | None = Field(None, description="whether a row of units stands under the heading")
    drop_rows: int | None = Field(None, ge=0, description="rows at the end that are no readings, such as totals")
    table: str | None = Field(None, min_length=1, description="name of the file in an archive or the sheet to read")
    most_mib: int | None = Field(
        None,
        ge=1,
        description="MiB that a file may hold or unfold to; 1024, or an eighth of the memory if that is less, unless "
        "given",
    )

    @field_validator("separator", mode="before")
    @classmethod
    def _tab_by_name(cls, separator: object) -> object:
        return "\t" if separator in ("tab", "\\t") else separator

    @property
    def cap_bytes(self) -> int:
        """What a file may hold or unfold to."""
        return (self.most_mib or usual_most_mib()) * 2**20

    @property
    def cap_cells(self) -> int:
        """The cells that a table may have."""
        return self.cap_bytes // _CELL_BYTES


@dataclass(frozen=True)
class Found:
    """A dialect with every field that matters for its file, and for each a sentence that says why."""

    dialect: Dialect
    evidence: Mapping[str, str]


@dataclass(frozen=True)
class Cells:
    """The cells of a file as text, one column a name, with what was found and the units under the heading."""

    columns: dict[str, pa.ChunkedArray]
    units: Mapping[str, str]
    found: Found


def find_dialect(content: bytes, given: Dialect) -> Found:
    """The dialect of a text file of one table; what is given is taken.

    Raises:
        InputError: it holds no table, or fits two dialects: the message names the option that decides.
    """
    return read_cells(content, given).found


def read_cells(content: bytes, given: Dialect) -> Cells:
    """The cells of a text file, as written, and the dialect that they were read with.

    Raises:
        InputError: as `find_dialect` does, and where a row has another number of fields than the others.
    """
    encoding, encoding_evidence = find_encoding(content, given.encoding)
    text = as_utf8(content, encoding)
    asked = Asked(given.separator, given.quote, given.skip_lines, given.heading, given.units, given.drop_rows)
    layout = find_layout(text, asked)
    columns, units, unnamed = _named(_parse(text, layout, given.cap_cells), layout)
    numerals = find_numerals(columns, given.decimal, given.thousands)
    _prove_sums(layout, [*columns.values()], numerals.decimal, numerals.thousands)
    rows = len(next(iter(columns.values())))
    mark = {"\t": "tab"}.get(layout.separator, layout.separator)
    by = "given, and " if given.separator else ""
    evidence = {
        "encoding": encoding_evidence,
        "separator": f"separator {mark!r}: {by}{rows:,} of {rows:,} rows have {layout.width} fields",
        "decimal": numerals.decimal_evidence,
        "thousands": numerals.thousands_evidence,
        **layout.evidence,
    }
    evidence["heading"] += unnamed
    dialect = Dialect.model_validate(
        {
            "encoding": encoding,
            "separator": layout.separator,
            "decimal": numerals.decimal,
            "thousands": numerals.thousands,
            "quote": layout.quote,
            "skip_lines": layout.skip_lines,
            "heading": layout.names is not None,
            "units": layout.units is not None,
            "drop_rows": layout.drop_rows,
            "table": given.table,
        }
    )
    return Cells(columns, units, Found(dialect, evidence))


def check_names(names: list[str]) -> None:
    """Refuse two columns of one name, and names that would steer the terminal on which they are shown.

    Raises:
        InputError: with the names and their places.
    """
    for at, name in enumerate(names, 1):
        if spelled(lines := name.replace("\r\n", "\n")) != lines:
            raise InputError(
                f"the name of column {at} holds signs that cannot be seen, {name!r}: rename it in the file"
            )
    for name, count in Counter(names).items():
        if count > 1:
            places = [str(at) for at, other in enumerate(names, 1) if other == name]
            raise InputError(
                f"{count} columns are named {name!r}: columns {', '.join(places[:-1])} and {places[-1]}. Each needs a "
                "name of its own: rename them in the file"
            )


def name_by_place(names: list[str]) -> list[str]:
    """`names`, with 'column 1' and so on for those that are empty."""
    return [name or f"column {place}" for place, name in enumerate(names, 1)]


def _parse(text: bytes, layout: Layout, cap_cells: int) -> list[pa.ChunkedArray]:
    """All rows of data: one array of text a field."""
    body = memoryview(text)[layout.start : layout.end]
    rows = text.count(b"\n", layout.start, layout.end) or text.count(b"\r", layout.start, layout.end)
    if rows * layout.width > cap_cells:
        raise TooLargeError(
            f"the file holds {rows:,} rows of {layout.width:,} columns, at most {cap_cells:,} cells are read"
        )
    if layout.quote and re.search(rb"[,;\t|] +" + layout.quote.encode(), body):
        return _parse_spaced(body, layout)
    bad: list[csv.InvalidRow] = []

    def refuse(row: csv.InvalidRow) -> str:
        bad.append(row)
        return "error"

    names = [str(at) for at in range(layout.width)]
    quoted = bool(layout.quote) and layout.quote.encode() in text
    try:
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(body)),
            # no threads of Arrow's: `refuse` is Python, and 54 MB take 0.28 s in place of 0.22
            read_options=csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=layout.separator,
                quote_char=layout.quote or False,
                newlines_in_values=quoted,
                invalid_row_handler=refuse,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as fault:
        if bad:
            raise InputError(_ragged(bad[0].actual_columns, layout.width, bad[0].text)) from None
        if "straddling" in str(fault):
            raise InputError(
                f"a line of the file is longer than {LINE_CAP_BYTES:,} bytes, or a quote {layout.quote} is never closed"
            ) from None
        raise InputError(f"the rows of the file cannot be read: {fault}") from None
    columns = list(table.columns)
    if quoted and "\n" in columns[-1][-1].as_py() and body.tobytes().count(layout.quote.encode()) % 2:
        raise InputError(f"a quote {layout.quote} is never closed: mend the file, or say file.quote")
    return columns


def _parse_spaced(body: memoryview, layout: Layout) -> list[pa.ChunkedArray]:
    """As `_parse` does, where spaces stand between a separator and a quote: Arrow would take both for the cell's."""
    lines = (line.decode() for line in bytes(body).splitlines(keepends=True))
    chunks: list[list[pa.Array]] = [[] for _ in range(layout.width)]
    rows: list[list[str]] = []

    def flush() -> None:
        for column, chunk in zip(zip(*rows, strict=True), chunks, strict=True):
            chunk.append(pa.array(column, pa.large_string()))
        rows.clear()

    for cells in _whole(read_records(lines, layout.separator, layout.quote), layout):
        rows.append(cells)
        if len(rows) == ROWS_A_CHUNK:
            flush()
    if rows:
        flush()
    return [pa.chunked_array(chunk, pa.large_string()) for chunk in chunks]


def _whole(records: Iterator[list[str]], layout: Layout) -> Iterator[list[str]]:
    for cells in records:
        if len(cells) == layout.width:
            yield cells
        elif cells:
            raise InputError(_ragged(len(cells), layout.width, layout.separator.join(cells)))


def _ragged(fields: int, width: int, text: str | None) -> str:
    shown = f": {text.strip()[:80]!r}" if text else ""
    return (
        f"a row has {fields} fields where the others have {width}{shown}. Mend the row; if it stands before the table "
        "say file.skip_lines, if it stands after it say file.drop_rows"
    )


def _named(columns: list[pa.ChunkedArray], layout: Layout) -> tuple[dict[str, pa.ChunkedArray], dict[str, str], str]:
    """The columns by name, without the empty ones that a separator at the end of a line makes; units; a remark."""
    names = list(layout.names or [""] * layout.width)
    units = [*(layout.units or ()), *[""] * layout.width][: layout.width]
    ends = 0
    while len(columns) > 1 and not names[-1] and _is_blank(columns[-1]):
        names.pop()
        columns = columns[:-1]
        ends += 1
    if layout.padded and not ends:
        raise InputError(
            f"the heading names {layout.width - 1} columns, but rows have {layout.width} fields, and the last is not "
            "always empty: mend the heading, or say file.separator"
        )
    remark = f"; {ends} empty column at the end left out" if ends else ""
    missing = [place for place, name in enumerate(names, 1) if not name] if layout.names else []
    if missing:
        remark += f"; without a name, and called by their place: {', '.join(f'column {at}' for at in missing[:5])}"
    names = name_by_place(names)
    check_names(names)
    held = {name: unit for name, unit in zip(names, units, strict=False) if unit}
    return dict(zip(names, columns, strict=True)), held, remark


def _is_blank(cells: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.equal(pc.utf8_trim_whitespace(cells), "")).as_py())


def _prove_sums(layout: Layout, columns: list[pa.ChunkedArray], decimal: str, thousands: str) -> None:
    """Check that each row without a stamp that was left out holds a sum or mean of the rows.

    Raises:
        InputError: it does not.
    """
    for cells in layout.sums:
        proved = False
        for cell, column in zip(cells, columns, strict=False):
            value = to_numbers(pa.chunked_array([pa.array([cell], pa.large_string())]), decimal, thousands)[0]
            if np.isfinite(value) and value:
                numbers = to_numbers(column, decimal, thousands)
                if np.isfinite(numbers).sum() > 1:
                    sums = np.array([np.nansum(numbers), np.nanmean(numbers)])
                    proved |= bool((np.abs(sums - value) <= _NEAR * abs(value)).any())
        if not proved:
            shown = layout.separator.join(cells)[:80]
            raise InputError(
                f"a last row has no time stamp, and is no sum of the others: {shown!r}. Leave it out with "
                f"file.drop_rows = {layout.drop_rows}, or give it its stamp"
            )
