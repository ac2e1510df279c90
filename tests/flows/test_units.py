"""Figures are in the unit that the data are in, wherever they are shown; where nobody has said it, they have none."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from html_page import HTMLPage

from wattcast.flows.cli.show_models import forecasts_record, show_forecasts, show_models, show_retrained
from wattcast.flows.cli.show_replay import show_replayed
from wattcast.flows.cli.show_training import show_swept, show_trained, trained_record
from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.forecast import forecast
from wattcast.flows.prepare import Fetched, fetch
from wattcast.flows.promotion.lineage import explain
from wattcast.flows.replay import replay
from wattcast.flows.retrain import Retrained, retrain
from wattcast.flows.sweep import sweep
from wattcast.flows.train import train
from wattcast.model.errors import InputError
from wattcast.tasks.registry.ledger import ledger
from wattcast.tasks.registry.versions import CONTRACT, Versions

pytestmark = [pytest.mark.usefixtures("workspace", "prefect_server", "without_clean_room"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def load(house: pd.DataFrame) -> pd.Series:
    """Nine weeks of kWh, hour by hour."""
    values = house["Appliances"].to_numpy(np.float64) / 1000
    times = pd.date_range("2021-02-01", periods=len(values) // 2, freq="h", name="when")
    return pd.Series(values[: len(times)] + values[len(times) : 2 * len(times)], times)


def experiment(file: Path, small: tuple[str, ...], target: str, *more: str) -> Experiment:
    columns = ("readings.timestamp=when", f"readings.targets=['{target}']", "readings.cadence_minutes=60")
    return read_experiment(settings=[*small, f"data={file}", *columns, "gate.holdout_days=7", *more])


def written(load: pd.Series, folder: Path, heading: str, units: str = "") -> Path:
    file = folder / "meter.csv"
    text = load.rename(heading).to_csv(date_format="%Y-%m-%d %H:%M")
    head, rows = text.split("\n", 1)
    file.write_text(f"{head}\n,{units}\n{rows}" if units else text)
    return file


def fetched(given: Experiment) -> Fetched:
    from prefect import flow

    return flow(fetch)(given)


def units_in(text: str) -> set[str]:
    """The units of energy in `text`; not what looks like one in the base64 of a figure's numbers."""
    return set(re.findall(r"(?<![A-Za-z0-9+/])[kMG]?Wh(?![A-Za-z0-9+/=])", text))


def written_on(report: str) -> str:
    """All that a page shows: its words, and what its figures write."""
    page = HTMLPage(Path(report).read_text())
    return page.words + "".join(page.all("script", type="application/json"))


# Found, asked, or not known


@pytest.mark.parametrize(
    ("heading", "units", "more", "unit", "said"),
    [
        ("load [kWh]", "", (), "kWh", "the unit of 'load [kWh]' is kWh, as its heading says"),
        ("load", "kWh", (), "kWh", "the unit of 'load' is kWh, as the row under the heading says"),
        ("load", "", (), None, "the unit of 'load' is not known: say readings.unit = \"kWh\" and figures show it"),
        ("load [kWh/h]", "", (), None, "the unit of 'load [kWh/h]' is not known"),
        ("load", "", ("readings.unit=MWh",), "MWh", None),
        ("load [kW]", "", ("readings.kind=power",), "kWh", "the unit of 'load [kW]' is kW, as its heading says"),
        ("load [kW]", "", ("readings.unit=kWh",), "kWh", "readings.unit = 'kWh' is given and holds, though"),
    ],
)
def test_the_unit_of_a_file_is_kept_with_a_word(
    load: pd.Series, small: tuple[str, ...], tmp_path: Path, caplog, *, heading, units, more, unit, said
) -> None:
    file = written(load.head(400), tmp_path, heading, units)
    with caplog.at_level(logging.WARNING, "wattcast.flows.prepare"):
        readings = fetched(experiment(file, small, heading, *more)).readings
    assert readings.energy_unit == unit
    told = [record.getMessage() for record in caplog.records if "the unit of" in record.getMessage()]
    assert told == ([] if said is None else [words for words in told if words.startswith(said)])
    assert len(told) == (said is not None)


def test_what_a_heading_and_the_kind_say_must_agree(load: pd.Series, small: tuple[str, ...], tmp_path: Path) -> None:
    file = written(load.head(400), tmp_path, "load [kW]")
    with pytest.raises(InputError, match=r"'load \[kW\]' is in kW, .* say readings.kind = \"power\""):
        fetched(experiment(file, small, "load [kW]"))


def test_the_house_is_in_wh_by_its_source_and_its_temperatures_are_not(small: tuple[str, ...], caplog) -> None:
    with caplog.at_level(logging.WARNING, "wattcast.flows.prepare"):
        assert fetched(read_experiment(settings=[*small])).readings.unit == "Wh"
    assert not [record for record in caplog.records if "unit" in record.getMessage()]
    assert fetched(read_experiment(settings=[*small, "readings.targets=T1"])).readings.unit is None


# Shown


@pytest.fixture(scope="module")
def meter(load: pd.Series, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(load, tmp_path_factory.mktemp("meter"), "load", "kWh")


@pytest.fixture(scope="module")
def retrained(meter: Path, small: tuple[str, ...], workspace: Path) -> Retrained:
    retrain(experiment(meter, small, "load"), name="kwh-meter")
    return retrain(experiment(meter, small, "load", "fit.seed=1"), name="kwh-meter")  # against a champion


def test_a_training_on_kwh_never_says_wh(
    meter: Path, small: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(experiment(meter, small, "load"))
    capsys.readouterr()
    show_trained(trained)
    assert units_in(capsys.readouterr().out) == {"kWh"}
    assert trained_record(trained)["unit"] == "kWh"
    assert units_in(trained.evaluation.diagnosis.reason) == {"kWh"}
    assert units_in(written_on(trained.report)) == {"kWh"}
    events = b"".join(path.read_bytes() for path in Path(trained.report).parent.glob("tensorboard/train/*"))
    assert b"RMSE_kWh" in events
    assert b"RMSE_Wh" not in events
    scores = explain(trained.run_id)["scores"]
    assert scores["test_rmse"].endswith(" kWh")
    assert not scores["test_skill"].endswith("Wh")


def test_a_retraining_on_kwh_never_says_wh(retrained: Retrained, capsys: pytest.CaptureFixture[str]) -> None:
    assert units_in(retrained.why) == {"kWh"}
    assert units_in(written_on(retrained.report)) == {"kWh"}
    versions = Versions.open("kwh-meter")
    show_retrained(retrained)
    show_models(versions.all(), name="kwh-meter", entries=ledger(versions))
    assert units_in(capsys.readouterr().out) == {"kWh"}
    assert "0.0 kWh" not in retrained.why


def test_forecasts_and_their_scores_are_in_the_unit_of_the_version(
    retrained: Retrained, load: pd.Series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = written(load.iloc[:-5], tmp_path, "load")  # without the row of units
    output = tmp_path / "forecasts.csv"
    forecast(str(early), str(output), model="1", name="kwh-meter")
    made = forecast(str(written(load, tmp_path, "load")), str(output), model="1", name="kwh-meter")
    assert made.scores
    capsys.readouterr()
    show_forecasts(made, output)
    assert forecasts_record(made, output)["unit"] == "kWh"
    assert units_in(capsys.readouterr().out) == {"kWh"}


def test_a_version_from_before_units_were_kept_has_none(
    retrained: Retrained, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = Versions.open("kwh-meter")
    (version, *_) = versions.all()
    old = json.loads(version.tags[CONTRACT])
    del old["unit"]
    tags = {**version.tags, CONTRACT: json.dumps(old)}
    before = type(version)(version.model, 1, version.run_id, version.created, tags, version.aliases)
    assert (version.unit, before.unit) == ("kWh", None)
    show_models([before], name="kwh-meter", entries=[])
    assert units_in(capsys.readouterr().out) == set()


def test_a_replay_on_kwh_never_says_wh(meter: Path, small: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    replayed = replay(experiment(meter, small, "load"), every="14d")
    capsys.readouterr()
    show_replayed(replayed)
    assert units_in(capsys.readouterr().out) == {"kWh"}
    assert units_in(written_on(replayed.report)) == {"kWh"}


def test_a_sweep_on_kwh_never_says_wh(
    meter: Path, small: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swept = sweep(
        experiment(meter, small, "load"), trials=3, jobs=1, seeds=2, storage=str(tmp_path / "journal"), pruner="none"
    )
    capsys.readouterr()
    show_swept(swept)
    assert units_in(capsys.readouterr().out) == {"kWh"}
    assert units_in(written_on(swept.report)) == {"kWh"}


def test_a_training_whose_unit_nobody_has_said_says_none(
    load: pd.Series, small: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(experiment(written(load, tmp_path, "load"), small, "load"))
    capsys.readouterr()
    show_trained(trained)
    shown = capsys.readouterr().out
    assert "┃ RMSE " in shown
    for text in (shown, trained.evaluation.diagnosis.reason, written_on(trained.report)):
        assert units_in(text) == set()
        assert not re.search(r"\bNone\b", text)
