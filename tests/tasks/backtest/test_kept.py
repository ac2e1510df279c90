"""A judged fold as a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wattcast.tasks.backtest.contest import Failed, Forecasts, Judged
from wattcast.tasks.backtest.kept import from_bytes, to_bytes


@pytest.mark.parametrize("zone", [None, "Europe/London", "UTC+01:00"])
@pytest.mark.parametrize("unit", ["ns", "us"])
def test_a_fold_comes_back_bit_for_bit(zone: str | None, unit: str) -> None:
    made_at = pd.date_range("2020-03-28 22:00", periods=9, freq="h", tz=zone).as_unit(unit)
    draws = np.random.default_rng(0)
    point, bounds = draws.normal(size=(9, 2, 1)), draws.normal(size=(9, 2, 1, 3))
    judged = Judged(
        number=5,
        cut=made_at[0],
        trained_from=made_at[0] - pd.Timedelta(days=60),
        made_at=made_at,
        actual=draws.normal(size=(9, 2, 1)),
        outcomes={"recommended": Forecasts(point, bounds), "mine:Mine": Failed("no"), "ridge": Forecasts(point / 3)},
        seconds={"recommended": 1 / 3, "mine:Mine": 0.0, "ridge": 2.5},
    )
    again = from_bytes(to_bytes(judged))
    assert (again.number, again.cut, again.trained_from) == (5, judged.cut, judged.trained_from)
    pd.testing.assert_index_equal(again.made_at, made_at, check_names=False, check_freq=False)
    assert again.actual.tobytes() == judged.actual.tobytes()
    assert list(again.outcomes) == list(judged.outcomes)
    assert again.seconds == judged.seconds
    network, failed, ridge = again.outcomes.values()
    assert isinstance(network, Forecasts)
    assert isinstance(ridge, Forecasts)
    assert network.bounds is not None
    assert (network.point.tobytes(), network.bounds.tobytes()) == (point.tobytes(), bounds.tobytes())
    assert (ridge.point.tobytes(), ridge.bounds) == ((point / 3).tobytes(), None)
    assert failed == Failed("no")
