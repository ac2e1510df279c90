"""The product: raw readings in, forecasts in Wh out, the same through every door."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from tiny import READINGS, Prepared, house, prepare

from wattcast.model.clean import Habits
from wattcast.model.errors import InputError
from wattcast.model.forecaster import Forecaster
from wattcast.model.gru import GRUConfig, LayerConfig, Shape
from wattcast.model.network.build import build, initial_weights, members_of
from wattcast.model.order import Rhythm
from wattcast.model.pyfunc import _load_pyfunc
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig
from wattcast.model.windows import CALENDAR_COLUMNS, WindowConfig

CADENCE = pd.Timedelta(minutes=10)
RAW = house(80)


def prepare_and_build(network: GRUConfig, *, members: int = 1, **options: object) -> tuple[Forecaster, Prepared]:
    """A forecaster with random weights: its forecasts are bad, but they must be the same everywhere."""
    prepared = prepare(RAW, **options)
    shape = Shape.of(prepared.windows.train)
    plain = build(network, shape, [initial_weights(network, shape, seed) for seed in range(members)])
    window = prepared.windows.train.config
    return Forecaster(options.get("readings", READINGS), window, prepared.scaler, network, plain), prepared


@pytest.fixture(scope="module")
def simple() -> tuple[Forecaster, Prepared]:
    """One target, one step, two steps ahead of five readings."""
    return prepare_and_build(GRUConfig(layers=(LayerConfig(units=3),)))


@pytest.fixture(scope="module")
def rich() -> tuple[Forecaster, Prepared]:
    """Two targets, three steps, every option that changes what goes in or comes out."""
    return prepare_and_build(
        GRUConfig(
            layers=(LayerConfig(units=3, input_keep_prob=0.5),),
            readout_keep_prob=0.5,
            residual=True,
            target_calendar=True,
        ),
        readings=ReadingsConfig(targets=("Appliances", "lights"), features=("T1", "RH_1"), time="calendar"),
        window=WindowConfig(lookback=4, output_length=3),
        scale=ScaleConfig(targets="log", features="minmax"),
    )


@pytest.fixture(scope="module")
def ensemble() -> tuple[Forecaster, Prepared]:
    """Three networks, whose mean is the forecast."""
    return prepare_and_build(GRUConfig(layers=(LayerConfig(units=3),)), members=3)


@pytest.fixture(scope="module")
def sequence() -> tuple[Forecaster, Prepared]:
    """A step of the forecast for each of the history, through one head."""
    layers = (LayerConfig(units=3), LayerConfig(units=2))
    network = GRUConfig(layers=layers, readout="outputs", residual=True, target_calendar=True)
    return prepare_and_build(network, window=WindowConfig(lookback=4, output_length=4))


@pytest.fixture(params=["simple", "rich", "sequence"])
def either(request: pytest.FixtureRequest) -> tuple[Forecaster, Prepared]:
    return request.getfixturevalue(request.param)


# The newest moment


def test_newest_forecast_of_one_step(simple):
    forecaster, _ = simple
    forecast = forecaster.forecast(RAW)
    assert list(forecast.columns) == ["made_at", "date", "Appliances"]
    (row,) = forecast.itertuples(index=False)
    assert row.made_at == RAW["date"].iloc[-1]
    assert row.date == RAW["date"].iloc[-1] + 2 * CADENCE
    assert np.isfinite(row.Appliances)


def test_newest_forecast_of_three_steps_of_two_targets(rich):
    forecaster, _ = rich
    forecast = forecaster.forecast(RAW)
    assert list(forecast.columns) == ["made_at", "date", "Appliances", "lights"]
    assert (forecast["made_at"] == RAW["date"].iloc[-1]).all()
    assert forecast["date"].tolist() == [RAW["date"].iloc[-1] + step * CADENCE for step in (1, 2, 3)]
    assert np.isfinite(forecast[["Appliances", "lights"]].to_numpy()).all()


def test_newest_forecast_by_hand(rich):
    """Network, scaler and calendar put together here once more, from the raw readings on."""
    forecaster, _ = rich
    last = RAW.iloc[-4:]
    names = ["Appliances", "lights", "T1", "RH_1"]
    values = last[names].to_numpy(np.float64)
    knee = forecaster.scaler.knee[:2]
    values[:, :2] = np.log1p(values[:, :2] / knee)
    scaled = (values - forecaster.scaler.offset) / forecaster.scaler.scale
    known = np.hstack([scaled, dates_of(last["date"])])[None].astype(np.float32)
    to_come = dates_of(pd.Series([RAW["date"].iloc[-1] + step * CADENCE for step in (1, 2, 3)]))[None]
    output = forecaster.network.predict_on_batch([known, to_come.astype(np.float32)])[0].astype(np.float64)
    expected = (knee * np.expm1(output * forecaster.scaler.scale[:2] + forecaster.scaler.offset[:2])).clip(0)
    given = forecaster.forecast(RAW)[["Appliances", "lights"]].to_numpy()
    np.testing.assert_allclose(given, expected, rtol=1e-4)


def dates_of(times: pd.Series) -> np.ndarray:
    day = 2 * np.pi * (times.dt.hour + times.dt.minute / 60) / 24
    week = (2 * np.pi * times.dt.day_of_week + day) / 7
    return np.stack([np.sin(day), np.cos(day), np.sin(week), np.cos(week), times.dt.day_of_week >= 5], axis=1)


def test_older_readings_and_other_columns_do_not_change_the_newest_forecast(either):
    forecaster, _ = either
    needed = RAW.tail(forecaster.window.lookback)[["date", *reversed(forecaster.readings.columns)]]
    pd.testing.assert_frame_equal(forecaster.forecast(needed), forecaster.forecast(RAW), check_exact=True)


def test_a_changed_reading_within_the_lookback_does_change_it(either):
    forecaster, _ = either
    column = forecaster.readings.targets[0]
    changed = RAW.copy()
    changed.loc[len(RAW) - forecaster.window.lookback, column] += 300
    assert forecaster.forecast(changed)[column].iloc[0] != forecaster.forecast(RAW)[column].iloc[0]


def test_two_days_of_ten_minutes_are_forecast_in_one_pass():
    raw = house(1600)
    network = GRUConfig(layers=(LayerConfig(units=3),), residual=True, target_calendar=True)
    window = WindowConfig(lookback=5, output_length=288)
    prepared = prepare(raw, window=window)
    shape = Shape.of(prepared.windows.train)
    plain = build(network, shape, [initial_weights(network, shape, seed=1)])
    forecaster = Forecaster(READINGS, window, prepared.scaler, network, plain)
    forecast = forecaster.forecast(raw)
    assert forecast["date"].tolist() == [raw["date"].iloc[-1] + step * CADENCE for step in range(1, 289)]
    test = prepared.windows.test
    series = test.series
    output = plain.predict_on_batch([series.inputs[test.input_rows], series.ahead[test.target_rows]])
    expected = prepared.scaler.inverse(output, first=1).clip(0)
    assert expected.shape == (len(test), 288, 1)
    np.testing.assert_allclose(forecaster.predict(test), expected, rtol=1e-4, atol=1e-3)


# Every moment


def test_every_moment_with_enough_history(either):
    forecaster, _ = either
    length, lookback = forecaster.window.output_length, forecaster.window.lookback
    forecast = forecaster.forecast(RAW, every=True)
    assert forecast["made_at"].tolist() == list(np.repeat(RAW["date"].iloc[lookback - 1 :], length))
    ahead = (forecast["date"] - forecast["made_at"]) / CADENCE
    assert ahead.tolist() == [forecaster.window.steps_ahead + step for step in range(length)] * (80 - lookback + 1)
    newest = forecast.tail(length).reset_index(drop=True)
    pd.testing.assert_frame_equal(newest, forecaster.forecast(RAW), rtol=1e-5)


def test_what_is_scored_is_what_is_served(either):
    """Windows and raw readings lead to the same numbers."""
    forecaster, prepared = either
    names = list(forecaster.readings.targets)
    every = forecaster.forecast(RAW, every=True).set_index(["made_at", "date"])
    parts = prepared.windows
    for windows in (parts.train, parts.validation, parts.test):
        times = windows.series.times
        scored = forecaster.predict(windows)
        assert scored.shape == windows.actual.shape
        for step in range(forecaster.window.output_length):
            keys = list(zip(times[windows.newest_row], times[windows.target_rows[:, step]], strict=True))
            np.testing.assert_allclose(every.loc[keys, names].to_numpy(), scored[:, step], rtol=1e-5)


def test_later_readings_do_not_reach_earlier_forecasts(either):
    """Every value after the cut is changed: forecasts made before it stay byte for byte the same."""
    forecaster, _ = either
    cut = 50
    changed = RAW.copy()
    names = list(forecaster.readings.columns)
    changed.loc[cut:, names] = changed.loc[cut:, names] * 3 + 50
    before, after = (forecaster.forecast(raw, every=True) for raw in (RAW, changed))
    early = before["made_at"] < RAW["date"].iloc[cut]
    assert early.sum() == (cut - forecaster.window.lookback + 1) * forecaster.window.output_length
    target = forecaster.readings.targets[0]
    assert before.loc[early, target].to_numpy().tobytes() == after.loc[early, target].to_numpy().tobytes()
    assert not np.isclose(before.loc[~early, target], after.loc[~early, target]).any()


def test_a_gap_is_never_bridged(either):
    forecaster, _ = either
    window = forecaster.window
    broken = RAW.drop(index=range(40, 45))
    forecast = forecaster.forecast(broken, every=True)
    made = set(forecast["made_at"])
    unbroken = [*range(window.lookback - 1, 40), *range(45 + window.lookback - 1, 80)]
    beyond = window.rows - window.lookback  # steps from the newest reading to the last target
    whole = [row for row in unbroken if row >= 45 or row + beyond < 40]
    assert made <= {RAW["date"][row] for row in unbroken}
    assert made >= {RAW["date"][row] for row in whole}
    complete = forecaster.forecast(RAW, every=True)
    both = forecast.merge(complete, on=["made_at", "date"], suffixes=("", "_complete"))
    assert len(both) == len(forecast)
    target = forecaster.readings.targets[0]
    np.testing.assert_allclose(both[target], both[f"{target}_complete"], rtol=1e-5)


def test_a_gap_near_the_end_does_not_matter_to_forecasts_from_earlier_moments(either):
    forecaster, _ = either
    gap = len(RAW) - forecaster.window.lookback
    with pytest.raises(InputError, match="readings without a gap"):
        forecaster.forecast(RAW.drop(index=gap))
    before = forecaster.forecast(RAW.head(gap), every=True)
    known = before[before["date"] < RAW["date"][gap]]  # the others would fall into the gap
    made = forecaster.forecast(RAW.drop(index=gap), every=True)
    assert set(made["made_at"]) <= set(before["made_at"])
    whole = known.groupby("made_at").filter(lambda steps: len(steps) == forecaster.window.output_length)
    pd.testing.assert_frame_equal(made, whole.reset_index(drop=True), check_exact=False, rtol=1e-4)


def test_no_forecast_is_made_within_a_gap_that_a_line_closes(simple):
    """As nobody could have: the line ends at the reading behind it."""
    forecaster, _ = simple
    lines = {"gaps": "interpolate", "feature_gaps": "interpolate"}
    closing = replace(forecaster, readings=forecaster.readings.model_copy(update=lines))
    holes = RAW.drop(index=[40, 50, 51])
    every = closing.forecast(holes, every=True)
    complete = forecaster.forecast(RAW, every=True)
    never = {RAW["date"][row] for row in (40, 50, 51)}
    assert set(complete["made_at"]) - set(every["made_at"]) == never
    assert never <= set(every["date"])  # but of these steps, forecasts are made
    pd.testing.assert_frame_equal(closing.forecast(holes), every.tail(1).reset_index(drop=True), check_exact=False)


# The same time before

HOURLY = ReadingsConfig(targets=("load",), timestamp="time", cadence_minutes=60)
WEEK = pd.DataFrame(
    {
        "time": pd.date_range("2021-03-01", periods=24 * 30, freq="h"),
        "load": np.random.default_rng(6).uniform(20, 90, 24 * 30),
    }
)
DAY_AHEAD = WindowConfig(lookback=3, output_length=24, seasonal_lags=(1, 7), seasonal_means=(7,))


def seasonal_forecaster(window: WindowConfig = DAY_AHEAD) -> Forecaster:
    network = GRUConfig(layers=(LayerConfig(units=3),), residual=True, target_calendar=True, head="shared")
    prepared = prepare(WEEK, readings=HOURLY, window=window)
    shape = Shape.of(prepared.windows.train)
    built = build(network, shape, [initial_weights(network, shape, 1)])
    return Forecaster(HOURLY, window, prepared.scaler, network, built)


@pytest.fixture(scope="module")
def seasonal() -> Forecaster:
    """The day ahead, from three hours and the same time of the week before."""
    return seasonal_forecaster()


def test_a_forecast_reads_the_same_time_before_and_the_newest_is_as_among_all(seasonal, tmp_path):
    newest = seasonal.forecast(WEEK)
    every = seasonal.forecast(WEEK, every=True)
    pd.testing.assert_frame_equal(every.tail(24).reset_index(drop=True), newest, rtol=1e-5)
    assert every["made_at"].iloc[0] == WEEK["time"][24 * 7 - 1]  # the first moment a week after the first reading
    pd.testing.assert_frame_equal(seasonal.forecast(WEEK.tail(24 * 7)), newest, check_exact=True)
    altered = WEEK.copy()
    altered.loc[len(WEEK) - 24 * 5, "load"] += 50  # in the mean of one step alone
    changed = seasonal.forecast(altered)["load"] != newest["load"]
    assert np.flatnonzero(changed).tolist() == [0]
    seasonal.save(tmp_path)
    pd.testing.assert_frame_equal(Forecaster.load(tmp_path).forecast(WEEK), newest, check_exact=True)


@pytest.mark.parametrize("every", [False, True])
def test_readings_that_do_not_reach_back_far_enough_are_told_how_many_are_needed(seasonal, every):
    with pytest.raises(InputError, match=r"up to 7 days before each step.*bring those of 7 days, 168 rows, or"):
        seasonal.forecast(WEEK.tail(24 * 7 - 1), every=every)


def test_with_short_histories_what_is_not_known_is_read_as_the_mean():
    forecast = seasonal_forecaster(DAY_AHEAD.model_copy(update={"min_history": 2})).forecast(WEEK.tail(2))
    assert np.isfinite(forecast["load"]).all()


def test_a_gap_among_the_days_before_stops_no_forecast(seasonal):
    broken = WEEK.drop(index=range(24 * 26, 24 * 26 + 5))
    assert len(seasonal.forecast(broken)) == 24


def test_of_the_days_before_the_rows_at_the_time_of_the_step_are_enough():
    next_step = seasonal_forecaster(DAY_AHEAD.model_copy(update={"output_length": 1}))
    newest, days = range(len(WEEK) - 3, len(WEEK)), len(WEEK) - 24 * np.arange(7, 0, -1)
    few = WEEK.iloc[[*days, *newest]]
    assert len(few) == 7 + 3
    pd.testing.assert_frame_equal(next_step.forecast(few), next_step.forecast(WEEK), check_exact=True)


def test_a_seasonal_forecaster_warms_up(seasonal):
    seasonal.warm_up()


@pytest.mark.parametrize("minutes", [7, 50, 61])
def test_steps_that_do_not_divide_a_day_reach_back_whole_days_all_the_same(seasonal, minutes):
    odd = replace(seasonal, readings=HOURLY.model_copy(update={"cadence_minutes": minutes}))
    odd.warm_up()
    times = pd.date_range("2021-03-01", periods=2000, freq=f"{minutes}min")
    raw = pd.DataFrame({"time": times, "load": np.arange(2000.0)})
    days = odd.window.seasons(odd.readings.cadence).days
    rows = -(-days * 1440 // minutes)
    assert len(odd.forecast(raw.tail(rows))) == 24
    with pytest.raises(InputError, match=f"bring those of {days} days, {rows:,} rows, or"):
        odd.forecast(raw.tail(rows - 1))


# Short histories

SHORT = WindowConfig(lookback=5, steps_ahead=2, min_history=2)
BROKEN = RAW.drop(index=range(40, 45))


@pytest.fixture(scope="module", params=[1, 2], ids=["one network", "two networks"])
def short(request: pytest.FixtureRequest) -> Forecaster:
    """Two layers, the first of which would read what is padded; two readings are enough."""
    network = GRUConfig(layers=(LayerConfig(units=3), LayerConfig(units=2)), readout="states", residual=True)
    return prepare_and_build(network, members=request.param, window=SHORT)[0]


@pytest.mark.parametrize(
    ("short", "length"), [*((1, length) for length in (2, 3, 4, 5, 6)), (2, 2), (2, 6)], indirect=["short"]
)
def test_a_forecast_right_after_a_gap_reads_what_is_there(short, length):
    """As a network without any padding forecasts from those readings alone, whatever stands before the gap."""
    given = BROKEN.head(40 + length)
    forecast = short.forecast(given)
    assert forecast["made_at"].tolist() == [RAW["date"][44 + length]]
    used = min(length, 5)
    window = WindowConfig(lookback=used, steps_ahead=2)
    shape = Shape.fitting(window, len(short.scaler.columns), 1, ahead=len(CALENDAR_COLUMNS))
    plain = build(short.model, shape, members_of(short.network, short.model))
    unpadded = replace(short, window=window, network=plain)
    pd.testing.assert_frame_equal(forecast, unpadded.forecast(given.tail(used)), rtol=1e-5)
    pd.testing.assert_frame_equal(forecast, short.forecast(given.tail(used)), check_exact=True)
    other = given.assign(Appliances=given["Appliances"].where(given.index > 44, 5e4))
    pd.testing.assert_frame_equal(short.forecast(other), forecast, check_exact=True)


def test_every_moment_with_history_enough_is_forecast_and_the_last_as_alone(short):
    forecast = short.forecast(BROKEN, every=True).set_index("made_at")
    moments = [row for row in [*range(1, 40), *range(46, 80)] if row + 2 < 40 or row > 44]
    assert forecast.index.tolist() == RAW["date"].loc[moments].tolist()
    for row in (1, 3, 46, 47, 60, 79):
        alone = short.forecast(BROKEN[BROKEN.index <= row]).set_index("made_at")
        pd.testing.assert_frame_equal(forecast.loc[[RAW["date"][row]]], alone, rtol=1e-5, check_freq=False)


@pytest.mark.parametrize("every", [False, True])
def test_a_history_that_is_too_short_is_told_what_is_needed(short, every):
    with pytest.raises(InputError, match=r"needs the newest 2 readings without a gap, received 1; bring more readings"):
        short.forecast(RAW.head(1), every=every)
    after = rf"needs the newest 2 readings without a gap, received 1 after the gap before {RAW['date'][45]};"
    with pytest.raises(InputError, match=after) if not every else nullcontext():  # before the gap there is enough
        short.forecast(BROKEN.head(41), every=every)


def test_what_forecasts_from_short_histories_is_saved_and_warmed_up(short, tmp_path):
    short.save(tmp_path)
    loaded = Forecaster.load(tmp_path)
    assert loaded.window == SHORT
    loaded.warm_up()
    given = BROKEN.head(42)
    pd.testing.assert_frame_equal(loaded.forecast(given), short.forecast(given), check_exact=True)
    file = keras.saving.load_model(tmp_path / "network.keras", compile=False, safe_mode=True)
    scaled = short.scaler.transform(given.tail(2))  # by hand: two readings, and in front of them whatever
    rows = np.concatenate([np.full((3, 2), 9, np.float32), scaled])[None]
    output = file.predict_on_batch([rows, np.array([[False] * 3 + [True] * 2])])
    expected = short.scaler.inverse(output, first=1)[0, :, 0]
    np.testing.assert_allclose(short.forecast(given)["Appliances"], expected, rtol=1e-5)


# Doors


def test_save_and_load_give_the_same_forecaster(either, tmp_path: Path):
    forecaster, prepared = either
    folder = tmp_path / "some" / "folder"
    forecaster.save(folder)
    assert sorted(file.name for file in folder.iterdir()) == ["forecaster.json", "network.keras"]
    loaded = Forecaster.load(folder)
    assert (loaded.readings, loaded.window) == (forecaster.readings, forecaster.window)
    assert loaded.model == forecaster.model
    assert loaded.scaler.to_json() == forecaster.scaler.to_json()
    pd.testing.assert_frame_equal(loaded.forecast(RAW), forecaster.forecast(RAW), check_exact=True)
    test = prepared.windows.test
    assert loaded.predict(test).tobytes() == forecaster.predict(test).tobytes()


def test_an_ensemble_forecasts_what_its_one_network_does_before_and_after_saving(ensemble, tmp_path):
    """The members are taken out of the network again, from its file too, and their mean is the network's output."""
    forecaster, prepared = ensemble
    windows = prepared.windows.test
    scaled = forecaster.network.predict_on_batch([windows.series.inputs[windows.input_rows]])
    expected = prepared.scaler.inverse(scaled, first=1)
    np.testing.assert_allclose(forecaster.predict(windows), expected, rtol=1e-5)
    forecaster.save(tmp_path)
    loaded = Forecaster.load(tmp_path)
    assert loaded.predict(windows).tobytes() == forecaster.predict(windows).tobytes()
    one, _ = prepare_and_build(forecaster.model)
    assert np.abs(one.predict(windows) - expected).max() > 1  # Wh: the first member alone is not the mean


def test_served_through_mlflows_loader(simple, tmp_path):
    forecaster, _ = simple
    forecaster.save(tmp_path)
    served = _load_pyfunc(str(tmp_path))
    pd.testing.assert_frame_equal(served.predict(RAW), forecaster.forecast(RAW), check_exact=True)
    for params in (None, {}, {"every": False}):
        assert len(served.predict(RAW, params=params)) == 1
    every = served.predict(RAW, params={"every": True})
    pd.testing.assert_frame_equal(every, forecaster.forecast(RAW, every=True), check_exact=True)


def test_a_model_of_an_earlier_version_is_named_as_such(simple, tmp_path):
    forecaster, _ = simple
    forecaster.save(tmp_path)
    file = tmp_path / "forecaster.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({name: part for name, part in record.items() if name != "model"}), encoding="utf-8")
    with pytest.raises(InputError, match="lacks model: train it anew"):
        Forecaster.load(tmp_path)


def test_the_record_is_plain_json(simple, tmp_path):
    forecaster, _ = simple
    forecaster.save(tmp_path)
    record = json.loads((tmp_path / "forecaster.json").read_text(encoding="utf-8"))
    assert record["readings"]["targets"] == ["Appliances"]
    assert record["window"] == {
        **{"lookback": 5, "output_length": 1, "steps_ahead": 2, "min_history": None},
        **{"seasonal_lags": [], "seasonal_means": []},
    }
    assert record["scaler"]["columns"] == ["Appliances", "lights"]


@pytest.mark.parametrize(
    "form",
    [
        lambda frame: frame.set_index("date"),
        lambda frame: frame.assign(date=frame["date"].astype(str)),
        lambda frame: frame.assign(Appliances=frame["Appliances"].astype(str)),
        lambda frame: frame.drop(columns=["rv1", "T1"]),
    ],
)
def test_readings_may_come_in_other_forms(simple, form):
    forecaster, _ = simple
    given = forecaster.forecast(form(RAW.copy()))
    pd.testing.assert_frame_equal(given, forecaster.forecast(RAW), check_dtype=False)


def test_readings_are_not_changed(either):
    forecaster, _ = either
    raw = RAW.copy(deep=True)
    forecaster.forecast(raw)
    forecaster.forecast(raw, every=True)
    pd.testing.assert_frame_equal(raw, RAW, check_exact=True)


# Faults


@pytest.mark.parametrize("rows", [0, 1, 4])
@pytest.mark.parametrize("every", [False, True])
def test_too_few_rows(simple, rows, every):
    forecaster, _ = simple
    message = rf"needs the newest 5 readings without a gap, received {rows}; bring more readings"
    with pytest.raises(InputError, match=message):
        forecaster.forecast(RAW.head(rows), every=every)
    assert len(forecaster.forecast(RAW.head(5), every=every)) == 1


def test_a_gap_too_near_to_the_end(simple):
    forecaster, _ = simple
    since = RAW["date"][76]
    with pytest.raises(InputError, match=rf"newest 5 readings without a gap, received 4 after the gap before {since};"):
        forecaster.forecast(RAW.drop(index=75))
    alone = RAW.drop(index=74)
    assert forecaster.forecast(alone)["made_at"].tolist() == [RAW["date"][79]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.drop(columns="lights"), "column 'lights' is missing"),
        (lambda raw: raw.drop(columns="date"), "column 'date' with the time stamps is missing"),
        (lambda raw: raw.assign(lights="dark"), "'lights' must hold finite numbers, 80 of 80 .*first 'dark' in row 0"),
        (
            lambda raw: raw.assign(lights=raw["lights"].where(raw.index != 77)),
            "newest 5 readings without a gap, received 2 after the gap before",
        ),
        (
            lambda raw: raw.iloc[[0, 1, 2, 3, 4, 5]].assign(date=raw["date"].dt.floor("h")),
            "time stamps stand more than once with different readings",
        ),
        (
            lambda raw: raw.assign(Appliances=raw["Appliances"].where(raw.index != 77, -10)),
            "column 'Appliances' must not be negative, received -10 in row 77",
        ),
        (lambda raw: raw.assign(lights=raw["lights"] > 5), "'lights' must hold finite numbers, 80 of 80"),
        (lambda raw: raw.assign(lights=raw["lights"].astype(object).where(raw.index != 77, True)), "first True in row"),
    ],
)
def test_readings_that_cannot_be_used_are_named(simple, change, message):
    forecaster, _ = simple
    with pytest.raises(InputError, match=message):
        forecaster.forecast(change(RAW))


def test_a_forecast_needs_its_own_window_to_be_whole_and_no_more(simple):
    """Empty cells before it, and rows newest first, change nothing."""
    forecaster, _ = simple
    whole = forecaster.forecast(RAW)
    holes = RAW.assign(
        lights=RAW["lights"].astype(object).where(RAW.index % 9 != 7, "?").where(RAW.index < 70, RAW["lights"])
    )
    pd.testing.assert_frame_equal(forecaster.forecast(holes.iloc[::-1]), whole)


def test_what_reads_counters_or_finer_readings_can_be_warmed_up(simple):
    """Which takes no readings of anybody's."""
    forecaster, _ = simple
    for changes in ({"kind": "counter"}, {"kind": "power"}):
        readings = forecaster.readings.model_copy(update=changes)
        habits = Habits(Rhythm(pd.Timedelta(minutes=1), 1.0))
        replace(forecaster, readings=readings, habits=habits).warm_up()


def test_every_fault_is_told_at_once(simple):
    forecaster, _ = simple
    with pytest.raises(InputError) as caught:
        forecaster.forecast(RAW.drop(columns="lights").assign(Appliances="dark"))
    assert "'lights' is missing" in str(caught.value)
    assert "'Appliances' must hold" in str(caught.value)


def test_a_negative_reading_whose_logarithm_is_needed_is_a_fault_and_no_silent_nan(rich):
    forecaster, _ = rich
    raw = RAW.copy()
    raw.loc[78, "Appliances"] = -20
    with pytest.raises(InputError, match="Appliances"):
        forecaster.forecast(raw)
