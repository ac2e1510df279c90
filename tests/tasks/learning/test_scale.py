"""The scaler sees training rows and nothing else, wherever they begin."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig
from wattcast.model.split import Split
from wattcast.tasks.learning.scale import scale


def test_rows_before_a_sliding_window_change_nothing() -> None:
    times = pd.date_range("2016-01-11", periods=300, freq="10min")
    frame = pd.DataFrame({"Appliances": np.arange(300.0)}, index=times)
    rows = Split(range(100, 200), range(200, 250), range(250, 300))
    readings, config = ReadingsConfig(), ScaleConfig(targets="minmax")
    scaler = scale(frame, rows, readings, config)
    assert (scaler.offset.tolist(), scaler.scale.tolist()) == ([100.0], [99.0])
    altered = frame.copy()
    altered.iloc[:100] *= -7
    altered.iloc[200:] *= -7
    assert scale(altered, rows, readings, config).to_json() == scaler.to_json()
