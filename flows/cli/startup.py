"""What a command does before it begins: libraries kept quiet, servers and files looked at, a quick way out."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType

from wattcast.flows.cli.late import load
from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.service.environment import COMMAND, completed
from wattcast.model.errors import InputError
from wattcast.tasks.stages import show_on_screen, stage

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended."""
_FAREWELL_S = 8  # for the run to be closed


def begin(experiment: Experiment | None = None, *, quiet: bool = False) -> None:
    """Prepare for a flow, on `experiment` where it has one; `quiet` leaves nothing on the screen but warnings.

    Raises:
        InputError: a server that the environment names does not answer, or the user's own file cannot be used.
    """
    load()
    _set_up_libraries(quiet=quiet)
    signal.signal(signal.SIGINT, _leave_soon)
    _require_answer("MLFLOW_TRACKING_URI")
    _require_answer("PREFECT_API_URL")
    if experiment:
        _check_own_file(experiment)


def _set_up_libraries(*, quiet: bool = False) -> None:
    """Our own words on the screen, of the libraries what is critical. A user's own settings win."""
    os.environ.update(completed(COMMAND))
    show_on_screen(logging.WARNING if quiet else logging.INFO)


def _leave_soon(_signal: int, _frame: FrameType | None) -> None:
    """Ctrl-C ends Prefect's temporary server as well, and Prefect's client would wait for it for minutes."""
    farewell = threading.Timer(_FAREWELL_S, os._exit, [INTERRUPTED])
    farewell.daemon = True
    farewell.start()
    raise KeyboardInterrupt


def _require_answer(variable: str) -> None:
    """A server that is named in the environment must answer: the libraries would try for minutes."""
    import urllib.error
    import urllib.request

    address = os.environ.get(variable, "")
    if not address.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=10).close()  # noqa: S310 - it is http
    except urllib.error.HTTPError:
        return  # it answers, if only to ask who is there
    except (OSError, ValueError) as error:
        raise InputError(f"{variable} names {address}, which does not answer: {error}; start it or unset it") from None


def _check_own_file(experiment: Experiment) -> None:
    """What is wrong with a file of the user's is said at once, not after Prefect and TensorFlow have started."""
    from wattcast.model.clean import settle
    from wattcast.tasks.data.download import CHOICES, read_ahead
    from wattcast.tasks.data.validate import trainable

    if experiment.data in CHOICES:
        return
    with stage("looking at the file"):
        frame = read_ahead(experiment.data, experiment.file).frame
        try:
            readings, _ = settle(frame, experiment.readings)  # the flow tells what was found
            trainable(frame, readings, window_rows=experiment.window.least_rows)
        except InputError as error:
            names = ", ".join(str(name) for name in frame.columns[:20])
            yours = "name yours in readings.timestamp, readings.targets and readings.features"
            raise InputError(f"{error}\nthe file's columns are {names}; {yours}") from None
