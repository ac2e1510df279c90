"""The program that runs in a clean room: it knows nothing of this project, and stands alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

MODEL, READINGS, FORECAST, FAULT = "model", "readings.pickle", "forecast.parquet", "fault.json"
NEWEST, EVERY = "newest", "every"
LOADING, FORECASTING = "loading", "forecasting"


def forecast(model: str, which: str) -> None:
    """Load the model in a folder and forecast from the readings that lie here; write what it gives, or its fault."""
    stage = LOADING
    try:
        import mlflow
        import pandas as pd

        loaded = mlflow.pyfunc.load_model(model)
        if foreign := {"prefect", "optuna", "wattcast.flows", "wattcast.tasks"} & set(sys.modules):
            raise ImportError(f"the model needs more than it says: {', '.join(sorted(foreign))}")
        stage = FORECASTING
        made = loaded.predict(pd.read_pickle(READINGS), params={"every": which == EVERY})  # noqa: S301 - our own file
        made.to_parquet(FORECAST)
    except Exception as error:
        refused = "InputError" in [kind.__name__ for kind in type(error).__mro__]
        kind = "InputError" if refused else type(error).__name__
        told = {"stage": stage, "refused": refused, "kind": kind, "message": str(error).strip()}
        Path(FAULT).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    packages, *arguments = sys.argv[1:]
    sys.path += packages.split(os.pathsep)
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", MLFLOW_LOGGING_LEVEL="ERROR")
    forecast(*arguments)
