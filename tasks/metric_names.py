"""How metrics are named in MLflow: the few final scores first, then curves, then baselines and further networks.

MLflow shows charts in the order of their names, and makes a section of its own, ahead of all the others, of whatever
stands before a slash: so none has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TEST, HOLDOUT, BACKTEST = "test", "holdout", "backtest"
"""The part that a training is scored on, the newest days that judge a retraining, and the folds of a backtest: their
scores differ in rows, and share no name."""
_FORBIDDEN = re.compile(r"[^\w\-. ]")
_LONGEST = 150  # of 250 that MLflow takes in all


def of_baseline(part: str, model: str, metric: str) -> str:
    """A baseline's score: `test_vs_ridge_rmse`, which stands behind the network's `test_rmse`."""
    return f"{part}_vs_{model}_{metric}"


def of_curve(name: str, *, refit: bool, member: int) -> str:
    """A value of each epoch: `val_rmse`, `train_seconds`; `train_refit_rmse` in a refit.

    Those of a second or later network stand behind all others: `z_member_2_val_rmse`.
    """
    if not name.startswith(("train_", "val_")):
        name = f"train_{name}"
    if refit:
        name = f"train_refit_{name.removeprefix('train_')}"
    return name if member == 1 else f"z_member_{member}_{name}"


def endings(targets: Iterable[str]) -> dict[str, str]:
    """What stands behind a metric's name for each target: nothing for the first one, `.lights` for a later one."""
    first, *later = dict.fromkeys(targets)
    return {first: "", **{target: f".{name}" for target, name in distinct(later).items()}}


def distinct(names: Iterable[str]) -> dict[str, str]:
    """What each name, of a target or a contestant, becomes in that of a metric.

    What MLflow does not take becomes `_`. No two become the same: where they would, all but one get a number (of `b%`
    and `b&` one is `b_`, the other `b_-2`), and a name that is taken as it is stays. Names that differ in case alone
    are the same to some databases.
    """
    asked = list(dict.fromkeys(names))
    made: dict[str, str] = {}
    taken: set[str] = set()
    for given in sorted(asked, key=lambda name: _allowed(name) != name):
        name, number = _allowed(given), 1
        while (unique := name if number == 1 else f"{name}-{number}").casefold() in taken:
            number += 1
        taken.add(unique.casefold())
        made[given] = unique
    return {given: made[given] for given in asked}


def _allowed(name: str) -> str:
    return _FORBIDDEN.sub("_", name)[:_LONGEST]


def renamings(targets: Iterable[str]) -> str:
    """A sentence that says what metrics of later targets end in, where that is not their name; or nothing."""
    made = endings(targets).items()
    told = [f"those of {target!r} in {ending!r}" for target, ending in made if ending not in {"", f".{target}"}]
    return f"Metrics of a target end in its name, but {', '.join(told)}." if told else ""
