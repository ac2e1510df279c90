"""The four verdicts, on either side of their margins."""

import pytest

from wattcast.model.diagnosis import OVERFIT_MARGIN, UNDERFIT_MARGIN, diagnose
from wattcast.model.split import Split

BASE = Split(train=100.0, validation=120.0, test=1.0)


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
def test_verdicts(train, validation, verdict):
    assert diagnose(Split(train, validation, 0.0), BASE).verdict == verdict


def test_margins_are_the_published_ones():
    assert (UNDERFIT_MARGIN, OVERFIT_MARGIN) == (0.02, 0.05)


def test_a_hard_validation_part_is_no_overfitting_where_the_base_meets_it_too():
    error = Split(90.0, 180.0, 0.0)
    assert diagnose(error, Split(100.0, 200.0, 0.0)).verdict == "good"
    assert diagnose(error, Split(100.0, 110.0, 0.0)).verdict == "overfit"


def test_the_test_part_is_not_read():
    one, other = (diagnose(Split(90.0, 114.0, test), Split(100.0, 120.0, test)) for test in (5.0, float("nan")))
    assert one == other


def test_reason_gives_the_numbers_and_advice_fits_the_verdict():
    found = diagnose(Split(110.0, 145.0, 0.0), BASE)
    assert found.reason == (
        "the training error of 110.0 Wh lies 10% above ridge's 100.0, and validation is 1.32 times training where "
        "ridge's is 1.20 times"
    )
    assert "10% below" in diagnose(Split(90.0, 108.0, 0.0), BASE).reason
    errors = {"good": (90, 108), "underfit": (120, 140), "overfit": (80, 110), "underfit and overfit": (110, 145)}
    found = {diagnose(Split(*error, 0.0), BASE) for error in errors.values()}
    assert {diagnosis.verdict for diagnosis in found} == set(errors)
    assert len({diagnosis.advice for diagnosis in found}) == 4


def test_a_base_without_error_is_met_or_missed_but_never_divided_by():
    """A house that always uses the same energy: ridge is exact there."""
    still = Split(0.0, 0.0, 0.0)
    assert diagnose(still, still).verdict == "good"
    assert "underfit" in diagnose(Split(1.0, 1.0, 0.0), still).verdict
