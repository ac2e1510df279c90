"""The cells of one column, as they stand in a file, to numbers.

S rows. A cell is a number, one of the marks of a missing reading, or a fault: nothing is guessed. Which sign parts the
whole from the fraction, and which parts thousands, is told, never found out cell by cell: `1.234` is one number in
London and another in Vienna.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.errors import InputError

MISSING_MARKS = (
    *("", "nan", "nat", "na", "n/a", "#n/a", "n/e", "?", "null", "none", "-", "--", "---", "unavailable", "unknown"),
    *("no data", "not available", "#div/0!", "#value!", "#ref!"),
)
"""What stands in files where a reading is missing, in small letters and without the blanks around it."""

LONGEST_SHOWN = 60
"""Characters of a cell that a message shows."""

_SEAM = "\0"
_SIGNS = str.maketrans({"\u2212": "-", "\u2019": "'"})  # how typesetters write a minus and an apostrophe


@dataclass(frozen=True)
class Numbers:
    """The numbers of one column, NaN where the reading is missing or faulty, and what is wrong with it."""

    array: Floats  # [S]
    faults: tuple[str, ...]


def read_numbers(column: pd.Series, *, decimal: str = ".", thousands: str = "") -> Numbers:
    """`column` as float64 `[S]`; the marks of `MISSING_MARKS`, nulls and NaN become NaN. `column` is not changed.

    Truth values, dates, durations, complex and infinite numbers, and text that is no number are faults; all of them
    make one sentence that counts them and shows the first.

    Args:
        column: text, numbers, or any mixture of objects; its name is used in faults.
        decimal: the sign before the fraction, as in `1.5`.
        thousands: the sign between groups of digits, as in `1,234,567`; an empty text where there is none.

    Raises:
        InputError: the two signs are equal, or one of them is no single sign that can stand in a number.
    """
    _check_signs(decimal, thousands)
    if column.dtype.kind in "bmMc":
        bad = column.notna().to_numpy(np.bool_)
        return _judged(column, np.full(len(column), np.nan), bad)
    if column.dtype.kind in "fiu":
        values = column.to_numpy(np.float64, na_value=np.nan)
        return _judged(column, values, np.isinf(values))
    cells = column.to_numpy(object).tolist()
    types = list(map(type, cells))
    order = {kind: place for place, kind in enumerate(set(types))}
    codes = np.fromiter(map(order.__getitem__, types), np.intp, len(types))
    values, bad = np.full(len(cells), np.nan), np.zeros(len(cells), np.bool_)
    nothing = (type(None), type(pd.NA), type(pd.NaT))
    numbers, bools = (int, float, np.integer, np.floating, Decimal), (bool, np.bool_)
    for kind, code in order.items():
        if issubclass(kind, nothing):
            continue
        rows = np.flatnonzero(codes == code)
        some = cells if len(order) == 1 else [cells[row] for row in rows.tolist()]
        if issubclass(kind, str):
            values[rows], bad[rows] = _read_texts(some, decimal, thousands)
        elif issubclass(kind, numbers) and not issubclass(kind, bools):
            values[rows] = np.fromiter(map(_as_float, some), np.float64, len(some))
        else:
            bad[rows] = True
    return _judged(column, values, bad | np.isinf(values), decimal=decimal, thousands=thousands)


def shown(cell: Any) -> str:
    """`cell` as a message writes it, at most `LONGEST_SHOWN` characters of it."""
    plain = cell.item() if getattr(cell, "shape", None) == () else cell  # of NumPy, which may not be there yet
    text = repr(plain[: LONGEST_SHOWN + 1] if isinstance(plain, str) else plain)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _check_signs(decimal: str, thousands: str) -> None:
    allowed = ".,'’ \u00a0\u202f_"
    if len(decimal) != 1 or decimal not in allowed[:2]:
        raise InputError(f"the decimal sign must be '.' or ',', received {decimal!r}")
    if len(thousands) > 1 or thousands not in allowed or thousands == decimal:
        raise InputError(
            f"the thousands sign must be none or one of {', '.join(map(repr, allowed))} and not the decimal sign, "
            f"received {thousands!r} beside {decimal!r}"
        )


def _judged(
    column: pd.Series, values: Floats, bad: npt.NDArray[np.bool_], *, decimal: str = ".", thousands: str = ""
) -> Numbers:
    if not bad.any():
        return Numbers(values, ())
    row = int(bad.argmax())
    first = column.iloc[row]
    fault = (
        f"column {column.name!r} must hold finite numbers, {int(bad.sum())} of {len(bad)} values are not, first "
        f"{shown(first)} in row {row}"
    )
    if isinstance(first, str) and any(sign in first for sign in ".,") and any(sign.isdigit() for sign in first):
        fault += f"; numbers were read with the decimal sign {decimal!r} and "
        fault += f"the thousands sign {thousands!r}" if thousands else "no thousands sign"
    return Numbers(np.where(bad, np.nan, values), (fault,))


def _as_float(number: Any) -> float:
    """`number` as a float; infinite where it lies beyond every float."""
    try:
        return float(number)
    except OverflowError:
        return np.inf
    except ValueError:  # a signalling NaN of a Decimal
        return np.nan


def _read_texts(texts: list[str], decimal: str, thousands: str) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The numbers of `texts` `[S]`, and which of them are neither a number nor missing `[S]`."""
    if not all(map(str.isascii, texts)):
        texts, thousands = [text.translate(_SIGNS) for text in texts], thousands.translate(_SIGNS)
    plain = _plain(texts, decimal, thousands)
    values = pd.to_numeric(np.array(plain, object), errors="coerce").astype(np.float64)
    none, bad = np.flatnonzero(np.isnan(values)), np.zeros(len(texts), np.bool_)
    marks = {text: text.strip().lower() in MISSING_MARKS for text in {texts[row] for row in none.tolist()}}
    bad[none] = [not marks[texts[row]] for row in none.tolist()]
    return values, bad


def _plain(texts: list[str], decimal: str, thousands: str) -> list[str]:
    """`texts` as Python writes numbers: no sign parts thousands, a point parts the fraction.

    What is no number of these signs stays none: `1.5` where the decimal sign is a comma, `12,5` where a comma parts
    thousands.
    """
    if decimal == "." and not thousands:
        return texts
    if thousands.isspace():
        texts = [text.strip() for text in texts]
    astray = _astray(decimal, thousands)
    joined = _SEAM.join(texts)
    if joined.count(_SEAM) >= len(texts) or any(pattern.search(joined) for pattern in astray):
        sound = (_SEAM not in text and not any(pattern.search(text) for pattern in astray) for text in texts)
        joined = _SEAM.join(text if is_sound else "no number" for text, is_sound in zip(texts, sound, strict=True))
    if thousands:
        joined = joined.replace(thousands, "")
    return joined.replace(decimal, ".").split(_SEAM) if texts else texts


def _astray(decimal: str, thousands: str) -> list[re.Pattern[str]]:
    """What must not stand in a text that is to be a number: a point that is no sign, groups that are not of three.

    Groups of two before the last one are how India writes: 12,34,567.
    """
    point, sign = re.escape(decimal), re.escape(thousands)
    patterns = [r"\."] if "." not in (decimal, thousands) else []
    if thousands:
        behind, ahead = rf"(?<!\d{sign})|(?<=\d\d\d\d{sign})", rf"(?!\d{{3}}(?!\d)|\d\d{sign})"
        patterns += [f"{sign}(?:{behind}|{ahead})", rf"{point}\d*{sign}"]
    return [re.compile(pattern, re.ASCII) for pattern in patterns]
