"""Excel workbooks (.xlsx): the cells of one sheet as pandas types, after what unfolds from them was checked."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
import zlib
from typing import Any

import pandas as pd
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from wattcast.model.errors import InputError
from wattcast.model.readings import nearest
from wattcast.tasks.data.dialect import Dialect, Found, check_names, name_by_place
from wattcast.tasks.data.files import CHUNK_BYTES, TooLargeError
from wattcast.tasks.data.heading import Asked, find_heading
from wattcast.tasks.data.kinds import column_kinds, is_total, kind
from wattcast.tasks.data.layout import COLUMNS_CAP
from wattcast.tasks.data.numerals import find_numerals

_CELL_BYTES = 5  # times that of a table: each is an object
_CELL = re.compile(rb"""\br=["']([A-Z]{1,3})([0-9]{1,7})["']""")
_TEXT_CELL = re.compile(rb"""\bt=["']s["']""")
_SAMPLE = 2000

Row = list[Any]


def read_workbook(content: bytes, given: Dialect) -> tuple[pd.DataFrame, dict[str, str], Found]:
    """The table of a sheet, the units under its heading, and how it was found.

    Raises:
        InputError: it is damaged or too large when unfolded, has several sheets and none chosen, or holds no table.
    """
    _check_unfolded(content, given)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        name, rows, chosen = _sheet(book, given.table)
    except InputError:
        raise
    except (CalamineError, OSError, ValueError, RuntimeError, LookupError) as fault:
        raise InputError(f"the workbook cannot be read: {fault}") from fault
    return _table(name, rows, chosen, given)


def _check_unfolded(content: bytes, given: Dialect) -> None:
    """Unfold every part once, counting: declared sizes are not trusted, and cells far away make a vast empty sheet."""
    total, longest, texts = 0, 0, 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                right, low, before = 0, 0, b""
                string = 0
                with archive.open(info) as part:
                    while chunk := part.read(16 * CHUNK_BYTES):
                        total += len(chunk)
                        if total > given.cap_bytes:
                            raise TooLargeError(f"the workbook unfolds to more than {given.cap_bytes:,} bytes")
                        window = before + chunk
                        if "worksheets/" in info.filename:
                            for found in _CELL.finditer(window):
                                right = max(right, _column(found[1]))
                                low = max(low, int(found[2]))
                            texts += len(_TEXT_CELL.findall(window))
                            _check_area(low, right, given.cap_cells // _CELL_BYTES)
                        elif "sharedStrings" in info.filename:
                            ends = window.split(b"</si>")
                            for at, piece in enumerate(ends):
                                string = len(piece) + (string if at == 0 else 0)
                                longest = max(longest, string)
                        before = chunk[-32:] if "worksheets/" in info.filename else b""
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError, NotImplementedError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(f"the workbook cannot be unpacked: {fault}") from fault
    if longest * texts > 8 * given.cap_bytes:
        raise TooLargeError(f"the workbook has {texts:,} cells of text of up to {longest:,} bytes")


def _check_area(rows: int, columns: int, cap_cells: int) -> None:
    if rows * columns > cap_cells or columns > COLUMNS_CAP:
        raise TooLargeError(
            f"a sheet of the workbook reaches over {rows:,} rows and {columns:,} columns, at most {cap_cells:,} cells "
            "are read; CSV may have more"
        )


def _column(letters: bytes) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place


def _sheet(book: CalamineWorkbook, given: str | None) -> tuple[str, list[Row], str]:
    """Name and rows of the sheet to read, and why that one."""
    if given is not None:
        if given not in book.sheet_names:
            close = nearest(given, book.sheet_names)
            raise InputError(f"the workbook has no sheet {given!r}{close}; it has {_listed(book.sheet_names)}")
        return given, book.get_sheet_by_name(given).to_python(skip_empty_area=False), f"sheet {given!r}: given"
    full = {}
    for name in book.sheet_names:
        try:
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        except CalamineError:  # a sheet of figures
            continue
        if sum(len(row) > 1 and _filled(row) > 1 for row in rows[:_SAMPLE]) > 1:
            full[name] = rows
    if len(full) != 1:
        what = f"has {len(full)} sheets with a table: {_listed(list(full))}" if full else "has no sheet with a table"
        raise InputError(f"the workbook {what}; say which with file.table")
    ((name, rows),) = full.items()
    return name, rows, f"sheet {name!r}: the only one that holds a table"


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:10]) + (" ..." if len(names) > 10 else "")


def _filled(row: Row) -> int:
    return sum(cell is not None and cell != "" for cell in row)


def _table(name: str, rows: list[Row], chosen: str, given: Dialect) -> tuple[pd.DataFrame, dict[str, str], Found]:
    asked = Asked(skip_lines=given.skip_lines, heading=given.heading, units=given.units, drop_rows=given.drop_rows)
    skip = given.skip_lines or 0
    places = [at for at, row in enumerate(rows) if at >= skip and _filled(row)]
    sample = [rows[at] for at in places[:_SAMPLE]]
    full = [row for row in sample if _filled(row) > 1]
    if not full:
        raise InputError(f"sheet {name!r} holds no table")
    kinds = column_kinds(full[len(full) // 2 :])
    heading = find_heading(sample, len(sample[0]), kinds, asked)
    body = [rows[at] for at in places[heading.first :]]
    dropped = given.drop_rows if given.drop_rows is not None else _footer(body, kinds)
    body = body[: len(body) - dropped]
    if not body:
        raise InputError(f"sheet {name!r} holds no rows under its heading")
    names = [""] * len(kinds) if heading.names is None else [_text(cell).strip() for cell in sample[heading.names]]
    units = [""] * len(kinds) if heading.units is None else [_text(cell).strip() for cell in sample[heading.units]]
    columns = list(zip(*body, strict=True))
    kept = [at for at, cells in enumerate(columns) if names[at] or any(kind(cell) != "empty" for cell in cells)]
    called = name_by_place(names)
    check_names([called[at] for at in kept])
    frame = pd.DataFrame({called[at]: _typed(columns[at]) for at in kept})
    numerals = find_numerals(_texts(frame), given.decimal, given.thousands)
    top = places[heading.first if heading.names is None else heading.names]
    dialect = Dialect(
        decimal=numerals.decimal,
        thousands=numerals.thousands,
        skip_lines=top,
        heading=heading.names is not None,
        units=heading.units is not None,
        drop_rows=dropped,
        table=name,
    )
    evidence = {
        "table": chosen,
        "decimal": numerals.decimal_evidence,
        "thousands": numerals.thousands_evidence,
        "skip_lines": f"{top} rows skipped above the table",
        "heading": "no heading"
        if heading.names is None
        else f"heading: row {top + 1} stands above rows of other kinds",
        "units": "no units under the heading" if heading.units is None else f"units: row {places[heading.units] + 1}",
        "drop_rows": f"{dropped} rows dropped at the end",
    }
    return frame, {called[at]: units[at] for at in kept if units[at]}, Found(dialect, evidence)


def _footer(body: list[Row], kinds: tuple[str, ...]) -> int:
    """How many rows at the end sum the others up or hold a note.

    Raises:
        InputError: a last row has no moment where all others have one, and does not say what it is.
    """
    stamps = [at for at, found in enumerate(kinds) if found == "stamp"]
    dropped = 0
    for row in reversed(body):
        if any(kind(row[at]) == "stamp" for at in stamps) or not stamps:
            break
        if not is_total(next((cell for cell in row if kind(cell) != "empty"), None)):
            shown = " | ".join(map(_text, row))[:80]
            raise InputError(
                f"a last row of the sheet has no time stamp: {shown!r}. Leave it "
                f"out with file.drop_rows = {dropped + 1}, or give it its stamp"
            )
        dropped += 1
    return dropped


def _typed(cells: tuple[Any, ...]) -> pd.Series:
    """A column as numbers or moments where all its cells are, as text otherwise."""
    held = [cell for cell in cells if cell is not None and cell != ""]
    if held and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in held):
        return pd.Series([None if cell in ("", None) else float(cell) for cell in cells], dtype="float64")
    if held and all(isinstance(cell, dt.date) for cell in held):
        moments = [pd.NaT if cell in ("", None) else pd.Timestamp(cell) for cell in cells]
        return pd.Series(moments, dtype="datetime64[us]")
    return pd.Series([_text(cell) for cell in cells], dtype="str")


def _texts(frame: pd.DataFrame) -> dict[str, pa.ChunkedArray]:
    """The columns of text: their numbers have signs of their own."""
    return {
        str(name): pa.chunked_array([pa.array(column, pa.large_string())])
        for name, column in frame.items()
        if isinstance(column.dtype, pd.StringDtype)
    }


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
