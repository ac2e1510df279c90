"""TensorFlow takes seconds to import, Prefect and its server seconds to start: all at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from wattcast.flows.cli.output import for_the_result
from wattcast.flows.cli.startup import begin, require_room
from wattcast.tasks.stages import screen, stage

if TYPE_CHECKING:
    import pandas as pd

    from wattcast.flows.experiment.experiment import Experiment


@contextmanager
def ready(
    flow: str,
    experiment: Experiment,
    *,
    quiet: bool = False,
    check: Callable[[pd.DatetimeIndex], object] | None = None,
) -> Iterator[Any]:
    """The flow of this name, for the block that runs it on `experiment`; a server that it can tell is there by then.

    What `begin` takes is handed on to it. What code of others prints meanwhile, as a forecaster of the user's own, goes
    to standard error: the other one is for the result.

    Raises:
        InputError: a server that the environment names does not answer, or the user's own file cannot be used.
    """
    from wattcast.flows.service.local_prefect import API, LocalPrefect

    if not os.environ.get(API):
        home = os.environ.get("PREFECT_HOME") or os.path.expanduser("~/.prefect")  # noqa: PTH111 - there may be no home
        require_room(Path(home), "Prefect keeps its database in its home", "set PREFECT_HOME to another folder")
    begin(experiment, quiet=quiet, check=check)
    with tensorflow_in_background(screen):
        with stage("starting Prefect"):
            server = None if os.environ.get(API) else LocalPrefect()
            module = import_module(f"wattcast.flows.{flow}")
            if server:
                server.wait()
        with for_the_result():
            yield getattr(module, flow)


@contextmanager
def tensorflow_in_background(screen: Console) -> Iterator[None]:
    """Import TensorFlow in another thread while the block begins; whoever imports it in the block waits for it.

    Standard error is silent meanwhile, but for what is printed to `screen`.
    """
    thread = threading.Thread(target=_import_tensorflow, daemon=True)
    with os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as visible:  # as standard error itself
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
