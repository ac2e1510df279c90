"""Where runs and models are kept: MLflow's tracking store, and what can be wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from urllib.parse import urlparse

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from wattcast.model.errors import InputError
from wattcast.model.telling import masked
from wattcast.tasks.credentials import parted
from wattcast.tasks.faults import fault_of

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
        said = fault_of(error)
        if not said:
            said = f"{str(error).strip().splitlines()[0]}; mend that and run the same command again"
        raise InputError(f"the tracking store {tracking_uri()} cannot be used: {said}") from error


def tracking_uri() -> str:
    """Where runs are tracked. Credentials of a server are moved out of its address, which MLflow shows and keeps."""
    place, user, password = parted(str(mlflow.get_tracking_uri()))
    if user:
        os.environ.setdefault("MLFLOW_TRACKING_USERNAME", user)
        os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", password)
        mlflow.set_tracking_uri(place)
    return place


def is_local_store() -> bool:
    """Whether runs are tracked in files of this machine, which no other one reaches."""
    return urlparse(tracking_uri()).scheme in {"", "file", "sqlite"}


def require_server() -> None:
    """Runs are tracked where the workers of a cluster reach them.

    Raises:
        InputError: they are not.
    """
    if is_local_store():
        raise InputError(
            "the runner dask needs a tracking server that all its workers reach: start `mlflow server` and name it in "
            "MLFLOW_TRACKING_URI"
        )


def store_client(store: str | None = None) -> MlflowClient:
    """A client of the tracking store. Two processes would both make the tables of a new local one, so they queue."""
    uri = store or tracking_uri()
    file = uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else None
    if file and (odd := [sign for sign in "#?%" if sign in str(Path.cwd())]):
        raise InputError(f"MLflow would put files elsewhere, as the working folder's name has {odd}: {Path.cwd()}")
    try:
        with FileLock(f"{file}.lock") if file else nullcontext():
            return MlflowClient(uri)
    except (MlflowException, OSError, SQLAlchemyError) as error:
        raise InputError(f"the tracking store {uri} cannot be used: {error}") from error
    except ImportError as error:
        raise InputError(f"the tracking store {uri} cannot be used: {error}: install its driver") from error


def experiment_id(client: MlflowClient) -> str:
    if client.get_experiment_by_name(EXPERIMENT) is None:
        with suppress(MlflowException):  # another process may have made it by now
            client.create_experiment(EXPERIMENT, tags=_TRAINING_VIEW)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        raise RuntimeError(f"MLflow gave no experiment {EXPERIMENT!r} at {masked(tracking_uri())}")
    if experiment.lifecycle_stage != "active":
        raise InputError(
            f"the MLflow experiment {EXPERIMENT!r} is deleted: bring it back with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)
