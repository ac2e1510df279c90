"""What MLflow remembers of a run.

Everything goes through a client and an explicit run id: MLflow's idea of an active run, which is one a thread and can
be set from outside by `MLFLOW_RUN_ID`, is never asked.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import re
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname
from uuid import uuid4

import mlflow
import pandas as pd
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from model import pyfunc
from model.errors import InputError
from model.fit import DivergedError, Epoch
from model.forecaster import Forecaster
from model.readings import MADE_AT, ReadingsConfig
from tasks.owner import LostTrialError, Owner

log = logging.getLogger(__name__)

EXPERIMENT = "appliances-energy"
FAILURE = "failure"
"""The tag that says why a run has failed."""
FORECASTER = "forecaster"
"""The name under which a run keeps its model."""
CONFIG_FILE = "config.toml"
"""The artifact that reproduces a run."""
JOB = "job"
"""The tag of a run that is more than a training: the command that makes it."""
_TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}  # else the UI expects language models
_FORBIDDEN = re.compile(r"[^\w\-. :/]")  # in the name of a metric
_OWNER = "owner"
_MOST_METRICS, _MOST_PARAMS, _LONGEST_PARAM, _LONGEST_TAG = 1000, 100, 6000, 5000
_MOST_OPEN = 1000  # runs at once
_RUNNING = "attributes.status = 'RUNNING'"
_SERVING_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "pydantic")


@dataclass(frozen=True)
class Log:
    """Parameters, metrics and tags of an open MLflow run."""

    client: MlflowClient
    run_id: str

    def log_epoch(self, epoch: Epoch) -> None:
        """The metrics of one epoch in one batch; those of a refit have the prefix `refit_`.

        Those of a second or later member have its number behind them: `val_rmse/member_2`.
        """
        prefix = "" if epoch.phase == "select" else "refit_"
        suffix = "" if epoch.member == 1 else f"/member_{epoch.member}"
        values = asdict(epoch)
        losses = ("train_loss", "train_mse", "train_penalty", "train_rmse", "val_loss", "val_mse", "val_rmse")
        names = (*losses, "learning_rate", "seconds")
        metrics = {f"{prefix}{name}{suffix}": values[name] for name in names if values[name] is not None}
        self.log_metrics(metrics, step=epoch.number)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """All `metrics` in as few batches as MLflow takes; what it does not take in a name becomes `_`."""
        now = int(time() * 1000)
        batch = [Metric(_FORBIDDEN.sub("_", name), value, now, step) for name, value in metrics.items()]
        for first in range(0, len(batch), _MOST_METRICS):
            self.client.log_batch(self.run_id, batch[first : first + _MOST_METRICS])

    def log_scores(self, scores: Mapping[str, float], *, step: int) -> None:
        """Final scores. One with a curve of its own closes it at `step`; of the others MLflow draws bars."""
        curves = self.client.get_run(self.run_id).data.metrics
        self.log_metrics({name: value for name, value in scores.items() if name in curves}, step=step)
        self.log_metrics({name: value for name, value in scores.items() if name not in curves})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """All `params` in as few batches as MLflow takes, each as long as it may be."""
        batch = [Param(name, str(value)[:_LONGEST_PARAM]) for name, value in params.items()]
        for first in range(0, len(batch), _MOST_PARAMS):
            self.client.log_batch(self.run_id, params=batch[first : first + _MOST_PARAMS])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """All `tags` in one batch."""
        self.client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in tags.items()])


@dataclass(frozen=True)
class Parent:
    """Where a run is that has others below it: whoever has this can add one."""

    store: str
    experiment_id: str
    run_id: str


@dataclass(frozen=True)
class Run(Log):
    """An open MLflow run. Files in `folder` become its artifacts: at once where the store is local, else at the end."""

    folder: Path
    local: bool

    def address(self, name: str) -> str:
        """Where the artifact `name` is found after the run: its path, or its MLflow address in a store far away."""
        return str(self.folder / name) if self.local else f"runs:/{self.run_id}/{name}"

    @property
    def parent(self) -> Parent:
        """For runs below this one."""
        experiment_id = self.client.get_run(self.run_id).info.experiment_id
        return Parent(self.client.tracking_uri, experiment_id, self.run_id)

    def end(self, status: str, failure: str = "") -> None:
        """Close a run that `shared_run` has opened."""
        if failure:
            self.client.set_tag(self.run_id, FAILURE, failure[:_LONGEST_TAG])
        self.client.set_terminated(self.run_id, status)

    def write(self, name: str, content: str | bytes) -> None:
        """`content` as the artifact `name`."""
        data = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(data)

    def log_dataset(self, frame: pd.DataFrame, *, source: str, origin: str) -> None:
        """The clean frame as the run's dataset input: kind of source, origin, digest, columns and size.

        The digest is of the frame, not of its file: to MLflow equal digests are one data set, and what a retraining
        reads of a file ends at its date.
        """
        content = pd.util.hash_pandas_object(frame).to_numpy().tobytes()
        digest = hashlib.sha256(repr(list(frame.columns)).encode() + content).hexdigest()
        columns = Schema([ColSpec("double", str(name)) for name in frame.columns])
        dataset = Dataset(
            name=EXPERIMENT,
            digest=digest[:36],  # as much as MLflow keeps
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
        experiment_id = self.client.get_run(self.run_id).info.experiment_id
        model = self.client.create_logged_model(experiment_id, name=FORECASTER, source_run_id=self.run_id)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / FORECASTER
            forecaster.save(folder)
            info = Model.log(
                artifact_path=None,
                model_id=model.model_id,
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
    name: str,
    *,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    resume: str | None = None,
    way_on: str = "`wattcast train --resume {run_id}` goes on from the last epoch",
) -> Iterator[Run]:
    """An open run of the experiment `appliances-energy`: a new one, or `resume` taken up again.

    `way_on` is what somebody is told who interrupts it.

    It ends FINISHED, FAILED with the tag `failure`, or KILLED.

    Raises:
        InputError: the tracking store cannot be used, or another process is at work on `resume`.
    """
    client = store_client()
    run_id = resume or _new_run(client, name, tags)
    with _alone(run_id), _ending(client, run_id):
        if resume:
            client.update_run(run_id, status="RUNNING")
            client.set_tag(run_id, _OWNER, _me())
        try:
            with _artifact_folder(client, run_id) as run:
                run.log_params(params)
                yield run
            if resume:
                with suppress(MlflowException):  # it had ended without one
                    client.delete_tag(run_id, FAILURE)
        except Exception:
            log.warning("the run %s has failed and keeps what it wrote", run_id)
            raise
        except BaseException:
            log.warning("interrupted: %s", way_on.format(run_id=run_id))
            raise


@contextmanager
def shared_run(name: str, *, params: Mapping[str, Any], tags: Mapping[str, str], resume: str | None) -> Iterator[Run]:
    """An open run that several processes may have open at once: a new one, or `resume` where the store still has it.

    Who leaves it does not end it: see `Run.end`.

    Raises:
        InputError: the tracking store cannot be used.
    """
    client = store_client()
    known = resume if resume and _has_run(client, resume) else None
    run_id = known or _new_run(client, name, tags)
    with _artifact_folder(client, run_id) as run:
        if known:
            client.update_run(run_id, status="RUNNING")
            client.set_tag(run_id, f"{_OWNER}.{uuid4().hex}", _me())  # beside that of the one who began it
            with suppress(MlflowException):  # it had ended without one
                client.delete_tag(run_id, FAILURE)
        else:
            run.log_params(params)
        yield run


@contextmanager
def child_run(
    parent: Parent, name: str, *, worker: str, params: Mapping[str, Any], tags: Mapping[str, str]
) -> Iterator[Log]:
    """An open run below `parent`, without files; it ends as `tracked_run` does. `worker` is who works on it."""
    client = store_client(parent.store)
    below = {MLFLOW_PARENT_RUN_ID: parent.run_id, _OWNER: _me(worker), **tags}
    run_id = client.create_run(parent.experiment_id, run_name=name, tags=below).info.run_id
    with _ending(client, run_id):
        child = Log(client, run_id)
        child.log_params(params)
        yield child


def end_children(parent: Parent, owners: Collection[Owner] = (), *, worker: str = "") -> None:
    """End the open runs below `parent` whose process has died, those of `owners` and those of `worker`, as KILLED."""
    client = store_client(parent.store)
    below = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.run_id}' and {_RUNNING}"
    for run in client.search_runs([parent.experiment_id], below, max_results=_MOST_OPEN):
        owner = Owner(**json.loads(run.data.tags[_OWNER]))
        if owner.is_dead or owner in owners or owner.works_for(worker):
            client.set_terminated(run.info.run_id, "KILLED")


def abandoned_runs() -> list[str]:
    """The ids of the open runs all of whose processes have died."""
    client = store_client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    open_runs = client.search_runs([experiment.experiment_id], _RUNNING, max_results=_MOST_OPEN)
    return [run.info.run_id for run in open_runs if _is_abandoned(run.data.tags)]


def close_abandoned() -> list[str]:
    """End the runs of `abandoned_runs` as KILLED; their ids."""
    abandoned = abandoned_runs()
    for run_id in abandoned:
        store_client().set_terminated(run_id, "KILLED")
    return abandoned


def _is_abandoned(tags: Mapping[str, str]) -> bool:
    try:
        owners = [Owner(**json.loads(value)) for name, value in tags.items() if name.partition(".")[0] == _OWNER]
    except (ValueError, TypeError):  # somebody else's tag
        return False
    return bool(owners) and all(owner.is_dead for owner in owners)


def resumable_run(tag: str, value: str) -> str | None:
    """The newest run whose `tag` is `value` which ended early, but not by diverging, and which nobody works on."""
    client = store_client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    newest = ["attributes.start_time DESC"]
    runs = client.search_runs([experiment.experiment_id], f"tags.`{tag}` = '{value}'", order_by=newest)
    early = [run for run in runs if run.info.status in {"KILLED", "FAILED"} and not _has_diverged(run.data.tags)]
    return early[0].info.run_id if early else None


def _has_diverged(tags: Mapping[str, str]) -> bool:
    return tags.get(FAILURE, "").startswith(DivergedError.__name__)


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


def unfinished_run(run_id: str) -> tuple[str, str]:
    """The configuration (TOML) and the data's SHA-256 of a run that did not end well.

    Raises:
        InputError: there is no such run, it has finished, or it ended before it wrote its configuration.
    """
    try:
        run = store_client().get_run(run_id)
    except MlflowException:
        raise InputError(
            f"there is no run {run_id!r} in {mlflow.get_tracking_uri()}: `mlflow ui` shows the ids of all runs"
        ) from None
    if job := run.data.tags.get(JOB):
        raise InputError(f"run {run_id} is one of `wattcast {job}`, not a training: give that command again")
    if run.info.status == "FINISHED":
        raise InputError(f"run {run_id} has finished, there is nothing to resume: start a new one without --resume")
    if _has_diverged(run.data.tags):
        raise InputError(f"run {run_id} diverged and would do so again: start a new one with other settings")
    try:
        config = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{CONFIG_FILE}")
    except (MlflowException, OSError):
        raise InputError(f"run {run_id} ended before it wrote {CONFIG_FILE}: start it anew") from None
    return config, run.data.tags["data.sha256"]


@dataclass(frozen=True)
class Record:
    """What the store knows of a run that has begun."""

    run_id: str
    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]


def read_run(run_id: str) -> Record:
    """A run of whichever state.

    Raises:
        InputError: there is none.
    """
    try:
        run = store_client().get_run(run_id)
    except MlflowException:
        raise InputError(f"there is no run {run_id!r}: `mlflow ui` shows the ids of all runs") from None
    data = run.data
    return Record(run_id, run.info.run_name, run.info.status, dict(data.params), dict(data.tags), dict(data.metrics))


def read_artifact(run_id: str, name: str) -> str | None:
    """The text of a run's artifact; None where it has none of this name."""
    try:
        uri = store_client().get_run(run_id).info.artifact_uri
        return str(mlflow.artifacts.load_text(f"{uri}/{name}"))
    except (MlflowException, OSError):
        return None


def signature(readings: ReadingsConfig) -> ModelSignature:
    """Raw readings in, forecasts out, and the option `every`.

    The readings may be of any type and none is required: MLflow would refuse the whole numbers and the dates as text of
    a CSV that was just read, which the forecaster takes; and the forecaster says more clearly what is missing or wrong,
    where MLflow puts all of the readings before it.
    """
    anything = AnyType()  # type: ignore[no-untyped-call]
    given = Schema([ColSpec(anything, name, required=False) for name in (readings.timestamp, *readings.columns)])
    times = [ColSpec("datetime", name) for name in (MADE_AT, readings.timestamp)]
    forecast = Schema([*times, *(ColSpec("double", name) for name in readings.targets)])
    return ModelSignature(given, forecast, ParamSchema([ParamSpec("every", "boolean", default=False)]))


def _me(worker: str = "") -> str:
    return json.dumps(asdict(Owner.me(worker)))


def _new_run(client: MlflowClient, name: str, tags: Mapping[str, str]) -> str:
    run = client.create_run(_experiment_id(client), run_name=name, tags={**_origin(), _OWNER: _me(), **tags})
    return str(run.info.run_id)


def _has_run(client: MlflowClient, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


@contextmanager
def _ending(client: MlflowClient, run_id: str) -> Iterator[None]:
    """The run ends FINISHED, FAILED with the tag `failure`, or KILLED."""
    status = "KILLED"
    try:
        yield
        status = "FINISHED"
    except LostTrialError:
        raise
    except Exception as error:
        status = "FAILED"
        client.set_tag(run_id, FAILURE, f"{type(error).__name__}: {error}"[:_LONGEST_TAG])
        raise
    finally:
        client.set_terminated(run_id, status)


def _origin() -> dict[str, str]:
    """Who runs which code, in MLflow's own tags and as `git.commit`."""
    commit = _git_commit()
    return {
        "git.commit": commit,
        MLFLOW_GIT_COMMIT: commit,
        MLFLOW_USER: user(),
        MLFLOW_SOURCE_NAME: "wattcast",
        MLFLOW_SOURCE_TYPE: "PROJECT",
    }


def user() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a user without a name
        return "unknown"


def _git_commit() -> str:
    """The commit of this code, `-dirty` behind it where files differ from it; `unknown` outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


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


@contextmanager
def _alone(run_id: str) -> Iterator[None]:
    """No other process on this machine writes to the run meanwhile."""
    lock = FileLock(Path(tempfile.gettempdir()) / f"wattcast-{run_id}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"run {run_id} is being trained by another process: wait for it, or end it first") from None
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


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
def _artifact_folder(client: MlflowClient, run_id: str) -> Iterator[Run]:
    """The run with the folder of its files: its artifact folder itself, or one that is uploaded when the run ends."""
    uri = urlparse(client.get_run(run_id).info.artifact_uri)
    if uri.scheme in {"", "file"}:
        folder = Path(url2pathname(uri.path))
        folder.mkdir(parents=True, exist_ok=True)
        yield Run(client, run_id, folder, local=True)
        return
    with tempfile.TemporaryDirectory() as temporary:
        mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=temporary)
        try:
            yield Run(client, run_id, Path(temporary), local=False)
        finally:
            client.log_artifacts(run_id, temporary)
