"""How MLflow loads a saved forecaster: it calls `_load_pyfunc` with the folder that `Forecaster.save` wrote."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from wattcast.model.errors import InputError
from wattcast.model.fallback import MODEL, Fallback
from wattcast.model.forecaster import Forecaster
from wattcast.model.readings import MADE_BY


class RefusedError(InputError, MlflowException):
    """An InputError that MLflow's server answers with its message and HTTP 400, not with a traceback."""

    def __init__(self, message: str) -> None:
        self._message = message
        MlflowException.__init__(self, message, INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """What is wrong. MLflow's server would put all of the readings before it, so it stays as it is."""
        return self._message

    @message.setter
    def message(self, _message: str) -> None:
        pass


@dataclass(frozen=True)
class ServedForecaster:
    """A forecaster behind the interface of an MLflow pyfunc model."""

    forecaster: Forecaster

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Raw readings in, forecasts out; `params={"every": True}` forecasts from each moment, not the newest.

        Raises:
            RefusedError: the readings cannot be used; an InputError, and for MLflow one of its own.
        """
        try:
            return self.forecaster.forecast(model_input, every=bool((params or {}).get("every", False)))
        except InputError as error:
            raise RefusedError(str(error)) from None


@dataclass(frozen=True)
class Served:
    """A model that MLflow has loaded, if there is one, and what forecasts where it cannot; for MLflow's server."""

    model: Any | None
    fallback: Fallback
    metadata: Any

    @classmethod
    def beside(cls, model: Any | None, record: Mapping[str, Any]) -> Served:
        """With the fallback that a record describes."""
        if model is None:
            _mend_server()
        return cls(model, Fallback.from_json(record), Model() if model is None else model.metadata)

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """As of a served forecaster, and in a column `made_by` what has made each forecast.

        Raises:
            RefusedError: the readings cannot be used.
        """
        every = (params or {}).get("every", False)
        if not isinstance(every, bool):
            raise RefusedError(f"every must be true or false, received {every!r}")
        try:
            cleaned = self.fallback.clean(model_input)
            lacking = self.fallback.lacks(cleaned.frame)
            if self.model is not None and (every or not lacking):
                try:
                    made: pd.DataFrame = self.model.predict(model_input, params=params)
                except MlflowException:
                    if not lacking:
                        raise
                else:
                    return made.assign(**{MADE_BY: MODEL})
            return self.fallback.forecast(cleaned.frame, every=every, drawn=cleaned.drawn)
        except InputError as error:
            raise RefusedError(str(error)) from None


def _load_pyfunc(path: str) -> ServedForecaster:
    forecaster = Forecaster.load(Path(path))
    forecaster.warm_up()  # half a second, which the first request to a server would wait for
    _mend_server()
    return ServedForecaster(forecaster)


def _mend_server() -> None:
    if server := sys.modules.get("mlflow.pyfunc.scoring_server"):
        server.parse_csv_input = _parse_csv_input  # type: ignore[attr-defined]


def _parse_csv_input(csv_input: StringIO, schema: object = None) -> pd.DataFrame:  # noqa: ARG001 - MLflow's names
    """In MLflow's server, whose own one fails with columns of any type and answers what is no CSV with a traceback."""
    try:
        names = pd.read_csv(csv_input, header=None, nrows=1, dtype=str).iloc[0].dropna()
        csv_input.seek(0)
        frame = pd.read_csv(csv_input)
    except ValueError as error:
        raise RefusedError(f"the body is no CSV with a line of column names: {error}") from None
    if (twice := names.duplicated()).any():
        raise RefusedError(f"column {names[twice].iloc[0]!r} stands more than once in the first line of the body")
    if len(frame.columns) == 1 and (other := next((each for each in ";\t|" if each in frame.columns[0]), None)):
        raise RefusedError(f"the columns of the body stand apart by {other!r}: send a CSV with commas between them")
    return frame
