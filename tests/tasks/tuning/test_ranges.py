"""Ranges of a sweep: which can be, which values they hold, what they ask of a trial."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.trial import FixedTrial, Trial
from pydantic import ValidationError

from wattcast.tasks.tuning.ranges import Range


def asked(seed: int) -> Trial:
    """A trial that draws at random."""
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed)).ask()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give low and high, or choices"),
        ({"low": 1}, "give low and high, or choices"),
        ({"low": 2, "high": 1}, "low must be below high, received low = 2 and high = 1"),
        ({"low": 1, "high": 1}, "low must be below high"),
        ({"low": 0, "high": 1, "log": True}, "low must be above 0"),
        ({"low": 1, "high": 8, "log": True, "step": 2}, "give log or step, not both"),
        ({"low": 1, "high": 2, "step": 3}, "step must not be above high - low"),
        ({"low": 1, "high": 2, "step": 0}, "greater than 0"),
        ({"low": 16, "high": 100, "step": 16}, "high must be whole steps above low, received 100 for steps of 16"),
        ({"low": 0.1, "high": 0.5, "step": 0.15}, "high must be whole steps above low"),
        ({"low": 1, "choices": [1, 2]}, "either choices or low and high"),
        ({"choices": []}, "at least 1 item"),
        ({"choices": ["a", "a"]}, "each choice may stand once"),
        ({"low": 1, "hihg": 2}, "Extra inputs"),
        ({"low": float("nan"), "high": 1}, "finite"),
    ],
)
def test_a_range_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Range.model_validate(values)


@pytest.mark.parametrize(
    ("values", "inside", "outside"),
    [
        ({"low": 0.5, "high": 1}, (0.5, 0.7, 1), (0.49, 1.01, "0.7")),
        ({"low": 16, "high": 64, "step": 16}, (16, 48, 64), (0, 17, 80)),
        ({"low": 0.1, "high": 0.9, "step": 0.2}, (0.1, 0.3, 0.9), (0.2,)),
        ({"choices": ["mse", "mae"]}, ("mse",), ("huber", 1)),
        ({"choices": [True, False]}, (True,), ("true",)),
    ],
)
def test_a_range_knows_its_values(values: dict[str, Any], inside: tuple[Any, ...], outside: tuple[Any, ...]) -> None:
    made = Range.model_validate(values)
    assert [made.has(value) for value in inside] == [True] * len(inside)
    assert [made.has(value) for value in outside] == [False] * len(outside)


@given(low=st.integers(0, 20), steps=st.integers(1, 9), step=st.integers(1, 3), seed=st.integers(0, 99))
@example(low=0, steps=1, step=1, seed=0)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "any"])
@pytest.mark.parametrize("kind", ["even", "steps", "log"])
def test_a_range_suggests_numbers_of_its_own(
    *, kind: str, whole: bool, low: int, steps: int, step: int, seed: int
) -> None:
    made = {
        "even": Range(low=low, high=low + steps),
        "steps": Range(low=low, high=low + steps * step, step=step),
        "log": Range(low=low + 1, high=low + 1 + steps, log=True),
    }[kind]
    value = made.suggest(asked(seed), "x", whole=whole)
    assert type(value) is (int if whole else float)
    assert made.has(value)


@given(st.integers(0, 99))
def test_choices_are_suggested_as_they_are(seed: int) -> None:
    value = Range(choices=(True, 2, 0.5, "mse")).suggest(asked(seed), "x", whole=False)
    assert (type(value), value) in {(bool, True), (int, 2), (float, 0.5), (str, "mse")}


def test_both_ends_of_a_range_are_tried() -> None:
    """Both of whole numbers and of steps; a range that begins with 0 is no range that has no beginning."""
    for made in (Range(low=0, high=2), Range(low=0, high=4, step=2)):
        values = {made.suggest(asked(seed), "x", whole=True) for seed in range(40)}
        assert values == {made.low, made.low + (made.high - made.low) // 2, made.high}


def test_a_fraction_between_whole_ends_is_no_whole_number() -> None:
    assert Range(low=0, high=1).suggest(FixedTrial({"p": 0.25}), "p", whole=False) == 0.25


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"low": 0.001, "high": 0.02, "log": True}, "0.001 to 0.02, log"),
        ({"low": 16, "high": 64, "step": 16}, "16 to 64, step 16"),
        ({"low": 0.6, "high": 1}, "0.6 to 1"),
        ({"choices": ["mse", "mae"]}, "one of mse, mae"),
    ],
)
def test_a_range_reads_as_one_would_say_it(values: dict[str, Any], words: str) -> None:
    assert str(Range.model_validate(values)) == words
