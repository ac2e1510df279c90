"""A study that outlives its processes: exactly so many trials, whoever runs them and however often they are killed.

A study of N trials has the tickets 0 to N - 1. A trial carries its ticket; where a process died over one, the trial is
marked as failed and another with the same ticket and the same values takes its place. The trial of a ticket is the
oldest that has not been replaced, so that processes which add trials at the same time need no lock: they agree on
which counts.

What a sampler draws for a ticket depends on the ticket and on the trials that have ended, not on the process. One job
at a time, a study that was killed and taken up again makes the same trials as one that was not.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from wattcast.model.errors import InputError
from wattcast.model.telling import masked
from wattcast.tasks.liveness import LostTrialError, Owner
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.tuning.choices import Pruner
from wattcast.tasks.tuning.storage import open_storage, storage_faults

REASON = "reason"
"""The attribute of a failed trial that says why."""
RUN_ID = "run_id"
"""The attribute with the MLflow run of a trial."""
FOLDS = "folds"
"""The attribute of a snapshot that says how many folds judge a trial."""
TICKET = "ticket"
"""The attribute with the number that a trial has in its study."""
_OWNER, _SEEN, _REPLACED, _DEFINITION, _DISMISSED = "owner", "seen", "replaced", "definition", "dismissed:"
_DIED = "its process ended before it did"
_MOST_DEATHS = 3
_SILENT_S = 900  # after which a worker of another machine is given up
_HEARTBEAT_S = 30
_UNOWNED_S = 60  # in which a worker that has taken a trial writes its name on it
_WARM_UP_TRIALS, _WARM_UP_EPOCHS = 5, 3  # which the pruners let pass


@dataclass(frozen=True)
class Counts:
    """The trials of a study by what became of them; those that were replaced are not counted."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0

    @property
    def done(self) -> int:
        """Trials that have ended."""
        return self.complete + self.pruned + self.failed


@dataclass(frozen=True)
class BestTrial:
    """The trial to beat: its number in the study, its validation RMSE, and what was searched with its values."""

    ticket: int  # 0: the untuned configuration
    rmse: float
    values: dict[str, Any]


@dataclass(frozen=True)
class StudyPlan:
    """Where a study is, and what it is about; whoever has the plan can open the study.

    `definition` holds, by dotted names, all that makes its trials comparable: a study keeps the one it began with.
    """

    url: str = field(repr=False)  # with its password; or the path of a journal
    name: str
    definition: Mapping[str, Any]
    first: Mapping[str, Any]  # the values of ticket 0
    seed: int
    pruner: Pruner
    epochs: int  # of a training, at most
    total: int  # trials
    unit: str | None  # of the RMSE, where it is known
    folds: int = 1  # that judge a trial

    @property
    def steps(self) -> int:
        """What a trial reports, at most: its folds, or its epochs where it has one fold."""
        return self.folds if self.folds > 1 else self.epochs


@dataclass(frozen=True)
class SharedStudy:
    """A study in a storage that several processes may use at once."""

    plan: StudyPlan
    study: optuna.Study
    pruner: BasePruner

    def trials(self) -> list[FrozenTrial]:
        """The trial of each ticket that there is, in the order of the tickets."""
        counting = _that_count(self._storage.get_all_trials(self._study_id, deepcopy=False))
        return [trial for ticket, trial in counting.items() if ticket < self.plan.total]

    def counts(self) -> Counts:
        """How many trials are in which state."""
        states = [trial.state for trial in self.trials()]
        return Counts(*map(states.count, (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)))

    def best(self) -> BestTrial | None:
        """The complete trial with the lowest RMSE, the older one of two."""
        complete = [
            BestTrial(trial.user_attrs[TICKET], trial.value, trial.params)
            for trial in self.trials()
            if trial.state == TrialState.COMPLETE and trial.value is not None
        ]
        return min(complete, key=lambda trial: (trial.rmse, trial.ticket), default=None)

    def untuned_rmse(self) -> float | None:
        """What the untuned configuration, which has ticket 0, came to; None unless its trial is complete."""
        first = next(iter(self.trials()), None)
        return first.value if first and first.user_attrs[TICKET] == 0 and first.state == TrialState.COMPLETE else None

    def failures(self) -> Counter[str]:
        """Why trials have failed, and how many for each reason."""
        return Counter(trial.user_attrs.get(REASON, "") for trial in self.trials() if trial.state == TrialState.FAIL)

    def describe(self) -> str:
        """The study in words: `2 running  5 pruned  1 failed  best 61.42 Wh (trial 7)`."""
        counts, best = self.counts(), self.best()
        words = [f"{number} {name}" for name in ("running", "pruned", "failed") if (number := getattr(counts, name))]
        if best:
            words.append(f"best {with_unit(readable(best.rmse, 2), self.plan.unit)} (trial {best.ticket})")
        return "  ".join(words)

    def add_tickets(self) -> None:
        """A trial for each ticket that has none."""
        held = {trial.user_attrs[TICKET] for trial in self.trials()}
        missing = sorted(set(range(self.plan.total)) - held)
        if not missing:
            return
        before = {
            trial.user_attrs[TICKET]: trial.params
            for trial in self._storage.get_all_trials(self._study_id, deepcopy=False)
            if _REPLACED in trial.user_attrs and trial.params.keys() == self.plan.first.keys()  # drawn to the end
        }
        for ticket in missing:
            values = before.get(ticket, {}) or (dict(self.plan.first) if ticket == 0 else {})
            self.study.enqueue_trial(values, user_attrs={TICKET: ticket})

    def claim(self, worker: str) -> Trial | None:
        """The next trial to run, which nobody else runs, or None where none waits."""
        for waiting in self.trials():
            if waiting.state != TrialState.WAITING:
                continue
            with suppress(UpdateFinishedTrialError):
                if self._storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING):
                    self._storage.set_trial_user_attr(waiting._trial_id, _SEEN, time.time())
                    self._storage.set_trial_user_attr(waiting._trial_id, _OWNER, asdict(Owner.me(worker)))
                    return Trial(self._for_ticket(waiting.user_attrs[TICKET]), waiting._trial_id)
        return None

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Note the `value` after an epoch or a fold; whether the trial should be given up.

        Raises:
            LostTrialError: it is no longer the caller's.
        """
        with self.held(trial):
            trial.report(value, step)
            self.beat(trial)
            return step < self.plan.steps and trial.should_prune()  # else there is nothing left to be saved

    def beat(self, trial: Trial) -> None:
        """Show other machines that somebody is at work on the trial.

        Raises:
            LostTrialError: it is no longer the caller's.
        """
        if time.time() - trial.user_attrs.get(_SEEN, 0.0) > _HEARTBEAT_S:
            with self.held(trial):
                trial.set_user_attr(_SEEN, time.time())

    def require(self, trial: Trial) -> None:
        """Show that somebody is at work on the trial, of which there is nothing to report yet.

        Raises:
            LostTrialError: it is no longer the caller's.
        """
        with self.held(trial):
            if self._storage.get_trial(trial._trial_id).state.is_finished():
                raise UpdateFinishedTrialError
            self.beat(trial)

    def tell(self, trial: Trial, state: TrialState, value: float | None = None, *, reason: str = "") -> None:
        """How a trial has ended.

        Raises:
            LostTrialError: it is no longer the caller's.
        """
        with self.held(trial):
            if reason:
                trial.set_user_attr(REASON, reason)
            try:
                trial.study.tell(trial, value, state=state)
            except ValueError:
                if self._storage.get_trial(trial._trial_id).state.is_finished():
                    raise UpdateFinishedTrialError from None
                raise

    @contextmanager
    def held(self, trial: Trial) -> Iterator[None]:
        """For whatever is written to a trial that the caller has claimed.

        Raises:
            LostTrialError: it is no longer the caller's.
        """
        try:
            yield
        except UpdateFinishedTrialError:
            raise LostTrialError(f"trial {trial.number} of study {self.plan.name!r} was taken over") from None

    def release(self, worker: str = "") -> list[Owner]:
        """Give up the running trials of processes that have died, and of `worker` and those below it.

        Their tickets get another trial; returned is who had run them.
        """
        released = []
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False, states=(TrialState.RUNNING,)):
            if reason := _why_abandoned(trial, worker):
                with suppress(UpdateFinishedTrialError):  # another process was quicker
                    self._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
                    if reason != _DIED or self._deaths(trial) < _MOST_DEATHS:  # else it may be what kills them
                        self._storage.set_trial_user_attr(trial._trial_id, _REPLACED, True)
                    self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                    released += [Owner(**trial.user_attrs[_OWNER])] if _OWNER in trial.user_attrs else []
        self.add_tickets()
        return released

    def dismiss(self, group: str) -> None:
        """Have all workers below `group` stop: what they run is given up, and they are to begin nothing more."""
        self.remember(f"{_DISMISSED}{group}", True)
        self.release(group)

    def is_dismissed(self, worker: str) -> bool:
        """Whether the group of `worker` was dismissed."""
        return self.recall(f"{_DISMISSED}{worker.partition('/')[0]}") is not None

    def remember(self, name: str, value: Any) -> None:
        """Keep something that JSON can hold beside the trials."""
        self.study.set_user_attr(name, value)

    def recall(self, name: str) -> Any:
        """What was remembered under `name`, or None."""
        return self.study.user_attrs.get(name)

    def snapshot(self) -> optuna.Study:
        """A copy in memory with the trials that count and have ended, for figures and tables."""
        kept = optuna.create_study(study_name=self.plan.name)
        kept.set_user_attr(FOLDS, self.plan.folds)
        for trial in self.trials():
            if trial.state.is_finished():
                kept.add_trial(trial)
        return kept

    def _deaths(self, trial: FrozenTrial) -> int:
        """How many processes the trials of this ticket have seen die."""
        alike = [other.user_attrs for other in self._storage.get_all_trials(self._study_id, deepcopy=False)]
        return sum(other.get(REASON) == _DIED and other[TICKET] == trial.user_attrs[TICKET] for other in alike)

    @property
    def _storage(self) -> BaseStorage:
        return self.study._storage

    @property
    def _study_id(self) -> int:
        return self.study._study_id

    def _for_ticket(self, ticket: int) -> optuna.Study:
        seed = np.random.SeedSequence([self.plan.seed, ticket]).generate_state(1)[0]
        return optuna.load_study(
            study_name=self.plan.name,
            storage=_ByTicket(self._storage),  # type: ignore[arg-type]  # it has what it does not change, too
            sampler=TPESampler(seed=int(seed)),
            pruner=self.pruner,
        )


def open_study(plan: StudyPlan) -> SharedStudy:
    """The study of `plan`, made where there is none, with a trial for each ticket.

    Raises:
        InputError: the storage cannot be used, or the study was begun with another definition.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with storage_faults(plan.url):
        name, place = plan.name, masked(plan.url)
        study = optuna.create_study(study_name=name, storage=open_storage(plan.url), load_if_exists=True)
        begun = bool(study.trials)  # asked first: whoever begins it just now gives it its trials last
        before = study.user_attrs.get(_DEFINITION)
        if before is None:
            if begun:
                raise InputError(f"study {name!r} in {place} was not made by a sweep: give another --study")
            study.set_user_attr(_DEFINITION, dict(plan.definition))
        elif changes := _changes(before, plan.definition):
            raise InputError(
                f"study {name!r} in {place} was begun with other settings, and its trials are not comparable with what "
                f"you ask for:\n" + "\n".join(changes) + f"\ngo back to them, or begin another: --study {name}-2"
            )
        shared = SharedStudy(plan, study, _make_pruner(plan))
        shared.add_tickets()
        return shared


def abandoned_trials(url: str) -> dict[str, int]:
    """For each study how many running trials have lost their process; those without any are left out."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with storage_faults(url):
        storage = open_storage(url)
        running = {
            study.study_name: storage.get_all_trials(study._study_id, states=[TrialState.RUNNING])
            for study in storage.get_all_studies()
        }
    lost = {name: sum(_why_abandoned(trial, "") is not None for trial in trials) for name, trials in running.items()}
    return {name: count for name, count in lost.items() if count}


@dataclass(frozen=True)
class _ByTicket:
    """A storage as samplers and pruners shall see it: the trials that count, with their tickets for numbers.

    Both go by the numbers, and a trial that takes the place of another has a later one than that had.
    """

    storage: BaseStorage

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return _numbered(self.storage.get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        counting = _that_count(self.storage.get_all_trials(study_id, deepcopy=deepcopy)).values()
        return [_numbered(trial) for trial in counting if states is None or trial.state in states]


def _that_count(trials: Iterable[FrozenTrial]) -> dict[int, FrozenTrial]:
    """By its ticket, and in the order of tickets, the oldest trial that has not been replaced."""
    held: dict[int, FrozenTrial] = {}
    for trial in trials:
        if TICKET in trial.user_attrs and _REPLACED not in trial.user_attrs:
            held.setdefault(trial.user_attrs[TICKET], trial)
    return dict(sorted(held.items()))


def _numbered(trial: FrozenTrial) -> FrozenTrial:
    numbered = copy.copy(trial)
    numbered.number = trial.user_attrs[TICKET]
    return numbered


class _MedianOfFolds(MedianPruner):
    """Goes by the newest mean over a trial's folds.

    Optuna's own goes by the lowest value: right for epochs, of which the best one counts, but a first fold that is easy
    for all would keep a trial from being given up in any later one.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the median of other trials over the same folds is lower."""
        newest = copy.copy(trial)
        newest.intermediate_values = dict([max(trial.intermediate_values.items())])
        return super().prune(study, newest)


def _make_pruner(plan: StudyPlan) -> BasePruner:
    """Epochs are given time to warm up; a fold is a whole training, and tells from the first one on."""
    if plan.pruner == "median" and plan.folds > 1:
        return _MedianOfFolds(_WARM_UP_TRIALS)
    if plan.pruner == "median":
        return MedianPruner(_WARM_UP_TRIALS, n_warmup_steps=_WARM_UP_EPOCHS + 1)  # optuna counts from 0
    if plan.pruner == "hyperband":
        least = 1 if plan.folds > 1 else min(_WARM_UP_EPOCHS, plan.steps)
        return HyperbandPruner(min_resource=least, max_resource=plan.steps)
    return NopPruner()


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"- {name} was {before.get(name, 'not set')}, now it is {now.get(name, 'not set')}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]


def _why_abandoned(trial: FrozenTrial, worker: str) -> str | None:
    if _OWNER not in trial.user_attrs:
        began = trial.datetime_start or datetime.now()
        return _DIED if (datetime.now() - began).total_seconds() > _UNOWNED_S else None
    owner = Owner(**trial.user_attrs[_OWNER])
    if owner.is_dead if owner.is_near else time.time() - trial.user_attrs[_SEEN] > _SILENT_S:
        return _DIED
    return "the sweep was stopped" if owner.works_for(worker) else None
