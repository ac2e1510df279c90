"""Who runs which code, where nobody can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattcast.tasks.tracking import origin


def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert origin.user() == "unknown"


def test_outside_a_checkout_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(origin, "__file__", str(tmp_path / "origin.py"))
    assert origin._git_commit() == "unknown"
