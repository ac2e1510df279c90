"""The proof that a version can be used elsewhere: it is loaded in an empty folder, by a Python without this project."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from wattcast.tasks.registry.gate import Check
from wattcast.tasks.registry.versions import Version, Versions
from wattcast.tasks.step import step

TOLERANCE_WH = 1e-3
_PATIENCE_S = 300
_PROGRAM = """
import os, sys
sys.path.append(sys.argv[1])
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", MLFLOW_LOGGING_LEVEL="ERROR")
import mlflow, pandas
model = mlflow.pyfunc.load_model("model")
if "flows" in sys.modules or "prefect" in sys.modules:
    sys.exit("the model needs more than it says")
model.predict(pandas.read_parquet("readings.parquet")).to_parquet("forecast.parquet")
"""


def try_elsewhere(versions: Versions, version: Version, readings: pd.DataFrame, expected: pd.DataFrame) -> Check:
    """Load `version` in an empty folder and forecast from raw `readings`: is it the forecast that is `expected`?

    `-S` hides whatever is linked into the environment, this project above all; the packages' folder is then added.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            versions.download(version, folder / "model")
            readings.to_parquet(folder / "readings.parquet")
            command = [sys.executable, "-S", "-c", _PROGRAM, sysconfig.get_paths()["purelib"]]
            done = subprocess.run(  # noqa: S603
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
            )
            if done.returncode:
                return Check("elsewhere", False, f"cannot be used elsewhere: {_last_line(done.stderr)}")
            made = pd.read_parquet(folder / "forecast.parquet")
        except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
            return Check("elsewhere", False, f"cannot be used elsewhere: {fault}")
    values = expected.select_dtypes("number").columns
    if list(made.columns) != list(expected.columns) or len(made) != len(expected):
        return Check("elsewhere", False, f"forecasts {list(made.columns)} elsewhere, {list(expected.columns)} here")
    apart = float(np.abs(made[values].to_numpy(np.float64) - expected[values].to_numpy(np.float64)).max())
    same = apart <= TOLERANCE_WH
    message = (
        "loads in an empty folder and forecasts the same" if same else f"forecasts differ elsewhere by {apart:g} Wh"
    )
    return Check("elsewhere", same, message, {"apart": apart})


try_elsewhere_task = step(try_elsewhere)


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"
