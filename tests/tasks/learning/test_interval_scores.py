"""Scores of intervals by the hour in which a step begins, whichever end of it is stamped."""

import pandas as pd
import pytest
from tiny import house, prepare

from wattcast.model.baseline import Persistence
from wattcast.model.intervals import IntervalConfig, Intervals
from wattcast.model.readings import MADE_AT, ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.learning.interval_scores import HOUR, IntervalScore, score_intervals
from wattcast.tasks.monitoring.past import ACTUAL, score_past_intervals
from wattcast.tasks.registry.contract import Contract

STEP = pd.Timedelta(minutes=10)
RAW = house(600)
ENDS = RAW.assign(date=RAW["date"] + STEP)
STARTED, ENDED = (ReadingsConfig(label=label) for label in ("start", "end"))


def by_hour(scores: tuple[IntervalScore, ...]) -> list[tuple[str, int, float]]:
    return sorted({(each.group, each.rows, round(each.winkler, 6)) for each in scores if each.by == HOUR})


def test_what_is_stamped_at_its_end_is_scored_in_the_hour_in_which_it_began():
    config, found = IntervalConfig(levels=(0.5,), by_hour=False), []
    for raw, readings in ((RAW, STARTED), (ENDS, ENDED)):
        windows = prepare(raw, readings=readings, window=WindowConfig(lookback=3)).windows
        persistence = Persistence()
        intervals = Intervals.fit(persistence.predict(windows.validation), windows.validation, config)
        scored = score_intervals(
            intervals,
            persistence.predict(windows.test),
            windows,
            config,
            known=windows.train,
            targets=readings.targets,
            behind=readings.behind,
        )
        found.append(by_hour(tuple(each for each in scored.scores if each.model != "hourly quantiles")))
    assert found[0] == found[1]
    assert len({hour for hour, *_ in found[0]}) > 12


@pytest.mark.parametrize(("readings", "hours"), [(STARTED, ["00:00", "23:00"]), (ENDED, ["23:00"])])
def test_so_are_past_ones(readings: ReadingsConfig, hours: list[str]):
    contract = Contract.of(readings, WindowConfig(), (0.25, 0.5, 0.75))
    times = pd.DatetimeIndex(["2016-05-01 23:50", "2016-05-02 00:00"])
    columns = dict.fromkeys((*contract.numbers, f"Appliances{ACTUAL}"), 50.0)
    past = pd.DataFrame({MADE_AT: times - STEP, "date": times, **columns, "version": "1"})
    assert [each.group for each in score_past_intervals(past, contract) if each.by == HOUR] == hours
