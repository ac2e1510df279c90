"""Forecasts over HTTP: `wattcast serve` beside MLflow's server of a stock Keras network, which calls its `predict`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.metadata import version
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from tests.benchmarks.contenders import stock_network
from tests.benchmarks.processes import in_child
from tests.benchmarks.settings import INPUTS, Setting, Size
from tests.benchmarks.stopwatch import WARM_UP
from tests.benchmarks.table import Group, Row, Table
from tests.helpers.servers import free_port, running, wait_for_answer
from wattcast.flows.cli.startup import _set_up_libraries
from wattcast.flows.experiment.experiment import read_experiment
from wattcast.model.clean import check_readings
from wattcast.model.forecaster import Forecaster
from wattcast.model.network.training import train_network
from wattcast.model.scaler import fit_scaler
from wattcast.model.split import Split
from wattcast.model.windows import make_series, make_windows
from wattcast.tasks.data.simulate import simulate

US, PAIR, STOCK = "wattcast", "wattcast, 2 workers", "Keras"
CLIENTS = (1, 4)
ROUNDS = 3
STOCK_SETTING = Setting(layers=(48,), lookback=24)
BODIES = 40  # different ones


@dataclass(frozen=True)
class Server:
    """A server and what it is asked."""

    port: int
    pid: int
    bodies: tuple[str, ...]

    @property
    def resident_mb(self) -> float:
        """What the process that answers holds now: the largest one."""
        below = psutil.Process(self.pid).children(recursive=True)
        return max(process.memory_info().rss for process in below) / 1e6


@dataclass(frozen=True)
class Burst:
    """So many clients, each asking as soon as it has its answer."""

    seconds: list[float]  # of each request
    whole: float


def serving_table(size: Size) -> Table:
    """Time of a request with one client and with four, everyone in turns, and the memory after very many requests."""
    few, many = 10 * size.calls, 100 * size.calls
    with TemporaryDirectory() as folder, chdir(folder), ExitStack() as stack:
        in_child(_register)
        servers = {
            US: stack.enter_context(_served(US, _readings())),
            PAIR: stack.enter_context(_served(US, _readings(), workers=2)),
            STOCK: stack.enter_context(_served(STOCK, _arrays())),
        }
        bursts: dict[tuple[str, int], list[Burst]] = {(who, clients): [] for clients in CLIENTS for who in servers}
        for server in servers.values():
            _ask(server, clients=4, requests=WARM_UP)
        for _ in range(ROUNDS):
            for (who, clients), taken in bursts.items():
                taken.append(_ask(servers[who], clients=clients, requests=size.calls))
        _ask(servers[US], clients=4, requests=few // 4)
        early = servers[US].resident_mb
        _ask(servers[US], clients=4, requests=(many - few) // 4)
        late = servers[US].resident_mb
    return Table(
        "A forecast over HTTP (48 units, lookback 24; wattcast: 4 networks and raw readings)",
        ("who", "clients", "median ms", "95 % ms", "requests a second"),
        (Group(tuple(_row(who, clients, taken) for (who, clients), taken in bursts.items())),),
        notes=(
            "Keras: mlflow.tensorflow's own pyfunc, one network, asked with a window that is scaled already. "
            "wattcast serve has two workers unless told otherwise, the others have one process. "
            f"wattcast's server held {early:.0f} MB after {few:,} further requests and {late:.0f} MB after {many:,}.",
        ),
    )


def _row(who: str, clients: int, bursts: list[Burst]) -> Row:
    seconds = [second for burst in bursts for second in burst.seconds]
    half, most = np.quantile(seconds, [0.5, 0.95]) * 1000
    rate = len(seconds) / sum(burst.whole for burst in bursts)
    return (who, str(clients), f"{half:.1f}", f"{most:.1f}", f"{rate:.0f}")


def _ask(server: Server, *, clients: int, requests: int) -> Burst:
    """`requests` of each client."""
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        seconds = [second for each in pool.map(_client, [server] * clients, [requests] * clients) for second in each]
    return Burst(seconds, time.perf_counter() - began)


def _client(server: Server, requests: int) -> list[float]:
    connection = HTTPConnection("127.0.0.1", server.port)
    seconds = []
    for number in range(requests):
        began = time.perf_counter()
        body = server.bodies[number % len(server.bodies)]
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        seconds.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(content.decode())
    connection.close()
    return seconds


def _readings() -> tuple[str, ...]:
    """24 to 36 readings each, and those of the step that is forecast on the seven days before, as text."""
    days = 144 * np.arange(7, 0, -1)
    frame = simulate(BODIES + 36 + days[0])[["date", "Appliances"]]
    frame = frame.assign(date=frame["date"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    steps = [days[0] + first + 24 + first % 13 for first in range(BODIES)]
    parts = [frame.iloc[[*(step - days), *range(days[0] + first, step)]] for first, step in enumerate(steps)]
    return tuple(json.dumps({"dataframe_split": part.to_dict(orient="split", index=False)}) for part in parts)


def _arrays() -> tuple[str, ...]:
    """One window each."""
    windows = np.random.default_rng(0).normal(size=(BODIES, 1, STOCK_SETTING.lookback, INPUTS)).round(4)
    return tuple(json.dumps({"inputs": window.tolist()}) for window in windows)


@contextmanager
def _served(name: str, bodies: tuple[str, ...], *, workers: int = 1) -> Iterator[Server]:
    port = free_port()
    program = f"""
from wattcast.flows.service.serve import Serving, serve
from wattcast.tasks.registry.versions import Versions
serve(Versions.open({name!r}, trusting=True), "1", Serving(port={port}, workers={workers}))
"""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running([sys.executable, "-c", program], **silent) as process:
        wait_for_answer(f"http://127.0.0.1:{port}/ping", process)
        yield Server(port, process.pid, bodies)


def _register() -> None:
    """Both models, in a store in the working folder."""
    _set_up_libraries()
    import mlflow
    from mlflow import MlflowClient

    from wattcast.tasks.tracking.logged_model import log_forecaster
    from wattcast.tasks.tracking.run import tracked_run

    client = MlflowClient()
    with tracked_run("serving", params={}, tags={}) as run:
        ours = log_forecaster(run, _recommended(), simulate(1100))
        with mlflow.start_run(run_id=run.run_id):
            example = np.zeros((1, STOCK_SETTING.lookback, INPUTS), np.float32)
            stock = mlflow.tensorflow.log_model(
                stock_network(STOCK_SETTING),
                name=STOCK,
                signature=mlflow.models.infer_signature(example, example[:, 0, :1]),
                pip_requirements=[f"tensorflow=={version('tensorflow')}"],
            ).model_uri
    for name, uri in {US: ours, STOCK: stock}.items():
        client.create_registered_model(name)
        client.create_model_version(name, source=uri, run_id=run.run_id, model_id=uri.rpartition("/")[2])


def _recommended() -> Forecaster:
    """The recommended preset's networks, which saw a few windows once."""
    experiment = read_experiment(settings=["fit.epochs=1", "fit.refit=false"])
    frame = check_readings(simulate(1500), experiment.readings)
    rows = Split(range(1000), range(1000, 1250), range(1250, 1500))
    readings = experiment.readings
    scaler = fit_scaler(frame.iloc[: rows.train.stop], readings.targets, readings.features, experiment.scale)
    series = make_series(frame, readings, scaler, experiment.window)
    windows = rows.map(lambda part: make_windows(series, part, readings.cadence, experiment.window))
    fitted = train_network(experiment.model, experiment.fit, windows, scaler)
    return Forecaster(readings, experiment.window, scaler, experiment.model, fitted.network)
