"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattcast.flows.experiment.experiment import Experiment, preset_names

Preset = Annotated[
    str | None, typer.Option("--preset", help="Preset to start from: " + ", ".join(preset_names()) + ".")
]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file with what differs from the preset.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One option, such as model.readout_keep_prob=0.8. Repeatable."),
]
Data = Annotated[str | None, typer.Option("--data", help=str(Experiment.model_fields["data"].description))]
Seed = Annotated[int | None, typer.Option("--seed", help="Short for --set fit.seed=N.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")
]
