"""Scores of forecasts: `(actual, forecast)` of equal shape and unit, to one number.

Formulas: Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd ed., section 5.8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]


def mse(actual: Values, forecast: Values) -> float:
    """Mean squared error, in the square of the unit."""
    return float(np.mean((actual.astype(np.float64) - forecast) ** 2))


def rmse(actual: Values, forecast: Values) -> float:
    """Root of the mean squared error, in the unit of the readings."""
    return float(np.sqrt(mse(actual, forecast)))


def mae(actual: Values, forecast: Values) -> float:
    """Mean absolute error, in the unit of the readings."""
    return float(np.mean(np.abs(actual.astype(np.float64) - forecast)))


def r2(actual: Values, forecast: Values) -> float:
    """Coefficient of determination: 1 is perfect, 0 as good as the mean of `actual`; NaN where `actual` is constant."""
    variance = float(np.var(actual.astype(np.float64)))
    return 1 - mse(actual, forecast) / variance if variance else float("nan")


def mape(actual: Values, forecast: Values) -> float:
    """Mean absolute percentage error over the values that are not zero, %; NaN where all are."""
    used = actual != 0
    error = np.abs(actual[used].astype(np.float64) - forecast[used]) / np.abs(actual[used])
    return float(100 * np.mean(error)) if used.any() else float("nan")


def skill(error: float, reference: float) -> float:
    """Share of the reference's RMSE that a model takes away: 0 is no better, 1 is perfect.

    NaN where the reference has no error to compare with, or but one of rounding, as where readings never change.
    """
    return 1 - error / reference if reference > _ROUNDING * error else float("nan")


_ROUNDING = 1e-6  # share of the model's error


METRICS: dict[str, Callable[[Values, Values], float]] = {"rmse": rmse, "mae": mae, "r2": r2, "mape": mape}
"""The scores that are reported, by the names they are logged under; `skill` joins them, against persistence."""
