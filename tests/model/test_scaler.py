"""Scaling by hand-computed numbers, its exact inverse, and its file form."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from tiny import house, prepare

from wattcast.model.errors import InputError
from wattcast.model.scaler import ScaleConfig, Scaler, fit_scaler

TRAIN = pd.DataFrame({"other": [9.0, 9.5, 7.0], "wh": [10.0, 20.0, 60.0], "deg": [-1.0, 0.0, 4.0]})
LATER = pd.DataFrame({"deg": [6.5, -1.0], "wh": [110.0, 10.0], "other": [0.0, 0.0]})


def fitted(frame: pd.DataFrame = TRAIN, **methods: str) -> Scaler:
    return fit_scaler(frame, ("wh",), ("deg",), ScaleConfig(**methods))


# By hand


def test_minmax_maps_training_rows_to_0_and_1_and_later_rows_beyond():
    scaler = fitted(targets="minmax", features="minmax")
    np.testing.assert_allclose(scaler.transform(TRAIN), [[0, 0], [0.2, 0.2], [1, 1]], rtol=1e-6)
    np.testing.assert_allclose(scaler.transform(LATER), [[2, 1.5], [0, 0]], rtol=1e-6)


def test_standard_takes_mean_and_deviation_of_the_training_rows():
    scaler = fitted()
    np.testing.assert_allclose(scaler.offset, [30, 1])
    np.testing.assert_allclose(scaler.scale, [np.sqrt(1400 / 3), np.sqrt(14 / 3)])  # divided by n, not n - 1
    np.testing.assert_allclose(scaler.transform(LATER)[:, 0], np.array([80, -20]) / np.sqrt(1400 / 3), rtol=1e-6)


def test_log_standardises_the_logarithm_beyond_a_hundredth_of_the_mean_and_leaves_features_alone():
    scaler = fitted(targets="log", features="minmax")
    np.testing.assert_allclose(scaler.knee, [0.3, 1])  # of a mean of 30
    logs = np.log(1 + np.array([10, 20, 60]) / 0.3)
    np.testing.assert_allclose(scaler.transform(TRAIN)[:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)
    np.testing.assert_allclose(scaler.transform(TRAIN)[:, 1], [0, 0.2, 1], rtol=1e-6)


def test_targets_come_first_whatever_the_order_of_the_frame():
    scaler = fitted(targets="minmax", features="minmax")
    assert scaler.columns == ("wh", "deg")
    shuffled = TRAIN[["deg", "wh", "other"]]
    assert scaler.transform(shuffled).tobytes() == scaler.transform(TRAIN).tobytes()
    assert scaler.transform(TRAIN).dtype == np.float32


@pytest.mark.parametrize("method", ["minmax", "standard", "log"])
@pytest.mark.parametrize("value", [0.0, 0.1, 7.3, 20.1])
def test_a_constant_column_is_only_shifted(method, value):
    """Also where the mean of equal numbers is not quite that number: 0.1 a thousand times."""
    features = "standard" if method == "log" else method
    train = pd.DataFrame({"wh": np.full(1000, value), "deg": np.full(1000, value)})
    scaler = fitted(train, targets=method, features=features)
    np.testing.assert_array_equal(scaler.scale, [1, 1])
    moved = scaler.transform(train + 0.5)
    knee = 0.01 * value or 1.0
    gain = np.log((knee + value + 0.5) / (knee + value)) if method == "log" else 0.5
    np.testing.assert_allclose(moved, np.broadcast_to([gain, 0.5], moved.shape), rtol=1e-5)
    np.testing.assert_allclose(scaler.transform(train), 0, atol=1e-12)


# Back


@pytest.mark.parametrize("method", ["minmax", "standard", "log"])
@given(
    train=arrays(np.float64, (12, 2), elements=st.integers(0, 1100)),
    later=arrays(np.float64, (5, 2), elements=st.integers(0, 3000)),
)
def test_inverse_gives_the_readings_back(method, train, later):
    columns = ("Appliances", "lights")
    scaler = fit_scaler(pd.DataFrame(train, columns=list(columns)), columns, (), ScaleConfig(targets=method))
    exact = later.copy()
    if method == "log":
        exact = np.log1p(exact / scaler.knee)
    np.testing.assert_allclose(
        scaler.inverse((exact - scaler.offset) / scaler.scale, first=2), later, rtol=1e-9, atol=1e-9
    )
    scaled = scaler.transform(pd.DataFrame(later, columns=list(columns)))  # float32
    np.testing.assert_allclose(scaler.inverse(scaled, first=2), later, rtol=1e-4, atol=1e-3)


def test_inverse_of_some_of_the_columns_in_any_shape():
    scaler = fit_scaler(TRAIN, ("wh", "deg"), ("other",), ScaleConfig(targets="minmax"))
    scaled = np.array([[[0.0, 0.5], [1.0, 2.0]]], np.float32)  # [N, L, K]
    np.testing.assert_allclose(scaler.inverse(scaled, first=2), [[[10, 1.5], [60, 9]]])
    np.testing.assert_allclose(scaler.inverse(scaled[..., :1], first=1), [[[10], [60]]])
    assert scaler.inverse(scaled, first=2).dtype == np.float64


@pytest.mark.parametrize("method", ["standard", "log"])
@given(
    train=arrays(np.float64, (12, 2), elements=st.integers(0, 1100)),
    later=arrays(np.float64, (5, 2), elements=st.integers(0, 3000)),
    power=st.floats(-6, 6),
)
def test_the_unit_of_the_readings_changes_no_scaled_value(method, train, later, power):
    """A constant column is only shifted: of how far its unit goes it says nothing."""
    train[0], factor = train[1] + 1, 10.0**power
    first, same = pd.DataFrame(train, columns=["a", "b"]), pd.DataFrame(later, columns=["a", "b"])
    ours, theirs = (fit_scaler(times * first, ("a", "b"), (), ScaleConfig(targets=method)) for times in (1.0, factor))
    scaled = theirs.transform(factor * same)
    np.testing.assert_allclose(scaled, ours.transform(same), rtol=1e-6, atol=1e-6)  # float32
    np.testing.assert_allclose(theirs.inverse(scaled, first=2), factor * later, rtol=1e-3, atol=1e-3 * factor)
    unscaled = dict.fromkeys(("offset", "scale"), 1.0 if method == "log" else factor)
    for name, times in {**unscaled, "knee": factor if method == "log" else 1.0}.items():
        np.testing.assert_allclose(getattr(theirs, name), times * getattr(ours, name), rtol=1e-11, atol=1e-12 * times)


# File form


@pytest.mark.parametrize("method", ["minmax", "standard", "log"])
def test_json_is_exact_to_the_last_bit(method):
    frame, scaler, _ = prepare(house(), scale=ScaleConfig(targets=method))
    read = Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert read.columns == scaler.columns
    for name in ("log", "offset", "scale", "knee"):
        assert getattr(read, name).dtype == getattr(scaler, name).dtype
        assert getattr(read, name).tobytes() == getattr(scaler, name).tobytes()
    assert read.transform(frame).tobytes() == scaler.transform(frame).tobytes()


def test_a_scaler_of_an_earlier_version_takes_the_logarithm_of_one_plus_the_reading_in_its_own_unit():
    record = {"columns": ["wh", "deg"], "log": [True, False], "offset": [2.0, 1.0], "scale": [0.5, 4.0]}
    scaler = Scaler.from_json(record)
    np.testing.assert_allclose(scaler.transform(TRAIN)[:, 0], (np.log([11.0, 21.0, 61.0]) - 2) / 0.5, rtol=1e-6)
    np.testing.assert_allclose(scaler.inverse(np.array([[2.0, 1.0]]), first=2), [[np.e**3 - 1, 5]])


# Care


def test_nothing_that_was_given_is_changed():
    train, scaled = TRAIN.copy(), np.array([[0.5], [1.0]], np.float64)
    scaler = fitted(train, targets="log")
    scaler.transform(train)
    scaler.inverse(scaled, first=1)
    pd.testing.assert_frame_equal(train, TRAIN)
    np.testing.assert_array_equal(scaled, [[0.5], [1.0]])


def test_the_logarithm_of_a_target_below_zero_is_refused():
    train = TRAIN.assign(wh=[1.0, -0.5, 3.0])
    with pytest.raises(InputError, match=r"zero or more, \['wh'\] fall below; use 'standard' or 'minmax'"):
        fitted(train, targets="log")
    fitted(train.assign(deg=-5.0), targets="standard")  # features may lie below, and other methods take all


def test_a_later_reading_below_zero_is_refused_too_where_its_logarithm_is_needed():
    """Or the forecast would be no number, and nothing would say why."""
    with pytest.raises(InputError, match="wh"):
        fitted(targets="log").transform(TRAIN.assign(wh=[1.0, -5.0, 3.0]))
    rows_to_come = TRAIN.assign(wh=[1.0, np.nan, 3.0])  # a forecaster appends them without readings
    assert np.isnan(fitted(targets="log").transform(rows_to_come)[1, 0])


@pytest.mark.parametrize("options", [{"features": "log"}, {"targets": "robust"}, {"target": "log"}])
def test_config_names_what_is_wrong(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        ScaleConfig(**options)


@pytest.mark.parametrize("target", ["load", "heat"])
def test_a_column_whose_readings_a_network_could_not_tell_apart_is_refused(target):
    readings = np.random.default_rng(0).normal(100, 10, 500)
    readings[77] = 1e15
    frame = pd.DataFrame({"load": np.arange(500.0), "heat": readings[::-1]}).assign(**{target: readings})
    with pytest.raises(InputError, match=rf"column '{target}' reaches .* at 77"):
        fit_scaler(frame, ("load",), ("heat",), ScaleConfig())


@pytest.mark.parametrize("method", ["standard", "log"])
def test_a_large_load_that_hardly_varies_is_told_apart(method):
    frame = pd.DataFrame({"load": 1e12 + np.random.default_rng(0).normal(0, 50, 500).round()})
    scaler = fit_scaler(frame, ("load",), (), ScaleConfig(targets=method))
    scaled = scaler.transform(frame)
    assert np.ptp(scaled) > 3
    assert scaler.inverse(scaled, first=1) == pytest.approx(frame.to_numpy(), abs=0.01)
