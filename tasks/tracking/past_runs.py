"""Runs that have ended, or whose process has: to be closed, gone on with, or read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_PARENT_RUN_ID,
)

from wattcast.model.errors import DivergedError, InputError
from wattcast.tasks.liveness import Owner
from wattcast.tasks.tracking.run import CONFIG_FILE, FAILURE, JOB, OWNER, Parent, waiting_folder
from wattcast.tasks.tracking.store import EXPERIMENT, store_client, tracking_uri

TRAINING = "train"
_GOING_ON = {TRAINING, "backtest"}  # what takes --resume
_MOST_OPEN = 1000  # runs at once


_RUNNING = "attributes.status = 'RUNNING'"


def end_children(parent: Parent, owners: Collection[Owner] = (), *, worker: str = "") -> None:
    """End the open runs below `parent` whose process has died, those of `owners` and those of `worker`, as KILLED."""
    client = store_client(parent.store)
    below = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.run_id}' and {_RUNNING}"
    for run in client.search_runs([parent.experiment_id], below, max_results=_MOST_OPEN):
        owner = Owner(**json.loads(run.data.tags[OWNER]))
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
        owners = [Owner(**json.loads(value)) for name, value in tags.items() if name.partition(".")[0] == OWNER]
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


def unfinished_run(run_id: str, *, job: str = TRAINING, record: str = CONFIG_FILE) -> tuple[str, str]:
    """What a run of `wattcast {job}` that did not end well wrote in `record`, and the SHA-256 of its data.

    Raises:
        InputError: there is no such run, it is another command's, it has finished, or it ended before it wrote that.
    """
    try:
        run = store_client().get_run(run_id)
    except MlflowException:
        raise InputError(
            f"there is no run {run_id!r} in {tracking_uri()}: `mlflow ui` shows the ids of all runs"
        ) from None
    if (found := run.data.tags.get(JOB, TRAINING)) != job:
        way = f"with `wattcast {found} --resume`" if found in _GOING_ON else "by giving that command again"
        raise InputError(f"run {run_id} is one of `wattcast {found}`, not of `wattcast {job}`: go on {way}")
    if run.info.status == "FINISHED":
        raise InputError(f"run {run_id} has finished, there is nothing to resume: start a new one without --resume")
    if _has_diverged(run.data.tags):
        raise InputError(f"run {run_id} diverged and would do so again: start a new one with other settings")
    waiting = waiting_folder(run_id) / record
    try:
        artifact = f"{run.info.artifact_uri}/{record}"
        written = waiting.read_text(encoding="utf-8") if waiting.exists() else mlflow.artifacts.load_text(artifact)
    except (MlflowException, OSError):
        raise InputError(f"run {run_id} ended before it wrote {record}: start it anew") from None
    return written, run.data.tags["data.sha256"]


def finished_children(parent: Parent, tag: str) -> dict[str, str]:
    """The ids of the runs below `parent` that have ended well, by the value of their `tag`; the newest of each."""
    client = store_client(parent.store)
    below = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.run_id}' and attributes.status = 'FINISHED'"
    oldest_first = ["attributes.start_time ASC"]
    runs = client.search_runs([parent.experiment_id], below, max_results=_MOST_OPEN, order_by=oldest_first)
    return {run.data.tags[tag]: run.info.run_id for run in runs if tag in run.data.tags}


def read_file(parent: Parent, run_id: str, name: str) -> bytes:
    """The content of the artifact `name` of a run below `parent`."""
    with tempfile.TemporaryDirectory() as folder:
        found = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=name, dst_path=folder, tracking_uri=parent.store
        )
        return Path(found).read_bytes()


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


def close_after_crash(flow: object, flow_run: object, state: object) -> None:  # noqa: ARG001 - Prefect names them
    """`close_abandoned`, as Prefect calls it where a flow run has crashed: in another process, in the same folder."""
    close_abandoned()
