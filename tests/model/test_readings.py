"""Which readings a model uses: names and options."""

import pytest
from pydantic import ValidationError

from wattcast.model.readings import ReadingsConfig, nearest
from wattcast.tasks.data.uci import UCI_COLUMNS


@pytest.mark.parametrize(
    ("name", "hint"),
    [("appliances", ": did you mean 'Appliances'?"), ("RH1", ": did you mean 'RH_1'?"), ("gas meter", "")],
)
def test_nearest_name(name, hint):
    assert nearest(name, UCI_COLUMNS) == hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ("T1",), "features": ("T1",)}, r"received twice: \['T1'\]"),
        ({"timestamp": "lights", "features": ("lights",)}, r"received twice: \['lights'\]"),
        ({"features": ("T1", "T2"), "known": ("T2",)}, r"features and known, received twice: \['T2'\]"),
        ({"targets": ("T1",), "known": ("T1",)}, r"received twice: \['T1'\]"),
        ({"known": ("made_at",)}, "'made_at' is the name of a column of every forecast"),
        ({"targets": ()}, "targets"),
        ({"cadence_minutes": 0}, "cadence_minutes"),
        ({"time": "clock"}, "'none' or 'calendar'"),
        ({"target": "Appliances"}, "target"),
        (
            {"unit": "kWh", "kind": "power"},
            r"one of power \(W, kW, MW, GW or TW\) where kind is 'power', received 'kWh'",
        ),
        ({"unit": "kVA", "kind": "power"}, "received 'kVA'; of readings that are energy say readings.kind = 'energy'"),
        ({"unit": "kW"}, "one of energy where kind is 'energy', received 'kW'; .* say readings.kind = 'power'"),
        ({"unit": "MW", "kind": "counter"}, "one of energy where kind is 'counter', received 'MW'"),
        ({"unit": "<b>kWh</b>"}, "without brackets or quotes, received '<b>kWh</b>'"),
        ({"unit": " kWh"}, "received ' kWh'"),
    ],
)
def test_config_names_what_is_wrong(options, message):
    with pytest.raises(ValidationError, match=message):
        ReadingsConfig(**options)


@pytest.mark.parametrize(
    ("kind", "unit", "energy"),
    [
        ("energy", "Wh", "Wh"),
        ("energy", "MJ", "MJ"),
        ("counter", "kWh", "kWh"),
        ("counter", "m³", "m³"),
        ("power", "W", "Wh"),
        ("power", "kW", "kWh"),
        ("power", "GW", "GWh"),
        ("energy", None, None),
        ("power", None, None),
    ],
)
def test_forecasts_and_scores_are_in_energy(kind, unit, energy):
    assert ReadingsConfig(kind=kind, unit=unit).energy_unit == energy
