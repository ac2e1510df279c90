"""How a file writes its numbers: the decimal sign and the sign that parts thousands, judged over whole columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wattcast.model.cells import MISSING_MARKS
from wattcast.model.errors import InputError

DECIMALS = (".", ",")
THOUSANDS = ("", ",", ".", " ", "'")
SAMPLE = 2000
LEAST_SHARE = 0.5
_GAPS = {" ": "[ \u00a0\u202f]", "'": "['\u2019]"}  # also blanks that do not break a line, and a typesetter's sign
_MINUS = "[-\u2212]"

Reading = tuple[str, str]  # decimal sign, thousands sign


@dataclass(frozen=True)
class Numerals:
    """The signs of a file's numbers, and the evidence for each."""

    decimal: str
    thousands: str
    decimal_evidence: str
    thousands_evidence: str


@dataclass(frozen=True)
class _Votes:
    """What one column of numbers says: `fits` are the readings, of the signs that stand in it, which all cells fit."""

    numbers: pa.ChunkedArray
    signs: frozenset[str]
    fits: frozenset[Reading]

    def seen(self, reading: Reading) -> Reading:
        """`reading` without the signs that do not stand in this column."""
        decimal, thousands = reading
        return (decimal if decimal in self.signs else "", thousands if thousands in self.signs else "")


def number_pattern(decimal: str, thousands: str) -> str:
    """A regular expression, for Python and for Arrow, of one number as `decimal` and `thousands` write it."""
    point = re.escape(decimal)
    number = rf"(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    if thousands:
        number = rf"(?:[1-9][0-9]{{0,2}}(?:{_gap(thousands)}[0-9]{{3}})+(?:{point}[0-9]*)?|{number})"
    return rf"^\s*(?:[+]|{_MINUS})?{number}\s*$"


def _gap(thousands: str) -> str:
    """A regular expression of the sign between thousands, in all its forms."""
    return _GAPS.get(thousands, re.escape(thousands))


READINGS: tuple[Reading, ...] = tuple((d, t) for d, t in product(DECIMALS, THOUSANDS) if d != t)
ANY_NUMBER = "|".join(f"(?:{number_pattern(decimal, thousands)})" for decimal, thousands in READINGS)


def find_numerals(columns: Mapping[str, pa.ChunkedArray], decimal: str | None, thousands: str | None) -> Numerals:
    """The signs that all columns of numbers agree on; what is given is taken.

    A column takes part if at least half of its cells that are not missing are numbers, and some hold a sign.

    Raises:
        InputError: the numbers fit two readings that give different values, or none.
    """
    if decimal is not None and thousands is not None:
        if decimal == thousands:
            raise InputError(
                f"file.decimal and file.thousands must differ, received {decimal!r} twice: leave one of them out"
            )
        return Numerals(decimal, thousands, _given("decimal", decimal), _given("thousands", thousands))
    votes = {name: found for name, cells in columns.items() if (found := _votes(cells))}
    allowed = [(d, t) for d, t in READINGS if decimal in (None, d) and thousands in (None, t)]
    agreed = [reading for reading in allowed if all(vote.seen(reading) in vote.fits for vote in votes.values())]
    if not agreed:
        if decimal is None and thousands is None:
            raise InputError(_contradiction(votes))
        agreed = allowed[:1]  # what was given holds; a column that does not fit it is refused where it is used
    for name, vote in votes.items():
        different = {vote.seen(reading): reading for reading in reversed(agreed)}
        if len(different) > 1:
            raise InputError(_question(name, vote, sorted(different.values(), reverse=True)))
    chosen = agreed[0]
    return Numerals(
        *chosen,
        _given("decimal", decimal) if decimal is not None else _evidence("decimal", chosen[0], votes),
        _given("thousands", thousands) if thousands is not None else _evidence("thousands", chosen[1], votes),
    )


def to_numbers(cells: pa.ChunkedArray, decimal: str, thousands: str) -> np.ndarray:
    """`cells` as float64, NaN for whatever is no number of these signs. [rows]"""
    fits = pc.match_substring_regex(cells, number_pattern(decimal, thousands))
    text = pc.utf8_trim_whitespace(pc.if_else(fits, cells, pa.scalar(None, cells.type)))
    if thousands:
        text = pc.replace_substring_regex(text, _gap(thousands), "")
    if decimal != ".":
        text = pc.replace_substring(text, decimal, ".")
    text = pc.replace_substring_regex(pc.replace_substring_regex(text, r"^\+", ""), f"^{_MINUS}", "-")
    numbers: np.ndarray = pc.cast(text, pa.float64()).to_numpy()
    return numbers


def is_missing(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which of `cells` stand for no reading. [rows]"""
    return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(cells)), pa.array(MISSING_MARKS, cells.type))


def _votes(cells: pa.ChunkedArray) -> _Votes | None:
    if not len(cells):
        return None
    sample = cells.take(np.linspace(0, len(cells) - 1, min(len(cells), SAMPLE)).astype(np.int64))
    told = pc.invert(is_missing(sample))
    if pc.any(told).as_py() and not pc.any(pc.match_substring_regex(sample, ANY_NUMBER)).as_py():
        return None
    like = pc.match_substring_regex(cells, ANY_NUMBER)
    count = pc.sum(like).as_py() or 0
    numbers = cells
    if count < len(cells):
        if count == 0 or count < LEAST_SHARE * (len(cells) - pc.sum(is_missing(cells)).as_py()):
            return None
        numbers = cells.filter(like)
    signs = frozenset(sign for sign in ".," if pc.any(pc.match_substring(numbers, sign)).as_py())
    signs |= {sign for sign in " '" if pc.any(pc.match_substring_regex(numbers, f"[0-9]{_gap(sign)}[0-9]")).as_py()}
    if not signs:
        return None
    vote = _Votes(numbers, signs, frozenset())
    seen = {vote.seen(reading): reading for reading in READINGS if signs <= set(reading)}
    few = numbers[:SAMPLE]
    fits = {
        roles
        for roles, reading in seen.items()
        if _all_fit(few, reading) and (len(few) == len(numbers) or _all_fit(numbers, reading))
    }
    return _Votes(numbers, signs, frozenset(fits))


def _all_fit(numbers: pa.ChunkedArray, reading: Reading) -> bool:
    return bool(pc.all(pc.match_substring_regex(numbers, number_pattern(*reading))).as_py())


def _example(vote: _Votes, reading: Reading) -> str:
    """The first number that `reading` fits and that holds a sign of it."""
    fits = pc.match_substring_regex(vote.numbers, number_pattern(*reading))
    for sign in vote.seen(reading):
        held = sign and pc.and_(fits, pc.match_substring_regex(vote.numbers, _gap(sign)))
        if sign and pc.any(held).as_py():
            return str(vote.numbers.filter(held)[0].as_py()).strip()
    return str(vote.numbers[0].as_py()).strip()


def _question(name: str, vote: _Votes, readings: Iterable[Reading]) -> str:
    ways, options = [], []
    for reading in readings:
        cell = _example(vote, reading)
        value = to_numbers(pa.chunked_array([pa.array([cell], pa.large_string())]), *reading)[0]
        ways.append(f"{cell!r} is {float(value):.12g} {_meaning(vote.seen(reading))}")
        options.append(f"file.decimal = {reading[0]!r}")
    return (
        f"the numbers of column {name!r} can be read in two ways: {', or '.join(ways)}. No column tells which; say "
        f"{' or '.join(dict.fromkeys(options))}"
    )


def _meaning(seen: Reading) -> str:
    decimal, thousands = seen
    parts = [f"with decimal sign {decimal!r}"] if decimal else []
    parts += [f"with {thousands!r} between thousands"] if thousands else []
    return " and ".join(parts)


def _contradiction(votes: Mapping[str, _Votes]) -> str:
    seen = []
    for name, vote in votes.items():
        cells = dict.fromkeys(_example(vote, reading) for reading in READINGS if vote.signs & set(reading))
        seen.append(f"{name!r} holds {' and '.join(map(repr, list(cells)[:3]))}")
    return (
        f"the file writes its numbers in more than one way: column {', column '.join(seen[:4])}. One decimal sign must "
        "hold for the whole file: mend it, or say file.decimal = '.' or file.decimal = ','; what does not fit it is "
        "then refused where it is used"
    )


def _given(field: str, sign: str) -> str:
    return f"{field} sign {sign!r}: given" if sign else f"no {field} sign: given"


def _evidence(field: str, sign: str, votes: Mapping[str, _Votes]) -> str:
    holders = [name for name, vote in votes.items() if sign in vote.signs]
    if not sign:
        return f"no {field} sign: no column of numbers needs one"
    if not holders:
        return f"{field} sign {sign!r}: no number has one"
    count = len(votes[holders[0]].numbers)
    more = f", and {len(holders) - 1} more columns" if len(holders) > 1 else ""
    return f"{field} sign {sign!r}: all {count:,} numbers of column {holders[0]!r} fit it and no other reading{more}"
