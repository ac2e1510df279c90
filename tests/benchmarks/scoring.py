"""Forecasts: very many at once, and a single one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.benchmarks.contenders import stock_network
from tests.benchmarks.house import arrays, make_house
from tests.benchmarks.memory import Mark
from tests.benchmarks.ours import make_forecaster
from tests.benchmarks.processes import in_child
from tests.benchmarks.settings import Setting, Size
from tests.benchmarks.stopwatch import call_seconds, seconds
from tests.benchmarks.table import Group, Row, Table
from wattcast.model.forecaster import Forecaster
from wattcast.tasks.data.simulate import simulate

FEW = 512  # windows, where the weights do not matter


def scoring_table(size: Size) -> Table:
    """Time and memory of `Forecaster.predict` for very many windows."""
    setting = Setting(windows=size.scored)
    taken, added_mb = in_child(_score, setting)
    return Table(
        f"Forecasts from {size.scored:,} windows at once ({setting.units} units)",
        ("seconds", "windows a second", "peak MB above the series"),
        (Group(((f"{taken:.1f}", f"{size.scored / taken:,.0f}", f"{added_mb:.0f}"),)),),
        text=0,
    )


def single_table(size: Size) -> Table:
    """Time of one forecast."""
    setting = Setting(windows=FEW)
    ways = in_child(_our_calls, setting, size.calls) | in_child(_keras_calls, setting, size.calls)
    return Table(
        f"One forecast in a running process ({setting.units} units)",
        ("way", "median ms", "95 % ms"),
        (Group(tuple(_row(way, calls) for way, calls in ways.items())),),
    )


def _score(setting: Setting) -> tuple[float, float]:
    """Seconds without and MB with the program's compilation."""
    forecaster = make_forecaster(make_house(FEW, setting.lookback), setting)
    windows = make_house(setting.windows, setting.lookback).windows.train
    mark = Mark.now()
    forecaster.predict(windows.take(slice(10_000)))
    return seconds(lambda: forecaster.predict(windows)), mark.added_mb


def _our_calls(setting: Setting, calls: int) -> dict[str, list[float]]:
    house = make_house(setting.windows, setting.lookback)
    with TemporaryDirectory() as folder:
        make_forecaster(house, setting).save(Path(folder))
        forecaster = Forecaster.load(Path(folder))
    window = house.windows.validation.take(slice(1))
    readings = simulate(setting.lookback)
    ways: dict[str, Callable[[], object]] = {
        "Forecaster.predict(window)": lambda: forecaster.predict(window),
        "Forecaster.forecast(readings)": lambda: forecaster.forecast(readings),
    }
    return {way: call_seconds(call, calls) for way, call in ways.items()}


def _keras_calls(setting: Setting, calls: int) -> dict[str, list[float]]:
    network = stock_network(setting)
    inputs, _ = arrays(make_house(setting.windows, setting.lookback).windows.validation.take(slice(1)))  # [1, T, F]
    ways: dict[str, Callable[[], object]] = {
        "Keras, network.predict(array)": lambda: network.predict(inputs, verbose=0),
        "Keras, network(array)": lambda: network(inputs),
    }
    return {way: call_seconds(call, calls) for way, call in ways.items()}


def _row(way: str, calls: list[float]) -> Row:
    half, most = np.quantile(calls, [0.5, 0.95]) * 1000
    return (way, f"{half:.2f}", f"{most:.2f}")
