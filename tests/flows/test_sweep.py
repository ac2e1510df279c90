"""Tuning from end to end: real Prefect, MLflow and Optuna, tiny networks on the simulated house."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import urlparse

import numpy as np
import optuna
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from prefect import flow
from servers import running, wait_until
from tracing import count_traces

from wattcast.flows.cli.main import main
from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.prepare import Prepared, prepare
from wattcast.flows.sweep import Swept, sweep
from wattcast.flows.tuning.fresh_seeds import Configuration, verdict_folds
from wattcast.flows.tuning.objective import TrainingObjective
from wattcast.model.errors import InputError
from wattcast.tasks.tuning.folds import FoldScore
from wattcast.tasks.tuning.study import REASON, RUN_ID, TICKET

pytestmark = pytest.mark.usefixtures("workspace", "prefect_server")

TRIALS = 6
WATTCAST = str(Path(sys.executable).with_name("wattcast"))


@pytest.fixture(scope="module")
def experiment(small: tuple[str, ...]) -> Experiment:
    return read_experiment(settings=[*small, "fit.refit=true"])


@pytest.fixture(scope="module")
def swept(experiment: Experiment, workspace: Path, prefect_server: str) -> Swept:
    return sweep(experiment, trials=TRIALS, jobs=2, study="first", seeds=2, pruner="none")


@pytest.fixture(scope="module")
def prepared(experiment: Experiment, workspace: Path, prefect_server: str) -> Prepared:
    return flow(prepare)(experiment)


@pytest.fixture(scope="module")
def parent(swept: Swept) -> Run:
    return MlflowClient().get_run(swept.run_id)


def children(run_id: str) -> list[Run]:
    client = MlflowClient()
    experiment_id = client.get_run(run_id).info.experiment_id
    return client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'", max_results=1000)


def artifacts(run: Run) -> Path:
    return Path(urlparse(run.info.artifact_uri).path)


def trials(study: str, journal: str | Path = "optuna.journal") -> list[FrozenTrial]:
    """None where the journal is not there yet; it is there a moment before the study in it."""
    if not Path(journal).exists():
        return []
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.load_study(study_name=study, storage=storage).trials if study in names_in(storage) else []


def names_in(storage: JournalStorage) -> list[str]:
    return [study.study_name for study in storage.get_all_studies()]


def newest_sweep(study: str) -> Run:
    client = MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'appliances-energy'")
    return client.search_runs([experiment.experiment_id], f"attributes.run_name = 'sweep-{study}'")[0]


def validation_rmse(
    objective: TrainingObjective, values: dict[str, Any], on_fold: Callable[[FoldScore], None] = lambda score: None
) -> float:
    return objective.validation_rmse(values, on_epoch=lambda epoch: None, on_fold=on_fold)


# What it leaves behind


def test_the_first_trial_is_the_untuned_configuration(experiment: Experiment, swept: Swept) -> None:
    first, *others = trials("first")
    assert first.user_attrs[TICKET] == 0
    assert first.params == {
        "fit.initial_learning_rate": 0.012,
        "fit.decay_steps": 260,
        "fit.decay_rate": 0.66,
        "model.layers.0.input_keep_prob": 1.0,
        "model.readout_keep_prob": 0.93,
    }
    assert swept.untuned_rmse == first.value
    assert all(trial.params != first.params for trial in others)


def test_the_best_is_the_lowest_on_validation(swept: Swept) -> None:
    ended = trials("first")
    assert swept.counts.complete == swept.counts.done == len(ended) == TRIALS
    assert swept.best_rmse == min(trial.value for trial in ended)
    (best,) = [trial for trial in ended if trial.user_attrs[TICKET] == swept.best_trial]
    assert (best.value, best.params) == (swept.best_rmse, swept.best_values)


def test_every_trial_is_a_run_below_the_sweeps_complete_with_curves(swept: Swept, parent: Run) -> None:
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", "sweep-first")
    assert parent.data.params["sweep.fit.decay_rate"]
    client = MlflowClient()
    for trial in trials("first"):
        run = client.get_run(trial.user_attrs[RUN_ID])
        assert run.data.tags["mlflow.parentRunId"] == swept.run_id
        assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "complete")
        assert run.info.run_name == f"trial {trial.user_attrs[TICKET]}"
        assert run.data.params["fit.decay_steps"] == str(trial.params["fit.decay_steps"])
        curve = client.get_metric_history(run.info.run_id, "val_rmse")
        assert {point.step: point.value for point in curve} == trial.intermediate_values
        assert run.data.metrics["best_val_rmse"] == trial.value
        assert not [name for name in run.data.metrics if "test" in name]


def test_trials_never_read_the_test_part(experiment: Experiment, prepared: Prepared) -> None:
    """Other readings there, and a trial comes to the same value, bit for bit."""
    frame = prepared.fetched.frame.copy()
    frame.iloc[prepared.rows.test.start :] *= 3
    altered = prepared.altered(frame)
    assert not np.array_equal(altered.windows.test.actual, prepared.windows.test.actual)
    values = {"fit.initial_learning_rate": 0.01, "model.readout_keep_prob": 0.8}
    one, other = (validation_rmse(TrainingObjective((part,), 1), values) for part in (prepared, altered))
    assert one == other


def test_folds_are_trained_on_what_lies_before_them_and_know_nothing_of_later(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other readings from the second fold on leave the first as it is, and other ones of the test part all of them.

    Nothing is compiled behind the first one.
    """
    traced, traces = count_traces(monkeypatch), []
    objective = TrainingObjective.of(prepared, folds=2, cores=1)
    first, second = objective.folds
    assert second.rows.train == range(first.rows.validation.stop)
    assert second.rows.validation.stop == prepared.rows.test.start
    scores: list[FoldScore] = []

    def on_fold(score: FoldScore) -> None:
        scores.append(score)
        traces.append(len(traced))

    mean = validation_rmse(objective, {}, on_fold)
    assert traces[0] == traces[1]
    assert mean == scores[1].mean == fmean(score.rmse for score in scores)
    for row, unchanged in ((second.rows.validation.start, [True, False]), (prepared.rows.test.start, [True, True])):
        frame, again = prepared.fetched.frame.copy(), list[FoldScore]()
        frame.iloc[row:] *= 3
        validation_rmse(TrainingObjective.of(prepared.altered(frame), folds=2, cores=1), {}, again.append)
        assert [one == other for one, other in zip(scores, again, strict=True)] == unchanged


def test_one_fold_is_the_validation_part_as_it_is(prepared: Prepared) -> None:
    (fold,) = TrainingObjective.of(prepared, folds=1, cores=1).folds
    assert fold is prepared


def test_fresh_seeds_of_both_configurations_are_scored_on_test(
    experiment: Experiment, swept: Swept, parent: Run
) -> None:
    verdict = swept.verdict
    assert verdict.seeds == (1, 2)  # the search had 0
    arms = {"untuned": verdict.untuned} | ({"tuned": verdict.tuned} if verdict.tuned else {})
    judged = [run for run in children(swept.run_id) if "verdict" in run.data.tags]
    assert len(judged) == 2 * len(arms)
    for name, arm in arms.items():
        runs = {run.data.params["fit.seed"]: run for run in judged if run.data.tags["verdict"] == name}
        assert tuple(runs[str(seed)].data.metrics["test_rmse"] for seed in verdict.seeds) == pytest.approx(arm.rmse)
        assert all("train_refit_rmse" in run.data.metrics for run in runs.values())
    assert parent.data.metrics["untuned_test_rmse"] == pytest.approx(verdict.untuned.mean_rmse)
    assert parent.data.tags["verdict"] == verdict.sentence
    assert {"ridge", "persistence"} <= set(verdict.baselines)


def test_folds_of_the_verdict_know_nothing_of_later(prepared: Prepared) -> None:
    """Other readings behind the first span leave all of it as it is; from the second span on they do not that one."""
    folds = verdict_folds(prepared, 2)
    first, second = (fold.rows.test for fold in folds)
    assert folds[0].rows.validation == prepared.rows.validation
    assert folds[1].rows.validation.stop == second.start
    frame = prepared.fetched.frame.copy()
    frame.iloc[first.stop :] *= 3
    for one, other, same in zip(folds, verdict_folds(prepared.altered(frame), 2), (True, False), strict=True):
        mine, again = (Configuration("untuned", each, 1).forecast(1, lambda epoch: None) for each in (one, other))
        assert len(mine) == len(one.windows.test)
        assert (mine.tobytes() == again.tobytes()) is same


def test_a_verdict_of_one_fold_is_the_split_as_it_is(prepared: Prepared) -> None:
    (fold,) = verdict_folds(prepared, 1)
    assert fold is prepared


def test_a_sweep_of_several_folds_ends_with_a_backtest(small: tuple[str, ...]) -> None:
    slow = ["fit.initial_learning_rate=0.00001", "sweep.fit.initial_learning_rate={low=0.00001, high=0.02}"]
    experiment = read_experiment(settings=[*small, *slow])
    swept = sweep(experiment, trials=2, folds=2, jobs=2, study="folded", seeds=2, pruner="none")
    verdict = swept.verdict
    assert verdict.tuned, "the untuned one has learned nothing"
    assert [fold.number for fold in verdict.folds] == [1, 2]
    client, parent = MlflowClient(), MlflowClient().get_run(swept.run_id)
    for name in ("tuned", "untuned"):
        course = client.get_metric_history(swept.run_id, f"{name}_test_rmse_by_fold")
        assert {point.step: point.value for point in course} == {
            fold.number: getattr(fold, name) for fold in verdict.folds
        }
    judged = {run.info.run_name: run for run in children(swept.run_id) if "verdict" in run.data.tags}
    assert sorted(judged) == [
        f"{name}, fold {fold}, seed {seed}" for name in ("tuned", "untuned") for fold in (1, 2) for seed in (1, 2)
    ]
    for name, run in judged.items():
        proofs = artifacts(run) / "leakage.json"
        assert proofs.exists() is name.endswith("seed 1")
        assert run.data.tags["fold"] == name.split(",")[1][-1]
    each = [judged[f"tuned, fold 1, seed {seed}"].data.metrics["test_rmse"] for seed in (1, 2)]
    assert verdict.folds[0].tuned == pytest.approx(fmean(each))
    assert "RMSE of each fold of the test part" in (artifacts(parent) / "report.html").read_text()


def test_a_test_part_that_is_too_short_for_its_folds_is_refused_before_the_search(small: tuple[str, ...]) -> None:
    short = read_experiment(settings=[*small, "split.validation=0.39"])
    with pytest.raises(InputError, match=r"2 folds leave .* the test part has 198 forecasts .* at most 1, or enlarge"):
        sweep(short, trials=1, folds=2, study="short", seeds=2)
    assert not trials("short")


def test_the_artifacts_are_there_and_the_best_preset_trains(swept: Swept, parent: Run) -> None:
    folder = artifacts(parent)
    assert {file.name for file in folder.iterdir()} == {
        "best.toml",
        "config.toml",
        "report.html",
        "trials.csv",
        "verdict.json",
    }
    best = read_experiment(config=folder / "best.toml")
    assert {name: best.flat()[name] for name in swept.best_values} == pytest.approx(swept.best_values)
    table = pd.read_csv(folder / "trials.csv")
    assert table["trial"].tolist() == list(range(TRIALS))
    assert table["value"].min() == pytest.approx(swept.best_rmse)
    assert json.loads((folder / "verdict.json").read_text())["seeds"] == [1, 2]
    assert swept.verdict.sentence.split(":")[0] in (folder / "report.html").read_text()


# Going on


def test_the_same_command_adds_nothing_and_a_larger_total_goes_on(experiment: Experiment, swept: Swept) -> None:
    before = {run.info.run_id for run in children(swept.run_id)}
    again = sweep(experiment, trials=TRIALS, jobs=2, study="first", seeds=2, pruner="none")
    assert again == swept
    assert {run.info.run_id for run in children(swept.run_id)} == before
    more = sweep(experiment, trials=TRIALS + 2, jobs=1, study="first", seeds=2, pruner="none")
    assert (more.run_id, more.counts.complete) == (swept.run_id, TRIALS + 2)
    assert len([run for run in children(swept.run_id) if "trial" in run.data.tags]) == TRIALS + 2


def test_a_verdict_that_was_ended_goes_on_with_what_it_has_trained(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sweep(experiment, trials=1, jobs=1, study="whole", seeds=3)
    original, begun = Configuration.forecast, []

    def ended(self: Configuration, seed: int, *listeners: Any) -> Any:
        begun.append(seed)
        if seed == 3:
            raise KeyboardInterrupt
        return original(self, seed, *listeners)

    monkeypatch.setattr(Configuration, "forecast", ended)
    with pytest.raises(KeyboardInterrupt):
        sweep(experiment, trials=1, jobs=1, study="ended", seeds=3)
    assert begun == [1, 2, 3]
    monkeypatch.setattr(Configuration, "forecast", lambda *given: begun.append(given[1]) or original(*given))
    assert sweep(experiment, trials=1, jobs=1, study="ended", seeds=3).verdict == whole.verdict
    assert begun == [1, 2, 3, 3]


def test_another_space_is_another_study(small: tuple[str, ...], swept: Swept) -> None:
    other = read_experiment(
        settings=[*small, "fit.refit=true", "sweep.fit.decay_rate={low=0.05, high=0.9}", "window.lookback=7"]
    )
    with pytest.raises(InputError) as refused:
        sweep(other, trials=TRIALS, folds=2, study="first", seeds=2)
    message = str(refused.value)
    assert "- window.lookback was 6, now it is 7" in message
    assert "- folds was not set, now it is 2" in message
    assert "sweep.fit.decay_rate was {" in message
    assert "--study first-2" in message
    assert len(trials("first")) >= TRIALS


def test_a_run_that_somebody_removed_is_made_anew(experiment: Experiment) -> None:
    lost = sweep(experiment, trials=1, study="removed", seeds=2)
    MlflowClient().delete_run(lost.run_id)
    found = sweep(experiment, trials=1, study="removed", seeds=2)
    assert found.run_id != lost.run_id
    assert found.verdict == lost.verdict
    assert MlflowClient().get_run(found.run_id).info.status == "FINISHED"


# What goes wrong


def test_a_trial_that_diverges_is_noted_and_the_others_go_on(small: tuple[str, ...]) -> None:
    rates = "sweep.fit.initial_learning_rate={choices=[0.012, 1e30]}"
    experiment = read_experiment(settings=[*small, "fit.clip_norm=0", rates])
    swept = sweep(experiment, trials=8, jobs=2, study="diverging", seeds=2, pruner="none")
    failed = [trial for trial in trials("diverging") if trial.state == TrialState.FAIL]
    assert 0 < len(failed) == swept.counts.failed < 8
    for trial in failed:
        assert trial.params["fit.initial_learning_rate"] == 1e30
        assert "training diverged: the loss is" in trial.user_attrs[REASON]
        run = MlflowClient().get_run(trial.user_attrs[RUN_ID])
        assert run.info.status == "FAILED"
        assert "training diverged" in run.data.tags["failure"]
    report = (artifacts(MlflowClient().get_run(swept.run_id)) / "report.html").read_text()
    assert "training diverged: the loss is" in report


def test_where_all_trials_fail_the_reasons_are_told(small: tuple[str, ...]) -> None:
    hot = ["fit.clip_norm=0", "fit.initial_learning_rate=1e30", "sweep.fit.initial_learning_rate={choices=[1e30]}"]
    with pytest.raises(InputError, match=r"all trials that have ended have failed:\n- [12] times: DivergedError: "):
        sweep(read_experiment(settings=[*small, *hot]), trials=2, jobs=2, study="hot", seeds=2)
    assert newest_sweep("hot").info.status == "FAILED"


def test_no_time_is_told_as_that(experiment: Experiment) -> None:
    with pytest.raises(InputError, match="no trial has ended: give the sweep more time with --timeout"):
        sweep(experiment, trials=2, timeout=0.0, study="hurried", seeds=2)
    assert sweep(experiment, trials=2, study="hurried", seeds=2).counts.complete == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "a sweep needs 1 trial and 2 seeds at least"),
        ({"seeds": 1}, "a sweep needs 1 trial and 2 seeds at least"),
        ({"folds": 0}, "folds must be at least 1, received 0"),
        (
            {"folds": 28},
            "28 folds leave one of them less than a day of forecasts .* folds may be at most 27, or enlarge",
        ),
        ({"jobs": 0}, "jobs must be at least 1, received 0"),
        ({"address": "tcp://127.0.0.1:1"}, "add --runner dask"),
        ({"runner": "dask", "storage": "postgresql://u:secret@h/d"}, "needs a tracking server"),
        ({"runner": "dask", "address": "tcp://127.0.0.1:1"}, "needs a storage that all workers reach"),
        ({"storage": "nowhere/optuna.journal"}, "No such file or directory"),
        ({"storage": "postgresql://me:secret@127.0.0.1:9/x"}, "refused|No module"),
        ({"storage": "notes.toml"}, "is no storage of studies: this file is something else"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_cannot_be_done_is_said(experiment: Experiment, options: dict[str, Any], message: str) -> None:
    Path("notes.toml").write_text("a = 1\n")
    with pytest.raises(InputError, match=message) as refused:
        sweep(experiment, **{"trials": 2, "study": "refused", "seeds": 2, **options})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--jobs", "0"), "--jobs"),
        (("--folds", "0"), "--folds"),
        (("--trials", "many"), "--trials"),
        (("--set", "sweep.fit.decay_rat={low=0.1,high=0.9}"), "did you mean 'fit.decay_rate'"),
        (("--set", "sweep.fitt.decay_rate={low=0.1,high=0.9}"), "sweep.fitt.decay_rate: there is no such option"),
        (("--set", "sweep.fit.decay_rate={low=0.9,high=0.1}"), "low must be below high"),
        (("--set", "sweep.fit.seed={low=0,high=9}"), "a seed is luck, not a setting"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_command_refuses_with_one_message(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["wattcast", "sweep", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert message in said
    assert list(tmp_path.iterdir()) == []


# Several processes, and death


def wattcast_sweep(
    folder: Path, settings: list[str], *arguments: str, prefect: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    chosen = [part for setting in settings for part in ("--set", setting)]
    command = [WATTCAST, "sweep", *chosen, "--study", "shared", "--seeds", "2", "--pruner", "none", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PREFECT_API_URL": prefect}
    return running(command, cwd=folder, env=environment, **pipes)


def wait_for_a_trial(at_work: Callable[[], object], process: subprocess.Popen[str]) -> None:
    def is_there() -> bool:
        assert process.poll() is None, process.communicate()[1]
        return bool(at_work())

    wait_until(is_there, "a trial at work", 150)


@pytest.mark.story
def test_two_processes_share_a_study_and_one_may_be_shot(
    small: tuple[str, ...], prefect_server: str, tmp_path: Path
) -> None:
    settings = [*small, "fit.epochs=40", "fit.patience=40"]
    journal, total = tmp_path / "optuna.journal", 5

    def at_work() -> set[int]:
        return {
            trial.user_attrs["owner"]["pid"]
            for trial in trials("shared", journal)
            if trial.state == TrialState.RUNNING and trial.intermediate_values
        }

    options = ("--trials", str(total), "--jobs", "1", "--json")
    begin = partial(wattcast_sweep, tmp_path, settings, *options, prefect=prefect_server)
    with begin() as one, begin() as other:  # one study at once
        wait_for_a_trial(at_work, one)
        survivor, victim = sorted((one, other), key=lambda process: process.pid in at_work())
        victim.kill()
        victim.communicate(timeout=10)
        said, complaint = survivor.communicate(timeout=250)
    assert survivor.returncode == 0, complaint
    result = json.loads(said)
    complete = [trial for trial in trials("shared", journal) if trial.state == TrialState.COMPLETE]
    assert sorted(trial.user_attrs[TICKET] for trial in complete) == list(range(total))
    assert result["counts"]["complete"] == total
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    parent = client.get_run(result["run_id"])
    below = f"tags.`mlflow.parentRunId` = '{result['run_id']}'"
    states = Counter(run.info.status for run in client.search_runs([parent.info.experiment_id], below))
    assert parent.info.status == "FINISHED"
    assert set(states) <= {"FINISHED", "KILLED"}
    dead = [trial for trial in trials("shared", journal) if trial.state == TrialState.FAIL]
    assert states["KILLED"] == len(dead) <= 1


def test_ctrl_c_leaves_nothing_running_and_the_same_command_goes_on(
    small: tuple[str, ...], prefect_server: str, tmp_path: Path
) -> None:
    settings = [*small, "fit.epochs=40", "fit.patience=40"]
    journal = tmp_path / "optuna.journal"
    with wattcast_sweep(tmp_path, settings, "--trials", "3", "--jobs", "2", prefect=prefect_server) as first:
        wait_for_a_trial(lambda: any(trial.intermediate_values for trial in trials("shared", journal)), first)
        os.killpg(first.pid, signal.SIGINT)
        _, said = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "study 'shared' keeps what has ended, and the same command goes on" in said
    assert "Traceback" not in said
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'appliances-energy'")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} <= {"KILLED", "FINISHED"}
    assert "KILLED" in {run.info.status for run in runs}
    assert not [trial for trial in trials("shared", journal) if trial.state == TrialState.RUNNING]
    swept = sweep(read_experiment(settings=settings), trials=3, study="shared", storage=str(journal), seeds=2)
    assert swept.counts.complete + swept.counts.pruned == 3
    assert TrialState.RUNNING not in {trial.state for trial in trials("shared", journal)}
