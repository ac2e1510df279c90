"""The page that a retraining leaves behind: what the gate looked at, and how the newest readings have drifted.

N: windows of the held-out span. L: output length. Nothing is saved here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from wattcast.model.arrays import Floats
from wattcast.model.clock import on_the_clock
from wattcast.model.metrics import mae, rmse
from wattcast.tasks.fan import Fan
from wattcast.tasks.monitoring.drift import Drift
from wattcast.tasks.numbers import with_unit
from wattcast.tasks.registry.gate import Comparison
from wattcast.tasks.registry.looks import Look
from wattcast.tasks.report.drift import drift_panels, drift_table
from wattcast.tasks.report.figure import COLOURS, GREY, TUNED, UNTUNED, Panel, canvas, labelled, number, percent, short
from wattcast.tasks.report.page import Subject, Table, render

_LINES = {"actual": GREY, "challenger": TUNED, "champion": UNTUNED, "persistence": COLOURS["persistence"]}
_MOST_DAYS = 3


def retrain_report(subject: Subject, comparison: Comparison, drift: Drift, config_toml: str) -> str:
    """One HTML page. Nothing given is changed."""
    decision = comparison.decision
    outcome = "Promoted" if decision.promoted else "Refused"
    return render(
        "retraining.html",
        subject,
        {"gate": _gate_panels(comparison), "drift": drift_panels(drift)},
        config_toml=config_toml,
        headlines=[f"{outcome}: {decision.reason}."],
        tiles=_tiles(comparison, drift),
        checks=_check_table(comparison),
        scores=_score_table(comparison),
        intervals=_interval_table(comparison),
        drift=drift.sentence,
        columns=drift_table(drift),
    )


def drift_csv(drift: Drift) -> str:
    """One line a column, the most drifted first, with every number in full."""
    names = ["column", "read", "psi", "ks", "p_value", "level", "cause", "reference_mean", "newest_mean"]
    rows = [[getattr(column, name) for name in names] for column in drift.columns]
    return pd.DataFrame(rows, columns=names).to_csv(index=False, lineterminator="\n")


def _tiles(comparison: Comparison, drift: Drift) -> dict[str, str]:
    names = {"challenger": "challenger RMSE", "champion": "champion RMSE", "persistence": "persistence RMSE"}
    scores = {
        title: with_unit(number(_score(comparison, name)[0]), comparison.unit)
        for name, title in names.items()
        if name in comparison.forecasts
    }
    return {**scores, "drift of columns": drift.counts}


def _score(comparison: Comparison, name: str) -> tuple[float, float]:
    """RMSE and MAE on the windows that the model forecast."""
    forecast = comparison.forecasts[name].point
    whole = np.isfinite(forecast).all(axis=1)
    actual = comparison.actual[whole]
    return (rmse(actual, forecast[whole]), mae(actual, forecast[whole])) if len(actual) else (np.nan, np.nan)


def _score_table(comparison: Comparison) -> Table:
    scores = {name: _score(comparison, name) for name in comparison.forecasts}
    ordered = sorted(scores, key=lambda name: scores[name])
    head = ["model", *(labelled(metric, comparison.unit) for metric in ("RMSE", "MAE"))]
    return Table(head, [[name, *map(number, scores[name])] for name in ordered], marked=0)


def _interval_table(comparison: Comparison) -> Table | None:
    """What the intervals of each model hold and lose, level by level and lead time by lead time; None without any.

    Where there are several targets, each by itself.
    """
    of_each = [(comparison.target, comparison.actual, comparison.forecasts)]
    of_each += [(further.target, further.actual, further.forecasts) for further in comparison.further]
    named = len(of_each) > 1
    rows = [
        [*([target] if named else []), *row]
        for target, actual, forecasts in of_each
        for row in _interval_rows(comparison.looks, actual, forecasts)
    ]
    head = ["level", "steps ahead", "model", "coverage", labelled("Winkler", comparison.unit)]
    return Table(["target", *head] if named else head, rows) if rows else None


def _interval_rows(looks: Sequence[Look], actual: Floats, forecasts: Mapping[str, Fan]) -> Iterator[list[str]]:
    for look in looks:
        for name, fan in forecasts.items():
            if look.level in fan.levels:
                whole = np.asarray(np.isfinite(fan.point).all(axis=1))
                measured, told = actual[whole], fan.take(whole)
                share, score = (
                    float(look.of(each(measured, look.level)).mean()) if len(measured) else np.nan
                    for each in (told.hits, told.losses)
                )
                ahead = "all" if look.ahead is None else str(look.ahead)
                yield [percent(look.level), ahead, name, percent(share, 1), number(score)]


def _check_table(comparison: Comparison) -> Table:
    rows = [[check.name, "passed" if check.passed else "failed", check.message] for check in comparison.decision.checks]
    failed = [place for place, check in enumerate(comparison.decision.checks) if not check.passed]
    return Table(["check", "outcome", "found"], rows, marked=failed[0] if failed else None)


def _gate_panels(comparison: Comparison) -> list[Panel]:
    panels = [_forecast_panel(comparison)]
    return [*panels, _days_panel(comparison)] if {"challenger", "champion"} <= set(comparison.forecasts) else panels


def _forecast_panel(comparison: Comparison) -> Panel:
    """The first step of each forecast, newest days first in view."""
    times = on_the_clock(comparison.made_at)
    end = times[-1]
    start = max(times[0], end - pd.Timedelta(days=_MOST_DAYS))
    x = {"type": "date", "range": [str(start), str(end)], "rangeslider": {"visible": True, "thickness": 0.12}}
    figure = canvas(
        x=x,
        y={"title": labelled("energy of a step", comparison.unit), "hoverformat": ".4~r"},
        height=440,
        hovermode="x unified",
        margin={"b": 40},
    )
    curves = {"actual": comparison.actual, **{name: fan.point for name, fan in comparison.forecasts.items()}}
    for name, colour in _LINES.items():
        if name in curves:
            shown = "legendonly" if name == "persistence" else True
            line = {"color": colour, "width": 2 if name == "actual" else 1.6}
            figure.add_scatter(x=times, y=short(curves[name][:, 0]), mode="lines", name=name, line=line, visible=shown)
    note = f"{len(times):,} forecasts of the held-out span by the moment they were made; the newest days are in view."
    return Panel("Forecasts of the held-out span", note, figure, wide=True)


def _days_panel(comparison: Comparison) -> Panel:
    """The RMSE of both models on each day."""
    squared = {
        name: pd.Series(((comparison.forecasts[name].point - comparison.actual) ** 2).mean(axis=1), comparison.made_at)
        for name in ("champion", "challenger")
    }
    daily = {name: errors.groupby(comparison.made_at.date).mean() ** 0.5 for name, errors in squared.items()}
    y = {"title": labelled("RMSE", comparison.unit), "rangemode": "tozero", "hoverformat": ".4~r"}
    figure = canvas(x={}, y=y, barmode="group", margin={"b": 60})
    for name, errors in daily.items():
        days = [str(day) for day in errors.index]
        figure.add_trace(go.Bar(x=days, y=errors.to_numpy(), name=name, marker_color=_LINES[name]))
    better = int((daily["challenger"] < daily["champion"]).sum())
    note = f"The challenger was better on {better} of {len(daily['champion'])} days."
    return Panel("Day by day", note, figure, wide=True)
