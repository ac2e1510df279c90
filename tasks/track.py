"""What MLflow remembers of a run. The only module that imports mlflow.

Everything goes through a client and an explicit run id: MLflow's idea of an active run, which is one a thread and can
be set from outside by `MLFLOW_RUN_ID`, is never asked.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import mlflow
import pandas as pd
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_GIT_COMMIT,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from model import pyfunc
from model.errors import InputError
from model.fit import Epoch
from model.forecaster import Forecaster
from model.readings import ReadingsConfig

EXPERIMENT = "appliances-energy"
FORECASTER = "forecaster"
"""The name under which a run keeps its model."""
CONFIG_FILE = "config.toml"
"""The artifact that reproduces a run."""
_TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}  # else the UI expects language models
_SERVING_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "pydantic")


@dataclass(frozen=True)
class Run:
    """An open MLflow run. Files in `folder` become its artifacts: at once where the store is local, else at the end."""

    client: MlflowClient
    run_id: str
    folder: Path

    def write(self, name: str, content: str | bytes) -> None:
        """`content` as the artifact `name`."""
        data = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(data)

    def log_epoch(self, epoch: Epoch) -> None:
        """The metrics of one epoch in one batch; those of a refit have the prefix `refit_`."""
        prefix = "" if epoch.phase == "select" else "refit_"
        values = asdict(epoch)
        names = ("train_loss", "train_mse", "train_penalty", "train_rmse", "val_loss", "val_mse", "val_rmse")
        metrics = {f"{prefix}{name}": values[name] for name in (*names, "learning_rate") if values[name] is not None}
        self.log_metrics(metrics, step=epoch.number)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """All `metrics` in one batch."""
        now = int(time() * 1000)
        self.client.log_batch(self.run_id, [Metric(name, value, now, step) for name, value in metrics.items()])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """All `tags` in one batch."""
        self.client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def log_dataset(self, frame: pd.DataFrame, *, source: str, origin: str, digest: str) -> None:
        """The clean frame as the run's dataset input: kind of source, origin, digest, columns and size."""
        columns = Schema([ColSpec("double", str(name)) for name in frame.columns])
        dataset = Dataset(
            name=EXPERIMENT,
            digest=digest[:36],  # as much as MLflow stores
            source_type=source,
            source=json.dumps({"uri": origin}),
            schema=json.dumps({"mlflow_colspec": columns.to_dict()}),
            profile=json.dumps({"num_rows": len(frame), "num_elements": frame.size}),
        )
        used = DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])
        self.client.log_inputs(self.run_id, [used])

    def log_forecaster(self, forecaster: Forecaster, example: pd.DataFrame) -> str:
        """The forecaster as a pyfunc model with signature, example and exact requirements; its URI.

        `model/` travels with it as code, so that it loads without this repository.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / FORECASTER
            forecaster.save(folder)
            info = Model.log(
                artifact_path=None,
                name=FORECASTER,
                flavor=mlflow.pyfunc,
                run_id=self.run_id,
                loader_module=pyfunc.__name__,
                data_path=str(folder),
                code_paths=[str(Path(pyfunc.__file__).parent)],
                signature=signature(forecaster.readings),
                input_example=example,
                pip_requirements=[f"{package}=={version(package)}" for package in _SERVING_PACKAGES],
            )
        return str(info.model_uri)


@contextmanager
def tracked_run(
    name: str, *, params: Mapping[str, Any], tags: Mapping[str, str], resume: str | None = None
) -> Iterator[Run]:
    """An open run of the experiment `appliances-energy`: a new one, or `resume` taken up again.

    It ends FINISHED, FAILED with the tag `failure`, or KILLED.
    """
    client = _client()
    if resume:
        run_id = resume
        client.update_run(run_id, status="RUNNING")
    else:
        run_id = client.create_run(_experiment_id(client), run_name=name, tags={**_origin(), **tags}).info.run_id
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
    with _artifact_folder(client, run_id) as folder:
        try:
            yield Run(client, run_id, folder)
        except Exception as error:
            client.set_tag(run_id, "failure", f"{type(error).__name__}: {error}"[:5000])
            client.set_terminated(run_id, "FAILED")
            raise
        except BaseException:
            client.set_terminated(run_id, "KILLED")
            raise
    client.set_terminated(run_id, "FINISHED")


def unfinished_run(run_id: str) -> tuple[str, str]:
    """The configuration (TOML) and the data's SHA-256 of a run that did not end well.

    Raises:
        InputError: there is no such run, it has finished, or it ended before it wrote its configuration.
    """
    try:
        run = _client().get_run(run_id)
    except MlflowException:
        raise InputError(
            f"there is no run {run_id!r} in {mlflow.get_tracking_uri()}: `mlflow ui` shows the ids of all runs"
        ) from None
    if run.info.status == "FINISHED":
        raise InputError(f"run {run_id} has finished, there is nothing to resume: start a new one without --resume")
    try:
        config = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{CONFIG_FILE}")
    except (MlflowException, OSError):
        raise InputError(f"run {run_id} ended before it wrote {CONFIG_FILE}: start it anew") from None
    return config, run.data.tags["data.sha256"]


def signature(readings: ReadingsConfig) -> ModelSignature:
    """Raw readings in, forecasts out, and the option `every`.

    The readings may be of any type: MLflow would refuse the whole numbers and the dates as text of a CSV that was just
    read, which the forecaster takes, and it says more clearly what it does not take.
    """
    anything = AnyType()  # type: ignore[no-untyped-call]
    given = Schema([ColSpec(anything, name) for name in (readings.timestamp, *readings.columns)])
    times = [ColSpec("datetime", name) for name in ("made_at", readings.timestamp)]
    forecast = Schema([*times, *(ColSpec("double", name) for name in readings.targets)])
    return ModelSignature(given, forecast, ParamSchema([ParamSpec("every", "boolean", default=False)]))


def _origin() -> dict[str, str]:
    """Who runs which code, in MLflow's own tags and as `git.commit`."""
    commit = _git_commit()
    return {
        "git.commit": commit,
        MLFLOW_GIT_COMMIT: commit,
        MLFLOW_USER: getpass.getuser(),
        MLFLOW_SOURCE_NAME: "wattcast",
        MLFLOW_SOURCE_TYPE: "PROJECT",
    }


def _git_commit() -> str:
    """The commit of this code, `-dirty` behind it where files differ from it; `unknown` outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _client() -> MlflowClient:
    """A client of the tracking store. Two processes would both make the tables of a new local one, so they queue."""
    uri = mlflow.get_tracking_uri()
    name = f"wattcast-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"
    with FileLock(Path(tempfile.gettempdir()) / name):
        return MlflowClient(uri)


def _experiment_id(client: MlflowClient) -> str:
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


@contextmanager
def _artifact_folder(client: MlflowClient, run_id: str) -> Iterator[Path]:
    """Where a run's files are written: its artifact folder itself, or one that is uploaded when the run ends."""
    uri = urlparse(client.get_run(run_id).info.artifact_uri)
    if uri.scheme in {"", "file"}:
        folder = Path(url2pathname(uri.path))
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=temporary)
        try:
            yield Path(temporary)
        finally:
            client.log_artifacts(run_id, temporary)
