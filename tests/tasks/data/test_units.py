"""The unit of the targets: taken where the file states it, asked for where it contradicts, and never guessed."""

from __future__ import annotations

import pytest

from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.data.units import heading_unit, require_unit, settle_unit

ROW = "the row under the heading"


def settled(*targets: str, units: dict[str, str] | None = None, **options: object) -> tuple[str | None, str | None]:
    config, said = settle_unit(ReadingsConfig(targets=targets, **options), units or {}, by=ROW)
    return config.unit, said


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("load [kWh]", "kWh"),
        ("load (kWh)", "kWh"),
        ("load[ KWH ]", "kWh"),
        ("kWh", "kWh"),
        ("KWh", "kWh"),
        ("energy_kwh", "kWh"),
        ("load_wh", "Wh"),
        ("Usage kWh", "kWh"),
        ("Meter-1 MWh", "MWh"),
        ("Wärme [GJ]", "GJ"),
        ("load [W]", "W"),
        ("power_w", "W"),
        ("Leistung kW", "kW"),
        ("W", "W"),
    ],
)
def test_a_heading_that_leaves_no_doubt_states_the_unit(heading: str, unit: str) -> None:
    assert heading_unit(heading) == unit


@pytest.mark.parametrize(
    "heading",
    [
        "load",
        "Appliances",
        "load [kWh/h]",
        "load kWh/h",
        "kWh/h",
        "price [EUR/kWh]",
        "EUR/kWh",
        "price per kWh",
        "cost_kwh",
        "tariff (kWh)",
        "0.1 kWh",
        "load x100 kWh",
        "kW or kWh",
        "load (kW) [kWh]",
        "Zone W",  # the west
        "Zone J",
        "load [mWh]",
        "kWh [old meter]",
        "load [m3]",
        "",
        "[]",
        "awh",
        "show",
    ],
)
def test_a_heading_that_may_mean_something_else_states_none(heading: str) -> None:
    assert heading_unit(heading) is None


def test_what_is_stated_is_taken_with_the_evidence() -> None:
    assert settled("load [kWh]") == ("kWh", "the unit of 'load [kWh]' is kWh, as its heading says")
    assert settled("load", units={"load": "[kWh]", "T": "°C"}) == ("kWh", f"the unit of 'load' is kWh, as {ROW} says")
    assert settled("kW", kind="power")[0] == "kW"
    assert settled("kWh", kind="counter")[0] == "kWh"


def test_what_is_not_stated_stays_unknown_and_one_sentence_says_what_to_do() -> None:
    said = "the unit of 'load' is not known: say readings.unit = \"kWh\" and figures show it"
    assert settled("load") == (None, said)
    assert settled("load", units={"load": "kWh/h", "T": "°C"}) == (None, said)
    assert settled("load", kind="power")[1] == said.replace('"kWh"', '"kW"')
    assert settled("load [kWh]", units={"load [kWh]": "Wh"})[0] is None  # two rows of one file that differ
    assert settled("load", "heat [kWh]") == (None, said)  # that one is known says nothing of the other


def test_targets_of_several_units_have_no_unit_in_common() -> None:
    said = (
        "the targets have several units, so that figures show none: the unit of 'a_kwh' is kWh, as its heading says; "
        "the unit of 'b_wh' is Wh, as its heading says"
    )
    assert settled("a_kwh", "b_wh") == (None, said)
    assert settled("a_kwh", "b_kwh")[0] == "kWh"


@pytest.mark.parametrize("kind", ["energy", "counter"])
def test_power_in_a_heading_and_energy_in_the_configuration_are_a_question(kind: str) -> None:
    with pytest.raises(InputError) as fault:
        settled("load [kW]", kind=kind)
    assert str(fault.value) == (
        f"'load [kW]' is in kW, as its heading says, which is power, and readings.kind is {kind!r}: say "
        'readings.kind = "power", whose mean over a step becomes kWh, or readings.unit = "kWh" where each reading is '
        "energy"
    )


def test_energy_in_a_heading_and_power_in_the_configuration_are_a_question() -> None:
    with pytest.raises(InputError, match=r"'load' is in MWh, as the row .* is 'power': .* or readings.unit = \"MW\""):
        settled("load", units={"load": "MWh"}, kind="power")


def test_a_unit_that_is_given_holds_with_a_word_where_the_file_says_another() -> None:
    assert settled("load", unit="kWh") == settled("load [kWh]", unit="kWh") == ("kWh", None)
    assert settled("load [kW]", unit="kWh") == (
        "kWh",
        "readings.unit = 'kWh' is given and holds, though the unit of 'load [kW]' is kW, as its heading says",
    )
    unit, said = settled("load", units={"load": "kWh"}, unit="kW", kind="power")
    assert (unit, said is not None and said.endswith(f"'load' is kWh, as {ROW} says")) == ("kW", True)


def test_a_file_to_forecast_from_that_says_another_unit_than_the_model_reads_is_refused() -> None:
    config = ReadingsConfig(targets=("load",), unit="Wh")
    require_unit(config, {"load": "[wh]", "temperature": "kWh"})
    require_unit(config, {})
    with pytest.raises(InputError, match="'load' is in kWh, as the row under the heading says, and the model reads Wh"):
        require_unit(config, {"load": "kWh"})
