"""Forecasts of all windows at once are what the plain Keras network makes of each window cut out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tracing import count_traces

from wattcast.model.gru import GRUConfig, LayerConfig, Shape, Weights
from wattcast.model.network import scoring
from wattcast.model.network.build import build, initial_weights
from wattcast.model.network.scoring import forecast_scaled
from wattcast.model.windows import Series, WindowConfig, Windows, calendar, make_windows

ROWS = 2300  # more than two blocks of windows
WINDOW = WindowConfig(lookback=5, output_length=1)
LONG = WindowConfig(lookback=4, output_length=3, steps_ahead=2)


def layers(*units: int) -> tuple[LayerConfig, ...]:
    return tuple(LayerConfig(units=width) for width in units)


DROPPED = (LayerConfig(units=3, input_keep_prob=0.5, output_keep_prob=0.5), LayerConfig(units=2, input_keep_prob=0.5))
VARIANTS: dict[str, tuple[GRUConfig, WindowConfig]] = {
    "smallest": (GRUConfig(layers=layers(1)), WindowConfig(lookback=1)),
    "reset after": (GRUConfig(layers=layers(3)), WINDOW),
    "reset before": (GRUConfig(layers=layers(3), reset_after=False), WINDOW),
    "two layers, states": (GRUConfig(layers=layers(3, 2), readout="states"), LONG),
    "two layers, reset before, last output": (
        GRUConfig(layers=layers(2, 3), reset_after=False, readout="last_output"),
        LONG,
    ),
    "all outputs": (
        GRUConfig(layers=layers(3, 2), readout="outputs", target_calendar=True, residual=True, tanh_layer=True),
        WindowConfig(lookback=4, output_length=4, steps_ahead=2),
    ),
    "residual": (GRUConfig(layers=layers(3), residual=True), LONG),
    "calendar": (GRUConfig(layers=layers(3), target_calendar=True), LONG),
    "shared head": (
        GRUConfig(layers=layers(3, 2), readout="states", residual=True, target_calendar=True, head="shared"),
        LONG,
    ),
    "everything": (
        GRUConfig(
            layers=DROPPED,
            reset_after=False,
            readout="last_output",
            readout_keep_prob=0.5,
            tanh_layer=True,
            regularisation_scale=0.1,
            residual=True,
            target_calendar=True,
        ),
        LONG,
    ),
}


def random_series(rows: int = ROWS) -> Series:
    draws = np.random.default_rng(2)
    inputs = draws.normal(size=(rows, 4)).astype(np.float32)
    times = pd.date_range("2016-01-11 17:00", periods=rows, freq="10min")
    targets = np.ascontiguousarray(inputs[:, :2])
    return Series(times, inputs, targets, readings=100 * targets, ahead=calendar(times))


SERIES = random_series()


def windows_of(window: WindowConfig, starts: Any = None) -> Windows:
    """All of the series, or those that begin at `starts`."""
    every = np.arange(len(SERIES.times) - window.rows + 1)
    return Windows(SERIES, every if starts is None else np.asarray(starts), window)


def random_weights(config: GRUConfig, windows: Windows, seed: int) -> Weights:
    """Biases too: initial zeros would hide where they act."""
    draws = np.random.default_rng(seed)
    return tuple(
        draws.normal(0, 0.5, array.shape).astype(np.float32)
        for array in initial_weights(config, Shape.of(windows), seed)
    )


def by_keras(config: GRUConfig, members: list[Weights], windows: Windows) -> np.ndarray:
    """`[N, L, K]` by the network that is saved, from windows that are cut out one by one."""
    arrays = [windows.series.inputs[windows.input_rows]]
    if config.target_calendar:
        arrays.append(windows.series.ahead[windows.target_rows])
    if windows.config.padded:
        arrays.append(windows.mask)
    return build(config, Shape.of(windows), members)(arrays).numpy()


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    """To a share of the largest value."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype == np.float32
    assert np.abs(expected).max() > 0.1
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_forecasts_of_a_whole_series_are_the_keras_networks(variant):
    """More than two blocks of windows, the last of which ends with the series; then one window alone."""
    config, window = VARIANTS[variant]
    windows = windows_of(window)
    assert len(windows) > 2 * scoring._BLOCK
    assert len(windows) % scoring._BLOCK
    assert windows.target_rows.max() == ROWS - 1
    weights = random_weights(config, windows, seed=1)
    expected = by_keras(config, [weights], windows)
    assert_same(forecast_scaled(config, [weights], windows), expected)
    for place in (0, 1111, len(windows) - 1):
        alone = forecast_scaled(config, [weights], windows.take(slice(place, place + 1)))
        assert np.abs(alone - expected[place : place + 1]).max() <= 1e-5 * np.abs(expected).max()


STARTS = {
    "one after the other": np.arange(700, 760),
    "shuffled": np.random.default_rng(1).permutation(ROWS - 6)[:900],
    "repeated": np.random.default_rng(2).integers(0, ROWS - 6, size=500),
    "one window many times": np.full(7, 40),
    "backwards": np.arange(2000, 0, -1),
    "with gaps": np.concatenate([np.arange(3, 9), np.arange(1000, 1500, 7), [1026], np.arange(2200, 2290)]),
    "two that are as far apart as a block": np.array([0, 1023, 1024, 1025]),
    "few and far between": np.array([5, 2290]),
    "the last ones of the series": np.arange(ROWS - 8, ROWS - 5),
}


@pytest.mark.parametrize("name", STARTS)
def test_windows_may_lie_anywhere_in_any_order(name):
    config, window = VARIANTS["reset after"]
    windows = windows_of(window, STARTS[name])
    weights = random_weights(config, windows, seed=1)
    assert_same(forecast_scaled(config, [weights], windows), by_keras(config, [weights], windows))


def test_a_series_may_be_shorter_than_a_block():
    config, window = VARIANTS["everything"]
    series = random_series(window.rows + 3)
    windows = Windows(series, np.arange(4), window)
    weights = random_weights(config, windows, seed=1)
    assert_same(forecast_scaled(config, [weights], windows), by_keras(config, [weights], windows))


def test_rows_that_no_window_reads_may_hold_anything():
    """They lie in the block between windows, and behind the end of a forecast's history, where they are not known."""
    config, window = VARIANTS["residual"]
    windows = windows_of(window, [10, 11, 40, 41])
    weights = random_weights(config, windows, seed=1)
    inputs = np.full_like(SERIES.inputs, np.nan)
    inputs[windows.input_rows] = SERIES.inputs[windows.input_rows]
    spoilt = Series(SERIES.times, inputs, SERIES.targets * np.nan, SERIES.readings * np.nan, SERIES.ahead)
    clean = forecast_scaled(config, [weights], windows)
    assert np.isfinite(clean).all()
    given = forecast_scaled(config, [weights], Windows(spoilt, windows.starts, window))
    assert given.tobytes() == clean.tobytes()


def with_gaps(window: WindowConfig) -> Windows:
    """Windows over a series in which every thirteenth reading is missing, short histories among them."""
    kept = np.flatnonzero(np.arange(ROWS) % 13 != 6)
    arrays = (getattr(SERIES, name)[kept] for name in ("inputs", "targets", "readings", "ahead"))
    series = Series(SERIES.times[kept], *arrays)
    short = window.model_copy(update={"min_history": 2})
    return make_windows(series, range(len(kept)), pd.Timedelta(minutes=10), short)


@pytest.mark.parametrize("kernel", ["fast", "keras"])
@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"smallest", "all outputs"}))
def test_short_histories_are_forecast_as_by_the_keras_network_with_its_mask(variant, kernel):
    config, window = VARIANTS[variant]
    windows = with_gaps(window)
    assert windows.starts[0] < 0
    assert set(windows.lengths) == set(range(2, window.lookback + 1))
    weights = random_weights(config, windows, seed=1)
    expected = by_keras(config, [weights], windows)
    assert_same(forecast_scaled(config, [weights], windows, kernel), expected)
    for place in np.random.default_rng(1).choice(len(windows), 5):
        alone = forecast_scaled(config, [weights], windows.take(slice(place, place + 1)), kernel)
        assert np.abs(alone - expected[place : place + 1]).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("variant", ["two layers, states", "everything"])
def test_a_short_history_is_forecast_as_by_a_network_of_no_longer_lookback(variant):
    """The padded places change no state: as if they were not there."""
    config, window = VARIANTS[variant]
    windows = with_gaps(window)
    weights = random_weights(config, windows, seed=1)
    padded = forecast_scaled(config, [weights], windows)
    for length in range(2, window.lookback + 1):
        which = np.flatnonzero(windows.lengths == length)
        shorter = window.model_copy(update={"lookback": length})
        alone = Windows(windows.series, windows.starts[which] + window.lookback - length, shorter)
        assert_same(padded[which], by_keras(config, [weights], alone))


@pytest.mark.parametrize("kernel", ["fast", "keras"])
def test_the_other_side_of_a_gap_may_hold_anything(kernel):
    """So may all rows that the short histories do not read themselves."""
    config, window = VARIANTS["everything"]
    windows = with_gaps(window)
    windows = windows.take(np.flatnonzero(windows.lengths == 2)[:40])
    weights = random_weights(config, windows, seed=1)
    inputs = np.full_like(windows.series.inputs, np.nan)
    own = windows.newest_row[:, None] - np.arange(2)
    inputs[own] = windows.series.inputs[own]
    spoilt = Windows(replace(windows.series, inputs=inputs), windows.starts, windows.config, windows.lengths)
    clean = forecast_scaled(config, [weights], windows, kernel)
    assert np.isfinite(clean).all()
    assert forecast_scaled(config, [weights], spoilt, kernel).tobytes() == clean.tobytes()


@pytest.mark.parametrize("variant", ["reset after", "everything"])
def test_several_members_give_their_mean(variant):
    config, window = VARIANTS[variant]
    windows = windows_of(window, np.arange(1500))
    members = [random_weights(config, windows, seed) for seed in (1, 2, 3)]
    together = forecast_scaled(config, members, windows)
    assert_same(together, by_keras(config, members, windows))
    alone = [forecast_scaled(config, [member], windows).astype(np.float64) for member in members]
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    assert_same(together, np.mean(alone, axis=0).astype(np.float32))
    one = windows.take(slice(3, 4))
    np.testing.assert_allclose(forecast_scaled(config, members, one), together[3:4], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", ["two layers, states", "everything"])
def test_stock_layers_give_the_same(variant):
    config, window = VARIANTS[variant]
    windows = windows_of(window, STARTS["with gaps"])
    weights = random_weights(config, windows, seed=1)
    fast, stock = (forecast_scaled(config, [weights], windows, kernel) for kernel in ("fast", "keras"))
    assert_same(fast, stock)
    assert_same(stock, by_keras(config, [weights], windows))


@pytest.mark.parametrize("block", [1, 7, 64])
def test_forecasts_do_not_depend_on_the_size_of_the_blocks(monkeypatch, block):
    config, window = VARIANTS["reset after"]
    windows = windows_of(window, np.arange(30, 130))
    weights = random_weights(config, windows, seed=1)
    whole = forecast_scaled(config, [weights], windows)
    monkeypatch.setattr(scoring, "_BLOCK", block)
    for cores in (1, 3):
        assert_same(forecast_scaled(config, [weights], windows, cores=cores), whole)


def test_dropout_is_off_and_forecasts_repeat_bit_for_bit():
    config, window = VARIANTS["everything"]
    windows = windows_of(window)
    weights = random_weights(config, windows, seed=1)
    first, again = (forecast_scaled(config, [weights], windows) for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_other_weights_windows_and_keep_probabilities_trace_nothing(monkeypatch):
    config, window = VARIANTS["everything"]
    windows = windows_of(window)
    forecast_scaled(config, [random_weights(config, windows, seed=1)], windows)
    traced = count_traces(monkeypatch)
    other = config.model_copy(update={"readout_keep_prob": 0.9, "regularisation_scale": 0.3})
    members = [random_weights(config, windows, seed) for seed in (2, 3)]
    for starts in (slice(None), slice(5, 400), slice(0, 2000, 3)):
        forecast_scaled(other, members, windows.take(starts))
    assert traced == []
    forecast_scaled(
        GRUConfig(layers=layers(4)), [initial_weights(GRUConfig(layers=layers(4)), Shape.of(windows), 1)], windows
    )
    assert traced


def test_nothing_that_was_given_is_changed():
    config, window = VARIANTS["calendar"]
    windows = windows_of(window, STARTS["shuffled"].copy())
    weights = random_weights(config, windows, seed=1)
    arrays = [SERIES.inputs, SERIES.targets, SERIES.readings, SERIES.ahead, windows.starts, *weights]
    before = [array.tobytes() for array in arrays]
    forecast_scaled(config, [weights], windows)
    assert [array.tobytes() for array in arrays] == before
