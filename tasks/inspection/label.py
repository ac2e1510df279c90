"""Where in its step a time stamp stands: at its start or at its end."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from wattcast.model.grid import Label
from wattcast.model.readings import ReadingsConfig
from wattcast.model.stamps import is_text
from wattcast.tasks.inspection.answers import Answer
from wattcast.tasks.inspection.clock import Timeline
from wattcast.tasks.inspection.columns import Column
from wattcast.tasks.inspection.stamp_column import MOMENTS, follows_on

_HEAD_ROWS = 200
_MIDNIGHT = r"(?:^|[^0-9:])24:00(?::00)?\s*$"  # not 17:24:00
_END = re.compile(r"\bend|ending|\bto$|\buntil\b|\bbis$|\bende\b|\bfin$|_end\b|_to$", re.IGNORECASE)
_START = re.compile(r"start|begin|\bfrom\b|\bvon\b|\bab$|debut|début|_from$", re.IGNORECASE)


def find_label(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    said: ReadingsConfig,
    *,
    stamp: str,
    time_of_day: str | None,
    local: pd.DatetimeIndex,
    line: Timeline,
) -> Answer:
    """`readings.label` of the stamps in the column `stamp`, whose local times `[V]` are in the order of time."""
    option = "readings.label"
    if "label" in said.model_fields_set:
        return Answer(option, said.label, "given", "given")
    told = _by_columns(frame, columns, stamp, time_of_day) or _by_writing(frame[stamp], stamp) or _by_days(local, line)
    if told is None:
        return Answer(option, "start", "guessed", "most meters write the start of a step, and nothing here tells")
    return Answer(option, told[0], "found", told[1])


_Told = tuple[Label, str]


def _by_columns(frame: pd.DataFrame, columns: Sequence[Column], stamp: str, time_of_day: str | None) -> _Told | None:
    if any(column.name == stamp and column.kind == "intervals" for column in columns):
        return "start", f"{stamp!r} holds start and end of each step; the start is taken"
    ours, kinds = (stamp, MOMENTS) if time_of_day is None else (time_of_day, ("times of day",))
    for other in (column.name for column in columns if column.kind in kinds and column.name != ours):
        if follows_on(frame[ours].iloc[:_HEAD_ROWS], frame[other].iloc[:_HEAD_ROWS]):
            return "start", f"{other!r} holds the end of the step that begins at {ours!r}"
        if follows_on(frame[other].iloc[:_HEAD_ROWS], frame[ours].iloc[:_HEAD_ROWS]):
            return "end", f"{other!r} holds the start of the step that ends at {ours!r}"
    return None


def _by_writing(cells: pd.Series, stamp: str) -> _Told | None:
    late = cells[cells.astype("str").str.contains("24:00", regex=False)] if is_text(cells) else cells[:0]
    if len(late) and late.astype("str").str.contains(_MIDNIGHT, regex=True).any():
        return "end", "days end at 24:00, with the reading of their last step"
    ends, starts = (bool(pattern.search(stamp)) for pattern in (_END, _START))
    return ("end" if ends else "start", f"the heading {stamp!r} says so") if ends is not starts else None


def _by_days(local: pd.DatetimeIndex, line: Timeline) -> _Told | None:
    """What the first and the last stamp say, where they begin and end whole days."""
    midnight, step = pd.Timedelta(0), pd.Timedelta(seconds=line.step_s or 0)
    if not line.regular or not midnight < step < pd.Timedelta(hours=12):
        return None
    first, last = (local[row] - local[row].normalize() for row in (0, -1))
    begins = f"the first day begins with {local[0]:%H:%M}"
    if first == midnight and last + step == pd.Timedelta(days=1):
        return "start", f"{begins}, the last one ends with {local[-1]:%H:%M}"
    if first == step and last == midnight:
        return "end", f"{begins}, and the last one ends at midnight"
    return None
