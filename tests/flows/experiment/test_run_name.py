from __future__ import annotations

import pytest

from wattcast.flows.experiment.experiment import read_experiment
from wattcast.flows.experiment.run_name import run_name


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ((), "recommended seed 0 office"),
        (("fit.seed=3",), "recommended seed 3 office"),
        (("fit.members=1", "window.lookback=48"), "recommended members=1 lookback=48 seed 0 office"),
        (("model.layers.0.units=8",), "recommended units=8 seed 0 office"),
        (("split.train=0.5", "data=other.csv"), "recommended seed 0 office"),
        (
            ('readings.features=["a rather long name", "b"]', "fit.members=1"),
            "recommended members=1 features=a rather long name+b seed 0 office",
        ),
        (
            ("window.steps_ahead=2", *(f"fit.{name}=7" for name in ("epochs", "members", "patience", "decay_steps"))),
            "recommended decay_steps=7 epochs=7 patience=7 members=7 +1 more seed 0 office",
        ),
    ],
)
def test_a_run_is_called_by_what_tells_it_from_others(settings: tuple[str, ...], name: str) -> None:
    assert run_name(read_experiment(settings=settings), "/home/me/office.csv") == name


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (("readings.cadence_minutes=60",), "recommended-day cadence_minutes=60 seed 0 office"),
        (
            ("readings.cadence_minutes=30", "window.output_length=1d"),
            "recommended-day cadence_minutes=30 seed 0 office",
        ),
        (
            ("readings.cadence_minutes=50", "window.output_length=29"),
            "recommended-day output_length=29 cadence_minutes=50 seed 0 office",
        ),
        (("window.output_length=6h",), "recommended-day output_length=36 seed 0 office"),
    ],
)
def test_a_presets_day_is_no_difference_where_it_has_other_steps(settings: tuple[str, ...], name: str) -> None:
    assert run_name(read_experiment(preset="recommended-day", settings=settings), "office.csv") == name


def test_two_options_of_one_name_are_called_by_more_of_theirs() -> None:
    experiment = read_experiment(preset="seed-l2", settings=["data=uci"])
    layers = [{**layer.model_dump(), "units": 3 + place} for place, layer in enumerate(experiment.model.layers * 2)]
    name = run_name(experiment.changed({"model.layers": layers}), "uci")
    assert "layers.0.units=3" in name
    assert name.startswith("seed-l2 ")
    assert name.endswith(" seed 0 uci")
