"""Files that hold several meters one below another."""

from __future__ import annotations

import pandas as pd
import pytest

from wattcast.model.clean import check_readings, clean, settle
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig

TIMES = pd.date_range("2021-03-01", periods=48, freq="30min")
NAMES = ("MAC000001", "MAC000002", "MAC000003")


def config(**more: object) -> ReadingsConfig:
    return ReadingsConfig(timestamp="time", targets="kWh", cadence_minutes=30, **more)


def long(names: tuple[object, ...] = NAMES) -> pd.DataFrame:
    """Each meter after the other; the n-th reads n times as much as the first."""
    each = [
        pd.DataFrame({"time": TIMES, "LCLid": name, "tariff": "Std", "kWh": [n * (1.0 + row) for row in range(48)]})
        for n, name in enumerate(names, 1)
    ]
    return pd.concat(each, ignore_index=True)


def test_several_meters_are_told_with_their_names_and_the_option_that_chooses() -> None:
    with pytest.raises(InputError) as asked:
        settle(long(), config())
    assert str(asked.value) == (
        "column 'LCLid' holds 3 meters, one below another: 'MAC000001', 'MAC000002', 'MAC000003'. Choose one, such as "
        'readings.meter = { column = "LCLid", is = "MAC000001" }'
    )


@pytest.mark.parametrize(("meters", "doubted"), [(range(1, 49), True), (range(1, 51), True), (range(1, 46), False)])
def test_meters_that_may_be_the_steps_of_each_day_are_asked_about_as_such(meters: range, doubted: bool) -> None:
    """Settlement periods, of which the day on which a clock is put back has fifty."""
    with pytest.raises(InputError, match="meters, one below another") as asked:
        settle(long(tuple(meters)), config())
    assert ("If they are no meters but the steps of each day, 1 to" in str(asked.value)) is doubted


def test_the_rows_of_one_meter_are_its_readings() -> None:
    chosen = config(meter={"column": "LCLid", "is": "MAC000002"})
    settled, _ = settle(long(), chosen)
    cleaned = clean(long(), settled)
    assert cleaned.notes == ("48 of 144 rows are of meter 'MAC000002', the others were left out",)
    assert cleaned.frame["kWh"].tolist() == [2 * (1.0 + row) for row in range(48)]
    mixed = long().sample(frac=1, random_state=1)
    assert check_readings(mixed, settled).equals(cleaned.frame)


@pytest.mark.parametrize(("names", "wanted"), [((7, 12), "7"), ((7.0, 12.0), "007"), (("007", "012"), "007")])
def test_meters_with_numbers_for_names(names: tuple[object, ...], wanted: str) -> None:
    made = check_readings(long(names), config(meter={"column": "LCLid", "is": wanted}))
    assert made["kWh"].iloc[0] == 1.0


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (long(), "column 'LCLid' has no meter 'MAC000009': did you mean 'MAC000003'?; it has 'MAC000001', 'MAC000002'"),
        (long().drop(columns="LCLid"), "column 'LCLid', which says the meter, is missing"),
    ],
)
def test_a_meter_that_is_not_there_is_named(frame: pd.DataFrame, fault: str) -> None:
    with pytest.raises(InputError, match=fault.replace("?", r"\?")):
        check_readings(frame, config(meter={"column": "LCLid", "is": "MAC000009"}))


def test_one_meter_needs_no_choice() -> None:
    assert settle(long(("MAC000001",)), config())[0].meter is None
    twice = pd.concat([long(("MAC000001",))] * 2)  # the same rows again are merged, not taken for a second meter
    assert settle(twice, config())[0].meter is None


def home(names: tuple[str, ...]) -> pd.DataFrame:
    """What a home system exports: each sensor reports at its own moments, so that no stamp stands twice."""
    rows = 40 * len(names)
    times = pd.date_range("2021-03-01", periods=rows, freq="97s").astype(str)
    who = [names[row % len(names)] for row in range(rows)]
    return pd.DataFrame({"entity_id": who, "state": [100.0 + row % 7 for row in range(rows)], "last_changed": times})


def test_sensors_that_report_at_their_own_moments_are_told_apart() -> None:
    ours = ReadingsConfig(timestamp="last_changed", targets="state", cadence_minutes=30)
    with pytest.raises(InputError, match=r"'entity_id' holds 2 meters.*'sensor.energy', 'sensor.power'"):
        settle(home(("sensor.energy", "sensor.power")), ours)
    with pytest.raises(InputError, match="'device' holds 2 meters"):
        settle(home(("Attic", "Cellar")).rename(columns={"entity_id": "device"}), ours)


def test_what_changes_from_row_to_row_is_no_meter_by_itself() -> None:
    ours = ReadingsConfig(timestamp="last_changed", targets="state", cadence_minutes=30)
    for heading in ("tariff", "meter_status", "sensor_type"):
        settle(home(("HT", "NT")).rename(columns={"entity_id": heading}), ours)
    remarks = home(("ok", "ok", "ok")).rename(columns={"entity_id": "sensor"})
    remarks.loc[::30, "sensor"] = "fault"
    settle(remarks, ours)
    replaced = home(("sensor.old", "sensor.new")).sort_values("entity_id", kind="stable")
    settle(replaced.assign(last_changed=sorted(replaced["last_changed"])), ours)
