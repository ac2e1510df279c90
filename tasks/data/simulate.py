"""A seeded house with the columns, units and habits of the UCI "Appliances energy prediction" data.

For tests, demonstrations and trials of load where the real file is absent; never for a published score. It is built of
pure functions of a time axis and a stream of random numbers:

* weather: hourly, with a yearly and a daily cycle and fronts, then interpolated to 10 minutes, as UCI's was;
* rooms: the weather, slowed and damped by the walls, plus slow noise of their own;
* appliances: a restless base load, people at home, and activities that start at random, at rates that depend on hour,
  weekday and season, and then run through a profile: spikes in runs, whose end a linear model sees late;
* lights: a slow latent demand, cut off at zero.

The clock is fixed, as UCI's is: no summer time. Arrays are [rows], one value each 10 minutes, unless marked [hours].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from wattcast.model.errors import InputError
from wattcast.tasks.data.uci import UCI_COLUMNS

Floats = NDArray[np.float64]
WattHours = NDArray[np.int64]

CADENCE = pd.Timedelta(minutes=10)
HOUR, DAY = 6, 144  # steps

APPLIANCES_RANGE_WH = (10, 1100)
BASE_WH, BASE_NOISE_WH = 48, 12.5  # fridge and standby: UCI's nights
HOME_WH = (0, 0, 0, 0, 0, 1, 3, 8, 12, 14, 16, 19, 24, 24, 19, 22, 25, 38, 52, 52, 46, 30, 14, 5)
"""Screens and small devices at hour 0..23: with the base they make the quartiles 50, 60 and 100 Wh."""
WEEKDAY_RATES = (1.4, 0.75, 0.75, 0.75, 1.15, 1.2, 0.95)
"""Starts of activities on Monday..Sunday, relative."""
WINTER = 0.15  # more starts in January and fewer in July: UCI's late test part is calmer than its training part
SPELL_SIGMA, SPELL_STEPS = 1.0, 5 * HOUR  # busy and idle spells: the autocorrelation's tail at lags 6 to 24


class Activity(NamedTuple):
    """What one use of an appliance draws, and when people start it."""

    profile_wh: tuple[int, ...]  # each 10 minutes from the start on, at level 1
    steps: tuple[int, int]  # shortest and longest use: the profile is squeezed or stretched to it
    level_sigma: float  # of a use's lognormal level: the heavy tail
    starts_per_day: float
    starts_by_hour: tuple[int, ...]  # relative, hour 0..23


MEALS = (0, 0, 0, 0, 0, 2, 3, 12, 23, 18, 12, 8, 7, 9, 5, 5, 9, 32, 45, 7, 9, 4, 1, 0)
CHORES = (0, 0, 0, 0, 0, 0, 1, 5, 9, 11, 15, 19, 14, 13, 7, 7, 14, 20, 12, 2, 5, 2, 0, 0)
ACTIVITIES = (
    Activity((170, 320, 120), (1, 4), 0.45, 3.2, MEALS),  # hob and oven: short runs above 200 Wh
    Activity((140, 350, 350, 340, 330, 320, 310, 200), (5, 10), 0.3, 0.75, CHORES),  # dryer and iron: long runs
    Activity((220, 300, 200, 40, 40, 40, 40, 40, 40, 200, 300, 270, 200), (12, 16), 0.3, 1.2, CHORES),  # dishwasher
)
WOBBLE = 0.22  # of a running appliance, relative

LIGHTS_MAX_WH = 70
LIGHTS_WH = (-8, -15, -22, -25, -25, -22, -16, -6, -4, -4, -4, -6, -7, -8, -8, -9, -8, -3, 2, 3, 6, 4, 2, -2)
"""Latent demand at hour 0..23, below zero on average: 77 % of the rows are dark."""

ROOM_MEANS_C = {1: 21.7, 2: 20.3, 3: 22.3, 4: 20.9, 5: 19.6, 7: 20.3, 8: 22.0, 9: 19.5}
ROOM_MEANS_RH = {1: 40.3, 2: 40.4, 3: 39.2, 4: 39.0, 5: 47.5, 7: 35.4, 8: 42.9, 9: 41.6}
ROOM_DELAYS = {1: 8, 2: 3, 3: 24, 4: 24, 5: 24, 7: 30, 8: 12, 9: 48}
"""Hours that a room's walls take to follow the weather. 6 is the north wall outdoors, 5 the bathroom."""
RH_RANGE = (1, 99.9)  # what the sensors can show: outdoors they stick to the floor on warm days, as UCI's RH_6 does
WALL_GAIN = 0.4  # deg C indoors for one outdoors
WEATHER_MEANS = {"T_out": 7.4, "RH_out": 79.8, "Tdewpoint": 3.8}  # of the months in which the rooms had their means


def simulate(rows: int = 19_735, *, start: str | pd.Timestamp = "2016-01-11 17:00", seed: int = 0) -> pd.DataFrame:
    """`rows` readings from `start` on of the house with this `seed`: `date`, then UCI's 28 columns in its order.

    Energy in Wh per 10 minutes, temperatures in deg C, humidities in %. Equal arguments give equal frames.

    Raises:
        InputError: for fewer than one row, a start that is no time stamp without a time zone, or a negative seed.
    """
    dates = _time_axis(rows, start)
    if seed < 0:
        raise InputError(f"seed must be a whole number from 0 on, received {seed!r}")
    for_weather, for_rooms, for_appliances, for_lights, for_noise = np.random.default_rng(seed).spawn(5)
    sky = weather(dates, for_weather)
    noise = for_noise.uniform(0, 50, rows).round(6)
    readings = {
        "Appliances": appliances(dates, for_appliances),
        "lights": lights(dates, for_lights),
        **rooms(sky, for_rooms),
        **sky,
        "rv1": noise,
        "rv2": noise,
    }
    return pd.DataFrame({"date": dates} | {name: readings[name] for name in UCI_COLUMNS})


def appliances(dates: pd.DatetimeIndex, rng: np.random.Generator) -> WattHours:
    """Energy in Wh: base load, people at home, and the largest activity under way (two at full power are rare)."""
    base = BASE_WH + BASE_NOISE_WH * ar1(rng, len(dates), steps=3)
    home = by_hour(dates, HOME_WH) * np.exp(0.65 * ar1(rng, len(dates), steps=3 * HOUR) - 0.2)
    rate = start_rate(dates, rng)
    largest = np.maximum.reduce([usage(activity, rate, dates, rng) for activity in ACTIVITIES])
    return tens((base + home + largest) * rng.lognormal(0, 0.07, len(dates)), *APPLIANCES_RANGE_WH)


def start_rate(dates: pd.DatetimeIndex, rng: np.random.Generator) -> Floats:
    """How much likelier than on average an activity starts: season, weekday, and busy or idle spells."""
    spell = np.exp(SPELL_SIGMA * ar1(rng, len(dates), steps=SPELL_STEPS) - SPELL_SIGMA**2 / 2)
    return np.asarray(spell * np.take(WEEKDAY_RATES, dates.day_of_week) * (1 - WINTER * summer(dates)))


def usage(activity: Activity, rate: Floats, dates: pd.DatetimeIndex, rng: np.random.Generator) -> Floats:
    """Energy in Wh of one activity, which starts at random where it is not already running."""
    by_day = by_hour(dates, activity.starts_by_hour) / np.mean(activity.starts_by_hour)
    starts = np.flatnonzero(rng.random(len(dates)) < activity.starts_per_day / DAY * by_day * rate)
    levels = rng.lognormal(0, activity.level_sigma, len(starts))
    lengths = rng.integers(*activity.steps, len(starts), endpoint=True)
    load, free = np.zeros(len(dates) + activity.steps[1]), 0
    for start, level, length in zip(starts.tolist(), levels.tolist(), lengths.tolist(), strict=True):
        if start >= free:
            free = start + length
            load[start:free] = level * resampled(activity.profile_wh, length)
    return load[: len(dates)] * rng.lognormal(-(WOBBLE**2) / 2, WOBBLE, len(dates))


def lights(dates: pd.DatetimeIndex, rng: np.random.Generator) -> WattHours:
    """Energy in Wh: the latent demand where it is positive."""
    noise = 14 * ar1(rng, len(dates), steps=3 * HOUR) + rng.normal(0, 4, len(dates))
    return tens(by_hour(dates, LIGHTS_WH) + noise, 0, LIGHTS_MAX_WH)


def weather(dates: pd.DatetimeIndex, rng: np.random.Generator) -> dict[str, Floats]:
    """The airport's six columns. A row between two hours already holds part of the next hour's value, as UCI's does."""
    hours = pd.date_range(dates[0].floor("h"), dates[-1].ceil("h"), freq="h")
    warmth = summer(hours)  # [hours]
    clear_sky = np.clip(1 + 0.5 * ar1(rng, len(hours), steps=24), 0, None)
    daily = 2.9 * (1 + 0.3 * warmth) * clear_sky * np.cos(2 * np.pi * (hours.hour.to_numpy() - 15) / 24)
    temperature = 10.5 + 7.5 * warmth + daily + 3.2 * ar1(rng, len(hours), steps=70)
    humidity = np.clip(77 - 8 * warmth - 4.5 * daily + 11 * ar1(rng, len(hours), steps=18), 24, 100)
    view = ar1(rng, len(hours), steps=1.5)
    hourly = {
        "T_out": temperature.round(1),
        "Press_mm_hg": (755.5 + 7.4 * ar1(rng, len(hours), steps=80)).round(1),
        "RH_out": humidity.round(),
        "Windspeed": np.rint(3.6 * np.exp(0.5 * ar1(rng, len(hours), steps=14))),
        "Visibility": np.where(view > 1.6, 64, np.clip(40 + 13 * (view + 0.2), 1, 40)).round(),
        "Tdewpoint": dew_point(temperature, humidity).round(1),
    }
    passed = (dates - hours[0]) / pd.Timedelta(hours=1)
    return {name: np.interp(passed, np.arange(len(hours)), values).round(2) for name, values in hourly.items()}


def rooms(sky: dict[str, Floats], rng: np.random.Generator) -> dict[str, Floats]:
    """Temperature (deg C) and humidity (%) of rooms 1 to 9."""
    rows = len(sky["T_out"])
    outside = {name: sky[name] - mean for name, mean in WEATHER_MEANS.items()}
    temperature: dict[str, Floats] = {}
    humidity: dict[str, Floats] = {}
    for room, hours in ROOM_DELAYS.items():
        warmer = WALL_GAIN * delayed(outside["T_out"], steps=hours * HOUR) + 0.7 * ar1(rng, rows, steps=DAY)
        damper = 0.7 * delayed(outside["Tdewpoint"], steps=DAY / 4) - 0.6 * warmer + 2.5 * ar1(rng, rows, steps=DAY)
        temperature[f"T{room}"] = ROOM_MEANS_C[room] + warmer
        humidity[f"RH_{room}"] = ROOM_MEANS_RH[room] + damper
    showers = rng.uniform(15, 45, rows) * (rng.random(rows) < 1 / DAY)
    humidity["RH_5"] += decaying(showers, steps=2 * HOUR)
    temperature["T6"] = sky["T_out"] + 0.5 + 1.2 * ar1(rng, rows, steps=DAY / 4)
    humidity["RH_6"] = 55 + 1.1 * outside["RH_out"] - 2 * outside["T_out"] + 18 * ar1(rng, rows, steps=2 * DAY)
    wet = {name: np.clip(values, *RH_RANGE) for name, values in humidity.items()}
    return {name: values.round(2) for name, values in (temperature | wet).items()}


def dew_point(temperature: Floats, humidity: Floats) -> Floats:
    """Dew point in deg C of air at `temperature` (deg C) and relative `humidity` (%), after Magnus."""
    gamma = np.log(humidity / 100) + 17.62 * temperature / (243.12 + temperature)
    return np.asarray(243.12 * gamma / (17.62 - gamma))


def decaying(shocks: Floats, *, steps: float) -> Floats:
    """The sum of all `shocks` so far, each decaying with a time constant of `steps`."""
    return np.asarray(lfilter([1], [1, -np.exp(-1 / steps)], shocks))


def ar1(rng: np.random.Generator, rows: int, *, steps: float) -> Floats:
    """Gaussian noise of mean 0 and variance 1 that forgets with a time constant of `steps`."""
    shocks = rng.standard_normal(rows)
    shocks[1:] *= np.sqrt(1 - np.exp(-2 / steps))
    return decaying(shocks, steps=steps)


def delayed(values: Floats, *, steps: float) -> Floats:
    """`values` as felt behind a wall: their exponential mean with a time constant of `steps`, at rest at the start."""
    return np.asarray(values[0] + decaying((values - values[0]) * (1 - np.exp(-1 / steps)), steps=steps))


def resampled(profile: tuple[int, ...], steps: int) -> Floats:
    """`profile` squeezed or stretched to so many `steps`."""
    return np.interp((np.arange(steps) + 0.5) * len(profile) / steps - 0.5, np.arange(len(profile)), profile)


def summer(dates: pd.DatetimeIndex) -> Floats:
    """-1 in the coldest days, about 20 January, to +1 half a year later."""
    return np.asarray(-np.cos(2 * np.pi * (dates.day_of_year.to_numpy() - 20) / 365.25))


def by_hour(dates: pd.DatetimeIndex, profile: tuple[int, ...]) -> Floats:
    """`profile`, 24 values for the middle of each hour, at every time."""
    hours = dates.hour.to_numpy() + dates.minute.to_numpy() / 60
    return np.interp(hours - 0.5, np.arange(24), profile, period=24)


def tens(values: Floats, low: int, high: int) -> WattHours:
    """`values` in multiples of 10 within [low, high], as the meters write them."""
    return np.rint(np.clip(values, low, high) / 10).astype(np.int64) * 10


def _time_axis(rows: int, start: str | pd.Timestamp) -> pd.DatetimeIndex:
    if rows < 1:
        raise InputError(f"rows must be at least 1, received {rows}")
    try:
        first = pd.Timestamp(start)
        if not isinstance(first, pd.Timestamp) or first.tz is not None:  # NaT is no Timestamp
            raise ValueError("a time stamp without a time zone is needed")
        return pd.date_range(first, periods=rows, freq=CADENCE)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"start must be a time like '2016-01-11 17:00', received {start!r}: {error}") from error
