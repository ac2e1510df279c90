"""The main job from end to end: real Prefect, real MLflow, a real if tiny network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from urllib.parse import urlparse
from uuid import UUID

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.train import Trained, train
from wattcast.model.errors import DivergedError, InputError
from wattcast.model.fit import Epoch
from wattcast.tasks.learning.leakage import LeakageError
from wattcast.tasks.tracking import run as track

pytestmark = pytest.mark.usefixtures("workspace", "prefect_server")
PARTS = {"train": "train", "validation": "val", "test": "test"}


@pytest.fixture(scope="module")
def experiment(small: tuple[str, ...]) -> Experiment:
    return read_experiment(settings=[*small, "fit.refit=true", "baselines.lightgbm=true"])


@pytest.fixture(scope="module")
def trained(experiment: Experiment, workspace: Path, prefect_server: str) -> Trained:
    return train(experiment)


@pytest.fixture(scope="module")
def run(trained: Trained) -> Run:
    return MlflowClient().get_run(trained.run_id)


@pytest.fixture(scope="module")
def artifacts(run: Run) -> Path:
    return Path(urlparse(run.info.artifact_uri).path)


def newest_run() -> Run:
    (experiment,) = MlflowClient().search_experiments(filter_string="name = 'appliances-energy'")
    return MlflowClient().search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0]


def test_the_run_is_where_a_bare_mlflow_ui_looks(run: Run, artifacts: Path, workspace: Path) -> None:
    assert (workspace / "mlflow.db").exists()
    assert artifacts.is_relative_to(workspace / "mlruns")
    assert run.info.status == "FINISHED"
    assert re.fullmatch(r"recommended .* more seed 0 simulated", run.info.run_name)
    assert run.data.tags["mlflow.note.content"].startswith("Appliances, test part: RMSE **")


def test_parameters_and_tags_say_what_was_done(run: Run, experiment: Experiment, trained: Trained) -> None:
    settled = {"readings.unit": "Wh"}  # as the house's source says
    assert run.data.params == {name: str(value) for name, value in {**experiment.flat(), **settled}.items()}
    assert run.data.tags["preset"] == "recommended"
    assert run.data.tags["data.source"] == "simulated"
    assert len(run.data.tags["data.sha256"]) == 64
    assert run.data.tags["git.commit"] == run.data.tags["mlflow.source.git.commit"] != ""
    assert run.data.tags["diagnosis"] == trained.evaluation.diagnosis.verdict


def test_every_epoch_is_logged(run: Run, experiment: Experiment) -> None:
    client = MlflowClient()
    refitted = len(client.get_metric_history(run.info.run_id, "train_refit_mse"))
    assert refitted == run.data.metrics["train_best_epoch"]
    for name in ("train_mse", "val_mse", "train_rmse", "val_rmse", "train_learning_rate", "train_penalty"):
        final = [3] if name in {"train_rmse", "val_rmse"} else []  # the score of the chosen network
        steps = [point.step for point in client.get_metric_history(run.info.run_id, name)]
        assert steps == [1, 2, *final], name
    assert {"train_refit_mse", "train_refit_rmse", "train_refit_learning_rate"} <= set(run.data.metrics)


def test_final_scores_stand_beside_the_baselines(run: Run, trained: Trained) -> None:
    metrics = run.data.metrics
    for part in PARTS.values():
        assert {f"{part}_{name}" for name in ("rmse", "mae", "r2", "mape", "skill")} <= set(metrics)
    for baseline in ("mean", "persistence", "daily_naive", "weekly_naive", "ridge", "lightgbm"):
        assert {f"test_vs_{baseline}_rmse", f"test_vs_{baseline}_mae"} <= set(metrics)
    assert metrics["test_skill"] == pytest.approx(1 - metrics["test_rmse"] / metrics["test_vs_persistence_rmse"])
    assert {name: metrics[name] for name in trained.evaluation.metrics()} == trained.evaluation.metrics()


def test_the_scores_are_those_of_the_logged_forecasts(run: Run, artifacts: Path) -> None:
    forecasts = pd.read_parquet(artifacts / "forecasts.parquet")
    for part, prefix in PARTS.items():
        rows = forecasts[forecasts["part"] == part]
        error = rows["gru"].astype(float) - rows["actual"]
        assert np.sqrt((error**2).mean()) == pytest.approx(run.data.metrics[f"{prefix}_rmse"], rel=1e-5)
        assert error.abs().mean() == pytest.approx(run.data.metrics[f"{prefix}_mae"], rel=1e-5)


def test_the_data_set_is_an_input_of_the_run(run: Run) -> None:
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.source_type == "simulated"
    assert json.loads(used.dataset.profile)["num_rows"] == 19_735


def test_nothing_leaked(artifacts: Path) -> None:
    proofs = json.loads((artifacts / "leakage.json").read_text())
    assert set(proofs) == {"training", "refit", "forecast"}
    for name, proof in proofs.items():
        assert proof["passed"]
        assert proof["altered_rows"] > 0
        assert set(proof["before"]) | {"targets"} == {"scaler", "windows", "ahead", "targets"}
        assert ("targets" in proof["before"]) == (name != "forecast")


def test_the_report_is_a_page_and_two_pictures(artifacts: Path, trained: Trained) -> None:
    assert Path(trained.report) == artifacts / "report.html"
    page = (artifacts / "report.html").read_text(encoding="utf-8")
    assert trained.run_id in page
    assert "SIMULATED" in page
    for picture in ("forecast.png", "learning_curve.png"):
        assert (artifacts / picture).read_bytes().startswith(b"\x89PNG")


def test_tensorboard_finds_scalars_and_graph(artifacts: Path) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    events = EventMultiplexer().AddRunsFromDirectory(str(artifacts))
    events.Reload()
    runs = events.Runs()
    assert set(runs) == {f"tensorboard/{part}" for part in ("train", "validation", "refit")}
    train_events = events.GetAccumulator("tensorboard/train")
    assert set(runs["tensorboard/train"]["tensors"]) == {"learning_rate", "global_step", "MSE", "RMSE_Wh"}
    assert set(runs["tensorboard/validation"]["tensors"]) == {"MSE", "RMSE_Wh"}
    assert len(train_events.Tensors("MSE")) == 2
    assert train_events.Graph().node


def test_scores_are_a_prefect_artifact_as_on_the_screen(trained: Trained) -> None:
    """The test part first, from best to worst, three digits and the unit."""
    from prefect.artifacts import Artifact

    artifact = Artifact.get("scores")
    assert artifact is not None
    assert (
        artifact.description
        == f"Scores of recommended-simulated\n\nRun `{trained.run_id}`\n\nReport `{trained.report}`"
    )
    rows = json.loads(artifact.data)
    assert [row["part"] for row in rows] == ["test"] * 7 + ["validation"] * 7 + ["train"] * 7
    assert list(rows[0]) == ["part", "model", "RMSE Wh", "MAE Wh", "R2", "MAPE %", "skill"]
    test = [float(row["RMSE Wh"]) for row in rows[:7]]
    assert test == sorted(test)
    (own,) = (row["RMSE Wh"] for row in rows[:7] if row["model"] == "gru")
    assert own == f"{trained.evaluation.metrics()['test_rmse']:.1f}"


def test_the_log_and_the_last_state_of_the_flow_run_say_what_was_done(trained: Trained, run: Run) -> None:
    said, state = told_to_prefect(run.data.tags["prefect.flow_run"])
    expected = [
        "reading the data: ",
        "preset recommended on simulated, simulated house: 19,735 rows every 10 minutes from 2016-01-11 17:00:00",
        "train 11,841 rows from 2016-01-11 17:00:00, validation 3,947 rows from ",
        f"MLflow run {trained.run_id}",
        "training, epoch 1: loss ",
        "training a network: ",
        "proving that nothing leaked: ",
        "scoring beside the baselines: ",
        "model ridge, RMSE Wh ",
        f"{trained.evaluation.diagnosis.verdict}: ",
        "drawing the report: ",
        "saving the model: ",
        f"model {trained.model_uri}, report {trained.report}",
        trained.sentence,
    ]
    places = [next((n for n, line in enumerate(said) if line.startswith(words)), -1) for words in expected]
    assert -1 not in places, dict(zip(expected, places, strict=True))
    assert state == trained.sentence
    assert re.fullmatch(r"test RMSE \d+\.\d Wh against \d+\.\d Wh \(\w+\)", state)


def told_to_prefect(flow_run_id: str) -> tuple[list[str], str]:
    """What the log of a flow run holds, and the message of its last state."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    with get_client(sync_client=True) as client:
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(flow_run_id)])), limit=200)
        state = client.read_flow_run(UUID(flow_run_id)).state
    return [each.message for each in sorted(logs, key=lambda each: each.timestamp)], (state and state.message) or ""


def test_its_configuration_gives_the_same_scores_again(artifacts: Path, trained: Trained) -> None:
    again = train(read_experiment(config=artifacts / "config.toml"))
    assert again.run_id != trained.run_id
    assert again.evaluation.metrics() == trained.evaluation.metrics()
    pd.testing.assert_frame_equal(again.evaluation.forecasts, trained.evaluation.forecasts)


def test_the_logged_model_forecasts_what_was_scored(trained: Trained, artifacts: Path) -> None:
    from wattcast.tasks.data.simulate import simulate

    served = mlflow.pyfunc.load_model(trained.model_uri)
    readings = simulate()
    made = served.predict(readings, params={"every": True})
    scored = pd.read_parquet(artifacts / "forecasts.parquet").query("part == 'test'")
    merged = scored.merge(made, left_on="time", right_on="date")
    assert len(merged) == len(scored) == 3947
    np.testing.assert_allclose(merged["Appliances"], merged["gru"], rtol=1e-5)
    newest = served.predict(readings.tail(6))
    assert newest["date"].tolist() == [readings["date"].iloc[-1] + pd.Timedelta(minutes=10)]
    assert newest["Appliances"].iloc[0] == pytest.approx(made["Appliances"].iloc[-1], rel=1e-5)


def test_the_model_loads_without_this_repository(artifacts: Path, trained: Trained, tmp_path: Path) -> None:
    """A Python that sees the installed packages, but neither this repository nor what links to it.

    Modules of the user's own do not shadow the code that the model carries, whatever they are called.
    """
    for name in ("model", "tasks", "flows", "wattcast"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the user was imported')")
    model = mlflow.artifacts.download_artifacts(trained.model_uri, dst_path=str(tmp_path / "copy"))
    program = f"""
import sys
sys.path.append({sysconfig.get_paths()["purelib"]!r})
import json, mlflow, pandas
example = json.load(open({model + "/input_example.json"!r}))
readings = pandas.DataFrame(example["data"], columns=example["columns"])
print(mlflow.pyfunc.load_model({model!r}).predict(readings).to_json())
import wattcast
if not wattcast.__file__.startswith({model!r}):
    raise SystemExit(f"the code is that of {{wattcast.__file__}}")
raise SystemExit("prefect was imported" if "prefect" in sys.modules else 0)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])) == {"made_at", "date", "Appliances"}


def test_the_model_names_its_requirements_and_signature(trained: Trained) -> None:
    info = mlflow.models.get_model_info(trained.model_uri)
    logged = MlflowClient().get_logged_model(info.model_id)
    experiment = MlflowClient().get_run(trained.run_id).info.experiment_id
    assert (logged.source_run_id, logged.experiment_id, logged.name) == (trained.run_id, experiment, "forecaster")
    assert info.signature.inputs.input_names() == ["date", "Appliances"]
    assert info.signature.outputs.input_names() == ["made_at", "date", "Appliances"]
    local = Path(mlflow.pyfunc.get_model_dependencies(trained.model_uri))
    packages = {line.split("==")[0] for line in local.read_text().splitlines()}
    assert {"tensorflow", "keras", "pandas", "numpy", "pydantic"} <= packages
    assert not {"prefect", "optuna", "wattcast"} & packages


def test_a_diverging_loss_ends_the_run_as_failed(small: tuple[str, ...]) -> None:
    settings = [*small, "fit.optimiser=sgd", "fit.initial_learning_rate=1e30", "fit.clip_norm=0"]
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) after \d+ updates"):
        train(read_experiment(settings=settings))
    run = newest_run()
    assert run.info.status == "FAILED"
    assert "lower fit.initial_learning_rate" in run.data.tags["failure"]
    said, state = told_to_prefect(run.data.tags["prefect.flow_run"])
    assert any(line.startswith("training diverged: the loss is ") for line in said)
    assert "lower fit.initial_learning_rate" in state


def test_a_leak_ends_the_run_as_failed(small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    from wattcast.model import scaler
    from wattcast.tasks.learning import scale

    def leaking(frame: pd.DataFrame, rows: object, readings: object, config: object) -> scaler.Scaler:
        return scaler.fit_scaler(frame, readings.targets, readings.features, config)

    monkeypatch.setattr("wattcast.flows.prepare.scale_task", leaking)
    monkeypatch.setattr("wattcast.flows.prepare.scale", leaking)
    with pytest.raises(LeakageError, match="training and refit"):
        train(read_experiment(settings=small))
    assert scale.scale is not leaking
    run = newest_run()
    assert run.info.status == "FAILED"
    proofs = json.loads((Path(urlparse(run.info.artifact_uri).path) / "leakage.json").read_text())
    assert not proofs["training"]["passed"]
    assert "test_rmse" not in run.data.metrics


def test_bad_data_leaves_no_run(small: tuple[str, ...], house: pd.DataFrame, tmp_path: Path) -> None:
    before = newest_run().info.run_id
    file = tmp_path / "house.csv"
    house.drop(columns="Appliances").to_csv(file, index=False)
    with pytest.raises(InputError, match="'Appliances' is missing"):
        train(read_experiment(settings=[*small, f"data={file}"]))
    assert newest_run().info.run_id == before


def test_a_file_of_ones_own(small: tuple[str, ...], house: pd.DataFrame, tmp_path: Path) -> None:
    """Other names, another cadence, two targets, three steps at once, four ahead, features and dates."""
    file = tmp_path / "office.csv"
    office = house.iloc[::3].rename(columns={"date": "when", "Appliances": "load"})
    office[["when", "load", "lights", "T_out"]].to_csv(file, index=False)
    settings = [
        *small,
        f"data={file}",
        "readings.timestamp=when",
        "readings.cadence_minutes=30",
        "readings.targets=['load', 'lights']",
        "readings.features=['T_out']",
        "readings.time=calendar",
        "window.output_length=3",
        "window.steps_ahead=4",
        "split.validation_from=2016-01-25",
        "split.test_from=2016-01-29",
        "scale.targets=log",
        "fit.loss=mae",
    ]
    trained = train(read_experiment(settings=settings))
    metrics = trained.evaluation.metrics()
    assert {"test_rmse", "test_rmse.lights", "test_vs_ridge_mae.lights"} <= set(metrics)
    test = trained.evaluation.forecasts.query("part == 'test'")
    assert test["time"].min() == pd.Timestamp("2016-01-29")
    assert set(test["time"] - test["made_at"]) == {pd.Timedelta(hours=hours) for hours in (2, 2.5, 3)}
    served = mlflow.pyfunc.load_model(trained.model_uri)
    assert served.predict(pd.read_csv(file).tail(6)).columns.tolist() == [
        "made_at",
        "when",
        "load",
        "lights",
    ]


def test_another_attempt_of_a_flow_run_goes_on_from_the_checkpoint(
    experiment: Experiment, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, logged = [], track.Run.log_epoch

    def fail_once(run: track.Run, epoch: Epoch) -> None:
        told.append((epoch.phase, epoch.number))
        if told.count(("select", 2)) == 1 and told[-1] == ("select", 2):
            raise OSError("the disk is away for a moment")
        logged(run, epoch)

    with monkeypatch.context() as patch:
        patch.setattr("wattcast.tasks.tracking.run.Run.log_epoch", fail_once)
        again = train.with_options(retries=1)(experiment)
    assert told.count(("select", 1)) == 1
    assert newest_run().info.run_id == again.run_id
    assert "failure" not in newest_run().data.tags
    assert again.evaluation.metrics() == trained.evaluation.metrics()


def test_what_cannot_be_resumed_is_refused(trained: Trained) -> None:
    with pytest.raises(InputError, match="has finished, there is nothing to resume"):
        train(resume=trained.run_id)
    with pytest.raises(InputError, match="there is no run 'unknown'"):
        train(resume="unknown")
