"""The objective of a sweep: what a trial trains, and the validation RMSE that it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.experiment.search_space import suggested
from wattcast.flows.prepare import Prepared
from wattcast.model.fit import Epoch
from wattcast.model.metrics import rmse
from wattcast.tasks.tuning.folds import FoldScore, folds_of
from wattcast.tasks.tuning.ranges import Scalar, Suggester


@dataclass(frozen=True)
class TrainingObjective:
    """Each trial trains on training windows and is scored on validation; none is refitted, none sees the test part.

    Where there are several folds it trains anew in each, and its score is the mean over them. A trial trains one
    network a fold, from the experiment's own seed, unless the number of members is what is searched: where luck is the
    same for all, two trials differ by their values.
    """

    folds: tuple[Prepared, ...]
    cores: int

    @classmethod
    def of(cls, prepared: Prepared, *, folds: int, cores: int) -> TrainingObjective:
        """Of the experiment of `prepared`, whose validation part is cut into so many folds.

        Raises:
            InputError: it is too short for them.
        """
        day = prepared.experiment.readings.steps_a_day
        parts = folds_of(prepared.rows, prepared.windows.validation, folds, least=day)
        if len(parts) == 1:
            return cls((prepared,), cores)
        frame = prepared.fetched.frame
        return cls(tuple(replace(prepared, rows=rows).altered(frame) for rows in parts), cores)

    def suggested(self, trial: Suggester) -> dict[str, Scalar]:
        """The values that a trial gives to what is searched."""
        return suggested(trial, self.folds[0].experiment.sweep)

    def options(self, values: Mapping[str, Scalar]) -> dict[str, Any]:
        """Every option of the training that these values make."""
        return self._experiment(values).flat()

    def validation_rmse(
        self,
        values: Mapping[str, Scalar],
        *,
        on_epoch: Callable[[Epoch], None],
        on_fold: Callable[[FoldScore], None],
    ) -> float:
        """Train with `values` in each fold; the mean of the validation RMSE of the first target."""
        experiment = self._experiment(values)
        scores: list[float] = []
        for number, fold in enumerate(self.folds, start=1):
            scores.append(self._rmse(fold.changed(experiment), on_epoch))
            on_fold(FoldScore(number, scores[-1], fmean(scores)))
        return fmean(scores)

    def _rmse(self, fold: Prepared, on_epoch: Callable[[Epoch], None]) -> float:
        from wattcast.model.network.scoring import forecast_scaled
        from wattcast.model.network.training import train_members

        ours, windows, scaler = fold.experiment, fold.windows, fold.scaler
        members = train_members(ours.model, ours.fit, windows, scaler, cores=self.cores, on_epoch=on_epoch)
        weights = [member.selected for member in members]
        forecast = forecast_scaled(ours.model, weights, windows.validation, ours.fit.kernel, cores=self.cores)
        readings = scaler.inverse(forecast, first=forecast.shape[-1])
        return rmse(windows.validation.actual[..., 0], readings[..., 0])

    def _experiment(self, values: Mapping[str, Scalar]) -> Experiment:
        return self.folds[0].experiment.changed({"fit.refit": False, "fit.members": 1, **values})
