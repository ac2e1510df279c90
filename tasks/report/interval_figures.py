"""The report's figures of intervals: a fan around the newest forecasts, and how far intervals hold what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wattcast.model.arrays import Floats
from wattcast.model.clock import on_the_clock
from wattcast.tasks.learning.evaluate import GRU
from wattcast.tasks.learning.interval_scores import (
    HOUR,
    HOURLY,
    PERSISTENCE,
    STEP,
    IntervalEvaluation,
    IntervalScore,
)
from wattcast.tasks.report.figure import COLOURS, GREY, LABELS, Panel, canvas, labelled, number, percent
from wattcast.tasks.report.page import Table
from wattcast.tasks.report.training_figures import THREE_DAYS, break_at_gaps

_NAMES = {GRU: "forecast", PERSISTENCE: PERSISTENCE, HOURLY: HOURLY}
_LINES = {
    GRU: {"color": COLOURS[GRU], "width": 2},
    PERSISTENCE: {"color": COLOURS["persistence"], "width": 2, "dash": "dot"},
    HOURLY: {"color": COLOURS["ridge"], "width": 2, "dash": "dash"},
}
_BAND = "rgba(213, 94, 0, {:.2f})"
_DAY = pd.Timedelta(days=1)


def interval_table(intervals: IntervalEvaluation, target: str, unit: str | None) -> Table:
    """Coverage, width and scores of each level, beside the references."""
    head = ["level", "intervals", "coverage", *(labelled(name, unit) for name in ("width", "Winkler", "pinball"))]
    rows = [
        [
            percent(score.level),
            "the forecast's" if score.model == GRU else score.model,
            percent(score.coverage, 1),
            *(number(value) for value in (score.width, score.winkler, score.pinball)),
        ]
        for score in intervals.overall(target)
    ]
    return Table(head, rows)


def interval_panels(
    rows: pd.DataFrame, intervals: IntervalEvaluation, target: str, place: int, unit: str | None
) -> list[Panel]:
    """Of one target, whose forecasts of the test part are `rows` and which is the `place`-th of all."""
    bounds = intervals.bounds[:, :, place]  # [N, L, Q]
    panels = [_fan_panel(rows, bounds, intervals.quantiles, unit), _calibration_panel(intervals, target)]
    scores = [score for score in intervals.scores if score.target == target]
    level = max(score.level for score in scores)
    widest = [score for score in scores if score.level == level]
    panels.append(_coverage_panel([score for score in widest if score.by == HOUR], level, "hour of day"))
    if ahead := [score for score in widest if score.by == STEP]:
        panels.append(_coverage_panel(ahead, level, "steps ahead"))
    return panels


def _fan_panel(rows: pd.DataFrame, bounds: Floats, quantiles: tuple[float, ...], unit: str | None) -> Panel:
    """The newest three days of one step each, or the newest forecast of many steps behind the day before it."""
    steps = bounds.shape[1]
    flat = rows.assign(**{f"q{number}": bounds[..., number].ravel() for number in range(len(quantiles))})
    if steps == 1:
        shown = break_at_gaps(flat[flat["time"] > flat["time"].max() - THREE_DAYS])
        note = "The newest three days of the test part."
        history = shown
    else:
        shown = flat.tail(steps)
        made_at = shown["made_at"].iloc[0]
        history = rows.drop_duplicates("time", keep="last").sort_values("time")
        history = history[history["time"] > made_at - _DAY]
        note = f"The newest forecast of {steps} steps, made {made_at:%Y-%m-%d %H:%M}, behind the day before it."
    figure = canvas(
        x={"type": "date"}, y={"title": labelled("energy of a step", unit), "hoverformat": ".4~r"}, height=420
    )
    figure.update_layout(hovermode="x unified")
    times = on_the_clock(pd.DatetimeIndex(shown["time"]))
    for pair in range(len(quantiles) // 2):
        low, high = quantiles[pair], quantiles[-1 - pair]
        name = f"{100 * (high - low):.4g} % interval"
        edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "legendgroup": name}
        figure.add_scatter(x=times, y=shown[f"q{len(quantiles) - 1 - pair}"], **edge, name=name, showlegend=False)
        fill = {"fill": "tonexty", "fillcolor": _BAND.format(0.14 + 0.12 * pair)}
        figure.add_scatter(x=times, y=shown[f"q{pair}"], **edge, **fill, name=name)
    figure.add_scatter(x=times, y=shown[GRU], mode="lines", name=LABELS[GRU], line=_LINES[GRU])
    measured = {"color": COLOURS["actual"], "width": 2}
    past = on_the_clock(pd.DatetimeIndex(history["time"]))
    figure.add_scatter(x=past, y=history["actual"], mode="lines", name=LABELS["actual"], line=measured)
    return Panel("Forecasts and their intervals", note, figure, wide=True)


def _calibration_panel(intervals: IntervalEvaluation, target: str) -> Panel:
    """How often readings lie below each quantile."""
    axis = {"tickformat": ".0%", "range": [0, 1]}
    figure = canvas(x={**axis, "title": "quantile"}, y={**axis, "title": "readings at or below it"}, height=380)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="as it should be", line={"color": GREY, "dash": "dot", "width": 1.5}
    )
    apart = 0.0
    for each in intervals.calibrations:
        if each.target == target:
            line = {"mode": "lines+markers", "line": _LINES[each.model], "name": _NAMES[each.model]}
            figure.add_scatter(x=each.quantiles, y=each.below, **line)
            if each.model == GRU:
                apart = float(np.abs(np.subtract(each.below, each.quantiles)).max())
    note = f"The forecast's quantiles lie at most {percent(apart, 1)} of the readings beside what they say."
    return Panel("Calibration", note, figure)


def _coverage_panel(scores: list[IntervalScore], level: float, by: str) -> Panel:
    figure = canvas(x={"title": by}, y={"title": "coverage", "tickformat": ".0%", "rangemode": "tozero"}, height=380)
    figure.update_layout(hovermode="x unified")
    for model, line in _LINES.items():
        mine = [score for score in scores if score.model == model]
        x, y = [score.group for score in mine], [score.coverage for score in mine]
        figure.add_scatter(x=x, y=y, mode="lines+markers", line=line, name=_NAMES[model])
    figure.add_hline(y=level, line={"color": GREY, "dash": "dot", "width": 1.5})
    figure.update_xaxes(tickangle=0, dtick=4 if by == "hour of day" else None, type="category")
    own = [score for score in scores if score.model == GRU]
    low, high = (pick(own, key=lambda score: score.coverage) for pick in (min, max))
    note = (
        f"The {100 * level:g} % intervals hold from {percent(low.coverage, 1)} ({low.group}) to "
        f"{percent(high.coverage, 1)} ({high.group}) of the readings."
    )
    return Panel(f"Coverage by {by}", note, figure)
