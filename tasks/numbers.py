"""How numbers are written for people: the same digits in every unit, and the unit only where it is known."""

from __future__ import annotations

import math

_LARGEST, _SMALLEST = 1e6, 1e-4  # that are written out


def readable(
    value: float, decimals: int = 1, *, like: float | None = None, sign: bool = False, nothing: str = "–"
) -> str:
    """`value` with so many decimals, and with as many more as a small number needs; `nothing` for what is no number.

    A load of 57.4 Wh is one of 0.0574 kWh, and 5.74e-05 MWh: it must not become 0.0 where a file has another unit.
    Three significant digits are the least; below 1, each decimal beyond the first is another one. A difference is
    written `like` the number that it is a difference of.
    """
    size = abs(value if like is None else like)
    if not math.isfinite(value) or not math.isfinite(size):
        return nothing
    mark = "+" if sign else ""
    if size >= _LARGEST or 0 < size < _SMALLEST:
        return f"{value:{mark}.{1 + decimals}e}"
    power = math.floor(math.log10(float(f"{size:.2e}"))) if size else 2
    needed = 2 - power if power >= 0 else 1 + decimals - power
    return f"{value:{mark}z.{max(decimals, needed)}f}"


def with_unit(text: str, unit: str | None) -> str:
    """`57.4 kWh`, `RMSE kWh`; `text` alone where the unit is not known."""
    return f"{text} {unit}" if unit else text


def decimals(value: float, digits: int = 2) -> str:
    """A number for a table with so many decimals, or a dash for what is no number."""
    if not math.isfinite(value):
        return "-"
    return f"{value:z.{digits}f}" if abs(value) < _LARGEST else f"{value:.1e}"
