"""The page and the table that a backtest leaves behind. Nothing is saved here.

F: folds. L: output length. C: contestants.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

import pandas as pd

from wattcast.model.baseline import NAIVE
from wattcast.tasks.backtest.scores import Score, Standing
from wattcast.tasks.backtest.verdict import Pair, Verdict, in_words
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.report.figure import (
    COLOURS,
    GREY,
    TUNED,
    UNTUNED,
    Panel,
    canvas,
    decimals,
    fine,
    labelled,
    percent,
    plain,
)
from wattcast.tasks.report.page import Subject, Table, render

_KNOWN = {
    **{name: COLOURS[name] for name in ("ridge", "persistence")},
    "daily_naive": "#6aa84f",
    "weekly_naive": "#a58b3a",
    "lightgbm": "#7b5ea7",
}
_OTHERS = (UNTUNED, "#1b998b", "#c49102", "#4b6584", "#9c4a1a", "#3d85c6")
_BAND = "rgba(213, 94, 0, 0.16)"
_LEAST_SKILL = -0.5  # that is drawn


def backtest_report(subject: Subject, verdict: Verdict, config_toml: str) -> str:
    """One HTML page. Nothing given is changed."""
    groups: dict[str, list[Panel]] = {}
    for number, each in enumerate((verdict, *verdict.others), start=1):
        groups[f"leads {number}"] = _lead_panels(each) if _has_leads(each) else []
        groups[f"folds {number}"] = _fold_panels(each)
    return render(
        "backtest.html",
        subject,
        groups,
        config_toml=config_toml,
        headlines=list(verdict.sentences),
        tiles=_tiles(verdict),
        failed=_failed_table(verdict) if verdict.failed else None,
        first=_of_target(verdict),
        others=[_of_target(other) for other in verdict.others],
        naive=verdict.naive,
        unit=verdict.unit,
    )


def _of_target(verdict: Verdict) -> dict[str, Any]:
    """The words and the tables of one target."""
    return {
        "name": verdict.target,
        "sentences": verdict.sentences,
        "contest": _contest_table(verdict),
        "intervals": _interval_table(verdict),
        "matrix": _matrix(verdict) if verdict.pairs else None,
        "pairs": _pair_table(verdict),
        "leads": _lead_table(verdict) if _has_leads(verdict) else None,
        "folds": _fold_table(verdict),
    }


def _has_leads(verdict: Verdict) -> bool:
    return len(verdict.leads) > 1 and bool(verdict.standings)


def backtest_csv(verdict: Verdict) -> str:
    """One line a contestant and group of rows: all, each fold and each lead time; where there are several, a target."""
    lines = []
    for each in (verdict, *verdict.others):
        target = {"target": each.target} if each.is_one_of else {}
        for standing in each.standings:
            groups = chain(
                [("all", "", standing.overall)],
                (("fold", str(span.number), score) for span, score in zip(each.folds, standing.by_fold, strict=True)),
                (("steps ahead", str(lead), score) for lead, score in zip(each.leads, standing.by_lead, strict=True)),
            )
            lines += [
                {"contestant": standing.name, **target, "by": by, "group": group, **_columns(each, score)}
                for by, group, score in groups
            ]
    failed = [
        {"contestant": fault.name, "by": "fold", "group": str(fault.fold), "failed": fault.reason}
        for fault in verdict.failed
    ]
    return pd.DataFrame([*lines, *failed]).to_csv(index=False, lineterminator="\n")


def _columns(verdict: Verdict, score: Score) -> dict[str, float | None]:
    found: dict[str, float | None] = {"rmse": score.rmse, "mae": score.mae, "skill": score.skill}
    for level, covered, width in zip(verdict.levels, score.coverage, score.winkler, strict=False):
        found |= {f"coverage_{100 * level:g}": covered, f"winkler_{100 * level:g}": width}
    return found if score.pinball is None else {**found, "pinball": score.pinball}


def _tiles(verdict: Verdict) -> dict[str, str]:
    chosen = verdict.recommended
    tiles = {"use": chosen.name if chosen else "nobody"}
    for name in dict.fromkeys(
        [verdict.asked, *([chosen.name] if chosen else []), *([verdict.naive] if verdict.naive else [])]
    ):
        if standing := verdict.standing(name):
            tiles[f"RMSE, {name}"] = with_unit(readable(standing.overall.rmse, 2), verdict.unit)
    for each in (verdict, *verdict.others):
        steps, of = each.useful_steps, f" in {each.target}" if each.is_one_of else ""
        if steps is not None:
            step = pd.Timedelta(minutes=each.step_minutes)
            tiles[f"{each.asked} useful{of} up to"] = in_words(steps * step) if steps else "nothing proven"
    return {**tiles, "folds": f"{len(verdict.folds)} of {verdict.days / len(verdict.folds):.3g} days"}


def _contest_table(verdict: Verdict) -> Table:
    scored = [labelled(name, verdict.unit) for name in ("RMSE", "MAE", "spread")]
    head = ["contestant", *scored, "skill", "seconds", "RMSE against the lowest"]
    rows = [
        [
            each.name,
            fine(each.overall.rmse),
            fine(each.overall.mae),
            readable(each.spread, 2, like=each.overall.rmse),
            percent(each.overall.skill, 1),
            f"{each.seconds:.0f}",
            _change(verdict, verdict.between(verdict.standings[0].name, each.name)) if place else "–",
        ]
        for place, each in enumerate(verdict.standings)
    ]
    rows += [[fault.name, "failed", *[""] * (len(head) - 2)] for fault in verdict.failed]
    chosen = verdict.recommended
    return Table(head, rows, marked=verdict.standings.index(chosen) if chosen else None)


def _interval_table(verdict: Verdict) -> Table | None:
    """None where nobody gives intervals."""
    heads = [
        head
        for level in verdict.levels
        for head in (f"in {100 * level:g} %", labelled(f"Winkler {100 * level:g} %", verdict.unit))
    ]
    rows = [
        [
            each.name,
            *chain.from_iterable(
                (percent(covered, 1), fine(width))
                for covered, width in zip(each.overall.coverage, each.overall.winkler, strict=True)
            ),
            fine(each.overall.pinball),
        ]
        for each in verdict.standings
        if each.overall.pinball is not None
    ]
    return Table(["contestant", *heads, labelled("pinball", verdict.unit)], rows) if rows else None


def _change(verdict: Verdict, pair: Pair) -> str:
    shown = _like(verdict, pair)
    return f"{with_unit(shown(pair.difference), verdict.unit)} ({shown(pair.low)} to {shown(pair.high)})"


def _like(verdict: Verdict, pair: Pair) -> Any:
    """How differences of a pair are written."""
    one = verdict.standing(pair.one)
    return partial(readable, decimals=2, like=one.overall.rmse if one else None, sign=True)


def _failed_table(verdict: Verdict) -> Table:
    return Table(
        ["contestant", "fold", "reason"], [[each.name, str(each.fold), each.reason] for each in verdict.failed]
    )


def _matrix(verdict: Verdict) -> Table:
    names = [each.name for each in verdict.standings]

    def cell(row: str, column: str) -> str:
        if row == column:
            return ""
        pair = verdict.between(column, row)
        text: str = _like(verdict, pair)(pair.difference)
        return text if pair.beyond_luck else f"({text})"

    return Table(["", *names], [[row, *(cell(row, column) for column in names)] for row in names])


def _pair_table(verdict: Verdict) -> Table:
    head = ["first", "second", "RMSE of the second minus the first's, 95 %", "Diebold-Mariano", "p"]
    rows = [
        [pair.one, pair.other, _change(verdict, pair), decimals(pair.statistic, 2), _chance(pair.p)]
        for pair in verdict.pairs
    ]
    return Table(head, rows)


def _chance(p: float) -> str:
    return "below 0.0001" if p < 0.0001 else decimals(p, 4)


def _lead_table(verdict: Verdict) -> Table:
    places = [verdict.leads.index(steps) for steps in verdict.named]
    head = ["contestant", *(labelled(f"RMSE at {verdict.lead(place)}", verdict.unit) for place in places)]
    rows = [
        [
            each.name,
            *(f"{fine(each.by_lead[place].rmse)} ({percent(each.by_lead[place].skill, 1)})" for place in places),
        ]
        for each in verdict.standings
    ]
    return Table(head, rows)


def _fold_table(verdict: Verdict) -> Table:
    head = ["fold", "known from", "to", "forecasts", *(each.name for each in verdict.standings)]
    rows = [
        [
            str(span.number),
            *(f"{pd.Timestamp(moment):%Y-%m-%d %H:%M}" for moment in (span.trained_from, span.cut)),
            f"{span.forecasts:,}",
            *(fine(each.by_fold[place].rmse) for each in verdict.standings),
        ]
        for place, span in enumerate(verdict.folds)
    ]
    return Table(head, rows)


def _line(verdict: Verdict, standing: Standing) -> dict[str, Any]:
    """How a contestant looks in all figures."""
    others = [
        name for name in sorted(each.name for each in verdict.standings) if name not in _KNOWN and name != verdict.asked
    ]
    if standing.name == verdict.asked:
        colour, width = TUNED, 3
    elif standing.name in _KNOWN:
        colour, width = _KNOWN[standing.name], 2
    else:
        colour, width = _OTHERS[others.index(standing.name) % len(_OTHERS)], 2
    dash = "dot" if standing.name in NAIVE else "solid"
    return {"name": plain(standing.name), "line": {"color": colour, "width": width, "dash": dash}}


def _lead_panels(verdict: Verdict) -> list[Panel]:
    return [_skill_panel(verdict), _error_panel(verdict)]


def _hours(verdict: Verdict) -> list[float]:
    return [steps * verdict.step_minutes / 60 for steps in verdict.leads]


def _mode(verdict: Verdict) -> str:
    return "lines+markers" if len(verdict.leads) < 50 else "lines"


def _skill_panel(verdict: Verdict) -> Panel:
    """Skill against the best naive forecast at each lead time, with the asked-about contestant's interval."""
    hours = _hours(verdict)
    figure = canvas(
        x={"title": "hours ahead"}, y={"title": "skill, %", "hoverformat": ".1f"}, height=440, hovermode="x unified"
    )
    asked = verdict.standing(verdict.asked)
    drawn: list[float] = [0.0]
    if asked and asked.skills:
        edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": "band"}
        lows, highs = ([100 * pair[side] for pair in asked.skills] for side in (0, 1))
        figure.add_scatter(x=hours, y=highs, **edge, showlegend=False)
        figure.add_scatter(
            x=hours, y=lows, **edge, fill="tonexty", fillcolor=_BAND, name=f"{plain(verdict.asked)}, 95 % over days"
        )
        drawn += [*lows, *highs]
    for each in verdict.standings:
        if each.name not in NAIVE or each is asked:
            shares = [100 * score.skill for score in each.by_lead]
            figure.add_scatter(x=hours, y=shares, mode=_mode(verdict), **_line(verdict, each))
            drawn += shares
    figure.add_hline(y=0, line={"color": GREY, "dash": "dot", "width": 1.5})
    seen = [share for share in drawn if share >= 100 * _LEAST_SKILL]
    room = 0.06 * (max(seen) - min(seen) or 1)
    figure.update_yaxes(range=[min(seen) - room, max(seen) + room])
    if steps := verdict.useful_steps:
        figure.add_vline(
            x=steps * verdict.step_minutes / 60,
            line={"color": TUNED, "dash": "dash", "width": 1.5},
            annotation={
                "text": f"useful up to {in_words(steps * pd.Timedelta(minutes=verdict.step_minutes))}",
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "xanchor": "right" if steps == verdict.leads[-1] else "center",
                "showarrow": False,
            },
        )
    note = (
        f"{verdict.useful_sentence} Zero is the best of the naive forecasts at that lead time; curves below "
        f"{100 * _LEAST_SKILL:.0f} % are cut off."
    )
    return Panel("Skill by lead time", note, figure, wide=True)


def _error_panel(verdict: Verdict) -> Panel:
    y = {"title": labelled("RMSE", verdict.unit), "hoverformat": ".4~r"}
    figure = canvas(x={"title": "hours ahead"}, y=y, height=420, hovermode="x unified")
    for each in verdict.standings:
        errors = [score.rmse for score in each.by_lead]
        figure.add_scatter(x=_hours(verdict), y=errors, mode=_mode(verdict), **_line(verdict, each))
    return Panel("RMSE by lead time", "Over all folds.", figure, wide=True)


def _fold_panels(verdict: Verdict) -> list[Panel]:
    panels = [_folds_panel(verdict)] if verdict.standings else []
    if any(each.overall.coverage for each in verdict.standings):
        panels += [_coverage_panel(verdict, place) for place in range(len(verdict.levels))]
    return panels


def _cuts(verdict: Verdict) -> dict[str, Any]:
    """The axis of the folds."""
    names = [f"{span.number}<br>{pd.Timestamp(span.cut):%d %b}" for span in verdict.folds]
    return {"title": "fold, and its cut", "tickvals": [span.number for span in verdict.folds], "ticktext": names}


def _folds_panel(verdict: Verdict) -> Panel:
    y = {"title": labelled("RMSE", verdict.unit), "hoverformat": ".4~r"}
    figure = canvas(x=_cuts(verdict), y=y, height=440, hovermode="x unified")
    numbers = [span.number for span in verdict.folds]
    for each in verdict.standings:
        errors = [score.rmse for score in each.by_fold]
        figure.add_scatter(x=numbers, y=errors, mode="lines+markers", **_line(verdict, each))
    note = ""
    if asked := verdict.standing(verdict.asked):
        lost = [
            span.number
            for place, span in enumerate(verdict.folds)
            if min(verdict.standings, key=lambda each: each.by_fold[place].rmse) is not asked
        ]
        words = ", ".join(map(str, lost))
        note = (
            f"{asked.name} is the best in all folds but {words}." if lost else f"{asked.name} is the best in each fold."
        )
        note = f"{asked.name} is the best in no fold." if len(lost) == len(numbers) else note
    return Panel("RMSE by fold", note, figure, wide=True)


def _coverage_panel(verdict: Verdict, place: int) -> Panel:
    level = verdict.levels[place]
    y = {"title": "readings in the interval", "tickformat": ".0%", "hoverformat": ".1%"}
    figure = canvas(x=_cuts(verdict), y=y, height=400, hovermode="x unified")
    numbers = [span.number for span in verdict.folds]
    for each in verdict.standings:
        if each.overall.coverage:
            shares = [score.coverage[place] for score in each.by_fold]
            figure.add_scatter(x=numbers, y=shares, mode="lines+markers", **_line(verdict, each))
    figure.add_hline(y=level, line={"color": GREY, "dash": "dot", "width": 1.5})
    note = "Dotted: as many as there should be."
    asked = verdict.standing(verdict.asked)
    if asked and asked.overall.coverage:
        shares = [score.coverage[place] for score in asked.by_fold]
        note = (
            f"Intervals of {asked.name} hold {percent(asked.overall.coverage[place], 1)} of the readings, by fold from "
            f"{percent(min(shares), 1)} to {percent(max(shares), 1)}. Dotted: as many as there should be."
        )
    return Panel(f"Coverage of {100 * level:g} % intervals by fold", note, figure, wide=len(verdict.levels) == 1)
