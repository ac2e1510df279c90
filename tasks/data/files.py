"""Files and frames: the bytes of a file or of the one CSV in an archive, whose names and sizes are not trusted."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from lzma import LZMAError
from pathlib import Path
from typing import IO
from uuid import uuid4

import pandas as pd
import pyarrow as pa

from wattcast.model.errors import InputError

SUFFIXES = (".csv", ".txt", ".tsv", ".gz", ".zip", ".parquet", ".xlsx")
FILE_CAP_BYTES = 2**30
CHUNK_BYTES = 2**16


class TooLargeError(InputError):
    """More than a limit that may be raised."""


def read_file(path: Path) -> bytes:
    """The bytes of a file; of a zip or gzip archive those of the CSV in it.

    Raises:
        InputError: it cannot be read or unpacked, or is too large.
    """
    return _opened(path, unpack)


def read_packed(path: Path, cap_bytes: int) -> bytes:
    """The bytes of a file as they are, for `read_table`, which tells archives itself.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    return _opened(path, read_capped, cap_bytes)


def _opened(path: Path, read: Callable[[IO[bytes], int], bytes], cap_bytes: int = FILE_CAP_BYTES) -> bytes:
    try:
        path = path.expanduser()
        if path.exists() and not path.is_file():
            raise InputError("it is a folder or a device")
        with path.open("rb") as file:
            return read(file, cap_bytes)
    except TooLargeError as fault:
        raise TooLargeError(f"{str(path)!r} cannot be read: {fault}") from None
    except (OSError, RuntimeError, ValueError) as fault:
        raise InputError(f"{str(path)!r} cannot be read: {getattr(fault, 'strerror', None) or fault}") from fault


def unpack(file: IO[bytes], cap_bytes: int) -> bytes:
    """The bytes of `file`; of a zip or gzip archive those of the CSV in it, whatever names and sizes it declares."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    try:
        if head in (b"PK\3\4", b"PK\5\6"):
            with zipfile.ZipFile(file) as archive, archive.open(_only_csv(archive)) as member:
                return read_capped(member, cap_bytes)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(file) as member:
                return read_capped(member, cap_bytes)
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, RuntimeError, OSError, ValueError) as fault:
        raise InputError(f"the archive cannot be unpacked: {fault}") from fault
    return read_capped(file, cap_bytes)


def _only_csv(archive: zipfile.ZipFile) -> str:
    shadow = "__MACOSX/"  # macOS adds one of each file
    names = [name for name in archive.namelist() if name.lower().endswith(".csv") and not name.startswith(shadow)]
    if len(names) != 1:
        raise InputError(f"the archive must hold one .csv file, received {len(names)}")
    return names[0]


def read_capped(stream: IO[bytes] | gzip.GzipFile, cap_bytes: int) -> bytes:
    content = io.BytesIO()
    while chunk := stream.read(CHUNK_BYTES):
        if content.write(chunk) and content.tell() > cap_bytes:
            raise TooLargeError(f"it holds or unfolds to more than {cap_bytes:,} bytes")
    return content.getvalue()


def parse(content: bytes, origin: str) -> pd.DataFrame:
    try:
        if origin.lower().endswith(".parquet"):
            frame = pd.read_parquet(pa.BufferReader(content))  # a file of Python's would be read in threads of Arrow's
        else:
            frame = pd.read_csv(io.BytesIO(content), skipinitialspace=True, low_memory=False)
    except (ValueError, TypeError, LookupError, ArithmeticError, OSError, RuntimeError) as fault:
        raise InputError(f"{origin!r} cannot be read: {fault}") from fault
    if frame.empty:
        raise InputError(f"{origin!r} holds no rows")
    if frame.shape[1] == 1 and any(mark in str(frame.columns[0]) for mark in ";\t"):
        raise InputError(f"{origin!r} must have commas between its columns, received the heading {frame.columns[0]!r}")
    return frame


def check_writable(path: Path) -> None:
    """Say early that `write_frame` will not write `path`.

    Raises:
        InputError: another ending, no folder for it, or one that takes no file.
    """
    if path.suffix not in {".csv", ".parquet"}:
        raise InputError(f"the file must end in .csv or .parquet, received {str(path)!r}")
    _require_folder(path)


def _require_folder(path: Path) -> None:
    """One that takes a file, as those do that are written first and then renamed; a lock in another is waited for."""
    if not path.parent.is_dir():
        raise InputError(f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as fault:
        told = f"the folder {str(path.parent)!r} takes no file ({fault.strerror or fault})"
        raise InputError(f"{str(path)!r} cannot be written: {told}") from fault


def write_frame(frame: pd.DataFrame, path: Path, *, replace: bool = False) -> None:
    """Write `frame` as CSV or parquet, as the name says, whole or not at all.

    Raises:
        InputError: another ending, a file that is there already and shall not be replaced, or one that cannot be
            written.
    """
    check_writable(path)
    if path.exists() and not replace:
        raise InputError(f"{str(path)!r} is there already: choose another name, or remove it first")
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        (frame.to_csv if path.suffix == ".csv" else frame.to_parquet)(temporary, index=False)
        temporary.replace(path)
    except OSError as fault:
        raise InputError(f"{str(path)!r} cannot be written: {fault.strerror or fault}") from fault
    finally:
        temporary.unlink(missing_ok=True)


def check_new(path: Path) -> None:
    """Say early that `write_new` will not write `path`.

    Raises:
        InputError: it is there already, or there is no folder for it that takes a file.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"{str(path)!r} is there already: choose another name, or remove it first")
    _require_folder(path)


def write_new(text: str, path: Path) -> None:
    """Write `text` as UTF-8 to a file that is not there yet, whole or not at all.

    Raises:
        InputError: it is there already, or cannot be written.
    """
    check_new(path)
    temporary = path.with_name(f".{path.name[:100]}.{uuid4().hex}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        try:
            os.link(temporary, path)  # which does not replace what another process has written meanwhile
        except FileExistsError:
            check_new(path)
        except OSError:  # a file system without links
            check_new(path)
            temporary.replace(path)
    except (OSError, UnicodeEncodeError) as fault:
        raise InputError(f"{str(path)!r} cannot be written: {getattr(fault, 'strerror', None) or fault}") from fault
    finally:
        temporary.unlink(missing_ok=True)
