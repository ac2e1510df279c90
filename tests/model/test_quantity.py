"""Units, power and negative values, by hand-computed numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wattcast.model.quantity import (
    FACTORS,
    Quantity,
    negative_faults,
    power_to_energy,
    to_base_unit,
)

NAN = np.nan


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def same(got: list[float], *want: float) -> None:
    np.testing.assert_array_equal(got, want)


# Units


def test_units_by_hand():
    values = floats(1, 2.5, -4)
    for unit, factor in {"Wh": 1, "kWh": 1e3, "MWh": 1e6, "GWh": 1e9, "W": 1, "kW": 1e3, "MW": 1e6}.items():
        same(to_base_unit(values, unit).tolist(), factor, 2.5 * factor, -4 * factor)
    same(to_base_unit(floats(3600, 1800), "J").tolist(), 1, 0.5)
    same(to_base_unit(floats(3.6, 1), "MJ").tolist(), 1000, 1e6 / 3600)


@given(st.integers(-(10**6), 10**6))
def test_thousands_of_whole_numbers_are_exact(whole):
    for small, large in (("Wh", "kWh"), ("kWh", "MWh"), ("MWh", "GWh"), ("W", "kW"), ("kW", "MW")):
        assert to_base_unit(floats(whole * 1000), small) == to_base_unit(floats(whole), large)
    assert to_base_unit(floats(whole * 3600), "J") == whole


def test_power_is_a_mean_over_its_step():
    same(power_to_energy(floats(1200, 0, NAN, -60), minutes=15).tolist(), 300, 0, NAN, -15)
    same(power_to_energy(floats(60), minutes=1).tolist(), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "power"}, r"given in W, kW, MW, received unit 'Wh'"),
        ({"kind": "counter", "unit": "kW"}, r"given in Wh, kWh, MWh, GWh, J, MJ, received unit 'kW'"),
        ({"unit": "W"}, r"kind 'energy' are given in Wh"),
        ({"kind": "gas"}, "kind"),
        ({"unit": "kwh"}, "unit"),
    ],
)
def test_config_names_what_is_wrong(options, message):
    with pytest.raises(ValidationError, match=message):
        Quantity(**options)


def test_every_unit_suits_one_kind():
    for unit in FACTORS:
        assert Quantity(kind="power" if unit.endswith("W") else "counter", unit=unit).unit == unit
    assert Quantity() == Quantity(kind="energy", unit="Wh", signed=False)


# Negative values


def test_negative_values_are_a_fault_unless_they_are_declared():
    values = floats(1, NAN, -1.5, 0, -2)
    (fault,) = negative_faults(values, "wh", signed=False)
    assert fault.startswith("column 'wh' must not be negative, received -1.5 in row 2 and in 1 rows more; a load")
    assert "readings.signed = true" in fault
    assert negative_faults(values, "wh", signed=True) == []
    assert negative_faults(floats(0, NAN), "wh", signed=False) == []
