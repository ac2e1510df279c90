"""Windows are indices: the memory that ten years of readings need on their way to the network and to the baselines."""

from __future__ import annotations

import tracemalloc

import pandas as pd

from wattcast.model.baseline import fit_baselines
from wattcast.model.metrics import rmse
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig
from wattcast.model.split import SplitConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.data.simulate import simulate
from wattcast.tasks.data.uci import UCI_COLUMNS
from wattcast.tasks.data.validate import validate
from wattcast.tasks.learning.scale import scale
from wattcast.tasks.learning.split import split
from wattcast.tasks.learning.window import window

TEN_YEARS = 525_600
READINGS = ReadingsConfig(features=UCI_COLUMNS[1:-2], time="calendar")
WINDOW = WindowConfig(lookback=36)


def test_ten_years_of_all_sensors_stay_under_one_gib() -> None:
    """Materialised, the training windows alone would take 1.4 GB."""
    frame = simulate(TEN_YEARS)
    tracemalloc.start()
    try:
        clean = validate(frame, READINGS, window_rows=WINDOW.rows).frame
        rows = split(clean, SplitConfig())
        scaler = scale(clean, rows, READINGS, ScaleConfig())
        windows = window(clean, rows, READINGS, scaler, WINDOW)
        batch = windows.train.take(slice(256))
        inputs, dates = batch.series.inputs[batch.input_rows], batch.series.ahead[batch.target_rows]
        baselines = fit_baselines(windows.train)
        scores = {name: rmse(windows.test.actual, model.predict(windows.test)) for name, model in baselines.items()}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (inputs.shape, dates.shape) == ((256, 36, 31), (256, 1, 5))
    assert len(windows.train) == rows.train.stop - WINDOW.rows + 1
    assert isinstance(clean.index, pd.DatetimeIndex)
    assert scores["ridge"] < scores["persistence"] < scores["mean"]
    assert peak < 2**30
