"""Champion and challenger side by side: both are used as they are served, and forecast the same newest span, now.

N: windows of the held-out span. L: output length.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.flows.prepare import Prepared
from wattcast.model.arrays import Floats
from wattcast.model.baseline import fit_baselines
from wattcast.model.errors import InputError
from wattcast.model.intervals import value_columns
from wattcast.model.readings import MADE_AT
from wattcast.model.windows import Windows
from wattcast.tasks.fan import Fan
from wattcast.tasks.learning.evaluate import GRU
from wattcast.tasks.registry import clean_room
from wattcast.tasks.registry.clean_room import CannotForecastError, CannotLoadError
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.gate import (
    Check,
    Comparison,
    Decision,
    Further,
    check_baselines,
    check_champion,
    check_clean_room,
    check_data,
    check_further,
    of_targets,
)
from wattcast.tasks.registry.interval_gate import check_coverage, check_winkler
from wattcast.tasks.registry.looks import looks
from wattcast.tasks.registry.trust import UntrustedError
from wattcast.tasks.registry.versions import CONTRACT, DATA_TO, Version, Versions

log = logging.getLogger(__name__)

Outcome = Mapping[str, Fan] | CannotForecastError | UntrustedError
"""Forecasts of each target as they are served, NaN for a window of the span that is left out; or why there are none."""


@dataclass(frozen=True)
class Case:
    """A challenger, the readings that it was trained and is judged on, and where the champion is to be found.

    `scored` are the forecasts that its training has scored, as `Evaluation.forecasts` has them.
    """

    versions: Versions
    challenger: Version
    prepared: Prepared
    scored: pd.DataFrame

    @property
    def windows(self) -> Windows:
        """Those of the held-out span, which is the test part."""
        return self.prepared.windows.test

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets, of which the errors of the first one decide."""
        return self.prepared.experiment.readings.targets

    @property
    def day(self) -> int:
        """The steps of a day."""
        return self.prepared.experiment.readings.steps_a_day


def compare(case: Case, champion: Version | None) -> Comparison:
    """All checks of the gate, with the forecasts behind them."""
    config, windows = case.prepared.experiment.gate, case.windows
    actual = windows.actual[..., 0]
    baselines = {name: model.predict(windows)[..., 0] for name, model in fit_baselines(case.prepared.known).items()}
    first, *later = case.targets
    forecasts: dict[str, dict[str, Fan]] = {target: {} for target in case.targets}
    forecasts[first] |= {name: Fan.bare(baselines[name]) for name in ("ridge", "persistence")}
    contestants = [case.challenger, champion] if champion else [case.challenger]
    with ThreadPoolExecutor(len(contestants)) as rooms:  # each is a process of its own
        own, *others = rooms.map(lambda version: _forecast(case, version), contestants)
    checks = [check_data(case.prepared.raw.source, config)]
    if isinstance(own, CannotForecastError | UntrustedError):
        checks.append(Check("clean_room", False, f"the challenger {own}"))
    else:
        for target, fan in own.items():
            forecasts[target]["challenger"] = fan
        point = own[first].point
        checks.append(_of_first(case, check_baselines(actual, point, baselines, config, unit=case.prepared.unit)))
        checks.append(check_clean_room(point, _scored(case), actual, unit=case.prepared.unit))
        if own[first].levels:
            checks.append(_coverage(case, own))
        checks += _champion(case, champion, own, others[0], forecasts) if champion else [_NO_CHAMPION]
    made_at = windows.series.times[windows.newest_row]
    levels = sorted({level for fan in forecasts[first].values() for level in fan.levels})
    return Comparison(
        Decision(tuple(checks)),
        made_at,
        actual,
        forecasts[first],
        case.prepared.unit,
        looks(levels, windows.config, case.day),
        first,
        tuple(Further(target, windows.actual[..., k], forecasts[target]) for k, target in enumerate(later, start=1)),
    )


_NO_CHAMPION = Check("champion", True, "there is no champion yet: the baselines decide")


def _of_first(case: Case, check: Check) -> Check:
    """Of several targets a check of the first one says so."""
    return of_targets({case.targets[0]: check}, case.targets)


def _coverage(case: Case, own: Mapping[str, Fan]) -> Check:
    """What the intervals of each target hold."""
    config, windows = case.prepared.experiment.gate, case.windows
    checks = {
        target: check_coverage(
            windows.actual[..., k], own[target], config, windows.config, day=case.day, targets=len(own)
        )
        for k, target in enumerate(case.targets)
        if target in own
    }
    return of_targets(checks, case.targets)


def _champion(
    case: Case, champion: Version, own: Mapping[str, Fan], theirs: Outcome, forecasts: Mapping[str, dict[str, Fan]]
) -> list[Check]:
    """The comparison with the champion, whose forecasts are added by target; or the reason why there can be none.

    Intervals are compared where either has some.
    """
    experiment, windows, name = case.prepared.experiment, case.windows, f"the champion, version {champion.number},"
    mine = Contract.of(experiment.readings, experiment.window, experiment.intervals.quantiles)
    if isinstance(theirs, CannotLoadError | UntrustedError):
        loses = isinstance(theirs, CannotLoadError)  # nobody takes the place of one that only was not looked at
        return [Check("champion", loses, f"{name} {theirs}: the baselines decide" if loses else str(theirs))]
    other = Contract.model_validate_json(champion.tags[CONTRACT]) if CONTRACT in champion.tags else None
    changed = mine.differences(other) if other else ["it was not registered by a retraining"]
    if changed and not experiment.gate.allow_new_signature:
        way = "gate.allow_new_signature=true lets it pass"
        return [Check("champion", False, f"the champion has another signature ({'; '.join(changed)}): {way}")]
    if other and not mine.forecasts_like(other):
        return [Check("champion", True, f"{name} forecasts something else: the baselines decide")]
    if isinstance(theirs, CannotForecastError):
        return [Check("champion", True, f"{name} {theirs}: the baselines decide")]
    first = case.targets[0]
    for target, fan in theirs.items():
        forecasts[target]["champion"] = fan
    new = np.asarray(np.isfinite(theirs[first].point).all(axis=1))
    trained_to = champion.tags.get(DATA_TO)
    if trained_to:
        new &= windows.series.times[windows.target_rows[:, 0]] > pd.Timestamp(trained_to)
    if new.sum() < case.day:
        known = f"{name} was trained on readings up to {trained_to}, so that less than a day of the held-out span"
        return [Check("champion", False, f"{known} is new to it: retrain as of a later date")]
    measured = {target: windows.actual[new, :, k] for k, target in enumerate(case.targets) if target in theirs}
    ours, others = ({target: fans[target].take(new) for target in measured} for fans in (own, theirs))
    made, its = ({target: fan.point for target, fan in fans.items()} for fans in (ours, others))
    actual, config, unit = measured[first], experiment.gate, experiment.readings.energy_unit
    checks = []
    if ours[first].levels or others[first].levels:
        compared = {
            target: check_winkler(
                each,
                ours[target],
                others[target],
                config,
                windows.config,
                day=case.day,
                unit=unit,
                targets=len(measured),
            )
            for target, each in measured.items()
        }
        checks.append(of_targets(compared, case.targets))
    if len(measured) > 1:
        checks.append(check_further(measured, made, its, config, block=case.day, unit=unit))
    beaten = check_champion(actual, made[first], its[first], config, block=case.day, unit=unit)
    return [*checks, _of_first(case, beaten)]


def _forecast(case: Case, version: Version) -> Outcome:
    """Whatever goes wrong in a stored model, of whichever age, is a case with a name."""
    windows, times = case.windows, case.windows.series.times
    readings = case.prepared.fetched.raw_rows(times[0], times[int(windows.target_rows[-1, -1])])
    moments = [times[windows.newest_row].repeat(windows.config.output_length), times[windows.target_rows.ravel()]]
    targets, quantiles = _promised(case, version)
    names = value_columns(targets, quantiles)
    try:
        made = clean_room.forecast(case.versions, version, readings, every=True)
        by_moment = made.set_index([MADE_AT, case.prepared.experiment.readings.timestamp])[names]
        found = by_moment.reindex(pd.MultiIndex.from_arrays(moments)).to_numpy(np.float64)
    except (CannotForecastError, UntrustedError) as fault:
        said: CannotForecastError | UntrustedError = fault
    except (InputError, KeyError) as fault:
        said = CannotForecastError(f"cannot forecast the held-out span: {fault}")
    else:
        found = found.reshape(*windows.target_rows.shape, len(targets), -1)  # [N, L, K, 1 + Q]
        return {target: Fan(found[..., k, 0], found[..., k, 1:], quantiles) for k, target in enumerate(targets)}
    subject = "" if isinstance(said, UntrustedError) else f"version {version.number} of {case.versions.model} "
    log.warning("%s%s", subject, said)
    return said


def _promised(case: Case, version: Version) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Which of the targets its contract promises, and the quantiles around each; the first target in any case.

    Of a version that no retraining has registered it is the first target alone.
    """
    first, *further = case.targets
    if CONTRACT not in version.tags:
        return (first,), ()
    contract = Contract.model_validate_json(version.tags[CONTRACT])
    return (first, *(target for target in further if target in contract.targets)), contract.quantiles


def _scored(case: Case) -> Floats:
    """`[N, L]` forecasts of the first target on the held-out span that the challenger's training has scored."""
    rows = case.scored[(case.scored["part"] == "test") & (case.scored["target"] == case.targets[0])]
    return rows[GRU].to_numpy(np.float64).reshape(case.windows.target_rows.shape)
