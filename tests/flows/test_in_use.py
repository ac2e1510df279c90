"""What stands beside past forecasts: readings as they were measured."""

from typing import Any

import pandas as pd
from frames import every, over

from wattcast.flows.in_use import InUse
from wattcast.model.clean import Habits
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.registry.contract import Contract


def test_points_of_a_line_across_a_gap_are_no_actuals() -> None:
    readings = ReadingsConfig(
        timestamp="time", cadence_minutes=30, targets=("wh",), features=("deg",), gaps="interpolate"
    )
    raw = over(every(30, 5), wh=[1, 2, 3, 4, 5], deg=[7, 7, 7, 7, 7])
    raw.loc[every(30, 5)[[1, 3]], "wh"] = float("nan")
    nobody: Any = None
    contract = Contract.of(readings, WindowConfig())
    used = InUse(nobody, nobody, contract, readings, Habits(), {}, None, raw)
    pd.testing.assert_frame_equal(used.measured, raw[["wh"]].dropna())
    assert used.frame["wh"].tolist() == [1, 2, 3, 4, 5]
