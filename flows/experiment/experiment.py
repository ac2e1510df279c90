"""One experiment: everything that decides what a run does, read from a preset and what the user changes of it."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

from wattcast.flows.experiment.dotted import SEPARATOR, flatten, merge, replaced, set_option
from wattcast.flows.experiment.lasting import of_space, of_window
from wattcast.flows.experiment.offered import DEFAULT_PRESET, PRESETS, SOURCES, preset_names
from wattcast.flows.experiment.unanswered import listed, unanswered
from wattcast.model.cells import LONGEST_SHOWN, shown
from wattcast.model.config import Config
from wattcast.model.errors import InputError
from wattcast.model.fit import FitConfig
from wattcast.model.gru import GRUConfig
from wattcast.model.intervals import IntervalConfig, value_columns
from wattcast.model.readings import ReadingsConfig, nearest
from wattcast.model.scaler import ScaleConfig
from wattcast.model.split import SplitConfig
from wattcast.model.telling import masked
from wattcast.model.windows import WindowConfig
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.learning.boosting import BaselinesConfig
from wattcast.tasks.names import as_name
from wattcast.tasks.registry.gate import GateConfig
from wattcast.tasks.tuning.ranges import Space

Validated = TypeVar("Validated", bound=BaseModel)

_MOST_TOLD = 20  # faults
UNCHANGED: Any = {"preset": DEFAULT_PRESET}
"""The default of a flow's parameter, which Prefect makes an Experiment of.

As an Experiment it would fill Prefect's form with the values of one preset, which would win over another one that is
chosen there.
"""


def _one_of_the_presets(schema: dict[str, Any]) -> None:
    """Prefect's form offers them, and refuses others at once."""
    schema["enum"] = preset_names()


class Experiment(Config):
    """A preset, and what differs from it: each field that is not given is the preset's."""

    preset: str = Field(
        DEFAULT_PRESET,
        description="name of the preset that gives all that is not set",
        json_schema_extra=_one_of_the_presets,
    )
    data: str = Field("auto", description=SOURCES)
    file: Dialect = Field(default=Dialect(), description="how a file of one's own is written; found by reading it")
    readings: ReadingsConfig = Field(default=ReadingsConfig(), description="columns and cadence")
    split: SplitConfig = Field(default=SplitConfig(), description="training, validation and test part")
    scale: ScaleConfig = Field(default=ScaleConfig(), description="scaling of features and targets")
    window: WindowConfig = Field(default=WindowConfig(), description="history and horizon of a forecast")
    model: GRUConfig = Field(description="the network")
    fit: FitConfig = Field(default=FitConfig(), description="training")
    intervals: IntervalConfig = Field(default=IntervalConfig(), description="intervals around the forecasts")
    baselines: BaselinesConfig = Field(default=BaselinesConfig(), description="what a training's scores stand beside")
    gate: GateConfig = Field(default=GateConfig(), description="what a retrained model must do to become the champion")
    sweep: Space = Field(default={}, description="what a sweep searches: the range of each option that it may change")
    found_by: str | None = Field(None, description="sweep and trial that found these values; a sweep writes it")

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        if questions := unanswered(given):
            raise ValueError(listed(questions, "the experiment"))
        return complete(given)

    @field_validator("window", "sweep", mode="before")
    @classmethod
    def _durations_are_steps(cls, given: Any, info: ValidationInfo) -> Any:
        steps = {"window": of_window, "sweep": of_space}[str(info.field_name)]
        return steps(given, info.data.get("readings")) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _parts_fit(self) -> Experiment:
        self.model.require_fit(self.window)
        return self

    @model_validator(mode="after")
    def _columns_of_forecasts_differ(self) -> Experiment:
        names = value_columns(self.readings.targets, self.intervals.quantiles)
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"a target has the name of another one's quantile, {twice[0]!r}: rename it in the file")
        return self

    @property
    def title(self) -> str:
        """A short name for runs: preset and data."""
        return as_name(f"{self.preset}-{data_name(self.data)}")

    def to_toml(self) -> str:
        """A configuration file that gives this experiment again."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def flat(self, *, unset: bool = False) -> dict[str, Any]:
        """Options of a training by dotted names, as `model.layers.0.units`; with `unset` those that are None, too."""
        return dict(flatten(self.model_dump(mode="json", exclude={"gate", "sweep"}, exclude_none=not unset)))

    def changed(self, values: Mapping[str, Any]) -> Experiment:
        """The same experiment with other `values` for the options of these dotted names.

        Raises:
            InputError: an option or value that cannot be used, all of them in one message.
        """
        nested: Any = self.model_dump(mode="json")
        for name, value in values.items():
            nested = replaced(nested, name.split(SEPARATOR), value)
        return _validated(nested, Experiment)


def data_name(data: str) -> str:
    """What `data` is called in short: the name of its file without ending, or the word that stands for a source."""
    shown = masked(data)
    return Path(shown).stem or shown


def read_preset(name: str) -> dict[str, Any]:
    """The options of a preset, nested.

    Raises:
        InputError: there is no such preset.
    """
    if name not in preset_names():
        hint = nearest(str(name), preset_names()) or "."
        raise InputError(f"there is no preset {shown(name)}{hint} Presets: {', '.join(preset_names())}")
    return tomllib.loads((PRESETS / f"{name}.toml").read_text(encoding="utf-8"))


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, and for all the rest the preset that it names."""
    name = given.get("preset", DEFAULT_PRESET)
    preset = {"preset": name, **read_preset(name)}
    merged = merge(preset, given)
    searched = [table for table in (preset.get("sweep", {}), given.get("sweep", {})) if isinstance(table, Mapping)]
    if len(searched) == 2:  # a range is replaced whole
        merged["sweep"] = {name: values for table in searched for name, values in _ranges(table)}
    return merged


def read_experiment(
    *,
    preset: str | None = None,
    config: Path | str | None = None,
    settings: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Experiment:
    """A preset, changed by a TOML file, by `name=value` settings such as `model.layers.0.units=64`, and by `options`.

    `options` are values by their dotted names; those that are None are passed over.

    Raises:
        InputError: a preset, file, option or value that cannot be used, all of them in one message; or questions that
            the file asks and nobody has answered, all of them in one message, too.
    """
    given = _read_toml(Path(config)) if config else {}
    if preset and given.get("preset", preset) != preset:
        raise InputError(
            f"the preset is {preset!r} on the command line and {given['preset']!r} in {str(config)!r}: leave out one"
        )
    nested: Any = _spelt_out(complete({**given, "preset": preset} if preset else given))
    for setting in settings:
        nested = _spelt_out(set_option(nested, setting), nested)
    for option, value in (options or {}).items():
        if value is not None:
            nested = replaced(nested, option.split(SEPARATOR), value)
    if questions := unanswered(nested):
        raise InputError(listed(questions, str(config) if config else "the experiment"))
    return _validated(nested, Experiment)


def _spelt_out(nested: dict[str, Any], before: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """`intervals = [0.5, 0.9]` as what it means: their levels; all else that was said of them `before` stays."""
    levels, said = nested.get("intervals"), before.get("intervals")
    if not isinstance(levels, list | int | float):
        return nested
    return {**nested, "intervals": {**(said if isinstance(said, Mapping) else {}), "levels": levels}}


def read_rival(experiment: Experiment, *, preset: str | None = None, config: Path | str | None = None) -> Experiment:
    """A preset, or a TOML file, as it would forecast the same as `experiment` from the same readings.

    Which features it reads, and whether time, is its own. Whatever else it does not say of readings and horizon, and
    all that is no part of learning, is as `experiment` has it.

    Raises:
        InputError: a preset, file, option or value that cannot be used, or what it says is of another forecast.
    """
    given: dict[str, Any] = {"preset": preset} if preset else _read_toml(Path(config or ""))
    nested = complete(given)
    told = given.get("window", {})
    horizon = {name: getattr(experiment.window, name) for name in _HORIZON if name not in told}
    ours = experiment.model_dump(mode="json", include=_OF_ALL)
    shared = {name: ours[name] for name in _OF_ALL if name != "readings"}
    learns = {**nested, **shared, "window": {**nested.get("window", {}), **horizon}}
    unread = {name: ReadingsConfig.model_fields[name].default for name in _READ}
    readings = merge({**ours["readings"], **unread}, nested.get("readings", {}))
    rival = _validated({**learns, "readings": readings}, Experiment)
    pairs = [("window", name) for name in _HORIZON] + [("readings", name) for name in _SUBJECT]
    for table, name in pairs:
        own, asked = (getattr(getattr(each, table), name) for each in (rival, experiment))
        if own != asked:
            raise InputError(
                f"{preset or str(config)!r} forecasts something else: {table}.{name} is {own}, where that of all must "
                f"be {asked}"
            )
    return rival


_READ = ("features", "time")
_HORIZON = ("steps_ahead", "output_length")
_SUBJECT = ("targets", "cadence_minutes", "kind", "unit", "timezone", "label")
_OF_ALL = {"data", "file", "readings", "split", "intervals", "baselines", "gate"}


class Told(Config):
    """What is said of a file and its readings before all of it is known: `model_fields_set` of each part says what."""

    file: Dialect = Field(default=Dialect(), description="how the file is written")
    readings: ReadingsConfig = Field(default=ReadingsConfig(), description="columns and cadence")


def read_told(*, config: Path | str | None = None, settings: Iterable[str] = ()) -> Told:
    """What a TOML file and `name=value` settings say in the tables `file` and `readings`; questions say nothing.

    Raises:
        InputError: a file, option or value that cannot be used, or a setting of another table.
    """
    given = _read_toml(Path(config)) if config else {}
    nested: Any = {table: given[table] for table in Told.model_fields if table in given}
    for setting in settings:
        if setting.partition(SEPARATOR)[0].strip() not in Told.model_fields:
            raise InputError(f"only file.* and readings.* say how a file is read, received {setting!r}: leave it out")
        nested = set_option(nested, setting)
    asked = unanswered(nested)
    return _validated(_without(nested, asked), Told)


def describe(name: str) -> str:
    """What the option with this dotted name means."""
    *location, last = name.split(SEPARATOR)
    return str(_model_at(location).model_fields[last].description)


def option_type(name: str) -> Any:
    """The type of the option with this dotted name; None where there is no such option."""
    *location, last = name.split(SEPARATOR)
    field = _model_at(location).model_fields.get(last)
    return field.annotation if field else None


def _without(node: Any, names: Collection[str], name: str = "") -> Any:
    """`node` without the options of these dotted `names`."""
    if not isinstance(node, Mapping):
        return node
    inner = {key: f"{name}{SEPARATOR}{key}" if name else key for key in node}
    return {key: _without(value, names, inner[key]) for key, value in node.items() if inner[key] not in names}


def _validated(nested: Any, model: type[Validated]) -> Validated:
    try:
        return model.model_validate(nested)
    except ValidationError as error:
        faults = error.errors()
        inner = [fault for fault in faults if not any(_within(other["loc"], fault["loc"]) for other in faults)]
        more = [f"and {len(inner) - _MOST_TOLD} faults more"] if len(inner) > _MOST_TOLD else []
        raise InputError("\n".join([*map(_explain, inner[:_MOST_TOLD]), *more])) from None
    except RecursionError:
        raise InputError("the configuration holds tables in tables without end: take the innermost out") from None


def _ranges(node: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """The ranges of a sweep by dotted names, however they are nested: TOML reads `fit.decay_rate` as table in table."""
    for key, value in node.items():
        inner = f"{name}{SEPARATOR}{key}" if name else key
        if isinstance(value, Mapping) and (_is_table(inner) or _holds_tables(value)):
            yield from _ranges(value, inner)
        else:
            yield inner, value


def _holds_tables(node: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Mapping) for value in node.values())


def _is_table(name: str) -> bool:
    place_in_a_list = name.rpartition(SEPARATOR)[2].isdigit()
    return place_in_a_list or _table(option_type(name)) is not None


def _model_at(location: Iterable[str | int]) -> type[BaseModel]:
    """The configuration at `location` in an experiment; places in lists and names in mappings are passed over."""
    model: type[BaseModel] = Experiment
    for part in location:
        if str(part) in model.model_fields:
            model = _table(model.model_fields[str(part)].annotation) or model
    return model


def _table(kind: Any) -> type[BaseModel] | None:
    """The configuration that an option of this type is or holds, if any."""
    held = (kind, *get_args(kind))
    return next((inner for inner in held if isinstance(inner, type) and issubclass(inner, BaseModel)), None)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no TOML, no text, or a number of thousands of digits
        raise InputError(f"the configuration {str(path)!r} cannot be read: {error}") from None
    except RecursionError:
        raise InputError(f"the configuration {str(path)!r} cannot be read: brackets in brackets without end") from None


def _explain(fault: Mapping[str, Any]) -> str:
    """One line for one of pydantic's faults."""
    name = SEPARATOR.join(str(part)[:LONGEST_SHOWN] for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        options = list(_model_at(fault["loc"][:-1]).model_fields)
        hint = nearest(str(fault["loc"][-1]), options) or f". Allowed: {', '.join(options)}"
        return f"{name}: there is no such option{hint}"
    message: str = fault["msg"].removeprefix("Value error, ")
    if not name:  # two parts do not fit each other: the message names both
        return message
    return (
        f"{name}: {message}"
        if fault["type"] == "value_error"
        else f"{name}: {message}, received {shown(fault['input'])}"
    )


def _within(inner: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer
