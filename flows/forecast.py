"""Forecasts by a registered model: the newest readings in, a file of forecasts out that learns how good it was."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from wattcast.flows.in_use import InUse, put_to_use
from wattcast.flows.job import job
from wattcast.flows.note import artifact_rows
from wattcast.model.errors import InputError
from wattcast.model.fallback import MODEL as LEARNT
from wattcast.model.fallback import Kind
from wattcast.model.readings import MADE_BY
from wattcast.tasks.markdown import plain
from wattcast.tasks.monitoring.forecast_log import Forecasts, add_forecasts_task
from wattcast.tasks.registry import clean_room
from wattcast.tasks.registry.clean_room import CannotForecastError
from wattcast.tasks.registry.names import CHAMPION, MODEL
from wattcast.tasks.registry.trust import UntrustedError
from wattcast.tasks.stages import stage

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
    with stage(f"reading the data and {model} of {name}"):
        used = put_to_use(input, model, name, trust=trust, without_files=fallback is not None)
    with stage(f"forecasting in an empty folder, by version {used.version.number}"):
        made = _forecast_surely(used, every=every) if fallback else _forecast(used, every=every)
    added: Forecasts = add_forecasts_task(
        Path(output),
        made,
        used.measured,
        used.contract,
        version=str(used.version.number),
        trained_to=used.trained_to,
        units=used.units,
        adaptive=used.is_adaptive,
        lowest=used.readings.lowest,
    )
    if flow_run.id:
        _show(added, name)
    return added


def _show(added: Forecasts, name: str) -> None:
    """Tables on the page of the flow run: how good past forecasts were."""
    create_table_artifact(
        artifact_rows(vars(score) for score in added.scores),
        key="past-forecasts",
        description=f"Past forecasts of {plain(name)}",
    )
    if added.intervals:
        held = artifact_rows(vars(score) for score in added.intervals)
        create_table_artifact(held, key="past-intervals", description=f"What intervals of {plain(name)} have held")


def _forecast_surely(used: InUse, *, every: bool) -> pd.DataFrame:
    """By the version where it can, else by the best naive forecast; in a column made_by what it was.

    In a look back at every moment, what the newest one lacks does not matter to a version that can forecast others.
    """
    version = used.version
    fallback = used.fallback or used.versions.fallback_on(version, used.raw)
    cleaned = fallback.clean(used.raw)
    why = fallback.lacks(cleaned.frame)
    if every or not why:
        try:
            made = clean_room.forecast(used.versions, version, used.raw, every=every)
        except (CannotForecastError, UntrustedError) as fault:
            subject = "" if isinstance(fault, UntrustedError) else f"version {version.number} of {version.model} "
            why = f"{subject}{fault}"
        except InputError:
            if not why:
                raise
        else:
            return made.assign(**{MADE_BY: LEARNT})
    made = fallback.forecast(cleaned.frame, every=every, drawn=cleaned.drawn)
    log.warning("%s forecasts in place of version %d: %s", made[MADE_BY].iloc[-1], version.number, why)
    return made


def _forecast(used: InUse, *, every: bool) -> pd.DataFrame:
    try:
        return clean_room.forecast(used.versions, used.version, used.raw, every=every)
    except CannotForecastError as fault:
        raise InputError(
            f"version {used.version.number} of {used.version.model} {fault}: choose another one, see `wattcast "
            "models`; `wattcast rollback` makes the previous champion the champion again"
        ) from fault
