"""The chain that led to a model: data, split, scaler, configuration, trial, scores, decision."""

from __future__ import annotations

import json
import re
import tomllib

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.experiment.run_name import differences
from wattcast.tasks.metric_names import HOLDOUT, TEST
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.registry.ledger import ledger
from wattcast.tasks.registry.names import MODEL
from wattcast.tasks.registry.versions import (
    DATA_FROM,
    DATA_TO,
    DECISION,
    HOLDOUT_FROM,
    HOLDOUT_TO,
    WHY,
    Version,
    Versions,
)
from wattcast.tasks.tracking.past_runs import Record, read_artifact, read_run
from wattcast.tasks.tracking.run import CONFIG_FILE, FAILURE

Story = dict[str, dict[str, str]]
"""Chapters, each with facts by their names."""
_RUN_ID_LENGTH = 32
_SCORES = (
    *("train_rmse", "val_rmse"),
    *(f"{part}_{name}" for part in (TEST, HOLDOUT) for name in ("rmse", "mae", "skill")),
)
_BASELINE = re.compile(rf"({TEST}|{HOLDOUT})_vs_\w+_rmse|baseline_\w+_rmse")  # the latter in runs of earlier versions
_INTERVAL = re.compile(rf"({TEST}|{HOLDOUT})_(coverage|winkler)_[\d.]+")


def explain(which: str, name: str = MODEL) -> Story:
    """Everything that is known of a run id, or of a version by number or alias.

    Raises:
        InputError: there is no such run or version.
    """
    versions = Versions.open(name)
    is_run = len(which) == _RUN_ID_LENGTH and not which.isdigit()
    version = versions.of_run(which) if is_run else versions.find(which)
    run = read_run(version.run_id if version else which)
    experiment = _experiment(run)
    chapters = {
        "model": _model(version) if version else {"version": "none: this run was not registered"},
        "run": _run(run),
        "data": _data(run, version),
        "scaler": _scaler(run),
        "configuration": _configuration(experiment) if experiment else {},
        "scores": _scores(run, experiment.readings.energy_unit if experiment else None),
        "decision": _decision(run, version, versions),
    }
    return {title: facts for title, facts in chapters.items() if facts}


def _model(version: Version) -> dict[str, str]:
    return {
        "name": version.model,
        "version": str(version.number),
        "aliases": ", ".join(version.aliases) or "none",
        "registered": f"{version.created:%Y-%m-%d %H:%M} UTC",
    }


def _run(run: Record) -> dict[str, str]:
    tags = {"code": "git.commit", "by": "mlflow.user", "failure": FAILURE}
    return {
        "id": run.run_id,
        "name": run.name,
        "status": run.status,
        **{title: run.tags[tag] for title, tag in tags.items() if run.tags.get(tag)},
    }


def _data(run: Record, version: Version | None) -> dict[str, str]:
    facts = {name: run.tags.get(f"data.{name}", "") for name in ("source", "origin", "sha256")}
    tags = version.tags if version else {}
    spans = {"trained from": DATA_FROM, "trained to": DATA_TO, "held out from": HOLDOUT_FROM, "held out to": HOLDOUT_TO}
    split = {name: value for name, value in run.params.items() if name.startswith("split.")}
    return {**facts, **{title: tags[tag] for title, tag in spans.items() if tag in tags}, **split}


def _scaler(run: Record) -> dict[str, str]:
    text = read_artifact(run.run_id, "scaler.json")
    return {name: str(value) for name, value in json.loads(text).items()} if text else {}


def _experiment(run: Record) -> Experiment | None:
    text = read_artifact(run.run_id, CONFIG_FILE)
    return Experiment.model_validate(tomllib.loads(text)) if text else None


def _configuration(experiment: Experiment) -> dict[str, str]:
    """What differs from the preset, and the trial that found it."""
    shown = {name: str(value) for name, value in differences(experiment).items()}
    trial = experiment.found_by or "none: the values are the preset's and the user's"
    return {"preset": experiment.preset, "trial": trial, "fit.seed": str(experiment.fit.seed), **shown}


def _scores(run: Record, unit: str | None) -> dict[str, str]:
    baselines = sorted(name for name in run.metrics if _BASELINE.fullmatch(name))
    intervals = sorted(name for name in run.metrics if _INTERVAL.fullmatch(name))
    found = {name: run.metrics[name] for name in (*_SCORES, *baselines, *intervals) if name in run.metrics}
    return {name: _score(name, value, unit) for name, value in found.items()}


def _score(name: str, value: float, unit: str | None) -> str:
    if "_coverage_" in name:
        return f"{100 * value:.1f} %"
    return readable(value, 2) if name.endswith("skill") else with_unit(readable(value, 2), unit)


def _decision(run: Record, version: Version | None, versions: Versions) -> dict[str, str]:
    checks = json.loads(read_artifact(run.run_id, "gate.json") or "[]")
    facts = {f"check {check['name']}": f"{_outcome(check['passed'])}: {check['message']}" for check in checks}
    if DECISION in run.tags:
        facts = {"outcome": f"{run.tags[DECISION]}: {run.tags.get(WHY, '')}", **facts}
    entries = [
        entry for entry in ledger(versions) if version and version.number in {entry.version, entry.old, entry.new}
    ]
    for entry in entries:
        champion = f"champion {entry.old or 'none'} -> {entry.new or 'none'}"
        facts[f"ledger {entry.number}"] = (
            f"{entry.moment} {entry.who} {entry.action} version {entry.version} ({champion})"
        )
    return facts


def _outcome(passed: bool) -> str:
    return "passed" if passed else "failed"
