"""What users of a model rely on, and what of it may change unnoticed."""

from __future__ import annotations

from typing import Any

import pytest

from wattcast.model.readings import ReadingsConfig
from wattcast.model.windows import WindowConfig
from wattcast.tasks.registry.contract import Contract

READINGS = ReadingsConfig(timestamp="time", cadence_minutes=5, targets=("power", "heat"), features=("wind", "T"))
WINDOW = WindowConfig(lookback=12, steps_ahead=3, output_length=2)
CONTRACT = Contract(
    timestamp="time",
    cadence_minutes=5,
    inputs=("T", "heat", "power", "wind"),
    targets=("power", "heat"),
    lookback=12,
    steps_ahead=3,
    output_length=2,
)


def changed(**options: Any) -> Contract:
    return CONTRACT.model_copy(update=options)


def test_it_is_that_of_the_configurations_whatever_the_order_of_the_inputs() -> None:
    assert Contract.of(READINGS, WINDOW) == CONTRACT
    turned = READINGS.model_copy(update={"features": ("T", "wind")})
    assert Contract.of(turned, WINDOW) == CONTRACT


def test_it_is_read_back_as_it_was_written() -> None:
    assert Contract.model_validate_json(CONTRACT.model_dump_json()) == CONTRACT


def test_equal_ones_do_not_differ() -> None:
    assert CONTRACT.differences(changed()) == []
    assert CONTRACT.forecasts_like(changed())


@pytest.mark.parametrize(
    ("option", "value", "words", "alike"),
    [
        ("timestamp", "date", "timestamp time instead of date", False),
        ("label", "end", "label start instead of end", False),
        ("cadence_minutes", 10, "cadence_minutes 5 instead of 10", False),
        ("known", ("T",), "known () instead of ('T',)", True),
        ("inputs", ("T",), "inputs ('T', 'heat', 'power', 'wind') instead of ('T',)", True),
        ("targets", ("power",), "targets ('power', 'heat') instead of ('power',)", True),
        ("targets", ("heat", "power"), "targets ('power', 'heat') instead of ('heat', 'power')", False),
        ("steps_ahead", 1, "steps_ahead 3 instead of 1", False),
        ("output_length", 1, "output_length 2 instead of 1", False),
        ("min_history", 11, "history 12 instead of 11", True),
        ("lookback", 11, "history 12 instead of 11", True),
    ],
)
def test_what_users_would_notice_is_named_and_what_cannot_be_compared_is_known(
    option: str, value: Any, words: str, alike: bool
) -> None:
    """Errors can be compared where the first target is forecast for the same moments."""
    other = changed(**{option: value})
    assert CONTRACT.differences(other) == [words]
    assert CONTRACT.forecasts_like(other) == other.forecasts_like(CONTRACT) == alike


def test_another_unit_is_named_as_far_as_both_are_known() -> None:
    kilo, mega = changed(unit="kWh"), changed(unit="MWh")
    assert kilo.differences(mega) == ["unit kWh instead of MWh"]
    assert not kilo.forecasts_like(mega)
    assert kilo.differences(CONTRACT) == CONTRACT.differences(kilo) == []
    assert kilo.forecasts_like(CONTRACT)


def test_the_unit_is_that_of_the_energy_and_none_in_a_record_from_before_it_was_kept() -> None:
    power = READINGS.model_copy(update={"kind": "power", "unit": "kW"})
    assert Contract.of(power, WINDOW).unit == "kWh"
    record = {"readings": power.model_dump(mode="json"), "window": WINDOW.model_dump(mode="json")}
    assert Contract.of_saved(record) == Contract.of(power, WINDOW)
    del record["readings"]["unit"], record["readings"]["kind"]
    assert Contract.of_saved(record).unit is None
    old = CONTRACT.model_dump(mode="json", exclude={"unit"})
    assert Contract.model_validate(old).unit is None


def test_what_rows_to_come_must_hold_is_a_part_of_it_and_holidays_are_not() -> None:
    """Whoever uses a model brings rows to come for its known columns; holidays it works out by itself."""
    ahead = READINGS.model_copy(update={"features": ("wind",), "known": ("T",), "holidays": "BE"})
    contract = Contract.of(ahead, WINDOW)
    assert (contract.inputs, contract.known) == (CONTRACT.inputs, ("T",))
    record = {"readings": ahead.model_dump(mode="json"), "window": WINDOW.model_dump(mode="json")}
    assert Contract.of_saved(record) == contract
    del record["readings"]["known"], record["readings"]["holidays"]
    assert Contract.of_saved(record).known == ()
    assert Contract.model_validate(CONTRACT.model_dump(mode="json", exclude={"known"})) == CONTRACT


def test_less_history_disturbs_nobody() -> None:
    assert CONTRACT.differences(changed(lookback=13)) == []
    assert changed(lookback=24, min_history=12).differences(CONTRACT) == []
    assert Contract.of(READINGS, WINDOW.model_copy(update={"min_history": 3})).history == 3


def test_all_that_differs_is_named() -> None:
    other = changed(timestamp="date", steps_ahead=1, lookback=6)
    assert CONTRACT.differences(other) == [
        "timestamp time instead of date",
        "steps_ahead 3 instead of 1",
        "history 12 instead of 6",
    ]


def test_readings_that_must_reach_back_further_are_named_and_less_far_disturb_nobody() -> None:
    window = WINDOW.model_copy(update={"seasonal_lags": (1, 7)})
    week = Contract.of(READINGS, window)
    assert week.seasonal_days == 7
    assert week.differences(CONTRACT) == ["readings of 7 days instead of 0"]
    assert CONTRACT.differences(week) == []
    assert Contract.of(READINGS, window.model_copy(update={"min_history": 2})).seasonal_days == 0
    record = {"readings": READINGS.model_dump(mode="json"), "window": window.model_dump(mode="json")}
    assert Contract.of_saved(record) == week
