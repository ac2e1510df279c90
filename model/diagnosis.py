"""The seed's diagnosis: does the network underfit, overfit, both, or neither?

The chapter compares the training error with a base error (high bias) and the validation error with the training error
(high variance). The base is a simple model that can hardly overfit, ridge on the lags. As the parts of a year are not
equally hard, the step from training to validation is judged against the base's own step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from wattcast.model.split import Split

UNDERFIT_MARGIN = 0.02
"""Underfit: the training error lies more than this share above the base's."""
OVERFIT_MARGIN = 0.05
"""Overfit: the error grows from training to validation by this share more than the base's does."""

Verdict = Literal["good", "underfit", "overfit", "underfit and overfit"]

_ADVICE: dict[Verdict, str] = {
    "good": "keep it; a sweep or more data may still gain a little",
    "underfit": "try more epochs, another learning rate, more units or layers, or keep probabilities nearer to 1",
    "overfit": "try fewer units, lower keep probabilities, a larger regularisation_scale, fewer features or more data",
    "underfit and overfit": "try a longer training with lower keep probabilities, fewer features, or more data",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, the sentence that explains it, and what to try."""

    verdict: Verdict
    reason: str
    advice: str


def diagnose(error: Split[float], base: Split[float]) -> Diagnosis:
    """Compare the RMSEs in Wh of the network and of the base model on training and validation; test is not read."""
    bias = _ratio(error.train, base.train) - 1
    growth, base_growth = _ratio(error.validation, error.train), _ratio(base.validation, base.train)
    variance = _ratio(growth, base_growth) - 1
    faults = []
    if bias > UNDERFIT_MARGIN:
        faults.append("underfit")
    if variance > OVERFIT_MARGIN:
        faults.append("overfit")
    verdict: Verdict = " and ".join(faults) or "good"  # type: ignore[assignment]
    reason = (
        f"the training error of {error.train:.1f} Wh lies {abs(bias):.0%} {'above' if bias > 0 else 'below'} "
        f"ridge's {base.train:.1f}, and validation is {growth:.2f} times training where ridge's is "
        f"{base_growth:.2f} times"
    )
    return Diagnosis(verdict, reason, _ADVICE[verdict])


def _ratio(error: float, other: float) -> float:
    """How often `other` fits into `error`; once where both are zero."""
    if other == 0:
        return 1.0 if error == 0 else math.inf
    return error / other
