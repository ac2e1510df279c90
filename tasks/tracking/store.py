"""Where runs and models are kept: MLflow's tracking store, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from urllib.parse import urlparse

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from wattcast.model.errors import InputError

EXPERIMENT = "appliances-energy"


_TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}  # else the UI expects language models


@contextmanager
def tracking_faults() -> Iterator[None]:
    """Whatever is wrong with the tracking store becomes one message.

    Raises:
        InputError: it cannot be reached, read or written.
    """
    try:
        yield
    except MlflowException as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"the tracking store {mlflow.get_tracking_uri()} cannot be used: {first}; mend that and run the same "
            f"command again"
        ) from error


def tracking_uri() -> str:
    """Where runs are tracked."""
    return str(mlflow.get_tracking_uri())


def is_local_store() -> bool:
    """Whether runs are tracked in files of this machine, which no other one reaches."""
    return urlparse(mlflow.get_tracking_uri()).scheme in {"", "file", "sqlite"}


def store_client(store: str | None = None) -> MlflowClient:
    """A client of the tracking store. Two processes would both make the tables of a new local one, so they queue."""
    uri = store or mlflow.get_tracking_uri()
    file = uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else None
    if file and (odd := [sign for sign in "#?%" if sign in str(Path.cwd())]):
        raise InputError(f"MLflow would put files elsewhere, as the working folder's name has {odd}: {Path.cwd()}")
    try:
        with FileLock(f"{file}.lock") if file else nullcontext():
            return MlflowClient(uri)
    except (MlflowException, OSError) as error:
        raise InputError(f"the tracking store {uri} cannot be used: {error}") from error


def experiment_id(client: MlflowClient) -> str:
    if client.get_experiment_by_name(EXPERIMENT) is None:
        with suppress(MlflowException):  # another process may have made it by now
            client.create_experiment(EXPERIMENT, tags=_TRAINING_VIEW)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        raise RuntimeError(f"MLflow gave no experiment {EXPERIMENT!r} at {mlflow.get_tracking_uri()}")
    if experiment.lifecycle_stage != "active":
        raise InputError(
            f"the MLflow experiment {EXPERIMENT!r} is deleted: bring it back with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)
