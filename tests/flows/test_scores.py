"""Scores as people read them, and what Prefect's page keeps of what came out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import pandas as pd
import pytest
from contests import backtest, noise

from wattcast.flows.backtest import _note as backtest_note
from wattcast.flows.note import artifact_rows
from wattcast.flows.promotion.note import gate_note
from wattcast.flows.replay import _note as replay_note
from wattcast.flows.scores import arm_rows, contest_rows, in_one_line, outcome_rows, score_rows, scored_one, told
from wattcast.flows.sweep import Swept
from wattcast.flows.sweep import _note as sweep_note
from wattcast.tasks.backtest.verdict import judge
from wattcast.tasks.backtest.worth import Decided, Outcome, Worth
from wattcast.tasks.learning.diagnosis import Diagnosis
from wattcast.tasks.learning.evaluate import Evaluation, Score
from wattcast.tasks.monitoring.drift import ColumnDrift, Drift, Level
from wattcast.tasks.registry.gate import Check, Decision
from wattcast.tasks.tracking.run import Run
from wattcast.tasks.tuning.study import Counts
from wattcast.tasks.tuning.verdict import Arm
from wattcast.tasks.tuning.verdict import Verdict as FreshSeeds

ERRORS = {"ridge": 59.81, "gru": 57.443, "persistence": 66.4}


def evaluation(targets: tuple[str, ...] = ("load",), unit: str | None = "Wh") -> Evaluation:
    scores = tuple(
        Score(model, part, target, rmse, rmse / 2, 0.601, math.nan, 0.1349)
        for part in ("train", "test")
        for target in targets
        for model, rmse in ERRORS.items()
    )
    return Evaluation(scores, Diagnosis("good", "the reason", "the advice"), pd.DataFrame(), unit=unit)


def test_scores_stand_from_best_to_worst_with_their_unit() -> None:
    (rows,) = score_rows(evaluation()).values()
    assert [row["model"] for row in rows] == ["gru", "ridge", "persistence"]
    assert rows[0] == {
        "model": "gru",
        "RMSE Wh": "57.4",
        "MAE Wh": "28.7",
        "R2": "0.60",
        "MAPE %": "-",
        "skill": "0.13",
    }


def test_part_and_target_are_named_where_there_are_several() -> None:
    rows = score_rows(evaluation(("heat", "light"), unit=None), ("test", "train"))
    assert list(rows) == ["heat", "light"]
    assert [(row["part"], row["target"]) for row in rows["light"]] == [("test", "light")] * 3 + [("train", "light")] * 3
    assert "RMSE" in rows["heat"][0]


def test_what_came_out_is_one_line() -> None:
    assert told(evaluation()) == "test RMSE 57.4 Wh against 59.8 Wh (ridge)"


class _Tracked:
    """What a note asks of a run."""

    def __init__(self, page: str) -> None:
        self.run_id, self.server = "abc", page

    def page(self, artifact: str = "") -> str:
        return self.server and self.server + artifact

    def address(self, name: str) -> str:
        return str(Path("/runs/abc") / name)


def drift(*columns: tuple[str, bool, Level]) -> Drift:
    times = [pd.Timestamp(f"2016-0{month}-01") for month in (1, 2, 3, 4)]
    return Drift(
        *times,
        columns=tuple(
            ColumnDrift(name, read, 0.4, 0.01, 0.31, level, "its mean | has moved", 1.0, 2.0)
            for name, read, level in columns
        ),
    )


@pytest.mark.parametrize(
    ("page", "links"),
    [
        ("", ["Run `abc`", "Report `/runs/abc/retrain.html`"]),
        ("http://m/", ["[Run abc](http://m/)", "[Report](http://m/retrain.html)"]),
    ],
)
def test_a_note_of_the_gate_holds_verdict_checks_drift_and_links(page: str, links: list[str]) -> None:
    """What the model reads stands first among the columns that have drifted."""
    checks = (
        Check("data", True, "trained on real readings (uci)"),
        Check("champion", False, "may be better by luck", {"champion": 59.7, "difference": -0.31, "low": math.nan}),
    )
    moved = drift(("T1", False, "major"), ("load", True, "moderate"), ("T2", True, "none"))
    run = cast("Run", _Tracked(page))
    lines = gate_note("office, version 4: refused", Decision(checks), moved, run, page="retrain.html").splitlines()
    assert lines[:3] == ["# office, version 4: refused", "", "may be better by luck"]
    assert lines[4:6] == [
        "- data passed: trained on real readings (uci)",
        "- **champion failed**: may be better by luck (champion 59.7, difference -0.310, low -)",
    ]
    first = lines.index(r"- **load**, read by the model: moderate, PSI 0.31; its mean \| has moved")
    assert lines[first + 1].startswith("- **T1**: major, ")
    assert not [line for line in lines if line.startswith("- **T2**")]
    assert [line for line in lines if line in links] == links


def test_names_that_look_like_markdown_stand_as_they_are() -> None:
    moved = drift(("*T* <b>", True, "major"))
    decision = Decision((Check("champion", False, "of <i>x</i>, worse"),))
    note = gate_note("x_, version 1", decision, moved, cast("Run", _Tracked("")), page="p.html")
    assert "# x\\_, version 1\n" in note
    assert r"**champion failed**: of \<i>x\</i>, worse" in note
    assert r"**\*T\* \<b>**, read by the model" in note
    assert artifact_rows([{"target": "<i>x</i>", "forecasts": 3}]) == [{"target": r"\<i>x\</i>", "forecasts": 3}]


def test_a_long_list_of_columns_is_cut_and_counted() -> None:
    moved = drift(*((f"T{number}", False, "major") for number in range(12)))
    note = gate_note("t", Decision((Check("data", True, "fine"),)), moved, cast("Run", _Tracked("")), page="p.html")
    assert "and 2 more columns" in note


def test_the_target_that_decides_is_named_where_there_are_several() -> None:
    assert scored_one(("load",)) == ""
    assert scored_one(("load", "heat")) == "All of it is of load, the first of 2 targets."


def outcome(name: str, rmse: float, trainings: int, difference: float) -> Outcome:
    around = (difference, difference - 0.5, difference + 0.5)
    return Outcome(name, rmse, rmse / 2, (rmse,), trainings, 20.4 * trainings, *around, "Wh")


def worth() -> Worth:
    never, always = outcome("never", 60.1, 1, 0.0), outcome("always", 59.12, 2, -0.98)
    return Worth(
        days=14,
        policies=(never, always, outcome("gated", 59.5, 2, -0.6)),
        baselines=(outcome("ridge", 62.4, 0, 2.3), outcome("persistence", 69.25, 0, 9.15)),
        cadences=(outcome("every 7 days", 59.12, 2, 0.0), outcome("never", 60.1, 1, 0.98)),
        cuts=(Decided("2016-04-02 10:00:00", True, "RMSE beats | the champion's\nby more than luck", 20.4),),
    )


def test_a_policy_is_not_compared_with_itself_and_a_baseline_costs_nothing() -> None:
    found = worth()
    rows = outcome_rows("policy", (*found.policies, *found.baselines), found.policies[0])
    assert in_one_line(rows[0]) == "policy never, RMSE Wh 60.10, MAE Wh 30.05, trained 1, s 20, difference -"
    assert rows[1]["difference"] == "-0.98 (-1.48 to -0.48)"
    assert (rows[-1]["policy"], rows[-1]["trained"], rows[-1]["s"]) == ("persistence", "-", "-")


def test_a_note_of_a_replay_holds_advice_scores_costs_and_decisions() -> None:
    found = worth()
    lines = replay_note("replay of office", found, cast("Run", _Tracked(""))).splitlines()
    assert lines[0] == "# replay of office"
    assert lines[2] == found.sentence
    assert found.gate_sentence in lines
    assert "| always | 59.12 | 29.56 | 2 | 41 | -0.98 (-1.48 to -0.48) |" in lines
    assert "| every 7 days | 59.12 | 29.56 | 2 | 41 | - |" in lines
    assert r"- 2016-04-02 10:00:00 promoted: RMSE beats \| the champion's by more than luck" in lines
    assert lines[-1] == "Report `/runs/abc/replay.html`"


def test_a_note_of_a_backtest_holds_all_contestants_and_why_one_has_failed() -> None:
    errors = {"ours": noise(5, seed=9), "ridge": noise(7, seed=8), "mine:Broken": noise(1, seed=2)}
    verdict = judge(backtest(errors, failed={"mine:Broken": (2, "returned\nnothing")}))
    rows = contest_rows(verdict)
    assert [row["contestant"] for row in rows] == ["ours", "ridge", "mine:Broken"]
    assert (rows[0]["difference"], rows[2]["RMSE Wh"]) == ("-", "failed")
    lines = backtest_note("backtest of office", verdict, cast("Run", _Tracked(""))).splitlines()
    assert set(verdict.sentences) < set(lines)
    assert [line for line in lines if line.startswith("| ours |")]
    assert "- mine:Broken failed in fold 2: returned nothing" in lines
    assert lines[-1] == "Report `/runs/abc/backtest.html`"


def test_a_note_of_a_sweep_holds_the_verdict_its_scores_and_what_was_found() -> None:
    verdict = FreshSeeds(
        (1, 2),
        Arm((57.27, 57.3), (26.9, 27.0)),
        Arm((57.06, 57.0), (26.8, 26.7)),
        {"ridge": (59.81, 27.43)},
        over_seeds=(-0.4, -0.03),
        over_seeds_and_days=(-0.7, 0.3),
        unit="Wh",
    )
    assert [row["configuration"] for row in arm_rows(verdict)] == ["tuned", "untuned", "ridge"]
    swept = Swept(
        "office",
        "abc",
        "file",
        Counts(3, 0, 0, 0),
        1,
        2,
        61.3,
        {"fit.initial_learning_rate": 0.0118437},
        61.7,
        verdict,
        "/runs/abc/report.html",
        "/runs/abc/best.toml",
    )
    lines = sweep_note(swept, cast("Run", _Tracked(""))).splitlines()
    assert lines[2] == verdict.sentence
    assert "| tuned | 57.03 | 0.04 | 26.75 |" in lines
    assert "| ridge | 59.81 |  | 27.43 |" in lines
    assert "| fit.initial_learning_rate | 0.01184 |" in lines
    assert lines[-1] == "Best configuration `/runs/abc/best.toml`"
