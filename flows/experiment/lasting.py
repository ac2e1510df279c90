"""Durations among the options of a window: steps of the readings, whose cadence says how many.

Where the readings have faults of their own nothing says it, and what is a duration is left out: the faults are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattcast.model.durations import Lasting
from wattcast.model.readings import ReadingsConfig

_SEARCHED = ("window.lookback",)


def of_window(window: Mapping[str, Any], readings: ReadingsConfig | None) -> dict[str, Any]:
    """The options of `window`, of which each text is how long something lasts in `readings`."""
    if readings is None:
        return {name: value for name, value in window.items() if not _is_duration(value)}
    return {name: _lasting(value, readings) for name, value in window.items()}


def of_space(space: Mapping[str, Any], readings: ReadingsConfig | None) -> dict[str, Any]:
    """What a sweep searches, with steps of `readings` for each duration in the range of the lookback.

    Raises:
        ValueError: a text there is no duration of whole steps.
    """
    ours = {name: values for name, values in space.items() if name in _SEARCHED and isinstance(values, Mapping)}
    others = {name: values for name, values in space.items() if name not in ours}
    if readings is None:
        return others
    return {**others, **{name: _range(name, values, readings) for name, values in ours.items()}}


def _range(name: str, values: Mapping[str, Any], readings: ReadingsConfig) -> dict[str, Any]:
    def steps(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [steps(each) for each in value]
        lasts = _lasting(value, readings)
        try:
            return lasts.steps if isinstance(lasts, Lasting) else lasts
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    return {part: steps(value) for part, value in values.items()}


def _lasting(value: Any, readings: ReadingsConfig) -> Any:
    return Lasting(value, readings.cadence) if _is_duration(value) else value


def _is_duration(value: Any) -> bool:
    """A text that is no number."""
    return isinstance(value, str) and not value.strip().isdecimal()
