"""Whether a challenger becomes the champion: checks on forecasts of a newest span that neither was trained on.

N: windows of the held-out span. L: output length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from wattcast.model.arrays import Floats
from wattcast.model.config import Config
from wattcast.model.metrics import METRICS, skill
from wattcast.tasks.bootstrap import difference_interval, of_each, of_few_days
from wattcast.tasks.fan import Fan
from wattcast.tasks.metric_names import endings
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.registry.looks import Look

_TOLERANCE = 1e-5  # of the range of readings and forecasts: other machines and sizes of a batch round otherwise


class GateConfig(Config):
    """What a challenger must do to become the champion."""

    holdout_days: float = Field(
        14, gt=0, le=36_500, description="newest days, which are kept from training and judge both models"
    )
    metric: Literal["rmse", "mae"] = Field("rmse", description="the error that decides")
    min_margin: float = Field(
        0, ge=0, description="by how much, in the unit of the targets, the challenger must beat the champion"
    )
    level: float = Field(0.95, gt=0, lt=1, description="confidence of the interval that must lie below zero")
    coverage_band: float = Field(
        0.1,
        gt=0,
        le=1,
        description="share by which what intervals hold of the held-out readings may lie beside their level, beyond "
        "the luck of these days: 0.1 lets 90 % intervals hold 80 to 100 %",
    )
    allow_simulated: bool = Field(False, description="let a model trained on the simulated house become champion")
    allow_new_signature: bool = Field(
        False, description="let a model with other inputs or outputs than the champion's take its place"
    )


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `message` says in words what was found, `numbers` in figures."""

    name: str
    passed: bool
    message: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and by which checks."""

    checks: tuple[Check, ...]

    @property
    def promoted(self) -> bool:
        """All checks have passed."""
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """Why, in one sentence: what failed, or else what was found of the champion."""
        failed = [check.message for check in self.checks if not check.passed]
        return "; ".join(failed) if failed else self.checks[-1].message

    def numbers(self) -> dict[str, float]:
        """All figures by the names they are logged under: `gate_champion_difference`."""
        return {f"gate_{check.name}_{name}": value for check in self.checks for name, value in check.numbers.items()}


def of_targets(checks: Mapping[str, Check], targets: Sequence[str]) -> Check:
    """One check out of those of some of all `targets`, by target: each must have passed, and what has not is told.

    Figures of a later target end in its name. Where there is one target, nothing is named.
    """
    if len(targets) == 1:
        return checks[targets[0]]
    failed = {target: check for target, check in checks.items() if not check.passed}
    behind = endings(targets)
    return Check(
        next(iter(checks.values())).name,
        not failed,
        "; ".join(f"{target}: {check.message}" for target, check in (failed or checks).items()),
        {f"{name}{behind[target]}": value for target, check in checks.items() for name, value in check.numbers.items()},
    )


@dataclass(frozen=True)
class Further:
    """What was measured of a target behind the first one, and forecast of it by challenger and any champion."""

    target: str
    actual: Floats  # [N, L]
    forecasts: dict[str, Fan]


@dataclass(frozen=True)
class Comparison:
    """A decision, and the forecasts behind it, in `unit`: of challenger, some baselines and any champion.

    They are those of the first target; what is `further` stands beside.
    """

    decision: Decision
    made_at: pd.DatetimeIndex  # [N]
    actual: Floats  # [N, L]
    forecasts: dict[str, Fan]
    unit: str | None
    looks: tuple[Look, ...] = ()  # at the intervals that some of them have
    target: str = ""  # the first one
    further: tuple[Further, ...] = ()


def check_data(source: str, config: GateConfig) -> Check:
    """The challenger was trained on readings of a real house."""
    if source != "simulated":
        return Check("data", True, f"trained on real readings ({source})")
    if config.allow_simulated:
        return Check("data", True, "trained on the simulated house, which gate.allow_simulated lets pass")
    return Check("data", False, "trained on the simulated house: give real readings with --data")


def check_baselines(
    actual: Floats, challenger: Floats, baselines: Mapping[str, Floats], config: GateConfig, *, unit: str | None
) -> Check:
    """It beats persistence; the errors of all baselines stand beside. Arrays are `[N, L]`, in `unit`."""
    metric = METRICS[config.metric]
    scores = {name: metric(actual, forecast) for name, forecast in baselines.items()}
    own, reference = metric(actual, challenger), scores["persistence"]
    beats = own < reference
    ours, theirs = (with_unit(readable(error), unit) for error in (own, reference))
    message = f"{config.metric.upper()} of {ours} {'beats' if beats else 'does not beat'} persistence's {theirs}"
    return Check("baselines", beats, message, {"challenger": own, **scores, "skill": skill(own, reference)})


def check_clean_room(made: Floats, scored: Floats, actual: Floats, *, unit: str | None) -> Check:
    """It forecasts the same in an empty folder as in the training that scored it. Arrays are `[N, L]`, in `unit`."""
    apart = float(np.abs(made - scored).max())
    span = float(np.ptp(np.concatenate([scored, actual])))
    same = apart <= _TOLERANCE * span + float(np.spacing(np.abs(scored).max()))
    differ = f"forecasts differ elsewhere by {with_unit(f'{apart:g}', unit)}"
    message = "loads in an empty folder and forecasts the same" if same else differ
    return Check("clean_room", same, message, {"apart": apart})


def check_champion(
    actual: Floats, challenger: Floats, champion: Floats, config: GateConfig, *, block: int, unit: str | None
) -> Check:
    """It beats the champion by the margin, and by more than luck: `block` windows make a day. `[N, L]`, in `unit`.

    The interval is that of `difference_interval` on paired losses, squared errors for RMSE and absolute ones for MAE,
    as wide as so few days need.
    """
    found, numbers = _beside(actual, challenger, champion, config, level=config.level, block=block, unit=unit)
    difference, high = numbers["difference"], numbers["high"]
    if not (difference < 0 and difference <= -config.min_margin):  # so, as NaN is neither
        margin = f" by {with_unit(f'{config.min_margin:g}', unit)}" if config.min_margin else ""
        return Check("champion", False, f"does not beat the champion{margin}: {found}", numbers)
    if not high < 0:
        return Check("champion", False, f"may be better than the champion by luck alone: {found}", numbers)
    return Check("champion", True, f"beats the champion: {found}", numbers)


def check_further(
    actual: Mapping[str, Floats],
    challenger: Mapping[str, Floats],
    champion: Mapping[str, Floats],
    config: GateConfig,
    *,
    block: int,
    unit: str | None,
) -> Check:
    """Of no target behind the first one, which decides, it is worse than the champion beyond luck.

    All are given, `[N, L]` each, in `unit`. The looks at them share the doubt that `config.level` leaves.
    """
    level = of_each(config.level, len(actual) - 1)
    told: list[str] = []
    worse: list[str] = []
    numbers: dict[str, float] = {}
    for target, ending in list(endings(actual).items())[1:]:
        of_all = (actual[target], challenger[target], champion[target])
        found, figures = _beside(*of_all, config, level=level, block=block, unit=unit)
        numbers |= {f"{name}{ending}": value for name, value in figures.items()}
        if figures["low"] <= 0:
            told.append(f"{target} is not worse than the champion beyond luck: {found}")
        else:  # or NaN
            worse.append(f"{target} is worse than the champion: {found}")
    return Check("further", not worse, "; ".join(worse or told), numbers)


def _beside(
    actual: Floats,
    challenger: Floats,
    champion: Floats,
    config: GateConfig,
    *,
    level: float,
    block: int,
    unit: str | None,
) -> tuple[str, dict[str, float]]:
    """The error of both and the interval of their difference, in words and in figures."""
    squared = config.metric == "rmse"
    power = 2 if squared else 1
    losses = [(np.abs(each - actual) ** power).mean(axis=-1)[None] for each in (champion, challenger)]  # [1, N]
    score = np.sqrt if squared else np.positive
    one, other = (float(score(each.mean())) for each in losses)
    difference = other - one
    interval = difference_interval(*losses, block=block, level=level, score=score)
    low, high = of_few_days(interval, difference, days=len(actual) / block, level=level)
    name, change = config.metric.upper(), partial(readable, decimals=2, like=one, sign=True)
    theirs, ours, apart = (with_unit(text, unit) for text in (readable(one, 2), readable(other, 2), change(difference)))
    found = (
        f"{name} of {ours} against the champion's {theirs}, difference {apart} "
        f"({100 * level:g} % interval {change(low)} to {change(high)})"
    )
    return found, {"champion": one, "challenger": other, "difference": difference, "low": low, "high": high}
