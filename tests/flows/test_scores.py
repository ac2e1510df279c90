"""Scores as people read them, and a retraining's note in Prefect."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from wattcast.flows.promotion.note import gate_note
from wattcast.flows.scores import score_rows, scored_one, told
from wattcast.tasks.learning.diagnosis import Diagnosis
from wattcast.tasks.learning.evaluate import Evaluation, Score
from wattcast.tasks.monitoring.drift import ColumnDrift, Drift, Level
from wattcast.tasks.registry.gate import Check, Decision
from wattcast.tasks.tracking.run import Run

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
        self.run_id, self.page = "abc", page

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
        (
            "http://m/#/experiments/1/runs/abc",
            [
                "[Run abc](http://m/#/experiments/1/runs/abc)",
                "[Report](http://m/#/experiments/1/runs/abc/artifacts/retrain.html), `/runs/abc/retrain.html`",
            ],
        ),
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
    assert lines[4:8] == [
        "| check | outcome | found |",
        "| --- | --- | --- |",
        "| data | passed | trained on real readings (uci) |",
        "| champion | **failed** | may be better by luck (champion 59.7, difference -0.310, low -) |",
    ]
    first = lines.index("| load | yes | moderate | 0.31 | its mean \\| has moved |")
    assert lines[first + 1].startswith("| T1 | no | major |")
    assert not [line for line in lines if line.startswith("| T2")]
    assert [line for line in lines if line in links] == links


def test_a_long_list_of_columns_is_cut_and_counted() -> None:
    moved = drift(*((f"T{number}", False, "major") for number in range(12)))
    note = gate_note("t", Decision((Check("data", True, "fine"),)), moved, cast("Run", _Tracked("")), page="p.html")
    assert "and 2 more columns" in note


def test_the_target_that_decides_is_named_where_there_are_several() -> None:
    assert scored_one(("load",)) == ""
    assert scored_one(("load", "heat")) == "All of it is of load, the first of 2 targets."
