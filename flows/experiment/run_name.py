"""What tells one run from another in a list: preset, what differs from it, seed and data; lists cut off the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattcast.flows.experiment.dotted import SEPARATOR
from wattcast.flows.experiment.experiment import Experiment, data_name, read_experiment, read_preset
from wattcast.flows.experiment.lasting import of_window
from wattcast.model.durations import Lasting

_MOST, _LONGEST = 4, 24  # changes, and letters of a value
_TABLES = ("model", "fit", "window", "scale", "intervals", "baselines", "readings", "file")
_LEARNING = ("model.", "fit.", "window.", "scale.")
_UNTOLD = ("preset", "data", "fit.seed", "found_by")  # said elsewhere


def differences(experiment: Experiment) -> dict[str, Any]:
    """The options whose values are not the preset's, by dotted names; None where only the preset has such an option.

    Neither data, seed, origin nor the dates of the split, which are no choice between trainings; nor the steps of a
    duration that the preset says, which are others where the cadence is another one.
    """
    preset, ours = (each.flat() for each in (read_experiment(preset=experiment.preset), experiment))
    preset.update(_durations(experiment))
    names = (name for name in {**ours, **preset} if name not in _UNTOLD and not name.startswith("split."))
    return {name: ours.get(name) for name in names if ours.get(name) != preset.get(name)}


def _durations(experiment: Experiment) -> dict[str, Any]:
    """The preset's durations as steps of the experiment's own readings; None where they are no whole steps."""
    window = of_window(read_preset(experiment.preset).get("window", {}), experiment.readings)
    return {
        f"window{SEPARATOR}{name}": value.steps if value.fits else None
        for name, value in window.items()
        if isinstance(value, Lasting)
    }


def run_name(experiment: Experiment, data: str) -> str:
    """`recommended epochs=2 members=1 seed 0 office`, for the `data` that was found.

    An option is called by the last part of its name, unless two would be called so; beyond four it says how many more.
    """
    return " ".join([*_changes(experiment, differences(experiment)), f"seed {experiment.fit.seed}", data_name(data)])


def recipe_name(experiment: Experiment) -> str:
    """`recommended epochs=2`: what tells one way of learning from another, whatever it learns from."""
    learnt = {name: value for name, value in differences(experiment).items() if name.startswith(_LEARNING)}
    return " ".join(_changes(experiment, learnt))


def _changes(experiment: Experiment, changed: Mapping[str, Any]) -> list[str]:
    order = sorted(changed, key=_rank)
    short = [_ending(name) for name in order]
    told = [
        f"{ending if short.count(ending) == 1 else name.partition(SEPARATOR)[2]}={_value(changed[name])}"
        for name, ending in zip(order, short, strict=True)
    ]
    more = [f"+{len(told) - _MOST} more"] if len(told) > _MOST else []
    return [experiment.preset, *told[:_MOST], *more]


def _rank(name: str) -> int:
    table = name.partition(SEPARATOR)[0]
    return _TABLES.index(table) if table in _TABLES else len(_TABLES)


def _ending(name: str) -> str:
    """The last part of a dotted name, with what it is the place in where it is a number."""
    table, _, last = name.rpartition(SEPARATOR)
    return f"{_ending(table)}{SEPARATOR}{last}" if last.isdigit() and table else last


def _value(value: Any) -> str:
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
