"""Where the table lies in a text: its separator, the lines before its heading, its units, and the rows that sum it up.

A *line* ends with a line break; a *record* is what the separators of one row part, and may go over several lines where
a quoted cell holds a line break. Found from the head and the tail of the text; who reads all rows checks the rest.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from wattcast.model.errors import InputError
from wattcast.tasks.data.heading import Asked, Heading, find_heading, shown
from wattcast.tasks.data.kinds import Kind, column_kinds, is_total, kind

SEPARATORS = (",", ";", "\t", "|")
LINE_CAP_BYTES = 2**20
COLUMNS_CAP = 10_000
HEAD_BYTES, HEAD_LINES = 2**18, 2000
LEAST_RECORDS = 10
LEAST_SHARE = 0.9
_DECLARED = re.compile(rb"""["']?sep=([,;\t|])["']?[,;\t|]*\s*$""", re.IGNORECASE)  # for Excel
_TOO_LONG = f"a line of the file is longer than {LINE_CAP_BYTES:,} bytes: it is no table of text"


@dataclass(frozen=True)
class Layout:
    """The place of a table in a text of UTF-8: its rows of data are the bytes from `start` to `end`."""

    separator: str
    quote: str
    width: int
    kinds: tuple[Kind, ...]
    skip_lines: int
    names: tuple[str, ...] | None
    padded: bool
    units: tuple[str, ...] | None
    start: int
    end: int
    drop_rows: int
    sums: tuple[tuple[str, ...], ...]
    """Of the rows dropped those that only their values tell to be sums: no word says so."""
    evidence: dict[str, str]


@dataclass(frozen=True)
class _Record:
    line: int
    after: int  # the line after it
    cells: list[str]


@dataclass(frozen=True)
class _Block:
    """How one separator parts the head: the longest run of records of one length."""

    separator: str
    records: list[_Record]
    run: list[list[str]]
    width: int
    kinds: tuple[Kind, ...]

    @property
    def tidy(self) -> bool:
        """Whether a column holds numbers or moments, and none but numbers hold another separator in most cells."""
        others = [mark for mark in SEPARATORS if mark != self.separator]
        half = self.run[len(self.run) // 2 :]
        for at, found in enumerate(self.kinds):
            cells = [cells[at] for cells in half]
            if found != "number" and any(2 * sum(mark in cell for cell in cells) > len(cells) for mark in others):
                return False
        return any(found in ("number", "stamp") for found in self.kinds)

    @property
    def heads_all(self) -> bool:
        """The run begins with names above a column of numbers or moments, in the first line that holds anything."""
        first = self.run[0]
        named = first is self.records[0].cells and all(kind(cell) == "text" for cell in first)
        return named and any(found in ("number", "stamp") for found in self.kinds)

    def parts(self, cells: list[str]) -> bool:
        """The separator stands in one of these cells of another way to part the head."""
        return any(self.separator in cell for cell in cells)


def find_layout(text: bytes, asked: Asked) -> Layout:
    """The layout of the table in `text`, which is UTF-8 without a byte order mark.

    Raises:
        InputError: it holds no table, a line or a row of columns beyond all measure, or fits two layouts.
    """
    lines = _head(text)
    quote, quote_evidence = _quote(text, asked.quote)
    block = _separated(lines, quote, asked)
    if block.width > COLUMNS_CAP:
        raise InputError(_too_wide(block.width))
    records = block.records
    heading = find_heading([record.cells for record in records], block.width, block.kinds, asked)
    names, padded = _names(records, heading, block)
    top = heading.first if heading.names is None else heading.names
    skipped = records[top].line if top < len(records) else 0
    offsets = _offsets(lines)
    start = offsets[records[heading.first].line]
    layout = Layout(
        separator=block.separator,
        quote=quote,
        width=block.width,
        kinds=block.kinds,
        skip_lines=skipped,
        names=names,
        padded=padded,
        units=None if heading.units is None else tuple(cell.strip() for cell in records[heading.units].cells),
        start=start,
        end=len(text),
        drop_rows=0,
        sums=(),
        evidence={"quote": quote_evidence, **_told(records, heading, skipped, asked)},
    )
    return _without_footer(text, layout, asked)


def _head(text: bytes) -> list[bytes]:
    """The first lines of `text`, each whole."""
    if not text.strip():
        raise InputError("the file holds no rows: it is empty")
    size = HEAD_BYTES
    while True:
        head = text[:size]
        lines = head.splitlines(keepends=True)
        if size < len(text) and lines:
            lines.pop()  # cut, or perhaps half of a line break
        if max(map(len, lines), default=size) > LINE_CAP_BYTES or size > 2 * LEAST_RECORDS * LINE_CAP_BYTES:
            raise InputError(_TOO_LONG)
        fields = max((line.count(mark.encode()) for line in lines for mark in SEPARATORS), default=0)
        if fields > COLUMNS_CAP:
            raise InputError(_too_wide(fields + 1))
        if len(lines) >= LEAST_RECORDS or size >= len(text):
            return lines[:HEAD_LINES]
        size *= 2


def _too_wide(columns: int) -> str:
    return f"the file holds {columns:,} columns, at most {COLUMNS_CAP:,} are read: leave some out"


def _offsets(lines: Sequence[bytes]) -> list[int]:
    """The place in the text of each line's first byte, and of the end of the last."""
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return offsets


def _quote(text: bytes, given: str | None) -> tuple[str, str]:
    """The mark around cells, judged by whole cells in it anywhere in the text."""
    if given is not None:
        return given, f"quote {given}: given" if given else "no quotes: given"
    edge, found = rb"(?:^|(?<=[,;\t|\r\n]))[ ]*", []
    for mark in (b'"', b"'"):
        other = rb"[^\"]" if mark == b'"' else rb"[^'\r\n]"  # an apostrophe is no quote that goes over lines
        whole = edge + mark + rb"(?:" + other + rb"++|" + mark * 2 + rb")*+" + mark
        if mark in text and (cell := re.search(whole + rb"[ ]*(?=[,;\t|\r\n]|$)", text[: 2**28])):
            found.append((mark.decode(), cell.group().strip()[:40].decode(errors="replace")))
    if len(found) == 2:
        raise InputError(
            f"cells are quoted in two ways, {found[0][1]} and {found[1][1]}: say which with file.quote, '\"' or \"'\""
        )
    if found:
        return found[0][0], f"quote {found[0][0]}: cells such as {found[0][1]}"
    return '"', 'quote ": no cell is quoted'


def read_records(lines: Iterator[str], separator: str, quote: str) -> Iterator[list[str]]:
    """The records of `lines`; a space before a quote is no part of the cell.

    Raises:
        InputError: a cell is larger than any table's.
    """
    try:
        if quote:
            yield from csv.reader(lines, delimiter=separator, quotechar=quote, skipinitialspace=True)
        else:
            yield from csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    except csv.Error as fault:
        raise InputError(f"the file is no table of text: {fault}") from None


def _records(lines: Sequence[bytes], separator: str, quote: str, skip: int = 0) -> list[_Record]:
    """The records of `lines` that are not blank."""
    taken = 0

    def counted() -> Iterator[str]:
        nonlocal taken
        for line in lines[skip:]:
            taken += 1
            yield line.decode("utf-8", "replace")

    records, before = [], skip
    for cells in read_records(counted(), separator, quote):
        if cells and (len(cells) > 1 or cells[0].strip()):
            records.append(_Record(before, skip + taken, cells))
        before = skip + taken
    return records


def _separated(lines: list[bytes], quote: str, asked: Asked) -> _Block:
    """The head as its separator parts it: the one that is given, that the first line declares, or that fits."""
    declared = _DECLARED.match(lines[0])
    skip = asked.skip_lines or int(declared is not None)
    if skip >= len(lines):
        raise InputError(f"file.skip_lines must be less than the {len(lines)} lines that the file has, received {skip}")
    given = asked.separator or (declared[1].decode() if declared else None)
    tried = SEPARATORS if given is None else (given,)
    blocks = [block for mark in tried if (block := _block(lines, mark, quote, skip))]
    if not blocks:
        marks = "',', ';', a tab or '|'" if given is None else repr(given)
        raise InputError(
            f"no line is parted by {marks}: a table needs two columns at least, received "
            f"{shown([lines[min(skip, len(lines) - 1)].decode('utf-8', 'replace').strip()])}"
        )
    if len(blocks) == 1:
        return blocks[0]
    most = max(len(block.run) for block in blocks)
    tidy = [block for block in blocks if block.tidy and len(block.run) >= LEAST_SHARE * most]
    if len(tidy) == 1:
        return tidy[0]
    headed = [block for block in blocks if block.heads_all and len(block.run) >= LEAST_SHARE * most]
    if not tidy and len(headed) == 1 and not any(block.parts(headed[0].run[0]) for block in blocks):
        return headed[0]
    ways = [f"{len(block.run)} lines have {block.width} fields with {block.separator!r}" for block in tidy or blocks]
    raise InputError(f"the separator cannot be told: {', '.join(ways)}. Say which with file.separator")


def _block(lines: list[bytes], separator: str, quote: str, skip: int) -> _Block | None:
    try:
        records = _records(lines, separator, quote, skip)
    except InputError:
        return None
    runs = [list(run) for _, run in groupby((record.cells for record in records), key=len)]
    runs = [run for run in runs if len(run[0]) > 1]
    if not runs:
        return None
    run = max(runs, key=len)
    return _Block(separator, records, run, len(run[0]), column_kinds(run[len(run) // 2 :]))


def _names(records: list[_Record], heading: Heading, block: _Block) -> tuple[tuple[str, ...] | None, bool]:
    """The names in the heading, and whether one is added: for the empty field that a separator at the end makes."""
    if heading.names is None:
        return None, False
    names = tuple(cell.strip() for cell in records[heading.names].cells)
    if len(names) == block.width - 1 and block.kinds[-1] == "empty":
        return (*names, ""), True
    if len(names) != block.width:
        raise InputError(
            f"the heading names {len(names)} columns, but the rows have {block.width} fields: {shown(names)} over "
            f"{shown(records[heading.first].cells)}. If the decimal sign is the separator too, write "
            "another separator or quotes; if this is no heading, say file.heading = false; otherwise mend it"
        )
    return names, False


def _told(records: list[_Record], heading: Heading, skipped: int, asked: Asked) -> dict[str, str]:
    """The evidence for heading, units and the lines before them."""
    if asked.skip_lines is not None:
        skip = f"{skipped} lines skipped: given"
    elif skipped and records[0].line < skipped:
        skip = f"{skipped} lines skipped: the first begins {shown(records[0].cells[:2])}"
    else:
        skip = f"{skipped} lines skipped: " + (
            "they are blank, or name the separator" if skipped else "the table begins with the file"
        )
    if asked.heading is not None:
        named = "heading: given" if asked.heading else "no heading: given"
    elif heading.names is None:
        named = f"no heading: the first row, {shown(records[heading.first].cells)}, is of the same kinds as the others"
    else:
        named = f"heading: {shown(records[heading.names].cells)} stands above rows of other kinds"
    if asked.units is not None:
        units = "units under the heading: given" if asked.units else "no units under the heading: given"
    elif heading.units is None:
        units = "no units under the heading" + ("" if heading.names is None else ": the data follow it")
    else:
        units = f"units under the heading: {shown(records[heading.units].cells)}"
    return {"skip_lines": skip, "heading": named, "units": units}


def _without_footer(text: bytes, layout: Layout, asked: Asked) -> Layout:
    """`layout` without the rows at the end that are none of data.

    Raises:
        InputError: the last line is neither a row nor a sum.
    """
    begin = max(layout.start, len(text) - 2 * LINE_CAP_BYTES)
    lines = text[begin:].splitlines(keepends=True)[begin > layout.start :]  # the first may be cut
    if max(map(len, lines), default=begin) > LINE_CAP_BYTES:
        raise InputError(_TOO_LONG)
    dropped, sums, said, end = 0, [], "", len(text)
    for line in reversed(lines):
        row = line.decode("utf-8", "replace").strip("\r\n")
        if row.strip():
            cells = next(read_records(iter([row]), layout.separator, layout.quote), [])
            found = _footer(cells, layout) if asked.drop_rows is None else dropped < asked.drop_rows
            if not found:
                break
            dropped += 1
            said = said or shown([cell for cell in cells if cell.strip()] or cells)
            if found == "sum":
                sums.append(tuple(cells))
        end -= len(line)
    if asked.drop_rows is not None:
        said = f"{asked.drop_rows} rows dropped at the end: given"
        if dropped < asked.drop_rows:
            raise InputError(
                f"file.drop_rows is {asked.drop_rows}, but only {dropped} lines are near the end: check it"
            )
    else:
        said = f"{dropped} rows dropped at the end: the last is {said}" if dropped else "no rows dropped at the end"
    if not text[layout.start : end].strip():
        raise InputError("the file holds no rows under its heading")
    evidence = {**layout.evidence, "drop_rows": said}
    return replace(layout, end=end, drop_rows=dropped, sums=tuple(sums), evidence=evidence)


def _footer(cells: list[str], layout: Layout) -> str:
    """Why a last row is none of data: "total", "blank", "sum" (to be proved), or "" where it is one of data."""
    begin = next((cell for cell in cells if cell.strip()), "")
    stamps = [at for at, found in enumerate(layout.kinds) if found == "stamp"]
    if len(cells) == layout.width:
        if not begin:
            return "blank"
        if any(kind(cells[at]) == "stamp" for at in stamps):
            return ""
        if is_total(begin):
            return "total"
        unstamped = stamps and not any(cells[at].strip() for at in stamps)
        return "sum" if unstamped and any(kind(cell) == "number" for cell in cells) else ""
    if is_total(begin):
        return "total"
    if layout.quote and layout.quote in "".join(cells):
        return ""  # perhaps the end of a cell of several lines: who reads all rows will see
    raise InputError(
        f"the last line has {len(cells)} of {layout.width} fields: {shown(cells)}. If the file was cut off, fetch it "
        "again; if the line is no row, leave it out with file.drop_rows = 1"
    )
