"""The gate's checks of intervals, by hand where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from wattcast.model.arrays import Floats
from wattcast.model.intervals import IntervalConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.fan import Fan
from wattcast.tasks.registry.gate import GateConfig
from wattcast.tasks.registry.interval_gate import check_coverage, check_winkler
from wattcast.tasks.registry.looks import looks

DAY, DAYS = 24, 14
ONE, MANY = WindowConfig(), WindowConfig(output_length=24)


def fan(half: Floats | float, *, steps: int = 1, levels: tuple[float, ...] = (0.9,)) -> Fan:
    """Intervals around zero, of half the width `half` `[N, L]`, all levels alike."""
    quantiles = IntervalConfig(levels=levels).quantiles
    signs = np.sign(np.array(quantiles) - 0.5)
    shape = (DAY * DAYS, steps)
    return Fan(np.zeros(shape), np.broadcast_to(half, shape)[..., None] * signs, quantiles)


def readings(*, steps: int = 1, share: float = 0.9, by_day: Floats | None = None) -> Floats:
    """Of which so large a share lies within 1 of zero and the others 2 away, on each day alike unless `by_day`."""
    draws = np.tile(np.random.default_rng(1).permutation(DAY), DAYS)[:, None]  # any stretch of a day holds each once
    shares = np.repeat(np.full(DAYS, share) if by_day is None else by_day, DAY)[:, None]
    return np.where(draws < np.round(shares * DAY), 0.5, 2.0).repeat(steps, axis=1)


def gate(**options: object) -> GateConfig:
    return GateConfig.model_validate(options)


# where it is looked


def test_each_level_is_looked_at_over_all_steps_and_at_each_named_lead_time() -> None:
    found = looks((0.5, 0.9), MANY, DAY)
    assert [look.named("held") for look in found] == [
        *("held_50", "held_90", "held_50_at_1", "held_90_at_1"),
        *("held_50_at_6", "held_90_at_6", "held_50_at_24", "held_90_at_24"),
    ]
    assert [look.intervals for look in found[1:4:2]] == ["90 % intervals", "90 % intervals, 1 step ahead,"]
    losses = np.tile(np.arange(24.0), (3, 1))
    assert [float(look.of(losses)[0]) for look in found[::2]] == [11.5, 0, 5, 23]
    assert len(looks((0.9,), ONE, DAY)) == 1


# coverage


def test_intervals_that_hold_what_they_say_pass() -> None:
    check = check_coverage(readings(), fan(1.0), gate(), ONE, day=DAY)
    assert check.passed
    assert check.numbers["held_90"] == pytest.approx(22 / 24)
    assert check.message.startswith("90 % intervals hold 91.7 % of the readings (")


def test_intervals_that_hold_too_little_are_refused_by_name() -> None:
    """As many on each day, so that a bootstrap of whole days has no luck to speak of."""
    check = check_coverage(readings(share=14 / 24), fan(1.0), gate(), ONE, day=DAY)
    assert not check.passed
    assert check.message.startswith("90 % intervals hold 58.3 % of the readings (")
    assert check.message.endswith(" %), 80 to 100 % are allowed (gate.coverage_band)")
    assert check.numbers["high_90"] < 0.8


def test_intervals_that_hold_too_much_are_refused_too() -> None:
    check = check_coverage(readings(share=1), fan(1.0, levels=(0.5,)), gate(), ONE, day=DAY)
    assert not check.passed
    assert "50 % intervals hold 100.0 % of the readings (100.0 to 100.0 %), 40 to 60 % are allowed" in check.message


def test_the_band_is_an_option() -> None:
    actual = readings(share=20 / 24)
    assert not check_coverage(actual, fan(1.0), gate(coverage_band=0.05), ONE, day=DAY).passed
    assert check_coverage(actual, fan(1.0), gate(coverage_band=0.07), ONE, day=DAY).passed
    assert check_coverage(readings(share=0), fan(1.0), gate(coverage_band=1), ONE, day=DAY).passed


def test_bad_luck_on_a_few_days_refuses_nobody() -> None:
    """Two of the days hold nothing: 78 %, which other days might not have shown."""
    by_day = np.full(DAYS, 22 / 24)
    by_day[[3, 9]] = 0
    check = check_coverage(readings(by_day=by_day), fan(1.0), gate(), ONE, day=DAY)
    assert check.numbers["held_90"] < 0.8 < check.numbers["high_90"]
    assert check.passed


def test_a_lead_time_that_is_broken_is_named() -> None:
    """The others make up for it."""
    actual, half = readings(steps=24), np.ones((DAY * DAYS, 24))
    half[:, 5] = 0.1
    check = check_coverage(actual, fan(half, steps=24), gate(), MANY, day=DAY)
    assert not check.passed
    assert check.message.startswith("90 % intervals, 6 steps ahead, hold 0.0 % of the readings (0.0 to 0.0 %)")
    assert check.numbers["held_90"] > 0.8
    assert check.numbers["held_90_at_6"] == 0


def test_bounds_that_are_no_numbers_hold_nothing() -> None:
    broken = fan(1.0)
    broken.bounds[0] = np.nan
    assert not check_coverage(readings(), broken, gate(coverage_band=1), ONE, day=DAY).passed


def test_many_looks_share_the_doubt() -> None:
    """A look of twelve at 95 % has a wider interval than one alone."""
    by_day = np.linspace(0.5, 1, DAYS)
    one = check_coverage(readings(by_day=by_day), fan(1.0), gate(), ONE, day=DAY)
    many = check_coverage(readings(by_day=by_day, steps=24), fan(1.0, steps=24), gate(), MANY, day=DAY)
    assert many.numbers["held_90"] == pytest.approx(one.numbers["held_90"])
    assert many.numbers["low_90"] < one.numbers["low_90"] < one.numbers["high_90"] < many.numbers["high_90"]


# Winkler's score


def test_intervals_that_lose_less_pass() -> None:
    check = check_winkler(readings(), fan(1.0), fan(1.5), gate(), ONE, day=DAY, unit="Wh")
    assert check.passed
    ours, theirs = 2 + 20 / 12, 3 + 10 / 12  # a twelfth lies 1 and 0.5 outside, times 20
    assert check.numbers == pytest.approx(
        {
            **{"champion_90": theirs, "challenger_90": ours},
            **dict.fromkeys(("difference_90", "low_90", "high_90"), ours - theirs),
        }
    )
    assert check.message == (
        "90 % intervals: Winkler score of 3.67 Wh against 3.83 Wh, difference -0.17 Wh (-0.17 to -0.17)"
    )


def test_intervals_that_lose_more_are_refused_by_name() -> None:
    check = check_winkler(readings(), fan(1.5), fan(1.0), gate(), ONE, day=DAY, unit=None)
    assert not check.passed
    assert check.message == (
        "90 % intervals are worse than the champion's: Winkler score of 3.83 against 3.67, difference +0.17 "
        "(+0.17 to +0.17)"
    )


def test_intervals_that_may_lose_more_by_luck_pass() -> None:
    """Narrower ones that miss on a day or two: a bootstrap may leave these out."""
    by_day = np.ones(DAYS)
    by_day[5] = 0
    check = check_winkler(readings(by_day=by_day), fan(1.0), fan(1.9), gate(), ONE, day=DAY, unit="Wh")
    assert check.numbers["low_90"] < 0
    assert check.passed


def test_equal_intervals_are_no_worse() -> None:
    assert check_winkler(readings(), fan(1.0), fan(1.0), gate(), ONE, day=DAY, unit="Wh").passed


def test_a_worse_lead_time_is_named() -> None:
    actual, half = readings(steps=24), np.ones((DAY * DAYS, 24))
    half[:, 23] = 30
    check = check_winkler(actual, fan(half, steps=24), fan(half * 0 + 1.1, steps=24), gate(), MANY, day=DAY, unit="Wh")
    assert not check.passed
    assert "90 % intervals, 24 steps ahead, are worse than the champion's: Winkler score of 60.00 Wh" in check.message
    assert check.numbers["difference_90_at_24"] > 0 > check.numbers["difference_90_at_1"]


def test_only_levels_that_both_have_are_compared_and_the_others_are_told() -> None:
    both, outer, none = fan(1.0, levels=(0.5, 0.9)), fan(1.0), Fan.bare(np.zeros((DAY * DAYS, 1)))
    new = check_winkler(readings(), both, outer, gate(), ONE, day=DAY, unit="Wh")
    assert new.passed
    assert new.message.startswith("the champion has no 50 % intervals to compare with; 90 % intervals: Winkler score")
    assert {name for name in new.numbers if "50" in name} == set()
    gone = check_winkler(readings(), none, both, gate(), ONE, day=DAY, unit="Wh")
    assert (gone.passed, gone.numbers) == (True, {})
    assert gone.message == (
        "the champion's 50 % and 90 % intervals are given up, which gate.allow_new_signature lets pass"
    )
    first = check_winkler(readings(), both, none, gate(), ONE, day=DAY, unit="Wh")
    assert first.message == "the champion has no 50 % and 90 % intervals to compare with"


def test_nothing_given_is_changed() -> None:
    actual, one, other = readings(), fan(1.0), fan(1.5)
    check_coverage(actual, one, gate(), ONE, day=DAY)
    check_winkler(actual, one, other, gate(), ONE, day=DAY, unit="Wh")
    np.testing.assert_array_equal(actual, readings())
    np.testing.assert_array_equal(one.bounds, fan(1.0).bounds)
    np.testing.assert_array_equal(other.bounds, fan(1.5).bounds)
