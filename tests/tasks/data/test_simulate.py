"""The simulated house has the measured habits of the UCI house; bounds leave room for the luck of a seed."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from wattcast.model.errors import InputError
from wattcast.tasks.data.simulate import (
    Activity,
    ar1,
    by_hour,
    delayed,
    dew_point,
    resampled,
    simulate,
    start_rate,
    tens,
    usage,
)
from wattcast.tasks.data.uci import ROOM_COLUMNS, UCI_COLUMNS, WEATHER_COLUMNS

# fmt: off
UCI_MEAN_BY_HOUR_WH = [53, 51, 49, 48, 49, 53, 58, 79, 106, 113, 125, 133,
                       124, 125, 108, 106, 120, 161, 190, 143, 127, 96, 69, 57]
# fmt: on
UCI_MEAN_BY_WEEKDAY_WH = [111, 87, 90, 90, 105, 106, 95]
UCI_PERSISTENCE_RMSE_WH = 66.4
TRAINING_END, TEST_START, LOOKBACK = 11_841, 15_788, 36


@pytest.fixture(scope="module")
def houses() -> dict[int, pd.DataFrame]:
    return {seed: simulate(seed=seed) for seed in (0, 1, 2)}


@pytest.fixture(scope="module", params=[0, 1, 2])
def house(request: pytest.FixtureRequest, houses: dict[int, pd.DataFrame]) -> pd.DataFrame:
    return houses[request.param]


@pytest.fixture
def energy(house: pd.DataFrame) -> pd.Series:
    return house["Appliances"].astype(float)


def autocorrelation(values: pd.Series, lag: int) -> float:
    return float(values.corr(values.shift(lag)))


def run_lengths(flags: np.ndarray) -> np.ndarray:
    """How many flags in a row, for each run."""
    edges = np.flatnonzero(np.diff(flags.astype(int), prepend=0, append=0))
    return edges[1::2] - edges[::2]


def rmse(forecast: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((forecast - truth) ** 2)))


# The table


def test_has_the_columns_types_and_time_axis_of_the_uci_file(house):
    assert tuple(house.columns) == ("date", *UCI_COLUMNS)
    assert len(house) == 19_735
    assert house["date"].iloc[0] == pd.Timestamp("2016-01-11 17:00")
    assert house["date"].iloc[-1] == pd.Timestamp("2016-05-27 18:00")
    assert house["date"].dt.tz is None
    assert house["date"].diff().dropna().eq(pd.Timedelta(minutes=10)).all()
    assert (house.dtypes[["Appliances", "lights"]] == np.int64).all()
    assert (house.dtypes[[*ROOM_COLUMNS, *WEATHER_COLUMNS, "rv1", "rv2"]] == np.float64).all()
    assert np.isfinite(house[list(UCI_COLUMNS)]).all(axis=None)


def test_energy_comes_in_multiples_of_ten_wh(house):
    assert (house[["Appliances", "lights"]] % 10 == 0).all(axis=None)
    assert house["Appliances"].between(10, 1100).all()
    assert house["Appliances"].max() > 700
    assert house["lights"].between(0, 70).all()


def test_every_reading_stays_within_its_physics(house):
    humidities = [name for name in UCI_COLUMNS if name.startswith("RH_")]
    assert house[humidities].ge(1).all(axis=None)
    assert house[humidities].le(100).all(axis=None)
    assert (house["Tdewpoint"] <= house["T_out"] + 0.11).all()
    assert house[["Windspeed", "Visibility"]].ge(0).all(axis=None)
    assert house["Press_mm_hg"].between(715, 800).all()
    assert house["T_out"].between(-25, 40).all()


def test_noise_columns_are_one_uniform_noise(house):
    assert house["rv1"].equals(house["rv2"])
    assert house["rv1"].between(0, 50).all()
    assert house["rv1"].std() == pytest.approx(50 / np.sqrt(12), rel=0.03)
    assert abs(autocorrelation(house["rv1"], 1)) < 0.03


# Appliances


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        (0.05, 30, 40),
        (0.25, 50, 50),
        (0.5, 60, 60),
        (0.75, 90, 110),
        (0.9, 160, 240),
        (0.95, 290, 380),
        (0.99, 510, 630),
    ],
)
def test_quantiles_are_those_of_uci(energy, share, low, high):
    assert low <= energy.quantile(share) <= high


def test_mean_and_spread_are_those_of_uci(energy):
    assert energy.mean() == pytest.approx(97.7, rel=0.06)
    assert energy.std() == pytest.approx(102.5, rel=0.1)


def test_day_has_the_hours_of_uci(house, energy):
    by_hour = energy.groupby(house["date"].dt.hour).mean()
    assert np.corrcoef(by_hour, UCI_MEAN_BY_HOUR_WH)[0, 1] > 0.95
    assert np.abs(by_hour - UCI_MEAN_BY_HOUR_WH).max() < 35


def test_week_has_the_days_of_uci(houses):
    """Of the three houses together: the mean of 20 Mondays of one house says little."""
    house = pd.concat(houses.values())
    by_day = house.groupby(house["date"].dt.day_of_week)["Appliances"].mean()
    assert np.corrcoef(by_day, UCI_MEAN_BY_WEEKDAY_WH)[0, 1] > 0.8


@pytest.mark.parametrize(
    ("lag", "uci", "tolerance"),
    [
        (1, 0.753, 0.04),
        (2, 0.534, 0.06),
        (3, 0.438, 0.06),
        (6, 0.324, 0.08),
        (12, 0.311, 0.14),
        (36, 0.021, 0.05),
        (72, -0.101, 0.05),
        (144, 0.216, 0.11),
        (1008, 0.217, 0.11),
    ],
)
def test_autocorrelation_is_that_of_uci(energy, lag, uci, tolerance):
    assert autocorrelation(energy, lag) == pytest.approx(uci, abs=tolerance)


def test_spikes_come_in_runs(energy):
    """UCI: 9.7 % of the rows exceed 200 Wh, in 548 runs of 3.5 steps; shuffled, the runs would be of 1.1 steps."""
    lengths = run_lengths(energy.to_numpy() > 200)
    assert 0.08 < lengths.sum() / len(energy) < 0.12
    assert 3.0 < lengths.mean() < 4.2
    assert (lengths == 1).mean() > 0.15
    assert (lengths >= 6).mean() > 0.1


def test_quiet_steps_change_little(energy):
    """UCI: 29 % of the steps do not change at all and 39 % by 10 Wh."""
    change = energy.diff().abs()
    assert 0.22 < (change == 0).mean() < 0.36
    assert 0.32 < (change == 10).mean() < 0.46


# Everything else


def test_lights_are_mostly_off_and_stay_as_they_are(house):
    assert (house["lights"] == 0).mean() == pytest.approx(0.77, abs=0.04)
    assert autocorrelation(house["lights"], 1) == pytest.approx(0.78, abs=0.08)
    by_hour = house["lights"].groupby(house["date"].dt.hour).mean()
    assert by_hour.loc[18:22].min() > 2 * by_hour.loc[2:6].max()


def test_weather_has_a_day_and_a_year(house):
    by_hour = house.groupby(house["date"].dt.hour)[["T_out", "RH_out"]].mean()
    assert 4 < by_hour["T_out"].max() - by_hour["T_out"].min() < 8
    assert 13 <= by_hour["T_out"].idxmax() <= 17
    assert by_hour["T_out"].corr(by_hour["RH_out"]) < -0.9
    by_month = house.groupby(house["date"].dt.month)["T_out"].mean()
    assert by_month[5] - by_month[1] > 5


def test_weather_is_interpolated_from_whole_hours(house):
    """Within an hour every row lies on one line, up to its rounding to 0.01."""
    bend = house[list(WEATHER_COLUMNS)].diff().diff().abs()
    within = house["date"].dt.minute.between(20, 50) | (house["date"].dt.minute == 0)
    assert bend[within].max(axis=None) < 0.021
    assert bend[~within].max(axis=None) > 1


def test_rooms_follow_the_weather_with_delay(house):
    """The thicker the walls the later: the best delay of room 2 is hours, of room 9 longer, of the north wall none."""

    def best_delay(column: str) -> tuple[int, float]:
        fits = {lag: house[column].corr(house["T_out"].shift(lag)) for lag in range(0, 145, 6)}
        delay = max(fits, key=fits.__getitem__)
        return delay, fits[delay]

    north, near, far = (best_delay(column) for column in ("T6", "T2", "T9"))
    assert north[0] == 0
    assert 6 <= near[0] <= 24
    assert far[0] > near[0]
    assert north[1] > 0.95
    assert near[1] > 0.8
    assert far[1] > 0.6
    assert house["T9"].std() < 0.6 * house["T6"].std()


def test_bathroom_has_showers(house):
    """UCI: the humidity of room 5 reaches 96 %, of no other room 64 %, and jumps by more than 10 % in a step."""
    others = [f"RH_{room}" for room in (1, 2, 3, 4, 7, 8, 9)]
    assert house["RH_5"].max() > 80
    assert house[others].max(axis=None) < 70
    assert (house["RH_5"].diff() > 10).sum() > 50
    assert (house["RH_5"].diff() < -10).sum() < 10


# Forecasts, by the protocol: one step ahead, chronological 60/20/20, scored on the test part


def test_persistence_and_ridge_rank_as_on_uci(house, energy):
    values = energy.to_numpy()
    windows = np.lib.stride_tricks.sliding_window_view(values, LOOKBACK)[:-1]  # [targets, LOOKBACK]
    angle = 2 * np.pi * (house["date"].dt.hour + house["date"].dt.minute / 60)[LOOKBACK:] / 24
    weekend = house["date"].dt.day_of_week[LOOKBACK:] >= 5
    inputs = StandardScaler().fit_transform(np.column_stack([windows, np.sin(angle), np.cos(angle), weekend]))
    targets = values[LOOKBACK:]
    train, test = slice(0, TRAINING_END - LOOKBACK), slice(TEST_START - LOOKBACK, None)

    mean = rmse(values[:TRAINING_END].mean(), targets[test])
    persistence = rmse(windows[test, -1], targets[test])
    ridge = rmse(Ridge(10).fit(inputs[train], targets[train]).predict(inputs[test]), targets[test])

    assert persistence == pytest.approx(UCI_PERSISTENCE_RMSE_WH, rel=0.1)
    assert ridge < 0.97 * persistence
    assert ridge > 0.8 * persistence
    assert persistence < 0.8 * mean


# The function


def test_same_arguments_give_the_same_bytes(houses):
    again = simulate(seed=1)
    pd.testing.assert_frame_equal(again, houses[1], check_exact=True)
    columns = list(UCI_COLUMNS)
    assert again[columns].to_numpy().tobytes() == houses[1][columns].to_numpy().tobytes()


def test_another_seed_is_another_house(houses):
    for column in UCI_COLUMNS:
        assert not houses[0][column].equals(houses[1][column])


def test_any_length_and_any_start():
    odd = simulate(7, start=pd.Timestamp("1999-12-31 23:43"), seed=5)
    assert odd["date"].iloc[[0, -1]].tolist() == [pd.Timestamp("1999-12-31 23:43"), pd.Timestamp("2000-01-01 00:43")]
    assert len(simulate(1)) == 1
    assert np.isfinite(odd[list(UCI_COLUMNS)]).all(axis=None)


def test_seasons_come_from_the_calendar():
    july, january = (simulate(3_000, start=start)["T_out"].mean() for start in ("2021-07-05", "2021-01-05"))
    assert july - january > 10


@pytest.mark.parametrize("rows", [0, -1])
def test_rows_must_be_positive(rows):
    with pytest.raises(InputError, match=f"rows must be at least 1, received {rows}"):
        simulate(rows)


@pytest.mark.parametrize("start", ["soon", "", "2016-01-11 17:00+01:00"])
def test_start_must_be_a_time_without_zone(start):
    with pytest.raises(InputError, match="start must be a time like '2016-01-11 17:00', received"):
        simulate(10, start=start)


def test_seed_must_not_be_negative():
    with pytest.raises(InputError, match="seed must be a whole number from 0 on, received -1"):
        simulate(10, seed=-1)


# Its parts


def test_an_appliance_runs_to_its_end_before_it_starts_again():
    dates = pd.date_range("2020-01-01", periods=9, freq="10min")
    always = Activity((100, 0, 0), (3, 3), 0.0, 144.0, (1,) * 24)
    load = usage(always, np.ones(9), dates, np.random.default_rng(0))
    assert np.flatnonzero(load).tolist() == [0, 3, 6]


def test_activities_start_more_often_in_winter():
    dates = pd.date_range("2016-01-01", "2021-12-31", freq="10min")
    rate = pd.Series(start_rate(dates, np.random.default_rng(0))).groupby(dates.month).mean()
    assert 1.15 < rate[1] / rate[7] < 1.6
    assert rate.mean() == pytest.approx(1, abs=0.1)


def test_hourly_profile_goes_round_the_clock():
    times = pd.DatetimeIndex(["2020-01-01 00:30", "2020-01-01 07:00", "2020-01-01 23:30", "2020-01-02 00:00"])
    np.testing.assert_allclose(by_hour(times, tuple(range(24))), [0, 6.5, 23, 11.5])


def test_noise_has_unit_variance_from_the_first_value_on():
    rng = np.random.default_rng(0)
    paths = np.array([ar1(rng, 30, steps=5) for _ in range(4_000)])  # [paths, rows]
    np.testing.assert_allclose(paths.std(axis=0), 1, atol=0.05)
    assert np.corrcoef(paths[:, 0], paths[:, 5])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)


def test_a_wall_passes_63_percent_of_a_step_in_its_time_constant():
    outside = np.r_[0.0, np.ones(20)]
    np.testing.assert_allclose(delayed(outside, steps=10)[[0, 10, 20]], [0, 1 - np.exp(-1), 1 - np.exp(-2)])


def test_dew_point_of_room_air():
    np.testing.assert_allclose(
        dew_point(np.array([20.0, 20.0, -5.0]), np.array([100.0, 50.0, 100.0])), [20, 9.26, -5], atol=0.02
    )


def test_profiles_stretch_and_squeeze():
    assert resampled((1, 3, 5), 3).tolist() == [1, 3, 5]
    assert resampled((1, 3, 5), 1).tolist() == [3]
    assert resampled((0, 4), 4).tolist() == [0, 1, 3, 4]


def test_meters_count_in_tens():
    assert tens(np.array([-5.0, 14.9, 15.1, 2000.0]), 10, 1100).tolist() == [10, 10, 20, 1100]
