"""Reading experiments: presets, files, settings, and what is said about a wrong one."""

from __future__ import annotations

import inspect
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from wattcast.flows.experiment.dotted import merge
from wattcast.flows.experiment.experiment import Experiment, describe, read_experiment, read_preset
from wattcast.flows.experiment.offered import preset_names
from wattcast.model.errors import InputError


def test_the_presets_are_the_seeds_those_of_its_next_chapter_and_ours() -> None:
    seeds = ["seed-dropout", "seed-l2", "seed-rnn-dropout", "seed-sequence", "seed-variable"]
    assert preset_names() == ["recommended", "recommended-day", "recommended-mae", *seeds]


def test_the_recommended_ones_are_twins_of_four_networks() -> None:
    squared, absolute = (read_experiment(preset=name).flat() for name in ("recommended", "recommended-mae"))
    differ = {name: (squared[name], absolute[name]) for name in squared if squared[name] != absolute[name]}
    assert differ["fit.loss"] == ("mse", "mae")
    tuned = {"fit.initial_learning_rate", "fit.decay_steps", "fit.decay_rate", "model.readout_keep_prob"}  # by sweep
    assert set(differ) == {"preset", "scale.targets", "fit.loss", "fit.epochs", "fit.patience"} | tuned
    assert squared["fit.members"] == 4
    assert squared["fit.kernel"] == "auto"


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_an_experiment_and_its_toml_gives_it_again(name: str) -> None:
    experiment = read_experiment(preset=name)
    assert experiment.preset == name
    assert Experiment.model_validate(tomllib.loads(experiment.to_toml())) == experiment


@pytest.mark.parametrize("name", [name for name in preset_names() if name.startswith("seed-")])
def test_the_seed_presets_are_of_the_seeds_form(name: str) -> None:
    experiment = read_experiment(preset=name)
    assert (experiment.scale.features, experiment.scale.targets) == ("minmax", "minmax")
    assert experiment.readings.time == "none"
    assert experiment.window.output_length == (experiment.window.lookback if name == "seed-sequence" else 1)
    assert not experiment.model.reset_after
    assert experiment.model.gate_bias == 1
    assert experiment.model.readout == ("outputs" if name == "seed-sequence" else "states")
    next_chapter = name in {"seed-sequence", "seed-variable"}
    assert (experiment.fit.loss, experiment.fit.refit) == ("mse", False)
    assert experiment.fit.optimiser == ("adam" if next_chapter else "sgd")
    assert experiment.window.padded == (name == "seed-variable")
    assert experiment.fit.members == 1
    assert experiment.fit.decay_rate < 1
    assert (experiment.model.readout_keep_prob < 1) == (name == "seed-dropout")
    assert any(layer.output_keep_prob < 1 for layer in experiment.model.layers) == (name == "seed-rnn-dropout")
    assert (experiment.model.regularisation_scale > 0) == (name == "seed-l2")
    assert experiment.model.tanh_layer == (name == "seed-l2")


def test_parts_that_do_not_fit_each_other_are_named_together() -> None:
    with pytest.raises(InputError) as caught:
        read_experiment(preset="seed-sequence", settings=["window.lookback=24"])
    assert str(caught.value) == (
        "with model.readout = 'outputs' each step of the lookback gives one of the forecast: window.lookback and "
        "window.output_length must be equal, received 24 and 12"
    )


DURATIONS = (
    "window.lookback=2d",
    "window.output_length=1d",
    "window.steps_ahead=1h",
    "window.min_history=12h",
    "sweep.window.lookback={low='1d', high='3d', step='12h'}",
)


@pytest.mark.parametrize(("minutes", "of_an_hour"), [(10, 6), (30, 2), (60, 1)])
def test_durations_of_the_window_are_steps_of_the_readings(minutes: int, of_an_hour: int) -> None:
    cadence = f"readings.cadence_minutes={minutes}"
    said = read_experiment(preset="recommended-day", settings=[*DURATIONS, cadence])
    counted = [
        f"window.lookback={48 * of_an_hour}",
        f"window.output_length={24 * of_an_hour}",
        f"window.steps_ahead={of_an_hour}",
        f"window.min_history={12 * of_an_hour}",
        f"sweep.window.lookback={{low={24 * of_an_hour}, high={72 * of_an_hour}, step={12 * of_an_hour}}}",
    ]
    assert said == read_experiment(preset="recommended-day", settings=[*counted, cadence])
    assert said.flat()["window.output_length"] == 24 * of_an_hour  # what a run keeps
    assert said.changed({"window.lookback": "3d"}).window.lookback == 72 * of_an_hour
    assert read_experiment(preset="recommended-day", settings=[cadence]).window.output_length == 24 * of_an_hour


def test_a_wrong_duration_is_told_with_all_other_faults() -> None:
    wrong = ["window.lookback=6 hours", "window.min_history=1.5h", "window.steps_ahead=-1d", "fit.epochs=0"]
    with pytest.raises(InputError) as caught:
        read_experiment(settings=[*wrong, "readings.cadence_minutes=60", "sweep.window.lookback={choices=['90m']}"])
    kinds = "a number of steps, or a duration in days or hours such as 1d or 6h"
    assert sorted(str(caught.value).splitlines()) == [
        "fit.epochs: Input should be greater than or equal to 1, received 0",
        f"sweep: window.lookback: must be {kinds}, received '90m'",
        f"window.lookback: must be {kinds}, received '6 hours'",
        "window.min_history: must be whole steps of 60 minutes, at least one, received '1.5h': the nearest is 1h or 2h",
        f"window.steps_ahead: must be {kinds}, received '-1d'",
    ]


def test_durations_are_no_second_fault_where_the_cadence_is_wrong() -> None:
    with pytest.raises(InputError) as caught:
        read_experiment(preset="recommended-day", settings=[*DURATIONS, "readings.cadence_minutes=0"])
    assert str(caught.value) == "readings.cadence_minutes: Input should be greater than 0, received 0"


def test_more_steps_than_there_may_be_are_refused() -> None:
    with pytest.raises(InputError, match=r"^window.lookback: Input should be less than or equal to 1000000"):
        read_experiment(settings=["window.lookback=999999d"])


def test_a_form_takes_durations() -> None:
    window = Experiment.model_json_schema()["$defs"]["WindowConfig"]["properties"]
    for name in ("lookback", "output_length", "steps_ahead", "min_history"):
        assert {"integer", "string"} <= {kind["type"] for kind in window[name]["anyOf"]}


def test_later_changes_win(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('preset = "seed-l2"\n[fit]\nseed = 1\nepochs = 7\nbatch_size = 9\n', encoding="utf-8")
    experiment = read_experiment(
        config=file, settings=["fit.seed=2", "fit.epochs=8"], options={"fit.seed": 3, "data": None}
    )
    assert experiment.preset == "seed-l2"
    assert (experiment.fit.seed, experiment.fit.epochs, experiment.fit.batch_size) == (3, 8, 9)
    assert experiment.model == read_experiment(preset="seed-l2").model
    assert experiment.data == "auto"


@pytest.mark.parametrize("first", [True, False])
def test_levels_alone_leave_what_else_is_said_of_intervals(tmp_path: Path, first: bool) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("intervals = [0.8]\n" if first else "[intervals]\nlevels = [0.8]\nadaptive = false\n")
    settings = ["intervals.by_hour=false", "intervals=[0.5, 0.9]"]
    intervals = read_experiment(config=file, settings=settings if first else settings[::-1]).intervals
    assert (intervals.levels, intervals.by_hour, intervals.adaptive) == ((0.5, 0.9), False, first)
    assert read_experiment(config=file, settings=settings[:1]).intervals.levels == (0.8,)


def test_a_preset_stands_on_the_command_line_or_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[fit]\nepochs = 7\n", encoding="utf-8")
    experiment = read_experiment(preset="seed-l2", config=file)
    assert experiment == read_experiment(preset="seed-l2", settings=["fit.epochs=7"])
    file.write_text('preset = "seed-l2"\n[fit]\nepochs = 7\n', encoding="utf-8")
    assert read_experiment(config=file) == read_experiment(preset="seed-l2", config=file) == experiment
    with pytest.raises(InputError, match=r"'seed-dropout' on the command line and 'seed-l2' in .*mine.toml"):
        read_experiment(preset="seed-dropout", config=file)


@pytest.mark.parametrize("name", [5, ["seed-l2"], "Recommended"])
def test_a_preset_that_is_none_is_named(tmp_path: Path, name: object) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"preset = {name!r}\n", encoding="utf-8")
    with pytest.raises(InputError, match="there is no preset"):
        read_experiment(config=file)


def test_settings_are_read_as_toml_or_as_text() -> None:
    experiment = read_experiment(
        settings=["model.layers=[{units=3}, {units=2}]", "model.layers.1.units=5", "fit.loss=mae", "data=my file.csv"]
    )
    assert [layer.units for layer in experiment.model.layers] == [3, 5]
    assert experiment.fit.loss == "mae"
    assert experiment.data == "my file.csv"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fit.learning_rate=1", "fit.learning_rate: there is no such option: did you mean 'initial_learning_rate'?"),
        ("modl.residual=true", "modl: there is no such option: did you mean 'model'?"),
        ("model.layers.0.uints=3", "model.layers.0.uints: there is no such option: did you mean 'units'?"),
        ("fit.zzz=3", "fit.zzz: there is no such option. Allowed: loss, optimiser, initial_learning_rate"),
        ("fit.epochs=0", "fit.epochs: Input should be greater than or equal to 1, received 0"),
        ("fit.loss=rmse", "fit.loss: Input should be 'mse', 'mae' or 'huber', received 'rmse'"),
        ("fit.kernel=turbo", "fit.kernel: Input should be 'auto', 'keras' or 'fast', received 'turbo'"),
        ("fit.members=0", "fit.members: Input should be greater than or equal to 1, received 0"),
        ("fit.members=65", "fit.members: Input should be less than or equal to 64, received 65"),
        ("model.layers.7.units=3", "'7' is no place in a list of 1: count from 0 to 0"),
        ("model.regularisation_scale=0.1", "set tanh_layer = true or regularisation_scale = 0"),
        ("split.train=0.9", "split: train + validation must leave rows for the test part, received 0.9 + 0.2"),
        ("readings.features=['Appliances']", "each column may stand once"),
        ("no equals sign", "a setting must be name=value, such as fit.seed=1, received 'no equals sign'"),
        ("preset=seed-l2", "a preset is what settings change: choose it with --preset seed-l2"),
        ("fit.initial_learning_rate=inf", "fit.initial_learning_rate: Input should be a finite number, received inf"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(setting: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_experiment(settings=[setting])
    assert message in str(error.value)


def test_all_faults_come_in_one_message() -> None:
    with pytest.raises(InputError) as error:
        read_experiment(settings=["fit.epochs=0", "window.lookback=x", "scale.target=log"])
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "scale.target",
        "window.lookback",
        "fit.epochs",
    ]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"[fit", "cannot be read"), (b"\xff\xfe", "cannot be read")]
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.toml.*" + message):
        read_experiment(config=file)


def test_an_experiment_can_be_given_as_what_differs_from_a_preset() -> None:
    given = {"preset": "seed-l2", "fit": {"seed": 4}}
    assert Experiment.model_validate(given) == read_experiment(preset="seed-l2", settings=["fit.seed=4"])
    assert Experiment.model_validate({}) == read_experiment()
    assert given == {"preset": "seed-l2", "fit": {"seed": 4}}


def test_merging_changes_neither_side() -> None:
    base, changes = {"a": {"b": 1, "c": [1]}}, {"a": {"b": 2}}
    assert merge(base, changes) == {"a": {"b": 2, "c": [1]}}
    assert (base, changes) == ({"a": {"b": 1, "c": [1]}}, {"a": {"b": 2}})


def test_every_option_has_a_name_and_a_meaning() -> None:
    flat = read_experiment().flat()
    assert flat["model.layers.0.units"] == read_preset("recommended")["model"]["layers"][0]["units"]
    assert all(len(describe(name)) > 10 for name in flat)
    assert describe("fit.decay_steps") == "updates between two drops of the learning rate"


def test_a_form_offers_presets_and_is_filled_with_nothing_that_would_win_over_them() -> None:
    form = Experiment.model_json_schema()
    assert form["properties"]["preset"]["enum"] == preset_names()
    tables = [form, *form["$defs"].values()]
    assert {"GRUConfig", "FitConfig", "SplitConfig"} <= set(form["$defs"])
    assert not [table for table in tables if "required" in table]
    options = [option for table in tables for option in table["properties"].values()]
    assert not [option for option in options if "default" in option]
    kinds = [kind for option in options for kind in option.get("anyOf", [option])]
    assert not [kind for kind in kinds if kind.get("type") == "boolean" or kind.get("format") == "date-time"]
    assert form["$defs"]["FitConfig"]["properties"]["refit"]["enum"] == [True, False]


@pytest.mark.parametrize("flow", ["train", "sweep", "retrain", "replay", "backtest"])
def test_a_flow_without_an_experiment_is_the_recommended_one(flow: str) -> None:
    function = getattr(import_module(f"wattcast.flows.{flow}"), flow)
    assert function.parameters.properties["experiment"]["default"] == {"preset": "recommended"}
    given = function.validate_parameters(
        {"experiment": inspect.signature(function.fn).parameters["experiment"].default}
    )
    assert given["experiment"] == Experiment(preset="recommended")


ODD = {
    "fit.epochs=true": "fit.epochs: must be no truth value, received true",
    "fit.initial_learning_rate=false": "fit.initial_learning_rate: must be no truth value, received false",
    "model.layers.0.units=true": "model.layers.0.units: must be no truth value, received true",
    "intervals.levels=[0.5, true]": "intervals.levels: must be no truth value, received true",
    "split.test_from=true": "split.test_from: must be no truth value, received true",
    "split.test_from=5": "split.test_from: must be a moment such as '2016-05-01 18:00', received a number",
    "model.layers.0.units=2147483648": "model.layers.0.units: must be at most 2,147,483,647, received 2,147,483,648",
    "model.layers.0.units=5000": "model.layers.0.units: Input should be less than or equal to 4096, received 5000",
    "fit.epochs=" + "9" * 5000: "fit.epochs: ",
    "split.until=" + "9" * 400: "split.until: must be a moment such as",
    "readings.timezone=" + "x" * 9000: "readings.timezone: must be a name such as Europe/London",
    "readings.unit=" + "x" * 9000: "readings.unit: ",
    "fit.epochs=" + "9" * 500: "fit.epochs: must be at most 2,147,483,647, received one of hundreds of digits",
    "model.layers.00.units=3": "a name must be words and places in lists with dots between them",
    "model.layers.-1.units=3": "a name must be words and places",
    "model.layers.\u0660.units=3": "a name must be words and places",
    "model..layers=3": "a name must be words and places",
    "fit.epochs.=3": "a name must be words and places",
    "model.layers.7.units=3": "'7' is no place in a list of 2: count from 0 to 1",
    "fit.epochs=1\nseed=3": "a setting must be one line of at most 10,000 characters",
    "fit.epochs=1\u2028seed=3": "a setting must be one line",
    "x=" + "[" * 5000: "a value must not be brackets in brackets without end",
    "x=" + "[" * 20000: "a setting must be one line",
    "fit.kernel=" + "k" * 9000: "fit.kernel: Input should be 'auto', 'keras' or 'fast'",
    "k" * 9000 + "=1": f"{'k' * 60}: there is no such option",
}


@pytest.mark.parametrize("setting", ODD, ids=lambda setting: setting[:30])
def test_an_odd_setting_is_refused_by_its_name_in_few_words(setting: str) -> None:
    with pytest.raises(InputError) as caught:
        read_experiment(preset="seed-l2", settings=[setting])
    assert str(caught.value).startswith(ODD[setting])
    assert len(str(caught.value)) < 400


def test_a_thousand_faults_are_told_in_few_lines(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text("[readings]\nfeatures = [" + "1, " * 1000 + "]", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_experiment(config=file)
    *told, last = str(caught.value).splitlines()
    assert (len(told), last) == (20, "and 980 faults more")
    file.write_text("x = " + "[" * 5000, encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read: brackets in brackets without end"):
        read_experiment(config=file)
