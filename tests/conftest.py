"""What many tests share: a small simulated house, Prefect's own test server, and a folder with a tracking store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tasks.simulate import simulate

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Settings that make the recommended preset train on the simulated house in a second or two."""
    return ("data=simulated", "fit.epochs=2", "model.layers=[{units=4}]", "window.lookback=6", "fit.batch_size=512")


@pytest.fixture(scope="session")
def house() -> pd.DataFrame:
    """Three weeks of the simulated house."""
    return simulate(3024)


@pytest.fixture(scope="session")
def real_file() -> Path:
    """The real data set, where `WATTCAST_DATA` names it."""
    if "WATTCAST_DATA" not in os.environ:
        pytest.skip("WATTCAST_DATA does not name a copy of the real data set")
    return Path(os.environ["WATTCAST_DATA"])


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server and database of the tests' own."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of tests that track: MLflow's default store is made in it once."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder
