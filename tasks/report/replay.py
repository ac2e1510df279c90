"""The page, the picture and the table that a replay leaves behind. Nothing is saved here.

C: cuts. N: forecasts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wattcast.model.arrays import Floats
from wattcast.model.clock import on_the_clock
from wattcast.tasks.backtest.replay import Replay
from wattcast.tasks.backtest.worth import ALWAYS, GATED, NEVER, IntervalOutcome, Outcome, Worth, squared_errors
from wattcast.tasks.numbers import readable
from wattcast.tasks.report.figure import COLOURS, GREY, TUNED, UNTUNED, Panel, canvas, fine, labelled, number, percent
from wattcast.tasks.report.page import Subject, Table, render

_COLOURS = {NEVER: GREY, ALWAYS: TUNED, GATED: UNTUNED, **{name: COLOURS[name] for name in ("ridge", "persistence")}}
_DASHES = {NEVER: "solid", ALWAYS: "solid", GATED: "dash", "ridge": "dot", "persistence": "dot"}
_MATPLOTLIB_DASHES = {"solid": "-", "dash": "--", "dot": ":"}
_MEANINGS = {
    NEVER: "never: the first model alone",
    ALWAYS: "always: the newest model",
    GATED: "gated: the champion",
    "ridge": "ridge, fitted at each cut",
    "persistence": "persistence",
}
_MOST_POINTS = 4_000  # of a line


def replay_report(subject: Subject, replay: Replay, worth: Worth, config_toml: str) -> str:
    """One HTML page. Nothing given is changed."""
    return render(
        "replay.html",
        subject,
        {"course": [_spans_panel(worth), *_coverage_panels(worth), _gain_panel(replay)]},
        config_toml=config_toml,
        headlines=[each for each in (worth.sentence, worth.gate_sentence, worth.interval_sentence) if each],
        tiles=_tiles(worth),
        policies=_policy_table(worth),
        cadences=_cadence_table(worth),
        cuts=_cut_table(worth),
        held=_interval_tables(worth),
        unit=worth.unit,
    )


def replay_csv(worth: Worth) -> str:
    """One line a cut: what was decided and why, each score up to the next cut, seconds of training."""
    decided = pd.DataFrame(
        {
            "cut": [cut.at for cut in worth.cuts],
            "decision": [_decision(cut.promoted) for cut in worth.cuts],
            "reason": [cut.reason for cut in worth.cuts],
            **{f"{each.name}_rmse": each.by_cut for each in (*worth.policies, *worth.baselines)},
            **{
                f"{outcome.name}_{name}_{100 * each.level:g}": getattr(each, f"{name}_by_cut")
                for outcome in (*worth.policies, *worth.baselines)
                for each in outcome.intervals
                for name in ("coverage", "winkler")
            },
            "seconds": [cut.seconds for cut in worth.cuts],
        }
    )
    return decided.to_csv(index=False, lineterminator="\n")


def _decision(promoted: bool) -> str:
    return "promoted" if promoted else "refused"


def _tiles(worth: Worth) -> dict[str, str]:
    scores = {outcome.name: outcome for outcome in (*worth.policies, *worth.baselines)}
    names = {
        NEVER: "never retrained",
        ALWAYS: "always the newest",
        GATED: "through the gate",
        "persistence": "persistence",
    }
    return {
        "retrain": worth.recommended.name,
        **{f"RMSE, {title}": scores[name].reached for name, title in names.items()},
        "promoted": f"{worth.promoted} of {len(worth.cuts)}",
    }


def _policy_table(worth: Worth) -> Table:
    head = ["policy", *_metrics(worth), "trainings", "seconds", "RMSE against never"]
    lowest = min(worth.policies, key=lambda outcome: outcome.rmse)
    return Table(
        head,
        [
            [_MEANINGS[each.name], *_cells(each, worth.policies[0], worth.levels[-1:])]
            for each in (*worth.policies, *worth.baselines)
        ],
        marked=worth.policies.index(lowest),
    )


def _cadence_table(worth: Worth) -> Table:
    head = ["retrained", *_metrics(worth), "trainings", "seconds", "RMSE against the best"]
    rows = [[each.name, *_cells(each, worth.best, worth.levels[-1:])] for each in worth.cadences]
    return Table(head, rows, marked=worth.cadences.index(worth.recommended))


def _metrics(worth: Worth) -> list[str]:
    return [
        *(labelled(metric, worth.unit) for metric in ("RMSE", "MAE")),
        *(name for level in worth.levels[-1:] for name in (f"{percent(level)} hold", labelled("Winkler", worth.unit))),
    ]


def _cells(outcome: Outcome, reference: Outcome, levels: Sequence[float]) -> list[str]:
    cost = [str(outcome.trainings), f"{outcome.seconds:.0f}"] if outcome.trainings else ["–", "–"]
    change = "–" if outcome is reference else outcome.change
    found = {each.level: [percent(each.coverage, 1), number(each.winkler)] for each in outcome.intervals}
    held = [cell for level in levels for cell in found.get(level, ["–", "–"])]
    return [fine(outcome.rmse), fine(outcome.mae), *held, *cost, change]


def _interval_tables(worth: Worth) -> dict[str, Table]:
    """Coverage and Winkler score of each level, by policy and by cadence, under their captions; none without any."""
    if not worth.levels:
        return {}
    policies = {_MEANINGS[outcome.name]: outcome for outcome in (*worth.policies, *worth.baselines)}
    cadences = {outcome.name: outcome for outcome in worth.cadences}
    return {
        "Intervals of each policy": _interval_table("policy", policies, "never", worth),
        "Intervals of each cadence": _interval_table("retrained", cadences, "the best", worth),
    }


def _interval_table(name: str, outcomes: Mapping[str, Outcome], reference: str, worth: Worth) -> Table:
    rows = [
        [title, percent(each.level), percent(each.coverage, 1), fine(each.winkler), _change(each)]
        for title, outcome in outcomes.items()
        for each in outcome.intervals
    ]
    return Table([name, "level", "coverage", labelled("Winkler", worth.unit), f"Winkler against {reference}"], rows)


def _change(found: IntervalOutcome) -> str:
    change, low, high = (
        readable(each, 2, like=found.winkler, sign=True) for each in (found.difference, found.low, found.high)
    )
    return f"{change} (95 % interval {low} to {high})" if found.difference else "–"


def _cut_table(worth: Worth) -> Table:
    outcomes = (*worth.policies, *worth.baselines)
    rows = [
        [
            f"{pd.Timestamp(cut.at):%Y-%m-%d %H:%M}",
            _decision(cut.promoted),
            *(number(outcome.by_cut[place]) for outcome in outcomes),
            f"{cut.seconds:.0f}",
            cut.reason,
        ]
        for place, cut in enumerate(worth.cuts)
    ]
    return Table(["cut", "gate", *(outcome.name for outcome in outcomes), "seconds", "reason"], rows)


def _spans_panel(worth: Worth) -> Panel:
    """The RMSE of each policy from each cut to the next, beside the baselines."""
    y = {"title": labelled("RMSE", worth.unit), "hoverformat": ".4~r"}
    x = {"type": "date", "tickformat": "%d %b<br>%Y", "tickvals": _some([cut.at for cut in worth.cuts])}
    figure = canvas(x=x, y=y, height=420, hovermode="x unified")
    for outcome in (*worth.policies, *worth.baselines):
        line = {"color": _COLOURS[outcome.name], "dash": _DASHES[outcome.name], "width": 2}
        figure.add_scatter(
            x=[cut.at for cut in worth.cuts],
            y=list(outcome.by_cut),
            mode="lines+markers",
            name=_MEANINGS[outcome.name],
            line=line,
        )
    note = (
        "One point a cut: the error of all forecasts from it to the next cut, which no training and no gate had seen."
    )
    return Panel("From cut to cut", note, figure, wide=True)


def _coverage_panels(worth: Worth) -> list[Panel]:
    """What the intervals of the highest level hold from each cut to the next; nothing without intervals."""
    if not worth.levels:
        return []
    level = max(worth.levels)
    x = {"type": "date", "tickformat": "%d %b<br>%Y", "tickvals": _some([cut.at for cut in worth.cuts])}
    figure = canvas(x=x, y={"title": "coverage", "tickformat": ".0%"}, height=380, hovermode="x unified")
    for outcome in (*worth.policies, *worth.baselines):
        for each in outcome.intervals:
            if each.level == level:
                line = {"color": _COLOURS[outcome.name], "dash": _DASHES[outcome.name], "width": 2}
                held = list(each.coverage_by_cut)
                name = _MEANINGS[outcome.name]
                moments = [cut.at for cut in worth.cuts]
                figure.add_scatter(x=moments, y=held, mode="lines+markers", name=name, line=line)
    figure.add_hline(y=level, line={"color": GREY, "dash": "dot", "width": 1.5})
    note = f"Of the readings, what {percent(level)} intervals hold from each cut to the next. Dotted: the level."
    return [Panel("Coverage from cut to cut", note, figure, wide=True)]


def _gain_panel(replay: Replay) -> Panel:
    """What each way of retraining has gained or lost against the first model alone, added up."""
    y = {"title": _squared(replay.unit), "hoverformat": ",.3~r", "zerolinewidth": 2}
    figure = canvas(x={"type": "date"}, y=y, height=420, hovermode="x unified")
    drawn = _drawn(len(replay.made_at))
    times = on_the_clock(replay.made_at[drawn])
    for name, gain in _gains(replay).items():
        line = {"color": _COLOURS[name], "dash": _DASHES[name], "width": 2}
        figure.add_scatter(x=times, y=_rounded(gain[drawn]), mode="lines", name=_MEANINGS[name], line=line)
    for cut in replay.cuts:
        figure.add_vline(x=cut.at.tz_localize(None), line={"color": GREY, "dash": "dot", "width": 1})
    note = (
        "Squared errors minus those of the first model alone, added up over all forecasts so far: where a line falls, "
        "retraining helps, and where it leaps, a few hours decide. Dotted: the cuts."
    )
    return Panel("Gain over the first model, added up", note, figure, wide=True)


def _gains(replay: Replay) -> dict[str, Floats]:
    """`[N]` squared errors for each policy that retrains."""
    count = len(replay.cuts)
    models = {ALWAYS: [*range(count)], GATED: [cut.champion for cut in replay.cuts]}
    base = squared_errors(replay.actual, replay.forecast([0] * count).point)
    return {
        name: np.cumsum(squared_errors(replay.actual, replay.forecast(used).point) - base)
        for name, used in models.items()
    }


def _squared(unit: str | None) -> str:
    return f"{unit}²" if unit else "squared error"


def _rounded(values: Floats) -> Floats:
    """To a ten thousandth of the largest: a line of 4,000 points is a third as long on the page."""
    largest = float(np.abs(values).max())
    return values.round(4 - math.ceil(math.log10(largest))) if largest else values


def _drawn(count: int) -> np.ndarray:
    """The places of at most so many points, evenly spread, the last one among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(int))


def _some(labels: Sequence[str], most: int = 12) -> list[str]:
    return list(labels[:: -(-len(labels) // most)])


def replay_png(replay: Replay, worth: Worth, warning: str) -> bytes:
    """Both figures as one picture of 1600 x 600 pixels, for places that show only pictures."""
    figure = Figure(figsize=(32 / 3, 4), dpi=150, layout="constrained", facecolor="white")
    title = f"Was retraining worth it? Best: {worth.best.name}; recommended: {worth.recommended.name}"
    figure.suptitle(f"{warning}\n{title}".strip(), parse_math=False, fontsize=11)
    left, right = (figure.add_subplot(1, 2, place) for place in (1, 2))
    moments = pd.DatetimeIndex([pd.Timestamp(cut.at).tz_localize(None) for cut in worth.cuts])
    for outcome in (*worth.policies, *worth.baselines):
        left.plot(
            moments, outcome.by_cut, "o", ls=_ls(outcome.name), ms=4, c=_COLOURS[outcome.name], label=outcome.name
        )
    for name, gain in _gains(replay).items():
        right.plot(on_the_clock(replay.made_at), gain, ls=_ls(name), c=_COLOURS[name], label=name)
    right.axhline(0, color=GREY, lw=1)
    left.set_title(labelled("RMSE from each cut to the next", worth.unit), fontsize=10)
    summed = "squared errors minus those of never, added up"
    right.set_title(f"{summed}, {_squared(worth.unit)}" if worth.unit else summed, fontsize=10)
    for axis in (left, right):
        _dress(axis)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _ls(name: str) -> str:
    return _MATPLOTLIB_DASHES[_DASHES[name]]


def _dress(axis: Axes) -> None:
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, fontsize=8)
