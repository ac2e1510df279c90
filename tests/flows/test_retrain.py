"""Retraining from end to end: real Prefect, real MLflow, tiny networks, and processes that are shot."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from retrainings import FIRST, SECOND, SETTINGS, artifacts, experiment

from wattcast.flows.experiment.experiment import read_experiment
from wattcast.flows.forecast import forecast
from wattcast.flows.promotion.lineage import explain
from wattcast.flows.promotion.rollback import roll_back_to
from wattcast.flows.retrain import Retrained, retrain
from wattcast.flows.service.doctor import examine
from wattcast.model.baseline import NAIVE
from wattcast.model.errors import InputError
from wattcast.tasks.data import simulate as simulation
from wattcast.tasks.registry.ledger import ledger
from wattcast.tasks.registry.lock import BusyError
from wattcast.tasks.registry.names import CHALLENGER, CHAMPION, PREVIOUS
from wattcast.tasks.registry.versions import TRAINING, Versions

pytestmark = [pytest.mark.usefixtures("workspace", "prefect_server", "without_clean_room"), pytest.mark.timeout(600)]

NAME = Path(__file__).stem  # other files of tests have models of their own in the same store


@pytest.fixture(scope="module")
def file(house: pd.DataFrame, workspace: Path) -> Path:
    path = workspace / "house.csv"
    house.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def first(file: Path) -> Retrained:
    return retrain(experiment(file), as_of=FIRST, name=NAME)


@pytest.fixture(scope="module")
def second(file: Path, first: Retrained) -> Retrained:
    """Barely trained, so that it is no better than the first."""
    return retrain(experiment(file, "fit.epochs=1"), as_of=SECOND, name=NAME)


def test_a_first_model_needs_the_baselines_only(first: Retrained) -> None:
    assert (first.version, first.promoted, first.champion, first.repeated) == (1, True, 1, False)
    assert first.why == "there is no champion yet: the baselines decide"
    checks = json.loads((artifacts(first.run_id) / "gate.json").read_text())
    assert [(check["name"], check["passed"]) for check in checks] == [
        ("data", True),
        ("baselines", True),
        ("clean_room", True),
        ("champion", True),
    ]
    assert checks[1]["numbers"]["challenger"] < checks[1]["numbers"]["persistence"]
    assert "Promoted" in (artifacts(first.run_id) / "retrain.html").read_text(encoding="utf-8")
    drift = pd.read_csv(artifacts(first.run_id) / "drift.csv")
    assert {"Appliances", "RH_6"} <= set(drift["column"])
    assert not {"rv1", "rv2"} & set(drift["column"])


def test_the_held_out_days_are_kept_from_training(first: Retrained) -> None:
    tags = Versions.open(NAME).find("1").tags
    assert tags["data.to"] == "2016-01-24 00:00:00"
    assert (tags["holdout.from"], tags["holdout.to"]) == ("2016-01-24 00:10:00", "2016-01-28 00:00:00")
    assert MlflowClient().get_run(first.run_id).info.status == "FINISHED"


def test_a_worse_challenger_is_refused_by_figures_of_now(first: Retrained, second: Retrained) -> None:
    assert (second.version, second.promoted, second.champion) == (2, False, 1)
    metrics = MlflowClient().get_run(second.run_id).data.metrics
    assert metrics["gate_champion_difference"] > 0
    versions = Versions.open(NAME)
    assert versions.find("2").aliases == (CHALLENGER,)
    assert versions.find("1").aliases == (CHAMPION,)
    assert [(entry.action, entry.version, entry.new) for entry in ledger(versions)] == [
        ("promoted", 1, 1),
        ("refused", 2, 1),
    ]
    assert json.loads((artifacts(second.run_id) / "ledger.json").read_text())[-1]["action"] == "refused"


def test_prefects_note_of_the_gate_says_what_was_decided_and_on_which_figures(second: Retrained) -> None:
    from prefect.artifacts import Artifact

    artifact = Artifact.get("gate")  # the newest one
    assert artifact is not None
    assert artifact.description == f"{NAME}, version 2: refused"
    note = str(artifact.data)
    assert note.startswith(f"# {NAME}, version 2: refused\n\n{second.why}\n\n- data passed: ")
    for check, figures in (
        ("baselines", r"RMSE of .* persistence.* \(challenger \d+.*, persistence \d+"),
        ("champion", r".* \(champion \d+.*, challenger \d+"),
    ):
        assert re.search(rf"^- \*\*{check} failed\*\*: {figures}", note, re.M)
    assert f"## Drift\n\n{second.drift}\n" in note
    assert f"Run `{second.run_id}`" in note
    assert f"Report `{second.report}`" in note


def test_the_champion_is_scored_on_the_same_windows_as_it_serves(second: Retrained, file: Path) -> None:
    served = mlflow.pyfunc.load_model(f"models:/{second.model}@{CHAMPION}")
    readings = pd.read_csv(file, parse_dates=["date"])
    made = served.predict(readings, params={"every": True}).merge(readings[["date", "Appliances"]], on="date")
    held_out = made[(made["date"] > "2016-01-28 00:00:00") & (made["date"] <= "2016-02-01")]
    rmse = ((held_out["Appliances_x"] - held_out["Appliances_y"]) ** 2).mean() ** 0.5
    assert len(held_out) == 4 * 144
    assert MlflowClient().get_run(second.run_id).data.metrics["gate_champion_champion"] == pytest.approx(rmse, rel=1e-5)


def test_the_same_retraining_is_not_done_twice(file: Path, second: Retrained) -> None:
    again = retrain(experiment(file, "fit.epochs=1"), as_of=SECOND, name=NAME)
    assert again.repeated
    assert (again.version, again.promoted, again.run_id) == (second.version, False, second.run_id)
    assert len(Versions.open(NAME).all()) == 2


def test_a_model_that_is_being_retrained_is_left_alone_or_waited_for(file: Path, second: Retrained) -> None:
    with Versions.open(NAME).alone(TRAINING, wait_s=0), pytest.raises(BusyError, match="is locked by process"):
        retrain(experiment(file), as_of=FIRST, name=NAME, when_busy="cancel")
    assert len(Versions.open(NAME).all()) == 2


def test_another_signature_is_a_named_case(file: Path, second: Retrained) -> None:
    refused = retrain(experiment(file, "readings.features=['lights']", "fit.epochs=1"), as_of=SECOND, name=NAME)
    assert not refused.promoted
    assert (
        "the champion has another signature (inputs ('Appliances', 'lights') instead of ('Appliances',))" in refused.why
    )
    assert "gate.allow_new_signature=true lets it pass" in refused.why


def test_a_simulated_house_trains_no_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "simulate", partial(simulation.simulate, 3024))
    given = [*SETTINGS, "data=simulated", "fit.epochs=1"]
    retrained = retrain(read_experiment(settings=given), name="simulated")
    assert (retrained.promoted, retrained.champion) == (False, None)
    assert "trained on the simulated house" in retrained.why


@pytest.mark.parametrize(
    ("as_of", "message"),
    [("2061-01-01", "as-of must lie within the readings"), ("2016-01-13", "leaves none to train on")],
)
def test_a_date_without_readings_is_refused(as_of: str, message: str, file: Path, first: Retrained) -> None:
    before = len(Versions.open(NAME).all())
    with pytest.raises(InputError, match=message):
        retrain(experiment(file), as_of=as_of, name=NAME)
    assert len(Versions.open(NAME).all()) == before


def test_rollback_names_another_champion_and_a_second_one_undoes_it(second: Retrained) -> None:
    versions = Versions.open(NAME)
    with pytest.raises(InputError, match="has had no champion before"):
        roll_back_to(NAME)
    assert (roll_back_to(NAME, to="2").old, versions.aliased(CHAMPION).number) == (1, 2)
    assert versions.aliased(PREVIOUS).number == 1
    assert (roll_back_to(NAME).new, versions.aliased(CHAMPION).number) == (1, 1)
    with pytest.raises(InputError, match=f"version 1 of {NAME} is the champion already"):
        roll_back_to(NAME, to="1")


def test_a_forecast_learns_how_good_it_was(file: Path, second: Retrained, tmp_path: Path) -> None:
    readings = pd.read_csv(file, parse_dates=["date"])
    early, output = tmp_path / "early.csv", tmp_path / "forecasts.parquet"
    readings.iloc[:-1].to_csv(early, index=False)
    made = forecast(str(early), str(output), name=NAME)
    assert (len(made.frame), made.scores) == (1, ())
    later = forecast(str(file), str(output), name=NAME)
    (score,) = later.scores
    assert (len(later.frame), score.forecasts, score.version) == (2, 1, "1")
    assert score.rmse == pytest.approx(abs(made.frame["Appliances"].iloc[0] - readings["Appliances"].iloc[-1]))
    with pytest.raises(InputError, match="has no version 'nobody'"):
        forecast(str(file), str(output), model="nobody", name=NAME)


def test_where_no_champion_can_be_loaded_the_best_naive_forecast_of_the_gates_span_answers(
    file: Path, first: Retrained, tmp_path: Path
) -> None:
    tags, versions = Versions.open(NAME).find("1").tags, Versions.open("gone")
    errors = {name: float(mlflow.get_run(first.run_id).data.metrics[f"gate_baselines_{name}"]) for name in NAIVE}
    best = min(errors, key=errors.__getitem__)
    (tmp_path / "empty").mkdir()
    versions.client.create_registered_model("gone")
    versions.client.create_model_version("gone", str(tmp_path / "empty"), tags=tags)
    versions.name_alias(CHAMPION, 1)
    output = tmp_path / "forecasts.csv"
    with pytest.raises(InputError, match=r"has other files than|cannot be loaded"):
        forecast(str(file), str(output), name="gone")
    assert not output.exists()
    made = forecast(str(file), str(output), name="gone", fallback="naive").made
    assert made["made_by"].tolist() == [best]
    every = forecast(str(file), str(output), name="gone", every=True, fallback="naive")
    assert f"1, {best}" in {score.version for score in every.scores}


@pytest.mark.story
def test_with_a_fallback_the_champion_forecasts_as_ever_but_from_too_few_readings(
    file: Path, second: Retrained, tmp_path: Path
) -> None:
    plain = forecast(str(file), str(tmp_path / "plain.csv"), name=NAME).made
    both = forecast(str(file), str(tmp_path / "both.csv"), name=NAME, fallback="naive").made
    pd.testing.assert_frame_equal(both.drop(columns="made_by"), plain)
    assert both["made_by"].tolist() == ["gru"]
    few = tmp_path / "few.csv"
    pd.read_csv(file).tail(3).to_csv(few, index=False)
    with pytest.raises(InputError, match="needs the newest 6 readings without a gap, received 3"):
        forecast(str(few), str(tmp_path / "few_forecasts.csv"), name=NAME)
    made = forecast(str(few), str(tmp_path / "both.csv"), name=NAME, fallback="naive").made
    assert made["made_by"].tolist() == ["persistence"]
    assert made["Appliances"].tolist() == pd.read_csv(few)["Appliances"].tail(1).tolist()


def test_a_version_is_explained_from_data_to_decision(first: Retrained, second: Retrained) -> None:
    story = explain("1", NAME)
    assert explain(first.run_id, NAME) == story
    assert len(story["data"]["sha256"]) == 64
    assert story["scaler"]["columns"] == "['Appliances']"
    assert story["configuration"]["window.lookback"] == "6"
    assert {"holdout_rmse", "holdout_vs_ridge_rmse"} <= set(story["scores"])
    assert not [name for name in story["scores"] if name.startswith("test_")]
    known = MlflowClient().get_registered_model(NAME)
    version = MlflowClient().get_model_version(NAME, "1")
    assert version.description.startswith(f"**Promoted**: {first.why}.")
    assert "Appliances, held-out days: RMSE **" in version.description
    assert "UTC: version " in known.description
    assert story["decision"]["outcome"].startswith("promoted: ")
    with pytest.raises(InputError, match="there is no run"):
        explain("0" * 31 + "a")


def test_a_doctor_finds_what_is_wrong(second: Retrained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert [finding.name for finding in examine(NAME) if not finding.ok] == []
    run = MlflowClient().create_run(MlflowClient().get_run(second.run_id).info.experiment_id)
    dead = {"host": os.uname().nodename, "pid": 2**22 - 1, "began": 1.0, "worker": ""}
    MlflowClient().set_tag(run.info.run_id, "owner", json.dumps(dead))
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    problems = {finding.name: finding for finding in examine("broken-by-name") if not finding.ok}
    assert set(problems) == {"environment", "open runs"}
    assert run.info.run_id in problems["open runs"].found
    assert {finding.name for finding in examine(NAME, fix=True) if not finding.ok} == {"environment"}
    assert MlflowClient().get_run(run.info.run_id).info.status == "KILLED"


SHOT = """
import os, signal
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings
from wattcast.flows.experiment.experiment import read_experiment
from wattcast.flows.retrain import retrain

def shoot(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)

os.chdir(folder)
os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 1)
os.dup2(1, 2)
if phase == "download":
    from wattcast.flows import prepare
    prepare.validate_task = shoot
elif phase == "training":
    from wattcast.tasks.tracking.run import Log
    logged = Log.log_epoch
    Log.log_epoch = lambda run, epoch: shoot() if epoch.number == 4 else logged(run, epoch)
elif phase == "registration":
    from wattcast.tasks.registry.versions import Versions
    Versions.name_alias = shoot
elif phase == "swap":
    from wattcast.tasks.registry.versions import Versions
    named = Versions.name_alias
    Versions.name_alias = lambda self, alias, number: shoot() if alias == "champion" else named(self, alias, number)
with temporary_settings({PREFECT_API_URL: server, PREFECT_LOGGING_LEVEL: "CRITICAL"}):
    retrained = retrain(read_experiment(settings=settings), as_of="2016-01-28", name="shot")
print(retrained.version, retrained.champion, retrained.repeated, flush=True)
"""


@dataclass(frozen=True)
class Attempt:
    """A retraining in a process of its own, and the file that holds what it says."""

    process: BaseProcess
    said: Path

    @classmethod
    def start(cls, file: Path, phase: str, server: str, said: Path) -> Attempt:
        """One that shoots itself in `phase`."""
        context = multiprocessing.get_context("forkserver")  # from a process that has imported what takes its time
        context.set_forkserver_preload(["wattcast.flows.retrain"])
        settings = [f"data={file}", *SETTINGS]
        names = {"phase": phase, "server": server, "settings": settings, "folder": str(file.parent), "said": str(said)}
        process = context.Process(target=exec, args=(SHOT, names), daemon=True)
        process.start()
        return cls(process, said)

    def end(self) -> tuple[int | None, str]:
        """How it has ended, and what it said."""
        self.process.join(500)
        return self.process.exitcode, self.said.read_text(encoding="utf-8")


def open_runs() -> list[str]:
    (known,) = MlflowClient().search_experiments(filter_string="name = 'appliances-energy'")
    return [
        run.info.run_id for run in MlflowClient().search_runs([known.experiment_id], "attributes.status = 'RUNNING'")
    ]


@pytest.mark.story
def test_a_retraining_that_is_shot_in_any_phase_breaks_nothing_and_is_gone_on_with(
    file: Path, prefect_server: str, tmp_path: Path
) -> None:
    """The last of eight that are started at once, so that what is left behind meets a crowd."""
    versions = Versions.open("shot")
    for phase, known in (("download", 0), ("training", 0), ("registration", 1), ("swap", 1)):
        code, said = Attempt.start(file, phase, prefect_server, tmp_path / phase).end()
        assert code == -signal.SIGKILL, (phase, said)
        assert len(versions.all()) == known, phase
        assert versions.aliased(CHAMPION) is None, phase  # none yet, rather than a broken one
    crowd = [Attempt.start(file, "none", prefect_server, tmp_path / f"{number}") for number in range(8)]
    ended = [attempt.end() for attempt in crowd]
    assert [code for code, _ in ended] == [0] * 8, ended
    assert {tuple(said.splitlines()[-1].split()[:2]) for _, said in ended} == {("1", "1")}
    assert [(entry.action, entry.old, entry.new) for entry in ledger(versions)] == [("promoted", None, 1)]
    assert open_runs() == []
    epochs = MlflowClient().get_metric_history(versions.find("1").run_id, "train_loss")
    assert [point.step for point in epochs][:5] == [1, 2, 3, 4, 5]  # the fourth was told once: it was shot before
