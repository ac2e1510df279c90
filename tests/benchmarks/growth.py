"""How an epoch grows with the data and the network."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from tests.benchmarks.contenders import wattcast
from tests.benchmarks.house import make_house
from tests.benchmarks.processes import in_child
from tests.benchmarks.settings import Setting, Size
from tests.benchmarks.stopwatch import watch
from tests.benchmarks.table import Group, Row, Table


def growth_table(size: Size) -> Table:
    """wattcast's epoch with more windows, longer ones, and more units."""
    base = Setting(windows=size.windows)
    groups = (
        tuple(replace(base, windows=times * size.windows) for times in (1, 2, 4)),
        tuple(replace(base, lookback=steps) for steps in (18, 36, 72)),
        tuple(replace(base, layers=(units, units // 2)) for units in (16, 32, 64, 128)),
    )
    settings = tuple(dict.fromkeys(setting for group in groups for setting in group))  # the base one once
    epochs = dict(zip(settings, in_child(_epochs, settings, size.epochs), strict=True))
    return Table(
        f"How an epoch of wattcast grows (batch {base.batch_size})",
        ("windows", "lookback", "units", "epoch s", "x base", "x base, arithmetic"),
        tuple(Group(tuple(_row(setting, base, epochs) for setting in group)) for group in groups),
        text=0,
    )


def _epochs(settings: tuple[Setting, ...], epochs: int) -> list[float]:
    """Median seconds of an epoch after the first, of each setting."""
    return [_epoch(setting, epochs) for setting in settings]


def _epoch(setting: Setting, epochs: int) -> float:
    house = make_house(setting.windows, setting.lookback)
    return median(watch(wattcast(house, setting, 1 + epochs)).epochs[1:])


def _row(setting: Setting, base: Setting, epochs: dict[Setting, float]) -> Row:
    return (
        f"{setting.windows:,}",
        str(setting.lookback),
        setting.units,
        f"{epochs[setting]:.3f}",
        f"{epochs[setting] / epochs[base]:.2f}",
        f"{setting.epoch_flops / base.epoch_flops:.2f}",
    )
