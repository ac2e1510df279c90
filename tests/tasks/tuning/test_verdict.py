"""Whether tuning helped: by hand where the answer is known, by simulation where it is a chance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from wattcast.tasks.tuning.verdict import Fold, InFold, Verdict, compare_folds, compare_seeds

SEEDS = (1, 2, 3, 4, 5)
DAY = 144


def five_seeds(better_by: float, *, seed: int = 0, noise: float = 0.3, windows: int = 20 * DAY) -> Verdict:
    """Five seeds of either configuration; the tuned one's errors are smaller by the factor `1 - better_by`."""
    draws = np.random.default_rng(seed)
    actual = np.zeros((windows, 1))
    shared = draws.normal(0, 60, (windows, 1))
    scales = draws.normal(1, noise / 60, (2, len(SEEDS), 1, 1))
    untuned, tuned = shared * scales * np.array([1, 1 - better_by])[:, None, None, None]
    return compare_seeds(actual, untuned, tuned, seeds=SEEDS, baselines={"mean": actual + 3}, block=DAY, unit="Wh")


def test_scores_are_those_of_each_seed() -> None:
    actual = np.array([[1.0], [3.0]])
    untuned = np.array([[[1.0], [5.0]], [[1.0], [3.0]]])  # errors 0, 2 and 0, 0
    tuned = np.array([[[2.0], [3.0]], [[0.0], [3.0]]])  # errors 1, 0 and 1, 0
    verdict = compare_seeds(
        actual, untuned, tuned, seeds=(7, 8), baselines={"zero": np.zeros((2, 1))}, block=1, unit="Wh"
    )
    assert verdict.untuned.rmse == pytest.approx((math.sqrt(2), 0))
    assert verdict.untuned.mae == pytest.approx((1, 0))
    assert verdict.untuned.mean_rmse == pytest.approx(math.sqrt(2) / 2)
    assert verdict.untuned.spread == pytest.approx(1)  # sd of sqrt(2) and 0 over n - 1
    assert verdict.tuned is not None
    assert verdict.tuned.rmse == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
    assert verdict.difference == pytest.approx(0, abs=1e-12)
    assert verdict.baselines["zero"] == pytest.approx((math.sqrt(5), 2))


def test_the_interval_over_seeds_is_that_of_all_resamples() -> None:
    """Two seeds whose differences are -1 and 1: resampled means are -1, 0, 1, widened by sqrt(2)."""
    actual = np.zeros((4, 1))
    untuned = np.full((2, 4, 1), 5.0)
    tuned = np.stack([np.full((4, 1), 4.0), np.full((4, 1), 6.0)])
    verdict = compare_seeds(actual, untuned, tuned, seeds=(1, 2), baselines={}, block=2, unit="Wh")
    assert verdict.over_seeds == pytest.approx((-math.sqrt(2), math.sqrt(2)))
    assert verdict.over_seeds_and_days == pytest.approx((-math.sqrt(2), math.sqrt(2)))  # every day is alike


@pytest.mark.parametrize(("windows", "block"), [(16, 3), (15, 3), (5, 1)])
@pytest.mark.parametrize("held", [10**6, 40], ids=["at once", "in parts"])
def test_the_interval_over_days_is_that_of_a_bootstrap_written_out(
    windows: int, block: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One resample after the other: seeds, then first windows of days, which all seeds share and which go round."""
    monkeypatch.setattr("wattcast.tasks.bootstrap.RESAMPLES", resamples := 500)
    monkeypatch.setattr("wattcast.tasks.bootstrap._MOST_GATHERED", held)
    seeds = 3
    untuned, tuned = np.random.default_rng(5).gamma(2, 30, (2, seeds, windows, 1))
    verdict = compare_seeds(
        np.zeros((windows, 1)), untuned, tuned, seeds=SEEDS[:seeds], baselines={}, block=block, unit="Wh"
    )
    draws = np.random.default_rng(0)
    places = draws.integers(seeds, size=(resamples, seeds))
    starts = draws.integers(windows, size=(resamples, -(-windows // block)))
    means = []
    for place, start in zip(places, starts, strict=True):
        rows = [(first + step) % windows for first in start for step in range(block)]
        scores = [[math.sqrt((arm[seed, rows, 0] ** 2).mean()) for seed in place] for arm in (untuned, tuned)]
        means.append(np.mean(scores[1]) - np.mean(scores[0]))
    centre = verdict.difference
    ends = centre + math.sqrt(1.5) * (np.quantile(means, [0.025, 0.975]) - centre)
    assert verdict.over_seeds_and_days == pytest.approx(tuple(ends))


def test_a_clear_gain_is_called_one_and_says_whether_it_holds_over_days() -> None:
    verdict = five_seeds(0.05)
    assert verdict.helped
    assert verdict.difference == pytest.approx(-3, abs=0.6)
    assert "Tuning helped beyond seed noise: the test RMSE changes by -" in verdict.sentence
    assert "this holds when days are resampled, too" in verdict.sentence


def test_a_clear_loss_is_called_one() -> None:
    sentence = five_seeds(-0.05).sentence
    assert sentence.startswith("Tuning hurt: ")
    assert "; this holds when days are resampled, too (+" in sentence
    assert sentence.endswith("; keep the untuned configuration.")


def test_what_comes_from_one_day_does_not_hold_over_days() -> None:
    draws = np.random.default_rng(0)
    actual = np.zeros((20 * DAY, 1))
    untuned = np.stack([draws.normal(0, 60, actual.shape)] * 5)
    tuned = untuned.copy()
    tuned[:, :DAY] = 0  # one day is forecast without error, and for each seed alike
    tuned[:, DAY:] *= 1.005
    verdict = compare_seeds(actual, untuned, tuned, seeds=SEEDS, baselines={}, block=DAY, unit="Wh")
    assert verdict.helped
    assert "this does not hold when days are resampled" in verdict.sentence


def test_equal_configurations_are_seldom_told_apart() -> None:
    """At a level of 95 % about 1 in 20; five seeds are few, so twice that is let pass."""
    helped = [five_seeds(0.0, seed=seed, windows=DAY).helped for seed in range(200)]
    assert sum(helped) <= 20


def test_without_a_better_trial_nothing_is_compared() -> None:
    actual = np.zeros((4, 1))
    verdict = compare_seeds(actual, np.ones((2, 4, 1)), None, seeds=(1, 2), baselines={}, block=2, unit="Wh")
    assert verdict.sentence == (
        "Tuning did not help: on validation no trial was better than the untuned configuration."
    )
    assert (verdict.tuned, verdict.difference, verdict.helped) == (None, 0.0, False)


def test_a_block_longer_than_the_test_part_is_the_whole_of_it() -> None:
    assert compare_seeds(
        np.zeros((3, 1)), np.ones((2, 3, 1)), np.full((2, 3, 1), 0.5), seeds=(1, 2), baselines={}, block=1000, unit="Wh"
    ).over_seeds_and_days == pytest.approx((-0.5, -0.5))


def test_nothing_given_is_changed() -> None:
    actual, untuned, tuned = np.zeros((9, 2)), np.ones((2, 9, 2)), np.ones((2, 9, 2)) / 2
    copies = [array.copy() for array in (actual, untuned, tuned)]
    compare_seeds(actual, untuned, tuned, seeds=(1, 2), baselines={}, block=3, unit="Wh")
    for array, copy in zip((actual, untuned, tuned), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# Folds


def in_folds(ends: tuple[int, ...], *, tuned: bool = True) -> tuple[Verdict, Verdict]:
    """The verdict on forecasts that are cut at `ends` into folds, and that on all of them at once."""
    draws = np.random.default_rng(3)
    actual, (one, other) = np.zeros((20, 2)), draws.normal(0, 9, (2, 3, 20, 2))
    baselines = {"mean": actual + 8, "ridge": np.where(np.arange(20)[:, None] < ends[0], 9.0, 7.0) + actual}
    folds = [
        Fold(
            cut=f"before {first}",
            actual=actual[first:last],
            untuned=one[:, first:last],
            tuned=other[:, first:last] if tuned else None,
            baselines={name: forecast[first:last] for name, forecast in baselines.items()},
        )
        for first, last in zip((0, *ends), (*ends, 20), strict=True)
    ]
    seeds, block = SEEDS[:3], 4
    joined = compare_seeds(
        actual, one, other if tuned else None, seeds=seeds, baselines=baselines, block=block, unit="Wh"
    )
    return compare_folds(folds, seeds=seeds, block=block, unit="Wh"), joined


@pytest.mark.parametrize("tuned", [True, False])
def test_folds_are_compared_together_to_the_bit(tuned: bool) -> None:
    for ends in ((7,), (5, 6, 12)):
        verdict, joined = in_folds(ends, tuned=tuned)
        assert replace(verdict, folds=()) == joined
        assert len(verdict.folds) == len(ends) + 1


def test_what_a_study_remembers_of_folds_is_what_was_found() -> None:
    verdict, _ = in_folds((7,))
    told = TypeAdapter(Verdict)
    assert told.validate_python(told.dump_python(verdict, mode="json")) == verdict


def test_one_fold_is_a_verdict_without_any() -> None:
    actual, (one, other) = np.zeros((9, 2)), np.random.default_rng(3).normal(0, 9, (2, 3, 9, 2))
    fold = Fold(cut="", actual=actual, untuned=one, tuned=other, baselines={"mean": actual})
    assert compare_folds([fold], seeds=SEEDS[:3], block=3, unit="Wh") == compare_seeds(
        actual, one, other, seeds=SEEDS[:3], baselines={"mean": actual}, block=3, unit="Wh"
    )


def test_each_fold_has_both_configurations_and_the_best_baseline_beside_them() -> None:
    folds = [
        Fold(
            cut=f"day {number}",
            actual=np.zeros((4, 1)),
            untuned=np.stack([np.full((4, 1), 3.0 * number), np.full((4, 1), 5.0 * number)]),
            tuned=np.stack([np.full((4, 1), 2.0), np.full((4, 1), 4.0)]),
            baselines={"mean": np.full((4, 1), 6.0), "ridge": np.full((4, 1), 5.0 * number)},
        )
        for number in (1, 2)
    ]
    verdict = compare_folds(folds, seeds=(1, 2), block=2, unit="Wh")
    first, second = verdict.folds
    assert first == InFold(1, "day 1", 4, untuned=4, tuned=3, baselines={"mean": 6, "ridge": 5})
    assert (second.cut, second.difference, second.best_baseline) == ("day 2", -5, "mean")
    assert first.best_baseline == "ridge"
    assert first.metrics() == {
        "tuned_test_rmse_by_fold": 3,
        "untuned_test_rmse_by_fold": 4,
        "test_rmse_difference_by_fold": -1,
        "test_vs_mean_rmse_by_fold": 6,
        "test_vs_ridge_rmse_by_fold": 5,
    }
    assert "over 2 fresh seeds in 2 folds (95 %" in verdict.sentence
    nothing = compare_folds([replace(fold, tuned=None) for fold in folds], seeds=(1, 2), block=2, unit="Wh").folds[0]
    assert (nothing.tuned, nothing.difference) == (None, 0)
    assert "tuned_test_rmse_by_fold" not in nothing.metrics()
