"""A year of half-hours on the clock of London, through both changes: trained, retrained, forecast, served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc import PyFuncModel
from mlflow.pyfunc.scoring_server import init

from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.forecast import forecast
from wattcast.flows.replay import replay
from wattcast.flows.retrain import retrain
from wattcast.flows.train import train
from wattcast.model.clock import on_the_clock
from wattcast.model.errors import InputError
from wattcast.tasks.data.simulate import simulate
from wattcast.tasks.inspection.draft import draft as draft_of
from wattcast.tasks.inspection.inspect import inspect
from wattcast.tasks.registry.versions import DATA_TO, HOLDOUT_TO, Versions

pytestmark = [pytest.mark.usefixtures("workspace", "prefect_server", "without_clean_room"), pytest.mark.timeout(600)]

LONDON, NAME, FORM = "Europe/London", "london-meter", "%d/%m/%Y %H:%M"


@pytest.fixture(scope="module")
def times() -> pd.DatetimeIndex:
    return pd.date_range("2020-11-15", "2021-11-14 23:30", freq="30min", tz=LONDON)


@pytest.fixture(scope="module")
def meter(times: pd.DatetimeIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a utility exports it: local time without an offset, day first."""
    load = simulate(3 * len(times))["Appliances"].to_numpy(np.float64).reshape(-1, 3).sum(axis=1) / 1000
    file = tmp_path_factory.mktemp("london") / "meter.csv"
    pd.DataFrame({"when": on_the_clock(times).strftime(FORM), "kWh": load}).to_csv(file, index=False)
    return file


def experiment(file: Path, small: tuple[str, ...], *more: str) -> Experiment:
    columns = (
        "readings.timestamp=when",
        "readings.targets=kWh",
        "readings.cadence_minutes=30",
        "readings.time=calendar",
    )
    place = ("readings.unit=kWh", f"readings.timezone={LONDON}")
    return read_experiment(settings=[*small, f"data={file}", *columns, *place, *more])


@pytest.fixture(scope="module")
def version(meter: Path, small: tuple[str, ...]) -> int:
    return retrain(experiment(meter, small, "gate.holdout_days=21"), name=NAME).version


def test_a_look_at_the_file_drafts_what_a_training_takes(
    meter: Path, small: tuple[str, ...], tmp_path: Path, times: pd.DatetimeIndex
) -> None:
    found = inspect(meter).found
    assert (found.verdict, found.value("readings.timezone")) == ("ready", LONDON)
    assert found.trial.rows == len(times)
    draft = tmp_path / "meter.toml"
    draft.write_text(draft_of(found), encoding="utf-8")
    sizes = [setting for setting in small if not setting.startswith("data=")]
    trained = train(read_experiment(config=draft, settings=[*sizes, "readings.time=calendar"]))
    test = trained.evaluation.forecasts[trained.evaluation.forecasts["part"] == "test"]
    assert pd.DatetimeIndex(test["time"]).equals(times[-len(test) :])
    assert trained.evaluation.unit == "kWh"


def test_a_training_reads_each_half_hour_once(meter: Path, times: pd.DatetimeIndex, small: tuple[str, ...]) -> None:
    trained = train(experiment(meter, small, "split.test_from=2021-10-31 01:30", "split.validation_from=2021-09-01"))
    forecasts = trained.evaluation.forecasts
    test = forecasts[forecasts["part"] == "test"]
    assert pd.DatetimeIndex(test["time"]).equals(times[times >= "2021-10-31 01:30+01:00"])
    assert (test["time"] - test["made_at"] == pd.Timedelta(minutes=30)).all()


def test_a_retraining_says_local_times(version: int, times: pd.DatetimeIndex) -> None:
    tags = Versions.open(NAME).find(str(version)).tags
    assert tags[HOLDOUT_TO] == str(times[-1]) == "2021-11-14 23:30:00+00:00"
    assert pd.Timestamp(tags[DATA_TO]) == times[-1] - pd.Timedelta(days=21)
    assert tags[DATA_TO] == "2021-10-25 00:30:00+01:00"


def test_forecasts_come_back_on_the_clock_of_the_readings(version: int, meter: Path, tmp_path: Path) -> None:
    """Made in the hour that occurs twice, from the file as it stood at that moment, and scored once more has come."""
    lines, output = meter.read_text().splitlines(), str(tmp_path / "forecasts.csv")
    second = [row for row, line in enumerate(lines) if line.startswith("31/10/2021 01:00")][1]
    for newest, made_at in ((second - 2, "01:00:00+01:00"), (second - 1, "01:30:00+01:00"), (second, "01:00:00+00:00")):
        early = tmp_path / "early.csv"
        early.write_text("\n".join([*lines[: newest + 1], ""]))
        made = forecast(str(early), output, model=str(version), name=NAME).made
        assert str(made["made_at"].iloc[0]) == f"2021-10-31 {made_at}"
        assert (made["when"] - made["made_at"]).iloc[0] == pd.Timedelta(minutes=30)
    added = forecast(str(meter), output, model=str(version), name=NAME)
    assert [score.forecasts for score in added.scores] == [3]
    written = pd.read_csv(output)
    assert written["when"].tolist()[:3] == [
        "2021-10-31 01:30:00+01:00",
        "2021-10-31 01:00:00+00:00",
        "2021-10-31 01:30:00+00:00",
    ]
    actual = {line.split(",")[0]: float(line.split(",")[1]) for line in lines[1 : second + 2]}  # the later of two stays
    assert written["kWh_actual"].iloc[2] == actual["31/10/2021 01:30"]
    naive = written.assign(**{name: written[name].str[:19] for name in ("made_at", "when")})
    naive.to_csv(output, index=False)
    with pytest.raises(InputError, match="holds forecasts of another clock than this model's, which is Europe/London"):
        forecast(str(meter), output, model=str(version), name=NAME)


def ask(loaded: PyFuncModel, rows: pd.DataFrame) -> httpx.Response:
    """What MLflow's server answers, without a port."""

    async def answer() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(init(loaded)), base_url="http://server") as client:
            return await client.post("/invocations", json={"dataframe_split": rows.to_dict("split", index=False)})

    return asyncio.run(answer())


def test_a_request_is_read_as_the_file_was(version: int, meter: Path, tmp_path: Path) -> None:
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/{version}")
    rows = pd.read_csv(meter).tail(40)
    (made,) = ask(loaded, rows).json()["predictions"]
    batch = forecast(str(meter), str(tmp_path / "batch.csv"), model=str(version), name=NAME).made
    assert made["kWh"] == pytest.approx(batch["kWh"].iloc[0])
    assert pd.Timestamp(made["when"]) == batch["when"].iloc[0] == pd.Timestamp("2021-11-15 00:00+00:00")
    utc = rows.assign(when=[f"{time:%Y-%m-%dT%H:%M}Z" for time in pd.to_datetime(rows["when"], format=FORM)])
    refused = ask(loaded, utc)
    assert refused.status_code == 400
    assert "must hold time stamps" in refused.text  # in the format that the model was trained with, or not at all


def test_a_replay_goes_through_a_change(meter: Path, small: tuple[str, ...]) -> None:
    start = pd.Timestamp("2021-10-20").to_pydatetime()
    made = replay(experiment(meter, small, "gate.holdout_days=14"), every="14d", start=start)
    assert [str(cut.at) for cut in made.worth.cuts] == ["2021-10-20 00:00:00+01:00", "2021-11-02 23:00:00+00:00"]


def test_a_file_on_another_clock_is_told(meter: Path, small: tuple[str, ...], tmp_path: Path) -> None:
    """Stamps of UTC that are said to be London's: half an hour in March never was."""
    frame = pd.read_csv(meter)
    utc = pd.date_range("2020-11-15", periods=len(frame), freq="30min").strftime(FORM)
    file = tmp_path / "utc.csv"
    frame.assign(when=utc).to_csv(file, index=False)
    with pytest.raises(InputError, match="2 time stamps, first 2021-03-28 01:00:00, never were on the clock"):
        train(experiment(file, small))
