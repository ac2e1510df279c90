"""What MLflow remembers of a run.

Everything goes through a client and an explicit run id: MLflow's idea of an active run, which is one a thread and can
be set from outside by `MLFLOW_RUN_ID`, is never asked.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
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
from mlflow.types import ColSpec, Schema
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NOTE,
)

from wattcast.model.errors import InputError
from wattcast.model.fit import Epoch
from wattcast.model.telling import tellable
from wattcast.tasks.faults import fault_of
from wattcast.tasks.liveness import LostTrialError, Owner
from wattcast.tasks.metric_names import of_curve
from wattcast.tasks.tracking.origin import code_tags
from wattcast.tasks.tracking.page import page_of_run
from wattcast.tasks.tracking.store import EXPERIMENT, experiment_id, store_client

log = logging.getLogger(__name__)

FAILURE = "failure"
"""The tag that says why a run has failed."""
CONFIG_FILE = "config.toml"
"""The artifact that reproduces a run."""
JOB = "job"
"""The tag of a run that is more than a training: the command that makes it."""
OWNER = "owner"
"""The tag that names the process at work on a run."""
_MOST_METRICS, _MOST_PARAMS, _LONGEST_PARAM, _LONGEST_TAG = 1000, 100, 6000, 5000


@dataclass(frozen=True)
class Log:
    """Parameters, metrics and tags of an open MLflow run."""

    client: MlflowClient
    run_id: str
    resumed: bool = field(default=False, kw_only=True)  # it has metrics of an earlier process

    def log_epoch(self, epoch: Epoch) -> None:
        """The metrics of one epoch in one batch."""
        values, refit = asdict(epoch), epoch.phase == "refit"
        losses = ("train_loss", "train_mse", "train_penalty", "train_rmse", "val_loss", "val_mse", "val_rmse")
        known = [name for name in (*losses, "learning_rate", "seconds") if values[name] is not None]
        metrics = {of_curve(name, refit=refit, member=epoch.member): values[name] for name in known}
        if not self._knows(next(iter(metrics)), epoch.number):  # an epoch is one batch: whole or absent
            self.log_metrics(metrics, step=epoch.number)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """All `metrics` in as few batches as MLflow takes."""
        now = int(time() * 1000)
        batch = [Metric(name, value, now, step) for name, value in metrics.items()]
        for first in range(0, len(batch), _MOST_METRICS):
            self.client.log_batch(self.run_id, batch[first : first + _MOST_METRICS])

    def log_scores(self, scores: Mapping[str, float], *, step: int) -> None:
        """Final scores. One with a curve of its own closes it at `step`; of the others MLflow draws bars."""
        curves = self.client.get_run(self.run_id).data.metrics
        ends = {name for name in scores if name in curves and not self._knows(name, 0)}
        self.log_metrics({name: scores[name] for name in ends if not self._knows(name, step)}, step=step)
        bars = scores.keys() - ends
        self.log_metrics({name: scores[name] for name in bars if not self._knows(name, 0)})

    def _knows(self, name: str, step: int) -> bool:
        """An earlier process of this run has logged the metric `name` of that step: a curve holds each once."""
        if not self.resumed:
            return False
        history = self.client.get_metric_history(self.run_id, name)
        return any(point.step == step for point in history)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """All `params` in as few batches as MLflow takes, each as long as it may be."""
        batch = [Param(name, str(value)[:_LONGEST_PARAM]) for name, value in params.items()]
        for first in range(0, len(batch), _MOST_PARAMS):
            self.client.log_batch(self.run_id, params=batch[first : first + _MOST_PARAMS])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """All `tags` in one batch."""
        self.client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def keep(self, name: str, content: bytes) -> None:
        """`content` as the artifact `name`, at once, of a run that has no folder."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(content)
            self.client.log_artifact(self.run_id, str(file))

    @property
    def description(self) -> str:
        """What `describe` has said; empty where it has not been asked."""
        return str(self.client.get_run(self.run_id).data.tags.get(MLFLOW_RUN_NOTE, ""))

    def describe(self, text: str) -> None:
        """The description that MLflow shows over the metrics, in Markdown."""
        self.client.set_tag(self.run_id, MLFLOW_RUN_NOTE, text[:_LONGEST_TAG])


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

    @property
    def name(self) -> str:
        """What the run is called."""
        return str(self.client.get_run(self.run_id).info.run_name)

    def address(self, name: str) -> str:
        """Where the artifact `name` is found after the run: its path, or its MLflow address in a store far away."""
        return str(self.folder / name) if self.local else f"runs:/{self.run_id}/{name}"

    def page(self, artifact: str = "") -> str:
        """The address of its page in MLflow, or of an artifact there; empty where none is known to be served."""
        at = self.parent
        return page_of_run(at.store, at.experiment_id, at.run_id, artifact)

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
            client.set_tag(run_id, OWNER, _me())
        try:
            with _artifact_folder(client, run_id, resumed=resume is not None, waiting=waiting_folder(run_id)) as run:
                run.log_params(params)
                yield run
            if resume:
                with suppress(MlflowException):  # it had ended without one
                    client.delete_tag(run_id, FAILURE)
        except Exception as error:
            log.warning("the run %s has failed and keeps what it wrote", run_id)
            if fault_of(error):
                log.warning("once that is mended, %s", way_on.format(run_id=run_id))
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
            client.set_tag(run_id, f"{OWNER}.{uuid4().hex}", _me())  # beside that of the one who began it
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
    below = {MLFLOW_PARENT_RUN_ID: parent.run_id, OWNER: _me(worker), **tags}
    run_id = client.create_run(parent.experiment_id, run_name=name, tags=below).info.run_id
    with _ending(client, run_id):
        child = Log(client, run_id)
        child.log_params(params)
        yield child


def _me(worker: str = "") -> str:
    return json.dumps(asdict(Owner.me(worker)))


def _failure(error: Exception) -> str:
    return tellable(f"{type(error).__name__}: {error}")[:_LONGEST_TAG]


def _new_run(client: MlflowClient, name: str, tags: Mapping[str, str]) -> str:
    run = client.create_run(experiment_id(client), run_name=name, tags={**code_tags(), OWNER: _me(), **tags})
    return str(run.info.run_id)


def _has_run(client: MlflowClient, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


@contextmanager
def _ending(client: MlflowClient, run_id: str) -> Iterator[None]:
    """The run ends FINISHED, FAILED with the tag `failure`, or KILLED."""
    status, failure = "KILLED", ""
    try:
        yield
        status = "FINISHED"
    except LostTrialError:
        raise
    except Exception as error:
        status, failure = "FAILED", _failure(error)
        raise
    finally:
        try:
            if failure:
                client.set_tag(run_id, FAILURE, failure)
            client.set_terminated(run_id, status)
        except MlflowException:  # what came first is told
            log.warning("the run %s could not be closed: `wattcast doctor --fix` does it once the store works", run_id)
            if status == "FINISHED":
                raise


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
        Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: later it may be the next one's
        lock.release()


def waiting_folder(run_id: str) -> Path:
    """Where the files of a run wait for a store far away: there they stay if it cannot be reached when the run ends."""
    return Path("waiting") / run_id


@contextmanager
def _artifact_folder(
    client: MlflowClient, run_id: str, *, resumed: bool = False, waiting: Path | None = None
) -> Iterator[Run]:
    """The run with the folder of its files: its artifact folder itself, or one that is uploaded when the run ends.

    That one is `waiting`, with what an earlier attempt has left there, or else a temporary one.
    """
    uri = urlparse(client.get_run(run_id).info.artifact_uri)
    if uri.scheme in {"", "file"}:
        folder = Path(url2pathname(uri.path))
        folder.mkdir(parents=True, exist_ok=True)
        yield Run(client, run_id, folder, local=True, resumed=resumed)
        return
    with nullcontext(str(waiting)) if waiting else tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if not (waiting and folder.exists()):
            folder.mkdir(parents=True, exist_ok=True)
            mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(folder))
        try:
            yield Run(client, run_id, folder, local=False, resumed=resumed)
        finally:
            _upload(client, run_id, folder)
            if waiting:
                shutil.rmtree(waiting)
                with suppress(OSError):  # another run's files wait, too
                    waiting.parent.rmdir()


def _upload(client: MlflowClient, run_id: str, folder: Path) -> None:
    try:
        client.log_artifacts(run_id, str(folder))
    except MlflowException:
        log.warning("what the run %s wrote could not be uploaded and waits in %s", run_id, folder)
        raise
