"""Files of several meters one below another: which one is meant."""

from __future__ import annotations

import pandas as pd

from wattcast.model.meters import Meters, rows_of_meter
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.inspection.answers import Answer

_NAMED = 5


def choose_meter(meters: Meters | None, frame: pd.DataFrame, readings: ReadingsConfig) -> Answer | None:
    """`readings.meter`, whose value is the column and the meter; None where the file is of one."""
    option = "readings.meter"
    if readings.meter is not None:
        given = readings.meter.model_dump()
        _, _, faults = rows_of_meter(frame, readings)
        return Answer(
            option,
            given,
            "asked" if faults else "given",
            f"which meter? {faults[0][:1].upper()}{faults[0][1:]}" if faults else "given",
        )
    if meters is None:
        return None
    first = next(iter(meters.rows))
    names = ", ".join(repr(name) for name in list(meters.rows)[:_NAMED])
    more = f" and {len(meters.rows) - _NAMED} more" if len(meters.rows) > _NAMED else ""
    why = (
        f"which meter? Column {meters.column!r} names {len(meters.rows):,}: {names}{more}. Write such as "
        f"{{ column = {meters.column!r}, is = {first!r} }} (figures are of {first!r}){meters.doubt}"
    )
    return Answer(option, {"column": meters.column, "is": first}, "asked", why)
