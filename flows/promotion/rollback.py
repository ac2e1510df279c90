"""Going back to an earlier champion: it is tried first, and only then named."""

from __future__ import annotations

import numpy as np

from wattcast.model.errors import InputError
from wattcast.tasks.registry import clean_room
from wattcast.tasks.registry.clean_room import CannotForecastError
from wattcast.tasks.registry.ledger import Entry, roll_back, settle
from wattcast.tasks.registry.names import MODEL, PREVIOUS
from wattcast.tasks.registry.versions import Version, Versions
from wattcast.tasks.stages import stage
from wattcast.tasks.tracking.store import tracking_faults


def roll_back_to(name: str = MODEL, to: str | None = None, why: str = "", *, trust: bool = False) -> Entry:
    """Make the version `to`, a number or an alias, the champion again; the previous champion unless one is named.

    With `trust` it may be one that no retraining has registered.

    Raises:
        InputError: there is no such version, it is the champion already, or it does not pass its test.
    """
    with tracking_faults():
        versions = Versions.open(name, trusting=trust)
        settle(versions)
        if to is None and versions.aliased(PREVIOUS) is None:
            raise InputError(f"{name} has had no champion before: name a version with --to, see `wattcast models`")
        target = versions.find(to or PREVIOUS)
        try_example(versions, target)
        return roll_back(versions, target, why=why)


def try_example(versions: Versions, version: Version) -> None:
    """A version forecasts from its own example, as it is served.

    Raises:
        InputError: it does not.
    """
    name = f"version {version.number} of {versions.model}"
    try:
        with stage(f"trying {name} in an empty folder"):
            made = clean_room.forecast_example(versions, version)
    except CannotForecastError as fault:
        raise InputError(f"{name} {fault}") from fault
    if not np.isfinite(made.select_dtypes("number").to_numpy(np.float64)).all():
        raise InputError(f"{name} forecasts what is no number")
