"""A version in use and the newest readings, read as it reads them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

import pandas as pd

from wattcast.model.clean import Habits, check_readings, require_clean
from wattcast.model.fallback import Fallback
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import download_task
from wattcast.tasks.data.units import require_unit
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.versions import DATA_TO, Version, Versions
from wattcast.tasks.tracking.past_runs import read_artifact
from wattcast.tasks.tracking.run import CONFIG_FILE
from wattcast.tasks.tracking.store import tracking_faults


@dataclass(frozen=True)
class InUse:
    """A version, what it takes and gives, and readings as they came."""

    versions: Versions
    version: Version
    contract: Contract
    readings: ReadingsConfig
    habits: Habits
    config: dict[str, Any]  # of its training, as far as that is known
    fallback: Fallback | None  # that stands in a tag of the version
    raw: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """The readings as a clean frame.

        Raises:
            InputError: they cannot be used.
        """
        return check_readings(self.raw, self.readings, self.habits)

    @property
    def measured(self) -> pd.DataFrame:
        """The targets of the steps at which they were measured: no points of lines across gaps.

        Raises:
            InputError: the readings cannot be used.
        """
        cleaned = require_clean(self.raw, self.readings, self.habits)
        targets = cleaned.frame[list(self.contract.targets)]
        return targets if cleaned.drawn is None else targets[~targets.index.isin(cleaned.drawn.targets)]

    @property
    def is_adaptive(self) -> bool:
        """Its intervals learn in use; not those of versions from before there was such a thing."""
        return bool(self.config.get("intervals", {}).get("adaptive"))

    @property
    def trained_to(self) -> dict[str, pd.Timestamp]:
        """The newest reading that each version was trained on, where its tag says it."""
        return {str(one.number): pd.Timestamp(one.tags[DATA_TO]) for one in self.versions.all() if DATA_TO in one.tags}

    @property
    def units(self) -> dict[str, str]:
        """The unit of what each version forecasts, where its tag says it."""
        return {str(one.number): one.unit for one in self.versions.all() if one.unit}


def put_to_use(source: str, model: str, name: str, *, trust: bool, without_files: bool = False) -> InUse:
    """The version `model` of the registered model `name`, and readings from a source.

    With `without_files` a version whose tag has a fallback is read from that alone, as its files may be lost.

    Raises:
        InputError: there is no such version, its files cannot be had, or the readings cannot.
    """
    with tracking_faults():
        versions = Versions.open(name, trusting=trust)
        version = versions.find(model)
        fallback = versions.fallback(version)
        contract = versions.contract(version)
        alone = fallback if without_files else None
        readings, habits = (alone.readings, alone.habits) if alone else versions.reading_of(version)
        text = read_artifact(version.run_id, CONFIG_FILE) if version.run_id else None
        config = tomllib.loads(text) if text else {}
    raw = download_task(source, Dialect.model_validate(config.get("file", {})))  # another file from there is alike
    require_unit(readings, raw.units)
    return InUse(versions, version, contract, readings, habits, config, fallback, raw.frame)
