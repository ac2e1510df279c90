"""A version is watched: without files of it, with an event once, which starts one retraining on a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from wattcast.flows import watch as flow
from wattcast.flows.job import alone
from wattcast.flows.watch import ALARM, RESOURCE, RETRAIN, Watched, watch
from wattcast.model.clean import Habits, check_readings
from wattcast.model.errors import InputError
from wattcast.model.fallback import Fallback
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.names import CHAMPION, MODEL
from wattcast.tasks.registry.versions import (
    CONTRACT,
    DATA_FROM,
    DATA_TO,
    FALLBACK,
    HOLDOUT_SKILL,
    Versions,
)

ROOT = Path(__file__).parents[2]
READINGS, WINDOW, QUANTILES = ReadingsConfig(features=(), unit="Wh"), WindowConfig(lookback=6), (0.05, 0.5, 0.95)
TRAINED_DAYS, NOW = 10, "2016-02-01 17:00"


def tags_of(frame: pd.DataFrame, habits: Habits) -> dict[str, str]:
    trained = frame.iloc[: 144 * TRAINED_DAYS]
    return {
        CONTRACT: Contract.of(READINGS, WINDOW, QUANTILES).model_dump_json(),
        FALLBACK: json.dumps(Fallback.of_readings(trained, READINGS, habits, WINDOW, QUANTILES).to_json()),
        DATA_FROM: str(trained.index[0]),
        DATA_TO: str(trained.index[-1]),
        HOLDOUT_SKILL: json.dumps([0.2, 0.1, 0.3]),
    }


def logged(frame: pd.DataFrame, *, half: float, version: int) -> pd.DataFrame:
    """A forecast of each moment, half as far off as persistence, in intervals of a width."""
    load = frame["Appliances"]
    actual = load.shift(-1)
    forecast = (load + actual) / 2
    bounds = {"Appliances_p05": forecast - half, "Appliances_p50": forecast, "Appliances_p95": forecast + half}
    values = {"Appliances": forecast, **bounds, "Appliances_persistence": load, "Appliances_actual": actual}
    times = {"made_at": frame.index, "date": frame.index + READINGS.cadence}
    return pd.DataFrame({**times, **values, "version": version}).iloc[:-1].reset_index(drop=True)


def site(folder: Path, house: pd.DataFrame, name: str) -> Versions:
    """A version that is known by its tags alone, its readings, and forecasts whose intervals hold little."""
    house.to_csv(folder / "house.csv", index=False)
    frame = check_readings(house, READINGS)
    (folder / "empty").mkdir(exist_ok=True)
    versions = Versions.open(name)
    versions.client.create_registered_model(name)
    made = versions.client.create_model_version(name, str(folder / "empty"), tags=tags_of(frame, Habits()))
    versions.name_alias(CHAMPION, int(made.version))
    error = float(np.abs(frame["Appliances"].diff()).quantile(0.9)) / 2
    logged(frame, half=error, version=1).to_csv(folder / "sound.csv", index=False)
    logged(frame, half=error / 10, version=1).to_csv(folder / "narrow.csv", index=False)
    return versions


@pytest.fixture(scope="module")
def watched(house: pd.DataFrame, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Versions]:
    folder = tmp_path_factory.mktemp("watched")
    return folder, site(folder, house, "watched")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """What a server, which there seems to be, would be told."""
    sent: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    settings = SimpleNamespace(api=SimpleNamespace(url="http://127.0.0.1:1/api"))
    monkeypatch.setattr(flow, "get_current_settings", lambda: settings)
    monkeypatch.setattr(flow, "emit_event", lambda event, resource, payload: sent.append((event, resource, payload)))
    return sent


def see(folder: Path, forecasts: str, **options: Any) -> Watched:
    given = {"now": pd.Timestamp(NOW), "days": 7, **options}
    return alone(watch)(str(folder / "house.csv"), str(folder / forecasts), name="watched", **given)


def test_all_is_well_without_a_word_to_anybody(watched: tuple[Path, Versions], events: list[Any]) -> None:
    folder, _ = watched
    seen = see(folder, "sound.csv")
    assert [sign.name for sign in seen.signs] == ["late", "stuck", "drift", "skill", "coverage"]
    assert seen.wrong == ()
    assert seen.sentence == "version 1 of watched: all is well"
    assert see(folder, "nothing.csv").signs[-1].found == "not looked at, as there is no file of forecasts"
    assert events == []


def test_what_is_wrong_is_told_once_and_of_the_next_version_anew(
    watched: tuple[Path, Versions], events: list[Any]
) -> None:
    folder, versions = watched
    assert [see(folder, "narrow.csv").told for _ in range(3)] == [True, False, False]
    ((event, resource, payload),) = events
    assert (event, resource["prefect.resource.id"], resource[RETRAIN]) == (ALARM, f"{RESOURCE}.watched", "yes")
    assert [*payload] == ["coverage"]
    late = see(folder, "narrow.csv", now=pd.Timestamp("2016-02-02 17:00"))
    assert ([sign.name for sign in late.wrong], late.told) == (["late", "coverage"], True)
    assert events[-1][1][RETRAIN] == "no"
    state = json.loads(versions.notes()["watch.told"])
    long_ago = dict.fromkeys(state["told"], "2020-01-01T00:00:00+00:00")
    versions.note("watch.told", json.dumps({**state, "told": long_ago}))
    assert see(folder, "narrow.csv").told
    versions.note("watch.told", json.dumps({**state, "version": 0}))
    assert see(folder, "narrow.csv").told
    assert [resource[RETRAIN] for _, resource, _ in events] == ["yes", "no", "yes", "yes"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"days": 1}, "days must be from 2 to 3,650, received 1"),
        ({"late": "soon"}, "late must be a duration such as 2h or 1d, received 'soon'"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(
    options: dict[str, Any], words: str, watched: tuple[Path, Versions]
) -> None:
    with pytest.raises(InputError, match=words):
        see(watched[0], "sound.csv", **options)


def test_the_trigger_of_the_weekly_retraining_is_the_one_that_an_alarm_pulls() -> None:
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    by_name = {each["name"]: each for each in deployed}
    (given,) = by_name["retrain-weekly"]["triggers"]
    trigger = DeploymentEventTrigger.model_validate(given)
    assert (trigger.enabled, trigger.expect, trigger.threshold) == (True, {ALARM}, 1)
    assert given["match"] == {"prefect.resource.id": f"{RESOURCE}.{MODEL}", RETRAIN: "yes"}
    assert by_name["watch-hourly"]["entrypoint"] == "wattcast.flows.watch.watch"
    assert [schedule["active"] for schedule in by_name["watch-hourly"]["schedules"]] == [False]


@pytest.mark.story
@pytest.mark.timeout(300)
def test_an_alarm_that_lasts_starts_one_retraining_whatever_is_deployed_meanwhile(
    house: pd.DataFrame,
    workspace: Path,
    tmp_path: Path,
    served: Callable[..., AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    site(tmp_path, house, MODEL)
    shutil.copy(ROOT / "prefect.yaml", tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))  # of the server, too
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{workspace}/mlflow.db"}

    def run(program: str, *arguments: str) -> int:
        command = [str(Path(sys.executable).parent / program), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False).returncode

    with served(["prefect", "server", "start"], folder=tmp_path, path="/api/health") as address:
        environment["PREFECT_API_URL"] = f"{address}/api"
        assert run("prefect", "work-pool", "create", "wattcast", "--type", "process") == 0
        watching = ("watch", "--input", "house.csv", "--forecasts", "narrow.csv", "--now", NOW, "--days", "7")
        for _ in range(2):
            assert run("prefect", "--no-prompt", "deploy", "--all") == 0
            assert run("wattcast", *watching) == 1
        with temporary_settings({PREFECT_API_URL: f"{address}/api"}), get_client(sync_client=True) as client:
            for _ in range(20):
                runs = [
                    each for each in client.read_flow_runs() if each.created_by and each.created_by.type == "AUTOMATION"
                ]
                time.sleep(0.5)
            names = [each.name for each in client.read_automations()]
    assert len(runs) == 1
    assert names == ["retrain-on-alarm"]
