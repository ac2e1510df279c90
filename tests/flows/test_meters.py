"""Meter files as strangers bring them, from the file to the forecast."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from wattcast.flows.cli.show_models import forecasts_record, show_forecasts
from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.experiment.offered import DEFAULT_PRESET
from wattcast.flows.forecast import forecast
from wattcast.flows.prepare import fetch
from wattcast.flows.retrain import retrain
from wattcast.flows.train import Trained, train
from wattcast.model.errors import InputError

pytestmark = [pytest.mark.usefixtures("workspace", "prefect_server", "without_clean_room"), pytest.mark.timeout(600)]

DAY_FIRST = "%d.%m.%Y %H:%M"


@pytest.fixture(scope="module")
def hourly(house: pd.DataFrame) -> pd.DataFrame:
    """Ten weeks of two columns, hour by hour: `when` and `load`."""
    load = house["Appliances"].to_numpy(np.float64)
    times = pd.date_range("2021-02-01", periods=len(load) // 2, freq="h")
    return pd.DataFrame({"when": times, "load": load[: len(times)] + load[len(times) : 2 * len(times)]})


def written(frame: pd.DataFrame, path: Path, form: str = "%Y-%m-%d %H:%M") -> Path:
    frame.assign(when=frame["when"].dt.strftime(form)).to_csv(path, index=False)
    return path


def experiment(file: Path, small: tuple[str, ...], *more: str, preset: str = DEFAULT_PRESET) -> Experiment:
    columns = ("readings.timestamp=when", "readings.targets=load", "readings.cadence_minutes=60")
    return read_experiment(preset=preset, settings=[*small, f"data={file}", *columns, "fit.epochs=4", *more])


def scores(trained: Trained) -> dict[str, float]:
    return trained.evaluation.metrics()


@pytest.mark.parametrize("preset", ["recommended", "recommended-mae"])
def test_the_unit_of_a_file_changes_figures_by_its_factor_and_no_verdict(
    hourly: pd.DataFrame, small: tuple[str, ...], tmp_path: Path, preset: str
) -> None:
    """On a linear scale and on a logarithmic one."""
    told = []
    for unit in (1.0, 1e-6):
        file = written(hourly.assign(load=hourly["load"] * unit), tmp_path / f"{unit}.csv")
        told.append(train(experiment(file, small, preset=preset)))
    first = scores(told[0])
    for unit, trained in zip((1e-6,), told[1:], strict=True):
        other = scores(trained)
        for name in ("test_vs_ridge_rmse", "test_vs_persistence_mae", "test_vs_mean_rmse"):
            assert other[name] == pytest.approx(unit * first[name], rel=1e-5), name
        assert other["test_rmse"] == pytest.approx(unit * first["test_rmse"], rel=1e-3)
        assert f"{other['test_skill']:.3f}" == f"{first['test_skill']:.3f}"
        assert trained.evaluation.diagnosis.verdict == told[0].evaluation.diagnosis.verdict
        assert " 0.0 " not in trained.evaluation.diagnosis.reason


def test_days_that_may_be_months_are_asked_before_a_training(
    hourly: pd.DataFrame, small: tuple[str, ...], tmp_path: Path
) -> None:
    twelve_days = hourly.assign(when=hourly["when"] + pd.Timedelta(days=28)).head(12 * 24)
    file = written(twelve_days, tmp_path / "march.csv", DAY_FIRST)
    with pytest.raises(InputError, match=r"1 March 2021 .* or as 3 January 2021"):
        train(experiment(file, small))
    read = fetch_frame(experiment(file, small, f"readings.time_format={DAY_FIRST}"))
    assert (read.index == twelve_days["when"]).all()


def fetch_frame(given: Experiment) -> pd.DataFrame:
    from prefect import flow

    return flow(fetch)(given).frame


def test_what_never_changes_while_it_trains_teaches_nothing(
    hourly: pd.DataFrame, small: tuple[str, ...], tmp_path: Path
) -> None:
    late = hourly["load"].where(hourly.index > 1000, 0.0)
    with pytest.raises(InputError, match="'load' is a target and must vary in the training part, received 0 in all"):
        train(experiment(written(hourly.assign(load=late), tmp_path / "late.csv"), small))


def test_a_solar_roof_is_never_forecast_below_zero(
    hourly: pd.DataFrame, small: tuple[str, ...], tmp_path: Path
) -> None:
    sun = np.maximum(0, np.sin((hourly["when"].dt.hour - 6) * np.pi / 12)) * hourly["load"]
    file = written(hourly.assign(load=sun.round(1)), tmp_path / "sun.csv")
    forecasts = train(experiment(file, small)).evaluation.forecasts
    assert (forecasts[["gru", "ridge", "persistence"]] >= 0).all(axis=None)
    net = written(hourly.assign(load=200 - sun), tmp_path / "net.csv")
    with pytest.raises(InputError, match="'load' must not be negative"):
        train(experiment(net, small))
    signed = train(experiment(net, small, "readings.signed=true")).evaluation.forecasts
    assert signed["gru"].min() < 0


def test_a_counter_is_told_as_that_and_its_differences_are_forecast(
    hourly: pd.DataFrame, small: tuple[str, ...], tmp_path: Path
) -> None:
    """In the dialect of a German meter's export, with a reset in the middle; forecast from the same file in batch."""
    counter = 48_123_765.0 + hourly["load"].cumsum()
    counter[800:] -= counter[799]
    file = tmp_path / "counter.csv"
    stamps = hourly["when"].dt.strftime(DAY_FIRST)
    hourly.assign(when=stamps, load=counter).to_csv(file, index=False, sep=";", decimal=",")
    with pytest.raises(InputError, match=r"it falls 1 times .* it is a counter; say so with readings.kind = 'counter'"):
        train(experiment(file, small))
    counted = retrain(experiment(file, small, "readings.kind=counter", "gate.holdout_days=7"), name="counter-meter")
    assert counted.version == 1
    early = tmp_path / "early.csv"
    early.write_text("\n".join(file.read_text().splitlines()[:-5]) + "\n")
    output = str(tmp_path / "forecasts.csv")
    forecast(str(early), output, model="1", name="counter-meter")
    (past,) = forecast(str(file), output, model="1", name="counter-meter").scores
    assert past.rmse < 5 * hourly["load"].std()  # energies of an hour, not registers of millions
    few = tmp_path / "few.csv"  # of which nobody could tell what their commas are
    lines = [f"{time:{DAY_FIRST}};48,{100 + 10 * hour}" for hour, time in enumerate(hourly["when"].tail(24))]
    few.write_text("\n".join(["when;load", *lines, ""]))
    made = forecast(str(few), str(tmp_path / "few.out.csv"), model="1", name="counter-meter").made
    assert made["made_at"].iloc[0] == hourly["when"].iloc[-2]  # the newest hour of a counter is not over


@pytest.fixture(scope="module")
def registered(hourly: pd.DataFrame, small: tuple[str, ...], workspace: Path) -> Path:
    """A file whose first stamp has no time, with a model of three steps; its table's heading looks like markup."""
    frame = hourly.rename(columns={"load": "load [kWh/h]"})
    stamps = frame["when"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list()
    file = workspace / "office.csv"
    frame.assign(when=[stamps[0][:10], *stamps[1:]]).to_csv(file, index=False)
    more = ("readings.targets=['load [kWh/h]']", "window.output_length=24", "gate.holdout_days=7")
    retrain(experiment(file, small, *more), name="office-meter")
    return file


def test_a_stamp_without_a_time_is_midnight_in_training_and_forecast_alike(
    registered: Path, hourly: pd.DataFrame, tmp_path: Path
) -> None:
    full = written(hourly.rename(columns={"load": "load [kWh/h]"}), tmp_path / "full.csv")
    one, other = (
        forecast(str(file), str(tmp_path / f"{file.stem}.out.csv"), model="1", name="office-meter").made
        for file in (registered, full)
    )
    pd.testing.assert_frame_equal(one, other)
    assert one["made_at"].iloc[0] == hourly["when"].iloc[-1]


def test_all_steps_of_a_forecast_are_shown_under_the_names_of_their_columns(
    registered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    output = tmp_path / "forecasts.csv"
    made = forecast(str(registered), str(output), model="1", name="office-meter")
    record = json.loads(json.dumps(forecasts_record(made, output)))
    assert (record["made"], len(record["forecasts"]), record["label"]) == (24, 24, "start")
    show_forecasts(made, output)
    shown = capsys.readouterr().out
    assert "load [kWh/h]" in shown
    assert "time stamps are the start of their step" in shown
    assert shown.count("2021-") == 25  # that of each step, and once the moment of the forecast


def test_a_meter_that_was_away_is_forecast_again_after_its_first_readings(
    hourly: pd.DataFrame, small: tuple[str, ...], tmp_path: Path
) -> None:
    """Trained, proven and used where readings have gaps: three hours after one the next hour is forecast."""
    broken = hourly.drop(index=[*range(300, 320), *range(900, 903), *range(1490, 1500)])
    trained = train(experiment(written(broken, tmp_path / "broken.csv"), small, "window.min_history=3"))
    model = mlflow.pyfunc.load_model(trained.model_uri)
    made = model.predict(broken[broken.index < 1503])
    assert made["made_at"].tolist() == [hourly["when"][1502]]
    assert np.isfinite(made["load"]).all()
    with pytest.raises(MlflowException, match="needs the newest 3 readings without a gap, received 2 after the gap"):
        model.predict(broken[broken.index < 1502])
    moments = set(model.predict(broken, params={"every": True})["made_at"])
    assert {hourly["when"][row] for row in (2, 322, 905)} <= moments
    assert not {hourly["when"][row] for row in (1, 321, 904)} & moments
