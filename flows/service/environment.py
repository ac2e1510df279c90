"""With which environment our processes run: libraries that say only what helps, and no proxy before this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wattcast.tasks.credentials import moved

_EVERYWHERE = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # TensorFlow's libraries greet and advise at length
    "MLFLOW_LOGGING_LEVEL": "ERROR",  # our own messages say what its warnings are about
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # a bar a file
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # nothing is sent from here,
    "DO_NOT_TRACK": "1",  # by clients neither, and no notice of it stands above a first training
}
COMMAND = {
    **_EVERYWHERE,
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # a traceback for each fault of its store, which the command tells itself
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the command shows our warnings itself
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",  # the temporary server's, too
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # TensorFlow is imported meanwhile
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is for what was asked for
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a quarter of a minute for each call to a server that is gone, not four
    "PREFECT_CLIENT_MAX_RETRIES": "3",  # seven seconds for each call, of which there are many, not thirty
}
"""Of a command."""
MODEL_SERVER = _EVERYWHERE
"""Of the processes behind `wattcast serve`."""
SERVICES = {
    **_EVERYWHERE,
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # there is no command that would say it in other words
    "PYTHONWARNINGS": "ignore",  # what libraries tell each other
    "PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "true",  # `prefect deployment run --watch` shows what a run logs
    "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # ten more processes, for what is not used here
    # a slot of a run that was killed together with the server is given back, too
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}
"""Of what `make up` starts."""


def completed(settings: Mapping[str, str], own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment `own` with those of `settings` that it does not hold, and with this machine behind no proxy.

    Credentials in the addresses of servers are moved to variables of their own.
    """
    name = "no_proxy" if "no_proxy" in own else "NO_PROXY"
    hosts = [*filter(None, own.get(name, "").split(",")), "127.0.0.1", "localhost"]
    return {**settings, **moved(own), name: ",".join(dict.fromkeys(hosts))}
