"""The step that looks for a future which leaked into the readings themselves: no proof about the pipeline sees it."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.split import Split, SplitConfig
from wattcast.model.windows import Windows
from wattcast.tasks.learning.copies import find_copies
from wattcast.tasks.learning.foresight import find_foresight
from wattcast.tasks.step import step

log = logging.getLogger(__name__)


def watch(
    frame: pd.DataFrame, rows: Split[range], windows: Windows, readings: ReadingsConfig, config: SplitConfig
) -> tuple[str, ...]:
    """A sentence for each feature that seems to know the future, and for each stretch that stands twice; all logged.

    `frame` is clean, up to the end of the test part; `windows` are those of any part.

    Raises:
        InputError: there is one, and `config.leakage` calls that an error.
    """
    features = frame[list(readings.features)].to_numpy(np.float64)
    knowing = find_foresight(windows.series, features, readings, windows.config, rows)
    times = pd.DatetimeIndex(frame.index)
    found = (*map(str, knowing), *(copy.told(times, rows) for copy in find_copies(frame, readings.targets)))
    if found and config.leakage == "error":
        told = "".join(f"\n  - {words}" for words in found)
        raise InputError(
            f"the readings hold what looks like a leak, and split.leakage is 'error':{told}\nmend the readings, leave "
            'the column out of readings.features, or say split.leakage = "warn" where it is none'
        )
    for words in found:
        log.warning("%s", words)
    return found


watch_task = step(watch)
