"""The register of a meter, which only rises, to the energy between its readings.

S readings in the order of time, NaN where one is missing; V of them are not. A reading's difference is the energy of
the step that *ends* with it; whoever labels steps by their start moves it there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattcast.model.arrays import Floats, Rows

ORDINARY = 10
"""A step of more than so many median rises is not what a counter does every day."""
BLIP_READINGS = 3
"""A counter that is back after at most so many readings had a blip; after more it was reset."""
SMALL_FALL = 0.9
"""A counter that falls to this share of its value, or to more, was corrected: one that restarts begins near zero."""
LEAP = 1000
"""A step of more than so many median rises is told."""
COUNTER_READINGS, COUNTER_RISES, COUNTER_FALLS = 100, 20, 0.01
"""What a counter shows at least: readings, rises, and falls as a share of its rises at most."""


@dataclass(frozen=True)
class CounterEnergy:
    """The differences of a counter, each with the reading that it counts from."""

    energy: Floats  # [S] since the reading `since`; NaN at missing readings, the first one, and where nobody can know
    since: Rows  # [S] the reading before that is not missing; -1 at missing readings and the first one
    resets: Rows  # readings at which the counter had started again from zero
    blips: Rows  # readings that were ignored: the counter came back
    corrections: Rows  # readings at which it fell a little and stayed there
    leaps: Rows  # readings with an energy of more than `LEAP` median rises, which is kept
    median: float  # rise; infinite where the counter never rises

    def in_steps(self, *, longest: int = 0) -> Floats:
        """Energy `[S]` of the step that ends with each reading.

        Across a hole of up to `longest` missing readings the energy is spread evenly over its steps, as if the counter
        had been interpolated: the sum is conserved. How the energy of a longer hole lies in time nobody knows: all its
        steps are NaN, the one that ends with the first reading after it too.
        """
        rows = np.arange(len(self.energy))
        steps = rows - self.since  # that each energy spans
        known = (self.since >= 0) & (steps <= longest + 1)
        ends = rows[known]
        span = steps[known]
        energy = np.full(len(rows), np.nan)
        places = np.repeat(ends, span) - (np.arange(span.sum()) - np.repeat(np.cumsum(span) - span, span))
        energy[places] = np.repeat(self.energy[known] / span, span)
        return energy

    def notes(self, name: str) -> tuple[str, ...]:
        """One sentence for each kind of thing that was found in the counter `name`, with its count and first row."""
        told = (
            (self.resets, "fell and began again from zero"),
            (self.blips, "left the counter's course and came back: ignored, the energy goes to the step that recovers"),
            (self.corrections, "fell a little and stayed: a correction, without energy"),
            (self.leaps, f"rose by more than {LEAP:,} times the median rise: kept, look whether that is energy"),
        )
        return tuple(
            f"counter {name!r}: {len(rows):,} of {len(self.energy):,} readings {what} (first in row {rows[0]})"
            for rows, what in told
            if len(rows)
        )


def counter_to_energy(values: Floats, *, signed: bool = False, median: float | None = None) -> CounterEnergy:
    """The energy between the readings of a counter `[S]`, in the counter's unit.

    * A fall is a reset: the new value counts from zero.
    * Unless it recovers, which is a blip: up to `BLIP_READINGS` readings lie outside the range from the last good
      value to a later one that is no lower; taken as they stand they would mean a step of more than `ORDINARY` median
      rises, and without them the counter goes on in ordinary steps (or in a tenth of that step). Blips up and down are
      ignored alike: their steps have no energy, and the step that recovers has all of it.
    * Unless it is a small one (to `SMALL_FALL` of the value or more) which, as a reset, would be no ordinary step: a
      correction, without energy.
    * A large fall among the newest readings, too late to see whether it recovers, and no ordinary step as a reset,
      gives no energy (NaN).

    Args:
        values: readings in the order of time, NaN where one is missing.
        signed: the counter may run backwards, as one net of solar does: every difference is taken as it is.
        median: the median rise of the readings that a model was trained on, so that a few new ones are judged as those
            were; without it that of `values` counts.
    """
    rows = np.flatnonzero(~np.isnan(values))
    readings = values[rows]
    energy, since = np.full(len(values), np.nan), np.full(len(values), -1, np.int64)
    since[rows[1:]] = rows[:-1]
    if median is None:
        rises = np.diff(readings)
        rises = rises[rises > 0]
        median = float(np.median(rises)) if len(rises) else np.inf
    found = _Found([], [], [], []) if signed else _judge_falls(readings, ORDINARY * median)
    good = np.arange(len(readings))
    good[found.blips] = 0
    held = readings[np.maximum.accumulate(good)]  # blips hold the last good value
    steps = np.diff(held)
    for places, taken in ((found.resets, held[found.resets]), (found.corrections, 0.0), (found.undecided, np.nan)):
        steps[np.array(places, np.int64) - 1] = taken
    energy[rows[1:]] = steps
    with np.errstate(invalid="ignore"):
        leaps = np.flatnonzero((np.abs(energy) > LEAP * median) & (since == np.arange(len(values)) - 1))
    return CounterEnergy(energy, since, rows[found.resets], rows[found.blips], rows[found.corrections], leaps, median)


def looks_like_counter(values: Floats) -> str | None:
    """The evidence that readings `[S]` given as energy are a counter's, as a sentence; None where there is none.

    A load falls about as often as it rises. A counter does not fall, but for a reset now and then; that is looked for
    in no fewer than `COUNTER_READINGS` readings with `COUNTER_RISES` rises, which no morning's ramp has.
    """
    readings = values[~np.isnan(values)]
    steps = np.diff(readings)
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    if len(readings) < COUNTER_READINGS or rises < COUNTER_RISES or falls > COUNTER_FALLS * rises:
        return None
    seldom = "never falls" if not falls else f"falls {falls:,} times"
    return (
        f"it {seldom} and rises {rises:,} times in {len(steps):,} steps, from {readings[0]:.10g} to "
        f"{readings[-1]:.10g}: it is a counter; say so with readings.kind = 'counter', which takes the differences"
    )


@dataclass(frozen=True)
class _Found:
    """Places among the readings of a counter that are not missing."""

    resets: list[int]
    blips: list[int]
    corrections: list[int]
    undecided: list[int]


def _judge_falls(readings: Floats, ordinary: float) -> _Found:
    """What each fall of `readings` `[V]` is, where no step is larger than `ordinary` every day."""
    found = _Found([], [], [], [])
    after = 0
    for place in _suspects(np.diff(readings), ordinary).tolist():
        if place < after:
            continue
        last = readings[place - 1 : place + BLIP_READINGS + 1].tolist()  # the good value, then what follows
        back = _back(last, ordinary)
        if back is not None:
            found.blips.extend(range(place, place + back - 1))
            after = place + back
        elif last[1] >= last[0]:
            continue  # a leap that stays
        elif last[1] <= ordinary:
            found.resets.append(place)
        elif last[1] >= SMALL_FALL * last[0]:
            found.corrections.append(place)
        else:
            (found.resets if place + BLIP_READINGS < len(readings) else found.undecided).append(place)
    return found


def _suspects(steps: Floats, ordinary: float) -> npt.NDArray[np.int64]:
    """The places after a fall, and after a leap that a fall follows soon."""
    falls = steps < 0
    soon = falls.copy()
    for later in range(1, BLIP_READINGS + 1):
        soon[:-later] |= falls[later:]
    return np.flatnonzero(falls | ((steps > ordinary) & soon)) + 1


def _back(last: list[float], ordinary: float) -> int | None:
    """At which place of `last` a blip that begins at place 1 is over; None where it is no blip."""
    good = last[0]
    largest = last[1] - good if last[1] >= good else last[1]  # step, if the readings are taken as they stand
    doubtful = None
    for place in range(2, len(last)):
        step = last[place] - last[place - 1]
        largest = max(largest, step if step >= 0 else last[place])
        gain = last[place] - good
        outside = all(not good <= reading <= last[place] for reading in last[1:place])
        if gain < 0 or not outside or largest <= ordinary:
            continue
        if gain <= ordinary * place:
            return place
        if doubtful is None and gain <= largest / ORDINARY:  # a large load meanwhile, or a second wrong reading
            doubtful = place
    return doubtful
