"""Several members of an ensemble trained as one."""

from __future__ import annotations

from statistics import median

from tests.benchmarks.contenders import wattcast
from tests.benchmarks.house import make_house
from tests.benchmarks.processes import in_child
from tests.benchmarks.settings import Setting, Size
from tests.benchmarks.stopwatch import watch
from tests.benchmarks.table import Group, Row, Table

MEMBERS = (1, 4)


def members_table(size: Size) -> Table:
    """A whole training of one member and of four, both already compiled."""
    setting = Setting(windows=size.windows)
    runs = in_child(_training_seconds, setting, size.epochs, size.repeats)
    return Table(
        f"A training of {size.epochs} epochs, everything compiled before ({setting})",
        ("members", "seconds", "x one member", "seconds an epoch and member"),
        (Group(tuple(_row(members, runs, size.epochs) for members in MEMBERS)),),
        text=0,
    )


def _training_seconds(setting: Setting, epochs: int, repeats: int) -> dict[int, list[float]]:
    """Of each of the repeated trainings, by members; in turns, after one of each that does not count."""
    house = make_house(setting.windows, setting.lookback)
    runs: dict[int, list[float]] = {members: [] for members in MEMBERS}
    for _ in range(1 + repeats):
        for members in MEMBERS:
            train = wattcast(house, setting, epochs, members=members)
            runs[members].append(sum(watch(train).epochs))
    return {members: run[1:] for members, run in runs.items()}


def _row(members: int, runs: dict[int, list[float]], epochs: int) -> Row:
    run = runs[members]
    ratios = [many / one for many, one in zip(run, runs[1], strict=True)]
    each = median(run) / epochs / members
    return (str(members), f"{median(run):.2f}", f"{median(ratios):.2f}", f"{each:.3f}")
