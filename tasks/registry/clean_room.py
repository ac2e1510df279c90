"""A version is used as it is served: in an empty folder, by a Python without this project, on the code that it carries.

MLflow puts the code of a model before all other code, but a process that has imported a module of that name keeps what
it has: the version would be judged by another program than the one that serves it. So each use has its own process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from wattcast.model.errors import InputError
from wattcast.tasks.registry import inside_clean_room as inside
from wattcast.tasks.registry.trust import UntrustedError
from wattcast.tasks.registry.versions import Version, Versions

_PATIENCE_S = 900


class CannotForecastError(RuntimeError):
    """A version cannot be loaded, or does not forecast. The message continues a sentence that begins with its name."""


class CannotLoadError(CannotForecastError):
    """A version cannot even be loaded."""


def forecast(versions: Versions, version: Version, readings: pd.DataFrame, *, every: bool = False) -> pd.DataFrame:
    """What `version` forecasts from raw `readings`: the newest forecast, or with `every` one from each moment.

    Raises:
        UntrustedError: no retraining has registered it; it was not loaded.
        InputError: the version refuses the readings; it says why.
        CannotLoadError: it cannot be loaded, or needs more than it carries.
        CannotForecastError: it has failed over the readings.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with _files_given():
            model = versions.download(version, folder / inside.MODEL)
        readings.to_pickle(folder / inside.READINGS)
        _run(folder, str(model), inside.EVERY if every else inside.NEWEST)
        if (file := folder / inside.FAULT).exists():
            raise _fault(json.loads(file.read_text(encoding="utf-8")))
        return pd.read_parquet(folder / inside.FORECAST)


def forecast_example(versions: Versions, version: Version) -> pd.DataFrame:
    """What `version` forecasts from the example that was logged with it.

    Raises:
        UntrustedError: no retraining has registered it; it was not loaded.
        CannotForecastError: it does not, for whatever reason.
    """
    with _files_given():
        example = versions.example(version)
    try:
        return forecast(versions, version, example)
    except InputError as refusal:
        raise CannotForecastError(f"refuses its own example: {refusal}") from refusal


@contextmanager
def _files_given() -> Iterator[None]:
    """Whatever keeps MLflow from giving the files of a version is told as that."""
    try:
        yield
    except UntrustedError:
        raise
    except Exception as fault:
        said = str(fault).strip().partition("\n")[0]
        raise CannotLoadError(f"cannot be loaded ({type(fault).__name__}: {said})") from fault


def _run(folder: Path, *arguments: str) -> None:
    """Isolated (-I) from the caller's settings and without `site` (-S), which links this project into the environment.

    The packages' folders are then added by hand.
    """
    packages = os.pathsep.join(sysconfig.get_paths()[kind] for kind in ("purelib", "platlib"))
    command = [sys.executable, "-I", "-S", str(Path(inside.__file__)), packages, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - sys.executable
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise CannotForecastError(f"has not forecast within {_PATIENCE_S} seconds") from None
    told = (folder / inside.FAULT).exists() or (folder / inside.FORECAST).exists()
    if not told:
        raise CannotForecastError(f"cannot be used: {_last_line(done.stderr)} (exit code {done.returncode})")


def _fault(told: dict[str, Any]) -> Exception:
    if told["stage"] == inside.LOADING:
        return CannotLoadError(f"cannot be loaded ({told['kind']}: {told['message']})")
    if told["refused"]:
        return InputError(told["message"])
    return CannotForecastError(f"does not forecast ({told['kind']}: {told['message']})")


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"
