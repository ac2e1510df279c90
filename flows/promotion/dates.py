"""The dates of a retraining, and of the first one of a replay: what is trained on, chosen by and held out."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from wattcast.flows.experiment.experiment import Experiment
from wattcast.model.clock import moment_of
from wattcast.model.errors import InputError
from wattcast.model.split import parts_of_known, rows_until
from wattcast.tasks.backtest.cuts import first_cut


def dated(experiment: Experiment, times: pd.DatetimeIndex, as_of: datetime | None) -> Experiment:
    """The experiment with the held-out span as its test part, and the fractions of its split before that.

    Readings were taken at `times`.

    Raises:
        InputError: `as_of` does not lie within them, or leaves none to train on.
    """
    gate, split = experiment.gate, experiment.split
    until = moment_of(as_of, times) if as_of else times[-1]
    if not times[0] <= until <= times[-1]:
        raise InputError(f"as-of must lie within the readings, from {times[0]} to {times[-1]}, received {until}")
    test_from = until - pd.Timedelta(days=gate.holdout_days) + experiment.readings.cadence
    before = times[times < test_from]
    training, choosing = parts_of_known(range(len(before)), split.train, split.validation)
    if not training:
        raise InputError(
            f"of the readings from {times[0]} to {until} the newest {gate.holdout_days:g} days are held out, which "
            "leaves none to train on: choose a later date or fewer gate.holdout_days"
        )
    dates = {"validation_from": before[choosing.start], "test_from": test_from, "until": until}
    return experiment.changed({f"split.{option}": str(date.tz_localize(None)) for option, date in dates.items()})


def first_dated(
    experiment: Experiment, times: pd.DatetimeIndex, start: datetime | None
) -> tuple[pd.Timestamp, Experiment]:
    """The first cut of a replay, and the experiment as of it.

    Raises:
        InputError: `start` does not lie within the readings that are used, or leaves none to train on.
    """
    used = times[: rows_until(times, experiment.split)]
    first = first_cut(used, moment_of(start, times) if start else None)
    return first, dated(experiment, times, first)
