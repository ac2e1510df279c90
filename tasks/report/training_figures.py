"""The report's interactive figures: forecasts, residuals, errors and learning curves, each a panel of the page."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from wattcast.model.clock import on_the_clock
from wattcast.model.fit import Epoch
from wattcast.model.metrics import skill
from wattcast.tasks.learning.evaluate import GRU
from wattcast.tasks.numbers import with_unit
from wattcast.tasks.report.figure import COLOURS, LABELS, Panel, labelled, number, percent, short

_COMPARED = (GRU, "ridge", "persistence")
_DASHES = {"ridge": "dash", "persistence": "dot"}
PHASES = {"select": "Choosing the epoch", "refit": "Refit on training + validation"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
THREE_DAYS = pd.Timedelta(days=3)
MOST_DOTS = 5_000
"""Residuals drawn one by one for a target."""


def forecast_panels(rows: pd.DataFrame, most: int, unit: str | None, behind: pd.Timedelta) -> list[Panel]:
    time, minutes = begun(rows, behind)["time"], (rows["time"] - rows["made_at"]).dt.total_seconds() / 60
    several = minutes.min() < minutes.max()
    groups: dict[str, tuple[pd.Series, Callable[[Any], str]]] = {
        "hour of day": (time.dt.hour, "{:02d}:00".format),
        "weekday": (time.dt.day_of_week, _DAYS.__getitem__),
    }
    if several:
        groups["minutes ahead"] = (minutes, "{:g}".format)
    return [
        _forecast_panel(first_step(rows), most, unit, several=several),
        _histogram_panel(rows, unit),
        _residual_panel(rows, unit),
        *(
            _error_panel(rows, metric, by, *group, unit=unit)
            for by, group in groups.items()
            for metric in ("RMSE", "MAE")
        ),
        *([_skill_panel(rows, minutes)] if several else []),
    ]


def first_step(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the steps that each forecast consists of, the one nearest to the moment it was made."""
    lead = rows["time"] - rows["made_at"]
    first: pd.DataFrame = rows[lead == lead.min()]
    return first


def begun(rows: pd.DataFrame, behind: pd.Timedelta) -> pd.DataFrame:
    """`rows` by when the steps that they forecast begin, where time stamps lie `behind` that."""
    return rows.assign(time=rows["time"] - behind) if behind else rows


def break_at_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with an empty one before each that follows a gap, so that no line crosses it."""
    step = rows["time"].diff()
    after = rows.loc[step > step.min(), ["time"]] - step.min()
    return pd.concat([rows, after]).sort_values("time") if len(after) else rows


def _forecast_panel(first: pd.DataFrame, most: int, unit: str | None, *, several: bool) -> Panel:
    shown = first.tail(most)
    start, end = shown["time"].min(), shown["time"].max()
    figure = _figure(y=labelled("energy of a step", unit), height=480, margin={"b": 40}, hovermode="x unified")
    broken = break_at_gaps(shown)
    shown_times = on_the_clock(pd.DatetimeIndex(broken["time"]))
    milliseconds = shown_times.to_numpy("datetime64[ms]").astype(np.float64)  # half the size of written dates
    for name in ("actual", *_COMPARED):
        visible = True if name in {"actual", GRU} else "legendonly"
        figure.add_scatter(x=milliseconds, y=short(broken[name]), visible=visible, **_line(name))
    zooms = {1: "1 day", 3: "3 days", 7: "week"}
    buttons = [{"count": days, "step": "day", "stepmode": "backward", "label": label} for days, label in zooms.items()]
    figure.update_xaxes(
        type="date",
        range=[f"{moment:%Y-%m-%d %H:%M}" for moment in (max(start, end - THREE_DAYS), end)],
        rangeselector={"buttons": [*buttons, {"step": "all", "label": "all"}], "y": 1.02},
        rangeslider={"visible": True, "thickness": 0.12},
    )
    note = f"{len(first):,} forecasts of the test part; the window opens on the newest three days. "
    note += "Of each forecast's several steps the first one is drawn. " if several else ""
    if len(shown) < len(first):
        note += f"Only the newest {len(shown):,} are drawn, from {start:%Y-%m-%d %H:%M} on; every statistic uses all. "
    note += "Click ridge or persistence in the legend to add it."
    return Panel("Forecast against actual", note, figure, wide=True)


def _histogram_panel(rows: pd.DataFrame, unit: str | None) -> Panel:
    residual = (rows["actual"] - rows[GRU]).dropna().to_numpy(np.float64)
    low, lower, upper, high = np.quantile(residual, [0.005, 0.25, 0.75, 0.995]) if len(residual) else [math.nan] * 4
    shares, edges = np.histogram(residual.clip(low, high), bins=60, weights=np.full(len(residual), 100 / len(rows)))
    figure = _figure(x=labelled("measured − forecast", unit), y="share of forecasts, %", margin={"b": 56}, bargap=0.04)
    figure.add_bar(x=(edges[1:] + edges[:-1]) / 2, y=shares, marker_color=COLOURS[GRU], name=LABELS[GRU])
    half = f"{number(lower)} to {with_unit(number(upper), unit)}"
    note = f"Measured minus forecast: half of all lie from {half}. The outermost bars hold the tails."
    return Panel("Residuals", note, figure)


def _residual_panel(rows: pd.DataFrame, unit: str | None) -> Panel:
    drawn = np.arange(len(rows))
    if len(rows) > MOST_DOTS:  # at random, as every tenth row could fall on the same step or hour each time
        drawn = np.random.default_rng(0).choice(drawn, MOST_DOTS, replace=False)
    forecast, actual = (rows[name].to_numpy(np.float64)[drawn] for name in (GRU, "actual"))
    x, y = labelled("forecast", unit), labelled("measured − forecast", unit)
    figure = _figure(x=x, y=y, margin={"b": 56}, hovermode="closest")
    dots = {"color": COLOURS[GRU], "size": 4, "opacity": 0.35}
    figure.add_scatter(x=short(forecast), y=short(actual - forecast), mode="markers", marker=dots, name=LABELS[GRU])
    shown = "One dot a forecast" if len(drawn) == len(rows) else f"{len(drawn):,} forecasts drawn at random"
    return Panel("Residuals by forecast", f"{shown}; above zero the reading was higher than forecast.", figure)


def _error_panel(
    rows: pd.DataFrame, metric: str, by: str, key: pd.Series, label: Callable[[Any], str], *, unit: str | None
) -> Panel:
    power = 2 if metric == "RMSE" else 1
    error = rows[list(_COMPARED)].astype(np.float64).sub(rows["actual"], axis=0).abs()
    values = (error**power).groupby(key).mean() ** (1 / power)
    labels = [label(group) for group in values.index]
    figure = _figure(x=by, y=labelled(metric, unit), hovermode="x unified")
    for name in _COMPARED:
        if by == "weekday":
            figure.add_bar(x=labels, y=values[name], name=LABELS[name], marker_color=COLOURS[name])
        else:
            figure.add_scatter(x=labels, y=values[name], **{**_line(name), "mode": "lines+markers"})
    figure.update_xaxes(tickangle=0, dtick=4 if by == "hour of day" else None)
    figure.update_yaxes(rangemode="tozero")
    network = values[GRU].set_axis(labels).dropna()
    note = ""
    if len(network):
        worst, best = str(network.idxmax()), str(network.idxmin())
        high, low = (with_unit(number(network[group]), unit) for group in (worst, best))
        note = f"GRU worst: {worst} ({high}), best: {best} ({low})."
    return Panel(f"{metric} by {by}", note, figure)


def _skill_panel(rows: pd.DataFrame, minutes: pd.Series) -> Panel:
    """The share of persistence's RMSE that is taken away, by how far ahead a step lies."""
    error = rows[list(_COMPARED)].astype(np.float64).sub(rows["actual"], axis=0)
    values = (error**2).groupby(minutes).mean() ** 0.5  # one row a lead time
    hours = values.index.to_numpy(np.float64) / 60
    figure = _figure(x="hours ahead", y="skill, %", hovermode="x unified", height=400)
    skills = {
        name: 100 * np.array([skill(*pair) for pair in values[[name, "persistence"]].to_numpy()])
        for name in (GRU, "ridge")
    }
    for name, shares in skills.items():
        figure.add_scatter(
            x=hours, y=shares, **{**_line(name), "mode": "lines+markers" if len(hours) < 50 else "lines"}
        )
    figure.add_hline(y=0, line={**_line("persistence")["line"], "width": 1.5})
    first, last = (percent(share / 100, 1) for share in skills[GRU][[0, -1]])
    note = (
        f"GRU {first} at {hours[0]:.3g} h and {last} at {hours[-1]:.3g} h. Skill is the share of persistence's RMSE "
        f"that a model takes away; the dotted line is persistence itself."
    )
    return Panel("Skill by lead time", note, figure, wide=True)


def members_of(epochs: list[Epoch]) -> list[list[Epoch]]:
    """The epochs of each network."""
    return [[epoch for epoch in epochs if epoch.member == member] for member in sorted({e.member for e in epochs})]


def chosen_epoch(epochs: list[Epoch]) -> Epoch | None:
    """Of one network's epochs that with the lowest validation loss; none in a refit, which looks at no validation."""
    validated = [epoch for epoch in epochs if epoch.val_loss is not None]
    return min(validated, key=lambda epoch: (epoch.val_loss, epoch.number), default=None)


def learning_panel(title: str, epochs: list[Epoch], unit: str | None) -> Panel:
    members = members_of(epochs)
    ends = [(curve[0].train_rmse, curve[-1].train_rmse) for curve in members]
    first, last = (sum(values) / len(members) for values in zip(*ends, strict=True))
    several = f" of {len(members)} networks, on average" if len(members) > 1 else ""
    note = f"Training RMSE{several} from {number(first)} to {with_unit(number(last), unit)}, measured with dropout on."
    if chosen := [epoch for curve in members if (epoch := chosen_epoch(curve))]:
        numbers = ", ".join(str(epoch.number) for epoch in chosen)
        note += f" Lowest validation loss, which was chosen: epoch {numbers}."
    return Panel(title, note, _learning_figure(members, unit), wide=True)


def _learning_figure(members: list[list[Epoch]], unit: str | None) -> go.Figure:
    figure = _figure(x="epoch", y=labelled("RMSE", unit), hovermode="x unified", height=400)
    star = {"symbol": "star", "size": 15, "color": COLOURS[GRU]}
    for place, epochs in enumerate(members):
        suffix = f" {epochs[0].member}" if len(members) > 1 else ""
        line = {"x": [epoch.number for epoch in epochs], "mode": "lines+markers", "opacity": 1 if place == 0 else 0.45}
        training = [epoch.train_rmse for epoch in epochs]
        figure.add_scatter(y=training, name=f"training{suffix}", line_color=COLOURS["ridge"], **line)
        if chosen := chosen_epoch(epochs):
            validation = [epoch.val_rmse for epoch in epochs]
            figure.add_scatter(y=validation, name=f"validation{suffix}", line_color=COLOURS[GRU], **line)
            point = {"x": [chosen.number], "y": [chosen.val_rmse], "mode": "markers", "marker": star}
            figure.add_scatter(name=f"chosen{suffix or ' epoch'}", **point)
            figure.add_vline(x=chosen.number, line={"color": COLOURS[GRU], "dash": "dot", "width": 1.5})
    longest = max(members, key=len)
    rate = {"color": COLOURS["actual"], "dash": "dash", "shape": "hv", "width": 1.5}
    rates = {"x": [epoch.number for epoch in longest], "y": [epoch.learning_rate for epoch in longest]}
    figure.add_scatter(**rates, mode="lines", name="learning rate", line=rate, yaxis="y2")
    right = {"overlaying": "y", "side": "right", "rangemode": "tozero", "showgrid": False, "tickmode": "auto"}
    figure.update_layout(yaxis2={"title": "learning rate", "tickformat": "~g", "hoverformat": ".3~g", **right})
    return figure.update_xaxes(dtick=1 if len(longest) <= 15 else None)


def _figure(*, x: str = "", y: str, height: int = 340, **layout: Any) -> go.Figure:
    axes = {"xaxis": {"title": x}, "yaxis": {"title": y, "hoverformat": ".4~r"}}
    return go.Figure(layout={"template": "none", "height": height, **axes, **layout})


def _line(name: str) -> dict[str, Any]:
    style = {"color": COLOURS[name], "dash": _DASHES.get(name, "solid"), "width": 2}
    return {"name": LABELS[name], "mode": "lines", "line": style}
