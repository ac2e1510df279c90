"""The step that fits the scaler, on the training rows and nothing else."""

from __future__ import annotations

import pandas as pd

from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig, Scaler, fit_scaler
from wattcast.model.split import Split
from wattcast.tasks.step import step


def scale(frame: pd.DataFrame, rows: Split[range], readings: ReadingsConfig, config: ScaleConfig) -> Scaler:
    """A scaler of all columns in use; see `wattcast.model.scaler.fit_scaler`."""
    train = frame.iloc[rows.train.start : rows.train.stop]
    return fit_scaler(train, readings.targets, readings.features + readings.known, config)


scale_task = step(scale)
