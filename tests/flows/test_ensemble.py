"""Several networks in one run from end to end: what is logged of each, what is served, and a kill in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from statistics import mean
from urllib.parse import urlparse

import mlflow
import numpy as np
import pandas as pd
import pytest
from here import Here
from mlflow import MlflowClient
from mlflow.entities import Run

from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.train import Trained, train
from wattcast.model.fit import Epoch
from wattcast.model.network import program, training
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.data.simulate import simulate
from wattcast.tasks.data.validate import validate
from wattcast.tasks.learning.scale import scale
from wattcast.tasks.learning.split import split
from wattcast.tasks.learning.window import window

pytestmark = pytest.mark.usefixtures("workspace", "prefect_server")
EPOCHS = 4


@pytest.fixture(scope="module")
def settings(small: tuple[str, ...]) -> tuple[str, ...]:
    """Two networks; the high learning rate makes them choose different epochs."""
    rates = ("fit.initial_learning_rate=0.1", "fit.decay_steps=736", "fit.decay_rate=0.1")
    return (*small, *rates, "fit.members=2", f"fit.epochs={EPOCHS}", "fit.refit=true", "model.readout_keep_prob=1.0")


@pytest.fixture(scope="module")
def experiment(settings: tuple[str, ...]) -> Experiment:
    return read_experiment(settings=settings)


@pytest.fixture(scope="module")
def trained(experiment: Experiment, workspace: Path, prefect_server: str) -> Trained:
    return train(experiment)


@pytest.fixture(scope="module")
def run(trained: Trained) -> Run:
    return MlflowClient().get_run(trained.run_id)


@pytest.fixture(scope="module")
def artifacts(run: Run) -> Path:
    return Path(urlparse(run.info.artifact_uri).path)


@pytest.fixture(scope="module")
def test_windows(experiment: Experiment) -> Windows:
    """The windows of the test part, cut once more from the raw readings."""
    frame = validate(simulate(), experiment.readings, window_rows=experiment.window.rows).frame
    rows = split(frame, experiment.split)
    scaler = scale(frame, rows, experiment.readings, experiment.scale)
    windows: Split[Windows] = window(frame, rows, experiment.readings, scaler, experiment.window)
    return windows.test


def curve(run: Run, name: str) -> dict[int, float]:
    return {point.step: point.value for point in MlflowClient().get_metric_history(run.info.run_id, name)}


def chosen_epochs(run: Run) -> list[int]:
    """By the validation losses that were logged."""
    curves = [curve(run, name) for name in ("val_loss", "z_member_2_val_loss")]
    return [min(losses, key=losses.__getitem__) for losses in curves]


def newest_run() -> Run:
    (experiment,) = MlflowClient().search_experiments(filter_string="name = 'appliances-energy'")
    return MlflowClient().search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0]


def test_each_network_has_curves_and_the_scores_are_of_both_together(run: Run, trained: Trained) -> None:
    epochs = list(range(1, EPOCHS + 1))
    first, second = (curve(run, f"{prefix}val_rmse") for prefix in ("", "z_member_2_"))
    assert list(first) == [*epochs, EPOCHS + 1]
    assert list(second) == epochs
    assert all(first[number] != second[number] for number in epochs)
    assert first[EPOCHS + 1] == trained.evaluation.metrics()["val_rmse"]
    refits = [curve(run, f"{prefix}train_refit_mse") for prefix in ("", "z_member_2_")]
    assert [len(refit) for refit in refits] == chosen_epochs(run)
    assert {name: run.data.metrics[name] for name in trained.evaluation.metrics()} == trained.evaluation.metrics()
    assert not [name for name in run.data.metrics if name.startswith("test_") and "member" in name]


def test_the_best_epoch_is_the_mean_of_those_chosen(run: Run) -> None:
    assert len(set(chosen_epochs(run))) == 2  # else the mean would say nothing
    assert run.data.metrics["train_best_epoch"] == mean(chosen_epochs(run))
    assert run.data.params["fit.members"] == "2"


def test_tensorboard_has_folders_for_each_network(artifacts: Path, run: Run) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.util import tensor_util

    events = EventMultiplexer().AddRunsFromDirectory(str(artifacts / "tensorboard"))
    events.Reload()
    folders = {f"{part}{suffix}" for part in ("train", "validation", "refit") for suffix in ("", "-2")}
    assert set(events.Runs()) == folders

    def values(folder: str, name: str) -> list[float]:
        return [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(folder, name)]

    for suffix, metric in (("", "val_rmse"), ("-2", "z_member_2_val_rmse")):
        logged = [curve(run, metric)[number] for number in range(1, EPOCHS + 1)]
        assert values(f"validation{suffix}", "RMSE_Wh") == pytest.approx(logged, rel=1e-6)
        assert len(values(f"train{suffix}", "MSE")) == EPOCHS
    assert [len(values(f"refit{suffix}", "MSE")) for suffix in ("", "-2")] == chosen_epochs(run)


def test_the_report_tells_of_both_networks(artifacts: Path, run: Run) -> None:
    page = " ".join((artifacts / "report.html").read_text(encoding="utf-8").split())
    first, second = chosen_epochs(run)
    assert f"Lowest validation loss, which was chosen: epoch {first}, {second}." in page
    assert "Training RMSE of 2 networks, on average" in page
    assert '"validation 2"' in page


def test_the_logged_model_forecasts_what_was_scored(trained: Trained, artifacts: Path) -> None:
    served = mlflow.pyfunc.load_model(trained.model_uri)
    made = served.predict(simulate(), params={"every": True})
    scored = pd.read_parquet(artifacts / "forecasts.parquet").query("part == 'test'")
    merged = scored.merge(made, left_on="time", right_on="date")
    assert len(merged) == len(scored) == 3947
    np.testing.assert_allclose(merged["Appliances"], merged["gru"], rtol=1e-5)


def test_keras_alone_loads_the_network_and_forecasts_the_same(
    artifacts: Path, trained: Trained, test_windows: Windows, tmp_path: Path
) -> None:
    """In a Python that cannot import `model`: the file holds stock layers only, or this would fail."""
    windows = test_windows.take(slice(300))
    series = windows.series
    np.savez(
        tmp_path / "given.npz",
        readings=series.inputs[windows.input_rows],  # [N, T, F]
        ahead=series.ahead[windows.target_rows],  # [N, L, A]
    )
    program = f"""
import importlib.util, json, sys
sys.path.append({sysconfig.get_paths()["purelib"]!r})
if any(importlib.util.find_spec(name) for name in ("wattcast", "model", "tasks", "flows")):
    raise SystemExit("this repository is on the path")
import keras, numpy
network = keras.saving.load_model({str(artifacts / "network.keras")!r})
given = numpy.load("given.npz")
forecast = network.predict([given[source.name] for source in network.inputs], verbose=0)
numpy.save("forecast.npy", forecast)
print(json.dumps(sorted({{type(layer).__module__ for layer in network._flatten_layers()}})))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    modules = json.loads(done.stdout.splitlines()[-1])
    assert "keras.src.layers.rnn.gru" in modules
    assert all(name.startswith("keras.src.") for name in modules)
    scaler = json.loads((artifacts / "scaler.json").read_text())
    wh = np.load(tmp_path / "forecast.npy")[:, 0, 0] * scaler["scale"][0] + scaler["offset"][0]
    scored = trained.evaluation.forecasts.query("part == 'test'").set_index("time")["gru"]
    times = series.times[windows.target_rows[:, 0]]
    np.testing.assert_allclose(wh, scored.loc[times].to_numpy(), rtol=1e-4)


def test_a_run_killed_in_its_refit_goes_on_to_the_same_scores(
    experiment: Experiment, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As abrupt as a signal: no `except Exception` sees it."""

    def die(run: object, epoch: Epoch) -> None:
        if (epoch.phase, epoch.member, epoch.number) == ("refit", 2, 1):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("wattcast.tasks.tracking.run.Run.log_epoch", die)
        with pytest.raises(Killed):
            train(experiment)
    killed = newest_run()
    assert killed.info.status == "KILLED"
    resumed = train(resume=killed.info.run_id)
    assert resumed.run_id == killed.info.run_id
    assert MlflowClient().get_run(resumed.run_id).info.status == "FINISHED"
    assert resumed.evaluation.metrics() == trained.evaluation.metrics()
    pd.testing.assert_frame_equal(resumed.evaluation.forecasts, trained.evaluation.forecasts)


def test_a_command_that_was_shot_goes_on_to_the_same_scores(
    settings: tuple[str, ...],
    trained: Trained,
    workspace: Path,
    *,
    prefect_server: str,
    here: Here,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGKILL in the second network's third epoch, and `--resume` in another process, which is this one."""
    program = f"""
import os, signal, sys
from wattcast.flows.cli import main as cli
from wattcast.tasks.tracking import run as track
log_epoch = track.Run.log_epoch
def die(run, epoch):
    if (epoch.phase, epoch.member, epoch.number) == ("select", 2, 3):
        os.kill(os.getpid(), signal.SIGKILL)
    log_epoch(run, epoch)
track.Run.log_epoch = die
sys.argv = ["wattcast", "train", *{[part for setting in settings for part in ("--set", setting)]!r}]
cli.main()
"""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    shot = subprocess.run([sys.executable, "-c", program], cwd=workspace, capture_output=True, text=True, check=False)
    assert shot.returncode == -9, shot.stderr
    killed = newest_run()
    assert killed.info.status == "RUNNING"  # nobody could close it
    assert "z_member_2_val_rmse" in killed.data.metrics
    assert "test_rmse" not in killed.data.metrics
    done = here("train", "--resume", killed.info.run_id, "--json", folder=workspace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == trained.evaluation.metrics()
    after = MlflowClient().get_run(killed.info.run_id)
    assert after.info.status == "FINISHED"
    assert after.data.metrics["train_best_epoch"] == mean(chosen_epochs(after))
    assert list(curve(after, "z_member_2_val_rmse")) == list(range(1, EPOCHS + 1))


def test_stock_layers_train_where_they_are_asked_for(
    settings: tuple[str, ...], trained: Trained, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They give nearly the same curves: the first epoch's are not yet drawn apart by rounding."""
    kernels = []
    compile_epoch = program.compile_epoch

    def watch(plan: program.Plan) -> object:
        kernels.append(plan.kernel)
        return compile_epoch(plan)

    monkeypatch.setattr(training, "compile_epoch", watch)
    stock = train(read_experiment(settings=[*settings, 'fit.kernel="keras"']))
    assert set(kernels) == {"keras"}
    again = MlflowClient().get_run(stock.run_id)
    assert again.data.params["fit.kernel"] == "keras"
    for name in ("val_rmse", "z_member_2_val_rmse", "train_rmse", "z_member_2_train_rmse"):
        assert curve(again, name)[1] == pytest.approx(curve(run, name)[1], rel=1e-3), name
    assert stock.evaluation.metrics()["test_rmse"] == pytest.approx(run.data.metrics["test_rmse"], rel=0.02)
