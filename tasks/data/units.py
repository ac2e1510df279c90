"""The unit of the targets where their file states it: in a row under the heading, or in a heading that leaves no doubt.

Nothing is taken from magnitudes: figures in a unit that was guessed would be wrong by a thousand without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig, is_power

_WATTS = {f"{prefix}w{hour}".lower(): f"{prefix}W{hour}" for prefix in ("", "k", "M", "G", "T") for hour in ("", "h")}
_JOULES = ("J", "kJ", "MJ", "GJ", "TJ")
_IN_BRACKETS = re.compile(r"(.*?)[\[(]\s*([^][()]+?)\s*[\])]\s*")
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_A_SHARE = re.compile(r"[x×*].*|.*[/€$£].*|[0-9]+[.,][0-9]+|10+", re.IGNORECASE)  # 0.1 kWh, x100 kWh, EUR/kWh
_RATES = """
    per pro price preis prijs prix precio cost costs kosten tariff tarif rate eur euro usd gbp ct cent cents co2
"""
_A_RATE = frozenset(_RATES.split())


def settle_unit(config: ReadingsConfig, units: Mapping[str, str], *, by: str) -> tuple[ReadingsConfig, str | None]:
    """`config` with the unit that the targets are stated to be in, and a sentence that says by what, or why not.

    `units` are those of the columns, as `by` says. A unit that is given holds, also against the file.

    Raises:
        InputError: the file says power where `config` says energy, or the other way round.
    """
    known = {target: found for target in config.targets if (found := _stated(target, units, by))}
    told = [f"the unit of {target!r} is {unit}, as {where} says" for target, (unit, where) in known.items()]
    stated = {unit for unit, _ in known.values()}
    if config.unit is not None:
        against = f"readings.unit = {config.unit!r} is given and holds, though {'; '.join(told)}"
        return config, against if stated - {config.unit} else None
    for target, (unit, where) in known.items():
        if is_power(unit) != (config.kind == "power"):
            raise InputError(_which_kind(target, unit, where, config.kind))
    if unknown := [target for target in config.targets if target not in known]:
        names, example = ", ".join(map(repr, unknown)), "kW" if config.kind == "power" else "kWh"
        return config, f'the unit of {names} is not known: say readings.unit = "{example}" and figures show it'
    if len(stated) > 1:
        return config, f"the targets have several units, so that figures show none: {'; '.join(told)}"
    return config.model_copy(update={"unit": stated.pop()}), "; ".join(told)


def require_unit(config: ReadingsConfig, units: Mapping[str, str]) -> None:
    """A row of `units` in a file to forecast from says of no target that it is in another unit than at training.

    Raises:
        InputError: it does.
    """
    for target in config.targets:
        found = _spelled(units.get(target, "").strip().strip("[]()"))
        if found and config.unit and found != config.unit:
            raise InputError(
                f"{target!r} is in {found}, as the row under the heading says, and the model reads {config.unit}: give "
                f"the readings in {config.unit}, or mend that row if it is wrong"
            )


def heading_unit(heading: str) -> str | None:
    """The unit in a heading such as `load [kWh]`, `load (kWh)`, `kWh`, `energy_kwh` or `Usage kWh`; None in any doubt.

    `kWh/h` is power, `EUR/kWh` a price, and a W at the end may be the west.
    """
    if bracketed := _IN_BRACKETS.fullmatch(heading):
        before, unit = _words(bracketed[1]), _spelled(bracketed[2])
    else:
        *before, last = _words(heading) or [""]
        unit = _spelled(last)
        if len(last) == 1 and before and before[-1].lower() != "power":
            return None
    doubtful = any(_spelled(word) or _A_SHARE.fullmatch(word) or word.lower() in _A_RATE for word in before)
    return None if doubtful else unit


def _stated(target: str, units: Mapping[str, str], by: str) -> tuple[str, str] | None:
    """The unit of a target, and where it stands; None where it stands nowhere, or row and heading differ."""
    row, heading = _spelled(units.get(target, "").strip().strip("[]()")), heading_unit(target)
    if row and heading and row != heading:
        return None
    if row:
        return row, by
    return (heading, "its heading") if heading else None


def _words(text: str) -> list[str]:
    return [word for part in _BETWEEN_WORDS.split(text) if (word := part.strip("[](),:"))]


def _spelled(text: str) -> str | None:
    """The unit of energy or power that `text` is, as physics spells it."""
    text = text.strip()
    if text in _JOULES:
        return text
    return None if text.startswith("mW") else _WATTS.get(text.lower())  # a thousandth of a watt is no one's load


def _which_kind(target: str, unit: str, by: str, kind: str) -> str:
    told = f"{target!r} is in {unit}, as {by} says, which is"
    if is_power(unit):
        return (
            f'{told} power, and readings.kind is {kind!r}: say readings.kind = "power", whose mean over a step becomes '
            f'{unit}h, or readings.unit = "{unit}h" where each reading is energy'
        )
    power = unit.removesuffix("h") if unit.endswith("Wh") else "kW"
    return (
        f'{told} energy, and readings.kind is {kind!r}: say readings.kind = "energy", or "counter", or '
        f'readings.unit = "{power}" where each reading is power'
    )
