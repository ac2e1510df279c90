"""Whether retraining was worth it: the scores of each way of retraining, what it costs, and which cadence to choose.

C: cuts. N: forecasts. L: output length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.metrics import mae, rmse
from wattcast.tasks.backtest.cuts import DAY, days_of
from wattcast.tasks.backtest.replay import Replay
from wattcast.tasks.bootstrap import difference_interval
from wattcast.tasks.fan import Fan
from wattcast.tasks.numbers import readable, with_unit

NEVER, ALWAYS, GATED = "never", "always", "gated"
POLICIES = (NEVER, ALWAYS, GATED)
BASELINES = ("ridge", "persistence")


@dataclass(frozen=True)
class IntervalOutcome:
    """What the intervals of one level held, as a share, and lost, by Winkler's score, on all forecasts.

    `difference` is that of the score from the reference's, with its 95 % interval; NaN where that has no such level.
    """

    level: float
    coverage: float
    winkler: float
    coverage_by_cut: tuple[float, ...]  # [C]
    winkler_by_cut: tuple[float, ...]  # [C]
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """How one way of retraining, or a baseline, did on all forecasts; RMSE and MAE in `unit`.

    `difference` is that of its RMSE from the reference's, with its 95 % interval.
    """

    name: str
    rmse: float
    mae: float
    by_cut: tuple[float, ...]  # [C] RMSE from each cut to the next
    trainings: int
    seconds: float  # of training
    difference: float
    low: float
    high: float
    unit: str | None
    intervals: tuple[IntervalOutcome, ...] = ()

    @property
    def change(self) -> str:
        """The difference in words."""
        change, low, high = (
            readable(each, 2, like=self.rmse, sign=True) for each in (self.difference, self.low, self.high)
        )
        return f"{with_unit(change, self.unit)} (95 % interval {low} to {high})"

    @property
    def reached(self) -> str:
        """The RMSE in words."""
        return with_unit(readable(self.rmse, 2), self.unit)


@dataclass(frozen=True)
class Decided:
    """What the gate did at a cut, and how long its challenger was trained."""

    at: str
    promoted: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class Worth:
    """The answer of a replay. The reference of `policies` and `baselines` is `never`, that of `cadences` their best.

    `cadences` use the same models, each that of every k-th cut: k = 1, 2, 4 and so on, at last the first one only.
    """

    days: float  # that were forecast
    policies: tuple[Outcome, ...]
    baselines: tuple[Outcome, ...]
    cadences: tuple[Outcome, ...]
    cuts: tuple[Decided, ...]  # [C]

    @property
    def unit(self) -> str | None:
        """The unit of RMSE and MAE, where it is known."""
        return self.policies[0].unit

    @property
    def promoted(self) -> int:
        """How many challengers passed the gate."""
        return sum(cut.promoted for cut in self.cuts)

    @property
    def best(self) -> Outcome:
        """The cadence with the lowest RMSE; of equal ones that with the fewest trainings."""
        return min(self.cadences, key=lambda cadence: (cadence.rmse, cadence.trainings))

    @property
    def recommended(self) -> Outcome:
        """The cadence with the fewest trainings whose RMSE is not above the best one's by more than luck."""
        return min((each for each in self.cadences if each.low <= 0), key=lambda cadence: cadence.trainings)

    @property
    def sentence(self) -> str:
        """What to do, how large the difference is, and how sure that is."""
        best, chosen = self.best, self.recommended
        span = f"an RMSE of {chosen.reached} over {self.days:.0f} days"
        if chosen.name == NEVER:
            if chosen is best:
                return f"Retraining was not worth it: the first model alone reached {span}, and {self._closest}."
            return (
                f"Retraining was not worth it beyond luck: the first model alone reached {span}, which differs from "
                f"that of the best cadence, {best.name}, by {chosen.change}."
            )
        if chosen is best:
            return f"Retrain {chosen.name}: it reached {span}, the lowest, and {self._next_longer}."
        return (
            f"Retrain {chosen.name}: it reached {span}, which differs from that of the best cadence, {best.name}, by "
            f"{chosen.change}, which these days cannot tell from luck, while {self._next_longer}."
        )

    @property
    def gate_sentence(self) -> str:
        """What the gate did, against the two policies that need none."""
        outcomes = {outcome.name: outcome for outcome in self.policies}
        never, always, gated = (outcomes[name] for name in POLICIES)
        return (
            f"The gate promoted {self.promoted} of {gated.trainings} challengers and so reached "
            f"{gated.reached}; the newest model of each cut reached {always.reached}, and the first model alone "
            f"{never.reached}."
        )

    @property
    def levels(self) -> tuple[float, ...]:
        """Those of the intervals that the models have."""
        return tuple(each.level for each in self.policies[0].intervals)

    @property
    def interval_sentence(self) -> str:
        """What the intervals of the recommended cadence hold, and where they are worse than the best one's; or nothing.

        It is chosen by RMSE alone.
        """
        chosen = self.recommended
        if not chosen.intervals:
            return ""
        held = " and ".join(
            f"those of {100 * each.level:g} % hold {100 * each.coverage:.1f} %" for each in chosen.intervals
        )
        worse = [each for each in chosen.intervals if each.low > 0]
        lost = "".join(
            f"; those of {100 * each.level:g} % are worse than the best cadence's, beyond luck, by a Winkler score of "
            f"{with_unit(readable(each.difference, 2, like=each.winkler), self.unit)}"
            for each in worse
        )
        which = "of the first model" if chosen.name == NEVER else f"when retrained {chosen.name}"
        return f"Of the intervals {which}, {held} of the readings{lost}."

    @property
    def _closest(self) -> str:
        other = min((each for each in self.cadences if each is not self.best), key=lambda cadence: cadence.rmse)
        return f"the best of the other cadences, {other.name}, differs from it by {other.change}"

    @property
    def _next_longer(self) -> str:
        longer = self.cadences[self.cadences.index(self.recommended) + 1]
        name = "the first model alone" if longer.name == NEVER else f"the next longer cadence, {longer.name},"
        return f"{name} is worse than the best by {longer.change}"

    def metrics(self) -> dict[str, float]:
        """The scores by the names they are logged under: `replay_gated_rmse`."""
        scores = {outcome.name: outcome for outcome in (*self.policies, *self.baselines)}
        named = {f"replay_{name}_{field}": getattr(scores[name], field) for name in scores for field in ("rmse", "mae")}
        for name in POLICIES:
            named |= {f"replay_{name}_{field}": getattr(scores[name], field) for field in ("trainings", "seconds")}
        for name, outcome in scores.items():
            for each in outcome.intervals:
                level = f"{100 * each.level:g}"
                named |= {f"replay_{name}_{field}_{level}": getattr(each, field) for field in ("coverage", "winkler")}
        return {**named, "replay_promoted": self.promoted, "replay_recommended_trainings": self.recommended.trainings}

    def metrics_by_cut(self) -> list[dict[str, float]]:
        """For each cut what was up to the next one: `replay_gated_rmse_by_cut`, `replay_gated_coverage_90_by_cut`."""
        outcomes = (*self.policies, *self.baselines)
        courses = {f"replay_{outcome.name}_rmse_by_cut": outcome.by_cut for outcome in outcomes}
        for outcome in outcomes:
            for each in outcome.intervals:
                ending = f"{100 * each.level:g}_by_cut"
                courses[f"replay_{outcome.name}_coverage_{ending}"] = each.coverage_by_cut
                courses[f"replay_{outcome.name}_winkler_{ending}"] = each.winkler_by_cut
        return [{name: course[number] for name, course in courses.items()} for number in range(len(self.cuts))]


def weigh(replay: Replay, every: pd.Timedelta) -> Worth:
    """Score policies, baselines and cadences on the same forecasts."""
    count = len(replay.cuts)
    newest = range(count)
    never = replay.forecast([0] * count)
    to_never = _scorer(replay, never)
    policies = (
        to_never(NEVER, never, [0]),
        to_never(ALWAYS, replay.forecast(newest), newest),
        to_never(GATED, replay.forecast([cut.champion for cut in replay.cuts]), newest),
    )
    baselines = (to_never("ridge", replay.ridge, []), to_never("persistence", replay.persistence, []))
    return Worth(
        days=days_of(replay.made_at, DAY / replay.block),
        policies=policies,
        baselines=baselines,
        cadences=_cadences(replay, every),
        cuts=tuple(
            Decided(str(cut.at), cut.decision.promoted, cut.decision.reason, cut.seconds) for cut in replay.cuts
        ),
    )


def squared_errors(actual: Floats, forecast: Floats) -> Floats:
    """`[N]`: the mean over the steps of each forecast."""
    errors: Floats = ((forecast - actual) ** 2).mean(axis=-1)
    return errors


def cadence_steps(cuts: int) -> list[int]:
    """1, 2, 4 and so on, as long as there is a second training; then the number of all cuts, which is never."""
    doubled = (2**power for power in range(cuts))
    return [*(step for step in doubled if step < cuts), cuts]


def _cadences(replay: Replay, every: pd.Timedelta) -> tuple[Outcome, ...]:
    count = len(replay.cuts)
    trained = {step: [number - number % step for number in range(count)] for step in cadence_steps(count)}
    forecasts = {step: replay.forecast(models) for step, models in trained.items()}
    best = min(reversed(forecasts), key=lambda step: rmse(replay.actual, forecasts[step].point))
    score = _scorer(replay, forecasts[best])
    return tuple(
        score(NEVER if step == count else _every(step * every), forecasts[step], sorted({*models}))
        for step, models in trained.items()
    )


def _every(step: pd.Timedelta) -> str:
    return "every day" if step == DAY else f"every {step / DAY:.4g} days"


def _scorer(replay: Replay, reference: Fan) -> Callable[[str, Fan, Sequence[int]], Outcome]:
    """Gives the outcome of a name, its forecasts and the cuts at which it was trained."""
    actual = replay.actual
    base = squared_errors(actual, reference.point)

    def score(name: str, forecast: Fan, trained: Sequence[int]) -> Outcome:
        errors = squared_errors(actual, forecast.point)
        low, high = difference_interval(base[None], errors[None], block=replay.block)
        return Outcome(
            name=name,
            rmse=float(np.sqrt(errors.mean())),
            mae=mae(actual, forecast.point),
            by_cut=tuple(float(np.sqrt(errors[span].mean())) for span in replay.spans),
            trainings=len(trained),
            seconds=sum(replay.cuts[number].seconds for number in trained),
            difference=float(np.sqrt(errors.mean()) - np.sqrt(base.mean())),
            low=low,
            high=high,
            unit=replay.unit,
            intervals=tuple(_of_level(replay, forecast, reference, level) for level in forecast.levels),
        )

    return score


def _of_level(replay: Replay, forecast: Fan, reference: Fan, level: float) -> IntervalOutcome:
    """What the intervals of a level hold and lose, beside those of the reference where it has that level."""
    actual = replay.actual
    hits, losses = (each(actual, level).mean(axis=-1) for each in (forecast.hits, forecast.losses))  # [N]
    difference = low = high = math.nan
    if level in reference.levels:
        base = reference.losses(actual, level).mean(axis=-1)
        block = min(replay.block, len(losses))
        low, high = difference_interval(base[None], losses[None], block=block, score=np.positive)
        difference = float(losses.mean() - base.mean())
    return IntervalOutcome(
        level=level,
        coverage=float(hits.mean()),
        winkler=float(losses.mean()),
        coverage_by_cut=tuple(float(hits[span].mean()) for span in replay.spans),
        winkler_by_cut=tuple(float(losses[span].mean()) for span in replay.spans),
        difference=difference,
        low=low,
        high=high,
    )
