"""Intervals around forecasts, by localised split-conformal calibration: how far readings lay from forecasts like this.

N: forecasts. L: output length. K: targets. Q: quantiles. S: forecasts to calibrate on. H: hours of the day. G: nodes.

A network's errors on readings that it was not trained on are put in relation to the size of its forecast, and their
quantiles are taken apart for each step ahead, where errors count the more the nearer they are in time of day and in
size of the forecast (Guan 2023, Localized conformal prediction, Biometrika 110). How near is near is chosen on the same
readings, by parts of the time that are left out. Without any nearness it is the usual split-conformal interval (Lei et
al. 2018, JASA 113).

The quantiles are kept on a lattice of hours and sizes and interpolated in between. As they ascend at each node, they
never cross.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from wattcast.model.arrays import Floats, Rows
from wattcast.model.cells import shown
from wattcast.model.clock import on_the_clock
from wattcast.model.config import Config
from wattcast.model.errors import InputError
from wattcast.model.metrics import pinball
from wattcast.model.windows import Windows

HOURS = 24
_NODES = 12  # sizes of a forecast, from small to large
_SMALL = 0.25  # of the mean reading: forecasts below that have errors of about one size
_HOUR_WIDTHS = (1.0, 2.0, 4.0, math.inf)  # h
_SIZE_WIDTHS = (0.2, 0.4, 0.8, math.inf)  # of the standard deviation of sizes
_MOST = 4000  # errors a step ahead
_MOST_TO_CHOOSE, _STEPS_TO_CHOOSE = 2000, 3
_FOLDS = 5
_AT_ONCE = 200_000  # forecasts of a step whose bounds are computed together


class IntervalConfig(Config):
    """Which intervals stand around a forecast."""

    levels: tuple[float, ...] = Field(
        (), description="shares of the readings that intervals hold, such as 0.5 and 0.9; no intervals unless given"
    )
    by_hour: bool = Field(True, description="whether intervals may be wider at one time of day than at another")
    adaptive: bool = Field(
        True, description="whether wattcast forecast widens and narrows them by what its past forecasts have held"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_of_levels(cls, given: object) -> object:
        if isinstance(given, str):
            raise ValueError(f"must be levels such as [0.5, 0.9], received {shown(given)}")
        return {"levels": given} if isinstance(given, list | tuple | int | float) else given

    @field_validator("levels", mode="before")
    @classmethod
    def _one_level_is_a_list_of_one(cls, levels: object) -> object:
        return (levels,) if isinstance(levels, int | float) else levels

    @field_validator("levels")
    @classmethod
    def _levels_are_shares(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if wrong := [level for level in levels if not 0 < level < 1]:
            raise ValueError(f"each level must lie between 0 and 1, such as 0.9 for 90 %, received {wrong[0]:g}")
        if twice := sorted({level for level in levels if levels.count(level) > 1}):
            raise ValueError(f"each level may stand once, received twice: {', '.join(f'{level:g}' for level in twice)}")
        names = [quantile_column("", quantile) for quantile in _bounds(levels)]
        if len(set(names)) < len(names):
            raise ValueError(
                "the bounds of all levels must differ in the names of their columns, such as p05 and p97.5, of six "
                f"digits, received {', '.join(map(repr, levels))}"
            )
        return tuple(sorted(levels))

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The bounds of all intervals and the median, ascending; empty without intervals."""
        return _bounds(self.levels)


def _bounds(levels: Sequence[float]) -> tuple[float, ...]:
    if not levels:
        return ()
    tails = [round((1 - level) / 2, 10) for level in levels]
    return (*sorted(tails), 0.5, *sorted(round(1 - tail, 10) for tail in tails))


def levels_of(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The levels of the intervals that these bounds are of, ascending."""
    return tuple(sorted(round(1 - 2 * low, 10) for low in quantiles if low < 0.5))


def quantile_column(target: str, quantile: float) -> str:
    """The column of a forecast that holds a quantile of `target`: `load_p05`, `load_p50`, `load_p97.5`."""
    whole, _, fraction = f"{100 * quantile:.6g}".partition(".")
    return f"{target}_p{whole.zfill(2)}{'.' if fraction else ''}{fraction}"


def value_columns(targets: Sequence[str], quantiles: Sequence[float]) -> list[str]:
    """The columns of numbers in a forecast: each target, followed by its quantiles."""
    return [
        name for target in targets for name in (target, *(quantile_column(target, quantile) for quantile in quantiles))
    ]


def interval_levels(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The levels of the intervals that `quantiles` bound, the outermost first."""
    return tuple(round(1 - 2 * quantile, 10) for quantile in quantiles if quantile < 0.5)


def forecasts_needed(quantiles: Sequence[float]) -> int:
    """How many errors there must be for the outermost of `quantiles` to lie within them."""
    return math.ceil(round(1 / min(quantiles), 6)) - 1


def require_forecasts(count: int, config: IntervalConfig) -> None:
    """There are enough forecasts to calibrate what `config` asks for.

    Raises:
        InputError: there are not; the message says how many are needed.
    """
    if config.levels and count < (needed := forecasts_needed(config.quantiles)):
        raise InputError(
            f"an interval of {100 * max(config.levels):.10g} % needs {needed} forecasts to be calibrated on, the "
            f"validation part has {count}: enlarge it in [split], or ask for a lower level in intervals.levels"
        )


@dataclass(frozen=True)
class Nearness:
    """How near an error must be to count: widths of Gaussian weights, infinite where all count alike."""

    hours: float = math.inf
    sizes: float = math.inf  # of the standard deviation of sizes


@dataclass(frozen=True)
class Intervals:
    """Quantiles of relative errors on a lattice, for each step ahead and target."""

    quantiles: tuple[float, ...]  # [Q]
    small: Floats  # [K] forecasts much smaller than that have errors of one size
    sizes: Floats  # [L, K, G] nodes, ascending
    errors: Floats  # [L, K, H, G, Q] relative
    lowest: float
    nearness: Nearness
    forecasts: int  # that it was calibrated on

    @classmethod
    def fit(
        cls,
        forecasts: Floats,
        windows: Windows,
        config: IntervalConfig,
        *,
        nearness: Nearness | None = None,
    ) -> Intervals:
        """Calibrated on `forecasts` `[S, L, K]` of `windows` that what forecasts them was not trained on.

        Raises:
            InputError: they are too few for the levels.
        """
        quantiles, (count, steps, targets) = config.quantiles, forecasts.shape
        require_forecasts(count, config)
        kept = _evenly(count, _MOST)
        forecasts, windows = forecasts[kept], windows.take(kept)
        actual, hours = windows.actual, hours_of(windows)
        small = _SMALL * np.abs(actual).mean(axis=(0, 1))
        small = np.where(small > 0, small, 1.0)
        errors = (actual - forecasts) / _scale(forecasts, small)  # [S, L, K]
        sizes = _size(forecasts, small)
        cases = [
            _Errors(hours[:, step], sizes[:, step, k], errors[:, step, k]) for step, k in np.ndindex(steps, targets)
        ]
        if nearness is None:
            nearness = _choose(cases, quantiles, by_hour=config.by_hour)
        nodes = [case.nodes() for case in cases]
        lattice = [case.at(np.arange(HOURS), at, quantiles, nearness) for case, at in zip(cases, nodes, strict=True)]
        return cls(
            quantiles=quantiles,
            small=small,
            sizes=np.stack(nodes).reshape(steps, targets, _NODES),
            errors=np.stack(lattice).reshape(steps, targets, HOURS, _NODES, len(quantiles)),
            lowest=windows.series.lowest,
            nearness=nearness,
            forecasts=count,
        )

    def around(self, forecasts: Floats, windows: Windows) -> Floats:
        """`[N, L, K, Q]` quantiles around `forecasts` `[N, L, K]` of `windows`, no lower than a target can be."""
        hours, sizes = hours_of(windows), _size(forecasts, self.small)
        result = np.empty((*forecasts.shape, len(self.quantiles)))
        some = max(1, _AT_ONCE // len(forecasts))
        for first in range(0, forecasts.shape[1], some):
            steps = slice(first, first + some)
            result[:, steps] = self._interpolated(steps, hours[:, steps, None], sizes[:, steps])
        result *= _scale(forecasts, self.small)[..., None]
        result += forecasts[..., None]
        return np.maximum(result, self.lowest)

    def _interpolated(self, steps: slice, hours: Floats, sizes: Floats) -> Floats:
        """`[N, L, K, Q]` between the nodes of some steps, for `hours` `[N, L, 1]` and `sizes` `[N, L, K]`.

        Round the clock, and no farther than the outermost sizes.
        """
        nodes, lattice = self.sizes[steps], self.errors[steps]  # [L, K, G], [L, K, H, G, Q]
        lowest, highest = nodes[..., 0], nodes[..., -1]
        place = (np.clip(sizes, lowest, highest) - lowest) / (nodes[..., 1] - lowest)  # nodes are evenly spaced
        low = np.minimum(place.astype(np.int64), _NODES - 2)
        right = (place - low)[..., None]
        hour = hours.astype(np.int64) % HOURS
        later = (hours - np.floor(hours))[..., None]
        step, target = np.arange(nodes.shape[0])[:, None], np.arange(nodes.shape[1])

        def at(of: npt.NDArray[np.int64]) -> Floats:
            near: Floats = lattice[step, target, of, low] * (1 - right)
            near += lattice[step, target, of, low + 1] * right
            return near

        between: Floats = at(hour) * (1 - later) + at((hour + 1) % HOURS) * later
        return between

    def to_arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        """Everything as arrays of numbers, for `np.savez`."""
        return {
            "quantiles": np.array(self.quantiles),
            "small": self.small,
            "sizes": self.sizes,
            "errors": self.errors,
            "lowest": np.array(self.lowest),
            "nearness": np.array([self.nearness.hours, self.nearness.sizes]),
            "forecasts": np.array(float(self.forecasts)),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[np.float64]]) -> Intervals:
        """What `to_arrays` gave."""
        hours, sizes = arrays["nearness"].tolist()
        return cls(
            quantiles=tuple(arrays["quantiles"].tolist()),
            small=arrays["small"],
            sizes=arrays["sizes"],
            errors=arrays["errors"],
            lowest=float(arrays["lowest"]),
            nearness=Nearness(hours, sizes),
            forecasts=int(arrays["forecasts"]),
        )


def hours_of(windows: Windows) -> Floats:
    """`[N, L]` the time of day, in hours, that the clock shows at each step that is forecast."""
    times = on_the_clock(windows.series.times)
    hours = (times.to_numpy().astype("datetime64[m]").astype(np.int64) % 1440) / 60
    return hours[windows.target_rows]


def _size(forecasts: Floats, small: Floats) -> Floats:
    """Of a forecast in relation to a small one: about linear near zero, logarithmic far from it, on either side."""
    sizes: Floats = np.arcsinh(forecasts / small)
    return sizes


def _scale(forecasts: Floats, small: Floats) -> Floats:
    """What errors are put in relation to: the forecast's size, no less than a small one."""
    return np.hypot(forecasts, small)


@dataclass(frozen=True)
class _Errors:
    """The errors of one step ahead and target, in the order of time."""

    hours: Floats  # [S]
    sizes: Floats  # [S]
    errors: Floats  # [S]

    def nodes(self) -> Floats:
        """`[G]` sizes at even distances over all but the outermost ones."""
        low, high = np.quantile(self.sizes, [0.005, 0.995])
        return np.linspace(low, high if high > low else low + 1, _NODES)

    def take(self, which: npt.NDArray[np.int64]) -> _Errors:
        return _Errors(self.hours[which], self.sizes[which], self.errors[which])

    def at(
        self, hours: Floats | npt.NDArray[np.int64], sizes: Floats, quantiles: Sequence[float], near: Nearness
    ) -> Floats:
        """`[H, G, Q]` quantiles of the errors near each of `hours` `[H]` and `sizes` `[G]`."""
        order = np.argsort(self.errors)
        by_hour, by_size = self._apart(hours, sizes, order, near)  # [H, S], [G, S]
        return np.stack([self._quantiles(order, row + by_size, quantiles) for row in by_hour])

    def of_each(self, others: _Errors, quantiles: Sequence[float], near: Nearness) -> Floats:
        """`[S', Q]` quantiles of these errors for each of `others`."""
        order = np.argsort(self.errors)
        by_hour, by_size = self._apart(others.hours, others.sizes, order, near)
        return self._quantiles(order, by_hour + by_size, quantiles)

    def _apart(
        self, hours: Floats | npt.NDArray[np.int64], sizes: Floats, order: npt.NDArray[np.int64], near: Nearness
    ) -> tuple[Floats, Floats]:
        """Squared distances in widths: of `hours` and of `sizes` from each error, in `order`."""
        around_the_clock = np.abs((hours[:, None] - self.hours[order] + HOURS / 2) % HOURS - HOURS / 2)
        spread = self.sizes.std() or 1.0
        return (around_the_clock / near.hours) ** 2, ((sizes[:, None] - self.sizes[order]) / spread / near.sizes) ** 2

    def _quantiles(self, order: npt.NDArray[np.int64], apart: Floats, quantiles: Sequence[float]) -> Floats:
        """`[M, Q]` of errors in ascending `order`, by squared distances `[M, S]` and the rule of split-conformal ones.

        The forecast itself has the weight 1 and an error of which nothing is known: beyond the highest for an upper
        bound, below the lowest for a lower one. Where too few errors are near for the outermost quantile to exist, what
        is near is widened until there are enough.
        """
        weights = np.exp(-apart / 2)
        needed, width = _ENOUGH * forecasts_needed(quantiles), 1.0
        few = np.flatnonzero(weights.sum(axis=1) < needed)
        while len(few) and width < _WIDEST:
            width *= 2
            weights[few] = np.exp(-apart[few] / (2 * width**2))
            few = few[weights[few].sum(axis=1) < needed]
        weights[few] = 1.0
        sums, errors = np.cumsum(weights, axis=1), self.errors[order]
        total = sums[:, -1:]
        found = []
        for quantile in quantiles:
            reach = quantile * (total + 1)
            if quantile >= 0.5:
                place = (sums < reach - _ROUNDING).sum(axis=1)
            else:
                place = (sums <= reach - 1 + _ROUNDING).sum(axis=1)
            found.append(errors[np.minimum(place, len(errors) - 1)])
        return np.sort(np.stack(found, axis=1), axis=1)


_ROUNDING = 1e-9
_ENOUGH = 2  # times as many as there must be
_WIDEST = 64


def _evenly(count: int, most: int) -> Rows:
    """Places from the first to the last of `count`, at most so many, evenly apart."""
    places: Rows = np.linspace(0, count - 1, min(count, most)).astype(np.int64)
    return places


def _choose(cases: Sequence[_Errors], quantiles: Sequence[float], *, by_hour: bool) -> Nearness:
    """The nearness with the lowest mean pinball loss in parts of the time that were left out, over some steps ahead."""
    some = [cases[place] for place in _evenly(len(cases), _STEPS_TO_CHOOSE)]
    thinned = [case.take(_evenly(len(case.errors), _MOST_TO_CHOOSE)) for case in some]
    options = [Nearness(*widths) for widths in product(_HOUR_WIDTHS if by_hour else (math.inf,), _SIZE_WIDTHS)]
    return min(options, key=lambda near: np.mean([_loss(case, quantiles, near) for case in thinned]))


def _loss(case: _Errors, quantiles: Sequence[float], near: Nearness) -> float:
    """The mean pinball loss of relative errors in parts of the time that were left out."""
    losses = []
    for left_out in _parts(len(case.errors)):
        others = np.setdiff1d(np.arange(len(case.errors)), left_out)
        found = case.take(others).of_each(case.take(left_out), quantiles, near)  # [S', Q]
        losses.append(pinball(case.errors[left_out][:, None], found, np.array(quantiles)))
    return float(np.mean(losses))


def _parts(count: int) -> Iterator[npt.NDArray[np.int64]]:
    """Stretches of the time, each left out once."""
    return iter(np.array_split(np.arange(count), _FOLDS))
