"""Versions as they are served: in an empty folder, by a process that knows their own code alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from retrainings import FIRST, SECOND, artifacts, experiment
from rooms import no_clean_room

from wattcast.flows.forecast import forecast
from wattcast.flows.promotion.rollback import roll_back_to
from wattcast.flows.retrain import Retrained, retrain
from wattcast.flows.service.doctor import examine
from wattcast.model.errors import InputError
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.names import CHAMPION
from wattcast.tasks.registry.trust import UntrustedError
from wattcast.tasks.registry.versions import CONTRACT, Versions

pytestmark = [pytest.mark.usefixtures("workspace", "prefect_server"), pytest.mark.timeout(600)]

NAME = Path(__file__).stem  # other files of tests have models of their own in the same store


@pytest.fixture(scope="module")
def file(house: pd.DataFrame, workspace: Path) -> Path:
    path = workspace / "served.csv"
    house.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def first(file: Path) -> Retrained:
    with no_clean_room():
        return retrain(experiment(file), as_of=FIRST, name=NAME)


HEAVIER = """
_served = ServedForecaster.predict

def _heavier(self, model_input, params=None):
    made = _served(self, model_input, params)
    return made.assign(Appliances=made["Appliances"] + 10)

ServedForecaster.predict = _heavier
"""


def test_a_champion_is_judged_by_the_code_that_it_is_served_with(file: Path, first: Retrained, tmp_path: Path) -> None:
    """Its shipped code differs from this project's on purpose: it forecasts 10 Wh more."""
    versions = Versions.open("heavier")
    model = versions.download(Versions.open(NAME).find("1"), tmp_path / "model")
    with (model / "code/wattcast/model/pyfunc.py").open("a", encoding="utf-8") as code:
        code.write(HEAVIER)
    tags = {CONTRACT: Versions.open(NAME).find("1").tags[CONTRACT]}
    versions.client.create_registered_model("heavier")
    versions.client.create_model_version("heavier", str(model), tags=tags)
    versions.name_alias(CHAMPION, 1)
    before = list(sys.path)
    judged = retrain(experiment(file, "fit.epochs=1"), as_of=SECOND, name="heavier", trust=True)
    assert sys.path == before
    checks = {check["name"]: check for check in json.loads((artifacts(judged.run_id) / "gate.json").read_text())}
    assert checks["clean_room"]["passed"]
    metrics = MlflowClient().get_run(judged.run_id).data.metrics
    made = mlflow.pyfunc.load_model(f"models:/{NAME}/1").predict(pd.read_csv(file), params={"every": True})
    readings = pd.read_csv(file, parse_dates=["date"])[["date", "Appliances"]]
    held_out = made.merge(readings, on="date").query("'2016-01-28' < date <= '2016-02-01'")
    error = held_out["Appliances_x"] + 10 - held_out["Appliances_y"]
    assert metrics["gate_champion_champion"] == pytest.approx((error**2).mean() ** 0.5, rel=1e-5)
    with pytest.raises(UntrustedError, match="version 1 of heavier was registered by no retraining of wattcast, and"):
        forecast(str(file), str(tmp_path / "forecasts.csv"), name="heavier")
    (found,) = [finding for finding in examine("heavier") if finding.name == "champion"]
    assert found.found.startswith("version 1 of heavier was registered by no retraining")


@pytest.fixture(scope="module")
def broken(file: Path) -> Versions:
    """A model whose champion has no files."""
    versions = Versions.open("broken")
    empty = file.parent / "nothing"
    empty.mkdir()
    interface = Contract.of(experiment(file).readings, experiment(file).window).model_dump_json()
    versions.client.create_registered_model("broken")
    versions.client.create_model_version("broken", str(empty), tags={CONTRACT: interface})
    versions.name_alias(CHAMPION, 1)
    return versions


@pytest.fixture(scope="module")
def after_it(file: Path, broken: Versions) -> Retrained:
    return retrain(experiment(file), as_of=FIRST, name="broken", trust=True)


def test_a_champion_that_cannot_be_loaded_is_a_named_case(after_it: Retrained) -> None:
    assert (after_it.promoted, after_it.champion) == (True, 2)
    assert "the champion, version 1, cannot be loaded" in after_it.why
    assert "the baselines decide" in after_it.why


def test_a_rollback_tries_its_target_first(broken: Versions, after_it: Retrained) -> None:
    before = broken.aliased(CHAMPION)
    with pytest.raises(UntrustedError, match="was registered by no retraining"):
        roll_back_to("broken", to="1")
    with pytest.raises(InputError, match="cannot be loaded"):
        roll_back_to("broken", to="1", trust=True)
    assert broken.aliased(CHAMPION) == before
