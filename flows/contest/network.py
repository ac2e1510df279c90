"""Networks as contestants of a backtest: trained anew in a fold, calibrated, and proved to have seen nothing of later.

N: forecasts of a fold. L: output length. K: targets. Q: quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wattcast.flows.prepare import Prepared
from wattcast.model.fit import Epoch
from wattcast.model.intervals import Intervals
from wattcast.model.windows import Windows, make_windows
from wattcast.tasks.backtest.contest import Fold, Forecasts
from wattcast.tasks.learning.calibrate import calibrate

if TYPE_CHECKING:
    from wattcast.model.network.scoring import Ensemble


@dataclass(eq=False)
class Network:
    """The networks of an experiment, trained on `prepared` when they first forecast, on so many `cores`.

    They may forecast later folds, too: as they are, with the scaler and the intervals that they were made with. Others
    may be trained in other threads meanwhile: Python 3.11 would have a `cached_property` hold up all of them.
    """

    name: str
    prepared: Prepared
    cores: int
    on_epoch: Callable[[Epoch], None]
    _product: tuple[Ensemble, Intervals | None] | None = field(default=None, init=False)

    def forecast(self, fold: Fold) -> Forecasts:
        """Of the windows of `fold` as this experiment has them: its lookback and its scaling are its own."""
        if self._product is None:
            self._product = self._trained()
        predictor, intervals = self._product
        windows = self._scored(fold)
        point = predictor.predict(windows)
        return Forecasts(point, intervals.around(point, windows) if intervals else None)

    def _trained(self) -> tuple[Ensemble, Intervals | None]:
        from wattcast.model.network.scoring import Ensemble
        from wattcast.model.network.training import train_members

        ours, windows, scaler = self.prepared.experiment, self.prepared.windows, self.prepared.scaler
        cores = self.cores if ours.fit.members > 1 else 1  # one alone would be computed otherwise on several
        members = train_members(ours.model, ours.fit, windows, scaler, cores=cores, on_epoch=self.on_epoch)
        selected, product = (
            Ensemble(ours.model, weights, scaler, ours.fit.kernel, self.cores)
            for weights in (tuple(each.selected for each in members), tuple(each.weights for each in members))
        )
        return product, calibrate(selected, windows.validation, ours.intervals)

    def _scored(self, fold: Fold) -> Windows:
        """Those that are made at the moments of `fold`."""
        experiment, series = self.prepared.experiment, self.prepared.windows.test.series
        moments = fold.scored.series.times[fold.scored.newest_row]
        first, last = (int(row) for row in series.times.get_indexer(moments[[0, -1]]))
        ahead = experiment.window.steps_ahead
        targets = range(first + ahead, last + ahead + experiment.window.output_length)
        windows = make_windows(series, targets, experiment.readings.cadence, experiment.window)
        return windows.take(np.flatnonzero(series.times[windows.newest_row].isin(moments)))
