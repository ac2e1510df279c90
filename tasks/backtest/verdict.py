"""What a backtest says: who beats whom, by how much and how surely, up to which lead time, and whom to use.

F: folds. N: forecasts of all folds. L: output length. K: targets. C: contestants. R: resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, combinations, pairwise

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.baseline import NAIVE
from wattcast.model.metrics import rmse
from wattcast.model.windows import WindowConfig, named_leads
from wattcast.tasks.backtest.against import BASELINES, simplest_first
from wattcast.tasks.backtest.contest import Backtest, Failed, Forecasts
from wattcast.tasks.backtest.cuts import DAY, days_of
from wattcast.tasks.backtest.diebold_mariano import diebold_mariano
from wattcast.tasks.backtest.scores import Score, Scored, Standing, score
from wattcast.tasks.bootstrap import LEVEL, Interval, difference_interval, statistic_draws
from wattcast.tasks.metric_names import BACKTEST, distinct, endings, of_baseline
from wattcast.tasks.numbers import readable, with_unit


@dataclass(frozen=True)
class Span:
    """A fold: from when to when it knows readings, and how many forecasts it scores; networks may be older than it."""

    number: int
    trained_from: str
    cut: str
    forecasts: int


@dataclass(frozen=True)
class Fault:
    """The first fold of which a contestant had no forecasts, and why."""

    name: str
    fold: int
    reason: str


@dataclass(frozen=True)
class Pair:
    """`other`'s RMSE minus `one`'s, with its 95 % interval over days, and Diebold and Mariano's test beside it."""

    one: str
    other: str
    difference: float
    low: float
    high: float
    statistic: float
    p: float

    @property
    def turned(self) -> Pair:
        """The same seen from the other side."""
        return Pair(self.other, self.one, -self.difference, -self.high, -self.low, -self.statistic, self.p)

    @property
    def beyond_luck(self) -> bool:
        """The interval does not hold zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Verdict:
    """All of it is about one `target`; errors in `unit`, where it is known.

    Where a backtest has several, this is of the first one, and the verdicts of the `others` stand behind it.
    `asked` is the contestant that the backtest is about. `standings` has the lowest RMSE first; who failed in any fold
    is in `failed` instead, as scores of fewer rows cannot stand beside the others.
    """

    asked: str
    standings: tuple[Standing, ...]
    failed: tuple[Fault, ...]
    pairs: tuple[Pair, ...]
    folds: tuple[Span, ...]
    naive: str | None  # the naive forecast with the lowest RMSE
    leads: tuple[int, ...]  # [L] steps ahead
    named: tuple[int, ...]  # those of them that stand for all
    step_minutes: float
    levels: tuple[float, ...]
    days: float  # that were forecast
    unit: str | None
    target: str
    others: tuple[Verdict, ...] = ()
    is_one_of: bool = False  # several targets

    def standing(self, name: str) -> Standing | None:
        """The standing of a contestant; None where it has failed."""
        return next((each for each in self.standings if each.name == name), None)

    def between(self, one: str, other: str) -> Pair:
        """The two that stand in that order."""
        pair = next(each for each in self.pairs if {each.one, each.other} == {one, other})
        return pair if pair.one == one else pair.turned

    @property
    def best(self) -> Standing | None:
        """The lowest RMSE."""
        return self.standings[0] if self.standings else None

    @property
    def recommended(self) -> Standing | None:
        """The simplest one whose RMSE is not above the lowest by more than luck.

        The baselines are the simplest, the naive ones first; then comes who was asked about, then the best of the
        others.
        """
        best = self.best
        if best is None:
            return None
        return next(
            each for each in self._by_simplicity if each is best or not self.between(best.name, each.name).low > 0
        )

    @property
    def _by_simplicity(self) -> list[Standing]:
        asked_first = sorted(self.standings, key=lambda each: each.name != self.asked)
        names = simplest_first([each.name for each in asked_first])
        return sorted(self.standings, key=lambda each: names.index(each.name))

    @property
    def sentence(self) -> str:
        """Whom to use, and why."""
        best, chosen = self.best, self.recommended
        if best is None or chosen is None:
            return f"There is nothing to use: no contestant forecast all {len(self.folds)} folds."
        of = f" in {self.target}" if self.is_one_of else ""
        reached = f"an RMSE of {self._error(chosen)}{of} over {self.days:.0f} days in {_count(len(self.folds), 'fold')}"
        instead = "" if chosen.name == self.asked else f", not {self.asked}"
        if chosen is best:
            return f"Use {chosen.name}{instead}: it has {reached}, the lowest{self._of_others(chosen)}."
        return (
            f"Use {chosen.name}{instead}: it has {reached}, from which that of {best.name}, the lowest with "
            f"{self._error(best)}, differs by {self._change(chosen, best)}; these days cannot tell that from luck, and "
            f"{self._why(chosen)}{self._of_asked(chosen, best)}."
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """Whom to use, who else has the lowest MAE, and up to which lead time the asked-about contestant is useful."""
        return tuple(filter(None, (self.sentence, self.mae_sentence, self.useful_sentence)))

    @property
    def mae_sentence(self) -> str:
        """Who leads by MAE; empty where it is whom to use anyhow."""
        chosen = self.recommended
        lowest = min(self.standings, key=lambda each: each.overall.mae, default=None)
        if chosen is None or lowest is None or not lowest.overall.mae < chosen.overall.mae:
            return ""
        low, of_chosen = (with_unit(readable(each.overall.mae, 2), self.unit) for each in (lowest, chosen))
        return self._about(
            f"By MAE {lowest.name} leads with {low}, {chosen.name} has {of_chosen}: who minds the typical error more "
            f"than the large one is served better by {lowest.name}."
        )

    def _why(self, chosen: Standing) -> str:
        return f"{chosen.name} is the simpler one" if chosen.name in BASELINES else "there is no reason to change"

    def _of_others(self, chosen: Standing) -> str:
        """How far the asked-about contestant, or else the next best, is behind the best one."""
        asked = self.standing(self.asked)
        other = asked if asked and asked is not chosen else next((each for each in self.standings[1:]), None)
        if other is None:
            return ", as all others have failed" if self.failed else ""
        luck = "" if self.between(chosen.name, other.name).beyond_luck else ", which may be luck"
        title = f"that of {other.name}" if other is asked else f"the next one, that of {other.name},"
        failed = "" if asked else f"; {self.asked} has failed"
        return f", and {title} is higher by {self._change(chosen, other)}{luck}{failed}"

    def _of_asked(self, chosen: Standing, best: Standing) -> str:
        asked = self.standing(self.asked)
        if asked is None:
            return f"; {self.asked} has failed"
        if asked is chosen or asked is best:
            return ""
        return f"; that of {self.asked} differs by {self._change(chosen, asked)}"

    def _error(self, standing: Standing) -> str:
        return with_unit(readable(standing.overall.rmse, 2), self.unit)

    def _change(self, one: Standing, other: Standing) -> str:
        pair = self.between(one.name, other.name)
        shown = partial(readable, decimals=2, like=one.overall.rmse, sign=True)
        change = with_unit(shown(pair.difference), self.unit)
        return f"{change} (95 % interval {shown(pair.low)} to {shown(pair.high)})"

    @property
    def useful_steps(self) -> int | None:
        """Up to how many steps ahead the asked-about contestant beats the best naive forecast beyond luck.

        0 where it does not even at the first lead time, None where nothing can be said.
        """
        asked = self.standing(self.asked)
        if asked is None or not asked.skills:
            return None
        touching = self._first_touching(asked)
        if touching is None:
            return self.leads[-1]
        return self.leads[touching - 1] if touching else 0

    @property
    def useful_sentence(self) -> str:
        """The lead time at which the skill's interval over days first touches zero."""
        asked = self.standing(self.asked)
        if asked is None or not asked.skills:
            return self._about(f"Up to which lead time {self.asked} is useful cannot be said.")
        touching = self._first_touching(asked)
        if touching is None:
            least = min(range(len(self.leads)), key=lambda place: asked.skills[place][0])
            every = "its lead time" if len(self.leads) == 1 else "every lead time, up to"
            where = "there" if len(self.leads) == 1 else f"at {self.lead(least)}, where it is nearest to zero,"
            return self._about(
                f"{self.asked} is useful at {every} {self.lead(len(self.leads) - 1)}: {where} the 95 % interval of its "
                f"skill against the best naive forecast is {_shares(asked.skills[least])}."
            )
        found = _nothing_proven(asked.skills[touching])
        if not touching:
            return self._about(f"{self.asked} is of no proven use: already at {self.lead(0)} {found}.")
        return self._about(f"{self.asked} is useful up to {self.lead(touching - 1)}: at {self.lead(touching)} {found}.")

    def _about(self, words: str) -> str:
        """Of several targets a sentence that is about this one says so."""
        return f"{self.target}: {words}" if self.is_one_of else words

    def lead(self, place: int) -> str:
        """A lead time in words, by its place among `leads`."""
        return in_words(self.leads[place] * pd.Timedelta(minutes=self.step_minutes))

    @staticmethod
    def _first_touching(asked: Standing) -> int | None:
        return next((place for place, (low, _) in enumerate(asked.skills) if not low > 0), None)

    def metrics(self) -> dict[str, float]:
        """The scores by the names they are logged under: `backtest_rmse`, `backtest_vs_ridge_rmse`.

        They are those of the asked-about contestant, and of the others RMSE and MAE.
        """
        found: dict[str, float] = {}
        behind = endings(["", *(other.target for other in self.others)])
        for ending, verdict in zip(behind.values(), (self, *self.others), strict=True):
            for each in verdict.standings:
                for name, value in self._values(each.overall, asked=each.name == self.asked).items():
                    found[f"{self._metric(each.name, name)}{ending}"] = value
            if asked := verdict.standing(verdict.asked):
                found[f"{BACKTEST}_rmse_spread{ending}"] = asked.spread
                for steps in verdict.named:
                    at = asked.by_lead[verdict.leads.index(steps)]
                    found |= {
                        f"{BACKTEST}_{name}_at_{steps}{ending}": getattr(at, name) for name in ("rmse", "mae", "skill")
                    }
            if verdict.useful_steps is not None:
                found[f"{BACKTEST}_useful_steps{ending}"] = verdict.useful_steps
        found[f"{BACKTEST}_failed"] = len(self.failed)
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def metrics_by_fold(self) -> list[dict[str, float]]:
        """The same of each fold: `backtest_rmse_by_fold`."""
        return [
            {
                f"{self._metric(each.name, name)}_by_fold": value
                for each in self.standings
                for name, value in self._values(each.by_fold[place], asked=each.name == self.asked).items()
                if math.isfinite(value)
            }
            for place in range(len(self.folds))
        ]

    def _values(self, of: Score, *, asked: bool) -> dict[str, float]:
        plain = {"rmse": of.rmse, "mae": of.mae}
        if not asked:
            return plain
        plain["skill"] = of.skill
        if of.pinball is not None:
            plain["pinball"] = of.pinball
            for level, covered, width in zip(self.levels, of.coverage, of.winkler, strict=True):
                plain |= {f"coverage_{100 * level:g}": covered, f"winkler_{100 * level:g}": width}
        return plain

    def _metric(self, contestant: str, name: str) -> str:
        if contestant == self.asked:
            return f"{BACKTEST}_{name}"
        return of_baseline(BACKTEST, self._names[contestant], name)

    @property
    def _names(self) -> dict[str, str]:
        """What contestants are called in metrics, whichever of them leads."""
        return distinct(sorted([each.name for each in self.standings] + [fault.name for fault in self.failed]))


def in_words(span: pd.Timedelta) -> str:
    """`10 min`, `7 h 30 min`, `1 d 2 h`."""
    minutes = span / pd.Timedelta(minutes=1)
    days, rest = divmod(minutes, 1440)
    hours, rest = divmod(rest, 60)
    parts = ((days, "d"), (hours, "h"), (rest, "min"))
    return " ".join(f"{value:g} {unit}" for value, unit in parts if value) or "0 min"


def judge(backtest: Backtest) -> Verdict:
    """Score all contestants on the same rows, compare each two, and find up to which lead time the first is useful."""
    first, *others = (_judge_target(backtest, k) for k in range(len(backtest.targets)))
    return replace(first, others=tuple(others))


def _judge_target(backtest: Backtest, k: int) -> Verdict:
    failed = _failed(backtest)
    names = [name for name in backtest.contestants if name not in {fault.name for fault in failed}]
    lengths = [len(fold.made_at) for fold in backtest.folds]
    ends = [0, *accumulate(lengths)]
    rows = [slice(first, last) for first, last in pairwise(ends)]
    actual = np.concatenate([fold.actual[..., k] for fold in backtest.folds])  # [N, L]
    made = {name: _of_all_folds(backtest, name, k) for name in names}
    naive = [name for name in names if name in NAIVE]
    standings = sorted(
        (_standing(backtest, name, actual, made, naive=naive, rows=rows) for name in names),
        key=lambda each: each.overall.rmse,
    )
    length = actual.shape[1]
    leads = tuple(range(backtest.steps_ahead, backtest.steps_ahead + length))
    losses = {name: (made[name].point - actual) ** 2 for name in names}  # [N, L]
    window = WindowConfig(output_length=length, steps_ahead=backtest.steps_ahead)
    verdict = Verdict(
        asked=backtest.contestants[0],
        standings=tuple(standings),
        failed=failed,
        pairs=_pairs([each.name for each in standings], losses, backtest),
        folds=tuple(
            Span(fold.number, str(fold.trained_from), str(fold.cut), len(fold.made_at)) for fold in backtest.folds
        ),
        naive=next((each.name for each in standings if each.name in NAIVE), None),
        leads=leads,
        named=named_leads(window, max(1, round(DAY / backtest.cadence))),
        step_minutes=backtest.cadence / pd.Timedelta(minutes=1),
        levels=backtest.levels,
        days=sum(days_of(fold.made_at, backtest.cadence) for fold in backtest.folds),
        unit=backtest.unit,
        target=backtest.targets[k],
        is_one_of=len(backtest.targets) > 1,
    )
    return _with_skills(verdict, losses, naive, backtest.day)


def _failed(backtest: Backtest) -> tuple[Fault, ...]:
    found = []
    for name in backtest.contestants:
        for fold in backtest.folds:
            outcome = fold.outcomes[name]
            if isinstance(outcome, Failed):
                found.append(Fault(name, fold.number, outcome.reason))
                break
    return tuple(found)


def _of_all_folds(backtest: Backtest, name: str, k: int) -> Scored:
    """What a contestant forecast of a target; with intervals where it gives them in every fold."""
    outcomes = [fold.outcomes[name] for fold in backtest.folds]
    forecasts = [outcome for outcome in outcomes if isinstance(outcome, Forecasts)]
    given = [each.bounds[..., k, :] for each in forecasts if each.bounds is not None]
    return Scored(
        np.concatenate([each.point[..., k] for each in forecasts]),
        np.concatenate(given) if len(given) == len(forecasts) else None,
    )


def _standing(
    backtest: Backtest,
    name: str,
    actual: Floats,
    made: dict[str, Scored],
    *,
    naive: list[str],
    rows: list[slice],
) -> Standing:
    everything = slice(None)

    def of(rows: slice, steps: slice) -> Score:
        measured = actual[rows, steps]
        references = [rmse(measured, made[each].point[rows, steps]) for each in naive]
        return score(
            measured,
            made[name].of(rows, steps),
            naive=min(references, default=math.nan),
            quantiles=backtest.quantiles,
            levels=backtest.levels,
        )

    return Standing(
        name,
        overall=of(everything, everything),
        by_fold=tuple(of(each, everything) for each in rows),
        by_lead=tuple(of(everything, slice(step, step + 1)) for step in range(actual.shape[1])),
        seconds=sum(fold.seconds.get(name, 0.0) for fold in backtest.folds),
    )


def _pairs(names: Sequence[str], losses: dict[str, Floats], backtest: Backtest) -> tuple[Pair, ...]:
    """Each two of `names`, by their squared errors `[N, L]`: the mean over the steps of a forecast is its loss."""
    means = {name: losses[name].mean(axis=1) for name in names}  # [N]
    found = []
    for one, other in combinations(names, 2):
        first, second = means[one], means[other]
        horizon = backtest.steps_ahead + losses[one].shape[1] - 1
        low, high = difference_interval(first[None], second[None], block=backtest.day)
        difference = float(np.sqrt(second.mean()) - np.sqrt(first.mean()))
        test = diebold_mariano(first, second, horizon=horizon)
        found.append(Pair(one, other, difference, low, high, test.statistic, test.p))
    return tuple(found)


def _with_skills(verdict: Verdict, losses: dict[str, Floats], naive: list[str], day: int) -> Verdict:
    """The intervals over days of the skill at each lead time, of who was asked about and of whom to use."""
    if not naive:
        return verdict
    questioned = [
        each
        for each in verdict.standings
        if each.name not in naive and each.name in {verdict.asked, verdict.recommended and verdict.recommended.name}
    ]
    asked = verdict.standing(verdict.asked)
    if asked and asked not in questioned:
        questioned.append(asked)
    intervals = {
        each.name: _skill_intervals(losses[each.name], [losses[name] for name in naive], day) for each in questioned
    }
    standings = tuple(replace(each, skills=intervals.get(each.name, ())) for each in verdict.standings)
    return replace(verdict, standings=standings)


def _skill_intervals(own: Floats, naive: list[Floats], day: int) -> tuple[Interval, ...]:
    """`[L]`: of the skill against whichever naive forecast is best at that lead time, from squared errors `[N, L]`."""
    steps = own.shape[1]
    losses = np.concatenate([own, *naive], axis=1).T  # [(1 + naive) * L, N]

    def skills(means: Floats) -> Floats:
        mine, *theirs = np.sqrt(means.reshape(1 + len(naive), steps, -1))
        best = np.minimum.reduce(theirs)
        found: Floats = 1 - mine / np.where(best > 0, best, np.nan)
        return found  # [L, R]

    draws = statistic_draws([losses], skills, block=day)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
    return tuple(zip(low.tolist(), high.tolist(), strict=True))


def _nothing_proven(skill: Interval) -> str:
    """What is found where an interval of the skill does not lie above zero."""
    if not math.isfinite(skill[1]):
        return "the best naive forecast has no error to take away"
    touches = "touches" if skill[1] >= 0 else "lies below"
    return f"its skill against the best naive forecast {touches} zero (95 % interval {_shares(skill)})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shares(interval: Interval) -> str:
    low, high = (f"{100 * each:+z.1f}" for each in interval)
    return f"{low} to {high} %"
