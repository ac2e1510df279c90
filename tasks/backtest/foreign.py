"""A forecaster of the user's own, by its import path: a plain class with `fit` and `forecast`.

It is given clean readings up to a moment and never a later one, each time as a copy of its own: neither a view of what
comes after, nor something that it could change for the others.

N: forecasts of a fold. L: output length. K: targets. Q: quantiles.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.cells import shown
from wattcast.model.clock import instants
from wattcast.model.errors import InputError
from wattcast.model.intervals import quantile_column
from wattcast.model.readings import nearest
from wattcast.tasks.backtest.contest import Fold, Forecasts
from wattcast.tasks.backtest.contestants import ForecastError, raised

_REAL = "iuf"  # kinds of numbers; no dates, which would be nanoseconds
_METHODS = {"fit": "(self, readings)", "forecast": "(self, readings, ahead)"}
_PROTOCOL = "a class with fit(self, readings) and forecast(self, readings, ahead), made without arguments"


class ForeignForecaster(Protocol):
    """What a user's class must do. It is made anew, without arguments, in each fold."""

    def fit(self, readings: pd.DataFrame) -> object:
        """Learn from clean `readings`, indexed by time, with a column for each target, feature and known column."""

    def forecast(self, readings: pd.DataFrame, ahead: pd.DataFrame) -> Any:
        """Forecast the L steps whose times are the index of `ahead`, from `readings` up to the moment of the forecast.

        `ahead` has the known columns, and no others. What is returned are L numbers, of K targets `[L, K]`; or a table
        with a column for each target, and where intervals are scored one for each of its quantiles, such as `load_p05`.
        """


@dataclass(frozen=True)
class Foreign:
    """The contestant that a user's class is: `name` is its import path, `package.module:Class`."""

    name: str

    def forecast(self, fold: Fold) -> Forecasts:
        """Fit on the readings up to the cut, then forecast from each moment that the fold scores.

        Raises:
            ForecastError: its code raises, or returns what are no forecasts.
        """
        kind = load(self.name)
        file = sys.modules[kind.__module__].__file__
        frame, newest = fold.frame, fold.scored.newest_row
        targets, columns = list(fold.readings.targets), list(fold.readings.columns)
        times = pd.DatetimeIndex(frame.index)
        first, last = int(fold.known.take(slice(1)).input_rows[0, 0]), int(times.searchsorted(fold.cut, side="right"))
        with _its_own_code("it", file):
            own = kind()
        with _its_own_code("fit", file):
            own.fit(frame[columns].iloc[first:last].copy())
        points: list[Floats] = []
        bounds: list[Floats] = []
        for row, rows in zip(newest, fold.scored.target_rows, strict=True):
            readings, ahead = frame[columns].iloc[: row + 1].copy(), fold.ahead(times[row], times[rows])
            with _its_own_code(f"forecast at {times[row]}", file):
                made = own.forecast(readings, ahead)
                point, bound = _read(made, times[rows], targets, fold.intervals.quantiles)
            points.append(point)
            bounds += [bound] if bound is not None else []
        if bounds and len(bounds) < len(points):
            raise ForecastError(
                f"it gives quantiles in {len(bounds):,} of {len(points):,} forecasts: expected in all or in none"
            )
        return Forecasts(np.stack(points), np.stack(bounds) if bounds else None)


def load(path: str) -> type[ForeignForecaster]:
    """The class at `package.module:Class`, which is looked for in the current folder first.

    Raises:
        InputError: there is none, it cannot be imported, or it lacks what is asked of it.
    """
    module_name, _, name = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), name)):
        raise InputError(
            f"a forecaster is named as package.module:Class, such as mine.forecasts:Mine, received {path!r}"
        )
    with _current_folder_first():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                raise InputError(
                    f"there is no module {error.name!r} for {path!r}: neither {error.name.replace('.', '/')}.py in "
                    f"{Path.cwd()} nor an installed one"
                ) from None
            raise InputError(f"{module_name!r} cannot be imported for {path!r}: {raised(error)}") from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise InputError(f"{module_name!r} cannot be imported for {path!r}: {raised(error)}") from None
    kind: Any = getattr(module, name, None)
    if not inspect.isclass(kind):
        classes = [each for each, value in vars(module).items() if inspect.isclass(value)]
        what = f"there is no class {name!r} in" if kind is None else f"{name!r} is no class in"
        raise InputError(f"{what} {module_name!r}{nearest(name, classes) or f': expected {_PROTOCOL}'}")
    _require_protocol(kind, path)
    return cast("type[ForeignForecaster]", kind)


def _require_protocol(kind: type, path: str) -> None:
    """It has the methods, which take what they will be given."""
    for method, signature in _METHODS.items():
        function = getattr(kind, method, None)
        if not callable(function):
            raise InputError(f"{path!r} has no method {method}{signature}: expected {_PROTOCOL}")
        if not _takes(function, signature.count(",") + 1):
            found = inspect.signature(function)
            raise InputError(f"{path!r} has {method}{found}, expected {method}{signature}")
    if not _takes(kind, 0):
        raise InputError(
            f"{path!r} cannot be made without arguments, received {kind.__name__}{inspect.signature(kind)}"
        )


def _takes(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # what is written in C tells nothing
        return True
    return True


@contextmanager
def _current_folder_first() -> Iterator[None]:
    """For what is imported now; what is imported later finds it behind all that is installed."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


@contextmanager
def _its_own_code(doing: str, file: str | None) -> Iterator[None]:
    try:
        yield
    except ForecastError as error:
        raise ForecastError(f"{doing}: {error}") from None
    except BaseException as error:  # a signal's, too, comes to another thread: to the one that waits for folds
        raise ForecastError(f"{doing} raised {raised(error, file)}") from error


def _read(
    made: Any, times: pd.DatetimeIndex, targets: list[str], quantiles: tuple[float, ...]
) -> tuple[Floats, Floats | None]:
    """`[L, K]` numbers and their quantiles `[L, K, Q]`, where they are given, out of what a forecaster returned.

    Raises:
        ForecastError: it returned something else.
    """
    if isinstance(made, pd.DataFrame | pd.Series):
        index = made.index
        if isinstance(index, pd.DatetimeIndex) and not _same_times(index, times):
            span = f" from {index[0]} to {index[-1]}" if len(index) else ""
            raise ForecastError(
                f"returned {len(index)} times{span}, expected the {len(times)} of ahead, from {times[0]} to {times[-1]}"
            )
    if not isinstance(made, pd.DataFrame):
        return _numbers(made, times, targets), None
    if lacking := [name for name in targets if name not in made]:
        raise ForecastError(f"returned a table without the column {lacking[0]!r}, received {list(map(str, made))}")
    point = _numbers(made[targets], times, targets)
    names = [quantile_column(target, quantile) for target in targets for quantile in quantiles]
    lacking = [name for name in names if name not in made]
    if len(lacking) == len(names):
        return point, None
    if lacking:
        raise ForecastError(f"returned quantiles without {lacking[0]!r}, expected all of {names} or none")
    return point, _numbers(made[names], times, names).reshape(len(times), len(targets), len(quantiles))


def _same_times(index: pd.DatetimeIndex, times: pd.DatetimeIndex) -> bool:
    if (index.tz is None) != (times.tz is None):
        return False
    return np.array_equal(instants(index), instants(times))


def _numbers(made: Any, times: pd.DatetimeIndex, names: list[str]) -> Floats:
    """`[L, C]` finite numbers, of L `times` and C `names`."""
    try:
        given = np.asarray(np.ma.filled(made.astype(object), np.nan) if np.ma.isMaskedArray(made) else made)
        values = given.astype(np.float64) if given.ndim == 0 or _is_real(given) else None
    except (TypeError, ValueError):
        values = None
    if values is None:
        raise ForecastError(f"returned {type(made).__name__}, which is no array of numbers")
    steps = len(times)
    expected = f"expected {_steps(steps)}" + (f" of {len(names)} columns" if len(names) > 1 else "")
    if values.ndim == 0:
        raise ForecastError(f"returned {shown(made)}, {expected}")
    if values.ndim > 2:
        raise ForecastError(f"returned the shape {values.shape}, {expected}")
    if len(values) != steps:
        raise ForecastError(f"returned {_steps(len(values))}, {expected}")
    if values.ndim == 1:
        values = values[:, None]
    if values.shape[1] != len(names):
        raise ForecastError(f"returned the shape {np.shape(made)}, {expected}")
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32))  # as readings must be: the square of a larger one is none
    if not finite.all():
        step, column = np.argwhere(~finite)[0]
        raise ForecastError(
            f"returned {values[step, column]} for {names[column]!r} at step {step + 1} of {steps}, "
            f"expected finite numbers"
        )
    return values


def _is_real(given: npt.NDArray[Any]) -> bool:
    """Numbers, of which some may be missing; NumPy would take text and truth values among objects for numbers, too."""
    if given.dtype.kind != "O":
        return given.dtype.kind in _REAL
    return not any(isinstance(each, str | bytes | bool | np.bool_) for each in given.flat)


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"
