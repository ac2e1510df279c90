"""The step that finds the intervals around a product's forecasts, on rows that it was not trained on."""

from __future__ import annotations

from wattcast.model.baseline import Predictor
from wattcast.model.intervals import IntervalConfig, Intervals
from wattcast.model.windows import Windows
from wattcast.tasks.step import step


def calibrate(selected: Predictor, validation: Windows, config: IntervalConfig) -> Intervals | None:
    """The intervals that `config` asks for, by the errors of `selected` on the windows of validation; None without any.

    `selected` is the network as it was chosen on validation, trained on training windows alone: where the product is
    refitted on both, its own errors there would be too small.

    Raises:
        InputError: validation is too short for the levels.
    """
    return Intervals.fit(selected.predict(validation), validation, config) if config.levels else None


calibrate_task = step(calibrate)
