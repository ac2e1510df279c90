"""The arrays that this project computes with, by what they hold.

Names for readers and type checkers: at run time they stand for anything, so that to name one imports no NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]
    """What a network reads and gives, scaled."""
    Floats = npt.NDArray[np.float64]
    """Readings, forecasts and scores, in the unit of the readings."""
    Rows = npt.NDArray[np.int64]
    Times = npt.NDArray[np.datetime64]
    Values = npt.NDArray[np.floating[Any]]
    """Numbers of either width."""
else:
    Array = Floats = Rows = Times = Values = Any
