"""The report's figures as PNG, for places that show only pictures: 1600 x 600 pixels each."""

from __future__ import annotations

import math
from io import BytesIO
from typing import Any

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wattcast.model.clock import on_the_clock
from wattcast.model.fit import Epoch
from wattcast.tasks.learning.evaluate import GRU
from wattcast.tasks.report.figure import COLOURS, LABELS, labelled
from wattcast.tasks.report.training_figures import (
    PHASES,
    THREE_DAYS,
    break_at_gaps,
    chosen_epoch,
    first_step,
    members_of,
)


def _picture(title: str, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(32 / 3, 4), dpi=150, layout="constrained", facecolor="white")
    figure.suptitle(title, parse_math=False, fontsize=11)
    axes = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def forecast_png(rows: pd.DataFrame, target: str, unit: str | None, warning: str) -> bytes:
    first = first_step(rows)
    newest = break_at_gaps(first[first["time"] > first["time"].max() - THREE_DAYS])
    days = f"{newest['time'].min():%Y-%m-%d} to {newest['time'].max():%Y-%m-%d}"
    drawable = "".join(letter if letter.isprintable() and ord(letter) < 0x250 else "?" for letter in target)
    figure, (axis,) = _picture(f"{warning}{drawable}: forecast against actual, newest days of the test part, {days}")
    for name, alpha, width in (("persistence", 0.4, 1.2), ("actual", 1, 1.8), (GRU, 1, 1.6)):
        times, values = on_the_clock(pd.DatetimeIndex(newest["time"])), newest[name].to_numpy()
        axis.plot(times, values, color=COLOURS[name], alpha=alpha, linewidth=width, label=LABELS[name])
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    axis.set_ylabel(unit or "")
    axis.margins(x=0.01)
    axis.legend(frameon=False, ncols=3, loc="upper left")
    return _png(figure)


def learning_png(phases: dict[str, list[Epoch]], unit: str | None, warning: str) -> bytes:
    figure, axes = _picture(f"{warning}Learning curves", max(len(phases), 1))
    for axis, (phase, epochs) in zip(axes, phases.items(), strict=False):
        axis.set_title(PHASES[phase], fontsize=10)
        _draw_learning(axis, epochs, unit)
    return _png(figure)


def _draw_learning(axis: Axes, epochs: list[Epoch], unit: str | None) -> None:
    members = members_of(epochs)
    longest = max(members, key=len)
    grey, right = COLOURS["actual"], axis.twinx()
    numbers, rates = [epoch.number for epoch in longest], [epoch.learning_rate for epoch in longest]
    right.step(numbers, rates, where="post", color=grey, linestyle="--", linewidth=1)
    right.set_ylim(bottom=0)
    right.set_ylabel("learning rate")
    for place, curve in enumerate(members):
        style: dict[str, Any] = {"ms": 4, "alpha": 1 if place == 0 else 0.45}
        numbers = [epoch.number for epoch in curve]
        label = "" if place == 0 else "_"  # matplotlib leaves out of the legend what begins so
        training = [epoch.train_rmse for epoch in curve]
        axis.plot(numbers, training, "o-", color=COLOURS["ridge"], label=f"{label}training", **style)
        if chosen := chosen_epoch(curve):
            validation = [math.nan if epoch.val_rmse is None else epoch.val_rmse for epoch in curve]
            axis.plot(numbers, validation, "o-", color=COLOURS[GRU], label=f"{label}validation", **style)
            name = f"chosen: epoch {chosen.number}" if len(members) == 1 else f"{label}chosen epochs"
            axis.axvline(chosen.number, color=COLOURS[GRU], ls=":", lw=1.5, label=name)
    axis.plot([], [], "--", lw=1, color=grey, label="learning rate (right)")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_xlabel("epoch")
    axis.set_ylabel(labelled("RMSE", unit))
    axis.legend(frameon=False, fontsize=8)
