"""The step that cuts time into training, validation and test."""

from __future__ import annotations

import pandas as pd

from wattcast.model.split import Split, SplitConfig, split_rows
from wattcast.tasks.step import step


def split(frame: pd.DataFrame, config: SplitConfig) -> Split[range]:
    """The rows of each part of a clean frame; see `wattcast.model.split.split_rows`."""
    return split_rows(pd.DatetimeIndex(frame.index), config)


split_task = step(split)
