"""What is printed of a verdict."""

import io
import json

import numpy as np
from contests import backtest, noise
from rich.console import Console

from wattcast.flows.cli.show_verdict import show_verdict, verdict_record
from wattcast.tasks.backtest.verdict import Verdict, judge

ERRORS = {
    "ours": noise(5, seed=9),
    "ridge": noise(7, seed=8),
    "persistence": noise(12, seed=1),
    "mine:Broken": noise(1, seed=2),
}
BROKEN = {"mine:Broken": (2, "forecast at [2016-04-20] returned 2 steps, expected 3 steps")}


def printed(verdict: Verdict, width: int = 160) -> str:
    console = Console(width=width, file=io.StringIO())
    show_verdict(console, verdict)
    return console.file.getvalue()


def test_the_table_has_a_row_for_each_contestant_and_reasons_below():
    verdict = judge(backtest(ERRORS, reach=9, failed=BROKEN))
    shown = printed(verdict)
    lines = shown.splitlines()
    rows = [line for line in lines if line.startswith("│")]
    assert [line.split()[1] for line in rows[:4]] == ["ours", "ridge", "persistence", "mine:Broken"]
    assert [line.split()[1:5] for line in rows[4:]] == [
        ["90", "%", "│", name] for name in ("ours", "ridge", "persistence")
    ]
    assert rows[3].split()[3] == "failed"
    assert "mine:Broken failed in fold 2: forecast at [2016-04-20] returned 2 steps, expected 3 steps" in lines
    assert verdict.sentence in lines
    assert verdict.useful_sentence in lines
    for word in ("RMSE Wh", "MAE Wh", "held", "Winkler", "2 folds, 40 days"):
        assert word in shown


def test_names_keep_their_place_and_each_target_has_its_intervals_however_narrow_the_screen():
    errors = {name: np.stack([error, 2 * error], axis=-1) for name, error in ERRORS.items()}
    verdict = judge(backtest(errors, reach=9))
    shown = printed(verdict, width=60)
    for each in (verdict, *verdict.others):
        assert f"{each.target}: intervals; Winkler and pinball scores, Wh" in shown
    held = [line for line in shown.splitlines() if line.startswith("│ 90 %")]
    assert [line.split()[4] for line in held] == [
        standing.name for each in (verdict, *verdict.others) for standing in each.standings
    ]


def test_without_intervals_there_are_no_columns_of_them():
    assert "Winkler" not in printed(judge(backtest(ERRORS)))


def test_the_record_is_json_without_what_is_no_number():
    verdict = judge(backtest(ERRORS, folds=1, reach=9, failed={"persistence": (1, "broken")}))
    text = json.dumps(verdict_record(verdict), allow_nan=False)
    record = json.loads(text)
    assert record["recommended"] == "mine:Broken"
    assert record["sentence"] == verdict.sentence
    assert record["failed"] == [{"name": "persistence", "fold": 1, "reason": "broken"}]
    assert record["standings"][0]["overall"]["skill"] is None
    assert record["standings"][0]["overall"]["coverage"] == [1.0]
