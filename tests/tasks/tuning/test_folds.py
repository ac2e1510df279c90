"""The folds of a trial, by hand: a step a reading, windows of two readings that forecast the next two."""

from __future__ import annotations

import pandas as pd
import pytest
from tiny import counting_series

from wattcast.model.errors import InputError
from wattcast.model.split import Split
from wattcast.model.windows import WindowConfig, make_windows
from wattcast.tasks.tuning.folds import folds_of, verdict_folds_of

ROWS = Split(range(20), range(20, 40), range(40, 50))
WINDOW = WindowConfig(lookback=2, output_length=2, steps_ahead=1)


def folds(count: int, *, least: int = 1, missing: tuple[int, ...] = ()) -> tuple[Split[range], ...]:
    series = counting_series(50 + len(missing), missing=missing)
    windows = make_windows(series, ROWS.validation, pd.Timedelta(minutes=10), WINDOW)
    return folds_of(ROWS, windows, count, least=least)


def test_one_fold_is_the_split_as_it_is() -> None:
    assert folds(1) == (ROWS,)
    assert folds(1, least=1000) == (ROWS,)


def test_each_fold_is_trained_on_all_that_lies_before_its_stretch_of_validation() -> None:
    assert folds(3) == (
        Split(range(20), range(20, 26), ROWS.test),
        Split(range(26), range(26, 33), ROWS.test),
        Split(range(33), range(33, 40), ROWS.test),
    )


def test_a_fold_has_as_many_forecasts_as_are_asked_for() -> None:
    """Of 20 rows the targets of 19 windows; a stretch of 10 has those of 9, one of 6 those of 5."""
    assert len(folds(2, least=9)) == 2
    assert len(folds(3, least=5)) == 3
    for count, least, most in ((2, 10, 1), (3, 6, 2), (4, 5, 3), (10**12, 1, 10)):
        with pytest.raises(InputError, match=rf"^{count} folds leave .* has 19 forecasts .* at most {most}, or"):
            folds(count, least=least)


def test_what_is_missing_forecasts_nothing() -> None:
    """A gap before row 25 costs the first of two stretches three windows."""
    assert len(folds(2, least=6, missing=(25,))) == 2
    with pytest.raises(InputError, match=r"has 16 forecasts .* at most 1, or"):
        folds(2, least=7, missing=(25,))


# The verdict


def verdict_folds(
    count: int, *, least: int = 1, missing: tuple[int, ...] = (), window: WindowConfig = WINDOW
) -> tuple[Split[range], ...]:
    series = counting_series(50 + len(missing), missing=missing)
    windows = make_windows(series, ROWS.test, pd.Timedelta(minutes=10), window)
    return verdict_folds_of(ROWS, windows, count, least=least)


def test_a_verdict_of_one_fold_is_the_split_as_it_is() -> None:
    assert verdict_folds(1) == (ROWS,)
    assert verdict_folds(1, least=1000) == (ROWS,)


def test_the_test_part_is_cut_into_spans_and_each_knows_all_before_it() -> None:
    """Ten rows hold nine forecasts of two steps; half of what a fold knows is validation, as in the split."""
    assert verdict_folds(3) == (
        Split(range(20), range(20, 40), range(40, 44)),
        Split(range(21), range(21, 43), range(43, 47)),
        Split(range(23), range(23, 46), range(46, 50)),
    )


@pytest.mark.parametrize("missing", [(), (45,)])
@pytest.mark.parametrize("count", [2, 3])
def test_each_forecast_of_the_test_part_stands_in_one_fold(count: int, missing: tuple[int, ...]) -> None:
    series, cadence = counting_series(50 + len(missing), missing=missing), pd.Timedelta(minutes=10)
    folds = verdict_folds_of(ROWS, make_windows(series, ROWS.test, cadence, WINDOW), count, least=1)
    of_folds = [start for rows in folds for start in make_windows(series, rows.test, cadence, WINDOW).starts]
    assert of_folds == make_windows(series, ROWS.test, cadence, WINDOW).starts.tolist()
    assert all(rows.validation.stop == rows.test.start for rows in folds)


def test_a_fold_of_the_verdict_has_as_many_forecasts_as_are_asked_for() -> None:
    assert len(verdict_folds(3, least=3)) == 3
    for count, least, most in ((2, 5, 1), (3, 4, 2), (10**12, 1, 9)):
        with pytest.raises(
            InputError, match=rf"^{count} folds leave .* the test part has 9 forecasts .* most {most}, or"
        ):
            verdict_folds(count, least=least)
