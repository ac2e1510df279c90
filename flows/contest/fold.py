"""A fold of a backtest, from its rows to a run of its own with all forecasts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wattcast.flows.contest.network import Network
from wattcast.flows.prepare import Prepared
from wattcast.flows.tuning.side_by_side import go_on
from wattcast.model.errors import InputError
from wattcast.model.metrics import mae, rmse
from wattcast.tasks.backtest.contest import Contestant, Fold, Forecasts, Judged
from wattcast.tasks.backtest.contestants import forecast_fold
from wattcast.tasks.backtest.folds import Origin
from wattcast.tasks.backtest.kept import FOLD_FILE, to_bytes
from wattcast.tasks.learning.leakage import LEAKAGE_FILE, proofs_record, prove_no_leakage, require_passed
from wattcast.tasks.metric_names import BACKTEST, distinct, of_baseline
from wattcast.tasks.step import step
from wattcast.tasks.tracking.run import Log, Parent, child_run

FOLD = "fold"
"""The tag of a fold's run: its number."""


@dataclass(frozen=True)
class Contest:
    """Who forecasts the folds: networks, by name and with the readings that each is made of, and all `others`.

    The first of the networks is the one that was asked about: folds are cut as its experiment says.
    """

    networks: Mapping[str, Prepared]
    others: tuple[Contestant, ...]

    @property
    def asked(self) -> Prepared:
        """What the network is made of that was asked about."""
        return next(iter(self.networks.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Of all contestants, in the order of the tables."""
        return (*self.networks, *(other.name for other in self.others))

    def prepared(self, origin: Origin) -> dict[str, Prepared]:
        """What each network may know at `origin`.

        Raises:
            InputError: that is too little for one of them.
        """
        made: dict[str, Prepared] = {}
        for name, given in self.networks.items():
            try:
                if made and given.fetched is self.asked.fetched:
                    made[name] = next(iter(made.values())).changed(given.experiment)
                else:
                    made[name] = given.over(
                        origin.rows(given.all_times, given.experiment.split, given.experiment.window)
                    )
            except InputError as error:
                known = f"knows readings from {origin.known_from} to {origin.cut}"
                raise InputError(f"fold {origin.number} {known}: {error}") from None
        return made

    def fold(self, origin: Origin, prepared: Prepared) -> Fold:
        """The fold as everybody gets it; `prepared` is what the network that was asked about may know."""
        test, ours = prepared.windows.test, prepared.experiment
        made = test.series.times[test.newest_row].isin(origin.made_at)
        return Fold(
            number=origin.number,
            cut=origin.cut,
            train=prepared.windows.train,
            validation=prepared.windows.validation,
            known=prepared.known,
            scored=test.take(np.flatnonzero(made)),
            frame=prepared.fetched.frame,
            readings=ours.readings,
            intervals=ours.intervals,
            revisions=prepared.fetched.cleaned.revisions,
        )


def judge_folds(
    contest: Contest, trained: Origin, folds: Sequence[Origin], parent: Parent, *, cores: int, worker: str
) -> list[Judged]:
    """Each of `folds`, with networks that are trained in the fold `trained` and forecast all of them.

    Raises:
        LeakageError: what a fold reads has changed with what came later.
    """
    go_on(worker)
    first = contest.prepared(trained)
    networks = [Network(name, prepared, cores, lambda _: go_on(worker)) for name, prepared in first.items()]
    return [_judge(contest, networks, origin, parent, new=origin == trained, worker=worker) for origin in folds]


judge_folds_task = step(judge_folds, task_run_name="folds from {trained.number} on")


def _judge(
    contest: Contest, networks: Sequence[Network], origin: Origin, parent: Parent, *, new: bool, worker: str
) -> Judged:
    prepared = {network.name: network.prepared for network in networks} if new else contest.prepared(origin)
    fold = contest.fold(origin, next(iter(prepared.values())))
    params = {
        "known.from": origin.known_from,
        "known.to": origin.cut,
        "made.from": origin.made_at[0],
        "made.to": origin.made_at[-1],
        "trained.in": origin.trained,
    }
    with child_run(
        parent, f"fold {origin.number}", worker=worker, params=params, tags={FOLD: str(origin.number)}
    ) as run:
        prove(run, prepared)
        outcomes, seconds = forecast_fold((*networks, *contest.others), fold)
        scored = fold.scored
        judged = Judged(
            number=fold.number,
            cut=fold.cut,
            trained_from=origin.known_from,
            made_at=scored.series.times[scored.newest_row],
            actual=scored.actual,
            outcomes=outcomes,
            seconds=seconds,
        )
        run.log_metrics(dict(_metrics(judged)))
        run.keep(FOLD_FILE, to_bytes(judged))
    return judged


def prove(run: Log, prepared: Mapping[str, Prepared]) -> None:
    """Nothing of what came later has reached what this fold knows, made fit for whichever network.

    Raises:
        LeakageError: something has.
    """
    apart = {id(each.windows): (name, each) for name, each in prepared.items()}
    proofs = {name: prove_no_leakage(**each.in_evidence) for name, each in apart.values()}
    record = {name: proofs_record(each) for name, each in proofs.items()}
    run.keep(LEAKAGE_FILE, f"{json.dumps(record, indent=2)}\n".encode())
    for each in proofs.values():
        require_passed(each, f"{LEAKAGE_FILE} of run {run.run_id}")


def _metrics(judged: Judged) -> Iterator[tuple[str, float]]:
    """The scores of the first target by the names of the backtest's own, and the seconds that each contestant took."""
    names = distinct(sorted(judged.outcomes))
    for place, (name, outcome) in enumerate(judged.outcomes.items()):
        values = {"seconds": judged.seconds[name]}
        if isinstance(outcome, Forecasts):
            actual, forecast = judged.actual[..., 0], outcome.point[..., 0]
            values |= {"rmse": rmse(actual, forecast), "mae": mae(actual, forecast)}
        for metric, value in values.items():
            yield of_baseline(BACKTEST, names[name], metric) if place else f"{BACKTEST}_{metric}", value
