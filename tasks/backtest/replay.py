"""Going through the readings as if time passed: what each way of retraining would have forecast, and what it costs.

At a cut a challenger is trained on readings up to it, and the gate judges it on the newest of these, which its training
has not seen. Then every model made so far forecasts each moment from the cut on. No choice has seen what is scored.

C: cuts. N: forecasts, one from each moment after the first cut. L: output length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.baseline import Persistence, fit_baselines
from wattcast.model.intervals import Intervals
from wattcast.model.windows import Windows
from wattcast.tasks.fan import Fan
from wattcast.tasks.registry.gate import Decision, GateConfig, check_baselines, check_champion
from wattcast.tasks.registry.interval_gate import check_coverage, check_winkler


@dataclass(frozen=True)
class Challenger:
    """A model trained at a cut: `forecast` gives the first target of windows, `seconds` were trained.

    `known` are the windows that it was trained on and `held_out` those that the gate looks at, which come after them.
    Its intervals were calibrated at the cut, and those of persistence, `around_persistence`, on the same windows.
    """

    known: Windows
    held_out: Windows
    forecast: Callable[[Windows], Fan]
    seconds: float
    around_persistence: Intervals | None = None


@dataclass(frozen=True)
class Cut:
    """What was decided and made at `at`. `champion` is the number of the cut whose model is in use from then on."""

    at: pd.Timestamp
    decision: Decision
    champion: int | None
    seconds: float  # of training
    forecasts: Fan  # [n, L] of its model for all moments from the cut on
    ridge: Fan  # [m, L] of a ridge fitted on the same windows, up to the next cut
    persistence: Fan  # [m, L] up to the next cut


@dataclass(frozen=True)
class Replay:
    """All that happened; `firsts` are the places `[C]` among the N moments of the first one from each cut on.

    Readings and forecasts are in `unit`, where it is known.
    """

    cuts: tuple[Cut, ...]
    firsts: npt.NDArray[np.intp]
    made_at: pd.DatetimeIndex  # [N]
    actual: Floats  # [N, L]
    block: int  # forecasts in a day
    unit: str | None

    @property
    def spans(self) -> list[slice]:
        """The moments from each cut to the next, the last to the end."""
        ends = [*self.firsts[1:], len(self.made_at)]
        return [slice(int(first), int(end)) for first, end in zip(self.firsts, ends, strict=True)]

    @property
    def ridge(self) -> Fan:
        """`[N, L]` of a ridge that is fitted anew at each cut."""
        return Fan.joined([cut.ridge for cut in self.cuts])

    @property
    def persistence(self) -> Fan:
        """`[N, L]`, within intervals that are calibrated anew at each cut."""
        return Fan.joined([cut.persistence for cut in self.cuts])

    def forecast(self, models: Sequence[int | None]) -> Fan:
        """`[N, L]` when `models[c]`, the number of a cut, forecasts from cut c to the next; persistence for None.

        Raises:
            ValueError: a model would forecast what came before it.
        """
        if any(model is not None and model > number for number, model in enumerate(models)):
            raise ValueError(f"no model may forecast what came before it, received {list(models)}")
        return Fan.joined([self._of(number, model) for number, model in enumerate(models)])

    def _of(self, number: int, model: int | None) -> Fan:
        """The forecasts of a model from the cut of a number to the next one."""
        if model is None:
            return self.cuts[number].persistence
        first, span = int(self.firsts[model]), self.spans[number]
        return self.cuts[model].forecasts.take(slice(span.start - first, span.stop - first))


def walk(
    cuts: Sequence[pd.Timestamp],
    challenge: Callable[[pd.Timestamp], Challenger],
    scored: Windows,
    config: GateConfig,
    *,
    block: int,
    unit: str | None,
    done: Callable[[], None] = lambda: None,
) -> Replay:
    """Train, judge and forecast at each cut; `block` forecasts make a day, and `done` is told of each cut.

    Readings are in `unit`.

    `challenge` trains on readings up to a cut. `scored` are all windows made from the first cut on; a window belongs to
    the newest cut that is not later than the moment of its forecast.
    """
    made_at = scored.series.times[scored.newest_row]
    firsts = np.asarray(made_at.searchsorted(pd.DatetimeIndex(list(cuts))))
    made: list[Cut] = []
    champion: int | None = None
    incumbent: Challenger | None = None
    for number, (at, first, end) in enumerate(zip(cuts, firsts, [*firsts[1:], len(scored)], strict=True)):
        challenger = challenge(at)
        baselines = fit_baselines(challenger.known)
        held_out = challenger.held_out
        reference = {name: model.predict(held_out)[..., 0] for name, model in baselines.items()}
        decision = _judge(challenger, incumbent, reference, config, block=block, unit=unit)
        if decision.promoted:
            champion, incumbent = number, challenger
        forecasts = challenger.forecast(scored.take(slice(first, None)))
        until_next = scored.take(slice(first, end))
        ridge = Fan.bare(baselines["ridge"].predict(until_next)[..., 0])
        persistence = Fan.of(Persistence().predict(until_next), challenger.around_persistence, until_next)
        made.append(Cut(at, decision, champion, challenger.seconds, forecasts, ridge, persistence))
        done()
    return Replay(tuple(made), firsts, made_at, _actual(scored), block, unit)


def _judge(
    challenger: Challenger,
    champion: Challenger | None,
    baselines: dict[str, Floats],
    config: GateConfig,
    *,
    block: int,
    unit: str | None,
) -> Decision:
    """What the gate of a retraining says of the forecasts; there, stored models are tested as well."""
    windows = challenger.held_out
    actual, own = _actual(windows), challenger.forecast(windows)
    checks = [check_coverage(actual, own, config, windows.config, day=block)] if own.levels else []
    checks.append(check_baselines(actual, own.point, baselines, config, unit=unit))
    if champion:
        theirs = champion.forecast(windows)
        if own.levels:
            checks.append(check_winkler(actual, own, theirs, config, windows.config, day=block, unit=unit))
        checks.append(check_champion(actual, own.point, theirs.point, config, block=block, unit=unit))
    return Decision(tuple(checks))


def _actual(windows: Windows) -> Floats:
    """`[N, L]` of the first target."""
    return windows.actual[..., 0]
