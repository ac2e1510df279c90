"""Versions that forecast in this process: a clean room takes ten seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import pandas as pd
import pytest


@contextmanager
def no_clean_room() -> Iterator[None]:
    """What a clean room is for, and how its faults are told, is shown in test_clean_room.py and test_trust.py."""
    import mlflow

    from wattcast.model.errors import InputError
    from wattcast.tasks.registry import clean_room
    from wattcast.tasks.registry.versions import Version, Versions

    loaded: dict[tuple[str, int], Any] = {}
    one_at_a_time = Lock()

    def forecast(versions: Versions, version: Version, readings: pd.DataFrame, *, every: bool = False) -> pd.DataFrame:
        with one_at_a_time:
            if (version.model, version.number) not in loaded:
                with TemporaryDirectory() as folder, clean_room._files_given():
                    model = versions.download(version, Path(folder) / "model")
                    loaded[version.model, version.number] = mlflow.pyfunc.load_model(str(model))
            try:
                return loaded[version.model, version.number].predict(readings, params={"every": every})
            except InputError as refusal:
                raise InputError(str(refusal)) from None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clean_room, "forecast", forecast)
        yield
