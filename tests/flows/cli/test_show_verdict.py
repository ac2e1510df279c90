"""What is printed of a verdict."""

import io
import json

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


def printed(verdict: Verdict) -> str:
    console = Console(width=160, file=io.StringIO())
    show_verdict(console, verdict)
    return console.file.getvalue()


def test_the_table_has_a_row_for_each_contestant_and_reasons_below():
    verdict = judge(backtest(ERRORS, reach=9, failed=BROKEN))
    shown = printed(verdict)
    lines = shown.splitlines()
    rows = [line for line in lines if line.startswith("│")]
    assert [line.split()[1] for line in rows] == [
        *("ours", "ridge", "persistence", "mine:Broken"),
        *("ours", "ridge", "persistence"),
    ]
    assert rows[3].split()[3] == "failed"
    assert "mine:Broken failed in fold 2: forecast at [2016-04-20] returned 2 steps, expected 3 steps" in lines
    assert verdict.sentence in lines
    assert verdict.useful_sentence in lines
    for word in ("RMSE Wh", "MAE Wh", "in 90 %", "Winkler 90 %", "2 folds, 40 days"):
        assert word in shown


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
