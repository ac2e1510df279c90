"""The seed's diagnosis: does the network underfit, overfit, both, or neither?

The chapter compares the training error with a base error (high bias) and the validation error with the training error
(high variance). The base is a simple model that can hardly overfit, ridge on the lags. As the parts of a year are not
equally hard, the step from training to validation is judged against the base's own step. A fault is named only where a
bootstrap over days says that it is more than luck.

N: windows of a part, in the order of time. M: the two models, network and ridge. R: resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wattcast.model.arrays import Floats
from wattcast.tasks.bootstrap import LEVEL, Interval, statistic_interval
from wattcast.tasks.numbers import readable, with_unit

UNDERFIT_MARGIN = 0.02
"""Underfit: the training error lies more than this share above the base's."""
OVERFIT_MARGIN = 0.05
"""Overfit: the error grows from training to validation by this share more than the base's does."""

_NO_ERROR = 1e-6
"""An RMSE that is smaller than this share of the largest single error is none: nothing can be compared with it."""
_LARGEST_CHANGE = 9.995  # what is told of a change in percent

Finding = Literal["good", "underfit", "overfit", "underfit and overfit"]

_ADVICE: dict[Finding, str] = {
    "good": "keep it; a sweep or more data may still gain a little",
    "underfit": "try more epochs, another learning rate, more units or layers, or keep probabilities nearer to 1",
    "overfit": "try fewer units, lower keep probabilities, a larger regularisation_scale, fewer features or more data",
    "underfit and overfit": "try a longer training with lower keep probabilities, fewer features, or more data",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, the sentence that explains it, and what to try."""

    verdict: Finding
    reason: str
    advice: str


@dataclass(frozen=True)
class Errors:
    """Squared errors `[N]` of network and ridge on one part, window by window in the order of time."""

    network: Floats
    ridge: Floats

    @property
    def both(self) -> Floats:
        """`[M, N]`."""
        return np.stack([self.network, self.ridge])


@dataclass(frozen=True)
class _Change:
    """By which share an error lies above another one, and the interval of that."""

    share: float
    interval: Interval

    def exceeds(self, margin: float) -> bool:
        """It is larger than `margin` by more than luck."""
        return self.interval[0] > margin

    def doubt(self, margin: float) -> str:
        """What is to be said of a share that may be larger than `margin` by luck."""
        return ", which may be luck" if self.share > margin and not self.exceeds(margin) else ""

    @property
    def range(self) -> str:
        """The interval in words."""
        low, high = map(_signed, self.interval)
        return f"{_percent(LEVEL)} interval {low} to {high}"


def diagnose(train: Errors, validation: Errors, *, block: int, unit: str | None) -> Diagnosis:
    """Compare the RMSEs of network and ridge, in `unit`, on training and validation; `block` windows make a day."""
    largest = max(float(part.both.max()) for part in (train, validation)) or 1.0
    parts = [part.both / largest for part in (train, validation)]  # [M, N] each, of any size
    rmse = {
        name: np.sqrt(losses.mean(axis=1)) for name, losses in zip(("training", "validation"), parts, strict=True)
    }  # [M] each
    for model, who in enumerate(("the network", "ridge")):
        if without := [name for name, errors in rmse.items() if not errors[model] > _NO_ERROR]:
            reason = f"{who} has no error to compare with on {' and '.join(without)}"
            return Diagnosis("good", reason, "see whether the readings of the target ever change")
    bias = _change(_excess, parts[:1], block=block)
    variance = _change(lambda *means: _excess(means[1]) - _excess(means[0]), parts, block=block)
    faults = {"underfit": bias.exceeds(UNDERFIT_MARGIN), "overfit": variance.exceeds(OVERFIT_MARGIN)}
    verdict: Finding = " and ".join(name for name, found in faults.items() if found) or "good"  # type: ignore[assignment]
    network, ridge = rmse["training"] * math.sqrt(largest)  # in the unit
    network_growth, ridge_growth = rmse["validation"] / rmse["training"]
    error = with_unit(readable(network), unit)
    reason = (
        f"the training error of {error} lies {_sided(bias.share, 'above', 'below')} ridge's {readable(ridge)} "
        f"({bias.range}){bias.doubt(UNDERFIT_MARGIN)}, and validation is {network_growth:.2f} times "
        f"training where ridge's is {ridge_growth:.2f} times, {_sided(variance.share, 'more', 'less')} "
        f"({variance.range})"
        f"{variance.doubt(OVERFIT_MARGIN)}"
    )
    return Diagnosis(verdict, reason, _ADVICE[verdict])


def _excess(means: Floats) -> Floats:
    """`[M, R]` mean losses -> `[R]`: the logarithm of how often ridge's RMSE fits into the network's."""
    network, ridge = np.log(np.maximum(means, _NO_ERROR**2)) / 2
    excess: Floats = network - ridge
    return excess


def _change(statistic: Callable[..., Floats], parts: list[Floats], *, block: int) -> _Change:
    (point,) = statistic(*(losses.mean(axis=1, keepdims=True) for losses in parts))
    low, high = statistic_interval(parts, statistic, block=block)
    return _Change(math.expm1(point), (math.expm1(low), math.expm1(high)))


def _sided(share: float, above: str, below: str) -> str:
    if share > _LARGEST_CHANGE:
        return f"more than {_percent(_LARGEST_CHANGE)} {above}"
    return f"{_percent(abs(share))} {above if share > 0 else below}"


def _signed(share: float) -> str:
    return f"more than {_percent(_LARGEST_CHANGE, '+')}" if share > _LARGEST_CHANGE else _percent(share, "+")


def _percent(share: float, sign: str = "") -> str:
    return f"{100 * share:{sign}z.0f} %"
