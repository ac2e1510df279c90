"""Who beats whom, up to which lead time, and whom to use: of forecasts whose errors are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from contests import backtest, noise

from wattcast.model.metrics import winkler
from wattcast.tasks.backtest.contest import Forecasts
from wattcast.tasks.backtest.verdict import in_words, judge

ROWS = 160
FLAT = np.full((ROWS, 3), 1.0)
NAIVE = {"persistence": noise(12, seed=1), "daily_naive": noise(10, seed=2), "weekly_naive": noise(14, seed=3)}


def test_scores_are_those_of_all_rows_of_each_fold_and_of_each_lead_time():
    own = FLAT * [3, 4, 5]
    own[ROWS // 2 :] *= 2  # the second fold
    verdict = judge(backtest({"ours": own, "persistence": 10 * FLAT}))
    ours = verdict.standing("ours")
    assert ours.overall.rmse == pytest.approx(math.sqrt((9 + 16 + 25) / 3 * (1 + 4) / 2))
    assert ours.overall.mae == pytest.approx(4 * 1.5)
    assert ours.overall.skill == pytest.approx(1 - ours.overall.rmse / 10)
    assert [score.mae for score in ours.by_fold] == pytest.approx([4, 8])
    assert [score.mae for score in ours.by_lead] == pytest.approx([4.5, 6, 7.5])
    first, second = (math.sqrt(50 / 3) * factor for factor in (1, 2))
    assert [score.rmse for score in ours.by_fold] == pytest.approx([first, second])
    assert ours.spread == pytest.approx((second - first) / math.sqrt(2))
    assert ours.seconds == 3
    assert verdict.days == 40
    assert verdict.leads == (1, 2, 3)


def test_days_are_counted_by_the_clock_where_forecasts_are_missing():
    whole = backtest({"ours": FLAT, "persistence": 10 * FLAT})
    first = whole.folds[0]
    kept = np.r_[0:3, 4:20, 68 : len(first.made_at)]  # a single moment is missing, and twelve days on end
    fewer = replace(
        first,
        made_at=first.made_at[kept],
        actual=first.actual[kept],
        outcomes={name: Forecasts(made.point[kept]) for name, made in first.outcomes.items()},
    )
    assert judge(replace(whole, folds=(fewer, *whole.folds[1:]))).days == 40 - 11.25


def test_coverage_winkler_and_pinball_are_those_of_the_bounds():
    own = np.zeros((ROWS, 1))
    own[:32] = 8
    verdict = judge(backtest({"ours": own, "persistence": 10 * FLAT[:, :1]}, reach=5))
    ours = verdict.standing("ours").overall
    assert ours.coverage == (0.8,)
    width = np.full(ROWS, 5.0)
    assert ours.winkler == pytest.approx((winkler(np.zeros(ROWS), own[:, 0] - width, own[:, 0] + width, 0.9),))
    tails = 0.05 * 5 + 0.5 * 0 + 0.05 * 5
    beyond = 0.95 * 3 + 0.5 * 8 + 0.05 * 13
    assert ours.pinball == pytest.approx((0.8 * tails + 0.2 * beyond) / 3)


def test_without_intervals_in_every_fold_there_are_no_scores_of_intervals():
    verdict = judge(backtest({"ours": FLAT, **NAIVE}))
    assert verdict.standing("ours").overall.coverage == ()
    assert verdict.standing("ours").overall.pinball is None
    assert not [name for name in verdict.metrics() if "coverage" in name or "pinball" in name]


def test_the_skill_is_against_whichever_naive_forecast_is_best_on_the_same_rows():
    errors = {"ours": FLAT, "persistence": FLAT * [2, 4, 9], "daily_naive": FLAT * [4, 4, 4]}
    by_lead = judge(backtest(errors)).standing("ours").by_lead
    assert [score.skill for score in by_lead] == pytest.approx([0.5, 0.75, 0.75])


def test_pairs_are_of_each_two_and_can_be_turned():
    verdict = judge(backtest({"ours": noise(5, seed=9), "ridge": noise(7, seed=8), **NAIVE}))
    assert len(verdict.pairs) == 10
    there, back = verdict.between("ours", "ridge"), verdict.between("ridge", "ours")
    assert 1.2 < there.low < there.difference < there.high < 2.8
    assert there.beyond_luck
    assert there.statistic > 5
    assert there.p < 0.001
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)
    assert (back.statistic, back.p) == (-there.statistic, there.p)


def test_who_is_better_beyond_luck_is_to_be_used():
    verdict = judge(backtest({"ours": noise(5, seed=9), "ridge": noise(7, seed=8), **NAIVE}))
    assert verdict.recommended.name == "ours"
    assert verdict.sentence.startswith("Use ours: it has an RMSE of 5")
    assert "Wh over 40 days in 2 folds, the lowest, and the next one, that of ridge, is higher by +" in verdict.sentence
    assert "luck" not in verdict.sentence


def test_a_baseline_that_wins_is_to_be_used():
    verdict = judge(backtest({"ours": noise(7, seed=9), "ridge": noise(5, seed=8), **NAIVE}))
    assert verdict.recommended.name == "ridge"
    assert verdict.sentence.startswith("Use ridge, not ours: it has an RMSE of ")
    assert "that of ours is higher by +" in verdict.sentence


def test_where_the_difference_may_be_luck_the_simpler_is_to_be_used():
    common = noise(5, seed=9)
    errors = {"ours": common, "ridge": common + noise(0.5, seed=8), **NAIVE}
    verdict = judge(backtest(errors))
    assert verdict.best.name == "ours"
    assert not verdict.between("ours", "ridge").low > 0
    assert verdict.recommended.name == "ridge"
    assert "these days cannot tell that from luck, and ridge is the simpler one" in verdict.sentence


def test_of_two_that_are_no_baselines_the_one_that_was_asked_about_is_kept_unless_another_is_better_beyond_luck():
    common = noise(5, seed=9)
    alike = {"ours": common + noise(0.5, seed=8), "mine:Better": common, **NAIVE}
    assert judge(backtest(alike)).recommended.name == "ours"
    assert judge(backtest(alike)).sentence.endswith("cannot tell that from luck, and there is no reason to change.")
    of_three = {"ours": noise(9, seed=4), "mine:First": alike["ours"], "mine:Better": common, **NAIVE}
    assert judge(backtest(of_three)).recommended.name == "mine:Better"
    better = {"ours": noise(7, seed=8), "mine:Better": common, **NAIVE}
    assert judge(backtest(better)).sentence.startswith("Use mine:Better, not ours: ")


def test_who_failed_in_one_fold_has_no_scores_but_a_reason():
    broken = {"mine:Broken": (2, "forecast at 2016-04-20 returned 2 steps, expected 3 steps")}
    errors = {"ours": noise(5, seed=9), "mine:Broken": noise(1, seed=4), **NAIVE}
    verdict = judge(backtest(errors, failed=broken))
    assert [(fault.name, fault.fold, fault.reason) for fault in verdict.failed] == [
        ("mine:Broken", *broken["mine:Broken"])
    ]
    assert verdict.standing("mine:Broken") is None
    assert not [pair for pair in verdict.pairs if "mine:Broken" in {pair.one, pair.other}]
    assert verdict.recommended.name == "ours"
    assert verdict.metrics()["backtest_failed"] == 1


def test_the_others_are_judged_where_the_one_that_was_asked_about_has_failed():
    errors = {"ours": noise(1, seed=9), "ridge": noise(5, seed=4), **NAIVE}
    verdict = judge(backtest(errors, failed={"ours": (1, "broken")}))
    assert verdict.sentence.startswith("Use ridge, not ours: ")
    assert verdict.sentence.endswith("; ours has failed.")
    assert verdict.useful_sentence == "Up to which lead time ours is useful cannot be said."
    assert "backtest_rmse" not in verdict.metrics()
    assert "backtest_vs_ridge_rmse" in verdict.metrics()


def test_where_all_have_failed_there_is_nothing_to_use():
    verdict = judge(backtest({"ours": FLAT, "persistence": FLAT}, failed={"ours": (1, "a"), "persistence": (2, "b")}))
    assert verdict.sentence == "There is nothing to use: no contestant forecast all 2 folds."
    assert verdict.metrics() == {"backtest_failed": 2}
    alone = judge(backtest({"ours": FLAT, "persistence": FLAT}, failed={"ours": (1, "a")}))
    assert "the lowest, as all others have failed." in alone.sentence


def test_it_is_useful_up_to_the_lead_time_at_which_its_skill_first_touches_zero():
    own = noise(1, seed=9, length=4) * [5, 6, 9.5, 5]
    errors = {"ours": own, "persistence": noise(10, seed=1, length=4), "daily_naive": noise(11, seed=2, length=4)}
    verdict = judge(backtest(errors, day=24))  # a step an hour
    assert verdict.useful_steps == 2
    assert verdict.useful_sentence.startswith(
        "ours is useful up to 2 h: at 3 h its skill against the best naive forecast touches zero (95 % interval -"
    )
    assert verdict.metrics()["backtest_useful_steps"] == 2
    assert verdict.standing("persistence").skills == ()


def test_it_may_be_useful_everywhere_or_nowhere():
    naive = {"persistence": noise(10, seed=1)}
    always = judge(backtest({"ours": noise(5, seed=9), **naive}, steps_ahead=2))
    assert always.useful_steps == 4
    assert always.useful_sentence.startswith("ours is useful at every lead time, up to 1 d: at ")
    never = judge(backtest({"ours": noise(10, seed=9), **naive}))
    assert never.useful_steps == 0
    assert never.useful_sentence.startswith("ours is of no proven use: already at 6 h its skill")
    worse = judge(backtest({"ours": noise(20, seed=9), **naive}))
    assert "its skill against the best naive forecast lies below zero (95 % interval -" in worse.useful_sentence
    one = judge(backtest({"ours": noise(5, seed=9)[:, :1], "persistence": noise(10, seed=1)[:, :1]}))
    assert one.useful_sentence.startswith("ours is useful at its lead time 6 h: there the 95 % interval of its skill")
    assert one.metrics()["backtest_useful_steps"] == 1


def test_the_interval_of_the_skill_holds_the_skill():
    verdict = judge(backtest({"ours": noise(8, seed=9), **NAIVE}))
    ours = verdict.standing("ours")
    for score, (low, high) in zip(ours.by_lead, ours.skills, strict=True):
        assert low < score.skill < high
        assert high - low < 0.5


def test_a_naive_forecast_that_was_asked_about_has_no_skill_against_itself():
    verdict = judge(backtest({"persistence": noise(5, seed=9), "ours": noise(6, seed=8)}))
    assert verdict.recommended.name == "persistence"
    assert verdict.useful_steps == 0


def test_metrics_are_named_as_those_of_a_training_are():
    both = np.stack([noise(5, seed=9), noise(6, seed=7)], axis=-1)
    errors = {"ours": both, "persistence": 2 * both, "mine.forecasts:Mine": 3 * both, "chronos:/a/b": 3 * both}
    verdict = judge(backtest(errors, day=24, reach=9))
    metrics = verdict.metrics()
    assert {
        "backtest_rmse",
        "backtest_mae",
        "backtest_skill",
        "backtest_coverage_90",
        "backtest_winkler_90",
        "backtest_pinball",
        "backtest_rmse_spread",
        "backtest_rmse_at_1",
        "backtest_skill_at_3",
        "backtest_rmse.load 2",
        "backtest_rmse_at_1.load 2",
        "backtest_useful_steps.load 2",
        "backtest_vs_persistence_mae",
        "backtest_vs_persistence_mae.load 2",
        "backtest_vs_mine.forecasts_Mine_rmse",
        "backtest_vs_chronos__a_b_rmse",
    } <= set(metrics)
    assert not [name for name in metrics if "/" in name or ":" in name]
    by_fold = verdict.metrics_by_fold()
    assert len(by_fold) == 2
    assert by_fold[0]["backtest_rmse_by_fold"] == verdict.standing("ours").by_fold[0].rmse
    assert "backtest_vs_persistence_rmse_by_fold" in by_fold[1]


def test_each_of_two_targets_is_judged_and_the_sentence_says_which():
    first, second = noise(5, seed=9), noise(60, seed=7)
    ours, theirs = np.stack([first, 2 * second], axis=-1), np.stack([2 * first, second], axis=-1)
    verdict = judge(backtest({"ours": ours, "persistence": theirs}))
    (other,) = verdict.others
    assert "Use ours: it has an RMSE of 5" in verdict.sentence
    assert "Wh in load over 40 days" in verdict.sentence
    assert other.sentence.startswith("Use persistence, not ours: it has an RMSE of ")
    assert "Wh in load 2 over 40 days" in other.sentence
    assert other.standing("ours").overall.rmse > 100 > other.standing("persistence").overall.rmse > 50
    assert other.between("ours", "persistence").high < 0 < verdict.between("ours", "persistence").low
    metrics = verdict.metrics()
    assert metrics["backtest_rmse"] == verdict.standing("ours").overall.rmse
    assert other.standing("ours").overall.rmse in metrics.values()
    assert not other.others


def test_who_leads_by_mae_is_said_where_it_is_not_whom_to_use():
    rare = np.where(np.arange(ROWS)[:, None] % 20 == 0, 30.0, 1.0) * np.ones(3)
    verdict = judge(backtest({"ours": 5 * FLAT, "typical": rare, "persistence": 20 * FLAT}))
    assert verdict.recommended.name == "ours"
    assert verdict.mae_sentence == (
        "By MAE typical leads with 2.45 Wh, ours has 5.00 Wh: who minds the typical error more than the large one is "
        "served better by typical."
    )
    assert verdict.sentences == (verdict.sentence, verdict.mae_sentence, verdict.useful_sentence)
    assert judge(backtest({"ours": FLAT, "persistence": 20 * FLAT})).mae_sentence == ""


def test_readings_that_never_change_are_judged_without_a_warning():
    nothing = np.zeros((ROWS, 2))
    verdict = judge(backtest({"ours": nothing, "persistence": nothing}))
    assert math.isnan(verdict.standing("ours").overall.skill)
    assert verdict.recommended.name == "persistence"
    assert verdict.useful_steps == 0
    assert verdict.useful_sentence == (
        "ours is of no proven use: already at 6 h the best naive forecast has no error to take away."
    )
    assert all(math.isfinite(value) for value in verdict.metrics().values())


@pytest.mark.parametrize(
    ("minutes", "words"), [(10, "10 min"), (450, "7 h 30 min"), (1440, "1 d"), (2.5, "2.5 min"), (2940, "2 d 1 h")]
)
def test_lead_times_are_said_in_words(minutes, words):
    assert in_words(pd.Timedelta(minutes=minutes)) == words


def test_where_a_naive_forecast_is_never_wrong_nothing_is_proven() -> None:
    """Nor is anything divided by its error of zero."""
    verdict = judge(backtest({"ours": noise(1, seed=1), "persistence": noise(0, seed=2)}))
    assert verdict.useful_steps == 0
    assert verdict.useful_sentence == (
        "ours is of no proven use: already at 6 h the best naive forecast has no error to take away."
    )


def test_of_one_day_no_difference_is_certain() -> None:
    verdict = judge(backtest({"ours": noise(1, seed=1, count=144), "ridge": noise(1.02, seed=2, count=144)}, day=144))
    (pair,) = verdict.pairs
    assert pair.low < pair.difference - 0.05 < pair.difference + 0.05 < pair.high


def test_no_two_contestants_share_a_metric_whichever_of_them_leads() -> None:
    better, worse, ours = noise(5, seed=3), noise(7, seed=4), noise(6, seed=5)
    one = judge(backtest({"ours": ours, "mine:A": better, "mine_A": worse})).metrics()
    other = judge(backtest({"ours": ours, "mine:A": worse, "mine_A": better})).metrics()
    assert one["backtest_vs_mine_A_rmse"] == other["backtest_vs_mine_A-2_rmse"]
    assert one["backtest_vs_mine_A-2_rmse"] == other["backtest_vs_mine_A_rmse"]
    assert one["backtest_vs_mine_A_rmse"] != one["backtest_vs_mine_A-2_rmse"]
