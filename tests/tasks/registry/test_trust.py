"""Loading a version runs its code: only one that a retraining has registered is loaded, as it was then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from mlflow import MlflowClient

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.promotion import comparison
from wattcast.tasks.registry import clean_room
from wattcast.tasks.registry.trust import DIGEST, UntrustedError, digest, require_ours
from wattcast.tasks.registry.versions import Version, Versions

RAN = "ran"
HOSTILE = f"""
def _load_pyfunc(path):
    open({{path!r}} + "/{RAN}", "w").close()
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "code" / "loader.py").write_text("x = 1\n")
    return folder


def test_a_digest_is_of_all_names_and_contents(model: Path) -> None:
    one = digest(model)
    (model / "registered_model_meta").write_text("added by MLflow to each download")
    assert digest(model) == one
    (model / "code" / "loader.py").rename(model / "code" / "other.py")
    other = digest(model)
    (model / "code" / "other.py").write_text("x = 2\n")
    assert len({one, other, digest(model)}) == 3
    (model / "code" / "more.py").touch()
    assert digest(model) not in {one, other}


def test_who_has_registered_a_version_is_told_by_its_tag(model: Path) -> None:
    require_ours("version 1", {DIGEST: digest(model)}, model)
    with pytest.raises(UntrustedError, match=r"^version 1 was registered by no retraining of wattcast, and .* --trust"):
        require_ours("version 1", {}, model)
    with pytest.raises(UntrustedError, match=r"^version 1 has other files than the retraining"):
        require_ours("version 1", {DIGEST: "0"}, model)


@pytest.fixture
def hostile(model: Path, tmp_path: Path, workspace: Path) -> Version:
    """A version that writes a file where it is loaded."""
    (model / "code" / "hostile_loader.py").write_text(HOSTILE.format(path=str(tmp_path)))
    (model / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: hostile_loader\n    code: code\n    python_version: 3.11.0\n"
    )
    name, client = f"hostile-{uuid4().hex}", MlflowClient()
    client.create_registered_model(name)
    client.create_model_version(name, str(model))
    return Versions.open(name).find("1")


def test_a_version_of_somebody_elses_is_not_loaded(hostile: Version, tmp_path: Path) -> None:
    with pytest.raises(UntrustedError, match="was registered by no retraining"):
        clean_room.forecast_example(Versions.open(hostile.model), hostile)
    with pytest.raises(UntrustedError):
        Versions.open(hostile.model).contract(hostile)
    assert not (tmp_path / RAN).exists()
    assert Versions.open(hostile.model, trusting=True).download(hostile, tmp_path).is_dir()


def test_a_version_whose_files_were_changed_is_not_loaded_and_its_compiled_code_is_left_out(
    hostile: Version, model: Path, tmp_path: Path
) -> None:
    versions = Versions.open(hostile.model)
    versions.tag(hostile, {DIGEST: digest(model)})
    hostile = versions.find("1")
    (model / "code" / "__pycache__").mkdir()
    (model / "code" / "__pycache__" / "hostile_loader.cpython-311.pyc").touch()
    given = versions.download(hostile, tmp_path / "given")
    assert sorted(file.name for file in (given / "code").rglob("*")) == ["hostile_loader.py", "loader.py"]
    (model / "code" / "loader.py").write_text("x = 3\n")
    with pytest.raises(UntrustedError, match="has other files than the retraining"):
        versions.download(hostile, tmp_path / "changed")


def test_an_untrusted_champion_keeps_its_place_until_somebody_looks(hostile: Version) -> None:
    case = SimpleNamespace(prepared=SimpleNamespace(experiment=Experiment()), windows=None)
    unknown = UntrustedError("version 1 was registered by no one")
    (check,) = comparison._champion(cast("Any", case), hostile, {}, unknown, {})
    assert (check.passed, check.message) == (False, "version 1 was registered by no one")
