"""A file -> what it holds: each step is a module of this folder; here is their order.

S rows of the table, V readings in the order of time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from wattcast.model.clean import clean, stamp_cells
from wattcast.model.errors import InputError
from wattcast.model.gaps import completeness
from wattcast.model.meters import Meters, find_meters, rows_of_meter
from wattcast.model.order import Mended, put_in_order, times_of
from wattcast.model.readings import Meter, ReadingsConfig
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.files import SUFFIXES
from wattcast.tasks.data.table import Table, read_table_file, with_numbers
from wattcast.tasks.inspection.answers import Answer
from wattcast.tasks.inspection.clock import Stamps, Timeline, read_clock, timeline, why_unread
from wattcast.tasks.inspection.columns import numbers_of, read_columns
from wattcast.tasks.inspection.findings import Inspection, Trial
from wattcast.tasks.inspection.habits import find_habits
from wattcast.tasks.inspection.label import find_label
from wattcast.tasks.inspection.meters import choose_meter
from wattcast.tasks.inspection.quantity import find_quantity, find_targets, flow
from wattcast.tasks.inspection.stamp_column import find_stamps
from wattcast.tasks.inspection.zone import Zone

EVEN_MINUTES = (1, 5, 10, 15, 30, 60)
"""Cadences that readings at irregular times are resampled to."""
_DAY = 24 * 60  # minutes

Say = Callable[[str], None]


@dataclass(frozen=True)
class Inspected:
    """What was found, and the series that figures show."""

    found: Inspection
    series: pd.DataFrame  # [V, targets] energy of each step, or power; NaN where it is missing, over local times
    moments: pd.DatetimeIndex  # [V] of an even clock


def inspect(
    path: Path,
    dialect: Dialect | None = None,
    readings: ReadingsConfig | None = None,
    say: Say = lambda _: None,
) -> Inspected:
    """What the file at `path` holds, with the evidence for it.

    Args:
        path: of any file that `read_table_file` reads.
        dialect: what is said of how it is written.
        readings: what is said of its readings: the fields that are set.
        say: is told what is done next.

    Raises:
        InputError: the file cannot be read, or holds no table, or one that can be read in two ways.
    """
    dialect, said = dialect or Dialect(), readings or ReadingsConfig()
    say("reading the file")
    content, table = read_table_file(path, dialect)
    written = table.found.dialect
    say("reading numbers")
    frame = with_numbers(table.frame, written.decimal or ".", written.thousands or "")
    columns = read_columns(frame, table.units, written)
    say("reading time stamps")
    stamp_answers = find_stamps(frame, columns, said, written)
    known = _known(said, stamp_answers)
    ours, meters, meter = _one_meter(frame, known)
    stamps = read_clock(_cells(ours, known), known) if known.timestamp in ours and len(ours) else None
    say("looking at the readings")
    targets = find_targets(columns, [*_taken(known, meters), *said.known], said)
    answers = (*_file_answers(path, dialect, table), *stamp_answers, *([meter] if meter else []), targets)
    unread = "no time stamps can be read"
    if stamps is None and known.timestamp in ours:
        unread = why_unread(_cells(ours, known), known)
    nothing_yet = Trial(0, (), (unread,))
    found = Inspection(path.name, len(content), len(frame), columns, meters, answers, {}, nothing_yet)
    inspected = _looked_at(found, ours, stamps, said=said, known=known, written=written)
    expressed = tuple(map(_expressible, inspected.found.answers))
    return replace(inspected, found=replace(inspected.found, answers=expressed))


def _one_meter(frame: pd.DataFrame, known: ReadingsConfig) -> tuple[pd.DataFrame, Meters | None, Answer | None]:
    """The rows of one meter, the meters of the file, and which is meant, where there are several."""
    if known.timestamp not in frame:
        return frame, None, None
    taken = [name for name in (known.timestamp, known.time_of_day) if name]
    meters = find_meters(frame, pd.Index(_cells(frame, known)), taken)
    meter = choose_meter(meters, frame, known)
    if meter is None or (meter.asked and known.meter is not None):
        return frame, meters, meter
    chosen = known.model_copy(update={"meter": Meter.model_validate(meter.value)})
    return rows_of_meter(frame, chosen)[0], meters, meter


def _cells(rows: pd.DataFrame, known: ReadingsConfig) -> pd.Series:
    """What says when a reading of `rows` was taken, date and time of day as one."""
    try:
        return pd.Series(stamp_cells(rows, known), index=rows.index)
    except InputError:  # a column of times of day that was given and holds something else: the trial says so
        return rows[known.timestamp]


def _looked_at(
    found: Inspection,
    ours: pd.DataFrame,
    stamps: Stamps | None,
    *,
    said: ReadingsConfig,
    known: ReadingsConfig,
    written: Dialect,
) -> Inspected:
    """What the rows `ours` of one meter hold, at the moments that `stamps` tells."""
    targets = [name for name in found.targets if name in ours]
    rows = stamps.rows if stamps else np.arange(len(ours))
    index = stamps.moments if stamps else pd.RangeIndex(len(rows))
    raw = pd.DataFrame({name: numbers_of(ours[name].iloc[rows], written) for name in targets}, index=index)
    line = timeline(stamps) if stamps else None
    ordered = put_in_order(raw) if stamps else Mended(raw)
    readings = {name: ordered.frame[name].to_numpy(np.float64) for name in targets}
    by_name = {column.name: column for column in found.columns}
    quantity = find_quantity(readings, by_name, said, line.step_s if line else None)
    kind, signed = str(quantity.kind.value), bool(quantity.signed.value)
    flows = {name: flow(each, kind, signed=signed) for name, each in readings.items()}
    answers = (*found.answers, quantity.kind, quantity.unit, quantity.signed)
    found = replace(found, answers=answers, counted=quantity.counted)
    if stamps is None or line is None:
        return Inspected(found, pd.DataFrame(flows), pd.DatetimeIndex([]))
    moments = times_of(ordered.frame)
    local = _local(stamps, moments)
    answers += (
        *(stamps.form, _zone_answer(stamps.zone, said), _cadence(line, said)),
        find_label(
            ours.assign(**{known.timestamp: _cells(ours, known)}),
            found.columns,
            said,
            stamp=known.timestamp,
            time_of_day=known.time_of_day,
            local=local,
            line=line,
        ),
        _features(found, known, said),
        *_ahead(said),
    )
    step_s = line.step_s if line.regular else None
    found = replace(
        found,
        answers=answers,
        trial=_tried(ours, answers, written),
        timeline=line,
        zone=stamps.zone,
        unread_stamps=stamps.unread,
        first_unread=stamps.first_unread,
        habits=tuple(
            find_habits(name, readings[name], flows[name], moments=moments, local=local, step_s=step_s)
            for name in targets
        ),
    )
    return Inspected(found, pd.DataFrame(flows, index=local), moments)


def _known(said: ReadingsConfig, answers: tuple[Answer, ...]) -> ReadingsConfig:
    """What is said, with the columns of the stamps."""
    held = {answer.option.rpartition(".")[2]: answer.value for answer in answers}
    return said.model_copy(update={"timestamp": held.pop("timestamp") or "", **held})


def _file_answers(path: Path, given: Dialect, table: Table) -> list[Answer]:
    """`data` and `file.*`."""
    name = str(path)
    data = Answer("data", name, "given", "the file that was inspected")
    if not name.lower().endswith(SUFFIXES):
        data = Answer("data", name, "asked", f"rename {path.name!r} to end in one of {', '.join(SUFFIXES)}")
    held = table.found.dialect.model_dump(exclude_none=True)
    said = given.model_dump(exclude_none=True)
    return [
        data,
        *(
            Answer(
                f"file.{option}", value, "given" if option in said else "found", table.found.evidence.get(option, "")
            )
            for option, value in held.items()
        ),
    ]


def _local(stamps: Stamps, moments: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The local time of each of the sorted, unique `moments` `[V]`."""
    if stamps.moments is stamps.local:
        return moments
    first = ~np.asarray(stamps.moments.duplicated())
    order = np.argsort(stamps.moments[first].to_numpy(), kind="stable")
    return stamps.local[first][order]


def _zone_answer(zone: Zone, said: ReadingsConfig) -> Answer:
    option = "readings.timezone"
    if said.timezone is not None:
        return Answer(option, said.timezone, "given", "given")
    if zone.kind == "offsets" and zone.name is None:
        return Answer(option, None, "asked", f"which zone? {zone.why[:1].upper()}{zone.why[1:]}")
    if zone.kind == "unknown":
        return Answer(option, None, "guessed", f"taken as one fixed clock: {zone.why}")
    return Answer(option, zone.name, "found" if zone.kind in ("typed", "fixed") else "guessed", zone.why)


def _cadence(line: Timeline, said: ReadingsConfig) -> Answer:
    option = "readings.cadence_minutes"
    if "cadence_minutes" in said.model_fields_set:
        return Answer(option, said.cadence_minutes, "given", "given")
    if line.step_s is None:
        return Answer(option, None, "asked", "how many minutes lie between two readings? There is one alone")
    minutes = line.step_s / 60
    if minutes > _DAY and 2 * line.jitter > line.stamps:
        apart = f"readings lie about {minutes / _DAY:.0f} days apart, by the calendar"
        return Answer(option, None, "asked", f"{apart}: no cadence in minutes; bring finer ones")
    if line.regular and minutes == int(minutes):
        return Answer(option, int(minutes), "found", f"{100 * line.share:.1f} % of the distances are {line.step}")
    chosen = next((even for even in EVEN_MINUTES if even >= 2 * minutes), _DAY)
    how = f"readings lie {line.step} apart" if line.regular else f"readings come irregularly, about every {line.step}"
    return Answer(option, chosen, "guessed", f"{how}: resampled to {chosen} minutes")


def _taken(known: ReadingsConfig, meters: Meters | None) -> list[str]:
    """Columns that hold no readings."""
    told = [each.column for each in (meters, known.meter) if each is not None]
    return [name for name in (known.timestamp, known.time_of_day, *told) if name]


def _features(found: Inspection, known: ReadingsConfig, said: ReadingsConfig) -> Answer:
    option = "readings.features"
    if "features" in said.model_fields_set:
        return Answer(option, list(said.features), "given", "given")
    used = {*_taken(known, found.meters), *found.targets, *said.known}
    free = [column.name for column in found.columns if column.kind == "numbers" and column.name not in used]
    if not free:
        return Answer(option, [], "found", "no other column holds numbers that vary")
    listed = ", ".join(f'"{name}"' for name in free[:20]) + (f" and {len(free) - 20} more" if len(free) > 20 else "")
    return Answer(option, [], "guessed", f"none; columns that may help: {listed}")


def _ahead(said: ReadingsConfig) -> tuple[Answer, ...]:
    """What is said of what is known ahead: no file tells it."""
    given = {"known": list(said.known), "holidays": said.holidays}
    return tuple(Answer(f"readings.{name}", value, "given", "given") for name, value in given.items() if value)


def _tried(rows: pd.DataFrame, answers: tuple[Answer, ...], written: Dialect) -> Trial:
    """The `rows` of one meter as they came, cleaned as the answers say: as a training would."""
    held = {answer.option.rpartition(".")[2]: answer.value for answer in answers}
    targets = [name for name in held["targets"] if name in rows]
    if not targets or held["cadence_minutes"] is None:
        return Trial(0, (), ("no column to forecast, or no cadence, is known yet",))
    told = ("timestamp", "time_of_day", "time_format", "timezone", "cadence_minutes", "kind", "signed", "label")
    try:
        config = ReadingsConfig(
            targets=tuple(targets),
            decimal=written.decimal or ".",
            thousands=written.thousands or "",
            **{name: held[name] for name in told if held.get(name) is not None},
        )
    except ValidationError as fault:  # a name that forecasts have, a label that intervals leave no choice of
        return Trial(0, (), tuple(each["msg"].removeprefix("Value error, ") for each in fault.errors()))
    if config.timezone is None and any(answer.option == "readings.timezone" and answer.asked for answer in answers):
        config = config.model_copy(update={"timezone": "UTC"})  # until it is told
    cleaned = clean(rows, config)
    times, faults = cleaned.frame.index, list(cleaned.faults)
    if not faults and len(times):
        whole = completeness(pd.DatetimeIndex(times), config.cadence, part="all readings", floor=config.completeness)
        faults += [] if whole.enough else [whole.sentence]
        faults += [
            f"column {name!r} is a target and must vary" for name in targets if cleaned.frame[name].nunique() < 2
        ]
    if not faults and not len(times):
        faults.append("no step is whole")
    return Trial(len(times), cleaned.notes, tuple(faults))


def _expressible(answer: Answer) -> Answer:
    """As it is, or a question where a configuration would take its value for one."""
    held = answer.value.values() if isinstance(answer.value, dict) else [answer.value]
    if answer.asked or not any(isinstance(value, str) and value.startswith("?") for value in held):
        return answer
    why = f"{answer.value!r} begins with the mark of a question: rename it in the file"
    return Answer(answer.option, answer.value, "asked", why)
