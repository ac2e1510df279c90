"""What is known ahead, through the whole product: read at each step that is forecast, given in rows to come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import Prepared, house, prepare

from wattcast.model.baseline import RidgeOnLags
from wattcast.model.errors import InputError
from wattcast.model.fit import FitConfig
from wattcast.model.forecaster import Forecaster
from wattcast.model.gru import GRUConfig, LayerConfig, Shape
from wattcast.model.metrics import rmse
from wattcast.model.network.build import build, initial_weights, members_of
from wattcast.model.network.scoring import forecast_scaled
from wattcast.model.network.training import train_network
from wattcast.model.pyfunc import RefusedError, _load_pyfunc
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig
from wattcast.model.windows import CALENDAR_COLUMNS, WindowConfig, ahead_columns

RAW = house(120)[["date", "Appliances", "lights", "T1", "T_out", "RH_out"]]
CADENCE = pd.Timedelta(minutes=10)


def layers(*units: int) -> tuple[LayerConfig, ...]:
    return tuple(LayerConfig(units=width) for width in units)


VARIANTS = {
    "one column": (
        GRUConfig(layers=layers(3)),
        ReadingsConfig(known=("T_out",)),
        WindowConfig(lookback=5, steps_ahead=2),
    ),
    "beside the calendar, two members": (
        GRUConfig(layers=layers(3, 2), readout="states", residual=True, target_calendar=True),
        ReadingsConfig(features=("T1",), known=("RH_out", "T_out"), holidays="BE", time="calendar"),
        WindowConfig(lookback=4, output_length=3),
    ),
    "two targets, all outputs": (
        GRUConfig(layers=layers(3), readout="outputs", tanh_layer=True),
        ReadingsConfig(targets=("Appliances", "lights"), known=("T_out",)),
        WindowConfig(lookback=4, output_length=4, steps_ahead=2),
    ),
    "short histories": (
        GRUConfig(layers=layers(3, 2), residual=True),
        ReadingsConfig(features=("lights",), known=("T_out",)),
        WindowConfig(lookback=5, output_length=2, min_history=2),
    ),
}


@pytest.fixture(scope="module", params=VARIANTS)
def made(request: pytest.FixtureRequest) -> tuple[Forecaster, Prepared]:
    """A forecaster with random weights."""
    network, readings, window = VARIANTS[request.param]
    prepared = prepare(RAW, readings=readings, window=window, scale=ScaleConfig(targets="log"))
    shape = Shape.of(prepared.windows.train)
    assert shape.ahead == len(ahead_columns(readings, WindowConfig()))
    seeds = range(2 if "members" in request.param else 1)
    plain = build(network, shape, [initial_weights(network, shape, seed) for seed in seeds])
    return Forecaster(readings, window, prepared.scaler, network, plain), prepared


def given(forecaster: Forecaster, rows: int = 40, *, to_come: int | None = None) -> pd.DataFrame:
    """The newest `rows`, the last of which hold what is known alone: as many as one forecast needs, unless said."""
    frame = RAW.tail(rows).reset_index(drop=True)
    last = forecaster.window.rows - forecaster.window.lookback if to_come is None else to_come
    past = list(forecaster.readings.past)
    frame[past] = frame[past].astype(float)
    frame.loc[rows - last :, past] = np.nan
    return frame


def values(forecaster: Forecaster, frame: pd.DataFrame, *, every: bool = False) -> np.ndarray:
    return forecaster.forecast(frame, every=every)[list(forecaster.readings.targets)].to_numpy()


def test_what_is_scored_is_what_is_served(made: tuple[Forecaster, Prepared]) -> None:
    """The newest forecast from rows to come, and every one from readings alone, are those of the windows."""
    forecaster, prepared = made
    test = prepared.windows.test
    scored = forecaster.predict(test)
    np.testing.assert_allclose(values(forecaster, given(forecaster)), scored[-1], rtol=1e-5)
    assert len(forecaster.forecast(given(forecaster))) == forecaster.window.output_length
    every = values(forecaster, RAW, every=True).reshape(-1, *scored.shape[1:])
    np.testing.assert_allclose(every[-len(scored) :], scored, rtol=1e-5)


def test_both_kernels_are_the_plain_network(made: tuple[Forecaster, Prepared]) -> None:
    forecaster, prepared = made
    test = prepared.windows.test
    arrays = [test.series.inputs[test.input_rows], test.series.ahead[test.target_rows]]
    plain = forecaster.network.predict_on_batch([*arrays, test.mask] if test.config.padded else arrays)
    members = members_of(forecaster.network, forecaster.model)
    for kernel in ("fast", "keras"):
        np.testing.assert_allclose(forecast_scaled(forecaster.model, members, test, kernel), plain, atol=1e-5)


def test_a_step_reads_what_is_known_of_it_and_nothing_behind_the_last_one(made: tuple[Forecaster, Prepared]) -> None:
    forecaster, _ = made
    frame = given(forecaster, to_come=8)
    before = values(forecaster, frame)
    offset, steps = forecaster.window.steps_ahead, forecaster.window.output_length
    for column in forecaster.readings.known:
        for step in range(8):
            changed = frame.copy()
            changed.loc[32 + step, column] += 5
            same = values(forecaster, changed) == before
            if not offset - 1 <= step < offset - 1 + steps:
                assert same.all()
            elif forecaster.model.readout == "outputs":  # each step reads its own alone
                assert same.all(axis=1).tolist() == [place != step - offset + 1 for place in range(steps)]
            else:
                assert not same.all()


def test_no_reading_after_the_moment_of_a_forecast_reaches_it(made: tuple[Forecaster, Prepared]) -> None:
    forecaster, _ = made
    cut = 60
    changed, past = RAW.copy(), list(forecaster.readings.past)
    changed[past] = changed[past].astype(float)
    changed.loc[cut:, past] = changed.loc[cut:, past] * 3 + 50
    before, after = (forecaster.forecast(frame, every=True) for frame in (RAW, changed))
    early = before["made_at"] < RAW["date"][cut]
    pd.testing.assert_frame_equal(before[early], after[early], check_exact=True)
    target = forecaster.readings.targets[0]
    assert (before.loc[~early, target] != after.loc[~early, target]).any()


def test_saved_loaded_and_served_it_is_the_same(made: tuple[Forecaster, Prepared], tmp_path: Path) -> None:
    """Also from what a request holds: null where rows to come have no reading."""
    forecaster, _ = made
    frame, expected = given(forecaster), forecaster.forecast(given(forecaster))
    forecaster.save(tmp_path)
    assert Forecaster.load(tmp_path).readings == forecaster.readings
    served = _load_pyfunc(str(tmp_path))  # which warms it up
    pd.testing.assert_frame_equal(served.predict(frame), expected, check_exact=True)
    text = frame.assign(date=frame["date"].astype(str)).to_json(orient="split", index=False)
    request = json.loads(text)
    asked = pd.DataFrame(request["data"], columns=request["columns"], dtype=object)
    pd.testing.assert_frame_equal(served.predict(asked), expected, rtol=1e-5, check_dtype=False)
    with pytest.raises(RefusedError, match="is not given of step"):
        served.predict(frame.head(20))


# What is missing


@pytest.fixture(scope="module")
def dated() -> Forecaster:
    """Three steps of two known columns."""
    network, readings, window = VARIANTS["beside the calendar, two members"]
    prepared = prepare(RAW, readings=readings, window=window)
    shape = Shape.of(prepared.windows.train)
    plain = build(network, shape, [initial_weights(network, shape, 1)])
    return Forecaster(readings, window, prepared.scaler, network, plain)


def test_a_step_of_which_nothing_is_known_is_named_with_its_column_and_time(dated: Forecaster) -> None:
    frame = given(dated)
    newest, first = frame["date"][36], frame["date"][37]
    with pytest.raises(InputError) as refused:
        dated.forecast(frame.head(37))
    assert str(refused.value) == (
        f"column 'RH_out' is not given of step 1 ahead, {first} (3 of 3 steps lack known values): behind the newest "
        f"reading, {newest}, bring rows that hold the known columns alone ('RH_out', 'T_out')"
    )
    frame.loc[39, "T_out"] = np.nan
    with pytest.raises(InputError, match=rf"'T_out' is not given of step 3 ahead, {first + 2 * CADENCE} \(1 of 3"):
        dated.forecast(frame)
    with pytest.raises(InputError, match=rf"'RH_out' is not given of step 2 ahead, {first + CADENCE} \(2 of 3"):
        dated.forecast(frame.drop(index=38))


def test_every_moment_whose_steps_are_known_is_forecast(dated: Forecaster) -> None:
    """The newest ones are left out where nothing is known of their steps, and told where none is left."""
    frame = given(dated)
    every = dated.forecast(frame, every=True)
    assert every["made_at"].iloc[-1] == frame["date"][36]
    assert len(every) == 3 * (37 - 4 + 1)
    known = dated.forecast(frame.head(38), every=True)
    pd.testing.assert_frame_equal(known, every.head(3 * (38 - 4 - 2)), rtol=1e-5)
    assert known["made_at"].iloc[-1] == frame["date"][34]
    with pytest.raises(InputError, match="is not given of step 1 ahead"):
        dated.forecast(frame.head(37).tail(4), every=True)


def test_a_part_of_a_reading_among_rows_to_come_is_refused(dated: Forecaster) -> None:
    frame = given(dated)
    frame.loc[38, "Appliances"] = 0.0
    with pytest.raises(InputError, match=r"hold a part of one, first .* with 'Appliances' and without 'T1': a row to"):
        dated.forecast(frame)


def test_readings_behind_rows_to_come_leave_a_gap(dated: Forecaster) -> None:
    frame = RAW.tail(40).reset_index(drop=True).astype({"Appliances": float})
    frame.loc[37, ["Appliances", "T1"]] = np.nan
    with pytest.raises(InputError, match=r"received 2 after the gap before .* bring more readings, and rows to come"):
        dated.forecast(frame)


# Old models


def test_what_was_saved_before_anything_was_known_ahead_loads(tmp_path: Path) -> None:
    network, window = GRUConfig(layers=layers(3), target_calendar=True), WindowConfig(lookback=4)
    prepared = prepare(RAW, window=window)
    shape = Shape.of(prepared.windows.train)
    plain = build(network, shape, [initial_weights(network, shape, 1)])
    forecaster = Forecaster(ReadingsConfig(features=("lights",)), window, prepared.scaler, network, plain)
    forecaster.save(tmp_path)
    file = tmp_path / "forecaster.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    del record["readings"]["known"], record["readings"]["holidays"]
    file.write_text(json.dumps(record), encoding="utf-8")
    loaded = Forecaster.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.forecast(RAW), forecaster.forecast(RAW), check_exact=True)


# Holidays


def test_a_holiday_is_read_of_the_past_and_of_each_step_and_needs_no_column() -> None:
    """From 20 to 21 July, the national day: of a step labelled by its end the day is that in which it begins."""
    frame = RAW.assign(date=pd.date_range("2016-07-20 14:00", periods=120, freq="10min"))
    for label, off in (("start", 60), ("end", 61)):
        readings = ReadingsConfig(holidays="BE", label=label)
        series = prepare(frame, readings=readings, window=WindowConfig(lookback=4)).windows.train.series
        flags = [0.0] * off + [1.0] * (120 - off)
        assert series.inputs[:, -1].tolist() == flags
        assert series.ahead[:, len(CALENDAR_COLUMNS)].tolist() == flags
        assert ahead_columns(readings, WindowConfig())[len(CALENDAR_COLUMNS) :] == ("public holiday",)


# What it is worth


def with_a_tariff(rows: int = 1200) -> pd.DataFrame:
    """A load that follows a tariff, which changes every two hours by chance."""
    draws = np.random.default_rng(5)
    tariff = np.repeat(draws.choice([0.1, 0.2, 0.4], size=rows // 12 + 1), 12)[:rows]
    times = pd.date_range("2016-01-11", periods=rows, freq="10min")
    load = 200 - 300 * tariff + draws.normal(0, 5, rows)
    return pd.DataFrame({"date": times, "Appliances": load, "tariff": tariff, "noise": draws.normal(size=rows)})


def test_a_tariff_that_is_known_ahead_makes_forecasts_better() -> None:
    """An hour ahead half of its changes are a surprise without it; with it only the noise of 5 Wh is left."""
    raw, window, network = with_a_tariff(), WindowConfig(lookback=3, steps_ahead=6), GRUConfig(layers=layers(6))
    errors = {}
    for name in ("tariff", "noise"):  # of one structure, so that one program trains both
        prepared = prepare(raw, readings=ReadingsConfig(known=(name,)), window=window)
        fit = FitConfig(epochs=12, initial_learning_rate=0.03, batch_size=64, refit=False)
        fitted = train_network(network, fit, prepared.windows, prepared.scaler, cores=1)
        product = Forecaster(ReadingsConfig(known=(name,)), window, prepared.scaler, network, fitted.network)
        test = prepared.windows.test
        ridge = RidgeOnLags.fit(prepared.windows.train)
        errors[name] = [rmse(test.actual, model.predict(test)) for model in (product, ridge)]
    assert max(errors["tariff"]) < 10
    assert min(errors["noise"]) > 25
