"""What is printed of a sweep whose verdict is one over folds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wattcast.flows.cli.show_training import show_swept, swept_record
from wattcast.flows.sweep import Swept
from wattcast.tasks.tuning.study import Counts
from wattcast.tasks.tuning.verdict import Arm, InFold, Verdict

BASELINES = {"ridge": 65.0, "persistence": 71.0}
VERDICT = Verdict(
    seeds=(1, 2),
    untuned=Arm((62.0, 63.0), (40.0, 41.0)),
    tuned=Arm((61.0, 61.5), (39.0, 39.5)),
    baselines={"ridge": (65.0, 44.0), "persistence": (71.0, 33.0)},
    over_seeds=(-1.6, -0.4),
    over_seeds_and_days=(-2.1, 0.3),
    unit="Wh",
    folds=(
        InFold(1, "2016-05-01", 1999, untuned=62.0, tuned=61.0, baselines=BASELINES),
        InFold(2, "2016-05-14", 1999, untuned=64.0, tuned=64.5, baselines=BASELINES | {"ridge": 75.0}),
    ),
)
SWEPT = Swept(
    study="house",
    run_id="abc",
    data_source="file",
    counts=Counts(complete=3),
    folds=2,
    best_trial=1,
    best_rmse=60.0,
    best_values={"fit.decay_steps": 300},
    untuned_rmse=61.0,
    verdict=VERDICT,
    report="report.html",
    best_config="best.toml",
)


def rows(capsys: pytest.CaptureFixture[str], swept: Swept) -> list[list[str]]:
    """The cells of each line of a table."""
    show_swept(swept)
    shown = capsys.readouterr().out
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if line.startswith("│")]


def test_each_fold_has_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert rows(capsys, SWEPT)[-2:] == [
        ["1", "2016-05-01", "1,999", "61.00", "62.00", "-1.00", "65.00 (ridge)"],
        ["2", "2016-05-14", "1,999", "64.50", "64.00", "+0.50", "71.00 (persistence)"],
    ]
    alone = tuple(replace(fold, tuned=None) for fold in VERDICT.folds)
    nothing_better = replace(VERDICT, tuned=None, over_seeds=None, over_seeds_and_days=None, folds=alone)
    assert rows(capsys, replace(SWEPT, verdict=nothing_better))[-1] == [
        *("2", "2016-05-14", "1,999", "64.00", "71.00 (persistence)")
    ]
    assert len(rows(capsys, replace(SWEPT, verdict=replace(VERDICT, folds=())))) == 4


def test_the_record_has_each_fold() -> None:
    record = json.loads(json.dumps(swept_record(SWEPT)))
    assert [fold["tuned"] for fold in record["verdict"]["folds"]] == [61.0, 64.5]
