"""What is told of intervals: over all, and where they held least."""

from __future__ import annotations

from wattcast.flows.cli.show_models import held_rows
from wattcast.tasks.learning.interval_scores import ALL, HOUR, STEP, IntervalScore


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
