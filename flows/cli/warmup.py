"""TensorFlow takes seconds to import, and Prefect's temporary server seconds to start: both at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from wattcast.flows.cli.startup import begin, require_room, screen
from wattcast.flows.experiment.experiment import Experiment


@contextmanager
def ready(experiment: Experiment | None = None) -> Iterator[None]:
    """For the block that imports and runs a flow, on `experiment` where it has one.

    Raises:
        InputError: a server that the environment names does not answer, or the user's own file cannot be used.
    """
    if not os.environ.get("PREFECT_API_URL"):
        home = os.environ.get("PREFECT_HOME") or os.path.expanduser("~/.prefect")  # noqa: PTH111 - there may be no home
        require_room(Path(home), "Prefect keeps its database in its home", "set PREFECT_HOME to another folder")
    begin(experiment)
    with tensorflow_in_background(screen):
        yield


@contextmanager
def tensorflow_in_background(screen: Console) -> Iterator[None]:
    """Import TensorFlow in another thread while the block begins; whoever imports it in the block waits for it.

    Standard error is silent meanwhile, but for what is printed to `screen`.
    """
    thread = threading.Thread(target=_import_tensorflow, daemon=True)
    with os.fdopen(os.dup(2), "w", buffering=1) as visible:
        screen.file = visible
        thread.start()
        try:
            yield
        finally:
            thread.join()
            screen.file = None  # type: ignore[assignment]  # standard error again, whichever that is by then


def _import_tensorflow() -> None:
    with _native_log_hidden():
        import wattcast.model.network.build  # noqa: F401


@contextmanager
def _native_log_hidden() -> Iterator[None]:
    """TensorFlow's libraries greet on the file descriptor of standard error, whatever log level is set."""
    screen = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)
