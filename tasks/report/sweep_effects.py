"""The figures that say how the values of hyperparameters go with the RMSE that trials reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import create_trial
from scipy.interpolate import griddata
from scipy.spatial import QhullError

from wattcast.tasks.report.figure import SCALE, TRIAL, Panel, canvas, percent, plain
from wattcast.tasks.report.sweep_course import trial_dots
from wattcast.tasks.report.sweep_trials import Axis, Results, short_names, show, shown_range, wrapped

FEWEST = 8
"""Trials without which importance is not worked out."""
_MESH = 40  # places on either side of a contour's grid
_TOPICS = {
    "decay": "learning-rate decay",
    "learning_rate": "learning rate",
    "keep_prob": "keep probabilities",
    "regularisation": "regularisation",
    "units": "layer widths",
}


def importances(results: Results) -> dict[str, float] | str:
    """The share of each hyperparameter in the differences between trials, the largest first; or why there is none.

    fANOVA (Hutter et al. 2014) on complete and pruned trials, on the axes that their values were drawn from. Optuna's
    default, PED-ANOVA, asks what the best tenth of the complete trials have in common: four of forty. In 120 simulated
    searches of 20 to 80 trials with a known answer it put the weightiest of seven hyperparameters first in 27 % of the
    cases, fANOVA without the pruned trials in 38 %, and fANOVA with them in 65 %.
    """
    scored = results.scored
    if len(scored) < FEWEST:
        return f"at least {FEWEST} trials with a value are needed, there are {len(scored)}"
    axes = [results.axis(name) for name in results.names if all(name in trial.params for trial in scored)]
    places = np.array([[axis.place(trial.params[axis.name]) for axis in axes] for trial in scored])
    if (np.ptp(places, axis=0) > 0).sum() < 2:
        return "two hyperparameters are needed that all trials have and whose values differ"
    values = np.minimum([*map(results.reached, scored)], shown_range(map(results.reached, scored))[1])
    if np.ptp(values) == 0:
        return "all trials have the same value"
    shares = FanovaImportanceEvaluator(seed=0).evaluate(_encoded([axis.name for axis in axes], places, values))
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()} if total else "no hyperparameter explains the values"


def _encoded(names: Sequence[str], places: Any, values: Any) -> optuna.Study:
    ends = zip(names, places.min(axis=0), places.max(axis=0), strict=True)
    ranges: dict[str, BaseDistribution] = {name: FloatDistribution(low, high) for name, low, high in ends}
    study = optuna.create_study()
    for row, value in zip(places, values, strict=True):
        params = dict(zip(names, map(float, row), strict=True))
        study.add_trial(create_trial(value=value, params=params, distributions=ranges))
    return study


def importance_panel(results: Results, shares: Mapping[str, float] | str) -> Panel | str:
    """The shares as bars, and a sentence on them."""
    if isinstance(shares, str):
        return f"Importance: {shares}."
    short = short_names(results.names)
    names = [*shares][::-1]
    lengths = [100 * shares[name] for name in names]
    y = {"tickvals": [*range(len(names))], "ticktext": [f"{plain(short[name])} " for name in names], "showgrid": False}
    x = {"range": [0, 1.3 * max(lengths)], "visible": False}  # each bar has its number
    layout = {"showlegend": False, "margin": {"t": 30, "b": 16}, "bargap": 0.35}
    figure = canvas(x=x, y=y, height=max(400, 100 + 32 * len(names)), **layout)
    figure.add_bar(
        x=lengths,
        y=[*range(len(names))],
        orientation="h",
        marker_color=TRIAL,
        text=[percent(shares[name]) for name in names],
        textposition="outside",
        hovertext=[plain(name) for name in names],
        hoverinfo="text",
    )
    return Panel("Importance", _importance_note(shares, len(results.scored)), figure)


def _importance_note(shares: Mapping[str, float], trials: int) -> str:
    topics: dict[str, float] = defaultdict(float)
    for name, share in shares.items():
        topics[_topic(name)] += share
    kinds = sorted(topics.items(), key=lambda kind: -kind[1])
    first, *_, last = shares
    return (
        f"{first} mattered most ({percent(shares[first])}), {last} least ({percent(shares[last])}). "
        f"By kind: {', '.join(f'{kind} {percent(share)}' for kind, share in kinds)}. By fANOVA of {trials} "
        f"trials, pruned ones at their lowest: a rough picture, of what was searched only."
    )


def _topic(name: str) -> str:
    end = name.rsplit(".", 1)[-1]
    return next((topic for part, topic in _TOPICS.items() if part in end), end.replace("_", " "))


def slice_panels(results: Results) -> list[Panel]:
    """The value of each trial against each hyperparameter, all with the same axis of values."""
    span = shown_range(map(results.reached, results.scored))
    return [_slice_panel(results, results.axis(name), span) for name in results.names]


def _slice_panel(results: Results, axis: Axis, span: tuple[float, float]) -> Panel:
    trials = [trial for trial in results.scored if axis.name in trial.params and results.reached(trial) <= span[1]]
    places = [axis.place(trial.params[axis.name]) for trial in trials]
    margin = {"l": 36, "r": 10, "t": 8, "b": 26}
    figure = canvas(x=_layout(axis, places), y={"range": [*span]}, height=220, showlegend=False, margin=margin)
    figure.add_traces(trial_dots(results, trials, places, [*map(results.reached, trials)]))
    named = {"best": results.best, "untuned": results.untuned}
    values = {
        word: show(trial.params[axis.name]) for word, trial in named.items() if trial and axis.name in trial.params
    }
    return Panel(axis.name, ", ".join(f"{word} {value}" for word, value in values.items()), figure)


def _layout(axis: Axis, places: Sequence[float]) -> dict[str, Any]:
    low, high = axis.ends(places)
    margin = 0.4 if axis.choices else 0.06 * (high - low) or 0.5
    ticks = axis.ticks(low, high)
    texts = [wrapped(text) for text in ticks.values()]
    grid = {"zeroline": False, "tickangle": 0, "tickfont": {"size": 12}}
    return {"range": [low - margin, high + margin], "tickvals": [*ticks], "ticktext": texts, **grid}


def contour_panels(results: Results, shares: Mapping[str, float] | str) -> list[Panel | str]:
    """The value over each pair of the three most important hyperparameters, interpolated between the trials."""
    if isinstance(shares, str):
        return [f"Contours: {shares}."]
    axes = [axis for axis in map(results.axis, shares) if axis.ordered][:3]
    panels = [_contour_panel(results, across, up) for up, across in combinations(axes, 2)]
    why = "Contours: two hyperparameters are needed whose values have an order and do not lie on a line."
    return [panel for panel in panels if panel] or [why]


def _contour_panel(results: Results, across: Axis, up: Axis) -> Panel | None:
    trials = results.scored
    low, high = shown_range(map(results.reached, trials))
    x, y = ([axis.place(trial.params[axis.name]) for trial in trials] for axis in (across, up))
    surface = _surface(x, y, [min(results.reached(trial), high) for trial in trials])
    if surface is None:
        return None
    short = short_names(results.names)
    columns, rows = ({**_layout(a, p), "title": plain(short[a.name])} for a, p in ((across, x), (up, y)))
    margin = {"l": 56, "r": 8, "t": 16, "b": 48}
    figure = canvas(x=columns, y=rows, height=330, showlegend=False, margin=margin)
    bar = {"title": {"text": results.unit or ""}, "thickness": 10, "outlinewidth": 0, "x": 1.01, "tickformat": "~g"}
    style = {"colorscale": SCALE, "zmin": low, "zmax": high, "opacity": 0.85, "colorbar": bar, "ncontours": 14}
    figure.add_contour(**surface, **style, line={"width": 0.4}, hoverinfo="skip")
    figure.add_traces(trial_dots(results, trials, x, y))
    return Panel(f"{short[up.name]} × {short[across.name]}", f"{up.name} against {across.name}", figure)


def _surface(x: Sequence[float], y: Sequence[float], values: Sequence[float]) -> dict[str, Any] | None:
    """Linear between the trials and nothing beyond them; None where they all lie on a line."""
    ends = [(min(places), max(places)) for places in (x, y)]
    if any(low == high for low, high in ends):
        return None
    points = np.column_stack([np.interp(places, end, (0, 1)) for places, end in zip((x, y), ends, strict=True)])
    mesh = np.linspace(0, 1, _MESH)
    try:
        z = griddata(points, np.array(values), tuple(np.meshgrid(mesh, mesh)), method="linear")
    except QhullError:
        return None
    across, up = (np.interp(mesh, (0, 1), end) for end in ends)
    return {"x": across, "y": up, "z": z}
