"""What can be wrong around the project, each with a way to mend it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from wattcast.flows.promotion.rollback import try_example
from wattcast.model.errors import InputError
from wattcast.model.telling import masked, tellable
from wattcast.tasks.registry.ledger import is_settled, settle
from wattcast.tasks.registry.names import CHAMPION, MODEL
from wattcast.tasks.registry.trust import UntrustedError
from wattcast.tasks.registry.versions import Versions
from wattcast.tasks.tracking.past_runs import abandoned_runs, close_abandoned
from wattcast.tasks.tracking.store import tracking_uri
from wattcast.tasks.tuning.choices import JOURNAL
from wattcast.tasks.tuning.study import abandoned_trials

_LEAST_FREE_BYTES = 2**30
_PATIENCE_S = 3.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` is empty where it is ok."""

    name: str
    found: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """There is nothing to mend."""
        return not self.fix


def examine(name: str = MODEL, *, fix: bool = False, trust: bool = False) -> list[Finding]:
    """Look at everything; with `fix`, first close what dead processes have left open.

    With `trust` a champion that no retraining has registered is loaded, too.
    """
    checks: dict[str, Callable[[], Finding]] = {
        "packages": _packages,
        "environment": _environment,
        "tracking store": _store,
        "open runs": lambda: _open_runs(fix=fix),
        "open trials": _open_trials,
        "registry": lambda: _registry(name, fix=fix),
        "champion": lambda: _champion(name, trust=trust),
        "disk": _disk,
        "schedule": _schedule,
    }
    return [_look(title, check) for title, check in checks.items()]


def _look(title: str, check: Callable[[], Finding]) -> Finding:
    """One check; whatever keeps it from looking is a finding, too."""
    try:
        return check()
    except Exception as error:
        said = tellable(str(error).strip().partition("\n")[0]) or type(error).__name__
        return Finding(title, said, "mend that and ask again")


def _packages() -> Finding:
    faults = []
    for line in requires("wattcast") or []:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            if not wanted.specifier.contains(there := version(wanted.name), prereleases=True):
                faults.append(f"{wanted.name} {there} instead of {wanted.specifier}")
        except PackageNotFoundError:
            faults.append(f"{wanted.name} is missing")
    if faults:
        return Finding("packages", "; ".join(faults), "build the environment anew: make clean, then any target")
    return Finding("packages", "all as pinned, fastapi and tensorboard among them")


def _environment() -> Finding:
    if os.environ.get("MLFLOW_RUN_ID"):
        return Finding(
            "environment", "MLFLOW_RUN_ID is set: other programs would write into that run", "unset MLFLOW_RUN_ID"
        )
    return Finding("environment", "MLFLOW_RUN_ID is not set")


def _store() -> Finding:
    uri = masked(tracking_uri())
    file = uri.removeprefix("sqlite:///")
    if file != uri and Path(file).exists():
        try:
            with closing(sqlite3.connect(file, timeout=_PATIENCE_S)) as store:
                store.execute("BEGIN IMMEDIATE")
                store.rollback()
        except sqlite3.Error as error:
            return Finding("tracking store", f"{uri}: {error}", "end the process that holds it, or restore the file")
    Versions.open().all()
    return Finding("tracking store", f"{uri} answers and takes writes")


def _open_runs(*, fix: bool) -> Finding:
    closed = close_abandoned() if fix else []
    if left := abandoned_runs():
        return Finding(
            "open runs", f"of processes that have died: {', '.join(left)}", "wattcast doctor --fix closes them"
        )
    return Finding("open runs", f"{len(closed)} closed just now" if closed else "each has a process that lives")


def _open_trials() -> Finding:
    if not Path(JOURNAL).exists():
        return Finding("open trials", f"there is no {JOURNAL}")
    if stale := abandoned_trials(JOURNAL):
        studies = ", ".join(f"{count} of {study}" for study, count in stale.items())
        return Finding(
            "open trials", f"of processes that have died: {studies}", "the same `wattcast sweep` goes on with them"
        )
    return Finding("open trials", "each has a process that lives")


def _registry(name: str, *, fix: bool) -> Finding:
    versions = Versions.open(name)
    if fix:
        settle(versions)
    if not is_settled(versions):
        return Finding(
            "registry", "a promotion was cut short before its aliases were set", "wattcast doctor --fix sets them"
        )
    count = len(versions.all())
    return Finding("registry", f"{count} version{'s' if count != 1 else ''} of {name}")


def _champion(name: str, *, trust: bool) -> Finding:
    versions = Versions.open(name, trusting=trust)
    champion = versions.aliased(CHAMPION)
    if champion is None:
        return Finding("champion", f"{name} has none yet")
    try:
        try_example(versions, champion)
    except UntrustedError as fault:
        return Finding("champion", str(fault), "wattcast rollback, or wattcast doctor --trust")
    except InputError as fault:
        return Finding("champion", str(fault), "wattcast rollback")
    return Finding("champion", f"version {champion.number} loads and forecasts")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    found = f"{free / 2**30:.1f} GiB free"
    return Finding("disk", found, "" if free >= _LEAST_FREE_BYTES else "make room: old runs go by `mlflow gc`")


def _schedule() -> Finding:
    if not os.environ.get("PREFECT_API_URL"):
        return Finding("schedule", "not looked at, as PREFECT_API_URL names no server")
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, FlowFilter, FlowFilterName

    with get_client(sync_client=True) as client:
        flows = FlowFilter(name=FlowFilterName(any_=["retrain"]))
        deployments = client.read_deployments(flow_filter=flows, deployment_filter=DeploymentFilter())
        active = [each for each in deployments if not each.paused and any(one.active for one in each.schedules)]
        if not active:
            return Finding("schedule", "retrain has no active schedule", "prefect --no-prompt deploy --all")
        pools = {each.work_pool_name for each in active if each.work_pool_name}
        workers = [worker for pool in pools for worker in client.read_workers_for_work_pool(pool)]
        if not any(worker.status == "ONLINE" for worker in workers):
            fix = f"prefect worker start --pool {next(iter(pools), 'wattcast')}, or make up"
            return Finding("schedule", "no worker is at work", fix)
    return Finding("schedule", f"{', '.join(each.name for each in active)} is active, a worker is online")
