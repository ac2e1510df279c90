"""The arrays that this project computes with, by what they hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
"""What a network reads and gives, scaled."""
Floats = npt.NDArray[np.float64]
"""Readings, forecasts and scores, in the unit of the readings."""
Rows = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]
