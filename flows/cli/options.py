"""Options that several commands take, and old names of options that have got another one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wattcast.flows.experiment.offered import DEFAULT_PRESET, SOURCES, preset_names
from wattcast.model.errors import InputError
from wattcast.tasks.stages import screen

if TYPE_CHECKING:
    from wattcast.flows.experiment.experiment import Experiment

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        autocompletion=lambda incomplete: [name for name in preset_names() if name.startswith(incomplete)],
        help=f"Preset to start from: {', '.join(preset_names())}; that of --config, or {DEFAULT_PRESET}, if left out.",
    ),
]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file with what differs from the preset.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Value of one option, such as model.readout_keep_prob=0.8; may be given several times.",
    ),
]
Data = Annotated[str | None, typer.Option("--data", help=f"Source of the readings: {SOURCES}.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="Seed of the training, short for --set fit.seed=N; the preset's if left out."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", help="Show neither bars nor stages, but warnings, errors and the result.")
]
ModelName = Annotated[str, typer.Option("--model-name", help="Name of the registered model in MLflow.")]
ModelVersion = Annotated[
    str, typer.Option("--model-version", help="Version of the registered model: its number, or an alias like previous.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Load a version that no retraining has registered, too, which runs its code.")
]

Fallback = Annotated[
    Literal["naive"] | None,
    typer.Option(
        "--fallback",
        help="What forecasts where the version cannot be loaded, or readings are too few or stuck; an error if left "
        "out.",
    ),
]

_RENAMED = ((ModelName, "--model-name", "--name"), (ModelVersion, "--model-version", "--model"))
"""Options that are still known by an old name: each with the new one and the old one."""


def experiment_of(
    *,
    preset: str | None,
    config: Path | None,
    settings: list[str] | None = None,
    data: str | None = None,
    seed: int | None = None,
) -> Experiment:
    """What these options ask for.

    Raises:
        InputError: an option or value that cannot be used.
    """
    from wattcast.flows.experiment.experiment import read_experiment

    given = {"data": data, "fit.seed": seed}
    return read_experiment(preset=preset, config=config, settings=settings or (), options=given)


def with_old_names(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes its options by their old names, too: not in its help, and with a hint on standard error.

    Raises:
        InputError: when it is run with an option by both of its names, and with different values.
    """
    signature = inspect.signature(command, eval_str=True)
    renamed = {
        name: (new, old)
        for name, parameter in signature.parameters.items()
        for kind, new, old in _RENAMED
        if parameter.annotation == kind
    }

    @wraps(command)
    def run(context: typer.Context, **given: Any) -> None:
        for name, (new, old) in renamed.items():
            value = given.pop(_hidden(name))
            if value is None:
                continue
            source = context.get_parameter_source(name)
            if source and source.name == "COMMANDLINE" and given[name] != value:
                raise InputError(f"{old} is now {new}: give one of them, received {value!r} and {given[name]!r}")
            screen.print(f"{old} is now {new}; both work", highlight=False, soft_wrap=True)
            given[name] = value
        command(**given)

    hidden = [
        Parameter(
            _hidden(name),
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(old, help=f"Old name of {new}.", hidden=True)],
        )
        for name, (new, old) in renamed.items()
    ]
    context = Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]  # which is what Typer reads
        parameters=[*signature.parameters.values(), *hidden, context]
    )
    return run


def _hidden(name: str) -> str:
    return f"old_{name}"
