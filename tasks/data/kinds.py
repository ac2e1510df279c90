"""What a cell is: nothing, a number, a moment or text. Enough to tell a heading from what stands under it."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from wattcast.model.cells import MISSING_MARKS
from wattcast.tasks.data.numerals import ANY_NUMBER

Kind = Literal["empty", "number", "stamp", "text"]

_NUMBER = re.compile(ANY_NUMBER)
_STAMP = re.compile(
    r"""\s*(?:[A-Za-z]{2,3}\.?,?\s+)?(?:      # Mon 01.03.2021
        [0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}
      | [0-9]{1,2}:[0-9]{2}
      | [0-9]{1,2}[-\ .]+[^\W\d_]{3,9}\.?[-\ ,]+[0-9]{2,4}  # 1 March 2021
      | [0-9]{1,2},?\ [0-9]{4}\b              # Mar 1, 2021
      | [0-9]{8}[T\ ][0-9]{2}
    )""",
    re.VERBOSE,
)
_UNIT_NAMES = """
    wh kwh mwh gwh w kw mw gw va kva var kvar kvarh varh kvah j kj mj gj kwh/h wh/h °c °f c f k celsius
    fahrenheit degc deg_c % pct hpa mbar bar pa kpa mmhg m/s km/h mph kn m m2 m² m3 m³ nm³ l lux lx
    w/m2 w/m² mm mm/h min h s sec ms v kv a ma hz btu kbtu mmbtu therm therms ppm g/m3 g/m³ kg eur
    €/kwh ct/kwh utc cet lokal local
"""
_UNITS = frozenset(_UNIT_NAMES.split())
_FORMAT = re.compile(r"(?:[dmyhst]{1,4}[-./: t]*){2,7}", re.IGNORECASE)  # dd.mm.yyyy hh:mm
_TOTAL = re.compile(
    r"\s*(?:grand |sub-?)?(?:total[es]?|totaal|summen?|sum|gesamt(?:summe)?|somme|suma|totaux|average|avg|mean"
    r"|moyenne|media|mittelwert|durchschnitt|min(?:imum)?|max(?:imum)?|count|anzahl)\b",
    re.IGNORECASE,
)


def kind(cell: Any) -> Kind:
    """The kind of a cell of text, or of a value of a workbook."""
    if isinstance(cell, dt.date | dt.time):
        return "stamp"
    if isinstance(cell, bool | dt.timedelta):
        return "text"
    if cell is None or isinstance(cell, int | float):
        return "empty" if cell is None or math.isnan(cell) else "number"
    text = str(cell)[:200]
    if text.strip().lower() in MISSING_MARKS:
        return "empty"
    if _STAMP.match(text):
        return "stamp"
    return "number" if _NUMBER.match(text) else "text"


def column_kinds(records: Sequence[Sequence[Any]]) -> tuple[Kind, ...]:
    """The kind of most cells of each column that are not empty, of records of one length."""
    kinds: list[Kind] = []
    for column in zip(*records, strict=True):
        counts: Counter[Kind] = Counter(map(kind, column))
        del counts["empty"]
        kinds.append(max(counts, key=lambda name: (counts[name], name != "text")) if counts else "empty")
    return tuple(kinds)


def is_units_row(cells: Sequence[Any]) -> bool:
    """Whether each of `cells` is a unit, a form of dates or empty, and at least one is a unit."""
    texts = [str(cell or "").strip().strip("[]()").strip().lower() for cell in cells]
    units = [text for text in texts if text in _UNITS]
    return bool(units) and all(text in _UNITS or text in MISSING_MARKS or _FORMAT.fullmatch(text) for text in texts)


def is_total(cell: Any) -> bool:
    """Whether a row that begins with `cell` sums the rows above it up."""
    return isinstance(cell, str) and bool(_TOTAL.match(cell))
