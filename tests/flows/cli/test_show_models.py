"""What is told of intervals: over all, and where they held least."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from wattcast.flows.cli.show_models import held_rows, show_forecasts
from wattcast.model.intervals import value_columns
from wattcast.tasks.learning.interval_scores import ALL, HOUR, STEP, IntervalScore
from wattcast.tasks.monitoring.forecast_log import Forecasts


def score(by: str, group: str, coverage: float, target: str = "load") -> IntervalScore:
    return IntervalScore("3", target, by, group, 100, 0.9, coverage, 50.0, 60.0, 4.0)


def test_what_intervals_held_is_told_over_all_and_where_it_was_least() -> None:
    hours = [score(HOUR, "07:00", 0.75), score(HOUR, "08:00", 0.95)]
    (row,) = held_rows([score(ALL, ALL, 0.9), *hours], "Wh")
    assert row == {
        "version": "3",
        "level": "90 %",
        "held": "90.0 %",
        "width Wh": "50.0",
        "least, hour": "75.0 % (07:00)",
    }
    steps = [score(STEP, "1", 0.9, "lights"), score(STEP, "144", 0.8, "lights")]
    first, second = held_rows([score(ALL, ALL, 0.9), score(ALL, ALL, 0.85, "lights"), *steps], None)
    assert (first["target"], second["target"], second["least, ahead"]) == ("load", "lights", "80.0 % (144)")
    assert held_rows([], "Wh") == []


def test_each_of_several_targets_with_intervals_has_a_table_that_a_screen_can_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    times = pd.date_range("2024-04-27", periods=2, freq="30min")
    numbers = [tuple(value_columns([target], (0.05, 0.5, 0.95))) for target in ("house", "heat")]
    values = {name: [1234.5, 987.6] for names in numbers for name in names}
    made = pd.DataFrame({"made_at": times[0], "time": times, **values})
    show_forecasts(Forecasts(made, made, (), (), "Wh", "start", tuple(numbers)), Path("f.csv"))
    heads = [line for line in capsys.readouterr().out.splitlines() if "┃ time" in line]
    quantiles = ["p05", "p50", "p95"]
    assert [line.replace("┃", " ").split() for line in heads] == [
        ["time", each, *quantiles] for each in ("house", "heat")
    ]
