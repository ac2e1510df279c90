"""What a model takes and gives: whoever uses it relies on that, so a challenger must not change it unnoticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wattcast.model.config import Config
from wattcast.model.grid import Label
from wattcast.model.intervals import levels_of, value_columns
from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig


class Contract(Config):
    """The readings that a model needs and the moments that it forecasts; steps of `cadence_minutes`."""

    timestamp: str
    time_format: str | None = None
    timezone: str | None = None
    label: Label = "start"  # where in its step a time stamp stands
    cadence_minutes: int
    inputs: tuple[str, ...]
    known: tuple[str, ...] = ()  # those of the inputs that rows to come must hold
    targets: tuple[str, ...]
    lookback: int
    steps_ahead: int
    output_length: int
    quantiles: tuple[float, ...] = ()
    unit: str | None = None  # of energy, of the forecasts; None where it is not known
    min_history: int | None = None
    seasonal_days: int = 0  # that the readings must reach back, gaps aside

    @property
    def history(self) -> int:
        """Readings without a gap that a forecast needs."""
        return self.lookback if self.min_history is None else self.min_history

    @classmethod
    def of(cls, readings: ReadingsConfig, window: WindowConfig, quantiles: tuple[float, ...] = ()) -> Contract:
        """That of a model with these configurations."""
        return cls(
            timestamp=readings.timestamp,
            time_format=readings.time_format,
            timezone=readings.timezone,
            label=readings.label,
            cadence_minutes=readings.cadence_minutes,
            inputs=tuple(sorted(set(readings.cells) - {readings.timestamp})),
            known=tuple(sorted(readings.known)),
            targets=readings.targets,
            lookback=window.lookback,
            steps_ahead=window.steps_ahead,
            output_length=window.output_length,
            quantiles=quantiles,
            unit=readings.energy_unit,
            min_history=window.min_history,
            seasonal_days=_seasonal_days(window, readings.cadence_minutes),
        )

    @property
    def behind(self) -> pd.Timedelta:
        """As that of `ReadingsConfig`."""
        return pd.Timedelta(minutes=self.cadence_minutes if self.label == "end" else 0)

    @classmethod
    def of_saved(cls, record: Mapping[str, Any]) -> Contract:
        """That of a forecaster by what its files say of it, written by whichever version."""
        readings, window = record["readings"], record["window"]
        known = readings.get("known", ())
        unit = {name: readings[name] for name in ("kind", "unit") if name in readings}
        return cls(
            **{name: readings[name] for name in ("timestamp", "cadence_minutes", "targets")},
            time_format=readings.get("time_format"),
            timezone=readings.get("timezone"),
            label=readings.get("label", "start"),
            quantiles=tuple(record.get("quantiles", ())),
            **{name: window[name] for name in ("lookback", "steps_ahead", "output_length")},
            min_history=window.get("min_history"),
            seasonal_days=_seasonal_days(WindowConfig.model_validate(window), readings["cadence_minutes"]),
            inputs=tuple(sorted([*readings["targets"], *readings["features"], *known, *_beside(readings)])),
            known=tuple(sorted(known)),
            unit=ReadingsConfig.model_validate(unit).energy_unit,
        )

    @property
    def numbers(self) -> list[str]:
        """The columns of numbers in a forecast: each target, followed by its quantiles."""
        return value_columns(self.targets, self.quantiles)

    def differences(self, other: Contract) -> list[str]:
        """What users of `other` would meet in place of it, one phrase each. Fewer rows of history disturb nobody."""
        changed = [
            f"{name} {getattr(self, name)} instead of {getattr(other, name)}"
            for name in (
                "timestamp",
                "time_format",
                "timezone",
                "label",
                "cadence_minutes",
                "inputs",
                "known",
                "targets",
                "steps_ahead",
                "output_length",
            )
            if getattr(self, name) != getattr(other, name)
        ]
        if self.quantiles != other.quantiles:
            mine, theirs = (_listed(each.quantiles) for each in (self, other))
            changed.append(f"{mine} instead of {theirs}")
        if not self._same_unit(other):
            changed.append(f"unit {self.unit} instead of {other.unit}")
        if self.history > other.history:
            changed.append(f"history {self.history} instead of {other.history}")
        if self.seasonal_days > other.seasonal_days:
            changed.append(f"readings of {self.seasonal_days} days instead of {other.seasonal_days}")
        return changed

    def forecasts_like(self, other: Contract) -> bool:
        """Both forecast the same quantity for the same moments, so that their errors can be compared."""
        names = ("timestamp", "timezone", "label", "cadence_minutes", "steps_ahead", "output_length")
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and self.targets[0] == other.targets[0] and self._same_unit(other)

    def _same_unit(self, other: Contract) -> bool:
        """As far as both are known."""
        return self.unit == other.unit or None in {self.unit, other.unit}


def _listed(quantiles: tuple[float, ...]) -> str:
    """`intervals of 50 and 90 %`, by their bounds."""
    levels = [f"{100 * level:g}" for level in levels_of(quantiles)]
    return f"intervals of {' and '.join(levels)} %" if levels else "no intervals"


def _beside(readings: Mapping[str, Any]) -> list[str]:
    """The columns that place a row beside its time stamp."""
    meter = readings.get("meter") or {}
    return [name for name in (readings.get("time_of_day"), meter.get("column"), readings.get("available_at")) if name]


def _seasonal_days(window: WindowConfig, cadence_minutes: int) -> int:
    """The days that readings must reach back before a step; none where a history may be short."""
    return 0 if window.padded else window.seasons(pd.Timedelta(minutes=cadence_minutes)).days
