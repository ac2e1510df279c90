"""The objective of a sweep: what a trial trains, and the validation RMSE that it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.experiment.search_space import suggested
from wattcast.flows.prepare import Prepared
from wattcast.model.fit import Epoch
from wattcast.model.metrics import rmse
from wattcast.tasks.tuning.ranges import Scalar, Suggester


@dataclass(frozen=True)
class TrainingObjective:
    """Each trial trains on training windows and is scored on validation; none is refitted, none sees the test part.

    A trial trains one network, from the experiment's own seed, unless the number of members is what is searched: where
    luck is the same for all, two trials differ by their values.
    """

    prepared: Prepared
    cores: int

    def suggested(self, trial: Suggester) -> dict[str, Scalar]:
        """The values that a trial gives to what is searched."""
        return suggested(trial, self.prepared.experiment.sweep)

    def options(self, values: Mapping[str, Scalar]) -> dict[str, Any]:
        """Every option of the training that these values make."""
        return self._experiment(values).flat()

    def validation_rmse(self, values: Mapping[str, Scalar], on_epoch: Callable[[Epoch], None]) -> float:
        """Train with `values`; the validation RMSE of the first target."""
        from wattcast.model.network.scoring import forecast_scaled
        from wattcast.model.network.training import train_members

        experiment = self._experiment(values)
        prepared = self.prepared.changed(experiment)
        windows, scaler = prepared.windows, prepared.scaler
        members = train_members(experiment.model, experiment.fit, windows, scaler, cores=self.cores, on_epoch=on_epoch)
        weights = [member.selected for member in members]
        forecast = forecast_scaled(
            experiment.model, weights, windows.validation, experiment.fit.kernel, cores=self.cores
        )
        readings = scaler.inverse(forecast, first=forecast.shape[-1])
        return rmse(windows.validation.actual[..., 0], readings[..., 0])

    def _experiment(self, values: Mapping[str, Scalar]) -> Experiment:
        return self.prepared.experiment.changed({"fit.refit": False, "fit.members": 1, **values})
