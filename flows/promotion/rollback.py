"""Going back to an earlier champion: it is loaded and tried first, and only then named."""

from __future__ import annotations

from wattcast.flows.forecast import load
from wattcast.model.errors import InputError
from wattcast.tasks.registry.clean_room import try_elsewhere
from wattcast.tasks.registry.ledger import Entry, roll_back, settle
from wattcast.tasks.registry.names import MODEL, PREVIOUS
from wattcast.tasks.registry.versions import Version, Versions
from wattcast.tasks.tracking.store import tracking_faults


def roll_back_to(name: str = MODEL, to: str | None = None, why: str = "") -> Entry:
    """Make the version `to`, a number or an alias, the champion again; the previous champion unless one is named.

    Raises:
        InputError: there is no such version, it is the champion already, or it does not pass its test.
    """
    with tracking_faults():
        versions = Versions.open(name)
        settle(versions)
        if to is None and versions.aliased(PREVIOUS) is None:
            raise InputError(f"{name} has had no champion before: name a version with --to, see `wattcast models`")
        target = versions.find(to or PREVIOUS)
        _require_sound(versions, target)
        return roll_back(versions, target, why=why)


def _require_sound(versions: Versions, target: Version) -> None:
    """It forecasts from its own example, here and in an empty folder."""
    served = load(versions, target)
    example = versions.example(target)
    check = try_elsewhere(versions, target, example, served.predict(example))
    if not check.passed:
        raise InputError(f"version {target.number} of {versions.model} is not taken: {check.message}")
