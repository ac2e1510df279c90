"""What many tests share: a small simulated house, Prefect's own test server, and a folder with a tracking store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from here import Here, command_in_this_process
from rooms import no_clean_room
from servers import free_port, running, wait_for_answer

from wattcast.tasks.data.simulate import simulate

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

_LONGEST = (
    "test_operate.py",
    "test_readme.py",
    "test_main.py",
    "test_sweep.py",
    "test_real_data.py",
    "test_ensemble.py",
    "test_side_by_side.py",
    "test_train.py",
    "test_retrain.py",
    "test_clean_room.py",
    "test_local_clock.py",
    "test_meters.py",
    "test_units.py",
    "test_up.py",
    "test_seed_equivalence.py",
    "test_forecaster.py",
    "test_fit.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest go first, so that no worker is left alone with one at the end."""
    longest = {name: rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: longest.get(item.path.name, len(longest)))


@pytest.fixture(scope="session")
def interrupted_by() -> object:
    """What answers to Ctrl-C in this process before any test has begun."""
    return signal.getsignal(signal.SIGINT)


@pytest.fixture(autouse=True)
def interrupted_as_before(interrupted_by: Any) -> Iterator[None]:
    """A command that ran in this process leaves behind what ends it soon after Ctrl-C: not for the next test."""
    yield
    signal.signal(signal.SIGINT, interrupted_by)


@pytest.fixture(scope="session", autouse=True)
def nobody_leaves_soon() -> Iterator[None]:
    """A command that ends this process a few seconds after it has failed is none of the tests'."""
    from wattcast.flows.cli import startup

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(startup, "_FAREWELL_S", threading.TIMEOUT_MAX)
        yield


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The `wattcast` command in this process."""
    return command_in_this_process(monkeypatch, capsys)


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Settings that make one network of the recommended preset train on the simulated house in a second or two.

    It forecasts from six readings: no days before are read.
    """
    sizes = ("model.layers=[{units=4}]", "window.lookback=6", "fit.batch_size=512", "model.head=direct")
    seasons = ("window.seasonal_lags=[]", "window.seasonal_means=[]")
    return ("data=simulated", "fit.members=1", "fit.epochs=2", "baselines.lightgbm=false", *sizes, *seasons)


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
def prefect_server() -> Iterator[str]:
    """The address of a Prefect server with a database of the tests' own, for PREFECT_API_URL of other processes."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of tests that track: MLflow's default store is made in it once."""
    folder = tmp_path_factory.mktemp("workspace")
    from wattcast.tasks.tracking import store

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.experiment_id(store.store_client())  # here and now: its artifacts lie where it was made
        yield folder


@pytest.fixture(scope="module")
def without_clean_room() -> Iterator[None]:
    """Versions forecast in this process."""
    with no_clean_room():
        yield


_LIGHT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # ten more processes, for what is not used here
    "MLFLOW_WORKERS": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


@contextmanager
def _served(command: list[str], *, folder: Path, path: str) -> Iterator[str]:
    port = free_port()
    programs = Path(sys.executable).parent
    environment = {**os.environ, **_LIGHT, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    arguments = [str(programs / command[0]), *command[1:], "--host", "127.0.0.1", "--port", str(port)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(arguments, cwd=folder, env=environment, **silent) as server:
        wait_for_answer(f"http://127.0.0.1:{port}{path}", server)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def served() -> Callable[..., AbstractContextManager[str]]:
    """Starts a command of the environment as a server on a free local port, and stops it; gives its address."""
    return _served
