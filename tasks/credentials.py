"""Servers whose addresses have a name and a password in them: these belong into variables of their own."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from wattcast.model.errors import InputError

MLFLOW, PREFECT = "MLFLOW_TRACKING_URI", "PREFECT_API_URL"


def parted(address: str) -> tuple[str, str, str]:
    """An address without its credentials, then user and password; those of what is no web address stay in it.

    Raises:
        InputError: it begins as one and is none.
    """
    place, user, password = address, "", ""
    if address.startswith(("http://", "https://")):
        try:
            scheme, rest, *others = urlsplit(address)
        except ValueError as error:
            raise InputError(f"{address} is no address of a server: {error}") from None
        told, _, host = rest.rpartition("@")
        user, _, password = told.partition(":")
        place = urlunsplit((scheme, host, *others))
    return place, unquote(user), unquote(password)


def moved(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment whose servers' addresses hold no credentials: they stand where MLflow and Prefect never show them.

    What those variables hold already wins.
    """
    found = dict(environment)
    if MLFLOW in found:
        found[MLFLOW], user, password = parted(found[MLFLOW])
        if user:
            found = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password, **found}
    if PREFECT in found:
        found[PREFECT], user, password = parted(found[PREFECT])
        if user:
            found = {"PREFECT_API_AUTH_STRING": f"{user}:{password}", **found}
    return found
