"""A forecaster as an MLflow model, which carries its code with it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

from wattcast.model import pyfunc
from wattcast.model.forecaster import Forecaster
from wattcast.model.intervals import value_columns
from wattcast.model.readings import MADE_AT, ReadingsConfig
from wattcast.tasks.tracking.run import Run

FORECASTER = "forecaster"
"""The name under which a run keeps its model."""
_SERVING_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "pydantic")
_HOLIDAYS = "holidays"  # of a model that reads public holidays
_PACKAGE = '"""What of wattcast travels with a model."""\n'


def log_forecaster(run: Run, forecaster: Forecaster, example: pd.DataFrame) -> str:
    """The forecaster as a pyfunc model of `run`, with signature, example and exact requirements; its URI.

    `wattcast.model` travels with it as code, so that it loads without this repository; under that name, as any user may
    have a `model.py` of their own.
    """
    experiment_id = run.client.get_run(run.run_id).info.experiment_id
    model = run.client.create_logged_model(experiment_id, name=FORECASTER, source_run_id=run.run_id)
    with tempfile.TemporaryDirectory() as temporary:
        folder, code = Path(temporary) / FORECASTER, Path(temporary) / "wattcast"
        forecaster.save(folder)
        shutil.copytree(Path(pyfunc.__file__).parent, code / "model", ignore=shutil.ignore_patterns("__pycache__"))
        (code / "__init__.py").write_text(_PACKAGE, encoding="utf-8")
        info = Model.log(
            artifact_path=None,
            model_id=model.model_id,
            flavor=SimpleNamespace(save_model=_save),
            run_id=run.run_id,
            loader_module=pyfunc.__name__,
            data_path=str(folder),
            code_paths=[str(code)],
            signature=signature(forecaster.readings, forecaster.intervals.quantiles if forecaster.intervals else ()),
            input_example=example,
            validate_serving_input=False,
            pip_requirements=requirements(forecaster.readings),
        )
    return str(info.model_uri)


def _save(*, validate_serving_input: bool, **options: Any) -> None:  # noqa: ARG001 - a word to Model.log alone
    """The flavor pyfunc, for whose example MLflow would load the model here, by other code than the model's own."""
    mlflow.pyfunc.save_model(**options)


def requirements(readings: ReadingsConfig) -> list[str]:
    """The packages that a model which reads so needs, each of the very version that it was trained with."""
    packages = (*_SERVING_PACKAGES, *([_HOLIDAYS] if readings.holidays else []))
    return [f"{package}=={version(package)}" for package in packages]


def signature(readings: ReadingsConfig, quantiles: Sequence[float] = ()) -> ModelSignature:
    """Raw readings in, forecasts out, and the option `every`.

    The readings may be of any type or missing, as targets of rows to come are, and none is required: MLflow would
    refuse the whole numbers and the dates as text of a CSV that was just read, which the forecaster takes; and the
    forecaster says more clearly what is missing or wrong, where MLflow puts all of the readings before it.
    """
    anything = AnyType()  # type: ignore[no-untyped-call]
    given = Schema([ColSpec(anything, name, required=False) for name in readings.cells])
    times = [ColSpec("datetime", name) for name in (MADE_AT, readings.timestamp)]
    values = value_columns(readings.targets, quantiles)
    forecast = Schema([*times, *(ColSpec("double", name) for name in values)])
    return ModelSignature(given, forecast, ParamSchema([ParamSpec("every", "boolean", default=False)]))
