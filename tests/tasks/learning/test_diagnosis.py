"""The four verdicts, on either side of their margins and of luck."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattcast.tasks.learning.diagnosis import OVERFIT_MARGIN, UNDERFIT_MARGIN, Diagnosis, Errors, diagnose

DAY = 12  # windows
DAYS = 30


def even(network: float, ridge: float) -> Errors:
    """A part whose windows all have these errors in Wh, so that there is no luck in it."""
    return Errors(np.full(DAYS * DAY, network**2), np.full(DAYS * DAY, ridge**2))


def uneven(network: float, ridge: float, *, spread: float, seed: int) -> Errors:
    """A part whose days are differently hard, by themselves for either model; the RMSEs are these."""
    squares = np.random.default_rng(seed).lognormal(0, spread, (2, DAYS)).repeat(DAY, axis=1)
    squares *= np.array([network**2, ridge**2])[:, None] / squares.mean(axis=1, keepdims=True)
    return Errors(*squares)


def found(train: tuple[float, float], validation: tuple[float, float]) -> Diagnosis:
    """By the RMSEs of network and ridge."""
    return diagnose(even(*train), even(*validation), block=DAY, unit="Wh")


@pytest.mark.parametrize(
    ("train", "validation", "verdict"),
    [
        (90.0, 108.0, "good"),  # better than the base, and as much harder on validation
        (101.9, 122.0, "good"),  # within the margin of 2 %
        (102.1, 122.0, "underfit"),
        (90.0, 113.0, "good"),  # 1.046 times the base's own step from training to validation
        (90.0, 114.0, "overfit"),  # 1.056 times
        (110.0, 145.0, "underfit and overfit"),
        (150.0, 100.0, "underfit"),
    ],
)
def test_verdicts_where_there_is_no_luck(train, validation, verdict):
    assert found((train, 100.0), (validation, 120.0)).verdict == verdict


def test_margins_are_the_published_ones():
    assert (UNDERFIT_MARGIN, OVERFIT_MARGIN) == (0.02, 0.05)


def test_a_hard_validation_part_is_no_overfitting_where_the_base_meets_it_too():
    assert found((90.0, 100.0), (180.0, 200.0)).verdict == "good"
    assert found((90.0, 100.0), (180.0, 110.0)).verdict == "overfit"


@pytest.mark.parametrize(("spread", "verdict"), [(0.02, "overfit"), (1.0, "good")])
def test_a_step_that_a_few_days_make_is_luck(spread, verdict):
    """The RMSEs are the same: 10 % more of a step than ridge's."""
    train, validation = (uneven(90, base, spread=spread, seed=seed) for seed, base in ((1, 100), (2, 100 / 1.1)))
    diagnosis = diagnose(train, validation, block=DAY, unit="Wh")
    assert diagnosis.verdict == verdict
    assert "10 % more (95 % interval " in diagnosis.reason
    assert ("which may be luck" in diagnosis.reason) == (verdict == "good")


@pytest.mark.parametrize(("spread", "verdict"), [(0.02, "underfit"), (1.0, "good")])
def test_a_training_error_above_the_bases_may_be_luck(spread, verdict):
    train, validation = (uneven(105, 100, spread=spread, seed=seed) for seed in (3, 4))
    diagnosis = diagnose(train, validation, block=DAY, unit="Wh")
    assert diagnosis.verdict == verdict
    assert "lies 5 % above ridge's 100.0 (95 % interval " in diagnosis.reason
    assert ("which may be luck, and" in diagnosis.reason) == (verdict == "good")


def test_days_that_are_hard_for_both_models_are_no_luck():
    """They are compared on the same days."""
    hard = np.random.default_rng(5).lognormal(0, 1.0, DAYS).repeat(DAY)
    train, validation = Errors(hard, hard), Errors(1.2 * hard, hard)
    diagnosis = diagnose(train, validation, block=DAY, unit="Wh")
    assert diagnosis.verdict == "overfit"
    assert "10 % more (95 % interval +10 % to +10 %)" in diagnosis.reason


def test_the_interval_is_that_of_days_and_not_of_windows():
    """The windows of a day are alike: taken one by one they would look like many more."""
    train, validation = (uneven(90, base, spread=0.4, seed=seed) for seed, base in ((1, 100), (2, 90)))
    by_day, by_window = (diagnose(train, validation, block=block, unit="Wh") for block in (DAY, 1))
    assert (by_day.verdict, by_window.verdict) == ("good", "overfit")


def test_reason_gives_the_numbers_and_advice_fits_the_verdict():
    assert found((110, 100), (145, 120)).reason == (
        "the training error of 110.0 Wh lies 10 % above ridge's 100.0 (95 % interval +10 % to +10 %), and validation "
        "is 1.32 times training where ridge's is 1.20 times, 10 % more (95 % interval +10 % to +10 %)"
    )
    assert "10 % below ridge's 100.0 (95 % interval -10 % to -10 %)" in found((90, 100), (108, 120)).reason
    errors = {"good": (90, 108), "underfit": (120, 140), "overfit": (80, 110), "underfit and overfit": (110, 145)}
    diagnoses = {found((train, 100), (validation, 120)) for train, validation in errors.values()}
    assert {diagnosis.verdict for diagnosis in diagnoses} == set(errors)
    assert len({diagnosis.advice for diagnosis in diagnoses}) == 4


@pytest.mark.parametrize(
    ("train", "validation", "reason"),
    [
        ((0, 0), (0, 0), "the network has no error to compare with on training and validation"),
        ((1, 0), (1, 0), "ridge has no error to compare with on training and validation"),
        ((1, 1e-12), (1, 1), "ridge has no error to compare with on training"),
        ((1, 1), (1, 0), "ridge has no error to compare with on validation"),
    ],
)
def test_a_house_that_always_uses_the_same_energy_cannot_be_judged(train, validation, reason):
    diagnosis = found(train, validation)
    assert (diagnosis.verdict, diagnosis.reason) == ("good", reason)
    assert diagnosis.advice == "see whether the readings of the target ever change"


def test_a_change_beyond_all_measure_is_told_by_its_size_alone():
    reason = found((5000.0, 1.0), (5000.0, 1.0)).reason
    assert "lies more than 999 % above ridge's 1.00 (95 % interval more than +999 % to more than +999 %)" in reason


squares = st.floats(0, 1e300) | st.floats(0.5, 2)
parts = st.integers(1, 12).flatmap(
    lambda count: st.tuples(*[st.lists(squares, min_size=count, max_size=count)] * 2).map(
        lambda losses: Errors(*map(np.array, losses))
    )
)


@settings(deadline=None)  # a busy machine is no fault
@given(train=parts, validation=parts, block=st.integers(1, 5))
def test_no_sentence_holds_what_is_no_number_or_a_percentage_of_many_digits(train, validation, block):
    diagnosis = diagnose(train, validation, block=block, unit="Wh")
    text = f"{diagnosis.verdict}: {diagnosis.reason}; {diagnosis.advice}"
    assert not re.search(r"\b(inf|nan)\b", text)
    assert not re.search(r"\d{5,} ?%", text)
    assert diagnosis == diagnose(train, validation, block=block, unit="Wh")


def test_nothing_that_was_given_is_changed():
    train, validation = even(90, 100), uneven(100, 110, spread=0.3, seed=1)
    arrays = (train.network, train.ridge, validation.network, validation.ridge)
    before = [array.tobytes() for array in arrays]
    diagnose(train, validation, block=DAY, unit="Wh")
    assert [array.tobytes() for array in arrays] == before
