"""A Prefect server of a command's own, where none is named: it starts while libraries are imported, and ends with us.

Prefect would start one itself, but only when its client is asked for the first time, by then with all of the server
imported into our own process; and at the end it waits for it. This one is a process that says where it listens once it
answers, and that ends when our end of the pipe to it closes, however we end.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

from wattcast.flows.service.processes import start

API = "PREFECT_API_URL"
_MODULE = "wattcast.flows.service.local_prefect"
_FAREWELL_S = 10  # for what Prefect still writes down
_SERVER = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",  # as Prefect starts its own
    "PREFECT__SERVER_FINAL": "1",
}


_started: list[LocalPrefect] = []
"""Their pipes are open until we end: Prefect's client tells of a run's last events after everything else."""


class LocalPrefect:
    """The server, from the moment in which it is asked to start."""

    def __init__(self) -> None:
        self._process = start([_MODULE], {**os.environ, **_SERVER}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        _started.append(self)

    def wait(self) -> None:
        """Name it to Prefect's client, once it answers.

        Where it does not start nothing is named, and Prefect starts one in its own way or says why it cannot.
        """
        from prefect.context import refresh_global_settings_context

        addresses = (line.strip() for line in self._process.stdout or () if line.startswith("http"))
        if address := next(addresses, None):
            os.environ[API] = address
            refresh_global_settings_context()


def _serve() -> None:
    """Serve until standard input ends; say first at which address, or at which one Prefect's settings name a server."""
    from prefect.settings import get_current_settings

    if named := get_current_settings().api.url:
        print(named, flush=True)  # noqa: T201 - what the parent waits for
        return
    import uvicorn
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"http://127.0.0.1:{port}/api", flush=True)  # noqa: T201

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = Server(uvicorn.Config(create_app, factory=True, log_level="error", lifespan="on"))

        def end_with_parent() -> None:
            sys.stdin.read()
            server.should_exit = True
            time.sleep(_FAREWELL_S)
            os._exit(0)

        threading.Thread(target=end_with_parent, daemon=True).start()
        server.run([listener])


if __name__ == "__main__":
    _serve()
