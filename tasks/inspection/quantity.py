"""What the readings are: which columns are forecast, counter or energy or power, and of which unit.

S readings in the order of time, NaN where one is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wattcast.model.arrays import Floats
from wattcast.model.counter import CounterEnergy, counter_to_energy, looks_like_counter
from wattcast.model.readings import ReadingsConfig, nearest
from wattcast.tasks.inspection.answers import Answer
from wattcast.tasks.inspection.columns import Column
from wattcast.tasks.numbers import readable

ENERGY_UNITS = {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6, "GWh": 1e9}
POWER_UNITS = {"W": 1.0, "kW": 1e3, "MW": 1e6, "GW": 1e9}
_PER_HOUR = {f"{unit}h/h": unit for unit in POWER_UNITS}  # energy of an hour, which is the mean power
HOUSE_W = (100.0, 5000.0)
"""What a house draws on average lies between these."""
_BUILDING_W = (5e3, 5e6)
_GRID_W = 5e7
MOST_ASKED = 12
"""Names of columns that a question lists."""
_FEWEST_HOURS = 23  # of the day on which a clock is put forward
LEAST_SIGNED = 0.01
"""Of so many negative readings no one says that they are faults."""
_FEW_READINGS, _FEW_RISES = 10, 5

_LOAD = re.compile(
    r"load|consum|usage|energ|power|demand|meter|reading|kwh|wh\b|kw\b|verbrauch|leistung|last(?:gang)?\b|bezug"
    r"|zähler|zaehler|stand\b|puissance|conso|appliance|import|export|grid|solar|pv\b|generation|yield|electric|strom",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"temp|humid|(?:^|_)rh(?:_|$)|dew|wind|press|visib|price|cost|tariff|rate|volt|current|freq|hz\b|co2|lux|irradi"
    r"|radiation|weather|cloud|rain|preis|feucht|druck|outdoor|indoor|(?:^|_)t_?(?:out|in|[0-9]+)?(?:_|$)|latitude"
    r"|longitude|year|month|day|hour|minute|week|quality|status|flag",
    re.IGNORECASE,
)
_REGISTER = re.compile(
    r"stand\b|register|index\b|counter|cumul|zähler|zaehler|odometer|lifetime|total_increasing", re.I
)
_POWER = re.compile(r"power|leistung|puissance|demand|watt\b|(?:^|_)(?:k|m)?w(?:$|_)", re.IGNORECASE)


@dataclass(frozen=True)
class Counted:
    """What was found in a counter: rows of the table at which each begins are told by the notes."""

    resets: int
    blips: int
    corrections: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Quantity:
    """What the targets are, and the energy or power `[S]` that their readings mean."""

    kind: Answer
    unit: Answer
    signed: Answer
    counted: Mapping[str, Counted]


def candidates(columns: Sequence[Column], taken: Sequence[str]) -> list[Column]:
    """The columns of numbers that vary and may be a load: no weather, no parts of a date."""
    free = [column for column in columns if column.kind == "numbers" and column.name not in taken]
    likely = [column for column in free if not _is_other(column)]
    return likely or free


def find_targets(columns: Sequence[Column], taken: Sequence[str], readings: ReadingsConfig) -> Answer:
    """`readings.targets`; `taken` are the columns of stamps and meters."""
    option = "readings.targets"
    if "targets" in readings.model_fields_set:
        known = [column.name for column in columns]
        missing = [
            f"column {name!r} is missing{nearest(name, known)}" for name in readings.targets if name not in known
        ]
        return Answer(option, list(readings.targets), "asked" if missing else "given", "; ".join(missing) or "given")
    free = [column.name for column in columns if column.kind == "numbers" and column.name not in taken]
    likely = candidates(columns, taken)
    if not free:
        return Answer(option, [], "asked", "which column is to be forecast? No column holds numbers that vary")
    if len(free) == 1:
        return Answer(option, free, "found", f"{free[0]!r} is the only column of numbers that vary")
    if len(likely) == 1:
        why = (
            f"{likely[0].name!r} is the only column of numbers that is no weather, price or part of a date by its name"
        )
        return Answer(option, [likely[0].name], "guessed", why)
    named = [column.name for column in likely if _is_load(column)]
    if len(named) == 1:
        return Answer(option, named, "guessed", f"{named[0]!r} is the only one of a load by its name or unit")
    asked = named or [column.name for column in likely]
    names = ", ".join(repr(name) for name in asked[:MOST_ASKED])
    more = f" and {len(asked) - MOST_ASKED} more" if len(asked) > MOST_ASKED else ""
    why = f"which of these is to be forecast: {names}{more}? One or several (figures are of {asked[0]!r})"
    return Answer(option, asked[:1], "asked", f"{why}{_across(asked)}")


def _across(names: Sequence[str]) -> str:
    """What columns may be that are called alike but for their numbers, such as 00:00 to 23:00: the steps of a day."""
    if len(names) < _FEWEST_HOURS or len({re.sub("[0-9]+", "", name) for name in names}) > 1:
        return ""
    return (
        f". If {names[0]!r} to {names[-1]!r} are the steps of a day, in one row a day, write a file with one row for "
        "each reading, its date and its time"
    )


def find_quantity(
    values: Mapping[str, Floats], columns: Mapping[str, Column], readings: ReadingsConfig, step_s: float | None
) -> Quantity:
    """What the targets are; `values` are their readings `[S]`, `step_s` the seconds between two."""
    said = readings.model_fields_set
    units = {name: columns[name].unit for name in values if name in columns}
    power = [name for name, unit in units.items() if unit in POWER_UNITS or unit in _PER_HOUR]
    told = Answer("readings.kind", readings.kind, "given", "given")
    kind = told if "kind" in said else _counter(values, power) or _no_counter(values, columns, power)
    counted = {}
    if kind.value == "counter":
        results = {name: counter_to_energy(each, signed=readings.signed) for name, each in values.items()}
        counted = {name: _counted(name, result) for name, result in results.items()}
    if readings.unit is not None:
        unit = Answer("readings.unit", readings.unit, "given", "given")
    else:
        unit = _unit(values, columns, str(kind.value), step_s)
    if "signed" in said:
        signed = Answer("readings.signed", readings.signed, "given", "given")
    else:
        signed = _signed(values, str(kind.value))
    return Quantity(kind, unit, signed, counted)


def flow(values: Floats, kind: str, *, signed: bool = False) -> Floats:
    """The energy of each step, or the power, that readings `[S]` of this kind mean `[S]`."""
    return counter_to_energy(values, signed=signed).energy if kind == "counter" else values


def mean_watts(values: Floats, kind: str, unit: str, step_s: float | None) -> float:
    """The median step of readings `[S]` of `unit`, as mean power in W; NaN where the unit or the step is not known."""
    steps = flow(values, kind)
    if not np.isfinite(steps).any():
        return np.nan
    median = float(np.nanmedian(np.abs(steps)))
    if kind == "power":
        return median * POWER_UNITS.get(_PER_HOUR.get(unit, unit), np.nan)
    return median * ENERGY_UNITS.get(unit, np.nan) * 3600 / step_s if step_s else np.nan


def who_draws(watts: float) -> str:
    """Who draws so much on average."""
    if HOUSE_W[0] <= watts <= HOUSE_W[1]:
        return "as a house does"
    if watts < HOUSE_W[0]:
        return "as a single device does"
    if watts <= _BUILDING_W[1]:
        return "as a large building or a site does"
    return "as a town does" if watts < _GRID_W else "as a grid does"


def _is_load(column: Column) -> bool:
    return column.unit in {*ENERGY_UNITS, *POWER_UNITS, *_PER_HOUR} or bool(_LOAD.search(column.name))


def _is_other(column: Column) -> bool:
    if column.unit:
        return column.unit not in {*ENERGY_UNITS, *POWER_UNITS, *_PER_HOUR, "MJ", "GJ", "kJ", "J", "m3", "m³"}
    return bool(_OTHER.search(column.name)) and not _LOAD.search(column.name)


def _counter(values: Mapping[str, Floats], power: Sequence[str]) -> Answer | None:
    """`readings.kind` where some of the readings are a counter's, or may be; None where none are."""
    option = "readings.kind"
    evidence = {name: looks_like_counter(each) for name, each in values.items()}
    counters = [name for name, words in evidence.items() if words]
    if counters and len(counters) == len(values) and not power:
        words = str(evidence[counters[0]]).partition(": it is a counter")[0].removeprefix("it ")
        return Answer(option, "counter", "found", f"{counters[0]!r} {words}: a load falls about as often as it rises")
    if counters:
        others = [name for name in values if name not in counters]
        but = f"but {power[0]!r} is of a unit of power" if power else f"but {others[0]!r} does not"
        why = f"counter, or {'power' if power else 'energy'}? {counters[0]!r} {_rising(values[counters[0]])}, {but}"
        return Answer(option, "counter", "asked", why)
    doubts = [doubt for name, each in values.items() if (doubt := _doubt(name, each, is_power=name in power))]
    return Answer(option, "energy", "asked", doubts[0]) if doubts else None


def _no_counter(values: Mapping[str, Floats], columns: Mapping[str, Column], power: Sequence[str]) -> Answer:
    """`readings.kind` where all readings rise and fall: energy of each step, or power."""
    option = "readings.kind"
    if power and len(power) == len(values):
        unit = columns[power[0]].unit
        return Answer(option, "power", "found", f"{columns[power[0]].unit_from} of {power[0]!r} says {unit}")
    worded = [name for name in values if _POWER.search(name)]
    if worded and not any(columns[name].unit for name in worded if name in columns):
        return Answer(option, "power", "guessed", f"the name {worded[0]!r} is one of power")
    stated = [name for name in values if name in columns and columns[name].unit in ENERGY_UNITS]
    if stated:
        why = f"{columns[stated[0]].unit_from} of {stated[0]!r} says {columns[stated[0]].unit}, and it rises and falls"
        return Answer(option, "energy", "found", why)
    return Answer(option, "energy", "guessed", "it rises and falls as energy of each step does; power would, too")


def _rising(values: Floats) -> str:
    steps = np.diff(values[~np.isnan(values)])
    return f"rises {int((steps > 0).sum()):,} times and falls {int((steps < 0).sum()):,} times"


def _doubt(name: str, values: Floats, *, is_power: bool) -> str:
    """Why it cannot be told whether readings `[S]` that do not look like a counter's are some all the same."""
    readings = values[~np.isnan(values)]
    steps = np.diff(readings)
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    if is_power or len(readings) < 3:
        return ""
    if not falls and rises >= _FEW_RISES and len(readings) >= _FEW_READINGS:
        return f"counter or energy? {name!r} never falls in {len(readings):,} readings, which are too few to tell"
    if _REGISTER.search(name) and falls <= 0.2 * rises:
        return f"counter or energy? {name!r} is called as a register is, and {_rising(values)}"
    if falls and falls <= 0.05 * rises and rises >= 20:
        return f"counter or energy? {name!r} {_rising(values)}: too often for a counter, too seldom for a load"
    return ""


def _counted(name: str, found: CounterEnergy) -> Counted:
    return Counted(len(found.resets), len(found.blips), len(found.corrections), found.notes(name))


def _unit(values: Mapping[str, Floats], columns: Mapping[str, Column], kind: str, step_s: float | None) -> Answer:
    option = "readings.unit"
    stated = {name: columns[name].unit for name in values if name in columns and columns[name].unit}
    different = sorted(set(stated.values()))
    if len(different) > 1:
        said = ", ".join(f"{name!r} of {unit}" for name, unit in stated.items())
        return Answer(
            option, different[0], "asked", f"the targets are of several units, {said}: take those of one unit"
        )
    if different:
        name, unit = next(iter(stated.items()))
        why = f"{columns[name].unit_from} of {name!r} says {unit}"
        return Answer(option, _PER_HOUR.get(unit, unit), "found", why + _magnitude(values[name], kind, unit, step_s))
    if not values:
        return Answer(option, None, "guessed", "no target is known yet")
    return Answer(option, None, "asked", _which_unit(values, kind, step_s))


def _magnitude(values: Floats, kind: str, unit: str, step_s: float | None) -> str:
    watts = mean_watts(values, kind, unit, step_s)
    return (
        f"; its median step is {_watts(watts)} on average, {who_draws(watts)}" if np.isfinite(watts) and watts else ""
    )


def _which_unit(values: Mapping[str, Floats], kind: str, step_s: float | None) -> str:
    """The question for a unit, with what the magnitude says."""
    name, readings = next(iter(values.items()))
    units = POWER_UNITS if kind == "power" else ENERGY_UNITS
    told = {unit: mean_watts(readings, kind, unit, step_s) for unit in list(units)[:3]}
    if not all(np.isfinite(watts) and watts for watts in told.values()):
        return f"which unit, {', '.join(told)} or another? Nothing in the file says it of {name!r}"
    ways = ", ".join(f"{_watts(watts)} if {unit}" for unit, watts in told.items())
    likely = [unit for unit, watts in told.items() if HOUSE_W[0] <= watts <= HOUSE_W[1]]
    guess = f": a house draws 100 W to 5 kW, so {likely[0]} is likely" if likely else ""
    other = "" if kind == "power" else "; if it is of power, W or kW, say kind = 'power', too"
    return f"which unit? Nothing in the file says it; the median step of {name!r} is {ways}{guess}{other}"


def _watts(watts: float) -> str:
    for unit, size in (("GW", 1e9), ("MW", 1e6), ("kW", 1e3)):
        if watts >= size:
            return f"{readable(watts / size, 0)} {unit}"
    return f"{readable(watts, 0)} W"


def _marks(known: Floats) -> bool:
    """All negative ones of the readings are one number such as -1 or -9999, which no meter would read again."""
    negative = np.unique(known[known < 0])
    if len(negative) != 1 or not (known >= 0).any():
        return False
    return bool(re.fullmatch(r"-(?:1|9+)", f"{negative[0]:.10g}"))


def _signed(values: Mapping[str, Floats], kind: str) -> Answer:
    option = "readings.signed"
    if kind == "counter":
        return Answer(
            option, False, "guessed", "a counter's falls are taken as resets; one net of solar runs backwards"
        )
    for name, each in values.items():
        known = each[~np.isnan(each)]
        negative = int((known < 0).sum())
        if negative:
            why = f"{negative:,} of {len(known):,} readings of {name!r} are negative, down to {known.min():g}"
            if _marks(known):
                asked = (
                    f"{negative:,} of {len(known):,} readings of {name!r} are {known.min():g}, and no other is negative"
                )
                why = f"does that number mark missing readings? {asked}: leave those cells empty, or say true"
                return Answer(option, True, "asked", why)
            if negative >= LEAST_SIGNED * len(known):
                return Answer(option, True, "found", f"{why}: a load net of solar, or generation")
            return Answer(option, True, "guessed", f"{why}: if they are faults, mend them and say false")
    return Answer(option, False, "found", "no reading is negative")
