"""The report's figures as PNG, for places that show only pictures: 1600 x 600 pixels each."""

from __future__ import annotations

import math
from io import BytesIO

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.fit import Epoch
from tasks.evaluate import GRU
from tasks.figures import COLOURS, LABELS, PHASES, THREE_DAYS, break_at_gaps, chosen_epoch, first_step


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


def forecast_png(rows: pd.DataFrame, target: str, warning: str) -> bytes:
    first = first_step(rows)
    newest = break_at_gaps(first[first["time"] > first["time"].max() - THREE_DAYS])
    days = f"{newest['time'].min():%Y-%m-%d} to {newest['time'].max():%Y-%m-%d}"
    drawable = "".join(letter if letter.isprintable() and ord(letter) < 0x250 else "?" for letter in target)
    figure, (axis,) = _picture(f"{warning}{drawable}: forecast against actual, newest days of the test part, {days}")
    for name, alpha, width in (("persistence", 0.4, 1.2), ("actual", 1, 1.8), (GRU, 1, 1.6)):
        times, values = newest["time"].to_numpy(), newest[name].to_numpy()
        axis.plot(times, values, color=COLOURS[name], alpha=alpha, linewidth=width, label=LABELS[name])
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    axis.set_ylabel("Wh")
    axis.margins(x=0.01)
    axis.legend(frameon=False, ncols=3, loc="upper left")
    return _png(figure)


def learning_png(phases: dict[str, list[Epoch]], warning: str) -> bytes:
    figure, axes = _picture(f"{warning}Learning curves", max(len(phases), 1))
    for axis, (phase, epochs) in zip(axes, phases.items(), strict=False):
        axis.set_title(PHASES[phase], fontsize=10)
        _draw_learning(axis, epochs)
    return _png(figure)


def _draw_learning(axis: Axes, epochs: list[Epoch]) -> None:
    numbers = [epoch.number for epoch in epochs]
    grey, right = COLOURS["actual"], axis.twinx()
    right.step(
        numbers, [epoch.learning_rate for epoch in epochs], where="post", color=grey, linestyle="--", linewidth=1
    )
    right.set_ylim(bottom=0)
    right.set_ylabel("learning rate")
    axis.plot(numbers, [epoch.train_rmse for epoch in epochs], "o-", ms=4, color=COLOURS["ridge"], label="training")
    if chosen := chosen_epoch(epochs):
        validation = [math.nan if epoch.val_rmse is None else epoch.val_rmse for epoch in epochs]
        axis.plot(numbers, validation, "o-", ms=4, color=COLOURS[GRU], label="validation")
        axis.axvline(chosen.number, color=COLOURS[GRU], ls=":", lw=1.5, label=f"chosen: epoch {chosen.number}")
    axis.plot([], [], "--", lw=1, color=grey, label="learning rate (right)")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_xlabel("epoch")
    axis.set_ylabel("RMSE, Wh")
    axis.legend(frameon=False, fontsize=8)
