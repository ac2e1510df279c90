"""From a source of readings to the windows of each part: the way that every flow goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from wattcast.flows.experiment.experiment import Experiment
from wattcast.model.scaler import Scaler
from wattcast.model.split import Split, cut
from wattcast.model.windows import Windows
from wattcast.tasks.data.download import Raw, download_task
from wattcast.tasks.data.validate import validate_task
from wattcast.tasks.learning.scale import scale, scale_task
from wattcast.tasks.learning.split import split_task
from wattcast.tasks.learning.window import window, window_task


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
    return divide(experiment, *fetch(experiment))


def fetch(experiment: Experiment) -> tuple[Raw, pd.DataFrame]:
    """Download and validate: the readings as they came, and the clean frame.

    Raises:
        InputError: the data cannot be had or cannot be used.
    """
    raw = download_task(experiment.data)
    return raw, validate_task(raw.frame, experiment.readings, window_rows=experiment.window.rows)


def divide(experiment: Experiment, raw: Raw, frame: pd.DataFrame) -> Prepared:
    """Split, scale and window a clean frame that was made of `raw`.

    Raises:
        InputError: a part of the data would be empty or too short for a window.
    """
    frame = cut(frame, experiment.split)
    rows = split_task(frame, experiment.split)
    scaler = scale_task(frame, rows, experiment.readings, experiment.scale)
    windows = window_task(frame, rows, experiment.readings, scaler, experiment.window)
    return Prepared(raw.source, raw.origin, raw.sha256, frame, rows, scaler, windows)


def rescaled(prepared: Prepared, experiment: Experiment, frame: pd.DataFrame | None = None) -> Prepared:
    """The same rows scaled and windowed as `experiment` says; with `frame`, other readings in their place."""
    frame = prepared.frame if frame is None else frame
    scaler = scale(frame, prepared.rows, experiment.readings, experiment.scale)
    windows = window(frame, prepared.rows, experiment.readings, scaler, experiment.window)
    return replace(prepared, frame=frame, scaler=scaler, windows=windows)


def prepared_for(experiment: Experiment, other: Experiment, prepared: Prepared) -> Prepared:
    """`prepared`, which was made for the `other` experiment on the same readings and rows, made fit for this one."""
    same = (experiment.scale, experiment.window) == (other.scale, other.window)
    return prepared if same else rescaled(prepared, experiment)
