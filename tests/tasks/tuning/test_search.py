"""Workers of a search: how trials end in the study and in MLflow, and what stops a worker."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from optuna.trial import TrialState
from servers import wait_until

from wattcast.model.errors import DivergedError, InputError
from wattcast.model.fit import Epoch
from wattcast.tasks.liveness import LostTrialError, Owner
from wattcast.tasks.tracking.run import Parent, child_run, shared_run
from wattcast.tasks.tuning import study
from wattcast.tasks.tuning.folds import FoldScore
from wattcast.tasks.tuning.ranges import Scalar, Suggester
from wattcast.tasks.tuning.search import search
from wattcast.tasks.tuning.study import REASON, RUN_ID, TICKET, SharedStudy, StudyPlan, open_study

EPOCHS = 6


def nothing(*_: object) -> None:
    """What an objective does beside its formula unless a test wants it to."""


@dataclass(frozen=True)
class Formula:
    """An RMSE that falls to `10 + rate` with the epochs, and in each fold is higher by what `folds` says.

    `beside` is called as each epoch begins, with 0 as the values have been drawn, and `after` however training ends.
    """

    faults: tuple[str, ...] = ("none",)
    beside: Callable[[int], object] = nothing
    after: Callable[[], object] = nothing
    member: int = 1
    folds: tuple[float, ...] = (0.0,)
    seen: list[dict[str, Scalar]] = field(default_factory=list)

    def suggested(self, trial: Suggester) -> dict[str, Scalar]:
        fault = trial.suggest_categorical("fault", list(self.faults))
        return {"rate": trial.suggest_float("rate", 0, 90), "fault": fault}

    def options(self, values: Mapping[str, Scalar]) -> dict[str, Any]:
        self.seen.append(dict(values))
        self.beside(0)
        if values["fault"] == "mismatch":
            raise InputError("fault: does not go with rate")
        return {"fit.seed": 7, **values}

    def validation_rmse(
        self,
        values: Mapping[str, Scalar],
        *,
        on_epoch: Callable[[Epoch], None],
        on_fold: Callable[[FoldScore], None],
    ) -> float:
        scores: list[float] = []
        try:
            for number, higher in enumerate(self.folds, start=1):
                scores.append(self._train(values, on_epoch) + higher)
                on_fold(FoldScore(number, scores[-1], fmean(scores)))
            return fmean(scores)
        finally:
            self.after()

    def _train(self, values: Mapping[str, Scalar], on_epoch: Callable[[Epoch], None]) -> float:
        rmse = math.inf
        for number in range(1, EPOCHS + 1):
            self.beside(number)
            rmse = 10 + float(values["rate"]) + 1 / number
            on_epoch(Epoch("select", number, number, 0.1, 1, 1, 0, 1, 0.1, 1, 1, rmse, member=self.member))
            if values["fault"] == "diverged":
                raise DivergedError(number, math.nan)
            if values["fault"] == "memory":
                raise MemoryError("2.1 GB of 2 GB")
        return math.nan if values["fault"] == "nan" else rmse


@pytest.fixture
def plan(tmp_path: Path) -> StudyPlan:
    first = {"rate": 20.0, "fault": "none"}
    return StudyPlan(str(tmp_path / "optuna.journal"), "house", {"a": 1}, first, 0, "none", EPOCHS, total=4, unit="Wh")


@pytest.fixture
def parent(workspace: Path) -> Iterator[Parent]:
    with shared_run("sweep-house", params={}, tags={}, resume=None) as run:
        yield run.parent
        run.end("FINISHED")


def children(parent: Parent) -> list[Run]:
    """The runs below, the oldest first."""
    below = f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
    return list(MlflowClient(parent.store).search_runs([parent.experiment_id], below, order_by=["start_time ASC"]))


def states(shared: SharedStudy) -> str:
    return "".join(trial.state.name[0] for trial in shared.trials())


def run(
    objective: Formula, plan: StudyPlan, parent: Parent, *, worker: str = "me/0", deadline: float = math.inf
) -> None:
    search(objective, plan, parent, worker=worker, deadline=deadline)


@contextmanager
def they(shared: SharedStudy, parent: Parent) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Another process that has a trial and the MLflow run of it, whose id is given."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = asdict(Owner(socket.gethostname(), process.pid, psutil.Process(process.pid).create_time(), "they/0"))
        trial = shared.claim("they/0")
        assert trial is not None
        trial.set_user_attr("owner", owner)
        with child_run(parent, "trial 0", worker="they/0", params={}, tags={}) as child:
            pass
        client = MlflowClient(parent.store)
        client.set_tag(child.run_id, "owner", json.dumps(owner))
        client.update_run(child.run_id, status="RUNNING")
        yield process, child.run_id
        process.kill()


def test_each_trial_is_a_run_below_that_of_the_sweep(plan: StudyPlan, parent: Parent) -> None:
    run(Formula(), plan, parent)
    shared = open_study(plan)
    assert states(shared) == "CCCC"
    for trial, child in zip(shared.trials(), children(parent), strict=True):
        ticket = trial.user_attrs[TICKET]
        assert trial.user_attrs[RUN_ID] == child.info.run_id
        assert (child.info.run_name, child.info.status) == (f"trial {ticket}", "FINISHED")
        tags = {name: child.data.tags.get(name) for name in ("study", "trial", "state", "failure")}
        assert tags == {"study": "house", "trial": str(ticket), "state": "complete", "failure": None}
        rate = trial.params["rate"]
        assert child.data.params == {"fit.seed": "7", "rate": str(rate), "fault": "none"}
        assert trial.value == child.data.metrics["best_val_rmse"] == 10 + rate + 1 / EPOCHS
        curve = MlflowClient(parent.store).get_metric_history(child.info.run_id, "val_rmse")
        reported = {point.step: point.value for point in curve}
        assert reported == trial.intermediate_values == {n: 10 + rate + 1 / n for n in range(1, EPOCHS + 1)}
    assert shared.trials()[0].params == plan.first
    run(Formula(), plan, parent)  # there is nothing left
    assert len(children(parent)) == 4


def test_trials_that_fail_are_noted_and_the_search_goes_on(plan: StudyPlan, parent: Parent) -> None:
    reasons = {
        "none": None,
        "diverged": "DivergedError: training diverged: the loss is nan after 1 updates",
        "memory": "MemoryError: 2.1 GB of 2 GB",
        "nan": "ArithmeticError: the validation RMSE is nan",
        "mismatch": "InputError: fault: does not go with rate",
    }
    plan = replace(plan, total=24)  # enough for each of them to be drawn
    run(Formula(tuple(reasons)), plan, parent)
    trials = open_study(plan).trials()
    runs = {child.info.run_id: child for child in children(parent)}
    assert {trial.params["fault"] for trial in trials} == set(reasons)
    for trial in trials:
        fault = trial.params["fault"]
        assert trial.state == (TrialState.COMPLETE if fault == "none" else TrialState.FAIL)
        assert trial.user_attrs.get(REASON, "").startswith(reasons[fault] or "")
        if fault == "mismatch":
            assert RUN_ID not in trial.user_attrs
            continue
        child = runs.pop(trial.user_attrs[RUN_ID])
        assert child.info.status == ("FINISHED" if fault == "none" else "FAILED")
        assert child.data.tags.get("failure", "").startswith(reasons[fault] or "")
    assert runs == {}


def test_a_hopeless_trial_is_given_up(plan: StudyPlan, parent: Parent) -> None:
    plan = replace(plan, total=12, pruner="median")
    run(Formula(), plan, parent)
    trials = open_study(plan).trials()
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert 0 < len(pruned) < 8
    assert {trial.state for trial in trials} == {TrialState.PRUNED, TrialState.COMPLETE}
    runs = {child.info.run_id: child for child in children(parent)}
    for trial in pruned:
        child = runs[trial.user_attrs[RUN_ID]]
        assert trial.last_step == 4
        assert (child.info.status, child.data.tags["state"]) == ("FINISHED", "pruned")
        assert child.data.metrics["best_val_rmse"] == trial.intermediate_values[4]
        assert "failure" not in child.data.tags


def test_a_trial_that_folds_judge_tells_of_the_mean_up_to_each(plan: StudyPlan, parent: Parent) -> None:
    plan = replace(plan, total=1, folds=3)
    run(Formula(folds=(0.0, 6.0, 3.0)), plan, parent)
    (trial,), (child,) = open_study(plan).trials(), children(parent)
    lowest = 10 + 20.0 + 1 / EPOCHS
    assert trial.intermediate_values == pytest.approx({1: lowest, 2: lowest + 3, 3: lowest + 3})
    assert trial.value == child.data.metrics["best_val_rmse"] == trial.intermediate_values[3]
    client = MlflowClient(parent.store)
    folds = {point.step: point.value for point in client.get_metric_history(child.info.run_id, "fold_rmse")}
    assert folds == {1: lowest, 2: lowest + 6, 3: lowest + 3}
    curve = client.get_metric_history(child.info.run_id, "val_rmse")  # that of each fold behind the one before
    assert [point.step for point in curve] == list(range(1, 3 * EPOCHS + 1))


def test_a_hopeless_trial_is_given_up_after_a_fold(plan: StudyPlan, parent: Parent) -> None:
    plan = replace(plan, total=8, pruner="median", folds=2)
    run(Formula(folds=(0.0, 60.0)), plan, parent)
    trials = open_study(plan).trials()
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert 0 < len(pruned) < 4
    runs = {child.info.run_id: child for child in children(parent)}
    for trial in pruned:
        assert list(trial.intermediate_values) == [1]  # it did worse than others in the first fold already
        metrics = runs[trial.user_attrs[RUN_ID]].data.metrics
        assert metrics["best_val_rmse"] == metrics["fold_rmse"] == trial.intermediate_values[1]


def test_between_two_folds_a_worker_notices_that_its_trial_was_taken_over(plan: StudyPlan, parent: Parent) -> None:
    plan, begun = replace(plan, folds=2), []

    def take_over(number: int) -> None:
        begun.append(number)
        if len(begun) == 3:
            open_study(plan).release("me")

    with pytest.raises(LostTrialError, match="trial 0 of study 'house' was taken over"):
        run(Formula(beside=take_over, folds=(0.0, 0.0)), plan, parent)
    assert begun == [0, 1, 2]


def test_workers_side_by_side_share_the_trials(plan: StudyPlan, parent: Parent) -> None:
    plan = replace(plan, total=9)
    objectives = [Formula(beside=lambda _: time.sleep(0.02)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for number, objective in enumerate(objectives):
            pool.submit(run, objective, plan, parent, worker=f"me/{number}")
    shared = open_study(plan)
    assert states(shared) == "C" * 9
    assert all(objective.seen for objective in objectives)
    ran = sorted(float(values["rate"]) for objective in objectives for values in objective.seen)
    assert ran == sorted(trial.params["rate"] for trial in shared.trials())
    assert sorted(child.info.run_name for child in children(parent)) == [f"trial {number}" for number in range(9)]


def test_no_trial_begins_after_the_deadline_and_one_that_has_begun_ends(plan: StudyPlan, parent: Parent) -> None:
    run(Formula(), plan, parent, deadline=time.time() - 1)
    assert states(open_study(plan)) == "WWWW"
    deadline = time.time() + 2
    run(Formula(beside=lambda _: time.sleep(max(0, deadline - time.time()))), plan, parent, deadline=deadline)
    assert states(open_study(plan)) == "CWWW"


def test_a_worker_waits_for_what_others_might_leave_behind(plan: StudyPlan, parent: Parent) -> None:
    plan = replace(plan, total=2)
    shared = open_study(plan)
    theirs = shared.claim("they/0")
    assert theirs is not None
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(run, Formula(), plan, parent)
        wait_until(lambda: open_study(plan).counts().done == 1, "the other trial")
        time.sleep(0.2)
        assert not working.done()
        shared.tell(theirs, TrialState.COMPLETE, 5.0)
        working.result(timeout=60)
    assert states(shared) == "CC"


@pytest.mark.parametrize("epoch", [0, 1, EPOCHS], ids=["before", "at first", "at last"])
def test_a_worker_stops_when_its_trial_was_taken_over(epoch: int, plan: StudyPlan, parent: Parent) -> None:
    taken = []

    def take_over(number: int) -> None:
        if number == epoch and not taken:
            taken.append(open_study(plan).release("me"))

    objective = Formula(beside=take_over)
    with pytest.raises(LostTrialError, match="trial 0 of study 'house' was taken over"):
        run(objective, plan, parent)
    assert [[owner.worker for owner in owners] for owners in taken] == [["me/0"]]
    (child,) = children(parent)
    assert child.info.status == "KILLED"
    assert "failure" not in child.data.tags
    run(objective, plan, parent)
    shared = open_study(plan)
    assert states(shared) == "CCCC"
    assert len(shared.study.trials) == len(children(parent)) == 5
    assert objective.seen[0] == objective.seen[1] == plan.first


def test_a_trial_that_is_taken_over_after_its_last_epoch_is_counted_once(plan: StudyPlan, parent: Parent) -> None:
    with pytest.raises(LostTrialError, match="trial 0 of study 'house' was taken over"):
        run(Formula(after=lambda: open_study(plan).release("me")), plan, parent)
    run(Formula(), plan, parent)
    assert states(open_study(plan)) == "CCCC"
    assert open_study(plan).counts() == study.Counts(complete=4)


def test_an_interrupted_trial_is_given_up_for_others_to_run(plan: StudyPlan, parent: Parent) -> None:
    def interrupt(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    objective = Formula(beside=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(objective, plan, parent)
    shared = open_study(plan)
    assert states(shared) == "WWWW"
    assert [child.info.status for child in children(parent)] == ["KILLED"]
    again = Formula()
    run(again, plan, parent)
    assert states(shared) == "CCCC"
    assert again.seen[0] == objective.seen[0]
    assert sorted(child.info.status for child in children(parent)) == ["FINISHED"] * 4 + ["KILLED"]


def test_what_a_dead_process_left_open_is_closed_and_run_again(plan: StudyPlan, parent: Parent) -> None:
    shared = open_study(plan)
    with they(shared, parent) as (_, run_id):
        pass
    run(Formula(), plan, parent)
    assert MlflowClient(parent.store).get_run(run_id).info.status == "KILLED"
    assert states(shared) == "CCCC"
    assert [child.info.status for child in children(parent)].count("FINISHED") == 4


def test_who_waits_for_a_process_runs_its_trial_when_it_dies(plan: StudyPlan, parent: Parent) -> None:
    shared = open_study(plan)
    with they(shared, parent) as (process, run_id), ThreadPoolExecutor(1) as pool:
        working = pool.submit(run, Formula(), plan, parent)
        wait_until(lambda: open_study(plan).counts().done == 3, "the other trials")
        assert states(shared) == "RCCC"
        process.kill()
        process.wait(10)
        working.result(timeout=60)
    assert MlflowClient(parent.store).get_run(run_id).info.status == "KILLED"
    assert states(shared) == "CCCC"


def test_a_storage_that_breaks_is_no_failure_of_the_trial(plan: StudyPlan, parent: Parent) -> None:
    """It is there again at once, and might note one."""
    journal, hidden = Path(plan.url), Path(f"{plan.url}.hidden")
    objective = Formula(
        beside=lambda number: number == 2 and journal.rename(hidden), after=lambda: hidden.rename(journal)
    )
    with pytest.raises(
        InputError, match=r"storage .*optuna.journal cannot be used: .*No such file.*same command again"
    ):
        run(objective, plan, parent)
    assert states(open_study(plan)) == "WWWW"
    assert [child.info.status for child in children(parent)] == ["FAILED"]
    run(Formula(), plan, parent)
    assert states(open_study(plan)) == "CCCC"


def test_a_tracking_store_that_breaks_is_no_failure_of_the_trial(plan: StudyPlan, parent: Parent) -> None:
    def delete(number: int) -> None:
        if number == 2:
            MlflowClient(parent.store).delete_run(children(parent)[0].info.run_id)

    with pytest.raises(MlflowException):
        run(Formula(beside=delete), plan, parent)
    assert states(open_study(plan)) == "WWWW"


def test_a_group_that_was_dismissed_begins_nothing_more(plan: StudyPlan, parent: Parent) -> None:
    def dismiss(number: int) -> None:
        if number == 2:
            open_study(plan).dismiss("me")

    with pytest.raises(LostTrialError):
        run(Formula(beside=dismiss), plan, parent)
    run(Formula(), plan, parent)  # the same worker is no longer wanted
    shared = open_study(plan)
    assert states(shared) == "WWWW"
    assert [child.info.status for child in children(parent)] == ["KILLED"]
    assert [trial.user_attrs[REASON] for trial in shared.study.trials if trial.state == TrialState.FAIL] == [
        "the sweep was stopped"
    ]


def test_the_epochs_of_further_networks_show_that_somebody_is_at_work(
    plan: StudyPlan, parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not judged, as they come in any order."""
    monkeypatch.setattr(study, "_HEARTBEAT_S", -1)
    plan = replace(plan, total=1)
    seen = []

    def look(_: int) -> None:
        seen.append(open_study(plan).trials()[0].user_attrs["seen"])

    run(Formula(beside=look, member=2), plan, parent)
    assert len(set(seen)) == EPOCHS
    assert open_study(plan).trials()[0].intermediate_values == {}
