"""What a command does before it begins: libraries kept quiet, servers and files looked at, a quick way out."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from wattcast.flows.cli.late import load
from wattcast.flows.service.environment import COMMAND, completed
from wattcast.model.errors import InputError
from wattcast.tasks.credentials import MLFLOW, PREFECT
from wattcast.tasks.stages import show_on_screen, stage

if TYPE_CHECKING:
    import pandas as pd

    from wattcast.flows.experiment.experiment import Experiment

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended."""
_FAREWELL_S = 8  # for the run to be closed
_LEAST_ROOM = 2**20  # bytes


def begin(
    experiment: Experiment | None = None,
    *,
    quiet: bool = False,
    check: Callable[[pd.DatetimeIndex], object] | None = None,
) -> None:
    """Prepare for a flow, on `experiment` where it has one; `quiet` leaves nothing on the screen but warnings.

    What else must hold of the times of its readings is for `check` to look at.

    Raises:
        InputError: a server that the environment names does not answer, or the user's own file cannot be used.
    """
    load()
    _set_up_libraries(quiet=quiet)
    signal.signal(signal.SIGINT, _leave_soon)
    _require_answer(MLFLOW)
    _require_answer(PREFECT)
    if MLFLOW not in os.environ:
        require_room(Path.cwd(), "MLflow keeps runs in the working folder", "change to another folder")
    if experiment:
        times = _times_of_own_file(experiment)
        if check:
            check(_known_times() if times is None else times)


def require_room(folder: Path, use: str, way: str) -> None:
    """A folder that takes a file: libraries would tell after a minute, and in their own words.

    Raises:
        InputError: it does not; `use` says what it is for, `way` how another one is chosen.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_LEAST_ROOM))
            file.flush()
    except OSError as error:
        raise InputError(
            f"{use}, and {folder} takes no file ({error.strerror or error}): mend that, or {way}"
        ) from None


def _set_up_libraries(*, quiet: bool = False) -> None:
    """Our own words on the screen, of the libraries what is critical. A user's own settings win."""
    os.environ.update(completed(COMMAND))
    logging.raiseExceptions = False  # Prefect would write on the screen whenever its server takes no line of the log
    show_on_screen(logging.WARNING if quiet else logging.INFO)


def _leave_soon(_signal: int, _frame: FrameType | None) -> None:
    """Ctrl-C ends Prefect's temporary server as well."""
    end_soon(INTERRUPTED)
    raise KeyboardInterrupt


def end_soon(code: int) -> None:
    """End with this exit code in a few seconds: Prefect's client would wait for minutes for a server that is gone."""
    farewell = threading.Timer(_FAREWELL_S, os._exit, [code])
    farewell.daemon = True
    farewell.start()


def _require_answer(variable: str) -> None:
    """A server that is named in the environment must answer: the libraries would try for minutes."""
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    address = os.environ.get(variable, "")
    if not address.startswith(("http://", "https://")):
        if address and variable == PREFECT:  # MLflow's may be a database
            raise InputError(f"{variable} must be an address such as http://127.0.0.1:4200/api, received {address!r}")
        return
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=10).close()  # noqa: S310 - it is http
    except urllib.error.HTTPError:
        return  # it answers, if only to ask who is there
    except (OSError, ValueError, HTTPException) as error:
        raise InputError(f"{variable} names {address}, which does not answer: {error}; start it or unset it") from None


def _known_times() -> pd.DatetimeIndex:
    """Those of the UCI data, and of the simulated house in their place."""
    import pandas as pd

    from wattcast.tasks.data.uci import CADENCE_MINUTES, FIRST, LAST

    return pd.date_range(FIRST, LAST, freq=f"{CADENCE_MINUTES}min")


def _times_of_own_file(experiment: Experiment) -> pd.DatetimeIndex | None:
    """When the readings of a file of the user's were taken; None where it is none.

    What is wrong with it is said at once, not after Prefect and TensorFlow have started.
    """
    import pandas as pd

    from wattcast.model.clean import settle
    from wattcast.tasks.data.download import CHOICES, read_ahead
    from wattcast.tasks.data.validate import trainable

    if experiment.data in CHOICES:
        return None
    with stage("looking at the file"):
        frame = read_ahead(experiment.data, experiment.file).frame
        try:
            readings, _ = settle(frame, experiment.readings)  # the flow tells what was found
            return pd.DatetimeIndex(trainable(frame, readings, window_rows=experiment.window.least_rows).frame.index)
        except InputError as error:
            names = ", ".join(str(name) for name in frame.columns[:20])
            yours = "name yours in readings.timestamp, readings.targets and readings.features"
            raise InputError(f"{error}\nthe file's columns are {names}; {yours}") from None
