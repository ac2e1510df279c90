"""Parallel coordinates of a sweep: every complete trial as a line across all hyperparameters to its value.

Drawn as plain lines. Plotly's own parallel coordinates need WebGL, and `eval`, which the page forbids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState
from plotly.colors import sample_colorscale

from wattcast.tasks.report.figure import GREY, SCALE, TUNED, Panel, canvas, labelled, plain
from wattcast.tasks.report.sweep_course import told
from wattcast.tasks.report.sweep_trials import Axis, Results, short_names, shown_range, ticket, wrapped

_BANDS = 12
"""Colours of the lines; those of one colour are one line with gaps, so that many trials are as light as few."""


@dataclass(frozen=True)
class _Column:
    label: str
    axis: Axis
    places: list[float]  # of each trial

    @property
    def ends(self) -> tuple[float, float]:
        return self.axis.ends(self.places)

    def height(self, place: float) -> float:
        """0 at the lower end, 1 at the upper one."""
        low, high = self.ends
        return (place - low) / (high - low) if high > low else 0.5


def parallel_panel(results: Results) -> Panel | str:
    """The panel, or why there is none."""
    complete = [trial for trial in results.scored if trial.state == TrialState.COMPLETE]
    if len(complete) < 2:
        return f"Parallel coordinates: two complete trials are needed, there are {len(complete)}."
    trials = sorted(
        complete, key=lambda trial: (results.reached(trial), ticket(trial)), reverse=True
    )  # the best on top
    columns = _columns(results, trials)
    x = {"tickvals": list(range(len(columns))), "ticktext": [column.label for column in columns], "side": "top"}
    x |= {"range": [-0.05, len(columns) - 0.8], "showgrid": False, "zeroline": False}
    margin = {"l": 64, "r": 56, "t": 64, "b": 20}
    figure = canvas(x=x, y={"visible": False, "range": [-0.03, 1.03]}, height=420, showlegend=False, margin=margin)
    for band in range(_BANDS + 1):
        members = [place for place in range(len(trials)) if _band(columns[-1], place) == band]
        if members:
            figure.add_trace(_lines(results, trials, columns, members, band))
    for place, column in enumerate(columns):
        _add_axis(figure, place, column)
    note = (
        f"One line for each of {len(trials)} complete trials, from orange (low RMSE) to blue (high). "
        f"The thick line is the best, trial {ticket(trials[-1])}."
    )
    return Panel("Parallel coordinates", note, figure, wide=True)


def _columns(results: Results, trials: Sequence[FrozenTrial]) -> list[_Column]:
    names = [name for name in results.names if all(name in trial.params for trial in trials)]
    short, top = short_names(names), shown_range(map(results.reached, trials))[1]
    columns = []
    for name in names:
        axis = results.axis(name)
        columns.append(_Column(wrapped(short[name]), axis, [axis.place(trial.params[name]) for trial in trials]))
    label = f"<b>{labelled('RMSE', results.unit)}</b>"
    return [*columns, _Column(label, Axis("RMSE"), [min(results.reached(trial), top) for trial in trials])]


def _band(values: _Column, trial: int) -> int:
    """0 for the highest value, so that the lowest is drawn last; the best trial has the last band to itself."""
    if trial == len(values.places) - 1:
        return _BANDS
    return min(_BANDS - 1, int(_BANDS * (1 - values.height(values.places[trial]))))


def _lines(
    results: Results, trials: Sequence[FrozenTrial], columns: Sequence[_Column], members: Sequence[int], band: int
) -> go.Scatter:
    best = band == _BANDS
    colour = TUNED if best else sample_colorscale(SCALE, 1 - (band + 0.5) / _BANDS)[0]
    heights = [[column.height(column.places[member]) for column in columns] for member in members]
    return go.Scatter(
        x=[place for _ in members for place in (*range(len(columns)), None)],
        y=[height for row in heights for height in (*row, None)],
        text=[told(results, trials[member]) for member in members for _ in (*columns, None)],
        hoverinfo="text",
        mode="lines",
        line={"color": colour, "width": 4 if best else 1.5},
        opacity=1 if best else 0.75,
    )


def _add_axis(figure: go.Figure, place: int, column: _Column) -> None:
    figure.add_vline(x=place, line={"color": GREY, "width": 1.5})
    for tick, text in column.axis.ticks(*column.ends).items():
        figure.add_annotation(
            x=place,
            y=column.height(tick),
            text=plain(text),
            showarrow=False,
            xanchor="left",
            xshift=5,
            font={"size": 12},
        )
