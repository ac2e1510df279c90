"""The gate, check by check: by hand where the answer is known, and as a property of any forecasts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from wattcast.model.arrays import Floats
from wattcast.tasks.registry.gate import (
    Check,
    Decision,
    GateConfig,
    check_baselines,
    check_champion,
    check_clean_room,
    check_data,
    check_further,
)

ZEROS = np.zeros((2, 2))  # [N, L]
THREES = np.full((2, 2), 3.0)
FIVES = np.array([[5.0, -5.0], [-5.0, 5.0]])
SKEWED = np.array([[1.0, 7.0], [7.0, 1.0]])  # RMSE 5 as well, MAE 4


def gate(**options: object) -> GateConfig:
    return GateConfig.model_validate(options)


def column(*values: float) -> Floats:
    """One forecast step a window."""
    return np.array(values)[:, None]


# data


def test_real_readings_pass() -> None:
    assert check_data("uci", gate()) == Check("data", True, "trained on real readings (uci)")


def test_simulated_readings_pass_only_where_that_is_allowed() -> None:
    refused, allowed = (check_data("simulated", gate(allow_simulated=allow)) for allow in (False, True))
    assert not refused.passed
    assert refused.message == "trained on the simulated house: give real readings with --data"
    assert allowed.passed
    assert "which gate.allow_simulated lets pass" in allowed.message


# baselines


def test_persistence_is_beaten_by_the_rmse() -> None:
    check = check_baselines(ZEROS, THREES, {"persistence": FIVES, "ridge": ZEROS + 2}, gate(), unit="Wh")
    assert check.passed
    assert check.message == "RMSE of 3.00 Wh beats persistence's 5.00 Wh"
    assert check.numbers == pytest.approx({"challenger": 3, "persistence": 5, "ridge": 2, "skill": 0.4})


def test_persistence_may_be_beaten_by_one_error_and_not_by_the_other() -> None:
    own = np.full((2, 2), 4.5)  # SKEWED has RMSE 5 and MAE 4
    assert check_baselines(ZEROS, own, {"persistence": SKEWED}, gate(), unit="Wh").passed
    check = check_baselines(ZEROS, own, {"persistence": SKEWED}, gate(metric="mae"), unit="Wh")
    assert not check.passed
    assert check.message == "MAE of 4.50 Wh does not beat persistence's 4.00 Wh"
    assert check.numbers == pytest.approx({"challenger": 4.5, "persistence": 4, "skill": -0.125})


def test_who_is_as_good_as_persistence_does_not_beat_it() -> None:
    check = check_baselines(ZEROS, FIVES, {"persistence": -FIVES}, gate(), unit="Wh")
    assert not check.passed
    assert check.numbers["skill"] == 0


# champion


def test_a_clear_gain_is_one_by_the_rmse() -> None:
    """All windows are alike, so that the interval is the difference itself."""
    check = check_champion(ZEROS, THREES, SKEWED, gate(), block=1, unit="Wh")
    assert check.passed
    assert check.numbers == pytest.approx({"champion": 5, "challenger": 3, "difference": -2, "low": -2, "high": -2})
    assert check.message == (
        "beats the champion: RMSE of 3.00 Wh against the champion's 5.00 Wh, difference -2.00 Wh "
        "(95 % interval -2.00 to -2.00)"
    )


def test_the_mae_is_taken_of_absolute_errors() -> None:
    check = check_champion(ZEROS, THREES, SKEWED, gate(metric="mae", level=0.9), block=1, unit="Wh")
    assert check.passed
    assert check.numbers == pytest.approx({"champion": 4, "challenger": 3, "difference": -1, "low": -1, "high": -1})
    assert "MAE of 3.00 Wh against the champion's 4.00 Wh, difference -1.00 Wh (90 % interval" in check.message


def test_a_worse_challenger_is_refused() -> None:
    check = check_champion(ZEROS, FIVES, THREES, gate(), block=1, unit="Wh")
    assert not check.passed
    assert check.numbers["difference"] == 2
    assert check.message.startswith("does not beat the champion: RMSE of 5.00 Wh against the champion's 3.00 Wh")


@pytest.mark.parametrize(("margin", "passes"), [(0, True), (2, True), (2.01, False), (10, False)])
def test_the_margin_is_what_the_gain_must_reach(margin: float, passes: bool) -> None:
    check = check_champion(ZEROS, THREES, FIVES, gate(min_margin=margin), block=1, unit="Wh")
    assert check.passed == passes
    if not passes:
        assert check.message.startswith(f"does not beat the champion by {margin:g} Wh: ")


def test_a_gain_that_comes_from_one_window_may_be_luck() -> None:
    """Without the first window, which a third of all resamples lack, the challenger is worse.

    The interval then ends at 2 - 1, and as far again as one of four days is too narrow: sqrt(4 / 3) 3.1824 / 1.96.
    """
    champion, challenger = column(10, 1, 1, 1), column(5, 2, 2, 2)
    check = check_champion(np.zeros((4, 1)), challenger, champion, gate(), block=1, unit="Wh")
    difference = math.sqrt(37 / 4) - math.sqrt(103 / 4)
    assert check.numbers["difference"] == pytest.approx(difference)
    assert check.numbers["high"] == pytest.approx(difference + 1.8749 * (1 - difference), rel=1e-4)
    assert check.numbers["low"] < check.numbers["difference"]
    assert not check.passed
    assert check.message.startswith("may be better than the champion by luck alone: ")


@pytest.mark.parametrize("days", [1, 2, 3, 5, 14])
def test_of_two_equal_models_few_days_seldom_promote_one(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days differ, the hours of a day are alike: a bootstrap of two days alone would promote a third of them."""
    monkeypatch.setattr("wattcast.tasks.bootstrap.RESAMPLES", 300)
    draws, hours = np.random.default_rng(0), 24 * days

    def errors() -> np.ndarray:
        return (draws.normal(size=days).repeat(24) + draws.normal(0, 0.3, hours))[:, None]

    nothing = np.zeros((hours, 1))
    promoted = [check_champion(nothing, errors(), errors(), gate(), block=24, unit="Wh").passed for _ in range(100)]
    assert np.mean(promoted) < 0.08


def test_the_level_says_how_sure_one_must_be() -> None:
    """A third of all resamples says that the challenger is worse: fewer than two in five, more than one in five."""
    arguments = np.zeros((4, 1)), column(5, 2, 2, 2), column(10, 1, 1, 1)
    assert check_champion(*arguments, gate(level=0.2), block=1, unit="Wh").passed
    assert not check_champion(*arguments, gate(level=0.6), block=1, unit="Wh").passed


def test_windows_of_one_day_stay_together() -> None:
    """Good and bad windows take turns: with blocks of two each resample holds as many of both, and there is no luck."""
    champion, challenger = column(*[4, 1] * 6), column(*[2, 2] * 6)
    single, double = (
        check_champion(np.zeros((12, 1)), challenger, champion, gate(level=0.999), block=block, unit="Wh")
        for block in (1, 2)
    )
    assert not single.passed
    assert double.passed
    assert double.numbers["high"] == pytest.approx(double.numbers["difference"]) == 2 - math.sqrt(8.5)


def test_of_a_span_shorter_than_a_block_luck_is_that_of_its_windows() -> None:
    check = check_champion(np.zeros((4, 1)), column(5, 2, 2, 2), column(10, 1, 1, 1), gate(), block=144, unit="Wh")
    assert check.numbers["low"] < check.numbers["difference"] < check.numbers["high"]


@pytest.mark.parametrize("who", ["challenger", "champion"])
def test_a_forecast_that_is_no_number_beats_nobody(who: str) -> None:
    broken = FIVES.copy()
    broken[0, 0] = np.nan
    challenger, champion = (broken, FIVES) if who == "challenger" else (THREES, broken)
    assert not check_champion(ZEROS, challenger, champion, gate(), block=1, unit="Wh").passed
    assert not check_baselines(ZEROS, broken, {"persistence": FIVES}, gate(), unit="Wh").passed


def test_nothing_given_is_changed() -> None:
    given = [ZEROS.copy(), THREES.copy(), FIVES.copy()]
    check_champion(*given, gate(), block=1, unit="Wh")
    check_baselines(given[0], given[1], {"persistence": given[2]}, gate(), unit="Wh")
    for array, before in zip(given, (ZEROS, THREES, FIVES), strict=True):
        np.testing.assert_array_equal(array, before)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Actuals and forecasts of a few windows."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 3)))
    values = arrays(np.float64, shape, elements=st.floats(-1e6, 1e6))
    return draw(values), draw(values)


@settings(deadline=None, max_examples=60)
@given(
    spans(),
    st.sampled_from(["rmse", "mae"]),
    st.floats(0, 1e3),
    st.floats(0.01, 0.99),
    st.integers(1, 20),
)
def test_who_equals_the_champion_never_takes_its_place(
    span: tuple[Floats, Floats], metric: str, margin: float, level: float, block: int
) -> None:
    actual, forecast = span
    check = check_champion(
        actual, forecast, forecast.copy(), gate(metric=metric, min_margin=margin, level=level), block=block, unit="Wh"
    )
    assert not check.passed
    assert check.numbers["difference"] == 0
    assert check.numbers["low"] == pytest.approx(0, abs=1e-6)
    assert check.numbers["high"] == pytest.approx(0, abs=1e-6)


# the decision


GOOD = Check("data", True, "trained on real readings (uci)")
BETTER = Check("champion", True, "beats the champion", {"difference": -2.0, "high": -1.0})
BAD = Check("baselines", False, "does not beat persistence", {"challenger": 3.0})
WORSE = Check("champion", False, "does not beat the champion")


def test_all_checks_must_pass() -> None:
    assert Decision((GOOD, BETTER)).promoted
    for failed in ((BAD, BETTER), (GOOD, WORSE), (BAD, WORSE)):
        assert not Decision(failed).promoted


def test_the_reason_is_what_failed_or_else_what_was_found_of_the_champion() -> None:
    assert Decision((GOOD, BETTER)).reason == "beats the champion"
    assert Decision((BAD, BETTER)).reason == "does not beat persistence"
    assert Decision((BAD, GOOD, WORSE)).reason == "does not beat persistence; does not beat the champion"


def test_the_numbers_are_named_by_their_checks() -> None:
    assert Decision((GOOD, BAD, BETTER)).numbers() == {
        "gate_baselines_challenger": 3.0,
        "gate_champion_difference": -2.0,
        "gate_champion_high": -1.0,
    }


@pytest.mark.parametrize(
    "options", [{"holdout_days": 0}, {"metric": "r2"}, {"min_margin": -1}, {"level": 1}, {"level": 0}, {"margin": 1}]
)
def test_a_gate_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        gate(**options)


@pytest.mark.parametrize("level", [0.0, 1e12])
def test_a_forecast_that_differs_elsewhere_is_seen_whatever_the_level_of_the_load(level: float) -> None:
    actual = level + np.random.default_rng(0).normal(100, 50, (200, 1)).round()
    scored = actual + 20
    assert check_clean_room(scored + 1e-4, scored, actual, unit="Wh").passed
    assert not check_clean_room(scored + 0.1, scored, actual, unit="Wh").passed
    assert check_clean_room(np.full((3, 1), level), np.full((3, 1), level), np.full((3, 1), level), unit=None).passed


# further targets


OF_ALL = {"load": ZEROS, "heat": ZEROS, "b%": ZEROS}


def test_a_target_behind_the_first_must_not_be_worse_beyond_luck() -> None:
    challenger, champion = (dict(zip(OF_ALL, made, strict=True)) for made in ((FIVES, FIVES, ZEROS), (THREES,) * 3))
    check = check_further(OF_ALL, challenger, champion, gate(), block=1, unit="Wh")
    assert not check.passed
    assert check.message == (
        "heat is worse than the champion: RMSE of 5.00 Wh against the champion's 3.00 Wh, difference +2.00 Wh "
        "(97.5 % interval +2.00 to +2.00)"
    )
    assert {name: value for name, value in check.numbers.items() if name.startswith("difference")} == {
        "difference.heat": 2.0,
        "difference.b_": -3.0,
    }


def test_what_is_no_worse_or_may_be_by_luck_is_told_of_each_target() -> None:
    lucky = np.array([[1.0, 1.0], [5.0, 5.0]])
    challenger, champion = {"load": FIVES, "heat": THREES, "b%": lucky}, {"load": ZEROS, "heat": FIVES, "b%": THREES}
    check = check_further(OF_ALL, challenger, champion, gate(metric="mae"), block=1, unit=None)
    assert check.passed
    assert [part.partition(":")[0] for part in check.message.split("; ")] == [
        "heat is not worse than the champion beyond luck",
        "b% is not worse than the champion beyond luck",
    ]


def test_what_is_no_number_is_worse() -> None:
    nothing = dict.fromkeys(OF_ALL, ZEROS + math.nan)
    assert not check_further(OF_ALL, nothing, OF_ALL, gate(), block=1, unit="Wh").passed
