"""Foundation models as contestants: trained on the series of others, offline, on nothing of this house.

Each target is forecast by itself from its own newest readings, a gap in them left as missing. The forecast is the
median, which these models give as their point; intervals are calibrated on validation as those of a baseline.

N: windows. B: windows at once. C: readings of a context. L: output length. K: targets.

Ansari et al. 2025, Chronos-2: From univariate to universal forecasting, arXiv:2510.15821.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Array, Floats
from wattcast.model.clock import instants
from wattcast.model.errors import InputError
from wattcast.model.windows import Windows
from wattcast.tasks.backtest.contest import Fold, Forecasts
from wattcast.tasks.backtest.contestants import with_intervals

FRACAST, CHRONOS = "fracast", "chronos:"
"""The name of the one, whose weights lie in its package, and what stands before the folder of the other's."""

_AT_ONCE = 16  # windows: more at once are slower
_TO_CALIBRATE = 500  # windows of validation: a forecast takes as long as thousands of a network trained here
_INSTALL = "pip install --editable '.[{}]'"

Median = Callable[[Array, int], "npt.NDArray[np.floating]"]
"""Contexts `[B, C]`, NaN where nothing was measured, to the medians `[B, H]` of the next H steps."""


@dataclass(frozen=True)
class Pretrained:
    """What forecasts from the newest `context` readings, whatever it is asked about."""

    median: Median
    context: int  # C
    cadence: pd.Timedelta

    def predict(self, windows: Windows) -> Floats:
        """`[N, L, K]`, no lower than a target can be."""
        config = windows.config
        steps, length = config.steps_ahead - 1 + config.output_length, config.output_length
        forecast = np.empty((len(windows), length, windows.series.readings.shape[1]))
        for k in range(forecast.shape[-1]):
            done = 0
            for some in windows.chunks(_AT_ONCE):
                made = self.median(contexts(some, k, self.context, self.cadence), steps)
                forecast[done : done + len(some), :, k] = made[:, -length:]
                done += len(some)
        return np.maximum(forecast, windows.series.lowest)


def contexts(windows: Windows, k: int, length: int, cadence: pd.Timedelta) -> Array:
    """`[N, C]`: the readings of target `k` on the grid, up to each window's newest one; NaN where there is none."""
    times = instants(windows.series.times)
    places = (times - times[0]) // cadence.to_timedelta64()
    newest = places[windows.newest_row]
    on_grid: Array = np.full(length + newest.max(), np.nan, np.float32)
    seen = places <= newest.max()
    on_grid[length - 1 + places[seen]] = windows.series.readings[seen, k]
    found: Array = on_grid[newest[:, None] + np.arange(length)]
    return found


@dataclass(frozen=True)
class Fracast:
    """Fracast-0, whose weights lie in its package."""

    name: str = FRACAST

    def forecast(self, fold: Fold) -> Forecasts:
        """Without any training."""
        return _forecast(fold, *_fracast())

    def require(self) -> None:
        """It is installed.

        Raises:
            InputError: it is not.
        """
        if find_spec("fracast") is None:
            raise InputError(f"the foundation model fracast is not installed: {_INSTALL.format('foundation')}")


@dataclass(frozen=True)
class Chronos:
    """Chronos-2, from a folder that holds its configuration and weights; nothing is downloaded."""

    name: str  # chronos:/path/to/folder

    def forecast(self, fold: Fold) -> Forecasts:
        """Without any training."""
        return _forecast(fold, *_chronos(str(self._folder)))

    @property
    def _folder(self) -> Path:
        return Path(self.name.removeprefix(CHRONOS)).expanduser()

    def require(self) -> None:
        """Its library is installed, and the folder holds a Chronos-2.

        Raises:
            InputError: it is not, or does not.
        """
        folder = self._folder
        wanted = "expected chronos:/path/to/folder with the config.json and model.safetensors of a Chronos-2"
        if not self.name.removeprefix(CHRONOS) or not folder.is_dir():
            raise InputError(f"there is no folder {str(folder)!r} for {self.name!r}: {wanted}")
        if lacking := [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]:
            raise InputError(f"{str(folder)!r} lacks {lacking[0]}: {wanted}")
        if find_spec("chronos") is None:
            raise InputError(
                f"chronos-forecasting, which {self.name!r} needs, is not installed: {_INSTALL.format('chronos')}"
            )


def _forecast(fold: Fold, median: Median, context: int) -> Forecasts:
    model = Pretrained(median, context, fold.readings.cadence)
    count = len(fold.validation)
    some = np.linspace(0, count - 1, min(count, _TO_CALIBRATE)).astype(np.int64)
    return with_intervals(replace(fold, validation=fold.validation.take(some)), model, lambda: model)


@cache
def _fracast() -> tuple[Median, int]:
    model = import_module("fracast").FracastModel.from_pretrained(weights="fp32")
    place = model.quantiles.index(0.5)

    def median(given: Array, steps: int) -> npt.NDArray[np.floating]:
        made: npt.NDArray[np.floating] = model.forecast_batch(given, horizon=steps)[..., place]
        return made

    return median, model.context_length


@cache
def _chronos(folder: str) -> tuple[Median, int]:
    model = import_module("chronos").Chronos2Pipeline.from_pretrained(folder, device_map="cpu", local_files_only=True)

    def median(given: Array, steps: int) -> npt.NDArray[np.floating]:
        _, made = model.predict_quantiles(given[:, None], prediction_length=steps, quantile_levels=[0.5])
        return np.stack([each[0].numpy() for each in made])

    return median, model.model_context_length
