"""Parquet files: their columns as pandas types, after what they declare was checked."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wattcast.model.cells import shown
from wattcast.model.errors import InputError
from wattcast.tasks.data.dialect import Dialect, check_names, name_by_place
from wattcast.tasks.data.files import TooLargeError
from wattcast.tasks.data.layout import COLUMNS_CAP

_UNNAMED_INDEX = "__index_level_"


def read_parquet(content: bytes, given: Dialect) -> pd.DataFrame:
    """The table in `content`: an index is a column, decimals are floats, days are moments; zones are kept.

    Raises:
        InputError: it is damaged, too large when unfolded, or holds columns that are no plain ones.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        schema = file.schema_arrow
        groups = (file.metadata.row_group(place).num_rows for place in range(file.metadata.num_row_groups))
        _check_size(max(file.metadata.num_rows, sum(groups)), len(schema), given)
        _check_columns(schema)
        texts = [field.name for field in schema if _is_text(field.type)]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts)  # a bomb of equal texts stays small
        table = file.read()
        columns = {
            name: _plain(column, given.cap_bytes) for name, column in zip(_names(schema), table.columns, strict=True)
        }
        frame: pd.DataFrame = pa.table(columns).to_pandas(ignore_metadata=True)
    except InputError:
        raise
    except (pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError, OSError, RuntimeError) as fault:
        raise InputError(f"the parquet file cannot be read: {fault}") from fault
    if frame.empty:
        raise InputError("the parquet file holds no rows")
    return frame


def _check_size(rows: int, columns: int, given: Dialect) -> None:
    told = f"the parquet file declares {rows:,} rows of {columns:,} columns"
    if columns > COLUMNS_CAP:
        raise InputError(f"{told}, at most {COLUMNS_CAP:,} columns are read: leave some out")
    if rows * columns > given.cap_cells:
        raise TooLargeError(f"{told}, at most {given.cap_cells:,} cells are read")


def _check_columns(schema: pa.Schema) -> None:
    """Refuse what is no plain table, by the names of its columns."""
    told = _told_by_pandas(schema)
    if len(told.get("column_indexes") or ()) > 1:
        raise InputError(
            f"the columns have names of several levels, such as {shown(schema.names[0])}: give each one name before "
            "writing"
        )
    if len(levels := [name for name in schema.names if name.startswith(_UNNAMED_INDEX)]) > 1:
        raise InputError(
            f"the index has {len(levels)} levels without a name: give each level one before writing, such as "
            "frame.rename_axis(['meter', 'date'])"
        )
    check_names(_names(schema))
    nested = [f"{field.name!r} ({field.type})" for field in schema if not _is_plain(field.type)]
    if nested:
        raise InputError(
            f"columns must hold numbers, text, moments or true and false, received {', '.join(nested[:5])[:300]}: "
            "leave them out, or unfold them into columns"
        )


def _told_by_pandas(schema: pa.Schema) -> dict[str, Any]:
    """What pandas writes beside its columns; nothing where another program wrote something else there."""
    try:
        told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except (ValueError, RecursionError):
        return {}
    sound = isinstance(told, dict) and isinstance(told.get("column_indexes"), list | None)
    return told if sound else {}


def _names(schema: pa.Schema) -> list[str]:
    """The names of the columns; an index without a name is called 'index'."""
    unnamed = [name for name in schema.names if name.startswith(_UNNAMED_INDEX)]
    free = len(unnamed) == 1 and "index" not in schema.names
    return name_by_place(["index" if free and name in unnamed else name for name in schema.names])


def _is_text(of: pa.DataType) -> bool:
    return bool(pa.types.is_string(of) or pa.types.is_large_string(of))


def _is_plain(of: pa.DataType) -> bool:
    of = of.value_type if pa.types.is_dictionary(of) else of
    return bool(
        _is_text(of)
        or pa.types.is_integer(of)
        or pa.types.is_floating(of)
        or pa.types.is_decimal(of)
        or pa.types.is_boolean(of)
        or pa.types.is_timestamp(of)
        or pa.types.is_date(of)
        or pa.types.is_null(of)
        or pa.types.is_time(of)
    )


def _plain(column: pa.ChunkedArray, cap_bytes: int) -> pa.ChunkedArray:
    """`column` as what pandas has a type for."""
    of = column.type
    if pa.types.is_dictionary(of):
        if _is_text(of.value_type):
            size = sum(_unfolded_bytes(chunk) for chunk in column.chunks)
            if size > cap_bytes:
                raise TooLargeError(f"a column of the parquet file unfolds to {size:,} bytes of text")
        return _plain(column.cast(of.value_type), cap_bytes)
    if pa.types.is_decimal(of):
        return column.cast(pa.float64())
    if pa.types.is_date(of):
        return column.cast(pa.timestamp("ms"))
    if _is_text(of) or pa.types.is_time(of) or pa.types.is_null(of):
        return column.cast(pa.large_string())
    return column


def _unfolded_bytes(chunk: pa.DictionaryArray) -> int:
    return pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
