"""Champion and challenger side by side: both are loaded as they are served, and forecast the same newest span, now.

N: windows of the held-out span. L: output length.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.prepare import Prepared
from wattcast.model.arrays import Floats
from wattcast.model.baseline import fit_baselines
from wattcast.model.windows import Windows
from wattcast.tasks.registry.clean_room import try_elsewhere_task
from wattcast.tasks.registry.contract import Interface
from wattcast.tasks.registry.gate import Check, Decision, Judgement, check_baselines, check_champion, check_data
from wattcast.tasks.registry.versions import DATA_TO, INTERFACE, Served, Version, Versions

log = logging.getLogger(__name__)


class CannotForecastError(RuntimeError):
    """A version cannot be loaded, or does not forecast the held-out span."""


@dataclass(frozen=True)
class Case:
    """A challenger, what it was trained by and on, and where the champion is to be found.

    `raw` are the readings that `prepared` was made of, row by row, with the columns that other models may want.
    """

    versions: Versions
    challenger: Version
    experiment: Experiment
    prepared: Prepared
    raw: pd.DataFrame

    @property
    def windows(self) -> Windows:
        """Those of the held-out span, which is the test part."""
        return self.prepared.windows.test

    @property
    def target(self) -> str:
        """The first target, whose errors decide."""
        return self.experiment.readings.targets[0]


def judge(case: Case, champion: Version | None) -> Judgement:
    """All checks of the gate, with the forecasts behind them."""
    config, windows, parts = case.experiment.gate, case.windows, case.prepared.windows
    actual = windows.actual[..., 0].astype(np.float64)
    known = parts.train + parts.validation if case.experiment.fit.refit else parts.train
    baselines = {name: model.predict(windows)[..., 0] for name, model in fit_baselines(known).items()}
    forecasts = {name: baselines[name] for name in ("ridge", "persistence")}
    checks = [check_data(case.prepared.source, config)]
    try:
        served = _load(case.versions, case.challenger)
        own = forecasts["challenger"] = _forecast(served, case)
    except CannotForecastError as error:
        checks.append(Check("elsewhere", False, f"the challenger {error}"))
    else:
        checks.append(check_baselines(actual, own, baselines, config))
        checks.append(_elsewhere(case, served))
        checks.append(_champion(case, champion, forecasts) if champion else _NO_CHAMPION)
    return Judgement(Decision(tuple(checks)), windows.series.times[windows.newest_row], actual, forecasts)


_NO_CHAMPION = Check("champion", True, "there is no champion yet: the baselines decide")


def _champion(case: Case, champion: Version, forecasts: dict[str, Floats]) -> Check:
    """The comparison with the champion, whose forecasts are added; or the named reason why there can be none."""
    experiment, windows, name = case.experiment, case.windows, f"the champion, version {champion.number},"
    mine = Interface.of(experiment.readings, experiment.window)
    try:
        served = _load(case.versions, champion)
    except CannotForecastError as error:
        return Check("champion", True, f"{name} {error}: the baselines decide")
    other = Interface.model_validate_json(champion.tags[INTERFACE]) if INTERFACE in champion.tags else None
    changed = mine.differences(other) if other else ["it was not registered by a retraining"]
    if changed and not experiment.gate.allow_new_signature:
        way = "gate.allow_new_signature=true lets it pass"
        return Check("champion", False, f"the champion has another signature ({'; '.join(changed)}): {way}")
    if other and not mine.forecasts_like(other):
        return Check("champion", True, f"{name} forecasts something else: the baselines decide")
    try:
        theirs = forecasts["champion"] = _forecast(served, case)
    except CannotForecastError as error:
        return Check("champion", True, f"{name} {error}: the baselines decide")
    new = np.isfinite(theirs).all(axis=1)
    trained_to = champion.tags.get(DATA_TO)
    if trained_to:
        new &= windows.series.times[windows.target_rows[:, 0]] > pd.Timestamp(trained_to)
    day = experiment.readings.steps_a_day
    if new.sum() < day:
        known = f"{name} was trained on readings up to {trained_to}, so that less than a day of the held-out span"
        return Check("champion", False, f"{known} is new to it: retrain as of a later date")
    actual = windows.actual[new, :, 0].astype(np.float64)
    return check_champion(actual, forecasts["challenger"][new], theirs[new], experiment.gate, block=day)


def _load(versions: Versions, version: Version) -> Served:
    with _named("cannot be loaded"):
        return versions.load(version)


def _forecast(served: Served, case: Case) -> Floats:
    """`[N, L]` forecasts of the held-out span from raw readings; NaN for a window that the model leaves out."""
    windows, times = case.windows, case.windows.series.times
    last = int(windows.target_rows[-1, -1])
    moments = [times[windows.newest_row].repeat(windows.config.output_length), times[windows.target_rows.ravel()]]
    with _named("cannot forecast the held-out span"):
        made = served.predict(case.raw.iloc[: last + 1], params={"every": True})
        by_moment = made.set_index([pd.DatetimeIndex(made.iloc[:, column]) for column in (0, 1)])[case.target]
        found = by_moment.reindex(pd.MultiIndex.from_arrays(moments))
        return found.to_numpy(np.float64).reshape(windows.target_rows.shape)


def _elsewhere(case: Case, served: Served) -> Check:
    """The challenger's newest forecast, made here and made again in an empty folder."""
    readings = case.experiment.readings
    names = [name for name in (readings.timestamp, *readings.columns) if name in case.raw]
    newest = case.raw.iloc[: case.prepared.rows.test.stop].tail(case.experiment.window.lookback)[names]
    check: Check = try_elsewhere_task(case.versions, case.challenger, newest, served.predict(newest))
    return check


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Whatever goes wrong in a stored model, of whichever age, is a case with a name."""
    try:
        yield
    except Exception as error:
        log.warning("a stored model %s: %s", what, error)
        said = str(error).strip().partition("\n")[0]
        raise CannotForecastError(f"{what} ({type(error).__name__}: {said})") from error
