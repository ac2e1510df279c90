"""Forecasts by a registered model: the newest readings in, a file of forecasts out that learns how good it was."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
from prefect.artifacts import create_table_artifact

from wattcast.flows.job import job
from wattcast.model.clean import check_readings
from wattcast.model.errors import InputError
from wattcast.model.fallback import MODEL as LEARNT
from wattcast.model.fallback import Fallback, Kind
from wattcast.model.readings import MADE_BY
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import download_task
from wattcast.tasks.data.units import require_unit
from wattcast.tasks.monitoring.forecast_log import Forecasts, add_forecasts_task
from wattcast.tasks.registry import clean_room
from wattcast.tasks.registry.clean_room import CannotForecastError
from wattcast.tasks.registry.names import CHAMPION, MODEL
from wattcast.tasks.registry.trust import UntrustedError
from wattcast.tasks.registry.versions import DATA_TO, Version, Versions
from wattcast.tasks.stages import stage
from wattcast.tasks.tracking.past_runs import read_artifact
from wattcast.tasks.tracking.run import CONFIG_FILE
from wattcast.tasks.tracking.store import tracking_faults

log = logging.getLogger(__name__)

OUTPUT = "forecasts.csv"


@job("forecast-{name}")
def forecast(  # noqa: PLR0917 - Prefect's form and Python's callers know them by name
    input: str = "auto",
    output: str = OUTPUT,
    model: str = CHAMPION,
    name: str = MODEL,
    every: bool = False,
    trust: bool = False,
    fallback: Kind | None = None,
) -> Forecasts:
    """Forecast from the newest readings, and add to a file of forecasts, whose past ones are scored.

    Args:
        input: readings: uci, simulated, or the path of a file; auto takes the UCI data, or simulated where they cannot
            be reached.
        output: file of forecasts, .csv or .parquet; what lies there already is kept.
        model: alias or number of the version that forecasts.
        name: the registered model.
        every: forecast from each moment that has enough history, for a look back, instead of the newest one only.
        trust: load a version that no retraining has registered, too, which runs its code.
        fallback: naive lets the best naive forecast answer where the version cannot be loaded, or the readings are too
            few for it or stuck; a column made_by then says what made each forecast.

    Raises:
        InputError: there is no such version or it cannot be loaded, or the readings or the file cannot be used.
    """
    added = make_forecasts(input, output, model, name, every, trust, fallback)
    create_table_artifact(
        [vars(score) for score in added.scores], key="past-forecasts", description=f"Past forecasts of {name}"
    )
    if added.intervals:
        held = [vars(score) for score in added.intervals]
        create_table_artifact(held, key="past-intervals", description=f"What intervals of {name} have held")
    return added


def make_forecasts(  # noqa: PLR0917 - as the flow
    input: str = "auto",
    output: str = OUTPUT,
    model: str = CHAMPION,
    name: str = MODEL,
    every: bool = False,
    trust: bool = False,
    fallback: Kind | None = None,
) -> Forecasts:
    """What the flow does, and all of it that needs no server of Prefect's."""
    with stage(f"reading the data and {model} of {name}"):
        with tracking_faults():
            versions = Versions.open(name, trusting=trust)
            version = versions.find(model)
            kept = versions.fallback(version) if fallback else None
            contract = versions.contract(version)
            readings, habits = (kept.readings, kept.habits) if kept else versions.reading_of(version)
            said = _said(version)
        raw = download_task(input, Dialect.model_validate(said.get("file", {})))
        require_unit(readings, raw.units)
        frame = raw.frame
    with stage(f"forecasting in an empty folder, by version {version.number}"):
        if fallback:
            made = _forecast_surely(versions, version, frame, kept or versions.fallback_on(version, frame), every=every)
        else:
            made = _forecast(versions, version, frame, every=every)
    trained_to = {str(one.number): pd.Timestamp(one.tags[DATA_TO]) for one in versions.all() if DATA_TO in one.tags}
    added: Forecasts = add_forecasts_task(
        Path(output),
        made,
        check_readings(frame, readings, habits)[list(contract.targets)],
        contract,
        version=str(version.number),
        trained_to=trained_to,
        adaptive=bool(said.get("intervals", {}).get("adaptive")),  # not of versions from before there was such a thing
        lowest=readings.lowest,
    )
    return added


def _said(version: Version) -> dict[str, Any]:
    """The configuration of the training; of the file, for another one from there is written alike, and of intervals."""
    text = read_artifact(version.run_id, CONFIG_FILE) if version.run_id else None
    return tomllib.loads(text) if text else {}


def _forecast_surely(
    versions: Versions, version: Version, readings: pd.DataFrame, fallback: Fallback, *, every: bool
) -> pd.DataFrame:
    """By the version where it can, else by the best naive forecast; in a column made_by what it was."""
    frame = fallback.clean(readings)
    if not (why := fallback.lacks(frame)):
        try:
            return clean_room.forecast(versions, version, readings, every=every).assign(**{MADE_BY: LEARNT})
        except (CannotForecastError, UntrustedError) as fault:
            subject = "" if isinstance(fault, UntrustedError) else f"version {version.number} of {versions.model} "
            why = f"{subject}{fault}"
    made = fallback.forecast(frame, every=every)
    log.warning("%s forecasts in place of version %d: %s", made[MADE_BY].iloc[-1], version.number, why)
    return made


def _forecast(versions: Versions, version: Version, readings: pd.DataFrame, *, every: bool) -> pd.DataFrame:
    try:
        return clean_room.forecast(versions, version, readings, every=every)
    except CannotForecastError as fault:
        raise InputError(
            f"version {version.number} of {versions.model} {fault}: choose another one, see `wattcast models`; "
            "`wattcast rollback` makes the previous champion the champion again"
        ) from fault
