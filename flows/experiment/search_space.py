"""The search space of an experiment: which options a sweep may change, and that it may."""

from __future__ import annotations

from typing import Any, get_args

from wattcast.flows.experiment.experiment import Experiment, option_type
from wattcast.model.errors import InputError
from wattcast.model.readings import nearest
from wattcast.tasks.tuning.ranges import Range, Scalar, Space, Suggester

_REFUSED = {
    "fit.seed": "a seed is luck, not a setting",
    "fit.kernel": "it changes the speed, not the forecast",
    "fit.refit": "trials are judged on validation and never refitted",
    "preset": "ranges are those of one preset: sweep each by itself",
    "found_by": "it says where values come from",
    "data": "trials must be judged on the same readings",
    "file.": "trials must be judged on the same readings",
    "readings.": "trials must be judged on the same readings",
    "split.": "trials must be judged on the same rows",
    "window.steps_ahead": "trials must forecast the same",
    "window.output_length": "trials must forecast the same",
    "window.min_history": "trials must be judged on the same moments",
    "sweep.": "it is what says what is searched",
}


def check_space(experiment: Experiment) -> None:
    """Refuse what no trial could use.

    Raises:
        InputError: there is nothing to search, or a range of an option that is unknown, may not be searched or does not
            take its values; all faults in one message.
    """
    if not experiment.sweep:
        raise InputError(
            f"preset {experiment.preset!r} and what you changed have nothing to search: give ranges in a table "
            f"[sweep], such as fit.initial_learning_rate = {{ low = 1e-4, high = 1e-2, log = true }}"
        )
    faults = [
        f"sweep.{name}: {fault}"
        for name, values in experiment.sweep.items()
        for fault in _faults(experiment, name, values)
    ]
    if faults:
        raise InputError("\n".join(faults))


def untuned(experiment: Experiment) -> dict[str, Scalar]:
    """The experiment's own values of what is searched."""
    flat = experiment.flat(unset=True)
    return {name: flat[name] for name in experiment.sweep}


def suggested(trial: Suggester, space: Space) -> dict[str, Scalar]:
    """The values that `trial` gives to everything that is searched."""
    return {name: values.suggest(trial, name, whole=_is_whole(name)) for name, values in space.items()}


def _faults(experiment: Experiment, name: str, values: Range) -> list[str]:
    for refused, reason in _REFUSED.items():
        if name == refused or (refused.endswith(".") and name.startswith(refused)):
            return [f"this option cannot be searched: {reason}"]
    options = experiment.flat(unset=True)
    if name not in options:
        hint = nearest(name, options) or f". Allowed: {', '.join(options)}"
        return [f"there is no such option{hint}"]
    return _number_faults(name, values) or _value_faults(experiment, name, values)


def _number_faults(name: str, values: Range) -> list[str]:
    kind = option_type(name)
    if values.choices is None and not {int, float} & {kind, *get_args(kind)}:
        return ["it is no number: give choices instead of low and high"]
    if (
        values.choices is None
        and _is_whole(name)
        and any(part != int(part) for part in (*values.ends, values.step or 1))
    ):
        return [f"it takes whole numbers, received low = {values.low}, high = {values.high}, step = {values.step}"]
    return []


def _value_faults(experiment: Experiment, name: str, values: Range) -> list[str]:
    for end in values.ends:
        try:
            experiment.changed({name: end})
        except InputError as error:
            return [f"{end!r} cannot be used: {error}"]
    own: Any = experiment.flat(unset=True)[name]
    if not values.has(own):
        return [f"the untuned value {own!r}, which is tried first, is not among its values: widen them or set {name}"]
    return []


def _is_whole(name: str) -> bool:
    kind = option_type(name)
    return int in {kind, *get_args(kind)}
