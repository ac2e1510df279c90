"""The folds of a rolling origin: what each may know, and which forecasts it scores.

The last fold scores the newest forecasts whose whole target is there, the others those before it, `step` after `step`.
What a fold knows ends `gap` before its first forecast is made; its newest share is validation.

N: forecasts of a fold. M: all forecasts there are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from wattcast.model.durations import duration
from wattcast.model.errors import InputError
from wattcast.model.split import Split, SplitConfig, parts_of_known, rows_until
from wattcast.model.windows import WindowConfig, window_starts
from wattcast.tasks.backtest.cuts import DAY
from wattcast.tasks.backtest.known import Span

_MOST_FOLDS = 1000
_NOTHING = re.compile(r"\s*0\s*")
_AS = "a duration in days or hours such as 7d or 36h"


@dataclass(frozen=True)
class Origin:
    """One fold by its moments; readings up to `cut` are known to it."""

    number: int  # from 1
    known_from: pd.Timestamp
    cut: pd.Timestamp
    made_at: pd.DatetimeIndex  # [N]
    trained: int  # the number of the fold whose networks forecast it

    def rows(self, times: pd.DatetimeIndex, split: SplitConfig, window: WindowConfig) -> Split[range]:
        """Its rows among those at `times`; its part for tests holds the targets of all that it scores."""
        known = range(int(times.searchsorted(self.known_from)), int(times.searchsorted(self.cut, side="right")))
        first, last = (int(times.searchsorted(moment)) for moment in self.made_at[[0, -1]])
        scored = range(first + window.steps_ahead, last + window.steps_ahead + window.output_length)
        return Split(*parts_of_known(known, split.train, split.validation), scored)


@dataclass(frozen=True)
class Folding:
    """How a backtest folds the readings."""

    folds: int
    step: pd.Timedelta
    window: Span
    train: pd.Timedelta  # that is known: of each fold when sliding, of the first one at least when expanding
    gap: pd.Timedelta
    refit: int | None  # folds that share a training; None: all

    @classmethod
    def read(cls, *, folds: int, step: str, window: Span, train: str, gap: str, refit: str) -> Folding:
        """From what was typed.

        Raises:
            InputError: one of them cannot be used; all that cannot are in one message.
        """
        faults = []

        def span(name: str, given: str, least: pd.Timedelta, words: str) -> pd.Timedelta:
            length = pd.Timedelta(0) if _NOTHING.fullmatch(given) else duration(given)
            if length is None or length < least:
                faults.append(f"{name} must be {_AS}, {words}, received {given!r}")
            return length or least

        if not 1 <= folds <= _MOST_FOLDS:
            faults.append(f"folds must be 1 to {_MOST_FOLDS}, received {folds}")
        if window not in {"expanding", "sliding"}:
            faults.append(f"window must be expanding or sliding, received {window!r}")
        every = {"always": 1, "never": None}.get(refit, int(refit) if refit.isdecimal() else 0)
        if every == 0:
            faults.append(f"refit must be always, never or a number of folds of at least 1, received {refit!r}")
        spans = (
            span("step", step, DAY, "at least 1d"),
            span("train", train, DAY, "at least 1d"),
            span("gap", gap, pd.Timedelta(0), "or 0"),
        )
        if faults:
            raise InputError("\n".join(faults))
        return cls(folds, spans[0], window, spans[1], spans[2], every)

    @property
    def refitted(self) -> str:
        """How often networks are trained, in words."""
        if self.refit is None:
            return "never"
        return "in each" if self.refit == 1 else f"in every {self.refit}"

    def origins(self, moments: pd.DatetimeIndex, first: pd.Timestamp, cadence: pd.Timedelta) -> tuple[Origin, ...]:
        """The folds of forecasts that can be made at `moments` `[M]`, of readings from `first` on.

        A fold in which none can be made lies in a gap of the readings and is left out.

        Raises:
            InputError: they do not fit the readings.
        """
        end = moments[-1] + cadence
        room = end - self.gap - self.train + cadence - first  # for all that is scored
        if self.step > room:
            most = f"step may be at most {room // DAY}d" if room >= DAY else "train is more than all there is"
            raise InputError(
                f"a fold of {_told(self.step)} behind {_told(self.train)} that are known{self._beside()} is longer "
                f"than the readings, which begin at {first} and whose newest forecast is made at {moments[-1]}: {most}"
            )
        if self.folds * self.step > room:
            raise InputError(
                f"{self.folds} folds of {_told(self.step)} leave less than the {_told(self.train)} that the first is "
                f"to know{self._beside()}: readings begin at {first}, and the newest forecast is made at "
                f"{moments[-1]}; at most {room // self.step} folds of that step fit, or ask to know less with train"
            )
        made: list[Origin] = []
        for place in range(self.folds, 0, -1):
            begins = end - place * self.step
            some = moments[slice(*moments.searchsorted(pd.DatetimeIndex([begins, begins + self.step])))]
            if not len(some):
                continue
            cut, number = begins - self.gap, len(made) + 1
            known_from = max(first, cut - self.train + cadence) if self.window == "sliding" else first
            trained = 1 if self.refit is None else number - (number - 1) % self.refit
            made.append(Origin(number, known_from, cut, some, trained))
        return tuple(made)

    def _beside(self) -> str:
        return f" and a gap of {_told(self.gap)}" if self.gap else ""


def forecasts_made(
    times: pd.DatetimeIndex, split: SplitConfig, window: WindowConfig, cadence: pd.Timedelta
) -> pd.DatetimeIndex:
    """`[M]` when forecasts can be made of readings at `times` whose whole target is there."""
    used = times[: rows_until(times, split)]
    starts, _ = window_starts(used, range(len(used)), cadence, window)
    return used[starts + window.lookback - 1]


def chains(origins: Sequence[Origin]) -> list[tuple[Origin, ...]]:
    """Folds that share a training, in their order: the first one of each chain is trained."""
    return [tuple(chain) for _, chain in groupby(origins, key=lambda origin: origin.trained)]


def _told(span: pd.Timedelta) -> str:
    hours = span / pd.Timedelta(hours=1)
    return f"{hours / 24:g}d" if hours % 24 == 0 else f"{hours:g}h"
