"""The arithmetic of a replay by hand, the cadence that it recommends, and the proof that no choice sees what is scored.

The models are a ridge, or constants: what a replay does with a network it does with any model.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from html_page import HTMLPage

from wattcast.model.baseline import RidgeOnLags
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig, fit_scaler
from wattcast.model.windows import WindowConfig, Windows, make_series, make_windows
from wattcast.tasks.backtest.cuts import first_cut, plan_cuts
from wattcast.tasks.backtest.replay import Challenger, Cut, Replay, walk
from wattcast.tasks.backtest.worth import Worth, cadence_steps, weigh
from wattcast.tasks.fan import Fan
from wattcast.tasks.registry.gate import Check, Decision, GateConfig
from wattcast.tasks.report.page import Subject
from wattcast.tasks.report.replay import replay_csv, replay_png, replay_report

DAY = pd.Timedelta(days=1)
READINGS = ReadingsConfig(features=())
WINDOW = WindowConfig(lookback=3, steps_ahead=2, output_length=2)
GATE = GateConfig(holdout_days=2)
START = pd.Timestamp("2016-01-20 12:00")


def decision(*, promoted: bool, reason: str = "because") -> Decision:
    return Decision((Check("baselines", promoted, reason),))


def replayed(errors: list[list[float]], *, champions: list[int | None], of: int = 1) -> Replay:
    """A cut a week, `of` forecasts in each; in `errors[m][w]` is what model m's forecasts are off by in week m + w.

    The newest one stands for a day, as there is one a day.

    Persistence is off by 10 and ridge by 5 Wh.
    """
    count = len(errors)
    times = pd.date_range(START, periods=count * of, freq=7 * DAY / of)
    actual = np.full((count * of, 1), 100.0)
    cuts = tuple(
        Cut(
            at=times[number * of],
            decision=decision(promoted=champion == number),
            champion=champion,
            seconds=2.0**number,
            forecasts=Fan.bare(100 + np.repeat(row, of)[:, None]),
            ridge=Fan.bare(np.full((of, 1), 105.0)),
            persistence=Fan.bare(np.full((of, 1), 110.0)),
        )
        for number, (row, champion) in enumerate(zip(errors, champions, strict=True))
    )
    return Replay(cuts, np.arange(0, count * of, of), times, actual, block=1, unit="Wh")


THREE = [[1.0, 2.0, 3.0], [2.0, -4.0], [0.0]]
"""Errors in Wh of the model of each of three cuts, from its own week on."""


def weighed(errors: list[list[float]], *, of: int = 40) -> Worth:
    return weigh(replayed(errors, champions=[*range(len(errors))], of=of), 7 * DAY)


def test_each_policy_is_scored_on_the_forecasts_of_its_models() -> None:
    worth = weigh(replayed(THREE, champions=[None, 1, 1]), 7 * DAY)
    never, always, gated = worth.policies
    assert never.by_cut == (1, 2, 3)
    assert always.by_cut == (1, 2, 0)
    assert gated.by_cut == (10, 2, 4)  # persistence until a challenger is promoted
    assert never.rmse == pytest.approx(math.sqrt(14 / 3))
    assert always.rmse == pytest.approx(math.sqrt(5 / 3))
    assert gated.rmse == pytest.approx(math.sqrt(120 / 3))
    assert (never.mae, always.mae) == pytest.approx((2, 1))
    assert gated.mae == pytest.approx(16 / 3)
    assert always.difference == pytest.approx(math.sqrt(5 / 3) - math.sqrt(14 / 3))
    assert (never.difference, never.low, never.high) == (0, 0, 0)
    assert [(each.name, each.rmse) for each in worth.baselines] == [("ridge", 5), ("persistence", 10)]


def test_each_policy_pays_for_its_trainings() -> None:
    worth = weigh(replayed(THREE, champions=[0, 0, 2]), 7 * DAY)
    assert [(each.trainings, each.seconds) for each in worth.policies] == [(1, 1), (3, 7), (3, 7)]
    assert [(each.trainings, each.seconds) for each in worth.baselines] == [(0, 0), (0, 0)]
    assert [(each.name, each.trainings, each.seconds) for each in worth.cadences] == [
        ("every 7 days", 3, 7),
        ("every 14 days", 2, 5),  # the first and the third
        ("never", 1, 1),
    ]
    assert [each.by_cut for each in worth.cadences] == [(1, 2, 0), (1, 2, 0), (1, 2, 3)]
    assert worth.promoted == 2


@pytest.mark.parametrize(
    ("cuts", "steps"), [(2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 4]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])]
)
def test_cadences_double(cuts: int, steps: list[int]) -> None:
    assert cadence_steps(cuts) == steps


def test_no_model_forecasts_what_came_before_it() -> None:
    replay = replayed(THREE, champions=[0, 1, 2])
    with pytest.raises(ValueError, match="no model may forecast what came before it"):
        replay.forecast([1, 1, 2])


def test_the_longest_cadence_that_is_as_good_is_recommended() -> None:
    """Every second model is as good as every one, while the first one alone grows worse and worse."""
    worth = weighed([[1, 1, 6, 9], [1, 6, 9], [1, 1], [1]])
    assert worth.best.name == worth.recommended.name == "every 14 days"
    assert worth.sentence == (
        "Retrain every 14 days: it reached an RMSE of 1.00 Wh over 29 days, the lowest, and the first model alone is "
        f"worse than the best by {worth.cadences[-1].change}."
    )
    assert worth.cadences[-1].low > 0


def test_a_cadence_that_is_worse_by_luck_is_recommended() -> None:
    """Every second model is worse in one of 160 forecasts, which a bootstrap may leave out."""
    replay = replayed([[1, 1, 9, 9], [1, 9, 9], [1, 1], [1]], champions=[0, 1, 2, 3], of=40)
    replay.cuts[2].forecasts.point[60] = 103  # in the last week; it is the newer model's turn then in `every 7 days`
    worth = weigh(replay, 7 * DAY)
    every, second, never = worth.cadences
    assert (worth.best, worth.recommended) == (every, second)
    assert second.low <= 0 < second.difference
    assert never.low > 0
    assert worth.sentence.startswith("Retrain every 14 days: it reached an RMSE of 1.02 Wh over 29 days, which differs")
    assert (
        f"the best cadence, every 7 days, by {second.change}, which these days cannot tell from luck" in worth.sentence
    )


def test_retraining_that_makes_it_worse_was_not_worth_it() -> None:
    worth = weighed([[1, 1], [3]])
    assert worth.recommended is worth.best is worth.cadences[-1]
    assert worth.sentence == (
        "Retraining was not worth it: the first model alone reached an RMSE of 1.00 Wh over 15 days, and the best of "
        f"the other cadences, every 7 days, differs from it by {worth.cadences[0].change}."
    )


def test_a_hole_in_the_readings_is_not_told_as_days_that_were_forecast() -> None:
    replay = replayed([[1.0, 1.0], [1.0]], champions=[0, 0], of=7)
    assert weigh(replay, 7 * DAY).days == 14
    later = replay.made_at[7:] + 30 * DAY
    assert weigh(replace(replay, made_at=replay.made_at[:7].append(later)), 7 * DAY).days == 14


def test_retraining_that_helps_by_luck_was_not_worth_it() -> None:
    replay = replayed([[1, 1], [1]], champions=[0, 0], of=40)
    replay.cuts[0].forecasts.point[60] = 103
    worth = weigh(replay, 7 * DAY)
    assert worth.best.name == "every 7 days"
    assert worth.recommended.name == "never"
    assert worth.sentence.startswith("Retraining was not worth it beyond luck: the first model alone reached an RMSE")
    assert worth.recommended.change in worth.sentence


def test_equal_models_are_not_worth_a_training() -> None:
    worth = weighed([[2, 2, 2], [2, 2], [2]])
    assert worth.recommended.name == worth.best.name == "never"


def test_metrics_have_one_name_each_and_a_course() -> None:
    worth = weigh(replayed(THREE, champions=[0, 0, 2]), 7 * DAY)
    metrics = worth.metrics()
    assert metrics["replay_never_rmse"] == pytest.approx(math.sqrt(14 / 3))
    assert metrics["replay_persistence_mae"] == 10
    assert metrics["replay_gated_seconds"] == 7
    assert metrics["replay_recommended_trainings"] == worth.recommended.trainings
    assert [each["replay_gated_rmse_by_cut"] for each in worth.metrics_by_cut()] == [1, 2, 0]


WIDE, NARROW = 4.0, 2.5
"""Half widths of 90 % intervals, in Wh."""


def with_intervals(replay: Replay, *halves: float) -> Replay:
    """The same with a 90 % interval around each model's forecasts, and one of 12 Wh to either side of persistence."""

    def around(fan: Fan, half: float) -> Fan:
        return Fan(fan.point, np.stack([fan.point - half, fan.point, fan.point + half], axis=-1), (0.05, 0.5, 0.95))

    cuts = (
        replace(cut, forecasts=around(cut.forecasts, half), persistence=around(cut.persistence, 12.0))
        for cut, half in zip(replay.cuts, halves, strict=True)
    )
    return replace(replay, cuts=tuple(cuts))


def test_intervals_are_scored_where_models_have_them() -> None:
    """Model 0 is off by 1, 2 and 3, model 1 by 2 and 4, model 2 by nothing."""
    worth = weigh(with_intervals(replayed(THREE, champions=[None, 1, 1]), NARROW, WIDE, NARROW), 7 * DAY)
    assert worth.levels == (0.9,)
    never, always, gated = (outcome.intervals[0] for outcome in worth.policies)
    assert never.coverage_by_cut == (1, 1, 0)
    assert never.winkler_by_cut == pytest.approx((5, 5, 5 + 20 * 0.5))
    assert always.coverage_by_cut == (1, 1, 1)
    assert always.winkler_by_cut == pytest.approx((5, 8, 5))
    assert gated.winkler_by_cut == pytest.approx((24, 8, 8))  # persistence until a challenger is promoted
    assert (always.coverage, always.winkler) == pytest.approx((1, 6))
    assert always.difference == pytest.approx(6 - 25 / 3)
    assert (never.difference, never.low, never.high) == (0, 0, 0)
    assert [(each.name, len(each.intervals)) for each in worth.baselines] == [("ridge", 0), ("persistence", 1)]
    metrics = worth.metrics()
    assert metrics["replay_never_coverage_90"] == pytest.approx(2 / 3)
    assert metrics["replay_persistence_winkler_90"] == pytest.approx(24)
    assert "replay_ridge_coverage_90" not in metrics
    assert [each["replay_never_coverage_90_by_cut"] for each in worth.metrics_by_cut()] == [1, 1, 0]


def test_the_chosen_cadence_says_what_its_intervals_hold() -> None:
    errors = [[1, 1, 6, 9], [1, 6, 9], [1, 1], [1]]
    worth = weigh(with_intervals(replayed(errors, champions=[0, 1, 2, 3], of=40), *[WIDE] * 4), 7 * DAY)
    assert worth.interval_sentence == (
        "Of the intervals when retrained every 14 days, those of 90 % hold 100.0 % of the readings."
    )
    assert not weighed(errors).interval_sentence


def test_intervals_that_lose_more_are_told_beside_a_cadence_that_is_chosen_by_rmse() -> None:
    """Both cadences are off by about 1 Wh; the first model's intervals are 3 Wh wider in the second week."""
    replay = with_intervals(replayed([[1.0, 1.0], [1.0]], champions=[0, 1], of=40), WIDE, NARROW)
    replay.cuts[0].forecasts.point[60] = 101.1
    worth = weigh(replay, 7 * DAY)
    assert (worth.best.name, worth.recommended.name) == ("every 7 days", "never")
    assert worth.interval_sentence == (
        "Of the intervals of the first model, those of 90 % hold 100.0 % of the readings; those of 90 % are worse than "
        "the best cadence's, beyond luck, by a Winkler score of 1.50 Wh."
    )


def test_the_gate_of_a_replay_refuses_a_better_forecast_with_broken_intervals() -> None:
    """The second challenger is off by nothing, and its intervals hold nothing either."""
    times = pd.date_range(START, periods=12 * 144, freq="10min")
    frame = pd.DataFrame({"Appliances": 100.0 + np.random.default_rng(0).normal(0, 20, len(times)).round()}, times)
    actual = frame["Appliances"].to_numpy()
    cuts = list(times[[5 * 144, 8 * 144]])

    def challenge(at: pd.Timestamp) -> Challenger:
        ridge, second = ridge_trainer(frame)(at), at == cuts[1]

        def forecast(windows: Windows) -> Fan:
            point = actual[windows.target_rows] + (0.0 if second else 5.0)
            bounds = [point + 1, point + 2, point + 3] if second else [point - 6, point, point + 6]
            return Fan(point, np.stack(bounds, axis=-1), (0.05, 0.5, 0.95))

        return replace(ridge, forecast=forecast)

    first, second = walk(cuts, challenge, scored_from(cuts[0], frame), GATE, block=144, unit="Wh").cuts
    assert [check.name for check in first.decision.checks] == ["coverage", "baselines"]
    assert first.decision.promoted
    assert first.decision.reason.startswith("RMSE of 5.00 Wh beats persistence's")
    checks = {check.name: check for check in second.decision.checks}
    assert list(checks) == ["coverage", "baselines", "winkler", "champion"]
    assert checks["champion"].passed
    assert not second.decision.promoted
    assert second.champion == 0
    assert second.decision.reason.startswith("90 % intervals hold 0.0 % of the readings (0.0 to 0.0 %)")


def test_cuts_lie_apart_and_leave_a_day() -> None:
    times = pd.date_range("2016-01-01", periods=1000, freq="10min")
    assert first_cut(times, None) == times[599]
    moments = times[times >= times[599]]  # until 2016-01-07 22:30
    assert plan_cuts(moments, times[599], "1d") == (times[599], times[599 + 144])
    assert plan_cuts(moments, times[599], "36H ") == plan_cuts(moments, times[599], "1.5d")
    early = plan_cuts(times, times[0], "2D")
    assert early == tuple(pd.to_datetime(["2016-01-01", "2016-01-03", "2016-01-05"]))


@pytest.mark.parametrize("every", ["", "week", "7", "23h", "0d", "-7d", "7 weeks", "6d", "1e9d", "nan", "9999999d"])
def test_every_must_be_a_duration_that_leaves_two_cuts(every: str) -> None:
    times = pd.date_range("2016-01-01", periods=1000, freq="10min")
    with pytest.raises(InputError, match=r"such as 7d or 36h, at least 1d and, .*, at most 5d, received"):
        plan_cuts(times, times[0], every)


def test_start_must_leave_two_days() -> None:
    times = pd.date_range("2016-01-01", periods=1000, freq="10min")
    with pytest.raises(InputError, match=r"needs two days to forecast, .*: give an earlier start"):
        plan_cuts(times[900:], times[900], "1d")
    for outside in ("2015-12-31", "2016-02-01"):
        with pytest.raises(InputError, match="start must lie within the readings"):
            first_cut(times, pd.Timestamp(outside))


def test_a_cut_within_a_gap_is_left_out() -> None:
    times = pd.date_range("2016-01-01", periods=1440, freq="10min")  # 10 days
    moments = times[(times < "2016-01-04") | (times >= "2016-01-06")]
    days = [cut.day for cut in plan_cuts(moments, times[0], "1d")]
    assert days == [1, 2, 3, 6, 7, 8, 9]
    with pytest.raises(InputError, match="a gap that leaves one cut only"):
        plan_cuts(times[times >= "2016-01-06"], times[0], "5d")


def ridge_trainer(frame: pd.DataFrame) -> Callable[[pd.Timestamp], Challenger]:
    """As `retrain` does, with a ridge: the newest two days are held out, and nothing after the cut is known."""

    def challenge(at: pd.Timestamp) -> Challenger:
        known = frame.loc[:at]
        held = int(known.index.searchsorted(at - 2 * DAY, side="right"))
        scaler = fit_scaler(known.iloc[:held], READINGS.targets, (), ScaleConfig())
        series = make_series(known, READINGS, scaler)
        train, held_out = (
            make_windows(series, part, READINGS.cadence, WINDOW) for part in (range(held), range(held, len(known)))
        )
        ridge = RidgeOnLags.fit(train)
        whole = make_series(frame, READINGS, scaler)

        def forecast(windows: Windows) -> Fan:
            return Fan.bare(ridge.predict(replace(windows, series=whole))[..., 0])

        return Challenger(train, held_out, forecast, seconds=1.0)

    return challenge


def scored_from(start: pd.Timestamp, frame: pd.DataFrame) -> Windows:
    scaler = fit_scaler(frame.loc[:start], READINGS.targets, (), ScaleConfig())
    row = int(frame.index.searchsorted(start)) + WINDOW.steps_ahead
    return make_windows(make_series(frame, READINGS, scaler), range(row, len(frame)), READINGS.cadence, WINDOW)


def walked(frame: pd.DataFrame, cuts: list[pd.Timestamp]) -> Replay:
    return walk(cuts, ridge_trainer(frame), scored_from(cuts[0], frame), GATE, block=144, unit="Wh")


@pytest.fixture(scope="module")
def frame(house: pd.DataFrame) -> pd.DataFrame:
    """Three weeks from 2016-01-11 17:00 on."""
    return house.set_index("date")[["Appliances"]].astype(float)


@pytest.fixture(scope="module")
def cuts() -> list[pd.Timestamp]:
    return list(pd.date_range(START, periods=4, freq=3 * DAY))


@pytest.fixture(scope="module")
def replay(frame: pd.DataFrame, cuts: list[pd.Timestamp]) -> Replay:
    return walked(frame, cuts)


def test_every_moment_is_forecast_once_by_a_model_of_before(replay: Replay, frame: pd.DataFrame) -> None:
    """From the first cut to the last moment whose steps ahead are known; no moment twice, none left out."""
    newest = frame.index[-1] - 3 * READINGS.cadence  # two steps ahead, two steps long
    pd.testing.assert_index_equal(replay.made_at, pd.DatetimeIndex(frame.loc[START:newest].index), check_names=False)
    assert [span.start for span in replay.spans] == [0, *(span.stop for span in replay.spans[:-1])]
    assert replay.spans[-1].stop == len(replay.made_at)
    for cut, span in zip(replay.cuts, replay.spans, strict=True):
        assert (replay.made_at[span] >= cut.at).all()
        assert len(cut.forecasts.point) == len(replay.made_at) - span.start
        assert len(cut.ridge.point) == span.stop - span.start
    first = frame.index.get_loc(START)
    np.testing.assert_array_equal(replay.actual[0], frame["Appliances"].iloc[first + 2 : first + 4])
    np.testing.assert_array_equal(replay.persistence.point[0], frame["Appliances"].iloc[[first, first]])
    np.testing.assert_allclose(replay.forecast(range(4)).point, replay.ridge.point)  # the models are ridges themselves


def test_the_gate_compares_with_the_champion_of_before(replay: Replay) -> None:
    champion = None
    for number, cut in enumerate(replay.cuts):
        names = [check.name for check in cut.decision.checks]
        assert names == (["baselines"] if champion is None else ["baselines", "champion"])
        champion = number if cut.decision.promoted else champion
        assert cut.champion == champion
    assert replay.cuts[0].champion == 0


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_what_comes_after_a_cut_changes_nothing_before_it(
    replay: Replay, frame: pd.DataFrame, cuts: list[pd.Timestamp], after: int
) -> None:
    """All values after the cut are other ones: each decision up to it, and each forecast made up to it, is the same."""
    altered = frame.copy()
    later = altered.index > cuts[after]
    altered.loc[later] = np.random.default_rng(0).uniform(10, 500, (int(later.sum()), 1))
    again = walked(altered, cuts)
    assert not np.array_equal(again.actual, replay.actual)
    known = replay.made_at <= cuts[after]
    assert known.sum() > after * 3 * 144
    for one, other in zip(replay.cuts[: after + 1], again.cuts, strict=False):
        assert (one.at, one.decision, one.champion) == (other.at, other.decision, other.champion)
        first = len(replay.made_at) - len(one.forecasts.point)
        np.testing.assert_array_equal(one.forecasts.point[known[first:]], other.forecasts.point[known[first:]])
    for models in ([0] * 4, range(4), [cut.champion for cut in replay.cuts]):
        one, other = replay.forecast(models).point, again.forecast(models).point
        np.testing.assert_array_equal(one[known], other[known])
        assert not np.array_equal(one[~known], other[~known])  # which are forecast from true history


def test_nothing_given_is_changed(frame: pd.DataFrame, cuts: list[pd.Timestamp]) -> None:
    before = frame.copy()
    walked(frame, cuts)
    pd.testing.assert_frame_equal(frame, before)


def test_the_table_has_a_line_a_cut() -> None:
    replay = replayed(THREE, champions=[0, 0, 2])
    rows = [*csv.DictReader(io.StringIO(replay_csv(weigh(replay, 7 * DAY))))]
    assert [row["decision"] for row in rows] == ["promoted", "refused", "promoted"]
    assert [float(row["gated_rmse"]) for row in rows] == [1, 2, 0]
    assert [float(row["seconds"]) for row in rows] == [1, 2, 4]
    assert (rows[0]["cut"], rows[0]["reason"]) == (str(START), "because")


def test_the_page_escapes_and_tells_what_was_found() -> None:
    replay = replayed(THREE, champions=[0, 0, 2], of=3)
    hostile = decision(promoted=False, reason="</script><b>no</b>")
    replay = replace(replay, cuts=(replace(replay.cuts[0], decision=hostile), *replay.cuts[1:]))
    worth = weigh(replay, 7 * DAY)
    page = replay_report(Subject("replay of house", {"run": "abc"}, simulated=True), replay, worth, "[fit]\n")
    assert worth.sentence in page
    assert worth.gate_sentence in page
    assert "SIMULATED" in page
    assert "<b>no</b>" not in page
    assert replay_png(replay, worth, "").startswith(b"\x89PNG")
    assert "Coverage from cut to cut" not in page


def test_page_and_table_show_intervals_where_there_are_some() -> None:
    replay = with_intervals(replayed(THREE, champions=[0, 0, 2], of=3), NARROW, WIDE, NARROW)
    worth = weigh(replay, 7 * DAY)
    page = HTMLPage(replay_report(Subject("replay", {"run": "abc"}, simulated=False), replay, worth, "[fit]\n"))
    assert "Coverage from cut to cut" in page.words
    assert page.all("th").count("90 % hold") == 2  # policies and cadences
    assert page.all("th").count("coverage") == 2
    rows = [*csv.DictReader(io.StringIO(replay_csv(worth)))]
    assert [float(row["never_coverage_90"]) for row in rows] == [1, 1, 0]
    assert [float(row["always_winkler_90"]) for row in rows] == pytest.approx([5, 8, 5])
