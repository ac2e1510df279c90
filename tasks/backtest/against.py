"""Who may be named to stand in a backtest beside networks: baselines, foundation models, a forecaster of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from wattcast.model.baseline import NAIVE
from wattcast.model.errors import InputError
from wattcast.tasks.backtest.contest import Contestant
from wattcast.tasks.backtest.contestants import Baseline, Boosted
from wattcast.tasks.backtest.foreign import Foreign, load
from wattcast.tasks.backtest.foundation import CHRONOS, FRACAST, Chronos, Fracast
from wattcast.tasks.learning.boosting import NAME as LIGHTGBM
from wattcast.tasks.learning.boosting import why_absent

RIDGE = "ridge"
BASELINES = (*NAIVE, RIDGE, LIGHTGBM)
"""The baselines of a backtest, the simplest first."""
NAMES = (*BASELINES, FRACAST, f"{CHRONOS}/path/to/folder", "package.module:Class")
"""What `find_contestant` knows, as a message shows it."""


def baselines(*, lightgbm: bool) -> tuple[tuple[Contestant, ...], str]:
    """All that there are, and why LightGBM is not among them though it was asked for; or nothing."""
    absent = why_absent() if lightgbm else ""
    plain = tuple(Baseline(name) for name in (*NAIVE, RIDGE))
    return (*plain, Boosted(LIGHTGBM)) if lightgbm and not absent else plain, absent


def find_contestant(name: str) -> Contestant | None:
    """The contestant of that name, ready to forecast; None where it may be the name of a preset, or of a TOML file.

    Raises:
        InputError: it is not installed, or not to be found where the name says.
    """
    if name in {*NAIVE, RIDGE}:
        return Baseline(name)
    if name == LIGHTGBM:
        if absent := why_absent():
            raise InputError(absent)
        return Boosted(name)
    if name == FRACAST or name.startswith(CHRONOS):
        model = Fracast() if name == FRACAST else Chronos(name)
        model.require()
        return model
    if ":" in name and not name.endswith(".toml"):
        load(name)
        return Foreign(name)
    return None


def simplest_first(contestants: Sequence[str]) -> list[str]:
    """The baselines from the simplest on, then the others as they stand."""
    return sorted(contestants, key=lambda name: BASELINES.index(name) if name in BASELINES else len(BASELINES))
