"""The folds of a rolling origin, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from wattcast.model.errors import InputError
from wattcast.model.split import Split, SplitConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.backtest.folds import Folding, Origin, chains

HOUR = pd.Timedelta(hours=1)
TIMES = pd.date_range("2020-01-01", periods=240, freq=HOUR)  # ten days
MADE = TIMES[3:-1]  # a forecast of one step from each moment with four readings


def folding(**changes: object) -> Folding:
    asked: dict = {"folds": 3, "step": "2d", "window": "expanding", "train": "2d", "gap": "0", "refit": "always"}
    return Folding.read(**{**asked, **changes})


def origins(moments: pd.DatetimeIndex = MADE, **changes: object) -> tuple[Origin, ...]:
    return folding(**changes).origins(moments, TIMES[0], HOUR)


def test_the_last_fold_ends_with_the_newest_forecast_and_each_begins_where_the_one_before_ends() -> None:
    made = origins()
    assert [origin.number for origin in made] == [1, 2, 3]
    assert [len(origin.made_at) for origin in made] == [48, 48, 48]
    assert made[-1].made_at[-1] == MADE[-1] == pd.Timestamp("2020-01-10 22:00")
    assert [str(origin.cut) for origin in made] == ["2020-01-04 23:00:00", "2020-01-06 23:00:00", "2020-01-08 23:00:00"]
    for origin in made:
        assert origin.made_at[0] == origin.cut
        assert origin.known_from == TIMES[0]


def test_sliding_folds_know_as_much_each() -> None:
    made = origins(window="sliding", train="3d")
    assert [origin.cut - origin.known_from + HOUR for origin in made] == [pd.Timedelta(days=3)] * 3


def test_a_gap_is_known_to_nobody_and_moves_no_forecast() -> None:
    apart, plain = origins(gap="12h"), origins()
    for one, other in zip(apart, plain, strict=True):
        assert (one.made_at == other.made_at).all()
        assert other.cut - one.cut == 12 * HOUR


@pytest.mark.parametrize(("refit", "trained"), [("always", [1, 2, 3]), ("never", [1, 1, 1]), ("2", [1, 1, 3])])
def test_folds_share_a_training(refit: str, trained: list[int]) -> None:
    made = origins(refit=refit)
    assert [origin.trained for origin in made] == trained
    assert [[origin.number for origin in chain] for chain in chains(made)] == {
        "always": [[1], [2], [3]],
        "never": [[1, 2, 3]],
        "2": [[1, 2], [3]],
    }[refit]


def test_rows_of_a_fold() -> None:
    """By hand: 96 readings are known, the newest quarter chooses; targets of 48 forecasts of steps 2 and 3 ahead."""
    window = WindowConfig(lookback=4, steps_ahead=2, output_length=2)
    first, *_ = origins(TIMES[3:-3])
    rows = first.rows(TIMES, SplitConfig(), window)
    assert str(first.cut) == "2020-01-04 21:00:00"
    assert rows == Split(range(70), range(70, 94), range(95, 144))


def test_rows_of_sliding_folds_with_a_gap_lie_between_their_moments() -> None:
    for origin in origins(window="sliding", train="3d", gap="6h"):
        rows = origin.rows(TIMES, SplitConfig(train=0.5, validation=0.25), WindowConfig(lookback=4))
        assert (len(rows.train), len(rows.validation), len(rows.test)) == (48, 24, 48)
        assert rows.train.stop == rows.validation.start
        assert TIMES[rows.validation.stop - 1] == origin.cut
        assert rows.test.start - rows.validation.stop == 6


def test_a_fold_without_any_forecast_is_left_out() -> None:
    moments = MADE[:129].append(MADE[-35:])  # until 6 January 11:00, and from 9 January 12:00 on
    made = origins(moments)
    assert [(origin.number, len(origin.made_at)) for origin in made] == [(1, 37), (2, 35)]
    assert made[1].trained == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 0}, "folds must be 1 to 1000, received 0"),
        ({"step": "weekly"}, r"step must be a duration .* such as 7d or 36h, at least 1d, received 'weekly'"),
        ({"step": "12h"}, "at least 1d, received '12h'"),
        ({"train": "1h"}, "train must be .* at least 1d, received '1h'"),
        ({"gap": "-1d"}, "gap must be .* or 0, received '-1d'"),
        ({"window": "growing"}, "window must be expanding or sliding, received 'growing'"),
        (
            {"refit": "sometimes"},
            "refit must be always, never or a number of folds .* received 'sometimes'",
        ),
        ({"refit": "0"}, "refit must be"),
        ({"folds": 0, "gap": "x"}, "(?s)folds must be.*gap must be"),
    ],
)
def test_what_cannot_be_asked(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        folding(**changes)


def test_folds_that_leave_too_little_to_train_on_say_how_many_fit() -> None:
    assert len(origins(folds=3, train="3d")) == 3
    assert len(origins(folds=4)) == 4  # two days are known to the first: all there is
    with pytest.raises(InputError, match=r"4 folds of 2d leave less than the 3d .* at most 3 folds of that step fit"):
        origins(folds=4, train="3d")
    with pytest.raises(InputError, match=r"3 folds of 2d leave less than the 3d .* and a gap of 36h.* at most 2 folds"):
        origins(train="3d", gap="36h")


def test_a_step_longer_than_the_readings_says_how_long_it_may_be() -> None:
    with pytest.raises(InputError, match=r"a fold of 20d behind 2d .* is longer than the readings.* at most 8d"):
        origins(folds=1, step="20d")
    with pytest.raises(InputError, match="more than all there is"):
        origins(train="30d")
