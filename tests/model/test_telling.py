"""What messages say: no password, and nothing without end."""

from __future__ import annotations

import time

import pytest

from wattcast.model.errors import InputError
from wattcast.model.telling import masked, tellable
from wattcast.tasks.registry.lock import BusyError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://anna:secret@db.local:5432/x", "postgresql://anna:***@db.local:5432/x"),
        ("postgresql://anna:a/b@c:d@db.local/x", "postgresql://anna:***@db.local/x"),
        ("postgresql://anna@db.local/x", "postgresql://anna@db.local/x"),
        (
            "postgresql://db.local:5432/x?user=anna&password=secret&a=b",
            "postgresql://db.local:5432/x?user=anna&password=***&a=b",
        ),
        (
            "no route to mysql://anna:secret@db/x, nor to mysql://otto:s@db/x",
            "no route to mysql://anna:***@db/x, nor to mysql://otto:***@db/x",
        ),
        ("sqlite:///optuna.db", "sqlite:///optuna.db"),
        ("folder/optuna.journal", "folder/optuna.journal"),
        ("https:/anna:secret@host/x.csv", "https:/anna:***@host/x.csv"),
        ("redis://:secret@db/0", "redis://:***@db/0"),
        ("https://ghp_1234@github.com/x", "https://***@github.com/x"),
        ("https://host/x.csv?api_key=1&token=2&rows=3", "https://host/x.csv?api_key=***&token=***&rows=3"),
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("at 12:30, anna@home", "at 12:30, anna@home"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLFLOW_TRACKING_PASSWORD", "planted"),
        ("MLFLOW_TRACKING_TOKEN", "planted"),
        ("PREFECT_API_KEY", "planted"),
        ("PREFECT_API_AUTH_STRING", "otto:planted"),
        ("WATTCAST_STORAGE_PASSWORD", "planted"),
        ("AWS_SECRET_ACCESS_KEY", "planted"),
        ("PGPASSWORD", "planted"),
    ],
)
def test_nor_what_the_environment_keeps_secret(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert masked("who is planted? planted!") == "who is ***? ***!"


def test_other_variables_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PWD", "OLDPWD", "MAX_TOKENS", "PGPASSFILE"):
        monkeypatch.setenv(name, "planted")
    assert masked("planted") == "planted"


def test_of_what_is_long_beginning_and_end_are_told() -> None:
    told = tellable(f"wrong is {'x' * 10_000_000}; choose another\nand here, too")
    first, second = told.split("\n")
    assert first.startswith("wrong is xxx")
    assert "…" in first
    assert first.endswith("; choose another")
    assert len(first) == 1001
    assert second == "and here, too"
    assert len(tellable("line\n" * 100_000)) == 10_001


def test_a_password_is_not_told_where_its_end_is_cut_off() -> None:
    assert tellable(f"no postgresql://anna:{'s' * 5000}@host; {'x' * 5000}")[:30] == "no postgresql://anna:***…xxxxx"


def test_that_takes_a_moment_for_ten_megabytes() -> None:
    began = time.perf_counter()
    tellable("://a:" * 2_000_000)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("kind", [InputError, BusyError])
def test_each_error_for_a_user_is_tellable(kind: type[InputError]) -> None:
    error = kind(f"mysql://anna:secret@db {'x' * 100_000}, choose another")
    assert str(error).startswith("mysql://anna:***@db xx")
    assert str(error).endswith(", choose another")
    assert len(str(error)) == 998  # with the sign of the cut, and stars for the password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("half a pair: \ud83d", r"half a pair: \ud83d"),
        ("file \udcff.csv", r"file \udcff.csv"),
        ("backwards \u202ecod.exe", r"backwards \u202ecod.exe"),
        ("over\rwritten\x00", r"over\rwritten\x00"),
        ("two lines\n\tand Gr\u00f6\u00dfe \U0001f600", "two lines\n\tand Gr\u00f6\u00dfe \U0001f600"),
    ],
)
def test_what_would_steer_a_terminal_or_cannot_be_written_is_spelled(text: str, shown: str) -> None:
    assert tellable(text) == shown
    shown.encode()
