"""How MLflow loads a saved forecaster: it calls `_load_pyfunc` with the folder that `Forecaster.save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from model.forecaster import Forecaster


@dataclass(frozen=True)
class ServedForecaster:
    """A forecaster behind the interface of an MLflow pyfunc model."""

    forecaster: Forecaster

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Raw readings in, forecasts in Wh out; `params={"every": True}` forecasts from each moment, not the newest."""
        return self.forecaster.forecast(model_input, every=bool((params or {}).get("every", False)))


def _load_pyfunc(path: str) -> ServedForecaster:
    return ServedForecaster(Forecaster.load(Path(path)))
