"""Keras' safe mode: a saved network that holds code of its own is not loaded."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from wattcast.model.network.build import load_network


def test_a_network_with_code_in_it_is_refused_before_the_code_runs(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    inputs, path = keras.Input((3,)), str(ran)  # what Keras saves of a closure must be plain
    layer = keras.layers.Lambda(lambda values: [Path(path).touch(), values][1], output_shape=(3,))
    network = keras.Model(inputs, layer(inputs))
    network.save(tmp_path / "network.keras")
    ran.unlink(missing_ok=True)
    with pytest.raises(ValueError, match="lambda"):
        load_network(tmp_path / "network.keras")
    assert not ran.exists()
