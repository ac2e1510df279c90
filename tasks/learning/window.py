"""The step that turns a clean frame into the windows of each part."""

from __future__ import annotations

import pandas as pd

from wattcast.model.drawn import Drawn
from wattcast.model.readings import ReadingsConfig
from wattcast.model.revisions import Revisions
from wattcast.model.scaler import Scaler
from wattcast.model.split import Split
from wattcast.model.windows import WindowConfig, Windows, make_series, make_windows
from wattcast.tasks.step import step


def window(
    frame: pd.DataFrame,
    rows: Split[range],
    readings: ReadingsConfig,
    scaler: Scaler,
    config: WindowConfig,
    *,
    revisions: Revisions | None = None,
    drawn: Drawn | None = None,
) -> Split[Windows]:
    """The windows of each part, all over one scaled series; see `wattcast.model.windows.make_windows`."""
    series = make_series(frame, readings, scaler, config, revisions=revisions, drawn=drawn)
    return rows.map(lambda part: make_windows(series, part, readings.cadence, config))


window_task = step(window)
