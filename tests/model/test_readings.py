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
        ({"targets": ()}, "targets"),
        ({"cadence_minutes": 0}, "cadence_minutes"),
        ({"time": "clock"}, "'none' or 'calendar'"),
        ({"target": "Appliances"}, "target"),
    ],
)
def test_config_names_what_is_wrong(options, message):
    with pytest.raises(ValidationError, match=message):
        ReadingsConfig(**options)
