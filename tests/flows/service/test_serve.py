"""A registered model behind MLflow's own server, as `wattcast serve` starts it: a real one, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
from fastapi import Request
from mlflow import MlflowClient
from mlflow.types import ColSpec, Schema, TensorSpec
from servers import free_port, running, wait_for_answer, wait_until

from wattcast.flows.service import inside_server
from wattcast.flows.service.inside_server import Refusal, read_body
from wattcast.flows.service.serve import Serving, serve
from wattcast.model.clean import Habits, check_readings
from wattcast.model.errors import InputError
from wattcast.model.fallback import Fallback
from wattcast.model.fit import FitConfig
from wattcast.model.forecaster import Forecaster
from wattcast.model.gru import GRUConfig, LayerConfig
from wattcast.model.network.training import train_network
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig, fit_scaler
from wattcast.model.split import Split
from wattcast.model.windows import WindowConfig, make_series, make_windows
from wattcast.tasks.registry.trust import DIGEST
from wattcast.tasks.registry.versions import FALLBACK, Versions
from wattcast.tasks.tracking.logged_model import log_forecaster
from wattcast.tasks.tracking.run import tracked_run

NAME = Path(__file__).stem  # other files of tests have models of their own in the same store
ALIAS, PATIENCE_S = "champion", 2
READINGS = ReadingsConfig(features=("lights", "T_out"), time="calendar")
JSON, CSV = "application/json", "text/csv"


@dataclass(frozen=True)
class Server:
    """Where it answers, and the process that `serve` runs in."""

    address: str
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: str

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])

    @property
    def forecast(self) -> pd.DataFrame:
        frame = pd.DataFrame(json.loads(self.body)["predictions"])
        return frame.assign(made_at=pd.to_datetime(frame["made_at"]), date=pd.to_datetime(frame["date"]))


@pytest.fixture(scope="module")
def forecaster(house: pd.DataFrame) -> Forecaster:
    """Two networks trained for an epoch."""
    model, window = GRUConfig(layers=(LayerConfig(units=4),), target_calendar=True), WindowConfig(lookback=6)
    frame = check_readings(house, READINGS)
    rows = Split(range(2000), range(2000, 2500), range(2500, len(frame)))
    scaler = fit_scaler(frame.iloc[: rows.train.stop], READINGS.targets, READINGS.features, ScaleConfig())
    series = make_series(frame, READINGS, scaler)
    windows = rows.map(lambda part: make_windows(series, part, READINGS.cadence, window))
    fitted = train_network(model, FitConfig(epochs=1, members=2, refit=False), windows, scaler)
    return Forecaster(READINGS, window, scaler, model, fitted.network)


@pytest.fixture(scope="module")
def model_uri(forecaster: Forecaster, raw: pd.DataFrame, workspace: Path) -> str:
    """Of the forecaster in MLflow, where it is the champion."""
    with tracked_run("served", params={}, tags={}) as run:
        uri = log_forecaster(run, forecaster, raw.head(12))
    client = MlflowClient()
    client.create_registered_model(NAME)
    tags = {DIGEST: Versions.open(NAME).digest(uri)}
    version = client.create_model_version(
        NAME, source=uri, run_id=run.run_id, model_id=uri.rpartition("/")[2], tags=tags
    )
    client.set_registered_model_alias(NAME, ALIAS, version.version)
    return uri


@pytest.fixture(scope="module")
def raw(house: pd.DataFrame) -> pd.DataFrame:
    """Forty readings, their time stamps as text."""
    last = house[["date", *READINGS.columns]].tail(40).reset_index(drop=True)
    return last.assign(date=last["date"].dt.strftime("%Y-%m-%d %H:%M:%S"))


@pytest.fixture(scope="module")
def server(model_uri: str, workspace: Path) -> Iterator[Server]:
    port = free_port()
    program = f"""
import sys
from wattcast.flows.service import inside_server
from wattcast.flows.service.inside_server import Refusal, read_body
from wattcast.flows.service.serve import Serving, serve
from wattcast.tasks.registry.versions import Versions
serving = Serving(port={port}, workers=1, most_megabytes=1, patience_s={PATIENCE_S}, follow=True)
sys.exit(serve(Versions.open({NAME!r}), {ALIAS!r}, serving))
"""
    with running([sys.executable, "-c", program], cwd=workspace, stderr=subprocess.DEVNULL) as process:
        wait_for_answer(f"http://127.0.0.1:{port}/ping", process)
        yield Server(f"http://127.0.0.1:{port}", process)


def ask(server: Server, body: str, content_type: str = JSON) -> Answer:
    request = urllib.request.Request(f"{server.address}/invocations", body.encode(), {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode())


def split(frame: pd.DataFrame, **more: object) -> str:
    return json.dumps({"dataframe_split": frame.to_dict(orient="split", index=False), **more})


def records(frame: pd.DataFrame) -> str:
    return json.dumps({"dataframe_records": frame.to_dict(orient="records")})


def csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False)


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(actual, expected, check_dtype=False, rtol=1e-6)


# Good requests


@pytest.mark.parametrize(("write", "content_type"), [(split, JSON), (records, JSON), (csv, CSV)])
def test_each_format_gives_the_forecasters_own_numbers(
    server: Server, forecaster: Forecaster, raw: pd.DataFrame, write: Callable[..., str], content_type: str
) -> None:
    for rows in (6, 9, 40):
        answer = ask(server, write(raw.tail(rows)), content_type)
        assert answer.status == 200, answer
        assert_same(answer.forecast, forecaster.forecast(raw.tail(rows)))


def test_every_moment_on_request(server: Server, forecaster: Forecaster, raw: pd.DataFrame) -> None:
    answer = ask(server, split(raw, params={"every": True}))
    assert_same(answer.forecast, forecaster.forecast(raw, every=True))
    assert len(answer.forecast) == 35


def test_the_loaded_model_gives_the_same(model_uri: str, forecaster: Forecaster, raw: pd.DataFrame) -> None:
    assert_same(mlflow.pyfunc.load_model(model_uri).predict(raw), forecaster.forecast(raw))


def test_four_clients_at_once_get_each_its_own_answer(
    server: Server, forecaster: Forecaster, raw: pd.DataFrame
) -> None:
    parts = [raw.iloc[first : first + 8] for first in range(32)]
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda part: ask(server, split(part)), parts))
    for part, answer in zip(parts, answers, strict=True):
        assert_same(answer.forecast, forecaster.forecast(part))


# Bad requests


def changed(raw: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """Another value in row 30."""
    frame = raw.astype({column: object})
    frame.loc[30, column] = value
    return frame


BAD_READINGS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "too few rows": (lambda raw: raw.tail(5), "needs the newest 6 readings without a gap, received 5"),
    "no rows": (lambda raw: raw.head(0), "received no rows"),
    "another cadence": (
        lambda raw: raw.assign(date=pd.date_range("2016-02-01", periods=40, freq="15min").astype(str)),
        "readings must lie 10 minutes apart, up to a tenth of that beside it is taken as it",
    ),
    "every other row": (lambda raw: raw.iloc[::2], "received 1 after the gap before 2016-02-01 16:40:00"),
    "twice, with other readings": (
        lambda raw: pd.concat([raw, raw.tail(1).assign(lights=77)]),
        "1 time stamps stand more than once with different readings",
    ),
    "no date": (lambda raw: changed(raw, "date", "soon"), "1 time stamps are missing or cannot be read"),
    "a hole in its window": (
        lambda raw: raw.assign(lights=raw["lights"].astype(object).where(raw.index != 37, None)),
        "needs the newest 6 readings without a gap, received 2 after the gap before",
    ),
    "text": (lambda raw: changed(raw, "lights", "dark"), "'lights' must hold finite numbers, 1 of 40 values are not"),
    "beyond every float": (lambda raw: changed(raw, "lights", 10**400), "1 of 40 values are not"),
}


@pytest.mark.parametrize(("write", "content_type"), [(split, JSON), (csv, CSV)])
@pytest.mark.parametrize("fault", BAD_READINGS)
def test_readings_that_cannot_be_used_are_refused_with_the_reason(
    server: Server, raw: pd.DataFrame, fault: str, write: Callable[..., str], content_type: str
) -> None:
    change, reason = BAD_READINGS[fault]
    answer = ask(server, write(change(raw)), content_type)
    assert answer.status == 400
    assert reason in answer.message
    assert answer.message.startswith(("the readings cannot be used:\n  - ", "a forecast needs"))
    assert "Traceback" not in answer.body


@pytest.mark.parametrize("write", [split, records, csv])
def test_a_missing_column_is_named(server: Server, raw: pd.DataFrame, write: Callable[..., str]) -> None:
    answer = ask(server, write(raw.rename(columns={"lights": "lamps"})), CSV if write is csv else JSON)
    assert answer.status == 400
    assert answer.message.startswith("the readings cannot be used:\n  - column 'lights' is missing")
    assert "Traceback" not in answer.body


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        ("", JSON, "valid JSON"),
        ("date,lights", JSON, "valid JSON"),
        ("[1, 2]", JSON, "dataframe_split"),
        ("{}", JSON, "dataframe_split"),
        ('{"dataframe_split": {"columns": ["date"], "data": [[1, 2]]}}', JSON, "1 columns passed"),
        ('{"inputs": [1, 2]}', JSON, "missing"),
        (
            '{"dataframe_split": {"columns": ["date"], "data": []}, "dataframe_split": {}}',
            JSON,
            "says 'dataframe_split' mor",
        ),
        (
            '{"dataframe_records": [{"date": "2016-01-11", "lights": 1, "lights": 2}]}',
            JSON,
            "says 'lights' more than once",
        ),
        ('{"dataframe_records": [], "inputs": {}}', JSON, "received 'dataframe_records', 'inputs'"),
        ('{"messages": []}', JSON, "received 'messages'"),
        ('{"dataframe_records": [], "params": [1]}', JSON, "params must be an object, received a list"),
        ('{"dataframe_records": [], "params": {"evry": true}}', JSON, "no parameter 'evry': allowed are every"),
        ("date,lights,lights\n2016-01-11 17:00,30,40\n", CSV, "column 'lights' stands more than once"),
        ("", CSV, "the body is no CSV with a line of column names"),
        ("a,b\n1,2\n1,2,3\n", CSV, "the body is no CSV with a line of column names"),
        ("date;lights\n2016-01-11 17:00;30\n", CSV, "the columns of the body stand apart by ';'"),
    ],
)
def test_a_body_that_holds_no_readings_is_refused(server: Server, body: str, content_type: str, reason: str) -> None:
    answer = ask(server, body, content_type)
    assert answer.status == 400
    assert reason in answer.message
    assert "Traceback" not in answer.body


def test_another_kind_of_content_is_refused(server: Server) -> None:
    answer = ask(server, "<readings/>", "application/xml")
    assert answer.status == 415
    assert "application/json" in answer.body


def test_what_is_no_table_is_refused_with_a_reason(server: Server) -> None:
    """Each of these was answered with a bare 500, or by holding a process for long."""
    deep = "[" * 100_000
    for body, content_type, status, reason in (
        (
            '{"dataframe_split": {"columns": [{"a": 1}, ["b"]], "data": [[1, 2]]}}',
            JSON,
            400,
            "the body holds no readings",
        ),
        (f'{{"dataframe_records": {deep}', JSON, 400, "nested too deep"),
        (
            f'{{"dataframe_split": {{"columns": ["date"], "data": [[{"9" * 5000}]]}}}}',
            JSON,
            400,
            "a number of thousands of digits",
        ),
        ("{}", "", 400, "says no Content-Type"),
        ("{}", "application/vnd.apache.parquet", 415, "must be one of application/json, text/csv"),
        (f'{{"dataframe_split": "{"x" * 1_100_000}"}}', JSON, 413, "the body has more than 1,048,576 bytes"),
        (f'{{"dataframe_split": {"x" * 900_000}', JSON, 400, "valid JSON"),
        ("{}", f"{JSON}; charset=latin-1", 415, "in UTF-8, received application/json; charset=latin-1"),
    ):
        began = time.monotonic()
        answer = ask(server, body, content_type)
        assert answer.status == status, answer.body[:300]
        assert reason in answer.message
        assert len(answer.body) < 3_000
        assert "Traceback" not in answer.body
        assert time.monotonic() - began < 5


def test_a_long_value_is_neither_echoed_nor_does_it_hold_the_server(server: Server, raw: pd.DataFrame) -> None:
    for column in ("date", "lights"):
        for text in ("x" * 900_000, "1" * 900_000, "2016-01-01 " * 80_000):
            began = time.monotonic()
            answer = ask(server, split(changed(raw, column, text)))
            assert (answer.status, len(answer.body) < 3_000) == (400, True)
            assert time.monotonic() - began < 5
    names = ask(server, split(raw.rename(columns={"lights": "l" * 900_000})))
    assert (names.status, len(names.body) < 3_000) == (400, True)


def test_a_request_that_does_not_arrive_is_given_up(server: Server) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for sent, answered in ((head, b""), (head + b"Content-Length: 9\r\n\r\n{", b"HTTP/1.1 408"), (b"", b"")):
        with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])), timeout=30) as client:
            client.sendall(sent)
            began = time.monotonic()
            with suppress(ConnectionResetError):
                assert client.recv(12) == answered
            assert PATIENCE_S - 0.5 < time.monotonic() - began < PATIENCE_S + 5


def test_a_head_without_end_is_given_up(server: Server) -> None:
    head = b"GET /version HTTP/1.1\r\nHost: x\r\n"
    for line, count in ((b"X: " + b"y" * 900_000, 1), (b"X: y\r\n", 200_000)):
        address = ("127.0.0.1", int(server.address.rpartition(":")[2]))
        with socket.create_connection(address, timeout=30) as client, suppress(ConnectionError):
            client.sendall(head + line * count)
            assert client.recv(12) == b"HTTP/1.1 431"


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_a_model_is_given_arrays_or_columns_as_its_signature_says(form: str) -> None:
    arrays, columns = Schema([TensorSpec(np.dtype("float32"), (-1, 2, 3))]), Schema([ColSpec("double", "load")])
    cube, table = np.arange(6.0).reshape(1, 2, 3), [{"load": 1.5}, {"load": 2.5}]

    def given_to_model(schema: Schema, given: object) -> Any:
        taken: list[Any] = []

        def predict(data: Any, params: object) -> np.ndarray:
            taken.extend([data, params])
            return np.zeros(1)

        metadata = SimpleNamespace(get_input_schema=lambda: schema, get_params_schema=lambda: None)
        said = inside_server.answer(
            SimpleNamespace(metadata=metadata, predict=predict), json.dumps({form: given}).encode(), JSON
        )
        assert json.loads(said) == {"predictions": [0.0]}
        return taken[0]

    np.testing.assert_array_equal(given_to_model(arrays, cube.tolist()), cube)
    rows = {"load": [1.5, 2.5]} if form == "inputs" else table
    pd.testing.assert_frame_equal(given_to_model(columns, rows), pd.DataFrame(table))


def test_a_client_that_leaves_in_the_middle_is_no_fault_of_the_server() -> None:
    async def received() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(Refusal, match="the connection is closed"):
        asyncio.run(read_body(Request({"type": "http"}, received), most=9, patience_s=1))


def test_the_server_says_which_version_it_serves_and_no_more_than_it_is_asked_to(server: Server) -> None:
    with urllib.request.urlopen(f"{server.address}/version", timeout=60) as answer:
        assert json.loads(answer.read()) == {"model": NAME, "version": "1", "mlflow": mlflow.__version__}
        assert answer.headers["X-Wattcast-Version"] == "1"
    for page in ("docs", "redoc", "openapi.json"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{server.address}/{page}", timeout=60)


def test_in_python_the_refusal_is_a_value_error(model_uri: str, raw: pd.DataFrame) -> None:
    served = mlflow.pyfunc.load_model(model_uri)
    with pytest.raises(ValueError, match=r"^a forecast needs the newest 6 readings") as refused:
        served.predict(raw.tail(3))
    assert "InputError" in [kind.__name__ for kind in type(refused.value).__mro__]


# Beginning and end


def test_a_busy_port_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 cannot be used .*choose another --port"):
            serve(Versions.open(NAME), ALIAS, Serving(port=port))


@pytest.mark.story
def test_where_the_version_cannot_be_loaded_its_fallback_answers(
    raw: pd.DataFrame, house: pd.DataFrame, workspace: Path, tmp_path: Path
) -> None:
    """A process without TensorFlow, as there is no model."""
    frame = check_readings(house, READINGS)
    fallback = Fallback.of_readings(frame, READINGS, Habits(), WindowConfig(lookback=6), (0.05, 0.5, 0.95))
    versions = Versions.open("lost")
    versions.client.create_registered_model("lost")
    tags = {FALLBACK: json.dumps(fallback.to_json())}
    versions.client.create_model_version("lost", str(tmp_path), tags=tags)
    port = free_port()
    program = f"""
import sys
from wattcast.flows.service import inside_server
from wattcast.flows.service.inside_server import Refusal, read_body
from wattcast.flows.service.serve import Serving, serve
from wattcast.tasks.registry.versions import Versions
sys.exit(serve(Versions.open("lost"), "1", Serving(port={port}, workers=1, fallback="naive")))
"""
    with running([sys.executable, "-c", program], cwd=workspace, stderr=subprocess.DEVNULL) as process:
        wait_for_answer(f"http://127.0.0.1:{port}/ping", process)
        alone = Server(f"http://127.0.0.1:{port}", process)
        for body, kind in ((split(raw), JSON), (csv(raw), CSV)):
            (made,) = ask(alone, body, kind).forecast.to_dict("records")
            assert made["made_by"] == "persistence"
            assert made["Appliances"] == raw["Appliances"].iloc[-1]
            assert made["Appliances_p05"] < made["Appliances"] < made["Appliances_p95"]
        refused = ask(alone, split(raw.drop(columns="Appliances")))
        assert (refused.status, "'Appliances' is missing" in refused.message) == (400, True)


@pytest.mark.story
def test_a_champion_is_followed_and_no_request_is_lost(server: Server, model_uri: str, raw: pd.DataFrame) -> None:
    """Clients ask all the time, each on a connection of its own, while another version takes over."""
    body, versions, done = split(raw), Versions.open(NAME), Event()

    def client() -> list[str]:
        served = []
        while not done.is_set():
            request = urllib.request.Request(f"{server.address}/invocations", body.encode(), {"Content-Type": JSON})
            with urllib.request.urlopen(request, timeout=60) as answer:
                served.append(answer.headers["X-Wattcast-Version"])
        return served

    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(client) for _ in range(4)]
        try:
            version = versions.register(model_uri, "", {DIGEST: versions.digest(model_uri)})
            versions.name_alias(ALIAS, version.number)
            wait_until(
                lambda: b'"2"' in urllib.request.urlopen(f"{server.address}/version", timeout=60).read(), "2", 240
            )
            time.sleep(1)
        finally:
            done.set()
        for served in [each.result() for each in asked]:
            assert served[0] == "1"
            assert served[-1] == "2"
            assert len(served) > 20


def test_it_goes_without_leaving_a_process_behind(server: Server) -> None:
    """The last one, as the server is gone then."""
    below = psutil.Process(server.process.pid).children(recursive=True)
    assert any("inside_server" in " ".join(process.cmdline()) for process in below)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 128 + signal.SIGINT
    _, alive = psutil.wait_procs(below, timeout=5)
    assert alive == []
