"""The versions of a registered model in MLflow: what each was made of, and under which names it is known."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from wattcast.model.clean import Habits, require_clean
from wattcast.model.errors import InputError
from wattcast.model.fallback import Fallback
from wattcast.model.forecaster import RECORD_FILE
from wattcast.model.readings import ReadingsConfig, nearest
from wattcast.model.windows import WindowConfig
from wattcast.tasks.names import check_name
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.lock import Held, clear_broken, locked, registered_model
from wattcast.tasks.registry.names import MODEL
from wattcast.tasks.registry.trust import clear_compiled, digest, require_ours
from wattcast.tasks.tracking.store import store_client

DATA_FROM, DATA_TO, HOLDOUT_FROM, HOLDOUT_TO = "data.from", "data.to", "holdout.from", "holdout.to"
"""Tags of a version: oldest and newest reading that it was trained on, and the span that judged it."""
CONTRACT, DECISION, WHY, DRIFT = "interface", "decision", "decision.why", "drift"
"""Tags of a version: what it takes and gives, and what was decided about it."""
HOLDOUT_SKILL = "holdout.skill"
"""The tag of a version with its skill against persistence on the span that judged it, and the interval of that."""
FALLBACK = "fallback"
"""The tag of a version that holds the naive forecasts of the span that judged it, for when it cannot be loaded."""
_INTRODUCTION = "Forecasts the energy use of a building from its newest readings."
_LONGEST_NOTE = 5000
PROMOTION, TRAINING = "promotion", "training"
"""What is done by one process at a time for each registered model."""


@dataclass(frozen=True)
class Version:
    """One version: `tags` say what it was trained on and what was decided about it."""

    model: str
    number: int
    run_id: str
    created: datetime
    tags: dict[str, str]
    aliases: tuple[str, ...]

    @property
    def unit(self) -> str | None:
        """The unit of its forecasts and scores, where its tag says it."""
        told = json.loads(self.tags.get(CONTRACT, "{}"))
        return told.get("unit") if isinstance(told, dict) else None

    @property
    def uri(self) -> str:
        """What MLflow loads and serves it by."""
        return f"models:/{self.model}/{self.number}"


@dataclass(frozen=True)
class Versions:
    """All versions of one registered model."""

    client: MlflowClient
    model: str
    trusting: bool = False  # whoever registered a version: its code may be run

    @classmethod
    def open(cls, model: str = MODEL, *, trusting: bool = False) -> Versions:
        """Those of `model`, which need not exist yet. What is left of its locks by processes that died is cleared away.

        Raises:
            InputError: the tracking store cannot be used, or the name is none for a model.
        """
        check_name(model, "a registered model", dots=False)  # a lock is named by what stands behind one
        client = store_client()
        clear_broken(client, model)
        return cls(client, model, trusting)

    def all(self) -> list[Version]:
        """The oldest first."""
        names = self._aliases()  # first, so that a version which is made and named meanwhile cannot be missed
        found = self.client.search_model_versions(f"name = '{self.model}'")
        return sorted((self._version(each, names) for each in found), key=lambda version: version.number)

    def find(self, which: str) -> Version:
        """The version with this number (`3` or `v3`) or alias.

        Raises:
            InputError: there is none.
        """
        versions = self.all()
        for version in versions:
            if which in version.aliases or which.removeprefix("v") == str(version.number):
                return version
        known = [str(version.number) for version in versions]
        aliases = [alias for version in versions for alias in version.aliases]
        hint = nearest(which, aliases) or (
            f": there are {', '.join(known + aliases)}" if known else ": it has none yet"
        )
        raise InputError(f"{self.model} has no version {which!r}{hint}; `wattcast models` lists them all")

    def aliased(self, alias: str) -> Version | None:
        """The version of this alias."""
        return next((version for version in self.all() if alias in version.aliases), None)

    def of_run(self, run_id: str) -> Version | None:
        """The version that a run has registered."""
        return next((version for version in self.all() if version.run_id == run_id), None)

    def register(self, model_uri: str, run_id: str, tags: Mapping[str, str]) -> Version:
        """A logged model as the next version."""
        if self._registered() is None:
            with suppress(MlflowException):  # another process may have made it by now
                self.client.create_registered_model(self.model)
        model_id = model_uri.removeprefix("models:/")
        made = self.client.create_model_version(self.model, model_uri, run_id, tags=dict(tags), model_id=model_id)
        return self._version(made, {})

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Add `tags` to a version."""
        for name, value in tags.items():
            self.client.set_model_version_tag(self.model, str(version.number), name, value)

    def describe(self, version: Version, text: str) -> None:
        """The description of a version, in Markdown."""
        self.client.update_model_version(self.model, str(version.number), text[:_LONGEST_NOTE])

    def describe_model(self, text: str) -> None:
        """The description of the registered model, unless somebody has written one of their own."""
        known = self._registered()
        if known is not None and (not known.description or known.description.startswith(_INTRODUCTION)):
            self.client.update_registered_model(self.model, f"{_INTRODUCTION}\n\n{text}"[:_LONGEST_NOTE])

    def name_alias(self, alias: str, number: int | None) -> None:
        """Let `alias` stand for the version `number`; for none where it is None."""
        if number is None:
            self.client.delete_registered_model_alias(self.model, alias)
        else:
            self.client.set_registered_model_alias(self.model, alias, str(number))

    def notes(self) -> dict[str, str]:
        """The tags of the registered model itself."""
        return dict(known.tags) if (known := self._registered()) else {}

    def note(self, name: str, value: str) -> None:
        """Write a tag of the registered model itself."""
        self.client.set_registered_model_tag(self.model, name, value)

    def attach(self, run_id: str, name: str, content: str) -> None:
        """Write the artifact `name` of a run that need not be open."""
        self.client.log_text(run_id, content, name)

    def example(self, version: Version) -> pd.DataFrame:
        """The readings that were logged with the version as an example of its input."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = self.download(version, Path(temporary))
            return pd.DataFrame(Model.load(folder).load_input_example(str(folder)))

    def contract(self, version: Version) -> Contract:
        """What the version takes and gives, by its tag; of one that no retraining has registered, by its files."""
        if CONTRACT in version.tags:
            return Contract.model_validate_json(version.tags[CONTRACT])
        return Contract.of_saved(self._record(version))

    def reading_of(self, version: Version) -> tuple[ReadingsConfig, Habits]:
        """How the version reads, by its files: what these have from before an option was there has its default."""
        return self._reading(self._record(version))

    def fallback_on(self, version: Version, readings: pd.DataFrame) -> Fallback:
        """What forecasts in the place of a version without such a tag, by its files and the errors on raw readings.

        Raises:
            InputError: there are no files of it, or the readings cannot be used.
        """
        record = self._record(version)
        config, habits = self._reading(record)
        cleaned = require_clean(readings, config, habits)
        known = {name: value for name, value in record["window"].items() if name in WindowConfig.model_fields}
        window = WindowConfig.model_validate(known)
        quantiles = tuple(record.get("quantiles", ()))
        return Fallback.of_readings(cleaned.frame, config, habits, window, quantiles, drawn=cleaned.drawn)

    @staticmethod
    def _reading(record: Mapping[str, Any]) -> tuple[ReadingsConfig, Habits]:
        known = {name: value for name, value in record["readings"].items() if name in ReadingsConfig.model_fields}
        habits = Habits.from_json(record["habits"]) if "habits" in record else Habits()
        return ReadingsConfig.model_validate(known), habits

    def fallback(self, version: Version) -> Fallback | None:
        """What forecasts in its place, by its tag; None of a version that has none, as earlier ones."""
        told = version.tags.get(FALLBACK)
        return Fallback.from_json(json.loads(told)) if told else None

    def _record(self, version: Version) -> dict[str, Any]:
        """What the forecaster of a version says of itself.

        Raises:
            InputError: the version holds none.
        """
        with tempfile.TemporaryDirectory() as temporary:
            files = sorted(self.download(version, Path(temporary)).rglob(RECORD_FILE))
            if not files:
                raise InputError(
                    f"version {version.number} of {self.model} holds no forecaster of wattcast: name another one, see "
                    "`wattcast models`"
                )
            record: dict[str, Any] = json.loads(files[0].read_text(encoding="utf-8"))
            return record

    def download(self, version: Version, folder: Path) -> Path:
        """The version's files below `folder`.

        Raises:
            UntrustedError: no retraining has registered it, and these versions are not `trusting`.
        """
        files = Path(mlflow.artifacts.download_artifacts(version.uri, dst_path=str(folder)))
        clear_compiled(files)
        if not self.trusting:
            require_ours(f"version {version.number} of {self.model}", version.tags, files)
        return files

    def digest(self, model_uri: str) -> str:
        """Of a logged model's files, for the tag of a version."""
        with tempfile.TemporaryDirectory() as temporary:
            return digest(Path(mlflow.artifacts.download_artifacts(model_uri, dst_path=temporary)))

    @contextmanager
    def alone(self, purpose: str, *, wait_s: float) -> Iterator[Held]:
        """No other process does `purpose` for this model meanwhile.

        One that was silent for long may have lost that right: it can ask what it is given.

        Raises:
            BusyError: one has been at it for `wait_s` seconds.
        """
        with locked(self.client, f"{self.model}.{purpose}", wait_s=wait_s) as held:
            yield held

    def _registered(self) -> RegisteredModel | None:
        return registered_model(self.client, self.model)

    def _aliases(self) -> dict[str, str]:
        return dict(known.aliases) if (known := self._registered()) else {}

    def _version(self, found: ModelVersion, aliases: Mapping[str, str]) -> Version:
        number = int(found.version)
        return Version(
            model=self.model,
            number=number,
            run_id=found.run_id or "",
            created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            tags=dict(found.tags),
            aliases=tuple(sorted(alias for alias, version in aliases.items() if int(version) == number)),
        )
