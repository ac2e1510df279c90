"""Where the data begin under a heading, in the records of a text or the rows of a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wattcast.model.errors import InputError
from wattcast.tasks.data.kinds import Kind, is_units_row, kind


@dataclass(frozen=True)
class Asked:
    """What was given; None is to be found."""

    separator: str | None = None
    quote: str | None = None
    skip_lines: int | None = None
    heading: bool | None = None
    units: bool | None = None
    drop_rows: int | None = None


@dataclass(frozen=True)
class Heading:
    """Places in a list of records: of the first row of data, of the heading and of the units, if there are any."""

    first: int
    names: int | None
    units: int | None


def find_heading(records: Sequence[Sequence[Any]], width: int, kinds: Sequence[Kind], asked: Asked) -> Heading:
    """Where the data begin, as the first record whose cells are of the kinds of their columns, and what names them.

    Raises:
        InputError: it cannot be told, and is not given.
    """
    whole = [at for at, cells in enumerate(records) if len(cells) == width]
    typed = [at for at, found in enumerate(kinds) if found in ("number", "stamp")]
    if asked.heading is None and not typed:
        raise InputError(
            "no column holds numbers or time stamps, so nothing tells a heading from the rows: say file.heading = true "
            "or false, or check file.separator"
        )
    if asked.heading is False:
        first = next((at for at in whole if not typed or _fits(records[at], kinds, typed)), None)
        if asked.skip_lines is not None:
            first = 0
    elif asked.skip_lines is not None:
        units = asked.units if asked.units is not None else len(records) > 1 and is_units_row(records[1])
        found = Heading(1 + bool(units), 0, 1 if units else None)
        if asked.heading is None and typed and records and _fits(records[0], kinds, typed):
            found = Heading(0, None, None)
        return _within(found, records)
    else:
        first = next((at for at in whole if _fits(records[at], kinds, typed)), None)
        if asked.heading and first == 0:
            first = 1
        if asked.heading and not typed:
            first = whole[0] + 1 if whole else None
    if first is None:
        raise InputError("the file holds no rows: none has a number or a time stamp where the others have one")
    if asked.heading is False:
        return _within(Heading(first, None, None), records)
    return _within(_named(records, first, width, kinds, asked), records)


def _named(records: Sequence[Sequence[Any]], first: int, width: int, kinds: Sequence[Kind], asked: Asked) -> Heading:
    """What stands above the first row of data: a heading, and perhaps units under it."""
    if first == 0:
        return Heading(0, None, None)
    above = records[first - 1]
    units = asked.units
    if units is None:
        wide = first > 1 and len(records[first - 2]) in (width, width - 1)
        units = wide and is_units_row(above) and sum(kind(cell) == "text" for cell in records[first - 2]) > 1
    if units and first < 2:
        raise InputError("file.units is true, but there is only one row above the data: leave it out")
    at = first - 2 if units else first - 1
    names = records[at]
    if len(names) not in (width, width - 1) or not any(str(cell or "").strip() for cell in names):
        raise InputError(
            f"the heading cannot be told: the row above the first row of data has {len(names)} of {width} fields, "
            f"{shown(names)}. If it is the heading, mend it; if there is none, say file.heading = false"
        )
    if asked.heading is None and any(
        kind(cell) == found and found in ("number", "stamp") for cell, found in zip(names, kinds, strict=False)
    ):
        raise InputError(
            f"the row above the first row of data is half a heading and half data: {shown(names)}. Say "
            "file.heading = true if it names the columns, file.heading = false if there is no heading"
        )
    return Heading(first, at, first - 1 if units else None)


def _within(heading: Heading, records: Sequence[Sequence[Any]]) -> Heading:
    if heading.first >= len(records):
        raise InputError("the file holds no rows under its heading")
    return heading


def _fits(cells: Sequence[Any], kinds: Sequence[Kind], typed: Sequence[int]) -> bool:
    """Whether a record is one of data: a moment where moments stand, numbers where numbers do, or nothing in either."""
    found = [(kind(cells[at]), kinds[at]) for at in typed]
    telling = [cell == of for cell, of in found if of == "stamp"] or [cell == of for cell, of in found]
    return any(telling) and all(cell in {of, "empty"} for cell, of in found)


def shown(cells: Sequence[Any]) -> str:
    """The first cells, as a message shows them."""
    text = " | ".join(str(cell).strip()[:40] for cell in cells[:4])
    return repr(text + (" ..." if len(cells) > 4 else ""))
