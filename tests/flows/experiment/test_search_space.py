"""Search spaces of real presets: what may be searched, and what is said about the rest."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
import pytest

from wattcast.flows.experiment.experiment import Experiment, read_experiment
from wattcast.flows.experiment.offered import preset_names
from wattcast.flows.experiment.search_space import check_space, suggested, untuned
from wattcast.model.errors import InputError
from wattcast.tasks.tuning.ranges import Range


def refused(*settings: str, preset: str = "recommended") -> str:
    """What is said about a space."""
    with pytest.raises(InputError) as error:
        check_space(read_experiment(preset=preset, settings=settings))
    return str(error.value)


def checked(*settings: str, preset: str = "recommended") -> Experiment:
    experiment = read_experiment(preset=preset, settings=settings)
    check_space(experiment)
    return experiment


def drawn(experiment: Experiment, seeds: Iterable[int]) -> list[dict[str, Any]]:
    """What trials at random are given."""
    samplers = map(optuna.samplers.RandomSampler, seeds)
    return [suggested(optuna.create_study(sampler=sampler).ask(), experiment.sweep) for sampler in samplers]


@pytest.mark.parametrize("preset", preset_names())
def test_the_space_of_each_preset_can_be_searched(preset: str) -> None:
    """Its own values are in it, and an experiment can be made of whatever is drawn."""
    experiment = checked(preset=preset)
    flat = experiment.flat()
    assert untuned(experiment) == {name: flat[name] for name in experiment.sweep}
    assert len(experiment.sweep) >= 5
    assert all(values.has(flat[name]) for name, values in experiment.sweep.items())
    for values in drawn(experiment, range(20)):
        assert {name: experiment.changed(values).flat()[name] for name in values} == values
        assert all(experiment.sweep[name].has(value) for name, value in values.items())


@pytest.mark.parametrize(
    ("setting", "kinds", "some"),
    [
        ("model.layers.0.units={low=16, high=128, step=16}", {int}, {16, 48, 128}),
        ("model.layers.0.units={low=8, high=256, log=true}", {int}, set()),
        ("model.layers.0.units={choices=[32, 48, 64]}", {int}, {32, 48, 64}),
        ("window.lookback={low=23, high=25}", {int}, {23, 24, 25}),
        ("fit.loss={choices=['mse', 'mae', 'huber']}", {str}, {"mse", "mae", "huber"}),
        ("model.residual={choices=[true, false]}", {bool}, {True, False}),
        ("fit.clip_norm={low=0, high=1}", {float}, set()),
        ("fit.members={choices=[1, 4]}", {int}, {1, 4}),
        ("scale.targets={choices=['standard', 'log']}", {str}, {"standard", "log"}),
    ],
)
def test_options_of_all_kinds_can_be_searched(setting: str, kinds: set[type], some: set[Any]) -> None:
    experiment = checked(f"sweep.{setting}")
    name = setting.partition("=")[0]
    values = [trial[name] for trial in drawn(experiment, range(80))]
    assert {type(value) for value in values} == kinds
    assert some <= set(values)
    for value in set(values):
        assert experiment.changed({name: value}).flat()[name] == value


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fit.decay_rat={low=0.1, high=0.2}", "there is no such option: did you mean 'fit.decay_rate'?"),
        ("nonsense={low=0.1, high=0.2}", "there is no such option. Allowed: preset, data, file.encoding, "),
        ("model.layers.1.units={low=1, high=2}", "there is no such option: did you mean 'model.layers.0.units'?"),
        ("fit.seed={low=0, high=9}", "this option cannot be searched: a seed is luck, not a setting"),
        ("fit.kernel={choices=['auto', 'keras']}", "this option cannot be searched: it changes the speed"),
        ("fit.refit={choices=[true, false]}", "this option cannot be searched: trials are judged on validation"),
        (
            "preset={choices=['recommended', 'seed-l2']}",
            "this option cannot be searched: ranges are those of one preset",
        ),
        ("data={choices=['uci', 'simulated']}", "this option cannot be searched: trials must be judged on the same"),
        ("readings.time={choices=['none', 'calendar']}", "this option cannot be searched: trials must be judged on"),
        ("split.train={low=0.5, high=0.7}", "this option cannot be searched: trials must be judged on the same rows"),
        ("window.steps_ahead={low=1, high=6}", "this option cannot be searched: trials must forecast the same"),
        ("window.output_length={low=1, high=6}", "this option cannot be searched: trials must forecast the same"),
        ("window.min_history={choices=[3, 6]}", "this option cannot be searched: trials must be judged on the same"),
        ("fit.loss={low=0, high=1}", "it is no number: give choices instead of low and high"),
        ("model.residual={low=0, high=1}", "it is no number: give choices instead of low and high"),
        (
            "window.lookback={low=12, high=36, step=1.5}",
            "it takes whole numbers, received low = 12, high = 36, step = 1.5",
        ),
        ("window.lookback={low=1.5, high=36}", "it takes whole numbers, received low = 1.5, high = 36, step = None"),
        (
            "fit.batch_size={choices=[128, 64.5]}",
            "64.5 cannot be used: fit.batch_size: Input should be a valid integer",
        ),
        (
            "fit.decay_rate={low=0.01, high=5}",
            "5 cannot be used: fit.decay_rate: Input should be less than or equal to 1",
        ),
        ("fit.decay_rate={low=0, high=1}", "0 cannot be used: fit.decay_rate: Input should be greater than 0"),
        (
            "fit.loss={choices=['mse', 'hubr']}",
            "'hubr' cannot be used: fit.loss: Input should be 'mse', 'mae' or 'huber'",
        ),
        (
            "model.regularisation_scale={low=0, high=1}",
            "1 cannot be used: model: regularisation_scale acts on the tanh layer's kernel",
        ),
        (
            "fit.decay_rate={low=0.7, high=1}",
            "the untuned value 0.66, which is tried first, is not among its values: widen them or set fit.decay_rate",
        ),
        ("fit.loss={choices=['mae', 'huber']}", "the untuned value 'mse', which is tried first, is not among"),
        ("model.layers.0.units={low=16, high=66, step=10}", "the untuned value 48, which is tried first, is not among"),
    ],
)
def test_what_no_trial_could_use_is_refused(setting: str, message: str) -> None:
    told = refused(f"sweep.{setting}")
    assert told.startswith(f"sweep.{setting.partition('=')[0]}: {message}")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "fit.decay_rate={low=2, high=1}",
            "sweep.fit.decay_rate: low must be below high, received low = 2 and high = 1",
        ),
        ("fit.decay_rate={lo=0.1, high=1}", "sweep.fit.decay_rate.lo: there is no such option: did you mean 'low'?"),
        ("fit.decay_rate={low=0.1}", "sweep.fit.decay_rate: give low and high, or choices"),
        ("fit.decay_rate.low=0.1", "sweep.fit.decay_rate: give low and high, or choices"),  # a range is replaced whole
        ("fit.decay_rate=0.5", "sweep.fit.decay_rate: Input should be a valid dictionary or instance of Range"),
    ],
)
def test_what_is_no_range_is_refused_when_it_is_read(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read_experiment(settings=[f"sweep.{setting}"])


def test_all_faults_are_told_at_once() -> None:
    told = refused(
        "sweep.fit.decay_rat={low=0.1, high=0.2}",
        "sweep.fit.seed={low=0, high=9}",
        "sweep.fit.batch_size={low=1.5, high=2}",
        "sweep.fit.patience={low=0, high=99}",
        "sweep.fit.loss={choices=['mae', 'huber']}",
    ).splitlines()
    assert [line.split(": ")[0] for line in told] == [
        "sweep.fit.decay_rat",
        "sweep.fit.seed",
        "sweep.fit.batch_size",
        "sweep.fit.patience",
        "sweep.fit.loss",
    ]


def test_nothing_to_search_is_told_with_an_example() -> None:
    experiment = read_experiment().model_copy(update={"sweep": {}})
    with pytest.raises(
        InputError, match=r"preset 'recommended' .* have nothing to search: give ranges in a table \[sweep\]"
    ):
        check_space(experiment)


NESTED = """
[sweep.fit]
decay_rate = { low = 0.05, high = 1.0 }
[sweep.window]
lookback = { low = 12, high = 36 }
[sweep.model]
layers.0.units = { choices = [32, 48] }
"""
DOTTED = """
[sweep]
fit.decay_rate = { low = 0.05, high = 1.0 }
window.lookback = { low = 12, high = 36 }
model.layers.0.units = { choices = [32, 48] }
"""
QUOTED = """
[sweep]
"fit.decay_rate" = { low = 0.05, high = 1.0 }
"window.lookback" = { low = 12, high = 36 }
"model.layers.0.units" = { choices = [32, 48] }
"""


@pytest.mark.parametrize("text", [NESTED, DOTTED, QUOTED], ids=["nested", "dotted", "quoted"])
def test_ranges_may_be_nested_or_dotted(text: str, tmp_path: Path) -> None:
    """They come to those of the preset; one of the same option is replaced whole, its logarithm, too."""
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    experiment = read_experiment(config=file)
    check_space(experiment)
    assert experiment.sweep == {
        **read_experiment().sweep,
        "fit.decay_rate": Range(low=0.05, high=1.0),
        "window.lookback": Range(low=12, high=36),
        "model.layers.0.units": Range(choices=(32, 48)),
    }
    assert Experiment.model_validate(tomllib.loads(experiment.to_toml())) == experiment


def test_settings_give_ranges_by_any_of_their_names() -> None:
    given = (
        "sweep.fit.decay_rate={low=0.05, high=1.0}",
        "sweep.fit={decay_rate={low=0.05, high=1.0}}",
        "sweep={fit.decay_rate={low=0.05, high=1.0}}",
    )
    spaces = [checked(setting).sweep for setting in given]
    assert (
        spaces[0] == spaces[1] == spaces[2] == {**read_experiment().sweep, "fit.decay_rate": Range(low=0.05, high=1.0)}
    )
