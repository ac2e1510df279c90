"""Text that is written once: whole or not at all, and never over a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wattcast.model.errors import InputError
from wattcast.tasks.data.files import check_new, check_writable, write_new


def test_a_new_file_is_utf8_with_line_feeds(tmp_path: Path) -> None:
    write_new("Wärme\n", tmp_path / "draft.toml")
    assert (tmp_path / "draft.toml").read_bytes() == "Wärme\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["draft.toml"]


@pytest.mark.parametrize("linked", [True, False], ids=["links", "no links"])
def test_a_file_that_is_there_stays_also_where_it_came_meanwhile(
    linked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "draft.toml"
    link = os.link

    def meanwhile(source: Path, target: Path) -> None:
        path.write_text("another's")
        if not linked:
            raise PermissionError("no links here")
        link(source, target)

    monkeypatch.setattr(os, "link", meanwhile)
    with pytest.raises(InputError, match="is there already: choose another name"):
        write_new("mine", path)
    assert path.read_text() == "another's"
    assert [path.name for path in tmp_path.iterdir()] == ["draft.toml"]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_new("mine", tmp_path / "draft.toml")
    assert (tmp_path / "draft.toml").read_text() == "mine"


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    for path, text, why in (
        (tmp_path / "nowhere" / "draft.toml", "mine", "there is no folder"),
        (tmp_path / "draft.toml", "\udcff", "surrogates not allowed"),
    ):
        with pytest.raises(InputError, match=why):
            write_new(text, path)
    (tmp_path / "dangling").symlink_to("nosuch")
    with pytest.raises(InputError, match="is there already"):
        write_new("mine", tmp_path / "dangling")
    assert [path.name for path in tmp_path.iterdir()] == ["dangling"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no folder in which nobody may write")
@pytest.mark.parametrize("check", [check_writable, check_new])
def test_a_folder_that_takes_no_file_is_told_at_once(check: Callable[[Path], None]) -> None:
    """A lock beside forecasts that are to be written there was waited for without end."""
    with pytest.raises(InputError, match=r"^'/proc/forecasts.csv' cannot be written: the folder '/proc' takes no file"):
        check(Path("/proc/forecasts.csv"))
