"""The file of forecasts: it grows, learns what was measured, and loses nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from children import Child

from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.data.files import parse, read_file
from wattcast.tasks.monitoring import forecast_log
from wattcast.tasks.monitoring.forecast_log import Forecasts
from wattcast.tasks.monitoring.past import PastScore, score_past
from wattcast.tasks.registry.contract import Contract

MEASURED = (50.0, 60.0, 80.0, 40.0, 70.0, 30.0)
"""Wh in the ten minutes from noon on, and so on."""


def clock(minutes: int) -> pd.Timestamp:
    return pd.Timestamp("2016-05-01 12:00") + pd.Timedelta(minutes=minutes)


def readings(count: int, targets: Sequence[str] = ("Appliances",)) -> pd.DataFrame:
    """The first of the readings; each further target is half of the one before."""
    times = pd.DatetimeIndex([clock(10 * step) for step in range(count)], name="date")
    values = {name: np.array(MEASURED[:count]) / 2**place for place, name in enumerate(targets)}
    return pd.DataFrame(values, index=times)


def forecast(minutes: int, *values: float, targets: Sequence[str] = ("Appliances",)) -> pd.DataFrame:
    """Forecasts made so many minutes after noon of the next steps, the same for each target."""
    times = [clock(minutes + 10 * (step + 1)) for step in range(len(values))]
    return pd.DataFrame({"made_at": clock(minutes), "date": times, **dict.fromkeys(targets, values)})


def contract(targets: Sequence[str] = ("Appliances",)) -> Contract:
    """That of the versions which make these forecasts, of up to 200 steps."""
    return Contract.of(ReadingsConfig(targets=tuple(targets)), WindowConfig(output_length=200))


def add_forecasts(path: Path, made: pd.DataFrame, actuals: pd.DataFrame, **options: Any) -> Forecasts:
    return forecast_log.add_forecasts(path, made, actuals, contract(list(actuals)), **options)


@pytest.fixture(params=[".csv", ".parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"forecasts{request.param}"


def stored(path: Path) -> pd.DataFrame:
    frame = parse(read_file(path), str(path))
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in ("made_at", "date")})


def rows(frame: pd.DataFrame) -> list[tuple[int, int, float, float | None, float | None, str]]:
    """Minutes after noon of making and of the forecast moment, the forecast, persistence, the actual, the version."""
    minutes = [((frame[name] - clock(0)).dt.total_seconds() / 60).astype(int) for name in ("made_at", "date")]
    values = [frame[f"Appliances{suffix}"] for suffix in ("", "_persistence", "_actual")]
    known = [[None if pd.isna(value) else float(value) for value in column] for column in values]
    return list(zip(*minutes, *known, frame["version"].astype(str), strict=True))


def test_a_forecast_begins_the_file_and_waits_for_its_actual(path: Path) -> None:
    added = add_forecasts(path, forecast(0, 55), readings(1), version="3")
    assert rows(added.frame) == [(0, 10, 55, 50, None, "3")]
    assert (len(added.made), added.scores) == (1, ())
    assert list(added.frame) == [
        "made_at",
        "date",
        "Appliances",
        "Appliances_persistence",
        "Appliances_actual",
        "version",
    ]
    assert rows(stored(path)) == rows(added.frame)


def test_the_file_grows_and_the_past_is_scored_beside_persistence(path: Path) -> None:
    """Errors of 5 and 4 Wh against 10 and 20 Wh of persistence, as soon as they are known."""
    add_forecasts(path, forecast(0, 55), readings(1), version="3")
    second = add_forecasts(path, forecast(10, 76), readings(2), version="3")
    assert second.scores == (PastScore("3", "Appliances", 1, 5.0, 5.0, 10.0, 0.5),)
    third = add_forecasts(path, forecast(20, 90), readings(3), version="3")
    assert rows(third.frame) == [(0, 10, 55, 50, 60, "3"), (10, 20, 76, 60, 80, "3"), (20, 30, 90, 80, None, "3")]
    (score,) = third.scores
    assert (score.version, score.target, score.forecasts, score.mae) == ("3", "Appliances", 2, 4.5)
    assert score.rmse == pytest.approx(math.sqrt(20.5))
    assert score.persistence_rmse == pytest.approx(math.sqrt(250))
    assert score.skill == pytest.approx(1 - math.sqrt(20.5 / 250))
    assert rows(stored(path)) == rows(third.frame)


def test_the_same_forecast_twice_is_one(path: Path) -> None:
    first = add_forecasts(path, forecast(0, 55, 61), readings(1), version="3")
    before = path.read_bytes()
    again = add_forecasts(path, forecast(0, 55, 61), readings(1), version="3")
    assert rows(again.frame) == rows(first.frame)
    assert len(again.made) == 2
    assert path.read_bytes() == before


def test_the_newest_forecast_of_a_moment_by_the_same_version_counts(path: Path) -> None:
    add_forecasts(path, forecast(0, 55), readings(1), version="3")
    assert rows(add_forecasts(path, forecast(0, 58), readings(1), version="3").frame) == [(0, 10, 58, 50, None, "3")]


def test_each_version_is_scored_by_itself(path: Path) -> None:
    """A champion follows the other: 11 and 20 Wh off."""
    add_forecasts(path, forecast(0, 71), readings(1), version="2")
    add_forecasts(path, forecast(0, 80), readings(1), version="10")
    added = add_forecasts(path, forecast(10, 80), readings(2), version="10")
    assert rows(added.frame) == [(0, 10, 80, 50, 60, "10"), (0, 10, 71, 50, 60, "2"), (10, 20, 80, 60, None, "10")]
    assert [(score.version, score.forecasts, score.rmse) for score in added.scores] == [("10", 1, 20), ("2", 1, 11)]


def test_what_stood_in_for_a_version_is_named_and_scored_by_itself(path: Path) -> None:
    """The column is there from the first forecast on for which it was asked, and stays."""
    add_forecasts(path, forecast(0, 55), readings(1), version="3")
    naive = forecast(10, 60).assign(made_by="daily_naive")
    added = add_forecasts(path, naive, readings(2), version="3")
    assert added.frame.columns[-1] == "made_by"
    assert added.frame["made_by"].tolist() == ["gru", "daily_naive"]
    later = add_forecasts(path, forecast(20, 40), readings(4), version="3")
    assert later.frame["made_by"].tolist() == ["gru", "daily_naive", "gru"]
    scores = [(score.version, score.forecasts, score.rmse) for score in later.scores]
    assert scores == [("3, daily_naive", 1, 20), ("3", 2, 2.5 * math.sqrt(2))]
    by_the_model = add_forecasts(path, forecast(10, 79).assign(made_by="gru"), readings(4), version="3")
    assert set(by_the_model.frame["made_by"]) == {"gru"}


def test_each_target_has_its_actuals_and_its_score(path: Path) -> None:
    """Of the second one 30 Wh are measured, which is half of 60."""
    targets = ("Appliances", "lights")
    add_forecasts(path, forecast(0, 40, targets=targets), readings(1, targets), version="1")
    added = add_forecasts(path, forecast(10, 40, targets=targets), readings(2, targets), version="1")
    assert [(score.target, score.rmse, score.persistence_rmse) for score in added.scores] == [
        ("Appliances", 20, 10),
        ("lights", 10, 5),
    ]
    assert list(stored(path)) == [
        *["made_at", "date"],
        *["Appliances", "Appliances_persistence", "Appliances_actual"],
        *["lights", "lights_persistence", "lights_actual"],
        "version",
    ]


def test_several_steps_ahead_meet_their_own_actuals_and_one_persistence(path: Path) -> None:
    add_forecasts(path, forecast(0, 51, 52, 53), readings(1), version="1")
    added = add_forecasts(path, forecast(20, 54), readings(3), version="1")
    assert rows(added.frame) == [
        *[(0, 10, 51, 50, 60, "1"), (0, 20, 52, 50, 80, "1"), (0, 30, 53, 50, None, "1")],
        (20, 30, 54, 80, None, "1"),
    ]


def test_what_falls_into_a_gap_of_the_readings_is_never_scored(path: Path) -> None:
    """The readings at 12:10 are missing for good."""
    add_forecasts(path, forecast(0, 55, 70), readings(1), version="1")
    added = add_forecasts(path, forecast(20, 45), readings(4).drop(clock(10)), version="1")
    assert rows(added.frame)[:2] == [(0, 10, 55, 50, None, "1"), (0, 20, 70, 50, 80, "1")]
    assert added.scores[0].forecasts == 2


def test_what_is_known_stays_known_when_the_readings_no_longer_hold_it(path: Path) -> None:
    add_forecasts(path, forecast(0, 55), readings(2), version="1")
    added = add_forecasts(path, forecast(30, 60), readings(5).loc[clock(20) :], version="1")
    assert rows(added.frame) == [(0, 10, 55, 50, 60, "1"), (30, 40, 60, 40, 70, "1")]


def test_a_measurement_that_was_corrected_counts(path: Path) -> None:
    add_forecasts(path, forecast(0, 55), readings(2), version="1")
    corrected = readings(3)
    corrected.loc[clock(10), "Appliances"] = 65.0
    assert rows(add_forecasts(path, forecast(20, 60), corrected, version="1").frame)[0] == (0, 10, 55, 50, 65, "1")


def test_numbers_do_not_wander_however_often_they_are_read_and_written(path: Path) -> None:
    draws = np.random.default_rng(0).gamma(2, 40, 200)
    first = add_forecasts(path, forecast(0, *draws), readings(1), version="1")
    for _ in range(3):
        again = add_forecasts(path, forecast(10, 60), readings(2), version="1")
    kept = again.frame[again.frame["made_at"] == clock(0)]
    np.testing.assert_array_equal(kept["Appliances"], first.frame["Appliances"])


def test_nothing_given_is_changed(path: Path) -> None:
    made, known = forecast(0, 55), readings(2)
    copies = made.copy(), known.copy()
    add_forecasts(path, made, known, version="1")
    pd.testing.assert_frame_equal(made, copies[0])
    pd.testing.assert_frame_equal(known, copies[1])


def test_what_a_version_was_trained_on_does_not_count_for_it(path: Path) -> None:
    """All forecasts of version 2 lie within what it was trained on; of version 1 the one of 12:20 does not."""
    add_forecasts(path, forecast(0, 55, 76), readings(1), version="1")
    trained_to = {"1": clock(10), "2": clock(20), "3": clock(0)}
    added = add_forecasts(path, forecast(0, 60, 80), readings(3), version="2", trained_to=trained_to)
    assert added.scores == (PastScore("1", "Appliances", 1, 4.0, 4.0, 30.0, pytest.approx(1 - 4 / 30)),)
    assert len(added.frame) == 4
    assert [score.forecasts for score in score_past(added.frame, contract())] == [2, 2]


# files that are in the way


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("date,Appliances\n2016-05-01 12:00,50\n", "holds no forecasts of this kind, as it lacks made_at, version"),
        ("made_at,date,lights,version\n2016-05-01,2016-05-02,5,1\n", "as it lacks Appliances: name another file"),
        (
            "made_at,date,Appliances,lights,version\n2016-05-01,2016-05-02,5,6,1\n",
            "as it also holds lights: name another file",
        ),
        ("made_at,date,Appliances,version\nnever,tomorrow,5,1\n", "holds no forecasts of this kind"),
        ("made_at,date,Appliances,version\n", "holds no rows"),
        ("", "cannot be read"),
    ],
)
def test_a_foreign_file_is_refused_and_not_touched(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "forecasts.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as error:
        add_forecasts(path, forecast(0, 55), readings(1), version="1")
    assert str(path) in str(error.value)
    assert path.read_text() == content


def test_forecasts_of_more_or_fewer_targets_belong_in_another_file(path: Path) -> None:
    """Or else those of the target that is no longer forecast would be lost."""
    targets = ("Appliances", "lights")
    add_forecasts(path, forecast(0, 55, targets=targets), readings(1, targets), version="1")
    before = path.read_bytes()
    with pytest.raises(InputError, match="also holds lights, lights_persistence, lights_actual: name another file"):
        add_forecasts(path, forecast(10, 55), readings(2), version="2")
    with pytest.raises(InputError, match="lacks heat"):
        add_forecasts(path, forecast(10, 55, targets=["heat"]), readings(2, ["heat"]), version="2")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "12:00:00,2016-05-03 12:00:00,55,1",
            "forecasts 1 to 200 steps of 10 minutes ahead, received one of .*05-03",
        ),
        ("12:00:00,2016-05-01 12:00:00,55,1", "received one of 2016-05-01 12:00:00 made at 2016-05-01 12:00:00"),
        ("12:00:00,2016-05-01 11:50:00,55,1", "received one of 2016-05-01 11:50:00"),
        ("12:00:00,2016-05-01 12:15:00,55,1", "holds no forecasts of version 1.*12:15.*name another file"),
        ("12:00:00,2016-05-01 12:10:00,55,", "'version' must hold whole numbers, first .* in row 0; name another file"),
        ("12:00:00,2016-05-01 12:10:00,55,new", "'version' must hold whole numbers, first 'new' in row 0"),
    ],
)
def test_a_row_that_its_version_cannot_have_made_is_named(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "forecasts.csv"
    content = f"made_at,date,Appliances,version\n2016-05-01 {line}\n"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        add_forecasts(path, forecast(10, 55), readings(2), version="1")
    assert path.read_text() == content


def test_a_number_of_a_version_that_a_table_has_made_a_fraction_is_that_number(path: Path) -> None:
    add_forecasts(path, forecast(0, 55), readings(1), version="1")
    forecast_log.write_frame(stored(path).assign(version=1.0), path, replace=True)
    added = add_forecasts(path, forecast(0, 58), readings(1), version="1")
    assert rows(added.frame) == [(0, 10, 58, 50, None, "1")]


def test_versions_of_another_unit_belong_in_another_file(path: Path) -> None:
    """Actuals stand in the unit of the version that adds them: beside forecasts in Wh those in kWh would be wrong."""
    in_kwh = contract().model_copy(update={"unit": "kWh"})
    add_forecasts(path, forecast(0, 55), readings(1), version="1")
    before = path.read_bytes()

    def add(units: dict[str, str]) -> Forecasts:
        return forecast_log.add_forecasts(path, forecast(10, 0.06), readings(2), in_kwh, version="2", units=units)

    with pytest.raises(InputError, match="forecasts of version 1 in Wh, where this model's are in kWh: name another"):
        add({"1": "Wh", "2": "kWh"})
    assert path.read_bytes() == before
    assert len(add({"1": "kWh", "2": "kWh"}).frame) == 2


@pytest.mark.parametrize("name", ["forecasts.xlsx", "forecasts", "nowhere/forecasts.csv"])
def test_a_file_that_cannot_be_written_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in|there is no folder"):
        add_forecasts(tmp_path / name, forecast(0, 55), readings(1), version="1")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(InputError, match="it is a folder or a device"):
        add_forecasts(path, forecast(0, 55), readings(1), version="1")


# many at once


def add_thirty(wire: Connection, path: Path, version: str) -> None:
    """In a process of its own."""
    times = pd.date_range("2016-05-01", periods=31, freq="10min")
    measured = pd.DataFrame({"Appliances": range(31)}, index=times, dtype="float64")
    wire.send("ready")
    wire.recv()
    for step in range(30):
        made = pd.DataFrame({"made_at": times[[step]], "date": times[[step + 1]], "Appliances": [float(step)]})
        add_forecasts(path, made, measured, version=version)


def test_two_processes_at_once_lose_nothing(path: Path) -> None:
    children = [Child.of(add_thirty, path, version) for version in "12"]
    assert [child.wire.recv() for child in children] == ["ready"] * 2
    for child in children:
        child.wire.send("go")
    assert [child.end() for child in children] == [0, 0]
    frame = stored(path)
    assert len(frame) == 60
    for _, each in frame.groupby(frame["version"].astype(str)):
        np.testing.assert_array_equal(each["Appliances"], np.arange(30))
        np.testing.assert_array_equal(each["Appliances_actual"], np.arange(30) + 1)


@pytest.mark.parametrize("zone", [None, "Europe/London"])
@pytest.mark.parametrize("written", [None, "UTC", "Europe/London", "+02:00", "one of them"])
def test_a_file_of_another_clock_is_refused_and_of_the_same_one_read(
    path: Path, zone: str | None, written: str | None
) -> None:
    """Whatever the offset, a moment with one is a moment."""
    readings = ReadingsConfig(targets=("Appliances",), timezone=zone)

    def made(day: int, clock: str | None) -> pd.DataFrame:
        times = pd.date_range(f"2021-10-{day} 00:30", periods=4, freq="10min", tz="UTC")
        there = times.tz_convert(clock) if clock else times.tz_localize(None)
        return pd.DataFrame({"made_at": there, "date": there + pd.Timedelta("10min"), "Appliances": 50.0})

    earlier = made(30, None if written == "one of them" else written)
    if written == "one of them":
        earlier = earlier.assign(made_at=[*earlier["made_at"].astype(str)[:3], "2021-10-30 01:00:00+01:00"])
    columns = {"Appliances_persistence": 40.0, "Appliances_actual": np.nan, "version": "1"}
    earlier = earlier.assign(**columns)
    (earlier.to_csv if path.suffix == ".csv" else earlier.to_parquet)(path, index=False)
    new = made(31, zone)
    actuals = new.set_index("date")[["Appliances"]]

    def add() -> Forecasts:
        contract = Contract.of(readings, WindowConfig())
        return forecast_log.add_forecasts(path, new, actuals, contract, version="2")

    if written == "one of them" or (written is None) != (zone is None):
        with pytest.raises(InputError, match=r"no time stamps; name another|of another clock than this model"):
            add()
    else:
        assert len(add().frame) == len(add().frame) == 8


@pytest.mark.parametrize("value", ["much", True, "inf"])
def test_a_file_whose_forecasts_are_no_numbers_is_refused(path: Path, value: object) -> None:
    frame = add_forecasts(path, forecast(0, 55, 56), readings(1), version="3").frame
    frame = frame.assign(Appliances=value)
    path.unlink()
    (frame.to_csv if path.suffix == ".csv" else frame.to_parquet)(path, index=False)
    with pytest.raises(InputError, match="of this kind: column 'Appliances' must hold finite numbers"):
        add_forecasts(path, forecast(10, 55), readings(2), version="3")


def test_a_version_that_was_trained_on_another_clock_is_not_scored_beside_this_one(path: Path) -> None:
    frame = add_forecasts(path, forecast(0, 55), readings(2), version="3").frame
    with pytest.raises(InputError, match="forecasts of version 3 on another clock than that of its training"):
        score_past(frame, contract(), {"3": pd.Timestamp("2016-05-01", tz="UTC")})
