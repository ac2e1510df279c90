"""The contestants of a backtest that anybody has, and how a fold is forecast by all of them, whatever one of them does.

N: forecasts of a fold. L: output length. K: targets. Q: quantiles.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from traceback import extract_tb

import numpy as np

from wattcast.model.arrays import Floats
from wattcast.model.baseline import BASELINES, Predictor
from wattcast.model.errors import InputError
from wattcast.model.telling import tellable
from wattcast.tasks.backtest.contest import Contestant, Failed, Fold, Forecasts
from wattcast.tasks.learning.boosting import BoostedTrees
from wattcast.tasks.learning.calibrate import calibrate
from wattcast.tasks.learning.leakage import LeakageError

log = logging.getLogger(__name__)

_LONGEST = 300  # characters of what an exception says


class ForecastError(Exception):
    """A contestant has no forecasts of a fold; the message says why, in one line."""


@dataclass(frozen=True)
class Baseline:
    """One of `BASELINES`, fitted on what the fold lets a product know."""

    name: str

    def forecast(self, fold: Fold) -> Forecasts:
        """Intervals from the errors on validation of the same baseline fitted on the training windows alone."""
        fit = BASELINES[self.name]
        product = fit(fold.known)
        return with_intervals(fold, product, lambda: product if fold.known is fold.train else fit(fold.train))


@dataclass(frozen=True)
class Boosted:
    """Boosted trees, whose number is chosen on validation."""

    name: str

    def forecast(self, fold: Fold) -> Forecasts:
        """As `Baseline` does."""
        selected = BoostedTrees.fit(fold.train, fold.validation)
        product = selected if fold.known is fold.train else selected.refit(fold.known)
        return with_intervals(fold, product, lambda: selected)


def with_intervals(fold: Fold, product: Predictor, selected: Callable[[], Predictor]) -> Forecasts:
    """What `product` forecasts, and where the fold asks for intervals those that a training would put around it.

    They come from the errors on validation of what `selected` gives, which must not have seen it.
    """
    point = product.predict(fold.scored)
    if not fold.intervals.levels:
        return Forecasts(point)
    intervals = calibrate(selected(), fold.validation, fold.intervals)
    return Forecasts(point, None if intervals is None else intervals.around(point, fold.scored))


def forecast_fold(
    contestants: Sequence[Contestant], fold: Fold
) -> tuple[dict[str, Forecasts | Failed], dict[str, float]]:
    """What each contestant makes of `fold`, and the seconds that it took, both by name.

    One that raises, or whose forecasts cannot be scored beside the others', has failed, and the others go on.

    Raises:
        InputError: a contestant of wattcast's own was asked for what the fold does not allow, which the user can mend.
        LeakageError: one of them has seen the future: nothing in the fold is worth anything.
    """
    outcomes: dict[str, Forecasts | Failed] = {}
    seconds: dict[str, float] = {}
    for contestant in contestants:
        began = perf_counter()
        outcomes[contestant.name] = outcome = _outcome(contestant, fold)
        seconds[contestant.name] = perf_counter() - began
        if isinstance(outcome, Failed):
            log.warning("fold %d: %s failed: %s", fold.number, contestant.name, outcome.reason)
    return outcomes, seconds


def _outcome(contestant: Contestant, fold: Fold) -> Forecasts | Failed:
    try:
        forecasts = contestant.forecast(fold)
        fault = _fault(forecasts, fold)
    except ForecastError as error:
        fault = str(error)
    except (InputError, LeakageError):
        raise
    except Exception as error:  # whatever it is, the other contestants go on
        log.debug("%s in fold %d", contestant.name, fold.number, exc_info=True)
        fault = raised(error)
    return Failed(tellable(fault)) if fault else forecasts


def raised(error: BaseException, file: str | None = None) -> str:
    """An exception in one line, with the place that raised it: the last one in `file`, where it went through that."""
    try:
        words = " ".join(str(error).split())
    except Exception as its_own:  # it is code of others as well
        words = f"and cannot say why: {type(its_own).__name__}"
    shown = f"{words[:_LONGEST]}…" if len(words) > _LONGEST else words
    places = extract_tb(error.__traceback__)
    place = next((each for each in reversed(places) if each.filename == file), places[-1] if places else None)
    where = f" ({place.filename.replace(chr(92), '/').rpartition('/')[2]}, line {place.lineno})" if place else ""
    return f"{type(error).__name__}{': ' if shown else ''}{shown}{where}"


def _fault(forecasts: Forecasts, fold: Fold) -> str:
    """What keeps `forecasts` from being scored; empty where nothing does."""
    shape = (len(fold.scored), *fold.scored.series.readings[fold.scored.target_rows[0]].shape)
    quantiles = fold.intervals.quantiles
    checked: list[tuple[str, Floats, tuple[int, ...], str]] = [
        ("forecasts", forecasts.point, shape, "forecasts, steps and targets")
    ]
    if forecasts.bounds is not None:
        bounds = (*shape, len(quantiles))
        checked.append(("quantiles", forecasts.bounds, bounds, "forecasts, steps, targets and quantiles"))
    for name, values, expected, meaning in checked:
        if values.shape != expected:
            return f"its {name} have the shape {values.shape}, expected {expected}: {meaning}"
        if wrong := int((~np.isfinite(values)).sum()):
            row, step = np.argwhere(~np.isfinite(values))[0][:2]
            made_at = fold.scored.series.times[fold.scored.newest_row[row]]
            return (
                f"{wrong:,} of its {values.size:,} {name} are NaN or infinite, the first at step {step + 1} of the "
                f"forecast made at {made_at}: expected finite numbers"
            )
    if forecasts.bounds is not None and (np.diff(forecasts.bounds, axis=-1) < 0).any():
        return "its quantiles cross: expected each no lower than the one before"
    return ""
