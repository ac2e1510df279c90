"""The step that runs trials: one worker of a search, of which several may run at once, on one machine or on many."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from optuna.trial import Trial, TrialState

from wattcast.model.fit import Epoch
from wattcast.model.telling import tellable
from wattcast.tasks.step import step
from wattcast.tasks.tracking.past_runs import end_children
from wattcast.tasks.tracking.run import Log, Parent, child_run
from wattcast.tasks.tuning.folds import FoldScore
from wattcast.tasks.tuning.ranges import Scalar, Suggester
from wattcast.tasks.tuning.storage import storage_faults
from wattcast.tasks.tuning.study import RUN_ID, TICKET, SharedStudy, StudyPlan, open_study

_POLL_S = 0.5


class Objective(Protocol):
    """What is searched, and the value that one combination of what is searched comes to."""

    def suggested(self, trial: Suggester) -> dict[str, Scalar]:
        """The values that a trial gives to what is searched."""
        ...

    def options(self, values: Mapping[str, Scalar]) -> dict[str, Any]:
        """Every option of the training that these values make."""
        ...

    def validation_rmse(
        self,
        values: Mapping[str, Scalar],
        *,
        on_epoch: Callable[[Epoch], None],
        on_fold: Callable[[FoldScore], None],
    ) -> float:
        """Train in each fold; the mean validation RMSE. `on_epoch` is told of each epoch, `on_fold` of each fold."""
        ...


def search(objective: Objective, plan: StudyPlan, parent: Parent, *, worker: str, deadline: float) -> None:
    """Run trials until all of the study have ended, or until none may begin as `deadline` (seconds since 1970) is over.

    Trials that fail are noted with the reason; those that other processes leave behind are run again.

    Raises:
        InputError: the study's storage cannot be used.
        LostTrialError: the search was stopped by someone else.
    """
    with storage_faults(plan.url):
        one = _Worker(worker, objective, open_study(plan), parent, deadline)
        end_children(parent, one.study.release(worker))  # those of an earlier life
        try:
            while trial := one.next():
                one.run(trial)
        except BaseException:
            one.study.release(worker)  # for others to run
            raise


search_task = step(search, task_run_name="search {worker}")


class _PrunedError(Exception):
    """The trial does worse than others did by then."""


@dataclass(frozen=True)
class _Worker:
    name: str
    objective: Objective
    study: SharedStudy
    parent: Parent
    deadline: float

    def next(self) -> Trial | None:
        """A trial to run, waited for while others run some that they might leave behind; None when it may not begin."""
        while time.time() < self.deadline and not self.study.is_dismissed(self.name):
            if dead := self.study.release():
                end_children(self.parent, dead)
            if trial := self.study.claim(self.name):
                return trial
            if self.study.counts().done == self.study.plan.total:
                return None
            time.sleep(_POLL_S)
        return None

    def run(self, trial: Trial) -> None:
        """Run a trial and tell the study how it ended."""
        with self.study.held(trial):
            values = self.objective.suggested(trial)
        try:
            params = self.objective.options(values)
        except Exception as error:  # each of the values may be, but not all of them together
            self.study.tell(trial, TrialState.FAIL, reason=tellable(f"{type(error).__name__}: {error}"))
        else:
            self._train(trial, values, params)

    def _train(self, trial: Trial, values: Mapping[str, Scalar], params: Mapping[str, Any]) -> None:
        ticket = trial.user_attrs[TICKET]
        tags = {"study": self.study.plan.name, "trial": str(ticket)}
        failure: Exception | None = None
        try:
            with (
                child_run(self.parent, f"trial {ticket}", worker=self.name, params=params, tags=tags) as child,
                self.study.held(trial),
            ):
                trial.set_user_attr(RUN_ID, child.run_id)
                listener = _Listener(self.study, trial, child)
                try:
                    rmse = self.objective.validation_rmse(values, on_epoch=listener.epoch, on_fold=listener.fold)
                    state = TrialState.COMPLETE
                    if not math.isfinite(rmse):
                        raise ArithmeticError(f"the validation RMSE is {rmse}")
                except _PrunedError:
                    state, rmse = TrialState.PRUNED, listener.reached
                except Exception as error:
                    failure = None if listener.broken else error
                    raise
                child.log_metrics({"best_val_rmse": rmse})
                child.set_tags({"state": state.name.lower()})
        except Exception as error:
            if error is not failure:  # it was not the training that failed
                raise
            self.study.tell(trial, TrialState.FAIL, reason=tellable(f"{type(error).__name__}: {error}"))
        else:
            self.study.tell(trial, state, rmse if state == TrialState.COMPLETE else None)


@dataclass
class _Listener:
    """Notes each epoch and each fold of a trial, and gives it up where the pruner says so.

    The pruner sees the epochs of a trial that has one fold, and of any other the mean over its folds so far.
    """

    study: SharedStudy
    trial: Trial
    child: Log
    reached: float = math.inf  # the lowest RMSE of all epochs; the mean over the folds
    before: int = 0  # epochs of the folds that have ended
    newest: int = 0  # epoch of all folds
    broken: bool = False  # something could not be noted

    def epoch(self, epoch: Epoch) -> None:
        """After an epoch of a fold; their curves follow each other."""
        with self._noting():
            self.newest = max(self.newest, self.before + epoch.number)
            self.child.log_epoch(replace(epoch, number=self.before + epoch.number))
            hopeless = False
            if self.study.plan.folds > 1:
                self.study.require(self.trial)
            elif epoch.member == 1 and epoch.val_rmse is not None:
                self.reached = min(self.reached, epoch.val_rmse)
                hopeless = self.study.report(self.trial, epoch.number, epoch.val_rmse)
            else:
                self.study.beat(self.trial)
        if hopeless:
            raise _PrunedError

    def fold(self, score: FoldScore) -> None:
        """After a fold."""
        if self.study.plan.folds == 1:
            return
        with self._noting():
            self.child.log_metrics({"fold_rmse": score.rmse}, step=score.number)
            self.before, self.reached = self.newest, score.mean
            hopeless = self.study.report(self.trial, score.number, score.mean)
        if hopeless:
            raise _PrunedError

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """What fails here is no fault of the training's."""
        self.broken = True
        yield
        self.broken = False
