"""What a sweep searches: all that must be known of it before Optuna is imported."""

from __future__ import annotations

import math
from typing import Any, Protocol

from pydantic import Field, model_validator

from wattcast.model.config import Config

Scalar = bool | int | float | str


class Suggester(Protocol):
    """What Optuna's trial offers of its own."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...
    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...
    def suggest_categorical(self, name: str, choices: list[Any]) -> Any: ...


class Range(Config):
    """The values that a sweep may give to one option: all from `low` to `high`, or one of `choices`."""

    low: int | float | None = Field(None, description="lowest value")
    high: int | float | None = Field(None, description="highest value")
    log: bool = Field(False, description="search evenly in the logarithm")
    step: int | float | None = Field(None, gt=0, description="distance of two values, counted from low")
    choices: tuple[Scalar, ...] | None = Field(None, min_length=1, description="the values, instead of low and high")

    @model_validator(mode="after")
    def _one_of_two_kinds(self) -> Range:
        if self.choices is not None:
            if any(given is not None for given in (self.low, self.high, self.step)) or self.log:
                raise ValueError("give either choices or low and high (with log or step), not both")
            if len(set(self.choices)) < len(self.choices):
                raise ValueError(f"each choice may stand once, received {list(self.choices)}")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give low and high, or choices, such as { low = 0.5, high = 1.0 } or { choices = [1, 2] }")
        if self.low >= self.high:
            raise ValueError(f"low must be below high, received low = {self.low} and high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 to be searched by its logarithm, received {self.low}")
        if self.log and self.step is not None:
            raise ValueError("give log or step, not both")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step must not be above high - low, received {self.step}")
        if not self.has(self.high):
            raise ValueError(f"high must be whole steps above low, received {self.high} for steps of {self.step}")
        return self

    def __str__(self) -> str:
        """The range in words: `0.001 to 0.02, log`."""
        if self.choices is not None:
            return f"one of {', '.join(map(str, self.choices))}"
        how = ", log" if self.log else "" if self.step is None else f", step {self.step}"
        return f"{self.low} to {self.high}{how}"

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """The values that an option must take for all between them to be taken: both ends, or every choice."""
        if self.choices is not None:
            return self.choices
        return tuple(end for end in (self.low, self.high) if end is not None)

    def has(self, value: Scalar) -> bool:
        """Whether a sweep could come upon `value`."""
        if self.choices is not None:
            return value in self.choices
        if isinstance(value, str) or self.low is None or self.high is None:
            return False
        steps = (value - self.low) / self.step if self.step else 0
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)

    def suggest(self, trial: Suggester, name: str, *, whole: bool) -> Scalar:
        """The value that `trial` gives to the option `name`; `whole` numbers where it takes no others."""
        if self.choices is not None:
            return trial.suggest_categorical(name, list(self.choices))  # type: ignore[no-any-return]
        low, high = self.low or 0, self.high or 0
        if whole:
            return trial.suggest_int(name, int(low), int(high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, float(low), float(high), step=self.step, log=self.log)


Space = dict[str, Range]
"""What is searched, by the dotted names of its options, such as `model.layers.0.units`."""
