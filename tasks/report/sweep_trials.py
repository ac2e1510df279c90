"""The ended trials of a study as tables and figures want them: in the order of their tickets, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from wattcast.tasks.numbers import with_unit
from wattcast.tasks.report.figure import fine, plain
from wattcast.tasks.tuning.study import FOLDS, TICKET

STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class Results:
    """All trials that have ended. Values are RMSE on validation, in `unit`, the mean over `folds`."""

    trials: tuple[FrozenTrial, ...]
    unit: str | None
    folds: int = 1

    @classmethod
    def of(cls, study: optuna.Study, unit: str | None) -> Results:
        """The trials of `study`, by their tickets."""
        return cls(tuple(sorted(study.trials, key=ticket)), unit, study.user_attrs.get(FOLDS, 1))

    @property
    def step(self) -> str:
        """What a trial has told of, one by one: its epochs, or its folds where there are several."""
        return "fold" if self.folds > 1 else "epoch"

    @property
    def until_pruned(self) -> str:
        """What the value of a pruned trial is."""
        return "mean until then" if self.folds > 1 else "lowest until then"

    def reached(self, trial: FrozenTrial) -> float:
        """A trial's value; what it had come to before it was pruned; NaN where it has failed.

        Of epochs that is the lowest, of folds the mean over those that had ended. Optuna itself gives a pruned trial
        its last value.
        """
        if trial.state == TrialState.COMPLETE:
            return math.nan if trial.value is None else trial.value
        finite = [value for _, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]
        if trial.state != TrialState.PRUNED or not finite:
            return math.nan
        return finite[-1] if self.folds > 1 else min(finite)

    def told(self, rmse: float) -> str:
        """An RMSE in words, with two decimals: differences between trials are small."""
        return with_unit(fine(rmse), self.unit)

    def those(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in one of `states`."""
        return [trial for trial in self.trials if trial.state in states]

    @cached_property
    def names(self) -> list[str]:
        """Each hyperparameter that any trial has."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.params))

    @cached_property
    def scored(self) -> list[FrozenTrial]:
        """The trials that have reached a finite value."""
        return [trial for trial in self.trials if math.isfinite(self.reached(trial))]

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The complete trial with the lowest value, the older one of two."""
        return min(
            self.those(TrialState.COMPLETE), key=lambda trial: (self.reached(trial), ticket(trial)), default=None
        )

    @cached_property
    def untuned(self) -> FrozenTrial | None:
        """The trial of the untuned configuration, where it is complete."""
        return next((trial for trial in self.those(TrialState.COMPLETE) if ticket(trial) == 0), None)

    def axis(self, name: str) -> Axis:
        """How the values of a hyperparameter are laid out."""
        having = [trial for trial in self.trials if name in trial.params]
        kinds, values = [trial.distributions[name] for trial in having], [trial.params[name] for trial in having]
        if any(isinstance(kind, CategoricalDistribution) for kind in kinds):
            choices = {repr(choice): choice for kind in kinds for choice in getattr(kind, "choices", ())}
            choices |= {repr(value): value for value in values}
            ordered = all(isinstance(value, int | float) and not isinstance(value, bool) for value in choices.values())
            return Axis(name, choices=tuple(sorted(choices.values()) if ordered else choices.values()), ordered=ordered)
        return Axis(name, log=any(getattr(kind, "log", False) for kind in kinds) and min(values) > 0)


@dataclass(frozen=True)
class Axis:
    """The line on which a hyperparameter's values lie: numbers, their logarithms, or choices side by side."""

    name: str
    log: bool = False
    choices: tuple[Any, ...] = ()
    ordered: bool = True

    def place(self, value: Any) -> float:
        """Where on the line `value` lies."""
        if self.choices:
            return float([repr(choice) for choice in self.choices].index(repr(value)))
        return math.log10(value) if self.log else float(value)

    def ends(self, places: Sequence[float]) -> tuple[float, float]:
        """What the line must span for `places` and all choices to be on it."""
        if self.choices:
            return 0.0, len(self.choices) - 1.0
        return min(places, default=0.0), max(places, default=1.0)

    def ticks(self, low: float, high: float) -> dict[float, str]:
        """A few places from `low` to `high`, and what they mean."""
        if self.choices:
            return {float(place): show(choice) for place, choice in enumerate(self.choices)}
        if low == high:
            return {low: show(10**low if self.log else low)}
        if self.log:
            return {math.log10(value): show(value, 10) for value in _log_ticks(low, high)}
        return {value: show(value, 10) for value in _within(MaxNLocator(4).tick_values(low, high), low, high)}


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(low), math.ceil(high) + 1)
    for steps, enough in (((1,), 3), ((1, 3), 3), ((1, 2, 5), 2)):
        ticks = _within([step * 10.0**power for power in powers for step in steps], 10**low, 10**high)
        if len(ticks) >= enough:
            return ticks[:: math.ceil(len(ticks) / 4)]
    return _within(MaxNLocator(4).tick_values(10**low, 10**high), 10**low, 10**high)


def _within(values: Iterable[float], low: float, high: float) -> list[float]:
    slack = 1e-9 * max(abs(low), abs(high))
    return [float(value) for value in values if low - slack <= value <= high + slack]


def ticket(trial: FrozenTrial) -> int:
    """The number that a trial has in its study."""
    return int(trial.user_attrs[TICKET])


def shown_range(values: Iterable[float]) -> tuple[float, float]:
    """What an axis shows: all but values above Tukey's outer fence, which would press the others into one line."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    lower, upper = np.quantile(finite, [0.25, 0.75])
    fence = upper + 3 * (upper - lower)
    low, high = min(finite), max(value for value in finite if value <= max(fence, min(finite)))
    margin = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
    return low - margin, high + margin


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Each name by as few of its last parts as tell it from the others: `input_keep_prob`, `layers.0.units`."""
    return {name: next(end for end in _ends(name) if end == name or _is_clear(end, names)) for name in names}


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts) - 1, 0, -1)] + [name]


def _is_clear(end: str, names: Sequence[str]) -> bool:
    alike = [name for name in names if f".{name}".endswith(f".{end}")]
    return len(alike) == 1 and not end[:1].isdecimal()


def show(value: Any, digits: int = 4) -> str:
    """A value of a hyperparameter as TOML has it, with as many significant digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def wrapped(text: str, width: int = 12) -> str:
    """A label for a figure: cut in two near its middle where it is long, and short in any case."""
    halves = [(text[:place], text[place:]) for place in range(1, len(text)) if text[place - 1] in "_. "]
    if len(text) <= width or not halves:
        return plain(_cut(text, 2 * width))
    return "<br>".join(plain(_cut(half, 2 * width)) for half in min(halves, key=lambda two: max(map(len, two))))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
