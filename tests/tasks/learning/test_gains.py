from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wattcast.tasks.learning.gains import gains


def table(gru: np.ndarray, ridge: np.ndarray, persistence: float = 20.0) -> pd.DataFrame:
    """Two steps a forecast of a load of 100, each model off by what is given."""
    made_at = pd.date_range("2016-03-01", periods=len(gru), freq="h")
    columns = {"gru": 100 + gru, "ridge": 100 + ridge, "persistence": 100 + persistence}
    return pd.DataFrame({"made_at": made_at, "target": "load", "actual": 100.0, **columns})


def test_a_gain_is_a_share_of_the_rmse_with_an_interval() -> None:
    draws = np.random.default_rng(0)
    ridge = draws.normal(0, 10, 2400)
    to_persistence, to_ridge = gains(table(0.9 * ridge, ridge), ["load"], block=24)
    assert (to_ridge.target, to_ridge.baseline) == ("load", "ridge")
    assert to_ridge.share == pytest.approx(0.1)
    assert to_ridge.interval == (pytest.approx(0.1), pytest.approx(0.1))  # each error is nine tenths of the other
    assert not to_ridge.may_be_luck
    assert to_persistence.interval[0] < to_persistence.share < to_persistence.interval[1]


def test_what_chance_makes_may_be_luck() -> None:
    draws = np.random.default_rng(1)
    own, ridge = draws.normal(0, 10, (2, 2400))
    (_, to_ridge) = gains(table(own, ridge), ["load"], block=24)
    assert to_ridge.may_be_luck


def test_nothing_is_claimed_against_what_is_never_wrong() -> None:
    own = np.ones(48)
    assert [gain.baseline for gain in gains(table(own, 0 * own), ["load"], block=24)] == ["persistence"]
