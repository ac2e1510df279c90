"""The bytes of a file to a table of cells, and a record of how it was read.

A file is told by its bytes, not by its name: a zip or gzip archive is unpacked, parquet and workbooks have types, and
everything else is text whose cells stay as they are written.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from wattcast.model.errors import InputError
from wattcast.model.readings import nearest
from wattcast.tasks.data import files
from wattcast.tasks.data.dialect import Dialect, Found, read_cells
from wattcast.tasks.data.numerals import is_missing, to_numbers
from wattcast.tasks.data.parquet import read_parquet
from wattcast.tasks.data.workbook import read_workbook

TABLE_SUFFIXES = (".csv", ".txt", ".tsv", ".parquet", ".xlsx", ".gz")
_FIRST_CELLS = 100  # that columns of text fail at
_DEPTH = 3  # a .csv.gz in a .zip, and no archive that holds itself
_ZIPS = (b"PK\3\4", b"PK\5\6")
_WORDS = ("readme", "license", "licence", "notice", "changelog")  # texts beside a table
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_NO_TABLES = {
    **dict.fromkeys(("<!doctype html", "<html"), "a web page, such as that of a login"),
    **dict.fromkeys(('{"', "[{", "{\n", "{\r"), "JSON"),
    "<?xml": "XML",
    "%pdf": "a PDF",
}
"""What files that hold no table begin with, in small letters, and what they are."""


@dataclass(frozen=True)
class Table:
    """A file's table: cells of text as written ('' where empty), or typed columns of a parquet file or a workbook."""

    frame: pd.DataFrame
    found: Found
    units: Mapping[str, str]
    """What a row of units under the heading says, by column."""


def read_table_file(path: Path, given: Dialect) -> tuple[bytes, Table]:
    """The bytes of a file, and the one table in them.

    Raises:
        InputError: it cannot be read, is too large, or what `read_table` says.
    """
    try:
        content = files.read_packed(path, given.cap_bytes)
    except files.TooLargeError as fault:
        raise InputError(f"{fault}. {_way_out(given)}") from None
    return content, read_table(content, str(path), given)


def read_table(content: bytes, name: str, given: Dialect) -> Table:
    """The one table in `content`, the bytes of a file called `name`; what is given of its dialect is taken.

    Raises:
        InputError: it holds no table, several and none chosen, one beyond all measure, or one that can be read in two
            ways: the message names the option that decides.
    """
    try:
        return _read(content, given, {}, _DEPTH)
    except files.TooLargeError as fault:
        raise InputError(f"{name!r} cannot be read: {fault}. {_way_out(given)}") from fault
    except InputError as fault:
        raise InputError(f"{name!r} cannot be read: {fault}") from fault
    except MemoryError:
        raise InputError(f"{name!r} cannot be read: it needs more memory than there is. Leave some out") from None


def _way_out(given: Dialect) -> str:
    """What to do about a file that is too large."""
    return f"Leave some out, or raise file.most_mib, which is {given.cap_bytes // 2**20:,}"


def with_numbers(frame: pd.DataFrame, decimal: str, thousands: str) -> pd.DataFrame:
    """`frame` in which each column of text that holds nothing but numbers and marks of missing ones is float64."""
    columns = {}
    for name in frame.columns:
        column = frame[name]
        columns[name] = column
        if isinstance(column.dtype, pd.StringDtype):
            held = pa.array(column.array, pa.large_string())  # of a Series itself it would make objects first
            cells = held if isinstance(held, pa.ChunkedArray) else pa.chunked_array([held])
            if _as_numbers(cells.slice(0, _FIRST_CELLS), decimal, thousands) is None:
                continue
            numbers = _as_numbers(cells, decimal, thousands)
            if numbers is not None and not np.isnan(numbers).all():
                columns[name] = pd.Series(numbers, frame.index)
    return pd.DataFrame(columns)


def _as_numbers(cells: pa.ChunkedArray, decimal: str, thousands: str) -> np.ndarray | None:
    """The numbers in `cells`, NaN where one is missing; None where a cell is neither. [rows]"""
    numbers = to_numbers(cells, decimal, thousands)
    missing = is_missing(cells).to_numpy().astype(bool)
    return numbers if (missing | ~np.isnan(numbers)).all() else None


def _read(content: bytes, given: Dialect, said: Mapping[str, str], depth: int) -> Table:
    """The table in `content`; `said` is the evidence for where it was found."""
    if content[:4] in _ZIPS and not (book := _is_workbook(content)):
        member, why, inner = _member(content, given, depth)
        found = _read(inner, given.model_copy(update={"table": None}), {"table": why}, depth - 1)
        table = found.found.dialect.table or member
        dialect = found.found.dialect.model_copy(update={"table": table})
        return Table(found.frame, Found(dialect, found.found.evidence), found.units)
    if content[:2] == b"\x1f\x8b":
        _check_depth(depth)
        return _read(files.unpack(io.BytesIO(content), given.cap_bytes), given, said, depth - 1)
    if content[:4] == b"PAR1":
        evidence = {**said, "heading": "names and types: those of the parquet file"}
        return Table(read_parquet(content, given), Found(Dialect(table=given.table), evidence), {})
    if content[:4] in _ZIPS and book:
        frame, units, read = read_workbook(content, given)
        return Table(frame, Found(read.dialect, {**said, **read.evidence}), units)
    if content[:4] == _OLD_EXCEL:
        raise InputError("it is an Excel file of the old kind (.xls): save it as .xlsx or as CSV")
    head = content[:64].decode("utf-8-sig", "replace").lstrip().lower()
    if other := next((what for start, what in _NO_TABLES.items() if head.startswith(start)), None):
        raise InputError(f"it is {other}, not a table: save the readings as CSV, .xlsx or parquet")
    cells = read_cells(content, given)
    types = {pa.large_string(): pd.StringDtype(na_value=np.nan)}.get
    frame = pa.table(cells.columns).to_pandas(types_mapper=types)
    return Table(frame, Found(cells.found.dialect, {**said, **cells.found.evidence}), cells.units)


def _is_workbook(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, NotImplementedError):
        return False


def _check_depth(depth: int) -> None:
    if not depth:
        raise InputError("it is an archive in an archive in an archive: unpack it first")


def _member(content: bytes, given: Dialect, depth: int) -> tuple[str, str, bytes]:
    """Name, the reason for it, and bytes of the table in a zip archive."""
    _check_depth(depth)
    chosen = given.table
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if _is_table(name)]
            if chosen is not None and chosen in names:
                member, why = chosen, f"file {chosen!r} of the archive: given"
            elif chosen is not None and len(names) != 1:
                known = ", ".join(map(repr, names[:10]))
                raise InputError(f"the archive has no table {chosen!r}{nearest(chosen, names)}; it has {known}")
            elif len(names) == 1:
                member, why = names[0], f"file {names[0]!r}: the only table in the archive"
            else:
                raise InputError(_choose(names))
            with archive.open(member) as file:
                return member, why, files.read_capped(file, given.cap_bytes)
    except InputError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        LZMAError,
        EOFError,
        gzip.BadGzipFile,
        RuntimeError,
        OSError,
        ValueError,
    ) as fault:
        raise InputError(f"the archive cannot be unpacked: {fault}") from fault


def _is_table(name: str) -> bool:
    file = name.rpartition("/")[2].lower()
    hidden = name.startswith("__MACOSX/") or file.startswith(".")  # macOS adds one of each file
    return not hidden and file.endswith(TABLE_SUFFIXES) and file.partition(".")[0] not in _WORDS


def _choose(names: list[str]) -> str:
    if not names:
        return f"the archive holds no table: none of its files ends in {', '.join(TABLE_SUFFIXES)}"
    shown = ", ".join(map(repr, names[:10])) + (" ..." if len(names) > 10 else "")
    return f"the archive holds {len(names)} tables, {shown}: say which with file.table"
