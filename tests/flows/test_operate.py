"""The whole story on the real data: a Prefect server, an MLflow server, a worker, and what a team does with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from servers import running

from wattcast.flows.promotion.rollback import roll_back_to
from wattcast.tasks.registry.ledger import Entry, ledger
from wattcast.tasks.registry.names import MODEL
from wattcast.tasks.registry.versions import Versions

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
QUICK = {"window": {"lookback": 12}, "model": {"layers": [{"units": 24}]}}

pytestmark = [pytest.mark.story, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Site:
    """A folder with the project's prefect.yaml; the environment names both servers."""

    folder: Path
    tracking: str

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / program), *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=600)

    def wattcast(self, *arguments: str) -> str:
        done = self.run("wattcast", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def deployed(self, name: str, **parameters: object) -> None:
        """Run a deployment and wait for its end."""
        given = [part for key, value in parameters.items() for part in ("--param", f"{key}={json.dumps(value)}")]
        done = self.run("prefect", "deployment", "run", name, *given, "--watch")
        assert done.returncode == 0, done.stdout + done.stderr

    def ledger(self) -> list[Entry]:
        return ledger(Versions(MlflowClient(self.tracking), MODEL))


@pytest.fixture
def site(
    real_file: Path, tmp_path: Path, served: Callable[..., AbstractContextManager[str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "2")
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(ROOT / "prefect.yaml", folder)
    with (
        served(["prefect", "server", "start"], folder=folder, path="/api/health") as prefect,
        served(["mlflow", "server", "--workers", "1"], folder=folder, path="/health") as tracking,
    ):
        monkeypatch.setenv("PREFECT_API_URL", f"{prefect}/api")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
        monkeypatch.setenv("COLUMNS", "200")
        site = Site(folder, tracking)
        assert site.run("prefect", "work-pool", "create", "wattcast", "--type", "process").returncode == 0
        deployed = site.run("prefect", "--no-prompt", "deploy", "--all")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        command = [str(BIN / "prefect"), "worker", "start", "--pool", "wattcast"]
        log = (tmp_path / "worker.log").open("wb")
        with log, running(command, cwd=folder, stdout=log, stderr=log, patience_s=15):  # a worker may be deaf to it
            yield site


def test_deploy_retrain_promote_refuse_roll_back_forecast_and_serve(
    site: Site, real_file: Path, served: Callable[..., AbstractContextManager[str]]
) -> None:
    def retrain(as_of: str, epochs: int) -> None:
        fit = {"epochs": epochs, "members": 1}
        site.deployed("retrain/retrain-weekly", experiment={"data": "uci", "fit": fit, **QUICK}, as_of=as_of)

    retrain("2016-03-20", 1)
    retrain("2016-04-17", 6)
    retrain("2016-04-20", 1)
    assert [(entry.action, entry.version, entry.new) for entry in site.ledger()] == [
        ("promoted", 1, 1),
        ("promoted", 2, 2),
        ("refused", 3, 2),
    ]
    assert site.ledger()[1].figures["gate_champion_high"] < 0

    site.wattcast("rollback", "--why", "to show it")
    assert (site.ledger()[-1].new, site.ledger()[-1].why) == (1, "to show it")
    roll_back_to()
    assert json.loads(site.wattcast("models", "--json"))["ledger"][-1]["new"] == 2

    output = site.folder / "forecasts.csv"
    site.deployed("forecast/forecast-newest", input="uci", output=str(output))
    forecasts = pd.read_csv(output, parse_dates=["made_at", "date"])
    assert forecasts["version"].tolist() == [2]
    assert forecasts["date"].tolist() == [pd.Timestamp("2016-05-27 18:10")]

    week = pd.read_csv(real_file, skipinitialspace=True).tail(7 * 144)[["date", "Appliances"]]
    with served(["wattcast", "serve", "--workers", "1"], folder=site.folder, path="/ping") as address:
        answer = _served_forecast(address, week)
    assert answer == pytest.approx(forecasts["Appliances"].item(), rel=1e-6)

    client = MlflowClient(site.tracking)
    (known,) = client.search_experiments(filter_string="name = 'appliances-energy'")
    assert {run.info.status for run in client.search_runs([known.experiment_id])} == {"FINISHED"}
    doctor = site.run("wattcast", "doctor")
    assert "schedule: retrain-weekly is active, a worker is online" in doctor.stdout
    assert doctor.returncode == 0, doctor.stdout


def _served_forecast(address: str, readings: pd.DataFrame) -> float:
    body = json.dumps({"dataframe_split": readings.to_dict(orient="split", index=False)}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        (forecast,) = json.load(answer)["predictions"]
    return float(forecast["Appliances"])
