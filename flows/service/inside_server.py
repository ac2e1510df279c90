"""The program of a process that answers requests: it serves one version and knows nothing of this project.

Its parent has bound the port and hands the socket on. So several processes listen on one port, and those of another
version may begin before these end: SIGUSR1 lets them answer what they have taken, and take no more.

A fallback that it is given answers where the version cannot: by the version's own code, or where there is no model to
be loaded by that of this project.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import uvicorn
from fastapi import FastAPI, Request, Response
from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import load_model, scoring_server
from mlflow.version import VERSION
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CSV = "text/csv"
KINDS = ("application/json", CSV)
FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
PARAMS = "params"
READY = "ready"
"""Begins the name of a file beside the model by which a process says that it is about to listen."""
_LONGEST = 2000  # of a message
_LONGEST_HEAD = 2**19  # bytes, with what arrives of the body at the same time
_IDLE_S = 5  # for which a connection is kept without a request
_FAREWELL_S = 60
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"';\s]*)""", re.IGNORECASE)


@dataclass(eq=False)  # not frozen: what handles it writes into its traceback
class Refusal(Exception):  # noqa: N818 - what is answered
    """A request that is answered with a reason instead of forecasts."""

    status: int
    reason: str


class Punctual(HttpToolsProtocol):
    """A connection that is closed where the head of a request does not arrive in time, or does not end.

    uvicorn would wait for ever, and keep all of it.
    """

    patience_s: float
    _waiting: asyncio.TimerHandle | None = None
    _head: int = 0  # bytes that came while it was waited for

    def data_received(self, data: bytes) -> None:
        self._head += len(data) if self._waiting else 0
        if self._head > _LONGEST_HEAD:
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n")
            self.transport.close()
        else:
            super().data_received(data)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._arrived()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._head = 0
            self._waiting = self.loop.call_later(self.patience_s, self.transport.abort)

    def _arrived(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None


async def read_body(request: Request, *, most: int, patience_s: float) -> bytes:
    """The body of a request, of `most` bytes, where it arrives in time. One that is too large is taken and dropped.

    Raises:
        Refusal: it is larger, or late, or nobody sends it any more.
    """
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(patience_s):
            async for part in request.stream():
                size += len(part)
                if size <= most:
                    body += part
    except TimeoutError:
        raise Refusal(408, f"the body has not arrived within {patience_s:g} seconds") from None
    except ClientDisconnect:
        raise Refusal(400, "the body has not arrived: the connection is closed") from None
    if size > most:
        raise Refusal(413, f"the body has more than {most:,} bytes: send fewer readings, or serve with --max-body")
    return bytes(body)


def answer(model: Any, body: bytes, kind: str) -> str:
    """The forecasts from the readings in `body`, as JSON.

    Raises:
        Refusal: it holds none that can be used.
    """
    try:
        frame, params = read_csv(model, body) if kind == CSV else read_json(model, body)
    except Refusal:
        raise
    except MlflowException as error:
        raise Refusal(400, error.message) from None
    except RecursionError:
        raise Refusal(400, "the body is nested too deep to hold readings") from None
    except Exception as error:  # pandas tells in many ways that this is no table
        raise Refusal(400, f"the body holds no readings: {type(error).__name__}: {error}") from None
    try:
        made = model.predict(frame, params=params)
    except MlflowException as error:
        raise Refusal(error.get_http_status_code(), error.message) from None  # type: ignore[no-untyped-call]
    except Exception:
        traceback.print_exc()
        raise Refusal(500, "the model has failed over these readings: the server's own output says how") from None
    answered = StringIO()
    scoring_server.predictions_to_json(made, answered)  # type: ignore[no-untyped-call]
    return answered.getvalue()


def read_csv(model: Any, body: bytes) -> tuple[Any, None]:
    """The table in a body; a CSV brings no parameters.

    Raises:
        Refusal: it is no text.
    """
    try:
        text = StringIO(body.decode())
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is no UTF-8: {error.reason} at byte {error.start:,}") from None
    return scoring_server.parse_csv_input(text, model.metadata.get_input_schema()), None


def read_json(model: Any, body: bytes) -> tuple[Any, dict[str, Any] | None]:
    """The table and the parameters in a body, in one of the forms that MLflow's server takes.

    Raises:
        Refusal: it is no such JSON, or says something twice.
    """
    try:
        given = json.loads(body, object_pairs_hook=_once)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"the body is no valid JSON: {error}") from None
    except ValueError:
        raise Refusal(400, "the body holds a number of thousands of digits, which no reading is") from None
    forms = [form for form in FORMS if form in given] if isinstance(given, dict) else []
    if len(forms) != 1 or given.keys() - {*FORMS, PARAMS}:
        received = ", ".join(map(repr, given)) or "nothing" if isinstance(given, dict) else f"a {type(given).__name__}"
        raise Refusal(400, f"the body must be an object with one of {', '.join(FORMS)}, received {received}")
    params, schema = given.pop(PARAMS, None), model.metadata.get_params_schema()
    if params is not None and not isinstance(params, dict):
        raise Refusal(400, f"{PARAMS} must be an object, received a {type(params).__name__}")
    allowed = [each.name for each in schema.params] if schema else []
    if allowed and (unknown := [name for name in params or () if name not in allowed]):
        raise Refusal(400, f"there is no parameter {unknown[0]!r}: allowed are {', '.join(allowed)}")
    asked = model.metadata.get_input_schema()
    table = scoring_server.infer_and_parse_data(given, asked)
    has_columns = asked is not None and not asked.is_tensor_spec()  # another project's model may want arrays
    return pd.DataFrame(table) if has_columns else table, params


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; Python would take the last of several values, another reader the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal(400, f"the body says {twice!r} more than once in one object")
    return found


def application(model: Any, given: argparse.Namespace, *, closing: Callable[[], bool]) -> FastAPI:
    """What answers: /invocations, and of the server itself /ping, /health and /version."""
    app = FastAPI(title=given.name, version=given.version, openapi_url="/openapi.json" if given.docs else None)
    within = MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.get()  # type: ignore[no-untyped-call]

    def respond(content: str, status: int = 200) -> Response:
        headers = {"X-Wattcast-Version": given.version, **({"Connection": "close"} if closing() else {})}
        return Response(content, status, headers, media_type="application/json")

    @app.exception_handler(Refusal)
    async def refuse(_request: Request, refusal: Refusal) -> Response:
        said, tail = refusal.reason, _LONGEST // 3
        if len(said) > _LONGEST:
            said = f"{said[: _LONGEST - tail]}…{said[-tail:]}"
        return respond(json.dumps({"error_code": str(refusal.status), "message": said}), refusal.status)

    @app.get("/ping")
    @app.get("/health")
    async def health() -> Response:
        return respond("\n")

    @app.get("/version")
    async def version() -> Response:
        return respond(json.dumps({"model": given.name, "version": given.version, "mlflow": VERSION}))

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        said = request.headers.get("content-type", "")
        kind, charset = said.partition(";")[0].strip().lower(), _CHARSET.search(said)
        body = await read_body(request, most=given.most, patience_s=given.patience)
        if not said:
            raise Refusal(400, f"the request says no Content-Type: one of {', '.join(KINDS)}")
        if kind not in KINDS or (charset and charset[1].lower() not in {"utf-8", "utf8"}):
            raise Refusal(415, f"the Content-Type must be one of {', '.join(KINDS)}, in UTF-8, received {said}")
        try:
            made = await asyncio.wait_for(asyncio.to_thread(answer, model, body, kind), within)
        except TimeoutError:
            raise Refusal(504, f"no forecast was made within {within} seconds: send fewer readings") from None
        return respond(made)

    return app


class Server(uvicorn.Server):
    """One that can be told to take no more connections and to end once those that it has are done."""

    leaving = False

    def leave(self) -> None:
        """From now on connections end after their next answer."""
        self.leaving = True
        for listening in self.servers:
            listening.close()
        loop = asyncio.get_running_loop()
        self._end_when_done(loop, loop.time() + _FAREWELL_S)

    def _end_when_done(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self.server_state.connections and loop.time() < deadline:
            loop.call_later(0.1, self._end_when_done, loop, deadline)
        else:
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and from then on hear SIGUSR1."""
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.leave)


def main() -> None:
    """Load the model, say so, and answer until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--fallback", type=Path)
    parser.add_argument("--name")
    parser.add_argument("--version")
    parser.add_argument("--most", type=int)
    parser.add_argument("--patience", type=float)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--number")
    given = parser.parse_args()
    model: Any = load_model(given.model) if given.model else None
    if given.fallback:
        from wattcast.model.pyfunc import Served  # not before: the code that the model carries is to be found

        model = Served.beside(model, json.loads(given.fallback.read_text(encoding="utf-8")))
    Punctual.patience_s = given.patience
    servers: list[Server] = []
    app = application(model, given, closing=lambda: servers[0].leaving)
    config = uvicorn.Config(
        app, http=Punctual, access_log=False, log_level="warning", timeout_keep_alive=_IDLE_S, lifespan="off"
    )
    servers.append(Server(config))
    (given.folder / f"{READY}-{given.number}").touch()
    servers[0].run([socket.socket(fileno=given.socket)])


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        sys.exit(1)
