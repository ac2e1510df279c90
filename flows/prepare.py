"""From a source of readings to the windows of each part: the way that every flow goes."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from flows.experiment import Experiment
from model.scaler import Scaler
from model.split import Split
from model.windows import Windows
from tasks.download import download_task
from tasks.scale import scale_task
from tasks.split import split_task
from tasks.validate import validate_task
from tasks.window import window_task


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation need of the data; where it comes from is told as `Raw` tells it."""

    source: str
    origin: str
    sha256: str
    frame: pd.DataFrame
    rows: Split[range]
    scaler: Scaler
    windows: Split[Windows]


def prepare(experiment: Experiment) -> Prepared:
    """Download, validate, split, scale and window.

    Raises:
        InputError: the data cannot be had or cannot be used.
    """
    raw = download_task(experiment.data)
    frame = validate_task(raw.frame, experiment.readings, window_rows=experiment.window.rows)
    rows = split_task(frame, experiment.split)
    scaler = scale_task(frame, rows, experiment.readings, experiment.scale)
    windows = window_task(frame, rows, experiment.readings, scaler, experiment.window)
    return Prepared(raw.source, raw.origin, raw.sha256, frame, rows, scaler, windows)
