"""Scores of forecasts: `(actual, forecast)` of equal shape and unit, to one number.

Formulas: Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd ed., section 5.8.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wattcast.model.arrays import Floats, Values


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


def pinball(actual: Values, forecast: Values, quantile: float | Values) -> float:
    """Mean quantile loss: an error counts `quantile` where the reading was higher, `1 - quantile` where lower.

    It is in the unit of the readings.

    Koenker and Bassett 1978, Regression quantiles, Econometrica 46. The arrays may be broadcast.
    """
    error = actual.astype(np.float64) - forecast
    return float(np.mean(np.maximum(quantile * error, (quantile - 1) * error)))


def coverage(actual: Values, low: Values, high: Values) -> float:
    """Share of the readings that lie between two bounds, the bounds included."""
    return float(np.mean((actual >= low) & (actual <= high)))


def winkler(actual: Values, low: Values, high: Values, level: float) -> float:
    """Mean interval score, in the unit of the readings."""
    return float(np.mean(interval_losses(actual, low, high, level)))


def interval_losses(actual: Values, low: Values, high: Values, level: float) -> Floats:
    """The interval score of each reading: the width, and what it lies outside of it times `2 / (1 - level)`.

    Winkler 1972, JASA 67; Gneiting and Raftery 2007, JASA 102, equation 43.
    """
    values = actual.astype(np.float64)
    outside = np.maximum(low - values, 0) + np.maximum(values - high, 0)
    losses: Floats = high - low + 2 / (1 - level) * outside
    return losses


_ROUNDING = 1e-6  # share of the model's error


METRICS: dict[str, Callable[[Values, Values], float]] = {"rmse": rmse, "mae": mae, "r2": r2, "mape": mape}
"""The scores that are reported, by the names they are logged under; `skill` joins them, against persistence."""
