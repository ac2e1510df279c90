"""The versions of a registered model: what each was made of, and by which names it is found."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mlflow import MlflowClient

from wattcast.model.errors import InputError
from wattcast.tasks.registry.lock import BusyError
from wattcast.tasks.registry.names import CHALLENGER, CHAMPION, MODEL, PREVIOUS
from wattcast.tasks.registry.versions import PROMOTION, TRAINING, Versions
from wattcast.tasks.tracking.run import tracked_run
from wattcast.tasks.tracking.store import EXPERIMENT


@pytest.fixture
def versions(workspace: Path) -> Versions:
    """A registered model that no other test uses, and which is not there yet."""
    return Versions.open(f"house-{uuid4().hex}")


def add(versions: Versions, folder: Path, *, run_id: str = "", tags: Mapping[str, str] | None = None) -> int:
    """One version more, which holds nothing that could be loaded; its number."""
    if not versions.all():
        versions.client.create_registered_model(versions.model)
    made = versions.client.create_model_version(versions.model, str(folder), run_id or None, tags=dict(tags or {}))
    return int(made.version)


def test_a_model_that_is_not_there_yet_has_no_versions(versions: Versions) -> None:
    assert versions.all() == []
    assert versions.notes() == {}
    assert versions.aliased(CHAMPION) is None
    assert versions.of_run("any") is None
    with pytest.raises(InputError, match=rf"{versions.model} has no version 'champion': it has none yet; `wattcast"):
        versions.find(CHAMPION)


def test_a_version_says_what_it_was_made_of(versions: Versions, tmp_path: Path) -> None:
    before = time.time()
    add(versions, tmp_path, run_id="ab", tags={"data.to": "2016-05-01"})
    (version,) = versions.all()
    assert (version.model, version.number, version.run_id) == (versions.model, 1, "ab")
    assert (version.tags, version.aliases) == ({"data.to": "2016-05-01"}, ())
    assert version.uri == f"models:/{versions.model}/1"
    assert before - 1 < version.created.timestamp() < time.time() + 1
    assert version.created.utcoffset() is not None
    versions.tag(version, {"decision": "refused", "data.to": "2016-06-01"})
    assert versions.find("1").tags == {"decision": "refused", "data.to": "2016-06-01"}
    add(versions, tmp_path)
    assert versions.find("2").run_id == ""


def test_a_logged_model_becomes_the_next_version_of_its_run(versions: Versions) -> None:
    made = []
    for _ in range(2):
        with tracked_run("training", params={}, tags={}) as run:
            experiment = versions.client.get_experiment_by_name(EXPERIMENT).experiment_id
            logged = versions.client.create_logged_model(experiment, name="forecaster", source_run_id=run.run_id)
            made.append(versions.register(logged.model_uri, run.run_id, {"data.source": "simulated"}))
        assert versions.of_run(run.run_id) == made[-1]
    assert [(version.number, version.tags) for version in made] == [
        (1, {"data.source": "simulated"}),
        (2, {"data.source": "simulated"}),
    ]
    found = versions.client.get_model_version(versions.model, "2")
    assert (found.source, found.run_id) == (logged.model_uri, run.run_id)


def test_versions_are_sorted_by_their_numbers(versions: Versions, tmp_path: Path) -> None:
    assert [add(versions, tmp_path) for _ in range(11)] == list(range(1, 12))
    assert [version.number for version in versions.all()] == list(range(1, 12))


def test_a_version_is_found_by_its_number_and_by_each_of_its_aliases(versions: Versions, tmp_path: Path) -> None:
    for alias in (PREVIOUS, CHAMPION, CHALLENGER):
        versions.name_alias(alias, add(versions, tmp_path))
    versions.name_alias("in-the-shop", 2)
    assert [version.aliases for version in versions.all()] == [(PREVIOUS,), (CHAMPION, "in-the-shop"), (CHALLENGER,)]
    for which, number in {
        "1": 1,
        "v1": 1,
        PREVIOUS: 1,
        "2": 2,
        "v2": 2,
        CHAMPION: 2,
        "in-the-shop": 2,
        "v3": 3,
        CHALLENGER: 3,
    }.items():
        assert versions.find(which).number == number
    champion = versions.aliased(CHAMPION)
    assert champion is not None
    assert champion == versions.find("2")


def test_an_alias_stands_for_one_version_at_a_time(versions: Versions, tmp_path: Path) -> None:
    one, other = add(versions, tmp_path), add(versions, tmp_path)
    versions.name_alias(CHAMPION, one)
    versions.name_alias(CHAMPION, other)
    assert [version.aliases for version in versions.all()] == [(), (CHAMPION,)]
    for _ in range(2):  # one that stands for none is no error
        versions.name_alias(CHAMPION, None)
        assert versions.aliased(CHAMPION) is None


@pytest.mark.parametrize(
    ("which", "hint"),
    [
        ("7", ": there are 1, 2, champion, previous;"),
        ("v", ": there are 1, 2, champion, previous;"),
        ("", ": there are 1, 2, champion, previous;"),
        ("vv1", ": there are 1, 2, champion, previous;"),
        ("1.0", ": there are 1, 2, champion, previous;"),
        ("champoin", ": did you mean 'champion'\\?;"),
        ("Previous", ": did you mean 'previous'\\?;"),
    ],
)
def test_who_asks_for_a_version_that_is_not_there_is_told_which_are(
    which: str, hint: str, versions: Versions, tmp_path: Path
) -> None:
    for alias in (CHAMPION, PREVIOUS):
        versions.name_alias(alias, add(versions, tmp_path))
    with pytest.raises(InputError, match=rf"{versions.model} has no version '{which}'{hint} `wattcast models` lists"):
        versions.find(which)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "a.b", "the house's", "<script>", "x" * 101])
def test_a_name_that_mlflow_would_not_take_or_not_find_is_refused(name: str) -> None:
    with pytest.raises(
        InputError,
        match="the name of a registered model must have at most 100 letters, digits, spaces and the signs _ \\+ -, and",
    ):
        Versions.open(name)


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("name", [MODEL, "Haus_1 Süd +"])
def test_any_other_name_can_be_used(name: str, tmp_path: Path) -> None:
    versions = Versions.open(name)
    with versions.alone(TRAINING, wait_s=0):
        versions.name_alias(CHAMPION, add(versions, tmp_path))
        versions.note("a", "b")
    assert versions.find(CHAMPION).number == 1
    assert versions.notes() == {"a": "b"}
    assert Versions.open(f"{name}-too").all() == []


def test_a_champion_that_is_named_while_one_looks_is_not_overlooked(versions: Versions, tmp_path: Path) -> None:
    """There is a champion all the time: the old one, then one that was registered since."""
    versions.name_alias(CHAMPION, add(versions, tmp_path))

    class Overtaken(MlflowClient):
        def search_model_versions(self, *arguments: Any) -> Any:
            found = super().search_model_versions(*arguments)
            versions.name_alias(CHAMPION, add(versions, tmp_path))
            return found

    slow = Versions(Overtaken(versions.client.tracking_uri), versions.model)
    for _ in range(2):
        assert slow.aliased(CHAMPION) is not None


def test_one_purpose_of_one_model_is_pursued_alone(versions: Versions) -> None:
    other = Versions.open(f"{versions.model}-too")
    with versions.alone(TRAINING, wait_s=0), versions.alone(PROMOTION, wait_s=0), other.alone(TRAINING, wait_s=0):
        with pytest.raises(BusyError, match=f"{versions.model}.training is locked"), versions.alone(TRAINING, wait_s=0):
            pass
        assert versions.all() == []
    assert versions.client.search_registered_models(f"name LIKE '{versions.model}%'") == []


def test_what_is_attached_lies_in_the_run(versions: Versions) -> None:
    with tracked_run("training", params={}, tags={}) as run:
        pass
    for content in ("[1]\n", "[1, 2]\n"):
        versions.attach(run.run_id, "ledger.json", content)
        assert (run.folder / "ledger.json").read_text() == content
