"""What a sweep's page says of the verdict: a table, words, and each seed beside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from wattcast.tasks.bootstrap import Interval
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.report.figure import COLOURS, GREY, LABELS, TUNED, UNTUNED, Panel, canvas, fine, labelled, plain
from wattcast.tasks.report.page import Table
from wattcast.tasks.tuning.verdict import Arm, Verdict

_NEAR = 1.5
"""Baselines are drawn where they lie within so many times the range of all seeds."""


def score_table(verdict: Verdict) -> Table:
    """Both configurations and the baselines on the test part; the lowest RMSE is marked."""
    rows = {
        name: (arm.mean_rmse, f"± {_like(arm.spread, arm, sign=False)}", arm.mean_mae)
        for name, arm in _arms(verdict).items()
    }
    base = verdict.untuned
    order = {name: place for place, name in enumerate(LABELS)}
    for name in sorted(verdict.baselines, key=lambda name: order.get(name, len(order))):
        rmse, mae = verdict.baselines[name]
        rows[LABELS.get(name, name)] = (rmse, "", mae)
    texts = [
        [name, fine(rmse), spread, fine(mae), "" if name == "untuned" else _like(rmse - base.mean_rmse, base)]
        for name, (rmse, spread, mae) in rows.items()
    ]
    values = [rmse for rmse, _, _ in rows.values()]
    scored = [labelled(f"test {metric}", verdict.unit) for metric in ("RMSE", "MAE")]
    head = ["configuration", scored[0], "sd over seeds", scored[1], "RMSE against untuned"]
    return Table(head, texts, marked=values.index(min(values)))


def fold_table(verdict: Verdict) -> Table | None:
    """Each fold of the test part, with the best of the baselines there; None where there is but one."""
    if not verdict.folds:
        return None
    scored = [labelled(name, verdict.unit) for name in ("tuned", "untuned", "difference", "best baseline")]
    head = ["fold", "cut", "forecasts", *(scored if verdict.tuned else scored[1:2] + scored[3:])]
    rows = []
    for fold in verdict.folds:
        best = f"{fine(fold.baselines[fold.best_baseline])} ({LABELS.get(fold.best_baseline, fold.best_baseline)})"
        change = readable(fold.difference, 2, like=fold.untuned, sign=True)
        scores = [fine(fold.untuned)] if fold.tuned is None else [fine(fold.tuned), fine(fold.untuned), change]
        rows.append([str(fold.number), fold.cut, f"{fold.forecasts:,}", *scores, best])
    return Table(head, rows)


def interval_words(verdict: Verdict) -> list[str]:
    """What both intervals mean."""
    if verdict.over_seeds is None or verdict.over_seeds_and_days is None:
        return ["There is no tuned configuration to compare with: on validation the untuned one was the best."]
    return [
        f"Would other seeds say the same? The 95 % interval of the difference is {_words(verdict.over_seeds, verdict)}",
        f"And other seeds on other days? It is {_words(verdict.over_seeds_and_days, verdict)}",
    ]


def _like(difference: float, arm: Arm, *, sign: bool = True) -> str:
    """A difference of an RMSE, with as many digits as that has."""
    return readable(difference, 2, like=arm.mean_rmse, sign=sign)


def _words(interval: Interval, verdict: Verdict) -> str:
    low, high = interval
    says = "tuning helps" if high < 0 else "tuning hurts" if low > 0 else "it holds 0, so there may be no difference"
    start, end = (_like(each, verdict.untuned) for each in interval)
    return f"{start} to {with_unit(end, verdict.unit)}: {says}."


def verdict_panels(verdict: Verdict) -> list[Panel]:
    """The seeds; and, where there is a tuned configuration, its difference from the untuned one."""
    if verdict.over_seeds is None or verdict.over_seeds_and_days is None:
        return [_seeds_panel(verdict)]
    return [
        _seeds_panel(verdict),
        _difference_panel(verdict, verdict.over_seeds, verdict.over_seeds_and_days),
    ]


def _arms(verdict: Verdict) -> dict[str, Arm]:
    return {"tuned": verdict.tuned, "untuned": verdict.untuned} if verdict.tuned else {"untuned": verdict.untuned}


def _seeds_panel(verdict: Verdict) -> Panel:
    arms = dict(reversed(_arms(verdict).items()))
    values = [value for arm in arms.values() for value in arm.rmse]
    span = max(values) - min(values) or 0.01 * max(values)
    low, high = min(values) - _NEAR * span, max(values) + _NEAR * span
    near = {name: rmse for name, (rmse, _) in verdict.baselines.items() if low <= rmse <= high}
    x = {"tickvals": list(range(len(arms))), "ticktext": list(arms), "range": [-0.5, len(arms) - 0.5]}
    y = {"title": labelled("test RMSE", verdict.unit), "range": _padded([*values, *near.values()])}
    figure = canvas(x={**x, "showgrid": False, "zeroline": False}, y=y, showlegend=False, margin={"t": 30, "b": 40})
    figure.add_traces([_level(name, rmse, len(arms)) for name, rmse in near.items()])
    figure.add_traces(_seed_lines(verdict, list(arms.values())))
    figure.add_traces([_mean(place, name, arm) for place, (name, arm) in enumerate(arms.items())])
    return Panel("Seed by seed", _seeds_note(verdict, near), figure)


def _padded(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) or 0.01 * high or 1.0
    return [low - margin, high + margin]


def _level(name: str, rmse: float, arms: int) -> go.Scatter:
    label = plain(LABELS.get(name, name))
    return go.Scatter(
        x=[-0.5, arms - 0.5],
        y=[rmse, rmse],
        mode="lines+text",
        name=label,
        line={"color": COLOURS.get(name, GREY), "dash": "dash", "width": 1.5},
        text=[f" {label}", ""],
        textposition="top right",
        hoverinfo="skip",
    )


def _seed_lines(verdict: Verdict, arms: Sequence[Arm]) -> list[go.Scatter]:
    marker = {"color": [UNTUNED, TUNED][: len(arms)], "size": 9}
    line = {"color": GREY, "width": 1.5}
    return [
        go.Scatter(
            x=list(range(len(arms))),
            y=values,
            mode="lines+markers",
            name=f"seed {seed}",
            line=line,
            marker=marker,
            text=[f"seed {seed}<br>{with_unit(fine(value), verdict.unit)}" for value in values],
            hoverinfo="text",
        )
        for seed, *values in zip(verdict.seeds, *(arm.rmse for arm in arms), strict=True)
    ]


def _mean(place: int, name: str, arm: Arm) -> go.Scatter:
    """A bar at the mean, which is told on the side where no line goes."""
    text = fine(arm.mean_rmse)
    return go.Scatter(
        x=[place - 0.12, place + 0.12],
        y=[arm.mean_rmse] * 2,
        mode="lines+text",
        name=f"{name}, mean",
        text=["", f" {text}"] if name == "tuned" else [f"{text} ", ""],
        textposition="middle right" if name == "tuned" else "middle left",
        line={"color": TUNED if name == "tuned" else UNTUNED, "width": 4},
        hoverinfo="skip",
    )


def _seeds_note(verdict: Verdict, near: Mapping[str, float]) -> str:
    count, baselines = len(verdict.seeds), verdict.baselines
    note = f"One {'line' if verdict.tuned else 'dot'} for each of {count} seeds; thick bars are means."
    far = [
        f"{LABELS.get(name, name)} ({with_unit(fine(rmse), verdict.unit)})"
        for name, (rmse, _) in baselines.items()
        if name not in near
    ]
    return f"{note} Too far away to be drawn: {', '.join(far)}." if far else note


def _difference_panel(verdict: Verdict, *intervals: Interval) -> Panel:
    difference, names = verdict.difference, ("over seeds", "over seeds<br>and days")
    x = {
        "title": labelled("tuned − untuned test RMSE", verdict.unit),
        "range": _padded([0.0, *(end for ends in intervals for end in ends)]),
    }
    y = {"tickvals": [1, 0], "ticktext": names, "range": [-0.6, 1.6], "showgrid": False, "zeroline": False}
    figure = canvas(x={**x, "zeroline": False}, y=y, showlegend=False, margin={"t": 30, "b": 56})
    figure.add_vline(x=0, line={"color": UNTUNED, "dash": "dash", "width": 2})
    for place, name, (low, high) in zip((1, 0), names, intervals, strict=True):
        error = {"array": [high - difference], "arrayminus": [difference - low], "thickness": 3, "width": 10}
        figure.add_scatter(
            x=[difference],
            y=[place],
            error_x={**error, "color": TUNED},
            mode="markers+text",
            marker={"color": TUNED, "size": 13},
            text=["{} ({} to {})".format(*(_like(each, verdict.untuned) for each in (difference, low, high)))],
            textposition="top center",
            hoverinfo="skip",
            name=name,
        )
    note = "Mean difference over the seeds, and its 95 % intervals. Left of the dashed line, tuning helped."
    return Panel("Tuned against untuned", note, figure)
