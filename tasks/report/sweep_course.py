"""The figures of a sweep's course: every trial, and every learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.report.figure import GREY, TRIAL, TUNED, UNTUNED, Panel, canvas, labelled, plain
from wattcast.tasks.report.sweep_trials import STATES, Results, show, shown_range, ticket


def told(results: Results, trial: FrozenTrial) -> str:
    """What is read when the pointer is on a trial."""
    head = f"<b>trial {ticket(trial)}</b>, {STATES[trial.state]}"
    if math.isfinite(results.reached(trial)):
        head += f"<br>{results.told(results.reached(trial))}, {len(trial.intermediate_values)} {results.step}s"
    return "<br>".join([head, *(f"{plain(name)} = {plain(show(value))}" for name, value in trial.params.items())])


def dots(
    results: Results, trials: Sequence[FrozenTrial], x: Sequence[float], y: Sequence[float], name: str, **marker: Any
) -> go.Scatter:
    """A marker a trial."""
    texts = {"text": [told(results, trial) for trial in trials], "hoverinfo": "text"}
    return go.Scatter(x=list(x), y=list(y), mode="markers", name=name, marker=marker, **texts)


def trial_dots(
    results: Results, trials: Sequence[FrozenTrial], x: Sequence[float], y: Sequence[float]
) -> list[go.Scatter]:
    """`trials` told apart by state; the best one and the untuned one stand out."""
    rim, pruned = {"color": "rgba(255, 255, 255, .8)", "width": 1}, f"pruned, {results.until_pruned}"
    styles: dict[str, dict[str, Any]] = {
        "complete": {"color": TRIAL, "size": 8, "line": rim},
        pruned: {"color": GREY, "size": 8, "symbol": "circle-open", "line": {"width": 1.5}},
        "untuned": {"color": UNTUNED, "size": 11, "symbol": "diamond", "line": rim},
        "best": {"color": TUNED, "size": 16, "symbol": "star", "line": rim},
    }
    traces = []
    for name, marker in styles.items():
        here = [place for place, trial in enumerate(trials) if name.startswith(_kind(results, trial))]
        if here:
            across, up = ([column[place] for place in here] for column in (x, y))
            traces.append(dots(results, [trials[place] for place in here], across, up, name, **marker))
    return traces


def _kind(results: Results, trial: FrozenTrial) -> str:
    special = {id(results.untuned): "untuned", id(results.best): "best"}
    return special.get(id(trial), "complete" if trial.state == TrialState.COMPLETE else "pruned")


def history_panel(results: Results) -> Panel:
    """Every trial in the order of the tickets, and the lowest value up to each."""
    low, high = shown_range(map(results.reached, results.scored))
    seen = [trial for trial in results.scored if results.reached(trial) <= high]
    x = {"title": "trial", "dtick": 1 if len(results.trials) <= 15 else None, "zeroline": False}
    y = {"title": labelled("validation RMSE", results.unit), "range": [low, high], "zeroline": False}
    figure = canvas(x=x, y=y, height=420)
    figure.add_traces(_history_lines(results))
    figure.add_traces(trial_dots(results, seen, [*map(ticket, seen)], [*map(results.reached, seen)]))
    beyond = [trial for trial in results.scored if results.reached(trial) > high]
    rim = 0.02 * (high - low)  # so that no mark covers a number of the axis
    edges = {
        "failed": (results.those(TrialState.FAIL), low + rim, "x"),
        "above the axis": (beyond, high - rim, "triangle-up"),
    }
    for name, (trials, edge, symbol) in edges.items():
        if trials:
            heights = [edge] * len(trials)
            marks = {"color": GREY, "size": 9, "symbol": symbol}
            figure.add_trace(dots(results, trials, [*map(ticket, trials)], heights, name, **marks))
    return Panel("Every trial", _history_note(results), figure, wide=True)


def _history_lines(results: Results) -> list[go.Scatter]:
    tickets, complete = [*map(ticket, results.trials)], results.those(TrialState.COMPLETE)
    levels, lines = [*accumulate(map(results.reached, complete), min)], []
    if results.untuned is not None:
        line, level = {"color": UNTUNED, "dash": "dash", "width": 1.5}, results.reached(results.untuned)
        lines.append(_line([tickets[0], tickets[-1]], [level] * 2, "untuned, level", line, showlegend=False))
    if levels:
        line = {"color": TUNED, "width": 2, "shape": "hv"}
        lines.append(_line([*map(ticket, complete), tickets[-1]], [*levels, levels[-1]], "best so far", line))
    return lines


def _line(x: list[int], y: list[float], name: str, line: dict[str, Any], **options: Any) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="lines", name=name, line=line, hoverinfo="skip", **options)


def _history_note(results: Results) -> str:
    best, untuned = results.best, results.untuned
    if best is None:
        return "No trial is complete."
    note = f"One mark a trial. The best is trial {ticket(best)} with {results.told(results.reached(best))}"
    if untuned is None:
        return f"{note}. Trial 0, the untuned configuration, is not complete: there is no line to compare with."
    if untuned is best:
        return f"{note}, the untuned configuration: no other was better."
    lowest = results.reached(best)
    gain = with_unit(readable(results.reached(untuned) - lowest, 2, like=lowest), results.unit)
    return f"{note}, {gain} below the untuned configuration (dashed)."


def curves_panel(results: Results) -> Panel | str:
    """The validation RMSE after each epoch, or the mean up to each fold; or why there is no figure."""
    drawn = [trial for trial in results.scored if trial.intermediate_values]
    if not drawn:
        return f"Learning curves: no trial has told of a{'n' if results.step == 'epoch' else ''} {results.step}."
    y = {"title": labelled("validation RMSE", results.unit), "range": _curves_range(results, drawn)}
    figure = canvas(x=_step_axis(results, drawn), y=y, height=440)
    kinds = {
        "complete": {"color": GREY, "width": 1},
        "pruned": {"color": GREY, "width": 1, "dash": "dot"},
        "untuned": {"color": UNTUNED, "width": 2.5, "dash": "dash"},
        "best": {"color": TUNED, "width": 3},
    }
    for name, line in kinds.items():
        trials = [trial for trial in drawn if _kind(results, trial) == name]
        if trials:
            figure.add_trace(_curves(results, trials, name, line))
    pruned = len([trial for trial in drawn if trial.state == TrialState.PRUNED])
    mean = results.folds > 1
    note = f"{'Mean validation RMSE up to each fold' if mean else 'Validation RMSE after each epoch'}, a line a trial."
    if pruned:
        note += f" {pruned} ended early (dotted), as they did worse than others had by then."
    return Panel("Fold by fold" if mean else "Learning curves", note, figure)


def _step_axis(results: Results, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    last = max(max(trial.intermediate_values) for trial in trials)
    return {"title": results.step, "dtick": 1 if last <= 15 else None, "zeroline": False}


def _curves_range(results: Results, trials: Sequence[FrozenTrial]) -> list[float]:
    """Of all folds; of all epochs, but for the first one of several, which lies high above the others."""
    points = [point for trial in trials for point in trial.intermediate_values.items()]
    first = 2 if results.folds == 1 and max(step for step, _ in points) > 3 else 1
    return [*shown_range(value for step, value in points if step >= first)]


def _curves(results: Results, trials: Sequence[FrozenTrial], name: str, line: dict[str, Any]) -> go.Scatter:
    """All curves as one line with gaps, so that many trials are as light as one."""
    x: list[int | None] = []
    y: list[float | None] = []
    text = []
    for trial in trials:
        steps = sorted(trial.intermediate_values.items())
        x += [*(step for step, _ in steps), None]
        y += [*(value for _, value in steps), None]
        text += [
            *(f"trial {ticket(trial)}, {results.step} {step}<br>{results.told(value)}" for step, value in steps),
            "",
        ]
    mode = "lines+markers" if all(len(trial.intermediate_values) == 1 for trial in trials) else "lines"
    opacity = 0.6 if line["color"] == GREY else 1
    return go.Scatter(x=x, y=y, text=text, hoverinfo="text", mode=mode, name=name, line=line, opacity=opacity)
