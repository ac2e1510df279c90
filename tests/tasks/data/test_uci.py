"""The columns of the UCI file, and who reads them."""

from __future__ import annotations

import pytest

from wattcast.flows.experiment.experiment import read_experiment
from wattcast.tasks.data.uci import ENERGY_COLUMNS, NOISE_COLUMNS, ROOM_COLUMNS, UCI_COLUMNS, WEATHER_COLUMNS


def test_columns_in_the_order_of_the_file() -> None:
    assert len(UCI_COLUMNS) == 28
    assert UCI_COLUMNS[:6] == ("Appliances", "lights", "T1", "RH_1", "T2", "RH_2")
    assert UCI_COLUMNS[18:] == ("T9", "RH_9", *WEATHER_COLUMNS, "rv1", "rv2")


@pytest.mark.parametrize("preset", ["seed-dropout", "seed-rnn-dropout", "seed-l2", "seed-sequence", "seed-variable"])
def test_the_seeds_presets_read_all_columns_but_the_noise(preset: str) -> None:
    columns = read_experiment(preset=preset).readings.columns
    assert columns == ENERGY_COLUMNS + ROOM_COLUMNS + WEATHER_COLUMNS
    assert columns == tuple(name for name in UCI_COLUMNS if name not in NOISE_COLUMNS)
