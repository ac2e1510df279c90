"""Names and passwords in the addresses of servers are moved to where nobody shows them."""

from __future__ import annotations

import pytest

from wattcast.model.errors import InputError
from wattcast.tasks.credentials import moved, parted


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("http://anna:pa%40ss@db:5000/x?y=1", ("http://db:5000/x?y=1", "anna", "pa@ss")),
        ("https://anna:p@ss:w@db", ("https://db", "anna", "p@ss:w")),
        ("https://token@db", ("https://db", "token", "")),
        ("http://127.0.0.1:5000", ("http://127.0.0.1:5000", "", "")),
        ("postgresql://anna:secret@db/x", ("postgresql://anna:secret@db/x", "", "")),
        ("sqlite:///mlflow.db", ("sqlite:///mlflow.db", "", "")),
        ("", ("", "", "")),
    ],
)
def test_an_address_is_parted(address: str, parts: tuple[str, str, str]) -> None:
    assert parted(address) == parts


def test_servers_get_their_credentials_by_variables_of_their_own() -> None:
    given = {"MLFLOW_TRACKING_URI": "http://a:b@m:1", "PREFECT_API_URL": "http://c:d@p:2/api", "HOME": "/x"}
    assert moved(given) == {
        "MLFLOW_TRACKING_URI": "http://m:1",
        "MLFLOW_TRACKING_USERNAME": "a",
        "MLFLOW_TRACKING_PASSWORD": "b",
        "PREFECT_API_URL": "http://p:2/api",
        "PREFECT_API_AUTH_STRING": "c:d",
        "HOME": "/x",
    }
    assert given["MLFLOW_TRACKING_URI"] == "http://a:b@m:1"


def test_a_variable_that_is_set_wins_and_nothing_is_made_up() -> None:
    given = {"MLFLOW_TRACKING_URI": "http://a:b@m:1", "MLFLOW_TRACKING_PASSWORD": "own"}
    assert moved(given)["MLFLOW_TRACKING_PASSWORD"] == "own"
    assert moved({"MLFLOW_TRACKING_URI": "http://m:1"}) == {"MLFLOW_TRACKING_URI": "http://m:1"}


def test_what_begins_as_an_address_and_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(InputError, match=r"^http://anna:\*\*\*@\[::1 is no address of a server: Invalid IPv6 URL"):
        parted("http://anna:planted@[::1")
